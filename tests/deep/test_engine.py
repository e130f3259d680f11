from __future__ import annotations

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from torch import nn
from torch.nn import functional as F

from skdtl import DeepTransferClassifier, DeepTransferRegressor, NoTargetWarning
from skdtl.deep import MMD, Activations, Alignment, DomainAdversary, Ramp, SoftLabels
from skdtl.deep.batches import PairedBatches
from skdtl.deep.heads import NumberHead
from skdtl.deep.network import Network, split_layers
from skdtl.deep.terms import Term

from ..deep_common import SMALL, Watching, same_weights, weights
from ..shifts import two_domains

CPU = torch.device("cpu")


def small(*alignments, **options):
    return DeepTransferClassifier(alignments, **{**SMALL, **options})


# -- paired batches --------------------------------------------------------------------------------


def batches(n_source, n_target, batch_size=10, seeds=(1, 2), target_labels=True):
    """Return paired batches whose rows and labels tell where they come from."""
    source = np.arange(n_source, dtype=np.float32)[:, None]
    target = 1000 + np.arange(n_target, dtype=np.float32)[:, None]
    y_target = torch.as_tensor(target[:, 0]) if target_labels else None
    pair = (target, y_target) if n_target else None
    return PairedBatches((source, torch.as_tensor(source[:, 0])), pair, batch_size, seeds, CPU)


@pytest.mark.parametrize("n_source, n_target", [(95, 32), (32, 95), (7, 4), (40, 40)])
def test_an_epoch_passes_once_over_the_longer_domain_and_cycles_the_shorter(n_source, n_target):
    paired = batches(n_source, n_target)
    shorter = []
    for _ in range(4):
        epoch = list(paired)
        assert len(epoch) == len(paired) == -(-max(n_source, n_target) // 10)
        source = torch.cat([batch[0][: batch.n_labelled] for batch in epoch])[:, 0].tolist()
        target = torch.cat([batch[0][batch.n_labelled :] for batch in epoch])[:, 0].tolist()
        longer = source if n_source >= n_target else target
        start = 0 if n_source >= n_target else 1000
        assert sorted(longer) == [start + i for i in range(max(n_source, n_target))]
        shorter += target if n_source >= n_target else source
        for batch in epoch:
            X, y = batch
            assert torch.equal(X[:, 0], y)  # labels stay with their rows
            assert 1 <= batch.n_labelled <= 10 and 1 <= len(X) - batch.n_labelled <= 10
    size = min(n_source, n_target)
    passes = [shorter[i : i + size] for i in range(0, len(shorter) - size + 1, size)]
    assert len(passes) >= 4
    for one in passes:
        assert len(set(one)) == size  # every row once before any row twice
    if size > 4:
        assert passes[0] != passes[1] != passes[2]  # and shuffled again for the next pass


def test_domains_are_shuffled_independently():
    X = torch.cat([batch[0] for batch in batches(10, 10)])[:, 0]
    assert X[:10].tolist() != (X[10:] - 1000).tolist()


def test_order_of_source_rows_does_not_depend_on_the_target():
    with_target = [batch[0][: batch.n_labelled] for batch in batches(50, 20)]
    alone = [batch[0] for batch in batches(50, 0)]
    assert all(torch.equal(a, b) for a, b in zip(with_target, alone, strict=True))
    other = [batch[0] for batch in batches(50, 0, seeds=(3, 2))]
    assert not all(torch.equal(a, b) for a, b in zip(other, alone, strict=True))


def test_without_target_labels_y_is_the_sources():
    X, y = next(iter(batches(20, 20, target_labels=False)))
    assert len(X) == 20 and torch.equal(X[:10, 0], y)


@pytest.mark.parametrize("mapped", [False, True])
def test_ids_of_domains_stay_with_their_rows(mapped, tmp_path):
    X = np.arange(30, dtype=np.float32)[:, None]
    if mapped:
        np.save(tmp_path / "rows.npy", X)
        X = np.load(tmp_path / "rows.npy", mmap_mode="r")
    source = X, torch.arange(30), np.arange(30) % 3 + 1
    paired = PairedBatches(source, (X[:8], None), 7, (1, 2), CPU)
    for _ in range(2):
        for batch in paired:
            n = batch.n_labelled
            assert batch.domains[:n].tolist() == [y % 3 + 1 for y in batch[1].tolist()]
            assert batch.domains[n:].tolist() == [-1] * (len(batch[0]) - n)


def test_memory_maps_train_like_arrays_in_memory(tmp_path):
    Xs, ys, Xt, _ = two_domains()
    expected = small(MMD()).fit(Xs, ys, Xt)
    maps = []
    for name, X in (("s", Xs), ("t", Xt)):
        np.save(tmp_path / f"{name}.npy", X)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    estimator = small(MMD()).fit(maps[0], ys, maps[1])
    assert same_weights(estimator, expected)


# -- the loss --------------------------------------------------------------------------------------


class Probe(Alignment):
    """Keep what the engine hands on; a linear MMD, by hand."""

    def forward(self, source, target):
        self.seen = (source, target)
        return (source.features[-1].mean(0) - target.features[-1].mean(0)).square().sum()


def one_step(estimator, Xs, ys, Xt, yt, lam, regression):
    """Compute, slowly and by hand, the weights after one step of plain gradient descent."""
    start = copy.deepcopy(estimator).set_params(lr=1e-30).fit(Xs, ys, Xt, yt)
    network = copy.deepcopy(start.net_.module_).double()
    xs, xt = torch.tensor(Xs), torch.tensor(Xt)
    known = torch.tensor(~np.isnan(yt))
    (fs, out_s), (ft, out_t) = network.activations(xs), network.activations(xt)
    outputs = torch.cat([out_s, out_t[known]])
    y = np.concatenate([ys, yt[known.numpy()]])
    if regression:
        y = torch.tensor((y - ys.mean()) / ys.std())
        task = ((outputs[:, 0] - y) ** 2).mean()
    else:
        p = torch.softmax(outputs, 1)[torch.arange(len(y)), torch.tensor(y, dtype=int)]
        task = -torch.log(p).mean()
    omega = ((fs[-1].mean(0) - ft[-1].mean(0)) ** 2).sum()
    loss = task + lam * omega
    loss.backward()
    return (
        task.item(),
        omega.item(),
        loss.item(),
        [(p - estimator.lr * p.grad).detach().numpy() for p in network.parameters()],
    )


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("regression", [False, True])
def test_one_step_is_the_gradient_of_task_loss_plus_lambda_omega(regression, share):
    Xs, ys, Xt, yt = two_domains(n_source=30, n_target=20, regression=regression)
    yt = yt.astype(float)
    yt[int(share * len(yt)) :] = np.nan
    cls = DeepTransferRegressor if regression else DeepTransferClassifier
    estimator = cls(
        [Probe(0.5)],
        lam=3.0,
        hidden_layer_sizes=(8, 6),
        activation="tanh",
        optimizer="sgd",
        momentum=0.0,
        lr=0.5,
        max_epochs=1,
        weight_decay=0.0,
        random_state=0,
    )
    task, omega, loss, expected = one_step(estimator, Xs, ys, Xt, yt, 1.5, regression)
    estimator.fit(Xs, ys, Xt, yt)
    epoch = estimator.history_[-1]
    assert epoch["task_loss"] == pytest.approx(task, rel=1e-5)
    assert epoch["alignment"] == pytest.approx(omega, rel=1e-5)
    assert epoch["train_loss"] == pytest.approx(loss, rel=1e-5)
    for actual, value in zip(weights(estimator), expected, strict=True):
        np.testing.assert_allclose(actual, value, atol=2e-6)


def test_alignments_see_the_source_as_source_and_the_target_as_target():
    Xs, ys, Xt, yt = two_domains(n_source=30, n_target=20)
    Xs, Xt = np.abs(Xs), -np.abs(Xt)
    half = np.where(np.arange(20) < 10, yt, np.nan)
    identity = nn.Sequential(nn.Flatten())
    for labels, hide in ((None, False), (half, False), (half, True)):
        estimator = small(Probe(), module=identity, max_epochs=1)
        estimator.fit(Xs, ys, Xt, labels, hide_target_labels=hide)
        source, target = estimator.net_.alignments_[0].seen
        assert len(source.features[0]) == 30 and len(target.features[0]) == 20
        assert (source.features[0] >= 0).all() and (target.features[0] <= 0).all()
        assert source.output.shape == (30, 2) and target.output.shape == (20, 2)
        assert sorted(source.y.tolist()) == sorted(ys.tolist())
        if labels is None or hide:
            assert target.y is None
        else:
            assert (target.y == -1).sum() == 10
            assert sorted(target.y[target.y >= 0].tolist()) == sorted(yt[:10].tolist())


@pytest.mark.parametrize("alignment", [MMD(), MMD(kernel="linear"), DomainAdversary()])
def test_without_lambda_the_network_is_the_source_only_one_to_the_bit(alignment):
    Xs, ys, Xt, _ = two_domains()
    alone = small(Watching()).fit(Xs, ys, Xt)
    for a, b in zip(weights(alone), weights(small().fit(Xs, ys, Xt)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for estimator in (
        small(alignment, lam=0.0),
        small(alignment, lam=lambda p: 0.0),
        small(copy.deepcopy(alignment), lam=Ramp(high=0.0)),
    ):
        assert same_weights(estimator.fit(Xs, ys, Xt), alone)
    weightless = copy.deepcopy(alignment)
    weightless.weight = 0.0
    assert same_weights(small(weightless).fit(Xs, ys, Xt), alone)
    assert not same_weights(small(alignment, lam=0.01).fit(Xs, ys, Xt), alone)


class Kink(Alignment):
    """Has a slope that is no number."""

    def forward(self, source, target):
        return (0 * source.features[-1]).sum().sqrt()


def test_without_lambda_a_term_is_looked_at_without_any_gradient():
    Xs, ys, Xt, _ = two_domains()
    watched = small(Kink(), lam=0.0).fit(Xs, ys, Xt)
    assert watched.history_[-1]["alignment"] == 0
    assert same_weights(watched, small(lam=0.0).fit(Xs, ys, Xt))
    with pytest.raises(ValueError, match="diverged"):
        small(Kink()).fit(Xs, ys, Xt)


class SmallWeights(Term):
    """Needs no rows at all."""

    def value(self, step):
        return sum(p.square().sum() for p in step.network.parameters())


def test_a_term_that_needs_no_target_acts_without_one_too():
    Xs, ys, Xt, _ = two_domains()
    for target in (None, Xt):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoTargetWarning)
            plain, decayed = (small(*terms).fit(Xs, ys, target) for terms in ((), [SmallWeights()]))
        assert not same_weights(plain, decayed)
        assert decayed.history_[-1]["term"] < decayed.history_[0]["term"]


def test_more_lambda_brings_the_domains_closer_together():
    Xs, ys, Xt, _ = two_domains()
    options = {"max_epochs": 60}
    apart, lam = [], (0.0, 0.1, 2.0)
    for value in lam:
        estimator = small(MMD(kernel="linear"), lam=value, **options).fit(Xs, ys, Xt)
        means = [estimator.transform(X).mean(axis=0) for X in (Xs, Xt)]
        apart.append(((means[0] - means[1]) ** 2).sum())
    assert apart[0] > 2 * apart[1] > 2.4 * apart[2]
    accuracy = []
    for value in (0.0, 1.0):
        estimator = small(DomainAdversary(), lam=value, lr=0.01, **options).fit(Xs, ys, Xt)
        accuracy.append(estimator.history_[-1]["domain_accuracy"])
    assert accuracy[0] > 0.9 > accuracy[1] + 0.05


def test_the_discriminator_says_one_for_the_source():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(DomainAdversary(), lam=0.0, max_epochs=60, lr=0.01).fit(Xs, ys, Xt)
    discriminator = estimator.net_.alignments_[0].discriminator
    with torch.no_grad():
        source, target = (
            discriminator(torch.as_tensor(estimator.transform(X), dtype=torch.float32))
            for X in (Xs, Xt)
        )
    assert (source > 0).float().mean() > 0.8 and (target < 0).float().mean() > 0.8


def test_an_alignments_weight_and_lambda_multiply():
    Xs, ys, Xt, _ = two_domains()
    for kind in (MMD, DomainAdversary):
        first = small(kind(0.5), lam=0.5).fit(Xs, ys, Xt)
        assert same_weights(first, small(kind(0.25)).fit(Xs, ys, Xt))
        assert not same_weights(first, small(kind(0.5)).fit(Xs, ys, Xt))


def test_alignments_compose():
    Xs, ys, Xt, _ = two_domains()
    both = small(MMD(0.5), DomainAdversary()).fit(Xs, ys, Xt)
    for one in (small(MMD(0.5)), small(DomainAdversary())):
        assert not same_weights(one.fit(Xs, ys, Xt), both)
    epoch = both.history_[-1]
    expected = epoch["task_loss"] + 0.5 * epoch["mmd"] + epoch["domain_loss"]
    assert epoch["train_loss"] == pytest.approx(expected, rel=1e-3)
    twice = small(DomainAdversary(), DomainAdversary(layers=0)).fit(Xs, ys, Xt)
    assert {"domain_loss", "domain_loss_2", "domain_accuracy_2"} <= set(twice.history_[-1])


def test_an_alignments_layer():
    Xs, ys, Xt, _ = two_domains()
    options = {"hidden_layer_sizes": (8, 6)}
    first, last, also_last = (
        small(MMD(layers=layer), **options).fit(Xs, ys, Xt) for layer in (0, 1, -1)
    )
    assert same_weights(last, also_last) and not same_weights(first, last)
    with pytest.raises(ValueError, match="2 hidden layers"):
        small(MMD(layers=2), **options).fit(Xs, ys, Xt)


def test_lambda_and_learning_rate_follow_their_schedules():
    Xs, ys, Xt, _ = two_domains(n_source=90)
    seen = []

    def lam(progress):
        seen.append(progress)
        return progress

    estimator = small(MMD(), lam=lam, max_epochs=4, batch_size=30).fit(Xs, ys, Xt)
    np.testing.assert_allclose(seen, np.arange(12) / 12)
    expected = np.mean(np.reshape(seen, (4, 3)), axis=1)
    np.testing.assert_allclose(estimator.history_[:, "lam"], expected)
    ramp = small(MMD(), lam="ramp").fit(Xs, ys, Xt)
    assert same_weights(ramp, small(MMD(), lam=Ramp(1.0, 10.0)).fit(Xs, ys, Xt))

    class Watch(Callback):
        def __init__(self):
            self.rates = []

        def on_grad_computed(self, net, named_parameters, **kwargs):
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    options = {"lr": 0.1, "max_epochs": 4, "batch_size": 30, "callbacks": [Watch()]}
    for schedule, factor in (("decay", (1 + 10 * np.arange(12) / 12) ** -0.75), ("constant", 1)):
        net = small(lr_schedule=schedule, **options).fit(Xs, ys, Xt).net_
        watch = next(callback for _, callback in net.callbacks_ if isinstance(callback, Watch))
        np.testing.assert_allclose(watch.rates, 0.1 * factor * np.ones(12))


class Critic(Alignment):
    """A critic with an optimiser of its own, trained in turn with the network."""

    def initialize(self, widths, n_outputs):
        self.critic = nn.Linear(self.aligned_widths(widths, n_outputs)[0], 1).requires_grad_(False)
        self.start = self.critic.weight.clone()
        self.steps = 0

    def before_step(self, source, target):
        assert not source.features[0].requires_grad and not target.output.requires_grad
        self.steps += 1
        self.critic.requires_grad_(True)
        gap = self.critic(source.features[-1]).mean() - self.critic(target.features[-1]).mean()
        torch.optim.SGD(self.critic.parameters(), lr=0.1).zero_grad()
        (-gap).backward()
        with torch.no_grad():
            for parameter in self.critic.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
        self.critic.requires_grad_(False)

    def forward(self, source, target):
        return self.critic(source.features[-1]).mean() - self.critic(target.features[-1]).mean()


def test_alternating_schemes_have_a_hook_before_every_step():
    Xs, ys, Xt, _ = two_domains(n_source=90)
    estimator = small(Critic(), max_epochs=5, batch_size=30).fit(Xs, ys, Xt)
    critic = estimator.net_.alignments_[0]
    assert critic.steps == 15 and not torch.equal(critic.critic.weight, critic.start)
    assert not same_weights(estimator, small(max_epochs=5, batch_size=30).fit(Xs, ys, Xt))


# -- the network -----------------------------------------------------------------------------------


class TurnByTurn(Alignment):
    """After every step of the network, move its head alone."""

    def initialize(self, widths, n_outputs):
        self.steps = []
        self.rates = []

    def forward(self, source, target):
        return source.output.new_zeros(())

    def after_step(self, step):
        self.rates.append(step.optimizer.param_groups[0]["lr"])
        self.steps.append((len(step.source_rows), len(step.target_rows), step.lam))
        step.optimizer.zero_grad()
        head = list(step.network.head.parameters())
        step.network(step.target_rows)[:, 0].sum().backward(inputs=head)
        step.optimizer.step()


def test_alternating_schemes_have_a_hook_after_every_step():
    Xs, ys, Xt, yt = two_domains(n_source=60, n_target=40)
    options = {"max_epochs": 2, "batch_size": 30, "lr": 0.01, "optimizer": "sgd", "momentum": 0}
    some = np.where(np.arange(40) < 20, yt, np.nan)
    plain = small(**options).fit(Xs, ys, Xt, some)
    turns = small(TurnByTurn(0.5), lam=0.5, **options).fit(Xs, ys, Xt, some)
    hook = turns.net_.alignments_[0]
    assert hook.steps == [(30, 20, 0.25)] * 4 and hook.rates == [0.01] * 4
    pull = turns.decision_function(Xt) - plain.decision_function(Xt)
    assert pull.mean() > 0.1  # less of the first logit
    decay = small(TurnByTurn(), lr_schedule="decay", **options).fit(Xs, ys, Xt)
    rates = [0.01 * (1 + 10 * p) ** -0.75 for p in (0, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(decay.net_.alignments_[0].rates, rates)


def test_the_output_can_be_aligned():
    Xs, ys, Xt, _ = two_domains()
    hidden = small(MMD()).fit(Xs, ys, Xt)
    output = small(MMD(layers="output")).fit(Xs, ys, Xt)
    assert not same_weights(hidden, output)
    rng = np.random.default_rng(0)
    source, target = (
        Activations(
            (torch.tensor(rng.normal(size=(9, 3))),), torch.tensor(rng.normal(size=(9, 2))), None
        )
        for _ in range(2)
    )
    both = MMD(layers=(0, "output"))(source, target)
    parts = MMD(layers=0)(source, target) + MMD(layers="output")(source, target)
    torch.testing.assert_close(both, parts)
    probabilities = [Activations((a.output.softmax(1),), a.output, None) for a in (source, target)]
    torch.testing.assert_close(MMD(layers="output")(source, target), MMD()(*probabilities))
    for layers in ((), "input", (0.5,)):
        with pytest.raises(ValueError, match="layers of MMD"):
            MMD(layers=layers)


def test_split_layers_cuts_before_weight_matrices():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 5), nn.Dropout()
    )
    layers = split_layers(module)
    assert [[type(part).__name__ for part in layer] for layer in layers] == [
        ["Flatten", "Linear", "BatchNorm1d", "ReLU"],
        ["Linear", "Dropout"],
    ]
    bilinear = nn.Bilinear(2, 2, 3)
    assert split_layers(bilinear) == [bilinear]


def test_frozen_layers_stay_in_evaluation_mode():
    layers = [nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), nn.Linear(3, 2)]
    network = Network(layers, NumberHead, torch.zeros(2, 3))
    network.layers[0].requires_grad_(False)
    network.train()
    assert not network.layers[0][1].training and network.layers[1].training


def test_layers_without_weights_are_not_frozen():
    Xs, ys, Xt, _ = two_domains()
    half, whole = (
        small(module=module, lr=1e-30, max_epochs=1).fit(Xs, ys, Xt)
        for module in (nn.Dropout(0.5), nn.Flatten())
    )
    assert half.net_.module_.train().layers[0].training
    assert half.loss_curve_ != whole.loss_curve_  # the same head for rows that lack half


def test_hidden_layers_and_activation():
    Xs, ys, Xt, _ = two_domains()
    kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid, "identity": nn.Identity}
    for name, kind in kinds.items():
        estimator = small(hidden_layer_sizes=(7, 3), activation=name, max_epochs=1)
        network = estimator.fit(Xs, ys, Xt).net_.module_
        assert [(l[0].in_features, l[0].out_features) for l in network.layers] == [(5, 7), (7, 3)]
        assert all(isinstance(l[1], kind) for l in network.layers)
        assert network.head.in_features == 3 and estimator.transform(Xt).shape == (60, 3)


class Dropping(nn.Module):
    """A backbone that draws random numbers, and holds running statistics."""

    def __init__(self, n_features=5):
        super().__init__()
        self.first = nn.Linear(n_features, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return F.dropout(self.norm(self.first(x)).relu(), 0.3, self.training)


def test_a_module_of_the_users_is_copied_and_keeps_its_weights():
    Xs, ys, Xt, _ = two_domains()
    module = Dropping()
    before = copy.deepcopy(module.state_dict())
    module.eval()
    estimator = small(MMD(), module=module, lr=1e-12, max_epochs=1).fit(Xs, ys, Xt)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert not module.training and all(p.grad is None for p in module.parameters())
    inner = estimator.net_.module_.layers[0]
    torch.testing.assert_close(inner.first.weight, module.first.weight)
    for recipe in (Dropping, lambda n: nn.Sequential(nn.Linear(n, 4), nn.ReLU())):
        assert small(module=recipe).fit(Xs, ys, Xt).score(Xs, ys) > 0
    with pytest.raises(ValueError, match=r"torch\.nn\.Module"):
        small(module=lambda n: "no module").fit(Xs, ys, Xt)


def test_random_modules_are_reproducible_even_in_two_threads_and_leave_torch_alone():
    Xs, ys, Xt, _ = two_domains()
    options = {"module": Dropping, "max_epochs": 8}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    alone = small(MMD(), **options).fit(Xs, ys, Xt)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    together = [small(MMD(), **options) for _ in range(2)]
    threads = [threading.Thread(target=e.fit, args=(Xs, ys, Xt)) for e in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same_weights(estimator, alone) for estimator in together)
    other = small(MMD(), **{**options, "random_state": 1}).fit(Xs, ys, Xt)
    assert not same_weights(other, alone)


def test_users_alignments_are_not_changed():
    Xs, ys, Xt, _ = two_domains()
    alignment = DomainAdversary()
    estimator = small(alignment).fit(Xs, ys, Xt)
    assert not list(alignment.parameters()) and not alignment.observed
    again = DeepTransferClassifier([alignment], **SMALL).fit(Xs, ys, Xt)
    assert same_weights(again, estimator)


# -- training --------------------------------------------------------------------------------------


def test_fewer_rows_than_a_batch_train():
    Xs, ys, Xt, _ = two_domains(n_source=12, n_target=5)
    estimator = small(MMD(), batch_size=128, max_epochs=150, lr=0.01).fit(Xs, ys, Xt)
    assert estimator.score(Xs, ys) == 1.0
    assert estimator.history_[-1]["train_batch_count"] == 1


def test_labelled_target_rows_teach():
    Xs, ys, Xt, yt = two_domains(n_source=60, n_target=60)
    flipped = 1 - yt  # what only the target's labels can tell
    Xt = Xt + np.array([0, 0, 4, 0, 0])
    options = {"max_epochs": 100, "lr": 0.01}
    assert small(**options).fit(Xs, ys, Xt, flipped).score(Xt, flipped) > 0.9
    hidden = small(**options).fit(Xs, ys, Xt, flipped, hide_target_labels=True)
    assert hidden.score(Xt, flipped) < 0.5


def test_optimizer_options_count():
    Xs, ys, Xt, _ = two_domains()
    sgd = {"optimizer": "sgd", "lr": 0.05}
    plain = small(**sgd, momentum=0.0).fit(Xs, ys, Xt)
    different = [
        small(lr=0.05),
        small(**sgd),
        small(**sgd, momentum=0.0, weight_decay=0.1),
        small(optimizer="sgd", momentum=0.0, lr=0.06),
        small(**sgd, momentum=0.0, batch_size=16),
        small(**sgd, momentum=0.0, lr_schedule="decay"),
    ]
    for estimator in different:
        assert not same_weights(estimator.fit(Xs, ys, Xt), plain)
    by_class = small(optimizer=torch.optim.SGD, lr=0.05).fit(Xs, ys, Xt)
    for a, b in zip(weights(by_class), weights(plain)):
        np.testing.assert_allclose(a, b, atol=1e-6)
    decayed = small(weight_decay=1.0, max_epochs=100).fit(Xs, ys, Xt)
    free = small(max_epochs=100).fit(Xs, ys, Xt)
    assert sum((w**2).sum() for w in weights(decayed)) < 0.5 * sum(
        (w**2).sum() for w in weights(free)
    )


def test_divergence_is_an_error_that_helps():
    Xs, ys, Xt, _ = two_domains(regression=True)
    estimator = DeepTransferRegressor(**{**SMALL, "max_epochs": 30}, optimizer="sgd", lr=1e4)
    with pytest.raises(ValueError, match=r"diverged in epoch \d:.*Standardise.*lower lr"):
        estimator.fit(Xs, ys, Xt)
    assert not hasattr(estimator, "net_") and not hasattr(estimator, "n_features_in_")
    with pytest.raises(ValueError, match="diverged"):
        DeepTransferRegressor(**SMALL).fit(1e30 * Xs, ys, Xt)


def test_a_last_step_into_nowhere_is_seen():
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        small(max_epochs=1, batch_size=128, lr=1e39, optimizer="sgd").fit(Xs, ys, Xt)


@pytest.mark.parametrize("cls", [DeepTransferClassifier, DeepTransferRegressor])
def test_unscaled_features_never_give_nan_silently(cls):
    Xs, ys, Xt, _ = two_domains(regression=cls is DeepTransferRegressor)
    estimator = cls([MMD(), DomainAdversary()], **SMALL).fit(1e3 * Xs, ys, 1e3 * Xt)
    assert np.isfinite(estimator.transform(1e3 * Xt)).all()


def test_skorch_callbacks_and_history(tmp_path):
    Xs, ys, Xt, _ = two_domains()
    stop = EarlyStopping("train_loss", patience=2, threshold=10.0)
    before = dict(vars(stop))
    estimator = small(MMD(), callbacks=[stop], max_epochs=50).fit(Xs, ys, Xt)
    assert vars(stop) == before  # the fit worked on a copy
    assert estimator.n_iter_ == len(estimator.history_) == len(estimator.loss_curve_) < 10
    assert estimator.loss_curve_ == estimator.history_[:, "train_loss"]
    assert isinstance(estimator.net_, NeuralNet)
    logits = estimator.net_.predict(Xt.astype(np.float32))
    np.testing.assert_array_equal(estimator.classes_[logits.argmax(1)], estimator.predict(Xt))
    estimator.net_.save_params(f_params=tmp_path / "weights.pt")
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(Xt), estimator.predict_proba(Xt))


def test_pickle_holds_the_weights_once_and_no_rows():
    sizes = []
    for n in (100, 1000):
        Xs, ys, Xt, _ = two_domains(n_source=n, n_target=n)
        sizes.append(len(pickle.dumps(small(MMD()).fit(Xs, ys, Xt))))
    assert sizes[1] < 1.05 * sizes[0]
    Xs, ys, Xt, _ = two_domains()
    wide = small(hidden_layer_sizes=(300, 300), optimizer="sgd", momentum=0.0).fit(Xs, ys, Xt)
    n_weights = sum(w.size for w in weights(wide))
    assert len(pickle.dumps(wide)) < 1.5 * 4 * n_weights


def test_verbose(capsys):
    Xs, ys, Xt, _ = two_domains()
    small(MMD()).fit(Xs, ys, Xt)
    assert capsys.readouterr() == ("", "")
    small(MMD(), verbose=1).fit(Xs, ys, Xt)
    assert "train_loss" in capsys.readouterr().out
    small(verbose=2, max_epochs=2).fit(Xs, ys, Xt)
    assert "it/s" in capsys.readouterr().err


# -- inference -------------------------------------------------------------------------------------


def test_predictions_do_not_depend_on_what_is_predicted_together():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(MMD()).fit(Xs, ys, Xt)
    many = np.tile(Xt, (80, 1))  # more rows than go through the network at once
    probabilities = estimator.predict_proba(many)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities[-60:], estimator.predict_proba(Xt), atol=1e-12)
    np.testing.assert_allclose(probabilities[7:8], estimator.predict_proba(Xt[7:8]), atol=1e-12)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    logs = estimator.predict_log_proba(Xt)
    np.testing.assert_allclose(np.exp(logs), probabilities[:60])
    odds = logs[:, 1] - logs[:, 0]
    np.testing.assert_allclose(estimator.decision_function(Xt), odds)
    with torch.no_grad():
        logits = copy.deepcopy(estimator.net_.module_).double()(torch.as_tensor(Xt)).numpy()
    np.testing.assert_allclose(odds, logits[:, 1] - logits[:, 0], rtol=1e-11)


def test_probabilities_of_rows_far_away_are_numbers():
    Xs, ys, Xt, _ = two_domains()
    estimator = small().fit(Xs, ys, Xt)
    far = 1e6 * Xt
    logs, logits = estimator.predict_log_proba(far), estimator.decision_function(far)
    assert np.abs(logits).max() > 1e4 and np.isfinite(logs).all()
    np.testing.assert_allclose(logs[:, 1] - logs[:, 0], logits)
    assert np.isfinite(estimator.predict_proba(far)).all()


def test_a_module_that_insists_on_float32_predicts_in_float32():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 4)

        def forward(self, x):
            return self.layer(x.float())

    Xs, ys, Xt, _ = two_domains()
    assert small(module=Single()).fit(Xs, ys, Xt).predict_proba(Xt).shape == (60, 2)


class Watched(nn.Sequential):
    """Note down in which modes the rows came through."""

    def __init__(self, n_features):
        super().__init__(nn.Linear(n_features, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.modes = set()

    def forward(self, x):
        if len(x) > 2:
            self.modes.add(self.training)
        return super().forward(x)


def test_a_module_trains_in_training_mode_and_predicts_in_evaluation_mode():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(module=Watched).fit(Xs, ys, Xt)
    backbone = estimator.net_.module_.layers[0]
    assert backbone.modes == {True}
    assert backbone[1].num_batches_tracked == 4 * 3 and not backbone.training
    backbone.modes.clear()
    estimator.predict(Xt)
    estimator.net_.predict(Xt.astype(np.float32))
    assert backbone.modes == {False}


def test_dropout_is_off_in_predict():
    Xs, ys, Xt, _ = two_domains()
    estimator = small(module=Dropping).fit(Xs, ys, Xt)
    first = estimator.predict_proba(Xt)
    np.testing.assert_array_equal(first, estimator.predict_proba(Xt))


def test_regression_does_not_depend_on_the_units_of_y():
    Xs, ys, Xt, yt = two_domains(regression=True)
    options = {**SMALL, "max_epochs": 60, "lr": 0.01}
    plain = DeepTransferRegressor([MMD(0.1)], **options).fit(Xs, ys, Xt, yt)
    assert plain.score(Xt, yt) > 0.8
    scaled = DeepTransferRegressor([MMD(0.1)], **options)
    scaled.fit(Xs, 1e4 * ys - 7, Xt, 1e4 * yt - 7)
    np.testing.assert_allclose(scaled.predict(Xt), 1e4 * plain.predict(Xt) - 7, rtol=1e-3)
    constant = DeepTransferRegressor(**{**options, "max_epochs": 200}).fit(Xs, 0 * ys + 5, Xt)
    np.testing.assert_allclose(constant.predict(Xt), 5, atol=0.5)


class Counting(nn.Module):
    """Batch normalisation, in which rows see each other, and a count of the rows that come."""

    def __init__(self, n_inputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.n_rows = 0

    def forward(self, x):
        if self.training:
            self.n_rows += len(x)
        return self.layers(x)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("n_labelled", [0, 10])
@pytest.mark.parametrize("alignments", [(), (SoftLabels(),)], ids=["none", "labelled rows alone"])
def test_unlabelled_rows_that_nothing_looks_at_do_not_enter(alignments, n_labelled, regression):
    if regression and alignments:
        return
    Xs, ys, Xt, yt = two_domains(n_target=200, regression=regression)
    labels = np.where(np.arange(len(yt)) < n_labelled, yt, np.nan)
    cls = DeepTransferRegressor if regression else DeepTransferClassifier
    options = {**SMALL, "module": Counting, "batch_size": 90}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (
            cls(alignments, **options).fit(Xs, ys, X, labels if n_labelled else None)
            for X in (Xt, np.where(np.isnan(labels)[:, None], Xt + 100, Xt))
        )
    assert same_weights(first, second)
    np.testing.assert_array_equal(first.predict(Xs), second.predict(Xs))
    # An epoch is one batch of the source, and of the labelled target rows.
    assert first.net_.module_.layers[0].n_rows == 4 * (90 + n_labelled)
    moved = cls(alignments, **options).fit(Xs, ys, Xt + 100, labels if n_labelled else None)
    assert same_weights(first, moved) == (n_labelled == 0)
    piece = cls(alignments, **options)
    piece.partial_fit(Xs, ys, Xt, labels if n_labelled else None)
    assert piece.net_.module_.layers[0].n_rows == 90 + n_labelled


def test_a_device_that_is_not_there_is_an_error_that_helps(monkeypatch):
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="got 'gpu0'"):
        small(device="gpu0").fit(Xs, ys, Xt)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device is 'cuda', but torch sees no CUDA device"):
        small(device="cuda").fit(Xs, ys, Xt)
