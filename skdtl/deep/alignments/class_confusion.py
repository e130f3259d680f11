"""Confusion of the classes by the target's predictions."""

from __future__ import annotations

import torch
from torch import Tensor

from ._base import Activations, Alignment

__all__ = ["MinimumClassConfusion", "class_confusion"]


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    """Return the mean share of a class's predictions that goes to other classes.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        What the network says of target rows.
    temperature : float
        By which they are divided first.

    Returns
    -------
    confusion : Tensor of shape ()
    """
    log_p = (logits / temperature).log_softmax(1)
    p = log_p.exp()
    with torch.no_grad():
        weights = 1 + (p * log_p).sum(1, keepdim=True).exp()
    mass = weights * p
    confused = (mass * (1 - p)).sum(0)
    # A class without any probability confuses nothing.
    total = mass.sum(0).clamp(min=torch.finfo(p.dtype).tiny)
    return (confused / total).mean()


class MinimumClassConfusion(Alignment):
    """Class confusion: let no two classes share the predictions of target rows.

    With p_i = softmax(logits_i / T) of target row i, and rows that are less uncertain counting
    more, w_i = n (1 + exp(-H(p_i))) / Σ_j (1 + exp(-H(p_j))), the classes' correlation is
    C = Pᵀ diag(w) P. Each of its rows is divided by its sum, and Ω is the sum of what is off the
    diagonal, divided by the number of classes: the mean share of a class's predictions that goes
    to other classes, from 0 to 1 - 1/n_classes. The source is not looked at. It needs classes.

    The history records Ω as ``class_confusion``.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    temperature : float, default=2.5
        T, more than 0. More makes the probabilities flatter, so that also predictions that are
        certain already take part.

    Notes
    -----
    The rows of P sum to 1, so the sum of C's row k is Σ_i w_i p_ik, and
    Ω = mean_k  Σ_i w_i p_ik (1 - p_ik) / Σ_i w_i p_ik:  C itself is never formed, and the factor
    n / Σ_j of the weights cancels. The weights are held constant for the gradient. The paper
    doesn't say so, but its authors' published code does it.

    References
    ----------
    Jin, Wang, Long, Wang. Minimum class confusion for versatile domain adaptation. ECCV 2020
    (section 3).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, MinimumClassConfusion
    >>> target = Activations((), torch.zeros(3, 4), None)  # four classes, nothing but doubt
    >>> MinimumClassConfusion()(target, target)
    tensor(0.7500)
    """

    name = "class_confusion"
    needs_classes = True

    def __init__(self, weight: float = 1.0, temperature: float = 2.5):
        super().__init__(weight)
        if not temperature > 0:
            raise ValueError(
                f"The temperature of MinimumClassConfusion must be > 0; got {temperature!r}."
            )
        self.temperature = temperature

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the mean share of a class's predictions that goes to other classes."""
        return class_confusion(target.output, self.temperature)
