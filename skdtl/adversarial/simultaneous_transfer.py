"""SimultaneousTransfer: domain confusion and soft labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .._constraints import Int, Real
from .._parameters import parameter
from ..base import Domain
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import (
    DISCRIMINATOR_LAYERS,
    DISCRIMINATOR_LR,
    DISCRIMINATOR_SIZES,
    LAM,
    Lam,
    Layers,
    LrSchedule,
    Optimizer,
)
from ..deep.alignments import DomainConfusion, SoftLabels
from ..deep.alignments.soft_labels import mean_soft_labels
from ..deep.terms import Unscheduled

__all__ = ["SimultaneousTransfer"]


class _SoftLabels(Unscheduled, SoftLabels):
    """Soft labels with a weight ν that does not depend on λ."""


class SimultaneousTransfer(DeepTransferClassifierBase):
    """Train a network that confuses a domain classifier and learns classes from few target labels.

    Two things are transferred at once. A domain classifier (the discriminator) learns to tell
    source rows from target rows by the features of the last hidden layer, and in turn the network
    learns features for which it can only answer "fifty-fifty". And each labelled target row is
    predicted not just as its own class, but with the other classes as likely as they are for the
    source's rows of that class (its soft label): so a few labels also say something about classes
    that have none. Use it where the domains differ, there are hundreds of target rows or more, and
    a few of them have labels, even if not of every class. Without any target label it is domain
    confusion alone, much like :class:`~skdtl.DANN`. Don't where the classes' frequencies differ
    much between the domains: to look alike, the features must then mix classes up. With soft labels
    of a source that is easy to learn, rows of classes without a target label are easily taken for
    those that have one: raise `temperature`, or lower `nu`. Watch ``domain_accuracy`` in
    ``history_``: near 0.5 at the end, the features are aligned. Standardise the columns first
    (StandardScaler in a Pipeline).

    Attributes
    ----------
    soft_labels_ : ndarray of shape (n_classes, n_classes) or None
        The soft label of each class, a row that sums to 1. None where soft labels were not used,
        or were taken from the network in training.

    See Also
    --------
    DANN : Reverses the domain classifier's gradient.
    LabelEfficientTransfer : For other classes in the target.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    L = L_C + λ L_conf + ν L_soft. L_conf is the cross-entropy between the uniform distribution and
    the domain classifier's answers, the mean of both domains' means; before each of the network's
    steps the domain classifier makes one of its own on the same batch. L_soft is averaged over the
    labelled target rows of a batch, so that its weight does not depend on how few they are. In
    L_C a labelled target row counts as much as a source row.

    The paper says that the soft labels come from the source's training rows and a network trained
    on the source; here that network starts from the same weights as the one to be fitted, and
    serves no other purpose, so that without soft labels nothing but they is missing. The paper
    fine-tunes large networks that were trained on images before, with small weights of both
    transfer terms; a network for a table starts from nothing, and here all three terms weigh the
    same. The training is DANN's: SGD with momentum, and a learning rate that falls.

    References
    ----------
    Tzeng, Hoffman, Darrell, Saenko. Simultaneous deep transfer across domains and tasks.
    ICCV 2015 (section 3.1 for the domain confusion, section 3.2 for the soft labels).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import SimultaneousTransfer
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> yt = np.where(np.arange(400) < 20, ys, -1)  # 20 target rows have labels
    >>> model = SimultaneousTransfer(max_epochs=20, random_state=0).fit(Xs, ys, Xt, yt)
    >>> model.score(Xt[20:], ys[20:]) > 0.9
    True
    """

    lam: Lam = parameter(
        default=1.0,
        legal=LAM,
        text="""
        λ: the weight of the domain confusion. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0, and `nu` 0, the network is the plain one. The domain classifier's own
        training does not depend on it.
        """,
        kw_only=False,
    )
    nu: float = parameter(
        default=1.0,
        legal=Real(0, None),
        text="ν: the weight of the soft labels, throughout the training.",
    )
    temperature: float = parameter(
        default=2.0,
        legal=Real(0, None, closed="neither"),
        text="""
        The temperature τ of the soft labels and of the predictions compared with them: the larger,
        the more the unlikely classes count.
        """,
    )
    pretrain_epochs: int | None = parameter(
        default=None,
        legal=(None, Int(0)),
        text="""
        The soft labels are the mean predictions, per class, of a network that is trained on the
        source alone before, over so many passes: the fewer, the softer. None means `max_epochs`.
        With 0 there is no such network: the network's own predictions during its training serve.
        """,
    )
    discriminator_layer_sizes: Sequence[int] = DISCRIMINATOR_SIZES
    discriminator_lr: float = DISCRIMINATOR_LR
    layers: Layers = DISCRIMINATOR_LAYERS
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    _network_attributes = (*DeepTransferClassifierBase._network_attributes, "soft_labels_")

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self.soft_labels_ = None
        if both is not None and target.labelled.any() and self.nu and self.pretrain_epochs != 0:
            logits = self._teacher_outputs(source, seeds)
            y = torch.as_tensor(source.y)
            self.soft_labels_ = mean_soft_labels(logits, y, self.temperature).numpy()
        self.net_ = self._train(self._network(source, seeds), source, both, seeds)
        self._set_results()

    def _terms(self):
        confusion = DomainConfusion(
            hidden_layer_sizes=self.discriminator_layer_sizes,
            discriminator_lr=self.discriminator_lr,
            layers=self.layers,
        )
        return [confusion, _SoftLabels(self.nu, self.temperature, self.soft_labels_)]
