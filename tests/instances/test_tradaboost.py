"""TrAdaBoost against plain loops, hand-computed rounds, its limits, and data with a known shift."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skdtl import NoTargetWarning, SourceOnly, TargetOnly, TrAdaBoost

from ..shifts import concepts, three_classes
from .papers import as_published

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)

STUMP = DecisionTreeClassifier(max_depth=1, random_state=0)
DEPTH_2 = DecisionTreeClassifier(max_depth=2, random_state=0)


def transcription(Xs, ys, Xt, yt, n_rounds, *, initial="domain", drift=False):
    """Figure 1 of Dai et al. row by row, with SAMME's terms for more than two classes."""
    n_s, n_t = len(ys), len(yt)
    classes = sorted(set(ys.tolist()))
    K = len(classes)
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    if initial == "domain":
        w = [0.5 / n_s] * n_s + [0.5 / n_t] * n_t
    else:
        w = [1.0] * (n_s + n_t)
    beta = 1 / (1 + (2 * np.log(n_s) / n_rounds) ** 0.5)
    learners, errors, votes, path = [], [], [], []
    for _ in range(n_rounds):
        total = sum(w)
        p = [v / total for v in w]
        path.append([v * (n_s + n_t) for v in p[:n_s]])
        h = clone(DEPTH_2).fit(X, y, sample_weight=np.array(p) * len(p))
        wrong = [bool(a != b) for a, b in zip(h.predict(X), y)]
        mass = sum(p[n_s:])
        error = sum(p[i] / mass for i in range(n_s, n_s + n_t) if wrong[i])
        if error >= 1 - 1 / K - 1e-9:
            break
        beta_t = error / (1 - error)
        for i in range(n_s + n_t):
            if i < n_s:
                w[i] = p[i] * (beta if wrong[i] else 1)
                if drift:
                    w[i] *= K * (1 - error)
            else:
                w[i] = p[i] * ((K - 1) / beta_t if wrong[i] else 1)
        learners.append(h)
        errors.append(error)
        votes.append(np.log(1 / beta_t) + np.log(K - 1))
    else:
        path.append([v * (n_s + n_t) / sum(w) for v in w[:n_s]])

    def predict(rows, first):
        scores = {label: np.zeros(len(rows)) for label in classes}
        for h, vote in list(zip(learners, votes))[first:]:
            for i, label in enumerate(h.predict(rows)):
                scores[label][i] += vote
        return np.array(classes)[np.argmax([scores[label] for label in classes], axis=0)]

    return predict, np.array(errors), np.array(votes), np.array(path)


@pytest.mark.parametrize("drift", [False, True])
@pytest.mark.parametrize("initial", ["domain", "uniform"])
@pytest.mark.parametrize("data", ["two", "three"])
def test_equals_the_transcription(drift, initial, data):
    if data == "two":
        Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 150, 100, noise=0.1)
        ys, yt = ys.astype(int), yt.astype(int)
    else:
        Xs, ys, Xt, yt = three_classes(2, n_t=100)
        X_test = Xt + 0.5
    predict, errors, votes, path = transcription(Xs, ys, Xt, yt, 9, initial=initial, drift=drift)
    assert len(errors) >= 3  # the comparison is about several rounds
    model = TrAdaBoost(
        DEPTH_2,
        n_estimators=9,
        initial_weights=initial,
        weight_drift_correction=drift,
        vote="last_half",
    )
    model.fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.estimator_errors_, errors)
    np.testing.assert_allclose(model.estimator_weights_, votes)
    np.testing.assert_allclose(model.source_weights_path_, path[: len(errors) + 1])
    np.testing.assert_array_equal(model.source_weights_, model.source_weights_path_[-1])
    n_kept = len(errors)
    first = int(np.ceil(n_kept / 2)) - 1
    np.testing.assert_array_equal(model.predict(X_test), predict(X_test, first))
    model.set_params(vote="all").fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.predict(X_test), predict(X_test, 0))


class Scripted(ClassifierMixin, BaseEstimator):
    """In its k-th fit it learns to predict column k, so that rows dictate the rounds."""

    rounds = 0

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.column_ = Scripted.rounds
        Scripted.rounds += 1
        return self

    def predict(self, X):
        return X[:, self.column_].astype(int)


@pytest.fixture
def scripted():
    Scripted.rounds = 0
    return Scripted()


def test_four_rounds_by_hand(scripted):
    # Each column is one round's prediction. All labels are 1; the last row is another class's.
    Xs = np.array([[0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
    ys = np.array([1, 1, 0])
    Xt = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]])
    yt = np.ones(4, dtype=int)
    model = TrAdaBoost(scripted, n_estimators=4, initial_weights="uniform", vote="last_half")
    model.fit(Xs, ys, Xt, yt)
    # Target weights: 1 1 1 1, error 1/4; 3 1 1 1, error 1/6; 3 5 1 1, error 1/10; 3 5 9 1, 1/18.
    np.testing.assert_allclose(model.estimator_errors_, [1 / 4, 1 / 6, 1 / 10, 1 / 18])
    np.testing.assert_allclose(model.estimator_weights_, np.log([3, 5, 9, 17]))
    # Source row 0 is wrong in rounds 1 and 3. Totals: 7; 1 more row of weight 3; and so on.
    beta = 1 / (1 + np.sqrt(2 * np.log(3) / 4))
    first = np.array([1, beta, beta, beta**2, beta**2])
    totals = first + 2 + np.array([4, 6, 10, 18, 34])
    np.testing.assert_allclose(model.source_weights_path_[:, 0], 7 * first / totals)
    np.testing.assert_allclose(model.source_weights_path_[:, 1], 7 / totals)
    # Learners 2 to 4 vote: 5 and 17 against 9; the first one's vote doesn't count.
    shares = model.predict_proba(np.array([[1, 0, 1, 0]]))
    np.testing.assert_allclose(shares, [[np.log(5 * 17) / np.log(765), np.log(9) / np.log(765)]])
    # 1: ln 5 + ln 9 = ln 45 > ln 17; from learner 3 on it would be 0.
    assert model.predict(np.array([[0, 1, 1, 0]])) == [1]
    stages = [s[0, 1] for s in model.staged_predict_proba(np.array([[0, 1, 1, 0]]))]
    expected = [
        0,
        np.log(5) / np.log(15),
        1,
        np.log(45) / np.log(765),
    ]
    np.testing.assert_allclose(stages, expected)


def test_vote_of_three_rounds_leaves_out_the_first(scripted):
    Xs, ys = np.array([[1, 1, 1], [0, 0, 0]]), np.array([1, 0])
    Xt = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
    model = TrAdaBoost(scripted, n_estimators=3, initial_weights="uniform", vote="last_half")
    model.fit(Xs, ys, Xt, np.ones(4, dtype=int))
    row = np.array([[0, 0, 1]])  # ln 5 for 0 and ln 9 for 1; the first learner adds ln 3 to 0
    assert model.predict(row) == [1]
    model.vote_ = "all"
    assert model.predict(row) == [0]


def test_auto_takes_the_vote_that_fits_the_target(scripted):
    # Votes ln 5, ln 19, ln 6.6. Row 0: the second learner outvotes the third, not the other two.
    Xs, ys = np.zeros((3, 3)), np.array([1, 0, 0])
    Xt = np.ones((12, 3))
    Xt[1:3, 0] = 0
    Xt[0, 1] = 0
    Xt[3:8, 2] = 0
    yt = np.ones(12, dtype=int)
    settings = {"n_estimators": 3, "initial_weights": "uniform"}
    chosen = TrAdaBoost(scripted, **settings).fit(Xs, ys, Xt, yt)
    errors = {}
    for vote in ("last_half", "all"):
        Scripted.rounds = 0
        model = TrAdaBoost(Scripted(), vote=vote, **settings).fit(Xs, ys, Xt, yt)
        assert model.vote_ == vote
        errors[vote] = np.mean(model.predict(Xt) != yt)
    assert errors == {"last_half": 1 / 12, "all": 0}
    assert chosen.vote_ == "all"


def test_auto_judges_each_learner_by_its_own_weight(scripted):
    # Votes ln 2, ln 31, ln 5.2: the second learner decides both votes alike, so the last half is
    # taken. With the first two learners' weights, the third would decide, and be wrong 10 times.
    Xs, ys = np.zeros((3, 3)), np.array([1, 0, 0])
    Xt = np.ones((24, 3))
    Xt[:8, 0] = 0
    Xt[8, 1] = 0
    Xt[9:19, 2] = 0
    settings = {"n_estimators": 3, "initial_weights": "uniform"}
    model = TrAdaBoost(scripted, **settings).fit(Xs, ys, Xt, np.ones(24, dtype=int))
    np.testing.assert_allclose(model.estimator_weights_, np.log([2, 31, 5.2]))
    assert model.vote_ == "last_half"


def test_auto_keeps_the_papers_vote_where_both_fit_alike():
    Xs, ys, Xt, yt, _, _, _ = concepts(3, 200, 40)
    model = TrAdaBoost(STUMP, n_estimators=1).fit(Xs, ys, Xt, yt)
    assert model.vote_ == "last_half"


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
@pytest.mark.parametrize("base", [None, DecisionTreeClassifier(max_depth=2, max_features=1)])
def test_without_target_it_is_adaboost(load, base):
    X, y = load(return_X_y=True)
    flipped = np.random.default_rng(0).random(len(y)) < 0.1
    y = np.where(flipped, (y + 1) % len(set(y)), y)
    with pytest.warns(NoTargetWarning):
        ours = TrAdaBoost(base, n_estimators=12, random_state=0).fit(X, y)
    theirs = AdaBoostClassifier(base, n_estimators=12, random_state=0).fit(X, y)
    assert len(ours.estimators_) == len(theirs.estimators_) > 3
    np.testing.assert_allclose(ours.estimator_errors_, theirs.estimator_errors_[: len(X)])
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    # For two classes AdaBoostClassifier's values go from -2 to 2.
    factor = 2 if len(ours.classes_) == 2 else 1
    np.testing.assert_allclose(
        factor * ours.decision_function(X), theirs.decision_function(X), atol=1e-12
    )


def test_large_target_makes_the_source_fade():
    Xs, ys, Xt, yt, _, _, misleading = concepts(0, 400, 400, noise=0.1)
    model = TrAdaBoost(DecisionTreeClassifier(max_depth=2), n_estimators=60).fit(Xs, ys, Xt, yt)
    mass = model.source_weights_path_.sum(axis=1) / (len(ys) + len(yt))
    assert mass[0] == pytest.approx(0.5)
    assert mass[-1] < 0.25
    path = model.source_weights_path_
    assert path[-1][misleading].mean() < 0.7 * path[-1][~misleading].mean()


def test_gains_on_source_pooled_and_target():
    """Above source-only and the pooled fit by .08, target-only by .04; mean of 8 seeds."""
    found = {name: [] for name in ("boosted", "source", "pooled", "target")}
    for seed in range(8):
        Xs, ys, Xt, yt, X_test, y_test, _ = concepts(seed, 600, 15)
        pooled = LogisticRegression().fit(np.concatenate([Xs, Xt]), np.concatenate([ys, yt]))
        models = {
            "boosted": TrAdaBoost(LogisticRegression(), n_estimators=20).fit(Xs, ys, Xt, yt),
            "source": SourceOnly().fit(Xs, ys, Xt, yt),
            "pooled": pooled,
            "target": TargetOnly().fit(Xs, ys, Xt, yt),
        }
        for name, model in models.items():
            found[name].append(model.score(X_test, y_test))
    means = {name: np.mean(values) for name, values in found.items()}

    assert means["boosted"] > means["source"] + 0.08
    assert means["boosted"] > means["pooled"] + 0.08
    assert means["boosted"] > means["target"] + 0.04


@pytest.mark.parametrize("base", [STUMP, LogisticRegression()], ids=["stump", "logistic"])
@pytest.mark.parametrize("n_t", [20, 60, 500])
@pytest.mark.parametrize("n_rounds", [5, 20, 100])
def test_noisy_labels_and_many_rounds(base, n_t, n_rounds):
    """At most .1 below the better of target-only and pooled, with 15 % wrong labels."""
    boosted, target, pooled = [], [], []
    for seed in range(4):
        Xs, ys, Xt, yt, X_test, y_test, _ = concepts(seed, 400, n_t, noise=0.15)
        model = TrAdaBoost(base, n_estimators=n_rounds).fit(Xs, ys, Xt, yt)
        assert (model.estimator_errors_ < 0.5).all()
        assert (model.estimator_weights_ > 0).all()
        boosted.append(model.score(X_test, y_test))
        target.append(clone(base).fit(Xt, yt).score(X_test, y_test))
        both = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
        pooled.append(clone(base).fit(*both).score(X_test, y_test))
    assert np.mean(boosted) > max(np.mean(target), np.mean(pooled)) - 0.1
    assert min(boosted) > 0.5


def test_contradicting_source_falls_back_on_the_target():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(20, 2))
    ys, yt = Xs[:, 0] < 0, Xt[:, 0] > 0
    model = TrAdaBoost(STUMP, initial_weights="uniform").fit(Xs, ys, Xt, yt)
    assert len(model.estimators_) == 1
    np.testing.assert_array_equal(model.source_weights_, np.zeros(300))
    np.testing.assert_array_equal(model.predict(Xt), yt)
    assert model.estimator_errors_ == [0]
    reference = clone(STUMP).fit(Xt, yt)
    X_test = rng.normal(size=(500, 2))
    np.testing.assert_array_equal(model.predict(X_test), reference.predict(X_test))


def test_the_error_of_a_learner_on_the_target_alone():
    """No learner is kept, and the one that stands in is not perfect either."""
    rng = np.random.default_rng(1)
    Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(30, 2))
    ys, yt = Xs[:, 0] < 0, Xt[:, 0] > 0
    yt[:6] = ~yt[:6]
    model = TrAdaBoost(STUMP, initial_weights="uniform").fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.source_weights_, np.zeros(400))
    assert len(model.estimators_) == 1 and model.estimator_errors_[0] > 0
    assert model.estimator_errors_[0] == pytest.approx(1 - model.score(Xt, yt))


def test_perfect_first_learner_is_kept_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.where(X[:, 0] > 0, "ill", "well")
    model = TrAdaBoost(STUMP).fit(X[:40], y[:40], X[40:], y[40:])
    assert len(model.estimators_) == 1
    assert model.estimator_errors_ == [0]
    assert model.estimator_weights_[0] == pytest.approx(np.log(2 * 20 - 1))


def test_outputs_agree_with_each_other():
    Xs, ys, Xt, yt = three_classes(0)
    for labels in (np.array(["c", "a", "b"]), np.array([5, -1, 2])):
        model = TrAdaBoost(STUMP, n_estimators=8).fit(Xs, labels[ys], Xt, labels[yt])
        proba, decision = model.predict_proba(Xt), model.decision_function(Xt)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        winners = model.classes_[proba.argmax(axis=1)]
        np.testing.assert_array_equal(model.predict(Xt), winners)
        np.testing.assert_array_equal(model.classes_[decision.argmax(axis=1)], winners)
        np.testing.assert_allclose(np.exp(model.predict_log_proba(Xt)), proba)
        assert model.score(Xt, labels[yt]) == np.mean(winners == labels[yt])
        *_, last = model.staged_predict(Xt)
        np.testing.assert_array_equal(last, winners)
        *_, last = model.staged_decision_function(Xt)
        np.testing.assert_array_equal(last, decision)
        scores = list(model.staged_score(Xt, labels[yt]))
        assert len(scores) == len(model.estimators_)
        assert scores[-1] == model.score(Xt, labels[yt])


def test_unlabelled_target_rows_are_left_out():
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, noise=0.1)
    some = np.where(np.arange(len(yt)) < 30, yt.astype(float), np.nan)
    partly = TrAdaBoost(STUMP).fit(Xs, ys.astype(int), Xt, some)
    rows = TrAdaBoost(STUMP).fit(Xs, ys.astype(int), Xt[:30], yt[:30].astype(int))
    np.testing.assert_array_equal(partly.predict_proba(X_test), rows.predict_proba(X_test))


def test_base_learner_without_sample_weight():
    Xs, ys, Xt, yt, X_test, y_test, _ = concepts(0, 300, 40)
    neighbours = KNeighborsClassifier(5)
    for base in (neighbours, make_pipeline(StandardScaler(), neighbours)):
        with pytest.raises(
            ValueError, match=r"KNeighborsClassifier takes no sample_weight.*resample"
        ):
            TrAdaBoost(base).fit(Xs, ys, Xt, yt)
        model = TrAdaBoost(base, resample=True, n_estimators=10, random_state=0)
        model.fit(Xs, ys, Xt, yt)
        again = clone(model).fit(Xs, ys, Xt, yt)
        np.testing.assert_array_equal(model.predict_proba(X_test), again.predict_proba(X_test))
        assert model.score(X_test, y_test) > neighbours.fit(Xs, ys).score(X_test, y_test) + 0.05


def test_regressor_as_base_learner_is_an_error():
    Xs, ys, Xt, yt, *_ = concepts(0)
    with pytest.raises(ValueError, match="needs a classifier as its estimator, but Ridge"):
        TrAdaBoost(Ridge()).fit(Xs, ys, Xt, yt)


def test_pipelines_take_weights():
    Xs, ys, Xt, yt, *_ = concepts(0)
    scaled = make_pipeline(StandardScaler(with_mean=False), LogisticRegression())
    piped = TrAdaBoost(scaled, n_estimators=5).fit(Xs, ys, Xt, yt)
    assert len(piped.estimators_) > 1
    first = clone(scaled)
    n = len(ys) + len(yt)
    weights = np.repeat([n / 2 / len(ys), n / 2 / len(yt)], [len(ys), len(yt)])
    both = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    first.fit(*both, logisticregression__sample_weight=weights)
    np.testing.assert_allclose(piped.estimators_[0][-1].coef_, first[-1].coef_)


def test_missing_values_and_sparse_rows():
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 200, 40, noise=0.1)
    holes = np.random.default_rng(1)
    Xs_nan, Xt_nan = (np.where(holes.random(X.shape) < 0.1, np.nan, X) for X in (Xs, Xt))
    boosted = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5)
    model = TrAdaBoost(boosted, n_estimators=3).fit(Xs_nan, ys, Xt_nan, yt)
    assert model.predict(np.full((1, 5), np.nan)).shape == (1,)
    dense = TrAdaBoost(STUMP, n_estimators=8).fit(Xs, ys, Xt, yt)
    sparse = clone(dense).fit(sp.csr_array(Xs), ys, sp.csr_array(Xt), yt)
    np.testing.assert_allclose(
        dense.predict_proba(X_test), sparse.predict_proba(sp.csr_array(X_test))
    )


def test_seeds_and_the_callers_estimator():
    Xs, ys, Xt, yt, *_ = concepts(0, noise=0.1)
    base = DecisionTreeClassifier(max_depth=2, max_features=1, splitter="random", random_state=3)
    model = TrAdaBoost(base, n_estimators=6, random_state=0).fit(Xs, ys, Xt, yt)
    assert base.random_state == 3
    assert not hasattr(base, "tree_")
    assert len({h.random_state for h in model.estimators_}) == len(model.estimators_)
    again = clone(model).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(model.source_weights_path_, again.source_weights_path_)
    other = clone(model).set_params(random_state=1).fit(Xs, ys, Xt, yt)
    assert not np.array_equal(model.source_weights_, other.source_weights_)


def test_class_weight_speaks_of_the_callers_labels():
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, noise=0.2)
    names = np.array(["well", "ill"])
    base = DecisionTreeClassifier(max_depth=1, class_weight={"ill": 20, "well": 1})
    model = TrAdaBoost(base, n_estimators=1).fit(Xs, names[ys * 1], Xt, names[yt * 1])
    assert np.mean(model.predict(X_test) == "ill") > 0.8


def test_pickles_hold_no_row_weights():
    Xs, ys, Xt, yt, X_test, _, _ = concepts(0, 5000, 60, noise=0.1)
    model = TrAdaBoost(STUMP, n_estimators=10)
    with pytest.raises(AttributeError, match="'TrAdaBoost' object has no attribute"):
        _ = model.source_weights_
    model.fit(Xs, ys, Xt, yt)
    assert model.source_weights_.shape == (5000,)
    stored = pickle.dumps(model)
    assert len(stored) < 40_000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(model.predict_proba(X_test), restored.predict_proba(X_test))
    for name in ("source_weights_", "source_weights_path_"):
        with pytest.raises(AttributeError, match=f"no '{name}'.*pickling"):
            getattr(restored, name)
    with pytest.raises(AttributeError, match="'TrAdaBoost' object has no attribute 'other'"):
        _ = restored.other


def test_soft_votes_are_the_weighted_mean_of_probabilities():
    Xs, ys, Xt, yt = three_classes(2, n_t=100)
    model = TrAdaBoost(DEPTH_2, n_estimators=8, vote="last_half", voting="soft")
    model.fit(Xs, ys, Xt, yt)
    first = int(np.ceil(len(model.estimators_) / 2)) - 1
    assert first >= 1
    total = 0
    for learner, vote in zip(model.estimators_[first:], model.estimator_weights_[first:]):
        total = total + vote * learner.predict_proba(Xt)
    expected = total / model.estimator_weights_[first:].sum()
    np.testing.assert_allclose(model.predict_proba(Xt), expected)
    np.testing.assert_array_equal(model.predict(Xt), np.argmax(expected, axis=1))


def test_soft_votes_rank_better():
    """By .02 ROC AUC, mean of 8 seeds, with no loss of accuracy beyond .01."""
    found = {"hard": [], "soft": []}
    for seed in range(8):
        Xs, ys, Xt, yt, X_test, y_test, _ = concepts(seed, 400, 40, noise=0.15)
        for voting, values in found.items():
            model = TrAdaBoost(LogisticRegression(), n_estimators=10, voting=voting)
            model.fit(Xs, ys, Xt, yt)
            auc = roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
            values.append((auc, model.score(X_test, y_test)))
    hard, soft = (np.mean(values, axis=0) for values in found.values())
    assert soft[0] > hard[0] + 0.02
    assert soft[1] > hard[1] - 0.01


def test_soft_votes_need_probabilities():
    Xs, ys, Xt, yt, _, _, _ = concepts(0, 60, 20)
    with pytest.raises(ValueError, match="SVC has no predict_proba"):
        TrAdaBoost(LinearSVC(), voting="soft").fit(Xs, ys, Xt, yt)
