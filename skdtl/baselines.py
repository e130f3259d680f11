"""The two references of every comparison: no transfer at all, and no source at all."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression

from .base import DelegatingEstimator, Domain, TransferTags, one_class_message

__all__ = ["SourceOnly", "TargetOnly"]


class SourceOnly(DelegatingEstimator):
    """Train on the source alone: the floor that a transfer method must beat.

    The target is never looked at. Use it next to other estimators, to see what they gain.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any scikit-learn classifier or regressor. None means
        :class:`~sklearn.linear_model.LogisticRegression`.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        The classes; only for a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    See Also
    --------
    TargetOnly : The reference from the other side.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> Xs, ys = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> SourceOnly().fit(Xs, ys, Xt=Xs + 1).predict([[0.5], [2.5]])
    array([0, 1])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("ignored", unlabelled_target=False)

    def __init__(self, estimator=None):
        self.estimator = estimator

    def _default_estimator(self):
        return LogisticRegression()

    def _fit(self, source: Domain, target: Domain) -> None:
        self.estimator_ = self._fit_estimator(source.X, source.y)


class TargetOnly(DelegatingEstimator):
    """Train on the labelled target rows alone: what the target's own labels are worth.

    With few labels a transfer method should beat it; with all of them it is the reference that
    shows how much there is to gain.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any scikit-learn classifier or regressor. None means
        :class:`~sklearn.linear_model.LogisticRegression`.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        The classes of the labelled target rows; only for a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    See Also
    --------
    SourceOnly : The reference from the other side.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import TargetOnly
    >>> Xs, ys = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> TargetOnly().fit(Xs, ys, Xt=Xs + 10, yt=ys).predict([[10.5], [12.5]])
    array([0, 1])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", unlabelled_target=False)

    def __init__(self, estimator=None):
        self.estimator = estimator

    def _default_estimator(self):
        return LogisticRegression()

    def _fit(self, source: Domain, target: Domain) -> None:
        labelled = target.labelled_rows()
        if is_classifier(self):
            present = np.unique(labelled.y)
            if len(present) < 2:
                raise ValueError(one_class_message("yt", self.classes_[present], "TargetOnly"))
        self.estimator_ = self._fit_estimator(labelled.X, labelled.y)
        if is_classifier(self):
            self.classes_ = self.classes_[present]
