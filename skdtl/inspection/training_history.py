"""How did the training go? A picture of a network's losses over the epochs."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._typing import Estimator
from ._drawing import COLOURS, pyplot

__all__ = ["TrainingHistoryDisplay"]

DARK, GREY = "#333333", "#999999"
# What a history also records, but no panel shows.
BOOKKEEPING = ("epoch", "dur")
# The losses that share the first panel, each in its colour.
LOSSES = {
    "train_loss": DARK,
    "task_loss": COLOURS[0],
    "second_task_loss": COLOURS[2],
    "valid_loss": COLOURS[1],
    "valid_task_loss": COLOURS[3],
}
SYMBOLS = {"lam": "λ"}
STAGES = ("pre-training", "training")


class TrainingHistoryDisplay:
    """Show what happened to a network in each epoch of its training.

    Panels one below the other over the epochs: first the losses, with ``train_loss`` the sum that
    was minimised and ``task_loss`` its part for the labels; then a panel for each thing that the
    alignments saw, such as ``mmd``, on held-out rows as well if there were some; the
    discriminators' accuracy with a line at 0.5, where they can't tell the domains apart; and λ. A
    network that was pre-trained shows that stage first, with a line between. Make it by
    `from_estimator` or `from_history`. It needs matplotlib (``pip install 'skdtl[plot]'``).

    Use it to see whether the training has come to rest or needs more epochs, whether the alignment
    falls while the task loss does too (a task loss that stays high has been drowned by λ), and
    whether a discriminator has been fooled: its accuracy must first rise above 0.5 and then come
    back; one that never rose has not learned anything. No panel says whether predictions on the
    target are right.

    Parameters
    ----------
    histories : sequence of History or sequence of list of dict
        One or two stages of training; each a list with a dict for every epoch.

    Attributes
    ----------
    panels_ : list of str
        What the panels show, from the top: "loss", names of the histories' columns, and
        "domain_accuracy".
    lines_ : dict of str to list of matplotlib Line2D
        By column the line of each stage that has it.
    axes_ : ndarray of matplotlib Axes
        The axes drawn on, one for each panel.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    DomainShiftDisplay : Rows of both domains before and after the features.

    Notes
    -----
    The numbers are the means over each epoch's batches, taken while the network was changing.
    Without an alignment the training loss is the task loss, and one line stands for both.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # draws without a screen
    >>> import numpy as np
    >>> from skdtl import DANN, TrainingHistoryDisplay
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(100, 2))
    >>> model = DANN(max_epochs=5, random_state=0).fit(Xs, Xs[:, 0] > 0, Xs + [0.0, 1.0])
    >>> display = TrainingHistoryDisplay.from_estimator(model)
    >>> display.panels_
    ['loss', 'domain_loss', 'domain_accuracy', 'lam']
    """

    def __init__(self, histories: Any):
        self.histories = histories

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, *, panels: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator object
            Fitted, with ``history_``, and ``pretrain_history_`` if it was pre-trained; or a
            Pipeline that ends in one.
        panels : sequence of str, default=None
            Which panels to draw; None draws all. See `panels_`.
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each panel; None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        AttributeError
            Where the estimator has no ``history_``.
        ValueError
            Where there is no such panel, or there are not as many axes as panels.
        """
        check_is_fitted(estimator)
        while isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        history = getattr(estimator, "history_", None)
        if history is None:
            raise AttributeError(
                f"{type(estimator).__name__} has no history_: it is no network of skdtl's. (Of a "
                "search give best_estimator_.)"
            )
        before = getattr(estimator, "pretrain_history_", history)
        stages = [history] if before is history else [before, history]
        return cls(stages).plot(ax, panels=panels)

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        pretrain_history: Any = None,
        panels: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a history that is given as such.

        Parameters
        ----------
        history : History or list of dict
            A dict for every epoch, such as skorch's history.
        pretrain_history : History or list of dict, default=None
            That of a stage before.
        panels : sequence of str, default=None
            Which panels to draw; None draws all. See `panels_`.
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each panel; None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
        """
        stages = [history] if pretrain_history is None else [pretrain_history, history]
        return cls(stages).plot(ax, panels=panels)

    def plot(self, ax: Any = None, *, panels: Sequence[str] | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each panel; None makes a new figure.
        panels : sequence of str, default=None
            Which panels to draw; None draws all. See `panels_`.

        Returns
        -------
        self : TrainingHistoryDisplay
        """
        stages = [_columns(history) for history in self.histories]
        found = _panels(stages)
        self.panels_ = _chosen(panels, list(found))
        plt = pyplot("TrainingHistoryDisplay")
        if ax is None:
            heights = [2.2 if panel == "loss" else 1.0 for panel in self.panels_]
            _, ax = plt.subplots(
                len(heights),
                1,
                sharex=True,
                squeeze=False,
                figsize=(7, 0.8 + 1.1 * sum(heights)),
                height_ratios=heights,
                layout="constrained",
            )
        self.axes_ = _axes(ax, self.panels_)
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[str, Any] = {}
        lengths = [len(history) for history in self.histories]
        for axes, panel in zip(self.axes_, self.panels_):
            self._draw(axes, panel, found[panel], stages, lengths)
        self.axes_[-1].set_xlabel("epoch")
        if len(stages) > 1:
            self._name_stages(lengths[0])
        return self

    def _draw(self, axes, panel: str, names: Sequence[str], stages, lengths) -> None:
        starts = [0, *accumulate(lengths)]
        for k, name in enumerate(names):
            colour = LOSSES.get(name, DARK if len(names) == 1 else COLOURS[k % len(COLOURS)])
            self.lines_[name] = []
            for start, columns in zip(starts, stages):
                if name in columns:
                    values = columns[name]
                    epochs = start + 1 + np.arange(len(values))
                    # A stage of a single epoch would show no line.
                    marker = "o" if len(values) == 1 else None
                    label = None if self.lines_[name] else _title(name)
                    options = {"color": colour, "marker": marker, "markersize": 4, "label": label}
                    # Two classifiers' losses may be all but equal.
                    style = ":" if name == "second_task_loss" else "-"
                    (line,) = axes.plot(epochs, values, style, linewidth=1.5, **options)
                    self.lines_[name].append(line)
        for start in starts[1:-1]:
            axes.axvline(start + 0.5, color=GREY, linewidth=0.8, linestyle="--")
        title = _title(panel)
        if panel == "domain_accuracy":
            title += " (0.5: can't tell the domains apart)"
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlim(0.5, starts[-1] + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        if panel == "domain_accuracy":
            axes.axhline(0.5, color=GREY, linewidth=0.8, zorder=0)
            axes.set_ylim(0, 1)
            axes.set_yticks([0, 0.5, 1])
        else:
            low, high = axes.dataLim.intervaly
            if low >= 0:  # from zero, so that a flat line looks flat
                axes.set_ylim(0, 1.1 * high or 1)
        if len(names) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False)

    def _name_stages(self, n_before: int) -> None:
        axes = self.axes_[0]
        for name, offset, side in zip(STAGES, (-4, 4), ("right", "left")):
            axes.annotate(
                name,
                (n_before + 0.5, 1),
                xycoords=axes.get_xaxis_transform(),
                xytext=(offset, 2),
                textcoords="offset points",
                horizontalalignment=side,
                fontsize=9,
                color=GREY,
            )


def _columns(history) -> dict[str, np.ndarray]:
    """Return the numbers of a history by name, NaN in epochs that lack one."""
    if not len(history):
        raise ValueError("A history has no epochs: there is nothing to draw.")
    names = dict.fromkeys(
        name
        for epoch in history
        for name, value in epoch.items()
        if not isinstance(value, bool)
        and isinstance(value, numbers.Real)
        and name not in BOOKKEEPING
        and not name.endswith("_batch_count")
    )
    if "lam" not in names and "task_loss" in names:
        names.pop("train_loss", None)  # the same
    return {
        name: np.array([epoch.get(name, math.nan) for epoch in history], dtype=float)
        for name in names
    }


def _panels(stages) -> dict[str, list[str]]:
    """Return the panels, each with the names of its columns."""
    names = list(dict.fromkeys(name for columns in stages for name in columns))
    panels: dict[str, list[str]] = {"loss": [name for name in LOSSES if name in names]}
    last: dict[str, list[str]] = {"domain_accuracy": [], "lam": []}
    for name in names:
        of_training = name.removeprefix("valid_")  # a held-out value stands beside that of training
        panel = of_training if of_training in names else name
        if panel.startswith("domain_accuracy"):
            panel = "domain_accuracy"
        if name not in LOSSES:
            columns = last if panel in last else panels
            columns.setdefault("loss" if panel in LOSSES else panel, []).append(name)
    return {panel: columns for panel, columns in {**panels, **last}.items() if columns}


def _chosen(panels, found: list[str]) -> list[str]:
    if panels is None:
        return found
    panels = list(panels)
    unknown = [panel for panel in panels if panel not in found]
    if unknown or not panels:
        raise ValueError(f"panels must be some of {found}; got {panels!r}.")
    return panels


def _axes(ax, panels: list[str]) -> np.ndarray:
    axes = np.ravel(np.asarray(ax, dtype=object))
    if len(axes) != len(panels) or not all(hasattr(one, "plot") for one in axes):
        raise ValueError(f"ax must hold an Axes for each of the panels {panels}; got {ax!r}.")
    return axes


def _title(name: str) -> str:
    return SYMBOLS.get(name, name.replace("_", " "))
