"""How well rows find their like: retrieval by codes or features."""

from ._retrieval import (
    RetrievalScorer,
    hamming_distances,
    hamming_neighbors,
    mean_average_precision,
)

__all__ = [
    "RetrievalScorer",
    "hamming_distances",
    "hamming_neighbors",
    "mean_average_precision",
]
