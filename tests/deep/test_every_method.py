"""What holds of every method that trains a network, in each of its stages."""

from __future__ import annotations

import warnings
from functools import partial
from itertools import chain

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags
from skorch.callbacks import Callback
from torch import nn

from skdtl import DDC, DeepTransferClassifier, FineTuning, NoTargetWarning
from skdtl.deep import MMD, Activations, DomainAdversary, Step, WarmUp
from skdtl.deep._base import DeepTransferEstimator

from ..common import (
    assert_same,
    instances,
    is_deep,
    label,
    make,
    make_data,
    outputs,
    parameters,
    partly_labelled,
    same,
)

# Besides every method as it is, some that have more stages, or callbacks of their own.
DEEP = {label(e): e for e in instances() if is_deep(e)}
CHOOSING = {"DDC-auto": make(DDC, adaptation_layer="auto", adaptation_width=(3, 5))}
MORE = {
    "FineTuning-gradual": make(FineTuning, unfreeze_every=1),
    "DeepTransferClassifier-two": make(
        DeepTransferClassifier, alignments=[MMD(), DomainAdversary()]
    ),
}

# How often a method trains, where it is more than once.
STAGES = {
    "ADDA": 2,
    "ADDARegressor": 2,
    "FeatureTransfer": 2,
    "FeatureTransferRegressor": 2,
    "FineTuning": 2,
    "FineTuningRegressor": 2,
    "LabelEfficientTransfer": 2,
    "SimultaneousTransfer": 2,
}


def over(estimators):
    return pytest.mark.parametrize("estimator", estimators.values(), ids=estimators)


every = over({**DEEP, **CHOOSING, **MORE})
with_module = over({**DEEP, **MORE})  # a module has no place among its layers to choose
grouped = over(
    {k: e for k, e in {**DEEP, **MORE}.items() if "backbone_lr_factor" in parameters(type(e))}
)
classifiers = over({k: e for k, e in {**DEEP, **CHOOSING, **MORE}.items() if is_classifier(e)})
regressors = over({k: e for k, e in DEEP.items() if is_regressor(e)})


def fit(estimator, other_classes=0, **params):
    """Fit a copy on two domains, the target of which has some labels."""
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt + other_classes)
    return clone(estimator).set_params(**params).fit(Xs, ys, Xt, yt)


def said(estimator, **params):
    """Return what a fitted copy says of the target."""
    return outputs(fit(estimator, **params), make_data(estimator)[2])


@pytest.fixture(scope="module")
def usual():
    """Return what a method says in a setting, which is fitted once for all tests."""
    known = {}

    def get(estimator, **params):
        key = id(estimator), repr(params)
        if key not in known:
            known[key] = said(estimator, **params)
        return known[key]

    return get


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


class Stage:
    """What was seen of one training."""

    def __init__(self, net):
        self.network, self.terms = state(net.module_), state(net.alignments_)
        self.optimizer = net.optimizer_
        self.groups: list[list[dict]] = []
        self.n_epochs = 0


class Watch(Callback):
    """Keep what is seen of every training, in a list that its copies share."""

    stages: list[Stage] = []

    def on_train_begin(self, net, **kwargs):
        self.stages.append(Stage(net))

    def on_grad_computed(self, net, **kwargs):
        kept = [{k: v for k, v in g.items() if k != "params"} for g in net.optimizer_.param_groups]
        self.stages[-1].groups.append(kept)

    def on_epoch_end(self, net, **kwargs):
        self.stages[-1].n_epochs += 1


@pytest.fixture
def stages():
    """Return what the callbacks see."""
    Watch.stages.clear()
    yield Watch.stages
    Watch.stages.clear()


def n_stages(estimator) -> int:
    if estimator.get_params().get("adaptation_layer") == "auto":
        return 1 + len(estimator.adaptation_width)
    return STAGES.get(type(estimator).__name__, 1)


# -- callbacks and settings reach every stage ------------------------------------------------------


@every
def test_callbacks_reach_every_stage(estimator, stages, usual):
    fitted = fit(estimator, callbacks=[Watch()])
    assert [stage.n_epochs for stage in stages] == [3] * n_stages(estimator)
    assert all(len(stage.groups) >= 4 * 3 for stage in stages if len(stages) == 1)
    assert any(isinstance(callback, Watch) for _, callback in fitted.net_.callbacks_)
    assert_same(outputs(fitted, make_data(estimator)[2]), usual(estimator))  # it only watched


class Enough(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


@every
def test_a_callback_can_end_every_stage(estimator, stages):
    fitted = fit(estimator, callbacks=[Watch(), ("enough", Enough())])
    assert fitted.n_iter_ == 1 and not fitted.interrupted_
    assert [stage.n_epochs for stage in stages] == [1] * n_stages(estimator)


@every
def test_pieces_of_rows_have_the_callbacks_too(estimator, stages):
    if not hasattr(estimator, "partial_fit"):
        pytest.skip("trains in stages")
    Xs, ys, Xt, yt = make_data(estimator)
    pieces = clone(estimator).set_params(callbacks=[Watch()])
    for _ in range(2):
        pieces.partial_fit(Xs, ys, Xt, partly_labelled(yt))
    assert [stage.n_epochs for stage in stages] == [1, 1]


class Mine(torch.optim.RMSprop):
    pass


OPTIMIZERS = {
    "adam": ("adam", torch.optim.Adam),
    "sgd": ("sgd", torch.optim.SGD),
    "class": (Mine, Mine),
    "partial": (partial(torch.optim.AdamW, amsgrad=True), torch.optim.AdamW),
    "function": (lambda params, **options: Mine(params, **options), Mine),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@every
def test_every_stage_has_the_optimizer_its_momentum_and_the_weight_decay(estimator, name, stages):
    optimizer, cls = OPTIMIZERS[name]
    options = {"optimizer": optimizer, "weight_decay": 0.03, "momentum": 0.7, "max_epochs": 1}
    fit(estimator, callbacks=[Watch()], **options)
    for stage in stages:
        assert type(stage.optimizer) is cls
        for group in chain(*stage.groups):
            assert group["weight_decay"] == 0.03
            assert name != "sgd" or group["momentum"] == 0.7
            assert name != "partial" or group["amsgrad"]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_the_weight_decay_is_the_penalty_on_all_weights(name, factor):
    """One step of gradient descent with it and without differs by lr · decay · weight."""
    Xs, ys, Xt, yt = make_data(DeepTransferClassifier())
    options = {"max_epochs": 1, "batch_size": 100, "hidden_layer_sizes": (6, 4), "lr": 0.1}
    options |= {"backbone_lr_factor": factor, "random_state": 0, "n_frozen_layers": 0}
    # Only plain gradient descent has a step that is linear in the gradient.
    optimizer = {
        "adam": torch.optim.SGD,
        "sgd": "sgd",
        "class": torch.optim.SGD,
        "partial": partial(torch.optim.SGD, dampening=0.0),
        "function": lambda params, **given: torch.optim.SGD(params, **given),
    }[name]
    options |= {"optimizer": optimizer, "momentum": 0.0}
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    start, free, decayed = (
        FineTuning(module=module, **{**options, **change}).fit(None, None, Xt, yt)
        for change in ({"lr": 1e-30}, {}, {"weight_decay": 0.5})
    )
    parts = zip(*(e.net_.module_.named_parameters() for e in (start, free, decayed)))
    for (key, before), (_, without), (_, with_decay) in parts:
        lr = 0.1 * (factor if key.startswith("layers.") else 1.0)
        expected = without - lr * 0.5 * before
        torch.testing.assert_close(with_decay, expected, rtol=1e-4, atol=1e-6)


# -- layers that learn at a rate of their own ------------------------------------------------------

SCHEDULES = {
    "constant": ("constant", lambda p: 1.0),
    "decay": ("decay", lambda p: (1 + 10 * p) ** -0.75),
    "warm-up": (WarmUp(0.5), lambda p: min(2 * p, 1)),
    "callable": (lambda p: 1 - p / 2, lambda p: 1 - p / 2),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@grouped
def test_a_schedule_scales_the_rates_of_all_layers_alike(estimator, schedule, stages):
    given, factor = SCHEDULES[schedule]
    fit(estimator, lr=0.02, backbone_lr_factor=0.25, lr_schedule=given, callbacks=[Watch()])
    pretraining, tuning = stages
    for stage, backbone in ((pretraining, None), (tuning, 0.25)):
        progress = np.arange(len(stage.groups)) / len(stage.groups)
        expected = 0.02 * np.array([factor(p) for p in progress])
        rates = np.array([[group["lr"] for group in groups] for groups in stage.groups])
        np.testing.assert_allclose(rates[:, -1], expected)
        assert (rates.shape[1] > 1) == (backbone is not None)
        for rate in rates[:, :-1].T:
            np.testing.assert_allclose(rate, backbone * expected)


def hidden_state(estimator) -> dict[str, torch.Tensor]:
    return state(estimator.net_.module_.layers)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@grouped
def test_a_backbone_without_a_rate_stays_as_it_was_pretrained(estimator, schedule, optimizer):
    options = {"lr_schedule": SCHEDULES[schedule][0], "optimizer": optimizer, "lr": 0.02}
    Xs, ys, _, _ = make_data(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoTargetWarning)
        pretrained = clone(estimator).set_params(**options).fit(Xs, ys)
    before = hidden_state(pretrained)
    still, moved = (
        hidden_state(fit(estimator, backbone_lr_factor=factor, **options)) for factor in (0.0, 1.0)
    )
    assert all(torch.equal(before[name], still[name]) for name in before)
    assert not any(torch.equal(before[name], moved[name]) for name in before)


# -- random draws ----------------------------------------------------------------------------------


def backbone(n_features, share=0.4):
    """Return layers with running statistics and dropout, and several of them."""
    return nn.Sequential(
        nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(share), nn.Linear(8, 6)
    )


@pytest.fixture
def with_another(monkeypatch):
    """Return what a method says where the seed of one kind of draws is another."""
    drawn = DeepTransferEstimator._seeds

    def get(draw, estimator, **params):
        def seeds(self, random_state=None):
            found = drawn(self, random_state)
            return {**found, draw: found[draw] + 1}

        monkeypatch.setattr(DeepTransferEstimator, "_seeds", seeds)
        found = said(estimator, **params)
        monkeypatch.undo()
        return found

    return get


@pytest.mark.parametrize("draw", ["network", "source", "target"])
@every
def test_weights_and_the_order_of_rows_hang_on_their_seeds(estimator, draw, usual, with_another):
    # Of a target that is clustered, what is drawn are the beginnings of new clusters.
    params = {"n_novel_classes": 5, "n_init": 1}
    params = params if params.keys() <= estimator.get_params().keys() else {}
    assert not same(usual(estimator, **params), with_another(draw, estimator, **params))


@every
def test_the_weights_of_terms_hang_on_their_seed(estimator, usual, with_another):
    if estimator.get_params().get("adaptation_layer") == "auto":
        pytest.skip("the rows that are compared hang on it too")
    weights = list(fit(estimator).net_.alignments_.parameters())
    assert same(usual(estimator), with_another("alignments", estimator)) == (not weights)


@every
def test_only_the_head_of_new_classes_hangs_on_its_seed(estimator, usual, with_another):
    always_new = type(estimator).__name__.startswith("FeatureTransfer")
    assert same(usual(estimator), with_another("head", estimator)) != always_new
    new_classes = get_tags(estimator).transfer_tags.new_classes
    if is_classifier(estimator) and new_classes and n_stages(estimator) > 1:
        new = {"other_classes": 5}
        assert not same(usual(estimator, **new), with_another("head", estimator, **new))


@every
def test_the_rows_held_out_hang_on_their_seed(estimator, usual, with_another):
    setting = {"validation_fraction": 0.3}
    first = usual(estimator, **setting)
    assert not same(first, with_another("validation", estimator, **setting))


@pytest.mark.parametrize("module", [None, backbone])
@with_module
def test_dropout_hangs_on_its_seed_alone(estimator, module, usual, with_another):
    first = usual(estimator, module=module)
    assert same(first, with_another("training", estimator, module=module)) == (module is None)


@with_module
def test_dropout_neither_reads_nor_changes_torchs_own_generator(estimator):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        found.append(said(estimator, module=backbone))
        assert torch.equal(torch.get_rng_state(), before)
    assert_same(*found)


# -- modules with running statistics, and frozen ones ----------------------------------------------


@with_module
def test_a_fitted_module_looks_at_each_row_alone(estimator):
    """Neither running statistics nor dropout depend on what is predicted, or on the call before."""
    fitted = fit(estimator, module=backbone)
    rows = 3 * make_data(estimator)[2]
    assert all(not module.training for module in fitted.net_.module_.modules())
    together = outputs(fitted, rows)
    assert_same(together, outputs(fitted, rows))
    assert_same({k: v[:3] for k, v in together.items()}, outputs(fitted, rows[:3]), rtol=1e-9)


def frozen_state(module, n_features=4):
    """Return a module whose first layer is frozen, all of it or but for its normalisation."""
    torch.manual_seed(0)
    layers = backbone(n_features)
    layers[0].requires_grad_(False)
    if module == "all of it":
        layers[1].requires_grad_(False)
    return layers


@pytest.mark.parametrize("frozen", ["all of it", "but for its normalisation"])
@with_module
def test_what_the_user_froze_stays(estimator, frozen):
    with torch.random.fork_rng():
        module = frozen_state(frozen)
    layers = fit(estimator, module=module, lr=0.02).net_.module_.layers
    before, after = state(module), state(nn.Sequential(*layers[0], *layers[1]))
    assert before.keys() == after.keys()
    still = {name for name in before if torch.equal(before[name], after[name])}
    expected = {"0.weight", "0.bias"}
    if frozen == "all of it":  # its statistics too
        expected = {name for name in before if name.startswith(("0.", "1."))}
    assert still == expected


# -- what was learnt is kept -----------------------------------------------------------------------


def omegas(estimator) -> list[float]:
    """Return what each term measures of rows that are made up."""
    network = estimator.net_.module_
    with torch.random.fork_rng():
        torch.manual_seed(3)
        y = torch.arange(9) % 2 if is_classifier(estimator) else torch.randn(9)
        sides = [
            Activations(
                tuple(torch.randn(9, width) for width in network.widths),
                torch.randn(9, network.n_outputs),
                y,
                head=network.head,
            )
            for _ in range(2)
        ]
    with torch.no_grad():
        step = Step(network, estimator.net_.optimizer_, *sides, lam=1.0, progress=1.0)
        return [term.value(step).item() for term in estimator.net_.alignments_]


def learning(estimator):
    """Return a setting in which whatever a method can learn is learnt within a few batches."""
    names = estimator.get_params()
    changes = {"update_every": 2, "pretrain_epochs": 1}
    return {name: value for name, value in changes.items() if name in names}


@every
def test_a_warm_start_goes_on_from_all_that_was_learnt(estimator, stages):
    fitted = fit(estimator, warm_start=True, callbacks=[Watch()], **learning(estimator))
    network, terms = state(fitted.net_.module_), state(fitted.net_.alignments_)
    if type(estimator).__name__ == "NovelClassDiscovery":  # its last layer is of no training
        own = fitted.net_.module_.source_weights().items()
        network = {name: value for name, value in own if not name.startswith("source_head.")}
    stages.clear()
    still = [name for name in ("lr", "target_lr") if name in fitted.get_params()]
    fitted.set_params(**dict.fromkeys(still, 1e-30))  # the stages before don't move it
    Xs, ys, Xt, yt = make_data(estimator)
    fitted.fit(Xs, ys, Xt, partly_labelled(yt))
    assert stages[-1].network.keys() == network.keys() and stages[-1].terms.keys() == terms.keys()
    for name, value in stages[-1].network.items():
        torch.testing.assert_close(value, network[name], rtol=1e-6, atol=0, msg=name)
    for name, value in stages[-1].terms.items():
        assert torch.equal(value, terms[name]), name


@every
def test_a_loaded_term_measures_what_the_saved_one_did(estimator, tmp_path):
    pytest.importorskip("safetensors")
    fitted = fit(estimator, **learning(estimator))
    fitted.save_weights(tmp_path / "weights")
    loaded = clone(fitted).load_weights(tmp_path / "weights")
    assert omegas(loaded) == omegas(fitted)


@every
def test_what_is_saved_is_what_was_fitted_whatever_the_parameters_are_now(estimator, tmp_path):
    pytest.importorskip("safetensors")
    others = {"hidden_layer_sizes": (3,), "activation": "tanh", "adaptation_width": 4}
    others |= {"adaptation_layer": "last", "batch_norm": False, "module": backbone}
    fitted = fit(estimator)
    expected = outputs(fitted, make_data(estimator)[2])
    for name in set(others) & set(fitted._network_params):
        changed = clone(fitted).load_weights(saved(fitted, tmp_path))
        changed.set_params(**{name: others[name]})
        path = saved(changed, tmp_path)
        assert_same(expected, outputs(clone(fitted).load_weights(path), make_data(estimator)[2]))
        if others[name] != fitted.get_params()[name]:
            with pytest.raises(ValueError, match="hidden_layer_sizes|" + name):
                clone(changed).load_weights(path)


def saved(estimator, folder):
    estimator.save_weights(folder / "weights")
    return folder / "weights"


# -- data ------------------------------------------------------------------------------------------


@classifiers
def test_a_class_that_the_target_lacks(estimator):
    rng = np.random.default_rng(0)
    names = np.array(["a", "b", "c"])
    centres = np.array([[3.0, 0, 0, 0], [0, 3, 0, 0], [-3, -3, 0, 0]])
    ys, yt = rng.integers(3, size=90), rng.integers(1, 3, size=60)
    Xs, Xt = (centres[y] + rng.normal(size=(len(y), 4)) for y in (ys, yt))
    labels = np.where(np.arange(60) < 40, names[yt], None)
    options = {"max_epochs": 12, "lr": 0.05, "hidden_layer_sizes": (16, 8), "weight_decay": 0.0}
    estimator = clone(estimator).set_params(**options)
    estimator.fit(Xs, names[ys], Xt, labels)
    assert estimator.classes_.tolist() == ["a", "b", "c"]
    assert estimator.predict_proba(Xt).shape == (60, 3)
    assert estimator.score(Xt, names[yt]) > 0.8


@regressors
def test_labels_in_other_units(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    plain, scaled = (
        clone(estimator).fit(Xs, unit * ys + zero, Xt, unit * yt + zero).predict(Xt)
        for unit, zero in ((1, 0), (1e4, 7e3))
    )
    np.testing.assert_allclose(scaled, 1e4 * plain + 7e3, rtol=1e-4, atol=1e4 * 1e-4)
