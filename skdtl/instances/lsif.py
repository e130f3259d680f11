"""ULSIF and RULSIF: density ratios by least squares, in closed form."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._constraints import OneOf, Real
from .._typing import Estimator, RowsLike, Seed
from ..base import Domain
from ._density_ratio import (
    KernelRatioWeighter,
    bandwidth_grid,
    choose_centers,
    row_blocks,
    spread_rows,
    weights_of,
)

__all__ = ["RULSIF", "ULSIF", "LeastSquaresRatio", "fit_lsif", "rulsif_weights", "ulsif_weights"]

# Strengths of regularisation that cross-validation chooses from.
LAMBDAS = 10.0 ** np.arange(-3, 1.5, 0.5)
_LOO_ROWS = 5000  # of each domain are left out in turn


class LeastSquaresRatio(NamedTuple):
    """What `fit_lsif` returns.

    Attributes
    ----------
    centers : ndarray or CSR array of shape (n_centers, n_features)
        Centres of the basis functions.
    coef : ndarray of shape (n_centers,)
        Their non-negative coefficients.
    gamma, lam : float
        The basis functions' width and the strength of regularisation.
    gammas, lams : ndarray of shapes (n_gammas,) and (n_lams,)
        The candidates for these.
    losses : ndarray of shape (n_gammas, n_lams) or None
        The leave-one-out loss of each pair of candidates; None where there was only one.
    """

    centers: Any
    coef: np.ndarray
    gamma: float
    lam: float
    gammas: np.ndarray
    lams: np.ndarray
    losses: np.ndarray | None


def fit_lsif(
    Xs, Xt, *, alpha=0.0, gamma="cv", lam="cv", n_centers=100, random_state=None
) -> LeastSquaresRatio:
    """Fit the relative density ratio target / (alpha * target + (1 - alpha) * source).

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Validated rows of the two domains.
    alpha : float, default=0.0
        The share of the target in the mixture that the target's density is divided by, in [0, 1).
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``.
    lam : "cv" or float, default="cv"
        The strength of regularisation, positive.
    n_centers : int, default=100
        The largest number of basis functions.
    random_state : int, RandomState instance or None, default=None
        Draws the centres.

    Returns
    -------
    fitted : LeastSquaresRatio
    """
    centers = choose_centers(Xt, n_centers, random_state)
    gammas = bandwidth_grid(Xs, Xt) if isinstance(gamma, str) else np.array([float(gamma)])
    lams = LAMBDAS if isinstance(lam, str) else np.array([float(lam)])
    source, target = _moments(Xs, centers, gammas), _moments(Xt, centers, gammas)
    losses, k, l = None, 0, 0
    if len(gammas) * len(lams) > 1:
        for name, X in (("source", Xs), ("target", Xt)):
            if X.shape[0] < 2:
                raise ValueError(
                    "gamma='cv' and lam='cv' leave one row out, but the "
                    f"{name} has only {X.shape[0]} row: give gamma and lam numbers."
                )
        losses = np.empty((len(gammas), len(lams)))
        some = [_squares(X[spread_rows(X, _LOO_ROWS)], centers) for X in (Xs, Xt)]
        for k, width in enumerate(gammas):
            losses[k] = leave_one_out_losses(
                np.exp(-width * some[0]),
                np.exp(-width * some[1]),
                source[0][k],
                target[0][k],
                target[1][k],
                n_source=Xs.shape[0],
                n_target=Xt.shape[0],
                alpha=alpha,
                lams=lams,
            )
        k, l = divmod(int(np.argmin(losses)), len(lams))
    H = alpha * target[0][k] + (1 - alpha) * source[0][k]
    coef = np.linalg.solve(H + lams[l] * np.eye(len(H)), target[1][k])
    coef = np.maximum(coef, 0)
    return LeastSquaresRatio(centers, coef, float(gammas[k]), float(lams[l]), gammas, lams, losses)


def _squares(X, centers):
    return np.concatenate([squares for _, squares in row_blocks(X, centers)])


def _moments(X, centers, gammas):
    """Return the means over rows of phi phi' and of phi, for each gamma."""
    n = centers.shape[0]
    second, first = np.zeros((len(gammas), n, n)), np.zeros((len(gammas), n))
    for _, squares in row_blocks(X, centers):
        for k, gamma in enumerate(gammas):
            phi = np.exp(-gamma * squares)
            second[k] += phi.T @ phi
            first[k] += phi.sum(axis=0)
    return second / X.shape[0], first / X.shape[0]


def leave_one_out_losses(
    phi_s, phi_t, H_source, H_target, h_target, *, n_source, n_target, alpha, lams
):
    """Return the least-squares loss of a relative density ratio at rows that were left out.

    Parameters
    ----------
    phi_s, phi_t : ndarray of shapes (m_s, n_centers) and (m_t, n_centers)
        Basis functions at the rows that are left out in turn.
    H_source, H_target : ndarray of shape (n_centers, n_centers)
        Means of phi phi' over all rows of a domain.
    h_target : ndarray of shape (n_centers,)
        Mean of phi over all target rows.
    n_source, n_target : int
        The numbers of all rows, at least 2.
    alpha : float
        The share of the target in the denominator.
    lams : ndarray of shape (n_lams,)
        Strengths of regularisation.

    Returns
    -------
    losses : ndarray of shape (n_lams,)
        ``alpha/2 E_t[r**2] + (1-alpha)/2 E_s[r**2] - E_t[r]``, where r at a row is the ratio that
        is fitted to all rows but that one.
    """
    # Without source row i the denominator's matrix is B - c phi_i phi_i' with B the same for all
    # i, and without target row j it has that form too, so that a rank-one update gives the
    # solution. The eigenvectors of B serve all strengths of regularisation.
    grown_s, grown_t = n_source / (n_source - 1), n_target / (n_target - 1)
    sides = [
        # rows, matrix B without lam, c, and what h is without a target row
        (
            phi_s,
            alpha * H_target + (1 - alpha) * grown_s * H_source,
            (1 - alpha) / (n_source - 1),
            np.broadcast_to(h_target, phi_s.shape),
        ),
        (
            phi_t,
            alpha * grown_t * H_target + (1 - alpha) * H_source,
            alpha / (n_target - 1),
            grown_t * h_target - phi_t / (n_target - 1),
        ),
    ]
    upper = 1 / alpha if alpha > 0 else np.inf
    ratios: list[list[np.ndarray]] = []
    for phi, B, c, h in sides:
        values, vectors = np.linalg.eigh(B)
        values = np.maximum(values, 0)  # what is below is rounding
        phi_rotated, h_rotated = phi @ vectors, h @ vectors
        ratios.append([])
        for lam in lams:
            solved_phi = phi_rotated / (values + lam)
            leverage = (phi_rotated * solved_phi).sum(axis=1)
            overlap = (h_rotated * solved_phi).sum(axis=1)
            theta = h_rotated / (values + lam)
            theta += (c * overlap / (1 - c * leverage))[:, None] * solved_phi
            theta = np.maximum(theta @ vectors.T, 0)
            ratios[-1].append(np.minimum((theta * phi).sum(axis=1), upper))
    return np.array(
        [
            alpha / 2 * np.mean(r_t**2) + (1 - alpha) / 2 * np.mean(r_s**2) - np.mean(r_t)
            for r_s, r_t in zip(*ratios)
        ]
    )


def rulsif_weights(
    Xs: RowsLike,
    Xt: RowsLike,
    *,
    alpha: float = 0.1,
    gamma: float | str = "cv",
    lam: float | str = "cv",
    n_centers: int = 100,
    random_state: Seed = None,
) -> np.ndarray:
    """Estimate the relative density ratio target / mixture at the source rows (RuLSIF).

    Parameters
    ----------
    Xs, Xt : array-like or sparse of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    alpha : float, default=0.1
        The share of the target in the mixture that the target's density is divided by, in [0, 1).
        No ratio is above ``1 / alpha``.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9
        bandwidths by the leave-one-out loss.
    lam : "cv" or float, default="cv"
        The strength of regularisation, positive. "cv" chooses among 9 from 0.001 to 10.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
    random_state : int, RandomState instance or None, default=None
        Draws the target rows that are their centres where these are more than `n_centers`.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
        Between 0 and 1 / alpha. Not normalised.

    See Also
    --------
    RULSIF : The same as an estimator, with the references.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import rulsif_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, size=(300, 1)), rng.normal(1, 1, size=(300, 1))
    >>> ratio = rulsif_weights(Xs, Xt, random_state=0)
    >>> bool(np.corrcoef(ratio, np.exp(Xs[:, 0]))[0, 1] > 0.8)
    True
    """
    options: dict[str, Any] = {
        "gamma": gamma,
        "lam": lam,
        "n_centers": n_centers,
        "random_state": random_state,
    }
    return weights_of(RULSIF(alpha=alpha, **options), Xs, Xt)


def ulsif_weights(
    Xs: RowsLike,
    Xt: RowsLike,
    *,
    gamma: float | str = "cv",
    lam: float | str = "cv",
    n_centers: int = 100,
    random_state: Seed = None,
) -> np.ndarray:
    """Estimate the density ratio target / source at the source rows (uLSIF).

    Parameters
    ----------
    Xs, Xt : array-like or sparse of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9
        bandwidths by the leave-one-out loss.
    lam : "cv" or float, default="cv"
        The strength of regularisation, positive. "cv" chooses among 9 from 0.001 to 10.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
    random_state : int, RandomState instance or None, default=None
        Draws the target rows that are their centres where these are more than `n_centers`.

    Returns
    -------
    ratio : ndarray of shape (n_s,)
        Non-negative. Not normalised.

    See Also
    --------
    ULSIF : The same as an estimator, with the references.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import ulsif_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, size=(300, 1)), rng.normal(0, 0.5, size=(300, 1))
    >>> ratio = ulsif_weights(Xs, Xt, random_state=0)
    >>> bool(np.corrcoef(ratio, np.exp(-1.5 * Xs[:, 0] ** 2))[0, 1] > 0.8)
    True
    """
    options: dict[str, Any] = {
        "gamma": gamma,
        "lam": lam,
        "n_centers": n_centers,
        "random_state": random_state,
    }
    return weights_of(ULSIF(**options), Xs, Xt)


class ULSIF(KernelRatioWeighter):
    """Train where the target lies, by a density ratio with a closed form (uLSIF).

    Source rows are weighted by how much denser the target is at them. The ratio is a sum of
    Gaussian functions around target rows that is fitted by least squares, which takes one system
    of linear equations; the bandwidth and the regularisation are chosen by a leave-one-out loss
    that needs no refits.

    Use it where the labels mean the same in both domains but their rows are spread otherwise
    (covariate shift), where the source covers the target, and where features are few (some ten)
    and of similar scales: bring them there before. Weights help where the estimator is too simple
    to be right everywhere; a flexible one needs none. Where the target reaches into regions with
    few source rows the ratio is unbounded and the weights are noisy: take `RULSIF`.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9 bandwidths,
        1/4 to 4 times the median distance between rows, by the leave-one-out loss.
    lam : "cv" or float, default="cv"
        The strength of regularisation, positive: the larger, the more even the weights. "cv"
        chooses among 9 from 0.001 to 10 by the leave-one-out loss.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
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
    gamma_, lam_ : float
        The values used; None after a fit without a target.
    centers_ : ndarray or CSR array of shape (n_centers_, n_features)
        Centres of the basis functions.
    log_coef_ : ndarray of shape (n_centers_,)
        Logarithms of their coefficients, -inf for those that take no part.
    cv_results_ : dict of ndarray
        The candidates "gamma" of shape (n_gammas,) and "lam" of shape (n_lams,), and the
        leave-one-out "loss" of shape (n_gammas, n_lams), None where nothing was to be chosen.
    classes_ : ndarray of shape (n_classes,)
        The classes; only where `estimator` is a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator takes no ``sample_weight``, where with ``min_effective_share=0`` the
        ratio is 0 at each source row, and where a value is to be chosen but a domain has only one
        row.

    Warns
    -----
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    RULSIF : A bounded ratio, for a target that the source covers poorly.
    KLIEP : Fits the same functions by maximum likelihood.
    ImportanceWeightedScorer : Model selection with the ratio.

    Notes
    -----
    With ``H`` the mean over source rows of ``phi phi'`` and ``h`` the mean over target rows of
    ``phi``, the coefficients are ``max(0, (H + lam I)^-1 h)`` ([1]_, section 3). What was
    chosen where the paper leaves it open, and where we deviate:

    * The paper's leave-one-out loss leaves out the i-th source and the i-th target
      row together and so depends on their order and ignores the surplus rows of the larger domain.
      Here each row of either domain is left out by itself, by the same rank-one update, and the
      terms of the loss are means over all rows of the domain, or over some 5000 rows of
      a domain that has more than 5000.
    * The candidates are relative to the median distance between up to 500 rows of each domain.
    * Memory beyond the rows is of order ``n_centers**2`` for each candidate bandwidth.

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
    .. [1] Kanamori, T., Hido, S. and Sugiyama, M. (2009). A least-squares approach to direct
       importance estimation. Journal of Machine Learning Research 10, 1391-1445.
    .. [2] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    A straight line for a curve: it is to fit where the target lies.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdtl import ULSIF, SourceOnly
    >>> rng = np.random.default_rng(1)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0, 0.3, size=(200, 1))
    >>> ys, yt = Xs[:, 0] ** 3 - Xs[:, 0], Xt[:, 0] ** 3 - Xt[:, 0]
    >>> model = ULSIF(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
    >>> plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt)
    >>> bool(np.mean((model.predict(Xt) - yt) ** 2) < np.mean((plain.predict(Xt) - yt) ** 2) / 4)
    True
    >>> model.density_ratio([[0.0], [2.0]]).round()
    array([3., 0.])
    """

    _params: ClassVar[dict[str, Any]] = KernelRatioWeighter._params | {
        "lam": (OneOf("cv"), Real(0, closed="neither")),
    }
    lam_: float | None
    cv_results_: dict[str, Any] | None

    @property
    def _alpha(self):
        return 0.0

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        gamma: float | str = "cv",
        lam: float | str = "cv",
        n_centers: int = 100,
        random_state: Seed = None,
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        self.estimator = estimator
        self.gamma = gamma
        self.lam = lam
        self.n_centers = n_centers
        self.random_state = random_state
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.lam_, self.cv_results_ = None, None
        super()._fit(source, target)

    def _fit_ratio(self, Xs, Xt) -> None:
        fitted = fit_lsif(
            Xs,
            Xt,
            alpha=self._alpha,
            gamma=self.gamma,
            lam=self.lam,
            n_centers=self.n_centers,
            random_state=self.random_state,
        )
        self.centers_, self.gamma_, self.lam_ = fitted.centers, fitted.gamma, fitted.lam
        with np.errstate(divide="ignore"):
            self.log_coef_ = np.log(fitted.coef)
        self.cv_results_ = {"gamma": fitted.gammas, "lam": fitted.lams, "loss": fitted.losses}


class RULSIF(ULSIF):
    """Train where the target lies, by a density ratio that can't explode (RuLSIF).

    Source rows are weighted by the relative density ratio, that of the target to a mixture of
    target and source. It is at most ``1 / alpha``, however far the target reaches into regions that
    the source hardly covers, so that no few rows take all of the weight; what it costs is that the
    weighted source resembles the target less. Least squares, in closed form.

    Use it, rather than `ULSIF` or `KLIEP`, where the domains overlap poorly or rows are few;
    otherwise all of what is said there holds.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    alpha : float, default=0.1
        The share of the target in the mixture, in [0, 1). 0 is uLSIF; towards 1 all weights become
        equal.
    gamma : "cv" or float, default="cv"
        The basis functions are ``exp(-gamma * d**2)``, positive. "cv" chooses among 9 bandwidths,
        1/4 to 4 times the median distance between rows, by the leave-one-out loss.
    lam : "cv" or float, default="cv"
        The strength of regularisation, positive: the larger, the more even the weights. "cv"
        chooses among 9 from 0.001 to 10 by the leave-one-out loss.
    n_centers : int, default=100
        The largest number of basis functions, at least 1.
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
    gamma_, lam_ : float
        The values used; None after a fit without a target.
    centers_ : ndarray or CSR array of shape (n_centers_, n_features)
        Centres of the basis functions.
    log_coef_ : ndarray of shape (n_centers_,)
        Logarithms of their coefficients, -inf for those that take no part.
    cv_results_ : dict of ndarray
        The candidates "gamma" of shape (n_gammas,) and "lam" of shape (n_lams,), and the
        leave-one-out "loss" of shape (n_gammas, n_lams), None where nothing was to be chosen.
    classes_ : ndarray of shape (n_classes,)
        The classes; only where `estimator` is a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator takes no ``sample_weight``, where with ``min_effective_share=0`` the
        ratio is 0 at each source row, and where a value is to be chosen but a domain has only one
        row.

    Warns
    -----
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    ULSIF : The plain ratio, the case of ``alpha=0``.
    skdtl.instances.rulsif_weights : The weights alone.

    Notes
    -----
    ``H`` is alpha times the mean of ``phi phi'`` over target rows plus (1 - alpha) times that
    over source rows; all else is as in `ULSIF` ([1]_, section 2; [2]_). Deviations:

    * Negative coefficients are set to 0, so that the ratio is nowhere negative and ``alpha=0`` is
      uLSIF, and values above ``1 / alpha``, which the true relative ratio never exceeds, to
      ``1 / alpha``.
    * The paper chooses bandwidth and regularisation by k-fold cross-validation; here the
      leave-one-out loss of `ULSIF` does it, with the target's rows in both terms.

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
    .. [1] Yamada, M., Suzuki, T., Kanamori, T., Hachiya, H. and Sugiyama, M. (2011). Relative
       density-ratio estimation for robust distribution comparison. Advances in Neural Information
       Processing Systems 24, 594-602.
    .. [2] Yamada, M., Suzuki, T., Kanamori, T., Hachiya, H. and Sugiyama, M. (2013). Relative
       density-ratio estimation for robust distribution comparison. Neural Computation 25 (5),
       1324-1370.
    .. [3] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import RULSIF
    >>> rng = np.random.default_rng(1)
    >>> Xs, Xt = rng.normal(0, 1, size=(200, 2)), rng.normal(2, 1, size=(200, 2))
    >>> ys = (Xs[:, 0] > 0).astype(int)
    >>> model = RULSIF(alpha=0.2, random_state=0).fit(Xs, ys, Xt)
    >>> bool(model.density_ratio(Xt).max() <= 5)
    True
    >>> model.predict([[2.0, 2.0]])
    array([1])
    """

    _params: ClassVar[dict[str, Any]] = ULSIF._params | {
        "alpha": Real(0, 1, closed="left"),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        alpha: float = 0.1,
        gamma: float | str = "cv",
        lam: float | str = "cv",
        n_centers: int = 100,
        random_state: Seed = None,
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        super().__init__(
            estimator,
            gamma=gamma,
            lam=lam,
            n_centers=n_centers,
            random_state=random_state,
            min_effective_share=min_effective_share,
            balance=balance,
        )
        self.alpha = alpha

    @property
    def _alpha(self):
        return self.alpha

    @property
    def _upper(self):
        return 1 / self.alpha if self.alpha > 0 else np.inf
