"""Alignment losses Ω: how far apart the network still sees the two domains, a file per method."""

from ._base import Activations, Alignment, Step
from .adversary import DomainAdversary, reverse_gradient
from .conditional import ConditionalAdversary
from .margin import MarginDisparity
from .mmd import MMD

__all__ = [
    "MMD",
    "Activations",
    "Alignment",
    "ConditionalAdversary",
    "DomainAdversary",
    "MarginDisparity",
    "Step",
    "reverse_gradient",
]
