"""The classes' likely shares in an unlabelled target, and rows that have given shares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skdtl._target_shares import PRIOR_ROWS, _moments, likely_shares, rows_with_shares


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


@pytest.mark.parametrize("n_labelled", [0, 3, 12])
def test_shares_of_two_classes_by_a_slow_definition(n_labelled):
    """The likeliest share under Laplace's offsets and the labels, shrunk by what chance gains."""
    moved = 0
    for seed in range(6):
        Xs, ys, Xt, _ = domains([0.2, 0.8], 16, n_moved=3, n_source=200, n_target=150, seed=seed)
        Xs[:, 1] += Xs[:, 0]  # columns of unlike widths that go together
        labels = np.arange(n_labelled) % 2
        n = PRIOR_ROWS + n_labelled
        prior = (PRIOR_ROWS / 2 + np.count_nonzero(labels == 1)) / n
        variance = max(prior * (1 - prior), 1 / (4 * n)) / n
        means = np.array([Xs[ys == k].mean(axis=0) for k in range(2)])
        within = np.mean((Xs - means[ys]) ** 2, axis=0)
        scales = np.sqrt((within + Xt.var(axis=0)) / 2)

        def left_by(share, means=means, Xt=Xt, scales=scales):
            gaps = (Xt.mean(axis=0) - (1 - share) * means[0] - share * means[1]) / scales
            return np.sqrt(1 / 200 + 1 / 150 + gaps**2).mean()

        def objective(share, prior=prior, variance=variance, left_by=left_by):
            # Each share has a variance, and both change by as much.
            return 16 * np.log(left_by(share)) + (share - prior) ** 2 / variance

        grid = np.linspace(0, 1, 100_001)
        start = grid[np.argmin([objective(share) for share in grid[::100]]) * 100]
        fine = grid[np.abs(grid - start) < 0.01]
        share = fine[np.argmin([objective(s) for s in fine])]
        residuals = (Xs - means[ys]) / np.sqrt(within)
        products = residuals.T @ residuals
        n_dimensions = np.trace(products) ** 2 / np.sum(products**2)
        gain = 2 * n_dimensions * np.log(left_by(prior) / left_by(share))
        expected = prior + max(0, 1 - 1 / max(gain, 1e-9)) * (share - prior)
        found = likely_shares(Xs, ys, Xt, labels if n_labelled else None)
        assert_allclose(found, [1 - expected, expected], atol=2e-3)
        moved += abs(expected - prior) > 0.02
    assert moved >= 2


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
