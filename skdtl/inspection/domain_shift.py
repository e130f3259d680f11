"""Did the map bring the domains together? A picture of their rows before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_array, check_random_state
from sklearn.utils.validation import _num_samples

from .._arrays import dense
from .._constraints import Int
from .._typing import Estimator, LabelsLike, RowsLike, Seed
from ..discrepancy import mmd2, proxy_a_distance
from ..domains import check_sample_domain
from ._drawing import pyplot
from ._projection import joint_projection
from ._row_labels import (
    DOMAINS,
    GREY,
    RowLabels,
    class_colour,
    class_shape,
    label_rows,
)

__all__ = ["DomainShiftDisplay"]

PANELS = ("before", "after")
STRIPS = (1, 0)  # the heights of source and target where there is one column
LEGEND_ROWS = 14
MEASURES = {"mmd": "MMD²", "a-distance": "A-distance"}


class DomainShiftDisplay:
    """Show the rows of both domains before and after a map.

    Two panels side by side, each with the source's rows filled and the target's hollow, classes by
    colour (and shape, where there are more than seven), numbers by a scale of colours, rows without
    a label in grey. The title of each panel says how far apart the domains are there. Make it by
    `from_estimator` or, for rows that were mapped by other means, by `from_arrays`. It needs
    matplotlib (``pip install 'skdtl[plot]'``).

    Use it to see whether a map has brought the domains together and whether it has done so class by
    class: domains that lie on top of each other with a class of the one on another class of the
    other are worse than two domains apart, and the number in the title does not notice. Nor does a
    small number say that the map is good: a map to a single point makes it zero. Show rows that
    took no part in fitting the map, if there are enough: on its own training rows it looks better
    than it is.

    Parameters
    ----------
    Xs : array-like or sparse matrix of shape (n_s, n_features)
        Source rows before the map.
    Xt : array-like or sparse matrix of shape (n_t, n_features)
        Target rows before the map.
    Zs : array-like or sparse matrix of shape (n_s, n_components)
        The same source rows after it.
    Zt : array-like or sparse matrix of shape (n_t, n_components)
        The same target rows after it.
    ys : array-like of shape (n_s,), default=None
        Labels of the source rows; NaN, None or pandas.NA where a row has none. None: no row has
        one.
    yt : array-like of shape (n_t,), default=None
        Labels of the target rows, likewise; -1 also means none where `ys` has other classes.
    regression : bool or None, default=None
        True: the labels are numbers; False: they are classes. None tells by the labels: floats that
        are no integers are numbers.
    n_rows : tuple of two ints, default=None
        Of how many source and target rows the ones given were drawn, for the legend. None: these
        are all.

    Attributes
    ----------
    discrepancies_ : ndarray of shape (2,) or None
        How far apart the domains are before and after the map.
    coordinates_ : list of two tuples of two ndarrays
        Before and after: where the source rows and where the target rows are drawn, in the order of
        the rows; shapes (n_s, 2) and (n_t, 2).
    points_ : list of two dicts of str to list of matplotlib PathCollection
        Before and after: what is drawn of "source" and "target", one collection for each shape.
    legend_ : matplotlib Legend
        Beside the second panel.
    colorbar_ : matplotlib Colorbar or None
        The scale of the colours, of numbers.
    axes_ : ndarray of two matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    skdtl.discrepancy.mmd2 : The number in the title.
    skdtl.discrepancy.proxy_a_distance : The other one.
    InstanceWeightsDisplay : For methods that weigh rows instead.

    Notes
    -----
    *Projection.* Each panel shows its rows in two dimensions of its own. Two columns are shown as
    they are; of more, the two principal components of both domains together, where each domain
    weighs the same, on axes of one scale. So for the mapped rows, too: a method's first two
    components need not be those that show the most. The axes tell the share of the variance that is
    seen; the rest may hide a difference. A single column is drawn as a strip for each domain,
    spread out vertically.

    *Discrepancy.* It is of all columns, not of the two dimensions drawn. "mmd" is the unbiased
    estimate of MMD² with a Gaussian kernel, as wide as the median distance between the rows of the
    panel. It is zero on average where the domains agree, whatever the number of rows (so it can be
    slightly negative), and at most 2, and does not change when all columns are multiplied by one
    number: which it must not, for a map may have any scale. This makes the panels comparable, but
    not perfectly: a shift in a few of many columns moves distances little and gives a small MMD²,
    so a map to few dimensions can raise it without having moved the domains apart. "a-distance"
    asks how well a linear classifier tells the domains of held-out rows apart, whose range from 0
    to 2 means the same for any number of columns and any scales, but sees little beyond the means.
    (On the rows that a map was fitted to it may be clearly negative.) With hundreds of columns
    before the map prefer it; where the two disagree, look closer.

    *Many rows.* Of each domain at most `max_samples` rows are drawn, by chance, so that large
    classes stay large. The discrepancy is that of the rows drawn. The legend says how many of how
    many these are. Only they are mapped. Several sources are shown as one.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # draws without a screen
    >>> from skdtl import TCA, DomainShiftDisplay
    >>> from skdtl.datasets import make_shifted_classification
    >>> data = make_shifted_classification("measurement", random_state=0)
    >>> model = TCA(n_components=2).fit(data.Xs, data.ys, data.Xt)
    >>> display = DomainShiftDisplay.from_estimator(model, data.Xs, data.ys, data.Xt)
    >>> before, after = display.discrepancies_
    >>> print(f"{before:.2f} {after:.2f}")
    0.61 0.04
    """

    def __init__(
        self,
        Xs: RowsLike,
        Xt: RowsLike,
        Zs: RowsLike,
        Zt: RowsLike,
        *,
        ys: LabelsLike = None,
        yt: LabelsLike = None,
        regression: bool | None = None,
        n_rows: Sequence[int] | None = None,
    ):
        self.Xs = Xs
        self.Xt = Xt
        self.Zs = Zs
        self.Zt = Zt
        self.ys = ys
        self.yt = yt
        self.regression = regression
        self.n_rows = n_rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        Xs: RowsLike,
        ys: LabelsLike = None,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        sample_domain: ArrayLike | None = None,
        discrepancy: str = "mmd",
        max_samples: int = 1000,
        random_state: Seed = None,
        ax: Any = None,
    ) -> Self:
        """Draw rows before and after the map of a fitted estimator.

        Either in pair form, ``from_estimator(estimator, Xs, ys, Xt, yt)``, or in stacked form,
        ``from_estimator(estimator, X, y, sample_domain=...)``.

        Parameters
        ----------
        estimator : estimator object
            Fitted, with ``transform(X, domain=...)``; or a Pipeline with such a step. Then "before"
            are the rows as that step gets them from the steps before it, "after" is its output;
            later steps are not applied. With several such steps it is before the first and after
            the last of them.
        Xs : array-like, sparse matrix or DataFrame of shape (n_s, n_features)
            Source rows; in stacked form the rows of both domains. They need not be those that the
            estimator was fitted to.
        ys : array-like of shape (n_s,), default=None
            Their labels, with NaN, None or pandas.NA for rows without one.
        Xt : array-like, sparse matrix or DataFrame of shape (n_t, n_features)
            Target rows; only in pair form.
        yt : array-like of shape (n_t,), default=None
            Their labels. They serve for the colours alone.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows, negative for target rows.
        discrepancy : {"mmd", "a-distance"}, callable or None, default="mmd"
            What the titles tell; see the notes of the class. A callable takes a panel's source and
            target rows with all their columns and returns a number. None: nothing.
        max_samples : int or None, default=1000
            How many rows of each domain are drawn at most, 1 or more. None draws all.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice of these rows.
        ax : array of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : DomainShiftDisplay

        Raises
        ------
        AttributeError
            Where neither the estimator nor a step of it has ``transform(X, domain=...)``.
        ValueError
            Where a domain has no rows, or rows and labels differ in number.
        """
        steps = _steps(estimator)
        maps = [k for k, step in enumerate(steps) if _takes_domain(step)]
        if not maps:
            raise AttributeError(
                f"{type(estimator).__name__} has no transform(X, domain=...), nor has a step of "
                "it: it does not map the domains' rows. (Of a search give best_estimator_.)"
            )
        sides = _two_domains(Xs, ys, Xt, yt, sample_domain)
        first, last, rng = maps[0], maps[-1], check_random_state(random_state)
        before, after, labels = [], [], []
        for domain, (X, y, rows) in zip(DOMAINS, sides):
            rows = rows[_chosen(len(rows), max_samples, rng)]
            labels.append(None if y is None else y[rows])
            X = _take(X, rows)
            for step in steps[:first]:
                X = step.transform(X)
            before.append(X)
            for k, step in enumerate(steps[first : last + 1], start=first):
                X = step.transform(X, domain=domain) if k in maps else step.transform(X)
            after.append(X)
        predicts_numbers = is_regressor(estimator)
        display = cls(
            *before,
            *after,
            ys=labels[0],
            yt=labels[1],
            regression=predicts_numbers if predicts_numbers or is_classifier(estimator) else None,
            n_rows=tuple(len(rows) for _, _, rows in sides),
        )
        return display.plot(ax, discrepancy=discrepancy)

    @classmethod
    def from_arrays(
        cls,
        Xs: RowsLike,
        Xt: RowsLike,
        Zs: RowsLike,
        Zt: RowsLike,
        *,
        ys: LabelsLike = None,
        yt: LabelsLike = None,
        regression: bool | None = None,
        discrepancy: str = "mmd",
        max_samples: int = 1000,
        random_state: Seed = None,
        ax: Any = None,
    ) -> Self:
        """Draw rows before and after a map that are given as arrays.

        Parameters
        ----------
        Xs : array-like or sparse matrix of shape (n_s, n_features)
            Source rows before the map.
        Xt : array-like or sparse matrix of shape (n_t, n_features)
            Target rows before the map.
        Zs : array-like or sparse matrix of shape (n_s, n_components)
            The same source rows after it.
        Zt : array-like or sparse matrix of shape (n_t, n_components)
            The same target rows after it.
        ys : array-like of shape (n_s,), default=None
            Labels of the source rows, with NaN, None or pandas.NA for rows without one.
        yt : array-like of shape (n_t,), default=None
            Labels of the target rows.
        regression : bool or None, default=None
            True: the labels are numbers; False: they are classes. None tells by the labels: floats
            that are no integers are numbers.
        discrepancy : {"mmd", "a-distance"}, callable or None, default="mmd"
            What the titles tell; see `from_estimator`.
        max_samples : int or None, default=1000
            How many rows of each domain are drawn at most, 1 or more. None draws all.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice of these rows.
        ax : array of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : DomainShiftDisplay
        """
        n_rows = _same_counts(Xs, Xt, Zs, Zt)
        rng, sides = check_random_state(random_state), []
        for X, Z, y, n, letter in ((Xs, Zs, ys, n_rows[0], "s"), (Xt, Zt, yt, n_rows[1], "t")):
            rows = _chosen(n, max_samples, rng)
            sides.append((_take(X, rows), _take(Z, rows), label_rows(y, rows, n, letter)))
        (Xs, Zs, ys), (Xt, Zt, yt) = sides
        options = {"regression": regression, "n_rows": n_rows}
        display = cls(Xs, Xt, Zs, Zt, ys=ys, yt=yt, **options)
        return display.plot(ax, discrepancy=discrepancy)

    def plot(self, ax: Any = None, *, discrepancy: str = "mmd") -> Self:
        """Draw.

        Parameters
        ----------
        ax : array of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        discrepancy : {"mmd", "a-distance"}, callable or None, default="mmd"
            What the titles tell; see `from_estimator`.

        Returns
        -------
        self : DomainShiftDisplay
        """
        n_rows = _same_counts(self.Xs, self.Xt, self.Zs, self.Zt)
        panels = [
            _Panel(self.Xs, self.Xt, ("Xs", "Xt")),
            _Panel(self.Zs, self.Zt, ("Zs", "Zt")),
        ]
        labels = RowLabels(self.ys, self.yt, self.regression, n_rows)
        self.discrepancies_ = None
        if discrepancy is not None:
            measure = _measure(discrepancy, n_rows)
            self.discrepancies_ = np.array([float(measure(*panel.rows)) for panel in panels])
        self.coordinates_ = [panel.coordinates() for panel in panels]
        plt = pyplot("DomainShiftDisplay")
        colours, scale = labels.colours(plt)
        handles = self._legend_handles(labels, n_rows, plt)
        n_columns = -(-len(handles) // LEGEND_ROWS)
        if ax is None:
            longest = max(len(handle.get_label()) for handle in handles)
            size = (7.8 + n_columns * (0.5 + 0.08 * longest), 4.2)
            _, ax = plt.subplots(1, 2, figsize=size, layout="compressed")
        self.axes_ = _two_axes(ax)
        self.figure_ = self.axes_[0].figure
        self.points_ = []
        for k, (axes, panel, coordinates) in enumerate(zip(self.axes_, panels, self.coordinates_)):
            self.points_.append(
                {
                    domain: _scatter(axes, *rows, filled=domain == "source", total=sum(n_rows))
                    for domain, *rows in zip(DOMAINS, coordinates, colours, labels.shapes())
                }
            )
            panel.dress(axes, coordinates)
            title = PANELS[k]
            if self.discrepancies_ is not None:
                title += ": " + _measure_text(discrepancy, self.discrepancies_[k])
            axes.set_title(title)
        self.legend_ = axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            borderaxespad=0,
            ncols=n_columns,
            frameon=False,
        )
        self.colorbar_ = None
        if scale is not None:
            # In the second panel's own frame: then it keeps clear of the legend in any layout.
            place = axes.inset_axes((1.05, 0, 0.05, 0.6))
            self.colorbar_ = self.figure_.colorbar(scale, cax=place, label="label")
        return self

    def _legend_handles(self, labels, n_rows, plt):
        """Make an entry for each domain, each class and rows without a label."""

        def entry(text, colour, shape="o", filled=True):
            return plt.Line2D(
                [],
                [],
                linestyle="",
                marker=shape,
                color=colour,
                markerfacecolor=colour if filled else "none",
                label=text,
            )

        handles = []
        counts = n_rows if self.n_rows is None else self.n_rows
        for domain, drawn, of, colour in zip(DOMAINS, n_rows, counts, labels.domain_colours()):
            text = f"{domain}, {drawn} rows" if drawn == of else f"{domain}, {drawn} of {of} rows"
            handles.append(entry(text, colour, filled=domain == "source"))
        for k, name in enumerate(labels.names):
            handles.append(entry(name, class_colour(k), class_shape(k)))
        without = labels.domains_without()
        if without and labels.any_known:
            handles.append(entry("no label", GREY, filled="source" in without))
        return handles


class _Panel:
    """The rows of both domains before or after the map."""

    def __init__(self, Xs, Xt, names):
        columns = getattr(Xs, "columns", None)
        options = {"accept_sparse": "csr", "dtype": np.float64}
        self.rows = [check_array(X, input_name=name, **options) for X, name in zip((Xs, Xt), names)]
        width, other = (X.shape[1] for X in self.rows)
        if width != other:
            raise ValueError(f"{names[1]} has {other} columns, but {names[0]} has {width}.")
        self.columns = [f"column {k + 1}" for k in range(width)]
        if columns is not None:
            self.columns = [str(name) for name in columns]

    @property
    def width(self) -> int:
        return len(self.columns)

    def coordinates(self):
        """Return where the rows of both domains are drawn."""
        if self.width > 2:
            *projected, self.shares = joint_projection(*self.rows)
            return tuple(projected)
        rows = [dense(X) for X in self.rows]
        if self.width == 1:
            return tuple(
                np.column_stack([X, height + 0.7 * (_spread(len(X)) - 0.5)])
                for X, height in zip(rows, STRIPS)
            )
        return tuple(rows)

    def dress(self, axes, coordinates):
        """Label the axes; those of a projection get one scale."""
        axes.set_box_aspect(1)
        axes.locator_params(axis="x", nbins=5)  # more of long numbers would overlap
        if self.width > 2:
            joined = np.concatenate(coordinates)
            low, high = joined.min(axis=0), joined.max(axis=0)
            centre, reach = (low + high) / 2, 0.55 * (np.ptp(joined, axis=0).max() or 1.0)
            axes.set_xlim(centre[0] - reach, centre[0] + reach)
            axes.set_ylim(centre[1] - reach, centre[1] + reach)
            axes.set_xlabel(f"PC 1 of {self.width} columns ({self.shares[0]:.0%} of variance)")
            axes.set_ylabel(f"PC 2 ({self.shares[1]:.0%} of variance)")
            return
        axes.set_xlabel(self.columns[0])
        if self.width == 1:
            axes.set_yticks(STRIPS, DOMAINS)
            axes.set_ylim(-0.5, 1.5)
        else:
            axes.set_ylabel(self.columns[1])


def _scatter(axes, coordinates, colours, shapes, *, filled: bool, total: int):
    """Draw the rows of one domain, those of each shape in one collection."""
    # Rows sorted by class would hide one another class by class.
    order = np.argsort(_spread(len(coordinates)))
    size = float(np.clip(10000 / total, 12, 36))
    points = []
    for shape in dict.fromkeys(shapes.tolist()):
        rows = order[shapes[order] == shape]
        options = (
            {"c": colours[rows], "alpha": 0.6, "linewidths": 0}
            if filled
            else {"facecolors": "none", "edgecolors": colours[rows], "linewidths": 0.9}
        )
        points.append(axes.scatter(*coordinates[rows].T, s=size, marker=shape, **options))
    return points


def _spread(n: int) -> np.ndarray:
    """Return n numbers in [0, 1) that are spread evenly and follow no pattern of the rows."""
    return np.arange(1, n + 1) * (np.sqrt(5) - 1) / 2 % 1


def _two_axes(ax):
    axes = np.ravel(np.asarray(ax, dtype=object))
    if len(axes) != 2 or not all(hasattr(one, "scatter") for one in axes):
        raise ValueError(f"ax must hold two Axes, for before and after; got {ax!r}.")
    return axes


def _measure(discrepancy, n_rows):
    """Return the function that measures how far apart two samples are."""
    if callable(discrepancy):
        return discrepancy
    if not isinstance(discrepancy, str) or discrepancy not in MEASURES:
        raise ValueError(
            f"discrepancy must be 'mmd', 'a-distance', a callable or None; got {discrepancy!r}."
        )
    for domain, n in zip(DOMAINS, n_rows):
        if n < 2:
            raise ValueError(
                f"discrepancy={discrepancy!r} needs at least 2 rows of each domain, but 1 row of "
                f"the {domain} is drawn. discrepancy=None draws without it."
            )
    if discrepancy == "mmd":
        return lambda Zs, Zt: mmd2(Zs, Zt, biased=False)
    return lambda Zs, Zt: proxy_a_distance(Zs, Zt, random_state=0)


def _measure_text(discrepancy, value: float) -> str:
    if isinstance(discrepancy, str):
        number = f"{round(value, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
        return f"{MEASURES[discrepancy]} {number}"
    name = getattr(discrepancy, "__name__", "<none>")
    return f"{'discrepancy' if name.startswith('<') else name} {value:.3g}"


def _steps(estimator):
    """Return the steps of a Pipeline and of those within it, or the estimator itself."""
    if not isinstance(estimator, Pipeline):
        return [estimator]
    kept = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return [inner for step in kept for inner in _steps(step)]


def _takes_domain(step) -> bool:
    """Tell whether an estimator maps each domain in its own way."""
    transform = getattr(step, "transform", None)
    return transform is not None and "domain" in signature(transform).parameters


def _two_domains(Xs, ys, Xt, yt, sample_domain):
    """Return for source and target: a table, its labels, and which of its rows are the domain's."""
    if sample_domain is None:
        if Xt is None:
            raise ValueError(
                "Xt is None, and so is sample_domain: the target's rows are needed in one form."
            )
        if Xs is None:
            raise ValueError("Xs is None, but the source's rows are needed.")
        sides = []
        for X, y, letter in ((Xs, ys, "s"), (Xt, yt, "t")):
            n = _num_samples(X)
            sides.append((X, label_rows(y, slice(None), n, letter), np.arange(n)))
        return sides
    if Xt is not None or yt is not None:
        raise ValueError(
            f"{'yt' if Xt is None else 'Xt'} and sample_domain were both given. Use "
            "(Xs, ys, Xt, yt) or (X, y, sample_domain=...)."
        )
    n = _num_samples(Xs)
    codes = check_sample_domain(sample_domain, n)
    y = label_rows(ys, slice(None), n, "s")
    for present, role in ((codes > 0, "source (positive)"), (codes < 0, "target (negative)")):
        if not present.any():
            raise ValueError(f"sample_domain has {n} rows, but none is a {role} row.")
    return [(Xs, y, np.flatnonzero(codes > 0)), (Xs, y, np.flatnonzero(codes < 0))]


def _same_counts(Xs, Xt, Zs, Zt):
    """Return the domains' numbers of rows, which the map must have left as they are."""
    counts = []
    for X, Z, letter in ((Xs, Zs, "s"), (Xt, Zt, "t")):
        before, after = _num_samples(X), _num_samples(Z)
        if before != after:
            raise ValueError(
                f"Z{letter} has {after} rows, but X{letter} has {before}: they must be the same "
                "rows before and after the map."
            )
        counts.append(before)
    return tuple(counts)


def _take(X, rows):
    return _safe_indexing(X.tocsr() if scipy.sparse.issparse(X) else X, rows)


def _chosen(n: int, max_samples, rng) -> np.ndarray:
    """Choose at most `max_samples` of n rows."""
    if max_samples is not None and not Int(1).accepts(max_samples):
        raise ValueError(f"max_samples must be None or {Int(1)}; got {max_samples!r}.")
    if max_samples is None or n <= max_samples:
        return np.arange(n)
    return np.sort(rng.choice(n, max_samples, replace=False))
