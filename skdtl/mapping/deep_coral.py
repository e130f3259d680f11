"""DeepCORAL: correlation alignment of a network's layers."""

from __future__ import annotations

from sklearn.base import is_classifier

from .._constraints import OneOf
from .._parameters import parameter
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import LAM, LAYERS, Lam, Layers
from ..deep.alignments import CorrelationAlignment

__all__ = ["DeepCORAL", "DeepCORALRegressor"]


class _DeepCORALBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default="auto",
        legal=(*LAM, OneOf("auto")),
        text="""
        λ, the weight of the covariances' distance. "auto" is 10 times the squared number of
        classes, and 1000 for numbers; "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    layers: Layers = parameter(
        default=None,
        legal=LAYERS,
        text="""
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (class probabilities, or standardised predictions). None means
        the output for classes, and the last hidden layer for numbers.
        """,
    )

    def _auto_lam(self):
        return 10.0 * len(self.classes_) ** 2 if is_classifier(self) else 1000.0

    def _terms(self):
        layers = self.layers
        if layers is None:
            layers = "output" if is_classifier(self) else -1
        return [CorrelationAlignment(layers=layers)]


class DeepCORAL(_DeepCORALBase, DeepTransferClassifierBase):
    """Train a network whose features vary together alike in both domains.

    The squared distance between the features' covariance matrices of the two domains is added to
    the loss. Use it where the domains differ by the features' variances and correlations, as
    recordings by other sensors do, or as a cheap first try: it costs little more than a plain
    network, and needs no labels in the target. Don't where the domains differ by a shift of the
    means, which it does not see (:class:`~skdtl.DDC` does), nor where the classes' frequencies
    differ much between the domains. Standardise the columns first (StandardScaler in a Pipeline).

    See Also
    --------
    DeepCORALRegressor : The same for numbers.
    CORAL : Maps the columns themselves, for any estimator.
    DDC : Aligns whole distributions.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The distance is equation 1 with the covariances of equations 2 and 3: divided by 4 d², and
    without the means. The paper aligns the last layer before the softmax; here it is the class
    probabilities after it, whose scale is known. The paper sets λ so that both losses are alike at
    the end of the training: for the probabilities of ten classes, whose covariances are small, this
    needs a λ of about 1000, as found on rotated digits. The right λ depends on the number of
    classes, since the distance is divided by 4 d², and of features also on their scale, with its
    fourth power: look at ``task_loss`` and ``coral`` in ``history_``. With a much larger one the
    features or probabilities become constant, which makes both covariances 0: with two or three
    classes a λ of 1000 cost up to 7 points where nothing had shifted, and 8 and 14 where the
    classes' shares had. So the default follows their number, and the squared distance itself
    always weighs the same. On 15 shifted and unshifted tasks of two and three classes in
    benchmarks/_tasks.py (half A, by which it was chosen; three draws each) the rule gained 2.8
    points on λ = 0 in the mean, 1000 .1; on 14 of half B it lost .9 and 1000 1.7, both where the
    classes' shares differ. The paper fine-tunes a convolutional network; here the network is
    trained from the start. Labelled target rows join the task loss.

    References
    ----------
    Sun, Saenko. Deep CORAL: correlation alignment for deep domain adaptation. ECCV workshops 2016
    (equations 1 to 3, section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepCORAL
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DeepCORAL(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DeepCORALRegressor(_DeepCORALBase, DeepTransferRegressorBase):
    """Train a regression network whose features vary together alike in both domains.

    The squared distance between the features' covariance matrices of the two domains is added to
    the loss. Use it where the domains differ by the features' variances and correlations, as
    recordings by other sensors do, or as a cheap first try: it costs little more than a plain
    network, and needs no labels in the target. Don't where the domains differ by a shift of the
    means, which it does not see (:class:`~skdtl.DDCRegressor` does), nor where the labels'
    distributions differ much between the domains. Standardise the columns first (StandardScaler in
    a Pipeline).

    See Also
    --------
    DeepCORAL : The same for classes.
    CORAL : Maps the columns themselves, for any estimator.
    DDCRegressor : Aligns whole distributions.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The distance is equation 1 with the covariances of equations 2 and 3: divided by 4 d², and
    without the means. The paper knows classes only, and aligns the output; here it is the last
    hidden layer, because the output's variance alone is made alike most easily by predicting the
    mean. The paper sets λ so that both losses are alike at the end of the training: for class
    probabilities, whose covariances are small, this needs a λ of about 1000, as found on rotated
    digits. The right λ depends on the features' scale, with its fourth power, and on their number:
    look at ``task_loss`` and ``coral`` in ``history_``. With a much larger one the features or
    probabilities become constant, which makes both covariances 0. The paper fine-tunes a
    convolutional network; here the network is trained from the start. Labelled target rows join the
    task loss.

    References
    ----------
    Sun, Saenko. Deep CORAL: correlation alignment for deep domain adaptation. ECCV workshops 2016
    (equations 1 to 3, section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepCORALRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepCORALRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
