from . import (
    adversarial as adversarial,
    datasets as datasets,
    deep as deep,
    inspection as inspection,
    instances as instances,
    mapping as mapping,
    metrics as metrics,
    model_selection as model_selection,
    network as network,
    utils as utils,
)
from .adversarial import (
    ADDA as ADDA,
    CDAN as CDAN,
    DANN as DANN,
    MCC as MCC,
    MCD as MCD,
    MDD as MDD,
    RMAN as RMAN,
    ADDARegressor as ADDARegressor,
    DANNRegressor as DANNRegressor,
    LabelEfficientTransfer as LabelEfficientTransfer,
    SimultaneousTransfer as SimultaneousTransfer,
)
from .base import LowOverlapWarning as LowOverlapWarning, NoTargetWarning as NoTargetWarning
from .baselines import Pooled as Pooled, SourceOnly as SourceOnly, TargetOnly as TargetOnly
from .deep import (
    DeepTransferClassifier as DeepTransferClassifier,
    DeepTransferRegressor as DeepTransferRegressor,
)
from .domains import encode_domain as encode_domain, split_domains as split_domains, stack as stack
from .ensemble import (
    TransferEnsemble as TransferEnsemble,
    TransferEnsembleRegressor as TransferEnsembleRegressor,
)
from .inspection import (
    DomainShiftDisplay as DomainShiftDisplay,
    FilterDisplay as FilterDisplay,
    InstanceWeightsDisplay as InstanceWeightsDisplay,
    LayerTransferabilityDisplay as LayerTransferabilityDisplay,
    TrainingHistoryDisplay as TrainingHistoryDisplay,
)
from .instances import (
    BIW as BIW,
    KLIEP as KLIEP,
    KMM as KMM,
    MTLF as MTLF,
    RULSIF as RULSIF,
    ULSIF as ULSIF,
    DiscriminatorWeighting as DiscriminatorWeighting,
    ExpBoost as ExpBoost,
    ExpBoostR2 as ExpBoostR2,
    Festra as Festra,
    MTLFRegressor as MTLFRegressor,
    MultiSourceTrAdaBoost as MultiSourceTrAdaBoost,
    NearestNeighborWeighting as NearestNeighborWeighting,
    TaskTrAdaBoost as TaskTrAdaBoost,
    TrAdaBoost as TrAdaBoost,
    TrAdaBoostR2 as TrAdaBoostR2,
    TrBagging as TrBagging,
    TrMultiBoosting as TrMultiBoosting,
    TrResampling as TrResampling,
    TwoStageTrAdaBoostR2 as TwoStageTrAdaBoostR2,
)
from .mapping import (
    BDA as BDA,
    CORAL as CORAL,
    DAN as DAN,
    DDC as DDC,
    GFK as GFK,
    JAN as JAN,
    JDA as JDA,
    JDOT as JDOT,
    JGSA as JGSA,
    SSTCA as SSTCA,
    TCA as TCA,
    TJM as TJM,
    WDGRL as WDGRL,
    DANRegressor as DANRegressor,
    DDCRegressor as DDCRegressor,
    DeepCORAL as DeepCORAL,
    DeepCORALRegressor as DeepCORALRegressor,
    DeepJDOT as DeepJDOT,
    DeepJDOTRegressor as DeepJDOTRegressor,
    JANRegressor as JANRegressor,
    LinearOTMapping as LinearOTMapping,
    OTMapping as OTMapping,
    PerDomain as PerDomain,
    SubspaceAlignment as SubspaceAlignment,
    WDGRLRegressor as WDGRLRegressor,
)
from .metrics import RetrievalScorer as RetrievalScorer
from .model_selection import (
    ImportanceWeightedScorer as ImportanceWeightedScorer,
    SourceKFold as SourceKFold,
    TargetKFold as TargetKFold,
    TargetShuffleSplit as TargetShuffleSplit,
)
from .network import (
    MSCSC as MSCSC,
    RTN as RTN,
    DeepHashing as DeepHashing,
    FeatureTransfer as FeatureTransfer,
    FeatureTransferRegressor as FeatureTransferRegressor,
    FineTuning as FineTuning,
    FineTuningRegressor as FineTuningRegressor,
    NovelClassDiscovery as NovelClassDiscovery,
    SharedHiddenNetwork as SharedHiddenNetwork,
    layer_transferability as layer_transferability,
)

__all__: list[str]
__version__: str
