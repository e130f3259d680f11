"""What the pictures have in common."""

from __future__ import annotations

from .._lazy import MissingExtraError

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")


def label_name(label) -> str:
    """Return how a label is written: without decimals where a missing label made it a float."""
    return f"{label:g}" if isinstance(label, float) else str(label)


def pyplot(display: str):
    """Import matplotlib.pyplot for a display; where it is missing, the error names the extra."""
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        raise MissingExtraError(
            f"{display} draws with matplotlib, which is not installed: pip install 'skdtl[plot]'",
            name="matplotlib",
        ) from error
    return plt
