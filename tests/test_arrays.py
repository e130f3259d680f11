"""What is done to rows everywhere, against the same in a few plain words."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from skdtl import _arrays
from skdtl._arrays import alike, dense, join_rows, positions, spread_rows, squared_distances

KINDS = {"dense": np.asarray, "array": sp.csr_array, "matrix": sp.csr_matrix}
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 1


def test_rows_in_parts_are_joined():
    assert join_rows(X) is X
    assert_array_equal(join_rows(X, Y, X), np.vstack([X, Y, X]))
    for one, other in (("dense", "array"), ("matrix", "dense"), ("matrix", "matrix")):
        joined = join_rows(KINDS[one](X), KINDS[other](Y))
        assert isinstance(joined, sp.csr_array)
        assert_array_equal(joined.toarray(), np.vstack([X, Y]))


def test_rows_of_one_kind():
    sparse = sp.csr_matrix(Y)
    first, second = alike(X, sparse)
    assert sp.issparse(first) and second is sparse
    assert_array_equal(dense(first), X)
    assert alike(X, Y)[0] is X and dense(X) is X


@pytest.mark.parametrize("kind", KINDS)
def test_positions_follow_the_rows(kind):
    found = positions(KINDS[kind](X))
    order = rng.permutation(len(X))
    assert_allclose(positions(KINDS[kind](X[order])), found[order])
    assert len(set(found.round(6))) == len(X)
    rows = KINDS[kind](np.where(X < 0, np.nan, X))
    assert_allclose(positions(rows), positions(np.where(X < 0, 0, X)))
    assert np.isnan(dense(rows)).any()  # the caller's are as they were


@pytest.mark.parametrize("kind", KINDS)
def test_some_rows_stand_for_all(kind):
    many = np.random.default_rng(1).normal(size=(1001, 2)) * [3, 1]
    chosen = spread_rows(KINDS[kind](many), 100)
    assert 90 <= len(chosen) <= 100 and (np.diff(chosen) > 0).all()
    order = np.random.default_rng(2).permutation(1001)
    again = order[spread_rows(KINDS[kind](many[order]), 100)]
    assert_array_equal(np.sort(again), chosen)
    assert_allclose(many[chosen].mean(axis=0), many.mean(axis=0), atol=0.3)
    assert_allclose(many[chosen].std(axis=0), many.std(axis=0), rtol=0.2)
    assert_array_equal(spread_rows(KINDS[kind](many), 1001), np.arange(1001))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_squared_distances(kind, dtype, monkeypatch):
    monkeypatch.setattr(_arrays, "_BLOCK", 10)
    A, B = X.astype(dtype), Y.astype(dtype)
    tolerance = {"rtol": 1e-5 if dtype == "f4" else 1e-12}
    found = squared_distances(KINDS[kind](A), KINDS[kind](B))
    assert found.dtype == np.dtype(dtype)
    assert_allclose(found, cdist(A, B, "sqeuclidean"), **tolerance)
    assert_allclose(squared_distances(KINDS[kind](A)), cdist(A, A, "sqeuclidean"), **tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [3, 40, 3000])
def test_equal_rows_have_no_distance(kind, dtype, d):
    """Whatever their lengths, and however a product of matrices adds up."""
    rows = (1e4 * np.random.default_rng(0).normal(size=(9, d))).astype(dtype)
    A, B = np.repeat(rows, 5, axis=0), np.tile(rows, (4, 1))
    equal = np.repeat(np.arange(9), 5)[:, None] == np.tile(np.arange(9), 4)
    found = squared_distances(KINDS[kind](A), KINDS[kind](B))
    assert (found[equal] == 0).all() and (found[~equal] > 0).all()
    own = squared_distances(KINDS[kind](A))
    assert_array_equal(own == 0, np.repeat(np.arange(9), 5)[:, None] == np.repeat(np.arange(9), 5))
    # Rows that differ by more than the error are apart.
    near = squared_distances(KINDS[kind](rows), KINDS[kind](rows * np.asarray(1 + 1e-3, dtype)))
    assert (near > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_rows_own_length_tells_what_is_rounding_error(kind):
    """Beside long rows short ones keep their distances."""
    lengths = 10.0 ** np.array([6, -6, 3, -3, 0])[:, None]
    rows = np.vstack([lengths * X[:5], 1.001 * lengths * X[:5]])
    for order in (slice(None), slice(None, None, -1)):
        found = squared_distances(KINDS[kind](rows[order]), KINDS[kind](rows[order]))
        off_diagonal = ~np.eye(10, dtype=bool)
        assert (found[~off_diagonal] == 0).all() and (found[off_diagonal] > 0).all()
        assert_allclose(found[off_diagonal], cdist(rows[order], rows[order], "sqeuclidean")[
            off_diagonal], rtol=1e-6)  # fmt: skip
