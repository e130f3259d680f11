"""Methods that learn features no discriminator can tell apart (the survey's section 3.4)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .adda import ADDA, ADDARegressor
    from .dann import DANN, DANNRegressor

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "ADDA": ".adda",
        "ADDARegressor": ".adda",
        "DANN": ".dann",
        "DANNRegressor": ".dann",
    },
)
