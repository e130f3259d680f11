"""The picture of filters: what it draws are their pixels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdtl import MSCSC, FilterDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_filters_stand_side_by_side_each_in_its_own_units():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(5, 2, 2)), 7 * rng.normal(size=(1, 3, 4))
    small[4] = 0
    display = FilterDisplay.from_arrays([small, large])
    assert [axes.get_title() for axes in display.axes_] == ["5 of 2 x 2", "1 of 3 x 4"]
    mosaic = display.mosaics_[0]
    assert mosaic.shape == (8, 5)  # three rows of two
    for k, (top, left) in enumerate([(0, 0), (0, 3), (3, 0), (3, 3), (6, 0)]):
        part = mosaic[top : top + 2, left : left + 2]
        assert_allclose(part, small[k] / (np.abs(small[k]).max() or 1))
    for between in (mosaic[2], mosaic[5], mosaic[:, 2], mosaic[6:, 3:]):
        assert np.isnan(between).all()
    assert_allclose(display.mosaics_[1], large[0] / np.abs(large).max())
    for image, drawn in zip(display.images_, display.mosaics_, strict=True):
        assert image.get_clim() == (-1, 1)
        assert_array_equal(np.isnan(drawn), np.ma.getmaskarray(image.get_array()))
        assert_allclose(image.get_array().compressed(), drawn[~np.isnan(drawn)])


def test_banks_of_an_estimator():
    X = np.random.default_rng(0).normal(size=(20, 6, 6))
    y = np.arange(20) % 2
    model = MSCSC((3, 5), 2, coding="predicted", fine_tune=True, tol=0.1, random_state=0)
    model.fit(X, y, X[:10] * np.linspace(0, 1, 6))
    banks = {"dictionary": "dictionary_", "source": "source_dictionary_", "predictor": "predictor_"}
    for bank, name in banks.items():
        found = FilterDisplay.from_estimator(model, bank=bank)
        expected = FilterDisplay.from_arrays(getattr(model, name))
        for drawn, other in zip(found.mosaics_, expected.mosaics_, strict=True):
            assert_array_equal(drawn, other)
    last = make_pipeline(MSCSC((3,), 2, tol=0.1)).fit(X, y, mscsc__Xt=X)
    _, ax = plt.subplots(1, 1)
    assert FilterDisplay.from_estimator(last, ax=ax).axes_[0] is ax
    with pytest.raises(ValueError, match="bank must be one of"):
        FilterDisplay.from_estimator(model, bank="codes")
    with pytest.raises(ValueError, match="an Axes for each of the 2 scales"):
        FilterDisplay.from_estimator(model, ax=ax)
    with pytest.raises(ValueError, match="filters must hold an array"):
        FilterDisplay.from_arrays([np.ones((3, 3))])
    with pytest.raises(AttributeError, match="LogisticRegression has no dictionary_"):
        FilterDisplay.from_estimator(LogisticRegression().fit(X.reshape(20, -1), y))
