"""MDD: margin disparity discrepancy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .._constraints import Bool, Int, Real, SequenceOf
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import LAM, LAYERS, Lam, Layers, LrSchedule, Optimizer
from ..deep.alignments import MarginDisparity

__all__ = ["MDD"]


class MDD(DeepTransferClassifierBase):
    """Train a classifier that no second head can contradict in the target alone.

    A second head on the same features learns to predict what the first one does in the source, and
    anything else in the target; behind a gradient reversal layer, the network learns features on
    which it can't. Unlike a discriminator of domains, the second head sees only differences that
    can matter for a decision. Use it where features may differ between the domains as long as the
    classes' borders don't, and where the source-only network is right for most of the target: the
    target's rows are drawn to the classes that they are predicted to have, right or wrong. Don't
    where it is not, nor where the classes' frequencies differ much. Nor where a feature that alone
    predicts the source's labels is constant in the target: the rows of the target are then mostly
    predicted alike, and the second head finds nothing to contradict (:class:`~skdtl.CDAN` mostly
    gets off it). It is for classes alone: its margin is one between class scores. It needs hundreds
    of target rows or more, no labels of them. Watch ``margin_disparity`` in ``history_``: near
    -2.50 at the end (for a `margin` of 4) the second head can't tell the domains apart; well above,
    raise `lam`; far below, lower it, as the network has then won against the second head by
    deforming the features. Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    CDAN : A discriminator sees the features and the prediction.
    DANN : A discriminator sees the features alone.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    With p' the second head's probability of the class that the first predicts, it maximises γ mean
    log p'(source) + mean log(1 - p'(target)), the paper's combined cross-entropy loss, and the
    features minimise λ times that; no gradient reaches the first head through the classes that it
    predicts. log(1 - p') is computed from the scores of the other classes and stays finite where p'
    rounds to 1. Where domains are alike the best p' is γ / (1 + γ), and the loss's value γ ln γ -
    (1 + γ) ln(1 + γ). γ = 4 is the paper's. λ rises to 0.1 there, under a first head of two layers
    and over a pre-trained network that learns at a tenth of the heads' rate; here all learn alike
    from the start, and with 0.1 `margin_disparity` stayed above -1.2 on three shifts, with 0.3 it
    came nearer to -2.50. The learning rate, its schedule and the momentum are DANN's. With
    `batch_norm` the rows of both domains are normalised together while training, so that λ = 0 is
    not quite the source-only network. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Zhang, Liu, Long, Jordan. Bridging theory and algorithm for domain adaptation. Proceedings of
    the 36th International Conference on Machine Learning, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MDD
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MDD(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    lam: Lam = parameter(
        default=0.3,
        legal=LAM,
        text="""
        λ: how much of the second head's reversed gradient reaches the network. "ramp" rises from 0
        to 1 over the training, ``Ramp(0.3)`` to 0.3 (:class:`~skdtl.deep.Ramp`); a callable gives λ
        for the training progress p, which runs from 0 to 1. With 0 the network does not heed the
        second head. The second head's own training does not depend on it.
        """,
        kw_only=False,
    )
    margin: float = parameter(
        default=4.0,
        legal=Real(0, None, closed="neither"),
        text="""
        γ: how much agreement on the source counts for the second head, against disagreement on the
        target.
        """,
    )
    adversary_layer_sizes: Sequence[int] = parameter(
        default=(100,),
        legal=SequenceOf(Int(1)),
        text="""
        The widths of the second head's hidden layers; () makes it linear, like the first head.
        """,
    )
    batch_norm: bool = parameter(
        default=True,
        legal=Bool(),
        text="""
        Whether each fully connected hidden layer normalises its columns over the batch before its
        activation, as in the authors' network; used where `module` is None. Without it the features
        can grow until the second head fails, and the training often diverges.
        """,
    )
    layers: Layers = parameter(
        default=-1,
        legal=LAYERS,
        text="""
        Which layers the second head sees: hidden ones by their index, of which -1 is the last, or
        the network's output; of several, all side by side. None means all hidden layers.
        """,
    )
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    def _terms(self):
        return [
            MarginDisparity(
                margin=self.margin,
                hidden_layer_sizes=self.adversary_layer_sizes,
                layers=self.layers,
            )
        ]

    def _layers(self):
        layers = super()._layers()
        if self.module is not None or not self.batch_norm:
            return layers
        normalised: list[nn.Module] = []
        for layer, size in zip(layers, self.hidden_layer_sizes):
            linear, activation = layer.children()
            normalised.append(nn.Sequential(linear, nn.BatchNorm1d(size), activation))
        return normalised
