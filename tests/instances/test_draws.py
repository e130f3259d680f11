"""What is random in ensembles: drawn rows, folds and seeds, as functions of arrays."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdtl.instances._draws import deal_folds, draw_rows, fixed_order, seeded_clone


def test_drawn_rows_follow_the_weights_and_lose_no_class():
    rng = np.random.RandomState(0)
    weights = np.array([0.0, 1.0, 3.0] * 1000)
    counts = np.bincount(draw_rows(weights, None, rng) % 3, minlength=3)
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3, rel=0.15)
    y = np.array(["a"] * 99 + ["b"])
    weights = np.where(y == "a", 1.0, 0.0)
    for _ in range(5):
        assert set(y[draw_rows(weights, y, rng)]) == {"a", "b"}


def test_the_row_that_keeps_a_class_is_drawn_by_weight():
    y = np.repeat(["a", "b", "c"], [50, 40, 10])
    weights = np.repeat([1.0, 0.0, 0.0], [50, 40, 10])
    weights[70] = 1e-12
    last = set()
    for seed in range(20):
        rows = draw_rows(weights, y, np.random.RandomState(seed))
        assert set(rows[y[rows] == "b"]) == {70}
        last |= set(rows[y[rows] == "c"])
    assert len(last) > 3  # without any weight, all of a class are alike


def test_folds_share_all_labels():
    y = np.repeat([0, 1, 2], [13, 8, 4])
    dealt = [deal_folds(y, 4, np.random.RandomState(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(dealt[0], dealt[1])
    assert not np.array_equal(dealt[0], dealt[2])
    for fold in dealt:
        assert np.ptp(np.bincount(fold)) <= 1
        for label in range(3):
            assert np.ptp(np.bincount(fold[y == label], minlength=4)) <= 1


def test_a_fixed_order_is_that_of_the_rows():
    """Rows at one place are told apart by their labels."""
    X, y = np.array([[1.0, 2.0], [1.0, 2.0], [0.5, 0.0], [1.0, 2.0]]), np.array([2, 0, 1, 1])
    rows = np.random.default_rng(0).permutation(4)
    order, other = fixed_order(X, y), fixed_order(X[rows], y[rows])
    np.testing.assert_array_equal(y[order], y[rows][other])
    np.testing.assert_array_equal(X[order], X[rows][other])


def test_seeded_clone_leaves_the_estimator_alone():
    rng = np.random.RandomState(0)
    tree = DecisionTreeClassifier(random_state=7)
    seeds = {seeded_clone(tree, rng).random_state for _ in range(3)}
    assert len(seeds) == 3
    assert tree.random_state == 7
    nested = make_pipeline(StandardScaler(), RandomForestClassifier())
    assert seeded_clone(nested, rng)[-1].random_state is not None
    assert nested[-1].random_state is None
