"""Units that must not matter: of the columns, of a kernel, of an objective."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import BDA, JDA, JGSA, SSTCA, TCA, TJM
from skdtl._couplings import class_regularised_plan, transport_plan
from skdtl.mapping._eigen import leading_eigenvectors
from skdtl.mapping._feature_space import linear_transfer_components, transfer_components
from skdtl.mapping._mean_differences import mean_difference
from skdtl.mapping.coral import coral_map
from skdtl.mapping.jdot import joint_transport

from ..common import make

# Powers of 2: nothing is rounded.
FACTORS = [2.0**-20, 2.0**20]


def rows(d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(250, d)) * 0.97 ** np.arange(d)
    X[150:, 0] += 2
    return X


# --- columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [TCA, SSTCA, TJM, JDA, BDA, JGSA])
@pytest.mark.parametrize(
    "way",
    [
        *[{"kernel": kernel} for kernel in ("rbf", "laplacian", "poly")],
        *[{"kernel": kernel, "gamma": "median"} for kernel in ("rbf", "laplacian")],
        *[
            {"kernel": kernel, "approximation": "nystroem", "n_basis": 20}
            for kernel in ("rbf", "laplacian", "poly")
        ],
        {"kernel": "rbf", "approximation": "fourier", "n_basis": 20},
    ],
    ids=lambda way: "-".join(map(str, way.values())),
)
def test_a_kernels_width_follows_the_columns(cls, way):
    learner = make_pipeline(StandardScaler(), LogisticRegression())
    X, y = rows(4)[100:200], np.arange(100) % 2
    X[:, 1] += y
    model = make(cls, n_components=3, estimator=learner, **way)
    expected = model.fit(X[:60], y[:60], X[60:]).predict_proba(X)
    for factor in FACTORS:
        model.fit(factor * X[:60], y[:60], factor * X[60:])
        assert_allclose(model.predict_proba(factor * X), expected, rtol=1e-6)


@pytest.mark.parametrize("d", [5, 40])
@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_coral_with_a_penalty_in_the_columns_unit(d, lam):
    Xs, Xt = rows(d)[:20], rows(d, 1)[:15] * 2
    basis, A, inverse = coral_map(Xs, Xt, lam)
    for factor in FACTORS:
        same = coral_map(factor * Xs, factor * Xt, factor**2 * lam)
        for one, other in zip((basis, A, inverse), same):
            if one is not None:
                assert_allclose(abs(other), abs(one), rtol=1e-6, atol=1e-9)


# --- eigenvalue problems ----------------------------------------------------------------------


@pytest.mark.parametrize("d", [30, 180])
@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_kernel_and_its_penalty(d, penalised, factor):
    """With few features, with many, and by the kernel matrix, as few rounds find the same."""
    X, E = rows(d), mean_difference(150, 100)
    penalty = np.random.default_rng(1).uniform(0.5, 2, 250) if penalised else None
    options = {"n_components": 4, "penalty": penalty}
    for solve, unit, power in (
        (transfer_components, X @ X.T, 1),
        (linear_transfer_components, X, 0.5),
    ):
        values, W, n_iter = solve(unit, E, mu=0.1, **options)
        scaled = solve(unit * factor**power, E, mu=0.1 * factor**2, **options)
        assert_allclose(scaled[0], values, rtol=1e-8)
        assert_allclose(scaled[1] * factor ** (2 - power if power == 1 else 0.5), W, rtol=1e-5)
        assert scaled[2] == n_iter
    assert n_iter > 1 or d == 30


@pytest.mark.parametrize("factor", [2.0**-60, *FACTORS, 2.0**60])
@pytest.mark.parametrize("tol", [1e-2, 1e-10])
def test_the_eigensolver_stops_by_residuals_relative_to_the_largest_eigenvalue(tol, factor):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    S, A = (Q * 0.9 ** np.arange(300)) @ Q.T, rng.normal(size=(300, 1))

    def solve(S):
        return leading_eigenvectors(S.__matmul__, A, 1.0, 5, tol, 200)

    values, V, n_iter = solve(S)
    scaled, W, as_many = solve(factor * S)
    assert as_many == n_iter > 1
    assert_allclose(scaled, factor * values, rtol=1e-9)
    assert_allclose(abs(W), abs(V), rtol=1e-6, atol=1e-9)
    shrink = np.eye(300) + A @ A.T
    residuals = S @ V - shrink @ V * values
    assert np.linalg.norm(np.linalg.solve(np.linalg.cholesky(shrink), residuals), axis=0).max() < (
        2 * tol * values[0]
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [2.0**-60, 1.0, 2.0**60])
def test_rounding_error_ends_what_no_tolerance_would(factor):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    S = factor * (Q * 0.9 ** np.arange(300)) @ Q.T
    values, _, n_iter = leading_eigenvectors(S.__matmul__, np.zeros((300, 1)), 1.0, 5, 1e-30, 200)
    assert_allclose(values, factor * 0.9 ** np.arange(5), rtol=1e-12)
    assert 10 < n_iter < 100


def test_a_looser_tolerance_needs_fewer_rounds():
    S = np.diag(0.97 ** np.arange(400))
    rounds = [
        leading_eigenvectors(S.__matmul__, np.zeros((400, 1)), 1.0, 5, tol, 200)[2]
        for tol in (1e-1, 1e-4, 1e-8)
    ]
    assert rounds[0] < rounds[1] < rounds[2]


# --- plans ------------------------------------------------------------------------------------


def turns(factor, reg_e, tol=1e-6):
    """Couple rows in turns with a model whose losses follow the plan, all in one unit."""
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(30, 2)), rng.normal(size=(20, 2)) + 1
    y = (X[:, 0] > 0).astype(float)
    distances = ((X[:, None] - Z) ** 2).sum(axis=2)

    def learn(coupling):
        carried = 20 * (y @ coupling)
        carried = 0.5 * carried + 0.5 * carried.mean()
        return factor * 3 * (y[:, None] - carried) ** 2, 0.0

    start = np.zeros((30, 20))
    return joint_transport(factor * distances, start, learn, factor * reg_e, tol=tol)


@pytest.mark.parametrize("reg_e", [0.05, 0.2])
@pytest.mark.parametrize("factor", FACTORS)
def test_turns_end_by_the_objective_relative_to_its_value(reg_e, factor):
    coupling, objective = turns(1.0, reg_e)
    scaled, path = turns(factor, reg_e)
    assert len(path) == len(objective) > 2
    assert_allclose(path, factor * objective, rtol=1e-8)
    assert_allclose(scaled, coupling, atol=1e-10)
    changes = abs(np.diff(objective)) / abs(objective[1:])
    assert changes[-1] <= 1e-6 < changes[:-1].min()


def test_a_looser_tolerance_needs_fewer_turns():
    lengths = [len(turns(1.0, 0.05, tol)[1]) for tol in (1e-1, 1e-2, 1e-6)]
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("reg_e", [0.0, 0.02, 1e-3])
@pytest.mark.parametrize("factor", FACTORS)
def test_costs_and_what_is_weighed_against_them(reg_e, factor):
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    cost, classes = rng.uniform(size=(30, 20)), np.arange(30) % 3
    plan = transport_plan(cost, reg_e)
    scaled = transport_plan(factor * cost, factor * reg_e)
    assert_allclose(scaled.coupling, plan.coupling, atol=1e-10)
    assert scaled.n_iter == plan.n_iter
    grouped = class_regularised_plan(cost, classes, reg_e, 0.1)
    scaled = class_regularised_plan(factor * cost, classes, factor * reg_e, factor * 0.1)
    assert_allclose(scaled.coupling, grouped.coupling, atol=1e-10)


@pytest.mark.parametrize("reg_e", [0.0, 0.05])
def test_a_constant_in_the_costs(reg_e):
    """Every plan pays it."""
    pytest.importorskip("ot")
    cost = np.random.default_rng(0).integers(0, 1024, size=(30, 20)) / 1024
    plan, dearer = transport_plan(cost - cost.min(), reg_e), transport_plan(cost + 2.0**30, reg_e)
    assert_array_equal(dearer.coupling, plan.coupling)
    assert dearer.n_iter == plan.n_iter
