"""Data with a domain shift: real pairs of domains and small generators."""

from ._digits import load_digits_pair
from ._generators import make_shifted_classification
from ._office_caltech import load_office_caltech
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
    "load_digits_pair",
    "load_heart_disease",
    "load_mushroom",
    "load_newsgroups",
    "load_office_caltech",
    "load_regression_thirds",
    "load_usps_mnist",
    "make_shifted_classification",
]
