"""SimultaneousTransfer: domain confusion and soft labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from .._params import Int, Real, SequenceOf
from ..base import Domain
from ..deep.alignments import DomainConfusion, SoftLabels
from ..deep.estimators import (
    LAM,
    LAYERS,
    NETWORK_PARAMS,
    TRAINING_PARAMS,
    DeepTransferClassifierBase,
)
from ._unscheduled import Unscheduled

__all__ = ["SimultaneousTransfer"]

# Rows that go through the source's own network at once: it bounds the memory.
_ROWS_AT_ONCE = 4096


class _SoftLabels(Unscheduled, SoftLabels):
    """Soft labels with a weight ν that does not depend on λ."""


class SimultaneousTransfer(DeepTransferClassifierBase):
    """@DOC@
    """

    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "nu": Real(0, None),
        "temperature": Real(0, None, closed="neither"),
        "pretrain_epochs": Int(0),
        "discriminator_layer_sizes": SequenceOf(Int(1)),
        "discriminator_lr": Real(0, None, closed="neither"),
        "layers": LAYERS,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1.0,
        *,
        nu=0.1,
        temperature=2.0,
        pretrain_epochs=10,
        discriminator_layer_sizes=(100,),
        discriminator_lr=1e-3,
        layers=-1,
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
        self.nu = nu
        self.temperature = temperature
        self.pretrain_epochs = pretrain_epochs
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.discriminator_lr = discriminator_lr
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
        both = None if target is source else target
        confusion = DomainConfusion(
            hidden_layer_sizes=self.discriminator_layer_sizes,
            lr=self.discriminator_lr,
            layers=self.layers,
        )
        alignments = [confusion]
        self.soft_labels_ = None
        if both is not None and target.labelled.any() and self.nu:
            if self.pretrain_epochs:
                self.soft_labels_ = self._source_labels(source, seeds)
            alignments.append(_SoftLabels(self.nu, self.temperature, self.soft_labels_))
        network = self._network(source, seeds)
        self.net_ = self._train(network, source, both, seeds, alignments=alignments)
        self._set_results()

    def _source_labels(self, source: Domain, seeds) -> np.ndarray:
        """Return the mean softened prediction of each class's rows by the source's own network."""
        net = self._train(
            self._network(source, seeds),
            source,
            None,
            seeds,
            max_epochs=self.pretrain_epochs,
        )
        network = net.module_.eval()
        totals = torch.zeros(len(self.classes_), len(self.classes_), dtype=torch.float64)
        with torch.no_grad():
            for start in range(0, len(source), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                x = torch.as_tensor(np.array(source.X[rows], dtype=np.float32))
                p = (network(x.to(self._device())) / self.temperature).softmax(1).cpu().double()
                totals.index_add_(0, torch.as_tensor(source.y[rows]), p)
        return (totals / totals.sum(1, keepdim=True)).numpy()
