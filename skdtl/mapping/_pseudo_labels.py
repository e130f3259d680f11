"""Maps and labels of the target found in turn: the rounds that the methods with classes share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier

from .._constraints import HasMethod, Int
from .._mappers import Mapper
from .._parameters import parameter
from ..base import Domain


class PseudoLabelMapper(ClassifierMixin, Mapper):
    """Base class of mappers that also match the domains class by class.

    The target's classes are not known, so the method guesses them, maps both domains with these
    guesses, lets the estimator that is trained on the mapped source rows guess again, and so on.
    Target rows with a label keep it. A subclass writes ``_start(source, target)`` and
    ``_fit_round(state, source, target, labels)``.

    Attributes
    ----------
    pseudo_labels_ : ndarray of shape (n_t,)
        The classes of the target's rows: labels where they were given, guesses elsewhere. Not
        pickled. Without a target the source's own.
    n_rounds_ : int
        How many rounds were made.
    estimator_ : estimator object
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        The classes.

    Raises
    ------
    ValueError
        Where `estimator` is no classifier, or all rows are the same to the kernel.
    """

    n_rounds: int = parameter(
        default=10, legal=Int(1), text="At most so many rounds; fewer where no guess changes."
    )
    estimator: Any = parameter(
        default=None,
        legal=(None, HasMethod("fit")),
        text="""
        Classifier that is trained on the mapped rows, to guess in each round and to predict. None
        means :class:`~sklearn.linear_model.LogisticRegression`.
        """,
        last=True,
    )
    verbose: int = parameter(
        default=0,
        legal=Int(0),
        text="1 prints a line for each round: how many target rows changed their class.",
        last=True,
    )

    _unpickled: ClassVar[tuple[str, ...]] = ("pseudo_labels_",)

    def _start(self, source: Domain, target: Domain):
        """Return what all rounds need, a kernel matrix say."""

    def _first_labels(self, source: Domain, target: Domain):
        """Return codes of classes for the target rows before the first round, -1 for no guess."""
        return np.full(len(target), -1)

    def _source_classes(self, model, Zs, source: Domain):
        """Return codes of classes by which the source enters the next round."""
        return source.y

    def _guessed(self, model, Z):
        return np.searchsorted(self.classes_, model.predict(Z))

    @abstractmethod
    def _fit_round(self, state, source: Domain, target: Domain, labels):
        """Learn the maps for these labels of the target; return the mapped rows (Zs, Zt).

        ``labels`` are codes of classes, -1 for rows without a guess. Without a target (``target is
        source``) they are the source's own, and Zt is Zs.
        """

    def _fit_maps(self, source: Domain, target: Domain):
        if not is_classifier(self._estimator()):
            name, kind = type(self).__name__, type(self._estimator()).__name__
            raise ValueError(f"{name} needs a classifier as its estimator, but {kind} is none.")
        state = self._start(source, target)
        if target is source:
            Zs, _ = self._fit_round(state, source, source, source.y)
            self.pseudo_labels_, self.n_rounds_ = self.classes_[source.y], 1
            return Zs.astype(source.X.dtype, copy=False)
        known = target.labelled
        labels = np.where(known, target.y, self._first_labels(source, target))
        classed = source
        for n_round in range(1, self.n_rounds + 1):
            Zs, Zt = self._fit_round(state, classed, target, labels)
            model = self._fit_on(Zs, source.y, Zt[known], target.y[known])
            classed = replace(source, y=self._source_classes(model, Zs, source))
            guessed = self._guessed(model, Zt)
            guessed[known] = target.y[known]
            changed = np.count_nonzero(guessed != labels)
            labels, self.n_rounds_ = guessed, n_round
            if self.verbose:
                print(
                    f"[{type(self).__name__}] round {n_round}/{self.n_rounds}: {changed} of "
                    f"{len(labels)} target rows changed their class"
                )
            if not changed:
                break
        self.pseudo_labels_ = self.classes_[labels]
        # Mapped already: with a kernel they need not be evaluated again.
        return Zs.astype(source.X.dtype, copy=False)
