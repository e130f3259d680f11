from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from skdtl import RTN, DeepTransferClassifier, DeepTransferRegressor, NoTargetWarning
from skdtl.deep import Activations, ClassHead, FusedMMD
from skdtl.deep.alignments.fused_mmd import fused_mmd2
from skdtl.deep.domain_networks import ResidualNetwork

from ..deep_common import SMALL, weights
from ..shifts import shifted_feature, two_domains

ADAM = {**SMALL, "optimizer": "adam", "lr": 0.01, "lr_schedule": "constant"}
MULTIPLIERS = (0.125, 0.25, 0.5, 1.0, 2.0)
RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5
ZS, ZT = RNG.normal(size=(7, 4)), RNG.normal(size=(5, 4)) - 0.5


# -- the discrepancy -------------------------------------------------------------------------------


def slow_fused_mmd2(source, target, multipliers=MULTIPLIERS):
    """Transcribe equation 2: tensor products, then kernels, row by row."""

    def products(factors):
        found = []
        for parts in zip(*factors):
            z = np.ones(1)
            for part in parts:
                z = np.array([a * b for a in z for b in part])
            found.append(z)
        return found

    s, t = products(source), products(target)
    both = s + t
    squares = [((a - b) ** 2).sum() for i, a in enumerate(both) for b in both[:i]]
    middle = sorted(squares)[(len(squares) - 1) // 2]

    def mean_kernel(first, second):
        total = 0.0
        for a in first:
            for b in second:
                for m in multipliers:
                    total += np.exp(-((a - b) ** 2).sum() / (2 * m * middle))
        return total / len(first) / len(second)

    return mean_kernel(s, s) + mean_kernel(t, t) - 2 * mean_kernel(s, t)


def tensors(*arrays):
    return [torch.tensor(array) for array in arrays]


@pytest.mark.parametrize("multipliers", [MULTIPLIERS, (1.0,), (0.3, 5.0)])
@pytest.mark.parametrize("n_factors", [1, 2, 3])
def test_fused_mmd_is_that_of_all_products(n_factors, multipliers):
    source, target = (XS, ZS, XS[:, :2])[:n_factors], (XT, ZT, XT[:, :2])[:n_factors]
    found = fused_mmd2(tensors(*source), tensors(*target), multipliers).item()
    assert found == pytest.approx(slow_fused_mmd2(source, target, multipliers), rel=1e-10)


def test_fused_mmd_has_the_gradient_of_its_formula():
    factors = tensors(XS, ZS, XT, ZT)
    for factor in factors:
        factor.requires_grad_(True)
    fused_mmd2(factors[:2], factors[2:], MULTIPLIERS).backward()
    x, xt, y, yt = (t.requires_grad_(True) for t in tensors(XS, XT, ZS, ZT))
    z = torch.cat([torch.einsum("ni,nk->nik", *pair).flatten(1) for pair in ((x, y), (xt, yt))])
    squares = (z[:, None] - z[None]).square().sum(2)
    middle = squares[torch.triu_indices(12, 12, 1).unbind()].median().detach()
    kernel = sum((-squares / (2 * m * middle)).exp() for m in MULTIPLIERS)
    (kernel[:7, :7].mean() + kernel[7:, 7:].mean() - 2 * kernel[:7, 7:].mean()).backward()
    for mine, slow in zip(factors, (x, y, xt, yt), strict=True):
        torch.testing.assert_close(mine.grad, slow.grad)


def test_fused_mmd_is_zero_for_equal_rows_and_has_no_scale():
    source, target = tensors(XS, ZS), tensors(XT, ZT)
    assert fused_mmd2(source, source, MULTIPLIERS).item() == pytest.approx(0, abs=1e-12)
    scaled = [[10 * x, 0.1 * z] for x, z in (source, target)]
    expected = fused_mmd2(source, target, MULTIPLIERS).item()
    assert expected > 0.1
    assert fused_mmd2(*scaled, MULTIPLIERS).item() == pytest.approx(expected, rel=1e-9)
    # Features and logits that are alike, each by itself, but go together otherwise.
    turned = [source[0], source[1].flip(0)]
    assert fused_mmd2(source, turned, MULTIPLIERS).item() > 0.1


def test_the_alignment_fuses_layers_with_the_heads_logits():
    head = ClassHead(3, 4).double()
    first = tensors(XS[:, :2], XT[:, :2])
    sides = [
        Activations((low, x), torch.full((len(x), 4), torch.nan), None, head=head)
        for low, x in zip(first, tensors(XS, XT))
    ]
    logits = [head(x).detach().numpy() for x in tensors(XS, XT)]
    for layers, parts in (
        (-1, [(XS, logits[0]), (XT, logits[1])]),
        (None, [(XS[:, :2], XS, logits[0]), (XT[:, :2], XT, logits[1])]),
        (0, [(XS[:, :2], logits[0]), (XT[:, :2], logits[1])]),
    ):
        found = FusedMMD(layers=layers)(*sides).item()  # the output plays no part
        assert found == pytest.approx(slow_fused_mmd2(*parts), rel=1e-9)
    with pytest.raises(ValueError, match="bandwidth_multipliers of FusedMMD must be > 0"):
        FusedMMD(bandwidth_multipliers=(0.0,))
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="FusedMMD looks at class probabilities"):
        DeepTransferRegressor([FusedMMD()], **SMALL).fit(Xs, ys, Xt)


# -- the network -----------------------------------------------------------------------------------


def slow_outputs(network, X):
    """Transcribe equation 3 in numpy: return features, f_T and f_S."""
    with torch.no_grad():
        features = network.features(torch.as_tensor(X))[-1].numpy()
    weight, bias = (p.detach().numpy() for p in network.head.parameters())
    f_target = features @ weight.T + bias
    w1, b1, w2, b2 = (p.detach().numpy() for p in network.residual.parameters())
    return features, f_target, f_target + np.maximum(f_target @ w1.T + b1, 0) @ w2.T + b2


def test_each_domain_is_predicted_by_its_own_function():
    Xs, ys, Xt, _ = two_domains()
    model = RTN(**{**ADAM, "max_epochs": 30}).fit(Xs, ys, Xt)
    network = model.net_.module_.double().eval()
    _, f_target, f_source = slow_outputs(network, Xs)
    assert np.abs(f_source - f_target).max() > 0.1
    x = torch.as_tensor(Xs[:7])
    _, output = network.activations(x, torch.tensor([1, 1, 2, 1, -1, -1, -2]))
    expected = np.concatenate([f_source[:4], f_target[4:7]])
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-10)
    # Whatever is public takes rows for the target's.
    decision = f_target[:, 1] - f_target[:, 0]
    np.testing.assert_allclose(model.decision_function(Xs), decision, rtol=1e-9)
    np.testing.assert_allclose(model.predict_proba(Xs)[:, 1], 1 / (1 + np.exp(-decision)))
    np.testing.assert_array_equal(model.predict(Xs), f_target.argmax(1))
    np.testing.assert_allclose(model._output(Xs, "source"), f_source, rtol=1e-9)


def test_the_residual_begins_near_zero():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [torch.nn.Linear(5, 8)]
        network = ResidualNetwork(layers, lambda width: ClassHead(width, 40), torch.zeros(1, 5))
    for layer in (network.residual[0], network.residual[2]):
        assert layer.weight.shape == (40, 40) and not layer.bias.any()
        assert 0.009 < layer.weight.std() < 0.011
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    _, source = network.activations(x, torch.ones(6, dtype=int))
    _, target = network.activations(x)
    torch.testing.assert_close(source, target, atol=0.05, rtol=0)
    assert not torch.equal(source, target)


# -- the training ----------------------------------------------------------------------------------


def test_a_step_is_the_papers_to_the_last_gradient():
    Xs, ys, Xt, yt = two_domains(n_source=30, n_target=20)
    few = np.where(np.arange(20) < 4, yt, -1)
    options = {**SMALL, "optimizer": "sgd", "momentum": 0.0, "max_epochs": 1, "batch_size": 99}
    method = {"lam": 0.7, "gamma": 0.3}
    still = RTN(**method, **options, lr=1e-30).fit(Xs, ys, Xt, few)
    model = RTN(**method, **options, lr=0.5).fit(Xs, ys, Xt, few)
    network = copy.deepcopy(still.net_.module_).double()  # without gradients
    (fs, zs), (ft, zt) = (
        (features, network.head(features))
        for features in (network.features(torch.as_tensor(X))[-1] for X in (Xs, Xt))
    )
    f_source = zs + network.residual(zs)
    log_p = torch.cat([f_source, zt[:4]]).log_softmax(1)
    task = -log_p[torch.arange(34), torch.as_tensor([*ys, *yt[:4]])].mean()
    z = torch.cat([torch.einsum("ni,nk->nik", *pair).flatten(1) for pair in ((fs, zs), (ft, zt))])
    squares = (z[:, None] - z[None]).square().sum(2)
    median = squares[torch.triu_indices(50, 50, 1).unbind()].median().detach()
    kernel = sum((-squares / (2 * m * median)).exp() for m in MULTIPLIERS)
    mmd = kernel[:30, :30].mean() + kernel[30:, 30:].mean() - 2 * kernel[:30, 30:].mean()
    q = zt[4:].softmax(1)
    entropy = -(q * q.log()).sum(1).mean()
    loss = task + 0.7 * mmd + 0.7 * 0.3 * entropy
    loss.backward()
    assert model.loss_curve_[0] == pytest.approx(loss.item(), rel=1e-5)
    assert model.history_[0, "task_loss"] == pytest.approx(task.item(), rel=1e-5)
    assert model.history_[0, "fused_mmd"] == pytest.approx(mmd.item(), rel=1e-4)
    assert model.history_[0, "target_entropy"] == pytest.approx(entropy.item(), rel=1e-5)
    for start, learnt in zip(network.parameters(), weights(model), strict=True):
        np.testing.assert_allclose(learnt, (start - 0.5 * start.grad).detach(), atol=2e-6)


def test_without_a_target_the_network_is_the_plain_one():
    Xs, ys, _, _ = two_domains()
    for options in (ADAM, {**ADAM, "validation_fraction": 0.2}):
        with pytest.warns(NoTargetWarning):
            plain, model = (cls(**options).fit(Xs, ys) for cls in (DeepTransferClassifier, RTN))
        np.testing.assert_array_equal(model.predict_proba(Xs), plain.predict_proba(Xs))
    with pytest.warns(NoTargetWarning):
        pieces = [cls(**ADAM).partial_fit(Xs, ys) for cls in (DeepTransferClassifier, RTN)]
    np.testing.assert_array_equal(*(piece.predict_proba(Xs) for piece in pieces))


def test_lambda_and_gamma_zero_moderate_and_large():
    Xs, ys, Xt, _ = two_domains()
    options = {**ADAM, "max_epochs": 60}

    def last(lam, gamma):
        return RTN(lam, gamma=gamma, **options).fit(Xs, ys, Xt).history_[-1]

    none, aligned, decided = last(0.0, 0.1), last(1.0, 0.0), last(1.0, 1.0)
    assert none["fused_mmd"] > 1.5 * aligned["fused_mmd"]
    assert aligned["target_entropy"] > 2 * decided["target_entropy"]
    assert last(300.0, 0.1)["task_loss"] > none["task_loss"] + 0.1


# -- what it is for --------------------------------------------------------------------------------


def test_it_follows_a_shifted_feature():
    options = {**ADAM, "max_epochs": 60}
    gains = []
    for seed in range(3):
        Xs, ys, Xt, yt = shifted_feature(seed, n=200)
        plain, model = (
            cls(**options).fit(Xs, ys, Xt).score(Xt, yt) for cls in (DeepTransferClassifier, RTN)
        )
        gains.append(model - plain)
    assert np.mean(gains) > 0.15


def test_by_default_the_residual_is_small():
    """What begins at a saddle grows slowly by SGD, as in the paper, and at once by Adam."""
    shares = {}
    for name, options in (("sgd", {}), ("adam", ADAM)):
        Xs, ys, Xt, _ = shifted_feature(0, n=200)
        model = RTN(**{**options, "max_epochs": 100, "random_state": 0}).fit(Xs, ys, Xt)
        f_target, f_source = (model._output(Xs, domain) for domain in ("target", "source"))
        shares[name] = np.abs(f_source - f_target).mean() / np.abs(f_target).mean()
    assert 0 < shares["sgd"] < 0.3 < shares["adam"], shares
