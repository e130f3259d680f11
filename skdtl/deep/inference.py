"""Applying a trained network: float64's answers, whatever is predicted together, at little cost.

In float32 the last digits of a row's result depend on the rows that are computed with it, and
predictions near a boundary with them. Float64 leaves no such doubt, at twice the cost.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from .network import Network

__all__ = ["best_dtype", "best_outputs", "infer", "outputs_of"]

# Rows that go through the network at once: few enough for their activations to stay in the
# processor's cache, and, with as many values as images have, for memory to stay flat.
_FLOAT32_ROWS, _FLOAT64_ROWS = 1024, 256
_MOST_VALUES = 2**22
# The largest output is looked for in float32 first, in blocks of so many rows. There an output is
# trusted to be wrong by less than this share of the block's largest one, provided that some rows,
# which are computed in float64 too, turn out to be far better than that.
_FLOAT32_BLOCK = 64 * _FLOAT32_ROWS
_FLOAT32_ERROR, _FLOAT32_SAMPLE, _FLOAT32_MARGIN = 2**-12, 8, 16

# Networks in float64, for as long as the trained ones live. They are kept here, not in the
# estimators, so that no pickle and no copy of an estimator holds them.
_DOUBLES: WeakKeyDictionary[Network, tuple[Network, list[Tensor]]] = WeakKeyDictionary()
_DOUBLES_LOCK = threading.Lock()

Wanted = Callable[[tuple[Tensor, ...], Tensor], Tensor]


def best_dtype(network: Network, n_features: int) -> torch.dtype:
    """Return float64, or float32 where the device or the user's module can't do it."""
    if _device(network).type != "cpu":
        return torch.float32
    try:
        with torch.no_grad():
            copy.deepcopy(network).double()(torch.zeros(1, n_features, dtype=torch.float64))
    except RuntimeError:
        return torch.float32
    return torch.float64


def infer(
    network: Network,
    X: np.ndarray,
    dtype: torch.dtype,
    wanted: Wanted,
    domain: str | int = "target",
) -> np.ndarray:
    """Return what the network makes of rows, in evaluation mode.

    Parameters
    ----------
    network : Network
        It is left as it is.
    X : ndarray of shape (n, n_features)
        Rows.
    dtype : torch.dtype
        The precision in which to compute.
    wanted : callable
        Picks the result from a batch's hidden layers and output.
    domain : {"target", "source"} or int, default="target"
        Of which the rows are: of several sources the first, or the one with an id.

    Returns
    -------
    result : ndarray of shape (n, ...)
    """
    if dtype == torch.float64:
        network = _in_float64(network)
    elif _in_training(network):
        network = copy.deepcopy(network).eval()
    result = None
    id_ = {"target": None, "source": 1}[domain] if isinstance(domain, str) else domain
    with torch.no_grad():
        for rows, x in _batches(network, X, dtype):
            ids = None if id_ is None else torch.full((len(x),), id_, device=x.device)
            activations = network.activations(x, ids)
            found = wanted(*activations).cpu().numpy()
            if len(x) == len(X):
                return found
            if result is None:
                result = np.empty((len(X), *found.shape[1:]), found.dtype)
            result[rows] = found
    assert result is not None  # there is a row
    return result


def best_outputs(network: Network, X: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Return which output is the largest for each row.

    Where float64 is to be had, it decides: float32 computes all rows, at twice the speed, and
    those are computed again whose two largest outputs are too close for float32 to tell apart.
    """
    if dtype != torch.float64 or len(X) <= _FLOAT64_ROWS or _in_training(network):
        return outputs_of(network, X, dtype).argmax(axis=1)
    starts = range(0, len(X), _FLOAT32_BLOCK)
    codes = [_best_of_block(network, X[start : start + _FLOAT32_BLOCK]) for start in starts]
    return np.concatenate(codes)


def _best_of_block(network: Network, X: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        outputs = torch.cat([network(x) for _, x in _batches(network, X, torch.float32)])
        best, codes = outputs.max(dim=1)
        error = _FLOAT32_ERROR * float(outputs.abs().max())
        # "Not clearly less", for an output that is no number in float32 is in doubt too.
        rivals = (outputs < (best - 2 * error)[:, None]).logical_not_().sum(dim=1)
    sample = np.arange(0, len(X), -(-len(X) // _FLOAT32_SAMPLE))
    again = np.concatenate([sample, np.flatnonzero(rivals.numpy() != 1)])
    exact = outputs_of(network, X[again], torch.float64)
    with np.errstate(invalid="ignore"):
        seen = np.abs(exact - outputs.numpy()[again]).max()
    if not _FLOAT32_MARGIN * seen <= error:  # a network for which float32 is too coarse
        return outputs_of(network, X, torch.float64).argmax(axis=1)
    decided = codes.numpy()
    decided[again] = exact.argmax(axis=1)
    return decided


def outputs_of(network: Network, X: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Return the output for each of the target's rows, in evaluation mode."""
    return infer(network, X, dtype, lambda layers, output: output)


def _batches(network: Network, X, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """Yield which rows go through the network at once, and these."""
    device = _device(network)
    most = _FLOAT64_ROWS if dtype == torch.float64 else _FLOAT32_ROWS
    step = min(most, max(1, _MOST_VALUES // X.shape[1]))
    for start in range(0, len(X), step):
        rows = X[start : start + step]
        # torch warns of arrays, such as memory maps, that it can't write to.
        rows = rows if rows.flags.writeable else np.array(rows)
        yield slice(start, start + step), torch.as_tensor(rows, dtype=dtype, device=device)


def _device(network: Network) -> torch.device:
    return next(network.head.parameters()).device


def _in_training(network: Network) -> bool:
    """Tell whether a part of the network is in training mode, as a user may have left it."""
    return any(module.training for module in network.modules())


def _in_float64(network: Network) -> Network:
    """Return a copy of a network in float64 and evaluation mode, kept from call to call.

    Its weights are copied anew each time, which costs little and is always right, whoever has
    changed them. Threads that do so at once write the same numbers.
    """
    with _DOUBLES_LOCK:
        kept = _DOUBLES.get(network)
        if kept is None:
            double = copy.deepcopy(network).double().eval()
            kept = _DOUBLES[network] = double, _tensors(double)
    with torch.no_grad():
        torch._foreach_copy_(kept[1], _tensors(network))
    return kept[0]


def _tensors(network: Network) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
