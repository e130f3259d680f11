"""ULSIF and RULSIF: the closed form by loops, the leave-one-out loss by refits."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skdtl import RULSIF
from skdtl.instances import lsif, rulsif_weights, ulsif_weights
from skdtl.instances.lsif import fit_lsif, leave_one_out_losses

from ..shifts import normal_shift


def phi(x, centers, gamma):
    """Return the basis functions at one row."""
    return np.array([np.exp(-gamma * np.sum((x - center) ** 2)) for center in centers])


def coefficients(Xs, Xt, centers, alpha, gamma, lam):
    """Yamada's and Kanamori's formula, by loops over rows."""
    H = np.zeros((len(centers), len(centers)))
    h = np.zeros(len(centers))
    for x in Xs:
        H += (1 - alpha) / len(Xs) * np.outer(phi(x, centers, gamma), phi(x, centers, gamma))
    for x in Xt:
        H += alpha / len(Xt) * np.outer(phi(x, centers, gamma), phi(x, centers, gamma))
        h += phi(x, centers, gamma) / len(Xt)
    return np.maximum(0, np.linalg.inv(H + lam * np.eye(len(centers))) @ h)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_closed_form_by_loops(alpha):
    Xs, Xt, _ = normal_shift(0, 23, 2, 0.8, 0.7, 17)
    fitted = fit_lsif(Xs, Xt, alpha=alpha, gamma=0.6, lam=0.05, n_centers=9, random_state=0)
    coef = coefficients(Xs, Xt, fitted.centers, alpha, 0.6, 0.05)
    assert 0 < np.sum(coef == 0) < 9
    np.testing.assert_allclose(fitted.coef, coef, rtol=1e-8, atol=1e-10)
    assert (fitted.gamma, fitted.lam, fitted.losses) == (0.6, 0.05, None)
    expected = [coef @ phi(x, fitted.centers, 0.6) for x in Xs]
    options = {"gamma": 0.6, "lam": 0.05, "n_centers": 9, "random_state": 0}
    if alpha == 0:
        np.testing.assert_allclose(ulsif_weights(Xs, Xt, **options), expected)
    limit = 1 / alpha if alpha else np.inf
    found = rulsif_weights(Xs, Xt, alpha=alpha, **options)
    np.testing.assert_allclose(found, np.minimum(expected, limit))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_leave_one_out_losses_by_refits(alpha):
    Xs, Xt, _ = normal_shift(0, 23, 2, 0.8, 0.7, 17)
    gammas, lams, centers = (0.1, 1.0), np.array([1e-3, 1.0]), Xt[::2]
    for gamma in gammas:
        ratio = lambda x, coef: coef @ phi(x, centers, gamma)  # noqa: B023, E731
        expected = []
        for lam in lams:
            at_source = [
                ratio(x, coefficients(np.delete(Xs, i, 0), Xt, centers, alpha, gamma, lam))
                for i, x in enumerate(Xs)
            ]
            at_target = [
                ratio(x, coefficients(Xs, np.delete(Xt, j, 0), centers, alpha, gamma, lam))
                for j, x in enumerate(Xt)
            ]
            if alpha:
                at_source = np.minimum(at_source, 1 / alpha)
                at_target = np.minimum(at_target, 1 / alpha)
            expected.append(
                alpha / 2 * np.mean(np.square(at_target))
                + (1 - alpha) / 2 * np.mean(np.square(at_source))
                - np.mean(at_target)
            )
        Ps = np.array([phi(x, centers, gamma) for x in Xs])
        Pt = np.array([phi(x, centers, gamma) for x in Xt])
        found = leave_one_out_losses(
            Ps,
            Pt,
            Ps.T @ Ps / len(Xs),
            Pt.T @ Pt / len(Xt),
            Pt.mean(axis=0),
            n_source=len(Xs),
            n_target=len(Xt),
            alpha=alpha,
            lams=lams,
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_least_loss_is_taken():
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 50)
    fitted = fit_lsif(Xs, Xt, random_state=0)
    assert fitted.losses.shape == (9, 9) == (len(fitted.gammas), len(fitted.lams))
    k, l = np.argwhere(fitted.losses == fitted.losses.min())[0]
    assert (fitted.gamma, fitted.lam) == (fitted.gammas[k], fitted.lams[l])
    for gamma, lam, loss in (
        (fitted.gammas[2], "cv", fitted.losses[2]),
        ("cv", fitted.lams[4], fitted.losses[:, 4]),
    ):
        part = fit_lsif(Xs, Xt, gamma=gamma, lam=lam, random_state=0)
        np.testing.assert_allclose(part.losses.ravel(), loss)
        assert gamma in ("cv", part.gamma) and lam in ("cv", part.lam)


def test_the_choice_follows_the_data():
    """A target of narrow peaks needs narrower functions; few rows more regularisation."""
    rng = np.random.default_rng(0)
    Xs = rng.normal(size=(400, 1))
    broad = rng.normal(0.5, 0.8, size=(400, 1))
    peaks = rng.choice([-1.0, 1.0], size=(400, 1)) + 0.15 * rng.normal(size=(400, 1))
    chosen = [fit_lsif(Xs, Xt, random_state=0).gamma for Xt in (broad, peaks)]
    assert chosen[1] > 5 * chosen[0]
    fixed = fit_lsif(Xs, peaks, gamma=chosen[0], random_state=0)
    assert fixed.losses.min() > fit_lsif(Xs, peaks, random_state=0).losses.min() + 0.3
    few = [fit_lsif(Xs[:n], broad[:n], random_state=0).lam for n in (20, 400)]
    assert few[0] > few[1]


def test_more_rows_than_are_left_out(monkeypatch):
    """The loss of a part of the rows chooses nearly as that of all."""
    Xs, Xt, _ = normal_shift(0, 600, 2, 0.8, 0.7, 500)
    whole = fit_lsif(Xs, Xt, random_state=0)
    monkeypatch.setattr(lsif, "_LOO_ROWS", 300)
    part = fit_lsif(Xs, Xt, random_state=0)
    assert not np.array_equal(part.losses, whole.losses)
    np.testing.assert_allclose(part.losses[3:6, 4:7], whole.losses[3:6, 4:7], atol=0.3)


def test_the_rows_that_are_left_out_are_spread(monkeypatch):
    Xs, Xt, _ = normal_shift(0, 100, 2, 0.8, 0.7, 80)
    monkeypatch.setattr(lsif, "_LOO_ROWS", 30)
    expected = fit_lsif(Xs, Xt).losses
    in_order = (X[np.argsort(X[:, 0])] for X in (Xs, Xt))
    np.testing.assert_allclose(fit_lsif(*in_order).losses, expected, rtol=1e-6, atol=1e-9)


def test_regularisation_shrinks():
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 50)
    means = [ulsif_weights(Xs, Xt, gamma=1.0, lam=lam).mean() for lam in (0.01, 1.0, 100.0)]
    assert means[0] > 2 * means[1] > 20 * means[2]
    # The variation, relative to the mean, shrinks too.
    spread = [
        np.std(w) / np.mean(w)
        for w in (ulsif_weights(Xs, Xt, gamma=1.0, lam=lam) for lam in (1e-4, 100.0))
    ]
    assert spread[0] > spread[1]


def test_relative_ratio_is_bounded_and_flattens():
    Xs, Xt, _ = normal_shift(0, 100, 2, 0.8, 0.7, 80)
    Xt = Xt + 1.5  # barely overlapping
    plain = rulsif_weights(Xs, Xt, alpha=0.0, random_state=0)
    np.testing.assert_array_equal(plain, ulsif_weights(Xs, Xt, random_state=0))
    spread = [plain.std() / plain.mean()]
    for alpha in (0.1, 0.5, 0.95):
        ratio = rulsif_weights(Xs, Xt, alpha=alpha, random_state=0)
        assert ratio.max() <= 1 / alpha
        spread.append(ratio.std() / ratio.mean())
    assert plain.max() > 10
    assert spread[0] > spread[1] > spread[2] > spread[3]
    ys = (Xs[:, 0] > 0).astype(int)
    model = RULSIF(alpha=0.5, gamma=1.0, lam=1e-3, random_state=0).fit(Xs, ys, Xt)
    assert model.density_ratio(np.concatenate([Xs, Xt])).max() == 2  # the bound is at work


def test_disjoint_domains_have_no_ratio():
    Xs, Xt, _ = normal_shift(0, 50, 2, 0.8, 0.7, 40)
    for function in (ulsif_weights, rulsif_weights):
        with pytest.raises(ValueError, match="density ratio is 0 at each of the 50 source rows"):
            function(Xs, Xt + 1000)


def test_attributes():
    Xs, Xt, _ = normal_shift(0, 60, 2, 0.8, 0.7, 50)
    ys = (Xs[:, 0] > 0).astype(int)
    model = RULSIF(LogisticRegression(), alpha=0.2, random_state=0).fit(Xs, ys, Xt)
    fitted = fit_lsif(Xs, Xt, alpha=0.2, random_state=0)
    assert (model.gamma_, model.lam_) == (fitted.gamma, fitted.lam)
    np.testing.assert_array_equal(model.cv_results_["loss"], fitted.losses)
    np.testing.assert_allclose(np.exp(model.log_coef_), fitted.coef)
    fixed = RULSIF(gamma=0.3, lam=0.7).fit(Xs, ys, Xt)
    assert (fixed.gamma_, fixed.lam_, fixed.cv_results_["loss"]) == (0.3, 0.7, None)


def test_illegal_parameters():
    Xs, Xt, _ = normal_shift(0, 23, 2, 0.8, 0.7, 17)
    for options in ({"alpha": 1.0}, {"alpha": -0.1}, {"lam": 0.0}, {"lam": "auto"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            rulsif_weights(Xs, Xt, **options)
