"""Training in two stages: on the source first, then for the target; and how layers take part.

Methods that pre-train are a `PretrainedEstimator` with a second stage of their own. Layers that are
frozen, have a learning rate of their own or join one after the other are so in any training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor

from ..base import Domain
from ._base import DeepTransferEstimator
from .domain_networks import NetworkOfTwoTasks
from .net import DeepNet
from .network import Network

__all__ = [
    "GradualUnfreezing",
    "PretrainedEstimator",
    "TwoTaskEstimator",
    "check_layer_count",
    "freeze_layers",
    "layer_rates",
]


class PretrainedEstimator(DeepTransferEstimator):
    """A network learns the source alone; one that begins with its weights then learns the target.

    A method writes `_second_stage`, and `_second_network` where the network becomes another one.
    It declares `pretrain_epochs`. Without source rows, which it may allow, the network is that of
    a pre-trained `module`; without a target, that of the first stage.
    """

    def _fit(self, source: Domain, target: Domain) -> None:
        if not len(source) and self.module is None:
            raise ValueError(
                f"{type(self).__name__} has nothing to tune: give source rows (Xs, ys) to "
                "pre-train on, or a pre-trained module."
            )
        seeds = self._seeds()
        self._set_label_scale(source, target)
        network = self._first_network(source if len(source) else target, seeds)
        if len(source):
            self.net_ = self._pretrain(network, source, seeds)
            self.pretrain_history_ = self.net_.history
        if target is not source:
            network = self._second_network(network, seeds)
            self.net_ = self._second_stage(network, source, target, seeds)
        self._set_results()

    def _first_network(self, rows: Domain, seeds) -> Network:
        """Make the network that learns the source's labels."""
        n_outputs = len(self.source_classes_) if self._has_new_classes() else None
        return self._network(rows, seeds, n_outputs=n_outputs)

    def _second_network(self, network: Network, seeds) -> Network:
        """Return the network of the second stage: with a new head where its classes are others."""
        if self._has_new_classes():
            network.head = self._new_head(network, seeds)
            self._continue_part(network, "head")
        return network

    def _second_stage(self, network: Network, source: Domain, target: Domain, seeds) -> DeepNet:
        """Train the network of the second stage."""
        raise NotImplementedError

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        return self._second_network(self._first_network(rows, seeds), seeds)

    def _has_new_classes(self) -> bool:
        """Tell whether the target has other classes than the source."""
        source = getattr(self, "source_classes_", None)  # none without a source, nor for numbers
        return source is not None and not np.array_equal(source, self.classes_)

    def _last_weights(self) -> dict[str, Tensor]:
        assert self._last_net is not None  # it is asked for in a warm start alone
        return self._last_net.module_.source_weights()

    def _continue_part(self, network: Network, name: str) -> None:
        """Let a part of the second stage's network go on from the last fit's, if that had one."""
        last = None if self._last_net is None else self._last_net.module_
        if isinstance(last, type(network)):
            self._continue(getattr(network, name), getattr(last, name).state_dict())


class TwoTaskEstimator(PretrainedEstimator):
    """In the second stage the network learns the source's classes and the target's, if others."""

    def _second_network(self, network: Network, seeds) -> Network:
        if not self._has_new_classes():
            return NetworkOfTwoTasks(network, network.head)
        tasks = NetworkOfTwoTasks(network, self._new_head(network, seeds))
        self._continue_part(tasks, "head")
        return tasks

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        y = super()._label_tensor(domain)
        if y is not None and (domain.ids < 0).all():  # the target's codes follow the source's
            y = torch.where(y < 0, -1, y + len(self.source_classes_))
        return y


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


def layer_rates(network: Network, lr: float) -> dict[str, Any]:
    """Return the net's setting that gives hidden layers a learning rate of their own.

    Each layer is a group of the optimiser: in one group torch's fused SGD can't step weights that
    have a momentum already together with those of a layer that was just unfrozen.
    """
    groups = [(f"layers.{k}.*", {"lr": lr}) for k in range(len(network.layers))]
    return {"optimizer__param_groups": groups}
