"""Evidence that the classes have other shares in the target than in the source."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.stats

# A smaller difference of the shares (half of the sum of the absolute differences) harms little.
MIN_DIFFERENCE = 0.15
# How often either test may speak without a reason.
LEVEL = 1e-3
# Estimated shares may be out of [0, 1] by so much.
TOLERANCE = 0.2
# The target's variances may differ by about a fifth from those of the mixture, beyond chance.
MAX_STRETCH = 0.2

_MAX_ROWS, _MAX_DIRECTIONS = 1000, 30


def difference(first, second) -> float:
    """Return the total variation distance of two vectors of shares."""
    return float(np.abs(np.asarray(first) - np.asarray(second)).sum() / 2)


def counts_differ(first, second) -> bool:
    """Tell whether two samples of labels differ significantly, and by much.

    Parameters
    ----------
    first, second : ndarray of shape (n_classes,), int
        How many rows each class has.

    Returns
    -------
    differ : bool
        Fisher's exact test of a class against all others is significant for one of them, by
        Bonferroni's bound.
    """
    sizes = first.sum(), second.sum()
    if difference(first / sizes[0], second / sizes[1]) < MIN_DIFFERENCE:
        return False
    tables = ([[a, sizes[0] - a], [b, sizes[1] - b]] for a, b in zip(first, second))
    return bool(min(scipy.stats.fisher_exact(t)[1] for t in tables) < LEVEL / len(first))


def shares_behind_means(Xs, ys, Xt):
    """Find the class shares that explain why the columns' means differ between two domains.

    If the classes look alike in both domains and only their shares differ, the difference of the
    means is a mixture of the classes' means. So the difference, in units of the variance within
    the classes, is regressed on those of the classes' means. That this explains more of it than of
    a random direction is an ordinary F test. It does not see that columns were stretched, which
    moves the means along themselves; the variances do, since those of a mixture are known.

    Parameters
    ----------
    Xs, Xt : ndarray or sparse array of shape (n_s, n_features) and (n_t, n_features)
        Rows; columns that hold NaN are left out.
    ys : ndarray of shape (n_s,), int
        Codes 0, 1, ... of the source's classes.

    Returns
    -------
    shares : ndarray of shape (n_classes,) or None
        Of the target, possibly outside [0, 1]. None where there are too few rows, or hardly more
        columns than classes, to tell, and for sparse rows.
    p_value : float
        Of the F test.
    stretch : float
        By how much the target's variances differ from those of the mixture: the median, over
        directions, of the absolute logarithm of their ratio.
    """
    if sp.issparse(Xs) or sp.issparse(Xt):
        return None, 1.0, 0.0
    counts = np.bincount(ys)
    n_classes, known = len(counts), counts / len(ys)
    columns = ~(np.isnan(Xs).any(axis=0) | np.isnan(Xt).any(axis=0))
    Xs, Xt = (X[:, columns].astype(float) for X in (Xs, Xt))
    means = np.array([Xs[ys == k].mean(axis=0) for k in range(n_classes)])
    # Every so many-th row: rows may be sorted.
    some = slice(None, None, -(-len(ys) // _MAX_ROWS))
    within = Xs[some] - means[ys[some]]
    freedom = len(within) - n_classes
    if freedom < 1 or not within.size:
        return None, 1.0, 0.0
    spread = np.sqrt(np.sum(within**2, axis=0) / freedom)
    varies = spread > 1e-10 * np.abs(Xs).max(axis=0)
    within = within[:, varies] / spread[varies]
    directions = _whitening(within, freedom)
    if directions.shape[1] < n_classes + 2:
        return None, 1.0, 0.0
    means, rows = (X[:, varies] / spread[varies] @ directions for X in (means, Xt))
    gap, mixtures = rows.mean(axis=0) - known @ means, (means[1:] - means[0]).T
    change = np.linalg.lstsq(mixtures, gap, rcond=None)[0]
    explained, rest = np.sum((mixtures @ change) ** 2), np.sum((gap - mixtures @ change) ** 2)
    free = n_classes - 1, len(gap) - n_classes + 1
    ratio = explained / free[0] / max(rest / free[1], np.finfo(float).tiny)
    shares = known + np.concatenate([[-change.sum()], change])
    legal = legal_shares(shares)
    expected = 1 + legal @ means**2 - (legal @ means) ** 2
    with np.errstate(divide="ignore"):
        stretch = np.median(np.abs(np.log(rows.var(axis=0) / expected)))
    return shares, float(scipy.stats.f.sf(ratio, *free)), float(stretch)


def legal_shares(shares):
    """Return shares without negative ones, with the sum 1."""
    shares = np.maximum(shares, 0)
    return shares / shares.sum()


def _whitening(within, freedom):
    """Return directions in which residuals have variance 1, the widest ones, as columns."""
    n_rows, n_columns = within.shape
    in_rows = n_columns > n_rows
    values, vectors = np.linalg.eigh(within @ within.T if in_rows else within.T @ within)
    values, vectors = values[::-1], vectors[:, ::-1]
    # Nearly dependent columns, those of one category say, have directions without any variance.
    wide = int(np.sum(values > 1e-3 * freedom))
    kept = slice(min(wide, _MAX_DIRECTIONS, freedom // 5))
    values, vectors = values[kept], vectors[:, kept]
    if in_rows:
        vectors = within.T @ vectors / np.sqrt(values)
    return vectors * np.sqrt(freedom / values)


def other_shares(Xs, ys, Xt, labels=None):
    """Return the target's class shares where there is evidence that they are others.

    Parameters
    ----------
    Xs, ys, Xt
        As `shares_behind_means` has them.
    labels : ndarray of shape (n_labelled,), int, default=None
        Codes of the target's labelled rows.

    Returns
    -------
    shares : ndarray of shape (n_classes,) or None
        None without evidence.
    """
    counts = np.bincount(ys)
    if labels is not None and len(labels):
        given = np.bincount(labels, minlength=len(counts))
        # Equally many of each class, one more or less: so chooses who labels rows by class.
        if np.ptp(given) > 1 and counts_differ(counts, given):
            return given / given.sum()
    shares, p_value, stretch = shares_behind_means(Xs, ys, Xt)
    if (
        shares is None
        or p_value > LEVEL
        or stretch > MAX_STRETCH + Xt.shape[0] ** -0.5
        or shares.min() < -TOLERANCE
        or difference(shares, counts / counts.sum()) < MIN_DIFFERENCE
    ):
        return None
    return legal_shares(shares)
