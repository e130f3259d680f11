from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skdtl import ADDA, ADDARegressor, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, InvertedLabels
from skdtl.deep.domain_networks import UntiedNetwork
from skdtl.deep.heads import ClassHead
from skdtl.deep.network import Network, hidden_layers

from ..deep_common import SMALL, same_weights, weights
from ..shifts import rotated_digits, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5
TWO = {**SMALL, "hidden_layer_sizes": (9, 4)}


def act(*features) -> Activations:
    tensors = tuple(torch.as_tensor(f) for f in features)
    return Activations(tensors, torch.zeros(len(features[0]), 2), None)


def adversary(widths=(3,), **options) -> InvertedLabels:
    alignment = InvertedLabels(**{"hidden_layer_sizes": (6,), **options})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        alignment.initialize(list(widths), 2)
    return alignment.double()


def probability(parameters, x):
    """Compute D by hand."""
    w1, b1, w2, b2 = parameters
    return 1 / (1 + np.exp(-(np.maximum(x @ w1.T + b1, 0) @ w2.T + b2)[:, 0]))


def parameters_of(module) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in module.parameters()]


def encoders(model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the weights of the source's and of the target's encoder."""
    network = model.net_.module_
    return parameters_of(network.source.layers), parameters_of(network.layers)


def equal(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# -- the alignment ---------------------------------------------------------------------------------


def test_omega_is_the_cross_entropy_of_the_target_with_the_label_source():
    alignment = adversary()
    p = probability(parameters_of(alignment), XT)
    omega = alignment(act(XS), act(XT))
    assert omega.item() == pytest.approx(-np.log(p).mean(), rel=1e-12)
    assert alignment.penalty(act(XS), act(XT), 0.3).item() == pytest.approx(0.3 * omega.item())
    assert alignment.observed["inverted_loss"].item() == pytest.approx(omega.item())


def test_only_the_target_is_moved_and_towards_the_source():
    alignment = adversary()
    for _ in range(300):
        alignment.before_step(act(XS), act(XT + 3))
    xs, xt = torch.tensor(XS, requires_grad=True), torch.tensor(XT + 3, requires_grad=True)
    logits = torch.zeros(1, 2)

    def omega(a, b):
        return alignment(Activations((a,), logits, None), Activations((b,), logits, None))

    assert torch.autograd.gradcheck(lambda b: omega(xs, b), (xt,))
    omega(xs, xt).backward()
    assert xs.grad is None and all(p.grad is None for p in alignment.parameters())
    assert (-xt.grad).sum() < 0  # a step of descent leads back to the source


def test_the_discriminators_steps_are_adams_on_its_own_loss():
    """Three steps by hand: slopes by differences, Adam with β1 = 0.5."""
    alignment = adversary(n_steps=3, discriminator_lr=0.01)
    theta = parameters_of(alignment)
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in theta]

    def loss():
        return -np.log(probability(theta, XS)).mean() - np.log(1 - probability(theta, XT)).mean()

    for t in range(1, 4):
        before, sure = loss(), [probability(theta, X) > 0.5 for X in (XS, XT)]
        gradient = []
        for p in theta:
            g = np.zeros_like(p)
            for index in np.ndindex(*p.shape):
                values = []
                for change in (1e-6, -1e-6):
                    p[index] += change
                    values.append(loss())
                    p[index] -= change
                g[index] = (values[0] - values[1]) / 2e-6
            gradient.append(g)
        for p, g, (m, v) in zip(theta, gradient, moments):
            m += 0.5 * (g - m)
            v += 0.001 * (g**2 - v)
            p -= 0.01 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    alignment.before_step(act(XS), act(XT))
    for actual, expected in zip(parameters_of(alignment), theta):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert alignment.observed["domain_loss"].item() == pytest.approx(before, rel=1e-5)
    share = (sure[0].mean() + 1 - sure[1].mean()) / 2
    assert alignment.observed["domain_accuracy"].item() == pytest.approx(share)
    assert all(p.grad is None and not p.requires_grad for p in alignment.parameters())


@pytest.mark.parametrize("options", [{"n_steps": 0}, {"discriminator_lr": 0}, {"weight": -1}])
def test_illegal_options(options):
    with pytest.raises(ValueError, match="must be"):
        InvertedLabels(**options)


# -- the network -----------------------------------------------------------------------------------


def two_classes(width):
    return ClassHead(width, 2)


def untied():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UntiedNetwork(
            Network(hidden_layers(3, (5, 4), "relu"), two_classes, torch.zeros(2, 3))
        )
        for parameter in network.layers.parameters():
            parameter.data.add_(0.1)
    return network


def test_each_domains_rows_go_through_its_own_encoder_and_one_head():
    network = untied()
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    features, output = network.activations(x, torch.tensor([1, 1, 2, 2, -1, -1, -2]))
    for layer in range(2):
        source = network.source.features(x[:4])[layer]
        target = network.features(x[4:])[layer]
        torch.testing.assert_close(features[layer], torch.cat([source, target]))
    torch.testing.assert_close(output[:4], network.source(x[:4]))
    torch.testing.assert_close(output[4:], network(x[4:]))
    assert not torch.equal(network(x), network.source(x))
    ones = torch.ones(7, dtype=torch.int64)
    for domains, expected in ((ones, network.source(x)), (-ones, network(x))):
        assert torch.equal(network.activations(x, domains)[1], expected)


def test_only_the_targets_encoder_learns_and_the_source_stays_in_evaluation_mode():
    network = untied()
    assert {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad} == {
        "layers"
    }
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    network = UntiedNetwork(Network([module], two_classes, torch.zeros(2, 3)))
    network.train()
    assert network.layers[0].training and network.layers[0][1].training
    assert not any(part.training for part in network.source.modules())


# -- the estimator ---------------------------------------------------------------------------------


@pytest.mark.parametrize("regression", [False, True])
def test_one_step_by_hand(regression):
    """The second stage's first step: D learns, then the target's encoder by Adam."""
    cls, engine = (
        (ADDARegressor, DeepTransferRegressor) if regression else (ADDA, DeepTransferClassifier)
    )
    Xs, ys, Xt, _ = two_domains(n_source=30, n_target=20, regression=regression)
    options = {**TWO, "max_epochs": 1, "batch_size": 50}
    pretrain = {**options, "max_epochs": 3}
    with pytest.warns(UserWarning, match="without a target"):
        source_only = engine(**pretrain).fit(Xs, ys)
    model = cls(0.7, pretrain_epochs=3, target_lr=0.03, **options).fit(Xs, ys, Xt)
    head = parameters_of(model.net_.module_.head)
    assert equal(encoders(model)[0], parameters_of(source_only.net_.module_.layers))
    assert equal(head, parameters_of(source_only.net_.module_.head))
    assert equal(head, parameters_of(model.net_.module_.source.head))

    discriminator = model.net_.alignments_[0].discriminator  # after its only step
    network = copy.deepcopy(source_only.net_.module_)
    xt = torch.as_tensor(Xt, dtype=torch.float32)
    logits = discriminator(network.features(xt)[-1])
    F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)).backward()
    for parameter, moved in zip(network.layers.parameters(), encoders(model)[1]):
        expected = parameter - 0.03 * parameter.grad.sign()  # Adam's first step
        clear = parameter.grad.abs().numpy() > 1e-5
        np.testing.assert_allclose(moved[clear], expected.detach().numpy()[clear], atol=1e-4)
    assert len(model.pretrain_history_) == 3 and model.n_iter_ == 1
    assert model.net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.999)
    assert source_only.net_.optimizer_.param_groups[0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("regression", [False, True])
def test_without_lambda_it_is_the_source_only_network(regression):
    cls, engine = (
        (ADDARegressor, DeepTransferRegressor) if regression else (ADDA, DeepTransferClassifier)
    )
    Xs, ys, Xt, _ = two_domains(regression=regression)
    for options in ({}, {"optimizer": "sgd", "lr": 0.01}):
        with pytest.warns(UserWarning, match="without a target"):
            plain = engine(**TWO, **options).fit(Xs, ys)
        model = cls(0.0, **TWO, **options).fit(Xs, ys, Xt)
        source, target = encoders(model)
        assert equal(source, target) and equal(target, parameters_of(plain.net_.module_.layers))
        np.testing.assert_array_equal(model.predict(Xt), plain.predict(Xt))
        assert model.history_[-1]["domain_accuracy"] > 0.4  # the discriminator still watches


def test_lambda_is_the_length_of_steps_without_adam():
    Xs, ys, Xt, _ = two_domains()
    options = {**TWO, "optimizer": "sgd", "momentum": 0.0, "pretrain_epochs": 5}
    moved = []
    for lam in (0.0, 0.01, 1.0, 30.0):
        model = ADDA(lam, target_lr=0.01, **options).fit(Xs, ys, Xt)
        source, target = encoders(model)
        moved.append(sum(np.abs(a - b).sum() for a, b in zip(source, target)))
    assert moved[0] == 0 and moved[1] > 0
    assert 50 < moved[2] / moved[1] < 150 and moved[3] > 10 * moved[2]


def test_transform_uses_the_encoder_of_the_domain():
    Xs, ys, Xt, _ = two_domains()
    model = ADDA(**{**TWO, "max_epochs": 20}, target_lr=0.01)
    mapped = model.fit_transform(Xs, ys, Xt)
    with torch.no_grad():
        by_hand = {
            name: copy.deepcopy(network).double().features(torch.as_tensor(Xs))[-1].numpy()
            for name, network in (
                ("source", model.net_.module_.source),
                ("target", model.net_.module_),
            )
        }
    for name, expected in by_hand.items():
        np.testing.assert_allclose(model.transform(Xs, domain=name), expected, rtol=1e-12)
    np.testing.assert_array_equal(mapped, model.transform(Xs, domain="source"))
    np.testing.assert_array_equal(model.transform(Xs), model.transform(Xs, domain="target"))
    assert not np.allclose(by_hand["source"], by_hand["target"], atol=1e-2)
    weight, bias = parameters_of(model.net_.module_.head)
    logits = model.transform(Xt) @ weight.T + bias
    np.testing.assert_allclose(model.decision_function(Xt), logits[:, 1] - logits[:, 0], rtol=1e-5)
    n = len(Xs)
    stacked = model.fit_transform(
        np.r_[Xs, Xt],
        np.r_[ys, np.full(len(Xt), -1)],
        sample_domain=np.r_[np.ones(n), -np.ones(60)],
    )
    np.testing.assert_array_equal(stacked[:n], mapped)
    np.testing.assert_array_equal(stacked[n:], model.transform(Xt, domain="target"))


def test_labelled_target_rows_teach_the_targets_encoder():
    Xs, ys, Xt, yt = two_domains(n_source=60, n_target=60)
    options = {**TWO, "max_epochs": 60, "target_lr": 0.01, "pretrain_epochs": 20}
    options["discriminator_lr"] = 2e-4
    flipped = 1 - yt  # what only the target's labels can tell
    taught = ADDA(0.01, **options).fit(Xs, ys, Xt, flipped)
    assert taught.score(Xt, flipped) > 0.9
    hidden = ADDA(0.01, **options).fit(Xs, ys, Xt, flipped, hide_target_labels=True)
    assert hidden.score(Xt, flipped) < 0.5
    assert equal(encoders(taught)[0], encoders(hidden)[0])  # the first stage sees none
    assert equal(*(parameters_of(m.net_.module_.head) for m in (taught, hidden)))


def test_the_discriminator_has_the_form_that_it_is_told():
    Xs, ys, Xt, _ = two_domains()
    model = ADDA(discriminator_layer_sizes=(7, 3), layers=(0, "output"), **TWO).fit(Xs, ys, Xt)
    linear = [m for m in model.net_.alignments_[0].discriminator if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(11, 7), (7, 3), (3, 1)]


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        model = ADDA(**TWO).fit(Xs, ys)
        plain = DeepTransferClassifier(**TWO).fit(Xs, ys)
    assert same_weights(model, plain)
    np.testing.assert_array_equal(
        model.transform(Xs, domain="source"), model.transform(Xs, domain="target")
    )


def test_a_module_with_batch_normalisation():
    Xs, ys, Xt, _ = two_domains()
    module = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU())
    model = ADDA(module=module, **TWO).fit(Xs, ys, Xt + 5)
    network = model.net_.module_
    assert network.source.layers[0][1].num_batches_tracked == 12  # the first stage's batches
    assert network.layers[0][1].num_batches_tracked == 24
    assert all(p.requires_grad for p in module.parameters())


def test_pickles_and_copies_predict_alike_and_a_refit_is_the_same():
    Xs, ys, Xt, _ = two_domains(n_source=45, n_target=70)
    model = ADDA(**TWO).fit(Xs, ys, Xt)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        for domain in ("source", "target"):
            np.testing.assert_array_equal(
                twin.transform(Xt, domain=domain), model.transform(Xt, domain=domain)
            )
        assert same_weights(twin.fit(Xs, ys, Xt), model)
    other = ADDA(**{**TWO, "random_state": 1}).fit(Xs, ys, Xt)
    assert not np.array_equal(weights(other)[0], weights(model)[0])


def one_shifted(seed, regression):
    """Return domains of which the target's informative feature is shifted."""
    rng = np.random.default_rng(seed)
    sides = []
    for _ in range(2):
        score = rng.uniform(-2, 2, size=300)
        if not regression:
            score = np.where(score > 0.5, 2.0, -1.0)
        X = rng.normal(size=(300, 3))
        X[:, 0] = score + 0.4 * X[:, 0]
        sides += [X, 10 * score if regression else (score > 0).astype(int)]
    sides[2] = sides[2] + [2.5, 0, 0]
    return sides


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_shifted_back(regression):
    cls = ADDARegressor if regression else ADDA
    options = {"hidden_layer_sizes": (32,), "max_epochs": 60, "pretrain_epochs": 30, "lr": 0.01}
    options |= {"target_lr": 2e-3, "discriminator_lr": 2e-4}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = one_shifted(seed, regression)
        for lam, scores in ((0.0, source_only), (1.0, adapted)):
            scores.append(cls(lam, random_state=seed, **options).fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.2


def test_rotated_digits():
    Xs, ys, Xt, yt = rotated_digits(0)
    options = {"max_epochs": 25, "batch_size": 64, "random_state": 0}
    model = ADDA(**options).fit(Xs, ys, Xt)
    plain = ADDA(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
    assert model.score(Xt, yt) > plain + 0.05


def test_a_warm_start_goes_on_with_both_encoders():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "warm_start": True}
    first = ADDA(**options).fit(Xs, ys, Xt)
    before = first.transform(Xt, "source"), first.transform(Xt, "target")
    still = copy.deepcopy(first).set_params(lr=1e-30, target_lr=1e-30).fit(Xs, ys, Xt)
    np.testing.assert_allclose(still.transform(Xt, "source"), before[0], atol=1e-6)
    np.testing.assert_allclose(still.transform(Xt, "target"), before[1], atol=1e-6)
    assert np.abs(before[0] - before[1]).max() > 1e-3
