"""TrResampling, TrBagging and TrMultiBoosting: ensembles on drawn rows, with a chosen learner."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from .._constraints import RANDOM_STATE, HasMethod, Int, OneOf, SequenceOf
from .._delegation import fit_clone, takes_missing_values
from ..base import Domain
from ._boosting_base import VOTE, BoostedClassifier, BoostingRows
from ._boosting_rounds import NO_VOTE, Ensemble, join_ensembles, source_factor, tradaboost_update
from ._draws import deal_folds, draw_rows, fixed_order, seeded_clone

__all__ = [
    "TrBagging",
    "TrMultiBoosting",
    "TrResampling",
    "committee_sizes",
    "trbagging_update",
    "wagged",
]


class ResamplingEnsemble(BoostedClassifier):
    """Base class of the three: the best of several learners, fitted to drawn rows in each round."""

    _params: ClassVar[dict[str, Any]] = {
        "estimator": (None, HasMethod("fit"), SequenceOf(HasMethod("fit"), min_length=1)),
        "n_estimators": Int(1),
        "initial_weights": OneOf("domain", "uniform"),
        "voting": OneOf("hard", "soft"),
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
        learner = seeded_clone(self._candidates()[self.best_candidate_], rng)
        rows = draw_rows(weights, y, rng)
        return fit_clone(learner, X[rows], y[rows])

    def _spend_rounds(self, run, rows: BoostingRows, weights, rng) -> Ensemble:
        self._choose_candidate(rows, weights, rng)
        return super()._spend_rounds(run, rows, weights, rng)

    def _choose_candidate(self, rows: BoostingRows, weights, rng) -> None:
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


class TrResampling(ResamplingEnsemble):
    """Boost on drawn rows, with the learner that suits the target.

    First several learners compete on the labelled target rows, and the best is taken. Then each
    round fits it to rows drawn by weight, heavy ones often; the target rows that it gets wrong
    gain weight, and the source rows that it gets wrong lose weight, as in `TrAdaBoost`.

    Use it as `TrAdaBoost`, where some target rows have labels and part of the source follows the
    target's concept, with learners that take no ``sample_weight`` (nearest neighbours), or where
    it is unclear which learner suits the data. With a few dozen labels the choice among learners
    is uncertain; give a single one where you know it. Where labels are noisy prefer `TrBagging` or
    `TrMultiBoosting`.

    Parameters
    ----------
    estimator : estimator object or list of them, default=None
        The candidates for the base learner, any classifiers; they need not take
        ``sample_weight``. None means naive Bayes, a tree and a linear SVM:
        :class:`~sklearn.naive_bayes.GaussianNB`,
        :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=3``, and
        :class:`~sklearn.svm.LinearSVC` after a :class:`~sklearn.preprocessing.StandardScaler`.
        Sparse rows need candidates that all take them, such as
        :class:`~sklearn.naive_bayes.MultinomialNB`.
    n_estimators : int, default=50
        The largest number of rounds N, at least 1.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether the source and the target begin with half of the weight each, or all rows alike.
    vote : {"auto", "last_half", "all"}, default="auto"
        Which learners vote: those of the last half of the rounds, or all. "auto" takes the last
        half unless the vote of all misclassifies fewer labelled target rows.
    voting : {"hard", "soft"}, default="hard"
        Whether a learner votes for the class that it predicts, or divides its vote by its
        ``predict_proba``, which all candidates must have then (a linear SVM has none).
    cv : int, default=5
        The number of folds of the labelled target rows by which the candidate is chosen, at least
        2; as many as there are labelled target rows if these are fewer. Without use for a single
        candidate.
    n_jobs : int or None, default=None
        How many of the fits for the choice (candidates times folds) run at the same time; the
        result does not depend on it. None means 1 unless in a :obj:`joblib.parallel_backend`
        context.
    random_state : int, RandomState instance or None, default=None
        Seeds the drawing of rows, the folds, and each base learner that has a ``random_state``.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round; ``n_kept <= n_estimators``.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the vote, positive.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted errors on the labelled target rows.
    candidate_errors_ : ndarray of shape (n_candidates,)
        Each candidate's cross-validated error on the labelled target rows; NaN where there is but
        one candidate.
    best_candidate_ : int
        The position of the chosen one.
    vote_ : {"last_half", "all"}
        Which of them vote.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights after the last round, where 1 is the mean over the rows of both
        domains. Like the path, they are not pickled with the model.
    source_weights_path_ : ndarray of shape (n_kept + 1, n_s)
        The source rows' weights before the first and after each round.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no target row has a label, a candidate is no classifier, or one has no
        ``predict_proba`` and `voting` is "soft".

    See Also
    --------
    TrAdaBoost : Weighs rows instead of drawing them.
    TrBagging : Votes with equal weights, and leaves the target's weights alone.
    TrMultiBoosting : Begins anew several times from random weights.

    Notes
    -----
    Of [1]_ no more than its abstract was at hand: in each iteration the source rows with heavy
    weights are resampled and TrAdaBoost adjusts the weights of source and target; naive Bayes,
    decision tree and SVM are base learners, of which the one that performs best is chosen; and
    variants after bagging and MultiBoosting. What follows is our reading of it.

    * The candidate is chosen once, before the first round, by the cross-validated error on the
      labelled target rows at the initial weights: each candidate learns from the same rows, drawn
      from the source and from the target rows that are not held out. The training error would
      always choose the learner that adapts most. Among equal errors the first is taken.
    * Each round draws as many rows as there are, with replacement and by their weights, from
      source and target together, so that the source's part shrinks as its weights do; one row of
      each class is always drawn. The draw does not depend on the order of the source rows.
    * Weights, votes and the rules for stopping are TrAdaBoost's [2]_ (and SAMME's for more than two
      classes): boosting ends at a learner that is no better than chance, which is not kept, and
      after one without error on the target rows. If
      none is left, a single learner is fitted to rows drawn from the target alone.
    * Without a target (`NoTargetWarning`) it is AdaBoost on drawn rows.

    References
    ----------
    .. [1] Liu, X., Liu, Z., Wang, G., Cai, Z. and Zhang, H. (2018). Ensemble transfer learning
       algorithm. IEEE Access 6, 2389-2396.
    .. [2] Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning.
       Proceedings of the 24th International Conference on Machine Learning, 193-200. Figure 1.

    Examples
    --------
    In the target, the second feature decides; in the source, the first does in half of the rows.

    >>> import numpy as np
    >>> from skdtl import TrResampling
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(230, 2))
    >>> ys = np.where(np.arange(400) < 200, Xs[:, 0] > 0, Xs[:, 1] > 0)
    >>> yt = Xt[:, 1] > 0
    >>> model = TrResampling(n_estimators=20, random_state=0).fit(Xs, ys, Xt[:30], yt[:30])
    >>> bool(model.score(Xt[30:], yt[30:]) > 0.9)
    True
    >>> bool(model.source_weights_[:200].mean() < model.source_weights_[200:].mean())
    True
    """

    _params: ClassVar[dict[str, Any]] = {**ResamplingEnsemble._params, "vote": VOTE}

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=50,
        initial_weights="domain",
        vote="auto",
        voting="hard",
        cv=5,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.initial_weights = initial_weights
        self.vote = vote
        self.voting = voting
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        beta = source_factor(len(source), self.n_estimators)

        def update(weights, wrong, n_source):
            return tradaboost_update(weights, wrong, n_source, beta, len(self.classes_))

        self._resample(source, target, update, vote=self.vote)


def trbagging_update(weights, wrong, n_source, beta, n_classes=2):
    """Do one round of TrBagging's weight update: TrAdaBoost's, of the source rows alone.

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

    Returns
    -------
    weights : ndarray of shape (n,)
        The next round's weights, not normalised.
    error : float
        The weighted share of misclassified target rows.
    vote : float
        1, or 0 for a learner that is no better than chance.
    """
    updated, error, vote = tradaboost_update(weights, wrong, n_source, beta, n_classes)
    updated[n_source:] = weights[n_source:]
    return updated, error, float(vote > NO_VOTE)


class TrBagging(ResamplingEnsemble):
    """Bag with the learner that suits the target, on fewer and fewer misleading source rows.

    First several learners compete on the labelled target rows, and the best is taken. Then each
    round fits it to a bootstrap sample: source rows drawn by weight, target rows all with the
    same chance. The source rows that it gets wrong lose weight, as in `TrAdaBoost`; the target
    rows never gain any, and all learners vote alike.

    Use it where some target rows have labels and part of the source follows the target's concept,
    above all where labels are noisy or the base learner is unstable, such as a deep tree: nothing
    chases single target rows. Use `TrAdaBoost` or `TrResampling` with weak learners, which bagging
    does not strengthen.

    Parameters
    ----------
    estimator : estimator object or list of them, default=None
        The candidates for the base learner, any classifiers; they need not take
        ``sample_weight``. None means naive Bayes, a tree and a linear SVM:
        :class:`~sklearn.naive_bayes.GaussianNB`,
        :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=3``, and
        :class:`~sklearn.svm.LinearSVC` after a :class:`~sklearn.preprocessing.StandardScaler`.
        Sparse rows need candidates that all take them, such as
        :class:`~sklearn.naive_bayes.MultinomialNB`.
    n_estimators : int, default=50
        The number of rounds N, at least 1.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether the source and the target begin with half of the weight each, or all rows alike.
    voting : {"hard", "soft"}, default="hard"
        Whether a learner votes for the class that it predicts, or divides its vote by its
        ``predict_proba``, which all candidates must have then (a linear SVM has none).
    cv : int, default=5
        The number of folds of the labelled target rows by which the candidate is chosen, at least
        2; as many as there are labelled target rows if these are fewer. Without use for a single
        candidate.
    n_jobs : int or None, default=None
        How many of the fits for the choice (candidates times folds) run at the same time; the
        result does not depend on it. None means 1 unless in a :obj:`joblib.parallel_backend`
        context.
    random_state : int, RandomState instance or None, default=None
        Seeds the drawing of rows, the folds, and each base learner that has a ``random_state``.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round; those no better than chance are left out.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the vote, all 1.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their errors on the labelled target rows.
    candidate_errors_ : ndarray of shape (n_candidates,)
        Each candidate's cross-validated error on the labelled target rows; NaN where there is but
        one candidate.
    best_candidate_ : int
        The position of the chosen one.
    vote_ : {"all"}
        All of them vote.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights after the last round, where 1 is the mean over the rows of both
        domains. Like the path, they are not pickled with the model.
    source_weights_path_ : ndarray of shape (n_kept + 1, n_s)
        The source rows' weights before the first and after each round whose learner was
        kept.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no target row has a label, a candidate is no classifier, or one has no
        ``predict_proba`` and `voting` is "soft".

    See Also
    --------
    TrResampling : Boosts the target rows as well.
    TrMultiBoosting : Between the two.

    Notes
    -----
    Of [1]_ no more than its abstract was at hand: in each iteration the source rows with heavy
    weights are resampled and TrAdaBoost adjusts the weights of source and target; naive Bayes,
    decision tree and SVM are base learners, of which the one that performs best is chosen; and
    variants after bagging and MultiBoosting. What follows is our reading of it.

    * The candidate is chosen once, before the first round, by the cross-validated error on the
      labelled target rows at the initial weights: each candidate learns from the same rows, drawn
      from the source and from the target rows that are not held out. The training error would
      always choose the learner that adapts most. Among equal errors the first is taken.
    * Each round draws as many rows as there are, with replacement, source rows by their weights
      and target rows alike; together, so that the source's part shrinks as its weights do. One row
      of each class is always drawn. The draw does not depend on the order of the source rows.
    * Wrong source rows are multiplied by TrAdaBoost's factor [2]_,
      ``1 / (1 + sqrt(2 ln(n_s) / N))``. The target's weights stay.
    * There is no early end: rounds don't build on each other. Learners that are no better than
      chance on the target rows are left out. If
      none is left, a single learner is fitted to rows drawn from the target alone.
    * Without a target (`NoTargetWarning`) it is bagging [3]_.

    References
    ----------
    .. [1] Liu, X., Liu, Z., Wang, G., Cai, Z. and Zhang, H. (2018). Ensemble transfer learning
       algorithm. IEEE Access 6, 2389-2396.
    .. [2] Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning.
       Proceedings of the 24th International Conference on Machine Learning, 193-200. Figure 1.
    .. [3] Breiman, L. (1996). Bagging predictors. Machine Learning 24, 123-140.

    Examples
    --------
    In the target, the second feature decides; in the source, the first does in half of the rows.

    >>> import numpy as np
    >>> from skdtl import TrBagging
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(230, 2))
    >>> ys = np.where(np.arange(400) < 200, Xs[:, 0] > 0, Xs[:, 1] > 0)
    >>> yt = Xt[:, 1] > 0
    >>> model = TrBagging(n_estimators=20, random_state=0).fit(Xs, ys, Xt[:30], yt[:30])
    >>> bool(model.score(Xt[30:], yt[30:]) > 0.9)
    True
    >>> bool(model.source_weights_[:200].mean() < model.source_weights_[200:].mean())
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=50,
        initial_weights="domain",
        voting="hard",
        cv=5,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.initial_weights = initial_weights
        self.voting = voting
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        beta = source_factor(len(source), self.n_estimators)

        def update(weights, wrong, n_source):
            return trbagging_update(weights, wrong, n_source, beta, len(self.classes_))

        self._resample(source, target, update, stops=False)


def committee_sizes(n_rounds: int, n_committees: int | None = None) -> np.ndarray:
    """Return how many rounds each committee of MultiBoosting has.

    Parameters
    ----------
    n_rounds : int
        All rounds N.
    n_committees : int or None, default=None
        The number of committees n, of which there are at most N. None means floor(sqrt(N)).

    Returns
    -------
    sizes : ndarray of shape (n_committees,), int
        Committee k, counted from 1, ends with round ceil(k N / n).
    """
    n_committees = min(n_committees or math.isqrt(n_rounds), n_rounds)
    ends = -(-np.arange(n_committees + 1) * n_rounds // n_committees)
    return np.diff(ends)


def wagged(weights, n_source, rng):
    """Multiply weights by random numbers of an exponential distribution of mean 1.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Weights, source rows first.
    n_source : int
        The number of source rows.
    rng : numpy.random.RandomState
        Source of randomness.

    Returns
    -------
    weights : ndarray of shape (n,)
        The totals of both domains are those of the given weights.
    """
    drawn = weights * rng.exponential(size=len(weights))
    for domain in (slice(n_source), slice(n_source, None)):
        if len(drawn[domain]):
            drawn[domain] *= weights[domain].sum() / drawn[domain].sum()
    return drawn


class TrMultiBoosting(ResamplingEnsemble):
    """Boost several committees from random weights, with the learner that suits the target.

    First several learners compete on the labelled target rows, and the best is taken. It is
    boosted on drawn rows as in `TrResampling`, but in several short runs: each but the first begins
    anew with random weights. The learners of all runs, the committees, vote together. Boosting
    lowers the bias and the random weights the variance.

    Use it where some target rows have labels and part of the source follows the target's concept,
    and one run of boosting ends after few rounds or follows noisy labels.

    Parameters
    ----------
    estimator : estimator object or list of them, default=None
        The candidates for the base learner, any classifiers; they need not take
        ``sample_weight``. None means naive Bayes, a tree and a linear SVM:
        :class:`~sklearn.naive_bayes.GaussianNB`,
        :class:`~sklearn.tree.DecisionTreeClassifier` with ``max_depth=3``, and
        :class:`~sklearn.svm.LinearSVC` after a :class:`~sklearn.preprocessing.StandardScaler`.
        Sparse rows need candidates that all take them, such as
        :class:`~sklearn.naive_bayes.MultinomialNB`.
    n_estimators : int, default=50
        The largest number of rounds N of all committees together, at least 1.
    n_committees : int or None, default=None
        The number of committees, at least 1, of which there are at most N. None means
        ``floor(sqrt(N))``; 1 is `TrResampling` with the vote of all.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether the source and the target begin with half of the weight each, or all rows alike.
    voting : {"hard", "soft"}, default="hard"
        Whether a learner votes for the class that it predicts, or divides its vote by its
        ``predict_proba``, which all candidates must have then (a linear SVM has none).
    cv : int, default=5
        The number of folds of the labelled target rows by which the candidate is chosen, at least
        2; as many as there are labelled target rows if these are fewer. Without use for a single
        candidate.
    n_jobs : int or None, default=None
        How many of the fits for the choice (candidates times folds) run at the same time; the
        result does not depend on it. None means 1 unless in a :obj:`joblib.parallel_backend`
        context.
    random_state : int, RandomState instance or None, default=None
        Seeds the drawing of rows, the folds, and each base learner that has a ``random_state``.

    Attributes
    ----------
    estimators_ : list of estimators of length n_kept
        The fitted base learners, one a round; ``n_kept <= n_estimators``.
    estimator_weights_ : ndarray of shape (n_kept,)
        Their weights in the vote, positive.
    committees_ : ndarray of shape (n_kept,), int
        The committee 0, 1, ... that each of them is in. Committees without learners don't count.
    estimator_errors_ : ndarray of shape (n_kept,)
        Their weighted errors on the labelled target rows.
    candidate_errors_ : ndarray of shape (n_candidates,)
        Each candidate's cross-validated error on the labelled target rows; NaN where there is but
        one candidate.
    best_candidate_ : int
        The position of the chosen one.
    vote_ : {"all"}
        All of them vote.
    source_weights_ : ndarray of shape (n_s,)
        The source rows' weights after a committee's last round, where 1 is the mean over the rows
        of both domains; mean over the committees. Like the path, they are not pickled with the
        model.
    source_weights_path_ : ndarray of shape (n_kept + n_committees, n_s)
        The source rows' weights before the first and after each round of one committee after the
        other.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no target row has a label, a candidate is no classifier, or one has no
        ``predict_proba`` and `voting` is "soft".

    See Also
    --------
    TrResampling : One committee.
    TrBagging : Committees of one learner, so to speak.

    Notes
    -----
    Of [1]_ no more than its abstract was at hand: in each iteration the source rows with heavy
    weights are resampled and TrAdaBoost adjusts the weights of source and target; naive Bayes,
    decision tree and SVM are base learners, of which the one that performs best is chosen; and
    variants after bagging and MultiBoosting. What follows is our reading of it.

    * The candidate is chosen once, before the first round, by the cross-validated error on the
      labelled target rows at the initial weights: each candidate learns from the same rows, drawn
      from the source and from the target rows that are not held out. The training error would
      always choose the learner that adapts most. Among equal errors the first is taken.
    * Each round draws as many rows as there are, with replacement and by their weights, from
      source and target together, so that the source's part shrinks as its weights do; one row of
      each class is always drawn. The draw does not depend on the order of the source rows.
    * MultiBoosting is that of Webb [3]_: of n committees, number k ends with round
      ``ceil(k N / n)``. The first begins with the initial weights, each further one with these
      multiplied by random numbers ``-ln(u)``, u uniform on (0, 1) (wagging with a continuous
      Poisson distribution), and scaled so that both domains keep their totals.
    * Within a committee, weights and votes are TrAdaBoost's [2]_ (and SAMME's for more than two
      classes), N being the rounds of the largest committee in the source's factor. A committee ends
      early at a learner that is no better than chance, which is not kept, and after one without
      error on the target rows; its other rounds are not made up for. If in all committees
      none is left, a single learner is fitted to rows drawn from the target alone.
    * Without a target (`NoTargetWarning`) it is MultiBoosting on drawn rows.

    References
    ----------
    .. [1] Liu, X., Liu, Z., Wang, G., Cai, Z. and Zhang, H. (2018). Ensemble transfer learning
       algorithm. IEEE Access 6, 2389-2396.
    .. [2] Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning.
       Proceedings of the 24th International Conference on Machine Learning, 193-200. Figure 1.
    .. [3] Webb, G. I. (2000). MultiBoosting: a technique for combining boosting and wagging.
       Machine Learning 40, 159-196.

    Examples
    --------
    In the target, the second feature decides; in the source, the first does in half of the rows.

    >>> import numpy as np
    >>> from skdtl import TrMultiBoosting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(230, 2))
    >>> ys = np.where(np.arange(400) < 200, Xs[:, 0] > 0, Xs[:, 1] > 0)
    >>> yt = Xt[:, 1] > 0
    >>> model = TrMultiBoosting(n_estimators=20, random_state=0).fit(Xs, ys, Xt[:30], yt[:30])
    >>> bool(model.score(Xt[30:], yt[30:]) > 0.9)
    True
    >>> bool(model.source_weights_[:200].mean() < model.source_weights_[200:].mean())
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        **ResamplingEnsemble._params,
        "n_committees": (None, Int(1)),
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=50,
        n_committees=None,
        initial_weights="domain",
        voting="hard",
        cv=5,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_committees = n_committees
        self.initial_weights = initial_weights
        self.voting = voting
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, source: Domain, target: Domain) -> None:
        sizes = committee_sizes(self.n_estimators, self.n_committees)
        beta = source_factor(len(source), int(sizes.max()))

        def update(weights, wrong, n_source):
            return tradaboost_update(weights, wrong, n_source, beta, len(self.classes_))

        self.committees_ = np.zeros(1, dtype=int)  # of one learner where boosting keeps none
        self._resample(source, target, update)
        ends = np.cumsum(np.bincount(self.committees_) + 1) - 1
        self.source_weights_ = self.source_weights_path_[ends].mean(axis=0)

    def _spend_rounds(self, run, rows: BoostingRows, weights, rng) -> Ensemble:
        self._choose_candidate(rows, weights, rng)
        committees = []
        for k, size in enumerate(committee_sizes(self.n_estimators, self.n_committees)):
            first = weights if k == 0 else wagged(weights, rows.n_source, rng)
            committees.append(run(first, int(size)))
        kept = [committee for committee in committees if committee.learners]
        if not kept:
            return committees[0]
        lengths = [len(committee.learners) for committee in kept]
        self.committees_ = np.repeat(np.arange(len(kept)), lengths)
        return join_ensembles(kept)
