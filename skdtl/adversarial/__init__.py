"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .cdan import CDAN
    from .adda import ADDA, ADDARegressor
    from .dann import DANN, DANNRegressor
    from .mdd import MDD
    from .rman import RMAN

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "CDAN": ".cdan",
        "DANN": ".dann",
        "DANNRegressor": ".dann",
        "MDD": ".mdd",
        "RMAN": ".rman",
    },
    from .mcc import MCC
    from .mcd import MCD
    {"DANN": ".dann", "DANNRegressor": ".dann", "MCC": ".mcc", "MCD": ".mcd"},
        "ADDA": ".adda",
        "ADDARegressor": ".adda",
)
