"""Domains whose directions of large variance have turned."""

from __future__ import annotations

import numpy as np


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
