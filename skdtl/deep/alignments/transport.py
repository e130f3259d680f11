"""Optimal transport of features and labels together."""

from __future__ import annotations

import torch
from torch import Tensor

from ..._couplings import transport_plan
from ._base import Activations, Alignment, Layers

__all__ = ["JointTransport", "squared_distances"]


class JointTransport(Alignment):
    """Joint transport: pair source rows with target rows by features and labels, and pull.

    Ω = Σ_ij γ_ij C_ij with C_ij = alpha ‖z_i - z_j‖² + lam_t L(y_i, f(x_j)): z are the features, y
    the source's labels, f(x_j) what the network says of a target row, and L the cross-entropy, or
    the squared error of standardised labels. The plan γ, which gives all rows of a domain the same
    mass, is found anew in every batch, as the one of least cost, and held constant for the
    gradient. So target rows move to source rows near by, and learn their labels.

    Needs POT: ``pip install 'skdtl[ot]'``.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    alpha : float, default=0.1
        The weight of the features' squared distance; 0 or more.
    lam_t : float, default=1.0
        The weight of the labels' loss; 0 or more.
    reg_e : float, default=0.0
        The weight of the plan's negative entropy in the search for it; 0 or more. 0 finds the
        plan exactly; else it is Sinkhorn's, softer, and slow where `reg_e` is very small.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output; of several, the squared distances are added. None means all hidden layers.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty. DeepJDOT: deep joint distribution optimal
    transport for unsupervised domain adaptation. ECCV 2018.
    """

    name = "transport"

    def __init__(
        self,
        weight: float = 1.0,
        alpha: float = 0.1,
        lam_t: float = 1.0,
        reg_e: float = 0.0,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        for name, value in (("alpha", alpha), ("lam_t", lam_t), ("reg_e", reg_e)):
            if not value >= 0:
                raise ValueError(f"The {name} of JointTransport must be >= 0; got {value!r}.")
        self.alpha = alpha
        self.lam_t = lam_t
        self.reg_e = reg_e

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the cost of the cheapest plan."""
        cost = self.cost(source, target)
        costs = cost.detach().cpu().double().numpy()
        plan = transport_plan(costs, self.reg_e, name=type(self).__name__).coupling
        return (torch.as_tensor(plan, dtype=cost.dtype, device=cost.device) * cost).sum()

    def cost(self, source: Activations, target: Activations) -> Tensor:
        """Return what it costs to take each source row to each target row."""
        xs, xt = (self.joined(domain) for domain in (source, target))
        y = source.y
        assert y is not None  # every source row has a label
        losses = target.head.pair_losses(target.output, y)
        return self.alpha * squared_distances(xs, xt) + self.lam_t * losses


def squared_distances(xs: Tensor, xt: Tensor) -> Tensor:
    """Return the squared Euclidean distances of all pairs."""
    centre = xt.detach().mean(0)  # ‖x‖² + ‖y‖² - 2xy loses fewer digits near the origin
    xs, xt = xs - centre, xt - centre
    norms = xs.square().sum(1)[:, None] + xt.square().sum(1)
    return torch.addmm(norms, xs, xt.T, alpha=-2)
