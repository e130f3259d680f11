"""Several adaptations that vote: the front door."""

from __future__ import annotations

import html
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    ClassifierMixin,
    RegressorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.model_selection import KFold
from sklearn.utils import Bunch, check_random_state, estimator_html_repr, get_tags
from sklearn.utils.parallel import Parallel, delayed

from ._arrays import join_rows
from ._candidates import Fit, adapts, fit_candidate, last_step, refusal, seeded
from ._constraints import RANDOM_STATE, HasMethod, Int, OneOf, Real, SequenceOf
from ._delegation import takes_missing_values
from ._parameters import DeclaredParameters, parameter
from ._portfolio import (
    Candidate,
    Tables,
    default_candidates,
    default_learners,
    linear_learner,
)
from ._predictions import ClassPredictions, TargetPredictions
from ._target_shares import likely_shares, rows_with_shares
from ._typing import RowsLike
from ._voting import (
    FLOOR,
    equal_confidence,
    likely_weights,
    normal_likelihoods,
    sharpened,
    trusting_weights,
)
from .base import Domain, TransferEstimator, TransferTags

__all__ = ["TransferEnsemble", "TransferEnsembleRegressor"]

# Parts of the labelled target rows, which are held out in turn; less than two rows a part tell
# nothing.
N_FOLDS = 5


def _without_labels(domain: Domain, rows) -> Domain:
    """Return a domain of which some rows have lost their labels."""
    y, labelled = domain.y.copy(), domain.labelled.copy()
    y[rows], labelled[rows] = np.nan if y.dtype.kind == "f" else -1, False
    return replace(domain, y=y, labelled=labelled)


class _Named:
    """A pair of a name and an estimator."""

    def accepts(self, value) -> bool:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            return False
        name, estimator = value
        return isinstance(name, str) and HasMethod("fit").accepts(estimator)

    def __str__(self):
        return "a pair (name, estimator)"

    def documented(self) -> str:
        return "(str, estimator object)"


class _Ensemble(DeclaredParameters, TransferEstimator):
    """Base class of both kinds, which say what a vote is.

    Attributes
    ----------
    estimators_ : list of estimator objects
        The fitted candidates, those that were not left out.
    named_estimators_ : Bunch
        The same by name.
    weights_ : ndarray of shape (n_candidates,)
        What each counts in the vote; they sum to 1.
    candidates_ : dict of str to ndarray
        A table with an entry for each candidate, as ``pandas.DataFrame`` takes it: "name",
        "weight", "agreement" (with the vote, mean over the target rows given in training) and
        "seconds" that the fit took.
    left_out_ : dict of str to str
        Why other candidates have no vote, by name: they can't take the tables, or failed.
    agreement_ : ndarray of shape (n_t,)
        ``agreement`` of the target rows given in training. It has an entry for each of them, and is
        lost by pickling.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where no candidate can be fitted, or one is of the other kind.

    Warns
    -----
    UserWarning
        Where the fit of a candidate fails, which then has no vote.
    """

    _unpickled: ClassVar[tuple[str, ...]] = ("agreement_",)

    estimators: Sequence[tuple[str, Any]] | None = parameter(
        default=None,
        legal=(None, SequenceOf(_Named(), min_length=1)),
        text="""
        Names and candidates: estimators of skdtl, or Pipelines that end in one. None means a
        portfolio that suits the data, see Notes. Given ones that cannot take the data have no vote.
        """,
        kw_only=False,
    )
    estimator: Any = parameter(
        default=None,
        legal=(None, HasMethod("fit")),
        text="""
        The learner of all candidates that have none of their own. None means, for the portfolio,
        several unlike learners, which make as many candidates of each adaptation; for given
        `estimators` their own defaults, or ridge regression where numbers are predicted.
        """,
        kw_only=False,
    )
    weights: str | Sequence[float] = parameter(
        default="auto",
        legal=(OneOf("auto", "equal"), SequenceOf(Real(0), min_length=1)),
        text="""
        What the candidates count. "equal": all alike. "auto": all alike as far as they agree; the
        less they do, the more of the weight goes to those that don't adapt, and for classes all
        are made equally sure of themselves, see Notes. A sequence holds a weight for each of
        `estimators`, which must be given then.
        """,
    )
    n_jobs: int | None = parameter(
        default=None,
        legal=(None, Int()),
        text="""
        How many candidates are fitted at the same time; the result does not depend on it. None
        means 1 unless in a :obj:`joblib.parallel_backend` context.
        """,
    )
    random_state: int | np.random.RandomState | None = parameter(
        default=None,
        legal=RANDOM_STATE,
        text="""
        Seeds the candidates and learners whose ``random_state`` is None.
        """,
    )
    verbose: int = parameter(
        default=0,
        legal=Int(0),
        text="With 1 or more, a line is printed for each candidate that is fitted or left out.",
    )

    # -- the candidates ---------------------------------------------------------------------------

    def _candidates(self, tables: Tables) -> tuple[list[Candidate], dict[str, str]]:
        """Return the candidates that suit the tables, and why others don't."""
        classifier = is_classifier(self)
        if self.estimators is None:
            learners = {"": self.estimator}
            if self.estimator is None:
                learners = default_learners(classifier, tables)
            return default_candidates(learners, classifier, tables)
        found: list[Candidate] = []
        left_out: dict[str, str] = {}
        for name, estimator in self.estimators:
            candidate = self._given(name, estimator)
            reason = refusal(candidate.estimator, tables)
            if reason:
                left_out[name] = reason
            else:
                found.append(candidate)
        return found, left_out

    def _given(self, name: str, estimator) -> Candidate:
        """Return a candidate that the caller has named, around the learner if it has no other."""
        estimator = clone(estimator)
        last = last_step(estimator)
        if not isinstance(last, TransferEstimator):
            raise ValueError(
                f"The candidate {name!r} is a {type(last).__name__}, which learns from one domain: "
                "estimators must hold estimators of skdtl, or Pipelines that end in one. Put it "
                f"into one, SourceOnly({type(last).__name__}()) say."
            )
        learner = self._learner()
        if learner is not None and getattr(last, "estimator", "") is None:
            last.set_params(estimator=clone(learner))
        return Candidate(name, estimator, adapts(estimator))

    def _learner(self):
        """Return the learner of given candidates that have none, None for their own default."""
        return self.estimator

    def _check_kind(self, candidates: list[Candidate]) -> None:
        is_mine = is_classifier if is_classifier(self) else is_regressor
        for candidate in candidates:
            if not is_mine(candidate.estimator):
                kind, other = ("classifier", "Regressor"), ("regressor", "")
                mine, suffix = kind if is_classifier(self) else other
                raise ValueError(
                    f"The candidate {candidate.name!r} is no {mine}, as {type(self).__name__} "
                    f"needs: set its estimator to one, or use TransferEnsemble{suffix}."
                )

    # -- fitting ----------------------------------------------------------------------------------

    def _fit(self, source: Domain, target: Domain) -> None:
        tables = Tables.of(source, target)
        candidates, self.left_out_ = self._candidates(tables)
        names = [name for name, _ in self.estimators or ()] or [c.name for c in candidates]
        if len(set(names)) < len(names):
            raise ValueError(f"estimators must have different names, but they are {names}.")
        given = self._given_weights(names)
        self._check_kind(candidates)
        for name, reason in self.left_out_.items():
            self._say(f"{name}: left out, {reason}")
        random = check_random_state(self.random_state)
        fits = self._fit_all(candidates, source, target, random)
        kept = [k for k, fit in enumerate(fits) if fit.error is None]
        for candidate, fit in zip(candidates, fits):
            if fit.error is not None:
                self.left_out_[candidate.name] = f"{type(fit.error).__name__}: {fit.error}"
        if not kept:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.left_out_.items())
            raise ValueError(f"No candidate could be fitted. {reasons}")
        candidates = [candidates[k] for k in kept]
        names = [candidate.name for candidate in candidates]
        self._note(source.y)
        self.estimators_ = [fits[k].model for k in kept]
        self.named_estimators_ = Bunch(**dict(zip(names, self.estimators_)))

        opinions = np.array([self._opinion(model, target.X) for model in self.estimators_])
        # What rows were trained on, candidates agree on.
        new = ~target.labelled & (target is not source)
        self._note_confidence(opinions, new)
        opinions = self._as_voting(opinions)
        self.weights_ = self._given_or_equal(candidates, given)
        if isinstance(self.weights, str) and self.weights == "auto" and target is not source:
            if not tables.n_labelled:
                self.weights_ = self._weights_by_trust(opinions, candidates)
            elif self.estimators is None and tables.n_labelled >= 2 * N_FOLDS:
                self.weights_ = self._weights_by_labels(candidates, source, target, random)
        agreements = self._agreements(opinions, self.weights_)
        self.agreement_ = self.weights_ @ agreements
        self.candidates_ = {
            "name": np.array(names),
            "weight": self.weights_,
            "agreement": agreements.mean(axis=1),
            "seconds": np.array([fits[k].seconds for k in kept]),
        }

    def _fit_all(self, candidates, source: Domain, target: Domain, random) -> list[Fit]:
        """Fit all candidates; errors are noted, warned of, and kept."""
        for candidate in candidates:
            seeded(candidate.estimator, random)
        jobs = self._jobs(candidates, source, target)
        fits = []
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        for k, (candidate, fit) in enumerate(zip(candidates, parallel(jobs)), 1):
            fits.append(fit)
            done = f"{k}/{len(candidates)} {candidate.name}"
            if fit.error is None:
                self._say(f"{done}: {fit.seconds:.1f} s")
                continue
            self._say(f"{done}: failed")
            warnings.warn(
                f"The candidate {candidate.name!r} has no vote, since its fit failed with "
                f"{type(fit.error).__name__}: {fit.error}",
                UserWarning,
                stacklevel=4,
            )
        return fits

    def _jobs(self, candidates, source: Domain, target: Domain) -> Iterator:
        """Yield the fits of candidates, for joblib."""
        rows = balanced = self._stacked(source, target)
        if any(candidate.same_shares for candidate in candidates):
            labels = target.y[target.labelled]
            shares = likely_shares(source.X, source.y, target.X, labels)
            alike = source.take(rows_with_shares(source.X, source.y, shares))
            balanced = self._stacked(alike, target)
        for candidate in candidates:
            data = balanced if candidate.same_shares else rows
            yield delayed(fit_candidate)(candidate.estimator, *data)

    def _stacked(self, source: Domain, target: Domain):
        """Return rows of both domains, the caller's labels with missing ones, and the codes."""
        if target is source:
            return source.X, self._decode(source.y), None
        y = np.concatenate([source.y, target.y])
        known = np.concatenate([source.labelled, target.labelled])
        codes = np.concatenate([source.ids, target.ids])
        if is_classifier(self):
            labels = np.full(len(y), None, dtype=object)
            labels[known] = self._decode(y[known])
            y = labels if not known.all() else self._decode(y)
        return join_rows(source.X, target.X), y, codes

    def _decode(self, y):
        return y

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"[{type(self).__name__}] {text}")

    # -- the vote ---------------------------------------------------------------------------------

    def _given_weights(self, names: list[str]) -> dict[str, float] | None:
        """Return the caller's weights by name, if there are any."""
        if isinstance(self.weights, str):
            return None
        if self.estimators is None:
            raise ValueError(
                "weights were given without estimators: which candidates the portfolio has depends "
                "on the data."
            )
        if len(self.weights) != len(names):
            raise ValueError(
                f"weights has {len(self.weights)} entries, but estimators has {len(names)}."
            )
        if not sum(self.weights) > 0:
            raise ValueError("weights are all 0, but a vote needs one that counts.")
        return dict(zip(names, self.weights))

    def _given_or_equal(self, candidates, given) -> np.ndarray:
        if given is None:
            return np.full(len(candidates), 1 / len(candidates))
        weights = np.array([given[candidate.name] for candidate in candidates], dtype=float)
        if not weights.any():
            raise ValueError(
                "All candidates with a weight above 0 failed or can't take the data: "
                f"{self.left_out_}."
            )
        return weights / weights.sum()

    def _weights_by_trust(self, opinions, candidates) -> np.ndarray:
        """Believe those that adapt as far as they agree among themselves."""
        adapting = np.array([candidate.adapts for candidate in candidates])
        if adapting.all() or not adapting.any():
            return self.weights_
        alike = adapting / adapting.sum()
        agreement = np.mean(alike @ self._agreements(opinions, alike))
        return trusting_weights(adapting, agreement, self._chance())

    def _weights_by_labels(self, candidates, source: Domain, target: Domain, random) -> np.ndarray:
        """Weigh candidates by what they say of labelled target rows that are held out."""
        labelled = np.flatnonzero(target.labelled)
        parts = KFold(N_FOLDS, shuffle=True, random_state=random).split(labelled)
        folds = [labelled[test] for _, test in parts]
        anew = [each._replace(estimator=clone(each.estimator)) for each in candidates]
        jobs = chain.from_iterable(
            self._jobs(anew, source, _without_labels(target, fold)) for fold in folds
        )
        fits = Parallel(n_jobs=self.n_jobs, return_as="generator")(jobs)
        opinions = []
        for k, fold in enumerate(folds, 1):
            X = target.X[fold]
            opinions.append(
                [
                    self._no_opinion(len(fold)) if fit.error else self._opinion(fit.model, X)
                    for fit in islice(fits, len(candidates))
                ]
            )
            self._say(f"labels held out: {k}/{N_FOLDS}")
        held_out = self._as_voting(np.concatenate(opinions, axis=1))
        return likely_weights(self._likelihoods(held_out, target.y[np.concatenate(folds)]))

    def _note(self, y) -> None:
        """Keep what the vote needs to know of the source's labels."""

    def _note_confidence(self, opinions, new) -> None:
        """Keep what makes opinions comparable; `new` tells which training rows had no label."""

    def _as_voting(self, opinions):
        """Return opinions of all candidates as they vote."""
        return opinions

    @abstractmethod
    def _no_opinion(self, n) -> np.ndarray:
        """Return the opinion of who knows nothing of n rows."""

    @abstractmethod
    def _likelihoods(self, opinions, y):
        """Return how likely each candidate holds the labels to be, for `likely_weights`."""

    @abstractmethod
    def _opinion(self, model, X) -> np.ndarray:
        """Return what one fitted candidate says of rows."""

    @abstractmethod
    def _agreements(self, opinions, weights) -> np.ndarray:
        """Return how far each opinion agrees with their vote, shape (n_candidates, n)."""

    @abstractmethod
    def _chance(self) -> float:
        """Return the least agreement that is possible."""

    def _vote(self, X) -> np.ndarray:
        """Return the weighted mean of the candidates' opinions."""
        return np.tensordot(self.weights_, self._opinions(X), 1)

    def _opinions(self, X) -> np.ndarray:
        """Return all opinions of rows as they vote."""
        return self._as_voting(np.array([self._opinion(model, X) for model in self.estimators_]))

    def agreement(self, X: RowsLike) -> np.ndarray:
        """Tell how far the candidates agree on each row: where they don't, there is doubt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        agreement : ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        opinions = self._opinions(self._check_X(X))
        return self.weights_ @ self._agreements(opinions, self.weights_)

    # -- scikit-learn -----------------------------------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.estimators is None:
            if self.estimator is None:
                tags.input_tags.sparse = tags.input_tags.allow_nan = True
            else:
                tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
                tags.input_tags.allow_nan = takes_missing_values(self.estimator)
            return tags
        # What is no pair at all, fit refuses.
        given = [pair[1] for pair in self.estimators if _Named().accepts(pair)]
        tags.input_tags.sparse = any(get_tags(e).input_tags.sparse for e in given)
        tags.input_tags.allow_nan = any(map(takes_missing_values, given))
        lasts = [last_step(estimator) for estimator in given]
        needs = [get_tags(e).transfer_tags for e in lasts if isinstance(e, TransferEstimator)]
        if needs:
            uses = any(need.target_labels != "ignored" for need in needs)
            tags.transfer_tags = TransferTags(
                target_labels="used" if uses else "ignored",
                unlabelled_target=any(need.unlabelled_target for need in needs),
                multi_source=any(need.multi_source for need in needs),
            )
        return tags

    def _html_repr(self):
        return estimator_html_repr(self) + self._table()

    def _table(self) -> str:
        """Return the table of candidates as HTML, nothing before they are fitted."""
        if not hasattr(self, "candidates_"):
            return ""
        formats = {"name": "{}", "weight": "{:.3f}", "agreement": "{:.3f}", "seconds": "{:.2f}"}
        lines = ["<table><thead><tr>", *(f"<th>{title}</th>" for title in formats), "</tr></thead>"]
        for row in zip(*(self.candidates_[title] for title in formats)):
            texts = (html.escape(form.format(value)) for form, value in zip(formats.values(), row))
            lines.append("<tr>" + "".join(f"<td>{text}</td>" for text in texts) + "</tr>")
        for name, reason in self.left_out_.items():
            reason = html.escape(reason)
            lines.append(f'<tr><td>{html.escape(name)}</td><td colspan="3">{reason}</td></tr>')
        return "".join([*lines, "</table>"])


class TransferEnsemble(ClassifierMixin, ClassPredictions, _Ensemble):
    """Let several adaptations vote: where to begin, with or without labels in the target.

    Which adaptation helps depends on what has shifted, and without labels in the target the data do
    not tell: the best method of one pair of tables harms on the next. So several unlike ones are
    fitted, around unlike learners, and with them the same learners without any adaptation; the
    predicted probability is the mean of theirs [1]_. Nothing is chosen and nothing is tuned. Where
    candidates disagree, ``agreement`` says so, row by row. Target labels weigh the candidates.

    Use it first, and as the bar for a method that you choose yourself. It costs the sum of its
    candidates, about a dozen fits, and six times as many with target labels. Don't expect it to
    repair what no candidate can: a relation between columns and labels that has changed needs
    labelled target rows. It is no more explicable than its candidates together; where one model
    must be shown, read ``candidates_`` and fit the one that agrees most.

    Attributes
    ----------
    sharpness_ : ndarray of shape (n_candidates,)
        The exponents of the candidates' probabilities, which make all equally sure of themselves;
        1 where nothing is changed.
    classes_ : ndarray of shape (n_classes,)
        The classes.

    See Also
    --------
    TransferEnsembleRegressor : The twin for numbers.
    SourceOnly, Pooled : The same without adaptation.

    Notes
    -----
    *The portfolio without target labels*: the learner on the source ("source"); each domain in its
    own units, by :class:`PerDomain` ("own units"); after that :class:`CORAL` and, around "linear"
    alone, :class:`JDA`. The learners are logistic regression ("linear"),
    :class:`~sklearn.ensemble.ExtraTreesClassifier` ("trees") and linear discriminant analysis with
    a shrunk covariance ("gaussian"). *With target labels*: the learner on the labelled rows of both
    domains ("pooled"), each row alike or with half of the weight on each domain ("balanced"), in
    common units and in each domain's own ones, and from 50 labels on on these rows alone
    ("target"). All columns are standardised in front; missing values become medians, with a column
    that says where, unless the learner takes them. ``left_out_`` says what has no vote, and why.
    *Sparse rows* are not made dense, and the words of a text share their unit: without target
    labels the adaptations are :class:`TCA` and :class:`JDA` of the rows as they are to ten
    directions, around "linear", and there is no "gaussian", nor is there beyond 2000 columns.

    *Class shares.* To give two domains the same mean is wrong where the classes have other shares
    in the target: it moves the classes against each other. So all that makes means alike is fitted
    to source rows among which the classes have the shares that they are likely to have in the
    target. These are estimated from the columns' means, by which mixture of the source's classes
    would explain most columns [2]_, and stay near the source's where none does (labelled target
    rows count, too).

    *Weights with target labels.* From ten on, they are held out in five parts, and all candidates
    are fitted without each part. The weights are those with which a mixture of the candidates
    explains these labels best [3]_, where equal weights count as much as five rows (2 to 50 were
    tried on half A of the tasks of ``benchmarks/ensemble.py``). So a learner that does not suit the
    table, or an adaptation that harms, loses its say. Given `estimators` count alike, since they
    may be dear to fit.

    *Weights without.* All candidates count alike, but the adaptations' vote is believed as far as
    they agree among themselves: with a the mean probability that they give to the class that they
    predict together, and c = 1 / n_classes, a share (a - c) / (1 - c) of the weight is given to all
    candidates alike, and the rest to those that don't adapt.

    *Confidence.* A candidate that is sure of itself would outvote several that are not, and far
    from its training rows a linear model is sure of anything. So each candidate's probabilities are
    raised to a power of its own, by which the mean probability of the class that it predicts, over
    the unlabelled target rows, is the same for all: the mean over the candidates. Both this and
    the last paragraph hold for ``weights="auto"``.

    *Agreement* is the probability of the predicted class: the share of the vote that it has. Its
    mean over rows is a rough estimate of the accuracy that needs no labels: too high where the
    shift is large, too low where little has moved.

    *Gains.* Without target labels 6.1 points over the first learner on the source alone, in the
    mean over 402 draws of 134 shifted tasks, of which 3.5 are adaptation's and the rest the vote of
    unlike learners; a loss of more than a point in 15 % of the draws, at most 25 points. With 20
    labels 3.8 points over the first learner on the labelled rows of both domains.

    *Cost.* Prediction costs what the candidates cost. CORAL has no vote beyond 2000 columns, JDA
    and TCA have none where rows are as many, too, and all of them beyond 20 000 rows. Networks
    vote where they are given:
    ``TransferEnsemble([("dann", DANN()), ("coral", CORAL()), ("source", SourceOnly())])``.

    References
    ----------
    .. [1] J. Kittler, M. Hatef, R. P. W. Duin, J. Matas, "On combining classifiers", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 20(3), 1998: the sum rule.
    .. [2] Z. C. Lipton, Y.-X. Wang, A. J. Smola, "Detecting and correcting for label shift with
       black box predictors", International Conference on Machine Learning, 2018: the target's
       moments as a mixture of the classes' (there those of a classifier's outputs, here of the
       columns).
    .. [3] A. E. Raftery, T. Gneiting, F. Balabdaoui, M. Polakowski, "Using Bayesian model averaging
       to calibrate forecast ensembles", Monthly Weather Review 133(5), 2005: weights of a mixture
       by expectation maximisation.

    Examples
    --------
    The target's instrument stretches each feature and adds a constant to it.

    >>> from skdtl import SourceOnly, TransferEnsemble
    >>> from skdtl.datasets import make_shifted_classification
    >>> data = make_shifted_classification("measurement", 200, 200, random_state=0)
    >>> SourceOnly().fit(data.Xs, data.ys, data.Xt).score(data.Xt, data.yt) < 0.75
    True
    >>> model = TransferEnsemble(random_state=0).fit(data.Xs, data.ys, data.Xt)
    >>> model.score(data.Xt, data.yt) > 0.9
    True
    >>> len(model.estimators_), model.agreement(data.Xt[:5]).shape
    (10, (5,))
    """

    def _decode(self, y):
        return self.classes_[y]

    def _opinion(self, model, X):
        shares = np.zeros((X.shape[0], len(self.classes_)))
        if hasattr(model, "predict_proba"):
            # A candidate may know fewer classes: one trained on few labelled target rows.
            shares[:, np.searchsorted(self.classes_, model.classes_)] = model.predict_proba(X)
        else:
            predicted = np.searchsorted(self.classes_, model.predict(X))
            shares[np.arange(len(shares)), predicted] = 1
        return shares

    def _no_opinion(self, n):
        return np.full((n, len(self.classes_)), 1 / len(self.classes_))

    def _likelihoods(self, opinions, y):
        return np.maximum(opinions[:, np.arange(len(y)), y], FLOOR)

    def _note_confidence(self, opinions, new):
        self.sharpness_ = np.ones(len(opinions))
        if isinstance(self.weights, str) and self.weights == "auto" and new.any():
            self.sharpness_ = equal_confidence(opinions[:, new])

    def _as_voting(self, opinions):
        return np.array([sharpened(*pair) for pair in zip(opinions, self.sharpness_)])

    def _agreements(self, opinions, weights):
        winners = np.tensordot(weights, opinions, 1).argmax(axis=1)
        return opinions[:, np.arange(len(winners)), winners]

    def _chance(self):
        return 1 / len(self.classes_)

    def _predict_proba(self, X):
        return self._vote(X)

    def _predict(self, X):
        return self.classes_[self._vote(X).argmax(axis=1)]


class TransferEnsembleRegressor(RegressorMixin, TargetPredictions, _Ensemble):
    """The twin of :class:`TransferEnsemble` that predicts numbers: the mean of several adaptations.

    Several adaptations are fitted, around unlike learners, and with them the same learners without
    any adaptation; what they predict is averaged [1]_. See :class:`TransferEnsemble` for when to
    use it.

    See Also
    --------
    TransferEnsemble : The twin for classes.

    Notes
    -----
    *The portfolio* is that of :class:`TransferEnsemble` without JDA, which needs classes. The
    learners are ridge regression, with a penalty by leave-one-out validation ("linear"), and
    :class:`~sklearn.ensemble.ExtraTreesRegressor` ("trees"). Nothing is known of shares: a target
    whose numbers lie elsewhere harms the candidates that make means alike.

    *Agreement* of a row is the mean of 1 / (1 + d² / v) over the candidates, with d the candidate's
    difference from their mean and v the variance of the source's labels: 1 where all say the same,
    1/2 where they differ by as much as labels do. It compares with 1 / (1 + MSE / v).
    *Weights* are as in :class:`TransferEnsemble`: without target labels the adaptations' mean
    agreement is the share of the weight that is given to all alike, and with them the errors of the
    mixture are normal with a variance that all candidates share.

    References
    ----------
    .. [1] J. Kittler, M. Hatef, R. P. W. Duin, J. Matas, "On combining classifiers", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 20(3), 1998: the sum rule.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import TransferEnsembleRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(100, 3)), rng.normal(size=(100, 3))
    >>> model = TransferEnsembleRegressor(random_state=0).fit(Xs, Xs[:, 0], 2 * Xt + 1)
    >>> model.score(2 * Xt + 1, Xt[:, 0]) > 0.5
    True
    """

    def _note(self, y):
        self._centre, self._variance = np.mean(y), np.var(y) or 1.0

    def _learner(self):
        # Without one they would be classifiers.
        return self.estimator or linear_learner(False)

    def _opinion(self, model, X):
        return np.ravel(model.predict(X))

    def _no_opinion(self, n):
        return np.full(n, self._centre)

    def _likelihoods(self, opinions, y):
        return normal_likelihoods(opinions - y)

    def _agreements(self, opinions, weights):
        spread = (opinions - weights @ opinions) ** 2
        return 1 / (1 + spread / self._variance)

    def _chance(self):
        return 0.0

    def _predict(self, X):
        return self._vote(X)
