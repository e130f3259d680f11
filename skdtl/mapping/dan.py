"""DAN: deep adaptation network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._constraints import Int, OneOf, Real, SequenceOf
from .._parameters import parameter
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import ESTIMATE, LAM, LAYERS, Lam, Layers
from ..deep.alignments import MultiKernelMMD
from ..deep.alignments.multi_kernel_mmd import MULTIPLIERS

__all__ = ["DAN", "DANRegressor"]


class _DANBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default="ramp",
        legal=LAM,
        text="""
        λ, the weight of the squared MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    layers: Layers = parameter(
        default=(-1, "output"),
        legal=LAYERS,
        text="""
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (class probabilities, or standardised predictions). None means
        all hidden layers.
        """,
    )
    bandwidth_multipliers: Sequence[float] = parameter(
        default=MULTIPLIERS,
        legal=SequenceOf(Real(0, None, closed="neither"), min_length=1),
        text="""
        Which multiples of the squared median distance the kernels' squared widths are; by default
        the powers of 2 from 2^-8 to 2^8.
        """,
    )
    kernel_weights: str = parameter(
        default="optimal",
        legal=OneOf("optimal", "uniform"),
        text="""
        "optimal" chooses, for each layer, the weights of the kernels that maximise the ratio of the
        squared MMD to its estimate's standard deviation; "uniform" weights all alike.
        """,
    )
    update_every: int = parameter(
        default=20,
        legal=Int(1),
        text="""
        After how many batches the optimal weights are chosen again, by the rows of these batches.
        They are uniform before the first time.
        """,
    )
    estimate: str = ESTIMATE

    def _terms(self):
        return [
            MultiKernelMMD(
                bandwidth_multipliers=self.bandwidth_multipliers,
                kernel_weights=self.kernel_weights,
                update_every=self.update_every,
                estimate=self.estimate,
                layers=self.layers,
            )
        ]

    def _set_results(self) -> None:
        super()._set_results()
        for alignment in self.net_.alignments_:
            if alignment.has_learnt:  # not without a target
                self.kernel_weights_ = np.array(alignment.beta)


class DAN(_DANBase, DeepTransferClassifierBase):
    """Train a network whose layers are distributed alike in both domains, seen at many widths.

    The squared maximum mean discrepancy (MMD) between the domains of the last hidden layer and of
    the network's output is added to the loss. It is that of a weighted sum of Gaussian kernels from
    narrow to wide, and the weights are chosen, again and again, so that it sees the difference
    between the domains best. Use it where :class:`~skdtl.DDC` is too weak or its one kernel's width
    doubtful: it trains as steadily, has one weight λ, and needs no labels in the target. Don't
    where the classes' frequencies differ much between the domains: to look alike, the features and
    outputs must then mix classes up. Standardise the columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    kernel_weights_ : ndarray of shape (n_layers, n_kernels)
        The weights that each layer's kernels had at the end; only where there was a target.

    See Also
    --------
    DANRegressor : The same for numbers.
    DDC : Aligns one layer by one kernel.
    JAN : Aligns the layers jointly.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is the paper's: the task's plus λ times the sum of the layers' multi-kernel MMD. The
    kernels' weights solve its quadratic programme, with ε = 1e-4, and are scaled to sum up to 1;
    where no kernel's MMD is positive, the one with the greatest ratio gets all weight, as in
    Gretton et al. The covariance is that of the linear estimate's terms over the last
    `update_every` batches: one batch alone has too few. The paper's kernels are exp(-‖x - y‖² / γ)
    with γ from 2^-8 to 2^8 times the median squared distance in steps of 2^0.5. Here they are
    exp(-‖x - y‖² / (2 m σ²)), so that m = 1 is the Gaussian of :class:`~skdtl.deep.MMD`, and the
    steps are of 2: neighbours hardly differ, at half the cost. The median is found in every batch,
    because the features' scale changes while they are learnt. So no scaling of the features changes
    the MMD. On rotated digits a constant λ of 5, at which DDC's features collapsed into a point,
    and even 20 made no such harm here; but with 20 the task's loss stayed high, and on digits moved
    by a pixel the accuracy fell below that of λ = 0. Since each layer is aligned by itself, of two
    classes that lie far from the source's the network may align each with the other: on a feature
    shifted by more than the classes' distance, a λ of 1 from the start led to an accuracy of 0.18
    in one fit of four, larger ones more often. The default, the schedule of JAN's authors, lets the
    classes form first: the four fits' mean was 0.76 instead of 0.62, yet one of them still failed.
    :class:`~skdtl.JAN` did not. The paper fine-tunes a convolutional network and aligns its last
    three layers; here the network is trained from the start. Labelled target rows join the task
    loss.

    References
    ----------
    Long, Cao, Wang, Jordan. Learning transferable features with deep adaptation networks. ICML 2015
    (section 3).

    Gretton, Sriperumbudur, Sejdinovic, Strathmann, Balakrishnan, Pontil, Fukumizu. Optimal kernel
    choice for large-scale two-sample tests. NIPS 2012 (section 2 for the linear estimate, section 3
    for the weights).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DANRegressor(_DANBase, DeepTransferRegressorBase):
    """Train a regression network whose layers are distributed alike, seen at many widths.

    The squared maximum mean discrepancy (MMD) between the domains of the last hidden layer and of
    the network's output is added to the loss. It is that of a weighted sum of Gaussian kernels from
    narrow to wide, and the weights are chosen, again and again, so that it sees the difference
    between the domains best. Use it where :class:`~skdtl.DDCRegressor` is too weak or its one
    kernel's width doubtful: it trains as steadily, has one weight λ, and needs no labels in the
    target. Don't where the labels' distributions differ much between the domains: to look alike,
    the features and outputs must then mix small labels with large ones up. Standardise the columns
    first (StandardScaler in a Pipeline).

    Attributes
    ----------
    kernel_weights_ : ndarray of shape (n_layers, n_kernels)
        The weights that each layer's kernels had at the end; only where there was a target.

    See Also
    --------
    DAN : The same for classes.
    DDCRegressor : Aligns one layer by one kernel.
    JANRegressor : Aligns the layers jointly.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The loss is the paper's: the task's plus λ times the sum of the layers' multi-kernel MMD. The
    kernels' weights solve its quadratic programme, with ε = 1e-4, and are scaled to sum up to 1;
    where no kernel's MMD is positive, the one with the greatest ratio gets all weight, as in
    Gretton et al. The covariance is that of the linear estimate's terms over the last
    `update_every` batches: one batch alone has too few. The paper's kernels are exp(-‖x - y‖² / γ)
    with γ from 2^-8 to 2^8 times the median squared distance in steps of 2^0.5. Here they are
    exp(-‖x - y‖² / (2 m σ²)), so that m = 1 is the Gaussian of :class:`~skdtl.deep.MMD`, and the
    steps are of 2: neighbours hardly differ, at half the cost. The median is found in every batch,
    because the features' scale changes while they are learnt. So no scaling of the features changes
    the MMD. On rotated digits a constant λ of 5, at which DDC's features collapsed into a point,
    and even 20 made no such harm here; but with 20 the task's loss stayed high, and on digits moved
    by a pixel the accuracy fell below that of λ = 0. The default of λ is the schedule of JAN's
    authors, which lets the task's features form first; the paper has a constant. The paper
    fine-tunes a convolutional network and aligns its last three layers; here the network is trained
    from the start. Labelled target rows join the task loss.

    References
    ----------
    Long, Cao, Wang, Jordan. Learning transferable features with deep adaptation networks. ICML 2015
    (section 3).

    Gretton, Sriperumbudur, Sejdinovic, Strathmann, Balakrishnan, Pontil, Fukumizu. Optimal kernel
    choice for large-scale two-sample tests. NIPS 2012 (section 2 for the linear estimate, section 3
    for the weights).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DANRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DANRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
