"""Covariate shifts whose density ratio is known."""

import numpy as np


def normal_shift(seed, n=500, d=2, mean=0.7, sd=0.8, n_target=None):
    """Return rows of N(0, 1)^d and N(mean, sd²)^d, and the densities' ratio at the first.

    ``mean`` and ``sd`` may hold a number for each feature.
    """
    rng = np.random.default_rng(seed)
    mean, sd = np.broadcast_to(mean, d), np.broadcast_to(sd, d)
    Xs = rng.normal(size=(n, d))
    Xt = rng.normal(mean, sd, size=(n if n_target is None else n_target, d))
    exponent = (Xs**2 - ((Xs - mean) / sd) ** 2) / 2
    return Xs, Xt, (np.exp(exponent) / sd).prod(axis=1)


def cubic(seed, n=200):
    """Return a source and a target on whose rows a cubic looks like two different lines.

    x_s ~ N(.5, .5²), x_t ~ N(0, .3²), y = -x + x³ + N(0, .3²), as in Shimodaira (2000) and
    Sugiyama et al. (2007), and the ratio of the densities at the source rows.
    """
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(0.5, 0.5, size=(n, 1)), rng.normal(0.0, 0.3, size=(n, 1))
    x = Xs[:, 0]
    ratio = np.exp(((x - 0.5) / 0.5) ** 2 / 2 - (x / 0.3) ** 2 / 2) * 0.5 / 0.3
    return Xs, -x + x**3 + 0.3 * rng.normal(size=n), Xt, ratio


def cubic_error(model):
    """Return a model's mean squared error against the cubic without noise, on 2000 target rows."""
    x = np.random.default_rng(99).normal(0.0, 0.3, size=2000)
    return np.mean((model.predict(x[:, None]) - (x**3 - x)) ** 2)


def effective_size(weights):
    return weights.sum() ** 2 / (weights @ weights)


def against_truth(weights_of, seeds=range(5), **options):
    """Return correlations with the true ratio, and effective sizes by that of the true ratio."""
    correlations, sizes = [], []
    for seed in seeds:
        Xs, Xt, true = normal_shift(seed, **options)
        weights = weights_of(Xs, Xt)
        correlations.append(np.corrcoef(weights, true)[0, 1])
        sizes.append(effective_size(weights) / effective_size(true))
    return np.array(correlations), np.array(sizes)
