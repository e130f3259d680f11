"""What the ensembles on drawn rows share: the best of several learners, fitted anew each round."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from .._constraints import RANDOM_STATE, Bool, HasMethod, Int, OneOf, SequenceOf
from .._delegation import fit_clone, takes_missing_values
from ..base import Domain
from ._boosting_base import BoostedClassifier, BoostingRows
from ._draws import deal_folds, draw_rows, fixed_order, seeded_clone

__all__ = ["ResamplingEnsemble"]


class ResamplingEnsemble(BoostedClassifier):
    """Base class of the three: the best of several learners, fitted to drawn rows in each round."""

    _params: ClassVar[dict[str, Any]] = {
        "estimator": (None, HasMethod("fit"), SequenceOf(HasMethod("fit"), min_length=1)),
        "n_estimators": Int(1),
        "early_stopping": Bool(),
        "initial_weights": OneOf("domain", "uniform"),
        "voting": OneOf("auto", "hard", "soft"),
        "cv": Int(2),
        "n_jobs": (None, Int()),
        "random_state": RANDOM_STATE,
    }

    def _candidates(self) -> list:
        if self.estimator is None:
            svm = make_pipeline(StandardScaler(), LinearSVC())
            return [GaussianNB(), DecisionTreeClassifier(max_depth=3), svm]
        return (
            list(self.estimator) if isinstance(self.estimator, (list, tuple)) else [self.estimator]
        )

    def _estimator(self):
        return self._candidates()[0]

    def _check_learner(self) -> None:
        for candidate in self._candidates():
            self._check_kind(candidate)

    def _resample(self, source: Domain, target: Domain, update, **options) -> None:
        """Choose a candidate and boost, in an order of the source rows that is fixed by them."""
        # Rows are drawn by their numbers: in the order given, another order were another seed.
        order = fixed_order(source.X, source.y)
        ordered = source.take(order)
        half = 0.5 if self.initial_weights == "domain" else None
        target = ordered if target is source else target
        self._boost_domains(ordered, target, update, source_mass=half, **options)
        back = np.argsort(order)
        self.source_weights_path_ = self.source_weights_path_[:, back]
        self.source_weights_ = self.source_weights_path_[-1]

    def _fit_learner(self, X, y, weights, rng):
        """Fit the chosen candidate to rows drawn by weight."""
        learner = seeded_clone(self._learner(), rng)
        rows = draw_rows(weights, y, rng)
        return fit_clone(learner, X[rows], y[rows])

    def _learner(self):
        return self._candidates()[self.best_candidate_]

    def _choose_learner(self, rows: BoostingRows, weights, rng) -> None:
        """Choose the candidate with the least cross-validated error on the target rows."""
        candidates = self._candidates()
        self.best_candidate_ = 0
        self.candidate_errors_ = np.full(len(candidates), np.nan)
        if len(candidates) == 1:
            return
        fold = deal_folds(rows.y[rows.n_source :], self.cv, rng)
        jobs = []
        for k in np.unique(fold):
            held_out = rows.n_source + np.flatnonzero(fold == k)
            train = np.setdiff1d(np.arange(len(rows.y)), held_out)
            drawn = train[draw_rows(weights[train], rows.y[train], rng)]
            jobs += [
                delayed(_count_wrong)(seeded_clone(candidate, rng), rows, drawn, held_out)
                for candidate in candidates
            ]
        wrong = np.reshape(Parallel(n_jobs=self.n_jobs)(jobs), (-1, len(candidates)))
        self.candidate_errors_ = wrong.sum(axis=0) / rows.n_target
        self.best_candidate_ = int(np.argmin(self.candidate_errors_))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        candidates = self._candidates()
        tags.input_tags.sparse = all(get_tags(one).input_tags.sparse for one in candidates)
        tags.input_tags.allow_nan = all(takes_missing_values(one) for one in candidates)
        return tags


def _count_wrong(candidate, rows: BoostingRows, train, held_out) -> int:
    """Fit a candidate to some rows and count the others that it misclassifies."""
    fitted = candidate.fit(rows.X[train], rows.y[train])
    return int(np.sum(fitted.predict(rows.X[held_out]) != rows.y[held_out]))
