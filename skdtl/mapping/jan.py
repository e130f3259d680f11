"""JAN: joint adaptation network."""

from __future__ import annotations

from collections.abc import Sequence

from .._constraints import Bool, Real, SequenceOf
from .._parameters import parameter
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import LAM, LAYERS, Lam, Layers
from ..deep.alignments import JointMMD

__all__ = ["JAN", "JANRegressor"]


class _JANBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default="ramp",
        legal=LAM,
        text="""
        λ, the weight of the joint MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    adversarial: bool = parameter(
        default=False,
        legal=Bool(),
        text="""
        Whether every aligned layer passes through a linear map that is trained to make the joint
        MMD large, while the network learns to make it small (the paper's JAN-A). λ then scales the
        gradient that reaches the network alone; the maps' own training does not depend on it.
        """,
    )
    layers: Layers = parameter(
        default=(-1, "output"),
        legal=LAYERS,
        text="""
        Which layers are aligned jointly: hidden ones by their index, of which -1 is the last, or
        the network's output (class probabilities, or standardised predictions). None means all
        hidden layers.
        """,
    )
    bandwidth_multipliers: Sequence[float] = parameter(
        default=(0.125, 0.25, 0.5, 1.0, 2.0),
        legal=SequenceOf(Real(0, None, closed="neither"), min_length=1),
        text="""
        Which multiples of the squared median distance the squared widths of the hidden layers'
        kernels are. A layer's kernel is the mean of these Gaussians.
        """,
    )
    output_bandwidth: float | None = parameter(
        default=0.92,
        legal=(None, Real(0, None, closed="neither")),
        text="σ of the output's one Gaussian. None means the median distance.",
    )

    def _terms(self):
        return [
            JointMMD(
                bandwidth_multipliers=self.bandwidth_multipliers,
                output_bandwidth=self.output_bandwidth,
                adversarial=self.adversarial,
                layers=self.layers,
            )
        ]


class JAN(_JANBase, DeepTransferClassifierBase):
    """Train a network whose features go with the same classes in both domains.

    The joint maximum mean discrepancy (MMD) of the features and the predicted classes between the
    domains is added to the loss: rows that are thought to be of one class ought to look alike in
    both domains, which is more than :class:`~skdtl.DAN` asks for, which aligns each layer by
    itself. Use it where the domains differ by more than a common shift, so that features could be
    aligned crosswise. `adversarial` adds maps that look for what still differs, at some cost. Don't
    where the classes' frequencies differ much between the domains, or where the network is hardly
    better than chance on the target: the predictions mislead it then. Standardise the columns first
    (StandardScaler in a Pipeline).

    See Also
    --------
    JANRegressor : The same for numbers.
    DAN : Aligns each layer by itself.
    DANN : Aligns by a discriminator.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The joint MMD is the paper's of section 4.1, the biased estimate over all pairs of the batch's
    rows; the loss is that of section 4.2, and λ rises by the paper's schedule. The paper leaves the
    maps of JAN-A open: here they are square and linear, and begin as the identity, so that the
    training begins as JAN's. Hidden layers have several Gaussians, as published implementations do,
    around the paper's median heuristic, with the median of every batch, because the features' scale
    changes while they are learnt; so no scaling of the features changes the joint MMD. The output's
    width is fixed as theirs is: with the median distance a λ of 20 made the features collapse, and
    of two classes about half of all pairs agree, so that a median distance of probabilities is
    either nearly 0 or nearly the greatest possible. On rotated digits a constant λ of 5, at which
    DDC's features collapsed into a point, and even 20 made no such harm here; but on digits moved
    by a pixel 20 was too much, and the accuracy fell below that of λ = 0. With `adversarial` the
    history's ``train_loss`` holds minus the joint MMD, at full strength. The paper fine-tunes a
    convolutional network; here the network is trained from the start. Labelled target rows join the
    task loss.

    References
    ----------
    Long, Zhu, Wang, Jordan. Deep transfer learning with joint adaptation networks. ICML 2017
    (section 4).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import JAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = JAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class JANRegressor(_JANBase, DeepTransferRegressorBase):
    """Train a regression network whose features go with the same predictions in both domains.

    The joint maximum mean discrepancy (MMD) of the features and the predictions between the domains
    is added to the loss: rows for which the same is predicted ought to look alike in both domains,
    which is more than :class:`~skdtl.DANRegressor` asks for, which aligns each layer by itself. Use
    it where the domains differ by more than a common shift, so that features could be aligned
    crosswise. `adversarial` adds maps that look for what still differs, at some cost. Don't where
    the labels' distributions differ much between the domains, or where the network is hardly better
    than chance on the target: the predictions mislead it then. Standardise the columns first
    (StandardScaler in a Pipeline).

    See Also
    --------
    JAN : The same for classes.
    DANRegressor : Aligns each layer by itself.
    DANNRegressor : Aligns by a discriminator.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The joint MMD is the paper's of section 4.1, the biased estimate over all pairs of the batch's
    rows; the loss is that of section 4.2, and λ rises by the paper's schedule. The paper leaves the
    maps of JAN-A open: here they are square and linear, and begin as the identity, so that the
    training begins as JAN's. Hidden layers have several Gaussians, as published implementations do,
    around the paper's median heuristic, with the median of every batch, because the features' scale
    changes while they are learnt; so no scaling of the features changes the joint MMD. The output's
    width is fixed as theirs is, since labels are standardised. On rotated digits a constant λ of 5,
    at which DDC's features collapsed into a point, and even 20 made no such harm here; but on
    digits moved by a pixel 20 was too much, and the accuracy fell below that of λ = 0. With
    `adversarial` the history's ``train_loss`` holds minus the joint MMD, at full strength. The
    paper fine-tunes a convolutional network; here the network is trained from the start. Labelled
    target rows join the task loss.

    References
    ----------
    Long, Zhu, Wang, Jordan. Deep transfer learning with joint adaptation networks. ICML 2017
    (section 4).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import JANRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = JANRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
