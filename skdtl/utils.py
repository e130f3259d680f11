"""Helpers for those who work with all estimators at once."""

from __future__ import annotations

from inspect import isclass

from ._lazy import MissingExtraError

__all__ = ["all_estimators"]


def all_estimators() -> list[tuple[str, type]]:
    """List every public estimator of skdtl.

    Returns
    -------
    estimators : list of (str, type)
        Names and classes, sorted by name. The deep ones are among them where the extra ``deep``
        is installed.

    Examples
    --------
    >>> from skdtl.utils import all_estimators
    >>> "TCA" in dict(all_estimators())
    True
    """
    import skdtl
    from skdtl.base import TransferEstimator

    found = []
    for name in skdtl.__all__:
        try:
            value = getattr(skdtl, name)
        except MissingExtraError:
            continue
        if isclass(value) and issubclass(value, TransferEstimator):
            found.append((name, value))
    return found
