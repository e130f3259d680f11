"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .alignments import MMD, Activations, Alignment, DomainAdversary
    from .estimators import DeepTransferClassifier, DeepTransferRegressor
    from .net import TrainingInterruptedWarning
    from .schedules import Ramp, WarmUp

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "Activations": ".alignments",
        "Alignment": ".alignments",
        "DeepTransferClassifier": ".estimators",
        "DeepTransferRegressor": ".estimators",
        "DomainAdversary": ".alignments",
        "MMD": ".alignments",
        "Ramp": ".schedules",
        "TrainingInterruptedWarning": ".net",
        "WarmUp": ".schedules",
    },
)
