"""What keeps fine-tuning near what was learnt before: against slow transcriptions in float64."""

from __future__ import annotations

import copy
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, FineTuning, FineTuningRegressor
from skdtl.deep import BSS, DELTA, L2SP, ClassHead, CoTuning, Network, NumberHead
from skdtl.deep.batches import Side
from skdtl.deep.regularizers.bss import smallest_singular_values
from skdtl.deep.regularizers.co_tuning import class_relation
from skdtl.deep.terms import Activations, Step

from ..deep_common import SMALL, same_weights
from ..shifts import two_domains

TWO = {**SMALL, "hidden_layer_sizes": (8, 6), "lr": 0.01}
# A fit in which nothing moves: a term is worth at the end what it is worth at the beginning.
STILL = {**TWO, "lr": 1e-30, "pretrain_epochs": 3}


THREE_CLASSES = partial(ClassHead, out_features=3)


def network_of(*sizes, head=THREE_CLASSES) -> Network:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes)]
    return Network(layers, head, torch.zeros(2, sizes[0])).double()


def step_of(network, X, y, lam=1.0) -> Step:
    features, output = network.activations(X)
    side = Activations(features, output, y, X, torch.full((len(X),), -1), network.head)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return Step(network, optimizer, side, None, lam, 0.0)


def rows(n=20, n_features=4, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = torch.as_tensor(rng.integers(n_classes, size=n))
    return torch.as_tensor(rng.normal(size=(n, n_features))), y


def moved(network, by=0.1) -> Network:
    other = copy.deepcopy(network)
    with torch.no_grad():
        for weight in other.parameters():
            weight += by * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    return other


# -- L2-SP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("learnt_head", [False, True])
def test_l2_sp_is_the_papers(learnt_head):
    network = network_of(4, 5, 3)
    network.learnt_head = learnt_head
    term = L2SP(0.3, head_factor=0.7)
    term.attach(network)
    term.double()
    now = moved(network)
    expected = 0.0
    for part, start, factor in (
        (now.layers, network.layers, 1.0),
        (now.head, network.head, 1.0 if learnt_head else 0.7),
    ):
        for name, weight in part.named_parameters():
            before = start.get_parameter(name).detach().numpy()
            if part is now.head and not learnt_head:
                before = np.zeros_like(before)
            expected += factor * np.sum((weight.detach().numpy() - before) ** 2) / 2
    found = term.loss(step_of(now, *rows(), lam=0.3))
    assert found.item() == pytest.approx(0.3 * expected, rel=1e-12)


def test_l2_sp_knows_whether_the_head_is_new():
    Xs, ys, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
    for source, labels, new in (
        ((Xs, ys), yt, False),
        ((Xs, ys), yt + 5, True),
        ((None, None), yt, True),
    ):
        options = {**STILL, "module": None if source[0] is not None else module}
        model = FineTuning(terms=[L2SP(2.0)], **options).fit(*source, Xt, labels)
        head = model.net_.module_.head
        expected = sum(float(p.detach().square().sum()) for p in head.parameters()) / 2
        found = model.history_[-1, "squared_distance"]
        assert found == pytest.approx(expected if new else 0.0, rel=1e-5)


def test_l2_sp_draws_to_the_start_and_not_to_zero():
    Xs, ys, Xt, yt = two_domains()
    options = {**TWO, "max_epochs": 60, "pretrain_epochs": 30}
    start = FineTuning(**{**options, "lr": 1e-30}).fit(Xs, ys, Xt, yt)  # nothing learnt at all
    near = FineTuning(terms=[L2SP(1e3)], **options).fit(Xs, ys, Xt, 1 - yt)
    first = FineTuning(n_frozen_layers=2, **options).fit(Xs, ys, Xt, 1 - yt)  # the layers' start
    assert not same_weights(start, near)
    for a, b in zip(near.net_.module_.layers.parameters(), first.net_.module_.layers.parameters()):
        torch.testing.assert_close(a, b, atol=0.02, rtol=0)
        assert not torch.equal(a, b)


# -- BSS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 6), (4, 9)])
@pytest.mark.parametrize("n_values", [1, 3, 50])
def test_bss_adds_up_the_smallest_squared_singular_values(shape, n_values):
    F = np.random.default_rng(0).normal(size=shape)
    gram = F.T @ F if shape[0] > shape[1] else F @ F.T
    values = np.sort(np.linalg.eigvalsh(gram))[:n_values]
    found = smallest_singular_values(torch.as_tensor(F), n_values)
    assert found.item() == pytest.approx(values.sum(), rel=1e-10)


def test_bss_looks_at_the_last_hidden_layer_of_labelled_rows():
    network = network_of(4, 6, 3)
    X, y = rows()
    features = network.features(X)[-1].detach().numpy()
    expected = np.linalg.svd(features, compute_uv=False)[-1] ** 2
    found = BSS(0.5).loss(step_of(network, X, y, lam=0.5))
    assert found.item() == pytest.approx(0.5 * expected, rel=1e-9)


def test_bss_shrinks_the_spectrums_tail():
    Xs, ys, Xt, yt = two_domains()
    options = {**TWO, "activation": "tanh", "max_epochs": 40, "backbone_lr_factor": 1.0}
    tails = []
    for weight in (0.0, 0.1):
        model = FineTuning(terms=[BSS(weight, 2)], **options).fit(Xs, ys, Xt, yt)
        values = np.linalg.svd(model.transform(Xt), compute_uv=False)
        tails.append(np.sum(values[-2:] ** 2))
    assert tails[1] < tails[0] / 3


# -- Co-Tuning -----------------------------------------------------------------------------------


def test_the_relation_of_classes_is_their_mean_prediction():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(12, 4)), np.r_[[-1], rng.integers(2, size=11)]
    odds = np.exp(logits / 1.7)
    p = odds / odds.sum(axis=1, keepdims=True)
    found = class_relation(torch.as_tensor(logits), torch.as_tensor(y), 3, 1.7).numpy()
    for k in range(2):
        np.testing.assert_allclose(found[k], p[y == k].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found[2], 0.25)


def test_co_tuning_teaches_the_sources_head_by_the_relation():
    network = network_of(4, 6)
    source = ClassHead(6, 2).double()
    network.extend([], ClassHead(6, 3).double())
    network.source_head = source.requires_grad_(False)  # as a second stage finds it
    X, y = rows()
    y[:3] = -1
    term = CoTuning(2.3, temperature=1.7).double()
    term.attach(network)
    term.begin(network, [Side(X[:7], y[:7], y), Side(X[7:], y[7:], y)])
    with torch.no_grad():
        logits = source(network.features(X)[-1]).numpy()
    odds = np.exp(logits / 1.7)
    p = odds / odds.sum(axis=1, keepdims=True)
    relation = np.stack([p[y.numpy() == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(term.relation.numpy(), relation, rtol=1e-10)
    log_q = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    known = y.numpy() >= 0
    expected = -np.mean(np.sum(relation[y[known]] * log_q[known], axis=1))
    found = term.loss(step_of(network, X, y, lam=0.9))
    assert found.item() == pytest.approx(0.9 * expected, rel=1e-10)
    found.backward()  # both the head and the features learn by it; the network's own heads don't
    assert term.source_head.weight.grad.abs().max() > 0
    assert network.layers[0][0].weight.grad.abs().max() > 0
    assert network.head.weight.grad is None and network.source_head.weight.grad is None


@pytest.mark.parametrize("new_classes", [False, True])
def test_co_tuning_begins_with_the_head_that_has_learnt(new_classes):
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(terms=[CoTuning()], **STILL).fit(Xs, ys, Xt, yt + 5 * new_classes)
    network, term = model.net_.module_, model.net_.alignments_[0]
    learnt = network.source_head if new_classes else network.head
    torch.testing.assert_close(term.source_head.weight, learnt.weight)
    assert (network.source_head is None) == (not new_classes)


def test_co_tuning_needs_a_head_that_has_learnt():
    _, _, Xt, yt = two_domains()
    module = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
    with pytest.raises(ValueError, match="needs a head that has learnt the source's classes"):
        FineTuning(terms=[CoTuning()], module=module, **SMALL).fit(None, None, Xt, yt)
    with pytest.raises(ValueError, match="class probabilities"):
        FineTuningRegressor(terms=[CoTuning()], **SMALL).fit(Xt, Xt[:, 0], Xt, Xt[:, 0])


# -- DELTA ---------------------------------------------------------------------------------------


class Images(nn.Module):
    def forward(self, x):
        return x.reshape(-1, 1, 4, 4)


def convolutional(head=THREE_CLASSES) -> Network:
    torch.manual_seed(0)
    first = nn.Sequential(Images(), nn.Conv2d(1, 3, 2), nn.Tanh())
    second = nn.Sequential(nn.Flatten(), nn.Linear(27, 5), nn.Tanh())
    return Network([first, second], head, torch.zeros(2, 16)).double()


def delta_by_hand(start, now, head, X, y, temperature, layers):
    """Return Ω: equations 4, 5 and 7 of the paper, channel by channel."""

    def outputs(network, without=None):
        found, x = [], X
        for k, layer in enumerate(network.layers):
            x = layer(x)
            if without is not None and without[0] == k:
                x = x.clone()
                x[:, without[1]] = 0
            found.append(x)
        return found

    omega = 0.0
    with torch.no_grad():
        loss = head.loss(head(outputs(start)[-1]), y)
        for k in layers:
            before, after = outputs(start)[k], outputs(now)[k]
            n_channels = before.shape[1]
            rises = [
                float(head.loss(head(outputs(start, (k, j))[-1]), y) - loss) / temperature
                for j in range(n_channels)
            ]
            W = np.exp(rises) / np.sum(np.exp(rises))
            for j in range(n_channels):
                distance = (after[:, j] - before[:, j]).numpy() ** 2
                omega += W[j] * distance.reshape(len(X), -1).sum(axis=1).mean()
    return omega


@pytest.mark.parametrize("layers", [None, [0], -1])
def test_delta_is_the_papers(layers):
    start = convolutional()
    start.learnt_head = True
    X, y = rows(n_features=16)
    y[:4] = -1
    term = DELTA(0.5, layers=layers, temperature=0.2).double()
    term.attach(start)
    term.double()
    term.begin(start, [Side(X[:9], y[:9], y), Side(X[9:], y[9:], y)])
    now = moved(start)
    chosen = {None: [0, 1], -1: [1]}.get(layers if layers != [0] else 0, [0])
    expected = delta_by_hand(start, now, start.head, X, y, 0.2, chosen)
    found = term.loss(step_of(now, X, y, lam=0.5))
    assert found.item() == pytest.approx(0.5 * expected, rel=1e-8)
    assert expected > 1e-3
    at_start = term.loss(step_of(start, X, y))
    assert at_start.item() == 0.0


def test_delta_weighs_by_a_fitted_head_where_the_head_is_new():
    network = convolutional()
    X, _ = rows(n_features=16, n=200)
    with torch.no_grad():
        y = (network.features(X)[-1][:, 2] > 0).long()  # unit 2 of the last layer says it all
    network.head = ClassHead(5, 2).double()
    term = DELTA(layers=-1, temperature=0.1)
    term.attach(network)
    term.double()
    untouched = copy.deepcopy(network.state_dict())
    term.begin(network, [Side(X, y, y)])
    weights = term.get_buffer("weights_1")
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights.argmax() == 2 and weights[2] > 0.5
    for name, value in network.state_dict().items():
        assert torch.equal(value, untouched[name])


def test_delta_weighs_feature_maps_by_the_channel():
    network = convolutional(partial(NumberHead, out_features=1))
    X, _ = rows(n_features=16)
    y = torch.as_tensor(np.random.default_rng(1).normal(size=20))
    term = DELTA(temperature=0.1)
    term.attach(network)
    term.double()
    term.begin(network, [Side(X, y, y)])
    places = term.get_buffer("weights_0").reshape(3, 9)
    assert (places == places[:, :1]).all()
    assert places[:, 0].sum().item() == pytest.approx(1.0)
    assert len(places[:, 0].unique()) == 3


def test_deltas_copy_stands_still_in_evaluation():
    Xs, ys, Xt, yt = two_domains()
    module = nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 6), nn.Tanh()
    )
    options = {**TWO, "pretrain_epochs": 2, "module": module}
    model = FineTuning(terms=[DELTA(1.0)], **options).fit(Xs, ys, Xt + 3, yt)
    copied = model.net_.alignments_[0].start
    assert not any(part.training for part in copied.modules())
    assert not any(p.requires_grad for p in copied.parameters())
    moved_mean = model.net_.module_.layers[0][1].running_mean
    assert (copied[0][1].running_mean - moved_mean).abs().max() > 0.01


def test_delta_keeps_the_features():
    Xs, ys, Xt, yt = two_domains()
    options = {**TWO, "max_epochs": 60, "backbone_lr_factor": 1.0, "pretrain_epochs": 30}
    first = FineTuning(**{**options, "backbone_lr_factor": 0.0}).fit(Xs, ys, Xt, 1 - yt)
    far, near = (
        FineTuning(terms=[DELTA(weight)], **options).fit(Xs, ys, Xt, 1 - yt) for weight in (0, 100)
    )
    start = first.transform(Xt)
    distances = [np.mean((model.transform(Xt) - start) ** 2) for model in (far, near)]
    assert distances[1] < distances[0] / 5


@pytest.mark.parametrize("index", [2, -3])
def test_delta_names_a_layer_that_there_is_not(index):
    Xs, ys, Xt, yt = two_domains()
    with pytest.raises(ValueError, match=f"layer {index}, but there are 2 hidden layers"):
        FineTuning(terms=[DELTA(layers=index)], **TWO).fit(Xs, ys, Xt, yt)


# -- all of them ---------------------------------------------------------------------------------

EVERY = [L2SP, BSS, DELTA, CoTuning]


@pytest.mark.parametrize("cls", EVERY)
def test_without_weight_they_only_watch(cls):
    Xs, ys, Xt, yt = two_domains()
    plain = FineTuning(**TWO).fit(Xs, ys, Xt, yt + 5)
    watching = FineTuning(terms=[cls(0.0)], **TWO).fit(Xs, ys, Xt, yt + 5)
    assert same_weights(plain, watching)
    assert cls.name in watching.history_[-1] and cls.name not in watching.pretrain_history_[-1]


@pytest.mark.parametrize("cls", EVERY)
def test_they_come_back_from_files_and_go_on(cls, tmp_path):
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(terms=[cls()], **TWO).fit(Xs, ys, Xt, yt + 5)
    model.save_weights(tmp_path / "w.safetensors")
    again = FineTuning(terms=[cls()], **TWO).load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(again.predict_proba(Xt), model.predict_proba(Xt))
    for (name, a), b in zip(
        model.net_.alignments_.state_dict().items(), again.net_.alignments_.state_dict().values()
    ):
        assert torch.equal(a, b), name
    warm = FineTuning(terms=[cls()], warm_start=True, **TWO).fit(Xs, ys, Xt, yt + 5)
    losses = [warm.history_[0, "task_loss"], warm.fit(Xs, ys, Xt, yt + 5).history_[0, "task_loss"]]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    "make, message",
    [
        (partial(L2SP, head_factor=-1), "head_factor of L2SP must be >= 0; got -1"),
        (partial(BSS, n_values=0), "n_values of BSS must be >= 1; got 0"),
        (partial(DELTA, temperature=0), "temperature of DELTA must be > 0; got 0"),
        (partial(CoTuning, temperature=-2), "temperature of CoTuning must be > 0; got -2"),
        (partial(BSS, -1), "weight of BSS must be >= 0; got -1"),
    ],
)
def test_what_is_illegal_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_terms_see_all_labelled_rows_once_before_the_first_step():
    Xs, ys, Xt, yt = two_domains()
    seen = []

    class Spy(L2SP):
        def begin(self, network, rows):
            seen.append([(len(x), y.tolist(), d.tolist()) for x, y, d in rows])

    labels = np.where(np.arange(len(yt)) % 3, yt, np.nan)
    FineTuning(terms=[Spy()], **{**SMALL, "batch_size": 15}).fit(Xs, ys, Xt, labels)
    known = labels[~np.isnan(labels)].astype(int)
    assert len(seen) == 1 and sum(n for n, *_ in seen[0]) == len(known)
    assert [y for _, ys, _ in seen[0] for y in ys] == known.tolist()  # in their own order
    assert {d for *_, ds in seen[0] for d in ds} == {-1}
    assert all(n == len(ys) == len(ds) for n, ys, ds in seen[0])
    model = DeepTransferClassifier([Spy()], **SMALL)
    model.partial_fit(Xs, ys, Xt).partial_fit(Xs, ys, Xt)
    assert len(seen) == 2  # not in the second piece


def test_the_relation_is_found_without_dropout_and_leaves_the_network_in_training():
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))]
    network = Network(layers, THREE_CLASSES, torch.zeros(2, 4)).double()
    network.learnt_head = True
    X, y = rows()
    term = CoTuning().double()
    term.attach(network)
    term.begin(network, [Side(X, y, y)])
    assert network.training and (layers[0][1].running_mean == 0).all()
    network.eval()
    with torch.no_grad():
        logits = network.head(network.features(X)[-1])
    torch.testing.assert_close(term.relation, class_relation(logits, y, 3, 1.0))
