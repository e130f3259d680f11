"""LinearOTMapping: the closed form, its optimality, spans smaller than the features, a shift."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression

from skdtl import LinearOTMapping, NoTargetWarning, SourceOnly
from skdtl.mapping.linear_ot import gaussian_transport

from ..shifts import other_covariances

pytest.importorskip("ot")


def formula(Xs, Xt, reg):
    """A as the paper writes it, among all features."""
    Cs, Ct = np.cov(Xs.T, ddof=0), np.cov(Xt.T, ddof=0)
    d = len(Cs)
    ridge = reg * (np.trace(Cs) + np.trace(Ct)) / (2 * d) * np.eye(d)
    Cs, Ct = Cs + ridge, Ct + ridge
    root = scipy.linalg.sqrtm(Cs)
    inverse = np.linalg.inv(root)
    return np.real(inverse @ scipy.linalg.sqrtm(root @ Ct @ root) @ inverse), Cs, Ct


@pytest.mark.parametrize("reg", [1e-8, 1e-3, 0.5])
def test_the_papers_map(reg):
    Xs, ys, Xt = other_covariances(60, 50, 4)
    A, Cs, Ct = formula(Xs, Xt, reg)
    model = LinearOTMapping(reg=reg, allowance=0).fit(Xs, ys, Xt)
    assert model.basis_ is None
    assert_allclose(model.coef_, A, rtol=1e-7, atol=1e-9)
    expected = (Xs - Xs.mean(axis=0)) @ A.T + Xt.mean(axis=0)
    assert_allclose(model.transform(Xs, "source"), expected)
    assert_array_equal(model.transform(Xt), Xt)
    # What makes it the optimal map: symmetric, positive definite, and it carries one normal
    # distribution to the other.
    assert_array_equal(model.coef_, model.coef_.T)
    assert np.linalg.eigvalsh(model.coef_).min() > 0
    assert_allclose(model.coef_ @ Cs @ model.coef_, Ct, rtol=1e-7, atol=1e-8)


def test_mapped_rows_have_the_targets_mean_and_covariance():
    Xs, ys, Xt = other_covariances(60, 50, 4)
    moved = LinearOTMapping(reg=1e-10, allowance=0).fit(Xs, ys, Xt).transform(Xs, "source")
    assert_allclose(moved.mean(axis=0), Xt.mean(axis=0))
    assert_allclose(np.cov(moved.T), np.cov(Xt.T) * (49 / 50) * (60 / 59), rtol=1e-5, atol=1e-7)
    # It moves them less than the map of CORAL, which has the same result.
    Cs, Ct = np.cov(Xs.T, ddof=0), np.cov(Xt.T, ddof=0)
    coral = (Xs - Xs.mean(0)) @ np.linalg.inv(scipy.linalg.sqrtm(Cs)) @ scipy.linalg.sqrtm(Ct)
    coral += Xt.mean(0)
    assert_allclose(np.cov(coral.T), np.cov(moved.T), rtol=1e-4, atol=1e-4)
    assert ((moved - Xs) ** 2).sum() < ((coral - Xs) ** 2).sum() - 1


def test_one_feature_by_hand():
    Xs, Xt = np.array([[0.0], [2.0]]), np.array([[10.0], [16.0]])  # deviations 1 and 3
    model = LinearOTMapping(reg=1e-12, allowance=0).fit(Xs, [0, 1], Xt)
    assert_allclose(model.transform([[0.0], [1.0], [3.0]], "source"), [[10.0], [13.0], [19.0]])


def test_more_features_than_rows_lose_nothing():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(7, 30)), 2 * rng.normal(size=(9, 30)) + 1
    new = rng.normal(size=(5, 30))
    A, _, _ = formula(Xs, Xt, 0.01)
    model = LinearOTMapping(reg=0.01, allowance=0).fit(Xs, np.arange(7) % 2, Xt)
    assert model.basis_.shape == (30, 16)
    expected = (new - Xs.mean(axis=0)) @ A.T + Xt.mean(axis=0)
    assert_allclose(model.transform(new, "source"), expected, rtol=1e-6, atol=1e-8)
    assert_allclose(model.inverse_transform(expected, "source"), new, rtol=1e-6, atol=1e-6)


def test_many_features_make_no_large_matrix():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(20, 20_000)), rng.normal(size=(20, 20_000))
    tracemalloc.start()
    LinearOTMapping("passthrough").fit(Xs, None, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * Xs.nbytes < 20_000**2


@pytest.mark.parametrize("d", [4, 200])
def test_the_inverse_is_exact(d):
    Xs, ys, Xt = other_covariances(60, 50, d)
    model = LinearOTMapping(allowance=0).fit(Xs, ys, Xt)
    new = other_covariances(60, 50, d, seed=3)[0]
    there = model.transform(new, "source")
    assert abs(there - new).max() > 0.1
    assert_allclose(model.inverse_transform(there, "source"), new, rtol=1e-6, atol=1e-6)
    assert_array_equal(model.inverse_transform(new), new)
    with pytest.raises(ValueError, match="domain must be"):
        model.inverse_transform(new, "elsewhere")
    with pytest.raises(ValueError, match=f"X has {d - 1} features, .* maps to {d}"):
        model.inverse_transform(new[:, 1:])


def test_the_inverse_takes_mapped_tables():
    Xs, ys, Xt = other_covariances(60, 50, 4)
    names = list("abcd")
    frame = pd.DataFrame(Xs, columns=names)
    model = LinearOTMapping().set_output(transform="pandas").fit(frame, ys, Xt)
    back = model.inverse_transform(model.transform(frame, "source"), "source")
    assert_allclose(back, Xs)


# --- limits ------------------------------------------------------------------------------------


def test_equal_domains_stay():
    Xs, ys, _ = other_covariances(60, 50, 4)
    for reg in (1e-6, 1.0):
        assert_allclose(LinearOTMapping(reg=reg).fit(Xs, ys, Xs).coef_, np.eye(4), atol=1e-8)
    with pytest.warns(NoTargetWarning):
        model = LinearOTMapping().fit(Xs, ys)
    assert_allclose(model.transform(Xs, "source"), Xs)


def test_an_infinite_reg_moves_the_means_alone():
    Xs, ys, Xt = other_covariances(60, 50, 4)
    moved = LinearOTMapping(reg=1e9, allowance=0).fit(Xs, ys, Xt).transform(Xs, "source")
    assert_allclose(moved, Xs - Xs.mean(axis=0) + Xt.mean(axis=0), atol=1e-6)


def test_the_unit_does_not_count():
    Xs, _, Xt = other_covariances(60, 50, 4)
    for scale in (1e-6, 1e6):
        assert_allclose(
            gaussian_transport(scale * Xs, scale * Xt, 0.1)[2], gaussian_transport(Xs, Xt, 0.1)[2]
        )


def test_constant_rows_are_shifted():
    model = LinearOTMapping("passthrough").fit(np.zeros((5, 2)), None, np.ones((4, 2)))
    assert_allclose(model.transform([[3.0, 4.0]], "source"), [[4.0, 5.0]])


def test_a_reg_below_rounding_error_is_named():
    rng = np.random.default_rng(0)
    Xs, Xt = (np.outer(rng.normal(size=30), np.ones(20)) for _ in range(2))
    with pytest.raises(ValueError, match=r"reg=1e-30 is too small.*20 features"):
        LinearOTMapping("passthrough", reg=1e-30).fit(Xs, None, Xt)
    LinearOTMapping("passthrough").fit(Xs, None, Xt)  # the default bears it


# --- what it is good for -----------------------------------------------------------------------


def squeezed(seed, n=150):
    """The target's features are mixed and scaled otherwise; the first tells the classes apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % 2
    X = rng.normal(size=(2 * n, 3))
    X[:, 0] += 3 * y
    S = np.array([[1.0, 1.8, 0.0], [1.8, 4.0, 0.0], [0.0, 0.0, 0.5]])
    X[n:] = X[n:] @ S + [6.0, -1.0, 0.0]
    return X[:n], y[:n], X[n:], y[n:]


def test_source_only_loses_and_the_map_wins():
    exact = LinearOTMapping(allowance=0)
    models = SourceOnly(), LinearOTMapping(reg=1e9), exact, LinearOTMapping()
    scores = []
    for seed in range(4):
        Xs, ys, Xt, yt = squeezed(seed)
        scores.append([model.fit(Xs, ys, Xt).score(Xt, yt) for model in models])
    source, means, whole, default = np.mean(scores, axis=0)
    assert source < 0.6
    assert whole > 0.85
    assert whole > means + 0.1, "the covariances count, too"
    assert default > means + 0.07


def test_regression_and_labelled_target_rows():
    Xs, _, Xt, _ = squeezed(0)
    ys = Xs @ [1.0, -1.0, 2.0]
    model = LinearOTMapping(LinearRegression()).fit(Xs, ys, Xt)
    moved = model.transform(Xs, "source")
    assert_allclose(model.predict(moved), ys, atol=1e-8)
    yt = np.full(len(Xt), np.nan)
    yt[:20] = 100.0
    both = LinearOTMapping(LinearRegression(), balance="rows").fit(Xs, ys, Xt, yt)
    expected = LinearRegression().fit(np.vstack([moved, Xt[:20]]), np.r_[ys, yt[:20]])
    assert_allclose(both.predict(Xt), expected.predict(Xt))


@pytest.mark.parametrize("d", [4, 200])
def test_single_precision(d):
    Xs, ys, Xt = other_covariances(60, 50, d)
    double = LinearOTMapping().fit(Xs, ys, Xt)
    single = LinearOTMapping().fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xs.astype("f4"), "source")
    assert Z.dtype == np.float32
    assert single.inverse_transform(Z, "source").dtype == np.float32
    assert_allclose(Z, double.transform(Xs, "source"), atol=2e-3 * abs(Z).max())
    assert LinearOTMapping().fit(Xs, ys, Xt.astype("f4")).transform(Xs, "source").dtype == float
