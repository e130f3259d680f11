"""How many rows weights leave, and the floors below which they may not leave fewer."""

from __future__ import annotations

import numpy as np

__all__ = ["WORTH_TRYING", "effective_rows", "least_left", "tempered"]

# The fewest effective rows overall and in each class: in flattened weights, and in sharper ones
# that are tried on held-out rows, whose loss has a standard error only with so many.
FLATTENED, WORTH_TRYING = (0, 5), (50, 10)
SHARE_OF_FEW = 0.9  # is left where there are no more rows than that
LEAST_WEIGHT = 0.1
_TOL = 1e-6  # of the exponent


def effective_rows(weights) -> float:
    """Return Kish's effective sample size, the square of the sum by the sum of squares.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Non-negative weights.

    Returns
    -------
    n_effective : float
        Between 1 and n; 0 where all weights are 0.
    """
    squares = weights @ weights
    return float(weights.sum() ** 2 / squares) if squares > 0 else 0.0


def tempered(weights, share: float, codes=None, *, least=FLATTENED):
    """Bring weights to a power at which enough rows are left, and to mean 1.

    Where they leave too few, weights below `LEAST_WEIGHT` of the mean are lifted to that before:
    no estimate from some hundred rows tells a ratio of .01 from 0, and the power would take the
    difference for the largest of all.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Non-negative weights, not all 0.
    share : float
        The share of the rows that is to be left, in [0, 1], overall and in each class.
    codes : ndarray of shape (n,), int, default=None
        Each row's class, where there are classes.
    least : tuple of (int, int), default=FLATTENED
        The number of rows to be left in any case, overall and in each class.

    Returns
    -------
    weights : ndarray of shape (n,)
        Of mean 1.
    temper : float
        The exponent, the largest in [0, 1] that a bisection finds to leave enough. 0: all weights
        are 1.
    """
    weights = weights / weights.mean()
    if _is_enough(weights, share, codes, least):
        return weights, 1.0
    largest = weights.max()

    def power(exponent):
        raised = (np.maximum(weights, LEAST_WEIGHT) / largest) ** exponent
        return raised / raised.mean()

    low, high = 0.0, 1.0
    while high - low > _TOL:  # at low there is enough, at high there is not
        middle = (low + high) / 2
        enough = _is_enough(power(middle), share, codes, least)
        low, high = (middle, high) if enough else (low, middle)
    return power(low), low


def least_left(weights, codes=None) -> float:
    """Return the share of rows that is left, overall or in the class where it is the least.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Non-negative weights of mean 1.
    codes : ndarray of shape (n,), int, default=None
        Each row's class, where there are classes.

    Returns
    -------
    share : float
        In [0, 1].
    """
    return min(left / n for left, n, _ in _groups(weights, codes, FLATTENED))


def _is_enough(weights, share, codes, least) -> bool:
    """Tell whether weights of mean 1 leave enough rows overall and in each class."""
    return all(
        left >= max(share * n, min(number, SHARE_OF_FEW * n)) * (1 - 1e-9)
        for left, n, number in _groups(weights, codes, least)
    )


def _groups(weights, codes, least):
    """Yield what is left of all rows and of each class, their number, and the least number."""
    yield effective_rows(weights), len(weights), least[0]
    for code in () if codes is None else np.unique(codes):
        of_class = weights[codes == code]
        # Even weights count little where they are next to 0: a class has no more rows than its
        # share of the weight.
        left = min(effective_rows(of_class), float(of_class.sum()))
        yield left, len(of_class), least[1]
