"""An adversary that trains in turn with the target's encoder, by inverted labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ._base import Activations, Alignment, Layers
from .adversary import domain_loss, fully_connected

__all__ = ["InvertedLabels"]


class InvertedLabels(Alignment):
    """Inverted labels: the target's features learn to be taken for the source's, as in a GAN.

    Ω = mean BCE(D(target), 1): the target's features are to be labelled "source" by the
    discriminator D. Only they are moved by it, towards the source's features, which serve as they
    are; so it is made for networks whose encoder of the source stands still, as in ADDA. D is a
    small network on the features, which before every step of the network makes `n_steps` steps of
    its own on  mean BCE(D(source), 1) + mean BCE(D(target), 0). Neither λ nor `weight` touches D.
    Where D has the upper hand, the gradient of Ω does not vanish, as that of a reversed loss does.

    The history records Ω as ``inverted_loss`` (ln 2 = 0.69 where D can't tell), D's own loss at its
    last step as ``domain_loss`` (1.39 where it can't) and the share of rows that it then assigned
    to the right domain, the mean of both domains' shares, as ``domain_accuracy`` (0.5 where it
    can't).

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        The discriminator's hidden layers; () makes it logistic regression.
    n_steps : int, default=1
        The discriminator's steps before each of the network's; 1 or more.
    discriminator_lr : float, default=1e-3
        The learning rate of the discriminator's Adam, more than 0; constant. Its β1 is 0.5.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. One discriminator sees all of them side by side. None means all hidden
        layers.

    References
    ----------
    Tzeng, Hoffman, Saenko, Darrell. Adversarial discriminative domain adaptation. CVPR 2017
    (equation 9).

    Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio. Generative
    adversarial nets. NIPS 2014 (section 3: the loss that does not saturate).
    """

    name = "inverted_loss"

    def __init__(
        self,
        weight: float = 1.0,
        hidden_layer_sizes: Sequence[int] = (100,),
        n_steps: int = 1,
        discriminator_lr: float = 1e-3,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        if not n_steps >= 1:
            raise ValueError(f"The n_steps of InvertedLabels must be >= 1; got {n_steps!r}.")
        if not discriminator_lr > 0:
            raise ValueError(
                f"The discriminator_lr of InvertedLabels must be > 0; got {discriminator_lr!r}."
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
                betas=(0.5, 0.999),
                fused=True,
            )
        x = torch.cat([torch.cat(self.aligned(domain), 1) for domain in (source, target)])
        self.discriminator.requires_grad_(True)
        for _ in range(self.n_steps):
            self.optimizer.zero_grad()
            loss, accuracy = domain_loss(self.discriminator(x)[:, 0], len(source.output))
            loss.backward()
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        self.observed.update(domain_loss=loss.detach(), domain_accuracy=accuracy)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the loss of the target's features, which are to pass for the source's."""
        logits = self.discriminator(torch.cat(self.aligned(target), 1))
        return F.softplus(-logits).mean()  # BCE(logits, 1)
