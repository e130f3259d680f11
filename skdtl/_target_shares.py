"""The shares that the classes may have in a target without labels."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import nnls

from ._arrays import positions

__all__ = ["likely_shares", "rows_with_shares"]

# The source's shares count as much as so many labelled target rows.
PRIOR_ROWS = 3
MAX_ITER, TOLERANCE = 100, 1e-5


def likely_shares(Xs, ys, Xt, labels=None):
    """Estimate the classes' shares in the target.

    Were the shares all that differs, the target's column means would be the same mixture of the
    source's class means. Columns may also have moved for other reasons, some by much: the
    difference that a mixture leaves in each column, in units of its deviation within classes, is
    taken to be noise and an offset with a Laplace distribution, whose scale is the mean of what is
    left. The shares are the most likely ones, given that those of the source count as much as
    `PRIOR_ROWS` labelled target rows. So they stay near the source's where all columns have moved,
    or few columns tell the classes apart, and follow the means where most columns say the same.

    Parameters
    ----------
    Xs, Xt : ndarray or sparse array of shape (n_s, n_features) and (n_t, n_features)
        Rows; missing values are left out of the means.
    ys : ndarray of shape (n_s,), int
        Codes 0, 1, ... of the source's classes, each of which occurs.
    labels : ndarray of shape (n_labelled,), int, default=None
        Codes of the labelled target rows, a random choice of the target.

    Returns
    -------
    shares : ndarray of shape (n_classes,)
    """
    counts = np.bincount(ys)
    known = np.empty(0, dtype=int) if labels is None else labels
    given = np.bincount(known, minlength=len(counts))
    n_prior = PRIOR_ROWS + given.sum()
    prior = (PRIOR_ROWS * counts / len(ys) + given) / n_prior
    # The variance of a share among so many rows is at most this.
    variance = 0.25 / n_prior

    of_classes = np.array([_moments(Xs[ys == k]) for k in range(len(counts))])
    target_means, target_variances = _moments(Xt)
    means, within = of_classes[:, 0], counts / len(ys) @ of_classes[:, 1]
    scales = np.sqrt((within + target_variances) / 2)
    vary = scales > 1e-8 * (1 + np.abs(target_means))
    if not vary.any():
        return prior
    means, target_means = means[:, vary] / scales[vary], target_means[vary] / scales[vary]

    noise, shares = 1 / Xs.shape[0] + 1 / Xt.shape[0], prior
    for _ in range(MAX_ITER):
        # Laplace's absolute deviations by weighted squares.
        left = np.sqrt(noise + (target_means - shares @ means) ** 2)
        found = _in_simplex(means.T, target_means, 1 / (left.mean() * left), prior, 1 / variance)
        change, shares = np.abs(found - shares).max(), found
        if change < TOLERANCE:
            break
    return shares


def _moments(X):
    """Return the means and variances of columns, without missing values; zeros where none is."""
    if sp.issparse(X):
        X = sp.csr_array(X)
        means = np.asarray(X.mean(axis=0)).ravel()
        return means, np.asarray(X.multiply(X).mean(axis=0)).ravel() - means**2
    known = ~np.isnan(X)
    n_known = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, X, 0).sum(axis=0) / n_known
    return means, (np.where(known, X - means, 0) ** 2).sum(axis=0) / n_known


def _in_simplex(A, b, weights, prior, precision):
    """Return shares that minimise the weighted squares of A x - b and those of x - prior."""
    n, big = A.shape[1], 1e3 * np.sqrt(precision + weights.sum())
    roots = np.sqrt(weights)[:, None]
    equations = [A * roots, np.sqrt(precision) * np.eye(n), np.full((1, n), big)]
    values = [b * roots[:, 0], np.sqrt(precision) * prior, [big]]
    shares = nnls(np.concatenate(equations), np.concatenate(values))[0]
    return shares / shares.sum()


def rows_with_shares(X, y, shares):
    """Choose rows among which the classes have given shares, as many rows as there are.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    y : ndarray of shape (n,), int
        Codes 0, 1, ... of their classes.
    shares : ndarray of shape (n_classes,)
        At least two rows of each class are chosen, be its share as small as it may.

    Returns
    -------
    rows : ndarray of int
        A class that is to have more rows than it has is repeated as often as it goes into them; of
        one that is to have fewer, rows are left out evenly, along an arbitrary direction.
    """
    place, chosen = positions(X), []
    for k, share in enumerate(shares):
        rows = np.flatnonzero(y == k)
        rows = rows[np.argsort(place[rows], kind="stable")]
        wanted = max(round(share * len(y)), 2)
        chosen.append(rows[np.arange(wanted) * len(rows) // wanted])
    return np.concatenate(chosen)
