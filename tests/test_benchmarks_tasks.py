"""The benchmarks' tasks: draws that agree with their seed and keep test rows out of training."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "_tasks.py"
if not FILE.is_file():
    pytest.skip("the benchmarks are not there", allow_module_level=True)
spec = importlib.util.spec_from_file_location("benchmarks_tasks", FILE)
tasks = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = tasks
spec.loader.exec_module(tasks)

without_data = pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)
MADE_FROM_TABLES = [
    task
    for task in tasks.TASKS.values()
    if task.family in tasks.BUNDLED and task.family != "planes"
]


def over(chosen):
    return pytest.mark.parametrize(
        "task",
        [
            pytest.param(
                task, id=task.name, marks=() if task.family in tasks.BUNDLED else without_data
            )
            for task in chosen
        ],
    )


@over(tasks.TASKS.values())
def test_a_draw_is_determined_by_its_seed(task):
    first, again, other = task.draw(0), task.draw(0), task.draw(1)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.y_test, other.y_test)
    assert not np.array_equal(first.Xt, other.Xt)


@over(tasks.TASKS.values())
def test_training_and_test_rows_are_different_samples(task):
    for seed in range(3):
        source, target, test = task.rows(seed)
        draw = task.draw(seed)
        rows = np.concatenate([source, target, test])
        assert len(np.unique(rows)) == len(rows)
        assert [len(source), len(target), len(test)] == [
            len(draw.Xs),
            len(draw.Xt),
            len(draw.X_test),
        ]


@over(tasks.TASKS.values())
def test_a_draw_is_what_a_method_can_take(task):
    draw = task.draw(0)
    assert 30 <= len(draw.Xs) <= 500
    assert 18 <= len(draw.Xt) <= 400
    assert 18 <= len(draw.X_test) <= 1000
    for X, y in zip(draw[::2], draw[1::2]):
        assert len(X) == len(y)
        assert X.shape[1] == draw.Xs.shape[1]
        assert X.dtype == float and np.isfinite(X).all()
        assert y.dtype.kind == ("f" if task.kind == "regression" else "i")
    if task.kind == "classification":
        assert set(draw.ys) == set(range(draw.ys.max() + 1))
        assert set(draw.yt) | set(draw.y_test) <= set(draw.ys)
    assert (task.metric == "skill") == (task.kind == "regression")


@pytest.mark.parametrize("task", MADE_FROM_TABLES, ids=lambda task: task.name)
def test_a_made_shift_changes_the_target_alone(task):
    X, y = tasks._table(task.family)
    draw, (source, target, test) = task.draw(0), task.rows(0)
    np.testing.assert_array_equal(draw.Xs, X[source])
    np.testing.assert_array_equal(draw.ys, y[source])
    np.testing.assert_array_equal(draw.yt, y[target])
    np.testing.assert_array_equal(draw.y_test, y[test])
    moved = task.shift.removeprefix("made: ") in tasks.MADE
    assert np.array_equal(draw.Xt, X[target]) != moved
    assert np.array_equal(draw.X_test, X[test]) != moved


def test_rows_chosen_for_the_target_have_other_proportions_or_another_place():
    def table(name):
        found = tasks.TASKS[name].draw(0)
        return found.Xs, found.ys, np.concatenate([found.Xt, found.X_test]), found.yt

    ys, yt = table("digits/proportions")[1::2]
    shares_s, shares_t = (np.bincount(y, minlength=10) / len(y) for y in (ys, yt))
    assert shares_t.max() > 3 * shares_t.min()
    assert shares_s.max() < 2 * shares_s.min()
    ys, yt = table("friedman/proportions")[1::2]
    assert abs(yt.mean() - ys.mean()) > 0.3 * ys.std()
    Xs, _, Xt, _ = table("breast_cancer/selection")
    direction = np.linalg.svd(Xs - Xs.mean(axis=0), full_matrices=False)[2][0]
    scores = Xs @ direction, Xt @ direction
    assert abs(scores[0].mean() - scores[1].mean()) > scores[0].std()


def test_labels_hide_all_but_the_first():
    draw = tasks.TASKS["wine/none"].draw(0)
    np.testing.assert_array_equal(draw.labels(20)[:20], draw.yt[:20])
    assert np.isnan(draw.labels(20)[20:]).all()
    np.testing.assert_array_equal(draw.labels(30)[:20], draw.labels(20)[:20])
    with pytest.raises(ValueError, match="n_labels=50, but the draw has 44 target rows"):
        draw.labels(50)


def test_halves_share_no_table_and_are_alike():
    families = [family for half in tasks.HALVES.values() for family in half]
    assert len(families) == len(set(families))
    assert set(families) == {task.family for task in tasks.TASKS.values()}
    for kind in ("classification", "regression"):
        for shift in ("real", "made"):
            found = [
                task.half
                for task in tasks.TASKS.values()
                if task.kind == kind and task.shift.startswith(shift)
            ]
            assert 0.4 <= found.count("A") / len(found) <= 0.6
