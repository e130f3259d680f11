"""Batches that pair the rows of two domains, from memory or from memory maps."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["PairedBatch", "PairedBatches", "memory_mapped"]


class PairedBatch(tuple):
    """A batch (X, y) as skorch wants it, in which the rows of the source come first."""

    n_source: int

    def __new__(cls, X: Tensor, y: Tensor, n_source: int):
        """Join the parts of a batch."""
        batch = super().__new__(cls, (X, y))
        batch.n_source = n_source
        return batch


class _Rows:
    """An endless stream of batches from one domain, shuffled anew for every pass over its rows.

    Rows in memory are permuted once per pass and then sliced; a memory map is read batch by batch.
    """

    def __init__(self, X, y, batch_size: int, seed: int, device: torch.device):
        self.mapped = memory_mapped(X)
        self.X = X if self.mapped else torch.as_tensor(_writable(X)).to(device)
        self.y = None if y is None else y.to(device)
        self.device = device
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        self.n_rows = len(X)
        n_batches = math.ceil(len(X) / batch_size)
        # Nearly equal batches, so that no pass ends in a tiny one and none drops rows.
        edges = [i * len(X) // n_batches for i in range(n_batches + 1)]
        self.slices = [slice(a, b) for a, b in pairwise(edges)]
        self.next = n_batches

    def __len__(self):
        return len(self.slices)

    def restart(self) -> None:
        """Begin again with the first pass."""
        self.generator.manual_seed(self.seed)
        self.next = len(self.slices)

    def take(self) -> tuple[Tensor, Any]:
        if self.next == len(self.slices):
            self._shuffle()
        rows = self.slices[self.next]
        self.next += 1
        if self.mapped:
            x = torch.as_tensor(_writable(self.X[self.order[rows]])).to(self.device)
        else:
            x = self.shuffled[rows]
        return x, None if self.y is None else self.shuffled_y[rows]

    def checksum(self) -> int:
        """Return a number that is hardly the same for other rows; it is found from some of them."""
        some = slice(None, None, math.ceil(len(self.X) / 256))
        parts = [torch.as_tensor(_writable(self.X[some])) if self.mapped else self.X[some]]
        if self.y is not None:
            parts.append(self.y[some])
        return zlib.crc32(b"".join(part.cpu().numpy().tobytes() for part in parts))

    def _shuffle(self) -> None:
        order = torch.randperm(len(self.X), generator=self.generator)
        self.next = 0
        if self.mapped:
            self.order = order.numpy()
        order = order.to(self.device)
        if not self.mapped:
            self.shuffled = self.X[order]
        if self.y is not None:
            self.shuffled_y = self.y[order]


def _writable(X) -> np.ndarray:
    """Return rows in float32; torch warns of arrays that it could not write to."""
    X = np.asarray(X, dtype=np.float32)
    return X if X.flags.writeable else X.copy()


def memory_mapped(X) -> bool:
    """Tell whether rows are read from a file as they are needed."""
    while X is not None:
        if isinstance(X, np.memmap):
            return True
        X = getattr(X, "base", None)
    return False


class PairedBatches(Dataset):
    """Batches that pair rows of the source with rows of the target.

    An epoch is one pass over the longer domain; the shorter one is cycled, and shuffled again
    whenever it is exhausted.

    Parameters
    ----------
    source, target : tuple (X, y)
        Rows and their labels: a Tensor with -1 or NaN where there is none, or None where no row
        has one. The source needs labels. `target` may be None: then the batches are the source's.
    batch_size : int
        At most so many rows of each domain are in a batch.
    seeds : tuple of two ints
        For the order of source rows and of target rows. The former doesn't depend on the target.
    device : torch.device
        Where batches are wanted.
    repeat : bool, default=False
        Whether every epoch has the same batches as the first one.

    Attributes
    ----------
    held_out : PairedBatches or None
        The batches to validate by after every epoch of training by these.
    """

    def __init__(
        self, source, target, batch_size: int, seeds, device: torch.device, repeat: bool = False
    ):
        self.repeat = repeat
        self.held_out: PairedBatches | None = None
        X, y = source
        self.source = _Rows(X, y, batch_size, seeds[0], device)
        self.target = None
        if target is not None:
            X, y = target
            self.target = _Rows(X, y, batch_size, seeds[1], device)

    def __len__(self):
        return max(len(self.source), len(self.target) if self.target else 0)

    def facts(self) -> dict[str, int]:
        """Return what processes that train together must agree on."""
        facts = {"the number of batches": len(self)}
        for name, rows in (("source", self.source), ("target", self.target)):
            if rows:
                facts[f"the number of {name} rows"] = len(rows.X)
                facts[f"a checksum of {name} rows"] = rows.checksum()
        return facts

    def __iter__(self) -> Iterator[PairedBatch]:
        if self.repeat:
            for rows in filter(None, (self.source, self.target)):
                rows.restart()
        for _ in range(len(self)):
            X, y = self.source.take()
            n_source = len(X)
            if self.target:
                X_target, y_target = self.target.take()
                X = torch.cat([X, X_target])
                if y_target is not None:
                    y = torch.cat([y, y_target])
            yield PairedBatch(X, y, n_source)
