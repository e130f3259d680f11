"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .centres import ClassCentreSimilarity
from .confusion import DomainConfusion
from .mmd import MMD
from .soft_labels import SoftLabels

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "ClassCentreSimilarity",
    "DomainAdversary",
    "DomainConfusion",
    "SoftLabels",
    "Step",
    "reverse_gradient",
]
