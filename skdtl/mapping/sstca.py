"""Semi-supervised transfer component analysis (Pan, Tsang, Kwok and Yang, 2011)."""

from __future__ import annotations

from collections import abc
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import is_classifier
from sklearn.neighbors import kneighbors_graph
from sklearn.utils.extmath import row_norms

from .._arrays import join_rows, rounding
from .._constraints import HasMethod, Int, Real
from .._parameters import parameter
from ..base import Domain
from ._kernel_mapper import Directions, InvertibleKernelMapper, domain_difference, penalty_unit

__all__ = ["SSTCA", "label_columns", "neighbour_laplacian"]


def neighbour_laplacian(X, n_neighbors=5):
    """Return the Laplacian of the graph that joins each row with its nearest neighbours.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, n_features)
        Rows.
    n_neighbors : int, default=5
        How many; all others where there are fewer.

    Returns
    -------
    laplacian : sparse array of shape (n, n)
        D - A. A has exp(-d²/(2 s²)) for two rows at a distance d of which one is among the other's
        nearest, with s² the mean of their d²; D is the diagonal of its sums.
    """
    n = X.shape[0]
    if n == 1:
        return scipy.sparse.csr_array((1, 1))
    k = min(n_neighbors, n - 1)
    graph = kneighbors_graph(X, k, mode="distance")
    squares = graph.data.astype(np.float64) ** 2
    # As in `squared_distances`: between equal rows there may be a rounding error.
    lengths = row_norms(X.astype(np.float64, copy=False), squared=True)
    squares[squares <= rounding(X.shape[1]) * (np.repeat(lengths, k) + lengths[graph.indices])] = 0
    graph = scipy.sparse.csr_array(graph, dtype=np.float64)
    # Of rows that are all the same every distance is 0, and every weight 1.
    graph.data = np.exp(-squares / max(2 * squares.mean(), np.finfo(float).tiny))
    affinities = graph.maximum(graph.T)
    return scipy.sparse.csr_array(scipy.sparse.diags_array(affinities.sum(axis=1)) - affinities)


def label_columns(y, labelled, n_classes=None):
    """Return F with F Fᵀ the kernel between labels.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Codes of classes or numbers.
    labelled : ndarray of shape (n,), bool
        Which of them are known.
    n_classes : int, default=None
        The number of classes; None means that `y` holds numbers.

    Returns
    -------
    F : ndarray of shape (n, n_classes) or (n, 1)
        A row's class has a 1; or the number, standardised over the labelled rows. Rows without a
        label are zero.
    """
    if n_classes is not None:
        return ((y[:, None] == np.arange(n_classes)) & labelled[:, None]).astype(np.float64)
    F, known = np.zeros((len(y), 1)), y[labelled]
    if np.ptp(known) > 0:
        F[labelled, 0] = (known - known.mean()) / known.std()
    return F


class SSTCA(InvertibleKernelMapper):
    """Map both domains to directions that tell the labels and in which their means agree.

    Semi-supervised transfer component analysis is :class:`~skdtl.TCA` with two more wishes. The
    directions shall depend on the labels, not only vary much; and rows that are neighbours shall
    stay so. As in TCA the means of source and target shall not differ along them, and an ordinary
    estimator is trained on the mapped source rows. The labels are those of the source and, where
    given, of the target; they may be classes or numbers.

    Use it instead of TCA when what tells the labels is not what varies most, so that TCA's leading
    directions miss it, and asking TCA for more directions would bring the shift back in. With few
    labels lower `label_weight`. With many features and few rows the directions can fit the source's
    labels perfectly and tell nothing of others: then raise `mu`, or use TCA. As with TCA nothing
    helps where the shift is in the very directions that tell the labels, or where the relation of
    inputs to labels has changed. Features should have comparable scales: put a StandardScaler
    before it.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K (L + λ N) K + mu I)^-1 K H K_yy H K in descending order.
    estimator_ : estimator object
        The fitted clone of `estimator`.

    Raises
    ------
    ValueError
        Where all rows are the same to the kernel; where with a `label_weight` of 1 all labels are
        the same number; where `mu` is below the rounding error of the neighbours' term.

    See Also
    --------
    skdtl.TCA : The same without labels and neighbours.

    Notes
    -----
    *Problem.* With K the kernel matrix of all n = n_s + n_t rows, H = I - 11ᵀ/n, and L = e eᵀ where
    e is 1/n_s for source and -1/n_t for target rows, W holds the leading eigenvectors of
    (K (L + λ N) K + mu I)^-1 K H K_yy H K [1]_. K_yy = γ K_l + (1 - γ) I: K_l is a kernel between
    the labels and zero for rows without one, so that tr(Wᵀ K H K_yy H K W) measures the mapped
    rows' dependence on the labels (the Hilbert-Schmidt independence criterion) and their variance.
    N is the Laplacian of the graph of neighbours over n², so that tr(Wᵀ K N K W) sums the squared
    distances between mapped neighbours. A row x is mapped to Wᵀ k(x), of either domain, new or not.

    *Choices.* K_l is 1 for two rows of one class, and the product of the standardised numbers for
    regression, both of low rank; labelled target rows count as well, where the paper has source
    labels only. Distances of neighbours are those of the rows as given. The paper leaves the width
    of the graph's weights exp(-d²/(2 s²)) open: here s² is the mean of d² over all neighbours.
    Beware of a large λ: two domains that are far apart are smooth a difference, too, and return
    when the neighbours outweigh the distance of the means.

    *Solution.* For γ = 0 and λ = 0 the problem is that of TCA, and for λ = 0 it is solved as fast.
    Otherwise the first matrix is factorised: among the features, at a cost of n D² + D³ operations
    for D of them, where the kernel is "linear" with no more features than rows or has an
    approximation; else, at about 2 n³ operations and 24 n² bytes, as a matrix of all pairs. With an
    approximation and λ > 0 each row's features are computed for its neighbours, too, and finding
    the neighbours among a million rows can take longer than all the rest: set λ = 0 there.

    *Penalty, chance, scale and sign.* As for :class:`~skdtl.TCA`: the paper's mu is `mu`
    (1/n_s + 1/n_t) (tr K / n)², L counts by what chance does not explain, and the variances that
    "pca" has are the roots of those for Wᵀ (K (L + λ N) K + mu I) W = I.

    *Precision.* For rows in single precision the kernel matrix, half as large then, and the mapped
    rows are computed in single precision; the eigenvectors always in double precision.

    References
    ----------
    .. [1] S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang, "Domain adaptation via transfer component
       analysis", IEEE Transactions on Neural Networks 22(2), 2011, section IV.

    Examples
    --------
    The first feature tells the classes apart; the second has shifted, the third varies most.

    >>> import numpy as np
    >>> from skdtl import TCA
    >>> from skdtl.mapping import SSTCA
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(200) % 2, np.arange(100) % 2
    >>> Xs = np.column_stack([2 * ys, ys, 0 * ys]) + rng.normal(size=(200, 3)) * [0.3, 0.3, 2]
    >>> Xt = np.column_stack([2 * yt, yt + 5, 0 * yt]) + rng.normal(size=(100, 3)) * [0.3, 0.3, 2]
    >>> TCA(n_components=1).fit(Xs, ys, Xt).score(Xt, yt) < 0.7
    True
    >>> SSTCA(n_components=1).fit(Xs, ys, Xt).score(Xt, yt) > 0.9
    True
    """

    n_components: int | None = parameter(
        default=None,
        text="""
        How many directions. None means 100, or all that there are; with "linear" and more columns
        than that, fewer where the rows of the two domains vary in unlike directions, see Notes of
        :class:`TCA`. Fewer than asked for are kept, with a warning, where there are not as many.
        """,
        kw_only=False,
    )
    kernel: str | abc.Callable = parameter(
        default="linear",
        text="""
        "linear" is <x, y>, "rbf" exp(-gamma ‖x - y‖²), "poly" (gamma <x, y> + coef0)^degree and
        "laplacian" exp(-gamma ‖x - y‖₁). A callable takes (X, Y) and returns the symmetric positive
        semi-definite kernel's whole matrix of shape (n, m).
        """,
    )
    mu: float = parameter(
        default=1.0,
        legal=Real(0, closed="neither"),
        text="""
        Weight of the penalty on the size of the map, against the distance of the domains' means.
        The larger, the less the shift counts.
        """,
    )
    label_weight: float = parameter(
        default=0.5,
        legal=Real(0, 1),
        text="""
        The paper's γ: how much the dependence on labels counts against mere variance. With 0 labels
        are not used, with 1 nothing but them is, and there are no more directions than classes.
        """,
    )
    lam: float = parameter(
        default=1.0,
        legal=Real(0),
        text="""
        λ, the weight of the distances between neighbours. With 0 there is no graph of neighbours.
        """,
    )
    n_neighbors: int = parameter(
        default=5,
        legal=Int(1),
        text="How many neighbours of each row, of either domain, are joined with it.",
    )
    estimator: Any = parameter(
        default=None,
        legal=(None, HasMethod("fit")),
        text="""
        Classifier or regressor that is trained on the mapped rows. None means
        :class:`~sklearn.linear_model.LogisticRegression`.
        """,
    )

    def _find(self, space, source: Domain, target: Domain) -> Directions:
        domains = (source,) if target is source else (source, target)
        labels = neighbours = None
        if self.label_weight > 0:
            labels = np.sqrt(self.label_weight) * self._label_columns(domains)
        if self.lam > 0:
            rows = join_rows(*(domain.X for domain in domains))
            neighbours = neighbour_laplacian(rows, self.n_neighbors) * (self.lam / space.n_rows**2)
        values, W, n_iter = space.components(
            self._counted(space, domain_difference(source, target)),
            self._asked_components(),
            self.mu * penalty_unit(space, source, target),
            labels=labels,
            spread=1 - self.label_weight,
            neighbours=neighbours,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        Z = space.map(W)
        squares = ((Z - Z.mean(axis=0)) ** 2).sum(axis=0)
        return Directions(values, W, n_iter, np.maximum(squares, np.finfo(float).tiny))

    def _label_columns(self, domains):
        F = label_columns(
            np.concatenate([domain.y for domain in domains]),
            np.concatenate([domain.labelled for domain in domains]),
            len(self.classes_) if is_classifier(self) else None,
        )
        if self.label_weight == 1 and not F.any():
            raise ValueError(
                "label_weight=1 leaves the labels alone to tell directions, but all of ys and yt "
                "are the same number."
            )
        return F
