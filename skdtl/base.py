"""The contract that every estimator keeps: ``fit(Xs, ys, Xt, yt=None)`` and its stacked form.

`TransferEstimator.fit` validates the caller's data once and hands two `Domain` objects to
``_fit(source, target)``, where a method writes nothing but its mathematics.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_classifier,
    is_regressor,
)
from sklearn.utils import Tags, check_array, get_tags
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import (
    _num_samples,
    check_is_fitted,
    validate_data,
)

from ._arrays import alike
from ._constraints import check_params
from ._labels import (
    Labels,
    encode_classes,
    encode_numbers,
    has_label,
    no_labels,
    read_labels,
    whole_numbers,
)
from ._parameters import parameter
from ._typing import LabelsLike, RowsLike
from .domains import check_sample_domain

__all__ = [
    "Domain",
    "DomainTransformerMixin",
    "LowOverlapWarning",
    "NoTargetWarning",
    "TransferEstimator",
    "TransferEstimatorTags",
    "TransferTags",
    "parameter",
]


class NoTargetWarning(UserWarning):
    """No target was given, so the source is taken for the target and nothing is transferred."""


class LowOverlapWarning(UserWarning):
    """Weights of source rows would leave next to none of them, or of one of their classes."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The validated rows of one side, source or target.

    Attributes
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    y : ndarray of shape (n,) or None
        For a classifier codes into ``classes_``, -1 where the row has no label; for a regressor
        float64, NaN where the row has no label; None where the estimator predicts nothing.
    labelled : ndarray of shape (n,), bool
        Which rows have a label that training may use.
    ids : ndarray of shape (n,), int
        Domain codes: 1, 2, ... for sources, negative for the target.
    held_out : Domain or None
        Rows that were taken from the same side's and are kept for validation.
    """

    X: Any
    y: Any
    labelled: np.ndarray
    ids: np.ndarray
    held_out: Domain | None = None

    def __len__(self) -> int:
        return self.X.shape[0]

    def take(self, rows) -> Domain:
        """Return the rows that a mask or an index array names."""
        y = None if self.y is None else self.y[rows]
        return Domain(self.X[rows], y, self.labelled[rows], self.ids[rows])

    def labelled_rows(self) -> Domain:
        """Return the rows that have a label; so are those that are held out."""
        held_out = self.held_out and self.held_out.labelled_rows()
        rows = self if self.labelled.all() else self.take(self.labelled)
        return rows if held_out is rows.held_out else dataclasses.replace(rows, held_out=held_out)


@dataclass(frozen=True)
class TransferTags:
    """What an estimator needs of its two domains, to be read as ``get_tags(est).transfer_tags``.

    Attributes
    ----------
    target_labels : {"required", "used", "ignored"}
        Whether target labels must be given, are used where given, or never looked at.
    unlabelled_target : bool
        Whether target rows without a label take part in training.
    multi_source : bool
        Whether several sources are told apart.
    new_classes : bool
        Whether the target may have classes that the source lacks.
    source_optional : bool
        Whether ``fit(None, None, Xt, yt)`` is possible.
    """

    target_labels: str = "used"
    unlabelled_target: bool = True
    multi_source: bool = False
    new_classes: bool = False
    source_optional: bool = False


@dataclass(slots=True)
class TransferEstimatorTags(Tags):
    """scikit-learn's tags and those of transfer.

    Attributes
    ----------
    transfer_tags : TransferTags
        What an estimator needs of its two domains.
    """

    transfer_tags: TransferTags = field(default_factory=TransferTags)


class TransferEstimator(BaseEstimator):
    """Base class of every estimator: it owns ``fit`` and leaves ``_fit`` to the method.

    A subclass writes ``_fit(source, target)``, declares its `TransferTags` as ``_transfer_tags``
    and the legal values of its parameters as ``_params``.
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags()
    _params: ClassVar[dict[str, Any]] = {}
    # Fitted attributes with an entry per training row: explanations that prediction does not
    # need. They are not pickled, so that a model's pickle does not grow with the training data.
    _unpickled: ClassVar[tuple[str, ...]] = ()

    # scikit-learn's routing skips parameters named Xt and yt unless they stand here, and takes
    # Xs and ys for metadata unless they are marked as unused.
    __metadata_request__fit = {
        "Xs": UNUSED,
        "ys": UNUSED,
        "Xt": True,
        "yt": True,
        "sample_domain": True,
        "hide_target_labels": True,
    }

    def fit(
        self,
        Xs: RowsLike,
        ys: LabelsLike,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        sample_domain: ArrayLike | None = None,
        hide_target_labels: bool = False,
    ) -> Self:
        """Fit to a source and a target.

        Either in pair form, ``fit(Xs, ys, Xt, yt)``, or in stacked form,
        ``fit(X, y, sample_domain=...)``, which Pipeline and GridSearchCV need.

        Parameters
        ----------
        Xs : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        ys : array-like of shape (n_s,)
            Source labels; in stacked form the labels of all rows.
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows. With neither `Xt` nor `sample_domain` the target is taken to be the
            source itself, and a `NoTargetWarning` says so.
        yt : array-like of shape (n_t,), default=None
            Target labels. NaN, None or pandas.NA marks a row without a label, and so does -1
            where a classifier's source has no such class.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows (1, 2, ... for several sources), negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For an illegal parameter or illegal data. The estimator is left as it was.

        Notes
        -----
        Ctrl-C leaves the estimator as it was, too, except while a network is being trained: then
        the training ends, a warning says so, ``interrupted_`` is True (otherwise False), and the
        estimator is fitted by what it has learnt until then.
        """
        with self._all_or_nothing() as before:
            self._forget()
            check_params(self)
            source, target = self._check_domains(Xs, ys, Xt, yt, sample_domain, hide_target_labels)
            with self._prepared(source, target, before) as (source, target):
                self._fit(source, target)
        return self

    @contextmanager
    def _all_or_nothing(self) -> Iterator[dict[str, Any]]:
        """Yield the attributes, and put them back where an error or an interruption comes."""
        before = dict(vars(self))
        try:
            yield before
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _forget(self) -> None:
        """Delete what an earlier fit has set."""
        for name in list(vars(self)):
            if name.endswith("_") and not name.startswith("_"):
                delattr(self, name)

    @contextmanager
    def _prepared(
        self, source: Domain, target: Domain, before: dict[str, Any]
    ) -> Iterator[tuple[Domain, Domain]]:
        """Surround ``_fit``, and yield what it is given; a family that does more overrides this.

        `before` holds the attributes that the estimator had when it was asked to fit.
        """
        yield source, target

    @abstractmethod
    def _fit(self, source: Domain, target: Domain) -> None:
        """Learn from two validated domains; ``classes_`` is already set for classifiers."""

    def _check_domains(
        self, Xs, ys, Xt, yt, sample_domain, hide_target_labels, classes=None, first=True
    ):
        """Validate what ``fit`` or ``partial_fit`` was given.

        `classes` are a classifier's, where they are known; `first` is False where the columns are
        known too.
        """
        needs = get_tags(self).transfer_tags
        name = type(self).__name__
        stacked = sample_domain is not None
        no_source = Xs is None and needs.source_optional
        no_target = Xt is None and not stacked
        if stacked and (Xt is not None or yt is not None):
            given = "Xt" if Xt is not None else "yt"
            raise ValueError(
                f"{given} and sample_domain were both given. Use fit(Xs, ys, Xt, yt) or "
                "fit(X, y, sample_domain=...)."
            )
        if no_target and yt is not None:
            raise ValueError("yt was given without Xt: the target's labels need its rows.")
        if no_target and no_source:
            raise ValueError(f"{name} was given neither source (Xs) nor target (Xt) rows.")
        if ys is None and not no_source and get_tags(self).target_tags.required:
            raise ValueError(
                f"This {name} requires y to be passed, but the target y is None: ys holds the "
                "labels of the source rows Xs."
            )

        if stacked:
            X = self._check_rows(Xs, "X", reset=True) if first else self._check_X(Xs)
            n_rows = _num_samples(X)
            codes = check_sample_domain(sample_domain, n_rows)
            y = read_labels(ys, "y", "X", n_rows)
            from_source = codes > 0
            if from_source.all() or not from_source.any():
                role = "target (negative)" if from_source.all() else "source (positive)"
                raise ValueError(f"sample_domain has {n_rows} rows, but none is a {role} row.")
            Xs, Xt = X[_as_slice(from_source)], X[_as_slice(~from_source)]
            ys, yt = (y[from_source], y[~from_source]) if y is not None else (None, None)
            source_ids, target_ids = codes[from_source], codes[~from_source]
            if ys is not None and ys.dtype.kind == "f" and is_classifier(self):
                # NaN, the marker of a missing label, forces integer labels to be floats here.
                ys = whole_numbers(ys)
        else:
            if not no_source:
                Xs = self._check_rows(Xs, "Xs", reset=True) if first else self._check_X(Xs)
                ys = read_labels(ys, "ys", "Xs", _num_samples(Xs))
                source_ids = np.ones(_num_samples(Xs), dtype=int)
            if not no_target:
                Xt = self._check_rows(Xt, "Xt", reset=no_source)
                hidden = hide_target_labels or needs.target_labels == "ignored"
                yt = None if hidden else read_labels(yt, "yt", "Xt", _num_samples(Xt))
                target_ids = np.full(_num_samples(Xt), -1)
            if not no_source and not no_target:
                Xs, Xt = alike(Xs, Xt)
        if hide_target_labels or needs.target_labels == "ignored":
            yt = None

        if no_target:
            if hide_target_labels and needs.target_labels == "required":
                raise ValueError(_labels_required(name, hide_target_labels))
            ys, _ = self._encode_labels(ys, None, needs, classes)
            source = Domain(Xs, ys, np.full(len(source_ids), ys is not None), source_ids)
            if needs.unlabelled_target or needs.target_labels != "ignored":
                warnings.warn(
                    f"{name} was fitted without a target (neither Xt nor sample_domain was "
                    "given): the source is taken for the target and nothing is transferred.",
                    NoTargetWarning,
                    stacklevel=3,
                )
            return source, source
        ys, yt = self._encode_labels(None if no_source else ys, yt, needs, classes)
        if yt is None and ys is not None:
            yt = no_labels(len(target_ids), like=ys)
        labelled = np.zeros(len(target_ids), dtype=bool) if yt is None else has_label(yt)
        if needs.target_labels == "required" and not labelled.any():
            raise ValueError(_labels_required(name, hide_target_labels))
        target = Domain(Xt, yt, labelled, target_ids)
        if no_source:
            nothing = np.zeros(0, dtype=int)
            return Domain(Xt[:0], yt[:0], labelled[:0], nothing), target
        return Domain(Xs, ys, np.full(len(source_ids), ys is not None), source_ids), target

    def _check_target(self, Xt, yt) -> Domain:
        """Validate another target for a fitted classifier; nothing that was fitted changes."""
        needs = get_tags(self).transfer_tags
        check_is_fitted(self)
        check_params(self)
        Xt = self._check_rows(Xt, "Xt", reset=False)
        yt = read_labels(yt, "yt", "Xt", _num_samples(Xt))
        # As if the source had one row of each class.
        _, yt = self._encode_labels(self.classes_, yt, needs)
        labelled = np.zeros(_num_samples(Xt), dtype=bool) if yt is None else has_label(yt)
        if not labelled.any():
            raise ValueError(_labels_required(type(self).__name__, hidden=False))
        return Domain(Xt, yt, labelled, np.full(len(labelled), -1))

    def _check_rows(self, X, name: str, *, reset: bool):
        """Validate rows; an error names the argument."""
        if X is None:
            raise ValueError(f"{name} is None, but {type(self).__name__} needs its rows.")
        X = self._as_table(X, name, reset=reset)
        if not reset:
            columns = getattr(X, "columns", None)
            seen = getattr(self, "feature_names_in_", None)
            if columns is not None and seen is not None:
                self._check_width(name, len(columns))
                for given, known in zip(columns, seen):
                    if given != known:
                        raise ValueError(
                            f"{name} has the column {given!r} where Xs has {known!r}: the same "
                            "columns in the same order are needed."
                        )
        # validate_data has no name for its rows but "X", so it sees to the columns' names alone.
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)
        X = check_array(X, estimator=self, input_name=name, **self._check_array_options())
        if reset:
            self.n_features_in_ = X.shape[1]
        self._check_width(name, X.shape[1])
        return X

    def _check_width(self, name: str, width: int) -> None:
        if width != self.n_features_in_:
            raise ValueError(f"{name} has {width} features, but Xs has {self.n_features_in_}.")

    def _as_table(self, X, name: str, *, reset: bool):
        """Return samples of more than one dimension, images for instance, as rows.

        Only where the tags allow them; ``input_shape_`` keeps their shape. Nothing is copied where
        they are contiguous.
        """
        if not get_tags(self).input_tags.three_d_array:
            return X
        shape = None
        if _n_dimensions(X) > 2:
            X = np.asarray(X)
            shape = X.shape[1:]
        if reset and shape:
            self.input_shape_ = shape
        known = getattr(self, "input_shape_", None)
        if shape != known:
            raise ValueError(
                f"{name} has samples of shape {shape or np.shape(X)[1:]}, but Xs has samples of "
                f"shape {known or (self.n_features_in_,)}."
            )
        return X if shape is None else X.reshape(len(X), math.prod(shape))

    def _check_array_options(self) -> dict[str, Any]:
        """Return how rows are validated: sparse and NaN where the tags allow them."""
        tags = get_tags(self).input_tags
        return {
            "accept_sparse": "csr" if tags.sparse else False,
            "dtype": [np.float64, np.float32],
            # A DataFrame's rows are column-major; sums in another order end in other last bits.
            "order": "C",
            "ensure_all_finite": "allow-nan" if tags.allow_nan else True,
        }

    def _check_X(self, X):
        """Validate the rows given to predict or transform."""
        check_is_fitted(self)
        X = self._as_table(X, "X", reset=False)
        return validate_data(self, X, reset=False, **self._check_array_options())

    def _encode_labels(self, ys, yt, needs: TransferTags, classes=None):
        """Return both sides' labels as codes or floats, and set a classifier's classes."""
        if is_classifier(self):
            found = encode_classes(
                ys, yt, type(self).__name__, new_classes=needs.new_classes, classes=classes
            )
            if found.classes is not None:
                self.classes_ = found.classes
            if needs.new_classes and found.source_classes is not None:
                self.source_classes_ = found.source_classes
        elif is_regressor(self):
            found = encode_numbers(ys, yt)
        else:
            found = Labels(None, None)
        return found.source, found.target

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        values = {f.name: getattr(tags, f.name) for f in dataclasses.fields(tags)}
        values["transfer_tags"] = self._transfer_tags
        return TransferEstimatorTags(**values)

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in self._unpickled}


def _as_slice(mask):
    """Return a mask, as a slice where its rows stand next to each other: so no row is copied."""
    start, n_rows = int(np.argmax(mask)), int(np.count_nonzero(mask))
    return slice(start, start + n_rows) if mask[start : start + n_rows].all() else mask


def _n_dimensions(X) -> int:
    """Count the dimensions of an array-like, of nested lists by their first entries."""
    nested = 0
    while isinstance(X, (list, tuple)) and len(X):
        X = X[0]
        nested += 1
    return nested + getattr(X, "ndim", 0)


def _labels_required(name: str, hidden: bool) -> str:
    why = (
        "hide_target_labels=True hides all of them"
        if hidden
        else "no target row has one (yt is missing, or holds only markers of missing labels)"
    )
    return (
        f"{name} learns from labelled target rows, but {why}. Give yt, with NaN or None for rows "
        "without a label, or use a method that needs no target labels."
    )


class DomainTransformerMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Gives ``transform`` and ``fit_transform`` to estimators that move rows to another space.

    A subclass writes ``_map(X, domain)`` for validated rows and sets ``_n_features_out``.
    """

    def transform(self, X: RowsLike, domain: str = "target") -> Any:
        """Map rows to the space in which the domains are alike.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one domain.
        domain : {"target", "source"}, default="target"
            The domain that the rows belong to. It counts only where the two domains are mapped by
            different functions.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out)
        """
        self._check_domain(domain)
        return self._map(self._check_X(X), domain)

    @staticmethod
    def _check_domain(domain: str) -> None:
        if domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target'; got {domain!r}.")

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
        """Fit, and map the rows given first, each by its own domain's map.

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
            Positive for source rows, negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        X_new : ndarray of shape (n_s, n_features_out)
            The mapped rows of `X`, in the order given. A following step of a Pipeline so trains
            on adapted rows.
        """
        options = {"sample_domain": sample_domain, "hide_target_labels": hide_target_labels}
        self.fit(X, y, Xt, yt, **options)
        X = self._check_X(X)
        if sample_domain is None:
            return self._map(X, "source")
        from_source = check_sample_domain(sample_domain, _num_samples(X)) > 0
        source, target = self._map(X[from_source], "source"), self._map(X[~from_source], "target")
        if sp.issparse(source):
            # argsort of a permutation is its inverse.
            order = np.concatenate([np.flatnonzero(from_source), np.flatnonzero(~from_source)])
            return sp.csr_array(sp.vstack([source, target], format="csr"))[np.argsort(order)]
        mapped = np.empty((len(from_source), source.shape[1]), dtype=source.dtype)
        mapped[from_source], mapped[~from_source] = source, target
        return mapped

    @abstractmethod
    def _map(self, X, domain: str):
        """Map validated rows of one domain, "source" or "target"."""
