from .biw import BIW as BIW
from .discriminator import (
    DiscriminatorWeighting as DiscriminatorWeighting,
    discriminator_weights as discriminator_weights,
)
from .expboost import ExpBoost as ExpBoost, ExpBoostR2 as ExpBoostR2
from .festra import Festra as Festra
from .kliep import KLIEP as KLIEP, kliep_weights as kliep_weights
from .kmm import KMM as KMM, kmm_weights as kmm_weights
from .lsif import (
    RULSIF as RULSIF,
    ULSIF as ULSIF,
    rulsif_weights as rulsif_weights,
    ulsif_weights as ulsif_weights,
)
from .mtlf import MTLF as MTLF, MTLFRegressor as MTLFRegressor
from .multi_source_tradaboost import MultiSourceTrAdaBoost as MultiSourceTrAdaBoost
from .nearest_neighbors import (
    NearestNeighborWeighting as NearestNeighborWeighting,
    nearest_neighbor_weights as nearest_neighbor_weights,
)
from .task_tradaboost import TaskTrAdaBoost as TaskTrAdaBoost
from .tr_bagging import TrBagging as TrBagging
from .tr_multi_boosting import TrMultiBoosting as TrMultiBoosting
from .tr_resampling import TrResampling as TrResampling
from .tradaboost import TrAdaBoost as TrAdaBoost
from .tradaboost_r2 import (
    TrAdaBoostR2 as TrAdaBoostR2,
    TwoStageTrAdaBoostR2 as TwoStageTrAdaBoostR2,
)
