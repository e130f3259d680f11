"""Transfer learning behind scikit-learn's interface: ``fit(Xs, ys, Xt, yt=None)``, ``predict``."""

from typing import TYPE_CHECKING

from ._lazy import lazy_attributes
from .base import NoTargetWarning
from .baselines import SourceOnly, TargetOnly
from .domains import encode_domain, split_domains, stack
from .model_selection import TargetKFold, TargetShuffleSplit

if TYPE_CHECKING:
    from .adversarial import DANN, DANNRegressor
    from .deep import DeepTransferClassifier, DeepTransferRegressor
    from .mapping import DDC, DDCRegressor
    from .network import FineTuning, FineTuningRegressor

__version__ = "0.1.0.dev0"

_EAGER = [
    "NoTargetWarning",
    "SourceOnly",
    "TargetKFold",
    "TargetOnly",
    "TargetShuffleSplit",
    "encode_domain",
    "split_domains",
    "stack",
]
_DEEP = {
    "DANN": ".adversarial.dann",
    "DANNRegressor": ".adversarial.dann",
    "DDC": ".mapping.ddc",
    "DDCRegressor": ".mapping.ddc",
    "DeepTransferClassifier": ".deep.estimators",
    "DeepTransferRegressor": ".deep.estimators",
    "FineTuning": ".network.fine_tuning",
    "FineTuningRegressor": ".network.fine_tuning",
}
__getattr__, __dir__, __all__ = lazy_attributes(__name__, _DEEP, _EAGER)
