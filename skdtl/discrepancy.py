"""How far two samples are apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from ._arrays import join_rows
from .kernels import kernel_gamma, kernel_matrix

__all__ = ["mmd2", "proxy_a_distance"]

# Kernel values that are held at a time: 32 MB in double precision.
_BLOCK = 2**22


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

    Notes
    -----
    The kernel is evaluated for a block of pairs at a time, a callable one, too. Time grows with the
    number of pairs, memory does not.

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
        gamma = kernel_gamma(join_rows(Xs, Xt), kernel, gamma)
    parameters: dict[str, Any] = {
        "kernel": kernel,
        "gamma": gamma,
        "degree": degree,
        "coef0": coef0,
    }
    within = [_mean_within(X, biased, **parameters) for X in (Xs, Xt)]
    between = _sums(Xs, Xt, **parameters)[0] / (Xs.shape[0] * Xt.shape[0])
    return float(sum(within) - 2 * between)


def _mean_within(X, biased: bool, **parameters) -> float:
    """Average the kernel over the pairs of rows of one sample."""
    n = X.shape[0]
    if not biased and n < 2:
        raise ValueError("The unbiased MMD² needs at least 2 rows in each sample; one has 1.")
    total, trace = _sums(X, X, **parameters)
    return total / n**2 if biased else (total - trace) / (n * (n - 1))


def _sums(X, Y, **parameters) -> tuple[float, float]:
    """Return the sum of the kernel over all pairs, and over those of rows of the same number."""
    total = trace = 0.0
    # In blocks: for twenty thousand rows the whole matrix would take 3 GB.
    for rows in gen_batches(X.shape[0], max(1, _BLOCK // Y.shape[0])):
        # A kernel may be exact on the diagonal where it knows that both rows are one.
        both = X if rows == slice(0, X.shape[0]) else X[rows]
        K = kernel_matrix(both, Y, **parameters)
        total += K.sum(dtype=np.float64)
        trace += np.trace(K, offset=rows.start, dtype=np.float64)
    return total, trace


def proxy_a_distance(Xs, Xt, *, cv: int = 5, random_state=None) -> float:
    """Measure how well a linear classifier tells two samples apart.

    The proxy of the A-distance is 2 (1 - 2 err), with err the classifier's error on rows that it
    was not trained on: 2 where it tells every row's sample, 0 where it does no better than by
    chance. It has the same range whatever the number of columns and their scales. A linear
    classifier sees little but differences of means: of two samples around one mean with different
    spreads it tells nothing.

    It may be negative, by chance, and clearly so where the means of these very rows were made to
    agree: what the rows of one fold have too much of, the others have too little of.

    Parameters
    ----------
    Xs : ndarray or sparse array of shape (n_s, n_features)
        One sample, at least 2 rows.
    Xt : ndarray or sparse array of shape (n_t, n_features)
        The other sample, at least 2 rows.
    cv : int, default=5
        Into how many folds the rows are split, 2 or more; fewer where a sample has fewer rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the rows' order before they are split.

    Returns
    -------
    distance : float
        At most 2.

    Raises
    ------
    ValueError
        For a sample with fewer than two rows.

    Notes
    -----
    The classifier is a logistic regression with scikit-learn's default penalty on columns of
    variance 1. Both samples weigh the same however many rows they have: in training, and in the
    error, which is the mean of both samples' shares of misclassified rows.

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, F. Pereira, "Analysis of representations for domain
    adaptation", Advances in Neural Information Processing Systems 19, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.discrepancy import proxy_a_distance
    >>> X = np.arange(20.0).reshape(10, 2)
    >>> proxy_a_distance(X, X + 100, random_state=0)
    2.0
    """
    n_s, n_t = Xs.shape[0], Xt.shape[0]
    if min(n_s, n_t) < 2:
        raise ValueError("The proxy A-distance needs at least 2 rows in each sample; one has 1.")
    X, from_target = join_rows(Xs, Xt), np.repeat([0, 1], [n_s, n_t])
    classifier = make_pipeline(
        StandardScaler(with_mean=not scipy.sparse.issparse(X)),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    folds = StratifiedKFold(min(cv, n_s, n_t), shuffle=True, random_state=random_state)
    wrong = cross_val_predict(classifier, X, from_target, cv=folds) != from_target
    error = (wrong[:n_s].mean() + wrong[n_s:].mean()) / 2
    return float(2 * (1 - 2 * error))
