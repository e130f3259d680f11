from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression

from skdtl import MSCSC, stack
from skdtl.network import _convolutional_codes as codes, mscsc

CONVERGENCE = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Images and filters of unlike, odd and even heights and widths.
SHAPES = [((6, 5), [(3, 3), (4, 2)]), ((1, 9), [(1, 4), (1, 7)]), ((5, 5), [(5, 5), (1, 1)])]
shapes = pytest.mark.parametrize("shape, sizes", SHAPES)


def make_bank(sizes, n_filters=2, seed=0):
    """Return random filters of norm 1 in one array, and their supports."""
    supports = codes.scale_supports(sizes, [n_filters] * len(sizes), float)
    filters = np.random.default_rng(seed).normal(size=supports.shape) * supports
    return filters / np.linalg.norm(filters, axis=(1, 2), keepdims=True), supports


def slow_sum(maps, filters):
    """Return Σ_k d_k ∗ z_k pixel by pixel: each entry of a map puts a filter around its place."""
    n, _, height, width = maps.shape
    top, left = ((size - 1) // 2 for size in filters.shape[1:])
    found = np.zeros((n, height, width))
    for i, k, r, c in zip(*np.nonzero(maps)):
        for a, b in zip(*np.nonzero(filters[k])):
            y, x = r + a - top, c + b - left
            if 0 <= y < height and 0 <= x < width:
                found[i, y, x] += maps[i, k, r, c] * filters[k, a, b]
    return found


def as_matrix(filters, shape):
    """Return the matrix whose columns are the images of single entries of maps."""
    n = len(filters) * shape[0] * shape[1]
    ones = np.eye(n).reshape(n, len(filters), *shape)
    return slow_sum(ones, filters).reshape(n, -1).T


def slow_loss(images, maps, filters, alpha):
    residuals = images - slow_sum(maps, filters)
    return [0.5 * np.sum(r**2) + alpha * np.sum(np.abs(z)) for r, z in zip(residuals, maps)]


def textures(n, seed, classes=6, frequencies=(0.12, 0.22), size=16, dtype=float):
    """Return noisy gratings with random phases, whose direction and width tell the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    angle = np.pi * (y % 3) / 3 + 0.1 * rng.normal(size=n)
    frequency = np.take(frequencies, y // 3)
    row, column = np.mgrid[:size, :size]
    along = np.cos(angle)[:, None, None] * column + np.sin(angle)[:, None, None] * row
    phase = rng.uniform(0, 2 * np.pi, n)[:, None, None]
    X = np.cos(2 * np.pi * frequency[:, None, None] * along + phase)
    return (X + 0.7 * rng.normal(size=X.shape)).astype(dtype), y


# -- the mathematics, against slow transcriptions -------------------------------------------------


@shapes
def test_sums_and_correlations_are_those_of_the_definition(shape, sizes):
    filters, _ = make_bank(sizes)
    rng = np.random.default_rng(1)
    maps, images = rng.normal(size=(3, 4, *shape)), rng.normal(size=(3, *shape))
    model = codes.Convolution(shape, filters.shape[1:])
    spectra = model.spectra(filters)
    assert_allclose(model.synthesize(maps, spectra), slow_sum(maps, filters), atol=1e-12)
    expected = images.reshape(3, -1) @ as_matrix(filters, shape)
    found = model.correlate(images, spectra).reshape(3, -1)
    assert_allclose(found, expected, atol=1e-12)


@shapes
def test_codes_are_the_lassos(shape, sizes):
    filters, _ = make_bank(sizes)
    images, alpha = np.random.default_rng(2).normal(size=(4, *shape)), 0.3
    maps, n_left = codes.encoded(images, filters, alpha, max_iter=5000, tol=1e-7)
    assert n_left == 0
    A = as_matrix(filters, shape)
    lasso = Lasso(alpha / A.shape[0], fit_intercept=False, max_iter=100_000, tol=1e-10)
    best = np.array([lasso.fit(A, x).coef_ for x in images.reshape(4, -1)]).reshape(maps.shape)
    found, expected = (slow_loss(images, z, filters, alpha) for z in (maps, best))
    assert_allclose(found, expected, rtol=1e-6)
    assert 0 < np.mean(maps != 0) < 0.5


def test_the_gap_bounds_what_is_missing_to_the_smallest_loss():
    (shape, sizes), alpha = SHAPES[0], 0.3
    filters, _ = make_bank(sizes)
    images = np.random.default_rng(2).normal(size=(4, *shape))
    model = codes.Convolution(shape, filters.shape[1:])
    best, _ = codes.encoded(images, filters, alpha, max_iter=5000, tol=1e-8)
    smallest = np.array(slow_loss(images, best, filters, alpha))
    energy = 0.5 * np.square(images).sum((1, 2))
    for tol in (0.1, 0.01, 1e-3):
        maps, _ = codes.encoded(images, filters, alpha, max_iter=1000, tol=tol)
        missing = (slow_loss(images, maps, filters, alpha) - smallest) / energy
        residuals = images - slow_sum(maps, filters)
        correlations = model.correlate(residuals, model.spectra(filters))
        gaps = codes.duality_gaps(images, maps, residuals, correlations, alpha)
        assert (missing <= gaps + 1e-6).all() and (missing <= tol).all()
    assert gaps.max() <= 1e-3


def test_maps_that_are_better_are_kept():
    filters, _ = make_bank([(3, 3), (5, 5)])
    images = np.random.default_rng(2).normal(size=(4, 7, 7))
    model = codes.Convolution((7, 7), filters.shape[1:])
    coding = codes.Coding(images, model, len(filters))
    best, _ = codes.encoded(images, filters, 0.3, tol=1e-6)
    coding.maps[:2] = best[:2]  # its own search is at its beginning
    coding.improve(model.spectra(filters), 0.3, 3)
    assert_array_equal(coding.maps[:2], best[:2])
    assert coding.maps[2:].any((1, 2, 3)).all()


def test_images_that_are_done_leave_and_the_others_stay_who_they_are():
    filters, _ = make_bank([(3, 3)])
    images = (
        np.random.default_rng(0).normal(size=(6, 7, 7))
        * np.array([0, 1, 5, 0, 2, 9])[:, None, None]
    )
    together, _ = codes.encoded(images, filters, 0.3, tol=1e-4)
    alone = [codes.encoded(image[None], filters, 0.3, tol=1e-4)[0][0] for image in images]
    assert_allclose(together, alone, atol=1e-10)
    _, n_left = codes.encoded(images, filters, 0.3, max_iter=1, tol=1e-9)
    assert n_left == 4  # of nothing the code is nothing at once


def test_each_filter_makes_its_step_of_projected_gradient():
    (shape, sizes), rng = SHAPES[0], np.random.default_rng(3)
    filters, supports = make_bank(sizes)
    filters[0] *= 0.1  # the ball does not hold it
    images = rng.normal(size=(5, *shape))
    maps = rng.normal(size=(5, 4, *shape)) * (rng.random((5, 4, *shape)) < 0.2)
    found, residuals = codes.improved_filters(images, maps, filters, supports)
    expected = filters.copy()
    grid = codes.Convolution(shape, filters.shape[1:]).grid
    for k in range(4):

        def error(entries, k=k):
            bank = expected.copy()
            bank[k] = entries.reshape(bank[k].shape)
            return 0.5 * np.sum((images - slow_sum(maps, bank)) ** 2)

        gradient = approx_fprime(expected[k].ravel(), error, 1e-6).reshape(expected[k].shape)
        bound = (np.abs(np.fft.fft2(maps[:, k], s=grid)) ** 2).sum(0).max()
        new = (expected[k] - gradient / bound) * supports[k]
        expected[k] = new / max(1, np.linalg.norm(new))
    assert_allclose(found, expected, atol=1e-5)
    assert_allclose(residuals, images - slow_sum(maps, found), atol=1e-12)
    norms = np.linalg.norm(found, axis=(1, 2))
    assert norms.max() <= 1 + 1e-12 and norms[0] < 0.9
    assert not found[supports == 0].any()


def learn(images, sizes, n_filters=4, seed=0, max_iter=15, alpha=0.2, **options):
    supports = codes.scale_supports(sizes, [n_filters] * len(sizes), images.dtype)
    start = codes.first_filters(supports, np.random.RandomState(seed))
    return codes.learnt_filters(
        images,
        start,
        supports,
        alpha,
        max_iter=max_iter,
        tol=0.0,
        report=options.pop("report", lambda n_rounds, loss: None),
        **options,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_loss_never_rises(seed, dtype):
    images = textures(40, seed)[0].astype(dtype)
    for alpha in (0.05, 0.5):
        seen: list = []
        filters, history, _ = learn(
            images,
            [(3, 3), (5, 5)],
            alpha=alpha,
            seed=seed,
            report=lambda *each, seen=seen: seen.append(each),
        )
        assert (np.diff(history) <= 1e-6 * history[0]).all()
        assert history[-1] < 0.99 * history[0]
        assert seen == list(enumerate(history, 1))
        assert filters.dtype == images.dtype
        assert np.linalg.norm(filters, axis=(1, 2)).max() < 1 + 1e-5


def small_and_large(n, seed):
    """Return images of many dots and few wide waves."""
    rng = np.random.default_rng(seed)
    dot = np.outer([1.0, -2, 1], [1.0, -2, 1])
    wave = np.outer(np.hanning(11)[1:-1], np.sin(np.linspace(-np.pi, np.pi, 9)))
    images = np.zeros((n, 20, 20), dtype="f4")
    for image in images:
        for pattern, count in ((dot, 4), (wave, 1)):
            size = len(pattern)
            for _ in range(count):
                r, c = rng.integers(20 - size + 1, size=2)
                part = pattern * rng.choice([-3.0, 3.0]) / np.linalg.norm(pattern)
                image[r : r + size, c : c + size] += part
    return images


@pytest.mark.parametrize("seed", range(3))
def test_scales_share_one_reconstruction(seed):
    """Each scale codes what the other can't: without one of them the other has not been learnt."""
    images = small_and_large(40, seed)
    filters, history, _ = learn(images, [(3, 3), (9, 9)], n_filters=2, seed=seed)
    for rows in (slice(0, 2), slice(2, 4)):
        maps, _ = codes.encoded(images, filters[rows], 0.2)
        assert np.mean(slow_loss(images, maps, filters[rows], 0.2)) > 1.2 * history[-1]


def test_the_predictors_loss_and_its_derivatives():
    shape, sizes = SHAPES[0]
    weights, supports = make_bank(sizes)
    rng = np.random.default_rng(4)
    images, maps = rng.normal(size=(5, *shape)), rng.normal(size=(5, 4, *shape))
    thresholds = rng.uniform(0.1, 0.6, size=4)
    sums = (images.reshape(5, -1) @ as_matrix(weights, shape)).reshape(maps.shape)
    by_hand = np.sign(sums) * np.maximum(np.abs(sums) - thresholds[:, None, None], 0)
    assert_allclose(codes.predicted(images, weights, thresholds), by_hand, atol=1e-12)
    loss, by_weight, by_threshold = codes.prediction_loss(images, maps, weights, thresholds)
    assert_allclose(loss, 0.5 * np.sum((maps - by_hand) ** 2))

    def function(parameters):
        entries, limits = parameters[:-4].reshape(weights.shape), parameters[-4:]
        return codes.prediction_loss(images, maps, entries, limits)[0]

    slopes = approx_fprime(np.concatenate([weights.ravel(), thresholds]), function, 1e-6)
    assert_allclose(by_weight.ravel(), slopes[:-4], atol=1e-4)
    assert_allclose(by_threshold, slopes[-4:], atol=1e-4)


def test_the_predictor_is_better_than_one_step_of_shrinkage():
    images = textures(40, 0)[0]
    sizes = [(3, 3), (5, 5)]
    filters, _, _ = learn(images, sizes)
    supports = codes.scale_supports(sizes, [4, 4], float)
    maps, _ = codes.encoded(images, filters, 0.2, tol=1e-3)
    model = codes.Convolution(images.shape[1:], filters.shape[1:])
    bound = np.square(np.abs(model.spectra(filters))).sum(0).max()
    step = codes.predicted(images, filters / bound, np.full(8, 0.2 / bound))
    weights, thresholds = codes.fitted_predictor(images, maps, filters, supports, 0.2)
    found = codes.predicted(images, weights, thresholds)
    assert np.sum((maps - found) ** 2) < 0.85 * np.sum((maps - step) ** 2)
    assert thresholds.min() >= 0 and not weights[supports == 0].any()


def test_pooling_is_that_of_the_cells():
    maps = np.random.default_rng(0).normal(size=(3, 2, 5, 3))
    for how in (np.max, np.mean):
        found = codes.pooled(maps, (1, 2, 4), how)
        expected = []
        for rows, columns in (([5], [3]), ([2, 3], [1, 2]), ([1, 1, 1, 2], [1, 1, 1])):
            ends, sides = np.cumsum([0, *rows]), np.cumsum([0, *columns])
            for r in range(len(rows)):
                for c in range(len(columns)):
                    cell = maps[:, :, ends[r] : ends[r + 1], sides[c] : sides[c + 1]]
                    expected.append(how(np.abs(cell).reshape(3, 2, -1), axis=2))
        assert_allclose(found, np.concatenate(expected, axis=1))


def test_scales_are_joined_around_one_pixel():
    small, large = np.full((2, 2, 3), 7.0), np.ones((1, 4, 3))
    whole = codes.joined([small, large])
    assert_array_equal(whole[0], [[0] * 3, [7] * 3, [7] * 3, [0] * 3])
    parts = codes.by_scale(whole, [(2, 3), (4, 3)], [2, 1])
    assert_array_equal(parts[0], small)
    assert_array_equal(parts[1], large)


def test_sporcos_codes_have_the_same_loss():
    admm = pytest.importorskip("sporco.admm.cbpdn")
    filters, _ = make_bank([(3, 3), (5, 5)])
    image, alpha = textures(1, 0)[0][0], 0.3
    shape = image.shape
    model = codes.Convolution(shape, filters.shape[1:])
    # Its convolutions are periodic: on a larger canvas, of which the image's pixels count and on
    # which maps are kept to the image.
    canvas, mask = np.zeros((2, *model.grid))
    canvas[model.middle], mask[model.middle] = image, 1
    weights = np.full((*model.grid, 1, 1, 4), 1e4)
    weights[: shape[0], : shape[1]] = 1
    options = admm.ConvBPDNMaskDcpl.Options(
        {"MaxMainIter": 2000, "RelStopTol": 1e-6, "L1Weight": weights}
    )
    found = admm.ConvBPDNMaskDcpl(
        filters.transpose(1, 2, 0), canvas, alpha, W=mask, opt=options
    ).solve()
    theirs = found.squeeze()[: shape[0], : shape[1]].transpose(2, 0, 1)[None]
    ours, _ = codes.encoded(image[None], filters, alpha, max_iter=3000, tol=1e-6)
    expected = slow_loss(image[None], theirs, filters, alpha)
    assert_allclose(slow_loss(image[None], ours, filters, alpha), expected, rtol=1e-3)


# -- the estimator --------------------------------------------------------------------------------


def make(**options):
    settings = {"sizes": (3, 5), "n_filters": 3, "tol": 0.02, "random_state": 0}
    return MSCSC(**{**settings, "estimator": "passthrough", **options})


@pytest.fixture(scope="module")
def images():
    X, y = textures(60, 0)
    return X[:40], y[:40], X[40:], y[40:]


def test_arrays_rows_and_a_channel_are_the_same(images):
    Xs, _, Xt, _ = images
    arrays = make().fit(Xs, None, Xt)
    rows = make(shape=(16, 16)).fit(Xs.reshape(40, -1), None, Xt.reshape(20, -1))
    channel = make().fit(Xs[:, None], None, Xt[:, None])
    expected = arrays.transform(Xt)
    assert expected.shape == (20, 6 * (1 + 4 + 16))
    assert_array_equal(rows.transform(Xt.reshape(20, -1)), expected)
    assert_array_equal(channel.transform(Xt[:, None]), expected)
    maps = arrays.encode(Xt)
    assert maps.shape == (20, 6, 16, 16)
    assert arrays.inverse_transform(maps).shape == (20, 16, 16)
    assert channel.inverse_transform(maps).shape == (20, 1, 16, 16)
    flat = rows.inverse_transform(maps.reshape(20, -1))
    assert_array_equal(flat, arrays.inverse_transform(maps).reshape(20, -1))
    X, y, domain = stack(Xs, np.zeros(40), Xt)
    stacked = make().fit(X, y, sample_domain=domain)
    assert_array_equal(stacked.transform(Xt), expected)


def test_rows_of_a_table_are_sequences():
    X = np.random.default_rng(0).normal(size=(20, 30))
    found = make(pyramid=(1, 3)).fit(X, None, X[:5])
    assert found.image_shape_ == (1, 30)
    assert [bank.shape for bank in found.dictionary_] == [(3, 1, 3), (3, 1, 5)]
    assert found.transform(X).shape == (20, 6 * (1 + 3))
    columns = make(pyramid=(1, 3), shape=(30, 1)).fit(X, None, X[:5])
    assert [bank.shape for bank in columns.dictionary_] == [(3, 3, 1), (3, 5, 1)]


@CONVERGENCE
def test_what_transform_returns_is_pooled_of_what_encode_returns(images):
    Xs, _, Xt, _ = images
    model = make(n_filters=(2, 4), pyramid=(2,), power=0.7).fit(Xs, None, Xt)
    assert [len(bank) for bank in model.dictionary_] == [2, 4]
    maps = model.encode(Xt)
    expected = codes.pooled(maps, (2,), np.max) ** 0.7
    assert_array_equal(model.transform(Xt), expected)
    for call in (model.transform, model.encode):
        with pytest.raises(ValueError, match="domain must be 'source' or 'target'"):
            call(Xt, domain="nowhere")
    whole = make(n_filters=(2, 4), pooling=None).fit(Xs, None, Xt)
    assert_array_equal(whole.transform(Xt), maps.reshape(20, -1))
    assert (maps < 0).any()
    # These are the codes of centred images in units of their domain's root mean square.
    for X, domain in ((Xs, "source"), (Xt, "target")):
        centred = X - X.mean((1, 2), keepdims=True)
        scale = np.sqrt(np.mean(centred**2))
        assert_allclose(getattr(model, f"{domain}_scale_"), scale)
        by_hand, _ = codes.encoded(centred / scale, codes.joined(model.dictionary_), 0.3, tol=0.01)
        assert_allclose(model.encode(X, domain), by_hand, atol=1e-10)
    raw = make(center=False).fit(Xs + 3, None, Xt)
    assert_allclose(raw.source_scale_, np.sqrt(np.mean((Xs + 3) ** 2)))
    # A domain's units don't count.
    other = make(n_filters=(2, 4), pyramid=(2,), power=0.7).fit(Xs, None, 1024 * Xt)
    assert_array_equal(other.transform(1024 * Xt), expected)
    assert_array_equal(other.inverse_transform(maps), 1024 * model.inverse_transform(maps))


@CONVERGENCE
def test_images_come_back_from_their_maps(images):
    Xs, _, Xt, _ = images
    model = make(alpha=0.02, center=False, max_iter=10).fit(Xs, None, Xt)
    found = model.inverse_transform(model.encode(Xt))
    assert np.mean((found - Xt) ** 2) < 0.02 * np.mean(Xt**2)
    sums = slow_sum(model.encode(Xt[:2]), codes.joined(model.dictionary_))
    assert_allclose(found[:2], sums * model.target_scale_, atol=1e-10)
    centred = clone(model).set_params(center=True).fit(Xs + 5, None, Xt)
    found = centred.inverse_transform(centred.encode(Xt + 5))
    assert np.mean((found - Xt + Xt.mean((1, 2), keepdims=True)) ** 2) < 0.02 * np.mean(Xt**2)
    with pytest.raises(ValueError, match="What is pooled can't be undone"):
        model.inverse_transform(model.transform(Xt))


@CONVERGENCE
def test_fine_tuning_goes_on_from_the_sources_filters(images):
    Xs = images[0]
    Xt = textures(40, 5, frequencies=(0.35, 0.45))[0]
    kept = make().fit(Xs, None, Xt)
    tuned = make(fine_tune=True, tol=1e-3).fit(Xs, None, Xt)
    assert all(map(np.array_equal, kept.dictionary_, kept.source_dictionary_))
    assert not hasattr(kept, "target_objectives_")
    assert not any(map(np.array_equal, tuned.dictionary_, tuned.source_dictionary_))
    source = make(tol=1e-3).fit(Xs, None, Xt)
    assert all(map(np.array_equal, source.dictionary_, tuned.source_dictionary_))
    assert (np.diff(tuned.target_objectives_) <= 1e-9).all()
    losses = {}
    scaled = (Xt - Xt.mean((1, 2), keepdims=True)) / source.target_scale_
    for name, model in (("source", source), ("tuned", tuned)):
        bank = codes.joined(model.dictionary_)
        losses[name] = np.mean(slow_loss(scaled, model.encode(Xt), bank, 0.3))
    assert losses["tuned"] < 0.9 * losses["source"]


@CONVERGENCE
def test_predicted_codes_are_near_exact_ones_and_the_error_says_how_near(images):
    Xs, _, Xt, _ = images
    exact = make().fit(Xs, None, Xt)
    model = make(coding="predicted").fit(Xs, None, Xt)
    assert all(map(np.array_equal, exact.dictionary_, model.dictionary_))
    weights = codes.joined(model.predictor_)
    scaled = (Xt - Xt.mean((1, 2), keepdims=True)) / model.target_scale_
    maps = codes.predicted(scaled, weights, model.thresholds_)
    assert_allclose(model.encode(Xt), maps, atol=1e-12)
    z, predicted = (each.encode(Xs, "source") for each in (exact, model))
    assert_allclose(model.prediction_error_, np.sum((z - predicted) ** 2) / np.sum(z**2), rtol=1e-6)
    assert model.prediction_error_ < 0.7
    unseen = np.sum((exact.encode(Xt) - maps) ** 2) / np.sum(exact.encode(Xt) ** 2)
    assert unseen < 0.75


def test_threads_change_no_bit_and_single_precision_stays(images):
    Xs, _, Xt, _ = images
    one = make(coding="predicted").fit(Xs, None, Xt)
    two = make(coding="predicted", n_jobs=2).fit(Xs, None, Xt)
    assert_array_equal(one.transform(Xt), two.transform(Xt))
    single = make(coding="predicted").fit(Xs.astype("f4"), None, Xt.astype("f4"))
    arrays = [*single.dictionary_, *single.predictor_, single.thresholds_]
    arrays += [single.encode(Xt.astype("f4")), single.transform(Xt.astype("f4"))]
    assert {array.dtype for array in arrays} == {np.dtype("f4")}
    assert single.inverse_transform(single.encode(Xt.astype("f4"))).dtype == np.dtype("f4")
    assert_allclose(single.objectives_, one.objectives_, rtol=1e-3)


@pytest.mark.parametrize(
    "max_samples, n_learnt", [(10, [10, 10]), (25, [25, 20]), (None, [40, 20])]
)
def test_no_more_images_are_learnt_from_than_asked_for(images, monkeypatch, max_samples, n_learnt):
    seen, learnt = [], mscsc.learnt_filters

    def watched(given, *args, **options):
        seen.append(given)
        return learnt(given, *args, **options)

    monkeypatch.setattr(mscsc, "learnt_filters", watched)
    Xs, _, Xt, _ = images
    make(max_samples=max_samples, fine_tune=True).fit(Xs, None, Xt)
    assert [len(given) for given in seen] == n_learnt
    assert all(len(np.unique(given, axis=0)) == len(given) for given in seen)


def test_max_samples_draws_images(images):
    Xs, _, Xt, _ = images
    few, all_ = (make(max_samples=n).fit(Xs, None, Xt) for n in (10, None))
    assert not np.array_equal(few.dictionary_[0], all_.dictionary_[0])
    assert_array_equal(make(max_samples=40).fit(Xs, None, Xt).dictionary_[0], all_.dictionary_[0])
    # The scale is that of all.
    assert few.source_scale_ == all_.source_scale_


def test_rounds_are_printed_and_a_warning_says_when_they_were_too_few(images, capsys, monkeypatch):
    Xs, _, Xt, _ = images
    make(verbose=1, fine_tune=True).fit(Xs, None, Xt)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[MSCSC] source, round 1: loss ")
    assert lines[-1].startswith("[MSCSC] target, round ")
    with pytest.warns(ConvergenceWarning, match="source's images after max_iter=2 rounds"):
        found = make(max_iter=2, tol=0).fit(Xs, None, Xt)
    assert found.n_iter_ == len(found.objectives_) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(Xs, None, Xt)
    monkeypatch.setattr(mscsc, "CODING_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"codes of \d+ of 20 images are not exact"):
        found.encode(Xt)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shape": (16,)}, "shape must be a height and a width"),
        ({"shape": (8, 32)}, r"samples of shape \(16, 16\), but \(8, 32\) is needed"),
        ({"n_filters": (3, 3, 3)}, "n_filters=.* has 3 entries, but sizes=.* has 2"),
    ],
)
def test_shapes_that_do_not_fit_are_named(images, options, message):
    Xs, _, Xt, _ = images
    model = make(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(Xs, None, Xt)
    assert not hasattr(model, "n_features_in_") and not hasattr(model, "dictionary_")


def test_rows_that_are_no_images_of_the_shape_are_named(images):
    Xs, _, Xt, _ = images
    with pytest.raises(ValueError, match=r"shape=\(4, 4\) has 16 pixels, but Xs has 256 features"):
        make(shape=(4, 4)).fit(Xs.reshape(40, -1), None, Xt.reshape(20, -1))
    colours = np.stack([Xs] * 3, axis=1)
    with pytest.raises(ValueError, match=r"\(3, 16, 16\), but \(height, width\) is needed"):
        make().fit(colours, None, colours)


def test_it_needs_no_torch():
    code = (
        "import sys, numpy as np; from skdtl import MSCSC\n"
        "X = np.random.default_rng(0).normal(size=(9, 4, 4))\n"
        "MSCSC((3,), 2, tol=1, estimator='passthrough').fit(X, None, X).transform(X)\n"
        "print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


# -- what it is for -------------------------------------------------------------------------------


@CONVERGENCE
@pytest.mark.parametrize("coding, margin", [("exact", 0.2), ("predicted", 0.2)])
def test_few_labels_of_textures_are_enough(coding, margin):
    """Filters learnt from other textures, without labels, tell textures apart; pixels don't."""
    gains = []
    for seed in range(3):
        source, _ = textures(40, seed, frequencies=(0.16, 0.3), dtype="f4")
        X, y = textures(100, seed + 100, dtype="f4")
        train = np.concatenate([np.flatnonzero(y == c)[:5] for c in range(6)])
        test = np.setdiff1d(np.arange(100), train)
        model = MSCSC(
            (5, 9),
            4,
            coding=coding,
            pyramid=(1,),
            max_iter=15,
            estimator="passthrough",
            random_state=seed,
        )
        model.fit(source, None, X[test])
        flat = X.reshape(100, -1)
        principal = PCA(20, random_state=0).fit(source.reshape(40, -1))
        scores = [
            LogisticRegression(max_iter=1000).fit(Z[train], y[train]).score(Z[test], y[test])
            for Z in (model.transform(X), flat, principal.transform(flat))
        ]
        gains.append(scores[0] - max(scores[1:]))
    assert np.mean(gains) > margin
