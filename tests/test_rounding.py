"""What is nothing but rounding error counts as nothing, however large the numbers it comes from.

How a product of matrices is added up depends on the processor, so that rows that are equal may
come out of it different: these tests run under several of BLAS's kernels (`make test-kernels`).
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.linear_model import Ridge

from skdtl import (
    BDA,
    CORAL,
    GFK,
    JDA,
    JDOT,
    JGSA,
    SSTCA,
    TCA,
    TJM,
    LinearOTMapping,
    OTMapping,
    SubspaceAlignment,
)
from skdtl._couplings import METRICS, cost_matrix
from skdtl.inspection._projection import joint_projection
from skdtl.instances._density_ratio import column_moments
from skdtl.instances.biw import feature_agreement
from skdtl.instances.mtlf import MTLF
from skdtl.mapping._affine import row_mean
from skdtl.mapping._feature_space import FeatureSpace, KernelSpace, linear_transfer_components
from skdtl.mapping._principal_axes import principal_axes
from skdtl.mapping.sstca import neighbour_laplacian

from .common import instances, is_deep, label, make

VALUES = [0.1, 7.3, -1e6 / 3, 1e-9]
SPARSE = [False, True]
KERNEL_MAPPERS = [TCA, SSTCA, TJM, JDA, BDA, JGSA]
# How kernel mappers compute: their kernels and approximations.
WAYS = [
    {"kernel": "linear"},
    *[{"kernel": kernel} for kernel in ("rbf", "poly", "laplacian")],
    {"kernel": "rbf", "gamma": "median"},
    {"kernel": "rbf", "gamma": "auto"},
    *[
        {"kernel": kernel, "approximation": "nystroem", "n_basis": 30}
        for kernel in ("rbf", "poly", "laplacian")
    ],
    {"kernel": "rbf", "approximation": "fourier", "n_basis": 30},
    {"kernel": "rbf", "approximation": "fourier", "n_basis": 1200},
]


def name_of(way):
    return "-".join(map(str, way.values()))


def kind(sparse):
    return sp.csr_array if sparse else np.asarray


def few_directions(seed, n, d, offset, spread, rank=2):
    """Rows that vary in so many directions, far from the origin."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0][:, :rank]
    centre = offset * rng.choice([0.1, 0.3, 0.7], size=d)
    return centre + spread * rng.normal(size=(n, rank)) @ axes.T


# --- rows that are all equal ------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=name_of)
@pytest.mark.parametrize("cls", KERNEL_MAPPERS)
def test_equal_rows_leave_no_direction(cls, way):
    shapes = (24, 3), (24, 90), (300, 3)
    for i, value in enumerate(VALUES):
        n, d = shapes[i % 3]
        X = kind(i % 2)(np.full((n, d), value))
        with pytest.raises(ValueError, match=r"the same to the kernel|differ to the kernel"):
            make(cls, **way).fit(X, np.arange(n) % 2, X[:7])


@pytest.mark.parametrize("way", WAYS[:1] + WAYS[6:9], ids=name_of)
@pytest.mark.parametrize("value", VALUES)
def test_jgsa_looks_at_classes_and_at_the_target(way, value):
    """Each domain may be elsewhere: what varies within them counts."""
    for d in (3, 90):
        X = np.full((24, d), value)
        with pytest.raises(ValueError, match="differ to the kernel"):
            make(JGSA, **way).fit(X, np.arange(24) % 2, X[:7] * (1 + 1e-5))


@pytest.mark.parametrize("value", VALUES[:3])
def test_a_kernel_that_tells_no_rows_apart(value):
    """Here the rows differ, but not to the kernel."""
    rng = np.random.default_rng(0)
    # Of other numbers of rows and landmarks a product of matrices adds up otherwise.
    for n_s, n_t, n_basis in ((40, 30, 50), (10, 7, 30), (33, 20, 47), (300, 7, 30)):
        Xs, Xt = rng.normal(size=(n_s, 3)), rng.normal(size=(n_t, 3))
        for kernel in ("rbf", "laplacian", "poly"):
            for way in ({}, {"approximation": "nystroem", "n_basis": n_basis}):
                mapper = make(TCA, kernel=kernel, gamma=1e-25, coef0=abs(value), **way)
                with pytest.raises(ValueError, match="the same to the kernel"):
                    mapper.fit(Xs, np.arange(n_s) % 2, Xt)
    flat = TCA(kernel=lambda X, Y: np.full((X.shape[0], Y.shape[0]), value**2))
    with pytest.raises(ValueError, match="the same to the kernel"):
        flat.fit(Xs, np.arange(len(Xs)) % 2, Xt)


@pytest.mark.parametrize("wide", [False, True])
def test_features_that_a_large_mixing_has_rounded(wide):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(40, 1100 if wide else 20)) * 1e7
    X = rng.normal(size=(60, 3))
    # The same 40 numbers for each row, but for their own rounding.
    noisy = FeatureSpace((X,), lambda X: 1.1 + 1e-17 * X[:, :1] + np.arange(40), mixing)
    assert len(noisy.components(np.zeros(60), 3)[0]) == 0
    if not wide:
        assert not noisy.moments[1].any()
        assert noisy.noise > 0
    clear = FeatureSpace((X,), lambda X: 1.1 + 1e-2 * X[:, :1] + np.arange(40), mixing)
    assert len(clear.components(np.zeros(60), 3)[0]) > 0


@pytest.mark.parametrize("sparse", [(False, False), (True, True), (False, True), (True, False)])
def test_moments_of_rows_of_two_kinds(sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)) + 5
    space = FeatureSpace([kind(one)(part) for one, part in zip(sparse, (X[:20], X[20:]))])
    gram, scatter = space.moments
    assert_allclose(gram, X.T @ X)
    assert_allclose(scatter, (X - X.mean(0)).T @ (X - X.mean(0)), rtol=1e-10, atol=1e-10)


def test_a_space_may_be_told_that_its_rows_are_equal():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 4))
    for space in (FeatureSpace((X,), constant=True), KernelSpace(X @ X.T, True)):
        assert len(space.components(np.zeros(20), 2)[0]) == 0
    for error in (0.0, 1.0):
        assert FeatureSpace((X + 9,), error=error).moments[1].any() == (error == 0)
    # Many features: products with the rows.
    assert len(linear_transfer_components(np.full((5, 40), 0.1), np.zeros(5), 2)[0]) == 0


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("cls", [SubspaceAlignment, GFK])
def test_equal_rows_span_no_subspace(cls, value):
    rows, equal = few_directions(0, 20, 4, 1, 1), np.full((20, 4), value)
    for X, Xt, name in ((equal, rows, "Xs"), (rows, equal[:9], "Xt")):
        with pytest.raises(ValueError, match=f"All rows of {name} are the same"):
            cls(2).fit(X, np.arange(20) % 2, Xt)
        with pytest.raises(ValueError, match=f"All rows of {name} are the same"):
            CORAL(0.0).fit(X, np.arange(20) % 2, Xt)


@pytest.mark.parametrize("value", VALUES)
def test_nothing_varies_a_translation(value):
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    for n, d in ((20, 3), (5, 12)):
        Xs, Xt = np.full((n, d), value), np.full((n + 2, d), 3 * value)
        model = LinearOTMapping(estimator="passthrough").fit(Xs, None, Xt)
        assert_array_equal(model.coef_, np.eye(len(model.coef_)))
        new = value * rng.normal(size=(4, d))
        assert_allclose(model.transform(new, domain="source"), new + 2 * value, rtol=1e-9)


# --- few directions, far from the origin ------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (400, 200)])
@pytest.mark.parametrize("offset", [1e3, 1e6, 1e8, 1e10])
def test_directions_of_rows_far_from_the_origin(shape, offset):
    X = few_directions(0, *shape, offset, 1.0)
    for sparse in SPARSE:
        assert principal_axes([kind(sparse)(X)], 8).shape[1] == 2
        assert principal_axes([kind(sparse)(X), kind(sparse)(X + 1)], 8).shape[1] == 2
    Xt = X + few_directions(0, *shape, 0, 0.5)
    A = CORAL(0.0, estimator="passthrough").fit(X, None, Xt).recoloring_
    assert np.linalg.matrix_rank(A, tol=1e-3 * abs(A).max()) == 2
    # Directions that the source does not have are not blown up.
    assert abs(A).max() < 3


def test_small_but_real_directions_are_kept():
    X = few_directions(0, 60, 20, 1.0, 1e-3) + few_directions(1, 60, 20, 0.0, 1e-7)
    for sparse in SPARSE:
        assert principal_axes([kind(sparse)(X)], 8).shape[1] == 4
    model = CORAL(0.0, estimator="passthrough").fit(X, None, 3 * X)
    assert np.linalg.matrix_rank(model.recoloring_) == 4


@pytest.mark.parametrize("shape", [(60, 3), (40, 60)])
def test_shares_of_variance_where_nothing_varies(shape):
    for value in VALUES:
        for sparse in SPARSE:
            X = kind(sparse)(np.full(shape, value))
            Ps, Pt, shares = joint_projection(X, X[:7], 2)
            assert not shares.any()
            assert abs(Ps).max() <= 1e-12 * abs(value) * shape[1]
        _, _, shares = joint_projection(X[:30] * 1.001, X[:7], 2)
        assert_allclose(shares, [1, 0], atol=1e-6)


# --- distances between equal rows -------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3, 40, 700])
@pytest.mark.parametrize("sparse", SPARSE)
def test_equal_rows_cost_nothing(metric, d, sparse):
    rng = np.random.default_rng(0)
    rows = rng.choice([0.1, 0.3, 0.7], size=(4, d)) * 1e3
    rows[:, 0] += 200 * np.arange(4)
    A, B = np.repeat(rows, 6, axis=0), np.tile(rows, (5, 1))
    equal = np.repeat(np.arange(4), 6)[:, None] == np.tile(np.arange(4), 5)
    cost = cost_matrix(kind(sparse)(A), kind(sparse)(B), metric)
    assert (cost[equal] == 0).all() and (cost[~equal] > 0).all()


def test_costs_have_a_scale_where_most_rows_are_equal():
    """The median of the costs is 0 then: their maximum is the unit."""
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    Xs, Xt = np.tile([0.1, 0.3, 0.7], (40, 1)), np.tile([0.1, 0.3, 0.7], (30, 1))
    Xs[:5] += 1
    Xt[:5] += rng.normal(size=(5, 3))
    fits = [OTMapping(norm=norm).fit(Xs, np.arange(40) % 2, Xt) for norm in ("median", "max")]
    assert_array_equal(fits[0].coupling_, fits[1].coupling_)
    # Equal rows share alike.
    assert_allclose(fits[0].coupling_[5:, 5:], fits[0].coupling_[5, 5])


@pytest.mark.parametrize("d", [3, 20, 200])
@pytest.mark.parametrize("sparse", SPARSE)
def test_neighbours_that_are_equal_weigh_the_same(d, sparse):
    rows = np.random.default_rng(0).normal(size=(6, d)) * 1e3
    X = np.repeat(rows, 8, axis=0)
    laplacian = neighbour_laplacian(kind(sparse)(X), 5)
    weights = -(laplacian - sp.diags_array(laplacian.diagonal())).tocoo()
    assert_array_equal(weights.data[weights.data != 0], 1.0)


# --- numbers and columns that do not vary -----------------------------------------------------


def test_labels_that_do_not_vary_have_no_unit():
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    for n, value in ((40, 0.1), (12, 0.1), (9, 7.3), (11, 1e6 / 3)):  # most have a variance
        Xs, Xt = rng.normal(size=(n, 3)), rng.normal(size=(30, 3))
        ys = np.full(n, value)
        yt = np.full(30, np.nan)
        yt[:3] = value + np.arange(3)
        model = JDOT(Ridge()).fit(Xs, ys, Xt, yt)
        one = JDOT(Ridge()).fit(Xs, ys * 0, Xt, yt - value)
        assert_allclose(model.predict(Xt) - value, one.predict(Xt), atol=1e-6)
        assert_allclose(model.objective_, one.objective_, atol=1e-6)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("sparse", SPARSE)
def test_columns_that_do_not_vary_have_no_variance(sparse, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)).astype(dtype)
    X[:, 1], X[:, 2] = 0.1, 1e3 + 1e-2 * X[:, 2]
    for weights in (None, rng.random(300)):
        mean, variance = column_moments(kind(sparse)(X), weights)
        assert_allclose(mean, [0, 0.1, 1e3], atol=0.2)
        assert variance[1] == 0
        assert variance[0] > 0.5 and variance[2] > 0.5e-4
    # Nor do such columns diverge between the domains.
    source, target = np.eye(2)[np.arange(300) % 2], np.eye(2)[np.arange(77) % 2]
    weights = rng.random(300)
    agreement = feature_agreement(kind(sparse)(X), source, weights, kind(sparse)(X[:77]), target)
    assert agreement[1] == 1
    moved = X[:77].copy()
    moved[:, 1] += 1e-3
    found = feature_agreement(kind(sparse)(X), source, weights, kind(sparse)(moved), target)
    assert found[1] < 1e-100


@pytest.mark.parametrize("sparse", SPARSE)
def test_means_of_single_precision_have_the_digits_of_double(sparse):
    X = np.full((100_001, 2), 0.1, dtype="f4")
    assert_allclose(row_mean(kind(sparse)(X)), X[0].astype("f8"), rtol=1e-12)


def test_a_metric_needs_a_unit():
    rng = np.random.default_rng(0)
    for value in VALUES:
        for d in (3, 150):
            X = np.full((30, d), value)
            model = MTLF(n_components=5, random_state=0).fit(X, np.arange(30) % 2, X[:9])
            # Of directions that were not seen nothing was learnt.
            assert abs(model.components_).max() < 10
            assert np.isfinite(model.transform(rng.normal(size=(4, d)))).all()


def test_equal_rows_have_one_outcome_whatever_their_values():
    rng = np.random.default_rng(0)
    for estimator in instances():
        if is_deep(estimator):
            continue
        outcomes = set()
        for value in (1.0, 0.1, 1e6 / 3):
            Xs, Xt = np.full((24, 3), value), np.full((9, 3), value)
            ys = rng.permutation(np.arange(24) % 2)
            if not is_classifier(estimator):
                ys = ys + rng.normal(size=24)
            yt = np.where(np.arange(9) < 4, np.arange(9) % 2, np.nan)
            try:
                estimator.fit(Xs, ys, Xt, yt)
                outcomes.add("fitted")
            except ValueError:
                outcomes.add("refused")
        assert len(outcomes) == 1, label(estimator)
