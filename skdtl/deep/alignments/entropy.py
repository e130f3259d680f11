"""Entropy of the target's predictions."""

from __future__ import annotations

from torch import Tensor

from ._base import Activations, Alignment

__all__ = ["TargetEntropy", "mean_entropy"]


def mean_entropy(logits: Tensor, y: Tensor | None) -> Tensor:
    """Return the mean entropy of the predictions of rows without a label.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        What the network says.
    y : Tensor of shape (n,) or None
        Class codes, -1 where a row has none; None where no row has one.

    Returns
    -------
    entropy : Tensor of shape ()
    """
    log_p = logits.log_softmax(1)
    entropy = -(log_p.exp() * log_p).sum(1)
    if y is None:
        return entropy.mean()
    unlabelled = y == -1
    return (entropy * unlabelled).sum() / unlabelled.sum().clamp(min=1)


class TargetEntropy(Alignment):
    """Entropy of the target's predictions: make the network decide on target rows.

    Ω is the mean of  H(p) = -Σ_k p_k log p_k  over the batch's target rows without a label, p the
    class probabilities. It drives the boundaries between the classes out of the regions in which
    target rows lie; the source is not looked at. On its own it makes a wrong prediction as certain
    as a right one, and one class for all rows has no entropy at all: combine it with an alignment,
    and keep its weight small, such as 0.1. It needs classes: a regressor's output has no entropy.

    The history records Ω as ``target_entropy``, log(n_classes) at most.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.

    References
    ----------
    Grandvalet, Bengio. Semi-supervised learning by entropy minimization. Advances in Neural
    Information Processing Systems 17, 2004.

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, TargetEntropy
    >>> logits = torch.tensor([[0.0, 0.0], [0.0, 100.0]])
    >>> target = Activations((), logits, None)
    >>> TargetEntropy()(target, target)  # log(2) / 2
    tensor(0.3466)
    """

    name = "target_entropy"
    needs_classes = True

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the mean entropy of the predictions of target rows without a label."""
        return mean_entropy(target.output, target.y)
