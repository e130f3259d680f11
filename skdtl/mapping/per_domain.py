"""Each domain in its own units: the simplest adaptation (Li et al., 2018, for networks)."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, clone, is_classifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._arrays import join_rows
from .._constraints import HasMethod
from .._delegation import takes_missing_values
from .._mappers import ESTIMATOR, Mapper
from .._parameters import parameter
from .._typing import Estimator, LabelsLike, RowsLike
from ..base import Domain, TransferTags
from ..domains import check_sample_domain
from ._class_shares import counts_differ, other_shares

__all__ = ["PerDomain"]

_TARGET = -1


def _inverts(self) -> bool:
    """Tell, for available_if, whether the transformer leads back."""
    getattr(self._transformer(), "inverse_transform")  # noqa: B009, its error says what is missing
    return True


class PerDomain(Mapper):
    """Standardise each domain by itself, or fit another transformer to each domain by itself.

    Source rows are transformed by what was learnt of the source, target rows by what was learnt
    of the target, and an ordinary estimator is trained on the transformed source rows. It needs
    no target labels; where some are given, the labelled rows join the training.

    Use it where each domain measures in its own units: another instrument, platform or scanner,
    which moves and stretches columns. It costs next to nothing, and other methods often add
    nothing after it: try it first. Don't use it where the classes have other shares in the target.
    Each domain's mean is then the mean of another mixture, and to make the means equal moves the
    classes against each other; on one table accuracy fell from .68 to .43. A classifier warns where
    the data show this (see Notes), but they need not show it. Nor use it where a column's mean is
    the signal: the target's patients *are* older.

    Attributes
    ----------
    transformers_ : dict of int to transformer object
        The fitted clone of each source, by its code (1 where there is one source), and of the
        target, by -1.

    Raises
    ------
    ValueError
        Where the clones return different numbers of columns.

    Warns
    -----
    UserWarning
        Where a classifier's rows are evidence that the classes have other shares in the target, or
        in one of several sources.

    See Also
    --------
    CORAL, LinearOTMapping : Adapt correlations, too.
    Pooled, SourceOnly : The references.

    Notes
    -----
    *Several sources* have a clone each. All rows with a negative code are the one target.

    *Domains.* ``transform(X)`` takes target rows, ``transform(X, domain="source")`` source rows;
    with several sources ``domain=2`` or an array with the code of each row. ``inverse_transform``,
    which is there if the transformer has it, takes the same.

    *Evidence of other class shares* is one of the following, each with at most one false alarm in a
    thousand by its own model, and only where the shares differ by .15 or more (half of the sum of
    the absolute differences).

    1. Among the labelled target rows, or in one source against the others, a class is more or less
       frequent by Fisher's exact test. Equally many labelled target rows of each class are taken
       for a choice and show nothing.
    2. Without labels: if only the shares have changed, the difference of the columns' means is a
       mixture of the classes' mean differences [2]_. It is regressed on these, in the (at most 30)
       widest directions of the variation within the source's classes. An F test tells whether they
       explain more of it than of a random direction; the coefficients are the target's shares,
       which must be possible ones and explain the target's variances, too. It keeps silent where
       something else has changed as well, where there are hardly more columns than classes, and
       for sparse rows.

    In 60 draws of tables whose target rows had been chosen by class or by where they lie, the
    second noticed 25, of those by class 19 of 30. In 492 other draws, real and made, it spoke four
    times, thrice where chance had made the shares differ by more than .1. Between hospitals, where
    much else differs, too, it is silent; 20 labels show the other shares in half of the draws.

    *NaN.* What the given transformer does with missing values, it decides: an imputer fills them,
    with what is usual in the row's own domain.

    *Cost* is that of the transformer.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, X. Hou, J. Liu, "Adaptive batch normalization for practical
       domain adaptation", Pattern Recognition 80, 2018, Algorithm 1: the same for each layer of a
       network.
    .. [2] Z. C. Lipton, Y.-X. Wang, A. J. Smola, "Detecting and correcting for label shift with
       black box predictors", International Conference on Machine Learning, 2018: the target's
       moments as a mixture of the classes' (there those of a classifier's outputs, here of the
       columns).

    Examples
    --------
    The target's instrument stretches each feature and adds a constant to it.

    >>> from skdtl import PerDomain, SourceOnly
    >>> from skdtl.datasets import make_shifted_classification
    >>> data = make_shifted_classification("measurement", random_state=0)
    >>> for model in (SourceOnly(), PerDomain()):
    ...     accuracy = model.fit(data.Xs, data.ys, data.Xt).score(data.Xt, data.yt)
    ...     print(f"{type(model).__name__:<10} {accuracy:.2f}")
    SourceOnly 0.66
    PerDomain  0.93
    """

    transformer: Estimator = parameter(
        default=None,
        legal=(None, HasMethod("transform")),
        type="transformer object",
        text="""
        A clone is fitted to each domain, without labels. None means
        :class:`~sklearn.preprocessing.StandardScaler`. Columns must mean the same in all domains
        afterwards: scalers, imputers and quantiles are fine, principal components are not.
        """,
        kw_only=False,
    )
    estimator: Estimator = parameter(default=None, legal=ESTIMATOR)

    _transfer_tags: ClassVar[TransferTags] = TransferTags(multi_source=True)
    _takes_nan: ClassVar[bool] = True

    def _transformer(self):
        return StandardScaler() if self.transformer is None else self.transformer

    def _fit_maps(self, source: Domain, target: Domain):
        # A mask copies, as a transformer may write to the rows that it is given.
        fitted = {
            int(code): self._fitted(source.X[source.ids == code]) for code in np.unique(source.ids)
        }
        fitted[_TARGET] = fitted[1] if target is source else self._fitted(target.X.copy())
        self.transformers_ = fitted
        if is_classifier(self):
            self._warn_of_other_shares(source, target)
        Zs = self._map_each(source.X, source.ids)
        self._n_features_out = Zs.shape[1]
        n_target = self._map(target.X[:1], "target").shape[1]
        if n_target != self._n_features_out:
            raise ValueError(
                f"{type(self._transformer()).__name__} makes {self._n_features_out} columns of the "
                f"source's rows, but {n_target} of the target's: each domain needs the same ones."
            )
        return Zs

    def _fitted(self, X):
        """Return a clone that is fitted to the rows of a domain."""
        transformer = clone(self._transformer())
        if hasattr(transformer, "set_output"):
            transformer.set_output(transform="default")
        return transformer.fit(X)

    def _warn_of_other_shares(self, source: Domain, target: Domain) -> None:
        where = None
        counts, codes = np.bincount(source.y), np.unique(source.ids)
        for code in codes if len(codes) > 1 else ():
            one = np.bincount(source.y[source.ids == code], minlength=len(counts))
            if counts_differ(counts - one, one):
                where, others, shares = f"source {code}", counts - one, one / one.sum()
                break
        else:
            labels = target.y[target.labelled]
            shares = other_shares(source.X, source.y, target.X, labels)
            where, others = "the target", counts
        if shares is None:
            return
        there, here = (
            ", ".join(f"{share:.2f}" for share in found)
            for found in (shares, others / others.sum())
        )
        warnings.warn(
            f"The classes {self.classes_.tolist()} seem to have the shares {there} in {where}, but "
            f"{here} elsewhere. {type(self).__name__} makes the means of such unlike mixtures "
            "equal, which moves the classes against each other: compare with one scaler for all "
            "rows.",
            UserWarning,
            stacklevel=5,
        )

    def _map(self, X, domain):
        return self._map_each(X, self._codes(domain, X.shape[0]))

    def _codes(self, domain, n_rows) -> np.ndarray:
        """Return the code of each row's domain, as `transformers_` has it."""
        sources = [code for code in self.transformers_ if code != _TARGET]
        if isinstance(domain, str):
            if domain not in ("source", "target"):
                raise ValueError(f"domain must be 'source' or 'target'; got {domain!r}.")
            if domain == "source" and len(sources) > 1:
                raise ValueError(
                    f"domain='source' does not tell which of the sources {sources} rows belong "
                    "to: give its code, or an array of a code for each row."
                )
            return np.full(n_rows, _TARGET if domain == "target" else sources[0])
        codes = np.full(n_rows, domain) if np.ndim(domain) == 0 else domain
        codes = np.maximum(check_sample_domain(codes, n_rows), _TARGET)
        unknown = set(codes.tolist()) - set(self.transformers_)
        if unknown:
            raise ValueError(
                f"domain has the codes {sorted(unknown)}, but fit had only the sources {sources} "
                "and the target (negative)."
            )
        return codes

    def _map_each(self, X, codes, method="transform"):
        """Transform rows, each by its own domain's transformer."""
        parts = [
            getattr(self.transformers_[int(code)], method)(X[codes == code])
            for code in np.unique(codes)
        ]
        # Part by part, the rows are in the order of a stable sort by code, which is undone.
        return join_rows(*parts)[np.argsort(np.argsort(codes, kind="stable"))]

    def transform(self, X: RowsLike, domain: str = "target") -> Any:
        """Transform rows, each by its own domain's transformer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        domain : {"target", "source"}, int or array-like of int, default="target"
            The domain that the rows belong to. With several sources a code as `sample_domain` has
            it, or one for each row.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out)
        """
        return self._map(self._check_X(X), domain)

    def fit_transform(
        self,
        X: RowsLike,
        y: LabelsLike = None,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        sample_domain: ArrayLike | None = None,
        hide_target_labels: bool = False,
    ) -> Any:
        """Fit, and transform the rows given first, each by its own domain's transformer.

        Parameters
        ----------
        X : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        y : array-like of shape (n_s,), default=None
            Source labels; in stacked form the labels of all rows.
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows.
        yt : array-like of shape (n_t,), default=None
            Target labels.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows (1, 2, ... for several sources), negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        X_new : ndarray of shape (n_s, n_features_out)
            The transformed rows of `X`, in the order given.
        """
        self.fit(X, y, Xt, yt, sample_domain=sample_domain, hide_target_labels=hide_target_labels)
        return self._map(self._check_X(X), "source" if sample_domain is None else sample_domain)

    @available_if(_inverts)
    def inverse_transform(self, X: RowsLike, domain: str = "target") -> Any:
        """Lead transformed rows back to the features, if the transformer does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Transformed rows.
        domain : {"target", "source"}, int or array-like of int, default="target"
            The domain whose transformer is undone, as in `transform`.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        Z = check_array(
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} features, but {type(self).__name__} maps to "
                f"{self._n_features_out}."
            )
        return self._map_each(Z, self._codes(domain, Z.shape[0]), "inverse_transform")

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the transformed columns: the transformer's, if it has any.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those seen in ``fit``, or x0, x1, ...

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        transformer = self.transformers_[_TARGET]
        if not hasattr(transformer, "get_feature_names_out"):
            return super().get_feature_names_out(input_features)
        return transformer.get_feature_names_out(
            OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if not hasattr(self._transformer(), "transform"):  # fit says what is wrong
            return tags
        inner = get_tags(self._transformer())
        tags.input_tags.sparse = inner.input_tags.sparse
        # Nobody knows whether a given transformer fills in what is missing: where it does not,
        # the estimator that meets NaN says so, as in a Pipeline.
        fills = self.transformer is not None or self._estimator() is None
        tags.input_tags.allow_nan = takes_missing_values(self._transformer()) and (
            fills or takes_missing_values(self._estimator())
        )
        if inner.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags
