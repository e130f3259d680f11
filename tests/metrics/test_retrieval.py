"""Retrieval against slow definitions: mean average precision, Hamming distances, neighbours."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdtl import CORAL, RetrievalScorer, TargetKFold, stack
from skdtl.metrics import (
    _retrieval,
    hamming_distances,
    hamming_neighbors,
    mean_average_precision,
)

from ..shifts import two_domains


def slow_map(y_queries, y_database, distances):
    """Every row of a query's class: the share of its class among those that are no farther."""
    means = []
    for y, row in zip(y_queries, distances):
        shares = []
        for k, d in enumerate(row):
            if y_database[k] == y:
                within = [y_database[i] == y for i, other in enumerate(row) if other <= d]
                shares.append(sum(within) / len(within))
        if shares:
            means.append(sum(shares) / len(shares))
    return sum(means) / len(means)


@pytest.mark.parametrize("n_values", [2, 5, 1000], ids=["many ties", "ties", "hardly a tie"])
@pytest.mark.parametrize("most", [2**22, 50], ids=["at once", "in blocks"])
def test_mean_average_precision_is_its_definition(n_values, most, monkeypatch):
    monkeypatch.setattr(_retrieval, "_MOST_DISTANCES", most)
    rng = np.random.default_rng(0)
    y, y_database = rng.choice(["a", "b", "c"], 17), rng.choice(["a", "b", "c"], 40)
    distances = rng.integers(n_values, size=(17, 40))
    score = mean_average_precision(y, y_database, distances)
    assert score == pytest.approx(slow_map(y, y_database, distances), rel=1e-12)
    of_sklearn = [average_precision_score(y_database == a, -d) for a, d in zip(y, distances)]
    assert score == pytest.approx(np.mean(of_sklearn), rel=1e-12)
    # An order of rows or of queries is no matter, nor a scale that leaves the order.
    order, queries = rng.permutation(40), rng.permutation(17)
    other = 3.0 * distances[queries][:, order] + 1
    assert mean_average_precision(y[queries], y_database[order], other) == pytest.approx(score)


def test_mean_average_precision_by_hand():
    assert mean_average_precision([1, 0], [1, 0], [[0.0, 1.0], [1.0, 0.0]]) == 1
    assert mean_average_precision([1], [1, 0], [[1.0, 0.0]]) == 0.5
    assert mean_average_precision([1], [1, 0, 0, 0], [[0, 0, 0, 0]]) == 0.25  # all come together
    assert mean_average_precision([1], [0, 1, 1, 0], [[1, 2, 2, 3]]) == pytest.approx(2 / 3)


def test_queries_without_their_like_are_left_out():
    distances = [[0, 1], [0, 1]]
    assert mean_average_precision([1, 7], [0, 1], distances) == 0.5
    with pytest.warns(UndefinedMetricWarning, match="no row of any query's class"):
        assert np.isnan(mean_average_precision([7, 8], [0, 1], distances))


def test_mean_average_precision_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"shape \(1, 3\), but .* lengths \(1, 2\)"):
        mean_average_precision([1], [0, 1], [[0, 1, 2]])
    with pytest.raises(ValueError, match="NaN"):
        mean_average_precision([1], [0, 1], [[0, np.nan]])


# -- the scorer ------------------------------------------------------------------------------------


def test_the_scorer_ranks_by_what_transform_gives():
    Xs, ys, Xt, yt = two_domains()
    model = PCA(2).fit(Xs)
    queries, database = model.transform(Xt), model.transform(Xs)
    apart = ((queries[:, None] - database) ** 2).sum(axis=2)
    score = RetrievalScorer(Xs, ys)(model, Xt, yt)
    assert score == pytest.approx(slow_map(yt, ys, apart), rel=1e-9)
    assert score != pytest.approx(mean_average_precision(yt, ys, -apart), rel=1e-2)


@pytest.mark.parametrize("most", [2**22, 200], ids=["at once", "in blocks"])
def test_without_a_database_the_queries_find_each_other(most, monkeypatch):
    monkeypatch.setattr(_retrieval, "_MOST_DISTANCES", most)
    Xs, ys, *_ = two_domains(n_source=30)
    model = PCA(2).fit(Xs)
    Z = model.transform(Xs)
    apart = ((Z[:, None] - Z) ** 2).sum(axis=2)
    expected = [
        slow_map(ys[[i]], np.delete(ys, i), np.delete(apart[[i]], i, axis=1)) for i in range(30)
    ]
    assert RetrievalScorer()(model, Xs, ys) == pytest.approx(np.mean(expected), rel=1e-9)


def test_the_database_is_mapped_as_rows_of_its_domain():
    Xs, ys, Xt, yt = two_domains()
    model = CORAL(estimator="passthrough").fit(Xs, ys, Xt)
    mapped, there = model.transform(Xt), model.transform(Xs, domain="source")
    apart = ((mapped[:, None] - there) ** 2).sum(axis=2)
    scores = [RetrievalScorer(Xs, ys, domain=d)(model, Xt, yt) for d in ("source", "target")]
    assert scores[0] == pytest.approx(mean_average_precision(yt, ys, apart), rel=1e-9)
    assert scores[0] != scores[1]


def test_the_scorer_in_a_search():
    Xs, ys, Xt, yt = two_domains()
    scorer = RetrievalScorer(Xs, ys)
    scores = cross_val_score(PCA(3), Xt, yt, scoring=scorer, cv=2)
    assert len(scores) == 2 and (scores > 0.4).all()
    X, y, domain = stack(Xs, ys, Xt, yt)
    model = CORAL(estimator="passthrough")
    search = GridSearchCV(model, {"lam": [0.1, 1.0]}, scoring=scorer, cv=TargetKFold(2))
    search.fit(X, y, groups=domain, sample_domain=domain)
    assert search.best_score_ > 0.4


def test_what_the_scorer_refuses_and_shows():
    with pytest.raises(ValueError, match="give both or neither"):
        RetrievalScorer([[0.0]])
    with pytest.raises(ValueError, match="domain must be 'source' or 'target'; got 'both'"):
        RetrievalScorer(domain="both")
    assert repr(RetrievalScorer()) == "RetrievalScorer()"
    assert repr(RetrievalScorer([[0.0]], [1])) == "RetrievalScorer(<1 rows>, domain='target')"


# -- Hamming distances -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_bits", [1, 7, 8, 48, 64, 65, 130])
def test_hamming_distances_count_bits(n_bits):
    rng = np.random.default_rng(n_bits)
    queries, database = rng.integers(2, size=(9, n_bits)), rng.integers(2, size=(50, n_bits))
    packed = [np.packbits(bits, axis=1) for bits in (queries, database)]
    apart = (queries[:, None] != database).sum(axis=2)
    np.testing.assert_array_equal(hamming_distances(*packed), apart)
    for n_neighbors in (1, 6, 50):
        distances, indices = hamming_neighbors(*packed, n_neighbors)
        expected = apart.argsort(axis=1, kind="stable")[:, :n_neighbors]
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(distances, np.take_along_axis(apart, expected, axis=1))


def test_a_hundred_queries_among_a_hundred_thousand_codes_take_no_second():
    rng = np.random.default_rng(0)
    database = rng.integers(256, size=(100_000, 8), dtype=np.uint8)
    queries = database[:100].copy()
    queries[:, 0] ^= 1
    times = []
    for _ in range(3):  # the best of three: others may use the processor, too
        begin = time.process_time()
        distances, indices = hamming_neighbors(queries, database, 10)
        times.append(time.process_time() - begin)
    np.testing.assert_array_equal(indices[:, 0], np.arange(100))
    assert (distances[:, 0] == 1).all() and min(times) < 1.0


def test_what_is_no_packed_code_is_refused():
    codes = np.zeros((3, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"queries must hold packed codes, .* got float64"):
        hamming_distances(np.ones((3, 2)), codes)
    with pytest.raises(ValueError, match=r"database must hold .* shape \(2,\)"):
        hamming_neighbors(codes, codes[0])
    with pytest.raises(ValueError, match="queries has codes of 2 bytes, but database of 1"):
        hamming_distances(codes, codes[:, :1])
    for n_neighbors in (0, 4, 1.5):
        with pytest.raises(ValueError, match="n_neighbors must be an int from 1 to 3"):
            hamming_neighbors(codes, codes, n_neighbors)
