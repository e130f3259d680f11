"""MCC: minimum class confusion."""

from __future__ import annotations

from .._constraints import OneOf, Real
from .._parameters import parameter
from ..deep._base import DeepTransferClassifierBase
from ..deep._parameters import LAM, Lam
from ..deep.alignments import MinimumClassConfusion

__all__ = ["MCC"]


class MCC(DeepTransferClassifierBase):
    """Train a network that does not confuse the classes on the target.

    What the network says of target rows, softened by a temperature, tells which classes it takes
    for each other: two classes that share the predictions of many rows are confused. This
    confusion is added to the loss. The domains' distributions are not compared at all. So use it
    where the classes are not equally frequent in both domains, or the target lacks some, which
    aligning methods do not bear, and where the classes lie apart in the target; no labels in the
    target are needed. Don't where the source-only network is hardly better than chance there: what
    it says is made more decided, not more correct; nor where the classes overlap. For an aligning
    method see
    :class:`~skdtl.DDC`; :class:`~skdtl.deep.MinimumClassConfusion` can be combined with one.
    Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    MCD : Two classifiers that must agree on the target.
    DDC : Aligns the distributions of the features.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is that of the paper's section 3 with its T = 2.5 and weight 1: probabilities softened
    by T, rows weighted by 1 + exp(-entropy), the classes' correlation divided by its rows' sums,
    the mean of what is off the diagonal. The rows' weights are held constant for the gradient,
    which the paper leaves open and its authors' published code does. All target rows of a batch
    take part, labelled ones too, which also join the task loss. The paper trains a pre-trained
    convolutional network by SGD; here the network is trained from the start, by Adam as in
    :class:`~skdtl.DDC`: SGD with ``lr=0.01`` needed far more epochs to have any effect.
    The paper's weight is ``lam=1``, for 31 classes and more. The confusion is a mean over classes:
    the fewer they are, the more of it each row of the target makes, while the network learns until
    little is left of the source's loss; of two classes that overlap one then takes the other's
    rows. So the weight of a class is what stays the same by default, up to the paper's 1 at ten
    classes. On 15 shifted and unshifted tasks of two and three classes in benchmarks/_tasks.py
    (half A, by which it was chosen; three draws each) the rule gained 2.3 points on λ = 0 in the
    mean and lost 2.8 at worst, 1 gained 2.2 and lost 5.6; on 13 tasks of half B it was on a par
    with λ = 0, and 1 lost .6.

    References
    ----------
    Jin, Wang, Long, Wang. Minimum class confusion for versatile domain adaptation. ECCV 2020
    (section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MCC
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MCC(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    lam: Lam = parameter(
        default="auto",
        legal=(*LAM, OneOf("auto")),
        text="""
        λ, the weight of the class confusion. "auto" is a tenth of the number of classes, and 1 for
        more than ten. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    temperature: float = parameter(
        default=2.5,
        legal=Real(0, None, closed="neither"),
        text="""
        T, by which the logits are divided. With more, rows of which the network is sure take part
        too; with less, the rows in doubt count most.
        """,
    )

    def _auto_lam(self):
        return min(len(self.classes_) / 10, 1.0)

    def _terms(self):
        return [MinimumClassConfusion(temperature=self.temperature)]
