"""Methods that re-weight source rows (the survey's section 3.1)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .biw import BIW
    from .festra import Festra
    from .multi_source import MultiSourceTrAdaBoost, TaskTrAdaBoost
    from .tradaboost import TrAdaBoost
    from .tradaboost_r2 import TrAdaBoostR2, TwoStageTrAdaBoostR2

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "BIW": ".biw",
        "Festra": ".festra",
        "MultiSourceTrAdaBoost": ".multi_source",
        "TaskTrAdaBoost": ".multi_source",
        "TrAdaBoost": ".tradaboost",
        "TrAdaBoostR2": ".tradaboost_r2",
        "TwoStageTrAdaBoostR2": ".tradaboost_r2",
    },
)
