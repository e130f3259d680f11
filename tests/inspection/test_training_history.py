"""The picture of a training: what it draws are the numbers of the history."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import SourceOnly, TrainingHistoryDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from_history = TrainingHistoryDisplay.from_history
from_estimator = TrainingHistoryDisplay.from_estimator

PLAIN = [
    {"epoch": k + 1, "dur": 0.1, "task_loss": 2.0 - k, "train_loss": 2.0 - k} for k in range(2)
]


def adversarial(n=5, **more):
    """A history as an adversary leaves it."""
    return [
        {
            "batches": [],
            "epoch": k + 1,
            "dur": 0.1,
            "train_batch_count": 3,
            "train_loss": np.float64(3 / (k + 1)),
            "train_loss_best": True,
            "task_loss": 2 / (k + 1),
            "lam": 0.1 * k,
            "domain_loss": 1.3 + 0.1 * k,
            "domain_accuracy": 0.5 + 0.05 * k,
            **{name: values[k] for name, values in more.items() if values[k] is not None},
        }
        for k in range(n)
    ]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def titles(display):
    return [axes.get_title(loc="left") for axes in display.axes_]


def test_every_column_is_drawn_over_the_epochs_in_its_panel():
    history = adversarial(valid_loss=[3, 2, 1, 2, 3], mmd=[-0.1, 0, 0.2, 0.1, 0.3])
    display = from_history(history)
    assert display.panels_ == ["loss", "domain_loss", "mmd", "domain_accuracy", "lam"]
    where = {"train_loss": 0, "task_loss": 0, "valid_loss": 0, "domain_loss": 1, "mmd": 2}
    where |= {"domain_accuracy": 3, "lam": 4}
    assert display.lines_.keys() == where.keys()
    for name, panel in where.items():
        (line,) = display.lines_[name]
        assert line.axes is display.axes_[panel]
        assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
        assert_allclose(line.get_ydata(), [epoch[name] for epoch in history])
    assert titles(display)[:3] == ["loss", "domain loss", "mmd"] and titles(display)[4] == "λ"
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["train loss", "task loss", "valid loss"]
    assert len({display.lines_[name][0].get_color() for name in list(where)[:3]}) == 3
    # Losses start at zero where they can, and a line at the top is seen.
    low, high = display.axes_[0].get_ylim()
    assert low == 0 and high > 3
    assert display.axes_[2].get_ylim()[0] < -0.1
    assert display.axes_[-1].get_xlabel() == "epoch"


def test_held_out_values_stand_beside_those_of_training():
    more = {"mmd": 0, "valid_mmd": 1, "valid_domain_accuracy": 0.5, "valid_information": 0.2}
    more |= {"valid_task_loss": 2, "valid_loss": 3, "second_task_loss": 1}
    more |= {"valid_second_task_loss": 1}
    display = from_history(adversarial(**{name: [value] * 5 for name, value in more.items()}))
    expected = {
        "loss": [
            *("train_loss", "task_loss", "second_task_loss", "valid_loss", "valid_task_loss"),
            "valid_second_task_loss",
        ],
        "domain_loss": ["domain_loss"],
        "mmd": ["mmd", "valid_mmd"],
        "valid_information": ["valid_information"],
        "domain_accuracy": ["domain_accuracy", "valid_domain_accuracy"],
        "lam": ["lam"],
    }
    assert display.panels_ == list(expected)
    for axes, names in zip(display.axes_, expected.values()):
        assert [line.axes for name in names for line in display.lines_[name]] == [axes] * len(names)
        assert len({display.lines_[name][0].get_color() for name in names}) == len(names)


def test_half_is_marked_where_discriminators_cannot_tell_the_domains_apart():
    history = adversarial(domain_accuracy_2=[0.9, 0.8, 0.7, 0.6, 0.5])
    display = from_history(history, panels=["domain_accuracy"])
    (axes,) = display.axes_
    assert axes.get_ylim() == (0, 1) and "0.5: can't tell" in titles(display)[0]
    first, second, half = axes.get_lines()
    assert_array_equal(half.get_ydata(), [0.5, 0.5])
    assert_allclose(second.get_ydata(), [0.9, 0.8, 0.7, 0.6, 0.5])
    assert first.get_color() != second.get_color()
    assert len(axes.get_legend().get_texts()) == 2


def test_a_first_stage_comes_before_the_second_with_a_line_between():
    display = from_history(adversarial(), pretrain_history=PLAIN)
    before, after = display.lines_["task_loss"]
    assert_array_equal(before.get_xdata(), [1, 2])
    assert_array_equal(after.get_xdata(), [3, 4, 5, 6, 7])
    assert_allclose(before.get_ydata(), [2, 1])
    assert before.get_color() == after.get_color()
    (train,) = display.lines_["train_loss"]  # the first stage's is its task loss
    assert_array_equal(train.get_xdata(), [3, 4, 5, 6, 7])
    for axes in display.axes_:
        dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in dashed] == [2.5]
        assert axes.get_xlim() == (0.5, 7.5)
    left, right = display.axes_[0].texts
    assert (left.get_text(), right.get_text()) == ("pre-training", "training")
    assert left.get_horizontalalignment() == "right" and left.xy[0] == right.xy[0] == 2.5
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["train loss", "task loss"]
    assert not from_history(adversarial()).axes_[0].texts


def test_epochs_that_lack_a_number_are_gaps_and_a_single_epoch_is_a_dot():
    display = from_history(adversarial(valid_loss=[3, None, 1, 2, 3]))
    assert_allclose(display.lines_["valid_loss"][0].get_ydata(), [3, np.nan, 1, 2, 3])
    display = from_history(PLAIN[:1])
    assert display.panels_ == ["loss"] and display.lines_["task_loss"][0].get_marker() == "o"
    assert display.axes_[0].get_legend() is None


def test_axes_of_ones_own():
    figure, grid = plt.subplots(2, 2)
    display = from_history(adversarial(), ax=grid)
    assert display.figure_ is figure and (display.axes_ == grid.ravel()).all()
    display = TrainingHistoryDisplay([adversarial()])
    assert display.plot(grid[1, 1], panels=["lam"]) is display
    assert display.axes_.tolist() == [grid[1, 1]] and display.panels_ == ["lam"]
    assert len(plt.get_fignums()) == 1


def test_nothing_overlaps():
    display = from_history(
        adversarial(domain_accuracy_2=[0.5] * 5, second_task_loss=[1] * 5, valid_loss=[1] * 5),
        pretrain_history=PLAIN,
    )
    figure = display.figure_
    figure.draw_without_rendering()
    texts = [*display.axes_[0].texts, display.axes_[-1].xaxis.label]
    for axes in display.axes_:
        # A panel's lowest number may come close to the title of the next one.
        texts.append(axes.title if axes.title.get_text() else axes._left_title)
        legend = axes.get_legend()
        texts += [] if legend is None else legend.get_texts()
    boxes = [text.get_window_extent() for text in texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1
    tops = [axes.get_position() for axes in display.axes_]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(tops))


class Trained(ClassifierMixin, BaseEstimator):
    """Has the histories of a network, of one stage or two."""

    def __init__(self, pretrained=False, source_only=False):
        self.pretrained = pretrained
        self.source_only = source_only

    def fit(self, X, y=None):
        self.history_ = adversarial()
        if self.pretrained:
            self.pretrain_history_ = self.history_ if self.source_only else PLAIN
        return self


def test_estimators():
    X, y = np.zeros((4, 1)), [0, 1, 0, 1]
    one, two = Trained().fit(X), make_pipeline(StandardScaler(), Trained(True)).fit(X, y)
    display = from_estimator(one)
    assert display.panels_ == ["loss", "domain_loss", "domain_accuracy", "lam"]
    assert_allclose(display.lines_["train_loss"][0].get_ydata(), 3 / np.arange(1, 6))
    before, after = from_estimator(two, panels=["loss"]).lines_["task_loss"]
    assert_allclose(before.get_ydata(), [e["task_loss"] for e in PLAIN])
    assert_allclose(after.get_ydata(), [e["task_loss"] for e in adversarial()])
    alone = Trained(True, source_only=True).fit(X)  # without a target both histories are one
    assert len(from_estimator(alone).lines_["task_loss"]) == 1
    with pytest.raises(NotFittedError):
        from_estimator(Trained())
    for other in (LogisticRegression().fit(X, y), SourceOnly().fit(X, y)):
        with pytest.raises(AttributeError, match=f"{type(other).__name__} has no history_"):
            from_estimator(other)


def test_errors():
    with pytest.raises(ValueError, match="no epochs"):
        from_history([])
    with pytest.raises(ValueError, match=r"panels must be some of \['loss', .*got \['mmd'\]"):
        from_history(adversarial(), panels=["mmd"])
    with pytest.raises(ValueError, match="panels must be some of"):
        from_history(adversarial(), panels=[])
    _, axes = plt.subplots()
    with pytest.raises(ValueError, match="an Axes for each of the panels"):
        from_history(adversarial(), ax=axes)
    with pytest.raises(ValueError, match="an Axes for each"):
        from_history(adversarial(), panels=["lam"], ax=3)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"matplotlib.*pip install 'skdtl\[plot\]'"):
        from_history(adversarial())
