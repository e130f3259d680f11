"""How much labelled target rows count beside source rows, for all that train on both."""

from __future__ import annotations

import numpy as np

from ._constraints import OneOf

__all__ = ["BALANCE", "balanced_weights"]

BALANCE = OneOf("rows", "domains")


def balanced_weights(n_source: int, n_target: int, balance: str) -> np.ndarray | None:
    """Return weights of mean 1 of source rows and of the labelled target rows after them.

    Parameters
    ----------
    n_source, n_target : int
        How many rows there are of either, 1 or more.
    balance : {"rows", "domains"}
        Whether each row counts alike, or the target's rows together as much as the source's.

    Returns
    -------
    weights : ndarray of shape (n_source + n_target,) or None
        None where each row counts alike.
    """
    if balance == "rows":
        return None
    sizes = [n_source, n_target]
    return np.repeat(sum(sizes) / (2 * np.array(sizes)), sizes)
