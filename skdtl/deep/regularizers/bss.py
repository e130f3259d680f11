"""BSS: batch spectral shrinkage."""

from __future__ import annotations

import torch
from torch import Tensor

from ..terms import Step, Term

__all__ = ["BSS", "smallest_singular_values"]


def smallest_singular_values(features: Tensor, n_values: int) -> Tensor:
    """Return the sum of the squares of the smallest singular values of a batch's features.

    Parameters
    ----------
    features : Tensor of shape (n, n_features)
        The features of a batch, as they are: not centred.
    n_values : int
        How many singular values, of the min(n, n_features) there are.

    Returns
    -------
    sum : Tensor of shape ()
    """
    return torch.linalg.svdvals(features)[-n_values:].square().sum()


class BSS(Term):
    """Batch spectral shrinkage: let go of what the target has no use for.

    Ω is the sum of the squares of the `n_values` smallest singular values of the last hidden
    layer's features in a batch, of the labelled rows. Directions of features that hardly vary on
    the target's rows are those that carry over least from the source; with few labelled rows they
    are fitted to chance. Batches must be larger than the directions are many for this to differ
    from a penalty on the batch's own accidents: see the features' number.

    The history records Ω as ``spectrum_tail``.

    Parameters
    ----------
    weight : float, default=0.001
        This term's own factor η of λ; 0 or more.
    n_values : int, default=1
        How many singular values are penalised, 1 or more.

    References
    ----------
    Chen, Wang, Fu, Long, Wang. Catastrophic forgetting meets negative transfer: batch spectral
    shrinkage for safe transfer learning. NeurIPS 2019 (equation 4).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep.regularizers.bss import smallest_singular_values
    >>> smallest_singular_values(torch.diag(torch.tensor([3.0, 1.0, 2.0])), 2)
    tensor(5.)
    """

    name = "spectrum_tail"

    def __init__(self, weight: float = 0.001, n_values: int = 1):
        super().__init__(weight)
        if not n_values >= 1:
            raise ValueError(f"The n_values of BSS must be >= 1; got {n_values!r}.")
        self.n_values = n_values

    def value(self, step: Step) -> Tensor:
        """Return the penalty of a batch."""
        return smallest_singular_values(step.labelled.features[-1], self.n_values)
