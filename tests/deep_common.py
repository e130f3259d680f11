"""A small setting of networks, and their weights, for the deep tests."""

from __future__ import annotations

import numpy as np

from skdtl.deep import Alignment


class Watching(Alignment):
    """Wants nothing of the domains, whose rows go through the network in pairs all the same.

    A network with another alignment whose λ is 0 equals one with this to the bit. Without any
    alignment, the rows of the source go through alone, and its last bits may be others.
    """

    name = "watched"

    def forward(self, source, target):
        """Return zero."""
        return source.output.new_zeros(())


# Without the penalty on weights: what a term and the task's loss make is checked by hand.
SMALL = {
    "hidden_layer_sizes": (16,),
    "max_epochs": 4,
    "batch_size": 32,
    "weight_decay": 0.0,
    "random_state": 0,
}


def weights(estimator) -> list[np.ndarray]:
    """Return the trained network's weights."""
    return [p.detach().numpy().copy() for p in estimator.net_.module_.parameters()]


def same_weights(first, second) -> bool:
    """Tell whether two estimators' networks agree to the bit."""
    pairs = zip(weights(first), weights(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
