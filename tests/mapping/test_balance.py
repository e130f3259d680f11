"""How much labelled target rows count beside mapped source rows, for all mappers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import CORAL, TCA, Pooled
from skdtl._mappers import Mapper
from skdtl.utils import all_estimators

from ..common import NEED_POT

MAPPERS = [(name, cls) for name, cls in all_estimators() if issubclass(cls, Mapper)]
N_S, N_T, N_LABELLED = 40, 30, 10


class Recorder(LogisticRegression):
    """Keeps the weights that it was given."""

    def fit(self, X, y, sample_weight=None):
        self.weights_, self.n_ = sample_weight, len(y)
        return super().fit(X, y, sample_weight)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(N_S) % 2, np.arange(N_T) % 2
    Xs, Xt = (rng.normal(size=(len(y), 5)) + 2 * np.outer(y, [1, 1, 0, 0, 0]) for y in (ys, yt))
    return Xs, ys, Xt + 0.3, np.where(np.arange(N_T) < N_LABELLED, yt, np.nan)


@pytest.fixture(params=MAPPERS, ids=lambda param: param[0])
def mapper(request):
    name, cls = request.param
    if name in NEED_POT:
        pytest.importorskip("ot")
    return cls


@pytest.mark.filterwarnings("ignore:The classes")
def test_each_domain_has_half_of_the_weight(mapper):
    Xs, ys, Xt, yt = rows()
    n = N_S + N_LABELLED
    expected = np.repeat([n / (2 * N_S), n / (2 * N_LABELLED)], [N_S, N_LABELLED])
    for balance in ("auto", "domains"):
        fitted = mapper(estimator=Recorder(), balance=balance).fit(Xs, ys, Xt, yt)
        assert_allclose(fitted.estimator_.weights_, expected)
    by_rows = mapper(estimator=Recorder(), balance="rows").fit(Xs, ys, Xt, yt).estimator_
    assert by_rows.weights_ is None and by_rows.n_ == n
    without = mapper(estimator=Recorder(), balance="domains").fit(Xs, ys, Xt).estimator_
    assert without.weights_ is None and without.n_ == N_S
    assert mapper().balance == "auto"


@pytest.mark.filterwarnings("ignore:The classes")
def test_a_learner_without_weights(mapper):
    Xs, ys, Xt, yt = rows()
    for learner in (
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ):
        models = [mapper(estimator=learner, balance=balance) for balance in ("auto", "rows")]
        for model in models:
            if "random_state" in model.get_params():
                model.set_params(random_state=0)
        auto, by_rows = (model.fit(Xs, ys, Xt, yt) for model in models)
        assert_array_equal(auto.predict_proba(Xt), by_rows.predict_proba(Xt))
        with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
            mapper(estimator=learner, balance="domains").fit(Xs, ys, Xt, yt)


@pytest.mark.parametrize("cls", [CORAL, TCA])
def test_labels_do_not_drown(cls):
    """The source's second column counts the other way round, which no map of the rows mends."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(500, 4)), rng.normal(size=(300, 4))
        ys, yt = (Xs[:, 0] - Xs[:, 1] > 0) * 1, (Xt[:, 0] + Xt[:, 1] > 0) * 1
        few = np.where(np.arange(300) < 40, yt, np.nan)
        balanced, by_rows, pooled = (
            model.fit(Xs, ys, Xt, few).score(Xt[40:], yt[40:])
            for model in (cls(), cls(balance="rows"), Pooled(balance="domains"))
        )
        gains.append([balanced - by_rows, balanced - pooled])
    assert np.mean(gains, axis=0)[0] > 0.08
    assert np.mean(gains, axis=0)[1] > -0.03
