"""TransferEnsemble: its vote by a slow definition, its portfolio, and what it gains."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skdtl import (
    CORAL,
    JDA,
    TCA,
    PerDomain,
    Pooled,
    SourceOnly,
    TargetOnly,
    TrAdaBoost,
    TransferEnsemble,
    TransferEnsembleRegressor,
    stack,
)
from skdtl._portfolio import Tables, default_candidates, default_learners
from skdtl._voting import likely_weights, normal_likelihoods, sharpened
from skdtl.datasets import make_shifted_classification


def shifted(seed=0, n=150, n_classes=3):
    """Return domains of which the target's columns are stretched and moved."""
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % n_classes
    X = rng.normal(size=(2 * n, 5))
    X[np.arange(2 * n), y] += 3
    X[n:] = 2 * X[n:] + [3, -3, 0, 4, 0]
    return X[:n], y[:n], X[n:], y[n:]


def some(yt, n_labels):
    known = yt.astype(float)
    known[n_labels:] = np.nan
    return known


CANDIDATES = [
    ("source", SourceOnly()),
    ("coral", CORAL()),
    ("own units", PerDomain(estimator=DecisionTreeClassifier(max_depth=3, random_state=0))),
]


class NoFit(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        raise RuntimeError("out of ideas")


# -- the vote by a slow definition ----------------------------------------------------------------


def slow_vote(models, weights, classes, X):
    """Add up each candidate's vote for each class of each row."""
    shares = [[0.0] * len(classes) for _ in range(len(X))]
    for model, weight in zip(models, weights):
        own = model.classes_.tolist()
        for i, row in enumerate(X):
            for label, probability in zip(own, model.predict_proba(row[None])[0]):
                shares[i][classes.index(label)] += weight * probability
    return np.array(shares)


def test_equal_weights_are_the_mean():
    Xs, ys, Xt, _ = shifted()
    names = np.array(["b", "c", "a"])
    model = TransferEnsemble(CANDIDATES, weights="equal").fit(Xs, names[ys], Xt)
    alone = [clone(estimator).fit(Xs, names[ys], Xt) for _, estimator in CANDIDATES]
    expected = slow_vote(alone, [1 / 3] * 3, ["a", "b", "c"], Xt)
    assert_allclose(model.predict_proba(Xt), expected, atol=1e-12)
    assert_array_equal(model.predict(Xt), np.array(["a", "b", "c"])[expected.argmax(axis=1)])
    assert_allclose(model.weights_, [1 / 3] * 3)


def test_given_weights():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble(CANDIDATES, weights=[1, 0, 3]).fit(Xs, ys, Xt)
    alone = [clone(estimator).fit(Xs, ys, Xt) for _, estimator in CANDIDATES]
    expected = slow_vote(alone, [0.25, 0, 0.75], [0, 1, 2], Xt)
    assert_allclose(model.predict_proba(Xt), expected, atol=1e-12)
    assert_allclose(model.weights_, [0.25, 0, 0.75])


def slowly_sharpened(models, classes, X):
    """Raise probabilities to the powers that make all models equally sure, found by trying."""
    opinions = [slow_vote([model], [1], classes, X) for model in models]
    goal = np.mean([opinion.max(axis=1).mean() for opinion in opinions])
    found = []
    for opinion in opinions:
        powers = [np.maximum(opinion, 1e-6) ** e for e in np.geomspace(0.05, 20, 2000)]
        powers = [power / power.sum(axis=1, keepdims=True) for power in powers]
        found.append(min(powers, key=lambda power: abs(power.max(axis=1).mean() - goal)))
    return np.array(found)


def test_weights_by_confidence_and_the_adaptations_agreement():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble(CANDIDATES).fit(Xs, ys, Xt)
    alone = [clone(estimator).fit(Xs, ys, Xt) for _, estimator in CANDIDATES]
    opinions = slowly_sharpened(alone, [0, 1, 2], Xt)
    agreement = np.mean([max(row) for row in (opinions[1] + opinions[2]) / 2])
    trust = (agreement - 1 / 3) / (1 - 1 / 3)
    assert 0.2 < trust < 0.98 and np.ptp(model.sharpness_) > 0.3  # something to tell
    weights = [trust / 3 + 1 - trust, trust / 3, trust / 3]
    assert_allclose(model.weights_, weights, atol=1e-3)
    expected = sum(weight * opinion for weight, opinion in zip(weights, opinions))
    assert_allclose(model.predict_proba(Xt), expected, atol=0.005)


def test_confidence_is_that_of_rows_without_labels():
    """Trees are certain of the rows that they were grown on."""
    Xs, ys, Xt, yt = shifted()
    labels = some(yt, 60)
    candidates = [("source", SourceOnly()), ("trees", Pooled(DecisionTreeClassifier(max_depth=5)))]
    model = TransferEnsemble(candidates, random_state=0).fit(Xs, ys, Xt, labels)
    confidence = [
        (power / power.sum(axis=1, keepdims=True)).max(axis=1).mean()
        for each, exponent in zip(model.estimators_, model.sharpness_)
        for power in [np.maximum(each.predict_proba(Xt[60:]), 1e-6) ** exponent]
    ]
    assert confidence[0] == pytest.approx(confidence[1], abs=1e-4)
    model.fit(Xs, ys, Xt, yt)
    assert_array_equal(model.sharpness_, [1, 1])


def test_with_labels_or_without_a_source_all_count_alike():
    Xs, ys, Xt, yt = shifted()
    model = TransferEnsemble(CANDIDATES).fit(Xs, ys, Xt, some(yt, 20))
    assert_allclose(model.weights_, [1 / 3] * 3)
    model = TransferEnsemble(CANDIDATES[1:]).fit(Xs, ys, Xt)
    assert_allclose(model.weights_, [1 / 2] * 2)


def test_a_class_with_one_labelled_row_is_no_news():
    """Of the learners, which the user has not chosen, one wants covariances of the classes."""
    Xs, ys, Xt, yt = shifted()
    known = np.flatnonzero(yt < 2)[:60].tolist() + np.flatnonzero(yt == 2)[:1].tolist()
    labels = np.full(len(yt), np.nan)
    labels[known] = yt[known]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = TransferEnsemble(random_state=0).fit(Xs, ys, Xt, labels)
    assert not [str(warning.message) for warning in caught]
    assert "target, gaussian" in model.candidates_["name"].tolist()


def test_the_portfolios_vote_is_that_of_its_candidates():
    Xs, ys, Xt, yt = shifted()
    for labels in (None, some(yt, 60)):
        model = TransferEnsemble(random_state=0).fit(Xs, ys, Xt, labels)
        assert len(model.estimators_) > 9
        opinions = [
            np.maximum(slow_vote([each], [1], [0, 1, 2], Xt[:20]), 1e-6) ** exponent
            for each, exponent in zip(model.estimators_, model.sharpness_)
        ]
        expected = sum(
            weight * opinion / opinion.sum(axis=1, keepdims=True)
            for weight, opinion in zip(model.weights_, opinions)
        )
        assert_allclose(model.predict_proba(Xt[:20]), expected, atol=1e-9)
        assert model.weights_.sum() == pytest.approx(1)
        adapts = np.array([not name.startswith("source") for name in model.candidates_["name"]])
        if labels is None:
            first, second = model.weights_[~adapts], model.weights_[adapts]
            assert np.ptp(first) == np.ptp(second) == 0 and first[0] > second[0]
        else:
            assert np.ptp(model.weights_) > 0.005


def test_numbers_are_the_weighted_mean():
    Xs, _, Xt, _ = shifted()
    ys = Xs[:, 0] + Xs[:, 1] ** 2
    candidates = [("source", SourceOnly(Ridge())), ("coral", CORAL(estimator=Ridge()))]
    first, second = (clone(each).fit(Xs, ys, Xt).predict(Xt) for _, each in candidates)
    model = TransferEnsembleRegressor(candidates, weights=[1, 3]).fit(Xs, ys, Xt)
    mean = 0.25 * first + 0.75 * second
    assert_allclose(model.predict(Xt), mean)
    v = np.var(ys)
    expected = 0.25 / (1 + (first - mean) ** 2 / v) + 0.75 / (1 + (second - mean) ** 2 / v)
    assert_allclose(model.agreement(Xt), expected)
    model.set_params(weights="auto").fit(Xs, ys, Xt)
    assert_allclose(model.weights_, [0.5, 0.5])  # a single adaptation agrees with itself


# -- candidates that know other classes, or say less ----------------------------------------------


def test_a_candidate_that_lacks_a_class():
    Xs, ys, Xt, yt = shifted()
    labels = np.where((yt != 1) & (np.arange(len(yt)) < 30), yt, np.nan)
    candidates = [("pooled", Pooled()), ("target", TargetOnly())]
    model = TransferEnsemble(candidates, weights="equal").fit(Xs, ys, Xt, labels)
    assert_array_equal(model.estimators_[1].classes_, [0, 2])
    assert_array_equal(model.classes_, [0, 1, 2])
    proba = model.predict_proba(Xt)
    assert_allclose(proba.sum(axis=1), 1)
    pooled, target = (each.predict_proba(Xt) for each in model.estimators_)
    assert_allclose(proba[:, 1], pooled[:, 1] / 2)
    assert_allclose(proba[:, 2], (pooled[:, 2] + target[:, 1]) / 2)


def test_a_candidate_without_probabilities_votes_for_its_class():
    Xs, ys, Xt, _ = shifted()
    names = np.array(["b", "c", "a"])
    candidates = [("svm", SourceOnly(LinearSVC())), ("coral", CORAL())]
    model = TransferEnsemble(candidates, weights="equal").fit(Xs, names[ys], Xt)
    svm, coral = model.estimators_
    certain = svm.predict(Xt)[:, None] == model.classes_
    assert_allclose(model.predict_proba(Xt), (certain + coral.predict_proba(Xt)) / 2)


# -- agreement ------------------------------------------------------------------------------------


def test_agreement_is_the_share_of_the_vote():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble(CANDIDATES).fit(Xs, ys, Xt)
    assert_allclose(model.agreement(Xt), model.predict_proba(Xt).max(axis=1))
    assert_array_equal(model.agreement_, model.agreement(Xt))
    table = model.candidates_
    assert table["weight"] @ table["agreement"] == pytest.approx(model.agreement_.mean())


@pytest.mark.parametrize("kind", [TransferEnsemble, TransferEnsembleRegressor])
def test_doubtful_rows_are_wrong_more_often(kind):
    share_of_errors = []
    for seed in range(3):
        Xs, ys, Xt, yt = shifted(seed)
        if kind is TransferEnsembleRegressor:
            ys, yt = (np.abs(X[:, 0]) for X in (Xs, Xt))
        model = kind(random_state=0).fit(Xs, ys, Xt)
        errors = np.abs(model.predict(Xt) - yt)
        doubtful = model.agreement_ < np.median(model.agreement_)
        share_of_errors.append(errors[doubtful].sum() / errors.sum())
        assert model.agreement_.min() >= 0 and model.agreement_.max() <= 1 + 1e-12
    assert np.mean(share_of_errors) > 0.6


def test_the_mean_agreement_estimates_accuracy():
    differences = []
    for shift in ("measurement", "covariate", "spurious"):
        data = make_shifted_classification(shift, 200, 200, random_state=0)
        model = TransferEnsemble(random_state=0).fit(data.Xs, data.ys, data.Xt)
        differences.append(model.agreement_.mean() - model.score(data.Xt, data.yt))
    assert np.mean(np.abs(differences)) < 0.25


# -- the portfolio --------------------------------------------------------------------------------


def names_of(model):
    return set(model.candidates_["name"])


LEARNERS = ("linear", "trees", "gaussian")
UNLABELLED = {f"{a}, {b}" for a in ("source", "own units", "CORAL") for b in LEARNERS}
UNLABELLED |= {"JDA, linear"}
LABELLED = {f"{a}, {b}" for a in ("pooled", "own units") for b in LEARNERS}
LABELLED |= {f"{a}, balanced, {b}" for a in ("pooled", "own units") for b in ("linear", "trees")}


def test_the_portfolio_depends_on_labels():
    Xs, ys, Xt, yt = shifted()
    model = TransferEnsemble(random_state=0).fit(Xs, ys, Xt)
    assert names_of(model) == UNLABELLED and not model.left_out_
    model.fit(Xs, ys, Xt, some(yt, 20))
    assert names_of(model) == LABELLED
    assert set(model.left_out_) == {f"{a}, balanced, gaussian" for a in ("pooled", "own units")}
    assert "sample_weight" in model.left_out_["pooled, balanced, gaussian"]
    model.fit(Xs, ys, Xt, some(yt, 50))
    assert names_of(model) == LABELLED | {f"target, {b}" for b in LEARNERS}
    model.fit(Xs, ys, Xt, some(yt, 50), hide_target_labels=True)
    assert names_of(model) == UNLABELLED


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
def test_without_a_target_it_is_the_learners_vote():
    Xs, ys, _, _ = shifted()
    model = TransferEnsemble(random_state=0).fit(Xs, ys)
    assert names_of(model) == {f"source, {b}" for b in LEARNERS}
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(Xs, ys)
    linear = model.named_estimators_["source, linear"]
    assert_allclose(linear.predict_proba(Xs), scaled.predict_proba(Xs), atol=1e-9)


def test_a_given_learner_is_the_only_one():
    Xs, ys, Xt, yt = shifted()
    model = TransferEnsemble(estimator=LogisticRegression(C=0.1)).fit(Xs, ys, Xt)
    assert names_of(model) == {"source", "own units", "CORAL", "JDA"}
    for candidate in model.estimators_:
        learner = candidate[-1].estimator_
        assert type(learner) is LogisticRegression and learner.C == 0.1
    model.set_params(estimator=KNeighborsClassifier()).fit(Xs, ys, Xt, some(yt, 20))
    assert names_of(model) == {"pooled", "own units"}
    assert set(model.left_out_) == {"pooled, balanced", "own units, balanced"}
    given = [("tca", TCA()), ("coral", CORAL(estimator=DecisionTreeClassifier(random_state=0)))]
    model = TransferEnsemble(given, LogisticRegression(C=0.1)).fit(Xs, ys, Xt)
    assert model.estimators_[0].estimator_.C == 0.1
    assert type(model.estimators_[1].estimator_) is DecisionTreeClassifier
    assert given[0][1].estimator is None


def test_missing_values():
    Xs, ys, Xt, yt = shifted()
    complete = TransferEnsemble(random_state=0).fit(Xs, ys, Xt).score(Xt, yt)
    rng = np.random.default_rng(0)
    Xs[rng.random(Xs.shape) < 0.1] = np.nan
    Xt[rng.random(Xt.shape) < 0.1] = np.nan
    Xt[:, 4] = np.nan
    model = TransferEnsemble(random_state=0).fit(Xs, ys, Xt)
    trees = {"CORAL, trees": "it takes no missing values"}
    assert model.left_out_ == trees and names_of(model) == UNLABELLED - set(trees)
    assert np.isfinite(model.predict_proba(Xt)).all()
    assert model.score(Xt, yt) > complete - 0.15
    # Medians stand for what is missing, and a column tells where.
    filled = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        Pooled(LogisticRegression(max_iter=1000)),
    )
    X, y, domain = stack(Xs, ys, Xt)
    filled.fit(X, y, pooled__sample_domain=domain)
    source = model.named_estimators_["source, linear"]
    assert_allclose(source.predict_proba(Xt), filled.predict_proba(Xt), rtol=1e-6)
    boosting = HistGradientBoostingClassifier(max_iter=5)
    model = TransferEnsemble(estimator=boosting).fit(Xs, ys, Xt)
    assert names_of(model) == {"source", "own units"}
    assert set(model.left_out_) == {"CORAL", "JDA"}
    with pytest.raises(ValueError, match="Xs contains NaN"):
        TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt)


def test_sparse_rows():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.poisson(np.where(y[:, None] == np.arange(40) % 2, 0.6, 0.1)).astype(float)
    X = sp.csr_array(X)
    model = TransferEnsemble(random_state=0).fit(X[:100], y[:100], X[100:])
    assert names_of(model) == {"source, linear", "source, trees", "TCA, linear", "JDA, linear"}
    assert set(model.left_out_) == {"CORAL, linear", "CORAL, trees"}
    # The rows as they are: no scaler stands before the adaptation.
    assert [name for name, _ in model.named_estimators_["JDA, linear"].steps] == ["jda"]
    tables = Tables(200, 40, 0, True, False, False)
    candidates, _ = default_candidates(default_learners(True, tables), True, tables)
    kinds = {each.name: (each.adapts, each.same_shares) for each in candidates}
    assert kinds.pop("source, linear") == kinds.pop("source, trees") == (False, False)
    assert kinds == {"TCA, linear": (True, True), "JDA, linear": (True, True)}
    assert model.score(X[100:], y[100:]) > 0.8
    # The columns of a text share their unit: they are left as they are.
    plain = LogisticRegression(max_iter=1000).fit(X[:100], y[:100])
    source = model.named_estimators_["source, linear"]
    assert_allclose(source.predict_proba(X), plain.predict_proba(X), rtol=1e-6)
    dense = TransferEnsemble(estimator=KNeighborsClassifier()).fit(X[:100], y[:100], X[100:])
    assert "CORAL" in dense.left_out_


def test_wide_and_long_tables(monkeypatch):
    monkeypatch.setattr("skdtl._portfolio.MAX_COLUMNS", 4)
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt)
    assert names_of(model) == {"source", "own units"}
    assert model.left_out_["JDA"] == "more than 4 columns would take too long"
    learners = default_learners(True, Tables(300, 5, 0, False, False, False))
    assert list(learners) == ["linear", "trees"]
    monkeypatch.setattr("skdtl._portfolio.MAX_COLUMNS", 5)
    learners = default_learners(True, Tables(300, 5, 0, False, False, False))
    assert list(learners) == list(LEARNERS)
    monkeypatch.setattr("skdtl._portfolio.MAX_ROWS", 299)
    model.fit(Xs, ys, Xt)
    assert model.left_out_["CORAL"] == "more than 299 rows would take too long"
    monkeypatch.setattr("skdtl._portfolio.MAX_ROWS", 300)
    assert not model.fit(Xs, ys, Xt).left_out_


def test_directions_of_few_rows_and_many_columns(monkeypatch):
    monkeypatch.setattr("skdtl._portfolio.MAX_COLUMNS", 300)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 301)), np.arange(80) % 2
    model = TransferEnsemble(estimator=LogisticRegression()).fit(X[:40], y[:40], X[40:])
    assert names_of(model) == {"source", "own units", "JDA"}  # it decomposes products of rows


def held_out_by_hand(model, Xs, ys, Xt, yt, ask):
    """Return what the candidates, with their seeds, say of labelled rows held out in turn."""
    labelled = np.flatnonzero(~np.isnan(yt))
    draws = np.random.RandomState(model.random_state)
    for each in model.estimators_:  # a seed each is drawn before
        draws.randint(2, size=sum(name.endswith("random_state") for name in each.get_params()))
    said, labels = [], []
    for _, test in KFold(5, shuffle=True, random_state=draws).split(labelled):
        hidden = yt.copy()
        hidden[labelled[test]] = np.nan
        alike = TransferEnsemble if is_classifier(model) else TransferEnsembleRegressor
        alike = alike(estimator=model.estimator, weights="equal", random_state=0)
        alike.fit(Xs, ys, Xt, hidden)
        said.append([ask(each, Xt[labelled[test]]) for each in alike.estimators_])
        labels.append(yt[labelled[test]])
    return np.concatenate(said, axis=1), np.concatenate(labels)


def test_with_labels_candidates_count_by_what_they_say_of_held_out_rows():
    Xs, ys, Xt, yt = shifted()
    yt = some(yt, 30)
    model = TransferEnsemble(estimator=LogisticRegression(), random_state=0).fit(Xs, ys, Xt, yt)
    said, labels = held_out_by_hand(model, Xs, ys, Xt, yt, lambda each, X: each.predict_proba(X))
    said = np.array([sharpened(*pair) for pair in zip(said, model.sharpness_)])
    likelihoods = said[:, np.arange(30), labels.astype(int)]
    assert_allclose(model.weights_, likely_weights(likelihoods), rtol=1e-6)
    weights = dict(zip(model.candidates_["name"], model.weights_))
    assert weights["own units"] > 1.2 * weights["pooled"] > 0
    few = TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt, some(yt, 9))
    assert np.ptp(few.weights_) == 0  # less than two rows a fold


def test_numbers_held_out():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    yt = some(Xt[:, 0] + 0.1 * rng.normal(size=60), 25)
    model = TransferEnsembleRegressor(random_state=0).fit(Xs, Xs[:, 0], 2 * Xt + 1, yt)
    weights = dict(zip(model.candidates_["name"], model.weights_))
    assert weights["own units, linear"] > 1.5 * weights["pooled, trees"]
    ridge = TransferEnsembleRegressor(estimator=Ridge(), random_state=0)
    ridge.fit(Xs, Xs[:, 0], 2 * Xt + 1, yt)
    said, labels = held_out_by_hand(
        ridge, Xs, Xs[:, 0], 2 * Xt + 1, yt, lambda each, X: each.predict(X)
    )
    expected = likely_weights(normal_likelihoods(said - labels))
    assert_allclose(ridge.weights_, expected, rtol=1e-6)


class Fussy:
    """Fits weighted rows only if they are many."""

    def fit(self, X, y, sample_weight=None):
        if sample_weight is not None and len(X) < 175:
            raise ValueError("too few")
        return super().fit(X, y, sample_weight)


class FussyClassifier(Fussy, LogisticRegression):
    pass


class FussyRegressor(Fussy, Ridge):
    pass


@pytest.mark.parametrize("numbers", [False, True])
def test_who_fails_with_fewer_labels_says_nothing_of_the_rows_held_out(numbers):
    Xs, ys, Xt, yt = shifted()
    yt = some(yt, 30)
    if numbers:
        ys, yt = ys + 10.0, yt + 10
    ensemble = TransferEnsembleRegressor if numbers else TransferEnsemble
    fussy, plain = (FussyRegressor(), Ridge()) if numbers else (FussyClassifier(), None)
    model = ensemble(estimator=fussy, random_state=0).fit(Xs, ys, Xt, yt)
    assert not model.left_out_  # 180 rows are enough for all, 174 are not
    like = ensemble(estimator=plain or LogisticRegression(), random_state=0)
    like.fit(Xs, ys, Xt, yt)
    said, labels = held_out_by_hand(
        like, Xs, ys, Xt, yt, lambda e, X: e.predict(X) if numbers else e.predict_proba(X)
    )
    balanced = [k for k, name in enumerate(model.candidates_["name"]) if "balanced" in name]
    assert len(balanced) == 2
    said[balanced] = np.mean(ys) if numbers else 1 / 3
    if numbers:
        expected = likely_weights(normal_likelihoods(said - labels))
    else:
        said = np.array([sharpened(*pair) for pair in zip(said, model.sharpness_)])
        expected = likely_weights(said[:, np.arange(30), labels.astype(int)])
    assert_allclose(model.weights_, expected, rtol=1e-6)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 200)), np.arange(80) % 2
    X[:, :50] += y[:, None]
    model = TransferEnsemble(random_state=0).fit(X[:40], y[:40], X[40:])
    assert names_of(model) == UNLABELLED and model.score(X[40:], y[40:]) > 0.9


def test_several_sources_are_told_apart():
    """Each source has units of its own."""
    Xs, ys, Xt, yt = shifted()
    second = 10 * Xs + 50
    X, y, domain = stack([Xs, second], [ys, ys], Xt)
    candidates = [("own units", PerDomain())]
    model = TransferEnsemble(candidates, weights="equal").fit(X, y, sample_domain=domain)
    found = model.predict_proba(Xt)
    expected = PerDomain().fit(X, y, sample_domain=domain).predict_proba(Xt)
    assert_array_equal(found, expected)
    model = TransferEnsemble(random_state=0).fit(X, y, sample_domain=domain)
    own = model.named_estimators_["own units, linear"]
    assert set(own[0].transformers_) == {1, 2, -1}
    assert own.score(Xt, yt) > 0.85


# -- class shares ---------------------------------------------------------------------------------


def other_shares(seed, n=200):
    """Return domains whose classes look alike, but of which the target has mostly the second."""
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(n) % 2, (np.arange(n) % 10 > 0).astype(int)
    Xs, Xt = (rng.normal(size=(n, 6)) + np.outer(y, [2, 1, 1, 0, 0, 0]) for y in (ys, yt))
    return Xs, ys, Xt, yt


def test_other_class_shares_do_no_harm():
    gains, own = [], []
    for seed in range(5):
        Xs, ys, Xt, yt = other_shares(seed)
        source = SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own.append(PerDomain().fit(Xs, ys, Xt).score(Xt, yt) - source)
        model = TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt)
        gains.append(model.score(Xt, yt) - source)
        for name in ("own units", "CORAL"):
            assert model.named_estimators_[name].score(Xt, yt) > source - 0.05
    assert np.mean(own) < -0.2 and np.mean(gains) > -0.01


def test_a_pipeline_adapts_where_any_step_does():
    """What adapts has less weight the more the adaptations disagree."""
    Xs, ys, Xt, _ = shifted(n_classes=2)
    candidates = [
        ("scaled", make_pipeline(StandardScaler(), Pooled())),
        ("own units", make_pipeline(PerDomain(estimator="passthrough"), SourceOnly())),
        ("coral", CORAL()),
    ]
    weights = TransferEnsemble(candidates).fit(Xs, ys, Xt).weights_
    assert weights[1] == pytest.approx(weights[2]) and weights[0] > weights[1] + 0.01


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
def test_a_candidate_that_needs_labels_has_a_vote_where_the_source_is_the_target():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble([("boosted", TrAdaBoost()), ("source", SourceOnly())])
    assert set(model.fit(Xs, ys, Xt).left_out_) == {"boosted"}
    assert not model.fit(Xs, ys).left_out_ and names_of(model) == {"boosted", "source"}


def test_only_candidates_with_own_units_see_rows_of_the_targets_shares():
    Xs, ys, Xt, yt = other_shares(0)
    X, y, domain = stack(Xs, ys, Xt, some(yt, 20))
    learner = LogisticRegression()
    model = TransferEnsemble(estimator=learner).fit(X, y, sample_domain=domain)
    scaled = make_pipeline(StandardScaler(), Pooled(learner))
    scaled.fit(X, y, pooled__sample_domain=domain)
    own = PerDomain(estimator=learner).fit(X, y, sample_domain=domain)
    for name, all_rows in (("pooled", scaled), ("own units", own)):
        found = model.named_estimators_[name].predict_proba(Xt)
        assert np.allclose(found, all_rows.predict_proba(Xt), rtol=1e-6) == (name == "pooled")


def test_given_candidates_see_all_rows_as_they_are():
    Xs, ys, Xt, _ = other_shares(0)
    model = TransferEnsemble([("coral", CORAL())], weights="equal").fit(Xs, ys, Xt)
    found = model.predict_proba(Xt)
    assert_array_equal(found, CORAL().fit(Xs, ys, Xt).predict_proba(Xt))


# -- what it gains --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_gains_where_units_changed(n_classes):
    gains = []
    for seed in range(3):
        Xs, ys, Xt, yt = shifted(seed, n_classes=n_classes)
        source = SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(TransferEnsemble(random_state=0).fit(Xs, ys, Xt).score(Xt, yt) - source)
    assert np.mean(gains) > 0.1 and min(gains) > 0


def test_it_loses_nothing_without_a_shift():
    differences = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(400, 5)), np.arange(400) % 2
        X[:, 0] += 2 * y
        Xs, Xt, ys, yt = X[:200], X[200:], y[:200], y[200:]
        source = SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
        model = TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt)
        differences.append(model.score(Xt, yt) - source)
    assert np.mean(differences) > -0.01


def test_it_gains_by_labels():
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, ys, Xt, yt = shifted(seed)
        yt = (yt + (Xt[:, 3] > 6)) % 3  # what the source knows is wrong in a part
        labels = np.where(rng.random(len(yt)) < 0.3, yt, np.nan)
        pooled = Pooled().fit(Xs, ys, Xt, labels).score(Xt, yt)
        model = TransferEnsemble(random_state=0).fit(Xs, ys, Xt, labels)
        gains.append(model.score(Xt, yt) - pooled)
    assert np.mean(gains) > 0.03 and min(gains) > 0


def test_numbers_gain_where_units_changed():
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(2, 150, 4))
        ys, yt = (X @ [3, 1, 0, 0] + 0.1 * rng.normal(size=150) for X in (Xs, Xt))
        Xt = 2 * Xt + [1, -1, 0, 2]
        source = SourceOnly(Ridge()).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(
            TransferEnsembleRegressor(random_state=0).fit(Xs, ys, Xt).score(Xt, yt) - source
        )
    assert np.mean(gains) > 0.5


# -- failures and errors --------------------------------------------------------------------------


def test_a_candidate_that_fails_has_no_vote():
    Xs, ys, Xt, _ = shifted()
    candidates = [("bad", SourceOnly(NoFit())), *CANDIDATES]
    with pytest.warns(UserWarning, match="'bad' has no vote.*RuntimeError: out of ideas") as caught:
        model = TransferEnsemble(candidates, weights=[9, 1, 0, 3]).fit(Xs, ys, Xt)
    assert caught[0].filename == __file__
    assert model.left_out_ == {"bad": "RuntimeError: out of ideas"}
    assert_allclose(model.weights_, [0.25, 0, 0.75])
    expected = TransferEnsemble(CANDIDATES, weights=[1, 0, 3]).fit(Xs, ys, Xt)
    assert_array_equal(model.predict_proba(Xt), expected.predict_proba(Xt))


@pytest.mark.filterwarnings("ignore:The candidate")
def test_all_failing_is_an_error():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble([("bad", SourceOnly(NoFit()))])
    with pytest.raises(ValueError, match=r"could be fitted\. bad: RuntimeError: out of"):
        model.fit(Xs, ys, Xt)
    assert not hasattr(model, "left_out_")
    candidates = [("bad", SourceOnly(NoFit())), ("good", SourceOnly())]
    with pytest.raises(ValueError, match="weight above 0 failed"):
        TransferEnsemble(candidates, weights=[1, 0]).fit(Xs, ys, Xt)


def test_labels_that_a_candidate_needs():
    Xs, ys, Xt, yt = shifted()
    candidates = [("boosting", TrAdaBoost(n_estimators=3)), ("source", SourceOnly())]
    model = TransferEnsemble(candidates).fit(Xs, ys, Xt)
    assert model.left_out_ == {"boosting": "it needs labelled target rows"}
    assert not TransferEnsemble(candidates).fit(Xs, ys, Xt, some(yt, 30)).left_out_


@pytest.mark.parametrize(
    "settings, pattern",
    [
        ({"estimators": [("a", LogisticRegression())]}, "'a' is a LogisticRegression, which"),
        ({"estimators": [("a", CORAL(estimator=Ridge()))]}, "'a' is no classifier.*Regressor"),
        ({"estimators": [("a", CORAL()), ("a", TCA())]}, "different names"),
        ({"estimators": []}, "'estimators'"),
        ({"estimators": [CORAL()]}, "'estimators' .* pair"),
        ({"estimators": CANDIDATES, "weights": [1, 2]}, "weights has 2 entries, but estimators"),
        ({"estimators": CANDIDATES, "weights": [0, 0, 0]}, "all 0"),
        ({"estimators": CANDIDATES, "weights": [1, 1, -1]}, "'weights'"),
        ({"weights": [1, 2]}, "weights were given without estimators"),
        ({"estimator": Ridge()}, "no classifier"),
    ],
)
def test_settings_that_are_refused(settings, pattern):
    Xs, ys, Xt, _ = shifted()
    with pytest.raises(ValueError, match=pattern):
        TransferEnsemble(**settings).fit(Xs, ys, Xt)


def test_kinds_are_known_before_fitting():
    assert is_classifier(TransferEnsemble()) and is_regressor(TransferEnsembleRegressor())
    Xs, ys, Xt, _ = shifted()
    with pytest.raises(ValueError, match=r"is no regressor.*use TransferEnsemble\."):
        TransferEnsembleRegressor(estimator=LogisticRegression()).fit(Xs, Xs[:, 0], Xt)


# -- seeds, processes, pickles --------------------------------------------------------------------


def test_seeds_are_passed_on_where_there_is_none():
    Xs, ys, Xt, _ = shifted()
    trees = [TransferEnsemble(random_state=seed).fit(Xs, ys, Xt) for seed in (0, 0, 1)]
    first, again, other = (model.predict_proba(Xt) for model in trees)
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    seeds = [
        model[-1].estimator_.random_state
        for name, model in trees[0].named_estimators_.items()
        if "trees" in name
    ]
    assert len(set(seeds)) == 3
    tree = DecisionTreeClassifier(max_features=1)
    given = [
        ("free", SourceOnly(tree)),
        ("fixed", SourceOnly(clone(tree).set_params(random_state=7))),
    ]
    model = TransferEnsemble(given, random_state=0).fit(Xs, ys, Xt)
    free, fixed = (each.estimator_.random_state for each in model.estimators_)
    assert fixed == 7 and free is not None and free != 7
    assert given[0][1].estimator.random_state is None


def test_processes_change_nothing():
    Xs, ys, Xt, _ = shifted()
    first, second = (
        TransferEnsemble(random_state=0, n_jobs=n_jobs).fit(Xs, ys, Xt).predict_proba(Xt)
        for n_jobs in (None, 2)
    )
    assert_array_equal(first, second)


def test_nothing_of_the_training_rows_is_kept():
    Xs, ys, Xt, _ = shifted(n=1000)
    model = TransferEnsemble(estimator=LogisticRegression()).fit(Xs, ys, Xt)
    assert model.agreement_.shape == (1000,)
    pickled = pickle.dumps(model)
    assert len(pickled) < 30_000  # the rows take 80 000
    loaded = pickle.loads(pickled)
    assert not hasattr(loaded, "agreement_")
    assert_array_equal(loaded.predict_proba(Xt), model.predict_proba(Xt))
    assert_array_equal(loaded.agreement(Xt), model.agreement_)


def test_the_callers_estimators_and_rows_stay_as_they_are():
    Xs, ys, Xt, yt = shifted()
    before = [Xs.copy(), ys.copy(), Xt.copy()]
    learner = LogisticRegression()
    candidates = [("pipeline", make_pipeline(StandardScaler(), JDA())), ("coral", CORAL())]
    TransferEnsemble(candidates, learner, random_state=0).fit(Xs, ys, Xt)
    assert not hasattr(learner, "coef_") and candidates[0][1][-1].estimator is None
    for now, then in zip((Xs, ys, Xt), before):
        assert_array_equal(now, then)


def test_pipelines_are_candidates_whatever_the_routing():
    Xs, ys, Xt, _ = shifted()
    X, y, domain = stack(Xs, ys, Xt)
    pipeline = make_pipeline(StandardScaler(), PerDomain(estimator="passthrough"), TCA())
    steps = {"perdomain__sample_domain": domain, "tca__sample_domain": domain}
    expected = clone(pipeline).fit(X, y, **steps).predict_proba(Xt)
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            model = TransferEnsemble([("it", pipeline)], weights="equal").fit(Xs, ys, Xt)
        assert_array_equal(model.predict_proba(Xt), expected)


def test_networks_join_when_asked():
    pytest.importorskip("torch")
    from skdtl import DANN

    Xs, ys, Xt, _ = shifted()
    network = DANN(max_epochs=2, hidden_layer_sizes=(4,), batch_size=64)
    candidates = [("dann", network), ("source", SourceOnly())]
    first, second = (
        TransferEnsemble(candidates, random_state=0).fit(Xs, ys, Xt).predict_proba(Xt)
        for _ in range(2)
    )
    assert_array_equal(first, second)


# -- what is shown --------------------------------------------------------------------------------


def test_the_table_of_candidates():
    Xs, ys, Xt, _ = shifted()
    model = TransferEnsemble(estimator=KNeighborsClassifier())
    assert "<table><thead><tr><th>name" not in model._repr_html_()
    model.fit(Xs, ys, Xt, some(shifted()[3], 9))
    table = pd.DataFrame(model.candidates_)
    assert list(table) == ["name", "weight", "agreement", "seconds"] and len(table) == 2
    for text in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert "<td>own units</td><td>0.500</td>" in text
        assert "<td>pooled, balanced</td>" in text and "takes no sample_weight" in text


def test_progress_is_printed_where_asked(capsys):
    Xs, ys, Xt, yt = shifted()
    model = TransferEnsemble(estimator=KNeighborsClassifier())
    model.fit(Xs, ys, Xt)
    assert capsys.readouterr().out == ""
    model.set_params(verbose=1).fit(Xs, ys, Xt, some(yt, 10))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "[TransferEnsemble] pooled, balanced: left out, KNeighborsClassifier takes no sample_weight"
    )
    assert lines[2].startswith("[TransferEnsemble] 1/2 pooled: ")
