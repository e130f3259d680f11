"""Maximum mean discrepancy of layers."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import Activations, Alignment, Layers
from ._gaussian import gaussian_mixture, median_bandwidth, pair_weights, squared_distances

__all__ = ["MMD", "gaussian_mmd2", "linear_mmd2"]


def linear_mmd2(xs: Tensor, xt: Tensor) -> Tensor:
    """Return the squared distance of the means of two samples."""
    return (xs.mean(0) - xt.mean(0)).square().sum()


def gaussian_mmd2(xs: Tensor, xt: Tensor, bandwidth: float | None = None) -> Tensor:
    """Return the biased estimate of two samples' squared MMD, by one Gaussian kernel.

    Parameters
    ----------
    xs, xt : Tensor of shape (n, n_features)
        The samples.
    bandwidth : float or None, default=None
        σ. None means the median distance, held constant for the gradient.

    Returns
    -------
    mmd2 : Tensor of shape ()
    """
    distances = squared_distances(torch.cat([xs, xt]))
    squared = median_bandwidth(distances) if bandwidth is None else bandwidth**2
    kernel = gaussian_mixture(distances, squared)
    weights = pair_weights(len(xs), len(xt), False, kernel.dtype, kernel.device)
    return weights @ (kernel - 1)


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
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. Ω is the sum over them. None means all hidden layers.

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
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        if kernel not in ("rbf", "linear"):
            raise ValueError(f"The kernel of MMD must be 'rbf' or 'linear'; got {kernel!r}.")
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"The bandwidth of MMD must be > 0 or None; got {bandwidth!r}.")
        self.kernel = kernel
        self.bandwidth = bandwidth

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the sum of the layers' squared MMD."""
        pairs = zip(self.aligned(source), self.aligned(target))
        return torch.stack([self._mmd2(xs, xt) for xs, xt in pairs]).sum()

    def _mmd2(self, xs: Tensor, xt: Tensor) -> Tensor:
        if self.kernel == "linear":
            return linear_mmd2(xs, xt)
        return gaussian_mmd2(xs, xt, self.bandwidth)
