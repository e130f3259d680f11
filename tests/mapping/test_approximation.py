"""Explicit features that stand for a kernel: their limits, their errors, their memory."""

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
from sklearn.kernel_approximation import RBFSampler
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdtl import TCA, NoTargetWarning, SourceOnly
from skdtl.kernels import kernel_gamma
from skdtl.mapping import _feature_space, _kernel_mapper
from skdtl.mapping._kernel_mapper import draw_landmarks

from ..shifts import other_means
from .by_hand import angle, same_up_to_sign

# Each approximation with a kernel that it stands for.
PAIRS = [
    ("nystroem", "rbf"),
    ("nystroem", "poly"),
    ("nystroem", "laplacian"),
    ("fourier", "rbf"),
]


def shells(seed, n):
    """Classes are two rings about one centre; a third feature tells them apart, but has moved.

    A rotation hides which is which; seven more features are noise.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % 2
    X = 0.3 * rng.normal(size=(2 * n, 10))
    angle = rng.uniform(0, 2 * np.pi, 2 * n)
    radius = np.where(y == 1, 2.0, 0.7) + 0.2 * rng.normal(size=2 * n)
    X[:, 0], X[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    X[:, 2] += y
    X[n:, 2] += 3
    X = X @ np.linalg.qr(rng.normal(size=(10, 10)))[0]
    return X[:n], y[:n], X[n:], y[n:]


def approximate(approximation, kernel="rbf", n_basis=30, random_state=0, **options):
    return TCA(
        kernel=kernel,
        approximation=approximation,
        n_basis=n_basis,
        random_state=random_state,
        **{"n_components": 3, "allowance": 0, **options},
    )


# --- against the exact solution --------------------------------------------------------------


@pytest.mark.parametrize("n", [(60, 40), (250, 150)])
@pytest.mark.parametrize("kernel", ["rbf", "poly", "laplacian"])
def test_with_all_rows_for_landmarks_it_is_the_exact_solution(kernel, n):
    Xs, ys, Xt = other_means(*n, d=5)
    options = {"kernel": kernel, "degree": 2, "coef0": 0.5, "mu": 0.3, "n_components": 3}
    options["allowance"] = 0  # the exact one's default is another
    exact = TCA(**options).fit(Xs, ys, Xt)
    all_rows = approximate("nystroem", n_basis=sum(n), **options).fit(Xs, ys, Xt)
    assert_allclose(all_rows.gamma_, exact.gamma_)
    assert_allclose(all_rows.eigenvalues_, exact.eigenvalues_, rtol=1e-8)
    new = other_means(60, 40, 5, seed=1)[0]
    for rows in (Xs, Xt, new):
        expected = exact.transform(rows)
        same_up_to_sign(all_rows.transform(rows), expected, rtol=1e-5, atol=1e-6)
    # There are no more landmarks than rows.
    more = approximate("nystroem", n_basis=10_000, **options).fit(Xs, ys, Xt)
    assert_array_equal(more.transform(Xt), all_rows.transform(Xt))
    assert more.components_.shape == (3, sum(n))


def test_landmarks_that_span_the_feature_space_are_enough():
    """x² has three monomials of two features: any six landmarks give (<x, y> + 1)² exactly."""
    Xs, ys, Xt = other_means(60, 40, 2)
    options = {"kernel": "poly", "degree": 2, "coef0": 1.0, "n_components": 5, "allowance": 0}
    exact = TCA(**options).fit(Xs, ys, Xt)
    six = approximate("nystroem", n_basis=6, **options).fit(Xs, ys, Xt)
    assert_allclose(six.eigenvalues_, exact.eigenvalues_, rtol=1e-6)
    same_up_to_sign(six.transform(Xt), exact.transform(Xt), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("approximation, last", [("nystroem", 1e-2), ("fourier", 0.3)])
def test_more_features_bring_it_nearer_to_the_exact_solution(approximation, last):
    Xs, ys, Xt, _ = shells(0, 150)
    exact = TCA(3, kernel="rbf", mu=75, allowance=0).fit(Xs, ys, Xt)
    X = np.vstack([Xs, Xt])
    Z = exact.transform(X)
    errors, eigenvalue_errors = [], []
    for n_basis in (15, 60, 240):
        fits = [
            approximate(approximation, n_basis=n_basis, random_state=r, mu=75) for r in range(5)
        ]
        fits = [fit.fit(Xs, ys, Xt) for fit in fits]
        errors.append(np.mean([angle(fit.transform(X), Z) for fit in fits]))
        relative = [abs(fit.eigenvalues_ / exact.eigenvalues_ - 1).max() for fit in fits]
        eigenvalue_errors.append(np.mean(relative))
    for sequence in (errors, eigenvalue_errors):
        # Four times the features halve the error of a mean.
        assert (np.diff(np.log(sequence)) < np.log(0.75)).all(), sequence
        assert sequence[-1] < last


def test_fourier_features_are_those_of_the_kernels_spectral_measure():
    """Their inner products are the kernel's values, about as near as chance allows."""
    Xs, ys, Xt = other_means(60, 40, 5)
    tca = approximate("fourier", n_basis=5_000, gamma=0.07).fit(Xs, ys, Xt)
    assert isinstance(tca.kernel_map_, RBFSampler)
    F = tca.kernel_map_.transform(Xt)
    assert abs(F @ F.T - rbf_kernel(Xt, gamma=0.07)).max() < 6 / np.sqrt(5_000)


def test_it_is_worth_as_much_as_the_exact_solution():
    """Where rings have moved: other methods lose, both approximations win."""
    methods = {
        "source only": SourceOnly(),
        "source only, rbf": SourceOnly(SVC()),
        "linear": TCA(),
        "exact": TCA(10, kernel="rbf", allowance=0, mu=100),
        "nystroem": approximate("nystroem", n_basis=100, n_components=10, mu=100),
        "fourier": approximate("fourier", n_basis=500, n_components=10, mu=10),
    }
    scores = {name: [] for name in methods}
    for seed in range(5):
        Xs, ys, Xt, yt = shells(seed, 250)
        for name, method in methods.items():
            scores[name].append(method.fit(Xs, ys, Xt).score(Xt, yt))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert max(means[name] for name in ("source only", "source only, rbf", "linear")) < 0.6
    for name in ("exact", "nystroem", "fourier"):
        assert means[name] > 0.9, means
        assert abs(means[name] - means["exact"]) < 0.05, means


# --- landmarks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n_s, n_t, n_basis, from_source",
    [
        (300, 300, 50, 25),
        (300, 300, 51, 26),
        (300, 10, 50, 40),
        (10, 300, 50, 10),
        (300, 300, 1, 1),
    ],
)
@pytest.mark.parametrize("sparse", [False, True])
def test_landmarks_are_rows_of_both_domains(n_s, n_t, n_basis, from_source, sparse):
    Xs, ys, Xt = other_means(n_s, n_t, d=5)
    kind = scipy.sparse.csr_array if sparse else np.asarray
    tca = approximate("nystroem", n_basis=n_basis, n_components=1).fit(kind(Xs), ys, kind(Xt))
    landmarks = tca.kernel_map_.components_
    landmarks = landmarks.toarray() if sparse else landmarks
    assert len(np.unique(landmarks, axis=0)) == len(landmarks) == n_basis
    is_source = (landmarks[:, None] == Xs).all(axis=2).any(axis=1)
    is_target = (landmarks[:, None] == Xt).all(axis=2).any(axis=1)
    assert is_source.sum() == from_source
    assert (is_source ^ is_target).all()


def test_every_row_may_become_a_landmark():
    parts = [np.arange(20.0)[:, None], 100 + np.arange(8.0)[:, None]]
    seen = set()
    for seed in range(60):
        drawn = draw_landmarks(parts, 10, np.random.RandomState(seed)).ravel()
        assert (drawn[:5] < 20).all() and (drawn[5:] >= 100).all()
        seen |= set(drawn)
    assert len(seen) == 28


def test_few_target_rows_count_as_much_as_many_source_rows(monkeypatch):
    """Drawn in proportion, 150 landmarks would hold seven of these 30 rows on average."""
    Xs, ys, Xt, _ = shells(0, 600)
    Xt = Xt[:30]
    X = np.vstack([Xs, Xt])
    Z = TCA(3, kernel="rbf", mu=1e-2).fit(Xs, ys, Xt).transform(X)

    def error():
        fits = [approximate("nystroem", n_basis=150, mu=1e-2, random_state=r) for r in range(5)]
        return np.mean([angle(fit.fit(Xs, ys, Xt).transform(X), Z) for fit in fits])

    def in_proportion(parts, n_basis, random):
        return np.vstack(parts)[random.permutation(630)[:n_basis]]

    alike = error()
    monkeypatch.setattr(_kernel_mapper, "draw_landmarks", in_proportion)
    assert alike < error() / 2


# --- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "approximation, kernel, change",
    [
        *[(a, k, change) for a, k in PAIRS for change in (
            {"gamma": 0.3}, {"mu": 50.0}, {"n_basis": 31}, {"random_state": 1},
            {"n_components": 2}, {"approximation": None},
        )],
        ("nystroem", "poly", {"degree": 2}),
        ("nystroem", "poly", {"coef0": 3.0}),
        ("nystroem", "rbf", {"kernel": "laplacian"}),
        ("nystroem", "rbf", {"approximation": "fourier"}),
    ],
)  # fmt: skip
def test_every_parameter_counts(approximation, kernel, change):
    Xs, ys, Xt = other_means(60, 40, 5)
    tca = approximate(approximation, kernel)
    Z = tca.fit(Xs, ys, Xt).transform(Xt)
    changed = tca.set_params(**change).fit(Xs, ys, Xt).transform(Xt)
    assert Z.shape != changed.shape or abs(Z - changed).max() > 1e-3


@pytest.mark.parametrize("approximation", ["nystroem", "fourier"])
def test_the_eigensolvers_parameters_arrive(approximation):
    Xs, ys, Xt, _ = shells(0, 300)
    tca = approximate(approximation, n_basis=300).fit(Xs, ys, Xt)
    assert tca.n_iter_ > 1
    assert approximate(approximation, n_basis=300, tol=0.1).fit(Xs, ys, Xt).n_iter_ < tca.n_iter_
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match="max_iter=1 rounds"):
        approximate(approximation, n_basis=300, max_iter=1).fit(Xs, ys, Xt)


def test_rules_for_the_width():
    Xs, ys, Xt = other_means(200, 100, d=5)
    X = np.vstack([Xs, Xt])
    for approximation, kernel in PAIRS:
        fits = {
            gamma: approximate(approximation, kernel, gamma=gamma).fit(Xs, ys, Xt)
            for gamma in ("scale", "auto", 0.3)
        }
        # Of all rows, and not of the landmarks.
        assert_allclose(fits["scale"].gamma_, kernel_gamma(X, kernel, "scale"))
        assert_allclose(fits["auto"].gamma_, 1 / 5)
        assert fits[0.3].gamma_ == 0.3
        for fit in fits.values():
            assert fit.kernel_map_.gamma == fit.gamma_
    for kernel in ("rbf", "laplacian"):
        median = approximate("nystroem", kernel, gamma="median").fit(Xs, ys, Xt)
        landmarks = median.kernel_map_.components_
        assert_allclose(median.gamma_, kernel_gamma(landmarks, kernel, "median"))
    fourier = approximate("fourier", gamma="median", n_basis=300).fit(Xs, ys, Xt)
    assert_allclose(fourier.gamma_, kernel_gamma(X, "rbf", "median"))  # all 300 were drawn
    with pytest.raises(ValueError, match="no rule for the kernel 'poly'"):
        approximate("nystroem", "poly", gamma="median").fit(Xs, ys, Xt)


@pytest.mark.parametrize(
    "approximation, kernel, pattern",
    [
        ("nystroem", "linear", "'nystroem' stands for .*'rbf', 'poly', 'laplacian'.*'linear'.*no"),
        ("fourier", "linear", "'fourier' stands for .*'rbf'.*kernel='linear'.*needs no approx"),
        ("fourier", "poly", "'fourier' stands for .*'rbf'.*kernel='poly'"),
        ("fourier", "laplacian", "'fourier' stands for .*'rbf'.*kernel='laplacian'"),
        ("nystroem", rbf_kernel, "'nystroem' stands for .*kernel=<function rbf_kernel"),
        ("fourier", rbf_kernel, "'fourier' stands for .*kernel=<function rbf_kernel"),
        ("random", "rbf", "'approximation' .*one of 'nystroem', 'fourier'; got 'random'"),
    ],
)
def test_kernels_that_an_approximation_does_not_stand_for(approximation, kernel, pattern):
    Xs, ys, Xt = other_means(60, 40, 5)
    with pytest.raises(ValueError, match=pattern):
        approximate(approximation, kernel).fit(Xs, ys, Xt)


@pytest.mark.parametrize("n_basis", [0, -3, 2.5, None])
def test_illegal_numbers_of_features(n_basis):
    Xs, ys, Xt = other_means(60, 40, 5)
    with pytest.raises(ValueError, match="'n_basis' of TCA must be an int"):
        approximate("nystroem", n_basis=n_basis).fit(Xs, ys, Xt)


@pytest.mark.parametrize("approximation, kernel", PAIRS)
@pytest.mark.parametrize("n", [10, 300])
def test_rows_that_do_not_differ(approximation, kernel, n):
    X = np.full((n, 3), 0.1)
    with pytest.raises(ValueError, match="the same to the kernel"):
        approximate(approximation, kernel).fit(X, np.arange(n) % 2, X[:7])


@pytest.mark.parametrize("approximation", ["nystroem", "fourier"])
def test_fewer_features_than_components(approximation):
    Xs, ys, Xt = other_means(60, 40, 5)
    with pytest.warns(
        UserWarning,
        match=r"n_components=8, .*only 4 .*features that stand for the kernel \(n_basis=4\)",
    ):
        tca = approximate(approximation, n_basis=4, n_components=8).fit(Xs, ys, Xt)
    assert tca.transform(Xt).shape == (40, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert approximate(approximation, n_components=None).fit(Xs, ys, Xt).n_components_ == 30
        assert approximate(approximation, n_basis=1, n_components=1).fit(Xs, ys, Xt)


# --- chance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("approximation, kernel", PAIRS)
def test_the_seed_decides(approximation, kernel):
    Xs, ys, Xt = other_means(200, 150, d=5)
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    maps = [
        approximate(approximation, kernel, random_state=seed).fit(Xs, ys, Xt).transform(Xt)
        for seed in (5, 5, 6, np.random.RandomState(5))
    ]
    assert_array_equal(maps[0], maps[1])
    assert_array_equal(maps[0], maps[3])
    assert abs(maps[0] - maps[2]).max() > 1e-3
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    # None draws from numpy's generator, as everywhere in scikit-learn.
    drawn = [approximate(approximation, kernel, random_state=None).fit(Xs, ys, Xt) for _ in "ab"]
    assert abs(drawn[0].transform(Xt) - drawn[1].transform(Xt)).max() > 1e-3


# --- rows of every kind ----------------------------------------------------------------------


@pytest.mark.parametrize("approximation, kernel", PAIRS)
def test_sparse_rows_are_rows(approximation, kernel):
    Xs, ys, Xt = other_means(200, 150, d=5)
    Xs[Xs < 0], Xt[Xt < 0] = 0, 0
    dense = approximate(approximation, kernel).fit(Xs, ys, Xt)
    sparse = approximate(approximation, kernel)
    sparse.fit(scipy.sparse.csr_matrix(Xs), ys, scipy.sparse.csr_array(Xt))
    assert_allclose(sparse.gamma_, dense.gamma_)
    expected = dense.transform(Xt)
    assert_allclose(sparse.transform(scipy.sparse.csr_array(Xt)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("approximation, kernel", PAIRS)
def test_single_precision(approximation, kernel):
    """Landmarks of which half are the same make the landmarks' matrix singular."""
    Xs, ys, Xt = other_means(60, 40, 5)
    Xs, ys = np.vstack([Xs, Xs]).astype("f4"), np.tile(ys, 2)
    Xt = Xt.astype("f4")
    options = {"n_basis": 140}
    single = approximate(approximation, kernel, **options).fit(Xs, ys, Xt)
    double = approximate(approximation, kernel, **options)
    double.fit(Xs.astype("f8"), ys, Xt.astype("f8"))
    Z = single.transform(Xt)
    assert Z.dtype == np.float32
    assert_allclose(Z, double.transform(Xt.astype("f8")), atol=1e-5)
    # Rows of the other precision are welcome, too.
    mixed = approximate(approximation, kernel, **options).fit(Xs, ys, Xt.astype("f8"))
    assert_allclose(mixed.transform(Xt), Z, atol=1e-5)
    assert_allclose(single.transform(Xt.astype("f8")), Z, atol=1e-5)


@pytest.mark.parametrize("approximation, error", [("nystroem", 1e-8), ("fourier", 0.2)])
def test_without_a_target_the_source_stands_for_it(approximation, error):
    Xs, ys, _ = other_means(60, 40, 5)
    with pytest.warns(NoTargetWarning):
        alone = approximate(approximation, n_basis=900, mu=0.1).fit(Xs, ys)
    with pytest.warns(NoTargetWarning):
        exact = TCA(3, kernel="rbf", mu=0.1).fit(Xs, ys)
    assert_allclose(alone.eigenvalues_, exact.eigenvalues_, rtol=error)


@pytest.mark.parametrize("approximation", ["nystroem", "fourier"])
def test_whatever_scikit_learn_is_told_to_return(approximation):
    Xs, ys, Xt = other_means(60, 40, 5)
    expected = approximate(approximation).fit(Xs, ys, Xt).transform(Xt)
    with sklearn.config_context(transform_output="pandas"):
        tca = approximate(approximation).fit(Xs, ys, Xt)
        assert isinstance(tca.kernel_map_.transform(Xt), np.ndarray)
        frame = tca.transform(Xt)
    assert list(frame.columns) == ["tca0", "tca1", "tca2"]
    assert_array_equal(frame.to_numpy(), expected)


@pytest.mark.parametrize("approximation", ["nystroem", "fourier"])
def test_components_map_the_features(approximation):
    Xs, ys, Xt = other_means(60, 40, 5)
    tca = approximate(approximation).fit(Xs, ys, Xt)
    assert tca.components_.shape == (3, 30)
    assert not hasattr(tca, "X_fit_") and not hasattr(tca, "eigenvectors_")
    expected = tca.kernel_map_.transform(Xt) @ tca.components_.T
    assert_allclose(tca.transform(Xt), expected, rtol=1e-6, atol=1e-9)
    # The mean variance is 1.
    X = np.vstack([Xs, Xt])
    roots = np.sqrt(tca.eigenvalues_)
    assert_allclose(tca.transform(X).var(axis=0), roots / roots.mean(), rtol=1e-6)
    like = tca.set_params(spectrum="penalty").fit(Xs, ys, Xt)
    variances = like.eigenvalues_ / like.eigenvalues_.mean()
    assert_allclose(like.transform(X).var(axis=0), variances, rtol=1e-6)


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("approximation, dtype", [("nystroem", "f4"), ("fourier", "f8")])
def test_never_all_features_at_once(approximation, dtype, monkeypatch):
    Xs, ys, Xt = (array.astype(dtype) for array in other_means(8_000, 8_000, d=5))
    tca = approximate(approximation, n_basis=100)
    whole = tca.fit(Xs, ys, Xt).transform(Xt)
    for module in (_feature_space, _kernel_mapper):
        monkeypatch.setattr(module, "BLOCK_SIZE", 2**16)
    tracemalloc.start()
    tca.fit(Xs, ys, Xt)
    fitting = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    Z = tca.transform(Xt)
    mapping = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    all_features = 8 * 16_000 * 100
    assert max(fitting, mapping) < all_features / 4
    same_up_to_sign(Z, whole, atol=1e-5)
    # The model holds landmarks or frequencies, and not the rows.
    assert len(pickle.dumps(tca)) < 8 * 16_000


# --- inside scikit-learn ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [approximate("nystroem", n_components=None), approximate("fourier", n_components=None)],
    expected_failed_checks=lambda estimator: {
        "check_fit_score_takes_y": "the second argument is the source's labels, named ys",
    },
)
def test_sklearn_check(estimator, check):
    check(estimator)
