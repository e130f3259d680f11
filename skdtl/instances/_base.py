"""What the methods that re-weight source rows share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from .._arrays import join_rows
from .._delegation import DelegatingEstimator
from ..base import Domain

__all__ = ["InstanceWeighter", "SourceWeightsMixin"]


class SourceWeightsMixin:
    """Explains why an unpickled model has no source weights."""

    _unpickled: ClassVar[tuple[str, ...]] = ("source_weights_",)

    def __getattr__(self, name):
        # Only called for what is not found.
        name_of_class = type(self).__name__
        if name in type(self)._unpickled and "n_features_in_" in vars(self):
            raise AttributeError(
                f"This {name_of_class} has no {name!r}: it holds an entry for each source row, "
                "which prediction does not need, and so it is lost by pickling or copying. "
                "Read it from the object that was fitted."
            )
        raise AttributeError(f"{name_of_class!r} object has no attribute {name!r}")


class InstanceWeighter(SourceWeightsMixin, DelegatingEstimator):
    """Base class of methods that weigh the source rows once and then fit ``estimator``.

    A subclass writes ``_source_weights(source, target)``. The weights are brought to mean 1, so
    that the regularisation of the weighted estimator keeps its meaning; a labelled target row
    takes part with weight 1.
    """

    def _default_estimator(self):
        return LogisticRegression()

    @abstractmethod
    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        """Return a non-negative weight for each source row, shape (n_s,)."""

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.source_weights_ = np.ones(len(source))
        else:
            weights = np.asarray(self._source_weights(source, target), dtype=float)
            self.source_weights_ = weights / weights.mean()
        self.estimator_ = self._fit_weighted(source, target, self.source_weights_)

    def _fit_weighted(self, source: Domain, target: Domain, weights):
        """Fit ``estimator`` to the weighted source rows and the labelled target rows."""
        X, y = self._prepare(source.X), source.y
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
            X = join_rows(X, self._prepare(labelled.X))
            y = np.concatenate([y, labelled.y])
            weights = np.concatenate([weights, np.ones(len(labelled))])
        return self._fit_estimator(X, y, weights)
