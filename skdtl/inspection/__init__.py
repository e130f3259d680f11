"""Pictures of fitted estimators; they need the extra ``plot``."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .domain_shift import DomainShiftDisplay
    from .instance_weights import InstanceWeightsDisplay
    from .training_history import TrainingHistoryDisplay

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "DomainShiftDisplay": ".domain_shift",
        "InstanceWeightsDisplay": ".instance_weights",
        "TrainingHistoryDisplay": ".training_history",
    },
)
