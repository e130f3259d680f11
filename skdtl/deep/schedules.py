"""Schedules: functions of the training progress p, which runs from 0 to 1."""

from __future__ import annotations

import math

__all__ = ["Ramp", "inverse_decay"]


class Ramp:
    """Let λ rise smoothly from 0, so that the features form before they are aligned.

    λ(p) = high · (2 / (1 + exp(-alpha · p)) - 1), the schedule of DANN. ``lam="ramp"`` is short
    for ``lam=Ramp()``.

    Parameters
    ----------
    high : float, default=1.0
        The value that λ approaches; 0 or more.
    alpha : float, default=10.0
        How fast it rises. With 10, λ has passed half of `high` after a ninth of the training.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky.
    Domain-adversarial training of neural networks. Journal of Machine Learning Research 17, 2016
    (section 5.2.2).

    Examples
    --------
    >>> from skdtl.deep import Ramp
    >>> ramp = Ramp(high=0.5)
    >>> [round(ramp(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.231, 0.493, 0.5]
    """

    def __init__(self, high: float = 1.0, alpha: float = 10.0):
        self.high = high
        self.alpha = alpha

    def __call__(self, progress: float) -> float:
        """Return λ at a training progress between 0 and 1."""
        return self.high * (2 / (1 + math.exp(-self.alpha * progress)) - 1)

    def __repr__(self):
        return f"Ramp(high={self.high!r}, alpha={self.alpha!r})"


def inverse_decay(progress: float) -> float:
    """Return the factor 1 / (1 + 10 p)^0.75 by which DANN's learning rate falls."""
    return (1 + 10 * progress) ** -0.75
