"""Methods that move both domains to one space (the survey's section 3.2)."""

from typing import TYPE_CHECKING

from .._lazy import lazy_attributes

if TYPE_CHECKING:
    from .bda import BDA
    from .coral import CORAL
    from .dan import DAN, DANRegressor
    from .ddc import DDC, DDCRegressor
    from .deep_coral import DeepCORAL, DeepCORALRegressor
    from .deep_jdot import DeepJDOT, DeepJDOTRegressor
    from .gfk import GFK
    from .jan import JAN, JANRegressor
    from .jda import JDA
    from .jdot import JDOT
    from .jgsa import JGSA
    from .linear_ot import LinearOTMapping
    from .optimal_transport import OTMapping
    from .sstca import SSTCA
    from .subspace_alignment import SubspaceAlignment
    from .tca import TCA
    from .tjm import TJM
    from .wdgrl import WDGRL, WDGRLRegressor

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        "BDA": ".bda",
        "CORAL": ".coral",
        "DAN": ".dan",
        "DANRegressor": ".dan",
        "DDC": ".ddc",
        "DDCRegressor": ".ddc",
        "DeepCORAL": ".deep_coral",
        "DeepCORALRegressor": ".deep_coral",
        "DeepJDOT": ".deep_jdot",
        "DeepJDOTRegressor": ".deep_jdot",
        "GFK": ".gfk",
        "JAN": ".jan",
        "JANRegressor": ".jan",
        "JDA": ".jda",
        "JDOT": ".jdot",
        "JGSA": ".jgsa",
        "LinearOTMapping": ".linear_ot",
        "OTMapping": ".optimal_transport",
        "SSTCA": ".sstca",
        "SubspaceAlignment": ".subspace_alignment",
        "TCA": ".tca",
        "TJM": ".tjm",
        "WDGRL": ".wdgrl",
        "WDGRLRegressor": ".wdgrl",
    },
)
