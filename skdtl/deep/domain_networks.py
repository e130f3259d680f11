"""Networks with parts of their own for some domains: heads, encoders, tasks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .heads import Head
from .network import Network

__all__ = ["NetworkOfManyHeads", "NetworkOfTwoTasks", "ResidualNetwork", "UntiedNetwork"]


class NetworkOfManyHeads(Network):
    """A network with a head for each of several domains, on the same hidden layers.

    Rows of other domains, and the target's, go to the network's own head. The output has as many
    columns as the widest head; what a row's head lacks is filled with its `padding`. The loss of
    the task is the mean over all labelled rows, each by its own head.

    Parameters
    ----------
    layers : sequence of nn.Module
        The hidden layers.
    make_head : callable
        Returns the head of the target for the width of the last hidden layer.
    example : Tensor of shape (n, n_inputs)
        Some rows, to find the layers' widths by.
    make_heads : dict of int to callable
        The same for the ids of the domains that have a head of their own; all of one kind.

    Attributes
    ----------
    heads : nn.ModuleDict
        These heads, by the ids as strings.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        make_head: Callable[[int], Head],
        example: Tensor,
        make_heads: Mapping[int, Callable[[int], Head]],
    ):
        super().__init__(layers, make_head, example)
        width = self.widths[-1]
        self.heads = nn.ModuleDict({str(id_): make(width) for id_, make in make_heads.items()})

    @property
    def n_heads(self) -> int:
        """How many heads there are."""
        return 1 + len(self.heads)

    @property
    def n_outputs(self) -> int:
        """How many columns the output has: those of the widest head."""
        return max(head.out_features for head in self._each_head())

    def outputs(self, features: tuple[Tensor, ...], domains: Tensor | None) -> Tensor:
        """Return what each row's own head makes of it."""
        x = features[-1]
        if domains is None:
            return self.head(x)
        output = x.new_full((len(x), self.n_outputs), self.head.padding)
        for head, rows in self._rows(domains):
            output[rows, : head.out_features] = head(x[rows])
        return output

    def loss(self, output: Tensor, y: Tensor, domains: Tensor) -> Tensor:
        """Return the mean loss over the rows that have a label, each by its own head."""
        labelled = ~y.isnan() if y.is_floating_point() else y >= 0
        loss, n = output.new_zeros(()), int(labelled.sum())
        for head, rows in self._rows(domains):
            known = rows & labelled
            if known.any():
                share = int(known.sum()) / n
                loss = loss + share * head.loss(output[known, : head.out_features], y[known])
        return loss

    def _each_head(self) -> list[Head]:
        return [self.head, *cast(Iterable[Head], self.heads.values())]

    def _rows(self, domains: Tensor) -> list[tuple[Head, Tensor]]:
        """Return every head and which rows are its own."""
        own = [domains == int(id_) for id_ in self.heads]
        rest = ~torch.stack(own).any(0)
        return list(zip(self._each_head(), [rest, *own]))


class UntiedNetwork(Network):
    """An encoder for each domain: the source's network stands still, the target's encoder learns.

    Parameters
    ----------
    source : Network
        The source's network; it is frozen. Its hidden layers are where the target's begin, its
        head serves both domains.

    Attributes
    ----------
    source : Network
        The source's network.
    layers : nn.ModuleList
        The target's encoder.
    """

    def __init__(self, source: Network):
        nn.Module.__init__(self)
        self.widths = source.widths
        self.layers = copy.deepcopy(source.layers)
        self.head = copy.deepcopy(source.head).requires_grad_(False)
        self.source_head = None
        self.source = source.requires_grad_(False)
        self.train()

    def activations(
        self, x: Tensor, domains: Tensor | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the activations of both domains' rows, each by its own encoder."""
        n_source = 0 if domains is None else int((domains > 0).sum())
        if n_source == 0:
            return super().activations(x, domains)
        if n_source == len(x):
            return self.source.activations(x, domains)
        xs, xt = x.split_with_sizes([n_source, len(x) - n_source])
        pairs = zip(self.source.features(xs), self.features(xt))
        features = tuple(torch.cat(pair) for pair in pairs)
        return features, self.head(features[-1])

    def train(self, mode: bool = True) -> UntiedNetwork:
        """Switch the target's encoder between training and evaluation."""
        super().train(mode)
        self.source.eval()
        return self

    def source_weights(self) -> dict[str, Tensor]:
        """Return the weights of the source's network."""
        return self.source.state_dict()


class NetworkOfTwoTasks(Network):
    """A network with a task for each domain: the encoder is shared, the classes are not.

    While it trains, its outputs are the source's classes and after them the target's: a row of
    the source has logits of -inf for the target's classes, and the other way round.

    Parameters
    ----------
    pretrained : Network
        A network for the source's classes. Its parts are taken over.
    head : Head
        For the target's classes: a new one, or that of `pretrained` where the classes are the same.

    Attributes
    ----------
    source_head : Head or None
        For the source's classes; None where one head serves both.
    """

    def __init__(self, pretrained: Network, head: Head):
        nn.Module.__init__(self)
        self.widths = pretrained.widths
        self.layers = pretrained.layers
        self.head = head
        self.n_source = pretrained.n_outputs
        self.source_head = None if head is pretrained.head else pretrained.head
        self.train()

    @property
    def n_outputs(self) -> int:
        """How many columns the output has while the network trains: the classes of both."""
        return self.n_source + self.head.out_features

    def outputs(self, features: tuple[Tensor, ...], domains: Tensor | None) -> Tensor:
        """Return each row's logits of its own domain's classes; of target rows alone, of theirs."""
        if domains is None:
            return self.head(features[-1])
        n_source = int((domains > 0).sum())
        source_head = self.head if self.source_head is None else self.source_head
        source = source_head(features[-1][:n_source])
        target = self.head(features[-1][n_source:])
        nothing = -torch.inf
        return torch.cat(
            [
                F.pad(source, (0, target.shape[1]), value=nothing),
                F.pad(target, (source.shape[1], 0), value=nothing),
            ]
        )

    def loss(self, output: Tensor, y: Tensor, domains: Tensor) -> Tensor:
        """Return the mean cross-entropy of the source's rows plus that of labelled target rows."""
        each = F.cross_entropy(output, y, ignore_index=-1, reduction="none")
        source, target = (y >= 0) & (y < self.n_source), y >= self.n_source
        means = [(each * rows).sum() / rows.sum().clamp(min=1) for rows in (source, target)]
        return means[0] + means[1]


class ResidualNetwork(Network):
    """One encoder, two functions of its features: f_T for the target, f_S = f_T + Δf(f_T).

    The residual Δf is two square layers with a ReLU between them, whose weights begin so near 0
    that both functions do as one.

    Parameters
    ----------
    layers : sequence of nn.Module
        The hidden layers.
    make_head : callable
        Returns the head, which is f_T, for the width of the last hidden layer.
    example : Tensor of shape (n, n_inputs)
        Some rows, to find the layers' widths by.

    Attributes
    ----------
    residual : nn.Sequential
        Δf, from the head's output to what the source's rows differ by.
    """

    def __init__(
        self, layers: Sequence[nn.Module], make_head: Callable[[int], Head], example: Tensor
    ):
        super().__init__(layers, make_head, example)
        n = self.head.out_features
        self.residual = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n))
        for name, weight in self.residual.named_parameters():
            nn.init.normal_(weight, std=0.01) if "weight" in name else nn.init.zeros_(weight)

    def outputs(self, features: tuple[Tensor, ...], domains: Tensor | None) -> Tensor:
        """Return f_S of the sources' rows and f_T of the target's."""
        output = self.head(features[-1])
        if domains is None:
            return output
        return output + self.residual(output) * (domains > 0)[:, None]
