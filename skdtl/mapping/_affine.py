"""Affine maps of rows: in their own precision, and without making sparse ones dense."""

from __future__ import annotations

import numpy as np
import scipy.sparse

__all__ = ["affine", "centred_product", "row_mean"]


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
