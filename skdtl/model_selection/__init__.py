"""Cross-validation that scores on the target, or on the source as if it were the target."""

from ._importance import ImportanceWeightedScorer
from ._split import SourceKFold, TargetKFold, TargetShuffleSplit

__all__ = ["ImportanceWeightedScorer", "SourceKFold", "TargetKFold", "TargetShuffleSplit"]
