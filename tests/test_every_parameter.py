"""Every constructor parameter does something: another legal value changes what is predicted.

Those of networks are tried in tests/deep/test_parameters_matter.py, by the bits of their weights.
"""

from __future__ import annotations

import importlib.util
import inspect

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdtl import Pooled
from skdtl._constraints import Bool, OneOf
from skdtl.utils import all_estimators

from .common import NEED_POT, is_deep, make, outputs, parameters

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::UserWarning"
)

KERNEL_MAPPERS = ("BDA", "JDA", "JGSA", "SSTCA", "TCA", "TJM")


def tree(estimator, depth):
    kind = DecisionTreeClassifier if is_classifier(estimator) else DecisionTreeRegressor
    return kind(max_depth=depth, random_state=0)


# Another legal value than the default's, by name or by "Class.name". Flags and named options need
# none: all of theirs are tried. A function is called with the estimator.
OTHER = {
    "B": 1.2,
    "C": 1e-3,
    "alike": 0.6,
    "allowance": 0,
    "alpha": 0.5,
    "beta": 3.0,
    "coef0": 0.1,
    "cv": 2,
    "degree": 2,
    "discriminator": lambda estimator: GaussianNB(),
    "eps": 0.01,
    "estimator": lambda estimator: tree(estimator, 2),
    "estimators": [("pooled", Pooled())],
    "expert": lambda estimator: tree(estimator, 6),
    "gamma": 0.7,
    "label_weight": 1.0,
    "lam": 20.0,
    "margin": 1.0,
    "max_iter": 1,
    "max_samples": 20,
    "min_effective_share": 0,
    "min_features": 1.0,
    "mu": 0.1,
    "n_basis": 5,
    "n_centers": 5,
    "n_committees": 1,
    "n_components": 1,
    "n_estimators": 1,
    "n_filters": 2,
    "n_neighbors": 3,
    "n_pairs": 2,
    "n_rounds": 1,
    "n_steps": 1,
    "power": 1.0,
    "pyramid": (1,),
    "reg": 1.0,
    "reg_cl": 1.0,
    "reg_e": 0.5,
    "reg_m": 1.0,
    "sizes": (2, 3),
    "source_weight": 0.0,
    "threshold": 1.0,
    "tol": 10.0,
    "weights": (0.0, 1.0),
    "transformer": lambda estimator: QuantileTransformer(n_quantiles=10),
    "Festra.alpha": 1e-12,
    "unit": 1.0,
}

# Boosting that ends before its first round has no use for most of its parameters.
EVERYWHERE = {"early_stopping": False}

# Settings that a parameter needs to act. A parameter's own value is that which is compared.
ITERATIONS = {"kernel": "rbf", "n_components": 1}
WHERE: dict[str, dict] = {
    "adjust_class_shares": {"threshold": 0.2},
    "approximation": {"kernel": "rbf", "n_basis": 5},
    "balance": {"balance": "rows"},  # "auto" is one of the others
    "coef0": {"kernel": "poly"},
    "degree": {"kernel": "poly"},
    "gamma": {"kernel": "rbf"},
    "n_basis": {"kernel": "rbf", "approximation": "nystroem"},
    "vote": {"vote": "all"},
    "voting": {"voting": "hard"},
    **{f"{name}.{tol}": ITERATIONS for name in KERNEL_MAPPERS for tol in ("tol", "max_iter")},
    "ExpBoostR2.cv": {"estimator": lambda estimator: tree(estimator, None)},
    "OTMapping.n_rounds": {"reg_cl": 1.0},
    "TransferEnsemble.weights": {"weights": (1.0, 0.5)},
    "TransferEnsembleRegressor.weights": {"weights": (1.0, 0.5)},
    "TrBagging.voting": {"estimator": lambda estimator: GaussianNB()},
    "TrMultiBoosting.voting": {"estimator": lambda estimator: GaussianNB()},
    "TrResampling.voting": {"estimator": lambda estimator: GaussianNB()},
}

# What a choice is made by, where the parameter is about that: the choice itself may be the same.
CHOSEN_BY = {
    "KLIEP.cv": lambda model: model.cv_results_["score"],
    "TwoStageTrAdaBoostR2.cv": lambda model: model.step_errors_,
}

# Parameters that change no prediction, and why.
NO_DIFFERENCE = {
    "shape": "five pixels are a row or a column; tests/network/test_mscsc.py",
    "n_jobs": "the result does not depend on it",
    "random_state": "tests/test_randomness.py",
    "verbose": "what is printed",
}


def hard_data(estimator, n_source=80, n_target=60):
    """Return noisy domains with other class shares and a column that only the source needs."""
    rng = np.random.default_rng(0)
    n = n_source + n_target
    in_target = np.arange(n) >= n_source
    signs = np.where(rng.random(n) < np.where(in_target, 0.3, 0.6), 1, -1)
    X = rng.normal(size=(n, 5))
    X[:, 0] += signs
    X[:, 1] += 0.7 * signs + 0.8 * in_target
    X[:, 4] += np.where(in_target, 2, 1.5 * signs)
    noisy = np.where(rng.random(n) < 0.1, -signs, signs)
    y = (noisy > 0).astype(int) if is_classifier(estimator) else 3 * noisy + X[:, 0] ** 2
    yt = y[n_source:].astype(float)
    yt[30:] = np.nan
    return X[:n_source], y[:n_source], X[n_source:], yt


def cases():
    without_pot = importlib.util.find_spec("ot") is None
    for name, cls in all_estimators():
        if without_pot and name in NEED_POT:
            continue
        for parameter in parameters(cls):
            if parameter not in NO_DIFFERENCE and not is_deep(make(cls)):
                yield pytest.param(cls, parameter, id=f"{name}-{parameter}")


def other_values(estimator, parameter):
    """Return all other values of a flag or option, and one of a number."""
    current = getattr(estimator, parameter)
    constraints = type(estimator)._params[parameter]
    constraints = constraints if isinstance(constraints, tuple) else (constraints,)
    found = []
    for constraint in constraints:
        if isinstance(constraint, Bool):
            found.append(not current)
        elif isinstance(constraint, OneOf):
            # What "auto" chooses may be what was.
            found += [value for value in constraint.options if value not in (current, "auto")]
    name = f"{type(estimator).__name__}.{parameter}"
    value = OTHER.get(name, OTHER.get(parameter))
    if value is not None:
        found.append(resolved(value, estimator))
    return found


def resolved(value, estimator):
    return value(estimator) if inspect.isfunction(value) else value


def described(estimator, parameter):
    data = hard_data(estimator)
    found = outputs(estimator.fit(*data), data[2])
    look = CHOSEN_BY.get(f"{type(estimator).__name__}.{parameter}")
    return found if look is None else {"chosen by": look(estimator)}


def differ(found, expected):
    if found.shape != expected.shape:
        return True
    return np.abs(found.astype(float) - expected.astype(float)).max() > 1e-6


@pytest.fixture(scope="module")
def fitted():
    return {}


@pytest.mark.parametrize("cls, parameter", list(cases()))
def test_another_value_makes_a_difference(cls, parameter, fitted):
    wanted = {
        **EVERYWHERE,
        **WHERE.get(parameter, {}),
        **WHERE.get(f"{cls.__name__}.{parameter}", {}),
    }
    where = {
        key: resolved(value, make(cls)) for key, value in wanted.items() if key in parameters(cls)
    }
    estimator = make(cls, **where)
    values = other_values(estimator, parameter)
    assert values, "name a legal value in OTHER"
    # Most parameters of a class are compared with the same fit.
    key = (cls, repr(where), parameter if f"{cls.__name__}.{parameter}" in CHOSEN_BY else None)
    if key not in fitted:
        fitted[key] = described(estimator, parameter)
    expected = fitted[key]
    for value in values:
        found = described(make(cls, **{**where, parameter: value}), parameter)
        # A learner without predict_proba, or "passthrough", has other methods.
        assert found.keys() != expected.keys() or any(
            differ(found[key], expected[key]) for key in expected
        ), f"{parameter}={value!r}"
