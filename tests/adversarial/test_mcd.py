from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skdtl import MCD, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, ClassifierDiscrepancy

from ..deep_common import SMALL, Watching, same_weights, weights
from ..shifts import rotated_digits, two_domains

SGD = {"optimizer": "sgd", "lr": 0.01, "lr_schedule": "decay"}


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def alignment(width=3, n_classes=4) -> ClassifierDiscrepancy:
    torch.manual_seed(0)
    made = ClassifierDiscrepancy()
    made.initialize([9, width], n_classes)
    return made.double()


def test_the_discrepancy_is_the_mean_difference_of_the_probabilities():
    rng = np.random.default_rng(0)
    made = alignment()
    features, logits = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    weight, bias = (p.detach().numpy() for p in made.second_head.parameters())
    odds = np.exp(logits), np.exp(features @ weight.T + bias)
    first, second = (o / o.sum(axis=1, keepdims=True) for o in odds)
    target = Activations((torch.zeros(5, 9), torch.tensor(features)), torch.tensor(logits), None)
    source = Activations((torch.zeros(2, 9), torch.ones(2, 3).double()), torch.ones(2, 4), None)
    expected = sum(abs(first[i, k] - second[i, k]) for i in range(5) for k in range(4)) / 20
    assert made(source, target).item() == pytest.approx(expected, rel=1e-12)
    x, z = (torch.tensor(a, requires_grad=True) for a in (features, logits))
    assert torch.autograd.gradcheck(lambda x, z: made(source, Activations((x,), z, None)), (x, z))


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_step_a_adds_the_second_classifiers_task_loss(lam):
    rng = np.random.default_rng(0)
    made = alignment()
    xs = torch.tensor(rng.normal(size=(6, 3)), requires_grad=True)
    xt = torch.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    ys, yt = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([-1, 2, -1, 0])
    logits = torch.zeros(6, 4).double()
    source = Activations((xs,), logits, ys)
    for labels, rows, classes in (
        (None, xs, ys),
        (yt, torch.cat([xs, xt[[1, 3]]]), torch.tensor([0, 1, 2, 3, 0, 1, 2, 0])),
    ):
        target = Activations((xt,), logits[:4], labels)
        p = made.second_head(rows).softmax(1)[torch.arange(len(classes)), classes]
        loss = made.penalty(source, target, lam)
        assert loss.item() == pytest.approx(-p.log().mean().item(), rel=1e-12)
        assert made.observed["second_task_loss"].item() == pytest.approx(loss.item())
        assert made.observed["discrepancy"].item() == made(source, target).item()
    made.zero_grad()
    loss.backward()
    assert made.second_head.weight.grad.abs().sum() > 0
    heeds = xs.grad is not None and bool(xs.grad.abs().sum() > 0)
    assert heeds == bool(lam)  # with λ = 0 the network doesn't notice the second classifier


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_batch_is_the_three_steps_of_the_paper(share):
    """Compute two batches by hand, in float64, with one SGD with momentum for each part."""
    Xs, ys, Xt, yt = two_domains(n_source=30, n_target=20)
    yt = yt.astype(float)
    yt[int(share * len(yt)) :] = np.nan
    lam, n_steps, lr, momentum = 3.0, 2, 0.3, 0.5
    options = {"hidden_layer_sizes": (8,), "activation": "tanh", "random_state": 0}
    options |= {"optimizer": "sgd", "momentum": momentum, "weight_decay": 0.0}
    made = ClassifierDiscrepancy(0.5, n_generator_steps=n_steps)
    estimator = DeepTransferClassifier([made], lam=2 * lam, **options)
    start = estimator.set_params(lr=1e-30, max_epochs=1).fit(Xs, ys, Xt, yt)
    network = copy.deepcopy(start.net_.module_).double()
    second = copy.deepcopy(start.net_.alignments_[0].second_head).double()
    xs, xt = torch.tensor(Xs), torch.tensor(Xt)
    known = torch.tensor(~np.isnan(yt))
    rows = torch.cat([xs, xt[known]])
    y = torch.tensor(np.concatenate([ys, yt[known.numpy()]]), dtype=torch.long)
    classifiers = [*network.head.parameters(), *second.parameters()]
    below = list(network.layers.parameters())
    speed = {p: torch.zeros_like(p) for p in (*classifiers, *below)}

    def task():
        features = network.features(rows)[-1]
        return F.cross_entropy(network.head(features), y) + F.cross_entropy(second(features), y)

    def discrepancy():
        features = network.features(xt)[-1]
        return (network.head(features).softmax(1) - second(features).softmax(1)).abs().mean()

    def move(loss, parameters):
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            speed[p] = momentum * speed[p] + gradient
            with torch.no_grad():
                p -= lr * speed[p]

    for _ in range(2):
        move(task(), classifiers + below)
        move(task() - lam * discrepancy(), classifiers)
        for _ in range(n_steps):
            move(lam * discrepancy(), below)
    fitted = estimator.set_params(lr=lr, max_epochs=2).fit(Xs, ys, Xt, yt)
    for p, expected in zip(fitted.net_.module_.parameters(), network.parameters()):
        np.testing.assert_allclose(p.detach(), expected.detach(), atol=2e-5)
    for p, expected in zip(
        fitted.net_.alignments_[0].second_head.parameters(), second.parameters()
    ):
        np.testing.assert_allclose(p.detach(), expected.detach(), atol=2e-5)


def test_mcd_is_the_engine_with_the_discrepancy_and_predicts_by_both_classifiers():
    Xs, ys, Xt, _ = two_domains()
    mcd = MCD(2.0, n_generator_steps=2, **SMALL).fit(Xs, ys, Xt)
    by_hand = DeepTransferClassifier(
        [ClassifierDiscrepancy(n_generator_steps=2)], lam=2.0, **SGD, **SMALL
    ).fit(Xs, ys, Xt)
    assert same_weights(mcd, by_hand)
    second = mcd.net_.alignments_[0].second_head
    first = mcd.net_.module_.head
    logits = [
        mcd.transform(Xt) @ head.weight.detach().double().numpy().T
        + head.bias.detach().double().numpy()
        for head in (first, second)
    ]
    mean = (logits[0] + logits[1]) / 2
    np.testing.assert_allclose(mcd.decision_function(Xt), mean[:, 1] - mean[:, 0], rtol=1e-5)
    assert not np.allclose(mcd.decision_function(Xt), by_hand.decision_function(Xt))
    one = by_hand.decision_function(Xt)  # the network keeps its own classifier
    np.testing.assert_allclose(one, logits[0][:, 1] - logits[0][:, 0], rtol=1e-9)
    assert same_weights(mcd, by_hand)  # predicting leaves the trained network alone
    restored = pickle.loads(pickle.dumps(mcd))
    np.testing.assert_array_equal(restored.predict_proba(Xt), mcd.predict_proba(Xt))
    defaults = MCD(**SMALL).fit(Xs, ys, Xt)
    paper = DeepTransferClassifier([ClassifierDiscrepancy(1.0, 4)], **SGD, **SMALL)
    assert same_weights(defaults, paper.fit(Xs, ys, Xt)) and not same_weights(defaults, mcd)


def test_lambda_zero_moderate_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 40, "lr": 0.1}
    nets = {lam: MCD(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)}
    plain = DeepTransferClassifier([Watching()], **{**SGD, **options}).fit(Xs, ys, Xt)
    assert same_weights(nets[0.0], plain)
    last = [net.history_[-1] for net in nets.values()]
    assert not np.allclose(weights(nets[1.0])[0], weights(plain)[0], atol=0.05)
    assert last[1]["task_loss"] < 0.3 and last[2]["task_loss"] > last[0]["task_loss"] + 0.2
    # Its second classifier has learned, though nobody heeds it.
    assert last[0]["second_task_loss"] < nets[0.0].history_[0]["second_task_loss"] - 0.1


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, Xt, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        mcd = MCD(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SGD, **SMALL).fit(Xs, ys)
    assert same_weights(mcd, plain)
    np.testing.assert_array_equal(mcd.predict_proba(Xt), plain.predict_proba(Xt))


def test_a_frozen_module_stays_as_it_is():
    Xs, ys, Xt, _ = two_domains()
    module = nn.Sequential(nn.Linear(5, 9), nn.ReLU()).requires_grad_(False)
    options = {k: v for k, v in SMALL.items() if k != "hidden_layer_sizes"}
    mcd = MCD(module=module, **options).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(weights(mcd)[0], module[0].weight.numpy())
    assert len(mcd.history_) == SMALL["max_epochs"]


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 25, "batch_size": 64, "random_state": seed}
        plain = MCD(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(MCD(3.0, **options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert np.mean(gains) > 0.05


def test_errors():
    with pytest.raises(ValueError, match="n_generator_steps of ClassifierDiscrepancy must be >= 1"):
        ClassifierDiscrepancy(n_generator_steps=0)
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="'n_generator_steps' of MCD"):
        MCD(n_generator_steps=0, **SMALL).fit(Xs, ys, Xt)
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="ClassifierDiscrepancy looks at class probabilities"):
        DeepTransferRegressor([ClassifierDiscrepancy()], **SMALL).fit(Xs, ys, Xt)
