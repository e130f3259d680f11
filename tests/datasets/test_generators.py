"""Each generator must shift what it says, and leave the rest alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skdtl.datasets import make_shifted_classification

SHIFTS = ["covariate", "measurement", "concept", "spurious"]


@pytest.mark.parametrize("shift", SHIFTS)
def test_shapes_labels_and_determinism(shift):
    data = make_shifted_classification(shift, 30, 20, random_state=0)
    assert (len(data.Xs), len(data.ys), len(data.Xt), len(data.yt)) == (30, 30, 20, 20)
    assert set(data.ys) == set(data.yt) == {0, 1}
    again = make_shifted_classification(shift, 30, 20, random_state=0)
    other = make_shifted_classification(shift, 30, 20, random_state=1)
    for key in ("Xs", "ys", "Xt", "yt"):
        np.testing.assert_array_equal(data[key], again[key])
        assert not np.array_equal(data[key], other[key])


def test_unknown_shift_is_named():
    with pytest.raises(ValueError, match="shift must be one of"):
        make_shifted_classification("label")


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("seed", range(3))
def test_the_source_alone_loses_on_the_target_what_the_target_could_teach(shift, seed):
    data = make_shifted_classification(shift, random_state=seed)
    source = LogisticRegression().fit(data.Xs, data.ys)
    target = LogisticRegression().fit(data.Xt[:250], data.yt[:250])
    X, y = data.Xt[250:], data.yt[250:]
    assert target.score(X, y) > source.score(X, y) + 0.15


def test_covariate_shift_keeps_the_border():
    data = make_shifted_classification("covariate", 2000, 2000, random_state=0)
    model = SVC(C=100).fit(data.Xs, data.ys)
    overlap = np.abs(data.Xt[:, 0]) < 0.5  # where both domains have rows
    assert model.score(data.Xt[overlap], data.yt[overlap]) > 0.95
    assert data.Xt[:, 0].mean() - data.Xs[:, 0].mean() == pytest.approx(2, abs=0.1)


def test_measurement_shift_is_undone_by_standardizing_each_domain():
    data = make_shifted_classification("measurement", 2000, 2000, random_state=0)
    np.testing.assert_allclose(data.Xt.std(axis=0) / data.Xs.std(axis=0), 1.5, rtol=0.1)
    standardized = [(X - X.mean(axis=0)) / X.std(axis=0) for X in (data.Xs, data.Xt)]
    model = LogisticRegression().fit(standardized[0], data.ys)
    assert model.score(standardized[1], data.yt) > 0.9


def test_concept_shift_leaves_the_rows_alone_and_half_of_the_labels():
    data = make_shifted_classification("concept", 2000, 2000, random_state=0)
    np.testing.assert_allclose(data.Xs.mean(axis=0), data.Xt.mean(axis=0), atol=0.1)
    rule = (data.Xs[:, 0] + data.Xs[:, 1] > 0).astype(int)
    assert np.mean(rule == data.ys) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(data.yt, data.Xt[:, 0] + data.Xt[:, 1] > 0)


def test_spurious_feature_tells_the_class_in_the_source_alone():
    data = make_shifted_classification("spurious", 2000, 2000, random_state=0)
    assert np.corrcoef(data.Xs[:, 1], data.ys)[0, 1] > 0.8
    assert abs(np.corrcoef(data.Xt[:, 1], data.yt)[0, 1]) < 0.1
