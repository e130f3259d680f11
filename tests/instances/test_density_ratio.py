"""KLIEP, ULSIF, RULSIF: what they share, on distributions whose ratio is known."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from skdtl import KLIEP, RULSIF, ULSIF, NoTargetWarning, SourceOnly
from skdtl.instances import _density_ratio, kliep_weights, rulsif_weights, ulsif_weights
from skdtl.instances._density_ratio import (
    bandwidth_grid,
    choose_centers,
    kernel_ratio,
    row_blocks,
    spread_rows,
)

from ..shifts import normal_shift
from .truth import effective_size

FUNCTIONS = {"kliep": kliep_weights, "ulsif": ulsif_weights, "rulsif": rulsif_weights}
every_function = pytest.mark.parametrize("weights", FUNCTIONS.values(), ids=FUNCTIONS)
every_class = pytest.mark.parametrize("cls", [KLIEP, ULSIF, RULSIF])


# -- the pieces -----------------------------------------------------------------------------------


def test_spread_rows_depend_on_the_rows_alone():
    X = np.random.default_rng(0).normal(size=(103, 3))
    rows = spread_rows(X, 20)
    assert 15 <= len(rows) <= 20
    order = np.random.default_rng(1).permutation(103)
    assert set(order[spread_rows(X[order], 20)]) == set(rows)
    np.testing.assert_array_equal(spread_rows(X, 103), np.arange(103))
    # Spread means: not from one end.
    assert abs(X[rows].mean() - X.mean()) < 0.3


def test_centers_are_target_rows():
    Xt = np.random.default_rng(0).normal(size=(30, 2))
    np.testing.assert_array_equal(choose_centers(Xt, 30), Xt)
    assert not np.shares_memory(choose_centers(Xt, 30), Xt)
    drawn = choose_centers(Xt, 10, 0)
    assert len(np.unique(drawn, axis=0)) == 10
    assert {tuple(row) for row in drawn} <= {tuple(row) for row in Xt}
    np.testing.assert_array_equal(drawn, choose_centers(Xt, 10, 0))
    assert not np.array_equal(drawn, choose_centers(Xt, 10, 1))


def test_bandwidths_are_multiples_of_the_median_distance():
    Xs, Xt, _ = normal_shift(0, 60, 2, 1.0, 0.7)
    pooled = np.concatenate([Xs, Xt])
    median = np.median(euclidean_distances(pooled)[np.triu_indices(120, 1)])
    widths = 1 / np.sqrt(2 * bandwidth_grid(Xs, Xt))
    np.testing.assert_allclose(widths[[0, 4, 8]], [median / 4, median, 4 * median])
    np.testing.assert_allclose(widths[1:] / widths[:-1], np.sqrt(2))
    np.testing.assert_allclose(bandwidth_grid(10 * Xs, 10 * Xt), bandwidth_grid(Xs, Xt) / 100)


def test_sum_of_gaussians_by_hand_and_in_blocks(monkeypatch):
    Xs, Xt, _ = normal_shift(0, 50, 2, 1.0, 0.7)
    coef = np.random.default_rng(0).random(50)
    coef[::3] = 0
    with np.errstate(divide="ignore"):
        log_coef = np.log(coef)
    expected = rbf_kernel(Xs, Xt, gamma=0.7) @ coef
    np.testing.assert_allclose(kernel_ratio(Xs, Xt, log_coef, 0.7), expected)
    limit = np.median(expected)
    capped = kernel_ratio(Xs, Xt, log_coef, 0.7, upper=limit)
    np.testing.assert_allclose(capped, np.minimum(expected, limit))
    monkeypatch.setattr(_density_ratio, "_BLOCK", 7)
    np.testing.assert_allclose(kernel_ratio(Xs, Xt, log_coef, 0.7), expected)
    assert [rows.stop - rows.start for rows, _ in row_blocks(Xs, Xt)] == [7] * 7 + [1]


def test_coefficients_beyond_floats():
    center = np.array([[30.0]])
    near, far = np.array([[30.0]]), np.array([[0.0]])
    assert kernel_ratio(far, center, np.array([900.0]), 1.0)[0] == 1.0
    assert kernel_ratio(near, center, np.array([900.0]), 1.0)[0] == np.finfo(float).max


# -- known densities ------------------------------------------------------------------------------


@every_function
@pytest.mark.parametrize(
    "setting, correlation",
    [
        ({"d": 1, "mean": 1.0, "sd": 0.7}, 0.93),
        ({"d": 1, "mean": 0.0, "sd": 0.3}, 0.93),
        ({"d": 2, "mean": 0.7, "sd": 0.8}, 0.8),
        ({"d": 5, "mean": 0.4, "sd": 0.85}, 0.7),
    ],
    ids=["moved", "narrower", "two features", "five features"],
)
def test_close_to_the_true_ratio(weights, setting, correlation):
    """Mean correlation over 5 seeds above a bar, effective sample size within a factor of 1.6."""
    alpha = 0.1 if weights is rulsif_weights else 0.0
    found, sizes, means = [], [], []
    for seed in range(5):
        Xs, Xt, true = normal_shift(seed, 300, **setting)
        true = true / (alpha * true + 1 - alpha)
        ratio = weights(Xs, Xt, random_state=0)
        assert ratio.shape == (300,) and ratio.min() >= 0
        found.append(np.corrcoef(ratio, true)[0, 1])
        sizes.append(effective_size(ratio) / effective_size(true))
        means.append(ratio.mean() / true.mean())
    assert np.mean(found) > correlation
    assert 1 / 1.6 < np.mean(sizes) < 1.6
    assert np.mean(means) == pytest.approx(1, abs=0.15)


@every_class
def test_a_straight_line_where_the_target_lies(cls):
    """Shimodaira's cubic: weighted least squares has a third of the error, each of 6 seeds."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0, 0.3, size=(200, 1))
        truth = lambda X: X[:, 0] ** 3 - X[:, 0]  # noqa: E731
        ys = truth(Xs) + rng.normal(0, 0.3, size=200)
        weighted = cls(LinearRegression(), random_state=0).fit(Xs, ys, Xt).predict(Xt)
        plain = SourceOnly(LinearRegression()).fit(Xs, ys, Xt).predict(Xt)
        assert np.mean((weighted - truth(Xt)) ** 2) < np.mean((plain - truth(Xt)) ** 2) / 3


def curved(seed, n=400):
    """Return domains on either side of a bend of the classes' boundary."""
    rng = np.random.default_rng(seed)
    Xs = rng.normal([-0.6, 0.8], 1.0, size=(n, 2))
    Xt = rng.normal([1.0, 0.8], [0.6, 0.8], size=(n, 2))
    truth = lambda X: (X[:, 1] > np.abs(X[:, 0])).astype(int)  # noqa: E731
    return Xs, truth(Xs), Xt, truth(Xt)


@every_class
def test_a_linear_classifier_where_the_boundary_bends(cls):
    """.1 above source-only on average over 5 seeds, and above equal weights in each."""
    gains = []
    for seed in range(5):
        Xs, ys, Xt, yt = curved(seed)
        plain = SourceOnly(LogisticRegression()).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(cls(random_state=0).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert np.mean(gains) > 0.1
    assert min(gains) > 0


# -- limits and invariances -----------------------------------------------------------------------


@every_function
def test_alike_domains_weigh_next_to_evenly(weights):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    assert weights(X, X, random_state=0).std() < 0.15
    assert weights(X[:200], X[200:], random_state=0).std() < 0.35


@every_function
def test_source_rows_in_any_order_in_any_units(weights):
    Xs, Xt, _ = normal_shift(0, 150, 2, 1.0, 0.7)
    ratio = weights(Xs, Xt, random_state=0)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_allclose(weights(Xs[order], Xt, random_state=0), ratio[order], atol=1e-6)
    np.testing.assert_allclose(weights(100 * Xs, 100 * Xt, random_state=0), ratio, atol=1e-6)
    sparse = weights(sp.csr_array(Xs), sp.csr_array(Xt), random_state=0)
    np.testing.assert_allclose(sparse, ratio, atol=1e-6)
    single = weights(Xs.astype(np.float32), Xt.astype(np.float32), random_state=0)
    np.testing.assert_allclose(single, ratio, atol=1e-2)
    lists = weights(Xs.tolist(), Xt.tolist(), random_state=0)
    np.testing.assert_array_equal(lists, ratio)


@every_function
def test_blocks_of_rows_change_nothing(weights, monkeypatch):
    Xs, Xt, _ = normal_shift(0, 120, 1, 1.0, 0.7)
    whole = weights(Xs, Xt, random_state=0)
    monkeypatch.setattr(_density_ratio, "_BLOCK", 50)
    monkeypatch.setattr("skdtl.instances.kliep._BLOCK", 50)
    np.testing.assert_allclose(weights(Xs, Xt, random_state=0), whole, rtol=1e-6, atol=1e-9)


@every_function
def test_parameters_count(weights):
    Xs, Xt, _ = normal_shift(0, 150, 1, 1.0, 0.7)
    base = weights(Xs, Xt, random_state=0)
    np.testing.assert_array_equal(weights(Xs, Xt, random_state=0), base)
    assert not np.array_equal(weights(Xs, Xt, random_state=1), base)
    # The narrower the functions, the more the weights vary.
    sizes = [
        effective_size(weights(Xs, Xt, gamma=gamma, random_state=0)) for gamma in (50.0, 1.0, 1e-3)
    ]
    assert sizes[0] < sizes[1] < sizes[2]
    every = weights(Xs, Xt, n_centers=150)
    np.testing.assert_array_equal(every, weights(Xs, Xt, n_centers=1000, random_state=1))
    assert not np.allclose(weights(Xs, Xt, n_centers=3, random_state=0), base, rtol=1e-2)


@every_function
def test_parameters_and_rows_are_checked(weights):
    Xs, Xt, _ = normal_shift(0, 20, 2, 1.0, 0.7)
    for options in ({"gamma": 0.0}, {"gamma": "scale"}, {"n_centers": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            weights(Xs, Xt, **options)
    with pytest.raises(ValueError, match="Xt has 1 features, but Xs has 2"):
        weights(Xs, Xt[:, :1])
    with pytest.raises(ValueError, match="Input Xt contains NaN"):
        weights(Xs, np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match=r"the target (has only )?1"):
        weights(Xs, Xt[:1])
    one = {"lam": 0.1} if weights is not kliep_weights else {}
    assert weights(Xs, Xt[:1], gamma=1.0, **one).shape == (20,)
    assert weights(Xs[:1], Xt, gamma=1.0, **one).shape == (1,)


# -- the estimators -------------------------------------------------------------------------------


@every_class
def test_the_estimator_is_its_function_and_a_weighted_fit(cls):
    Xs, ys, Xt, yt = curved(0, n=150)
    model = cls(random_state=0, min_effective_share=0).fit(Xs, ys, Xt)
    ratio = FUNCTIONS[cls.__name__.lower()](Xs, Xt, random_state=0)
    np.testing.assert_allclose(model.source_weights_, ratio / ratio.mean())
    np.testing.assert_allclose(model.density_ratio(Xs), ratio)
    plain = LogisticRegression().fit(Xs, ys, sample_weight=model.source_weights_)
    np.testing.assert_allclose(model.estimator_.coef_, plain.coef_)
    # Labelled target rows take part with one weight, and the ratio is that of all target rows.
    some = np.where(np.arange(150) < 60, yt, -1)
    for balance, factors in (("rows", [1, 1]), ("domains", [210 / 2 / 150, 210 / 2 / 60])):
        labelled = cls(random_state=0, min_effective_share=0, balance=balance)
        labelled.fit(Xs, ys, Xt, some)
        np.testing.assert_array_equal(labelled.source_weights_, model.source_weights_)
        plain = LogisticRegression().fit(
            np.concatenate([Xs, Xt[:60]]),
            np.concatenate([ys, yt[:60]]),
            sample_weight=np.concatenate([factors[0] * model.source_weights_, [factors[1]] * 60]),
        )
        np.testing.assert_allclose(labelled.estimator_.coef_, plain.coef_)


@every_class
def test_ratio_at_new_rows(cls):
    """The ratio is large where the target is, small where it is not, as in the truth."""
    Xs, Xt, _ = normal_shift(0, 500, 1, 1.0, 0.7)
    ys = (Xs[:, 0] > 0).astype(int)
    model = cls(random_state=0).fit(Xs, ys, Xt)
    grid = np.linspace(-1.5, 1.7, 30)[:, None]
    true = np.exp(grid[:, 0] ** 2 / 2 - (grid[:, 0] - 1) ** 2 / (2 * 0.49)) / 0.7
    if cls is RULSIF:
        true = true / (0.1 * true + 0.9)
    np.testing.assert_allclose(model.density_ratio(grid), true, atol=0.7)
    assert np.corrcoef(model.density_ratio(grid), true)[0, 1] > 0.95
    far = model.density_ratio([[100.0], [-100.0]])
    np.testing.assert_array_equal(far, [0, 0])
    with pytest.raises(ValueError, match="X has 2 features"):
        model.density_ratio([[1.0, 2.0]])


@every_class
def test_pickles_hold_the_centers_alone(cls):
    Xs, ys, Xt, _ = curved(0, n=2000)
    model = cls(n_centers=20, random_state=0).fit(Xs, ys, Xt)
    stored = pickle.dumps(model)
    assert len(stored) < 5000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(restored.density_ratio(Xt), model.density_ratio(Xt))
    assert model.centers_.shape == (20, 2) and model.log_coef_.shape == (20,)


@every_class
def test_without_a_target_every_ratio_is_1(cls):
    Xs, ys, *_ = curved(0, n=100)
    with pytest.warns(NoTargetWarning):
        model = cls(random_state=0).fit(Xs, ys)
    np.testing.assert_array_equal(model.density_ratio(Xs), np.ones(100))
    np.testing.assert_array_equal(model.source_weights_, np.ones(100))
    np.testing.assert_allclose(model.estimator_.coef_, LogisticRegression().fit(Xs, ys).coef_)
    assert model.gamma_ is None and model.cv_results_ is None


@every_class
def test_estimators_that_cannot_be_weighted(cls):
    Xs, ys, Xt, _ = curved(0, n=50)
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        cls(KNeighborsClassifier()).fit(Xs, ys, Xt)
