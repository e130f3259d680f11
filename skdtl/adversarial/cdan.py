"""CDAN: conditional adversarial domain adaptation."""

from __future__ import annotations

from collections.abc import Sequence

from .._constraints import Bool, Int, OneOf
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import DISCRIMINATOR_SIZES, LAM, LAYERS, Lam, Layers, LrSchedule, Optimizer
from ..deep.alignments import ConditionalAdversary

__all__ = ["CDAN"]


class CDAN(DeepTransferClassifierBase):
    """Train a classifier whose features and predictions no discriminator can assign to a domain.

    As in :class:`~skdtl.DANN`, a discriminator learns to tell source rows from target rows and a
    gradient reversal layer makes the network learn the opposite. Here it sees the products of the
    features with the predicted class probabilities, and so each class's features by themselves:
    where classes form clusters, each of the target's is drawn to a cluster of the source. Use it
    for many classes, and where DANN mixes classes up, with hundreds of target rows or more; labels
    in the target are not needed. Don't where the classes' frequencies differ much between the
    domains, nor where the source-only network is about as good as chance in the target: the wrong
    clusters are then drawn together. A feature that alone predicts the source's labels and is
    constant in the target is given up where the constant lies between the classes' values, and for
    most random seeds also where it is the value of one class, which holds DANN fast. It is for
    classes alone: it conditions on their probabilities, which numbers don't have. Watch
    ``domain_accuracy`` in ``history_``: near 0.5 at the end, the domains are aligned. Standardise
    the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    RMAN : Several layers, and random products.
    DANN : The discriminator sees the features alone.
    MDD : The discriminator is a second classifier.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is that of section 3, with the discriminator's loss summed over the domains and
    averaged over the rows of each. The paper minimises it over the whole network, through the
    features and the predictions; so do we, though the authors' code stops the gradient at the
    predictions (on rotated digits, a table of 900 rows a domain, the network then hardly adapted).
    The paper's weights 1 + exp(-H), too, depend on the network, which is how they make predictions
    certain; we divide them by their mean over the batch's rows of each domain, held constant, as
    the authors' code does: the domain of the more certain predictions counts no more than the
    other. λ's schedule, 2 / (1 + exp(-10 p)) - 1, that of the learning rate, lr / (1 + 10 p)^0.75,
    its 0.01, the momentum of 0.9 and the limit of 4096 are the paper's. Its discriminator has two
    layers of 1024 and dropout. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Long, Cao, Wang, Jordan. Conditional adversarial domain adaptation. Advances in Neural
    Information Processing Systems 31, 2018 (section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import CDAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = CDAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

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
    entropy: bool = parameter(
        default=False,
        legal=Bool(),
        text="""
        Whether rows whose class is predicted with certainty count more for the discriminator
        (CDAN+E): by 1 + exp(-H) with the entropy H of the prediction.
        """,
    )
    map: str = parameter(
        default="auto",
        legal=OneOf("auto", "multilinear", "randomized"),
        text="""
        "multilinear" lets the discriminator see every product of a feature with a class
        probability, "randomized" products of random combinations of either. "auto" is "randomized"
        where there would be more than 4096 products.
        """,
    )
    n_components: int = parameter(
        default=1024,
        legal=Int(1),
        text="The number of columns of the random product; used where they are random.",
    )
    discriminator_layer_sizes: Sequence[int] = DISCRIMINATOR_SIZES
    layers: Layers = parameter(
        default=-1,
        legal=LAYERS,
        text="""
        Which layers' outputs the features are: hidden ones by their index, of which -1 is the last,
        or the network's output; of several, the products have one factor from each. None means all
        hidden layers.
        """,
    )
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    def _terms(self):
        return [
            ConditionalAdversary(
                map=self.map,
                n_components=self.n_components,
                entropy=self.entropy,
                hidden_layer_sizes=self.discriminator_layer_sizes,
                layers=self.layers,
            )
        ]
