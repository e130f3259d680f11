"""Wrapped estimators of many kinds, and classes that some rows lack, over all estimators."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags

from skdtl import TransferEnsemble, stack
from skdtl.instances._base import InstanceWeighter
from skdtl.instances._boosting_base import BoostedEstimator

from .common import instances, is_deep, label, make_data, outputs, parameters, partly_labelled

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WRAPPING = [e for e in instances() if "estimator" in e.get_params()]
CLASSIFIERS = [e for e in instances() if is_classifier(e)]


def noisy(estimator):
    """Return domains on which no learner is perfect."""
    Xs, ys, Xt, yt = make_data(estimator, 90, 70)
    if is_classifier(estimator):
        ys[::7], yt[::5] = 1 - ys[::7], 1 - yt[::5]
    return Xs, ys, Xt, partly_labelled(yt)


# -- weights --------------------------------------------------------------------------------------

SEEN: list = []


class WatchedClassifier(DecisionTreeClassifier):
    def fit(self, X, y, sample_weight=None):
        SEEN.append((X, sample_weight))
        return super().fit(X, y, sample_weight)


class WatchedRegressor(DecisionTreeRegressor):
    def fit(self, X, y, sample_weight=None):
        SEEN.append((X, sample_weight))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("estimator", WRAPPING, ids=label)
def test_a_learner_is_given_weights_of_mean_1(estimator):
    """Else the penalty of a learner would change its meaning with the weights' scale."""
    watched = WatchedClassifier if is_classifier(estimator) else WatchedRegressor
    estimator = clone(estimator).set_params(estimator=watched(max_depth=1, random_state=0))
    if "n_estimators" in estimator.get_params():
        estimator.set_params(n_estimators=4)
    X, y, domain = stack(*noisy(estimator))
    domain[:40] = 2
    SEEN.clear()
    estimator.fit(X, y, sample_domain=domain)
    assert SEEN
    given = [weights for _, weights in SEEN if weights is not None]
    for weights in given:
        if type(estimator).__name__ == "JDOT" and is_classifier(estimator):
            # A target row stands once for each class that it may have, with a weight of 1 in all.
            assert weights.sum() == pytest.approx(160)
        else:
            assert weights.mean() == pytest.approx(1) and weights.min() >= 0
    if isinstance(estimator, InstanceWeighter):
        expected = np.concatenate([estimator.source_weights_, np.ones(35)])
        if estimator.balance == "domains":  # half of the weight for the 35 labelled target rows
            expected *= np.repeat([125 / 2 / 90, 125 / 2 / 35], [90, 35])
        assert_allclose(given[-1], expected)
    if isinstance(estimator, BoostedEstimator) and "resample" in parameters(type(estimator)):
        assert sum(np.ptp(weights) > 1e-6 for weights in given) > 1


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
@pytest.mark.parametrize("estimator", WRAPPING, ids=label)
def test_without_a_target_no_row_is_learnt_twice(estimator):
    """Else the penalty of a learner would count half."""
    watched = WatchedClassifier if is_classifier(estimator) else WatchedRegressor
    estimator = clone(estimator).set_params(estimator=watched(max_depth=1, random_state=0))
    Xs, ys, _, _ = noisy(estimator)
    SEEN.clear()
    estimator.fit(Xs, ys)
    assert max(len(X) for X, _ in SEEN) == len(Xs)


# -- learners without probabilities ---------------------------------------------------------------


class Silent(DecisionTreeClassifier):
    """A tree that does not say its probabilities."""

    predict_proba = predict_log_proba = property()


@pytest.mark.parametrize("estimator", [e for e in WRAPPING if is_classifier(e)], ids=label)
def test_certain_probabilities_are_as_none(estimator):
    """A full-grown tree's probabilities are 0 and 1: what takes them may as well take classes."""
    if type(estimator).__name__ == "JDOT":
        pytest.skip("the logarithmic loss of a wrong class depends on the least probability")
    Xs, ys, Xt, yt = noisy(estimator)
    names = np.array(["well", "ill"], dtype=object)
    some = np.where(np.isnan(yt), None, names[np.nan_to_num(yt).astype(int)])
    required = get_tags(estimator).transfer_tags.target_labels == "required"
    for labels in [some] if required else [some, None]:
        models = [
            clone(estimator)
            .set_params(estimator=tree(random_state=0))
            .fit(Xs, names[ys], Xt, labels)
            for tree in (DecisionTreeClassifier, Silent)
        ]
        assert_array_equal(models[0].predict(Xt), models[1].predict(Xt))
        votes = isinstance(estimator, (BoostedEstimator, TransferEnsemble))
        assert hasattr(models[1], "predict_proba") == votes
        assert models[1].score(Xt, models[0].predict(Xt)) == 1


# -- classes that some rows lack ------------------------------------------------------------------


def three_classes(n_source=90, n_target=75):
    rng = np.random.default_rng(0)
    y = np.arange(n_source + n_target) % 3
    X = rng.normal(size=(len(y), 4))
    X[np.arange(len(y)), y] += 3
    X[n_source:, 3] += 1
    return X[:n_source], y[:n_source], X[n_source:], y[n_source:]


def check_predictions(model, X, classes):
    assert_array_equal(model.classes_, classes)
    found = outputs(model, X)
    assert set(found["predict"]) <= set(classes)
    if "predict_proba" in found:
        assert found["predict_proba"].shape == (len(X), len(classes))
        assert_allclose(found["predict_proba"].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [e for e in CLASSIFIERS if get_tags(e).transfer_tags.multi_source],
    ids=label,
)
@pytest.mark.parametrize("lacking", [[2], [0], [0, 1]])
def test_one_of_several_sources_lacks_classes(estimator, lacking):
    Xs, ys, Xt, yt = three_classes()
    X, y, domain = stack(Xs, ys, Xt, np.where(np.arange(75) < 40, yt, np.nan))
    others = np.flatnonzero((domain > 0) & ~np.isin(y, lacking))
    domain[others[::2]] = 2
    options = {"voting": "soft"} if "voting" in parameters(type(estimator)) else {}
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    long = {"max_epochs": 30, "lr": 0.02} if is_deep(estimator) else {}
    for settings in (long,) if long else ({}, {"estimator": tree, **options}):
        model = clone(estimator).set_params(**settings).fit(X, y, sample_domain=domain)
        check_predictions(model, Xt, [0, 1, 2])
        assert model.score(Xt[40:], yt[40:]) > 0.5  # chance: a third


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=label)
def test_the_targets_labels_lack_a_class(estimator):
    Xs, ys, Xt, yt = three_classes()
    for lacking in (0, 2):
        labels = np.where((np.arange(75) < 40) & (yt != lacking), yt, np.nan)
        model = clone(estimator).fit(Xs, ys, Xt, labels)
        alone = type(estimator).__name__ == "TargetOnly"
        classes = [k for k in (0, 1, 2) if k != lacking] if alone else [0, 1, 2]
        check_predictions(model, Xt, classes)
        if not is_deep(estimator):
            known = yt != lacking
            assert model.score(Xt[known], yt[known]) > 0.6
