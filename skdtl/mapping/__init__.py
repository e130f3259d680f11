"""Methods that move both domains to one space (the survey's section 3.2)."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
