"""Methods that re-weight source rows (the survey's section 3.1)."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
