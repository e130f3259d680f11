from __future__ import annotations

from importlib.util import find_spec
from inspect import isclass


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

    deep = find_spec("torch") is not None and find_spec("skorch") is not None
    found = []
    for name in skdtl.__all__:
        if name in skdtl._DEEP and not deep:
            continue
        value = getattr(skdtl, name)
        if isclass(value) and issubclass(value, TransferEstimator):
            found.append((name, value))
    return sorted(found)
