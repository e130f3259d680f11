from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from skdtl import DeepTransferClassifier, SharedHiddenNetwork, stack

from ..deep_common import SMALL, same_weights, weights
from ..shifts import two_domains

QUICK = {**SMALL, "hidden_layer_sizes": (12, 8), "max_epochs": 40, "lr": 0.01}


def three_tasks(seed=0, n_target=40):
    """Return sources with the classes "a" to "b" and "b" to "d", a target with "x" and "y"."""
    rng = np.random.default_rng(seed)
    X1, X2, Xt = (rng.normal(size=(n, 4)) for n in (60, 90, n_target))
    y1 = np.where(X1[:, 0] > 0, "a", "b")
    y2 = np.array(["b", "c", "d"])[np.digitize(X2[:, 0] - X2[:, 1], [-0.7, 0.7])]
    yt = np.where(Xt[:, 0] + Xt[:, 1] > 0, "x", "y")
    return X1, y1, X2, y2, Xt, yt


def stacked(X1, y1, X2, y2, Xt, yt):
    X, y, domain = stack([X1, X2], [y1, y2], Xt, yt)
    domain[domain == 2] = 7  # ids are names
    return X, y, domain


def fitted(*tasks, **options):
    X, y, domain = stacked(*tasks)
    return SharedHiddenNetwork(**{**QUICK, **options}).fit(X, y, sample_domain=domain)


# -- the network and its loss ----------------------------------------------------------------------


def slow_softmax(features, head):
    weight, bias = (p.detach().numpy().astype(np.float64) for p in head.parameters())
    odds = np.exp(features @ weight.T + bias)
    return odds / odds.sum(axis=1, keepdims=True)


def slow_features(network, X):
    for layer in network.layers:
        weight, bias = (p.detach().numpy().astype(np.float64) for p in layer.parameters())
        X = np.maximum(X @ weight.T + bias, 0)
    return X


def test_each_domain_has_a_softmax_of_its_own_classes():
    X1, y1, X2, y2, Xt, yt = three_tasks()
    model = fitted(X1, y1, X2, y2, Xt, yt)
    assert model.classes_.tolist() == ["x", "y"] and model.sources_ == (1, 7)
    assert model.source_classes_.tolist() == ["a", "b", "c", "d"]
    assert model.source_has_class_.tolist() == [[1, 1, 0, 0], [0, 1, 1, 1]]
    network = model.net_.module_
    for X, y, head, found in (
        (X1, y1, network.heads["1"], model.predict_source(X1)),
        (X2, y2, network.heads["7"], model.predict_source(X2, 7)),
        (Xt, yt, network.head, model.predict(Xt)),
    ):
        classes = np.unique(y)
        p = slow_softmax(slow_features(network, X), head)
        assert p.shape[1] == len(classes)
        np.testing.assert_array_equal(found, classes[p.argmax(axis=1)])
        assert np.mean(found == y) > 0.9
    np.testing.assert_allclose(model.predict_proba(Xt), p, rtol=1e-6)
    with pytest.raises(ValueError, match=r"source must be one of \[1, 7\]; got 2"):
        model.predict_source(X1, 2)


def test_a_step_is_that_of_the_mean_over_all_rows_each_by_its_own_softmax():
    tasks = three_tasks()
    options = {"optimizer": "sgd", "momentum": 0.0, "max_epochs": 1, "batch_size": 500}
    still, model = (fitted(*tasks, **options, lr=lr) for lr in (1e-30, 0.5))
    network = copy.deepcopy(still.net_.module_).double()
    total, n = 0.0, 0
    X1, y1, X2, y2, Xt, yt = tasks
    heads = (network.heads["1"], network.heads["7"], network.head)
    for X, y, head in zip((X1, X2, Xt), (y1, y2, yt), heads):
        codes = torch.as_tensor(np.unique(y, return_inverse=True)[1])
        p = head(network.features(torch.as_tensor(X))[-1]).softmax(1)
        total = total - p[torch.arange(len(y)), codes].log().sum()
        n += len(y)
    loss = total / n
    loss.backward()
    assert n == 190 and model.loss_curve_[0] == pytest.approx(loss.item(), rel=1e-5)
    for start, learnt in zip(network.parameters(), weights(model), strict=True):
        np.testing.assert_allclose(learnt, (start - 0.5 * start.grad).detach(), atol=2e-6)


def test_all_sources_teach_the_layers():
    X1, y1, X2, y2, Xt, yt = three_tasks()
    options = {"max_epochs": 1, "optimizer": "sgd"}
    first = fitted(X1, y1, X2, y2, Xt, yt, **options)
    for tasks in (
        (X1, y1[::-1], X2, y2, Xt, yt),
        (X1, y1, X2, y2[::-1], Xt, yt),
        (X1, y1, X2, y2, Xt, yt[::-1]),
    ):
        assert not same_weights(first, fitted(*tasks, **options))


def test_one_source_with_the_same_classes_shares_its_head_with_the_target():
    Xs, ys, Xt, yt = two_domains()
    model, plain = (cls(**QUICK) for cls in (SharedHiddenNetwork, DeepTransferClassifier))
    model, plain = (one.fit(Xs, ys, Xt, yt) for one in (model, plain))
    assert model.net_.module_.heads["1"] is model.net_.module_.head
    np.testing.assert_allclose(model.predict_proba(Xt), plain.predict_proba(Xt), atol=1e-4)
    np.testing.assert_array_equal(model.predict_source(Xs), model.predict(Xs))
    with pytest.warns(UserWarning, match="without a target"):
        alone, plain = (cls(**QUICK).fit(Xs, ys) for cls in (type(model), type(plain)))
    np.testing.assert_allclose(alone.predict_proba(Xs), plain.predict_proba(Xs), atol=1e-6)
    other = SharedHiddenNetwork(**QUICK).fit(Xs, ys, Xt, yt + 5)
    assert other.net_.module_.heads["1"] is not other.net_.module_.head
    assert other.classes_.tolist() == [5, 6] and other.source_classes_.tolist() == [0, 1]


def test_rows_held_out_are_judged_by_their_own_softmax(tmp_path):
    pytest.importorskip("safetensors")
    tasks = three_tasks()
    model = fitted(*tasks, validation_fraction=0.2)
    assert model.history_[-1]["valid_loss"] < 0.7 * model.history_[0]["valid_loss"]
    model.save_weights(tmp_path / "weights")
    loaded = SharedHiddenNetwork(**QUICK).load_weights(tmp_path / "weights")
    for k, X in ((1, tasks[0]), (7, tasks[2])):
        np.testing.assert_array_equal(loaded.predict_source(X, k), model.predict_source(X, k))
    assert loaded.fit_target(tasks[0], tasks[1]).score(tasks[0], tasks[1]) > 0.9


# -- a new target ----------------------------------------------------------------------------------


def layers_of(model):
    return [p.detach().numpy().copy() for p in model.net_.module_.layers.parameters()]


@pytest.mark.parametrize("n_rows_to_tune", [20, 21, None])
def test_a_new_target_gets_a_head_and_with_enough_rows_the_layers(n_rows_to_tune):
    tasks = three_tasks()
    model = fitted(*tasks, n_rows_to_tune=n_rows_to_tune)
    before, sources = layers_of(model), [model.predict_source(tasks[0]), model.classes_]
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 4))
    y = np.array([3, 5, 9])[np.digitize(X[:, 0], np.quantile(X[:, 0], [1 / 3, 2 / 3]))]
    few = np.where(np.arange(60) < 60, y.astype(float), np.nan)
    assert np.bincount(y)[[3, 5, 9]].tolist() == [20, 20, 20]
    assert model.fit_target(X, few) is model
    assert model.classes_.tolist() == [3, 5, 9] and model.score(X, y) > 0.85
    assert model.source_classes_.tolist() == ["a", "b", "c", "d"]
    moved = [not np.array_equal(a, b) for a, b in zip(before, layers_of(model), strict=True)]
    assert moved == [n_rows_to_tune == 20] * 4
    if n_rows_to_tune != 20:
        np.testing.assert_array_equal(model.predict_source(tasks[0]), sources[0])
    assert all(p.requires_grad for p in model.net_.module_.parameters())


def test_the_layers_of_a_new_target_learn_at_a_smaller_rate():
    tasks = three_tasks()
    options = {"optimizer": "sgd", "momentum": 0.0, "n_rows_to_tune": 1}
    steps = []
    for factor in (1.0, 0.25):
        model = fitted(*tasks, **options, target_lr_factor=factor)
        before = layers_of(model)
        model.set_params(max_epochs=1, batch_size=500).fit_target(tasks[0], tasks[1])
        steps.append([b - a for a, b in zip(before, layers_of(model), strict=True)])
    for whole, part in zip(*steps, strict=True):
        np.testing.assert_allclose(part, 0.25 * whole, atol=1e-7)
    assert np.abs(steps[0][0]).max() > 1e-4


def test_the_rarest_class_says_whether_rows_are_enough():
    X1, y1, *_ = tasks = three_tasks()
    model = fitted(*tasks, n_rows_to_tune=15, max_epochs=5)
    before = layers_of(model)
    rare = np.concatenate([np.flatnonzero(y1 == "a")[:10], np.flatnonzero(y1 == "b")[:20]])
    model.fit_target(X1[rare], y1[rare])
    assert all(np.array_equal(a, b) for a, b in zip(before, layers_of(model), strict=True))


def test_layers_that_stand_still_keep_their_statistics():
    tasks = three_tasks()
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
    model = fitted(*tasks, module=module, max_epochs=5, n_rows_to_tune=None)
    before = copy.deepcopy(model.net_.module_.layers.state_dict())
    model.fit_target(tasks[0] + 3, tasks[1])
    for name, value in model.net_.module_.layers.state_dict().items():
        assert torch.equal(value, before[name]), name
    model.set_params(n_rows_to_tune=1).fit_target(tasks[0] + 3, tasks[1])
    after = model.net_.module_.layers.state_dict()
    assert not torch.equal(after["0.1.running_mean"], before["0.1.running_mean"])


def test_a_class_of_which_all_rows_are_held_out_is_one_of_its_source():
    X1, y1, X2, y2, Xt, yt = three_tasks()
    y1 = y1.astype(object)
    y1[0] = "alone"
    found = []
    for seed in range(4):
        options = {"validation_fraction": 0.7, "max_epochs": 1, "random_state": seed}
        model = fitted(X1, y1, X2, y2.astype(object), Xt, yt.astype(object), **options)
        assert model.source_has_class_.tolist() == [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]]
        found.append(np.isfinite(model.history_[-1]["valid_loss"]))
    assert all(found)


def test_what_goes_wrong_with_a_new_target_leaves_the_old_one():
    tasks = three_tasks()
    model = fitted(*tasks)
    before = model.predict_proba(tasks[4])
    for X, y, message in (
        (tasks[0][:, :3], tasks[1], "Xt has 3 features"),
        (tasks[0], np.full(60, None), "learns from labelled target rows"),
        (1e38 * tasks[0], tasks[1], "diverged"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit_target(X, y)
        assert model.classes_.tolist() == ["x", "y"]
        np.testing.assert_array_equal(model.predict_proba(tasks[4]), before)


# -- what it is for --------------------------------------------------------------------------------


def digits_in_parts(seed, n=300):
    """Return digits 0 to 4, and 5 to 9; some rows of all ten moved and under other names."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    X, y = X[order] / 4 - 2, y[order]
    parts = []
    for classes in (range(5), range(5, 10)):
        rows = np.flatnonzero(np.isin(y[:1000], classes))[:n]
        parts += [X[rows], y[rows]]
    moved = np.roll(X[1000:], 1, axis=1)
    names = np.array(list("zyxwvutsrq"))[y[1000:]]
    few = np.concatenate([np.flatnonzero(names == name)[:2] for name in np.unique(names)])
    rest = np.setdiff1d(np.arange(len(names)), few)
    return (*parts, moved[few], names[few], moved[rest], names[rest])


def test_a_small_target_gains_from_sources_of_other_classes():
    together, alone = [], []
    for seed in range(3):
        X1, y1, X2, y2, Xt, yt, X_test, y_test = digits_in_parts(seed)
        X, y, domain = stack([X1, X2], [y1.astype(str), y2.astype(str)], Xt, yt)
        model = SharedHiddenNetwork(random_state=seed).fit(X, y, sample_domain=domain)
        together.append(model.score(X_test, y_test))
        with pytest.warns(UserWarning, match="without a target"):
            plain = DeepTransferClassifier(random_state=seed).fit(Xt, yt)
        alone.append(plain.score(X_test, y_test))
    assert np.mean(together) > np.mean(alone) + 0.015, (together, alone)
