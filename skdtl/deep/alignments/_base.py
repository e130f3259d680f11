"""Alignment losses Ω(source, target): how far apart the network still sees the two domains.

Each Ω of a paper is one small module here; they can be combined freely.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..network import Network
from ..terms import Activations, Needs, Step, Term, overrides

__all__ = ["Activations", "Alignment", "Layers", "Step"]

# A hidden layer by its index, or "output".
Layer = int | str
Layers = Layer | Sequence[Layer] | None


class Alignment(Term):
    """Base class of the alignment losses: write ``forward(source, target)``, a scalar Ω.

    An alignment is the term of the loss that compares two domains: it needs no more of a step than
    the activations of both. The object that a user gives is a specification; every fit works on a
    deep copy of it.

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
        super().__init__(weight)
        self.layers = layers
        if layers is not None and not all(
            layer == "output" or isinstance(layer, numbers.Integral) for layer in _each(layers)
        ):
            raise ValueError(
                f"The layers of {type(self).__name__} must be integers or 'output'; got {layers!r}."
            )
        if layers is not None and not _each(layers):
            raise ValueError(f"The layers of {type(self).__name__} are none; got {layers!r}.")

    @property
    def needs(self) -> Needs:
        """Rows of two domains, and classes where `needs_classes` says so."""
        return Needs(classes=self.needs_classes, target=True)

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

    def attach(self, network: Network) -> None:
        """Check the layers, and make what depends on the network."""
        self.aligned_widths(network.widths, network.n_outputs)  # raises where there is no such one
        self.initialize(network.widths, network.n_outputs)

    def prepare(self, step: Step) -> None:
        """Call `before_step`, if the alignment has one."""
        if overrides(self, "before_step", Alignment):
            source, target = _sides(step)
            self.before_step(source.detach(), target.detach())

    def value(self, step: Step) -> Tensor:
        """Return Ω of the step's two sides."""
        return self(*_sides(step))

    def loss(self, step: Step) -> Tensor:
        """Return what is added to the loss: `penalty` of the step's two sides."""
        return self.penalty(*_sides(step), step.lam)

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

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return what is added to the loss: λ Ω. `lam` is the product λ w_k."""
        return self.weighed(lam, lambda: self(source, target))


def _sides(step: Step) -> tuple[Activations, Activations]:
    assert step.other is not None  # the engine asks no alignment where there is no target
    return step.labelled, step.other


def _each(layers: Layer | Sequence[Layer]) -> tuple[Layer, ...]:
    one = isinstance(layers, str | numbers.Integral)
    return (cast(Layer, layers),) if one else tuple(cast(Sequence[Layer], layers))
