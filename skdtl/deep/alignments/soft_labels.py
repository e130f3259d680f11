"""Soft labels: what the source teaches about which classes resemble each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..terms import Needs
from ._base import Activations, Alignment
from ._class_means import ClassMeans

__all__ = ["SoftLabels", "mean_soft_labels", "soft_cross_entropy"]


def mean_soft_labels(logits: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Return each class's soft label: the mean softened prediction of its rows, in float64.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        What a network that knows the classes says.
    y : Tensor of shape (n,)
        Class codes.
    temperature : float
        By which the logits are divided first.

    Returns
    -------
    soft_labels : Tensor of shape (n_classes, n_classes)
        Rows that sum to 1.
    """
    totals = torch.zeros(logits.shape[1], logits.shape[1], dtype=torch.float64)
    totals.index_add_(0, y, (logits / temperature).softmax(1).double())
    return totals / totals.sum(1, keepdim=True)


def soft_cross_entropy(
    logits: Tensor, y: Tensor, soft_labels: Tensor, seen: Tensor, temperature: float
) -> Tensor:
    """Return the mean cross-entropy of labelled rows to their classes' soft labels.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        What the network says.
    y : Tensor of shape (n,)
        Class codes, -1 where a row has none.
    soft_labels : Tensor of shape (n_classes, n_classes)
        Each class's soft label.
    seen : Tensor of shape (n_classes,), bool
        Which classes have one.
    temperature : float
        By which the logits are divided first.

    Returns
    -------
    loss : Tensor of shape ()
        0 where no row counts.
    """
    label = y.clamp(min=0)  # -1 stands for none; such rows get no weight below
    counts = (y >= 0) & seen[label]
    log_p = (logits / temperature).log_softmax(1)
    each = -(soft_labels[label] * log_p).sum(1)
    return (each * counts).sum() / counts.sum().clamp(min=1)


class SoftLabels(Alignment):
    """Soft labels: labelled target rows are predicted as their class is in the source.

    The soft label l of a class is the mean prediction of the source rows of that class, softened
    by a temperature τ: softmax(logits / τ). Ω = -Σ_k l_k log p_k, with p = softmax(logits / τ) of
    a labelled target row and l its class's soft label, averaged over the labelled target rows of
    the batch; 0 where there is none. l holds what classes resemble each other, so that a target
    row also teaches something about the classes that it is not of. Soft labels are held constant
    for the gradient. For classifiers; without target labels it does nothing.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    temperature : float, default=2.0
        τ, more than 0: the larger, the more the unlikely classes count.
    soft_labels : array-like of shape (n_classes, n_classes) or None, default=None
        The soft label of each class, a row that sums to 1, for example from a network that was
        trained on the source before. None takes the means over the source batches of the training
        itself, of which recent ones count more.
    momentum : float, default=0.9
        In [0, 1): how much the past counts in these means, from one batch with rows of a class to
        the next; used where `soft_labels` is None.

    References
    ----------
    Tzeng, Hoffman, Darrell, Saenko. Simultaneous deep transfer across domains and tasks.
    ICCV 2015 (section 3.2).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, SoftLabels
    >>> soft = SoftLabels(soft_labels=[[0.75, 0.25], [0.25, 0.75]])
    >>> soft.initialize([1], 2)
    >>> target = Activations((torch.zeros(2, 1),), torch.zeros(2, 2), torch.tensor([1, -1]))
    >>> round(soft(target, target).item(), 4)
    0.6931
    """

    name = "soft_label_loss"
    needs_classes = True

    @property
    def needs(self) -> Needs:
        """Classes, and of the target's rows those with a label."""
        return super().needs._replace(labels_alone=True)

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 2.0,
        soft_labels: Any = None,
        momentum: float = 0.9,
    ):
        super().__init__(weight)
        if not temperature > 0:
            raise ValueError(f"The temperature of SoftLabels must be > 0; got {temperature!r}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"The momentum of SoftLabels must be in [0, 1); got {momentum!r}.")
        self.temperature = temperature
        self.soft_labels = soft_labels
        self.momentum = momentum

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the table of soft labels."""
        self.predicted = ClassMeans(n_outputs, n_outputs, self.momentum)
        if self.soft_labels is not None:
            given = torch.as_tensor(self.soft_labels, dtype=torch.float32)
            if given.shape != (n_outputs, n_outputs):
                raise ValueError(
                    f"soft_labels has the shape {tuple(given.shape)}, but there are {n_outputs} "
                    "classes."
                )
            self.predicted.update(given, torch.arange(n_outputs))

    def before_step(self, source: Activations, target: Activations) -> None:
        """Let the batch's source rows count in the soft labels."""
        if self.soft_labels is None and source.y is not None:
            self.predicted.update((source.output / self.temperature).softmax(1), source.y)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the mean cross-entropy to the soft labels over the labelled target rows."""
        if target.y is None:
            return target.output.new_zeros(())
        soft_labels, seen = self.predicted.means(), self.predicted.seen()
        return soft_cross_entropy(target.output, target.y, soft_labels, seen, self.temperature)
