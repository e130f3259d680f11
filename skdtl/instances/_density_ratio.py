"""How much denser the target is than the source at given rows, as functions of arrays."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.sparsefuncs import mean_variance_axis

from ._base import join_rows

__all__ = ["column_moments", "discriminator_ratio"]


def column_moments(X, weights=None):
    """Return the weighted mean and variance of each column of a dense or sparse array.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows.
    weights : ndarray of shape (n,), default=None
        Non-negative weights of the rows. None: all alike.

    Returns
    -------
    mean, variance : ndarray of shape (n_features,)
    """
    if sp.issparse(X):
        weights = None if weights is None else weights.astype(X.dtype)
        return mean_variance_axis(sp.csr_matrix(X), axis=0, weights=weights)
    mean = np.average(X, axis=0, weights=weights)
    return mean, np.average((X - mean) ** 2, axis=0, weights=weights)


def discriminator_ratio(Xs, Xt, *, feature_weights=None, alpha=0.1, C=1.0, n_folds=5):
    """Estimate the relative density ratio target / source at the source rows.

    A logistic regression learns to tell the domains apart. With its probability eta that a row
    is of the target (both domains given half of the weight), the ratio is
    ``eta / (alpha * eta + (1 - alpha) * (1 - eta))``. The rows at which it is evaluated are held
    out from its training: a discriminator of many features separates its training rows perfectly,
    and the ratio there would say nothing.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    feature_weights : ndarray of shape (n_features,), default=None
        Factors of the features after these have been brought to variance 1. None means 1.
    alpha : float, default=0.1
        The share of the target in the mixture that the target's density is divided by, in [0, 1);
        the ratio is at most ``1 / alpha``.
    C : float, default=1.0
        The inverse strength of the logistic regression's regularisation.
    n_folds : int, default=5
        The number of folds; as many as the smaller domain has rows if these are fewer.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
        Between 0 and 1 / alpha.
    """
    X = join_rows(Xs, Xt)
    from_target = np.repeat([0, 1], [Xs.shape[0], Xt.shape[0]])
    n_folds = min(n_folds, Xs.shape[0], Xt.shape[0])
    fold = _folds(X, from_target, n_folds)  # the same for all feature weights
    mean, variance = column_moments(X)
    scale = np.divide(1.0, np.sqrt(variance), out=np.zeros(X.shape[1]), where=variance > 0)
    if feature_weights is not None:
        scale = scale * feature_weights
    # Subtracting the mean would fill a sparse array; the intercept does that work.
    X = sp.csr_array(X.multiply(scale)) if sp.issparse(X) else (X - mean) * scale
    discriminator = LogisticRegression(C=C, class_weight="balanced", max_iter=1000, tol=1e-6)
    if n_folds < 2:
        logit = discriminator.fit(X, from_target).decision_function(X)
    else:
        logit = np.empty(len(from_target))
        for k in range(n_folds):
            held_out = fold == k
            discriminator.fit(X[~held_out], from_target[~held_out])
            logit[held_out] = discriminator.decision_function(X[held_out])
    eta = expit(logit[: Xs.shape[0]])
    return eta / (alpha * eta + (1 - alpha) * (1 - eta))


def _folds(X, from_target, n_folds):
    """Deal each domain's rows out to folds, whatever order they come in.

    The rows are sorted along an arbitrary but fixed direction and dealt out in turn.
    """
    position = X @ np.cos(np.arange(1.0, X.shape[1] + 1))
    fold = np.empty(len(from_target), dtype=int)
    for domain in (0, 1):
        rows = np.flatnonzero(from_target == domain)
        fold[rows[np.argsort(position[rows], kind="stable")]] = np.arange(len(rows)) % n_folds
    return fold
