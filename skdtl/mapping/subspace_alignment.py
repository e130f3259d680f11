"""Subspace alignment (Fernando, Habrard, Sebban and Tuytelaars, 2013)."""

from __future__ import annotations

import numpy as np

from .._constraints import Bool, Int, OneOf, Real
from .._mappers import ESTIMATOR, InvertibleMapper
from .._parameters import parameter
from .._typing import Estimator
from ..base import Domain
from ._affine import centred_product
from ._principal_axes import ALLOWANCE, domain_axes, means_to_match

__all__ = ["SubspaceAlignment", "alignment_matrix"]


class SubspaceAlignment(InvertibleMapper):
    """Turn the source's principal directions as closely as possible into those of the target.

    Each domain is described by its own leading principal directions. The source rows' coordinates
    are multiplied by the matrix that brings the source's directions closest to the target's, and
    the estimator is trained on them; target rows are mapped to their own principal coordinates.
    Nothing needs target labels; where some are given, the mapped labelled target rows join the
    training.

    Use it for many correlated features (spectra, images, embeddings) whose main directions
    of variation have turned or lost and gained features between the domains while what they mean
    stayed. A nearest neighbour and other methods that go by distances suit it; for a
    regression with PLS or Ridge take enough components. It is of little use for a few features
    (with as many components as features it does no more than move each domain's mean to zero),
    where the classes differ in directions of small variance, or where the class proportions
    differ much. Features should have comparable scales: put a StandardScaler before it.

    Attributes
    ----------
    source_components_, target_components_ : ndarray of shape (n_components_, n_features)
        The principal directions of each domain, as rows: P_sᵀ and P_tᵀ.
    alignment_ : ndarray of shape (n_components_, n_components_)
        M = P_sᵀ P_t. Source rows are mapped to ``(X - source_mean_) @ source_components_.T @
        alignment_``, target rows to ``(X - target_mean_) @ target_components_.T``.
    source_mean_, target_mean_ : ndarray of shape (n_features,)
        The means of the domains, or zeros with ``match_means=False``.
    n_components_ : int
        The number of directions.

    Raises
    ------
    ValueError
        Where all rows of a domain are the same.

    Warns
    -----
    UserWarning
        Where there are fewer directions than `n_components`.

    See Also
    --------
    GFK : Integrates over all subspaces between the source's and the target's.
    CORAL : Aligns all directions, not the leading ones alone.

    Notes
    -----
    *Map.* M = P_sᵀ P_t minimises ‖P_s M - P_t‖_F over all matrices [1]_ (equations 1 and 2); with
    it source rows x are mapped to x P_s P_sᵀ P_t and target rows to x P_t (Algorithm 1).
    The principal directions are those of each domain's rows about the domain's own mean, with the
    entry of largest magnitude positive.

    *How many.* The paper bounds the number from above by a concentration inequality, whose
    constants have to be chosen, and cross-validates below it on source labels. Here by default
    as many are taken as let rows through: where variances are alike, the order of the directions is
    chance, the first few of each domain are others, and what is not in both is lost, of ten columns
    of equal variance nearly all. "sdm" is the
    measure of [2]_, equation 8: the smallest dimension in which the domains' directions are
    orthogonal to those of both together. Where that does not happen up to half of the features,
    it is half of them; without a target all. A search over `n_components` may well do better.

    *Chance.* Means of random halves of one table differ, too: by default only what exceeds four
    times the distance that chance makes is taken off. ``n_components="sdm", allowance=0`` is as
    near to the paper as this class gets. With logistic or ridge regression the defaults lose
    nothing without a shift, but 1.6 and .4 points in the mean on the two halves of this project's
    tasks (2.5 and 13 with "sdm"): it is for the data that the first paragraphs name.

    *Scale.* Along principal vectors that enclose an angle θ, mapped source rows are shorter by
    cos θ, and target rows are not. Estimators that go by a scale meet the target's rows too far
    out: after large angles a regression's predictions spread too much, though they are in
    the right order.

    *Undoing.* ``inverse_transform`` gives what the principal directions hold of a row.
    ``domain="target"`` for mapped source rows shows what they would look like in the target.

    *Cost.* With d features and n rows in all, O(n d min(n, d)) time and O(d k) memory beyond
    a copy of the rows, plus d² for d < n. "sdm" adds O(k⁴) time for the k that it chooses. Sparse
    rows stay sparse: their leading directions are found by products with them. All is computed in
    double precision; rows in single precision are mapped in single precision.

    References
    ----------
    .. [1] B. Fernando, A. Habrard, M. Sebban, T. Tuytelaars, "Unsupervised visual domain adaptation
       using subspace alignment", IEEE International Conference on Computer Vision, 2013, section 3
       and Algorithm 1.
    .. [2] B. Gong, Y. Shi, F. Sha, K. Grauman, "Geodesic flow kernel for unsupervised domain
       adaptation", IEEE Conference on Computer Vision and Pattern Recognition, 2012, section 3.4.

    Examples
    --------
    The target's plane of large variance has turned: its first feature is mostly what disturbs.

    >>> import numpy as np
    >>> from skdtl import SourceOnly
    >>> from skdtl.mapping import SubspaceAlignment
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.repeat([0, 1], 100), np.repeat([0, 1], 50)
    >>> Xs, Xt = ((2 * y[:, None] - 1) * [3, 0, 0] + rng.normal(size=(len(y), 3)) * [0.3, 2.4, 0.3]
    ...           for y in (ys, yt))
    >>> Xt[:, :2] = Xt[:, :2] @ [[0.3, 0.95], [-0.95, 0.3]]
    >>> SourceOnly().fit(Xs, ys, Xt).score(Xt, yt) < 0.75
    True
    >>> SubspaceAlignment(n_components=1).fit(Xs, ys, Xt).score(Xt, yt)
    1.0
    """

    n_components: int | float | str = parameter(
        default=0.99,
        legal=(OneOf("sdm"), Int(1), Real(0, 1, closed="neither")),
        text="""
        How many principal directions of each domain. A float below 1 takes the fewest in which
        rows keep this share of their variance when they are projected onto the directions of their
        own domain and then of the other, and where that is nowhere, as many as keep most. "sdm"
        takes as many as the domains agree on by the subspace disagreement measure, at most half of
        the features. Fewer than asked for are kept, with a warning, where the rows of a domain do
        not vary in as many.
        """,
        kw_only=False,
    )
    match_means: bool = parameter(
        default=True,
        legal=Bool(),
        text="""
        Whether each domain's mean is subtracted from its rows. The paper takes both domains to be
        centred, where it makes no difference. With False the rows are projected as they are.
        """,
    )
    allowance: float = ALLOWANCE
    estimator: Estimator = parameter(default=None, legal=ESTIMATOR)

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        Ps, Pt = domain_axes(source, target, self.n_components)
        self.source_components_, self.target_components_ = Ps.T, Pt.T
        self.alignment_ = alignment_matrix(Ps, Pt)
        self.source_mean_, self.target_mean_ = (
            means_to_match(source, target, self.allowance)
            if self.match_means
            else np.zeros((2, self.n_features_in_))
        )
        self.n_components_ = self._n_features_out = Ps.shape[1]

    def _map(self, X, domain: str):
        if domain == "target":
            return centred_product(X, self.target_mean_, self.target_components_.T)
        return centred_product(X, self.source_mean_, self.source_components_.T @ self.alignment_)

    def _unmap(self, Z, domain: str):
        if domain == "target":
            return centred_product(Z, None, self.target_components_, self.target_mean_)
        back = np.linalg.pinv(self.alignment_) @ self.source_components_
        return centred_product(Z, None, back, self.source_mean_)


def alignment_matrix(Ps, Pt):
    """Find the matrix M with the least ‖P_s M - P_t‖_F.

    Parameters
    ----------
    Ps, Pt : ndarray of shape (n_features, k)
        Orthonormal directions of the source and of the target.

    Returns
    -------
    M : ndarray of shape (k, k)
    """
    return Ps.T @ Pt
