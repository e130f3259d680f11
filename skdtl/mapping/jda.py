"""Joint distribution adaptation (Long, Wang, Ding, Sun and Yu, 2013)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._constraints import Int, OneOf, Real
from .._parameters import parameter
from ..base import Domain
from ._kernel_mapper import Directions, InvertibleKernelMapper
from ._mean_differences import class_mean_differences, mean_difference
from ._pseudo_labels import PseudoLabelMapper

__all__ = ["JDA", "joint_mean_differences"]


def joint_mean_differences(ys, yt, n_classes, mu=0.5):
    """Return the matrix E that takes the difference of the domains' means and those of each class.

    Parameters
    ----------
    ys : ndarray of shape (n_s,), int
        Classes 0, 1, ... of the source rows.
    yt : ndarray of shape (n_t,), int
        Classes of the target rows, known or guessed; -1 for none.
    n_classes : int
        How many classes there are.
    mu : float, default=0.5
        Weight of the classes' differences, in [0, 1], against that of the domains' means.

    Returns
    -------
    E : ndarray of shape (n_s + n_t, r)
        E Eᵀ = M / ‖M‖ with M = (1 - mu) M_0 + mu (M_1 + ... + M_C) / C and the norm of Frobenius;
        M_1, ..., M_C are zero where no target row has a class. E is zero where M is.
    """
    E = np.sqrt(1 - mu) * mean_difference(len(ys), len(yt))[:, None]
    if (yt >= 0).any():
        E = np.hstack([E, np.sqrt(mu / n_classes) * class_mean_differences(ys, yt, n_classes)])
    norm = np.linalg.norm(E.T @ E)  # of E Eᵀ, too
    return E / np.sqrt(norm) if norm > 0 else E


class JDA(PseudoLabelMapper, InvertibleKernelMapper):
    """Map both domains to directions in which they agree as a whole and class by class.

    Joint distribution adaptation looks, as :class:`~skdtl.TCA` does, for a few directions of a
    kernel's feature space along which the rows vary much while the means of source and target do
    not differ; here the means of each class are not to differ either. The target's classes are not
    known: a first round matches the domains as a whole, the estimator that is trained on the mapped
    source rows guesses the target's classes, the next round matches these guesses with the source's
    classes, and so on until no guess changes. Target rows with a label keep it, and join the
    training.

    Use it where the classes have moved in different ways, so that matching the domains as a whole
    is not enough, and where the first guesses are mostly right: the rounds make good guesses better
    and bad ones worse. With two classes whose shares differ between the domains its two demands
    contradict each other, see Notes: there :class:`~skdtl.BDA` with ``mu=1`` is the better choice.
    With few features "linear" matches strictly at ``lam=1``: raise `lam`, or use "rbf", which was
    the more robust there. Features should have comparable scales: put a StandardScaler before it.
    On images a few nearest neighbours of rows of norm 1,
    ``make_pipeline(Normalizer(), KNeighborsClassifier())``, were often a better estimator than the
    default; on reviews they were not.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components_,)
        Eigenvalues of (K M K + c I)^-1 K H K, in descending order, of the last round.
    n_iter_ : int
        Rounds of the eigensolver, the last time; 1 where the matrix was small enough to be
        decomposed directly.

    See Also
    --------
    skdtl.TCA : Matches the domains as a whole alone.
    skdtl.BDA : Weighs the classes against the whole.

    Notes
    -----
    *Problem.* With K the kernel matrix of all n = n_s + n_t rows and H = I - 11ᵀ/n, W minimises
    tr(Wᵀ K M K W) + c ‖W‖² among all W with Wᵀ K H K W = I [1]_, section 3: it holds the leading
    eigenvectors of (K M K + c I)^-1 K H K. M is a sum of matrices e eᵀ, so that it has the rank
    C + 1 at most: e is 1/n_s for source and -1/n_t for target rows in M_0, and 1/n_s^c for source
    and -1/n_t^c for target rows of class c, 0 elsewhere, in M_c. The rounds are algorithm 1.

    *Weights.* M = (C M_0 + M_1 + ... + M_C) / ‖C M_0 + M_1 + ... + M_C‖ with the norm of Frobenius,
    as in the authors' code, so that the classes together weigh as much as the whole; the paper's
    formula has M_0 but once and does not scale. c = `lam` (tr K / n)², with tr K / n the mean
    squared norm of the rows in the kernel's feature space. The authors scale all rows to norm 1, so
    that this is 1; where it is not, a c that does not follow the unit of the features is nothing or
    everything. With these weights, the linear kernel, rows of norm 1, 100 components in the scale
    ‖w‖ = 1 and one nearest neighbour among mapped rows of norm 1, the twelve accuracies that the
    paper has for Office-Caltech come out exactly.

    *Linear kernel.* "linear" is the method with K = X Xᵀ, as in the paper's table for
    Office-Caltech. Its other form, which penalises ‖Xᵀ W‖² instead, as in its table for digits, is
    not offered: the form with K is one problem for all kernels.

    *Shares.* Where all differences vanish, the means of the whole and those of the classes agree,
    so that sum p_c m_c = sum q_c m_c, with p and q the shares of the classes in source and target,
    and m_c the mapped means. With two classes and p not equal to q this says m_1 = m_2: nothing is
    left to tell them apart by. Only the penalty keeps `JDA` from it; with a small `lam` it happens.

    *Guesses.* The first round has none and uses M_0 alone. A class that no target row is guessed to
    be of has the source's part alone in e, as in the authors' code. Labels that are given
    replace guesses from the first round on.

    *Like with like.* The target rows that are guessed to be of a class lie on its side of the
    boundary, while some of the source rows that have the class do not. Their means differ even
    where nothing has shifted, in the very direction that tells the classes apart, and the more so
    the worse the estimator is. So both domains' classes are guesses here. On half of this project's
    tasks ``source_classes="given"``, which is the paper's, gained a point less. With the defaults
    and logistic regression the gain is 1.4 points on this half and 4.9 on the other, and nothing is
    lost where nothing has shifted.

    *Paper's setting.* ``allowance=0, spectrum="penalty", source_classes="given"``; with rows of
    norm 1 `lam` is the paper's.

    *Chance.* Each difference of means, of the whole and of a class, counts by what it exceeds
    `allowance` times that of chance, as the one of TCA does.

    *Scale and sign, precision, many rows.* As for :class:`~skdtl.TCA`. A round costs one solution
    of TCA and one fit of the estimator; the kernel matrix or the moments of the features are
    computed once. New rows, of either domain, are mapped by their kernel values with the training
    rows, as the training rows are.

    References
    ----------
    .. [1] M. Long, J. Wang, G. Ding, J. Sun, P. S. Yu, "Transfer feature learning with joint
       distribution adaptation", ICCV, 2013.

    Examples
    --------
    The first two features tell the classes apart in the source, but the second the other way round
    in the target. The domains' means are equal, so that only the classes' show it.

    >>> import numpy as np
    >>> from skdtl import JDA, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> side = np.tile([-1, 1], 100)
    >>> Xs, Xt = (rng.normal(scale=0.5, size=(200, 3)) for _ in range(2))
    >>> Xs[:, 0] += 1.2 * side
    >>> Xt[:, 0] += 1.2 * side
    >>> Xs[:, 1] += side
    >>> Xt[:, 1] -= side
    >>> SourceOnly().fit(Xs, side, Xt).score(Xt, side) < 0.8
    True
    >>> jda = JDA().fit(Xs, side, Xt)
    >>> jda.score(Xt, side) > 0.95
    True
    >>> jda.n_rounds_ < 10, np.mean(jda.pseudo_labels_ == side) > 0.95
    (True, np.True_)
    """

    lam: float = parameter(
        default=1.0,
        legal=Real(0, closed="neither"),
        text="""
        Weight of the penalty on the size of the map, against the distances of means. The larger,
        the less the shift counts. It is relative to the size of the rows, see Notes: a change of
        the features' unit changes nothing.
        """,
    )
    n_rounds: int = parameter(
        default=10,
        legal=Int(1),
        text="At most so many rounds; fewer where no guess changes. With 1 it is TCA.",
    )
    source_classes: str = parameter(
        default="guessed",
        legal=OneOf("guessed", "given"),
        text="""
        Which rows of the source are compared with the target rows that are guessed to be of a
        class: those for which the estimator makes the same guess, or, as in the paper, those that
        have the class.
        """,
    )

    def _differences(self, space, ys, yt):
        """Return the differences of means that count in a round."""
        return joint_mean_differences(ys, yt, len(self.classes_))

    def _source_classes(self, model, Zs, source: Domain):
        return source.y if self.source_classes == "given" else self._guessed(model, Zs)

    def _start(self, source: Domain, target: Domain):
        return self._fit_space(source, target)

    def _fit_round(self, state, source: Domain, target: Domain, labels):
        alone = target is source
        guessed = source if alone else replace(target, y=labels)
        W = self._set_components(state, self._find(state, source, guessed))
        Z = state.map(W)
        return (Z, Z) if alone else (Z[: len(source)], Z[len(source) :])

    def _find(self, space, source: Domain, target: Domain) -> Directions:
        E = np.zeros(len(source))
        if target is not source:
            E = self._differences(space, source.y, target.y)
        found = space.components(
            self._counted(space, E),
            self._asked_components(),
            self.lam * space.mean_square**2,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        return Directions(*found)
