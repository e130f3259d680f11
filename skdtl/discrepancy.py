"""How far two samples are apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .kernels import _stack_rows, kernel_gamma, kernel_matrix

__all__ = ["mmd2"]


def mmd2(
    Xs,
    Xt,
    kernel: str | Callable = "rbf",
    *,
    gamma: float | str = "median",
    degree: float = 3,
    coef0: float = 1.0,
    biased: bool = True,
) -> float:
    """Measure the squared maximum mean discrepancy (MMD²) between two samples.

    It is the squared distance between the means of both samples in the kernel's feature space:
    zero where the distributions agree (for "rbf" and "laplacian": only there), larger the more
    they differ. Values of different kernels or widths cannot be compared with one another.

    Parameters
    ----------
    Xs : ndarray or sparse array of shape (n_s, n_features)
        One sample.
    Xt : ndarray or sparse array of shape (n_t, n_features)
        The other sample.
    kernel : {"linear", "rbf", "poly", "laplacian"} or callable, default="rbf"
        See `skdtl.kernels.kernel_matrix`.
    gamma : float > 0, "scale", "auto" or "median", default="median"
        See `skdtl.kernels.kernel_gamma`; a rule is applied to both samples together.
    degree : float, default=3
        Exponent of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    biased : bool, default=True
        True: the squared distance of the two sample means, which is never negative, but is
        positive on average for two samples of one distribution. False: the unbiased estimate,
        which leaves the pairs of a row with itself out, is zero on average there and may be
        negative; it needs two rows in each sample.

    Returns
    -------
    mmd2 : float

    Raises
    ------
    ValueError
        For the unbiased estimate of a sample with fewer than two rows.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample test",
    Journal of Machine Learning Research 13, 2012: equation (5) for the biased, equation (3) for
    the unbiased estimate.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.discrepancy import mmd2
    >>> mmd2(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]), "linear")
    9.0
    """
    if kernel in ("rbf", "poly", "laplacian"):
        gamma = kernel_gamma(_stack_rows(Xs, Xt), kernel, gamma)
    parameters: dict[str, Any] = {
        "kernel": kernel,
        "gamma": gamma,
        "degree": degree,
        "coef0": coef0,
    }
    within = [_mean_within(X, biased, **parameters) for X in (Xs, Xt)]
    between = kernel_matrix(Xs, Xt, **parameters).mean(dtype=np.float64)
    return float(sum(within) - 2 * between)


def _mean_within(X, biased: bool, **parameters) -> float:
    """Average the kernel over the pairs of rows of one sample."""
    n = X.shape[0]
    if not biased and n < 2:
        raise ValueError("The unbiased MMD² needs at least 2 rows in each sample; one has 1.")
    K = kernel_matrix(X, **parameters)
    if biased:
        return K.mean(dtype=np.float64)
    return (K.sum(dtype=np.float64) - np.trace(K, dtype=np.float64)) / (n * (n - 1))
