"""Boosting from several sources: MultiSourceTrAdaBoost and TaskTrAdaBoost."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from .._params import Int, OneOf, Real
from ..base import Domain, TransferTags, fit_clone
from ._boosted import BoostedClassifier, BoostingRows
from ._boosting import Ensemble, boost, source_factor, tradaboost_update

__all__ = ["MultiSourceTrAdaBoost", "TaskTrAdaBoost", "boost_candidates", "least_error"]

SEEDS = np.iinfo(np.int32).max
# Sums of the same weights in another order differ by less.
SAME_ERROR = 1e-9


def least_error(errors, preference) -> int:
    """Return the position of the least error; of the greatest preference where several are least.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        Errors in [0, 1], or inf.
    preference : callable
        ``preference(k)`` says how good candidate k is apart from that; it is asked only for
        candidates that share the least error.

    Returns
    -------
    best : int
    """
    least = np.flatnonzero(errors <= errors.min() + SAME_ERROR)
    if len(least) == 1:
        return int(least[0])
    return int(least[np.argmax([preference(k) for k in least])])


def boost_candidates(wrong, n_rounds, n_classes=2, preferences=None) -> Ensemble:
    """Boost over learners that are already fitted: phase II of TaskTrAdaBoost.

    Each round takes the candidate with the least weighted error out of the set. With two classes a
    candidate that is wrong on more than half of the weight counts as its opposite.

    Parameters
    ----------
    wrong : ndarray of shape (n_candidates, n), bool
        Which target rows each candidate misclassifies.
    n_rounds : int
        The largest number of rounds.
    n_classes : int, default=2
        The number of classes.
    preferences : ndarray of shape (n_candidates,), default=None
        The candidate of the greatest one is taken where several have the least error.

    Returns
    -------
    ensemble : Ensemble
        Its ``learners`` are pairs: which candidate, and whether its opposite is meant.
    """
    preferences = np.zeros(len(wrong)) if preferences is None else preferences
    free = np.ones(len(wrong), dtype=bool)

    def propose(weights):
        errors = wrong @ (weights / weights.sum())
        opposite = (errors > 0.5) & (n_classes == 2)
        errors = np.where(opposite, 1 - errors, errors)
        errors[~free] = np.inf
        best = least_error(errors, lambda k: preferences[k])
        free[best] = False
        return (best, bool(opposite[best])), wrong[best] ^ opposite[best]

    def update(weights, wrong):
        return tradaboost_update(weights, wrong, 0, 1.0, n_classes)

    return boost(propose, update, np.ones(wrong.shape[1]), min(n_rounds, len(wrong)))


class Opposite:
    """Predicts the other one of two classes than a classifier does."""

    def __init__(self, classifier, classes):
        self.classifier, self.classes = classifier, classes

    def predict(self, X):
        """Predict the class that ``classifier`` doesn't."""
        first = self.classifier.predict(X) == self.classes[0]
        return self.classes[first.astype(int)]


class FromSource(NamedTuple):
    """A learner and the source that it is from, 0 where it is from the target alone."""

    learner: Any
    source: int


class MultiSourceClassifier(BoostedClassifier):
    """Base class of boosted classifiers whose learners come from one of several sources each."""

    _transfer_tags: ClassVar[TransferTags] = TransferTags(
        "required", unlabelled_target=False, multi_source=True
    )
    _params: ClassVar[dict[str, Any]] = {**BoostedClassifier._params, "n_jobs": (None, Int())}

    def _keep(self, ensemble: Ensemble) -> None:
        """Keep learners that are `FromSource`, and what share of the vote each source has."""
        self.estimators_ = [kept.learner for kept in ensemble.learners]
        self.estimator_sources_ = np.array([kept.source for kept in ensemble.learners])
        self.estimator_errors_ = ensemble.errors
        self.estimator_weights_ = ensemble.votes
        votes = [ensemble.votes[self.estimator_sources_ == k].sum() for k in self.sources_]
        self.source_shares_ = np.array(votes) / ensemble.votes.sum()
        self.vote_ = "all"

    def _parallel(self, function, tasks):
        """Call a function for each tuple of arguments, in threads: learners mostly free the GIL."""
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(function)(*task) for task in tasks
        )


def _fit_and_predict(task, X):
    learner = fit_clone(*task)
    return learner, learner.predict(X)


class MultiSourceTrAdaBoost(MultiSourceClassifier):
    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=50,
        initial_weights="domain",
        resample=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.initial_weights = initial_weights
        self.resample = resample
        self.n_jobs = n_jobs
        self.random_state = random_state

    _params: ClassVar[dict[str, Any]] = {
        **MultiSourceClassifier._params,
        "initial_weights": OneOf("domain", "uniform"),
    }

    def _fit(self, source: Domain, target: Domain) -> None:
        def update(weights, wrong, n_source):
            beta = source_factor(n_source, self.n_estimators)
            return tradaboost_update(weights, wrong, n_source, beta, len(self.classes_))

        self.sources_ = np.unique(source.ids)
        self._boost_domains(source, target, update)

    def _first_weights(self, rows: BoostingRows, source_mass):
        """Give each domain the same weight, or each row."""
        weights = np.ones(len(rows.y))
        if self.initial_weights == "domain" and rows.n_source:
            weights[rows.n_source :] = 1 / rows.n_target
            for k in self.sources_:
                members = np.flatnonzero(rows.source_ids == k)
                weights[members] = 1 / len(members)
        return weights

    def _propose(self, rows: BoostingRows, weights, rng):
        """Fit a learner to each source and the target; return the best one on the target."""
        is_target = np.arange(len(rows.y)) >= rows.n_source
        members, tasks = {}, {}
        for k in self.sources_ if rows.n_source else [0]:
            chosen = is_target.copy()
            chosen[: rows.n_source] = rows.source_ids == k
            y = rows.y[chosen]
            if rows.n_source and (y == y[0]).all():
                continue  # the others hold the other classes
            drawn = weights[chosen] / weights[chosen].mean()
            members[k] = chosen & ~is_target
            tasks[k] = self._draw_learner(rows.X[chosen], y, drawn, rng)
        X, y = rows.X[rows.n_source :], rows.y[rows.n_source :]
        candidates = self._parallel(_fit_and_predict, [(task, X) for task in tasks.values()])
        ids = list(tasks)
        on_target = weights[rows.n_source :]
        errors = [np.average(predicted != y, weights=on_target) for _, predicted in candidates]

        def agreement(k):
            """Say how right a candidate is on its own source."""
            own = members[ids[k]]
            right = candidates[k][0].predict(rows.X[own]) == rows.y[own]
            return np.average(right, weights=weights[own])

        best = least_error(np.array(errors), agreement)
        learner = candidates[best][0]
        return FromSource(learner, int(ids[best])), learner.predict(rows.X)

    def _target_alone(self, rows, update, first_weights, recorded, rng) -> Ensemble:
        ensemble = super()._target_alone(rows, update, first_weights, recorded, rng)
        ensemble.learners = [FromSource(ensemble.learners[0], 0)]
        return ensemble


class TaskTrAdaBoost(MultiSourceClassifier):
    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=50,
        gamma=0.0,
        resample=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.gamma = gamma
        self.resample = resample
        self.n_jobs = n_jobs
        self.random_state = random_state

    _unpickled: ClassVar[tuple[str, ...]] = ()
    _params: ClassVar[dict[str, Any]] = {
        **MultiSourceClassifier._params,
        "gamma": Real(0),
    }

    def _fit(self, source: Domain, target: Domain) -> None:
        self._check_learner()
        rng = check_random_state(self.random_state)
        # Kept, so that fit_target does what fit would have done.
        self._target_seed = rng.randint(SEEDS)
        self.sources_ = np.unique(source.ids)
        y = self._decode(source.y)
        tasks = []
        for k in self.sources_:
            members = source.ids == k
            tasks.append((source.X[members], y[members], rng.randint(SEEDS)))
        pools = self._parallel(self._boost_source, tasks)
        self.candidates_ = [learner for pool in pools for learner in pool.learners]
        self.candidate_weights_ = np.concatenate([pool.votes for pool in pools])
        self.candidate_sources_ = np.repeat(self.sources_, [len(pool.learners) for pool in pools])
        if target is source and self.candidates_:
            kept = [FromSource(h, k) for h, k in zip(self.candidates_, self.candidate_sources_)]
            ensemble = Ensemble(kept, pools[0].errors, pools[0].votes, [], pools[0].path)
            self._keep(ensemble)
        else:
            self._keep(self._boost_target(target.labelled_rows()))

    def _boost_source(self, X, y, seed) -> Ensemble:
        """Do phase I for one source: AdaBoost, of which the learners above gamma are kept."""
        n_classes = len(np.unique(y))
        if n_classes == 1:
            return Ensemble([], np.zeros(0), np.zeros(0), [], np.zeros(0))
        rng = np.random.RandomState(seed)

        def propose(weights):
            learner = self._fit_learner(X, y, weights, rng)
            return learner, learner.predict(X)

        def update(weights, predicted):
            return tradaboost_update(weights, predicted != y, 0, 1.0, n_classes)

        found = boost(propose, update, np.ones(len(y)), self.n_estimators)
        able = found.votes / 2 > self.gamma
        learners = [h for h, kept in zip(found.learners, able) if kept]
        return Ensemble(learners, found.errors[able], found.votes[able], [], found.path)

    def _boost_target(self, target: Domain) -> Ensemble:
        """Do phase II on labelled target rows; one learner on these rows if no candidate helps."""
        y = self._decode(target.y)
        if self.candidates_:
            wrong = np.stack([h.predict(target.X) != y for h in self.candidates_])
            ensemble = boost_candidates(
                wrong, self.n_estimators, len(self.classes_), self.candidate_weights_
            )
            kept = []
            for k, opposite in ensemble.learners:
                h = self.candidates_[k]
                h = Opposite(h, self.classes_) if opposite else h
                kept.append(FromSource(h, int(self.candidate_sources_[k])))
            if kept:
                ensemble.learners = kept
                return ensemble
        if (y == y[0]).all():
            learner = DummyClassifier(strategy="most_frequent").fit(target.X, y)
        else:
            rng = np.random.RandomState(self._target_seed)
            learner = self._fit_learner(target.X, y, np.ones(len(y)), rng)
        error = np.mean(learner.predict(target.X) != y)
        return Ensemble([FromSource(learner, 0)], np.array([error]), np.ones(1), [], np.zeros(0))

    def fit_target(self, Xt, yt):
        """Adapt to another target: phase II alone, with the candidates of the last `fit`.

        The result is that of a `fit` with the same sources and this target.

        Parameters
        ----------
        Xt : array-like of shape (n_t, n_features)
            Target rows.
        yt : array-like of shape (n_t,)
            Target labels, of the classes of the sources. NaN, None or pandas.NA marks a row without
            a label, and so does -1 where it is no class.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For illegal data. The estimator is left as it was.
        """
        target = self._check_target(Xt, yt)
        self._keep(self._boost_target(target.labelled_rows()))
        return self
