"""The mathematics of a vote: exponents that make all equally sure, and trust."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdtl._voting import (
    PRIOR_ROWS,
    equal_confidence,
    likely_weights,
    normal_likelihoods,
    sharpened,
    trusting_weights,
)


def opinions(n_candidates=4, n=50, n_classes=3, seed=0):
    scores = np.random.default_rng(seed).normal(size=(n_candidates, n, n_classes))
    powers = np.exp(scores * np.geomspace(0.5, 8, n_candidates)[:, None, None])
    return powers / powers.sum(axis=2, keepdims=True)


def test_exponents_by_hand():
    assert_allclose(sharpened(np.array([[0.2, 0.8]]), 2), [[0.04 / 0.68, 0.64 / 0.68]])
    assert_allclose(sharpened(np.array([[0.0, 1.0]]), 0.5), [[0.001 / 1.001, 1 / 1.001]])
    shares = np.array([[0.0, 1.0]])
    assert_array_equal(sharpened(shares, 1.0), shares)


def test_all_are_equally_sure_and_predict_what_they_did():
    shares = opinions()
    exponents = equal_confidence(shares)
    found = np.array([sharpened(*pair) for pair in zip(shares, exponents)])
    confidence = found.max(axis=2).mean(axis=1)
    assert_allclose(confidence, shares.max(axis=2).mean(), rtol=1e-6)
    assert_array_equal(found.argmax(axis=2), shares.argmax(axis=2))
    assert (np.diff(exponents) < 0).all()  # the surer, the less it counts


def test_one_alone_or_all_alike_stay_as_they_are():
    shares = opinions()
    assert equal_confidence(shares[:1]) == pytest.approx([1])
    assert_allclose(equal_confidence(shares[[1, 1]]), [1, 1], rtol=1e-6)


def test_who_knows_nothing_cannot_be_made_sure():
    shares = np.stack([np.full((10, 2), 0.5), np.tile([0.9, 0.1], (10, 1))])
    exponents = equal_confidence(shares)
    assert exponents[0] == pytest.approx(20)
    assert sharpened(shares[1], exponents[1])[0, 0] == pytest.approx(0.7)


def test_trust():
    adapts = np.array([False, True, True, False])
    assert_allclose(trusting_weights(adapts, 1.0, 0.5), [0.25] * 4)
    assert_allclose(trusting_weights(adapts, 0.5, 0.5), [0.5, 0, 0, 0.5])
    assert_allclose(trusting_weights(adapts, 0.7, 0.5), [0.4, 0.1, 0.1, 0.4])


def slow_posterior(weights, likelihoods):
    """Return the logarithm of the posterior density of weights."""
    prior = PRIOR_ROWS / len(weights)
    found = sum(prior * np.log(w) for w in weights)
    for row in range(likelihoods.shape[1]):
        found += np.log(sum(w * likelihoods[k, row] for k, w in enumerate(weights)))
    return found


def test_weights_are_the_mode_of_their_posterior():
    rng = np.random.default_rng(0)
    likelihoods = rng.uniform(size=(3, 40)) ** [[1], [0.5], [3]]
    weights = likely_weights(likelihoods)
    best = slow_posterior(weights, likelihoods)
    for k, other in itertools.permutations(range(3), 2):
        moved = weights.copy()
        moved[k] += 0.003
        moved[other] -= 0.003
        assert slow_posterior(moved, likelihoods) < best
    assert weights[1] > weights[0] > weights[2]
    assert_allclose(likely_weights(1e-5 * likelihoods), weights, atol=1e-5)


def test_nobody_is_believed_alone_by_few_rows():
    likelihoods = np.array([[1.0] * 5, [1e-6] * 5])
    assert_allclose(likely_weights(likelihoods), [1 - 1 / 4, 1 / 4], atol=1e-4)
    assert_allclose(likely_weights(np.ones((4, 7))), [0.25] * 4)


def test_normal_likelihoods_by_hand():
    errors = np.array([[1.0, -2.0], [0.0, 4.0]])
    given = normal_likelihoods(errors)
    variance = (1 + 4 + 0 + 16) / 4
    expected = np.exp(-np.array([[1, 0], [0, 12]]) / (2 * variance))
    assert_allclose(given(None), expected)
    shares = np.array([[0.25, 1.0], [0.75, 0.0]])
    variance = (0.25 * 1 + 4) / 2
    assert_allclose(given(shares), np.exp(-np.array([[1, 0], [0, 12]]) / (2 * variance)))


def test_numbers_that_are_right_to_the_last_digit():
    errors = np.stack([np.zeros(20), np.full(20, 0.5)])
    weights = likely_weights(normal_likelihoods(errors))
    assert weights[0] == pytest.approx((PRIOR_ROWS / 2 + 20) / (PRIOR_ROWS + 20), abs=1e-4)
    assert_allclose(likely_weights(normal_likelihoods(np.zeros((2, 5)))), [0.5, 0.5])
