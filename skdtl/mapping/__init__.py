"""Methods that move both domains to one space (the survey's section 3.2)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes
from .jdot import JDOT
from .linear_ot import LinearOTMapping
from .optimal_transport import OTMapping
from .tca import TCA

if TYPE_CHECKING:
    from .ddc import DDC, DDCRegressor

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {"DDC": ".ddc", "DDCRegressor": ".ddc"},
    ["JDOT", "LinearOTMapping", "OTMapping", "TCA"],
)
