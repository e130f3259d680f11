"""The plane in which the rows of two domains vary most together."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse

from .._arrays import dense, join_rows, rounding

__all__ = ["joint_projection"]


def joint_projection(Xs, Xt, n_components=2):
    """Project the rows of two domains on the directions in which they vary most together.

    It is a principal component analysis in which both domains weigh the same, however many rows
    they have: of the mean of both domains' second moments about the mean of their means.

    Parameters
    ----------
    Xs : ndarray or sparse array of shape (n_s, n_features)
        Rows of one domain.
    Xt : ndarray or sparse array of shape (n_t, n_features)
        Rows of the other.
    n_components : int, default=2
        How many directions, at most as many as there are features and as there are rows.

    Returns
    -------
    Ps : ndarray of shape (n_s, n_components)
        The projected rows, as differences from the mean of both domains' means.
    Pt : ndarray of shape (n_t, n_components)
        Those of the other domain.
    shares : ndarray of shape (n_components,)
        Each direction's share of the variance; zero where nothing varies.

    Notes
    -----
    The entry of largest magnitude in each direction is positive. Takes time and memory quadratic in
    the lesser of the numbers of features and rows; sparse rows with more features than rows are not
    made dense.
    """
    X, n_s = join_rows(Xs, Xt), Xs.shape[0]
    n, d = X.shape
    weights = np.repeat([0.5 / n_s, 0.5 / (n - n_s)], [n_s, n - n_s])
    if scipy.sparse.issparse(X) and d <= n:
        X = X.toarray()
    mean = X.T @ weights
    # What the error of the mean looks like, squared where it is taken off the rows themselves.
    error = mean @ mean * rounding(n) ** (1 if scipy.sparse.issparse(X) else 2)
    if not scipy.sparse.issparse(X):
        X, mean = X - mean, np.zeros(d)
    # From here on X - mean is centred; of sparse rows it is never formed.
    roots = np.sqrt(weights)
    if d <= n:
        scatter = (X.T * weights) @ X
        values, V = _leading_eigenvectors(scatter, n_components, error)
    else:
        # The eigenvectors are combinations of the rows: n unknowns instead of d.
        products, along = X @ X.T, X @ mean
        products = dense(products) - along[:, None] - along + mean @ mean
        scatter = roots[:, None] * products * roots
        values, U = _leading_eigenvectors(scatter, n_components, error)
        # The rows' mean needs no subtraction here: U is orthogonal to the roots of the weights.
        V = X.T @ (roots[:, None] * U)
        V /= np.where(values > 0, np.sqrt(values), 1)
    V = V * np.where(values > 0, np.sign(V[np.abs(V).argmax(axis=0), np.arange(n_components)]), 0)
    P, total = X @ V - mean @ V, np.trace(scatter)
    return P[:n_s], P[n_s:], values / total if total > 0 else values


def _leading_eigenvectors(S, k: int, error: float):
    """Return the k largest eigenvalues of a scatter matrix and their vectors.

    An eigenvalue that is nothing but rounding error, up to `error` at least, is zero.
    """
    values, vectors = scipy.linalg.eigh(S, subset_by_index=[len(S) - k, len(S) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    tiny = len(S) * np.finfo(float).eps * max(np.trace(S), 0) + error
    return np.where(values > tiny, values, 0.0), vectors
