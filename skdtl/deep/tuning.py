"""Tuning a network that was trained before: which layers stay, and how fast the others learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from .._constraints import Instance, Int, OneOf, Real, SequenceOf
from .._parameters import parameter
from ..base import Domain
from .net import DeepNet
from .network import Fold, Network, normalises
from .regularizers import L2SP
from .stages import TargetTaskEstimator
from .terms import Term

__all__ = [
    "GradualUnfreezing",
    "TunedEstimator",
    "check_layer_count",
    "estimate_statistics",
    "freeze_layers",
    "layer_rates",
    "matching_weights",
]

# How fast hidden layers learn beside the head: features that were learnt for other classes have
# farther to go.
_FACTOR, _FACTOR_OF_NEW_CLASSES = 0.1, 1.0

# The pull to the weights where tuning began counts like so many labelled rows: as much as a new
# network's penalty on weights, which draws to zero and where rows are few to no more than 0.01.
_PULL = 3.0

# Batch normalisation's statistics are estimated on batches of so many rows, at most.
_ROWS_OF_STATISTICS = 1024


class TunedEstimator(TargetTaskEstimator):
    """A network learns the source, or is pre-trained already, and goes on with the target's labels.

    All is a parameter: which of its weights stay, how fast the others learn and from when on, and
    what is added to the loss.

    Attributes
    ----------
    pull_ : float
        The weight of the L2SP that ``terms="auto"`` has chosen; 0 where there is none.
    """

    n_frozen_layers: int = parameter(
        default=0,
        legal=Int(0),
        text="How many of the first hidden layers stay as they were pre-trained.",
        kw_only=False,
    )
    frozen_weights: str | Sequence[str] = parameter(
        default=(),
        legal=(Instance(str), SequenceOf(Instance(str))),
        type="str or sequence of str",
        text="""
        More weights that stay: patterns of their names as fnmatch has them, such as ``"conv1.*"``
        for the names of your `module`, or ``"layers.0.*"`` for those of any network.
        """,
    )
    backbone_lr_factor: float | str | Sequence[float] = parameter(
        default="auto",
        legal=(Real(0, None), OneOf("auto"), SequenceOf(Real(0, None))),
        text="""
        The learning rate of the hidden layers in tuning, as a multiple of the head's `lr`; of
        several, one for each hidden layer. "auto" is 0.1, and 1 where the target has other classes
        than the source.
        """,
    )
    layer_lr_decay: float = parameter(
        default=1.0,
        legal=Real(0, None, closed="neither"),
        text="""
        Each hidden layer learns so many times slower than the one above it, beside
        `backbone_lr_factor`, which is then the last one's. ULMFiT has 2.6.
        """,
    )
    unfreeze_every: int | None = parameter(
        default=None,
        legal=(None, Int(1)),
        text="""
        Gradual unfreezing: tune the head alone first, and one more hidden layer, from the last to
        the first, after every so many epochs. None tunes all from the beginning.
        """,
    )
    batch_norm_statistics: str = parameter(
        default="update",
        legal=OneOf("update", "keep", "target"),
        text="""
        What becomes of the running statistics of batch normalisation in tuning. "update" goes on
        with them by the batches of labelled rows; "keep" leaves them as they were pre-trained;
        "target" estimates them on all of the target's rows first, those without a label too
        (AdaBN), and then leaves them.
        """,
    )
    terms: Sequence[Term] | str = parameter(
        default="auto",
        legal=(OneOf("auto"), SequenceOf(Instance(Term))),
        type='"auto" or sequence of Term',
        text="""
        What is added to the loss in tuning, such as ``[L2SP(0.01)]``; the fit works on copies.
        :class:`~skdtl.deep.L2SP`, :class:`~skdtl.deep.BSS`, :class:`~skdtl.deep.DELTA` and
        :class:`~skdtl.deep.CoTuning` are made for it. "auto" is an L2SP whose weight is 3 divided
        by the number of labelled target rows, so that few of them don't undo what many source rows
        have taught; nothing where the head is new. () is never anything.
        """,
    )

    _network_attributes: ClassVar[tuple[str, ...]] = (
        *TargetTaskEstimator._network_attributes,
        "pull_",
    )

    def _terms(self) -> Sequence[Term]:
        if isinstance(self.terms, str):
            return [L2SP(self.pull_)] if self.pull_ else ()
        return self.terms

    def _first_network(self, rows: Domain, seeds) -> Network:
        network = super()._first_network(rows, seeds)
        check_layer_count(network, "n_frozen_layers", self.n_frozen_layers)
        matching_weights(network, "frozen_weights", self.frozen_weights)
        self._rates(network)
        return network

    def _rates(self, network: Network) -> dict[str, Any]:
        factors: Any = self.backbone_lr_factor
        if factors == "auto":
            factors = _FACTOR_OF_NEW_CLASSES if self._has_new_classes() else _FACTOR
        return layer_rates(network, self.lr, factors, self.layer_lr_decay)

    def _second_stage(self, network: Network, source: Domain, target: Domain, seeds) -> DeepNet:
        freeze_layers(network, self.n_frozen_layers)
        for weight in matching_weights(network, "frozen_weights", self.frozen_weights):
            weight.requires_grad_(False)
        if self.batch_norm_statistics == "target":
            estimate_statistics(network, target.X)
        network.keeps_statistics = self.batch_norm_statistics != "update"
        automatic = isinstance(self.terms, str) and network.learnt_head
        self.pull_ = _PULL / int(target.labelled.sum()) if automatic else 0.0
        callbacks = [] if self.unfreeze_every is None else [GradualUnfreezing(self.unfreeze_every)]
        rates = self._rates(network)
        return self._train_on_target(network, target, seeds, callbacks, **rates)


class GradualUnfreezing(Callback):
    """Train the head alone first, and one more layer, from the last to the first, every so often.

    Parameters
    ----------
    every : int
        After how many epochs the next layer follows. What was frozen when the training began
        never follows.
    """

    def __init__(self, every: int):
        self.every = every

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Note what each layer may train."""
        self.trainable_ = [
            [p for p in layer.parameters() if p.requires_grad] for layer in net.module_.layers
        ]

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Freeze and unfreeze."""
        n_unfrozen = (len(net.history) - 1) // self.every
        first = len(self.trainable_) - n_unfrozen
        for k, parameters in enumerate(self.trainable_):
            for weight in parameters:
                weight.requires_grad_(k >= first)
        net.module_.train()


def check_layer_count(network: Network, parameter: str, n_layers: int) -> None:
    """Make sure that a network has as many hidden layers as a parameter says."""
    if n_layers > len(network.layers):
        raise ValueError(
            f"{parameter} is {n_layers}, but the network has only {len(network.layers)} hidden "
            "layers."
        )


def freeze_layers(network: Network, n_layers: int) -> None:
    """Let the first hidden layers stay as they are, their running statistics too."""
    for layer in network.layers[:n_layers]:
        layer.requires_grad_(False)


def matching_weights(
    network: Network, parameter: str, patterns: str | Sequence[str]
) -> list[nn.Parameter]:
    """Return the hidden layers' weights whose names match one of some patterns, as fnmatch has it.

    A weight is named as in the network (``layers.0.conv.weight``), and as in the module that the
    layers come from (``conv.weight``).
    """
    named = dict(network.layers.named_parameters(prefix="layers"))
    names = {full: {full, _name_in_module(network, full)} for full in named}
    matching = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = [full for full in named if any(fnmatchcase(n, pattern) for n in names[full])]
        if not found:
            raise ValueError(
                f"{parameter} names {pattern!r}, but no weight of a hidden layer is called so. "
                f"Their names are {sorted(set().union(*names.values()))}."
            )
        matching += found
    return [named[full] for full in matching]


def _name_in_module(network: Network, name: str) -> str:
    """Return the name of a hidden layer's weight without what splitting and folding added."""
    _, index, own = name.split(".", 2)
    layer = network.layers[int(index)]
    folded = isinstance(layer, nn.Sequential) and isinstance(layer[0], Fold)
    return own.split(".", 1)[1] if folded else own


def layer_rates(
    network: Network, lr: float, factors: float | Sequence[float] = 1.0, decay: float = 1.0
) -> dict[str, Any]:
    """Return the net's setting that gives hidden layers learning rates of their own.

    Each layer is a group of the optimiser: in one group torch's fused SGD can't step weights that
    have a momentum already together with those of a layer that was just unfrozen.

    Parameters
    ----------
    network : Network
        The network.
    lr : float
        A learning rate.
    factors : float or sequence of float, default=1.0
        By which it is multiplied for the hidden layers; of several, one for each of them.
    decay : float, default=1.0
        By which each layer's rate is divided once more than that of the layer above.

    Returns
    -------
    setting : dict
    """
    n_layers = len(network.layers)
    if not isinstance(factors, Sequence):
        factors = [factors] * n_layers
    if len(factors) != n_layers:
        raise ValueError(
            f"There are {len(factors)} factors of the learning rate, but the network has "
            f"{n_layers} hidden layers."
        )
    rates = [lr * factor / decay ** (n_layers - 1 - k) for k, factor in enumerate(factors)]
    groups = [(f"layers.{k}.*", {"lr": rate}) for k, rate in enumerate(rates)]
    return {"optimizer__param_groups": groups}


def estimate_statistics(network: Network, X: np.ndarray) -> None:
    """Estimate the running statistics of batch normalisation anew, as the mean over batches.

    Parameters
    ----------
    network : Network
        Its weights stay as they are.
    X : ndarray of shape (n, n_features)
        Rows, at least 2.
    """
    if len(X) < 2:
        raise ValueError('batch_norm_statistics="target" needs at least 2 target rows; got 1.')
    normalising: list[Any] = [m for m in network.layers.modules() if normalises(m)]
    momenta = [module.momentum for module in normalising]
    network.eval()
    for module in normalising:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over all batches
        module.train()
    device = next(network.head.parameters()).device
    with torch.no_grad():
        for part in np.array_split(X, math.ceil(len(X) / _ROWS_OF_STATISTICS)):
            network.features(torch.tensor(np.asarray(part, dtype=np.float32), device=device))
    for module, momentum in zip(normalising, momenta):
        module.momentum = momentum
    network.train()
