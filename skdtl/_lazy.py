"""Access on demand: ``import skdtl`` is fast, and the classical half works without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any


class MissingExtraError(ImportError):
    """A name was asked for that needs an optional dependency."""


def lazy_attributes(
    package: str,
    modules: dict[str, str],
    eager: Iterable[str] = (),
    subpackages: Iterable[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make a package's ``__getattr__``, ``__dir__`` and ``__all__``.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : dict of str to str
        Public name to the module, relative to the package, that holds it.
    eager : iterable of str
        Public names that the package imports itself.
    subpackages : iterable of str
        Subpackages that are there without an import of their own.

    Returns
    -------
    getattr, dir, all : callable, callable, list of str
    """
    names = sorted([*eager, *modules])
    subpackages = tuple(subpackages)

    def __getattr__(name: str) -> Any:
        if name in subpackages:
            return import_module(f".{name}", package)
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(modules[name], package)
        except ModuleNotFoundError as error:
            missing = (error.name or "").split(".")[0]
            if missing not in ("torch", "skorch"):
                raise
            raise MissingExtraError(
                f"{name} needs {missing}, which is not installed: pip install 'skdtl[deep]'",
                name=missing,
            ) from error
        return getattr(module, name)

    def __dir__() -> list[str]:
        return sorted([*names, *subpackages])

    return __getattr__, __dir__, names
