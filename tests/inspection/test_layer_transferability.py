"""The picture of transfer by the cut: what it draws are the results' numbers."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skdtl import LayerTransferabilityDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

TREATMENTS = ("BnB", "BnB+", "AnB", "AnB+")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def results(treatments=TREATMENTS, n_repeats=2):
    """Return a table in which every number is another one; its rows are in no order."""
    rows = [
        (repeat, name, cut, 0.9 - 0.01 * repeat - 0.1 * k - 0.003 * cut)
        for repeat in range(n_repeats)
        for k, name in enumerate(["base", *treatments])
        for cut in ((0,) if name == "base" else (1, 2, 4))
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    columns = ["repeat", "treatment", "cut", "score"]
    return pd.DataFrame([rows[k] for k in order], columns=columns)


def test_lines_are_means_and_marks_are_trainings():
    table = results()
    display = LayerTransferabilityDisplay.from_results(table)
    assert list(display.lines_) == list(display.marks_) == ["base", *TREATMENTS]
    for k, name in enumerate(TREATMENTS, 1):
        means = 0.9 - 0.005 - 0.1 * k - 0.003 * np.array([1, 2, 4])
        assert_allclose(display.means_[name], np.column_stack([[1, 2, 4], means]))
        assert_allclose(display.lines_[name].get_xydata(), display.means_[name])
        of_table = table[table["treatment"] == name]
        assert_allclose(display.marks_[name].get_ydata(), of_table["score"])
        assert np.abs(display.marks_[name].get_xdata() - of_table["cut"]).max() < 0.3
        assert display.marks_[name].get_color() == display.lines_[name].get_color()
    assert_allclose(display.lines_["base"].get_ydata(), 0.895)
    assert_allclose(display.marks_["base"].get_xdata(), 0)
    assert len({line.get_color() for line in display.lines_.values()}) == 5
    assert display.ax_.get_xticks().tolist() == [0, 1, 2, 4]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert [text.split(":")[0] for text in legend] == ["base", *TREATMENTS]
    # What is trained further is dashed, what is frozen is not.
    styles = {name: line.get_linestyle() for name, line in display.lines_.items()}
    assert styles["BnB"] == styles["AnB"] == "-" and styles["BnB+"] == styles["AnB+"] == "--"


def test_some_of_the_treatments_a_dict_and_axes_of_ones_own():
    _, ax = plt.subplots()
    table = results(["AnB"], n_repeats=1)
    of_dict = {name: table[name].tolist() for name in table}
    display = LayerTransferabilityDisplay(of_dict)
    assert display.plot(ax) is display and display.ax_ is ax and display.figure_ is ax.figure
    assert list(display.lines_) == ["base", "AnB"] and len(plt.get_fignums()) == 1
    without_base = table[table["treatment"] == "AnB"]
    assert list(LayerTransferabilityDisplay.from_results(without_base).lines_) == ["AnB"]


def test_trained_and_drawn_at_once():
    pytest.importorskip("torch")
    from skdtl import DeepTransferClassifier, layer_transferability

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), np.arange(80) % 4
    model = DeepTransferClassifier(hidden_layer_sizes=(4,), max_epochs=1, min_steps=1)
    options = {"n_repeats": 1, "random_state": 0, "treatments": ["AnB"]}
    for data in ((X, y), (X, y, X + 1, y > 1)):
        display = LayerTransferabilityDisplay.from_estimator(model, *data, **options)
        expected = layer_transferability(model, *data, **options)
        pd.testing.assert_frame_equal(display.results, expected)
        assert_allclose(display.means_["AnB"][0, 1], expected["score"][1])


def test_nothing_overlaps():
    display = LayerTransferabilityDisplay.from_results(results())
    display.figure_.draw_without_rendering()
    ax = display.ax_
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_legend().get_texts()]
    boxes = [text.get_window_extent() for text in texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
        assert box.x0 >= 0 and box.x1 <= display.figure_.bbox.x1


def test_errors(monkeypatch):
    table = results()
    with pytest.raises(ValueError, match=r"\['cut'\] are missing"):
        LayerTransferabilityDisplay.from_results(table.drop(columns="cut"))
    with pytest.raises(ValueError, match="must have the columns"):
        LayerTransferabilityDisplay.from_results(table.to_numpy())
    with pytest.raises(ValueError, match=r"trainings of .* got \['CnB'\]"):
        LayerTransferabilityDisplay.from_results(table.replace("AnB", "CnB"))
    with pytest.raises(ValueError, match="got none"):
        LayerTransferabilityDisplay.from_results(table[:0])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"matplotlib.*pip install 'skdtl\[plot\]'"):
        LayerTransferabilityDisplay.from_results(table)
