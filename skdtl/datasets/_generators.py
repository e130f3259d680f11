"""Small made-up tasks, each with one kind of shift, to see which method copes with which."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._typing import Seed


def _covariate(rng, n, is_target):
    """Rows lie elsewhere on one curved border between the classes."""
    X = rng.standard_normal((n, 2))
    X[:, 0] += 1 if is_target else -1
    return X, (X[:, 1] > X[:, 0] ** 2 / 2 - 1).astype(int)


def _measurement(rng, n, is_target):
    """The target's instrument adds a constant to each feature and stretches it."""
    y = rng.randint(2, size=n)
    X = rng.standard_normal((n, 4))
    X[:, 0] += 3 * y - 1.5
    return (1.5 * X + [3, -3, 3, -3] if is_target else X), y


def _concept(rng, n, is_target):
    """In one half of the space the source's labels are the opposite of the target's."""
    X = rng.standard_normal((n, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    return X, (y if is_target else np.where(X[:, 2] > 0, 1 - y, y))


def _spurious(rng, n, is_target):
    """A feature that tells the class in the source is noise in the target."""
    y = rng.randint(2, size=n)
    X = rng.standard_normal((n, 4))
    X[:, 0] += 2 * y - 1
    shown = rng.randint(2, size=n) if is_target else y
    X[:, 1] += 4 * shown - 2
    return X, y


_SHIFTS = {
    "covariate": _covariate,
    "measurement": _measurement,
    "concept": _concept,
    "spurious": _spurious,
}


def make_shifted_classification(
    shift: str = "covariate", n_source: int = 500, n_target: int = 500, *, random_state: Seed = None
) -> Bunch:
    """Make two domains of a binary task between which one thing has changed.

    Use it to learn what a method can and cannot repair. It says nothing about real data, where
    several things change at once.

    Parameters
    ----------
    shift : {"covariate", "measurement", "concept", "spurious"}, default="covariate"
        What has changed. "covariate": where the rows lie along one curved border between the
        classes. "measurement": the target's features are stretched and moved. "concept": half
        of the source's rows have the opposite label. "spurious": one feature that tells the
        class in the source is noise in the target.
    n_source, n_target : int, default=500
        How many rows, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines the rows.

    Returns
    -------
    data : Bunch
        Xs (n_source, n_features), ys (n_source,), Xt (n_target, n_features), yt (n_target,), with
        labels 0 and 1, and 2 features for "covariate", else 4; DESCR.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdtl.datasets import make_shifted_classification
    >>> data = make_shifted_classification("measurement", random_state=0)
    >>> model = LogisticRegression().fit(data.Xs, data.ys)
    >>> print(f"{model.score(data.Xs, data.ys):.2f} {model.score(data.Xt, data.yt):.2f}")
    0.94 0.66
    """
    if shift not in _SHIFTS:
        raise ValueError(f"shift must be one of {list(_SHIFTS)}, got {shift!r}")
    rng = check_random_state(random_state)
    Xs, ys = _SHIFTS[shift](rng, n_source, False)
    Xt, yt = _SHIFTS[shift](rng, n_target, True)
    return Bunch(Xs=Xs, ys=ys, Xt=Xt, yt=yt, DESCR=_SHIFTS[shift].__doc__)
