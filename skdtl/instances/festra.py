"""Festra: drop the features that differ much between the domains, then boost as TrAdaBoost does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from scipy.special import kolmogorov
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .._constraints import Bool, HasMethod, Int, OneOf, Real
from .._predictions import if_offered
from .._typing import Estimator, RowsLike, Seed
from ..base import Domain, DomainTransformerMixin, TransferTags
from .tradaboost import TrAdaBoost

__all__ = ["Festra", "feature_shift"]

# How many entries of the tables are sorted at a time: it bounds the memory.
BLOCK = 2**20


def feature_shift(Xs, Xt, source_weights=None):
    """Compare each feature's distribution in two domains by Kolmogorov and Smirnov's distance.

    Parameters
    ----------
    Xs : ndarray or sparse array of shape (n_s, n_features)
        Source rows; NaN is a missing value.
    Xt : ndarray or sparse array of shape (n_t, n_features)
        Target rows.
    source_weights : ndarray of shape (n_s,), default=None
        Non-negative weights of the source rows. None means that all are alike.

    Returns
    -------
    statistics : ndarray of shape (2, n_features)
        Differences in [0, 1]. First that of the values present: the largest difference of the
        distribution functions, which for a feature of two values is the difference of their
        shares. Then the difference of the shares of missing values.
    pvalues : ndarray of shape (2, n_features)
        How probable differences at least as large would be if there were none between the domains:
        Kolmogorov's limit distribution with Stephens's correction for small samples. Weighted
        rows count as their effective number, the square of the sum of weights by the sum of
        squares.
    """
    weights = np.ones(Xs.shape[0]) if source_weights is None else np.asarray(source_weights, float)
    if sp.issparse(Xs) or sp.issparse(Xt):
        Xs, Xt = sp.csc_array(Xs), sp.csc_array(Xt)
    statistics, sizes = np.empty((2, Xs.shape[1])), np.empty((2, Xs.shape[1]))
    for columns in _column_blocks(Xs, Xt):
        source = _Side.of(Xs, columns, weights)
        target = _Side.of(Xt, columns, np.ones(Xt.shape[0]))
        statistics[0, columns] = _largest_difference(source, target)
        statistics[1, columns] = np.abs(source.missing - target.missing)
        product = source.n_effective * target.n_effective
        sizes[:, columns] = product / np.maximum(source.n_effective + target.n_effective, 1)
    root = np.sqrt(np.maximum(sizes, 1e-9))  # 0 where a domain has no value present
    return statistics, kolmogorov((root + 0.12 + 0.11 / root) * statistics)


@dataclass(frozen=True)
class _Side:
    """Some columns of one domain, entry by entry; zeros of a sparse table only as their weight."""

    column: np.ndarray
    value: np.ndarray
    weight: np.ndarray  # 0 where the value is missing
    present: np.ndarray  # each column's weight of the values present
    zeros: np.ndarray  # that of the zeros which are not stored
    missing: np.ndarray  # the share of missing values
    n_effective: np.ndarray  # (2, n_columns): of the values present, and of all

    @classmethod
    def of(cls, X, columns, weights) -> _Side:
        n = columns.stop - columns.start
        block = X[:, columns]
        if sp.issparse(block):
            column = np.repeat(np.arange(n), np.diff(block.indptr))
            row, value = block.indices, block.data
        else:
            column = np.repeat(np.arange(n), len(block))
            row, value = np.tile(np.arange(len(block)), n), block.T.ravel()
        weight, gone = weights[row], np.isnan(value)
        total, squares = weights.sum(), weights @ weights
        lost = np.bincount(column, weight * gone, n)
        stored = np.bincount(column, weight, n) if sp.issparse(block) else np.full(n, total)
        left = np.maximum(squares - np.bincount(column, weight**2 * gone, n), 0)
        present = np.where(lost < total, total - lost, 0)
        n_effective = np.zeros((2, n))
        np.divide(present**2, left, out=n_effective[0], where=left > 0)
        n_effective[1] = total**2 / squares
        return cls(
            column,
            value,
            np.where(gone, 0, weight),
            present,
            np.maximum(total - stored, 0),
            lost / total,
            n_effective,
        )


def _column_blocks(Xs, Xt) -> Iterator[slice]:
    """Yield slices of columns with about `BLOCK` entries, but at least one column each."""
    n_features = Xs.shape[1]
    if sp.issparse(Xs):
        ends = np.arange(n_features) + Xs.indptr[1:] + Xt.indptr[1:]  # as 64-bit integers
    else:
        ends = (len(Xs) + len(Xt)) * np.arange(1, n_features + 1)
    start, done = 0, 0
    while start < n_features:
        stop = max(start + 1, int(np.searchsorted(ends, done + BLOCK, side="right")))
        yield slice(start, stop)
        start, done = stop, ends[stop - 1]


def _largest_difference(source: _Side, target: _Side) -> np.ndarray:
    """Return the largest difference of two weighted distribution functions in each column."""
    n = len(source.present)
    columns, comparable = np.arange(n), (source.present > 0) & (target.present > 0)
    scales = []
    for side, sign in ((source, 1.0), (target, -1.0)):
        scales.append(np.divide(sign, side.present, out=np.zeros(n), where=comparable))
    zeros = source.zeros * scales[0] + target.zeros * scales[1]
    # The difference of the functions is a sum of steps; each column's steps have the sum 0, so
    # one running sum does for all of them.
    column = np.concatenate([source.column, target.column, columns])
    value = np.concatenate([source.value, target.value, np.zeros(n)])
    step = np.concatenate(
        [side.weight * scale[side.column] for side, scale in zip((source, target), scales)]
        + [zeros]
    )
    order = np.lexsort((value, column))
    column, value = column[order], value[order]
    running = np.abs(np.cumsum(step[order]))
    # Among equal values the functions are known after the last of them alone. A column's last
    # difference is 0 in any case.
    running[:-1][value[1:] == value[:-1]] = 0
    return np.minimum(np.maximum.reduceat(running, np.searchsorted(column, columns)), 1)


def class_share_weights(source_classes, target_classes, n_classes):
    """Weigh source rows such that their class shares become those of labelled target rows.

    Parameters
    ----------
    source_classes : ndarray of shape (n_s,), int
        Each source row's class, 0, 1, ...
    target_classes : ndarray of shape (n_t,), int
        Those of the labelled target rows.
    n_classes : int
        The number of classes.

    Returns
    -------
    weights : ndarray of shape (n_s,)
        Of mean 1. The target's shares are estimated as if `n_classes` more target rows with the
        source's shares were labelled, so that a few labels do not make a class disappear.
    """
    source = np.bincount(source_classes, minlength=n_classes) / len(source_classes)
    target = np.bincount(target_classes, minlength=n_classes) + n_classes * source
    target /= target.sum()
    return (target / source)[source_classes]


def unexplained_shift(source: Domain, target: Domain, n_classes=None):
    """Compare the features of two domains, as `feature_shift` does, beyond class shares.

    Parameters
    ----------
    source, target : Domain
        The rows of both domains, labelled or not.
    n_classes : int, default=None
        The number of classes; None leaves labels out of account.

    Returns
    -------
    statistics, pvalues : ndarray of shape (2, n_features)
        Given `n_classes` and labelled target rows, the lesser of two differences: from the source
        as it is, and from the source with the class shares of the labelled target rows.
    """
    statistics, pvalues = feature_shift(source.X, target.X)
    if n_classes is not None and target.labelled.any():
        weights = class_share_weights(source.y, target.y[target.labelled], n_classes)
        adjusted, adjusted_pvalues = feature_shift(source.X, target.X, weights)
        less = adjusted < statistics
        statistics = np.where(less, adjusted, statistics)
        pvalues = np.where(less, adjusted_pvalues, pvalues)
    return statistics, pvalues


class Festra(DomainTransformerMixin, SelectorMixin, TrAdaBoost):
    """Classify with a few target labels after dropping the features that differ between domains.

    Feature selection comes first: each feature's values in the source are compared with those in
    the target, and a feature that differs much is dropped (another staining, another instrument, a
    site's code). On the features that are left an enhanced, multi-class TrAdaBoost learns from the
    source and the few labelled target rows. As a transformer it selects the same columns.

    Use it where some columns are artefacts of the place or the instrument and others are not. All
    target rows help to find them, labelled or not. Don't use it where the target is another part of
    the same population (older patients, say): there the informative features differ, and dropping
    them costs. It does not see a feature that keeps its distribution but changes its meaning; that
    is left to the boosting. Where every feature is measured otherwise, map the domains (`TCA`).

    Parameters
    ----------
    estimator : estimator object or "passthrough", default=None
        The base learner, any classifier whose ``fit`` takes ``sample_weight``. None means a tree
        of depth 1, :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=1``.
        "passthrough" makes a pure transformer, which needs no labels and looks at none.
    threshold : float, default=0.3
        How large a difference must be for a feature to be dropped, in [0, 1]: larger than this. It
        is the largest difference of the two distribution functions; 0.3 is a shift of a normal
        feature by 0.8 standard deviations, or a binary one's from 20 % to 50 %.
    alpha : float, default=0.05
        How probable it may be that any feature is dropped where none differs between the domains,
        in (0, 1]. With few target rows, large differences arise by chance.
    min_features : int or float, default=0.5
        How many features are kept at least, a number from 1 or a share of all in (0, 1]. Where
        more differ, the ones that differ least stay.
    adjust_class_shares : bool, default=True
        Whether a difference counts only as far as it exceeds what the domains' different class
        shares explain. These are estimated from the labelled target rows; see Notes.
    n_estimators : int, default=50
        The largest number of rounds N, at least 1.
    early_stopping : bool, default=True
        Whether boosting ends where labelled target rows that are held out say so, before it begins
        if it does not help: then the learner of both domains' rows, or of the source alone, is the
        model. False: all rounds.
    weight_drift_correction : bool, default=True
        Whether source weights grow in each round as the target's total weight does, so that the
        source as a whole does not fade: see :class:`~skdtl.TrAdaBoost`.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether the source and the target begin with half of the weight each, or all rows alike.
    vote : {"auto", "last_half", "all"}, default="auto"
        Which learners vote: see :class:`~skdtl.TrAdaBoost`.
    voting : {"auto", "hard", "soft"}, default="auto"
        Whether a learner votes for the class that it predicts ("hard") or divides its vote by its
        ``predict_proba`` ("soft"), which ranks rows better. "auto": soft where a learner has one.
    resample : bool, default=False
        Whether the base learner is given rows that are drawn by weight, instead of weights; for
        a learner that takes no ``sample_weight``.
    random_state : int, RandomState instance or None, default=None
        Seeds each base learner that has a ``random_state``, and the drawing of rows.

    Attributes
    ----------
    scores_ : ndarray of shape (n_features_in_,)
        How much each feature differs between the domains, in [0, 1].
    pvalues_ : ndarray of shape (n_features_in_,)
        How probable a difference at least as large would be by chance.
    support_ : ndarray of shape (n_features_in_,), bool
        Which features are kept; also ``get_support()``.
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round, which take rows of the kept columns.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the vote, positive.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted errors on the labelled target rows.
    vote_ : {"last_half", "all"}
        Which of them vote.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights after the last round, where 1 is the mean over the rows of both
        domains. Like the path, they are not pickled with the model.
    source_weights_path_ : ndarray of shape (n_kept + 1, n_s)
        The source rows' weights before the first and after each round.
    chosen_ : {"boosting", "pooled", "source"}
        What predicts held-out labelled target rows best: boosting, or the learner of both domains'
        rows or of the source alone.
    held_out_losses_ : dict
        The mean losses of these rows: of "pooled" and "source" one number, of "boosting" an array,
        one after each round. Empty without early stopping.
    weak_ : bool
        Whether ordinary boosting predicts the source better than a single learner does, and so
        stood for the latter in "pooled" and "source"; only with early stopping.
    source_mass_ : ndarray of shape (n_kept + 1,)
        The source's share of the weight before the first and after each round.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no target row has a label, or the base learner takes no ``sample_weight`` and
        `resample` is off. Neither is needed with "passthrough".

    Warns
    -----
    UserWarning
        Without early stopping, where the source has next to none of the weight in the end.

    See Also
    --------
    TrAdaBoost : The boosting alone.
    BIW : Weighs features by whether they say the same of the classes in both domains.

    Notes
    -----
    This is our reading of the method of [1]_, of which we had only a short description: features
    are selected by how alike they are in the source region and in the target region, and an
    enhanced multi-class TrAdaBoost follows. What it leaves open, we chose:

    * A feature's difference is the distance of Kolmogorov and Smirnov, which is the same whatever
      the unit and for continuous, ordinal and binary columns alike. Where values are missing, it is
      that of the values present, and the difference of the shares of missing values is a second
      one; of those that are significant the larger counts.
    * A feature is dropped if its difference is larger than `threshold` *and* its p-value is less
      than `alpha`, divided by the number of tests (Bonferroni). With thousands of rows each
      difference is significant, and with twenty each may be large; both together mean "much".
      The p-values are those of continuous features and too large for others.
    * Unequal class shares alone make informative features differ. Source rows are weighted such
      that the source has the class shares of the labelled target rows, each class given as one more
      label the source's shares, and the difference is computed again. The lesser of both counts,
      since the labelled rows may have been chosen class by class, so that their shares say
      nothing of the target.
    * Within classes, source and labelled target rows are not compared: a feature that tells the
      classes in either domain, only not in the same way, would be dropped, from which boosting by
      the target's labels can still learn. It lost much on such data when we tried it.
    * Rounds end early as those of `TrAdaBoost`; the learners without boosting have the kept
      columns, too. ``early_stopping=False, voting="hard"``: all rounds.
    * "Enhanced" is what the boosting here has beyond the original: SAMME's form for several
      classes, half of the weight to each domain at the beginning, a vote chosen by the target, and
      the correction of the weights' drift, which is on here since it was better on most of the
      tasks that we tried.
    * On patients of four hospitals with suspected heart disease, where a third of the columns
      differ, dropping them cost a little more than it gained: they are no artefacts. The
      repository's ``benchmarks/festra_hospitals.py`` shows it, what the adjustment to the class
      shares and the correction of the drift are worth, and that nothing is lost at a `threshold` of
      0.5. Search over it where labels allow.
    * Without a target (`NoTargetWarning`) nothing is dropped.

    References
    ----------
    .. [1] Li, N., Hao, H., Gu, Q., Wang, D. and Hu, X. (2017). A transfer learning method for
       automatic identification of sandstone microscopic images. Computers & Geosciences 103,
       111-121.

    Examples
    --------
    The third column tells the class in the source alone, where another instrument measured it.

    >>> import numpy as np
    >>> from skdtl import Festra, TrAdaBoost
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = rng.integers(0, 2, size=400), rng.integers(0, 2, size=300)
    >>> Xs, Xt = rng.normal(size=(400, 3)), rng.normal(size=(300, 3))
    >>> Xs[:, :2] += 2 * ys[:, None]
    >>> Xt[:, :2] += 2 * yt[:, None]
    >>> Xs[:, 2], Xt[:, 2] = Xs[:, 2] + 4 * ys, Xt[:, 2] + 4
    >>> labels = np.where(np.arange(300) < 20, yt, -1)
    >>> model = Festra(n_estimators=20).fit(Xs, ys, Xt, labels)
    >>> model.get_support()
    array([ True,  True, False])
    >>> plain = TrAdaBoost(n_estimators=20).fit(Xs, ys, Xt, labels)
    >>> bool(model.score(Xt[20:], yt[20:]) > plain.score(Xt[20:], yt[20:]))
    True
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", unlabelled_target=True)
    _params: ClassVar[dict[str, Any]] = {
        **TrAdaBoost._params,
        "estimator": (None, OneOf("passthrough"), HasMethod("fit")),
        "threshold": Real(0, 1),
        "alpha": Real(0, 1, closed="right"),
        "min_features": (Int(1), Real(0, 1, closed="right")),
        "adjust_class_shares": Bool(),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        threshold: float = 0.3,
        alpha: float = 0.05,
        min_features: float = 0.5,
        adjust_class_shares: bool = True,
        n_estimators: int = 50,
        early_stopping: bool = True,
        weight_drift_correction: bool = True,
        initial_weights: str = "domain",
        vote: str = "auto",
        voting: str = "auto",
        resample: bool = False,
        random_state: Seed = None,
    ):
        super().__init__(
            estimator,
            n_estimators=n_estimators,
            early_stopping=early_stopping,
            weight_drift_correction=weight_drift_correction,
            initial_weights=initial_weights,
            vote=vote,
            voting=voting,
            resample=resample,
            random_state=random_state,
        )
        self.threshold = threshold
        self.alpha = alpha
        self.min_features = min_features
        self.adjust_class_shares = adjust_class_shares

    def _estimator(self):
        passthrough = isinstance(self.estimator, str) and self.estimator == "passthrough"
        return None if passthrough else super()._estimator()

    def _fit(self, source: Domain, target: Domain) -> None:
        if self._estimator() is not None:
            self._check_learner()
        self._screen(source, target)
        if self._estimator() is None:  # a pure transformer
            return
        kept = replace(source, X=self._prepare(source.X))
        same = target is source
        super()._fit(kept, kept if same else replace(target, X=self._prepare(target.X)))

    def _screen(self, source: Domain, target: Domain) -> None:
        """Set the scores and the support."""
        n_features = source.X.shape[1]
        labels = self.adjust_class_shares and self._estimator() is not None
        statistics, pvalues = unexplained_shift(
            source, target, len(self.classes_) if labels else None
        )
        # Where no value is missing anywhere, the shares of missing values are no tests.
        n_tests = n_features * (1 + statistics[1].any())
        significant = pvalues < self.alpha / n_tests
        deciding = np.argmax(statistics + significant, axis=0)
        features = np.arange(n_features)
        self.scores_, self.pvalues_ = statistics[deciding, features], pvalues[deciding, features]
        support = (self.scores_ <= self.threshold) | ~significant[deciding, features]
        least = self.min_features
        least = min(least, n_features) if not isinstance(least, float) else ceil(least * n_features)
        missing = max(least - np.count_nonzero(support), 0)
        dropped = np.flatnonzero(~support)
        support[dropped[np.argsort(self.scores_[dropped], kind="stable")[:missing]]] = True
        self.support_ = support

    def _prepare(self, X):
        return X if self.support_.all() else self._map(X, "target")

    def _map(self, X, domain):
        # X[:, mask] would be column-major.
        return X[:, self.support_] if sp.issparse(X) else X.take(self.get_support(True), axis=1)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def inverse_transform(self, X: RowsLike) -> Any:
        """Put kept columns back to their places.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_kept_features)
            Rows as `transform` returns them.

        Returns
        -------
        X_original : ndarray or sparse array of shape (n_samples, n_features_in_)
            With zeros in the columns that were dropped.
        """
        support = self.get_support()
        X = check_array(X, accept_sparse="csr", dtype=None, ensure_all_finite="allow-nan")
        if X.shape[1] != support.sum():
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} kept {support.sum()}."
            )
        if sp.issparse(X):
            X = sp.csr_array(X)
            places = np.flatnonzero(support)[X.indices]
            return sp.csr_array((X.data, places, X.indptr), shape=(X.shape[0], len(support)))
        full = np.zeros((len(X), len(support)), dtype=X.dtype)
        full[:, support] = X
        return full

    # The mapping's names would be festra0, festra1, ...; these are the names of the columns.
    get_feature_names_out = SelectorMixin.get_feature_names_out

    score = if_offered("predict")(TrAdaBoost.score)

    def _offers(self, method):
        if self._estimator() is None:
            raise AttributeError(
                f"This {type(self).__name__} selects features (estimator='passthrough') and "
                "predicts nothing."
            )
        return super()._offers(method)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self._estimator() is None:
            tags.estimator_type = tags.classifier_tags = None
            tags.target_tags.required = False
            tags.input_tags.allow_nan = True
            tags.transfer_tags = TransferTags("ignored", unlabelled_target=True)
        return tags
