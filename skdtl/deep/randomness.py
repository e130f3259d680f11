"""Randomness: torch's generators seeded for a while, and which modules draw no random number."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from .heads import ClassHead, CodeHead, NumberHead
from .network import ACTIVATIONS, Fold, Network
from .terms import Term

__all__ = ["is_deterministic", "same_randomness_afterwards", "seeded"]

# Layers that draw no random number in a training step.
_DETERMINISTIC = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveAvgPool2d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm),
    *(nn.Flatten, nn.Unflatten, Fold, nn.Sequential, nn.ModuleList, nn.ModuleDict),
    *(ClassHead, CodeHead, NumberHead),
)

# torch has one global random generator per process: whoever needs it takes turns.
_GENERATOR = threading.RLock()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generator for a while, and put its state back afterwards."""
    cuda = [device] if device.type == "cuda" else []
    with _GENERATOR, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def same_randomness_afterwards(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Put the state of torch's generator, and of those that a module owns, back afterwards."""
    own = [g for m in module.modules() for g in vars(m).values() if isinstance(g, torch.Generator)]
    states = [generator.get_state() for generator in own]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            for generator, state in zip(own, states):
                generator.set_state(state)


def is_deterministic(network: Network, terms: Iterable[Term] = ()) -> bool:
    """Tell whether a training step surely draws no random number.

    The terms of the loss that are not ours may draw some.
    """
    known = (*_DETERMINISTIC, *ACTIVATIONS.values(), type(network))
    return all(type(module) in known for module in network.modules()) and all(
        type(term).__module__.startswith("skdtl.") for term in terms
    )
