"""Joint distribution optimal transport (Courty, Flamary, Habrard and Rakotomamonjy, 2017)."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from .._arrays import rounding
from .._constraints import Int, Real
from .._couplings import cost_matrix, import_pot, transport_plan
from .._delegation import DelegatingEstimator
from .._typing import Estimator
from ..base import Domain

__all__ = ["JDOT", "class_losses"]

# No label counts as less likely than this: the logarithmic loss is at most 13.8.
_LEAST_PROBABILITY = 1e-6

# Weights of a (target row, class) below this are rounding errors of the plan.
_LEAST_WEIGHT = 1e-10


class JDOT(DelegatingEstimator):
    """Carry the source's labels over to the target rows and learn on these, in turns.

    Joint distribution optimal transport pairs source rows with target rows that are near *and* for
    which the present model predicts a label near the source row's; it then trains the model on the
    target rows with the labels that their partners bring, and so on until nothing changes. What it
    minimises is the transport distance between the source's joint distribution of features and
    labels and that of the target rows with their predictions. The model is trained on target rows
    alone, and so predicts new target rows like any other model.

    Use it, for classes or numbers, where the features have shifted and the labels with them: the
    distribution of both moves as one. It needs no target labels; labelled target rows join the
    training. Don't where the proportions of classes, or the distribution of the numbers, differ
    between the domains: all source labels are carried over, in their proportions. Nor with more
    rows than a matrix of all pairs allows. How the wrapped estimator is regularised decides much: a
    model that can fit anything confirms the first plan, so rather take a simple one. Features
    should have comparable scales: put a StandardScaler before it.

    Parameters
    ----------
    estimator : estimator object or None, default=None
        Classifier or regressor that is trained on target rows. A classifier's ``fit`` must take
        ``sample_weight``. None means :class:`~sklearn.linear_model.LogisticRegression`.
    alpha : float > 0 or None, default=None
        Weight of the squared distance of the features, against the loss of the label. None means 1
        divided by the largest squared distance between a source row and a target row.
    reg_e : float >= 0, default=0.0
        Weight of the plan's negative entropy. 0 finds the plan exactly.
    max_iter : int >= 1, default=100
        Largest number of rounds, each of one plan and one fit of the estimator.
    tol : float >= 0, default=1e-6
        It ends when the objective has changed by at most `tol` times its value.

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
        Where the wrapped classifier takes no ``sample_weight``.

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
    *Problem.* The minimum over plans γ and models f of Σ_ij γ_ij (alpha ‖x_i - x_j‖² + L(y_i,
    f(x_j))) + reg_e Σ γ log γ, with row sums 1/n_s and column sums 1/n_t, plus the estimator's own
    penalty [1]_, by block coordinate descent. With f fixed the plan is found by POT (``ot.emd``,
    or ``ot.sinkhorn`` for ``reg_e > 0``). With γ fixed, f is the estimator fitted to the target
    rows: for numbers with ŷ_j = n_t Σ_i γ_ij y_i, which is exact for the squared loss; for classes
    with each row once per class, weighted by n_t Σ_{i: y_i = c} γ_ij. The first plan knows the
    features alone (L = 0): from there the descent reached lower objectives on images of digits
    than from a model trained on the source.

    *Losses.* For numbers the squared error divided by the variance of the source's labels, so that
    neither `alpha` nor the result depends on their unit. For classes the logarithmic loss of
    ``predict_proba``, with probabilities of at least 10^-6; of a classifier that has none, the
    squared hinge loss of ``decision_function``, one class against the rest; failing that, too, the
    squared difference of indicators of the predicted class. The objective can't rise where the
    estimator minimises the same loss, up to its own penalty, which `objective_` does not contain:
    least squares for numbers. Others may let it rise a little.

    *Labelled target rows* are trained on with their own label in the place of the labels carried
    over, with the weight of any other row. In the plan their label counts as a prediction that is
    certain: for f(x_j) stands y_j, from the first plan on, and the objective has the term Σ_j
    L(y_j, f(x_j)) / n_t over them besides.

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
    >>> JDOT(smooth).fit(Xs, ys, Xt).score(Xt, yt) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        **DelegatingEstimator._params,
        "alpha": (None, Real(0, closed="neither")),
        "reg_e": Real(0),
        "max_iter": Int(1),
        "tol": Real(0),
    }
    _takes_nan: ClassVar[bool] = False
    _unpickled: ClassVar[tuple[str, ...]] = ("coupling_", "target_labels_")

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        alpha: float | None = None,
        reg_e: float = 0.0,
        max_iter: int = 100,
        tol: float = 1e-6,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.reg_e = reg_e
        self.max_iter = max_iter
        self.tol = tol

    def _default_estimator(self):
        return LogisticRegression()

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
        largest = distances.max()
        alpha = (1 / largest if largest > 0 else 1.0) if self.alpha is None else self.alpha
        distances *= alpha

        known = np.flatnonzero(target.labelled)
        own = target.y[known]

        def learn(coupling):
            labels = self._carried_labels(coupling, source.y)
            self.estimator_ = self._fit_on_target(target.X, labels, known, own)
            self.target_labels_ = labels
            losses, of_own = self._losses(source.y, target.X, known, own)
            losses[:, known] = certain
            return losses, of_own

        certain = self._losses_of_known(source.y, own)
        first = np.zeros(distances.shape)
        first[:, known] = certain
        self.coupling_, self.objective_ = joint_transport(
            distances, first, learn, self.reg_e, max_iter=self.max_iter, tol=self.tol, name=name
        )
        self.n_iter_ = len(self.objective_)

    def _carried_labels(self, coupling, y):
        """Return what a plan carries to each target row."""
        if not is_classifier(self):
            return coupling.shape[1] * (y @ coupling)
        members = np.equal(y, np.arange(len(self.classes_))[:, None]).astype(np.float64)
        return coupling.shape[1] * (members @ coupling).T

    def _fit_on_target(self, X, labels, known, own):
        """Fit the estimator to the target rows; known labels replace what was carried to them."""
        if not is_classifier(self):
            labels[known] = own
            return self._fit_estimator(X, labels)
        carried = labels[known]
        labels[known] = np.equal(own[:, None], np.arange(labels.shape[1]))
        # A class that all of its mass has left for rows of other known classes needs some row.
        lost = labels.max(axis=0) <= _LEAST_WEIGHT
        labels[np.ix_(known, lost)] = carried[:, lost]
        rows, classes = np.nonzero(labels > _LEAST_WEIGHT)
        return self._fit_estimator(X[rows], classes, labels[rows, classes])

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


def joint_transport(distances, losses, learn, reg_e=0.0, *, max_iter=100, tol=1e-6, name="JDOT"):
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
    reg_e, max_iter, tol : float, int, float
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
    start = None
    while len(objective) < max_iter:
        start = plan = transport_plan(distances + losses, reg_e, tol=1e-6, name=name, start=start)
        coupling = plan.coupling
        losses, rest = learn(coupling)
        value = np.vdot(coupling, distances) + np.vdot(coupling, losses) + rest
        if reg_e > 0:
            value += reg_e * xlogy(coupling, coupling).sum()
        objective.append(float(value))
        if len(objective) > 1 and abs(objective[-2] - value) <= tol * abs(value):
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
