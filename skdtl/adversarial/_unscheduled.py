"""A weight of its own for an alignment that stands beside the one that λ belongs to."""

from __future__ import annotations

from ..deep.alignments import Alignment

__all__ = ["Unscheduled"]


class Unscheduled(Alignment):
    """To be put before an alignment: its weight is all that counts, λ does not.

    A method with two weights, one of which is λ and follows its schedule, gives the other one to
    the second alignment.
    """

    def strength(self, lam: float) -> float:
        """Return the factor of this term at a value of λ: w_k."""
        return self.weight
