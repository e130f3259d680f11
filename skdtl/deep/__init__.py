"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from .._lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
