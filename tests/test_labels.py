"""Labels: markers of missing ones, and the codes and floats that training has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skdtl import stack
from skdtl._labels import (
    encode_classes,
    encode_numbers,
    has_label,
    is_missing_label,
    no_labels,
    tidy_labels,
    whole_numbers,
)


@pytest.mark.parametrize(
    "labels",
    [
        [1.0, np.nan, 2.0],
        np.array([1, None, 2], dtype=object),
        ["a", None, "b"],
        ["a", float("nan"), "b"],
        np.array(["a", pd.NA, "b"], dtype=object),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
    ],
)
def test_markers_of_a_missing_label(labels):
    values = np.asarray(labels, dtype=object)
    ys = [values[0], values[2], values[0]]
    _, y, _ = stack(np.zeros((3, 1)), ys, np.ones((3, 1)), labels)
    assert is_missing_label(y).tolist() == [False] * 3 + [False, True, False]


def test_only_these_are_markers():
    assert not is_missing_label([-1, 0, 1]).any()
    assert not is_missing_label(np.array(["", "nan", "None", "-1"], dtype=object)).any()
    assert not is_missing_label([np.inf, -np.inf]).any()


def test_missing_numbers_of_any_type_in_an_object_array():
    y = np.array([np.float32("nan"), np.float64("nan"), float("nan"), 1.5, "nan"], dtype=object)
    assert is_missing_label(y).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    "values, kind",
    [([1, 2], "i"), ([True, False], "b"), ([0.5, 2], "f"), (["a", "b"], "O"), ([1, "a"], "O")],
)
def test_objects_become_what_they_hold(values, kind):
    tidy = tidy_labels(np.array(values, dtype=object))
    assert tidy.dtype.kind == kind and tidy.tolist() == values


def test_whole_numbers():
    assert whole_numbers(np.array([1.0, -2.0])).dtype.kind == "i"
    for y in ([0.5, 1.0], [1.0, np.inf], [1.0, np.nan]):
        assert_array_equal(whole_numbers(np.array(y)), y)


def test_codes_of_classes():
    ys, yt = np.array(["b", "a", "b"]), np.array(["a", None], dtype=object)
    found = encode_classes(ys, yt, "M")
    assert found.source.tolist() == [1, 0, 1] and found.target.tolist() == [0, -1]
    assert found.classes.tolist() == found.source_classes.tolist() == ["a", "b"]
    assert has_label(found.target).tolist() == [True, False]
    known = encode_classes(ys, None, "M", classes=np.array(["c", "b", "a"]))
    assert known.source.tolist() == [1, 2, 1] and known.target is None
    with pytest.raises(ValueError, match=r"ys has the classes \['b'\], but classes has only"):
        encode_classes(ys, None, "M", classes=np.array(["a", "c"]))
    with pytest.raises(ValueError, match=r"yt has the classes \[3\], but ys has only \[1, 2\]"):
        encode_classes(np.array([1, 2]), np.array([3, -1]), "M")


def test_codes_of_new_classes():
    ys, yt = np.array([0, 1]), np.array([7.0, np.nan, 5.0])
    found = encode_classes(ys, yt, "M", new_classes=True)
    assert found.target.tolist() == [1, -1, 0] and found.classes.tolist() == [5, 7]
    assert found.source_classes.tolist() == [0, 1]
    # Where the source has all of them, its classes stay.
    found = encode_classes(ys, np.array([1.0, np.nan]), "M", new_classes=True)
    assert found.target.tolist() == [1, -1] and found.classes.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"yt has 1 class \(5\.0\), but M needs at least 2"):
        encode_classes(ys, np.array([5.0, np.nan]), "M", new_classes=True)


def test_numbers():
    found = encode_numbers(np.array([1, 2]), np.array([None, 3], dtype=object))
    assert found.source.dtype == found.target.dtype == np.float64
    assert has_label(found.target).tolist() == [False, True]
    assert found.classes is None


def test_no_labels_are_of_the_same_kind():
    assert no_labels(2, like=np.array([0, 1])).tolist() == [-1, -1]
    assert np.isnan(no_labels(2, like=np.array([0.5]))).all()
