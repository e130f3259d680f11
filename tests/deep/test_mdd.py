from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from skdtl import MDD, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, MarginDisparity

from .common import SMALL, rotated_digits, same_weights, shifted_feature, two_domains

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
        loss = (
            alignment.penalty(source, target, lam) if penalty else alignment(source, target)
        )
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
    assert bias.isfinite().all() and bias[0].item() == pytest.approx(-1)


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
    with pytest.raises(ValueError, match="class scores"):
        DeepTransferRegressor([MarginDisparity()], **SMALL).fit(Xs, ys, Xt)
