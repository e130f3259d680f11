from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skdtl import DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, TargetEntropy

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import two_domains

LOGITS = np.random.default_rng(0).normal(size=(6, 3)) * 2


def act(logits, y=None) -> Activations:
    logits = torch.as_tensor(logits)
    return Activations((torch.zeros(len(logits), 1),), logits, y)


SOURCE = act(np.full((4, 3), 7.0))


def slow_entropy(logits):
    """Return each row's entropy, by loops."""
    entropies = []
    for row in logits:
        odds = [math.exp(z) for z in row]
        p = [o / sum(odds) for o in odds]
        entropies.append(-sum(q * math.log(q) for q in p))
    return np.array(entropies)


def test_the_mean_entropy_of_the_target():
    value = TargetEntropy()(SOURCE, act(LOGITS)).item()
    assert value == pytest.approx(slow_entropy(LOGITS).mean(), rel=1e-12)
    assert TargetEntropy()(act(LOGITS), SOURCE).item() == pytest.approx(math.log(3))


def test_gradient():
    logits = torch.tensor(LOGITS, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: TargetEntropy()(SOURCE, act(z)), logits)


def test_rows_with_a_label_are_left_out():
    y = torch.tensor([-1, 0, 2, -1, 1, -1])
    value = TargetEntropy()(SOURCE, act(LOGITS, y)).item()
    assert value == pytest.approx(slow_entropy(LOGITS)[y.numpy() == -1].mean(), rel=1e-12)
    every = TargetEntropy()(SOURCE, act(LOGITS, torch.zeros(6, dtype=torch.long)))
    assert every.item() == 0


def test_certain_predictions_have_no_entropy_and_no_nan():
    logits = torch.tensor([[0.0, 1e4, -1e4], [3e4, 0.0, 0.0]], requires_grad=True)
    omega = TargetEntropy()(SOURCE, act(logits))
    omega.backward()
    assert omega.item() == 0 and logits.grad.isfinite().all()


def test_it_makes_the_network_decide():
    Xs, ys, Xt, yt = two_domains()
    options = {**SMALL, "lr": 0.01, "max_epochs": 30}
    plain = DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt)
    nothing = DeepTransferClassifier([TargetEntropy()], lam=0.0, **options).fit(Xs, ys, Xt)
    assert same_weights(plain, nothing)
    nets = [
        DeepTransferClassifier([TargetEntropy()], lam=lam, **options).fit(Xs, ys, Xt)
        for lam in (0.0, 0.3, 30.0)
    ]
    entropy = [-(p * np.log(p)).sum(axis=1).mean() for p in (net.predict_proba(Xt) for net in nets)]
    assert entropy[1] < 0.8 * entropy[0] and entropy[2] < 0.05
    task = [net.history_[-1]["task_loss"] for net in nets]
    assert task[2] > task[0] + 0.1  # too much drowns the task
    assert nets[1].history_[-1]["target_entropy"] == pytest.approx(entropy[1], abs=0.02)


def test_a_regressor_is_refused():
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="TargetEntropy looks at class probabilities"):
        DeepTransferRegressor([TargetEntropy()], **SMALL).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="weight of TargetEntropy"):
        TargetEntropy(-1.0)
