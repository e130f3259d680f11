"""Joint geometrical and statistical alignment (Zhang, Li and Ogunbona, 2017)."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.linalg
from scipy.sparse import issparse
from sklearn.neighbors import KNeighborsClassifier

from .._params import Real
from ..base import Domain
from ._kernel_mapper import KernelMapper
from ._pseudo_labels import PseudoLabelMapper
from ._spaces import (
    FeatureSpace,
    KernelSpace,
    _solve,
    _with_fixed_signs,
    class_mean_differences,
    joined,
    mean_difference,
)

__all__ = ["JGSA", "CoupledProblem", "joint_mean_differences", "kernel_coordinates"]


def joint_mean_differences(ys, yt, n_classes):
    """Return the matrix E with M = E Eᵀ, the sum of the domains' differences of means squared.

    Parameters
    ----------
    ys : ndarray of shape (n_s,), int
        Classes 0, 1, ... of the source rows.
    yt : ndarray of shape (n_t,), int
        Classes of the target rows, known or assumed; -1 for none.
    n_classes : int
        How many classes there are.

    Returns
    -------
    E : ndarray of shape (n_s + n_t, 1 + n_classes)
        The difference of all rows' means, with the weight `n_classes`, then that of each class.
        All are divided by the Frobenius norm of the first one's own matrix,
        n_classes (1/n_s + 1/n_t). Of a class that one domain lacks, the other domain's part alone
        is there.
    """
    n_s, n_t = len(ys), len(yt)
    marginal = np.sqrt(n_classes) * mean_difference(n_s, n_t)
    E = np.column_stack([marginal, class_mean_differences(ys, yt, n_classes)])
    return E / np.sqrt(n_classes * (1 / n_s + 1 / n_t))


class CoupledProblem:
    """The pair of maps that separates the source's classes, spreads the target and is coupled.

    Columns (a; b) are the leading eigenvectors of the pair of matrices of order 2 d ::

        [ beta S_b      0     ]     [ lam I + beta S_w       -lam I       ]
        [    0       mu S_t   ],    [     -lam I         (lam + mu) I     ] + F Fᵀ.

    Everything but F, which changes with the target's pseudo-labels, is dealt with once: in the
    eigenvectors of S_w the second matrix without F Fᵀ consists of d blocks of order 2, whose
    Cholesky factors are known. What F Fᵀ adds is of low rank.

    Parameters
    ----------
    within : ndarray of shape (d, d)
        S_w, the sum over the source's classes of their scatter.
    between : ndarray of shape (d, r)
        A factor of S_b = between betweenᵀ.
    target : ndarray of shape (d, d)
        S_t, the target's scatter.
    lam, mu, beta : float
        See `JGSA`.
    """

    def __init__(self, within, between, target, lam=1.0, mu=1.0, beta=0.1):
        spread, self._axes = scipy.linalg.eigh(within)
        spread = beta * np.maximum(spread, 0)[:, None]
        self._between = np.sqrt(beta) * (self._axes.T @ between)
        self._target = mu * (self._axes.T @ target @ self._axes)
        # Of [lam + s, -lam; -lam, lam + mu] the lower factor, without a difference that cancels.
        self._first = np.sqrt(lam + spread)
        self._cross = -lam / self._first
        self._second = np.sqrt(mu + lam * spread / (lam + spread))

    def components(self, F_s, F_t, n_components, *, tol=1e-10, max_iter=200):
        """Find the leading eigenvectors.

        Parameters
        ----------
        F_s, F_t : ndarray of shape (d, r)
            The upper and lower half of F: differences of means, the source's and the target's part.
        n_components : int
            How many eigenvectors.
        tol, max_iter : float, int
            See `JGSA`.

        Returns
        -------
        eigenvalues : ndarray of shape (m,)
            In descending order; m < n_components where the others are zero.
        A, B : ndarray of shape (d, m)
            The maps of the source and of the target, a column (a; b) of both of length 1.
        n_iter : int
            Rounds of the eigensolver.
        """
        d = len(F_s)

        def product(V):
            a, b = self._halves(V)
            return self._stacked(self._between @ (self._between.T @ a), self._target @ b)

        F = self._stacked(self._axes.T @ F_s, self._axes.T @ F_t)
        values, V, n_iter = _solve(product, F, 1.0, n_components, tol, max_iter)
        a, b = self._halves(V)
        AB = np.vstack([self._axes @ a, self._axes @ b])
        AB = _with_fixed_signs(AB / np.linalg.norm(AB, axis=0))
        return values, AB[:d], AB[d:], n_iter

    def _halves(self, V):
        """Multiply by the inverse of the transposed Cholesky factor: (a; b), in the axes."""
        first, second = np.split(V, 2)
        b = second / self._second
        return (first - self._cross * b) / self._first, b

    def _stacked(self, a, b):
        """Multiply (a; b) by the inverse of the Cholesky factor."""
        a = a / self._first
        return np.vstack([a, (b - self._cross * a) / self._second])


def kernel_coordinates(K, *, centred):
    """Return the rows of a kernel matrix in an orthonormal basis of their span.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix, symmetric and positive semi-definite.
    centred : bool
        Whether the origin is moved to the mean of the rows.

    Returns
    -------
    coordinates : ndarray of shape (n, r)
        Rows with the inner products K, or H K H with H = I - 11ᵀ/n; r is the rank.
    basis : ndarray of shape (n, r)
        A row with the kernel values k has the coordinates kᵀ basis, or with the moved origin
        (k - K 1/n)ᵀ basis.
    """
    resolution = len(K) * np.finfo(K.dtype).eps
    K = K.astype(np.float64)
    largest = np.abs(K).max()
    if centred:
        K -= K.mean(axis=0)
        K -= K.mean(axis=1)[:, None]
    values, U = scipy.linalg.eigh(K)
    kept = values > resolution * max(values[-1], largest * resolution)
    roots = np.sqrt(values[kept])
    return U[:, kept] * roots, U[:, kept] / roots


class _Rounds(NamedTuple):
    """What all rounds have in common."""

    source: FeatureSpace
    target: FeatureSpace
    origin: np.ndarray  # in the coordinates that the problem is in
    basis: np.ndarray | None  # from these coordinates to those of the maps; None if the same
    problem: CoupledProblem


class JGSA(PseudoLabelMapper, KernelMapper):
    """Map each domain by its own map, such that classes separate in the source and meet in both.

    TODO
    """

    _params: ClassVar[dict[str, Any]] = {
        **KernelMapper._params,
        **PseudoLabelMapper._params,
        "lam": Real(0, closed="neither"),
        "mu": Real(0, closed="neither"),
        "beta": Real(0),
    }

    def __init__(
        self,
        n_components=None,
        *,
        kernel="linear",
        gamma="scale",
        degree=3,
        coef0=1.0,
        lam=1.0,
        mu=1.0,
        beta=0.1,
        n_rounds=10,
        approximation=None,
        n_basis=500,
        random_state=None,
        estimator=None,
        tol=1e-10,
        max_iter=200,
        verbose=0,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.lam = lam
        self.mu = mu
        self.beta = beta
        self.n_rounds = n_rounds
        self.approximation = approximation
        self.n_basis = n_basis
        self.random_state = random_state
        self.estimator = estimator
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose

    def _asked_components(self):
        return 30 if self.n_components is None else self.n_components

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        super()._fit_maps(source, target)
        if self.n_components is not None and self.n_components_ < self.n_components:
            warnings.warn(
                f"n_components={self.n_components}, but the classes of Xs and the rows of Xt vary "
                f"in only {self.n_components_} directions: that many are kept.",
                UserWarning,
                stacklevel=2,
            )

    def _first_labels(self, source: Domain, target: Domain):
        model = KNeighborsClassifier(1).fit(source.X, source.y)
        return model.predict(target.X)

    def _start(self, source: Domain, target: Domain):
        space = self._fit_space(source, target)
        n, moved = space.n_rows, self.kernel != "linear"
        basis, feature_map = None, None
        if isinstance(space, KernelSpace):
            self.origin_ = space.K.mean(axis=0)
            rows, basis = kernel_coordinates(space.K, centred=True)
        elif space.feature_map is None and space.n_features > n:
            X = joined(space.parts).astype(np.float64, copy=False)
            K = X @ X.T
            rows, U = kernel_coordinates(K.toarray() if issparse(K) else K, centred=False)
            basis = X.T @ U
        else:
            feature_map = space.feature_map
            if moved:
                self.origin_ = space.sums(np.full(n, 1 / n)).ravel()
        if basis is None:
            parts = space.parts
            origin = self.origin_ if moved else np.zeros(space.n_features)
        else:
            parts = [rows] if target is source else np.split(rows, [len(source)])
            origin = np.zeros(rows.shape[1])
        spaces = [FeatureSpace((part,), feature_map) for part in parts]
        problem = self._problem(spaces[0], spaces[-1], source.y)
        return _Rounds(spaces[0], spaces[-1], origin, basis, problem)

    def _problem(self, source, target, ys):
        counts = np.bincount(ys, minlength=len(self.classes_))
        means = source.sums((ys[:, None] == np.arange(len(counts))) / counts)
        between = (means - (means @ (counts / len(ys)))[:, None]) * np.sqrt(counts)
        within = source.moments[1] - between @ between.T
        scales = self.lam, self.mu, self.beta
        return CoupledProblem(within, between, target.moments[1], *scales)

    def _fit_round(self, state, source, target, labels):
        E = joint_mean_differences(source.y, labels, len(self.classes_))
        E_s, E_t = E[: len(source)], E[len(source) :]
        values, A, B, self.n_iter_ = state.problem.components(
            state.source.sums(E_s) - np.outer(state.origin, E_s.sum(axis=0)),
            state.target.sums(E_t) - np.outer(state.origin, E_t.sum(axis=0)),
            self._asked_components(),
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if not len(values):
            raise ValueError("TODO")
        Zs, Zt = state.source.map(A) - state.origin @ A, state.target.map(B) - state.origin @ B
        c = 1 / np.concatenate([Zs[:, 0], Zt[:, 0]]).std()
        if state.basis is not None:
            A, B = state.basis @ A, state.basis @ B
        self.eigenvalues_ = values
        self.n_components_ = self._n_features_out = len(values)
        self.source_components_, self.target_components_ = c * A.T, c * B.T
        return c * Zs, c * Zt

    def _map(self, X, domain: str):
        W = self.source_components_.T if domain == "source" else self.target_components_.T
        Z = self._times(X, W)
        return Z if self.kernel == "linear" else Z - (self.origin_ @ W).astype(Z.dtype)
