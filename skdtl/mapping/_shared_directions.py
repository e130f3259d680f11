"""How many directions two domains have in common, told by rows that they were not found by."""

from __future__ import annotations

import numpy as np

from .._arrays import rounding

__all__ = ["shared_directions"]

# More rows of a domain are not asked: the directions of so many tell what the domains share.
MAX_ROWS = 1000
_STANDARD_ERRORS = 2.0


def shared_directions(space, n_source: int, most: int) -> int:
    """Return how many leading directions hold more than what the domains do not share.

    A direction counts by the variance that rows have along it by which it was not found, less the
    share of its own rows' variance that the domains do not have in common. As many are taken as
    have the largest sum.

    Parameters
    ----------
    space : FeatureSpace
        The rows of both domains, source first.
    n_source : int
        How many are the source's.
    most : int
        No more directions than this.

    Returns
    -------
    n_directions : int
        `most` where the domains share their directions, or the rows are too few to tell.
    """
    draw = np.random.RandomState(0).permutation  # always the same one: the data alone decide
    domains = [draw(n_source), n_source + draw(space.n_rows - n_source)]
    numbers = np.sort(np.concatenate([rows[:MAX_ROWS] for rows in domains]))
    source, target = (
        np.array_split(np.searchsorted(numbers, rows[:MAX_ROWS]), 2) for rows in domains
    )
    if min(map(len, (*source, *target))) < 2:
        return most
    K = space.gram(numbers)
    unshared = 1 - overlap(K, source, target, most)
    if unshared == 0:
        return most
    # Halves of both domains, whose directions are asked of the other halves.
    joint = [np.concatenate(pair) for pair in zip(source, target)]
    worth = []
    for half, rest in (joint, joint[::-1]):
        variances, project = _directions(K, half, most)
        worth.append(project(rest).var(axis=0) - unshared * variances)
    n = min(map(len, worth))
    sums = np.cumsum(worth[0][:n] + worth[1][:n])
    best = int(np.argmax(sums))
    return 1 + best if best < n - 1 and sums[best] > 0 else most


def overlap(K, source, target, most: int) -> float:
    """Return the share of each domain's variation that lies in directions of the other one.

    It is the geometric mean, of both domains, of the variance of rows along a domain's directions:
    the other domain's by that of own rows that these directions were not found by. What chance may
    have taken from it, two standard errors of its logarithm, is given back.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix.
    source, target : sequence of two ndarrays, int
        The numbers of the rows of two halves of each domain.
    most : int
        The number of directions.

    Returns
    -------
    share : float
        In [0, 1].
    """
    logarithm = variance = 0.0
    for own, others in ((source, target), (target, source)):
        others = np.concatenate(others)
        squares_own, squares_others = [], np.zeros(len(others))
        for half, rest in (own, own[::-1]):
            _, project = _directions(K, half, most)
            squares_own.append(_squares(project(rest)))
            squares_others += _squares(project(others)) / 2
        for sign, squares in ((-1, np.concatenate(squares_own)), (1, squares_others)):
            mean = squares.mean()
            if not mean:
                return float(sign < 0)  # own rows have no directions, or the others none of them
            logarithm += sign * np.log(mean) / 2
            variance += np.var(squares) / (4 * len(squares) * mean**2)
    return float(np.exp(min(0.0, logarithm + _STANDARD_ERRORS * np.sqrt(variance))))


def _squares(Z):
    """Return the squared distances of rows from their mean."""
    return ((Z - Z.mean(axis=0)) ** 2).sum(axis=1)


def _directions(K, rows, most):
    """Return rows' variances along their leading directions, and what projects others."""
    about = K[rows][:, rows]
    mean = about.mean(axis=0)
    centred = about - mean - mean[:, None] + mean.mean()
    squares, U = np.linalg.eigh(centred)
    squares, U = squares[::-1][:most], U[:, ::-1][:, :most]
    kept = squares > rounding(len(rows)) * max(about.diagonal().max(), 0)
    squares, U = squares[kept], U[:, kept]
    axes = (U - U.mean(axis=0)) / np.sqrt(squares)
    return squares / len(rows), lambda others: K[others][:, rows] @ axes
