"""DeepHashing against slow transcriptions of the paper, and what its codes find."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skdtl import DeepHashing, DeepTransferClassifier, RetrievalScorer
from skdtl.deep.alignments.multi_kernel_mmd import MULTIPLIERS
from skdtl.deep.codes import class_affinities, quantization_loss
from skdtl.deep.heads import CodeHead, pairwise_loss
from skdtl.metrics import hamming_neighbors

from ..deep_common import SMALL, weights
from ..shifts import shifted_feature, three_classes, two_domains

RNG = np.random.default_rng(0)
U, V = RNG.normal(size=(6, 4)), RNG.normal(size=(5, 4))
Y = np.array([0, 2, -1, 2, 0, 0])  # the third row has no label


def slow_pairwise_loss(u, y, weight):
    """Return Σ W_ij [log(1 + e^a) - s a] / Σ W_ij over all pairs, a row with itself included."""
    total = divisor = 0.0
    for i in range(len(u)):
        for j in range(len(u)):
            if y[i] < 0 or y[j] < 0:
                continue
            a = sum(u[i, k] * u[j, k] for k in range(u.shape[1])) / 2
            alike = y[i] == y[j]
            w = weight if alike else 1.0
            total += w * (math.log1p(math.exp(a)) - (a if alike else 0.0))
            divisor += w
    return total / divisor


def slow_probabilities(v, u, y, n_classes):
    """Return p_ij = Σ_{k in class j} exp⟨v_i, u_k⟩ / Σ all; classes count equally many rows."""
    p = np.zeros((len(v), n_classes))
    for i in range(len(v)):
        for j in range(n_classes):
            members = [k for k in range(len(u)) if y[k] == j]
            if members:
                p[i, j] = sum(math.exp(v[i] @ u[k]) for k in members) / len(members)
        p[i] /= p[i].sum()
    return p


# -- the terms by hand -----------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1.0, 10.0, 0.3])
def test_the_pairwise_loss_is_the_papers(weight):
    loss = pairwise_loss(torch.tensor(U), torch.tensor(Y), weight)
    assert loss.item() == pytest.approx(slow_pairwise_loss(U, Y, weight), rel=1e-12)
    if weight == 1:
        assert CodeHead.loss(torch.tensor(U), torch.tensor(Y)).item() == loss.item()


def test_the_pairwise_loss_is_stable():
    u = torch.tensor([[100.0, 0.0], [-100.0, 0.0]], requires_grad=True)
    alike = pairwise_loss(u, torch.tensor([0, 0]), 1.0)
    assert alike.item() == pytest.approx(2 * 5000 / 4)  # a = -5000 for two pairs of four
    alike.backward()
    assert u.grad.isfinite().all()
    assert pairwise_loss(u, torch.tensor([0, 1]), 1.0).item() == 0


def test_the_quantisation_loss_is_the_distance_from_the_signs():
    expected = ((np.sign(U) - U) ** 2).mean()
    assert quantization_loss(torch.tensor(U)).item() == pytest.approx(expected, rel=1e-12)


def test_affinities_are_the_papers_probabilities():
    y = np.array([2, 0, 0, 2, 0, 2])  # equally many, in any order, and no row of class 1
    found = class_affinities(torch.tensor(V), torch.tensor(U), torch.tensor(y)).softmax(1)
    expected = slow_probabilities(V, U, y, 3)
    np.testing.assert_allclose(found, expected[:, [0, 2]], rtol=1e-12)
    y = np.array([1, 0, 0, 2, 0, 2])  # of three classes, not equally many
    found = class_affinities(torch.tensor(V), torch.tensor(U), torch.tensor(y)).softmax(1)
    np.testing.assert_allclose(found, slow_probabilities(V, U, y, 3), rtol=1e-12)
    far = class_affinities(torch.full((1, 4), 500.0), torch.full((2, 4), 500.0), torch.arange(2))
    assert far.isfinite().all()


# -- the loss of a step ----------------------------------------------------------------------------


def slow_mmd2(s, t):
    """Return the unbiased estimate, by a mean of Gaussians around the median distance."""
    joint, n = torch.cat([s, t]), len(s)
    squares = (joint[:, None] - joint[None]).square().sum(2)
    median = squares[torch.triu_indices(len(joint), len(joint), 1).unbind()].median().detach()
    kernel = sum((-squares / (2 * m * median)).exp() for m in MULTIPLIERS) / len(MULTIPLIERS)
    within = [
        (part.sum() - part.diagonal().sum()) / (len(part) * (len(part) - 1))
        for part in (kernel[:n, :n], kernel[n:, n:])
    ]
    return within[0] + within[1] - 2 * kernel[:n, n:].mean()


def test_the_loss_is_the_papers_to_the_last_gradient():
    Xs, ys, Xt, yt = three_classes(0)
    rows = np.concatenate([np.flatnonzero(ys == code)[:20] for code in range(3)])
    Xs, ys = Xs[rows], ys[rows]  # equally many of each class, in one batch
    few = np.where(np.arange(len(yt)) < 10, yt, np.nan)
    options = {**SMALL, "optimizer": "sgd", "momentum": 0.0, "max_epochs": 1, "batch_size": 99}
    options |= {"n_bits": 6, "similar_weight": 5.0, "lam": 0.7, "entropy_weight": 0.4}
    options |= {"quantization_weight": 0.3}
    still = DeepHashing(lr=1e-30, **options).fit(Xs, ys, Xt, few)
    model = DeepHashing(lr=0.5, **options).fit(Xs, ys, Xt, few)

    network = copy.deepcopy(still.net_.module_).double()
    hidden = [network.features(torch.as_tensor(X))[-1] for X in (Xs, Xt)]
    u, v = (network.head(h) for h in hidden)
    both, y = torch.cat([u, v[:10]]), torch.as_tensor(np.concatenate([ys, yt[:10]]))
    alike = (y[:, None] == y).double()
    W, a = 1 + 4 * alike, both @ both.T / 2
    pairs = (W * ((1 + a.exp()).log() - alike * a)).sum() / W.sum()
    quantisation = (u.sign() - u).square().mean()
    mmd = slow_mmd2(*hidden) + slow_mmd2(u.tanh(), v.tanh())
    odds = (v[10:] @ u.T).exp()
    classes = torch.as_tensor(ys)
    p = torch.stack([odds[:, classes == j].sum(1) for j in range(3)], 1) / odds.sum(1)[:, None]
    entropy = -(p * p.log()).sum(1).mean()
    loss = pairs + 0.3 * quantisation + 0.7 * (mmd + 0.4 * entropy)
    loss.backward()

    epoch = model.history_[0]
    assert epoch["task_loss"] == pytest.approx(pairs.item(), rel=1e-5)
    assert pairs.item() == pytest.approx(
        slow_pairwise_loss(both.detach().numpy(), y.numpy(), 5.0), rel=1e-9
    )
    assert epoch["quantization"] == pytest.approx(quantisation.item(), rel=1e-5)
    assert epoch["mmd"] == pytest.approx(mmd.item(), rel=1e-3, abs=1e-5)
    assert epoch["target_entropy"] == pytest.approx(entropy.item(), rel=1e-5)
    assert model.loss_curve_[0] == pytest.approx(loss.item(), rel=1e-5)
    for start, learnt in zip(network.parameters(), weights(model), strict=True):
        np.testing.assert_allclose(learnt, (start - 0.5 * start.grad).detach(), atol=2e-5)


def test_balanced_pairs_count_as_much_as_others():
    Xs, ys, Xt, _ = three_classes(0)
    by_name, by_number = (
        DeepHashing(similar_weight=w, **SMALL).fit(Xs, ys, Xt) for w in ("balanced", 2.0)
    )
    assert by_name.history_[:, "task_loss"] == by_number.history_[:, "task_loss"]


class Counts(Callback):
    """Count the labelled rows of each class in every batch, for all copies together."""

    seen: list[list[int]] = []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.seen.append(batch.labelled.y.bincount(minlength=3).tolist())


def test_batches_have_as_many_source_rows_of_each_class():
    Xs, ys, Xt, _ = three_classes(0)
    rows = np.concatenate([np.flatnonzero(ys == 0)[:5], np.flatnonzero(ys > 0)])
    Counts.seen.clear()
    DeepHashing(callbacks=[Counts()], **SMALL).fit(Xs[rows], ys[rows], Xt)
    assert Counts.seen and all(len(set(counts)) == 1 for counts in Counts.seen)
    Counts.seen.clear()


# -- codes, anchors and predictions ----------------------------------------------------------------

LEARNING = {**SMALL, "max_epochs": 60, "lr": 0.01, "n_bits": 12}


@pytest.fixture(scope="module")
def fitted():
    Xs, ys, Xt, yt = three_classes(0)
    return DeepHashing(**LEARNING).fit(Xs, np.array(["a", "b", "c"])[ys], Xt), Xs, ys, Xt


def outputs_of(model, X):
    """Return the network's output in float64, by its weights."""
    network = copy.deepcopy(model.net_.module_).double().eval()
    with torch.no_grad():
        return network(torch.as_tensor(X, dtype=torch.float64)).numpy()


def test_codes_are_signs(fitted):
    model, Xs, _, Xt = fitted
    for X in (Xs, Xt):
        codes = model.transform(X)
        np.testing.assert_array_equal(codes, np.where(outputs_of(model, X) > 0, 1, -1))
        packed = model.pack(X)
        assert packed.dtype == np.uint8 and packed.shape == (len(X), 2)
        np.testing.assert_array_equal(np.unpackbits(packed, axis=1, count=12), codes > 0)
    names = model.get_feature_names_out()
    assert len(names) == 12 and names[0] == "deephashing0"
    frame = pytest.importorskip("pandas").DataFrame
    model = copy.deepcopy(model).set_output(transform="pandas")
    assert isinstance(model.transform(Xt), frame)
    np.testing.assert_array_equal(model.pack(Xt), packed)
    features = model.set_params(transform_layer=-1).set_output(transform="default").transform(Xt)
    hidden = copy.deepcopy(model.net_.module_).double().eval().features(torch.as_tensor(Xt))[-1]
    np.testing.assert_allclose(features, hidden.detach(), rtol=1e-9, atol=1e-12)
    assert len(model.get_feature_names_out()) == 16
    np.testing.assert_array_equal(model.pack(Xt), packed)


def test_the_source_is_what_predictions_go_by(fitted):
    """The anchors are codes of five source rows of each class, and probabilities the paper's."""
    model, Xs, ys, Xt = fitted
    anchors = model.net_.module_.anchors.double().numpy()
    assert anchors.shape == (3, 5, 12)
    of_source = outputs_of(model, Xs)
    for code in range(3):
        own = of_source[ys == code]
        apart = np.abs(anchors[code][:, None] - own).max(axis=2)
        assert (apart.min(axis=1) < 1e-5).all() and len(set(apart.argmin(axis=1))) == 5
    p = slow_probabilities(
        outputs_of(model, Xt), anchors.reshape(15, 12), np.repeat(range(3), 5), 3
    )
    np.testing.assert_allclose(model.predict_proba(Xt), p, rtol=1e-9)
    assert (model.predict(Xt) == np.array(["a", "b", "c"])[p.argmax(axis=1)]).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(Xt)), p, rtol=1e-9)
    assert (model.decision_function(Xt).argmax(axis=1) == p.argmax(axis=1)).all()


def test_anchors_are_kept(fitted, tmp_path):
    pytest.importorskip("safetensors")
    model, _, _, Xt = fitted
    model.save_weights(tmp_path / "codes")
    loaded = DeepHashing(**LEARNING).load_weights(tmp_path / "codes")
    for twin in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(twin.predict_proba(Xt), model.predict_proba(Xt))
        np.testing.assert_array_equal(twin.pack(Xt), model.pack(Xt))
    with pytest.raises(ValueError, match="with n_bits=12, but here it is 16"):
        DeepHashing(**{**LEARNING, "n_bits": 16}).load_weights(tmp_path / "codes")
    with pytest.raises(ValueError, match="with n_anchors=5, but here it is 2"):
        DeepHashing(**LEARNING, n_anchors=2).load_weights(tmp_path / "codes")


def test_a_class_with_few_rows_has_few_anchors():
    Xs, ys, Xt, _ = three_classes(0)
    rows = np.concatenate([np.flatnonzero(ys == 0)[:2], np.flatnonzero(ys > 0)])
    model = DeepHashing(**LEARNING).fit(Xs[rows], ys[rows], Xt)
    network = model.net_.module_
    assert network.n_known.tolist() == [2, 5, 5] and (network.anchors[0, 2:] == 0).all()
    y = np.repeat(range(3), [2, 5, 5])
    anchors = np.concatenate([network.anchors[k, :n].numpy() for k, n in enumerate((2, 5, 5))])
    p = slow_probabilities(outputs_of(model, Xt), anchors.astype(float), y, 3)
    np.testing.assert_allclose(model.predict_proba(Xt), p, rtol=1e-9)


def test_pieces_without_a_class_leave_its_anchors():
    Xs, ys, Xt, _ = three_classes(0)
    model = DeepHashing(**LEARNING)
    without = ys < 2
    model.partial_fit(Xs[without], ys[without], Xt, classes=[0, 1, 2])
    p = model.predict_proba(Xt)
    assert (p[:, 2] == 0).all() and set(model.predict(Xt)) <= {0, 1}
    model.partial_fit(Xs, ys, Xt)
    known = model.net_.module_.anchors[2].clone()
    model.partial_fit(Xs[without], ys[without], Xt)
    assert torch.equal(model.net_.module_.anchors[2], known)
    assert (model.predict_proba(Xt)[:, 2] > 0).all()


# -- what is learnt --------------------------------------------------------------------------------


def test_quantisation_brings_outputs_to_the_signs():
    Xs, ys, Xt, _ = three_classes(0)
    apart = []
    for weight in (0.0, 3.0):
        model = DeepHashing(quantization_weight=weight, **LEARNING).fit(Xs, ys, Xt)
        apart.append(np.mean((np.abs(outputs_of(model, Xs)) - 1) ** 2))
    assert apart[1] < 0.5 * apart[0]


def test_entropy_makes_target_rows_decided():
    Xs, ys, Xt, _ = three_classes(0)
    entropies = []
    for weight in (0.0, 1.0):
        model = DeepHashing(entropy_weight=weight, lam=1.0, **{**LEARNING, "n_bits": 4})
        p = model.fit(Xs, ys, Xt).predict_proba(Xt)
        entropies.append(-np.mean(np.sum(p * np.log(np.maximum(p, 1e-300)), axis=1)))
    assert entropies[1] < 0.7 * entropies[0]


def test_target_rows_find_their_like_in_the_source():
    """Where the clearest feature has moved, which misleads codes of the source alone."""
    gains, accuracies = [], []
    for seed in range(3):
        Xs, ys, Xt, yt = shifted_feature(seed, n=200)
        found = RetrievalScorer(Xs, ys)
        options = {**LEARNING, "random_state": seed}
        adapted = DeepHashing(lam=3.0, **options).fit(Xs, ys, Xt)
        alone = DeepHashing(lam=0.0, **options).fit(Xs, ys, Xt)
        gains.append(found(adapted, Xt, yt) - found(alone, Xt, yt))
        accuracies.append(adapted.score(Xt, yt) - alone.score(Xt, yt))
        _, nearest = hamming_neighbors(adapted.pack(Xt), adapted.pack(Xs), 5)
        assert (ys[nearest] == yt[:, None]).mean() > 0.7
    assert min(gains) > 0.1 and np.mean(gains) > 0.15 and np.mean(accuracies) > 0.15


def test_no_harm_where_nothing_has_shifted():
    losses = []
    for seed in range(3):
        Xs, ys, Xt, yt = two_domains(seed, n_source=300, n_target=300)
        Xt[:, 2] -= 1.5  # the shift is taken back
        options = {"batch_size": 64, "min_steps": 300, "max_epochs": 60, "random_state": seed}
        plain = DeepTransferClassifier(**options).fit(Xs, ys, Xt)
        losses.append(plain.score(Xt, yt) - DeepHashing(**options).fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(losses) < 0.02
