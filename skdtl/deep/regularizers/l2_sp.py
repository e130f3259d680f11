"""L2-SP: the weights stay near those that the training began with."""

from __future__ import annotations

import torch
from torch import Tensor

from ..network import Network
from ..terms import Step, Term

__all__ = ["L2SP"]


class L2SP(Term):
    """L2 starting point: the weights stay near those that the training began with.

    Ω = ½ ‖w - w0‖² + ½ h ‖v‖², where w are weights that were learnt before, with the values w0 at
    the beginning of the training, and v those of a head that is new; a head that goes on from an
    earlier stage is among the w. Ordinary weight decay draws all of them to zero, away from what
    was learnt; ``weight_decay="auto"`` leaves it out beside this term. With the factors a of the
    paper's first part and b of its second, the weight is a and h is b / a.

    The history records Ω as ``squared_distance``.

    Parameters
    ----------
    weight : float, default=0.01
        This term's own factor of λ; 0 or more.
    head_factor : float, default=1.0
        The penalty on a new head, h, beside that on the other weights; 0 or more.

    References
    ----------
    Li, Grandvalet, Davoine. Explicit inductive bias for transfer learning with convolutional
    networks. ICML 2018 (equation 4, L2-SP).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FineTuning
    >>> from skdtl.deep import L2SP
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(200, 3)), rng.normal(size=(20, 3))
    >>> ys, yt = Xs[:, 0] > 0, Xt[:, 0] + Xt[:, 1] > 0
    >>> far, near = (
    ...     FineTuning(terms=[L2SP(weight)], random_state=0).fit(Xs, ys, Xt, yt)
    ...     for weight in (0, 1)
    ... )
    >>> near.history_[-1]["squared_distance"] < far.history_[-1]["squared_distance"] / 2
    True
    """

    name = "squared_distance"
    decays_weights = True

    def __init__(self, weight: float = 0.01, head_factor: float = 1.0):
        super().__init__(weight)
        if not head_factor >= 0:
            raise ValueError(f"The head_factor of L2SP must be >= 0; got {head_factor!r}.")
        self.head_factor = head_factor

    def attach(self, network: Network) -> None:
        """Take note of the weights with which the training begins; a new head's point is zero."""
        for k, weight in enumerate(network.layers.parameters()):
            self.register_buffer(f"layers_{k}", weight.detach().clone())
        for k, weight in enumerate(network.head.parameters()):
            start = weight.detach() if network.learnt_head else torch.zeros_like(weight)
            self.register_buffer(f"head_{k}", start.clone())
        self.factors = [1.0] * len([*network.layers.parameters()])
        own = 1.0 if network.learnt_head else self.head_factor
        self.factors += [own] * len([*network.head.parameters()])

    def value(self, step: Step) -> Tensor:
        """Return half the squared distance."""
        weights = [*step.network.layers.parameters(), *step.network.head.parameters()]
        parts = zip(self.factors, weights, self.buffers(), strict=True)
        return sum(
            (f / 2 * (w - start).square().sum() for f, w, start in parts),
            start=step.labelled.output.new_zeros(()),
        )
