"""Weights of pre-trained modules, read from files without running any code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .backbones import LeNet
from .saving import import_safetensors

__all__ = ["DIGITS_LENET", "DIGITS_LENET_FILE", "digits_lenet", "load_pretrained"]

# What benchmarks/_digits_lenet.py trains, and where it puts the weights.
DIGITS_LENET: dict[str, Any] = {
    "image_shape": (1, 8, 8),
    "n_channels": (16, 32),
    "kernel_size": 3,
}
DIGITS_LENET_FILE = Path(__file__).with_name("digits_lenet.safetensors")

Module = TypeVar("Module", bound=nn.Module)


def load_pretrained(
    module: Module, path: str | os.PathLike[str], *, skip_missing: bool = False
) -> Module:
    """Give a module the weights of a file, so that it can be the `module` of an estimator.

    Reading runs no code from the file: safetensors files hold numbers, and of torch's own files
    only tensors are read (``weights_only=True``).

    Parameters
    ----------
    module : nn.Module
        It is changed in place.
    path : str or os.PathLike
        A ``.safetensors`` file, or one of ``torch.save(module.state_dict(), path)``. Weights of the
        file that the module doesn't have, such as those of its old last layer, are left out. Of
        what ``save_weights`` of an estimator wrote, ``load_weights`` makes the estimator, and
        :func:`cut_layers` a module of that.
    skip_missing : bool, default=False
        Whether the module may have weights that the file lacks, which then stay as they are.

    Returns
    -------
    module : nn.Module
        The module that was given.

    Raises
    ------
    ValueError
        Where the file is damaged, where it lacks weights that the module has, where their
        shapes differ, or where one is no number. The module is left as it was.
    ImportError
        Where the package safetensors is needed and not installed.

    Examples
    --------
    >>> import os, tempfile, torch
    >>> from torch import nn
    >>> from skdtl.deep import load_pretrained
    >>> trained = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.pt")
    ...     torch.save(trained.state_dict(), path)
    ...     front = load_pretrained(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), path)
    >>> bool((front[0].weight == trained[0].weight).all())
    True
    """
    given = _read(path)
    own = module.state_dict()
    missing = [name for name in own if name not in given]
    if len(missing) == len(own) or (missing and not skip_missing):
        raise ValueError(
            f"{os.fspath(path)!r} lacks {len(missing)} of the {len(own)} weights of this "
            f"{type(module).__name__}, first {missing[0]!r}; it has {sorted(given)[:10]}. "
            "skip_missing=True leaves them as they are."
        )
    for name, value in own.items():
        if name in given and given[name].shape != value.shape:
            raise ValueError(
                f"{name!r} has the shape {list(value.shape)} in this {type(module).__name__}, but "
                f"{list(given[name].shape)} in {os.fspath(path)!r}."
            )
        if name in given and not given[name].isfinite().all():
            raise ValueError(f"{os.fspath(path)!r} holds NaN or infinity in {name!r}.")
    module.load_state_dict({name: given.get(name, value) for name, value in own.items()})
    return module


def digits_lenet() -> LeNet:
    """Return a :class:`LeNet` that has learnt to read digits, as a pre-trained module to try.

    It has learnt the ten digits of ``sklearn.datasets.load_digits``, each image as it is and moved
    by a pixel to the four sides; ``benchmarks/_digits_lenet.py`` of the repository made it.

    Returns
    -------
    module : LeNet
        From rows of 64 pixels between 0 and 1, 8 x 8 row by row, to 128 features.

    Raises
    ------
    ImportError
        Where the package safetensors is not installed.

    Examples
    --------
    Five labels of each of the digits of another collection:

    >>> from functools import partial
    >>> import numpy as np
    >>> from skdtl import FineTuning
    >>> from skdtl.datasets import load_digits_pair
    >>> from skdtl.deep import LeNet, digits_lenet
    >>> data = load_digits_pair()
    >>> rows = np.concatenate([np.flatnonzero(data.yt == digit)[:5] for digit in range(10)])
    >>> X, y = data.Xt / 16, data.yt
    >>> scores = []
    >>> for module in (partial(LeNet, image_shape=(1, 8, 8)), digits_lenet()):
    ...     model = FineTuning(module=module, max_epochs=300, random_state=0)
    ...     scores.append(model.fit(None, None, X[rows], y[rows]).score(X, y))
    >>> scores[0] < 0.75 and scores[1] > 0.8
    True
    """
    return load_pretrained(LeNet(64, **DIGITS_LENET), DIGITS_LENET_FILE)


def _read(path) -> Mapping[str, Tensor]:
    with open(path, "rb"):  # a missing file is an error of its own
        pass
    try:
        if os.fspath(path).endswith(".safetensors"):
            return import_safetensors("load_pretrained").torch.load_file(os.fspath(path))
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(value, Tensor) for value in weights.values()):
            raise TypeError("its values are no tensors")
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{os.fspath(path)!r} is damaged, or no file of a module's state_dict: {error}."
        ) from error
    return weights
