from __future__ import annotations

import numpy as np
import pytest
import torch

from skdtl import (
    DANN,
    DANNRegressor,
    DeepTransferClassifier,
    DeepTransferRegressor,
)
from skdtl.deep import DomainAdversary, Ramp

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains


def test_dann_is_the_engine_with_an_adversary_and_the_papers_training():
    for cls, engine, regression in (
        (DANN, DeepTransferClassifier, False),
        (DANNRegressor, DeepTransferRegressor, True),
    ):
        Xs, ys, Xt, _ = two_domains(regression=regression)
        dann = cls(discriminator_layer_sizes=(7,), **SMALL).fit(Xs, ys, Xt)
        adversary = DomainAdversary(hidden_layer_sizes=(7,))
        by_hand = engine(
            [adversary],
            lam=Ramp(1.0, 10.0),
            optimizer=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, fused=True),
            lr=0.01,
            lr_schedule=lambda p: (1 + 10 * p) ** -0.75,
            **SMALL,
        ).fit(Xs, ys, Xt)
        assert same_weights(dann, by_hand)
        np.testing.assert_array_equal(dann.predict(Xt), by_hand.predict(Xt))


def test_the_discriminator_sees_the_layers_that_it_is_told_to():
    Xs, ys, Xt, _ = two_domains()
    widths = {}
    for layers in (-1, 0, "output", (0, 1, "output")):
        dann = DANN(layers=layers, **{**SMALL, "hidden_layer_sizes": (9, 4)}).fit(Xs, ys, Xt)
        widths[layers] = dann.net_.alignments_[0].discriminator[0].in_features
    assert widths == {-1: 4, 0: 9, "output": 2, (0, 1, "output"): 15}
    with pytest.raises(ValueError, match="'layers' of DANN"):
        DANN(layers=(0, "input"), **SMALL).fit(Xs, ys, Xt)


def test_lambda_zero_one_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 80}
    nets = {lam: DANN(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)}
    plain = DeepTransferClassifier(
        [Watching()], optimizer="sgd", lr=0.01, lr_schedule="decay", **options
    )
    plain.fit(Xs, ys, Xt)
    assert same_weights(nets[0.0], plain)
    accuracy = {lam: net.history_[-1]["domain_accuracy"] for lam, net in nets.items()}
    assert accuracy[0.0] > accuracy[1.0] + 0.1  # the network heeds the discriminator
    assert not same_weights(nets[1.0], nets[100.0])
    task = [net.history_[-1]["task_loss"] for net in nets.values()]
    assert task[2] > task[0] + 0.05  # and too much drowns the task


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    options = {"lr": 0.01, "lr_schedule": "decay", "optimizer": "sgd", **SMALL}
    with pytest.warns(UserWarning, match="without a target"):
        dann = DANN(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**options).fit(Xs, ys)
    assert same_weights(dann, plain) and "domain_loss" not in dann.history_[-1]


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_not_trusted(regression):
    cls = DANNRegressor if regression else DANN
    options = {"hidden_layer_sizes": (32,), "max_epochs": 60}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, regression=regression)
        for lam, scores in ((0.0, source_only), ("ramp", adapted)):
            model = cls(lam, random_state=seed, **options).fit(Xs, ys, Xt)
            scores.append(model.score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.25
    if not regression:
        assert max(source_only) < 0.6 and min(adapted) > 0.7


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 40, "random_state": seed}
        plain = DANN(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(DANN(**options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert np.mean(gains) > 0.08 and min(gains) > 0
