from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, FineTuning, FineTuningRegressor

from ..deep_common import SMALL, same_weights
from ..shifts import two_domains

TWO = {**SMALL, "hidden_layer_sizes": (8, 6)}


def pretrained(Xs, ys, **options):
    """Return what FineTuning begins with: a plain network on the source."""
    with pytest.warns(UserWarning, match="without a target"):
        return DeepTransferClassifier(**{**TWO, **options}).fit(Xs, ys)


def layer_weights(estimator) -> list[list[np.ndarray]]:
    """Return the weights of every hidden layer, and of the head."""
    network = estimator.net_.module_
    return [
        [p.detach().numpy().copy() for p in part.parameters()]
        for part in [*network.layers, network.head]
    ]


def changed(first, second) -> list[bool]:
    """Tell of every hidden layer, and of the head, whether it differs."""
    return [
        not all(np.array_equal(a, b) for a, b in zip(*parts, strict=True))
        for parts in zip(layer_weights(first), layer_weights(second), strict=True)
    ]


@pytest.mark.parametrize("n_frozen", [0, 1, 2])
def test_frozen_layers_stay_as_they_were_pretrained(n_frozen):
    Xs, ys, Xt, yt = two_domains()
    start = pretrained(Xs, ys)
    tuned = FineTuning(n_frozen_layers=n_frozen, **TWO).fit(Xs, ys, Xt, yt)
    assert changed(start, tuned) == [k >= n_frozen for k in range(3)]


def test_too_many_frozen_layers():
    Xs, ys, Xt, yt = two_domains()
    with pytest.raises(ValueError, match="n_frozen_layers is 3"):
        FineTuning(n_frozen_layers=3, **TWO).fit(Xs, ys, Xt, yt)


def test_hidden_layers_learn_at_a_smaller_rate():
    Xs, ys, Xt, yt = two_domains(n_target=30)
    sgd = {**TWO, "optimizer": "sgd", "momentum": 0.0, "pretrain_epochs": 4, "max_epochs": 1}
    sgd |= {"batch_size": 100, "lr": 0.1}
    start = pretrained(
        Xs, ys, **{k: v for k, v in {**sgd, "max_epochs": 4}.items() if k != "pretrain_epochs"}
    )
    full, tenth, still = (
        FineTuning(backbone_lr_factor=factor, **sgd).fit(Xs, ys, Xt, yt)
        for factor in (1.0, 0.1, 0.0)
    )
    before = layer_weights(start)
    for k in range(2):  # one step of gradient descent: the step is proportional to the rate
        for a, b, c in zip(before[k], layer_weights(full)[k], layer_weights(tenth)[k]):
            np.testing.assert_allclose(c - a, 0.1 * (b - a), atol=1e-7)
            assert np.abs(b - a).max() > 1e-4
    assert changed(start, still) == [False, False, True]
    for b, c in zip(layer_weights(full)[2], layer_weights(tenth)[2]):
        np.testing.assert_array_equal(b, c)


def test_gradual_unfreezing():
    Xs, ys, Xt, yt = two_domains()
    start = pretrained(Xs, ys)  # 4 epochs
    for every, n_frozen, expected in (
        (5, 0, [False, False, True]),
        (4, 0, [False, False, True]),  # would thaw in the fifth epoch
        (3, 0, [False, True, True]),
        (2, 0, [False, True, True]),
        (1, 0, [True, True, True]),
        (1, 1, [False, True, True]),
        (1, 2, [False, False, True]),
    ):
        tuned = FineTuning(unfreeze_every=every, n_frozen_layers=n_frozen, **TWO)
        assert changed(start, tuned.fit(Xs, ys, Xt, yt)) == expected, (every, n_frozen)


def test_gradual_unfreezing_leaves_alone_what_the_user_froze():
    Xs, ys, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU()),
        *(nn.Linear(8, 7), nn.BatchNorm1d(7), nn.ReLU()),
        *(nn.Linear(7, 6), nn.ReLU()),
    )
    module[:3].requires_grad_(False)
    module[3].weight.requires_grad_(False)  # of this layer, the weight alone
    for source in ((Xs, ys), (None, None)):
        tuned = FineTuning(module=module, unfreeze_every=1, **TWO).fit(*source, Xt, yt)
        layers = tuned.net_.module_.layers
        for name, value in layers[0].state_dict().items():  # with its running statistics
            assert torch.equal(value, module[:3].state_dict()[name])
        assert torch.equal(layers[1][0].weight, module[3].weight)
        assert not torch.equal(layers[1][0].bias, module[3].bias)
        assert not torch.equal(layers[2][0].weight, module[6].weight)
        frozen = [not p.requires_grad for p in layers.parameters()]
        assert frozen == [not p.requires_grad for p in module.parameters()]


def test_the_source_is_trained_on_for_its_own_number_of_epochs():
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(pretrain_epochs=2, **TWO).fit(Xs, ys, Xt, yt)
    assert len(model.pretrain_history_) == 2 and model.n_iter_ == 4
    assert len(FineTuning(**TWO).fit(Xs, ys, Xt, yt).pretrain_history_) == 4
    frozen = FineTuning(pretrain_epochs=2, n_frozen_layers=2, **TWO).fit(Xs, ys, Xt, yt)
    assert changed(pretrained(Xs, ys, max_epochs=2), frozen) == [False, False, True]


def test_other_classes_get_a_new_head_and_equal_classes_keep_theirs():
    Xs, ys, Xt, yt = two_domains()
    start = pretrained(Xs, ys)
    names = np.array(["low", "middle", "high"])[yt + (np.arange(len(yt)) % 3 == 0)]
    still = {**TWO, "lr": 1e-30, "pretrain_epochs": 1}
    new = FineTuning(n_frozen_layers=2, **TWO).fit(Xs, ys, Xt, names)
    assert new.classes_.tolist() == ["high", "low", "middle"]
    assert new.source_classes_.tolist() == [0, 1]
    assert new.net_.module_.head.out_features == 3 and new.predict_proba(Xt).shape == (60, 3)
    assert set(new.predict(Xt)) <= set(names)
    for a, b in zip(layer_weights(start)[:2], layer_weights(new)[:2]):
        np.testing.assert_array_equal(a[0], b[0])
    kept = FineTuning(**still).fit(Xs, ys, Xt, yt)
    unlike = FineTuning(**still).fit(Xs, ys, Xt, yt + 5)
    assert changed(kept, unlike) == [False, False, True]
    # A target with only some of the source's classes keeps the head, too.
    some = FineTuning(**TWO).fit(np.r_[Xs, Xs[:5] + 9], np.r_[ys, np.full(5, 2)], Xt, yt)
    assert some.classes_.tolist() == [0, 1, 2]


def test_a_warm_start_pretrains_no_head_of_other_classes():
    Xs, ys, Xt, yt = two_domains()
    names = np.array(["low", "high"])[yt]
    options = {**TWO, "lr": 1e-30, "warm_start": True}
    # So little is learnt that the head by which a stage began is the head by which it ends.
    cold = FineTuning(**options).fit(Xs, ys, Xt, names)
    start = cold.pretrain_history_[0, "task_loss"]
    head = layer_weights(cold)[-1]
    with torch.no_grad():
        cold.net_.module_.head.weight[0].fill_(100.0)
    warm = cold.fit(Xs, ys, Xt, names)
    assert warm.pretrain_history_[0, "task_loss"] == pytest.approx(start, rel=1e-5)
    assert (layer_weights(warm)[-1][0][0] == 100).all()  # the target's own goes on
    np.testing.assert_array_equal(layer_weights(warm)[-1][1], head[1])
    # Where the classes are the source's, there is one head, and it goes on.
    same = FineTuning(**options).fit(Xs, ys, Xt, yt)
    with torch.no_grad():
        same.net_.module_.head.weight[0].fill_(100.0)
    before = same.pretrain_history_[0, "task_loss"]
    assert same.fit(Xs, ys, Xt, yt).pretrain_history_[0, "task_loss"] > 2 * before


def test_a_pretrained_module_needs_no_source():
    _, _, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    before = copy.deepcopy(module.state_dict())
    model = FineTuning(module=module, n_frozen_layers=1, **TWO).fit(None, None, Xt, yt)
    layers = model.net_.module_.layers
    assert torch.equal(layers[0][0].weight, module[0].weight)
    assert not torch.equal(layers[1][0].weight, module[2].weight)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())
    assert model.score(Xt, yt) > 0.3 and not hasattr(model, "pretrain_history_")
    # Enough for any weights to begin with: of 15 the worst scores .98.
    regressor = FineTuningRegressor(module=module, **{**TWO, "max_epochs": 100, "lr": 0.02})
    y = 100 + 10 * Xt[:, 0]
    assert regressor.fit(None, None, Xt, y).score(Xt, y) > 0.8
    with pytest.raises(ValueError, match="nothing to tune"):
        FineTuning(**TWO).fit(None, None, Xt, yt)


def test_frozen_batch_normalisation_keeps_its_statistics():
    _, _, Xt, yt = two_domains()
    module = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU())
    model = FineTuning(module=module, n_frozen_layers=1, **TWO).fit(None, None, Xt + 10, yt)
    assert torch.equal(model.net_.module_.layers[0][1].running_mean, module[1].running_mean)
    moved = FineTuning(module=module, **TWO).fit(None, None, Xt + 10, yt)
    assert not torch.equal(moved.net_.module_.layers[0][1].running_mean, module[1].running_mean)


def test_unlabelled_target_rows_are_not_used():
    Xs, ys, Xt, yt = two_domains()
    labels = np.where(np.arange(len(yt)) % 2, yt, np.nan)
    model = FineTuning(**TWO).fit(Xs, ys, Xt, labels)
    known = ~np.isnan(labels)
    assert same_weights(model, FineTuning(**TWO).fit(Xs, ys, Xt[known], labels[known]))
    with pytest.raises(ValueError, match="labelled target rows"):
        FineTuning(**TWO).fit(Xs, ys, Xt)


def test_minus_one_is_ambiguous():
    Xs, ys, Xt, yt = two_domains()
    with pytest.raises(ValueError, match="-1"):
        FineTuning(**TWO).fit(Xs, ys, Xt, np.where(yt == 0, -1, 1))


def test_without_a_target_it_is_the_pretrained_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        model = FineTuning(**TWO).fit(Xs, ys)
    assert same_weights(model, pretrained(Xs, ys))


@pytest.mark.parametrize("regression", [False, True])
def test_a_few_labels_beat_the_source_alone_and_the_target_alone(regression):
    """The label depends on a quadratic score that takes many rows; its threshold moved."""
    cls = FineTuningRegressor if regression else FineTuning
    options = {"hidden_layer_sizes": (32,), "max_epochs": 40, "lr": 0.01, "batch_size": 64}
    scores = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        Xs, Xt, X_test = (rng.normal(size=(n, 6)) for n in (500, 20, 500))
        ys, yt, y_test = (
            X[:, 0] * X[:, 1] + X[:, 2] + shift
            for X, shift in ((Xs, 0.0), (Xt, 1.0), (X_test, 1.0))
        )
        if not regression:
            ys, yt, y_test = (y > 0 for y in (ys, yt, y_test))
        model = cls(random_state=seed, **options).fit(Xs, ys, Xt, yt)
        with pytest.warns(UserWarning, match="without a target"):
            source = cls(random_state=seed, **options).fit(Xs, ys)
            target = cls(random_state=seed, **options).fit(Xt, yt)
        scores.append([e.score(X_test, y_test) for e in (model, source, target)])
    both, source, target = np.mean(scores, axis=0)
    margin = 0.15 if regression else 0.08
    assert both > source + margin and both > target + margin


def test_regression_keeps_the_sources_units_for_the_head():
    Xs, ys, Xt, yt = two_domains(regression=True)
    options = {**TWO, "max_epochs": 60, "lr": 0.01}
    still = {**options, "n_frozen_layers": 2}
    start = FineTuningRegressor(**{**still, "max_epochs": 1}, pretrain_epochs=60)
    start.fit(Xs, ys, Xt, yt)
    assert start.score(Xs, ys) > 0.9  # one more epoch on the target has not moved the units
    tuned = FineTuningRegressor(**options).fit(Xs, ys, Xt, 1.3 * yt + 5)
    assert tuned.score(Xt, 1.3 * yt + 5) > 0.8


def test_each_stage_shuffles_by_a_seed_of_its_own(monkeypatch):
    seen = []
    batches = FineTuning._paired_batches

    def noted(self, labelled, other, seeds, **options):
        seen.append(seeds[0])
        return batches(self, labelled, other, seeds, **options)

    monkeypatch.setattr(FineTuning, "_paired_batches", noted)
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(**SMALL).fit(Xs, ys, Xt, yt)
    seeds = model._seeds()
    assert seen == [seeds["source"], seeds["target"]]
