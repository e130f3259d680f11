"""MTLF's mathematics: pairs of rows, the metric that they ask for, the source rows' weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.utils import gen_batches

__all__ = [
    "Pairs",
    "canonical_map",
    "crowding",
    "label_width",
    "learn_metric_and_weights",
    "mean_like_distance",
    "metric_step",
    "mtlf_objective",
    "nearest_voters",
    "neighbour_pairs",
    "project_to_simplex",
    "vote_factors",
    "weight_step",
]

BLOCK = 2**22  # distances that are held at once


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows that are to be near (like) or not (unlike).

    Attributes
    ----------
    first, second : ndarray of shape (n_pairs,), int
        Row numbers.
    like : ndarray of shape (n_pairs,), bool
        Whether the two labels are alike.
    share : ndarray of shape (n_pairs,)
        1 / #like for like and 1 / #unlike for unlike pairs: the two kinds have the same total.
    """

    first: np.ndarray
    second: np.ndarray
    like: np.ndarray
    share: np.ndarray

    def weights(self, row_weights):
        """Return each pair's share times its two rows' weights."""
        return self.share * row_weights[self.first] * row_weights[self.second]

    def take(self, chosen):
        """Return the pairs that a mask names."""
        first, second = self.first[chosen], self.second[chosen]
        return Pairs(first, second, self.like[chosen], self.share[chosen])


def neighbour_pairs(Z, anchors, alike, n_pairs):
    """Pair each anchor with its nearest like and its nearest unlike rows.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows.
    anchors : ndarray of shape (n_anchors,), int
        The rows that are paired with others.
    alike : callable
        ``alike(anchors)`` tells for each anchor which rows have a like label, as an array of shape
        (len(anchors), n), bool.
    n_pairs : int
        How many rows of each kind; all where there are fewer.

    Returns
    -------
    pairs : Pairs
    """
    first: dict[bool, list] = {True: [], False: []}
    second: dict[bool, list] = {True: [], False: []}
    for batch in gen_batches(len(anchors), max(1, BLOCK // len(Z))):
        some = anchors[batch]
        squares = squared_distances(Z[some], Z)
        squares[np.arange(len(some)), some] = np.inf  # no row is its own neighbour
        likes = alike(some)
        for kind in (True, False):
            candidates = np.where(likes == kind, squares, np.inf)
            k = min(n_pairs, len(Z))
            nearest = np.argpartition(candidates, k - 1, axis=1)[:, :k]
            found = np.isfinite(np.take_along_axis(candidates, nearest, axis=1))
            first[kind].append(np.repeat(some, found.sum(axis=1)))
            second[kind].append(nearest[found])
    one, other = (np.concatenate(side[True] + side[False]) for side in (first, second))
    counts = [sum(map(len, first[kind])) for kind in (True, False)]
    share = np.repeat([1 / max(count, 1) for count in counts], counts)
    return Pairs(one, other, np.repeat([True, False], counts), share)


def crowding(Z, n_source, alike, margin):
    """Return how close to target rows with other labels each source row is, relative to the mean.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Labelled rows, the source's first, then the target's.
    n_source : int
        The number of source rows.
    alike : callable
        As for `neighbour_pairs`.
    margin : float
        The squared distance from which on a target row does not matter.

    Returns
    -------
    crowding : ndarray of shape (n_s,)
        The sum of max(0, margin - d)² over the target rows with unlike labels, of mean 1; all 1
        where no source row is close to any.
    """
    total = np.zeros(n_source)
    anchors = np.arange(n_source, len(Z))
    for batch in gen_batches(len(anchors), max(1, BLOCK // len(Z))):
        some = anchors[batch]
        costs = pair_costs(squared_distances(Z[some], Z[:n_source]), False, margin)
        total += np.where(alike(some)[:, :n_source], 0, costs).sum(axis=0)
    return total / total.mean() if total.any() else np.ones(n_source)


def squared_distances(A, B):
    """Return all squared Euclidean distances between the rows of two arrays."""
    squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * (A @ B.T)
    return np.maximum(squares, 0, out=squares)


def pair_distances(Z, A, pairs):
    """Return the squared distances ||A (z_i - z_j)||² of pairs."""
    Y = Z @ A.T
    return ((Y[pairs.first] - Y[pairs.second]) ** 2).sum(axis=1)


def pair_costs(distances, like, margin):
    """Return what a pair costs: d - 1 if like, max(0, margin - d)² if unlike."""
    return np.where(like, distances - 1, np.maximum(margin - distances, 0) ** 2)


def mtlf_objective(Z, A, row_weights, initial, pairs, *, lam, beta, margin):
    """Return the objective that both steps decrease.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Labelled rows, the source's first.
    A : ndarray of shape (d, d)
        The map; distances are Euclidean after it.
    row_weights : ndarray of shape (n,)
        Weights of all rows, 1 for the target's.
    initial : ndarray of shape (n_s,)
        The source rows' initial weights.
    pairs : Pairs
        Pairs of rows of Z.
    lam, beta, margin : float
        See `MTLF`.

    Returns
    -------
    objective : float
    """
    d, n_source = Z.shape[1], len(initial)
    costs = pair_costs(pair_distances(Z, A, pairs), pairs.like, margin)
    moved = row_weights[:n_source] - initial
    return float(
        _divergence(A) / d + beta * (pairs.weights(row_weights) @ costs) + lam * np.mean(moved**2)
    )


def _divergence(A):
    """Return tr(AᵀA) - log det(AᵀA) - d, which is at least 0 and 0 for the identity."""
    return (A**2).sum() - 2 * np.linalg.slogdet(A)[1] - len(A)


def metric_step(Z, A, row_weights, pairs, *, beta, margin, max_iter=1000):
    """Minimise the objective over the map A, a problem that is convex in AᵀA, from a given A.

    Parameters
    ----------
    Z, A, row_weights, pairs, beta, margin
        As for `mtlf_objective`.
    max_iter : int, default=1000
        The largest number of L-BFGS iterations.

    Returns
    -------
    A : ndarray of shape (d, d)
    """
    d = Z.shape[1]
    weights = pairs.weights(row_weights)
    used = weights > 0
    pairs, weights = pairs.take(used), weights[used]
    rows, numbers = np.unique([pairs.first, pairs.second], return_inverse=True)
    Z = Z[rows]
    first, second = numbers.reshape(2, -1)
    unlike = ~pairs.like
    scatter = _pair_scatter(Z, Z, first[~unlike], second[~unlike], weights[~unlike])
    first, second, weights = first[unlike], second[unlike], weights[unlike]

    def value_and_gradient(entries):
        B = entries.reshape(d, d)
        sign, log_det = np.linalg.slogdet(B)
        if sign == 0:
            return np.inf, np.zeros(d * d)
        Y = Z @ B.T
        gap = np.maximum(margin - ((Y[first] - Y[second]) ** 2).sum(axis=1), 0)
        BS = B @ scatter
        value = ((B**2).sum() - 2 * log_det) / d + beta * ((BS * B).sum() + weights @ gap**2)
        repulsion = _pair_scatter(Y, Z, first, second, 2 * weights * gap)
        gradient = 2 * (B - np.linalg.inv(B).T) / d + 2 * beta * (BS - repulsion)
        return value, gradient.ravel()

    options = {"maxiter": max_iter, "ftol": 1e-13, "gtol": 1e-7 / d, "maxcor": 20}
    found = minimize(value_and_gradient, A.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(d, d)


def _pair_scatter(Y, Z, first, second, weights):
    """Return the sum over pairs of w (y_i - y_j)(z_i - z_j)ᵀ, by the Laplacian of the pairs."""
    n = len(Z)
    links = sp.csr_array((weights, (first, second)), shape=(n, n))
    links = links + links.T
    degrees = links.sum(axis=1)
    return Y.T @ (degrees[:, None] * Z - links @ Z)


def weight_step(row_weights, initial, pairs, costs, *, lam, beta, tol=1e-10, max_iter=1000):
    """Minimise the objective over the source rows' weights, with the metric held.

    The weights are non-negative and have mean 1. Pairs of a source with a target row make the
    problem a projection, which is solved exactly; pairs of two source rows add a quadratic form,
    which a sequence of projections decreases until the weights are stationary.

    Parameters
    ----------
    row_weights, initial, pairs, lam, beta
        As for `mtlf_objective`.
    costs : ndarray of shape (n_pairs,)
        What the pairs cost in the metric.
    tol : float, default=1e-10
        Ends the sequence: the largest change of a weight.
    max_iter : int, default=1000
        The largest number of projections.

    Returns
    -------
    row_weights : ndarray of shape (n,)
    """
    n, n_source = len(row_weights), len(initial)
    form = sp.csr_array((pairs.share * costs, (pairs.first, pairs.second)), shape=(n, n))
    form = beta * (form + form.T)
    linear = form[:n_source, n_source:].sum(axis=1)
    quadratic = form[:n_source, :n_source]
    ridge = 2 * lam / n_source
    # The objective's gradient is ridge (w - w0) + quadratic w + linear, and its curvature is at
    # most this, so that each projected step of this length decreases it.
    curvature = ridge + (abs(quadratic).sum(axis=1).max() if quadratic.nnz else 0.0)
    weights = row_weights[:n_source]
    for _ in range(max_iter):
        gradient = ridge * (weights - initial) + quadratic @ weights + linear
        moved = project_to_simplex(weights - gradient / curvature, n_source)
        change = np.abs(moved - weights).max()
        weights = moved
        if not quadratic.nnz or change <= tol:
            break
    return np.concatenate([weights, row_weights[n_source:]])


def project_to_simplex(point, total):
    """Return the nearest point with non-negative entries of a given sum.

    Parameters
    ----------
    point : ndarray of shape (n,)
        Any numbers.
    total : float
        The sum, positive.

    Returns
    -------
    projected : ndarray of shape (n,)
    """
    point = point - point.max()  # the projection does not change, rounding errors do
    descending = np.sort(point)[::-1]
    excess = (np.cumsum(descending) - total) / np.arange(1, len(point) + 1)
    kept = np.flatnonzero(descending > excess)[-1]
    return np.maximum(point - excess[kept], 0)


def learn_metric_and_weights(
    Z,
    initial,
    pairs,
    *,
    lam=10.0,
    beta=0.3,
    margin=2.0,
    learn="both",
    max_iter=50,
    tol=1e-6,
):
    """Alternate both steps until the objective no longer falls.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Labelled rows, the source's first, scaled so that the pairs' margin has a meaning.
    initial : ndarray of shape (n_s,)
        The source rows' initial weights, of mean 1.
    pairs : Pairs
        Pairs of rows of Z.
    lam, beta, margin, learn, max_iter, tol
        See `MTLF`.

    Returns
    -------
    A : ndarray of shape (d, d)
        The map.
    weights : ndarray of shape (n_s,)
        The source rows' weights.
    path : ndarray of shape (n_iter + 1,)
        The objective before the first and after each iteration; it never rises.
    converged : bool
        Whether it fell by no more than `tol` (relatively) in the last iteration.
    """
    n_source = len(initial)
    A = np.eye(Z.shape[1])
    weights = np.concatenate([initial, np.ones(len(Z) - n_source)])
    options = {"lam": lam, "beta": beta, "margin": margin}
    path = [mtlf_objective(Z, A, weights, initial, pairs, **options)]
    converged = beta == 0 or not len(pairs.first)  # the start is the solution
    while not converged and len(path) <= max_iter:
        if learn != "weights":
            A = metric_step(Z, A, weights, pairs, beta=beta, margin=margin)
        if learn != "metric":
            costs = pair_costs(pair_distances(Z, A, pairs), pairs.like, margin)
            weights = weight_step(weights, initial, pairs, costs, lam=lam, beta=beta)
        path.append(mtlf_objective(Z, A, weights, initial, pairs, **options))
        converged = learn != "both" or path[-2] - path[-1] <= tol * max(1, abs(path[-1]))
    return A, weights[:n_source], np.array(path), converged


def vote_factors(weights, initial):
    """Return by what the squared distances to source rows are divided; 0 bars a row from voting.

    Parameters
    ----------
    weights, initial : ndarray of shape (n_s,)
        Learnt and initial weights.

    Returns
    -------
    factors : ndarray of shape (n_s,)
        ``1 + weights - initial``, 0 where this is negative or the weight is 0.
    """
    return np.where(weights > 0, np.maximum(1 + weights - initial, 0), 0)


def mean_like_distance(Z, pairs, error=0.0):
    """Return the root of the mean squared distance of like pairs; of all where these coincide.

    What is no larger than `error` is the squared distance of rows that coincide.
    """
    squares = ((Z[pairs.first] - Z[pairs.second]) ** 2).sum(axis=1)
    for some in (squares[pairs.like], squares):
        if some.size and some.mean() > error:
            return np.sqrt(some.mean())
    return 1.0


def canonical_map(A):
    """Return the map with the same distances whose rows are orthogonal, of falling length."""
    _, lengths, rows = np.linalg.svd(A)
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return (lengths * np.where(largest < 0, -1.0, 1.0))[:, None] * rows


def nearest_voters(Y, voters, factors, n_neighbors):
    """Yield, batch by batch, the numbers of the rows that vote on others, nearest first.

    Parameters
    ----------
    Y, voters : ndarray of shapes (n, d) and (n_voting, d)
        Rows to predict and rows that vote.
    factors : ndarray of shape (n_voting,)
        By what the squared distances to these are divided.
    n_neighbors : int
        How many vote on a row, all at most.

    Yields
    ------
    nearest : ndarray of shape (n_batch, min(n_neighbors, n_voting))
    """
    k = min(n_neighbors, len(voters))
    for batch in gen_batches(len(Y), max(1, BLOCK // len(voters))):
        squares = squared_distances(Y[batch], voters) / factors
        if k == 1:
            yield squares.argmin(axis=1)[:, None]
        else:
            yield np.argpartition(squares, k - 1, axis=1)[:, :k]


def label_width(anchor_labels, labels, share, max_anchors=1000):
    """Return the difference of labels up to which a given share of pairs lies.

    Parameters
    ----------
    anchor_labels, labels : ndarray of shapes (n_anchors,) and (n,)
        Labels; the pairs are all of one with one of the other.
    share : float
        The quantile, from 0 to 1.
    max_anchors : int, default=1000
        Of more anchors so many are taken, evenly spread over the sorted labels.

    Returns
    -------
    width : float
    """
    if len(anchor_labels) > max_anchors:
        spread = np.linspace(0, len(anchor_labels) - 1, max_anchors).round().astype(int)
        anchor_labels = np.sort(anchor_labels)[spread]
    return float(np.quantile(np.abs(anchor_labels[:, None] - labels), share))
