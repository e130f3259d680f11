"""DELTA: features stay near those of the pre-trained network, where they matter."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..batches import Side
from ..heads import Head
from ..network import Network
from ..terms import Step, Term

__all__ = ["DELTA", "channel_weights"]

# The head by which channels are weighed, where there is none that has learnt its classes.
_HEAD_STEPS, _HEAD_PENALTY = 50, 1e-2
_MOST_ROWS = 512


def channel_weights(losses: Tensor, loss: Tensor, temperature: float) -> Tensor:
    """Return channels' weights, a softmax of how much the loss rises without each of them.

    Parameters
    ----------
    losses : Tensor of shape (n_channels,)
        The losses of the network in which a channel is zero.
    loss : Tensor of shape ()
        The loss of the whole network.
    temperature : float
        By which the rise is divided.

    Returns
    -------
    weights : Tensor of shape (n_channels,)
        They sum to 1.
    """
    return ((losses - loss) / temperature).softmax(0)


class DELTA(Term):
    """Deep learning transfer by feature maps with attention: features stay as they were.

    Ω = Σ_l Σ_j W_lj ‖F_lj(w, x) - F_lj(w0, x)‖², the mean over the labelled rows x of a batch:
    F_lj is channel j of hidden layer l, a feature map or a single unit, of the network that learns
    and of a copy that stays as the training began. W_l, which sums to 1, is the softmax of how much
    the loss on the labelled target rows rises without the channel, over a temperature: what the
    target needs stays, other channels are free. Where the target has a head of its own, which has
    not learnt anything yet, a linear one fitted to the copy's features stands in for it.

    The history records Ω as ``feature_distance``.

    Parameters
    ----------
    weight : float, default=0.01
        This term's own factor of λ; 0 or more.
    layers : int, sequence of int or None, default=None
        Which hidden layers stay near, of which -1 is the last; None means all.
    temperature : float, default=5.0
        More than 0; with a large one all channels count alike.

    Notes
    -----
    The training takes a second pass through the layers for the copy, and the weights as many passes
    of at most 512 rows as there are channels, once.

    References
    ----------
    Li, Xiong, Wang, Rao, Liu, Chen, Huan. DELTA: deep learning transfer using feature map with
    attention for convolutional networks. ICLR 2019 (equations 4, 5 and 7).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep.regularizers.delta import channel_weights
    >>> channel_weights(torch.tensor([0.5, 0.5, 6.0]), torch.tensor(0.5), temperature=5.0)
    tensor([0.1998, 0.1998, 0.6003])
    """

    name = "feature_distance"

    def __init__(
        self,
        weight: float = 0.01,
        layers: int | Sequence[int] | None = None,
        temperature: float = 5.0,
    ):
        super().__init__(weight)
        if not temperature > 0:
            raise ValueError(f"The temperature of DELTA must be > 0; got {temperature!r}.")
        self.layers = layers
        self.temperature = temperature

    def attach(self, network: Network) -> None:
        """Copy the layers as the training finds them."""
        n_layers = len(network.layers)
        layers = range(n_layers) if self.layers is None else self.layers
        chosen = layers if isinstance(layers, Sequence) else [layers]
        for index in chosen:
            if not -n_layers <= index < n_layers:
                raise ValueError(
                    f"DELTA is to look at layer {index}, but there are {n_layers} hidden layers."
                )
        self.chosen = [index % n_layers for index in chosen]
        self.start = copy.deepcopy(network.layers).requires_grad_(False).eval()
        for index in self.chosen:
            self.register_buffer(f"weights_{index}", torch.ones(network.widths[index]))

    def begin(self, network: Network, rows: Iterable[Side]) -> None:
        """Weigh the channels by how much the labelled rows lose without them."""
        x, y = _first_rows(rows)
        with torch.no_grad():
            outputs = [x]
            for layer in self.start:
                outputs.append(layer(outputs[-1]))
        head = network.head if network.learnt_head else _fitted(network.head, outputs[-1], y)
        with torch.no_grad():
            loss = head.loss(head(outputs[-1].flatten(1)), y)
            for index in self.chosen:
                own = outputs[index + 1]
                losses = [self._loss_without(own, j, index, head, y) for j in range(own.shape[1])]
                weights = channel_weights(torch.stack(losses), loss, self.temperature)
                # A channel's weight counts for every place of its feature map.
                places = own[0, 0].numel()
                self.get_buffer(f"weights_{index}").copy_(weights.repeat_interleave(places))

    def _loss_without(self, output: Tensor, channel: int, index: int, head: Head, y) -> Tensor:
        """Return the loss where a channel of a layer's output is zero."""
        output = output.clone()
        output[:, channel] = 0
        for layer in list(self.start)[index + 1 :]:
            output = layer(output)
        return head.loss(head(output.flatten(1)), y)

    def value(self, step: Step) -> Tensor:
        """Return the weighted distance of the features from the copy's."""
        distance = step.labelled.output.new_zeros(())
        x = step.source_rows
        for index, layer in enumerate(self.start):
            with torch.no_grad():
                x = layer(x)
            if index in self.chosen:
                moved = step.labelled.features[index] - x.flatten(1)
                weights = self.get_buffer(f"weights_{index}")
                distance = distance + (weights * moved.square()).sum(1).mean()
        return distance

    def train(self, mode: bool = True) -> DELTA:
        """Switch between training and evaluation, but for the copy."""
        super().train(mode)
        if hasattr(self, "start"):
            self.start.eval()
        return self


def _first_rows(rows: Iterable[Side]) -> tuple[Tensor, Tensor]:
    """Return the first rows that have labels, and these."""
    xs, ys = zip(*((x, y) for x, y, _ in rows))
    return torch.cat(xs)[:_MOST_ROWS], torch.cat(ys)[:_MOST_ROWS]


def _fitted(head: Head, features: Tensor, y: Tensor) -> Head:
    """Return a head that has learnt labels by features that stay as they are."""
    head, features = copy.deepcopy(head), features.flatten(1)
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=_HEAD_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = head.loss(head(features), y) + _HEAD_PENALTY / 2 * head.weight.square().sum()
        loss.backward()
        return loss.item()

    optimizer.step(closure)
    return head
