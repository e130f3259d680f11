"""Similarity to class centres: a row without a label should resemble one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._base import Activations, Alignment, Layers
from ._class_means import ClassMeans

__all__ = ["ClassCentreSimilarity", "centre_similarities"]


def centre_similarities(
    x: Tensor, centres: Tensor, seen: Tensor, similarity: str, temperature: float
) -> Tensor:
    """Return rows' similarities to class centres, over a temperature.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Rows.
    centres : Tensor of shape (n_domains, n_classes, n_features)
        Each domain's centres.
    seen : Tensor of shape (n_domains, n_classes), bool
        Which of them there are.
    similarity : {"cosine", "dot"}
        The cosine of the angle, or the inner product.
    temperature : float
        By which it is divided.

    Returns
    -------
    similarities : Tensor of shape (n, n_domains, n_classes)
        As little as can be to a class without a centre.
    """
    if similarity == "cosine":
        x, centres = F.normalize(x, eps=1e-6), F.normalize(centres, dim=2, eps=1e-6)
    similarities = (x @ centres.flatten(0, 1).T / temperature).unflatten(1, seen.shape)
    return similarities.masked_fill(~seen, torch.finfo(similarities.dtype).min)


class ClassCentreSimilarity(Alignment):
    """Class-centre similarity: each unlabelled target row is to resemble few classes.

    The similarities of a row to the centres of classes, divided by a temperature τ, give a
    softmax p. Ω is the sum of three means over target rows,

    * the entropy of p over the source's classes, for rows without a label;
    * the entropy of p over the target's own classes, for rows without a label;
    * the cross-entropy -log p_y over the target's own classes, for rows with a label y,

    so that unlabelled rows gather around what is known. Without target labels only the first
    is left. A centre is the mean of the features of the rows of a class, those of the source, or
    the labelled ones of the target, over recent batches; it is held constant for the gradient.
    The two domains may have different classes; for classifiers.

    Parameters
    ----------
    weight : float, default=1.0
        This alignment's own factor of λ; 0 or more.
    temperature : float, default=0.1
        τ, more than 0.
    similarity : {"cosine", "dot"}, default="cosine"
        The cosine of the angle between features and centre, or their inner product. With the
        latter, features can also lower the entropy by growing.
    centres : {"both", "source", "target"}, default="both"
        Which classes' centres rows are compared with.
    momentum : float, default=0.9
        In [0, 1): how much the past counts in a centre, from one batch with rows of its class to
        the next; with 0 it is the mean of the last such batch.
    layers : int, "output", sequence of these or None, default=-1
        Which layers give the features: hidden ones by their index, of which -1 is the last, or
        the network's output. Ω is the sum over them. None means all hidden layers.

    References
    ----------
    Luo, Zou, Hoffman, Fei-Fei. Label efficient learning of transferable representations across
    domains and tasks. NIPS 2017 (the semantic transfer of section 3).

    Examples
    --------
    >>> import torch
    >>> from skdtl.deep import Activations, ClassCentreSimilarity
    >>> similarity = ClassCentreSimilarity(centres="source")
    >>> similarity.initialize([2], 2)
    >>> source = Activations((torch.eye(2),), torch.zeros(2, 2), torch.tensor([0, 1]))
    >>> target = Activations((torch.ones(1, 2),), torch.zeros(1, 2), None)
    >>> similarity.before_step(source, target)
    >>> round(similarity(source, target).item(), 4)  # as like the one class as the other
    0.6931
    """

    name = "centre_entropy"
    needs_classes = True

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 0.1,
        similarity: str = "cosine",
        centres: str = "both",
        momentum: float = 0.9,
        layers: Layers = -1,
    ):
        super().__init__(weight, layers)
        for name, value, options in (
            ("similarity", similarity, ("cosine", "dot")),
            ("centres", centres, ("both", "source", "target")),
        ):
            if value not in options:
                raise ValueError(
                    f"The {name} of ClassCentreSimilarity must be one of {options}; got {value!r}."
                )
        if not temperature > 0:
            raise ValueError(
                f"The temperature of ClassCentreSimilarity must be > 0; got {temperature!r}."
            )
        if not 0 <= momentum < 1:
            raise ValueError(
                f"The momentum of ClassCentreSimilarity must be in [0, 1); got {momentum!r}."
            )
        self.temperature = temperature
        self.similarity = similarity
        self.centres = centres
        self.momentum = momentum

    def initialize(self, widths: Sequence[int], n_outputs: int) -> None:
        """Make the centres."""
        self.widths = self.aligned_widths(widths, n_outputs)
        self.kept = nn.ModuleDict(
            {
                domain: ClassMeans(n_outputs, sum(self.widths), self.momentum)
                for domain in self._compared()
            }
        )

    def before_step(self, source: Activations, target: Activations) -> None:
        """Let the batch's labelled rows count in the centres."""
        domains = {"source": source, "target": target}
        for name in self._compared():
            domain = domains[name]
            if domain.y is not None:
                self._kept(name).update(torch.cat(self.aligned(domain), 1), domain.y)

    def forward(self, source: Activations, target: Activations) -> Tensor:
        """Return the mean entropies, and the labelled rows' cross-entropy, summed over layers."""
        y = target.y
        rows = len(target.output)
        unlabelled = target.output.new_ones(rows) if y is None else (y < 0).to(target.output.dtype)
        unlabelled = unlabelled / unlabelled.sum().clamp(min=1)
        kept = [self._kept(name) for name in self._compared()]
        means = torch.stack([k.means() for k in kept])
        seen = torch.stack([k.seen() for k in kept])
        omega = target.output.new_zeros(())
        for x, centres in zip(self.aligned(target), means.split(self.widths, 2)):
            likeness = centre_similarities(x, centres, seen, self.similarity, self.temperature)
            log_p = likeness.log_softmax(2)
            # Without any centre yet, all classes are alike, and that says nothing.
            entropy = -(log_p.exp() * log_p).sum(2) * seen.any(1)
            omega = omega + (unlabelled[:, None] * entropy).sum()
            if y is not None and self.centres != "source":  # the target's centres come last
                code = y.clamp(min=0)
                known = (y >= 0) & seen[-1][code]
                own = log_p[:, -1].gather(1, code[:, None])[:, 0]
                omega = omega - (own * known).sum() / known.sum().clamp(min=1)
        return omega

    def _compared(self) -> tuple[str, ...]:
        return ("source", "target") if self.centres == "both" else (self.centres,)

    def _kept(self, domain: str) -> ClassMeans:
        return cast(ClassMeans, self.kept[domain])
