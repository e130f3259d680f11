"""Transfer learning behind scikit-learn's interface: ``fit(Xs, ys, Xt, yt=None)``, ``predict``."""

from typing import TYPE_CHECKING

from ._lazy import lazy_attributes

if TYPE_CHECKING:
    from .adversarial import (
        DANN,
        DANNRegressor,
        LabelEfficientTransfer,
        SimultaneousTransfer,
    )
    from .base import NoTargetWarning
    from .baselines import SourceOnly, TargetOnly
    from .deep import DeepTransferClassifier, DeepTransferRegressor
    from .domains import encode_domain, split_domains, stack
    from .inspection import DomainShiftDisplay, InstanceWeightsDisplay
    from .instances import (
        BIW,
        KLIEP,
        KMM,
        MTLF,
        RULSIF,
        ULSIF,
        DiscriminatorWeighting,
        ExpBoost,
        ExpBoostR2,
        Festra,
        MTLFRegressor,
        MultiSourceTrAdaBoost,
        NearestNeighborWeighting,
        TaskTrAdaBoost,
        TrAdaBoost,
        TrAdaBoostR2,
        TrBagging,
        TrMultiBoosting,
        TrResampling,
        TwoStageTrAdaBoostR2,
    )
    from .mapping import (
        BDA,
        CORAL,
        DDC,
        GFK,
        JDA,
        JDOT,
        JGSA,
        SSTCA,
        TCA,
        TJM,
        DDCRegressor,
        LinearOTMapping,
        OTMapping,
        SubspaceAlignment,
    )
    from .model_selection import (
        ImportanceWeightedScorer,
        SourceKFold,
        TargetKFold,
        TargetShuffleSplit,
    )
    from .network import FineTuning, FineTuningRegressor

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "BDA": ".mapping",
        "BIW": ".instances",
        "CORAL": ".mapping",
        "DANN": ".adversarial",
        "DANNRegressor": ".adversarial",
        "DDC": ".mapping",
        "DDCRegressor": ".mapping",
        "DeepTransferClassifier": ".deep",
        "DeepTransferRegressor": ".deep",
        "DiscriminatorWeighting": ".instances",
        "DomainShiftDisplay": ".inspection",
        "ExpBoost": ".instances",
        "ExpBoostR2": ".instances",
        "Festra": ".instances",
        "FineTuning": ".network",
        "FineTuningRegressor": ".network",
        "GFK": ".mapping",
        "ImportanceWeightedScorer": ".model_selection",
        "InstanceWeightsDisplay": ".inspection",
        "JDA": ".mapping",
        "JDOT": ".mapping",
        "JGSA": ".mapping",
        "KLIEP": ".instances",
        "KMM": ".instances",
        "LabelEfficientTransfer": ".adversarial",
        "LinearOTMapping": ".mapping",
        "MTLF": ".instances",
        "MTLFRegressor": ".instances",
        "MultiSourceTrAdaBoost": ".instances",
        "NearestNeighborWeighting": ".instances",
        "NoTargetWarning": ".base",
        "OTMapping": ".mapping",
        "RULSIF": ".instances",
        "SSTCA": ".mapping",
        "SimultaneousTransfer": ".adversarial",
        "SourceKFold": ".model_selection",
        "SourceOnly": ".baselines",
        "SubspaceAlignment": ".mapping",
        "TCA": ".mapping",
        "TJM": ".mapping",
        "TargetKFold": ".model_selection",
        "TargetOnly": ".baselines",
        "TargetShuffleSplit": ".model_selection",
        "TaskTrAdaBoost": ".instances",
        "TrAdaBoost": ".instances",
        "TrAdaBoostR2": ".instances",
        "TrBagging": ".instances",
        "TrMultiBoosting": ".instances",
        "TrResampling": ".instances",
        "TwoStageTrAdaBoostR2": ".instances",
        "ULSIF": ".instances",
        "encode_domain": ".domains",
        "split_domains": ".domains",
        "stack": ".domains",
    },
    subpackages=(
        "adversarial",
        "datasets",
        "deep",
        "inspection",
        "instances",
        "mapping",
        "model_selection",
        "network",
        "utils",
    ),
)
