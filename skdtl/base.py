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
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, check_array, get_tags
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from ._arrays import alike
from ._constraints import HasMethod, check_params
from .domains import check_sample_domain, is_missing_label, label_column, tidy_labels

__all__ = [
    "DelegatingEstimator",
    "Domain",
    "DomainTransformerMixin",
    "NoTargetWarning",
    "TransferEstimator",
    "TransferEstimatorTags",
    "TransferTags",
]


class NoTargetWarning(UserWarning):
    """No target was given, so the source is taken for the target and nothing is transferred."""


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

    def fit(self, Xs, ys, Xt=None, yt=None, *, sample_domain=None, hide_target_labels=False):
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
            y = _labels_or_none(ys, "y", "X", n_rows)
            from_source = codes > 0
            if from_source.all() or not from_source.any():
                role = "target (negative)" if from_source.all() else "source (positive)"
                raise ValueError(f"sample_domain has {n_rows} rows, but none is a {role} row.")
            Xs, Xt = X[_as_slice(from_source)], X[_as_slice(~from_source)]
            ys, yt = (y[from_source], y[~from_source]) if y is not None else (None, None)
            source_ids, target_ids = codes[from_source], codes[~from_source]
            if ys is not None and ys.dtype.kind == "f" and is_classifier(self):
                # NaN, the marker of a missing label, forces integer labels to be floats here.
                ys = _as_integers(ys)
        else:
            if not no_source:
                Xs = self._check_rows(Xs, "Xs", reset=True) if first else self._check_X(Xs)
                ys = _labels_or_none(ys, "ys", "Xs", _num_samples(Xs))
                source_ids = np.ones(_num_samples(Xs), dtype=int)
            if not no_target:
                Xt = self._check_rows(Xt, "Xt", reset=no_source)
                hidden = hide_target_labels or needs.target_labels == "ignored"
                yt = None if hidden else _labels_or_none(yt, "yt", "Xt", _num_samples(Xt))
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
        if yt is None:
            labelled = np.zeros(len(target_ids), dtype=bool)
            if ys is not None:
                yt = np.full(len(labelled), -1 if ys.dtype.kind == "i" else np.nan, ys.dtype)
        else:
            labelled = yt >= 0 if is_classifier(self) else ~np.isnan(yt)
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
        yt = _labels_or_none(yt, "yt", "Xt", _num_samples(Xt))
        # As if the source had one row of each class.
        _, yt = self._encode_labels(self.classes_, yt, needs)
        labelled = np.zeros(_num_samples(Xt), dtype=bool) if yt is None else yt >= 0
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
        if is_classifier(self):
            return self._encode_classes(ys, yt, needs, classes)
        if is_regressor(self):
            ys = None if ys is None else _finite_floats(ys, "ys", missing_allowed=False)
            yt = None if yt is None else _finite_floats(yt, "yt", missing_allowed=True)
            return ys, yt
        return None, None

    def _encode_classes(self, ys, yt, needs: TransferTags, classes=None):
        name = type(self).__name__
        source_classes = None
        if ys is not None:
            gone = is_missing_label(ys)
            if gone.any():
                raise ValueError(
                    f"Input ys contains NaN: {gone.sum()} of {len(gone)} source rows have no "
                    "label, but every source row needs one."
                )
            ys = tidy_labels(ys)
            if classes is None:
                source_classes, ys = _unique_classes(ys, "ys")
            else:
                source_classes, ys = classes, _codes(ys, classes, "ys", "classes")
            if len(source_classes) < 2:
                raise ValueError(one_class_message("ys", source_classes, name))
            self.classes_ = source_classes
        if needs.new_classes and source_classes is not None:
            self.source_classes_ = source_classes
        if yt is None:
            return ys, None

        gone = is_missing_label(yt)
        known = tidy_labels(yt[~gone])
        minus_one = known == -1 if known.dtype.kind in "if" else np.zeros(len(known), dtype=bool)
        if minus_one.any() and (source_classes is None or -1 not in source_classes.tolist()):
            if needs.new_classes:
                raise ValueError(
                    f"yt holds -1, which is no class of ys. {name} allows classes in yt that ys "
                    "lacks, so -1 could be a class or mark a missing label: mark missing labels "
                    "with NaN or None."
                )
            gone[~gone] = minus_one
            known = known[~minus_one]
        codes = np.full(len(yt), -1)
        if not len(known):
            return ys, codes
        present, inverse = _unique_classes(known, "yt")
        if source_classes is not None and (
            not needs.new_classes or set(present.tolist()) <= set(source_classes.tolist())
        ):
            known_by = "ys" if classes is None else "classes"
            codes[~gone] = _codes(known, source_classes, "yt", known_by)
            return ys, codes
        if len(present) < 2:
            raise ValueError(one_class_message("yt", present, name))
        self.classes_ = present
        codes[~gone] = inverse
        return ys, codes

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


def _codes(y, classes, name: str, known_by: str):
    """Return the labels as indices into known classes."""
    present, inverse = _unique_classes(y, name)
    code = {label: k for k, label in enumerate(classes.tolist())}
    unknown = [label for label in present.tolist() if label not in code]
    if unknown:
        raise ValueError(
            f"{name} has the classes {unknown[:10]}, but {known_by} has only "
            f"{classes.tolist()[:10]}."
        )
    return np.array([code[label] for label in present.tolist()])[inverse]


def _n_dimensions(X) -> int:
    """Count the dimensions of an array-like, of nested lists by their first entries."""
    nested = 0
    while isinstance(X, (list, tuple)) and len(X):
        X = X[0]
        nested += 1
    return nested + getattr(X, "ndim", 0)


def _labels_or_none(y, name: str, rows: str, n_rows: int):
    if y is None:
        return None
    y = label_column(y, name)
    if len(y) != n_rows:
        raise ValueError(f"{rows} has {n_rows} rows, but {name} has {len(y)} labels.")
    return y


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


def one_class_message(labels: str, classes: np.ndarray, name: str) -> str:
    return f"{labels} has 1 class ({classes.tolist()[0]!r}), but {name} needs at least 2 classes."


def _as_integers(y: np.ndarray) -> np.ndarray:
    """Return floats as integers where all of them are integers."""
    with np.errstate(invalid="ignore"):
        integers = y.astype(int)
    return integers if np.array_equal(integers, y) else y


def _unique_classes(y: np.ndarray, name: str):
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
        kinds = sorted({type(label).__name__ for label in y})
        raise TypeError(f"{name} mixes labels of the types {', '.join(kinds)}.")
    check_classification_targets(y)
    return np.unique(y, return_inverse=True)


def _finite_floats(y: np.ndarray, name: str, *, missing_allowed: bool) -> np.ndarray:
    gone = is_missing_label(y)
    if gone.any() and not missing_allowed:
        raise ValueError(
            f"Input {name} contains NaN: {gone.sum()} of {len(gone)} source rows have no label, "
            "but every source row needs one."
        )
    values = np.full(len(y), np.nan)
    try:
        values[~gone] = y[~gone].astype(np.float64)
    except (TypeError, ValueError):
        kinds = sorted({type(label).__name__ for label in y[~gone].tolist()})
        raise ValueError(
            f"{name} must hold numbers for a regressor, but it holds {', '.join(kinds)}."
        ) from None
    if np.isinf(values).any():
        raise ValueError(f"Input {name} contains infinity or a value too large for float64.")
    return values


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


def _offers(method: str):
    """Tell, for available_if, whether the wrapped estimator has a method."""

    def check(self) -> bool:
        estimator = self.estimator_ if hasattr(self, "estimator_") else self._estimator()
        getattr(estimator, method)  # its AttributeError says what is missing
        return True

    return check


class DelegatingEstimator(TransferEstimator):
    """Base class of methods that end in fitting an ordinary estimator.

    Whether the method is a classifier or a regressor, and which predict methods it has, is the
    wrapped estimator's affair. A subclass sets ``estimator_`` in ``_fit``, mostly by
    ``_fit_estimator``, and overrides ``_prepare`` where prediction needs other columns than it
    was given.
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
        """Bring validated target rows into the space where ``estimator_`` predicts."""
        return X

    @available_if(_offers("predict"))
    def predict(self, X):
        """Predict the labels of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        X = self._prepare(self._check_X(X))
        return self.estimator_.predict(X)

    @available_if(_offers("predict_proba"))
    def predict_proba(self, X):
        """Predict the class probabilities of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        X = self._prepare(self._check_X(X))
        return self.estimator_.predict_proba(X)

    @available_if(_offers("predict_log_proba"))
    def predict_log_proba(self, X):
        """Predict the logarithms of the class probabilities of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        X = self._prepare(self._check_X(X))
        return self.estimator_.predict_log_proba(X)

    @available_if(_offers("decision_function"))
    def decision_function(self, X):
        """Return the wrapped estimator's decision values for target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        X = self._prepare(self._check_X(X))
        return self.estimator_.decision_function(X)

    @available_if(_offers("score"))
    def score(self, X, y, sample_weight=None):
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


class DomainTransformerMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Gives ``transform`` and ``fit_transform`` to estimators that move rows to another space.

    A subclass writes ``_map(X, domain)`` for validated rows and sets ``_n_features_out``.
    """

    def transform(self, X, domain="target"):
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
        if domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target'; got {domain!r}.")
        return self._map(self._check_X(X), domain)

    def fit_transform(
        self, X, y=None, Xt=None, yt=None, *, sample_domain=None, hide_target_labels=False
    ):
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
    last = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted
    if not has_fit_parameter(last, "sample_weight"):
        raise ValueError(
            f"The estimator {type(last).__name__} takes no sample_weight in fit, but its rows "
            "are to be weighted. Use one that does, such as LogisticRegression or a tree."
        )
    if last is fitted:
        return fitted.fit(X, y, sample_weight=sample_weight)
    # Under metadata routing every step would have to say what it makes of the weights.
    with config_context(enable_metadata_routing=False):
        return fitted.fit(X, y, **{f"{fitted.steps[-1][0]}__sample_weight": sample_weight})
