"""Means per class that are kept over batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ClassMeans"]


class ClassMeans(nn.Module):
    """The mean row of each class over recent batches.

    Parameters
    ----------
    n_classes, n_features : int
        Their shape.
    momentum : float
        The factor by which the past counts less in a class of which a batch has rows. A class
        that is not in a batch keeps its mean and its weight, however rare it is.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, n_classes: int, n_features: int, momentum: float):
        super().__init__()
        self.momentum = momentum
        # The last entry gathers the rows without a label, whose code is -1.
        self.register_buffer("sums", torch.zeros(n_classes + 1, n_features))
        self.register_buffer("counts", torch.zeros(n_classes + 1))

    def update(self, rows: Tensor, y: Tensor) -> None:
        """Let the rows of a batch count; `y` holds their class codes, -1 where there is none."""
        code = y.remainder(len(self.counts))
        new = torch.zeros_like(self.counts).index_add_(0, code, self.counts.new_ones(len(y)))
        kept = torch.where(new > 0, self.momentum, 1.0).to(new.dtype)
        self.counts.mul_(kept).add_(new)
        self.sums.mul_(kept[:, None]).index_add_(0, code, rows.to(self.sums.dtype))

    def means(self) -> Tensor:
        """Return the means, of shape (n_classes, n_features); 0 for classes without any row."""
        return self.sums[:-1] / self.counts[:-1, None].clamp(min=1)

    def seen(self) -> Tensor:
        """Tell of which classes there were rows."""
        return self.counts[:-1] > 0
