"""The engine has room: for a network, a term, heads and sources that it does not know.

What stands here touches nothing in skdtl/deep; docs/guide/adding_a_method.rst tells it.
"""

from __future__ import annotations

import ast
import inspect
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import skdtl
from skdtl import DeepTransferClassifier, FineTuning, stack
from skdtl._constraints import Real
from skdtl._parameters import parameter
from skdtl.deep import (
    MMD,
    ClassHead,
    Needs,
    Network,
    NetworkOfManyHeads,
    Term,
)
from skdtl.deep._base import DeepTransferClassifierBase, DeepTransferEstimator
from skdtl.deep._parameters import LAM, Lam

from ..deep_common import SMALL, same_weights
from ..shifts import shifted_feature, two_domains

# -- a network of one's own: the target's rows are moved first -------------------------------------


class OffsetNetwork(Network):
    """The target's rows are moved by a learnt offset, then one network serves both domains."""

    def __init__(self, layers, make_head, example):
        super().__init__(layers, make_head, example)
        self.offset = nn.Parameter(torch.zeros(example.shape[1]))

    def activations(self, x, domains=None):
        of_target = 1.0 if domains is None else (domains < 0)[:, None]
        return super().activations(x + of_target * self.offset, domains)


class OffsetMatching(DeepTransferClassifierBase):
    """Train a network that first moves the target to where the source is."""

    _network_class = OffsetNetwork

    lam: Lam = parameter(default=1.0, legal=LAM, text="λ, the weight of the MMD.")

    def _terms(self):
        return [MMD(layers=0)]


# -- a term of one's own: L2-SP (Li, Grandvalet, Davoine, ICML 2018) -------------------------------


class L2SP(Term):
    """Half the squared distance of the hidden layers' weights from where the training began."""

    name = "distance"

    def attach(self, network):
        for k, weight in enumerate(network.layers.parameters()):
            self.register_buffer(f"start_{k}", weight.detach().clone())

    def value(self, step):
        pairs = zip(step.network.layers.parameters(), self.buffers(), strict=True)
        return sum((weight - start).square().sum() for weight, start in pairs) / 2


class FineTuningNearby(FineTuning):
    """Fine-tuning that stays near the pre-trained weights."""

    alpha: float = parameter(default=0.1, legal=Real(0), text="α, the weight of the distance.")

    def _terms(self):
        return [L2SP(self.alpha)]


# -- what they do ----------------------------------------------------------------------------------


def n_lines(*classes) -> int:
    source = "".join(inspect.getsource(cls) for cls in classes)
    return sum(bool(line.strip()) for line in source.splitlines())


def test_they_are_short():
    assert n_lines(OffsetNetwork, OffsetMatching) <= 25
    assert n_lines(L2SP, FineTuningNearby) <= 25


METHODS = sorted(
    {
        Path(inspect.getfile(cls))
        for _, cls in inspect.getmembers(skdtl, inspect.isclass)
        if issubclass(cls, DeepTransferEstimator) and not cls.__module__.startswith("skdtl.deep.")
    }
)


def code_lines(path: Path) -> int:
    """Count a file's lines that are neither prose nor imports: docstrings and parameters' texts."""
    text, left_out = path.read_text(), set()
    for node in ast.walk(ast.parse(text)):
        part = None
        if isinstance(node, ast.Import | ast.ImportFrom):
            part = node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            part = node  # a docstring
        elif isinstance(node, ast.keyword) and node.arg in ("text", "type"):
            part = node.value
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            part = node
        if part is not None:
            left_out.update(range(part.lineno, part.end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(k not in left_out and line.strip()[:1] not in ("", "#") for k, line in lines)


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_methods_file_says_no_more_than_the_method(path):
    """What is a term, a network or a way of training has a file of its own."""
    assert 2 <= code_lines(path) <= 45


def test_every_method_is_counted():
    assert len(METHODS) >= 16 and {"adda", "ddc", "fine_tuning"} <= {path.stem for path in METHODS}


def rows(X):
    return torch.as_tensor(X, dtype=torch.float32)


def test_a_network_treats_each_domain_by_its_own_function():
    Xs, ys, Xt, _ = two_domains()
    model = OffsetMatching(**SMALL).fit(Xs, ys, Xt)
    network = model.net_.module_.double().eval()
    assert network.offset.abs().min() > 0
    x = torch.cat([torch.as_tensor(Xs[:4]), torch.as_tensor(Xt[:3])])
    features, output = network.activations(x, torch.tensor([1, 1, 2, 1, -1, -1, -2]))
    moved = torch.cat([x[:4], x[4:] + network.offset])
    torch.testing.assert_close(output, network.head(network.features(moved)[-1]))
    # An estimator takes rows for the target's, unless it is asked for the source's.
    for domain, rows in (("source", Xs), ("target", Xs + network.offset.detach().numpy())):
        expected = network.features(torch.as_tensor(rows))[-1].detach()
        np.testing.assert_allclose(model.transform(Xs, domain=domain), expected, rtol=1e-9)
        output = network.head(expected).detach()
        np.testing.assert_allclose(model._output(Xs, domain), output, rtol=1e-9)


def test_an_estimator_of_ones_own_is_like_any_other(tmp_path):
    pytest.importorskip("safetensors")
    options = {**SMALL, "max_epochs": 60, "lr": 0.01}
    gains = []
    for seed in range(3):
        Xs, ys, Xt, yt = shifted_feature(seed, n=200)
        plain = DeepTransferClassifier(**options).fit(Xs, ys, Xt)
        model = OffsetMatching(**options).fit(Xs, ys, Xt)
        gains.append(model.score(Xt, yt) - plain.score(Xt, yt))
    assert np.mean(gains) > 0.15
    model.save_weights(tmp_path / "offset")
    loaded = OffsetMatching(**options).load_weights(tmp_path / "offset")
    np.testing.assert_array_equal(loaded.predict_proba(Xt), model.predict_proba(Xt))
    np.testing.assert_array_equal(loaded._output(Xs, "source"), model._output(Xs, "source"))
    first = OffsetMatching(**{**options, "max_epochs": 1}).fit(Xs, ys, Xt)
    assert same_weights(first, OffsetMatching(**options).partial_fit(Xs, ys, Xt))
    with pytest.raises(TypeError, match="OffsetMatching has no parameter 'lamb'; did you mean"):
        OffsetMatching(lamb=1.0)


TWO = {**SMALL, "hidden_layer_sizes": (8, 6), "lr": 0.01, "max_epochs": 30}


def distance(model, start) -> float:
    pairs = zip(model.net_.module_.layers.parameters(), start.net_.module_.layers.parameters())
    return sum(float((a - b).detach().square().sum()) for a, b in pairs) / 2


def test_fine_tuning_stays_near_the_pretrained_weights():
    Xs, ys, Xt, yt = two_domains()
    start = FineTuningNearby(**{**TWO, "pretrain_epochs": 30, "lr": 0.01, "max_epochs": 1})
    start.set_params(backbone_lr_factor=0.0).fit(Xs, ys, Xt, 1 - yt)  # the hidden layers stand
    options = {**TWO, "pretrain_epochs": 30, "backbone_lr_factor": 1.0}
    far, near, nearer = (
        FineTuningNearby(alpha=alpha, **options).fit(Xs, ys, Xt, 1 - yt)
        for alpha in (0.0, 1.0, 10.0)
    )
    assert distance(far, start) > 2 * distance(near, start) > 20 * distance(nearer, start) > 0
    plain = FineTuning(terms=(), **options).fit(Xs, ys, Xt, 1 - yt)
    assert same_weights(plain, far)
    for model in (far, near, nearer):  # the epoch's first value is 0: it began there
        values = model.history_[:, "distance"]
        assert 0 < values[0] < values[-1]
        assert "distance" not in model.pretrain_history_[-1]
    assert near.history_[-1, "train_loss"] == pytest.approx(
        near.history_[-1, "task_loss"] + near.history_[-1, "distance"], rel=1e-4
    )


def test_the_start_is_that_of_the_module_where_there_is_no_source():
    _, _, Xt, yt = two_domains()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    model = FineTuningNearby(alpha=1e4, module=module, **TWO).fit(None, None, Xt, yt)
    for a, b in zip(model.net_.module_.layers.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0.02, rtol=0)
        assert not torch.equal(a, b)


# -- several sources, each with classes of its own -------------------------------------------------


class TwoTasks(NetworkOfManyHeads):
    """Domain 2 has three classes, all others have two."""

    def __init__(self, layers, make_head, example):
        three = {2: partial(ClassHead, out_features=3)}
        super().__init__(layers, partial(ClassHead, out_features=2), example, three)


class Multitask(DeepTransferClassifierBase):
    """Two sources teach the same layers, each by its own classes."""

    _network_class = TwoTasks


class NeedsHeads(Term):
    needs = Needs(several_heads=True)

    def value(self, step):
        return step.labelled.output.new_zeros(())


def two_tasks():
    rng = np.random.default_rng(0)
    X1, X2, Xt = (rng.normal(size=(n, 4)) for n in (120, 90, 80))
    y1, y2, yt = (X1[:, 0] > 0).astype(int), np.digitize(X2[:, 1], [-0.5, 0.5]), Xt[:, 0] > 0
    return X1, y1, X2, y2, Xt, yt.astype(int)


def test_two_sources_with_other_classes_share_their_layers():
    X1, y1, X2, y2, Xt, yt = two_tasks()
    X, y, domain = stack([X1, X2], [y1, y2], Xt)
    model = Multitask(**{**SMALL, "max_epochs": 60, "lr": 0.01, "hidden_layer_sizes": (16, 8)})
    model.fit(X, y, sample_domain=domain)
    network = model.net_.module_
    assert network.n_heads == 2 and network.n_outputs == 3
    assert network.head.out_features == 2 and network.heads["2"].out_features == 3
    output = model._output(Xt)
    assert output.shape == (
        80,
        2,
    )  # target rows go to the network's own head
    assert (output.argmax(1) == yt).mean() > 0.9
    network.eval()
    with torch.no_grad():
        ids = torch.full((90,), 2)
        _, output = network.float().activations(rows(X2), ids)
        assert (output.argmax(1).numpy() == y2).mean() > 0.9
        # Each row's output is its own head's, and what that lacks is impossible.
        both = torch.cat([rows(X1[:5]), rows(X2[:5])])
        ids = torch.tensor([1] * 5 + [2] * 5)
        features, output = network.activations(both, ids)
        torch.testing.assert_close(output[:5, :2], network.head(features[-1][:5]))
        torch.testing.assert_close(output[5:], network.heads["2"](features[-1][5:]))
        assert (output[:5].softmax(1)[:, 2] == 0).all() and output.isfinite().all()
        # The loss is the mean over the labelled rows of both tasks.
        labels = torch.tensor([*y1[:5], *y2[:5]])
        labels[0] = -1
        expected = sum(
            len(t) / 9 * nn.functional.cross_entropy(z, t)
            for z, t in ((output[1:5, :2], labels[1:5]), (output[5:], labels[5:]))
        )
        torch.testing.assert_close(network.loss(output, labels, ids), expected)
        alone = network.loss(output[5:], labels[5:], ids[5:])
        torch.testing.assert_close(alone, nn.functional.cross_entropy(output[5:], labels[5:]))


def test_a_term_may_need_several_heads():
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match="NeedsHeads needs a network with several heads"):
        DeepTransferClassifier([NeedsHeads()], **SMALL).fit(Xs, ys, Xt)

    class WithTerm(Multitask):
        def _terms(self):
            return [NeedsHeads()]

    assert "term" in WithTerm(**SMALL).fit(Xs, ys, Xt).history_[-1]
