"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .inverted_labels import InvertedLabels
from .mmd import MMD
from .transport import JointTransport
from .wasserstein import WassersteinCritic

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "DomainAdversary",
    "InvertedLabels",
    "JointTransport",
    "Step",
    "WassersteinCritic",
    "reverse_gradient",
]
