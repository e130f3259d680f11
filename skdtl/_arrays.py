"""Rows, dense or sparse, as functions of arrays: what several parts of the package do with them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches
from sklearn.utils.extmath import row_norms

__all__ = [
    "alike",
    "all_rows_equal",
    "dense",
    "join_rows",
    "positions",
    "rounding",
    "spread_rows",
    "squared_distances",
    "sum_of_squares",
]

# Entries of a matrix of pairs that are looked at at a time: 32 MB in double precision.
_BLOCK = 2**22


def join_rows(*parts):
    """Put rows that are in parts below each other.

    Parameters
    ----------
    *parts : ndarray or sparse array of shape (n_i, n_features)
        Rows, of two domains say.

    Returns
    -------
    X : ndarray or sparse array of shape (n_1 + n_2 + ..., n_features)
        Sparse where one part is. A single part is returned as it is.
    """
    if len(parts) == 1:
        return parts[0]
    if any(sp.issparse(part) for part in parts):
        return sp.csr_array(sp.vstack(parts, format="csr"))
    return np.concatenate(parts)


def alike(*parts):
    """Return the parts as they are, or all of them sparse where one is."""
    if any(sp.issparse(part) for part in parts):
        return tuple(part if sp.issparse(part) else sp.csr_array(part) for part in parts)
    return parts


def dense(X) -> np.ndarray:
    """Return an array that is not sparse."""
    return X.toarray() if sp.issparse(X) else X


def positions(X) -> np.ndarray:
    """Return where each row lies along an arbitrary but fixed direction.

    Rows sorted by it are in an order that does not depend on the one in which they come.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows; NaN counts as 0.

    Returns
    -------
    positions : ndarray of shape (n,)
    """
    direction = np.cos(np.arange(1.0, X.shape[1] + 1))
    found = X @ direction
    if np.isnan(found).any():
        X = X.copy()
        values = X.data if sp.issparse(X) else X
        values[np.isnan(values)] = 0
        found = X @ direction
    return found


def spread_rows(X, limit: int) -> np.ndarray:
    """Choose at most so many rows, the same ones whatever order the rows come in.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    limit : int
        The largest number of rows.

    Returns
    -------
    rows : ndarray of int
        Indices in ascending order; all rows if they are no more than `limit`.
    """
    every = max(1, -(-X.shape[0] // limit))
    return np.sort(np.argsort(positions(X), kind="stable")[::every])


def all_rows_equal(*parts) -> bool:
    """Tell whether no column of rows that are in parts differs between any two of them."""
    ends = [
        [dense(end(axis=0)).ravel() for end in (part.min, part.max)]
        for part in parts
        if part.shape[0]
    ]
    lows, highs = np.moveaxis(np.array(ends), 1, 0)
    return not np.any(lows.min(axis=0) < highs.max(axis=0))


def rounding(n: int) -> float:
    """Return the error that a sum of n terms may have, as a share of the sum of their magnitudes.

    What is no larger than this times the norms that a sum went through may be nothing.
    """
    return (n + 8) * float(np.finfo(np.float64).eps)


def sum_of_squares(X) -> float:
    """Return the sum of the squared entries of a dense or sparse array."""
    entries = X.data if sp.issparse(X) else X.ravel()
    return float(entries @ entries)


def squared_distances(X, Y=None) -> np.ndarray:
    """Return the squared Euclidean distances between rows, exactly 0 between equal ones.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    Y : ndarray or sparse array of shape (m, n_features), default=None
        Other rows; None means X itself.

    Returns
    -------
    squares : ndarray of shape (n, m)
        As differences of the rows' squared lengths and inner products, they are known up to a
        rounding error of these, and what is no larger than this error is 0.
    """
    squares = euclidean_distances(X, Y, squared=True)
    # Of rows in single precision, too, the sums are taken in double precision.
    reach = [
        rounding(X.shape[1]) * row_norms(rows.astype(np.float64, copy=False), squared=True)
        for rows in (X, X if Y is None else Y)
    ]
    for rows in gen_batches(len(squares), max(1, _BLOCK // max(1, squares.shape[1]))):
        some = squares[rows]
        some[some <= reach[0][rows, None] + reach[1]] = 0
    return squares
