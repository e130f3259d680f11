"""What the methods have in common that map both domains to one space."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from .._params import HasMethod, OneOf
from ..base import DelegatingEstimator, Domain


class Mapper(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DelegatingEstimator):
    """Base class of methods that map both domains to one space and train an estimator there.

    A subclass writes ``_fit_maps(source, target)``, which sets ``_n_features_out``, and
    ``_map(X, domain)``. The estimator is trained on the mapped source rows and the mapped labelled
    target rows.
    """

    _params: ClassVar[dict[str, Any]] = {
        "estimator": (None, OneOf("passthrough"), HasMethod("fit"))
    }
    _takes_nan: ClassVar[bool] = False

    @abstractmethod
    def _fit_maps(self, source: Domain, target: Domain) -> None:
        """Learn the maps of both domains and set ``_n_features_out``."""

    @abstractmethod
    def _map(self, X, domain: str):
        """Map validated rows of one domain, "source" or "target"."""

    def _default_estimator(self):
        return LogisticRegression()

    def _estimator(self):
        if self._is_passthrough():  # an estimator that predicts nothing stands for none
            return FunctionTransformer()
        return super()._estimator()

    def _is_passthrough(self) -> bool:
        return isinstance(self.estimator, str) and self.estimator == "passthrough"

    def _fit(self, source: Domain, target: Domain) -> None:
        self._fit_maps(source, target)
        if self._is_passthrough():
            return
        Z, y = self._map(source.X, "source"), source.y
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
            Z = np.concatenate([Z, self._map(labelled.X, "target")])
            y = np.concatenate([y, labelled.y])
        self.estimator_ = self._fit_estimator(Z, y)

    def _prepare(self, X):
        return self._map(X, "target")

    def transform(self, X, domain: str = "target"):
        """Map rows of one domain to the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        domain : {"target", "source"}, default="target"
            The domain that they come from.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out)
            The mapped rows.
        """
        X = self._check_X(X)
        if not isinstance(domain, str) or domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target'; got {domain!r}.")
        return self._map(X, domain)

    def fit_transform(
        self, X, y=None, Xt=None, yt=None, *, sample_domain=None, hide_target_labels=False
    ):
        """Fit, and map the rows of `X`, each by the map of its own domain.

        The next step of a Pipeline thereby trains on adapted source rows.

        Parameters
        ----------
        X : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        y : array-like of shape (n_s,), default=None
            Source labels; in stacked form the labels of all rows. May be left out where
            `estimator` is "passthrough".
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows.
        yt : array-like of shape (n_t,), default=None
            Target labels.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows, negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out)
            In the order of `X`.
        """
        self.fit(X, y, Xt, yt, sample_domain=sample_domain, hide_target_labels=hide_target_labels)
        X = self._check_X(X)
        if sample_domain is None:
            return self._map(X, "source")
        from_source = np.asarray(sample_domain) > 0
        mapped = self._map(X[from_source], "source"), self._map(X[~from_source], "target")
        Z = np.empty((len(from_source), mapped[0].shape[1]), np.result_type(*mapped))
        Z[from_source], Z[~from_source] = mapped
        return Z

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not self._is_passthrough()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        # The wrapped estimator sees mapped rows, which are dense.
        tags.input_tags.sparse = self._takes_sparse
        return tags


def joined_rows(source: Domain, target: Domain):
    """Join the rows of both domains, source first; without a target just the source's rows."""
    if target is source:
        return source.X
    if scipy.sparse.issparse(source.X) or scipy.sparse.issparse(target.X):
        return scipy.sparse.vstack([source.X, target.X], format="csr")
    return np.concatenate([source.X, target.X])
