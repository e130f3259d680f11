"""TCA against the paper's matrices, its closed forms and limits, and on data with a known shift."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import BDA, JDA, SSTCA, TCA, TJM, NoTargetWarning, SourceOnly, stack
from skdtl.mapping.tca import linear_transfer_components, mean_difference, transfer_components

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


def paper_eigenvectors(K, n_s, mu, m):
    P, S = paper_matrices(K, n_s, mu)
    values, W = scipy.linalg.eig(np.linalg.solve(P, S))
    order = np.argsort(-values.real)[:m]
    return values.real[order], W.real[:, order]


# --- the problem of the paper ---------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mu", [0.1, 30.0])
def test_the_papers_eigenvectors(kernel, mu):
    Xs, ys, Xt = other_means()
    X = np.vstack([Xs, Xt])
    K = KERNELS[kernel](X, X)
    relative = mu / penalty_unit(K, len(Xs))
    tca = paper(TCA, 3, kernel=kernel, mu=relative, **OPTIONS).fit(Xs, ys, Xt)
    values, W = paper_eigenvectors(K, len(Xs), mu, 3)
    assert_allclose(tca.eigenvalues_, values, rtol=1e-8)

    # In the scale W' P W = c I in which the mean variance is 1.
    P, _ = paper_matrices(K, len(Xs), mu)
    W = W / np.sqrt(np.diag(W.T @ P @ W))
    W = W / spread(K @ W)
    Z = tca.transform(X)
    same_up_to_sign(Z, K @ W, rtol=1e-6, atol=1e-7)
    # New rows, of either domain, by their kernel with the training rows.
    new = other_means(seed=1)[0]
    for domain in ("source", "target"):
        same_up_to_sign(tca.transform(new, domain), KERNELS[kernel](new, X) @ W, rtol=1e-6,
                        atol=1e-7)  # fmt: skip
    if kernel != "linear":
        assert angle(tca.eigenvectors_, W) < 1e-6
        assert_array_equal(tca.X_fit_, X)


@pytest.mark.parametrize("kernel", KERNELS)
def test_products_alone_find_what_the_dense_solver_finds(kernel):
    n_s, n_t = 150, 120
    Xs, _, Xt = other_means(n_s, n_t, d=12)
    X = np.vstack([Xs, Xt]) / 5
    K = KERNELS[kernel](X, X)
    values, W, n_iter = transfer_components(K, mean_difference(n_s, n_t), 4, mu=0.7)
    assert n_iter > 1, "the matrix was decomposed directly: nothing is tested"
    P, S = paper_matrices(K, n_s, 0.7)
    n = len(K)
    expected, V = scipy.linalg.eigh(S, P, subset_by_index=[n - 4, n - 1])
    assert_allclose(values, expected[::-1], rtol=1e-9)
    assert angle(W, V) < 1e-6
    assert_allclose(W.T @ P @ W, np.eye(4), atol=1e-7)


def test_a_flat_spectrum_needs_restarts():
    rng = np.random.default_rng(0)
    n, m = 200, 1
    K = np.linalg.qr(rng.normal(size=(n, n)))[0]
    K = (K * np.linspace(0.3, 1, n)) @ K.T
    values, W, n_iter = transfer_components(K, mean_difference(80, 120), m)
    assert n_iter > 10, "the basis was never full: no restart was tested"
    P, S = paper_matrices(K, 80, 1.0)
    expected, V = scipy.linalg.eigh(S, P, subset_by_index=[n - m, n - 1])
    assert_allclose(values, expected[::-1], rtol=1e-9)
    assert angle(W, V) < 1e-6


def test_a_case_computed_by_hand():
    """Two uncorrelated features, the second one shifted: both eigenvalues in closed form."""
    # Sums of squares 4 and 36; the means of the second feature are 3 and -3.
    Xs = np.array([[1.0, 3.0], [-1.0, 3.0]])
    Xt = np.array([[1.0, -3.0], [-1.0, -3.0]])
    mu = 10.0
    values, components, _ = linear_transfer_components(
        np.vstack([Xs, Xt]), mean_difference(2, 2), 2, mu
    )
    # 4²/mu for the first, 36²/(mu + 36 · 6²) for the second, which varies 9 times as much.
    assert_allclose(values, [1.6, 36**2 / (mu + 36 * 36)])
    assert_allclose(abs(components), np.diag(np.sqrt([1.6 / 4, values[1] / 36])), atol=1e-12)


# --- the linear kernel ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 25, 6), (40, 25, 100), (100, 70, 1010), (200, 100, 20)])
def test_features_and_samples_agree(shape):
    Xs, ys, Xt = other_means(*shape)
    features = TCA(3, kernel="linear", mu=5.0).fit(Xs, ys, Xt)
    samples = TCA(3, kernel=linear_kernel, mu=5.0).fit(Xs, ys, Xt)
    assert_allclose(features.eigenvalues_, samples.eigenvalues_, rtol=1e-9)
    same_up_to_sign(features.transform(Xt), samples.transform(Xt), rtol=1e-6, atol=1e-7)
    assert features.components_.shape == (3, shape[2])


def test_an_offset_does_not_cost_precision():
    """The scatter is of centred rows; as a difference of large sums it would be noise."""
    Xs, _, Xt = other_means()
    Xs, Xt = Xs + 1e7, Xt + 1e7
    e = mean_difference(len(Xs), len(Xt))
    X = np.vstack([Xs, Xt])
    values, components, _ = linear_transfer_components(X, e, 2)
    Z = X @ components
    assert_allclose(((Z - Z.mean(0)) ** 2).sum(0), values, rtol=1e-4)


def test_linear_never_holds_a_matrix_of_all_pairs():
    Xs, ys, Xt = other_means(3000, 3000, 5)
    tracemalloc.start()
    tca = TCA(2).fit(Xs, ys, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * (Xs.nbytes + Xt.nbytes) < 6000**2 * 8 / 10
    assert len(pickle.dumps(tca)) < 5000  # and keeps no rows


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [6, 100])
def test_sparse_rows_are_rows(kernel, d):
    Xs, ys, Xt = other_means(d=d)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = TCA(3, kernel=kernel).fit(Xs, ys, Xt)
    sparse = TCA(3, kernel=kernel)
    sparse.fit(scipy.sparse.csr_matrix(Xs), ys, scipy.sparse.csr_array(Xt))
    expected = dense.transform(Xt)
    assert_allclose(sparse.transform(scipy.sparse.csr_array(Xt)), expected, rtol=1e-6, atol=1e-8)


# --- limits ---------------------------------------------------------------------------------


def mean_distance(tca, Xs, Xt):
    return np.linalg.norm(tca.transform(Xs).mean(0) - tca.transform(Xt).mean(0))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_mu_weighs_size_against_the_distance_of_the_means(kernel):
    Xs, ys, Xt = other_means()
    gaps = [
        mean_distance(paper(TCA, 3, kernel=kernel, mu=mu).fit(Xs, ys, Xt), Xs, Xt)
        for mu in (1e-8, 1e-2, 1, 1e2, 1e12)
    ]
    assert gaps[0] < 1e-6, "without the penalty both means coincide"
    assert all(np.diff(gaps) > 0)
    # With nothing but the penalty the shift does not count.
    X = np.vstack([Xs, Xt])
    K = linear_kernel(X) if kernel == "linear" else rbf_kernel(X, gamma=1 / (6 * X.var()))
    H = np.eye(len(K)) - 1 / len(K)
    _, W = scipy.linalg.eigh(K @ H @ K, subset_by_index=[len(K) - 3, len(K) - 1])
    large = paper(TCA, 3, kernel=kernel, mu=1e12).fit(Xs, ys, Xt)
    assert angle(large.transform(X), K @ W) < 1e-6


def test_equal_domains_have_no_shift():
    Xs, ys, _ = other_means()
    with pytest.warns(NoTargetWarning):
        alone = TCA(3, kernel="rbf").fit(Xs, ys)
    twice = TCA(3, kernel="rbf").fit(Xs, ys, Xs)
    assert_allclose(mean_distance(twice, Xs, Xs), 0, atol=1e-12)
    same_up_to_sign(twice.transform(Xs), alone.transform(Xs), rtol=1e-6, atol=1e-8)
    assert alone.eigenvectors_.shape == (40, 3)


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
def test_without_a_target_it_is_principal_components():
    Xs, ys, _ = other_means()
    Xs = Xs - Xs.mean(axis=0)
    Z = TCA(3).fit(Xs, ys).transform(Xs)
    expected = PCA(3).fit_transform(Xs)
    same_up_to_sign(Z / Z.std(0), expected / expected.std(0), rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
def test_without_a_target_it_is_kernel_pca_of_a_centred_kernel():
    Xs, ys, _ = other_means()

    def centred(X, Y):
        K, to_X, to_Y = rbf_kernel(X, Y), rbf_kernel(X, Xs), rbf_kernel(Xs, Y)
        return K - to_X.mean(1)[:, None] - to_Y.mean(0) + rbf_kernel(Xs).mean()

    new = other_means(seed=1)[0]
    tca = TCA(3, kernel=centred).fit(Xs, ys)
    reference = KernelPCA(3, kernel="rbf").fit(Xs)
    for rows in (Xs, new):
        Z, expected = tca.transform(rows), reference.transform(rows)
        Z, expected = Z / tca.transform(Xs).std(0), expected / reference.transform(Xs).std(0)
        same_up_to_sign(Z, expected, rtol=1e-6, atol=1e-7)


# --- what it is good for ---------------------------------------------------------------------


def shifted_nuisance(seed, n=150, shift=5.0):
    """A feature that predicts in both domains and one that predicts in the source and moves.

    A rotation hides which is which; four more features are noise.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    y = np.arange(2 * n) % 2
    X = rng.normal(size=(2 * n, 6)) * [0.5, 0.3, 0.3, 0.3, 0.3, 0.3]
    X[:, 0] += 2 * y
    X[:, 1] += y
    X[n:, 1] += shift
    X = X @ rotation
    return X[:n], y[:n], X[n:], y[n:]


@pytest.mark.parametrize("kernel", ["linear", "poly"])
def test_source_only_loses_and_tca_wins(kernel):
    scores = {"source only": [], "tca": [], "no adaptation": []}
    for seed in range(5):
        Xs, ys, Xt, yt = shifted_nuisance(seed)
        options = {"n_components": 2, "kernel": kernel, "gamma": 0.005}
        scores["source only"].append(SourceOnly().fit(Xs, ys, Xt).score(Xt, yt))
        scores["tca"].append(TCA(**options, mu=1e-4).fit(Xs, ys, Xt).score(Xt, yt))
        scores["no adaptation"].append(TCA(**options, mu=1e9).fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(scores["source only"]) < 0.6
    assert np.mean(scores["tca"]) > np.mean(scores["source only"]) + 0.3
    assert np.mean(scores["tca"]) > np.mean(scores["no adaptation"]) + 0.2


# --- the estimator ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 25, 6), (40, 25, 100), (150, 70, 300)])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_leading_back_with_the_least_squares(shape, kind):
    Xs, ys, Xt = other_means(*shape)
    tca = TCA(3, mu=5.0).fit(kind(Xs), ys, kind(Xt))
    X = np.vstack([Xs, Xt])
    Z = np.column_stack([np.ones(len(X)), tca.transform(X)])
    expected = Z @ np.linalg.lstsq(Z, X)[0]
    for domain in ("source", "target"):
        back = tca.inverse_transform(tca.transform(X), domain)
        assert_allclose(back, expected, rtol=1e-6, atol=1e-8)
    assert_allclose(tca.transform(back), tca.transform(X), rtol=1e-6, atol=1e-8)
    assert_allclose(tca.mean_, X.mean(axis=0))
    assert tca.reconstruction_.shape == tca.components_.shape


@pytest.mark.parametrize("shape", [(40, 25, 6), (10, 7, 60)])
def test_with_all_components_rows_are_led_back_to_themselves(shape):
    Xs, ys, Xt = other_means(*shape)
    tca = TCA(min(shape[2], shape[0] + shape[1] - 1)).fit(Xs, ys, Xt)
    assert_allclose(tca.inverse_transform(tca.transform(Xt)), Xt, rtol=1e-6, atol=1e-6)
    single = TCA(3).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    back = single.inverse_transform(single.transform(Xt.astype("f4")))
    assert back.dtype == np.float32
    expected = TCA(3).fit(Xs, ys, Xt)
    expected = expected.inverse_transform(expected.transform(Xt))
    assert_allclose(back, expected, rtol=1e-3, atol=1e-3)


def test_led_back_rows_lack_what_set_the_domains_apart():
    Xs, ys, Xt, _ = shifted_nuisance(0)
    tca = TCA(2, mu=1e-6).fit(Xs, ys, Xt)
    before = np.linalg.norm(Xs.mean(0) - Xt.mean(0))
    back = [tca.inverse_transform(tca.transform(rows)).mean(0) for rows in (Xs, Xt)]
    assert np.linalg.norm(back[0] - back[1]) < 1e-3 * before


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
def test_leading_back_is_that_of_principal_components():
    Xs, ys, _ = other_means()
    Xs = Xs - Xs.mean(axis=0)
    tca, pca = TCA(3).fit(Xs, ys), PCA(3).fit(Xs)
    expected = pca.inverse_transform(pca.transform(Xs))
    assert_allclose(tca.inverse_transform(tca.transform(Xs)), expected, rtol=1e-6, atol=1e-7)


def test_only_the_linear_kernel_leads_back():
    Xs, ys, Xt = other_means()
    for options in (
        {"kernel": "rbf"},
        {"kernel": linear_kernel},
        {"kernel": "rbf", "approximation": "nystroem"},
    ):
        tca = TCA(3, **options).fit(Xs, ys, Xt)
        assert not hasattr(tca, "inverse_transform") and not hasattr(tca, "mean_")
        with pytest.raises(AttributeError, match="inverse_transform"):
            tca.inverse_transform(np.ones((2, 3)))
    tca = TCA(3).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="X has 4 features, but TCA maps to 3"):
        tca.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="domain must be"):
        tca.inverse_transform(np.ones((2, 3)), domain="somewhere")


def test_labelled_target_rows_join_the_training():
    Xs, ys, Xt = other_means()
    yt = np.full(len(Xt), np.nan)
    yt[:4] = [1, 0, 1, 1]
    tca = TCA(3, kernel="rbf", estimator=KNeighborsClassifier(1)).fit(Xs, ys, Xt, yt)
    assert tca.estimator_.n_samples_fit_ == len(Xs) + 4
    assert_array_equal(tca.predict(Xt[:4]), [1, 0, 1, 1])
    hidden = TCA(3, kernel="rbf", estimator=KNeighborsClassifier(1))
    hidden.fit(Xs, ys, Xt, yt, hide_target_labels=True)
    assert hidden.estimator_.n_samples_fit_ == len(Xs)
    assert_array_equal(hidden.eigenvectors_, tca.eigenvectors_)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_rows_in_any_order(kernel):
    Xs, ys, Xt = other_means(250, 200)
    X, y, domain = stack(Xs, ys, Xt)
    order = np.random.default_rng(0).permutation(len(X))
    pair = TCA(3, kernel=kernel).fit(Xs, ys, Xt)
    tca = TCA(3, kernel=kernel)
    Z = tca.fit_transform(X[order], y[order], sample_domain=domain[order])
    same_up_to_sign(Z, pair.transform(X)[order], rtol=1e-6, atol=1e-7)
    assert_allclose(Z, tca.transform(X[order]), rtol=1e-9, atol=1e-12)
    assert_array_equal(tca.predict(Xt), pair.predict(Xt))


def test_one_result_with_one_sign():
    Xs, ys, Xt = other_means(250, 200)
    first, second = (TCA(3, kernel="rbf").fit(Xs, ys, Xt) for _ in range(2))
    assert_array_equal(first.eigenvectors_, second.eigenvectors_)
    W = first.eigenvectors_
    assert (W.max(axis=0) > -W.min(axis=0)).all()
    A = TCA(3).fit(Xs, ys, Xt).components_
    assert (A.max(axis=1) > -A.min(axis=1)).all()


def test_a_transformer_needs_no_labels():
    Xs, ys, Xt = other_means()
    tca = TCA(2, estimator="passthrough")
    Z = tca.fit_transform(Xs, Xt=Xt)
    assert_allclose(Z, TCA(2).fit(Xs, ys, Xt).transform(Xs))
    assert not hasattr(tca, "predict")
    assert list(tca.get_feature_names_out()) == ["tca0", "tca1"]
    assert list(tca.set_output(transform="pandas").transform(Xt).columns) == ["tca0", "tca1"]
    with pytest.raises(ValueError, match="domain must be"):
        tca.transform(Xt, domain="somewhere")


def test_in_the_middle_of_a_pipeline_for_regression():
    Xs, _, Xt = other_means()
    ys = Xs[:, 0] * 2 + 1
    with sklearn.config_context(enable_metadata_routing=True):
        steps = StandardScaler(), TCA(2, estimator="passthrough"), Ridge()
        pipeline = make_pipeline(*steps, transform_input=["Xt"]).fit(Xs, ys, Xt=Xt)
    scaler = StandardScaler().fit(Xs)
    tca = TCA(2, estimator=Ridge()).fit(scaler.transform(Xs), ys, scaler.transform(Xt))
    assert_allclose(pipeline.predict(Xt), tca.predict(scaler.transform(Xt)))
    assert len(pipeline[1].eigenvalues_) == 2


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_single_precision(kernel):
    Xs, ys, Xt = other_means()
    double = TCA(3, kernel=kernel).fit(Xs, ys, Xt)
    single = TCA(3, kernel=kernel).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xt.astype("f4"))
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xt), atol=1e-3)


def test_gamma_is_that_of_both_domains():
    Xs, ys, Xt = other_means()
    tca = TCA(kernel="rbf").fit(Xs, ys, Xt)
    assert_allclose(tca.gamma_, 1 / (6 * np.vstack([Xs, Xt]).var()))
    assert not hasattr(tca.set_params(kernel="linear").fit(Xs, ys, Xt), "gamma_")


def test_how_many_components():
    Xs, ys, Xt = other_means()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert TCA().fit(Xs, ys, Xt).n_components_ == 6  # all that there are
        more, _, rows = other_means(90, 60)
        rbf = TCA(kernel="rbf", estimator="passthrough").fit(more, None, rows)
        assert rbf.n_components_ == 100
    with pytest.warns(UserWarning, match="n_components=8, but .* only 6 directions"):
        assert TCA(8).fit(Xs, ys, Xt).transform(Xt).shape == (25, 6)
    with pytest.warns(UserWarning, match="only 64 directions"):  # 65 rows, less their mean
        TCA(100, kernel="rbf", gamma=1.0).fit(Xs, ys, Xt)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("n", [10, 300])
def test_rows_that_do_not_differ(kernel, n):
    X = np.full((n, 3), 0.1)
    with pytest.raises(ValueError, match="the same to the kernel"):
        TCA(kernel=kernel).fit(X, np.arange(n) % 2, X[:7])


def test_iterating_into_rounding_error_ends_quietly():
    """A wide kernel and a small mu: the default tol is out of reach, the result is not."""
    Xs, ys, Xt, _ = shifted_nuisance(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tca = TCA(2, kernel="rbf", gamma=0.005, mu=1e-2, tol=1e-15).fit(Xs, ys, Xt)
    assert tca.n_iter_ < 100


def test_a_low_rank_in_the_iteration():
    """More rows than the basis may hold, but fewer directions than the block is wide."""
    Xs, ys, Xt = other_means(200, 150, 3)
    with pytest.warns(UserWarning, match="only 3 directions"):
        tca = TCA(5, kernel=linear_kernel).fit(Xs, ys, Xt)
    same_up_to_sign(tca.transform(Xt), TCA(3).fit(Xs, ys, Xt).transform(Xt), rtol=1e-6, atol=1e-7)


def test_a_solver_that_stops_early_says_so():
    Xs, ys, Xt = other_means(250, 200)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds"):
        tca = TCA(3, kernel="rbf", max_iter=1).fit(Xs, ys, Xt)
    assert tca.n_iter_ == 1
    loose = TCA(3, kernel="rbf", tol=1e-2).fit(Xs, ys, Xt)
    assert loose.n_iter_ < TCA(3, kernel="rbf").fit(Xs, ys, Xt).n_iter_


@pytest.mark.parametrize("method", [SSTCA, TJM, JDA, BDA])
def test_its_kin_leads_back_as_well(method):
    Xs, ys, Xt = other_means()
    X = np.vstack([Xs, Xt])
    model = method(3).fit(Xs, ys, Xt)
    Z = model.transform(X)
    centred = Z - Z.mean(axis=0)
    B = np.linalg.lstsq(centred, X - X.mean(axis=0), rcond=None)[0]
    assert_allclose(model.inverse_transform(Z), centred @ B + X.mean(axis=0), rtol=1e-6, atol=1e-6)
    assert not hasattr(method(3, kernel="rbf"), "inverse_transform")


def test_new_rows_are_mapped_block_by_block():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(600, 2)), rng.normal(size=(400, 2)) + 1
    tca = TCA(2, kernel="rbf").fit(Xs, np.arange(600) % 2, Xt)
    X = rng.normal(size=(40_000, 2))
    tracemalloc.start()
    tca.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 40_000 * 1000 / 2  # half of all kernel values
