"""What the methods have in common that map rows by their kernel values with the training rows."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections import abc
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.metaestimators import available_if

from .._arrays import all_rows_equal, join_rows
from .._constraints import RANDOM_STATE, Callable, Int, OneOf, Real
from .._mappers import ESTIMATOR, InvertibleMapper, Mapper
from .._parameters import parameter
from .._typing import Estimator, RowsLike
from ..base import Domain
from ..kernels import KERNELS, kernel_gamma, kernel_matrix
from ._feature_space import BLOCK_SIZE, FeatureSpace, KernelSpace
from ._mean_differences import mean_difference
from ._shared_directions import shared_directions


class Directions(NamedTuple):
    """What rows are mapped to, and how it was found."""

    values: np.ndarray  # the eigenvalues, in descending order
    vectors: np.ndarray  # W, or for a FeatureSpace Xᵀ W
    n_iter: int  # rounds of the eigensolver
    # The components' sums of squared deviations, where they are not the eigenvalues.
    squares: np.ndarray | None = None


class KernelMapper(Mapper):
    """Base class of methods that map rows to Wᵀ k(x), k(x) the kernel values of a row.

    A subclass writes ``_find(space, source, target)``, which returns the `Directions` for the rows
    in a `KernelSpace` or `FeatureSpace`.

    Attributes
    ----------
    kernel_map_ : transformer
        With an approximation: scikit-learn's :class:`~sklearn.kernel_approximation.Nystroem` or
        :class:`~sklearn.kernel_approximation.RBFSampler`.
    X_fit_ : ndarray or sparse array of shape (n_s + n_t, n_features)
        For kernels other than "linear", without an approximation: the training rows.
    gamma_ : float
        For "rbf", "poly" and "laplacian": the width.
    n_components_ : int
        The number of directions.
    n_iter_ : int
        Rounds of the eigensolver; 1 where the matrix was small enough to be decomposed directly.

    Raises
    ------
    ValueError
        Where all rows are the same to the kernel.

    Warns
    -----
    ConvergenceWarning
        Where the eigenvectors did not reach `tol` within `max_iter` rounds.
    UserWarning
        Where there are fewer directions than `n_components`.
    """

    n_components: int | None = parameter(
        default=None,
        legal=(None, Int(1)),
        text="""
        How many directions. None means 100, or all that there are; with "linear" and more columns
        than that, fewer where the rows of the two domains vary in unlike directions, see Notes of
        :class:`TCA`. Fewer than asked for are kept, with a warning, where the rows do not span as
        many in the kernel's feature space.
        """,
        kw_only=False,
    )
    kernel: str | abc.Callable = parameter(
        default="linear",
        legal=(OneOf(*KERNELS), Callable()),
        text="""
        "linear" is <x, y>, "rbf" exp(-gamma ‖x - y‖²), "poly" (gamma <x, y> + coef0)^degree and
        "laplacian" exp(-gamma ‖x - y‖₁). A callable takes (X, Y) and returns the symmetric positive
        semi-definite kernel's whole matrix of shape (n, m). "linear" takes time and memory in
        proportion to the number of rows; the others hold the matrix of all pairs.
        """,
    )
    gamma: str | float = parameter(
        default="scale",
        legal=(OneOf("scale", "auto", "median"), Real(0, closed="neither")),
        text="""
        Width of "rbf", "poly" and "laplacian". "scale" is 1 / (n_features * X.var()) over the rows
        of both domains, "auto" 1 / n_features, "median" 1 / (2 m²) with m the median distance
        between two rows, of 2000 rows where there are more. For "laplacian", whose distance is not
        squared, they are 1 / (n_features * X.std()), 1 / n_features and 1 / m. "poly" has no
        "median".
        """,
    )
    degree: int = parameter(default=3, legal=Int(1), text='Exponent of "poly".')
    coef0: float = parameter(default=1.0, legal=Real(), text='Constant of "poly".')
    approximation: str | None = parameter(
        default=None,
        legal=(None, OneOf("nystroem", "fourier")),
        text="""
        Explicit features that stand for the kernel, so that time and memory grow in proportion to
        the number of rows: "nystroem" takes the kernel values with `n_basis` landmarks, rows drawn
        from both domains, for "rbf", "poly" and "laplacian"; "fourier" takes `n_basis` random
        cosines, for "rbf", and takes many more of them to be as near. None computes with the matrix
        of all pairs. "linear" needs none.
        """,
        last=True,
    )
    n_basis: int = parameter(
        default=500,
        legal=Int(1),
        text="How many landmarks, of which there are no more than rows, or random features.",
        last=True,
    )
    random_state: int | np.random.RandomState | None = parameter(
        default=None, legal=RANDOM_STATE, text="Draws landmarks and random features.", last=True
    )
    estimator: Estimator = parameter(default=None, legal=ESTIMATOR, last=True)
    tol: float = parameter(
        default=1e-10,
        legal=Real(0, closed="neither"),
        text="""
        The eigenvectors are accepted when the largest norm of their residuals is at most `tol`
        times the largest eigenvalue.
        """,
        last=True,
    )
    max_iter: int = parameter(
        default=200,
        legal=Int(1),
        text="""
        Rounds of the eigensolver, of one product of the kernel matrix with itself and a block of
        vectors each.
        """,
        last=True,
    )

    _default_components: ClassVar[int] = 100

    @abstractmethod
    def _find(self, space, source: Domain, target: Domain) -> Directions:
        """Return the directions that rows in a `KernelSpace` or `FeatureSpace` are mapped to."""

    def _fit_maps(self, source: Domain, target: Domain):
        space = self._fit_space(source, target)
        W = self._set_components(space, self._find(space, source, target))
        if isinstance(space, FeatureSpace):
            return None
        # The kernel matrix is at hand: nothing needs to be evaluated again.
        return space.map(W)[: len(source)].astype(source.X.dtype, copy=False)

    def _asked_components(self) -> int:
        return self._default_components if self.n_components is None else self.n_components

    def _fit_space(self, source: Domain, target: Domain):
        """Settle the kernel, and return the rows of both domains in its feature space."""
        parts = (source.X,) if target is source else (source.X, target.X)
        if self.approximation is not None:
            self.kernel_map_ = self._fit_kernel_map(parts)
            return FeatureSpace(parts, *self._features())
        if self.kernel == "linear":
            return FeatureSpace(parts)
        self.X_fit_ = join_rows(*parts)
        if not callable(self.kernel):
            self.gamma_ = kernel_gamma(self.X_fit_, self.kernel, self.gamma)
        return KernelSpace(self._kernel_matrix(self.X_fit_), all_rows_equal(self.X_fit_))

    def _fit_kernel_map(self, parts):
        """Fit the features that stand for the kernel."""
        fourier = self.approximation == "fourier"
        allowed = ("rbf",) if fourier else ("rbf", "poly", "laplacian")
        if self.kernel not in allowed:
            raise ValueError(
                f"approximation={self.approximation!r} stands for the kernels {allowed}, but "
                f"kernel={self.kernel!r}."
                + (" The linear kernel needs no approximation." if self.kernel == "linear" else "")
            )
        random = check_random_state(self.random_state)
        landmarks = draw_landmarks(parts, self.n_basis, random).astype(np.float64, copy=False)
        rows = parts if self.gamma == "scale" else landmarks
        kernel: Any = self.kernel  # a name, of those allowed
        self.gamma_ = kernel_gamma(rows, kernel, self.gamma)
        if fourier:
            kernel_map = RBFSampler(
                gamma=self.gamma_, n_components=self.n_basis, random_state=random
            )
        else:
            poly = {"degree": self.degree, "coef0": self.coef0} if self.kernel == "poly" else {}
            kernel_map = Nystroem(
                kernel,
                gamma=self.gamma_,
                n_components=landmarks.shape[0],
                random_state=random,
                **poly,
            )
        # Whatever scikit-learn is configured to return elsewhere.
        return kernel_map.set_output(transform="default").fit(landmarks)

    def _features(self):
        """Return the approximation's features as `FeatureSpace` takes them: a map and a matrix."""
        if self.approximation == "fourier":
            return self.kernel_map_.transform, None
        landmarks = self.kernel_map_.components_
        return partial(self._kernel_matrix, Y=landmarks), self.kernel_map_.normalization_.T

    def _set_components(self, space, found: Directions):
        """Keep what maps rows, in the scale of the mapped rows; return it."""
        values, W, self.n_iter_, squares = found
        n, m = space.n_rows, self._asked_components()
        if not len(values):
            raise ValueError(
                f"All rows of Xs and Xt are the same to the kernel {self.kernel!r} "
                f"(n_samples={n}): there is no direction to map them to."
            )
        if self.n_components is not None and len(values) < m:
            space_name = "kernel's feature space"
            if self.approximation is not None:
                space_name = f"features that stand for the kernel (n_basis={self.n_basis})"
            warnings.warn(
                f"n_components={m}, but Xs and Xt give only {len(values)} directions in the "
                f"{space_name}: that many are kept.",
                UserWarning,
                stacklevel=2,
            )
        self.eigenvalues_ = values
        self.n_components_ = self._n_features_out = len(values)
        squares = values if squares is None else squares
        if self.spectrum == "pca":
            W, squares = W * squares**-0.25, np.sqrt(squares)
        W = W * np.sqrt(n / squares.mean())
        if isinstance(space, FeatureSpace):
            self.components_ = W.T
        else:
            self.eigenvectors_ = W
        return W

    def _check_array_options(self):
        options = super()._check_array_options()
        if self.kernel == "laplacian":
            options["accept_large_sparse"] = False  # nor does scikit-learn's kernel
        return options

    def _map(self, X, domain: str):
        kernel_rows = self.kernel != "linear" and self.approximation is None
        return self._times(X, self.eigenvectors_ if kernel_rows else self.components_.T)

    def _times(self, X, W):
        """Return the rows in the kernel's feature space, X, features or kernel values, times W."""
        if self.kernel == "linear":
            return X @ W.astype(X.dtype, copy=False)
        if self.approximation is not None:
            return FeatureSpace((X,), *self._features()).map(W).astype(X.dtype, copy=False)
        # In blocks: a million rows by a thousand training rows would take 8 GB.
        mapped = np.empty((X.shape[0], W.shape[1]), dtype=X.dtype)
        for rows in gen_batches(X.shape[0], max(1, BLOCK_SIZE // len(W))):
            block = self._kernel_matrix(X[rows], self.X_fit_)
            mapped[rows] = block @ W.astype(block.dtype, copy=False)
        return mapped

    def _kernel_matrix(self, X, Y=None):
        return kernel_matrix(
            X,
            Y,
            self.kernel,
            gamma=getattr(self, "gamma_", 1.0),
            degree=self.degree,
            coef0=self.coef0,
        )


def _is_linear(self) -> bool:
    if self.kernel != "linear":
        raise AttributeError(
            f"{type(self).__name__} leads mapped rows back for kernel='linear' alone: elsewhere in "
            f"the kernel's feature space there need be no row. It has kernel={self.kernel!r}."
        )
    return True


class InvertibleKernelMapper(KernelMapper, InvertibleMapper):
    """Base class of those that map both domains alike, and lead back for the linear kernel.

    A subclass has its differences of means counted by ``_counted``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
        For "linear": rows are mapped to ``X @ components_.T``. With an approximation it has
        `n_basis` columns: rows are mapped to ``kernel_map_.transform(X) @ components_.T``.
    mean_ : ndarray of shape (n_features,)
        For "linear": the mean of the training rows of both domains.
    reconstruction_ : ndarray of shape (n_components_, n_features)
        For "linear": mapped rows are led back to
        ``mean_ + (Z - mean_ @ components_.T) @ reconstruction_``.
    eigenvectors_ : ndarray of shape (n_s + n_t, n_components_)
        For the other kernels: W, one row for each training row, source rows first. Rows are mapped
        to ``k(X, X_fit_) @ W``.
    """

    allowance: float = parameter(
        default=4.0,
        legal=Real(0),
        text="""
        A squared distance of two means counts by what it exceeds this times that of two random
        samples from the same rows: what chance may have made is no shift. With 0 all of it
        counts, as in the paper.
        """,
        last=True,
    )
    spectrum: str = parameter(
        default="pca",
        legal=OneOf("pca", "penalty"),
        text="""
        The components' variances, in proportion to each other. "pca" has the square roots of the
        eigenvalues, which are those of (kernel) PCA where nothing has shifted. "penalty" has the
        eigenvalues themselves, with which all directions are penalised alike, and only
        a few count. The mean of the variances is 1.
        """,
        last=True,
    )

    def _fit_space(self, source: Domain, target: Domain):
        space = super()._fit_space(source, target)
        self._most = self._default_components
        asks = self.n_components is None and self.kernel == "linear"
        if asks and space.n_features > self._most:
            self._most = shared_directions(space, len(source), self._most)
        return space

    def _asked_components(self) -> int:
        return self._most if self.n_components is None else self.n_components

    def _counted(self, space, E):
        """Return the differences of means, each with the share that chance does not explain."""
        E = E[:, None] if E.ndim == 1 else E
        distances = np.maximum(space.squared_lengths(E), np.finfo(float).tiny)
        return E * np.sqrt(self._excess(space, E) / distances)

    def _excess(self, space, E):
        """Return by what the squared distances of means exceed those that chance may make.

        The squared distance of the means of two samples of a and b rows is, by chance alone,
        (1/a + 1/b) times the variance of all rows on average.
        """
        chance = self.allowance * space.variance * (E**2).sum(axis=0)
        return np.maximum(space.squared_lengths(E) - chance, 0)

    def _set_components(self, space, found: Directions):
        W = super()._set_components(space, found)
        if self.kernel == "linear":
            self.mean_, self.reconstruction_ = space.reconstruction(W)
        return W

    @available_if(_is_linear)
    def inverse_transform(self, X: RowsLike, domain: str = "target") -> Any:
        """Lead mapped rows back to the features, as near to the training rows as they allow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Mapped rows.
        domain : {"target", "source"}, default="target"
            The domain that the rows belong to: both are mapped alike.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        return super().inverse_transform(X, domain)

    def _unmap(self, Z, domain: str):
        offset = self.mean_ - self.mean_ @ self.components_.T @ self.reconstruction_
        back = Z @ self.reconstruction_.astype(Z.dtype, copy=False)
        return back + offset.astype(Z.dtype, copy=False)


def mean_spread(Z):
    """Return the root of the mean of the columns' variances, 1 where nothing varies."""
    return float(np.sqrt(np.var(Z, axis=0).mean())) or 1.0


def penalty_unit(space, source: Domain, target: Domain):
    """Return what makes a penalty on W one on the share of a distance of means in rows' lengths.

    As a domain's difference of means e has the squared length 1/n_s + 1/n_t, and K W the mean
    squared length of the rows, both go with a penalty that is to be free of units.
    """
    return (1 / len(source) + 1 / len(target)) * space.mean_square**2


def domain_difference(source: Domain, target: Domain):
    """Return the vector that takes the difference of the domains' means; zeros without a target."""
    if target is source:
        return np.zeros(len(source))
    return mean_difference(len(source), len(target))


def draw_landmarks(parts, n_basis, random):
    """Draw rows from the parts, source and target, as many from each as far as they go.

    Parameters
    ----------
    parts : sequence of {ndarray, sparse array} of shape (n_i, n_features)
        The rows of one or two domains.
    n_basis : int
        How many rows.
    random : RandomState
        Draws them.

    Returns
    -------
    landmarks : ndarray or sparse array of shape (min(n_basis, n), n_features)
    """
    sizes = [part.shape[0] for part in parts]
    quotas = [min(n_basis, sizes[0])]
    if len(sizes) == 2:
        second = min(sizes[1], max(n_basis // 2, n_basis - sizes[0]))
        quotas = [min(sizes[0], n_basis - second), second]
    drawn = [np.sort(random.permutation(n)[:quota]) for n, quota in zip(sizes, quotas)]
    return join_rows(*(part[rows] for part, rows in zip(parts, drawn)))
