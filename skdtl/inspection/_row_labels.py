"""The labels of the rows of two domains, and the colours and shapes that tell them apart."""

from __future__ import annotations

import numpy as np
from sklearn.utils.multiclass import type_of_target

from .._labels import is_missing_label, label_column, tidy_labels
from ._drawing import COLOURS, label_name

__all__ = [
    "DARK",
    "DOMAINS",
    "GREY",
    "SHAPES",
    "RowLabels",
    "class_colour",
    "class_shape",
    "label_rows",
]

DOMAINS = ("source", "target")
# Of the classes: each shape serves all colours before the next one is taken.
SHAPES = ("o", "^", "s", "v", "D", "P", "X", "<", ">", "p")
GREY, DARK = "#999999", "#333333"


class RowLabels:
    """The labels of both domains: classes or numbers.

    ``values`` holds for each domain the classes' numbers, -1 for none, or the numbers, NaN for
    none; ``names`` the classes' names, empty for numbers.
    """

    def __init__(self, ys, yt, regression, n_rows):
        known, self.known = [], []
        for y, n, letter in zip((ys, yt), n_rows, "st"):
            y = label_rows(y, slice(None), n, letter)
            y = np.full(n, None, dtype=object) if y is None else y
            missing = is_missing_label(y)
            known.append(tidy_labels(y[~missing]))
            self.known.append(~missing)
        if regression is None:
            regression = any(
                y.dtype.kind == "f" and type_of_target(y) == "continuous" for y in known if len(y)
            )
        self.numbers = regression and self.any_known
        self.names: list[str] = []
        if self.numbers:
            self.values = [np.full(n, np.nan) for n in n_rows]
            for values, mask, y, letter in zip(self.values, self.known, known, "st"):
                values[mask] = _as_numbers(y, f"y{letter}")
            return
        if len(known[0]) and known[1].dtype.kind in "if" and -1 not in known[0].tolist():
            # Where the source has no such class, -1 marks a missing label.
            self.known[1][self.known[1]] = known[1] != -1
            known[1] = known[1][known[1] != -1]
        classes, codes = np.unique(_joined(known), return_inverse=True)
        self.names = [label_name(label) for label in classes.tolist()]
        self.values = [np.full(n, -1) for n in n_rows]
        for values, mask, own in zip(self.values, self.known, np.split(codes, [len(known[0])])):
            values[mask] = own

    @property
    def any_known(self) -> bool:
        return any(mask.any() for mask in self.known)

    def domains_without(self) -> list[str]:
        """Return the domains in which a row has no label."""
        return [domain for domain, mask in zip(DOMAINS, self.known) if not mask.all()]

    def domain_colours(self):
        """Return the domains' colours in the legend: their own where no row has a label."""
        return (DARK, DARK) if self.any_known else (COLOURS[0], COLOURS[4])

    def shapes(self):
        """Return the shape of each row."""
        if self.numbers:
            return [np.full(len(values), "o") for values in self.values]
        return [np.array([class_shape(max(code, 0)) for code in codes]) for codes in self.values]

    def colours(self, plt):
        """Return the colour of each row, and the scale of the colours of numbers."""
        from matplotlib.colors import ListedColormap, to_rgba_array

        scale = None
        if self.numbers:
            joined = np.concatenate([values[mask] for values, mask in zip(self.values, self.known)])
            # The palest fifth of the colours would not show on white.
            shades = ListedColormap(plt.get_cmap("plasma")(np.linspace(0, 0.8, 256)))
            scale = plt.cm.ScalarMappable(plt.Normalize(joined.min(), joined.max()), shades)
        found = []
        for values, mask, own in zip(self.values, self.known, self.domain_colours()):
            colours = to_rgba_array([GREY if self.any_known else own] * len(values))
            if scale is not None:
                colours[mask] = scale.to_rgba(values[mask])
            elif mask.any():
                colours[mask] = to_rgba_array([class_colour(code) for code in values[mask]])
            found.append(colours)
        return found, scale


def class_colour(code: int) -> str:
    return COLOURS[code % len(COLOURS)]


def class_shape(code: int) -> str:
    return SHAPES[code // len(COLOURS) % len(SHAPES)]


def _joined(known):
    """Join the labels of both domains, which must be of one kind."""
    kept = [y for y in known if len(y)]
    if all(y.dtype.kind in "biuf" for y in kept):
        return np.concatenate(kept or [np.zeros(0)])
    joined = np.concatenate([y.astype(object) for y in kept])
    kinds = sorted({type(label).__name__ for label in joined.tolist()})
    if kinds != ["str"]:
        raise TypeError(f"ys and yt mix labels of the types {', '.join(kinds)}.")
    return joined


def _as_numbers(y, name: str):
    try:
        return y.astype(float)
    except (TypeError, ValueError):
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(
            f"{name} must hold numbers for regression, but it holds {', '.join(kinds)}."
        ) from None


def label_rows(y, rows, n: int, letter: str):
    """Return the labels of some of a domain's n rows."""
    if y is None:
        return None
    y = label_column(y, f"y{letter}")
    if len(y) != n:
        raise ValueError(f"X{letter} has {n} rows, but y{letter} has {len(y)} labels.")
    return y[rows]
