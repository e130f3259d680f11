"""Made-up domains: each function is a shift that more than one test file looks at."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits


def two_domains(seed=0, n_source=90, n_target=60, regression=False):
    """Return Xs, ys, Xt, yt with a modest shift."""
    rng = np.random.default_rng(seed)
    n = n_source + n_target
    X = rng.normal(size=(n, 5))
    score = X[:, 0] + 0.5 * X[:, 1]
    y = 10 + 3 * score if regression else (score > 0).astype(int)
    X[n_source:, 2] += 1.5
    return X[:n_source], y[:n_source], X[n_source:], y[n_source:]


def shifted_feature(seed, n=400, regression=False):
    """Return domains with one feature that carries the label but is shifted by 4 in the target.

    Feature 0 carries the label less clearly, in both domains alike. A network that trusts feature
    1, as the source suggests, is at chance on the target.
    """
    rng = np.random.default_rng(seed)
    sides = []
    for shift in (0.0, 4.0):
        y = rng.integers(2, size=n)
        sign = rng.uniform(-1.7, 1.7, size=n) if regression else 2 * y - 1
        X = rng.normal(size=(n, 4))
        X[:, 0] += 1.5 * sign
        X[:, 1] = 1.5 * sign + 0.5 * X[:, 1] + shift
        sides += [X, 10 * sign if regression else y]
    return sides


def rotated_digits(seed):
    """Return digits, and other digits turned by 30 degrees with some noise."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(X))
    X, y = X[order] / 16, y[order]
    images = rotate(X[898:].reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1)
    images += rng.normal(scale=0.05, size=images.shape)
    return X[:898], y[:898], images.reshape(-1, 64), y[898:]


def other_covariances(n_s=40, n_t=25, d=6, seed=0):
    """Return Xs, ys, Xt: features that are correlated otherwise in the target, means elsewhere."""
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(n_s, d)) @ rng.normal(size=(d, d)) + 0.3
    Xt = rng.normal(size=(n_t, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    return Xs, np.arange(n_s) % 2, Xt


def other_means(n_s=40, n_t=25, d=6, seed=0):
    """Return Xs, ys, Xt: features that are correlated alike, with means elsewhere."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(d, d))
    Xs, Xt = rng.normal(size=(n_s, d)) @ A, rng.normal(size=(n_t, d)) @ A
    return Xs + 0.3, np.arange(n_s) % 2, Xt + rng.normal(size=d)


def turned(seed, n=300, angle=1.15, d=6):
    """Two classes along the direction of largest variance, which turns towards a disturbance.

    Return Xs, ys, Xt, yt. In the source's coordinates the signal has turned by `angle` in the
    plane of the two features of largest variance; a rotation hides which they are.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    y = np.arange(2 * n) % 2
    X = rng.normal(size=(2 * n, d)) * np.r_[0.4, 2.0, np.full(d - 2, 0.3)]
    X[:, 0] += 3 * (2 * y - 1)
    c, s = np.cos(angle), np.sin(angle)
    X[n:, :2] = X[n:, :2] @ [[c, s], [-s, c]]
    X[n:] += 1.0
    X = X @ rotation
    return X[:n], y[:n], X[n:], y[n:]


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
    """Return Xs, ys, Xt of a cubic that looks like another line in each domain.

    x_s ~ N(.5, .5²), x_t ~ N(0, .3²), y = -x + x³ + N(0, .3²), as in Shimodaira (2000) and
    Sugiyama et al. (2007).
    """
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(0.5, 0.5, size=(n, 1)), rng.normal(0.0, 0.3, size=(n, 1))
    return Xs, cubic_truth(Xs) + 0.3 * rng.normal(size=n), Xt


def cubic_truth(X):
    """Return the labels of `cubic` without their noise."""
    return X[:, 0] ** 3 - X[:, 0]


def cubic_ratio(X):
    """Return the ratio of the densities of `cubic`, the target's by the source's."""
    x = X[:, 0]
    return np.exp(((x - 0.5) / 0.5) ** 2 / 2 - (x / 0.3) ** 2 / 2) * 0.5 / 0.3


def concepts(seed, n_s=500, n_t=60, noise=0.0, good=0.5, n_features=5):
    """Return a source of which a part follows the target's concept, with noisy labels."""
    rng = np.random.default_rng(seed)
    target = np.array([0, 1, 0.5, 0, 0])[:n_features]
    other = np.array([1, 0, 0, -0.5, 0])[:n_features]

    def flip(y):
        return np.where(rng.random(len(y)) < noise, ~y, y)

    Xs, Xt, X_test = (rng.normal(size=(n, n_features)) for n in (n_s, n_t, 2000))
    misleading = np.arange(n_s) >= good * n_s
    ys = flip(np.where(misleading, Xs @ other > 0, Xs @ target > 0))
    return Xs, ys, Xt, flip(Xt @ target > 0), X_test, X_test @ target > 0, misleading


def three_classes(seed, n_s=120, n_t=40):
    """Return three classes, each with a feature of its own; the target has moved."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, size=n_s + n_t)
    X = rng.normal(size=(n_s + n_t, 3)) + 1.5 * np.eye(3)[y]
    X[n_s:] += [1, 0, -1]
    return X[:n_s], y[:n_s], X[n_s:], y[n_s:]
