"""What a `TransferEnsemble` does with a candidate: ask what it needs, seed it, fit it."""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from ._delegation import takes_missing_values
from ._portfolio import Tables
from .base import NoTargetWarning, TransferEstimator

__all__ = ["Fit", "adapts", "fit_candidate", "last_step", "refusal", "seeded"]

_MAX_SEED = np.iinfo(np.int32).max


class Fit(NamedTuple):
    """What came of fitting a candidate."""

    model: Any
    seconds: float
    error: Exception | None


def last_step(estimator):
    """Return the last step of a Pipeline, or what is none."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _named_steps(estimator):
    return estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]


def adapts(estimator) -> bool:
    """Tell whether unlabelled target rows have a say in a candidate."""
    ours = (step for _, step in _named_steps(estimator) if isinstance(step, TransferEstimator))
    return any(get_tags(step).transfer_tags.unlabelled_target for step in ours)


def refusal(estimator, tables: Tables) -> str | None:
    """Return why a candidate cannot take the tables, or None."""
    if tables.sparse and not get_tags(estimator).input_tags.sparse:
        return "it takes no sparse rows"
    if tables.missing and not takes_missing_values(estimator):
        return "it takes no missing values"
    needs = get_tags(last_step(estimator)).transfer_tags.target_labels == "required"
    if needs and not tables.n_labelled and not tables.without_target:
        return "it needs labelled target rows"
    return None


def seeded(estimator, random):
    """Return an estimator whose seeds that are None are drawn."""
    parameters = estimator.get_params(deep=True)
    seeds = {
        name: random.randint(_MAX_SEED)
        for name in sorted(parameters)
        if name.split("__")[-1] == "random_state" and parameters[name] is None
    }
    return estimator.set_params(**seeds)


def fit_candidate(estimator, X, y, codes) -> Fit:
    """Fit a candidate; without codes of domains all rows are of the source, and there is no other.

    An error is returned, since other candidates may do without this one.
    """
    options = {}
    if codes is not None:
        options = {
            f"{name}__sample_domain" if name else "sample_domain": codes
            for name, step in _named_steps(estimator)
            if isinstance(step, TransferEstimator)
        }
    start = time.perf_counter()
    error = None
    try:
        # Under metadata routing each step would have to ask for the codes.
        with warnings.catch_warnings(), config_context(enable_metadata_routing=False):
            warnings.simplefilter("ignore", NoTargetWarning)  # the ensemble has said so
            # A class of one labelled row has no covariance; the other learners don't ask for one.
            warnings.filterwarnings("ignore", "Only one sample available")
            estimator.fit(X, y, **options)
    except Exception as caught:
        error = caught
    return Fit(estimator, time.perf_counter() - start, error)
