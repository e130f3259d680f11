"""Adversaries: discriminators that the features must fool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._base import Activations, Alignment, Layers

__all__ = ["DomainAdversary", "domain_loss", "fully_connected", "reverse_gradient"]


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


def reverse_gradient(x: Tensor, lam: float) -> Tensor:
    """Return x itself, but multiply the gradient that flows back through it by -λ."""
    return _Reverse.apply(x, lam)


def fully_connected(
    n_inputs: int, hidden_layer_sizes: Sequence[int], n_outputs: int = 1
) -> nn.Sequential:
    """Make fully connected layers: a discriminator, a critic or a head."""
    layers: list[nn.Module] = []
    width = n_inputs
    for size in hidden_layer_sizes:
        layers += [nn.Linear(width, size), nn.ReLU()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, n_outputs))


def domain_loss(
    logits: Tensor, n_source: int, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return a discriminator's loss and its accuracy, both averaged over each domain.

    Parameters
    ----------
    logits : Tensor of shape (n,)
        More than 0 for "source"; the source's rows come first.
    n_source : int
        How many they are.
    weights : Tensor of shape (n,) or None, default=None
        What each row counts in the loss; all the same by default.

    Returns
    -------
    loss : Tensor of shape ()
        mean BCE(D(source), 1) + mean BCE(D(target), 0).
    accuracy : Tensor of shape ()
        The share of rows that are assigned to the right domain, the mean of both domains' shares.
    """
    sizes = [n_source, len(logits) - n_source]
    source, target = logits.split_with_sizes(sizes)
    with torch.no_grad():
        right = (source > 0).float().mean() + (target <= 0).float().mean()
    # softplus(-z) = BCE(z, 1) and softplus(z) = BCE(z, 0)
    source_loss, target_loss = F.softplus(-source), F.softplus(target)
    if weights is not None:
        source_weights, target_weights = weights.split_with_sizes(sizes)
        source_loss, target_loss = source_weights * source_loss, target_weights * target_loss
    return source_loss.mean() + target_loss.mean(), right / 2


class DomainAdversary(Alignment):
    """Domain adversary: a discriminator learns to tell the domains apart, the network to fool it.

    Ω = mean BCE(D(source), 1) + mean BCE(D(target), 0), the discriminator D a small network on the
    features, behind a gradient reversal layer. So one backward pass trains D to make Ω small and
    the network to make it large. λ multiplies the reversed gradient alone: D itself always trains
    at full strength, and with λ = 0 it watches a network that does not heed it.

    The history records Ω as ``domain_loss`` (2 ln 2 = 1.39 where D can't tell) and the share of
    rows that D assigns to the right domain, the mean of both domains' shares, as
    ``domain_accuracy`` (0.5 where D can't tell).

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        The discriminator's hidden layers; () makes it logistic regression.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. One discriminator sees all of them side by side. None means all hidden
        layers.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky.
    Domain-adversarial training of neural networks. Journal of Machine Learning Research 17, 2016
    (equations 9, 10 and 18).
    """

    name = "domain_loss"

    def __init__(
        self,
        weight: float = 1.0,
        hidden_layer_sizes: Sequence[int] = (100,),
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        self.hidden_layer_sizes = hidden_layer_sizes

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the discriminator."""
        width = sum(self.aligned_widths(widths, n_outputs))
        self.discriminator = fully_connected(width, self.hidden_layer_sizes)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the discriminator's loss on the layer's features, without any reversal."""
        return self._loss(source, target, None)

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return Ω behind a gradient reversal of strength `lam`."""
        omega = self._loss(source, target, lam)
        self.observed[self.name] = omega.detach()
        return omega

    def _loss(self, source: Activations, target: Activations, lam: float | None) -> Tensor:
        xs, xt = (torch.cat(self.aligned(domain), 1) for domain in (source, target))
        x = torch.cat([xs, xt])
        logits = self.discriminator(x if lam is None else reverse_gradient(x, lam))[:, 0]
        loss, self.observed["domain_accuracy"] = domain_loss(logits, len(xs))
        return loss
