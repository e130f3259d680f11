"""KMM: the program against scipy and its optimality conditions, and what it is good for."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from skdtl import KMM, NoTargetWarning, SourceOnly
from skdtl.instances import kmm, kmm_weights
from skdtl.instances._density_ratio import fold_numbers
from skdtl.instances._qp import least_product, pivoted_cholesky, solve_box_slab
from skdtl.instances.kmm import MULTIPLES, RIDGES, cross_validated_gamma
from skdtl.kernels import kernel_gamma

from ..shifts import cubic, cubic_ratio, normal_shift
from .truth import against_truth, cubic_error, effective_size


def program(Xs, Xt, gamma, kernel=rbf_kernel):
    """Return K and κ, entry by entry."""
    n_s, n_t = len(Xs), len(Xt)
    K, kappa = np.empty((n_s, n_s)), np.zeros(n_s)
    for i in range(n_s):
        for j in range(n_s):
            K[i, j] = np.exp(-gamma * np.sum((Xs[i] - Xs[j]) ** 2))
        for j in range(n_t):
            kappa[i] += n_s / n_t * np.exp(-gamma * np.sum((Xs[i] - Xt[j]) ** 2))
    return K, kappa


def objective(w, K, kappa):
    return w @ K @ w / 2 - kappa @ w


# -- the program ----------------------------------------------------------------------------------

# With the program's own bounds nothing but w >= 0 binds; the others make B or the slab bind.
BOUNDS = [(1000.0, 0.8), (1.8, 0.8), (1000.0, 0.02), (1.5, 0.05)]


@pytest.mark.parametrize("B, eps", BOUNDS)
def test_small_program_equals_scipys_solution(B, eps):
    Xs, Xt, _ = normal_shift(0, n=25, n_target=40)
    K, kappa = program(Xs, Xt, gamma=2.0)
    mean = {
        "type": "ineq",
        "fun": lambda w: eps - (w.mean() - 1),
        "jac": lambda w: -np.ones(25) / 25,
    }
    other = {
        "type": "ineq",
        "fun": lambda w: eps + (w.mean() - 1),
        "jac": lambda w: np.ones(25) / 25,
    }
    expected = minimize(
        objective,
        np.ones(25),
        (K, kappa),
        jac=lambda w, K, kappa: K @ w - kappa,
        method="SLSQP",
        bounds=[(0, B)] * 25,
        constraints=[mean, other],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert expected.success
    found = kmm_weights(Xs, Xt, gamma=2.0, B=B, eps=eps, tol=1e-11)
    np.testing.assert_allclose(found, expected.x, atol=1e-4)
    assert objective(found, K, kappa) == pytest.approx(expected.fun, rel=1e-7)


def test_the_default_of_eps_is_the_papers():
    Xs, Xt, _ = normal_shift(0, n=16, n_target=1000, mean=6.0)
    # Far away from the source, κ is near 0 and the mean weight as small as it may be.
    default = kmm_weights(Xs, Xt, gamma=1.0, tol=1e-9)
    assert default.mean() == pytest.approx(1 - 3 / 4, abs=1e-3)
    assert kmm_weights(Xs, Xt, gamma=1.0, eps=0.1, tol=1e-9).mean() == pytest.approx(0.9, abs=1e-3)


def test_the_mean_is_bounded_from_above():
    """Around a target in one spot the source is too thin, so that all weights would be large."""
    Xs, Xt, _ = normal_shift(0, n=200, d=3, mean=0.0, sd=0.1)
    free, bounded = (
        kmm_weights(Xs, Xt, gamma=0.5, eps=eps, tol=1e-9).mean() for eps in (None, 0.02)
    )
    assert free > 1.04
    assert bounded == pytest.approx(1.02, abs=1e-4)


@pytest.mark.parametrize("gamma", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("B, eps", [(1000.0, None), (3.0, None), (1000.0, 1e-3), (2.0, 1e-3)])
def test_optimality_conditions(gamma, B, eps):
    """Karush, Kuhn and Tucker's, with a multiplier for the mean that is found from the weights."""
    Xs, Xt, _ = normal_shift(1, n=300, n_target=200)
    w = kmm_weights(Xs, Xt, gamma=gamma, B=B, eps=eps, tol=1e-10)
    K = rbf_kernel(Xs, gamma=gamma)
    gradient = (K @ w - 300 * rbf_kernel(Xs, Xt, gamma=gamma).mean(axis=1)) / 300
    slack = (np.sqrt(300) - 1) / np.sqrt(300) if eps is None else eps
    assert w.min() >= 0 and w.max() <= B and abs(w.mean() - 1) <= slack + 1e-12
    low, high = w < 1e-3, w > B - 1e-3
    free = ~low & ~high
    assert free.any()
    multiplier = np.median(gradient[free])
    if abs(w.mean() - 1) < slack - 1e-5:
        assert abs(multiplier) < 1e-5
    else:  # pushed back to the slab
        assert np.sign(multiplier) == np.sign(1 - w.mean())
    np.testing.assert_allclose(gradient[free], multiplier, atol=2e-5)
    assert (gradient[low] > multiplier - 2e-5).all()
    assert (gradient[high] < multiplier + 2e-5).all()


@pytest.mark.parametrize("low, high", [(4.0, 16.0), (12.0, 13.0), (0.5, 1.0)])
def test_least_product_is_a_linear_programs(low, high):
    for seed in range(5):
        g = np.random.default_rng(seed).normal(size=10) + 0.5 * (seed - 2)
        expected = linprog(
            g, A_ub=[np.ones(10), -np.ones(10)], b_ub=[high, -low], bounds=[(0, 3.0)] * 10
        )
        assert least_product(g, 3.0, low, high) == pytest.approx(expected.fun, abs=1e-9)


def test_the_gap_bounds_the_distance_to_the_minimum():
    Xs, Xt, _ = normal_shift(0, n=200)
    Q, c = rbf_kernel(Xs, gamma=0.5) / 200, rbf_kernel(Xs, Xt, gamma=0.5).mean(axis=1)
    L, rest = pivoted_cholesky(lambda rows: Q[rows], np.diagonal(Q), 60, 0.0)
    problem = (
        lambda w: Q @ w,
        lambda _: (L, rest),
        c,
        50.0,
        20.0,
        380.0,
    )
    best, gap, n_best = solve_box_slab(*problem, tol=1e-12)
    assert gap <= 1e-12
    gaps = []
    for max_iter in range(n_best):
        w, gap, n_iter = solve_box_slab(*problem, tol=1e-12, max_iter=max_iter)
        scale = w @ Q @ w / 2 + c @ w
        above = objective(w, Q, c) - objective(best, Q, c)
        assert -1e-13 < above / scale <= gap
        assert n_iter == max_iter
        gaps.append(gap)
    assert n_best < 25
    assert max(gaps[i + 3] / gaps[i] for i in range(2, n_best - 3)) < 0.5


def test_pivoted_cholesky():
    X = np.random.default_rng(0).normal(size=(80, 2))
    K = rbf_kernel(X, gamma=2.0)
    L, rest = pivoted_cholesky(lambda rows: K[rows], np.ones(80), 80, 0.0)
    np.testing.assert_allclose(L.T @ L, K, atol=1e-9)
    for scale in (None, np.linspace(1, 1000, 80)):
        L, rest = pivoted_cholesky(lambda rows: K[rows], np.ones(80), 20, 0.0, scale)
        assert L.shape == (20, 80)
        np.testing.assert_allclose(rest, np.diagonal(K - L.T @ L), atol=1e-12)
        assert np.linalg.eigvalsh(K - L.T @ L)[0] > -1e-12
        left = rest.sum() if scale is None else left_by_scale(scale, rest)
        best = np.linalg.eigvalsh(K)[:-20].sum() if scale is None else np.inf
        assert left < 3 * best
    # Rows with a large scale are explained better.
    plain = pivoted_cholesky(lambda rows: K[rows], np.ones(80), 20, 0.0)[1]
    assert left_by_scale(scale, rest) < left_by_scale(scale, plain)
    few, rest = pivoted_cholesky(lambda rows: K[rows], np.ones(80), 80, 8.0)
    assert rest.sum() <= 8 and len(few) < 64


def left_by_scale(scale, rest):
    return (scale * rest).sum()


@pytest.mark.parametrize("gamma", [0.05, 30.0])
def test_without_the_matrix_as_with_it(gamma):
    """A wide kernel is of low rank, and K is never formed; a callable always forms it."""
    Xs, Xt, _ = normal_shift(2, n=400, n_target=300)
    K, kappa = rbf_kernel(Xs, gamma=gamma), 400 * rbf_kernel(Xs, Xt, gamma=gamma).mean(axis=1)
    found = kmm_weights(Xs, Xt, gamma=gamma, tol=1e-8)
    formed = []

    def kernel(X, Y):
        formed.append((len(X), len(Y)))
        return rbf_kernel(X, Y, gamma=gamma)

    other = kmm_weights(Xs, Xt, kernel=kernel, tol=1e-8)
    assert (400, 400) in formed
    values = [objective(w, K, kappa) for w in (found, other)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    np.testing.assert_allclose(np.sort(found @ K), np.sort(other @ K), rtol=1e-3)


def test_low_rank_is_noticed(monkeypatch):
    shapes = []

    def spy(X, Y=None, *arguments, **options):
        shapes.append(X.shape[0])
        return kernel_matrix(X, Y, *arguments, **options)

    from skdtl.instances import kmm
    from skdtl.kernels import kernel_matrix

    monkeypatch.setattr(kmm, "kernel_matrix", spy)
    Xs, Xt, _ = normal_shift(0, n=1200, n_target=200)
    kmm_weights(Xs, Xt, gamma=0.2)
    assert max(shapes) < 1200
    kmm_weights(Xs, Xt, gamma=50.0)
    assert max(shapes) == 1200


def test_a_factor_that_misleads_is_found_out_by_the_kernel(monkeypatch):
    from skdtl.instances import kmm

    Xs, Xt, _ = normal_shift(0, n=1000)
    honest, ranks = kmm.pivoted_cholesky, []

    def smaller_at_first(*arguments):
        L, rest = honest(*arguments)
        ranks.append(len(L))
        return (0.9 * L, rest) if len(ranks) == 1 else (L, rest)

    monkeypatch.setattr(kmm, "pivoted_cholesky", smaller_at_first)
    model = KMM(LinearRegression(), gamma=0.2).fit(Xs, Xs[:, 0], Xt)
    assert len(ranks) > 1  # it went on with the matrix
    assert model.duality_gap_ <= model.tol


def test_a_nearly_singular_matrix_of_high_rank():
    """The hardest case: 1000 rows on a plane, a narrow kernel, eigenvalues down to rounding."""
    Xs, Xt, _ = normal_shift(0, n=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KMM(LinearRegression(), gamma=10.0, tol=1e-8).fit(Xs, Xs[:, 0], Xt)
    assert model.duality_gap_ <= 1e-8
    assert model.n_iter_ < 40


@pytest.mark.parametrize("case", ["duplicates", "far away", "constant", "two rows", "one row"])
def test_degenerate_rows(case):
    Xs, Xt, _ = normal_shift(0, n=60)
    if case == "duplicates":
        Xs = np.repeat(Xs[:20], 3, axis=0)
    elif case == "far away":
        Xt = Xt + 1e4
    elif case == "constant":
        Xs, Xt = np.ones((60, 2)), np.ones((40, 2))
    else:
        Xs = Xs[: 2 if case == "two rows" else 1]
    for gamma in ("cv", "median", 1.0):
        weights = kmm_weights(Xs, Xt, gamma=gamma, random_state=0)
        assert weights.shape == (len(Xs),)
        assert np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0


# -- the estimator --------------------------------------------------------------------------------


def test_estimator_and_function_agree():
    Xs, ys, Xt = cubic(0)
    model = KMM(LinearRegression(), gamma=3.0, B=10.0, eps=0.2, min_effective_share=0)
    model.fit(Xs, ys, Xt)
    raw = kmm_weights(Xs, Xt, gamma=3.0, B=10.0, eps=0.2)
    np.testing.assert_allclose(model.source_weights_, raw / raw.mean())
    plain = LinearRegression().fit(Xs, ys, raw)
    np.testing.assert_allclose(model.estimator_.coef_, plain.coef_)
    assert model.gamma_ == 3.0
    assert 0 < model.duality_gap_ <= 1e-4
    assert 1 <= model.n_iter_ < 30


def test_alike_domains_get_equal_weights():
    Xs, _, _ = normal_shift(0)
    for gamma in ("cv", 0.5):
        weights = kmm_weights(Xs, Xs[::-1], gamma=gamma, random_state=0)
        np.testing.assert_allclose(weights, 1, atol=1e-6)
    # Another draw of the same distribution.
    other = normal_shift(1)[0]
    assert effective_size(kmm_weights(Xs, other, gamma="median", random_state=0)) > 250


def test_order_and_sparse_rows_do_not_matter():
    Xs, Xt, _ = normal_shift(0, n=300, n_target=200, d=3)
    order = np.random.default_rng(0).permutation(300)
    for gamma in ("cv", "median", 3.0):
        weights = kmm_weights(Xs, Xt, gamma=gamma, random_state=0)
        shuffled = kmm_weights(Xs[order], Xt, gamma=gamma, random_state=0)
        np.testing.assert_allclose(shuffled, weights[order], rtol=1e-6, atol=1e-8)
        sparse = kmm_weights(sp.csr_array(Xs), sp.csr_array(Xt), gamma=gamma, random_state=0)
        np.testing.assert_allclose(sparse, weights, rtol=1e-3, atol=1e-4)


def test_every_parameter_counts():
    Xs, Xt, _ = normal_shift(0, n=150)
    options = {"gamma": 1.0, "random_state": 0}
    plain = kmm_weights(Xs, Xt, **options)
    assert plain.max() > 3
    assert kmm_weights(Xs, Xt, B=2.0, **options).max() <= 2
    tight = kmm_weights(Xs, Xt[:20] + 2, eps=0.01, **options)
    assert abs(tight.mean() - 1) <= 0.01 < abs(kmm_weights(Xs, Xt[:20] + 2, **options).mean() - 1)
    for change in ({"gamma": 0.1}, {"gamma": "cv"}, {"gamma": "median"}, {"gamma": "scale"}):
        assert np.abs(kmm_weights(Xs, Xt, **{**options, **change}) - plain).max() > 0.05
    for kernel in ("laplacian", "linear", rbf_kernel):
        assert np.abs(kmm_weights(Xs, Xt, kernel=kernel, **options) - plain).max() > 0.05
    with pytest.warns(ConvergenceWarning, match=r"after 1 iterations .*tol=0.0001"):
        kmm_weights(Xs, Xt, max_iter=1, **options)
    loose = KMM(LinearRegression(), tol=0.1, gamma=1.0).fit(Xs, Xs[:, 0], Xt)
    exact = KMM(LinearRegression(), tol=1e-9, gamma=1.0).fit(Xs, Xs[:, 0], Xt)
    assert loose.n_iter_ < exact.n_iter_
    assert exact.duality_gap_ <= 1e-9 < 1e-4 < loose.duality_gap_
    # Of 400 target rows 100 become centres, and the seed draws them.
    Xs, Xt, _ = normal_shift(4, n=60, d=1, n_target=400)
    gammas = {cross_validated_gamma(Xs, Xt, "rbf", np.random.RandomState(i)) for i in range(8)}
    assert len(gammas) > 1


def test_a_linear_kernel_matches_means():
    Xs, Xt, _ = normal_shift(0, mean=0.4)
    weights = kmm_weights(Xs, Xt, kernel="linear", tol=1e-9)
    np.testing.assert_allclose(weights @ Xs / len(Xs), Xt.mean(axis=0), atol=1e-3)


def test_cross_validated_gamma_by_hand():
    """All target rows are centres: the same choice by the formula, one row after another."""
    chosen = set()
    for seed in range(6):
        Xs, Xt, _ = normal_shift(seed, n=40, n_target=25, d=1, mean=0.5)
        median = kernel_gamma(np.concatenate([Xs, Xt]), "rbf", "median")
        fold_s, fold_t = fold_numbers(Xs, 5), fold_numbers(Xt, 5)
        errors = {}
        for multiple in MULTIPLES:
            at_source, at_target = (
                np.array([np.exp(-multiple * median * ((x - Xt) ** 2).sum(axis=1)) for x in X])
                for X in (Xs, Xt)
            )
            for ridge in RIDGES:
                total = 0.0
                for fold in range(5):
                    train = at_source[fold_s != fold]
                    H = np.mean([np.outer(row, row) for row in train], axis=0)
                    h = np.mean(at_target[fold_t != fold], axis=0)
                    alpha = np.linalg.solve(H + ridge * np.eye(25), h)
                    total += np.mean((at_source[fold_s == fold] @ alpha) ** 2) / 2
                    total -= np.mean(at_target[fold_t == fold] @ alpha)
                errors[multiple, ridge] = total
        best = min(errors, key=errors.get)
        chosen.add(best)
        found = cross_validated_gamma(Xs, Xt, "rbf", np.random.RandomState(0))
        assert found == pytest.approx(best[0] * median)
    assert len({multiple for multiple, _ in chosen}) > 2
    model = KMM(LinearRegression(), random_state=0).fit(Xs, Xs[:, 0], Xt)
    assert model.gamma_ == pytest.approx(found)


def test_gamma_adapts_to_the_shift():
    """Two clusters far apart, a shift within each: the median distance tells nothing of it."""
    chosen, gains = [], []
    for seed in range(5):
        Xs, Xt, true = normal_shift(seed, n=400, d=1)
        side = 6.0 * (np.arange(400) % 2)[:, None]
        for gamma in ("cv", "median"):
            model = KMM(LinearRegression(), gamma=gamma, random_state=0)
            model.fit(Xs + side, Xs[:, 0], Xt + side)
            chosen.append(model.gamma_)
            gains.append(np.corrcoef(model.source_weights_, true)[0, 1])
    assert np.mean(chosen[::2]) > 3 * np.mean(chosen[1::2])
    # The scale of the columns is taken up by gamma.
    Xs, Xt, _ = normal_shift(0, n=100)
    gammas = [
        cross_validated_gamma(f * Xs, f * Xt, "rbf", np.random.RandomState(0)) for f in (1, 9)
    ]
    assert gammas[0] == pytest.approx(81 * gammas[1])


def test_centres_of_the_cross_validation_are_drawn(monkeypatch):
    Xs, Xt, _ = normal_shift(0, n=60)
    found = [cross_validated_gamma(Xs, Xt, "rbf", np.random.RandomState(k)) for k in range(8)]
    assert len(set(found)) == 1  # all target rows are centres
    monkeypatch.setattr(kmm, "N_CENTRES", 2)
    found = [cross_validated_gamma(Xs, Xt, "rbf", np.random.RandomState(k)) for k in range(8)]
    assert len(set(found)) > 1


def test_large_median_is_of_some_rows():
    Xs, Xt, _ = normal_shift(0, n=1500, n_target=1500)
    model = KMM(LinearRegression(), gamma="median", tol=0.1, random_state=0).fit(Xs, Xs[:, 0], Xt)
    whole = kernel_gamma(np.concatenate([Xs, Xt]), "rbf", "median")
    assert model.gamma_ == pytest.approx(whole, rel=0.1)
    assert model.gamma_ != whole


# -- effects --------------------------------------------------------------------------------------


def test_recovers_a_known_ratio():
    """Mean correlation above .5 over 5 seeds, effective sizes within a factor of 4."""
    for options in ({"d": 1, "n": 400}, {"d": 2}, {"d": 3, "mean": 0.5}):
        correlations, sizes = against_truth(
            lambda Xs, Xt: kmm_weights(Xs, Xt, random_state=0), **options
        )
        assert correlations.mean() > 0.5
        assert correlations.min() > 0.25
        assert sizes.min() > 0.25 and sizes.max() < 4


def test_matches_the_targets_mean():
    for seed in range(3):
        Xs, Xt, _ = normal_shift(seed, n=600)
        weights = kmm_weights(Xs, Xt, random_state=0)
        found = weights @ Xs / weights.sum()
        np.testing.assert_allclose(found, Xt.mean(axis=0), atol=0.15)


def test_a_line_through_a_cubic():
    """Squared error on the target below .015 on average (published .0088), .2 without weights."""
    errors = {"kmm": [], "plain": [], "true": []}
    for seed in range(6):
        Xs, ys, Xt = cubic(seed)
        model = KMM(LinearRegression(), random_state=0, min_effective_share=0).fit(Xs, ys, Xt)
        errors["kmm"].append(cubic_error(model))
        errors["plain"].append(cubic_error(SourceOnly(LinearRegression()).fit(Xs, ys, Xt)))
        errors["true"].append(cubic_error(LinearRegression().fit(Xs, ys, cubic_ratio(Xs))))
    assert np.mean(errors["plain"]) > 0.15
    assert np.mean(errors["true"]) < 0.008
    assert np.mean(errors["kmm"]) < 0.015
    assert np.max(errors["kmm"]) < 0.03


def test_a_classifier_that_is_too_simple():
    """Above source-only by .05, mean of 5 seeds: a line where the boundary is a corner."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(-1, 1, size=(400, 2)), rng.normal(1, 0.7, size=(400, 2))
        Xs[:, 1] += 1.5
        truth = lambda X: (X[:, 1] > np.abs(X[:, 0])).astype(int)  # noqa: E731
        model = KMM(LogisticRegression(), random_state=0).fit(Xs, truth(Xs), Xt)
        plain = SourceOnly().fit(Xs, truth(Xs), Xt)
        gains.append(model.score(Xt, truth(Xt)) - plain.score(Xt, truth(Xt)))
    assert np.mean(gains) > 0.05


# -- the rest -------------------------------------------------------------------------------------


def test_without_target_it_is_the_estimator():
    Xs, ys, _ = cubic(0)
    with pytest.warns(NoTargetWarning):
        model = KMM(LinearRegression()).fit(Xs, ys)
    np.testing.assert_array_equal(model.source_weights_, np.ones(200))
    np.testing.assert_allclose(model.predict(Xs), LinearRegression().fit(Xs, ys).predict(Xs))
    assert model.gamma_ is None


def test_errors():
    Xs, Xt, _ = normal_shift(0, n=30)
    with pytest.raises(ValueError, match="Xt has 1 features, but Xs has 2"):
        kmm_weights(Xs, Xt[:, :1])
    with pytest.raises(ValueError, match="Xt contains NaN"):
        kmm_weights(Xs, np.where(Xt > 0, Xt, np.nan))
    with pytest.raises(ValueError, match="B must be above 1"):
        kmm_weights(Xs, Xt, B=1.0)
    with pytest.raises(ValueError, match="eps must be None or above 0"):
        kmm_weights(Xs, Xt, eps=0)
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        KMM(KNeighborsClassifier()).fit(Xs, np.arange(30) % 2, Xt)


def test_pickle():
    Xs, ys, Xt = cubic(0, n=1000)
    model = KMM(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
    stored = pickle.dumps(model)
    assert len(stored) < 3000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(model.predict(Xt), restored.predict(Xt))
    with pytest.raises(AttributeError, match="lost by pickling"):
        _ = restored.source_weights_
