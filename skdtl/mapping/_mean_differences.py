"""Vectors and matrices whose products with rows are differences of two domains' means."""

from __future__ import annotations

import numpy as np

__all__ = ["class_mean_differences", "mean_difference"]


def mean_difference(n_source, n_target):
    """Return the vector e with eᵀ X the difference of the domains' means, source rows first.

    Parameters
    ----------
    n_source, n_target : int
        Numbers of rows.

    Returns
    -------
    e : ndarray of shape (n_source + n_target,)
        1/n_source, then -1/n_target, so that L = e eᵀ.
    """
    return np.concatenate([np.full(n_source, 1 / n_source), np.full(n_target, -1 / n_target)])


def class_mean_differences(ys, yt, n_classes):
    """Return the matrix E with Eᵀ X the differences of the domains' means of each class.

    Parameters
    ----------
    ys : ndarray of shape (n_s,), int
        Classes 0, 1, ... of the source rows.
    yt : ndarray of shape (n_t,), int
        Classes of the target rows, known or assumed; -1 for none.
    n_classes : int
        How many classes there are.

    Returns
    -------
    E : ndarray of shape (n_s + n_t, n_classes)
        Column c has 1/n_s^c for the source rows and -1/n_t^c for the target rows of class c. Of a
        class that one domain lacks, the other domain's part alone is there.
    """
    classes = np.arange(n_classes)
    source, target = ys[:, None] == classes, yt[:, None] == classes
    return np.vstack(
        [
            source / np.maximum(source.sum(axis=0), 1),
            -(target / np.maximum(target.sum(axis=0), 1)),
        ]
    )
