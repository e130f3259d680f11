"""A layer that is put among the hidden ones to align the domains there: its place and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from .._constraints import Int, OneOf, SequenceOf
from .._parameters import parameter
from ..base import Domain
from ..deep._base import DeepTransferEstimator
from ..deep.alignments import MMD, Activations
from ..deep.network import ACTIVATIONS, Network, hidden_layers

__all__ = ["AdaptationLayerEstimator"]

# So many rows of each domain, at most, are compared to choose a layer or a width: the Gaussian
# kernel's matrices are quadratic in them.
_COMPARED_ROWS = 1000


class AdaptationLayerEstimator(DeepTransferEstimator):
    """A network with an adaptation layer, whose place and width the least MMD may choose.

    A method says by `_alignment` which MMD it is.

    Attributes
    ----------
    adaptation_layer_ : int
        How many layers come before the adaptation layer.
    adaptation_width_ : int
        Its width.
    layer_mmd_ : ndarray of shape (n_hidden_layers,)
        The squared MMD at each hidden layer of the network trained without alignment; only with
        ``adaptation_layer="auto"``.
    width_mmd_ : ndarray of shape (n_candidates,)
        The squared MMD at the adaptation layer of the network trained with each width; only where
        there are several.
    """

    adaptation_width: int | Sequence[int] = parameter(
        default=50,
        legal=(Int(1), SequenceOf(Int(1), min_length=1)),
        text="""
        The width of the adaptation layer. Of several, each is tried, and the network with the least
        MMD is kept.
        """,
    )
    adaptation_layer: int | str = parameter(
        default="last",
        legal=(OneOf("last", "auto"), Int(1)),
        text="""
        How many of the hidden layers come before the adaptation layer, from 1 to all of them, which
        is "last". "auto" trains without alignment first, and puts it after the hidden layer with
        the least MMD. With `module` it comes after the module: "last".
        """,
    )
    _network_params: ClassVar[tuple[str, ...]] = (
        *DeepTransferEstimator._network_params,
        "adaptation_width",
        "adaptation_layer",
    )
    _network_attributes: ClassVar[tuple[str, ...]] = (
        *DeepTransferEstimator._network_attributes,
        "adaptation_layer_",
        "adaptation_width_",
    )

    def _alignment(self, layer: int) -> MMD:
        """Return the MMD at a layer."""
        raise NotImplementedError

    def _terms(self):
        return [self._alignment(self.adaptation_layer_)]

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self._set_label_scale(source, target)
        widths = np.atleast_1d(self.adaptation_width).tolist()
        if self._last_net is not None:  # a warm start goes on with what was chosen
            widths = [self.adaptation_width_]
        else:
            self.adaptation_layer_ = self._choose_layer(source, both, seeds)
        if both is None:  # without a target the candidates can't be compared
            widths = widths[:1]
        nets = []
        for width in widths:
            network = self._network(source, seeds, lambda width=width: self._adapted_layers(width))
            nets.append(self._train(network, source, both, seeds, self._terms()))
            if self.interrupted_:
                break
        best = 0
        if both is not None and len(nets) > 1:
            compared = self._some_rows(source, both, seeds)
            mmd = [self._mmd(net.module_, *compared)[self.adaptation_layer_] for net in nets]
            self.width_mmd_ = np.array(mmd)
            best = int(np.argmin(mmd))
        self.adaptation_width_: int = widths[best]
        self.net_ = nets[best]
        self._set_results()

    def _trains_once(self) -> bool:
        return self.adaptation_layer != "auto" and np.ndim(self.adaptation_width) == 0

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        if not hasattr(self, "adaptation_layer_"):  # nothing is fitted yet, and nothing to choose
            self.adaptation_layer_ = self._choose_layer(rows, None, seeds)
            self.adaptation_width_ = np.atleast_1d(self.adaptation_width).tolist()[0]
        return self._network(rows, seeds, lambda: self._adapted_layers(self.adaptation_width_))

    def _choose_layer(self, source: Domain, target: Domain | None, seeds) -> int:
        """Return which of the network's layers will be the adaptation layer."""
        layer: Any = self.adaptation_layer
        if self.module is not None:
            if layer != "last":
                raise ValueError(
                    "With a module of your own the adaptation layer comes after it: "
                    f"adaptation_layer must be 'last'; got {layer!r}."
                )
            return -1
        n_layers = len(self.hidden_layer_sizes)
        if layer == "last":
            return n_layers
        if layer != "auto":
            if layer > n_layers:
                raise ValueError(
                    f"adaptation_layer is {layer}, but hidden_layer_sizes has only "
                    f"{n_layers} layers to come before it."
                )
            return layer
        if target is None:
            return n_layers
        network = self._network(source, seeds)
        net = self._train(network, source, target, seeds, terms=())
        self.layer_mmd_ = self._mmd(net.module_, *self._some_rows(source, target, seeds))
        return 1 + int(np.argmin(self.layer_mmd_))

    def _adapted_layers(self, width: int) -> list[nn.Module]:
        """Make the hidden layers with the adaptation layer among them."""
        if self.module is not None:
            activation = ACTIVATIONS[self.activation]()
            adaptation = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), activation)
            return [*self._layers(), adaptation]
        sizes = list(self.hidden_layer_sizes)
        sizes.insert(self.adaptation_layer_, width)
        return hidden_layers(self.n_features_in_, sizes, self.activation)

    def _some_rows(self, source: Domain, target: Domain, seeds) -> list[torch.Tensor]:
        """Return a random sample of each domain's rows."""
        generator = torch.Generator().manual_seed(seeds["alignments"])
        device = self._device()
        samples = []
        for X in (source.X, target.X):
            rows = torch.randperm(len(X), generator=generator)[:_COMPARED_ROWS].numpy()
            samples.append(torch.as_tensor(X[rows], dtype=torch.float32, device=device))
        return samples

    def _mmd(self, network: Network, xs: torch.Tensor, xt: torch.Tensor) -> np.ndarray:
        """Return the squared MMD at each hidden layer."""
        network.eval()
        with torch.no_grad():
            source, target = (Activations(network.features(x), network(x), None) for x in (xs, xt))
            layers = range(len(network.layers))
            return np.array([self._alignment(k)(source, target).item() for k in layers])
