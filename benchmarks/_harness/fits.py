"""What a method is given, how it is fitted and how its predictions are scored."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import accuracy_score, balanced_accuracy_score, root_mean_squared_error


class Failed(Exception):
    """A fit that fails is a result where its method says so by this error."""


def of_peer(fit):
    """Let another library's method fail, as a result, and print nothing."""

    def run(model, draw):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return fit(model, draw)
        except Exception as error:
            words = (str(error).splitlines() or [""])[-1]
            raise Failed(f"{type(error).__name__}: {words[:200]}") from error

    return run


@dataclass
class Draw:
    """The rows that a method is fitted to, with missing target labels, and those to predict."""

    Xs: Any
    ys: Any
    Xt: Any
    yt: Any
    X_test: Any
    y_test: Any
    source_ids: Any = None


def unlabelled(data) -> Draw:
    """Hide all labels of the target, whose rows are the ones to predict."""
    return Draw(data.Xs, data.ys, data.Xt, None, data.Xt, data.yt)


def of_each_class(y, how_many: Callable[[int], int], seed) -> np.ndarray:
    """Draw so many rows of each class as a function of their number says."""
    rng = np.random.default_rng(seed)
    classes = (np.flatnonzero(y == label) for label in np.unique(y))
    return np.concatenate(
        [rng.choice(rows, how_many(len(rows)), replace=False) for rows in classes]
    )


# -- how methods are fitted ------------------------------------------------------------------------


def pair(model, draw):
    """Fit to both domains."""
    return model.fit(draw.Xs, draw.ys, draw.Xt, draw.yt)


def stacked(model, draw):
    """Fit to one table with a column of domains, which tells several sources apart."""
    X, y = rows_of_both(draw.Xs, draw.Xt), np.concatenate([draw.ys, draw.yt])
    ids = np.ones(len(draw.ys), dtype=int) if draw.source_ids is None else draw.source_ids
    codes = np.concatenate([ids, np.full(len(draw.yt), -1)])
    return model.fit(X, y, sample_domain=codes)


def on_source(model, draw):
    """Fit any learner to the source."""
    return model.fit(draw.Xs, draw.ys)


def on_target(model, draw):
    """Fit any learner to the labelled rows of the target."""
    known = labelled(draw.yt)
    return model.fit(draw.Xt[known], draw.yt[known].tolist())


def on_both(model, draw, *, equal=False):
    """Fit any learner to the labelled rows of both domains, which may get equal total weights."""
    known = labelled(draw.yt)
    X = rows_of_both(draw.Xs, draw.Xt[known])
    y = np.concatenate([draw.ys, draw.yt[known]]).tolist()
    if not equal:
        return model.fit(X, y)
    n, n_s = len(y), len(draw.ys)
    weights = np.repeat([n / 2 / n_s, n / 2 / (n - n_s)], [n_s, n - n_s])
    return model.fit(X, y, sample_weight=weights)


with_equal_weights = partial(on_both, equal=True)


def labelled(y) -> np.ndarray:
    """Return which labels are none of the markers of a missing one."""
    y = np.asarray(y)
    if y.dtype.kind == "f":
        return ~np.isnan(y)
    return y != -1 if y.dtype.kind == "i" else np.array([label is not None for label in y])


def rows_of_both(Xs, Xt):
    """Return one table."""
    if sp.issparse(Xs):
        return sp.csr_array(sp.vstack([Xs, Xt]))
    return np.concatenate([Xs, Xt])


# -- how they are scored ---------------------------------------------------------------------------


def accuracy(model, draw):
    """Return the accuracy."""
    return {"accuracy": accuracy_score(draw.y_test, model.predict(draw.X_test))}


def balanced_accuracy(model, draw):
    """Return the mean accuracy of the classes."""
    return {"balanced accuracy": balanced_accuracy_score(draw.y_test, model.predict(draw.X_test))}


def rmse(model, draw):
    """Return the root mean squared error."""
    return {"RMSE": root_mean_squared_error(draw.y_test, np.ravel(model.predict(draw.X_test)))}
