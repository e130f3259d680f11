"""Constraints on constructor parameters, declared as data and checked at the start of ``fit``.

An estimator has ``_params = {"mu": Real(0, None, closed="neither"), ...}`` and `check_params` turns
an illegal value into an error that names the parameter, what is legal and what was given. ``str``
of a constraint names the legal values in such an error, ``documented()`` in a docstring.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np


class Real:
    """A finite real number in an interval; a bound of None is infinite."""

    _type: Any = numbers.Real
    _word = "a float"
    _name = "float"

    def __init__(self, low=None, high=None, *, closed="both"):
        self.low, self.high, self.closed = low, high, closed

    def accepts(self, value) -> bool:
        if not isinstance(value, self._type) or isinstance(value, (bool, np.bool_)):
            return False
        if not np.isfinite(float(value)):
            return False
        above = self.low is None or (
            value >= self.low if self.closed in ("both", "left") else value > self.low
        )
        below = self.high is None or (
            value <= self.high if self.closed in ("both", "right") else value < self.high
        )
        return above and below

    def __str__(self):
        left = "[" if self.closed in ("both", "left") and self.low is not None else "("
        right = "]" if self.closed in ("both", "right") and self.high is not None else ")"
        low = "-inf" if self.low is None else self.low
        high = "inf" if self.high is None else self.high
        return f"{self._word} in {left}{low}, {high}{right}"

    def documented(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self._name} in {str(self).rpartition(' in ')[2]}"
        if self.low is not None:
            return f"{self._name} {'>=' if self.closed in ('both', 'left') else '>'} {self.low}"
        if self.high is not None:
            return f"{self._name} {'<=' if self.closed in ('both', 'right') else '<'} {self.high}"
        return self._name


class Int(Real):
    """An integer in an interval; a bound of None is infinite."""

    _type = numbers.Integral
    _word = "an int"
    _name = "int"


class Bool:
    """True or False."""

    def accepts(self, value) -> bool:
        return isinstance(value, (bool, np.bool_))

    def __str__(self):
        return "a bool"

    def documented(self) -> str:
        return "bool"


class OneOf:
    """One of the given values."""

    def __init__(self, *options):
        self.options = options

    def accepts(self, value) -> bool:
        return any(type(value) is type(option) and value == option for option in self.options)

    def __str__(self):
        return "one of " + ", ".join(repr(option) for option in self.options)

    def documented(self) -> str:
        options = [f'"{x}"' if isinstance(x, str) else repr(x) for x in self.options]
        return options[0] if len(options) == 1 else f"{{{', '.join(options)}}}"


class Instance:
    """An instance of one of the given classes."""

    def __init__(self, *classes):
        self.classes = classes

    def accepts(self, value) -> bool:
        return isinstance(value, self.classes)

    def __str__(self):
        return "an instance of " + " or ".join(cls.__qualname__ for cls in self.classes)

    def documented(self) -> str:
        return " or ".join(f"{cls.__qualname__} instance" for cls in self.classes)


class Callable:
    """Anything that can be called."""

    def accepts(self, value) -> bool:
        return callable(value)

    def __str__(self):
        return "a callable"

    def documented(self) -> str:
        return "callable"


class SequenceOf:
    """A list or tuple, each entry of which satisfies a constraint."""

    def __init__(self, entry, *, min_length=0):
        self.entry, self.min_length = entry, min_length

    def accepts(self, value) -> bool:
        return (
            isinstance(value, (list, tuple))
            and len(value) >= self.min_length
            and all(self.entry.accepts(entry) for entry in value)
        )

    def __str__(self):
        return f"a list or tuple of at least {self.min_length} entries, each {self.entry}"

    def documented(self) -> str:
        return f"sequence of {self.entry.documented()}"


class HasMethod:
    """An instance that offers a method, as estimators do."""

    def __init__(self, method):
        self.method = method

    def accepts(self, value) -> bool:
        return hasattr(value, self.method) and not isinstance(value, type)

    def __str__(self):
        return f"an instance with a method {self.method}"

    def documented(self) -> str:
        return "estimator object" if self.method == "fit" else f"object with a method {self.method}"


# What scikit-learn takes for a seed.
RANDOM_STATE = (None, Int(0), Instance(np.random.RandomState))


def documented_type(legal) -> str:
    """Return how a docstring names the legal values of a parameter.

    Parameters
    ----------
    legal : constraint, None or tuple of these
        What `check_params` takes.

    Returns
    -------
    str
    """
    alternatives = legal if isinstance(legal, tuple) else (legal,)
    names = [c.documented() for c in alternatives if c is not None]
    if None in alternatives:
        names.append("None")
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def check_params(estimator) -> None:
    """Check the constructor parameters of an estimator against its ``_params``.

    Parameters
    ----------
    estimator : object
        Has ``_params``, a mapping from parameter name to a constraint or a tuple of alternatives;
        None among them stands for the value None.

    Raises
    ------
    ValueError
        For the first parameter that satisfies none of its alternatives.
    """
    for name, constraint in estimator._params.items():
        value = getattr(estimator, name)
        alternatives = constraint if isinstance(constraint, tuple) else (constraint,)
        if not any(value is None if c is None else c.accepts(value) for c in alternatives):
            legal = " or ".join(str(c) for c in alternatives)
            raise ValueError(
                f"The parameter {name!r} of {type(estimator).__name__} must be {legal}; "
                f"got {value!r}."
            )
