"""Maximum mean discrepancy by a weighted sum of Gaussians, as DAN has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.optimize
import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from ._gaussian import (
    check_multipliers,
    gaussian_mixture,
    median_bandwidth,
    pair_weights,
    squared_distances,
)

__all__ = ["MultiKernelMMD", "multi_kernel_mmd2", "optimal_kernel_weights"]

MULTIPLIERS = tuple(2.0**power for power in range(-8, 9))

# The ε of Q + εI. Kernels have values of up to 1.
_RIDGE = 1e-4


def optimal_kernel_weights(mmd2: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the kernel weights β that maximise the squared MMD over its standard deviation.

    β minimises β'(Q + εI)β among those of d'β = 1 and β >= 0, and is then scaled to sum up to 1.
    Where no kernel's d is positive, no such β exists; then all weight is on the kernel with the
    greatest d_u / (Q_uu + ε)^0.5, to which the problem with d'β = -1 leads.

    Parameters
    ----------
    mmd2 : ndarray of shape (n_kernels,)
        d, the unbiased estimate of each kernel's squared MMD.
    covariance : ndarray of shape (n_kernels, n_kernels)
        Q, the covariance of the terms h whose means the d are.

    Returns
    -------
    weights : ndarray of shape (n_kernels,)
    """
    Q = covariance + _RIDGE * np.eye(len(mmd2))
    if mmd2.max() <= 0:
        return np.eye(len(mmd2))[np.argmax(mmd2 / np.sqrt(Q.diagonal()))]
    # The ratio does not depend on the scale of β, so min β'Qβ/2 - d'β over β >= 0 has the same
    # direction: with Q = RʹR this is least squares, |Rβ - R'⁻¹d|, by an active-set method.
    d = mmd2 / mmd2.max()
    R = scipy.linalg.cholesky(Q)
    weights = scipy.optimize.nnls(R, scipy.linalg.solve_triangular(R, d, trans="T"))[0]
    return weights / weights.sum()


def _quadruple_distances(xs: Tensor, xt: Tensor) -> Tensor:
    """Return ‖s1 - s2‖², ‖t1 - t2‖², ‖s1 - t2‖² and ‖s2 - t1‖² of each quadruple, in 4 rows."""
    n = 2 * (min(len(xs), len(xt)) // 2)
    s1, s2, t1, t2 = xs[0:n:2], xs[1:n:2], xt[0:n:2], xt[1:n:2]
    return torch.stack([s1 - s2, t1 - t2, s1 - t2, s2 - t1]).square().sum(2)


def _h(kernel: Tensor) -> Tensor:
    """Return k(s1, s2) + k(t1, t2) - k(s1, t2) - k(s2, t1) of each quadruple."""
    return kernel[0] + kernel[1] - kernel[2] - kernel[3]


def multi_kernel_mmd2(
    xs: Tensor, xt: Tensor, multipliers: Sequence[float], beta: Sequence[float], estimate: str
) -> Tensor:
    """Return an estimate of two samples' squared MMD by a weighted sum of Gaussians.

    Parameters
    ----------
    xs, xt : Tensor of shape (n, n_features)
        The samples.
    multipliers : sequence of float
        Which multiples of the squared median distance the squared widths are.
    beta : sequence of float
        The kernels' weights.
    estimate : {"biased", "unbiased", "linear"}
        Over all pairs of rows, a row with itself or not, or over quadruples.

    Returns
    -------
    mmd2 : Tensor of shape ()
    """
    if estimate == "linear":
        distances = _quadruple_distances(xs, xt)
        if not distances.numel():  # a single row
            return xs.sum() * 0
    else:
        distances = squared_distances(torch.cat([xs, xt]))
    kernel = gaussian_mixture(distances, median_bandwidth(distances), multipliers, beta)
    if estimate == "linear":
        return _h(kernel).mean()
    unbiased = estimate == "unbiased"
    weights = pair_weights(len(xs), len(xt), unbiased, kernel.dtype, kernel.device)
    return weights @ (kernel - 1)


class MultiKernelMMD(Alignment):
    """Maximum mean discrepancy by a sum of Gaussians of many widths, weighted to see the shift.

    Ω = Σ_layers ‖mean φ(source) - mean φ(target)‖², where φ belongs to k = Σ_u β_u k_u with
    k_u(x, y) = exp(-‖x - y‖² / (2 m_u σ²)), σ the median distance between two different rows of the
    joint batch, found anew in every batch and held constant for the gradient; each layer has its
    own. So the kernels are as wide as the features are, whatever their scale, and no scaling of
    the features makes Ω smaller.

    All kernels come from one matrix of distances and mostly from each other: where the multipliers
    are powers of 2, 17 kernels cost about a third more than one.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    bandwidth_multipliers : sequence of float, default=(2**-8, 2**-7, ..., 2**8)
        The m_u: which multiples of the squared median distance the kernels' squared widths are;
        more than 0.
    kernel_weights : {"optimal", "uniform"}, default="optimal"
        "optimal" chooses the β_u of every layer that maximise the ratio of its squared MMD to the
        estimate's standard deviation: the kernels that tell the domains apart most surely.
        They are uniform until they are chosen for the first time. They sum up to 1.
    update_every : int, default=20
        After how many batches the optimal weights are chosen again, by the rows that these
        batches held; 1 or more. In between they stay.
    estimate : {"biased", "unbiased", "linear"}, default="unbiased"
        "biased" and "unbiased" compare all pairs of rows, a row with itself or not. The biased
        estimate is 0 for equal batches and never negative, but the larger the narrower the kernels
        and the smaller the batches. "linear" is unbiased too, and compares each row with two
        others only, in quadruples of two rows of each domain: it costs the least, and is the
        noisiest.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. Ω is the sum over them. None means all hidden layers.

    Attributes
    ----------
    beta : list of list of float
        The β_u of every layer; set by ``initialize``. They are part of the ``state_dict``.

    References
    ----------
    Long, Cao, Wang, Jordan. Learning transferable features with deep adaptation networks. ICML 2015
    (section 3).

    Gretton, Sriperumbudur, Sejdinovic, Strathmann, Balakrishnan, Pontil, Fukumizu. Optimal kernel
    choice for large-scale two-sample tests. NIPS 2012 (section 2 for h, section 3 for the weights).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, MultiKernelMMD
    >>> source = Activations((torch.tensor([[0.0], [2.0]]),), torch.zeros(2, 2), None)
    >>> target = Activations((torch.tensor([[3.0], [5.0]]),), torch.zeros(2, 2), None)
    >>> MultiKernelMMD()(source, target) > MultiKernelMMD()(source, source)
    tensor(True)
    """

    name = "mmd"
    has_learnt: Tensor
    _beta: Tensor

    def __init__(
        self,
        weight: float = 1.0,
        bandwidth_multipliers: Sequence[float] = MULTIPLIERS,
        kernel_weights: str = "optimal",
        update_every: int = 20,
        estimate: str = "unbiased",
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        check_multipliers("MultiKernelMMD", bandwidth_multipliers)
        if kernel_weights not in ("optimal", "uniform"):
            raise ValueError(
                "The kernel_weights of MultiKernelMMD must be 'optimal' or 'uniform'; "
                f"got {kernel_weights!r}."
            )
        if update_every < 1:
            raise ValueError(
                f"The update_every of MultiKernelMMD must be >= 1; got {update_every!r}."
            )
        if estimate not in ("biased", "unbiased", "linear"):
            raise ValueError(
                "The estimate of MultiKernelMMD must be 'biased', 'unbiased' or 'linear'; "
                f"got {estimate!r}."
            )
        self.bandwidth_multipliers = bandwidth_multipliers
        self.kernel_weights = kernel_weights
        self.update_every = update_every
        self.estimate = estimate
        self._begin(0)

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Begin with uniform weights."""
        self._begin(len(widths))

    def _begin(self, n_layers: int) -> None:
        n_kernels = len(self.bandwidth_multipliers)
        self.beta = [[1 / n_kernels] * n_kernels for _ in self.each_layer(n_layers)]
        # Whether batches of two domains have been seen: without a target there are none.
        self.register_buffer("has_learnt", torch.zeros((), dtype=torch.bool))
        self._forget()

    @property
    def beta(self) -> list[list[float]]:
        """The β_u of every layer."""
        return self._beta.tolist()

    @beta.setter
    def beta(self, weights: Sequence[Sequence[float]]) -> None:
        self.register_buffer("_beta", torch.tensor(weights, dtype=torch.float64))

    def _forget(self) -> None:
        self._n_batches = 0
        self._terms: list[list[Tensor]] = [[] for _ in range(len(self._beta))]

    def before_step(self, source: Activations, target: Activations) -> None:
        """Note how well each kernel tells the domains apart, and choose the weights in time."""
        self.has_learnt.fill_(True)
        if self.kernel_weights == "uniform":
            return
        for terms, xs, xt in zip(self._terms, self.aligned(source), self.aligned(target)):
            distances = _quadruple_distances(xs, xt)
            if distances.numel():
                multipliers = distances.new_tensor(self.bandwidth_multipliers)
                widths = 2 * median_bandwidth(distances) * multipliers
                kernels = torch.exp(distances[:, :, None] / -widths)
                terms.append(_h(kernels))
        self._n_batches += 1
        if self._n_batches == self.update_every:
            for layer, terms in enumerate(self._terms):
                if terms:
                    h = torch.cat(terms).double().cpu().numpy()
                    covariance = np.atleast_2d(np.cov(h, rowvar=False, bias=True))
                    weights = optimal_kernel_weights(h.mean(0), covariance)
                    self._beta[layer] = torch.as_tensor(weights)
            self._forget()

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the sum of the layers' squared MMD."""
        layers = zip(self.aligned(source), self.aligned(target), self.beta)
        return torch.stack(
            [
                multi_kernel_mmd2(xs, xt, self.bandwidth_multipliers, beta, self.estimate)
                for xs, xt, beta in layers
            ]
        ).sum()
