"""The network: hidden layers, a linear head, and how a module is split into layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "Network", "hidden_layers", "split_layers"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "identity": nn.Identity,
}


def hidden_layers(n_inputs: int, sizes: Sequence[int], activation: str) -> list[nn.Module]:
    """Make fully connected layers, each with its activation."""
    widths = [n_inputs, *sizes]
    return [
        nn.Sequential(nn.Linear(width, size), ACTIVATIONS[activation]())
        for width, size in zip(widths, sizes)
    ]


def split_layers(module: nn.Module) -> list[nn.Module]:
    """Split a backbone into layers that can be aligned or frozen one by one.

    A plain ``nn.Sequential`` is cut before each part that holds a weight matrix or a filter bank:
    activations, normalisations, dropout and the like belong to the layer before them. Any other
    module is one layer.
    """
    if type(module).forward is not nn.Sequential.forward:
        return [module]
    layers: list[list[nn.Module]] = []
    begun = False  # whether the current layer has its weight matrix
    for part in module.children():
        weighty = any(p.ndim > 1 for p in part.parameters())
        if not layers or (weighty and begun):
            layers.append([])
        layers[-1].append(part)
        begun |= weighty
    return [nn.Sequential(*parts) for parts in layers]


class Network(nn.Module):
    """Hidden layers, then a linear head.

    A layer whose parameters are all frozen stays in evaluation mode, so that its running
    statistics stand still too.

    Parameters
    ----------
    layers : sequence of nn.Module
        The hidden layers.
    n_outputs : int
        The number of classes, or 1 for a regressor.
    example : Tensor of shape (n, n_inputs)
        Some rows, to find the layers' widths by.
    """

    def __init__(self, layers: Sequence[nn.Module], n_outputs: int, example: Tensor):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.layers.eval()
        with torch.no_grad():
            self.widths = [f.shape[1] for f in self.features(example)]
        self.head = nn.Linear(self.widths[-1], n_outputs)
        self.train()

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the output of every hidden layer, flattened to one row per sample."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x if x.ndim == 2 else x.flatten(1))
        return tuple(features)

    def activations(self, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the hidden layers' outputs and the head's."""
        features = self.features(x)
        return features, self.head(features[-1])

    def paired_activations(self, x: Tensor, n_source: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return `activations` of a batch whose first `n_source` rows are the source's.

        One network serves both domains here; one that treats them differently overrides this.
        """
        return self.activations(x)

    def for_domain(self, domain: str) -> Network:
        """Return the network that maps rows of one domain, "source" or "target".

        One network serves both domains here; one with an encoder for each overrides this.
        """
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the head's output: logits, or standardised predictions."""
        return self.activations(x)[1]

    def train(self, mode: bool = True) -> Network:
        """Switch between training and evaluation."""
        super().train(mode)
        for layer in self.layers:
            parameters = list(layer.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                layer.eval()
        return self

    @property
    def n_outputs(self) -> int:
        """How many columns the output has while the network trains."""
        return self.head.out_features
