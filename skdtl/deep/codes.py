"""Codes whose bits are signs: how rows are compared by them, and the network that keeps some."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .alignments.entropy import mean_entropy
from .heads import pairwise_loss
from .network import Network
from .terms import Needs, Step, Term, Unscheduled

__all__ = ["CodeEntropy", "CodeNetwork", "Quantization", "class_affinities", "quantization_loss"]


def quantization_loss(output: Tensor) -> Tensor:
    """Return the mean over rows and bits of the squared distance from the sign, (sign(u) - u)²."""
    return (output.abs() - 1).square().mean()


def class_affinities(output: Tensor, anchors: Tensor, y: Tensor) -> Tensor:
    """Return how well rows go with each class of some others, on a logarithmic scale.

    That is log mean_k exp⟨u, u_k⟩, k over the anchors of a class. Where all classes have equally
    many, the softmax of a row is the paper's p_j = Σ_{k in j} exp⟨u, u_k⟩ / Σ_k exp⟨u, u_k⟩.

    Parameters
    ----------
    output : Tensor of shape (n, n_bits)
        The rows' codes, before the sign is taken.
    anchors : Tensor of shape (n_anchors, n_bits)
        Those of rows whose class is known.
    y : Tensor of shape (n_anchors,)
        Their classes.

    Returns
    -------
    affinities : Tensor of shape (n, n_classes_there)
        A column for each class that has an anchor, in ascending order.
    """
    counts = y.unique(return_counts=True)[1].tolist()
    products = output @ anchors[y.argsort()].T
    columns = [part.logsumexp(1) - math.log(part.shape[1]) for part in products.split(counts, 1)]
    return torch.stack(columns, 1)


class Quantization(Unscheduled, Term):
    """Let the outputs of labelled rows lie near -1 or 1, so that little is lost with their signs.

    Parameters
    ----------
    weight : float, default=1.0
        The factor of Ω, 0 or more.
    """

    name = "quantization"

    def value(self, step: Step) -> Tensor:
        """Return the quantisation loss."""
        return quantization_loss(step.labelled.output)


class CodeEntropy(Term):
    """Let each target row's code go with the source's codes of one class alone.

    Ω is the mean entropy, over the batch's target rows without a label, of the probabilities that
    `class_affinities` give with the batch's source rows for anchors.

    Parameters
    ----------
    weight : float, default=1.0
        The term's own factor of λ, 0 or more.
    """

    name = "target_entropy"
    needs = Needs(target=True)

    def value(self, step: Step) -> Tensor:
        """Return the mean entropy."""
        assert step.other is not None  # as `needs` says
        source = step.labelled.output
        affinities = class_affinities(step.other.output, source, step.source_y)
        return mean_entropy(affinities, step.other.y)


class CodeNetwork(Network):
    """A network whose outputs are codes, and which keeps those of some source rows.

    These are the anchors, by which it tells the classes of other rows.

    Parameters
    ----------
    layers, make_head, example
        As any network's.
    n_classes, n_anchors : int
        For so many anchors of each class there is room.
    similar_weight : float
        How much a pair of one class counts in the loss; others count 1.

    Attributes
    ----------
    anchors : Tensor of shape (n_classes, n_anchors, n_bits)
        Outputs of source rows by class; zeros where a class has fewer.
    n_known : Tensor of shape (n_classes,), int
        How many it has.
    """

    anchors: Tensor
    n_known: Tensor

    def __init__(
        self, layers, make_head, example, n_classes: int, n_anchors: int, similar_weight: float
    ):
        super().__init__(layers, make_head, example)
        self.similar_weight = similar_weight
        self.register_buffer("anchors", torch.zeros(n_classes, n_anchors, self.n_outputs))
        self.register_buffer("n_known", torch.zeros(n_classes, dtype=torch.int64))

    def loss(self, output: Tensor, y: Tensor, domains: Tensor) -> Tensor:
        """Return the pairwise loss over the rows that have a label."""
        return pairwise_loss(output, y, self.similar_weight)

    def keep_anchors(self, output: Tensor, y: Tensor) -> None:
        """Take rows for anchors of their classes; those of other classes stay what they are."""
        for code in y.unique().tolist():
            own = output[y == code]
            self.anchors[code] = 0
            self.anchors[code, : len(own)] = own
            self.n_known[code] = len(own)

    def class_logits(self, output: Tensor) -> Tensor:
        """Return how well rows go with the anchors of each class; -inf where it has none."""
        there = torch.arange(self.anchors.shape[1], device=output.device) < self.n_known[:, None]
        y = there.nonzero()[:, 0]
        logits = output.new_full((len(output), len(there)), -math.inf)
        logits[:, y.unique()] = class_affinities(output, self.anchors[there].to(output), y)
        return logits
