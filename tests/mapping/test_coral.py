"""CORAL against the paper's formulas, its limits, and on data whose correlations have changed."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skdtl import CORAL, SourceOnly
from skdtl.datasets import load_office_caltech
from skdtl.mapping.coral import coral_map, coral_matrix

from ..shifts import other_covariances


def low_rank(n, d, rank, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) + rng.normal(size=d)


# --- the map of the paper ---------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_algorithm_1(lam):
    Xs, ys, Xt = other_covariances(d=5)
    coral = CORAL(lam, estimator="passthrough", allowance=0).fit(Xs, ys, Xt)
    Cs, Ct = (np.cov(X.T) + lam * np.eye(5) for X in (Xs, Xt))
    A = scipy.linalg.inv(scipy.linalg.sqrtm(Cs)) @ scipy.linalg.sqrtm(Ct)
    assert_allclose(coral.recoloring_, A, rtol=1e-8)
    new = other_covariances(seed=1, d=5)[0]
    expected = (new - Xs.mean(axis=0)) @ A + Xt.mean(axis=0)
    assert_allclose(coral.transform(new, domain="source"), expected, rtol=1e-8)


@pytest.mark.parametrize("ranks", [(3, 2), (2, 4), (4, 4), (6, 3)])
@pytest.mark.parametrize("n", [(30, 20), (7, 6)])
def test_the_theorem_for_any_rank(ranks, n):
    d = 6 if n[0] == 30 else 16
    Xs, Xt = (low_rank(n[i], d, min(ranks[i], n[i] - 1), i) for i in (0, 1))
    Us, Ds, _ = np.linalg.svd(np.cov(Xs.T))
    Ut, Dt, _ = np.linalg.svd(np.cov(Xt.T))
    r_s, r_t = (np.linalg.matrix_rank(np.diag(D), rtol=1e-10) for D in (Ds, Dt))
    r = min(r_s, r_t)
    inverse_roots = np.r_[1 / np.sqrt(Ds[:r_s]), np.zeros(d - r_s)]
    A = Us @ np.diag(inverse_roots) @ Us.T @ Ut[:, :r] @ np.diag(np.sqrt(Dt[:r])) @ Ut[:, :r].T
    coral = CORAL(0.0, estimator="passthrough", allowance=0).fit(Xs, None, Xt)
    new = low_rank(9, d, d, 5)
    expected = (new - Xs.mean(axis=0)) @ A + Xt.mean(axis=0)
    assert_allclose(coral.transform(new, domain="source"), expected, rtol=1e-6, atol=1e-7)
    assert (coral.basis_ is None) == (d == 6)


def test_a_case_computed_by_hand():
    """Uncorrelated features are scaled by the root of the ratio of (variance + lam)."""
    Xs = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])  # variances 2/3 and 8/3
    Xt = Xs * [3.0, 0.5] + [10.0, 20.0]  # 6 and 2/3
    coral = CORAL(2.0, estimator="passthrough", allowance=0).fit(Xs, None, Xt)
    scales = np.sqrt([(6 + 2) / (2 / 3 + 2), (2 / 3 + 2) / (8 / 3 + 2)])
    assert_allclose(coral.transform(Xs, domain="source"), Xs * scales + [10.0, 20.0], rtol=1e-12)


def test_without_lam_both_moments_agree():
    Xs, ys, Xt = other_covariances(d=5)
    Z = CORAL(0.0, allowance=0).fit(Xs, ys, Xt).transform(Xs, domain="source")
    assert_allclose(np.cov(Z.T), np.cov(Xt.T), rtol=1e-8)
    assert_allclose(Z.mean(axis=0), Xt.mean(axis=0))
    regularised = CORAL(1.0, allowance=0).fit(Xs, ys, Xt).transform(Xs, domain="source")
    assert abs(np.cov(regularised.T) - np.cov(Xt.T)).max() > 0.1


# --- more features than rows ------------------------------------------------------------------


@pytest.mark.parametrize("d, in_a_basis", [(20, False), (35, False), (40, False), (41, True)])
def test_a_basis_where_there_are_more_features_than_rows_in_both_domains(d, in_a_basis):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(20, d)), rng.normal(size=(20, d))
    model = CORAL(estimator="passthrough").fit(Xs, None, Xt)
    assert (model.basis_ is not None) == in_a_basis
    assert model.recoloring_.shape == ((40, 40) if in_a_basis else (d, d))


@pytest.mark.parametrize("lam", [0.0, 0.01, 2.0])
def test_many_features_give_the_same_as_the_large_matrices(lam):
    Xs, Xt = low_rank(9, 40, 9, 0), low_rank(12, 40, 12, 1)
    coral = CORAL(lam, estimator="passthrough", allowance=0).fit(Xs, None, Xt)
    assert coral.basis_.shape == (40, 21)
    Cs, Ct = np.cov(Xs.T), np.cov(Xt.T)
    for rows in (Xs, low_rank(5, 40, 40, 2)):  # the new ones are not in the span of the old ones
        expected = (rows - Xs.mean(0)) @ coral_matrix(Cs, Ct, lam) + Xt.mean(0)
        Z = coral.transform(rows, domain="source")
        assert_allclose(Z, expected, rtol=1e-6, atol=1e-8)
        back = (Z - Xt.mean(0)) @ coral_matrix(Ct, Cs, lam) + Xs.mean(0)
        assert_allclose(coral.inverse_transform(Z, domain="source"), back, rtol=1e-6, atol=1e-8)


def test_many_features_never_make_a_square_of_them():
    Xs, Xt = low_rank(30, 4000, 30, 0), low_rank(20, 4000, 20, 1)
    tracemalloc.start()
    CORAL(estimator="passthrough").fit(Xs, None, Xt).transform(Xs, domain="source")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * (Xs.nbytes + Xt.nbytes) < 4000**2 * 8 / 3


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 1.0])
@pytest.mark.parametrize("d", [5, 100])
def test_equal_domains_change_nothing(lam, d):
    Xs, ys, _ = other_covariances(d=d)
    coral = CORAL(lam, estimator="passthrough").fit(Xs, ys, Xs)
    assert_allclose(coral.transform(Xs, domain="source"), Xs, rtol=1e-7, atol=1e-7)


def test_a_large_lam_moves_the_mean_alone():
    Xs, ys, Xt = other_covariances(d=5)
    moved = CORAL(1e9, allowance=0).fit(Xs, ys, Xt).transform(Xs, domain="source")
    assert_allclose(moved, Xs - Xs.mean(0) + Xt.mean(0), atol=1e-6)


def test_an_offset_does_not_cost_precision():
    Xs, ys, Xt = other_covariances(d=5)
    near = CORAL(0.1, estimator="passthrough", allowance=0).fit(Xs, ys, Xt)
    far = CORAL(0.1, estimator="passthrough", allowance=0).fit(Xs + 1e6, ys, Xt + 1e6)
    assert_allclose(far.recoloring_, near.recoloring_, rtol=1e-6)


@pytest.mark.parametrize("d", [5, 100])
def test_means(d):
    def fitted(match_means, Xs, Xt):
        return CORAL(match_means=match_means, estimator="passthrough", allowance=0).fit(
            Xs, None, Xt
        )

    Xs, _, Xt = other_covariances(d=d)
    moved, stays = fitted(True, Xs, Xt), fitted(False, Xs, Xt)
    Z = stays.transform(Xs, domain="source")
    shift = moved.transform(Xs, domain="source") - Z
    assert_allclose(shift, np.tile(shift[0], (len(Xs), 1)), atol=1e-9)
    assert abs(shift).max() > 0.1
    assert_allclose(stays.transform(np.zeros((1, d)), domain="source"), 0, atol=1e-12)
    assert_allclose(stays.inverse_transform(Z, domain="source"), Xs, atol=1e-9)
    # Of centred domains it makes no difference.
    Xs, Xt = Xs - Xs.mean(0), Xt - Xt.mean(0)
    both = [fitted(m, Xs, Xt).transform(Xs, domain="source") for m in (True, False)]
    assert_allclose(*both, atol=1e-12)


# --- what it is good for ----------------------------------------------------------------------


def distorted(seed, n=200):
    """Two uncorrelated features, of which the first predicts; in the target they are mixed."""
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % 2
    X = np.column_stack([2 * y - 1 + 0.2 * rng.normal(size=2 * n), rng.normal(size=2 * n)])
    return X[:n], y[:n], X[n:] @ [[1, 2], [2, 5]] + [2, 5], y[n:]


def test_source_only_loses_and_coral_wins():
    scores = {"source only": [], "means alone": [], "coral": [], "swapped": []}
    for seed in range(5):
        Xs, ys, Xt, yt = distorted(seed)
        scores["source only"].append(SourceOnly().fit(Xs, ys, Xt).score(Xt, yt))
        scores["means alone"].append(CORAL(1e9).fit(Xs, ys, Xt).score(Xt, yt))
        scores["coral"].append(CORAL(0.0).fit(Xs, ys, Xt).score(Xt, yt))
        swapped = CORAL(0.0, estimator="passthrough").fit(Xt, None, Xs)
        model = SourceOnly().fit(swapped.transform(Xs, domain="source"), ys, Xt)
        scores["swapped"].append(model.score(Xt, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["source only"] < 0.7
    assert means["means alone"] < 0.75
    assert means["swapped"] < 0.75
    assert means["coral"] > 0.95


def test_regression():
    errors = {"source only": [], "means alone": [], "coral": []}
    for seed in range(5):
        Xs, _, Xt, _ = distorted(seed)
        truth = (Xt - [2, 5]) @ np.linalg.inv([[1, 2], [2, 5]])[:, 0]
        for name, model in (
            ("source only", SourceOnly(estimator=Ridge())),
            ("means alone", CORAL(1e9, estimator=Ridge(), allowance=0)),
            ("coral", CORAL(0.0, estimator=Ridge(), allowance=0)),
        ):
            predicted = model.fit(Xs, Xs[:, 0], Xt).predict(Xt)
            errors[name].append(np.mean((predicted - truth) ** 2))
    assert np.mean(errors["coral"]) < 0.1 < 2 < np.mean(errors["means alone"])
    assert np.mean(errors["means alone"]) < np.mean(errors["source only"])


# --- the estimator ----------------------------------------------------------------------------


@pytest.mark.parametrize("d", [5, 100])
def test_only_source_rows_move_and_they_move_back(d):
    Xs, ys, Xt = other_covariances(d=d)
    coral = CORAL(estimator="passthrough", allowance=0).fit(Xs, ys, Xt)
    Z = coral.transform(Xs, domain="source")
    assert abs(Z - Xs).max() > 0.1
    assert_allclose(coral.inverse_transform(Z, domain="source"), Xs, atol=1e-9)
    for same in (coral.transform(Xt), coral.inverse_transform(Xt)):
        assert_array_equal(same, Xt)
        assert not np.shares_memory(same, Xt)


def test_rows_to_lead_back_are_checked():
    Xs, ys, Xt = other_covariances(d=5)
    coral = CORAL().fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="X has 3 features, but CORAL maps to 5"):
        coral.inverse_transform(Xt[:, :3])
    with pytest.raises(ValueError, match="domain must be 'source' or 'target'; got 'somewhere'"):
        coral.inverse_transform(Xt, domain="somewhere")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        coral.inverse_transform(np.full((1, 5), np.nan))


def test_labelled_target_rows_join_as_they_are():
    Xs, ys, Xt = other_covariances(d=5)
    yt = np.full(len(Xt), np.nan)
    yt[:4] = [1, 0, 1, 1]
    coral = CORAL(estimator=KNeighborsClassifier(1)).fit(Xs, ys, Xt, yt)
    assert coral.estimator_.n_samples_fit_ == len(Xs) + 4
    assert_array_equal(coral.predict(Xt[:4]), [1, 0, 1, 1])


@pytest.mark.parametrize("d", [5, 100])
def test_single_precision(d):
    Xs, ys, Xt = other_covariances(d=d)
    double = CORAL(estimator="passthrough").fit(Xs, ys, Xt)
    single = CORAL(estimator="passthrough").fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xs.astype("f4"), domain="source")
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xs, domain="source"), rtol=1e-3, atol=1e-3)
    assert single.inverse_transform(Z, domain="source").dtype == np.float32
    mixed = CORAL(estimator="passthrough").fit(Xs.astype("f4"), ys, Xt)
    assert_allclose(mixed.transform(Xs, "source"), double.transform(Xs, "source"), atol=1e-3)


def test_too_few_rows():
    Xs, ys, Xt = other_covariances(d=5)
    with pytest.raises(ValueError, match="Xt has n_samples=1, but a covariance matrix needs"):
        CORAL().fit(Xs, ys, Xt[:1])
    flat = np.ones((4, 5))
    with pytest.raises(ValueError, match=r"All rows of Xt are the same .* with lam=0"):
        CORAL(0.0).fit(Xs, ys, flat)
    with pytest.raises(ValueError, match=r"All rows of Xs are the same .* with lam=0"):
        CORAL(0.0, estimator="passthrough").fit(flat, None, Xt)
    Z = CORAL().fit(Xs, ys, flat).transform(Xs, domain="source")
    assert np.isfinite(Z).all()


def test_sparse_rows_are_refused():
    Xs, ys, Xt = other_covariances(d=5)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        CORAL().fit(scipy.sparse.csr_array(Xs), ys, scipy.sparse.csr_array(Xt))


def test_the_function_alone():
    Xs, _, Xt = other_covariances(d=5)
    basis, A, inverse = coral_map(Xs, Xt, 0.5)
    assert basis is None
    assert_allclose(A @ inverse, np.eye(5), atol=1e-10)
    assert_allclose(
        A, CORAL(0.5, estimator="passthrough", allowance=0).fit(Xs, None, Xt).recoloring_
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)
@pytest.mark.parametrize(
    "source, target, published",
    [("amazon", "webcam", 44.4), ("webcam", "dslr", 86.6), ("dslr", "webcam", 84.7)],
)
def test_published_accuracies(source, target, published):
    """The published classifier compares mapped source rows with source rows that are not mapped."""
    data = load_office_caltech(source, target)
    coral = CORAL(estimator="passthrough", allowance=0).fit(data.Xs, None, data.Xt)
    Z = coral.transform(data.Xs, domain="source")
    svm = SVC(kernel="precomputed").fit(Z @ data.Xs.T, data.ys)
    assert_allclose(100 * svm.score(data.Xt @ Z.T, data.yt), published, atol=0.05)


def test_columns_keep_their_names():
    pd = pytest.importorskip("pandas")
    Xs, ys, Xt = other_covariances(d=5)
    names = ["age", "chol", "ecg", "bmi", "dose"]
    Fs, Ft = pd.DataFrame(Xs, columns=names), pd.DataFrame(Xt, columns=names)
    coral = CORAL().set_output(transform="pandas").fit(Fs, ys, Ft)
    pd.testing.assert_frame_equal(coral.transform(Ft), Ft)
    assert list(coral.transform(Fs, domain="source").columns) == names
