"""Layers that are cut off, copied and drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import ADDA, DeepTransferClassifier, DeepTransferRegressor, FineTuning
from skdtl.deep import MMD, LeNet, copy_layers, cut_layers, reinitialize_layers
from skdtl.deep.network import split_layers

from ..deep_common import SMALL
from ..shifts import two_domains

DEEP = {**SMALL, "hidden_layer_sizes": (8, 7, 6)}


def fitted(cls=DeepTransferClassifier, seed=0, **options):
    Xs, ys, Xt, _ = two_domains()
    return cls(**{**DEEP, "random_state": seed, **options}).fit(Xs, ys, Xt)


def state(module) -> list[torch.Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def alike(first, second) -> list[bool]:
    """Tell of each layer whether all its weights agree."""
    return [
        all(torch.equal(a, b) for a, b in zip(state(one), state(two), strict=True))
        for one, two in zip(first, second, strict=True)
    ]


def rows(n=9):
    return torch.as_tensor(two_domains()[0][:n], dtype=torch.float32)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("freeze", [False, True])
def test_layers_that_are_cut_off_compute_what_they_did(n_layers, freeze):
    model = fitted()
    network = model.net_.module_
    network.layers[0].requires_grad_(False)
    for whole in (model, network):
        layers = cut_layers(whole, n_layers, freeze=freeze)
        assert len(layers) == n_layers
        expected = network.eval().features(rows())[n_layers - 1]
        assert torch.equal(layers.eval()(rows()), expected)
        assert all(p.requires_grad is not freeze for p in layers.parameters())
    before = state(network)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, state(network), strict=True))


def test_of_two_encoders_it_is_the_targets_that_is_cut():
    model = fitted(ADDA, lam=5.0, target_lr=0.05)
    network = model.net_.module_
    layers = cut_layers(model, 3)
    assert alike(layers, network.layers) == [True] * 3
    assert alike(layers, network.source.layers) == [False] * 3


def test_layers_become_the_backbone_of_another_estimator():
    Xs, ys, Xt, yt = two_domains()
    model = fitted()
    tuned = FineTuning(module=cut_layers(model, 2, freeze=True), **SMALL).fit(None, None, Xt, yt)
    own, old = tuned.net_.module_.layers, model.net_.module_.layers
    assert len(own) == 2 and alike(own, old[:2]) == [True, True]
    np.testing.assert_allclose(
        tuned.transform(Xt), cut_layers(model, 2).double()(torch.as_tensor(Xt)).detach(), rtol=1e-12
    )
    learnt = DeepTransferRegressor([MMD()], module=cut_layers(model, 2), **SMALL)
    learnt.fit(Xs, Xs[:, 0], Xt)
    assert alike(learnt.net_.module_.layers, old[:2]) == [False, False]


def test_layers_for_images_take_images():
    rng = np.random.default_rng(0)
    images, y = rng.normal(size=(20, 1, 16, 16)), np.arange(20) % 2
    options = {"max_epochs": 1, "batch_size": 10, "random_state": 0}
    with pytest.warns(UserWarning, match="without a target"):
        model = DeepTransferClassifier(module=LeNet, **options).fit(images, y)
    for first in (1, 2):  # without the first layer a network takes what that makes of images
        layers = cut_layers(model, first)
        x = torch.as_tensor(images, dtype=torch.float32)
        expected = model.net_.module_.eval().features(x.flatten(1))[first - 1]
        assert torch.equal(layers.eval()(x).flatten(1), expected)
    again = FineTuning(module=cut_layers(model, 2), **options).fit(None, None, images, y)
    assert again.transform(images).shape == (20, expected.shape[1])


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
def test_the_first_layers_are_the_donors_and_the_rest_the_receivers(n_layers):
    donor, receiver = fitted(), fitted(seed=1)
    for ones in ((donor, receiver), (donor.net_.module_, cut_layers(receiver, 3))):
        both = copy_layers(*ones, n_layers)
        is_donors = [k < n_layers for k in range(3)]
        assert alike(both, donor.net_.module_.layers) == is_donors
        assert alike(both, receiver.net_.module_.layers) == [not known for known in is_donors]


def test_running_statistics_are_copied_with_the_weights():
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    donor = fitted(module=module)
    assert donor.net_.module_.layers[0][1].running_mean.abs().min() > 0
    both = copy_layers(donor, module, 1)
    assert torch.equal(both[0][1].running_mean, donor.net_.module_.layers[0][1].running_mean)
    assert torch.equal(both[1][0].weight, module[3].weight)
    assert not module[1].running_mean.any()  # the receiver stays as it is


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_the_last_layers_are_drawn_anew(first):
    model = fitted()
    old = model.net_.module_.layers
    state_before = torch.get_rng_state()
    new = reinitialize_layers(model, first, random_state=0)
    assert torch.equal(torch.get_rng_state(), state_before)
    assert alike(new, old) == [k < first for k in range(3)]
    assert alike(new, reinitialize_layers(model, first, random_state=0)) == [True] * 3
    other = reinitialize_layers(model, first, random_state=1)
    assert alike(new, other) == [k < first for k in range(3)]
    for layer in new[first:]:  # as torch draws them: evenly between these bounds
        bound = layer[0].in_features ** -0.5
        assert 0.5 * bound < layer[0].weight.abs().max() <= bound


def test_running_statistics_are_drawn_anew_too():
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU())
    new = reinitialize_layers(fitted(module=module), 0)
    assert not new[0][1].running_mean.any() and (new[0][1].weight == 1).all()


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(5))

    def forward(self, x):
        return self.factor * x


def test_what_is_impossible_says_so():
    model = fitted()
    for call in (
        lambda: cut_layers(model, 0),
        lambda: cut_layers(model, 4),
        lambda: copy_layers(model, nn.Linear(5, 8), 2),
        lambda: copy_layers(nn.Linear(5, 8), model, 2),
        lambda: copy_layers(model, model, -1),
        lambda: reinitialize_layers(model, 4),
        lambda: reinitialize_layers(model, -1),
    ):
        with pytest.raises(ValueError, match=r"hidden layers.*got"):
            call()
    with pytest.raises(ValueError, match=r"Layer 1 .*\[7, 8\].* receiver .*\[9, 8\]"):
        copy_layers(model, fitted(hidden_layer_sizes=(8, 9, 6)), 2)
    with pytest.raises(ValueError, match="A Scale has weights of its own"):
        reinitialize_layers(Scale(), 0)
    with pytest.raises(TypeError, match=r"torch\.nn\.Module; got 'DANN'"):
        cut_layers("DANN", 1)
    with pytest.raises(TypeError, match="fitted"):
        cut_layers(DeepTransferClassifier(), 1)


def test_layers_of_a_module_are_those_that_an_estimator_sees():
    module = nn.Sequential(nn.Flatten(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    assert [len(layer) for layer in cut_layers(module, 2)] == [
        len(layer) for layer in split_layers(module)
    ]
