"""How much denser the target is than the source at given rows, as functions of arrays."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_random_state, gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._arrays import join_rows, positions, rounding, spread_rows
from .._constraints import RANDOM_STATE, Int, OneOf, Real, check_params
from .._typing import RowsLike
from ..base import Domain, TransferTags
from ..kernels import kernel_gamma
from ._base import InstanceWeighter

__all__ = [
    "KernelRatioWeighter",
    "bandwidth_grid",
    "check_rows",
    "choose_centers",
    "column_moments",
    "discriminator_ratio",
    "fold_numbers",
    "held_out_log_odds",
    "kernel_ratio",
    "log_odds",
    "relative_ratio",
    "row_blocks",
    "spread_rows",
    "weights_of",
]


def check_rows(Xs, Xt):
    """Return the rows of two domains as float64 arrays or CSR arrays of the same width.

    Parameters
    ----------
    Xs, Xt : array-like or sparse matrix of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.

    Returns
    -------
    Xs, Xt : ndarray or CSR array

    Raises
    ------
    ValueError
        For rows that are not finite numbers, or of different widths.
    """
    checked = []
    for name, X in (("Xs", Xs), ("Xt", Xt)):
        X = check_array(X, accept_sparse="csr", dtype=np.float64, input_name=name)
        checked.append(sp.csr_array(X) if sp.issparse(X) else X)
    if checked[0].shape[1] != checked[1].shape[1]:
        raise ValueError(
            f"Xt has {checked[1].shape[1]} features, but Xs has {checked[0].shape[1]}."
        )
    return tuple(checked)


def column_moments(X, weights=None):
    """Return the weighted mean and variance of each column of a dense or sparse array.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows.
    weights : ndarray of shape (n,), default=None
        Non-negative weights of the rows. None: all alike.

    Returns
    -------
    mean, variance : ndarray of shape (n_features,)
        A variance that is the rounding error of the mean is 0.
    """
    if sp.issparse(X):
        weights = None if weights is None else weights.astype(X.dtype)
        mean, variance = mean_variance_axis(sp.csr_matrix(X), axis=0, weights=weights)
    else:
        # In double precision: in single precision the sum of many rows has few digits.
        X = X.astype(np.float64, copy=False)
        mean = np.average(X, axis=0, weights=weights)
        variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    variance[variance <= (rounding(X.shape[0]) * mean) ** 2] = 0
    return mean, variance


def discriminator_ratio(Xs, Xt, *, feature_weights=None, alpha=0.1, C=1.0, n_folds=5):
    """Estimate the relative density ratio target / source at the source rows.

    A logistic regression learns to tell the domains apart. With its probability eta that a row
    is of the target (both domains given half of the weight), the ratio is
    ``eta / (alpha * eta + (1 - alpha) * (1 - eta))``. The rows at which it is evaluated are held
    out from its training: a discriminator of many features separates its training rows perfectly,
    and the ratio there would say nothing.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    feature_weights : ndarray of shape (n_features,), default=None
        Factors of the features after these have been brought to variance 1. None means 1.
    alpha : float, default=0.1
        The share of the target in the mixture that the target's density is divided by, in [0, 1);
        the ratio is at most ``1 / alpha``.
    C : float, default=1.0
        The inverse strength of the logistic regression's regularisation.
    n_folds : int, default=5
        The number of folds; as many as the smaller domain has rows if these are fewer.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
        Between 0 and 1 / alpha.
    """
    X = join_rows(Xs, Xt)
    from_target = np.repeat([0, 1], [Xs.shape[0], Xt.shape[0]])
    n_folds = min(n_folds, Xs.shape[0], Xt.shape[0])
    # The same for all feature weights.
    fold = np.concatenate([fold_numbers(Xs, n_folds), fold_numbers(Xt, n_folds)])
    mean, variance = column_moments(X)
    scale = np.divide(1.0, np.sqrt(variance), out=np.zeros(X.shape[1]), where=variance > 0)
    if feature_weights is not None:
        scale = scale * feature_weights
    # Subtracting the mean would fill a sparse array; the intercept does that work.
    X = sp.csr_array(X.multiply(scale)) if sp.issparse(X) else (X - mean) * scale
    discriminator = LogisticRegression(C=C, class_weight="balanced", max_iter=1000, tol=1e-6)
    log_ratio = held_out_log_odds([discriminator] * n_folds, X, from_target, fold)
    return relative_ratio(log_ratio[: Xs.shape[0]], alpha)


def relative_ratio(log_ratio, alpha: float):
    """Return r / (alpha * r + 1 - alpha) for the logarithm of a density ratio r.

    Parameters
    ----------
    log_ratio : ndarray of shape (n,)
        log(target's density / source's density).
    alpha : float
        The share of the target in the mixture that the target's density is divided by, in [0, 1).

    Returns
    -------
    ratio : ndarray of shape (n,)
        At most 1 / alpha.
    """
    return 1 / (alpha + (1 - alpha) * np.exp(-log_ratio))


def held_out_log_odds(discriminators, X, from_target, fold, n_jobs=None):
    """Return the logarithm of target / source at each row, by discriminators that did not see it.

    Parameters
    ----------
    discriminators : list of classifiers
        One for each fold, to be fitted; with fewer than two, the one is fitted to all rows.
    X : ndarray or CSR array of shape (n, n_features)
        Rows of both domains.
    from_target : ndarray of shape (n,), int
        1 for a row of the target, else 0.
    fold : ndarray of shape (n,), int
        The fold in which each row is held out.
    n_jobs : int or None, default=None
        Parallel jobs, for the folds.

    Returns
    -------
    log_odds : ndarray of shape (n,)
    """
    if len(discriminators) < 2:
        return log_odds(clone(discriminators[0]).fit(X, from_target), X, from_target)

    def one_fold(k):
        train = fold != k
        fitted = clone(discriminators[k]).fit(X[train], from_target[train])
        return log_odds(fitted, X[~train], from_target[train])

    found = np.empty(len(from_target))
    parts = Parallel(n_jobs=n_jobs)(delayed(one_fold)(k) for k in range(len(discriminators)))
    for k, part in enumerate(parts):
        found[fold == k] = part
    return found


def log_odds(discriminator, X, from_target):
    """Return the logarithm of target / source at rows, by a fitted discriminator.

    How many rows of each domain it was trained on is taken out of its odds, unless it balances
    the classes itself. Probabilities are kept as far from 0 and 1 as this many rows can tell.

    Parameters
    ----------
    discriminator : classifier
        Fitted to tell 1, the target, from 0.
    X : ndarray or CSR array of shape (n, n_features)
        Rows.
    from_target : ndarray of shape (n_train,), int
        What it was fitted to.

    Returns
    -------
    log_odds : ndarray of shape (n,)
    """
    if isinstance(discriminator, LogisticRegression):
        found = discriminator.decision_function(X)
    else:
        least = 1 / (len(from_target) + 2)
        found = logit(np.clip(discriminator.predict_proba(X)[:, 1], least, 1 - least))
    if balances(discriminator):
        return found
    n_target = np.count_nonzero(from_target)
    return found + np.log((len(from_target) - n_target) / n_target)


def balances(discriminator) -> bool:
    """Tell whether a classifier, or one that it wraps, has class_weight="balanced"."""
    return any(
        name.split("__")[-1] == "class_weight" and isinstance(value, str) and value == "balanced"
        for name, value in discriminator.get_params(deep=True).items()
    )


def fold_numbers(X, n_folds: int) -> np.ndarray:
    """Deal rows out to folds, whatever order they come in: sorted by position, in turn.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows.
    n_folds : int
        The number of folds.

    Returns
    -------
    fold : ndarray of shape (n,), int
        In [0, n_folds).
    """
    fold = np.empty(X.shape[0], dtype=int)
    fold[np.argsort(positions(X), kind="stable")] = np.arange(len(fold)) % n_folds
    return fold


# -- ratios that are sums of Gaussian functions ---------------------------------------------------

# Bandwidths that cross-validation chooses from, in units of the median distance.
BANDWIDTHS = 2.0 ** np.arange(-2, 2.5, 0.5)
_MEDIAN_ROWS = 500  # of each domain
_BLOCK = 4096  # rows whose kernel values are held at once


def choose_centers(Xt, n_centers, random_state=None):
    """Draw centres of basis functions among the target rows, all of them if they are few.

    Parameters
    ----------
    Xt : ndarray or CSR array of shape (n_t, n_features)
        Target rows.
    n_centers : int
        The largest number of centres.
    random_state : int, RandomState instance or None, default=None
        Determines the draw.

    Returns
    -------
    centers : ndarray or CSR array of shape (min(n_centers, n_t), n_features)
    """
    if Xt.shape[0] <= n_centers:
        return Xt.copy()  # the caller may change his own
    drawn = check_random_state(random_state).permutation(Xt.shape[0])[:n_centers]
    return Xt[np.sort(drawn)]


def bandwidth_grid(Xs, Xt):
    """Return the values of gamma that cross-validation chooses from, from narrow to wide.

    A Gaussian function ``exp(-gamma * d**2)`` has the bandwidth ``1 / sqrt(2 * gamma)``. The
    bandwidths are 1/4 to 4 times the median distance between rows of both domains, of which up
    to 500 each count, in steps of a factor of the square root of 2.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.

    Returns
    -------
    gammas : ndarray of shape (9,)
    """
    some = [X[spread_rows(X, _MEDIAN_ROWS)] for X in (Xs, Xt)]
    return kernel_gamma(join_rows(*some), "rbf", "median") / BANDWIDTHS**2


def row_blocks(X, centers):
    """Yield slices of rows and the squared distances of these rows to centres.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows, of which a few thousand are taken at a time: memory does not grow with n.
    centers : ndarray or CSR array of shape (n_centers, n_features)
        Centres.

    Yields
    ------
    rows : slice
    squares : ndarray of shape (n_rows, n_centers), float64
    """
    for rows in gen_batches(X.shape[0], _BLOCK):
        squares = euclidean_distances(X[rows], centers, squared=True)
        yield rows, squares.astype(np.float64, copy=False)


def kernel_ratio(X, centers, log_coef, gamma, upper=np.inf):
    """Evaluate a sum of Gaussian functions with non-negative coefficients.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows.
    centers : ndarray or CSR array of shape (n_centers, n_features)
        Centres of the functions.
    log_coef : ndarray of shape (n_centers,)
        Logarithms of the coefficients, which may be -inf: a coefficient alone can be larger than
        any float where its function is next to 0.
    gamma : float
        The functions are ``exp(-gamma * d**2)``.
    upper : float, default=inf
        Larger values are brought down to this.

    Returns
    -------
    ratio : ndarray of shape (n,)
        At least 0, finite.
    """
    upper = min(upper, np.finfo(float).max)
    ratio = np.zeros(X.shape[0])
    counts = np.isfinite(log_coef)
    for rows, squares in row_blocks(X, centers[counts]):
        exponents = log_coef[counts] - gamma * squares
        with np.errstate(over="ignore"):  # an infinite sum is brought down below
            ratio[rows] = np.exp(exponents).sum(axis=1)
    return np.minimum(ratio, upper)


class KernelRatioWeighter(InstanceWeighter):
    """Base class of methods whose density ratio is a sum of Gaussian functions of the target.

    A subclass writes ``_fit_ratio(Xs, Xt)``, which sets ``centers_``, ``log_coef_`` and
    ``gamma_``, and may bound the ratio by ``_upper``.
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _takes_nan: ClassVar[bool] = False
    _params: ClassVar[dict[str, Any]] = InstanceWeighter._params | {
        "gamma": (OneOf("cv"), Real(0, closed="neither")),
        "n_centers": Int(1),
        "random_state": RANDOM_STATE,
    }
    centers_: Any
    gamma_: float | None
    log_coef_: np.ndarray | None

    @property
    def _upper(self):
        """What no ratio exceeds."""
        return np.inf

    @abstractmethod
    def _fit_ratio(self, Xs, Xt) -> None:
        """Set ``centers_``, ``log_coef_`` and ``gamma_`` from validated rows."""

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.centers_, self.log_coef_, self.gamma_ = None, None, None
        super()._fit(source, target)

    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        self._fit_ratio(source.X, target.X)
        return self._ratio(source.X)

    def _ratio(self, X):
        return kernel_ratio(X, self.centers_, self.log_coef_, self.gamma_, self._upper)

    def density_ratio(self, X: RowsLike) -> np.ndarray:
        """Estimate how much denser the target is than the source at any rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of either domain.

        Returns
        -------
        ratio : ndarray of shape (n_samples,)
            Non-negative. 1 everywhere after a fit without a target.
        """
        X = self._check_X(X)
        return np.ones(X.shape[0]) if self.centers_ is None else self._ratio(X)


def weights_of(weighter, Xs, Xt):
    """Check parameters and rows as ``fit`` does, and return the density ratio at the source rows.

    Parameters
    ----------
    weighter : KernelRatioWeighter
        An unfitted one that nobody else holds.
    Xs, Xt : array-like or sparse of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
    """
    check_params(weighter)
    Xs, Xt = check_rows(Xs, Xt)
    weighter._fit_ratio(Xs, Xt)
    ratio = weighter._ratio(Xs)
    if not ratio.any():
        raise ValueError(
            f"{type(weighter).__name__}'s density ratio is 0 at each of the {Xs.shape[0]} source "
            f"rows: functions with gamma={weighter.gamma_:.3g} around target rows don't reach "
            "them. Use a smaller gamma, or bring the features to similar scales."
        )
    return ratio
