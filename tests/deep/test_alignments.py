from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skdtl import DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import (
    MMD,
    Activations,
    Alignment,
    CorrelationAlignment,
    DomainAdversary,
    JointMMD,
    MultiKernelMMD,
    Ramp,
)
from skdtl.deep.alignments import reverse_gradient
from skdtl.deep.schedules import inverse_decay

from ..deep_common import SMALL
from ..shifts import two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5


def act(*features, requires_grad=False) -> Activations:
    tensors = tuple(torch.tensor(f, requires_grad=requires_grad) for f in features)
    return Activations(tensors, torch.zeros(len(features[0]), 2), None)


def slow_mmd(xs, xt, kernel):
    def mean(a, b):
        return sum(kernel(x, y) for x in a for y in b) / (len(a) * len(b))

    return mean(xs, xs) + mean(xt, xt) - 2 * mean(xs, xt)


def gaussian(squared_bandwidth):
    return lambda x, y: math.exp(-((x - y) ** 2).sum() / (2 * squared_bandwidth))


# -- MMD -------------------------------------------------------------------------------------------


def test_linear_mmd_is_the_squared_distance_of_the_means():
    value = MMD(kernel="linear")(act(XS), act(XT)).item()
    assert value == pytest.approx(((XS.mean(0) - XT.mean(0)) ** 2).sum(), rel=1e-12)
    assert value == pytest.approx(slow_mmd(XS, XT, np.dot), rel=1e-12)


def test_gaussian_mmd_is_the_biased_estimate():
    value = MMD(bandwidth=0.7)(act(XS), act(XT)).item()
    assert value == pytest.approx(slow_mmd(XS, XT, gaussian(0.49)), rel=1e-10)


def test_the_bandwidth_is_the_median_distance_of_different_rows():
    x = np.concatenate([XS, XT])
    n = len(x)
    squares = [((x[i] - x[j]) ** 2).sum() for i in range(n) for j in range(i + 1, n)]
    median = sorted(squares)[(len(squares) - 1) // 2]  # torch's: the lower of the middle two
    value = MMD()(act(XS), act(XT)).item()
    assert value == pytest.approx(slow_mmd(XS, XT, gaussian(median)), rel=1e-10)


@pytest.mark.parametrize("mmd", [MMD(bandwidth=1.3), MMD(kernel="linear")])
def test_mmd_gradient(mmd):
    xs, xt = torch.tensor(XS, requires_grad=True), torch.tensor(XT, requires_grad=True)
    logits = torch.zeros(1, 2)

    def omega(a, b):
        return mmd(Activations((a,), logits, None), Activations((b,), logits, None))

    assert torch.autograd.gradcheck(omega, (xs, xt))


def test_the_median_is_held_constant_for_the_gradient():
    source = act(XS, requires_grad=True)
    x = torch.tensor(np.concatenate([XS, XT]))
    sigma = torch.pdist(x).median().item()
    MMD()(source, act(XT)).backward()
    fixed = act(XS, requires_grad=True)
    MMD(bandwidth=sigma)(fixed, act(XT)).backward()
    torch.testing.assert_close(source.features[0].grad, fixed.features[0].grad)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_mmd_of_equal_batches_is_zero_and_of_equal_rows_no_nan(kernel):
    mmd = MMD(kernel=kernel)
    assert mmd(act(XS), act(XS)).item() == pytest.approx(0, abs=1e-12)
    source = act(np.zeros((4, 2), dtype=np.float32), requires_grad=True)
    omega = mmd(source, act(np.zeros((3, 2), dtype=np.float32)))
    omega.backward()
    assert omega.item() == 0 and not source.features[0].grad.isnan().any()


def test_gaussian_mmd_keeps_its_digits_far_from_the_origin():
    near = MMD(bandwidth=1.0)(act(XS), act(XT)).item()
    far = MMD(bandwidth=1.0)(
        act((XS + 1000).astype(np.float32)), act((XT + 1000).astype(np.float32))
    )
    assert far.item() == pytest.approx(near, rel=1e-3)


def test_mmd_aligns_the_layer_that_was_asked_for():
    source, target = act(XS, 2 * XS), act(XT, XT)
    linear = MMD(kernel="linear", layers=0)(source, target).item()
    assert linear == pytest.approx(slow_mmd(XS, XT, np.dot))
    assert MMD(kernel="linear")(source, target).item() == pytest.approx(
        slow_mmd(2 * XS, XT, np.dot)
    )


def test_penalty_is_lambda_times_omega_and_omega_is_observed():
    mmd = MMD(kernel="linear")
    omega = mmd(act(XS), act(XT)).item()
    assert mmd.penalty(act(XS), act(XT), 0.3).item() == pytest.approx(0.3 * omega)
    assert mmd.observed["mmd"].item() == pytest.approx(omega)


# -- the adversary ---------------------------------------------------------------------------------


def adversary(sizes=(6,), width=3) -> DomainAdversary:
    torch.manual_seed(0)
    adversary = DomainAdversary(hidden_layer_sizes=sizes)
    adversary.initialize([width], 2)
    return adversary.double()


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def discriminator_probability(adversary, x):
    """Compute D by hand."""
    parameters = [p.detach().numpy() for p in adversary.parameters()]
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
        x = np.maximum(x @ weight.T + bias, 0)
    z = (x @ parameters[-2].T + parameters[-1])[:, 0]
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("sizes", [(), (6,), (6, 4)])
def test_adversary_is_the_sum_of_both_domains_mean_cross_entropies(sizes):
    d = adversary(sizes)
    p_source, p_target = discriminator_probability(d, XS), discriminator_probability(d, XT)
    expected = -np.log(p_source).mean() - np.log(1 - p_target).mean()
    assert d(act(XS), act(XT)).item() == pytest.approx(expected, rel=1e-10)
    assert d.penalty(act(XS), act(XT), 0.3).item() == pytest.approx(expected, rel=1e-10)
    assert d.observed["domain_loss"].item() == pytest.approx(expected, rel=1e-10)
    right = ((p_source > 0.5).mean() + (p_target <= 0.5).mean()) / 2
    assert d.observed["domain_accuracy"].item() == pytest.approx(right)


def test_reversal_is_the_identity_forward_and_minus_lambda_backward():
    x = torch.tensor(XS, requires_grad=True)
    y = reverse_gradient(x, 0.7)
    assert torch.equal(x, y)
    gradient = torch.tensor(RNG.normal(size=XS.shape))
    y.backward(gradient)
    torch.testing.assert_close(x.grad, -0.7 * gradient)


@pytest.mark.parametrize("lam", [0.0, 0.4, 3.0])
def test_encoder_gets_minus_lambda_times_the_gradient_and_the_discriminator_the_gradient(lam):
    torch.manual_seed(0)
    encoder = torch.nn.Linear(3, 3).double()
    d = adversary()

    def omega():
        source, target = encoder(torch.tensor(XS)), encoder(torch.tensor(XT))
        logits = torch.zeros(1, 2)
        return Activations((source,), logits, None), Activations((target,), logits, None)

    d.penalty(*omega(), lam).backward()
    step = 1e-6
    for module, factor in ((encoder, -lam), (d, 1.0)):
        for parameter in module.parameters():
            for index in np.ndindex(*parameter.shape):
                values = []
                for change in (step, -step):
                    with torch.no_grad():
                        parameter[index] += change
                        values.append(d(*omega()).item())
                        parameter[index] -= change
                slope = (values[0] - values[1]) / (2 * step)
                assert parameter.grad[index].item() == pytest.approx(factor * slope, abs=1e-7)


def test_adversary_watches_the_layer_that_was_asked_for():
    d = DomainAdversary(hidden_layer_sizes=(5,), layers=0)
    d.initialize([4, 9], 2)
    assert d.discriminator[0].in_features == 4 and d.discriminator[0].out_features == 5


# -- the rest --------------------------------------------------------------------------------------


def test_detached_activations_carry_no_gradient():
    source = act(XS, requires_grad=True)
    detached = source.detach()
    assert not detached.features[0].requires_grad
    assert torch.equal(detached.features[0], source.features[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: MMD(-1.0),
        lambda: MMD(float("nan")),
        lambda: MMD(kernel="cubic"),
        lambda: MMD(bandwidth=0),
        lambda: DomainAdversary(weight=-0.1),
    ],
)
def test_illegal_alignments(make):
    with pytest.raises(ValueError, match=r"must be"):
        make()


def test_an_alignment_must_say_what_it_is():
    with pytest.raises(NotImplementedError):
        Alignment()(act(XS), act(XT))


def test_schedules():
    for p in (0.0, 0.1, 0.37, 1.0):
        expected = 2 / (1 + math.exp(-10 * p)) - 1
        assert Ramp()(p) == pytest.approx(expected)
        assert Ramp(0.3, alpha=4)(p) == pytest.approx(0.3 * (2 / (1 + math.exp(-4 * p)) - 1))
        assert inverse_decay(p) == pytest.approx(1 / (1 + 10 * p) ** 0.75)


def test_repr_shows_the_hyperparameters():
    assert repr(MMD(0.5)) == "MMD(weight=0.5, kernel='rbf', bandwidth=None, layers=-1)"
    assert repr(DomainAdversary(hidden_layer_sizes=(7,))) == (
        "DomainAdversary(weight=1.0, hidden_layer_sizes=(7,), layers=-1)"
    )


def test_an_alignment_that_needs_classes_refuses_a_regressor():
    class OfClasses(DomainAdversary):
        needs_classes = True

    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match=r"OfClasses looks at class prob.* a regressor's"):
        DeepTransferRegressor([OfClasses()], **SMALL).fit(Xs, ys, Xt)
    Xs, ys, Xt, _ = two_domains()
    DeepTransferClassifier([OfClasses()], **SMALL).fit(Xs, ys, Xt)  # two classes are classes


@pytest.mark.parametrize("cls", [MMD, MultiKernelMMD, JointMMD, CorrelationAlignment])
def test_layers_none_are_all_hidden_layers(cls):
    rng = np.random.default_rng(0)
    source, target = (
        Activations(
            tuple(torch.tensor(rng.normal(size=(9, width))) for width in (3, 2)),
            torch.tensor(rng.normal(size=(9, 4))),
            None,
        )
        for _ in range(2)
    )
    values = []
    for layers in (None, (0, 1), (0, 1, "output"), 0):
        alignment = cls(layers=layers)
        alignment.initialize([3, 2], 4)
        values.append(alignment(source, target).item())
    assert values[0] == values[1]
    assert len(set(values)) == 3
