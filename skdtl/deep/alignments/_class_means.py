"""Means per class that are kept over batches."""

from __future__ import annotations

from torch import Tensor

__all__ = ["update_class_means"]


def update_class_means(
    means: Tensor, counts: Tensor, rows: Tensor, y: Tensor, momentum: float
) -> None:
    """Let the rows of a batch count in running means, in place.

    Parameters
    ----------
    means : Tensor of shape (n_classes, n_features)
        Of a class without any row yet, 0.
    counts : Tensor of shape (n_classes,)
        How many rows stand behind each mean; past ones count less and less.
    rows : Tensor of shape (n, n_features)
        The batch, without a gradient.
    y : Tensor of shape (n,)
        Class codes, or -1 for a row that is left out.
    momentum : float
        The factor by which the past counts less in a class of which the batch has rows. A class
        that is not in the batch keeps its mean and its count, however rare it is.
    """
    labelled = (y >= 0).to(means.dtype)
    code = y.clamp(min=0)
    n = counts.new_zeros(counts.shape).index_add_(0, code, labelled)
    past = counts * (1 - (1 - momentum) * (n > 0))
    counts.copy_(past + n)
    total = counts.clamp(min=1e-12)  # past the first batch of a class it is at least 1
    means.mul_((past / total)[:, None])
    means.index_add_(0, code, rows.to(means.dtype) * (labelled / total[code])[:, None])
