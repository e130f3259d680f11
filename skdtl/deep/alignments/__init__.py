"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .centres import ClassCentreSimilarity
from .class_confusion import MinimumClassConfusion
from .conditional import ConditionalAdversary
from .confusion import DomainConfusion
from .coral import CorrelationAlignment
from .discrepancy import ClassifierDiscrepancy
from .entropy import TargetEntropy
from .fused_mmd import FusedMMD
from .inverted_labels import InvertedLabels
from .joint_mmd import JointMMD
from .margin import MarginDisparity
from .mmd import MMD
from .multi_kernel_mmd import MultiKernelMMD
from .soft_labels import SoftLabels
from .transport import JointTransport
from .wasserstein import WassersteinCritic

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "ClassCentreSimilarity",
    "ClassifierDiscrepancy",
    "ConditionalAdversary",
    "CorrelationAlignment",
    "DomainAdversary",
    "DomainConfusion",
    "FusedMMD",
    "InvertedLabels",
    "JointMMD",
    "JointTransport",
    "MarginDisparity",
    "MinimumClassConfusion",
    "MultiKernelMMD",
    "SoftLabels",
    "Step",
    "TargetEntropy",
    "WassersteinCritic",
    "reverse_gradient",
]
