"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
