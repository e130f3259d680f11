"""The engine of every network: backbone, alignment losses, paired batches, the skorch net."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .alignments import MMD, Activations, Alignment, DomainAdversary
    from .backbones import LeNet, ResNet, SpectrumNet
    from .estimators import DeepTransferClassifier, DeepTransferRegressor
    from .schedules import Ramp

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "Activations": ".alignments",
        "Alignment": ".alignments",
        "DeepTransferClassifier": ".estimators",
        "DeepTransferRegressor": ".estimators",
        "DomainAdversary": ".alignments",
        "LeNet": ".backbones",
        "MMD": ".alignments",
        "Ramp": ".schedules",
        "ResNet": ".backbones",
        "SpectrumNet": ".backbones",
    },
)
