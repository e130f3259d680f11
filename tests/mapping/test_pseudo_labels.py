"""The rounds of guessed classes, with maps that a script prescribes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from skdtl import BDA, JDA, JGSA, NoTargetWarning
from skdtl.mapping._mean_differences import class_mean_differences
from skdtl.mapping._pseudo_labels import PseudoLabelMapper


class Scripted(PseudoLabelMapper):
    """Round k moves the target by the k-th entry of `moves`; what it was given is kept."""

    def __init__(self, estimator=None, *, n_rounds=10, verbose=0, moves=(0.0,), first=None):
        self.estimator = estimator
        self.n_rounds = n_rounds
        self.verbose = verbose
        self.moves = moves
        self.first = first
        self.balance = "auto"

    def _start(self, source, target):
        self.given, self._n_features_out = [], 1
        return "state"

    def _first_labels(self, source, target):
        return super()._first_labels(source, target) if self.first is None else self.first

    def _fit_round(self, state, source, target, labels):
        assert state == "state"
        self.given.append(np.array(labels))
        self.move = self.moves[min(len(self.given), len(self.moves)) - 1]
        return self._map(source.X, "source"), self._map(target.X, "target")

    def _map(self, X, domain):
        return X + self.move if domain == "target" else X


XS, YS = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array(["a", "a", "b", "b"])
XT = np.array([[1.0], [2.0], [3.0], [9.0]])


def fit(yt=None, **options):
    options.setdefault("estimator", KNeighborsClassifier(1))
    return Scripted(**options).fit(XS, YS, XT, yt)


def test_the_first_round_has_no_guess_and_the_next_the_guesses_of_the_one_before():
    # Moved by 0 the guesses are aabb, by -3 aaab, by 2.5 bbbb.
    model = fit(moves=[0.0, -3.0, 2.5, 2.5])
    assert_array_equal(model.given, [[-1, -1, -1, -1], [0, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]])
    assert_array_equal(model.pseudo_labels_, list("bbbb"))
    assert_array_equal(model.predict(XT), model.pseudo_labels_)
    assert model.n_rounds_ == 4


def test_the_rounds_end_when_no_guess_changes():
    model = fit(moves=[0.0, -3.0, -3.0, 2.5])
    assert model.n_rounds_ == len(model.given) == 3
    assert_array_equal(model.pseudo_labels_, list("aaab"))


@pytest.mark.parametrize("n_rounds, last", [(1, "aabb"), (2, "aaab"), (3, "aabb"), (5, "aabb")])
def test_as_many_rounds_as_asked_for(n_rounds, last):
    model = fit(moves=[0.0, -3.0, 0.0, -3.0, 0.0, -3.0], n_rounds=n_rounds)
    assert model.n_rounds_ == len(model.given) == n_rounds
    assert_array_equal(model.pseudo_labels_, list(last))


def test_a_first_guess():
    model = fit(first=np.array([1, 0, 1, 0]))
    assert_array_equal(model.given[0], [1, 0, 1, 0])
    settled = fit(first=np.array([0, 0, 1, 1]))
    assert settled.n_rounds_ == 1


def test_known_labels_stay_and_join_the_training():
    yt = np.array([None, "b", None, None], dtype=object)
    model = fit(yt, moves=[0.0, -3.0, -3.0])
    for labels, expected in zip(model.given, ([-1, 1, -1, -1], [0, 1, 1, 1], [1, 1, 0, 1])):
        assert_array_equal(labels, expected)
    assert_array_equal(model.pseudo_labels_, list("bbab"))
    assert model.estimator_.n_samples_fit_ == 5
    # Where the one known row is mapped to, its own label and not the source's is predicted.
    assert_array_equal(model.predict([[2.0]]), ["b"])
    hidden = Scripted(KNeighborsClassifier(1), moves=[0.0, -3.0, -3.0])
    hidden.fit(XS, YS, XT, yt, hide_target_labels=True)
    assert_array_equal(hidden.pseudo_labels_, list("aaab"))


def test_known_labels_train_the_estimator_that_guesses():
    # Mapped to 3.4 and 3.5: the source's nearest row, at 4, is of class b.
    Xt, yt = np.array([[1.4], [1.5]]), np.array([None, "a"], dtype=object)
    model = Scripted(KNeighborsClassifier(1), moves=[2.0], n_rounds=1)
    assert_array_equal(model.fit(XS, YS, Xt).pseudo_labels_, ["b", "b"])
    assert_array_equal(model.fit(XS, YS, Xt, yt).pseudo_labels_, ["a", "a"])


def test_no_target():
    with pytest.warns(NoTargetWarning):
        model = Scripted(KNeighborsClassifier(1)).fit(XS, YS)
    assert_array_equal(model.pseudo_labels_, YS)
    assert_array_equal(model.given, [[0, 0, 1, 1]])
    assert model.n_rounds_ == 1


def test_verbose_tells_what_changed(capsys):
    fit(moves=[0.0, -3.0, -3.0], n_rounds=7)
    assert capsys.readouterr().out == ""
    fit(moves=[0.0, -3.0, -3.0], n_rounds=7, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"[Scripted] round {k}/7: {changed} of 4 target rows changed their class"
        for k, changed in ((1, 4), (2, 1), (3, 0))
    ]


def test_guesses_are_not_pickled():
    model = fit()
    again = pickle.loads(pickle.dumps(model))
    assert hasattr(model, "pseudo_labels_") and not hasattr(again, "pseudo_labels_")
    assert_array_equal(again.predict(XT), model.predict(XT))


def test_only_classes_can_be_guessed():
    with pytest.raises(ValueError, match="Scripted needs a classifier as its estimator, but Line"):
        fit(estimator=LinearRegression())


def test_a_class_without_target_rows_has_the_sources_part_alone():
    E = class_mean_differences(np.array([0, 0, 1, 2]), np.array([0, -1, 0, 2]), 4)
    assert_allclose(E[:4], [[0.5, 0, 0, 0], [0.5, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert_allclose(E[4:], [[-0.5, 0, 0, 0], [0, 0, 0, 0], [-0.5, 0, 0, 0], [0, 0, -1, 0]])


def test_rows_that_the_last_round_has_mapped_are_not_mapped_again():
    """With a kernel it would be the matrix of all pairs once more."""
    evaluated = []

    def counted(X, Y):
        evaluated.append(X.shape[0])
        return rbf_kernel(X, Y)

    Xs, Xt = (np.random.default_rng(seed).normal(size=(20, 3)) for seed in (0, 1))
    for method in (JDA, BDA, JGSA):
        evaluated.clear()
        model = method(3, kernel=counted, n_rounds=2).fit(Xs, np.arange(20) % 2, Xt)
        assert evaluated == [40]
        Z = LogisticRegression().fit(model.transform(Xs, "source"), np.arange(20) % 2)
        assert_allclose(model.estimator_.coef_, Z.coef_, rtol=1e-3, atol=1e-5)
        single = method(3, kernel="rbf").fit(Xs.astype("f4"), np.arange(20) % 2, Xt.astype("f4"))
        assert single.estimator_.coef_.dtype == np.float32
