"""Validation, warm start, pieces of rows, interruption, precision, callbacks, schedules."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import pickle
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone, is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler, ProgressBar
from torch import nn
from torch.nn import functional as F

from skdtl import (
    DANN,
    DDC,
    DDCRegressor,
    DeepTransferClassifier,
    DeepTransferRegressor,
    FineTuning,
    NoTargetWarning,
    stack,
)
from skdtl.base import Domain
from skdtl.deep import (
    MMD,
    Alignment,
    ConditionalAdversary,
    DomainAdversary,
    DomainConfusion,
    Ramp,
    TargetEntropy,
    TrainingInterruptedWarning,
    WarmUp,
)
from skdtl.deep._holdout import hold_out

from ..common import instances, is_deep, make_data, parameters, partly_labelled
from ..deep_common import SMALL, same_weights, weights
from ..shifts import two_domains


def small(*alignments, regression=False, **options):
    cls = DeepTransferRegressor if regression else DeepTransferClassifier
    return cls(alignments, **{**SMALL, **options})


class Dropping(nn.Module):
    """A backbone that draws random numbers."""

    def __init__(self, n_features):
        super().__init__()
        self.first = nn.Linear(n_features, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return F.dropout(self.norm(self.first(x)).relu(), 0.3, self.training)


class Noisy(Alignment):
    """Draws random numbers: from a generator of its own, and from torch's."""

    def initialize(self, widths, n_outputs):
        self.generator = torch.Generator().manual_seed(1)

    def forward(self, source, target):
        gap = (source.features[-1].mean(0) - target.features[-1].mean(0)).square().sum()
        return gap * (torch.rand(1, generator=self.generator)[0] + torch.rand(1)[0])


# -- rows held out ---------------------------------------------------------------------------------


def domain(y, labelled=None):
    y = np.asarray(y)
    X = np.arange(len(y), dtype=float)[:, None]
    labelled = np.ones(len(y), dtype=bool) if labelled is None else np.asarray(labelled)
    return Domain(X, y, labelled, np.ones(len(y), dtype=int))


def test_the_held_out_share_is_of_each_domain_and_class():
    rng = np.random.default_rng(0)
    ys = rng.permutation(np.repeat([0, 1, 2], [100, 50, 10]))
    target = domain(np.where(np.arange(60) < 20, 1, -1), np.arange(60) < 20)
    source, target = hold_out(domain(ys), target, 0.2, seed=5)
    assert np.bincount(source.held_out.y).tolist() == [20, 10, 2]
    assert len(source) == 128 and len(target) == 48 and len(target.held_out) == 12
    assert target.held_out.labelled.sum() == 4 and target.labelled.sum() == 16
    for one in (source, target):
        rows, held = one.X[:, 0], one.held_out.X[:, 0]
        assert (np.diff(rows) > 0).all() and (np.diff(held) > 0).all()  # in the order given
        assert sorted([*rows, *held]) == list(range(len(one) + len(one.held_out)))
    np.testing.assert_array_equal(source.y, ys[source.X[:, 0].astype(int)])


def test_the_held_out_rows_hang_on_the_seed_alone():
    ys, yt = np.arange(40) % 2, np.full(30, -1)
    unlabelled = np.zeros(30, dtype=bool)

    def drawn(seed, target):
        source, target = hold_out(domain(ys), target, 0.3, seed)
        return source.held_out.X[:, 0].tolist(), target.held_out.X[:, 0].tolist()

    first, other = drawn(0, domain(yt, unlabelled)), drawn(1, domain(yt, unlabelled))
    assert first == drawn(0, domain(yt, unlabelled))
    assert first[0] != other[0] and first[1] != other[1]
    assert first[0] == drawn(0, domain(yt[:7], unlabelled[:7]))[0]
    twin = drawn(0, domain(ys))  # as many rows, with the same labels
    assert twin[0] != twin[1]


def test_a_class_that_is_held_out_before_others_is_drawn():
    """Of three classes of ten rows, one row is held out: of any of them."""
    ys = np.repeat([0, 1, 2], 10)
    held = [hold_out(domain(ys), domain(ys), 0.03, seed)[0].held_out.y for seed in range(20)]
    assert all(len(y) == 1 for y in held)
    assert set(np.concatenate(held)) == {0, 1, 2}


@pytest.mark.parametrize("fraction", [1e-6, 0.5, 0.999])
@pytest.mark.parametrize("labelled", [[True] * 5, [True] * 2, [True, False], [False] * 3])
def test_one_row_at_least_is_held_out_and_one_is_left(fraction, labelled):
    labelled = np.array(labelled)
    one = domain(np.where(labelled, 0, -1), labelled)
    one = hold_out(one, one, fraction, 0)[0]
    assert len(one) and len(one.held_out)
    if labelled.any():
        assert one.labelled.any()
    if labelled.sum() > 1:
        assert one.held_out.labelled.any()
    rows = one.labelled_rows()
    assert rows.labelled.all() and rows.held_out.labelled.all()
    assert len(rows.held_out) == one.held_out.labelled.sum()


@pytest.mark.parametrize("fraction, n_held", [(0.2, 2), (0.24, 3), (0.26, 3), (0.28, 3)])
def test_as_many_rows_are_held_out_as_are_nearest_to_the_share(fraction, n_held):
    """Of labelled and of unlabelled rows: 11 and 11."""
    both = domain(np.r_[np.arange(11) % 2, np.full(11, -1)], np.arange(22) < 11)
    held = hold_out(both, both, fraction, 0)[0].held_out
    assert held.labelled.sum() == (~held.labelled).sum() == n_held


def test_a_class_of_one_row_stays_in_the_training():
    for seed in range(20):
        source, _ = hold_out(domain([0] * 20 + [1]), domain([0, 0]), 0.3, seed)
        assert 1 in source.y


def test_too_few_rows_to_hold_out_are_an_error():
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match=r"validation_fraction=0.2.*the target has only 1 row"):
        small(MMD(), validation_fraction=0.2).fit(Xs, ys, Xt[:1])


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize(
    "alignments, options",
    [
        ([MMD(0.5), DomainAdversary()], {}),
        ([MMD()], {"module": Dropping}),
        ([Noisy()], {}),
        ([], {"module": Dropping}),
    ],
)
def test_validation_trains_as_without_it_on_the_remaining_rows(alignments, options, regression):
    Xs, ys, Xt, yt = two_domains(regression=regression)
    yt = np.where(np.arange(len(yt)) < 20, yt, np.nan)
    validated = small(*alignments, regression=regression, validation_fraction=0.25, **options)
    validated.fit(Xs, ys, Xt, yt)
    seed = validated._seeds()["validation"]
    given = validated._check_domains(Xs, ys, Xt, yt, None, False)
    source, target = hold_out(*given, 0.25, seed)
    left = [np.isin(X[:, 0], d.X[:, 0]) for X, d in ((Xs, source), (Xt, target))]
    plain = small(*alignments, regression=regression, **options)
    plain.fit(Xs[left[0]], ys[left[0]], Xt[left[1]], yt[left[1]])
    assert same_weights(validated, plain)
    assert validated.loss_curve_ == plain.loss_curve_
    everything = small(*alignments, regression=regression, **options).fit(Xs, ys, Xt, yt)
    assert not same_weights(validated, everything)
    assert "valid_loss" in validated.history_[-1] and "valid_loss" not in plain.history_[-1]


def test_other_seeds_are_what_they_were_before_validation_had_one():
    names = ["network", "head", "alignments", "source", "target", "training"]
    seeds = small()._seeds()
    expected = np.random.RandomState(0).randint(2**31 - 1, size=6).tolist()
    assert [seeds[name] for name in names] == expected and list(seeds) == [*names, "validation"]


def loss_by_hand(estimator, source, target, lam, regression):
    """Compute, slowly and by hand, the loss of rows in evaluation mode."""
    network = copy.deepcopy(estimator.net_.module_).double().eval()
    with torch.no_grad():
        (fs, os), (ft, ot) = (network.activations(torch.tensor(d.X)) for d in (source, target))
        outputs = torch.cat([os, ot[torch.tensor(target.labelled)]]).numpy()
        y = np.concatenate([source.y, target.y[target.labelled]])
        if regression:
            y = (y - estimator._y_mean) / estimator._y_scale
            task = np.mean((outputs[:, 0] - y) ** 2)
        else:
            p = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
            task = -np.mean(np.log(p[np.arange(len(y)), y]))
        gap = (fs[-1].mean(0) - ft[-1].mean(0)).square().sum().item()
        return task + lam * gap, ot.numpy()


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("module", [None, Dropping])
def test_valid_loss_and_information_are_the_formulas(regression, module):
    Xs, ys, Xt, yt = two_domains(regression=regression)
    yt = np.where(np.arange(len(yt)) < 20, yt, np.nan)
    estimator = small(
        MMD(0.5, kernel="linear"),
        lam=lambda p: 3 * p,
        regression=regression,
        validation_fraction=0.3,
        module=module,
        batch_size=64,  # all held-out rows in one batch
    )
    estimator.fit(Xs, ys, Xt, yt)
    given = clone(estimator)._check_domains(Xs, ys, Xt, yt, None, False) if regression else None
    if given is None:
        other = clone(estimator)
        given = other._check_domains(Xs, ys, Xt, yt, None, False)
    source, target = hold_out(*given, 0.3, estimator._seeds()["validation"])
    # After the last epoch p is 1.
    expected, logits = loss_by_hand(estimator, source.held_out, target.held_out, 1.5, regression)
    epoch = estimator.history_[-1]
    assert epoch["valid_loss"] == pytest.approx(expected, rel=1e-5)
    if regression:
        assert "valid_information" not in epoch
        return
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mean = p.mean(axis=0)
    information = -(mean * np.log(mean)).sum() + (p * np.log(p)).sum(axis=1).mean()
    assert epoch["valid_information"] == pytest.approx(information, rel=1e-4)
    curve = estimator.history_[:, "valid_information"]
    best = np.maximum.accumulate(curve)
    assert estimator.history_[:, "valid_information_best"] == [
        bool(k == 0 or curve[k] > best[k - 1]) for k in range(len(curve))
    ]


def unmoved(estimator):
    """Return an estimator whose one epoch is one batch, by which it hardly learns anything."""
    rates = ("lr", "target_lr", "discriminator_lr", "critic_lr")
    changes = {name: 1e-30 for name in rates if name in parameters(type(estimator))}
    return clone(estimator).set_params(
        **changes, max_epochs=1, batch_size=1000, validation_fraction=0.5, random_state=0
    )


# What an opponent of the network makes small, and its sign in the loss.
OPPOSED = {
    "DANN": ("domain_loss", 1),
    "DANNRegressor": ("domain_loss", 1),
    "CDAN": ("domain_loss", 1),
    "RMAN": ("domain_loss", 1),
    "LabelEfficientTransfer": ("domain_loss", 1),
    "MDD": ("margin_disparity", -1),
    "JAN, adversarial": ("joint_mmd", -1),
}
EVERY_DEEP = {type(e).__name__: e for e in instances() if is_deep(e)}
EVERY_DEEP |= {
    "JAN, adversarial": clone(EVERY_DEEP["JAN"]).set_params(adversarial=True),
    "a combination": small(MMD(0.5), TargetEntropy(2.0), hidden_layer_sizes=(8, 4)),
}


@pytest.mark.parametrize("lam", [0.0, 0.7])
@pytest.mark.parametrize("name", EVERY_DEEP)
def test_valid_loss_is_the_loss_that_is_trained(name, lam, monkeypatch):
    def everything(source, target, fraction, seed):
        both = [dataclasses.replace(domain, held_out=domain) for domain in (source, target)]
        return both[0], both[0] if target is source else both[1]

    monkeypatch.setattr("skdtl.deep._base.hold_out", everything)
    estimator = unmoved(EVERY_DEEP[name])
    names = parameters(type(estimator))
    if "lam" in names:
        estimator.set_params(lam=lam)
    if "batch_norm" in names:  # which computes otherwise while it trains
        estimator.set_params(batch_norm=False)
    Xs, ys, Xt, yt = make_data(estimator)
    if is_classifier(estimator):  # as many rows of each class: balanced batches repeat none
        rows = np.concatenate([np.flatnonzero(ys == code)[:25] for code in (0, 1)])
        Xs, ys = Xs[rows], ys[rows]
    epoch = estimator.fit(Xs, ys, Xt, partly_labelled(yt)).history_[-1]
    assert epoch["valid_task_loss"] == pytest.approx(epoch["task_loss"], rel=1e-5)
    opposed, sign = OPPOSED.get(name, (None, 0))
    expected = epoch["train_loss"] - sign * epoch.get(opposed, 0.0)
    assert epoch["valid_loss"] == pytest.approx(expected, rel=1e-5)
    for term in estimator.net_.alignments_:
        value = epoch[f"valid_{term.name}"]
        assert value == pytest.approx(epoch[term.name], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("alignment", [DomainAdversary(), ConditionalAdversary()])
def test_a_discriminator_that_wins_makes_no_better_valid_loss(alignment):
    Xs, ys, Xt, _ = two_domains()
    watched = small(alignment, lam=0.0, max_epochs=30, lr=0.03, validation_fraction=0.3)
    history = watched.fit(Xs, ys, 3 * Xt + 4).history_
    assert history[-1, "valid_domain_loss"] < 0.5 * history[0, "valid_domain_loss"]
    assert history[:, "valid_loss"] == pytest.approx(history[:, "valid_task_loss"])


def test_what_a_step_of_training_saw_is_not_recorded_as_of_held_out_rows():
    Xs, ys, Xt, _ = two_domains()
    epoch = small(DomainConfusion(), validation_fraction=0.3).fit(Xs, ys, Xt).history_[-1]
    assert "domain_loss" in epoch and "valid_domain_confusion" in epoch
    assert "valid_domain_loss" not in epoch


def test_terms_keep_what_they_saw_of_the_last_step_of_training():
    Xs, ys, Xt, _ = two_domains()
    model = small(DomainConfusion(), MMD(), validation_fraction=0.3, max_epochs=1, batch_size=100)
    confusion, mmd = model.fit(Xs, ys, Xt).net_.alignments_
    for name, value in {**confusion.observed, **mmd.observed}.items():
        assert value.item() == pytest.approx(model.history_[-1, name])
    assert set(confusion.observed) == {"domain_confusion", "domain_loss", "domain_accuracy"}


def test_information_is_that_of_target_rows_also_where_they_take_no_part_in_the_training():
    Xs, ys, Xt, _ = two_domains()
    near, far = (small(validation_fraction=0.3).fit(Xs, ys, X) for X in (Xt, 100 * Xt))
    assert same_weights(near, far)  # without alignments nothing looks at the target
    values = [model.history_[-1, "valid_information"] for model in (near, far)]
    assert values[1] > values[0] + 0.3  # far rows are predicted firmly


def test_information_counts_every_target_row_once_and_needs_no_target():
    # 15 batches of the source, of which the target's 15 rows fill 4: passes are not whole.
    Xs, ys, Xt, _ = two_domains(n_source=200, n_target=50)
    small_batches, one_batch = (
        small(lam=0.0, validation_fraction=0.3, batch_size=n, lr=1e-30).fit(Xs, ys, Xt)
        for n in (4, 128)
    )
    values = [e.history_[-1]["valid_information"] for e in (small_batches, one_batch)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    with pytest.warns(NoTargetWarning):
        alone = small(MMD(), validation_fraction=0.3).fit(Xs, ys)
    assert 0 <= alone.history_[-1]["valid_information"] <= math.log(2)


def test_an_epoch_as_good_as_the_best_is_not_better():
    Xs, ys, Xt, _ = two_domains()
    still = small(lr=1e-30, validation_fraction=0.3).fit(Xs, ys, Xt).history_
    assert len(set(still[:, "valid_information"])) == 1
    assert still[:, "valid_information_best"] == [True, False, False, False]


def test_information_rises_where_rows_are_told_apart():
    Xs, ys, Xt, _ = two_domains()
    history = small(validation_fraction=0.3, max_epochs=100, lr=0.01).fit(Xs, ys, Xt).history_
    assert history[-1, "valid_information"] > 0.3 > 0.1 > history[0, "valid_information"]


def test_the_history_of_lambda_is_that_of_training():
    Xs, ys, Xt, _ = two_domains(n_source=64, n_target=64)
    options = {"lam": lambda p: p, "validation_fraction": 0.25, "batch_size": 24}
    history = small(MMD(), **options).fit(Xs, ys, Xt).history_
    steps = np.arange(8).reshape(4, 2) / 8  # two batches of the 48 rows that are left
    np.testing.assert_allclose(history[:, "lam"], steps.mean(axis=1))


def test_every_epoch_is_validated_by_the_same_batches():
    Xs, ys, Xt, _ = two_domains()
    still = small(MMD(), validation_fraction=0.4, batch_size=8, lr=1e-30).fit(Xs, ys, Xt)
    losses = still.history_[:, "valid_loss"]
    assert losses == [losses[0]] * 4 and losses[0] > 0


def test_hidden_target_labels_play_no_role_in_validation():
    Xs, ys, Xt, yt = two_domains()
    first, second = (
        small(MMD(), validation_fraction=0.3).fit(Xs, ys, Xt, labels, hide_target_labels=True)
        for labels in (yt, 1 - yt)
    )
    assert same_weights(first, second)
    for name in ("valid_loss", "valid_information"):
        assert first.history_[:, name] == second.history_[:, name]


def test_memory_maps_are_held_out_like_arrays_in_memory(tmp_path):
    Xs, ys, Xt, yt = two_domains()
    expected = small(MMD(), validation_fraction=0.3).fit(Xs, ys, Xt, yt)
    maps = []
    for name, X in (("s", Xs), ("t", Xt)):
        np.save(tmp_path / f"{name}.npy", X)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    estimator = small(MMD(), validation_fraction=0.3)
    estimator.fit(maps[0], ys, maps[1], yt)
    assert same_weights(estimator, expected)
    assert estimator.history_[:, "valid_loss"] == expected.history_[:, "valid_loss"]
    source, _ = hold_out(
        *estimator._check_domains(maps[0], ys, maps[1], yt, None, False), 0.3, seed=0
    )
    for part in (source, source.held_out):  # no row is read before it is asked for
        assert not isinstance(part.X, np.ndarray) and part.X.shape == (len(part), 5)
        np.testing.assert_array_equal(np.asarray(part.X), part.X[np.arange(len(part))])


def test_every_stage_is_validated():
    Xs, ys, Xt, yt = two_domains()
    tuned = FineTuning(validation_fraction=0.3, **SMALL).fit(Xs, ys, Xt, yt)
    for history in (tuned.pretrain_history_, tuned.history_):
        assert {"valid_loss", "valid_information"} <= set(history[-1])
    confused = DDC(validation_fraction=0.3, adaptation_width=(3, 4), **SMALL).fit(Xs, ys, Xt)
    assert "valid_loss" in confused.history_[-1]


# -- callbacks -------------------------------------------------------------------------------------


def test_early_stopping_restores_the_best_epoch():
    Xs, ys, Xt, _ = two_domains(n_source=40)
    stop = EarlyStopping("valid_loss", patience=3, load_best=True)
    options = {"validation_fraction": 0.4, "max_epochs": 300, "lr": 0.05}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = small(MMD(0.1), callbacks=[stop], **options).fit(Xs, ys, Xt)
    assert not stopped.interrupted_ and stopped.n_iter_ < 300
    losses = stopped.history_[:, "valid_loss"]
    best = int(np.argmin(losses)) + 1
    assert best == stopped.n_iter_ - 3
    assert stopped.history_[best - 1, "valid_loss_best"]
    same = small(MMD(0.1), **{**options, "max_epochs": best}).fit(Xs, ys, Xt)
    assert same_weights(stopped, same)


def test_early_stopping_by_information():
    Xs, ys, Xt, _ = two_domains()
    stop = EarlyStopping("valid_information", lower_is_better=False, patience=1, threshold=10.0)
    estimator = small(callbacks=[stop], validation_fraction=0.3, max_epochs=50).fit(Xs, ys, Xt)
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize("safe", [False, True])
def test_checkpoints(tmp_path, safe):
    Xs, ys, Xt, _ = two_domains()
    files = {"use_safetensors": True, "f_optimizer": None} if safe else {"f_pickle": "net.pkl"}
    checkpoint = Checkpoint("valid_loss_best", dirname=tmp_path, load_best=True, **files)
    options = {"validation_fraction": 0.4, "max_epochs": 30, "lr": 0.05}
    estimator = small(MMD(), callbacks=[checkpoint], **options).fit(Xs, ys, Xt)
    best = int(np.argmin(estimator.history_[:, "valid_loss"])) + 1
    assert best < 30
    same = small(MMD(), **{**options, "max_epochs": best}).fit(Xs, ys, Xt)
    assert same_weights(estimator, same)
    assert (tmp_path / "params.pt").exists()
    if not safe:
        net = pickle.loads((tmp_path / "net.pkl").read_bytes())
        logits = net.predict(Xt.astype(np.float32))
        np.testing.assert_array_equal(estimator.classes_[logits.argmax(1)], estimator.predict(Xt))


def test_learning_rate_schedulers():
    class Watch(Callback):
        def __init__(self):
            self.rates = []

        def on_epoch_end(self, net, **kwargs):
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    Xs, ys, Xt, _ = two_domains()
    steps = LRScheduler("StepLR", step_size=1, gamma=0.5)
    estimator = small(MMD(), callbacks=[Watch(), steps], lr=0.08).fit(Xs, ys, Xt)
    watch = next(c for _, c in estimator.net_.callbacks_ if isinstance(c, Watch))
    np.testing.assert_allclose(watch.rates, [0.08, 0.04, 0.02, 0.01])
    plateau = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=0, factor=0.1)
    options = {"lr": 1e-6, "validation_fraction": 0.3, "max_epochs": 5}
    estimator = small(callbacks=[plateau], **options).fit(Xs, ys, Xt)
    assert estimator.net_.optimizer_.param_groups[0]["lr"] < 1e-6


def test_progress_bar(capsys):
    Xs, ys, Xt, _ = two_domains()
    small(MMD(), callbacks=[ProgressBar()], validation_fraction=0.3).fit(Xs, ys, Xt)
    assert "it/s" in capsys.readouterr().err


# -- warm start ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: small(MMD(), DomainAdversary(), **o),
        lambda **o: small(MMD(), module=Dropping, **o),
        lambda **o: DANN(**o),
        lambda **o: DDC(adaptation_layer="auto", adaptation_width=(3, 5), **o),
        lambda **o: FineTuning(**o),
    ],
)
def test_warm_start_goes_on_from_the_last_weights(make):
    Xs, ys, Xt, yt = two_domains()
    still = {**SMALL, "lr": 1e-30, "max_epochs": 1}
    estimator = make(**{**SMALL, "warm_start": True}).fit(Xs, ys, Xt, yt)
    before = weights(estimator)
    alignments = copy.deepcopy(estimator.net_.alignments_.state_dict())
    old = estimator.net_.module_
    estimator.set_params(**{name: still[name] for name in ("lr", "max_epochs")})
    estimator.fit(Xs, ys, Xt, yt)
    assert estimator.net_.module_ is not old
    for a, b in zip(before, weights(estimator), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    for name, value in estimator.net_.alignments_.state_dict().items():
        torch.testing.assert_close(value, alignments[name])
    estimator.set_params(lr=0.01, warm_start=False).fit(Xs, ys, Xt, yt)
    afresh = make(**{**still, "lr": 0.01}).fit(Xs, ys, Xt, yt)
    assert same_weights(estimator, afresh)
    assert not any(np.allclose(a, b) for a, b in zip(before, weights(afresh)))


def test_warm_start_learns_on_and_is_reproducible():
    Xs, ys, Xt, _ = two_domains()
    options = {"lr": 0.01, "warm_start": True}
    first, second = (small(MMD(), **options).fit(Xs, ys, Xt).fit(Xs, ys, Xt) for _ in "12")
    assert same_weights(first, second)
    start = small(MMD(), lr=0.01).fit(Xs, ys, Xt).loss_curve_
    assert first.loss_curve_[0] < start[-1] + 0.02 < start[0]
    assert first.n_iter_ == 4  # of this fit


def test_a_warm_started_head_for_new_classes():
    Xs, ys, Xt, yt = two_domains()
    estimator = FineTuning(**SMALL, warm_start=True).fit(Xs, ys, Xt, yt + 2)
    assert estimator.classes_.tolist() == [2, 3]
    head = estimator.net_.module_.head.weight.detach().clone()
    estimator.set_params(lr=1e-30).fit(Xs, ys, Xt, yt + 2)
    torch.testing.assert_close(estimator.net_.module_.head.weight.detach(), head)


def test_a_warm_started_regressor_keeps_its_units():
    Xs, ys, Xt, _ = two_domains(regression=True)
    estimator = small(regression=True, warm_start=True).fit(Xs, ys, Xt)
    before = estimator.predict(Xt)
    estimator.set_params(lr=1e-30, max_epochs=1).fit(Xs, 5 * ys + 100, Xt)
    np.testing.assert_allclose(estimator.predict(Xt), before, rtol=1e-6)
    cold = estimator.set_params(warm_start=False).fit(Xs, 5 * ys + 100, Xt)
    assert abs(cold.predict(Xt).mean() - before.mean()) > 50


def test_a_warm_start_with_other_classes_columns_or_layers_is_an_error():
    Xs, ys, Xt, _ = two_domains()
    names = list("abcde")
    frames = [pd.DataFrame(X, columns=names) for X in (Xs, Xt)]
    estimator = small(MMD(), warm_start=True).fit(frames[0], ys, frames[1])
    before, attributes = weights(estimator), dict(vars(estimator))
    renamed = [frame.rename(columns={"a": "A"}) for frame in frames]
    for change, data, pattern in (
        ({}, (Xs, ys + 1, Xt), r"classes_ was \[0, 1\], but now it is \[1, 2\]"),
        ({}, (Xs[:, :4], ys, Xt[:, :4]), "had 5 features, but now Xs has 4"),
        ({}, (renamed[0], ys, renamed[1]), r"feature_names_in_ was \['a', .*is \['A', "),
        ({"hidden_layer_sizes": (8,)}, (Xs, ys, Xt), r"hidden_layer_sizes=\[16\], .* is \[8\]"),
        ({"activation": "tanh"}, (Xs, ys, Xt), "activation='relu', but here it is 'tanh'"),
        ({"module": nn.Linear(5, 16)}, (Xs, ys, Xt), "hidden_layer_sizes|module"),
    ):
        params = estimator.get_params(deep=False)
        with pytest.raises(ValueError, match=pattern):
            estimator.set_params(**change).fit(*data)
        estimator.set_params(**params)
        assert set(vars(estimator)) == set(attributes)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(estimator)))
    module = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
    estimator = small(module=module, warm_start=True).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match=r"the shape \[7, 5\], the last fit's \[6, 5\]"):
        estimator.set_params(module=nn.Sequential(nn.Linear(5, 7), nn.ReLU())).fit(Xs, ys, Xt)


# -- rows in pieces --------------------------------------------------------------------------------


def test_one_piece_is_one_epoch_of_a_fit():
    Xs, ys, Xt, yt = two_domains()
    for options in ({}, {"module": Dropping}, {"validation_fraction": 0.3}):
        estimator = small(MMD(), DomainAdversary(), **options).partial_fit(Xs, ys, Xt, yt)
        fitted = small(MMD(), DomainAdversary(), **options, max_epochs=1).fit(Xs, ys, Xt, yt)
        assert same_weights(estimator, fitted)
        assert estimator.n_iter_ == 1
    X, y, d = stack(Xs, ys, Xt, yt)
    stacked = small(MMD()).partial_fit(X, y, sample_domain=d)
    assert same_weights(stacked, small(MMD()).partial_fit(Xs, ys, Xt, yt))


def test_pieces_go_on_as_a_fit_would_in_the_same_order_of_rows():
    Xs, ys, Xt, _ = two_domains(n_source=30, n_target=30)
    # With one batch an epoch the order of the rows is that of a sum.
    options = {"batch_size": 64, "lam": "ramp", "lr_schedule": "decay", "lr": 0.01}
    fitted = small(MMD(), DomainAdversary(), **options).fit(Xs, ys, Xt)
    pieces = small(MMD(), DomainAdversary(), **options)
    for k in range(4):
        pieces.partial_fit(Xs, ys, Xt)
        assert pieces.n_iter_ == k + 1 == len(pieces.loss_curve_)
    for a, b in zip(weights(fitted), weights(pieces), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert pieces.history_[:, "lam"] == fitted.history_[:, "lam"]


def test_the_progress_of_pieces_ends_at_one():
    seen = []

    def lam(progress):
        seen.append(progress)
        return progress

    Xs, ys, Xt, _ = two_domains(n_source=64, n_target=64)
    estimator = small(MMD(), lam=lam, max_epochs=2, batch_size=32)
    for _ in range(3):
        estimator.partial_fit(Xs, ys, Xt)
    assert seen == [0, 0.25, 0.5, 0.75, 1, 1]


def test_pieces_follow_the_number_of_epochs_that_is_asked_for_now():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(MMD(), lam=lambda p: p, max_epochs=2, batch_size=128)
    estimator.partial_fit(Xs, ys, Xt).set_params(max_epochs=10).partial_fit(Xs, ys, Xt)
    assert estimator.history_[:, "lam"] == [0, 0.1]


def test_pieces_are_reproducible_shuffled_anew_and_go_on_after_a_pickle():
    Xs, ys, Xt, _ = two_domains()
    for alignments, options in (
        ([MMD(), DomainAdversary()], {}),
        ([MMD()], {"module": Dropping}),
        ([Critic()], {"lr_schedule": "decay"}),
    ):
        first, second = (small(*alignments, **options) for _ in "12")
        for _ in range(3):
            first.partial_fit(Xs, ys, Xt)
            second.partial_fit(Xs, ys, Xt)
            second = pickle.loads(pickle.dumps(second))
        assert same_weights(first, second)
    order = []

    class Order(Alignment):
        def forward(self, source, target):
            order.append(source.features[0][:, 0].tolist())
            return source.features[-1].sum() * 0

    estimator = small(Order(), module=nn.Sequential(nn.Flatten()), batch_size=128)
    estimator.partial_fit(Xs, ys, Xt).partial_fit(Xs, ys, Xt)
    assert order[0] != order[1] and sorted(order[0]) == sorted(order[1])


class Critic(Alignment):
    """A critic with an optimizer of its own."""

    def initialize(self, widths, n_outputs):
        self.critic = nn.Linear(widths[-1], 1).requires_grad_(False)

    def after_step(self, step):
        if not hasattr(self, "optimizer"):
            self.optimizer = torch.optim.Adam(self.critic.parameters())
        self.critic.requires_grad_(True)
        self.optimizer.zero_grad()
        with torch.no_grad():
            features = step.network.features(step.source_rows)[-1]
        self.critic(features).mean().backward()
        self.optimizer.step()
        self.critic.requires_grad_(False)

    def forward(self, source, target):
        return self.critic(source.features[-1]).mean() - self.critic(target.features[-1]).mean()


def test_an_alignments_own_optimizer_goes_on_after_a_pickle():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(Critic(), lr_schedule="decay").partial_fit(Xs, ys, Xt)
    again = pickle.loads(pickle.dumps(estimator))
    for one in (estimator, again):
        one.partial_fit(Xs, ys, Xt)
        alignment = one.net_.alignments_[0]
        trained = alignment.optimizer.param_groups[0]["params"]
        assert [id(p) for p in trained] == [id(p) for p in alignment.critic.parameters()]
    assert same_weights(estimator, again)
    for a, b in zip(*(e.net_.alignments_.parameters() for e in (estimator, again)), strict=True):
        assert torch.equal(a, b)


def test_pieces_that_lack_classes():
    Xs, ys, Xt, yt = two_domains()
    words = np.array(["ill", "well"])[ys]
    estimator = small(MMD(), lr=0.01)
    estimator.partial_fit(Xs[words == "ill"], words[words == "ill"], Xt, classes=["well", "ill"])
    assert estimator.classes_.tolist() == ["ill", "well"]
    for _ in range(30):
        for word in ("well", "ill"):
            rows = words == word
            estimator.partial_fit(Xs[rows], words[rows], Xt)
    estimator.partial_fit(Xs, words, Xt, classes=["ill", "well"])
    assert estimator.score(Xs, words) > 0.8
    with pytest.raises(ValueError, match=r"ys has the classes \['odd'\], but classes has only"):
        estimator.partial_fit(Xs, np.where(ys, "odd", "ill"), Xt)
    with pytest.raises(ValueError, match=r"yt has the classes \['odd'\], but classes has only"):
        estimator.partial_fit(Xs, words, Xt, ["odd"] * len(Xt))
    with pytest.raises(ValueError, match=r"classes is \['a', 'b'\], but .* \['ill', 'well'"):
        estimator.partial_fit(Xs, words, Xt, classes=["b", "a"])
    for wrong in ([1], []):
        with pytest.raises(ValueError, match="classes must hold at least 2 classes"):
            small().partial_fit(Xs, ys, Xt, classes=wrong)
    with pytest.raises(ValueError, match="1 class"):
        small().partial_fit(Xs, 0 * ys, Xt)


def test_pieces_of_a_regression_keep_the_first_ones_units():
    Xs, ys, Xt, _ = two_domains(regression=True)
    estimator = small(regression=True).partial_fit(Xs[:50], ys[:50], Xt)
    units = (ys[:50].mean(), ys[:50].std())
    estimator.partial_fit(Xs[50:], 3 * ys[50:] + 7, Xt)
    assert (estimator._y_mean, estimator._y_scale) == pytest.approx(units)


def test_pieces_go_on_from_a_fit():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(MMD(), lam=lambda p: p).fit(Xs, ys, Xt)
    before, fitted = weights(estimator), copy.deepcopy(estimator)
    estimator.partial_fit(Xs, ys, Xt)
    assert estimator.n_iter_ == 5 and estimator.history_[-1]["lam"] == 1
    assert 0 < max(np.abs(a - b).max() for a, b in zip(before, weights(estimator))) < 0.05
    assert len(fitted.history_) == 4
    with pytest.warns(NoTargetWarning):
        alone = small(MMD()).fit(Xs, ys)
    alone.partial_fit(Xs, ys, Xt)  # the alignment is there for the target to come
    assert "mmd" in alone.history_[-1]


def test_a_piece_that_fails_leaves_the_estimator_as_it_was():
    Xs, ys, Xt, _ = two_domains(regression=True)
    options = {"regression": True, "optimizer": "sgd", "lr": 0.01}
    estimator = small(MMD(), DomainAdversary(), **options).partial_fit(Xs, ys, Xt)
    expected = copy.deepcopy(estimator)
    with pytest.raises(ValueError, match=r"diverged in epoch 2: its loss became (nan|inf)"):
        estimator.partial_fit(1e25 * Xs, ys, Xt)
    with pytest.raises(ValueError, match="X has 4 features, but DeepTransferRegressor"):
        estimator.partial_fit(Xs[:, :4], ys, Xt[:, :4])
    with pytest.raises(ValueError, match="Xt has 4 features"):
        estimator.partial_fit(Xs, ys, Xt[:, :4])
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\[16\], but here it is \[3\]"):
        estimator.set_params(hidden_layer_sizes=(3,)).partial_fit(Xs, ys, Xt)
    estimator.set_params(hidden_layer_sizes=(16,))
    assert same_weights(estimator, expected) and estimator.n_iter_ == 1
    assert len(estimator.history_) == len(estimator.net_.history) == 1
    assert same_weights(estimator.partial_fit(Xs, ys, Xt), expected.partial_fit(Xs, ys, Xt))
    with pytest.raises(ValueError, match="lr"):
        small(lr=-1).partial_fit(Xs, ys, Xt)


def test_who_offers_partial_fit():
    for model in (DANN(), DDC(), DDCRegressor(adaptation_layer=1), DeepTransferClassifier()):
        assert hasattr(model, "partial_fit")
    for model in (FineTuning(), DDC(adaptation_layer="auto"), DDC(adaptation_width=(3, 4))):
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError):
            _ = model.partial_fit
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 1}
    pieces = DDC(**options).partial_fit(Xs, ys, Xt)
    fitted = DDC(**options).fit(Xs, ys, Xt)
    assert same_weights(pieces, fitted)
    assert pieces.adaptation_width_ == 50 and pieces.adaptation_layer_ == 1


def test_partial_fit_asks_for_metadata_as_fit_does():
    Xs, ys, Xt, _ = two_domains()
    requests = DANN().get_metadata_routing()
    assert {**requests.fit.requests, "classes": True} == requests.partial_fit.requests
    with sklearn.config_context(enable_metadata_routing=True):
        make_pipeline(StandardScaler(), DANN(**SMALL), transform_input=["Xt"]).fit(Xs, ys, Xt=Xt)


# -- interruption ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def python_handles_ctrl_c():
    """Let the signal raise KeyboardInterrupt even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class CtrlC(Callback):
    """Send the signal of Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch, hook="on_grad_computed"):
        self.epoch = epoch
        self.hook = hook

    def _act(self, net, hook):
        if hook == self.hook and len(net.history) == self.epoch and net.clock_.step % 3 != 1:
            os.kill(os.getpid(), signal.SIGINT)

    def on_grad_computed(self, net, **kwargs):
        self._act(net, "on_grad_computed")

    def on_batch_end(self, net, training=False, **kwargs):
        if not training:
            self._act(net, "validation")

    def on_epoch_end(self, net, **kwargs):
        self._act(net, "on_epoch_end")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"module": Dropping},
        {"validation_fraction": 0.3, "hook": "validation"},
        {"hook": "on_epoch_end"},
    ],
)
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interruption_leaves_a_fitted_estimator_that_says_so(epoch, options):
    Xs, ys, Xt, _ = two_domains()
    options = dict(options)
    interrupt = CtrlC(epoch, options.pop("hook", "on_grad_computed"))
    stop = EarlyStopping("train_loss", load_best=True)  # its on_train_end looks at the history
    estimator = small(MMD(), DomainAdversary(), callbacks=[interrupt, stop], **options)
    state = torch.get_rng_state()
    with pytest.warns(
        TrainingInterruptedWarning, match=f"{epoch - 1} complete epochs of 4"
    ) as seen:
        estimator.fit(Xs, ys, Xt)
    assert seen[0].filename == __file__
    assert torch.equal(torch.get_rng_state(), state)
    assert estimator.interrupted_ is True
    assert estimator.n_iter_ == len(estimator.history_) == len(estimator.loss_curve_) == epoch - 1
    assert all("train_loss" in entry for entry in estimator.history_)
    assert estimator.predict(Xt).shape == (60,)
    start = small(lr=1e-30, max_epochs=1, module=options.get("module")).fit(Xs, ys, Xt)
    assert not same_weights(estimator, start)  # something was learnt
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(Xt), estimator.predict_proba(Xt))
    whole = estimator.set_params(callbacks=None).fit(Xs, ys, Xt)
    assert whole.interrupted_ is False and whole.n_iter_ == 4


class Enough(Callback):
    def __init__(self, hook):
        self.hook = hook

    def _act(self, net, hook):
        if hook == self.hook and len(net.history) == 3:
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        self._act(net, "on_epoch_end")

    def on_batch_end(self, net, **kwargs):
        self._act(net, "on_batch_end")


def test_a_callback_that_ends_the_training_after_an_epoch_is_no_interruption():
    Xs, ys, Xt, _ = two_domains()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = small(MMD(), callbacks=[Enough("on_epoch_end")]).fit(Xs, ys, Xt)
    assert estimator.interrupted_ is False
    assert estimator.n_iter_ == 3


def test_a_callback_that_ends_the_training_amid_an_epoch_interrupts_it():
    Xs, ys, Xt, _ = two_domains()
    with pytest.warns(TrainingInterruptedWarning, match="2 complete epochs of 4"):
        estimator = small(MMD(), callbacks=[Enough("on_batch_end")]).fit(Xs, ys, Xt)
    assert estimator.interrupted_ is True and estimator.n_iter_ == 2


def test_an_interruption_before_there_is_a_network_leaves_the_estimator_as_it_was():
    def interrupted(n_features):
        raise KeyboardInterrupt

    Xs, ys, Xt, _ = two_domains()
    estimator = small(module=interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(Xs, ys, Xt)
    assert set(vars(estimator)) == set(vars(small()))
    fitted = small(module=Dropping).fit(Xs, ys, Xt)
    before = dict(vars(fitted))
    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(module=interrupted).fit(Xs, ys, Xt)
    assert vars(fitted) == {**before, "module": interrupted}


class InterruptStage(CtrlC):
    """Interrupt the first stage only: later ones must not begin."""

    trained = 0

    def on_train_begin(self, net, **kwargs):
        InterruptStage.trained += 1


@pytest.mark.parametrize(
    "model",
    [
        FineTuning(),
        FineTuning(unfreeze_every=1),
        DDC(adaptation_layer="auto"),
        DDC(adaptation_width=(3, 4, 5)),
    ],
    ids=repr,
)
def test_later_stages_do_not_begin_after_an_interruption(model):
    Xs, ys, Xt, yt = two_domains()
    InterruptStage.trained = 0
    estimator = clone(model).set_params(**SMALL, callbacks=[InterruptStage(2)])
    other = yt + 2 if isinstance(model, FineTuning) else yt
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(Xs, ys, Xt, other)
    assert estimator.interrupted_ and InterruptStage.trained == 1
    assert set(estimator.predict(Xt)) <= set(other)
    if isinstance(model, FineTuning):
        assert len(estimator.pretrain_history_) == 1 and estimator.n_iter_ == 0
    if estimator.get_params().get("adaptation_width") == (3, 4, 5):
        assert estimator.adaptation_width_ == 3  # the only one that was trained:
        assert not hasattr(estimator, "width_mmd_")  # nothing is compared with it
    pickle.loads(pickle.dumps(estimator))


def test_an_interrupted_piece():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(MMD(), callbacks=[CtrlC(2)]).partial_fit(Xs, ys, Xt)
    with pytest.warns(TrainingInterruptedWarning) as seen:
        estimator.partial_fit(Xs, ys, Xt)
    assert seen[0].filename == __file__
    assert estimator.interrupted_ and estimator.n_iter_ == 1
    estimator.predict(Xt)


# -- mixed precision -------------------------------------------------------------------------------


@pytest.mark.parametrize("regression", [False, True])
def test_mixed_precision_changes_bits_but_not_the_result(regression):
    Xs, ys, Xt, yt = two_domains(regression=regression)
    options = {"regression": regression, "max_epochs": 40, "lr": 0.01}
    plain = small(MMD(0.1), **options).fit(Xs, ys, Xt)
    mixed = small(MMD(0.1), mixed_precision=True, **options).fit(Xs, ys, Xt)
    again = small(MMD(0.1), mixed_precision=True, **options).fit(Xs, ys, Xt)
    assert not same_weights(plain, mixed) and same_weights(mixed, again)
    for a, b in zip(weights(plain), weights(mixed), strict=True):
        assert b.dtype == np.float32
        assert np.abs(a - b).mean() < 0.03
    assert mixed.score(Xt, yt) > plain.score(Xt, yt) - 0.03
    for net in (mixed.net_,):
        assert all(p.dtype == torch.float32 for p in net.alignments_.parameters())


def test_losses_are_in_single_precision_under_mixed_precision():
    seen = {}

    class Look(Alignment):
        def forward(self, source, target):
            seen["features"] = {f.dtype for f in (*source.features, target.output)}
            seen["inside"] = torch.is_autocast_enabled("cpu")
            return source.features[-1].mean()

    class Module(nn.Linear):
        def forward(self, x):
            seen["forward"] = torch.is_autocast_enabled("cpu")
            return super().forward(x)

    Xs, ys, Xt, _ = two_domains()
    small(Look(), module=Module(5, 4), mixed_precision=True, max_epochs=1).fit(Xs, ys, Xt)
    assert seen["features"] == {torch.float32} and not seen["inside"]


# -- divergence ------------------------------------------------------------------------------------


class Exploding(Alignment):
    def forward(self, source, target):
        return (source.features[-1].mean() * 1e30) ** 2


@pytest.mark.parametrize("mixed", [False, True])
def test_divergence_of_an_alignment_names_the_terms(mixed):
    Xs, ys, Xt, _ = two_domains()
    estimator = small(Exploding(), mixed_precision=mixed)
    what = r"lower lr \(now 0.001\)" + (", switch mixed_precision off" if mixed else "")
    with pytest.raises(
        ValueError, match=rf"in epoch 1: its loss became .*task_loss .*alignment .*{what} or lower"
    ):
        estimator.fit(Xs, ys, Xt)
    assert not hasattr(estimator, "net_")


def test_divergence_of_an_alignments_own_weights_is_seen():
    class Broken(Critic):
        def after_step(self, step):
            with torch.no_grad():
                self.critic.weight.fill_(math.nan)

    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        small(Broken(), max_epochs=1, batch_size=128).fit(Xs, ys, Xt)


def test_divergence_on_held_out_rows_is_seen():
    class Fragile(nn.Module):
        def __init__(self, n_features):
            super().__init__()
            self.layer = nn.Linear(n_features, 4)

        def forward(self, x):
            x = self.layer(x)
            return x if self.training or len(x) < 3 else x * math.inf

    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="epoch 1: its loss on held-out rows became nan"):
        small(module=Fragile, validation_fraction=0.3).fit(Xs, ys, Xt)


# -- schedules -------------------------------------------------------------------------------------


def test_warm_up_by_its_formula():
    p = np.linspace(0, 1, 101)
    followers = {
        0.7: lambda q: 0.7,
        "decay": lambda q: (1 + 10 * q) ** -0.75,
        "ramp": lambda q: 2 / (1 + np.exp(-10 * q)) - 1,
        Ramp(0.5, 3.0): lambda q: 0.5 * (2 / (1 + np.exp(-3 * q)) - 1),
    }
    for share in (0.1, 0.5):
        for then, g in followers.items():
            expected = np.where(
                p < share, g(0) * p / share, [g(max(q - share, 0) / (1 - share)) for q in p]
            )
            actual = [WarmUp(share, then)(q) for q in p]
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-15)
    for wrong in (0, 1, -0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="share of WarmUp"):
            WarmUp(wrong)
    for wrong in ("cosine", None):
        with pytest.raises(ValueError, match="'decay', 'ramp' or a callable"):
            WarmUp(0.1, wrong)
    assert repr(WarmUp(0.2, "decay")) == "WarmUp(0.2, then='decay')"


def test_warm_up_of_lambda_and_of_the_learning_rate():
    class Watch(Callback):
        def __init__(self):
            self.rates = []

        def on_grad_computed(self, net, **kwargs):
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    Xs, ys, Xt, _ = two_domains(n_source=64, n_target=64)
    options = {"lam": WarmUp(0.5, 2.0), "lr_schedule": WarmUp(0.5), "lr": 0.1, "batch_size": 32}
    estimator = clone(small(MMD(), **options)).set_params(callbacks=[Watch()])
    estimator.fit(Xs, ys, Xt)
    watch = next(c for _, c in estimator.net_.callbacks_ if isinstance(c, Watch))
    rise = np.minimum(np.arange(8) / 4, 1)
    np.testing.assert_allclose(watch.rates, 0.1 * rise)
    np.testing.assert_allclose(estimator.history_[:, "lam"], 2 * rise.reshape(4, 2).mean(axis=1))
    again = pickle.loads(pickle.dumps(small(**options)))
    assert again.lam(0.25) == 1.0 and again.lr_schedule(0.25) == 0.5
