"""Both methods of several sources: what they share, and data whose sources mislead."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from skdtl import (
    MultiSourceTrAdaBoost,
    NoTargetWarning,
    SourceOnly,
    TargetOnly,
    TaskTrAdaBoost,
    TrAdaBoost,
    stack,
)

from .papers import as_published
from .several_sources import DEPTH_2, STUMP, angles, fitted, load

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)
MultiSourceTrAdaBoost = as_published(MultiSourceTrAdaBoost)
TaskTrAdaBoost = as_published(TaskTrAdaBoost)

BOTH = pytest.mark.parametrize("cls", [MultiSourceTrAdaBoost, TaskTrAdaBoost])


@BOTH
def test_without_target_it_is_adaboost(cls):
    X = np.random.default_rng(0).normal(size=(200, 4))
    y = X[:, 0] + X[:, 1] ** 2 > 1
    with pytest.warns(NoTargetWarning):
        ours = cls(DEPTH_2, n_estimators=10).fit(X, y)
    theirs = AdaBoostClassifier(DEPTH_2, n_estimators=10).fit(X, y)
    assert len(ours.estimators_) == 10
    np.testing.assert_allclose(ours.estimator_errors_, theirs.estimator_errors_)
    np.testing.assert_allclose(2 * ours.decision_function(X), theirs.decision_function(X))


@BOTH
@pytest.mark.parametrize("resample", [False, True])
def test_any_number_of_jobs_gives_the_same_bits(cls, resample):
    Xs, ys, Xt, yt = load("three")
    base = DecisionTreeClassifier(max_depth=2, max_features=1, splitter="random", random_state=3)
    models = [
        fitted(
            cls(base, n_estimators=6, resample=resample, n_jobs=n_jobs, random_state=0),
            Xs,
            ys,
            Xt,
            yt,
        )
        for n_jobs in (None, 1, 2)
    ]
    assert base.random_state == 3
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].predict_proba(Xt), other.predict_proba(Xt))
        np.testing.assert_array_equal(models[0].estimator_errors_, other.estimator_errors_)
        np.testing.assert_array_equal(models[0].estimator_sources_, other.estimator_sources_)
    another = clone(models[0]).set_params(random_state=1)
    fitted(another, Xs, ys, Xt, yt)
    assert not np.array_equal(models[0].predict_proba(Xt), another.predict_proba(Xt))


class Recorder(ClassifierMixin, BaseEstimator):
    """Predicts the commonest class; keeps its seed."""

    seeds: list = []

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        Recorder.seeds.append(self.random_state)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.common_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.common_)


@BOTH
def test_each_candidate_has_its_own_seed(cls):
    Xs, ys, Xt, yt = load("three")
    Recorder.seeds = []
    fitted(cls(Recorder(), n_estimators=1, random_state=0), Xs, ys, Xt, yt)
    assert len(Recorder.seeds) >= 3
    assert len(set(Recorder.seeds)) == len(Recorder.seeds)


@BOTH
def test_rows_and_sources_in_any_order(cls):
    Xs, ys, Xt, yt = load("three")
    X, y, domain = stack(Xs, ys, Xt, yt)
    model = cls(DEPTH_2, n_estimators=6, random_state=0)
    expected = clone(model).fit(X, y, sample_domain=domain)
    # Interleaved, in the same order within each domain.
    mixed = np.random.default_rng(1).permutation(domain)
    rows = np.empty(len(domain), dtype=int)
    for code in set(domain.tolist()):
        rows[mixed == code] = np.flatnonzero(domain == code)
    again = clone(model).fit(X[rows], y[rows], sample_domain=mixed)
    np.testing.assert_allclose(expected.predict_proba(Xs[0]), again.predict_proba(Xs[0]))
    if cls is MultiSourceTrAdaBoost:
        places = rows[mixed > 0]
        np.testing.assert_allclose(expected.source_weights_[places], again.source_weights_)
    # Other codes for the sources, in another order.
    codes = {1: 30, 2: 4, 3: 17, -1: -5}
    renamed = clone(model).fit(X, y, sample_domain=np.array([codes[d] for d in domain.tolist()]))
    np.testing.assert_allclose(expected.predict_proba(Xs[0]), renamed.predict_proba(Xs[0]))
    np.testing.assert_array_equal(renamed.sources_, [4, 17, 30])
    np.testing.assert_allclose(renamed.source_shares_, expected.source_shares_[[1, 2, 0]])


@BOTH
def test_several_sources_are_told_apart(cls):
    assert get_tags(cls()).transfer_tags.multi_source
    Xs, ys, Xt, yt = load("two")
    several = fitted(cls(DEPTH_2, n_estimators=5), Xs, ys, Xt, yt)
    one = cls(DEPTH_2, n_estimators=5).fit(np.concatenate(Xs), np.concatenate(ys), Xt, yt)
    assert not np.allclose(several.predict_proba(Xs[0]), one.predict_proba(Xs[0]))
    assert several.source_shares_.shape == (2,)
    assert several.source_shares_.sum() == pytest.approx(1)


@BOTH
def test_all_rounds_vote(cls):
    Xs, ys, Xt, yt = load("three")
    model = fitted(cls(DEPTH_2, n_estimators=6), Xs, ys, Xt, yt)
    shares = np.zeros((len(Xt), 3))
    for h, weight in zip(model.estimators_, model.estimator_weights_):
        shares[np.arange(len(Xt)), h.predict(Xt)] += weight
    np.testing.assert_allclose(model.predict_proba(Xt), shares / shares.sum(axis=1)[:, None])


@BOTH
def test_base_learners(cls):
    Xs, ys, Xt, yt = load("two")
    with pytest.raises(ValueError, match=r"KNeighborsClassifier takes no sample_weight.*resample"):
        fitted(cls(KNeighborsClassifier()), Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="needs a classifier as its estimator, but Ridge"):
        fitted(cls(Ridge()), Xs, ys, Xt, yt)
    model = fitted(cls(KNeighborsClassifier(), resample=True, n_estimators=3), Xs, ys, Xt, yt)
    assert model.predict(Xt).shape == yt.shape
    holes = np.random.default_rng(1)
    with_nan = [np.where(holes.random(X.shape) < 0.1, np.nan, X) for X in (*Xs, Xt)]
    trees = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5)
    model = fitted(cls(trees, n_estimators=2), with_nan[:-1], ys, with_nan[-1], yt)
    assert model.predict(np.full((1, 5), np.nan)).shape == (1,)
    dense = fitted(cls(STUMP, n_estimators=5), Xs, ys, Xt, yt)
    X, y, domain = stack(Xs, ys, Xt, yt)
    sparse = clone(dense).fit(sp.csr_array(X), y, sample_domain=domain)
    np.testing.assert_allclose(
        dense.predict_proba(Xt), sparse.predict_proba(sp.csr_array(Xt)), atol=1e-12
    )


@BOTH
def test_class_weight_speaks_of_the_callers_labels(cls):
    Xs, ys, Xt, yt, X_test, _ = angles(0, [0, 30], noise=0.2)
    names = np.array(["well", "ill"])
    base = DecisionTreeClassifier(max_depth=1, class_weight={"ill": 20, "well": 1})
    model = fitted(cls(base, n_estimators=1), Xs, [names[y] for y in ys], Xt, names[yt])
    first = model.estimators_ if cls is MultiSourceTrAdaBoost else model.candidates_
    votes = first[0].predict(X_test)
    assert np.mean(votes == "ill") > 0.8


def accuracies(models, seeds, degrees, **options):
    """Return each model's mean accuracy on the target over several seeds."""
    found = {name: [] for name in models}
    for seed in seeds:
        Xs, ys, Xt, yt, X_test, y_test = angles(seed, degrees, **options)
        for name, model in models.items():
            score = fitted(clone(model), Xs, ys, Xt, yt).score(X_test, y_test)
            found[name].append(score)
    return {name: np.mean(scores) for name, scores in found.items()}


EFFECTS = {
    "multi": MultiSourceTrAdaBoost(LogisticRegression(), n_estimators=20),
    "task": TaskTrAdaBoost(LogisticRegression(), n_estimators=20),
    "pooled": TrAdaBoost(LogisticRegression(), n_estimators=20),
    "source": SourceOnly(),
    "target": TargetOnly(),
}


def test_one_good_source_among_misleading_ones():
    """Both beat pooling, source and target by the margins below; mean of 10 seeds."""
    found = accuracies(EFFECTS, range(10), [0, 120, 120])
    for name, margin in (("multi", 0.02), ("task", 0.04)):
        assert found[name] > found["pooled"] + margin
        assert found[name] > found["target"] + margin
        assert found[name] > found["source"] + 0.25


def test_more_sources_help():
    """From 1 source to 8, at random angles to the target: .02 and .04 more; mean of 10 seeds."""
    one, eight = (accuracies(EFFECTS, range(10), n_sources) for n_sources in (1, 8))
    assert eight["multi"] > one["multi"] + 0.02
    assert eight["task"] > one["task"] + 0.04
    assert eight["multi"] > eight["target"] + 0.015
    assert eight["task"] > eight["target"] + 0.03
    assert eight["task"] > eight["pooled"] + 0.02
    assert eight["source"] < eight["target"]


def test_soft_votes_of_learners_that_know_some_classes_only():
    # Source 1 has the classes 0 and 1, source 2 has 1 and 2: no learner knows all three.
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.integers(0, 2, 60), rng.integers(1, 3, 60), rng.integers(0, 3, 30)])
    X = 2 * np.eye(3)[y] + rng.normal(size=(150, 3))
    domain = np.repeat([1, 2, -1], [60, 60, 30])
    model = TaskTrAdaBoost(LogisticRegression(), n_estimators=6, voting="soft")
    model.fit(X, y, sample_domain=domain)
    assert {tuple(learner.classes_) for learner in model.estimators_} == {(0, 1), (1, 2)}
    total = np.zeros((30, 3))
    for learner, vote in zip(model.estimators_, model.estimator_weights_):
        for k, label in enumerate(learner.classes_):
            total[:, label] += vote * learner.predict_proba(X[120:])[:, k]
    expected = total / model.estimator_weights_.sum()
    np.testing.assert_allclose(model.predict_proba(X[120:]), expected)


def test_soft_votes_of_an_opposite():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(140, 2))
    y = np.where(np.arange(140) < 100, X[:, 0] > 0, X[:, 0] < 0)  # the source says the contrary
    domain = np.repeat([1, -1], [100, 40])
    model = TaskTrAdaBoost(LogisticRegression(), n_estimators=1, voting="soft")
    model.fit(X, y, sample_domain=domain)
    assert model.estimator_opposites_.tolist() == [True]
    said = LogisticRegression().fit(X[:100], y[:100]).predict_proba(X[100:])
    np.testing.assert_allclose(model.predict_proba(X[100:]), said[:, ::-1], rtol=1e-6)
