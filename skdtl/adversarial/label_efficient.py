"""LabelEfficientTransfer: other classes in the target, of which few rows have labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._params import Int, OneOf, Real, SequenceOf
from ..base import Domain, TransferTags
from ..deep.alignments import ClassCentreSimilarity, DomainAdversary
from ..deep.estimators import (
    LAM,
    NETWORK_PARAMS,
    TRAINING_PARAMS,
    DeepTransferClassifierBase,
)
from ..deep.net import Network, seeded
from ._unscheduled import Unscheduled

__all__ = ["LabelEfficientTransfer"]


class _SemanticTransfer(Unscheduled, ClassCentreSimilarity):
    """The semantic transfer, with a weight β that does not depend on λ."""


class _TwoTasks(Network):
    """A network with a task for each domain: the encoder is shared, the classes are not.

    While it trains, its outputs are the source's classes and after them the target's: a row of
    the source has logits of -inf for the target's classes, and the other way round.

    Parameters
    ----------
    layers, example
        As in `Network`.
    n_source, n_target : int
        How many classes the source and the target have.
    one_head : bool
        Whether the classes are the same, and so the head.
    """

    def __init__(self, layers, n_source: int, n_target: int, one_head: bool, example: Tensor):
        super().__init__(layers, n_target, example)
        self.source_head = None if one_head else nn.Linear(self.widths[-1], n_source)
        self.n_source = n_source

    @property
    def n_outputs(self) -> int:
        """How many columns the output has while the network trains: the classes of both."""
        return self.n_source + self.head.out_features

    def paired_activations(self, x: Tensor, n_source: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the layers' outputs, and each row's logits of its own domain's classes."""
        features = self.features(x)
        source_head = self.head if self.source_head is None else self.source_head
        source = source_head(features[-1][:n_source])
        target = self.head(features[-1][n_source:])
        nothing = -torch.inf
        return features, torch.cat(
            [
                F.pad(source, (0, target.shape[1]), value=nothing),
                F.pad(target, (source.shape[1], 0), value=nothing),
            ]
        )


class _BothTasks(nn.Module):
    """The mean cross-entropy of the source's rows plus that of the labelled target rows.

    Parameters
    ----------
    n_source : int
        How many classes the source has; the target's codes come after them.
    """

    def __init__(self, n_source: int):
        super().__init__()
        self.n_source = n_source

    def forward(self, prediction: Tensor, y: Tensor) -> Tensor:
        each = F.cross_entropy(prediction, y, ignore_index=-1, reduction="none")
        source, target = (y >= 0) & (y < self.n_source), y >= self.n_source
        return sum((each * rows).sum() / rows.sum().clamp(min=1) for rows in (source, target))


class LabelEfficientTransfer(DeepTransferClassifierBase):
    """@DOC@
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", new_classes=True)
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "beta": Real(0, None),
        "temperature": Real(0, None, closed="neither"),
        "similarity": OneOf("cosine", "dot"),
        "discriminator_layer_sizes": SequenceOf(Int(1)),
        "layers": (None, Int(), SequenceOf(Int(), min_length=1)),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam="ramp",
        *,
        beta=0.1,
        temperature=0.1,
        similarity="cosine",
        discriminator_layer_sizes=(100,),
        layers=None,
        module=None,
        hidden_layer_sizes=(100,),
        activation="relu",
        lr=0.01,
        lr_schedule="decay",
        optimizer="sgd",
        momentum=0.9,
        weight_decay=0.0,
        max_epochs=100,
        batch_size=128,
        validation_fraction=0.0,
        warm_start=False,
        mixed_precision=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.lam = lam
        self.beta = beta
        self.temperature = temperature
        self.similarity = similarity
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.layers = layers
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.mixed_precision = mixed_precision
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        if target is source:
            self.net_ = self._train(self._network(source, seeds), source, None, seeds)
        else:
            network = self._two_tasks(source, seeds)
            n_layers = len(network.widths)
            adversary = DomainAdversary(
                hidden_layer_sizes=self.discriminator_layer_sizes,
                layers=tuple(range(n_layers)) if self.layers is None else self.layers,
            )
            similarity = _SemanticTransfer(self.beta, self.temperature, self.similarity)
            self.net_ = self._train(
                network,
                source,
                target,
                seeds,
                alignments=[adversary, similarity],
                criterion=_BothTasks,
                criterion__n_source=len(self.source_classes_),
            )
        self._set_results()

    def _two_tasks(self, source: Domain, seeds) -> _TwoTasks:
        one_head = np.array_equal(self.classes_, self.source_classes_)
        sizes = len(self.source_classes_), len(self.classes_)
        example = torch.as_tensor(np.array(source.X[:2], dtype=np.float32))
        with seeded(seeds["network"], self._device()):
            return _TwoTasks(self._layers(), *sizes, one_head, example)

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        y = super()._label_tensor(domain)
        if y is not None and (domain.ids < 0).all():  # the target's codes follow the source's
            y = torch.where(y < 0, -1, y + len(self.source_classes_))
        return y
