"""How far up do layers carry over? A picture of transfer by the cut of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .._typing import Estimator, LabelsLike, RowsLike
from ._drawing import COLOURS, pyplot

__all__ = ["LayerTransferabilityDisplay"]

COLUMNS = ("repeat", "treatment", "cut", "score")
GREY = "#666666"
# Blue are layers of the same task, orange those of the other one; dashed what is trained further.
STYLES: dict[str, dict[str, Any]] = {
    "BnB": {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    "BnB+": {"color": COLOURS[5], "marker": "o", "linestyle": "--"},
    "AnB": {"color": COLOURS[4], "marker": "D", "linestyle": "-"},
    "AnB+": {"color": COLOURS[1], "marker": "D", "linestyle": "--"},
}
MEANINGS = {
    "BnB": "BnB: own layers, frozen",
    "BnB+": "BnB+: own layers, trained further",
    "AnB": "AnB: the other task's, frozen",
    "AnB+": "AnB+: the other task's, trained further",
}
SPREAD = 0.12  # how far apart, on the axis of cuts, the marks of neighbouring treatments stand


class LayerTransferabilityDisplay:
    """Draw how well the first layers of networks serve a task, over the number of layers.

    Figure 2 of Yosinski et al.: a mark for each training, and a line through the mean of every
    treatment. A horizontal line is the mean of networks that were trained on the target task from
    the start, "base", whose own marks stand at 0. Make it by `from_estimator` or `from_results`. It
    needs matplotlib (``pip install 'skdtl[plot]'``).

    Where the frozen own layers (BnB) dip below base, layers were torn apart that had learnt
    together; how much deeper the other task's (AnB) lie is what these layers know of their task
    alone; and where AnB+ lies above base, beginning with them was worth it. Look at the marks: if
    they scatter more than the lines differ, there is nothing to see.

    Parameters
    ----------
    results : pandas.DataFrame or dict of str to array-like
        As :func:`~skdtl.layer_transferability` returns it, with the columns "repeat", "treatment",
        "cut" and "score".

    Attributes
    ----------
    means_ : dict of str to ndarray of shape (n_cuts, 2)
        By treatment its cuts and, for each, the mean score.
    lines_ : dict of str to matplotlib Line2D
        By treatment the line through its means; that of "base" is horizontal.
    marks_ : dict of str to matplotlib Line2D
        By treatment the marks of all trainings.
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    layer_transferability : Makes the results.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (figure 2).

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # draws without a screen
    >>> from skdtl import LayerTransferabilityDisplay
    >>> results = {
    ...     "repeat": [0, 0, 0, 1, 1, 1],
    ...     "treatment": ["base", "AnB", "AnB"] * 2,
    ...     "cut": [0, 1, 2] * 2,
    ...     "score": [0.9, 0.85, 0.6, 0.92, 0.87, 0.7],
    ... }
    >>> display = LayerTransferabilityDisplay.from_results(results)
    >>> display.means_["AnB"].round(2).tolist()
    [[1.0, 0.86], [2.0, 0.65]]
    """

    def __init__(self, results: Any):
        self.results = results

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        Xs: RowsLike,
        ys: LabelsLike,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Train all networks and draw how they do.

        Parameters
        ----------
        estimator : estimator object
            A deep estimator, unfitted: see :func:`~skdtl.layer_transferability`.
        Xs : array-like of shape (n_s, n_features)
            Rows of task A; without `Xt`, of both tasks, whose classes are halved.
        ys : array-like of shape (n_s,)
            Their labels.
        Xt : array-like of shape (n_t, n_features), default=None
            Rows of task B.
        yt : array-like of shape (n_t,), default=None
            Their labels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options
            Further parameters of :func:`~skdtl.layer_transferability`, such as `n_repeats` and
            `n_jobs`.

        Returns
        -------
        display : LayerTransferabilityDisplay
        """
        from ..network import layer_transferability  # it needs torch, and drawing does not

        return cls(layer_transferability(estimator, Xs, ys, Xt, yt, **options)).plot(ax)

    @classmethod
    def from_results(cls, results: Any, *, ax: Any = None) -> Self:
        """Draw results that are there.

        Parameters
        ----------
        results : pandas.DataFrame or dict of str to array-like
            As :func:`~skdtl.layer_transferability` returns it.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : LayerTransferabilityDisplay
        """
        return cls(results).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        self : LayerTransferabilityDisplay
        """
        treatment, cut, score = _columns(self.results)
        plt = pyplot("LayerTransferabilityDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.means_: dict[str, np.ndarray] = {}
        self.lines_: dict[str, Any] = {}
        self.marks_: dict[str, Any] = {}
        of_base = treatment == "base"
        if of_base.any():
            mean = score[of_base].mean()
            self.means_["base"] = np.array([[0.0, mean]])
            label = "base: nothing copied"
            self.lines_["base"] = ax.axhline(mean, color=GREY, linewidth=1, zorder=0, label=label)
            self._mark("base", cut[of_base], score[of_base], {"color": GREY, "marker": "s"})
        drawn = [name for name in STYLES if (treatment == name).any()]
        for k, name in enumerate(drawn):
            chosen, style = treatment == name, STYLES[name]
            cuts = np.unique(cut[chosen])
            means = [score[chosen & (cut == n)].mean() for n in cuts]
            self.means_[name] = np.column_stack([cuts, means])
            options = {key: value for key, value in style.items() if key != "marker"}
            (self.lines_[name],) = ax.plot(cuts, means, label=MEANINGS[name], **options)
            places = cut[chosen] + SPREAD * (k - (len(drawn) - 1) / 2)
            self._mark(name, places, score[chosen], style)
        ax.set_xlabel("number of copied layers n")
        ax.set_ylabel("score on the target task")
        ax.set_xticks(np.unique(cut))
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False)
        return self

    def _mark(self, name: str, places, scores, style) -> None:
        options = {"color": style["color"], "marker": style["marker"], "linestyle": "none"}
        (self.marks_[name],) = self.ax_.plot(places, scores, alpha=0.5, markersize=4, **options)


def _columns(results) -> tuple[np.ndarray, ...]:
    """Return treatments, cuts and scores."""
    named = results if isinstance(results, Mapping) or hasattr(results, "columns") else {}
    if missing := [name for name in COLUMNS if name not in named]:
        raise ValueError(
            f"results must have the columns {list(COLUMNS)}, as layer_transferability returns "
            f"them; {missing} are missing."
        )
    treatment = np.asarray(named["treatment"], dtype=str)
    unknown = sorted(set(treatment.tolist()) - {"base", *STYLES})
    if unknown or not len(treatment):
        raise ValueError(
            f"results must hold trainings of {['base', *STYLES]}; got {unknown or 'none'}."
        )
    return treatment, np.asarray(named["cut"]), np.asarray(named["score"], dtype=float)
