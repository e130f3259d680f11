"""MTLF against slow transcriptions, optimality conditions, its halves, and data it is made for."""

from __future__ import annotations

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from skdtl import MTLF, MTLFRegressor, NoTargetWarning
from skdtl.instances._metric import (
    Pairs,
    crowding,
    label_width,
    learn_metric_and_weights,
    metric_step,
    mtlf_objective,
    neighbour_pairs,
    project_to_simplex,
    vote_factors,
    weight_step,
)
from skdtl.instances.lsif import rulsif_weights

OPTIONS = {"lam": 2.0, "beta": 0.7, "margin": 1.8}


def noisy(seed, kind, n_source=300, n_labelled=40, n_target=400, wrong=0.3):
    """Two informative features, loud nuisance, and a part of the source with other labels."""
    rng = np.random.default_rng(seed)
    scales = [1, 1, 4, 4, 4, 4] if kind == "classes" else [1, 1, 4, 4]

    def draw(n):
        X = rng.normal(size=(n, len(scales))) * scales
        if kind == "numbers":
            return X, 3 * X[:, 0] + np.sin(2 * X[:, 1]) + rng.normal(scale=0.2, size=n)
        y = rng.integers(0, 2, size=n)
        X[:, 0] += np.where(y, 2.0, -2.0)
        return X, y

    (Xs, ys), (Xt, yt) = draw(n_source), draw(n_target)
    bad = rng.random(n_source) < wrong
    ys = np.where(bad, 1 - ys if kind == "classes" else -ys, ys)
    some = np.where(np.arange(n_target) < n_labelled, yt, np.nan)
    return Xs, ys, Xt, some, yt, bad


def problem(seed=0, n_source=30, n_target=8, d=3, within_source=False):
    """Return rows, initial weights and pairs of a small problem."""
    rng = np.random.default_rng(seed)
    n = n_source + n_target
    y = rng.integers(0, 3, size=n)
    Z = rng.normal(size=(n, d)) + y[:, None] * np.eye(d)[0]
    anchors = np.arange(n if within_source else n_source, n)
    anchors = np.arange(n_source) if within_source else anchors
    pairs = neighbour_pairs(Z, anchors, lambda some: y[some][:, None] == y, 4)
    initial = rng.uniform(0.2, 2, size=n_source)
    return Z, initial / initial.mean(), pairs


def number_of(pairs):
    return {kind: np.sum(pairs.like == kind) for kind in (True, False)}


def slow_objective(Z, A, weights, initial, pairs, lam, beta, margin):
    d, n_source = Z.shape[1], len(initial)
    M = A.T @ A
    value = (np.trace(M) - np.log(np.linalg.det(M)) - d) / d
    value += lam * sum((w - w0) ** 2 for w, w0 in zip(weights, initial)) / n_source
    number = number_of(pairs)
    for i, j, like in zip(pairs.first, pairs.second, pairs.like):
        distance = (Z[i] - Z[j]) @ M @ (Z[i] - Z[j])
        cost = distance - 1 if like else max(0, margin - distance) ** 2
        value += beta * weights[i] * weights[j] * cost / number[like]
    return value


def metric_gradient(Z, A, weights, pairs, beta, margin):
    """Return the objective's gradient in M = AᵀA, pair by pair."""
    d = Z.shape[1]
    M = A.T @ A
    gradient = (np.eye(d) - np.linalg.inv(M)) / d
    number = number_of(pairs)
    for i, j, like in zip(pairs.first, pairs.second, pairs.like):
        v = Z[i] - Z[j]
        slope = 1.0 if like else -2 * max(0, margin - v @ M @ v)
        gradient += beta * weights[i] * weights[j] * slope * np.outer(v, v) / number[like]
    return gradient


def weight_gradient(Z, A, weights, initial, pairs, lam, beta, margin):
    """Return the objective's gradient in the source rows' weights, pair by pair."""
    n_source = len(initial)
    gradient = np.zeros(len(Z))
    gradient[:n_source] = 2 * lam * (weights[:n_source] - initial) / n_source
    number = number_of(pairs)
    for i, j, like in zip(pairs.first, pairs.second, pairs.like):
        distance = np.sum((A @ (Z[i] - Z[j])) ** 2)
        cost = distance - 1 if like else max(0, margin - distance) ** 2
        gradient[i] += beta * weights[j] * cost / number[like]
        gradient[j] += beta * weights[i] * cost / number[like]
    return gradient[:n_source]


def assert_stationary_on_simplex(weights, gradient, tol):
    """Check that the gradient is one number where a weight is positive, and no less elsewhere."""
    assert weights.mean() == pytest.approx(1)
    assert weights.min() >= 0
    level = gradient[weights > 1e-9].mean()
    np.testing.assert_allclose(gradient[weights > 1e-9], level, atol=tol)
    assert (gradient >= level - tol).all()


# -- the steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("within_source", [False, True])
def test_objective_equals_its_transcription(within_source):
    rng = np.random.default_rng(1)
    Z, initial, pairs = problem(within_source=within_source)
    weights = np.concatenate([rng.permutation(initial), np.ones(8)])
    A = rng.normal(size=(3, 3))
    found = mtlf_objective(Z, A, weights, initial, pairs, **OPTIONS)
    assert found == pytest.approx(slow_objective(Z, A, weights, initial, pairs, **OPTIONS))
    start = mtlf_objective(Z, np.eye(3), np.r_[initial, np.ones(8)], initial, pairs, **OPTIONS)
    without = mtlf_objective(
        Z, np.eye(3), np.r_[initial, np.ones(8)], initial, pairs, lam=2.0, beta=0.0, margin=1.8
    )
    assert without == 0
    assert start != 0


def test_pairs_are_the_nearest_rows_of_each_kind():
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(20, 2)), rng.integers(0, 2, size=20)
    y[19] = 2  # the only row of its class has no like row
    anchors = np.array([3, 11, 19])
    pairs = neighbour_pairs(Z, anchors, lambda some: y[some][:, None] == y, 5)
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.like.tolist()))
    expected = set()
    for a in anchors.tolist():
        near = sorted((r for r in range(20) if r != a), key=lambda r: np.sum((Z[a] - Z[r]) ** 2))
        expected |= {(a, r, True) for r in [r for r in near if y[r] == y[a]][:5]}
        expected |= {(a, r, False) for r in [r for r in near if y[r] != y[a]][:5]}
    assert found == expected
    assert len(pairs.first) == len(expected) == 25
    np.testing.assert_allclose(pairs.share[pairs.like], 1 / 10)
    np.testing.assert_allclose(pairs.share[~pairs.like], 1 / 15)


@pytest.mark.parametrize("within_source", [False, True])
def test_metric_step_is_optimal_from_any_start(within_source):
    rng = np.random.default_rng(1)
    Z, initial, pairs = problem(within_source=within_source)
    weights = np.concatenate([initial, np.ones(8)])
    weights[:3] = 0
    found = []
    for start in (np.eye(3), rng.normal(size=(3, 3))):
        A = metric_step(Z, start, weights, pairs, beta=0.7, margin=1.8)
        np.testing.assert_allclose(
            metric_gradient(Z, A, weights, pairs, 0.7, 1.8), np.zeros((3, 3)), atol=1e-5
        )
        found.append(A.T @ A)
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    assert np.abs(found[0] - np.eye(3)).max() > 0.2


def test_metric_step_with_like_pairs_alone_has_a_closed_form():
    Z, initial, pairs = problem()
    weights = np.concatenate([initial, np.ones(8)])
    A = metric_step(Z, np.eye(3), weights, pairs, beta=0.7, margin=0.0)
    V = (Z[pairs.first] - Z[pairs.second])[pairs.like]
    S = (V.T * pairs.weights(weights)[pairs.like]) @ V
    np.testing.assert_allclose(A.T @ A, np.linalg.inv(np.eye(3) + 3 * 0.7 * S), atol=1e-5)


@pytest.mark.parametrize("within_source", [False, True])
@pytest.mark.parametrize("lam", [0.3, 3.0])
def test_weight_step_is_optimal(within_source, lam):
    Z, initial, pairs = problem(within_source=within_source)
    start = np.concatenate([initial, np.ones(8)])
    costs = np.random.default_rng(0).normal(size=len(pairs.first))

    def objective(w):
        w = np.concatenate([w, np.ones(8)])
        return lam * np.mean((w[:30] - initial) ** 2) + 0.7 * pairs.weights(w) @ costs

    weights = weight_step(start, initial, pairs, costs, lam=lam, beta=0.7)
    np.testing.assert_array_equal(weights[30:], 1)
    weights = weights[:30]
    gradient = np.array(
        [(objective(weights + e) - objective(weights - e)) / 2e-4 for e in 1e-4 * np.eye(30)]
    )
    assert_stationary_on_simplex(weights, gradient, 1e-6)
    assert objective(weights) < objective(initial)
    assert lam > 1 or (weights == 0).any()
    if not within_source:  # convex: a general solver finds the same
        found = minimize(
            objective,
            initial,
            method="SLSQP",
            bounds=[(0, None)] * 30,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 30},
            options={"ftol": 1e-12, "maxiter": 500},
        )
        np.testing.assert_allclose(weights, found.x, atol=1e-3)


def test_projection():
    np.testing.assert_allclose(project_to_simplex(np.array([3.0, 1, -5]), 2), [2, 0, 0])
    np.testing.assert_allclose(project_to_simplex(np.array([1e9, 1e9]), 3), [1.5, 1.5])
    point = np.random.default_rng(0).normal(size=50)
    projected = project_to_simplex(point, 10)
    shift = (point - projected)[projected > 0]
    assert projected.sum() == pytest.approx(10)
    np.testing.assert_allclose(shift, shift[0])
    assert (point[projected == 0] <= shift[0]).all()


@pytest.mark.parametrize("within_source", [False, True])
def test_alternation_falls_to_a_stationary_point_of_both(within_source):
    Z, initial, pairs = problem(n_source=40, within_source=within_source)
    A, weights, path, converged = learn_metric_and_weights(
        Z, initial, pairs, **OPTIONS, tol=1e-12, max_iter=500
    )
    assert converged
    assert len(path) > 4  # one round is not enough
    assert all(after <= before + 1e-12 for before, after in pairwise(path))
    everyone = np.concatenate([weights, np.ones(8)])
    assert path[-1] == pytest.approx(slow_objective(Z, A, everyone, initial, pairs, **OPTIONS))
    np.testing.assert_allclose(
        metric_gradient(Z, A, everyone, pairs, 0.7, 1.8), np.zeros((3, 3)), atol=1e-4
    )
    gradient = weight_gradient(Z, A, everyone, initial, pairs, **OPTIONS)
    assert_stationary_on_simplex(weights, gradient, 1e-4)
    assert np.abs(weights - initial).max() > 0.05


def test_halves_move_one_block_alone():
    Z, initial, pairs = problem()
    start = np.concatenate([initial, np.ones(8)])
    A, weights, path, _ = learn_metric_and_weights(Z, initial, pairs, **OPTIONS, learn="metric")
    np.testing.assert_array_equal(weights, initial)
    np.testing.assert_allclose(A, metric_step(Z, np.eye(3), start, pairs, beta=0.7, margin=1.8))
    assert len(path) == 2
    A, weights, path, _ = learn_metric_and_weights(Z, initial, pairs, **OPTIONS, learn="weights")
    np.testing.assert_array_equal(A, np.eye(3))
    assert np.abs(weights - initial).max() > 0.05
    assert path[1] < path[0]


def test_vote_factors_follow_what_the_labels_moved():
    factors = vote_factors(np.array([1.0, 0.5, 3, 0, 0.2]), np.array([1.0, 1, 1, 0.1, 2]))
    np.testing.assert_allclose(factors, [1, 0.5, 3, 0, 0])


def test_crowding_sums_what_unlike_target_rows_cost():
    rng = np.random.default_rng(0)
    Z, y = 2 * rng.normal(size=(30, 2)), rng.integers(0, 3, size=30)
    expected = np.zeros(20)
    for i in range(20):
        for j in range(20, 30):
            if y[i] != y[j]:
                expected[i] += max(0, 1.5 - np.sum((Z[i] - Z[j]) ** 2)) ** 2
    assert (expected == 0).any()
    found = crowding(Z, 20, lambda some: y[some][:, None] == y, 1.5)
    np.testing.assert_allclose(found, expected / expected.mean())
    for margin, labels in ((0.0, y), (1.5, np.zeros(30))):  # none close, none unlike
        none = crowding(Z, 20, lambda some, a=labels: a[some][:, None] == a, margin)
        np.testing.assert_array_equal(none, 1)


def test_label_width():
    anchors, labels = np.array([0.0, 1]), np.array([0.0, 1, 4])
    assert label_width(anchors, labels, 0.5) == 1  # of 0, 1, 4, 1, 0, 3
    many = np.random.default_rng(0).normal(size=1500)
    whole = label_width(many, many, 0.3, max_anchors=1500)
    some = label_width(many, many, 0.3, max_anchors=200)
    assert some == pytest.approx(whole, rel=0.02)
    # Whatever order they come in.
    assert label_width(many[::-1], many, 0.3, max_anchors=200) == some
    assert label_width(np.sort(many), many, 0.3, max_anchors=200) == some


# -- the estimators -------------------------------------------------------------------------------


def reference_fit(model, Xs, ys, Xt, some):
    """Return rows, initial weights, pairs and factor of scale as the definition has them."""
    known = ~np.isnan(some)
    Z = np.concatenate([Xs, Xt[known]])
    y = np.concatenate([ys, some[known]])
    n_source, k = len(Xs), model.n_pairs
    initial = np.ones(n_source)
    if model.alpha < 1:
        initial = rulsif_weights(Xs, Xt, alpha=model.alpha, random_state=0)
        initial = initial / initial.mean()
    anchors = range(n_source, len(Z)) if known.any() else range(n_source)
    differences = np.abs(y[list(anchors)][:, None] - y)
    width = np.quantile(differences, model.alike) if hasattr(model, "alike") else 0
    lists = {True: [], False: []}
    for a in anchors:
        near = np.argsort(((Z - Z[a]) ** 2).sum(axis=1), kind="stable")
        near = near[near != a]
        likes = np.abs(y[near] - y[a]) <= width
        lists[True] += [(a, r) for r in near[likes][:k]]
        lists[False] += [(a, r) for r in near[~likes][:k]]
    numbers = np.array(lists[True] + lists[False])
    like = np.arange(len(numbers)) < len(lists[True])
    share = np.where(like, 1 / like.sum(), 1 / (~like).sum())
    pairs = Pairs(numbers[:, 0], numbers[:, 1], like, share)
    V = (Z[pairs.first] - Z[pairs.second])[like]
    unit = np.sqrt((V**2).sum(axis=1).mean())
    close = np.zeros(n_source)
    for i in range(n_source):
        for j in range(n_source, len(Z)):
            if np.abs(y[i] - y[j]) > width:
                close[i] += max(0, model.margin - np.sum((Z[i] - Z[j]) ** 2) / unit**2) ** 2
    held_at = initial - model.gamma * (close / close.mean() - 1) if known.any() else initial
    return Z, y, initial, held_at, pairs, unit


CASES = [
    (cls, kind, some_labels, alpha)
    for cls, kind in ((MTLF, "classes"), (MTLFRegressor, "numbers"))
    for some_labels, alpha in ((True, 0.5), (True, 1.0), (False, 0.5))
]


@pytest.mark.parametrize("cls, kind, some_labels, alpha", CASES)
def test_fit_and_prediction_follow_the_definition(cls, kind, some_labels, alpha):
    Xs, ys, Xt, some, _, _ = noisy(0, kind, n_source=60, n_labelled=15, n_target=50)
    Xs[:, 1] -= 0.5  # so that the density ratio is not flat
    if not some_labels:
        some[:] = np.nan
    model = cls(3, alpha=alpha, n_pairs=6, **OPTIONS, tol=1e-9, max_iter=300, random_state=0)
    model.set_params(gamma=0.04).fit(Xs, ys, Xt, some)
    Z, y, initial, held_at, pairs, unit = reference_fit(model, Xs, ys, Xt, some)
    assert held_at.min() > 0
    assert some_labels == (np.abs(held_at - initial).max() > 0.02)
    everyone = np.concatenate([model.source_weights_, np.ones(len(Z) - 60)])
    A = model.components_ * unit
    assert model.objective_path_[-1] == pytest.approx(
        slow_objective(Z / unit, A, everyone, held_at, pairs, **OPTIONS)
    )
    gradient = metric_gradient(Z / unit, A, everyone, pairs, 0.7, 1.8)
    np.testing.assert_allclose(gradient, np.zeros_like(gradient), atol=1e-3)
    gradient = weight_gradient(Z / unit, A, everyone, held_at, pairs, **OPTIONS)
    assert_stationary_on_simplex(model.source_weights_, gradient, 1e-3)
    assert np.abs(model.source_weights_ - initial).max() > 0.1
    assert np.abs(A.T @ A - np.eye(len(A))).max() > 0.1
    assert len(model.objective_path_) == model.n_iter_ + 1 > 2

    factors = np.ones(len(Z))
    for i, (w, w0) in enumerate(zip(model.source_weights_, initial)):
        factors[i] = max(1 + w - w0, 0) if w > 0 else 0
    for row, predicted in zip(Xt, model.predict(Xt)):
        keys = [
            np.sum((model.components_ @ (row - z)) ** 2) / f if f > 0 else np.inf
            for z, f in zip(Z, factors)
        ]
        nearest = y[np.argsort(keys)[:3]]
        expected = nearest.mean() if kind == "numbers" else float(nearest.mean() > 0.5)
        assert predicted == pytest.approx(expected)
    if kind == "classes":
        proba = model.predict_proba(Xt)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        assert set(np.round(3 * proba.ravel(), 9)) == {0, 1, 2, 3}
        np.testing.assert_array_equal(proba[:, 1] > 0.5, model.predict(Xt) == 1)


@pytest.mark.parametrize("cls, kind", [(MTLF, "classes"), (MTLFRegressor, "numbers")])
def test_beta_0_is_nearest_neighbours_on_the_pooled_rows(cls, kind):
    Xs, ys, Xt, some, _, _ = noisy(0, kind)
    plain = KNeighborsClassifier(3) if kind == "classes" else KNeighborsRegressor(3)
    plain.fit(np.concatenate([Xs, Xt[:40]]), np.concatenate([ys, some[:40]]))
    for alpha in (0.0, 0.5, 1.0):
        model = cls(3, beta=0, gamma=0, alpha=alpha, random_state=0).fit(Xs, ys, Xt, some)
        np.testing.assert_allclose(model.predict(Xt), plain.predict(Xt))
        assert model.n_iter_ == 0
        assert (model.source_weights_.std() > 0.01) == (alpha < 1)


def test_a_large_lam_leaves_the_metric_alone_to_be_learnt():
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    held = MTLF(lam=1e9, gamma=0, alpha=0.5, random_state=0).fit(Xs, ys, Xt, some)
    metric = MTLF(learn="metric", alpha=0.5, random_state=0).fit(Xs, ys, Xt, some)
    np.testing.assert_allclose(held.source_weights_, metric.source_weights_, atol=1e-5)
    np.testing.assert_allclose(
        held.components_.T @ held.components_, metric.components_.T @ metric.components_, atol=1e-3
    )
    small = MTLF(lam=0.5, gamma=0, alpha=0.5, random_state=0).fit(Xs, ys, Xt, some)
    assert np.abs(small.source_weights_ - metric.source_weights_).max() > 0.3


@pytest.mark.parametrize("cls, kind", [(MTLF, "classes"), (MTLFRegressor, "numbers")])
def test_gamma_takes_weight_from_rows_close_to_unlike_target_rows(cls, kind):
    Xs, ys, Xt, some, _, _ = noisy(0, kind)
    fits = {}
    for gamma in (0, 0.02, 5.0):
        model = cls(lam=1e9, alpha=0.5, gamma=gamma, random_state=0)
        fits[gamma] = model.fit(Xs, ys, Xt, some)
    _, _, initial, held_at, _, _ = reference_fit(fits[0.02], Xs, ys, Xt, some)
    assert held_at.min() > 0
    np.testing.assert_allclose(fits[0].source_weights_, initial, atol=1e-6)
    np.testing.assert_allclose(fits[0.02].source_weights_, held_at, atol=1e-6)
    assert np.abs(held_at - initial).max() > 0.01
    weights = fits[5.0].source_weights_  # as much as the constraints allow
    _, _, _, held_at, _, _ = reference_fit(fits[5.0], Xs, ys, Xt, some)
    assert (weights == 0).any()
    assert_stationary_on_simplex(weights, weights - held_at, 1e-6)
    assert np.abs(fits[5.0].objective_path_).max() < 100  # held at weights that they can have
    metric = cls(learn="metric", alpha=0.5, random_state=0).fit(Xs, ys, Xt, some)
    np.testing.assert_allclose(metric.source_weights_, initial)


def test_learning_weights_alone_leaves_distances_alone():
    Xs, ys, Xt, some, _, bad = noisy(0, "classes")
    model = MTLF(learn="weights", lam=1, random_state=0).fit(Xs, ys, Xt, some)
    M = model.components_.T @ model.components_
    np.testing.assert_allclose(M, M[0, 0] * np.eye(6), atol=1e-9)
    assert model.source_weights_[bad].mean() < 0.9 * model.source_weights_[~bad].mean()


@pytest.mark.parametrize("cls, kind", [(MTLF, "classes"), (MTLFRegressor, "numbers")])
def test_units_and_origin_do_not_matter(cls, kind):
    Xs, ys, Xt, some, _, _ = noisy(0, kind)
    model = cls(random_state=0).fit(Xs, ys, Xt, some)
    moved = cls(random_state=0).fit(1e3 * Xs + 1e5, ys, 1e3 * Xt + 1e5, some)
    np.testing.assert_allclose(moved.source_weights_, model.source_weights_, atol=1e-3)
    np.testing.assert_allclose(1e3 * moved.components_, model.components_, atol=1e-3)
    same = np.isclose(moved.predict(1e3 * Xt + 1e5), model.predict(Xt))
    assert same.mean() > 0.99
    if kind == "numbers":
        other = cls(random_state=0).fit(Xs, 7 * ys + 5, Xt, 7 * some + 5)
        np.testing.assert_allclose(other.predict(Xt), 7 * model.predict(Xt) + 5)


def test_components_are_ordered_and_of_fixed_sign():
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    C = MTLF(random_state=0).fit(Xs, ys, Xt, some).components_
    gram = C @ C.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-9)
    assert (np.diff(np.diag(gram)) <= 0).all()
    assert (C[np.arange(6), np.abs(C).argmax(axis=1)] > 0).all()
    assert np.abs(C[0]).argmax() == 0  # the feature that tells the classes apart


@pytest.mark.parametrize("n_features, rows", [(30, "dense"), (30, "sparse"), (1200, "sparse")])
def test_many_features_are_brought_to_principal_components(n_features, rows):
    rng = np.random.default_rng(0)
    ys, yt = rng.integers(0, 2, size=80), rng.integers(0, 2, size=60)
    mixing = rng.normal(size=(5, n_features))
    Xs, Xt = rng.normal(size=(80, 5)), rng.normal(size=(60, 5))
    Xs[:, 4] *= 0.01  # only the target varies in this direction
    Xs[:, 0] += 3 * ys
    Xt[:, 0] += 3 * yt
    Xs, Xt = (X @ mixing + 0.1 * rng.normal(size=(len(X), n_features)) for X in (Xs, Xt))
    some = np.where(np.arange(60) < 20, yt, -1)
    options = {"alpha": 0.5, "random_state": 0}
    make = sp.csr_array if rows == "sparse" else np.asarray
    model = MTLF(n_components=5, **options).fit(make(Xs), ys, make(Xt), some)
    assert model.components_.shape == (5, n_features)
    assert model.n_components_ == 5
    assert model.transform(make(Xt)).shape == (60, 5)
    # The components are those of the rows of both domains, unlabelled ones included.
    pca = PCA(5).fit(np.concatenate([Xs, Xt]))
    alone = MTLF(n_components=5, **options).fit(pca.transform(Xs), ys, pca.transform(Xt), some)
    np.testing.assert_allclose(model.source_weights_, alone.source_weights_, atol=1e-4)
    np.testing.assert_array_equal(model.predict(make(Xt)), alone.predict(pca.transform(Xt)))
    assert model.score(make(Xt[20:]), yt[20:]) > 0.8


def test_fewer_rows_than_components_and_many_features():
    rng = np.random.default_rng(0)
    Xs, Xt, ys = rng.normal(size=(8, 1100)), rng.normal(size=(6, 1100)), np.arange(8) % 2
    model = MTLF(random_state=0).fit(Xs, ys, Xt)
    assert model.n_components_ == 13  # a direction less than rows
    assert model.predict(Xt).shape == (6,)


def test_one_row_of_too_many_features():
    with (
        pytest.warns(NoTargetWarning),
        pytest.raises(ValueError, match="n_components=2 by principal components with n_samples"),
    ):
        MTLFRegressor(n_components=2).fit([[1.0, 2, 3]], [1.0])


def test_parameters_count():
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    base = MTLF(alpha=0.5, random_state=0).fit(Xs, ys, Xt, some)
    changes = [{"beta": 1.5}, {"gamma": 0.3}, {"margin": 1.0}, {"n_pairs": 5}, {"alpha": 0.1}]
    for change in [*changes, {"lam": 1.0}]:
        other = MTLF(**{"alpha": 0.5, "random_state": 0, **change}).fit(Xs, ys, Xt, some)
        assert np.abs(other.components_ - base.components_).max() > 1e-3, change
        assert np.abs(other.source_weights_ - base.source_weights_).max() > 1e-3, change
    ys, some = ys.astype(float), some.copy()
    narrow = MTLFRegressor(alike=0.1).fit(*noisy(0, "numbers")[:4])
    wide = MTLFRegressor(alike=0.5).fit(*noisy(0, "numbers")[:4])
    assert np.abs(narrow.components_ - wide.components_).max() > 1e-3
    assert MTLF(1).fit(Xs, ys, Xt, some).predict_proba(Xt).max() == 1
    assert set(MTLF(2).fit(Xs, ys, Xt, some).predict_proba(Xt).ravel()) == {0, 0.5, 1}


def test_warns_where_the_objective_has_not_settled():
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    with pytest.warns(ConvergenceWarning, match=r"The objective of MTLF .* in iteration 1 "):
        model = MTLF(lam=0.5, max_iter=1, tol=1e-9).fit(Xs, ys, Xt, some)
    assert model.n_iter_ == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settled = MTLF(lam=0.5, tol=1e-9, max_iter=500).fit(Xs, ys, Xt, some)
        loose = MTLF(lam=0.5, tol=1e-2).fit(Xs, ys, Xt, some)
    assert settled.n_iter_ > loose.n_iter_
    assert settled.objective_path_[-1] < model.objective_path_[-1] - 1e-6


@pytest.mark.parametrize(
    "options, low, high",
    [
        ({"lam": 1.0, "beta": 3.0, "gamma": 1.0, "margin": 10.0}, 3, np.inf),
        ({"lam": 1e-3, "beta": 0.3, "gamma": 0.075, "margin": 2.0}, 0, 1 / 3),
    ],
)
def test_tol_is_a_share_of_an_objective_above_1(options, low, high):
    """Iterations end by the rule of the docstring, on either side of 1."""
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    tol = 1e-3
    path = MTLF(**options, tol=tol).fit(Xs, ys, Xt, some).objective_path_
    falls, values = path[:-1] - path[1:], np.abs(path[1:])
    assert low < values[2:].min() and values[2:].max() < high and len(path) > 4
    assert (falls[:-1] > tol * np.maximum(1, values[:-1])).all()
    assert falls[-1] <= tol * max(1, values[-1])


def test_without_a_target_the_metric_is_the_sources():
    Xs, ys, *_ = noisy(0, "classes", n_source=80, wrong=0)
    with pytest.warns(NoTargetWarning):
        model = MTLF(5).fit(Xs, ys)
    np.testing.assert_array_equal(model.source_weights_, 1)
    Z, _, initial, _, pairs, unit = reference_fit(
        model.set_params(alpha=1), Xs, ys, Xs, ys * np.nan
    )
    A = model.components_ * unit
    gradient = metric_gradient(Z / unit, A, initial, pairs, model.beta, model.margin)
    np.testing.assert_allclose(gradient, np.zeros((6, 6)), atol=1e-4)


def test_pickle_keeps_predictions_but_not_weights():
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    model = MTLF().fit(Xs, ys, Xt, some)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(Xt), model.predict(Xt))
    with pytest.raises(AttributeError, match="lost by pickling"):
        _ = restored.source_weights_


def test_prediction_in_batches_equals_prediction_at_once(monkeypatch):
    Xs, ys, Xt, some, _, _ = noisy(0, "classes")
    model = MTLF(3, random_state=0).fit(Xs, ys, Xt, some)
    whole = model.predict_proba(Xt)
    monkeypatch.setattr("skdtl.instances._metric.BLOCK", 2000)  # 5 target rows or anchors at once
    np.testing.assert_array_equal(model.predict_proba(Xt), whole)
    again = MTLF(3, random_state=0).fit(Xs, ys, Xt, some)
    np.testing.assert_allclose(again.components_, model.components_, rtol=1e-6, atol=1e-9)


# -- the effect -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cls, kind, n_labelled, options, margins",
    [
        (MTLF, "classes", 40, {"lam": 1.0, "beta": 0.5}, (0.07, 0.05, 0.05)),
        (MTLFRegressor, "numbers", 60, {"lam": 1.0, "beta": 2.0, "alike": 0.35}, (0.3, 0.15, 0.3)),
    ],
)
def test_beats_pooled_neighbours_and_either_half(cls, kind, n_labelled, options, margins):
    """Loud nuisance and 30 % misleading source rows, mean of 5 seeds, accuracy or R²."""
    found = {name: [] for name in ("pooled", "metric", "weights", "both")}
    plain = KNeighborsClassifier(5) if kind == "classes" else KNeighborsRegressor(5)
    for seed in range(5):
        Xs, ys, Xt, some, yt, bad = noisy(seed, kind, n_labelled=n_labelled)
        test = slice(n_labelled, None)
        rows = np.concatenate([Xs, Xt[:n_labelled]])
        plain.fit(rows, np.concatenate([ys, yt[:n_labelled]]))
        found["pooled"].append(plain.score(Xt[test], yt[test]))
        for learn in ("metric", "weights", "both"):
            model = cls(5, learn=learn, random_state=0, **options).fit(Xs, ys, Xt, some)
            found[learn].append(model.score(Xt[test], yt[test]))
        assert model.source_weights_[bad].mean() < 0.9 * model.source_weights_[~bad].mean()
    means = {name: np.mean(scores) for name, scores in found.items()}
    for other, margin in zip(("pooled", "metric", "weights"), margins):
        assert means["both"] > means[other] + margin, means
