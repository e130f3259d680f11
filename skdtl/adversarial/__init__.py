"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .dann import DANN, DANNRegressor
    from .mcc import MCC
    from .mcd import MCD

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {"DANN": ".dann", "DANNRegressor": ".dann", "MCC": ".mcc", "MCD": ".mcd"},
)
