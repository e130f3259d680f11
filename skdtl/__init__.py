"""Transfer learning behind scikit-learn's interface: ``fit(Xs, ys, Xt, yt=None)``, ``predict``."""

from ._lazy import attach

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = attach(__name__, __file__)
