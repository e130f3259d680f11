"""Terms that keep fine-tuning near what was learnt before, a file per method."""

from .bss import BSS
from .co_tuning import CoTuning
from .delta import DELTA
from .l2_sp import L2SP

__all__ = ["BSS", "DELTA", "L2SP", "CoTuning"]
