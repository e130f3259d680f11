"""The boosting core: weight updates by hand, votes, medians, and the loop's rules for stopping."""

import numpy as np
import pytest

from skdtl.instances._boosting_rounds import (
    adaboost_r2_update,
    boost,
    r2_losses,
    source_factor,
    tradaboost_r2_update,
    tradaboost_update,
    vote_start,
    weighted_median,
    weighted_votes,
)


def test_source_factor():
    # ln(e^2) = 2 and N = 1: 1 / (1 + sqrt(2 * 2 / 1)) = 1/3.
    assert source_factor(np.exp(2), 1) == pytest.approx(1 / 3)
    assert source_factor(100, 8) == pytest.approx(1 / (1 + np.sqrt(2 * np.log(100) / 8)))
    assert source_factor(1, 5) == 1
    assert source_factor(0, 5) == 1


def test_tradaboost_update_by_hand():
    weights = np.ones(6)
    wrong = np.array([True, False, True, False, False, False])
    updated, error, vote = tradaboost_update(weights, wrong, 2, beta=0.25)
    assert error == 0.25  # one of four target rows
    assert vote == pytest.approx(np.log(3))
    np.testing.assert_allclose(updated, [0.25, 1, 3, 1, 1, 1])
    np.testing.assert_array_equal(weights, np.ones(6))


def test_tradaboost_update_weighs_the_target_alone():
    weights = np.array([50.0, 50.0, 2.0, 1.0, 1.0])
    updated, error, _ = tradaboost_update(weights, np.array([1, 1, 0, 1, 0], bool), 2, beta=0.5)
    assert error == 0.25
    np.testing.assert_allclose(updated, [25, 25, 2, 3, 1])


def test_drift_correction_keeps_the_share_of_right_source_rows():
    weights = np.ones(8)
    wrong = np.array([True, False, False, False, True, False, False, False])
    plain, _, _ = tradaboost_update(weights, wrong, 4, beta=0.5)
    corrected, _, _ = tradaboost_update(weights, wrong, 4, beta=0.5, drift_correction=True)
    np.testing.assert_allclose(corrected[:4], 1.5 * plain[:4])  # 2 (1 - 1/4)
    np.testing.assert_allclose(corrected[4:], plain[4:])
    # The target's total grows from 4 to 3 + 3, i.e. by the same factor.
    assert plain[4:].sum() / 4 == pytest.approx(1.5)


def test_three_classes_follow_samme():
    wrong = np.array([True, True, False, False, False])
    updated, error, vote = tradaboost_update(np.ones(5), wrong, 1, beta=0.5, n_classes=3)
    assert error == 0.25
    assert vote == pytest.approx(np.log(3) + np.log(2))
    np.testing.assert_allclose(updated, [0.5, 6, 1, 1, 1])
    corrected, _, _ = tradaboost_update(np.ones(5), wrong, 1, 0.5, 3, drift_correction=True)
    assert corrected[0] == pytest.approx(0.5 * 3 * 0.75)
    assert updated[1:].sum() / 4 == pytest.approx(3 * 0.75)  # what the target grows by


@pytest.mark.parametrize(
    ("n_wrong", "n_classes", "votes"),
    [(4, 2, True), (5, 2, False), (6, 2, False), (6, 3, True), (7, 3, False), (10, 2, False)],
)
def test_vote_is_positive_only_above_chance(n_wrong, n_classes, votes):
    wrong = np.arange(10) < n_wrong
    _, _, vote = tradaboost_update(np.ones(10), wrong, 0, 1.0, n_classes)
    assert (vote > 0) == votes


def test_perfect_learner_leaves_the_target_as_it_is():
    updated, error, vote = tradaboost_update(np.ones(3), np.array([True, False, False]), 1, 0.5)
    assert error == 0
    np.testing.assert_allclose(updated, [0.5, 1, 1])
    assert vote == pytest.approx(np.log(3))  # as if half of one of two rows were wrong


def test_r2_losses_by_hand():
    residuals = np.array([-4.0, 2.0, 0.0, 1.0])
    np.testing.assert_allclose(r2_losses(residuals), [1, 0.5, 0, 0.25])
    np.testing.assert_allclose(r2_losses(residuals, "square"), [1, 0.25, 0, 0.0625])
    np.testing.assert_allclose(
        r2_losses(residuals, "exponential"), 1 - np.exp([-1.0, -0.5, 0.0, -0.25])
    )
    counted = np.array([False, True, True, True])
    np.testing.assert_allclose(r2_losses(residuals, counted=counted), [1, 1, 0, 0.5])
    np.testing.assert_array_equal(r2_losses(np.zeros(2)), [0, 0])


def test_tradaboost_r2_update_by_hand():
    losses = np.array([1.0, 0.5, 0.5, 0.0, 0.0, 0.5])
    updated, error, vote = tradaboost_r2_update(np.ones(6), losses, 2, beta=0.25)
    assert error == 0.25
    assert vote == pytest.approx(np.log(3))
    root = np.sqrt(3)
    np.testing.assert_allclose(updated, [0.25, 0.5, root, 1, 1, root])


def test_adaboost_r2_update_by_hand():
    losses = np.array([1.0, 0.0, 0.0, 0.0])
    updated, error, vote = adaboost_r2_update(np.ones(4), losses)
    assert error == 0.25
    assert vote == pytest.approx(np.log(3))
    beta = 1 / 3
    drucker = beta ** (1 - losses)
    np.testing.assert_allclose(updated, 4 * drucker / drucker.sum())


def test_adaboost_r2_update_freezes_the_source():
    weights = np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    losses = np.array([0.9, 0.0, 0.5, 0.0, 0.1])
    updated, error, _ = adaboost_r2_update(weights, losses, n_frozen=2)
    assert error == pytest.approx(0.27 + 0.1 + 0.01)  # over all rows
    np.testing.assert_array_equal(updated[:2], weights[:2])
    beta = error / (1 - error)
    moved = weights[2:] * beta ** (1 - losses[2:])
    np.testing.assert_allclose(updated[2:], 0.4 * moved / moved.sum())


def test_adaboost_r2_update_counts_rows_of_positive_weight():
    """A perfect learner votes as if half a row were wrong, of those that have a weight."""
    weights = np.array([0.0, 0.0, 0.5, 0.3, 0.2])
    updated, error, vote = adaboost_r2_update(weights, np.array([1.0, 1.0, 0.0, 0.0, 0.0]), 2)
    np.testing.assert_array_equal(updated, weights)
    assert error == 0
    assert vote == pytest.approx(np.log(5))  # (1 - 1/6) / (1/6)


def test_adaboost_r2_update_where_every_row_has_the_largest_loss():
    updated, error, vote = adaboost_r2_update(np.ones(2), np.ones(2))
    np.testing.assert_array_equal(updated, [1, 1])
    assert (error, vote) == (1, -np.inf)


@pytest.mark.parametrize("loss_updates", [tradaboost_r2_update, adaboost_r2_update])
def test_r2_learner_at_one_half_has_no_vote(loss_updates):
    losses = np.array([0.5, 0.5, 0.5, 0.5])
    arguments = (np.ones(4), losses, 0) + ((0.5,) if loss_updates is tradaboost_r2_update else ())
    assert loss_updates(*arguments)[2] <= 0


def test_last_half_begins_at_half_rounded_up():
    # Counted from 1, learners ceil(N/2)..N: 1..1, 1..2, 2..3, 2..4, 3..5, 3..6.
    assert [vote_start(n, "last_half") + 1 for n in range(1, 7)] == [1, 1, 2, 2, 3, 3]
    assert [vote_start(n, "all") for n in range(1, 7)] == [0] * 6


def test_weighted_median_by_hand():
    values = np.array([[1.0, 5.0], [2.0, 3.0], [10.0, 4.0]])
    np.testing.assert_array_equal(weighted_median(values, np.ones(3)), [2, 4])
    np.testing.assert_array_equal(weighted_median(values, np.array([1.0, 1.0, 5.0])), [10, 4])
    np.testing.assert_array_equal(weighted_median(values, np.array([2.0, 1.0, 1.0])), [1, 4])


def test_weighted_median_is_the_least_with_half_the_weight():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values, weights = rng.normal(size=(7, 1)), rng.random(7)
        expected = min(
            v for v in values[:, 0] if weights[values[:, 0] <= v].sum() >= weights.sum() / 2
        )
        assert weighted_median(values, weights)[0] == expected


def test_weighted_votes_by_hand():
    opinions = [np.eye(3)[codes] for codes in ([0, 1], [1, 1], [2, 0])]
    shares = weighted_votes(opinions, [1, 2, 5])
    np.testing.assert_allclose(shares, [[1 / 8, 2 / 8, 5 / 8], [5 / 8, 3 / 8, 0]])
    probabilities = [np.array([[0.2, 0.8]]), np.array([[0.9, 0.1]])]
    np.testing.assert_allclose(weighted_votes(probabilities, [1, 3]), [[2.9 / 4, 1.1 / 4]])


def play(votes, errors=None, **options):
    """Boost with given votes; each round doubles the first weight."""
    errors = errors or [0.1] * len(votes)
    seen = []

    def fit(weights):
        seen.append(weights.copy())
        return len(seen), np.full(3, len(seen))

    def update(weights, prediction):
        k = prediction[0] - 1
        return weights * [2, 1, 1], errors[k], votes[k]

    options.setdefault("recorded", slice(1))
    return boost(fit, update, np.full(3, 7.0), len(votes), **options), seen


def test_boosting_normalises_and_records():
    ensemble, seen = play([1.0, 2.0, 3.0])
    assert ensemble.learners == [1, 2, 3]
    np.testing.assert_array_equal(ensemble.votes, [1, 2, 3])
    np.testing.assert_allclose(seen[0], [1, 1, 1])
    np.testing.assert_allclose(seen[1], [1.5, 0.75, 0.75])
    np.testing.assert_allclose(ensemble.path[:, 0], [1, 3 * 2 / 4, 3 * 4 / 6, 3 * 8 / 10])


def test_boosting_stops_at_chance_and_drops_that_learner():
    ensemble, seen = play([1.0, 0.0, 3.0])
    assert ensemble.learners == [1]
    assert len(seen) == 2
    assert ensemble.path.shape == (2, 1)
    ensemble, seen = play([-1.0, 2.0])
    assert ensemble.learners == []
    assert len(seen) == 1


def test_boosting_keeps_a_perfect_learner_and_stops():
    ensemble, seen = play([1.0, 2.0, 3.0], errors=[0.1, 0.0, 0.1])
    assert ensemble.learners == [1, 2]
    assert len(seen) == 2
    assert ensemble.path.shape == (3, 1)


def test_an_ensemble_that_does_not_stop_leaves_out_what_is_no_better_than_chance():
    ensemble, seen = play([1.0, -1.0, 3.0, 4.0], errors=[0.1, 0.6, 0.0, 0.1], stops=False)
    assert ensemble.learners == [1, 3, 4]
    np.testing.assert_array_equal(ensemble.votes, [1, 3, 4])
    assert len(seen) == 4
    # The weights go on from the round that was left out.
    np.testing.assert_allclose(seen[2][0], 3 * 4 / 6)
    np.testing.assert_allclose(ensemble.path[:, 0], [1, 1.5, 3 * 8 / 10, 3 * 16 / 18])


def test_boosting_can_keep_a_bad_first_learner():
    ensemble, seen = play([-1.0, 2.0], keep_first=True)
    assert ensemble.learners == [1]
    np.testing.assert_array_equal(ensemble.votes, [1.0])
    assert len(seen) == 1
    assert play([1.0, -1.0, 2.0], keep_first=True)[0].learners == [1]
