"""Every constructor parameter changes what is learnt: of all networks, their terms and backbones.

The tables are looked up by name, so that a new method is tested by existing; a name that is not in
them is an error here, until it gets a second value.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import skdtl.deep
from skdtl import DeepTransferClassifier, DeepTransferRegressor, FineTuning
from skdtl.deep import L2SP, MMD, Alignment, LeNet, ResNet, SpectrumNet
from skdtl.deep.terms import Term, Unscheduled

from ..common import instances, is_deep, make_data, outputs, parameters, partly_labelled, same
from ..deep_common import same_weights


def backbone(n_features):
    return nn.Sequential(nn.Linear(n_features, 7), nn.Tanh())


def normalised(n_features):
    return nn.Sequential(nn.Linear(n_features, 7), nn.BatchNorm1d(7), nn.Tanh())


# Legal values: the first one that is not the estimator's own is taken.
OTHER: dict[str, tuple] = {
    "activation": ("tanh",),
    "adaptation_layer_sizes": ((7,),),
    "adaptation_layer": (1,),
    "adaptation_width": (7,),
    "adversarial": (True,),
    "adversary_layer_sizes": ((5,),),
    "alignments": ([MMD()],),
    "alpha": (0.7,),
    "backbone_lr_factor": (0.5,),
    "bandwidth": (2.0,),
    "bandwidth_multipliers": ((1.0, 2.0),),
    "batch_norm": (False,),
    "batch_norm_statistics": ("keep",),
    "batch_size": (20,),
    "beta": (0.5,),
    "centres": ("source", "target"),
    "critic_layer_sizes": ((5,),),
    "critic_lr": (0.01,),
    "discriminator_layer_sizes": ((5,),),
    "discriminator_lr": (0.01,),
    "entropy": (True,),
    "entropy_weight": (0.5,),
    "estimate": ("biased", "linear"),
    "frozen_weights": ("layers.0.*",),
    "gamma": (0.7,),
    "gradient_penalty": (1.0,),
    "hidden_layer_sizes": ((9, 4),),
    "kernel": ("linear", "rbf"),
    "kernel_weights": ("uniform", "optimal"),
    "lam": (0.37,),
    "lam_t": (0.7,),
    "layer_lr_decay": (2.6,),
    "layers": (0,),
    "lr": (0.02,),
    "lr_schedule": ("decay", "constant"),
    "map": ("randomized",),
    "margin": (2.0,),
    "max_epochs": (4,),
    "max_novel_classes": (1,),
    "mixed_precision": (True,),
    "module": (backbone,),
    "momentum": (0.5,),
    "n_anchors": (2,),
    "n_bits": (32,),
    "n_components": (16,),
    "n_critic": (2,),
    "n_discriminator": (2,),
    "n_frozen_layers": (1,),
    "n_generator_steps": (2,),
    "n_init": (1,),
    "n_novel_classes": (2,),
    "nu": (0.5,),
    "optimizer": ("sgd", "adam"),
    "output_bandwidth": (0.3,),
    "pretrain_epochs": (1,),
    "quantization_weight": (0.3,),
    "random_state": (1,),
    "reg_e": (0.5,),
    "shrinkage": (0.7,),
    "similar_weight": (3.0,),
    "similarity": ("dot", "cosine"),
    "target_lr": (0.01,),
    "temperature": (1.5,),
    "terms": ([L2SP(1.0)],),
    "transform_layer": (0,),
    "unfreeze_every": (1,),
    "update_every": (2,),
    "validation_fraction": (0.3,),
    "weight_decay": (0.1,),
}

# What counts together with others only.
WITH: dict[str, dict] = {
    "batch_norm_statistics": {"module": normalised},
    "kernel_weights": {"update_every": 2},  # the optimal weights are the uniform ones at first
    "max_novel_classes": {"n_novel_classes": "auto"},
    "momentum": {"optimizer": "sgd"},
    "layer_lr_decay": {"hidden_layer_sizes": (9, 9)},
    "n_components": {"map": "randomized"},
    "n_init": {"n_novel_classes": 5},
    "transform_layer": {"hidden_layer_sizes": (9, 9)},
    "weight": {"n_values": 3},  # of few features the smallest singular value may be zero anyway
}
NEEDS_ALIGNMENTS = {"lam"}

# These change no number of a first fit.
ELSEWHERE = {
    "callbacks": "tests/deep/test_every_method.py hands some to all of them",
    "device": "there is but one everywhere; tests/deep/test_engine.py asks for others",
    "min_steps": "it matters where max_epochs is 'auto', tests/deep/test_budget.py",
    "n_rows_to_tune": "it matters in fit_target, tests/network/test_shared_hidden_network.py",
    "target_lr_factor": "it matters in fit_target, tests/network/test_shared_hidden_network.py",
    "verbose": "it prints, tests/deep/test_engine.py",
    "warm_start": "it matters from the second fit on, tests/deep/test_every_method.py",
}

DEEP = [e for e in instances() if is_deep(e)]
CASES = [
    pytest.param(estimator, name, id=f"{type(estimator).__name__}-{name}")
    for estimator in DEEP
    for name in parameters(type(estimator))
    if name not in ELSEWHERE
]


def second_value(name, value, where=OTHER):
    if name not in where:
        raise KeyError(f"{name} needs a second legal value in this file, to show that it counts")
    return next(other for other in where[name] if repr(other) != repr(value))


def fitted(estimator, **params):
    Xs, ys, Xt, yt = make_data(estimator)
    estimator = clone(estimator).set_params(**params).fit(Xs, ys, Xt, partly_labelled(yt))
    return outputs(estimator, Xt)


@pytest.fixture(scope="module")
def base():
    """Return the outputs in a setting, which is fitted once for all parameters of a method."""
    known = {}

    def get(estimator, setting):
        key = type(estimator), repr(setting)
        if key not in known:
            known[key] = fitted(estimator, **setting)
        return known[key]

    return get


@pytest.mark.parametrize("estimator, name", CASES)
def test_every_parameter_changes_what_is_learnt(estimator, name, base):
    known = estimator.get_params(deep=False)
    setting = {key: value for key, value in WITH.get(name, {}).items() if key in known}
    if name in NEEDS_ALIGNMENTS and "alignments" in known:
        setting["alignments"] = [MMD()]
    value = second_value(name, {**known, **setting}[name])
    first = base(estimator, setting)
    second = fitted(estimator, **setting, **{name: value})
    if first["transform"].shape == second["transform"].shape:
        assert not same(first, second)


def test_twins_have_the_same_parameters():
    twins = {type(e).__name__: inspect.signature(type(e)) for e in DEEP}
    pairs = [name for name in twins if f"{name}Regressor" in twins]
    assert len(pairs) >= 8
    for name in pairs:
        assert twins[name] == twins[f"{name}Regressor"], name


def test_the_tables_name_parameters_that_exist():
    names = {name for estimator in DEEP for name in parameters(type(estimator))}
    names |= {name for cls in TERMS for name in inspect.signature(cls).parameters}
    assert names >= ELSEWHERE.keys() | WITH.keys() | OTHER.keys()
    assert not ELSEWHERE.keys() & OTHER.keys()


# -- terms of the loss -----------------------------------------------------------------------------

TERMS = [
    cls
    for name in skdtl.deep.__all__
    if isinstance(cls := getattr(skdtl.deep, name), type)
    and issubclass(cls, Term)
    and cls not in (Alignment, Term, Unscheduled)  # these say how a term works, and are none
]
OTHER_OF_TERMS = {
    **OTHER,
    "head_factor": (3.0,),
    "hidden_layer_sizes": ((5,),),
    "momentum": (0.5,),
    "n_steps": (2,),
    "n_values": (2,),
    "soft_labels": ([[0.8, 0.2], [0.3, 0.7]],),
    "weight": (0.37,),
}


def learnt_with(term):
    """Return an estimator whose network, of two hidden layers, is trained with a term."""
    options = {"hidden_layer_sizes": (6, 4), "max_epochs": 3, "batch_size": 16, "lr": 0.01}
    if isinstance(term, Alignment):
        made = DeepTransferClassifier if term.needs_classes else DeepTransferRegressor
        model = made([term], random_state=0, **options)
    else:
        model = FineTuning(terms=[term], random_state=0, **options)
    Xs, ys, Xt, yt = make_data(model)
    other = 5 * (model.__class__ is FineTuning)  # classes of the target's own, and a new head
    return model.fit(Xs, ys, Xt, partly_labelled(yt + other))


@pytest.mark.parametrize(
    "cls, name",
    [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls in TERMS
        for name in inspect.signature(cls).parameters
    ],
)
def test_every_parameter_of_a_term_changes_what_is_learnt(cls, name):
    if cls.__name__ == "JointTransport":
        pytest.importorskip("ot")
    known = {p.name: p.default for p in inspect.signature(cls).parameters.values()}
    setting = {key: value for key, value in WITH.get(name, {}).items() if key in known}
    value = second_value(name, {**known, **setting}[name], OTHER_OF_TERMS)
    first, second = (learnt_with(cls(**options)) for options in (setting, {**setting, name: value}))
    assert not same_weights(first, second)


# -- backbones -------------------------------------------------------------------------------------

OTHER_OF_BACKBONES = {
    "image_shape": ((8, 8),),
    "kernel_size": (3,),
    "n_blocks": (2,),
    "n_channels": ((4,),),
    "n_features": (9,),
    "normalization": ("batch",),
    "pool_size": (3,),
}


@pytest.mark.parametrize(
    "cls, name",
    [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls in (LeNet, ResNet, SpectrumNet)
        for name in inspect.signature(cls).parameters
        if name != "input_shape"
    ],
)
def test_every_parameter_of_a_backbone_changes_it(cls, name):
    default = inspect.signature(cls).parameters[name].default
    shape = (12,) if cls is SpectrumNet else (1, 4, 16)
    rows = torch.linspace(-1, 1, 3 * int(np.prod(shape))).reshape(3, *shape)
    found = []
    for value in (default, second_value(name, default, OTHER_OF_BACKBONES)):
        torch.manual_seed(0)
        with torch.no_grad():
            found.append(cls(shape if cls is not SpectrumNet else 12, **{name: value})(rows))
    assert found[0].shape != found[1].shape or not torch.equal(*found)
