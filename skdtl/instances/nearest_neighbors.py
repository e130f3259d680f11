"""NearestNeighborWeighting: weights by counting target rows around each source row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches
from sklearn.utils.extmath import row_norms

from .._arrays import positions
from .._constraints import Int, OneOf
from .._typing import Estimator, RowsLike
from ..base import Domain, TransferTags
from ._base import InstanceWeighter
from ._density_ratio import check_rows

__all__ = [
    "NearestNeighborWeighting",
    "cross_validated_neighbors",
    "nearest_neighbor_weights",
    "neighbor_ratio",
]

# What n_neighbors="cv" tries, up to half of the source rows, on this many rows of each domain.
CANDIDATES = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300)
N_JUDGES = 1000
# Numbers whose ratio has a mean over the source below this are left out; the true mean is 1.
LEAST_MEAN = 0.5
BATCH = 250  # rows whose distances to all others are there at once


def neighbor_ratio(X, Xs, Xt, n_neighbors, *, own_source=None, own_target=None) -> np.ndarray:
    """Estimate the density ratio target / source by counts in balls.

    Each row's ball reaches to its k-th nearest source row. The share of the target's rows in it,
    by that of the source's, is the ratio.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, n_features)
        Rows at which the ratio is wanted.
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    n_neighbors : sequence of int
        Values of k.
    own_source, own_target : ndarray of shape (n,), int, default=None
        Where the rows are source or target rows themselves: their numbers. A row is none of its
        neighbours.

    Returns
    -------
    ratio : ndarray of shape (len(n_neighbors), n)
        Non-negative.
    """
    if not any(sp.issparse(rows) for rows in (X, Xs, Xt)):
        centre = Xs.mean(axis=0)  # distances of rows far from the origin would be rounded more
        X, Xs, Xt = X - centre, Xs - centre, Xt - centre
    norms = row_norms(X, squared=True)
    n_s, n_t = Xs.shape[0], Xt.shape[0]
    # The probability of a ball up to the k-th of m drawn rows is k / (m + 1) on average.
    n_s = n_s if own_source is not None else n_s + 1
    n_t = n_t if own_target is None else n_t - 1
    ratio = np.empty((len(n_neighbors), X.shape[0]))
    for rows in gen_batches(X.shape[0], BATCH):
        to_source = euclidean_distances(X[rows], Xs, squared=True)
        to_target = euclidean_distances(X[rows], Xt, squared=True)
        each = np.arange(to_source.shape[0])
        if own_source is not None:
            to_source[each, own_source[rows]] = np.inf
        if own_target is not None:
            to_target[each, own_target[rows]] = np.inf
        kth = [k - 1 for k in n_neighbors]
        radii = np.partition(to_source, kth, axis=1)[:, kth].T
        for i, radius in enumerate(radii):
            # Equal rows are inside together, though their distances may differ by rounding.
            reach = (radius + 1e-12 * (radius + norms[rows]))[:, None]
            in_source = np.count_nonzero(to_source <= reach, axis=1)
            in_target = np.count_nonzero(to_target <= reach, axis=1)
            ratio[i, rows] = (in_target / n_t) / (in_source / n_s)
    return ratio


def cross_validated_neighbors(Xs, Xt) -> int:
    """Choose the number of neighbours by the error on rows that take no part in the ratio.

    The error is the mean of ``r(x_s)² / 2`` minus that of ``r(x_t)``, which is the squared error
    at the source up to a constant. Rows take no part in their own ratio, so no folds are needed.
    The largest number is taken whose error is above the least by no more than one standard error
    of the difference.

    Where the domains hardly overlap this error has no lower bound: next to no source row has
    target rows in its ball, which costs nothing, while the ratio at the target rows grows as their
    balls take in more of the target than of the source. But then the ratio has not the mean of 1
    over the source that a density ratio has. Numbers with a mean below 1/2, whose balls have lost
    more than half of the target, are not considered; where all are like that, the largest is
    taken, whose balls reach furthest.

    Parameters
    ----------
    Xs, Xt : ndarray or CSR array of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.

    Returns
    -------
    n_neighbors : int
    """
    largest = max(1, Xs.shape[0] // 2)
    candidates = [k for k in CANDIDATES if k <= largest]
    if Xt.shape[0] < 2:
        return candidates[-1]
    judge_s, judge_t = _some_rows(Xs), _some_rows(Xt)
    at_source = neighbor_ratio(Xs[judge_s], Xs, Xt, candidates, own_source=judge_s)
    at_target = neighbor_ratio(Xt[judge_t], Xs, Xt, candidates, own_target=judge_t)
    squares = at_source**2 / 2
    errors = squares.mean(axis=1) - at_target.mean(axis=1)
    covered = at_source.mean(axis=1) >= LEAST_MEAN
    if not covered.any():
        return candidates[-1]
    errors[~covered] = np.inf
    best = int(np.argmin(errors))
    variances = np.var(squares - squares[best], axis=1) / len(judge_s)
    variances += np.var(at_target - at_target[best], axis=1) / len(judge_t)
    return candidates[np.flatnonzero(errors <= errors[best] + np.sqrt(variances))[-1]]


def _some_rows(X) -> np.ndarray:
    """Return the numbers of up to N_JUDGES rows, whatever order they come in."""
    order = np.argsort(positions(X), kind="stable")
    return order[np.linspace(0, len(order) - 1, min(N_JUDGES, len(order))).astype(int)]


def nearest_neighbor_weights(
    Xs: RowsLike, Xt: RowsLike, *, n_neighbors: int | str = "cv"
) -> np.ndarray:
    """Estimate the density ratio target / source at source rows, by counting neighbours.

    Parameters
    ----------
    Xs, Xt : array-like or sparse matrix of shapes (n_s, n_features) and (n_t, n_features)
        Rows of the two domains.
    n_neighbors : int or "cv", default="cv"
        See :class:`~skdtl.NearestNeighborWeighting`.

    Returns
    -------
    weights : ndarray of shape (n_s,)
        Non-negative.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.instances import nearest_neighbor_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(2000, 1)), rng.normal(0.5, 1.0, size=(1000, 1))
    >>> weights = nearest_neighbor_weights(Xs, Xt)
    >>> true = np.exp(0.5 * Xs[:, 0] - 0.125)
    >>> bool(np.corrcoef(weights, true)[0, 1] > 0.9)
    True
    """
    Xs, Xt = check_rows(Xs, Xt)
    weights, n_neighbors = _weights(Xs, Xt, n_neighbors)
    if not weights.any():
        raise ValueError(
            f"No row of Xt is as near to a row of Xs as the nearest {n_neighbors} of Xs are: the "
            "domains do not overlap, or their columns have different units. Raise n_neighbors, "
            "scale the columns, or use a method that maps both domains to one space."
        )
    return weights


def _weights(Xs, Xt, n_neighbors):
    """Return the weights and the number of neighbours."""
    n = Xs.shape[0]
    if n_neighbors == "cv":
        if n == 1:
            return np.ones(1), 1
        n_neighbors = cross_validated_neighbors(Xs, Xt)
    elif not 1 <= n_neighbors < n:
        raise ValueError(
            f"n_neighbors={n_neighbors!r}, but a row of Xs, which has {n} rows, has between 1 and "
            f"{n - 1} neighbours."
        )
    weights = neighbor_ratio(Xs, Xs, Xt, [n_neighbors], own_source=np.arange(n))[0]
    return weights, n_neighbors


class NearestNeighborWeighting(InstanceWeighter):
    """Train where the target lies: source rows weigh by how many target rows lie around them.

    Around each source row a ball reaches to its k-th nearest source row. The target's share in
    it by the source's share is the density ratio there, and weighs the row.

    Use it where only the distribution of the features has changed (covariate shift), the source
    covers the region of the target, and `estimator` is too simple to be right everywhere. It
    assumes no form of the ratio, so it is the one for few features (up to about ten) and ratios
    that a kernel of one width or a linear discriminator fit badly. Bring columns to similar
    scales before. Needs no target labels. Costs (n_s + n_t) distances for each source row.

    Parameters
    ----------
    estimator : estimator object, default=None
        Any classifier or regressor whose ``fit`` takes ``sample_weight``. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
    n_neighbors : int or "cv", default="cv"
        The number of source rows in each ball, at least 1 and below n_s. The larger, the smoother
        the ratio. "cv" chooses, of 14 numbers from 1 to 300 and up to n_s / 2, by the squared
        error of the leave-one-out ratio.
    min_effective_share : float in [0, 1], default=0.8
        The share of the source rows, and of each class, that is to be left: weights with a
        smaller effective sample size are raised to a power below 1, unless rows held out of the
        source, weighted, show that they predict better. 0: the weights as they are estimated.
    balance : {"rows", "domains"}, default="domains"
        "rows": each labelled target row counts as much as a source row of mean weight, so that few
        of them hardly count beside many source rows. "domains": the labelled target rows together
        weigh as much as the source rows together, as in :class:`Pooled`.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone of `estimator`.
    n_neighbors_ : int or None
        The number of neighbours used; None where no target was given.
    source_weights_ : ndarray of shape (n_s,)
        Weights of the source rows, of mean 1. They are not pickled with the model.
    temper_ : float
        The power, in [0, 1], to which the estimated weights were raised. 1: they stayed as they
        were; 0: all rows count alike, as without a target.
    rows_ : tuple of (ndarray, ndarray), or None
        The source and the target rows, which `density_ratio` counts. They are not pickled with
        the model, which then has no density ratio any more. None where no target was given.
    classes_ : ndarray of shape (n_classes,)
        The classes; only with a classifier.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the estimator takes no ``sample_weight``, a source row has not `n_neighbors`
        neighbours, or, with ``min_effective_share=0``, no target row lies in any ball.

    Warns
    -----
    LowOverlapWarning
        Where the weights as estimated leave less than a tenth of the rows, or of a class; where
        all of them are 0, all rows count alike.

    See Also
    --------
    nearest_neighbor_weights : The weights alone.
    KMM : Weights that match means in a kernel's feature space.
    DiscriminatorWeighting : Weights by a classifier that tells the domains apart.

    Notes
    -----
    With k_s source rows and k_t target rows in the ball, the ratio is (n_s k_t) / (n_t k_s), as in
    [1]_. k_s is k, or more where rows are equally far; a source row is not counted in
    its own ball, as this would bias k_s, and n_s then is what makes the ratio right on average,
    since a ball up to the k-th of m drawn rows has the probability k / (m + 1) on average.

    The alternative, target rows in the Voronoi cell of each source row [2]_, is the case k = 1 up
    to the shape of the cell and the +1 that it adds to each count; its weights vary the most.

    For the choice of k, the squared error at the source, E_s[(r̂ - r)²] / 2, is estimated up to a
    constant by the mean of r̂² / 2 over the source minus the mean of r̂ over the target, as in
    [3]_, each row left out of its own ball; of more than 1000 rows of a domain, 1000 are asked.
    This estimate is noisy, so the largest k is taken that is no more than one standard error of
    the difference above the best; with known ratios of one to ten features that was closer to the
    truth than the best itself where they differed much, and hardly worse elsewhere.

    Weights that vary much leave few rows: Kish's effective sample size (Σw)² / Σw², and in a class
    also its share of the weight. Below the share of `min_effective_share` the weights are raised
    to the largest power that reaches it (flattened importance weights [4]_); the standard error
    of a mean then grows by no more than 1 / sqrt(.8), 12 per cent. They stay sharper, with 50
    effective rows and 10 of each class at the least, only where the weighted loss on rows held
    out of the source, in five folds, is below that of the flattened weights by more than a
    standard error: what a model gains that is too simple for the whole source shows there. Weights
    below a tenth of the mean, which no estimate tells from 0, are lifted to it before.

    References
    ----------
    .. [1] Lima, M., Cunha, C. E., Oyaizu, H., Frieman, J., Lin, H. and Sheldon, E. S. (2008).
       Estimating the redshift distribution of photometric galaxy samples. Monthly Notices of the
       Royal Astronomical Society 390, 118-130.
    .. [2] Loog, M. (2012). Nearest neighbor-based importance weighting. IEEE International
       Workshop on Machine Learning for Signal Processing, 1-6.
    .. [3] Kremer, J., Gieseke, F., Pedersen, K. S. and Igel, C. (2015). Nearest neighbor density
       ratio estimation for large-scale applications in astronomy. Astronomy and Computing 12,
       67-72.
    .. [4] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    A line fitted to a curve is right only where it is meant to be.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdtl import NearestNeighborWeighting, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0.0, 0.3, size=(200, 1))
    >>> ys = -Xs[:, 0] + Xs[:, 0] ** 3 + 0.3 * rng.normal(size=200)
    >>> model = NearestNeighborWeighting(LinearRegression()).fit(Xs, ys, Xt)
    >>> plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt)
    >>> truth = -Xt[:, 0] + Xt[:, 0] ** 3
    >>> errors = [np.mean((m.predict(Xt) - truth) ** 2) for m in (model, plain)]
    >>> bool(errors[0] < errors[1] / 4)
    True
    """

    _transfer_tags: ClassVar[TransferTags] = TransferTags("used", unlabelled_target=True)
    _takes_nan: ClassVar[bool] = False
    _unpickled: ClassVar[tuple[str, ...]] = (*InstanceWeighter._unpickled, "rows_")
    _params: ClassVar[dict[str, Any]] = InstanceWeighter._params | {
        "n_neighbors": (Int(1), OneOf("cv")),
    }

    def __init__(
        self,
        estimator: Estimator = None,
        *,
        n_neighbors: int | str = "cv",
        min_effective_share: float = 0.8,
        balance: str = "domains",
    ):
        self.estimator = estimator
        self.n_neighbors = n_neighbors
        self.min_effective_share = min_effective_share
        self.balance = balance

    def _fit(self, source: Domain, target: Domain) -> None:
        self.n_neighbors_: int | None = None
        self.rows_: tuple[Any, Any] | None = None
        super()._fit(source, target)

    def _source_weights(self, source: Domain, target: Domain) -> np.ndarray:
        Xs, Xt = check_rows(source.X, target.X)
        weights, self.n_neighbors_ = _weights(Xs, Xt, self.n_neighbors)
        self.rows_ = (Xs, Xt)
        return weights

    def density_ratio(self, X: RowsLike) -> np.ndarray:
        """Estimate the density ratio target / source at new rows of either domain.

        Rows that took part in `fit` count themselves; for those of the source see
        ``source_weights_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ratio : ndarray of shape (n_samples,)
            1 everywhere where no target was given.

        Raises
        ------
        AttributeError
            For a model that has been pickled or copied: it has no training rows any more.
        """
        X = self._check_X(X)
        if self.rows_ is None:
            return np.ones(X.shape[0])
        Xs, Xt = self.rows_
        return neighbor_ratio(X, Xs, Xt, [self.n_neighbors_])[0]
