"""TrAdaBoost.R2 and its two-stage form: boosting with misleading source rows, for regression."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import brentq
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import check_random_state

from .._constraints import HasMethod, Int
from .._typing import Estimator, Seed
from ..base import Domain
from ._boosting_base import LOSS, VOTE, BoostedRegressor
from ._boosting_rounds import (
    adaboost_r2_update,
    boost,
    gather,
    source_factor,
    tradaboost_r2_update,
)
from ._draws import MAX_SEED

__all__ = ["TrAdaBoostR2", "TwoStageTrAdaBoostR2", "shift_mass_to_target", "target_masses"]


class TrAdaBoostR2(BoostedRegressor):
    """Regress with a few target labels and many source labels, of which some may be misleading.

    Each round fits the base learner to all labelled rows. Then target rows with large residuals
    gain weight, as in AdaBoost.R2, and source rows with large residuals lose weight.

    Use it where some target rows have labels. `TwoStageTrAdaBoostR2` costs more and can be better,
    since here the source fades at a rate that is fixed in advance, so that rounds end early or are
    not begun at all.

    Parameters
    ----------
    estimator : estimator object, default=None
        The base learner, any regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.tree.DecisionTreeRegressor` with ``max_depth=3``.
    n_estimators : int, default=50
        The largest number of rounds N, at least 1.
    early_stopping : bool, default=True
        Whether boosting ends where labelled target rows that are held out say so, before it begins
        if it does not help: then the learner of both domains' rows, or of the source alone, is the
        model. False: all rounds.
    loss : {"linear", "square", "exponential"}, default="linear"
        How the residuals, divided by the largest, become errors from 0 to 1.
    vote : {"auto", "last_half", "all"}, default="auto"
        Which learners the median is over: those of the last half of the rounds, as the paper has
        it, or all. "auto" takes all where rounds end early, else the last half unless the median
        of all has a smaller mean absolute error on the labelled target rows.
    resample : bool, default=False
        Whether the base learner is given rows that are drawn by weight, instead of weights; for
        a learner that takes no ``sample_weight``.
    random_state : int, RandomState instance or None, default=None
        Seeds each base learner that has a ``random_state``, and the drawing of rows.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round; ``n_kept <= n_estimators``.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the median, positive.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted mean losses on the labelled target rows.
    vote_ : {"last_half", "all"}
        Which of them the median is over.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights after the last round, where 1 is the mean over the rows of both
        domains. Like the path, they are not pickled with the model.
    source_weights_path_ : ndarray of shape (n_kept + 1, n_s)
        The source rows' weights before the first and after each round.
    chosen_ : {"boosting", "pooled", "source"}
        What predicts held-out labelled target rows best: boosting, or the learner of both domains'
        rows or of the source alone.
    held_out_losses_ : dict
        The mean losses of these rows: of "pooled" and "source" one number, of "boosting" an array,
        one after each round. Empty without early stopping.
    weak_ : bool
        Whether ordinary boosting predicts the source better than a single learner does, and so
        stood for the latter in "pooled" and "source"; only with early stopping.
    source_mass_ : ndarray of shape (n_kept + 1,)
        The source's share of the weight before the first and after each round.
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
        Without early stopping, where the source has next to none of the weight in the end.

    See Also
    --------
    TwoStageTrAdaBoostR2 : Slower, mostly better.
    TrAdaBoost : The same idea for classification.

    Notes
    -----
    Algorithm 2 of [1]_. With e_i the loss of row i in round t and e the target rows' weighted mean
    loss: source rows ``w *= beta ** e_i`` with ``beta = 1 / (1 + sqrt(2 ln(n_s) / N))``, target
    rows ``w *= ((1 - e) / e) ** e_i``, and the learner weighs ``ln((1 - e) / e)`` in the median.
    Choices of ours:

    * ``early_stopping``: as `TrAdaBoost`'s, by absolute differences, of which the median is made.
      With 20 labels and ridge regression the mean against the pooled rows went from -12.3 points
      to -0.1, and losses of more than a point from 13 to 2 of 17 tasks; on the other half, by
      which nothing was chosen, from -9.0 to +3.3 and from 11 to 1 of 15.
      ``early_stopping=False, vote="last_half"`` is the paper's setting.
    * The residuals are divided by the largest one over the rows of both domains whose weight is
      positive.
    * All rows begin with the same weight, as in the paper.
    * Boosting stops at the first learner with ``e >= 1/2``, which is not kept; if it is the first
      one, a single learner on the target rows alone is kept. A learner without error is kept and
      ends the boosting.
    * ``vote="auto"``: see Parameters; ``"last_half"`` is the paper's.
    * Without a target (`NoTargetWarning`) it is AdaBoost.R2 [2]_ with weighted instead of
      resampled rows, in which all learners vote.

    References
    ----------
    .. [1] Pardoe, D. and Stone, P. (2010). Boosting for regression transfer. Proceedings of the
       27th International Conference on Machine Learning, 863-870. Algorithm 2.
    .. [2] Drucker, H. (1997). Improving regressors using boosting techniques. Proceedings of the
       14th International Conference on Machine Learning, 107-115.

    Examples
    --------
    Half of the source follows the target, half is shifted by 5.

    >>> import numpy as np
    >>> from skdtl import TrAdaBoostR2
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.uniform(-3, 3, size=(400, 1)), rng.uniform(-3, 3, size=(130, 1))
    >>> ys, yt = np.sin(Xs[:, 0]) + 5 * (np.arange(400) < 200), np.sin(Xt[:, 0])
    >>> model = TrAdaBoostR2(n_estimators=20, random_state=0).fit(Xs, ys, Xt[:30], yt[:30])
    >>> bool(model.score(Xt[30:], yt[30:]) > 0.8)
    True
    """

    _params: ClassVar[dict[str, Any]] = {**BoostedRegressor._params, "loss": LOSS, "vote": VOTE}

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        n_estimators: int = 50,
        early_stopping: bool = True,
        loss: str = "linear",
        vote: str = "auto",
        resample: bool = False,
        random_state: Seed = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
        self.loss = loss
        self.vote = vote
        self.resample = resample
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        def update(weights, residuals, n_source):
            return tradaboost_r2_update(
                weights,
                self._losses(weights, residuals),
                n_source,
                source_factor(n_source, self.n_estimators),
            )

        self._boost_domains(source, target, update, vote=self.vote)


def target_masses(n_source: int, n_target: int, n_steps: int) -> np.ndarray:
    """Return the target's share of the total weight at each step of two-stage boosting.

    Parameters
    ----------
    n_source, n_target : int
        The numbers of rows.
    n_steps : int
        The number of steps S.

    Returns
    -------
    masses : ndarray of shape (n_steps,)
        From n_target / (n_source + n_target), in equal steps, to 1.
    """
    share = n_target / (n_source + n_target)
    return np.linspace(share, 1.0, n_steps) if n_steps > 1 else np.array([share])


def shift_mass_to_target(weights, losses, n_source, mass):
    """Shrink source weights by ``beta ** loss``, beta such that the target reaches a given mass.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Weights, source rows first.
    losses : ndarray of shape (n,)
        Errors of the rows in [0, 1].
    n_source : int
        The number of source rows.
    mass : float
        The share of the total weight that the target rows are to have, at least what they have.

    Returns
    -------
    weights : ndarray of shape (n,)
        Normalised to sum 1. Where beta = 0 leaves the source too much (rows of loss 0), these rows
        are scaled down alike.
    """
    source, target = weights[:n_source], weights[n_source:]
    goal = target.sum() * (1 - mass) / mass  # the source's total that gives the target its mass
    losses = losses[:n_source]
    if goal >= source.sum():
        shrunk = source * (goal / source.sum())  # no loss anywhere, or rounding
    elif goal <= source[losses == 0].sum():
        shrunk = np.where(losses == 0, source, 0.0)
        if shrunk.any():
            shrunk *= goal / shrunk.sum()
    else:

        def excess(x):  # x = -ln(beta)
            return source @ np.exp(-x * losses) - goal

        upper = 1.0
        while excess(upper) > 0:
            upper *= 2
        shrunk = source * np.exp(-brentq(excess, 0.0, upper, xtol=1e-14, rtol=1e-14) * losses)
    return np.concatenate([shrunk, target]) / (shrunk.sum() + target.sum())


class TwoStageTrAdaBoostR2(BoostedRegressor):
    """Regress with a few target labels, trusting the source as far as cross-validation says.

    The first stage moves the total weight from the source to the target in a few steps, mostly
    away from the source rows that fit worst. At each step, the second stage boosts with the source
    weights fixed (AdaBoost.R2), and is judged by cross-validation on the target rows. The best
    step's model is kept, which may be that of the whole source or that of the target alone.

    Use it where some target rows have labels and its cost is bearable; with fewer than about ten
    labelled target rows the choice among steps is a lottery.

    Parameters
    ----------
    estimator : estimator object, default=None
        The base learner, any regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.tree.DecisionTreeRegressor` with ``max_depth=3``.
    n_estimators : int, default=10
        The largest number of boosting rounds in each second stage, at least 1.
    early_stopping : bool, default=True
        Whether the learner of both domains' rows, or of the source alone, is the model where the
        best step predicts labelled target rows that are held out no better. False: the best step.
    n_steps : int, default=10
        The number of steps S of the first stage, at least 1.
    cv : int or cross-validation splitter, default=5
        The folds of the labelled target rows, at least 2. An int means that many shuffled folds, or
        as many as there are labelled target rows if these are fewer.
    loss : {"linear", "square", "exponential"}, default="linear"
        How the residuals, divided by the largest, become errors from 0 to 1.
    resample : bool, default=False
        Whether the base learner is given rows that are drawn by weight, instead of weights; for
        a learner that takes no ``sample_weight``.
    n_jobs : int or None, default=None
        How many of the independent fits (steps times folds) run at the same time; the result does
        not depend on it. None means 1 unless in a :obj:`joblib.parallel_backend` context.
    random_state : int, RandomState instance or None, default=None
        Seeds each base learner that has a ``random_state``, the folds and the drawing of rows.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The base learners of the chosen step's model; ``n_kept <= n_estimators``.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the median.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted mean losses.
    best_step_ : int
        The chosen step, counted from 0.
    step_errors_ : ndarray of shape (n_steps,)
        Each step's cross-validated root mean squared error on the labelled target rows.
    target_mass_ : ndarray of shape (n_steps,)
        The target's share of the total weight at each step, from n_t / (n_s + n_t) to 1.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights at the chosen step, where 1 is the mean over the rows of both
        domains. Like the path, they are not pickled with the model.
    source_weights_path_ : ndarray of shape (n_steps, n_s)
        The source rows' weights at each step.
    chosen_ : {"boosting", "pooled", "source"}
        What predicts held-out labelled target rows best: boosting, or the learner of both domains'
        rows or of the source alone.
    held_out_losses_ : dict
        The mean losses of these rows: of "pooled" and "source" one number, of "boosting" an array,
        one of each step. Empty without early stopping.
    weak_ : bool
        Whether ordinary boosting predicts the source better than a single learner does, and so
        stood for the latter in "pooled" and "source"; only with early stopping.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where fewer than two target rows have labels, or the base learner takes no
        ``sample_weight`` and `resample` is off.

    See Also
    --------
    TrAdaBoostR2 : Much cheaper.

    Notes
    -----
    Algorithm 3 of [1]_. Fits of the base learner: at most ``n_steps * folds * n_estimators`` for
    the choice (it is the bulk: 500 by default), ``n_steps - 1`` for the first stage and
    ``n_estimators`` for the model that is kept.

    * Step t = 0..S-1 gives the target the share m + t/(S - 1) (1 - m), m = n_t/(n_s + n_t). From
      one step to the next the source weights are multiplied by ``beta ** e_i``, e_i being the
      losses of one learner fitted with the current weights; beta is found by bracketing. In the
      last step the source has no weight left.
    * The second stage is AdaBoost.R2 [2]_ with frozen source weights, on weighted rows: the target
      rows' weights are multiplied by ``(e/(1 - e)) ** (1 - e_i)`` and scaled back to the total
      that the step gives them, e being the weighted mean loss over all rows. All its learners
      vote. It stops at ``e >= 1/2``, but keeps the first learner in any case.
    * In the cross-validation, the rows held out are taken away, and the remaining target rows share
      the target's weight at that step. The paper does not say; otherwise a step
      would be judged at another mass than its own.
    * The residuals are divided by the largest one over all rows whose weight is positive.
    * ``early_stopping``: the same folds compare the best step with a learner of both domains' rows,
      which stays unless the step's absolute differences are less by more than their standard
      error, and one of the source. With 20 labels losses of more than a point against the pooled
      rows went from 4 to 1 of 17 tasks, on the other half from 4 to 1 of 15, the means from +0.2
      to +0.5 and from +2.7 to +2.8. ``early_stopping=False`` is the paper's setting.
    * Among steps with equal errors the first is taken.
    * Without a target (`NoTargetWarning`) it is AdaBoost.R2 with weighted rows.

    References
    ----------
    .. [1] Pardoe, D. and Stone, P. (2010). Boosting for regression transfer. Proceedings of the
       27th International Conference on Machine Learning, 863-870. Algorithm 3.
    .. [2] Drucker, H. (1997). Improving regressors using boosting techniques. Proceedings of the
       14th International Conference on Machine Learning, 107-115.

    Examples
    --------
    The source is shifted by 5: of no use, as the cross-validation finds.

    >>> import numpy as np
    >>> from skdtl import TwoStageTrAdaBoostR2
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.uniform(-3, 3, size=(200, 1)), rng.uniform(-3, 3, size=(130, 1))
    >>> ys, yt = np.sin(Xs[:, 0]) + 5, np.sin(Xt[:, 0])
    >>> model = TwoStageTrAdaBoostR2(random_state=0).fit(Xs, ys, Xt[:30], yt[:30])
    >>> bool(model.score(Xt[30:], yt[30:]) > 0.8)
    True
    >>> bool(model.target_mass_[model.best_step_] > 0.8)
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        **BoostedRegressor._params,
        "n_steps": Int(1),
        "cv": (Int(2), HasMethod("split")),
        "loss": LOSS,
        "n_jobs": (None, Int()),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        n_estimators: int = 10,
        early_stopping: bool = True,
        n_steps: int = 10,
        cv: Any = 5,
        loss: str = "linear",
        resample: bool = False,
        n_jobs: int | None = None,
        random_state: Seed = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
        self.n_steps = n_steps
        self.cv = cv
        self.loss = loss
        self.resample = resample
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        self._check_learner()
        rng = check_random_state(self.random_state)
        self.vote_ = "all"
        if target is source:
            weights = np.ones(len(source))
            self._keep(self._second_stage(source.X, source.y, weights, 0, rng))
            self.chosen_, self.held_out_losses_ = "boosting", {}
            self.target_mass_ = np.ones(1)
            self.step_errors_, self.best_step_ = np.full(1, np.nan), 0
            self.source_weights_, self.source_weights_path_ = weights, weights[None]
            return

        target = target.labelled_rows()
        n_source = len(source)
        folds = self._folds(target, rng)
        rows = self._rows(source, target)
        X, y = rows.X, rows.y
        self.target_mass_ = target_masses(n_source, len(target), self.n_steps)
        steps = self._first_stage(X, y, n_source, rng)

        # Each fit has its own seed, so that the result doesn't depend on the order of the jobs.
        seeds = iter(rng.randint(MAX_SEED, size=len(steps) * len(folds)))
        jobs = [
            delayed(self._held_out_errors)(X, y, weights, n_source, train, test, next(seeds))
            for weights in steps
            for train, test in folds
        ]
        errors = Parallel(n_jobs=self.n_jobs)(jobs)
        per_step = np.array(
            [np.concatenate(errors[k : k + len(folds)]) for k in range(0, len(errors), len(folds))]
        )
        self.step_errors_ = np.sqrt(np.mean(per_step**2, axis=1))
        self.best_step_ = int(np.argmin(self.step_errors_))
        self.source_weights_path_ = steps[:, :n_source] * len(y)
        self.source_weights_ = self.source_weights_path_[self.best_step_]
        self.chosen_, self.held_out_losses_ = "boosting", {}
        if self.early_stopping:
            plain = self._plain(rows, rng)
            self._choose(self._losses_of_plain(rows, folds, plain), np.abs(per_step))
        if self.chosen_ == "boosting":
            self._keep(self._second_stage(X, y, steps[self.best_step_], n_source, rng))
        else:
            found = self._without_transfer(rows, plain[self.chosen_](rows))
            ensemble = gather(found, self.n_estimators, recorded=slice(n_source))
            self._keep(ensemble)
            self.source_weights_ = ensemble.path[-1]

    def _folds(self, target: Domain, rng):
        """Return (train, test) positions among the labelled target rows."""
        if len(target) < 2:
            raise ValueError(
                "TwoStageTrAdaBoostR2 cross-validates on the labelled target rows and needs at "
                f"least 2, but yt has {len(target)}. TrAdaBoostR2 does without."
            )
        cv = self.cv
        if isinstance(cv, (int, np.integer)):
            seed = rng.randint(MAX_SEED)
            cv = KFold(min(cv, len(target)), shuffle=True, random_state=seed)
        return list(check_cv(cv).split(target.X, target.y))

    def _first_stage(self, X, y, n_source, rng):
        """Return the weights of all rows at each step, of sum 1."""
        weights = np.full(len(y), 1 / len(y))
        steps = np.empty((len(self.target_mass_), len(y)))
        steps[0] = weights
        for step, mass in enumerate(self.target_mass_[1:], start=1):
            learner = self._fit_learner(X, y, weights * len(y), rng)
            losses = self._losses(weights, learner.predict(X) - y)
            weights = shift_mass_to_target(weights, losses, n_source, mass)
            steps[step] = weights
        return steps

    def _second_stage(self, X, y, weights, n_source, rng):
        """Boost by AdaBoost.R2 with frozen source weights."""

        def fit(weights):
            learner = self._fit_learner(X, y, weights, rng)
            return learner, learner.predict(X)

        def update(weights, prediction):
            losses = self._losses(weights, prediction - y)
            return adaboost_r2_update(weights, losses, n_source)

        return boost(fit, update, weights, self.n_estimators, keep_first=True)

    def _held_out_errors(self, X, y, weights, n_source, train, test, seed):
        """Return the residuals of held-out target rows, at a step's weights."""
        rng = np.random.RandomState(seed)
        rows = np.concatenate([np.arange(n_source), n_source + train])
        weights = weights[rows]
        target = weights[n_source:]
        target *= (1 - weights[:n_source].sum()) / target.sum()
        ensemble = self._second_stage(X[rows], y[rows], weights, n_source, rng)
        held_out = n_source + test
        opinions = [self._opinion(learner, X[held_out]) for learner in ensemble.learners]
        return self._combine(opinions, ensemble.votes) - y[held_out]
