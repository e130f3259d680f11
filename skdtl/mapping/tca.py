"""Transfer component analysis (Pan, Tsang, Kwok and Yang, 2011)."""

from __future__ import annotations

from .._constraints import Real
from .._parameters import parameter
from ..base import Domain
from ._feature_space import linear_transfer_components, transfer_components
from ._kernel_mapper import Directions, InvertibleKernelMapper, domain_difference, penalty_unit
from ._mean_differences import mean_difference

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

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K L K + mu I)^-1 K H K in descending order.

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

    *Penalty.* `mu` is relative: P = K L K + mu c I with c = (1/n_s + 1/n_t) (tr K / n)², so that
    the unit of the features does not matter. The paper's mu is `mu` times c.

    *Chance.* Two random halves of one table have means that differ, too, and most of all along the
    directions that vary most. Nothing but mu c keeps TCA from giving these up, and with its few
    features beside many rows it is small. So the squared distance of the means counts by what it
    exceeds `allowance` times that of chance, (1/n_s + 1/n_t) tr(K H)/n: L is multiplied by this
    share. Four times it lets through one in twenty random splits of a single column, and hardly any
    of several. The paper has ``allowance=0``.

    *Scale and sign.* Only the directions of W's columns are given by the problem. With the lengths
    Wᵀ P W = I ("penalty") the components' variances are the eigenvalues over n. Where nothing has
    shifted these are the squares of those of (kernel) PCA, so that all but a few components are too
    small for an estimator with a penalty. "pca" has their roots instead. With "linear" and all
    components the mapped rows then are the rows in other axes, and a linear estimator predicts as
    it does without a map; a shift makes a component the smaller, the more it has of it. A single
    factor makes the mean variance 1, as that of standardised columns. With ``spectrum="penalty"``
    and few components nearest neighbours on image features were better. The paper's constraint
    makes all variances equal: follow TCA by a StandardScaler for that. The entry of largest
    magnitude in each row of ``components_``, or column of ``eigenvectors_``, is positive.

    *How many.* A component that tells little is small and hardly bears on an estimator with a
    penalty, so that none need be cut off; on half of this project's tasks all of them did better
    than those with 95 or 99 % of the variance. The paper has 10 to 30. It is otherwise where each
    domain has columns of its own, as texts have words: there the many directions that some rows
    show and others don't are the domain's own, too, and an estimator learns what the target does
    not have. How much is shared is measured: the directions of half of a domain's rows hold a share
    of the variance of its other half, and less of that of the other domain; the geometric mean of
    both domains' quotients, and two standard errors, is shared. With ``n_components=None`` a
    direction then has to hold more of the variance of rows by which it was not found, beside that
    of the others, than is not shared. On half of this project's tasks the shares are .87 to 1 for
    images and spectra, of which all is kept, and .51 to .66 for newsgroups: there 6 to 13
    directions are left, and the gain is 10 points where 100 of them have none. On the other half
    nothing is left out, since rows show there what others show, too. For kernels other than
    "linear", whose directions are places and unlike in any shift, it lost a point.

    *How it does.* With logistic or ridge regression, against these alone: on the half of the tasks
    that the defaults were chosen by +2.4 points in the mean, on the other +2.7; without a shift
    within .1 on each of seven tables.

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

    mu: float = parameter(
        default=1.0,
        legal=Real(0, closed="neither"),
        text="""
        Weight of the penalty on the size of the map, against the distance of the domains' means.
        The larger, the less the shift counts: for mu → ∞ it is as if there were no shift, for mu →
        0 the means of both domains coincide. It is relative to the rows' size, see Notes.
        """,
    )

    def _find(self, space, source: Domain, target: Domain) -> Directions:
        found = space.components(
            self._counted(space, domain_difference(source, target)),
            self._asked_components(),
            self.mu * penalty_unit(space, source, target),
            tol=self.tol,
            max_iter=self.max_iter,
        )
        return Directions(*found)
