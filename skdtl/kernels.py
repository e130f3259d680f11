"""Kernel matrices between rows, in scikit-learn's vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse
from scipy.spatial.distance import squareform
from sklearn.metrics.pairwise import (
    laplacian_kernel,
    linear_kernel,
    manhattan_distances,
    polynomial_kernel,
)
from sklearn.utils import gen_batches

from ._arrays import join_rows, rounding, spread_rows, squared_distances

__all__ = ["KERNELS", "kernel_gamma", "kernel_matrix"]

KERNELS = ("linear", "rbf", "poly", "laplacian")
# Rows whose distances give the median where there are more: 48 MB for all pairs.
_MEDIAN_ROWS = 2000


def kernel_matrix(
    X,
    Y=None,
    kernel: str | Callable = "rbf",
    *,
    gamma: float | str = "scale",
    degree: float = 3,
    coef0: float = 1.0,
) -> np.ndarray:
    """Evaluate a kernel between the rows of X and the rows of Y.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    Y : ndarray or sparse array of shape (m, n_features), default=None
        Other rows; None means X itself.
    kernel : {"linear", "rbf", "poly", "laplacian"} or callable, default="rbf"
        "linear" is <x, y>, "rbf" exp(-gamma ‖x - y‖²), "poly" (gamma <x, y> + coef0)^degree and
        "laplacian" exp(-gamma ‖x - y‖₁). A callable takes (X, Y) and returns the whole matrix of
        shape (n, m), as the kernels of :mod:`sklearn.metrics.pairwise` and of
        :mod:`sklearn.gaussian_process.kernels` do.
    gamma : float > 0, "scale", "auto" or "median", default="scale"
        A number, or a rule of `kernel_gamma`, which is then applied to the rows of X and Y
        together. Not used by "linear" and by a callable.
    degree : float, default=3
        Exponent of "poly".
    coef0 : float, default=1.0
        Constant of "poly".

    Returns
    -------
    K : ndarray of shape (n, m)

    Raises
    ------
    ValueError
        For an unknown kernel, a callable's result of another shape, or values that overflow.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.kernels import kernel_matrix
    >>> kernel_matrix(np.array([[0.0], [1.0]]), np.array([[2.0]]), "poly", gamma=1.0, degree=2)
    array([[1.],
           [9.]])
    """
    if Y is None:
        Y = X
    if isinstance(gamma, str) and kernel in ("rbf", "poly", "laplacian"):
        gamma = kernel_gamma(X if Y is X else join_rows(X, Y), kernel, gamma)
    if callable(kernel):
        K = np.asarray(kernel(X, Y))
        if K.shape != (X.shape[0], Y.shape[0]):
            raise ValueError(
                f"The kernel returned an array of shape {K.shape} for {X.shape[0]} and "
                f"{Y.shape[0]} rows: it must return the matrix of all pairs, of shape "
                f"{(X.shape[0], Y.shape[0])}."
            )
    elif kernel == "linear":
        K = linear_kernel(X, Y)
    elif kernel == "rbf":
        K = squared_distances(X, None if Y is X else Y)
        K *= -float(gamma)
        np.exp(K, out=K)
    elif kernel == "poly":
        K = polynomial_kernel(X, Y, gamma=gamma, degree=degree, coef0=coef0)
    elif kernel == "laplacian":
        K = laplacian_kernel(X, Y, gamma=gamma)
    else:
        raise ValueError(f"kernel must be one of {KERNELS} or a callable; got {kernel!r}.")
    if not np.isfinite(K.sum()):  # the sum needs no array of booleans as large as K
        raise ValueError(f"The kernel {kernel!r} has values that are infinite or not a number.")
    return K


def kernel_gamma(X, kernel: str = "rbf", gamma: float | str = "scale") -> float:
    """Turn a rule for the width of a kernel into a number.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features), or sequence of such
        Rows, for "scale" and "auto" in as many parts as they happen to be in.
    kernel : {"rbf", "poly", "laplacian"}, default="rbf"
        The kernel that the number is meant for.
    gamma : float > 0, "scale", "auto" or "median", default="scale"
        A number is returned as it is. "scale" is 1 / (n_features * X.var()) and "auto"
        1 / n_features, as in :class:`~sklearn.svm.SVC`. "median" is 1 / (2 m²) with m the median
        distance between two rows. For "laplacian", whose distance is not squared, they are
        1 / (n_features * X.std()), 1 / n_features and 1 / m.

    Returns
    -------
    gamma : float
        1 where the rows do not differ.

    Raises
    ------
    ValueError
        For "median" with the kernel "poly", which knows no distances.

    Notes
    -----
    Of more than 2000 rows some, spread over all of them and the same ones whatever their order,
    stand for all in "median", so that memory does not grow with the number of pairs.

    References
    ----------
    "median": A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", Journal of Machine Learning Research 13, 2012, section 8.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.kernels import kernel_gamma
    >>> kernel_gamma(np.array([[0.0], [1.0], [3.0]]), "rbf", "median")
    0.125
    """
    if not isinstance(gamma, str):
        return float(gamma)
    parts = X if isinstance(X, (list, tuple)) else (X,)
    n_features = parts[0].shape[1]
    if gamma == "auto":
        return 1.0 / n_features
    if gamma == "scale":
        variance = _variance(parts)
        scale = n_features * (np.sqrt(variance) if kernel == "laplacian" else variance)
    elif gamma == "median" and kernel == "laplacian":
        scale = _median_distance(manhattan_distances(_some_rows(X)))
    elif gamma == "median" and kernel == "rbf":
        scale = 2 * _median_distance(np.sqrt(squared_distances(_some_rows(X)))) ** 2
    else:
        raise ValueError(
            f"gamma={gamma!r} is no rule for the kernel {kernel!r}: use a number, 'scale', 'auto' "
            "or, for 'rbf' and 'laplacian', 'median'."
        )
    return float(1.0 / scale) if scale > 0 else 1.0


def _variance(parts) -> float:
    """Return the variance of all entries of all parts; 0 where it is rounding error."""
    # A sparse array sums in its own precision, whatever it is asked for.
    parts = [
        part.astype(np.float64, copy=False) if scipy.sparse.issparse(part) else part
        for part in parts
    ]
    sizes = np.array([part.shape[0] for part in parts], dtype=float)
    n_terms = int(sizes.sum()) + parts[0].shape[1]
    sizes /= sizes.sum()
    means = np.array([float(part.mean(dtype=np.float64)) for part in parts])
    within = np.array([_variance_of(part, mean) for part, mean in zip(parts, means)])
    variance = float(sizes @ (within + (means - sizes @ means) ** 2))
    error = rounding(n_terms) * float(sizes @ np.abs(means))
    return variance if variance > error**2 else 0.0


def _variance_of(X, mean: float) -> float:
    if scipy.sparse.issparse(X):
        # A difference of numbers that may be nearly equal.
        variance = float(X.multiply(X).mean() - mean**2)
        return variance if variance > rounding(sum(X.shape)) * mean**2 else 0.0
    # In blocks of 8 MB: np.var makes a copy of all rows.
    blocks = gen_batches(X.shape[0], max(1, 2**20 // X.shape[1]))
    squares = [float(np.square(np.subtract(X[b], mean, dtype=np.float64)).sum()) for b in blocks]
    return sum(squares) / X.size


def _some_rows(X):
    """Return the rows, or so many of them as `_MEDIAN_ROWS` allows, whatever their order."""
    return X if X.shape[0] <= _MEDIAN_ROWS else X[spread_rows(X, _MEDIAN_ROWS)]


def _median_distance(D: np.ndarray) -> float:
    """Return the median over the pairs of different rows of a square matrix of distances."""
    pairs = squareform(D, checks=False)
    return float(np.median(pairs, overwrite_input=True)) if len(pairs) else 0.0
