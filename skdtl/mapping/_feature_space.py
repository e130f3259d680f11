"""Rows in a kernel's feature space, and the directions in which two domains agree there.

The methods of this family that minimise the distance of means, TCA and its kin, all solve one
problem. With K the kernel matrix of the n rows of both domains, H = I - 11ᵀ/n, E a matrix of few
columns each of which takes a difference of two means, and G a diagonal of penalties, W holds the
leading eigenvectors of

    (K E Eᵀ K + mu G)^-1 K H K,

and a row x is mapped to Wᵀ k(x). The methods differ in E and G. The first matrix is diagonal but
for a term of low rank, so that its inverse square root is known, and products with K, or moments
of explicit features, are all that is needed: nothing here decomposes a matrix of all pairs.

Two further terms are possible: labels F among the rows' scatter, K H (s I + F Fᵀ) H K, and a sparse
matrix N of neighbours, K (E Eᵀ + N) K + mu G, for which alone a matrix of all pairs is factorised.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.utils import gen_batches

from .._arrays import all_rows_equal, dense, join_rows, rounding, sum_of_squares
from ._eigen import column_signs, decomposed_directly, leading_eigenvectors

__all__ = [
    "BLOCK_SIZE",
    "FeatureSpace",
    "KernelSpace",
    "linear_transfer_components",
    "transfer_components",
]

# Above this many features the matrices of the feature space are dearer than products with X.
_MAX_FEATURE_SPACE = 1000
# Above this many rows the matrix of their pairs takes more memory than is worth it.
_MAX_PAIRS = 4096
# Entries of a block of rows that is converted or mapped at a time: 32 MB in double precision.
BLOCK_SIZE = 2**22


def transfer_components(
    K,
    E,
    n_components,
    mu=1.0,
    *,
    penalty=None,
    labels=None,
    spread=1.0,
    neighbours=None,
    tol=1e-10,
    max_iter=200,
    scatter=None,
):
    """Find the leading eigenvectors of (K E Eᵀ K + mu G)^-1 K H K by products with K.

    With labels F and neighbours N they are those of
    (K (E Eᵀ + N) K + mu G)^-1 K H (spread I + F Fᵀ) H K.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix of all rows, symmetric. Products are taken in double precision whatever its
        type.
    E : ndarray of shape (n,) or (n, r)
        Differences of means, as `skdtl.mapping.tca.mean_difference` makes them.
    n_components : int
        How many eigenvectors.
    mu : float, default=1.0
        Weight of the penalty on the size of the eigenvectors.
    penalty : ndarray of shape (n,), default=None
        The diagonal of G, positive; None means ones.
    labels : ndarray of shape (n, r), default=None
        F; None means zeros.
    spread : float, default=1.0
        Weight of the rows' scatter beside the labels.
    neighbours : sparse array of shape (n, n), default=None
        N, symmetric and positive semi-definite, with N 1 = 0; None means zeros. With it a matrix
        of all pairs is factorised.
    tol, max_iter : float, int
        See `TCA`.
    scatter : callable, default=None
        Returns K H K, which several problems may share. None means that it is computed.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        In descending order; m < n_components where the others are zero.
    W : ndarray of shape (n, m)
        Eigenvectors with Wᵀ P W = I, P the matrix that is inverted. The rows are mapped to K W,
        whose columns have, without labels, the eigenvalues for their sums of squared deviations
        from the mean.
    n_iter : int
        Rounds of the eigensolver.
    """
    error = len(K) * np.finfo(K.dtype).eps * abs(K.diagonal()).max()
    # The first row tells rows apart in most cases, at next to no cost.
    if np.ptp(K[0]) <= error and np.ptp(K, axis=0).max() <= error:
        return _no_components(len(K))  # H K is nothing but rounding error
    scale = np.ones((1, 1)) if penalty is None else _inverse_root(penalty)

    def product(V):
        return scale * _times(K, _scattered(_times(K, scale * V), labels, spread))

    def matrix():
        S = _kernel_scatter(K) if scatter is None else scatter()
        if labels is not None:
            sums = _times(K, _centred(labels))
            S = spread * S + sums @ sums.T
        return scale * S * scale.T

    smoothness = None
    if neighbours is not None:
        smoothness = _times(K, neighbours @ K)
        if penalty is not None:
            smoothness *= scale * scale.T
    values, W, n_iter = leading_eigenvectors(
        product,
        scale * _times(K, _columns(E)),
        mu,
        n_components,
        tol,
        max_iter,
        smoothness,
        matrix,
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
    constant : bool, default=False
        Whether all rows are equal, which a kernel's rounding may hide.
    """

    def __init__(self, K, constant=False):
        self.K = K
        self.constant = constant
        self.n_rows = len(K)

    def components(self, E, n_components, mu=1.0, **options):
        """Return `transfer_components` of these rows: eigenvalues, W of shape (n, m), rounds."""
        if self.constant:
            return _no_components(self.n_rows)
        options["scatter"] = lambda: self._scatter
        return transfer_components(self.K, E, n_components, mu, **options)

    @cached_property
    def _scatter(self):  # all rounds of a method with several share it
        return _kernel_scatter(self.K)

    @property
    def mean_square(self):
        """The mean of the rows' squared lengths."""
        return float(np.trace(self.K, dtype=np.float64)) / self.n_rows

    @cached_property
    def variance(self):
        """The mean of the rows' squared distances from their mean."""
        mean = self.K.mean(dtype=np.float64)
        return max(0.0, self.mean_square - float(mean))

    def squared_lengths(self, E):
        """Return the squared lengths of the differences of means, of shape (r,)."""
        return np.maximum(np.einsum("ij,ij->j", E, _times(self.K, E)), 0)

    def coefficients(self, W, values, E, mu=1.0, penalty=None):
        """Return W, the rows' coefficients, whatever the problem was."""
        return W

    def map(self, W):
        """Return the mapped rows K W, of shape (n, m)."""
        return _times(self.K, W)


class FeatureSpace:
    """Rows by features: their own, or those of a map that stands for a kernel.

    Parameters
    ----------
    parts : sequence of {ndarray, sparse array} of shape (n_i, n_features)
        The rows, source first, in as many parts as they happen to be in: they are not joined.
    feature_map : callable, default=None
        Turns rows into features, block by block; None means that the rows are the features.
    mixing : ndarray of shape (n_mapped, n_features), default=None
        The features are those of `feature_map` times this matrix. Where a product with few columns
        is wanted it is applied to the columns, which is cheaper than to the rows.
    error : float, default=0.0
        The error that the rows come with, as a share of their lengths.
    constant : bool, default=None
        Whether all rows are equal, but for this error. None means that the rows tell.
    """

    def __init__(self, parts, feature_map=None, mixing=None, *, error=0.0, constant=None):
        self.parts = tuple(parts)
        self.feature_map = feature_map
        self.mixing = mixing
        self.error = error
        if constant is not None:
            self.constant = constant
        self.n_rows = sum(part.shape[0] for part in self.parts)

    @cached_property
    def constant(self):
        """Whether all rows are equal."""
        return all_rows_equal(*self.parts)

    @cached_property
    def n_features(self):
        """The number of features."""
        if self.mixing is not None:
            return self.mixing.shape[1]
        first = self.parts[0][:1]
        return (first if self.feature_map is None else self.feature_map(first)).shape[1]

    def blocks(self, mixed=True):
        """Yield the rows' numbers, as slices, and their features in double precision."""
        start = 0
        for part in self.parts:
            for rows in gen_batches(part.shape[0], self._block_length(part)):
                # Features of rows in single precision are computed in double precision, too: a map
                # may divide by small numbers.
                block = part[rows].astype(np.float64, copy=False)
                if self.feature_map is not None:
                    block = self.feature_map(block)
                if mixed and self.mixing is not None:
                    block = block @ self.mixing
                yield slice(start + rows.start, start + rows.stop), block
            start += part.shape[0]

    def _block_length(self, part):
        """Return how many rows at a time become features."""
        if not scipy.sparse.issparse(part):
            return max(1, BLOCK_SIZE // max(part.shape[1], self.n_features))
        if self.feature_map is None:
            return part.shape[0]  # they stay sparse: nothing is gained by cutting them
        return max(1, BLOCK_SIZE // self.n_features)

    @property
    def moments(self):
        """Xᵀ X and Xᵀ H X, each of shape (n_features, n_features)."""
        return self._moments[:2]

    @property
    def noise(self):
        """What of the trace of Xᵀ H X, or of a part of it, may be rounding error."""
        return self._moments[2]

    @cached_property
    def _moments(self):
        # Sums about a point amid the rows: as a difference of large sums they would be noise.
        # Centring would fill sparse rows.
        d, mixed_squares = self.n_features, 0.0
        sparse = self.feature_map is self.mixing is None and any(
            scipy.sparse.issparse(part) for part in self.parts
        )
        about, shift, scatter = np.zeros(d), np.zeros(d), np.zeros((d, d))
        for rows, block in self.blocks(mixed=False):
            if self.mixing is not None:
                mixed_squares += sum_of_squares(block)
                block = block @ self.mixing
            if not sparse:
                if rows.start == 0:
                    about = block.mean(axis=0)
                block = block - about
            scatter += dense(block.T @ block)
            shift += np.asarray(block.sum(axis=0)).ravel()
        n, shift = self.n_rows, shift / self.n_rows
        scatter -= n * np.outer(shift, shift)
        mean = about + shift
        gram = scatter + n * np.outer(mean, mean)
        # What equal rows leave: the rounding error of their mean, squared if they were centred,
        # the one that they came with, and that of sums with the mixing, whose entries may be large.
        eps = np.finfo(float).eps
        noise = ((n * eps) ** (2 if about.any() else 1) + self.error**2) * np.trace(gram)
        if self.mixing is not None:
            noise += len(self.mixing) * (eps * np.linalg.norm(self.mixing)) ** 2 * mixed_squares
        if self.constant or np.trace(scatter) <= noise:
            scatter[:] = 0
        return gram, scatter, noise

    @cached_property
    def mean_square(self):
        """The mean of the rows' squared lengths."""
        if self.narrow:
            return float(np.trace(self.moments[0])) / self.n_rows
        return sum(sum_of_squares(block) for _, block in self.blocks()) / self.n_rows

    @cached_property
    def variance(self):
        """The mean of the rows' squared distances from their mean."""
        if self.narrow:
            return float(np.trace(self.moments[1])) / self.n_rows
        mean = self.sums(np.full(self.n_rows, 1 / self.n_rows))
        return max(0.0, self.mean_square - float(np.vdot(mean, mean)))

    def squared_lengths(self, E):
        """Return the squared lengths of the differences of means, of shape (r,)."""
        return (self.sums(E) ** 2).sum(axis=0)

    def penalised_gram(self, penalty=None):
        """Return Xᵀ G^-1 X for the diagonal of G; None means ones."""
        if penalty is None:
            return self.moments[0]
        gram, scale = np.zeros((self.n_features, self.n_features)), _inverse_root(penalty)
        for rows, block in self.blocks():
            if scipy.sparse.issparse(block):
                block = scipy.sparse.diags_array(scale[rows, 0]) @ block
                gram += (block.T @ block).toarray()
            else:
                block = scale[rows] * block
                gram += block.T @ block
        return gram

    def sums(self, E):
        """Return Xᵀ E, of shape (n_features, r)."""
        E = _columns(E)
        sums = sum(block.T @ E[rows] for rows, block in self.blocks(mixed=False))
        return sums if self.mixing is None else self.mixing.T @ sums

    def rows(self, numbers):
        """Return the features of some rows, by their numbers in ascending order."""
        ends = np.cumsum([part.shape[0] for part in self.parts])
        chosen = np.split(numbers, np.searchsorted(numbers, ends[:-1]))
        starts = ends - [part.shape[0] for part in self.parts]
        found = join_rows(
            *(part[rows - start] for part, rows, start in zip(self.parts, chosen, starts))
        )
        found = found.astype(np.float64, copy=False)
        if self.feature_map is not None:
            found = self.feature_map(found)
        return found if self.mixing is None else found @ self.mixing

    def gram(self, numbers):
        """Return the products of some rows, by their numbers in ascending order."""
        if len(numbers) == self.n_rows <= min(self.n_features, _MAX_PAIRS):
            return self._pairs.K
        X = self.rows(numbers)
        return dense(X @ X.T)

    def smoothness(self, neighbours):
        """Return Xᵀ N X for a sparse N with N 1 = 0: block by block, with the rows' neighbours."""
        d, neighbours = self.n_features, scipy.sparse.csr_array(neighbours)
        total, about = np.zeros((d, d)), None
        # A block has several times as many neighbours as rows.
        size = max(1, BLOCK_SIZE // (d * (1 + neighbours.nnz // self.n_rows)))
        for block in gen_batches(self.n_rows, size):
            weights = neighbours[block]
            own = np.arange(self.n_rows)[block]
            found = np.union1d(weights.indices, own)
            near = self.rows(found)
            if not scipy.sparse.issparse(near):
                # N X does not change by an offset, but its rounding error does.
                about = near[0] if about is None else about
                near = near - about
            product = near[np.searchsorted(found, own)].T @ (weights[:, found] @ near)
            total += dense(product)
        return (total + total.T) / 2

    @property
    def narrow(self):
        """Whether matrices of all pairs of features are cheaper than products with the rows."""
        if self.feature_map is None:
            return self.n_features <= min(self.n_rows, _MAX_FEATURE_SPACE)
        # A product with the rows would evaluate the map once more.
        return self.n_features <= max(self.n_rows, _MAX_FEATURE_SPACE)

    def _unknowns(self, penalty=None):
        """Return what leads from the unknowns of `components` to components: U s."""
        squares, U = np.linalg.eigh(self.penalised_gram(penalty))
        return U * np.sqrt(np.maximum(squares, 0))

    @cached_property
    def _unpenalised_unknowns(self):  # all rounds of a method with several share them
        return self._unknowns()

    def components(
        self,
        E,
        n_components,
        mu=1.0,
        *,
        penalty=None,
        labels=None,
        spread=1.0,
        neighbours=None,
        tol=1e-10,
        max_iter=200,
    ):
        """Solve `transfer_components` for K = X Xᵀ: eigenvalues, Xᵀ W, rounds."""
        E = _columns(E)
        if self.narrow or (neighbours is not None and self.n_features <= self.n_rows):
            # The eigenvectors lie in the column space of G^-1/2 X. In its orthonormal basis
            # G^-1/2 X U s^-1, with Xᵀ G^-1 X = U s² Uᵀ, the problem has only n_features unknowns.
            scatter = self.moments[1]
            if not scatter.any():
                return _no_components(self.n_features)
            B = self._unpenalised_unknowns if penalty is None else self._unknowns(penalty)
            if labels is not None:
                sums = self.sums(_centred(labels))
                scatter = spread * scatter + sums @ sums.T
            KHK = B.T @ scatter @ B
            smoothness = None if neighbours is None else B.T @ self.smoothness(neighbours) @ B
            values, V, n_iter = leading_eigenvectors(
                KHK.__matmul__,
                B.T @ self.sums(E),
                mu,
                n_components,
                tol,
                max_iter,
                smoothness,
                lambda: KHK,
            )
            components = B @ V
            return values, components * column_signs(components), n_iter
        if self.constant or self._rounded_away():
            return _no_components(self.n_features)
        if neighbours is not None or self._pairs_are_fewer(n_components):
            values, W, n_iter = self._pairs.components(
                E,
                n_components,
                mu,
                penalty=penalty,
                labels=labels,
                spread=spread,
                neighbours=neighbours,
                tol=tol,
                max_iter=max_iter,
            )
            components = self.sums(W)
        else:
            scale = 1.0 if penalty is None else _inverse_root(penalty)

            def times_gram(V):
                return self.map(self.sums(V))

            def product(V):
                Z = _scattered(times_gram(scale * V), labels, spread)
                return scale * times_gram(Z)

            values, W, n_iter = leading_eigenvectors(
                product, scale * times_gram(E), mu, n_components, tol, max_iter
            )
            components = self.sums(scale * W)
        return values, components * column_signs(components), n_iter

    def _pairs_are_fewer(self, n_components):
        """Tell whether the matrix of all pairs of rows is cheaper than products with the rows."""
        if self.n_rows > min(self.n_features, _MAX_PAIRS):
            return False
        sparse = any(scipy.sparse.issparse(part) for part in self.parts)
        return not sparse or decomposed_directly(self.n_rows, n_components)

    @cached_property
    def _pairs(self):
        X = join_rows(*(block for _, block in self.blocks()))
        return KernelSpace(dense(X @ X.T))

    def _rounded_away(self):
        """Tell whether the feature map leaves nothing but rounding error between rows."""
        if self.feature_map is None:
            return False
        ends = [(block.min(axis=0), block.max(axis=0)) for _, block in self.blocks(mixed=False)]
        lows, highs = (np.array(side) for side in zip(*ends))
        ranges = highs.max(axis=0) - lows.min(axis=0)
        return ranges.max() <= rounding(self.parts[0].shape[1]) * max(highs.max(), -lows.min())

    def coefficients(self, components, values, E, mu=1.0, penalty=None):
        """Return W, of shape (n, m), for components Xᵀ W and eigenvalues of `components`.

        They solve K H K W = (K E Eᵀ K + mu G) W diag(values), which is solved for the W after G.
        """
        if self.narrow:
            scattered = self.moments[1] @ components
        else:
            scattered = self.sums(_centred(self.map(components)))
        scattered, sums = scattered / values, self.sums(E)
        W = self.map((scattered - sums @ (sums.T @ components)) / mu)
        return W if penalty is None else W / penalty[:, None]

    def reconstruction(self, components):
        """Return the rows' mean and the B with the least squares of H X - H X C B."""
        if self.narrow:
            shared = components.T @ self.moments[1]
        else:
            shared = self.sums(_centred(self.map(components))).T
        B = scipy.linalg.pinvh(shared @ components) @ shared
        return self.sums(np.full(self.n_rows, 1 / self.n_rows)).ravel(), B

    def map(self, components):
        """Return the mapped rows X C, of shape (n, m), for C of shape (n_features, m)."""
        if self.mixing is not None:
            components = self.mixing @ components
        mapped = np.empty((self.n_rows, components.shape[1]))
        for rows, block in self.blocks(mixed=False):
            mapped[rows] = block @ components
        return mapped


def _kernel_scatter(K):
    """Return K H K."""
    return _times(K, _centred(K.astype(np.float64, copy=False)))


def _no_components(n):
    return np.empty(0), np.empty((n, 0)), 1


def _columns(E):
    return E[:, None] if E.ndim == 1 else E


def _centred(V):
    return V - V.mean(axis=0)


def _scattered(V, labels, spread):
    """Return H (spread I + F Fᵀ) H V."""
    V = _centred(V)
    if labels is None:
        return V
    return _centred(spread * V + labels @ (labels.T @ V))


def _inverse_root(penalty):
    """Return the diagonal of G^-1/2 as a column."""
    return penalty[:, None] ** -0.5


def _times(K, V):
    """Multiply in double precision by a symmetric matrix that may be kept in single precision."""
    # As (Vᵀ K)ᵀ, for which BLAS takes two thirds of the time that it takes for K V.
    if K.dtype == np.float64:
        return (V.T @ K).T
    blocks = gen_batches(len(K), max(1, BLOCK_SIZE // K.shape[1]))
    return sum(V[rows].T @ K[rows].astype(np.float64) for rows in blocks).T
