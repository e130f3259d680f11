"""SSTCA against the paper's matrices, its limits, and data on which labels or neighbours count."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import linear_kernel

from skdtl import SSTCA, TCA, TJM, NoTargetWarning, SourceOnly
from skdtl.mapping import _feature_space
from skdtl.mapping._feature_space import FeatureSpace
from skdtl.mapping._mean_differences import mean_difference
from skdtl.mapping.sstca import label_columns, neighbour_laplacian

from ..shifts import other_means
from .by_hand import (
    KERNELS,
    OPTIONS,
    angle,
    paper,
    paper_matrices,
    penalty_unit,
    same_up_to_sign,
    spread,
)


def paper_laplacian(X, k):
    """D - A with A row by row as the paper defines it: either is among the other's nearest."""
    n = len(X)
    distances = np.array([[np.linalg.norm(a - b) for b in X] for a in X])
    nearest = [[j for j in np.argsort(distances[i]) if j != i][:k] for i in range(n)]
    width = np.mean([distances[i, j] ** 2 for i in range(n) for j in nearest[i]])
    A = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if j in nearest[i] or i in nearest[j]:
                A[i, j] = np.exp(-(distances[i, j] ** 2) / (2 * width))
    return np.diag(A.sum(axis=1)) - A


def paper_labels(y, kind):
    """K_l entry by entry; NaN marks rows without a label."""
    n, known = len(y), ~np.isnan(y)
    mean, std = y[known].mean(), y[known].std()
    K = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if known[i] and known[j]:
                same = float(y[i] == y[j])
                K[i, j] = same if kind == "classes" else (y[i] - mean) * (y[j] - mean) / std**2
    return K


def paper_problem(K, n_s, X, y, kind, *, mu, label_weight, lam, n_neighbors):
    """The two matrices of the paper's eigenvalue problem."""
    n = len(K)
    P, _ = paper_matrices(K, n_s, mu)
    P = P + K @ paper_laplacian(X, n_neighbors) @ K * (lam / n**2)
    H = np.eye(n) - np.full((n, n), 1 / n)
    Kyy = label_weight * paper_labels(y, kind) + (1 - label_weight) * np.eye(n)
    return P, K @ H @ Kyy @ H @ K


def labels_of(kind, Xs, Xt, seed=0):
    """Labels of three classes, or numbers, of which most target rows lack one."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        ys, yt = rng.integers(3, size=len(Xs)), rng.integers(3, size=len(Xt)).astype(float)
    else:
        ys, yt = Xs[:, 0] + rng.normal(size=len(Xs)), Xt[:, 0] + 1
    yt[5:] = np.nan
    return ys, yt


def estimator_of(kind):
    return LogisticRegression() if kind == "classes" else Ridge()


# --- the problem of the paper ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "numbers"])
@pytest.mark.parametrize(("kernel", "d"), [*((kernel, 6) for kernel in KERNELS), ("linear", 100)])
@pytest.mark.parametrize("weights", [(0.3, 2000.0, 3), (0.9, 0.0, 3), (0.0, 2000.0, 6)])
def test_the_papers_eigenvectors(kernel, d, kind, weights):
    label_weight, lam, n_neighbors = weights
    Xs, _, Xt = other_means(d=d)
    ys, yt = labels_of(kind, Xs, Xt)
    terms = {"mu": 5.0, "label_weight": label_weight, "lam": lam, "n_neighbors": n_neighbors}
    X, y = np.vstack([Xs, Xt]), np.concatenate([ys, yt])
    K = KERNELS[kernel](X, X)
    relative = terms | {"mu": terms["mu"] / penalty_unit(K, len(Xs))}
    sstca = paper(SSTCA, 3, kernel=kernel, estimator=estimator_of(kind), **relative, **OPTIONS)
    sstca.fit(Xs, ys, Xt, yt)
    P, S = paper_problem(K, len(Xs), X, y, kind, **terms)
    n = len(K)
    values, W = scipy.linalg.eigh(S, P, subset_by_index=[n - 3, n - 1])
    values, W = values[::-1], W[:, ::-1]
    assert_allclose(sstca.eigenvalues_, values, rtol=1e-7)
    # In the scale W' P W = c I in which the mean variance is 1.
    W = W / spread(K @ W)
    same_up_to_sign(sstca.transform(X), K @ W, rtol=1e-5, atol=1e-6)
    new = other_means(d=d, seed=1)[0]
    for domain in ("source", "target"):
        expected = KERNELS[kernel](new, X) @ W
        same_up_to_sign(sstca.transform(new, domain), expected, rtol=1e-5, atol=1e-6)


def test_the_graph_of_a_line_by_hand():
    X = np.array([[0.0], [1.0], [3.0], [6.0]])  # 3 is nearest to 1, which is nearest to 0
    width = 2 * np.mean([1, 1, 4, 9])
    a, b, c = np.exp(-np.array([1, 4, 9]) / width)
    expected = [[a, -a, 0, 0], [-a, a + b, -b, 0], [0, -b, b + c, -c], [0, 0, -c, c]]
    assert_allclose(neighbour_laplacian(X, 1).toarray(), expected)


def test_graphs_of_special_rows():
    # Rows that are the same are neighbours of weight 1; with fewer rows all others are.
    assert_allclose(neighbour_laplacian(np.ones((3, 2)), 5).toarray(), 3 * np.eye(3) - 1)
    assert neighbour_laplacian(np.ones((1, 2)), 5).toarray() == 0
    X = np.random.default_rng(0).normal(size=(30, 4))
    X[X < 0] = 0
    expected = paper_laplacian(X, 4)
    assert_allclose(neighbour_laplacian(X, 4).toarray(), expected, atol=1e-12)
    assert_allclose(neighbour_laplacian(scipy.sparse.csr_array(X), 4).toarray(), expected,
                    atol=1e-7)  # fmt: skip
    assert neighbour_laplacian(X.astype("f4"), 4).dtype == np.float64


def test_columns_of_labels_by_hand():
    labelled = np.array([True, True, False, True])
    assert_array_equal(
        label_columns(np.array([0, 2, 2, 0]), labelled, 3),
        [[1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]],
    )
    numbers = label_columns(np.array([1.0, 3.0, np.nan, 5.0]), labelled)
    assert_allclose(numbers[:, 0], np.array([-1, 0, 0, 1]) * np.sqrt(1.5))
    assert_array_equal(label_columns(np.array([4.0, 4.0]), np.array([True, True])), [[0], [0]])


# --- every way to compute it ------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 300.0])
@pytest.mark.parametrize(
    "shape", [(40, 25, 6), (40, 25, 100), (100, 70, 1010), (200, 100, 20), (200, 160, 250)]
)
def test_features_and_samples_agree(shape, lam):
    Xs, _, Xt = other_means(*shape)
    Xs, Xt = Xs / 5, Xt / 5
    ys = labels_of("classes", Xs, Xt)[0]
    options = {"mu": 5.0, "lam": lam}
    features = SSTCA(3, **options).fit(Xs, ys, Xt)
    samples = SSTCA(3, kernel=linear_kernel, **options).fit(Xs, ys, Xt)
    assert_allclose(features.eigenvalues_, samples.eigenvalues_, rtol=1e-8)
    same_up_to_sign(features.transform(Xt), samples.transform(Xt), rtol=1e-5, atol=1e-6)
    assert features.components_.shape == (3, shape[2])


def test_the_eigensolver_iterates_with_a_factor():
    """More rows than are decomposed directly: products with a triangular inverse."""
    Xs, _, Xt = other_means(150, 120, d=12)
    Xs, Xt = Xs / 5, Xt / 5
    ys, yt = labels_of("classes", Xs, Xt)
    terms = {"mu": 0.7, "label_weight": 0.2, "lam": 500.0, "n_neighbors": 4}
    X, y = np.vstack([Xs, Xt]), np.concatenate([ys, yt])
    K = KERNELS["rbf"](X, X)
    P, S = paper_problem(K, len(Xs), X, y, "classes", **terms)
    terms["mu"] /= penalty_unit(K, len(Xs))
    sstca = paper(SSTCA, 4, kernel="rbf", **terms, **OPTIONS).fit(Xs, ys, Xt, yt)
    assert sstca.n_iter_ > 1
    n = len(X)
    expected, W = scipy.linalg.eigh(S, P, subset_by_index=[n - 4, n - 1])
    assert_allclose(sstca.eigenvalues_, expected[::-1], rtol=1e-8)
    assert angle(sstca.eigenvectors_, W) < 1e-5
    loose = paper(SSTCA, 4, kernel="rbf", tol=1e-2, **terms, **OPTIONS).fit(Xs, ys, Xt, yt)
    assert loose.n_iter_ < sstca.n_iter_
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds"):
        paper(SSTCA, 4, kernel="rbf", max_iter=1, **terms, **OPTIONS).fit(Xs, ys, Xt, yt)


@pytest.mark.parametrize("d", [6, 100])
def test_penalties_labels_and_neighbours_together(d):
    """All terms of the shared problem at once, among samples and among features."""
    Xs, _, Xt = other_means(d=d)
    X = np.vstack([Xs, Xt]) / 5
    n, K, e = len(X), X @ X.T, mean_difference(len(Xs), len(Xt))
    rng = np.random.default_rng(0)
    F, penalty = rng.normal(size=(n, 2)), rng.uniform(0.1, 3, size=n)
    N = neighbour_laplacian(X, 4) * 0.01
    H = np.eye(n) - 1 / n
    P = K @ (np.outer(e, e) + N.toarray()) @ K + 2 * np.diag(penalty)
    S = K @ H @ (0.3 * np.eye(n) + F @ F.T) @ H @ K
    expected, W = scipy.linalg.eigh(S, P, subset_by_index=[n - 3, n - 1])
    terms = {"penalty": penalty, "labels": F, "spread": 0.3, "neighbours": N}
    for space in (_feature_space.KernelSpace(K), FeatureSpace((X[:40], X[40:]))):
        values, found, _ = space.components(e, 3, 2.0, **terms)
        assert_allclose(values, expected[::-1], rtol=1e-8)
        assert angle(space.map(found), K @ W) < 1e-6


@pytest.mark.parametrize("lam", [0.0, 500.0])
def test_landmarks_that_are_all_rows(lam):
    Xs, _, Xt = other_means()
    ys, yt = labels_of("classes", Xs, Xt)
    options = {"kernel": "rbf", "gamma": 0.05, "lam": lam}
    exact = SSTCA(3, **options).fit(Xs, ys, Xt, yt)
    sstca = SSTCA(3, approximation="nystroem", random_state=0, **options).fit(Xs, ys, Xt, yt)
    assert_allclose(sstca.eigenvalues_, exact.eigenvalues_, rtol=1e-7)
    same_up_to_sign(sstca.transform(Xt), exact.transform(Xt), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_blocks_of_rows_with_their_neighbours(sparse, monkeypatch):
    Xs, _, Xt = other_means()
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    X = np.vstack([Xs, Xt])
    laplacian = neighbour_laplacian(X, 4)
    parts = (scipy.sparse.csr_array(Xs), scipy.sparse.csr_array(Xt)) if sparse else (Xs, Xt)
    expected = X.T @ laplacian @ X
    assert_allclose(FeatureSpace(parts).smoothness(laplacian), expected, rtol=1e-10, atol=1e-10)
    monkeypatch.setattr(_feature_space, "BLOCK_SIZE", 300)  # about seven rows, across both parts
    assert_allclose(FeatureSpace(parts).smoothness(laplacian), expected, rtol=1e-10, atol=1e-10)
    # A row that no weight reaches is not even on the diagonal: here the last one.
    A = scipy.sparse.csr_array(scipy.sparse.diags_array(laplacian.diagonal()) - laplacian)
    A = A * (np.arange(len(X)) < len(X) - 1) * (np.arange(len(X)) < len(X) - 1)[:, None]
    A = scipy.sparse.csr_array(A)
    laplacian = scipy.sparse.csr_array(scipy.sparse.diags_array(A.sum(axis=1)) - A)
    laplacian.eliminate_zeros()
    assert laplacian[-1:].nnz == 0
    expected = X.T @ laplacian @ X
    assert_allclose(FeatureSpace(parts).smoothness(laplacian), expected, rtol=1e-10, atol=1e-10)


def test_an_offset_does_not_cost_precision():
    Xs, _, Xt = other_means()
    laplacian = neighbour_laplacian(np.vstack([Xs, Xt]), 4)
    expected = FeatureSpace((Xs, Xt)).smoothness(laplacian)
    moved = FeatureSpace((Xs + 1e7, Xt + 1e7)).smoothness(laplacian)
    assert_allclose(moved, expected, rtol=1e-6, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("d", [6, 100])
def test_sparse_rows_are_rows(kernel, d):
    Xs, _, Xt = other_means(d=d)
    ys, yt = labels_of("classes", Xs, Xt)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = SSTCA(3, kernel=kernel, lam=500).fit(Xs, ys, Xt, yt)
    sparse = SSTCA(3, kernel=kernel, lam=500)
    sparse.fit(scipy.sparse.csr_matrix(Xs), ys, scipy.sparse.csr_array(Xt), yt)
    expected = dense.transform(Xt)
    assert_allclose(sparse.transform(scipy.sparse.csr_array(Xt)), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_single_precision(kernel):
    Xs, _, Xt = other_means()
    ys, yt = labels_of("classes", Xs, Xt)
    double = SSTCA(3, kernel=kernel, lam=100).fit(Xs, ys, Xt, yt)
    single = SSTCA(3, kernel=kernel, lam=100).fit(Xs.astype("f4"), ys, Xt.astype("f4"), yt)
    Z = single.transform(Xt.astype("f4"))
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xt), atol=1e-3)


def test_the_larger_side_makes_no_matrix(monkeypatch):
    for n, d, wide in ((2000, 5, 1000), (2000, 5, 3), (20, 4000, 1000)):
        # Even where TCA would iterate with products of the rows.
        monkeypatch.setattr(_feature_space, "_MAX_FEATURE_SPACE", wide)
        Xs, _, Xt = other_means(n, n, 5)
        to_d = np.random.default_rng(0).normal(size=(5, d))
        Xs, Xt, ys = Xs @ to_d, Xt @ to_d, np.arange(n) % 2
        tracemalloc.start()
        SSTCA(2).fit(Xs, ys, Xt)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < max(2 * n, d) ** 2 * 8 / 8


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("approximation", [None, "nystroem"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_without_labels_and_neighbours_it_is_tca(kernel, approximation):
    if kernel == "linear" and approximation:
        pytest.skip("needs none")
    Xs, _, Xt = other_means(120, 80)
    ys, yt = labels_of("classes", Xs, Xt)
    options = {"kernel": kernel, "approximation": approximation, "random_state": 0, "mu": 0.3}
    sstca = SSTCA(4, label_weight=0, lam=0, **options).fit(Xs, ys, Xt, yt)
    tca = TCA(4, **options).fit(Xs, ys, Xt, yt)
    assert_array_equal(sstca.eigenvalues_, tca.eigenvalues_)
    assert_allclose(sstca.transform(Xt), tca.transform(Xt), rtol=1e-9, atol=1e-12)


def test_labels_alone_have_few_directions():
    Xs, _, Xt = other_means()
    ys, yt = labels_of("classes", Xs, Xt)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SSTCA(label_weight=1).fit(Xs, ys, Xt, yt).n_components_ == 3
        # Where all rows have one their columns sum to 1, and centring takes one away.
        everywhere = np.arange(len(Xt)) % 3
        assert SSTCA(label_weight=1).fit(Xs, ys, Xt, everywhere).n_components_ == 2
        numbers = SSTCA(label_weight=1, estimator=Ridge()).fit(Xs, Xs[:, 0], Xt)
    assert numbers.n_components_ == 1
    with pytest.warns(UserWarning, match="n_components=5, but .* only 3 directions"):
        SSTCA(5, label_weight=1, kernel="rbf").fit(Xs, ys, Xt, yt)


def test_the_more_labels_count_the_more_the_components_depend_on_them():
    Xs, _, Xt = other_means(150, 100)
    ys = Xs[:, 3] * 0.3 + 1
    shares = []
    for label_weight in (0, 1e-3, 1e-2, 0.1, 1):
        sstca = SSTCA(1, label_weight=label_weight, lam=0, mu=50, estimator=Ridge())
        z = sstca.fit(Xs, ys, Xt).transform(Xs)[:, 0]
        shares.append(np.corrcoef(z, ys)[0, 1] ** 2)
    assert (np.diff(shares) > 0).all()
    assert shares[-1] > shares[0] + 0.1


def test_the_more_neighbours_count_the_closer_they_are():
    Xs, _, Xt = other_means(150, 100, d=20)
    X = np.vstack([Xs, Xt])
    laplacian = neighbour_laplacian(X, 5)
    roughness = []
    for lam in (0, 1e4, 1e6, 1e8):
        z = (
            paper(SSTCA, 1, label_weight=0, lam=lam, mu=0.1)
            .fit(Xs, np.arange(150) % 2, Xt)
            .transform(X)
        )
        roughness.append((z.T @ laplacian @ z / z.var()).item())
    assert (np.diff(roughness) < 0).all()
    assert roughness[-1] < 0.8 * roughness[0]


def test_mu_weighs_size_against_the_distance_of_the_means():
    Xs, _, Xt = other_means()
    ys, _ = labels_of("classes", Xs, Xt)
    gaps = []
    for mu in (1e-8, 1, 1e2, 1e6):
        sstca = SSTCA(3, mu=mu, lam=0).fit(Xs, ys, Xt)
        gaps.append(np.linalg.norm(sstca.transform(Xs).mean(0) - sstca.transform(Xt).mean(0)))
    assert gaps[0] < 1e-6
    assert (np.diff(gaps) > 0).all()


def test_a_mu_below_rounding_error():
    Xs, _, Xt = other_means(150, 100)
    ys, _ = labels_of("classes", Xs, Xt)
    with pytest.raises(
        ValueError, match=r"mu makes a penalty of .* smaller than the rounding error"
    ):
        SSTCA(2, kernel="rbf", gamma=1e-3, mu=1e-15, lam=1e4).fit(Xs, ys, Xt)
    Z = SSTCA(2, kernel="rbf", gamma=1e-3, mu=1e-8, lam=1e4).fit(Xs, ys, Xt).transform(Xt)
    assert Z.std(axis=0).min() > 1e-3


def test_labelled_target_rows_count_and_hidden_ones_do_not():
    Xs, _, Xt = other_means()
    ys, yt = labels_of("classes", Xs, Xt)
    without = SSTCA(2, lam=0).fit(Xs, ys, Xt)
    assert angle(SSTCA(2, lam=0).fit(Xs, ys, Xt, yt).components_.T, without.components_.T) > 1e-3
    hidden = SSTCA(2, lam=0).fit(Xs, ys, Xt, yt, hide_target_labels=True)
    assert_array_equal(hidden.components_, without.components_)


def test_no_target_has_no_shift():
    Xs, _, Xt = other_means()
    ys, _ = labels_of("classes", Xs, Xt)
    with pytest.warns(NoTargetWarning):
        sstca = paper(SSTCA, 2, kernel="rbf", lam=100, **OPTIONS).fit(Xs, ys)
    n, K = len(Xs), KERNELS["rbf"](Xs, Xs)
    H = np.eye(n) - 1 / n
    P = K @ paper_laplacian(Xs, 5) @ K * (100 / n**2) + 2 / n * np.eye(n)
    S = K @ H @ (0.5 * paper_labels(ys.astype(float), "classes") + 0.5 * np.eye(n)) @ H @ K
    _, W = scipy.linalg.eigh(S, P, subset_by_index=[n - 2, n - 1])
    assert angle(sstca.eigenvectors_, W) < 1e-6


def test_what_cannot_be_is_said():
    Xs, _, Xt = other_means()
    with pytest.raises(ValueError, match="label_weight=1 leaves the labels alone"):
        SSTCA(label_weight=1, estimator=Ridge()).fit(Xs, np.full(len(Xs), 2.0), Xt)
    constant = SSTCA(2, estimator=Ridge()).fit(Xs, np.full(len(Xs), 2.0), Xt)
    assert_allclose(constant.predict(Xt), 2)
    with pytest.raises(ValueError, match="'estimator' of SSTCA must be"):
        SSTCA(estimator="passthrough").fit(Xs, np.arange(len(Xs)) % 2, Xt)


@pytest.mark.parametrize("cls", [SSTCA, TCA, TJM])
@pytest.mark.parametrize("n", [10, 300])
@pytest.mark.parametrize("d", [3, 50, 1010])
def test_rows_that_do_not_differ(cls, n, d):
    for make in (np.asarray, scipy.sparse.csr_array):
        with pytest.raises(ValueError, match="the same to the kernel"):
            cls().fit(make(np.full((n, d), 0.1)), np.arange(n) % 2, make(np.full((7, d), 0.1)))


# --- what it is good for ----------------------------------------------------------------------


def label_in_the_shade(seed, n=150, d=6):
    """A feature tells the label, one has shifted, and others vary more; a rotation hides which."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-1, 1, size=2 * n)
    X = rng.normal(size=(2 * n, d)) * [0.2, 0.3, 1, 1, 1, 1]
    X[:, 0] += hidden + 0.3 * np.sign(hidden)
    X[:, 1] += hidden
    X[n:, 1] += 5
    X = X @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return X[:n], hidden[:n], X[n:], hidden[n:]


def test_labels_find_what_varies_little():
    scores = {"source only": [], "tca": [], "sstca": []}
    for seed in range(5):
        Xs, ys, Xt, yt = label_in_the_shade(seed)
        ys, yt = ys > 0, yt > 0
        for name, model in (
            ("source only", SourceOnly()),
            ("tca", TCA(1, mu=1e-3)),
            ("sstca", SSTCA(1, mu=1e-3)),
        ):
            scores[name].append(model.fit(Xs, ys, Xt).score(Xt, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["sstca"] > 0.9
    assert means["source only"] < 0.7
    assert means["tca"] < 0.7


@pytest.mark.parametrize("kernel", ["linear", "poly"])
def test_numbers_find_what_varies_little(kernel):
    errors = {"source only": [], "tca": [], "sstca": []}
    for seed in range(5):
        Xs, ys, Xt, yt = label_in_the_shade(seed)
        options = {"mu": 1e-3, "kernel": kernel, "gamma": 0.005, "estimator": Ridge()}
        for name, model in (
            ("source only", SourceOnly(Ridge())),
            ("tca", TCA(1, **options)),
            ("sstca", SSTCA(1, **options)),
        ):
            predicted = model.fit(Xs, ys, Xt).predict(Xt)
            errors[name].append(np.sqrt(np.mean((predicted - yt) ** 2)) / yt.std())
    means = {name: np.mean(values) for name, values in errors.items()}
    assert means["sstca"] < 0.5
    assert means["tca"] > 0.9
    assert means["source only"] > 0.9


def test_neighbours_find_the_clusters():
    """Without labels: the direction between two clusters is smooth, noise of equal variance not."""
    scores = {"tca": [], "sstca": [], "too much": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.arange(400) % 2)
        X = rng.normal(size=(400, 12))
        X[:, 0] = 2 * y - 1 + 0.1 * rng.normal(size=400)
        X[:, 1] = 0.5 * rng.normal(size=400) + 4 * (np.arange(400) >= 200)
        Xs, ys, Xt, yt = X[:200], y[:200], X[200:], y[200:]
        for name, model in (
            ("tca", TCA(1, mu=1e-3)),
            ("sstca", SSTCA(1, mu=1e-3, label_weight=0, lam=100)),
            # The domains are clusters as well: the distance of their means must not be outweighed.
            ("too much", SSTCA(1, mu=1e-3, label_weight=0, lam=1e6)),
        ):
            scores[name].append(model.fit(Xs, ys, Xt).score(Xt, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["sstca"] > 0.95
    assert means["tca"] < 0.7
    assert means["too much"] < 0.7
