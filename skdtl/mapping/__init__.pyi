from .bda import BDA as BDA
from .coral import CORAL as CORAL
from .dan import DAN as DAN, DANRegressor as DANRegressor
from .ddc import DDC as DDC, DDCRegressor as DDCRegressor
from .deep_coral import DeepCORAL as DeepCORAL, DeepCORALRegressor as DeepCORALRegressor
from .deep_jdot import DeepJDOT as DeepJDOT, DeepJDOTRegressor as DeepJDOTRegressor
from .gfk import GFK as GFK
from .jan import JAN as JAN, JANRegressor as JANRegressor
from .jda import JDA as JDA
from .jdot import JDOT as JDOT
from .jgsa import JGSA as JGSA
from .linear_ot import LinearOTMapping as LinearOTMapping
from .ot_mapping import OTMapping as OTMapping
from .per_domain import PerDomain as PerDomain
from .sstca import SSTCA as SSTCA
from .subspace_alignment import SubspaceAlignment as SubspaceAlignment
from .tca import TCA as TCA
from .tjm import TJM as TJM
from .wdgrl import WDGRL as WDGRL, WDGRLRegressor as WDGRLRegressor
