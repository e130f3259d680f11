from .deep_hashing import DeepHashing as DeepHashing
from .feature_transfer import (
    FeatureTransfer as FeatureTransfer,
    FeatureTransferRegressor as FeatureTransferRegressor,
)
from .fine_tuning import FineTuning as FineTuning, FineTuningRegressor as FineTuningRegressor
from .layer_transferability import layer_transferability as layer_transferability
from .mscsc import MSCSC as MSCSC
from .novel_class_discovery import NovelClassDiscovery as NovelClassDiscovery
from .rtn import RTN as RTN
from .shared_hidden_network import SharedHiddenNetwork as SharedHiddenNetwork
