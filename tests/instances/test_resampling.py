"""TrResampling, TrBagging and TrMultiBoosting against plain loops, limits, and known shifts."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from skdtl import (
    NoTargetWarning,
    SourceOnly,
    TargetKFold,
    TargetOnly,
    TrAdaBoost,
    TrBagging,
    TrMultiBoosting,
    TrResampling,
    stack,
)
from skdtl.instances import tr_bagging
from skdtl.instances._draws import deal_folds, draw_rows, fixed_order
from skdtl.instances.tr_bagging import trbagging_update
from skdtl.instances.tr_multi_boosting import committee_sizes, wagged

from ..shifts import concepts, three_classes
from .papers import as_published

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)
TrBagging = as_published(TrBagging)
TrResampling = as_published(TrResampling)
TrMultiBoosting = as_published(TrMultiBoosting)

BAYES = GaussianNB()
LOGISTIC = LogisticRegression()
ALL = [TrResampling, TrBagging, TrMultiBoosting]

every = pytest.mark.parametrize("cls", ALL)


# -- the pieces -----------------------------------------------------------------------------------


def test_fixed_order_is_that_of_the_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)), rng.integers(0, 2, 50)
    X[10:20] = X[0]  # equal rows are told apart by their labels
    X[30:40, 1] = np.nan
    known = fixed_order(X, y)
    assert sorted(known) == list(range(50))
    for shuffled in (rng.permutation(50), np.arange(50)[::-1]):
        order = fixed_order(X[shuffled], y[shuffled])
        np.testing.assert_array_equal(X[shuffled][order], X[known])
        np.testing.assert_array_equal(y[shuffled][order], y[known])
    np.testing.assert_array_equal(fixed_order(sp.csr_array(X), y), known)
    assert np.isnan(X[30:40, 1]).all()


def test_folds_are_of_equal_sizes_and_hold_all_classes():
    rng = np.random.RandomState(0)
    y = np.array(["a"] * 21 + ["b"] * 6)
    fold = deal_folds(y, 3, rng)
    np.testing.assert_array_equal(np.bincount(fold), [9, 9, 9])
    for k in range(3):
        assert (y[fold == k] == "b").sum() == 2
    assert sorted(deal_folds(np.arange(3.0), 5, rng)) == [0, 1, 2]
    assert not np.array_equal(deal_folds(y, 3, rng), deal_folds(y, 3, rng))


def test_trbagging_update_by_hand():
    weights = np.array([1.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    wrong = np.array([True, False, True, False, False, False])
    updated, error, vote = trbagging_update(weights, wrong, 2, beta=0.25)
    np.testing.assert_allclose(updated, [0.25, 2, 1, 1, 1, 1])
    assert (error, vote) == (0.25, 1)
    _, error, vote = trbagging_update(weights, np.array([0, 0, 1, 1, 0, 0], bool), 2, 0.25)
    assert (error, vote) == (0.5, 0)
    assert trbagging_update(weights, np.array([0, 0, 1, 1, 0, 0], bool), 2, 0.25, 3)[2] == 1


def test_committees_by_hand():
    np.testing.assert_array_equal(committee_sizes(10, 3), [4, 3, 3])  # ends 4, 7, 10
    np.testing.assert_array_equal(committee_sizes(100), [10] * 10)
    np.testing.assert_array_equal(committee_sizes(50), [8] + [7] * 6)  # floor(sqrt(50)) = 7
    np.testing.assert_array_equal(committee_sizes(3, 9), [1, 1, 1])
    np.testing.assert_array_equal(committee_sizes(1), [1])
    assert all(committee_sizes(n, k).sum() == n for n in range(1, 30) for k in range(1, 30))


def test_wagged_weights_are_exponential_and_keep_the_totals():
    rng = np.random.RandomState(0)
    weights = np.repeat([1.0, 5.0], [6000, 4000])
    drawn = wagged(weights, 6000, rng)
    assert drawn[:6000].sum() == pytest.approx(6000)
    assert drawn[6000:].sum() == pytest.approx(20000)
    for part in (drawn[:6000], drawn[6000:] / 5):
        assert part.std() == pytest.approx(1, abs=0.05)
        assert np.mean(part > 1) == pytest.approx(np.exp(-1), abs=0.02)
    np.testing.assert_array_equal(weights, np.repeat([1.0, 5.0], [6000, 4000]))
    assert wagged(np.ones(3), 0, rng).sum() == pytest.approx(3)


# -- against plain loops --------------------------------------------------------------------------


def transcription(Xs, ys, Xt, yt, kind, n_rounds, seed, sizes=None):
    """Draw, fit, compare and weigh row by row; the source in its fixed order."""
    order = fixed_order(Xs, np.unique(ys, return_inverse=True)[1])
    X, y = np.concatenate([Xs[order], Xt]), np.concatenate([ys[order], yt])
    n_s, n_t = len(ys), len(yt)
    n, K = n_s + n_t, len(set(y.tolist()))
    rng = np.random.RandomState(seed)
    first = np.array([0.5 / n_s] * n_s + [0.5 / n_t] * n_t)
    learners, errors, votes, paths = [], [], [], []
    for c, size in enumerate(sizes or [n_rounds]):
        beta = 1 / (1 + np.sqrt(2 * np.log(n_s) / max(sizes or [n_rounds])))
        w = first.copy()
        if c > 0:
            w = w * rng.exponential(size=n)
            w[:n_s] *= 0.5 / w[:n_s].sum()
            w[n_s:] *= 0.5 / w[n_s:].sum()
        path = [w[:n_s] * n]
        for _ in range(size):
            rows = draw_rows(w * n, y, rng)
            h = clone(BAYES).fit(X[rows], y[rows])
            wrong = h.predict(X) != y
            error = w[n_s:][wrong[n_s:]].sum() / w[n_s:].sum()
            vote = np.log((1 - error) / error) + np.log(K - 1) if error > 0 else np.inf
            good = vote > 1e-9
            if not good and kind != "bagging":
                break
            for i in range(n):
                if wrong[i]:
                    w[i] *= beta if i < n_s else 1 if kind == "bagging" else np.exp(vote)
            w = w / w.sum()
            if good:
                learners.append(h)
                errors.append(error)
                votes.append(1 if kind == "bagging" else vote)
                path.append(w[:n_s] * n)
        paths += path
    back = np.argsort(order)
    return learners, np.array(errors), np.array(votes), np.array(paths)[:, back]


def data_of(n_classes):
    if n_classes == 3:
        Xs, ys, Xt, yt = three_classes(0, n_t=60)
        return Xs, ys, Xt, yt, Xt + 0.5
    Xs, ys, Xt, yt, X_test, _, _ = concepts(1, 150, 60, noise=0.1)
    return Xs, ys.astype(int), Xt, yt.astype(int), X_test


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["resampling", "bagging", "multiboosting"])
def test_equals_the_transcription(kind, n_classes):
    Xs, ys, Xt, yt, X_test = data_of(n_classes)
    sizes = [4, 3, 3] if kind == "multiboosting" else None
    learners, errors, votes, path = transcription(Xs, ys, Xt, yt, kind, 10, 3, sizes)
    assert len(learners) >= 5
    options = {"n_estimators": 10, "random_state": 3}
    model = {
        "resampling": TrResampling(BAYES, vote="all", **options),
        "bagging": TrBagging(BAYES, **options),
        "multiboosting": TrMultiBoosting(BAYES, n_committees=3, **options),
    }[kind]
    model.fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.estimator_errors_, errors)
    np.testing.assert_allclose(model.estimator_weights_, votes)
    np.testing.assert_allclose(model.source_weights_path_, path, rtol=1e-5)
    shares = np.zeros((len(X_test), n_classes))
    for h, vote in zip(learners, votes):
        for i, label in enumerate(h.predict(X_test)):
            shares[i, label] += vote
    np.testing.assert_allclose(model.predict_proba(X_test), shares / sum(votes))


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("initial", ["domain", "uniform"])
@pytest.mark.parametrize("vote", ["auto", "last_half", "all"])
def test_resampling_in_a_fixed_order_is_tradaboost_on_drawn_rows(initial, vote):
    tree = DecisionTreeClassifier(max_depth=2, max_features=3)  # seeded in each round
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 200, 60, noise=0.15)
    order = fixed_order(Xs, ys)
    options = {"n_estimators": 8, "random_state": 0, "initial_weights": initial, "vote": vote}
    ours = TrResampling(tree, **options).fit(Xs[order], ys[order], Xt, yt)
    known = TrAdaBoost(tree, resample=True, **options).fit(Xs[order], ys[order], Xt, yt)
    assert len(ours.estimators_) > 2
    np.testing.assert_array_equal(ours.predict_proba(X_test), known.predict_proba(X_test))
    np.testing.assert_array_equal(ours.source_weights_path_, known.source_weights_path_)
    assert ours.vote_ == known.vote_


def test_one_committee_is_resampling():
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 200, 40, noise=0.1)
    options = {"n_estimators": 8, "random_state": 0}
    one = TrMultiBoosting(LOGISTIC, n_committees=1, **options).fit(Xs, ys, Xt, yt)
    known = TrResampling(LOGISTIC, vote="all", **options).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(one.predict_proba(X_test), known.predict_proba(X_test))
    np.testing.assert_array_equal(one.source_weights_, known.source_weights_)
    assert (one.committees_ == 0).all()


def test_bagging_that_forgives_the_source_is_bagging_of_both(monkeypatch):
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 100, 40, noise=0.1)
    monkeypatch.setattr(tr_bagging, "source_factor", lambda n_source, n_rounds: 1.0)
    options = {"n_estimators": 6, "random_state": 0, "initial_weights": "uniform"}
    model = TrBagging(BAYES, **options).fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.source_weights_path_, 1)
    order = fixed_order(Xs, ys)
    X, y = np.concatenate([Xs[order], Xt]), np.concatenate([ys[order], yt])
    rng = np.random.RandomState(0)
    votes = np.zeros(len(X_test))
    for _ in range(6):
        rows = draw_rows(np.ones(140), y, rng)
        votes += clone(BAYES).fit(X[rows], y[rows]).predict(X_test)
    np.testing.assert_allclose(model.predict_proba(X_test)[:, 1], votes / 6)


def test_without_target():
    X, y, *_ = concepts(0, 300, noise=0.1)
    options = {"n_estimators": 9, "random_state": 0}
    fitted = {}
    for cls in ALL:
        with pytest.warns(NoTargetWarning):
            fitted[cls] = cls(BAYES, **options).fit(X, y)
        assert fitted[cls].score(X, y) > 0.6
    np.testing.assert_array_equal(fitted[TrBagging].source_weights_path_, np.ones((10, 300)))
    np.testing.assert_array_equal(fitted[TrBagging].estimator_weights_, np.ones(9))
    for cls in (TrResampling, TrMultiBoosting):
        assert fitted[cls].source_weights_path_[1].std() > 0.1
    assert len(set(fitted[TrMultiBoosting].committees_)) == 3


class Contrary(ClassifierMixin, BaseEstimator):
    """Predicts the wrong one of the classes 0 and 1 in every second fit."""

    fits = 0

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.wrong_ = Contrary.fits % 2 == 0
        Contrary.fits += 1
        return self

    def predict(self, X):
        return np.where(self.wrong_, X[:, 0] < 0, X[:, 0] > 0.3).astype(int)


def test_learners_no_better_than_chance_do_not_vote():
    Xs, Xt = np.random.default_rng(0).normal(size=(2, 60, 2))
    ys, yt = (Xs[:, 0] > 0).astype(int), (Xt[:, 0] > 0).astype(int)
    Contrary.fits = 0
    bag = TrBagging(Contrary(), n_estimators=7).fit(Xs, ys, Xt, yt)
    assert Contrary.fits == 7
    assert len(bag.estimators_) == 3
    assert bag.source_weights_path_.shape == (4, 60)
    # The first run fails at once; the others begin with a good learner.
    Contrary.fits = 0
    model = TrMultiBoosting(Contrary(), n_estimators=6, n_committees=3, random_state=0)
    model.fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.committees_, [0, 1])
    assert model.source_weights_path_.shape == (4, 60)
    np.testing.assert_allclose(
        model.source_weights_, model.source_weights_path_[[1, 3]].mean(axis=0)
    )
    Contrary.fits = 0
    alone = TrResampling(Contrary(), n_estimators=6).fit(Xs, ys, Xt, yt)
    assert len(alone.estimators_) == 1
    np.testing.assert_array_equal(alone.source_weights_, np.zeros(60))
    Contrary.fits = 0
    alone = TrMultiBoosting(Contrary(), n_estimators=1).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(alone.committees_, [0])
    np.testing.assert_array_equal(alone.source_weights_, np.zeros(60))


# -- the choice of the candidate ------------------------------------------------------------------


def board(rng, n):
    """Return a board of four squares, which a tree can learn, a line or naive Bayes cannot."""
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, np.where(X[:, 0] > 0.2, X[:, 1] > 0, X[:, 1] < 0)


def rings(rng, n):
    """Return classes of different spread in many features: for naive Bayes."""
    y = rng.random(n) < 0.5
    return rng.normal(size=(n, 8)) * np.where(y, 0.5, 1)[:, None], y


def slant(rng, n):
    """Return classes on the two sides of a slanted plane of correlated features: for the SVM."""
    X = rng.normal(size=(n, 4))
    X[:, 1] = X[:, 0] + 0.3 * X[:, 1]
    return X, X[:, 1] - X[:, 0] + 0.05 * X[:, 2] > 0


@every
@pytest.mark.parametrize(("make", "best"), [(rings, 0), (board, 1), (slant, 2)])
def test_best_candidate_is_chosen(cls, make, best):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        (Xs, ys), (Xt, yt), (X_test, y_test) = make(rng, 300), make(rng, 60), make(rng, 1000)
        model = cls(n_estimators=4, random_state=seed).fit(Xs, ys, Xt, yt)
        assert model.best_candidate_ == best
        assert model.candidate_errors_.shape == (3,)
        assert np.argmin(model.candidate_errors_) == best
        kinds = [type(h).__name__ for h in model.estimators_]
        assert set(kinds) == {["GaussianNB", "DecisionTreeClassifier", "Pipeline"][best]}
        assert model.score(X_test, y_test) > 0.7


def test_candidates_are_judged_on_target_rows_that_they_have_not_seen():
    grown, stump = DecisionTreeClassifier(), DecisionTreeClassifier(max_depth=1)
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2, 200, 3))
    ys, yt = ((X[:, 0] > 0) ^ (rng.random(200) < 0.3) for X in (Xs, Xt))
    model = TrBagging([grown, stump], n_estimators=2, random_state=0).fit(Xs, ys, Xt, yt)
    assert model.best_candidate_ == 1
    assert model.candidate_errors_[0] > 0.35  # on its own rows it would be near 0
    assert model.candidate_errors_[1] == pytest.approx(0.3, abs=0.07)


def test_candidates_are_judged_at_the_initial_weights():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(900, 2)), rng.normal(size=(60, 2))
    # The source mostly says the opposite; half of the weight lets the target prevail.
    ys, yt = (Xs[:, 0] < 0) ^ (rng.random(900) < 0.3), Xt[:, 0] > 0
    stump = DecisionTreeClassifier(max_depth=1)
    errors = {
        initial: TrBagging([stump, stump], n_estimators=1, initial_weights=initial, random_state=0)
        .fit(Xs, ys, Xt, yt)
        .candidate_errors_
        for initial in ("domain", "uniform")
    }
    assert (errors["domain"] < 0.2).all()
    assert (errors["uniform"] > 0.8).all()


def test_one_candidate_is_not_judged():
    Xs, ys, Xt, yt, *_ = concepts(0, 60, 20)
    for one in (BAYES, [BAYES], (BAYES,)):
        model = TrBagging(one, n_estimators=2).fit(Xs, ys, Xt, yt)
        assert model.best_candidate_ == 0
        assert np.isnan(model.candidate_errors_).tolist() == [True]


def test_few_target_rows_still_judge():
    Xs, ys, Xt, yt, *_ = concepts(0, 60, 20)
    for n in (1, 2, 3):
        model = TrResampling(n_estimators=2, random_state=0).fit(Xs, ys, Xt[:n], yt[:n])
        assert np.isfinite(model.candidate_errors_).all()
    folds = [
        TrBagging(n_estimators=1, cv=cv, random_state=0).fit(Xs, ys, Xt, yt).candidate_errors_
        for cv in (2, 10)
    ]
    assert not np.array_equal(*folds)


@every
def test_lists_of_candidates_inside_scikit_learn(cls):
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 100, 30)
    candidates = [BAYES, KNeighborsClassifier(3)]
    model = cls(candidates, n_estimators=3, random_state=0)
    copy = clone(model)
    assert [type(c) for c in copy.estimator] == [GaussianNB, KNeighborsClassifier]
    assert copy.estimator[1] is not candidates[1]
    assert model.get_params()["estimator"] is candidates
    assert "estimator__var_smoothing" in cls(BAYES).get_params()
    np.testing.assert_array_equal(
        model.fit(Xs, ys, Xt, yt).predict_proba(X_test),
        copy.fit(Xs, ys, Xt, yt).predict_proba(X_test),
    )
    assert not hasattr(candidates[1], "classes_")
    X, y, domain = stack(Xs, ys, Xt, yt)
    options = {"estimator": [BAYES, candidates, [LogisticRegression(), BAYES]]}
    search = GridSearchCV(model, options, cv=TargetKFold(2), error_score="raise")
    search.fit(X, y, sample_domain=domain, groups=domain)
    assert search.predict(Xt).shape == yt.shape
    assert "KNeighborsClassifier" in repr(model) and "TrT" not in model._repr_html_()
    for bad in ([], [BAYES, "tree"], "tree"):
        with pytest.raises(ValueError, match="estimator"):
            cls(bad).fit(Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="needs a classifier as its estimator, but Ridge is none"):
        cls([BAYES, Ridge()]).fit(Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba"):
        cls([BAYES, LinearSVC()], voting="soft").fit(Xs, ys, Xt, yt)


def test_rows_that_all_candidates_take():
    assert not get_tags(TrBagging()).input_tags.sparse
    assert get_tags(TrBagging([MultinomialNB(), LinearSVC()])).input_tags.sparse
    assert not get_tags(TrBagging([LinearSVC(), BAYES])).input_tags.sparse
    assert get_tags(TrBagging([DecisionTreeClassifier()])).input_tags.allow_nan
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 160)
    X = sp.csr_array(rng.poisson(0.3 + np.outer(y, [1, 0, 0, 0, 0, 0.5])).astype(float))
    model = TrBagging([MultinomialNB(), LinearSVC()], n_estimators=5, random_state=0)
    assert model.fit(X[:100], y[:100], X[100:], y[100:]).score(X[100:], y[100:]) > 0.6


# -- effects --------------------------------------------------------------------------------------


@every
def test_gains_on_source_pooled_and_target(cls):
    """Above source-only and the pooled fit by .08, target-only by .02; mean of 8 seeds."""
    found = {name: [] for name in ("ours", "source", "pooled", "target")}
    for seed in range(8):
        Xs, ys, Xt, yt, X_test, y_test, _ = concepts(seed, 600, 15)
        pooled = LogisticRegression().fit(np.concatenate([Xs, Xt]), np.concatenate([ys, yt]))
        models = {
            "ours": cls(LOGISTIC, n_estimators=20, random_state=0).fit(Xs, ys, Xt, yt),
            "source": SourceOnly().fit(Xs, ys, Xt, yt),
            "pooled": pooled,
            "target": TargetOnly().fit(Xs, ys, Xt, yt),
        }
        for name, model in models.items():
            found[name].append(model.score(X_test, y_test))
    means = {name: np.mean(values) for name, values in found.items()}
    assert means["ours"] > means["source"] + 0.08, means
    assert means["ours"] > means["pooled"] + 0.08, means
    assert means["ours"] > means["target"] + 0.02, means


@every
def test_misleading_source_rows_lose_weight_in_the_callers_order(cls):
    Xs, ys, Xt, yt, _, _, misleading = concepts(0, 400, 60, noise=0.05)
    for order in (np.arange(400), np.random.default_rng(0).permutation(400)):
        model = cls(LOGISTIC, n_estimators=20, random_state=0).fit(Xs[order], ys[order], Xt, yt)
        weights, wrong = model.source_weights_, misleading[order]
        assert weights[wrong].mean() < 0.85 * weights[~wrong].mean()
        assert model.source_weights_path_.shape[1] == 400
        if cls is not TrMultiBoosting:
            np.testing.assert_array_equal(weights, model.source_weights_path_[-1])


def test_bagging_withstands_noisy_labels():
    """With a third of the labels wrong, trees: TrBagging .02 above TrResampling; 8 seeds."""
    tree = DecisionTreeClassifier(max_depth=4)
    bag, single = [], []
    for seed in range(8):
        Xs, ys, Xt, yt, X_test, y_test, _ = concepts(seed, 300, 60, noise=0.25)
        options = {"n_estimators": 20, "random_state": 0}
        bag.append(TrBagging(tree, **options).fit(Xs, ys, Xt, yt).score(X_test, y_test))
        single.append(TrResampling(tree, **options).fit(Xs, ys, Xt, yt).score(X_test, y_test))
    assert np.mean(bag) > np.mean(single) + 0.02, (np.mean(bag), np.mean(single))


# -- parameters, plumbing -------------------------------------------------------------------------


@every
def test_learner_without_sample_weight(cls):
    Xs, ys, Xt, yt, X_test, y_test, _ = concepts(0, 300, 40)
    neighbours = KNeighborsClassifier(5)
    model = cls(neighbours, n_estimators=10, random_state=0).fit(Xs, ys, Xt, yt)
    assert model.score(X_test, y_test) > clone(neighbours).fit(Xs, ys).score(X_test, y_test) + 0.05


@every
def test_result_depends_on_the_seed_and_not_on_n_jobs(cls):
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 100, 30, noise=0.1)
    alone = cls(n_estimators=4, random_state=0).fit(Xs, ys, Xt, yt)
    with parallel_config("threading"):
        shared = cls(n_estimators=4, random_state=0, n_jobs=2).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(alone.candidate_errors_, shared.candidate_errors_)
    np.testing.assert_array_equal(alone.predict_proba(X_test), shared.predict_proba(X_test))
    other = cls(n_estimators=4, random_state=1).fit(Xs, ys, Xt, yt)
    assert not np.array_equal(alone.source_weights_, other.source_weights_)


@every
def test_initial_weights(cls):
    Xs, ys, Xt, yt, *_ = concepts(0, 90, 30)
    halves = cls(BAYES, n_estimators=3, random_state=0).fit(Xs, ys, Xt, yt)
    alike = cls(BAYES, n_estimators=3, initial_weights="uniform", random_state=0)
    alike.fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(halves.source_weights_path_[0], 120 / 2 / 90)
    np.testing.assert_allclose(alike.source_weights_path_[0], 1)


@every
def test_soft_votes_and_pickles(cls):
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 200, 40, noise=0.1)
    model = cls(BAYES, n_estimators=6, voting="soft", random_state=0).fit(Xs, ys, Xt, yt)
    voting = (
        slice(0, None) if model.vote_ == "all" else slice((len(model.estimators_) - 1) // 2, None)
    )
    votes = model.estimator_weights_[voting]
    shares = sum(
        v * h.predict_proba(X_test) for h, v in zip(model.estimators_[voting], votes)
    ) / sum(votes)
    np.testing.assert_allclose(model.predict_proba(X_test), shares)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X_test), model.predict_proba(X_test))
    with pytest.raises(AttributeError, match=r"no 'source_weights_'.*pickling"):
        _ = restored.source_weights_
    *_, last = model.staged_predict_proba(X_test)
    np.testing.assert_allclose(last, shares)


def test_no_class_is_lost_in_a_draw():
    Xs, ys, Xt, yt = three_classes(0, n_t=30)
    rare = np.concatenate([np.flatnonzero(ys != 2), np.flatnonzero(ys == 2)[:1]])
    few = yt != 2
    for cls in ALL:
        model = cls(BAYES, n_estimators=10, random_state=0)
        model.fit(Xs[rare], ys[rare], Xt[few], yt[few])
        assert all(len(h.classes_) == 3 for h in model.estimators_)
