"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .coral import CorrelationAlignment
from .joint_mmd import JointMMD
from .conditional import ConditionalAdversary
from .margin import MarginDisparity
from .class_confusion import MinimumClassConfusion
from .discrepancy import ClassifierDiscrepancy
from .entropy import TargetEntropy
from .mmd import MMD
from .multi_kernel_mmd import MultiKernelMMD
from .inverted_labels import InvertedLabels
from .transport import JointTransport
from .wasserstein import WassersteinCritic

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "CorrelationAlignment",
    "DomainAdversary",
    "JointMMD",
    "MultiKernelMMD",
    "ConditionalAdversary",
    "MarginDisparity",
    "Step",
    "ClassifierDiscrepancy",
    "MinimumClassConfusion",
    "TargetEntropy",
    "InvertedLabels",
    "JointTransport",
    "WassersteinCritic",
    "reverse_gradient",
]
