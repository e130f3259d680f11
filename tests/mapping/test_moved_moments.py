"""Moments that chance may have moved count as not moved: CORAL and LinearOTMapping."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skdtl import CORAL, LinearOTMapping, SourceOnly
from skdtl.mapping._affine import moved_moments


@pytest.fixture(params=[CORAL, LinearOTMapping])
def cls(request):
    if request.param is LinearOTMapping:
        pytest.importorskip("ot")
    return request.param


def samples(seed, n_s=50, n_t=30, d=4):
    rng = np.random.default_rng(seed)
    return rng.standard_t(8, size=(n_s, d)) + 1.0, rng.standard_t(8, size=(n_t, d)) + 1.0


def moments(Xs, Xt, allowance):
    means = Xs.mean(axis=0), Xt.mean(axis=0)
    Xs, Xt = Xs - means[0], Xt - means[1]
    covariances = Xs.T @ Xs / len(Xs), Xt.T @ Xt / len(Xt)
    return means, covariances, moved_moments(Xs, Xt, means, covariances, allowance)


def test_shares_by_their_definition():
    Xs, Xt = samples(0)
    Xt = 1.5 * Xt + 0.5
    means, covariances, found = moments(Xs, Xt, 0.7)
    chances = [0.0, 0.0]
    for X, m, C in zip((Xs, Xt), means, covariances):
        for x in X:
            chances[0] += np.sum((x - m) ** 2) / len(X) ** 2
            chances[1] += np.sum((np.outer(x - m, x - m) - C) ** 2) / len(X) ** 2
    for (source, target), chance, moved in zip((means, covariances), chances, found):
        share = 1 - 0.7 * chance / np.sum((target - source) ** 2)
        assert 0.3 < share < 0.99
        assert_allclose(moved, source + share * (target - source))


def test_chance_is_what_random_samples_have():
    """Four times its mean is hardly ever reached, a quarter of it nearly always."""
    stays = {4: [], 0.25: []}
    for allowance, found in stays.items():
        for seed in range(200):
            means, covariances, moved = moments(*samples(seed), allowance)
            pairs = zip(moved, (means, covariances))
            found.append([np.allclose(moment, pair[0]) for moment, pair in pairs])
    assert np.mean(stays[4], axis=0).min() > 0.9
    assert np.mean(stays[0.25], axis=0).max() < 0.2


def test_without_an_allowance_all_counts():
    means, covariances, found = moments(*samples(1), 0)
    for pair, moved in zip((means, covariances), found):
        np.testing.assert_array_equal(moved, pair[1])


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_iris])
def test_random_halves_lose_nothing(cls, load):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    changes = []
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(len(y))
        source, target = np.array_split(rows, 2)
        Xs, ys, Xt = X[source], y[source], X[target]
        plain, default = (m.fit(Xs, ys, Xt).score(Xt, y[target]) for m in (SourceOnly(), cls()))
        changes.append(default - plain)
    assert np.mean(changes) > -0.005


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_units_do_not_count(cls, factor):
    Xs, Xt = samples(0)
    Xt = 1.5 * Xt + 0.5
    model = cls(estimator="passthrough")
    options = {"lam": factor**2} if cls is CORAL else {}
    moved = model.fit(Xs, None, Xt).transform(Xs, domain="source")
    scaled = cls(estimator="passthrough", **options).fit(factor * Xs, None, factor * Xt)
    found = scaled.transform(factor * Xs, domain="source")
    assert_allclose(found / factor, moved, rtol=1e-6)
    assert abs(moved - Xs).max() > 0.1


def test_the_parameter_arrives(cls):
    Xs, Xt = samples(0)
    found = {
        allowance: cls(estimator="passthrough", allowance=allowance)
        .fit(Xs, None, Xt)
        .transform(Xs, domain="source")
        for allowance in (0, 4.0, 1e9)
    }
    assert_allclose(found[1e9], Xs, atol=1e-8)
    assert_allclose(found[0].mean(axis=0), Xt.mean(axis=0))
    default = cls(estimator="passthrough").fit(Xs, None, Xt).transform(Xs, domain="source")
    assert_allclose(default, found[4.0])
