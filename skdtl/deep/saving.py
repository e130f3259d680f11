"""Weights in files that can be read without running any code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .. import __version__
from .._constraints import check_params
from .._lazy import MissingExtraError
from ..base import Domain

if TYPE_CHECKING:
    from .net import DeepNet
    from .network import Network

__all__ = ["SavingMixin", "import_safetensors"]

# Raised where a file of a later version could not be read by this one.
_FORMAT = 1

# Fitted attributes that hold classes.
_CLASSES = ("classes_", "source_classes_")


class SavingMixin:
    """Gives ``save_weights`` and ``load_weights`` to deep estimators.

    What the network hangs on is declared by an estimator's ``_network_params`` and
    ``_network_attributes``, and made by ``_rebuild_network``.
    """

    n_features_in_: int
    interrupted_: bool
    _network_params: ClassVar[tuple[str, ...]]
    _network_attributes: ClassVar[tuple[str, ...]]
    _architecture: dict[str, Any]

    def save_weights(self: Any, path: str | os.PathLike[str]) -> None:
        """Write the weights of the network and of the alignments to a safetensors file.

        The file holds numbers, and in its header a JSON text: the classes, the names of the
        columns, the network's shape. It holds neither the training's history nor a `module` of
        your own, only its weights; ``load_weights`` reads it.

        Parameters
        ----------
        path : str or os.PathLike
            The file; one that exists is replaced.

        Raises
        ------
        ValueError
            Where a class is neither a number, nor a string, nor a bool.
        ImportError
            Where the package safetensors is not installed.
        """
        check_is_fitted(self)
        safetensors = import_safetensors("save_weights")
        net = self.net_
        network = net.module_
        header = {
            "format": _FORMAT,
            "skdtl": __version__,
            "class": type(self).__name__,
            "architecture": self._architecture,
            "attributes": {
                name: _plain(getattr(self, name))
                for name in self._network_attributes
                if hasattr(self, name)
            },
            "widths": list(network.widths),
            "alignments": [type(alignment).__name__ for alignment in net.alignments_],
            "n_features_in_": int(self.n_features_in_),
            "feature_names_in_": _plain(getattr(self, "feature_names_in_", None)),
            "label_scale": (None if is_classifier(self) else [self._y_mean, self._y_scale]),
            "classes": {
                name: _described_classes(getattr(self, name))
                for name in _CLASSES
                if hasattr(self, name)
            },
        }
        # Copies, because a file can't hold tensors that share their memory.
        tensors = {name: value.cpu().contiguous().clone() for name, value in _tensors(net).items()}
        Path(path).write_bytes(safetensors.torch.save(tensors, {"skdtl": json.dumps(header)}))

    def load_weights(self: Any, path: str | os.PathLike[str]) -> Any:
        """Read the weights that ``save_weights`` wrote, instead of fitting.

        The estimator must have the parameters that shape the network with the values that the
        saved one had: `module`, `hidden_layer_sizes`, `activation` and those that the method has
        of its own. It then predicts to the bit what the saved one did. ``history_`` is empty.
        Reading runs no code from the file.

        Parameters
        ----------
        path : str or os.PathLike
            The file.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            Where the file is damaged or belongs to another class, other parameters or another
            network. The estimator is left as it was.
        ImportError
            Where the package safetensors is not installed.
        """
        header, tensors = _read(path)
        with self._all_or_nothing():
            self._forget()
            check_params(self)
            try:
                self._restore(header, tensors, path)
            except (KeyError, TypeError, AttributeError, OverflowError) as error:
                raise ValueError(f"The header of {_name(path)} is damaged: {error!r}.") from error
        return self

    def _restore(self: Any, header: dict[str, Any], tensors: dict[str, Tensor], path) -> None:
        name = type(self).__name__
        if header["class"] != name:
            raise ValueError(
                f"{_name(path)} holds the weights of a {header['class']}, but this is a {name}."
            )
        self._check_architecture(header["architecture"], f"{_name(path)} was saved by a {name}")
        self.n_features_in_ = int(header["n_features_in_"])
        if header["feature_names_in_"] is not None:
            self.feature_names_in_ = np.array(header["feature_names_in_"], dtype=object)
        for key, described in header["classes"].items():
            if key not in _CLASSES:
                raise KeyError(key)
            setattr(self, key, _classes(described))
        if is_classifier(self):
            _ = self.classes_
        else:
            self._y_mean, self._y_scale = map(float, header["label_scale"])
        for key in self._network_attributes:
            if key in header["attributes"]:
                setattr(self, key, _attribute(header["attributes"][key]))

        seeds = dict.fromkeys(self._seeds(0), 0)  # the weights will be replaced
        try:
            rows = np.zeros((2, self.n_features_in_), dtype=np.float32)
            y = np.zeros(2, dtype=int)
            network: Network = self._rebuild_network(Domain(rows, y, y == 0, y + 1), seeds)
        except (RuntimeError, MemoryError) as error:
            raise ValueError(
                f"{_name(path)} holds a network for {self.n_features_in_} features, which this "
                f"{name} can't make: {error}"
            ) from error
        if list(network.widths) != header["widths"]:
            raise ValueError(
                f"{_name(path)} holds a network whose layers are {header['widths']} wide, but "
                f"those of this {name} are {list(network.widths)} wide."
            )
        alignments = self._terms() if header["alignments"] else ()
        kinds = [type(alignment).__name__ for alignment in alignments]
        if kinds != header["alignments"]:
            raise ValueError(
                f"{_name(path)} holds the alignments {header['alignments']}, but this {name} has "
                f"{kinds}."
            )
        net = self._make_net(network, alignments, seeds)
        own = _tensors(net)
        if own.keys() != tensors.keys():
            missing, unknown = (
                sorted(own.keys() - tensors.keys()),
                sorted(tensors.keys() - own.keys()),
            )
            raise ValueError(
                f"{_name(path)} does not fit this {name}: it lacks {missing[:5]} and has "
                f"{unknown[:5]} too many."
            )
        for key, value in tensors.items():
            here, there = (f"{t.dtype} {list(t.shape)}" for t in (own[key], value))
            if here != there:
                raise ValueError(
                    f"{_name(path)} does not fit this {name}: its {key} is {there}, but here it "
                    f"is {here}."
                )
            if not value.isfinite().all():
                raise ValueError(f"{_name(path)} holds NaN or infinity in {key}.")
        with torch.no_grad():
            for key, value in tensors.items():
                own[key].copy_(value)
        self.net_ = net
        self.interrupted_ = False
        self._set_results()

    def _describe_architecture(self) -> dict[str, Any]:
        """Return the parameters that shape the network, as JSON has them."""
        described = {name: _plain(getattr(self, name)) for name in self._network_params}
        module = getattr(self, "module", None)
        if module is not None:  # its weights tell whether it is the same
            described["module"] = "one of its own"
            described.pop("hidden_layer_sizes", None)
        return described

    def _check_architecture(self, known: dict[str, Any], what: str) -> None:
        """Make sure that the parameters that shape the network are the known ones."""
        own = self._describe_architecture()
        for name in sorted(own.keys() | known.keys()):
            if own.get(name) != known.get(name):
                raise ValueError(
                    f"{what} with {name}={known.get(name)!r}, but here it is {own.get(name)!r}."
                )


def _tensors(net: DeepNet) -> dict[str, Tensor]:
    """Return the weights of a net, and what else its modules keep."""
    parts: dict[str, nn.Module] = {"network": net.module_, "alignments": net.alignments_}
    return {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }


def _plain(value):
    """Return a value as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _attribute(value):
    """Return what `_plain` has made plain: a table for nested lists, a tuple for others."""
    if isinstance(value, list):
        return np.array(value) if value and isinstance(value[0], list) else tuple(value)
    return value


def _described_classes(classes: np.ndarray) -> dict[str, Any]:
    values = classes.tolist()
    for value in values:
        if not isinstance(value, str | bool | int | float):
            raise ValueError(
                "Classes can be saved that are strings, bools or numbers, but "
                f"{value!r} is a {type(value).__name__}."
            )
    return {"dtype": classes.dtype.str, "values": values}


def _classes(described: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(str(described["dtype"]))
    if dtype.kind not in "OUbiuf":
        raise TypeError(f"classes of dtype {dtype}")
    return np.array(described["values"], dtype=dtype)


def _read(path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header and the tensors of a file."""
    safetensors = import_safetensors("load_weights")
    with open(path, "rb"):  # a missing file is an error of its own
        pass
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["skdtl"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        version = header["format"]
    except Exception as error:
        raise ValueError(
            f"{_name(path)} is damaged, or no file that save_weights wrote: {error!r}."
        ) from error
    if version != _FORMAT:
        raise ValueError(
            f"{_name(path)} has the format {version!r}, written by skdtl "
            f"{header.get('skdtl')}; skdtl {__version__} reads format {_FORMAT}."
        )
    return header, tensors


def _name(path) -> str:
    return os.path.basename(os.fspath(path))


def import_safetensors(what: str):
    """Return the package safetensors, or say that what needs it can't have it."""
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "safetensors":
            raise
        raise MissingExtraError(
            f"{what} needs safetensors, which is not installed: pip install 'skdtl[deep]'",
            name="safetensors",
        ) from error
    return safetensors
