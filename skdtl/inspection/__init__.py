"""Pictures of fitted estimators; they need the extra ``plot``."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
