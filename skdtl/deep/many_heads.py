"""Training the layers of one network by several sources, each with a head for its own classes."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..base import Domain
from ._base import DeepTransferClassifierBase
from .domain_networks import NetworkOfManyHeads
from .net import DeepNet
from .tuning import freeze_layers, layer_rates

__all__ = ["ManyHeadsClassifier"]


class ManyHeadsClassifier(DeepTransferClassifierBase):
    """A head for each source and one for the target, on the same layers.

    The target shares the head of a single source with the same classes. A method's tags say that
    the target may have new classes and needs labels, without which its head would learn nothing.

    Attributes
    ----------
    sources_ : tuple of int
        The sources' ids.
    source_classes_ : ndarray of shape (n_source_classes,)
        The classes of all sources.
    source_has_class_ : ndarray of shape (n_sources, n_source_classes), bool
        Which of them each source has.
    """

    _network_attributes = (
        *DeepTransferClassifierBase._network_attributes,
        "sources_",
        "source_has_class_",
    )

    def _fit(self, source: Domain, target: Domain) -> None:
        rows = [source] if source.held_out is None else [source, source.held_out]
        ids, y = (np.concatenate([getattr(part, name) for part in rows]) for name in ("ids", "y"))
        self.sources_ = tuple(np.unique(ids).tolist())
        codes = np.arange(len(self.source_classes_))
        self.source_has_class_ = np.array([np.isin(codes, y[ids == k]) for k in self.sources_])
        super()._fit(source, target)

    def _assemble(self, layers, make_head, example: Tensor) -> NetworkOfManyHeads:
        numbers = self.source_has_class_.sum(axis=1).tolist()
        heads = {k: partial(self._head, out_features=n) for k, n in zip(self.sources_, numbers)}
        network = NetworkOfManyHeads(layers, make_head, example, heads)
        if len(heads) == 1 and np.array_equal(self.source_classes_, self.classes_):
            network.heads[str(self.sources_[0])] = network.head
        return network

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        y = super()._label_tensor(domain)
        if y is None:
            return None
        y = y.clone()
        for k, has in zip(self.sources_, self.source_has_class_):
            # The codes of a source's labels are those of its own classes.
            own = y.new_tensor(np.where(has, has.cumsum() - 1, -1))
            rows = torch.as_tensor(domain.ids == k)
            y[rows] = own[y[rows]]
        return y

    def _predict_source(self, X, source: int) -> np.ndarray:
        """Return what a source's head predicts for validated rows."""
        classes = self.source_classes_[self.source_has_class_[self.sources_.index(source)]]
        return classes[self._output(X, source)[:, : len(classes)].argmax(axis=1)]

    def _train_new_head(self, target: Domain, backbone_lr: float) -> DeepNet:
        """Give a copy of the trained network another head, and train it by the target's labels.

        The hidden layers learn at a rate of their own, or stand still where it is 0.
        """
        network, seeds = copy.deepcopy(self.net_.module_), self._seeds()
        network.head = self._new_end(network, seeds)[1]
        trainable = [weight for weight in network.layers.parameters() if weight.requires_grad]
        if not backbone_lr:
            freeze_layers(network, len(network.layers))
        network.train()
        net = self._train_on_target(network, target, seeds, **layer_rates(network, backbone_lr))
        for weight in trainable:
            weight.requires_grad_()
        return net
