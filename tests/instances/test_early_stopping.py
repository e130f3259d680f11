"""What ends boosting: held-out labelled target rows, for every boosting method."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skdtl import Pooled, SourceOnly, TaskTrAdaBoost, TrAdaBoost, TrAdaBoostR2
from skdtl.instances._draws import even_folds
from skdtl.instances._early_stopping import N_FOLDS, PATIENCE, leads, staged_losses
from skdtl.utils import all_estimators

BOOSTING = {
    name: cls for name, cls in all_estimators() if "early_stopping" in cls().get_params(deep=False)
}
BOOSTING = {name: cls for name, cls in BOOSTING.items() if "n_estimators" in cls().get_params()}
every = pytest.mark.parametrize("name", sorted(BOOSTING))


def make(name, **options):
    cls = BOOSTING[name]
    learner = LogisticRegression() if is_classifier(cls()) else Ridge(0.1)
    return cls(learner, n_estimators=12, random_state=0, **options)


def domains(model, seed, *, follows, n_s=200, n_t=30):
    """Return a source that follows the target's plane, or a part of it alone, and test rows."""
    rng = np.random.default_rng(seed)
    plane = rng.normal(size=4)
    Xs, Xt, X_test = (rng.normal(size=(n, 4)) for n in (n_s, n_t, 1000))
    of_source, of_target, truth = Xs @ plane, Xt @ plane, X_test @ plane
    of_source[int(follows * n_s) :] *= -1
    found = [of_source + 0.3 * rng.normal(size=n_s), of_target + 0.3 * rng.normal(size=n_t), truth]
    if is_classifier(model):
        found = [values > 0 for values in found]
    return Xs, found[0], Xt, found[1], X_test, found[2]


def test_all_boosting_methods_are_here():
    assert len(BOOSTING) == 11


# -- the pieces -----------------------------------------------------------------------------------


def test_a_lead_is_more_than_a_standard_error():
    reference = np.array([2.0, 2, 2, 2])
    lead = np.array([3.0, 1, 1, -1])  # mean 1, standard error sqrt(8 / 3 / 4) = .816
    assert leads(reference - lead, reference)
    assert not leads(reference - lead + 0.2, reference)  # .8
    assert leads(reference - lead + 0.18, reference)
    assert not leads(reference + lead, reference)
    assert not leads(reference, reference)
    assert not leads(reference * (1 - 1e-12), reference)  # rounding


def test_stages_go_in_step_and_end_where_nothing_is_gained():
    asked = []

    def fold(k, values):
        for value in values:
            asked.append(k)
            yield np.full(2, value)

    # The second fold ends after two rounds, its last losses stand.
    staged = staged_losses([fold(0, [4.0, 3, 2]), fold(1, [3.0, 1])])
    np.testing.assert_array_equal(staged, [[4, 4, 3, 3], [3, 3, 1, 1], [2, 2, 1, 1]])
    assert asked == [0, 1, 0, 1, 0]
    # The least loss is that of the third round.
    staged = staged_losses([fold(0, [3.0, 2, 1] + 40 * [1.5])])
    assert len(staged) == 3 + PATIENCE
    np.testing.assert_array_equal(staged_losses([fold(0, 60 * [1.0])])[:, 0], np.ones(1 + PATIENCE))


def test_folds_hold_every_class_and_know_no_order():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(53, 3)), rng.choice(["a", "b", "c"], 53)
    fold = even_folds(X, y, 5)
    assert np.ptp(np.bincount(fold)) <= 1
    for label in "abc":
        assert np.ptp(np.bincount(fold[y == label], minlength=5)) <= 1
    order = rng.permutation(53)
    np.testing.assert_array_equal(even_folds(X[order], y[order], 5), fold[order])
    assert sorted(even_folds(X[:3], None, 5)) == [0, 1, 2]


# -- what is chosen -------------------------------------------------------------------------------


@every
def test_where_the_source_is_right_it_is_pooled(name):
    """To the last digit, as Pooled does, on most draws; and never far below."""
    chosen = []
    for seed in range(4):
        model = make(name)
        *rows, X_test, y_test = domains(model, seed, follows=1.0)
        model.fit(*rows)
        pooled = Pooled(model.estimator).fit(*rows)
        if model.chosen_ == "pooled" and not model.weak_:
            np.testing.assert_allclose(model.predict(X_test), pooled.predict(X_test))
            np.testing.assert_array_equal(model.estimator_weights_, [1.0])
        chosen.append(model.chosen_)
        assert model.score(X_test, y_test) > pooled.score(X_test, y_test) - 0.1
    assert chosen.count("pooled") >= 2, chosen


# Experts and candidates of one source that half contradicts are of no use.
@pytest.mark.parametrize(
    "name", sorted(set(BOOSTING) - {"ExpBoost", "ExpBoostR2", "TaskTrAdaBoost"})
)
def test_where_the_source_misleads_it_boosts(name):
    gains = []
    for seed in range(4):
        model = make(name)
        *rows, X_test, y_test = domains(model, seed, follows=0.5, n_t=40)
        model.fit(*rows)
        gains.append(model.score(X_test, y_test))
        gains[-1] -= Pooled(model.estimator).fit(*rows).score(X_test, y_test)
    assert np.mean(gains) > 0.03, gains


@every
def test_attributes_tell_what_was_chosen(name):
    for follows in (0.5, 1.0):
        model = make(name)
        *rows, X_test, _ = domains(model, 0, follows=follows)
        model.fit(*rows)
        losses = model.held_out_losses_
        assert set(losses) == {"pooled", "source", "boosting"}
        assert model.chosen_ in losses
        assert model.weak_ in (True, False)
        least = {kind: np.min(loss) for kind, loss in losses.items()}
        assert least[model.chosen_] == min(least.values()) or model.chosen_ == "pooled"
        if model.chosen_ == "boosting" and name == "TrBagging":
            assert len(model.estimators_) == 12  # all, or none
            assert len(losses["boosting"]) == 1
        elif model.chosen_ == "boosting" and "TwoStage" not in name:
            assert len(model.estimators_) <= 1 + np.argmin(losses["boosting"])
    model.set_params(early_stopping=False).fit(*rows)
    assert model.chosen_ == "boosting" and model.held_out_losses_ == {}


class NoMixtures(LogisticRegression):
    """Learns the opposite where it is given more rows than the source has."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, ~y if len(y) > 200 else y, sample_weight)


def test_a_source_alone():
    *rows, X_test, _ = domains(TrAdaBoost(), 0, follows=1.0)
    model = TrAdaBoost(NoMixtures(), n_estimators=5, initial_weights="uniform").fit(*rows)
    assert model.chosen_ == "source"
    source = SourceOnly(LogisticRegression()).fit(*rows)
    np.testing.assert_allclose(model.predict_proba(X_test), source.predict_proba(X_test))
    np.testing.assert_allclose(model.source_weights_path_, [np.ones(200), np.full(200, 1.15)])
    np.testing.assert_allclose(model.source_mass_, [200 / 230, 1])
    assert model.estimator_errors_[0] == pytest.approx(1 - source.score(*rows[2:]))


def test_candidates_are_judged_on_rows_that_they_have_not_seen():
    """Transcribed: each fold's learner of the pooled rows, by the squares of its errors."""
    Xs, ys, Xt, yt, *_ = domains(TrAdaBoost(), 1, follows=0.7)
    model = TrAdaBoost(LogisticRegression(), n_estimators=6).fit(Xs, ys, Xt, yt)
    fold = even_folds(Xt, yt, N_FOLDS)
    squares = {"pooled": [], "source": [], "boosting": []}
    for k in range(N_FOLDS):
        rest, X, truth = fold != k, Xt[fold == k], np.stack([~yt, yt], axis=1)[fold == k]
        fitted = {
            "pooled": Pooled(LogisticRegression()).fit(Xs, ys, Xt[rest], yt[rest]),
            "source": SourceOnly(LogisticRegression()).fit(Xs, ys, Xt),
            "boosting": TrAdaBoost(
                LogisticRegression(), n_estimators=6, vote="all", early_stopping=False
            ).fit(Xs, ys, Xt[rest], yt[rest]),
        }
        for name, one in fitted.items():
            squares[name] += list(((one.predict_proba(X) - truth) ** 2).sum(axis=1))
    for name in ("pooled", "source"):
        assert model.held_out_losses_[name] == pytest.approx(np.mean(squares[name]))
    assert model.held_out_losses_["boosting"][-1] == pytest.approx(np.mean(squares["boosting"]))


def test_candidates_for_numbers_are_judged_by_their_distance():
    Xs, ys, Xt, yt, *_ = domains(TrAdaBoostR2(), 1, follows=0.7)
    model = TrAdaBoostR2(Ridge(), n_estimators=6, random_state=0).fit(Xs, ys, Xt, yt)
    fold = even_folds(Xt, yt, N_FOLDS)
    distances = {"pooled": [], "source": []}
    for k in range(N_FOLDS):
        rest, X, truth = fold != k, Xt[fold == k], yt[fold == k]
        pooled = Pooled(Ridge()).fit(Xs, ys, Xt[rest], yt[rest])
        distances["pooled"] += list(np.abs(pooled.predict(X) - truth))
        distances["source"] += list(np.abs(Ridge().fit(Xs, ys).predict(X) - truth))
    assert not model.weak_
    for name, found in distances.items():
        assert model.held_out_losses_[name] == pytest.approx(np.mean(found))


def test_rounds_that_are_kept_are_those_of_all_rounds():
    *rows, X_test, _ = domains(TrAdaBoost(), 0, follows=0.5, n_t=60)
    model = TrAdaBoost(LogisticRegression(), n_estimators=30).fit(*rows)
    whole = clone(model).set_params(early_stopping=False, vote="all").fit(*rows)
    n_kept = len(model.estimators_)
    assert model.chosen_ == "boosting" and n_kept < len(whole.estimators_)
    stages = list(whole.staged_predict_proba(X_test))
    np.testing.assert_allclose(model.predict_proba(X_test), stages[n_kept - 1])
    np.testing.assert_allclose(model.source_mass_, whole.source_mass_[: n_kept + 1])
    assert model.vote_ == "all"


def test_weak_learners_are_compared_with_ordinary_boosting():
    """Where the source is right, depth-1 trees end as AdaBoost of both domains' rows."""
    stump = DecisionTreeClassifier(max_depth=1)
    rng = np.random.default_rng(0)
    Xs, Xt, X_test = (rng.normal(size=(n, 4)) for n in (400, 30, 1000))
    ys, yt, y_test = (X.sum(axis=1) > 0 for X in (Xs, Xt, X_test))
    model = TrAdaBoost(n_estimators=30, random_state=0).fit(Xs, ys, Xt, yt)
    assert model.weak_ and model.chosen_ == "pooled"
    assert len(model.estimators_) == len(model.source_weights_path_) - 1 > 5
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adaboost = TrAdaBoost(stump, n_estimators=30, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) == pytest.approx(adaboost.score(X_test, y_test), abs=0.01)
    assert not TrAdaBoost(LogisticRegression()).fit(Xs, ys, Xt, yt).weak_


@every
def test_the_order_of_the_target_rows_does_not_matter(name):
    if name in ("TrBagging", "TrMultiBoosting", "TrResampling", "ExpBoostR2"):
        pytest.skip("draws rows, or folds of its own, by their numbers")
    if name == "TwoStageTrAdaBoostR2":
        pytest.skip("has a cv of its own")
    model = make(name)
    Xs, ys, Xt, yt, X_test, _ = domains(model, 0, follows=0.5)
    order = np.random.default_rng(1).permutation(len(yt))
    shuffled = clone(model).fit(Xs, ys, Xt[order], yt[order])
    assert shuffled.chosen_ == model.fit(Xs, ys, Xt, yt).chosen_
    np.testing.assert_allclose(model.predict(X_test), shuffled.predict(X_test), atol=1e-6)


@every
def test_one_labelled_row_says_nothing(name):
    model = make(name)
    Xs, ys, Xt, yt, X_test, _ = domains(model, 0, follows=1.0)
    if name == "TwoStageTrAdaBoostR2":
        pytest.skip("needs two")
    model.fit(Xs, ys, Xt[:1], yt[:1])
    assert model.chosen_ == "pooled" and model.held_out_losses_ == {}


# -- what is said ---------------------------------------------------------------------------------


def test_a_source_that_is_gone_is_told():
    *rows, _, _ = domains(TrAdaBoostR2(), 0, follows=0.9, n_s=400)
    model = TrAdaBoostR2(Ridge(), n_estimators=100, early_stopping=False)
    with pytest.warns(UserWarning, match="the source has .* of the weight"):
        model.fit(*rows)
    assert model.source_mass_[0] == pytest.approx(400 / 430)
    assert model.source_mass_[-1] < 1e-3
    np.testing.assert_allclose(
        model.source_mass_, model.source_weights_path_.sum(axis=1) / 430, rtol=1e-5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(early_stopping=True).fit(*rows)
        model.set_params(early_stopping=False, n_estimators=2).fit(*rows)


def test_votes_are_soft_where_learners_have_probabilities():
    *rows, X_test, _ = domains(TrAdaBoost(), 0, follows=0.6)
    for learner, same, other in (
        (LogisticRegression(), "soft", "hard"),
        (LinearSVC(), "hard", None),
    ):
        found = {
            voting: TrAdaBoost(
                learner, n_estimators=4, voting=voting, early_stopping=False, random_state=0
            )
            .fit(*rows)
            .predict_proba(X_test)
            for voting in ("auto", same, *([other] if other else []))
        }
        np.testing.assert_array_equal(found["auto"], found[same])
        if other:
            assert not np.array_equal(found["auto"], found[other])


def test_an_opposite_has_the_probabilities_that_its_classifier_has():
    *rows, X_test, _ = domains(TaskTrAdaBoost(), 0, follows=0.0)
    for learner in (LogisticRegression(), LinearSVC()):
        model = TaskTrAdaBoost(learner, early_stopping=False, random_state=0).fit(*rows)
        assert model.estimator_opposites_.any()
        assert hasattr(model.estimators_[0], "predict_proba") == isinstance(
            learner, LogisticRegression
        )
        assert model.predict_proba(X_test).shape == (1000, 2)


def test_a_new_target_has_no_pooled_rows():
    Xs, ys, Xt, yt, X_test, _ = domains(TaskTrAdaBoost(), 0, follows=1.0)
    model = TaskTrAdaBoost(LogisticRegression(), random_state=0).fit(Xs, ys, Xt, yt)
    model.fit_target(Xt, yt)
    assert set(model.held_out_losses_) == {"source", "boosting"}
    if model.chosen_ == "source":
        source = SourceOnly(LogisticRegression()).fit(Xs, ys, Xt)
        np.testing.assert_allclose(model.predict_proba(X_test), source.predict_proba(X_test))
    model.set_params(early_stopping=False).fit(Xs, ys, Xt, yt).fit_target(Xt, yt)
    assert model.held_out_losses_ == {}
