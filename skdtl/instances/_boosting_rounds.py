"""The core of every boosting method: one loop, to which a method gives its weight update.

Rows stand in one array, the source's ``n_source`` first. An update is a pure function

    ``update(weights, prediction) -> (weights, error, vote)``

of the current row weights and of the new learner's predictions; ``vote`` is the learner's weight
in the ensemble, at most 0 if it is no better than chance. `boosting_rounds` runs the rounds, and
`weighted_votes` and `weighted_median` combine the learners' predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Ensemble",
    "Round",
    "adaboost_r2_update",
    "boost",
    "boosting_rounds",
    "gather",
    "r2_losses",
    "source_factor",
    "tradaboost_r2_update",
    "tradaboost_update",
    "vote_start",
    "weighted_median",
    "weighted_votes",
]

# A learner that comes twice has the error of chance in its second round, up to rounding.
NO_VOTE = 1e-9


def source_factor(n_source: int, n_rounds: int) -> float:
    """Return TrAdaBoost's constant factor, by which a wrong source row loses weight.

    Parameters
    ----------
    n_source : int
        The number of source rows.
    n_rounds : int
        The number of rounds that are planned.

    Returns
    -------
    beta : float
        1 / (1 + sqrt(2 ln(n_source) / n_rounds)); 1 for a single row or none.
    """
    return 1 / (1 + np.sqrt(2 * np.log(max(n_source, 1)) / n_rounds))


def tradaboost_update(weights, wrong, n_source, beta, n_classes=2, drift_correction=False):
    """Do one round of TrAdaBoost's weight update (AdaBoost's where there is no source row).

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Current weights, source rows first.
    wrong : ndarray of shape (n,), bool
        Which rows the new learner misclassifies.
    n_source : int
        The number of source rows.
    beta : float
        The factor for wrong source rows, at most 1.
    n_classes : int, default=2
        The number of classes.
    drift_correction : bool, default=False
        Whether all source weights grow by the factor by which the target's total weight grows.

    Returns
    -------
    weights : ndarray of shape (n,)
        The next round's weights, not normalised.
    error : float
        The weighted share of misclassified target rows.
    vote : float
        The learner's weight in the vote; at most 0 for one that is no better than chance.
    """
    target = weights[n_source:]
    error = float(np.average(wrong[n_source:], weights=target))
    vote = _log_odds(error, len(target)) + np.log(n_classes - 1)
    updated = weights.copy()
    updated[:n_source][wrong[:n_source]] *= beta
    if error > 0:
        updated[n_source:][wrong[n_source:]] *= np.exp(vote)
    if drift_correction:
        updated[:n_source] *= n_classes * (1 - error)
    return updated, error, vote


def _log_odds(error: float, n_rows: int) -> float:
    """Return ln(1/beta_t); a perfect learner votes as if half a row were wrong."""
    if error >= 1:
        return -np.inf
    error = error if error > 0 else 0.5 / n_rows
    return float(np.log((1 - error) / error))


def r2_losses(residuals, loss="linear", counted=None):
    """Return AdaBoost.R2's adjusted errors, each in [0, 1].

    Parameters
    ----------
    residuals : ndarray of shape (n,)
        Differences of labels and predictions.
    loss : {"linear", "square", "exponential"}, default="linear"
        The shape of the loss.
    counted : ndarray of shape (n,), bool, default=None
        The rows over which the largest residual is sought. None means all. The losses of other
        rows are cut at 1.

    Returns
    -------
    losses : ndarray of shape (n,)
    """
    size = np.abs(residuals)
    largest = size.max() if counted is None else size[counted].max()
    if largest == 0:
        return np.where(size > 0, 1.0, 0.0)
    losses = np.minimum(size / largest, 1.0)
    if loss == "square":
        return losses**2
    if loss == "exponential":
        return 1 - np.exp(-losses)
    return losses


def tradaboost_r2_update(weights, losses, n_source, beta):
    """Do one round of TrAdaBoost.R2's weight update.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Current weights, source rows first.
    losses : ndarray of shape (n,)
        The new learner's adjusted errors in [0, 1].
    n_source : int
        The number of source rows.
    beta : float
        The base of the factor ``beta ** loss`` of source rows, at most 1.

    Returns
    -------
    weights : ndarray of shape (n,)
        The next round's weights, not normalised.
    error : float
        The weighted mean of the target rows' losses.
    vote : float
        The learner's weight in the median; at most 0 where the error is 1/2 or more.
    """
    target = weights[n_source:]
    error = float(np.average(losses[n_source:], weights=target))
    vote = _log_odds(error, len(target))
    updated = weights.copy()
    updated[:n_source] *= beta ** losses[:n_source]
    if error > 0:
        updated[n_source:] *= np.exp(vote * losses[n_source:])
    return updated, error, vote


def adaboost_r2_update(weights, losses, n_frozen=0):
    """Do one round of AdaBoost.R2's weight update; the first ``n_frozen`` weights stay.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Current weights.
    losses : ndarray of shape (n,)
        The new learner's adjusted errors in [0, 1].
    n_frozen : int, default=0
        The number of leading rows that keep their weights. The others keep their total.

    Returns
    -------
    weights : ndarray of shape (n,)
        The next round's weights, of unchanged total.
    error : float
        The weighted mean of all losses.
    vote : float
        The learner's weight in the median; at most 0 where the error is 1/2 or more.
    """
    error = float(np.average(losses, weights=weights))
    vote = _log_odds(error, int(np.count_nonzero(weights)))
    updated = weights.copy()
    if 0 < error < 1:
        moving = updated[n_frozen:]
        total = moving.sum()
        # beta^(1 - e) = beta * beta^(-e), of which normalising leaves beta^(-e).
        moving *= np.exp(vote * losses[n_frozen:])
        moving *= total / moving.sum()
    return updated, error, vote


def vote_start(n_kept: int, vote: str) -> int:
    """Return the 0-based position of the first learner that votes.

    Parameters
    ----------
    n_kept : int
        The number of learners N.
    vote : {"last_half", "all"}
        Whether learners ceil(N/2) to N vote, counted from 1, or all.

    Returns
    -------
    start : int
    """
    return 0 if vote == "all" else (n_kept + 1) // 2 - 1


def weighted_votes(opinions, weights):
    """Return each class's share of the weighted vote.

    Parameters
    ----------
    opinions : sequence of ndarray of shape (n, n_classes)
        Each learner's say on each row: 1 for one class and 0 for the others, or probabilities.
    weights : sequence of float
        Each learner's weight.

    Returns
    -------
    shares : ndarray of shape (n, n_classes)
        Each row sums to 1.
    """
    votes = sum(weight * opinion for opinion, weight in zip(opinions, weights))
    return votes / np.sum(weights)


def weighted_median(values, weights):
    """Return the weighted median over learners: the least value with half the weight below or at.

    Parameters
    ----------
    values : ndarray of shape (n_learners, n)
        Each learner's predictions.
    weights : ndarray of shape (n_learners,)
        Each learner's weight.

    Returns
    -------
    median : ndarray of shape (n,)
    """
    values = np.asarray(values)
    order = np.argsort(values, axis=0, kind="stable")
    below = np.cumsum(np.asarray(weights)[order], axis=0)
    middle = np.argmax(below >= 0.5 * below[-1], axis=0)
    return np.take_along_axis(values, np.take_along_axis(order, middle[None], axis=0), axis=0)[0]


class Round(NamedTuple):
    """A round whose learner is kept.

    Attributes
    ----------
    learner : estimator
        Fitted.
    error, vote : float
        Its error, as the update measured it, and its weight in the vote.
    weights : ndarray of shape (n,)
        The rows' weights after the round, of mean 1.
    began : ndarray of shape (n,) or None
        The weights that the run of boosting began with, in its first round; else None.
    origin : int, default=0
        Where the learner is from, as its method counts.
    """

    learner: Any
    error: float
    vote: float
    weights: np.ndarray
    began: np.ndarray | None
    origin: int = 0


@dataclass
class Ensemble:
    """The learners that boosting kept.

    Attributes
    ----------
    learners : list of estimators
        One a round.
    errors, votes : ndarray of shape (n_kept,)
        Their errors, as the update measured them, and their weights in the vote.
    origins : ndarray of shape (n_kept,), int
        Where they are from.
    runs : ndarray of shape (n_kept,), int
        Which run of boosting each is from, counted from 0.
    path : ndarray of shape (n_kept + n_runs, n_recorded)
        The recorded rows' weights before the first and after each round of each run; the mean over
        all rows is 1.
    """

    learners: list
    errors: np.ndarray
    votes: np.ndarray
    origins: np.ndarray
    runs: np.ndarray
    path: np.ndarray


def boosting_rounds(
    propose, update, weights, n_rounds, *, keep_first=False, stops=True
) -> Iterator[Round]:
    """Boost: find a learner for weighted rows, update the weights by its errors, and again.

    A learner that is no better than chance is never kept. Boosting stops at it, and after a
    learner without error, before `n_rounds`. So it may keep none.

    Parameters
    ----------
    propose : callable
        ``propose(weights)`` returns a fitted learner and its predictions of all rows: one that
        was fitted to the weighted rows, or the best of several. Where it matters, then its origin.
    update : callable
        ``update(weights, prediction)`` returns new weights, the error and the vote.
    weights : ndarray of shape (n,)
        The first round's weights; they are normalised to mean 1.
    n_rounds : int
        The largest number of rounds.
    keep_first : bool, default=False
        Whether a first learner that is no better than chance is kept, with a vote of 1.
    stops : bool, default=True
        False: go on to `n_rounds` in any case, without the learners that are no better than
        chance. For ensembles whose rounds don't build on each other as boosting's do.

    Yields
    ------
    kept : Round
        Each whose learner is kept.
    """
    weights = weights / weights.mean()
    began: np.ndarray | None = weights
    for _ in range(n_rounds):
        learner, prediction, *origin = propose(weights)
        updated, error, vote = update(weights, prediction)
        failed = vote <= NO_VOTE
        if failed and (began is None or not keep_first):
            if stops:
                return
            weights = updated / updated.mean()
            continue
        if failed:
            updated, vote = weights, 1.0
        weights = updated / updated.mean()
        yield Round(learner, error, vote, weights, began, *origin)
        began = None
        if stops and (failed or error == 0):
            return


def gather(rounds, n_rounds, *, recorded=slice(0)) -> Ensemble:
    """Put rounds into an ensemble.

    Parameters
    ----------
    rounds : iterable of Round
    n_rounds : int
        After so many no further one is asked for.
    recorded : slice
        The rows whose weights are recorded.

    Returns
    -------
    ensemble : Ensemble
    """
    kept: list[Round] = []
    path = np.empty((0, 0), dtype=np.float32)
    n_filled = 0
    for found in islice(rounds, n_rounds):
        if not kept:
            # Single precision: with a million source rows and 50 rounds it is the largest array of
            # all. Each round may begin a run; rows that are never written take no memory.
            path = np.empty((2 * n_rounds, len(found.weights[recorded])), dtype=np.float32)
        if found.began is not None:
            path[n_filled] = found.began[recorded]
            n_filled += 1
        path[n_filled] = found.weights[recorded]
        n_filled += 1
        begins = found.began is not None
        kept.append(found._replace(weights=np.zeros(0), began=np.zeros(0) if begins else None))
    return Ensemble(
        [found.learner for found in kept],
        np.array([found.error for found in kept]),
        np.array([found.vote for found in kept]),
        np.array([found.origin for found in kept], dtype=int),
        np.cumsum([found.began is not None for found in kept], dtype=int) - 1,
        path[:n_filled],
    )


def boost(propose, update, weights, n_rounds, *, recorded=slice(0), **options) -> Ensemble:
    """Run `boosting_rounds` to their end, and `gather` them."""
    rounds = boosting_rounds(propose, update, weights, n_rounds, **options)
    return gather(rounds, n_rounds, recorded=recorded)
