"""The classes' likely shares in an unlabelled target, and rows that have given shares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skdtl._target_shares import _moments, likely_shares, rows_with_shares


def domains(shares, n_columns=10, n_moved=0, n_source=600, n_target=600, seed=0):
    """Return a source with equal shares and a target with others, some of its columns moved."""
    rng = np.random.default_rng(seed)
    n_classes = len(shares)
    means = rng.normal(size=(n_classes, n_columns))
    ys = np.arange(n_source) % n_classes
    yt = np.repeat(np.arange(n_classes), np.round(np.multiply(shares, n_target)).astype(int))
    Xs, Xt = (means[y] + rng.normal(size=(len(y), n_columns)) for y in (ys, yt))
    Xt[:, :n_moved] += 5 * rng.choice([-1, 1], n_moved)
    return Xs, ys, Xt, yt


def distance(first, second):
    return np.abs(np.subtract(first, second)).sum() / 2


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1, 0.9], [0.2, 0.2, 0.6], [0.0, 0.3, 0.7]])
def test_shares_of_a_mixture_are_found(shares):
    for seed in range(5):
        Xs, ys, Xt, _ = domains(shares, seed=seed)
        found = likely_shares(Xs, ys, Xt)
        assert found.min() >= 0 and found.sum() == pytest.approx(1)
        assert distance(found, shares) < 0.06


def test_columns_that_moved_are_outliers():
    errors = []
    for seed in range(10):
        Xs, ys, Xt, _ = domains([0.2, 0.8], n_columns=20, n_moved=6, seed=seed)
        errors.append(distance(likely_shares(Xs, ys, Xt), [0.2, 0.8]))
    # Least squares are off by .2 here.
    assert np.mean(errors) < 0.12 and max(errors) < 0.2


def test_where_all_columns_moved_the_sources_shares_stand():
    for seed in range(5):
        Xs, ys, Xt, _ = domains([0.5, 0.5], n_columns=4, n_moved=4, seed=seed)
        assert distance(likely_shares(Xs, ys, Xt), [0.5, 0.5]) < 0.15


def test_known_labels_count():
    Xs, ys, Xt, yt = domains([0.1, 0.9], n_columns=3, n_moved=3)
    far = distance(likely_shares(Xs, ys, Xt), [0.1, 0.9])
    labels = np.random.default_rng(0).choice(yt, 100)
    near = distance(likely_shares(Xs, ys, Xt, labels), [0.1, 0.9])
    assert near < 0.06 < far


def test_constant_columns_say_nothing():
    Xs, ys = np.ones((10, 2)), np.arange(10) % 2
    assert_allclose(likely_shares(Xs, ys, 2 * Xs), [0.5, 0.5])
    assert_allclose(likely_shares(Xs, ys, Xs, np.zeros(3, dtype=int)), [0.875, 0.125])


def test_neither_units_nor_origins_nor_orders_matter():
    Xs, ys, Xt, _ = domains([0.3, 0.7], n_moved=2)
    expected = likely_shares(Xs, ys, Xt)
    units = 10.0 ** np.arange(-5, 5)
    assert_allclose(likely_shares(Xs * units, ys, Xt * units), expected, atol=1e-4)
    assert_allclose(likely_shares(Xs + 100, ys, Xt + 100), expected, atol=1e-4)
    rows = np.random.default_rng(0).permutation(len(ys))
    assert_allclose(likely_shares(Xs[rows], ys[rows], Xt[::-1]), expected, atol=1e-6)


def test_sparse_rows_and_missing_values():
    Xs, ys, Xt, _ = domains([0.3, 0.7])
    expected = likely_shares(Xs, ys, Xt)
    found = likely_shares(sp.csr_array(Xs), ys, sp.csr_array(Xt))
    assert_allclose(found, expected, atol=1e-6)
    gone = np.random.default_rng(0).random(Xs.shape) < 0.2
    found = likely_shares(np.where(gone, np.nan, Xs), ys, np.where(gone, np.nan, Xt))
    assert distance(found, expected) < 0.05


def test_moments_are_of_the_values_that_are_there():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((50, 4)) < 0.4, 0, 3 + rng.normal(size=(50, 4)))
    for found in (_moments(X), _moments(sp.csr_array(X))):
        assert_allclose(found, [X.mean(axis=0), X.var(axis=0)])
    X[X == 0] = np.nan
    assert_allclose(_moments(X), [np.nanmean(X, axis=0), np.nanvar(X, axis=0)])
    X[:, 1] = np.nan
    assert_array_equal(np.transpose(_moments(X))[1], [0, 0])


def test_chosen_rows_are_spread_over_their_class():
    X, y = np.arange(20.0)[:, None], np.repeat([0, 1], 10)
    rows = rows_with_shares(X, y, np.array([0.25, 0.75]))
    assert np.sort(rows[:5]).tolist() == [0, 2, 4, 6, 8]
    often = np.bincount(rows[5:] - 10)
    assert often.tolist() == [2, 1] * 5


def test_rows_with_shares():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 3)), np.repeat([0, 1, 2], [60, 30, 10])
    for shares in ([0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.99, 0.01, 0.0]):
        rows = rows_with_shares(X, y, np.array(shares))
        counts = np.bincount(y[rows], minlength=3)
        assert_array_equal(counts, np.maximum(np.round(np.multiply(shares, 100)), 2))
        for k in range(3):
            often = np.bincount(rows[y[rows] == k], minlength=100)[y == k]
            assert np.ptp(often) <= 1  # no row counts for more than another of its class
    kept = rows_with_shares(X, y, np.array([0.6, 0.3, 0.1]))
    assert_array_equal(np.sort(kept), np.arange(100))


def test_the_chosen_rows_do_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), np.arange(50) % 2
    order = rng.permutation(50)
    shares = np.array([0.3, 0.7])
    first, second = (
        A[rows_with_shares(A, labels, shares)] for A, labels in ((X, y), (X[order], y[order]))
    )
    assert_array_equal(first, second)
