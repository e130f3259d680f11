"""Schedules: functions of the training progress p, which runs from 0 to 1."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable

__all__ = ["Ramp", "SlantedTriangle", "WarmUp", "inverse_decay"]


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


class WarmUp:
    """Let a value rise linearly from 0 over the first part of the training.

    Then another schedule follows, which runs through its whole course in the rest of the training.
    For `lr_schedule` the values are factors of the learning rate, for `lam` they are λ. With the
    share s and the schedule g that follows, the value at the training progress p is
    g(0) · p / s  before s, and  g((p - s) / (1 - s))  from there on.

    Parameters
    ----------
    share : float, default=0.1
        How much of the training the rise takes, in (0, 1).
    then : float, "decay", "ramp" or callable, default=1.0
        What follows: a constant; "decay", the learning rate's of :class:`~skdtl.DANN`; "ramp",
        :class:`Ramp`, which begins at 0 itself, so that it is merely put off; or any function of
        the progress.

    References
    ----------
    Goyal, Dollár, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He. Accurate, large
    minibatch SGD: training ImageNet in 1 hour. arXiv:1706.02677, 2017 (section 2.2, gradual
    warmup).

    Examples
    --------
    >>> from skdtl.deep import WarmUp
    >>> warm_up = WarmUp(0.2, then=0.5)
    >>> [warm_up(p) for p in (0.0, 0.1, 0.2, 1.0)]
    [0.0, 0.25, 0.5, 0.5]
    >>> [round(WarmUp(0.2, "decay")(p), 3) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.261, 0.166]
    """

    def __init__(self, share: float = 0.1, then: float | str | Callable[[float], float] = 1.0):
        if not 0 < share < 1:
            raise ValueError(f"The share of WarmUp must lie between 0 and 1; got {share!r}.")
        if not (isinstance(then, numbers.Real) or callable(then) or then in ("decay", "ramp")):
            raise ValueError(
                "What follows a WarmUp must be a number, 'decay', 'ramp' or a callable; "
                f"got {then!r}."
            )
        self.share = share
        self.then = then

    def __call__(self, progress: float) -> float:
        """Return the value at a training progress between 0 and 1."""
        rest = max(progress - self.share, 0.0) / (1 - self.share)
        if self.then == "decay":
            value = inverse_decay(rest)
        elif self.then == "ramp":
            value = Ramp()(rest)
        else:
            value = self.then(rest) if callable(self.then) else float(self.then)
        return value * min(progress / self.share, 1.0)

    def __repr__(self):
        return f"WarmUp({self.share!r}, then={self.then!r})"


class SlantedTriangle:
    """Let the learning rate rise fast and fall slowly, from and to a small share of itself.

    The factor rises linearly from 1 / ratio to 1 over the first part of the training, and falls
    back over the rest; for `lr_schedule`.

    Parameters
    ----------
    cut : float, default=0.1
        How much of the training the rise takes, in (0, 1).
    ratio : float, default=32.0
        How much smaller than the largest the smallest factor is, at least 1.

    References
    ----------
    Howard, Ruder. Universal language model fine-tuning for text classification. ACL 2018
    (section 3.2, equation 3).

    Examples
    --------
    >>> from skdtl.deep import SlantedTriangle
    >>> triangle = SlantedTriangle(cut=0.2, ratio=10)
    >>> [round(triangle(p), 3) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.1, 0.55, 1.0, 0.55, 0.1]
    """

    def __init__(self, cut: float = 0.1, ratio: float = 32.0):
        if not 0 < cut < 1:
            raise ValueError(f"The cut of SlantedTriangle must lie between 0 and 1; got {cut!r}.")
        if not ratio >= 1:
            raise ValueError(f"The ratio of SlantedTriangle must be >= 1; got {ratio!r}.")
        self.cut = cut
        self.ratio = ratio

    def __call__(self, progress: float) -> float:
        """Return the factor at a training progress between 0 and 1."""
        rise, fall = progress / self.cut, (1 - progress) / (1 - self.cut)
        return (1 + min(rise, fall) * (self.ratio - 1)) / self.ratio

    def __repr__(self):
        return f"SlantedTriangle(cut={self.cut!r}, ratio={self.ratio!r})"
