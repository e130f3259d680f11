"""Principal directions of one domain's rows, or of several domains' rows about their own means."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.decomposition import PCA

from .._arrays import dense, rounding, sum_of_squares
from .._constraints import Real
from .._parameters import parameter
from ..base import Domain
from ._affine import centred_product, row_mean
from ._eigen import column_signs

# How far chance may move means, in the methods that compare principal directions.
ALLOWANCE: Any = parameter(
    default=4.0,
    legal=Real(0),
    text="""
    The means' squared distance counts by what it exceeds this times that of two random samples from
    the same rows: so far chance may have moved them. With 0 each domain's own mean is subtracted,
    as in the paper.
    """,
)
# From here on a disagreement of subspaces is 1, rounded to two decimals.
_DISAGREEMENT = 0.995


def principal_axes(blocks, n_components: int) -> np.ndarray:
    """Find the leading principal directions of rows, each block of which is centred by itself.

    Parameters
    ----------
    blocks : sequence of ndarray or sparse array of shape (n_i, n_features)
        Rows.
    n_components : int
        How many directions.

    Returns
    -------
    axes : ndarray of shape (n_features, m)
        Orthonormal, in descending order of the variances; m < n_components where the rows vary in
        fewer directions. The entry of largest magnitude in each column is positive.
    """
    n, d = sum(X.shape[0] for X in blocks), blocks[0].shape[1]
    m = min(n_components, n - 1, d)
    if m < 1 or not any(_vary(X) for X in blocks):
        return np.empty((d, 0))
    if any(scipy.sparse.issparse(X) for X in blocks) and m < min(n, d) - 1:
        scales, axes = _sparse_axes(blocks, n, d, m)
        variances = scales**2 / (n - 1)
    else:
        # Centred in double precision before: PCA takes the mean off the sums of squares.
        X = np.concatenate([dense(X).astype(np.float64, copy=False) - row_mean(X) for X in blocks])
        pca = PCA(m, copy=False, svd_solver="covariance_eigh" if n >= d else "full").fit(X)
        variances, axes = pca.explained_variance_, pca.components_.T
    # The rows have been rounded at their own lengths, far from their mean as it may be.
    error = max(n, d) * np.finfo(float).eps * variances[0]
    error += rounding(0) ** 2 * sum(map(sum_of_squares, blocks)) / (n - 1)
    axes = axes[:, variances > error]
    return axes * column_signs(axes)


def _vary(X) -> bool:
    return bool((dense(X.max(axis=0)) > dense(X.min(axis=0))).any())


def _sparse_axes(blocks, n, d, m):
    """Return singular values and right singular vectors by products with the rows as they are."""
    means = [row_mean(X) for X in blocks]
    ends = np.cumsum([X.shape[0] for X in blocks])[:-1]

    def product(v):
        v = v.ravel()
        return np.concatenate([X @ v - mean @ v for X, mean in zip(blocks, means)])

    def transposed_product(u):
        parts = np.split(u.ravel(), ends)
        return sum(X.T @ u - mean * u.sum() for X, mean, u in zip(blocks, means, parts))

    rows = LinearOperator(
        (n, d), matvec=product, rmatvec=transposed_product, dtype=np.dtype(np.float64)
    )
    # A start of its own generator, always the same one: the result depends on the data alone.
    start = np.random.RandomState(0).standard_normal(min(n, d))
    _, scales, Vt = svds(rows, m, v0=start)
    order = np.argsort(-scales)
    return scales[order], Vt[order].T


def domain_axes(source: Domain, target: Domain, n_components) -> tuple[np.ndarray, np.ndarray]:
    """Return equally many leading principal directions of each domain.

    Parameters
    ----------
    source, target : Domain
        The domains.
    n_components : int, float or "sdm"
        How many directions, or what share of each domain's variance the other's directions are to
        keep of them; "sdm" leaves it to the subspace disagreement measure.

    Returns
    -------
    source_axes, target_axes : ndarray of shape (n_features, m)
        With m < `n_components`, and a warning, where the rows of a domain vary in fewer directions.
    """
    if n_components == "sdm":
        return _agreeing_axes(source, target)
    if isinstance(n_components, float):
        return _keeping_axes(source, target, n_components)
    Ps = _own_axes(source, "Xs", n_components)
    Pt = Ps if target is source else _own_axes(target, "Xt", n_components)
    m = min(Ps.shape[1], Pt.shape[1])
    if m < n_components:
        name = "Xs" if Ps.shape[1] == m else "Xt"
        warnings.warn(
            f"n_components={n_components}, but the rows of {name} vary in only {m} directions: "
            "that many are kept.",
            UserWarning,
            stacklevel=2,
        )
    return Ps[:, :m], Pt[:, :m]


def _own_axes(domain: Domain, name: str, n_components: int) -> np.ndarray:
    axes = principal_axes([domain.X], n_components)
    if not axes.shape[1]:
        raise ValueError(
            f"All rows of {name} are the same (n_samples={len(domain)}): they span no subspace."
        )
    return axes


def _agreeing_axes(source: Domain, target: Domain):
    """Choose the number of directions by `disagreement_dimension`, up to half of the features."""
    d = source.X.shape[1]
    if target is source:  # nothing disagrees
        Ps = _own_axes(source, "Xs", d)
        return Ps, Ps
    limit = max(1, d // 2)
    # Of sparse rows the leading directions come first and cheaply, of dense ones all at once.
    m = min(32, limit) if scipy.sparse.issparse(source.X) else limit
    while True:
        Ps, Pt = _own_axes(source, "Xs", m), _own_axes(target, "Xt", m)
        chosen = disagreement_dimension(Ps, Pt, principal_axes([source.X, target.X], m))
        if chosen is None and m < limit:
            m = min(4 * m, limit)
            continue
        chosen = chosen or min(Ps.shape[1], Pt.shape[1])
        return Ps[:, :chosen], Pt[:, :chosen]


def _keeping_axes(source: Domain, target: Domain, share: float):
    """Take the fewest directions of which the other domain's keep a share of the variance."""
    d = source.X.shape[1]
    m = min(32, d) if scipy.sparse.issparse(source.X) else d
    while True:
        Ps = _own_axes(source, "Xs", m)
        Pt = Ps if target is source else _own_axes(target, "Xt", m)
        kept = kept_shares(source.X, target.X, Ps, Pt)
        if kept.max() < share and m < d:
            m = min(4 * m, d)
            continue
        chosen = 1 + (np.argmax(kept >= share) if kept.max() >= share else np.argmax(kept))
        return Ps[:, :chosen], Pt[:, :chosen]


def kept_shares(Xs, Xt, Ps, Pt):
    """Return what share of its variance each domain keeps in both domains' first directions.

    Parameters
    ----------
    Xs, Xt : ndarray or sparse array of shape (n_i, n_features)
        Rows.
    Ps, Pt : ndarray of shape (n_features, m)
        Principal directions of each domain.

    Returns
    -------
    kept : ndarray of shape (k,)
        For 1 to k directions of each domain, projected first onto its own and then onto the other's
        ones: the share of the domain that keeps less.
    """
    k = min(Ps.shape[1], Pt.shape[1])
    squares = (Ps[:, :k].T @ Pt[:, :k]) ** 2
    kept = []
    for X, P, shared in ((Xs, Ps, squares), (Xt, Pt, squares.T)):
        mean = row_mean(X)
        total = sum_of_squares(X) / X.shape[0] - mean @ mean
        variances = np.var(centred_product(X, mean, P[:, :k]), axis=0)
        both = np.cumsum(np.cumsum(variances[:, None] * shared, axis=0), axis=1)
        kept.append(np.diag(both) / max(total, np.finfo(float).tiny))
    return np.minimum(*kept)


def means_to_match(source: Domain, target: Domain, allowance: float):
    """Return what is subtracted from each domain's rows, to match means as far as they have moved.

    Parameters
    ----------
    source, target : Domain
        The domains.
    allowance : float
        How many times the squared distance that chance gives two means does not count.

    Returns
    -------
    source_mean, target_mean : ndarray of shape (n_features,)
        The domains' means; where chance explains their distance, the mean of all rows for both.
    """
    means = row_mean(source.X), row_mean(target.X)
    n_s, n_t = len(source), len(target)
    joint = (n_s * means[0] + n_t * means[1]) / (n_s + n_t)
    squares = (sum_of_squares(source.X) + sum_of_squares(target.X)) / (n_s + n_t)
    chance = allowance * (1 / n_s + 1 / n_t) * max(squares - joint @ joint, 0)
    distance = np.sum((means[0] - means[1]) ** 2)
    share = max(0.0, 1 - chance / distance) if distance > 0 else 0.0
    return tuple(joint + share * (mean - joint) for mean in means)


def disagreement_dimension(Ps, Pt, Pst):
    """Find the smallest dimension at which both domains disagree with the joint subspace.

    The disagreement at dimension k is the mean of sin α and sin β, where α is the largest principal
    angle between the first k directions of the source and of both domains together, β that of the
    target. It is at most 1; 1 is what it rounds to with two decimals.

    Parameters
    ----------
    Ps, Pt, Pst : ndarray of shape (n_features, m)
        Orthonormal principal directions of the source, the target and both together, in descending
        order of the variances; the numbers of columns may differ.

    Returns
    -------
    k : int or None
        None where the disagreement is below 1 throughout.
    """
    products = Ps.T @ Pst, Pt.T @ Pst
    for k in range(1, min(Ps.shape[1], Pt.shape[1], Pst.shape[1]) + 1):
        cosines = [scipy.linalg.svdvals(M[:k, :k])[-1] for M in products]
        if np.mean(np.sqrt(1 - np.minimum(np.square(cosines), 1))) >= _DISAGREEMENT:
            return k
    return None
