"""KLIEP: density ratios by maximum likelihood."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from .._constraints import Int
from .._typing import Estimator, RowsLike, Seed
from ..base import Domain
from ._density_ratio import (
    KernelRatioWeighter,
    bandwidth_grid,
    choose_centers,
    fold_numbers,
    row_blocks,
    spread_rows,
    weights_of,
)

__all__ = ["KLIEP", "LikelihoodRatio", "fit_kliep", "kliep_weights", "mixture_weights"]

_TOL = 1e-7  # of the log-likelihood
_CV_TOL = 1e-3  # of the log-likelihoods that cross-validation compares
_BLOCK = 4096  # rows
_CV_ROWS = 5000  # target rows that cross-validation looks at


class LikelihoodRatio(NamedTuple):
    """What `fit_kliep` returns.

    Attributes
    ----------
    centers : ndarray or CSR array of shape (n_centers, n_features)
        Centres of the basis functions.
    log_coef : ndarray of shape (n_centers,)
        Logarithms of their coefficients, -inf for 0.
    gamma : float
        The basis functions' width.
    gammas : ndarray of shape (n_gammas,)
        The candidates for it.
    scores : ndarray of shape (n_gammas,) or None
        Their cross-validated log-likelihoods; None where there was only one.
    gap : float
        By how much the mean log-likelihood can at most be below the largest possible one.
    """

    centers: Any
    log_coef: np.ndarray
    gamma: float
    gammas: np.ndarray
    scores: np.ndarray | None
    gap: float


def mixture_weights(log_density, *, tol=_TOL, max_iter=100):
    """Find the shares of a mixture of known densities that make rows most likely.

    Maximises ``mean_j log(sum_l u_l f_l(x_j))`` over ``u >= 0``, ``sum(u) = 1``, which is concave.

    Parameters
    ----------
    log_density : ndarray of shape (n, n_components)
        Logarithms of the components' densities at the rows; a constant may be added to each row.
    tol : float, default=1e-7
        Ends where the objective is this close to its maximum.
    max_iter : int, default=100
        The largest number of steps.

    Returns
    -------
    shares : ndarray of shape (n_components,)
        Non-negative, of sum 1.
    gap : float
        A bound on what the objective lacks to its maximum. At the maximum the mean over rows of
        ``f_l / sum_k u_k f_k`` is at most 1 for each l (Karush, Kuhn, Tucker), and the logarithm of
        the largest of these means bounds the gap, by Jensen's inequality.
    n_iter : int
        The number of steps.
    """
    n, n_components = log_density.shape
    F = log_density - log_density.max(axis=1, keepdims=True)
    np.exp(F, out=F)
    shares = np.full(n_components, 1 / n_components)
    n_iter = 0
    while True:
        density = F @ shares
        gains, H = np.zeros(n_components), np.zeros((n_components, n_components))
        for rows in gen_batches(n, _BLOCK):  # so that there is no second array as large as F
            ratios = F[rows] / density[rows, None]
            gains += ratios.sum(axis=0) / n
            H += ratios.T @ ratios / n
        gap = float(np.log(gains.max()))
        if gap <= tol or n_iter == max_iter:
            return shares, max(gap, 0.0), n_iter
        n_iter += 1
        # Sequential quadratic programming on the equivalent problem of minimising
        # sum(u) - mean log(F u) over u >= 0 alone: its minimum has sum 1. The quadratic model
        # v' H v / 2 - c' v is a problem of non-negative least squares in H's Cholesky factor.
        ridge = 1e-10 * np.trace(H) / n_components
        R = cholesky(H + ridge * np.eye(n_components))
        c = 2 * gains - 1 + ridge * shares
        goal, _ = nnls(R, solve_triangular(R, c, trans="T"), maxiter=100 * n_components)
        direction = goal - shares
        slope = (1 - gains) @ direction
        before, step = 1.0 - np.log(density).mean(), 1.0
        while True:
            moved = np.maximum(shares + step * direction, 0)
            with np.errstate(divide="ignore"):
                after = moved.sum() - np.log(F @ moved).mean()
            if after <= before + 1e-4 * step * slope or step < 1e-10:
                break
            step /= 2
        shares = moved / moved.sum()  # which lowers the objective further


def fit_kliep(Xs, Xt, *, gamma="cv", n_centers=100, cv=5, random_state=None) -> LikelihoodRatio:
    """Fit the density ratio target / source by maximum likelihood.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Validated rows of the two domains.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``.
    n_centers : int, default=100
        The largest number of basis functions.
    cv : int, default=5
        The number of folds that choose gamma; fewer where a domain has fewer rows.
    random_state : int, RandomState instance or None, default=None
        Draws the centres.

    Returns
    -------
    fitted : LikelihoodRatio
    """
    centers = choose_centers(Xt, n_centers, random_state)
    gammas = bandwidth_grid(Xs, Xt) if isinstance(gamma, str) else np.array([float(gamma)])
    folds = 1 if len(gammas) == 1 else min(cv, Xs.shape[0], Xt.shape[0])
    if folds < 2 and len(gammas) > 1:
        raise ValueError(
            "gamma='cv' holds rows of both domains out, but the source has "
            f"{Xs.shape[0]} and the target {Xt.shape[0]}: give gamma a number."
        )
    fold_s = fold_numbers(Xs, folds)
    few = spread_rows(Xt, _CV_ROWS)
    fold_t = fold_numbers(Xt[few], folds)
    squares = np.concatenate([block for _, block in row_blocks(Xt, centers)])
    log_sums = _log_sums(Xs, centers, gammas, fold_s, folds)
    counts = np.bincount(fold_s, minlength=folds)

    scores, best = None, 0
    if len(gammas) > 1:
        scores = np.zeros(len(gammas))
        for k, width in enumerate(gammas):
            for fold in range(folds):
                others = np.arange(folds) != fold
                log_means = logsumexp(log_sums[k][others], axis=0) - np.log(counts[others].sum())
                log_density = -width * squares[few] - log_means
                shares, *_ = mixture_weights(log_density[fold_t != fold], tol=_CV_TOL)
                held_out = logsumexp(log_density[fold_t == fold], b=shares, axis=1).mean()
                # The ratio's mean over the source is 1 by construction only on the rows that
                # were not held out.
                held_out_mean = log_sums[k][fold] - np.log(counts[fold])
                held_out_mean = logsumexp(held_out_mean - log_means, b=shares)
                scores[k] += (held_out - held_out_mean) / folds
        best = int(np.argmax(scores))

    log_means = logsumexp(log_sums[best], axis=0) - np.log(len(fold_s))
    squares *= -gammas[best]
    squares -= log_means
    shares, gap, _ = mixture_weights(squares)
    with np.errstate(divide="ignore"):
        log_coef = np.log(shares) - log_means
    return LikelihoodRatio(centers, log_coef, float(gammas[best]), gammas, scores, gap)


def _log_sums(X, centers, gammas, fold, n_folds):
    """Return log(sum of phi over the rows of a fold), of shape (n_gammas, n_folds, n_centers)."""
    sums = np.full((len(gammas), n_folds, centers.shape[0]), -np.inf)
    for rows, squares in row_blocks(X, centers):
        for j in range(n_folds):
            some = squares[fold[rows] == j]
            if len(some):
                for k, gamma in enumerate(gammas):
                    sums[k, j] = np.logaddexp(sums[k, j], logsumexp(-gamma * some, axis=0))
    return sums


def kliep_weights(
    Xs: RowsLike,
    Xt: RowsLike,
    *,
    gamma: float | str = "cv",
    n_centers: int = 100,
    cv: Any = 5,
    random_state: Seed = None,
) -> np.ndarray:
    """Estimate the density ratio target / source at the source rows (KLIEP).

    Parameters
    ----------
    Xs, Xt : array-like or sparse of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9
        bandwidths by the likelihood of held-out rows.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
    cv : int, default=5
        The number of folds for that choice, at least 2.
    random_state : int, RandomState instance or None, default=None
        Draws the target rows that are their centres where these are more than `n_centers`.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
        Non-negative, of mean 1.

    See Also
    --------
    KLIEP : The same as an estimator, with the references.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import kliep_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, size=(300, 1)), rng.normal(0, 0.5, size=(300, 1))
    >>> ratio = kliep_weights(Xs, Xt, random_state=0)
    >>> print(f"{ratio.mean():.3f}")
    1.000
    >>> bool(np.corrcoef(ratio, np.exp(-1.5 * Xs[:, 0] ** 2))[0, 1] > 0.8)
    True
    """
    options = {"gamma": gamma, "n_centers": n_centers, "cv": cv, "random_state": random_state}
    return weights_of(KLIEP(**options), Xs, Xt)


class KLIEP(KernelRatioWeighter):
    """Train where the target lies, by the likeliest density ratio (KLIEP).

    Source rows are weighted by how much denser the target is at them. The ratio is a sum of
    Gaussian functions around target rows, of mean 1 over the source rows, under which the target
    rows are most likely: the source, reweighted by it, is the distribution closest to the target
    in the sense of Kullback and Leibler. The problem is convex and solved to its optimum.

    Use it where the labels mean the same in both domains but their rows are spread otherwise
    (covariate shift), where the source covers the target, and where features are few (some ten)
    and of similar scales: bring them there before. Weights help where the estimator is too simple
    to be right everywhere; a flexible one needs none. Where the target reaches into regions with
    few source rows the ratio is unbounded and the weights are noisy: take `RULSIF`, also where
    some target rows lie far from all others, since these govern a likelihood.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9 bandwidths,
        1/4 to 4 times the median distance between rows, by the likelihood of held-out rows.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
    cv : int, default=5
        The number of folds for that choice, at least 2; as many as the smaller domain has rows if
        these are fewer.
    random_state : int, RandomState instance or None, default=None
        Draws the target rows that are their centres where these are more than `n_centers`.
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
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    temper_ : float
        The power, in [0, 1], to which the estimated weights were raised. 1: they stayed as they
        were; 0: all rows count alike, as without a target.
    gamma_ : float
        The value used; None after a fit without a target.
    centers_ : ndarray or CSR array of shape (n_centers_, n_features)
        Centres of the basis functions.
    log_coef_ : ndarray of shape (n_centers_,)
        Logarithms of their coefficients, -inf for those that take no part.
    gap_ : float
        A certificate: the mean log-likelihood of the target rows is at most this far from the
        largest possible one.
    cv_results_ : dict of ndarray
        The candidates "gamma" and the mean log-likelihood of held-out rows, "score", both of shape
        (n_gammas,), the latter None where nothing was to be chosen.
    classes_ : ndarray of shape (n_classes,)
        The classes; only where `estimator` is a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator takes no ``sample_weight``, and where gamma is to be chosen but a
        domain has only one row.

    Warns
    -----
    ConvergenceWarning
        Where the likelihood's maximum was not reached to within 1e-7.
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    ULSIF : Fits the same functions by least squares.
    RULSIF : A bounded ratio, for a target that the source covers poorly.
    ImportanceWeightedScorer : Model selection with the ratio.

    Notes
    -----
    The problem is that of [1]_, which also chooses the bandwidth by held-out likelihood. What was
    chosen where the paper leaves it open, and where we deviate:

    * With each function divided by its mean over the source the coefficients are shares of a
      mixture. Sequential quadratic programming finds them in some ten steps, where the paper's
      gradient ascent with projections has a step size to be set. The optimality conditions give
      ``gap_``.
    * The paper holds out target rows alone. The source rows that bring the mean to 1 then are those
      of the fit, so that a ratio which peaks where they happen to be missing looks likely, and the
      narrowest bandwidth mostly wins. Here source rows are held out too, and the held-out
      log-likelihood is lessened by the logarithm of the ratio's mean over these. Folds don't depend
      on the rows' order. Of more than 5000 target rows some 5000 take part in the choice.
    * Sums of exponentials are carried as logarithms: a target row far from all source rows neither
      divides by zero nor takes all of the weight.

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
    .. [1] Sugiyama, M., Suzuki, T., Nakajima, S., Kashima, H., von Bünau, P. and Kawanabe, M.
       (2008). Direct importance estimation for covariate shift adaptation. Annals of the
       Institute of Statistical Mathematics 60 (4), 699-746.
    .. [2] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    A straight line for a curve: it is to fit where the target lies.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdtl import KLIEP, SourceOnly
    >>> rng = np.random.default_rng(1)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0, 0.3, size=(200, 1))
    >>> ys, yt = Xs[:, 0] ** 3 - Xs[:, 0], Xt[:, 0] ** 3 - Xt[:, 0]
    >>> model = KLIEP(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
    >>> plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt)
    >>> bool(np.mean((model.predict(Xt) - yt) ** 2) < np.mean((plain.predict(Xt) - yt) ** 2) / 4)
    True
    >>> bool(model.gap_ <= 1e-7)
    True
    """

    _params: ClassVar[dict[str, Any]] = KernelRatioWeighter._params | {"cv": Int(2)}

    gap_: float | None
    cv_results_: dict[str, Any] | None

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        gamma: float | str = "cv",
        n_centers: int = 100,
        cv: Any = 5,
        random_state: Seed = None,
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        self.estimator = estimator
        self.gamma = gamma
        self.n_centers = n_centers
        self.cv = cv
        self.random_state = random_state
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.gap_, self.cv_results_ = None, None
        super()._fit(source, target)

    def _fit_ratio(self, Xs, Xt) -> None:
        fitted = fit_kliep(
            Xs,
            Xt,
            gamma=self.gamma,
            n_centers=self.n_centers,
            cv=self.cv,
            random_state=self.random_state,
        )
        self.centers_, self.log_coef_ = fitted.centers, fitted.log_coef
        self.gamma_, self.gap_ = fitted.gamma, fitted.gap
        self.cv_results_ = {"gamma": fitted.gammas, "score": fitted.scores}
        if fitted.gap > _TOL:
            warnings.warn(
                f"KLIEP's log-likelihood may be {fitted.gap:.2g} below its maximum.",
                ConvergenceWarning,
                stacklevel=7,
            )
