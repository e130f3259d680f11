"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .dann import DANN, DANNRegressor
    from .label_efficient import LabelEfficientTransfer
    from .simultaneous_transfer import SimultaneousTransfer

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "DANN": ".dann",
        "DANNRegressor": ".dann",
        "LabelEfficientTransfer": ".label_efficient",
        "SimultaneousTransfer": ".simultaneous_transfer",
    },
)
