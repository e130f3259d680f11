from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons

from skdtl import MCC, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, MinimumClassConfusion

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, two_domains

LOGITS = np.random.default_rng(0).normal(size=(7, 4)) * 3


def act(logits) -> Activations:
    logits = torch.as_tensor(logits)
    return Activations((torch.zeros(len(logits), 1),), logits, None)


SOURCE = act(np.full((5, 4), 7.0))


def confusion(logits, temperature, weights=None):
    """Return the paper's loss by loops, and the rows' weights."""
    n, k = logits.shape
    odds = [[math.exp(z / temperature) for z in row] for row in logits]
    p = [[o / sum(row) for o in row] for row in odds]
    if weights is None:
        certainty = [1 + math.exp(sum(q * math.log(q) for q in row)) for row in p]
        weights = [n * c / sum(certainty) for c in certainty]
    C = [
        [sum(weights[i] * p[i][a] * p[i][b] for i in range(n)) for b in range(k)] for a in range(k)
    ]
    normalised = [[C[a][b] / sum(C[a]) for b in range(k)] for a in range(k)]
    return sum(normalised[a][b] for a in range(k) for b in range(k) if a != b) / k, weights


@pytest.mark.parametrize("temperature", [0.7, 2.5])
def test_value_and_gradient_are_the_papers_formula(temperature):
    expected, weights = confusion(LOGITS, temperature)
    logits = torch.tensor(LOGITS, requires_grad=True)
    omega = MinimumClassConfusion(temperature=temperature)(SOURCE, act(logits))
    omega.backward()
    assert omega.item() == pytest.approx(expected, rel=1e-12)
    step, slopes = 1e-6, np.zeros_like(LOGITS)
    for index in np.ndindex(*LOGITS.shape):  # the weights are constants for the gradient
        moved = LOGITS.copy()
        moved[index] += step
        above = confusion(moved, temperature, weights)[0]
        moved[index] -= 2 * step
        slopes[index] = (above - confusion(moved, temperature, weights)[0]) / (2 * step)
    np.testing.assert_allclose(logits.grad, slopes, atol=1e-8)


def test_the_source_is_not_looked_at():
    other = act(LOGITS[:3])
    mcc = MinimumClassConfusion()
    assert mcc(SOURCE, act(LOGITS)).item() == mcc(other, act(LOGITS)).item()


def test_it_is_zero_without_doubt_and_largest_in_full_doubt():
    mcc = MinimumClassConfusion()
    certain = 1e3 * np.eye(4)[[0, 1, 2, 3, 3]]
    assert mcc(SOURCE, act(certain)).item() == pytest.approx(0, abs=1e-12)
    assert mcc(SOURCE, act(np.zeros((5, 4)))).item() == pytest.approx(0.75)


def test_a_class_without_any_probability_makes_no_nan():
    logits = torch.zeros(3, 4)
    logits[:, 2] = -1e4
    logits[0, 0] = 5.0
    logits.requires_grad_()
    omega = MinimumClassConfusion()(SOURCE, act(logits))
    omega.backward()
    three = MinimumClassConfusion()(SOURCE, act(logits[:, [0, 1, 3]]))
    assert omega.item() == pytest.approx(three.item() * 3 / 4, rel=1e-6)
    assert logits.grad.isfinite().all()


def test_mcc_is_the_engine_with_the_class_confusion():
    Xs, ys, Xt, _ = two_domains()
    mcc = MCC(2.0, temperature=1.5, **SMALL).fit(Xs, ys, Xt)
    alignment = MinimumClassConfusion(2.0, temperature=1.5)
    by_hand = DeepTransferClassifier([alignment], **SMALL).fit(Xs, ys, Xt)
    assert same_weights(mcc, by_hand)
    assert not same_weights(MCC(**SMALL).fit(Xs, ys, Xt), mcc)


@pytest.mark.parametrize("n_classes, lam", [(2, 0.2), (3, 0.3), (12, 1.0)])
def test_the_default_lambda_follows_the_number_of_classes(n_classes, lam):
    Xs, ys, Xt, _ = two_domains()
    ys = np.arange(len(ys)) % n_classes
    by_rule, paper = MCC(**SMALL).fit(Xs, ys, Xt), MCC(1.0, **SMALL).fit(Xs, ys, Xt)
    for model, value in ((by_rule, lam), (paper, 1.0)):
        assert model.history_[-1]["lam"] == pytest.approx(value)
        engine = DeepTransferClassifier([MinimumClassConfusion()], lam=value, **SMALL)
        assert same_weights(model, engine.fit(Xs, ys, Xt))


def test_lambda_zero_moderate_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "lr": 0.01, "max_epochs": 30}
    nets = {lam: MCC(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)}
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    last = [net.history_[-1] for net in nets.values()]
    confused = [epoch["class_confusion"] for epoch in last]
    assert confused[1] < 0.9 * confused[0] and confused[2] < confused[1]
    assert last[2]["task_loss"] > last[0]["task_loss"] + 0.05  # too much drowns the task


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        mcc = MCC(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SMALL).fit(Xs, ys)
    assert same_weights(mcc, plain) and "class_confusion" not in mcc.history_[-1]


def turned_moons(seed, degrees=30):
    """Return two moons, and other ones turned about their middle."""
    X, y = make_moons(600, noise=0.05, random_state=seed)
    middle, angle = X.mean(axis=0), np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return X[:300], y[:300], (X[300:] - middle) @ turn.T + middle, y[300:]


def test_turned_moons():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = turned_moons(seed)
        options = {"lr": 0.01, "max_epochs": 60, "random_state": seed}
        plain = MCC(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(MCC(3.0, **options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert np.mean(gains) > 0.05


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"lr": 3e-3, "max_epochs": 30, "random_state": seed}
        plain = MCC(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(MCC(**options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert min(gains) > 0.12


def test_errors():
    with pytest.raises(ValueError, match="temperature of MinimumClassConfusion must be > 0; got 0"):
        MinimumClassConfusion(temperature=0)
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="'temperature' of MCC"):
        MCC(temperature=0.0, **SMALL).fit(Xs, ys, Xt)
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="MinimumClassConfusion looks at class probabilities"):
        DeepTransferRegressor([MinimumClassConfusion()], **SMALL).fit(Xs, ys, Xt)
