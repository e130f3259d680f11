"""Boosting from several sources against plain loops, its limits, and data whose sources mislead."""

import pickle
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
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
from skdtl.instances._multi_source import least_error
from skdtl.instances.task_tradaboost import boost_candidates

STUMP = DecisionTreeClassifier(max_depth=1, random_state=0)
DEPTH_2 = DecisionTreeClassifier(max_depth=2, random_state=0)
RANDOM_TREE = DecisionTreeClassifier(max_depth=2, max_features=1, splitter="random")
BOTH = pytest.mark.parametrize("cls", [MultiSourceTrAdaBoost, TaskTrAdaBoost])


def angles(seed, degrees, *, n_s=100, n_t=20, noise=0.05, n_features=5, n_test=1000):
    """Return sources whose concepts deviate from the target's by these angles, and test rows.

    A number n_sources in place of the angles draws as many from 0 to 180 degrees.
    """
    rng = np.random.default_rng(seed)

    def labels(X, direction):
        y = X @ direction > 0
        return np.where(rng.random(len(y)) < noise, ~y, y).astype(int)

    concept = rng.normal(size=n_features)
    concept /= np.linalg.norm(concept)
    Xt, X_test = rng.normal(size=(n_t, n_features)), rng.normal(size=(n_test, n_features))
    yt, y_test = labels(Xt, concept), (X_test @ concept > 0).astype(int)
    Xs, ys = [], []
    for angle in [None] * degrees if isinstance(degrees, int) else degrees:
        other = rng.normal(size=n_features)
        other -= other @ concept * concept
        other /= np.linalg.norm(other)
        turn = np.deg2rad(rng.uniform(0, 180) if angle is None else angle)
        Xs.append(rng.normal(size=(n_s, n_features)))
        ys.append(labels(Xs[-1], np.cos(turn) * concept + np.sin(turn) * other))
    return Xs, ys, Xt, yt, X_test, y_test


def three_classes(seed, n_sources=3, n_s=60, n_t=50):
    """Return sources of three classes with shifted centres, and a target."""
    rng = np.random.default_rng(seed)
    sizes = [n_s + 10 * k for k in range(n_sources)] + [n_t]
    Xs, ys = [], []
    for size in sizes:
        y = rng.integers(0, 3, size=size)
        Xs.append(rng.normal(size=(size, 3)) + 1.5 * np.eye(3)[y] + rng.normal(size=3))
        ys.append(y)
    return Xs[:-1], ys[:-1], Xs[-1], ys[-1]


def load(data):
    if data == "two":
        return angles(0, [20, 70], n_s=70, n_t=40, noise=0.15)[:4]
    return three_classes(3)


def fitted(model, Xs, ys, Xt, yt):
    X, y, domain = stack(Xs, ys, Xt, yt)
    return model.fit(X, y, sample_domain=domain)


def vote(learners, votes, classes, rows):
    """Count votes one by one."""
    scores = [[0.0] * len(classes) for _ in range(len(rows))]
    for h, v in zip(learners, votes):
        for i, label in enumerate(h(rows)):
            scores[i][classes.index(label)] += v
    return np.array([classes[int(np.argmax(row))] for row in scores])


# -- MultiSourceTrAdaBoost ------------------------------------------------------------------------


def multi_transcription(Xs, ys, Xt, yt, n_rounds, initial):
    """MultiSourceTrAdaBoost in plain loops, with the paper's alphas and |h - y| of 0 or 2.

    Where candidates tie, the one that is right on more of its own source wins.
    """
    classes = sorted(set(yt.tolist()))
    K, n_sources = len(classes), len(Xs)
    n_s = sum(len(y) for y in ys)
    if initial == "domain":
        w_s = [[1 / len(y)] * len(y) for y in ys]
        w_t = [1 / len(yt)] * len(yt)
    else:
        w_s, w_t = [[1.0] * len(y) for y in ys], [1.0] * len(yt)
    alpha_s = 0.5 * np.log(1 + np.sqrt(2 * np.log(n_s) / n_rounds))
    learners, alphas, errors, sources = [], [], [], []
    for _ in range(n_rounds):
        best = None
        for k in range(n_sources):
            w = np.array(w_s[k] + w_t)
            X, y = np.concatenate([Xs[k], Xt]), np.concatenate([ys[k], yt])
            h = clone(DEPTH_2).fit(X, y, sample_weight=w / w.mean())
            error = sum(w_t[j] for j in range(len(yt)) if h.predict(Xt)[j] != yt[j]) / sum(w_t)
            own = [w_s[k][i] for i in range(len(ys[k])) if h.predict(Xs[k])[i] == ys[k][i]]
            own = sum(own) / sum(w_s[k])
            tied = best is not None and abs(error - best[0]) < 1e-9
            if best is None or (own > best[3] if tied else error < best[0]):
                best = (error, h, k + 1, own)
        error, h, k, _ = best
        if error >= 1 - 1 / K - 1e-9:
            break
        alpha = 0.5 * (np.log((1 - error) / error) + np.log(K - 1))
        for weights, X, y, rate in [
            *((w_s[k], Xs[k], ys[k], -alpha_s) for k in range(n_sources)),
            (w_t, Xt, yt, alpha),
        ]:
            for i, label in enumerate(h.predict(X)):
                weights[i] *= np.exp(rate * (2 if label != y[i] else 0))
        learners.append(h)
        alphas.append(alpha)
        errors.append(error)
        sources.append(k)
    every = np.concatenate([*w_s, w_t])
    return classes, learners, alphas, errors, sources, (every / every.mean())[:n_s]


@pytest.mark.parametrize("initial", ["domain", "uniform"])
@pytest.mark.parametrize("data", ["two", "three"])
def test_multi_source_equals_the_transcription(data, initial):
    Xs, ys, Xt, yt = load(data)
    classes, learners, alphas, errors, sources, weights = multi_transcription(
        Xs, ys, Xt, yt, 8, initial
    )
    assert len(set(sources)) > 1  # the comparison is about a choice
    assert len(sources) == 8
    model = MultiSourceTrAdaBoost(DEPTH_2, n_estimators=8, initial_weights=initial)
    fitted(model, Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.estimator_sources_, sources)
    np.testing.assert_allclose(model.estimator_errors_, errors)
    np.testing.assert_allclose(model.estimator_weights_, 2 * np.array(alphas))
    np.testing.assert_allclose(model.source_weights_, weights, rtol=1e-5)
    rows = np.concatenate([Xt + 0.3, *Xs])
    expected = vote([h.predict for h in learners], alphas, classes, rows)
    np.testing.assert_array_equal(model.predict(rows), expected)
    shares = [np.sum(np.array(alphas)[np.array(sources) == k]) for k in model.sources_]
    np.testing.assert_allclose(model.source_shares_, np.array(shares) / np.sum(alphas))


@pytest.mark.parametrize("initial", ["domain", "uniform"])
@pytest.mark.parametrize("data", ["two", "three"])
@pytest.mark.parametrize("resample", [False, True])
def test_with_one_source_it_is_tradaboost(data, initial, resample):
    Xs, ys, Xt, yt = load(data)
    options = {"n_estimators": 9, "initial_weights": initial, "random_state": 0}
    options["resample"] = resample
    many = MultiSourceTrAdaBoost(RANDOM_TREE, **options).fit(Xs[0], ys[0], Xt, yt)
    one = TrAdaBoost(RANDOM_TREE, vote="all", **options).fit(Xs[0], ys[0], Xt, yt)
    assert len(one.estimators_) > 2
    np.testing.assert_allclose(many.estimator_errors_, one.estimator_errors_)
    np.testing.assert_allclose(many.source_weights_path_, one.source_weights_path_, rtol=1e-5)
    np.testing.assert_allclose(many.predict_proba(Xs[1]), one.predict_proba(Xs[1]))
    np.testing.assert_array_equal(many.estimator_sources_, 1)


def test_first_weights():
    Xs, ys, Xt, yt = three_classes(0)
    start = {}
    for initial in ("domain", "uniform"):
        model = MultiSourceTrAdaBoost(DEPTH_2, n_estimators=1, initial_weights=initial)
        start[initial] = fitted(model, Xs, ys, Xt, yt).source_weights_path_[0]
    np.testing.assert_allclose(start["uniform"], 1)
    n = 60 + 70 + 80 + 50
    expected = np.repeat([n / 4 / 60, n / 4 / 70, n / 4 / 80], [60, 70, 80])
    np.testing.assert_allclose(start["domain"], expected, rtol=1e-6)


def test_equal_errors_are_settled_by_the_own_source():
    assert least_error(np.array([0.3, 0.1, 0.2]), None) == 1
    assert least_error(np.array([0.1, 0.3, 0.1 + 1e-12]), lambda k: [1, 9, 2][k]) == 2
    # Both learners separate the four target rows; only one source has the target's concept.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    random, alike = rng.random(200) < 0.5, X[:, 0] > 0
    Xt = np.array([[2.0, 0], [2.0, 0], [-2.0, 0], [-2.0, 0]])
    yt = Xt[:, 0] > 0
    for ys in ([random, alike], [alike, random]):
        model = MultiSourceTrAdaBoost(STUMP)
        fitted(model, [X, X], ys, Xt, yt)
        assert model.estimator_errors_ == [0]
        assert model.estimator_sources_ == [2 if ys[0] is random else 1]


def test_the_better_source_is_chosen_and_the_other_fades():
    for seed in range(4):
        Xs, ys, Xt, yt, *_ = angles(seed, [0, 150], n_t=60, noise=0.1)
        model = fitted(MultiSourceTrAdaBoost(STUMP, n_estimators=20), Xs, ys, Xt, yt)
        assert model.source_weights_[:100].mean() > 1.2 * model.source_weights_[100:].mean()


def test_source_of_the_targets_only_class_yields_no_candidate():
    rng = np.random.default_rng(0)
    Xs, Xt = [rng.normal(size=(40, 2)) for _ in range(2)], rng.normal(size=(10, 2))
    ys = [np.zeros(40, dtype=int), (Xs[1][:, 0] > 0).astype(int)]
    model = fitted(MultiSourceTrAdaBoost(LogisticRegression()), Xs, ys, Xt, np.zeros(10))
    assert set(model.estimator_sources_) <= {0, 2}


def test_contradicting_sources_leave_the_target_alone():
    rng = np.random.default_rng(0)
    Xs, Xt = [rng.normal(size=(200, 2)) for _ in range(2)], rng.normal(size=(20, 2))
    ys, yt = [X[:, 0] < 0 for X in Xs], Xt[:, 0] > 0
    model = MultiSourceTrAdaBoost(STUMP, initial_weights="uniform")
    fitted(model, Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.estimator_sources_, [0])
    np.testing.assert_array_equal(model.source_shares_, [0, 0])
    np.testing.assert_array_equal(model.source_weights_, np.zeros(400))
    np.testing.assert_array_equal(model.predict(Xt), yt)


# -- TaskTrAdaBoost -------------------------------------------------------------------------------


def task_transcription(Xs, ys, Xt, yt, n_rounds, gamma):
    """TaskTrAdaBoost in plain loops; where candidates tie, the greater alpha of phase I wins."""
    classes = sorted(set(yt.tolist()))
    K = len(classes)
    candidates = []
    for source, (X, y) in enumerate(zip(Xs, ys), start=1):
        w = np.ones(len(y))
        for _ in range(n_rounds):
            h = clone(DEPTH_2).fit(X, y, sample_weight=w / w.mean())
            wrong = h.predict(X) != y
            error = w[wrong].sum() / w.sum()
            if error >= 1 - 1 / K - 1e-9:
                break
            alpha = 0.5 * (np.log((1 - error) / error) + np.log(K - 1))
            if alpha > gamma:
                candidates.append((h, source, alpha))
            w = np.where(wrong, w * np.exp(2 * alpha), w)
    w = [1.0] * len(yt)
    chosen = []
    for _ in range(n_rounds):
        best = None
        for number, (h, source, alpha) in enumerate(candidates):
            predicted = h.predict(Xt)
            error = sum(w[j] for j in range(len(yt)) if predicted[j] != yt[j]) / sum(w)
            flip = K == 2 and error > 0.5
            if flip:
                error = 1 - error
            better = best is None or error < best[0] - 1e-9
            if better or (error < best[0] + 1e-9 and alpha > best[4]):
                best = (error, number, flip, source, alpha)
        if best is None or best[0] >= 1 - 1 / K - 1e-9:
            break
        error, number, flip, source, _ = best
        h = candidates.pop(number)[0]

        def predict(X, h=h, flip=flip):
            return [classes[1 - classes.index(c)] if flip else c for c in h.predict(X)]

        alpha = 0.5 * (np.log((1 - error) / error) + np.log(K - 1))
        for j, label in enumerate(predict(Xt)):
            right = label == yt[j]
            w[j] *= np.exp(-alpha) if right else np.exp(alpha)
        chosen.append((predict, alpha, error, source, flip))
    return classes, chosen


@pytest.mark.parametrize("gamma", [0.0, 0.45])
@pytest.mark.parametrize("data", ["two", "three", "contrary"])
def test_task_equals_the_transcription(data, gamma):
    if data == "contrary":
        Xs, ys, Xt, yt = angles(0, [60, 150], n_s=70, n_t=40, noise=0.15)[:4]
    else:
        Xs, ys, Xt, yt = load(data)
    classes, chosen = task_transcription(Xs, ys, Xt, yt, 8, gamma)
    assert len(chosen) >= 5
    model = fitted(TaskTrAdaBoost(DEPTH_2, n_estimators=8, gamma=gamma), Xs, ys, Xt, yt)
    predict, alphas, errors, sources, flips = zip(*chosen)
    assert len(set(sources)) > 1
    assert any(flips) == (data != "three")
    np.testing.assert_array_equal(model.estimator_sources_, sources)
    np.testing.assert_array_equal(model.estimator_opposites_, flips)
    np.testing.assert_allclose(model.estimator_errors_, errors)
    np.testing.assert_allclose(model.estimator_weights_, 2 * np.array(alphas))
    rows = np.concatenate([Xt + 0.3, *Xs])
    np.testing.assert_array_equal(model.predict(rows), vote(predict, alphas, classes, rows))
    assert len(model.candidates_) < len(Xs) * 8 or gamma == 0
    assert (model.candidate_weights_ > 2 * gamma).all()


def test_candidates_are_taken_once_by_hand():
    wrong = np.array(
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 0, 1, 1, 1, 0],
            [0, 1, 1, 1, 1, 1],
        ],
        dtype=bool,
    )
    # The opposite of the last one is wrong on row 0 alone, as the first one is: the tie goes to the
    # greater preference. Then row 0 weighs 5, the others 1: of total 10, the first has error 1/2.
    ensemble = boost_candidates(wrong, 2, 2, np.array([1, 1, 1, 2]))
    assert ensemble.learners == [(3, True), (1, False)]
    np.testing.assert_allclose(ensemble.errors, [1 / 6, 2 / 10])
    np.testing.assert_allclose(ensemble.votes, np.log([5, 4]))
    assert boost_candidates(wrong, 2, 2, np.array([2, 1, 1, 1])).learners[0] == (0, False)
    # Three classes: no opposites. Rows weigh 1; then row 0 10; then rows 1 and 2 too.
    ensemble = boost_candidates(wrong, 9, 3)
    assert ensemble.learners[:2] == [(0, False), (1, False)]
    assert not any(opposite for _, opposite in ensemble.learners)
    assert sorted({k for k, _ in ensemble.learners}) == sorted(k for k, _ in ensemble.learners)


def test_fit_target_equals_a_full_fit():
    for data in ("two", "three"):
        Xs, ys, Xt, yt = load(data)
        X_other, y_other = Xs[0][:30] + 0.2, (ys[0][:30] + 1) % len(set(yt.tolist()))
        for options in ({}, {"gamma": 50.0}, {"resample": True}):
            model = TaskTrAdaBoost(RANDOM_TREE, n_estimators=6, random_state=0, **options)
            with pytest.warns(UserWarning) if "gamma" in options else nullcontext():
                fitted(model, Xs, ys, Xt, yt)
            pool, rows = model.candidates_, np.concatenate(Xs)
            before = model.predict_proba(rows)
            assert model.fit_target(X_other, y_other) is model
            assert model.candidates_ is pool
            assert not np.array_equal(before, model.predict_proba(rows))
            with pytest.warns(UserWarning) if "gamma" in options else nullcontext():
                full = fitted(clone(model), Xs, ys, X_other, y_other)
            np.testing.assert_array_equal(model.predict_proba(rows), full.predict_proba(rows))
            np.testing.assert_array_equal(model.estimator_errors_, full.estimator_errors_)
            np.testing.assert_array_equal(model.source_shares_, full.source_shares_)
            model.fit_target(Xt, yt)
            np.testing.assert_array_equal(before, model.predict_proba(rows))


def test_fit_target_validates_like_fit():
    Xs, ys, Xt, yt = load("two")
    names = np.array(["well", "ill"])
    columns = list("abcde")
    frames = [pd.DataFrame(X, columns=columns) for X in (*Xs, Xt)]
    model = TaskTrAdaBoost(STUMP, n_estimators=6)
    with pytest.raises(NotFittedError):
        model.fit_target(frames[-1], names[yt])
    fitted(model, frames[:-1], [names[y] for y in ys], frames[-1], names[yt])
    attributes, expected = dict(vars(model)), model.predict_proba(frames[-1])
    holes = frames[-1].copy()
    holes.iloc[0, 0] = np.inf
    for X, y, pattern in [
        (frames[-1].iloc[:, :4], names[yt], "Xt has 4 features, but Xs has 5"),
        (frames[-1][columns[::-1]], names[yt], "Xt has the column 'e' where Xs has 'a'"),
        (holes, names[yt], "Input Xt contains infinity"),
        (frames[-1], names[yt][1:], "Xt has 40 rows, but yt has 39 labels"),
        (frames[-1], np.full(40, "new"), r"yt has the classes \['new'\], but ys has only"),
        (frames[-1], None, "no target row has one"),
        (frames[-1], np.full(40, None), "no target row has one"),
        (None, names[yt], "Xt is None"),
    ]:
        with pytest.raises(ValueError, match=pattern):
            model.fit_target(X, y)
        assert vars(model).keys() == attributes.keys()
        kept = [name for name in attributes if name != "classes_"]
        assert all(vars(model)[name] is attributes[name] for name in kept)
        np.testing.assert_array_equal(model.predict_proba(frames[-1]), expected)
    with pytest.raises(ValueError, match="'n_estimators' of TaskTrAdaBoost must be"):
        model.set_params(n_estimators=0).fit_target(frames[-1], names[yt])
    model.set_params(n_estimators=6)
    few = pd.Series(names[yt]).where(np.arange(40) < 15)
    part = fitted(clone(model), frames[:-1], [names[y] for y in ys], frames[-1], few)
    model.fit_target(frames[-1], few)
    np.testing.assert_array_equal(model.predict_proba(frames[0]), part.predict_proba(frames[0]))
    again = model.fit_target(frames[-1].iloc[:15], names[yt[:15]]).predict_proba(frames[0])
    np.testing.assert_array_equal(again, part.predict_proba(frames[0]))
    minus = np.where(np.arange(40) < 15, yt, -1)
    fitted(model, frames[:-1], ys, frames[-1], yt).fit_target(frames[-1], minus)
    np.testing.assert_array_equal(model.predict_proba(frames[0]), again[:, ::-1])


def test_gamma_above_all_votes_leaves_the_target_alone():
    Xs, ys, Xt, yt, X_test, _ = angles(0, [0, 90])
    model = TaskTrAdaBoost(STUMP, gamma=50.0)
    with pytest.warns(UserWarning, match=r"vote above gamma=50\.0 on its source"):
        fitted(model, Xs, ys, Xt, yt)
    assert model.candidates_ == []
    np.testing.assert_array_equal(model.estimator_sources_, [0])
    np.testing.assert_array_equal(model.source_shares_, [0, 0])
    alone = clone(STUMP).fit(Xt, yt)
    np.testing.assert_array_equal(model.predict(X_test), alone.predict(X_test))
    # Logistic regression can't be fitted to one class.
    model.set_params(estimator=LogisticRegression())
    model.fit_target(Xt, np.ones(len(Xt), dtype=int))
    np.testing.assert_array_equal(model.predict(X_test), 1)


def test_candidates_at_chance_leave_the_target_alone():
    X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]] * 10)
    first, second = X[:, 0].astype(int), X[:, 1].astype(int)
    model = fitted(TaskTrAdaBoost(STUMP), [X, X], [first, first], X, second)
    np.testing.assert_array_equal(model.estimator_sources_, [0])
    np.testing.assert_array_equal(model.predict(X), second)


def test_opposites_use_a_source_that_says_the_contrary():
    Xs, ys, Xt, yt, X_test, y_test = angles(0, [180, 90], n_s=300, noise=0.0)
    model = fitted(TaskTrAdaBoost(LogisticRegression()), Xs, ys, Xt, yt)
    assert model.estimator_opposites_[0]
    assert model.score(X_test, y_test) > 0.95
    assert model.source_shares_[0] > 0.5


def test_source_of_one_class_yields_no_candidate():
    Xs, ys, Xt, yt, *_ = angles(0, [0, 30])
    ys[0][:] = 1
    model = fitted(TaskTrAdaBoost(LogisticRegression()), Xs, ys, Xt, yt)
    assert set(model.candidate_sources_) == {2}
    np.testing.assert_array_equal(model.sources_, [1, 2])
    np.testing.assert_array_equal(model.source_shares_, [0, 1])


def test_task_has_no_source_weights():
    Xs, ys, Xt, yt = load("two")
    model = fitted(TaskTrAdaBoost(STUMP, n_estimators=3), Xs, ys, Xt, yt)
    with pytest.raises(AttributeError, match="'TaskTrAdaBoost' object has no attribute"):
        _ = model.source_weights_


def test_task_pickle_still_adapts():
    Xs, ys, Xt, yt, X_test, _ = angles(0, [60, 150], noise=0.1)
    model = fitted(TaskTrAdaBoost(STUMP, n_estimators=10), Xs, ys, Xt, yt)
    assert model.estimator_opposites_.any()
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X_test), restored.predict_proba(X_test))
    np.testing.assert_array_equal(
        model.fit_target(Xs[0], ys[0]).predict_proba(X_test),
        restored.fit_target(Xs[0], ys[0]).predict_proba(X_test),
    )


# -- both -----------------------------------------------------------------------------------------


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
