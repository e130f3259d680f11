"""What must not matter: units, origins and the order of many rows, over all estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .common import (
    NEED_POT,
    assert_same,
    instances,
    is_deep,
    label,
    make_data,
    outputs,
    partly_labelled,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSICAL = [e for e in instances() if not is_deep(e)]

# TCA is among their candidates here.
ENSEMBLES = ("TransferEnsemble", "TransferEnsembleRegressor")
# A penalty of theirs has the unit of the columns.
HAVE_UNITS = ("CORAL",)
# Their kernel is not centred, or another image is another image.
HAVE_ORIGINS = ("BDA", "JDA", "JGSA", "MSCSC", "SSTCA", "TCA", "TJM", *ENSEMBLES)
# Their random_state draws target rows, by their numbers.
DRAW_TARGET_ROWS = (
    "KLIEP",
    "KMM",
    "MTLF",
    "MTLFRegressor",
    "RULSIF",
    "TrBagging",
    "TrMultiBoosting",
    "TrResampling",
    "ULSIF",
)


def without_unit(estimator):
    """Return a clone around an estimator that does not mind scale and origin."""
    estimator = clone(estimator)
    if "estimator" in estimator.get_params():
        logistic = make_pipeline(StandardScaler(), LogisticRegression())
        inner = logistic if is_classifier(estimator) else LinearRegression()
        estimator.set_params(estimator=inner)
    return estimator


def predictions(estimator, Xs, ys, Xt, yt):
    found = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    found.pop("transform", None)
    return found


@pytest.mark.parametrize(
    "estimator", [e for e in CLASSICAL if type(e).__name__ not in HAVE_UNITS], ids=label
)
def test_the_unit_of_all_columns(estimator):
    estimator = without_unit(estimator)
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    expected = predictions(estimator, Xs, ys, Xt, yt)
    for factor in (2.0**-12, 2.0**12):  # powers of 2 round nothing
        found = predictions(estimator, factor * Xs, ys, factor * Xt, yt)
        assert_same(expected, found, rtol=1e-9)


@pytest.mark.parametrize(
    "estimator", [e for e in CLASSICAL if type(e).__name__ not in HAVE_ORIGINS], ids=label
)
def test_the_origin_of_all_columns(estimator):
    estimator = without_unit(estimator)
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    expected = predictions(estimator, Xs, ys, Xt, yt)
    origin = np.array([8.0, -16.0, 4.0, 2.0])
    found = predictions(estimator, Xs + origin, ys, Xt + origin, yt)
    assert_same(expected, found, rtol=1e-6)


@pytest.mark.parametrize("estimator", [e for e in CLASSICAL if not is_classifier(e)], ids=label)
def test_the_unit_and_origin_of_the_labels(estimator):
    estimator = without_unit(estimator)
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    expected = predictions(estimator, Xs, ys, Xt, yt)["predict"]
    for factor, origin in ((2.0**8, 0.0), (2.0**-8, 0.0), (1.0, -64.0)):
        ours, theirs = factor * ys + origin, factor * yt + origin
        found = predictions(estimator, Xs, ours, Xt, theirs)["predict"]
        np.testing.assert_allclose(found, factor * expected + origin, rtol=1e-6)


@pytest.mark.parametrize(
    "estimator", [e for e in CLASSICAL if type(e).__name__ not in NEED_POT], ids=label
)
def test_the_order_of_more_than_1000_rows(estimator):
    estimator = without_unit(estimator)  # trees decide ties by rounding
    Xs, ys, Xt, yt = make_data(estimator, 1100, 1050)
    yt = partly_labelled(yt, 0.2)
    rng = np.random.default_rng(0)
    rows, others = rng.permutation(1100), rng.permutation(1050)
    if type(estimator).__name__ in DRAW_TARGET_ROWS:
        others = np.arange(1050)
    expected = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    found = outputs(clone(estimator).fit(Xs[rows], ys[rows], Xt[others], yt[others]), Xt)
    assert_same(expected, found, rtol=1e-6)
