from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from skdtl._constraints import (
    RANDOM_STATE,
    Bool,
    Callable,
    HasMethod,
    Instance,
    Int,
    OneOf,
    Real,
    SequenceOf,
    check_params,
    documented_type,
)


@pytest.mark.parametrize(
    "constraint, legal, illegal, text",
    [
        (Real(0, 1), [0, 1, 0.5, np.float32(0.5)], [-0.1, 1.1, np.nan, True, "0"], "[0, 1]"),
        (Real(0, None, closed="neither"), [1e-9, 5], [0, -1, np.inf, None], "(0, inf)"),
        (Real(0, 1, closed="left"), [0, 0.9], [1, -1], "[0, 1)"),
        (Real(0, 1, closed="right"), [1, 0.1], [0, 2], "(0, 1]"),
        (Real(), [-5, 5], [np.nan, -np.inf], "(-inf, inf)"),
        (Int(1), [1, np.int64(7)], [0, 1.0, True, None], "an int in [1, inf)"),
        (Int(1, 3), [1, 3], [4], "an int in [1, 3]"),
        (Bool(), [True, False, np.True_], [0, 1, None], "a bool"),
        (OneOf("a", "b", 1), ["a", 1], ["c", True, 1.0, ["a"]], "one of 'a', 'b', 1"),
        (Instance(str, dict), ["x", {}], [1], "an instance of str or dict"),
        (Callable(), [len], [1], "a callable"),
        (SequenceOf(Int(1)), [(), [1, 2]], [1, [0], "12"], "at least 0 entries, each an int"),
        (SequenceOf(Int(1), min_length=1), [(1,)], [()], "at least 1 entries"),
        (HasMethod("append"), [[]], [list, 1], "an instance with a method append"),
    ],
)
def test_constraint(constraint, legal, illegal, text):
    assert text in str(constraint)
    for value in legal:
        assert constraint.accepts(value), value
    for value in illegal:
        assert not constraint.accepts(value), value


def test_the_message_names_parameter_range_and_value():
    estimator = SimpleNamespace(_params={"mu": (None, Real(0, 1), OneOf("auto"))}, mu="all")
    message = (
        r"The parameter 'mu' of SimpleNamespace must be None or a float in \[0, 1\] or "
        r"one of 'auto'; got 'all'\."
    )
    with pytest.raises(ValueError, match=message):
        check_params(estimator)
    for legal in (None, 0.5, "auto"):
        estimator.mu = legal
        check_params(estimator)


@pytest.mark.parametrize(
    "legal, words",
    [
        (Real(), "float"),
        (Real(0), "float >= 0"),
        (Real(0, closed="neither"), "float > 0"),
        (Real(high=1), "float <= 1"),
        (Real(high=1, closed="left"), "float < 1"),
        (Real(0, 1), "float in [0, 1]"),
        (Real(0, 1, closed="left"), "float in [0, 1)"),
        (Int(1), "int >= 1"),
        (Bool(), "bool"),
        (OneOf("a", 1), '{"a", 1}'),
        (OneOf("a"), '"a"'),
        (Callable(), "callable"),
        (SequenceOf(Int(1)), "sequence of int >= 1"),
        (HasMethod("fit"), "estimator object"),
        (HasMethod("split"), "object with a method split"),
        ((None, Real(0)), "float >= 0 or None"),
        ((Real(0), OneOf("ramp"), Callable()), 'float >= 0, "ramp" or callable'),
        (RANDOM_STATE, "int >= 0, RandomState instance or None"),
    ],
)
def test_docstrings_name_legal_values(legal, words):
    assert documented_type(legal) == words
