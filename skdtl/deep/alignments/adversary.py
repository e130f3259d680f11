"""Adversaries: discriminators that the features must fool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._base import Activations, Alignment, Layers

__all__ = [
    "AlternatingDiscriminator",
    "DomainAdversary",
    "domain_loss",
    "fully_connected",
    "reverse_gradient",
]


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


def reverse_gradient(x: Tensor, lam: float) -> Tensor:
    """Return x itself, but multiply the gradient that flows back through it by -λ.

    Parameters
    ----------
    x : Tensor
        What passes.
    lam : float
        How strongly the gradient is reversed.

    Returns
    -------
    Tensor
        With the values of x.
    """
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
        Mean BCE(D(source), 1) + mean BCE(D(target), 0).
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
    opposed = True

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
        x = torch.cat([self.joined(domain) for domain in (source, target)])
        logits = self.discriminator(x if lam is None else reverse_gradient(x, lam))[:, 0]
        loss, self.observed["domain_accuracy"] = domain_loss(logits, len(source.output))
        return loss


class AlternatingDiscriminator(Alignment):
    """Base of the alignments whose discriminator D learns in turn with the network.

    Before every step of the network D makes `n_steps` of its own (Adam), on the features as they
    are, on  mean BCE(D(source), 1) + mean BCE(D(target), 0). A subclass writes ``forward``, which
    is what the network makes of D's answers; neither λ nor `weight` touches D. The history records
    D's loss at its last step as ``domain_loss`` and the share of rows that it then assigned to the
    right domain as ``domain_accuracy``, as :class:`~skdtl.deep.DomainAdversary` does.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        D's hidden layers; () makes it logistic regression.
    n_steps : int, default=1
        D's steps before each of the network's; 1 or more.
    discriminator_lr : float, default=1e-3
        D's learning rate, more than 0; constant.
    layers : int, "output", sequence of these or None, default=-1
        Which layers D sees side by side: hidden ones by their index, of which -1 is the last, or
        the network's output. None means all hidden layers.
    """

    betas = (0.9, 0.999)  # Adam's

    def __init__(
        self,
        weight: float = 1.0,
        hidden_layer_sizes: Sequence[int] = (100,),
        n_steps: int = 1,
        discriminator_lr: float = 1e-3,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        name = type(self).__name__
        if not n_steps >= 1:
            raise ValueError(f"The n_steps of {name} must be >= 1; got {n_steps!r}.")
        if not discriminator_lr > 0:
            raise ValueError(
                f"The discriminator_lr of {name} must be > 0; got {discriminator_lr!r}."
            )
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_steps = n_steps
        self.discriminator_lr = discriminator_lr

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the discriminator."""
        width = sum(self.aligned_widths(widths, n_outputs))
        self.discriminator = fully_connected(width, self.hidden_layer_sizes).requires_grad_(False)
        self.optimizer: torch.optim.Optimizer | None = None

    def before_step(self, source: Activations, target: Activations) -> None:
        """Train the discriminator."""
        if self.optimizer is None:  # now the discriminator is where it stays
            self.optimizer = torch.optim.Adam(
                self.discriminator.parameters(),
                lr=self.discriminator_lr,
                betas=self.betas,
                fused=True,
            )
        x = torch.cat([self.joined(domain) for domain in (source, target)])
        self.discriminator.requires_grad_(True)
        for _ in range(self.n_steps):
            self.optimizer.zero_grad()
            loss, accuracy = domain_loss(self.discriminator(x)[:, 0], len(source.output))
            loss.backward()
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        self.observed.update(domain_loss=loss.detach(), domain_accuracy=accuracy)
