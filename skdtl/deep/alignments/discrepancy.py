"""Two classifiers that must not disagree on the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._base import Activations, Alignment, Step

__all__ = ["ClassifierDiscrepancy"]


class ClassifierDiscrepancy(Alignment):
    """Discrepancy of two classifiers: move the features to where both say the same.

    The alignment has a second classifier on the features of the last hidden layer. Ω is how much
    the two disagree on target rows: the mean of ``|p - p'|`` over rows and classes. Every batch is
    used three times: (A) the network and both classifiers learn the labelled rows; (B) the
    classifiers alone learn them again while they increase λΩ, and so find target rows far from the
    source; (C) the layers below alone decrease λΩ, `n_generator_steps` times. With λ = 0 the second
    classifier learns from features that do not heed it, and B and C are left out.

    The history records Ω before the step as ``discrepancy`` and the second classifier's
    cross-entropy, which is part of ``train_loss``, as ``second_task_loss``. It needs classes.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    n_generator_steps : int, default=4
        How often C is made for each batch; 1 or more.

    References
    ----------
    Saito, Watanabe, Ushiku, Harada. Maximum classifier discrepancy for unsupervised domain
    adaptation. CVPR 2018 (section 3).
    """

    name = "discrepancy"
    needs_classes = True
    has_learnt: Tensor

    def __init__(self, weight: float = 1.0, n_generator_steps: int = 4):
        super().__init__(weight)
        if not n_generator_steps >= 1:
            raise ValueError(
                "The n_generator_steps of ClassifierDiscrepancy must be >= 1; got "
                f"{n_generator_steps!r}."
            )
        self.n_generator_steps = n_generator_steps

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the second classifier."""
        self.second_head = nn.Linear(widths[-1], n_outputs)
        # Whether the second classifier has learnt: without a target it does not.
        self.register_buffer("has_learnt", torch.zeros((), dtype=torch.bool))

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the mean difference of the two classifiers' probabilities on the target."""
        return _difference(target.output, self.second_head(target.features[-1]))

    def penalty(self, source: Activations, target: Activations, lam: float) -> Tensor:
        """Return the second classifier's task loss; λ acts in `after_step`."""
        sides = [source.features[-1], target.features[-1]]
        if not lam:
            sides = [features.detach() for features in sides]
        outputs = [self.second_head(features) for features in sides]
        loss = _task_loss(outputs, cast(Tensor, source.y), target.y)
        self.has_learnt.fill_(True)
        with torch.no_grad():
            self.observed[self.name] = _difference(target.output, outputs[1])
        self.observed["second_task_loss"] = loss.detach()
        return loss

    def after_step(self, step: Step) -> None:
        """Make the steps B and C."""
        if not step.lam:
            return
        heads = [*step.network.head.parameters(), *self.second_head.parameters()]
        known = {id(parameter) for parameter in heads}
        below = [p for p in step.network.parameters() if p.requires_grad and id(p) not in known]

        first, second = self._outputs(step)
        loss = sum(_task_loss(outputs, step.source_y, step.target_y) for outputs in (first, second))
        loss = loss - step.lam * _difference(first[1], second[1])
        self._move(step, loss, heads)
        for _ in range(self.n_generator_steps if below else 0):
            first, second = self._outputs(step)
            self._move(step, step.lam * _difference(first[1], second[1]), below)

    def _outputs(self, step: Step) -> tuple[list[Tensor], list[Tensor]]:
        """Return both classifiers' logits of the source and of the target."""
        n = len(step.source_rows)
        rows = torch.cat([step.source_rows, step.target_rows])
        features, first = step.network.activations(rows, step.domains)
        second = self.second_head(features[-1])
        return [first[:n], first[n:]], [second[:n], second[n:]]

    def _move(self, step: Step, loss: Tensor, parameters: list[nn.Parameter]) -> None:
        """Make a step of the network's optimiser that moves these parameters alone."""
        step.optimizer.zero_grad()
        loss.backward(inputs=parameters)
        step.optimizer.step()


def _difference(first: Tensor, second: Tensor) -> Tensor:
    return (first.softmax(1) - second.softmax(1)).abs().mean()


def _task_loss(outputs: Sequence[Tensor], source_y: Tensor, target_y: Tensor | None) -> Tensor:
    """Return the mean cross-entropy over the rows of both domains that have a label."""
    source, target = outputs
    if target_y is None:
        return F.cross_entropy(source, source_y)
    joined = torch.cat([source_y, target_y])
    return F.cross_entropy(torch.cat([source, target]), joined, ignore_index=-1)
