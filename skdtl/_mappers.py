"""What the methods have in common that map both domains to one space."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ._arrays import join_rows
from ._balance import BALANCE, balanced_weights
from ._constraints import HasMethod, OneOf
from ._delegation import DelegatingEstimator, takes_weights
from ._parameters import DeclaredParameters, parameter
from ._typing import Estimator, RowsLike
from .base import Domain, DomainTransformerMixin

# What `estimator` may be: a subclass that puts the parameter elsewhere declares it with this again.
ESTIMATOR = (None, HasMethod("fit"), OneOf("passthrough"))


class Mapper(DeclaredParameters, DomainTransformerMixin, DelegatingEstimator):
    """Base class of methods that map both domains to one space and train an estimator there.

    A subclass writes ``_fit_maps(source, target)``, which sets ``_n_features_out``, and
    ``_map(X, domain)``. The estimator is trained on the mapped source rows and the mapped labelled
    target rows.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`; not with "passthrough".
    classes_ : ndarray of shape (n_classes,)
        The classes; only for a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.
    """

    estimator: Estimator = parameter(
        default=None,
        legal=ESTIMATOR,
        text="""
        Classifier or regressor that is trained on the mapped rows. None means
        :class:`~sklearn.linear_model.LogisticRegression`. With "passthrough" the method is a
        transformer only and needs no labels.
        """,
    )

    balance: str = parameter(
        default="auto",
        legal=OneOf("auto", *BALANCE.options),
        text="""
        "rows": each row counts alike, so that few labelled target rows hardly count beside many
        source rows. "domains": the labelled target rows together weigh as much as the source rows
        together, as in :class:`Pooled`, since a map is never exact; `estimator` must take
        ``sample_weight`` then. "auto": "domains" if it does, else "rows".
        """,
        last=True,
    )

    _takes_nan: ClassVar[bool] = False

    @abstractmethod
    def _fit_maps(self, source: Domain, target: Domain) -> Any:
        """Learn the maps of both domains and set ``_n_features_out``.

        May return the mapped source rows where they are a by-product.
        """

    def _default_estimator(self):
        return LogisticRegression()

    def _estimator(self):
        passthrough = isinstance(self.estimator, str) and self.estimator == "passthrough"
        return None if passthrough else super()._estimator()

    def _fit(self, source: Domain, target: Domain) -> None:
        Zs, Zt, yt = self._fit_maps(source, target), None, None
        if self._estimator() is None:  # a pure transformer
            return
        if Zs is None:
            Zs = self._map(source.X, "source")
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
            Zt, yt = self._map(labelled.X, "target"), labelled.y
        self.estimator_ = self._fit_on(Zs, source.y, Zt, yt)

    def _fit_on(self, Zs, ys, Zt=None, yt=None):
        """Return a clone of the estimator, fitted on mapped rows of the source and the target."""
        if Zt is None or not Zt.shape[0]:
            return self._fit_estimator(Zs, ys)
        balance = self.balance
        if balance == "auto":
            balance = "domains" if takes_weights(self._estimator()) else "rows"
        weights = balanced_weights(Zs.shape[0], Zt.shape[0], balance)
        return self._fit_estimator(join_rows(Zs, Zt), np.concatenate([ys, yt]), weights)

    def _prepare(self, X):
        return self._map(X, "target")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        # The wrapped estimator sees mapped rows, which are dense.
        tags.input_tags.sparse = self._takes_sparse
        return tags


class InvertibleMapper(Mapper):
    """Base class of mappers that also lead back; a subclass writes ``_unmap(Z, domain)``."""

    def inverse_transform(self, X: RowsLike, domain: str = "target") -> Any:
        """Lead mapped rows back to the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Mapped rows.
        domain : {"target", "source"}, default="target"
            The domain whose map is undone.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        self._check_domain(domain)
        check_is_fitted(self)
        Z = check_array(X, dtype=[np.float64, np.float32], estimator=self, input_name="X")
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} features, but {type(self).__name__} maps to "
                f"{self._n_features_out}."
            )
        return self._unmap(Z, domain)

    @abstractmethod
    def _unmap(self, Z, domain: str):
        """Undo the map of one domain, "source" or "target"."""


class SourceMover(OneToOneFeatureMixin, Mapper):
    """Base class of mappers that move source rows to where the target is, and no target row.

    A subclass writes ``_move(X)`` for source rows; the columns stay what they were.
    """

    @property
    def _n_features_out(self):
        return self.n_features_in_

    @abstractmethod
    def _move(self, X):
        """Map validated source rows."""

    def _map(self, X, domain: str):
        # A caller of transform may write to what it returns.
        return X.copy() if domain == "target" else self._move(X)

    def _prepare(self, X):
        return X
