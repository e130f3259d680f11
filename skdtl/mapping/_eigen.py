"""Leading eigenvectors of symmetric matrices by products, where a part of the problem is known."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.linalg
from sklearn.exceptions import ConvergenceWarning

__all__ = ["column_signs", "leading_eigenvectors"]


def column_signs(V):
    """Return the signs that make the entry of largest magnitude of each column positive.

    Parameters
    ----------
    V : ndarray of shape (n, m)

    Returns
    -------
    signs : ndarray of shape (m,)
        1 or -1, for V * signs.
    """
    largest = V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])]
    return np.where(largest < 0, -1.0, 1.0)


def decomposed_directly(n, n_components):
    """Tell whether a matrix of order n that is at hand is decomposed faster than iterated with."""
    return n <= 12 * _width(n_components)


def leading_eigenvectors(product, A, mu, n_components, tol, max_iter, smoothness=None, matrix=None):
    """Find the leading eigenvectors of P^-1 S, with P = A Aᵀ + mu I, by products with S.

    P differs from mu I by a matrix of low rank, so that P^-1/2 is known, and the problem becomes
    the one of the symmetric P^-1/2 S P^-1/2.

    Parameters
    ----------
    product : callable
        Multiplies S, symmetric and positive semi-definite, by a matrix of shape (n, k).
    A : ndarray of shape (n, r)
    mu : float
    n_components, tol, max_iter : int, float, int
        See `TCA`.
    smoothness : ndarray of shape (n, n), default=None
        Symmetric, is added to P, and overwritten; P is factorised as Rᵀ R then.
    matrix : callable, default=None
        Returns S itself, for one that is small enough to be decomposed directly.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        In descending order; m < n_components where the others are zero.
    V : ndarray of shape (n, m)
        Eigenvectors with Vᵀ P V = I.
    n_iter : int
        Rounds of the eigensolver.
    """
    n = len(A)
    if smoothness is None:
        basis, lengths, _ = scipy.linalg.svd(A, full_matrices=False)
        shrink = np.sqrt(mu / (mu + lengths**2)) - 1

        def right(V):
            return (V + (basis * shrink) @ (basis.T @ V)) / np.sqrt(mu)

        left = right
    else:
        smoothness += A @ A.T
        smoothness[np.diag_indices(n)] += mu
        try:  # the transpose of a symmetric matrix has the order of columns that LAPACK wants
            R = scipy.linalg.cholesky(smoothness.T, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError as error:
            raise ValueError(
                f"mu makes a penalty of {mu:.1e}, which is smaller than the rounding error of the "
                "matrix of neighbours that it is added to: raise mu, or lower the weight of the "
                "neighbours."
            ) from error

        def right(V):
            return scipy.linalg.solve_triangular(R, V, check_finite=False)

        def left(V):
            return scipy.linalg.solve_triangular(R, V, trans="T", check_finite=False)

    if matrix is not None and decomposed_directly(n, n_components):
        eigenvalues, V, n_iter = _direct_eigenpairs(left(left(matrix()).T), n_components)
    else:
        eigenvalues, V, n_iter = _leading_eigenpairs(
            lambda V: left(product(right(V))), n, n_components, tol, max_iter
        )
    # K H K has squared the spectrum: what is smaller than this is rounding error.
    kept = eigenvalues > n * np.finfo(float).eps * max(eigenvalues[0], np.finfo(float).tiny)
    return eigenvalues[kept], right(V[:, kept]), n_iter


def _width(m):
    """Return how many vectors a block has: more need fewer rounds, which hardly cost more."""
    return m + 10


def _direct_eigenpairs(S, m):
    n = len(S)
    m = min(m, n)
    values, V = scipy.linalg.eigh((S + S.T) / 2, subset_by_index=[n - m, n - 1])
    return values[::-1], V[:, ::-1], 1


def _leading_eigenpairs(product, n, m, tol, max_iter):
    """Find the m leading eigenpairs of a symmetric positive semi-definite matrix by products.

    A block Krylov method with thick restarts: the Rayleigh-Ritz approximation from a growing
    basis, which is extended by the residuals of the leading Ritz vectors. Where the basis would
    be as large as the matrix, the matrix is formed and decomposed instead.
    """
    width = _width(m)
    limit = 10 * width
    if n <= limit:
        return _direct_eigenpairs(product(np.eye(n)), m)

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
                f"The eigenvectors did not converge in max_iter={max_iter} rounds (residual "
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
