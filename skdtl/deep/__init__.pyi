from .alignments import (
    MMD as MMD,
    Activations as Activations,
    Alignment as Alignment,
    ClassCentreSimilarity as ClassCentreSimilarity,
    ClassifierDiscrepancy as ClassifierDiscrepancy,
    ConditionalAdversary as ConditionalAdversary,
    CorrelationAlignment as CorrelationAlignment,
    DomainAdversary as DomainAdversary,
    DomainConfusion as DomainConfusion,
    InvertedLabels as InvertedLabels,
    JointMMD as JointMMD,
    JointTransport as JointTransport,
    MarginDisparity as MarginDisparity,
    MinimumClassConfusion as MinimumClassConfusion,
    MultiKernelMMD as MultiKernelMMD,
    SoftLabels as SoftLabels,
    TargetEntropy as TargetEntropy,
    WassersteinCritic as WassersteinCritic,
)
from .backbones import LeNet as LeNet, ResNet as ResNet, SpectrumNet as SpectrumNet
from .combinations import (
    DeepTransferClassifier as DeepTransferClassifier,
    DeepTransferRegressor as DeepTransferRegressor,
)
from .net import TrainingInterruptedWarning as TrainingInterruptedWarning
from .schedules import Ramp as Ramp, WarmUp as WarmUp
