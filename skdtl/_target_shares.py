"""The shares that the classes may have in a target without labels."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import nnls

from ._arrays import positions, spread_rows

__all__ = ["likely_shares", "rows_with_shares"]

# The source's shares count as much as so many labelled target rows.
PRIOR_ROWS = 1
MAX_ITER, TOLERANCE = 100, 1e-5
MAX_ROWS = 1000


def likely_shares(Xs, ys, Xt, labels=None):
    """Estimate the classes' shares in the target.

    Were the shares all that differs, the target's column means would be the same mixture of the
    source's class means. Columns may also have moved for other reasons, some by much: the
    difference that a mixture leaves in each column, in units of its deviation within classes, is
    taken to be noise and an offset with a Laplace distribution, whose scale is the mean of what is
    left. The likeliest shares follow the means where most columns say the same, and take a column
    that was measured otherwise for an outlier.

    With many classes, or few columns, some mixture explains much of any difference. So the change
    of the shares is shrunk by max(0, 1 - k / G), as James and Stein's estimator has it, with k the
    number of free shares and G twice the gain of the logarithmic likelihood, about k by chance.
    Columns that repeat each other are not counted anew: their number is that of the effective
    dimensions, (sum λ)² / sum λ², of the correlations within classes.

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
    n_prior = PRIOR_ROWS + len(known)
    given = np.bincount(known, minlength=len(counts))
    prior = (PRIOR_ROWS * counts / len(ys) + given) / n_prior
    # Of shares among so many rows; a class that they lack may still be there.
    variances = np.maximum(prior * (1 - prior), 1 / (4 * n_prior)) / n_prior

    of_classes = np.array([_moments(Xs[ys == k]) for k in range(len(counts))])
    target_means, target_variances = _moments(Xt)
    means, within = of_classes[:, 0], counts / len(ys) @ of_classes[:, 1]
    scales = np.sqrt((within + target_variances) / 2)
    vary = scales > 1e-8 * (1 + np.abs(target_means))
    if not vary.any():
        return prior
    n_dimensions = _effective_dimensions(Xs, ys, means, np.sqrt(within))
    means, target_means = means[:, vary] / scales[vary], target_means[vary] / scales[vary]
    noise = 1 / Xs.shape[0] + 1 / Xt.shape[0]

    def left_by(shares):
        return np.sqrt(noise + (target_means - shares @ means) ** 2)

    shares = prior
    for _ in range(MAX_ITER):
        left = left_by(shares)
        # Laplace's absolute deviations by weighted squares.
        found = _in_simplex(means.T, target_means, 1 / (left.mean() * left), prior, variances)
        change, shares = np.abs(found - shares).max(), found
        if change < TOLERANCE:
            break
    gain = 2 * n_dimensions * np.log(left_by(prior).mean() / left_by(shares).mean())
    n_free = len(counts) - 1
    return prior + (1 - n_free / max(gain, n_free)) * (shares - prior)


def _effective_dimensions(X, y, means, deviations) -> float:
    """Return (sum λ)² / sum λ² of the correlations between columns within classes."""
    vary = deviations > 1e-8 * (1 + np.abs(means).max(axis=0))
    if not vary.any():
        return 0.0
    rows = spread_rows(X, MAX_ROWS)
    X, y, means = X[rows][:, vary], y[rows], means[:, vary] / deviations[vary]
    if sp.issparse(X):
        # Products of rows less their classes' means, without making any of them dense.
        X = X @ sp.diags_array(1 / deviations[vary])
        mixed, between = (X @ means.T)[:, y], (means @ means.T)[y][:, y]
        products = (X @ X.T).toarray() - mixed - mixed.T + between
    else:
        X = X / deviations[vary] - means[y]
        X = np.where(np.isnan(X), 0, X)
        products = X @ X.T if X.shape[1] > X.shape[0] else X.T @ X
    return float(np.trace(products) ** 2 / np.sum(products**2))


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


def _in_simplex(A, b, weights, prior, variances):
    """Return shares that minimise the weighted squares of A x - b and those of x - prior."""
    roots, precise = np.sqrt(weights)[:, None], 1 / np.sqrt(variances)
    big = 1e3 * np.sqrt(weights.sum() + (precise**2).max())
    equations = [A * roots, np.diag(precise), np.full((1, len(prior)), big)]
    values = [b * roots[:, 0], precise * prior, [big]]
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
