"""The picture of instance weights: what it draws are the numbers of the groups."""

import pickle
import sys
from itertools import pairwise

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skdtl import BIW, TCA, InstanceWeightsDisplay, TrAdaBoost, TrAdaBoostR2, stack

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def example(seed=0, n_t=40):
    """Two sources of unequal size, three classes, and a fitted model."""
    rng = np.random.default_rng(seed)
    names = np.array(["benign", "mixed", "severe"])
    X, codes = rng.normal(size=(150 + n_t, 3)), rng.integers(0, 3, 150 + n_t)
    X += 1.5 * np.eye(3)[codes]
    y = names[codes]
    y[60:150:2] = names[rng.integers(0, 3, 45)]
    domain = np.repeat([1, 2, -1], [60, 90, n_t])
    order = rng.permutation(len(X))
    X, y, domain = X[order], y[order], domain[order]
    model = TrAdaBoost(n_estimators=6, random_state=0).fit(X, y, sample_domain=domain)
    return model, X, y, domain


def test_distribution_draws_the_numbers_of_each_group():
    model, _, y, domain = example()
    display = InstanceWeightsDisplay.from_estimator(model, y, sample_domain=domain)
    weights, ys, source = model.source_weights_, y[domain > 0], domain[domain > 0]
    places = [(k, label) for k in (1, 2) for label in ("benign", "mixed", "severe")]
    assert [(group.source, group.label) for group in display.groups_] == places
    for j, (k, label) in enumerate(places):
        own = weights[(source == k) & (ys == label)].astype(float)
        low, first, middle, third, high = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95])
        box = display.boxes_[j]
        assert box.get_x() == pytest.approx(first)
        assert box.get_x() + box.get_width() == pytest.approx(third)
        assert box.get_y() + box.get_height() / 2 == pytest.approx(j)
        whisker = display.whiskers_.get_segments()[j]
        np.testing.assert_allclose(whisker, [[low, j], [high, j]])
        assert display.medians_.get_xydata()[j] == pytest.approx([middle, j])
        assert display.means_.get_xydata()[j] == pytest.approx([own.mean(), j])
        share = own.sum() / weights.sum()
        effective = own.sum() ** 2 / (own**2).sum()
        text = display.texts_[j]
        assert text.get_text() == f"{share:.1%}; {effective:.0f} of {len(own)}"
        assert text.get_position()[1] == j
        assert display.ax_.get_yticks()[j] == j
        assert display.ax_.get_yticklabels()[j].get_text() == f"source {k}: {label}"
        assert display.groups_[j].share == pytest.approx(share)
        assert display.groups_[j].n_effective == pytest.approx(effective)
    assert sum(group.share for group in display.groups_) == pytest.approx(1)
    low, high = display.ax_.get_ylim()
    assert low > high  # the first group on top


def test_path_draws_the_mean_of_each_group_over_the_rounds():
    model, _, y, domain = example()
    names = {1: "basel", 2: "bern"}
    display = InstanceWeightsDisplay.from_estimator(
        model, y, sample_domain=domain, kind="path", source_names=names
    )
    path, ys, source = model.source_weights_path_, y[domain > 0], domain[domain > 0]
    assert len(path) > 2
    assert len(display.lines_) == 6
    for line, group in zip(display.lines_, display.groups_):
        rows = (source == group.source) & (ys == group.label)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(len(path)))
        np.testing.assert_allclose(
            line.get_ydata(), [np.mean(step[rows], dtype=float) for step in path]
        )
        assert line.get_label() == f"{names[group.source]}: {group.label}"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == [line.get_label() for line in display.lines_]
    # A class has one colour, a source one style of line.
    assert len({line.get_color() for line in display.lines_}) == 3
    for j in range(3):
        assert display.lines_[j].get_color() == display.lines_[j + 3].get_color()
        assert display.lines_[j].get_linestyle() != display.lines_[j + 3].get_linestyle()


def test_pair_form_of_one_source_names_the_classes_alone():
    _, X, y, domain = example()
    Xs, ys = X[domain > 0], y[domain > 0]
    model = BIW().fit(Xs, ys, X[domain < 0])
    display = InstanceWeightsDisplay.from_estimator(model, ys)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["benign", "mixed", "severe"]
    named = InstanceWeightsDisplay.from_estimator(model, ys, source_names={1: "basel"})
    assert named.ax_.get_yticklabels()[0].get_text() == "basel: benign"
    with pytest.raises(ValueError, match="BIW has no source_weights_path_"):
        InstanceWeightsDisplay.from_estimator(model, ys, kind="path")


def test_classes_that_missing_labels_made_floats():
    rng = np.random.default_rng(0)
    Xs, ys, Xt = rng.normal(size=(40, 2)), np.arange(40) % 2, rng.normal(size=(10, 2))
    X, y, domain = stack(Xs, ys, Xt, np.where(np.arange(10) < 5, np.arange(10) % 2, np.nan))
    model = TrAdaBoost(n_estimators=2).fit(X, y, sample_domain=domain)
    display = InstanceWeightsDisplay.from_estimator(model, y, sample_domain=domain)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["0", "1"]


def test_numbers_are_grouped_in_intervals():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(201, 1)), rng.normal(size=(30, 1))
    ys = np.round(10 * np.sin(Xs[:, 0]) + 20 * (np.arange(201) < 80)).astype(int)
    model = TrAdaBoostR2(n_estimators=4).fit(Xs, ys, Xt, 10 * np.sin(Xt[:, 0]))
    display = InstanceWeightsDisplay.from_estimator(model, ys, intervals=3)
    bounds = np.quantile(ys, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose([group.label for group in display.groups_], list(pairwise(bounds)))
    np.testing.assert_array_equal(
        np.sort(np.concatenate([group.rows for group in display.groups_])), np.arange(201)
    )
    for k, group in enumerate(display.groups_):
        own = ys[group.rows]
        assert own.min() >= bounds[k]
        assert own.max() < bounds[k + 1] or k == 2
        assert group.mean == pytest.approx(model.source_weights_[group.rows].mean(dtype=float))
    assert len(InstanceWeightsDisplay.from_estimator(model, ys).groups_) == 4
    arrays = InstanceWeightsDisplay.from_arrays(model.source_weights_, ys + 0.5, intervals=2)
    assert len(arrays.groups_) == 2
    same = InstanceWeightsDisplay.from_arrays(np.ones(3), np.full(3, 0.5))
    assert [group.label for group in same.groups_] == [(0.5, 0.5)]


def test_arrays():
    weights, y = np.array([1, 1, 4, 0, 2]), ["a", "a", "a", "b", "b"]
    display = InstanceWeightsDisplay.from_arrays(weights, y)
    first, second = display.groups_
    assert (first.mean, first.share, first.n_effective) == (2, 0.75, pytest.approx(36 / 18))
    assert (second.mean, second.share, second.n_effective) == (1, 0.25, 1)
    assert [text.get_text() for text in display.texts_] == ["75.0%; 2 of 3", "25.0%; 1 of 2"]
    split = InstanceWeightsDisplay.from_arrays(weights, y, sources=[1, 1, 2, 2, 3])
    assert [(g.source, g.label) for g in split.groups_] == [(1, "a"), (2, "a"), (2, "b"), (3, "b")]
    path = np.array([[1, 1, 1, 1, 1], weights])
    lines = InstanceWeightsDisplay.from_arrays(weights, y, path=path, kind="path").lines_
    np.testing.assert_array_equal([line.get_ydata() for line in lines], [[1, 2], [1, 1]])
    nothing = InstanceWeightsDisplay.from_arrays(np.zeros(2), [0, 1])
    assert [text.get_text() for text in nothing.texts_] == ["0.0%; 0 of 1"] * 2


def test_axes_of_ones_own():
    figure, (first, second) = plt.subplots(2)
    display = InstanceWeightsDisplay.from_arrays([1, 2], [0, 1], ax=second)
    assert display.ax_ is second and display.figure_ is figure
    assert not first.patches
    again = InstanceWeightsDisplay([1, 2], [0, 1], path=[[1, 1], [1, 2]])
    assert again.plot(first, kind="path") is again
    assert again.ax_ is first
    assert len(plt.get_fignums()) == 1


def test_nothing_overlaps():
    rng = np.random.default_rng(0)
    y = np.array(["adenocarcinoma", "squamous", "normal"])[rng.integers(0, 3, 300)]
    display = InstanceWeightsDisplay.from_arrays(
        rng.random(300), y, sources=rng.integers(1, 4, 300)
    )
    figure, ax = display.figure_, display.ax_
    figure.draw_without_rendering()
    texts = [*ax.get_yticklabels(), *display.texts_, ax.xaxis.label, *ax.get_legend().get_texts()]
    texts += [text for text in ax.texts if text not in display.texts_]
    boxes = [text.get_window_extent() for text in texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0
        assert box.y1 <= figure.bbox.y1


def test_errors():
    model, X, y, domain = example()
    with pytest.raises(NotFittedError):
        InstanceWeightsDisplay.from_estimator(TrAdaBoost(), y)
    with pytest.raises(AttributeError, match="TCA has no source_weights_: it does not weigh"):
        InstanceWeightsDisplay.from_estimator(TCA().fit(X, y, sample_domain=domain), y)
    with pytest.raises(AttributeError, match="LogisticRegression has no source_weights_"):
        InstanceWeightsDisplay.from_estimator(LogisticRegression().fit(X, y), y)
    restored = pickle.loads(pickle.dumps(model))
    for kind in ("distribution", "path"):
        with pytest.raises(AttributeError, match="lost by pickling"):
            InstanceWeightsDisplay.from_estimator(restored, y, sample_domain=domain, kind=kind)
    with pytest.raises(ValueError, match="ys has 190 labels of source rows, but TrAdaBoost has"):
        InstanceWeightsDisplay.from_estimator(model, y)
    with pytest.raises(ValueError, match="sample_domain has shape"):
        InstanceWeightsDisplay.from_estimator(model, y, sample_domain=domain[1:])
    arrays = InstanceWeightsDisplay.from_arrays
    with pytest.raises(ValueError, match="kind must be 'distribution' or 'path'; got 'violin'"):
        arrays([1, 2], [0, 1], kind="violin")
    with pytest.raises(ValueError, match="no path was given"):
        arrays([1, 2], [0, 1], kind="path")
    with pytest.raises(ValueError, match="ys has 3 labels, but there are 2 weights"):
        arrays([1, 2], [0, 1, 1])
    with pytest.raises(ValueError, match="ys has missing labels"):
        arrays([1, 2], [0, None])
    with pytest.raises(ValueError, match="not negative"):
        arrays([1, -2], [0, 1])
    with pytest.raises(ValueError, match="finite"):
        arrays([1, np.nan], [0, 1])
    with pytest.raises(ValueError, match="weights must be a vector"):
        arrays([[1, 2]], [0, 1])
    with pytest.raises(ValueError, match=r"sources has shape \(1,\), but there are 2 weights"):
        arrays([1, 2], [0, 1], sources=[1])
    with pytest.raises(ValueError, match=r"path has shape \(3, 1\), but there are 2 weights"):
        arrays([1, 2], [0, 1], path=np.ones((3, 1)), kind="path")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"matplotlib.*pip install 'skdtl\[plot\]'"):
        InstanceWeightsDisplay.from_arrays([1, 2], [0, 1])
