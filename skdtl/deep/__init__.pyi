from .alignments import (
    MMD as MMD,
    Alignment as Alignment,
    ClassCentreSimilarity as ClassCentreSimilarity,
    ClassifierDiscrepancy as ClassifierDiscrepancy,
    ConditionalAdversary as ConditionalAdversary,
    CorrelationAlignment as CorrelationAlignment,
    DomainAdversary as DomainAdversary,
    DomainConfusion as DomainConfusion,
    FusedMMD as FusedMMD,
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
from .domain_networks import NetworkOfManyHeads as NetworkOfManyHeads
from .heads import (
    ClassHead as ClassHead,
    CodeHead as CodeHead,
    Head as Head,
    NumberHead as NumberHead,
)
from .layers import (
    copy_layers as copy_layers,
    cut_layers as cut_layers,
    reinitialize_layers as reinitialize_layers,
)
from .net import TrainingInterruptedWarning as TrainingInterruptedWarning
from .network import Network as Network
from .pretrained import digits_lenet as digits_lenet, load_pretrained as load_pretrained
from .regularizers import BSS as BSS, DELTA as DELTA, L2SP as L2SP, CoTuning as CoTuning
from .schedules import Ramp as Ramp, SlantedTriangle as SlantedTriangle, WarmUp as WarmUp
from .terms import (
    Activations as Activations,
    Needs as Needs,
    Step as Step,
    Term as Term,
    Unscheduled as Unscheduled,
)
