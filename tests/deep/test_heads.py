"""Heads by hand: what each kind of output loses, says and predicts, and networks of several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skdtl.deep.heads import ClassHead, CodeHead, Head, NumberHead
from skdtl.deep.network import NetworkOfManyHeads

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


def test_the_loss_of_several_heads_is_the_sum_of_their_means():
    network, x = two_sources(), torch.randn(8, 5)
    domains = torch.tensor([1, 1, 2, 2, 2, -1, -1, 3])
    y = torch.tensor([0, 1, 3, 2, -1, 1, -1, -1])  # none of source 3 has a label
    features, output = network.activations(x, domains)
    expected = 0.0
    for head, rows in ((network.head, [0, 1, 5]), (network.heads["2"], [2, 3])):
        log_p = head(features[-1][rows]).log_softmax(1)
        expected -= log_p[torch.arange(len(rows)), y[rows]].mean().item()
    assert network.loss(output, y, domains).item() == pytest.approx(expected, rel=1e-6)
