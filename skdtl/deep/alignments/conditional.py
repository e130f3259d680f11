"""Conditional adversary: a discriminator that sees the features together with the prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from .adversary import domain_loss, fully_connected, reverse_gradient

__all__ = ["ConditionalAdversary", "certainty_weights", "multilinear_map", "randomized_map"]

# Of a joint map with more columns, map="auto" takes the randomized form.
_MOST_COLUMNS = 4096


def multilinear_map(factors: Sequence[Tensor]) -> Tensor:
    """Return the products of all columns of several tensors with the same rows, a column each."""
    joint = factors[0]
    for factor in factors[1:]:
        joint = (joint[:, :, None] * factor[:, None, :]).flatten(1)
    return joint


def randomized_map(factors: Sequence[Tensor], projections: Sequence[Tensor]) -> Tensor:
    """Return (R_1 f_1) ⊙ (R_2 f_2) ⊙ ... / √d of several tensors f and their matrices R."""
    joint = factors[0] @ projections[0]
    for factor, projection in zip(factors[1:], projections[1:]):
        joint = joint * (factor @ projection)
    return joint / math.sqrt(joint.shape[1])


def certainty_weights(g: Tensor, log_g: Tensor, n_source: int) -> Tensor:
    """Return rows' weights 1 + exp(-H(g)), divided by their mean over each domain.

    Parameters
    ----------
    g, log_g : Tensor of shape (n, n_classes)
        Class probabilities and their logarithms; the source's rows come first.
    n_source : int
        How many they are.

    Returns
    -------
    weights : Tensor of shape (n,)
    """
    w = 1 + (g * log_g).sum(1).exp()  # exp(-H)
    sizes = [n_source, len(w) - n_source]
    # The mean is a mere unit: were it differentiated, certainty of all rows would not pay.
    return torch.cat([part / part.detach().mean() for part in w.split_with_sizes(sizes)])


class ConditionalAdversary(Alignment):
    """Domain adversary whose discriminator sees the features together with the prediction.

    Ω = mean w_s BCE(D(T(source)), 1) + mean w_t BCE(D(T(target)), 0), behind a gradient reversal,
    as :class:`~skdtl.deep.DomainAdversary` has it, where T joins a row's features f with its
    predicted class probabilities g: every product f_i g_k is a column, so that D sees the features
    of each class by themselves. The reversed gradient reaches the network through f and through g.
    λ multiplies it alone: D itself always trains at full strength.

    The history records Ω as ``domain_loss`` (2 ln 2 = 1.39 where D can't tell) and the share of
    rows that D assigns to the right domain, the mean of both domains' shares, as
    ``domain_accuracy`` (0.5 where D can't tell).

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    map : {"auto", "multilinear", "randomized"}, default="auto"
        "multilinear" is T = f ⊗ g, flattened. "randomized" is T = (R_f f) ⊙ (R_g g) / √d, whose
        inner products equal those of f ⊗ g in expectation; the entries of the matrices R are
        standard normal, drawn once. "auto" is "randomized" where f ⊗ g has more than 4096
        columns.
    n_components : int, default=1024
        d, the number of columns of the randomized map; 1 or more.
    entropy : bool, default=False
        Whether rows whose class is predicted with certainty count more: w = 1 + exp(-H(g)) with
        the entropy H, divided by its mean over the domain's rows in the batch. The reversed
        gradient reaches the network through w too, and makes predictions more certain.
        Otherwise w is 1.
    hidden_layer_sizes : sequence of int, default=(100,)
        The discriminator's hidden layers; () makes it logistic regression.
    layers : int, "output", sequence of these or None, default=-1
        Which layers' outputs f is: hidden ones by their index, of which -1 is the last, or the
        network's output. Of several, f ⊗ f' ⊗ ... ⊗ g takes the place of f ⊗ g, and
        (R_f f) ⊙ (R_f' f') ⊙ ... ⊙ (R_g g) / √d that of the randomized map. The outputs of all
        but the last of them are then divided by the root mean square length of their rows, held
        constant: a product of several unbounded factors explodes. None means all hidden layers.

    References
    ----------
    Long, Cao, Wang, Jordan. Conditional adversarial domain adaptation. Advances in Neural
    Information Processing Systems 31, 2018 (section 3).
    """

    name = "domain_loss"
    needs_classes = True
    opposed = True

    def __init__(
        self,
        weight: float = 1.0,
        map: str = "auto",
        n_components: int = 1024,
        entropy: bool = False,
        hidden_layer_sizes: Sequence[int] = (100,),
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        if map not in ("auto", "multilinear", "randomized"):
            raise ValueError(
                "The map of ConditionalAdversary must be 'auto', 'multilinear' or 'randomized'; "
                f"got {map!r}."
            )
        if n_components < 1 or n_components % 1:
            raise ValueError(
                f"The n_components of ConditionalAdversary must be an int >= 1; "
                f"got {n_components!r}."
            )
        self.map = map
        self.n_components = n_components
        self.entropy = entropy
        self.hidden_layer_sizes = hidden_layer_sizes

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the discriminator, and the matrices of a randomized map."""
        factors = [*self.aligned_widths(widths, n_outputs), n_outputs]
        width = math.prod(factors)
        self.randomized = self.map == "randomized" or (self.map == "auto" and width > _MOST_COLUMNS)
        if self.randomized:
            width = self.n_components
            for i, factor in enumerate(factors):
                self.register_buffer(f"projection_{i}", torch.randn(factor, width))
        self.discriminator = fully_connected(width, self.hidden_layer_sizes)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the discriminator's loss on the joint map, without any reversal."""
        return self._loss(source, target, None)

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return Ω behind a gradient reversal of strength `lam`."""
        omega = self._loss(source, target, lam)
        self.observed[self.name] = omega.detach()
        return omega

    def _loss(self, source: Activations, target: Activations, lam: float | None) -> Tensor:
        n_source = len(source.output)
        pairs = zip(self.aligned(source), self.aligned(target))
        factors = [torch.cat(pair) for pair in pairs]
        logits = torch.cat([source.output, target.output])
        factors = [*(f / _typical_length(f) for f in factors[:-1]), factors[-1]]
        if lam is not None:
            factors = [reverse_gradient(f, lam) for f in factors]
            logits = reverse_gradient(logits, lam)
        log_g = logits.log_softmax(1)
        g = log_g.exp()
        weights = certainty_weights(g, log_g, n_source) if self.entropy else None
        domain_logits = self.discriminator(self._join([*factors, g]))[:, 0]
        loss, accuracy = domain_loss(domain_logits, n_source, weights)
        self.observed["domain_accuracy"] = accuracy
        return loss

    def _join(self, factors: Sequence[Tensor]) -> Tensor:
        if not self.randomized:
            return multilinear_map(factors)
        projections = [self.get_buffer(f"projection_{i}") for i in range(len(factors))]
        return randomized_map(factors, projections)


def _typical_length(x: Tensor) -> Tensor:
    """Return the root mean square of the rows' lengths, held constant for the gradient."""
    return x.detach().square().sum(1).mean().sqrt().clamp(min=torch.finfo(x.dtype).tiny)
