"""Maximum mean discrepancy of features fused with what the target's classifier makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from ._gaussian import (
    check_multipliers,
    distances_of_products,
    gaussian_mixture,
    median_bandwidth,
    pair_weights,
)

__all__ = ["FusedMMD", "fused_mmd2"]


def fused_mmd2(
    source: Sequence[Tensor], target: Sequence[Tensor], multipliers: Sequence[float]
) -> Tensor:
    """Return the biased estimate of the squared MMD of tensor products of several layers.

    Parameters
    ----------
    source, target : sequence of Tensor of shape (n, width)
        Each layer's activations of the domain's rows.
    multipliers : sequence of float
        Which multiples of the squared median distance the squared widths of the Gaussians are.
        The kernel is their sum.

    Returns
    -------
    mmd2 : Tensor of shape ()
    """
    distances = distances_of_products([torch.cat(pair) for pair in zip(source, target)])
    n = len(multipliers)
    kernel = gaussian_mixture(distances, median_bandwidth(distances), multipliers, [1.0] * n)
    weights = pair_weights(len(source[0]), len(target[0]), False, kernel.dtype, kernel.device)
    return weights @ (kernel - n)  # k(z, z) = n


class FusedMMD(Alignment):
    """Maximum mean discrepancy of fused features: layers and class logits, multiplied.

    Ω = ‖mean φ(source) - mean φ(target)‖² of z = x_1 ⊗ ... ⊗ x_L ⊗ f_T(x), all products of an entry
    of each of the layers and of a logit: the features of each class are compared by themselves.
    φ belongs to the sum of the kernels exp(-‖z - z'‖² / (2 m_u σ²)), σ the median distance between
    two different rows of the joint batch, held constant for the gradient, so that no scaling of the
    features changes Ω. The estimate is the biased one, over all pairs, a row with itself included.
    The logits are those of the network's head for rows of both domains, also where a network adds
    something to them for one.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    bandwidth_multipliers : sequence of float, default=(0.125, 0.25, 0.5, 1.0, 2.0)
        The m_u: which multiples of the squared median distance the kernels' squared widths are;
        more than 0.
    layers : int, sequence of int or None, default=-1
        Which hidden layers are multiplied with the logits, by their index, of which -1 is the last.
        None means all.

    References
    ----------
    Long, Zhu, Wang, Jordan. Unsupervised domain adaptation with residual transfer networks.
    Advances in Neural Information Processing Systems 29, 2016 (section 3, feature adaptation).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, ClassHead, FusedMMD
    >>> head = ClassHead(1, 2)
    >>> source, target = (
    ...     Activations((torch.tensor(x),), head(torch.tensor(x)), None, head=head)
    ...     for x in ([[0.0], [2.0]], [[3.0], [5.0]])
    ... )
    >>> bool(FusedMMD()(source, target) > FusedMMD()(source, source))
    True
    """

    name = "fused_mmd"
    needs_classes = True

    def __init__(
        self,
        weight: float = 1.0,
        bandwidth_multipliers: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        check_multipliers("FusedMMD", bandwidth_multipliers)
        self.bandwidth_multipliers = bandwidth_multipliers

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the squared MMD of the products."""
        factors = (self._factors(side) for side in (source, target))
        return fused_mmd2(next(factors), next(factors), self.bandwidth_multipliers)

    def _factors(self, side: Activations) -> list[Tensor]:
        assert not isinstance(side.head, type)  # in a training it has weights
        return [*self.aligned(side), side.head(side.features[-1])]
