"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .class_confusion import MinimumClassConfusion
from .discrepancy import ClassifierDiscrepancy
from .entropy import TargetEntropy
from .mmd import MMD

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "ClassifierDiscrepancy",
    "DomainAdversary",
    "MinimumClassConfusion",
    "Step",
    "TargetEntropy",
    "reverse_gradient",
]
