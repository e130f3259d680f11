"""What `py.typed` promises: every public signature says its types (see typed_use.py, too)."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

import pytest

import skdtl
from skdtl._parameters import DeclaredParameters

SUBPACKAGES = [
    *("adversarial", "datasets", "deep", "inspection", "instances", "mapping"),
    *("model_selection", "network", "utils"),
]
PACKAGES = ["skdtl", *(f"skdtl.{name}" for name in SUBPACKAGES)]


def functions(public) -> Iterator[tuple[str, object]]:
    """The function itself, or the public methods of a class and its constructor."""
    if not inspect.isclass(public):
        yield public.__name__, public
        return
    for name in dir(public):
        method = inspect.getattr_static(public, name)
        # Properties, class methods and methods that scikit-learn makes available by a condition.
        for inner in ("fget", "__func__", "fn"):
            method = getattr(method, inner, method)
        if (name == "__init__" or not name.startswith("_")) and inspect.isfunction(method):
            yield f"{public.__name__}.{name}", method


def public_functions():
    pytest.importorskip("torch")
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            public = getattr(module, name)
            if inspect.ismodule(public) or not callable(public):
                continue
            for qualified, function in functions(public):
                declared = inspect.isclass(public) and issubclass(public, DeclaredParameters)
                if not (declared and qualified.endswith(".__init__")):  # its class's body has them
                    yield qualified, function


def test_every_public_signature_says_its_types():
    untyped = set()
    n_checked = 0
    for name, function in public_functions():
        if not (getattr(function, "__module__", None) or "").startswith("skdtl"):
            continue  # scikit-learn's own
        n_checked += 1
        signature = inspect.signature(function)
        given = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
        typed = all(parameter.annotation is not parameter.empty for parameter in given)
        returns = name.endswith("__init__") or signature.return_annotation is not signature.empty
        if not (typed and returns):
            untyped.add(name)
    assert n_checked > 500
    assert not untyped


def test_every_declared_parameter_says_its_type():
    pytest.importorskip("torch")
    for name, cls in skdtl.utils.all_estimators():
        if issubclass(cls, DeclaredParameters) and cls._parameters:
            typed = {n for base in cls.__mro__ for n in vars(base).get("__annotations__", ())}
            assert set(cls._parameters) <= typed, name
