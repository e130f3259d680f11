"""What estimators say of target rows: the public methods, each of which stands on a hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from ._typing import RowsLike

__all__ = ["ClassPredictions", "TargetPredictions", "if_offered"]


def if_offered(method: str):
    """Make a method available where an estimator offers the named one."""
    return available_if(lambda estimator: estimator._offers(method))


class TargetPredictions:
    """Gives ``predict`` to estimators that write ``_predict(X)`` for validated target rows."""

    _check_X: Callable[..., Any]
    _predict: Callable[..., Any]

    def _offers(self, method: str) -> bool:
        """Tell whether a method is there; an AttributeError of its own may say why it isn't."""
        return hasattr(self, f"_{method}")

    @if_offered("predict")
    def predict(self, X: RowsLike) -> np.ndarray:
        """Predict the labels of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._predict(self._check_X(X))


class ClassPredictions(TargetPredictions):
    """Gives what classifiers say besides, as far as they write the method with an underscore."""

    _predict_proba: Callable[..., Any]
    _predict_log_proba: Callable[..., Any]
    _decision_function: Callable[..., Any]

    @if_offered("predict_proba")
    def predict_proba(self, X: RowsLike) -> np.ndarray:
        """Predict the class probabilities of target rows.

        Of learners that vote, these are the classes' shares of the vote, which are not calibrated;
        of neighbours, the classes' shares of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._predict_proba(self._check_X(X))

    @if_offered("predict_log_proba")
    def predict_log_proba(self, X: RowsLike) -> np.ndarray:
        """Predict the logarithms of the class probabilities of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; -inf for a class without any vote.
        """
        return self._predict_log_proba(self._check_X(X))

    @if_offered("decision_function")
    def decision_function(self, X: RowsLike) -> np.ndarray:
        """Return the decision values of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            A wrapped estimator's are its own. Others have one value for two classes, which is
            positive where the second is predicted, else a column a class: a network its logits (for
            two classes their difference), learners that vote from -1 (all votes against a class;
            for K > 2 classes -1/(K - 1)) to 1.
        """
        return self._decision_function(self._check_X(X))
