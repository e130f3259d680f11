from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from skdtl import DeepJDOT, DeepJDOTRegressor, DeepTransferClassifier, DeepTransferRegressor
from skdtl._couplings import transport_plan
from skdtl.deep import Activations, JointTransport
from skdtl.deep.alignments.transport import squared_distances
from skdtl.deep.heads import ClassHead, NumberHead

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, two_domains

ot = pytest.importorskip("ot")

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5
LOGITS = RNG.normal(size=(12, 4))
CLASSES = np.array([0, 1, 2, 3, 0, 1, 2])
NUMBERS = RNG.normal(size=7)


def pair(xs, xt, outputs, y, requires_grad=False):
    """Return the activations of both domains, and the four tensors that they are made of."""
    n = len(xs)
    parts = [
        torch.tensor(np.asarray(part), requires_grad=requires_grad)
        for part in (xs, xt, outputs[:n], outputs[n:])
    ]
    head = ClassHead if outputs.shape[1] > 1 else NumberHead
    source = Activations((parts[0],), parts[2], torch.tensor(y), head=head)
    return source, Activations((parts[1],), parts[3], None, head=head), parts


def slow_cost(xs, xt, target_output, y, alpha, lam_t):
    """Write the cost of every pair down, one after another."""
    cost = np.zeros((len(xs), len(xt)))
    for i in range(len(xs)):
        for j in range(len(xt)):
            if target_output.shape[1] > 1:
                odds = np.exp(target_output[j])
                loss = -np.log(odds[y[i]] / odds.sum())
            else:
                loss = (y[i] - target_output[j, 0]) ** 2
            cost[i, j] = alpha * ((xs[i] - xt[j]) ** 2).sum() + lam_t * loss
    return cost


CASES = pytest.mark.parametrize(
    "outputs, y", [(LOGITS, CLASSES), (LOGITS[:, :1], NUMBERS)], ids=["classes", "numbers"]
)


@CASES
@pytest.mark.parametrize("alpha, lam_t", [(0.3, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_omega_is_the_cost_of_the_cheapest_plan(outputs, y, alpha, lam_t):
    alignment = JointTransport(alpha=alpha, lam_t=lam_t)
    source, target, _ = pair(XS, XT, outputs, y)
    cost = slow_cost(XS, XT, outputs[7:], y, alpha, lam_t)
    np.testing.assert_allclose(alignment.cost(source, target), cost, atol=1e-12)
    plan = ot.emd(np.full(7, 1 / 7), np.full(5, 1 / 5), cost)
    omega = alignment(source, target).item()
    assert omega == pytest.approx((plan * cost).sum(), rel=1e-10)
    permutations = [np.mean(cost[RNG.permutation(7)[:5], np.arange(5)]) for _ in range(200)]
    assert omega <= min(permutations) + 1 / 7 * cost.max()
    assert alignment.penalty(source, target, 0.3).item() == pytest.approx(0.3 * omega)
    assert alignment.observed["transport"].item() == pytest.approx(omega)


@CASES
@pytest.mark.parametrize("reg_e", [0.0, 0.2])
def test_the_gradient_is_that_of_the_cost_with_the_plan_held_fixed(outputs, y, reg_e):
    alignment = JointTransport(alpha=0.3, lam_t=2.0, reg_e=reg_e)
    source, target, parts = pair(XS, XT, outputs, y, requires_grad=True)
    alignment(source, target).backward()
    cost = slow_cost(XS, XT, outputs[7:], y, 0.3, 2.0)
    plan = transport_plan(cost, reg_e).coupling
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 7, atol=1e-4)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 5, atol=1e-4)
    assert parts[2].grad is None  # the source's own outputs are no part of it
    for k, values in ((0, XS), (1, XT), (3, outputs[7:])):
        arrays = [XS.copy(), XT.copy(), None, outputs[7:].copy()]
        expected = np.zeros_like(values)
        for index in np.ndindex(*values.shape):
            found = []
            for change in (1e-6, -1e-6):
                arrays[k][index] += change
                moved = slow_cost(arrays[0], arrays[1], arrays[3], y, 0.3, 2.0)
                found.append((plan * moved).sum())
                arrays[k][index] -= change
            expected[index] = (found[0] - found[1]) / 2e-6
        np.testing.assert_allclose(parts[k].grad, expected, atol=1e-7)


def test_entropy_makes_the_plan_softer():
    source, target, _ = pair(XS, XT, LOGITS, CLASSES)
    exact, soft, softest = (
        JointTransport(reg_e=reg_e)(source, target).item() for reg_e in (0.0, 0.1, 1e3)
    )
    mean = JointTransport().cost(source, target).mean().item()
    assert exact < soft < softest == pytest.approx(mean, rel=1e-3)


def test_equal_batches_cost_nothing_but_the_labels():
    source, target, _ = pair(XS, XS, np.r_[LOGITS[:7], LOGITS[:7]], CLASSES)
    assert JointTransport(lam_t=0.0)(source, target).item() == pytest.approx(0, abs=1e-12)
    sure = np.eye(4)[CLASSES] * 50
    source, target, _ = pair(XS, XS, np.r_[sure, sure], CLASSES)
    assert JointTransport(alpha=1.0)(source, target).item() == pytest.approx(0, abs=1e-12)


def test_several_layers_add_their_distances():
    y = torch.tensor(CLASSES)
    outputs = torch.tensor(LOGITS)
    layers = [
        (torch.tensor(XS), torch.tensor(XT)),
        (torch.tensor(XS[:, :2]), torch.tensor(-XT[:, :2])),
    ]
    source = Activations(tuple(a for a, _ in layers), outputs[:7], y)
    target = Activations(tuple(b for _, b in layers), outputs[7:], None)
    both = JointTransport(lam_t=0.0, alpha=1.0, layers=(0, 1)).cost(source, target)
    each = [JointTransport(lam_t=0.0, alpha=1.0, layers=k).cost(source, target) for k in (0, 1)]
    torch.testing.assert_close(both, each[0] + each[1])
    output = JointTransport(lam_t=0.0, alpha=1.0, layers="output").cost(source, target)
    p = outputs.softmax(1)
    torch.testing.assert_close(output, torch.cdist(p[:7], p[7:]) ** 2)


def test_distances_keep_their_digits_far_from_the_origin():
    near = squared_distances(torch.tensor(XS), torch.tensor(XT))
    far = squared_distances(torch.tensor(XS + 1000).float(), torch.tensor(XT + 1000).float())
    torch.testing.assert_close(far.double(), near, rtol=1e-3, atol=1e-3)
    assert (squared_distances(torch.tensor(XS), torch.tensor(XS)) >= 0).all()


@pytest.mark.parametrize(
    "options", [{"alpha": -1.0}, {"lam_t": float("nan")}, {"reg_e": -0.1}, {"weight": -1}]
)
def test_illegal_options(options):
    with pytest.raises(ValueError, match="must be"):
        JointTransport(**options)


# -- the estimators --------------------------------------------------------------------------------


@pytest.mark.parametrize("regression", [False, True])
def test_deep_jdot_is_the_engine_with_joint_transport(regression):
    cls, engine = (
        (DeepJDOTRegressor, DeepTransferRegressor)
        if regression
        else (DeepJDOT, DeepTransferClassifier)
    )
    Xs, ys, Xt, _ = two_domains(regression=regression)
    named = cls(0.7, alpha=0.5, lam_t=0.4, reg_e=0.1, layers="output", **SMALL).fit(Xs, ys, Xt)
    alignment = JointTransport(alpha=0.5, lam_t=0.4, reg_e=0.1, layers="output")
    assert same_weights(named, engine([alignment], lam=0.7, **SMALL).fit(Xs, ys, Xt))
    plain = cls(**SMALL).fit(Xs, ys, Xt)
    alignment = JointTransport(alpha=0.1, lam_t=0.1)
    assert same_weights(plain, engine([alignment], lam=1.0, **SMALL).fit(Xs, ys, Xt))


def test_lambda_zero_one_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 60}
    nets = {lam: DeepJDOT(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)}
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    transport = [net.history_[-1]["transport"] for net in nets.values()]
    assert transport[0] > 1.3 * transport[1] and transport[1] > transport[2]
    task = [net.history_[-1]["task_loss"] for net in nets.values()]
    assert task[2] > task[1] + 0.05  # too much drowns the task


def test_labels_decide_which_rows_are_paired():
    """Rows of the wrong class are nearer; the network's own predictions keep them apart."""
    xs, xt = np.array([[0.0], [1.0]]), np.array([[0.9], [1.9]])
    logits = 5 * np.array([[1.0, -1], [-1, 1], [1, -1], [-1, 1]])
    classes = np.array([0, 1])
    source, target, _ = pair(xs, xt, logits, classes)
    assert JointTransport(alpha=1.0, lam_t=1.0)(source, target).item() == pytest.approx(
        0.81, abs=1e-3
    )
    wrong = pair(xs, xt, logits[[0, 1, 3, 2]], classes)
    cost = JointTransport(alpha=1.0, lam_t=0.5)(*wrong[:2]).item()
    assert cost == pytest.approx((1.9**2 + 0.1**2) / 2, abs=1e-3)


def test_labelled_target_rows_join_the_task():
    Xs, ys, Xt, yt = two_domains(n_source=60, n_target=60)
    Xt = Xt + np.array([0, 0, 4, 0, 0])
    options = {**SMALL, "max_epochs": 60, "lr": 0.01}
    taught = DeepJDOT(0.01, **options).fit(Xs, ys, Xt, 1 - yt)
    assert taught.score(Xt, 1 - yt) > 0.9


def test_pickles_and_copies_predict_alike_and_a_refit_is_the_same():
    Xs, ys, Xt, _ = two_domains(n_source=45, n_target=70)
    model = DeepJDOT(**SMALL).fit(Xs, ys, Xt)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(twin.predict_proba(Xt), model.predict_proba(Xt))
        assert same_weights(twin.fit(Xs, ys, Xt), model)


def turned(seed):
    """Return four classes, and the target turned by 40 degrees about the origin."""
    rng = np.random.default_rng(seed)
    sides = []
    for angle in (0.0, np.deg2rad(40)):
        y = rng.integers(4, size=300)
        X = 3 * np.c_[np.cos(np.pi / 2 * y), np.sin(np.pi / 2 * y)]
        X += rng.normal(scale=0.4, size=X.shape)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        sides += [X @ turn, y]
    return sides


def drifted(seed):
    """Return a wave, and the target drifted along it."""
    rng = np.random.default_rng(seed)
    sides = []
    for shift in (0.0, 1.2):
        place = rng.uniform(-2, 2, size=300)
        X = rng.normal(size=(300, 2))
        X[:, 0] = place + 0.2 * X[:, 0] + shift
        sides += [X, 10 * np.sin(1.5 * place)]
    return sides


@pytest.mark.parametrize(
    "cls, data, lam_t", [(DeepJDOT, turned, 0.1), (DeepJDOTRegressor, drifted, 1.0)]
)
def test_a_target_that_moved_is_followed(cls, data, lam_t):
    options = {"hidden_layer_sizes": (32,), "max_epochs": 30, "lr": 0.01, "lam_t": lam_t}
    source_only, adapted = [], []
    for seed in range(3):
        Xs, ys, Xt, yt = data(seed)
        for lam, scores in ((0.0, source_only), (1.0, adapted)):
            scores.append(cls(lam, random_state=seed, **options).fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.1
    assert all(a > s + 0.05 for a, s in zip(adapted, source_only))


def test_rotated_digits():
    Xs, ys, Xt, yt = rotated_digits(0)
    options = {"max_epochs": 20, "batch_size": 64, "random_state": 0}
    plain, adapted = (DeepJDOT(lam, **options).fit(Xs, ys, Xt).score(Xt, yt) for lam in (0.0, 1.0))
    assert adapted > plain + 0.1
