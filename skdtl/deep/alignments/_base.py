"""Alignment losses Ω: how far apart the network still sees the two domains.

A network is trained on  L = L_task + λ Σ_k w_k Ω_k(source, target).  Each Ω of a paper is one small
module here; they can be combined freely.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from contextlib import nullcontext
from inspect import signature
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..network import Network

__all__ = ["Activations", "Alignment", "Layers", "Step"]

# A hidden layer by its index, or "output".
Layer = int | str
Layers = Layer | Sequence[Layer] | None


class Activations(NamedTuple):
    """What the network computed for the rows of one domain in one batch.

    Attributes
    ----------
    features : tuple of Tensor of shape (n, width of the layer)
        The output of every hidden layer, the last of which is the bottleneck.
    output : Tensor of shape (n, n_outputs)
        Class logits, or a regressor's standardised prediction in one column.
    y : Tensor of shape (n,) or None
        Class codes, or standardised labels; -1 or NaN where a row has none. None where no row of
        the domain has a label.
    """

    features: tuple[Tensor, ...]
    output: Tensor
    y: Tensor | None

    def prediction(self) -> Tensor:
        """Return class probabilities, or a regressor's output as it is."""
        return self.output.softmax(1) if self.output.shape[1] > 1 else self.output

    def detach(self) -> Activations:
        """Return the same activations, through which no gradient reaches the network."""
        return Activations(tuple(f.detach() for f in self.features), self.output.detach(), self.y)


class Step(NamedTuple):
    """A step of training, for what is trained in turn with the network.

    Attributes
    ----------
    network : Network
        The network, whose parameters may be changed.
    source_rows, target_rows : Tensor of shape (n, n_inputs)
        The batch.
    source_y, target_y : Tensor of shape (n,) or None
        Its labels, as in `Activations`.
    lam : float
        λ w_k at this step.
    optimizer : torch.optim.Optimizer
        The optimiser of the network's and the alignments' parameters, which keeps its state.
    """

    network: Network
    source_rows: Tensor
    source_y: Tensor
    target_rows: Tensor
    target_y: Tensor | None
    lam: float
    optimizer: torch.optim.Optimizer


class Alignment(nn.Module):
    """Base class of the alignment losses: write ``forward(source, target)``, a scalar Ω.

    The object that a user gives is a specification; every fit works on a deep copy of it.

    Parameters
    ----------
    weight : float, default=1.0
        The alignment's own w_k, by which the estimator's λ is multiplied; 0 or more.
    layers : int, "output", sequence of these, or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output; None means all hidden layers.

    Attributes
    ----------
    observed : dict of str to Tensor
        What the last batch's values were; the history records their mean over every epoch.
    needs_classes : bool
        Whether the alignment looks at class probabilities, which a regressor has none of.
    """

    name = "alignment"
    needs_classes = False

    def __init__(self, weight: float = 1.0, layers: Layers = -1):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"The weight of {type(self).__name__} must be >= 0; got {weight!r}.")
        self.weight = weight
        self.layers = layers
        if layers is not None and not all(
            layer == "output" or isinstance(layer, numbers.Integral) for layer in _each(layers)
        ):
            raise ValueError(
                f"The layers of {type(self).__name__} must be integers or 'output'; got {layers!r}."
            )
        if layers is not None and not _each(layers):
            raise ValueError(f"The layers of {type(self).__name__} are none; got {layers!r}.")
        self.observed: dict[str, Tensor] = {}

    def each_layer(self, n_layers: int) -> tuple[Layer, ...]:
        """Return the layers that are to be aligned, of a network with so many hidden ones."""
        return tuple(range(n_layers)) if self.layers is None else _each(self.layers)

    def aligned(self, activations: Activations) -> tuple[Tensor, ...]:
        """Return the activations of the layers that are to be aligned.

        A classifier's output stands there as class probabilities, a regressor's as it is.
        """
        return tuple(
            activations.prediction() if isinstance(layer, str) else activations.features[layer]
            for layer in self.each_layer(len(activations.features))
        )

    def joined(self, activations: Activations) -> Tensor:
        """Return the activations of the layers that are to be aligned, side by side."""
        return torch.cat(self.aligned(activations), 1)

    def aligned_widths(self, widths: Sequence[int], n_outputs: int) -> list[int]:
        """Return the widths of the layers that are to be aligned.

        Parameters
        ----------
        widths : sequence of int
            The widths of the hidden layers.
        n_outputs : int
            The number of classes, or 1 for a regressor.

        Returns
        -------
        list of int
            In the order of `layers`.

        Raises
        ------
        ValueError
            Where the network has no such layer.
        """
        layers = self.each_layer(len(widths))
        for layer in layers:
            if not isinstance(layer, str) and not -len(widths) <= layer < len(widths):
                raise ValueError(
                    f"{type(self).__name__} aligns layer {layer}, but the network has "
                    f"{len(widths)} hidden layers."
                )
        return [n_outputs if isinstance(layer, str) else widths[layer] for layer in layers]

    def extra_repr(self) -> str:
        """Show the hyper-parameters, as an estimator's repr does."""
        names = signature(type(self)).parameters
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the parameters that depend on the network; called once, before training.

        Parameters
        ----------
        widths : sequence of int
            The widths of the hidden layers.
        n_outputs : int
            The number of classes, or 1 for a regressor.
        """

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return Ω, a scalar that is small where the two domains look alike."""
        raise NotImplementedError

    def before_step(self, source: Activations, target: Activations) -> None:
        """Train what is trained in turn with the network; called on detached activations.

        The hook for alternating schemes (critics and the like): such an alignment keeps an
        optimiser of its own, steps it here, and leaves its parameters without gradients and with
        ``requires_grad`` off, so that the network's optimiser doesn't touch them.
        """

    def after_step(self, step: Step) -> None:
        """Train the network further on the same batch, after its optimiser has made a step.

        The hook for schemes that move parts of the network in turn.
        """

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return what is added to the loss: λ Ω. `lam` is the product λ w_k."""
        with nullcontext() if lam else torch.no_grad():  # without weight it is only observed
            omega = self(source, target)
        self.observed[self.name] = omega.detach()
        return lam * omega


def _each(layers: Layer | Sequence[Layer]) -> tuple[Layer, ...]:
    one = isinstance(layers, str | numbers.Integral)
    return (cast(Layer, layers),) if one else tuple(cast(Sequence[Layer], layers))
