from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import cross_validate

from skdtl import SourceOnly, TargetKFold, TargetOnly, TargetShuffleSplit, stack

RNG = np.random.default_rng(0)
XS, YS = RNG.normal(size=(20, 3)), np.arange(20) % 2
XT, YT = RNG.normal(size=(30, 3)), (np.arange(30) % 3 == 0).astype(float)
YT[20:] = np.nan


@pytest.fixture
def table():
    X, y, domain = stack(XS, YS, XT, YT)
    rows = np.random.default_rng(1).permutation(len(X))
    return X[rows], y[rows], domain[rows]


def test_k_fold_tests_each_labelled_target_row_once(table):
    X, y, domain = table
    labelled = np.flatnonzero((domain < 0) & ~np.isnan(y))
    tested = []
    for train, test in TargetKFold(4).split(X, y, domain):
        assert not set(train) & set(test)
        assert set(train) | set(test) == set(range(len(X)))
        assert set(test) <= set(labelled)
        assert abs(len(test) - 5) <= 1
        assert abs(y[test].mean() - y[labelled].mean()) < 0.15
        tested += test.tolist()
    assert sorted(tested) == labelled.tolist()


def test_shuffle_split_sizes(table):
    X, y, domain = table
    others = np.flatnonzero((domain > 0) | np.isnan(y))
    splits = list(TargetShuffleSplit(7, train_size=6, test_size=0.5).split(X, y, domain))
    assert len(splits) == 7
    for train, test in splits:
        assert len(test) == 10 and len(train) == len(others) + 6
        assert set(others) <= set(train) and not set(train) & set(test)
    assert len({tuple(test) for _, test in splits}) > 1


@pytest.mark.parametrize("splitter", [TargetKFold(3), TargetShuffleSplit(3)])
def test_same_splits_at_every_call(splitter, table):
    X, y, domain = table
    first = [test.tolist() for _, test in splitter.split(X, y, domain)]
    assert first == [test.tolist() for _, test in splitter.split(X, y, sample_domain=domain)]
    assert splitter.get_n_splits(X, y, domain) == len(first) == 3


def test_random_state_counts(table):
    X, y, domain = table
    for cls in (TargetKFold, TargetShuffleSplit):
        first, second = (
            [test.tolist() for _, test in cls(3, random_state=seed).split(X, y, domain)]
            for seed in (0, 1)
        )
        assert first != second


def test_minus_one_is_a_marker_unless_the_source_has_it_or_y_is_a_quantity(table):
    X, y, domain = table
    marked = np.where(np.isnan(y), -1, y).astype(int)
    count = sum(len(test) for _, test in TargetKFold(4).split(X, marked, domain))
    assert count == 20
    count = sum(len(test) for _, test in TargetKFold(4, stratify=False).split(X, marked, domain))
    assert count == 30
    signed = np.where(y == 0, -1, y)
    assert sum(len(test) for _, test in TargetKFold(4).split(X, signed, domain)) == 20


def test_continuous_and_rare_labels(table):
    X, y, domain = table
    quantity = np.where(np.isnan(y), np.nan, X[:, 0])
    assert sum(len(test) for _, test in TargetKFold(5).split(X, quantity, domain)) == 20
    words = np.where(
        np.isnan(y), None, np.array(["a", "b"], dtype=object)[np.nan_to_num(y).astype(int)]
    )
    assert sum(len(test) for _, test in TargetKFold(5).split(X, words, domain)) == 20


@pytest.mark.parametrize("splitter", [TargetKFold(3), TargetShuffleSplit(3)])
def test_errors(splitter, table):
    X, y, domain = table
    with pytest.raises(ValueError, match="needs the domain of each row"):
        next(splitter.split(X, y))
    with pytest.raises(ValueError, match="y is None"):
        next(splitter.split(X, None, domain))
    with pytest.raises(ValueError, match="labels 0 of them"):
        next(splitter.split(X, np.where(domain < 0, np.nan, y), domain))
    with pytest.raises(ValueError, match="sample_domain has shape"):
        next(splitter.split(X, y, domain[:-1]))
    with pytest.raises(ValueError, match="X has 50 rows, but y has 49"):
        next(splitter.split(X, y[:-1], domain))


def test_scores_are_those_of_the_target(table, routing):
    X, y, domain = table
    # The target's concept is the opposite of the source's: only the target's score shows it.
    y = np.where(domain > 0, X[:, 0] > 0, X[:, 0] < 0).astype(float)
    params = {"sample_domain": domain}
    groups = {} if routing else {"groups": domain}
    for estimator, low, high in ((SourceOnly(), 0, 0.4), (TargetOnly(), 0.7, 1)):
        scores = cross_validate(
            estimator, X, y, cv=TargetKFold(3), params=params, error_score="raise", **groups
        )["test_score"]
        assert low <= scores.mean() <= high


def test_repr():
    assert repr(TargetKFold(3)) == (
        "TargetKFold(n_splits=3, shuffle=True, stratify=True, random_state=0)"
    )
