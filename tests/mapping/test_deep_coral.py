from __future__ import annotations

import numpy as np
import pytest
import torch

from skdtl import (
    DeepCORAL,
    DeepCORALRegressor,
    DeepTransferClassifier,
    DeepTransferRegressor,
)
from skdtl.deep import Activations, CorrelationAlignment

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), 2 * RNG.normal(size=(5, 3)) + 0.5


def act(*features, output=None) -> Activations:
    tensors = tuple(torch.as_tensor(f) for f in features)
    return Activations(tensors, torch.zeros(len(tensors[0]), 2) if output is None else output, None)


def coral(xs, xt):
    """Equation 1, with the covariances of equations 2 and 3 by numpy."""
    difference = np.atleast_2d(np.cov(xs, rowvar=False) - np.cov(xt, rowvar=False))
    return np.linalg.norm(difference, "fro") ** 2 / (4 * xs.shape[1] ** 2)


# -- the alignment ---------------------------------------------------------------------------------


def test_value_is_the_papers():
    value = CorrelationAlignment()(act(XS), act(XT)).item()
    assert value == pytest.approx(coral(XS, XT), rel=1e-12)
    swapped = CorrelationAlignment()(act(XT), act(XS)).item()
    assert swapped == pytest.approx(value, rel=1e-12)


def test_covariances_are_the_papers_equations():
    n, ones = len(XS), np.ones((len(XS), 1))
    by_hand = (XS.T @ XS - (ones.T @ XS).T @ (ones.T @ XS) / n) / (n - 1)
    np.testing.assert_allclose(by_hand, np.cov(XS, rowvar=False), rtol=1e-12)


def test_gradient():
    xs, xt = (torch.tensor(x, requires_grad=True) for x in (XS, XT))
    assert torch.autograd.gradcheck(lambda a, b: CorrelationAlignment()(act(a), act(b)), (xs, xt))


def test_means_do_not_enter():
    value = CorrelationAlignment()(act(XS), act(XT)).item()
    assert CorrelationAlignment()(act(XS + 9), act(XT - 4)).item() == pytest.approx(value)
    assert CorrelationAlignment()(act(XS), act(XS + 9)).item() == pytest.approx(0, abs=1e-12)


def test_layers_add_up_each_by_its_own_width():
    outputs = [torch.tensor(RNG.normal(size=(n, 4))) for n in (7, 5)]
    sides = act(XS, XS[:, :2], output=outputs[0]), act(XT, XT[:, :2], output=outputs[1])
    probabilities = [o.softmax(1).numpy() for o in outputs]
    expected = coral(XS, XT), coral(XS[:, :2], XT[:, :2]), coral(*probabilities)
    for layer, value in zip((0, -1, "output"), expected):
        omega = CorrelationAlignment(layers=layer)(*sides).item()
        assert omega == pytest.approx(value, rel=1e-10)
    both = CorrelationAlignment(layers=(0, 1, "output"))(*sides).item()
    assert both == pytest.approx(sum(expected), rel=1e-10)


def test_a_batch_may_hold_a_single_row():
    x = torch.tensor(XS[:1], requires_grad=True)
    omega = CorrelationAlignment()(act(x), act(XT))
    omega.backward()
    covariance = np.cov(XT, rowvar=False)
    assert omega.item() == pytest.approx((covariance**2).sum() / 36)
    assert not x.grad.isnan().any()


def test_digits_are_kept_far_from_the_origin():
    far = [(x + 1000).astype(np.float32) for x in (XS, XT)]
    assert CorrelationAlignment()(*(act(x) for x in far)).item() == pytest.approx(
        coral(XS, XT), rel=1e-3
    )


# -- the estimator ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [None, 0, "output", (0, 1, "output")])
def test_deep_coral_is_the_engine_with_its_alignment(layers):
    small = {**SMALL, "hidden_layer_sizes": (9, 6)}
    for cls, engine, regression, default in (
        (DeepCORAL, DeepTransferClassifier, False, "output"),
        (DeepCORALRegressor, DeepTransferRegressor, True, -1),
    ):
        Xs, ys, Xt, _ = two_domains(regression=regression)
        model = cls(layers=layers, **small).fit(Xs, ys, Xt)
        alignment = CorrelationAlignment(layers=default if layers is None else layers)
        by_rule = 1000.0 if regression else 40.0
        assert same_weights(model, engine([alignment], by_rule, **small).fit(Xs, ys, Xt))
        published = cls(1000.0, layers=layers, **small).fit(Xs, ys, Xt)
        assert same_weights(published, engine([alignment], 1000.0, **small).fit(Xs, ys, Xt))
        if layers not in (None, default):
            assert not same_weights(model, cls(**small).fit(Xs, ys, Xt))


@pytest.mark.parametrize("n_classes, lam", [(2, 40.0), (3, 90.0), (10, 1000.0)])
def test_the_default_lambda_undoes_the_division_by_the_number_of_classes(n_classes, lam):
    Xs, ys, Xt, _ = two_domains()
    ys = np.arange(len(ys)) % n_classes
    assert DeepCORAL(**SMALL).fit(Xs, ys, Xt).history_[-1]["lam"] == lam


def test_lambda_zero_moderate_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    Xt = 3 * Xt
    options = {**SMALL, "max_epochs": 60, "lr": 0.01}
    nets = {lam: DeepCORAL(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 100.0, 1e6)}
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    apart, task = (
        [net.history_[-1][name] for net in nets.values()] for name in ("coral", "task_loss")
    )
    assert apart[0] > 1.5 * apart[1] > 1.5 * apart[2]
    # The encoder learns its task where the alignment leaves it room.
    assert task[1] < task[0] + 0.2 < 0.5 < task[2]


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        model = DeepCORAL(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SMALL).fit(Xs, ys)
    assert same_weights(model, plain)


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_trusted_less(regression):
    cls = DeepCORALRegressor if regression else DeepCORAL
    options = {"hidden_layer_sizes": (32,), "max_epochs": 40}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, regression=regression)
        for lam, scores in ((0.0, source_only), (1000.0, adapted)):
            model = cls(lam, random_state=seed, **options).fit(Xs, ys, Xt)
            scores.append(model.score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.2


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 25, "batch_size": 64, "random_state": seed}
        plain = DeepCORAL(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(DeepCORAL(**options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert min(gains) > 0.05
