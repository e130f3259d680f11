from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skdtl import encode_domain, split_domains, stack
from skdtl.domains import is_missing_label

XS, XT = np.arange(6.0).reshape(3, 2), np.arange(4.0).reshape(2, 2) + 100


@pytest.mark.parametrize(
    "ys, yt, expected",
    [
        ([0, 1, 0], [1, 0], np.array([0, 1, 0, 1, 0])),
        ([0, 1, 0], None, np.array([0, 1, 0, np.nan, np.nan])),
        ([0, 1, 0], [1, np.nan], np.array([0, 1, 0, 1, np.nan])),
        ([0, 1, 0], [None, 1], np.array([0, 1, 0, np.nan, 1])),
        ([True, False, True], [True, None], np.array([1, 0, 1, 1, np.nan])),
        ([True, False, True], [True, False], np.array([True, False, True, True, False])),
        ([0.5, 1.5, 2.5], [3, 4], np.array([0.5, 1.5, 2.5, 3, 4])),
        (["a", "b", "a"], ["b", "a"], np.array(["a", "b", "a", "b", "a"])),
        (["a", "b", "a"], None, np.array(["a", "b", "a", None, None], dtype=object)),
        (["a", "b", "a"], ["b", None], np.array(["a", "b", "a", "b", None], dtype=object)),
    ],
)
def test_stack_and_back(ys, yt, expected):
    X, y, domain = stack(XS, ys, XT, yt)
    assert y.dtype.kind == expected.dtype.kind
    assert_array_equal(y, expected)
    assert domain.tolist() == [1, 1, 1, -1, -1]
    assert_array_equal(X, np.r_[XS, XT])
    order = np.array([3, 0, 4, 1, 2])
    Xs, ys_back, Xt, yt_back = split_domains(X[order], y[order], domain[order])
    assert_array_equal(Xs, XS)
    assert_array_equal(Xt, XT)
    assert_array_equal(ys_back, ys)
    if yt is None:
        assert yt_back is None
    else:
        assert_array_equal(is_missing_label(yt_back), is_missing_label(yt))


def test_split_labels_have_the_type_of_what_they_hold():
    y, domain = np.array([0, 1, 1, None], dtype=object), [1, 2, 1, -1]
    _, (first, second), _, _ = split_domains(np.zeros((4, 1)), y, domain)
    assert first.dtype.kind == second.dtype.kind == "i" and first.tolist() == [0, 1]


def test_several_sources():
    X, y, domain = stack([XS, XS[:2] + 9], [[0, 1, 0], [1, 1]], XT, [0, 1])
    assert domain.tolist() == [1, 1, 1, 2, 2, -1, -1]
    Xs, ys, _, yt = split_domains(X, y, domain)
    assert [len(rows) for rows in Xs] == [3, 2] and [c.tolist() for c in ys] == [[0, 1, 0], [1, 1]]
    assert_array_equal(Xs[1], XS[:2] + 9)
    assert yt.tolist() == [0, 1]
    # A list of rows, as a plain array-like, is one source.
    assert stack(XS.tolist(), [0, 1, 0], XT.tolist())[2].tolist() == [1, 1, 1, -1, -1]


def test_dataframes_and_sparse():
    frame = pd.DataFrame(XS, columns=["a", "b"], index=[7, 8, 9])
    X, y, domain = stack(frame, [0, 1, 0], frame.iloc[:2])
    assert list(X.columns) == ["a", "b"] and X.index.tolist() == [7, 8, 9, 7, 8]
    Xs, *_ = split_domains(X, y, domain)
    assert isinstance(Xs, pd.DataFrame) and Xs.equals(frame)
    with pytest.raises(
        ValueError, match=r"Xt has the columns \['b', 'a'\], but Xs has \['a', 'b'\]"
    ):
        stack(frame, [0, 1, 0], frame[["b", "a"]])
    X, y, domain = stack(sp.csr_array(XS), [0, 1, 0], XT)
    assert sp.issparse(X) and (X.toarray() == np.r_[XS, XT]).all()
    assert (split_domains(X, y, domain)[2].toarray() == XT).all()


def test_stack_keeps_the_callers_arrays():
    ys, yt = np.array([0, 1, 0]), np.array([1.0, np.nan])
    X, y, _ = stack(XS, ys, XT, yt)
    X[:], y[:] = -5, -5
    assert XS[0, 1] == 1.0 and ys.tolist() == [0, 1, 0] and yt[0] == 1.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((XS, [0, 1], XT), "Xs has 3 rows, but ys has 2 labels"),
        ((XS, [0, 1, 0], XT, [1]), "Xt has 2 rows, but yt has 1 labels"),
        ((XS, [0, 1, 0], XT[:, :1]), "Xt has 1 features, but Xs has 2"),
        (([XS, XS], [[0, 1, 0]], XT), "Xs holds 2 sources, but ys holds 1"),
        ((XS, [0, 1, 0], XT[0], [0, 1]), "Xt has 1 dimension"),
    ],
)
def test_stack_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        stack(*arguments)


@pytest.mark.parametrize(
    "codes, message",
    [
        ([1, 0, -1], "nonzero integers.*got 0"),
        ([1, 1.5, -1], "got 1.5"),
        (["a", "b", "c"], "got 'a'"),
        ([1, None, -1], "got None"),
        ([True, True, False], "got True"),
        ([1, np.nan, -1], "got nan"),
        ([1, 1], r"shape \(2,\), but X has 3 rows"),
        ([1, 1, 1], "no target row"),
        ([-1, -1, -1], "no source row"),
    ],
)
def test_domain_codes(codes, message):
    with pytest.raises(ValueError, match=message):
        split_domains(XS, [0, 1, 0], codes)


def test_codes_may_be_a_column():
    codes = pd.DataFrame({"domain": [1, -1, 2]})
    Xs, ys, Xt, _ = split_domains(XS, [0, 1, 0], codes)
    assert [len(rows) for rows in Xs] == [1, 1] and len(Xt) == 1
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        split_domains(XS, [0, 1, 0], np.ones((3, 2)))


def test_encode_domain():
    hospitals = pd.Series(["basel", "zurich", "bern", "basel"])
    assert encode_domain(hospitals, "zurich").tolist() == [1, -1, 2, 1]
    assert encode_domain(hospitals, ["bern", "zurich"]).tolist() == [1, -2, -1, 1]
    assert encode_domain(hospitals, ["zurich", "bern"]).tolist() == [1, -1, -2, 1]
    assert encode_domain(hospitals, ["zurich", "basel"]).tolist() == [-2, -1, 1, -2]
    assert encode_domain(hospitals, "zurich", source=["bern", "basel"]).tolist() == [2, -1, 1, 2]
    # Without a list the sources come in sorted order, not in that of the rows.
    assert encode_domain(["c", "b", "t", "a"], target="t").tolist() == [3, 2, -1, 1]
    assert encode_domain([2019, 2020, 2020], target=2020).tolist() == [1, -1, -1]
    assert encode_domain(np.array([True, False]), target=np.True_).tolist() == [-1, 1]


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (["a", "b"], {"target": "c"}, "target='c' names a domain that labels does not hold"),
        (["a", "b"], {"target": "a", "source": "c"}, "source='c' names a domain"),
        (["a", "b", "c"], {"target": "a", "source": "b"}, "'c', which is neither"),
        (["a", "b"], {"target": "a", "source": ["a", "b"]}, "'a' is named as source and as target"),
        (["a", None], {"target": "a"}, "no domain for 1 of 2 rows"),
        ([1, 2], {"target": np.int64(3)}, "target=3 names a domain"),
    ],
)
def test_encode_domain_errors(labels, options, message):
    with pytest.raises(ValueError, match=message):
        encode_domain(labels, **options)
