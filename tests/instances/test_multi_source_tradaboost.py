"""MultiSourceTrAdaBoost against plain loops, by hand and at its limits."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skdtl import MultiSourceTrAdaBoost, TrAdaBoost
from skdtl.instances._multi_source import least_error

from .papers import as_published
from .several_sources import DEPTH_2, RANDOM_TREE, STUMP, angles, fitted, load, three_classes, vote

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)
MultiSourceTrAdaBoost = as_published(MultiSourceTrAdaBoost)


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
