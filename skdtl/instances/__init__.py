"""Methods that re-weight source rows (the survey's section 3.1)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .biw import BIW
    from .expboost import ExpBoost, ExpBoostR2
    from .resampling import TrBagging, TrMultiBoosting, TrResampling
    from .tradaboost import TrAdaBoost
    from .tradaboost_r2 import TrAdaBoostR2, TwoStageTrAdaBoostR2

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "BIW": ".biw",
        "ExpBoost": ".expboost",
        "ExpBoostR2": ".expboost",
        "TrAdaBoost": ".tradaboost",
        "TrAdaBoostR2": ".tradaboost_r2",
        "TrBagging": ".resampling",
        "TrMultiBoosting": ".resampling",
        "TrResampling": ".resampling",
        "TwoStageTrAdaBoostR2": ".tradaboost_r2",
    },
)
