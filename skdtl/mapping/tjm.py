"""Transfer joint matching (Long, Wang, Ding, Sun and Yu, 2014)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._constraints import Int, Real
from .._parameters import parameter
from ..base import Domain
from ._kernel_mapper import Directions, InvertibleKernelMapper, domain_difference

__all__ = ["TJM", "joint_matching"]

# The rounds end where the objective falls by less than this share of itself.
_SETTLED = 1e-4
# The norm below which a row's penalty grows no more, as a share of the largest norm.
_SMALLEST_NORM = 1e-6


def joint_matching(
    space,
    e,
    n_source,
    n_components,
    lam=1.0,
    n_rounds=10,
    *,
    weight=1.0,
    tol=1e-10,
    max_iter=200,
    report=None,
):
    """Minimise tr(Aᵀ K M K A) + lam (‖A_s‖₂,₁ + ‖A_t‖²) among all A with Aᵀ K H K A = I.

    Parameters
    ----------
    space : KernelSpace or FeatureSpace
        The rows, source first; K is their kernel matrix over the mean of its diagonal.
    e : ndarray of shape (n,)
        What takes the difference of means; M is e eᵀ divided by its norm. Zeros for none.
    n_source : int
        How many rows, the first ones, are to have a sparse A_s.
    n_components : int
        The number of A's columns.
    lam : float, default=1.0
        Weight of the penalty.
    n_rounds : int, default=10
        At most so many eigenvalue problems are solved.
    weight : float, default=1.0
        How much of M counts.
    tol, max_iter : float, int
        See `TJM`.
    report : callable, default=None
        Is called with the number of the round and the objective.

    Returns
    -------
    eigenvalues : ndarray of shape (m,)
        Of (K M K + lam G)^-1 K H K in the last round, in descending order.
    W : ndarray
        The eigenvectors, as `space.components` returns them; their directions are those of A.
    norms : ndarray of shape (n_source,)
        Of the rows of A_s.
    objectives : ndarray of shape (n_rounds_done,)
        The objective after each round.
    n_iter : int
        Rounds of the eigensolver in the last round.
    """
    E = np.sqrt(weight) * e / max(np.linalg.norm(e), np.finfo(float).tiny)
    scale = space.mean_square  # of the matrix that the space knows over K
    mu = lam * scale**2
    penalty, objectives = np.ones(space.n_rows), []
    for n_round in range(1, n_rounds + 1):
        values, W, n_iter = space.components(
            E, n_components, mu, penalty=penalty, tol=tol, max_iter=max_iter
        )
        A = space.coefficients(W, values, E, mu, penalty) * (scale / np.sqrt(values))
        norms = np.linalg.norm(A, axis=1)
        own = norms[:n_source]
        # tr(Aᵀ (K M K + lam G) A) is the sum of 1/eigenvalues; the source rows' part of the
        # penalty in it is replaced by the true one.
        objectives.append((1 / values).sum() - lam * ((penalty[:n_source] * own - 1) @ own))
        if report is not None:
            report(n_round, objectives[-1])
        if n_round > 1 and objectives[-2] - objectives[-1] <= _SETTLED * objectives[-1]:
            break
        penalty[:n_source] = 0.5 / np.maximum(own, _SMALLEST_NORM * norms.max(initial=1e-300))
    return values, W, own, np.array(objectives), n_iter


class TJM(InvertibleKernelMapper):
    """Map both domains to directions in which their means agree, built from few source rows.

    Transfer joint matching looks, as :class:`~skdtl.TCA` does, for directions of a kernel's
    feature space along which the rows vary much while the means of source and target agree. The
    directions are combinations of the rows, and a penalty on whole rows lets few source rows take
    part in them: those that are like the target. An ordinary estimator is then trained on the
    mapped source rows. Nothing needs labels but this estimator; where target labels are given, the
    mapped labelled target rows join its training.

    Use it where the inputs have shifted and, moreover, part of the source has nothing to do with
    the target: another kind of patients among them, objects seen from an angle that the target
    never has. Where all of the source is relevant TCA does the same in a single round. It is of
    little use when the shift is in the very directions that tell the classes apart, or when the
    relation of inputs to labels has changed: the rows are chosen without a look at labels.
    Features should have comparable scales: put a StandardScaler before it.

    Attributes
    ----------
    source_weights_ : ndarray of shape (n_s,)
        How much each source row takes part in the directions: the norm of its row of
        coefficients, scaled to a mean of 1. :class:`~skdtl.InstanceWeightsDisplay` shows it; the
        estimator is trained on all source rows alike. With "linear" and "poly" long rows take part
        more, whatever they are like; with "rbf" and "laplacian", or rows of one length, the norms
        tell which source rows are like the target. Not pickled.
    objectives_ : ndarray of shape (n_rounds_,)
        The objective after each round; it never rises.
    n_rounds_ : int
        Rounds until the objective fell by less than a ten-thousandth, or `n_rounds`.
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K M K + λ G)^-1 K H K in the last round, in descending order.
    n_iter_ : int
        Rounds of the eigensolver in the last round; 1 where the matrix was small enough to be
        decomposed directly.

    See Also
    --------
    skdtl.TCA : The same without the choice of source rows.
    skdtl.KMM : Weighs the source rows for the training instead of mapping them.

    Notes
    -----
    *Problem.* With K the kernel matrix of all n = n_s + n_t rows over the mean of its diagonal,
    H = I - 11ᵀ/n, and M = e eᵀ, where e is 1/n_s for source and -1/n_t for target rows, divided by
    its Frobenius norm, A minimises tr(Aᵀ K M K A) + λ (‖A_s‖₂,₁ + ‖A_t‖²) among all A with
    Aᵀ K H K A = I. A_s are the rows of A that belong to source rows, ‖A_s‖₂,₁ is the sum of their
    norms and ‖A_t‖² the sum of the squares of the rest [1]_. M is the marginal one; the paper has
    no class-wise terms. Nor does it scale K, but the rows of its images have length 1, so that, as
    for "rbf", the mean is 1. Without this scale the two penalties, of which one is squared and one
    is not, would depend on the features' units.

    *Solution.* In rounds: A holds the leading eigenvectors of (K M K + λ G)^-1 K H K, where the
    diagonal G is 1 for target rows and 1/(2 ‖a‖) for source rows with the row a of the A before, 1
    in the first round. As ‖a'‖ <= ‖a'‖²/(2 ‖a‖) + ‖a‖/2, with equality for a' = a, the objective
    cannot rise. The rounds end after `n_rounds` of them, or when it falls by less than a
    ten-thousandth. The paper sets G to 0 where ‖a‖ is 0, which would let the row in again at no
    cost; here 1/(2 ‖a‖) grows no more where ‖a‖ is below a millionth of the largest norm.

    *Cost.* Each round solves the problem of TCA with other penalties, in the ways described there.
    For "linear" with up to 1000 features, and with an approximation, a round takes n D² operations
    for D features. A is never computed with a matrix of all pairs for these: its rows are
    x (Xᵀ H X C diag(v)^-1 - Xᵀ M X C) / (λ G), with C = Xᵀ W and the eigenvalues v.

    *Scale and sign.* The rows of A are compared in the scale of the constraint, Aᵀ K H K A = I.
    Rows are mapped by the same directions in the scale of TCA, with K M K + λ G for its P; with
    ``spectrum="penalty"`` the published pairs of images had been measured. (The constraint makes
    all variances equal, with which a nearest neighbour loses four points there.) M counts by what
    chance does not explain, as L does in TCA; the paper has ``allowance=0``. The gain in the mean
    with logistic or ridge regression is 2.8 and 2.6 points on the two halves of this project's
    tasks, and nothing is lost without a shift.

    *No target.* Without one M is zero and no row is a source row beside others: G is 1, there is a
    single round, and what remains is kernel PCA as for TCA, with source weights of 1.

    *Precision.* For rows in single precision the kernel matrix, half as large then, and the mapped
    rows are computed in single precision; the eigenvectors always in double precision.

    References
    ----------
    .. [1] M. Long, J. Wang, G. Ding, J. Sun, P. S. Yu, "Transfer joint matching for unsupervised
       domain adaptation", IEEE Conference on Computer Vision and Pattern Recognition, 2014.

    Examples
    --------
    The second feature has shifted; half of the source rows differ from the target in the third.

    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> from skdtl.mapping import TJM
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(200) % 2, np.arange(100) % 2
    >>> Xs = np.column_stack([2 * ys, ys, np.zeros(200)]) + rng.normal(size=(200, 3)) * 0.3
    >>> Xt = np.column_stack([2 * yt, yt + 5, np.zeros(100)]) + rng.normal(size=(100, 3)) * 0.3
    >>> Xs[:100, 2] += rng.normal(size=100) * 3
    >>> SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
    0.5
    >>> tjm = TJM(n_components=1, kernel="rbf").fit(Xs, ys, Xt)
    >>> tjm.score(Xt, yt) > 0.9
    True
    >>> bool(tjm.source_weights_[:100].mean() < tjm.source_weights_[100:].mean())
    True
    """

    lam: float = parameter(
        default=1.0,
        legal=Real(0, closed="neither"),
        text="""
        λ, the weight of the penalty on the rows' coefficients, against the distance of the domains'
        means. The larger, the less the shift counts and the fewer source rows do.
        """,
    )
    n_rounds: int = parameter(
        default=10,
        legal=Int(1),
        text="""
        At most so many rounds, of one eigenvalue problem each. With 1 no source row is penalised
        more than another.
        """,
    )
    verbose: int = parameter(
        default=0, legal=Int(0), text="1 prints the objective after each round.", last=True
    )

    _unpickled: ClassVar[tuple[str, ...]] = ("source_weights_",)

    def _find(self, space, source: Domain, target: Domain) -> Directions:
        alone = target is source
        e = domain_difference(source, target)
        counted, squares = self._counted(space, e), e @ e
        values, W, norms, self.objectives_, n_iter = joint_matching(
            space,
            e,
            0 if alone else len(source),
            self._asked_components(),
            self.lam,
            1 if alone else self.n_rounds,
            weight=np.vdot(counted, counted) / squares if squares else 1.0,
            tol=self.tol,
            max_iter=self.max_iter,
            report=self._report if self.verbose else None,
        )
        self.n_rounds_ = len(self.objectives_)
        mean = norms.mean() if len(norms) else 0.0
        self.source_weights_ = norms / mean if mean > 0 else np.ones(len(source))
        return Directions(values, W, n_iter)

    def _report(self, n_round, objective):
        print(f"[TJM] round {n_round}/{self.n_rounds}: objective {objective:.6g}")
