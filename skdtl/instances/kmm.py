"""KMM: weights under which the source's mean in a kernel's feature space is the target's."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.linalg.blas import dsymv
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches

from .._arrays import join_rows, positions
from .._constraints import RANDOM_STATE, Callable, Int, OneOf, Real
from .._typing import Estimator, RowsLike, Seed
from ..base import Domain, TransferTags
from ..kernels import kernel_gamma, kernel_matrix
from ._base import InstanceWeighter
from ._density_ratio import check_rows, fold_numbers
from ._qp import pivoted_cholesky, relative_gap, solve_box_slab

__all__ = ["KMM", "cross_validated_gamma", "kmm_weights"]

# What gamma="cv" tries: these multiples of gamma="median", each with these ridges.
MULTIPLES = 10.0 ** np.linspace(-1, 1.5, 6)
RIDGES = 10.0 ** np.arange(-3, 1)
N_CENTRES, N_FOLDS = 100, 5
BATCH = 500  # rows of a kernel matrix that are there at once where the whole is not needed


def kmm_weights(
    Xs: RowsLike,
    Xt: RowsLike,
    *,
    kernel: str = "rbf",
    gamma: float | str = "cv",
    B: float = 1000.0,
    eps: float | None = None,
    tol: float = 1e-4,
    max_iter: int = 100,
    random_state: Seed = None,
) -> np.ndarray:
    """Weigh source rows so that their kernel mean is that of the target (kernel mean matching).

    Parameters
    ----------
    Xs, Xt : array-like or sparse matrix of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    kernel : {"rbf", "laplacian", "linear"} or callable, default="rbf"
        See :class:`~skdtl.KMM`, also for the parameters below.
    gamma : float > 0, "cv", "median", "scale" or "auto", default="cv"
        Width of "rbf" and "laplacian".
    B : float, default=1000.0
        The largest weight, above 1.
    eps : float, default=None
        How far the mean weight may be from 1, above 0.
    tol : float, default=1e-4
        The relative duality gap to be reached.
    max_iter : int, default=100
        The largest number of iterations.
    random_state : int, RandomState instance or None, default=None
        Draws target rows for ``gamma="cv"`` and ``gamma="median"``.

    Returns
    -------
    weights : ndarray of shape (n_s,)
        In [0, B], of a mean in [1 - eps, 1 + eps].

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import kmm_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(300, 1)), rng.normal(1.0, 0.7, size=(200, 1))
    >>> weights = kmm_weights(Xs, Xt, random_state=0)
    >>> float(np.average(Xs[:, 0], weights=weights).round(1)), float(Xt.mean().round(1))
    (1.0, 1.0)
    """
    Xs, Xt = check_rows(Xs, Xt)
    if not B > 1:
        raise ValueError(f"B must be above 1, since the weights are of mean 1; got {B!r}.")
    if not (eps is None or eps > 0):
        raise ValueError(f"eps must be None or above 0; got {eps!r}.")
    rng = check_random_state(random_state)
    return _match(Xs, Xt, kernel, gamma, B, eps, tol, max_iter, rng, stacklevel=3)[0]


def _match(Xs, Xt, kernel, gamma, B, eps, tol, max_iter, rng, *, stacklevel):
    """Return the weights, gamma, the relative duality gap and the number of iterations."""
    n = Xs.shape[0]
    # In an order of their own, so that rounding does not depend on the order in which they come.
    order = np.argsort(positions(Xs), kind="stable")
    Xs = Xs[order]
    if kernel in ("rbf", "laplacian"):
        gamma = _gamma(Xs, Xt, kernel, gamma, rng)
    if n == 1:
        return np.ones(1), gamma, 0.0, 0
    kappa = np.concatenate(
        [
            n * kernel_matrix(Xs[rows], Xt, kernel, gamma=gamma).mean(axis=1)
            for rows in gen_batches(n, BATCH)
        ]
    )
    eps = (np.sqrt(n) - 1) / np.sqrt(n) if eps is None else eps
    ordered, gap, n_iter = _solve(Xs, kappa, kernel, gamma, B, eps, tol, max_iter)
    if gap > tol:
        warnings.warn(
            f"Kernel mean matching ended after {n_iter} iterations with a relative duality gap of "
            f"{gap:.2g} (tol={tol:g}): raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
    weights = np.empty(n)
    weights[order] = ordered
    return weights, gamma, gap, n_iter


def _solve(X, kappa, kernel, gamma, B, eps, tol, max_iter):
    """Solve the quadratic program, divided by n_s, with as little of K as suffices.

    K is mostly of low rank up to rounding; only if it is not, the whole of it is formed.
    """
    n = len(kappa)
    c, bounds = kappa / n, (B, n * (1 - eps), n * (1 + eps))
    if kernel in ("rbf", "laplacian"):

        def rows(numbers):
            return kernel_matrix(X[numbers], X, kernel, gamma=gamma)

        # w'(K - L'L)w is at most |w|² times the trace: little against tol times w'Kw.
        small = 1e-3 * tol * n
        L, rest = pivoted_cholesky(rows, np.ones(n), n // 8, small)
        if rest.sum() <= small:
            L /= np.sqrt(n)
            w, _, n_iter = solve_box_slab(
                lambda w: (L @ w) @ L,
                lambda _: (L, 0.0),
                c,
                *bounds,
                tol=tol / 2,
                max_iter=max_iter,
            )
            Kw = np.concatenate([rows(batch) @ w for batch in gen_batches(n, BATCH)])
            gap = relative_gap(w, Kw / n, c, *bounds)
            if gap <= tol:
                return w, gap, n_iter
        del L
    Q = np.ascontiguousarray(kernel_matrix(X, None, kernel, gamma=gamma), dtype=float) / n
    diagonal = np.diagonal(Q)

    def factor(added):
        # Enough rows for the rest to change the Newton systems' eigenvalues little.
        return pivoted_cholesky(
            lambda numbers: Q[numbers], diagonal, max(500, n // 4), 50.0, 1 / added
        )

    def product(w):
        return dsymv(1.0, Q.T, w)  # reads half of Q; a transpose is what Fortran needs no copy of

    return solve_box_slab(product, factor, c, *bounds, tol=tol, max_iter=max_iter)


def _gamma(Xs, Xt, kernel, gamma, rng) -> float:
    """Turn a rule into a number."""
    if gamma == "cv":
        return cross_validated_gamma(Xs, Xt, kernel, rng)
    if gamma == "median":
        return _median_gamma(Xs, Xt, kernel, rng)
    return kernel_gamma(join_rows(Xs, Xt), kernel, gamma)


def _median_gamma(Xs, Xt, kernel, rng) -> float:
    """Return gamma by the median distance between 500 rows of each domain at most."""
    some_s = np.linspace(0, Xs.shape[0] - 1, min(500, Xs.shape[0])).astype(int)
    some_t = rng.permutation(Xt.shape[0])[:500]
    return kernel_gamma(join_rows(Xs[some_s], Xt[some_t]), kernel, "median")


def cross_validated_gamma(Xs, Xt, kernel, rng) -> float:
    """Choose a kernel's width with which the density ratio can be predicted best.

    The ratio is fitted by least squares, with a ridge, to the kernel around up to 100 target
    rows; its error is the held-out mean of ``r(x_s)² / 2`` minus that of ``r(x_t)``, which is the
    squared error at the source up to a constant.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    kernel : {"rbf", "laplacian"}
        The kernel.
    rng : numpy.random.RandomState
        Draws the target rows.

    Returns
    -------
    gamma : float
    """
    median = _median_gamma(Xs, Xt, kernel, rng)
    n_folds = min(N_FOLDS, Xs.shape[0], Xt.shape[0])
    if n_folds < 2:
        return median
    centres = Xt[rng.permutation(Xt.shape[0])[:N_CENTRES]]
    fold_s, fold_t = fold_numbers(Xs, n_folds), fold_numbers(Xt, n_folds)
    errors = np.zeros((len(MULTIPLES), len(RIDGES)))
    for i, multiple in enumerate(MULTIPLES):
        at_source = kernel_matrix(Xs, centres, kernel, gamma=multiple * median)
        at_target = kernel_matrix(Xt, centres, kernel, gamma=multiple * median)
        for fold in range(n_folds):
            train_s, train_t = at_source[fold_s != fold], at_target[fold_t != fold]
            H, h = train_s.T @ train_s / len(train_s), train_t.mean(axis=0)
            for j, ridge in enumerate(RIDGES):
                coef = np.linalg.solve(H + ridge * np.eye(len(h)), h)
                squares = (at_source[fold_s == fold] @ coef) ** 2
                errors[i, j] += squares.mean() / 2 - (at_target[fold_t == fold] @ coef).mean()
    return float(MULTIPLES[np.argmin(errors.min(axis=1))] * median)


class KMM(InstanceWeighter):
    """Train where the target lies: source rows weigh as if they had been drawn from the target.

    Kernel mean matching needs no densities: it looks for the weights under which the mean of the
    source rows in a kernel's feature space is that of the target rows, by a quadratic program.

    Use it where only the distribution of the features has changed (covariate shift), the source
    covers the region of the target, and `estimator` is too simple to be right everywhere; a model
    that fits the truth everywhere gains nothing from weights and loses by their variance. Needs no
    target labels. Bring columns to similar scales before. It costs memory for a matrix of n_s²
    numbers unless the features are few or the kernel is wide.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    kernel : {"rbf", "laplacian", "linear"} or callable, default="rbf"
        See `skdtl.kernels.kernel_matrix`; positive semi-definite. "linear" matches the means of
        the features only.
    gamma : float > 0, "cv", "median", "scale" or "auto", default="cv"
        The width of "rbf" and "laplacian". "cv" chooses, among six multiples from .1 to 32 of the
        median rule, the one with which a least-squares estimate of the density ratio errs least on
        rows that are held out. Other rules are those of `skdtl.kernels.kernel_gamma` for the rows
        of both domains, "median" for 500 rows of each at most.
    B : float, default=1000.0
        The largest weight before their normalisation, above 1. The smaller, the more even.
    eps : float, default=None
        How far from 1 the mean weight may be before their normalisation, above 0. None means the
        paper's (sqrt(n_s) - 1) / sqrt(n_s).
    tol : float, default=1e-4
        The relative duality gap to be reached, positive: the objective then is above its minimum
        by at most this share of wᵀKw / 2 + abs(κ)ᵀw.
    max_iter : int, default=100
        The largest number of iterations, at least 1.
    random_state : int, RandomState instance or None, default=None
        Draws the target rows that ``gamma="cv"`` and ``gamma="median"`` look at.
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
    gamma_ : float or None
        The width used; None where the kernel has none, or no target was given.
    duality_gap_ : float
        The relative duality gap reached, with the exact kernel matrix.
    n_iter_ : int
        The number of iterations.
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
    ConvergenceWarning
        Where `max_iter` is reached before `tol`.
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    kmm_weights : The weights alone.
    DiscriminatorWeighting : Weights by a classifier that tells the domains apart.
    NearestNeighborWeighting : Weights by counting neighbours.

    Notes
    -----
    Minimized is wᵀKw / 2 - κᵀw over 0 <= w <= B and abs(mean(w) - 1) <= eps, with
    K_ij = k(xs_i, xs_j) and κ_i = (n_s / n_t) Σ_j k(xs_i, xt_j), the quadratic program of [1]_,
    section 3.

    * The solver is a primal-dual interior-point method [3]_. Where K is of low rank, up to what
      `tol` allows, it works with a pivoted Cholesky factor and K is never formed; else conjugate
      gradients solve its linear systems, preconditioned by a factor that is made anew from the
      rows whose weights are still free. What decides that the solution is good enough is the
      duality gap with K itself.
    * Many weights give nearly the same objective. An interior-point method ends near the middle
      of them, and a smaller `tol` moves it to their edge: to weights that fit the noise of κ, which
      is known only up to n_t drawn rows. On normal distributions with a known ratio, weights
      correlated with it the less the smaller `tol` was, while from 1e-4 on the error of models
      fitted with them hardly fell any more; hence the default.
    * The paper leaves the width to the user. The criterion of "cv" is that of least-squares
      importance fitting [2]_ with ridges .001 to 1, five folds and centres at up to 100 target
      rows. Negative values of the estimate are left as they are.
    * The weights belong to the source rows; there is no ratio at other rows.
    * They are brought to mean 1 for the estimator; what labelled target rows weigh, `balance` says.

    Weights that vary much leave few rows: Kish's effective sample size (Σw)² / Σw², and in a class
    also its share of the weight. Below the share of `min_effective_share` the weights are raised
    to the largest power that reaches it (flattened importance weights [4]_); the standard error
    of a mean then grows by no more than 1 / sqrt(.8), 12 per cent. They stay sharper, with 50
    effective rows and 10 of each class at the least, only where the weighted loss on rows held
    out of the source, in five folds, is below that of the flattened weights by more than a
    standard error: what a model gains that is too simple for the whole source shows there. Weights
    below a tenth of the mean, which no estimate tells from 0, are lifted to it before.

    References
    ----------
    .. [1] Huang, J., Smola, A. J., Gretton, A., Borgwardt, K. M. and Schölkopf, B. (2007).
       Correcting sample selection bias by unlabeled data. Advances in Neural Information
       Processing Systems 19 (NIPS 2006), 601-608.
    .. [2] Kanamori, T., Hido, S. and Sugiyama, M. (2009). A least-squares approach to direct
       importance estimation. Journal of Machine Learning Research 10, 1391-1445.
    .. [3] Mehrotra, S. (1992). On the implementation of a primal-dual interior point method. SIAM
       Journal on Optimization 2, 575-601.
    .. [4] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    A line fitted to a curve is right only where it is meant to be. The source covers the target, so
    that few rows of great weight are no harm.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdtl import KMM, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0.0, 0.3, size=(200, 1))
    >>> ys = -Xs[:, 0] + Xs[:, 0] ** 3 + 0.3 * rng.normal(size=200)
    >>> model = KMM(LinearRegression(), min_effective_share=0, random_state=0).fit(Xs, ys, Xt)
    >>> truth = -Xt[:, 0] + Xt[:, 0] ** 3
    >>> plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt)
    >>> errors = [np.mean((m.predict(Xt) - truth) ** 2) for m in (model, plain)]
    >>> bool(errors[0] < errors[1] / 2)
    True
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _takes_nan: ClassVar[bool] = False
    _params: ClassVar[dict[str, Any]] = InstanceWeighter._params | {
        "kernel": (OneOf("rbf", "laplacian", "linear"), Callable()),
        "gamma": (Real(0, closed="neither"), OneOf("cv", "median", "scale", "auto")),
        "B": Real(1, closed="neither"),
        "eps": (None, Real(0, closed="neither")),
        "tol": Real(0, closed="neither"),
        "max_iter": Int(1),
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        kernel: str = "rbf",
        gamma: float | str = "cv",
        B: float = 1000.0,
        eps: float | None = None,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: Seed = None,
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        self.estimator = estimator
        self.kernel = kernel
        self.gamma = gamma
        self.B = B
        self.eps = eps
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        if target is source:
            self.gamma_, self.duality_gap_, self.n_iter_ = None, 0.0, 1
        super()._fit(source, target)

    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        Xs, Xt = check_rows(source.X, target.X)
        weights, gamma, self.duality_gap_, self.n_iter_ = _match(
            Xs,
            Xt,
            self.kernel,
            self.gamma,
            self.B,
            self.eps,
            self.tol,
            self.max_iter,
            check_random_state(self.random_state),
            stacklevel=6,
        )
        self.gamma_ = gamma if self.kernel in ("rbf", "laplacian") else None
        return weights
