"""TaskTrAdaBoost: learners of several sources, of which a few target labels choose."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from .._constraints import Real
from .._typing import Estimator, LabelsLike, RowsLike, Seed
from ..base import Domain
from ._boosting_base import BoostingRows
from ._boosting_rounds import (
    Ensemble,
    Round,
    boosting_rounds,
    gather,
    tradaboost_update,
)
from ._draws import MAX_SEED
from ._multi_source import MultiSourceClassifier, least_error

__all__ = ["TaskTrAdaBoost", "candidate_rounds"]


def candidate_rounds(wrong, n_rounds, n_classes=2, preferences=None) -> Iterator[Round]:
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
    rounds : iterator of Round
        The ``learner`` of each is a pair: which candidate, and whether its opposite is meant.
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

    n_rounds = min(n_rounds, len(wrong))
    return boosting_rounds(propose, update, np.ones(wrong.shape[1]), n_rounds)


class Opposite:
    """Predicts the other one of two classes than a classifier does."""

    def __init__(self, classifier, classes):
        self.classifier, self.classes_ = classifier, classes

    def predict(self, X) -> np.ndarray:
        """Predict the class that ``classifier`` doesn't."""
        first = self.classifier.predict(X) == self.classes_[0]
        return self.classes_[first.astype(int)]

    @available_if(lambda self: hasattr(self.classifier, "predict_proba"))
    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities of ``classifier``, the two classes exchanged."""
        return self.classifier.predict_proba(X)[:, ::-1]


class TaskTrAdaBoost(MultiSourceClassifier):
    """Classify with learners of several sources, chosen by a few target labels; retrains at once.

    Phase I boosts on each source by itself and keeps the learners whose vote is strong enough.
    Phase II boosts on the labelled target rows, but fits nothing: each round takes the learner
    that fits the target best. So a model for another target, `fit_target`, costs no more than
    the predictions of the stored learners for its labelled rows.

    Use it where many targets (patients, machines, sites) each have a few labels and share their
    sources, or where the source rows may not be kept: the fitted model holds learners, but no
    rows. It can only combine what the sources teach; where the target has a concept that none of
    them has, or hundreds of labels, `MultiSourceTrAdaBoost` or `TargetOnly` learn more from them.

    Parameters
    ----------
    estimator : estimator object, default=None
        The base learner, any classifier whose ``fit`` takes ``sample_weight``. None means a tree
        of depth 1, :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=1``.
    n_estimators : int, default=50
        The largest number of rounds M, at least 1: for each source in phase I, and in phase II.
    early_stopping : bool, default=True
        Whether boosting ends where labelled target rows that are held out say so, before it begins
        if it does not help: then the learner of both domains' rows, or of the source alone, is the
        model. False: all rounds.
    gamma : float, default=0.0
        The least vote, at least 0, that a learner must have had in phase I: learners whose
        ``ln((1 - error) / error) / 2`` is not above it are left out. A larger one leaves less to
        choose from, and so less to overfit with few target rows.
    voting : {"auto", "hard", "soft"}, default="auto"
        Whether a learner votes for the class that it predicts ("hard") or divides its vote by its
        ``predict_proba`` ("soft"), which ranks rows better. "auto": soft where a learner has one.
    resample : bool, default=False
        Whether the base learner is given rows that are drawn by weight, instead of weights; for
        a learner that takes no ``sample_weight``.
    n_jobs : int or None, default=None
        On how many sources phase I works at once, in threads unless ``joblib.parallel_config``
        says otherwise. The result is the same for any number.
    random_state : int, RandomState instance or None, default=None
        Seeds each base learner that has a ``random_state``, and the drawing of rows.

    Attributes
    ----------
    candidates_ : list of estimators of length n_candidates
        The learners of phase I, from which phase II chooses.
    candidate_sources_ : ndarray of shape (n_candidates,), int
        The code of the source that each was fitted to.
    candidate_weights_ : ndarray of shape (n_candidates,)
        Their weights in the vote of phase I, above ``2 * gamma``.
    estimators_ : list of estimators of length n_kept
        The learners that phase II chose, one a round; ``n_kept <= n_estimators``. All of them vote.
    estimator_sources_ : ndarray of shape (n_kept,), int
        The code of the source that each was fitted to; 0 for one that was fitted to the target.
    estimator_opposites_ : ndarray of shape (n_kept,), bool
        Which of them predict the other class than the candidate that they come from.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the vote, positive.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted errors on the labelled target rows.
    sources_ : ndarray of shape (n_sources,), int
        The sources' codes in ``sample_domain``.
    source_shares_ : ndarray of shape (n_sources,)
        Which share of the vote the learners from each of them hold.
    vote_ : {"all"}
        Which of the learners vote.
    chosen_ : {"boosting", "pooled", "source"}
        What predicts held-out labelled target rows best: boosting, or the learner of both domains'
        rows or of the source alone.
    held_out_losses_ : dict
        The mean losses of these rows: of "pooled" and "source" one number, of "boosting" an array,
        one after each round. Empty without early stopping.
    weak_ : bool
        Whether ordinary boosting predicts the source better than a single learner does, and so
        stood for the latter in "pooled" and "source"; only with early stopping.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no target row has a label, or the base learner takes no ``sample_weight`` and
        `resample` is off.

    Warns
    -----
    UserWarning
        Where phase I leaves no candidate, so that one learner on the target rows alone is the
        model.

    See Also
    --------
    MultiSourceTrAdaBoost : Fits to source and target rows in each round.
    TrAdaBoost : For one source.

    Notes
    -----
    Phase I is AdaBoost on each source, with equal weights at first; a
    learner with the weighted error e is kept where ``alpha = ln((1 - e) / e) / 2 > gamma``. In
    phase II the labelled target rows begin with equal weights. In each of at most M
    rounds the candidate with the least weighted error e is taken out of the set; it votes with
    ``alpha = ln((1 - e) / e) / 2``, and the target rows get ``w *= exp(-alpha * y * h(x))`` with
    labels -1 and 1. So a candidate is taken once, and a candidate with ``e > 1/2`` stands for its
    opposite, with ``1 - e``. Choices of ours:

    * ``early_stopping`` is `TrAdaBoost`'s, for phase II; `fit_target`, which has no source row,
      knows no pooled learner and begins with the source's. With 20 labels and logistic regression
      the mean against the pooled rows went from -5.7 points to -0.1, and losses of more than a
      point from 20 to 2 of 33 tasks. ``early_stopping=False, voting="hard"`` is the paper's
      setting.
    * ``estimator_weights_`` and ``candidate_weights_`` are twice alpha, as in `TrAdaBoost`; `gamma`
      is compared with alpha.
    * More than two classes: the form of SAMME, ``alpha = (ln((1 - e) / e) + ln(K - 1)) / 2``, in
      phase I with the number of classes that the source has. A candidate has no opposite then.
    * Where several candidates have the same error on the target, which is common with few target
      rows, the one with the greatest vote in phase I is taken.
    * Phase II stops where the best candidate is no better than chance, and after one without error,
      whose vote weighs as if half a target row were wrong. Going on with the next best candidate
      after one without error gave no better results.
    * Where phase I leaves no candidate, or none is better than chance on the target, one base
      learner is fitted to the target rows alone; if they are all of one class, that is predicted.
    * A source of one class yields no candidate.
    * There are no ``source_weights_``: no source row is weighed by the target.
    * Without a target (`NoTargetWarning`) phase I, which is AdaBoost on the source, is the model.

    References
    ----------
    .. [1] Yao, Y. and Doretto, G. (2010). Boosting for transfer learning with multiple sources.
       IEEE Conference on Computer Vision and Pattern Recognition, 1855-1862.
    .. [2] Zhu, J., Zou, H., Rosset, S. and Hastie, T. (2009). Multi-class AdaBoost. Statistics and
       Its Interface 2, 349-360.

    Examples
    --------
    Source 1 depends on the first feature, source 2 on the second; the target on the latter.

    >>> import numpy as np
    >>> from skdtl import TaskTrAdaBoost
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(700, 2))
    >>> domain = np.repeat([1, 2, -1], [200, 200, 300])
    >>> y = np.where(domain == 1, X[:, 0] > 0, X[:, 1] > 0)
    >>> model = TaskTrAdaBoost(n_estimators=10)
    >>> model = model.fit(X[:430], y[:430], sample_domain=domain[:430])
    >>> round(model.score(X[430:], y[430:]), 1)
    1.0
    >>> model.source_shares_.round(1)
    array([0., 1.])

    Another target, on which the first feature decides, needs no source row:

    >>> model = model.fit_target(X[400:430], X[400:430, 0] > 0)
    >>> round(model.score(X[430:], X[430:, 0] > 0), 1)
    1.0
    """

    _unpickled: ClassVar[tuple[str, ...]] = ()
    _params: ClassVar[dict[str, Any]] = {
        **MultiSourceClassifier._params,
        "gamma": Real(0),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        n_estimators: int = 50,
        early_stopping: bool = True,
        gamma: float = 0.0,
        voting: str = "auto",
        resample: bool = False,
        n_jobs: int | None = None,
        random_state: Seed = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
        self.gamma = gamma
        self.voting = voting
        self.resample = resample
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        self._check_learner()
        rng = check_random_state(self.random_state)
        # Kept, so that fit_target does what fit would have done.
        self._target_seed = rng.randint(MAX_SEED)
        self.sources_ = np.unique(source.ids)
        y = self._decode(source.y)
        tasks = []
        for k in self.sources_:
            members = source.ids == k
            tasks.append((source.X[members], y[members], rng.randint(MAX_SEED)))
        pools = self._parallel(self._boost_source, tasks)
        self.candidates_ = [learner for pool in pools for learner in pool.learners]
        self.candidate_weights_ = np.concatenate([pool.votes for pool in pools])
        self.candidate_sources_ = np.repeat(self.sources_, [len(pool.learners) for pool in pools])
        if not self.candidates_:
            warnings.warn(
                f"No learner of phase I has a vote above gamma={self.gamma} on its source: one "
                "learner on the target rows alone is the model.",
                UserWarning,
                stacklevel=3,
            )
        rows = self._rows(source, target)
        plain = {}
        if self.early_stopping and rows.n_source:
            plain = self._plain(rows, np.random.RandomState(self._target_seed))
        # fit_target has no source row, but it can have what was learnt from them, without weights
        # of these rows.
        of_source = plain["source"](rows) if plain else []
        self._of_source = [kept._replace(weights=None) for kept in of_source]
        if target is source and self.candidates_:
            self.chosen_, self.held_out_losses_ = "boosting", {}
            self._keep(replace(pools[0], origins=self.candidate_sources_))
        else:
            self._adapt(rows, plain)

    def _adapt(self, rows: BoostingRows, plain) -> None:
        """Do phase II, as far as labelled target rows that are held out say."""
        rng = np.random.RandomState(self._target_seed)
        found, _ = self._stopped(rows, self._phase_two, plain, "all", rng)
        self._keep(gather(found, self.n_estimators))

    def _keep(self, ensemble: Ensemble) -> None:
        super()._keep(ensemble)
        self.vote_ = "all"
        self.estimator_opposites_ = np.array([isinstance(h, Opposite) for h in self.estimators_])

    def _boost_source(self, X, y, seed) -> Ensemble:
        """Do phase I for one source: AdaBoost, of which the learners above gamma are kept."""
        if len(np.unique(y)) == 1:
            return gather([], self.n_estimators)
        rounds = self._ordinary_rounds(X, y, np.random.RandomState(seed))
        found = gather(rounds, self.n_estimators)
        able = found.votes / 2 > self.gamma
        learners = [h for h, kept in zip(found.learners, able) if kept]
        return replace(found, learners=learners, errors=found.errors[able], votes=found.votes[able])

    def _phase_two(self, rows: BoostingRows, rng) -> Iterator[Round]:
        """Boost on the target rows; one learner on these rows if no candidate helps."""
        X, y = rows.target()
        found = False
        if self.candidates_:
            wrong = np.stack([h.predict(X) != y for h in self.candidates_])
            for kept in candidate_rounds(
                wrong, self.n_estimators, len(self.classes_), self.candidate_weights_
            ):
                found = True
                k, opposite = kept.learner
                h = self.candidates_[k]
                h = Opposite(h, self.classes_) if opposite else h
                yield kept._replace(learner=h, origin=int(self.candidate_sources_[k]))
        if found:
            return
        if (y == y[0]).all():
            learner = DummyClassifier(strategy="most_frequent").fit(X, y)
        else:
            learner = self._fit_learner(X, y, np.ones(len(y)), rng)
        error = float(np.mean(learner.predict(X) != y))
        yield Round(learner, error, 1.0, np.ones(len(y)), np.ones(len(y)))

    def fit_target(self, Xt: RowsLike, yt: LabelsLike) -> Self:
        """Adapt to another target: phase II alone, with the candidates of the last `fit`.

        The result is that of a `fit` with the same sources and this target, but for the learner of
        both domains' rows, which may be chosen there.

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
        target = self._check_target(Xt, yt).labelled_rows()
        rows = BoostingRows(target.X, self._decode(target.y), 0, np.zeros(0, dtype=int))
        of_source = self._of_source
        self._adapt(rows, {"source": lambda rows: of_source} if of_source else {})
        return self
