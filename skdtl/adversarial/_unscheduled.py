"""A weight of its own for an alignment that stands beside the one that λ belongs to."""

from __future__ import annotations

from torch import Tensor

from ..deep.alignments import Activations, Alignment

__all__ = ["Unscheduled"]


class Unscheduled(Alignment):
    """To be put before an alignment: its weight is all that counts, λ does not.

    A method with two weights, one of which is λ and follows its schedule, gives the other one to
    the second alignment.
    """

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return what is added to the loss: w_k Ω_k."""
        return super().penalty(source, target, self.weight)
