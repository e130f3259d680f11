"""JDA and BDA against the paper's matrices and rounds, their limits, and classes that moved."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import linear_kernel
from sklearn.neighbors import KNeighborsClassifier

from skdtl import BDA, JDA, TCA, NoTargetWarning, SourceOnly
from skdtl.datasets import load_office_caltech
from skdtl.mapping._feature_space import FeatureSpace, KernelSpace
from skdtl.mapping.jda import joint_mean_differences

from . import by_hand
from .by_hand import paper, same_up_to_sign, spread

KERNELS = {name: by_hand.KERNELS[name] for name in ("linear", "rbf")}
METHODS = {
    "JDA": (JDA, {}, 0.5),
    "BDA, whole": (BDA, {"mu": 0.2}, 0.2),
    "BDA, classes": (BDA, {"mu": 1.0}, 1.0),
}


def three_classes(n_s=45, n_t=30, d=6, seed=1):
    """Three classes with other shares in the target, which has shifted and turned."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(d, d))
    ys, yt = np.arange(n_s) % 3, np.sort(np.arange(n_t) % 4 % 3)
    centres = rng.normal(size=(3, d))
    Xs = (rng.normal(size=(n_s, d)) + 1.5 * centres[ys]) @ A
    Xt = (rng.normal(size=(n_t, d)) + 1.5 * centres[yt]) @ A + rng.normal(size=d)
    return Xs, ys, Xt, yt


def classes_move(seed, shares=(0.5, 0.5), n=150):
    """A feature that predicts in both domains, and one that predicts the reverse in the target.

    `shares` are those of class 1 in source and target; a rotation hides which feature is which.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    y = np.concatenate([np.arange(n) >= round(n * (1 - share)) for share in shares]).astype(int)
    X = rng.normal(scale=0.5, size=(2 * n, 6))
    X[:, 0] += 1.25 * (2 * y - 1)
    X[:, 1] += (2 * y - 1) * np.where(np.arange(2 * n) < n, 1, -1)
    X = X @ rotation
    return X[:n], y[:n], X[n:], y[n:]


def paper_matrix(ys, yt, mu):
    """(1 - mu) M_0 + mu (mean of M_c) over its norm, entry by entry; -1 is no class."""
    n_s, n = len(ys), len(ys) + len(yt)
    y = np.concatenate([ys, yt])
    M = np.zeros((n, n))
    classes = np.unique(ys)
    for i in range(n):
        for j in range(n):
            same_side = (i < n_s) == (j < n_s)
            sizes = [n_s if k < n_s else n - n_s for k in (i, j)]
            M[i, j] += (1 - mu) * (1 if same_side else -1) / (sizes[0] * sizes[1])
            for c in classes:
                if y[i] == y[j] == c and (yt >= 0).any():
                    counts = [(ys == c).sum() if k < n_s else (yt == c).sum() for k in (i, j)]
                    sign = 1 if same_side else -1
                    M[i, j] += mu / len(classes) * sign / (counts[0] * counts[1])
    size = np.sqrt((M**2).sum())
    return M / size if size else M


def paper_rounds(K, ys, n_t, mu, lam, m, n_rounds):
    """The papers' rounds with a dense solver: mapped rows, guesses, how many rounds."""
    n_s, n = len(ys), len(K)
    H = np.eye(n) - np.full((n, n), 1 / n)
    yt = np.full(n_t, -1)
    for n_round in range(1, n_rounds + 1):  # noqa: B007
        P = K @ paper_matrix(ys, yt, mu) @ K + lam * (np.trace(K) / n) ** 2 * np.eye(n)
        values, W = scipy.linalg.eig(np.linalg.solve(P, K @ H @ K))
        order = np.argsort(-values.real)[:m]
        W = W.real[:, order]
        W = W / np.sqrt(np.diag(W.T @ P @ W))
        Z = K @ W
        Z /= spread(Z)
        guessed = KNeighborsClassifier(1).fit(Z[:n_s], ys).predict(Z[n_s:])
        if (guessed == yt).all():
            break
        yt = guessed
    return Z, values.real[order], yt, n_round


# --- the problem of the papers --------------------------------------------------------------


def test_differences_computed_by_hand():
    ys, yt = np.array([0, 0, 1]), np.array([1, 0])
    # M_0 and the two classes' columns, the latter averaged: twice, and with weights 1/4 and 3/4.
    columns = np.array(
        [[1 / 3, 1 / 2, 0], [1 / 3, 1 / 2, 0], [1 / 3, 0, 1], [-1 / 2, 0, -1], [-1 / 2, -1, 0]]
    )
    for mu, weights in ((0.5, [1, 0.5, 0.5]), (0.75, [0.25, 0.375, 0.375]), (0, [1, 0, 0])):
        M = (columns * weights) @ columns.T
        E = joint_mean_differences(ys, yt, 2, mu)
        assert_allclose(E @ E.T, M / np.linalg.norm(M), atol=1e-15)
    assert not joint_mean_differences(ys, np.full(2, -1), 2, 1.0).any()


def test_a_row_without_a_guess_counts_in_no_class():
    ys, yt = np.array([0, 0, 1]), np.array([1, -1, 0])
    E = joint_mean_differences(ys, yt, 2, 0.3)
    assert_allclose(E @ E.T, paper_matrix(ys, yt, 0.3), atol=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("method", METHODS)
def test_the_papers_rounds(kernel, method):
    cls, options, mu = METHODS[method]
    Xs, ys, Xt, _ = three_classes()
    X = np.vstack([Xs, Xt])
    lam = {"linear": 0.5, "rbf": 0.3}[kernel]
    model = paper(
        cls,
        3,
        kernel=kernel,
        gamma=0.2,
        lam=lam,
        estimator=KNeighborsClassifier(1),
        source_classes="given",
        **options,
    ).fit(Xs, ys, Xt)
    Z, values, guessed, n_rounds = paper_rounds(KERNELS[kernel](X, X), ys, 30, mu, lam, 3, 10)
    assert n_rounds >= 2, "no round had guesses: nothing is tested"
    assert model.n_rounds_ == n_rounds
    assert_array_equal(model.pseudo_labels_, guessed)
    assert_array_equal(model.predict(Xt), guessed)
    assert_allclose(model.eigenvalues_, values, rtol=1e-7)
    same_up_to_sign(model.transform(X), Z, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("as_matrix", [True, False])
def test_products_alone_find_what_the_dense_solver_finds(as_matrix):
    Xs, ys, Xt, yt = three_classes(180, 150, d=20)
    X = np.vstack([Xs, Xt]) / 5
    K = X @ X.T
    n, m = len(K), 3
    E = joint_mean_differences(ys, yt, 3)
    assert E.shape == (n, 4)
    space = KernelSpace(K) if as_matrix else FeatureSpace((X[:180], X[180:]))
    values, W, n_iter = space.components(E, m, 2.0)
    assert n_iter > 1 or not as_matrix
    P, H = K @ E @ E.T @ K + 2.0 * np.eye(n), np.eye(n) - 1 / n
    expected, V = scipy.linalg.eigh(K @ H @ K, P, subset_by_index=[n - m, n - 1])
    assert_allclose(values, expected[::-1], rtol=1e-8)
    same_up_to_sign(space.map(W), K @ V[:, ::-1], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the data")
def test_the_published_accuracies():
    """Half of the paper's table for Office-Caltech, in the settings of its authors' code."""
    names = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
    published = {"CA": 44.78, "AW": 37.97, "WC": 31.17, "WD": 89.17, "DA": 33.09, "DW": 89.49}
    for pair, expected in published.items():
        data = load_office_caltech(names[pair[0]], names[pair[1]], normalize=True)
        X, n_s = np.vstack([data.Xs, data.Xt]), len(data.Xs)
        space, inverse = FeatureSpace((data.Xs, data.Xt)), np.linalg.pinv(X.T @ X, hermitian=True)
        labels = np.full(len(data.Xt), -1)
        for _ in range(10):
            E = joint_mean_differences(data.ys, labels, 10)
            _, components, _ = space.components(E, 100, space.mean_square**2)
            # Their scale: ‖w‖ = 1 for components = Xᵀ W.
            Z = X @ (components / np.sqrt((components * (inverse @ components)).sum(axis=0)))
            Z /= np.linalg.norm(Z, axis=1, keepdims=True)
            labels = KNeighborsClassifier(1).fit(Z[:n_s], data.ys).predict(Z[n_s:])
        assert_allclose(100 * np.mean(labels == data.yt), expected, atol=0.006, err_msg=pair)


# --- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_one_round_or_no_weight_on_the_classes_is_tca(kernel):
    Xs, ys, Xt, _ = three_classes()
    X, lam = np.vstack([Xs, Xt]), 0.7
    tca = paper(TCA, 3, kernel=kernel, gamma=0.2, mu=lam).fit(Xs, ys, Xt)
    options = {"n_components": 3, "kernel": kernel, "gamma": 0.2, "lam": lam}
    for model in (paper(JDA, n_rounds=1, **options), paper(BDA, mu=0, **options)):
        model.fit(Xs, ys, Xt)
        assert_allclose(model.transform(X), tca.transform(X), rtol=1e-6, atol=1e-8)
        assert_array_equal(model.predict(X), tca.predict(X))
    more = paper(JDA, **options).fit(Xs, ys, Xt)
    assert abs(more.transform(X) - tca.transform(X)).max() > 0.1


@pytest.mark.parametrize("kernel", KERNELS)
def test_half_the_weight_on_the_classes_is_jda(kernel):
    Xs, ys, Xt, _ = three_classes()
    jda = paper(JDA, 3, kernel=kernel, lam=0.7).fit(Xs, ys, Xt)
    bda = paper(BDA, 3, kernel=kernel, lam=0.7, mu=0.5).fit(Xs, ys, Xt)
    assert_array_equal(bda.transform(Xt), jda.transform(Xt))
    other = paper(BDA, 3, kernel=kernel, lam=0.7, mu=0.8).fit(Xs, ys, Xt)
    assert abs(abs(other.transform(Xt)) - abs(jda.transform(Xt))).max() > 0.01


def test_classes_alone_start_from_directions_that_match_nothing():
    Xs, ys, Xt, _ = three_classes()
    first = paper(BDA, 3, mu=1, n_rounds=1).fit(Xs, ys, Xt)
    free = paper(TCA, 3, mu=1e12).fit(Xs, ys, Xt)
    same_up_to_sign(first.transform(Xt), free.transform(Xt), rtol=1e-5, atol=1e-6)


def gaps(model, Xs, ys, Xt, yt):
    """The distances of the domains' mapped means: of the whole, and the classes' mean."""
    Zs, Zt = model.transform(Xs), model.transform(Xt)
    classes = [np.linalg.norm(Zs[ys == c].mean(0) - Zt[yt == c].mean(0)) for c in np.unique(ys)]
    return np.linalg.norm(Zs.mean(0) - Zt.mean(0)), np.mean(classes)


def test_lam_weighs_size_against_the_distances():
    Xs, ys, Xt, yt = three_classes()
    distances = []
    for lam in (1e-7, 1e-2, 1, 1e2, 1e6):
        model = paper(JDA, 2, kernel="rbf", lam=lam).fit(Xs, ys, Xt, yt)  # all labels are known
        distances.append(gaps(model, Xs, ys, Xt, yt))
    assert (np.diff(distances, axis=0) > 0).all()
    assert max(distances[0]) < 1e-3


def test_mu_weighs_classes_against_the_whole():
    Xs, ys, Xt, yt = three_classes()
    found = [
        gaps(paper(BDA, 2, kernel="rbf", mu=mu).fit(Xs, ys, Xt, yt), Xs, ys, Xt, yt)
        for mu in (0, 0.1, 0.5, 0.9, 1)
    ]
    whole, classes = np.transpose(found)
    assert whole[0] < whole[2] < whole[4]
    assert classes[0] > classes[2] > classes[4]


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_unit_of_the_features_does_not_matter(kernel):
    Xs, ys, Xt, _ = three_classes()
    here = JDA(3, kernel=kernel).fit(Xs, ys, Xt)
    there = JDA(3, kernel=kernel).fit(1000 * Xs, ys, 1000 * Xt)
    same_up_to_sign(there.transform(1000 * Xt), here.transform(Xt), rtol=1e-5, atol=1e-6)
    scaled_kernel = JDA(3, kernel=lambda X, Y: 1e4 * KERNELS[kernel](X, Y)).fit(Xs, ys, Xt)
    plain = JDA(3, kernel=KERNELS[kernel]).fit(Xs, ys, Xt)
    same_up_to_sign(scaled_kernel.transform(Xt), plain.transform(Xt), rtol=1e-5, atol=1e-6)


def test_mean_square_is_the_kernels_mean_diagonal():
    Xs, _, Xt, _ = three_classes()
    X = np.vstack([Xs, Xt])
    expected = (X**2).sum() / len(X)
    sparse = scipy.sparse.csr_matrix(Xs), scipy.sparse.csr_array(Xt)
    for space in (FeatureSpace((Xs, Xt)), FeatureSpace(sparse), KernelSpace(X @ X.T)):
        assert_allclose(space.mean_square, expected)


@pytest.mark.parametrize("cls", [JDA, BDA])
def test_without_a_target_it_is_tca(cls):
    Xs, ys, Xt, _ = three_classes()
    with pytest.warns(NoTargetWarning):
        alone = cls(3, kernel="rbf").fit(Xs, ys)
    with pytest.warns(NoTargetWarning):
        tca = TCA(3, kernel="rbf").fit(Xs, ys)
    same_up_to_sign(alone.transform(Xt), tca.transform(Xt), rtol=1e-6, atol=1e-8)
    assert alone.n_rounds_ == 1
    assert_array_equal(alone.pseudo_labels_, ys)


# --- what they are good for ------------------------------------------------------------------


def scores(methods, shares, seeds=range(5)):
    found = {name: [] for name in methods}
    for seed in seeds:
        Xs, ys, Xt, yt = classes_move(seed, shares)
        for name, model in methods.items():
            found[name].append(model.fit(Xs, ys, Xt).score(Xt, yt))
    return found


@pytest.mark.parametrize("options", [{"lam": 10.0}, {"kernel": "rbf"}, {"kernel": "laplacian"}])
def test_matching_the_whole_loses_and_matching_the_classes_wins(options):
    methods = {
        "source only": SourceOnly(),
        "whole": JDA(n_rounds=1, **options),
        "tca": TCA(2),
        "jda": JDA(**options),
    }
    found = scores(methods, (0.5, 0.5))
    assert np.mean(found["source only"]) < 0.8
    assert np.mean(found["tca"]) < 0.8
    assert np.mean(found["whole"]) < 0.87
    # Of five draws one may begin with guesses that are mostly wrong: the rounds make them worse.
    assert sorted(found["jda"])[1] > 0.94
    assert np.mean(found["jda"]) > np.mean(found["source only"]) + 0.05
    assert np.median(found["jda"]) > np.mean(found["whole"]) + 0.1


def test_other_shares_of_the_classes_call_for_the_classes_alone():
    methods = {
        "source only": SourceOnly(),
        "tca": TCA(),
        "jda": JDA(),
        "classes": BDA(mu=1),
    }
    found = scores(methods, (0.5, 0.7))
    assert np.mean(found["source only"]) < 0.8
    assert np.mean(found["tca"]) < 0.7
    assert np.mean(found["jda"]) < 0.75
    assert min(found["classes"]) > 0.95


def test_a_few_labels_put_wrong_guesses_right():
    """Guesses from the source are the reverse of the truth for most of this target."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = rng.normal(scale=0.3, size=(400, 3))
    X[:, 0] += 2 * y - 1
    X[:, 1] += np.where(np.arange(400) < 200, 2, -2) * (2 * y - 1)
    Xs, ys, Xt, yt = X[:200], y[:200], X[200:], y[200:]
    some = np.where(np.arange(200) < 20, yt, -1)
    blind = JDA(kernel="rbf").fit(Xs, ys, Xt)
    helped = JDA(kernel="rbf").fit(Xs, ys, Xt, some)
    assert blind.score(Xt, yt) < 0.3
    assert helped.score(Xt, yt) > 0.9


# --- parameters ------------------------------------------------------------------------------


def test_how_many_components():
    rng = np.random.default_rng(0)
    Xs, Xt, ys = rng.normal(size=(130, 120)), rng.normal(size=(110, 120)), np.arange(130) % 2
    assert JDA(n_rounds=1).fit(Xs, ys, Xt).n_components_ == 100
    assert BDA(7, n_rounds=1).fit(Xs, ys, Xt).n_components_ == 7
    assert JDA(n_rounds=1).fit(Xs[:, :5], ys, Xt[:, :5]).n_components_ == 5


def test_landmarks_stand_for_the_kernel():
    Xs, ys, Xt, _ = three_classes()
    options = {"n_components": 3, "kernel": "rbf", "gamma": 0.05, "lam": 0.5}
    exact = JDA(**options).fit(Xs, ys, Xt)
    all_rows = JDA(approximation="nystroem", n_basis=500, **options).fit(Xs, ys, Xt)
    same_up_to_sign(all_rows.transform(Xt), exact.transform(Xt), rtol=1e-3, atol=1e-4)
    first, second, other = (
        BDA(approximation="fourier", n_basis=20, random_state=seed, **options).fit(Xs, ys, Xt)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.transform(Xt), second.transform(Xt))
    assert first.components_.shape == (3, 20)
    assert abs(first.transform(Xt) - other.transform(Xt)).max() > 1e-3


def test_options_of_kernel_and_solver_are_handed_on():
    Xs, ys, Xt, _ = three_classes(150, 100)
    options = {"kernel": "poly", "gamma": 0.01, "degree": 2, "coef0": 0.5, "tol": 1e-3}
    for cls in (JDA, BDA):
        model = cls(2, max_iter=150, **options).fit(Xs, ys, Xt)
        K = (0.01 * Xt @ model.X_fit_.T + 0.5) ** 2
        assert_allclose(model.transform(Xt), K @ model.eigenvectors_)
        assert model.n_iter_ < cls(2, **{**options, "tol": 1e-12}).fit(Xs, ys, Xt).n_iter_
        with pytest.warns(UserWarning, match="max_iter=1 rounds"):
            cls(2, max_iter=1, **{**options, "tol": 1e-12}).fit(Xs, ys, Xt)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_single_precision(kernel):
    Xs, ys, Xt, _ = three_classes()
    double = JDA(3, kernel=kernel).fit(Xs, ys, Xt)
    single = JDA(3, kernel=kernel).fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xt.astype("f4"))
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xt), atol=2e-3)


def test_linear_never_holds_a_matrix_of_all_pairs():
    Xs, ys, Xt, _ = three_classes(3000, 3000, 5)
    tracemalloc.start()
    JDA(2, estimator=KNeighborsClassifier(1)).fit(Xs, ys, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000**2 * 8 / 10
    linear = JDA(3, kernel=linear_kernel).fit(Xs[:60], ys[:60], Xt[:50])
    features = JDA(3).fit(Xs[:60], ys[:60], Xt[:50])
    same_up_to_sign(features.transform(Xt), linear.transform(Xt), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [JDA, BDA])
def test_a_regressor_has_no_classes(cls):
    Xs, ys, Xt, _ = three_classes()
    with pytest.raises(ValueError, match=f"{cls.__name__} needs a classifier.*Ridge"):
        cls(estimator=Ridge()).fit(Xs, ys, Xt)


@pytest.mark.parametrize("cls", [JDA, BDA])
def test_verbose_prints_a_line_for_each_round(cls, capsys):
    Xs, ys, Xt, _ = three_classes()
    model = cls(3, verbose=1).fit(Xs, ys, Xt)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_rounds_
    assert lines[0] == f"[{cls.__name__}] round 1/10: 30 of 30 target rows changed their class"
