"""Cross-validation that scores on the target."""

from ._split import TargetKFold, TargetShuffleSplit

__all__ = ["TargetKFold", "TargetShuffleSplit"]
