from __future__ import annotations

import copy
import math
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from torch import nn

from skdtl import (
    DANN,
    DDC,
    TCA,
    DeepTransferClassifier,
    DeepTransferRegressor,
    FineTuning,
    NoTargetWarning,
    TargetKFold,
    split_domains,
    stack,
)
from skdtl.deep import MMD, LeNet, ResNet, SpectrumNet, inference
from skdtl.deep.heads import NumberHead
from skdtl.deep.network import Network, split_layers
from skdtl.deep.randomness import is_deterministic

from ..deep_common import SMALL, same_weights, weights
from ..shifts import two_domains

TINY = partial(LeNet, n_channels=(3, 4), kernel_size=3, n_features=10)
TINY_RES = partial(ResNet, n_channels=(4, 8))
QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0}


def images(n_source=40, n_target=30, shape=(1, 8, 8), seed=0):
    """Return Xs, ys, Xt, yt: images with a bright upper or lower half."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_source + n_target) % 2)
    X = rng.normal(size=(len(y), *shape))
    half = shape[-2] // 2
    X[y == 0, ..., :half, :] += 1.0
    X[y == 1, ..., half:, :] += 1.0
    X[n_source:] *= 0.7
    return X[:n_source], y[:n_source], X[n_source:], y[n_source:]


def dann(module=TINY, **options):
    return DANN(module=module, **{**QUICK, **options})


def test_features_of_a_layer_of_images_are_all_its_pixels():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(32, 5))
    x = torch.randn(4, 1, 8, 8)
    network = Network(split_layers(module), partial(NumberHead, out_features=1), x)
    assert network.widths == [3 * 6 * 6, 2 * 4 * 4, 5]
    first, second, _ = network.features(x)
    torch.testing.assert_close(first, module[0](x).reshape(4, -1))
    torch.testing.assert_close(second, module[1](module[0](x)).reshape(4, -1))


# -- the backbones by themselves -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 8, 8), (3, 8, 8), (8, 8), (1, 16, 16), (2, 5, 9)])
@pytest.mark.parametrize("cls", [LeNet, ResNet])
def test_images_of_any_size_become_features(cls, shape):
    x = torch.randn(3, *shape)
    module = cls(shape)
    assert module(x).shape == (3, 128 if cls is LeNet else 64)
    flat = cls(math.prod(shape), image_shape=shape)
    flat.load_state_dict(
        dict(zip(flat.state_dict(), module.state_dict().values(), strict=True))
    )  # the same network, whose parts are counted from another first one
    torch.testing.assert_close(flat.eval()(x.flatten(1)), module.eval()(x))


@pytest.mark.parametrize("shape", [7, 700, (3, 50), (1, 1)])
def test_sequences_of_any_length_become_features(shape):
    sample = (shape,) if isinstance(shape, int) else shape
    assert SpectrumNet(shape)(torch.randn(2, *sample)).shape == (2, 64)


def test_parameters_of_backbones():
    lenet = LeNet((2, 8, 8), n_channels=(3, 5, 7), kernel_size=3, n_features=11)
    convolutions = [part for part in lenet if isinstance(part, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [3, 5, 7]
    assert convolutions[0].weight.shape == (3, 2, 3, 3)
    assert lenet[-2].weight.shape == (11, 7)
    plain = ResNet((1, 8, 8), n_channels=(4, 6), n_blocks=3)
    assert sum(not isinstance(p, nn.Conv2d) and len(list(p.parameters())) > 2 for p in plain) == 6
    assert any(isinstance(m, nn.GroupNorm) for m in plain.modules())
    batch = ResNet((1, 8, 8), normalization="batch")
    assert any(isinstance(m, nn.BatchNorm2d) for m in batch.modules())
    assert not any(isinstance(m, nn.GroupNorm) for m in batch.modules())
    spectrum = SpectrumNet(100, n_channels=(3,), kernel_size=7, pool_size=5, n_features=9)
    assert spectrum[1].weight.shape == (3, 1, 7)
    assert spectrum[-2].weight.shape == (9, 60)


def test_a_residual_block_is_its_shortcut_plus_a_change():
    module = ResNet((1, 8, 8), n_channels=(4, 8)).double()
    first, second = (p for p in module if type(p).__name__ == "_Residual")
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(first(x), (x + first.change(x)).clamp(min=0))
    inside = first.change[1](first.change[0](x)).clamp(min=0)
    torch.testing.assert_close(first.change(x), first.change[4](first.change[3](inside)))
    assert second(x).shape == (2, 8, 4, 4)
    change, short = second.change(x), second.shortcut(x)
    torch.testing.assert_close(second(x), (change + short).clamp(min=0))
    for parameter in first.change.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(first(x), x.clamp(min=0))


def test_only_the_first_block_of_a_later_stage_halves_the_image():
    module = ResNet((1, 16, 16), n_channels=(4, 6, 6), n_blocks=3)
    x, sizes = torch.randn(2, 1, 16, 16), []
    for part in module:
        x = part(x)
        if type(part).__name__ == "_Residual":
            sizes.append(x.shape[2:])
            kept = isinstance(part.shortcut, nn.Identity)
            assert kept == (len(sizes) not in (4, 7)), len(sizes)
    assert sizes == [(16, 16)] * 3 + [(8, 8)] * 3 + [(4, 4)] * 3


def test_group_normalisation_sees_each_image_alone_and_batch_normalisation_does_not():
    x = torch.randn(6, 1, 8, 8)
    other = torch.cat([x[:3], 5 + 9 * x[3:]])
    group = ResNet((1, 8, 8), n_channels=(4,))
    torch.testing.assert_close(group(x)[:3], group(other)[:3])
    batch = ResNet((1, 8, 8), n_channels=(4,), normalization="batch")
    assert not torch.allclose(batch(x)[:3], batch(other)[:3], atol=0.1)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_layers_of_a_backbone_are_cut_at_their_weights(k):
    module, shape, n_layers = [
        (LeNet((1, 8, 8)), (1, 8, 8), 3),
        (ResNet((1, 8, 8), n_blocks=2), (1, 8, 8), 7),
        (SpectrumNet(30), (30,), 3),
    ][k]
    layers = split_layers(module)
    assert len(layers) == n_layers
    x = torch.randn(2, *shape)
    torch.testing.assert_close(nn.Sequential(*layers)(x), module(x))
    blocks = [m for m in module if type(m).__name__ == "_Residual"]
    if blocks:  # a block is a layer, with its pooling where it is the last
        assert [layer[0] for layer in layers[1:]] == blocks
    assert all(any(p.ndim > 1 for p in layer.parameters()) for layer in layers)


def test_a_network_that_draws_no_random_numbers_is_known():
    x = torch.ones(1, 64)
    fold = nn.Unflatten(1, (1, 8, 8))
    for module in (LeNet(64, image_shape=(8, 8)), SpectrumNet(64)):
        assert is_deterministic(Network(split_layers(module), NumberHead, x))
        dropping = nn.Sequential(*module, nn.Dropout(0.5))
        assert not is_deterministic(Network(split_layers(dropping), NumberHead, x))
    assert is_deterministic(Network([nn.Sequential(fold, nn.BatchNorm2d(1))], NumberHead, x))


def test_parts_of_a_backbone_are_a_plain_sequential():
    module = LeNet((1, 8, 8))
    part = module[:3]
    assert type(part) is nn.Sequential and part[0] is module[0] and len(part) == 3
    assert copy.deepcopy(module)(torch.ones(1, 1, 8, 8)).shape == (1, 128)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LeNet(64), r"LeNet needs images.*\(64,\).*functools.partial\(LeNet"),
        (lambda: ResNet((1, 2, 8, 8)), r"ResNet needs images.*\(1, 2, 8, 8\)"),
        (lambda: LeNet(64, image_shape=(1, 8, 9)), r"image_shape=\(1, 8, 9\), that is 72.*\(64,\)"),
        (lambda: SpectrumNet((1, 8, 8)), r"SpectrumNet needs sequences.*\(1, 8, 8\)"),
        (lambda: LeNet((8, 8), n_channels=()), r"n_channels of LeNet.*\(\)"),
        (lambda: LeNet((8, 8), n_features=0), "n_features of LeNet.*0"),
        (lambda: ResNet((8, 8), n_blocks=1.5), "n_blocks of ResNet.*1.5"),
        (lambda: ResNet((8, 8), normalization="none"), "normalization of ResNet.*'none'"),
        (lambda: SpectrumNet(9, pool_size=0), "pool_size of SpectrumNet.*0"),
    ],
)
def test_errors_of_backbones_name_both_facts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# -- arrays of more than two dimensions ------------------------------------------------------------


def outputs(estimator, X):
    names = ("predict", "predict_proba", "decision_function", "transform")
    return [getattr(estimator, name)(X) for name in names]


def test_images_are_the_rows_that_they_flatten_to():
    Xs, ys, Xt, _ = images()
    for module in (None, partial(TINY, image_shape=(1, 8, 8))):
        flat = dann(module).fit(Xs.reshape(40, 64), ys, Xt.reshape(30, 64))
        deep = dann(TINY if module else None).fit(Xs, ys, Xt)
        assert same_weights(flat, deep)
        assert deep.input_shape_ == (1, 8, 8) and deep.n_features_in_ == 64
        assert not hasattr(flat, "input_shape_")
        for a, b in zip(outputs(flat, Xt.reshape(30, 64)), outputs(deep, Xt), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (3, 8, 8), (2, 6)])
def test_the_two_forms_of_fit_agree_in_any_order_of_rows(shape):
    module = SpectrumNet if len(shape) == 2 and shape[0] == 2 else TINY
    Xs, ys, Xt, yt = images(shape=shape)
    estimator = dann(module).fit(Xs, ys, Xt)
    X, y, codes = stack(Xs, ys, Xt)
    assert X.shape == (70, *shape)
    stacked = dann(module).fit(X, y, sample_domain=codes)
    assert same_weights(estimator, stacked)
    order = np.argsort(np.arange(70) % 2, kind="stable")
    rng = np.random.default_rng(0)
    mixed = rng.permutation(70)
    mixed = np.concatenate([mixed[codes[mixed] > 0], mixed[codes[mixed] < 0]])[order]
    shuffled = dann(module)
    moved = shuffled.fit_transform(X[mixed], y[mixed], sample_domain=codes[mixed])
    np.testing.assert_allclose(moved, shuffled.transform(X[mixed]), rtol=1e-9)
    Zs, ws, Zt, wt = split_domains(X, y, codes)
    np.testing.assert_array_equal(Zs, Xs)
    np.testing.assert_array_equal(Zt, Xt)
    assert ws.tolist() == ys.tolist() and wt is None


def test_a_callable_is_given_the_shape_and_an_instance_the_images():
    seen = []

    class Looking(nn.Flatten):
        def forward(self, x):
            seen.append(tuple(x.shape[1:]))
            return super().forward(x)

    def make(shape):
        seen.append(shape)
        return Looking()

    Xs, ys, Xt, _ = images()
    dann(make).fit(Xs, ys, Xt).predict(Xt)
    assert set(seen) == {(1, 8, 8)}
    seen.clear()
    dann(Looking()).fit(Xs, ys, Xt).predict(Xt)
    assert set(seen) == {(1, 8, 8)}
    seen.clear()
    dann(make).fit(Xs.reshape(40, -1), ys, Xt.reshape(30, -1))
    assert seen[0] == 64 and set(seen[1:]) == {(64,)}


def test_the_pixels_keep_their_places():
    class Corner(nn.Module):
        def forward(self, x):
            return x[:, 1, 2, :1]

    Xs, ys, Xt, _ = images(shape=(2, 5, 4))
    estimator = dann(Corner()).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(estimator.transform(Xt), Xt[:, 1, 2, :1])
    moved = np.moveaxis(np.ascontiguousarray(np.moveaxis(Xt, 1, -1)), -1, 1)  # a strided view
    np.testing.assert_array_equal(estimator.transform(moved), Xt[:, 1, 2, :1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16, bool])
def test_types_of_numbers(dtype):
    Xs, ys, Xt, _ = images()
    Xs, Xt = ((10 * np.abs(X)).astype(dtype) for X in (Xs, Xt))
    before = Xs.copy()
    estimator = dann(lr=1e-3).fit(Xs, ys, Xt)
    same = dann(lr=1e-3).fit(Xs.astype(np.float64), ys, Xt.astype(np.float64))
    assert same_weights(estimator, same)
    for a, b in zip(outputs(estimator, Xt), outputs(same, Xt.astype(float)), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(Xs, before)
    rows = dann(None, lr=1e-3).fit(Xs.reshape(40, -1), ys, Xt.reshape(30, -1))
    assert same_weights(rows, dann(None, lr=1e-3).fit(Xs, ys, Xt))


def test_nested_lists_and_tensors_are_arrays():
    Xs, ys, Xt, _ = images()
    expected = dann().fit(Xs, ys, Xt)
    assert same_weights(expected, dann().fit(Xs.tolist(), ys.tolist(), list(Xt)))
    assert same_weights(expected, dann().fit(torch.tensor(Xs), ys, torch.tensor(Xt)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_memory_maps_of_images_are_not_copied(tmp_path, dtype):
    Xs, ys, Xt, _ = images()
    maps = []
    for name, X in (("s", Xs), ("t", Xt)):
        np.save(tmp_path / f"{name}.npy", (10 * np.abs(X)).astype(dtype))
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    source, target = dann()._check_domains(maps[0], ys, maps[1], None, None, False)
    for domain, mapped in ((source, maps[0]), (target, maps[1])):
        assert domain.X.shape == (len(mapped), 64)
        assert domain.X.dtype == dtype and np.shares_memory(domain.X, mapped)
    expected = dann().fit(np.array(maps[0]), ys, np.array(maps[1]))
    assert same_weights(dann().fit(maps[0], ys, maps[1]), expected)


def test_shapes_that_do_not_agree_are_an_error_that_names_both():
    Xs, ys, Xt, _ = images()
    for other, shape in (
        (Xt[:, :, :7], r"\(1, 7, 8\)"),
        (Xt[:, 0], r"\(8, 8\)"),
        (Xt.reshape(30, 64), r"\(64,\)"),
        (Xt.transpose(0, 2, 3, 1), r"\(8, 8, 1\)"),
    ):
        message = rf"has samples of shape {shape}, but Xs has samples of shape \(1, 8, 8\)"
        with pytest.raises(ValueError, match=f"^Xt {message}"):
            dann().fit(Xs, ys, other)
        estimator = dann().fit(Xs, ys, Xt)
        for method in ("predict", "predict_proba", "decision_function", "transform"):
            with pytest.raises(ValueError, match=f"^X {message}"):
                getattr(estimator, method)(other)
    with pytest.raises(ValueError, match=r"Xt has samples of shape \(1, 8, 8\), .* \(64,\)"):
        dann(None).fit(Xs.reshape(40, 64), ys, Xt)
    table = dann(None).fit(Xs.reshape(40, 64), ys, Xt.reshape(30, 64))
    with pytest.raises(ValueError, match=r"X has samples of shape \(1, 8, 8\), .* \(64,\)"):
        table.predict(Xt)
    with pytest.raises(ValueError, match=r"^Xt has samples of shape \(1, 8, 9\).*Xs.*\(1, 8, 8\)"):
        stack(Xs, ys, np.zeros((3, 1, 8, 9)))
    with pytest.raises(ValueError, match="LeNet needs images"):
        dann().fit(Xs.reshape(40, 64), ys, Xt.reshape(30, 64))


def test_illegal_images():
    Xs, ys, Xt, _ = images()
    for value, what in ((np.nan, "NaN"), (np.inf, "infinity")):
        bad = Xt.copy()
        bad[3, 0, 2, 1] = value
        with pytest.raises(ValueError, match=f"Xt contains {what}"):
            dann().fit(Xs, ys, bad)
    with pytest.raises(ValueError, match="0 sample"):
        dann().fit(Xs, ys, Xt[:0])
    with pytest.raises(ValueError, match="0 feature"):
        dann().fit(Xs[:, :, :, :0], ys, Xt[:, :, :, :0])
    estimator = dann()
    with pytest.raises(ValueError):
        estimator.fit(Xs, ys, Xt[:, :, 1:])
    assert not hasattr(estimator, "input_shape_")


def test_methods_that_are_not_deep_take_no_images():
    Xs, ys, Xt, _ = images()
    with pytest.raises(ValueError, match="dim 4"):
        TCA().fit(Xs, ys, Xt)


def test_refit_with_another_shape_forgets_the_first():
    Xs, ys, Xt, _ = images()
    estimator = dann().fit(Xs, ys, Xt)
    Zs, zs, Zt, _ = images(shape=(3, 6, 6))
    assert same_weights(estimator.fit(Zs, zs, Zt), dann().fit(Zs, zs, Zt))
    assert estimator.input_shape_ == (3, 6, 6) and estimator.n_features_in_ == 108
    estimator.set_params(module=None).fit(Xs.reshape(40, 64), ys, Xt.reshape(30, 64))
    assert not hasattr(estimator, "input_shape_")


@pytest.mark.parametrize("module", [TINY, TINY_RES, partial(TINY_RES, normalization="batch")])
def test_pickles_copies_seeds_and_single_rows(module):
    Xs, ys, Xt, _ = images()
    state = torch.random.get_rng_state()
    estimator = dann(module).fit(Xs, ys, Xt)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same_weights(estimator, dann(module).fit(Xs, ys, Xt))
    assert not same_weights(estimator, dann(module, random_state=1).fit(Xs, ys, Xt))
    expected = outputs(estimator, Xt)
    for other in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        for a, b in zip(outputs(other, Xt), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(outputs(estimator, Xt[7:8]), expected, strict=True):
        np.testing.assert_allclose(a, b[7:8], atol=1e-10)
    assert estimator.get_feature_names_out().shape == expected[-1].shape[1:]
    assert np.isfinite(outputs(dann(module).fit(Xs, ys, Xt[:1]), Xt)[1]).all()


def test_predictions_do_not_depend_on_what_is_predicted_together():
    Xs, ys, Xt, _ = images(shape=(1, 40, 40))
    estimator = dann().fit(Xs, ys, Xt)
    many = np.tile(Xt, (30, 1, 1, 1))  # more than 2**20 values go through at once
    np.testing.assert_allclose(
        estimator.predict_proba(many)[-30:], estimator.predict_proba(Xt), atol=1e-12
    )


def test_image_memory_in_prediction_is_bounded(monkeypatch):
    monkeypatch.setattr(inference, "_MOST_VALUES", 2**20)
    sizes = []

    class Counting(nn.Flatten):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    Xs, ys, Xt, _ = images(shape=(1, 80, 80))
    estimator = dann(Counting()).fit(Xs, ys, Xt)
    many = np.tile(Xt, (10, 1, 1, 1))
    sizes.clear()
    estimator.predict_proba(many)
    assert max(sizes) == 2**20 // 6400 and sum(sizes) == 300


def test_cross_validation_and_grid_search_take_images():
    Xs, ys, Xt, yt = images()
    X, y, codes = stack(Xs, ys, Xt, yt)
    params = {"sample_domain": codes}
    scores = cross_validate(
        dann(), X, y, groups=codes, cv=TargetKFold(2), params=params, error_score="raise"
    )
    assert len(scores["test_score"]) == 2
    modules = [TINY, partial(TINY, kernel_size=5)]
    search = GridSearchCV(dann(), {"module": modules}, cv=TargetKFold(2), error_score="raise")
    search.fit(X, y, groups=codes, sample_domain=codes)
    assert search.predict(Xt).shape == (30,) and search.best_params_["module"] in modules
    assert 0 <= search.score(Xt, yt) <= 1


def test_without_a_target_or_a_source():
    Xs, ys, Xt, yt = images()
    with pytest.warns(NoTargetWarning):
        assert dann().fit(Xs, ys).input_shape_ == (1, 8, 8)
    pretrained = TINY((1, 8, 8))
    tuned = FineTuning(module=pretrained, **QUICK).fit(None, None, Xt, yt)
    assert tuned.predict(Xt).shape == (30,)


def test_regression_on_sequences():
    Xs, _, Xt, _ = images(shape=(2, 12))
    ys = 100 + 5 * Xs[:, 0].mean(axis=1)
    model = DeepTransferRegressor([MMD(0.1)], module=SpectrumNet, max_epochs=60, random_state=0)
    assert model.fit(Xs, ys, Xt).score(Xt, 100 + 5 * Xt[:, 0].mean(axis=1)) > 0.7


# -- training --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [LeNet, ResNet, SpectrumNet])
def test_the_task_and_the_alignment_reach_every_layer(cls):
    shape = (1, 64) if cls is SpectrumNet else (1, 8, 8)
    Xs, ys, Xt, _ = images(shape=(1, 8, 8))
    Xs, Xt = Xs.reshape(40, *shape), Xt.reshape(30, *shape)
    options = {"module": cls, "max_epochs": 1, "random_state": 0, "optimizer": "sgd", "lr": 0.05}
    start = DeepTransferClassifier([MMD()], **{**options, "lr": 1e-30}).fit(Xs, ys, Xt)
    task = DeepTransferClassifier([MMD()], lam=0.0, **options).fit(Xs, ys, Xt)
    both = DeepTransferClassifier([MMD()], lam=1.0, **options).fit(Xs, ys, Xt)
    for a, b, c in zip(weights(start), weights(task), weights(both), strict=True):
        assert not np.array_equal(a, b)
        # The alignment moves nothing of the head, which comes last.
        assert not np.array_equal(b, c) or a.shape[0] == 2


def test_without_lambda_group_normalised_networks_are_the_source_only_ones():
    Xs, ys, Xt, _ = images()
    options = {"module": TINY_RES, **QUICK}
    alone = DeepTransferClassifier(**options).fit(Xs, ys, Xt)
    aside = DeepTransferClassifier([MMD()], lam=0.0, **options).fit(Xs, ys, Xt)
    for a, b in zip(weights(alone), weights(aside), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_frozen_layers_of_a_pretrained_backbone_stay():
    Xs, ys, Xt, yt = images()
    for module in (TINY_RES((1, 8, 8)), partial(TINY_RES, normalization="batch")):
        tuned = FineTuning(2, module=module, backbone_lr_factor=1.0, **QUICK)
        if isinstance(module, nn.Module):
            tuned.fit(None, None, Xt, yt)
            before = split_layers(module)
        else:
            tuned.fit(Xs, ys, Xt, yt)
            before = FineTuning(2, module=module, **{**QUICK, "lr": 1e-30})
            before.set_params(lr=1e-3, max_epochs=1, pretrain_epochs=2)
            before = before.fit(Xs, ys, Xt, yt).net_.module_.layers
        after = tuned.net_.module_.layers
        assert len(after) == 3
        for k in range(3):
            pairs = zip(before[k].state_dict().values(), after[k].state_dict().values())
            assert all(torch.equal(a, b) for a, b in pairs) == (k < 2)


def test_ddc_puts_its_layer_behind_images():
    class Same(nn.Conv2d):
        pass

    Xs, ys, Xt, _ = images()
    module = Same(1, 2, 3, padding=1)  # ends in images, not in rows
    model = DDC(module=module, adaptation_width=7, **QUICK).fit(Xs, ys, Xt)
    assert model.transform(Xt).shape == (30, 7)


def shifted_digits(seed, n=400):
    """Return digits as 12 x 12 images, and others that lie two pixels further right."""
    X, y = load_digits(return_X_y=True)
    rows = np.random.RandomState(seed).permutation(len(X))[: 2 * n]
    big = np.pad(X[rows].reshape(-1, 1, 8, 8) / 8 - 1, ((0, 0), (0, 0), (2, 2), (2, 2)), "minimum")
    moved = shift(big[n:], (0, 0, 0, 2), order=0, mode="nearest")
    return big[:n], y[rows[:n]], moved, y[rows[n:]]


def test_convolutions_cope_with_digits_that_have_moved():
    gains, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_digits(seed)
        options = {"max_epochs": 25, "batch_size": 64, "random_state": seed, "lr": 2e-3}
        scores = [
            model.fit(Xs, ys, Xt).score(Xt, yt)
            for model in (
                DeepTransferClassifier(**options),
                DeepTransferClassifier(module=LeNet, **options),
                DeepTransferClassifier([MMD()], "ramp", module=LeNet, **options),
            )
        ]
        gains.append(scores[1] - scores[0])
        adapted.append(scores[2] - scores[1])
    assert np.mean(gains) > 0.1
    assert np.mean(adapted) > 0.05


def test_spectra_as_plain_tables():
    Xs, ys, Xt, yt = two_domains()
    model = DeepTransferClassifier(module=SpectrumNet, **{**SMALL, "max_epochs": 20})
    model.fit(Xs, ys, Xt)
    assert model.n_features_in_ == 5 and not hasattr(model, "input_shape_")
    assert model.score(Xt, yt) > 0.7


def test_a_warm_start_needs_samples_of_the_same_shape():
    Xs, ys, Xt, _ = images()
    flat = [X.reshape(len(X), -1) for X in (Xs, Xt)]
    for first, then in (((Xs, Xt), flat), (flat, (Xs, Xt))):
        estimator = dann(None, warm_start=True).fit(first[0], ys, first[1])
        with pytest.raises(ValueError, match="samples had the shape"):
            estimator.fit(then[0], ys, then[1])
        assert estimator.predict(first[1]).shape == (len(Xt),)
