from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, FeatureTransfer, FeatureTransferRegressor

from ..deep_common import SMALL, same_weights
from ..shifts import two_domains

TWO = {**SMALL, "hidden_layer_sizes": (8, 6)}


@pytest.mark.parametrize("sizes", [(), (7,), (7, 5)])
def test_what_was_learnt_stays_and_new_layers_follow(sizes):
    Xs, ys, Xt, yt = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        start = DeepTransferClassifier(**TWO).fit(Xs, ys).net_.module_
    model = FeatureTransfer(sizes, **TWO).fit(Xs, ys, Xt, yt)
    network = model.net_.module_
    assert network.widths == [8, 6, *sizes] and network.head.in_features == [6, *sizes][-1]
    for a, b in zip(start.layers.parameters(), network.layers.parameters()):
        assert torch.equal(a, b) and not b.requires_grad
    for layer in network.layers[2:]:
        assert all(p.requires_grad for p in layer.parameters()) and isinstance(layer[1], nn.ReLU)
    # The old output layer is gone, though the classes are the same, and the new ones have learnt.
    torch.testing.assert_close(network.source_head.weight, start.head.weight)
    assert len(model.history_) == 4 and model.history_[0, "task_loss"] > 0.5
    unlearnt = FeatureTransfer(sizes, **{**TWO, "lr": 1e-30}).fit(Xs, ys, Xt, yt).net_.module_
    for a, b in zip(
        [*network.layers[2:].parameters(), *network.head.parameters()],
        [*unlearnt.layers[2:].parameters(), *unlearnt.head.parameters()],
    ):
        assert not torch.equal(a, b)


def test_with_tanh_the_new_layers_have_it_too():
    Xs, ys, Xt, yt = two_domains()
    model = FeatureTransfer((4,), activation="tanh", **TWO).fit(Xs, ys, Xt, yt)
    assert isinstance(model.net_.module_.layers[2][1], nn.Tanh)
    assert model.transform(Xt).shape == (60, 4)


def test_frozen_layers_keep_their_statistics_and_have_no_dropout():
    _, _, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
    model = FeatureTransfer(module=module, **TWO).fit(None, None, Xt + 10, yt)
    layers = model.net_.module_.train().layers
    assert torch.equal(layers[0][1].running_mean, module[1].running_mean)
    assert not layers[0][3].training and layers[1].training
    assert model.net_.module_.source_head is not None
    with pytest.raises(ValueError, match="nothing to tune"):
        FeatureTransfer(**TWO).fit(None, None, Xt, yt)


def test_classes_of_the_targets_own():
    Xs, ys, Xt, yt = two_domains()
    names = np.array(["low", "middle", "high"])[yt + (np.arange(len(yt)) % 3 == 0)]
    model = FeatureTransfer(**TWO).fit(Xs, ys, Xt, names)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.source_classes_.tolist() == [0, 1]
    assert model.net_.module_.source_head.out_features == 2
    assert model.predict_proba(Xt).shape == (60, 3) and set(model.predict(Xt)) <= set(names)


def test_a_warm_start_goes_on_with_the_new_layers():
    Xs, ys, Xt, yt = two_domains()
    options = {**TWO, "lr": 1e-30, "warm_start": True}
    for other in (0, 5):
        model = FeatureTransfer(**options).fit(Xs, ys, Xt, yt + other)
        with torch.no_grad():
            model.net_.module_.layers[2][0].weight[0].fill_(7.0)
            model.net_.module_.layers[0][0].weight[0].fill_(3.0)
            model.net_.module_.head.weight[0].fill_(5.0)
        network = model.fit(Xs, ys, Xt, yt + other).net_.module_
        assert (network.layers[2][0].weight[0] == 7).all()
        assert (network.layers[0][0].weight[0] == 3).all()  # where the source's training went on
        assert (network.head.weight[0] == 5).all()
        assert not (network.source_head.weight == 5).any()


def test_what_a_warm_start_learns_of_the_source_is_not_undone():
    Xs, ys, Xt, yt = two_domains()
    model = FeatureTransfer(warm_start=True, **TWO).fit(Xs, ys, Xt, yt)
    before = model.net_.module_.layers[0][0].weight.clone()
    assert not torch.equal(model.fit(Xs, ys, Xt, yt).net_.module_.layers[0][0].weight, before)


def test_a_warm_start_after_a_fit_without_a_target_has_new_layers():
    Xs, ys, Xt, yt = two_domains()
    options = {**TWO, "lr": 1e-30, "warm_start": True}
    with pytest.warns(UserWarning, match="without a target"):
        model = FeatureTransfer((), **options).fit(Xs, ys)
    with torch.no_grad():
        model.net_.module_.head.weight.fill_(5.0)
    network = model.fit(Xs, ys, Xt, yt).net_.module_
    assert (network.source_head.weight == 5).all() and not (network.head.weight == 5).any()


def test_without_a_target_it_is_the_pretrained_network(tmp_path):
    Xs, ys, Xt, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        model = FeatureTransfer(**TWO).fit(Xs, ys)
        start = DeepTransferClassifier(**TWO).fit(Xs, ys)
    assert same_weights(model, start) and model.n_stages_ == 1
    model.save_weights(tmp_path / "w.safetensors")
    again = FeatureTransfer(**TWO).load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(again.predict_proba(Xt), model.predict_proba(Xt))


def test_other_widths_do_not_fit_a_file(tmp_path):
    Xs, ys, Xt, yt = two_domains()
    model = FeatureTransfer((7,), **TWO).fit(Xs, ys, Xt, yt)
    model.save_weights(tmp_path / "w.safetensors")
    again = FeatureTransfer((7,), **TWO).load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(again.predict_proba(Xt), model.predict_proba(Xt))
    with pytest.raises(ValueError, match="adaptation_layer_sizes"):
        FeatureTransfer((6,), **TWO).load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("regression", [False, True])
def test_a_few_labels_beat_training_from_scratch(regression):
    """Labels hang on two products of columns, which take many rows to be found; not in one way."""
    cls = FeatureTransferRegressor if regression else FeatureTransfer
    options = {"hidden_layer_sizes": (64, 32), "lr": 0.005, "batch_size": 64}
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Xs, Xt, X_test = (rng.normal(size=(n, 6)) for n in (1500, 24, 600))
        products = [(X[:, 0] * X[:, 1], X[:, 2] * X[:, 3]) for X in (Xs, Xt, X_test)]
        # Four classes of the source; of the target, whether the products' sum is large.
        ys = (products[0][0] > 0) + 2 * (products[0][1] > 0)
        yt, y_test = (a + b > 0.5 for a, b in products[1:])
        if regression:
            ys = products[0][0] + 2 * products[0][1]
            yt, y_test = (np.tanh(a + 2 * b) for a, b in products[1:])
        model = cls(random_state=seed, max_epochs=100, **options).fit(Xs, ys, Xt, yt)
        with pytest.warns(UserWarning, match="without a target"):
            scratch = cls(random_state=seed, **options).fit(Xt, yt)
        gains.append(model.score(X_test, y_test) - scratch.score(X_test, y_test))
    assert np.mean(gains) > (0.3 if regression else 0.1) and np.min(gains) > 0
