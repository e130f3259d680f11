"""Access on demand: ``import skdtl`` is fast, and the classical half works without torch.

A package's public names stand in its ``__init__.pyi`` alone, for the import, for editors and for
type checkers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lazy_loader


class MissingExtraError(ImportError):
    """A name was asked for that needs an optional dependency."""


def attach(
    package: str, filename: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make a package's ``__getattr__``, ``__dir__`` and ``__all__`` from its stub.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    filename : str
        Its ``__file__``, beside which the stub lies.

    Returns
    -------
    getattr, dir, all : callable, callable, list of str
    """
    load, names, public = lazy_loader.attach_stub(package, filename)

    def __getattr__(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return load(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").split(".")[0]
            if missing not in ("torch", "skorch"):
                raise
            raise MissingExtraError(
                f"{name} needs {missing}, which is not installed: pip install 'skdtl[deep]'",
                name=missing,
            ) from error

    return __getattr__, names, public
