"""JDOT: rounds written out by hand, a falling objective, and labels that move with features."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import rotate
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, LinearSVC

from skdtl import JDOT, NoTargetWarning, SourceOnly
from skdtl.mapping.jdot import class_losses, joint_transport

ot = pytest.importorskip("ot")


def published(*args, **options):
    """The method as the paper has it."""
    paper = {"alpha": None, "reg_e": 0.0, "reg_m": None, "source_weight": 0.0, "start": "features"}
    return JDOT(*args, **{**paper, **options})


def numbers(n_s=12, n_t=9, seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_s, 2)), rng.normal(size=(n_t, 2)) + [1.0, 0.5]
    noise = rng.normal(size=n_s)
    return Xs, 5 * (Xs @ [2.0, -1.0]) + noise, Xt, 5 * ((Xt - [1.0, 0.5]) @ [2.0, -1.0])


def classes(n_s=14, n_t=11, seed=0, k=3):
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(n_s) % k, np.arange(n_t) % k
    centres = 2 * rng.normal(size=(k, 2))
    Xs, Xt = rng.normal(size=(n_s, 2)) + centres[ys], rng.normal(size=(n_t, 2)) + centres[yt] + 1
    return Xs, ys, Xt, yt


def squared_distances(Xs, Xt):
    return np.array([[((x - z) ** 2).sum() for z in Xt] for x in Xs])


# --- the descent -------------------------------------------------------------------------------


def test_two_rows_by_hand():
    """0 goes to 10 and 1 to 11; the line through (10, 0) and (11, 1) fits the carried labels."""
    model = published(LinearRegression()).fit([[0.0], [1.0]], [0.0, 1.0], [[10.0], [11.0]])
    assert_allclose(model.coupling_, [[0.5, 0.0], [0.0, 0.5]])
    assert_allclose(model.target_labels_, [0.0, 1.0])
    assert_allclose(model.predict([[10.5], [12.0]]), [0.5, 2.0])
    assert_allclose(model.objective_, [100 / 121, 100 / 121])
    assert model.n_iter_ == 2


@pytest.mark.parametrize("alpha", [None, 0.3])
@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_rounds_for_numbers_written_out(alpha, reg_e):
    Xs, ys, Xt, _ = numbers()
    n_s, n_t = len(Xs), len(Xt)
    a, b = np.full(n_s, 1 / n_s), np.full(n_t, 1 / n_t)
    D = squared_distances(Xs, Xt)
    weight = 1 / D.max() if alpha is None else alpha
    L = np.zeros((n_s, n_t))
    values = []
    for _ in range(3):
        C = weight * D + L
        G = ot.emd(a, b, C) if reg_e == 0 else ot.sinkhorn(a, b, C, reg_e, stopThr=1e-12)
        carried = np.array([n_t * sum(G[i, j] * ys[i] for i in range(n_s)) for j in range(n_t)])
        f = LinearRegression().fit(Xt, carried).predict(Xt)
        for i in range(n_s):
            for j in range(n_t):
                L[i, j] = (ys[i] - f[j]) ** 2 / ys.var()
        entropy = (G * np.log(np.maximum(G, 1e-300))).sum() if reg_e else 0.0
        values.append((G * (weight * D + L)).sum() + reg_e * entropy)
    with pytest.warns(ConvergenceWarning, match="max_iter=3 rounds"):
        model = published(LinearRegression(), alpha=alpha, reg_e=reg_e, max_iter=3, tol=0)
        model.fit(Xs, ys, Xt)
    assert_allclose(model.objective_, values, rtol=1e-5)
    assert_allclose(model.coupling_, G, atol=1e-5)
    assert_allclose(model.target_labels_, carried, rtol=1e-4, atol=1e-3)
    assert_allclose(model.predict(Xt), f, rtol=1e-4, atol=1e-3)
    assert model.n_iter_ == 3


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_rounds_for_classes_written_out(reg_e):
    Xs, ys, Xt, _ = classes()
    n_s, n_t = len(Xs), len(Xt)
    a, b = np.full(n_s, 1 / n_s), np.full(n_t, 1 / n_t)
    D = squared_distances(Xs, Xt) / squared_distances(Xs, Xt).max()
    L = np.zeros((n_s, n_t))
    values = []
    for _ in range(3):
        G = ot.emd(a, b, D + L) if reg_e == 0 else ot.sinkhorn(a, b, D + L, reg_e, stopThr=1e-12)
        rows, labels, weights = [], [], []
        for j in range(n_t):
            for c in range(3):
                weight = n_t * sum(G[i, j] for i in range(n_s) if ys[i] == c)
                if weight > 1e-9:
                    rows.append(Xt[j])
                    labels.append(c)
                    weights.append(weight)
        f = LogisticRegression(tol=1e-8).fit(rows, labels, sample_weight=weights)
        L = -np.log(f.predict_proba(Xt))[:, ys].T
        entropy = (G * np.log(np.maximum(G, 1e-300))).sum() if reg_e else 0.0
        values.append((G * (D + L)).sum() + reg_e * entropy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = published(LogisticRegression(tol=1e-8), reg_e=reg_e, max_iter=3, tol=0)
        model.fit(Xs, np.array(["x", "y", "z"])[ys], Xt)
    assert_allclose(model.objective_, values, rtol=1e-4)
    assert_allclose(model.coupling_, G, atol=1e-4)
    assert_allclose(model.predict_proba(Xt), f.predict_proba(Xt), rtol=1e-3)
    assert_array_equal(model.predict(Xt), np.array(["x", "y", "z"])[f.predict(Xt)])
    assert_allclose(model.target_labels_.sum(axis=1), 1, rtol=1e-4)
    assert_allclose(model.target_labels_.sum(axis=0) / n_t, np.bincount(ys) / n_s, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("reg_e", [0.0, 0.2])
@pytest.mark.parametrize("labelled", [0, 6])
def test_the_objective_never_rises_for_least_squares(reg_e, labelled):
    rounds = []
    for seed in range(5):
        Xs, ys, Xt, yt = numbers(40, 30, seed)
        y = np.where(np.arange(30) < labelled, yt + 3, np.nan)
        model = published(LinearRegression(), reg_e=reg_e, max_iter=8, tol=0).fit(Xs, ys, Xt, y)
        assert (np.diff(model.objective_) < 1e-6).all()
        assert model.objective_[-1] < model.objective_[0] - 1e-2
        rounds.append(model.n_iter_)
    assert max(rounds) > 5


def test_the_unit_of_the_numbers_does_not_count():
    Xs, ys, Xt, _ = numbers()
    one = published(LinearRegression()).fit(Xs, ys, Xt)
    other = published(LinearRegression()).fit(Xs, 1000 * ys - 7, Xt)
    assert_allclose(other.coupling_, one.coupling_, atol=1e-12)
    assert_allclose(other.predict(Xt), 1000 * one.predict(Xt) - 7)
    constant = published(LinearRegression()).fit(Xs, np.full(len(Xs), 2.0), Xt)
    assert_allclose(constant.predict(Xt), 2.0)


def test_when_it_ends():
    Xs, ys, Xt, _ = numbers(40, 30)
    loose = published(LinearRegression(), tol=0.5).fit(Xs, ys, Xt)
    tight = published(LinearRegression(), tol=0).fit(Xs, ys, Xt)
    assert loose.n_iter_ < tight.n_iter_ < 100
    assert tight.objective_[-1] == tight.objective_[-2]
    with pytest.warns(ConvergenceWarning, match="JDOT did not converge in max_iter=1 rounds"):
        once = published(LinearRegression(), max_iter=1).fit(Xs, ys, Xt)
    assert once.n_iter_ == 1


@pytest.mark.parametrize("best", [0, 1])
def test_plans_that_come_round_and_round_end_at_the_best(best):
    """Each model makes the pairs dear that it was trained by."""
    plans = [np.eye(2) / 2, np.eye(2)[::-1] / 2]

    def learn(coupling):
        k = int(coupling[0, 0] < 0.25)
        return 2.0 * plans[k], 0.0 if k == best else 3.0

    start = np.array([[0.0, 1.0], [1.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coupling, objective = joint_transport(np.zeros((2, 2)), start, learn)
    assert_allclose(objective, [1.0, 4.0, 1.0] if best == 0 else [4.0, 1.0, 4.0, 1.0])
    assert_allclose(coupling, plans[best])


def test_ten_rounds_that_lower_nothing_are_enough():
    rng = np.random.default_rng(0)
    falls = iter([6.0, 5.0, 4.0, 3.0, *rng.uniform(3.1, 4, size=30)])

    def learn(coupling):
        losses = rng.uniform(size=(6, 6))
        return losses, next(falls) - np.vdot(coupling, losses)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objective = joint_transport(np.zeros((6, 6)), rng.uniform(size=(6, 6)), learn)[1]
    assert len(objective) == 4 + 10 and objective.argmin() == 3


def test_the_default_learner_warns_of_nothing():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(80, 30)) ** 3, rng.normal(size=(60, 30)) ** 3 + 0.5
    ys = (100 * Xs[:, 0] > Xs[:, 1]).astype(int)
    Xs, Xt = 30 * Xs, 30 * Xt
    with pytest.warns(ConvergenceWarning):
        published(LogisticRegression()).fit(Xs, ys, Xt)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        published().fit(Xs, ys, Xt)
        JDOT().fit(Xs, ys, Xt)


def test_alpha_weighs_features_against_labels():
    Xs, ys, Xt, _ = numbers(40, 30)
    D = squared_distances(Xs, Xt)
    carried = {}
    for alpha in (1e-6, 1.0, 1e6):
        model = published(LinearRegression(), alpha=alpha).fit(Xs, ys, Xt)
        loss = (ys[:, None] - model.predict(Xt)) ** 2
        carried[alpha] = (model.coupling_ * D).sum(), (model.coupling_ * loss).sum()
    distances, losses = np.array(list(carried.values())).T
    assert distances[0] > distances[1] > distances[2]
    assert losses[0] < losses[1] < losses[2]
    features = ot.emd([], [], D)
    model = published(LinearRegression(), alpha=1e6).fit(Xs, ys, Xt)
    assert_allclose(model.coupling_, features, atol=1e-12)


# --- losses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3])
def test_losses_of_classes(k):
    Xs, ys, Xt, _ = classes(60, 8, k=k)
    labels = np.arange(k)
    proba = LogisticRegression().fit(Xs, ys)
    assert_allclose(class_losses(proba, Xt, labels), -proba.predict_log_proba(Xt))
    hinge = LinearSVC().fit(Xs, ys)
    F = hinge.decision_function(Xt).reshape(len(Xt), -1)
    found = class_losses(hinge, Xt, labels)
    for j in range(len(Xt)):
        for c in range(k):
            signs = [1 if m == c else -1 for m in range(k)] if k > 2 else [2 * c - 1]
            expected = sum(max(0, 1 - s * f) ** 2 for s, f in zip(signs, F[j]))
            assert_allclose(found[j, c], expected)

    class Plain(ClassifierMixin, BaseEstimator):
        def predict(self, X):
            return np.array(["a", "b", "c"])[np.arange(len(X)) % k]

    indicator = class_losses(Plain(), Xt, np.array(["a", "b", "c"])[:k])
    one_hot = np.eye(k)[np.arange(len(Xt)) % k]
    expected = [[((one_hot[j] - np.eye(k)[c]) ** 2).sum() for c in range(k)] for j in range(8)]
    assert_allclose(indicator, expected)


def test_a_probability_of_zero_is_no_infinite_loss():
    Xs, ys, Xt, _ = classes()
    sure = KNeighborsClassifier(1).fit(Xs, ys)
    losses = class_losses(sure, Xt, np.arange(3))
    assert_allclose(np.unique(losses), [0, -np.log(1e-6)])


@pytest.mark.parametrize("estimator", [LinearSVC(), SVC(), LogisticRegression()], ids=repr)
def test_classifiers_with_other_losses(estimator):
    Xs, ys, Xt, yt = classes(60, 50, seed=2)
    model = published(estimator).fit(Xs, ys, Xt)
    assert model.score(Xt, yt) > SourceOnly(estimator).fit(Xs, ys, Xt).score(Xt, yt) + 0.05
    assert_array_equal(model.classes_, [0, 1, 2])


def test_a_classifier_must_take_weights():
    Xs, ys, Xt, _ = classes()
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        published(KNeighborsClassifier(1)).fit(Xs, ys, Xt)
    Xs, ys, Xt, _ = numbers()
    published(KNeighborsRegressor(3)).fit(Xs, ys, Xt)  # numbers need no weights


# --- what is not the paper's -------------------------------------------------------------------


@pytest.mark.parametrize("start", ["source", "features"])
@pytest.mark.parametrize("source_weight", [0.0, 0.5])
def test_relaxed_rounds_for_numbers_written_out(start, source_weight):
    Xs, ys, Xt, _ = numbers()
    n_s, n_t = len(Xs), len(Xt)
    a, b = np.full(n_s, 1 / n_s), np.full(n_t, 1 / n_t)
    D = squared_distances(Xs, Xt)
    D /= np.median(D)
    f = LinearRegression().fit(Xs, ys).predict(Xt)
    L = (ys[:, None] - f) ** 2 / ys.var() if start == "source" else np.zeros((n_s, n_t))
    for _ in range(3):
        C = D + L
        G = ot.unbalanced.sinkhorn_unbalanced(a, b, C - C.min(), 0.2, 0.3, stopThr=1e-12)
        mass = np.array([sum(G[i, j] for i in range(n_s)) for j in range(n_t)])
        carried = np.array([sum(G[i, j] * ys[i] for i in range(n_s)) / mass[j] for j in range(n_t)])
        weights = np.r_[np.full(n_s, source_weight / n_s), mass / mass.sum()]
        X, y = np.r_[Xs, Xt], np.r_[ys, carried]
        model = LinearRegression().fit(X, y, sample_weight=weights)
        f = model.predict(Xt)
        L = (ys[:, None] - f) ** 2 / ys.var()
    value = (G * (D + L)).sum() / G.sum()
    value += 0.2 * (G / G.sum() * np.log(G / G.sum())).sum()
    value += source_weight * ((ys - model.predict(Xs)) ** 2).mean() / ys.var()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = JDOT(
            LinearRegression(),
            reg_e=0.2,
            reg_m=0.3,
            source_weight=source_weight,
            start=start,
            max_iter=3,
            tol=0,
        ).fit(Xs, ys, Xt)
    assert_allclose(found.coupling_, G, atol=1e-5)
    assert_allclose(found.target_labels_, carried, rtol=1e-4, atol=1e-4)
    assert_allclose(found.predict(Xt), f, rtol=1e-4, atol=1e-3)
    assert_allclose(found.objective_[-1], value, rtol=1e-4)


def test_what_the_classifier_sees_of_both_domains():
    Xs, ys, Xt, yt = classes()
    labels = np.where(np.arange(len(yt)) >= 8, yt, np.nan)
    model = JDOT(Recorder(), source_weight=3.0).fit(Xs, ys, Xt, labels)
    G, seen, n_s, n_t = model.coupling_, model.estimator_, len(Xs), len(Xt)
    assert_allclose(seen.X_[:n_s], Xs)
    assert_array_equal(seen.y_[:n_s], ys)
    mass = G.sum(axis=0) / G.sum(axis=0).mean()
    mass[8:] = 1
    carried = np.array([[G[ys == c, j].sum() for c in range(3)] for j in range(n_t)])
    carried /= carried.sum(axis=1, keepdims=True)
    carried[8:] = np.eye(3)[yt[8:]]
    rows, cols = np.nonzero(carried > 1e-10)
    expected = np.r_[np.full(n_s, 3.0 * n_t / n_s), carried[rows, cols] * mass[rows]]
    assert_array_equal(seen.y_[n_s:], cols)
    assert_allclose(seen.sample_weight_, expected * (n_s + n_t) / expected.sum(), rtol=1e-6)


@pytest.mark.parametrize("alpha, scale", [("median", np.median), (None, np.max)])
def test_units_of_alpha(alpha, scale):
    Xs, ys, Xt, _ = numbers()
    given = 1 / scale(squared_distances(Xs, Xt))
    plans = [JDOT(Ridge(), alpha=a).fit(Xs, ys, Xt).coupling_ for a in (alpha, given)]
    assert_allclose(*plans, rtol=1e-6)
    many = JDOT(alpha=alpha).fit(np.zeros((6, 2)) + [[1], [0], [0], [0], [0], [0]], [0, 1] * 3, Xt)
    assert np.isfinite(many.coupling_).all()


def test_without_a_shift_and_with_other_shares_little_is_lost():
    losses = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ys = np.repeat([0, 1], 100)
        for yt in (ys, np.repeat([0, 1], [180, 20])):
            Xs, Xt = (rng.normal(size=(200, 4)) + 2.0 * np.outer(y, [1, 1, 0, 0]) for y in (ys, yt))
            models = SourceOnly(), JDOT(), published()
            alone, ours, theirs = (model.fit(Xs, ys, Xt).score(Xt, yt) for model in models)
            losses.append([alone - ours, alone - theirs])
    ours, theirs = np.array(losses).T
    assert ours[::2].mean() < 0.01 and ours[1::2].mean() < 0.02
    assert theirs[1::2].mean() > 0.1


# --- labelled target rows ----------------------------------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.sample_weight_ = X, y, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[np.zeros(len(X), dtype=int)]


def test_the_classifier_sees_target_rows_once_per_class_and_known_labels_instead():
    Xs, ys, Xt, yt = classes()
    labels = np.where(np.arange(len(yt)) >= 8, (yt + 1) % 3, np.nan)
    known = labels[8:].astype(int)
    model = published(Recorder()).fit(Xs, ys, Xt, labels)
    G = model.coupling_
    carried = np.array([[len(Xt) * G[ys == c, j].sum() for c in range(3)] for j in range(len(Xt))])
    carried[8:] = np.eye(3)[known]
    assert_allclose(model.target_labels_, carried, atol=1e-12)
    rows, cols = np.nonzero(carried > 1e-9)
    seen = model.estimator_
    assert_allclose(seen.X_, Xt[rows])
    assert_array_equal(seen.y_, cols)
    assert_allclose(seen.sample_weight_, carried[rows, cols])
    assert_allclose(seen.sample_weight_.sum(), len(Xt))
    # In the plan the label is a certain prediction; its own loss is part of the objective.
    D = squared_distances(Xs, Xt)
    L = np.full(D.shape, np.log(3))
    L[:, 8:] = -np.log(1e-6) * (ys[:, None] != known)
    C = D / D.max() + L
    assert_allclose(G, ot.emd([], [], C), atol=1e-12)
    assert_allclose(model.objective_[-1], (G * C).sum() + np.log(3) * 3 / len(Xt))


def test_known_numbers_stand_for_what_is_carried_and_predicted():
    Xs, ys, Xt, yt = numbers()
    labels = np.where(np.arange(len(yt)) < 4, yt + 10, np.nan)
    model = published(LinearRegression(), tol=0).fit(Xs, ys, Xt, labels)
    assert_allclose(model.target_labels_[:4], labels[:4])
    assert_allclose(model.target_labels_[4:], len(Xt) * (ys @ model.coupling_)[4:])
    f = LinearRegression().fit(Xt, model.target_labels_).predict(Xt)
    assert_allclose(model.predict(Xt), f)
    D = squared_distances(Xs, Xt)
    loss = (ys[:, None] - np.where(np.arange(len(yt)) < 4, labels, f)) ** 2
    C = D / D.max() + loss / ys.var()
    assert_allclose(model.coupling_, ot.emd([], [], C), atol=1e-12)
    value = (model.coupling_ * C).sum()
    value += ((labels[:4] - f[:4]) ** 2).sum() / (len(Xt) * ys.var())
    assert_allclose(model.objective_[-1], value)
    # From the first plan on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        once = published(LinearRegression(), max_iter=1).fit(Xs, ys, Xt, labels)
    C = D / D.max()
    C[:, :4] += ((ys[:, None] - labels[:4]) ** 2) / ys.var()
    assert_allclose(once.coupling_, ot.emd([], [], C), atol=1e-12)


def test_known_labels_correct_what_transport_gets_wrong():
    """The classes have changed places, which the features do not tell."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y = np.arange(100) % 2
        noise = 0.3 * rng.normal(size=(2, 100, 2))
        Xs, Xt = np.column_stack([4.0 * y, y * 0]), np.column_stack([4.0 * (1 - y), y * 0])
        Xs, Xt = Xs + noise[0], Xt + noise[1]
        assert published().fit(Xs, y, Xt).score(Xt, y) < 0.1
        labels = np.where(np.arange(100) < 60, y, np.nan)
        assert published().fit(Xs, y, Xt, labels).score(Xt, y) > 0.9


def test_known_labels_replace_what_must_be_carried_to_their_rows():
    Xs, ys, Xt, _ = classes(k=2)
    labels = np.where(np.arange(len(Xt)) < 8, 0, np.nan)  # half of the source is of class 0
    model = published().fit(Xs, ys, Xt, labels)
    assert (model.coupling_[ys > 0][:, :8].sum(axis=0) > 0.01).any()
    assert_allclose(model.target_labels_[:8], np.tile([1.0, 0.0], (8, 1)))
    assert_allclose(model.target_labels_[8:], np.tile([0.0, 1.0], (3, 1)), atol=1e-12)


def test_a_class_that_no_target_row_has_stays_known():
    Xs, ys, Xt, yt = classes()
    model = published().fit(Xs, ys, Xt, np.minimum(yt, 1))
    assert model.predict_proba(Xt).shape == (len(Xt), 3)
    assert_array_equal(model.estimator_.classes_, [0, 1, 2])


# --- what it is good for -----------------------------------------------------------------------


def test_source_only_loses_and_joint_transport_wins_on_classes():
    for seed in range(3):
        Xs, ys = make_moons(150, noise=0.05, random_state=seed)
        Xt, yt = make_moons(120, noise=0.05, random_state=seed + 100)
        angle = np.deg2rad(50)
        R = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        Xs, Xt = Xs - Xs.mean(axis=0), (Xt - Xt.mean(axis=0)) @ R
        source = SourceOnly(SVC()).fit(Xs, ys, Xt).score(Xt, yt)
        smooth = SVC(C=1.0)
        joint = published(smooth).fit(Xs, ys, Xt).score(Xt, yt)
        assert source < 0.7
        assert joint > source + 0.15


def test_source_only_loses_and_joint_transport_wins_on_numbers():
    smooth = KernelRidge(kernel="rbf", gamma=0.5, alpha=0.1)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.uniform(0, 5, size=(100, 1)), rng.uniform(0, 5, size=(90, 1))
        ys, yt = np.sin(Xs[:, 0]), np.sin(Xt[:, 0])
        Xt = Xt + 1.5
        source = SourceOnly(smooth).fit(Xs, ys, Xt).score(Xt, yt)
        assert source < 0
        assert published(smooth).fit(Xs, ys, Xt).score(Xt, yt) > 0.85


def test_labels_tell_pairs_that_features_do_not():
    """Images of digits, turned by 30 degrees: each round's model corrects the plan."""
    images, digit = load_digits(return_X_y=True)
    images = images / 16
    turned = rotate(images.reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1)
    turned = turned.reshape(len(images), 64)
    estimator = LogisticRegression(C=0.3, max_iter=300)
    models = SourceOnly(estimator), published(estimator, alpha=1e3), published(estimator)
    scores = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(images))
        s, t = order[:250], order[250:500]
        fitted = [model.fit(images[s], digit[s], turned[t]) for model in models]
        scores.append([model.score(turned[t], digit[t]) for model in fitted])
    source, features, joint = np.mean(scores, axis=0)
    assert features > source + 0.1
    assert joint > features + 0.05


# --- the estimator -----------------------------------------------------------------------------


def test_without_a_target_it_is_the_estimator():
    Xs, ys, Xt, _ = classes()
    with pytest.warns(NoTargetWarning):
        model = published().fit(Xs, ys)
    assert_allclose(model.predict_proba(Xt), LogisticRegression().fit(Xs, ys).predict_proba(Xt))
    assert model.n_iter_ == 1 and len(model.objective_) == 0
    assert_allclose(model.target_labels_, np.eye(3)[ys])


def test_equal_domains_keep_their_labels():
    Xs, ys, _, _ = classes(40)
    model = published(alpha=1e6).fit(Xs, ys, Xs)
    assert_allclose(model.coupling_, np.eye(40) / 40, atol=1e-12)
    alone = LogisticRegression().fit(Xs, ys)
    assert_allclose(model.predict_proba(Xs), alone.predict_proba(Xs), atol=1e-3)


def test_sparse_rows():
    Xs, ys, Xt, _ = classes()
    dense = published().fit(Xs, ys, Xt)
    sparse = published().fit(sp.csr_array(Xs), ys, sp.csr_array(Xt))
    assert_allclose(sparse.coupling_, dense.coupling_, atol=1e-9)
    assert_allclose(sparse.predict_proba(sp.csr_array(Xt)), dense.predict_proba(Xt), atol=1e-4)


def test_the_pickle_holds_the_model_alone():
    Xs, ys, Xt, _ = classes()
    model = published().fit(Xs, ys, Xt)
    loaded = pickle.loads(pickle.dumps(model))
    assert not hasattr(loaded, "coupling_") and not hasattr(loaded, "target_labels_")
    assert_array_equal(loaded.predict_proba(Xt), model.predict_proba(Xt))
    assert not hasattr(published(Ridge()), "predict_proba") and not hasattr(model, "transform")


def test_single_precision_and_rows_that_do_not_differ():
    Xs, ys, Xt, _ = classes()
    single = published().fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    assert_allclose(single.coupling_, published().fit(Xs, ys, Xt).coupling_, atol=1e-6)
    model = published().fit(np.zeros((6, 2)), [0, 1, 0, 1, 0, 1], np.zeros((4, 2)))
    assert_allclose(model.predict_proba(np.zeros((1, 2))), [[0.5, 0.5]], atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 3.0])
def test_tol_is_a_share_of_the_objective(alpha):
    """Rounds end by the rule of the docstring, whether the objective is small or large."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(60, 4)), rng.normal(size=(40, 4)) + [0, 1, 0, 0]
    tol = 1e-2
    model = published(Ridge(), alpha=alpha, tol=tol).fit(Xs, Xs[:, 0] + Xs[:, 1] ** 2, Xt)
    values = model.objective_
    changes = np.abs(np.diff(values)) / values[1:]
    assert (changes[:-1] > tol).all() and changes[-1] <= tol
    # A tolerance in the objective's own unit would end them elsewhere.
    assert (np.abs(np.diff(values)) <= tol).tolist() != (changes <= tol).tolist()
