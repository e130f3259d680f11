"""Balanced distribution adaptation (Wang, Chen, Hao, Feng and Shen, 2017)."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Real
from .jda import JDA, joint_mean_differences

__all__ = ["BDA"]


class BDA(JDA):
    """Map both domains to directions in which the classes agree, as much as the whole or more.

    Balanced distribution adaptation is :class:`~skdtl.JDA` with a choice of what counts: the
    difference between the domains' means as a whole, `mu` = 0, or those between the means of each
    class, `mu` = 1, or both. The target's classes are guessed in rounds, as `JDA` does.

    Use ``mu=1`` where the shares of the classes differ between the domains, more patients in one
    hospital than in the other, say: matching the domains as a whole would then move the classes off
    each other, with two classes at worst on top of each other. Use a small `mu` where the guesses
    are poor, and ``mu=0.5``, which is `JDA`, where neither is known. When `JDA` is of little use,
    so is this: where the first guesses are mostly wrong, or a class has few rows. Features should
    have comparable scales: put a StandardScaler before it.

    Parameters
    ----------
    n_components : int >= 1 or None, default=None
        How many directions. None means 100, or all that there are. Fewer than asked for are kept,
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
    mu : float in [0, 1], default=0.5
        Weight of the classes against the whole: 0 is TCA, 0.5 JDA, 1 the classes alone.
    lam : float > 0, default=1.0
        Weight of the penalty on the size of the map, against the distances of means; see
        :class:`~skdtl.JDA`.
    n_rounds : int >= 1, default=10
        At most so many rounds; fewer where no guess changes.
    approximation : {"nystroem", "fourier"} or None, default=None
        Explicit features that stand for the kernel, so that time and memory grow in proportion to
        the number of rows: "nystroem" takes the kernel values with `n_basis` landmarks, rows drawn
        from both domains, for "rbf", "poly" and "laplacian"; "fourier" takes `n_basis` random
        cosines, for "rbf". None computes with the matrix of all pairs. "linear" needs none.
    n_basis : int >= 1, default=500
        How many landmarks or random features.
    random_state : int, RandomState instance or None, default=None
        Draws landmarks and random features.
    estimator : estimator object or None, default=None
        Classifier that is trained on the mapped rows, to guess in each round and to predict. None
        means :class:`~sklearn.linear_model.LogisticRegression`.
    tol : float > 0, default=1e-10
        The eigenvectors are accepted when the largest norm of their residuals is at most `tol`
        times the largest eigenvalue.
    max_iter : int >= 1, default=200
        Rounds of the eigensolver, of one product of the kernel matrix with itself and a block of
        vectors each.
    verbose : int >= 0, default=0
        1 prints a line for each round: how many target rows changed their class.

    Attributes
    ----------
    pseudo_labels_ : ndarray of shape (n_t,)
        The classes of the target's rows: labels where they were given, guesses elsewhere. Not
        pickled. Without a target the source's own.
    n_rounds_ : int
        How many rounds were made.
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K M K + c I)^-1 K H K, in descending order, of the last round.
    components_ : ndarray of shape (n_components_, n_features)
        For "linear": rows are mapped to ``X @ components_.T``. With an approximation it has
        `n_basis` columns: rows are mapped to ``kernel_map_.transform(X) @ components_.T``.
    mean_ : ndarray of shape (n_features,)
        For "linear": the mean of the training rows of both domains.
    reconstruction_ : ndarray of shape (n_components_, n_features)
        For "linear": what ``inverse_transform`` multiplies by, as in :class:`~skdtl.TCA`.
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
        Rounds of the eigensolver, the last time; 1 where the matrix was small enough to be
        decomposed directly.
    estimator_ : estimator object
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        The classes.
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
        Where `estimator` is no classifier, or all rows are the same to the kernel.

    See Also
    --------
    skdtl.JDA : With more on the rounds, scales and costs, which are the same.
    skdtl.TCA : Matches the domains as a whole alone.

    Notes
    -----
    *Problem.* That of :class:`~skdtl.JDA` with M = (1 - mu) M_0 + mu (M_1 + ... + M_C) / C, divided
    by its Frobenius norm [1]_. The paper sums the classes; their mean, as in the authors' code but
    for a factor, lets `mu` mean the same for any number of classes, and makes ``mu=0.5`` JDA. As M
    is scaled, ``mu=0`` is TCA with `mu` = `lam` (1/n_s + 1/n_t) (tr K / n)².

    *First round.* The paper takes the first guesses from a classifier that is trained on the source
    rows as they are. Here the first round has no class terms, as in `JDA`, so that it matches the
    whole; with ``mu=1`` it matches nothing, and the guesses are those from the directions that vary
    most.

    *Left out.* The paper's W-BDA weighs the two domains' parts of each class by the shares of the
    class in each. The distance of two means that are weighed differently depends on where the
    origin is, so that it asks for a difference even where two classes agree; ``mu=1`` without
    weights is our choice for unequal shares. Estimates of `mu` from how well a classifier tells the
    domains apart belong to later work of the authors and are not here either: choose it on a
    few labelled target rows.

    References
    ----------
    .. [1] J. Wang, Y. Chen, S. Hao, W. Feng, Z. Shen, "Balanced distribution adaptation for
       transfer learning", ICDM, 2017.

    Examples
    --------
    A third of the source, but two thirds of the target are of class 1, and the second feature,
    which tells the classes apart in the source, does so the other way round in the target.

    >>> import numpy as np
    >>> from skdtl import BDA, JDA
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.tile([0, 0, 1], 70), np.tile([0, 1, 1], 70)
    >>> Xs, Xt = (rng.normal(scale=0.5, size=(210, 3)) for _ in range(2))
    >>> Xs[:, :2] += np.outer(2 * ys - 1, [1.5, 1])
    >>> Xt[:, :2] += np.outer(2 * yt - 1, [1.5, -1])
    >>> JDA().fit(Xs, ys, Xt).score(Xt, yt) < 0.7
    True
    >>> BDA(mu=1).fit(Xs, ys, Xt).score(Xt, yt) > 0.95
    True
    """

    _params: ClassVar[dict[str, Any]] = {**JDA._params, "mu": Real(0, 1)}

    def __init__(
        self,
        n_components=None,
        *,
        kernel="linear",
        gamma="scale",
        degree=3,
        coef0=1.0,
        mu=0.5,
        lam=1.0,
        n_rounds=10,
        approximation=None,
        n_basis=500,
        random_state=None,
        estimator=None,
        tol=1e-10,
        max_iter=200,
        verbose=0,
    ):
        super().__init__(
            n_components,
            kernel=kernel,
            gamma=gamma,
            degree=degree,
            coef0=coef0,
            lam=lam,
            n_rounds=n_rounds,
            approximation=approximation,
            n_basis=n_basis,
            random_state=random_state,
            estimator=estimator,
            tol=tol,
            max_iter=max_iter,
            verbose=verbose,
        )
        self.mu = mu

    def _differences(self, ys, yt):
        return joint_mean_differences(ys, yt, len(self.classes_), self.mu)
