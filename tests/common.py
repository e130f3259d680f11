"""What the parametrized suites run over: every public estimator, in a small and fast setting."""

from __future__ import annotations

import importlib.util
import inspect

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.linear_model import Ridge

from skdtl import TCA, Pooled
from skdtl._delegation import WrappingEstimator
from skdtl.utils import all_estimators

# Settings that make a fit take a fraction of a second; chosen by parameter name, so that a new
# estimator needs no entry here.
FAST = {
    "max_epochs": 3,
    "n_estimators": 5,
    "n_steps": 4,
    "n_rounds": 3,
    "n_filters": 4,
    "n_generator_steps": 1,
    "n_novel_classes": 0,
    "batch_size": 16,
    "hidden_layer_sizes": (8, 4),
    "estimators": [("pooled", Pooled()), ("TCA", TCA())],
}

# Predict by their training rows, unless the given settings say otherwise.
KEEP_ROWS: dict[str, dict | None] = {
    "BDA": {"kernel": "linear"},
    "JDA": {"kernel": "linear"},
    "JGSA": {"kernel": "linear"},
    "MTLF": None,
    "MTLFRegressor": None,
    "OTMapping": None,
    "SSTCA": {"kernel": "linear"},
    "TCA": {"kernel": "linear"},
    "TJM": {"kernel": "linear"},
}


# These can't be fitted without the optional package.
NEED_POT = ("DeepJDOT", "DeepJDOTRegressor", "JDOT", "LinearOTMapping", "OTMapping")


def parameters(cls) -> list[str]:
    return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]


def make(cls, **options):
    """Return an estimator in its fast setting."""
    names = parameters(cls)
    fast = {name: value for name, value in FAST.items() if name in names}
    if "random_state" in names:
        fast["random_state"] = 0
    return cls(**{**fast, **options})


def instances() -> list:
    """Return every estimator, those around an `estimator` as classifier and as regressor."""
    found = []
    without_pot = importlib.util.find_spec("ot") is None
    for name, cls in all_estimators():
        if without_pot and name in NEED_POT:
            continue
        found.append(make(cls))
        if (
            issubclass(cls, WrappingEstimator)
            and is_classifier(make(cls))
            and not issubclass(cls, ClassifierMixin)  # else its mathematics needs classes
        ):
            found.append(make(cls, estimator=Ridge()))
    return found


def label(estimator) -> str:
    name = type(estimator).__name__
    inner = getattr(estimator, "estimator", None)
    return name if inner is None else f"{name}-{type(inner).__name__}"


def is_deep(estimator) -> bool:
    return "max_epochs" in estimator.get_params()


def make_data(estimator, n_source=60, n_target=40, n_features=4, seed=0):
    """Return Xs, ys, Xt, yt with a shift, of unequal sizes, with labels of the estimator's kind."""
    rng = np.random.default_rng(seed)
    n = n_source + n_target
    signs = rng.permutation(np.arange(n) % 2) * 2 - 1
    X = rng.normal(size=(n, n_features))
    X[:, 0] += 1.5 * signs
    X[n_source:, 1] += 1.0
    if is_classifier(estimator):
        y = (signs > 0).astype(int)
    else:
        y = 10 + 3 * X[:, 0] + rng.normal(scale=0.1, size=n)
    return X[:n_source], y[:n_source], X[n_source:], y[n_source:]


def partly_labelled(yt, share=0.5):
    """Return the labels as floats, NaN for the rows after the first share of them."""
    yt = np.asarray(yt, dtype=float).copy()
    yt[int(len(yt) * share) :] = np.nan
    return yt


def outputs(estimator, X) -> dict[str, np.ndarray]:
    """Return all that a fitted estimator says of rows."""
    methods = ("predict", "predict_proba", "decision_function", "transform")
    found = {name: getattr(estimator, name)(X) for name in methods if hasattr(estimator, name)}
    return {name: out.toarray() if sp.issparse(out) else out for name, out in found.items()}


def assert_same(first: dict, second: dict, rtol: float | None = None) -> None:
    """Check that two dicts of outputs agree, to the bit if no tolerance is given."""
    assert first.keys() == second.keys()
    for name in first:
        if rtol is None:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        else:
            np.testing.assert_allclose(
                first[name], second[name], rtol=rtol, atol=rtol, err_msg=name
            )


def same(first: dict, second: dict) -> bool:
    """Tell whether two dicts of outputs agree to the bit."""
    return all(np.array_equal(first[name], second[name]) for name in first)
