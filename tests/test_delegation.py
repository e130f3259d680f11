"""Methods around an ordinary estimator: what they take from it, and how clones of it are fitted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from skdtl import SourceOnly, TargetOnly, TrAdaBoost
from skdtl._delegation import fit_clone

XS = np.arange(8.0).reshape(4, 2)
YS = np.array(["sick", "well", "sick", "well"])
XT = np.arange(6.0).reshape(3, 2) + 10


@pytest.mark.parametrize("cls", [SourceOnly, TargetOnly])
def test_kind_and_methods_follow_the_wrapped_estimator(cls):
    assert is_classifier(cls()) and not is_regressor(cls())
    assert is_regressor(cls(Ridge())) and not is_classifier(cls(Ridge()))
    assert hasattr(cls(), "predict_proba") and not hasattr(cls(SVC()), "predict_proba")
    assert not hasattr(cls(DecisionTreeClassifier()), "decision_function")
    assert not get_tags(cls()).input_tags.allow_nan
    assert get_tags(cls(DecisionTreeClassifier())).input_tags.allow_nan
    with pytest.raises(AttributeError, match="decision_function"):
        cls(DecisionTreeClassifier()).decision_function(XT)


@pytest.mark.parametrize("cls", [SourceOnly, TrAdaBoost])
def test_a_pipeline_that_imputes_is_given_missing_values(cls):
    Xs, Xt = XS.copy(), XT[:2].copy()
    Xs[0, 0], Xt[0, 1] = np.nan, np.nan
    fill = make_pipeline(make_pipeline("passthrough", SimpleImputer()), LogisticRegression())
    model = cls(fill).fit(Xs, YS, Xt, YS[:2])
    assert model.predict(Xt).shape == (2,)
    for learner in (make_pipeline(StandardScaler(), LogisticRegression()), LogisticRegression()):
        with pytest.raises(ValueError, match="NaN"):
            cls(learner).fit(Xs, YS, Xt, YS[:2])


def test_the_wrapped_estimator_sees_the_callers_labels():
    heavy = SourceOnly(LogisticRegression(class_weight={"sick": 50, "well": 1})).fit(XS, YS)
    plain = SourceOnly().fit(XS, YS)
    assert (heavy.predict_proba(XT)[:, 0] > plain.predict_proba(XT)[:, 0]).all()


def test_weights_reach_the_last_step_of_a_pipeline(routing):
    rng = np.random.default_rng(0)
    X, y, weights = rng.normal(size=(30, 2)), rng.normal(size=30), rng.uniform(size=30)
    alone = LinearRegression().fit(StandardScaler().fit_transform(X), y, sample_weight=weights)
    pipeline = make_pipeline(StandardScaler(), LinearRegression())
    fitted = fit_clone(pipeline, X, y, weights)
    np.testing.assert_allclose(fitted[-1].coef_, alone.coef_)
    assert not hasattr(pipeline[-1], "coef_")


@pytest.mark.parametrize(
    "estimator", [KNeighborsClassifier(), make_pipeline(StandardScaler(), KNeighborsClassifier())]
)
def test_an_estimator_without_weights_is_named(estimator):
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        fit_clone(estimator, XS, YS, np.ones(4))
