"""The geodesic flow kernel against the integral that defines it, its limits, and turned domains."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from skdtl import CORAL, GFK, NoTargetWarning, SourceOnly, SubspaceAlignment
from skdtl.datasets import load_office_caltech
from skdtl.mapping._principal_axes import principal_axes
from skdtl.mapping.gfk import geodesic_flow_factor, partial_least_squares_axes

from ..shifts import other_covariances, turned
from .by_hand import paper_subspaces


def mapper(*args, **options):
    return paper_subspaces(GFK, *args, **options, estimator="passthrough")


def bases(d, k, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(np.linalg.qr(rng.normal(size=(d, k)))[0] for _ in range(2))


def paper_factors(Ps, Pt):
    """U1, U2, R and the angles of the paper: Ps' Pt = U1 Γ V', R' Pt = -U2 Σ V'."""
    k = Ps.shape[1]
    R = scipy.linalg.null_space(Ps.T)
    U1, gamma, Vt = np.linalg.svd(Ps.T @ Pt)
    theta = np.arccos(np.minimum(gamma, 1))
    sines = np.linalg.norm(R.T @ Pt @ Vt.T, axis=0)
    U2 = np.zeros((R.shape[1], k))
    turned = sines > 1e-7
    U2[:, turned] = -(R.T @ Pt @ Vt.T)[:, turned] / sines[turned]
    return U1, U2, R, np.where(turned, theta, 0.0)


def integral(Ps, Pt):
    """The integral of Φ(t) Φ(t)' over the geodesic, by quadrature."""
    U1, U2, R, theta = paper_factors(Ps, Pt)
    nodes, weights = np.polynomial.legendre.leggauss(30)
    G = np.zeros((len(Ps), len(Ps)))
    for t, weight in zip((nodes + 1) / 2, weights / 2):
        Phi = Ps @ U1 * np.cos(t * theta) - R @ U2 * np.sin(t * theta)
        G += weight * Phi @ Phi.T
    return G


def closed_form(Ps, Pt):
    """The paper's blocks Λ1, Λ2, Λ3, halved: the integral."""
    U1, U2, R, theta = paper_factors(Ps, Pt)
    L1 = np.diag(1 + np.sin(2 * theta) / (2 * theta))
    L2 = np.diag((np.cos(2 * theta) - 1) / (2 * theta))
    L3 = np.diag(1 - np.sin(2 * theta) / (2 * theta))
    Q = np.hstack([Ps @ U1, R @ U2])
    return Q @ np.block([[L1, L2], [L2, L3]]) @ Q.T / 2


# --- the kernel of the paper ------------------------------------------------------------------


@pytest.mark.parametrize("d, k", [(2, 1), (8, 1), (8, 3), (8, 4), (20, 6)])
def test_the_integral_over_the_geodesic(d, k):
    for seed in range(3):
        Ps, Pt = bases(d, k, seed)
        factor, theta = geodesic_flow_factor(Ps, Pt)
        assert factor.shape == (d, 2 * k)
        assert_allclose(factor @ factor.T, integral(Ps, Pt), atol=1e-12)
        assert_allclose(factor @ factor.T, closed_form(Ps, Pt), atol=1e-12)
        assert_allclose(theta, np.sort(scipy.linalg.subspace_angles(Ps, Pt)), atol=1e-9)
        products = factor.T @ factor
        assert_allclose(products, np.diag(np.diag(products)), atol=1e-12)


@pytest.mark.parametrize("d, k", [(8, 5), (8, 7), (8, 8), (3, 2)])
def test_more_than_half_of_the_features(d, k):
    """Then the subspaces meet in at least 2 k - d directions, whose angles are 0."""
    Ps, Pt = bases(d, k)
    factor, theta = geodesic_flow_factor(Ps, Pt)
    assert factor.shape == (d, d)
    assert_allclose(theta[: 2 * k - d], 0, atol=1e-12)
    assert_allclose(factor @ factor.T, integral(Ps, Pt), atol=1e-12)
    if k == d:
        assert_allclose(factor @ factor.T, np.eye(d), atol=1e-12)


@pytest.mark.parametrize("theta", [1.57, 1.0, 0.0301, 0.0299, 1e-3, 1e-5, 3e-7])
def test_one_angle_in_closed_form(theta):
    Ps, Pt = np.array([[1.0], [0.0]]), np.array([[np.cos(theta)], [np.sin(theta)]])
    factor, angles = geodesic_flow_factor(Ps, Pt)
    assert_allclose(angles, theta, rtol=1e-9)
    # The integrals of cos², sin cos and sin² by series where the closed forms lose digits.
    off = (1 - np.cos(2 * theta)) / (4 * theta) if theta > 0.1 else theta / 2 - theta**3 / 6
    last = (1 - np.sin(2 * theta) / (2 * theta)) / 2 if theta > 0.1 else theta**2 / 3 - (
        theta**4 / 15 - theta**6 * 2 / 315
    )  # fmt: skip
    assert_allclose(factor @ factor.T, [[1 - last, off], [off, last]], rtol=1e-6, atol=1e-16)
    # Each column by itself keeps its digits.
    across = (1 - np.sin(theta) / theta) / 2 if theta > 0.1 else theta**2 / 12 - theta**4 / 240
    assert_allclose((factor**2).sum(axis=0), [1 - across, across], rtol=1e-6)


@pytest.mark.parametrize("theta", [0.0, 1e-12, 1e-9])
def test_no_angle_to_speak_of(theta):
    Ps, Pt = np.array([[1.0], [0.0]]), np.array([[np.cos(theta)], [np.sin(theta)]])
    factor, angles = geodesic_flow_factor(Ps, Pt)
    assert factor.shape == (2, 1)
    assert_allclose(angles, theta, rtol=1e-9)
    assert_allclose(factor, [[1], [theta / 2]], atol=1e-15)


def test_small_angles_beside_large_ones():
    d, k = 20, 5
    for seed in range(3):
        rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
        theta = np.array([0.0, 1e-9, 1e-5, 0.3, 1.5])
        Ps = np.eye(d, k)
        Pt = Ps * np.cos(theta)
        Pt[k : 2 * k] = np.diag(np.sin(theta))
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0]
        factor, found = geodesic_flow_factor(rotation @ Ps, rotation @ Pt @ turn)
        assert np.isfinite(factor).all()
        assert_allclose(found, theta, atol=1e-8, rtol=1e-6)
        blocks = np.zeros((d, d))
        for i, angle in enumerate(theta):
            P, Q = Ps[:, [i]], Pt[:, [i]]
            blocks += integral(P, Q) if angle > 1e-6 else (P + Q) @ (P + Q).T / 4
        assert_allclose(factor @ factor.T, rotation @ blocks @ rotation.T, atol=1e-10)


@pytest.mark.parametrize("n_right", [1, 2])
def test_at_a_right_angle_there_are_two_ways(n_right):
    """Turning right or left is as short: rounding decides, and either kernel is one."""
    d, k = 9, 3
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    theta = np.where(np.arange(k) < k - n_right, 0.4, np.pi / 2)
    Ps = np.eye(d, k)
    Pt = Ps * np.cos(theta)
    Pt[k : 2 * k] = np.diag(np.sin(theta))
    kernels = []
    for sign in (1, -1):
        turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
        factor, found = geodesic_flow_factor(rotation @ Ps, sign * rotation @ Pt @ turn)
        assert_allclose(found, theta, atol=1e-7)
        assert found.max() <= np.pi / 2
        # What is at a right angle has the eigenvalues (1 ± 2/π)/2, in one direction or the other.
        squares = (factor**2).sum(axis=0)
        right = np.sort(squares)[[-1 - i for i in range(k)]]
        assert_allclose(np.sort(squares[:k])[:n_right], (1 + 2 / np.pi) / 2, atol=1e-7)
        assert_allclose(right.max(), (1 + np.sin(0.4) / 0.4) / 2, atol=1e-7)
        assert_allclose(np.sort(squares[k:])[-n_right:], (1 - 2 / np.pi) / 2, atol=1e-7)
        kernels.append(rotation.T @ factor @ factor.T @ rotation)
    # Both agree on the domains' own directions, and on what the other angles say.
    own = np.r_[: k - n_right, k : 2 * k - n_right]
    for G in kernels:
        assert_allclose(G[:k, :k], kernels[0][:k, :k], atol=1e-7)
        assert_allclose(G[np.ix_(own, own)], kernels[0][np.ix_(own, own)], atol=1e-7)
        assert_allclose(np.diag(G)[k - n_right : k], 0.5, atol=1e-7)


def test_only_the_subspaces_count_and_their_order_does_not():
    Ps, Pt = bases(9, 3)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    G = (lambda L: L @ L.T)(geodesic_flow_factor(Ps, Pt)[0])
    for other in ((Pt, Ps), (Ps @ turn, Pt), (-Ps, Pt @ turn)):
        factor, _ = geodesic_flow_factor(*other)
        assert_allclose(factor @ factor.T, G, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 25, 8), (12, 15, 60)])
def test_inner_products_of_mapped_rows_are_the_kernel(shape):
    Xs, _, Xt = other_covariances(*shape)
    G = integral(principal_axes([Xs], 3), principal_axes([Xt], 3))
    model = mapper(3).fit(Xs, None, Xt)
    assert_allclose(model.components_.T @ model.components_, G, atol=1e-10)
    new = other_covariances(*shape, seed=1)[0]
    Zs, Zt = model.transform(Xs, domain="source"), model.transform(new)
    assert_allclose(Zs @ Zt.T, (Xs - Xs.mean(0)) @ G @ (new - Xt.mean(0)).T, atol=1e-8)
    plain = mapper(3, match_means=False).fit(Xs, None, Xt)
    Zs, Zt = plain.transform(Xs, domain="source"), plain.transform(new)
    assert_allclose(Zs @ Zt.T, Xs @ G @ new.T, atol=1e-8)


# --- limits -----------------------------------------------------------------------------------


def test_equal_domains_give_the_projection():
    Xs, ys, _ = other_covariances(d=8)
    P = principal_axes([Xs], 3)
    model = mapper(3).fit(Xs, None, Xs)
    assert model.components_.shape == (3, 8)
    assert_allclose(model.components_.T @ model.components_, P @ P.T, atol=1e-12)
    with pytest.warns(NoTargetWarning):
        alone = paper_subspaces(GFK).fit(Xs, ys)
    assert alone.n_components_ == 8


def test_the_dimension_is_that_of_subspace_alignment():
    chosen = set()
    for seed in range(4):
        Xs, _, Xt = other_covariances(d=16, seed=seed)
        model = mapper().fit(Xs, None, Xt)
        other = paper_subspaces(SubspaceAlignment, estimator="passthrough").fit(Xs, None, Xt)
        assert model.n_components_ == other.n_components_
        assert len(model.principal_angles_) == model.n_components_
        chosen.add(model.n_components_)
    assert len(chosen) > 1
    Xs, _, Xt = other_covariances(d=8)
    assert mapper(6).fit(Xs, None, Xt).transform(Xt).shape == (25, 8)
    with pytest.warns(UserWarning, match="n_components=9, but .* only 8 directions"):
        assert mapper(9).fit(Xs, None, Xt).n_components_ == 8


# --- partial least squares --------------------------------------------------------------------


def krylov(X, y, k):
    """One target's partial least squares in closed form: c, C c, C² c, ... span the weights."""
    X = X - X.mean(0)
    c = X.T @ (y - y.mean())
    vectors = [c]
    for _ in range(k - 1):
        c = X.T @ (X @ c)
        vectors.append(c / np.linalg.norm(c))
    return scipy.linalg.orth(np.column_stack([v / np.linalg.norm(v) for v in vectors]))


@pytest.mark.parametrize("shape", [(40, 25, 8), (12, 15, 60)])
def test_the_sources_directions_by_its_numbers(shape):
    Xs, _, Xt = other_covariances(*shape)
    ys = Xs[:, 0] - Xs[:, 2] + np.random.default_rng(0).normal(size=len(Xs))
    model = paper_subspaces(GFK, 3, source_subspace="pls", estimator=Ridge()).fit(Xs, ys, Xt)
    G = integral(krylov(Xs, ys, 3), principal_axes([Xt], 3))
    assert_allclose(model.components_.T @ model.components_, G, atol=1e-8)
    swapped = paper_subspaces(GFK, 3, source_subspace="pls", estimator=Ridge()).fit(
        Xt, Xt[:, 0], Xs
    )
    assert abs(swapped.components_.T @ swapped.components_ - G).max() > 0.05


def test_the_sources_directions_by_its_classes():
    Xs, _, Xt = other_covariances(60, d=8)
    ys = np.digitize(Xs[:, 0], np.quantile(Xs[:, 0], [0.3, 0.6]))
    model = paper_subspaces(GFK, 1, source_subspace="pls").fit(
        Xs, np.array(["a", "b", "c"])[ys], Xt
    )
    indicators = np.eye(3)[ys]
    covariances = (Xs - Xs.mean(0)).T @ (indicators - indicators.mean(0))
    first = np.linalg.svd(covariances)[0][:, :1]
    G = integral(first, principal_axes([Xt], 1))
    assert_allclose(model.components_.T @ model.components_, G, atol=1e-5)


def test_the_weights_are_orthonormal():
    X = np.random.default_rng(0).normal(size=(30, 8))
    axes = partial_least_squares_axes(X, X[:, 0] + X[:, 1] ** 2, 5)
    assert_allclose(axes.T @ axes, np.eye(5), atol=1e-12)
    with pytest.warns(UserWarning, match="residual is constant"):
        assert partial_least_squares_axes(X, X[:, 0] * 0 + 1.0, 5).shape[1] == 0


def test_fewer_directions_explain_the_labels():
    rng = np.random.default_rng(0)
    Xs = np.linalg.qr(rng.normal(size=(40, 9)))[0]
    Xs = np.linalg.svd(Xs - Xs.mean(0), full_matrices=False)[0][:, :8]  # equal variances
    Xt = rng.normal(size=(25, 8))
    with pytest.warns(UserWarning, match="residual is constant"):
        model = paper_subspaces(GFK, 3, source_subspace="pls", estimator=Ridge()).fit(
            Xs, Xs[:, 0], Xt
        )
    assert model.n_components_ == 1
    assert_allclose(model.components_.T @ model.components_,
                    integral(np.eye(8, 1), principal_axes([Xt], 1)), atol=1e-6)  # fmt: skip


def test_what_partial_least_squares_needs():
    Xs, ys, Xt = other_covariances(d=8)
    with pytest.raises(ValueError, match="learns from the source's labels, but with estimator="):
        mapper(2, source_subspace="pls").fit(Xs, ys, Xt)
    with pytest.raises(TypeError, match="Sparse data was passed for Xs"):
        paper_subspaces(GFK, 2, source_subspace="pls").fit(scipy.sparse.csr_array(Xs), ys, Xt)


def test_labels_find_the_direction_where_variance_does_not():
    scores = {"pca": [], "pls": []}
    for seed in range(5):
        Xs, ys, Xt, yt = turned(seed, angle=0.6)
        rng = np.random.default_rng(seed)
        Xs, Xt = (np.column_stack([X, 9 * rng.normal(size=len(X))]) for X in (Xs, Xt))
        for name, accuracies in scores.items():
            model = paper_subspaces(GFK, 1, source_subspace=name).fit(Xs, ys, Xt)
            accuracies.append(model.score(Xt, yt))
    assert np.mean(scores["pls"]) > 0.95
    assert np.mean(scores["pca"]) < 0.75


# --- what it is good for ----------------------------------------------------------------------


def test_source_only_loses_and_the_kernel_wins():
    scores = {"source only": [], "means alone": [], "gfk": [], "source's subspace": []}
    for seed in range(5):
        Xs, ys, Xt, yt = turned(seed, n=600)
        scores["source only"].append(SourceOnly().fit(Xs, ys, Xt).score(Xt, yt))
        scores["means alone"].append(CORAL(1e9).fit(Xs, ys, Xt).score(Xt, yt))
        scores["gfk"].append(paper_subspaces(GFK, 1).fit(Xs, ys, Xt).score(Xt, yt))
        P = principal_axes([Xs], 1)
        model = LogisticRegression().fit((Xs - Xs.mean(0)) @ P, ys)
        scores["source's subspace"].append(model.score((Xt - Xt.mean(0)) @ P, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["source only"] < 0.8
    assert means["means alone"] < 0.8
    assert means["source's subspace"] < 0.8
    assert means["gfk"] > means["means alone"] + 0.1


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)
@pytest.mark.parametrize(
    "source, target, published",
    [("caltech", "amazon", 41.02), ("caltech", "webcam", 40.68), ("webcam", "caltech", 30.72)],
)
def test_published_accuracies(source, target, published):
    data = load_office_caltech(source, target)
    model = paper_subspaces(GFK, 20, estimator=KNeighborsClassifier(1)).fit(
        data.Xs, data.ys, data.Xt
    )
    assert_allclose(100 * model.score(data.Xt, data.yt), published, atol=0.1)


# --- the estimator ----------------------------------------------------------------------------


def test_each_domain_is_centred_by_itself():
    Xs, _, Xt = other_covariances(d=8)
    model = mapper(2).fit(Xs, None, Xt)
    for X, domain in ((Xs, "source"), (Xt, "target")):
        assert_allclose(model.transform(X, domain).mean(0), 0, atol=1e-12)
    both = [mapper(2, match_means=False).fit(Xs, None, Xt).transform(Xt, domain)
            for domain in ("source", "target")]  # fmt: skip
    assert_array_equal(*both)


@pytest.mark.parametrize("k", [2, 8])
def test_what_the_subspaces_hold_leads_back(k):
    Xs, _, Xt = other_covariances(d=8)
    model = mapper(k).fit(Xs, None, Xt)
    span = scipy.linalg.orth(np.hstack([principal_axes([X], k) for X in (Xs, Xt)]))
    for X, domain in ((Xs, "source"), (Xt, "target")):
        Z = model.transform(X, domain)
        expected = (X - X.mean(0)) @ span @ span.T + X.mean(0)
        back = model.inverse_transform(Z, domain)
        assert_allclose(back, expected, atol=1e-8)
        assert_allclose(model.transform(back, domain), Z, atol=1e-8)
    if k == 8:
        assert_allclose(back, Xt, atol=1e-8)


@pytest.mark.parametrize("n_components", [3, "sdm"])
@pytest.mark.parametrize("shape", [(60, 40, 12), (15, 14, 80)])
def test_sparse_rows_are_rows(shape, n_components):
    Xs, ys, Xt = other_covariances(*shape)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = paper_subspaces(GFK, n_components, estimator=Ridge()).fit(Xs, ys, Xt)
    sparse = paper_subspaces(GFK, n_components, estimator=Ridge())
    sparse.fit(scipy.sparse.csr_array(Xs), ys, scipy.sparse.csr_matrix(Xt))
    assert_allclose(
        sparse.components_.T @ sparse.components_, dense.components_.T @ dense.components_,
        atol=1e-9,
    )  # fmt: skip
    assert_allclose(sparse.predict(scipy.sparse.csr_array(Xt)), dense.predict(Xt), atol=1e-6)


def test_many_features_never_make_a_square_of_them():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 4000)), rng.normal(size=(20, 4000))
    tracemalloc.start()
    mapper().fit(Xs, None, Xt).transform(Xs, domain="source")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * (Xs.nbytes + Xt.nbytes) < 4000**2 * 8 / 3


def test_single_precision():
    Xs, ys, Xt = other_covariances(d=8)
    double = mapper(2).fit(Xs, ys, Xt)
    single = mapper(2).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    for X, domain in ((Xs, "source"), (Xt, "target")):
        Z = single.transform(X.astype("f4"), domain)
        assert Z.dtype == single.inverse_transform(Z, domain).dtype == np.float32
        assert_allclose(Z, double.transform(X, domain), atol=1e-4)


def test_one_result_with_one_sign():
    Xs, ys, Xt = other_covariances(d=8)
    order = np.random.default_rng(0).permutation(len(Xs))
    first, second = (mapper(3).fit(X, None, Xt).components_ for X in (Xs, Xs[order]))
    assert_allclose(first, second, atol=1e-9)
    assert (first.max(axis=1) > -first.min(axis=1)).all()


def test_labelled_target_rows_join_by_their_own_map():
    Xs, ys, Xt = other_covariances(d=8)
    yt = np.full(len(Xt), np.nan)
    yt[:4] = [1, 0, 1, 1]
    model = paper_subspaces(GFK, 3, estimator=KNeighborsClassifier(1)).fit(Xs, ys, Xt, yt)
    assert model.estimator_.n_samples_fit_ == len(Xs) + 4
    assert_array_equal(model.predict(Xt[:4]), [1, 0, 1, 1])
