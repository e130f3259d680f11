"""The network: hidden layers and heads, and how a module is split into layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .heads import Head

__all__ = ["ACTIVATIONS", "Fold", "Network", "hidden_layers", "normalises", "split_layers"]
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


class Fold(nn.Unflatten):
    """Gives rows, which come flat, the shape of samples.

    Parameters
    ----------
    shape : tuple of int
        The shape of a sample.
    """

    def __init__(self, shape: tuple[int, ...]):
        super().__init__(1, shape)


def normalises(module: nn.Module) -> bool:
    """Tell whether a module is a batch normalisation, which has running statistics."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def split_layers(module: nn.Module) -> list[nn.Module]:
    """Split a backbone into layers that can be aligned or frozen one by one.

    A plain ``nn.Sequential`` is cut before each part that holds a weight matrix or a filter bank:
    activations, normalisations, dropout and the like belong to the layer before them. Any other
    module is one layer. Parts keep the names that they have in the module.
    """
    if type(module).forward is not nn.Sequential.forward:
        return [module]
    layers: list[OrderedDict[str, nn.Module]] = []
    begun = False  # whether the current layer has its weight matrix
    for name, part in module.named_children():
        weighty = any(p.ndim > 1 for p in part.parameters())
        if not layers or (weighty and begun):
            layers.append(OrderedDict())
        layers[-1][name] = part
        begun |= weighty
    return [nn.Sequential(parts) for parts in layers]


class Network(nn.Module):
    """Hidden layers, then a linear head.

    A layer, or a part of it, whose parameters are all frozen stays in evaluation mode, so that its
    running statistics stand still too. Rows come with the ids of their domains: positive for a
    source's, negative for the target's; None stands for rows that are all the target's, as they are
    when the network predicts. Here one function serves all domains. A network that treats them
    differently overrides `outputs` (another last layer) or `activations` (other hidden layers).

    Parameters
    ----------
    layers : sequence of nn.Module
        The hidden layers.
    make_head : callable
        Returns the head for the width of the last hidden layer.
    example : Tensor of shape (n, n_inputs)
        Some rows, to find the layers' widths by.

    Attributes
    ----------
    layers : nn.ModuleList
        The hidden layers.
    widths : list of int
        Their widths.
    head : Head
        The last layer, by which the target is predicted.
    source_head : Head or None
        The last layer of an earlier stage, for the source's classes, if the network has got another
        one since. It is frozen.
    learnt_head : bool
        Whether the head has been trained in an earlier stage.
    keeps_statistics : bool
        Whether the running statistics of batch normalisation stand still in all layers.
    """

    head: Head
    source_head: Head | None
    learnt_head: bool = False
    keeps_statistics: bool = False

    def __init__(
        self, layers: Sequence[nn.Module], make_head: Callable[[int], Head], example: Tensor
    ):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.layers.eval()
        with torch.no_grad():
            self.widths = [f.shape[1] for f in self.features(example)]
        self.head = make_head(self.widths[-1])
        self.source_head = None
        self.train()

    def extend(self, layers: Sequence[nn.Module], head: Head) -> None:
        """Let other layers follow the hidden ones, and then another head.

        Parameters
        ----------
        layers : sequence of nn.Module
            Fully connected ones, whose weights tell their widths; there may be none.
        head : Head
            For the width of the last one.
        """
        self.layers.extend(layers)
        self.widths += [p.shape[0] for layer in layers for p in layer.parameters() if p.ndim > 1]
        self.source_head, self.head = self.head.requires_grad_(False), head
        self.learnt_head = False

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the output of every hidden layer, flattened to one row per sample."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x if x.ndim == 2 else x.flatten(1))
        return tuple(features)

    def outputs(self, features: tuple[Tensor, ...], domains: Tensor | None) -> Tensor:
        """Return what the head makes of the hidden layers' outputs."""
        return self.head(features[-1])

    def activations(
        self, x: Tensor, domains: Tensor | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the hidden layers' outputs and the head's.

        Parameters
        ----------
        x : Tensor of shape (n, n_inputs)
            Rows. Where they are of several domains, the sources' come first.
        domains : Tensor of shape (n,), int, or None
            The ids of their domains.

        Returns
        -------
        features : tuple of Tensor of shape (n, width)
        output : Tensor of shape (n, n_outputs)
        """
        features = self.features(x)
        return features, self.outputs(features, domains)

    def loss(self, output: Tensor, y: Tensor, domains: Tensor) -> Tensor:
        """Return the loss of the task, over the rows that have a label.

        Parameters
        ----------
        output : Tensor of shape (n, n_outputs)
            As `activations` returned it.
        y : Tensor of shape (n,)
            Labels, as the head takes them.
        domains : Tensor of shape (n,), int
            The ids of the rows' domains.

        Returns
        -------
        loss : Tensor of shape ()
        """
        return self.head.loss(output, y)

    def forward(self, x: Tensor) -> Tensor:
        """Return the head's output for target rows: logits, or standardised predictions."""
        return self.activations(x)[1]

    def train(self, mode: bool = True) -> Network:
        """Switch between training and evaluation."""
        super().train(mode)
        for part in self.layers.modules():
            parameters = list(part.parameters())
            frozen = parameters and not any(p.requires_grad for p in parameters)
            if frozen or (self.keeps_statistics and normalises(part)):
                part.eval()
        return self

    def source_weights(self) -> dict[str, Tensor]:
        """Return the weights of a network for the source alone that can go on from this one."""
        own = {} if self.source_head is None else self.source_head.state_dict(prefix="head.")
        return {**self.state_dict(), **own}

    @property
    def n_outputs(self) -> int:
        """How many columns the output has while the network trains."""
        return self.head.out_features

    @property
    def n_heads(self) -> int:
        """How many heads there are."""
        return 1
