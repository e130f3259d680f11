from .adda import ADDA as ADDA, ADDARegressor as ADDARegressor
from .cdan import CDAN as CDAN
from .dann import DANN as DANN, DANNRegressor as DANNRegressor
from .label_efficient import LabelEfficientTransfer as LabelEfficientTransfer
from .mcc import MCC as MCC
from .mcd import MCD as MCD
from .mdd import MDD as MDD
from .rman import RMAN as RMAN
from .simultaneous_transfer import SimultaneousTransfer as SimultaneousTransfer
