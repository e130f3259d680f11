"""MultiSourceTrAdaBoost: in each round the source that suits the target best gives the learner."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .._constraints import OneOf
from .._delegation import fit_clone
from .._typing import Estimator, Seed
from ..base import Domain
from ._boosting_base import BoostingRows
from ._boosting_rounds import source_factor, tradaboost_update
from ._multi_source import MultiSourceClassifier, least_error

__all__ = ["MultiSourceTrAdaBoost"]


def _fit_and_predict(task, X):
    learner = fit_clone(*task)
    return learner, learner.predict(X)


class MultiSourceTrAdaBoost(MultiSourceClassifier):
    """Classify with a few target labels and several sources, of which some may not fit the target.

    Each round fits one base learner to each source together with the labelled target rows, and
    keeps the one that is best on the target: the round learns from the source that is of most use
    to it. Then the target rows that it gets wrong gain weight and the rows of all sources that it
    gets wrong lose weight, as in `TrAdaBoost`.

    Use it where there are several sources, such as hospitals, some target rows have labels (a few
    dozen, say), and it is unknown which source resembles the target. A round costs one base fit
    for each source. Use `TrAdaBoost` where the sources are alike: it fits to all of their rows
    at once. `TaskTrAdaBoost` adapts to further targets within moments. With enough sources whose
    differences from the target cancel out, `SourceOnly` is hard to beat.

    Parameters
    ----------
    estimator : estimator object, default=None
        The base learner, any classifier whose ``fit`` takes ``sample_weight``. None means a tree
        of depth 1, :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=1``.
    n_estimators : int, default=50
        The largest number of rounds N, at least 1.
    early_stopping : bool, default=True
        Whether boosting ends where labelled target rows that are held out say so, before it begins
        if it does not help: then the learner of both domains' rows, or of the source alone, is the
        model. False: all rounds.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether each domain, that is each source and the target, begins with the same total weight,
        so that source and target weigh alike in each fit, or each row with the same.
    voting : {"auto", "hard", "soft"}, default="auto"
        Whether a learner votes for the class that it predicts ("hard") or divides its vote by its
        ``predict_proba`` ("soft"), which ranks rows better. "auto": soft where a learner has one.
    resample : bool, default=False
        Whether the base learner is given rows that are drawn by weight, instead of weights; for
        a learner that takes no ``sample_weight``.
    n_jobs : int or None, default=None
        How many of a round's base learners are fitted at once, in threads unless
        ``joblib.parallel_config`` says otherwise. The result is the same for any number.
    random_state : int, RandomState instance or None, default=None
        Seeds each base learner that has a ``random_state``, and the drawing of rows.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round; ``n_kept <= n_estimators``. All of them vote.
    estimator_sources_ : ndarray of shape (n_kept,), int
        The code of the source that each was fitted to, together with the target; 0 for one that was
        fitted to the target alone.
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
    source_weights_ : ndarray of shape (n_s,)
        The weights of the rows of all sources after the last round, in their given order, where 1
        is the mean over the rows of all domains. Like the path, they are not pickled with the
        model.
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
        Without early stopping, where the source has next to none of the weight in the end.

    See Also
    --------
    TrAdaBoost : All source rows in one fit.
    TaskTrAdaBoost : Learners from each source alone, weighed on the target.

    Notes
    -----
    With the row weights w, in each of at most N rounds (the paper's MultiSourceTrAdaBoost):

    * for each source k a learner is fitted to the rows of k and of the target, with their w;
    * its error e is the weighted share of wrong rows of the target, the weights being those
      of the target rows, normalised; the learner with the least e is kept;
    * its vote weighs ``alpha = ln((1 - e) / e) / 2``;
    * source rows, of whatever source, get ``w *= exp(-alpha_S * abs(h(x) - y))``, where
      ``alpha_S = ln(1 + sqrt(2 ln(n_s) / N)) / 2`` and n_s counts the rows of all sources;
    * target rows get ``w *= exp(alpha * abs(h(x) - y))``.

    The labels are -1 and 1, so that ``abs(h(x) - y)`` is 2 where the learner is wrong. The two
    factors are therefore TrAdaBoost's ``1 / (1 + sqrt(2 ln(n_s) / N))`` and ``(1 - e) / e``, and
    with one source this is `TrAdaBoost` with ``vote="all"``. (With 1 in place of 2 the exponents
    would be halved, and AdaBoost's property be lost that a learner has error 1/2 under the weights
    that it leaves.) Choices of ours:

    * ``early_stopping`` is `TrAdaBoost`'s; ``early_stopping=False, voting="hard"`` is the paper's
      setting.
    * ``estimator_weights_`` are twice alpha, as in `TrAdaBoost`, which leaves the vote as it is.
    * More than two classes: the form of SAMME, as in `TrAdaBoost`.
    * The paper lets the user choose the first weights. Where the source's and the target's rows
      weigh half each in each fit, as by default, one source is treated as `TrAdaBoost` does. With
      few hundred source rows and noisy target labels, ``"uniform"`` overfits the target less.
    * Where several candidates have the same error on the target, which is common with few target
      rows, the one that is right on more of its own source's weight is kept: on a source that
      contradicts the target, a learner that is right on the target is wrong.
    * As in `TrAdaBoost`, boosting stops at a round whose best candidate is no better than chance
      and after one without error, and if it is the first round that fails, one learner on the
      target rows alone is kept.
    * A source that holds one class, which is also the only one among the labelled target rows, has
      no candidate.
    * Without a target (`NoTargetWarning`) it is AdaBoost.

    References
    ----------
    .. [1] Yao, Y. and Doretto, G. (2010). Boosting for transfer learning with multiple sources.
       IEEE Conference on Computer Vision and Pattern Recognition, 1855-1862.
    .. [2] Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning.
       Proceedings of the 24th International Conference on Machine Learning, 193-200. Figure 1.

    Examples
    --------
    In the target and in source 2 the second feature decides, in source 1 the first does.

    >>> import numpy as np
    >>> from skdtl import MultiSourceTrAdaBoost
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(700, 2))
    >>> domain = np.repeat([1, 2, -1], [200, 200, 300])
    >>> y = np.where(domain == 1, X[:, 0] > 0, X[:, 0] + 3 * X[:, 1] > 0)
    >>> model = MultiSourceTrAdaBoost(n_estimators=20)
    >>> model = model.fit(X[:430], y[:430], sample_domain=domain[:430])
    >>> round(model.score(X[430:], y[430:]), 1)
    0.9
    >>> model.source_shares_.round(1)
    array([0.2, 0.8])
    """

    _params: ClassVar[dict[str, Any]] = {
        **MultiSourceClassifier._params,
        "initial_weights": OneOf("domain", "uniform"),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        n_estimators: int = 50,
        early_stopping: bool = True,
        initial_weights: str = "domain",
        voting: str = "auto",
        resample: bool = False,
        n_jobs: int | None = None,
        random_state: Seed = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
        self.initial_weights = initial_weights
        self.voting = voting
        self.resample = resample
        self.n_jobs = n_jobs
        self.random_state = random_state

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
        return learner, learner.predict(rows.X), int(ids[best])
