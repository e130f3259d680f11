"""What is random in ensembles: seeds of learners, folds, drawn rows."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from .._arrays import positions

__all__ = ["MAX_SEED", "deal_folds", "draw_rows", "even_folds", "fixed_order", "seeded_clone"]

MAX_SEED = np.iinfo(np.int32).max


def seeded_clone(estimator, rng):
    """Clone an estimator and give each of its ``random_state`` parameters a fresh seed.

    Parameters
    ----------
    estimator : estimator object
        Left as it is.
    rng : numpy.random.RandomState
        Drawn from once for each such parameter.

    Returns
    -------
    seeded : estimator object
    """
    seeded = clone(estimator)
    seeds = {
        name: rng.randint(MAX_SEED)
        for name in sorted(seeded.get_params(deep=True))
        if name == "random_state" or name.endswith("__random_state")
    }
    return seeded.set_params(**seeds) if seeds else seeded


def deal_folds(y, n_folds, rng):
    """Deal rows out to folds of equal sizes, in each of which all labels are represented.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes or numbers, by which the shuffled rows are sorted before they are dealt out.
    n_folds : int
        The number of folds; as many as there are rows if these are fewer.
    rng : numpy.random.RandomState
        Source of randomness.

    Returns
    -------
    fold : ndarray of shape (n,), int
        Each row's fold.
    """
    shuffled = rng.permutation(len(y))
    fold = np.empty(len(y), dtype=int)
    fold[shuffled[np.argsort(y[shuffled], kind="stable")]] = np.arange(len(y)) % n_folds
    return fold


def even_folds(X, y, n_folds):
    """Deal rows out to folds in each of which all labels are represented, without any chance.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows; NaN counts as 0. They decide between equal labels.
    y : ndarray of shape (n,) or None
        Classes or numbers, by which the rows are sorted before they are dealt out.
    n_folds : int
        The number of folds; as many as there are rows if these are fewer.

    Returns
    -------
    fold : ndarray of shape (n,), int
        Each row's fold, whatever order the rows come in.
    """
    places = positions(X)
    codes = np.zeros(len(places)) if y is None else np.unique(y, return_inverse=True)[1]
    fold = np.empty(len(places), dtype=int)
    fold[np.lexsort((places, codes))] = np.arange(len(places)) % n_folds
    return fold


def fixed_order(X, y):
    """Return an order of rows that depends on the rows and not on how they were given.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows; NaN counts as 0.
    y : ndarray of shape (n,)
        Labels, which decide between equal rows.

    Returns
    -------
    order : ndarray of shape (n,), int
        Along an arbitrary but fixed direction.
    """
    return np.lexsort((y, positions(X)))


def draw_rows(weights, y, rng):
    """Draw as many rows as there are, with replacement and by weight.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Non-negative weights.
    y : ndarray of shape (n,) or None
        Classes: one row of each is drawn first, so that no class is lost.
    rng : numpy.random.RandomState
        Source of randomness.

    Returns
    -------
    rows : ndarray of shape (n,), int
    """
    rows = rng.choice(len(weights), size=len(weights), p=weights / weights.sum())
    if y is not None:
        for k, label in enumerate(np.unique(y)):
            members = np.flatnonzero(y == label)
            share = weights[members]
            share = share / share.sum() if share.sum() > 0 else None
            rows[k] = rng.choice(members, p=share)
    return rows
