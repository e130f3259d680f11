"""Correlation alignment of layers, as DeepCORAL has it."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import Activations, Alignment

__all__ = ["CorrelationAlignment", "covariance_distance"]


def _covariance(x: Tensor) -> Tensor:
    """Return the unbiased covariance of the columns; that of a single row is 0."""
    x = x - x.mean(0)
    return x.T @ x / max(len(x) - 1, 1)


def covariance_distance(xs: Tensor, xt: Tensor) -> Tensor:
    """Return the squared distance of two samples' covariances, over 4 times their squared width."""
    difference = _covariance(xs) - _covariance(xt)
    return difference.square().sum() / (4 * xs.shape[1] ** 2)


class CorrelationAlignment(Alignment):
    """Correlation alignment: make the features vary together alike in both domains.

    Ω = ‖C_s - C_t‖²_F / (4 d²), where C_s and C_t are the unbiased covariance matrices of the
    batch's features and d is their number. The means do not enter. Ω depends on the scale of the
    features, by its fourth power: for features of small variance it is tiny.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    layers : int, "output", sequence of these or None, default=-1
        Which layers are aligned: hidden ones by their index, of which -1 is the last, or the
        network's output. Ω is the sum over them. None means all hidden layers.

    References
    ----------
    Sun, Saenko. Deep CORAL: correlation alignment for deep domain adaptation. ECCV workshops 2016
    (equations 1 to 3).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, CorrelationAlignment
    >>> source = Activations((torch.tensor([[0.0], [2.0]]),), torch.zeros(2, 2), None)
    >>> target = Activations((torch.tensor([[3.0], [7.0]]),), torch.zeros(2, 2), None)
    >>> CorrelationAlignment()(source, target)  # variances 2 and 8: 6² / 4
    tensor(9.)
    """

    name = "coral"

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the sum of the layers' distances between covariances."""
        pairs = zip(self.aligned(source), self.aligned(target))
        return torch.stack([covariance_distance(xs, xt) for xs, xt in pairs]).sum()
