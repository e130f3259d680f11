"""Numbers as the cells of Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np

NOTHING = "–"


def table(rows: Iterable, columns: Mapping[str, Callable]) -> str:
    """Return a table.

    Parameters
    ----------
    rows : iterable
        What each row is about.
    columns : dict of str to callable
        The heads, and what makes the cell of a row.
    """
    lines = [" | ".join(columns)]
    lines += [" | ".join(str(cell(row)) for cell in columns.values()) for row in rows]
    lines.insert(1, "|".join(["---"] * len(columns)))
    return "\n".join(f"|{line}|" if line.startswith("---") else f"| {line} |" for line in lines)


def grid(corner: str, rows: Iterable, columns: Iterable, cell: Callable, **further) -> str:
    """Return a table of two things: a cell is that of a row and a column.

    Parameters
    ----------
    corner : str
        What the rows are.
    rows : iterable of str
    columns : iterable of str, or dict of str to object
        Where the heads are other than what the cells are made of: what they are made of.
    cell : callable
        Makes a cell of a row and a column.
    **further : callable
        Columns to the right, by their heads: what makes a cell of a row.
    """
    columns = columns if isinstance(columns, Mapping) else {column: column for column in columns}
    cells = {head: partial(_turned, cell, column) for head, column in columns.items()}
    return table(rows, {corner: str, **cells, **further})


def _turned(cell, column, row):
    return cell(row, column)


def mean(values, digits=1, scale=1.0, sign="") -> str:
    """Return the mean."""
    return _number(values, digits, scale, sign, None)


def percent(values, digits=1, sign="") -> str:
    """Return the mean in percent and its standard error."""
    return mean_and_error(values, digits, 100.0, sign)


def mean_and_error(values, digits=1, scale=1.0, sign="") -> str:
    """Return the mean and its standard error."""
    return _number(values, digits, scale, sign, lambda v: v.std(ddof=1) / np.sqrt(len(v)))


def mean_and_deviation(values, digits=1, scale=1.0) -> str:
    """Return the mean and the standard deviation."""
    return _number(values, digits, scale, "", lambda v: v.std(ddof=1))


def _number(values, digits, scale, sign, spread):
    values = np.asarray(values, dtype=float) * scale
    if not values.size:
        return NOTHING
    failed = np.isnan(values).sum()
    if failed:
        return f"diverged ({failed} of {len(values)})"
    text = f"{values.mean():{sign}.{digits}f}"
    return f"{text} ± {spread(values):.{digits}f}" if spread and len(values) > 1 else text


def ratio(times, other) -> str:
    """Return by how much times are longer: of the medians, and in brackets of the least."""
    if not len(times) or not len(other):
        return NOTHING
    return f"{np.median(times) / np.median(other):.2f} ({min(times) / min(other):.2f})"
