"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .alignments import (
        MMD,
        Activations,
        Alignment,
        ClassCentreSimilarity,
        DomainAdversary,
        DomainConfusion,
        SoftLabels,
    )
    from .estimators import DeepTransferClassifier, DeepTransferRegressor
    from .schedules import Ramp

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "Activations": ".alignments",
        "Alignment": ".alignments",
        "ClassCentreSimilarity": ".alignments",
        "DeepTransferClassifier": ".estimators",
        "DeepTransferRegressor": ".estimators",
        "DomainAdversary": ".alignments",
        "DomainConfusion": ".alignments",
        "MMD": ".alignments",
        "Ramp": ".schedules",
        "SoftLabels": ".alignments",
    },
)
