"""KLIEP: the optimum against a general solver and its conditions, the choice of bandwidth."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from skdtl import KLIEP
from skdtl.instances import kliep, kliep_weights
from skdtl.instances._density_ratio import fold_numbers
from skdtl.instances.kliep import fit_kliep, mixture_weights

from ..shifts import normal_shift


@pytest.mark.parametrize("gamma", [0.1, 1.0, 5.0])
def test_optimum_against_a_general_solver(gamma):
    """Maximise mean log w(x_t) over theta >= 0 with mean w(x_s) = 1, in the paper's variables."""
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 40)
    centers = Xt[:12]
    At, As = rbf_kernel(Xt, centers, gamma=gamma), rbf_kernel(Xs, centers, gamma=gamma)
    b = As.mean(axis=0)
    general = minimize(
        lambda theta: -np.mean(np.log(At @ theta)),
        np.full(12, 1 / b.sum()),
        jac=lambda theta: -np.mean(At / (At @ theta)[:, None], axis=0),
        bounds=[(0, None)] * 12,
        constraints={"type": "eq", "fun": lambda theta: b @ theta - 1, "jac": lambda theta: b},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    log_density = np.log(At) - np.log(b)
    shares, gap, n_iter = mixture_weights(log_density)
    theta = shares / b
    assert b @ theta == pytest.approx(1, abs=1e-12)
    assert -np.mean(np.log(At @ theta)) <= general.fun + 1e-7
    assert -np.mean(np.log(At @ theta)) >= general.fun - 1e-5
    np.testing.assert_allclose(As @ theta, As @ general.x, atol=2e-2)
    assert gap <= 1e-7 and 1 <= n_iter <= 20
    # The conditions of Karush, Kuhn and Tucker.
    gains = np.mean(At / (At @ theta)[:, None], axis=0) / b
    assert gains.max() <= 1 + 1e-7
    np.testing.assert_allclose(gains[shares > 1e-6], 1, atol=1e-5)
    assert shares.min() >= 0 and 0 < np.sum(shares == 0) < 12


def test_the_gap_bounds_what_is_lacking():
    rng = np.random.default_rng(0)
    log_density = rng.normal(size=(50, 8)) * 2
    value = lambda shares: np.mean(np.log(np.exp(log_density) @ shares))  # noqa: E731
    best, gap, _ = mixture_weights(log_density, tol=1e-12)
    assert gap <= 1e-11  # rounding error may keep it above tol
    for max_iter in range(4):
        shares, gap, n_iter = mixture_weights(log_density, tol=1e-12, max_iter=max_iter)
        assert 0 <= value(best) - value(shares) <= gap + 1e-12
        assert n_iter == max_iter
    loose, gap, n_iter = mixture_weights(log_density, tol=0.1)
    assert gap <= 0.1 and n_iter < 4 and value(loose) < value(best)
    moved, *_ = mixture_weights(log_density + rng.normal(size=(50, 1)) * 500, tol=1e-12)
    np.testing.assert_allclose(moved, best, atol=1e-6)


def test_a_mixture_by_hand():
    # Component 0 lives at the first row alone, component 1 at the second: with share u of the
    # first, the likelihood log(2u) + log(1 - u) is largest at 1/2; with 2 of 3 rows of the first
    # kind, at 2/3.
    with np.errstate(divide="ignore"):
        log_density = np.log([[2.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(mixture_weights(log_density)[0], [0.5, 0.5])
    three = log_density[[0, 0, 1]]
    np.testing.assert_allclose(mixture_weights(three, tol=1e-14)[0], [2 / 3, 1 / 3], atol=1e-6)
    # A full Newton step would leave nothing for the one row of the second kind.
    rare = log_density[[0] * 199 + [1]]
    np.testing.assert_allclose(mixture_weights(rare, tol=1e-14)[0], [0.995, 0.005], atol=1e-6)


@pytest.mark.parametrize("gamma", ["cv", 0.3, 30.0])
def test_mean_1_over_the_source(gamma):
    for seed in range(3):
        Xs, Xt, _ = normal_shift(seed, 60, 2, 0.8, 0.7, 40)
        ratio = kliep_weights(Xs, Xt, gamma=gamma, n_centers=20, random_state=0)
        assert ratio.mean() == pytest.approx(1, abs=1e-9)
        assert ratio.std() > 0.1


def test_cross_validation_by_loops():
    """Each bandwidth's score, by refits on the rows that are not held out."""
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 40)
    fitted = fit_kliep(Xs, Xt, cv=3, random_state=0)
    fold_s = fold_numbers(Xs, 3)
    fold_t = fold_numbers(Xt, 3)
    for k in (0, 4, 8):
        scores = []
        for fold in range(3):
            width = fitted.gammas[k]
            b = rbf_kernel(Xs[fold_s != fold], Xt, gamma=width).mean(axis=0)
            log_density = np.log(rbf_kernel(Xt[fold_t != fold], Xt, gamma=width)) - np.log(b)
            theta = mixture_weights(log_density)[0] / b
            at_target = rbf_kernel(Xt[fold_t == fold], Xt, gamma=width) @ theta
            at_source = rbf_kernel(Xs[fold_s == fold], Xt, gamma=width) @ theta
            scores.append(np.mean(np.log(at_target)) - np.log(np.mean(at_source)))
        assert fitted.scores[k] == pytest.approx(np.mean(scores), abs=0.02)
    assert fitted.gamma == fitted.gammas[np.argmax(fitted.scores)]
    fives = fit_kliep(Xs, Xt, cv=5, random_state=0)
    assert not np.allclose(fives.scores, fitted.scores)


def test_the_choice_follows_the_data():
    """A target of narrow peaks needs narrower functions than a broad one."""
    rng = np.random.default_rng(0)
    Xs = rng.normal(size=(400, 1))
    broad = rng.normal(0.5, 0.8, size=(400, 1))
    peaks = rng.choice([-1.0, 1.0], size=(400, 1)) + 0.1 * rng.normal(size=(400, 1))
    chosen = [fit_kliep(Xs, Xt, random_state=0) for Xt in (broad, peaks)]
    assert chosen[1].gamma > 2 * chosen[0].gamma
    assert chosen[1].scores.max() > chosen[1].scores[4] + 0.1
    assert chosen[0].scores.max() > chosen[0].scores[8] + 0.1


def test_more_target_rows_than_cross_validation_looks_at(monkeypatch):
    Xs, Xt, _ = normal_shift(0, 400, 2, 0.8, 0.7, 500)
    whole = fit_kliep(Xs, Xt, random_state=0)
    monkeypatch.setattr(kliep, "_CV_ROWS", 250)
    part = fit_kliep(Xs, Xt, random_state=0)
    assert not np.array_equal(part.scores, whole.scores)
    np.testing.assert_allclose(part.scores[4:7], whole.scores[4:7], atol=0.15)
    assert part.gap <= 1e-7  # the ratio itself is fitted to all rows
    if part.gamma == whole.gamma:
        np.testing.assert_allclose(part.log_coef, whole.log_coef)


def test_the_rows_that_cross_validation_looks_at_are_spread(monkeypatch):
    Xs, Xt, _ = normal_shift(0, 100, 2, 0.8, 0.7, 80)
    monkeypatch.setattr(kliep, "_CV_ROWS", 30)
    expected = fit_kliep(Xs, Xt).scores
    found = fit_kliep(Xs, Xt[np.argsort(Xt[:, 0])]).scores
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_target_row_far_from_all_others():
    Xs, Xt, _ = normal_shift(0, 200, 2, 0.8, 0.7, 100)
    Xt[0] = 1e4
    for gamma in ("cv", 2.0):
        ratio = kliep_weights(Xs, Xt, gamma=gamma, random_state=0)
        assert np.all(np.isfinite(ratio))
        assert ratio.mean() == pytest.approx(1, abs=1e-6)
    model = KLIEP(gamma=2.0, random_state=0, min_effective_share=0)
    model.fit(Xs, np.arange(200) % 2, Xt)
    # It takes one hundredth of the weight, its share of the target, and the others keep theirs.
    without = kliep_weights(Xs, Xt[1:], gamma=2.0, random_state=0)
    assert np.median(np.abs(model.source_weights_ - without)) < 0.05
    assert np.isfinite(model.density_ratio(Xt)).all()


def test_attributes_and_convergence(monkeypatch):
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 40)
    ys = np.arange(60) % 2
    model = KLIEP(random_state=0).fit(Xs, ys, Xt)
    fitted = fit_kliep(Xs, Xt, random_state=0)
    assert model.gamma_ == fitted.gamma and 0 <= model.gap_ <= 1e-7
    np.testing.assert_array_equal(model.cv_results_["score"], fitted.scores)
    threes = KLIEP(cv=3, random_state=0).fit(Xs, ys, Xt)
    other = fit_kliep(Xs, Xt, cv=3, random_state=0)
    np.testing.assert_array_equal(threes.cv_results_["score"], other.scores)
    assert not np.allclose(other.scores, fitted.scores)
    fixed = KLIEP(gamma=0.5).fit(Xs, ys, Xt)
    assert fixed.gamma_ == 0.5 and fixed.cv_results_["score"] is None
    monkeypatch.setattr(kliep, "mixture_weights", lambda F, **_: (np.full(40, 0.025), 0.5, 3))
    with pytest.warns(ConvergenceWarning, match="may be 0.5 below its maximum") as caught:
        KLIEP(random_state=0).fit(Xs, ys, Xt)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="cv"):
        kliep_weights(Xs, Xt, cv=1)
