"""The splitters against a slow definition: scikit-learn's on the rows that test, one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from skdtl import SourceKFold, TargetKFold, TargetShuffleSplit, stack

pytestmark = pytest.mark.filterwarnings("ignore:The least populated class")

NAMES = np.array(["well", "ill", "dead"], dtype=object)


def codes(rng, n):
    """Return three classes, the last of which is rare."""
    return rng.permutation(np.repeat([0, 1, 2], [n // 2, n - n // 2 - 4, 4]))


def labels(kind, rng):
    """Return labels of 24 source and 30 target rows; 6 of the latter's are missing."""
    ys, yt = codes(rng, 24), codes(rng, 30)
    gone = rng.permutation(np.arange(30) < 6)
    if kind == "strings":
        return NAMES[ys], np.where(gone, None, NAMES[yt]), gone
    if kind == "integers":  # with scikit-learn's own marker
        return ys, np.where(gone, -1, yt), gone
    if kind == "floats":  # as it comes back from a table with gaps
        return ys.astype(float), np.where(gone, -1.0, yt), gone
    if kind == "gaps":
        return ys, np.where(gone, np.nan, yt), gone
    if kind == "pandas":
        return ys, pd.array(np.where(gone, None, yt), dtype="Int64"), gone
    if kind == "signs":  # -1 is a class: no row is without a label but by NaN
        return ys - 1, np.where(gone, np.nan, yt - 1), gone
    assert kind == "quantity"
    return rng.normal(size=24), np.where(gone, np.nan, rng.normal(size=30)), gone


KINDS = ["strings", "integers", "floats", "gaps", "pandas", "signs", "quantity"]


def table(kind, seed):
    """Return y and the domains' codes in a mixed order, and which rows may test."""
    rng = np.random.default_rng(seed)
    ys, yt, gone = labels(kind, rng)
    _, y, domain = stack(np.zeros((24, 1)), ys, np.zeros((30, 1)), yt)
    domain[:24] = rng.integers(1, 3, size=24)
    domain[24:] = -rng.integers(1, 3, size=30)
    rows = rng.permutation(54)
    labelled = np.concatenate([np.ones(24, dtype=bool), ~gone])
    return y[rows], domain[rows], labelled[rows]


def expected_splits(y, domain, labelled, side, inner):
    """Split the labelled rows of one side; all other rows train, whatever they are."""
    rows = [k for k in range(len(y)) if labelled[k] and (domain[k] > 0) == (side == "source")]
    others = [k for k in range(len(y)) if k not in rows]
    for train, test in inner.split(rows, list(y[rows])):
        yield sorted(others + [rows[k] for k in train]), sorted(rows[k] for k in test)


def check(splitter, inner, side, kind, seed):
    y, domain, labelled = table(kind, seed)
    if not splitter.stratify and kind in ("integers", "floats"):
        labelled[:] = True  # then -1 is a number like any other
    expected = list(expected_splits(y, domain, labelled, side, inner))
    X = np.zeros((54, 1))
    for options in ({"groups": domain}, {"sample_domain": domain.tolist()}):
        found = [(a.tolist(), b.tolist()) for a, b in splitter.split(X, y, **options)]
        assert found == expected
    assert len(expected) == splitter.get_n_splits()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("cls, side", [(TargetKFold, "target"), (SourceKFold, "source")])
def test_k_fold(cls, side, stratify, kind):
    folds = StratifiedKFold if stratify and kind != "quantity" else KFold
    for seed in range(3):
        for options in ({"shuffle": True, "random_state": seed}, {"shuffle": False}):
            check(cls(4, stratify=stratify, **options), folds(4, **options), side, kind, seed)
    # No random state of one's own is the 0th, and no shuffling needs none.
    check(cls(stratify=stratify), folds(5, shuffle=True, random_state=0), side, kind, 0)
    check(
        cls(shuffle=False, stratify=stratify, random_state=7),
        folds(5, shuffle=False),
        side,
        kind,
        0,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stratify", [True, False])
def test_shuffle_split(stratify, kind):
    splits = StratifiedShuffleSplit if stratify and kind != "quantity" else ShuffleSplit
    for seed, sizes in enumerate(
        [{"test_size": 0.4}, {"train_size": 7, "test_size": 8}, {"train_size": 0.5}, {}]
    ):
        inner = {"n_splits": 3, "random_state": seed, **sizes}
        y, domain, labelled = table(kind, seed)
        if not stratify and kind in ("integers", "floats"):
            labelled[:] = True
        rows = [k for k in range(54) if labelled[k] and domain[k] < 0]
        if sizes == {} and splits is StratifiedShuffleSplit:
            inner["test_size"] = sizes["test_size"] = 0.2  # a tenth is no row of each class
        expected = list(expected_splits(y, domain, labelled, "target", splits(**inner)))
        splitter = TargetShuffleSplit(3, random_state=seed, stratify=stratify, **sizes)
        found = [(a.tolist(), b.tolist()) for a, b in splitter.split(np.zeros((54, 1)), y, domain)]
        assert found == expected
        assert all(set(test) <= set(rows) for _, test in found)


def test_rare_classes():
    """A class with fewer rows than folds, or with one row, is no reason to stop."""
    y, domain, labelled = table("gaps", 0)
    rows = np.flatnonzero((domain < 0) & labelled)
    y[rows] = 0
    y[rows[:3]] = 1
    X = np.zeros((54, 1))
    with pytest.warns(UserWarning, match="least populated class"):
        found = [test.tolist() for _, test in TargetKFold(4).split(X, y, domain)]
    assert sum(1 in y[test] for test in found) == 3  # each in another fold
    y[rows[1:3]] = 0
    inner = ShuffleSplit(3, test_size=0.5, random_state=0)
    splitter = TargetShuffleSplit(3, test_size=0.5)
    expected = [test for _, test in expected_splits(y, domain, labelled, "target", inner)]
    assert [test.tolist() for _, test in splitter.split(X, y, domain)] == expected
    y[rows] = np.arange(len(rows))  # every class has one row
    inner = KFold(4, shuffle=True, random_state=0)
    expected = [test for _, test in expected_splits(y, domain, labelled, "target", inner)]
    assert [test.tolist() for _, test in TargetKFold(4).split(X, y, domain)] == expected


@pytest.mark.parametrize("cls", [TargetKFold, SourceKFold])
def test_a_class_of_as_many_rows_as_folds_is_in_each_fold(cls):
    y, domain = np.repeat([0, 1, 2], [5, 2, 1]), np.full(8, 1 if cls is SourceKFold else -1)
    X, y, domain = np.zeros((11, 1)), np.r_[y, 0, 1, 2], np.r_[domain, -domain[:3]]
    for seed in range(5):
        for _, test in cls(5, random_state=seed).split(X, y, groups=domain):
            assert np.count_nonzero(y[test] == 0) == 1
