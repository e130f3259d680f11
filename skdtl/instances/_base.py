"""What the methods that re-weight source rows share."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression

from .._arrays import join_rows
from .._balance import BALANCE, balanced_weights
from .._constraints import HasMethod, Real
from .._delegation import DelegatingEstimator
from ..base import Domain, LowOverlapWarning
from ._draws import even_folds
from ._effective import WORTH_TRYING, effective_rows, least_left, tempered

__all__ = ["InstanceWeighter", "SourceWeightsMixin"]

_FOLDS = 5
_HARDLY = 0.1  # the share of rows left of which a warning speaks


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

    A subclass writes ``_source_weights(source, target)``. The weights are tempered where they leave
    too few rows, and brought to mean 1, so that the regularisation of the weighted estimator keeps
    its meaning; labelled target rows take part with one weight, which `balance` decides.
    """

    _params: ClassVar[dict[str, Any]] = {
        "estimator": (None, HasMethod("fit")),
        "min_effective_share": Real(0, 1),
        "balance": BALANCE,
    }
    estimator: Any
    min_effective_share: float
    balance: str

    def _default_estimator(self):
        return LogisticRegression()

    @abstractmethod
    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        """Return a non-negative weight for each source row, shape (n_s,).

        All are 0 where no source row lies where the target does.
        """

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.source_weights_, self.temper_ = np.ones(len(source)), 1.0
        else:
            weights = np.asarray(self._source_weights(source, target), dtype=float)
            if weights.any():
                weights = weights / weights.mean()
                self.source_weights_, self.temper_ = self._with_floor(source, target, weights)
            else:
                self.source_weights_, self.temper_ = self._without_overlap(source)
        self.estimator_ = self._fit_weighted(source, target, self.source_weights_)

    def _with_floor(self, source: Domain, target: Domain, weights):
        """Return weights of mean 1 that leave enough rows, and the exponent that made them."""
        codes = self._codes(source)
        found, temper = self._flattened(source, weights)
        if temper == 1:
            return found, temper
        sharper, exponent = tempered(weights, 0.0, codes, least=WORTH_TRYING)
        if exponent > temper and self._is_better(source, target, sharper, found):
            return sharper, exponent
        if least_left(weights, codes) < _HARDLY:
            before, after = effective_rows(weights), effective_rows(found)
            warnings.warn(
                f"The domains hardly overlap to {type(self).__name__}: its weights would leave "
                f"{before:.3g} effective rows of {len(source)}, or next to none of a class. Raised "
                f"to the power of temper_={temper:.2g}, they leave {after:.3g}; with a power of 0 "
                "nothing is weighted.",
                LowOverlapWarning,
                stacklevel=5,
            )
        return found, temper

    def _without_overlap(self, source: Domain):
        """Return even weights for a source of which no row would be left, and their power, 0."""
        text = (
            f"{type(self).__name__} gives each of the {len(source)} source rows the weight 0: none "
            "lies where the target does, or the columns have different units."
        )
        if self.min_effective_share == 0:
            raise ValueError(
                f"{text} Scale the columns, use a method that maps both domains to one space, or "
                "have all rows count alike there by a min_effective_share above 0."
            )
        warnings.warn(f"{text} All rows count alike.", LowOverlapWarning, stacklevel=5)
        return np.ones(len(source)), 0.0

    def _flattened(self, source: Domain, weights):
        """Return weights of mean 1 that leave the share asked for, and the exponent."""
        if self.min_effective_share == 0:
            return weights, 1.0
        return tempered(weights, self.min_effective_share, self._codes(source))

    def _codes(self, source: Domain):
        """Return the classes of the source rows, None for numbers."""
        return source.y if is_classifier(self) else None

    def _is_better(self, source: Domain, target: Domain, weights, others) -> bool:
        """Tell whether a fit with weights beats one with others where the target lies.

        The loss on held-out source rows, importance-weighted, is to be less by more than its
        standard error.
        """
        codes = self._codes(source)
        if len(source) < 2 or (codes is not None and np.bincount(codes).min() < 2):
            return False  # without a class in training its loss says nothing
        fold = even_folds(source.X, codes, _FOLDS)
        gain = np.empty(len(source))
        for k in np.unique(fold):
            train, held_out = fold != k, source.take(fold == k)
            rest = source.take(train)
            losses = [
                self._losses(self._fit_weighted(rest, target, w[train] / w[train].mean()), held_out)
                for w in (weights, others)
            ]
            gain[fold == k] = losses[1] - losses[0]
        mean = weights @ gain / len(source)  # the weights' mean is 1
        error = np.sqrt(np.sum((weights * (gain - mean)) ** 2)) / len(source)
        return bool(mean > error)

    def _losses(self, fitted, rows: Domain) -> np.ndarray:
        """Return squared errors, of a classifier's probabilities or else of its predictions."""
        X = self._prepare(rows.X)
        if not is_classifier(self):
            return (fitted.predict(X) - rows.y) ** 2
        if not hasattr(fitted, "predict_proba"):
            return (fitted.predict(X) != self._decode(rows.y)).astype(float)
        truth = fitted.classes_ == self._decode(rows.y)[:, None]
        return ((fitted.predict_proba(X) - truth) ** 2).sum(axis=1)

    def _fit_weighted(self, source: Domain, target: Domain, weights):
        """Fit ``estimator`` to the weighted source rows and the labelled target rows."""
        X, y = self._prepare(source.X), source.y
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
            X = join_rows(X, self._prepare(labelled.X))
            y = np.concatenate([y, labelled.y])
            weights = np.concatenate([weights, np.ones(len(labelled))])
            share = balanced_weights(len(source), len(labelled), self.balance)
            weights = weights if share is None else weights * share
        return self._fit_estimator(X, y, weights)
