"""Methods that re-weight source rows (the survey's section 3.1)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .biw import BIW
    from .discriminator import DiscriminatorWeighting, discriminator_weights
    from .expboost import ExpBoost, ExpBoostR2
    from .festra import Festra
    from .kliep import KLIEP, kliep_weights
    from .kmm import KMM, kmm_weights
    from .lsif import RULSIF, ULSIF, rulsif_weights, ulsif_weights
    from .mtlf import MTLF, MTLFRegressor
    from .multi_source import MultiSourceTrAdaBoost, TaskTrAdaBoost
    from .nearest_neighbors import NearestNeighborWeighting, nearest_neighbor_weights
    from .resampling import TrBagging, TrMultiBoosting, TrResampling
    from .tradaboost import TrAdaBoost
    from .tradaboost_r2 import TrAdaBoostR2, TwoStageTrAdaBoostR2

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "BIW": ".biw",
        "DiscriminatorWeighting": ".discriminator",
        "ExpBoost": ".expboost",
        "ExpBoostR2": ".expboost",
        "Festra": ".festra",
        "KLIEP": ".kliep",
        "KMM": ".kmm",
        "MTLF": ".mtlf",
        "MTLFRegressor": ".mtlf",
        "MultiSourceTrAdaBoost": ".multi_source",
        "NearestNeighborWeighting": ".nearest_neighbors",
        "RULSIF": ".lsif",
        "TaskTrAdaBoost": ".multi_source",
        "TrAdaBoost": ".tradaboost",
        "TrAdaBoostR2": ".tradaboost_r2",
        "TrBagging": ".resampling",
        "TrMultiBoosting": ".resampling",
        "TrResampling": ".resampling",
        "TwoStageTrAdaBoostR2": ".tradaboost_r2",
        "ULSIF": ".lsif",
        "discriminator_weights": ".discriminator",
        "kliep_weights": ".kliep",
        "kmm_weights": ".kmm",
        "nearest_neighbor_weights": ".nearest_neighbors",
        "rulsif_weights": ".lsif",
        "ulsif_weights": ".lsif",
    },
)
