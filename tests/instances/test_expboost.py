"""ExpBoost and ExpBoost.R2 against plain loops, their limits, and sources of known use."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags

from skdtl import (
    ExpBoost,
    ExpBoostR2,
    NoTargetWarning,
    SourceOnly,
    TargetOnly,
    TrAdaBoost,
    TrAdaBoostR2,
    stack,
)
from skdtl.instances import expboost
from skdtl.instances.expboost import linear_correction

from .papers import as_published

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)
TrAdaBoostR2 = as_published(TrAdaBoostR2)
ExpBoost = as_published(ExpBoost)
ExpBoostR2 = as_published(ExpBoostR2)

STUMP = DecisionTreeClassifier(max_depth=1, random_state=0)
DEPTH_2 = DecisionTreeClassifier(max_depth=2, random_state=0)
TREE = DecisionTreeRegressor(max_depth=2, random_state=0)
LOGISTIC = LogisticRegression()
BAYES, RIDGE = GaussianNB(), Ridge(1.0)  # without the chance that trees have in ties
LINEAR = LinearRegression()


def tasks(seed, n_classes=2, n_s=100, n_t=40, noise=0.15, n_features=4, mix=0.5, useful=1):
    """Return three sources, of which one nearly follows the target's concept, and the target."""
    rng = np.random.default_rng(seed)
    concepts = rng.normal(size=(3, n_features, n_classes))
    target = concepts[useful] + mix * rng.normal(size=(n_features, n_classes))

    def label(X, concept):
        y = np.argmax(X @ concept, axis=1)
        return np.where(rng.random(len(y)) < noise, rng.integers(0, n_classes, len(y)), y)

    Xs, Xt, X_test = (rng.normal(size=size + (n_features,)) for size in ((3, n_s), (n_t,), (1000,)))
    ys = [label(X, concept) for X, concept in zip(Xs, concepts)]
    return list(Xs), ys, Xt, label(Xt, target), X_test, np.argmax(X_test @ target, axis=1)


def scales(seed, n_s=150, n_t=20, noise=0.1, n_sources=2):
    """Return sources that are the target's surface in other units, with own distortions."""
    rng = np.random.default_rng(seed)

    def surface(X):
        return np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 0.5 * X[:, 2]

    Xs = [rng.uniform(-2, 2, size=(n_s, 3)) for _ in range(n_sources)]
    ys = [
        (k + 2) * (surface(X) + rng.normal(0, noise, n_s) + k * X[:, 2] ** 2) + 10 - 30 * k
        for k, X in enumerate(Xs)
    ]
    Xt, X_test = rng.uniform(-2, 2, size=(n_t, 3)), rng.uniform(-2, 2, size=(1000, 3))
    return Xs, ys, Xt, surface(Xt) + rng.normal(0, noise, n_t), X_test, surface(X_test)


def fit(model, Xs, ys, Xt, yt):
    X, y, domain = stack(Xs, ys, Xt, yt)
    return model.fit(X, y, sample_domain=domain)


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def median_of(values, weights):
    half = sum(weights) / 2
    return min(v for v in values if sum(w for u, w in zip(values, weights) if u <= v) >= half)


# -- against plain loops --------------------------------------------------------------------------


def expboost_transcription(Xs, ys, Xt, yt, n_rounds, left_out):
    """AdaBoost (SAMME) row by row on the target; experts and a fresh learner compete."""
    classes = sorted(set(np.concatenate([*ys, yt]).tolist()))
    n, K = len(yt), len(classes)
    experts = [clone(LOGISTIC).fit(X, y) for X, y in zip(Xs, ys)]
    w = [1 / n] * n
    learners, taken, errors, votes = [], [], [], []
    for _ in range(n_rounds):
        fresh = clone(BAYES).fit(Xt, yt, sample_weight=np.array(w) * n)
        candidates = [*experts, fresh]
        predictions = [h.predict(Xt) for h in candidates]
        judged = list(predictions)
        if left_out:
            judged[-1] = np.zeros(n, dtype=int)
            for i in range(n):
                rest = [j for j in range(n) if j != i]
                part = np.array([w[j] for j in rest])
                h = clone(BAYES).fit(Xt[rest], yt[rest], sample_weight=part / part.mean())
                judged[-1][i] = h.predict(Xt[i : i + 1])[0]
        wrong_weight = [sum(w[i] for i in range(n) if p[i] != yt[i]) for p in judged]
        best = min(range(len(candidates)), key=lambda k: (round(wrong_weight[k], 12), k))
        error = sum(w[i] for i in range(n) if predictions[best][i] != yt[i])
        if error >= 1 - 1 / K - 1e-9:
            break
        vote = np.log((1 - error) / error) + np.log(K - 1)
        w = [w[i] * (np.exp(vote) if predictions[best][i] != yt[i] else 1) for i in range(n)]
        w = [v / sum(w) for v in w]
        learners.append(candidates[best])
        taken.append(best if best < len(experts) else -1)
        errors.append(error)
        votes.append(vote)

    def predict(rows):
        scores = np.zeros((len(rows), K))
        for h, vote in zip(learners, votes):
            for i, label in enumerate(h.predict(rows)):
                scores[i, classes.index(label)] += vote
        return np.array(classes)[scores.argmax(axis=1)]

    return predict, taken, errors, votes


@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize(("n_classes", "seed"), [(2, 9), (3, 7)])
def test_expboost_equals_the_transcription(n_classes, seed, left_out):
    Xs, ys, Xt, yt, X_test, _ = tasks(seed, n_classes)
    predict, taken, errors, votes = expboost_transcription(Xs, ys, Xt, yt, 8, left_out)
    assert len(taken) >= 3
    assert -1 in taken and max(taken) >= 0  # the comparison is about both
    cv = len(yt) if left_out else None
    model = fit(ExpBoost(BAYES, n_estimators=8, expert=LOGISTIC, cv=cv), Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.estimator_experts_, taken)
    np.testing.assert_allclose(model.estimator_errors_, errors, atol=1e-12)
    np.testing.assert_allclose(model.estimator_weights_, votes, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X_test), predict(X_test))
    *_, last = model.staged_predict(X_test)
    np.testing.assert_array_equal(last, predict(X_test))
    counts = [taken.count(k) for k in range(3)]
    np.testing.assert_array_equal(model.expert_counts_, counts)
    np.testing.assert_array_equal(model.expert_sources_, [1, 2, 3])


def r2_transcription(Xs, ys, Xt, yt, n_rounds, kind, left_out):
    """AdaBoost.R2 of Drucker on the target, with experts on lines fitted to the target rows."""
    n = len(yt)
    experts = []
    for X, y in zip(Xs, ys):
        h = clone(LINEAR).fit(X, y)
        slope, intercept = np.polyfit(h.predict(Xt), yt, 1)
        experts.append((h, slope, intercept))
    w = np.ones(n) / n
    learners, taken, errors, votes = [], [], [], []

    def losses_of(p):
        d = np.abs(p - yt) / np.abs(p - yt).max()
        return {"linear": d, "square": d**2, "exponential": 1 - np.exp(-d)}[kind]

    for _ in range(n_rounds):
        fresh = clone(RIDGE).fit(Xt, yt, sample_weight=w * n)
        candidates = [*experts, (fresh, 1.0, 0.0)]
        predictions = [a * h.predict(Xt) + b for h, a, b in candidates]
        if left_out:
            held_out = np.zeros(n)
            for i in range(n):
                rest = np.arange(n) != i
                h = clone(RIDGE).fit(Xt[rest], yt[rest], sample_weight=w[rest] / w[rest].mean())
                held_out[i] = h.predict(Xt[i : i + 1])[0]
            judged = [*predictions[:-1], held_out]
            best = int(np.argmin([sum(w * np.abs(p - yt)) for p in judged]))
        else:
            best = int(np.argmin([sum(w * losses_of(p)) for p in predictions]))
        e = losses_of(predictions[best])
        error = sum(w * e)
        if error >= 0.5:
            break
        beta = error / (1 - error)
        w = w * beta ** (1 - e)
        w = w / w.sum()
        learners.append(candidates[best])
        taken.append(best if best < len(experts) else -1)
        errors.append(error)
        votes.append(np.log(1 / beta))

    def predict(rows):
        values = np.array([a * h.predict(rows) + b for h, a, b in learners])
        return np.array([median_of(column, votes) for column in values.T])

    return predict, taken, errors, votes


@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize("kind", ["linear", "square", "exponential"])
def test_expboost_r2_equals_the_transcription(kind, left_out):
    Xs, ys, Xt, yt, X_test, _ = scales(8 if left_out and kind != "linear" else 4)
    predict, taken, errors, votes = r2_transcription(Xs, ys, Xt, yt, 12, kind, left_out)
    assert len(taken) >= 3
    assert len(set(taken)) >= 2  # the comparison is about more than one
    cv = len(yt) if left_out else None
    model = ExpBoostR2(RIDGE, n_estimators=12, expert=LINEAR, loss=kind, cv=cv)
    fit(model, Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.estimator_experts_, taken)
    np.testing.assert_allclose(model.estimator_errors_, errors, atol=1e-12)
    np.testing.assert_allclose(model.estimator_weights_, votes, atol=1e-12)
    np.testing.assert_allclose(model.predict(X_test), predict(X_test))
    for expert, line in zip(model.experts_, model.expert_lines_):
        np.testing.assert_allclose(line, np.polyfit(expert.predict(Xt), yt, 1))


def test_linear_correction_by_hand():
    outputs = np.array([1.0, 2.0, 4.0])
    assert linear_correction(outputs, 3 * outputs - 5) == pytest.approx((3, -5))
    assert linear_correction(outputs, -outputs) == pytest.approx((-1, 0))
    # y - mean: -1, 0, 1; outputs - mean: -4/3, -1/3, 5/3, squares 42/9; slope 3 / (14/3).
    assert linear_correction(outputs, np.array([0.0, 1.0, 2.0])) == pytest.approx((9 / 14, -0.5))
    assert linear_correction(np.array([5.0]), np.array([7.0])) == (1, 2)
    assert linear_correction(np.array([5.0, 6.0]), np.array([7.0, 1.0])) == (1, -1.5)
    assert linear_correction(np.full(4, 1e6), np.arange(4.0)) == (1, 1.5 - 1e6)
    assert linear_correction(np.zeros(3), np.ones(3)) == (1, 1)
    jitter = 1e6 + 1e-5 * np.array([1, -1, 1.0, -1])  # rounding: no line through that
    assert linear_correction(jitter, np.arange(4.0))[0] == 1


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [STUMP, DEPTH_2])
def test_useless_experts_leave_adaboost_on_the_target(base):
    rng = np.random.default_rng(0)
    Xs, Xt, X_test = (rng.normal(size=(n, 3)) for n in (200, 80, 500))
    ys = (Xs[:, 0] < 0).astype(int)  # the opposite of the target's
    yt = np.where(rng.random(80) < 0.1, Xt[:, 0] < 0, Xt[:, 0] > 0).astype(int)
    model = ExpBoost(base, n_estimators=6).fit(Xs, ys, Xt, yt)
    assert (model.estimator_experts_ == -1).all()
    with pytest.warns(NoTargetWarning):
        alone = TrAdaBoost(base, n_estimators=6).fit(Xt, yt)
    assert len(alone.estimators_) == 6
    np.testing.assert_allclose(model.estimator_errors_, alone.estimator_errors_)
    np.testing.assert_allclose(model.predict_proba(X_test), alone.predict_proba(X_test))


@pytest.mark.parametrize("cv", [None, 5])
def test_useless_experts_leave_adaboost_r2_on_the_target(cv):
    rng = np.random.default_rng(0)
    Xs, Xt, X_test = (rng.normal(size=(n, 3)) for n in (100, 80, 500))
    ys = np.full(100, 3.0)
    yt = 5 * (Xt[:, 0] > 0) + 3 * (Xt[:, 1] > 0) + rng.normal(0, 0.3, 80)
    model = ExpBoostR2(TREE, n_estimators=6, cv=cv).fit(Xs, ys, Xt, yt)
    assert (model.estimator_experts_ == -1).all()
    np.testing.assert_array_equal(model.expert_counts_, [0])
    with pytest.warns(NoTargetWarning):
        alone = TrAdaBoostR2(TREE, n_estimators=6).fit(Xt, yt)
    np.testing.assert_allclose(model.predict(X_test), alone.predict(X_test))


def test_without_target_they_are_adaboost():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(NoTargetWarning):
        model = ExpBoost(STUMP, n_estimators=9).fit(X, y)
    with pytest.warns(NoTargetWarning):
        known = TrAdaBoost(STUMP, n_estimators=9).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), known.predict_proba(X))
    assert model.experts_ == [] and len(model.expert_counts_) == 0
    with pytest.warns(NoTargetWarning):
        model = ExpBoostR2(TREE, n_estimators=5, loss="square").fit(X[:, :3], X[:, 3])
    with pytest.warns(NoTargetWarning):
        known = TrAdaBoostR2(TREE, n_estimators=5, loss="square").fit(X[:, :3], X[:, 3])
    np.testing.assert_allclose(model.predict(X[:, :3]), known.predict(X[:, :3]))
    assert model.expert_lines_.shape == (0, 2)


def test_default_experts_are_adaboost_on_one_source_each():
    Xs, ys, Xt, yt, X_test, _ = tasks(0)
    model = fit(ExpBoost(STUMP, n_estimators=7), Xs, ys, Xt, yt)
    for expert, X, y in zip(model.experts_, Xs, ys):
        with pytest.warns(NoTargetWarning):
            known = TrAdaBoost(STUMP, n_estimators=7).fit(X, y)
        assert len(known.estimators_) == 7
        np.testing.assert_allclose(expert.predict_proba(X_test), known.predict_proba(X_test))
    Xs, ys, Xt, yt, X_test, _ = scales(0)
    model = fit(ExpBoostR2(TREE, n_estimators=4, loss="square"), Xs, ys, Xt, yt)
    for expert, X, y in zip(model.experts_, Xs, ys):
        with pytest.warns(NoTargetWarning):
            known = TrAdaBoostR2(TREE, n_estimators=4, loss="square").fit(X, y)
        np.testing.assert_allclose(expert.predict(X_test), known.predict(X_test))


def test_perfect_expert_comes_before_a_perfect_fresh_learner():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2, 300, 2)), rng.normal(size=(10, 2))
    ys = [X[:, 0] > 0 for X in Xs]
    model = fit(ExpBoost(STUMP), list(Xs), ys, Xt, Xt[:, 0] > 0)
    np.testing.assert_array_equal(model.estimator_experts_, [0])
    np.testing.assert_array_equal(model.expert_counts_, [1, 0])
    assert model.estimator_errors_ == [0]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_first_learner_that_is_no_better_than_chance_is_kept_alone():
    Xs, ys = np.arange(10.0)[:, None], np.arange(10) % 2
    Xt, yt = np.zeros((4, 1)), np.array([0, 1, 0, 1])  # nothing to learn
    model = ExpBoost(STUMP).fit(Xs, ys, Xt, yt)
    assert len(model.estimators_) == 1
    np.testing.assert_array_equal(model.estimator_weights_, [1])
    model = ExpBoostR2(TREE).fit(Xs, ys, Xt, yt)
    assert len(model.estimators_) == 1
    np.testing.assert_allclose(model.predict(Xt), 0.5)


# -- several sources ------------------------------------------------------------------------------


def test_sources_are_told_apart_by_their_numbers():
    Xs, ys, Xt, yt, X_test, _ = tasks(2, useful=2, mix=0, noise=0.05)
    X, y, domain = stack(Xs, ys, Xt, yt)
    codes = np.array([0, 4, 9, 6])[np.maximum(domain, 0)]  # sources 4, 9, 6 for 1, 2, 3
    model = ExpBoost(STUMP, n_estimators=10).fit(
        X, y, sample_domain=np.where(domain < 0, -2, codes)
    )
    np.testing.assert_array_equal(model.expert_sources_, [4, 6, 9])
    for expert, k in zip(model.experts_, (0, 2, 1)):
        with pytest.warns(NoTargetWarning):
            known = TrAdaBoost(STUMP, n_estimators=10).fit(Xs[k], ys[k])
        np.testing.assert_allclose(expert.predict_proba(X_test), known.predict_proba(X_test))
    known = fit(ExpBoost(STUMP, n_estimators=10), Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.predict_proba(X_test), known.predict_proba(X_test))
    pooled = ExpBoost(STUMP, n_estimators=10).fit(np.concatenate(Xs), np.concatenate(ys), Xt, yt)
    assert len(pooled.experts_) == 1
    assert not np.array_equal(pooled.predict_proba(X_test), model.predict_proba(X_test))


def test_sources_and_targets_of_few_classes():
    Xs, ys, Xt, yt, X_test, _ = tasks(0, n_classes=3)
    ys = [np.zeros_like(ys[0]), np.minimum(ys[1], 1), ys[2]]
    for voting in ("hard", "soft"):
        model = fit(ExpBoost(LOGISTIC, n_estimators=5, voting=voting), Xs, ys, Xt, yt)
        assert (model.experts_[0].predict(X_test) == 0).all()
        np.testing.assert_array_equal(model.experts_[1].classes_, [0, 1])
        np.testing.assert_allclose(model.predict_proba(X_test).sum(axis=1), 1)
    one = fit(ExpBoost(LOGISTIC), Xs, ys, Xt[yt == 1], yt[yt == 1])  # a target of one class
    assert one.score(Xt[yt == 1], yt[yt == 1]) == 1
    few = fit(ExpBoost(LOGISTIC, cv=5), Xs, ys, Xt[:3], yt[:3])
    assert few.predict(X_test).shape == (len(X_test),)
    for n in (1, 2, 3):
        Xs, ys, Xt, yt, X_test, _ = scales(0)
        model = fit(ExpBoostR2(TREE, n_estimators=4), Xs, ys, Xt[:n], yt[:n])
        assert np.isfinite(model.predict(X_test)).all()
        assert (model.expert_lines_[:, 0] == 1).all() == (n < 3)


# -- effects --------------------------------------------------------------------------------------


def test_gains_where_one_of_several_sources_fits():
    """Accuracy .05 above target-only and AdaBoost on it, .1 above source-only; 10 seeds."""
    found = {name: [] for name in ("expboost", "source", "target", "adaboost")}
    for seed in range(10):
        Xs, ys, Xt, yt, X_test, y_test = tasks(
            seed, n_t=20, noise=0.1, n_features=6, mix=0.2, n_s=200
        )
        X, y = np.concatenate(Xs), np.concatenate(ys)
        with pytest.warns(NoTargetWarning):
            alone = TrAdaBoost(LOGISTIC, n_estimators=20).fit(Xt, yt)
        models = {
            "expboost": fit(
                ExpBoost(LOGISTIC, n_estimators=20, cv=5, random_state=0), Xs, ys, Xt, yt
            ),
            "source": SourceOnly().fit(X, y, Xt, yt),
            "target": TargetOnly().fit(X, y, Xt, yt),
            "adaboost": alone,
        }
        for name, model in models.items():
            found[name].append(model.score(X_test, y_test))
    means = {name: np.mean(values) for name, values in found.items()}
    assert means["expboost"] > means["target"] + 0.05, means
    assert means["expboost"] > means["adaboost"] + 0.05, means
    assert means["expboost"] > means["source"] + 0.1, means


def test_expert_of_its_own_kind():
    """Stumps can't, neighbours from the source can: .2 above AdaBoost on the target; 8 seeds."""
    ours, alone = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        Xs, Xt, X_test = (rng.uniform(-1, 1, size=(n, 2)) for n in (400, 25, 1000))
        ys, yt, y_test = (X[:, 0] * X[:, 1] > 0 for X in (Xs, Xt, X_test))
        model = ExpBoost(STUMP, n_estimators=10, expert=KNeighborsClassifier(), random_state=0).fit(
            Xs, ys, Xt, yt
        )
        assert model.estimator_experts_[0] == 0
        ours.append(model.score(X_test, y_test))
        with pytest.warns(NoTargetWarning):
            alone.append(TrAdaBoost(STUMP, n_estimators=10).fit(Xt, yt).score(X_test, y_test))
    assert np.mean(ours) > np.mean(alone) + 0.2, (np.mean(ours), np.mean(alone))


def test_gains_where_the_source_is_a_linear_transformation():
    """Less than .75 of the RMSE of AdaBoost.R2 on the target and without correction; 8 seeds."""
    tree = DecisionTreeRegressor(max_depth=4)
    found = {name: [] for name in ("corrected", "uncorrected", "target")}
    for seed in range(8):
        Xs, ys, Xt, yt, X_test, y_test = scales(seed, n_t=15, n_sources=1)
        options = {"n_estimators": 10, "random_state": 0}
        with pytest.warns(NoTargetWarning):
            alone = TrAdaBoostR2(tree, **options).fit(Xt, yt)
        models = {
            "corrected": fit(ExpBoostR2(tree, **options), Xs, ys, Xt, yt),
            "uncorrected": fit(
                ExpBoostR2(tree, linear_correction=False, **options), Xs, ys, Xt, yt
            ),
            "target": alone,
        }
        assert models["corrected"].expert_lines_[0, 0] == pytest.approx(0.5, abs=0.25)
        np.testing.assert_array_equal(models["uncorrected"].expert_lines_, [[1, 0]])
        for name, model in models.items():
            found[name].append(rmse(model, X_test, y_test))
    means = {name: np.mean(values) for name, values in found.items()}
    assert means["corrected"] < 0.75 * means["target"], means
    assert means["corrected"] < 0.75 * means["uncorrected"], means


def test_folds_are_what_lets_experts_compete_with_a_learner_that_fits_its_rows():
    grown = DecisionTreeRegressor()
    with_folds, without = [], []
    for seed in range(4):
        Xs, ys, Xt, yt, X_test, y_test = scales(seed, n_s=400, n_sources=1)
        options = {"n_estimators": 5, "random_state": 0}
        model = fit(ExpBoostR2(grown, cv=None, **options), Xs, ys, Xt, yt)
        assert (model.estimator_experts_ == -1).all()
        without.append(rmse(model, X_test, y_test))
        model = fit(ExpBoostR2(grown, **options), Xs, ys, Xt, yt)
        assert model.expert_counts_[0] > 0
        with_folds.append(rmse(model, X_test, y_test))
    assert np.mean(with_folds) < 0.8 * np.mean(without), (with_folds, without)


# -- parameters, learners, plumbing ---------------------------------------------------------------


def test_result_depends_on_the_seed_and_not_on_n_jobs():
    Xs, ys, Xt, yt, X_test, _ = tasks(0)
    base = DecisionTreeClassifier(max_depth=2, splitter="random")
    options = {"n_estimators": 5, "cv": 3}
    alone = fit(ExpBoost(base, random_state=0, **options), Xs, ys, Xt, yt)
    with parallel_config("threading"):
        shared = fit(ExpBoost(base, random_state=0, n_jobs=2, **options), Xs, ys, Xt, yt)
    np.testing.assert_array_equal(alone.predict_proba(X_test), shared.predict_proba(X_test))
    other = fit(ExpBoost(base, random_state=1, **options), Xs, ys, Xt, yt)
    assert not np.array_equal(alone.predict_proba(X_test), other.predict_proba(X_test))


@pytest.mark.parametrize("cls", [ExpBoost, ExpBoostR2])
def test_folds_are_dealt_by_the_seed(cls, monkeypatch):
    Xs, ys, Xt, yt, _, _ = tasks(0)
    if cls is ExpBoostR2:
        ys, yt = [y.astype(float) for y in ys], yt.astype(float)
    dealt = []
    deal = expboost.deal_folds

    def recorded(y, n_folds, rng):
        dealt.append(deal(y, n_folds, rng).tolist())
        return np.array(dealt[-1])

    monkeypatch.setattr(expboost, "deal_folds", recorded)
    for seed in (0, 0, 1):
        fit(cls(n_estimators=2, cv=3, random_state=seed), Xs, ys, Xt, yt)
    assert dealt[0] == dealt[1] != dealt[2]
    assert sorted(np.bincount(dealt[0])) == sorted(np.bincount(np.arange(len(yt)) % 3))


class Counting(ClassifierMixin, BaseEstimator):
    """A logistic regression that counts how often it is asked."""

    asked = 0

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.inner_ = LogisticRegression().fit(X, y)
        return self

    def predict(self, X):
        Counting.asked += 1
        return self.inner_.predict(X)


def test_an_expert_that_is_taken_often_is_asked_once():
    Xs, ys, Xt, yt, X_test, _ = tasks(0)
    model = fit(ExpBoost(DEPTH_2, n_estimators=8, expert=Counting(), cv=5), Xs, ys, Xt, yt)
    assert model.expert_counts_.max() > 1
    Counting.asked = 0
    model.predict(X_test)
    list(model.staged_predict(X_test))
    assert Counting.asked == 2 * np.count_nonzero(model.expert_counts_)


def test_learners_and_experts_that_are_refused():
    Xs, ys, Xt, yt, *_ = tasks(0)
    with pytest.raises(ValueError, match="needs a classifier as its expert, but Ridge is none"):
        fit(ExpBoost(expert=Ridge()), Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="needs a classifier as its estimator, but Ridge is none"):
        fit(ExpBoost(Ridge()), Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="the expert LinearSVC has no predict_proba"):
        fit(ExpBoost(expert=LinearSVC(), voting="soft"), Xs, ys, Xt, yt)
    with pytest.raises(ValueError, match="needs a regressor as its expert, but LogisticReg"):
        fit(ExpBoostR2(expert=LogisticRegression()), *scales(0)[:4])
    neighbours = KNeighborsClassifier(3)
    with pytest.raises(ValueError, match=r"takes no sample_weight.*resample=True"):
        fit(ExpBoost(neighbours), Xs, ys, Xt, yt)
    model = fit(ExpBoost(neighbours, resample=True, random_state=0), Xs, ys, Xt, yt)
    assert model.score(Xt, yt) > 0.7
    assert fit(ExpBoost(STUMP, expert=neighbours), Xs, ys, Xt, yt).score(Xt, yt) > 0.7


def test_rows_that_both_learner_and_expert_take():
    tags = get_tags(ExpBoost(HistGradientBoostingClassifier())).input_tags
    assert tags.allow_nan and not tags.sparse
    tags = get_tags(ExpBoost(HistGradientBoostingClassifier(), expert=LOGISTIC)).input_tags
    assert not tags.allow_nan
    Xs, ys, Xt, yt, X_test, _ = tasks(0)
    dense = fit(ExpBoost(STUMP, n_estimators=5, expert=LOGISTIC), Xs, ys, Xt, yt)
    X, y, domain = stack(Xs, ys, Xt, yt)
    sparse = clone(dense).fit(sp.csr_array(X), y, sample_domain=domain)
    np.testing.assert_allclose(
        dense.predict_proba(X_test), sparse.predict_proba(sp.csr_array(X_test)), atol=1e-6
    )


class Weightless(RegressorMixin, BaseEstimator):
    """Refuses weights of a mean other than 1."""

    def fit(self, X, y, sample_weight=None):
        assert sample_weight.mean() == pytest.approx(1)
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_) + X[:, 0]


def test_base_learners_get_weights_of_mean_one():
    Xs, ys, Xt, yt, *_ = scales(0)
    model = fit(ExpBoostR2(Weightless(), expert=LINEAR, n_estimators=6), Xs, ys, Xt, yt)
    assert len(model.estimators_) > 1


def test_soft_votes_and_pickles():
    Xs, ys, Xt, yt, X_test, _ = tasks(0)
    hard = fit(ExpBoost(DEPTH_2, n_estimators=6), Xs, ys, Xt, yt)
    soft = fit(ExpBoost(DEPTH_2, n_estimators=6, voting="soft"), Xs, ys, Xt, yt)
    assert len(np.unique(soft.predict_proba(X_test))) > len(np.unique(hard.predict_proba(X_test)))
    np.testing.assert_allclose(
        soft.predict_proba(X_test),
        sum(
            vote * h.predict_proba(X_test)
            for h, vote in zip(soft.estimators_, soft.estimator_weights_)
        )
        / soft.estimator_weights_.sum(),
    )
    for model in (hard, fit(ExpBoostR2(TREE, n_estimators=4), *scales(0)[:4])):
        X = X_test[:, : model.n_features_in_]
        restored = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(model.predict(X), restored.predict(X))
        with pytest.raises(AttributeError, match="has no attribute 'source_weights_'"):
            _ = model.source_weights_
