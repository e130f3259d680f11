"""Transfer component analysis (Pan, Tsang, Kwok and Yang, 2011)."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from .._params import Callable, Int, OneOf, Real
from ..base import Domain
from ..kernels import KERNELS, kernel_gamma, kernel_matrix
from ._base import Mapper, joined_rows

__all__ = ["TCA", "linear_transfer_components", "transfer_components"]

# Above this many features the matrices of the feature space are dearer than products with X.
_MAX_FEATURE_SPACE = 1000


class TCA(Mapper):
    """Map both domains to the directions that vary most and in which their means agree.

    Transfer component analysis looks for a few directions of a kernel's feature space along which
    the rows of both domains vary much, while the means of source and target do not differ there;
    an ordinary estimator is then trained on the mapped source rows. Nothing needs target labels;
    where some are given, the mapped labelled target rows join the training of the estimator.

    Use it when the inputs have shifted while the labels' relation to the directions that remain
    has not: an instrument's offset, another staining, another camera. It is of little use when the
    shift is in the very directions that tell the classes apart, when the class proportions differ
    much (a difference of means is then no nuisance), or when the relation of inputs to labels
    itself has changed. Features should have comparable scales: put a StandardScaler before it.

    Parameters
    ----------
    n_components : int >= 1 or None, default=None
        How many directions. None means 10, or all that there are. Fewer than asked for are kept,
        with a warning, where the rows do not span as many in the kernel's feature space.
    kernel : {"linear", "rbf", "poly", "laplacian"} or callable, default="linear"
        "linear" is <x, y>, "rbf" exp(-gamma ‖x - y‖²), "poly" (gamma <x, y> + coef0)^degree and
        "laplacian" exp(-gamma ‖x - y‖₁). A callable takes (X, Y) and returns the symmetric
        positive semi-definite kernel's whole matrix of shape (n, m). "linear" takes time and
        memory in proportion to the number of rows; the others hold the matrix of all pairs.
    gamma : float > 0, "scale", "auto" or "median", default="scale"
        Width of "rbf", "poly" and "laplacian". "scale" is 1 / (n_features * X.var()) over the rows
        of both domains, "auto" 1 / n_features, "median" 1 / (2 m²) with m the median distance
        between two rows. For "laplacian", whose distance is not squared, they are
        1 / (n_features * X.std()), 1 / n_features and 1 / m. "poly" has no "median".
    degree : int >= 1, default=3
        Exponent of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    mu : float > 0, default=1.0
        Weight of the penalty on the size of the map, against the distance of the domains' means.
        The larger, the less the shift counts: for mu → ∞ it is as if there were no shift, for
        mu → 0 the means of both domains coincide.
    estimator : estimator object, "passthrough" or None, default=None
        Classifier or regressor that is trained on the mapped rows. None means
        :class:`~sklearn.linear_model.LogisticRegression`. With "passthrough" TCA is a transformer
        only and needs no labels.
    tol : float > 0, default=1e-10
        The eigenvectors are accepted when the largest norm of their residuals is at most `tol`
        times the largest eigenvalue.
    max_iter : int >= 1, default=200
        Rounds of the eigensolver, of one product of the kernel matrix with itself and a block of
        vectors each.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K L K + mu I)^-1 K H K in descending order.
    components_ : ndarray of shape (n_components_, n_features)
        For "linear": rows are mapped to ``X @ components_.T``.
    eigenvectors_ : ndarray of shape (n_s + n_t, n_components_)
        For the other kernels: W, one row for each training row, source rows first. Rows are mapped
        to ``k(X, X_fit_) @ W``.
    X_fit_ : ndarray or sparse array of shape (n_s + n_t, n_features)
        For the other kernels: the training rows.
    gamma_ : float
        For "rbf", "poly" and "laplacian": the width.
    n_components_ : int
        The number of directions.
    n_iter_ : int
        Rounds of the eigensolver; 1 where the matrix was small enough to be decomposed directly.
    estimator_ : estimator object
        The fitted clone of `estimator`; not with "passthrough".
    classes_ : ndarray of shape (n_classes,)
        The classes; only for a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Warns
    -----
    ConvergenceWarning
        Where the eigenvectors did not reach `tol` within `max_iter` rounds.
    UserWarning
        Where there are fewer directions than `n_components`.

    Raises
    ------
    ValueError
        Where all rows are the same to the kernel.

    See Also
    --------
    skdtl.SourceOnly : The same estimator without adaptation.

    Notes
    -----
    *Problem.* With K the kernel matrix of all n = n_s + n_t rows, H = I - 11ᵀ/n, and L = e eᵀ where
    e is 1/n_s for source and -1/n_t for target rows, W minimises tr(Wᵀ K L K W) + mu tr(Wᵀ W) among
    all W with Wᵀ K H K W = I: it holds the leading eigenvectors of (K L K + mu I)^-1 K H K [1]_. A
    row x is mapped to Wᵀ k(x), with k(x) its kernel values with the training rows: training rows to
    the rows of K W, new ones, of either domain, by the same formula.

    *Solution.* K L K is a aᵀ with a = K e, so that the inverse square root of P = K L K + mu I is
    the identity changed by a matrix of rank one, and the problem is that of the symmetric matrix
    P^-1/2 K H K P^-1/2. A block Krylov method finds its leading eigenvectors by products with K.
    For "linear" the problem is solved among the features, or, where there are more than 1000 or
    more than rows, with products by X. The start of the iteration is fixed, so that the result
    depends on the data alone.

    *Scale and sign.* Only the directions of W's columns are given by the problem. Here they are
    equally long, Wᵀ (K L K + mu I) W = c I, where c gives the first component the variance 1 over
    all training rows, so that estimators with a penalty or a width meet the scale that they expect.
    The other components have smaller variances, in proportion to the eigenvalues. (The constraint
    as the paper writes it makes them all equal: follow TCA by a StandardScaler for that. On image
    features the unequal ones were better for a nearest neighbour.) The entry of largest magnitude
    in each row of ``components_``, or column of ``eigenvectors_``, is positive.

    *No target.* Without one L is zero, and W holds the eigenvectors of K H K: kernel PCA, up to the
    scale of each component, if the kernel is centred (K 1 = 0), as for "linear" on standardised
    features. The paper centres the scatter and not K itself; so does TCA.

    *Precision.* The eigenvectors are found in double precision; rows in single precision are mapped
    in single precision.

    *Many rows.* A kernel matrix of n rows takes 8 n² bytes. Beyond what memory holds, approximate
    the kernel: ``make_pipeline(Nystroem("rbf"), TCA(kernel="linear"))``.

    References
    ----------
    .. [1] S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang, "Domain adaptation via transfer component
       analysis", IEEE Transactions on Neural Networks 22(2), 2011, section III.

    Examples
    --------
    The first feature tells the classes apart; the second one varies and has shifted.

    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> from skdtl.mapping import TCA
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.repeat([0, 1], 100), np.repeat([0, 1], 50)
    >>> Xs = np.column_stack([2 * ys, ys]) + rng.normal(size=(200, 2)) * [0.5, 0.3]
    >>> Xt = np.column_stack([2 * yt, yt + 5]) + rng.normal(size=(100, 2)) * [0.5, 0.3]
    >>> SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
    0.5
    >>> tca = TCA(n_components=1).fit(Xs, ys, Xt)
    >>> tca.score(Xt, yt) > 0.9
    True
    >>> tca.transform(Xt).shape
    (100, 1)
    """

    _params: ClassVar[dict[str, Any]] = {
        **Mapper._params,
        "n_components": (None, Int(1)),
        "kernel": (OneOf(*KERNELS), Callable()),
        "gamma": (OneOf("scale", "auto", "median"), Real(0, closed="neither")),
        "degree": Int(1),
        "coef0": Real(),
        "mu": Real(0, closed="neither"),
        "tol": Real(0, closed="neither"),
        "max_iter": Int(1),
    }

    def __init__(
        self,
        n_components=None,
        *,
        kernel="linear",
        gamma="scale",
        degree=3,
        coef0=1.0,
        mu=1.0,
        estimator=None,
        tol=1e-10,
        max_iter=200,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.mu = mu
        self.estimator = estimator
        self.tol = tol
        self.max_iter = max_iter

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        X = joined_rows(source, target)
        e = np.zeros(len(source)) if target is source else mean_difference(len(source), len(target))
        m = 10 if self.n_components is None else self.n_components
        options = {"tol": self.tol, "max_iter": self.max_iter}
        if self.kernel == "linear":
            values, W, self.n_iter_ = linear_transfer_components(
                X.astype(np.float64, copy=False), e, m, self.mu, **options
            )
        else:
            if self.kernel in ("rbf", "poly", "laplacian"):
                self.gamma_ = kernel_gamma(X, self.kernel, self.gamma)
            self.X_fit_ = X
            K = self._kernel_matrix(X).astype(np.float64, copy=False)
            values, W, self.n_iter_ = transfer_components(K, e, m, self.mu, **options)
        if not len(values):
            raise ValueError(
                f"All rows of Xs and Xt are the same to the kernel {self.kernel!r} "
                f"(n_samples={X.shape[0]}): there is no direction to map them to."
            )
        if self.n_components is not None and len(values) < m:
            warnings.warn(
                f"n_components={m}, but Xs and Xt vary in only {len(values)} directions of the "
                "kernel's feature space: that many are kept.",
                UserWarning,
                stacklevel=2,
            )
        self.eigenvalues_ = values
        self.n_components_ = self._n_features_out = len(values)
        W = W * np.sqrt(X.shape[0] / values[0])
        if self.kernel == "linear":
            self.components_ = W.T
        else:
            self.eigenvectors_ = W

    def _check_array_options(self):
        options = super()._check_array_options()
        if self.kernel == "laplacian":
            options["accept_large_sparse"] = False  # nor does scikit-learn's kernel
        return options

    def _map(self, X, domain: str):
        if self.kernel == "linear":
            return X @ self.components_.T.astype(X.dtype, copy=False)
        K = self._kernel_matrix(X, self.X_fit_)
        return (K @ self.eigenvectors_.astype(K.dtype, copy=False)).astype(X.dtype, copy=False)

    def _kernel_matrix(self, X, Y=None):
        return kernel_matrix(
            X,
            Y,
            self.kernel,
            gamma=getattr(self, "gamma_", 1.0),
            degree=self.degree,
            coef0=self.coef0,
        )


def mean_difference(n_source, n_target):
    """Return the vector e with eᵀ X the difference of the domains' means, source rows first.

    Parameters
    ----------
    n_source, n_target : int
        Numbers of rows.

    Returns
    -------
    e : ndarray of shape (n_source + n_target,)
        1/n_source, then -1/n_target, so that L = e eᵀ.
    """
    return np.concatenate([np.full(n_source, 1 / n_source), np.full(n_target, -1 / n_target)])


def transfer_components(K, e, n_components, mu=1.0, *, tol=1e-10, max_iter=200):
    """Find the leading eigenvectors of (K L K + mu I)^-1 K H K, with L = e eᵀ, by products with K.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix of all rows, symmetric.
    e : ndarray of shape (n,)
        1/n_s for the source rows, -1/n_t for the target rows.
    n_components : int
        How many eigenvectors.
    mu : float, default=1.0
        Weight of the penalty on the size of the eigenvectors.
    tol, max_iter : float, int
        See `TCA`.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        In descending order; m < n_components where the others are zero.
    W : ndarray of shape (n, m)
        Eigenvectors with Wᵀ (K L K + mu I) W = I. The rows are mapped to K W, whose columns have
        the eigenvalues for their sums of squared deviations from the mean.
    n_iter : int
        Rounds of the eigensolver.
    """
    if np.ptp(K, axis=0).max() <= len(K) * np.finfo(float).eps * max(K.max(), -K.min()):
        return np.empty(0), np.empty((len(K), 0)), 1  # H K is nothing but rounding error

    def product(V):
        return K @ _centred(K @ V)

    eigenvalues, W, n_iter = _solve(product, K @ e, mu, n_components, tol, max_iter)
    return eigenvalues, _with_fixed_signs(W), n_iter


def linear_transfer_components(X, e, n_components, mu=1.0, *, tol=1e-10, max_iter=200):
    """Solve the problem of `transfer_components` for K = X Xᵀ without ever forming K.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        All rows.
    e, n_components, mu, tol, max_iter
        As for `transfer_components`.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        In descending order; m < n_components where the others are zero.
    components : ndarray of shape (n_features, m)
        Xᵀ W: the rows are mapped to X @ components.
    n_iter : int
        Rounds of the eigensolver.
    """
    n, d = X.shape
    if d <= min(n, _MAX_FEATURE_SPACE):
        # The eigenvectors lie in the column space of X. In its orthonormal basis X U s^-1, with
        # Xᵀ X = U s² Uᵀ, the matrix K is diag(s²): the problem has only d unknowns.
        mean = np.asarray(X.mean(axis=0)).ravel()
        if scipy.sparse.issparse(X):
            gram = (X.T @ X).toarray()
            scatter = gram - n * np.outer(mean, mean)
        else:
            centred = X - mean
            scatter = centred.T @ centred
            gram = scatter + n * np.outer(mean, mean)
        if np.trace(scatter) <= (n * np.finfo(float).eps) ** 2 * np.trace(gram):
            scatter[:] = 0  # rounding error of the mean of equal rows
        squares, U = np.linalg.eigh(gram)
        B = U * np.sqrt(np.maximum(squares, 0))
        KHK = B.T @ scatter @ B
        eigenvalues, V, n_iter = _solve(
            KHK.__matmul__, B.T @ (X.T @ e), mu, n_components, tol, max_iter
        )
        components = B @ V
    else:

        def product(V):
            return X @ (X.T @ _centred(X @ (X.T @ V)))

        eigenvalues, W, n_iter = _solve(product, X @ (X.T @ e), mu, n_components, tol, max_iter)
        components = X.T @ W
    return eigenvalues, _with_fixed_signs(components), n_iter


def _centred(V):
    return V - V.mean(axis=0)


def _with_fixed_signs(V):
    """Make the entry of largest magnitude of each column positive."""
    largest = V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])]
    return V * np.where(largest < 0, -1.0, 1.0)


def _solve(product, a, mu, n_components, tol, max_iter):
    """Find the leading eigenvectors of P^-1 K H K, with P = a aᵀ + mu I, a = K e.

    `product` multiplies K H K by a matrix. P differs from mu I by a matrix of rank one, so that
    P^-1/2 is known, and the problem becomes the one of the symmetric P^-1/2 K H K P^-1/2.
    """
    n = len(a)
    square = a @ a
    shrink = (1 - np.sqrt(mu / (mu + square))) / square if square > 0 else 0.0

    def inverse_root(V):
        return (V - np.outer(shrink * a, a @ V)) / np.sqrt(mu)

    eigenvalues, V, n_iter = _leading_eigenpairs(
        lambda V: inverse_root(product(inverse_root(V))), n, n_components, tol, max_iter
    )
    # K H K has squared the spectrum: what is smaller than this is rounding error.
    kept = eigenvalues > n * np.finfo(float).eps * max(eigenvalues[0], np.finfo(float).tiny)
    return eigenvalues[kept], inverse_root(V[:, kept]), n_iter


def _leading_eigenpairs(product, n, m, tol, max_iter):
    """Find the m leading eigenpairs of a symmetric positive semi-definite matrix by products.

    A block Krylov method with thick restarts: the Rayleigh-Ritz approximation from a growing
    basis, which is extended by the residuals of the leading Ritz vectors. Where the basis would
    be as large as the matrix, the matrix is formed and decomposed instead.
    """
    width = m + 10  # a wider block needs fewer rounds, and a round hardly costs more
    limit = 10 * width
    if n <= limit:
        S = product(np.eye(n))
        m = min(m, n)
        values, V = scipy.linalg.eigh((S + S.T) / 2, subset_by_index=[n - m, n - 1])
        return values[::-1], V[:, ::-1], 1

    # A start of its own generator, always the same one: the result depends on the data alone.
    block = np.linalg.qr(np.random.RandomState(0).standard_normal((n, width)))[0]
    Q, SQ, T = np.empty((n, 0)), np.empty((n, 0)), np.empty((0, 0))
    history: list[float] = []
    for n_iter in range(1, max_iter + 1):
        S_block = product(block)
        cross = Q.T @ S_block
        T = np.block([[T, cross], [cross.T, block.T @ S_block]])
        Q, SQ = np.hstack([Q, block]), np.hstack([SQ, S_block])
        values, Y = np.linalg.eigh((T + T.T) / 2)
        values, Y = values[::-1], Y[:, ::-1]
        residuals = SQ @ Y[:, :width] - (Q @ Y[:, :width]) * values[:width]
        norms = np.linalg.norm(residuals, axis=0)
        history.append(norms[:m].max())
        # Ten rounds without progress at this level: what is left is rounding error.
        earlier, lately = history[:-10], history[-10:]
        stalled = history[-1] <= 1e-8 * values[0] and earlier and min(lately) > min(earlier) / 2
        if history[-1] <= tol * values[0] or stalled:
            break
        if n_iter == max_iter:
            warnings.warn(
                f"TCA's eigenvectors did not converge in max_iter={max_iter} rounds (residual "
                f"{history[-1] / values[0]:.1e}, tol={tol:.1e}). Raise max_iter, or ask for "
                "fewer components if the leading ones are what matters.",
                ConvergenceWarning,
                stacklevel=2,
            )
            break
        if Q.shape[1] + width > limit:
            Y = Y[:, : 3 * width]
            Q, SQ, T = Q @ Y, SQ @ Y, np.diag(values[: 3 * width])
            Y = np.eye(3 * width)
        block = residuals / np.maximum(norms, np.finfo(float).tiny)
        for _ in range(2):  # once is not enough in floating point
            block = np.linalg.qr(block - Q @ (Q.T @ block))[0]
    return values[:m], Q @ Y[:, :m], n_iter
