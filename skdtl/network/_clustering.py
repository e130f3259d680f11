"""Clusters of features, some of which begin at classes that are known; functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.metrics import silhouette_score

__all__ = [
    "centers_of_classes",
    "class_means",
    "directions",
    "silhouettes",
    "spherical_clusters",
    "whitening",
]

_MOST_ROUNDS = 100
# The silhouette looks at all pairs of rows: of so many, drawn from them, at most.
_ROWS_OF_SILHOUETTE = 2000


def whitening(features: np.ndarray, y: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return the matrix W for which features @ W vary alike in all directions within classes.

    W = S^(-1/2), where S is the covariance of the rows about the means of their classes, shrunk to
    the multiple of the identity that has the same trace.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Rows.
    y : ndarray of shape (n,), int
        Codes of their classes.
    shrinkage : float
        Between 0 and 1, the identity's share of S.

    Returns
    -------
    W : ndarray of shape (d, d)
    """
    rest = features - class_means(features, y)[y]
    covariance = rest.T @ rest / len(rest)
    variance = np.trace(covariance) / len(covariance)
    shrunk = (1 - shrinkage) * covariance + shrinkage * variance * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    # Where every class is a point there is nothing to make alike, nor where a direction is empty.
    scale = np.sqrt(np.maximum(values, 1e-12 * max(values[-1], 1e-12)))
    return vectors / scale @ vectors.T


def class_means(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the means of classes whose codes are 0, 1, ... and all of which have rows."""
    return np.array([rows[y == code].mean(axis=0) for code in range(y.max() + 1)])


def directions(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def spherical_clusters(
    rows: np.ndarray, known: np.ndarray, n_new: int, n_init: int, rng: np.random.RandomState
) -> np.ndarray:
    """Cluster directions, some clusters beginning at known centres and others at rows.

    k-means by the cosine. A new centre begins at a row that is drawn with a probability that grows
    with its distance 1 - cos from the nearest centre so far, as in k-means++. Of several beginnings
    the one counts at whose end the rows are nearest to their centres. A centre without rows stays
    where it is.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Of length 1.
    known : ndarray of shape (n_known, d)
        Centres of length 1.
    n_new : int
        How many clusters begin anywhere.
    n_init : int
        How often they begin anew.
    rng : RandomState
        Draws them.

    Returns
    -------
    centers : ndarray of shape (n_known + n_new, d)
        Of length 1; the known ones first.
    """
    found: list[tuple[float, np.ndarray]] = []
    for _ in range(n_init if n_new else 1):
        centers = known
        for _ in range(n_new):
            far = np.maximum(1 - (rows @ centers.T).max(axis=1), 0) + 1e-12
            drawn = rng.choice(len(rows), p=far / far.sum())
            centers = np.concatenate([centers, rows[[drawn]]])
        nearest: np.ndarray | None = None
        for _ in range(_MOST_ROUNDS):
            last, nearest = nearest, (rows @ centers.T).argmax(axis=1)
            if last is not None and np.array_equal(last, nearest):
                break
            sums = np.zeros_like(centers)
            np.add.at(sums, nearest, rows)
            filled = np.linalg.norm(sums, axis=1) > 0
            centers = np.where(filled[:, None], directions(sums), centers)
        found.append(((rows @ centers.T).max(axis=1).sum(), centers))
    return max(found, key=lambda pair: pair[0])[1]


def centers_of_classes(
    of_source: np.ndarray,
    y: np.ndarray,
    of_target: np.ndarray,
    numbers: Iterable[int],
    shrinkage: float,
    n_init: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Cluster the target's rows, beginning at the source's classes and at so many novel ones.

    Parameters
    ----------
    of_source : ndarray of shape (n_s, d)
        The source's features.
    y : ndarray of shape (n_s,), int
        Codes of their classes.
    of_target : ndarray of shape (n_t, d)
        The target's features.
    numbers : iterable of int
        Numbers of novel classes.
    shrinkage : float
        As in `whitening`.
    n_init : int
        As in `spherical_clusters`.
    seed : int
        Draws the beginnings, alike for all numbers.

    Returns
    -------
    W : ndarray of shape (d, d)
        Whitens features.
    rows : ndarray of shape (n_t, d)
        The target's whitened features, of length 1.
    candidates : list of ndarray of shape (n_classes, d)
        The centres for each number, the source's classes first.
    """
    W = whitening(of_source, y, shrinkage)
    known = directions(class_means(directions(of_source @ W), y))
    rows = directions(of_target @ W)
    candidates = [
        spherical_clusters(rows, known, n, n_init, np.random.RandomState(seed)) for n in numbers
    ]
    return W, rows, candidates


def silhouettes(rows: np.ndarray, candidates: list[np.ndarray], seed: int) -> np.ndarray:
    """Return the mean silhouette, by the cosine, of the clusters around each of some centres.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Of length 1.
    candidates : list of ndarray of shape (n_clusters, d)
        Centres.
    seed : int
        Draws the rows that are looked at, where there are many.

    Returns
    -------
    scores : ndarray of shape (n_candidates,)
        -1 where all rows, or none, share a cluster, so that there is no silhouette.
    """
    if len(rows) > _ROWS_OF_SILHOUETTE:
        rows = rows[np.random.RandomState(seed).permutation(len(rows))[:_ROWS_OF_SILHOUETTE]]
    scores = np.full(len(candidates), -1.0)
    for k, centers in enumerate(candidates):
        nearest = (rows @ centers.T).argmax(axis=1)
        if 1 < len(np.unique(nearest)) < len(rows):
            scores[k] = silhouette_score(rows, nearest, metric="cosine")
    return scores
