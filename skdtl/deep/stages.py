"""Training in two stages: on the source first, then for the target.

Methods that pre-train are a `PretrainedEstimator` with a second stage of their own; `tuning.py` has
the one that goes on with the target's labels.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._parameters import parameter
from ..base import Domain, TransferTags
from ._base import DeepTransferEstimator
from ._parameters import PRETRAIN_EPOCHS
from .domain_networks import NetworkOfTwoTasks
from .net import DeepNet
from .network import Network

__all__ = ["PretrainedEstimator", "TargetTaskEstimator", "TwoTaskEstimator"]


class PretrainedEstimator(DeepTransferEstimator):
    """A network learns the source alone; one that begins with its weights then learns the target.

    A method writes `_second_stage`, and `_second_network` where the network becomes another one.
    It declares `pretrain_epochs`. Without source rows, which it may allow, the network is that of
    a pre-trained `module`; without a target, that of the first stage.

    Attributes
    ----------
    n_stages_ : int
        2; 1 where there was no target, so that the network is that of the first stage.
    """

    _network_attributes: ClassVar[tuple[str, ...]] = (
        *DeepTransferEstimator._network_attributes,
        "n_stages_",
    )

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
            network.learnt_head = True
        self.n_stages_ = 1 if target is source else 2
        if self.n_stages_ == 2:
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
            network.extend(*self._new_end(network, seeds))
            self._continue_part(network, "head")
        return network

    def _second_stage(self, network: Network, source: Domain, target: Domain, seeds) -> DeepNet:
        """Train the network of the second stage."""
        raise NotImplementedError

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        network = self._first_network(rows, seeds)
        return network if self.n_stages_ == 1 else self._second_network(network, seeds)

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
        if isinstance(last, type(network)) and bool(last.source_head) == bool(network.source_head):
            self._continue(network.get_submodule(name), last.get_submodule(name).state_dict())


class TargetTaskEstimator(PretrainedEstimator):
    """In the second stage the network learns the labelled rows of the target alone.

    Attributes
    ----------
    pretrain_history_ : skorch.history.History
        What happened in each epoch of pre-training; only where there was a source.

    Raises
    ------
    ValueError
        Where no target row has a label, where there are neither source rows nor a module, or where
        the training diverges: the loss or a weight is no number any more.
    """

    pretrain_epochs: int | None = PRETRAIN_EPOCHS
    max_epochs: int | str = parameter(
        default="auto",
        text="""
        Passes over the labelled target rows, and over the source where `pretrain_epochs` is None.
        "auto" makes 100, and of few rows as many more as `min_steps` takes.
        """,
    )
    batch_size: int = parameter(default=128, text="At most so many rows are in a batch.")

    _transfer_tags: ClassVar[TransferTags] = TransferTags(
        "required", unlabelled_target=False, new_classes=True, source_optional=True
    )


class TwoTaskEstimator(PretrainedEstimator):
    """In the second stage the network learns the source's classes and the target's, if others."""

    def _second_network(self, network: Network, seeds) -> Network:
        if not self._has_new_classes():
            return NetworkOfTwoTasks(network, network.head)
        tasks = NetworkOfTwoTasks(network, self._new_end(network, seeds)[1])
        self._continue_part(tasks, "head")
        return tasks

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        y = super()._label_tensor(domain)
        if y is not None and (domain.ids < 0).all():  # the target's codes follow the source's
            y = torch.where(y < 0, -1, y + len(self.source_classes_))
        return y
