"""Joint maximum mean discrepancy of several layers, as JAN has it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._base import Activations, Alignment, Layers
from ._gaussian import (
    check_multipliers,
    gaussian_mixture,
    median_bandwidth,
    pair_weights,
    squared_distances,
)
from .adversary import reverse_gradient

__all__ = ["JointMMD", "joint_mmd2"]


def joint_mmd2(kernels: Sequence[Tensor], n_source: int, n_target: int) -> Tensor:
    """Return the biased estimate of the squared MMD by the product of several kernels.

    Parameters
    ----------
    kernels : sequence of Tensor of shape (n_pairs,)
        Each layer's kernel of all pairs of rows, the source's rows first.
    n_source, n_target : int
        How many rows there are of each domain.

    Returns
    -------
    mmd2 : Tensor of shape ()
    """
    first = kernels[0]
    weights = pair_weights(n_source, n_target, False, first.dtype, first.device)
    return weights @ (math.prod(kernels[1:], start=first) - 1)


class JointMMD(Alignment):
    """Joint maximum mean discrepancy: align what several layers say together, not each alone.

    Ω = ‖mean φ(source) - mean φ(target)‖², where φ belongs to the product of the layers' kernels,
    so that Ω compares the joint distributions of the layers, of features and predicted classes
    say: two rows are alike if they are so in every layer. The estimate is the biased one, over all
    pairs, a row with itself included; it is never negative, and 0 for equal batches.

    A hidden layer's kernel is a mean of Gaussians, exp(-‖x - y‖² / (2 m_u σ²)), σ the layer's
    median distance between two different rows of the joint batch, held constant for the gradient.
    The output's kernel is one Gaussian.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    bandwidth_multipliers : sequence of float, default=(0.125, 0.25, 0.5, 1.0, 2.0)
        The m_u: which multiples of the squared median distance the squared widths of the hidden
        layers' kernels are; more than 0.
    output_bandwidth : float or None, default=0.92
        σ of the output's Gaussian, more than 0. Class probabilities and standardised labels have
        a scale of their own, so it is fixed. None means the median distance.
    adversarial : bool, default=False
        Whether every layer passes through a linear map that is trained to make Ω large, while the
        network learns to make it small. The maps begin as the identity; the network's optimiser
        trains them, through a gradient reversal. λ scales the gradient that reaches the network
        alone: the maps always train at full strength.
    layers : int, "output", sequence of these or None, default=(-1, "output")
        Which layers' kernels are multiplied: hidden ones by their index, of which -1 is the last,
        or the network's output. None means all hidden layers.

    References
    ----------
    Long, Zhu, Wang, Jordan. Deep transfer learning with joint adaptation networks. ICML 2017
    (section 4).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, JointMMD
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> source = Activations((x,), torch.tensor([[9.0, 0.0], [0.0, 9.0]]), None)
    >>> target = Activations((x,), torch.tensor([[0.0, 9.0], [9.0, 0.0]]), None)
    >>> JointMMD(layers=(-1, "output"))(source, target) > 0.1  # the classes have changed places
    tensor(True)
    >>> JointMMD(layers=-1)(source, target), JointMMD(layers="output")(source, target)
    (tensor(0.), tensor(0.))
    """

    name = "joint_mmd"

    def __init__(
        self,
        weight: float = 1.0,
        bandwidth_multipliers: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        output_bandwidth: float | None = 0.92,
        adversarial: bool = False,
        layers: Layers = (-1, "output"),
    ):
        super().__init__(weight, layers)
        check_multipliers("JointMMD", bandwidth_multipliers)
        if output_bandwidth is not None and not output_bandwidth > 0:
            raise ValueError(
                f"The output_bandwidth of JointMMD must be > 0 or None; got {output_bandwidth!r}."
            )
        self.bandwidth_multipliers = bandwidth_multipliers
        self.output_bandwidth = output_bandwidth
        self.adversarial = adversarial
        self.opposed = adversarial
        self.maps: nn.ModuleList | None = None

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the adversarial maps."""
        if self.adversarial:
            aligned = self.aligned_widths(widths, n_outputs)
            maps = [nn.Linear(n, n, bias=False) for n in aligned]  # no distance sees a bias
            for linear in maps:
                nn.init.eye_(linear.weight)
            self.maps = nn.ModuleList(maps)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the squared joint MMD, behind the maps if there are any, without any reversal."""
        return self._mmd2(source, target, None)

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return λΩ, or -Ω behind a gradient reversal of strength `lam` if it is adversarial."""
        if not self.adversarial:
            return super().penalty(source, target, lam)
        omega = self._mmd2(source, target, lam)
        self.observed[self.name] = omega.detach()
        return -omega

    def _mmd2(self, source: Activations, target: Activations, lam: float | None) -> Tensor:
        kernels = []
        layers = self.each_layer(len(source.features))
        for i, (layer, xs, xt) in enumerate(
            zip(layers, self.aligned(source), self.aligned(target))
        ):
            x = torch.cat([xs, xt])
            if lam is not None:
                x = reverse_gradient(x, lam)
            if self.maps is not None:
                x = self.maps[i](x)
            kernels.append(self._kernel(x, layer == "output"))
        return joint_mmd2(kernels, len(xs), len(xt))

    def _kernel(self, x: Tensor, is_output: bool) -> Tensor:
        distances = squared_distances(x)
        if not is_output:
            n = len(self.bandwidth_multipliers)
            median = median_bandwidth(distances)
            return gaussian_mixture(distances, median, self.bandwidth_multipliers, [1 / n] * n)
        if self.output_bandwidth is None:
            return gaussian_mixture(distances, median_bandwidth(distances))
        return gaussian_mixture(distances, self.output_bandwidth**2)
