"""Fine-tuning: pre-train on the source, go on with the target's labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import is_classifier
from skorch.callbacks import Callback

from .._constraints import Int, Real
from .._parameters import parameter
from ..base import Domain, TransferTags
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep.network import Network
from ..deep.randomness import seeded

__all__ = ["FineTuning", "FineTuningRegressor"]


class _GradualUnfreezing(Callback):
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


class _FineTuningBase(DeepTransferEstimator):
    n_frozen_layers: int = parameter(
        default=0,
        legal=Int(0),
        text="How many of the first hidden layers stay as they were pre-trained.",
        kw_only=False,
    )
    backbone_lr_factor: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="The learning rate of the hidden layers in tuning, as a multiple of the head's `lr`.",
    )
    unfreeze_every: int | None = parameter(
        default=None,
        legal=(None, Int(1)),
        text="""
        Gradual unfreezing: tune the head alone first, and one more hidden layer, from the last to
        the first, after every so many epochs. None tunes all from the beginning.
        """,
    )
    pretrain_epochs: int | None = parameter(
        default=None, legal=(None, Int(1)), text="Passes over the source; None means `max_epochs`."
    )
    max_epochs: int = parameter(default=100, text="Passes over the labelled target rows.")
    batch_size: int = parameter(default=128, text="At most so many rows are in a batch.")

    _transfer_tags: ClassVar[TransferTags] = TransferTags(
        "required", unlabelled_target=False, new_classes=True, source_optional=True
    )

    def _fit(self, source: Domain, target: Domain) -> None:
        if not len(source) and self.module is None:
            raise ValueError(
                f"{type(self).__name__} has nothing to tune: give source rows (Xs, ys) to "
                "pre-train on, or a pre-trained module."
            )
        seeds = self._seeds()
        self._set_label_scale(source, target)
        if len(source):
            network = self._pretrain(source, seeds)
        else:
            network = self._network(target, seeds)
        n_layers = len(network.layers)
        if self.n_frozen_layers > n_layers:
            raise ValueError(
                f"n_frozen_layers is {self.n_frozen_layers}, but the network has only {n_layers} "
                "hidden layers."
            )
        if target is not source:
            self._tune(network, target.labelled_rows(), seeds)
        self._set_results()

    def _pretrain(self, source: Domain, seeds) -> Network:
        same, n_outputs = True, self._n_outputs()
        if is_classifier(self):
            same = np.array_equal(self.classes_, self.source_classes_)
            n_outputs = len(self.source_classes_)
        self.net_ = self._train(
            # The last fit's head is the target's: no start for other classes of the source.
            self._network(source, seeds, n_outputs=n_outputs, continue_head=same),
            source,
            None,
            seeds,
            max_epochs=self.pretrain_epochs or self.max_epochs,
        )
        self.pretrain_history_ = self.net_.history
        network = self.net_.module_
        if not same:
            with seeded(seeds["head"], self._device()):
                head = self._head(network.widths[-1], len(self.classes_))
            if self._last_net is not None:
                self._continue(head, self._last_net.module_.head)
            network.head = head.to(self._device())
        return network

    def _tune(self, network: Network, target: Domain, seeds) -> None:
        for layer in network.layers[: self.n_frozen_layers]:
            layer.requires_grad_(False)
        callbacks = []
        if self.unfreeze_every is not None:
            callbacks.append(_GradualUnfreezing(self.unfreeze_every))
        rate = {"lr": self.lr * self.backbone_lr_factor}
        self.net_ = self._train(
            network,
            target,
            None,
            {**seeds, "source": seeds["target"]},
            self._terms(),
            callbacks,
            paired=False,
            # A group for each layer: in one group torch's fused SGD can't step weights that have a
            # momentum already together with those of a layer that was just unfrozen.
            optimizer__param_groups=[(f"layers.{k}.*", rate) for k in range(len(network.layers))],
        )


class FineTuning(_FineTuningBase, DeepTransferClassifierBase):
    """Pre-train a network on the source, then tune it to the labelled target rows.

    Use it where some target rows have labels, the more the better, and where what a network
    learns of the source is a good start for the target, even if the target has other classes.
    With few labelled rows freeze layers or keep `backbone_lr_factor` small. Without labels in the
    target use :class:`~skdtl.DDC` or :class:`~skdtl.DANN`. With a pre-trained `module` no source is
    needed: ``fit(None, None, Xt, yt)``. Standardise the columns first (StandardScaler in a
    Pipeline).

    Attributes
    ----------
    pretrain_history_ : skorch.history.History
        What happened in each epoch of pre-training; only where there was a source.
    source_classes_ : ndarray of shape (n_source_classes,)
        The source's classes; only where there was a source.
    classes_ : ndarray of shape (n_classes,)
        The classes: the target's where it has others than the source, else the source's.

    Raises
    ------
    ValueError
        Where no target row has a label, where there are neither source rows nor a module, or where
        the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    FineTuningRegressor : The same for numbers.

    Notes
    -----
    Layers that can be frozen one by one are the fully connected ones, or the parts of a `module`
    that is a plain nn.Sequential, cut before each weight matrix or filter bank; any other module
    is one layer. Frozen layers stay in evaluation mode, so that batch normalisation keeps its
    statistics and dropout is off. The head is replaced, and trained from the start, where the
    target has other classes than the source; else it is kept. Unlabelled target rows are not used.
    Without a target the network is the pre-trained one.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (layers copied, frozen or fine-tuned).

    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014.

    Howard, Ruder. Universal language model fine-tuning for text classification. ACL 2018
    (section 3.3, gradual unfreezing; section 3.2, learning rates that differ between layers).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FineTuning
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 5))
    >>> ys = (Xs[:, 0] + Xs[:, 1] > 0).astype(int)
    >>> Xt = rng.normal(size=(30, 5))
    >>> yt = np.where(Xt[:, 0] + Xt[:, 1] > 0.5, "high", "low")
    >>> model = FineTuning(random_state=0).fit(Xs, ys, Xt, yt)
    >>> model.classes_.tolist()
    ['high', 'low']
    >>> model.score(Xt, yt) > 0.8
    True
    """


class FineTuningRegressor(_FineTuningBase, DeepTransferRegressorBase):
    """Pre-train a regression network on the source, then tune it to the labelled target rows.

    Use it where some target rows have labels, the more the better, and where what a network
    learns of the source is a good start for the target.
    With few labelled rows freeze layers or keep `backbone_lr_factor` small. Without labels in the
    target use :class:`~skdtl.DDCRegressor` or :class:`~skdtl.DANNRegressor`. With a pre-trained
    `module` no source is needed: ``fit(None, None, Xt, yt)``. Standardise the columns first
    (StandardScaler in a Pipeline).

    Attributes
    ----------
    pretrain_history_ : skorch.history.History
        What happened in each epoch of pre-training; only where there was a source.
    source_classes_ : ndarray of shape (n_source_classes,)
        The source's classes; only where there was a source.

    Raises
    ------
    ValueError
        Where no target row has a label, where there are neither source rows nor a module, or where
        the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    FineTuning : The same for classes.

    Notes
    -----
    Layers that can be frozen one by one are the fully connected ones, or the parts of a `module`
    that is a plain nn.Sequential, cut before each weight matrix or filter bank; any other module
    is one layer. Frozen layers stay in evaluation mode, so that batch normalisation keeps its
    statistics and dropout is off. Labels are standardised inside, by the source's mean and
    standard deviation where there is a source, so that the head is kept in the same units: labels
    of the target that come in other units are better converted first.
    Unlabelled target rows are not used. Without a target the network is the pre-trained one.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (layers copied, frozen or fine-tuned).

    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014.

    Howard, Ruder. Universal language model fine-tuning for text classification. ACL 2018
    (section 3.3, gradual unfreezing; section 3.2, learning rates that differ between layers).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FineTuningRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> Xt = rng.normal(size=(30, 2))
    >>> model = FineTuningRegressor(random_state=0)
    >>> model = model.fit(Xs, 10 * Xs[:, 0], Xt, 10 * Xt[:, 0] + 5)
    >>> model.score(Xt, 10 * Xt[:, 0] + 5) > 0.8
    True
    """
