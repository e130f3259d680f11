"""TJM against the paper's alternation, its objective and limits, and a source partly irrelevant."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import linear_kernel

from skdtl import TCA, TJM, InstanceWeightsDisplay, NoTargetWarning, SourceOnly

from ..shifts import other_means
from .by_hand import KERNELS, OPTIONS, paper, same_up_to_sign, spread


def paper_rounds(K, n_s, m, lam, n_rounds):
    """The paper's alternation with its matrices: eigenvalues, eigenvectors, A, objectives."""
    n = len(K)
    K = K / np.mean([K[i, i] for i in range(n)])
    e = np.array([1 / n_s] * n_s + [-1 / (n - n_s)] * (n - n_s))
    M = np.outer(e, e)
    M /= np.linalg.norm(M, "fro")
    H = np.eye(n) - np.full((n, n), 1 / n)
    S = K @ H @ K
    G, objectives = np.eye(n), []
    for _ in range(n_rounds):
        P = K @ M @ K + lam * G
        values, W = scipy.linalg.eigh(S, P, subset_by_index=[n - m, n - 1])
        values, W = values[::-1], W[:, ::-1]
        A = W / np.sqrt(np.diag(W.T @ S @ W))
        assert_allclose(A.T @ S @ A, np.eye(m), atol=1e-5)
        objectives.append(objective(A, K, M, n_s, lam))
        for i in range(n_s):
            G[i, i] = 1 / (2 * np.linalg.norm(A[i]))
    return values, W, A, objectives


def objective(A, K, M, n_s, lam):
    size = sum(np.linalg.norm(row) for row in A[:n_s]) + (A[n_s:] ** 2).sum()
    return np.trace(A.T @ K @ M @ K @ A) + lam * size


# --- the problem of the paper ---------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.3, 20.0])
@pytest.mark.parametrize("n_rounds", [1, 2, 4])
@pytest.mark.parametrize(("kernel", "d"), [*((kernel, 6) for kernel in KERNELS), ("linear", 100)])
def test_the_papers_alternation(kernel, d, n_rounds, lam):
    Xs, ys, Xt = other_means(d=d)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tjm = paper(TJM, 3, kernel=kernel, lam=lam, n_rounds=n_rounds, **OPTIONS).fit(Xs, ys, Xt)
    X = np.vstack([Xs, Xt])
    K = KERNELS[kernel](X, X)
    values, W, A, objectives = paper_rounds(K, len(Xs), 3, lam, tjm.n_rounds_)
    assert tjm.n_rounds_ == n_rounds or n_rounds == 4
    assert_allclose(tjm.eigenvalues_, values, rtol=1e-6)
    assert_allclose(tjm.objectives_, objectives, rtol=1e-6)
    norms = np.linalg.norm(A[: len(Xs)], axis=1)
    assert_allclose(tjm.source_weights_, norms / norms.mean(), rtol=1e-5, atol=2e-4)
    expected = K @ W / spread(K @ W)
    same_up_to_sign(tjm.transform(X), expected, rtol=1e-5, atol=1e-6)
    new = other_means(d=d, seed=1)[0]
    for domain in ("source", "target"):
        expected = KERNELS[kernel](new, X) @ W / spread(K @ W)
        same_up_to_sign(tjm.transform(new, domain), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_objective_never_rises_and_rounds_matter(kernel):
    for seed in range(3):
        Xs, ys, Xt = other_means(200, 130, 8, seed=seed)
        tjm = paper(TJM, 3, kernel=kernel, n_rounds=30).fit(Xs, ys, Xt)
        path = tjm.objectives_
        assert tjm.n_rounds_ == len(path) > 2, "it stopped after a round"
        assert (np.diff(path) < 0).all()
        assert path[0] > 1.3 * path[-1]
        once = paper(TJM, 3, kernel=kernel, n_rounds=1).fit(Xs, ys, Xt)
        assert once.n_rounds_ == 1
        Z, other = tjm.transform(Xt), once.transform(Xt)
        assert abs(Z - other * np.sign((Z * other).sum(0))).max() > 0.05


def test_no_map_nearby_is_better():
    """A certificate of a minimum: feasible steps in random directions raise the objective."""
    Xs, ys, Xt = other_means()
    lam, n_s = 0.5, len(Xs)
    tjm = paper(TJM, 2, kernel="rbf", lam=lam, gamma=0.02, n_rounds=1000).fit(Xs, ys, Xt)
    assert tjm.n_rounds_ < 200, "it never settled"
    X = np.vstack([Xs, Xt])
    K = np.exp(-0.02 * ((X[:, None] - X[None]) ** 2).sum(2))
    n = len(K)
    e = np.array([1 / n_s] * n_s + [-1 / (n - n_s)] * (n - n_s))
    M = np.outer(e, e) / (e @ e)
    S = K @ (np.eye(n) - 1 / n) @ K

    def feasible(A):
        values, V = np.linalg.eigh(A.T @ S @ A)
        return A @ (V / np.sqrt(values)) @ V.T

    A = feasible(tjm.eigenvectors_)
    best = objective(A, K, M, n_s, lam)
    assert_allclose(best, tjm.objectives_[-1], rtol=1e-6)
    rng = np.random.default_rng(0)
    for size in (0.01, 0.1, 1):
        for _ in range(20):
            step = rng.normal(size=A.shape) * np.abs(A).mean() * size
            assert objective(feasible(A + step), K, M, n_s, lam) > best
    norms = np.linalg.norm(A[:n_s], axis=1)
    assert 3 < np.sum(norms > 0.01 * norms.max()) < n_s - 3, "no choice of rows is tested"


# --- every way to compute it ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 25, 6), (40, 25, 100), (100, 70, 1010), (200, 100, 20)])
def test_features_and_samples_agree(shape):
    Xs, ys, Xt = other_means(*shape)
    features = TJM(3, lam=5.0, n_rounds=4).fit(Xs, ys, Xt)
    samples = TJM(3, lam=5.0, n_rounds=4, kernel=linear_kernel).fit(Xs, ys, Xt)
    assert_allclose(features.objectives_, samples.objectives_, rtol=1e-7)
    assert_allclose(features.source_weights_, samples.source_weights_, rtol=1e-5, atol=1e-7)
    same_up_to_sign(features.transform(Xt), samples.transform(Xt), rtol=1e-5, atol=1e-6)
    assert features.components_.shape == (3, shape[2])


def test_landmarks_that_are_all_rows():
    Xs, ys, Xt = other_means()
    options = {"kernel": "rbf", "gamma": 0.05, "n_rounds": 3}
    exact = TJM(3, **options).fit(Xs, ys, Xt)
    tjm = TJM(3, approximation="nystroem", random_state=0, **options).fit(Xs, ys, Xt)
    assert_allclose(tjm.objectives_, exact.objectives_, rtol=1e-6)
    assert_allclose(tjm.source_weights_, exact.source_weights_, rtol=1e-4, atol=1e-5)
    same_up_to_sign(tjm.transform(Xt), exact.transform(Xt), rtol=1e-4, atol=1e-5)


def test_the_eigensolver_can_stop_early():
    Xs, ys, Xt = other_means(150, 120)
    exact = TJM(3, kernel="rbf", n_rounds=2).fit(Xs, ys, Xt)
    assert TJM(3, kernel="rbf", n_rounds=2, tol=1e-2).fit(Xs, ys, Xt).n_iter_ < exact.n_iter_
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds"):
        TJM(3, kernel="rbf", n_rounds=2, max_iter=1).fit(Xs, ys, Xt)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("d", [6, 100])
def test_sparse_rows_are_rows(kernel, d):
    Xs, ys, Xt = other_means(d=d)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = TJM(3, kernel=kernel, n_rounds=3).fit(Xs, ys, Xt)
    sparse = TJM(3, kernel=kernel, n_rounds=3)
    sparse.fit(scipy.sparse.csr_matrix(Xs), ys, scipy.sparse.csr_array(Xt))
    assert_allclose(sparse.source_weights_, dense.source_weights_, rtol=1e-5, atol=1e-7)
    expected = dense.transform(Xt)
    assert_allclose(sparse.transform(scipy.sparse.csr_array(Xt)), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_single_precision(kernel):
    Xs, ys, Xt = other_means()
    double = TJM(3, kernel=kernel, n_rounds=3).fit(Xs, ys, Xt)
    single = TJM(3, kernel=kernel, n_rounds=3).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xt.astype("f4"))
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xt), atol=3e-3)


def test_many_features_need_no_matrix_of_their_pairs():
    Xs, ys, Xt = other_means(60, 40, 10)
    wide = np.random.default_rng(0).normal(size=(10, 5000))
    Xs, Xt = Xs @ wide, Xt @ wide
    tracemalloc.start()
    TJM(3, n_rounds=3).fit(Xs, ys, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * (Xs.nbytes + Xt.nbytes) < 5000**2 * 8 / 4


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_one_round_is_transfer_component_analysis(kernel):
    Xs, ys, Xt = other_means()
    tjm = paper(TJM, 3, kernel=kernel, lam=2.0, n_rounds=1).fit(Xs, ys, Xt)
    tca = paper(TCA, 3, kernel=kernel, mu=2.0).fit(Xs, ys, Xt)
    same_up_to_sign(tjm.transform(Xt), tca.transform(Xt), rtol=1e-7, atol=1e-8)


def test_no_target_is_no_choice_of_rows():
    Xs, ys, _ = other_means()
    with pytest.warns(NoTargetWarning):
        tjm = TJM(3, kernel="rbf").fit(Xs, ys)
    with pytest.warns(NoTargetWarning):
        tca = TCA(3, kernel="rbf").fit(Xs, ys)
    assert_allclose(tjm.transform(Xs), tca.transform(Xs), rtol=1e-7, atol=1e-9)
    assert_array_equal(tjm.source_weights_, np.ones(40))
    assert tjm.n_rounds_ == 1


def test_rows_that_take_no_part():
    """A row of zeros has no kernel value, so its coefficient is 0: its penalty stays finite."""
    Xs, ys, Xt = other_means()
    Xs[3] = 0
    tjm = TJM(3).fit(Xs, ys, Xt)
    assert tjm.source_weights_[3] == 0
    assert np.isfinite(tjm.components_).all()
    assert (np.diff(tjm.objectives_) < 1e-9 * tjm.objectives_[0]).all()
    # Of a source without any direction the target alone decides.
    nothing = TJM(3).fit(np.zeros_like(Xs), ys, Xt)
    assert_array_equal(nothing.source_weights_, np.ones(40))
    assert np.isfinite(nothing.transform(Xt)).all()


def test_lam_weighs_rows_against_the_distance_of_the_means():
    Xs, ys, Xt = other_means(100, 80)
    gaps = []
    for lam in (1e-6, 1e-2, 1, 1e2, 1e6):
        tjm = paper(TJM, 2, kernel="rbf", lam=lam).fit(Xs, ys, Xt)
        gaps.append(np.linalg.norm(tjm.transform(Xs).mean(0) - tjm.transform(Xt).mean(0)))
    assert gaps[0] < 1e-3
    assert gaps[0] < gaps[1] < gaps[2] < gaps[3]
    assert gaps[4] > 0.5


def test_rounds_end_when_the_objective_has_settled():
    Xs, ys, Xt = other_means()
    tjm = TJM(3, n_rounds=1000).fit(Xs, ys, Xt)
    assert 3 < tjm.n_rounds_ < 100
    falls = -np.diff(tjm.objectives_) / tjm.objectives_[1:]
    assert falls[-1] <= 1e-4 < falls[-2]
    assert TJM(3, n_rounds=3).fit(Xs, ys, Xt).n_rounds_ == 3


def test_the_scale_of_the_features_does_not_matter():
    Xs, ys, Xt = other_means()
    tjm, large = TJM(3).fit(Xs, ys, Xt), TJM(3).fit(1e3 * Xs, ys, 1e3 * Xt)
    assert_allclose(large.objectives_, tjm.objectives_, rtol=1e-7)
    assert_allclose(large.transform(1e3 * Xt), tjm.transform(Xt), rtol=1e-6, atol=1e-7)


# --- what it is good for ----------------------------------------------------------------------


def partly_irrelevant(seed, n=120, d=6, spread=2.0):
    """A shifted feature, and half of the source that varies where the target does not."""
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % 2
    X = rng.normal(size=(2 * n, d)) * 0.3
    X[:, 0] += 1.5 * y
    X[:, 1] += y
    X[n:, 1] += 5
    X[: n // 2, 2:] += rng.normal(size=(n // 2, d - 2)) * spread
    X = X @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return X[:n], y[:n], X[n:], y[n:]


def test_source_only_and_a_single_round_lose():
    scores = {"source only": [], "one round": [], "tca": [], "tjm": []}
    for seed in range(5):
        Xs, ys, Xt, yt = partly_irrelevant(seed)
        for name, model in (
            ("source only", SourceOnly()),
            ("one round", TJM(1, n_rounds=1)),
            ("tca", TCA(1, mu=1e-3)),
            ("tjm", TJM(1)),
        ):
            scores[name].append(model.fit(Xs, ys, Xt).score(Xt, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["tjm"] > 0.95
    assert means["source only"] < 0.6
    assert means["one round"] < means["tjm"] - 0.2
    assert means["tca"] < means["tjm"] - 0.2


def test_the_weights_tell_which_rows_are_like_the_target():
    Xs, ys, Xt, _ = partly_irrelevant(0)
    tjm = TJM(2, kernel="rbf").fit(Xs, ys, Xt)
    weights = tjm.source_weights_
    assert weights[60:].mean() > 3 * weights[:60].mean()
    assert_allclose(weights.mean(), 1)
    once = TJM(2, kernel="rbf", n_rounds=1).fit(Xs, ys, Xt).source_weights_
    # Sparse: rows drop out, where a single round leaves each its part.
    assert np.mean(weights < 0.01) > 0.2 > np.mean(once < 0.01)


def test_the_weights_are_shown_but_not_pickled():
    pytest.importorskip("matplotlib").use("Agg")
    Xs, ys, Xt, _ = partly_irrelevant(0)
    tjm = TJM(2, kernel="rbf").fit(Xs, ys, Xt)
    display = InstanceWeightsDisplay.from_estimator(tjm, ys)
    assert [group.label for group in display.groups_] == [0, 1]
    loaded = pickle.loads(pickle.dumps(tjm))
    assert not hasattr(loaded, "source_weights_")
    assert_array_equal(loaded.transform(Xt), tjm.transform(Xt))


def test_regression_and_a_transformer():
    Xs, _, Xt, _ = partly_irrelevant(0)
    ys = Xs[:, 0] * 2 + 1
    tjm = TJM(2, estimator=Ridge()).fit(Xs, ys, Xt)
    Z = TJM(2, estimator="passthrough").fit_transform(Xs, Xt=Xt)
    assert_allclose(tjm.transform(Xs), Z)
    assert_allclose(tjm.predict(Xt), Ridge().fit(Z, ys).predict(tjm.transform(Xt)))


def test_verbose_prints_the_objective(capsys):
    Xs, ys, Xt = other_means()
    tjm = TJM(3, n_rounds=2, verbose=1).fit(Xs, ys, Xt)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"[TJM] round 2/2: objective {tjm.objectives_[1]:.6g}"
    TJM(3, n_rounds=2).fit(Xs, ys, Xt)
    assert capsys.readouterr().out == ""
