"""BIW: weigh features and source rows in turn."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning

from .._arrays import rounding
from .._constraints import Int, Real
from .._typing import Estimator
from ..base import Domain, TransferTags
from ._base import InstanceWeighter
from ._density_ratio import column_moments, discriminator_ratio

__all__ = ["BIW", "feature_agreement"]


def feature_agreement(Xs, source_classes, source_weights, Xt, target_classes, gamma=1.0):
    """Tell how well each feature's class-conditional distributions agree between two domains.

    Parameters
    ----------
    Xs : ndarray or CSR array of shape (n_s, n_features)
        Source rows.
    source_classes : ndarray of shape (n_s, n_classes)
        Each source row's membership of the classes.
    source_weights : ndarray of shape (n_s,)
        Weights of the source rows.
    Xt : ndarray or CSR array of shape (n_t, n_features)
        Target rows.
    target_classes : ndarray of shape (n_t, n_classes)
        Each target row's membership of the classes, 0 or 1 or probabilities.
    gamma : float, default=1.0
        How fast agreement falls with the divergence.

    Returns
    -------
    agreement : ndarray of shape (n_features,)
        ``exp(-gamma * J)`` in (0, 1], with J the mean over classes of the divergence of Jeffreys
        between two normal distributions with the feature's means in the two domains and a common
        variance: the squared difference of the means by the variance within classes.
    """
    shift = np.zeros(Xs.shape[1])
    variances = np.zeros(Xs.shape[1])
    total = 0.0
    for k in range(source_classes.shape[1]):
        in_source, in_target = source_classes[:, k] * source_weights, target_classes[:, k]
        if in_source.sum() <= 0 or in_target.sum() <= 0:
            continue  # nothing is known of this class in one domain
        source_mean, source_variance = column_moments(Xs, in_source)
        target_mean, target_variance = column_moments(Xt, in_target)
        share = in_target.sum()
        difference = source_mean - target_mean
        error = rounding(max(Xs.shape[0], Xt.shape[0]))
        difference[abs(difference) <= error * (abs(source_mean) + abs(target_mean))] = 0
        shift += share * difference**2
        variances += share * (source_variance + target_variance) / 2
        total += share
    if total == 0:
        return np.ones(Xs.shape[1])
    # A feature without variance in any class, but with a shift, diverges infinitely.
    divergence = np.where(shift > 0, np.inf, 0.0)
    np.divide(shift, variances, out=divergence, where=variances > 0)
    least = np.finfo(float).tiny  # above 0, so that no feature is lost for good
    return np.maximum(np.exp(-gamma * divergence), least) if gamma > 0 else np.ones(len(shift))


class BIW(ClassifierMixin, InstanceWeighter):
    """Train where the target lies, on features that mean the same there (bi-weighting).

    Source rows are weighted by how much denser the target is at them (covariate shift), and
    features by how well what they say about the classes agrees between the domains (a word may mean
    something else there, an instrument be calibrated otherwise). Both weights depend on each other
    and are estimated in turn. For continuous features and for counts, such as sparse word counts.

    Use it where few or no target rows have labels and some of the features mislead. Feature weights
    scale the columns, so choose an estimator that minds their scale (regularised linear models,
    SVM, nearest neighbours); trees don't, and a StandardScaler inside `estimator` undoes it. Bring
    continuous columns to similar scales yourself before. Where no target row has a label, the
    first model must be mostly right for the feature weights to be so.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier whose ``fit`` takes ``sample_weight``; ``predict_proba`` is used where it has
        it. None means :class:`~sklearn.linear_model.LogisticRegression`.
    gamma : float, default=1.0
        How fast a feature's weight falls with its divergence, at least 0; with 0 all stay at 1.
    alpha : float, default=0.1
        Tames the density ratio, in [0, 1): before their normalisation no row weighs more than
        ``1 / alpha`` (relative density ratio). 0 is the plain ratio.
    C : float, default=1.0
        The inverse strength of regularisation of the logistic regression that estimates the ratio,
        positive. The smaller, the more even the weights.
    max_iter : int, default=20
        The largest number of iterations, at least 1.
    tol : float, default=1e-2
        Iterations end where neither the feature weights nor the source weights (of mean 1) change
        by more than this on average, at least 0.
    min_effective_share : float in [0, 1], default=0.8
        The share of the source rows, and of each class, that is to be left: weights with a
        smaller effective sample size are raised to a power below 1, unless rows held out of the
        source, weighted, show that they predict better. 0: the weights as they are estimated.
    balance : {"rows", "domains"}, default="rows"
        "rows": each labelled target row counts as much as a source row of mean weight, so that few
        of them hardly count beside many source rows. "domains": the labelled target rows together
        weigh as much as the source rows together, as in :class:`Pooled`.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`, which takes rows that are multiplied by
        ``feature_weights_``.
    feature_weights_ : ndarray of shape (n_features,)
        In (0, 1]; 1 where a feature's class-conditional distributions agree.
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    temper_ : float
        The power, in [0, 1], to which the estimated weights were raised. 1: they stayed as they
        were; 0: all rows count alike, as without a target.
    n_iter_ : int
        The number of iterations.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator is no classifier or takes no ``sample_weight``.

    Warns
    -----
    ConvergenceWarning
        Where `max_iter` is reached before the weights settle.
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    TrAdaBoost : Where the source's labels, rather than its features, mislead.

    Notes
    -----
    This is our reading of the paper's scheme [1]_, whose equations we did not have before us:

    1. Source weights: the relative density ratio of target to source in the space of the weighted
       features, by a cross-fitted logistic discriminator, brought to mean 1.
    2. Feature weights: for each feature the squared difference of its class means in the weighted
       source (true labels) and in the target, by its variance within classes, averaged over
       the classes, which is the divergence of Jeffreys of two normal distributions of equal
       variance; the weight is ``exp(-gamma * divergence)``. Where every class has labelled target
       rows, these stand for the target; else a target row without a label takes part by the
       current model's class probabilities (its predicted class where the estimator has no
       ``predict_proba``). Only means and variances are needed, so sparse counts stay sparse.
    3. The estimator is fitted again on the source rows with their weights and the labelled target
       rows with those of `balance`, all multiplied by the feature weights, and its probabilities
       renewed.

    Training and prediction multiply rows by the same feature weights, so that both domains live
    in one coordinate system. Probabilities are not mixed with labels in step 2, since a model that
    a misleading feature dominates confirms its own errors: with 20 labelled among 300 documents,
    the weights that the labels had found were lost again. Feature weights move halfway to their
    new values in each iteration, since they can swing otherwise.

    In the iterations the source weights are those that `min_effective_share` leaves without a
    look at held-out rows, which is taken once, at the end.

    Weights that vary much leave few rows: Kish's effective sample size (Σw)² / Σw², and in a class
    also its share of the weight. Below the share of `min_effective_share` the weights are raised
    to the largest power that reaches it (flattened importance weights [2]_); the standard error
    of a mean then grows by no more than 1 / sqrt(.8), 12 per cent. They stay sharper, with 50
    effective rows and 10 of each class at the least, only where the weighted loss on rows held
    out of the source, in five folds, is below that of the flattened weights by more than a
    standard error: what a model gains that is too simple for the whole source shows there. Weights
    below a tenth of the mean, which no estimate tells from 0, are lifted to it before.

    References
    ----------
    .. [1] Wan, C., Pan, R. and Li, J. (2011). Bi-weighting domain adaptation for cross-language
       text classification. Proceedings of the 22nd International Joint Conference on Artificial
       Intelligence, 1535-1540.
    .. [2] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    The first feature means the opposite in the target.

    >>> import numpy as np
    >>> from skdtl import BIW, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = rng.integers(0, 2, size=300), rng.integers(0, 2, size=300)
    >>> Xs, Xt = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    >>> Xs += np.outer(2 * ys - 1, [1, 1, 1, 1])
    >>> Xt += np.outer(2 * yt - 1, [-1, 1, 1, 1])
    >>> model = BIW().fit(Xs, ys, Xt)
    >>> model.feature_weights_.round(1)
    array([0., 1., 1., 1.])
    >>> bool(model.score(Xt, yt) > SourceOnly().fit(Xs, ys, Xt).score(Xt, yt) + 0.05)
    True
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _takes_nan: ClassVar[bool] = False
    _params: ClassVar[dict[str, Any]] = InstanceWeighter._params | {
        "gamma": Real(0),
        "alpha": Real(0, 1, closed="left"),
        "C": Real(0, closed="neither"),
        "max_iter": Int(1),
        "tol": Real(0),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        gamma: float | str = 1.0,
        alpha: float = 0.1,
        C: float = 1.0,
        max_iter: int = 20,
        tol: float = 1e-2,
        min_effective_share: float = 0.8,
        balance: str = "rows",
    ):
        self.estimator = estimator
        self.gamma = gamma
        self.alpha = alpha
        self.C = C
        self.max_iter = max_iter
        self.tol = tol
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        if not is_classifier(self._estimator()):
            kind = type(self._estimator()).__name__
            raise ValueError(f"BIW needs a classifier as its estimator, but {kind} is none.")
        if target is source:
            self.feature_weights_, self.n_iter_ = np.ones(source.X.shape[1]), 1
        super()._fit(source, target)

    def _prepare(self, X):
        if sp.issparse(X):
            return sp.csr_array(X.multiply(self.feature_weights_))
        return X * self.feature_weights_

    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        n_classes = len(self.classes_)
        memberships = np.eye(n_classes)[source.y]
        posteriors = np.zeros((len(target), n_classes))
        posteriors[target.labelled] = np.eye(n_classes)[target.y[target.labelled]]
        every_class_labelled = posteriors.any(axis=0).all()

        weights = np.ones(len(source))
        self.feature_weights_ = np.ones(source.X.shape[1])
        for n_iter in range(1, self.max_iter + 1):
            self.n_iter_ = n_iter
            ratio = discriminator_ratio(
                source.X,
                target.X,
                feature_weights=self.feature_weights_,
                alpha=self.alpha,
                C=self.C,
            )
            estimated = ratio / ratio.mean()
            new_weights, _ = self._flattened(source, estimated)
            if not every_class_labelled:
                unlabelled = ~target.labelled
                model = self._fit_weighted(source, target, new_weights)
                posteriors[unlabelled] = self._posteriors(model, target.X[unlabelled])
            agreement = feature_agreement(
                source.X, memberships, new_weights, target.X, posteriors, self.gamma
            )
            new_features = (self.feature_weights_ + agreement) / 2
            change = max(
                np.abs(new_weights - weights).mean(),
                np.abs(new_features - self.feature_weights_).mean(),
            )
            weights, self.feature_weights_ = new_weights, new_features
            if change <= self.tol:
                return estimated
        warnings.warn(
            f"BIW's weights still changed by {change:.2g} on average in iteration {self.max_iter} "
            f"(tol={self.tol:g}): raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=4,
        )
        return estimated

    def _posteriors(self, model, X):
        X = self._prepare(X)
        if hasattr(model, "predict_proba"):
            return model.predict_proba(X)
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, model.predict(X))]
