"""Heads by hand: what each kind of output loses, says and predicts, and networks of several."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skdtl import DeepTransferClassifier, DeepTransferRegressor, FineTuning
from skdtl._constraints import Instance, SequenceOf
from skdtl._parameters import parameter
from skdtl.deep import (
    MMD,
    Activations,
    ClassHead,
    CodeHead,
    Head,
    JointMMD,
    MinimumClassConfusion,
    Network,
    NetworkOfManyHeads,
    NumberHead,
    TargetEntropy,
    Term,
)
from skdtl.deep._base import DeepTransferClassifierBase

from ..deep_common import SMALL
from ..shifts import two_domains

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(6, 3))
CODES = np.array([0, 2, -1, 1, 2, 0])  # the third row has no label


def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def test_classes():
    z, y = torch.tensor(Z), ClassHead.labels(CODES)
    each = [-np.log(softmax(Z)[i, k]) for i, k in enumerate(CODES) if k >= 0]
    assert ClassHead.loss(z, y).item() == pytest.approx(np.mean(each))
    np.testing.assert_allclose(ClassHead.prediction(z), softmax(Z))
    np.testing.assert_allclose(ClassHead.probabilities(Z), softmax(Z))
    np.testing.assert_allclose(ClassHead.log_probabilities(Z), np.log(softmax(Z)))
    np.testing.assert_array_equal(ClassHead.predict(Z), Z.argmax(axis=1))
    pairs = ClassHead.pair_losses(z, torch.tensor([2, 0]))
    np.testing.assert_allclose(pairs, [-np.log(softmax(Z)[:, 2]), -np.log(softmax(Z)[:, 0])])
    far = np.array([[1e4, 0.0], [-1e4, 0.0]])
    np.testing.assert_array_equal(ClassHead.probabilities(far), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(ClassHead.log_probabilities(far), [[0, -1e4], [-1e4, 0]])


@pytest.mark.parametrize("n_columns", [1, 3])
def test_numbers(n_columns):
    z = Z[:, :n_columns]
    y = np.arange(6.0) if n_columns == 1 else RNG.normal(size=(6, 3))
    y[2] = np.nan
    known = ~np.isnan(y)
    flat = z[:, 0] if n_columns == 1 else z
    loss = NumberHead.loss(torch.tensor(z), NumberHead.labels(y).double())
    assert loss.item() == pytest.approx(np.mean((flat[known] - y[known]) ** 2), rel=1e-6)
    assert NumberHead.prediction(torch.tensor(z)).tolist() == z.tolist()
    np.testing.assert_array_equal(NumberHead.predict(z), flat)
    two = y[:2].reshape(2, -1)
    pairs = NumberHead.pair_losses(torch.tensor(z), torch.tensor(y[:2]))
    expected = [[((a - b) ** 2).sum() for b in z] for a in two]
    np.testing.assert_allclose(pairs, expected)


def test_codes():
    """All pairs of labelled rows, a row with itself included, by the formula of the docstring."""
    losses = []
    for i in range(6):
        for j in range(6):
            if CODES[i] < 0 or CODES[j] < 0:
                continue
            p = 1 / (1 + np.exp(-(Z[i] @ Z[j]) / 2))
            losses.append(-np.log(p if CODES[i] == CODES[j] else 1 - p))
    y = CodeHead.labels(CODES)
    assert CodeHead.loss(torch.tensor(Z), y).item() == pytest.approx(np.mean(losses))
    np.testing.assert_allclose(CodeHead.prediction(torch.tensor(Z)), np.tanh(Z))
    np.testing.assert_array_equal(CodeHead.predict(Z), Z > 0)


def test_what_a_head_says_of_itself():
    kinds = {ClassHead: True, NumberHead: False, CodeHead: False}
    for kind, has_classes in kinds.items():
        head = kind(4, 16)
        assert isinstance(head, Head) and head.has_classes == has_classes
        assert set(head.state_dict()) == {"weight", "bias"} and head.out_features == 16
    assert NumberHead(4).out_features == 1


def two_sources():
    """Return a network with a head of 2 classes, one of 4 for source 2, and one of 3 for 3."""
    torch.manual_seed(0)
    make = {2: lambda width: ClassHead(width, 4), 3: lambda width: ClassHead(width, 3)}
    layers = [nn.Sequential(nn.Linear(5, 6), nn.Tanh())]
    return NetworkOfManyHeads(layers, lambda width: ClassHead(width, 2), torch.zeros(2, 5), make)


def test_each_row_goes_through_the_head_of_its_domain():
    network, x = two_sources(), torch.randn(7, 5)
    domains = torch.tensor([1, 2, 3, -1, 2, 3, 9])
    assert network.n_outputs == 4 and network.n_heads == 3
    features, output = network.activations(x, domains)
    heads = {2: network.heads["2"], 3: network.heads["3"]}
    for row, domain in enumerate(domains.tolist()):
        head = heads.get(domain, network.head)  # the target's, and that of all other domains
        own = head(features[-1][row])
        torch.testing.assert_close(output[row, : len(own)], own)
        p = output[row].softmax(0)
        assert (p[len(own) :] == 0).all() and p.isfinite().all()  # no class of another's
    torch.testing.assert_close(network(x), network.head(features[-1]))


def test_the_loss_of_several_heads_is_the_mean_over_all_rows():
    network, x = two_sources(), torch.randn(8, 5)
    domains = torch.tensor([1, 1, 2, 2, 2, -1, -1, 3])
    y = torch.tensor([0, 1, 3, 2, -1, 1, -1, -1])  # none of source 3 has a label
    features, output = network.activations(x, domains)
    expected = 0.0
    for head, rows in ((network.head, [0, 1, 5]), (network.heads["2"], [2, 3])):
        log_p = head(features[-1][rows]).log_softmax(1)
        expected -= log_p[torch.arange(len(rows)), y[rows]].sum().item() / 5
    assert network.loss(output, y, domains).item() == pytest.approx(expected, rel=1e-6)


def test_a_network_learns_several_numbers():
    torch.manual_seed(0)
    x = torch.randn(200, 3)
    y = torch.stack([x[:, 0] + x[:, 1], -x[:, 2]], 1)
    network = Network([nn.Identity()], lambda width: NumberHead(width, 2), x[:2])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        network.loss(network(x), y, torch.ones(200, dtype=torch.int64)).backward()
        optimizer.step()
    assert network.n_outputs == 2 and F.mse_loss(network(x), y) < 1e-4


# -- in an estimator -------------------------------------------------------------------------------


class Hashing(DeepTransferClassifierBase):
    """Learns codes of 16 bits of however many classes; predicts by the nearest mean code."""

    _head = CodeHead

    terms: list[Term] = parameter(default=(), legal=SequenceOf(Instance(Term)), text="Terms.")

    def _n_outputs(self):
        return 16

    def _terms(self):
        return self.terms

    def codes(self, X):
        return self._head.predict(self._output(self._check_X(X)))


LEARNING = {**SMALL, "max_epochs": 40, "lr": 0.01}


class Retrieval(Hashing):
    def _predict(self, X):
        return self.classes_[self.codes(X)[:, 0].astype(int)]


def test_sixteen_bits_are_not_sixteen_classes():
    Xs, ys, Xt, yt = two_domains()
    terms = [JointMMD(layers="output")]
    model = Hashing(terms=terms, validation_fraction=0.2, **LEARNING).fit(Xs, ys, Xt, yt)
    assert model.net_.module_.head.weight.shape == (16, 16)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(AttributeError) as error:
            getattr(model, method)
        assert str(error.value.__cause__) == f"Hashing has no {method}: its outputs are codes."
    epoch = model.history_[-1]
    assert "valid_information" not in epoch and epoch["valid_loss"] < math.log(2)
    # What alignments see of the output are bits, no probabilities.
    network = model.net_.module_
    with torch.no_grad():
        sides = [
            Activations(*network.float().activations(torch.as_tensor(X).float()), None)._replace(
                head=network.head
            )
            for X in (Xs, Xt)
        ]
        term = JointMMD(layers="output")
        (bits,) = term.aligned(sides[0])
        torch.testing.assert_close(bits, sides[0].output.tanh())
    # Codes of one class are like each other.
    codes = model.codes(Xt)
    assert codes.shape == (60, 16) and codes.dtype == bool
    apart = (codes[:, None] != codes[None]).sum(2)
    alike = yt[:, None] == yt
    assert apart[alike].mean() < 0.5 * apart[~alike].mean()
    assert set(Retrieval(**LEARNING).fit(Xs, ys, Xt, yt).predict(Xt)) <= {0, 1}
    assert not hasattr(Retrieval(), "predict_proba") and hasattr(Retrieval(), "predict")


@pytest.mark.parametrize("term", [TargetEntropy(), MinimumClassConfusion()])
def test_terms_that_need_classes_refuse_codes_and_numbers(term):
    Xs, ys, Xt, _ = two_domains()
    name = type(term).__name__
    with pytest.raises(ValueError, match=f"{name} looks at class .* outputs are codes"):
        Hashing(terms=[term]).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match=f"{name} looks at class .* outputs are a regressor's"):
        DeepTransferRegressor([term], **SMALL).fit(Xs, 1.0 * ys, Xt)


def test_a_single_class_column_is_no_regression():
    """What the output is hangs on the head, not on how many columns it has."""
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    one = Activations((x,), x[:, :1], None, head=ClassHead(3, 1))
    assert (one.prediction() == 1).all()
    assert torch.equal(one._replace(head=NumberHead(3)).prediction(), x[:, :1])
    three = Activations((x,), x, None, head=NumberHead(3, 3))
    assert torch.equal(three.prediction(), x)
    assert torch.equal(three.detach().prediction(), x) and three.detach().head is three.head


def test_the_heads_weights_keep_their_names():
    Xs, ys, Xt, yt = two_domains()
    for model in (DeepTransferClassifier([MMD()], **SMALL), FineTuning(**SMALL)):
        network = model.fit(Xs, ys, Xt, yt + 3 * isinstance(model, FineTuning)).net_.module_
        names = [name for name in network.state_dict() if not name.startswith("layers.")]
        first = names[-2:] if isinstance(model, FineTuning) else []  # the source's head is kept
        assert names == ["head.weight", "head.bias", *first] and type(network.head) is ClassHead
        assert first in ([], ["source_head.weight", "source_head.bias"])
    network = DeepTransferRegressor(**SMALL).fit(Xs, 1.0 * ys, Xt).net_.module_
    assert type(network.head) is NumberHead and network.head.out_features == 1
