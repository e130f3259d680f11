"""Every boosted estimator over many kinds of base learners; a new one is found by existing."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdtl.instances._boosting_base import BoostedEstimator
from skdtl.utils import all_estimators

from ..common import make, make_data, outputs, parameters

CLASSIFIERS = {
    "stump": DecisionTreeClassifier(max_depth=1),
    "tree": DecisionTreeClassifier(max_depth=4, max_features=2),
    "logistic": LogisticRegression(),
    "svc": SVC(),
    "linear svc": SVC(kernel="linear", C=0.1),
    "hist": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
    "pipeline": make_pipeline(StandardScaler(), SVC()),
}
REGRESSORS = {
    "stump": DecisionTreeRegressor(max_depth=1),
    "tree": DecisionTreeRegressor(max_depth=4, max_features=2),
    "linear": LinearRegression(),
    "svr": SVR(C=10),
    "hist": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5),
    "pipeline": make_pipeline(StandardScaler(), SVR(C=10)),
}
# These take no weights in fit.
WEIGHTLESS = {
    "neighbours": (KNeighborsClassifier(5), KNeighborsRegressor(5)),
    "pipeline of neighbours": (
        make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
        make_pipeline(StandardScaler(), KNeighborsRegressor(5)),
    ),
}

BOOSTED = [(name, cls) for name, cls in all_estimators() if issubclass(cls, BoostedEstimator)]


def for_each(learners_of_classes, learners_of_numbers):
    """Parametrize over boosted estimators with each base learner of their kind."""
    cases = []
    for name, cls in BOOSTED:
        learners = learners_of_classes if is_classifier(cls()) else learners_of_numbers
        for kind, learner in learners.items():
            folds = {"cv": 2} if "cv" in parameters(cls) else {}
            cases.append(pytest.param(make(cls, estimator=learner, **folds), id=f"{name}-{kind}"))
    return pytest.mark.parametrize("estimator", cases)


def noisy_data(estimator, seed=1):
    """Return rows on which no learner is perfect, so that boosting goes on, and others to test."""
    Xs, ys, Xt, yt = make_data(estimator, 120, 200, seed=seed)
    rng = np.random.default_rng(seed)
    if is_classifier(estimator):
        ys = np.where(rng.random(len(ys)) < 0.1, 1 - ys, ys)
    else:
        ys, yt = ys + rng.normal(size=len(ys)), yt + 0.3 * rng.normal(size=len(yt))
    return Xs, ys, Xt[:60], yt[:60], Xt[60:], yt[60:]


def without_seeds(learner):
    """Return the learner's parameters that boosting leaves alone."""
    params = learner.get_params(deep=True)
    return {
        name: value
        for name, value in params.items()
        if not name.endswith("random_state")
        and not hasattr(value, "get_params")
        and name != "steps"
    }


def test_both_kinds_are_found():
    names = {name for name, _ in BOOSTED}
    assert {"TrAdaBoost", "Festra", "TrAdaBoostR2", "TwoStageTrAdaBoostR2"} <= names
    assert any(is_regressor(cls()) for _, cls in BOOSTED)


@for_each(CLASSIFIERS, REGRESSORS)
def test_learns_with_this_base_learner(estimator):
    Xs, ys, Xt, yt, X_test, y_test = noisy_data(estimator)
    learner = estimator.estimator
    before = without_seeds(learner)
    model = clone(estimator).fit(Xs, ys, Xt, yt)
    assert without_seeds(learner) == before
    assert len(model.estimators_) >= 1
    for fitted in model.estimators_:
        if isinstance(fitted, type(learner)):  # a method may wrap its learners
            assert without_seeds(fitted) == before
    # Well above chance: .5 for two balanced classes, 0 for R².
    assert model.score(X_test, y_test) > (0.75 if is_classifier(model) else 0.4)
    for values in outputs(model, X_test).values():
        assert values.dtype.kind != "f" or np.isfinite(values).all()
    again = clone(estimator).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(again.predict(X_test), model.predict(X_test))


@pytest.mark.parametrize("cls", [cls for _, cls in BOOSTED if hasattr(cls(), "staged_score")])
def test_staged_scores_weigh_rows(cls):
    Xs, ys, Xt, yt, X_test, y_test = noisy_data(make(cls))
    model = make(cls).fit(Xs, ys, Xt, yt)
    weights = np.linspace(0, 1, len(y_test))
    scores = list(model.staged_score(X_test, y_test, sample_weight=weights))
    assert scores[-1] == pytest.approx(model.score(X_test, y_test, sample_weight=weights))
    right = [predicted == y_test for predicted in model.staged_predict(X_test)]
    expected = [sum(weights[each]) / sum(weights) for each in right]
    np.testing.assert_allclose(scores, expected)
    assert not np.allclose(scores, [each.mean() for each in right], rtol=1e-3)


@pytest.mark.parametrize("cls", [cls for _, cls in BOOSTED if "vote" in parameters(cls)])
def test_auto_takes_the_vote_with_the_least_mean_error_on_the_target(cls):
    taken, by_worst = [], []
    all_rounds = {"early_stopping": False}  # else held-out rows say how many of them vote
    for seed in range(12):
        Xs, ys, Xt, yt, _, _ = noisy_data(make(cls), seed)
        errors = {}
        for vote in ("last_half", "all"):
            predicted = make(cls, vote=vote, **all_rounds).fit(Xs, ys, Xt, yt).predict(Xt)
            errors[vote] = np.abs(predicted - yt)
        taken.append(min(errors, key=lambda vote: errors[vote].mean()))
        by_worst.append(min(errors, key=lambda vote: errors[vote].max()))
        auto = make(cls, vote="auto", **all_rounds).fit(Xs, ys, Xt, yt)
        assert auto.vote_ == taken[-1]
    assert set(taken) == {"last_half", "all"} and taken != by_worst


@for_each(
    {kind: pair[0] for kind, pair in WEIGHTLESS.items()},
    {kind: pair[1] for kind, pair in WEIGHTLESS.items()},
)
def test_a_learner_without_weights_needs_drawn_rows(estimator):
    Xs, ys, Xt, yt, X_test, y_test = noisy_data(estimator)
    # The learner of both domains' rows draws none.
    estimator = clone(estimator).set_params(early_stopping=False)
    if "resample" in parameters(type(estimator)):
        with pytest.raises(
            ValueError, match=r"KNeighbors\w+ takes no sample_weight.*resample=True"
        ):
            clone(estimator).fit(Xs, ys, Xt, yt)
        estimator = clone(estimator).set_params(resample=True)
    model = clone(estimator).fit(Xs, ys, Xt, yt)
    assert model.score(X_test, y_test) > (0.75 if is_classifier(model) else 0.4)
    again = clone(estimator).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(again.predict(X_test), model.predict(X_test))
    other = clone(estimator).set_params(random_state=1).fit(Xs, ys, Xt, yt)
    assert not all(
        np.array_equal(first, second)
        for first, second in zip(outputs(other, X_test).values(), outputs(model, X_test).values())
    )


@for_each({"regressor": REGRESSORS["linear"]}, {"classifier": CLASSIFIERS["logistic"]})
def test_a_learner_of_the_other_kind_is_an_error(estimator):
    Xs, ys, Xt, yt, _, _ = noisy_data(estimator)
    kind = "classifier" if is_classifier(estimator) else "regressor"
    with pytest.raises(ValueError, match=f"needs a {kind} as its estimator"):
        estimator.fit(Xs, ys, Xt, yt)


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, id=name) for name, cls in BOOSTED if is_classifier(cls())]
)
def test_soft_votes_are_the_learners_probabilities(cls):
    estimator = make(cls, estimator=LogisticRegression(), voting="soft")
    Xs, ys, Xt, yt, X_test, _ = noisy_data(estimator)
    model = estimator.fit(Xs, ys, Xt, yt)
    voting, votes = model._voting()
    assert len(votes) >= 1
    rows = model._prepare(X_test)  # Festra drops columns
    total = sum(
        vote * learner.predict_proba(rows)
        for learner, vote in zip(model.estimators_[voting], votes)
    )
    np.testing.assert_allclose(model.predict_proba(X_test), total / votes.sum())
    hard = clone(estimator).set_params(voting="hard").fit(Xs, ys, Xt, yt)
    assert len(np.unique(model.predict_proba(X_test))) > len(np.unique(hard.predict_proba(X_test)))


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, id=name) for name, cls in BOOSTED if is_classifier(cls())]
)
def test_soft_votes_need_probabilities(cls):
    estimator = make(cls, estimator=SVC(), voting="soft")
    Xs, ys, Xt, yt, _, _ = noisy_data(estimator)
    with pytest.raises(ValueError, match="voting='soft' needs class probabilities"):
        estimator.fit(Xs, ys, Xt, yt)
