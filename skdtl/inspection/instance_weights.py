"""Which source rows count: a picture of their weights by source and class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .._labels import is_missing_label, label_column, tidy_labels
from .._typing import Estimator, LabelsLike
from ..domains import check_sample_domain
from ._drawing import COLOURS, label_name, pyplot

__all__ = ["InstanceWeightsDisplay", "WeightGroup", "weight_groups"]

LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True, eq=False)
class WeightGroup:
    """The weights of the source rows of one source and one class.

    Attributes
    ----------
    source : int
        The source's code.
    code : int
        The number of the class or interval: 0, 1, ...
    label : object
        The class, or the (low, high) bounds of an interval of numbers.
    rows : ndarray of shape (n,), int
        Which of the source rows these are.
    mean : float
        Their mean weight.
    share : float
        Their share of the weight of all source rows; 0 where there is no weight at all.
    n_effective : float
        The number of equally weighted rows that would be as good for a mean: the square of the
        sum of weights by the sum of squares.
    quantiles : ndarray of shape (5,)
        Of the weights: 5 %, 25 %, 50 %, 75 %, 95 %.
    """

    source: int
    code: int
    label: Any
    rows: np.ndarray
    mean: float
    share: float
    n_effective: float
    quantiles: np.ndarray


def weight_groups(weights, y, sources, *, intervals=None) -> list[WeightGroup]:
    """Group source rows by source and class, and describe the weights of each group.

    Parameters
    ----------
    weights : ndarray of shape (n_s,)
        Non-negative weights.
    y : ndarray of shape (n_s,)
        Labels.
    sources : ndarray of shape (n_s,), int
        The source of each row.
    intervals : int, default=None
        For numbers: how many intervals, with about as many rows each, stand for the classes.

    Returns
    -------
    groups : list of WeightGroup
        Sorted by source, then by class; groups without rows are left out.
    """
    if intervals is None:
        labels, codes = np.unique(y, return_inverse=True)
        names = labels.tolist()
    else:
        bounds = np.unique(np.quantile(y, np.linspace(0, 1, intervals + 1)))
        codes = np.searchsorted(bounds[1:-1], y, side="right")
        names = list(zip(bounds[:-1].tolist(), bounds[1:].tolist()))
        names = names or [(float(bounds[0]), float(bounds[0]))]  # all numbers are the same
    total, groups = weights.sum(), []
    for source in np.unique(sources).tolist():
        for code, name in enumerate(names):
            rows = np.flatnonzero((sources == source) & (codes == code))
            if not len(rows):
                continue
            own = weights[rows]
            squares = own @ own
            groups.append(
                WeightGroup(
                    source,
                    code,
                    name,
                    rows,
                    own.mean(),
                    own.sum() / total if total > 0 else 0.0,
                    own.sum() ** 2 / squares if squares > 0 else 0.0,
                    np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95]),
                )
            )
    return groups


class InstanceWeightsDisplay:
    """Show which source rows count, by source and class.

    Two kinds of picture: "distribution" has a box for each source and class, with the group's share
    of the total weight and its effective number of rows beside it; "path" shows the groups' mean
    weights over the rounds of boosting. Make it by `from_estimator` or `from_arrays`. It needs
    matplotlib (``pip install 'skdtl[plot]'``).

    Use it to see what a method has done with the source: a source or a class that has lost its
    weight, a few rows that carry all of it (an effective number far below the number of rows), or
    weights that are all alike, so that nothing was adapted.

    Parameters
    ----------
    weights : array-like of shape (n_s,)
        The source rows' weights, not negative.
    y : array-like of shape (n_s,)
        Their labels.
    sources : array-like of shape (n_s,), int, default=None
        The code of each row's source. None means that all are of one.
    path : array-like of shape (n_rounds + 1, n_s), default=None
        The weights before the first and after each round.
    intervals : int or None, default=None
        For numbers instead of classes: into how many intervals of about as many rows they are cut.
    source_names : dict of int to str, default=None
        What to call the sources instead of their codes.

    Attributes
    ----------
    groups_ : list of WeightGroup
        One for each source and class: ``source``, ``label``, ``rows``, ``mean``, ``share``,
        ``n_effective``, ``quantiles``.
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    boxes_ : matplotlib BarContainer
        From the lower to the upper quartile of each group's weights; for "distribution".
    medians_, means_ : matplotlib Line2D
        Each group's median and mean; for "distribution".
    whiskers_ : matplotlib LineCollection
        From 5 % to 95 % of each group's weights; for "distribution".
    texts_ : list of matplotlib Text
        The shares and effective numbers of rows; for "distribution".
    lines_ : list of matplotlib Line2D
        Each group's mean weight over the rounds; for "path".

    See Also
    --------
    TrAdaBoost : One of the estimators whose ``source_weights_`` are shown.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # draws without a screen
    >>> import numpy as np
    >>> from skdtl import InstanceWeightsDisplay, TrAdaBoost
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(30, 2))
    >>> ys = np.where(np.arange(400) < 200, Xs[:, 0] > 0, Xs[:, 1] > 0)
    >>> model = TrAdaBoost(n_estimators=10).fit(Xs, ys, Xt, Xt[:, 1] > 0)
    >>> display = InstanceWeightsDisplay.from_estimator(model, ys)
    >>> [group.label for group in display.groups_]
    [False, True]
    >>> display = InstanceWeightsDisplay.from_estimator(model, ys, kind="path")
    >>> len(display.lines_)
    2
    """

    def __init__(
        self,
        weights: ArrayLike,
        y: LabelsLike,
        *,
        sources: ArrayLike | None = None,
        path: ArrayLike | None = None,
        intervals: int | None = None,
        source_names: Mapping[int, str] | None = None,
    ):
        self.weights = weights
        self.y = y
        self.sources = sources
        self.path = path
        self.intervals = intervals
        self.source_names = source_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        ys: LabelsLike,
        *,
        sample_domain: ArrayLike | None = None,
        kind: str = "distribution",
        intervals: int = 4,
        source_names: Mapping[int, str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the weights that a fitted estimator gave to its source rows.

        Parameters
        ----------
        estimator : estimator object
            Fitted, with ``source_weights_``; not unpickled or copied since, which loses them.
        ys : array-like of shape (n_s,)
            The labels of the source rows, as given to ``fit``; in stacked form those of all rows.
        sample_domain : array-like of shape (n_samples,), int, default=None
            In stacked form the domain of each row, as given to ``fit``.
        kind : {"distribution", "path"}, default="distribution"
            Boxes of the weights, or their means over the rounds of boosting.
        intervals : int, default=4
            For a regressor: into how many intervals of about as many rows the labels are cut.
        source_names : dict of int to str, default=None
            What to call the sources instead of their codes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : InstanceWeightsDisplay

        Raises
        ------
        AttributeError
            Where the estimator has no ``source_weights_``.
        ValueError
            Where there are not as many labels as weights, or no path to draw.
        """
        check_is_fitted(estimator)
        name = type(estimator).__name__
        if "source_weights_" not in getattr(type(estimator), "_unpickled", ()):
            raise AttributeError(
                f"{name} has no source_weights_: it does not weigh source rows. (Of a Pipeline or "
                "a search give the fitted step or best_estimator_.)"
            )
        weights = estimator.source_weights_  # its AttributeError says how they can be lost
        path = getattr(estimator, "source_weights_path_", None) if kind == "path" else None
        if kind == "path" and path is None:
            raise ValueError(
                f"{name} has no source_weights_path_: it weighs source rows once, not in rounds. "
                "Use kind='distribution'."
            )
        ys, sources = label_column(ys, "ys"), None
        if sample_domain is not None:
            codes = check_sample_domain(sample_domain, len(ys))
            ys, sources = ys[codes > 0], codes[codes > 0]
        if len(ys) != len(weights):
            raise ValueError(
                f"ys has {len(ys)} labels of source rows, but {name} has weighted {len(weights)}. "
                "Give the labels that fit was given, and sample_domain in stacked form."
            )
        display = cls(
            weights,
            ys,
            sources=sources,
            path=path,
            intervals=intervals if is_regressor(estimator) else None,
            source_names=source_names,
        )
        return display.plot(ax, kind=kind)

    @classmethod
    def from_arrays(
        cls,
        weights: ArrayLike,
        ys: LabelsLike,
        *,
        sources: ArrayLike | None = None,
        path: ArrayLike | None = None,
        kind: str = "distribution",
        intervals: int = 4,
        source_names: Mapping[int, str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw weights that are given as arrays.

        Parameters
        ----------
        weights : array-like of shape (n_s,)
            The source rows' weights, not negative.
        ys : array-like of shape (n_s,)
            Their labels.
        sources : array-like of shape (n_s,), int, default=None
            The code of each row's source. None means that all are of one.
        path : array-like of shape (n_rounds + 1, n_s), default=None
            The weights before the first and after each round.
        kind : {"distribution", "path"}, default="distribution"
            Boxes of the weights, or their means over the rounds.
        intervals : int, default=4
            For labels that are not integers: into how many intervals of about as many rows they are
            cut.
        source_names : dict of int to str, default=None
            What to call the sources instead of their codes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : InstanceWeightsDisplay
        """
        ys = label_column(ys, "ys")
        continuous = ys.dtype.kind == "f" and type_of_target(ys).startswith("continuous")
        display = cls(
            weights,
            ys,
            sources=sources,
            path=path,
            intervals=intervals if continuous else None,
            source_names=source_names,
        )
        return display.plot(ax, kind=kind)

    def plot(self, ax: Any = None, *, kind: str = "distribution") -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        kind : {"distribution", "path"}, default="distribution"
            Boxes of the weights, or their means over the rounds.

        Returns
        -------
        self : InstanceWeightsDisplay
        """
        if kind not in ("distribution", "path"):
            raise ValueError(f"kind must be 'distribution' or 'path'; got {kind!r}.")
        weights, y, sources, path = self._checked()
        if kind == "path" and path is None:
            raise ValueError("kind='path' draws weights over rounds, but no path was given.")
        plt = pyplot("InstanceWeightsDisplay")
        self.groups_ = weight_groups(weights, y, sources, intervals=self.intervals)
        if ax is None:
            height = 1.4 + 0.4 * len(self.groups_) if kind == "distribution" else 4.0
            _, ax = plt.subplots(figsize=(8, height), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        if kind == "distribution":
            self._plot_distribution(ax)
        else:
            self._plot_path(ax, path)
        return self

    def _checked(self):
        """Return weights, labels, sources and path as arrays that fit together."""
        weights = np.asarray(self.weights, dtype=float)
        if weights.ndim != 1 or not len(weights):
            raise ValueError(f"weights must be a vector with entries; got shape {weights.shape}.")
        if not np.isfinite(weights).all() or weights.min() < 0:
            raise ValueError("weights must be finite and not negative.")
        y = label_column(self.y, "ys")
        if len(y) != len(weights):
            raise ValueError(f"ys has {len(y)} labels, but there are {len(weights)} weights.")
        if is_missing_label(y).any():
            raise ValueError("ys has missing labels, but each source row needs one.")
        sources = np.ones(len(y), int) if self.sources is None else np.asarray(self.sources)
        if sources.shape != y.shape:
            raise ValueError(
                f"sources has shape {sources.shape}, but there are {len(weights)} weights."
            )
        path = None if self.path is None else np.asarray(self.path)
        if path is not None and (path.ndim != 2 or path.shape[1] != len(weights)):
            raise ValueError(
                f"path has shape {path.shape}, but there are {len(weights)} weights: it needs a "
                "row for each round and a column for each weight."
            )
        return weights, tidy_labels(y), sources, path

    def _plot_distribution(self, ax):
        groups = self.groups_
        places = np.arange(len(groups))
        low, first, middle, third, high = np.array([group.quantiles for group in groups]).T
        colours = [_colour(group) for group in groups]
        self.whiskers_ = ax.hlines(places, low, high, color=colours, linewidth=1.5)
        self.boxes_ = ax.barh(
            places,
            third - first,
            left=first,
            height=0.5,
            color=colours,
            edgecolor=colours,
            alpha=0.5,
        )
        (self.medians_,) = ax.plot(
            middle, places, "|", color="black", markersize=14, label="median"
        )
        means = [group.mean for group in groups]
        (self.means_,) = ax.plot(means, places, "D", color="black", markersize=4, label="mean")
        beside = ax.get_yaxis_transform()
        ax.text(1.02, 1.02, "share of weight; effective rows", transform=ax.transAxes, fontsize=9)
        self.texts_ = [
            ax.text(
                1.02,
                place,
                f"{group.share:.1%}; {group.n_effective:.0f} of {len(group.rows)}",
                transform=beside,
                verticalalignment="center",
                fontsize=9,
            )
            for place, group in zip(places, groups)
        ]
        ax.set_yticks(places, self._names())
        ax.set_ylim(len(groups) - 0.5, -0.5)  # the first group on top
        ax.set_xlim(left=0)
        ax.set_xlabel("weight of a source row (box: quartiles, line: 5 % to 95 %)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9)

    def _plot_path(self, ax, path):
        sources = sorted({group.source for group in self.groups_})
        self.lines_ = []
        for group, name in zip(self.groups_, self._names()):
            means = path[:, group.rows].mean(axis=1, dtype=float)
            style = LINES[sources.index(group.source) % len(LINES)]
            (line,) = ax.plot(means, style, color=_colour(group), label=name)
            self.lines_.append(line)
        ax.set_xlim(0, max(len(path) - 1, 1))
        ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("round")
        ax.set_ylabel("mean weight of the source rows")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    def _names(self) -> list[str]:
        """Return the names of the groups, with the source where there are several."""
        names, several = self.source_names or {}, len({g.source for g in self.groups_}) > 1
        found = []
        for group in self.groups_:
            name = _label_name(group.label)
            if several or names:
                name = f"{names.get(group.source, f'source {group.source}')}: {name}"
            found.append(name)
        return found


def _colour(group: WeightGroup) -> str:
    return COLOURS[group.code % len(COLOURS)]


def _label_name(label) -> str:
    if isinstance(label, tuple):
        return f"{label[0]:.3g} to {label[1]:.3g}"
    return label_name(label)
