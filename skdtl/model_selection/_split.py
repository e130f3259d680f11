from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import (
    BaseCrossValidator,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from .._labels import is_missing_label, label_column, tidy_labels
from .._typing import LabelsLike, RowsLike, Seed
from ..domains import check_sample_domain


class _DomainSplitter(BaseCrossValidator):
    """Split the rows of one domain by ``_inner``; all other rows belong to every training set."""

    __metadata_request__split = {"groups": True, "sample_domain": True}
    __metadata_request__get_n_splits = {"groups": True, "sample_domain": True}

    _tests_on: str

    @abstractmethod
    def _tested(self, codes, y):
        """Return the rows that test in turn, their labels, and whether these are discrete."""

    @abstractmethod
    def _inner(self, classes):
        """Return scikit-learn's splitter for rows with these classes, None for a quantity."""

    def split(
        self,
        X: RowsLike,
        y: LabelsLike = None,
        groups: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains, stacked.
        y : array-like of shape (n_samples,)
            Their labels, with NaN, None or pandas.NA where a target row has none; -1 too where
            y is discrete and the source has no class -1.
        groups : array-like of shape (n_samples,), int, default=None
            Domain codes: positive for source rows, negative for target rows.
        sample_domain : array-like of shape (n_samples,), int, default=None
            The same under the name that scikit-learn's metadata routing hands on. One of the two
            must be given.

        Yields
        ------
        train : ndarray of int
            The rows that never test, and the training part of those that do.
        test : ndarray of int
            Rows of the domain that is tested on, which have a label.
        """
        name = type(self).__name__
        codes = sample_domain if sample_domain is not None else groups
        if codes is None:
            raise ValueError(
                f"{name} needs the domain of each row: give groups=sample_domain or, with "
                "metadata routing enabled, sample_domain."
            )
        if y is None:
            raise ValueError(f"{name} tests on {self._tests_on}, but y is None.")
        n_rows = _num_samples(X)
        codes = check_sample_domain(codes, n_rows)
        y = label_column(y, "y")
        if len(y) != n_rows:
            raise ValueError(f"X has {n_rows} rows, but y has {len(y)} labels.")
        rows, labels, discrete = self._tested(codes, y)
        if len(rows) < 2:
            raise ValueError(
                f"{name} tests on {self._tests_on}, but y labels {len(rows)} of them; at least "
                "2 are needed."
            )
        always = np.ones(n_rows, dtype=bool)
        always[rows] = False
        for train, test in self._inner(labels if discrete else None).split(rows, labels):
            in_train = always.copy()
            in_train[rows[train]] = True
            yield np.flatnonzero(in_train), np.sort(rows[test])

    def get_n_splits(
        self,
        X: RowsLike | None = None,
        y: LabelsLike = None,
        groups: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups, sample_domain : object
            Not needed.

        Returns
        -------
        n_splits : int
        """
        return self.n_splits

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


class _TargetSplitter(_DomainSplitter):
    """Test on the labelled target rows."""

    _tests_on = "labelled target rows"

    def _tested(self, codes, y):
        rows = np.flatnonzero((codes < 0) & ~is_missing_label(y))
        labels = tidy_labels(y[rows])
        source_labels = tidy_labels(y[codes > 0])
        discrete = self.stratify and _is_discrete(labels) and _is_discrete(source_labels)
        if discrete and labels.dtype.kind in "if" and -1 not in source_labels.tolist():
            rows, labels = rows[labels != -1], labels[labels != -1]
        return rows, labels, discrete


class _KFold(_DomainSplitter):
    """Cut the rows that test into folds, of which each tests once."""

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        stratify: bool = True,
        random_state: Seed = 0,
    ):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.stratify = stratify
        self.random_state = random_state

    def _inner(self, classes):
        by_class = classes is not None and max(np.unique(classes, return_counts=True)[1])
        folds = StratifiedKFold if by_class and by_class >= self.n_splits else KFold
        return folds(
            self.n_splits,
            shuffle=self.shuffle,
            random_state=self.random_state if self.shuffle else None,
        )


def _is_discrete(labels) -> bool:
    return not len(labels) or type_of_target(labels) in ("binary", "multiclass")


class TargetKFold(_TargetSplitter, _KFold):
    """K-fold cross-validation over the labelled target rows; the source always trains.

    Each fold trains on every source row, every unlabelled target row and the labelled target
    rows of the other folds, and tests on its own labelled target rows: the score is what the
    method is worth on the target. Pass ``hide_target_labels=True`` to ``fit`` to train as if the
    target's labels were not there.

    Parameters
    ----------
    n_splits : int, default=5
        The number of folds, at least 2.
    shuffle : bool, default=True
        Whether the target rows are shuffled before they are cut into folds.
    stratify : bool, default=True
        Whether the folds keep the proportions of the classes where y is discrete and a class has
        at least `n_splits` labelled target rows. False also takes y for a quantity, of which -1 is
        a value like any other.
    random_state : int, RandomState instance or None, default=0
        Determines the shuffling. The default makes every call cut the same folds, so that two
        estimators can be compared.

    See Also
    --------
    TargetShuffleSplit : Random splits of a size of one's own.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skdtl import TCA, TargetKFold, stack
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y, sample_domain = stack(X, y, X[::3] + 0.3, y[::3])
    >>> scores = cross_val_score(
    ...     TCA(), X, y, groups=sample_domain, cv=TargetKFold(3),
    ...     params={"sample_domain": sample_domain},
    ... )
    >>> len(scores)
    3
    """


class SourceKFold(_KFold):
    """K-fold cross-validation over the source rows; the target always trains.

    Each fold trains on every target row, labelled or not, and the source rows of the other folds,
    and tests on its own source rows. It is for targets without labels, and together with
    `ImportanceWeightedScorer`: the unweighted score tells what the method is worth on the source.

    Parameters
    ----------
    n_splits : int, default=5
        The number of folds, at least 2.
    shuffle : bool, default=True
        Whether the source rows are shuffled before they are cut into folds.
    stratify : bool, default=True
        Whether the folds keep the proportions of the classes where the source's labels are discrete
        and a class has at least `n_splits` source rows. False takes y for a quantity.
    random_state : int, RandomState instance or None, default=0
        Determines the shuffling. The default makes every call cut the same folds, so that two
        estimators can be compared.

    See Also
    --------
    ImportanceWeightedScorer : Makes the score one of the target.
    TargetKFold : Where target rows have labels.

    Examples
    --------
    >>> from skdtl import SourceKFold, stack
    >>> X, y, sample_domain = stack([[0], [1], [2], [3]], [0, 1, 0, 1], [[5], [6]])
    >>> for train, test in SourceKFold(2, shuffle=False).split(X, y, sample_domain):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1 4 5] [2 3]
    """

    _tests_on = "labelled source rows"

    def _tested(self, codes, y):
        rows = np.flatnonzero((codes > 0) & ~is_missing_label(y))
        labels = tidy_labels(y[rows])
        return rows, labels, self.stratify and _is_discrete(labels)


class TargetShuffleSplit(_TargetSplitter):
    """Random splits of the labelled target rows; the source always trains.

    Like `TargetKFold`, with the share of target rows that train a parameter: what is a method
    worth with five labelled target rows, with fifty?

    Parameters
    ----------
    n_splits : int, default=10
        The number of splits, at least 1.
    test_size : float or int, default=None
        The share, in (0, 1), or the number of the labelled target rows that test. None: what
        `train_size` leaves, or 0.1 where that is None too.
    train_size : float or int, default=None
        The share or the number of the labelled target rows that train. None: what `test_size`
        leaves. Labelled target rows that do neither take no part, so that their labels do not
        leak.
    stratify : bool, default=True
        Whether the splits keep the proportions of the classes where y is discrete and each class
        has at least 2 labelled target rows. False also takes y for a quantity, of which -1 is a
        value like any other.
    random_state : int, RandomState instance or None, default=0
        Determines the splits.

    See Also
    --------
    TargetKFold : Each labelled target row tests exactly once.

    Examples
    --------
    >>> from skdtl import TargetShuffleSplit, stack
    >>> X, y, sample_domain = stack([[0], [1], [2]], [0, 1, 0], [[5], [6], [7], [8]], [0, 1, 0, 1])
    >>> for train, test in TargetShuffleSplit(2, test_size=2).split(X, y, sample_domain):
    ...     print(train[:3], len(train), len(test))
    [0 1 2] 5 2
    [0 1 2] 5 2
    """

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float | int | None = None,
        train_size: float | int | None = None,
        stratify: bool = True,
        random_state: Seed = 0,
    ):
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.stratify = stratify
        self.random_state = random_state

    def _inner(self, classes):
        by_class = classes is not None and min(np.unique(classes, return_counts=True)[1]) >= 2
        splits = StratifiedShuffleSplit if by_class else ShuffleSplit
        return splits(
            self.n_splits,
            test_size=self.test_size,
            train_size=self.train_size,
            random_state=self.random_state,
        )
