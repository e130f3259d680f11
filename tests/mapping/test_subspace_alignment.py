"""Subspace alignment and the principal directions behind it, against the papers' formulas."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from skdtl import CORAL, NoTargetWarning, SourceOnly, SubspaceAlignment
from skdtl.datasets import load_corn_nir
from skdtl.mapping._principal_axes import (
    disagreement_dimension,
    kept_shares,
    principal_axes,
)
from skdtl.mapping.subspace_alignment import alignment_matrix

from ..shifts import other_covariances, turned
from .by_hand import paper_subspaces


def mapper(*args, **options):
    return paper_subspaces(SubspaceAlignment, *args, **options, estimator="passthrough")


def leading(X, k):
    """Eigenvectors of the covariance matrix, their largest entries positive."""
    P = np.linalg.eigh(np.cov(X.T))[1][:, ::-1][:, :k]
    return P * np.sign(P[abs(P).argmax(axis=0), np.arange(k)])


# --- the map of the paper ---------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("shape", [(40, 25, 6), (9, 12, 30)])
def test_algorithm_1(k, shape):
    Xs, _, Xt = other_covariances(*shape)
    Ps, Pt = leading(Xs, k), leading(Xt, k)
    model = mapper(k).fit(Xs, None, Xt)
    assert_allclose(model.source_components_, Ps.T, atol=1e-9)
    assert_allclose(model.target_components_, Pt.T, atol=1e-9)
    assert_allclose(model.alignment_, Ps.T @ Pt, atol=1e-9)
    new = other_covariances(*shape, seed=1)[0]
    Z = model.transform(new, domain="source")
    assert_allclose(Z, (new - Xs.mean(0)) @ Ps @ Ps.T @ Pt, atol=1e-9)
    assert_allclose(model.transform(new), (new - Xt.mean(0)) @ Pt, atol=1e-9)


def test_no_other_matrix_brings_the_subspaces_closer():
    Xs, _, Xt = other_covariances()
    Ps, Pt = leading(Xs, 3), leading(Xt, 3)
    assert_allclose(alignment_matrix(Ps, Pt), np.linalg.lstsq(Ps, Pt)[0], atol=1e-12)


# --- limits -----------------------------------------------------------------------------------


def test_equal_domains_give_principal_components():
    Xs, ys, _ = other_covariances()
    model = mapper(3).fit(Xs, None, Xs)
    expected = (Xs - Xs.mean(0)) @ leading(Xs, 3)
    for domain in ("source", "target"):
        assert_allclose(model.transform(Xs, domain), expected, atol=1e-9)
    with pytest.warns(NoTargetWarning):
        alone = paper_subspaces(SubspaceAlignment).fit(Xs, ys)
    assert alone.n_components_ == 6  # nothing disagrees


def test_with_all_directions_only_the_means_go():
    Xs, _, Xt = other_covariances()
    model = mapper(6).fit(Xs, None, Xt)
    Pt = leading(Xt, 6)
    assert_allclose(model.transform(Xs, "source"), (Xs - Xs.mean(0)) @ Pt, atol=1e-9)


def test_means():
    Xs, _, Xt = other_covariances()
    centred, plain = (mapper(2, match_means=m).fit(Xs, None, Xt) for m in (True, False))
    for X, domain in ((Xs, "source"), (Xt, "target")):
        assert_allclose(centred.transform(X, domain).mean(0), 0, atol=1e-12)
        shift = plain.transform(X, domain) - centred.transform(X, domain)
        assert_allclose(shift, np.tile(shift[0], (len(X), 1)), atol=1e-12)
        assert abs(shift).max() > 0.1
        assert_allclose(plain.transform(np.zeros((1, 6)), domain), 0, atol=1e-12)


# --- how many ---------------------------------------------------------------------------------


def paper_disagreement(Xs, Xt, k):
    """Equation 8 of the geodesic flow kernel's paper, on rows about their domain's mean."""
    both = np.vstack([Xs - Xs.mean(0), Xt - Xt.mean(0)])
    alpha, beta = (scipy.linalg.subspace_angles(leading(X, k), leading(both, k)) for X in (Xs, Xt))
    return (np.sin(alpha.max()) + np.sin(beta.max())) / 2


@pytest.mark.parametrize("seed", range(8))
def test_the_subspace_disagreement_measure(seed):
    d = 16
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(50, d)) * np.linspace(3, 0.2, d)
    Xt = rng.normal(size=(40, d)) * np.linspace(3, 0.2, d)
    found = [k for k in range(1, d // 2 + 1) if paper_disagreement(Xs, Xt, k) >= 0.995]
    expected = found[0] if found else d // 2
    assert mapper().fit(Xs, None, Xt + 1.0).n_components_ == expected


def test_the_measure_finds_where_domains_part():
    dimensions = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        Xs, Xt = (rng.normal(size=(200, 20)) * 0.3 for _ in range(2))
        common = rng.normal(size=(400, 4)) * [9, 8, 7, 6]
        Xs[:, :4], Xt[:, :4] = common[:200], common[200:]
        Xs[:, 4] *= 9
        Xt[:, 5] *= 10
        dimensions.append(mapper().fit(Xs, None, Xt).n_components_)
        # At 5 the source has feature 4, the target feature 5, and both together feature 5.
        assert paper_disagreement(Xs, Xt, 4) < 0.2
    assert min(dimensions) > 4
    assert np.median(dimensions) < 9  # the most that there could be is 10


def test_the_first_dimension_that_disagrees():
    E = np.eye(6)
    assert disagreement_dimension(E[:, [0, 1, 2]], E[:, [0, 1, 3]], E[:, [0, 1, 4]]) == 3
    assert disagreement_dimension(E[:, [0, 1, 2]], E[:, [0, 1, 3]], E[:, [0, 1, 2]]) is None
    assert disagreement_dimension(E[:, [0, 5]], E[:, [1, 0]], E[:, [2, 3]]) == 1


def test_a_mean_that_differs_is_no_direction():
    Xs, _, Xt = other_covariances(d=16)
    near, far = (mapper().fit(Xs, None, Xt + shift).n_components_ for shift in (0.0, 100.0))
    assert near == far


# --- principal directions ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 6), (8, 30)])
def test_principal_axes_are_those_of_pca(shape):
    X = np.random.default_rng(0).normal(size=shape) * np.linspace(3, 1, shape[1]) + 1e5
    axes = principal_axes([X], 4)
    expected = PCA(4, svd_solver="full").fit(X).components_.T
    assert_allclose(abs((axes * expected).sum(0)), 1, rtol=1e-8)
    assert (axes.max(axis=0) > -axes.min(axis=0)).all()
    several = principal_axes([X[:3], X[3:] + 5.0], 4)
    by_hand = np.vstack([X[:3] - X[:3].mean(0), X[3:] - X[3:].mean(0)])
    expected = np.linalg.svd(by_hand, full_matrices=False)[2][:4].T
    assert_allclose(abs((several * expected).sum(0)), 1, rtol=1e-8)


@pytest.mark.parametrize("n_components", [2, 11, "sdm"])
@pytest.mark.parametrize("shape", [(60, 40, 12), (15, 14, 80), (90, 70, 200)])
def test_sparse_rows_are_rows(shape, n_components):
    Xs, ys, Xt = other_covariances(*shape)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = paper_subspaces(SubspaceAlignment, n_components, estimator=Ridge()).fit(Xs, ys, Xt)
    sparse = paper_subspaces(SubspaceAlignment, n_components, estimator=Ridge())
    sparse.fit(scipy.sparse.csr_array(Xs), ys, scipy.sparse.csr_array(Xt))
    assert sparse.n_components_ == dense.n_components_
    assert_allclose(sparse.transform(scipy.sparse.csr_array(Xt)), dense.transform(Xt), atol=1e-7)
    Z = sparse.transform(scipy.sparse.csr_array(Xs), domain="source")
    assert_allclose(Z, dense.transform(Xs, domain="source"), atol=1e-7)


@pytest.mark.parametrize("shape", [(40, 6), (20, 50)])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_rounding_errors_are_no_directions(shape, form):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1])) + 7.0
    assert principal_axes([form(X)], 4).shape == (shape[1], 2)
    assert principal_axes([form(X)], 100).shape == (shape[1], 2)


def test_more_sparse_directions_than_are_looked_for_first():
    Xs, _, _ = other_covariances(150, 9, 100)
    Xs = scipy.sparse.csr_array(np.where(Xs > 0, Xs, 0))
    assert mapper().fit(Xs, None, Xs.copy()).n_components_ == 50


def test_sparse_rows_stay_sparse():
    Xs, Xt = (
        scipy.sparse.random(300, 20_000, density=1e-3, format="csr", random_state=seed)
        for seed in (0, 1)
    )
    tracemalloc.start()
    mapper(3).fit(Xs, None, Xt).transform(Xs, domain="source")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 20_000 * 8 / 3


def test_many_features_never_make_a_square_of_them():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 4000)), rng.normal(size=(20, 4000))
    tracemalloc.start()
    mapper(5).fit(Xs, None, Xt).transform(Xs, domain="source")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * (Xs.nbytes + Xt.nbytes) < 4000**2 * 8 / 3


def test_fewer_directions_than_asked_for():
    Xs, _, Xt = other_covariances()
    with pytest.warns(UserWarning, match="n_components=7, but the rows of Xs vary in only 6"):
        assert mapper(7).fit(Xs, None, Xt).n_components_ == 6
    with pytest.warns(UserWarning, match="n_components=4, but the rows of Xt vary in only 2 dir"):
        assert mapper(4).fit(Xs, None, Xt[:3]).transform(Xt).shape == (25, 2)
    with pytest.raises(ValueError, match=r"All rows of Xt are the same \(n_samples=4\)"):
        mapper().fit(Xs, None, np.full((4, 6), 0.1))
    with pytest.raises(ValueError, match=r"All rows of Xs are the same \(n_samples=1\)"):
        mapper(2).fit(Xs[:1], None, Xt)
    zeros = scipy.sparse.csr_array((50, 6))
    with pytest.raises(ValueError, match="All rows of Xs are the same"):
        mapper(2).fit(zeros, None, scipy.sparse.csr_array(Xt))


# --- what it is good for ----------------------------------------------------------------------


def test_source_only_loses_and_alignment_wins():
    scores = {"source only": [], "means alone": [], "aligned": [], "source's directions": []}
    for seed in range(5):
        Xs, ys, Xt, yt = turned(seed)
        scores["source only"].append(SourceOnly().fit(Xs, ys, Xt).score(Xt, yt))
        scores["means alone"].append(CORAL(1e9).fit(Xs, ys, Xt).score(Xt, yt))
        scores["aligned"].append(
            paper_subspaces(SubspaceAlignment, 1).fit(Xs, ys, Xt).score(Xt, yt)
        )
        Z = PCA(1).fit(Xs)
        model = SourceOnly().fit(Z.transform(Xs), ys, Z.transform(Xt))
        scores["source's directions"].append(model.score(Z.transform(Xt), yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["source only"] < 0.8
    assert means["means alone"] < 0.8
    assert means["source's directions"] < 0.8
    assert means["aligned"] > 0.95


def test_regression():
    """Up to its scale, which shrinks by the cosine of the angle, the signal is found."""
    correlations = {"source only": [], "aligned": []}
    for seed in range(5):
        Xs, ys, Xt, yt = turned(seed)
        for name, model in (
            ("source only", SourceOnly(estimator=Ridge())),
            ("aligned", paper_subspaces(SubspaceAlignment, 1, estimator=Ridge())),
        ):
            predicted = model.fit(Xs, ys, Xt).predict(Xt)
            correlations[name].append(np.corrcoef(predicted, yt)[0, 1])
    assert np.mean(correlations["source only"]) < 0.7
    assert np.mean(correlations["aligned"]) > 0.9


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)
def test_calibration_transfer():
    data = load_corn_nir(1, 2)
    error = {}
    for model in (
        SourceOnly(estimator=Ridge(1e-6)),
        paper_subspaces(SubspaceAlignment, estimator=Ridge(1e-6)),
    ):
        predicted = model.fit(data.Xs, data.ys, data.Xt).predict(data.Xt)
        error[type(model)] = np.sqrt(np.mean((predicted - data.yt) ** 2))
    assert error[SubspaceAlignment] < error[SourceOnly] / 3


# --- the estimator ----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 6])
def test_what_the_directions_hold_leads_back(k):
    Xs, _, Xt = other_covariances()
    model = mapper(k).fit(Xs, None, Xt)
    for X, domain in ((Xs, "source"), (Xt, "target")):
        Z = model.transform(X, domain)
        P = leading(X, k)
        expected = (X - X.mean(0)) @ P @ P.T + X.mean(0)
        back = model.inverse_transform(Z, domain)
        assert_allclose(back, expected, atol=1e-8)
        assert_allclose(model.transform(back, domain), Z, atol=1e-8)
    if k == 6:
        assert_allclose(back, Xt, atol=1e-8)
    with pytest.raises(ValueError, match=f"X has 7 features, but SubspaceAlignment maps to {k}"):
        model.inverse_transform(np.ones((1, 7)))


def test_labelled_target_rows_join_by_their_own_map():
    Xs, ys, Xt = other_covariances()
    yt = np.full(len(Xt), np.nan)
    yt[:4] = [1, 0, 1, 1]
    model = paper_subspaces(SubspaceAlignment, 3, estimator=KNeighborsClassifier(1)).fit(
        Xs, ys, Xt, yt
    )
    assert model.estimator_.n_samples_fit_ == len(Xs) + 4
    assert_array_equal(model.predict(Xt[:4]), [1, 0, 1, 1])


def test_single_precision():
    Xs, ys, Xt = other_covariances()
    double = mapper(2).fit(Xs, ys, Xt)
    single = mapper(2).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    for X, domain in ((Xs, "source"), (Xt, "target")):
        Z = single.transform(X.astype("f4"), domain)
        assert Z.dtype == single.inverse_transform(Z, domain).dtype == np.float32
        assert_allclose(Z, double.transform(X, domain), atol=1e-4)
    mixed = mapper(2).fit(Xs.astype("f4"), ys, Xt)
    assert_allclose(mixed.transform(Xt), double.transform(Xt), atol=1e-4)


def test_names_of_the_components():
    Xs, _, Xt = other_covariances()
    model = mapper(2).fit(Xs, None, Xt)
    names = ["subspacealignment0", "subspacealignment1"]
    assert list(model.get_feature_names_out()) == names


def slow_share(X, own, other):
    """Return the share of their variance that rows keep, projected onto one span and another."""
    X = X - X.mean(axis=0)
    projected = X @ own @ own.T @ other @ other.T
    return projected.var(axis=0).sum() / X.var(axis=0).sum()


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_what_directions_let_through(wrap):
    """One domain varies in fewer directions than the other, and keeps more."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    Xs = rng.normal(size=(80, 6)) * [5, 3, 1, 0.3, 0.2, 0.1] + 1
    Xt = rng.normal(size=(60, 6)) * [1, 1, 2, 1, 1, 1] @ turn - 2
    axes = [principal_axes([X], 6) for X in (Xs, Xt)]
    shares = np.array(
        [
            [slow_share(X, P[:, :k], Q[:, :k]) for k in range(1, 7)]
            for X, P, Q in ((Xs, *axes), (Xt, *axes[::-1]))
        ]
    )
    assert (shares[0, :5] > shares[1, :5] + 0.05).all()
    assert_allclose(kept_shares(wrap(Xs), wrap(Xt), *axes), shares[1], atol=1e-9)
    assert_allclose(kept_shares(wrap(Xt), wrap(Xs), *axes[::-1]), shares[1], atol=1e-9)


def test_sparse_rows_are_asked_for_more_directions_until_these_let_rows_through():
    rng = np.random.default_rng(0)
    Xs, Xt = (rng.normal(size=(300, 50)) * np.linspace(2, 1, 50) for _ in range(2))
    dense = mapper(0.95).fit(Xs, None, Xt)
    rows = scipy.sparse.csr_array(Xs), scipy.sparse.csr_array(Xt)
    sparse = mapper(0.95).fit(rows[0], None, rows[1])
    assert 32 < dense.n_components_ == sparse.n_components_
    assert_allclose(sparse.transform(rows[1]), dense.transform(Xt), atol=1e-6)
