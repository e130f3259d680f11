from __future__ import annotations

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skdtl import CDAN, RMAN, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import Activations, ConditionalAdversary, DomainAdversary, Ramp

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
N_SOURCE, N_TARGET, WIDTHS, N_CLASSES = 7, 5, (4, 3), 3
F_S = [RNG.normal(size=(N_SOURCE, width)) for width in WIDTHS]
F_T = [RNG.normal(size=(N_TARGET, width)) + 0.5 for width in WIDTHS]
Z_S, Z_T = RNG.normal(size=(N_SOURCE, N_CLASSES)), 2 * RNG.normal(size=(N_TARGET, N_CLASSES))


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def act(features, logits, requires_grad=False) -> Activations:
    def tensor(x):
        return torch.tensor(x, requires_grad=requires_grad)

    return Activations(tuple(tensor(f) for f in features), tensor(logits), None)


def adversary(**options) -> ConditionalAdversary:
    torch.manual_seed(0)
    alignment = ConditionalAdversary(**{"hidden_layer_sizes": (6,), **options})
    alignment.initialize(WIDTHS, N_CLASSES)
    return alignment.double()


def softmax(z):
    return [np.exp(row) / np.exp(row).sum() for row in z]


def discriminator_probability(alignment, row):
    """Compute D of one row by hand."""
    parameters = [p.detach().numpy() for p in alignment.discriminator.parameters()]
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
        row = np.maximum(weight @ row + bias, 0)
    return 1 / (1 + np.exp(-(parameters[-2] @ row + parameters[-1])[0]))


def slow_map(alignment, factors):
    """Compute T of one row by hand, from its factors f, ..., g."""
    if not alignment.randomized:
        return np.array(
            [np.prod(entries) for entries in itertools.product(*(list(f) for f in factors))]
        )
    matrices = [alignment.get_buffer(f"projection_{i}").numpy() for i in range(len(factors))]
    d = alignment.n_components
    return np.array(
        [
            np.prod([sum(f[k] * R[k, j] for k in range(len(f))) for f, R in zip(factors, matrices)])
            / np.sqrt(d)
            for j in range(d)
        ]
    )


def slow_loss(alignment, layers, entropy):
    """Transcribe the loss, row by row."""
    loss, right = 0.0, 0.0
    n = len(Z_S) + len(Z_T)
    lengths = []  # of all rows' outputs of a layer, by which all but the last are divided
    for layer in layers[:-1]:
        both = [*F_S[layer], *F_T[layer]]
        lengths.append(np.sqrt(sum(value**2 for row in both for value in row) / n))
    for features, logits, is_source in ((F_S, Z_S, True), (F_T, Z_T, False)):
        g = softmax(logits)
        w = [1 + np.exp(sum(p * np.log(p) for p in row)) if entropy else 1.0 for row in g]
        for i in range(len(g)):
            factors = [g[i] if layer == "output" else features[layer][i] for layer in layers]
            for k, length in enumerate(lengths):
                factors[k] = factors[k] / length
            p = discriminator_probability(alignment, slow_map(alignment, [*factors, g[i]]))
            loss -= w[i] / sum(w) * np.log(p if is_source else 1 - p)
            right += ((p > 0.5) == is_source) / len(g) / 2
    return loss, right


@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize("layers", [(-1,), (0,), (0, 1), (0, "output")])
@pytest.mark.parametrize("map", ["multilinear", "randomized"])
def test_the_loss_is_the_papers(map, layers, entropy):
    alignment = adversary(map=map, n_components=8, layers=layers, entropy=entropy)
    expected, right = slow_loss(alignment, layers, entropy)
    source, target = act(F_S, Z_S), act(F_T, Z_T)
    assert alignment(source, target).item() == pytest.approx(expected, rel=1e-10)
    assert alignment.penalty(source, target, 0.3).item() == pytest.approx(expected, rel=1e-10)
    assert alignment.observed["domain_loss"].item() == pytest.approx(expected, rel=1e-10)
    assert alignment.observed["domain_accuracy"].item() == pytest.approx(right)


@pytest.mark.parametrize("map", ["multilinear", "randomized"])
def test_gradient_without_a_reversal(map):
    alignment = adversary(map=map, n_components=8)

    def omega(fs, zs, ft, zt):
        return alignment(Activations((fs,), zs, None), Activations((ft,), zt, None))

    tensors = [torch.tensor(x, requires_grad=True) for x in (F_S[1], Z_S, F_T[1], Z_T)]
    assert torch.autograd.gradcheck(omega, tensors)


@pytest.mark.parametrize("map", ["multilinear", "randomized"])
@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize("lam", [0.0, 0.4, 3.0])
def test_the_network_gets_minus_lambda_times_the_gradient_and_the_discriminator_all(
    lam, entropy, map
):
    alignment = adversary(entropy=entropy, map=map, n_components=8)
    gradients = []
    for reversed_ in (False, True):
        alignment.zero_grad()
        source, target = act(F_S, Z_S, True), act(F_T, Z_T, True)
        if reversed_:
            alignment.penalty(source, target, lam).backward()
        else:
            alignment(source, target).backward()
        network = [x.grad for a in (source, target) for x in (a.features[1], a.output)]
        gradients.append((network, [p.grad.clone() for p in alignment.parameters()]))
    (plain, d_plain), (reversed_, d_reversed) = gradients
    for a, b in zip(plain, reversed_, strict=True):
        torch.testing.assert_close(b, -lam * a)
        assert (a != 0).any()  # through the features and through the predictions
    for a, b in zip(d_plain, d_reversed, strict=True):
        torch.testing.assert_close(a, b)


def test_entropy_weights_reward_certainty_and_their_mean_is_held_constant():
    alignment = adversary(entropy=True)
    with torch.no_grad():  # a discriminator that can't tell: each row's loss is ln 2
        for p in alignment.discriminator.parameters():
            p.zero_()
    source, target = act(F_S, Z_S, True), act(F_T, Z_T)
    omega = alignment(source, target)
    assert omega.item() == pytest.approx(2 * np.log(2))  # weights have mean 1 in each domain
    omega.backward()
    p = np.array(softmax(Z_S))
    minus_h = (p * np.log(p)).sum(1)
    scale = np.log(2) / (1 + np.exp(minus_h)).sum()
    slope = p * (np.log(p) - minus_h[:, None])  # of -H, for each logit
    expected = scale * np.exp(minus_h)[:, None] * slope
    np.testing.assert_allclose(source.output.grad.numpy(), expected, rtol=1e-10)


def test_certain_predictions_give_numbers():
    alignment = adversary(entropy=True)
    source, target = act(F_S, 1e4 * Z_S, True), act(F_T, 1e4 * Z_T)
    omega = alignment(source, target)
    omega.backward()
    assert omega.isfinite() and source.output.grad.isfinite().all()


# -- the maps --------------------------------------------------------------------------------------


def test_randomized_inner_products_are_the_multilinear_ones_in_expectation():
    x, y = [[f[i] for f in (*F_S, softmax(Z_S))] for i in (0, 1)]
    expected = np.prod([a @ b for a, b in zip(x, y, strict=True)])
    torch.manual_seed(0)
    alignment = ConditionalAdversary(map="randomized", n_components=400_000, layers=(0, 1))
    alignment.hidden_layer_sizes = ()
    alignment.initialize(WIDTHS, N_CLASSES)
    alignment.double()
    rows = [torch.tensor(np.array(pair)) for pair in zip(x, y, strict=True)]
    products = alignment._join(rows)
    np.testing.assert_allclose((products[0] @ products[1]).item(), expected, atol=0.05)
    assert abs(expected) > 0.1


def test_auto_is_randomized_above_4096_columns():
    for widths, layers, randomized in (
        ([1024], -1, False),
        ([1025], -1, True),
        ([32, 32], (0, 1), False),
        ([32, 33], (0, 1), True),
        ([2000, 10], -1, False),
    ):
        alignment = ConditionalAdversary(layers=layers, n_components=17)
        alignment.initialize(widths, 4)
        assert alignment.randomized == randomized
        columns = alignment.discriminator[0].in_features
        product = 4 * np.prod([widths[i] for i in np.atleast_1d(layers)])
        assert columns == (17 if randomized else product)


def test_the_random_matrices_survive_a_reload():
    first = adversary(map="randomized", n_components=8, layers=(0, 1))
    assert len([name for name in first.state_dict() if name.startswith("projection")]) == 3
    assert not any(name.startswith("projection") for name, _ in first.named_parameters())
    source, target = act(F_S, Z_S), act(F_T, Z_T)
    expected = first(source, target).item()
    second = ConditionalAdversary(
        map="randomized", n_components=8, layers=(0, 1), hidden_layer_sizes=(6,)
    )
    second.initialize(WIDTHS, N_CLASSES)  # other matrices
    second.double().load_state_dict(first.state_dict())
    for other in (second, pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert other(source, target).item() == expected


def test_the_random_matrices_stay_as_they_are_while_training():
    Xs, ys, Xt, _ = two_domains()
    matrices = []
    for max_epochs in (1, 6):
        options = {**SMALL, "max_epochs": max_epochs}
        model = CDAN(map="randomized", n_components=9, **options).fit(Xs, ys, Xt)
        matrices.append(model.net_.alignments_[0].get_buffer("projection_0"))
    assert matrices[0].shape == (16, 9) and torch.equal(*matrices)


def test_a_discriminator_of_the_map_sees_what_none_of_the_features_can():
    # Each feature is distributed alike in both domains, but its relation to the class is not.
    rng = np.random.default_rng(0)
    f = rng.choice([-1.0, 1.0], size=(2, 200, 1))
    logits = np.concatenate([f[0], -f[0]], 1) * 4, np.concatenate([-f[1], f[1]], 1) * 4
    losses = []
    for alignment in (
        ConditionalAdversary(hidden_layer_sizes=(16,)),
        DomainAdversary(hidden_layer_sizes=(16,)),
    ):
        torch.manual_seed(0)
        alignment.initialize([1], 2)
        alignment.double()
        source, target = act([f[0]], logits[0]), act([f[1]], logits[1])
        optimizer = torch.optim.Adam(alignment.parameters(), lr=0.05)
        for _ in range(100):
            optimizer.zero_grad()
            loss = alignment(source, target)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.1 and losses[1] > 1.3


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"map": "linear"}, {"n_components": 0}, {"n_components": 1.5}, {"weight": -1.0}]
)
def test_illegal_parameters(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} of ConditionalAdversary must be"):
        ConditionalAdversary(**options)


def test_it_is_for_classifiers():
    Xs, ys, Xt, _ = two_domains(regression=True)
    with pytest.raises(ValueError, match="class probabilities"):
        DeepTransferRegressor([ConditionalAdversary()], **SMALL).fit(Xs, ys, Xt)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_layers_before_the_last_may_have_any_scale(factor):
    alignment = adversary(map="randomized", n_components=8, layers=(0, 1))
    expected = alignment(act(F_S, Z_S), act(F_T, Z_T)).item()
    scaled = [act([f[0] * factor, *f[1:]], z) for f, z in ((F_S, Z_S), (F_T, Z_T))]
    assert alignment(*scaled).item() == pytest.approx(expected, rel=1e-10)
    scaled = [act([f[0], f[1] * factor], z) for f, z in ((F_S, Z_S), (F_T, Z_T))]
    assert alignment(*scaled).item() != pytest.approx(expected, rel=1e-3)


def test_lengths_are_constants_for_the_gradient():
    alignment = adversary(map="multilinear", layers=(0, 1))
    source, target = act(F_S, Z_S, True), act(F_T, Z_T, True)
    alignment(source, target).backward()
    # Divided before by what then is no function of the features, the lengths are 1.
    length = np.sqrt(sum((f[0] ** 2).sum() for f in (F_S, F_T)) / (len(Z_S) + len(Z_T)))
    first = torch.tensor(np.concatenate([F_S[0], F_T[0]]), requires_grad=True)
    x = [first / length, torch.tensor(np.concatenate([F_S[1], F_T[1]]))]
    g = torch.tensor(np.concatenate([Z_S, Z_T])).softmax(1)
    joint = torch.einsum("ni,nj,nk->nijk", x[0], x[1], g).flatten(1)
    logits = alignment.discriminator(joint)[:, 0]
    n = len(Z_S)
    (F.softplus(-logits[:n]).mean() + F.softplus(logits[n:]).mean()).backward()
    torch.testing.assert_close(
        torch.cat([source.features[0].grad, target.features[0].grad]), first.grad
    )


@pytest.mark.parametrize(
    "sizes, layers", [((9,), (0,)), ((9, 8), (0, 1)), ((9, 8, 7), (1, 2)), ((9, 8, 7), (-2, -1))]
)
def test_rman_sees_the_last_two_layers_or_the_only_one(sizes, layers):
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "hidden_layer_sizes": sizes, "n_components": 16}
    assert same_weights(
        RMAN(**options).fit(Xs, ys, Xt), RMAN(layers=layers, **options).fit(Xs, ys, Xt)
    )


def test_a_network_without_the_layers_is_refused():
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="aligns layer -2, but the network has 1 hidden"):
        RMAN(layers=(-2, -1), **SMALL).fit(Xs, ys, Xt)


# -- the estimators --------------------------------------------------------------------------------

PAPERS = {
    "lam": Ramp(1.0, 10.0),
    "optimizer": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, fused=True),
    "lr": 0.01,
    "lr_schedule": lambda p: (1 + 10 * p) ** -0.75,
    **SMALL,
    "hidden_layer_sizes": (9, 8),
}


@pytest.mark.parametrize(
    "cls, options, specification",
    [
        (CDAN, {}, {}),
        (CDAN, {"entropy": True}, {"entropy": True}),
        (CDAN, {"layers": (0, "output")}, {"layers": (0, "output")}),
        (
            CDAN,
            {"map": "randomized", "n_components": 11, "discriminator_layer_sizes": (7,)},
            {"map": "randomized", "n_components": 11, "hidden_layer_sizes": (7,)},
        ),
        (RMAN, {}, {"map": "randomized", "layers": (0, 1)}),
        (
            RMAN,
            {
                "entropy": True,
                "n_components": 11,
                "layers": -1,
                "discriminator_layer_sizes": (7,),
            },
            {"map": "randomized", "entropy": True, "n_components": 11, "hidden_layer_sizes": (7,)},
        ),
    ],
)
def test_it_is_the_engine_with_its_alignment_and_the_papers_training(cls, options, specification):
    Xs, ys, Xt, _ = two_domains()
    shape = {**SMALL, "hidden_layer_sizes": (9, 8)}
    model = cls(**options, **shape).fit(Xs, ys, Xt)
    by_hand = DeepTransferClassifier([ConditionalAdversary(**specification)], **PAPERS)
    by_hand.fit(Xs, ys, Xt)
    assert same_weights(model, by_hand)
    np.testing.assert_array_equal(model.predict(Xt), by_hand.predict(Xt))
    for option in options:  # each makes a difference
        if option != "map":  # what "auto" would choose is tested above
            default = inspect.signature(cls).parameters[option].default
            other = cls(**{**options, option: default}, **shape).fit(Xs, ys, Xt)
            assert not same_weights(model, other)


@pytest.mark.parametrize("cls", [CDAN, RMAN])
def test_lambda_zero_one_and_large_are_three_different_networks(cls):
    Xs, ys, Xt, _ = shifted_feature(0, n=200)
    options = {**SMALL, "hidden_layer_sizes": (16, 16), "max_epochs": 40}
    nets = {lam: cls(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 5.0)}
    plain = DeepTransferClassifier(
        [Watching()], optimizer="sgd", lr=0.01, lr_schedule="decay", **options
    )
    assert same_weights(nets[0.0], plain.fit(Xs, ys, Xt))
    last = [net.history_[-1] for net in nets.values()]
    assert last[1]["domain_loss"] > last[0]["domain_loss"] + 0.2  # the network heeds D
    assert last[2]["task_loss"] > last[0]["task_loss"] + 0.05  # and more of it costs the task
    assert not same_weights(nets[1.0], nets[5.0])


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    options = {"lr": 0.01, "lr_schedule": "decay", "optimizer": "sgd", **SMALL}
    with pytest.warns(UserWarning, match="without a target"):
        cdan = CDAN(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**options).fit(Xs, ys)
    assert same_weights(cdan, plain) and "domain_loss" not in cdan.history_[-1]


@pytest.mark.parametrize(
    "cls, options",
    [(CDAN, {}), (CDAN, {"entropy": True}), (RMAN, {"n_components": 256})],
)
def test_a_shifted_feature_is_not_trusted(cls, options):
    options = {"hidden_layer_sizes": (32, 32), "max_epochs": 50, **options}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed)
        for lam, scores in ((0.0, source_only), ("ramp", adapted)):
            scores.append(cls(lam, random_state=seed, **options).fit(Xs, ys, Xt).score(Xt, yt))
    assert max(source_only) < 0.55 and min(adapted) > 0.7


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 55, "batch_size": 64, "random_state": seed}
        plain = DeepTransferClassifier(optimizer="sgd", lr=0.01, lr_schedule="decay", **options)
        source_only = plain.fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(CDAN(**options).fit(Xs, ys, Xt).score(Xt, yt) - source_only)
    assert np.mean(gains) > 0.15 and min(gains) > 0.1
