"""TaskTrAdaBoost against plain loops, by hand and at its limits."""

import pickle
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skdtl import TaskTrAdaBoost
from skdtl.instances._boosting_rounds import gather
from skdtl.instances.task_tradaboost import candidate_rounds

from .papers import as_published
from .several_sources import DEPTH_2, RANDOM_TREE, STUMP, angles, fitted, load, vote

# What ends the rounds early has tests of its own.
TaskTrAdaBoost = as_published(TaskTrAdaBoost)


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
    ensemble = gather(candidate_rounds(wrong, 2, 2, np.array([1, 1, 1, 2])), 2)
    assert ensemble.learners == [(3, True), (1, False)]
    np.testing.assert_allclose(ensemble.errors, [1 / 6, 2 / 10])
    np.testing.assert_allclose(ensemble.votes, np.log([5, 4]))
    assert next(candidate_rounds(wrong, 2, 2, np.array([2, 1, 1, 1]))).learner == (0, False)
    # Three classes: no opposites. Rows weigh 1; then row 0 10; then rows 1 and 2 too.
    ensemble = gather(candidate_rounds(wrong, 9, 3), 9)
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
