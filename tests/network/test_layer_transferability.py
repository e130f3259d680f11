"""Layers copied to another task: whose they are, what is trained, and what is seen of it."""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from numpy.testing import assert_array_equal
from torch import nn

from skdtl import (
    MDD,
    DeepTransferClassifier,
    DeepTransferRegressor,
    NoTargetWarning,
    SourceOnly,
    layer_transferability,
)
from skdtl.deep import LeNet

N_CLASSES, N_PER_CLASS = 6, 20
SMALL = {"max_epochs": 2, "min_steps": 1, "batch_size": 32}


def six_classes(seed=0):
    """Return rows in six clusters; the last column tells each row from all others."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(N_CLASSES), N_PER_CLASS)
    X = rng.normal(size=(N_CLASSES, 5))[y] + 0.3 * rng.normal(size=(len(y), 5))
    X[:, -1] = np.arange(len(y)) / len(y)
    return X, y


def normalised(n_inputs):
    """Return three layers with running statistics."""
    layers: list[nn.Module] = []
    for width, size in ((n_inputs, 7), (7, 6), (6, 5)):
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU()]
    return nn.Sequential(*layers)


@pytest.fixture
def spied(monkeypatch):
    """Return what measures transfer in one repeat, and tells of every training what it was."""
    trainings: list[SimpleNamespace] = []
    fit, score = DeepTransferClassifier.fit, DeepTransferClassifier.score

    def spied_fit(self, X, y, *others, **more):
        begun = isinstance(self.module, nn.Module)
        before = [copied(layer) for layer in self.module] if begun else None
        fit(self, X, y, *others, **more)
        network = self.net_.module_
        after = [copied(layer) for layer in network.layers]
        trainings.append(
            SimpleNamespace(
                X=np.array(X), y=np.array(y), before=before, after=after, head=copied(network.head)
            )
        )
        return self

    def spied_score(self, X, y, *others):
        trainings[-1].test = np.array(X), np.array(y)
        trainings[-1].score = float(np.mean(self.predict(X) == y))
        return score(self, X, y, *others)

    monkeypatch.setattr(DeepTransferClassifier, "fit", spied_fit)
    monkeypatch.setattr(DeepTransferClassifier, "score", spied_score)

    def measured(*data, lr=0.01, module=normalised, **options):
        trainings.clear()
        options = {"n_repeats": 1, "random_state": 0, **options}
        model = DeepTransferClassifier(module=module, lr=lr, **SMALL)
        results = layer_transferability(model, *data, **options)
        n_donors = len(trainings) - len(results)
        rows = zip(results["treatment"], results["cut"], results["score"])
        receivers = {(name, cut): each for (name, cut, _), each in zip(rows, trainings[n_donors:])}
        assert_array_equal(results["score"], [each.score for each in trainings[n_donors:]])
        return trainings[:n_donors], receivers

    return measured


def copied(layer):
    return {name: value.clone() for name, value in layer.state_dict().items()}


def same(first, second):
    """Tell whether two layers agree in all weights and running statistics, but for their names."""
    pairs = zip(first.values(), second.values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def same_first(layers, others, n):
    return [same(a, b) for a, b in zip(layers, others, strict=True)] == [True] * n + [False] * (
        len(layers) - n
    )


ALL = [(name, cut) for name in ("BnB", "BnB+", "AnB", "AnB+") for cut in (1, 2, 3)]


def test_the_first_layers_are_copied_from_the_right_task_and_all_others_are_new(spied):
    (of_A, of_B), receivers = spied(*six_classes())
    assert list(receivers) == [("base", 0), *ALL]
    fresh = receivers["base", 0].before
    for (name, cut), receiver in receivers.items():
        donor, other = (of_A, of_B) if name.startswith("A") else (of_B, of_A)
        assert same_first(receiver.before, donor.after, cut)
        assert not any(map(same, receiver.before, other.after))
        # What is new is the same in all treatments, and no donor began with it.
        assert [same(*pair) for pair in zip(receiver.before, fresh)] == [
            k >= cut for k in range(len(fresh))
        ]


def test_copied_layers_stand_still_with_their_statistics_or_are_trained_like_the_others(spied):
    _, receivers = spied(*six_classes())
    for (name, cut), receiver in receivers.items():
        frozen = 0 if name == "base" or name.endswith("+") else cut
        assert same_first(receiver.before, receiver.after, frozen), (name, cut)
        for layer_before, layer_after in zip(receiver.before[frozen:], receiver.after[frozen:]):
            moved = {
                key.rpartition(".")[2]
                for (key, old), new in zip(layer_before.items(), layer_after.values(), strict=True)
                if not torch.equal(old, new)
            }
            assert {"weight", "running_mean", "running_var"} <= moved, (name, cut)


def test_the_last_layer_is_new_and_begins_alike_in_all_treatments(spied):
    donors, receivers = spied(*six_classes(), lr=1e-30)  # whatever is trained stays as it began
    heads = [receiver.head for receiver in receivers.values()]
    assert all(same(heads[0], head) for head in heads)
    assert not any(same(heads[0], donor.head) for donor in donors)


def rows(*tasks):
    """Return the ids of the tasks' rows."""
    return [set(np.round(X[:, -1], 6)) for X in tasks]


def test_halves_and_rows_held_out_are_apart_and_the_same_in_a_repeat(spied):
    X, y = six_classes()
    (of_A, of_B), receivers = spied(X, y)
    base = receivers["base", 0]
    classes_A, classes_B = set(of_A.y), set(of_B.y)
    assert len(classes_A) == len(classes_B) == 3 and not classes_A & classes_B
    for receiver in receivers.values():
        assert_array_equal(receiver.X, of_B.X)
        assert_array_equal(receiver.test[0], base.test[0])
        assert set(receiver.test[1]) == classes_B
    in_A, in_B, tested = rows(of_A.X, of_B.X, base.test[0])
    assert not (in_A | in_B) & tested
    # A quarter of each class is held out, of both halves: neither has more to learn from.
    assert len(in_A) == len(in_B) == 3 * 15 and len(tested) == 3 * 5
    for of_task in (of_A, of_B):
        labels = dict(zip(np.round(X[:, -1], 6), y))
        assert [labels[row] for row in np.round(of_task.X[:, -1], 6)] == of_task.y.tolist()


def test_a_source_and_a_target(spied):
    Xs, ys = six_classes()
    Xt, yt = six_classes(1)
    Xt[:, -1] += 1  # other rows
    yt = np.where(yt < 3, "low", "high").astype(object)
    yt[:4] = None
    with_gap = np.where(np.arange(len(ys)) == 7, np.nan, ys)
    (of_A, of_B), receivers = spied(Xs, with_gap, Xt, yt, cuts=[2], test_size=30)
    assert list(receivers) == [("base", 0), *((name, 2) for name in ("BnB", "BnB+", "AnB", "AnB+"))]
    expected = rows(np.delete(Xs, 7, axis=0), Xt[4:])
    tested = rows(receivers["base", 0].test[0])[0]
    assert rows(of_A.X)[0] == expected[0] and len(tested) == 30
    assert rows(of_B.X)[0] | tested == expected[1] and not rows(of_B.X)[0] & tested
    assert set(of_A.y) == set(range(6)) and set(of_B.y) == {"low", "high"}
    for name, donor in (("AnB", of_A), ("BnB+", of_B)):
        assert same_first(receivers[name, 2].before, donor.after, 2)


def test_halves_of_ones_own_and_treatments_of_ones_choice(spied):
    donors, receivers = spied(*six_classes(), target_classes=[5, 1], treatments=["AnB"])
    assert list(receivers) == [("base", 0), ("AnB", 1), ("AnB", 2), ("AnB", 3)]
    (of_A,) = donors  # no other donor is needed
    assert set(of_A.y) == {0, 2, 3, 4} and set(receivers["AnB", 1].y) == {1, 5}


def test_an_odd_number_of_classes_and_another_half_in_each_repeat():
    X, y = six_classes()
    X, y = X[y < 5], y[y < 5]
    seen = []

    def noted(model, X_test, y_test):
        seen.append((tuple(model.classes_), tuple(np.unique(y_test))))
        return len(model.classes_)

    model = DeepTransferClassifier(hidden_layer_sizes=(4,), **SMALL)
    options = {"random_state": 0, "scoring": noted, "treatments": ["BnB"]}
    results = layer_transferability(model, X, y, n_repeats=6, **options)
    assert (results["score"] == 2).all() and len(set(seen)) > 2
    assert all(of_training == of_test for of_training, of_test in seen)
    assert results["repeat"].tolist() == [k for k in range(6) for _ in range(2)]
    assert results["treatment"].tolist() == ["base", "BnB"] * 6
    assert results["cut"].tolist() == [0, 1] * 6


def two_tasks(seed=0, n=300):
    """Return two tasks on the same rows' columns: each hangs on two columns of its own."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n, 6)), rng.normal(size=(n, 6))
    return Xs, Xs[:, 0] + Xs[:, 1] > 0, Xt, Xt[:, 2] - Xt[:, 3] > 0


def test_what_another_task_has_no_use_for_is_lost_where_its_layers_are_frozen():
    model = DeepTransferClassifier(hidden_layer_sizes=(16, 4), lr=0.01, max_epochs=60, min_steps=1)
    results = layer_transferability(model, *two_tasks(), n_repeats=2, random_state=0)
    score = results.groupby(["treatment", "cut"])["score"].mean()
    assert score["base", 0] > 0.9
    assert score["BnB", 2] > 0.9 and score["BnB+", 2] > 0.9 and score["AnB+", 2] > 0.85
    assert score["AnB", 2] < score["BnB", 2] - 0.15
    assert score["AnB", 2] < score["AnB", 1] - 0.05


def test_where_both_tasks_are_one_the_other_tasks_layers_serve_as_well():
    Xs, ys, Xt, _ = two_tasks()
    model = DeepTransferClassifier(hidden_layer_sizes=(16, 4), lr=0.01, max_epochs=60, min_steps=1)
    yt = Xt[:, 0] + Xt[:, 1] > 0
    options = {"n_repeats": 2, "random_state": 0, "treatments": ["AnB", "BnB"], "cuts": [2]}
    results = layer_transferability(model, Xs, ys, Xt, yt, **options)
    score = results.groupby(["treatment", "cut"])["score"].mean()
    assert score["AnB", 2] > score["BnB", 2] - 0.05


def test_the_same_seed_gives_the_same_numbers_in_any_backend():
    X, y = six_classes()
    model = DeepTransferClassifier(hidden_layer_sizes=(5, 4), lr=0.02, **SMALL)
    measured = partial(layer_transferability, model, X, y, treatments=["AnB", "BnB+"])
    first = measured(n_repeats=2, random_state=3)
    pd.testing.assert_frame_equal(first, measured(n_repeats=2, random_state=3, n_jobs=2))
    with parallel_config("threading"):
        pd.testing.assert_frame_equal(first, measured(n_repeats=2, random_state=3, n_jobs=2))
    more = measured(n_repeats=3, random_state=3)
    pd.testing.assert_frame_equal(first, more[: len(first)])
    repeats = [each["score"].tolist() for _, each in more.groupby("repeat")]
    assert repeats[0] != repeats[1]
    assert first["score"].tolist() != measured(n_repeats=2, random_state=4)["score"].tolist()


def test_tables_images_and_numbers():
    X, y = six_classes()
    table = pd.DataFrame(X, columns=list("abcde"))
    names = pd.Series([f"class {k}" for k in y])
    model = DeepTransferClassifier(hidden_layer_sizes=(5, 4), **SMALL)
    options = {"n_repeats": 1, "random_state": 0, "treatments": ["AnB+"]}
    of_table = layer_transferability(model, table, names, **options)
    pd.testing.assert_frame_equal(of_table, layer_transferability(model, X, y, **options))

    images = np.random.default_rng(0).normal(size=(len(y), 8, 8))
    model = DeepTransferClassifier(module=partial(LeNet, n_channels=(2, 3), n_features=4), **SMALL)
    of_images = layer_transferability(model, images, y, **options)
    assert of_images["cut"].tolist() == [0, 1, 2, 3]  # two convolutions and the connected layer

    Xs, _, Xt, _ = two_tasks()
    model = DeepTransferRegressor(hidden_layer_sizes=(8,), lr=0.01, max_epochs=40, min_steps=1)
    of_numbers = layer_transferability(model, Xs, Xs[:, 0], Xt, 100 * Xt[:, 0], **options)
    assert (of_numbers["score"] > 0.5).all()


def test_the_penalty_on_weights_is_that_of_a_new_network(spied, monkeypatch):
    penalties = set()
    make = DeepTransferClassifier._make_net

    def spied_make(self, *args, **options):
        net = make(self, *args, **options)
        penalties.update(group["weight_decay"] for group in net.optimizer_.param_groups)
        return net

    monkeypatch.setattr(DeepTransferClassifier, "_make_net", spied_make)
    spied(*six_classes(), module=None)
    assert penalties == {0.01}


def test_the_estimator_stays_as_it_is_and_nobody_warns_of_a_missing_target(recwarn):
    model = DeepTransferClassifier(hidden_layer_sizes=(4,), **SMALL)
    before = model.get_params()
    layer_transferability(model, *six_classes(), n_repeats=1, treatments=["AnB"])
    assert model.get_params() == before and not hasattr(model, "net_")
    assert not any(issubclass(warning.category, NoTargetWarning) for warning in recwarn)


def test_errors(monkeypatch):
    X, y = six_classes()
    model = DeepTransferClassifier(hidden_layer_sizes=(4,), **SMALL)
    measured = partial(layer_transferability, model)
    for other in (SourceOnly(), None):
        with pytest.raises(TypeError, match="one of skdtl's deep estimators"):
            layer_transferability(other, X, y)
    with pytest.raises(ValueError, match="MDD puts layers of its own"):
        layer_transferability(MDD(), X, y)
    for treatments in ([], ["AnA"], "AnB"):
        with pytest.raises(ValueError, match="treatments must be some of"):
            measured(X, y, treatments=treatments)
    for n_repeats in (0, 1.5):
        with pytest.raises(ValueError, match="n_repeats must be 1 or more"):
            measured(X, y, n_repeats=n_repeats)
    for cuts in ([], [0], [2], [0.5]):
        with pytest.raises(ValueError, match="cuts must be numbers of copied layers, from 1 to 1"):
            measured(X, y, cuts=cuts, n_repeats=1)
    with pytest.raises(ValueError, match="yt was given without Xt"):
        measured(X, y, yt=y)
    with pytest.raises(ValueError, match="yt is None, but"):
        measured(X, y, X)
    with pytest.raises(ValueError, match="Xs has 120 rows, but ys has 60 labels"):
        measured(X, y[::2])
    with pytest.raises(ValueError, match="with Xt nothing is"):
        measured(X, y, X, y, target_classes=[0, 1])
    with pytest.raises(ValueError, match=r"must be some of \[0, 1, 2, 3, 4, 5\]; got \[0, 9\]"):
        measured(X, y, target_classes=[0, 9])
    for labels, target_classes in ((y // 2, None), (y, [1]), (y, [0, 1, 2, 3, 4])):
        with pytest.raises(ValueError, match="Both tasks need at least 2 classes"):
            measured(X, labels, target_classes=target_classes)
    with pytest.raises(ValueError, match="Only classes can be halved"):
        layer_transferability(DeepTransferRegressor(), X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        measured(X, y)
