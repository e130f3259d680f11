"""Alignment losses Ω: how far apart the network still sees the two domains.

A network is trained on  L = L_task + λ Σ_k w_k Ω_k(source, target).  Each Ω of a paper is one small
module here; they can be combined freely.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MMD", "Activations", "Alignment", "DomainAdversary", "reverse_gradient"]


class Activations(NamedTuple):
    """What the network computed for the rows of one domain in one batch.

    Attributes
    ----------
    features : tuple of Tensor of shape (n, width of the layer)
        The output of every hidden layer, the last of which is the bottleneck.
    output : Tensor of shape (n, n_outputs)
        Class logits, or a regressor's standardised prediction in one column.
    y : Tensor of shape (n,) or None
        Class codes, or standardised labels; -1 or NaN where a row has none. None where no row of
        the domain has a label.
    """

    features: tuple[Tensor, ...]
    output: Tensor
    y: Tensor | None

    def detach(self) -> Activations:
        """Return the same activations, through which no gradient reaches the network."""
        return Activations(tuple(f.detach() for f in self.features), self.output.detach(), self.y)


class Alignment(nn.Module):
    """Base class of the alignment losses: write ``forward(source, target)``, a scalar Ω.

    The object that a user gives is a specification; every fit works on a deep copy of it.

    Parameters
    ----------
    weight : float, default=1.0
        The alignment's own w_k, by which the estimator's λ is multiplied; 0 or more.
    layer : int, default=-1
        Which hidden layer is aligned; -1 is the last one.

    Attributes
    ----------
    observed : dict of str to Tensor
        What the last batch's values were; the history records their mean over every epoch.
    """

    name = "alignment"

    def __init__(self, weight: float = 1.0, layer: int = -1):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"The weight of {type(self).__name__} must be >= 0; got {weight!r}.")
        self.weight = weight
        self.layer = layer
        self.observed: dict[str, Tensor] = {}

    def extra_repr(self) -> str:
        """Show the hyper-parameters, as an estimator's repr does."""
        names = signature(type(self)).parameters
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the parameters that depend on the network; called once, before training.

        Parameters
        ----------
        widths : sequence of int
            The widths of the hidden layers.
        n_outputs : int
            The number of classes, or 1 for a regressor.
        """

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return Ω, a scalar that is small where the two domains look alike."""
        raise NotImplementedError

    def before_step(self, source: Activations, target: Activations) -> None:
        """Train what is trained in turn with the network; called on detached activations.

        The hook for alternating schemes (critics and the like): such an alignment keeps an
        optimiser of its own, steps it here, and leaves its parameters without gradients and with
        ``requires_grad`` off, so that the network's optimiser doesn't touch them.
        """

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return what is added to the loss: λ Ω. `lam` is the product λ w_k."""
        with nullcontext() if lam else torch.no_grad():  # without weight it is only observed
            omega = self(source, target)
        self.observed[self.name] = omega.detach()
        return lam * omega


class MMD(Alignment):
    """Maximum mean discrepancy: pull the mean embeddings of the two domains together.

    Ω = ‖mean φ(source) - mean φ(target)‖², where φ belongs to the kernel k: the biased estimate
    (V-statistic)  mean k(s, s') + mean k(t, t') - 2 mean k(s, t),  in which the means run over all
    pairs, a row with itself included. It is never negative, and 0 for equal batches.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    kernel : {"rbf", "linear"}, default="rbf"
        "linear" is φ(x) = x: the squared distance between the mean features, as DDC has it.
        "rbf" is k(x, y) = exp(-‖x - y‖² / (2 σ²)), which sees every difference between two
        distributions.
    bandwidth : float or None, default=None
        σ of the Gaussian, more than 0. None means the median heuristic: the median distance
        between two different rows of the joint batch, found anew in every batch and held
        constant for the gradient.
    layer : int, default=-1
        Which hidden layer is aligned; -1 is the last one.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf, Smola. A kernel two-sample test. Journal of Machine
    Learning Research 13, 2012 (equation 5; section 8 for the median heuristic).

    Tzeng, Hoffman, Zhang, Saenko, Darrell. Deep domain confusion: maximizing for domain
    invariance. arXiv:1412.3474, 2014 (equation 1, for the linear kernel).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import MMD, Activations
    >>> source = Activations((torch.tensor([[0.0], [2.0]]),), torch.zeros(2, 2), None)
    >>> target = Activations((torch.tensor([[3.0], [5.0]]),), torch.zeros(2, 2), None)
    >>> MMD(kernel="linear")(source, target)
    tensor(9.)
    """

    name = "mmd"

    def __init__(
        self,
        weight: float = 1.0,
        kernel: str = "rbf",
        bandwidth: float | None = None,
        layer: int = -1,
    ):
        super().__init__(weight, layer)
        if kernel not in ("rbf", "linear"):
            raise ValueError(f"The kernel of MMD must be 'rbf' or 'linear'; got {kernel!r}.")
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"The bandwidth of MMD must be > 0 or None; got {bandwidth!r}.")
        self.kernel = kernel
        self.bandwidth = bandwidth

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the squared MMD of the layer's features."""
        xs, xt = source.features[self.layer], target.features[self.layer]
        if self.kernel == "linear":
            return (xs.mean(0) - xt.mean(0)).square().sum()
        x = torch.cat([xs, xt])
        x = x - x.detach().mean(0)  # k doesn't change, but ‖x‖² + ‖y‖² - 2xy loses fewer digits
        squares = x.square().sum(1)
        distances = (squares[:, None] + squares - 2 * (x @ x.T)).clamp(min=0)
        k = torch.exp(distances / (-2 * self._squared_bandwidth(distances.detach())))
        n = len(xs)
        return k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean()

    def _squared_bandwidth(self, distances: Tensor):
        if self.bandwidth is not None:
            return self.bandwidth**2
        n = len(distances)
        first, second = torch.triu_indices(n, n, 1, device=distances.device)
        median = distances[first, second].median()
        return median.clamp(min=torch.finfo(median.dtype).tiny)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


def reverse_gradient(x: Tensor, lam: float) -> Tensor:
    """Return x itself, but multiply the gradient that flows back through it by -λ."""
    return _Reverse.apply(x, lam)


class DomainAdversary(Alignment):
    """Domain adversary: a discriminator learns to tell the domains apart, the network to fool it.

    Ω = mean BCE(D(source), 1) + mean BCE(D(target), 0), the discriminator D a small network on the
    features, behind a gradient reversal layer. So one backward pass trains D to make Ω small and
    the network to make it large. λ multiplies the reversed gradient alone: D itself always trains
    at full strength, and with λ = 0 it watches a network that does not heed it.

    The history records Ω as ``domain_loss`` (2 ln 2 = 1.39 where D can't tell) and the share of
    rows that D assigns to the right domain, the mean of both domains' shares, as
    ``domain_accuracy`` (0.5 where D can't tell).

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    hidden_layer_sizes : sequence of int, default=(100,)
        The discriminator's hidden layers; () makes it logistic regression.
    layer : int, default=-1
        Which hidden layer is aligned; -1 is the last one.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky.
    Domain-adversarial training of neural networks. Journal of Machine Learning Research 17, 2016
    (equations 9, 10 and 18).
    """

    name = "domain_loss"

    def __init__(
        self, weight: float = 1.0, hidden_layer_sizes: Sequence[int] = (100,), layer: int = -1
    ):
        super().__init__(weight, layer)
        self.hidden_layer_sizes = hidden_layer_sizes

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the discriminator."""
        layers: list[nn.Module] = []
        width = widths[self.layer]
        for size in self.hidden_layer_sizes:
            layers += [nn.Linear(width, size), nn.ReLU()]
            width = size
        self.discriminator = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the discriminator's loss on the layer's features, without any reversal."""
        return self._loss(source.features[self.layer], target.features[self.layer], None)

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return Ω behind a gradient reversal of strength `lam`."""
        omega = self._loss(source.features[self.layer], target.features[self.layer], lam)
        self.observed[self.name] = omega.detach()
        return omega

    def _loss(self, xs: Tensor, xt: Tensor, lam: float | None) -> Tensor:
        x = torch.cat([xs, xt])
        logits = self.discriminator(x if lam is None else reverse_gradient(x, lam))[:, 0]
        source, target = logits.split_with_sizes([len(xs), len(xt)])
        with torch.no_grad():
            right = (source > 0).float().mean() + (target <= 0).float().mean()
            self.observed["domain_accuracy"] = right / 2
        # softplus(-z) = BCE(z, 1) and softplus(z) = BCE(z, 0)
        return F.softplus(-source).mean() + F.softplus(target).mean()
