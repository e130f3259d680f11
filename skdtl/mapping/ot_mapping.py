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
    """Move the source rows onto the target rows at the least total cost, and train there.

    Optimal transport pairs the source rows with target rows (each gives its mass to one or
    several) so that the sum of the costs, squared distances by default, is as small as possible. A
    source row moves to the mean of the rows that it is paired with, together with its label; an
    ordinary estimator is trained on the moved rows. Target rows stay where they are. The map can
    be as non-linear as the shift is. It needs no target labels; where some are given and the
    estimator is a classifier, no source row is paired with a labelled target row of another class,
    and the labelled rows join the training.

    Use it when the rows of a class have moved by less than the classes are apart, when the shift
    is not one of means and covariances alone, and when both domains have the same proportions of
    classes. Don't where proportions differ much, for all mass must arrive: a surplus of one class
    is then moved onto another one. Nor with more rows than a matrix of all pairs allows (see
    Notes); nor with many features that hold noise alone, which govern the distances: select or
    reduce them first. Features should have comparable scales: put a StandardScaler before it.

    Attributes
    ----------
    coupling_ : ndarray of shape (n_s, n_t)
        The mass that goes from each source row to each target row; rows sum to 1/n_s, columns to
        1/n_t. Not pickled.
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
    *Problem.* With C the costs, the plan minimises <γ, C> + reg_e Σ γ log γ + reg_cl Ω(γ) over all
    γ ≥ 0 with row sums 1/n_s and column sums 1/n_t [1]_; Ω(γ) = Σ_j Σ_c (Σ_{i in c} γ_ij + ε)^½
    over target rows j and source classes c, with ε = 10^-3 [2]_. POT solves it: ``ot.emd`` for
    ``reg_e=0``, else ``ot.sinkhorn``, on logarithms where the largest cost is more than 500 times
    `reg_e`. With `reg_cl` the concave Ω is replaced by its tangent `n_rounds` - 1 times, as
    ``ot.da.sinkhorn_lpl1_mm`` does, which is not called because it takes the memory of C times the
    number of classes and has no iteration on logarithms. As ε and Ω are about masses, which are
    1/n_t in all, the same `reg_cl` counts less in a larger target.

    *Maps.* A source row goes to its barycentre Σ_j γ_ij x_j / Σ_j γ_ij. Equal source rows are one
    place, which goes to the mean of their barycentres. A new source row, in ``transform(X,
    domain="source")``, moves by as much as the nearest training row does [3]_. ``transform(X)``
    leaves target rows as they are, and predictions of new target rows ask for no transport. There
    is no ``inverse_transform``: barycentres of different rows can coincide.

    *Labelled target rows.* The paper gives pairs of different known classes an infinite cost. It is
    10 times the largest cost here, so that a plan exists even where the labelled rows' classes
    have other proportions than the source's.

    *Choices.* ``reg_e=0.1`` with the median was chosen on two made-up shifts of images of digits,
    where it agrees with the weight 1 on costs as they are, a usual choice.

    *No target.* Each row is its own target, and stays.

    *Cost.* Memory: about three matrices of n_s x n_t doubles, one of which, ``coupling_``, is kept
    until pickling. Time: n_s n_t per iteration of Sinkhorn (a fraction of a second for 2000 x 2000
    rows with the default `reg_e`), roughly n² log n to n³ for ``reg_e=0``; n_s n_features per new
    source row.

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
        draw together towards the target's mean, which harms estimators that extrapolate, such as
        regressions on many collinear features. 0 solves the linear program exactly.
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
        Limit of Sinkhorn's iterations (None: 1000), or with ``reg_e=0`` of the simplex method's
        pivots (None: ten million).
        """,
    )
    tol: float = parameter(
        default=1e-4,
        legal=Real(0, closed="neither"),
        text="""
        Sinkhorn's iteration ends when the error of the target rows' masses is less, relative to
        the masses, in the Euclidean norm.
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
        else:
            plan = self._plan(source, target, name)
            plan.warn_of(name, "Raise max_iter or reg_e.")
            self.coupling_, self.n_iter_ = plan.coupling, plan.n_iter
        moved = barycentres(self.coupling_, source.X, target.X)
        self.X_fit_, places = np.unique(source.X, axis=0, return_inverse=True)
        places = places.ravel()  # a column in some versions of numpy
        self.displacements_ = np.zeros(self.X_fit_.shape)
        np.add.at(self.displacements_, places, moved - source.X)
        self.displacements_ /= np.bincount(places)[:, None]

    def _plan(self, source: Domain, target: Domain, name: str) -> Plan:
        cost = cost_matrix(source.X, target.X, self.metric)
        if self.norm is not None:
            # Where more than half of the pairs are of equal rows, the median is zero.
            scale = (np.median(cost) if self.norm == "median" else 0.0) or cost.max()
            cost /= scale if scale > 0 else 1.0
        if is_classifier(self) and target.labelled.any():
            differ = (source.y[:, None] != target.y) & target.labelled
            cost[differ] += _FORBIDDEN * np.abs(cost).max()
        options = {"max_iter": self.max_iter, "tol": self.tol, "name": name}
        if self.reg_cl == 0:
            return transport_plan(cost, self.reg_e, **options)
        return class_regularised_plan(
            cost, source.y, self.reg_e, self.reg_cl, n_rounds=self.n_rounds, **options
        )

    def _move(self, X):
        nearest = pairwise_distances_argmin(X, self.X_fit_.astype(X.dtype, copy=False))
        return X + self.displacements_[nearest].astype(X.dtype, copy=False)
