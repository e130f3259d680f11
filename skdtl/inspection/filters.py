"""Which patterns were learnt? A picture of the filters of a convolutional code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._typing import Estimator
from ._drawing import pyplot

__all__ = ["FilterDisplay"]

BANKS = {
    "dictionary": "dictionary_",
    "source": "source_dictionary_",
    "predictor": "predictor_",
}


class FilterDisplay:
    """Show the filters that a convolutional sparse code was learnt with, scale by scale.

    A panel for each scale, in which the filters stand side by side, row by row, with a line of
    background between them. White is zero; red and blue are the two signs, each filter in units of
    its own largest pixel. Make it by `from_estimator` or `from_arrays`. It needs matplotlib
    (``pip install 'skdtl[plot]'``).

    Use it to see whether filters have become patterns of the images, such as strokes and edges,
    or still look like noise (more images, more rounds, a larger α), whether a larger scale has
    found more than the smaller one, and what fine-tuning has changed.

    Parameters
    ----------
    filters : sequence of ndarray of shape (n_filters, height, width)
        The filters of each scale.

    Attributes
    ----------
    mosaics_ : list of ndarray
        What is drawn in each panel: filters between -1 and 1, NaN between them.
    images_ : list of matplotlib AxesImage
        The panels' images.
    axes_ : ndarray of matplotlib Axes
        The axes drawn on, one for each scale.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    MSCSC : Learns the filters.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # draws without a screen
    >>> from skdtl import MSCSC, FilterDisplay
    >>> from skdtl.datasets import load_digits_pair
    >>> Xs = load_digits_pair().Xs[:50]
    >>> coder = MSCSC((3, 5), 6, shape=(8, 8), tol=0.1, estimator="passthrough", random_state=0)
    >>> display = FilterDisplay.from_estimator(coder.fit(Xs, None, Xs[:10]))
    >>> [axes.get_title() for axes in display.axes_]
    ['6 of 3 x 3', '6 of 5 x 5']
    """

    def __init__(self, filters: Any):
        self.filters = filters

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, *, bank: str = "dictionary", ax: Any = None
    ) -> Self:
        """Draw the filters of a fitted estimator.

        Parameters
        ----------
        estimator : estimator object
            A fitted :class:`~skdtl.MSCSC`, or a Pipeline that ends in one.
        bank : {"dictionary", "source", "predictor"}, default="dictionary"
            Which filters: those that images are coded by, those before fine-tuning, or those that
            predict codes.
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each scale; None makes a new figure.

        Returns
        -------
        display : FilterDisplay

        Raises
        ------
        AttributeError
            Where the estimator has no such filters.
        """
        if bank not in BANKS:
            raise ValueError(f"bank must be one of {list(BANKS)}; got {bank!r}.")
        check_is_fitted(estimator)
        while isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        filters = getattr(estimator, BANKS[bank], None)
        if filters is None:
            raise AttributeError(
                f"{type(estimator).__name__} has no {BANKS[bank]}. (Of a search give "
                "best_estimator_; predictors need coding='predicted'.)"
            )
        return cls(filters).plot(ax)

    @classmethod
    def from_arrays(cls, filters: Sequence[ArrayLike], *, ax: Any = None) -> Self:
        """Draw filters that are given as arrays.

        Parameters
        ----------
        filters : sequence of array-like of shape (n_filters, height, width)
            The filters of each scale.
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each scale; None makes a new figure.

        Returns
        -------
        display : FilterDisplay
        """
        return cls(filters).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of these, default=None
            Where to draw, one for each scale; None makes a new figure.

        Returns
        -------
        self : FilterDisplay
        """
        scales = [np.asarray(filters, dtype=float) for filters in self.filters]
        if not scales or any(filters.ndim != 3 or not filters.size for filters in scales):
            raise ValueError(
                "filters must hold an array of shape (n_filters, height, width) for each scale; "
                f"got shapes {[filters.shape for filters in scales]}."
            )
        plt = pyplot("FilterDisplay")
        if ax is None:
            n = len(scales)
            _, ax = plt.subplots(1, n, squeeze=False, figsize=(3.5 * n, 3.7), layout="constrained")
        self.axes_ = np.ravel(np.asarray(ax, dtype=object))
        if len(self.axes_) != len(scales) or not all(hasattr(one, "imshow") for one in self.axes_):
            raise ValueError(f"ax must hold an Axes for each of the {len(scales)} scales.")
        self.figure_ = self.axes_[0].figure
        self.mosaics_ = [_mosaic(filters) for filters in scales]
        self.images_ = []
        for axes, filters, mosaic in zip(self.axes_, scales, self.mosaics_):
            self.images_.append(axes.imshow(mosaic, cmap="RdBu_r", vmin=-1, vmax=1))
            axes.set_facecolor("#BBBBBB")  # what NaN lets through
            axes.set_title("{} of {} x {}".format(*filters.shape), fontsize=10)
            axes.set_xticks([])
            axes.set_yticks([])
        return self


def _mosaic(filters) -> np.ndarray:
    """Put filters side by side in rows, about as high as wide."""
    n_filters, height, width = filters.shape
    n_columns = max(1, round(math.sqrt(n_filters * (height + 1) / (width + 1))))
    n_rows = math.ceil(n_filters / n_columns)
    mosaic = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1), np.nan)
    for k, pattern in enumerate(filters):
        top, left = k // n_columns * (height + 1), k % n_columns * (width + 1)
        largest = np.abs(pattern).max() or 1.0
        mosaic[top : top + height, left : left + width] = pattern / largest
    return mosaic
