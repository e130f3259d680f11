"""CORAL: correlation alignment (Sun, Feng and Saenko, 2016)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg

from .._arrays import rounding
from .._constraints import Bool, Real
from .._mappers import ESTIMATOR, InvertibleMapper, SourceMover
from .._parameters import parameter
from .._typing import Estimator
from ..base import Domain
from ._affine import ALLOWANCE, affine, moved_moments, row_mean

__all__ = ["CORAL", "coral_map", "coral_matrix"]


class CORAL(SourceMover, InvertibleMapper):
    """Give the source rows the mean and the covariance that the target rows have.

    The source rows are whitened with their own covariance matrix and re-coloured with that of the
    target, so that both domains have the same spreads and correlations; the estimator is trained on
    them, and the target rows stay as they are. Nothing needs target labels; where some are given,
    the labelled target rows join the training.

    Use it when features have changed their scale or their correlations: another instrument,
    another normalisation, another mix of what disturbs the measurement. It is quick, has one
    parameter that rarely needs a change, and prediction costs nothing extra. It is of little use
    for estimators that work feature by feature and don't mind scales, such as trees, when a
    correlation has changed because the relation to the labels has, or when the
    class proportions differ much (means and covariances then ought to differ). Bring
    features to comparable scales before it: a StandardScaler in a Pipeline.

    Attributes
    ----------
    recoloring_ : ndarray of shape (q, q)
        A = (C_s + lam I)^-1/2 (C_t + lam I)^1/2, of all features, or in the coordinates of
        ``basis_``.
    inverse_recoloring_ : ndarray of shape (q, q)
        Its inverse; for ``lam=0`` and covariances of lower rank what takes its place.
    basis_ : ndarray of shape (n_features, q) or None
        Orthonormal directions in which rows vary; where there are more features than rows in both
        domains together. None where A has all features.
    source_mean_, target_mean_ : ndarray of shape (n_features,)
        What is subtracted from source rows and added to them: the domains' means, or zeros with
        ``match_means=False``.

    Raises
    ------
    ValueError
        Where a domain has one row only, or, for ``lam=0``, rows that do not differ.

    See Also
    --------
    SubspaceAlignment : Aligns the directions of largest variance alone.
    TCA : Directions in which the domains' means agree.

    Notes
    -----
    *Map.* A source row x goes to (x - m_s) A + m_t with A = (C_s + lam I)^-1/2 (C_t + lam I)^1/2,
    Algorithm 1 of [1]_; the covariances divide by n - 1. With ``lam=0`` A is the theorem's solution
    for covariances of any rank: U_s D_s^{+1/2} U_sᵀ U_t D_t^{1/2} U_tᵀ with D_s^+ the
    pseudo-inverse and of the target's eigenvectors as many as the smaller of the two ranks.

    *Chance.* Two random samples of the same rows have other means and covariances, too, the more so
    the fewer rows there are. So each of the two is matched as far as its squared distance exceeds
    `allowance` times that of chance: tr C / n, summed over both domains, for means, and
    (E ‖x - m‖⁴ - ‖C‖²) / n for covariances. ``allowance=0`` is the paper's setting. With logistic
    or ridge regression the gain is .9 points on the half of this project's tasks by which this was
    chosen, where 12 of 66 lose more than one, and 2.6 on the other, where 9 of 68 do; the paper's
    setting has none (26) and 1.2 (22). Without a shift nothing is lost, there up to 1.9 points.

    *Small samples.* Where there are fewer rows than features, `lam` decides what happens to
    directions without variance in the source: they are multiplied by up to
    sqrt((v + lam) / lam), with v the target's variance there. Raise `lam` rather than lower it.

    *Published accuracies.* The paper's authors classify by an SVM whose kernel is X_s A X_sᵀ in
    training and X_t (X_s A)ᵀ in prediction: mapped source rows are compared with source rows that
    are not mapped. So do the accuracies that the literature repeats for Office-Caltech and for
    Amazon reviews: this class's ``transform`` and ``SVC(kernel="precomputed")`` give them to the
    digit, with C = 1 or C = 0.001. An ordinary linear SVM on the mapped rows, which is what the
    algorithm describes, is one to two points worse on these data.

    *Undoing.* ``inverse_transform(Z, domain="source")`` gives the source rows again, for ``lam=0``
    where both covariances have full rank. Target rows are not changed in either direction.

    *Cost.* With d features and n rows in all, O(n d² + d³) time and O(d²) memory beyond the rows.
    Where d > n, A differs from the identity (with ``lam=0`` from zero) only within the span of the
    centred rows: an orthonormal basis of it is found and the same formula used in its coordinates,
    in O(d n²) time and O(d n) memory, with the same result. All is computed in double precision;
    rows in single precision are mapped in single precision. Sparse rows are refused, since the
    mapped source rows would be dense: reduce them by
    :class:`~sklearn.decomposition.TruncatedSVD` first.

    References
    ----------
    .. [1] B. Sun, J. Feng, K. Saenko, "Return of frustratingly easy domain adaptation", AAAI
       Conference on Artificial Intelligence, 2016, Algorithm 1 and the theorem before it.

    Examples
    --------
    Two features, of which the first tells the classes apart; in the target they are mixed.

    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> from skdtl.mapping import CORAL
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.repeat([0, 1], 100), np.repeat([0, 1], 50)
    >>> Xs, Xt = (np.outer(2 * y - 1, [1, 0]) + rng.normal(size=(len(y), 2)) * [0.2, 1]
    ...           for y in (ys, yt))
    >>> Xt = Xt @ [[1, 2], [2, 5]] + [2, 5]
    >>> SourceOnly().fit(Xs, ys, Xt).score(Xt, yt) < 0.7
    True
    >>> coral = CORAL(lam=0.0, allowance=0).fit(Xs, ys, Xt)
    >>> coral.score(Xt, yt) > 0.95
    True
    >>> np.allclose(np.cov(coral.transform(Xs, domain="source").T), np.cov(Xt.T))
    True
    """

    lam: float = parameter(
        default=1.0,
        legal=Real(0, closed="left"),
        text="""
        What is added to the diagonal of both covariance matrices, in the squared units of the
        features; 1 suits standardised ones. The larger, the less the source rows are changed:
        for lam → ∞ they keep their covariance. With 0 the covariances agree exactly where that is
        possible; where rows vary in fewer directions than there are features, only
        the directions that both domains have counterparts for are kept.
        """,
        kw_only=False,
    )
    match_means: bool = parameter(
        default=True,
        legal=Bool(),
        text="""
        Whether the source rows also move from their mean to the target's. The paper takes both
        domains to be centred, where it makes no difference. With False the map is x → x A.
        """,
    )
    estimator: Estimator = parameter(default=None, legal=ESTIMATOR)
    allowance: float = ALLOWANCE

    _takes_sparse: ClassVar[bool] = False

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        for domain, name in ((source, "Xs"), (target, "Xt")):
            if len(domain) < 2:
                raise ValueError(
                    f"{name} has n_samples=1, but a covariance matrix needs at least 2 rows."
                )
            if self.lam == 0 and not np.ptp(domain.X, axis=0).any():
                raise ValueError(
                    f"All rows of {name} are the same (n_samples={len(domain)}): with lam=0 their "
                    "covariance can't be matched."
                )
        means, self.basis_, self.recoloring_, self.inverse_recoloring_ = _aligned(
            source.X, target.X, self.lam, self.allowance
        )
        self.source_mean_, self.target_mean_ = (
            means if self.match_means else np.zeros((2, self.n_features_in_))
        )

    def _move(self, X):
        return self._affine(X, self.source_mean_, self.recoloring_, self.target_mean_)

    def _unmap(self, Z, domain: str):
        if domain == "target":
            return Z.copy()
        return self._affine(Z, self.target_mean_, self.inverse_recoloring_, self.source_mean_)

    def _affine(self, X, mean, A, new_mean):
        # With lam=0 nothing outside the basis is kept.
        return affine(X, mean, A, new_mean, self.basis_, keep_outside=self.lam > 0)


def coral_map(Xs, Xt, lam=1.0):
    """Find A = (C_s + lam I)^-1/2 (C_t + lam I)^1/2 without a larger matrix than needed.

    Parameters
    ----------
    Xs : ndarray of shape (n_s, n_features)
        Source rows, two or more.
    Xt : ndarray of shape (n_t, n_features)
        Target rows, two or more.
    lam : float, default=1.0
        Added to the diagonals, 0 or more.

    Returns
    -------
    basis : ndarray of shape (n_features, q) or None
        None where A is given for all features. Otherwise orthonormal, and the whole matrix is
        basis A basisᵀ, plus, where `lam` is not 0, the identity outside the basis.
    A, inverse : ndarray of shape (q, q)
        The matrix and its inverse (for ``lam=0`` the same formula with the domains swapped).
    """
    return _aligned(Xs, Xt, lam, 0.0)[1:]


def _aligned(Xs, Xt, lam, allowance):
    """Return the means to be matched, and what `coral_map` does, of moments that have moved."""
    means = row_mean(Xs), row_mean(Xt)
    # The variance that the error of a mean looks like.
    errors = [(rounding(len(X)) * np.linalg.norm(m)) ** 2 for X, m in zip((Xs, Xt), means)]
    Xs, Xt = Xs - means[0], Xt - means[1]
    basis = None
    if Xs.shape[1] > len(Xs) + len(Xt):
        basis = scipy.linalg.qr(np.concatenate([Xs, Xt]).T, mode="economic")[0]
        Xs, Xt = Xs @ basis, Xt @ basis
    Cs, Ct = (X.T @ X / (len(X) - 1) for X in (Xs, Xt))
    target_mean, Ct = moved_moments(Xs, Xt, means, (Cs, Ct), allowance)
    means = means[0], target_mean
    return means, basis, coral_matrix(Cs, Ct, lam, errors), coral_matrix(Ct, Cs, lam, errors[::-1])


def coral_matrix(Cs, Ct, lam=1.0, errors=(0.0, 0.0)):
    """Compute (C_s + lam I)^-1/2 (C_t + lam I)^1/2.

    Parameters
    ----------
    Cs, Ct : ndarray of shape (d, d)
        Covariance matrices.
    lam : float, default=1.0
        Added to the diagonals, 0 or more. With 0 the first root is a pseudo-inverse, and of the
        second matrix as many of the leading eigenvectors count as the smaller rank says.
    errors : pair of float, default=(0.0, 0.0)
        Up to which size an eigenvalue of either matrix may be rounding error.

    Returns
    -------
    A : ndarray of shape (d, d)
    """
    (vs, Us), (vt, Ut) = (np.linalg.eigh(C) for C in (Cs, Ct))
    vs, vt = np.maximum(vs, 0), np.maximum(vt, 0)
    if lam == 0:
        rank_s, rank_t = (
            max(1, np.sum(v > len(v) * np.finfo(float).eps * v[-1] + error))
            for v, error in zip((vs, vt), errors)
        )
        vs, Us = vs[-rank_s:], Us[:, -rank_s:]
        rank = min(rank_s, rank_t)
        vt, Ut = vt[-rank:], Ut[:, -rank:]
    return (Us / np.sqrt(vs + lam)) @ (Us.T @ Ut * np.sqrt(vt + lam)) @ Ut.T
