"""Domain confusion: features by which a domain classifier, trained in turn, can only guess."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ._base import Activations
from .adversary import AlternatingDiscriminator

__all__ = ["DomainConfusion", "uniform_cross_entropy"]


def uniform_cross_entropy(logits: Tensor, n_source: int) -> Tensor:
    """Return the cross-entropy between "fifty-fifty" and a domain classifier's answers.

    Parameters
    ----------
    logits : Tensor of shape (n,)
        Its answers; the source's rows come first.
    n_source : int
        How many they are.

    Returns
    -------
    loss : Tensor of shape ()
        The mean over each domain, and then over the two.
    """
    # -(log D + log(1 - D)) / 2 = softplus(z) - z / 2 with D = 1 / (1 + exp(-z))
    each = F.softplus(logits) - logits / 2
    return (each[:n_source].mean() + each[n_source:].mean()) / 2


class DomainConfusion(AlternatingDiscriminator):
    """Domain confusion: the network makes a domain classifier answer "fifty-fifty" everywhere.

    Ω is the cross-entropy between the uniform distribution over the two domains and what the
    domain classifier D says, -(log D(x) + log(1 - D(x))) / 2, averaged over the rows of each
    domain and then over the two. Its least value is ln 2 = 0.69, where D(x) = 1/2. D learns in
    turn with the network: before every step it makes `n_steps` of its own (Adam), on the features
    as they are, towards telling the domains apart. Unlike a reversed gradient
    (:class:`DomainAdversary`), which rewards the network for a D that is wrong, Ω is least where
    D is undecided, and its gradient does not die where D is sure.

    The history records Ω as ``domain_confusion``, D's own loss, summed over the domains, as
    ``domain_loss`` (2 ln 2 = 1.39 where D can't tell) and the share of rows that D assigns to the
    right domain, the mean of both domains' shares, as ``domain_accuracy``.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        The domain classifier's hidden layers; () makes it logistic regression.
    n_steps : int, default=1
        The domain classifier's steps before each of the network's; 1 or more.
    discriminator_lr : float, default=1e-3
        The learning rate of the domain classifier's Adam, more than 0; constant.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. One domain classifier sees all of them side by side. None means all hidden
        layers.

    References
    ----------
    Tzeng, Hoffman, Darrell, Saenko. Simultaneous deep transfer across domains and tasks.
    ICCV 2015 (section 3.1).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, DomainConfusion
    >>> confusion = DomainConfusion(hidden_layer_sizes=())
    >>> confusion.initialize([1], 2)
    >>> undecided = Activations((torch.zeros(3, 1),), torch.zeros(3, 2), None)
    >>> _ = torch.nn.init.zeros_(confusion.discriminator[0].bias)
    >>> round(confusion(undecided, undecided).item(), 4)
    0.6931
    """

    name = "domain_confusion"

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the cross-entropy between the uniform distribution and D's answers."""
        x = torch.cat([self.joined(domain) for domain in (source, target)])
        return uniform_cross_entropy(self.discriminator(x)[:, 0], len(source.output))
