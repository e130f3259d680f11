"""What public signatures accept, in the words of type checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Estimator", "LabelsLike", "RowsLike", "Scoring", "Seed"]

# Arrays, tables of any library, sparse ones and nested lists: no type says so much. What is given
# is looked at when a method is called.
RowsLike: TypeAlias = Any
# One-dimensional, of numbers, strings, bools, dates or, where one is missing, None.
LabelsLike: TypeAlias = Any
Seed: TypeAlias = int | np.random.RandomState | None
# scikit-learn has no types: what an estimator is, its methods say.
Estimator: TypeAlias = Any
Scoring: TypeAlias = str | Callable[..., float]
