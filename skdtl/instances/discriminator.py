"""DiscriminatorWeighting: weights by a classifier that tells the domains apart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from .._arrays import join_rows
from .._constraints import RANDOM_STATE, HasMethod, Int, Real
from .._typing import Estimator, RowsLike, Seed
from ..base import Domain, TransferTags
from ._base import InstanceWeighter
from ._density_ratio import check_rows, fold_numbers, held_out_log_odds, log_odds, relative_ratio
from ._draws import seeded_clone

__all__ = ["DiscriminatorWeighting", "discriminator_weights"]


def discriminator_weights(
    Xs: RowsLike,
    Xt: RowsLike,
    *,
    discriminator: Estimator = None,
    alpha: float = 0.0,
    cv: Any = 5,
    n_jobs: int | None = None,
    random_state: Seed = None,
) -> np.ndarray:
    """Estimate the density ratio target / source at source rows, by a classifier of the domains.

    Parameters
    ----------
    Xs, Xt : array-like or sparse matrix of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    discriminator : classifier, default=None
        See :class:`~skdtl.DiscriminatorWeighting`, also for the parameters below.
    alpha : float, default=0.0
        The share of the target in the mixture that the target's density is divided by, in [0, 1).
    cv : int, default=5
        The number of folds, at least 2.
    n_jobs : int or None, default=None
        Parallel jobs, for the folds.
    random_state : int, RandomState instance or None, default=None
        Seeds the discriminator.

    Returns
    -------
    weights : ndarray of shape (n_s,)
        The ratio at each source row, by a discriminator that was fitted without it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import discriminator_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(2000, 1)), rng.normal(0.5, 1.0, size=(1000, 1))
    >>> weights = discriminator_weights(Xs, Xt)
    >>> true = np.exp(0.5 * Xs[:, 0] - 0.125)
    >>> bool(np.corrcoef(weights, true)[0, 1] > 0.99)
    True
    """
    Xs, Xt = check_rows(Xs, Xt)
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha must be in [0, 1); got {alpha!r}.")
    if cv < 2:
        raise ValueError(f"cv must be at least 2; got {cv!r}.")
    if discriminator is None:
        discriminator = default_discriminator(sp.issparse(Xs) or sp.issparse(Xt))
    X = join_rows(Xs, Xt)
    from_target = np.repeat([0, 1], [Xs.shape[0], Xt.shape[0]])
    n_folds = min(cv, Xs.shape[0], Xt.shape[0])
    fold = np.concatenate([fold_numbers(Xs, n_folds), fold_numbers(Xt, n_folds)])
    rng = check_random_state(random_state)
    seeded = [seeded_clone(discriminator, rng) for _ in range(n_folds)]
    log_ratio = held_out_log_odds(seeded, X, from_target, fold, n_jobs)
    return relative_ratio(log_ratio[: Xs.shape[0]], alpha)


def default_discriminator(sparse: bool):
    """Return a logistic regression on columns of variance 1, sparse ones not centred."""
    return make_pipeline(
        StandardScaler(with_mean=not sparse), LogisticRegression(max_iter=1000, tol=1e-6)
    )


class DiscriminatorWeighting(InstanceWeighter):
    """Train where the target lies: rows that a classifier takes for target rows weigh more.

    A classifier, the discriminator, learns to tell target rows from source rows. Its odds, by the
    numbers of rows, are the ratio of the target's density to that of the source, and weigh the
    source rows. Each is judged by a discriminator that was trained without it, since one that has
    seen a row knows its domain.

    Use it where only the distribution of the features has changed (covariate shift), the source
    covers the region of the target, and `estimator` is too simple to be right everywhere. Of all
    the ways to estimate the ratio it is the one for many features, for sparse rows and large
    data, and the one whose assumptions you choose with the discriminator: the default knows
    ratios whose logarithm is linear, which a change of means needs; for a change of variances
    give ``make_pipeline(PolynomialFeatures(2), LogisticRegression())``, for more a boosted or
    other nonlinear classifier whose probabilities are calibrated. Needs no target labels.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    discriminator : classifier, default=None
        Any classifier with ``predict_proba``; it is fitted to the rows of both domains with the
        labels 0, source, and 1, target. None means logistic regression on standardised columns.
    alpha : float, default=0.0
        Tames the ratio, in [0, 1): before their normalisation no row weighs more than
        ``1 / alpha`` (relative density ratio). 0 is the plain ratio.
    cv : int, default=5
        The number of folds in which the discriminator is fitted, at least 2; as many as the
        smaller domain has rows if these are fewer.
    n_jobs : int or None, default=None
        Parallel jobs, for the folds.
    random_state : int, RandomState instance or None, default=None
        Seeds the discriminator, where it has a ``random_state``.
    min_effective_share : float in [0, 1], default=0.8
        The share of the source rows, and of each class, that is to be left: weights with a
        smaller effective sample size are raised to a power below 1, unless rows held out of the
        source, weighted, show that they predict better. 0: the weights as they are estimated.
    balance : {"rows", "domains"}, default="domains"
        "rows": each labelled target row counts as much as a source row of mean weight, so that few
        of them hardly count beside many source rows. "domains": the labelled target rows together
        weigh as much as the source rows together, as in :class:`Pooled`.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`.
    discriminator_ : classifier or None
        The discriminator, fitted to all rows; None where no target was given.
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    temper_ : float
        The power, in [0, 1], to which the estimated weights were raised. 1: they stayed as they
        were; 0: all rows count alike, as without a target.
    classes_ : ndarray of shape (n_classes,)
        The classes; only with a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator takes no ``sample_weight``.

    Warns
    -----
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    discriminator_weights : The weights alone.
    KMM : Weights that match means in a kernel's feature space.
    NearestNeighborWeighting : Weights by counting neighbours.
    BIW : The same weights, in turn with weights of the features.

    Notes
    -----
    With p the probability that a row is of the target, the ratio is
    (n_s / n_t) p / (1 - p) [1]_, where n_s and n_t are the rows that the discriminator was fitted
    to; a discriminator with ``class_weight="balanced"`` has taken them into account itself, and
    the factor is left out. The paper fits and evaluates the discriminator on the same rows; we
    hold them out. p is kept within 1 / (n + 2) of 0 and 1, n rows of training, since classifiers
    such as trees say 0 and 1 on little evidence. The relative ratio is
    r / (alpha r + 1 - alpha) [2]_.

    Folds do not depend on the order of the rows: sorted along a fixed direction, the rows of
    each domain are dealt out in turn.

    Weights that vary much leave few rows: Kish's effective sample size (Σw)² / Σw², and in a class
    also its share of the weight. Below the share of `min_effective_share` the weights are raised
    to the largest power that reaches it (flattened importance weights [3]_); the standard error
    of a mean then grows by no more than 1 / sqrt(.8), 12 per cent. They stay sharper, with 50
    effective rows and 10 of each class at the least, only where the weighted loss on rows held
    out of the source, in five folds, is below that of the flattened weights by more than a
    standard error: what a model gains that is too simple for the whole source shows there. Weights
    below a tenth of the mean, which no estimate tells from 0, are lifted to it before.

    References
    ----------
    .. [1] Bickel, S., Brückner, M. and Scheffer, T. (2009). Discriminative learning under
       covariate shift. Journal of Machine Learning Research 10, 2137-2155.
    .. [2] Yamada, M., Suzuki, T., Kanamori, T., Hachiya, H. and Sugiyama, M. (2013). Relative
       density-ratio estimation for robust distribution comparison. Neural Computation 25,
       1324-1370.
    .. [3] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    A line fitted to a curve is right only where it is meant to be.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> from skdtl import DiscriminatorWeighting, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0.0, 0.3, size=(200, 1))
    >>> ys = -Xs[:, 0] + Xs[:, 0] ** 3 + 0.3 * rng.normal(size=200)
    >>> quadratic = make_pipeline(PolynomialFeatures(2), LogisticRegression(C=100))
    >>> model = DiscriminatorWeighting(LinearRegression(), discriminator=quadratic)
    >>> plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt)
    >>> truth = -Xt[:, 0] + Xt[:, 0] ** 3
    >>> errors = [np.mean((m.fit(Xs, ys, Xt).predict(Xt) - truth) ** 2) for m in (model, plain)]
    >>> bool(errors[0] < errors[1] / 4)
    True
    >>> model.density_ratio([[0.0], [1.0]]).round(1)
    array([2.6, 0. ])
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _takes_nan: ClassVar[bool] = False
    _params: ClassVar[dict[str, Any]] = InstanceWeighter._params | {
        "discriminator": (None, HasMethod("predict_proba")),
        "alpha": Real(0, 1, closed="left"),
        "cv": Int(2),
        "n_jobs": (None, Int()),
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        discriminator: Estimator = None,
        alpha: float = 0.0,
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: Seed = None,
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        self.estimator = estimator
        self.discriminator = discriminator
        self.alpha = alpha
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        self.discriminator_: Any = None
        super()._fit(source, target)

    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        rng = check_random_state(self.random_state)
        Xs, Xt = check_rows(source.X, target.X)
        discriminator = self.discriminator
        if discriminator is None:
            discriminator = default_discriminator(sp.issparse(Xs) or sp.issparse(Xt))
        weights = discriminator_weights(
            Xs,
            Xt,
            discriminator=discriminator,
            alpha=self.alpha,
            cv=self.cv,
            n_jobs=self.n_jobs,
            random_state=rng,
        )
        self._n_rows = (Xs.shape[0], Xt.shape[0])
        self.discriminator_ = seeded_clone(discriminator, rng)
        self.discriminator_.fit(join_rows(Xs, Xt), np.repeat([0, 1], self._n_rows))
        return weights

    def density_ratio(self, X: RowsLike) -> np.ndarray:
        """Estimate the (relative) density ratio target / source at rows of either domain.

        Rows that took part in `fit` are judged by a discriminator that has seen them: a very
        flexible one says too little of the source and too much of the target there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ratio : ndarray of shape (n_samples,)
            1 everywhere where no target was given.
        """
        X = self._check_X(X)
        if self.discriminator_ is None:
            return np.ones(X.shape[0])
        from_target = np.repeat([0, 1], self._n_rows)
        return relative_ratio(log_odds(self.discriminator_, X, from_target), self.alpha)
