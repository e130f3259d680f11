"""Affine maps of rows: in their own precision, and without making sparse ones dense."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from .._constraints import Real
from .._parameters import parameter

__all__ = ["ALLOWANCE", "affine", "centred_product", "moved_moments", "row_mean"]

# How far chance may move moments, in the methods that match them.
ALLOWANCE: Any = parameter(
    default=4.0,
    legal=Real(0),
    text="""
    The squared distance of the means, and that of the covariance matrices, counts by what it
    exceeds this times that of two random samples from the same rows: so far chance may have moved
    them. With 0 all of it counts, as in the paper.
    """,
    last=True,
)


def row_mean(X) -> np.ndarray:
    """Return the mean row in double precision."""
    if scipy.sparse.issparse(X):
        X = X.astype(np.float64, copy=False)  # it would sum in its own precision
    return np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()


def centred_product(X, mean, W, offset=None):
    """Return (X - mean) W + offset in the precision of X, without making sparse rows dense."""
    W = W.astype(X.dtype, copy=False)
    if mean is not None and scipy.sparse.issparse(X):
        product = X @ W - mean.astype(X.dtype, copy=False) @ W
    elif mean is not None:
        product = (X - mean.astype(X.dtype, copy=False)) @ W
    else:
        product = X @ W
    return product if offset is None else product + offset.astype(X.dtype, copy=False)


def moved_moments(Xs, Xt, means, covariances, allowance: float):
    """Return the target's mean and covariance matrix as far as they have moved from the source's.

    The squared distance of two samples' means is, by chance alone, the sum of tr C / n over both,
    that of their covariance matrices the sum of (E ‖x‖⁴ - ‖C‖²) / n.

    Parameters
    ----------
    Xs, Xt : ndarray of shape (n_i, d)
        Rows about their domain's mean.
    means : pair of ndarray of shape (n_features,)
    covariances : pair of ndarray of shape (d, d)
    allowance : float
        How many times the squared distance that chance makes does not count.

    Returns
    -------
    mean : ndarray of shape (n_features,)
    covariance : ndarray of shape (d, d)
        On the way from the source's to the target's.
    """
    chances = np.zeros(2)
    for X, C in zip((Xs, Xt), covariances):
        squares = np.einsum("ij,ij->i", X, X)
        chances += squares.mean() / len(X), max(np.mean(squares**2) - np.sum(C**2), 0) / len(X)
    moments = []
    for (of_source, of_target), chance in zip((means, covariances), allowance * chances):
        change = of_target - of_source
        distance = np.sum(change**2)
        left_out = min(1.0, chance / distance) if distance > 0 else 0.0
        moments.append(of_target - left_out * change)
    return tuple(moments)


def affine(X, mean, A, new_mean, basis=None, keep_outside=True):
    """Map rows to new_mean + (x - mean) A, in their own precision.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Rows.
    mean, new_mean : ndarray of shape (n_features,)
        The point that is moved, and where to.
    A : ndarray of shape (q, q)
        Of all features, or in the coordinates of `basis`.
    basis : ndarray of shape (n_features, q), default=None
        Orthonormal columns.
    keep_outside : bool, default=True
        Whether what lies outside the basis stays as it is, or is dropped.

    Returns
    -------
    Z : ndarray of shape (n, n_features)
    """
    if basis is None:
        return centred_product(X, mean, A, new_mean)
    inside = centred_product(X, mean, basis)
    if not keep_outside:
        return centred_product(inside, None, A @ basis.T, new_mean)
    change = (A - np.eye(len(A))) @ basis.T
    shift = (new_mean - mean).astype(X.dtype, copy=False)
    return X + centred_product(inside, None, change) + shift
