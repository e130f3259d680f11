"""Weights in safetensors: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from torch import nn

from skdtl import (
    ADDA,
    DANN,
    DDC,
    DANNRegressor,
    DeepTransferClassifier,
    DeepTransferRegressor,
    NoTargetWarning,
)
from skdtl.deep import MMD, DomainAdversary
from skdtl.deep.network import Network
from skdtl.utils import all_estimators

from ..common import assert_same, is_deep, make, make_data, outputs, parameters, partly_labelled
from ..deep_common import SMALL
from ..shifts import two_domains

safetensors = pytest.importorskip("safetensors.torch")

DEEP = [make(cls) for _, cls in all_estimators() if "max_epochs" in parameters(cls)]


def backbone(n_features):
    return nn.Sequential(nn.Linear(n_features, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def data(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    return Xs, ys, Xt, partly_labelled(yt)


@pytest.mark.parametrize("own_module", [False, True])
@pytest.mark.parametrize("estimator", DEEP, ids=lambda e: type(e).__name__)
def test_round_trip(estimator, own_module, path):
    assert is_deep(estimator)
    estimator = clone(estimator)
    if own_module:
        estimator.set_params(module=backbone)
    Xs, ys, Xt, yt = data(estimator)
    frame = pd.DataFrame(Xs, columns=list("abcd"))
    with pytest.raises(NotFittedError):
        estimator.save_weights(path)
    fitted = clone(estimator).fit(frame, ys, pd.DataFrame(Xt, columns=list("abcd")), yt)
    fitted.save_weights(path)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    loaded = clone(estimator).load_weights(path)
    assert torch.equal(torch.get_rng_state(), state)
    rows = pd.DataFrame(3 * Xt, columns=list("abcd"))
    assert_same(outputs(fitted, rows), outputs(loaded, rows))
    for name, value in fitted.net_.alignments_.state_dict().items():
        assert torch.equal(value, loaded.net_.alignments_.state_dict()[name]), name
    assert list(loaded.feature_names_in_) == list("abcd")
    assert loaded.n_features_in_ == 4 and loaded.interrupted_ is False
    assert loaded.n_iter_ == 0 and loaded.history_ == [] and loaded.loss_curve_ == []
    if is_classifier(estimator):
        assert loaded.classes_.dtype == fitted.classes_.dtype
    assert_same(outputs(loaded, rows), outputs(pickle.loads(pickle.dumps(loaded)), rows))
    copied = path.with_name("again")
    loaded.save_weights(copied)
    assert_same(outputs(clone(estimator).load_weights(str(copied)), rows), outputs(fitted, rows))
    if hasattr(loaded, "partial_fit"):
        loaded.partial_fit(frame, ys, rows, yt)
        assert loaded.n_iter_ == 1


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["ill", "wéll"]),
        np.array(["ill", "well"], dtype=object),
        np.array([False, True]),
        np.array([3, 17], dtype=np.int8),
        np.array([0.1, 1e300]),
    ],
    ids=["str", "object", "bool", "int", "float"],
)
def test_classes_come_back_as_they_were(classes, path):
    Xs, ys, Xt, _ = two_domains()
    labels = classes[ys]
    if classes.dtype.kind == "f":  # scikit-learn takes no float classes but whole ones
        classes = np.array([2.0, 3.0])
        labels = classes[ys]
    fitted = DANN(**SMALL).fit(Xs, labels, Xt)
    fitted.save_weights(path)
    loaded = DANN(**SMALL).load_weights(path)
    assert loaded.classes_.dtype == classes.dtype
    np.testing.assert_array_equal(loaded.classes_, classes)
    assert [type(c) for c in loaded.classes_] == [type(c) for c in fitted.classes_]


def test_the_chosen_adaptation_layer_comes_back(path):
    Xs, ys, Xt, _ = two_domains()
    model = DDC(adaptation_layer="auto", adaptation_width=(7, 3), **SMALL)
    fitted = clone(model).fit(Xs, ys, Xt)
    fitted.save_weights(path)
    loaded = clone(model).load_weights(path)
    assert loaded.adaptation_width_ == fitted.adaptation_width_
    assert loaded.adaptation_layer_ == fitted.adaptation_layer_
    assert_same(outputs(fitted, Xt), outputs(loaded, Xt))
    with pytest.raises(ValueError, match=r"with adaptation_layer='auto', but here it is 'last'"):
        DDC(adaptation_width=(7, 3), **SMALL).load_weights(path)


def test_weights_trained_with_running_statistics_or_shared_memory(path):
    class Tied(nn.Module):
        def __init__(self, n_features):
            super().__init__()
            self.first, self.second = nn.Linear(n_features, 5), nn.Linear(5, 5)
            self.third = self.second

        def forward(self, x):
            return self.third(self.second(self.first(x)).relu())

    Xs, ys, Xt, _ = two_domains()
    fitted = DANN(module=Tied, **SMALL).fit(Xs, ys, Xt)
    fitted.save_weights(path)
    loaded = DANN(module=Tied, **SMALL).load_weights(path)
    assert_same(outputs(fitted, Xt), outputs(loaded, Xt))
    inner = loaded.net_.module_.layers[0]
    assert inner.second is inner.third


class _TwoHeads(Network):
    """A network that differs from the usual one by a second head."""

    def __init__(self, first, turned):
        nn.Module.__init__(self)
        self.widths, self.layers, self.head = first.widths, first.layers, first.head
        self.second_head = copy.deepcopy(first.head)
        self.turned = turned

    def outputs(self, features, domains):
        return super().outputs(features, domains) + self.second_head(
            features[-1][:, list(self.turned)]
        )


class TwoHeads(DANN):
    """A method with a network and a choice of its own, as ``_rebuild_network`` is for."""

    _network_attributes = ("turned_",)

    def _fit(self, source, target):
        seeds = self._seeds()
        if self._last_net is None:
            self.turned_ = tuple(range(self.hidden_layer_sizes[-1]))[::-1]
        network = self._rebuild_network(source, seeds)
        self.net_ = self._train(network, source, target, seeds)
        self._set_results()

    def _rebuild_network(self, rows, seeds):
        return _TwoHeads(self._network(rows, seeds), self.turned_)


def test_a_method_with_a_network_of_its_own(path):
    Xs, ys, Xt, _ = two_domains()
    fitted = TwoHeads(**SMALL).fit(Xs, ys, Xt)
    assert not hasattr(fitted, "partial_fit")
    fitted.save_weights(path)
    loaded = TwoHeads(**SMALL, warm_start=True).load_weights(path)
    assert isinstance(loaded.net_.module_, _TwoHeads) and loaded.turned_ == fitted.turned_
    assert_same(outputs(fitted, Xt), outputs(loaded, Xt))
    loaded.turned_ = tuple(range(16))
    assert loaded.fit(Xs, ys, Xt).turned_ == tuple(range(16))


def test_loading_draws_no_random_numbers(path):
    Xs, ys, Xt, _ = two_domains()
    DANN(**SMALL).fit(Xs, ys, Xt).save_weights(path)
    seed = np.random.RandomState(3)
    DANN(**{**SMALL, "random_state": seed}).load_weights(path)
    assert seed.randint(1000) == np.random.RandomState(3).randint(1000)
    np.random.seed(3)  # noqa: NPY002
    DANN(**{**SMALL, "random_state": None}).load_weights(path)
    assert np.random.randint(1000) == np.random.RandomState(3).randint(1000)  # noqa: NPY002


def test_loading_replaces_what_was_fitted(path):
    Xs, ys, Xt, _ = two_domains()
    fitted = DANN(**SMALL).fit(Xs, ys, Xt)
    fitted.save_weights(path)
    frames = [pd.DataFrame(X[:, :3], columns=list("abc")) for X in (Xs, Xt)]
    other = DANN(**SMALL).fit(frames[0], 1 - ys, frames[1])
    assert_same(outputs(other.load_weights(path), Xt), outputs(fitted, Xt))
    assert not hasattr(other, "feature_names_in_")


def rewritten(path, header=None, **tensors):
    """Return the path of a file with a changed header and changed tensors (None: without)."""
    with safetensors.safe_open(path, framework="pt") as file:
        content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        known = json.loads(file.metadata()["skdtl"])
    content = {k: v for k, v in {**content, **tensors}.items() if v is not None}
    known = {k: v for k, v in {**known, **(header or {})}.items() if v != "gone"}
    new = path.with_name("changed")
    safetensors.save_file(content, new, {"skdtl": json.dumps(known)})
    return new


def refused(estimator, path, pattern):
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=pattern):
        estimator.load_weights(path)
    assert vars(estimator) == before


def test_what_does_not_fit_is_refused(path):
    Xs, ys, Xt, _ = two_domains()
    DANN(**SMALL).fit(Xs, ys, Xt).save_weights(path)
    options = {**SMALL, "hidden_layer_sizes": (3,)}
    refused(DANNRegressor(**SMALL), path, "holds the weights of a DANN, but this is a DANNRegr")
    refused(
        DANN(**options), path, r"saved by a DANN with hidden_layer_sizes=\[16\], but here it is \[3"
    )
    refused(DANN(activation="tanh", **SMALL), path, "activation='relu', but here it is 'tanh'")
    refused(DANN(module=backbone, **SMALL), path, "hidden_layer_sizes=.*16.*|module=None")
    refused(
        DANN(discriminator_layer_sizes=(7,), **SMALL),
        path,
        r"alignments.0.discriminator.0.bias is torch.float32 \[100\], but here .* \[7\]",
    )
    refused(DANN(discriminator_layer_sizes=(), **SMALL), path, r"it lacks .* and has \['alignments")
    refused(DANN(lr=-1, **SMALL), path, "lr")
    fitted = DANN(**SMALL).fit(Xs, ys, Xt)
    refused(fitted.set_params(activation="tanh"), path, "activation")


def test_a_module_of_another_shape_is_refused(path):
    Xs, ys, Xt, _ = two_domains()
    DANN(module=backbone, **SMALL).fit(Xs, ys, Xt).save_weights(path)
    refused(DANN(**SMALL), path, "module='one of its own', but here it is None|hidden_layer_sizes")
    wide = lambda n: nn.Linear(n, 9)  # noqa: E731
    refused(DANN(module=wide, **SMALL), path, r"layers are \[6, 3\] wide, .* are \[9\] wide")
    refused(
        DANN(module=nn.Linear(2, 3), **SMALL),
        path,
        "a network for 5 features, which this DANN can't make",
    )


def test_other_alignments_are_refused(path):
    Xs, ys, Xt, _ = two_domains()
    DeepTransferClassifier([MMD()], **SMALL).fit(Xs, ys, Xt).save_weights(path)
    other = DeepTransferClassifier([DomainAdversary()], **SMALL)
    refused(other, path, r"the alignments \['MMD'\], but .* \['DomainAdversary'\]")
    DeepTransferRegressor(**SMALL).fit(Xs, Xs[:, 0], Xt).save_weights(path)
    with_alignment = DeepTransferRegressor([MMD()], **SMALL).load_weights(path)
    np.testing.assert_allclose(
        with_alignment.predict(Xt), DeepTransferRegressor(**SMALL).fit(Xs, Xs[:, 0], Xt).predict(Xt)
    )


def test_damaged_files_are_refused(path):
    Xs, ys, Xt, _ = two_domains()
    DANN(**SMALL).fit(Xs, ys, Xt).save_weights(path)
    name = "network.head.weight"
    weight = safetensors.load_file(path)[name]
    for tensors, pattern in (
        ({name: None}, r"it lacks \['network.head.weight'\]"),
        ({"network.extra": weight}, r"has \['network.extra'\] too many"),
        ({name: weight[:, :3].clone()}, r"is torch.float32 \[2, 3\], but here it is .* \[2, 16\]"),
        ({name: weight.double()}, r"is torch.float64 \[2, 16\], but here"),
        ({name: weight * torch.nan}, "NaN or infinity in network.head.weight"),
        ({name: weight * torch.inf}, "NaN or infinity in network.head.weight"),
    ):
        refused(DANN(**SMALL), rewritten(path, **tensors), pattern)
    for header, pattern in (
        ({"format": 2, "skdtl": "9.0"}, r"format 2, written by skdtl 9\.0; .* reads format 1"),
        ({"format": "gone"}, "damaged"),
        ({"class": "gone"}, "damaged: KeyError"),
        ({"classes": {}}, "damaged: AttributeError"),
        ({"classes": {"classes_": {"dtype": "M8[s]", "values": [0, 1]}}}, "damaged: TypeError"),
        ({"classes": {"evil_": {"dtype": "<i8", "values": [0, 1]}}}, "damaged: KeyError"),
        (
            {"classes": {"classes_": {"dtype": "<i8", "values": [0, 1, 2]}}},
            r"head.bias is .* \[2\], .* \[3\]",
        ),
        ({"n_features_in_": 4}, r"\[16, 5\], but here it is .* \[16, 4\]"),
        ({"n_features_in_": -1}, "negative"),
        ({"n_features_in_": 10**15}, "1000000000000000 features, which this DANN can't make"),
        ({"n_features_in_": "many"}, "many"),
        ({"n_features_in_": None}, "damaged: TypeError"),
        ({"widths": [3]}, r"layers are \[3\] wide"),
    ):
        refused(DANN(**SMALL), rewritten(path, header), pattern)
    whole = path.read_bytes()
    for content in (b"", b"no such file", whole[:-5], whole[: len(whole) // 2], whole[1:]):
        path.write_bytes(content)
        refused(DANN(**SMALL), path, "damaged, or no file that save_weights wrote")
    safetensors.save_file({"a": torch.zeros(1)}, path)  # another program's
    refused(DANN(**SMALL), path, "damaged, or no file that save_weights wrote")
    path.write_bytes(pickle.dumps(print))
    refused(DANN(**SMALL), path, "damaged, or no file that save_weights wrote")
    with pytest.raises(FileNotFoundError):
        DANN(**SMALL).load_weights(path.with_name("nowhere"))


def test_classes_that_no_file_can_hold_are_an_error(path):
    Xs, ys, Xt, _ = two_domains()
    fitted = DANN(**SMALL).fit(Xs, ys, Xt)
    fitted.classes_ = np.array([b"a", b"b"])
    with pytest.raises(ValueError, match="b'a' is a bytes"):
        fitted.save_weights(path)
    assert not path.exists()


def test_without_safetensors_the_error_names_the_extra(path, monkeypatch):
    Xs, ys, Xt, _ = two_domains()
    model = DANN(**SMALL).fit(Xs, ys, Xt)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.torch", raising=False)
    for act in (model.save_weights, model.load_weights):
        with pytest.raises(ImportError) as error:
            act(path)
        assert str(error.value) == (
            f"{act.__name__} needs safetensors, which is not installed: pip install 'skdtl[deep]'"
        )


def test_an_encoder_for_each_domain_comes_back(tmp_path):
    Xs, ys, Xt, _ = two_domains()
    for target, n_stages in ((Xt, 2), (None, 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoTargetWarning)
            adda = ADDA(**SMALL).fit(Xs, ys, target)
        assert adda.n_stages_ == n_stages
        adda.save_weights(tmp_path / "adda.safetensors")
        again = ADDA(**SMALL).load_weights(tmp_path / "adda.safetensors")
        assert again.n_stages_ == n_stages
        for domain in ("source", "target"):
            np.testing.assert_array_equal(again.transform(Xt, domain), adda.transform(Xt, domain))
        different = not np.array_equal(adda.transform(Xt, "source"), adda.transform(Xt, "target"))
        assert different == (n_stages == 2)
