from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch.nn import functional as F

from skdtl import (
    DeepTransferClassifier,
    DeepTransferRegressor,
    FineTuning,
    LabelEfficientTransfer,
)
from skdtl.deep import Activations, ClassCentreSimilarity
from skdtl.deep.alignments import reverse_gradient

from ..deep_common import SMALL, same_weights
from ..shifts import two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(8, 3)), RNG.normal(size=(6, 3)) + 0.5
YS, YT = np.array([0, 1, 2, 2, 0, 1, 1, 2]), np.array([1, -1, 0, -1, 1, -1])


@pytest.fixture(autouse=True)
def _torch_state():
    with torch.random.fork_rng():
        yield


def act(features, y=None) -> Activations:
    features = torch.as_tensor(features)
    output = torch.zeros(len(features), 3, dtype=features.dtype)
    return Activations((features,), output, None if y is None else torch.as_tensor(y))


def similarity(**options) -> ClassCentreSimilarity:
    made = ClassCentreSimilarity(**options)
    made.initialize([3], 3)
    return made.double()


# -- the alignment ---------------------------------------------------------------------------------


def slow_omega(xs, ys, xt, yt, temperature, cosine, centres=("source", "target")):
    """Transcribe the loss: centres first, then row by row, class by class."""
    omega = 0.0
    for domain, x_known, y_known in (("source", xs, ys), ("target", xt, yt)):
        if domain not in centres:
            continue
        classes = sorted({k for k in y_known.tolist() if k >= 0})
        middle = {k: x_known[y_known == k].mean(axis=0) for k in classes}
        entropies, own = [], []
        for x, y in zip(xt, yt):
            sims = {k: float(x @ c) for k, c in middle.items()}
            if cosine:
                sims = {
                    k: s / np.linalg.norm(x) / np.linalg.norm(middle[k]) for k, s in sims.items()
                }
            odds = {k: math.exp(s / temperature) for k, s in sims.items()}
            p = {k: o / sum(odds.values()) for k, o in odds.items()}
            if y < 0:
                entropies.append(-sum(v * math.log(v) for v in p.values()))
            elif domain == "target":
                own.append(-math.log(p[y]))
        omega += np.mean(entropies) + (np.mean(own) if own else 0.0)
    return omega


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("centres", ["both", "source", "target"])
def test_similarity_is_the_sum_of_the_entropies_and_the_labelled_rows_cross_entropy(
    cosine, centres
):
    options = {"temperature": 0.6, "similarity": "cosine" if cosine else "dot"}
    made = similarity(centres=centres, **options)
    source, target = act(XS, YS), act(XT, YT)
    made.before_step(source, target)
    compared = ("source", "target") if centres == "both" else (centres,)
    expected = slow_omega(XS, YS, XT, YT, 0.6, cosine, compared)
    assert made(source, target).item() == pytest.approx(expected, rel=1e-10)
    assert made.penalty(source, target, 0.3).item() == pytest.approx(0.3 * expected, rel=1e-10)
    assert made.observed["centre_entropy"].item() == pytest.approx(expected, rel=1e-10)
    assert made(source, target).item() == pytest.approx(expected, rel=1e-10)  # no trace of a look


@pytest.mark.parametrize("kind", ["cosine", "dot"])
def test_similarity_gradient_takes_the_centres_for_constants(kind):
    made = similarity(temperature=0.6, similarity=kind)
    made.before_step(act(XS, YS), act(XT, YT))
    xs, xt = torch.tensor(XS, requires_grad=True), torch.tensor(XT, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: made(act(XS, YS), act(x, YT)), (xt,))
    made(act(xs, YS), act(xt, YT)).backward()
    assert xs.grad is None and (xt.grad.abs().sum(1) > 0).all()


def test_entropy_is_between_zero_and_the_logarithm_of_the_number_of_classes():
    source = act(np.eye(3), np.arange(3))
    made = similarity(centres="source", temperature=0.01)
    made.before_step(source, source)
    assert made(source, act(np.eye(3))).item() == pytest.approx(0, abs=1e-12)
    assert made(source, act(np.ones((2, 3)))).item() == pytest.approx(math.log(3))
    one = similarity(centres="source")
    one.before_step(act(XS, np.zeros(8, dtype=int)), source)
    assert one(source, act(XT)).item() == pytest.approx(0, abs=1e-12)  # nothing to choose from


def test_centres_of_several_batches():
    made = similarity(momentum=0.5)
    first, second = act(XS, YS), act(3 * XS, np.array([0, 1, 1, 1, 0, 1, 1, 0]))
    made.before_step(first, act(XT, YT))
    made.before_step(second, act(-XT, np.array([-1, 0, -1, 0, -1, -1])))
    y = second.y.numpy()
    for k in (0, 1):
        then, now = k == YS, k == y
        mean = (0.5 * XS[then].sum(0) + 3 * XS[now].sum(0)) / (0.5 * then.sum() + now.sum())
        np.testing.assert_allclose(made.kept["source"].means()[k].numpy(), mean)
    np.testing.assert_allclose(made.kept["source"].means()[2].numpy(), XS[YS == 2].mean(0))
    mean = (0.5 * XT[2] - XT[1] - XT[3]) / 2.5
    np.testing.assert_allclose(made.kept["target"].means()[0].numpy(), mean)
    np.testing.assert_allclose(made.kept["target"].means()[1].numpy(), XT[YT == 1].mean(0))


def test_without_target_labels_only_the_source_is_there_to_compare_with():
    both, alone = similarity(), similarity(centres="source")
    target_only = similarity(centres="target")
    for target in (act(XT), act(XT, np.full(6, -1))):
        for made in (both, alone, target_only):
            made.before_step(act(XS, YS), target)
        omega = both(act(XS, YS), target).item()
        assert omega > 0 and omega == pytest.approx(alone(act(XS, YS), target).item())
        assert target_only(act(XS, YS), target).item() == 0


def test_a_label_of_a_class_without_a_centre_does_not_count():
    """Rows that are held out may have one that no batch had."""
    made, source = similarity(centres="target"), act(XS, YS)
    made.before_step(source, act(XT, YT))  # classes 0 and 1
    alone = made(source, act(XT[1:], YT[1:])).item()
    other = made(source, act(XT, np.where(np.arange(6) == 0, 2, YT))).item()
    assert other == pytest.approx(alone, rel=1e-12)


def test_every_layer_has_centres_of_its_own():
    made = ClassCentreSimilarity(layers=(0, 1), temperature=0.6)
    made.initialize([3, 2], 3)
    source = Activations(
        (torch.tensor(XS), torch.tensor(XS[:, :2])), torch.zeros(8, 3).double(), None
    )
    target = Activations(
        (torch.tensor(XT), torch.tensor(XT[:, :2])), torch.zeros(6, 3).double(), None
    )
    source, target = source._replace(y=torch.tensor(YS)), target._replace(y=torch.tensor(YT))
    made.double().before_step(source, target)
    expected = slow_omega(XS, YS, XT, YT, 0.6, True)
    expected += slow_omega(XS[:, :2], YS, XT[:, :2], YT, 0.6, True)
    assert made(source, target).item() == pytest.approx(expected, rel=1e-10)


def test_dead_features_give_no_nan():
    made = ClassCentreSimilarity()
    made.initialize([3], 3)
    source, x = act(np.zeros((8, 3), dtype=np.float32), YS), torch.zeros(6, 3, requires_grad=True)
    made.before_step(source, act(x, YT).detach())
    made(source, act(x, YT)).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"similarity": "euclidean"},
        {"centres": "all"},
        {"momentum": 1.0},
        {"weight": -1.0},
    ],
)
def test_illegal_alignments(options):
    with pytest.raises(ValueError, match="must be"):
        ClassCentreSimilarity(**options)


def test_similarity_is_for_classes_and_stands_alone():
    Xs, ys, Xt, yt = two_domains(regression=True)
    with pytest.raises(ValueError, match="ClassCentreSimilarity looks at"):
        DeepTransferRegressor([ClassCentreSimilarity()], **SMALL).fit(Xs, ys, Xt)
    Xs, ys, Xt, yt = two_domains()
    plain, drawn = (
        DeepTransferClassifier([ClassCentreSimilarity()], lam, **{**SMALL, "max_epochs": 20}).fit(
            Xs, ys, Xt, np.where(np.arange(60) < 10, yt, -1)
        )
        for lam in (0.0, 1.0)
    )
    entropies = [model.history_[-1]["centre_entropy"] for model in (plain, drawn)]
    assert entropies[1] < entropies[0] - 0.1


# -- the method ------------------------------------------------------------------------------------


def new_classes(seed=0, n=90, n_labels=4):
    """Return a source with classes "a", "b", "c" and a target with "x", "y", few with labels."""
    rng = np.random.default_rng(seed)
    middle = 2 * rng.normal(size=(5, 5))
    ys, yt = rng.integers(3, size=n), rng.integers(3, 5, size=n)
    yt[:n_labels] = 3 + np.arange(n_labels) % 2
    Xs, Xt = rng.normal(size=(n, 5)) + middle[ys], rng.normal(size=(n, 5)) + middle[yt] + 0.5
    names = np.array(["a", "b", "c", "x", "y"], dtype=object)
    few = np.where(np.arange(n) < n_labels, names[yt], None)
    return Xs, names[ys], Xt, names[yt], few


def test_it_predicts_the_targets_classes():
    Xs, ys, Xt, yt, few = new_classes()
    model = LabelEfficientTransfer(**{**SMALL, "max_epochs": 30}).fit(Xs, ys, Xt, few)
    assert model.classes_.tolist() == ["x", "y"]
    assert model.source_classes_.tolist() == ["a", "b", "c"]
    assert model.predict_proba(Xt).shape == (90, 2)
    assert model.score(Xt[4:], yt[4:]) > 0.9
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(Xt), model.predict_proba(Xt))
    assert same_weights(copy.deepcopy(model), model)


class Keep(Callback):
    """Keep what a training begins with."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.network = copy.deepcopy(net.module_)
        if len(net.alignments_):
            self.adversary = copy.deepcopy(net.alignments_[0].discriminator)


@pytest.mark.parametrize("same", [False, True])
def test_training_is_the_papers_loss_in_bare_torch(same):
    """Full batches, plain gradient descent: three steps of a loop that is written out here."""
    Xs, ys, Xt, yt, few = new_classes()
    if same:
        few = np.where(few == "x", "a", np.where(few == "y", "c", None))
    options = {**SMALL, "batch_size": 500, "hidden_layer_sizes": (8, 6), "max_epochs": 3}
    options |= {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "pretrain_epochs": 5}
    method = {"temperature": 0.5, "discriminator_layer_sizes": ()}
    lam, beta, factor = 0.3, 0.7, 0.5
    model = LabelEfficientTransfer(
        lam, beta=beta, backbone_lr_factor=factor, callbacks=[Keep()], **method, **options
    ).fit(Xs, ys, Xt, few)
    begun = model.net_.callbacks[0]
    network, adversary = begun.network.double(), begun.adversary.double()
    x_source, x_target = torch.tensor(Xs), torch.tensor(Xt)
    y_source = torch.as_tensor(np.searchsorted(["a", "b", "c"], ys.astype(str)))
    known = torch.as_tensor(np.array([label is not None for label in few]))
    classes = model.classes_.tolist()
    y_known = torch.as_tensor([classes.index(label) for label in few if label is not None])
    source_head = network.head if same else network.source_head
    parameters = list(network.layers.parameters())
    heads = list(network.head.parameters()) + ([] if same else list(source_head.parameters()))
    heads += list(adversary.parameters())
    means = {}
    for _ in range(3):
        f_source, f_target = network.features(x_source), network.features(x_target)
        loss = F.cross_entropy(source_head(f_source[-1]), y_source)
        loss = loss + F.cross_entropy(network.head(f_target[-1])[known], y_known)
        both = torch.cat([torch.cat(f_source, 1), torch.cat(f_target, 1)])
        z = adversary(reverse_gradient(both, lam))[:, 0]
        loss = loss + F.softplus(-z[:90]).mean() + F.softplus(z[90:]).mean()
        for name, x, y, n in (
            ("source", f_source[-1].detach(), y_source, 3),
            ("target", f_target[-1].detach()[known], y_known, len(classes)),
        ):
            totals, counts = means.get(name, (0.0, 0.0))
            now = torch.stack([x[y == k].sum(0) for k in range(n)])
            means[name] = 0.9 * totals + now, 0.9 * counts + torch.bincount(y, minlength=n)
            present = means[name][1] > 0
            centres = (means[name][0] / means[name][1].clamp(min=1e-9)[:, None])[present]
            log_p = (F.normalize(f_target[-1]) @ F.normalize(centres).T / 0.5).log_softmax(1)
            loss = loss - beta * (log_p.exp() * log_p).sum(1)[~known].mean()
            if name == "target":
                place = present.cumsum(0)[y_known] - 1
                loss = loss + beta * F.nll_loss(log_p[known], place)
        slopes = torch.autograd.grad(loss, [*parameters, *heads])
        with torch.no_grad():
            for parameter, slope in zip([*parameters, *heads], slopes):
                rate = 0.1 * (factor if any(parameter is p for p in parameters) else 1.0)
                parameter -= rate * slope
    fitted = model.net_.module_
    for mine, other in zip(fitted.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-5)
    trained = model.net_.alignments_[0].discriminator
    for mine, other in zip(trained.parameters(), adversary.parameters(), strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-5)


def test_the_network_begins_with_what_the_source_taught_it():
    Xs, ys, Xt, _, few = new_classes()
    with pytest.warns(UserWarning, match="without a target"):
        plain = DeepTransferClassifier(**{**SMALL, "max_epochs": 2}).fit(Xs, ys)
        alone = LabelEfficientTransfer(pretrain_epochs=2, **SMALL).fit(Xs, ys)
    assert same_weights(plain, alone)
    model = LabelEfficientTransfer(pretrain_epochs=2, callbacks=[Keep()], **SMALL)
    model.fit(Xs, ys, Xt, few)
    assert len(model.pretrain_history_) == 2 and model.n_iter_ == 4
    begun = model.net_.callbacks[0].network
    for mine, other in (
        (begun.layers, plain.net_.module_.layers),
        (begun.source_head, plain.net_.module_.head),
    ):
        for a, b in zip(mine.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
    default = LabelEfficientTransfer(**SMALL).fit(Xs, ys, Xt, few)
    assert len(default.pretrain_history_) == 4
    # Where the classes are the source's, so is the head.
    some = np.where(few == "x", "a", np.where(few == "y", "b", None))
    model.fit(Xs, ys, Xt, some)
    begun = model.net_.callbacks[0].network
    assert torch.equal(begun.head.weight, plain.net_.module_.head.weight)
    assert begun.source_head is None and model.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("n_source", [2, 3])
def test_a_warm_start_goes_on_with_both_heads(n_source):
    Xs, ys, Xt, _, few = new_classes()
    rows = np.isin(ys, ["a", "b", "c"][:n_source])  # as many classes as the target has, or more
    options = {**SMALL, "max_epochs": 20, "warm_start": True}
    first = LabelEfficientTransfer(**options).fit(Xs[rows], ys[rows], Xt, few)
    before = copy.deepcopy(first.net_.module_.state_dict())
    still = first.set_params(lr=1e-30, random_state=1).fit(Xs[rows], ys[rows], Xt, few)
    for name, value in still.net_.module_.state_dict().items():
        torch.testing.assert_close(value, before[name], msg=name)
    others = np.where(ys == "a", "d", ys).astype(object)
    with pytest.raises(ValueError, match="source_classes_ was"):
        first.fit(Xs[rows], others[rows], Xt, few)


def test_frozen_layers_by_a_factor_of_zero():
    Xs, ys, Xt, _, few = new_classes()
    model = LabelEfficientTransfer(backbone_lr_factor=0.0, callbacks=[Keep()], **SMALL)
    model.fit(Xs, ys, Xt, few)
    begun, ended = model.net_.callbacks[0].network, model.net_.module_
    for a, b in zip(begun.layers.parameters(), ended.layers.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(begun.head.weight, ended.head.weight)


def test_lambda_and_beta_zero_moderate_and_large():
    Xs, ys, Xt, _, few = new_classes()
    options = {**SMALL, "max_epochs": 60}

    def last(lam, beta):
        model = LabelEfficientTransfer(lam, beta=beta, **options).fit(Xs, ys, Xt, few)
        return model.history_[-1]

    none, drawn = last(0.0, 0.0), last(0.0, 1.0)
    confused, drowned = last(1.0, 0.0), last(100.0, 0.0)
    assert none["domain_accuracy"] > confused["domain_accuracy"] + 0.02
    assert none["centre_entropy"] > drawn["centre_entropy"] + 0.1
    assert drowned["task_loss"] > none["task_loss"] + 0.05


def test_beta_does_not_follow_the_schedule_of_lambda():
    Xs, ys, Xt, _, few = new_classes()
    off = LabelEfficientTransfer(lambda p: 0.0, **SMALL).fit(Xs, ys, Xt, few)
    assert same_weights(off, LabelEfficientTransfer(0.0, **SMALL).fit(Xs, ys, Xt, few))
    nothing = LabelEfficientTransfer(0.0, beta=0.0, **SMALL).fit(Xs, ys, Xt, few)
    assert not same_weights(off, nothing)


def test_target_labels_are_needed():
    Xs, ys, Xt, _, _ = new_classes()
    with pytest.raises(ValueError, match="labelled target rows"):
        LabelEfficientTransfer(**SMALL).fit(Xs, ys, Xt)


def hidden_subspace(seed, n=500, n_labels=3, shift=4.0):
    """Return a source with 7 classes and a target with 5 others, 3 labels for each.

    Six of 60 directions tell all twelve classes apart, the rest is noise twice as wide, and two
    directions of the noise are shifted in the target.
    """
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(60, 60)))[0]
    middle = 1.5 * rng.normal(size=(12, 6))
    sides = []
    for classes, moved in ((range(7), 0.0), (range(7, 12), shift)):
        y = rng.choice(classes, n)
        x = np.concatenate([middle[y] + rng.normal(size=(n, 6)), 2 * rng.normal(size=(n, 54))], 1)
        x[:, 6:8] += moved, -moved
        sides += [x @ turn.T / 2, y]
    few = np.full(n, np.nan)
    for k in range(7, 12):
        few[rng.choice(np.flatnonzero(sides[3] == k), n_labels, replace=False)] = k
    return *sides, few


def test_new_classes_in_a_subspace_that_the_source_shows():
    scores = []
    for seed in range(3):
        Xs, ys, Xt, yt, few = hidden_subspace(seed)
        known = ~np.isnan(few)
        options = {"max_epochs": 40, "random_state": seed}
        full = {"lam": 1.0, "beta": 1.0}
        models = [
            LabelEfficientTransfer(**full, **options).fit(Xs, ys, Xt, few),
            LabelEfficientTransfer(0.0, beta=0.0, **options).fit(Xs, ys, Xt, few),
            FineTuning(**{**options, "max_epochs": 200}, pretrain_epochs=40).fit(Xs, ys, Xt, few),
        ]
        with pytest.warns(UserWarning, match="without a target"):
            alone = DeepTransferClassifier(**{**options, "max_epochs": 200})
            models.append(alone.fit(Xt[known], few[known].astype(int)))
        scores.append([model.score(Xt[~known], yt[~known]) for model in models])
    method, without, tuned, alone = np.mean(scores, axis=0)
    assert method > without + 0.05 and method > tuned + 0.02 and method > alone + 0.15
