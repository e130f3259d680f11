"""Rows that are held out of the training, to validate by."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..base import Domain
from .batches import memory_mapped

__all__ = ["hold_out"]


def hold_out(source: Domain, target: Domain, fraction: float, seed: int) -> tuple[Domain, Domain]:
    """Part each domain's rows in those to train by and those to validate by.

    Parameters
    ----------
    source, target : Domain
        Rows. A target that is the source itself stays so; a domain without rows stays as it is.
    fraction : float
        The share to hold out, in (0, 1). One row at least is held out, one at least is left, of
        labelled and of unlabelled rows each where they are two or more.
    seed : int
        The source's part does not depend on the target.

    Returns
    -------
    source, target : Domain
        The rows to train by, in the order they came in; the others are their ``held_out``.

    Raises
    ------
    ValueError
        Where a domain has a single row.
    """
    parted = _part(source, "source", fraction, np.random.default_rng([seed, 0]))
    if target is source:
        return parted, parted
    return parted, _part(target, "target", fraction, np.random.default_rng([seed, 1]))


def _part(domain: Domain, side: str, fraction: float, rng) -> Domain:
    if not len(domain):
        return domain
    if len(domain) < 2:
        raise ValueError(
            f"validation_fraction={fraction} holds rows of each domain out of the training, but "
            f"the {side} has only {len(domain)} row."
        )
    labelled, unlabelled = np.flatnonzero(domain.labelled), np.flatnonzero(~domain.labelled)
    held = [_draw(rows, domain.y, fraction, rng) for rows in (labelled, unlabelled)]
    if not sum(map(len, held)):  # one row of each kind
        held = [unlabelled]
    mask = np.zeros(len(domain), dtype=bool)
    mask[np.concatenate(held)] = True
    return dataclasses.replace(_take(domain, ~mask), held_out=_take(domain, mask))


def _draw(rows: np.ndarray, y, fraction: float, rng) -> np.ndarray:
    """Draw rows, of every class about the same share."""
    if len(rows) < 2:
        return rows[:0]
    n_held = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
    rows = rng.permutation(rows)
    codes = y[rows] if y.dtype.kind == "i" else np.zeros(len(rows), dtype=int)
    by_class = np.argsort(codes, kind="stable")
    counts = np.bincount(codes - codes.min())
    counts = counts[counts > 0]
    # Where each row stands in its class, from 0 to 1: the first rows of all classes are taken.
    rank = np.concatenate([(np.arange(n) + 0.5) / n for n in counts])
    order = np.lexsort((rng.random(len(rows)), rank))
    return rows[by_class[order[:n_held]]]


def _take(domain: Domain, mask: np.ndarray) -> Domain:
    if not memory_mapped(domain.X):
        return domain.take(mask)
    rows = np.flatnonzero(mask)
    return Domain(
        _MappedRows(domain.X, rows), domain.y[rows], domain.labelled[rows], domain.ids[rows]
    )


class _MappedRows:
    """Some rows of a memory map, read when they are asked for."""

    def __init__(self, base, rows: np.ndarray):
        self.base = base  # where `memory_mapped` finds the map
        self.rows = rows
        self.shape = (len(rows), *base.shape[1:])
        self.dtype = base.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        return self.base[self.rows[key]]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.base[self.rows], dtype=dtype)
