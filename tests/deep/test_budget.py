"""How long a network trains, what pulls its weights to 0, and what is said of too short a time."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from skdtl import (
    ADDA,
    DANN,
    ADDARegressor,
    DeepTransferClassifier,
    FineTuning,
    LabelEfficientTransfer,
    NovelClassDiscovery,
)
from skdtl.deep import BSS, L2SP, MMD, _training
from skdtl.deep._training import _falls_at_end
from skdtl.deep.stages import PretrainedEstimator

from ..common import instances, is_deep, label, make_data, partly_labelled
from ..deep_common import same_weights
from ..shifts import two_domains

DEEP = {label(e): e for e in instances() if is_deep(e)}
every = pytest.mark.parametrize("estimator", DEEP.values(), ids=DEEP)


class Watch(Callback):
    """Keep the epochs, the steps and the penalty of every training."""

    seen: list[tuple[int, int, float]] = []

    def on_train_end(self, net, **kwargs):
        decay = [group["weight_decay"] for group in net.optimizer_.param_groups]
        self.seen.append((len(net.history), net.clock_.step, max(decay)))


@pytest.fixture
def seen():
    Watch.seen.clear()
    yield Watch.seen
    Watch.seen.clear()


def fit(estimator, n_source=60, **params):
    """Fit a copy on two domains, the target of which, 40 rows, has some labels."""
    Xs, ys, Xt, yt = make_data(estimator, n_source)
    model = clone(estimator).set_params(callbacks=[Watch()], **params)
    return model.fit(Xs, ys, Xt, partly_labelled(yt))


# -- epochs and steps ------------------------------------------------------------------------------

AUTO = {"max_epochs": "auto", "weight_decay": "auto"}


@every
def test_a_training_makes_enough_steps_but_so_many_epochs_at_least(estimator, seen, monkeypatch):
    """But for a second stage with the source's rows too, to which more steps may do harm."""
    monkeypatch.setattr(_training, "_AUTO_EPOCHS", 2)
    model = fit(estimator, min_steps=11, **AUTO)  # 60 rows in batches of 16: 4 steps an epoch
    goes_on = isinstance(estimator, ADDA | LabelEfficientTransfer | ADDARegressor)
    expected = [3, 2] if goes_on else [3] * len(seen)
    tunes = isinstance(estimator, PretrainedEstimator) and not goes_on
    if tunes and not isinstance(estimator, NovelClassDiscovery):
        expected = [3, 6]  # the labelled target rows are two batches
    assert [n_epochs for n_epochs, *_ in seen] == expected
    assert model.n_iter_ == seen[-1][0]
    assert len(fit(estimator, min_steps=1, **AUTO).history_) == 2
    seen.clear()
    fit(estimator, min_steps=1000, max_epochs=1)
    assert [n_epochs for n_epochs, *_ in seen] == [1] * len(seen)  # a number is kept to


def test_how_many_epochs_make_the_steps_hangs_on_the_longer_domain():
    Xs, ys, Xt, _ = two_domains(n_source=40, n_target=70)
    options = {"hidden_layer_sizes": (2,), "batch_size": 20, "random_state": 0}
    alone = DeepTransferClassifier(min_steps=250, **options).fit(Xs, ys, Xt)
    assert alone.n_iter_ == 125  # the target's rows take no part without a term
    model = DeepTransferClassifier([MMD()], min_steps=441, **options).fit(Xs, ys, Xt)
    assert model.n_iter_ == 111 and model.net_.clock_.step == 4 * 111
    model.set_params(min_steps=4).fit(Xs, ys, Xt)
    assert model.n_iter_ == 100  # what large data have


@pytest.mark.parametrize("name", ["DDCRegressor", "DeepCORAL", "JAN", "MCC"])
def test_what_the_rules_find_can_be_said_in_numbers(name, monkeypatch):
    monkeypatch.setattr(_training, "_AUTO_EPOCHS", 2)
    rules = fit(DEEP[name], min_steps=12, **AUTO)
    assert same_weights(rules, fit(DEEP[name], max_epochs=3, weight_decay=0.01))
    assert not same_weights(rules, fit(DEEP[name], max_epochs=3, weight_decay=0.0))


def test_schedules_run_once_through_the_steps_that_are_made():
    progress = []
    Xs, ys, Xt, _ = two_domains(n_source=60, n_target=60)
    options = {"hidden_layer_sizes": (2,), "batch_size": 30, "min_steps": 240, "random_state": 0}

    def lam(p):
        progress.append(p)
        return p

    DeepTransferClassifier([MMD()], lam=lam, **options).fit(Xs, ys, Xt)
    np.testing.assert_allclose(progress, np.arange(240) / 240)
    progress.clear()
    pieces = DeepTransferClassifier([MMD()], lam=lam, **options)
    for n in (60, 60, 30):  # a smaller piece has fewer steps, and so more epochs before its end
        pieces.partial_fit(Xs[:n], ys[:n], Xt[:n])
    np.testing.assert_allclose(progress, [0, 1 / 240, 2 / 240, 3 / 240, 2 / 240])


# -- the penalty -----------------------------------------------------------------------------------


@every
def test_the_penalty_is_less_the_more_rows_there_are(estimator, seen):
    options = {"max_epochs": 1, "weight_decay": "auto"}
    fit(estimator, **options)
    fit(estimator, n_source=600, **options)
    few, many = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert few[0][2] == 0.01 and many[0][2] == 0.005


@pytest.mark.parametrize("lr_schedule", ["constant", "decay"])
def test_what_is_trained_against_the_network_is_spared_unless_a_number_is_given(lr_schedule):
    Xs, ys, Xt, _ = two_domains()
    for given, expected in (("auto", (0.01, 0.0)), (0.03, (0.03, 0.03))):
        model = DANN(max_epochs=2, weight_decay=given, lr_schedule=lr_schedule).fit(Xs, ys, Xt)
        groups = model.net_.optimizer_.param_groups
        decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
        for module, decay in zip((model.net_.module_, model.net_.alignments_), expected):
            assert {decays.pop(id(p)) for p in module.parameters()} == {decay}
        assert not decays
        assert len({group["lr"] for group in groups}) == 1


@pytest.mark.parametrize("cls", [ADDA, LabelEfficientTransfer])
def test_weights_that_were_learnt_before_are_not_pulled_to_zero(cls, seen):
    Xs, ys, Xt, yt = two_domains()
    options = {"max_epochs": 1, "callbacks": [Watch()]}
    cls(**options).fit(Xs, ys, Xt, partly_labelled(yt))
    assert [decay for *_, decay in seen] == [0.01, 0.0]
    seen.clear()
    cls(weight_decay=0.03, **options).fit(Xs, ys, Xt, partly_labelled(yt))
    assert [decay for *_, decay in seen] == [0.03, 0.03]  # but for a number, which is kept to


def test_tuning_has_the_penalty_of_its_own_rows_unless_a_term_is_one(seen):
    Xs, ys, Xt, yt = two_domains(n_source=600)
    options = {"max_epochs": 1, "callbacks": [Watch()]}
    for terms, expected in (((), 0.01), ([BSS()], 0.01), ([BSS(), L2SP()], 0.0)):
        FineTuning(terms=terms, **options).fit(Xs, ys, Xt, partly_labelled(yt))
        assert [decay for *_, decay in seen] == [0.005, expected]
        seen.clear()


def test_a_module_and_an_optimizer_of_the_users_own_have_no_penalty_unless_they_ask(seen):
    Xs, ys, Xt, _ = two_domains()
    common = {"max_epochs": 1, "callbacks": [Watch()]}
    for options, expected in (
        ({"module": nn.Sequential(nn.Linear(Xs.shape[1], 3), nn.ReLU())}, 0.0),
        ({"optimizer": torch.optim.SGD}, 0.0),
        ({"optimizer": torch.optim.AdamW}, 0.01),  # its own default
        ({"optimizer": torch.optim.SGD, "weight_decay": 0.2}, 0.2),
    ):
        DeepTransferClassifier(**options, **common).fit(Xs, ys, Xt)
        assert seen.pop()[2] == expected
    pieces = DeepTransferClassifier(**common).partial_fit(Xs, ys, Xt)
    assert pieces.net_.optimizer_.param_groups[0]["weight_decay"] == 0.01


# -- a training that was too short -----------------------------------------------------------------


@pytest.mark.parametrize(
    "losses, expected",
    [
        (np.linspace(1, 0.9, 40), True),  # slowly, but evenly
        (np.exp(-np.arange(40) / 16), True),
        (np.exp(-np.arange(40) / 10), False),
        (np.linspace(1, 0.99, 9), False),  # too few to tell
        (np.linspace(1, 0.5, 10), True),
        (np.ones(40), False),
        (1 - 1e-5 * np.arange(40), False),  # it learns nothing at all
        (0.5 + 0.5 * np.exp(-np.arange(40)) + 0.05 * np.cos(np.arange(40) * np.pi / 4), False),
        (np.r_[np.linspace(1, 0.2, 32), 0.2 * np.ones(8)], False),
        (np.r_[np.linspace(1, 0.2, 28), 0.2 * np.ones(8), 0.1 * np.ones(4)], False),
        (np.linspace(0.5, 1, 40), False),
    ],
)
def test_what_falls_clearly_at_the_end(losses, expected):
    assert _falls_at_end(losses.tolist()) is expected


SHORT = {"hidden_layer_sizes": (8,), "batch_size": 32, "max_epochs": 12, "random_state": 0}


@pytest.mark.parametrize("cls", [DeepTransferClassifier, ADDA, FineTuning, LabelEfficientTransfer])
def test_a_loss_that_still_falls_is_a_warning(cls):
    """Of a first stage too, after which another follows."""
    Xs, ys, Xt, yt = two_domains()
    model = cls(**SHORT, lr=1e-4)
    with pytest.warns(ConvergenceWarning, match="still fell, from 0") as caught:
        model.fit(Xs, ys, Xt, partly_labelled(yt))
    assert len(caught) == 1 and caught[0].filename == __file__
    text = str(caught[0].message)
    assert cls.__name__ in text and "max_epochs=12" in text and "lr (now 0.0001)" in text
    if cls is DeepTransferClassifier:
        losses = model.history_[:, "task_loss"]
        assert f"{losses[0]:.3g} in the first epoch to {losses[-1]:.3g} in epoch 12" in text
    assert not any("unfinished" in name for name in vars(model))


def test_no_warning_where_somebody_ended_the_training_or_more_may_come():
    Xs, ys, Xt, _ = two_domains()

    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 12:
                raise KeyboardInterrupt

    class CtrlC(Callback):
        def on_batch_begin(self, net, **kwargs):
            if len(net.history) == 13:
                raise KeyboardInterrupt

    slow = {**SHORT, "lr": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The training was interrupted")
        for callback in (Enough(), CtrlC()):
            options = {**slow, "max_epochs": 20, "callbacks": [callback]}
            assert DeepTransferClassifier(**options).fit(Xs, ys, Xt).n_iter_ == 12
        pieces = DeepTransferClassifier(**slow)
        for _ in range(12):
            pieces.partial_fit(Xs, ys, Xt)
        with pytest.raises(ConvergenceWarning):  # the loss does fall
            DeepTransferClassifier(**slow).fit(Xs, ys, Xt)


def test_a_small_source_is_learnt_at_the_defaults_and_nothing_is_warned_of():
    """Where 100 epochs, 300 steps, leave hardly more than a straight line between the moons."""
    X, y = make_moons(300, noise=0.1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = DeepTransferClassifier(random_state=0).fit(X, y, X)
    short = DeepTransferClassifier(max_epochs=100, random_state=0).fit(X, y, X)
    assert model.score(X, y) > 0.94 > short.score(X, y)


@pytest.mark.slow
def test_dann_follows_moons_that_are_turned_at_its_defaults():
    X, y = make_moons(300, noise=0.1, random_state=0)
    X = X - X.mean(axis=0)
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    Xt = X @ [[c, s], [-s, c]]
    alone, adapted = (DANN(random_state=0, **o).fit(X, y, Xt) for o in ({"lam": 0.0}, {}))
    assert min(alone.score(X, y), adapted.score(X, y)) > 0.92
    assert adapted.score(Xt, y) > alone.score(Xt, y) + 0.01
