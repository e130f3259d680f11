"""MTLF: learn a metric and the weights of source rows together, for nearest neighbours."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from .._arrays import dense, join_rows, rounding, sum_of_squares
from .._constraints import RANDOM_STATE, Int, OneOf, Real
from .._predictions import ClassPredictions, TargetPredictions
from .._typing import Seed
from ..base import Domain, DomainTransformerMixin, TransferEstimator, TransferTags
from ._base import SourceWeightsMixin
from ._metric import (
    canonical_map,
    crowding,
    label_width,
    learn_metric_and_weights,
    mean_like_distance,
    nearest_voters,
    neighbour_pairs,
    project_to_simplex,
    vote_factors,
)
from .lsif import rulsif_weights

__all__ = ["MTLF", "MTLFRegressor"]

_MAX_COVARIANCE = 1000  # features; beyond, principal components are found by products with X


class _MetricTransfer(SourceWeightsMixin, DomainTransformerMixin, TransferEstimator):
    """What the classifier and the regressor share: all but the labels."""

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _params: ClassVar[dict[str, Any]] = {
        "n_neighbors": Int(1),
        "n_components": Int(1),
        "lam": Real(0, closed="neither"),
        "beta": Real(0),
        "gamma": Real(0),
        "margin": Real(0),
        "alpha": Real(0, 1),
        "n_pairs": Int(1),
        "learn": OneOf("both", "metric", "weights"),
        "max_iter": Int(1),
        "tol": Real(0),
        "random_state": RANDOM_STATE,
    }

    def _alike(self, y, anchors):
        """Return the function that tells which rows have labels like those of some anchors."""
        raise NotImplementedError

    def _fit(self, source: Domain, target: Domain) -> None:
        labelled = None
        if target is not source and target.labelled.any():
            labelled = target.labelled_rows()
        X, y = source.X, source.y
        if labelled is not None:
            X, y = join_rows(X, labelled.X), np.concatenate([y, labelled.y])
        n_source = len(source)

        everything = X if target is source else join_rows(source.X, target.X)
        directions = self._principal_directions(everything)
        Z = _project(X, directions)
        origin = Z.mean(axis=0)
        Z = Z - origin
        initial = np.ones(n_source)
        if target is not source and self.alpha < 1:
            ratio = rulsif_weights(
                Z[:n_source],
                _project(target.X, directions) - origin,
                alpha=self.alpha,
                random_state=self.random_state,
            )
            if ratio.any():
                initial = ratio / ratio.mean()

        anchors = np.arange(n_source if labelled is not None else 0, len(Z))
        alike = self._alike(y, anchors)
        pairs = neighbour_pairs(Z, anchors, alike, self.n_pairs)
        error = rounding(X.shape[1]) ** 2 * sum_of_squares(X) / X.shape[0]
        unit = mean_like_distance(Z, pairs, error)
        held_at = initial
        if labelled is not None and self.learn != "metric" and self.gamma > 0:
            excess = crowding(Z / unit, n_source, alike, self.margin) - 1
            held_at = project_to_simplex(initial - self.gamma * excess, n_source)
        A, weights, path, converged = learn_metric_and_weights(
            Z / unit,
            held_at,
            pairs,
            lam=self.lam,
            beta=self.beta,
            margin=self.margin,
            learn="metric" if target is source else self.learn,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        if not converged:
            warnings.warn(
                f"The objective of {type(self).__name__} still fell from {path[-2]:.6g} to "
                f"{path[-1]:.6g} in iteration {self.max_iter} (tol={self.tol:g}): raise max_iter "
                "or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )
        A = canonical_map(A) / unit
        self.components_ = A if directions is None else A @ directions
        self.n_components_ = self._n_features_out = len(A)
        self.source_weights_ = weights
        self.objective_path_ = path
        self.n_iter_ = len(path) - 1

        factors = np.concatenate([vote_factors(weights, initial), np.ones(len(Z) - n_source)])
        voting = factors > 0
        self._origin = A @ origin
        self.X_fit_ = (Z @ A.T)[voting]
        self.y_fit_, self.vote_factors_ = y[voting], factors[voting]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _principal_directions(self, X):
        """Return the leading principal directions, or None where all features are kept."""
        n_rows, n_features = X.shape
        if n_features <= self.n_components:
            return None
        if n_rows == 1:
            raise ValueError(
                f"{n_features} features cannot be brought to n_components={self.n_components} "
                "by principal components with n_samples = 1."
            )
        small = n_features <= _MAX_COVARIANCE
        n_components = min(self.n_components, n_rows - 1)
        pca = PCA(
            n_components,
            svd_solver="covariance_eigh" if small else "arpack",
            random_state=self.random_state,
        )
        return pca.fit(X.astype(np.float64, copy=False)).components_

    def _map(self, X, domain: str):
        return X @ self.components_.T.astype(X.dtype, copy=False)

    def _neighbours(self, X):
        Y = _project(X, self.components_) - self._origin
        return nearest_voters(Y, self.X_fit_, self.vote_factors_, self.n_neighbors)


def _project(X, directions):
    """Return rows in double precision, dense, in the coordinates of some directions."""
    X = X.astype(np.float64, copy=False)
    if directions is not None:
        return X @ directions.T
    return dense(X)


class MTLF(ClassifierMixin, ClassPredictions, _MetricTransfer):
    """Classify by nearest neighbours, in a metric learnt together with the source rows' weights.

    Near target rows, rows of the same class are pulled close and rows of other classes pushed
    away. A source row that is far from the target's rows of its class, or close to those of another
    one, before or after learning, loses weight; it then counts less in the metric and is, as a
    neighbour, further away.

    Use it where few target rows have labels and distances between raw features mislead: some
    directions say more about the domain than about the class, and a part of the source does not
    fit. Bring the features to similar scales before (images and the like can stay as they are).
    Without a labelled target row the pairs are those of the source, and nothing tells how the
    classes have moved. The defaults are for a source that mostly fits and features of which none
    is mere noise, such as images: try ``lam=1`` where a good part of the source's labels is wrong
    for the target, ``beta=2`` where loud features say nothing, and choose by cross-validation over
    the labelled target rows. Prediction keeps the mapped labelled rows and compares with all of
    them.

    Parameters
    ----------
    n_neighbors : int, default=1
        The number of neighbours that vote, at least 1.
    n_components : int, default=100
        The number of principal components, of the rows of both domains, in which the metric is
        learnt, at least 1. Where there are no more features than that, all are kept as they are;
        where there are fewer rows, there is one component less than rows.
    lam : float, default=10.0
        How strongly the weights are held at their initial values less what `gamma` takes, positive.
    beta : float, default=0.3
        The weight of the pairs, at least 0; with 0 the metric stays Euclidean, and the weights
        stay where `lam` holds them.
    gamma : float, default=0.075
        How much a source row loses that is, before learning, twice as close as the mean source row
        to labelled target rows with other labels, at least 0. With 0 the weights are held at their
        initial values.
    margin : float, default=2.0
        The squared distance, in units of the mean squared distance of like pairs before learning,
        from which on unlike pairs cost nothing, at least 0.
    alpha : float, default=0.9
        The initial weights are the relative density ratio target / mixture (RuLSIF) with this
        share of the target in the mixture, in [0, 1]. 1 makes them all 1, 0 is the plain ratio.
    n_pairs : int, default=20
        With how many near like and how many near unlike rows a labelled target row is paired, at
        least 1.
    learn : {"both", "metric", "weights"}, default="both"
        What is learnt. With "metric" the weights stay at their initial values, without what `gamma`
        takes; with "weights" distances stay Euclidean (among the principal components).
    max_iter : int, default=50
        The largest number of iterations, at least 1.
    tol : float, default=1e-5
        Iterations end where the objective falls by no more than this share of it (or than this,
        where it is below 1), at least 0.
    random_state : int, RandomState instance or None, default=None
        Draws the centres of the density ratio's basis functions, and the start of the principal
        components of more than 1000 features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
        The map A: rows are mapped to ``X @ components_.T``, where distances are Euclidean. Its
        rows are orthogonal in the space of the principal components and fall in length. Like
        pairs had the mean squared distance 1 before learning.
    n_components_ : int
        The number of its rows.
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    objective_path_ : ndarray of shape (n_iter_ + 1,)
        The objective before the first and after each iteration; it never rises.
    n_iter_ : int
        The number of iterations.
    X_fit_ : ndarray of shape (n_voting, n_components_)
        The mapped rows among which neighbours are sought, relative to their mean.
    y_fit_ : ndarray of shape (n_voting,)
        Codes of their classes.
    vote_factors_ : ndarray of shape (n_voting,)
        By what the squared distances to these rows are divided.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where there is a single row, of more than `n_components` features.

    Warns
    -----
    ConvergenceWarning
        Where `max_iter` is reached before the objective settles.

    See Also
    --------
    MTLFRegressor : The same for numbers.
    RULSIF : The initial weights, for any estimator.
    TCA : Another map under which to use nearest neighbours, without target labels.

    Notes
    -----
    *The paper's objective* [1]_ is, with omega_0 the density ratio [2]_, weights omega of the
    source rows and 1 of the target rows, pairs C and delta = 1 for pairs of one class,
    - #same / #different for others,

        tr(AᵀA) + lam ||omega - omega_0||² + beta sum_C omega_i omega_j delta_ij ||A(x_i - x_j)||²
        + sigma [(sum omega - n_s)² + penalty(omega < 0)],

    and it is decreased by gradient steps of fixed length from A = I. As it stands it has no
    minimum to converge to: as a function of A it is a quadratic form, so that either A = 0 is best
    or, where classes lie further apart than rows of one class in some direction, it falls without
    bound. Stopped steps give a result, but one of the step length. Here every term is kept in a
    form that has a minimum:

    * tr(AᵀA) becomes tr(AᵀA) - log det(AᵀA), the LogDet divergence from the Euclidean metric, which
      keeps A from collapsing. It is divided by the number d of components.
    * A pair of different classes costs max(0, margin - ||A(x_i - x_j)||²)² instead of
      -||A(x_i - x_j)||²: it is pushed away until it is far enough, not for ever. The ratio #same /
      #different stays.
    * A pair of one class costs ||A(x_i - x_j)||² - 1. The constant does not matter to A, but
      without it a row lost weight by being in a pair of its class, however close.
    * sigma is infinite: the weights are non-negative and have mean 1 exactly.

    * Source rows close to target rows of other classes *before* learning lose weight as well: the
      term 2 lam gamma mean(omega c) is added, which turns lam ||omega - omega_0||² into
      lam ||omega - omega_1||², omega_1 = omega_0 - gamma (c - 1). Here c_i is the sum of
      max(0, margin - ||x_i - x_j||²)² over all labelled target rows j of other classes, divided by
      its mean over i. Under A alone the weights have little to go by, as it was fitted to push
      away the very pairs by which they are judged. omega_1 is projected to the weights >= 0 of
      mean 1, which matters only where it is negative.

    So the objective is, over A and omega >= 0 with mean 1,

        (tr(AᵀA) - log det(AᵀA) - d) / d + lam mean((omega - omega_1)²)
        + beta [mean over like pairs of omega_i omega_j (||A(x_i - x_j)||² - 1)
        + mean over unlike pairs of omega_i omega_j max(0, margin - ||A(x_i - x_j)||²)²],

    with rows scaled so that like pairs have the mean squared distance 1 at the start: the result
    does not depend on the features' common unit. All terms are means, so that the parameters keep
    their meaning for other numbers of rows. `lam`, `beta` are not on the paper's scale.

    *Alternatives tried.* Linear terms for unlike pairs with the LogDet divergence (the minimum
    exists for small beta only), with the von Neumann divergence (a closed form, the limit of
    stopped gradient steps, but it runs away with learnt weights), and tr(A^-1 A^-T S) in place of
    -tr(A S Aᵀ) (a geometric mean) gained less on digits. So did, in place of the term with c,
    weights judged by a metric that was learnt without the target row of the pair (cross-fitted
    over 3 parts), by pairs found again after the metric had moved, by pairs of different classes
    alone, or by each source row's nearest target rows. With the last among the metric's own pairs
    it became worse. A weight for the source as a whole gained in one direction what it lost in
    the other.

    *What c is.* On digits, rows of large c are those close to many target rows, nearly whatever
    their classes (hubs), and most of what the term gains is that such rows are, as neighbours, put
    further away. With the target rows of all classes in c it gains as much. The gain over the
    metric alone is a few tenths of a point: benchmarks/results/mtlf_digits.md has it, and what was
    tried. Without a labelled target row, and with ``learn="metric"``, omega_1 is omega_0.

    *Pairs.* The paper draws them; here each labelled target row is paired with its `n_pairs`
    nearest rows of its own and of other classes, of both domains, in the Euclidean metric. Pairs
    over whole classes say little about neighbours, and pairs within the source, which outnumber the
    others, little about the target: with either, digits gained less than half as much. If no target
    row has a label, each source row is paired with its nearest source rows.

    *Steps.* In AᵀA the problem is convex; L-BFGS solves it from the last A. In omega it is a
    projection onto a simplex, solved exactly, as pairs of source and target rows are linear in it;
    pairs within the source are not, and a sequence of projections ends at a stationary point.
    Neither step raises the objective, and there is no step length to choose.

    *Prediction.* The paper predicts by 1-NN under A and forgets the weights. Here the squared
    distance to a source row is divided by 1 + omega - omega_0 (not omega_1), and rows of weight 0
    don't vote:
    what counts is how far the labels have moved a weight, not the density ratio itself, which is
    nearly the same for all rows near a given one and, used in the vote, favoured a few rows in
    dense regions. Ties between classes go to the one that comes first.

    Without a target (`NoTargetWarning`) the metric alone is learnt, on the source.

    References
    ----------
    .. [1] Xu, Y., Pan, S. J., Xiong, H., Wu, Q., Luo, R., Min, H. and Song, H. (2017). A unified
       framework for metric transfer learning. IEEE Transactions on Knowledge and Data Engineering
       29, 1158-1171.
    .. [2] Yamada, M., Suzuki, T., Kanamori, T., Hachiya, H. and Sugiyama, M. (2013). Relative
       density-ratio estimation for robust distribution comparison. Neural Computation 25,
       1324-1370.

    Examples
    --------
    Four of the six features are loud noise, and 30 % of the source has wrong labels.

    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skdtl import MTLF, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = rng.integers(0, 2, size=300), rng.integers(0, 2, size=200)
    >>> Xs, Xt = (rng.normal(size=(n, 6)) * [1, 1, 4, 4, 4, 4] for n in (300, 200))
    >>> Xs[:, 0] += 4 * ys
    >>> Xt[:, 0] += 4 * yt
    >>> ys[:90] = 1 - ys[:90]
    >>> some = np.where(np.arange(200) < 40, yt, -1)
    >>> plain = SourceOnly(KNeighborsClassifier(5)).fit(Xs, ys).score(Xt[40:], yt[40:])
    >>> model = MTLF(5, lam=1, beta=2, random_state=0).fit(Xs, ys, Xt, some)
    >>> bool(model.score(Xt[40:], yt[40:]) > plain + 0.1)
    True
    >>> bool(model.source_weights_[:90].mean() < model.source_weights_[90:].mean())
    True
    """

    _params: ClassVar[dict[str, Any]] = _MetricTransfer._params

    def __init__(
        self,
        n_neighbors: int = 1,
        *,
        n_components: int = 100,
        lam: float = 10.0,
        beta: float = 0.3,
        gamma: float | str = 0.075,
        margin: float = 2.0,
        alpha: float = 0.9,
        n_pairs: int = 20,
        learn: str = "both",
        max_iter: int = 50,
        tol: float = 1e-5,
        random_state: Seed = None,
    ):
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.lam = lam
        self.beta = beta
        self.gamma = gamma
        self.margin = margin
        self.alpha = alpha
        self.n_pairs = n_pairs
        self.learn = learn
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _alike(self, y, anchors):
        return lambda some: y[some][:, None] == y

    def _predict(self, X):
        return self.classes_[self._predict_proba(X).argmax(axis=1)]

    def _predict_proba(self, X):
        votes = [self.y_fit_[rows] for rows in self._neighbours(X)]
        codes = np.arange(len(self.classes_))
        return (np.concatenate(votes)[:, :, None] == codes).mean(axis=1)


class MTLFRegressor(RegressorMixin, TargetPredictions, _MetricTransfer):
    """Regress by nearest neighbours, in a metric learnt together with the source rows' weights.

    As `MTLF`, for numbers: near target rows, rows with near labels are pulled close and rows with
    other labels pushed away, and source rows at odds with them lose weight.

    Use it where few target rows have labels and distances between raw features mislead. Bring the
    features to similar scales before. Without a labelled target row the pairs are those of the
    source. Prediction keeps the mapped labelled rows and compares with all of them.

    Parameters
    ----------
    n_neighbors : int, default=5
        The number of neighbours whose labels are averaged, at least 1.
    n_components : int, default=100
        The number of principal components, of the rows of both domains, in which the metric is
        learnt, at least 1. Where there are no more features than that, all are kept as they are;
        where there are fewer rows, there is one component less than rows.
    lam : float, default=10.0
        How strongly the weights are held at their initial values less what `gamma` takes, positive.
    beta : float, default=0.3
        The weight of the pairs, at least 0; with 0 the metric stays Euclidean, and the weights
        stay where `lam` holds them.
    gamma : float, default=0.0
        How much a source row loses that is, before learning, twice as close as the mean source row
        to labelled target rows with other labels, at least 0. With 0 the weights are held at their
        initial values.
    margin : float, default=2.0
        The squared distance, in units of the mean squared distance of like pairs before learning,
        from which on unlike pairs cost nothing, at least 0.
    alpha : float, default=0.9
        The initial weights are the relative density ratio target / mixture (RuLSIF) with this
        share of the target in the mixture, in [0, 1]. 1 makes them all 1, 0 is the plain ratio.
    n_pairs : int, default=20
        With how many near like and how many near unlike rows a labelled target row is paired, at
        least 1.
    alike : float, default=0.2
        Two labels are alike if they differ by no more than this quantile of the differences between
        labelled target rows and all labelled rows, in (0, 1).
    learn : {"both", "metric", "weights"}, default="both"
        What is learnt. With "metric" the weights stay at their initial values, without what `gamma`
        takes; with "weights" distances stay Euclidean (among the principal components).
    max_iter : int, default=50
        The largest number of iterations, at least 1.
    tol : float, default=1e-5
        Iterations end where the objective falls by no more than this share of it (or than this,
        where it is below 1), at least 0.
    random_state : int, RandomState instance or None, default=None
        Draws the centres of the density ratio's basis functions, and the start of the principal
        components of more than 1000 features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
        The map A: rows are mapped to ``X @ components_.T``, where distances are Euclidean. Its
        rows are orthogonal in the space of the principal components and fall in length. Like
        pairs had the mean squared distance 1 before learning.
    n_components_ : int
        The number of its rows.
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    objective_path_ : ndarray of shape (n_iter_ + 1,)
        The objective before the first and after each iteration; it never rises.
    n_iter_ : int
        The number of iterations.
    X_fit_ : ndarray of shape (n_voting, n_components_)
        The mapped rows among which neighbours are sought, relative to their mean.
    y_fit_ : ndarray of shape (n_voting,)
        Their labels.
    vote_factors_ : ndarray of shape (n_voting,)
        By what the squared distances to these rows are divided.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where there is a single row, of more than `n_components` features.

    Warns
    -----
    ConvergenceWarning
        Where `max_iter` is reached before the objective settles.

    See Also
    --------
    MTLF : The same for classes, with the objective and all choices.

    Notes
    -----
    The paper [1]_ treats classes. Here a pair is like where the labels differ by no more than a
    width and unlike otherwise, and all else is as for `MTLF`. A threshold keeps the two kinds of
    pairs apart that the objective needs; as it is a quantile, nothing depends on the labels' unit.
    `gamma` is 0 by default: what it gains has been seen on images alone, and where no source row
    is close to unduly many target rows it costs a little.

    References
    ----------
    .. [1] Xu, Y., Pan, S. J., Xiong, H., Wu, Q., Luo, R., Min, H. and Song, H. (2017). A unified
       framework for metric transfer learning. IEEE Transactions on Knowledge and Data Engineering
       29, 1158-1171.

    Examples
    --------
    Two of the three features are noise.

    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from skdtl import MTLFRegressor, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = (rng.normal(size=(200, 3)) * [1, 3, 3] for _ in range(2))
    >>> ys, yt = Xs[:, 0], Xt[:, 0]
    >>> some = np.where(np.arange(200) < 40, yt, np.nan)
    >>> plain = SourceOnly(KNeighborsRegressor()).fit(Xs, ys).score(Xt[40:], yt[40:])
    >>> model = MTLFRegressor(random_state=0).fit(Xs, ys, Xt, some)
    >>> bool(model.score(Xt[40:], yt[40:]) > plain + 0.1)
    True
    """

    _params: ClassVar[dict[str, Any]] = _MetricTransfer._params | {
        "alike": Real(0, 1, closed="neither")
    }

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        n_components: int = 100,
        lam: float = 10.0,
        beta: float = 0.3,
        gamma: float | str = 0.0,
        margin: float = 2.0,
        alpha: float = 0.9,
        n_pairs: int = 20,
        alike: float = 0.2,
        learn: str = "both",
        max_iter: int = 50,
        tol: float = 1e-5,
        random_state: Seed = None,
    ):
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.lam = lam
        self.beta = beta
        self.gamma = gamma
        self.margin = margin
        self.alpha = alpha
        self.n_pairs = n_pairs
        self.alike = alike
        self.learn = learn
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _alike(self, y, anchors):
        width = label_width(y[anchors], y, self.alike)
        return lambda some: np.abs(y[some][:, None] - y) <= width

    def _predict(self, X):
        return np.concatenate([self.y_fit_[rows].mean(axis=1) for rows in self._neighbours(X)])
