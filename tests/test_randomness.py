"""Every random draw that ``random_state`` is said to determine: two seeds differ, one repeats."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdtl.instances._boosting_base import BoostedEstimator
from skdtl.utils import all_estimators

from .common import (
    NEED_POT,
    assert_same,
    is_deep,
    make,
    make_data,
    outputs,
    parameters,
    partly_labelled,
    same,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def random_tree(estimator):
    """Return a learner that looks at one random feature of each split."""
    kind = DecisionTreeClassifier if is_classifier(estimator) else DecisionTreeRegressor
    return kind(max_depth=2, max_features=1)


def certain(estimator):
    """Return a learner without randomness, and one for classes that takes no weights."""
    return LogisticRegression() if is_classifier(estimator) else Ridge()


def in_pipeline(learner):
    return make_pipeline(StandardScaler(), learner)


def draws(estimator) -> dict[str, dict]:
    """Return the settings under which each of an estimator's random draws, by name, is alone."""
    name, legal = type(estimator).__name__, parameters(type(estimator))
    if is_deep(estimator):
        return {"weights and rows": {}}
    if "approximation" in legal:
        basis = {"kernel": "rbf", "n_basis": 5}
        return {
            "landmarks": {**basis, "approximation": "nystroem"},
            "features": {**basis, "approximation": "fourier"},
        }
    if "n_centers" in legal:
        return {"centres": {"n_centers": 5}}
    if name in ("MTLF", "MTLFRegressor"):
        return {"centres of the density ratio": {}}
    if name == "KMM":
        return {"rows for the median": {"gamma": "median"}}
    if name == "DiscriminatorWeighting":
        forest = RandomForestClassifier(5, max_depth=2)
        return {
            "discriminator": {"discriminator": forest},
            "discriminator in a pipeline": {"discriminator": in_pipeline(forest)},
        }
    if name == "MSCSC":
        return {"first filters": {}, "images to learn from": {"max_samples": 30}}
    if "estimators" in legal:
        learner = random_tree(estimator)
        return {
            "learners": {"estimator": learner},
            "learners in a pipeline": {"estimator": in_pipeline(learner)},
        }
    assert isinstance(estimator, BoostedEstimator), "say what this estimator draws"
    learner = random_tree(estimator)
    found = {
        "learners": {"estimator": learner},
        "learners in a pipeline": {"estimator": in_pipeline(learner)},
    }
    if "resample" in legal:
        found["drawn rows"] = {"estimator": certain(estimator), "resample": True}
    else:
        found["drawn rows"] = {"estimator": GaussianNB()}
    if "expert" in legal:
        alone = {"estimator": certain(estimator), "cv": None}
        found["experts"] = {**alone, "expert": learner}
        found["experts in a pipeline"] = {**alone, "expert": in_pipeline(learner)}
        if is_classifier(estimator):  # numbers without ties are dealt by their order alone
            found["folds"] = {"estimator": GaussianNB(), "expert": certain(estimator), "cv": 2}
    elif name == "TwoStageTrAdaBoostR2":
        found["folds"] = {"estimator": certain(estimator)}
        found["held-out learners"] = {"estimator": learner, "cv": KFold(3), "n_steps": 1}
    elif name == "TaskTrAdaBoost":
        found["a learner on the target alone"] = {"estimator": learner, "gamma": 100.0}
    return found


def all_rounds(estimator):
    """Let boosting go on: what is chosen where it ends early hides what was drawn."""
    if "early_stopping" in parameters(type(estimator)):
        estimator.set_params(early_stopping=False)
    return estimator


# Where rows are drawn, more than are drawn.
N_TARGET = {"KMM": 520, "MTLF": 120, "MTLFRegressor": 120}


# What a draw decides, where that need not change what is predicted.
LOOK = {
    "experts": lambda model, X: [expert.predict(X) for expert in model.experts_],
    "experts in a pipeline": lambda model, X: [expert.predict(X) for expert in model.experts_],
    "TwoStageTrAdaBoostR2-folds": lambda model, X: model.step_errors_,
    "held-out learners": lambda model, X: model.step_errors_,
}


def cases():
    without_pot = importlib.util.find_spec("ot") is None
    for name, cls in all_estimators():
        if "random_state" in parameters(cls) and not (without_pot and name in NEED_POT):
            for draw, settings in draws(make(cls)).items():
                look = LOOK.get(f"{name}-{draw}", LOOK.get(draw))
                yield pytest.param(cls, settings, look, id=f"{name}-{draw}")


@pytest.mark.filterwarnings("ignore:No learner of phase I")
@pytest.mark.parametrize("cls, settings, look", list(cases()))
def test_two_seeds_differ_and_one_repeats(cls, settings, look):
    estimator = all_rounds(make(cls, **settings))
    Xs, ys, Xt, yt = make_data(estimator, n_target=N_TARGET.get(cls.__name__, 40))
    # Half of the labels mean nothing: no learner is so good that draws make no difference.
    yt[: len(yt) // 4] = yt[: len(yt) // 4][::-1]
    yt = partly_labelled(yt)

    def described(random_state):
        model = clone(estimator).set_params(random_state=random_state)
        model.fit(Xs, ys, Xt, yt)
        return {"look": look(model, Xt)} if look else outputs(model, Xt)

    first = described(0)
    assert_same(first, described(0))
    assert_same(first, described(np.random.RandomState(0)))
    # Another draw may come to the same choice.
    assert any(not same(first, described(seed)) for seed in range(1, 6))


@pytest.mark.parametrize(
    "cls", [cls for _, cls in all_estimators() if issubclass(cls, BoostedEstimator)]
)
def test_each_learner_has_a_seed_of_its_own(cls):
    estimator = all_rounds(make(cls, estimator=in_pipeline(random_tree(make(cls)))))
    if "expert" in parameters(cls):
        estimator.set_params(expert=certain(estimator), cv=None)
    Xs, ys, Xt, yt = make_data(estimator)
    model = estimator.fit(Xs, ys, Xt, yt)
    kind = type(random_tree(model)).__name__.lower()
    seeds = [
        learner.get_params()[f"{kind}__random_state"]
        for learner in getattr(model, "candidates_", model.estimators_)
        if isinstance(learner, Pipeline)  # and no expert
    ]
    assert len(seeds) > 1 and len(set(seeds)) == len(seeds)
