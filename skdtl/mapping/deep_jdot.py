"""DeepJDOT: joint distribution optimal transport in a network."""

from __future__ import annotations

from .._constraints import Real
from .._couplings import import_pot
from .._parameters import parameter
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import LAM, LAYERS, Lam, Layers
from ..deep.alignments import JointTransport

__all__ = ["DeepJDOT", "DeepJDOTRegressor"]


class _DeepJDOTBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default=1.0,
        legal=LAM,
        text="""
        λ: the weight of the plan's cost. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    alpha: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="""
        The weight of the features' squared distance in the cost of a pair. With 0 the plan looks at
        the labels alone, and the features are not brought together.
        """,
    )
    lam_t: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="""
        λ_t, the weight of the labels' loss in the cost of a pair. With 0 the plan looks at the
        features alone, and the network learns nothing from the target's rows but to bring features
        together.
        """,
    )
    reg_e: float = parameter(
        default=0.0,
        legal=Real(0, None),
        text="""
        The weight of the plan's negative entropy. 0 finds the plan exactly; more makes it softer,
        and faster to find in large batches unless `reg_e` is very small.
        """,
    )
    layers: Layers = parameter(
        default=-1,
        legal=LAYERS,
        text="""
        The layers whose features are compared: hidden ones by their index, of which -1 is the last,
        or the network's output; of several, the squared distances are added. None means all hidden
        layers.
        """,
    )

    def _terms(self):
        import_pot(type(self).__name__)
        return [
            JointTransport(alpha=self.alpha, lam_t=self.lam_t, reg_e=self.reg_e, layers=self.layers)
        ]


class DeepJDOT(_DeepJDOTBase, DeepTransferClassifierBase):
    """Pair rows of both domains by features and classes, and train a network that unites them.

    Joint distribution optimal transport (:class:`~skdtl.JDOT`) in a network: in every batch a plan
    pairs target rows with source rows whose features are near *and* whose class the network
    predicts for them; it learns to bring the pairs' features together and to predict the source
    row's class for its partner. So not only the features look alike in both domains, but features
    and classes together. Use it where what belongs together can be found by nearness, as after a
    moderate rotation or drift, and where the features of :class:`~skdtl.DDC` look alike but mix the
    classes up. It needs no labels in the target. Don't where the classes' frequencies differ much
    between the domains: the plan carries all labels over, in their proportions. Nor with small
    batches: of few rows per class no good pair can be found. Watch ``transport`` in ``history_``,
    which should fall, and ``task_loss``: where it stays high, `alpha` is too large and the features
    have shrunk into a point. Standardise the columns first (StandardScaler in a Pipeline).

    Raises
    ------
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.

    See Also
    --------
    DeepJDOTRegressor : The same for numbers.
    JDOT : The same around any classifier, without a network.
    DDC : Aligns the features alone.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The network minimises cross-entropy + λ Σ_ij γ_ij (alpha ‖z_i - z_j‖² + lam_t L(y_i, f(x_j))),
    where L is the cross-entropy; the plan γ minimises the sum in every batch (``ot.emd``, or
    ``ot.sinkhorn`` for ``reg_e > 0``) with the network held fixed, then the network makes a step
    with γ held fixed. With λ = 1 this is the paper's objective. The same cost is used for both; the
    authors' code finds the plan with squared differences of the class probabilities instead.
    `alpha` and `lam_t` were chosen among six pairs by the target's accuracy on turned and moved
    digits. On data that had no part in the choice (two seeds, 30 epochs), against λ = 0: MNIST to
    USPS 63.2 % against 43.6 %, USPS to MNIST 58.8 % against 36.5 %, reviews of books to kitchens
    79.5 % against 76.7 %, of electronics to DVDs 75.0 % against 74.7 % (classifiers). What a pair
    costs counts in the plan only by the ratio alpha / lam_t. The batches are random; the authors'
    code balances the source's by class. Labelled target rows join the task loss, and are in the
    plan like any other; the paper has none.

    The plan is found in double precision on the CPU. With 128, 256 and 512 rows an exact plan took
    about 2, 6 and 30 ms. POT imports torch and whatever else it finds.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty. DeepJDOT: deep joint distribution optimal
    transport for unsupervised domain adaptation. ECCV 2018.

    Courty, Flamary, Habrard, Rakotomamonjy. Joint distribution optimal transportation for domain
    adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepJDOT
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DeepJDOT(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DeepJDOTRegressor(_DeepJDOTBase, DeepTransferRegressorBase):
    """Pair rows of both domains by features and labels, and train a network that unites them.

    Joint distribution optimal transport (:class:`~skdtl.JDOT`) in a network: in every batch a plan
    pairs target rows with source rows whose features are near *and* whose label the network
    predicts for them; it learns to bring the pairs' features together and to predict the source
    row's label for its partner. So not only the features look alike in both domains, but features
    and labels together. Use it where what belongs together can be found by nearness, as after a
    moderate rotation or drift, and where the features of :class:`~skdtl.DDCRegressor` look alike
    but mix small labels with large ones up. It needs no labels in the target. Don't where the
    labels are distributed otherwise in the target than in the source: the plan carries all labels
    over, in their proportions. Nor with small batches: of few rows no good pair can be found. Watch
    ``transport`` in ``history_``, which should fall, and ``task_loss``: where it stays high,
    `alpha` is too large and the features have shrunk into a point. Standardise the columns first
    (StandardScaler in a Pipeline).

    Raises
    ------
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.

    See Also
    --------
    DeepJDOT : The same for classes.
    JDOT : The same around any regressor, without a network.
    DDCRegressor : Aligns the features alone.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The network minimises squared error + λ Σ_ij γ_ij (alpha ‖z_i - z_j‖² + lam_t L(y_i, f(x_j))),
    where L is the squared error; the plan γ minimises the sum in every batch (``ot.emd``, or
    ``ot.sinkhorn`` for ``reg_e > 0``) with the network held fixed, then the network makes a step
    with γ held fixed. With λ = 1 this is the paper's objective. The same cost is used for both; the
    authors' code finds the plan with squared differences of the class probabilities instead.
    `alpha` and `lam_t` were chosen among six pairs by the target's accuracy on turned and moved
    digits. On data that had no part in the choice (two seeds, 30 epochs), against λ = 0: MNIST to
    USPS 63.2 % against 43.6 %, USPS to MNIST 58.8 % against 36.5 %, reviews of books to kitchens
    79.5 % against 76.7 %, of electronics to DVDs 75.0 % against 74.7 % (classifiers). What a pair
    costs counts in the plan only by the ratio alpha / lam_t. The batches are random; the authors'
    code balances the source's by class. Labels are standardised inside. Labelled target rows join
    the task loss, and are in the plan like any other; the paper has none.

    The plan is found in double precision on the CPU. With 128, 256 and 512 rows an exact plan took
    about 2, 6 and 30 ms. POT imports torch and whatever else it finds.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty. DeepJDOT: deep joint distribution optimal
    transport for unsupervised domain adaptation. ECCV 2018.

    Courty, Flamary, Habrard, Rakotomamonjy. Joint distribution optimal transportation for domain
    adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepJDOTRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepJDOTRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
