"""Methods that reuse parts of a network (the survey's section 3.3)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .fine_tuning import FineTuning, FineTuningRegressor

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__, {"FineTuning": ".fine_tuning", "FineTuningRegressor": ".fine_tuning"}
)
