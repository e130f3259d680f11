"""Margin disparity: a second head that agrees with the first on the source, not on the target."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from .adversary import fully_connected, reverse_gradient

__all__ = ["MarginDisparity", "margin_disparity"]


def margin_disparity(log_p: Tensor, predicted: Tensor, n_source: int, margin: float) -> Tensor:
    """Return how well a second head agrees on the source, and disagrees on the target.

    Parameters
    ----------
    log_p : Tensor of shape (n, n_classes)
        The logarithms of its class probabilities; the source's rows come first.
    predicted : Tensor of shape (n,), int
        The classes that the first head predicts.
    n_source : int
        How many rows are the source's.
    margin : float
        γ, by which the source counts more.

    Returns
    -------
    disparity : Tensor of shape ()
    """
    n, predicted = n_source, predicted[:, None]
    agree = log_p[:n].gather(1, predicted[:n])
    # log(1 - p') as the sum over all other classes: where p' rounds to 1, 1 - p' would be 0.
    disagree = log_p[n:].scatter(1, predicted[n:], -torch.inf).logsumexp(1)
    return margin * agree.mean() + disagree.mean()


class MarginDisparity(Alignment):
    """Margin disparity: how far a second head can disagree with the first on the target alone.

    Ω = γ mean log p'(source) + mean log(1 - p'(target)), where p' is the probability that the
    adversarial head h' gives to the class that the network's own head predicts. h' learns to make
    Ω large, to agree on the source and disagree on the target; behind a gradient reversal, the
    network learns to make it small. λ multiplies the reversed gradient alone: h' itself always
    trains at full strength, and with λ = 0 it watches a network that does not heed it. The
    predicted classes carry no gradient to the network's own head.

    The history records Ω as ``margin_disparity``. It is never positive; where h' can't tell the
    domains apart its best is γ ln γ - (1 + γ) ln(1 + γ), which is -2.50 for γ = 4.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    margin : float, default=4.0
        γ, more than 0: how much the source counts for h'. Where the domains are alike, p' is
        γ / (1 + γ).
    hidden_layer_sizes : sequence of int, default=()
        The hidden layers of h'; () makes it linear, as the network's own head is.
    layers : int, "output", sequence of these or None, default=-1
        Which layers h' sees: hidden ones by their index, of which -1 is the last, or the
        network's output; of several, all side by side. None means all hidden layers.

    References
    ----------
    Zhang, Liu, Long, Jordan. Bridging theory and algorithm for domain adaptation. Proceedings of
    the 36th International Conference on Machine Learning, 2019 (section 5).
    """

    name = "margin_disparity"
    needs_classes = True
    opposed = True

    def __init__(
        self,
        weight: float = 1.0,
        margin: float = 4.0,
        hidden_layer_sizes: Sequence[int] = (),
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        if not margin > 0:
            raise ValueError(f"The margin of MarginDisparity must be > 0; got {margin!r}.")
        self.margin = margin
        self.hidden_layer_sizes = hidden_layer_sizes

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the adversarial head."""
        width = sum(self.aligned_widths(widths, n_outputs))
        self.head = fully_connected(width, self.hidden_layer_sizes, n_outputs)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the disparity, without any reversal."""
        return self._disparity(source, target, None)

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return -Ω, which the adversarial head minimises, behind a reversal of strength `lam`."""
        omega = self._disparity(source, target, lam)
        self.observed[self.name] = omega.detach()
        return -omega

    def _disparity(self, source: Activations, target: Activations, lam: float | None) -> Tensor:
        xs, xt = (self.joined(domain) for domain in (source, target))
        x = torch.cat([xs, xt])
        log_p = self.head(x if lam is None else reverse_gradient(x, lam)).log_softmax(1)
        predicted = torch.cat([source.output, target.output]).argmax(1)
        return margin_disparity(log_p, predicted, len(xs), self.margin)
