"""The base classes of the boosting estimators: base learners, rows, votes."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter

from .._arrays import join_rows
from .._constraints import RANDOM_STATE, Bool, HasMethod, Int, OneOf
from .._delegation import WrappingEstimator, fit_clone
from .._predictions import ClassPredictions, TargetPredictions, if_offered
from .._typing import LabelsLike, RowsLike
from ..base import Domain, TransferTags
from ._base import SourceWeightsMixin
from ._boosting_rounds import (
    Ensemble,
    Round,
    adaboost_r2_update,
    boosting_rounds,
    gather,
    r2_losses,
    tradaboost_update,
    vote_start,
    weighted_median,
    weighted_votes,
)
from ._draws import MAX_SEED, draw_rows, even_folds, seeded_clone
from ._early_stopping import N_FOLDS, leads, staged_losses

__all__ = [
    "LOSS",
    "VOTE",
    "BoostedClassifier",
    "BoostedEstimator",
    "BoostedRegressor",
    "BoostingRows",
]

VOTE = OneOf("auto", "last_half", "all")
LOSS = OneOf("linear", "square", "exponential")
_GONE = 1e-3  # a share of the weight that no learner notices


@dataclass(frozen=True)
class BoostingRows:
    """The labelled rows that are boosted over, source rows first.

    Attributes
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    y : ndarray of shape (n,)
        The caller's own labels.
    n_source : int
        The number of source rows.
    source_ids : ndarray of shape (n_source,), int
        Which source each of them is from: 1, 2, ...
    """

    X: Any
    y: np.ndarray
    n_source: int
    source_ids: np.ndarray

    @property
    def n_target(self) -> int:
        return len(self.y) - self.n_source

    def of_target(self, positions) -> BoostingRows:
        """Return the source rows and some of the target's."""
        rows = np.concatenate([np.arange(self.n_source), self.n_source + positions])
        return BoostingRows(self.X[rows], self.y[rows], self.n_source, self.source_ids)

    def target(self, positions=slice(None)):
        """Return some of the target's rows, and their labels."""
        return self.X[self.n_source :][positions], self.y[self.n_source :][positions]


class BoostedEstimator(SourceWeightsMixin, WrappingEstimator):
    """Base class of the boosting methods: base learners, their seeds and the learners kept."""

    _unpickled: ClassVar[tuple[str, ...]] = ("source_weights_", "source_weights_path_")
    _params: ClassVar[dict[str, Any]] = {
        "estimator": (None, HasMethod("fit")),
        "n_estimators": Int(1),
        "early_stopping": Bool(),
        "resample": Bool(),
        "random_state": RANDOM_STATE,
    }

    def _check_kind(self, learner, role="estimator") -> None:
        """Check that a learner predicts what the method needs."""
        name, kind = type(self).__name__, type(learner).__name__
        if is_classifier(self) and not is_classifier(learner):
            raise ValueError(f"{name} needs a classifier as its {role}, but {kind} is none.")
        if is_regressor(self) and not is_regressor(learner):
            raise ValueError(f"{name} needs a regressor as its {role}, but {kind} is none.")

    def _check_learner(self) -> None:
        """Check that the base learner fits the method, before anything is computed."""
        name, learner = type(self).__name__, self._estimator()
        self._check_kind(learner)
        last = learner.steps[-1][1] if isinstance(learner, Pipeline) else learner
        if not self.resample and not has_fit_parameter(last, "sample_weight"):
            raise ValueError(
                f"The estimator {type(last).__name__} takes no sample_weight in fit, but {name} "
                "weighs its rows. Use one that does, such as a tree or LogisticRegression, or "
                "set resample=True to draw rows by weight instead."
            )

    def _fit_learner(self, X, y, weights, rng):
        """Fit one seeded base learner to weighted (or by weight drawn) rows."""
        return fit_clone(*self._draw_learner(X, y, weights, rng))

    def _draw_learner(self, X, y, weights, rng):
        """Do all that is random of a fit: return what `fit_clone` takes, in any thread."""
        learner = seeded_clone(self._estimator(), rng)
        if not self.resample:
            return learner, X, y, weights
        rows = draw_rows(weights, y if is_classifier(self) else None, rng)
        return learner, X[rows], y[rows]

    def _rows(self, source: Domain, target: Domain) -> BoostingRows:
        """Join the source and the labelled target rows; without a target all are target rows."""
        if target is source:
            return BoostingRows(source.X, self._decode(source.y), 0, source.ids[:0])
        target = target.labelled_rows()
        y = self._decode(np.concatenate([source.y, target.y]))
        return BoostingRows(join_rows(source.X, target.X), y, len(source), source.ids)

    def _propose(self, rows: BoostingRows, weights, rng):
        """Return the learner of a round and its predictions of all rows."""
        learner = self._fit_learner(rows.X, rows.y, weights, rng)
        return learner, learner.predict(rows.X)

    def _compare(self, prediction, rows: BoostingRows):
        """Return what an update takes: which rows are wrong, or the residuals."""
        return prediction != rows.y if is_classifier(self) else prediction - rows.y

    def _boost_domains(
        self, source: Domain, target: Domain, update, *, source_mass=None, vote="all", stops=True
    ):
        """Boost over the source and the labelled target rows; a fallback if no learner is kept.

        ``update(weights, wrong or residual, n_source)`` is the method's weight update,
        ``source_mass`` the share of the source in the initial weights (None: all rows alike),
        ``vote`` who votes: "last_half", "all" or "auto", and ``stops`` is that of
        `boosting_rounds`.
        """
        self._check_learner()
        rng = check_random_state(self.random_state)
        rows = self._rows(source, target)
        self._choose_learner(rows, self._first_weights(rows, source_mass), rng)
        vote = vote if rows.n_source else "all"

        def judge(rows, weights, prediction):
            return update(weights, self._compare(prediction, rows), rows.n_source)

        def rounds(rows, rng):
            first = self._first_weights(rows, source_mass)
            failed = True
            for weights, n_rounds in self._runs(rows, first, rng):
                for kept in boosting_rounds(
                    lambda weights: self._propose(rows, weights, rng),
                    lambda weights, prediction: judge(rows, weights, prediction),
                    weights,
                    n_rounds,
                    stops=stops,
                ):
                    failed = False
                    yield kept
            if failed:
                yield self._target_alone(rows, judge, first, rng)

        stopping = self.early_stopping and rows.n_source > 0
        plain = self._plain(rows, rng) if stopping else {}
        first = self._first_weights(rows, source_mass)
        found, vote = self._stopped(rows, rounds, plain, vote, rng, first, stops)
        # Where there is no source, its weights are those of the rows that stand for it.
        ensemble = gather(found, self.n_estimators, recorded=slice(len(source)))
        self._keep(ensemble)
        self.source_weights_path_ = ensemble.path
        self.source_weights_ = ensemble.path[-1]
        self.source_mass_ = ensemble.path.sum(axis=1, dtype=float) / len(rows.y)
        if rows.n_source and not plain and self.source_mass_[-1] < _GONE:
            warnings.warn(
                f"At the end the source has {self.source_mass_[-1]:.1g} of the weight: late "
                "learners are fitted to the target alone. early_stopping=True ends the rounds "
                "where labelled target rows that are held out say so.",
                UserWarning,
                stacklevel=4,
            )
        self.vote_ = self._choose_vote(rows) if vote == "auto" else vote

    def _first_weights(self, rows: BoostingRows, source_mass: float | None):
        """Return the first round's weights, of any total."""
        weights = np.ones(len(rows.y))
        if source_mass is not None and rows.n_source:
            weights[: rows.n_source] = source_mass / rows.n_source
            weights[rows.n_source :] = (1 - source_mass) / rows.n_target
        return weights

    def _choose_learner(self, rows: BoostingRows, weights, rng) -> None:
        """Choose between learners at the first weights: here there is one."""

    def _learner(self):
        """Return the learner that has been chosen, not fitted."""
        return self._estimator()

    def _runs(self, rows: BoostingRows, weights, rng):
        """Yield the first weights and the number of rounds of each run of boosting: here one."""
        yield weights, self.n_estimators

    def _target_alone(self, rows: BoostingRows, judge, first, rng) -> Round:
        """Fit one learner to the target alone: what boosting tends to as the source fades."""
        weights = np.ones(len(rows.y))
        weights[: rows.n_source] = 0
        learner = self._fit_learner(rows.X, rows.y, weights, rng)
        _, error, _ = judge(rows, weights, learner.predict(rows.X))
        return Round(learner, error, 1.0, weights / weights.mean(), first / first.mean())

    # -- early stopping --

    def _plain(self, rows: BoostingRows, rng):
        """Return by name what fits an ensemble without any transfer, the reference first."""
        seed = rng.randint(MAX_SEED)

        def fit(X, y, boosted):
            seeded = np.random.RandomState(seed)
            found = list(self._ordinary_rounds(X, y, seeded)) if boosted else []
            if found:
                return found
            learner = fit_clone(seeded_clone(self._learner(), seeded), X, y)
            return [Round(learner, np.nan, 1.0, np.ones(len(y)), None)]

        X, y = rows.X[: rows.n_source], rows.y[: rows.n_source]
        self.weak_ = True
        self.weak_ = self._is_weak(X, y, fit)
        of_source = fit(X, y, self.weak_)  # without a target row: one serves in all folds
        return {
            "pooled": lambda rows: fit(rows.X, rows.y, self.weak_),
            "source": lambda rows: of_source,
        }

    def _is_weak(self, X, y, fit) -> bool:
        """Tell whether ordinary boosting predicts held-out rows of one domain better."""
        if is_classifier(self) and np.unique(y, return_counts=True)[1].min() < 2:
            return False  # a class that may be held out as a whole
        held_out = even_folds(X, y, N_FOLDS) == 0
        boosted, single = (
            self._losses_of_rows(
                self._said(fit(X[~held_out], y[~held_out], boosted), X[held_out]), y[held_out]
            )
            for boosted in (True, False)
        )
        return len(boosted) > 1 and leads(boosted, single)

    @abstractmethod
    def _ordinary_rounds(self, X, y, rng) -> Iterator[Round]:
        """Boost on rows of one domain."""

    def _said(self, rounds, X):
        """Combine what the learners of all rounds say."""
        return self._combine(
            [self._opinion(kept.learner, X) for kept in rounds], [kept.vote for kept in rounds]
        )

    def _stopped(self, rows: BoostingRows, rounds, plain, vote, rng, first=None, stops=True):
        """Return the rounds to keep, and who votes: all rounds if there is nothing plain.

        ``rounds(rows, rng)`` yields the rounds of boosting over rows, and ``first`` are the weights
        that they begin with, where these are recorded. Rounds that don't build on each other
        (``stops=False``) are all kept or none: a further one does no harm.
        """
        self.chosen_ = "boosting"
        self.held_out_losses_: dict[str, Any] = {}
        if not plain:
            return rounds(rows, rng), vote
        vote = "all" if vote == "auto" else vote
        X, y = rows.target()
        fold = even_folds(X, y, N_FOLDS)
        folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
        self.chosen_ = next(iter(plain))
        if len(folds) > 1:
            stages = []
            for train, test in folds:
                seeded = np.random.RandomState(rng.randint(MAX_SEED))
                of_fold = rounds(rows.of_target(train), seeded)
                stages.append(self._losses_of_rounds(of_fold, vote, *rows.target(test)))
            staged = staged_losses(stages)
            of_plain = self._losses_of_plain(rows, folds, plain)
            best = self._choose(of_plain, staged if stops else staged[-1:])
            n_rounds = best if stops else None
        if self.chosen_ == "boosting":
            return islice(rounds(rows, rng), n_rounds), vote
        return self._without_transfer(rows, plain[self.chosen_](rows), first), vote

    def _choose(self, of_plain, staged) -> int:
        """Set what is chosen, by the losses of held-out rows; return after which stage.

        The first of the plain ones is what the others have to beat, by a standard error.
        """
        self.held_out_losses_ = {name: float(losses.mean()) for name, losses in of_plain.items()}
        self.held_out_losses_["boosting"] = staged.mean(axis=1)
        (reference, its_losses), *others = of_plain.items()
        candidates = [(name, 1, losses) for name, losses in others]
        candidates += [("boosting", n, losses) for n, losses in enumerate(staged, start=1)]
        name, stage, losses = min(candidates, key=lambda candidate: candidate[2].mean())
        self.chosen_ = name if leads(losses, its_losses) else reference
        return stage

    def _losses_of_plain(self, rows: BoostingRows, folds, plain):
        """Return by name the losses of the rows that each fold holds out, fold by fold."""
        found: dict[str, list] = {name: [] for name in plain}
        for train, test in folds:
            rest, (X, y) = rows.of_target(train), rows.target(test)
            for name, fit in plain.items():
                found[name].append(self._losses_of_rows(self._said(fit(rest), X), y))
        return {name: np.concatenate(losses) for name, losses in found.items()}

    def _losses_of_rounds(self, rounds, vote, X, y):
        """Yield the losses of rows after each round."""
        opinions, votes = [], []
        for kept in rounds:
            opinions.append(self._opinion(kept.learner, X))
            votes.append(kept.vote)
            voting = slice(vote_start(len(votes), vote), None)
            yield self._losses_of_rows(self._combine(opinions[voting], votes[voting]), y)

    def _without_transfer(self, rows: BoostingRows, rounds, first=None) -> Iterator[Round]:
        """Yield rounds with the weights and the errors that rows of both domains have in them."""
        weights = np.ones(len(rows.y))
        first = weights if first is None else first
        if self.chosen_ == "source" and rows.n_source:
            weights = np.where(np.arange(len(weights)) < rows.n_source, weights, 0)
        began: np.ndarray | None = first / first.mean()
        for kept in rounds:
            error = self._error(rows, kept.learner.predict(rows.X))
            yield Round(kept.learner, error, kept.vote, weights / weights.mean(), began)
            began = None

    @abstractmethod
    def _error(self, rows: BoostingRows, prediction) -> float:
        """Return a learner's error on the labelled target rows, all alike."""

    @abstractmethod
    def _losses_of_rows(self, combined, y):
        """Return the loss of each row, by what is said of it."""

    # -- the vote --

    def _keep(self, ensemble: Ensemble) -> None:
        self.estimators_ = ensemble.learners
        self.estimator_errors_ = ensemble.errors
        self.estimator_weights_ = ensemble.votes

    def _choose_vote(self, rows: BoostingRows) -> str:
        """Return which vote fits the labelled target rows better: "last_half" or "all"."""
        X, y = rows.target()
        opinions = [self._opinion(learner, X) for learner in self.estimators_]
        errors = {}
        for vote in ("last_half", "all"):
            start = vote_start(len(opinions), vote)
            combined = self._combine(opinions[start:], self.estimator_weights_[start:])
            errors[vote] = self._training_error(combined, y)
        return "last_half" if errors["last_half"] <= errors["all"] else "all"

    def _voting(self, n_kept: int | None = None):
        """Return the learners that vote after ``n_kept`` rounds (None: all), and their weights."""
        n_kept = len(self.estimators_) if n_kept is None else n_kept
        start = vote_start(n_kept, self.vote_)
        return slice(start, n_kept), self.estimator_weights_[start:n_kept]

    @abstractmethod
    def _opinion(self, learner, X):
        """Return what a learner says of rows, in the form that `_combine` takes."""

    @abstractmethod
    def _combine(self, opinions, votes):
        """Combine the opinions of learners by their votes."""

    @abstractmethod
    def _training_error(self, combined, y) -> float:
        """Return how badly a combination fits labels."""

    def _opinions(self, learners, X):
        """Yield the opinion of each learner; one that comes several times is asked once."""
        known: dict[int, Any] = {}
        for learner in learners:
            if id(learner) not in known:
                known[id(learner)] = self._opinion(learner, X)
            yield known[id(learner)]

    def _combined(self, X):
        """Combine the opinions of the learners that vote, on validated rows."""
        X = self._prepare(X)
        voting, votes = self._voting()
        return self._combine(list(self._opinions(self.estimators_[voting], X)), votes)

    def _staged_combined(self, X):
        """Yield what `_combined` would be after each round."""
        X = self._prepare(self._check_X(X))
        opinions = []
        for n_kept, opinion in enumerate(self._opinions(self.estimators_, X), start=1):
            opinions.append(opinion)
            voting, votes = self._voting(n_kept)
            yield self._combine(opinions[voting], votes)


class BoostedClassifier(ClassifierMixin, ClassPredictions, BoostedEstimator):
    """Base class of the boosted classifiers, whose learners vote with weights."""

    _params: ClassVar[dict[str, Any]] = {
        **BoostedEstimator._params,
        "voting": OneOf("auto", "hard", "soft"),
    }
    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", unlabelled_target=False)

    def _default_estimator(self):
        return DecisionTreeClassifier(max_depth=1)

    def _check_kind(self, learner, role="estimator") -> None:
        super()._check_kind(learner, role)
        if self.voting == "soft" and not hasattr(learner, "predict_proba"):
            raise ValueError(
                f"voting='soft' needs class probabilities, but the {role} "
                f"{type(learner).__name__} has no predict_proba here. Use another one, or "
                "voting='hard'."
            )

    def _opinion(self, learner, X):
        shares = np.zeros((X.shape[0], len(self.classes_)))
        if self.voting == "soft" or (self.voting == "auto" and hasattr(learner, "predict_proba")):
            # A learner may have been fitted to rows among which a class was missing.
            shares[:, np.searchsorted(self.classes_, learner.classes_)] = learner.predict_proba(X)
        else:
            codes = np.searchsorted(self.classes_, learner.predict(X))
            shares[np.arange(len(codes)), codes] = 1
        return shares

    def _combine(self, opinions, votes):
        return weighted_votes(opinions, votes)

    def _training_error(self, combined, y) -> float:
        return float(np.mean(self._winners(combined) != y))

    def _ordinary_rounds(self, X, y, rng):
        n_classes = len(np.unique(y))

        def propose(weights):
            learner = self._fit_learner(X, y, weights, rng)
            return learner, learner.predict(X)

        def update(weights, predicted):
            return tradaboost_update(weights, predicted != y, 0, 1.0, n_classes)

        return boosting_rounds(propose, update, np.ones(len(y)), self.n_estimators)

    def _error(self, rows, prediction):
        return float(np.mean(self._compare(prediction, rows)[rows.n_source :]))

    def _losses_of_rows(self, combined, y):
        if self.weak_:  # the shares of many weak votes are no probabilities
            return (self._winners(combined) != y).astype(float)
        return ((combined - (self.classes_ == y[:, None])) ** 2).sum(axis=1)

    def _winners(self, shares):
        return self.classes_[np.argmax(shares, axis=1)]

    def _decide(self, shares):
        """Turn shares into AdaBoost's decision values."""
        if len(self.classes_) == 2:
            return shares[:, 1] - shares[:, 0]
        return (len(self.classes_) * shares - 1) / (len(self.classes_) - 1)

    def _predict(self, X):
        return self._winners(self._combined(X))

    def _predict_proba(self, X):
        return self._combined(X)

    def _predict_log_proba(self, X):
        with np.errstate(divide="ignore"):
            return np.log(self._combined(X))

    def _decision_function(self, X):
        return self._decide(self._combined(X))

    @if_offered("predict")
    def staged_predict_proba(self, X: RowsLike) -> Iterator[np.ndarray]:
        """Yield `predict_proba` after each round.

        Stage t is the vote that stopping after t rounds would have left: under ``vote_`` that of
        rounds ceil(t/2) to t, or of all. (A fit with fewer rounds has another beta.)

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Yields
        ------
        proba : ndarray of shape (n_samples, n_classes)
        """
        yield from self._staged_combined(X)

    @if_offered("predict")
    def staged_predict(self, X: RowsLike) -> Iterator[np.ndarray]:
        """Yield `predict` after each round; see `staged_predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Yields
        ------
        y : ndarray of shape (n_samples,)
        """
        for shares in self.staged_predict_proba(X):
            yield self._winners(shares)

    @if_offered("predict")
    def staged_decision_function(self, X: RowsLike) -> Iterator[np.ndarray]:
        """Yield `decision_function` after each round; see `staged_predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Yields
        ------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        for shares in self.staged_predict_proba(X):
            yield self._decide(shares)

    @if_offered("predict")
    def staged_score(
        self, X: RowsLike, y: LabelsLike, sample_weight: Any = None
    ) -> Iterator[float]:
        """Yield the accuracy after each round; see `staged_predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Yields
        ------
        accuracy : float
        """
        for predicted in self.staged_predict(X):
            yield float(np.average(predicted == np.asarray(y), weights=sample_weight))


class BoostedRegressor(RegressorMixin, TargetPredictions, BoostedEstimator):
    """Base class of the boosted regressors, which predict by a weighted median."""

    _transfer_tags: ClassVar[TransferTags] = TransferTags("required", unlabelled_target=False)

    def _default_estimator(self):
        return DecisionTreeRegressor(max_depth=3)

    def _losses(self, weights, residuals):
        return r2_losses(residuals, self.loss, counted=weights > 0)

    def _opinion(self, learner, X):
        return learner.predict(X)

    def _combine(self, opinions, votes):
        return weighted_median(np.stack(opinions), votes)

    def _training_error(self, combined, y) -> float:
        return float(np.mean(np.abs(combined - y)))

    def _ordinary_rounds(self, X, y, rng):
        def propose(weights):
            learner = self._fit_learner(X, y, weights, rng)
            return learner, learner.predict(X)

        def update(weights, predicted):
            return adaboost_r2_update(weights, self._losses(weights, predicted - y))

        return boosting_rounds(propose, update, np.ones(len(y)), self.n_estimators)

    def _error(self, rows, prediction):
        losses = self._losses(np.ones(len(rows.y)), self._compare(prediction, rows))
        return float(np.mean(losses[rows.n_source :]))

    def _losses_of_rows(self, combined, y):
        # A median of learners is the best of one number by this loss.
        return np.abs(combined - y)

    def _predict(self, X):
        return self._combined(X)

    def staged_predict(self, X: RowsLike) -> Iterator[np.ndarray]:
        """Yield the prediction after each round of boosting, the last of which is `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Yields
        ------
        y : ndarray of shape (n_samples,)
        """
        yield from self._staged_combined(X)
