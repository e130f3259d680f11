"""Batches that pair labelled rows with rows of the target, from memory or from memory maps."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["PairedBatch", "PairedBatches", "Side", "memory_mapped"]


class Side(NamedTuple):
    """The rows of one side of a batch.

    Attributes
    ----------
    X : Tensor of shape (n, n_features)
        Rows.
    y : Tensor of shape (n,) or None
        Labels; None where no row of the side has one.
    domains : Tensor of shape (n,), int
        The ids of the rows' domains.
    """

    X: Tensor
    y: Tensor | None
    domains: Tensor


class PairedBatch(tuple):
    """A batch (X, y) as skorch wants it, in which the labelled side's rows come first.

    Parameters
    ----------
    labelled : Side
        Rows with labels.
    other : Side or None
        Rows beside them, of which all labels may be missing: `y` then lacks them.

    Attributes
    ----------
    n_labelled : int
        How many rows are of the labelled side.
    domains : Tensor of shape (n,), int
        The ids of all rows' domains.
    """

    labelled: Side
    other: Side | None
    n_labelled: int
    domains: Tensor

    def __new__(cls, labelled: Side, other: Side | None):
        """Join the sides."""
        X, y, domains = labelled
        assert y is not None  # labelled rows have labels
        n_labelled = len(X)
        if other is not None:
            X = torch.cat([X, other.X])
            domains = torch.cat([domains, other.domains])
            if other.y is not None:
                y = torch.cat([y, other.y])
        batch = super().__new__(cls, (X, y))
        batch.labelled, batch.other = labelled, other
        batch.n_labelled, batch.domains = n_labelled, domains
        return batch


class _Shuffled:
    """Passes in which every row comes once, in an order of their own."""

    def __init__(self, n_rows: int, batch_size: int):
        self.n_rows = n_rows
        n_batches = math.ceil(n_rows / batch_size)
        # Nearly equal batches, so that no pass ends in a tiny one and none drops rows.
        self.edges = [i * n_rows // n_batches for i in range(n_batches + 1)]

    def order(self, generator: torch.Generator) -> Tensor:
        """Draw which rows come, one after the other, in the next pass."""
        return torch.randperm(self.n_rows, generator=generator)


class _Balanced:
    """Passes whose batches have as many rows of one class as of any other.

    A pass is as many batches as all rows would fill. In it a rare class's rows come again and
    again, each as often as any other of them or once more; of a frequent class some don't come.
    """

    def __init__(self, y: Tensor, batch_size: int):
        self.members = [(y == code).nonzero()[:, 0].cpu() for code in y.unique()]
        n_classes = len(self.members)
        self.n_batches = math.ceil(len(y) / (max(batch_size // n_classes, 1) * n_classes))
        self.n_each = math.ceil(len(y) / (self.n_batches * n_classes))
        size = self.n_each * n_classes
        self.edges = [i * size for i in range(self.n_batches + 1)]

    def order(self, generator: torch.Generator) -> Tensor:
        """Draw which rows come, one after the other, in the next pass."""
        needed = self.n_batches * self.n_each
        columns = []
        for rows in self.members:
            n_times = math.ceil(needed / len(rows))
            turns = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(n_times)]
            columns.append(torch.cat(turns)[:needed].view(self.n_batches, self.n_each))
        return torch.cat(columns, 1).flatten()


class _Rows:
    """An endless stream of batches from one side, shuffled anew for every pass over its rows.

    Rows in memory are put in order once per pass and then sliced; a memory map is read batch by
    batch.
    """

    def __init__(
        self, X, y, ids, batch_size: int, seed: int, device: torch.device, balanced: bool = False
    ):
        self.mapped = memory_mapped(X)
        self.X = X if self.mapped else torch.as_tensor(_writable(X)).to(device)
        self.y = None if y is None else y.to(device)
        self.ids = torch.as_tensor(np.broadcast_to(ids, len(X)).copy()).to(device)
        self.several_ids = bool((self.ids != self.ids[0]).any())
        self.device = device
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        self.n_rows, self.batch_size = len(X), batch_size
        self.passes: _Shuffled | _Balanced
        self.passes = _Balanced(y, batch_size) if balanced else _Shuffled(len(X), batch_size)
        self.slices = [slice(a, b) for a, b in pairwise(self.passes.edges)]
        self.next = len(self.slices)

    def __len__(self):
        return len(self.slices)

    def restart(self) -> None:
        """Begin again with the first pass."""
        self.generator.manual_seed(self.seed)
        self.next = len(self.slices)

    def take(self) -> Side:
        """Return the next rows."""
        if self.next == len(self.slices):
            self._shuffle()
        rows = self.slices[self.next]
        self.next += 1
        if self.mapped:
            x = torch.as_tensor(_writable(self.X[self.order[rows]])).to(self.device)
        else:
            x = self.shuffled[rows]
        return Side(x, None if self.y is None else self.shuffled_y[rows], self.shuffled_ids[rows])

    def in_order(self) -> Iterator[Side]:
        """Yield the rows once, in their own order, whatever comes in a pass."""
        for start in range(0, self.n_rows, self.batch_size):
            rows = slice(start, start + self.batch_size)
            x = torch.as_tensor(_writable(self.X[rows])) if self.mapped else self.X[rows]
            y = None if self.y is None else self.y[rows]
            yield Side(x.to(self.device), y, self.ids[rows])

    def checksum(self) -> int:
        """Return a number that is hardly the same for other rows; it is found from some of them."""
        some = slice(None, None, math.ceil(len(self.X) / 256))
        parts = [torch.as_tensor(_writable(self.X[some])) if self.mapped else self.X[some]]
        if self.y is not None:
            parts.append(self.y[some])
        return zlib.crc32(b"".join(part.cpu().numpy().tobytes() for part in parts))

    def _shuffle(self) -> None:
        order = self.passes.order(self.generator)
        self.next = 0
        if self.mapped:
            self.order = order.numpy()
        order = order.to(self.device)
        if not self.mapped:
            self.shuffled = self.X[order]
        if self.y is not None:
            self.shuffled_y = self.y[order]
        self.shuffled_ids = self.ids[order] if self.several_ids else self.ids


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
    """Batches that pair labelled rows with other rows.

    Commonly the labelled rows are the source's, and the others the target's; in fine-tuning the
    target's labelled rows are alone. An epoch is one pass over the longer side; the shorter one is
    cycled, and shuffled again whenever it is exhausted.

    Parameters
    ----------
    labelled : tuple (X, y) or (X, y, ids)
        Rows, a Tensor of their labels, and the ids of their domains: an int each or one for all,
        1 by default.
    other : tuple (X, y) or (X, y, ids), or None
        The same; the labels are -1 or NaN where there is none, or None where no row has one, the
        id is -1 by default. None means that there are no such rows.
    batch_size : int
        At most so many rows of each side are in a batch.
    seeds : tuple of two ints
        For the order of the labelled rows and of the others. The former doesn't depend on the
        latter.
    device : torch.device
        Where batches are wanted.
    repeat : bool, default=False
        Whether every epoch has the same batches as the first one.
    balanced : bool, default=False
        Whether every batch has as many labelled rows of one class as of any other: as many as go
        into `batch_size`, but one at least. Rows of rare classes then come more often than others.

    Attributes
    ----------
    held_out : PairedBatches or None
        The batches to validate by after every epoch of training by these.
    """

    def __init__(
        self,
        labelled,
        other,
        batch_size: int,
        seeds,
        device: torch.device,
        repeat: bool = False,
        balanced: bool = False,
    ):
        self.repeat = repeat
        self.held_out: PairedBatches | None = None
        X, y, ids = (*labelled, 1)[:3]
        self.labelled = _Rows(X, y, ids, batch_size, seeds[0], device, balanced)
        self.other = None
        if other is not None:
            X, y, ids = (*other, -1)[:3]
            self.other = _Rows(X, y, ids, batch_size, seeds[1], device)

    def __len__(self):
        return max(len(self.labelled), len(self.other) if self.other else 0)

    def facts(self) -> dict[str, int]:
        """Return what processes that train together must agree on."""
        facts = {"the number of batches": len(self)}
        for name, rows in (("labelled", self.labelled), ("other", self.other)):
            if rows:
                facts[f"the number of {name} rows"] = len(rows.X)
                facts[f"a checksum of {name} rows"] = rows.checksum()
        return facts

    def __iter__(self) -> Iterator[PairedBatch]:
        if self.repeat:
            for rows in filter(None, (self.labelled, self.other)):
                rows.restart()
        for _ in range(len(self)):
            labelled = self.labelled.take()
            yield PairedBatch(labelled, self.other.take() if self.other else None)
