"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .adda import ADDA, ADDARegressor
    from .cdan import CDAN
    from .dann import DANN, DANNRegressor
    from .label_efficient import LabelEfficientTransfer
    from .mcc import MCC
    from .mcd import MCD
    from .mdd import MDD
    from .rman import RMAN
    from .simultaneous_transfer import SimultaneousTransfer

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "ADDA": ".adda",
        "ADDARegressor": ".adda",
        "CDAN": ".cdan",
        "DANN": ".dann",
        "DANNRegressor": ".dann",
        "LabelEfficientTransfer": ".label_efficient",
        "MCC": ".mcc",
        "MCD": ".mcd",
        "MDD": ".mdd",
        "RMAN": ".rman",
        "SimultaneousTransfer": ".simultaneous_transfer",
    },
)
