"""The references of every comparison: no transfer at all, no source at all, and all rows alike."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression

from ._arrays import join_rows
from ._balance import BALANCE, balanced_weights
from ._delegation import DelegatingEstimator
from ._labels import one_class_message
from ._typing import Estimator
from .base import Domain, TransferTags

__all__ = ["Pooled", "SourceOnly", "TargetOnly"]


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
    Pooled : The reference where some target rows have labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> Xs, ys = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> SourceOnly().fit(Xs, ys, Xt=Xs + 1).predict([[0.5], [2.5]])
    array([0, 1])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("ignored", unlabelled_target=False)

    def __init__(self, estimator: Estimator = None):
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
    Pooled : Uses the source, too.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import TargetOnly
    >>> Xs, ys = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> TargetOnly().fit(Xs, ys, Xt=Xs + 10, yt=ys).predict([[10.5], [12.5]])
    array([0, 1])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", unlabelled_target=False)

    def __init__(self, estimator: Estimator = None):
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


class Pooled(DelegatingEstimator):
    """Train on source rows and labelled target rows together: the bar where there are labels.

    Nothing is adapted. With a few labelled target rows this simple thing is hard to beat, so that a
    method which uses target labels is worth its cost only above it. Without labels it is
    :class:`SourceOnly`.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any scikit-learn classifier or regressor. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    balance : {"rows", "domains"}, default="rows"
        "rows": each row counts alike, so that few labelled target rows hardly count beside many
        source rows. "domains": the labelled target rows together weigh as much as the source rows
        together (several sources count as one, each row of them alike); `estimator` must take
        ``sample_weight`` then.

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

    Raises
    ------
    ValueError
        With ``balance="domains"``, where `estimator` takes no ``sample_weight``.

    See Also
    --------
    SourceOnly, TargetOnly : The references from either side.
    TrAdaBoost : Finds out by the labels which source rows mislead.

    Notes
    -----
    With ``balance="domains"`` the weights have mean 1, so that the regularisation of the weighted
    estimator keeps its meaning: of n_s source and n_t labelled target rows each source row weighs
    (n_s + n_t) / 2 n_s, each target row (n_s + n_t) / 2 n_t.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import Pooled
    >>> Xs, ys = np.arange(20.0).reshape(-1, 1), np.arange(20) > 9.5
    >>> Xt, yt = np.array([[3.0], [4.0], [5.0], [6.0]]), np.array([False, False, True, True])
    >>> Pooled().fit(Xs, ys, Xt, yt).predict([[4.0], [8.0]])
    array([False, False])
    >>> Pooled(balance="domains").fit(Xs, ys, Xt, yt).predict([[4.0], [8.0]])
    array([False,  True])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=False)
    _params: ClassVar[dict[str, Any]] = {
        **DelegatingEstimator._params,
        "balance": BALANCE,
    }

    def __init__(self, estimator: Estimator = None, *, balance: str = "rows"):
        self.estimator = estimator
        self.balance = balance

    def _default_estimator(self):
        return LogisticRegression()

    def _fit(self, source: Domain, target: Domain) -> None:
        X, y, weights = source.X, source.y, None
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
            X, y = join_rows(X, labelled.X), np.concatenate([y, labelled.y])
            weights = balanced_weights(len(source), len(labelled), self.balance)
        self.estimator_ = self._fit_estimator(X, y, weights)
