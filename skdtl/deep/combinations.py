"""Any network with any combination of alignment losses."""

from __future__ import annotations

from collections.abc import Sequence

from .._constraints import Instance, SequenceOf
from .._parameters import parameter
from ..base import TransferTags
from ._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ._parameters import LAM, Lam
from .terms import Term

__all__ = ["DeepTransferClassifier", "DeepTransferRegressor"]


class _CombinationBase(DeepTransferEstimator):
    """What the twins below share."""

    alignments: Sequence[Term] = parameter(
        default=(),
        legal=SequenceOf(Instance(Term)),
        type="sequence of Term",
        text="""
        The alignment losses, such as ``[MMD(0.5), DomainAdversary()]``, or other terms of the loss
        (:class:`~skdtl.deep.Term`); the fit works on copies. Without any, the network is trained
        on the labelled rows alone.
        """,
        kw_only=False,
    )
    lam: Lam = parameter(
        default=1.0,
        legal=LAM,
        text="""
        λ, by which all alignments' weights are multiplied. "ramp" rises from 0 to 1 over the
        training (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which
        runs from 0 to 1. With 0 they are observed only, and the network is, up to rounding, the one
        without alignments.
        """,
        kw_only=False,
    )

    def _terms(self):
        return self.alignments

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # What is no term, fit refuses.
        given = self.alignments if isinstance(self.alignments, (list, tuple)) else ()
        needs = [term.needs for term in given if isinstance(term, Term)]
        tags.transfer_tags = TransferTags(
            "used", unlabelled_target=any(need.unlabelled_target for need in needs)
        )
        return tags


class DeepTransferClassifier(_CombinationBase, DeepTransferClassifierBase):
    """Train a network on the source whose features look alike in both domains.

    The network minimises  L = cross-entropy + λ Σ_k w_k Ω_k(source, target): each alignment Ω_k is
    a paper's measure of how far apart the domains still are, and they can be combined, which no
    named method does. Use it for combinations and for networks of your own; for one paper's method
    use its class (:class:`~skdtl.DDC`, :class:`~skdtl.DANN`). Aligning presumes that the classes
    are about as frequent in the target as in the source, and that the label depends on the aligned
    features in the same way; where it does not, alignment can harm: compare with
    ``alignments=()``, with which target rows without a label take no part. Standardise the columns
    first (StandardScaler in a Pipeline).

    See Also
    --------
    DeepTransferRegressor : The same for numbers.

    Notes
    -----
    Every batch holds rows of both domains. An epoch is one pass over the longer domain, the shorter
    one is cycled. Both domains go through the network in one forward pass, so a module's batch
    normalisation sees both. A labelled target row joins the task loss in the batches in which it
    appears, where it counts as much as a source row. An adversary's λ scales the gradient that
    reaches the network, not the discriminator's own. Training is in float32, prediction in float64
    on the CPU, so that predictions do not depend on which rows are predicted together.

    References
    ----------
    Tan, Sun, Kong, Zhang, Yang, Liu. A survey on deep transfer learning. ICANN 2018 (equation 2).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepTransferClassifier
    >>> from skdtl.deep import MMD, DomainAdversary
    >>> rng = np.random.default_rng(0)
    >>> ys = np.repeat(["healthy", "ill"], 50)
    >>> Xs = rng.normal(size=(100, 2)) + 3 * (ys == "ill")[:, None]
    >>> Xt = Xs + [1.5, -0.5]
    >>> model = DeepTransferClassifier([MMD(0.5), DomainAdversary()], random_state=0)
    >>> model.fit(Xs, ys, Xt).score(Xt, ys) > 0.9
    True
    """


class DeepTransferRegressor(_CombinationBase, DeepTransferRegressorBase):
    """Train a regression network on the source whose features look alike in both domains.

    The network minimises  L = squared error + λ Σ_k w_k Ω_k(source, target): each alignment Ω_k is
    a paper's measure of how far apart the domains still are, and they can be combined, which no
    named method does. Use it for combinations and for networks of your own; for one paper's method
    use its class (:class:`~skdtl.DDCRegressor`, :class:`~skdtl.DANNRegressor`). Aligning presumes
    that the labels are distributed in the target about as in the source, and that the label depends
    on the aligned features in the same way; where it does not, alignment can harm: compare with
    ``alignments=()``, with which target rows without a label take no part. Standardise the columns
    first (StandardScaler in a Pipeline).

    See Also
    --------
    DeepTransferClassifier : The same for classes.

    Notes
    -----
    Labels are standardised inside, so that `lr` doesn't depend on their units. Every batch holds
    rows of both domains. An epoch is one pass over the longer domain, the shorter one is cycled.
    Both domains go through the network in one forward pass, so a module's batch
    normalisation sees both. A labelled target row joins the task loss in the batches in which it
    appears, where it counts as much as a source row. An adversary's λ scales the gradient that
    reaches the network, not the discriminator's own. Training is in float32, prediction in float64
    on the CPU, so that predictions do not depend on which rows are predicted together.

    References
    ----------
    Tan, Sun, Kong, Zhang, Yang, Liu. A survey on deep transfer learning. ICANN 2018 (equation 2).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepTransferRegressor
    >>> from skdtl.deep import MMD
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepTransferRegressor([MMD(0.1)], random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """
