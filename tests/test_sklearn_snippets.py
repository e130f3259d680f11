"""The ways into scikit-learn that the user guide promises, as it writes them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import TCA, TargetKFold, encode_domain, stack

from .common import make_data

Xs, ys, Xt, yt = make_data(TCA(), 60, 40)
X, y, d = stack(Xs, ys, Xt, yt)
GRID = {"mu": [0.1, 1], "kernel": ["linear", "rbf"]}


def test_grid_search():
    search = GridSearchCV(TCA(), GRID, cv=TargetKFold(5)).fit(X, y, groups=d, sample_domain=d)
    assert set(search.best_params_) == set(GRID)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(Xt, yt) > 0.7


def test_grid_search_over_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), TCA())
    search = GridSearchCV(pipeline, {"tca__mu": [0.1, 1]}, cv=TargetKFold(5))
    search.fit(X, y, groups=d, tca__sample_domain=d)
    assert search.score(Xt, yt) > 0.7


def test_grid_search_over_a_pipeline_with_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), TCA())
        search = GridSearchCV(pipeline, {"tca__mu": [0.1, 1]}, cv=TargetKFold(5))
        search.fit(X, y, sample_domain=d)
        assert search.score(Xt, yt) > 0.7


def test_in_the_middle_of_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), TCA(), LogisticRegression(), transform_input=["Xt"]
        )
        assert pipeline.fit(Xs, ys, Xt=Xt).score(Xt, yt) > 0.7


def test_unlabelled_and_hidden_targets_in_a_search():
    scores = {}
    for hide in (False, True):
        scores[hide] = cross_val_score(
            TCA(),
            X,
            y,
            groups=d,
            cv=TargetKFold(5),
            scoring="neg_log_loss",
            params={"sample_domain": d, "hide_target_labels": hide},
        )
    assert not np.array_equal(scores[False], scores[True])


def test_a_column_that_names_the_domain():
    hospital = np.where(d > 0, "basel", "zurich")
    fitted = TCA().fit(X, y, sample_domain=encode_domain(hospital, target="zurich"))
    expected = TCA().fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(fitted.predict_proba(Xt), expected.predict_proba(Xt))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parallel_search(n_jobs):
    search = GridSearchCV(TCA(), GRID, cv=TargetKFold(2), n_jobs=n_jobs)
    search.fit(X, y, groups=d, sample_domain=d)
    assert search.best_score_ > 0.7
