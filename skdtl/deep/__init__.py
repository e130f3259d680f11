"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .alignments import (
        MMD,
        Activations,
        Alignment,
        CorrelationAlignment,
        DomainAdversary,
        JointMMD,
        MultiKernelMMD,
        ConditionalAdversary,
        MarginDisparity,
        ClassifierDiscrepancy,
        MinimumClassConfusion,
        TargetEntropy,
        InvertedLabels,
        JointTransport,
        WassersteinCritic,
    )
    from .estimators import DeepTransferClassifier, DeepTransferRegressor
    from .net import TrainingInterruptedWarning
    from .schedules import Ramp, WarmUp

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "Activations": ".alignments",
        "Alignment": ".alignments",
        "CorrelationAlignment": ".alignments",
        "ConditionalAdversary": ".alignments",
        "ClassifierDiscrepancy": ".alignments",
        "DeepTransferClassifier": ".estimators",
        "DeepTransferRegressor": ".estimators",
        "DomainAdversary": ".alignments",
        "JointMMD": ".alignments",
        "InvertedLabels": ".alignments",
        "JointTransport": ".alignments",
        "MMD": ".alignments",
        "MultiKernelMMD": ".alignments",
        "MarginDisparity": ".alignments",
        "MinimumClassConfusion": ".alignments",
        "Ramp": ".schedules",
        "TargetEntropy": ".alignments",
        "WassersteinCritic": ".alignments",
        "TrainingInterruptedWarning": ".net",
        "WarmUp": ".schedules",
    },
)
