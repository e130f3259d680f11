"""DDC: deep domain confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from .._constraints import Int, OneOf, Real, SequenceOf
from .._parameters import parameter
from ..base import Domain
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._parameters import LAM, Lam
from ..deep.alignments import MMD, Activations
from ..deep.network import ACTIVATIONS, Network, hidden_layers

__all__ = ["DDC", "DDCRegressor"]

# So many rows of each domain, at most, are compared to choose a layer or a width: the Gaussian
# kernel's matrices are quadratic in them.
_COMPARED_ROWS = 1000


class _DDCBase(DeepTransferEstimator):
    lam: Lam = parameter(
        default=1.0,
        legal=LAM,
        text="""
        λ, the weight of the squared MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
        """,
        kw_only=False,
    )
    adaptation_width: int | Sequence[int] = parameter(
        default=50,
        legal=(Int(1), SequenceOf(Int(1), min_length=1)),
        text="""
        The width of the adaptation layer. Of several, each is tried, and the network with the least
        MMD is kept.
        """,
    )
    adaptation_layer: int | str = parameter(
        default="last",
        legal=(OneOf("last", "auto"), Int(1)),
        text="""
        How many of the hidden layers come before the adaptation layer, from 1 to all of them, which
        is "last". "auto" trains without alignment first, and puts it after the hidden layer with
        the least MMD. With `module` it comes after the module: "last".
        """,
    )
    kernel: str = parameter(
        default="rbf",
        legal=OneOf("linear", "rbf"),
        text="""
        "rbf", a Gaussian, compares the whole distributions of the features, whatever their scale;
        "linear" their means alone, which depends on their scale.
        """,
    )
    bandwidth: float | None = parameter(
        default=None,
        legal=(None, Real(0, None, closed="neither")),
        text="The Gaussian's σ. None means the median distance, in every batch anew.",
    )

    _network_params: ClassVar[tuple[str, ...]] = (
        *DeepTransferEstimator._network_params,
        "adaptation_width",
        "adaptation_layer",
    )
    _network_attributes: ClassVar[tuple[str, ...]] = (
        *DeepTransferEstimator._network_attributes,
        "adaptation_layer_",
        "adaptation_width_",
    )

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self._set_label_scale(source, target)
        widths = np.atleast_1d(self.adaptation_width).tolist()
        if self._last_net is not None:  # a warm start goes on with what was chosen
            widths = [self.adaptation_width_]
        else:
            self.adaptation_layer_ = self._choose_layer(source, both, seeds)
        if both is None:  # without a target the candidates can't be compared
            widths = widths[:1]
        nets = []
        for width in widths:
            network = self._network(source, seeds, lambda width=width: self._adapted_layers(width))
            nets.append(self._train(network, source, both, seeds, self._terms()))
            if self.interrupted_:
                break
        best = 0
        if both is not None and len(nets) > 1:
            compared = self._some_rows(source, both, seeds)
            mmd = [self._mmd(net.module_, *compared)[self.adaptation_layer_] for net in nets]
            self.width_mmd_ = np.array(mmd)
            best = int(np.argmin(mmd))
        self.adaptation_width_: int = widths[best]
        self.net_ = nets[best]
        self._set_results()

    def _trains_once(self) -> bool:
        return self.adaptation_layer != "auto" and np.ndim(self.adaptation_width) == 0

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        if not hasattr(self, "adaptation_layer_"):  # nothing is fitted yet, and nothing to choose
            self.adaptation_layer_ = self._choose_layer(rows, None, seeds)
            self.adaptation_width_ = np.atleast_1d(self.adaptation_width).tolist()[0]
        return self._network(rows, seeds, lambda: self._adapted_layers(self.adaptation_width_))

    def _terms(self):
        return [MMD(kernel=self.kernel, bandwidth=self.bandwidth, layers=self.adaptation_layer_)]

    def _choose_layer(self, source: Domain, target: Domain | None, seeds) -> int:
        """Return which of the network's layers will be the adaptation layer."""
        layer: Any = self.adaptation_layer
        if self.module is not None:
            if layer != "last":
                raise ValueError(
                    "With a module of your own the adaptation layer comes after it: "
                    f"adaptation_layer must be 'last'; got {layer!r}."
                )
            return -1
        n_layers = len(self.hidden_layer_sizes)
        if layer == "last":
            return n_layers
        if layer != "auto":
            if layer > n_layers:
                raise ValueError(
                    f"adaptation_layer is {layer}, but hidden_layer_sizes has only "
                    f"{n_layers} layers to come before it."
                )
            return layer
        if target is None:
            return n_layers
        network = self._network(source, seeds)
        net = self._train(network, source, target, seeds, terms=())
        self.layer_mmd_ = self._mmd(net.module_, *self._some_rows(source, target, seeds))
        return 1 + int(np.argmin(self.layer_mmd_))

    def _adapted_layers(self, width: int) -> list[nn.Module]:
        """Make the hidden layers with the adaptation layer among them."""
        if self.module is not None:
            activation = ACTIVATIONS[self.activation]()
            adaptation = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), activation)
            return [*self._layers(), adaptation]
        sizes = list(self.hidden_layer_sizes)
        sizes.insert(self.adaptation_layer_, width)
        return hidden_layers(self.n_features_in_, sizes, self.activation)

    def _some_rows(self, source: Domain, target: Domain, seeds) -> list[torch.Tensor]:
        """Return a random sample of each domain's rows."""
        generator = torch.Generator().manual_seed(seeds["alignments"])
        device = self._device()
        samples = []
        for X in (source.X, target.X):
            rows = torch.randperm(len(X), generator=generator)[:_COMPARED_ROWS].numpy()
            samples.append(torch.as_tensor(X[rows], dtype=torch.float32, device=device))
        return samples

    def _mmd(self, network: Network, xs: torch.Tensor, xt: torch.Tensor) -> np.ndarray:
        """Return the squared MMD at each hidden layer."""
        network.eval()
        with torch.no_grad():
            source, target = (Activations(network.features(x), network(x), None) for x in (xs, xt))
            return np.array(
                [
                    MMD(kernel=self.kernel, bandwidth=self.bandwidth, layers=layer)(
                        source, target
                    ).item()
                    for layer in range(len(network.layers))
                ]
            )


class DDC(_DDCBase, DeepTransferClassifierBase):
    """Train a network whose features are distributed alike in both domains.

    An adaptation layer is put into the network, and the squared maximum mean discrepancy (MMD) of
    its output between the domains is added to the loss. Use it as the first deep method to try:
    it has one weight λ, trains as steadily as a plain network, and needs no labels in the target.
    Don't where the classes' frequencies differ much between the domains: the features ought to be
    distributed differently then. Standardise the columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    adaptation_layer_ : int
        How many layers come before the adaptation layer.
    adaptation_width_ : int
        Its width.
    layer_mmd_ : ndarray of shape (n_hidden_layers,)
        The squared MMD at each hidden layer of the network trained without alignment; only with
        ``adaptation_layer="auto"``.
    width_mmd_ : ndarray of shape (n_candidates,)
        The squared MMD at the adaptation layer of the network trained with each width; only where
        there are several.

    See Also
    --------
    DDCRegressor : The same for numbers.
    DANN : Aligns by a discriminator.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The MMD is equation 1 with φ the output of the adaptation layer, the loss equation 2, the
    choices of place and width section 4.2. The paper fine-tunes a convolutional network with
    ``lam=0.25, kernel="linear"``; here the network is trained from the start. Then the linear MMD
    is mostly made small by shrinking the features, and on published reviews
    (benchmarks/results/deep_pairs.md) lost to λ = 0: the Gaussian one, which knows no scale, is the
    default; it was chosen on four pairs of these and of digits. With a λ of 5 or more the features
    may collapse into a point: the training loss then stays high. The adaptation layer has the
    activation of the other layers, and hidden layers that come after it keep their widths. The MMD
    of all candidates is measured on the same random rows, at most 1000 of each domain, in
    evaluation mode. Labelled target rows join the task loss.

    References
    ----------
    Tzeng, Hoffman, Zhang, Saenko, Darrell. Deep domain confusion: maximizing for domain
    invariance. arXiv:1412.3474, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DDC
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DDC(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DDCRegressor(_DDCBase, DeepTransferRegressorBase):
    """Train a regression network whose features are distributed alike in both domains.

    An adaptation layer is put into the network, and the squared maximum mean discrepancy (MMD) of
    its output between the domains is added to the loss. Use it as the first deep method to try:
    it has one weight λ, trains as steadily as a plain network, and needs no labels in the target.
    Don't where the labels' distributions differ much between the domains: the features ought to be
    distributed differently then. Standardise the columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    adaptation_layer_ : int
        How many layers come before the adaptation layer.
    adaptation_width_ : int
        Its width.
    layer_mmd_ : ndarray of shape (n_hidden_layers,)
        The squared MMD at each hidden layer of the network trained without alignment; only with
        ``adaptation_layer="auto"``.
    width_mmd_ : ndarray of shape (n_candidates,)
        The squared MMD at the adaptation layer of the network trained with each width; only where
        there are several.

    See Also
    --------
    DDC : The same for classes.
    DANNRegressor : Aligns by a discriminator.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The MMD is equation 1 with φ the output of the adaptation layer, the loss equation 2, the
    choices of place and width section 4.2. The paper fine-tunes a convolutional network with
    ``lam=0.25, kernel="linear"``; here the network is trained from the start. Then the linear MMD
    is mostly made small by shrinking the features, and on published reviews
    (benchmarks/results/deep_pairs.md) lost to λ = 0: the Gaussian one, which knows no scale, is the
    default; it was chosen on four pairs of these and of digits. With a λ of 5 or more the features
    may collapse into a point: the training loss then stays high. The adaptation layer has the
    activation of the other layers, and hidden layers that come after it keep their widths. The MMD
    of all candidates is measured on the same random rows, at most 1000 of each domain, in
    evaluation mode. Labels are standardised inside. Labelled target rows join the task loss.

    References
    ----------
    Tzeng, Hoffman, Zhang, Saenko, Darrell. Deep domain confusion: maximizing for domain
    invariance. arXiv:1412.3474, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DDCRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DDCRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
