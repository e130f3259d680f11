"""Layers of networks: cut off, copied from one to another, drawn anew."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from sklearn.utils import check_random_state
from torch import nn

from .._typing import Seed
from .network import Fold, Network, split_layers
from .randomness import seeded

__all__ = ["copy_layers", "cut_layers", "reinitialize_layers"]


class _Fitted(Protocol):
    net_: Any


def cut_layers(
    network: nn.Module | _Fitted, n_layers: int, *, freeze: bool = False
) -> nn.Sequential:
    """Return the first hidden layers of a network, with their weights, as a module.

    It can be the `module` of another estimator, whose network begins with these layers and gets a
    head of its own.

    Parameters
    ----------
    network : estimator, Network or nn.Module
        A fitted deep estimator, its network (``net_.module_``), or a module, of which an
        ``nn.Sequential`` is cut before each part that holds a weight matrix or a filter bank. It
        stays as it is.
    n_layers : int
        How many layers, 1 or more; a network's head is not one of them.
    freeze : bool, default=False
        Whether these layers shall not be trained any more.

    Returns
    -------
    layers : nn.Sequential
        Copies, one part for each layer.

    Raises
    ------
    ValueError
        Where there are not so many layers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepTransferClassifier, FineTuning
    >>> from skdtl.deep import cut_layers
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> first = DeepTransferClassifier(hidden_layer_sizes=(8, 6, 4), max_epochs=2, random_state=0)
    >>> first = first.fit(X, X[:, 0] > 0, X)
    >>> model = FineTuning(module=cut_layers(first, 2, freeze=True), max_epochs=2, random_state=0)
    >>> model.fit(None, None, X, X[:, 1] > 0).transform(X).shape
    (60, 6)
    """
    layers = _copies(network)
    _check_count(n_layers, 1, layers)
    return nn.Sequential(*layers[:n_layers]).requires_grad_(not freeze)


def copy_layers(
    donor: nn.Module | _Fitted, receiver: nn.Module | _Fitted, n_layers: int
) -> nn.Sequential:
    """Return the hidden layers of one network, the first of them with the weights of another.

    Parameters
    ----------
    donor : estimator, Network or nn.Module
        Whose weights, and running statistics, the first layers get; as `network` of
        :func:`cut_layers`.
    receiver : estimator, Network or nn.Module
        Whose the other layers are.
    n_layers : int
        How many layers are the donor's, 0 or more.

    Returns
    -------
    layers : nn.Sequential
        Copies, one part for each layer of the receiver.

    Raises
    ------
    ValueError
        Where one of them has not so many layers, or where a layer of the one does not fit the
        other's.

    Examples
    --------
    >>> from torch import nn
    >>> from skdtl.deep import copy_layers
    >>> one, two = (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)) for _ in range(2))
    >>> both = copy_layers(one, two, 1)
    >>> [bool((both[k][0].weight == one[k].weight).all()) for k in range(2)]
    [True, False]
    """
    given, layers = _copies(donor), _copies(receiver)
    for every in (given, layers):
        _check_count(n_layers, 0, every)
    for k in range(n_layers):
        # By their order: what they are called hangs on the module that they were cut from.
        weights, own = (list(layer.state_dict().values()) for layer in (given[k], layers[k]))
        shapes = [[list(value.shape) for value in values] for values in (weights, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"Layer {k} of the donor has weights of the shapes {shapes[0]}, but that of the "
                f"receiver {shapes[1]}."
            )
        layers[k].load_state_dict(dict(zip(layers[k].state_dict(), weights)))
    return nn.Sequential(*layers).requires_grad_(True)


def reinitialize_layers(
    network: nn.Module | _Fitted, first: int, *, random_state: Seed = None
) -> nn.Sequential:
    """Return the hidden layers of a network, the last of them with new random weights.

    So a network that was trained on the source can be trained on the target from its first layers
    on, which tells how much of what they learnt carries over.

    Parameters
    ----------
    network : estimator, Network or nn.Module
        As in :func:`cut_layers`.
    first : int
        The first layer that is drawn anew, 0 or more; the number of layers leaves all of them.
    random_state : int, RandomState instance or None, default=None
        Seed of the new weights.

    Returns
    -------
    layers : nn.Sequential
        Copies, one part for each layer.

    Raises
    ------
    ValueError
        Where there are not so many layers, or where a module that is to be drawn anew does not know
        how: where it has weights of its own, but no ``reset_parameters``.

    Examples
    --------
    >>> from torch import nn
    >>> from skdtl.deep import reinitialize_layers
    >>> old = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> new = reinitialize_layers(old, 1, random_state=0)
    >>> bool((new[0][0].weight == old[0].weight).all()), bool((new[1][0].bias == old[2].bias).any())
    (True, False)
    """
    layers = _copies(network)
    _check_count(first, 0, layers)
    seed = check_random_state(random_state).randint(2**31 - 1)
    with seeded(seed, torch.device("cpu")):
        for module in _modules(layers[first:]):
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(
                    f"A {type(module).__name__} has weights of its own, but no reset_parameters "
                    "that would draw new ones."
                )
    return nn.Sequential(*layers).requires_grad_(True)


def _copies(network: Any) -> list[nn.Module]:
    """Return copies of the hidden layers of whatever has some."""
    module = network.net_.module_ if hasattr(network, "net_") else network
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"Layers are those of a fitted deep estimator or of a torch.nn.Module; got {network!r}."
        )
    copied = copy.deepcopy(module)
    layers = copied.layers if isinstance(copied, Network) else split_layers(copied)
    return [_bare(layer.cpu()) for layer in layers]


def _bare(layer: nn.Module) -> nn.Module:
    """Return a layer without what was put around it.

    A network gives flat rows their shape before the first layer, as another one will do itself; and
    layers that were cut off before are wrapped once more as the parts of a module.
    """
    while type(layer) is nn.Sequential and (
        isinstance(layer[0], Fold) or (len(layer) == 1 and type(layer[0]) is nn.Sequential)
    ):
        layer = layer[-1]
    return layer


def _check_count(n: int, least: int, layers: list[nn.Module]) -> None:
    if not least <= n <= len(layers):
        raise ValueError(
            f"The network has {len(layers)} hidden layers: their number must lie between {least} "
            f"and that; got {n!r}."
        )


def _modules(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    return (module for layer in layers for module in layer.modules())
