"""Co-Tuning: the source's classes help to learn the target's."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..batches import Side
from ..heads import Head
from ..network import Network
from ..terms import Needs, Step, Term

__all__ = ["CoTuning", "class_relation"]


def class_relation(logits: Tensor, y: Tensor, n_classes: int, temperature: float) -> Tensor:
    """Return p(source class | target class): the mean prediction of each target class's rows.

    Parameters
    ----------
    logits : Tensor of shape (n, n_source_classes)
        What the source's head says of target rows.
    y : Tensor of shape (n,)
        The codes of their classes, -1 where a row has no label.
    n_classes : int
        How many classes the target has.
    temperature : float
        By which logits are divided before the softmax.

    Returns
    -------
    relation : Tensor of shape (n_classes, n_source_classes)
        Rows sum to 1; that of a class without a row is uniform.
    """
    p = (logits / temperature).softmax(1)
    member = (torch.arange(n_classes, device=y.device)[:, None] == y).to(p.dtype)
    counts = member.sum(1, keepdim=True)
    uniform = torch.full_like(p[:1], 1 / p.shape[1])
    return torch.where(counts > 0, member @ p / counts.clamp(min=1), uniform)


class CoTuning(Term):
    """Co-Tuning: the source's head goes on learning, by what the target's classes look like to it.

    Before the training begins, the source's head says of the labelled target rows which source
    classes they look like; the mean over the rows of a class is its relation to the source's
    classes, p(y_s | y_t). Ω is the cross-entropy between this and what the source's head, which is
    trained further, says of a row of the class. So all of what was pre-trained serves as a start,
    the head too, which fine-tuning to other classes throws away. It needs a first stage on the
    source, whose head the network has; for classes.

    The history records Ω as ``source_cross_entropy``.

    Parameters
    ----------
    weight : float, default=2.3
        This term's own factor of λ; 0 or more.
    temperature : float, default=1.0
        More than 0. Networks are often more certain than they are right. The paper calibrates the
        source's head on source rows that were held out; the temperature that does it can be given
        here.

    References
    ----------
    You, Kou, Long, Wang. Co-Tuning for transfer learning. NeurIPS 2020 (equations 2 and 4, the
    direct approach to the relation).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep.regularizers.co_tuning import class_relation
    >>> logits = torch.tensor([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
    >>> class_relation(logits, torch.tensor([0, 0, 1]), 2, temperature=1.0).round(decimals=4)
    tensor([[0.7500, 0.2500],
            [0.0000, 1.0000]])
    """

    name = "source_cross_entropy"
    relation: Tensor
    needs = Needs(classes=True)

    def __init__(self, weight: float = 2.3, temperature: float = 1.0):
        super().__init__(weight)
        if not temperature > 0:
            raise ValueError(f"The temperature of CoTuning must be > 0; got {temperature!r}.")
        self.temperature = temperature

    def attach(self, network: Network) -> None:
        """Take the source's head."""
        learnt = network.head if network.learnt_head else network.source_head
        if learnt is None:
            raise ValueError(
                "CoTuning needs a head that has learnt the source's classes: fit with source rows "
                "(Xs, ys); a pre-trained module has none."
            )
        self.source_head: Head = copy.deepcopy(learnt).requires_grad_(True)
        shape = network.head.out_features, learnt.out_features
        self.register_buffer("relation", learnt.weight.new_full(shape, 1 / shape[1]))

    def begin(self, network: Network, rows: Iterable[Side]) -> None:
        """Learn how the target's classes relate to the source's."""
        network.eval()
        with torch.no_grad():
            pairs = [(self.source_head(network.features(x)[-1]), y) for x, y, _ in rows]
        network.train()
        logits, y = (torch.cat(parts) for parts in zip(*pairs))
        relation = class_relation(logits, y, len(self.relation), self.temperature)
        self.relation.copy_(relation)

    def value(self, step: Step) -> Tensor:
        """Return the cross-entropy of the source's head."""
        y = step.source_y
        known = y >= 0
        logits = self.source_head(step.labelled.features[-1][known])
        return F.cross_entropy(logits, self.relation[y[known]])
