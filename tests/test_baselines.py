"""The baselines against their definitions."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import Pooled, SourceOnly, TargetOnly, stack

from .common import partly_labelled

N_LABELLED = 6


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = X, y, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def rows(seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    ys, yt = (Xs[:, 0] + Xs[:, 1] > 0).astype(int), (Xt[:, 2] > 0).astype(int)
    return Xs, ys, Xt, yt, partly_labelled(yt, N_LABELLED / 20)


@pytest.mark.parametrize("as_given", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_rows_equals_the_estimator_on_all_labelled_rows(as_given):
    Xs, ys, Xt, yt, few = rows()
    model = Pooled().fit(as_given(Xs), ys, as_given(Xt), few)
    X, y = np.concatenate([Xs, Xt[:N_LABELLED]]), np.concatenate([ys, yt[:N_LABELLED]])
    alone = LogisticRegression().fit(as_given(X), y)
    np.testing.assert_array_equal(model.predict_proba(Xt), alone.predict_proba(Xt))


def test_domains_gives_each_domain_half_of_the_weight():
    Xs, ys, Xt, yt, few = rows()
    X, y, weights = Pooled(Recorder(), balance="domains").fit(Xs, ys, Xt, few).estimator_.seen_
    np.testing.assert_array_equal(X, np.concatenate([Xs, Xt[:N_LABELLED]]))
    np.testing.assert_array_equal(y, np.concatenate([ys, yt[:N_LABELLED]]))
    np.testing.assert_allclose(weights, [36 / 60] * 30 + [36 / 12] * 6)
    assert Pooled(Recorder()).fit(Xs, ys, Xt, few).estimator_.seen_[2] is None


def test_several_sources_count_as_one():
    Xs, ys, Xt, _, few = rows()
    X, y, domain = stack([Xs[:10], Xs[10:]], [ys[:10], ys[10:]], Xt, few)
    several = Pooled(balance="domains").fit(X, y, sample_domain=domain)
    one = Pooled(balance="domains").fit(Xs, ys, Xt, few)
    np.testing.assert_array_equal(several.predict_proba(Xt), one.predict_proba(Xt))


@pytest.mark.parametrize("balance", ["rows", "domains"])
def test_without_labels_it_is_the_source_alone(balance):
    Xs, ys, Xt, _, few = rows()
    expected = SourceOnly().fit(Xs, ys, Xt).predict_proba(Xt)
    for fitted in (
        Pooled(balance=balance).fit(Xs, ys, Xt),
        Pooled(balance=balance).fit(Xs, ys, Xt, few, hide_target_labels=True),
    ):
        np.testing.assert_array_equal(fitted.predict_proba(Xt), expected)
    with pytest.warns(UserWarning, match="without a target"):
        alone = Pooled(Recorder(), balance=balance).fit(Xs, ys)
    assert alone.estimator_.seen_[2] is None and len(alone.estimator_.seen_[1]) == 30


def test_a_regressor_is_weighted_alike():
    Xs, _, Xt, _, _ = rows()
    ys, yt = Xs[:, 0] * 2 + 5, partly_labelled(Xt[:, 0] * -2, 0.3)
    model = Pooled(Ridge(), balance="domains").fit(Xs, ys, Xt, yt)
    X, y = np.concatenate([Xs, Xt[:6]]), np.concatenate([ys, yt[:6]])
    expected = Ridge().fit(X, y, sample_weight=np.repeat([0.6, 3.0], [30, 6]))
    np.testing.assert_allclose(model.predict(Xt), expected.predict(Xt))


def test_domains_needs_a_learner_that_takes_weights():
    Xs, ys, Xt, _, few = rows()
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        Pooled(KNeighborsClassifier(), balance="domains").fit(Xs, ys, Xt, few)
    Pooled(KNeighborsClassifier()).fit(Xs, ys, Xt, few)
    scaled = make_pipeline(StandardScaler(), Recorder())
    weights = Pooled(scaled, balance="domains").fit(Xs, ys, Xt, few).estimator_[-1].seen_[2]
    assert weights[-1] == pytest.approx(3)


@pytest.mark.parametrize("seed", range(5))
def test_equal_domains_win_where_the_source_misleads(seed):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(500, 4)), rng.normal(size=(300, 4))
    # the source's second column counts the other way round
    ys, yt = Xs[:, 0] - Xs[:, 1] > 0, Xt[:, 0] + Xt[:, 1] > 0
    few = partly_labelled(yt, 30 / 300)
    scores = [
        model.fit(Xs, ys, Xt, few).score(Xt[30:], yt[30:])
        for model in (SourceOnly(), Pooled(), Pooled(balance="domains"))
    ]
    assert scores[2] > scores[1] + 0.1
    assert scores[1] >= scores[0] - 0.02


@pytest.mark.parametrize("cls", [SourceOnly, TargetOnly])
def test_baselines_equal_the_estimator_alone(cls):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    ys, yt = Xs[:, 0] + Xs[:, 1] > 0, Xt[:, 2] > 0
    seen = (Xs, ys) if cls is SourceOnly else (Xt[:12], yt[:12])
    alone = LogisticRegression().fit(*seen)
    labels = np.where(np.arange(20) < 12, yt, None)
    fitted = cls().fit(Xs, ys, Xt, labels)
    np.testing.assert_array_equal(fitted.predict_proba(Xt), alone.predict_proba(Xt))
    assert fitted.score(Xt, yt) == alone.score(Xt, yt)


def test_target_only_predicts_the_classes_it_saw():
    ys, XT = ["a", "b", "c", "a"], np.arange(6.0).reshape(3, 2) + 10
    target = TargetOnly().fit(np.arange(8.0).reshape(4, 2), ys, XT, ["c", "a", "c"])
    assert target.classes_.tolist() == ["a", "c"]
    assert target.predict_proba(XT).shape == (3, 2)
    with pytest.raises(ValueError, match=r"yt has 1 class \('c'\)"):
        TargetOnly().fit(np.arange(8.0).reshape(4, 2), ys, XT, ["c", None, "c"])
