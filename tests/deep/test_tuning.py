"""Which layers stay in tuning, how fast the others learn, and where their weights come from."""

from __future__ import annotations

import copy
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from skdtl import FineTuning, FineTuningRegressor
from skdtl.deep import (
    L2SP,
    ClassHead,
    LeNet,
    Network,
    SlantedTriangle,
    copy_layers,
    cut_layers,
    digits_lenet,
    load_pretrained,
)
from skdtl.deep.pretrained import DIGITS_LENET, DIGITS_LENET_FILE
from skdtl.deep.tuning import estimate_statistics, layer_rates, matching_weights

from ..deep_common import SMALL, same_weights
from ..shifts import two_domains

TWO = {**SMALL, "hidden_layer_sizes": (8, 6), "lr": 0.01}


def named_module():
    torch.manual_seed(0)
    parts = OrderedDict(
        first=nn.Linear(5, 8), norm=nn.BatchNorm1d(8), act=nn.ReLU(), second=nn.Linear(8, 6)
    )
    return nn.Sequential(parts)


# -- weights by name -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "patterns, expected",
    [
        ("first.*", {"first.weight", "first.bias"}),
        (["*.bias", "second.weight"], {"first.bias", "norm.bias", "second.bias", "second.weight"}),
        ("layers.1.*", {"second.weight", "second.bias"}),
        ((), set()),
    ],
)
@pytest.mark.parametrize("with_source", [False, True])
def test_weights_are_frozen_by_name(patterns, expected, with_source):
    Xs, ys, Xt, yt = two_domains()
    module = named_module()
    source = (Xs, ys) if with_source else (None, None)
    options = {**TWO, "module": module, "pretrain_epochs": 3}
    start = FineTuning(backbone_lr_factor=0.0, batch_norm_statistics="keep", **options)
    start = start.fit(*source, Xt, yt).net_.module_.layers
    tuned = FineTuning(frozen_weights=patterns, **options).fit(*source, Xt, yt)
    still = {
        name.partition(".")[2]
        for (name, a), b in zip(start.named_parameters(), tuned.net_.module_.layers.parameters())
        if torch.equal(a, b)
    }
    assert still == expected
    if with_source:  # what is frozen in tuning has learnt the source
        trained = dict(start.named_parameters())["0.first.weight"]
        assert not torch.equal(trained, module.first.weight)


def test_names_in_modules_that_are_folded_or_no_sequence():
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    y = np.arange(20) % 2
    for module, pattern, n in ((LeNet, "*.weight", 3), (named_images(), "conv.*", 2)):
        options = {**SMALL, "module": module}
        model = FineTuning(frozen_weights=pattern, **options).fit(images, y, images, y)
        network = model.net_.module_
        assert len(matching_weights(network, "frozen_weights", pattern)) == n
        assert sum(not p.requires_grad for p in network.layers.parameters()) == n


def named_images():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.out = nn.Linear(72, 4)

        def forward(self, x):
            return self.out(self.conv(x).flatten(1))

    return Own()


def test_a_name_that_there_is_not_is_an_error_before_any_training():
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(frozen_weights=["*.bias", "conv9.*"], **TWO)
    with pytest.raises(ValueError, match=r"frozen_weights names 'conv9.\*', but no weight"):
        model.fit(Xs, ys, Xt, yt)
    assert not hasattr(model, "net_")


def test_a_frozen_part_of_a_layer_keeps_its_statistics():
    _, _, Xt, yt = two_domains()
    module = named_module()
    tuned = FineTuning(module=module, frozen_weights="norm.*", **TWO).fit(None, None, Xt + 9, yt)
    layers = tuned.net_.module_.layers
    assert torch.equal(layers[0].norm.running_mean, module.norm.running_mean)
    assert not torch.equal(layers[0].first.weight, module.first.weight)
    layers.train()
    tuned.net_.module_.train()
    assert not layers[0].norm.training and layers[0].first.training


def test_layers_keep_the_names_of_their_module_and_are_copied_in_their_order():
    layers = cut_layers(named_module(), 2)
    assert [name for name, _ in layers.named_parameters()][:1] == ["0.first.weight"]
    other = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
    both = copy_layers(named_module(), other, 1)
    assert torch.equal(both[0][0].weight, named_module().first.weight)
    assert torch.equal(both[1][0].weight, other[3].weight)


# -- learning rates ------------------------------------------------------------------------------


def rates_of(model) -> list[float]:
    groups = model.net_.optimizer_.param_groups
    of = {id(p): group["lr"] for group in groups for p in group["params"]}
    network = model.net_.module_
    return [of[id(next(part.parameters()))] for part in (*network.layers, network.head)]


def test_rates_of_layers():
    Xs, ys, Xt, yt = two_domains()
    options = {**SMALL, "hidden_layer_sizes": (4, 5, 6), "lr": 0.02}
    for settings, expected in (
        ({"backbone_lr_factor": 0.5}, [0.01, 0.01, 0.01]),
        ({"backbone_lr_factor": (0.0, 0.5, 1.0)}, [0.0, 0.01, 0.02]),
        (
            {"backbone_lr_factor": 1 / 2.6, "layer_lr_decay": 2.6},
            [0.02 / 2.6**3, 0.02 / 2.6**2, 0.02 / 2.6],
        ),
        ({"backbone_lr_factor": (1, 1, 0.5), "layer_lr_decay": 2}, [0.005, 0.01, 0.01]),
    ):
        model = FineTuning(**settings, **options).fit(Xs, ys, Xt, yt)
        np.testing.assert_allclose(rates_of(model), [*expected, 0.02], rtol=1e-12)


def test_the_rate_of_hidden_layers_hangs_on_whether_the_classes_are_others():
    Xs, ys, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
    for cls, source, labels, factor in (
        (FineTuning, (Xs, ys), yt, 0.1),
        (FineTuning, (Xs, ys), yt + 5, 1.0),
        (FineTuning, (None, None), yt, 0.1),
        (FineTuningRegressor, (Xs, Xs[:, 0]), Xt[:, 0], 0.1),
    ):
        model = cls(module=module, **SMALL).fit(*source, Xt, labels)
        np.testing.assert_allclose(rates_of(model), [1e-3 * factor, 1e-3], rtol=1e-12)


def test_as_many_factors_as_layers():
    Xs, ys, Xt, yt = two_domains()
    with pytest.raises(ValueError, match="3 factors of the learning rate, but the network has 2"):
        FineTuning(backbone_lr_factor=[1, 1, 1], **TWO).fit(Xs, ys, Xt, yt)
    network = Network([nn.Linear(3, 2)], partial(ClassHead, out_features=2), torch.zeros(1, 3))
    setting = layer_rates(network, 0.3)
    assert setting == {"optimizer__param_groups": [("layers.0.*", {"lr": 0.3})]}


def test_the_slanted_triangle_is_ulmfits():
    T, cut_frac, ratio = 200, 0.1, 32
    cut = T * cut_frac  # equation 3 of the paper, with iterations t of T
    triangle = SlantedTriangle()
    for t in range(T + 1):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
        assert triangle(t / T) == pytest.approx((1 + p * (ratio - 1)) / ratio)
    assert repr(SlantedTriangle(0.2, 10)) == "SlantedTriangle(cut=0.2, ratio=10)"
    for options, message in (({"cut": 1}, "cut"), ({"cut": 0}, "cut"), ({"ratio": 0.5}, "ratio")):
        with pytest.raises(ValueError, match=f"The {message} of SlantedTriangle"):
            SlantedTriangle(**options)
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(lr_schedule=triangle, **TWO).fit(Xs, ys, Xt, yt)
    steps = model.net_.clock_.n_steps
    np.testing.assert_allclose(rates_of(model)[-1], 0.01 * triangle((steps - 1) / steps))


# -- the pull to what was learnt -------------------------------------------------------------------


def test_few_labels_are_drawn_to_what_was_learnt_the_more_the_fewer_they_are():
    Xs, ys, Xt, yt = two_domains()
    few = np.where(np.arange(60) < 12, yt, np.nan)
    for cls, labels, of_source in (
        (FineTuning, few, ys),
        (FineTuningRegressor, np.where(np.isnan(few), np.nan, Xt[:, 0]), Xs[:, 0]),
    ):
        model = cls(**TWO).fit(Xs, of_source, Xt, labels)
        assert model.pull_ == 3 / 12
        same = cls(terms=[L2SP(3 / 12)], **TWO).fit(Xs, of_source, Xt, labels)
        assert same_weights(model, same) and same.pull_ == 0
        assert not same_weights(model, cls(terms=(), **TWO).fit(Xs, of_source, Xt, labels))
    held_out = FineTuning(validation_fraction=0.25, **TWO).fit(Xs, ys, Xt, few)
    assert held_out.pull_ == 3 / 9  # of the rows that it learns from


def test_a_new_head_is_not_drawn_anywhere():
    Xs, ys, Xt, yt = two_domains()
    module = named_module()
    for source, labels in (((Xs, ys), yt + 5), ((None, None), yt)):
        model = FineTuning(module=module, **TWO).fit(*source, Xt, labels)
        assert model.pull_ == 0
        assert same_weights(
            model, FineTuning(module=module, terms=(), **TWO).fit(*source, Xt, labels)
        )


def test_the_pull_is_saved(tmp_path):
    Xs, ys, Xt, yt = two_domains()
    for target in ((Xt, yt), (Xt, yt + 5)):
        model = FineTuning(**TWO).fit(Xs, ys, *target)
        model.save_weights(tmp_path / "w.safetensors")
        again = FineTuning(**TWO).load_weights(tmp_path / "w.safetensors")
        assert again.pull_ == model.pull_
        np.testing.assert_array_equal(again.predict_proba(Xt), model.predict_proba(Xt))


def test_a_source_is_not_forgotten_where_nothing_has_moved():
    """Ten classes, two labelled rows of each: what 900 rows have taught is worth more."""
    X, y = load_digits(return_X_y=True)
    gains = []
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(len(y))
        source, target = rows[:900], rows[900:]
        few = np.concatenate([target[y[target] == digit][:2] for digit in range(10)])
        data = X[source] / 16, y[source], X[few] / 16, y[few]
        rest = np.setdiff1d(target, few)
        scores = {}
        for name, terms in (("auto", "auto"), ("none", ())):
            model = FineTuning(terms=terms, random_state=seed).fit(*data)
            scores[name] = model.score(X[rest] / 16, y[rest])
        with pytest.warns(UserWarning, match="without a target"):
            alone = FineTuning(random_state=seed).fit(*data[:2])
        gains.append([score - alone.score(X[rest] / 16, y[rest]) for score in scores.values()])
    auto, none = np.mean(gains, axis=0)
    assert auto > -0.02 and none < -0.08


# -- batch normalisation -------------------------------------------------------------------------


def test_statistics_are_kept_or_the_targets():
    Xs, ys, Xt, yt = two_domains()
    module = named_module()
    labels = np.where(np.arange(len(yt)) % 2, yt, np.nan)
    options = {**TWO, "module": module, "n_frozen_layers": 0, "backbone_lr_factor": 0.0}
    for source in ((None, None), (Xs, ys)):
        kept = FineTuning(batch_norm_statistics="keep", pretrain_epochs=1, **options)
        norm = kept.fit(*source, Xt + 3, labels).net_.module_.layers[0].norm
        moved = FineTuning(batch_norm_statistics="update", pretrain_epochs=1, **options)
        moved = moved.fit(*source, Xt + 3, labels).net_.module_.layers[0].norm
        assert not torch.allclose(norm.running_mean, moved.running_mean)
        if source[0] is None:
            assert torch.equal(norm.running_mean, module.norm.running_mean)
        own = FineTuning(batch_norm_statistics="target", pretrain_epochs=1, **options)
        layer = own.fit(*source, Xt + 3, labels).net_.module_.layers[0]
        with torch.no_grad():  # of all rows, those without a label too
            first = layer.first(torch.as_tensor(Xt + 3, dtype=torch.float32))
        torch.testing.assert_close(layer.norm.running_mean, first.mean(0))
        torch.testing.assert_close(layer.norm.running_var, first.var(0))
        assert layer.norm.momentum == 0.1
    one = FineTuningRegressor(batch_norm_statistics="target", **{**TWO, "module": module})
    with pytest.raises(ValueError, match="at least 2 target rows; got 1"):
        one.fit(None, None, Xt[:1], yt[:1])


def test_statistics_of_many_rows_are_the_mean_over_equal_batches():
    module = nn.Sequential(nn.BatchNorm1d(3))
    network = Network([module], partial(ClassHead, out_features=2), torch.zeros(2, 3))
    X = np.random.default_rng(0).normal(2, 3, size=(2049, 3))
    estimate_statistics(network, X)
    torch.testing.assert_close(
        module[0].running_mean, torch.as_tensor(X.mean(0), dtype=torch.float32), rtol=1e-4, atol=0
    )
    parts = [X[:683].var(0, ddof=1), X[683:1366].var(0, ddof=1), X[1366:].var(0, ddof=1)]
    expected = torch.as_tensor(np.mean(parts, axis=0), dtype=torch.float32)
    torch.testing.assert_close(module[0].running_var, expected, rtol=1e-4, atol=0)
    assert network.layers[0][0].training


def test_kept_statistics_normalise_in_training_too():
    _, _, Xt, yt = two_domains()
    module = named_module()
    with torch.no_grad():
        module.norm.running_mean.fill_(0.5)
    model = FineTuning(module=module, batch_norm_statistics="keep", **TWO)
    network = model.fit(None, None, Xt, yt).net_.module_.train()
    assert not network.layers[0].norm.training and network.layers[0].norm.weight.requires_grad
    assert (network.layers[0].norm.running_mean == 0.5).all()
    assert not torch.equal(network.layers[0].norm.weight, module.norm.weight)


# -- features of any layer -----------------------------------------------------------------------


def test_transform_gives_any_layer():
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(**TWO).fit(Xs, ys, Xt, yt)
    network = copy.deepcopy(model.net_.module_).double().eval()
    with torch.no_grad():
        features = network.features(torch.as_tensor(Xt))
    for layer, width in ((0, 8), (1, 6), (-1, 6), (-2, 8)):
        Z = model.set_params(transform_layer=layer).transform(Xt)
        np.testing.assert_allclose(Z, features[layer].numpy(), rtol=1e-12)
        assert len(model.get_feature_names_out()) == width
    with pytest.raises(ValueError, match="transform_layer is 2, but the network has 2 hidden"):
        model.set_params(transform_layer=2).transform(Xt)


# -- weights from files --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_come_from_files(tmp_path, suffix):
    safetensors = pytest.importorskip("safetensors.torch")
    trained, path = named_module(), str(tmp_path / f"weights.{suffix}")
    (safetensors.save_file if suffix == "safetensors" else torch.save)(trained.state_dict(), path)
    torch.manual_seed(1)
    own = nn.Sequential(OrderedDict(first=nn.Linear(5, 8), norm=nn.BatchNorm1d(8)))
    assert load_pretrained(own, path) is own  # the file's last layer is left out
    for name, value in own.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])
    _, _, Xt, yt = two_domains()
    tuned = FineTuning(1, module=own, **TWO).fit(None, None, Xt, yt)
    assert torch.equal(tuned.net_.module_.layers[0].first.weight, trained.first.weight)

    more = nn.Sequential(OrderedDict(first=nn.Linear(5, 8), third=nn.Linear(8, 2)))
    before = copy.deepcopy(more.state_dict())
    with pytest.raises(ValueError, match=r"lacks 2 of the 4 weights .* first 'third.weight'"):
        load_pretrained(more, path)
    assert all(torch.equal(value, before[name]) for name, value in more.state_dict().items())
    load_pretrained(more, path, skip_missing=True)
    assert torch.equal(more.first.weight, trained.first.weight)
    assert torch.equal(more.third.weight, before["third.weight"])
    with pytest.raises(ValueError, match="lacks 2 of the 2"):  # nothing at all is in common
        load_pretrained(nn.Sequential(nn.Linear(2, 2)), path, skip_missing=True)
    wide = nn.Sequential(OrderedDict(first=nn.Linear(6, 8)))
    with pytest.raises(ValueError, match=r"'first.weight' has the shape \[8, 6\] .* \[8, 5\]"):
        load_pretrained(wide, path)


class WritesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_files_that_are_none(tmp_path):
    module = named_module()
    with pytest.raises(FileNotFoundError):
        load_pretrained(module, tmp_path / "nowhere.pt")
    for name in ("text.pt", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        with pytest.raises(ValueError, match="is damaged, or no file of a module's state_dict"):
            load_pretrained(module, tmp_path / name)
    torch.save(module, tmp_path / "pickled.pt")  # a whole module, which only code could read
    with pytest.raises(ValueError, match="is damaged, or no file"):
        load_pretrained(module, tmp_path / "pickled.pt")
    torch.save({"first.weight": WritesAFile(str(tmp_path / "written"))}, tmp_path / "code.pt")
    with pytest.raises(ValueError, match="is damaged, or no file"):
        load_pretrained(module, tmp_path / "code.pt")
    assert not (tmp_path / "written").exists()  # no code was run
    torch.save({"first.weight": [1.0]}, tmp_path / "lists.pt")
    with pytest.raises(ValueError, match="its values are no tensors"):
        load_pretrained(module, tmp_path / "lists.pt")
    broken = module.state_dict()
    broken["first.bias"] = torch.full((8,), torch.nan)
    torch.save(broken, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match=r"NaN or infinity in 'first\.bias'"):
        load_pretrained(module, tmp_path / "nan.pt")


# -- the source's head ---------------------------------------------------------------------------


def test_a_warm_start_goes_on_with_the_sources_head():
    Xs, ys, Xt, yt = two_domains()
    model = FineTuning(warm_start=True, **TWO).fit(Xs, ys, Xt, yt + 5)
    kept = model.net_.module_.source_head.weight.clone()
    assert not model.net_.module_.source_head.weight.requires_grad
    assert not torch.equal(kept, model.net_.module_.head.weight)
    first = model.pretrain_history_[-1, "task_loss"]
    assert model.fit(Xs, ys, Xt, yt + 5).pretrain_history_[0, "task_loss"] < 1.5 * first
    assert not torch.equal(model.net_.module_.source_head.weight, kept)  # it went on learning


def test_the_packages_own_network_reads_digits_and_helps_with_others():
    pytest.importorskip("safetensors")
    X, y = load_digits(return_X_y=True)
    module = digits_lenet()
    assert DIGITS_LENET_FILE.stat().st_size < 200_000
    assert module is not digits_lenet() and module.training
    rng = np.random.default_rng(0)
    known = np.concatenate(
        [rng.choice(np.flatnonzero(y == k), 3, replace=False) for k in range(10)]
    )
    scores = {}
    for name, start in (("learnt", module), ("new", partial(LeNet, **DIGITS_LENET))):
        model = FineTuning(3, module=start, max_epochs=200, random_state=0)
        scores[name] = model.fit(None, None, X[known] / 16, y[known]).score(X / 16, y)
    assert scores["learnt"] > 0.95 > scores["new"] + 0.2
