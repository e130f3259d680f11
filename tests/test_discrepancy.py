"""MMD² against sums over pairs, closed forms and its behaviour under the null hypothesis."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.metrics.pairwise import cosine_similarity

from skdtl import discrepancy
from skdtl.discrepancy import mmd2, proxy_a_distance
from skdtl.kernels import kernel_gamma

rng = np.random.default_rng(0)
Xs, Xt = rng.normal(size=(6, 2)), rng.normal([1, 0], size=(9, 2))


def rbf(x, y):
    return np.exp(-0.4 * ((x - y) ** 2).sum())


@pytest.mark.parametrize("sparse", [False, True])
def test_the_sum_over_pairs(sparse):
    within = [[rbf(x, y) for x in X for y in X] for X in (Xs, Xt)]
    others = [[rbf(X[i], X[j]) for i in range(len(X)) for j in range(len(X)) if i != j]
              for X in (Xs, Xt)]  # fmt: skip
    between = np.mean([rbf(x, y) for x in Xs for y in Xt])
    rows = [scipy.sparse.csr_array(X) if sparse else X for X in (Xs, Xt)]
    biased = np.mean(within[0]) + np.mean(within[1]) - 2 * between
    unbiased = np.mean(others[0]) + np.mean(others[1]) - 2 * between
    assert_allclose(mmd2(*rows, gamma=0.4), biased)
    assert_allclose(mmd2(*rows, gamma=0.4, biased=False), unbiased)


def test_linear_is_the_distance_of_the_means():
    assert_allclose(mmd2(Xs, Xt, "linear"), ((Xs.mean(0) - Xt.mean(0)) ** 2).sum())


def test_the_default_width_is_the_median_of_both_samples():
    gamma = kernel_gamma(np.vstack([Xs, Xt]), "rbf", "median")
    assert mmd2(Xs, Xt) == mmd2(Xs, Xt, gamma=gamma)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "laplacian", cosine_similarity])
def test_same_sample_and_symmetry(kernel):
    options = {"gamma": "scale"}
    assert_allclose(mmd2(Xs, Xs, kernel, **options), 0, atol=1e-12)
    assert_allclose(mmd2(Xs, Xt, kernel, **options), mmd2(Xt, Xs, kernel, **options))
    assert mmd2(Xs, Xt, kernel, **options) > 0.01


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "laplacian", cosine_similarity])
def test_block_by_block_it_is_the_same(kernel, biased, sparse, monkeypatch):
    rows = [scipy.sparse.csr_array(X) if sparse else X for X in (Xs, Xt)]
    whole = mmd2(*rows, kernel, biased=biased, gamma=0.4)
    assert_allclose(mmd2(rows[0], Xt, kernel, biased=biased, gamma=0.4), whole)
    monkeypatch.setattr(discrepancy, "_BLOCK", 20)  # two or three rows
    assert_allclose(mmd2(*rows, kernel, biased=biased, gamma=0.4), whole)


def test_memory_does_not_grow_with_the_number_of_pairs():
    A, B = np.random.default_rng(0).normal(size=(2, 6000, 2))
    tracemalloc.start()
    mmd2(A, B)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # all pairs of one sample: 288 MB, of both samples together 1.7 GB


def test_unbiased_is_zero_on_average_and_biased_is_not():
    values = {True: [], False: []}
    for seed in range(300):
        A, B = np.random.default_rng(seed).normal(size=(2, 10, 2))
        for biased in values:
            values[biased].append(mmd2(A, B, gamma=0.5, biased=biased))
    error = np.std(values[False]) / np.sqrt(300)
    assert abs(np.mean(values[False])) < 3 * error
    assert np.mean(values[True]) > 10 * error
    assert np.min(values[True]) >= 0 > np.min(values[False])


def test_unbiased_needs_two_rows():
    with pytest.raises(ValueError, match="at least 2 rows"):
        mmd2(Xs[:1], Xt, gamma=1.0, biased=False)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_proxy_a_distance_is_that_of_a_classifier_on_held_out_rows(sparse):
    rng = np.random.default_rng(1)
    A, B = rng.normal(size=(300, 4)), rng.normal(size=(60, 4)) + [1.5, 0, 0, 0]
    wrap = scipy.sparse.csr_array if sparse else np.asarray
    # Two normal distributions of variance 1 that are 1.5 apart: the best border errs on Φ(-0.75).
    expected = 2 * (1 - 2 * norm.cdf(-0.75))
    distance = proxy_a_distance(wrap(A), wrap(B), random_state=0)
    assert abs(distance - expected) < 0.15
    assert distance == proxy_a_distance(wrap(A), wrap(B), random_state=0)
    assert_allclose(distance, proxy_a_distance(wrap(1e4 * A), wrap(1e4 * B), random_state=0))
    if not sparse:  # the columns are centred
        moved = proxy_a_distance(A + 1e6, B + 1e6, random_state=0)
        assert_allclose(moved, distance, atol=1e-9)
    assert proxy_a_distance(wrap(A), wrap(B + 20), random_state=0) == 2
    seeds = {proxy_a_distance(wrap(A), wrap(B), random_state=seed) for seed in range(4)}
    assert len(seeds) > 1
    assert distance != proxy_a_distance(wrap(A), wrap(B), cv=2, random_state=0)


def test_the_proxy_a_distance_of_one_distribution_is_about_zero_whatever_the_numbers_of_rows():
    distances = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A, B = rng.normal(size=(200, 30)), rng.normal(size=(20, 30))
        distances.append(proxy_a_distance(A, B, random_state=0))
    assert abs(np.mean(distances)) < 0.15
    assert proxy_a_distance(A[:2], A[2:5] + 9, random_state=0) == 2  # fewer rows than folds
    with pytest.raises(ValueError, match="at least 2 rows in each sample"):
        proxy_a_distance(A, B[:1])


def test_the_proxy_a_distance_weighs_both_samples_alike():
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(1000, 1)), rng.normal(1.5, 1, size=(100, 1))
    # A classifier of most rows would lay the border nearer to the few, and so err more on average.
    distance = proxy_a_distance(A, B, random_state=0)
    assert abs(distance - 2 * (1 - 2 * norm.cdf(-0.75))) < 0.12
    assert_allclose(distance, proxy_a_distance(B, A, random_state=0), atol=0.05)
