"""The Wasserstein distance of the features, estimated by a critic."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from .adversary import fully_connected

__all__ = ["WassersteinCritic", "slope_penalty"]


def slope_penalty(values: Tensor, x: Tensor) -> Tensor:
    """Return the mean of (‖∇ f‖ - 1)² over the rows of x, where values = f(x); differentiable."""
    (slopes,) = torch.autograd.grad(values.sum(), x, create_graph=True)
    return (torch.linalg.vector_norm(slopes, dim=1) - 1).square().mean()


class WassersteinCritic(Alignment):
    """Wasserstein distance: a critic measures it, the network makes it small.

    Ω = mean f(source) - mean f(target). The critic f is a small network on the features, which is
    trained to make Ω as large as a function can whose slope is 1: Ω then is about the Wasserstein-1
    distance, the least mean distance by which the source's features must be moved to become the
    target's. Before every step of the network the critic makes `n_critic` steps of its own on

        mean f(source) - mean f(target) - gradient_penalty · mean (‖∇ f(h)‖ - 1)²,

    where h runs over the features of both domains and over random points between pairs of them.
    Neither λ nor `weight` touches the critic: with λ = 0 it watches a network that does not heed
    it. The history records Ω as ``wasserstein`` and the mean of (‖∇ f(h)‖ - 1)² at the critic's
    last step as ``gradient_penalty``. A slope a little above 1 is worth its price to the critic:
    where it has learnt all it can, Ω exceeds the distance W by about W² / (2 gradient_penalty).

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        The critic's hidden layers; () makes it linear, which sees the means alone.
    n_critic : int, default=5
        The critic's steps before each of the network's; 1 or more.
    gradient_penalty : float, default=10.0
        The weight of the penalty on the critic's slope; 0 or more. With 0 nothing bounds the
        critic.
    critic_lr : float, default=1e-3
        The learning rate of the critic's Adam, more than 0; constant.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. One critic sees all of them side by side. None means all hidden layers.

    References
    ----------
    Shen, Qu, Zhang, Yu. Wasserstein distance guided representation learning for domain adaptation.
    AAAI 2018 (algorithm 1).

    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville. Improved training of Wasserstein GANs.
    NIPS 2017 (algorithm 1, the gradient penalty).

    Arjovsky, Chintala, Bottou. Wasserstein generative adversarial networks. ICML 2017 (the
    distance and its dual).
    """

    name = "wasserstein"

    def __init__(
        self,
        weight: float = 1.0,
        hidden_layer_sizes: Sequence[int] = (100,),
        n_critic: int = 5,
        gradient_penalty: float = 10.0,
        critic_lr: float = 1e-3,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        for name, value, legal, bound in (
            ("n_critic", n_critic, n_critic >= 1, ">= 1"),
            ("gradient_penalty", gradient_penalty, gradient_penalty >= 0, ">= 0"),
            ("critic_lr", critic_lr, critic_lr > 0, "> 0"),
        ):
            if not legal:
                raise ValueError(f"The {name} of WassersteinCritic must be {bound}; got {value!r}.")
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_critic = n_critic
        self.gradient_penalty = gradient_penalty
        self.critic_lr = critic_lr

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the critic."""
        width = sum(self.aligned_widths(widths, n_outputs))
        self.critic = fully_connected(width, self.hidden_layer_sizes).requires_grad_(False)
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**31 - 1, ())))
        self.optimizer: torch.optim.Optimizer | None = None

    def before_step(self, source: Activations, target: Activations) -> None:
        """Train the critic."""
        if self.optimizer is None:  # now the critic is where it stays
            self.optimizer = torch.optim.Adam(
                self.critic.parameters(), lr=self.critic_lr, fused=True
            )
        xs, xt = self.joined(source), self.joined(target)
        n_source, n = len(xs), max(len(xs), len(xt))
        starts, ends = _repeated(xs, n), _repeated(xt, n)
        self.critic.requires_grad_(True)
        for _ in range(self.n_critic):
            share = torch.rand((n, 1), generator=self.generator, dtype=xs.dtype).to(xs.device)
            x = torch.cat([xs, xt, torch.lerp(starts, ends, share)]).requires_grad_(True)
            values = self.critic(x)
            penalty = slope_penalty(values, x)
            omega = values[:n_source].mean() - values[n_source : n_source + len(xt)].mean()
            self.optimizer.zero_grad()
            loss = self.gradient_penalty * penalty - omega
            loss.backward(inputs=list(self.critic.parameters()))
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.critic.requires_grad_(False)
        self.observed["gradient_penalty"] = penalty.detach()

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the critic's estimate of the distance."""
        xs, xt = self.joined(source), self.joined(target)
        values = self.critic(torch.cat([xs, xt]))
        return values[: len(xs)].mean() - values[len(xs) :].mean()


def _repeated(x: Tensor, n: int) -> Tensor:
    """Return n rows: those of x, from the first again where they run out."""
    return x if len(x) == n else x[torch.arange(n, device=x.device) % len(x)]
