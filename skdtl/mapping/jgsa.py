"""Joint geometrical and statistical alignment (Zhang, Li and Ogunbona, 2017)."""

from __future__ import annotations

import warnings
from collections import abc
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from sklearn.neighbors import KNeighborsClassifier

from .._arrays import all_rows_equal, dense, join_rows, rounding
from .._constraints import Int, OneOf, Real
from .._parameters import parameter
from ..base import Domain
from ._eigen import column_signs, leading_eigenvectors
from ._feature_space import FeatureSpace, KernelSpace
from ._kernel_mapper import KernelMapper, mean_spread
from ._mean_differences import class_mean_differences, mean_difference
from ._pseudo_labels import PseudoLabelMapper

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
        self._common = np.sqrt(mu + spread)
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
        values, V, n_iter = leading_eigenvectors(product, F, 1.0, n_components, tol, max_iter)
        a, b = self._halves(V)
        AB = np.vstack([self._axes @ a, self._axes @ b])
        AB /= np.linalg.norm(AB, axis=0)
        return values, AB[:d], AB[d:], n_iter

    def common_components(self, n_components, *, tol=1e-10, max_iter=200):
        """Find one map for both domains where F adds nothing, as in a source that is the target.

        Its columns are the leading eigenvectors of (mu I + beta S_w)^-1 (beta S_b + mu S_t), the
        limit of the problem for lam → ∞.

        Parameters
        ----------
        n_components, tol, max_iter : int, float, int
            As for `components`.

        Returns
        -------
        eigenvalues : ndarray of shape (m,)
        A : ndarray of shape (d, m)
            The map, with columns of length 1.
        n_iter : int
            Rounds of the eigensolver.
        """

        def product(V):
            V = V / self._common
            return (self._between @ (self._between.T @ V) + self._target @ V) / self._common

        nothing = np.zeros((len(self._axes), 1))
        values, V, n_iter = leading_eigenvectors(product, nothing, 1.0, n_components, tol, max_iter)
        A = self._axes @ (V / self._common)
        return values, A / np.linalg.norm(A, axis=0), n_iter

    def _halves(self, V):
        """Multiply by the inverse of the transposed Cholesky factor: (a; b), in the axes."""
        first, second = np.split(V, 2)
        b = second / self._second
        return (first - self._cross * b) / self._first, b

    def _stacked(self, a, b):
        """Multiply (a; b) by the inverse of the Cholesky factor."""
        a = a / self._first
        return np.vstack([a, (b - self._cross * a) / self._second])


def mean_scatter(S_s, S_t):
    """Return in how many directions the rows vary, and a domain's scatter in one, on average.

    Parameters
    ----------
    S_s, S_t : ndarray of shape (d, d)
        The scatters of both domains.

    Returns
    -------
    n_directions : int
        Directions in which the rows of either domain vary, at least 1.
    scatter : float
        The mean of both domains' traces over this number; 1 where nothing varies.
    """
    traces = np.trace(S_s), np.trace(S_t)
    shares = (S / max(trace, np.finfo(float).tiny) for S, trace in zip((S_s, S_t), traces))
    values = scipy.linalg.eigvalsh(sum(shares))
    n_directions = max(1, np.count_nonzero(values > rounding(len(values)) * values[-1]))
    return n_directions, float(np.mean(traces) / n_directions) or 1.0


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
    largest = np.abs(K).max()  # what centring leaves of it may be rounding error
    if centred:
        K -= K.mean(axis=0)
        K -= K.mean(axis=1)[:, None]
    values, U = scipy.linalg.eigh(K)
    kept = values > resolution * max(values[-1], largest)
    U, roots = U[:, kept], np.sqrt(values[kept])
    if centred:
        # Exactly, they are; in the directions of small values not closely enough.
        U -= U.mean(axis=0)
    return U * roots, U / roots


class _Rounds(NamedTuple):
    """What all rounds have in common."""

    source: FeatureSpace
    target: FeatureSpace
    origin: np.ndarray  # in the coordinates that the problem is in
    basis: np.ndarray | None  # from these coordinates to those of the maps; None if the same
    n_directions: int  # in which the rows vary
    unit: float  # the squared length in which the problem measures rows
    problem: CoupledProblem


class JGSA(PseudoLabelMapper, KernelMapper):
    """Map each domain by its own map, so that classes part in the source and meet in both domains.

    Joint geometrical and statistical alignment looks for two linear maps, A for the source and B
    for the target. In their common space the source's classes lie far apart and each is narrow, the
    target's rows vary much, the means of both domains agree, over all rows and class by class, and
    the maps differ little. The target's classes are guessed: by the nearest labelled row at first,
    then, round after round, by the estimator that is trained on the mapped source rows. Target rows
    with a label keep it and join the training.

    Use it for classification where no single map suits both domains: images of other cameras,
    where the classes themselves have moved or turned, each in its way. It stands and falls with its
    guesses: where an ordinary classifier is right about the target hardly more often than chance,
    the rounds may settle on wrong classes. It is of little use when the classes' proportions
    differ much, and needs enough rows of each class for a mean. Standardise each domain by itself
    before: the maps of "linear" have no constant terms. Directions that tell nothing, and there are
    many in a large `n_components`, hurt a nearest neighbour more than an estimator with a penalty.

    Attributes
    ----------
    source_components_ : ndarray of shape (n_components_, n_features)
        The map of the source. For "linear" its rows are mapped to ``X @ source_components_.T``.
        With an approximation it has `n_basis` columns, and for the other kernels a column for each
        training row, source rows first: rows are mapped to
        ``(k - origin_) @ source_components_.T``, where k is ``kernel_map_.transform(X)`` or their
        kernel values with `X_fit_`.
    target_components_ : ndarray
        The map of the target, of the same shape.
    origin_ : ndarray of shape (n_basis,) or (n_s + n_t,)
        For kernels other than "linear": the mean of k over the training rows.
    eigenvalues_ : ndarray of shape (n_components_,)
        What the directions attain of the ratio that is maximised, in descending order.
    n_iter_ : int
        Rounds of the eigensolver for the last maps; 1 where the matrix was small enough to be
        decomposed directly.

    Raises
    ------
    ValueError
        Where `estimator` is no classifier, or where neither the classes of the source nor the
        rows of the target differ.

    See Also
    --------
    skdtl.TCA : One map for both domains, which needs no classes.

    Notes
    -----
    *Problem.* With S_w and S_b the scatter of the source within and between its classes, S_t that
    of the target, and F Fᵀ the sum of the squared differences of means that is explained below, the
    columns (a; b) of the stacked maps are the leading eigenvectors of P^-1 S, where [1]_ ::

        S = [ beta S_b      0     ],    P = [ lam I + beta S_w       -lam I       ] + F Fᵀ.
            [    0       mu S_t   ]         [     -lam I         (lam + mu) I     ]

    Scatters are sums over rows, not means: S_b weighs classes by their size.

    *Unit.* The scatters grow with the number of rows and the square of the features' unit, lam and
    mu do not: on standardised columns of 300 rows beta S_w is a hundred times lam, nothing holds A
    and B together, and A is a hundredth of B. So rows are measured in the scatter that they have in
    a direction on average, which is about 1 for rows of norm 1 as many as columns: the paper's
    images. On other tables the widest directions have ten or twenty times the mean, and `lam` has
    to be well above beta times that for the source not to be mapped shorter there. With 100 random
    halves of tables are classified as without a map; on half of this project's tasks 1 and 10 did
    worse, and 100 gains 1 point with logistic regression, 2.6 on the other half.
    ``n_components=30, unit=1.0, lam=1.0`` is the paper's setting on Office-Caltech.

    *How many.* There are as many pairs as the target has directions, and as many more as there are
    classes less one. These last ones tear the domains apart: a parts the source's classes, and b
    is nearly nothing. By default they are left out.

    *Differences of means.* F has one column for the means over all rows and one for each class,
    Xsᵀ es above and Xtᵀ et below, with es = 1/n_s and et = -1/n_t for the rows that take part. The
    paper leaves their balance open. As in the authors' own program the squared difference over all
    rows weighs as much as there are classes, C, all are divided by C (1/n_s + 1/n_t), the norm of
    the matrix of that term, and a class that nobody in the target is guessed to belong to
    contributes the source's part alone.

    *Scale and sign.* Only the directions of the pairs (a; b) are given by the problem. All pairs
    are equally long, ‖a‖² + ‖b‖² = c², in the kernel's feature space. With pairs of length 1 one
    nearest neighbour reproduces the published accuracies on Office-Caltech to their last digit,
    which pairs that are scaled by the second matrix of the problem do not. c changes nothing to a
    nearest neighbour; here it makes the mean of the components' variances 1 over all training
    rows, so that estimators with a penalty or a width meet the scale that they expect. The entry of
    largest magnitude of each pair is positive.

    *Kernels.* They solve the same problem among the coordinates of the rows in the kernel's feature
    space, in an orthonormal basis of the rows' span, to which both maps belong: outside of it they
    would add to the penalties alone. As in the paper the origin is the mean of all training rows
    there, so that a map has a constant term, and the penalties are those of the feature space,
    (α_a - α_b)ᵀ K (α_a - α_b) for coefficients α. The paper's target scatter is then that about
    the mean of both domains; here it is S_t, about the target's own mean, in every form. For
    "linear" the origin stays where the features have it, as in the paper's primal form.

    *No target.* Without one the source takes its place, no means differ, and both maps are the
    same: A = B, the leading eigenvectors of (mu I + beta S_w)^-1 (beta S_b + mu S), with S the
    scatter of all rows, to which the problem tends for lam → ∞.

    *Solution and cost.* In the eigenvectors of S_w the second matrix without F Fᵀ falls into blocks
    of order 2. Its factors, and S_t in their terms, are computed once. Each round then needs the
    means of the classes, and a block Krylov method that multiplies matrices of order d by a block
    of vectors. So d features and n rows cost n d² + d³ operations once, then n d C + d² times
    some hundred to thousand per round, and memory for a few d x d matrices. Where n < d, and for
    kernels, the problem is the same among the n coordinates of the rows, after a decomposition of
    the n x n matrix of inner products; for kernels new rows need the training rows. With an
    approximation d is `n_basis`, and the features of no more than a block of rows are held at a
    time. The first guess compares each target row with each source row, a block of pairs at a time.

    *Precision.* The maps are computed in double precision, the mapped rows in that of the rows.

    References
    ----------
    .. [1] J. Zhang, W. Li, P. Ogunbona, "Joint geometrical and statistical alignment for visual
       domain adaptation", IEEE Conference on Computer Vision and Pattern Recognition (CVPR), 2017,
       section 3.

    Examples
    --------
    Three classes around a centre, which the target has turned by 55 degrees: the maps must be free
    to differ as much.

    >>> import numpy as np
    >>> from skdtl import TCA
    >>> from skdtl.mapping import JGSA
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(150) % 3
    >>> def rows(degrees):
    ...     angles = 2 * np.pi * y / 3 + np.radians(degrees)
    ...     centres = 2 * np.column_stack([np.cos(angles), np.sin(angles)])
    ...     return centres + rng.normal(scale=0.4, size=(150, 2))
    >>> Xs, Xt = rows(0), rows(55)
    >>> TCA(2).fit(Xs, y, Xt).score(Xt, y) < 0.8
    True
    >>> jgsa = JGSA(2, lam=1.0).fit(Xs, y, Xt)
    >>> jgsa.score(Xt, y) > 0.95
    True
    >>> jgsa.transform(Xt).shape, jgsa.transform(Xs, domain="source").shape
    ((150, 2), (150, 2))
    """

    n_components: int | None = parameter(
        default=None,
        text="""
        How many directions. None means 100, or as many as the rows vary in. Fewer than asked for
        are kept, with a warning, where there are no more: at most the classes less one and the
        number of directions in which the target varies, together.
        """,
        kw_only=False,
    )
    kernel: str | abc.Callable = parameter(
        default="linear",
        text="""
        "linear" is <x, y>, "rbf" exp(-gamma ‖x - y‖²), "poly" (gamma <x, y> + coef0)^degree and
        "laplacian" exp(-gamma ‖x - y‖₁). A callable takes (X, Y) and returns the symmetric positive
        semi-definite kernel's whole matrix of shape (n, m). "linear" is the method's primal form;
        the others hold and decompose the matrix of all pairs.
        """,
    )
    lam: float = parameter(
        default=100.0,
        legal=Real(0, closed="neither"),
        text="""
        Weight of ‖A - B‖², the difference of the maps. For lam → ∞ both domains are mapped alike;
        1 lets them turn away from each other where the classes have, and lose each other elsewhere.
        """,
    )
    mu: float = parameter(
        default=1.0,
        legal=Real(0, closed="neither"),
        text="Weight of the target's variance, and of the size ‖B‖² of its map.",
    )
    beta: float = parameter(
        default=0.1,
        legal=Real(0),
        text="""
        Weight of the source's classes: of their distance, and of their width. With 0 the source's
        labels count through the means of the classes alone.
        """,
    )
    unit: str | float = parameter(
        default="scatter",
        legal=(OneOf("scatter"), Real(0, closed="neither")),
        text="""
        The squared length in which the problem measures rows, so what `lam`, `mu` and `beta` are
        relative to. "scatter" is the scatter of a domain's rows in a direction, on average: the
        features' unit does not matter then. 1.0 takes the rows as they are, as the paper does.
        """,
    )
    n_rounds: int = parameter(
        default=10,
        legal=Int(1),
        text="""
        How many times the maps are learnt and the target's classes guessed with them. The rounds
        end before where no guess changes.
        """,
    )
    estimator: Any = parameter(
        default=None,
        text="""
        Classifier that guesses the target's classes in each round and predicts in the end. None
        means :class:`~sklearn.linear_model.LogisticRegression`. The paper takes one nearest
        neighbour, ``KNeighborsClassifier(1)``.
        """,
    )
    max_iter: int = parameter(default=200, text="Rounds of the eigensolver.")

    def _fit_maps(self, source: Domain, target: Domain):
        Zs = super()._fit_maps(source, target)
        if self.n_components is not None and self.n_components_ < self.n_components:
            warnings.warn(
                f"n_components={self.n_components}, but the classes of Xs and the rows of Xt vary "
                f"in only {self.n_components_} directions: that many are kept.",
                UserWarning,
                stacklevel=2,
            )
        return Zs

    def _first_labels(self, source: Domain, target: Domain):
        known = [source, target.labelled_rows()] if target.labelled.any() else [source]
        rows = join_rows(*(domain.X for domain in known))
        model = KNeighborsClassifier(1).fit(rows, np.concatenate([domain.y for domain in known]))
        return model.predict(target.X)

    def _start(self, source: Domain, target: Domain):
        space = self._fit_space(source, target)
        n, moved = space.n_rows, self.kernel != "linear"
        basis: np.ndarray | None = None
        features: tuple = ()
        error = 0.0
        if isinstance(space, KernelSpace):
            self.origin_ = space.K.mean(axis=0, dtype=np.float64)
            rows, basis = kernel_coordinates(space.K, centred=True)
        elif space.feature_map is None and space.n_features > n:
            X = join_rows(*space.parts).astype(np.float64, copy=False)
            rows, U = kernel_coordinates(dense(X @ X.T), centred=False)
            basis = X.T @ U
        else:
            features = space.feature_map, space.mixing
            if moved:
                self.origin_ = space.sums(np.full(n, 1 / n)).ravel()
        if basis is None:
            parts = space.parts
            origin = self.origin_ if moved else np.zeros(space.n_features)
        else:
            parts = [rows] if target is source else np.split(rows, [len(source)])
            origin, error = np.zeros(rows.shape[1]), rounding(n)
        spaces = [
            FeatureSpace((part,), *features, error=error, constant=all_rows_equal(own))
            for part, own in zip(parts, (source.X, target.X))
        ]
        if not len(origin):
            raise self._nothing_varies(source, target)
        n_directions, unit = mean_scatter(spaces[0].moments[1], spaces[-1].moments[1])
        if self.unit != "scatter":
            unit = self.unit
        problem = self._problem(spaces[0], spaces[-1], source.y, unit)
        return _Rounds(spaces[0], spaces[-1], origin, basis, n_directions, unit, problem)

    def _problem(self, source, target, ys, unit):
        counts = np.bincount(ys, minlength=len(self.classes_))
        means = source.sums((ys[:, None] == np.arange(len(counts))) / counts)
        between = (means - (means @ (counts / len(ys)))[:, None]) * np.sqrt(counts)
        if source.constant or np.vdot(between, between) <= source.noise:
            between = np.zeros_like(between)
        within = source.moments[1] - between @ between.T
        scales = self.lam, self.mu, self.beta
        return CoupledProblem(
            within / unit, between / np.sqrt(unit), target.moments[1] / unit, *scales
        )

    def _fit_round(self, state, source, target, labels):
        options = {"tol": self.tol, "max_iter": self.max_iter}
        m = self._asked_components()
        if self.n_components is None:
            m = min(m, state.n_directions)
        if target is source:
            values, A, self.n_iter_ = state.problem.common_components(m, **options)
            B = A
        else:
            E = joint_mean_differences(source.y, labels, len(self.classes_)) / np.sqrt(state.unit)
            E_s, E_t = E[: len(source)], E[len(source) :]
            F_s = state.source.sums(E_s) - np.outer(state.origin, E_s.sum(axis=0))
            F_t = state.target.sums(E_t) - np.outer(state.origin, E_t.sum(axis=0))
            values, A, B, self.n_iter_ = state.problem.components(F_s, F_t, m, **options)
        if not len(values):
            raise self._nothing_varies(source, target)
        Zs, Zt = state.source.map(A) - state.origin @ A, state.target.map(B) - state.origin @ B
        if state.basis is not None:
            A, B = state.basis @ A, state.basis @ B
        scale = column_signs(np.vstack([A, B])) / mean_spread(np.concatenate([Zs, Zt]))
        self.eigenvalues_ = values
        self.n_components_ = self._n_features_out = len(values)
        self.source_components_, self.target_components_ = (A * scale).T, (B * scale).T
        return Zs * scale, Zt * scale

    def _nothing_varies(self, source, target):
        return ValueError(
            f"Neither the classes of Xs (n_samples={len(source)}) nor the rows of Xt "
            f"(n_samples={len(target)}) differ to the kernel {self.kernel!r}: there is no "
            "direction to map them to."
        )

    def _map(self, X, domain: str):
        W = self.source_components_.T if domain == "source" else self.target_components_.T
        Z = self._times(X, W)
        return Z if self.kernel == "linear" else Z - (self.origin_ @ W).astype(Z.dtype)
