"""Optimal transport for domain adaptation (Courty, Flamary, Tuia and Rakotomamonjy, 2017)."""

from __future__ import annotations

from collections import abc
from typing import ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import pairwise_distances_argmin

from .._constraints import Callable, Int, OneOf, Real
from .._couplings import (
    METRICS,
    Plan,
    barycentres,
    class_regularised_plan,
    cost_matrix,
    import_pot,
    net_displacements,
    transport_plan,
)
from .._mappers import ESTIMATOR, SourceMover
from .._parameters import parameter
from .._typing import Estimator
from ..base import Domain

__all__ = ["OTMapping"]

# A pair of rows of different known classes costs this many times the largest cost.
_FORBIDDEN = 10.0


class OTMapping(SourceMover):
    """Move the source rows towards the target rows by optimal transport, and train there.

    Optimal transport pairs the source rows with target rows (each gives its mass to one or
    several) so that the sum of the costs, squared distances by default, is as small as possible. A
    source row moves by as much as the target rows that it is paired with differ from the source
    rows that it would be paired with, together with its label; an ordinary estimator is trained on
    the moved rows. Target rows stay where they are. The map can be as non-linear as the shift is.
    It needs no target labels; where some are given and the estimator is a classifier, no source row
    is paired with a labelled target row of another class, and the labelled rows join the training.

    Use it when the rows of a class have moved by less than the classes are apart, and when the
    shift is not one of means and covariances alone. Rows that have nothing near in the other domain
    stay, so that classes may have other proportions there. Don't where the whole domain lies far
    from the other one, another unit of measurement say: put a :class:`PerDomain` before it, or let
    all mass arrive (``reg_m=None``), for which proportions must be the same. Nor with more rows
    than a matrix of all pairs allows (see Notes); nor with many features that hold noise alone,
    which govern the distances: select or reduce them first. Features should have comparable scales:
    put a StandardScaler before it.

    Attributes
    ----------
    coupling_ : ndarray of shape (n_s, n_t)
        The mass that goes from each source row to each target row; where all mass arrives, rows sum
        to 1/n_s, columns to 1/n_t. Not pickled.
    X_fit_ : ndarray of shape (n_different, n_features)
        The different source rows.
    displacements_ : ndarray of shape (n_different, n_features)
        How far each of them moves.
    n_iter_ : int
        Sinkhorn's iterations for the last plan; 1 with ``reg_e=0``.

    Raises
    ------
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.
    ValueError
        With `reg_cl` and an estimator that is no classifier.

    Warns
    -----
    ConvergenceWarning
        Where the solver reached `max_iter`.

    See Also
    --------
    LinearOTMapping : The same between two normal distributions: one affine map.
    JDOT : Pairs rows by features and labels at once.

    Notes
    -----
    *Problem.* With C the costs, the paper's plan minimises <γ, C> + reg_e Σ γ log γ + reg_cl Ω(γ)
    over all γ ≥ 0 with row sums 1/n_s and column sums 1/n_t [1]_; Ω(γ) = Σ_j Σ_c (Σ_{i in c} γ_ij
    + ε)^½ over target rows j and source classes c, with ε = 10^-3 [2]_. With `reg_m` the sums are
    not demanded: reg_m times the Kullback-Leibler divergences of the row sums from 1/n_s and of the
    column sums from 1/n_t are added, and the entropy is relative to 1/(n_s n_t) [4]_; costs count
    from the cheapest pair, and up to 300 reg_e. POT solves it: ``ot.emd`` for ``reg_e=0``, else
    ``ot.sinkhorn``, on costs reduced by the exact plan's potentials where `reg_e` is small for some
    rows, or ``ot.unbalanced.sinkhorn_unbalanced``. With `reg_cl` the concave Ω is replaced by its
    tangent `n_rounds` - 1 times, as ``ot.da.sinkhorn_lpl1_mm`` does, which is not called because it
    takes the memory of C times the number of classes. As ε and Ω are about masses, which are 1/n_t
    in all, the same `reg_cl` counts less in a larger target.

    *Maps.* The barycentre of a row is Σ_j γ_ij x_j / Σ_j γ_ij; the paper moves source rows onto it.
    With ``move="net"`` a row moves by the difference of its barycentre and the one that a plan of
    the source onto itself, without pairs of a row with itself, gives it. What the deviations of
    these from their mean owe to chance, by the spread of each row's partners, is taken off their
    square, all by one factor (Stein's rule), and a row that less mass leaves than the mean moves
    by so much less. Equal source rows are one place, which moves by the mean of its rows. A new
    source row, in ``transform(X, domain="source")``, moves by as much as the nearest training row
    does [3]_. ``transform(X)`` leaves target rows as they are, and predictions of new target rows
    ask for no transport. There is no ``inverse_transform``: different rows can meet.

    *The defaults.* As published (``reg_m=None, move="barycentre"``) transport harms where nothing
    has moved: barycentres lie nearer to the mean than the rows, and by chance elsewhere, so that
    rows move while their labels stay; and a surplus of one class moves onto another one, for all
    mass must arrive. On the repository's tasks (logistic regression or ridge) it lost 3.5 points to
    the source alone in the mean, and more than a point on 72 of 133 tasks. Net moves of mass that
    need not arrive, chosen by these reasons and half of the tasks (gain 2.4 there), gain 2.6
    points and lose more than a point on 32 of 134; without a shift they lose at most 0.5 points on
    any table, the published way up to 13.7. Where a whole table moves far, mass that must arrive
    is better.

    *Labelled target rows.* The paper gives pairs of different known classes an infinite cost. It is
    10 times the largest cost here, so that a plan exists even where the labelled rows' classes
    have other proportions than the source's.

    *Choices.* ``reg_e=0.1`` with the median was chosen on two made-up shifts of images of digits,
    where it agrees with the weight 1 on costs as they are, a usual choice. The median is a scale
    that a few rows far away don't change, in contrast to the maximum.

    *No target.* Each row is its own target, and stays.

    *Cost.* Memory: about three matrices of n_s x n_t doubles, one of which, ``coupling_``, is kept
    until pickling, and with ``move="net"`` of n_s x n_s. Time: n_s n_t per iteration of Sinkhorn (a
    fraction of a second for 2000 x 2000 rows with the default `reg_e`), roughly n² log n to n³ for
    ``reg_e=0``; n_s n_features per new source row.

    *Precision.* Plans are made in double precision; rows in single precision stay so.

    *Imports.* POT imports torch where it is installed, at the first fit. Set the environment
    variable ``POT_BACKEND_DISABLE_PYTORCH=1`` to save that time, if nothing else in the process
    gives tensors to POT.

    References
    ----------
    .. [1] N. Courty, R. Flamary, D. Tuia, A. Rakotomamonjy, "Optimal transport for domain
       adaptation", IEEE Transactions on Pattern Analysis and Machine Intelligence 39(9), 2017.
    .. [2] N. Courty, R. Flamary, D. Tuia, "Domain adaptation with regularized optimal transport",
       ECML PKDD 2014.
    .. [3] S. Ferradans, N. Papadakis, G. Peyré, J.-F. Aujol, "Regularized discrete optimal
       transport", SIAM Journal on Imaging Sciences 7(3), 2014.
    .. [4] L. Chizat, G. Peyré, B. Schmitzer, F.-X. Vialard, "Scaling algorithms for unbalanced
       optimal transport problems", Mathematics of Computation 87(314), 2018.

    Examples
    --------
    Two half-moons, turned by 40 degrees.

    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.svm import SVC
    >>> from skdtl import OTMapping, SourceOnly
    >>> turn = np.deg2rad(40)
    >>> R = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    >>> Xs, ys = make_moons(150, noise=0.05, random_state=0)
    >>> Xt, yt = make_moons(150, noise=0.05, random_state=1)
    >>> Xs, Xt = Xs - Xs.mean(axis=0), (Xt - Xt.mean(axis=0)) @ R
    >>> print(f"{SourceOnly(SVC()).fit(Xs, ys, Xt).score(Xt, yt):.1f}")
    0.8
    >>> model = OTMapping(SVC()).fit(Xs, ys, Xt)
    >>> print(f"{model.score(Xt, yt):.1f}")
    1.0
    """

    estimator: Estimator = parameter(default=None, legal=ESTIMATOR, kw_only=False)
    reg_e: float = parameter(
        default=0.1,
        legal=Real(0),
        text="""
        Weight of the negative entropy, in units of the normalised cost. The larger, the more
        target rows each source row is paired with: pairs are less accidental, while the moved rows
        draw together towards the target's mean where they move onto their barycentres. 0 solves
        the linear program exactly.
        """,
    )
    reg_m: float | None = parameter(
        default=0.1,
        legal=(None, Real(0, closed="neither")),
        text="""
        Weight of mass that does not arrive, or arrives where it is too much, in units of the
        normalised cost. The smaller, the more is left of rows that have nothing near in the other
        domain. None: all mass must arrive, as it does with ``reg_e=0``.
        """,
    )
    move: str = parameter(
        default="net",
        legal=OneOf("net", "barycentre"),
        text="""
        "net": source rows move by what is left of the way to their barycentres without what
        pairing does to rows that have not moved, see Notes. "barycentre": they move onto their
        barycentres.
        """,
    )
    reg_cl: float = parameter(
        default=0.0,
        legal=Real(0),
        text="""
        Weight of the penalty on target rows that get mass from several classes; classifiers only.
        Try 0.1.
        """,
    )
    metric: str | abc.Callable = parameter(
        default="sqeuclidean",
        legal=(OneOf(*METRICS), Callable()),
        text="""
        Cost of a pair. A callable takes (Xs, Xt) and returns the whole matrix.
        """,
    )
    norm: str | None = parameter(
        default="median",
        legal=(None, OneOf("median", "max")),
        text="""
        The costs are divided by their median or maximum, which gives `reg_e` and `reg_cl` a scale
        that no unit of measurement and no number of features changes. None leaves them.
        """,
    )
    n_rounds: int = parameter(
        default=10,
        legal=Int(1),
        text="""
        With `reg_cl`: how many plans are made, each with the penalty's tangent at the one before;
        the first ignores the classes.
        """,
    )
    max_iter: int | None = parameter(
        default=None,
        legal=(None, Int(1)),
        text="""
        Limit of Sinkhorn's iterations (None: 5000), or with ``reg_e=0`` of the simplex method's
        pivots (None: ten million).
        """,
    )
    tol: float = parameter(
        default=1e-4,
        legal=Real(0, closed="neither"),
        text="""
        Sinkhorn's iteration ends when the error of the target rows' masses is less, relative to
        the masses, in the Euclidean norm; with `reg_m` when its factors change by less than a
        hundredth of this.
        """,
    )

    _takes_sparse: ClassVar[bool] = False
    _unpickled: ClassVar[tuple[str, ...]] = ("coupling_",)

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        name = type(self).__name__
        import_pot(name)
        if self.reg_cl > 0 and not is_classifier(self):
            inner = self._estimator()
            given = repr(self.estimator) if inner is None else f"a {type(inner).__name__}"
            raise ValueError(
                f"reg_cl={self.reg_cl} needs classes, but the estimator is {given}, which has "
                "none: use a classifier or reg_cl=0."
            )
        if target is source:
            self.coupling_, self.n_iter_ = np.eye(len(source)) / len(source), 1
            moves = np.zeros(source.X.shape)
        else:
            cost = cost_matrix(source.X, target.X, self.metric)
            scale = self._scale(cost)
            cost /= scale
            if is_classifier(self) and target.labelled.any():
                differ = (source.y[:, None] != target.y) & target.labelled
                cost[differ] += _FORBIDDEN * np.abs(cost).max()
            plan = self._plan(cost, source.y, name)
            plan.warn_of(name, "Raise max_iter, reg_e or tol.")
            self.coupling_, self.n_iter_ = plan.coupling, plan.n_iter
            moves = self._displacements(source, target.X, scale, name)
        self.X_fit_, places = np.unique(source.X, axis=0, return_inverse=True)
        places = places.ravel()  # a column in some versions of numpy
        self.displacements_ = np.zeros(self.X_fit_.shape)
        np.add.at(self.displacements_, places, moves)
        self.displacements_ /= np.bincount(places)[:, None]

    def _scale(self, cost) -> float:
        if self.norm is None:
            return 1.0
        # Where more than half of the pairs are of equal rows, the median is zero.
        scale = (np.median(cost) if self.norm == "median" else 0.0) or cost.max()
        return scale if scale > 0 else 1.0

    def _plan(self, cost, classes, name: str) -> Plan:
        options = {"max_iter": self.max_iter, "tol": self.tol, "name": name}
        if self.reg_cl == 0:
            return transport_plan(cost, self.reg_e, self.reg_m, **options)
        return class_regularised_plan(
            cost, classes, self.reg_e, self.reg_cl, self.reg_m, n_rounds=self.n_rounds, **options
        )

    def _displacements(self, source: Domain, Xt, scale: float, name: str):
        """Return how far each source row moves."""
        if self.move == "barycentre":
            return barycentres(self.coupling_, source.X, Xt) - source.X
        cost = cost_matrix(source.X, source.X, self.metric) / scale
        # A row is not its own partner: the target holds no copy of it either.
        np.fill_diagonal(cost, cost.max() + _FORBIDDEN * np.abs(cost).max())
        own = self._plan(cost, source.y, name).coupling
        return net_displacements(source.X, Xt, self.coupling_, own)

    def _move(self, X):
        nearest = pairwise_distances_argmin(X, self.X_fit_.astype(X.dtype, copy=False))
        return X + self.displacements_[nearest].astype(X.dtype, copy=False)
