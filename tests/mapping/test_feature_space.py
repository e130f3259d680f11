"""The spaces that TCA and its kin share, against dense matrices and scipy's generalised solver."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from skdtl.mapping import _feature_space
from skdtl.mapping._feature_space import (
    FeatureSpace,
    KernelSpace,
    linear_transfer_components,
    transfer_components,
)
from skdtl.mapping._mean_differences import class_mean_differences, mean_difference

from .by_hand import same_up_to_sign

N_SOURCE, N_TARGET = 150, 110
N = N_SOURCE + N_TARGET


def rows(d, seed=0, n=N):
    """Rows of which about half the entries are zero, with a decaying spectrum and a mean."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 0.95 ** np.arange(d) + 0.1
    X[N_SOURCE:] += 0.2 * rng.normal(size=d)
    X[rng.random((n, d)) < 0.5] = 0
    return X


def rbf(X, gamma=0.1):
    return np.exp(-gamma * ((X[:, None] - X[None]) ** 2).sum(axis=2))


MIXING = np.random.default_rng(3).normal(size=(7, 5))
PARTS = slice(0, N_SOURCE), slice(N_SOURCE, N)


def in_parts(X):
    return [X[part] for part in PARTS]


# name: (rows -> space, rows -> K, number of features)
ROUTES = {
    "narrow": (lambda X: FeatureSpace(in_parts(X)), None, 12),
    "as wide as the limit": (lambda X: FeatureSpace(in_parts(X)), None, 260),
    "wide": (lambda X: FeatureSpace(in_parts(X)), None, 300),
    "narrow, sparse": (
        lambda X: FeatureSpace([scipy.sparse.csr_array(part) for part in in_parts(X)]),
        None,
        12,
    ),
    "wide, sparse": (
        lambda X: FeatureSpace([scipy.sparse.csr_matrix(part) for part in in_parts(X)]),
        None,
        300,
    ),
    "features of rows": (
        lambda X: FeatureSpace(in_parts(X), lambda part: np.c_[part, part[:, :2] ** 2]),
        lambda X: np.c_[X, X[:, :2] ** 2],
        8,
    ),
    "features of sparse rows, mixed": (
        lambda X: FeatureSpace(
            [scipy.sparse.csr_array(part) for part in in_parts(X)],
            lambda part: part.toarray() ** 2,
            MIXING,
        ),
        lambda X: X**2 @ MIXING,
        7,
    ),
    "many features of rows": (
        lambda X: FeatureSpace(in_parts(X), lambda part: np.tile(part, 70) / 8),
        lambda X: np.tile(X, 70) / 8,
        15,
    ),
    "kernel": (lambda X: KernelSpace(rbf(X)), rbf, 6),
}


def kernel_of(route, X):
    _, features, _ = ROUTES[route]
    if features is rbf:
        return rbf(X)
    F = X if features is None else features(X)
    return F @ F.T


def differences(r):
    if r == 1:
        return mean_difference(N_SOURCE, N_TARGET)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, r - 1, N)
    classes = class_mean_differences(labels[:N_SOURCE], labels[N_SOURCE:], r - 1)
    return np.column_stack([mean_difference(N_SOURCE, N_TARGET), classes])


def dense_problem(K, E, mu, penalty):
    """The two matrices as they stand in the module's formula."""
    n = len(K)
    E = E.reshape(n, -1)
    G = np.eye(n) if penalty is None else np.diag(penalty)
    H = np.eye(n) - np.full((n, n), 1 / n)
    return K @ E @ E.T @ K + mu * G, K @ H @ K


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("r", [1, 4])
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_solves_the_dense_problem(route, r, penalised):
    make, _, d = ROUTES[route]
    X, m, mu = rows(d), 3, 0.5
    penalty = np.random.default_rng(2).uniform(0.2, 3, N) if penalised else None
    K, E = kernel_of(route, X), differences(r)
    P, S = dense_problem(K, E, mu, penalty)
    expected, W = scipy.linalg.eigh(S, P, subset_by_index=[N - m, N - 1])

    space = make(X)
    assert space.n_rows == N
    values, found, _ = space.components(E, m, mu, penalty=penalty)
    assert_allclose(values, expected[::-1], rtol=1e-9)
    Z = space.map(found)
    same_up_to_sign(Z, K @ W[:, ::-1], rtol=1e-6, atol=1e-7 * abs(Z).max())
    # Wᵀ P W = I: the mapped rows have the eigenvalues for their scatter.
    centred = Z - Z.mean(axis=0)
    assert_allclose(centred.T @ centred, np.diag(values), atol=1e-8 * values[0])
    if isinstance(space, KernelSpace):
        assert_allclose(found.T @ P @ found, np.eye(m), atol=1e-8)


def test_routes_are_those_that_they_claim_to_be():
    """The kernel and the wide rows are iterated on, and the limit lies where it should."""
    assert KernelSpace(rbf(rows(6))).components(differences(1), 3)[2] > 1
    assert ROUTES["wide"][0](rows(300)).components(differences(1), 3)[2] > 1
    assert FeatureSpace([rows(260)]).narrow and not FeatureSpace([rows(261)]).narrow
    assert FeatureSpace([np.zeros((1200, 1000))]).narrow
    assert not FeatureSpace([np.zeros((1200, 1001))]).narrow
    # A map is evaluated again in each product: the limit is higher.
    assert FeatureSpace([rows(6)], lambda X: np.tile(X, 100)).narrow
    assert not FeatureSpace([rows(6)], lambda X: np.tile(X, 200)).narrow
    assert FeatureSpace([np.zeros((1200, 6))], lambda X: np.tile(X, 200)).narrow


def test_wide_rows_never_make_a_matrix_of_features(monkeypatch):
    X = rows(300)
    space = FeatureSpace(in_parts(X))
    space.components(differences(2), 3, penalty=np.full(N, 2.0))
    assert "moments" not in vars(space)


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "kernel"])
def test_parts_are_rows(route):
    """Moments, sums and mapped rows are those of all rows, however they are cut."""
    make, _, d = ROUTES[route]
    X = rows(d)
    space, E = make(X), differences(4)
    _, features, _ = ROUTES[route]
    F = X if features is None else features(X)
    C = np.random.default_rng(0).normal(size=(F.shape[1], 3))
    penalty = np.random.default_rng(2).uniform(0.2, 3, N)
    gram, scatter = space.moments
    assert space.n_features == F.shape[1]
    assert_allclose(gram, F.T @ F, rtol=1e-9, atol=1e-9)
    assert_allclose(scatter, (F - F.mean(0)).T @ (F - F.mean(0)), rtol=1e-8, atol=1e-8)
    assert_array_equal(space.penalised_gram(), gram)
    assert_allclose(space.penalised_gram(penalty), (F.T / penalty) @ F, rtol=1e-9, atol=1e-9)
    assert_allclose(space.sums(E), F.T @ E, rtol=1e-9, atol=1e-9)
    assert_allclose(space.sums(E[:, 0]), F.T @ E[:, :1], rtol=1e-9, atol=1e-9)
    assert_allclose(space.map(C), F @ C, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("route", ["narrow", "wide", "features of rows", "wide, sparse"])
def test_blocks_are_small_and_make_no_difference(route, monkeypatch):
    make, _, d = ROUTES[route]
    X, E = rows(d), differences(3)
    penalty = np.random.default_rng(2).uniform(0.2, 3, N)
    values, C, _ = make(X).components(E, 3, penalty=penalty)
    monkeypatch.setattr(_feature_space, "BLOCK_SIZE", 16 * max(d, 10))
    space, covered = make(X), []
    for block_rows, block in space.blocks():
        covered.extend(range(N)[block_rows])
        assert block.shape == (block_rows.stop - block_rows.start, space.n_features)
        assert scipy.sparse.issparse(block) or len(block) <= 16
    assert covered == list(range(N))
    in_blocks = space.components(E, 3, penalty=penalty)
    assert_allclose(in_blocks[0], values, rtol=1e-9)
    assert_allclose(in_blocks[1], C, rtol=1e-6, atol=1e-7 * abs(C).max())
    assert_allclose(space.map(C), make(X).map(C), rtol=1e-9, atol=1e-12)


def test_blocks_are_small_where_the_rows_are_longer_than_their_features(monkeypatch):
    monkeypatch.setattr(_feature_space, "BLOCK_SIZE", 1200)
    space = FeatureSpace([rows(60)], lambda X: X[:, :2])
    assert max(len(block) for _, block in space.blocks()) == 20


@pytest.mark.parametrize("sparse", [False, True])
def test_single_precision_rows_are_summed_in_double_precision(sparse):
    X = rows(5).astype(np.float32)
    kind = scipy.sparse.csr_array if sparse else np.asarray
    seen = []
    gram, _ = FeatureSpace(in_parts(kind(X))).moments
    double = X.astype(np.float64)
    assert_allclose(gram, double.T @ double, rtol=1e-12)

    def noting(part):
        if part.shape[0] > 1:  # one row alone tells how many features there are
            seen.append(part.dtype)
        return part

    FeatureSpace(in_parts(kind(X)), noting).sums(differences(1))
    assert seen == [np.dtype(np.float64)] * 2


def test_an_offset_costs_the_moments_no_precision():
    X = np.random.default_rng(0).normal(size=(N, 4))
    _, scatter = FeatureSpace(in_parts(X + 1e8)).moments
    expected = (X - X.mean(0)).T @ (X - X.mean(0))
    assert_allclose(scatter, expected, atol=1e-5 * N)


@pytest.mark.parametrize("kernel", [rbf, lambda X: X @ X.T])
def test_a_kernel_matrix_in_single_precision(kernel, monkeypatch):
    """Products with it are taken in double precision, in blocks that are small."""
    K = kernel(rows(6)).astype(np.float32)
    E = differences(3)
    expected = transfer_components(K.astype(np.float64), E, 3)
    monkeypatch.setattr(_feature_space, "BLOCK_SIZE", 17 * N)
    values, W, _ = transfer_components(K, E, 3)
    assert values.dtype == W.dtype == np.float64
    assert_allclose(values, expected[0], rtol=1e-10)
    assert_allclose(W, expected[1], rtol=1e-6, atol=1e-7 * abs(W).max())
    mapped = KernelSpace(K).map(W)
    assert mapped.dtype == np.float64
    assert_allclose(mapped, K.astype(np.float64) @ W, rtol=1e-10, atol=1e-10)


def test_rows_that_are_the_same_to_the_kernel_have_no_components():
    for K in (np.ones((200, 200)), np.zeros((20, 20)), np.full((20, 20), 1e9)):
        values, W, _ = transfer_components(K, np.full(len(K), 0.1), 3)
        assert values.shape == (0,) and W.shape == (len(K), 0)
    # A first row that does not tell the others apart is not enough.
    X = rows(4)
    X[0] = 0
    assert not np.ptp((X @ X.T)[0])
    values, _, _ = transfer_components(X @ X.T, differences(1), 3)
    assert_allclose(values, linear_transfer_components(X, differences(1), 3)[0], rtol=1e-9)


@pytest.mark.parametrize("size", [2**22, 100])
@pytest.mark.parametrize("n", [7, 100, 1001])
@pytest.mark.parametrize("kind, change", [(np.asarray, 1e-11), (scipy.sparse.csr_array, 1e-3)])
def test_the_rounding_error_of_a_mean_is_no_component(n, size, kind, change, monkeypatch):
    monkeypatch.setattr(_feature_space, "BLOCK_SIZE", size)
    row = np.array([0.1, 1 / 3, 1e5 / 7, 1e-3 / 3, -2.1])
    space = FeatureSpace([kind(np.tile(row, (n, 1))), kind(np.tile(row, (5, 1)))])
    assert not space.moments[1].any()
    assert len(space.components(mean_difference(n, 5), 2)[0]) == 0
    # One row that differs does count, dense rows in the last digits but a few.
    space = FeatureSpace([kind(np.tile(row, (n, 1))), kind(row[None] * (1 + change))])
    assert len(space.components(mean_difference(n, 1), 2)[0]) == 1


def test_the_weight_of_each_difference_counts():
    """With a huge column for one class its means coincide, and not those of the other."""
    X, E = rows(12), differences(3)
    for column in (1, 2):
        weighted = E * np.where(np.arange(3) == column, 1e6, 1.0)
        gaps = abs(weighted.T @ X @ linear_transfer_components(X, weighted, 3)[1])
        gaps /= np.where(np.arange(3) == column, 1e6, 1.0)[:, None]
        other = gaps[3 - column].max()
        assert gaps[column].max() < 1e-4 * other


def test_the_penalty_of_a_row_counts():
    """A penalty on all source rows leaves them out of W; the same on all is mu."""
    K, E = rbf(rows(6)), differences(1)
    penalty = np.where(np.arange(N) < N_SOURCE, 1e8, 1.0)
    _, W, _ = transfer_components(K, E, 3, penalty=penalty)
    assert abs(W[:N_SOURCE]).max() < 1e-5 * abs(W[N_SOURCE:]).max()
    by_mu, by_penalty = (
        transfer_components(K, E, 3, 7.0),
        transfer_components(K, E, 3, penalty=np.full(N, 7.0)),
    )
    assert_allclose(by_mu[0], by_penalty[0], rtol=1e-9)
    assert_allclose(by_mu[1], by_penalty[1], rtol=1e-6, atol=1e-8)


def test_pure_functions_are_the_spaces():
    X, E = rows(12), differences(3)
    penalty = np.random.default_rng(2).uniform(0.2, 3, N)
    options = {"mu": 0.3, "penalty": penalty, "tol": 1e-9, "max_iter": 100}
    for function, space in (
        (linear_transfer_components(X, E, 3, **options), FeatureSpace([X])),
        (transfer_components(X @ X.T, E, 3, **options), KernelSpace(X @ X.T)),
    ):
        for first, second in zip(function, space.components(E, 3, **options)):
            assert_allclose(first, second)


def test_mean_differences():
    X = rows(5)
    e = mean_difference(N_SOURCE, N_TARGET)
    assert_allclose(e @ X, X[:N_SOURCE].mean(0) - X[N_SOURCE:].mean(0))

    ys, yt = np.array([0, 0, 1, 1, 1, 2]), np.array([1, 0, -1, 1, 3])
    E = class_mean_differences(ys, yt, 4)
    assert_allclose(
        E,
        [
            [1 / 2, 0, 0, 0],
            [1 / 2, 0, 0, 0],
            [0, 1 / 3, 0, 0],
            [0, 1 / 3, 0, 0],
            [0, 1 / 3, 0, 0],
            [0, 0, 1, 0],  # class 2 has no target rows, class 3 no source rows
            [0, -1 / 2, 0, 0],
            [-1, 0, 0, 0],
            [0, 0, 0, 0],  # no label
            [0, -1 / 2, 0, 0],
            [0, 0, 0, -1],
        ],
    )
