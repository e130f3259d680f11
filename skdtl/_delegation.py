"""Methods around an ordinary estimator: what they take from it, and how they fit clones of it."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from ._constraints import HasMethod
from ._predictions import ClassPredictions
from ._typing import LabelsLike, RowsLike
from .base import TransferEstimator

__all__ = [
    "DelegatingEstimator",
    "WrappingEstimator",
    "fit_clone",
    "takes_missing_values",
    "takes_weights",
]


class WrappingEstimator(TransferEstimator):
    """Base class of methods around an ordinary ``estimator``, of which they are of the kind.

    Whether the method is a classifier or a regressor, and what rows it takes, is the wrapped
    estimator's affair. A subclass overrides ``_prepare`` where that needs other columns than the
    method is given.
    """

    _params: ClassVar[dict[str, Any]] = {"estimator": (None, HasMethod("fit"))}

    # What the method's own mathematics can take; the wrapped estimator must take it too.
    _takes_sparse: ClassVar[bool] = True
    _takes_nan: ClassVar[bool] = True

    def _default_estimator(self):
        """Return what ``estimator=None`` stands for."""
        raise NotImplementedError

    def _estimator(self):
        return self._default_estimator() if self.estimator is None else self.estimator

    def _fit_estimator(self, X, y, sample_weight=None):
        """Fit a clone of the wrapped estimator on the caller's own labels."""
        return fit_clone(self._estimator(), X, self._decode(y), sample_weight)

    def _decode(self, y):
        """Return the caller's labels for encoded ones: class_weight={"ill": 5} refers to them."""
        return self.classes_[y] if is_classifier(self) else y

    def _prepare(self, X):
        """Bring validated target rows into the space where what was fitted predicts."""
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        estimator = self._estimator()
        if estimator is None:  # a pure transformer
            tags.target_tags.required = False
            tags.input_tags.sparse = self._takes_sparse
            tags.input_tags.allow_nan = False
            return tags
        inner = get_tags(estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.input_tags.sparse = self._takes_sparse and inner.input_tags.sparse
        tags.input_tags.allow_nan = self._takes_nan and takes_missing_values(estimator)
        return tags


class DelegatingEstimator(ClassPredictions, WrappingEstimator):
    """Base class of methods that end in fitting an ordinary estimator, which then predicts.

    Which predict methods there are is the wrapped estimator's affair. A subclass sets
    ``estimator_`` in ``_fit``, mostly by ``_fit_estimator``.
    """

    def _offers(self, method: str) -> bool:
        estimator = self.estimator_ if hasattr(self, "estimator_") else self._estimator()
        getattr(estimator, method)  # its AttributeError says what is missing
        return True

    def _predict(self, X):
        return self.estimator_.predict(self._prepare(X))

    def _predict_proba(self, X):
        return self.estimator_.predict_proba(self._prepare(X))

    def _predict_log_proba(self, X):
        return self.estimator_.predict_log_proba(self._prepare(X))

    def _decision_function(self, X):
        return self.estimator_.decision_function(self._prepare(X))

    @available_if(lambda self: self._offers("score"))
    def score(self, X: RowsLike, y: LabelsLike, sample_weight: ArrayLike | None = None) -> float:
        """Score predictions on labelled target rows: accuracy, or R² for a regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
        """
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        X = self._prepare(self._check_X(X))
        return self.estimator_.score(X, y, **options)


def takes_missing_values(estimator) -> bool:
    """Tell whether NaN may be passed on to an estimator.

    A Pipeline has no such tag of its own, and what its first step does with NaN, a SimpleImputer
    say, decides; a later step that meets NaN says so itself.
    """
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not steps:
            return False
        estimator = steps[0]
    return get_tags(estimator).input_tags.allow_nan


def _last_step(estimator):
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def takes_weights(estimator) -> bool:
    """Tell whether ``sample_weight`` may be given to an estimator, or to a Pipeline's last step."""
    return has_fit_parameter(_last_step(estimator), "sample_weight")


def fit_clone(estimator, X, y, sample_weight=None):
    """Fit a clone of an estimator, with weights that also reach the last step of a Pipeline.

    Parameters
    ----------
    estimator : estimator object
        Left as it is.
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    fitted : estimator object

    Raises
    ------
    ValueError
        Where weights are given and the estimator's ``fit`` takes none.
    """
    fitted = clone(estimator)
    if sample_weight is None:
        return fitted.fit(X, y)
    last = _last_step(fitted)
    if not takes_weights(fitted):
        raise ValueError(
            f"The estimator {type(last).__name__} takes no sample_weight in fit, but its rows "
            "are to be weighted. Use one that does, such as LogisticRegression or a tree."
        )
    if last is fitted:
        return fitted.fit(X, y, sample_weight=sample_weight)
    # Under metadata routing every step would have to say what it makes of the weights.
    with config_context(enable_metadata_routing=False):
        return fitted.fit(X, y, **{f"{fitted.steps[-1][0]}__sample_weight": sample_weight})
