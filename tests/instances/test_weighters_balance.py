"""How much labelled target rows count beside weighted source rows, for all weighters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skdtl import BIW, Pooled
from skdtl.instances._base import InstanceWeighter
from skdtl.utils import all_estimators

from ..common import make

WEIGHTERS = [cls for _, cls in all_estimators() if issubclass(cls, InstanceWeighter)]
N_S, N_T, N_LABELLED = 60, 40, 8


class Recorder(LogisticRegression):
    """Keeps the weights that it was given."""

    def fit(self, X, y, sample_weight=None):
        self.weights_, self.n_ = sample_weight, len(y)
        return super().fit(X, y, sample_weight)


def rows():
    """Return domains of which the target's labels say another thing than the source's."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(N_S, 3)), rng.normal(0.4, 1, size=(N_T, 3))
    ys, yt = (Xs[:, 0] > 0).astype(int), (Xt[:, 0] > 1).astype(float)
    yt[:2] = 0, 1
    return Xs, ys, Xt, np.where(np.arange(N_T) < N_LABELLED, yt, np.nan)


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_domain_has_half_of_the_weight(cls):
    Xs, ys, Xt, yt = rows()
    model = make(cls, estimator=Recorder(), balance="domains").fit(Xs, ys, Xt, yt)
    found = model.estimator_.weights_
    n = N_S + N_LABELLED
    assert_allclose([found[:N_S].sum(), found[N_S:].sum()], n / 2)
    assert_allclose(found[:N_S], model.source_weights_ * n / (2 * N_S))
    assert_allclose(found[N_S:], n / (2 * N_LABELLED))
    by_rows = make(cls, estimator=Recorder(), balance="rows").fit(Xs, ys, Xt, yt)
    assert_array_equal(by_rows.estimator_.weights_[N_S:], 1)
    assert_array_equal(by_rows.estimator_.weights_[:N_S], by_rows.source_weights_)
    assert make(cls).balance == ("rows" if cls is BIW else "domains")  # as its paper has it


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.parametrize("balance", ["rows", "domains"])
def test_with_even_weights_it_is_pooled(cls, balance, monkeypatch):
    def even(self, source, target):
        self.feature_weights_ = np.ones(3)  # BIW's
        return np.ones(len(source))

    monkeypatch.setattr(cls, "_source_weights", even)
    Xs, ys, Xt, yt = rows()
    model = make(cls, balance=balance).fit(Xs, ys, Xt, yt)
    pooled = Pooled(balance=balance).fit(Xs, ys, Xt, yt)
    assert_allclose(model.predict_proba(Xt), pooled.predict_proba(Xt), rtol=1e-6)


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_labels_nothing_is_balanced(cls):
    Xs, ys, Xt, _ = rows()
    model = make(cls, estimator=Recorder()).fit(Xs, ys, Xt)
    assert_array_equal(model.estimator_.weights_, model.source_weights_)


def test_other_values_are_refused():
    Xs, ys, Xt, yt = rows()
    with pytest.raises(ValueError, match="balance"):
        make(WEIGHTERS[0], balance="half").fit(Xs, ys, Xt, yt)
