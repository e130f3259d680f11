"""Rows in a kernel's feature space, and the directions in which two domains agree there.

The methods of this family that minimise the distance of means, TCA and its kin, all solve one
problem. With K the kernel matrix of the n rows of both domains, H = I - 11ᵀ/n, E a matrix of few
columns each of which takes a difference of two means, and G a diagonal of penalties, W holds the
leading eigenvectors of

    (K E Eᵀ K + mu G)^-1 K H K,

and a row x is mapped to Wᵀ k(x). The methods differ in E and G. The first matrix is diagonal but
for a term of low rank, so that its inverse square root is known, and products with K, or moments
of explicit features, are all that is needed: nothing here decomposes a matrix of all pairs.
"""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

__all__ = [
    "BLOCK_SIZE",
    "FeatureSpace",
    "KernelSpace",
    "class_mean_differences",
    "column_signs",
    "joined",
    "leading_eigenvectors",
    "linear_transfer_components",
    "mean_difference",
    "transfer_components",
]

# Above this many features the matrices of the feature space are dearer than products with X.
_MAX_FEATURE_SPACE = 1000
# Entries of a block of rows that is converted or mapped at a time: 32 MB in double precision.
BLOCK_SIZE = 2**22


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


def class_mean_differences(ys, yt, n_classes):
    """Return the matrix E with Eᵀ X the differences of the domains' means of each class.

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
    E : ndarray of shape (n_s + n_t, n_classes)
        Column c has 1/n_s^c for the source rows and -1/n_t^c for the target rows of class c. Of a
        class that one domain lacks, the other domain's part alone is there.
    """
    classes = np.arange(n_classes)
    source, target = ys[:, None] == classes, yt[:, None] == classes
    return np.vstack(
        [
            source / np.maximum(source.sum(axis=0), 1),
            -(target / np.maximum(target.sum(axis=0), 1)),
        ]
    )


def transfer_components(K, E, n_components, mu=1.0, *, penalty=None, tol=1e-10, max_iter=200):
    """Find the leading eigenvectors of (K E Eᵀ K + mu G)^-1 K H K by products with K.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix of all rows, symmetric. Products are taken in double precision whatever its
        type.
    E : ndarray of shape (n,) or (n, r)
        Differences of means, see `mean_difference`.
    n_components : int
        How many eigenvectors.
    mu : float, default=1.0
        Weight of the penalty on the size of the eigenvectors.
    penalty : ndarray of shape (n,), default=None
        The diagonal of G, positive; None means ones.
    tol, max_iter : float, int
        See `TCA`.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        In descending order; m < n_components where the others are zero.
    W : ndarray of shape (n, m)
        Eigenvectors with Wᵀ (K E Eᵀ K + mu G) W = I. The rows are mapped to K W, whose columns
        have the eigenvalues for their sums of squared deviations from the mean.
    n_iter : int
        Rounds of the eigensolver.
    """
    if np.ptp(K, axis=0).max() <= len(K) * np.finfo(K.dtype).eps * max(K.max(), -K.min()):
        return np.empty(0), np.empty((len(K), 0)), 1  # H K is nothing but rounding error
    scale = _inverse_root(penalty, len(K))

    def product(V):
        return scale * _times(K, _centred(_times(K, scale * V)))

    values, W, n_iter = leading_eigenvectors(
        product, scale * _times(K, _columns(E)), mu, n_components, tol, max_iter
    )
    W = scale * W
    return values, W * column_signs(W), n_iter


def linear_transfer_components(
    X, E, n_components, mu=1.0, *, penalty=None, tol=1e-10, max_iter=200
):
    """Solve the problem of `transfer_components` for K = X Xᵀ without ever forming K.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        All rows.
    E, n_components, mu, penalty, tol, max_iter
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
    return FeatureSpace((X,)).components(
        E, n_components, mu, penalty=penalty, tol=tol, max_iter=max_iter
    )


class KernelSpace:
    """Rows by the kernel matrix of all pairs.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix of all rows.
    """

    def __init__(self, K):
        self.K = K
        self.n_rows = len(K)

    def components(self, E, n_components, mu=1.0, **options):
        """Return `transfer_components` of these rows: eigenvalues, W of shape (n, m), rounds."""
        return transfer_components(self.K, E, n_components, mu, **options)

    def map(self, W):
        """Return the mapped rows K W, of shape (n, m)."""
        return _times(self.K, W)


class FeatureSpace:
    """Rows by features: their own, or those of a map that stands for a kernel.

    Parameters
    ----------
    parts : sequence of {ndarray, sparse array} of shape (n_i, n_features)
        The rows, source first, in as many parts as they happen to be in: they are not joined.
    feature_map : transformer, default=None
        Turns rows into features, block by block; None means that the rows are the features.
    """

    def __init__(self, parts, feature_map=None):
        self.parts = tuple(parts)
        self.feature_map = feature_map
        self.n_rows = sum(part.shape[0] for part in self.parts)

    @cached_property
    def n_features(self):
        """The number of features."""
        if self.feature_map is None:
            return self.parts[0].shape[1]
        return self.feature_map.transform(self.parts[0][:1]).shape[1]

    def blocks(self):
        """Yield the rows' numbers, as slices, and their features in double precision."""
        start = 0
        size = max(1, BLOCK_SIZE // self.n_features)
        for part in self.parts:
            for rows in gen_batches(part.shape[0], size):
                block = part[rows]
                if self.feature_map is not None:
                    block = self.feature_map.transform(block)
                yield (
                    slice(start + rows.start, start + rows.stop),
                    block.astype(np.float64, copy=False),
                )
            start += part.shape[0]

    @cached_property
    def moments(self):
        """Xᵀ X and Xᵀ H X, each of shape (n_features, n_features)."""
        # Sums about a point amid the rows: as a difference of large sums they would be noise.
        d = self.n_features
        about, shift, scatter = None, np.zeros(d), np.zeros((d, d))
        for _, block in self.blocks():
            if scipy.sparse.issparse(block):
                # Centring would fill the rows.
                about = np.zeros(d)
                scatter += (block.T @ block).toarray()
            else:
                if about is None:
                    about = block.mean(axis=0)
                block = block - about
                scatter += block.T @ block
            shift += np.asarray(block.sum(axis=0)).ravel()
        n, shift = self.n_rows, shift / self.n_rows
        scatter -= n * np.outer(shift, shift)
        mean = about + shift
        gram = scatter + n * np.outer(mean, mean)
        if np.trace(scatter) <= (n * np.finfo(float).eps) ** 2 * np.trace(gram):
            scatter[:] = 0  # rounding error of the mean of equal rows
        return gram, scatter

    def penalised_gram(self, penalty=None):
        """Return Xᵀ G^-1 X for the diagonal of G; None means ones."""
        if penalty is None:
            return self.moments[0]
        gram = np.zeros((self.n_features, self.n_features))
        for rows, block in self.blocks():
            scaled = scipy.sparse.diags_array(penalty[rows] ** -0.5) @ block
            product = scaled.T @ scaled
            gram += product.toarray() if scipy.sparse.issparse(product) else product
        return gram

    def sums(self, E):
        """Return Xᵀ E, of shape (n_features, r)."""
        E = _columns(E)
        return sum(block.T @ E[rows] for rows, block in self.blocks())

    @property
    def narrow(self):
        """Whether matrices of all pairs of features are cheaper than products with the rows."""
        if self.feature_map is not None:
            return True
        return self.n_features <= min(self.n_rows, _MAX_FEATURE_SPACE)

    def components(self, E, n_components, mu=1.0, *, penalty=None, tol=1e-10, max_iter=200):
        """Solve `transfer_components` for K = X Xᵀ: eigenvalues, Xᵀ W, rounds."""
        E = _columns(E)
        if self.narrow:
            # The eigenvectors lie in the column space of G^-1/2 X. In its orthonormal basis
            # G^-1/2 X U s^-1, with Xᵀ G^-1 X = U s² Uᵀ, the problem has only n_features unknowns.
            squares, U = np.linalg.eigh(self.penalised_gram(penalty))
            B = U * np.sqrt(np.maximum(squares, 0))
            KHK = B.T @ self.moments[1] @ B
            values, V, n_iter = leading_eigenvectors(
                KHK.__matmul__, B.T @ self.sums(E), mu, n_components, tol, max_iter
            )
            components = B @ V
        else:
            X = joined(self.parts).astype(np.float64, copy=False)
            scale = _inverse_root(penalty, self.n_rows)

            def product(V):
                return scale * (X @ (X.T @ _centred(X @ (X.T @ (scale * V)))))

            values, W, n_iter = leading_eigenvectors(
                product, scale * (X @ (X.T @ E)), mu, n_components, tol, max_iter
            )
            components = X.T @ (scale * W)
        return values, components * column_signs(components), n_iter

    def map(self, components):
        """Return the mapped rows X C, of shape (n, m), for C of shape (n_features, m)."""
        return np.concatenate([block @ components for _, block in self.blocks()])


def joined(parts):
    """Join rows that are in parts."""
    if len(parts) == 1:
        return parts[0]
    if any(scipy.sparse.issparse(part) for part in parts):
        return scipy.sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def _columns(E):
    return E[:, None] if E.ndim == 1 else E


def _centred(V):
    return V - V.mean(axis=0)


def _inverse_root(penalty, n):
    """Return the diagonal of G^-1/2 as a column."""
    return np.ones((n, 1)) if penalty is None else penalty[:, None] ** -0.5


def _times(K, V):
    """Multiply in double precision by a matrix that may be kept in single precision."""
    if K.dtype == np.float64:
        return K @ V
    blocks = gen_batches(len(K), max(1, BLOCK_SIZE // K.shape[1]))
    return np.concatenate([K[rows].astype(np.float64) @ V for rows in blocks])


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


def leading_eigenvectors(product, A, mu, n_components, tol, max_iter):
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
    basis, lengths, _ = scipy.linalg.svd(A, full_matrices=False)
    shrink = np.sqrt(mu / (mu + lengths**2)) - 1

    def inverse_root(V):
        return (V + (basis * shrink) @ (basis.T @ V)) / np.sqrt(mu)

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
