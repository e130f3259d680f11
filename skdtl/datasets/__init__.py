"""Data with a domain shift: real pairs of domains and small generators."""

from ._published import (
    load_amazon,
    load_breast_expression,
    load_corn_nir,
    load_heart_disease,
    load_mushroom,
    load_newsgroups,
    load_regression_thirds,
    load_usps_mnist,
)

__all__ = [
    "load_amazon",
    "load_breast_expression",
    "load_corn_nir",
    "load_heart_disease",
    "load_mushroom",
    "load_newsgroups",
    "load_regression_thirds",
    "load_usps_mnist",
]
