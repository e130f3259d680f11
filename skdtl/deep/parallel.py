"""Training one network by several processes: each computes its share of every batch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .batches import PairedBatch

__all__ = ["Processes", "n_processes"]


def n_processes() -> int:
    """Return how many processes train together: those of torch's default group, else 1."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Gather(torch.autograd.Function):
    """Join the rows of all processes.

    All of them go on to compute the same loss of the joined rows, so the gradient that returns is
    the same everywhere, and each process takes the part of its own rows: nothing is sent back. It
    is multiplied by the number of processes, over which the weights' gradients are averaged.
    """

    @staticmethod
    def forward(ctx, x: Tensor, sizes: list[int], rank: int):
        ctx.own, ctx.n_processes = slice(sum(sizes[:rank]), sum(sizes[: rank + 1])), len(sizes)
        longest = max(sizes)  # the exchange needs equal shapes
        padded = torch.cat([x, x.new_zeros(longest - len(x), x.shape[1])])
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes)])

    @staticmethod
    def backward(ctx, gradient):
        return gradient[ctx.own] * ctx.n_processes, None, None


class Processes:
    """The processes of torch's default group, seen from this one.

    A loss that compares whole distributions, such as the MMD, is no sum over the parts of a batch.
    So the parts' activations are put together again, every process computes the loss of the whole
    batch, and the gradients are averaged: those by the activations, to which each process has
    contributed its own rows' part, times the number of processes, and those by a term that looks at
    weights, which are the same in all. That is the gradient that one process would have found.
    """

    def __init__(self):
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def first_ones(self, value):
        """Return what the first process has."""
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def check_same(self, facts: dict[str, Any]) -> None:
        """Make sure that all processes are about to do the same."""
        found: list = [None] * self.size
        dist.all_gather_object(found, facts)
        for rank, other in enumerate(found):
            for name in {**found[0], **other}:
                first, here = found[0].get(name, "missing"), other.get(name, "missing")
                if first != here:
                    raise ValueError(
                        "torch.distributed is initialised, so its processes train one network "
                        "together and all need the same data and parameters; but "
                        f"{name} is {first} in process 0 and {here} in process {rank}."
                    )

    def start_alike(self, modules: Iterable[nn.Module]) -> None:
        """Give all processes the weights of the first."""
        with torch.no_grad():
            for module in modules:
                for tensor in (*module.parameters(), *module.buffers()):
                    dist.broadcast(tensor.data, src=0)

    def activations(self, network, batch: PairedBatch):
        """Return ``network.activations`` of a batch, of which this process does its part."""
        x, n = batch[0], batch.n_labelled
        labelled, other = (self._edges(size) for size in (n, len(x) - n))
        (a, b), (c, d) = (list(pairwise(edges))[self.rank] for edges in (labelled, other))
        own = (torch.cat([t[a:b], t[n + c : n + d]]) for t in (x, batch.domains))
        features, output = network.activations(*own)
        widths = [part.shape[1] for part in (*features, output)]
        n_rows = [
            stop - start
            for both in zip(pairwise(labelled), pairwise(other))
            for start, stop in both
        ]
        sizes = [first + second for first, second in zip(n_rows[::2], n_rows[1::2])]
        joined = _Gather.apply(torch.cat([*features, output], 1), sizes, self.rank)
        parts = joined.split(n_rows)  # the first's labelled rows, its others, the second's, ...
        *features, output = torch.cat([*parts[::2], *parts[1::2]]).split(widths, 1)
        return tuple(features), output

    def _edges(self, n: int) -> list[int]:
        return [rank * n // self.size for rank in range(self.size + 1)]

    def average_gradients(self, *modules: nn.Module) -> None:
        """Average the gradients of all weights over the processes."""
        parameters = (p for module in modules for p in module.parameters())
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, mean in zip(gradients, flat.split(sizes)):
            gradient.copy_(mean.view_as(gradient))
