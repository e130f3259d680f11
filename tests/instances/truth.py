"""How near weights of source rows come to a density ratio that is known."""

import numpy as np

from ..shifts import cubic_truth, normal_shift


def cubic_error(model):
    """Return a model's mean squared error against the cubic without noise, on 2000 target rows."""
    X = np.random.default_rng(99).normal(0.0, 0.3, size=(2000, 1))
    return np.mean((model.predict(X) - cubic_truth(X)) ** 2)


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
