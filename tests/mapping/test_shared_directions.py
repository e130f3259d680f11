"""How many directions count by default: fewer where each domain varies in directions of its own."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from skdtl import BDA, JDA, SSTCA, TCA, TJM, SourceOnly, datasets
from skdtl.mapping import _shared_directions
from skdtl.mapping._feature_space import FeatureSpace
from skdtl.mapping._shared_directions import overlap, shared_directions

METHODS = [TCA, SSTCA, TJM, JDA, BDA]


@cache
def texts(seed, n=300, own=True, loud=0.5):
    """Return word counts: words of each class in both domains, and subjects of one domain alone.

    With ``own=False`` both domains have the same subjects.
    """
    rng = np.random.default_rng(seed)
    sides = []
    for domain in range(2):
        y = np.arange(n) % 2
        rates = np.full((n, 200 + 80 * 30), 0.001)
        rates[:, :100] = np.where(y == 0, 0.12, 0.06)[:, None]
        rates[:, 100:200] = np.where(y == 1, 0.12, 0.06)[:, None]
        # Twenty subjects in each class, of 30 words each.
        subject = 40 * (domain if own else 0) + 2 * rng.integers(20, size=n) + y
        for row, start in zip(rates, 200 + 30 * subject):
            row[start : start + 30] += loud
        sides += [normalize(np.log1p(rng.poisson(rates))), y]
    return sides


def wide(seed, n_s=100, n_t=80, d=300):
    """Return two samples of one table with more columns than rows, of falling variances."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_s + n_t, d)) * np.linspace(3, 0.3, d)
    return X[:n_s], X[n_s:]


def test_overlap_by_its_definition(monkeypatch):
    monkeypatch.setattr(_shared_directions, "_STANDARD_ERRORS", 0.0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 90)) * np.linspace(2, 0.1, 90)
    X[40:, :20] /= 3  # other columns vary
    halves = [np.arange(20), np.arange(20, 40)], [np.arange(40, 55), np.arange(55, 70)]
    quotients = []
    for (first, second), (third, fourth) in (halves, halves[::-1]):
        others = X[np.concatenate([third, fourth])]
        own = other = 0.0
        for half, rest in ((first, second), (second, first)):
            pca = PCA(5, svd_solver="full").fit(X[half])
            own += pca.transform(X[rest]).var(axis=0).sum()
            other += pca.transform(others).var(axis=0).sum()
        quotients.append(other / own)
    expected = np.sqrt(np.prod(quotients))
    assert expected < 0.9
    assert_allclose(overlap(X @ X.T, *halves, most=5), expected)


def test_chance_takes_nothing_from_the_overlap(monkeypatch):
    """Two samples of one table share everything, but for two standard errors."""
    found = {errors: [] for errors in (0.0, 2.0)}
    for errors, shares in found.items():
        monkeypatch.setattr(_shared_directions, "_STANDARD_ERRORS", errors)
        for seed in range(20):
            Xs, Xt = wide(seed, n_s=40, n_t=30)
            X = np.concatenate([Xs, Xt])
            rows = np.arange(70)
            halves = [rows[:20], rows[20:40]], [rows[40:55], rows[55:]]
            shares.append(overlap(X @ X.T, *halves, most=30))
    assert np.mean(np.array(found[0.0]) < 1) > 0.25
    assert np.mean(np.array(found[2.0]) < 1) < 0.1


def test_overlap_has_no_unit_and_knows_where_there_is_none():
    Xs, ys, Xt, yt = texts(0)
    X = np.concatenate([Xs, Xt])
    halves = np.split(np.arange(300), 2), np.split(np.arange(300, 600), 2)
    found = overlap(X @ X.T, *halves, most=50)
    assert 0.5 < found < 0.9
    assert_allclose(overlap(1e6 * X @ X.T, *halves, most=50), found)
    X[:300, :1300], X[300:, 1300:] = 0, 0  # no column varies in both
    assert overlap(X @ X.T, *halves, most=50) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_few_directions_where_each_domain_has_its_own(seed):
    Xs, ys, Xt, yt = texts(seed)
    space = FeatureSpace((Xs, Xt))
    assert shared_directions(space, 300, 100) < 30
    same = texts(seed, own=False)
    assert shared_directions(FeatureSpace((same[0], same[2])), 300, 100) == 100
    assert shared_directions(FeatureSpace((sp.csr_array(Xs), sp.csr_array(Xt))), 300, 100) < 30


@pytest.mark.parametrize("n_s, n_t", [(100, 80), (60, 12), (5, 5), (3, 40)])
def test_all_directions_where_nothing_has_shifted(n_s, n_t):
    for seed in range(5):
        Xs, Xt = wide(seed, n_s, n_t)
        assert shared_directions(FeatureSpace((Xs, Xt)), n_s, 100) == 100


def test_all_directions_where_none_is_worth_it():
    """One direction would hold next to nothing of the rows."""
    Xs, _, Xt, _ = texts(0, n=150, loud=1.0)
    assert shared_directions(FeatureSpace((Xs, Xt)), 150, 100) == 100


def test_some_rows_tell(monkeypatch):
    Xs, _, Xt, _ = texts(0)
    asked = []
    space = FeatureSpace((Xs, Xt))
    gram = space.gram
    monkeypatch.setattr(space, "gram", lambda numbers: asked.append(numbers) or gram(numbers))
    monkeypatch.setattr(_shared_directions, "MAX_ROWS", 240)
    assert shared_directions(space, 300, 100) < 40
    assert np.sum(asked[0] < 300) == np.sum(asked[0] >= 300) == 240


@pytest.mark.parametrize("numbers", [np.arange(600), np.arange(5, 600, 3)])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_products_of_some_rows(numbers, convert):
    Xs, _, Xt, _ = texts(0)
    X = np.concatenate([Xs, Xt])[numbers]
    found = FeatureSpace((convert(Xs), convert(Xt))).gram(numbers)
    assert_allclose(found, X @ X.T, atol=1e-12)


@pytest.mark.parametrize("cls", METHODS)
def test_methods_take_as_many_and_gain_by_it(cls):
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = texts(seed)
        model = cls().fit(Xs, ys, Xt)
        assert model.n_components_ == shared_directions(FeatureSpace((Xs, Xt)), 300, 100)
        all_of_them = cls(n_components=100).fit(Xs, ys, Xt)
        assert all_of_them.n_components_ == 100
        gains.append(model.score(Xt, yt) - all_of_them.score(Xt, yt))
    assert np.mean(gains) > 0.03


@pytest.mark.parametrize("kernel", ["rbf", lambda X, Y: X @ Y.T])
def test_other_kernels_take_all(kernel):
    Xs, ys, Xt, _ = texts(0)
    assert TCA(kernel=kernel).fit(Xs, ys, Xt).n_components_ == 100


def test_without_a_target_nothing_is_left_out():
    Xs, ys, _, _ = texts(0)
    with pytest.warns(UserWarning, match="without a target"):
        assert TCA().fit(Xs, ys).n_components_ == 100


@pytest.mark.skipif(not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the data")
@pytest.mark.parametrize("cls", [TCA, JDA])
def test_newsgroups(cls):
    data = datasets.load_newsgroups("sci-talk")
    rng = np.random.RandomState(0)
    s, t = rng.permutation(len(data.ys))[:500], rng.permutation(len(data.yt))[:400]
    Xs, Xt = (normalize(sp.csr_array(X).log1p()) for X in (data.Xs[s], data.Xt[t]))
    scores = [
        model.fit(Xs, data.ys[s], Xt).score(Xt, data.yt[t])
        for model in (SourceOnly(LogisticRegression()), cls())
    ]
    assert scores[1] - scores[0] > 0.05


def test_two_samples_of_one_table_share_all():
    """Chance hides some of it, which two standard errors give back in most draws."""
    shares = []
    for seed in range(20):
        Xs, Xt = wide(seed)
        X, halves = np.concatenate([Xs, Xt]), np.array_split(np.arange(180), [50, 100, 140])
        shares.append(overlap(X @ X.T, halves[:2], halves[2:], most=30))
    assert np.mean(np.array(shares) == 1) > 0.8


def test_all_directions_that_hold_something_are_as_many_as_may_be(monkeypatch):
    """Half of the rows have fewer directions than all of them: their last is no reason to stop."""
    Xs, Xt = wide(0)
    monkeypatch.setattr(_shared_directions, "overlap", lambda *args: 1 - 1e-9)
    assert shared_directions(FeatureSpace((Xs, Xt)), len(Xs), 500) == 500
