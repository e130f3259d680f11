from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import MDD, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, MarginDisparity

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
WIDTHS = (4, 3)
F_S = [RNG.normal(size=(7, width)) for width in WIDTHS]
F_T = [RNG.normal(size=(5, width)) + 0.5 for width in WIDTHS]


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def logits(n_classes):
    rng = np.random.default_rng(1)
    return rng.normal(size=(7, n_classes)), rng.normal(size=(5, n_classes))


def act(features, output, requires_grad=False) -> Activations:
    def tensor(x):
        return torch.tensor(x, requires_grad=requires_grad)

    return Activations(tuple(tensor(f) for f in features), tensor(output), None)


def disparity(n_classes=3, **options) -> MarginDisparity:
    torch.manual_seed(0)
    alignment = MarginDisparity(**options)
    alignment.initialize(WIDTHS, n_classes)
    return alignment.double()


def slow_head(alignment, row):
    parameters = [p.detach().numpy() for p in alignment.head.parameters()]
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
        row = np.maximum(weight @ row + bias, 0)
    return parameters[-2] @ row + parameters[-1]


def slow_disparity(alignment, z_s, z_t, columns):
    """Transcribe gamma E_s log p' + E_t log(1 - p'), row by row."""
    total = 0.0
    for features, output, is_source in ((F_S, z_s, True), (F_T, z_t, False)):
        for i in range(len(output)):
            row = np.concatenate(
                [
                    np.exp(output[i]) / np.exp(output[i]).sum()
                    if column == "output"
                    else features[column][i]
                    for column in columns
                ]
            )
            scores = slow_head(alignment, row)
            p = np.exp(scores[np.argmax(output[i])]) / np.exp(scores).sum()
            term = alignment.margin * np.log(p) if is_source else np.log(1 - p)
            total += term / len(output)
    return total


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize(
    "options, columns",
    [
        ({}, [-1]),
        ({"margin": 1.5, "hidden_layer_sizes": (6,)}, [-1]),
        ({"hidden_layer_sizes": (6, 5), "layers": (0, 1)}, [0, 1]),
        ({"layers": (0, "output")}, [0, "output"]),
    ],
)
def test_the_disparity_is_the_papers(options, columns, n_classes):
    alignment = disparity(n_classes, **options)
    z_s, z_t = logits(n_classes)
    expected = slow_disparity(alignment, z_s, z_t, columns)
    source, target = act(F_S, z_s), act(F_T, z_t)
    assert alignment(source, target).item() == pytest.approx(expected, rel=1e-10)
    assert alignment.penalty(source, target, 0.3).item() == pytest.approx(-expected, rel=1e-10)
    assert alignment.observed["margin_disparity"].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_gradient_without_a_reversal(n_classes):
    alignment = disparity(n_classes, hidden_layer_sizes=(6,))
    z_s, z_t = (torch.tensor(z) for z in logits(n_classes))

    def omega(fs, ft):
        return alignment(Activations((fs,), z_s, None), Activations((ft,), z_t, None))

    tensors = [torch.tensor(x, requires_grad=True) for x in (F_S[1], F_T[1])]
    assert torch.autograd.gradcheck(omega, tensors)


@pytest.mark.parametrize("lam", [0.0, 0.4, 3.0])
def test_the_network_lowers_the_disparity_by_lambda_and_the_second_head_raises_it_fully(lam):
    alignment = disparity()
    z_s, z_t = logits(3)
    gradients = []
    for penalty in (False, True):
        alignment.zero_grad()
        source, target = act(F_S, z_s, True), act(F_T, z_t, True)
        loss = alignment.penalty(source, target, lam) if penalty else alignment(source, target)
        loss.backward()
        assert source.output.grad is None and target.output.grad is None
        network = [x.features[1].grad for x in (source, target)]
        gradients.append((network, [p.grad.clone() for p in alignment.parameters()]))
    (plain, head), (reversed_, trained) = gradients
    for a, b in zip(plain, reversed_, strict=True):
        torch.testing.assert_close(b, lam * a)  # minimised: the loss falls as Ω falls
        assert (a != 0).any()
    for a, b in zip(head, trained, strict=True):
        torch.testing.assert_close(b, -a)  # maximised


@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_head_that_is_sure_still_gives_numbers(n_classes):
    alignment = disparity(n_classes).float()
    with torch.no_grad():
        alignment.head[-1].weight.zero_()
        alignment.head[-1].bias.copy_(torch.tensor([300.0] + [0.0] * (n_classes - 1)))
    output = np.eye(n_classes, dtype=np.float32)[np.zeros(4, dtype=int)]
    f = np.ones((4, 3), dtype=np.float32)
    source, target = act([f], output, True), act([f], output, True)
    omega = alignment(source, target)
    # log p' = 0 and log(1 - p') = log((K - 1) exp(-300)), where 1 - p' is 0 in floating point
    assert omega.item() == pytest.approx(math.log(n_classes - 1) - 300, rel=1e-6)
    omega.backward()
    bias = alignment.head[-1].bias.grad
    assert bias.isfinite().all() and bias[0].item() == pytest.approx(-1, rel=1e-5)


@pytest.mark.parametrize("margin", [0.5, 4.0])
def test_where_the_domains_are_alike_the_best_head_answers_gamma_of_one_plus_gamma(margin):
    alignment = disparity(2, margin=margin)
    rng = np.random.default_rng(0)
    f = rng.normal(size=(60, 3))
    output = np.eye(2)[(f[:, 0] > 0).astype(int)]
    batch = act([f], output)
    optimizer = torch.optim.LBFGS(alignment.parameters(), max_iter=300)

    def closure():
        optimizer.zero_grad()
        loss = alignment.penalty(batch, batch, 1.0)
        loss.backward()
        return loss

    optimizer.step(closure)
    best = margin * math.log(margin) - (1 + margin) * math.log(1 + margin)
    assert alignment(batch, batch).item() <= best + 1e-9
    two_groups = act([np.sign(f[:, :1]) * np.ones(3)], output)  # p' can be the same for all rows
    batch = two_groups
    optimizer = torch.optim.LBFGS(alignment.parameters(), max_iter=300)
    optimizer.step(closure)
    assert alignment(batch, batch).item() == pytest.approx(best, abs=1e-4)


# -- errors ----------------------------------------------------------------------------------------


def test_illegal_parameters():
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="margin of MarginDisparity must be"):
            MarginDisparity(margin=margin)
    with pytest.raises(ValueError, match="weight of MarginDisparity must be"):
        MarginDisparity(-1.0)


def test_it_is_for_classifiers():
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="MarginDisparity looks at class probabilities"):
        DeepTransferRegressor([MarginDisparity()], **SMALL).fit(Xs, ys, Xt)


# -- the estimator ---------------------------------------------------------------------------------


def normalised(*sizes):
    """Return what makes a backbone whose columns are normalised over the batch."""

    def make(n_inputs):
        layers, width = [], n_inputs
        for size in sizes:
            layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU()]
            width = size
        return nn.Sequential(*layers)

    return make


@pytest.mark.parametrize(
    "options, specification",
    [
        ({}, {"hidden_layer_sizes": (100,)}),
        (
            {"margin": 2.0, "adversary_layer_sizes": ()},
            {"margin": 2.0},
        ),
        ({"layers": (0, "output")}, {"layers": (0, "output"), "hidden_layer_sizes": (100,)}),
    ],
)
def test_it_is_the_engine_with_its_alignment_and_normalised_layers(options, specification):
    Xs, ys, Xt, _ = two_domains()
    shape = {**SMALL, "hidden_layer_sizes": (9, 8)}
    model = MDD(**options, **shape).fit(Xs, ys, Xt)
    by_hand = DeepTransferClassifier(
        [MarginDisparity(**specification)],
        lam=0.3,
        module=normalised(9, 8),
        optimizer=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, fused=True),
        lr=0.01,
        lr_schedule=lambda p: (1 + 10 * p) ** -0.75,
        **SMALL,
    ).fit(Xs, ys, Xt)
    assert same_weights(model, by_hand)
    np.testing.assert_array_equal(model.predict(Xt), by_hand.predict(Xt))
    for option in options:  # each makes a difference
        default = inspect.signature(MDD).parameters[option].default
        assert not same_weights(model, MDD(**{**options, option: default}, **shape).fit(Xs, ys, Xt))


def test_normalised_layers_are_an_option_and_leave_a_module_of_the_users_alone():
    Xs, ys, Xt, _ = two_domains()
    plain = MDD(batch_norm=False, **SMALL).fit(Xs, ys, Xt)
    by_hand = DeepTransferClassifier(
        [MarginDisparity(hidden_layer_sizes=(100,))],
        lam=0.3,
        lr=0.01,
        optimizer="sgd",
        lr_schedule="decay",
        **SMALL,
    ).fit(Xs, ys, Xt)
    assert same_weights(plain, by_hand)
    own = nn.Sequential(nn.Linear(5, 16), nn.ReLU())
    model = MDD(module=own, **SMALL).fit(Xs, ys, Xt)
    assert [type(part) for part in model.net_.module_.layers[0]] == [nn.Linear, nn.ReLU]


def test_lambda_zero_moderate_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = shifted_feature(0, n=200)
    options = {**SMALL, "max_epochs": 60}
    nets = {lam: MDD(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 0.5, 5.0)}
    plain = DeepTransferClassifier(
        [Watching()],  # the rows are normalised in pairs
        module=normalised(16),
        lr=0.01,
        optimizer="sgd",
        lr_schedule="decay",
        **options,
    )
    assert same_weights(nets[0.0], plain.fit(Xs, ys, Xt))
    last = [net.history_[-1] for net in nets.values()]
    assert last[1]["margin_disparity"] < last[0]["margin_disparity"] - 0.2  # h' is heeded
    assert last[2]["task_loss"] > last[0]["task_loss"] + 0.1  # and more of it costs the task
    assert not same_weights(nets[0.5], nets[5.0])


def test_a_shifted_feature_is_trusted_less():
    options = {"hidden_layer_sizes": (32,), "max_epochs": 60}
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed)
        scores = [
            MDD(lam, adversary_layer_sizes=(), random_state=seed, **options)
            .fit(Xs, ys, Xt)
            .score(Xt, yt)
            for lam in (0.0, 0.3)
        ]
        gains.append(scores[1] - scores[0])
    assert min(gains) > 0.1


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 60, "random_state": seed}
        plain = MDD(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(MDD(**options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert np.mean(gains) > 0.04 and min(gains) > 0
