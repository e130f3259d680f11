"""DANN: domain-adversarial training of neural networks."""

from __future__ import annotations

from collections.abc import Sequence

from .._parameters import parameter
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import (
    DISCRIMINATOR_LAYERS,
    DISCRIMINATOR_SIZES,
    LAM,
    Lam,
    Layers,
    LrSchedule,
    Optimizer,
)
from ..deep.alignments import DomainAdversary

__all__ = ["DANN", "DANNRegressor"]


class _DANNBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default="ramp",
        legal=LAM,
        text="""
        λ: how much of the discriminator's reversed gradient reaches the network. "ramp" rises from
        0 to 1 over the training as in the paper, ``Ramp(0.3)`` to 0.3 (:class:`~skdtl.deep.Ramp`);
        a callable gives λ for the training progress p, which runs from 0 to 1. With 0 the network
        is the source-only one. The discriminator's own training does not depend on it.
        """,
        kw_only=False,
    )
    discriminator_layer_sizes: Sequence[int] = DISCRIMINATOR_SIZES
    layers: Layers = DISCRIMINATOR_LAYERS
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    def _terms(self):
        sizes = self.discriminator_layer_sizes
        return [DomainAdversary(hidden_layer_sizes=sizes, layers=self.layers)]


class DANN(_DANNBase, DeepTransferClassifierBase):
    """Train a network whose features a discriminator can't assign to a domain.

    A discriminator learns to tell source rows from target rows by the features of the last hidden
    layer; a gradient reversal layer makes the network learn the opposite, while it learns the
    source's classes too. Use it where the domains differ by more than their means and there are
    enough target rows for a network (hundreds, better thousands); labels in the target are not
    needed. Don't where the classes' frequencies differ much between the domains: to look alike, the
    features must then mix classes up. Nor where a feature that alone predicts the source's labels
    is constant in the target, at the value of one class: the network then hardly gets off it
    (:class:`~skdtl.DDC` partly does, :class:`~skdtl.CDAN` mostly). Watch ``domain_accuracy`` in
    ``history_``: near 0.5 at the end, the features are aligned. Standardise the columns first
    (StandardScaler in a Pipeline).

    See Also
    --------
    DANNRegressor : The same for numbers.
    CDAN : The discriminator sees the prediction too.
    DDC : Aligns the means of the features.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    Loss: equation 9, with the discriminator's loss summed over the domains and averaged over the
    rows of each. The schedule of λ, 2 / (1 + exp(-10 p)) - 1, that of the learning rate,
    lr / (1 + 10 p)^0.75, its 0.01 and SGD's momentum of 0.9 are the paper's (section 5.2.2): on
    rotated digits, a table of 900 rows a domain, Adam gained less than half as much.
    At this rate, which falls, a network needs about twice as many steps as by Adam at its default:
    hence `min_steps`; before it was 100 epochs, ``max_epochs=100, weight_decay=0``, with which 300
    rows of two moons were hardly told apart by more than a straight line. Labelled target rows join
    the task loss; the paper has none.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky.
    Domain-adversarial training of neural networks. Journal of Machine Learning Research 17, 2016
    (equations 9 and 18, algorithm 1, section 5.2.2).

    Ajakan, Germain, Larochelle, Laviolette, Marchand. Domain-adversarial neural networks.
    arXiv:1412.4446, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DANN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DANN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DANNRegressor(_DANNBase, DeepTransferRegressorBase):
    """Train a regression network whose features a discriminator can't assign to a domain.

    A discriminator learns to tell source rows from target rows by the features of the last hidden
    layer; a gradient reversal layer makes the network learn the opposite, while it learns the
    source's labels too. Use it where the domains differ by more than their means and there are
    enough target rows for a network (hundreds, better thousands); labels in the target are not
    needed. Don't where the labels are distributed otherwise in the target than in the source: to
    look alike, the features must then mix small labels with large ones up. Nor where a feature that
    alone predicts the source's labels is constant in the target: the network then hardly gets off
    it (:class:`~skdtl.DDCRegressor` does). Watch ``domain_accuracy`` in ``history_``: near 0.5 at
    the end, the features are aligned. Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    DANN : The same for classes.
    DDCRegressor : Aligns the means of the features.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    Loss: equation 9, with the discriminator's loss summed over the domains and averaged over the
    rows of each. The schedule of λ, 2 / (1 + exp(-10 p)) - 1, that of the learning rate,
    lr / (1 + 10 p)^0.75, its 0.01 and SGD's momentum of 0.9 are the paper's (section 5.2.2): on
    rotated digits, a table of 900 rows a domain, Adam gained less than half as much.
    Labels are standardised inside. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky.
    Domain-adversarial training of neural networks. Journal of Machine Learning Research 17, 2016
    (equations 9 and 18, algorithm 1, section 5.2.2).

    Ajakan, Germain, Larochelle, Laviolette, Marchand. Domain-adversarial neural networks.
    arXiv:1412.4446, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DANNRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DANNRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
