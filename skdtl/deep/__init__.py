"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .alignments import (
        MMD,
        Activations,
        Alignment,
        ClassCentreSimilarity,
        ClassifierDiscrepancy,
        ConditionalAdversary,
        CorrelationAlignment,
        DomainAdversary,
        DomainConfusion,
        InvertedLabels,
        JointMMD,
        JointTransport,
        MarginDisparity,
        MinimumClassConfusion,
        MultiKernelMMD,
        SoftLabels,
        TargetEntropy,
        WassersteinCritic,
    )
    from .backbones import LeNet, ResNet, SpectrumNet
    from .combinations import DeepTransferClassifier, DeepTransferRegressor
    from .net import TrainingInterruptedWarning
    from .schedules import Ramp, WarmUp

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "Activations": ".alignments",
        "Alignment": ".alignments",
        "ClassCentreSimilarity": ".alignments",
        "ClassifierDiscrepancy": ".alignments",
        "ConditionalAdversary": ".alignments",
        "CorrelationAlignment": ".alignments",
        "DeepTransferClassifier": ".combinations",
        "DeepTransferRegressor": ".combinations",
        "DomainAdversary": ".alignments",
        "DomainConfusion": ".alignments",
        "InvertedLabels": ".alignments",
        "JointMMD": ".alignments",
        "JointTransport": ".alignments",
        "LeNet": ".backbones",
        "MMD": ".alignments",
        "MarginDisparity": ".alignments",
        "MinimumClassConfusion": ".alignments",
        "MultiKernelMMD": ".alignments",
        "Ramp": ".schedules",
        "ResNet": ".backbones",
        "SoftLabels": ".alignments",
        "SpectrumNet": ".backbones",
        "TargetEntropy": ".alignments",
        "TrainingInterruptedWarning": ".net",
        "WarmUp": ".schedules",
        "WassersteinCritic": ".alignments",
    },
)
