from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import JAN, DeepTransferClassifier, DeepTransferRegressor, JANRegressor
from skdtl.deep import MMD, Activations, JointMMD, Ramp
from skdtl.deep.heads import NumberHead

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5
OS, OT = 2 * RNG.normal(size=(7, 2)), 2 * RNG.normal(size=(5, 2))
MULTIPLIERS = (0.125, 0.25, 0.5, 1.0, 2.0)


def act(x, output) -> Activations:
    return Activations((torch.as_tensor(x),), torch.as_tensor(output), None)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def median(x):
    squares = [((x[i] - x[j]) ** 2).sum() for i in range(len(x)) for j in range(i + 1, len(x))]
    return sorted(squares)[(len(squares) - 1) // 2]  # torch's: the lower of the middle two


def slow_joint_mmd(layers, kernels):
    """Transcribe the paper: layers of pairs (source, target), a kernel for each of them."""

    def mean(a, b):
        pairs = [(i, j) for i in range(len(layers[0][a])) for j in range(len(layers[0][b]))]
        products = [
            math.prod(k(layer[a][i], layer[b][j]) for layer, k in zip(layers, kernels))
            for i, j in pairs
        ]
        return sum(products) / len(pairs)

    return mean(0, 0) + mean(1, 1) - 2 * mean(0, 1)


def gaussians(squared_bandwidth, multipliers=(1.0,)):
    def k(x, y):
        d = ((x - y) ** 2).sum()
        return np.mean([math.exp(-d / (2 * m * squared_bandwidth)) for m in multipliers])

    return k


def kernels_of(xs, xt, ps, pt, output_bandwidth=0.92, multipliers=MULTIPLIERS):
    joint = median(np.concatenate([xs, xt]))
    if output_bandwidth is None:
        output = median(np.concatenate([ps, pt]))
    else:
        output = output_bandwidth**2
    return gaussians(joint, multipliers), gaussians(output)


# -- the alignment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"output_bandwidth": None}, {"bandwidth_multipliers": (0.7, 3.0)}]
)
def test_value_and_gradient_are_the_papers(options):
    ps, pt = softmax(OS), softmax(OT)
    kernels = kernels_of(
        XS,
        XT,
        ps,
        pt,
        options.get("output_bandwidth", 0.92),
        options.get("bandwidth_multipliers", MULTIPLIERS),
    )
    tensors = [torch.tensor(a, requires_grad=True) for a in (XS, OS, XT, OT)]
    value = JointMMD(**options)(act(*tensors[:2]), act(*tensors[2:]))
    slow = slow_joint_mmd([(XS, XT), (ps, pt)], kernels)
    assert value.item() == pytest.approx(slow, rel=1e-10)
    value.backward()
    step = 1e-6
    for side, tensor in enumerate(tensors):
        for index in list(np.ndindex(*tensor.shape))[::3]:
            values = []
            for change in (step, -step):
                xs, os, xt, ot = arrays = [a.copy() for a in (XS, OS, XT, OT)]
                arrays[side][index] += change
                layers = [(xs, xt), (softmax(os), softmax(ot))]
                values.append(slow_joint_mmd(layers, kernels))
            slope = (values[0] - values[1]) / (2 * step)
            assert tensor.grad[index].item() == pytest.approx(slope, abs=1e-8)


def test_of_one_layer_and_one_kernel_it_is_the_mmd():
    joint = JointMMD(bandwidth_multipliers=(1.0,), layers=-1)
    expected = MMD()(act(XS, OS), act(XT, OT)).item()
    assert joint(act(XS, OS), act(XT, OT)).item() == pytest.approx(expected, rel=1e-12)


def test_an_output_that_says_nothing_leaves_the_features():
    zeros = [np.zeros_like(o) for o in (OS, OT)]
    joint = JointMMD()(act(XS, zeros[0]), act(XT, zeros[1])).item()
    alone = JointMMD(layers=-1)(act(XS, OS), act(XT, OT)).item()
    assert joint == pytest.approx(alone, rel=1e-12)


def test_classes_that_have_changed_places_are_seen_jointly_only():
    x = np.repeat([[0.0], [1.0]], 4, axis=0)
    right = np.repeat([[9.0, 0.0], [0.0, 9.0]], 4, axis=0)
    source, target = act(x, right), act(x, right[::-1].copy())
    assert JointMMD(layers=-1)(source, target).item() == pytest.approx(0, abs=1e-12)
    assert JointMMD(layers="output")(source, target).item() == pytest.approx(0, abs=1e-12)
    assert JointMMD()(source, target).item() > 0.1
    assert JointMMD()(source, source).item() == pytest.approx(0, abs=1e-12)


def test_a_regressors_output_stands_there_as_it_is():
    sides = (act(*side)._replace(head=NumberHead) for side in ((XS, OS[:, :1]), (XT, OT[:, :1])))
    joint = JointMMD(layers="output")(*sides).item()
    slow = slow_joint_mmd([(OS[:, :1], OT[:, :1])], [gaussians(0.92**2)])
    assert joint == pytest.approx(slow, rel=1e-10)


def test_equal_rows_give_no_nan():
    x = torch.zeros(4, 2, requires_grad=True)
    omega = JointMMD(output_bandwidth=None)(act(x, x), act(torch.zeros(3, 2), torch.zeros(3, 2)))
    omega.backward()
    assert omega.item() == pytest.approx(0, abs=1e-6) and not x.grad.isnan().any()


def adversarial(perturbed=True) -> JointMMD:
    joint = JointMMD(adversarial=True)
    joint.initialize([3], 2)
    if perturbed:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            for p in joint.parameters():
                p += 0.3 * torch.randn(p.shape)
    return joint.double()


def test_the_maps_begin_as_the_identity():
    value = adversarial(perturbed=False)(act(XS, OS), act(XT, OT)).item()
    assert value == pytest.approx(JointMMD()(act(XS, OS), act(XT, OT)).item(), rel=1e-12)
    assert not list(JointMMD().parameters())


def test_the_maps_stand_before_the_kernels():
    joint = adversarial()
    with torch.no_grad():
        rows = [
            [linear(torch.tensor(x)).numpy() for x in pair]
            for linear, pair in zip(joint.maps, [(XS, XT), (softmax(OS), softmax(OT))])
        ]
    slow = slow_joint_mmd(rows, kernels_of(*rows[0], *rows[1]))
    assert joint(act(XS, OS), act(XT, OT)).item() == pytest.approx(slow, rel=1e-10)
    penalty = joint.penalty(act(XS, OS), act(XT, OT), 0.3).item()
    assert penalty == pytest.approx(-slow, rel=1e-10)
    assert joint.observed["joint_mmd"].item() == pytest.approx(slow, rel=1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.4, 3.0])
def test_the_network_gets_lambda_times_the_gradient_and_the_maps_minus_the_gradient(lam):
    joint = adversarial()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = nn.Linear(3, 3).double()

    def sides():
        return [act(encoder(torch.tensor(x)), o) for x, o in ((XS, OS), (XT, OT))]

    joint.penalty(*sides(), lam).backward()
    found = [p.grad.clone() for module in (encoder, joint) for p in module.parameters()]
    encoder.zero_grad()
    joint.zero_grad()
    joint(*sides()).backward()
    plain = [p.grad for module in (encoder, joint) for p in module.parameters()]
    for i, (a, b) in enumerate(zip(found, plain, strict=True)):
        torch.testing.assert_close(a, (lam if i < 2 else -1.0) * b)
    assert plain[2].norm() > 1e-3  # of the first map's weights


def test_without_maps_lambda_multiplies_omega():
    joint = JointMMD()
    omega = joint(act(XS, OS), act(XT, OT)).item()
    penalty = joint.penalty(act(XS, OS), act(XT, OT), 0.3).item()
    assert penalty == pytest.approx(0.3 * omega)


@pytest.mark.parametrize(
    "options",
    [
        {"weight": -1},
        {"bandwidth_multipliers": ()},
        {"bandwidth_multipliers": (-1.0,)},
        {"output_bandwidth": 0},
    ],
)
def test_illegal_parameters(options):
    with pytest.raises(ValueError, match="must be"):
        JointMMD(**options)


# -- the estimator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"adversarial": True},
        {"layers": (0, 1, "output")},
        {"bandwidth_multipliers": (0.5, 1.0)},
        {"output_bandwidth": None},
        {"output_bandwidth": 0.2},
    ],
)
def test_jan_is_the_engine_with_its_alignment(options):
    small = {**SMALL, "hidden_layer_sizes": (9, 6)}
    for cls, engine, regression in (
        (JAN, DeepTransferClassifier, False),
        (JANRegressor, DeepTransferRegressor, True),
    ):
        Xs, ys, Xt, _ = two_domains(regression=regression)
        jan = cls(0.7, **options, **small).fit(Xs, ys, Xt)
        by_hand = engine([JointMMD(**options)], 0.7, **small).fit(Xs, ys, Xt)
        assert same_weights(jan, by_hand)
        if options:
            assert not same_weights(jan, cls(0.7, **small).fit(Xs, ys, Xt))


@pytest.mark.parametrize("adversarial", [False, True])
def test_lambda_zero_one_and_large_are_three_different_networks(adversarial):
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 60}
    nets = {
        lam: JAN(lam, adversarial=adversarial, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 30)
    }
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    apart = {lam: net.history_[-1]["joint_mmd"] for lam, net in nets.items()}
    task = {lam: net.history_[-1]["task_loss"] for lam, net in nets.items()}
    assert apart[0.0] > 1.5 * apart[1.0] and not same_weights(nets[1.0], nets[30])
    assert task[0.0] < task[30] - 0.05


def test_the_maps_are_trained_even_where_the_network_does_not_heed_them():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 30}
    watched = JAN(0.0, adversarial=True, **options).fit(Xs, ys, Xt)
    alone = JAN(0.0, **options).fit(Xs, ys, Xt)
    assert watched.history_[-1]["joint_mmd"] > 1.3 * alone.history_[-1]["joint_mmd"]


def test_lambda_rises_over_the_training():
    Xs, ys, Xt, _ = two_domains()
    by_default, rising, constant = (
        JAN(**lam, **SMALL).fit(Xs, ys, Xt) for lam in ({}, {"lam": Ramp(1.0, 10.0)}, {"lam": 1.0})
    )
    assert same_weights(by_default, rising) and not same_weights(rising, constant)


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        jan = JAN(adversarial=True, **SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SMALL).fit(Xs, ys)
    assert same_weights(jan, plain)


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_not_trusted(regression):
    cls = JANRegressor if regression else JAN
    options = {"hidden_layer_sizes": (32,), "max_epochs": 40}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, regression=regression)
        for lam, scores in ((0.0, source_only), (3.0, adapted)):
            model = cls(lam, random_state=seed, **options).fit(Xs, ys, Xt)
            scores.append(model.score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.2
    if not regression:
        assert max(source_only) < 0.6 and min(adapted) > 0.7


@pytest.mark.parametrize("adversarial", [False, True])
def test_rotated_digits(adversarial):
    Xs, ys, Xt, yt = rotated_digits(0)
    options = {"max_epochs": 25, "random_state": 0}
    plain = JAN(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
    jan = JAN(adversarial=adversarial, **options).fit(Xs, ys, Xt)
    assert jan.score(Xt, yt) > plain + 0.08
