"""RTN: residual transfer network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .._constraints import Int, Real, SequenceOf
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import LAM, Lam, Layers, LrSchedule, Optimizer
from ..deep.alignments import FusedMMD, TargetEntropy
from ..deep.batches import PairedBatches
from ..deep.domain_networks import ResidualNetwork

__all__ = ["RTN"]


class RTN(DeepTransferClassifierBase):
    """Train a network in which the source's classifier is the target's plus a small residual.

    Target rows are predicted by f_T, source rows by f_S = f_T + Δf(f_T), where the residual Δf is
    two small layers: the source's labels teach f_S, and need not hold for f_T to the letter. What
    shapes f_T for the target is that its features, fused with its predictions, be distributed alike
    in both domains (MMD), and that its predictions of target rows be decided (entropy). Use it
    where features have moved and the classes lie apart; on our data these two gain, and the
    residual adds next to nothing (``benchmarks/results/rtn.md``). Don't where the
    network is hardly better than chance on the target, for the entropy makes wrong predictions
    firm, or where the classes' frequencies differ much between the domains, for the MMD makes
    unequal mixtures equal. Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    JAN : Aligns features and predictions jointly, with one classifier for both domains.
    MCC : Decided predictions without any alignment.
    DeepTransferClassifier : Combines alignments.
    skdtl.deep.FusedMMD : The discrepancy of the fused features.

    Notes
    -----
    The loss is the paper's equation 5: the cross-entropy of f_S on the source's rows, γ times the
    mean entropy of f_T on the target's, and λ times the MMD of the fused features, the products of
    all entries of the last hidden layer with all logits of f_T, in both domains. The paper leaves
    open what the features' classifier layer is, and how wide the residual; both are the authors'
    code's: the logits, before any softmax and without the residual, and two layers with as many
    units as there are classes, ReLU between them and weights from N(0, 0.01²). So are the five
    Gaussians, each twice as wide as the last, and the weights, 1 for their sum and 0.1 for the
    entropy, which there alone rises by the schedule that "ramp" is: here both do, so that classes
    form before they are aligned. For the authors' steady MMD give ``lam=1.0``; γ then is steady,
    too. The bandwidth is the median of each batch, theirs the mean; they look at each second
    product alone, the largest of four. They fine-tune a convolutional network; here the network is
    trained from the start, by their optimiser, SGD with momentum and a falling rate. It matters:
    the residual begins at a saddle, which SGD leaves slowly, so that Δf stays small beside f_T,
    as in the paper. Adam leaves it at once; on six tables Δf was 0.7 to 3 times as large as f_T,
    by SGD 0.01 to 0.33 times, with accuracies alike. The fused features' many columns are never
    made: a step's cost grows with the square of the batch, not with the number of classes.

    λ = 0 is no network on the source alone: that is f_S, of which f_T is a part that nothing
    pulls at then. Rows of the target that have a label teach f_T, and no entropy is asked of them.
    Without a target the source is taken for it: its rows teach f_T, and the network is the plain
    one. There is no such method for numbers, which have no entropy.

    References
    ----------
    Long, Zhu, Wang, Jordan. Unsupervised domain adaptation with residual transfer networks.
    Advances in Neural Information Processing Systems 29, 2016 (equation 2, the fused features'
    MMD; equation 3, the residual; equation 4, the entropy; equation 5, the loss).

    Grandvalet, Bengio. Semi-supervised learning by entropy minimization. Advances in Neural
    Information Processing Systems 17, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import RTN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = RTN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    lam: Lam = parameter(
        default="ramp",
        legal=LAM,
        text="""
        λ, the weight of the fused features' MMD and, times `gamma`, of the entropy. "ramp" rises
        from 0 to 1 over the training, ``Ramp(5.0)`` to 5 (:class:`~skdtl.deep.Ramp`); a callable
        gives λ for the training progress p, which runs from 0 to 1.
        """,
        kw_only=False,
    )
    gamma: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="γ: the weight of the entropy of the target's predictions, as a multiple of λ.",
    )
    layers: Layers = parameter(
        default=-1,
        legal=(None, Int(), SequenceOf(Int(), min_length=1)),
        text="""
        Which hidden layers are fused with the predictions, by their index, of which -1 is the last.
        None means all.
        """,
    )
    bandwidth_multipliers: Sequence[float] = parameter(
        default=(0.125, 0.25, 0.5, 1.0, 2.0),
        legal=SequenceOf(Real(0, None, closed="neither"), min_length=1),
        text="""
        Which multiples of the squared median distance the kernels' squared widths are. The kernel
        is the sum of these Gaussians.
        """,
    )

    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    _network_class = ResidualNetwork

    def _terms(self):
        fused = FusedMMD(bandwidth_multipliers=self.bandwidth_multipliers, layers=self.layers)
        return [fused, TargetEntropy(self.gamma)]

    def _paired_batches(self, labelled, other, seeds, **options) -> PairedBatches:
        if other is None:  # the source is taken for the target: its rows teach f_T
            labelled = dataclasses.replace(labelled, ids=-labelled.ids)
        return super()._paired_batches(labelled, other, seeds, **options)
