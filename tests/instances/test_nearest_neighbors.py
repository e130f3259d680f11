"""NearestNeighborWeighting: counts by hand, known ratios, and what it is good for."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression

from skdtl import NearestNeighborWeighting, NoTargetWarning, SourceOnly
from skdtl.instances import nearest_neighbor_weights, nearest_neighbors
from skdtl.instances.nearest_neighbors import (
    CANDIDATES,
    cross_validated_neighbors,
    neighbor_ratio,
)

from ..shifts import cubic, normal_shift
from .truth import against_truth, cubic_error


def test_counts_by_hand():
    Xs, Xt = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.5], [2.0], [2.5], [2.9], [20.0]])
    # k = 1: radii 1, 1, 2, 4 reach 1, 2, 3, 0 + 1 target rows; k = 2: 3, 2, 3, 6.
    one = np.array([1, 2, 3, 0]) / 5 * 4
    one[3] = 0  # [3, 11] holds none of 0.5, 2, 2.5, 2.9, 20
    np.testing.assert_allclose(nearest_neighbor_weights(Xs, Xt, n_neighbors=1), one)
    two = np.array([4, 4, 4, 3]) / 5 * 4 / 2
    np.testing.assert_allclose(nearest_neighbor_weights(Xs, Xt, n_neighbors=2), two)
    # A row of neither: radius 2 to the nearest of 4, [3, 7] holds two source rows, no target row;
    # [-1, 11] holds all of the source and 4 of 5.
    ratio = neighbor_ratio(np.array([[5.0]]), Xs, Xt, [1, 4])
    np.testing.assert_allclose(ratio, [[0.0], [4 / 5 * 5 / 4]])
    # A target row does not count itself.
    ratio = neighbor_ratio(Xt[1:2], Xs, Xt, [1], own_target=np.array([1]))
    np.testing.assert_allclose(ratio, [[2 / 4 * 5 / 2]])  # [1, 3]: 2.5, 2.9; 1 and 3


@pytest.mark.parametrize("k", [1, 4])
def test_counts_by_loops(k):
    Xs, Xt, _ = normal_shift(0, n=60, d=3, n_target=35)
    found = nearest_neighbor_weights(Xs, Xt, n_neighbors=k)
    for i in range(60):
        others = np.linalg.norm(np.delete(Xs, i, axis=0) - Xs[i], axis=1)
        radius = np.sort(others)[k - 1]
        inside = np.sum(np.linalg.norm(Xt - Xs[i], axis=1) <= radius)
        assert found[i] == pytest.approx(60 * inside / (35 * k))


def test_batches(monkeypatch):
    Xs, Xt, _ = normal_shift(0, n=60)
    whole = nearest_neighbor_weights(Xs, Xt)
    monkeypatch.setattr(nearest_neighbors, "BATCH", 7)
    np.testing.assert_array_equal(nearest_neighbor_weights(Xs, Xt), whole)


@pytest.mark.parametrize("n_features", [4, 37])
def test_equal_rows_are_counted_together(n_features):
    """Few distinct values: the ratio is that of the frequencies within the radius."""
    rng = np.random.default_rng(0)
    values = 100 * rng.normal(size=(3, n_features))
    ns, nt = np.array([201, 103, 97]), np.array([21, 122, 57])
    Xs, Xt = np.repeat(values, ns, axis=0), np.repeat(values, nt, axis=0)
    found = {k: nearest_neighbor_weights(Xs, Xt, n_neighbors=k) for k in (5, 250)}
    for k in range(3):
        own = np.repeat(np.arange(3), ns) == k
        np.testing.assert_allclose(found[5][own], nt[k] / 200 / ((ns[k] - 1) / 401))
        # 250 neighbours are those of the nearest other values too.
        order = np.argsort(np.linalg.norm(values - values[k], axis=1))
        inside = order[: 2 if ns[order[:2]].sum() > 250 else 3]
        expected = nt[inside].sum() / 200 / ((ns[inside].sum() - 1) / 401)
        np.testing.assert_allclose(found[250][own], expected)


def test_rows_far_from_the_origin():
    Xs, Xt, _ = normal_shift(0, n=200)
    Xs, Xt = np.round(Xs * 64) / 64, np.round(Xt * 64) / 64  # exact after a shift, too
    expected = nearest_neighbor_weights(Xs, Xt, n_neighbors=10)
    found = nearest_neighbor_weights(Xs + 2.0**26, Xt + 2.0**26, n_neighbors=10)
    np.testing.assert_allclose(found, expected)


def test_unbiased_where_the_domains_are_alike():
    """The mean over 40 draws is 1, to 2 %, at source rows, at others, and for both of the own."""
    means = []
    for seed in range(40):
        Xs, Xt, _ = normal_shift(seed, n=60, n_target=50, mean=0.0, sd=1.0, d=1)
        new = normal_shift(seed + 100, n=60, d=1)[0]
        means.append(
            [
                neighbor_ratio(Xs, Xs, Xt, [5], own_source=np.arange(60)).mean(),
                neighbor_ratio(new, Xs, Xt, [5]).mean(),
                neighbor_ratio(Xt, Xs, Xt, [5], own_target=np.arange(50)).mean(),
            ]
        )
    np.testing.assert_allclose(np.mean(means, axis=0), 1, atol=0.05)


def test_cross_validation_by_hand():
    larger = []
    for seed, n_target in ((0, 40), (1, 40), (2, 40), (3, 40), (0, 12), (5, 12), (8, 12)):
        Xs, Xt, _ = normal_shift(seed, n=50, n_target=n_target, d=1)
        terms = {}
        for k in [k for k in CANDIDATES if k <= 25]:
            at_source = nearest_neighbor_weights(Xs, Xt, n_neighbors=k)
            at_target = []
            for j in range(n_target):
                radius = np.sort(np.linalg.norm(Xs - Xt[j], axis=1))[k - 1]
                others = np.linalg.norm(np.delete(Xt, j, axis=0) - Xt[j], axis=1)
                at_target.append(np.mean(others <= radius) * 51 / k)
            terms[k] = at_source**2 / 2, np.array(at_target)
        errors = {k: s.mean() - t.mean() for k, (s, t) in terms.items()}
        # A ratio that is far below 1 on the source's average says nothing of most of its rows.
        errors = {
            k: error if np.sqrt(2 * terms[k][0]).mean() >= 0.5 else np.inf
            for k, error in errors.items()
        }
        chosen = least = min(errors, key=errors.get)
        for k, (s, t) in terms.items():
            spread = (s - terms[least][0]).var() / 50 + (t - terms[least][1]).var() / n_target
            if errors[k] - errors[least] <= np.sqrt(spread):
                chosen = k
        assert cross_validated_neighbors(Xs, Xt) == chosen
        larger.append(chosen > least)
        model = NearestNeighborWeighting(LinearRegression()).fit(Xs, Xs[:, 0], Xt)
        assert model.n_neighbors_ == chosen
        np.testing.assert_array_equal(
            nearest_neighbor_weights(Xs, Xt), nearest_neighbor_weights(Xs, Xt, n_neighbors=chosen)
        )
    assert any(larger)


def test_cross_validation_takes_as_many_as_the_shift_allows():
    """Alike domains: as many as possible. Sharp and well covered: fewer."""
    alike = [cross_validated_neighbors(*normal_shift(i, mean=0, sd=1.0)[:2]) for i in range(3)]
    sharp = [cross_validated_neighbors(*normal_shift(i, sd=0.15)[:2]) for i in range(3)]
    assert min(alike) > 80
    assert max(sharp) < 40
    # With more rows than are asked, in any order.
    Xs, Xt, _ = normal_shift(0, n=1300, n_target=1200)
    assert cross_validated_neighbors(Xs, Xt) == cross_validated_neighbors(Xs[::-1], Xt[::-1])


def test_judges_are_spread_over_all_rows(monkeypatch):
    monkeypatch.setattr(nearest_neighbors, "N_JUDGES", 100)
    for seed in range(3):
        X, _, _ = normal_shift(seed, n=650, d=1)
        rows = nearest_neighbors._some_rows(X)
        assert len(set(rows)) == 100
        shares = np.linspace(0.1, 0.9, 9)
        far = np.abs(np.quantile(X[rows, 0], shares) - np.quantile(X[:, 0], shares))
        assert far.max() < 0.1


def test_recovers_a_known_ratio():
    """Mean correlation above .85 over 5 seeds, effective sizes within a factor of 1.7."""
    for options in ({"d": 1}, {"d": 2}, {"d": 3, "mean": 0.5}):
        correlations, sizes = against_truth(lambda *X: nearest_neighbor_weights(*X), **options)
        assert correlations.mean() > 0.85
        assert correlations.min() > 0.5
        assert sizes.min() > 1 / 1.7 and sizes.max() < 1.7


def test_a_ratio_that_no_exponential_fits():
    """The target is a ring: far from the logarithm of a linear or quadratic function."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, size=600), rng.normal(2, 0.1, size=600)
    Xt = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    Xs = rng.uniform(-3, 3, size=(1500, 2))
    distance = np.linalg.norm(Xs, axis=1)
    true = np.exp(-((distance - 2) ** 2) / 0.02) / distance
    weights = nearest_neighbor_weights(Xs, Xt)
    assert np.corrcoef(weights, true)[0, 1] > 0.8


def test_a_line_through_a_cubic():
    """Squared error on the target below .015 on average (true ratio: .005), .2 without weights."""
    weighted, plain = [], []
    for seed in range(6):
        Xs, ys, Xt = cubic(seed)
        model = NearestNeighborWeighting(LinearRegression()).fit(Xs, ys, Xt)
        weighted.append(cubic_error(model))
        plain.append(cubic_error(SourceOnly(LinearRegression()).fit(Xs, ys, Xt)))
    assert np.mean(plain) > 0.15
    assert np.mean(weighted) < 0.015
    assert np.max(weighted) < 0.03


def test_estimator_and_function_agree():
    Xs, ys, Xt = cubic(0)
    for k in ("cv", 7):
        model = NearestNeighborWeighting(LinearRegression(), n_neighbors=k, min_effective_share=0)
        model.fit(Xs, ys, Xt)
        raw = nearest_neighbor_weights(Xs, Xt, n_neighbors=k)
        np.testing.assert_allclose(model.source_weights_, raw / raw.mean())
        expected = LinearRegression().fit(Xs, ys, raw)
        np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)
    assert model.n_neighbors_ == 7


def test_density_ratio_of_new_rows():
    Xs, Xt, _ = normal_shift(1, n=2000, d=1, sd=1.0, mean=0.5, n_target=1000)
    model = NearestNeighborWeighting(LinearRegression()).fit(Xs, Xs[:, 0], Xt)
    grid = np.linspace(-1, 1.5, 6)[:, None]
    true = np.exp(0.5 * grid[:, 0] - 0.125)
    np.testing.assert_allclose(model.density_ratio(grid), true, rtol=0.3)
    np.testing.assert_allclose(model.density_ratio(sp.csr_array(grid)), model.density_ratio(grid))
    np.testing.assert_array_equal(
        model.density_ratio(grid), neighbor_ratio(grid, Xs, Xt, [model.n_neighbors_])[0]
    )
    stored = pickle.dumps(model)
    assert len(stored) < 3000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(restored.predict(grid), model.predict(grid))
    with pytest.raises(AttributeError, match=r"'rows_'.* lost by pickling"):
        restored.density_ratio(grid)


def test_order_and_sparse_rows_do_not_matter():
    Xs, Xt, _ = normal_shift(0, n=200, n_target=150)
    order = np.random.default_rng(0).permutation(200)
    weights = nearest_neighbor_weights(Xs, Xt)
    np.testing.assert_allclose(nearest_neighbor_weights(Xs[order], Xt[::-1]), weights[order])
    np.testing.assert_allclose(
        nearest_neighbor_weights(sp.csr_array(Xs), sp.csr_array(Xt)), weights
    )


def test_errors():
    Xs, Xt, _ = normal_shift(0, n=30)
    with pytest.raises(ValueError, match="Xt has 1 features, but Xs has 2"):
        nearest_neighbor_weights(Xs, Xt[:, :1])
    for k in (0, 30):
        with pytest.raises(ValueError, match=f"n_neighbors={k}, but .* 30 rows"):
            nearest_neighbor_weights(Xs, Xt, n_neighbors=k)
    for k in ("cv", 3):
        with pytest.raises(ValueError, match="the domains do not overlap"):
            nearest_neighbor_weights(Xs, Xt + 100, n_neighbors=k)


def test_few_rows():
    Xs, Xt, _ = normal_shift(0, n=5)
    np.testing.assert_array_equal(nearest_neighbor_weights(Xs[:1], Xt), [1])
    assert nearest_neighbor_weights(Xs, Xs[:1] + 0.01).shape == (5,)


def test_without_target_it_is_the_estimator():
    Xs, ys, _ = cubic(0)
    with pytest.warns(NoTargetWarning):
        model = NearestNeighborWeighting(LinearRegression()).fit(Xs, ys)
    np.testing.assert_allclose(model.predict(Xs), LinearRegression().fit(Xs, ys).predict(Xs))
    np.testing.assert_array_equal(model.density_ratio(Xs), np.ones(200))
    assert model.n_neighbors_ is None
