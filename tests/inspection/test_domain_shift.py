"""The picture of both domains before and after a map: what it draws are the rows it was given."""

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from matplotlib.colors import to_hex, to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import TCA, DomainShiftDisplay, SourceOnly, stack
from skdtl._mappers import Mapper
from skdtl.discrepancy import mmd2, proxy_a_distance
from skdtl.inspection._drawing import COLOURS
from skdtl.inspection._projection import joint_projection
from skdtl.inspection.domain_shift import _measure_text

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

GREY = "#999999"
from_arrays = DomainShiftDisplay.from_arrays
from_estimator = DomainShiftDisplay.from_estimator


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class TwoMaps(Mapper):
    """Doubles the source's rows and lifts the target's by ten; keeps the first columns."""

    def __init__(self, width=2, estimator=None):
        self.width = width
        self.estimator = estimator
        self.balance = "auto"

    def _fit_maps(self, source, target):
        self._n_features_out = self.width

    def _map(self, X, domain):
        X = X.toarray() if scipy.sparse.issparse(X) else X
        return (2 * X if domain == "source" else X + 10)[:, : self.width]


def rows(n_s=30, n_t=20, d=2, seed=0):
    """Rows of two domains and their labels, "ill" and "well"."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_s, d)), rng.normal(1, 1, size=(n_t, d))
    return Xs, *(np.where(X[:, 0] > X[:, 1], "ill", "well") for X in (Xs, Xt)), Xt


def drawn(display, panel, domain):
    """Everything drawn of one domain: places, colours, whether filled, shapes; sorted by place."""
    places, colours, filled, shapes = [], [], [], []
    for points in display.points_[panel][domain]:
        places.append(np.asarray(points.get_offsets()))
        full = len(points.get_facecolors()) > 0
        own = points.get_facecolors() if full else points.get_edgecolors()
        colours += [to_hex(colour) for colour in own]
        filled += [full] * len(places[-1])
        shapes += [len(points.get_paths()[0].vertices)] * len(places[-1])
    places = np.concatenate(places)
    order = np.lexsort(places.T)
    return places[order], np.array(colours)[order], np.array(filled), np.array(shapes)[order]


def check(display, panel, domain, X, colours):
    """Check that these rows are drawn, in these colours, filled if they are the source's."""
    X = np.asarray(X)
    places, own, filled, _ = drawn(display, panel, domain)
    order = np.lexsort(X.T)
    assert_allclose(places, X[order])
    assert own.tolist() == [to_hex(colour) for colour in np.asarray(colours)[order]]
    assert (filled == (domain == "source")).all()


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def titles(display):
    return [axes.get_title() for axes in display.axes_]


# -- what is drawn --------------------------------------------------------------------------------


def test_rows_before_and_after_the_map_of_their_own_domain():
    Xs, ys, yt, Xt = rows()
    model = TwoMaps().fit(Xs, ys, Xt)
    display = from_estimator(model, Xs, ys, Xt, yt)
    colour = {"ill": COLOURS[0], "well": COLOURS[1]}
    source, target = ([colour[label] for label in y] for y in (ys, yt))
    check(display, 0, "source", Xs, source)
    check(display, 0, "target", Xt, target)
    check(display, 1, "source", 2 * Xs, source)
    check(display, 1, "target", Xt + 10, target)
    assert_allclose(display.coordinates_[1][0], 2 * Xs)
    assert_allclose(display.coordinates_[1][1], Xt + 10)
    before, after = mmd2(Xs, Xt, biased=False), mmd2(2 * Xs, Xt + 10, biased=False)
    assert_allclose(display.discrepancies_, [before, after])
    assert titles(display) == [f"before: MMD² {before:.3f}", f"after: MMD² {after:.3f}"]
    assert legend(display) == ["source, 30 rows", "target, 20 rows", "ill", "well"]
    assert display.colorbar_ is None
    left, right = (axes.get_position().x0 for axes in display.axes_)
    assert left < right


def test_the_legend_shows_what_is_drawn():
    Xs, ys, yt, Xt = rows()
    yt = np.where(np.arange(20) < 10, yt, None)
    display = from_arrays(Xs, Xt, Xs, Xt, ys=ys, yt=yt)
    source, target, ill, well, none = display.legend_.legend_handles
    assert legend(display)[2:] == ["ill", "well", "no label"]
    assert source.get_markerfacecolor() == source.get_color() != "none"
    assert target.get_markerfacecolor() == none.get_markerfacecolor() == "none"
    assert [line.get_color() for line in (ill, well, none)] == [*COLOURS[:2], GREY]
    assert ill.get_markerfacecolor() == COLOURS[0]
    colour = {"ill": COLOURS[0], "well": COLOURS[1], None: GREY}
    check(display, 0, "target", Xt, [colour[label] for label in yt])


def test_stacked_form_in_any_order_is_the_pair_form():
    Xs, ys, yt, Xt = rows()
    X, y, domain = stack(Xs, ys, Xt, yt)
    order = np.random.default_rng(0).permutation(len(X))
    model = TwoMaps().fit(Xs, ys, Xt)
    pair = from_estimator(model, Xs, ys, Xt, yt)
    stacked = from_estimator(model, X[order], y[order], sample_domain=2 * domain[order])
    assert_allclose(stacked.discrepancies_, pair.discrepancies_)
    for panel in (0, 1):
        for side in ("source", "target"):
            one, other = drawn(pair, panel, side), drawn(stacked, panel, side)
            assert_allclose(one[0], other[0])
            assert_array_equal(one[1], other[1])


def test_several_sources_are_one():
    Xs, ys, yt, Xt = rows()
    X, y, domain = stack([Xs[:10], Xs[10:]], [ys[:10], ys[10:]], Xt, yt)
    display = from_estimator(TwoMaps().fit(X, y, sample_domain=domain), X, y, sample_domain=domain)
    assert_allclose(display.coordinates_[1][0], 2 * Xs)


def test_steps_of_a_pipeline():
    Xs, ys, yt, Xt = rows(d=4)
    X, y, domain = stack(Xs, ys, Xt, yt)
    scaler = StandardScaler().fit(X)
    As, At = scaler.transform(Xs), scaler.transform(Xt)
    mapper = TwoMaps(estimator="passthrough")
    last = make_pipeline(StandardScaler(), "passthrough", TwoMaps())
    middle = make_pipeline(make_pipeline(StandardScaler(), mapper), PCA(1), LogisticRegression())
    for model, options in (
        (last, {"twomaps__sample_domain": domain}),
        (middle, {"pipeline__twomaps__sample_domain": domain}),
    ):
        display = from_estimator(model.fit(X, y, **options), Xs, ys, Xt, yt)
        assert_allclose(display.Xs, As)
        assert_allclose(display.Xt, At)
        assert_allclose(display.Zs, 2 * As[:, :2])
        assert_allclose(display.Zt, At[:, :2] + 10)


def test_several_maps_of_a_pipeline():
    Xs, ys, yt, Xt = rows()
    first, second = TwoMaps().fit(Xs, ys, Xt), TwoMaps().fit(Xs, ys, Xt)
    between = StandardScaler().fit(Xs)
    display = from_estimator(make_pipeline(first, between, second), Xs, ys, Xt, yt)
    assert_allclose(display.Xs, Xs)
    assert_allclose(display.Zs, 2 * between.transform(2 * Xs))
    assert_allclose(display.Zt, between.transform(Xt + 10) + 10)


# -- two dimensions -------------------------------------------------------------------------------


def transcription(Xs, Xt):
    """Principal components of rows repeated until both domains have equally many."""
    n_s, n_t = len(Xs), len(Xt)
    both = np.concatenate([np.repeat(Xs, n_t, axis=0), np.repeat(Xt, n_s, axis=0)])
    pca = PCA(2, svd_solver="full").fit(both)
    strongest = np.abs(pca.components_).argmax(axis=1)
    signs = np.sign(pca.components_[[0, 1], strongest])
    return pca.transform(Xs) * signs, pca.transform(Xt) * signs, pca.explained_variance_ratio_


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("d", [5, 40])
def test_the_projection_is_a_pca_in_which_both_domains_weigh_the_same(d, sparse):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(3, 1, size=(20, d)), rng.normal(2, 1, size=(4, d))
    Xs[:, 1] *= 3
    Xt[:, 2] *= 3
    wrap = scipy.sparse.csr_array if sparse else np.asarray
    Ps, Pt, shares = joint_projection(wrap(Xs), wrap(Xt))
    expected = transcription(Xs, Xt)
    assert_allclose(Ps, expected[0], atol=1e-10)
    assert_allclose(Pt, expected[1], atol=1e-10)
    assert_allclose(shares, expected[2])


def test_the_projection_of_rows_that_vary_little_or_not():
    for d in (3, 9):
        line = np.outer([0.0, 1.0, 2.0], np.ones(d))
        Ps, Pt, shares = joint_projection(line[:2], line[2:])
        assert_allclose(np.r_[Ps, Pt][:, 0], np.sqrt(d) * np.array([-1.25, -0.25, 0.75]))
        assert_array_equal(np.r_[Ps, Pt][:, 1], 0)
        assert_allclose(shares, [1, 0])
        Ps, _, shares = joint_projection(np.ones((4, d)), np.ones((2, d)))
        assert_array_equal(Ps, np.zeros((4, 2)))
        assert_array_equal(shares, 0)


def test_more_than_two_columns_are_projected_each_panel_for_itself():
    Xs, ys, yt, Xt = rows(d=5)
    display = from_estimator(TwoMaps(3).fit(Xs, ys, Xt), Xs, ys, Xt, yt)
    for panel, (A, B) in enumerate([(Xs, Xt), (2 * Xs[:, :3], Xt[:, :3] + 10)]):
        Ps, Pt, shares = transcription(A, B)
        axes = display.axes_[panel]
        assert_allclose(display.coordinates_[panel][0], Ps)
        assert_allclose(display.coordinates_[panel][1], Pt)
        assert_allclose(drawn(display, panel, "target")[0], Pt[np.lexsort(Pt.T)])
        assert f"PC 1 of {A.shape[1]} columns ({shares[0]:.0%} of variance)" == axes.get_xlabel()
        assert f"PC 2 ({shares[1]:.0%} of variance)" == axes.get_ylabel()
        x, y = axes.get_xlim(), axes.get_ylim()
        assert x[1] - x[0] == pytest.approx(y[1] - y[0])  # one scale on a square
        assert axes.get_box_aspect() == 1
        joined = np.r_[Ps, Pt]
        assert x[0] < joined[:, 0].min() and x[1] > joined[:, 0].max()
        assert y[0] < joined[:, 1].min() and y[1] > joined[:, 1].max()
        # The discrepancy is that of all columns.
        assert display.discrepancies_[panel] == pytest.approx(mmd2(A, B, biased=False))


def test_a_projection_is_drawn_on_one_scale_with_all_its_rows():
    X = np.zeros((101, 3))
    X[:100, 0] = 3 * (-1.0) ** np.arange(100)  # most of the variance
    X[100, 1] = 20.0  # the widest range
    axes = from_arrays(X, X, X, X).axes_[0]
    x, y = axes.get_xlim(), axes.get_ylim()
    assert x[1] - x[0] == pytest.approx(y[1] - y[0]) == pytest.approx(22)
    assert sum(x) / 2 == pytest.approx(0, abs=1e-9)
    assert sum(y) / 2 == pytest.approx(10 - 20 / 101)
    assert from_arrays(X[:, :2], X[:, :2], X, X).axes_[0].get_ylim()[1] < 22  # columns have units


def test_one_column_is_a_strip_for_each_domain():
    Xs, ys, yt, Xt = rows(d=1 + 1)
    display = from_estimator(TwoMaps(1).fit(Xs, ys, Xt), Xs, ys, Xt, yt)
    source, target = display.coordinates_[1]
    assert_allclose(source[:, 0], 2 * Xs[:, 0])
    assert_allclose(target[:, 0], Xt[:, 0] + 10)
    assert (np.abs(source[:, 1] - 1) <= 0.35).all() and np.ptp(source[:, 1]) > 0.6
    assert (np.abs(target[:, 1]) <= 0.35).all() and np.ptp(target[:, 1]) > 0.6
    axes = display.axes_[1]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["source", "target"]
    assert_array_equal(axes.get_yticks(), [1, 0])
    assert display.discrepancies_[1] == pytest.approx(
        mmd2(2 * Xs[:, :1], Xt[:, :1] + 10, biased=False)
    )


def test_data_frames_name_the_axes_and_sparse_rows_are_drawn_alike():
    Xs, ys, yt, Xt = rows()
    frames = [pd.DataFrame(X, columns=["age", "weight"]).set_index(X[:, 0]) for X in (Xs, Xt)]
    model = TwoMaps().set_output(transform="pandas").fit(frames[0], ys, frames[1])
    display = from_estimator(model, frames[0], pd.Series(ys), frames[1], pd.Series(yt))
    plain = from_estimator(TwoMaps().fit(Xs, ys, Xt), Xs, ys, Xt, yt)
    assert_allclose(display.coordinates_[1][1], plain.coordinates_[1][1])
    assert display.axes_[0].get_xlabel() == "age" and display.axes_[0].get_ylabel() == "weight"
    assert display.axes_[1].get_xlabel() == "twomaps0"
    assert plain.axes_[1].get_ylabel() == "column 2"
    for kind in (scipy.sparse.coo_matrix, scipy.sparse.csr_array):
        sparse = from_arrays(kind(Xs), kind(Xt), Xs, kind(Xt), ys=ys, max_samples=12)
        assert sparse.coordinates_[0][0].shape == sparse.coordinates_[1][1].shape == (12, 2)
        assert_allclose(*(panel[1] for panel in sparse.coordinates_))
    wide = scipy.sparse.random(30, 200, 0.1, format="csr", random_state=0)
    model = TwoMaps(3).fit(wide[:20], ys[:20], wide[20:])
    display = from_estimator(model, wide[:20], ys[:20], wide[20:])
    assert_allclose(display.discrepancies_[0], mmd2(wide[:20], wide[20:], biased=False))
    dense = transcription(wide[:20].toarray(), wide[20:].toarray())
    assert_allclose(display.coordinates_[0][0], dense[0], atol=1e-10)


# -- labels ---------------------------------------------------------------------------------------


def test_many_classes_are_told_apart_by_colour_and_shape():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), np.arange(400) % 20
    display = from_arrays(X, X[:100], X, X[:100], ys=y, yt=y[:100])
    places, colours, _, shapes = drawn(display, 0, "source")
    own = y[np.lexsort(X.T)]
    pairs = {code: {*zip(colours[own == code], shapes[own == code])} for code in range(20)}
    assert all(len(pair) == 1 for pair in pairs.values())
    handles = display.legend_.legend_handles[2:]
    assert legend(display)[2:] == [str(k) for k in range(20)]
    assert len({(line.get_color(), line.get_marker()) for line in handles}) == 20
    for code, line in enumerate(handles):
        ((colour, vertices),) = pairs[code]
        assert to_hex(line.get_color()) == colour
        path = matplotlib.markers.MarkerStyle(line.get_marker())
        path = path.get_path().transformed(path.get_transform())
        assert len(path.vertices) == vertices
    assert display.legend_._ncols == 2


def test_numbers_have_a_scale_of_colours_of_both_domains():
    Xs, _, _, Xt = rows()
    ys, yt = 10 * Xs[:, 0], np.where(np.arange(20) < 15, 10 * Xt[:, 0] + 50, np.nan)
    model = TwoMaps(estimator=Ridge()).fit(Xs, ys, Xt)
    display = from_estimator(model, Xs, ys, Xt, yt)
    scale = display.colorbar_.mappable
    assert scale.get_clim() == (min(ys), np.nanmax(yt))
    assert legend(display) == ["source, 30 rows", "target, 20 rows", "no label"]
    check(display, 0, "source", Xs, scale.to_rgba(ys))
    colours = scale.to_rgba(np.nan_to_num(yt))
    colours[15:] = to_rgba(GREY)
    check(display, 1, "target", Xt + 10, colours)
    lightness = scale.to_rgba(np.linspace(*scale.get_clim(), 50))[:, :3] @ [0.2, 0.7, 0.1]
    assert (np.diff(lightness) > 0).all() and np.ptp(lightness) > 0.4 and lightness[-1] < 0.8


def test_what_is_a_number_and_what_a_class():
    Xs, ys, yt, Xt = rows()
    numbers = np.arange(30)
    model = TwoMaps(estimator=Ridge()).fit(Xs, numbers, Xt)
    assert from_estimator(model, Xs, numbers, Xt).colorbar_  # an estimator says so
    piped = make_pipeline(
        TwoMaps(estimator="passthrough").fit(Xs, None, Xt), Ridge().fit(Xs, numbers)
    )
    assert from_estimator(piped, Xs, numbers, Xt).colorbar_
    model = TwoMaps(estimator="passthrough").fit(Xs, None, Xt)
    assert not from_estimator(model, Xs, numbers, Xt).colorbar_
    assert from_estimator(model, Xs, numbers + 0.5, Xt).colorbar_
    four = (Xs, Xt, Xs, Xt)
    assert from_arrays(*four, yt=np.r_[0.5, np.full(19, np.nan)]).colorbar_
    assert from_arrays(*four, ys=numbers, regression=True).colorbar_
    assert not from_arrays(*four, ys=numbers + 0.5, regression=False).colorbar_
    assert not from_arrays(*four, regression=True).colorbar_


def test_missing_labels():
    Xs, _, _, Xt = rows()
    ys, four = np.arange(30) % 2, (Xs, Xt, Xs, Xt)
    some = np.where(np.arange(20) < 5, np.arange(20) % 2, np.nan)
    expected = [COLOURS[k % 2] if k < 5 else GREY for k in range(20)]
    for yt in (some, np.nan_to_num(some, nan=-1).astype(int), pd.array(some, dtype="Int64")):
        display = from_arrays(*four, ys=ys, yt=yt)
        check(display, 0, "target", Xt, expected)
        check(display, 0, "source", Xs, [COLOURS[k % 2] for k in range(30)])
        assert legend(display)[2:] == ["0", "1", "no label"]
    # Where -1 is a class of the source it is one of the target.
    display = from_arrays(*four, ys=np.where(ys == 0, -1, 1), yt=np.full(20, -1))
    check(display, 0, "target", Xt, [COLOURS[0]] * 20)
    assert legend(display)[2:] == ["-1", "1"]
    # No label in the source; a class that the source lacks.
    display = from_arrays(*four, yt=["a"] * 10 + ["b"] * 10)
    check(display, 0, "source", Xs, [GREY] * 30)
    check(display, 0, "target", Xt, [COLOURS[0]] * 10 + [COLOURS[1]] * 10)
    assert display.legend_.legend_handles[-1].get_markerfacecolor() == GREY
    display = from_arrays(*four, ys=["b"] * 30, yt=np.array(["a"] * 20, dtype=object))
    check(display, 0, "source", Xs, [COLOURS[1]] * 30)
    check(display, 0, "target", Xt, [COLOURS[0]] * 20)


def test_without_any_label_the_domains_have_colours():
    Xs, _, _, Xt = rows()
    display = from_estimator(TwoMaps(estimator="passthrough").fit(Xs, None, Xt), Xs, None, Xt)
    check(display, 0, "source", Xs, [COLOURS[0]] * 30)
    check(display, 0, "target", Xt, [COLOURS[4]] * 20)
    assert legend(display) == ["source, 30 rows", "target, 20 rows"]
    lines = display.legend_.legend_handles
    assert [line.get_color() for line in lines] == [COLOURS[0], COLOURS[4]]


# -- the number in the title ----------------------------------------------------------------------


def test_discrepancies():
    Xs, ys, yt, Xt = rows(d=3)
    model = TwoMaps(2).fit(Xs, ys, Xt)
    display = from_estimator(model, Xs, ys, Xt, discrepancy="a-distance")
    Zs, Zt = 2 * Xs[:, :2], Xt[:, :2] + 10
    expected = [proxy_a_distance(A, B, random_state=0) for A, B in ((Xs, Xt), (Zs, Zt))]
    assert_allclose(display.discrepancies_, expected)
    assert titles(display)[1] == "after: A-distance 2.000"

    def gap(A, B):
        return A[:, -1].mean() - B[:, -1].mean()

    display = from_estimator(model, Xs, ys, Xt, discrepancy=gap)
    assert_allclose(display.discrepancies_, [gap(Xs, Xt), gap(Zs, Zt)])
    assert titles(display)[0] == f"before: gap {gap(Xs, Xt):.3g}"
    assert titles(display.plot(discrepancy=lambda A, B: 7)) == [
        "before: discrepancy 7",
        "after: discrepancy 7",
    ]
    display.plot(discrepancy=None)
    assert display.discrepancies_ is None and titles(display) == ["before", "after"]
    # Slightly below zero, as the unbiased estimate may be.
    same = from_arrays(*[Xs] * 4)
    assert same.discrepancies_[0] < 0
    assert titles(same)[0] == f"before: MMD² \N{MINUS SIGN}{-same.discrepancies_[0]:.3f}"
    assert _measure_text("mmd", -0.0002) == _measure_text("mmd", 0.0002) == "MMD² 0.000"


# -- many rows ------------------------------------------------------------------------------------


class Counting(TwoMaps):
    """Notes how many rows it was asked to map."""

    def _map(self, X, domain):
        self.mapped_ = [*getattr(self, "mapped_", []), X.shape[0]]
        return super()._map(X, domain)


def test_a_part_of_many_rows():
    Xs, ys, yt, Xt = rows(3000, 90)
    model = TwoMaps().fit(Xs, ys, Xt)
    display = from_estimator(model, Xs, ys, Xt, yt, max_samples=400, random_state=0)
    assert legend(display)[:2] == ["source, 400 of 3000 rows", "target, 90 rows"]
    places = {tuple(row): k for k, row in enumerate(Xs)}
    found = [places[tuple(row)] for row in display.Xs]
    assert len(set(found)) == 400
    assert abs(np.mean(found) - 1500) < 150  # from all over
    assert_array_equal(display.ys, ys[found])
    assert_allclose(display.Zs, 2 * Xs[found])
    assert_allclose(display.discrepancies_[0], mmd2(Xs[found], Xt, biased=False))
    assert len(drawn(display, 1, "source")[0]) == 400
    again = from_estimator(model, Xs, ys, Xt, yt, max_samples=400, random_state=0)
    assert_array_equal(again.Xs, display.Xs)
    other = from_estimator(model, Xs, ys, Xt, yt, max_samples=400, random_state=1)
    assert not np.array_equal(other.Xs, display.Xs)
    arrays = from_arrays(Xs, Xt, 2 * Xs, Xt + 10, ys=ys, yt=yt, max_samples=400, random_state=0)
    for name in ("Xs", "Xt", "Zs", "Zt", "ys", "yt"):
        assert_array_equal(getattr(arrays, name), getattr(display, name))
    assert legend(arrays) == legend(display)
    assert len(from_arrays(Xs, Xt, Xs, Xt).Xs) == 1000
    assert legend(from_arrays(Xs, Xt, Xs, Xt, max_samples=None))[0] == "source, 3000 rows"
    counting = Counting().fit(Xs, ys, Xt)
    counting.mapped_ = []
    from_estimator(counting, Xs, ys, Xt, yt, max_samples=50)
    assert counting.mapped_ == [50, 50]
    X, y, domain = stack(Xs, ys, Xt, yt)
    flipped = from_estimator(model, X, y, sample_domain=-domain, max_samples=400, random_state=0)
    assert legend(flipped)[:2] == ["source, 90 rows", "target, 400 of 3000 rows"]


def test_no_class_lies_on_top_of_the_others():
    X, y = np.zeros((300, 2)), np.repeat([0, 1, 2], 100)
    display = from_arrays(X, X, X, X, ys=y)
    (points,) = display.points_[0]["source"]
    colours = [to_hex(colour) for colour in points.get_facecolors()]
    for colour in COLOURS[:3]:
        where = np.flatnonzero(np.array(colours) == colour.lower())
        assert len(where) == 100 and abs(where.mean() - 149.5) < 10


# -- axes, layout, errors -------------------------------------------------------------------------


def test_axes_of_ones_own():
    figure, grid = plt.subplots(2, 2, layout="compressed")
    Xs, ys, yt, Xt = rows()
    display = from_arrays(Xs, Xt, Xs, Xt, ys=ys, ax=grid[1])
    assert display.figure_ is figure and list(display.axes_) == list(grid[1])
    assert not grid[0, 0].collections and not grid[0, 1].collections
    plain = DomainShiftDisplay(Xs, Xt, Xs, Xt, ys=ys, n_rows=(300, 20))
    assert plain.plot([grid[0, 1], grid[0, 0]]) is plain
    assert grid[0, 1].get_title().startswith("before")
    assert legend(plain)[:2] == ["source, 30 of 300 rows", "target, 20 rows"]
    assert len(plt.get_fignums()) == 1
    for wrong in (grid, grid[0, 0], [1, 2]):
        with pytest.raises(ValueError, match="ax must hold two Axes, for before and after"):
            plain.plot(wrong)


@pytest.mark.parametrize("kind", ["short", "classes", "many", "numbers"])
def test_nothing_overlaps(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    y = {
        "short": np.arange(400) % 2,
        "classes": np.array(["adenocarcinoma of the lung", "squamous"])[rng.integers(0, 2, 400)],
        "many": np.char.add("thing ", (np.arange(400) % 40).astype(str)),
        "numbers": rng.normal(size=400) * 1000,
    }[kind]
    labels = {"ys": y, "yt": np.where(np.arange(400) < 200, y.astype(object), None)}
    display = from_arrays(X, X + 3, 1e4 * X[:, :3], 1e4 * X[:, :3], **labels)
    figure = display.figure_
    figure.draw_without_rendering()
    texts = list(display.legend_.get_texts())
    for axes in display.axes_:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = zip(axis.get_ticklocs(), axis.get_ticklabels())
            texts += [text for place, text in ticks if low <= place <= high]
    boxes = [text.get_window_extent() for text in texts]
    boxes += [axes.get_window_extent() for axes in display.axes_]
    left, right = boxes[-2:]
    assert right.x0 - left.x1 < 1.3 * figure.dpi  # inches: room for the labels, and no more
    if display.colorbar_:
        boxes.append(display.colorbar_.ax.get_tightbbox())
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1


def test_errors():
    Xs, ys, yt, Xt = rows()
    model = TwoMaps().fit(Xs, ys, Xt)
    X, y, domain = stack(Xs, ys, Xt, yt)
    with pytest.raises(NotFittedError):
        from_estimator(TwoMaps(), Xs, ys, Xt)
    for other in (SourceOnly(), make_pipeline(StandardScaler(), LogisticRegression())):
        name = type(other).__name__
        with pytest.raises(AttributeError, match=rf"{name} has no transform\(X, domain="):
            from_estimator(other.fit(Xs, ys), Xs, ys, Xt)
    with pytest.raises(ValueError, match="Xt is None, and so is sample_domain"):
        from_estimator(model, Xs, ys)
    with pytest.raises(ValueError, match="Xs is None"):
        from_estimator(model, None, ys, Xt)
    with pytest.raises(ValueError, match="Xt and sample_domain were both given"):
        from_estimator(model, X, y, Xt, sample_domain=domain)
    with pytest.raises(ValueError, match="yt and sample_domain were both given"):
        from_estimator(model, X, y, yt=yt, sample_domain=domain)
    with pytest.raises(ValueError, match="sample_domain has shape"):
        from_estimator(model, X, y, sample_domain=domain[1:])
    for sign, role in ((1, "target"), (-1, "source")):
        with pytest.raises(ValueError, match=f"sample_domain has 50 rows, but none is a {role}"):
            from_estimator(model, X, y, sample_domain=sign * np.abs(domain))
    with pytest.raises(ValueError, match="Xt has 20 rows, but yt has 19 labels"):
        from_estimator(model, Xs, ys, Xt, yt[1:])
    with pytest.raises(ValueError, match="Xs has 30 rows, but ys has 29 labels"):
        from_arrays(Xs, Xt, Xs, Xt, ys=ys[1:])
    with pytest.raises(ValueError, match="Zs has 29 rows, but Xs has 30"):
        from_arrays(Xs, Xt, Xs[1:], Xt)
    with pytest.raises(ValueError, match="Zt has 30 rows, but Xt has 20"):
        from_arrays(Xs, Xt, Xs, Xs)
    with pytest.raises(ValueError, match="Zt has 1 columns, but Zs has 2"):
        from_arrays(Xs, Xt, Xs, Xt[:, :1])
    with pytest.raises(ValueError, match="Input Zt contains NaN"):
        from_arrays(Xs, Xt, Xs, np.full((20, 2), np.nan))
    for wrong in (0, 1.5, True, "all"):
        with pytest.raises(ValueError, match="max_samples must be None or an int in"):
            from_arrays(Xs, Xt, Xs, Xt, max_samples=wrong)
    for wrong in ("mmd2", 3):
        with pytest.raises(ValueError, match="discrepancy must be 'mmd', 'a-distance', a callable"):
            from_arrays(Xs, Xt, Xs, Xt, discrepancy=wrong)
    with pytest.raises(
        ValueError, match="needs at least 2 rows of each domain, but 1 row of the t"
    ):
        from_arrays(Xs, Xt[:1], Xs, Xt[:1])
    from_arrays(Xs, Xt[:1], Xs, Xt[:1], discrepancy=None)
    with pytest.raises(TypeError, match="ys and yt mix labels of the types int, str"):
        from_arrays(Xs, Xt, Xs, Xt, ys=ys, yt=np.arange(20))
    with pytest.raises(ValueError, match="ys must hold numbers for regression, but it holds str"):
        from_arrays(Xs, Xt, Xs, Xt, ys=ys, regression=True)
    n_open = len(plt.get_fignums())
    with pytest.raises(ValueError, match="NaN"):
        from_arrays(Xs, Xt, Xs, np.full((20, 2), np.nan))
    assert len(plt.get_fignums()) == n_open


def test_the_callers_rows_are_left_alone():
    Xs, ys, yt, Xt = rows(d=4)
    given = [Xs, ys, Xt, yt]
    before = [a.copy() for a in given]
    from_estimator(TwoMaps(3).fit(Xs, ys, Xt), *given, max_samples=15)
    from_arrays(Xs, Xt, Xs, Xt, ys=ys, yt=yt)
    for one, other in zip(given, before):
        assert_array_equal(one, other)


class Features(BaseEstimator):
    """Has a ``transform`` for each domain without being a mapper, as networks do."""

    def fit(self, Xs, ys=None, Xt=None):
        self.n_features_in_ = Xs.shape[1]
        return self

    def transform(self, X, domain="target"):
        return np.maximum(X, 0) if domain == "source" else np.maximum(X - 1, 0)


@pytest.mark.parametrize("d", [2, 3])
def test_features_of_what_is_no_mapper(d):
    Xs, ys, yt, Xt = rows(d=d)
    model = make_pipeline(StandardScaler(), Features()).fit(Xs, ys, features__Xt=Xt)
    display = from_estimator(model, Xs, ys, Xt, yt)
    scaled = [model[0].transform(X) for X in (Xs, Xt)]  # before: the rows that it gets
    features = [np.maximum(scaled[0], 0), np.maximum(scaled[1] - 1, 0)]
    assert_allclose(display.Zs, features[0])
    assert_allclose(display.Zt, features[1])
    for panel, pair in enumerate((scaled, features)):
        expected = pair if d == 2 else joint_projection(*pair)[:2]
        for found, coordinates in zip(display.coordinates_[panel], expected):
            assert_allclose(found, coordinates, atol=1e-10)


def test_a_map_that_brings_the_domains_together_shows_in_the_numbers():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(200, 3)), rng.normal(size=(100, 3)) + [0, 4, 0]
    model = TCA(n_components=2).fit(Xs, Xs[:, 0] > 0, Xt)
    for discrepancy, far in (("mmd", 0.5), ("a-distance", 1.8)):
        display = from_estimator(model, Xs, None, Xt, discrepancy=discrepancy)
        before, after = display.discrepancies_
        assert before > far and after < 0.05


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    X = np.zeros((2, 2))
    with pytest.raises(ImportError, match=r"^DomainShiftDisplay.*pip install 'skdtl\[plot\]'"):
        from_arrays(X, X, X, X)
