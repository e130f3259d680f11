"""Methods that reuse parts of a network (the survey's section 3.3)."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
