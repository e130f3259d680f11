"""FeatureTransfer: what a network has learnt stays, and two new layers learn the target."""

from __future__ import annotations

from collections.abc import Sequence

from .._constraints import Int, SequenceOf
from .._parameters import parameter
from ..base import Domain
from ..deep._base import DeepTransferClassifierBase, DeepTransferRegressorBase
from ..deep.net import DeepNet
from ..deep.network import Network
from ..deep.stages import TargetTaskEstimator

__all__ = ["FeatureTransfer", "FeatureTransferRegressor"]


class _FeatureTransferBase(TargetTaskEstimator):
    adaptation_layer_sizes: Sequence[int] = parameter(
        default=(100,),
        legal=SequenceOf(Int(1)),
        text="""
        The widths of the new hidden layers between what was learnt before and the new output
        layer; the paper has one of 2048. () trains an output layer alone.
        """,
        kw_only=False,
    )

    _network_params = (*TargetTaskEstimator._network_params, "adaptation_layer_sizes")

    def _second_network(self, network: Network, seeds) -> Network:
        network.requires_grad_(False)
        n_learnt = len(network.layers)
        network.extend(*self._new_end(network, seeds, self.adaptation_layer_sizes))
        for k in range(n_learnt, len(network.layers)):
            self._continue_part(network, f"layers.{k}")
        self._continue_part(network, "head")
        return network

    def _second_stage(self, network: Network, source: Domain, target: Domain, seeds) -> DeepNet:
        return self._train_on_target(network, target, seeds)


class FeatureTransfer(_FeatureTransferBase, DeepTransferClassifierBase):
    """Keep what a network has learnt of the source, and train two new layers on the target.

    A network learns the source, or is given as a pre-trained `module`. Its output layer goes, its
    hidden layers are frozen, and a new hidden layer and a new output layer are trained on the
    labelled target rows. Use it where few target rows have labels and the source is large, or the
    module good: there is less to learn than in :class:`~skdtl.FineTuning`, so that less can be
    fitted to chance, and a pass over the target costs less. Don't where the target needs features
    that the source had no use for: frozen layers can't find them. Nor where labels mean the same
    in both domains: what the old output layer has learnt is thrown away. The target may have other
    classes than the source. With a pre-trained `module` no source is needed:
    ``fit(None, None, Xt, yt)``. Without labels in the target use :class:`~skdtl.DDC` or
    :class:`~skdtl.DANN`. Standardise the columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    source_classes_ : ndarray of shape (n_source_classes,)
        The source's classes; only where there was a source.
    classes_ : ndarray of shape (n_classes,)
        The classes: the target's where it has others than the source, else the source's.

    See Also
    --------
    FeatureTransferRegressor : The same for numbers.
    FineTuning : All layers go on learning.

    Notes
    -----
    As in figure 2 of the paper: layers C1 to FC7 stay, FC8 goes, FCa and FCb are new; there FCa has
    2048 units for 4096 that come in. Both are trained from random weights, whatever classes the
    target has. Frozen layers stay in evaluation mode, so that batch normalisation keeps its
    statistics and dropout is off. Unlabelled target rows are not used. Without a target the network
    is the pre-trained one.

    References
    ----------
    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014 (section 3.1).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FeatureTransfer
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 5))
    >>> ys = (Xs[:, 0] + Xs[:, 1] > 0).astype(int)
    >>> Xt = rng.normal(size=(30, 5))
    >>> yt = np.where(Xt[:, 0] + Xt[:, 1] > 0.5, "high", "low")
    >>> model = FeatureTransfer(random_state=0).fit(Xs, ys, Xt, yt)
    >>> model.classes_.tolist()
    ['high', 'low']
    >>> model.score(Xt, yt) > 0.8
    True
    """


class FeatureTransferRegressor(_FeatureTransferBase, DeepTransferRegressorBase):
    """Keep what a regression network has learnt of the source, and train two new layers.

    A network learns the source, or is given as a pre-trained `module`. Its output layer goes, its
    hidden layers are frozen, and a new hidden layer and a new output layer are trained on the
    labelled target rows. Use it where few target rows have labels and the source is large, or the
    module good: there is less to learn than in :class:`~skdtl.FineTuningRegressor`, so that less
    can be fitted to chance, and a pass over the target costs less. Don't where the target needs
    features that the source had no use for: frozen layers can't find them. Nor where labels mean
    the same in both domains: what the old output layer has learnt is thrown away. With a
    pre-trained `module` no source is needed: ``fit(None, None, Xt, yt)``. Without labels in the
    target use :class:`~skdtl.DDCRegressor` or :class:`~skdtl.DANNRegressor`. Standardise the
    columns first (StandardScaler in a Pipeline).

    See Also
    --------
    FeatureTransfer : The same for classes.
    FineTuningRegressor : All layers go on learning.

    Notes
    -----
    As in figure 2 of the paper, whose task is classification: layers C1 to FC7 stay, FC8 goes, FCa
    and FCb are new; there FCa has 2048 units for 4096 that come in. Both are trained from random
    weights. Frozen layers stay in evaluation mode, so that batch normalisation keeps its statistics
    and dropout is off. Labels are standardised inside, by the source's mean and standard deviation
    where there is a source. Unlabelled target rows are not used. Without a target the network is
    the pre-trained one.

    References
    ----------
    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014 (section 3.1).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FeatureTransferRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> Xt = rng.normal(size=(30, 2))
    >>> model = FeatureTransferRegressor(random_state=0)
    >>> model = model.fit(Xs, 10 * Xs[:, 0], Xt, 10 * Xt[:, 0] + 5)
    >>> model.score(Xt, 10 * Xt[:, 0] + 5) > 0.8
    True
    """
