"""TrBagging: learners on drawn rows, of which misleading source rows are fewer and fewer."""

from __future__ import annotations

from typing import Any

from .._typing import Estimator, Seed
from ..base import Domain
from ._boosting_rounds import NO_VOTE, source_factor, tradaboost_update
from ._resampling import ResamplingEnsemble

__all__ = ["TrBagging", "trbagging_update"]


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
    early_stopping : bool, default=True
        Whether labelled target rows that are held out say if it helps at all; if not, the learner
        of both domains' rows, or of the source alone, is the model. False: all rounds in any case.
    initial_weights : {"domain", "uniform"}, default="domain"
        Whether the source and the target begin with half of the weight each, or all rows alike.
    voting : {"auto", "hard", "soft"}, default="auto"
        Whether a learner votes for the class that it predicts ("hard") or divides its vote by its
        ``predict_proba`` ("soft"), which ranks rows better. "auto": soft where a learner has one.
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
    chosen_ : {"boosting", "pooled", "source"}
        What predicts held-out labelled target rows best: boosting, or the learner of both domains'
        rows or of the source alone.
    held_out_losses_ : dict
        The mean losses of these rows: of "pooled" and "source" one number, of "boosting" an array
        of one. Empty without early stopping.
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
        Where no target row has a label, a candidate is no classifier, or one has no
        ``predict_proba`` and `voting` is "soft".

    Warns
    -----
    UserWarning
        Without early stopping, where the source has next to none of the weight in the end.

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
    * ``early_stopping`` is `TrAdaBoost`'s, by the chosen candidate, but a further round of bagging
      does no harm: all are kept, or none. ``early_stopping=False, voting="hard"``: all rounds.
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
        estimator: Estimator = None,
        *,
        n_estimators: int = 50,
        early_stopping: bool = True,
        initial_weights: str = "domain",
        voting: str = "auto",
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: Seed = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
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
