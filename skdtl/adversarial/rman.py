"""RMAN: randomized multilinear adversarial networks."""

from __future__ import annotations

from collections.abc import Sequence

from .._constraints import Bool, Int
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import DISCRIMINATOR_SIZES, LAM, LAYERS, Lam, Layers, LrSchedule, Optimizer
from ..deep.alignments import ConditionalAdversary

__all__ = ["RMAN"]


class _LastLayers(ConditionalAdversary):
    """A conditional adversary whose ``layers=None`` are the last two hidden layers."""

    def each_layer(self, n_layers: int):
        """Return the layers that are to be aligned, of a network with so many hidden ones."""
        if self.layers is None:
            return tuple(range(max(n_layers - 2, 0), n_layers))
        return super().each_layer(n_layers)


class RMAN(DeepTransferClassifierBase):
    """Train a classifier of whose layers, taken together, no discriminator can tell the domain.

    As in :class:`~skdtl.DANN`, a discriminator learns to tell source rows from target rows and a
    gradient reversal layer makes the network learn the opposite. Here it sees how several hidden
    layers and the predicted class probabilities go together: products of random combinations of
    each, as many as one likes, where all products would be millions. Use it for deep networks, more
    than one of whose layers belong to the source alone; for one layer, :class:`~skdtl.CDAN` is the
    same and sees all products where they are few. It needs hundreds of target rows or more, no
    labels of them. Don't where the classes' frequencies differ much between the domains, nor where
    the source-only network is about as good as chance in the target. A feature that alone predicts
    the source's labels and is constant in the target is given up where the constant lies between
    the classes' values, and for most random seeds also where it is the value of one class, which
    holds DANN fast. It is for classes alone: it conditions on their probabilities, which numbers
    don't have. Watch ``domain_accuracy`` in ``history_``: near 0.5 at the end, the domains are
    aligned. Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    CDAN : One layer, and all products.
    DANN : The discriminator sees the features alone.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The products are (R_1 z_1) ⊙ (R_2 z_2) ⊙ ... ⊙ (R_g g) / √d for the layers' outputs z, the
    prediction g and d = `n_components`; the entries of the matrices R are standard normal, drawn
    once from `random_state`, kept in ``net_.alignments_`` and not trained. Inner products of rows
    then equal those of the full multilinear map in expectation. The outputs of all layers but the
    last are first divided by the root mean square length of their rows, held constant, which the
    paper does not do: without it a LeNet diverged on digits, and with the first of its three
    layers it did all the same. Hence the last two are the default. The paper also draws uniform
    and ±1 entries. The discriminator's loss is summed over the domains and averaged over the rows
    of each; its gradient reaches the network through every factor. The weights of `entropy` came
    with the paper's successor (see CDAN). The schedules of λ and of the learning rate, its 0.01
    and the momentum of 0.9 are DANN's. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Long, Cao, Wang, Jordan. Domain adaptation with randomized multilinear adversarial networks.
    arXiv:1705.10667v1, 2017.

    Long, Cao, Wang, Jordan. Conditional adversarial domain adaptation. Advances in Neural
    Information Processing Systems 31, 2018 (section 3; for `entropy`).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import RMAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = RMAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
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
        (CDAN's E): by 1 + exp(-H) with the entropy H of the prediction.
        """,
    )
    n_components: int = parameter(
        default=1024, legal=Int(1), text="The number of columns of the random product."
    )
    discriminator_layer_sizes: Sequence[int] = DISCRIMINATOR_SIZES
    layers: Layers = parameter(
        default=None,
        legal=LAYERS,
        text="""
        Which layers the products have a factor from, besides the prediction: hidden ones by their
        index, of which -1 is the last, or the network's output. The network needs to have them.
        None means the last two hidden layers, or the only one.
        """,
    )
    hidden_layer_sizes: Sequence[int] = parameter(default=(100, 100))
    lr: float = parameter(default=0.01)
    lr_schedule: LrSchedule = parameter(default="decay")
    optimizer: Optimizer = parameter(default="sgd")
    min_steps: int = parameter(default=2000)

    def _terms(self):
        return [
            _LastLayers(
                map="randomized",
                n_components=self.n_components,
                entropy=self.entropy,
                hidden_layer_sizes=self.discriminator_layer_sizes,
                layers=self.layers,
            )
        ]
