"""An adversary that trains in turn with the target's encoder, by inverted labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ._base import Activations
from .adversary import AlternatingDiscriminator

__all__ = ["InvertedLabels"]


class InvertedLabels(AlternatingDiscriminator):
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

    betas = (0.5, 0.999)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the loss of the target's features, which are to pass for the source's."""
        logits = self.discriminator(self.joined(target))
        return F.softplus(-logits).mean()  # BCE(logits, 1)
