"""How the rows of several domains travel in one table.

In the *stacked form* the rows of all domains stand in one X and y, and ``sample_domain`` holds a
nonzero integer for each row: positive for a source (1, 2, ... where there are several), negative
for the target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _num_samples

from ._labels import is_missing_label, label_column, tidy_labels
from ._typing import LabelsLike, RowsLike

__all__ = ["encode_domain", "is_missing_label", "split_domains", "stack"]


def check_sample_domain(sample_domain, n_rows: int) -> np.ndarray:
    """Validate domain codes.

    Parameters
    ----------
    sample_domain : array-like of shape (n_rows,)
        Nonzero integers, positive for source rows, negative for target rows.
    n_rows : int
        The number of rows that the codes describe.

    Returns
    -------
    sample_domain : ndarray of shape (n_rows,), int

    Raises
    ------
    ValueError
        Where the length is another, or a code is zero or no integer.
    """
    codes = np.asarray(sample_domain)
    if codes.ndim == 2 and codes.shape[1] == 1:
        codes = codes.ravel()
    if codes.ndim != 1 or len(codes) != n_rows:
        raise ValueError(
            f"sample_domain has shape {codes.shape}, but X has {n_rows} rows: one code a row."
        )
    try:
        with np.errstate(invalid="ignore"):  # NaN is no integer, and is named below
            integers = codes.astype(int)
        legal = bool(np.all(integers == codes)) and codes.dtype.kind in "iufO"
    except (TypeError, ValueError):
        legal = False
    if not legal or not integers.all():
        unknown = [c for c in dict.fromkeys(codes.tolist()) if not _is_domain_code(c)][:5]
        raise ValueError(
            "sample_domain must hold nonzero integers (positive: source, negative: target); "
            f"got {', '.join(map(repr, unknown))}. encode_domain makes them from any labels."
        )
    return integers


def _is_domain_code(code) -> bool:
    return (
        isinstance(code, (int, float))
        and not isinstance(code, bool)
        and code != 0
        and (code == int(code) if np.isfinite(code) else False)
    )


def encode_domain(labels: LabelsLike, target: Any, source: Any = None) -> np.ndarray:
    """Make domain codes from a column that names each row's domain.

    For a table that already holds all rows, say with a column "hospital".

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        The domain of each row, of any type.
    target : label or list of labels
        The domain or domains to adapt to. They get the codes -1, -2, ... in the order given.
    source : label or list of labels, default=None
        The source domains. They get the codes 1, 2, ... in the order given. None means every
        other label, in sorted order. With labels that are in neither an error is raised.

    Returns
    -------
    sample_domain : ndarray of shape (n_samples,), int
        The codes that ``fit(X, y, sample_domain=...)`` takes.

    Raises
    ------
    ValueError
        Where a domain that is asked for has no row, a row's domain is asked for by neither, or
        a label is missing.

    Examples
    --------
    >>> from skdtl import encode_domain
    >>> encode_domain(["basel", "zurich", "bern", "basel"], target="zurich").tolist()
    [1, -1, 2, 1]
    """
    labels = label_column(labels, "labels")
    if is_missing_label(labels).any():
        raise ValueError(
            f"labels names no domain for {is_missing_label(labels).sum()} of {len(labels)} rows."
        )
    present = set(labels.tolist())
    targets = _as_list(target)
    if source is None:
        sources = sorted(present - set(targets))
    else:
        sources = _as_list(source)
    codes = {label: -k for k, label in enumerate(targets, start=1)}
    codes.update({label: k for k, label in enumerate(sources, start=1) if label not in codes})
    for role, asked in (("target", targets), ("source", sources)):
        absent = [label for label in asked if label not in present]
        if absent:
            raise ValueError(
                f"{role}={absent[0]!r} names a domain that labels does not hold; it holds "
                f"{sorted(present, key=str)[:10]}."
            )
    both = set(targets) & set(sources)
    if both:
        raise ValueError(f"{both.pop()!r} is named as source and as target.")
    neither = present - set(codes)
    if neither:
        raise ValueError(f"labels holds {neither.pop()!r}, which is neither source nor target.")
    return np.array([codes[label] for label in labels.tolist()], dtype=int)


def _as_list(labels) -> list:
    if isinstance(labels, (list, tuple, set, np.ndarray)):
        return np.asarray(list(labels)).tolist()
    return [labels.item() if isinstance(labels, np.generic) else labels]


def stack(
    Xs: RowsLike, ys: LabelsLike, Xt: RowsLike, yt: LabelsLike = None
) -> tuple[Any, Any, np.ndarray]:
    """Put the rows of all domains in one table, as Pipeline and GridSearchCV need them.

    Parameters
    ----------
    Xs : array-like, sparse matrix or DataFrame of shape (n_s, n_features), or a list of these
        Source rows; a list (of arrays or DataFrames) for several sources. Arrays may have more
        dimensions, images for instance, for estimators that take them.
    ys : array-like of shape (n_s,), or a list of these
        Source labels.
    Xt : array-like, sparse matrix or DataFrame of shape (n_t, n_features)
        Target rows.
    yt : array-like of shape (n_t,), default=None
        Target labels; NaN, None or pandas.NA where a row has none. None: no row has one.

    Returns
    -------
    X : ndarray, sparse matrix or DataFrame of shape (n_s + n_t, n_features)
        A DataFrame if all inputs are DataFrames. Their index is kept.
    y : ndarray of shape (n_s + n_t,)
        Numbers and booleans become floats where a label is missing, with NaN as its marker, so
        that scikit-learn's scorers can read them; strings become objects with None.
    sample_domain : ndarray of shape (n_s + n_t,), int
        1, 2, ... for the sources, -1 for the target.

    See Also
    --------
    split_domains : The way back.
    encode_domain : For a table that already holds all rows.

    Examples
    --------
    >>> from skdtl import stack
    >>> X, y, sample_domain = stack([[0.0], [1.0]], [0, 1], [[5.0]])
    >>> y.tolist(), sample_domain.tolist()
    ([0.0, 1.0, nan], [1, 1, -1])
    """
    several = isinstance(Xs, (list, tuple)) and len(Xs) > 0 and _is_table(Xs[0])
    tables = list(Xs) if several else [Xs]
    labels = list(ys) if several else [ys]
    if len(tables) != len(labels):
        raise ValueError(f"Xs holds {len(tables)} sources, but ys holds {len(labels)}.")
    tables.append(Xt)
    n_rows = [_num_samples(table) for table in tables]
    columns = [label_column(column, "ys") for column in labels]
    if yt is None:
        columns.append(np.full(n_rows[-1], None, dtype=object))
    else:
        columns.append(label_column(yt, "yt"))
    names = [f"Xs[{k}]" if several else "Xs" for k in range(len(labels))] + ["Xt"]
    for name, rows, column in zip(names, n_rows, columns):
        if rows != len(column):
            raise ValueError(
                f"{name} has {rows} rows, but {name.replace('X', 'y', 1)} has {len(column)} labels."
            )
    codes = [*range(1, len(labels) + 1), -1]
    return _join_tables(tables, names), _join_labels(columns), np.repeat(codes, n_rows)


def _is_table(X) -> bool:
    return hasattr(X, "shape") and len(X.shape) >= 2


def _join_tables(tables, names):
    if all(hasattr(table, "iloc") for table in tables):
        import pandas as pd  # the caller's rows are DataFrames: it is there

        first = list(tables[0].columns)
        for name, table in zip(names, tables):
            if list(table.columns) != first:
                raise ValueError(
                    f"{name} has the columns {list(table.columns)[:10]}, but {names[0]} has "
                    f"{first[:10]}: the same columns in the same order are needed."
                )
        return pd.concat(tables)
    arrays = [table if sp.issparse(table) else np.asarray(table) for table in tables]
    for name, array in zip(names, arrays):
        if array.ndim < 2:
            raise ValueError(f"{name} has {array.ndim} dimension; rows of features are needed.")
        if array.shape[1:] != arrays[0].shape[1:]:
            if array.ndim > 2 or arrays[0].ndim > 2:
                raise ValueError(
                    f"{name} has samples of shape {array.shape[1:]}, but {names[0]} has samples of "
                    f"shape {arrays[0].shape[1:]}."
                )
            raise ValueError(
                f"{name} has {array.shape[1]} features, but {names[0]} has {arrays[0].shape[1]}."
            )
    if any(sp.issparse(array) for array in arrays):
        return sp.vstack([sp.csr_array(array) for array in arrays], format="csr")
    return np.concatenate(arrays)


def _join_labels(columns) -> np.ndarray:
    missing = [is_missing_label(column) for column in columns]
    known = np.concatenate(
        [tidy_labels(column[~gone]).astype(object) for column, gone in zip(columns, missing)]
    )
    gone = np.concatenate(missing)
    plain = tidy_labels(known)
    if not gone.any():
        return plain if plain.dtype.kind != "O" else _narrow_strings(columns, known)
    if plain.dtype.kind in "biuf":
        y = np.full(len(gone), np.nan)
    else:
        y = np.full(len(gone), None, dtype=object)
    y[~gone] = plain
    return y


def _narrow_strings(columns, known) -> np.ndarray:
    """Keep numpy's string dtype where every column has it."""
    if all(column.dtype.kind == "U" for column in columns):
        return np.concatenate(columns)
    return known


def split_domains(
    X: RowsLike, y: LabelsLike, sample_domain: ArrayLike
) -> tuple[Any, Any, Any, Any]:
    """Take a stacked table apart: the way back from `stack`.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows of all domains, in any order.
    y : array-like of shape (n_samples,)
        Their labels.
    sample_domain : array-like of shape (n_samples,), int
        Positive for source rows, negative for target rows.

    Returns
    -------
    Xs, ys : arrays of shapes (n_s, n_features) and (n_s,)
        Source rows and labels; lists of these, in the order of their codes, where there are
        several sources.
    Xt : array of shape (n_t, n_features)
        Target rows.
    yt : array of shape (n_t,) or None
        Target labels, with markers where a row has none; None where no row has one.

    Examples
    --------
    >>> from skdtl import split_domains
    >>> X = [[0.0], [5.0], [1.0]]
    >>> Xs, ys, Xt, yt = split_domains(X, [0, float("nan"), 1], [1, -1, 1])
    >>> Xs.ravel().tolist(), Xt.ravel().tolist(), yt is None
    ([0.0, 1.0], [5.0], True)
    """
    y = label_column(y, "y")
    check_consistent_length(X, y)
    codes = check_sample_domain(sample_domain, len(y))

    def rows(mask):
        if hasattr(X, "iloc"):
            return X.iloc[np.flatnonzero(mask)]
        return (X.tocsr() if sp.issparse(X) else np.asarray(X))[mask]

    sources = [codes == code for code in np.unique(codes[codes > 0])]
    if not sources or not (codes < 0).any():
        raise ValueError("sample_domain has no {} row.".format("target" if sources else "source"))
    yt = y[codes < 0]
    yt = None if is_missing_label(yt).all() else yt
    Xs = [rows(mask) for mask in sources]
    ys = [tidy_labels(y[mask]) for mask in sources]
    if len(sources) == 1:
        return Xs[0], ys[0], rows(codes < 0), yt
    return Xs, ys, rows(codes < 0), yt
