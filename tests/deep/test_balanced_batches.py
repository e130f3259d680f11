"""Batches with equally many rows of each class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skdtl.deep.batches import PairedBatches

CPU = torch.device("cpu")


def batches(y, batch_size, n_others=None, **options):
    """Return batches whose rows are their own numbers."""
    X = np.arange(len(y), dtype=np.float32)[:, None]
    others = None if n_others is None else (np.zeros((n_others, 1), np.float32), None)
    labelled = X, torch.as_tensor(y)
    return PairedBatches(labelled, others, batch_size, (3, 4), CPU, balanced=True, **options)


@pytest.mark.parametrize("batch_size", [1, 7, 12, 1000])
def test_every_batch_has_as_many_rows_of_each_class(batch_size):
    y = np.random.default_rng(0).choice(3, 90, p=[0.6, 0.3, 0.1])
    paired = batches(y, batch_size)
    seen = []
    for _ in range(3):
        for batch in paired:
            rows, codes = batch.labelled.X[:, 0].long(), batch.labelled.y
            assert len(rows) <= max(batch_size, 3)
            assert (torch.as_tensor(y)[rows] == codes).all()
            counts = codes.bincount(minlength=3)
            assert counts.min() == counts.max() >= 1
            seen.append(rows)
    times = torch.cat(seen).bincount(minlength=90).numpy()
    assert times.sum() >= 3 * 90
    # Rows of one class come about equally often, those of a rare one more often.
    means = [times[y == code].mean() for code in range(3)]
    assert means[0] < means[1] < means[2]
    assert times[y == 2].max() - times[y == 2].min() <= 3  # one for each pass


def test_where_classes_are_equally_frequent_each_row_comes_once_in_a_pass():
    y = np.arange(40) % 4
    for batch_size in (8, 20, 1000):
        paired = batches(y, batch_size)
        order = [torch.cat([batch.labelled.X[:, 0] for batch in paired]) for _ in range(2)]
        assert all(torch.equal(rows.sort().values, torch.arange(40.0)) for rows in order)
        assert not torch.equal(*order)


def test_the_other_side_is_as_it_was_and_repeated_batches_are_the_same():
    y = np.arange(30) % 3
    paired = batches(y, 9, n_others=50, repeat=True)
    assert [len(batch.other.X) for batch in paired] == [8, 8, 9, 8, 8, 9]
    first, second = ([batch[0] for batch in paired] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("balanced", [False, True])
def test_rows_in_their_own_order_come_once_whatever_a_pass_repeats(batch_size, balanced):
    y = torch.as_tensor([0] * 20 + [1] * 3)
    X = np.arange(23, dtype=np.float32)[:, None]
    paired = PairedBatches((X, y), None, batch_size, (3, 4), CPU, balanced=balanced)
    sides = list(paired.labelled.in_order())
    assert torch.cat([side.X[:, 0] for side in sides]).tolist() == list(range(23))
    assert torch.equal(torch.cat([side.y for side in sides]), y)
    assert all(0 < len(side.X) == len(side.domains) <= batch_size for side in sides)
