"""Labels: how a missing one is marked, and the codes and floats that training has for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

__all__ = [
    "Labels",
    "encode_classes",
    "encode_numbers",
    "has_label",
    "is_missing_label",
    "label_column",
    "no_labels",
    "one_class_message",
    "read_labels",
    "tidy_labels",
    "whole_numbers",
]


def is_missing_label(y) -> np.ndarray:
    """Tell which labels are missing: NaN, None or pandas.NA.

    The integer -1 can also mark a missing label, but only a fitting estimator can tell, since it
    does so only where -1 is no class of the source; it isn't counted here.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type.

    Returns
    -------
    missing : ndarray of shape (n_samples,), bool

    Examples
    --------
    >>> from skdtl.domains import is_missing_label
    >>> is_missing_label(["ill", None, "well"]).tolist()
    [False, True, False]
    """
    y = np.asarray(y)
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype.kind == "O":
        return np.fromiter((_is_missing(value) for value in y.ravel()), bool, y.size).reshape(
            y.shape
        )
    return np.zeros(y.shape, dtype=bool)


def _is_missing(value) -> bool:
    # pandas.NA is known by its type's name: pandas need not be installed.
    return (
        value is None
        or type(value).__name__ == "NAType"
        or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))
    )


def label_column(y, name: str) -> np.ndarray:
    """Return labels as a 1-d array; object arrays keep their missing markers."""
    if sp.issparse(y):
        raise TypeError(f"{name} is a sparse matrix; labels are a dense 1-d array.")
    if not hasattr(y, "dtype"):
        # np.asarray would turn ["ill", None] into objects (good) but [0, None] too, and
        # ["ill", nan] into strings (bad): only plain lists need this care.
        y = list(y) if np.iterable(y) and not isinstance(y, (str, bytes)) else y
        if isinstance(y, list) and any(_is_missing(value) for value in y):
            y = np.array(y, dtype=object)
    return column_or_1d(y, dtype=None, warn=True)


def tidy_labels(y: np.ndarray) -> np.ndarray:
    """Give labels without missing entries the plain dtype of their values.

    An object array of ints becomes an int array; strings stay objects, as scikit-learn has them.
    """
    if y.dtype.kind != "O" or any(isinstance(value, str) for value in y):
        return y
    plain = np.array(y.tolist()) if len(y) else y
    return plain if plain.ndim == 1 and plain.dtype.kind in "biuf" else y


def read_labels(y, name: str, rows: str, n_rows: int) -> np.ndarray | None:
    """Return the caller's labels as a 1-d array as long as their rows; None for None."""
    if y is None:
        return None
    y = label_column(y, name)
    if len(y) != n_rows:
        raise ValueError(f"{rows} has {n_rows} rows, but {name} has {len(y)} labels.")
    return y


def whole_numbers(y: np.ndarray) -> np.ndarray:
    """Return floats as integers where all of them are integers."""
    with np.errstate(invalid="ignore"):
        integers = y.astype(int)
    return integers if np.array_equal(integers, y) else y


class Labels(NamedTuple):
    """What training has of the labels of both sides.

    Attributes
    ----------
    source, target : ndarray of shape (n,) or None
        Codes into the classes, -1 where a row has no label, or float64, NaN where it has none.
        None where nothing is known of a side.
    classes : ndarray of shape (n_classes,) or None
        The classes that are predicted on the target.
    source_classes : ndarray of shape (n_source_classes,) or None
        The source's, which `classes` are unless the target has new ones.
    """

    source: np.ndarray | None
    target: np.ndarray | None
    classes: np.ndarray | None = None
    source_classes: np.ndarray | None = None


def has_label(y: np.ndarray) -> np.ndarray:
    """Tell which rows have a label, by their codes or floats."""
    return y >= 0 if y.dtype.kind == "i" else ~np.isnan(y)


def no_labels(n_rows: int, like: np.ndarray) -> np.ndarray:
    """Return the codes or floats of rows that have no label, of the same kind as others."""
    return np.full(n_rows, -1 if like.dtype.kind == "i" else np.nan, like.dtype)


def encode_numbers(ys, yt) -> Labels:
    """Return a regressor's labels as floats.

    Parameters
    ----------
    ys, yt : ndarray of shapes (n_s,) and (n_t,), or None
        The caller's labels.

    Returns
    -------
    labels : Labels

    Raises
    ------
    ValueError
        For a label that is no finite number, and for a missing one of the source.
    """
    if ys is not None:
        _refuse_missing(ys, is_missing_label(ys))
    ys, yt = (
        None if y is None else _finite_floats(y, name) for y, name in ((ys, "ys"), (yt, "yt"))
    )
    return Labels(ys, yt)


def _finite_floats(y: np.ndarray, name: str) -> np.ndarray:
    gone = is_missing_label(y)
    values = np.full(len(y), np.nan)
    try:
        values[~gone] = y[~gone].astype(np.float64)
    except (TypeError, ValueError):
        kinds = sorted({type(label).__name__ for label in y[~gone].tolist()})
        raise ValueError(
            f"{name} must hold numbers for a regressor, but it holds {', '.join(kinds)}."
        ) from None
    if np.isinf(values).any():
        raise ValueError(f"Input {name} contains infinity or a value too large for float64.")
    return values


def encode_classes(ys, yt, name: str, *, new_classes=False, classes=None) -> Labels:
    """Return a classifier's labels as codes, and the classes.

    Parameters
    ----------
    ys, yt : ndarray of shapes (n_s,) and (n_t,), or None
        The caller's labels.
    name : str
        The classifier's, for errors.
    new_classes : bool, default=False
        Whether the target may have classes that the source lacks.
    classes : ndarray of shape (n_classes,), default=None
        The source's classes where they are known beforehand.

    Returns
    -------
    labels : Labels

    Raises
    ------
    ValueError, TypeError
        For labels that are no classes, a missing one of the source, a class of the target that the
        source lacks, less than two classes.
    """
    of_source = None
    known_by = "ys" if classes is None else "classes"
    if ys is not None:
        _refuse_missing(ys, is_missing_label(ys))
        of_source, ys = _unique_classes(tidy_labels(ys), "ys")
        if classes is not None:
            of_source, ys = classes, _codes(of_source, classes, "ys", known_by)[ys]
        if len(of_source) < 2:
            raise ValueError(one_class_message("ys", of_source, name))
    if yt is None:
        return Labels(ys, None, of_source, of_source)

    gone = is_missing_label(yt)
    there = tidy_labels(yt[~gone])
    minus_one = there == -1 if there.dtype.kind in "if" else np.zeros(len(there), dtype=bool)
    if minus_one.any() and (of_source is None or -1 not in of_source.tolist()):
        if new_classes:
            raise ValueError(
                f"yt holds -1, which is no class of ys. {name} allows classes in yt that ys "
                "lacks, so -1 could be a class or mark a missing label: mark missing labels "
                "with NaN or None."
            )
        gone[~gone] = minus_one
        there = there[~minus_one]
    codes = np.full(len(yt), -1)
    if not len(there):
        return Labels(ys, codes, of_source, of_source)
    present, inverse = _unique_classes(there, "yt")
    if of_source is not None and (
        not new_classes or set(present.tolist()) <= set(of_source.tolist())
    ):
        codes[~gone] = _codes(present, of_source, "yt", known_by)[inverse]
        return Labels(ys, codes, of_source, of_source)
    if len(present) < 2:
        raise ValueError(one_class_message("yt", present, name))
    codes[~gone] = inverse
    return Labels(ys, codes, present, of_source)


def _refuse_missing(ys, gone) -> None:
    if gone.any():
        raise ValueError(
            f"Input ys contains NaN: {gone.sum()} of {len(gone)} source rows have no label, but "
            "every source row needs one."
        )


def _unique_classes(y: np.ndarray, name: str):
    """Return the classes among labels that are all there, and each label's position in them."""
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
        kinds = sorted({type(label).__name__ for label in y})
        raise TypeError(f"{name} mixes labels of the types {', '.join(kinds)}.")
    check_classification_targets(y)
    return np.unique(y, return_inverse=True)


def _codes(present, classes, name: str, known_by: str) -> np.ndarray:
    """Return the positions of some classes among the known ones."""
    code = {label: k for k, label in enumerate(classes.tolist())}
    unknown = [label for label in present.tolist() if label not in code]
    if unknown:
        raise ValueError(
            f"{name} has the classes {unknown[:10]}, but {known_by} has only "
            f"{classes.tolist()[:10]}."
        )
    return np.array([code[label] for label in present.tolist()])


def one_class_message(labels: str, classes: np.ndarray, name: str) -> str:
    """Return what to tell a caller whose labels are all of one class."""
    return f"{labels} has 1 class ({classes.tolist()[0]!r}), but {name} needs at least 2 classes."
