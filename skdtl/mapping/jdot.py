"""Joint distribution optimal transport (Courty, Flamary, Habrard and Rakotomamonjy, 2017)."""

from __future__ import annotations

import warnings
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from .._arrays import join_rows, rounding
from .._constraints import Int, OneOf, Real
from .._couplings import cost_matrix, import_pot, transport_plan
from .._delegation import DelegatingEstimator
from .._typing import Estimator
from ..base import Domain

__all__ = ["JDOT", "class_losses"]

# No label counts as less likely than this: the logarithmic loss is at most 13.8.
_LEAST_PROBABILITY = 1e-6

# The rounds end when so many in turn have not lowered the objective.
_FLAT = 10

# Weights of a (target row, class) below this are rounding errors of the plan.
_LEAST_WEIGHT = 1e-10


class JDOT(DelegatingEstimator):
    """Carry the source's labels over to the target rows and learn on these, in turns.

    Joint distribution optimal transport pairs source rows with target rows that are near *and* for
    which the present model predicts a label near the source row's; it then trains the model on the
    source rows and on the target rows with the labels that their partners bring, and so on until
    nothing changes. What it minimises is the transport distance between the source's joint
    distribution of features and labels and that of the target rows with their predictions, besides
    the loss on the source.

    Use it, for classes or numbers, where a model of the source is mostly right about the target and
    the features have shifted a little: it corrects the model by the target rows' neighbours, and is
    careful. It needs no target labels; labelled target rows join the training. Don't where much has
    moved: there the published way (see Notes) adapts more, which however takes the proportions of
    classes, or the distribution of the numbers, to be the same in both domains: all source labels
    are carried over. Nor with more rows than a matrix of all pairs allows. How the wrapped
    estimator is regularised decides much: a model that can fit anything confirms the first plan, so
    rather take a simple one. Features should have comparable scales: put a StandardScaler before
    it.

    Parameters
    ----------
    estimator : estimator object or None, default=None
        Classifier or regressor that is trained on target rows. A classifier's ``fit`` must take
        ``sample_weight``. None means :class:`~sklearn.linear_model.LogisticRegression` with
        ``max_iter=1000``.
    alpha : float > 0, "median" or None, default="median"
        Weight of the squared distance of the features, against the loss of the label. "median"
        means 1 divided by the median of the squared distances between a source row and a target
        row, None 1 divided by the largest.
    reg_e : float >= 0, default=0.1
        Weight of the plan's negative entropy. 0 finds the plan exactly, by which all mass arrives.
    reg_m : float > 0 or None, default=0.1
        Weight of mass that does not arrive, or arrives where it is too much. The smaller, the less
        count rows that have nothing like them in the other domain. None: all mass must arrive.
    source_weight : float >= 0, default=1.0
        Weight of the source rows together, in training, against the target rows together. With 0
        the estimator is trained on target rows alone.
    start : {"source", "features"}, default="source"
        Whether the first plan knows what a model of the source predicts, or the features alone.
    max_iter : int >= 1, default=100
        Largest number of rounds, each of one plan and one fit of the estimator.
    tol : float >= 0, default=1e-6
        It ends when the objective has changed by at most `tol` times its value, when it has not
        fallen by more for ten rounds, or at the best of the plans that come round and round.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`.
    objective_ : ndarray of shape (n_iter_,)
        The objective after each round.
    n_iter_ : int
        The number of rounds; without a target 1, and `objective_` is empty.
    coupling_ : ndarray of shape (n_s, n_t)
        The last plan: the mass that goes from each source row to each target row. Not pickled.
    target_labels_ : ndarray of shape (n_t,) or (n_t, n_classes)
        What the estimator was trained on: a number for each target row, or the weights of the
        classes, which add up to 1; carried over by the last plan, or the row's own. Not pickled.
    classes_ : ndarray of shape (n_classes,)
        The classes; only for a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.
    ValueError
        Where the wrapped estimator takes no ``sample_weight``; a regressor needs none with
        ``reg_m=None`` and ``source_weight=0``.

    Warns
    -----
    ConvergenceWarning
        Where the objective still changed after `max_iter` rounds, or the last plan of
        ``reg_e > 0`` is not accurate.

    See Also
    --------
    OTMapping : Pairs rows by their features and moves the source rows.

    Notes
    -----
    *Problem.* The paper's is the minimum over plans γ and models f of Σ_ij γ_ij (alpha ‖x_i -
    x_j‖² + L(y_i, f(x_j))) + reg_e Σ γ log γ, with row sums 1/n_s and column sums 1/n_t, plus the
    estimator's own penalty [1]_, by block coordinate descent. With f fixed the plan is found by POT
    (``ot.emd``, or ``ot.sinkhorn`` for ``reg_e > 0``). With γ fixed, f is the estimator fitted to
    the target rows: for numbers with ŷ_j = Σ_i γ_ij y_i / Σ_i γ_ij, which is exact for the squared
    loss; for classes with each row once per class, weighted by Σ_{i: y_i = c} γ_ij / Σ_i γ_ij. With
    `reg_m` the sums need not be met, see :class:`OTMapping`; target rows count by the mass that
    arrives, relative to its mean, and the objective is that of a unit of the mass that moves. With
    `source_weight` the source's mean loss, times it, joins the objective, as in :class:`DeepJDOT`.

    *The defaults.* As published (``JDOT(alpha=None, reg_e=0, reg_m=None, source_weight=0,
    start="features")``) the model sees labels alone that an accidental plan brought, in the
    source's proportions whatever they are, and the next plan confirms them: on the repository's
    tasks (logistic regression or ridge) it lost 3.6 points to the source alone in the mean, and
    more than a point on 87 of 133 tasks; without a shift up to 10.5. The source's rows in training
    keep what is known, mass that need not arrive leaves proportions open, and a model of the source
    says first which pairs make sense. By these reasons, tried on half of the tasks (gain 1.7 there,
    -0.2 on the others), the defaults gain 0.8 points and lose more than a point on 32 of 134, most
    on house prices of other years and on newsgroups; without a shift they lose at most 0.1 on any
    table. Where much has moved (spectra of another instrument) the published way gains more.

    *Losses.* For numbers the squared error divided by the variance of the source's labels, so that
    neither `alpha` nor the result depends on their unit. For classes the logarithmic loss of
    ``predict_proba``, with probabilities of at least 10^-6; of a classifier that has none, the
    squared hinge loss of ``decision_function``, one class against the rest; failing that, too, the
    squared difference of indicators of the predicted class. The objective can't rise where the
    estimator minimises the same loss, up to its own penalty, which `objective_` does not contain:
    least squares for numbers. Others may let it rise a little.

    *Labelled target rows* are trained on with their own label in the place of the labels carried
    over, with the mean weight of the target rows. In the plan their label counts as a prediction
    that is certain: for f(x_j) stands y_j, from the first plan on, and the objective has the term
    Σ_j L(y_j, f(x_j)) / n_t over them besides.

    *No target.* The estimator is fitted to the source.

    *Cost.* Memory: three or four matrices of n_s x n_t doubles, one of which, ``coupling_``, is
    kept until pickling. Time: per round, a plan (roughly n² log n to n³ for ``reg_e=0``) and a fit
    of the estimator to n_t rows, or, for classes, to at most n_s + n_t rows (with entropy n_t times
    the number of classes).

    *Imports.* POT imports torch where it is installed, see :class:`OTMapping`.

    References
    ----------
    .. [1] N. Courty, R. Flamary, A. Habrard, A. Rakotomamonjy, "Joint distribution optimal
       transportation for domain adaptation", Advances in Neural Information Processing Systems
       30, 2017.

    Examples
    --------
    A sine that is shifted along both axes.

    >>> import numpy as np
    >>> from sklearn.kernel_ridge import KernelRidge
    >>> from skdtl import JDOT, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.uniform(0, 5, size=(100, 1))
    >>> Xt = rng.uniform(0, 5, size=(100, 1))
    >>> ys, yt = np.sin(Xs[:, 0]), np.sin(Xt[:, 0])
    >>> Xt = Xt + 1.5
    >>> smooth = KernelRidge(kernel="rbf", gamma=0.5, alpha=0.1)
    >>> SourceOnly(smooth).fit(Xs, ys, Xt).score(Xt, yt) < 0
    True
    >>> published = JDOT(
    ...     smooth, alpha=None, reg_e=0, reg_m=None, source_weight=0, start="features"
    ... )
    >>> published.fit(Xs, ys, Xt).score(Xt, yt) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        **DelegatingEstimator._params,
        "alpha": (None, OneOf("median"), Real(0, closed="neither")),
        "reg_e": Real(0),
        "reg_m": (None, Real(0, closed="neither")),
        "source_weight": Real(0),
        "start": OneOf("source", "features"),
        "max_iter": Int(1),
        "tol": Real(0),
    }
    _takes_nan: ClassVar[bool] = False
    _unpickled: ClassVar[tuple[str, ...]] = ("coupling_", "target_labels_")

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        alpha: float | str | None = "median",
        reg_e: float = 0.1,
        reg_m: float | None = 0.1,
        source_weight: float = 1.0,
        start: str = "source",
        max_iter: int = 100,
        tol: float = 1e-6,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.reg_e = reg_e
        self.reg_m = reg_m
        self.source_weight = source_weight
        self.start = start
        self.max_iter = max_iter
        self.tol = tol

    def _default_estimator(self):
        # With the usual 100 iterations some round's fit would warn.
        return LogisticRegression(max_iter=1000)

    def _fit(self, source: Domain, target: Domain) -> None:
        name = type(self).__name__
        import_pot(name)
        if target is source:
            self.objective_, self.n_iter_ = np.empty(0), 1
            self.coupling_ = np.eye(len(source)) / len(source)
            self.target_labels_ = self._carried_labels(self.coupling_, source.y)
            self.estimator_ = self._fit_estimator(source.X, source.y)
            return
        distances = cost_matrix(source.X, target.X)
        distances *= self._alpha(distances)

        known = np.flatnonzero(target.labelled)
        own = target.y[known]

        def losses_now():
            losses, of_own = self._losses(source.y, target.X, known, own)
            losses[:, known] = certain
            return losses, of_own

        def learn(coupling):
            self.target_labels_ = self._carried_labels(coupling, source.y)
            mass = coupling.sum(axis=0)
            self.estimator_ = self._fit_on_both(source, target.X, mass / mass.mean(), known, own)
            losses, rest = losses_now()
            if self.source_weight > 0:
                rest += self.source_weight * self._loss_of_source(source)
            return losses, rest

        certain = self._losses_of_known(source.y, own)
        first = np.zeros(distances.shape)
        first[:, known] = certain
        if self.start == "source":
            self.estimator_ = self._fit_estimator(source.X, source.y)
            first = losses_now()[0]
        self.coupling_, self.objective_ = joint_transport(
            distances,
            first,
            learn,
            self.reg_e,
            self.reg_m,
            max_iter=self.max_iter,
            tol=self.tol,
            name=name,
        )
        self.n_iter_ = len(self.objective_)

    def _alpha(self, distances) -> float:
        if not (self.alpha is None or isinstance(self.alpha, str)):
            return self.alpha
        # Where more than half of the pairs are of equal rows, the median is zero.
        scale = (np.median(distances) if self.alpha == "median" else 0.0) or distances.max()
        return 1 / scale if scale > 0 else 1.0

    def _carried_labels(self, coupling, y):
        """Return what a plan carries to each target row."""
        mass = coupling.sum(axis=0)
        if not is_classifier(self):
            return y @ coupling / mass
        members = np.equal(y, np.arange(len(self.classes_))[:, None]).astype(np.float64)
        return (members @ coupling / mass).T

    def _fit_on_both(self, source: Domain, X, mass, known, own):
        """Fit the estimator; known labels replace what was carried to their rows."""
        labels = self.target_labels_
        mass[known] = 1.0
        if is_classifier(self):
            carried = labels[known]
            labels[known] = np.equal(own[:, None], np.arange(labels.shape[1]))
            # A class that all of its mass has left for rows of other known classes needs some row.
            lost = labels.max(axis=0) <= _LEAST_WEIGHT
            labels[np.ix_(known, lost)] = carried[:, lost]
            rows, y = np.nonzero(labels > _LEAST_WEIGHT)
            X, weights = X[rows], labels[rows, y] * mass[rows]
        else:
            labels[known] = own
            y, weights = labels, None if self.reg_m is None else mass
        if self.source_weight > 0:
            n_s, n_t = len(source), len(mass)
            weights = mass if weights is None else weights
            of_source = np.full(n_s, self.source_weight * n_t / n_s)
            weights = np.concatenate([of_source, weights])
            weights *= (n_s + n_t) / weights.sum()
            X, y = join_rows(source.X, X), np.concatenate([source.y, y])
        return self._fit_estimator(X, y, weights)

    def _loss_of_source(self, source: Domain) -> float:
        """Return the source rows' mean loss."""
        if is_classifier(self):
            losses = class_losses(self.estimator_, source.X, self.classes_)
            return float(losses[np.arange(len(source)), source.y].mean())
        predicted = np.asarray(self.estimator_.predict(source.X), dtype=np.float64).ravel()
        return float(((source.y - predicted) ** 2).mean() / _unit(source.y))

    def _losses(self, y, X, known, own):
        """Return the losses of labels y at target rows, and the known rows' own in sum / n_t."""
        n_t = X.shape[0]
        if is_classifier(self):
            losses = class_losses(self.estimator_, X, self.classes_)
            return losses[:, y].T, losses[known, own].sum() / n_t
        predicted = np.asarray(self.estimator_.predict(X), dtype=np.float64).ravel()
        unit = _unit(y)
        of_own = ((own - predicted[known]) ** 2).sum() / (unit * n_t)
        return (y[:, None] - predicted) ** 2 / unit, of_own

    def _losses_of_known(self, y, own):
        """Return the losses of labels y where the target's label is known."""
        if is_classifier(self):
            return -np.log(_LEAST_PROBABILITY) * np.not_equal(y[:, None], own)
        return (y[:, None] - own) ** 2 / _unit(y)


def _unit(y) -> float:
    """Return the numbers' variance, and 1 where it is their mean's rounding error."""
    variance = np.var(y)
    return variance if variance > (rounding(len(y)) * np.mean(y)) ** 2 else 1.0


def joint_transport(
    distances, losses, learn, reg_e=0.0, reg_m=None, *, max_iter=100, tol=1e-6, name="JDOT"
):
    """Find a plan and a model in turns: block coordinate descent.

    Parameters
    ----------
    distances : ndarray of shape (n_s, n_t)
        What the features add to the cost of each pair.
    losses : ndarray of shape (n_s, n_t)
        What the labels add to it in the first plan.
    learn : callable
        Takes a plan, trains the model by it, and returns what the labels add to the cost of each
        pair, of shape (n_s, n_t), and what else the model adds to the objective, a float.
    reg_e, reg_m, max_iter, tol : float, float or None, int, float
        See `JDOT`.
    name : str
        Who asks, for the messages.

    Returns
    -------
    coupling : ndarray of shape (n_s, n_t)
        The last plan, by which the model was trained last.
    objective : ndarray of shape (n_iter,)
        After each round.

    Warns
    -----
    ConvergenceWarning
        Where the objective still changed after `max_iter` rounds.
    """
    objective: list[float] = []
    seen: dict[bytes, int] = {}  # the round in which a plan was made first
    start, lowest = None, 0
    while len(objective) < max_iter:
        start = plan = transport_plan(
            distances + losses, reg_e, reg_m, tol=1e-6, name=name, start=start
        )
        coupling = plan.coupling
        losses, rest = learn(coupling)
        share = coupling / coupling.sum()  # of the mass that moves, which may not be all of it
        value = np.vdot(share, distances) + np.vdot(share, losses) + rest
        if reg_e > 0:
            value += reg_e * xlogy(share, share).sum()
        objective.append(float(value))
        n_rounds = len(objective)
        if n_rounds > 1 and abs(objective[-2] - value) <= tol * abs(value):
            break
        if value < objective[lowest] - tol * abs(value):
            lowest = n_rounds - 1
        first = seen.setdefault(sha256(np.round(coupling, 12).tobytes()).digest(), n_rounds)
        if first < n_rounds and value <= min(objective[first - 1 :]) + tol * abs(value):
            break  # the best plan of those that now come round and round
        if n_rounds - lowest > _FLAT:
            break
    else:
        warnings.warn(
            f"{name} did not converge in max_iter={max_iter} rounds: its objective still changed "
            f"by more than tol={tol:.1e} of its value, {value:.3g}. Raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
    plan.warn_of(name, "Raise reg_e, or take reg_e=0.")
    return coupling, np.array(objective)


def class_losses(estimator, X, classes):
    """Return the loss that each class would cause as the label of each row.

    Parameters
    ----------
    estimator : estimator object
        A fitted classifier that knows all of the classes.
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    classes : ndarray of shape (n_classes,)
        The classes in the order of the columns.

    Returns
    -------
    losses : ndarray of shape (n, n_classes)
        The logarithmic loss, or without ``predict_proba`` the squared hinge loss, or without
        ``decision_function`` the squared difference of the indicators of label and prediction.
    """
    if hasattr(estimator, "predict_proba"):
        proba = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        return -np.log(np.clip(proba, _LEAST_PROBABILITY, 1.0))
    if hasattr(estimator, "decision_function"):
        decision = np.asarray(estimator.decision_function(X), dtype=np.float64)
        if decision.ndim == 1:
            return np.maximum(0, 1 - np.column_stack([-decision, decision])) ** 2
        inside, outside = (np.maximum(0, 1 - sign * decision) ** 2 for sign in (1, -1))
        return inside - outside + outside.sum(axis=1, keepdims=True)
    return 2.0 * (np.asarray(estimator.predict(X))[:, None] != classes)
