"""Domain confusion: features by which a domain classifier, trained in turn, can only guess."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ._base import Activations, Alignment, Layers
from .adversary import domain_loss, fully_connected

__all__ = ["DomainConfusion"]


class DomainConfusion(Alignment):
    """Domain confusion: the network makes a domain classifier answer "fifty-fifty" everywhere.

    Ω is the cross-entropy between the uniform distribution over the two domains and what the
    domain classifier D says, -(log D(x) + log(1 - D(x))) / 2, averaged over the rows of each
    domain and then over the two. Its least value is ln 2 = 0.69, where D(x) = 1/2. D learns in
    turn with the network: before every step it makes one of its own (Adam), on the features as
    they are, towards telling the domains apart. Unlike a reversed gradient
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
    lr : float, default=1e-3
        The domain classifier's learning rate, more than 0.
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

    def __init__(
        self,
        weight: float = 1.0,
        hidden_layer_sizes: Sequence[int] = (100,),
        lr: float = 1e-3,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        if not lr > 0:
            raise ValueError(f"The lr of DomainConfusion must be > 0; got {lr!r}.")
        self.hidden_layer_sizes = hidden_layer_sizes
        self.lr = lr
        self.optimizer: torch.optim.Optimizer | None = None

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the domain classifier."""
        width = sum(self.aligned_widths(widths, n_outputs))
        self.discriminator = fully_connected(width, self.hidden_layer_sizes).requires_grad_(False)

    def before_step(self, source: Activations, target: Activations) -> None:
        """Let the domain classifier make a step towards telling the domains apart."""
        if self.optimizer is None:  # only now its parameters are on their device
            self.optimizer = torch.optim.Adam(self.discriminator.parameters(), self.lr)
        self.discriminator.requires_grad_(True)
        loss, accuracy = domain_loss(self._logits(source, target), len(source.output))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        self.observed["domain_loss"] = loss.detach()
        self.observed["domain_accuracy"] = accuracy

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the cross-entropy between the uniform distribution and D's answers."""
        logits = self._logits(source, target)
        # -(log D + log(1 - D)) / 2 = softplus(z) - z / 2 with D = 1 / (1 + exp(-z))
        each = F.softplus(logits) - logits / 2
        n_source = len(source.output)
        return (each[:n_source].mean() + each[n_source:].mean()) / 2

    def _logits(self, source: Activations, target: Activations) -> Tensor:
        xs, xt = (torch.cat(self.aligned(domain), 1) for domain in (source, target))
        return self.discriminator(torch.cat([xs, xt]))[:, 0]
