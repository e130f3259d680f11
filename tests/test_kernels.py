"""Kernel matrices against the formulas, written out entry by entry."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.gaussian_process.kernels import RBF

from skdtl import kernels
from skdtl.kernels import kernel_gamma, kernel_matrix

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 1

FORMULAS = {
    "linear": lambda x, y: x @ y,
    "rbf": lambda x, y: np.exp(-0.3 * ((x - y) ** 2).sum()),
    "poly": lambda x, y: (0.3 * (x @ y) + 0.7) ** 4,
    "laplacian": lambda x, y: np.exp(-0.3 * np.abs(x - y).sum()),
}


@pytest.mark.parametrize("kernel", FORMULAS)
@pytest.mark.parametrize("sparse", [False, True])
def test_each_kernel_is_its_formula(kernel, sparse):
    rows = (scipy.sparse.csr_array(X), scipy.sparse.csr_array(Y)) if sparse else (X, Y)
    options = {"gamma": 0.3, "degree": 4, "coef0": 0.7}
    expected = [[FORMULAS[kernel](x, y) for y in Y] for x in X]
    assert_allclose(kernel_matrix(*rows, kernel, **options), expected)
    expected = [[FORMULAS[kernel](x, y) for y in X] for x in X]
    assert_allclose(kernel_matrix(rows[0], kernel=kernel, **options), expected)


def test_a_callable_returns_the_whole_matrix():
    assert_allclose(kernel_matrix(X, Y, RBF(2.0)), kernel_matrix(X, Y, "rbf", gamma=1 / 8))
    with pytest.raises(ValueError, match=r"shape \(7,\) for 7 and 5 rows"):
        kernel_matrix(X, Y, lambda X, Y: np.ones(len(X)))
    with pytest.raises(ValueError, match="infinite or not a number"):
        kernel_matrix(X, Y, lambda X, Y: np.full((len(X), len(Y)), np.nan))
    with pytest.raises(ValueError, match="kernel must be one of"):
        kernel_matrix(X, Y, "cubic")


@pytest.mark.parametrize("sparse", [False, True])
def test_rules_for_gamma(sparse):
    rows = scipy.sparse.csr_array(X) if sparse else X
    n = len(X)
    distances = [np.linalg.norm(X[i] - X[j]) for i in range(n) for j in range(i)]
    city_block = [np.abs(X[i] - X[j]).sum() for i in range(n) for j in range(i)]
    assert_allclose(kernel_gamma(rows, "rbf", "scale"), 1 / (3 * X.var()))
    assert_allclose(kernel_gamma(rows, "poly", "scale"), 1 / (3 * X.var()))
    assert_allclose(kernel_gamma(rows, "laplacian", "scale"), 1 / (3 * X.std()))
    assert_allclose(kernel_gamma(rows, "rbf", "auto"), 1 / 3)
    assert_allclose(kernel_gamma(rows, "rbf", "median"), 1 / (2 * np.median(distances) ** 2))
    assert_allclose(kernel_gamma(rows, "laplacian", "median"), 1 / np.median(city_block))
    assert kernel_gamma(rows, "rbf", 0.25) == 0.25
    assert kernel_gamma(np.ones((3, 2)), "rbf", "scale") == 1.0
    with pytest.raises(ValueError, match="is no rule for the kernel 'poly'"):
        kernel_gamma(rows, "poly", "median")


def test_a_rule_looks_at_the_rows_of_both_sides():
    both = kernel_gamma(np.vstack([X, Y]), "rbf", "scale")
    assert_allclose(
        kernel_matrix(X, Y, "rbf", gamma="scale"), kernel_matrix(X, Y, "rbf", gamma=both)
    )


def test_single_precision_stays():
    assert kernel_matrix(X.astype(np.float32), kernel="rbf").dtype == np.float32


# --- rounding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("value", [0.1, 7.3, -1e6, 1e-9])
@pytest.mark.parametrize("shape", [(3, 2), (30, 7), (1000, 3), (4, 3000)])
def test_rows_that_do_not_differ_have_no_width(shape, value, sparse):
    """Their mean is rounded, so that they have a variance, and so are products of them."""
    rows = np.full(shape, value)
    rows = scipy.sparse.csr_array(rows) if sparse else rows
    for kernel in ("rbf", "poly", "laplacian"):
        assert kernel_gamma(rows, kernel, "scale") == 1.0
    for kernel in ("rbf", "laplacian"):
        assert kernel_gamma(rows, kernel, "median") == 1.0
        assert (kernel_matrix(rows, rows.copy(), kernel, gamma=1.0) == 1).all()
    parts = (rows, rows[:2])
    assert kernel_gamma(parts, "rbf", "scale") == 1.0


@pytest.mark.parametrize("sparse", [False, True])
def test_small_differences_of_large_numbers_have_a_width(sparse):
    rows = 1e3 + 1e-3 * X
    tolerance = 1e-2 if sparse else 1e-8
    rows = scipy.sparse.csr_array(rows) if sparse else rows
    assert_allclose(kernel_gamma(rows, "rbf", "scale"), 1e6 / (3 * X.var()), rtol=tolerance)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_width_of_rows_in_single_precision_is_known_in_double(sparse):
    """Their mean lies between the numbers that single precision knows."""
    steps = np.random.default_rng(0).integers(-2, 3, size=(300, 3))
    rows = ((100 if sparse else 1e4) + 2.0**-10 * steps).astype(np.float32)
    double = rows.astype(np.float64)
    kind = scipy.sparse.csr_array if sparse else np.asarray
    expected = kernel_gamma(kind(double), "rbf", "scale")
    assert_allclose(kernel_gamma(kind(rows), "rbf", "scale"), expected, rtol=1e-9)
    assert_allclose(expected, 1 / (3 * double.var()), rtol=1e-3 if sparse else 1e-9)


# --- many rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
@pytest.mark.parametrize("sparse", [False, True])
def test_some_rows_give_the_median_where_there_are_many(kernel, sparse, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 4)) * [5, 1, 1, 1]
    rows[:700] += 3
    kind = scipy.sparse.csr_array if sparse else np.asarray
    exact = kernel_gamma(kind(rows), kernel, "median")
    monkeypatch.setattr(kernels, "_MEDIAN_ROWS", 1499)
    assert kernel_gamma(kind(rows), kernel, "median") != exact
    monkeypatch.setattr(kernels, "_MEDIAN_ROWS", 300)
    found = kernel_gamma(kind(rows), kernel, "median")
    assert_allclose(found, exact, rtol=0.1)
    # The same ones whatever their order: those of both domains, where both are joined.
    assert_allclose(kernel_gamma(kind(rows[rng.permutation(1500)]), kernel, "median"), found)


def test_the_median_needs_no_matrix_of_all_pairs():
    rows = np.random.default_rng(0).normal(size=(12_000, 3))
    tracemalloc.start()
    kernel_gamma(rows, "rbf", "median")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # all pairs: 1.2 GB
