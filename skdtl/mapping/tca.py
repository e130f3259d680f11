"""Transfer component analysis (Pan, Tsang, Kwok and Yang, 2011)."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Real
from ..base import Domain
from ._kernel_mapper import InvertibleKernelMapper, domain_difference
from ._spaces import linear_transfer_components, mean_difference, transfer_components

__all__ = ["TCA", "linear_transfer_components", "mean_difference", "transfer_components"]


class TCA(InvertibleKernelMapper):
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
    approximation : {"nystroem", "fourier"} or None, default=None
        Explicit features that stand for the kernel, so that time and memory grow in proportion to
        the number of rows: "nystroem" takes the kernel values with `n_basis` landmarks, rows drawn
        from both domains, for "rbf", "poly" and "laplacian"; "fourier" takes `n_basis` random
        cosines, for "rbf", and takes many more of them to be as near. None computes with the matrix
        of all pairs. "linear" needs none.
    n_basis : int >= 1, default=500
        How many landmarks, of which there are no more than rows, or random features.
    random_state : int, RandomState instance or None, default=None
        Draws landmarks and random features.
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
        For "linear": rows are mapped to ``X @ components_.T``. With an approximation it has
        `n_basis` columns: rows are mapped to ``kernel_map_.transform(X) @ components_.T``.
    mean_ : ndarray of shape (n_features,)
        For "linear": the mean of the training rows of both domains.
    reconstruction_ : ndarray of shape (n_components_, n_features)
        For "linear": mapped rows are led back to
        ``mean_ + (Z - mean_ @ components_.T) @ reconstruction_``.
    kernel_map_ : transformer
        With an approximation: scikit-learn's :class:`~sklearn.kernel_approximation.Nystroem` or
        :class:`~sklearn.kernel_approximation.RBFSampler`.
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

    *Precision.* For rows in single precision the kernel matrix, half as large then, and the mapped
    rows are computed in single precision; the eigenvectors always in double precision.

    *Undoing.* For "linear" ``inverse_transform`` gives the linear function of the mapped rows that
    has the least squared distance from the training rows of both domains, as that of
    :class:`~sklearn.decomposition.PCA` has: what `n_components` hold of a row, in the features'
    units, without what set the domains apart. With as many components as the rows have directions
    it is the rows themselves. For the other kernels there is no such method: a point of their
    feature space need not be the image of any row.

    *Many rows.* A kernel matrix of n rows takes 8 n² bytes. Beyond what memory holds set
    `approximation`: the problem is then that of "linear" on D = `n_basis` features, of which no
    more than a block is held at a time, at a cost of n D² operations. "nystroem" draws as many
    landmarks from each domain as far as its rows go, since a difference of means weighs both
    domains alike; with all rows for landmarks it is the exact solution. It needs far fewer
    features than "fourier", whose cosines know nothing of the data and whose error falls with
    1/sqrt(D). The rule "median" for `gamma` is then that of the landmarks; "fourier" draws
    `n_basis` rows for it. The features are computed in double precision.

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
        **InvertibleKernelMapper._params,
        "mu": Real(0, closed="neither"),
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
        approximation=None,
        n_basis=500,
        random_state=None,
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
        self.approximation = approximation
        self.n_basis = n_basis
        self.random_state = random_state
        self.estimator = estimator
        self.tol = tol
        self.max_iter = max_iter

    def _find(self, space, source: Domain, target: Domain):
        return space.components(
            domain_difference(source, target),
            self._asked_components(),
            self.mu,
            tol=self.tol,
            max_iter=self.max_iter,
        )
