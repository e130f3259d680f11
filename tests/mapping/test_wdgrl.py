from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import WDGRL, DeepTransferClassifier, DeepTransferRegressor, WDGRLRegressor
from skdtl.deep import Activations, Ramp, WassersteinCritic
from skdtl.deep.alignments.wasserstein import slope_penalty

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) + 0.5


def act(*features) -> Activations:
    tensors = tuple(torch.as_tensor(f) for f in features)
    return Activations(tensors, torch.zeros(len(features[0]), 2), None)


def critic_of(widths=(3,), **options) -> WassersteinCritic:
    alignment = WassersteinCritic(**options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        alignment.initialize(list(widths), 2)
    return alignment.double()


def weights_of(critic) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in critic.parameters()]


def value(parameters, x):
    """Compute a critic of one hidden layer by hand."""
    w1, b1, w2, b2 = parameters
    return float(w2[0] @ np.maximum(w1 @ x + b1, 0) + b2[0])


def slope(parameters, x):
    """Compute the norm of its gradient at x by hand."""
    w1, b1, w2, _ = parameters
    return np.linalg.norm(w1.T @ (w2[0] * (w1 @ x + b1 > 0)))


# -- the penalty -----------------------------------------------------------------------------------


def test_penalty_of_a_linear_critic_has_a_closed_form():
    linear = nn.Linear(3, 1).double()
    x = torch.tensor(XS, requires_grad=True)
    penalty = slope_penalty(linear(x), x)
    norm = linear.weight.norm()
    assert penalty.item() == pytest.approx((norm.item() - 1) ** 2, rel=1e-12)
    (gradient,) = torch.autograd.grad(penalty, linear.weight)
    torch.testing.assert_close(gradient, 2 * (norm - 1) * linear.weight / norm)


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Tanh])
def test_penalty_and_its_gradient_are_those_of_finite_differences(kind):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        critic = nn.Sequential(nn.Linear(3, 6), kind(), nn.Linear(6, 1)).double()

    def slow():
        """Take the slopes by differences of the critic's values, row by row."""
        total, step = 0.0, 1e-5
        for row in XS:
            square = 0.0
            for j in range(3):
                values = []
                for change in (step, -step):
                    moved = row.copy()
                    moved[j] += change
                    with torch.no_grad():
                        values.append(critic(torch.tensor(moved)).item())
                square += ((values[0] - values[1]) / (2 * step)) ** 2
            total += (math.sqrt(square) - 1) ** 2
        return total / len(XS)

    x = torch.tensor(XS, requires_grad=True)
    penalty = slope_penalty(critic(x), x)
    assert penalty.item() == pytest.approx(slow(), rel=1e-7)
    penalty.backward(inputs=list(critic.parameters()))
    for parameter in critic.parameters():
        if parameter.grad is None:  # the last bias, on which no slope depends
            continue
        for index in np.ndindex(*parameter.shape):
            values = []
            for change in (1e-5, -1e-5):
                with torch.no_grad():
                    parameter[index] += change
                    values.append(slow())
                    parameter[index] -= change
            difference = (values[0] - values[1]) / 2e-5
            assert parameter.grad[index].item() == pytest.approx(difference, abs=1e-4)


def test_a_critic_without_any_slope_gives_no_nan():
    linear = nn.Linear(3, 1).double()
    nn.init.zeros_(linear.weight)
    x = torch.tensor(XS, requires_grad=True)
    penalty = slope_penalty(linear(x), x)
    penalty.backward()
    assert penalty.item() == 1 and not linear.weight.grad.isnan().any()


# -- the critic ------------------------------------------------------------------------------------


def test_omega_is_the_difference_of_the_critics_means():
    alignment = critic_of(hidden_layer_sizes=(6,))
    by_hand = weights_of(alignment)
    source, target = (np.mean([value(by_hand, x) for x in X]) for X in (XS, XT))
    omega = alignment(act(XS), act(XT))
    assert omega.item() == pytest.approx(source - target, rel=1e-12)
    assert alignment(act(XS), act(XS)).item() == pytest.approx(0, abs=1e-15)
    assert alignment.penalty(act(XS), act(XT), 0.3).item() == pytest.approx(0.3 * omega.item())
    assert alignment.observed["wasserstein"].item() == pytest.approx(omega.item())


def test_the_network_gets_the_gradient_of_omega_and_the_critic_none():
    alignment = critic_of(hidden_layer_sizes=(6,))
    xs, xt = torch.tensor(XS, requires_grad=True), torch.tensor(XT, requires_grad=True)
    logits = torch.zeros(1, 2)

    def omega(a, b):
        return alignment(Activations((a,), logits, None), Activations((b,), logits, None))

    assert torch.autograd.gradcheck(omega, (xs, xt))
    alignment.before_step(act(XS), act(XT))
    assert all(p.grad is None and not p.requires_grad for p in alignment.parameters())


def interpolates(alignment, n, n_steps):
    """Return the shares that the critic is going to draw."""
    generator = copy.deepcopy(alignment.generator)
    return [
        torch.rand((n, 1), generator=generator, dtype=torch.float64).numpy() for _ in range(n_steps)
    ]


@pytest.mark.parametrize("xs, xt", [(XS, XT), (XT, XS), (XS, XS[::-1] + 1)])
def test_the_critics_steps_are_adams_on_the_papers_loss(xs, xt):
    """Two steps of algorithm 1 with slopes, differences and Adam computed by hand."""
    alignment = critic_of(hidden_layer_sizes=(6,), n_critic=2, gradient_penalty=3.0, critic_lr=0.01)
    n = max(len(xs), len(xt))
    theta = weights_of(alignment)
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in theta]
    for t, share in enumerate(interpolates(alignment, n, 2), 1):
        between = [
            xs[i % len(xs)] + share[i] * (xt[i % len(xt)] - xs[i % len(xs)]) for i in range(n)
        ]
        rows = [*xs, *xt, *between]

        def loss(parameters, rows=rows):
            gap = np.mean([value(parameters, x) for x in xs]) - np.mean(
                [value(parameters, x) for x in xt]
            )
            return -gap + 3.0 * np.mean([(slope(parameters, x) - 1) ** 2 for x in rows])

        gradient = []
        for p in theta:
            g = np.zeros_like(p)
            for index in np.ndindex(*p.shape):
                values = []
                for change in (1e-6, -1e-6):
                    p[index] += change
                    values.append(loss(theta))
                    p[index] -= change
                g[index] = (values[0] - values[1]) / 2e-6
            gradient.append(g)
        for p, g, (m, v) in zip(theta, gradient, moments):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            p -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    alignment.before_step(act(xs), act(xt))
    for actual, expected in zip(weights_of(alignment), theta):
        # Of a gradient that is 0, such as the last bias's, Adam makes steps of rounding errors.
        np.testing.assert_allclose(actual[..., :], expected, atol=2e-4)
    assert not np.allclose(
        weights_of(alignment)[0], weights_of(critic_of(hidden_layer_sizes=(6,)))[0]
    )


def estimate(delta, n_steps=60, **options):
    """Return what a critic finds between two Gaussians, delta apart in the first direction."""
    rng = np.random.default_rng(0)
    alignment = critic_of((2,), **{"critic_lr": 0.01, "hidden_layer_sizes": (30,), **options})
    for _ in range(n_steps):
        xs = rng.normal(size=(64, 2))
        xt = rng.normal(size=(64, 2)) + [delta, 0]
        alignment.before_step(act(xs), act(xt))
    rows = rng.normal(size=(4000, 2))
    return alignment(act(rows), act(rows + [delta, 0])).item()


@pytest.mark.parametrize("delta", [0.5, 2.0, -5.0])
def test_the_estimate_is_the_distance_of_two_shifted_gaussians(delta):
    """A critic of slope s gets δ s - γ (s - 1)², which is largest for s = 1 + δ / (2 γ)."""
    delta_ = abs(delta)
    assert estimate(delta) == pytest.approx(delta_ * (1 + delta_ / 20), rel=0.06)
    if delta == 2.0:
        assert estimate(delta, gradient_penalty=2.0) == pytest.approx(3.0, rel=0.06)
        assert estimate(delta, hidden_layer_sizes=()) == pytest.approx(2.2, rel=0.06)


def test_the_critics_steps_count():
    assert estimate(2.0, n_steps=3, n_critic=20) > 2 * estimate(2.0, n_steps=3, n_critic=1)


def test_the_same_seed_draws_the_same_interpolates_and_leaves_torch_alone():
    state = torch.get_rng_state()
    trained = []
    for _ in range(2):
        alignment = critic_of()
        for _ in range(3):
            alignment.before_step(act(XS), act(XT))
        trained.append(weights_of(alignment))
    assert all(np.array_equal(a, b) for a, b in zip(*trained))
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_draws_other_interpolates():
    Xs, ys, Xt, _ = two_domains()
    seeds = []
    for random_state in (0, 0, 1):
        model = WDGRL(**{**SMALL, "max_epochs": 1, "random_state": random_state}).fit(Xs, ys, Xt)
        seeds.append(model.net_.alignments_[0].generator.initial_seed())
    assert seeds[0] == seeds[1] != seeds[2]


def test_evaluation_has_no_side_effects_on_the_critic():
    alignment = critic_of()
    alignment.before_step(act(XS), act(XT))
    before = weights_of(alignment)
    alignment.eval()
    with torch.no_grad():
        alignment.penalty(act(XS), act(XT), 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights_of(alignment)))


@pytest.mark.parametrize(
    "options", [{"n_critic": 0}, {"gradient_penalty": -1.0}, {"critic_lr": 0}, {"weight": -1}]
)
def test_illegal_options(options):
    with pytest.raises(ValueError, match="must be"):
        WassersteinCritic(**options)


# -- the estimators --------------------------------------------------------------------------------


@pytest.mark.parametrize("regression", [False, True])
def test_wdgrl_is_the_engine_with_a_critic(regression):
    cls, engine = (
        (WDGRLRegressor, DeepTransferRegressor) if regression else (WDGRL, DeepTransferClassifier)
    )
    Xs, ys, Xt, _ = two_domains(regression=regression)
    named = cls(
        0.7,
        critic_layer_sizes=(7,),
        n_critic=3,
        gradient_penalty=4.0,
        critic_lr=0.01,
        layers="output",
        **SMALL,
    ).fit(Xs, ys, Xt)
    critic = WassersteinCritic(
        hidden_layer_sizes=(7,), n_critic=3, gradient_penalty=4.0, critic_lr=0.01, layers="output"
    )
    assert same_weights(named, engine([critic], lam=0.7, **SMALL).fit(Xs, ys, Xt))
    assert {"wasserstein", "gradient_penalty"} <= set(named.history_[-1])
    plain = cls(**SMALL).fit(Xs, ys, Xt)
    assert same_weights(
        plain, engine([WassersteinCritic()], lam=Ramp(1.0, 10.0), **SMALL).fit(Xs, ys, Xt)
    )


def test_lambda_zero_one_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 30, "lr": 3e-3}
    nets = {
        lam: WDGRL(lam, critic_layer_sizes=(16,), **options).fit(Xs, ys, Xt)
        for lam in (0.0, 0.3, 30.0)
    }
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    distance = {lam: net.history_[-1]["wasserstein"] for lam, net in nets.items()}
    assert distance[0.0] > 2 * abs(distance[0.3])  # the network heeds the critic
    task = [net.history_[-1]["task_loss"] for net in nets.values()]
    assert task[2] > task[1] + 0.05 and not same_weights(nets[0.3], nets[30.0])


def test_the_critic_trains_alike_whatever_lambda_and_weight():
    """In the first step the features are the same, whatever λ."""
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 1, "batch_size": 200}
    trained = []
    for alignment, lam in ((WassersteinCritic(), 0.0), (WassersteinCritic(0.1), 9.0)):
        net = DeepTransferClassifier([alignment], lam=lam, **options).fit(Xs, ys, Xt).net_
        trained.append(weights_of(net.alignments_[0]))
    assert all(np.array_equal(a, b) for a, b in zip(*trained))


def test_weight_decay_and_the_networks_optimiser_leave_the_critic_alone():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 1, "batch_size": 200}
    decays = [{**options, "weight_decay": decay} for decay in (0.0, 0.5)]
    nets = [WDGRL(**setting).fit(Xs, ys, Xt).net_ for setting in decays]
    assert all(
        np.array_equal(a, b) for a, b in zip(*(weights_of(net.alignments_[0]) for net in nets))
    )


def test_pickles_and_copies_predict_alike_and_a_refit_is_the_same():
    Xs, ys, Xt, _ = two_domains(n_source=45, n_target=70)
    model = WDGRL(**SMALL).fit(Xs, ys, Xt)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(twin.predict_proba(Xt), model.predict_proba(Xt))
        assert same_weights(twin.fit(Xs, ys, Xt), model)


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_not_trusted(regression):
    cls = WDGRLRegressor if regression else WDGRL
    options = {"hidden_layer_sizes": (32,), "critic_layer_sizes": (20,)}
    options |= {"max_epochs": 30, "lr": 0.01, "critic_lr": 0.01}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, n=250, regression=regression)
        for lam, scores in ((0.0, source_only), ("ramp", adapted)):
            scores.append(cls(lam, random_state=seed, **options).fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.2


def test_rotated_digits():
    Xs, ys, Xt, yt = rotated_digits(0)
    options = {"max_epochs": 20, "batch_size": 64, "random_state": 0, "critic_layer_sizes": (30,)}
    plain = DeepTransferClassifier(max_epochs=20, batch_size=64, random_state=0)
    plain = plain.fit(Xs, ys, Xt).score(Xt, yt)
    adapted = WDGRL(**options).fit(Xs, ys, Xt).score(Xt, yt)
    assert adapted > plain + 0.08
