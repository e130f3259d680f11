from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, DeepTransferRegressor, SimultaneousTransfer
from skdtl.deep import Activations, DomainConfusion, Ramp, SoftLabels

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5
ZS, ZT = RNG.normal(size=(7, 4)), RNG.normal(size=(5, 4))  # logits of four classes
YS, YT = np.array([0, 1, 2, 2, 0, 1, 1]), np.array([2, -1, 0, -1, 2])
SGD = {"optimizer": "sgd", "lr": 0.01, "lr_schedule": "decay"}  # the method's training


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def act(features, output=None, y=None) -> Activations:
    features = torch.as_tensor(features)
    output = torch.zeros(len(features), 4).double() if output is None else torch.as_tensor(output)
    return Activations((features,), output, None if y is None else torch.as_tensor(y))


def confusion(sizes=(6,), **options) -> DomainConfusion:
    torch.manual_seed(0)
    made = DomainConfusion(hidden_layer_sizes=sizes, **options)
    made.initialize([3], 4)
    return made.double()


def probability(made, x):
    """Compute D by hand."""
    parameters = [p.detach().numpy() for p in made.parameters()]
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
        x = np.maximum(x @ weight.T + bias, 0)
    z = (x @ parameters[-2].T + parameters[-1])[:, 0]
    return 1 / (1 + np.exp(-z))


# -- domain confusion ------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(), (6,), (6, 4)])
def test_confusion_is_the_cross_entropy_to_the_uniform_distribution(sizes):
    made = confusion(sizes)
    means = []
    for x in (XS, XT):
        q = probability(made, x)
        means.append(np.mean([-(0.5 * math.log(p) + 0.5 * math.log(1 - p)) for p in q]))
    expected = np.mean(means)
    assert made(act(XS), act(XT)).item() == pytest.approx(expected, rel=1e-12)
    assert made.penalty(act(XS), act(XT), 0.3).item() == pytest.approx(0.3 * expected, rel=1e-12)
    assert made.observed["domain_confusion"].item() == pytest.approx(expected, rel=1e-12)
    swapped = made(act(XT), act(XS)).item()
    assert swapped == pytest.approx(expected, rel=1e-12)  # neither domain is the right answer


def test_confusion_is_least_where_the_classifier_is_undecided():
    made = confusion(())
    for parameter in made.discriminator.parameters():
        nn.init.zeros_(parameter)
    assert made(act(XS), act(XT)).item() == pytest.approx(math.log(2), rel=1e-12)
    for bias in (-30.0, -0.1, 0.1, 30.0):  # whichever domain it takes all rows for
        nn.init.constant_(made.discriminator[0].bias, bias)
        assert made(act(XS), act(XT)).item() > math.log(2) + 1e-3


def test_confusion_gradient_reaches_the_features_and_not_the_classifier():
    made = confusion()
    xs, xt = (torch.tensor(x, requires_grad=True) for x in (XS, XT))
    assert torch.autograd.gradcheck(lambda a, b: made(act(a), act(b)), (xs, xt))
    made.penalty(act(xs), act(xt), 1.0).backward()
    assert xs.grad.abs().max() > 0 and xt.grad.abs().max() > 0
    assert all(p.grad is None and not p.requires_grad for p in made.parameters())


def test_the_classifier_makes_adams_step_on_its_own_loss():
    made = confusion(discriminator_lr=0.02)
    by_hand = copy.deepcopy(made.discriminator).requires_grad_(True)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.02)
    for step in range(3):
        made.before_step(act(XS), act(XT))
        z_source, z_target = by_hand(torch.tensor(XS)), by_hand(torch.tensor(XT))
        bce = nn.BCEWithLogitsLoss()
        loss = bce(z_source, torch.ones_like(z_source)) + bce(z_target, torch.zeros_like(z_target))
        right = ((z_source > 0).double().mean() + (z_target <= 0).double().mean()) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for mine, other in zip(made.discriminator.parameters(), by_hand.parameters()):
            torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)
        assert made.observed["domain_loss"].item() == pytest.approx(loss.item(), rel=1e-9), step
        assert made.observed["domain_accuracy"].item() == pytest.approx(right.item(), rel=1e-6)
    assert all(p.grad is None and not p.requires_grad for p in made.parameters())


def test_the_classifier_sees_the_layers_side_by_side():
    made = DomainConfusion(hidden_layer_sizes=(5,), layers=(0, "output"))
    made.initialize([3, 9], 4)
    assert made.discriminator[0].in_features == 7
    twice = Activations((torch.tensor(XS), torch.tensor(XS)), torch.tensor(ZS), None)
    other = Activations((torch.tensor(XT), torch.tensor(XT)), torch.tensor(ZT), None)
    made.double().before_step(twice, other)
    assert made(twice, other).isfinite()


# -- soft labels -----------------------------------------------------------------------------------


def softmax(z):
    odds = np.exp(z)
    return odds / odds.sum()


def slow_soft_labels(z_source, y_source, temperature):
    table = np.zeros((4, 4))
    for k in set(y_source.tolist()):
        rows = [softmax(z / temperature) for z, y in zip(z_source, y_source) if y == k]
        table[k] = np.mean(rows, axis=0)
    return table


def slow_loss(table, z_target, y_target, temperature):
    losses = []
    for z, y in zip(z_target, y_target):
        if y >= 0:
            p = softmax(z / temperature)
            losses.append(-sum(table[y, k] * math.log(p[k]) for k in range(4)))
    return np.mean(losses)


def soft_labels(**options) -> SoftLabels:
    made = SoftLabels(**options)
    made.initialize([3], 4)
    return made.double()


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_soft_labels_are_the_mean_predictions_of_the_sources_classes(temperature):
    made = soft_labels(temperature=temperature)
    source, target = act(XS, ZS, YS), act(XT, ZT, YT)
    made.before_step(source, target)
    table = slow_soft_labels(ZS, YS, temperature)
    np.testing.assert_allclose(made.predicted.means().numpy(), table, rtol=1e-12)
    expected = slow_loss(table, ZT, YT, temperature)
    assert made(source, target).item() == pytest.approx(expected, rel=1e-12)
    assert made.penalty(source, target, 0.3).item() == pytest.approx(0.3 * expected, rel=1e-12)
    made(source, target)
    np.testing.assert_allclose(
        made.predicted.means().numpy(), table, rtol=1e-12
    )  # looking changes nothing


def test_recent_batches_count_more_and_absent_classes_are_remembered():
    made = soft_labels(momentum=0.5)
    first, second = act(XS, ZS, YS), act(XS, -2 * ZS, np.array([0, 0, 1, 1, 1, 0, 0]))
    made.before_step(first, first)
    made.before_step(second, second)
    a, b = (np.array([softmax(z / 2) for z in s.output.numpy()]) for s in (first, second))
    for k in (0, 1):
        before, now = a[first.y.numpy() == k], b[second.y.numpy() == k]
        mean = (0.5 * before.sum(0) + now.sum(0)) / (0.5 * len(before) + len(now))
        np.testing.assert_allclose(made.predicted.means()[k].numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(made.predicted.means()[2].numpy(), a[YS == 2].mean(0), rtol=1e-12)
    for _ in range(5000):  # not even after so long that floats would have forgotten it
        made.before_step(second, second)
    np.testing.assert_allclose(made.predicted.means()[2].numpy(), a[YS == 2].mean(0), rtol=1e-12)
    latest = soft_labels(momentum=0.0)
    latest.before_step(first, first)
    latest.before_step(second, second)
    np.testing.assert_allclose(
        latest.predicted.means()[0].numpy(), b[second.y.numpy() == 0].mean(0)
    )


def test_soft_label_gradient_takes_the_soft_labels_for_constants():
    made = soft_labels()
    made.before_step(act(XS, ZS, YS), act(XT, ZT, YT))
    z_source, z_target = (torch.tensor(z, requires_grad=True) for z in (ZS, ZT))
    source = act(XS, z_source, YS)
    assert torch.autograd.gradcheck(lambda z: made(source, act(XT, z, YT)), (z_target,))
    made(source, act(XT, z_target, YT)).backward()
    assert z_source.grad is None
    unlabelled = YT < 0
    assert (z_target.grad[unlabelled] == 0).all() and (z_target.grad[~unlabelled] != 0).all()


def test_given_soft_labels_stay_and_one_hot_ones_give_the_cross_entropy():
    made = soft_labels(temperature=1.0, soft_labels=np.eye(4))
    source, target = act(XS, ZS, YS), act(XT, ZT, YT)
    made.before_step(source, target)
    expected = nn.functional.cross_entropy(target.output, target.y, ignore_index=-1)
    assert made(source, target).item() == pytest.approx(expected.item(), rel=1e-12)
    with pytest.raises(ValueError, match=r"shape \(3, 3\), but there are 4"):
        soft_labels(soft_labels=np.eye(3))


def test_soft_labels_without_anything_to_go_by_are_zero():
    made = soft_labels()
    source, target = act(XS, ZS, YS), act(XT, ZT, YT)
    assert made(source, target).item() == 0  # no source row yet
    made.before_step(source, target)
    assert made(source, act(XT, ZT)).item() == 0
    assert made(source, act(XT, ZT, np.full(5, -1))).item() == 0
    three = np.where(YT == 2, 3, YT)  # the batches had no source row of class 3
    alone = made(source, act(XT, ZT, np.where(YT == 2, -1, YT))).item()
    assert made(source, act(XT, ZT, three)).item() == pytest.approx(alone) != 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: DomainConfusion(discriminator_lr=0),
        lambda: DomainConfusion(-1.0),
        lambda: DomainConfusion(n_steps=0),
        lambda: SoftLabels(temperature=0),
        lambda: SoftLabels(momentum=1.0),
        lambda: SoftLabels(momentum=-0.1),
    ],
)
def test_illegal_alignments(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_soft_labels_refuse_a_regressor():
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="SoftLabels looks at class prob"):
        DeepTransferRegressor([SoftLabels()], **SMALL).fit(Xs, ys, Xt)


# -- the method ------------------------------------------------------------------------------------


def few(yt, n=20):
    return np.where(np.arange(len(yt)) < n, yt, -1)


def test_it_is_the_engine_with_both_alignments():
    Xs, ys, Xt, yt = two_domains()
    options = {"discriminator_layer_sizes": (7,), "discriminator_lr": 0.01, "layers": 0}
    method = SimultaneousTransfer(
        0.7, nu=0.4, temperature=3.0, pretrain_epochs=0, **options, **SMALL
    ).fit(Xs, ys, Xt, few(yt))
    confuse = DomainConfusion(0.7, hidden_layer_sizes=(7,), discriminator_lr=0.01, layers=0)
    by_hand = DeepTransferClassifier([confuse, SoftLabels(0.4, 3.0)], **SGD, **SMALL)
    by_hand.fit(Xs, ys, Xt, few(yt))
    assert same_weights(method, by_hand) and method.soft_labels_ is None
    assert method.history_[-1]["lam"] == pytest.approx(0.7)


@pytest.mark.parametrize("epochs", [None, 2])
def test_soft_labels_come_from_a_network_for_the_source_alone(epochs):
    Xs, ys, Xt, yt = two_domains()
    teacher = DeepTransferClassifier(**SGD, **{**SMALL, "max_epochs": epochs or 4})
    with pytest.warns(UserWarning, match="without a target"):
        teacher.fit(Xs, ys)
    p = np.exp(teacher.predict_log_proba(Xs) / 3.0)
    p /= p.sum(axis=1, keepdims=True)
    table = np.array([p[ys == k].mean(axis=0) for k in (0, 1)])
    method = SimultaneousTransfer(nu=0.4, temperature=3.0, pretrain_epochs=epochs, **SMALL)
    method.fit(Xs, ys, Xt, few(yt))
    np.testing.assert_allclose(method.soft_labels_, table, rtol=1e-5)
    by_hand = DeepTransferClassifier(
        [DomainConfusion(), SoftLabels(0.4, 3.0, method.soft_labels_)], **SGD, **SMALL
    ).fit(Xs, ys, Xt, few(yt))
    assert same_weights(method, by_hand)


def test_a_schedule_of_lambda_leaves_nu_alone():
    Xs, ys, Xt, yt = two_domains()
    options = {"nu": 0.5, "pretrain_epochs": 0, **SMALL}
    off = SimultaneousTransfer(lambda p: 0.0, **options).fit(Xs, ys, Xt, few(yt))
    assert same_weights(off, SimultaneousTransfer(0.0, **options).fit(Xs, ys, Xt, few(yt)))
    alone = DeepTransferClassifier([SoftLabels(0.5), Watching()], **SGD, **SMALL)
    alone.fit(Xs, ys, Xt, few(yt))
    assert same_weights(off, alone)
    ramp = SimultaneousTransfer("ramp", **options).fit(Xs, ys, Xt, few(yt))
    assert not same_weights(ramp, SimultaneousTransfer(**options).fit(Xs, ys, Xt, few(yt)))
    assert same_weights(ramp, SimultaneousTransfer(Ramp(), **options).fit(Xs, ys, Xt, few(yt)))


def test_without_target_labels_it_is_domain_confusion_alone():
    Xs, ys, Xt, yt = two_domains()
    alone = DeepTransferClassifier([DomainConfusion()], **SGD, **SMALL).fit(Xs, ys, Xt)
    for method in (
        SimultaneousTransfer(**SMALL).fit(Xs, ys, Xt),
        SimultaneousTransfer(**SMALL).fit(Xs, ys, Xt, yt, hide_target_labels=True),
    ):
        assert same_weights(method, alone) and method.history_[-1]["soft_label_loss"] == 0


def test_soft_labels_come_from_all_rows_however_many_go_through_at_once(monkeypatch):
    Xs, ys, Xt, yt = two_domains()
    expected = SimultaneousTransfer(**SMALL).fit(Xs, ys, Xt, few(yt)).soft_labels_
    monkeypatch.setattr("skdtl.deep.inference._FLOAT32_ROWS", 7)
    found = SimultaneousTransfer(**SMALL).fit(Xs, ys, Xt, few(yt)).soft_labels_
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_both_it_is_the_plain_network():
    Xs, ys, Xt, yt = two_domains()
    plain = DeepTransferClassifier([Watching()], **SGD, **SMALL).fit(Xs, ys, Xt, few(yt))
    neither = SimultaneousTransfer(0.0, nu=0.0, **SMALL).fit(Xs, ys, Xt, few(yt))
    assert same_weights(neither, plain) and neither.soft_labels_ is None  # nor made in vain
    with pytest.warns(UserWarning, match="without a target"):
        method = SimultaneousTransfer(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SGD, **SMALL).fit(Xs, ys)
    assert same_weights(method, plain) and method.soft_labels_ is None


def test_lambda_zero_one_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 60}
    nets = [SimultaneousTransfer(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)]
    last = [net.history_[-1] for net in nets]
    values = [epoch["domain_confusion"] for epoch in last]
    assert values[0] > values[1] + 0.1  # the network heeds the domain classifier
    assert values[0] > values[2] + 0.1 and min(values) > math.log(2) - 1e-4
    assert last[2]["task_loss"] > last[0]["task_loss"] + 0.05  # and too much drowns the task


def test_pickle_goes_on():
    Xs, ys, Xt, yt = two_domains()
    method = SimultaneousTransfer(**SMALL).fit(Xs, ys, Xt, few(yt))
    again = pickle.loads(pickle.dumps(method))
    np.testing.assert_array_equal(again.predict_proba(Xt), method.predict_proba(Xt))
    assert same_weights(copy.deepcopy(method), method)


def test_a_shifted_feature_is_not_trusted():
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed)
        for lam, scores in ((0.0, source_only), (1.0, adapted)):
            model = SimultaneousTransfer(
                lam, hidden_layer_sizes=(32,), max_epochs=50, random_state=seed
            )
            scores.append(model.fit(Xs, ys, Xt).score(Xt, yt))
    assert max(source_only) < 0.6 and min(adapted) > 0.7


FAST = {**SGD, "lr": 0.03, "max_epochs": 50}  # the default training in a hurry


def some_labels(yt, seed, classes, n=3):
    rng = np.random.default_rng(seed)
    chosen = np.full(len(yt), -1)
    for k in classes:
        rows = rng.choice(np.flatnonzero(yt == k), n, replace=False)
        chosen[rows] = k
    return chosen


@pytest.fixture(scope="module")
def turned_digits():
    """Return, for two seeds, models by name, and the target with half of its classes known."""
    found = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        labels = some_labels(yt, seed, range(5))
        options = {"random_state": seed, **FAST}
        models = {
            name: SimultaneousTransfer(lam, nu=nu, pretrain_epochs=15, **options)
            for name, lam, nu in (
                ("none", 0, 0),
                ("confused", 1, 0),
                ("soft", 0, 1),
                ("both", 1, 1),
            )
        }
        # The same weight, the same temperature, but each class like itself alone.
        hard = [DomainConfusion(), SoftLabels(soft_labels=np.eye(10))]
        models["hard"] = DeepTransferClassifier(hard, **options)
        found.append(({k: m.fit(Xs, ys, Xt, labels) for k, m in models.items()}, Xt, yt, labels))
    return found


def mean_accuracies(turned_digits, rows):
    """Return each model's mean accuracy on some rows of the target."""
    scores = [
        [model.score(Xt[rows(yt, labels)], yt[rows(yt, labels)]) for model in models.values()]
        for models, Xt, yt, labels in turned_digits
    ]
    return np.mean(scores, axis=0)


def test_each_part_helps_on_rotated_digits_and_both_do_most(turned_digits):
    accuracy = mean_accuracies(turned_digits, lambda yt, labels: labels < 0)
    none, confused, soft, both, _ = accuracy
    assert confused > none + 0.02 and soft > none + 0.04
    assert both > max(confused, soft) + 0.02


def test_soft_labels_help_classes_without_any_target_label_more_than_hard_ones(turned_digits):
    *_, soft, hard = mean_accuracies(turned_digits, lambda yt, labels: yt >= 5)
    assert soft > hard + 0.1
