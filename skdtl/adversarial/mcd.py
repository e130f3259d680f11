"""MCD: maximum classifier discrepancy."""

from __future__ import annotations

import copy

import torch

from .._constraints import Int
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import LAM, Lam, LrSchedule, Optimizer
from ..deep.alignments import ClassifierDiscrepancy
from ..deep.network import Network

__all__ = ["MCD"]


class MCD(DeepTransferClassifierBase):
    """Train a network until two classifiers that seek to disagree on the target can't.

    Two classifiers learn the source from the same features. On target rows unlike the source they
    can disagree: they are trained to, and the layers below them are trained to make them agree. So
    the boundaries between the classes count, which a discriminator of domains knows nothing of. Use
    it where the classes lie apart in the target, more epochs are no matter (a step costs about six
    times a plain one), and the target has hundreds of rows, better thousands; no labels in the
    target are needed. Don't where few epochs must do, or where the source-only network is hardly
    better than chance on the target: two classifiers can also agree on the wrong class. Watch
    ``discrepancy`` in ``history_``: if it stays high, the classifiers win. Standardise the columns
    first (StandardScaler in a Pipeline).

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; the network is ``net_.module_``, with the first classifier, and the second
        one ``net_.alignments_[0].second_head``.

    See Also
    --------
    MCC : Makes the predictions on the target decided, without a second classifier.
    DANN : Aligns by a discriminator.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The three steps are those of section 3: (A) all parts learn the source, (B) the classifiers
    learn it again and increase the discrepancy on the target with the features
    fixed, (C) the layers below decrease it, `n_generator_steps` times with the classifiers fixed.
    The discrepancy is the paper's mean over the classes, and its weight of 1 the default. With many
    classes it is small: on rotated digits, with ten, a `lam` of 3 gained more in as many epochs; on
    two classes 10 collapsed the features.
    Predictions come from the mean of both classifiers' logits, as in the authors' published code;
    :class:`~skdtl.deep.ClassifierDiscrepancy` in a :class:`~skdtl.DeepTransferClassifier` trains
    the same network, but the first classifier predicts. The classifiers are linear, on the features
    of the last hidden layer; the paper's have hidden layers of their own. All three steps use one
    optimiser, whose moments are kept for each weight. The schedules and SGD's momentum are those of
    :class:`~skdtl.DANN`. Labelled target rows join the task loss of both classifiers, in A and in
    B; the paper has none.

    References
    ----------
    Saito, Watanabe, Ushiku, Harada. Maximum classifier discrepancy for unsupervised domain
    adaptation. CVPR 2018 (section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MCD
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MCD(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    lam: Lam = parameter(
        default=1.0,
        legal=LAM,
        text="""
        λ, the weight of the discrepancy, a mean over rows and classes, for the classifiers and for
        the layers below. "ramp" rises from 0 to 1 over the training (:class:`~skdtl.deep.Ramp`); a
        callable gives λ for the training progress p, which runs from 0 to 1. With 0 the network is
        the source-only one, and the second classifier learns from its features.
        """,
        kw_only=False,
    )
    n_generator_steps: int = parameter(
        default=4,
        legal=Int(1),
        text="How many steps the layers below make for one of the classifiers.",
    )
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    def _terms(self):
        return [ClassifierDiscrepancy(n_generator_steps=self.n_generator_steps)]

    def _inference_network(self) -> Network:
        network = super()._inference_network()
        if not any(alignment.has_learnt for alignment in self.net_.alignments_):
            return network
        network = copy.deepcopy(network)
        with torch.no_grad():
            for alignment in self.net_.alignments_:
                pairs = zip(network.head.parameters(), alignment.second_head.parameters())
                for first, second in pairs:  # the mean of linear classifiers is a linear one
                    first.copy_((first + second) / 2)
        return network
