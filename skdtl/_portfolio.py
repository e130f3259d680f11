"""What a `TransferEnsemble` lets vote where it is given nothing: candidates for two tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ._delegation import takes_missing_values, takes_weights
from .base import Domain
from .baselines import Pooled, TargetOnly
from .mapping import CORAL, JDA, TCA, PerDomain

__all__ = ["Candidate", "Tables", "default_candidates", "default_learners", "linear_learner"]

# Beyond so many rows or columns of a matrix to be decomposed, or rows of both domains, a candidate
# takes too long for one of many.
MAX_COLUMNS, MAX_ROWS = 2000, 20_000
# So many labelled target rows are enough for candidates of their own.
ENOUGH_LABELS = 50
# Ridge's penalties, for standardised columns.
PENALTIES = np.logspace(-2, 4, 13)
# Learners of single columns, and of columns that share a unit: directions have neither, the first
# ones spread widest.
TREES, GAUSSIAN = "trees", "gaussian"


@dataclass(frozen=True)
class Tables:
    """What decides which candidates suit a source and a target."""

    n_rows: int
    n_columns: int
    n_labelled: int
    sparse: bool
    missing: bool
    without_target: bool

    @classmethod
    def of(cls, source: Domain, target: Domain) -> Tables:
        """Look at validated domains; they are one where there is no target."""
        parts = [source.X] if target is source else [source.X, target.X]
        values = [X.data if sp.issparse(X) else X for X in parts]
        return cls(
            n_rows=sum(X.shape[0] for X in parts),
            n_columns=source.X.shape[1],
            n_labelled=0 if target is source else int(target.labelled.sum()),
            sparse=any(sp.issparse(X) for X in parts),
            missing=any(bool(np.isnan(part).any()) for part in values),
            without_target=target is source,
        )


class Candidate(NamedTuple):
    """What is fitted to both domains.

    Attributes
    ----------
    name : str
        Adaptation and learner.
    estimator : estimator object
        One of ours, or a Pipeline that ends in one.
    adapts : bool
        Whether unlabelled target rows have a say.
    same_shares : bool
        Whether it makes means of the domains alike, and so is to be given source rows among which
        the classes have the shares that they may have in the target.
    """

    name: str
    estimator: Any
    adapts: bool
    same_shares: bool = False


def linear_learner(classifier: bool) -> Any:
    """Return the first of the default learners."""
    return LogisticRegression(max_iter=1000) if classifier else RidgeCV(PENALTIES)


def default_learners(classifier: bool, tables: Tables) -> dict[str, Any]:
    """Return unlike learners by name: where one of them is wrong, another may be right."""
    trees = ExtraTreesClassifier() if classifier else ExtraTreesRegressor()
    found = {"linear": linear_learner(classifier), TREES: trees}
    # It decomposes the columns' covariance.
    if classifier and not tables.sparse and tables.n_columns <= MAX_COLUMNS:
        found[GAUSSIAN] = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return found


def default_candidates(
    learners: dict[str, Any], classifier: bool, tables: Tables
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates for two tables, and why others are left out.

    Parameters
    ----------
    learners : dict of str to estimator object
        By the name that a candidate bears beside its adaptation's, unless it is empty.
    classifier : bool
        Whether they are classifiers.
    tables : Tables
        The two tables.

    Returns
    -------
    candidates : list of Candidate
    left_out : dict of str to str
        Reasons by names.
    """
    found, left_out = [], {}
    for adaptation in _adaptations(classifier, tables):
        for kind, learner in learners.items():
            if adaptation.directions and kind in (TREES, GAUSSIAN):
                continue
            name = f"{adaptation.name}, {kind}" if kind else adaptation.name
            reason = adaptation.refuses(learner, tables)
            if reason:
                left_out[name] = reason
            else:
                found.append(adaptation.around(name, learner, tables))
    return found, left_out


@dataclass(frozen=True)
class _Adaptation:
    """One way to use the target, around any learner.

    ``last`` ends in the learner; columns come to it in each domain's own units, or in units that
    both share. ``dense`` takes rows of numbers alone and decomposes a matrix between columns,
    ``directions`` one between columns or rows, whichever are fewer.
    """

    name: str
    last: Any
    own_units: bool = False
    weighted: bool = False
    dense: bool = False
    directions: bool = False
    balanced: bool = False

    def refuses(self, learner, tables: Tables) -> str | None:
        """Return why this is not for a learner and the tables, or None."""
        if self.weighted and not takes_weights(learner):
            return f"{type(learner).__name__} takes no sample_weight"
        if not (self.dense or self.directions):
            return None
        if self.dense and tables.sparse:
            return "sparse rows would become dense"
        if tables.missing and takes_missing_values(learner):
            return "it takes no missing values"
        if tables.n_columns > MAX_COLUMNS and (self.dense or tables.n_rows > MAX_COLUMNS):
            return f"more than {MAX_COLUMNS} columns would take too long"
        if tables.n_rows > MAX_ROWS:
            return f"more than {MAX_ROWS} rows would take too long"
        return None

    def around(self, name: str, learner, tables: Tables) -> Candidate:
        """Return the candidate around a learner."""
        steps: list[tuple[str, Any]] = []
        if tables.missing and not takes_missing_values(learner):
            imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
            steps.append(("imputer", imputer))
        scaler = StandardScaler(with_mean=not tables.sparse)
        if self.own_units:
            steps.append(("per_domain", PerDomain(scaler, estimator="passthrough")))
        elif not tables.sparse:  # the words of a text share their unit
            steps.append(("scaler", scaler))
        last = clone(self.last).set_params(estimator=clone(learner))
        steps.append((type(last).__name__.lower(), last))
        moves = self.own_units or self.directions
        return Candidate(name, Pipeline(steps), moves, moves and self.balanced)


def _adaptations(classifier: bool, tables: Tables) -> Iterator[_Adaptation]:
    """Yield the adaptations of a portfolio."""
    if tables.without_target or not tables.n_labelled:
        yield _Adaptation("source", Pooled())
        if tables.without_target:
            return
        # The words of a text share their unit already, and are too many for a matrix of their own.
        own_units = not tables.sparse
        moved = {"own_units": own_units, "balanced": classifier}
        if own_units:
            yield _Adaptation("own units", Pooled(), **moved)
        else:
            yield _Adaptation("TCA", TCA(), directions=True, **moved)
        yield _Adaptation("CORAL", CORAL(), dense=True, **moved)
        if classifier:
            yield _Adaptation("JDA", JDA(), directions=True, **moved)
        return
    for words, own_units in (("pooled", False), ("own units", True)):
        shares = {"own_units": own_units, "balanced": classifier}
        yield _Adaptation(words, Pooled(), **shares)
        half = Pooled(balance="domains")
        yield _Adaptation(f"{words}, balanced", half, weighted=True, **shares)
    if tables.n_labelled >= ENOUGH_LABELS:
        yield _Adaptation("target", TargetOnly())
