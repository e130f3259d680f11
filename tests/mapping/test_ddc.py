from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DDC, DDCRegressor, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import MMD

from ..deep_common import SMALL, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

NO_SIZES = {name: value for name, value in SMALL.items() if name != "hidden_layer_sizes"}


def squared_distance(xs, xt):
    return ((xs.mean(axis=0) - xt.mean(axis=0)) ** 2).sum()


@pytest.mark.parametrize(
    "options, alignment",
    [
        ({}, MMD(kernel="rbf")),
        ({"kernel": "linear"}, MMD(kernel="linear")),
        ({"bandwidth": 2.0}, MMD(kernel="rbf", bandwidth=2.0)),
    ],
)
def test_ddc_is_the_engine_with_one_more_layer_and_its_mmd(options, alignment):
    for cls, engine, regression in (
        (DDC, DeepTransferClassifier, False),
        (DDCRegressor, DeepTransferRegressor, True),
    ):
        Xs, ys, Xt, _ = two_domains(regression=regression)
        ddc = cls(adaptation_width=6, **options, **SMALL).fit(Xs, ys, Xt)
        by_hand = engine([alignment], lam=1.0, **{**SMALL, "hidden_layer_sizes": (16, 6)})
        assert same_weights(ddc, by_hand.fit(Xs, ys, Xt))
        assert ddc.transform(Xt).shape == (len(Xt), 6)
        assert ddc.adaptation_layer_ == 1 and ddc.adaptation_width_ == 6


def test_the_width_with_the_least_mmd_is_kept():
    Xs, ys, Xt, _ = two_domains()
    widths = [3, 12, 5, 8]
    for kernel in ("linear", "rbf"):
        ddc = DDC(adaptation_width=widths, kernel=kernel, **SMALL).fit(Xs, ys, Xt)
        each = [DDC(adaptation_width=w, kernel=kernel, **SMALL).fit(Xs, ys, Xt) for w in widths]
        if kernel == "linear":
            expected = [squared_distance(e.transform(Xs), e.transform(Xt)) for e in each]
            np.testing.assert_allclose(ddc.width_mmd_, expected, rtol=1e-4)
        best = int(np.argmin(ddc.width_mmd_))
        assert len(set(ddc.width_mmd_)) == 4
        assert ddc.adaptation_width_ == widths[best] and same_weights(ddc, each[best])


def test_widths_behind_a_module_are_compared_as_it_predicts():
    """That is by running statistics and without dropout."""
    Xs, ys, Xt, _ = two_domains()
    options = {**NO_SIZES, "kernel": "linear", "lr": 0.01}
    options["module"] = lambda n: nn.Sequential(nn.Linear(n, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
    ddc = DDC(adaptation_width=(3, 12), **options).fit(Xs, ys, Xt)
    each = [DDC(adaptation_width=width, **options).fit(Xs, ys, Xt) for width in (3, 12)]
    expected = [squared_distance(e.transform(Xs), e.transform(Xt)) for e in each]
    np.testing.assert_allclose(ddc.width_mmd_, expected, rtol=1e-4)


def test_the_place_is_after_the_hidden_layer_with_the_least_mmd():
    Xs, ys, Xt, _ = two_domains()
    places = set()
    for sizes in ((20, 3), (3, 20), (8, 2, 8)):
        options = {**NO_SIZES, "hidden_layer_sizes": sizes}
        linear = {**options, "kernel": "linear", "adaptation_width": 6}
        ddc = DDC(adaptation_layer="auto", **linear).fit(Xs, ys, Xt)
        plain = DeepTransferClassifier(**options).fit(Xs, ys, Xt)
        with torch.no_grad():
            features = [
                plain.net_.module_.features(torch.as_tensor(X, dtype=torch.float32))
                for X in (Xs, Xt)
            ]
        expected = [squared_distance(a.numpy(), b.numpy()) for a, b in zip(*features)]
        np.testing.assert_allclose(ddc.layer_mmd_, expected, rtol=1e-4)
        assert ddc.adaptation_layer_ == 1 + int(np.argmin(expected))
        places.add(ddc.adaptation_layer_)
        fixed = DDC(adaptation_layer=ddc.adaptation_layer_, **linear)
        assert same_weights(fixed.fit(Xs, ys, Xt), ddc)
    assert len(places) > 1


def gaussian_mmd(xs, xt, bandwidth):
    """Return the squared distance of the means in the Gaussian kernel's space, pair by pair."""

    def mean(a, b):
        distances = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        return np.exp(-distances / (2 * bandwidth**2)).mean()

    return mean(xs, xs) + mean(xt, xt) - 2 * mean(xs, xt)


@pytest.mark.parametrize("bandwidth", [0.3, 4.0])
def test_layers_and_widths_are_compared_by_the_kernel_that_was_asked_for(bandwidth):
    Xs, ys, Xt, _ = two_domains()
    options = {**NO_SIZES, "hidden_layer_sizes": (8, 4)}
    kernel = {"bandwidth": bandwidth, "adaptation_width": (3, 6)}
    ddc = DDC(adaptation_layer="auto", **kernel, **options).fit(Xs, ys, Xt)
    plain = DeepTransferClassifier(**options).fit(Xs, ys, Xt).net_.module_
    with torch.no_grad():
        features = [plain.features(torch.as_tensor(X, dtype=torch.float32)) for X in (Xs, Xt)]
    expected = [gaussian_mmd(a.numpy(), b.numpy(), bandwidth) for a, b in zip(*features)]
    np.testing.assert_allclose(ddc.layer_mmd_, expected, rtol=1e-3)
    place = ddc.adaptation_layer_
    for width, mmd in zip((3, 6), ddc.width_mmd_, strict=True):
        sizes = [*(8, 4)[:place], width, *(8, 4)[place:]]
        alone = DeepTransferClassifier(
            [MMD(bandwidth=bandwidth, layers=place)], **{**options, "hidden_layer_sizes": sizes}
        )
        network = alone.fit(Xs, ys, Xt).net_.module_
        with torch.no_grad():
            xs, xt = (
                network.features(torch.as_tensor(X, dtype=torch.float32))[place].numpy()
                for X in (Xs, Xt)
            )
        assert mmd == pytest.approx(gaussian_mmd(xs, xt, bandwidth), rel=1e-3)


def test_the_rows_that_are_compared_are_drawn_from_everywhere(monkeypatch):
    """As many target rows as are compared equal the source's; the others, at the end, are far."""
    monkeypatch.setattr("skdtl.mapping._adaptation_layer._COMPARED_ROWS", 40)
    Xs, ys, _, _ = two_domains(n_source=80)
    options = {**NO_SIZES, "hidden_layer_sizes": (8, 4), "kernel": "linear", "lr": 1e-30}

    def choose(Xt, random_state=0):
        ddc = DDC(0.0, adaptation_layer="auto", **{**options, "random_state": random_state})
        return ddc.fit(Xs, ys, Xt).layer_mmd_

    far = np.r_[Xs[:40], Xs[40:] + 10]
    assert (choose(far) > 5 * choose(Xs)).all()
    drawn = [choose(far) / choose(far[::-1]) for _ in "12"]
    np.testing.assert_array_equal(*drawn)  # the same rows for the same seed
    assert not np.allclose(drawn[0], 1)


def test_the_adaptation_layer_may_stand_among_the_hidden_layers():
    Xs, ys, Xt, _ = two_domains()
    options = {**NO_SIZES, "hidden_layer_sizes": (9, 7)}
    ddc = DDC(adaptation_width=4, adaptation_layer=1, **options).fit(Xs, ys, Xt)
    assert ddc.net_.module_.widths == [9, 4, 7]
    by_hand = DeepTransferClassifier(
        [MMD(layers=1)], **{**options, "hidden_layer_sizes": (9, 4, 7)}
    )
    assert same_weights(ddc, by_hand.fit(Xs, ys, Xt))
    with pytest.raises(ValueError, match="adaptation_layer is 3"):
        DDC(adaptation_layer=3, **options).fit(Xs, ys, Xt)


def test_with_a_module_the_adaptation_layer_comes_after_it():
    Xs, ys, Xt, _ = two_domains()
    module = nn.Sequential(nn.Linear(5, 9), nn.ReLU())
    ddc = DDC(module=module, adaptation_width=4, **NO_SIZES).fit(Xs, ys, Xt)
    assert ddc.net_.module_.widths == [9, 4]
    apart = DDC(0.0, module=module, adaptation_width=4, **NO_SIZES).fit(Xs, ys, Xt)
    assert not same_weights(ddc, apart)
    with pytest.raises(ValueError, match="must be 'last'"):
        DDC(module=module, adaptation_layer="auto", **NO_SIZES).fit(Xs, ys, Xt)


def test_without_a_target_it_is_a_plain_network():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        ddc = DDC(adaptation_width=[6, 3], adaptation_layer="auto", **SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**{**SMALL, "hidden_layer_sizes": (16, 6)}).fit(Xs, ys)
    assert same_weights(ddc, plain)


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_not_trusted(regression):
    cls = DDCRegressor if regression else DDC
    options = {"hidden_layer_sizes": (32,), "max_epochs": 40}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, regression=regression)
        for lam, scores in ((0.0, source_only), (1.0, adapted)):
            model = cls(lam, random_state=seed, **options).fit(Xs, ys, Xt)
            scores.append(model.score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.25
    if not regression:
        assert max(source_only) < 0.6 and min(adapted) > 0.7


def test_rotated_digits():
    Xs, ys, Xt, yt = rotated_digits(0)
    options = {"max_epochs": 25, "kernel": "rbf", "random_state": 0}
    plain = DDC(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
    assert DDC(1.0, **options).fit(Xs, ys, Xt).score(Xt, yt) > plain + 0.06
