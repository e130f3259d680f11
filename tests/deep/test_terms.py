"""Terms: what they see of a step, when they act, and what they need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, DeepTransferRegressor, FineTuning, NoTargetWarning, stack
from skdtl.deep import (
    MMD,
    Alignment,
    ClassHead,
    Needs,
    NumberHead,
    SoftLabels,
    TargetEntropy,
    Term,
    Unscheduled,
)
from skdtl.deep.batches import PairedBatches

from ..deep_common import SMALL, same_weights, weights
from ..shifts import two_domains


class Spy(Term):
    """Notes what it is called with, and adds a constant."""

    name = "spied"

    def attach(self, network):
        self.attached = [p.detach().clone() for p in network.parameters()]
        self.calls = []

    def prepare(self, step):
        self.calls.append(("prepare", step))

    def value(self, step):
        self.calls.append(("value", step))
        return step.labelled.output.new_full((), 2.0)

    def after_step(self, step):
        self.calls.append(("after", step))


class PairedSpy(Spy):
    needs = Needs(target=True)


def small(*terms, cls=DeepTransferClassifier, **options):
    return cls(terms, **{**SMALL, **options})


def spy_of(estimator) -> Spy:
    return estimator.net_.alignments_[0]


# -- the step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [None, "half"])
@pytest.mark.parametrize("regression", [False, True])
def test_a_term_sees_the_whole_step(regression, labels):
    Xs, ys, Xt, yt = two_domains(n_source=60, n_target=30, regression=regression)
    given = None if labels is None else np.where(np.arange(30) < 15, yt, np.nan)
    cls = DeepTransferRegressor if regression else DeepTransferClassifier
    ids = np.r_[np.ones(40, int), np.full(20, 3)]
    X, y, domain = stack([Xs[:40], Xs[40:]], [ys[:40], ys[40:]], Xt, given)
    domain = np.where(domain == 2, 3, domain)
    model = small(PairedSpy(0.5), cls=cls, lam=lambda p: 3 * p + 1, max_epochs=2, batch_size=30)
    model.fit(X, y, sample_domain=domain)
    spy = spy_of(model)
    assert [name for name, _ in spy.calls] == ["prepare", "value", "after"] * 4
    for k, (_, step) in enumerate(spy.calls):
        batch = k // 3
        assert step.network is model.net_.module_ and step.optimizer is model.net_.optimizer_
        assert step.progress == batch / 4 and step.lam == 0.5 * (3 * batch / 4 + 1)
        labelled, other = step.labelled, step.other
        assert len(labelled.output) == 30 and len(other.output) == 30
        assert labelled.head is step.network.head is other.head
        assert isinstance(labelled.head, NumberHead if regression else ClassHead)
        assert labelled.output.shape[1] == (1 if regression else 2)
        for side in (labelled, other):
            assert side.features[-1].shape == (30, 16) and side.features[-1].requires_grad
        assert torch.equal(step.source_rows, labelled.rows)
        assert torch.equal(step.target_rows, other.rows)
        assert torch.equal(step.source_y, labelled.y)
        assert torch.equal(step.domains, torch.cat([labelled.domains, other.domains]))
        # Rows, labels and domains belong together.
        for row, label, id_ in zip(labelled.rows, labelled.y, labelled.domains):
            at = np.flatnonzero((Xs.astype(np.float32) == row.numpy()).all(1))[0]
            assert id_ == ids[at]
            if not regression:
                assert label == ys[at]
        assert (other.domains == -1).all()
        if labels is None:
            assert other.y is None and step.target_y is None
        else:
            known = ~other.y.isnan() if regression else other.y >= 0
            assert (known.sum() == 15 and torch.equal(step.target_y, other.y)) or regression
    every = torch.cat([step.labelled.rows for name, step in spy.calls if name == "value"])
    assert len(every) == 120 and len(every.unique(dim=0)) == 60


def test_what_a_term_prepares_comes_before_the_loss_and_the_step_before_what_comes_after():
    Xs, ys, Xt, _ = two_domains()

    class Watch(Spy):
        def _note(self, name):
            self.calls.append((name, self.network.head.weight.detach().clone()))

        def attach(self, network):
            super().attach(network)
            object.__setattr__(self, "network", network)

        def prepare(self, step):
            self._note("prepare")

        def value(self, step):
            self._note("value")
            return step.labelled.output.square().mean()

        def after_step(self, step):
            self._note("after")

    model = small(Watch(), max_epochs=1, batch_size=100).fit(Xs, ys, Xt)
    (first, before), (second, at), (third, after) = spy_of(model).calls
    assert (first, second, third) == ("prepare", "value", "after")
    assert torch.equal(before, at) and not torch.equal(at, after)
    assert torch.equal(after, model.net_.module_.head.weight)


def test_a_term_is_attached_to_a_copy_with_the_first_weights():
    Xs, ys, Xt, _ = two_domains()
    given = Spy()
    model = small(given, lr=0.1).fit(Xs, ys, Xt)
    assert not hasattr(given, "attached")
    still = small(lr=1e-30).fit(Xs, ys, Xt)
    for start, expected in zip(spy_of(model).attached, weights(still), strict=True):
        np.testing.assert_array_equal(start, expected)
    assert not same_weights(model, still)


def test_steps_are_not_kept():
    Xs, ys, Xt, _ = two_domains()
    assert small(MMD()).fit(Xs, ys, Xt).net_.steps_ == []


# -- when it acts ----------------------------------------------------------------------------------


def test_a_term_acts_also_where_there_is_no_second_domain():
    Xs, ys, Xt, yt = two_domains(n_source=60)
    with pytest.warns(NoTargetWarning):
        model = small(Spy(), PairedSpy(), batch_size=30).fit(Xs, ys)
    alone, paired = model.net_.alignments_
    assert len(alone.calls) == 3 * 2 * 4 and not paired.calls
    assert all(step.other is None for _, step in alone.calls)
    assert model.history_[-1, "spied"] == 2 and "spied_2" not in model.history_[-1]
    assert model.history_[-1, "train_loss"] == pytest.approx(model.history_[-1, "task_loss"] + 2)
    both = small(Spy(), PairedSpy()).fit(Xs, ys, Xt)
    assert both.history_[-1, "spied"] == both.history_[-1, "spied_2"] == 2
    # Nothing looks at the target: its rows don't enter.
    ignoring = small(Spy()).fit(Xs, ys, Xt)
    assert all(step.other is None for _, step in spy_of(ignoring).calls)
    some = np.where(np.arange(len(yt)) < 7, yt, np.nan)
    taught = small(Spy()).fit(Xs, ys, Xt, some)
    assert all(len(step.other.y) == 7 for _, step in spy_of(taught).calls)


class SpiedTuning(FineTuning):
    def _terms(self):
        return [Spy(0.25)]


@pytest.mark.parametrize("with_source", [True, False])
def test_fine_tuning_calls_its_terms_in_the_second_stage(with_source):
    Xs, ys, Xt, yt = two_domains(n_target=40)
    some = np.where(np.arange(40) < 30, yt, np.nan)
    module = None if with_source else nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    source = (Xs, ys) if with_source else (None, None)
    model = SpiedTuning(module=module, **SMALL).fit(*source, Xt, some)
    spy = spy_of(model)
    assert len(spy.calls) == 3 * 4 and model.history_[-1, "spied"] == 2
    for _, step in spy.calls:
        assert step.other is None and (step.labelled.domains == -1).all() and step.lam == 0.25
        known = torch.as_tensor(Xt[:30], dtype=torch.float32).unique(dim=0)
        assert torch.equal(step.labelled.rows.unique(dim=0), known)
    if with_source:
        assert "spied" not in model.pretrain_history_[-1]
    plain = FineTuning(module=module, terms=(), **SMALL).fit(*source, Xt, some)
    assert same_weights(model, plain)  # a constant has no gradient
    assert model.loss_curve_ == pytest.approx([loss + 0.5 for loss in plain.loss_curve_])


def test_held_out_rows_are_valued_but_nothing_is_learnt_from_them():
    Xs, ys, Xt, _ = two_domains()
    model = small(Spy(), max_epochs=1, batch_size=100, validation_fraction=0.3).fit(Xs, ys, Xt)
    names = [name for name, _ in spy_of(model).calls]
    assert names == ["prepare", "value", "after", "value"]
    assert len(spy_of(model).calls[-1][1].labelled.rows) == 27
    epoch = model.history_[-1]
    assert epoch["valid_spied"] == 2
    assert epoch["valid_loss"] == pytest.approx(epoch["valid_task_loss"] + 2)


# -- λ ---------------------------------------------------------------------------------------------


class Small(Term):
    """The hidden layers' weights are to be small."""

    name = "size"

    def value(self, step):
        return sum(p.square().sum() for p in step.network.layers.parameters())


class SteadySmall(Unscheduled, Small):
    pass


def test_lambda_and_weight_multiply_the_gradient_of_a_term():
    Xs, ys, Xt, _ = two_domains()
    options = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "max_epochs": 1, "batch_size": 100}
    start = weights(small(**{**options, "lr": 1e-30}).fit(Xs, ys, Xt))
    plain = weights(small(**options).fit(Xs, ys, Xt))
    for term, lam, factor in (
        (Small(0.5), 0.6, 0.3),
        (SteadySmall(0.5), 0.6, 0.5),
        (SteadySmall(0.5), 0.0, 0.5),
        (Small(0.5), 0.0, 0.0),
        (Small(0.0), 0.6, 0.0),
    ):
        model = small(term, lam=lam, **options).fit(Xs, ys, Xt)
        for k, (a, b, s) in enumerate(zip(weights(model), plain, start, strict=True)):
            step = -0.1 * factor * 2 * s if k < 2 else 0 * s  # the head comes last
            np.testing.assert_allclose(a, b + step, atol=1e-6)
        size = sum(np.square(s).sum() for s in start[:2])
        assert model.history_[0, "size"] == pytest.approx(size, rel=1e-5)


class Steep(Term):
    """Has no gradient where it is."""

    name = "steep"

    def value(self, step):
        return (0 * step.labelled.output).square().sum().sqrt() + 1


def test_what_has_no_weight_has_no_gradient():
    Xs, ys, Xt, _ = two_domains()
    plain = small().fit(Xs, ys, Xt)
    for model in (small(Steep(), lam=0.0), small(Steep(0.0))):
        assert same_weights(model.fit(Xs, ys, Xt), plain)
        assert model.history_[-1, "steep"] == 1
    with pytest.raises(ValueError, match="diverged"):
        small(Steep()).fit(Xs, ys, Xt)


class Learning(Term):
    """Has a parameter, which is drawn to 3."""

    def attach(self, network):
        self.level = nn.Parameter(torch.zeros(()))

    def value(self, step):
        return (self.level - 3).square()


def test_a_terms_parameters_are_trained_with_the_networks():
    Xs, ys, Xt, _ = two_domains()
    model = small(Learning(), max_epochs=60, lr=0.05).fit(Xs, ys, Xt)
    assert model.net_.alignments_[0].level.item() == pytest.approx(3, abs=0.2)


# -- what it needs ---------------------------------------------------------------------------------


class MMDTuning(FineTuning):
    def _terms(self):
        return [MMD()]


def test_what_is_missing_is_said_before_training():
    Xs, ys, Xt, yt = two_domains(regression=True)
    with pytest.raises(ValueError, match=r"TargetEntropy looks at .* a regressor's numbers"):
        small(TargetEntropy(), cls=DeepTransferRegressor).fit(Xs, ys, Xt)
    Xs, ys, Xt, yt = two_domains()
    with pytest.raises(ValueError, match="MMD looks at rows of two domains, but this training"):
        MMDTuning(**SMALL).fit(Xs, ys, Xt, yt)


def test_alignments_need_a_target_and_say_whether_they_need_classes():
    assert MMD().needs == Needs(target=True)
    assert TargetEntropy().needs == Needs(classes=True, target=True)
    assert SoftLabels().needs == Needs(classes=True, target=True, labels_alone=True)
    assert Spy().needs == Needs()
    assert MMD().needs.unlabelled_target and not SoftLabels().needs.unlabelled_target
    for terms, expected in (
        ([], False),
        ([Spy()], False),
        ([SoftLabels()], False),
        ([Spy(), MMD()], True),
    ):
        tags = small(*terms).__sklearn_tags__().transfer_tags
        assert tags.unlabelled_target is expected


class OfThePast(Alignment):
    """An alignment as it was written before there were terms."""

    name = "past"
    needs_classes = True

    def initialize(self, widths, n_outputs):
        assert widths == [16] and n_outputs == 2
        self.linear = nn.Linear(self.aligned_widths(widths, n_outputs)[0], 1)
        self.steps = []

    def forward(self, source, target):
        return (
            self.linear(source.features[-1]).mean() - self.linear(target.features[-1]).mean()
        ) ** 2

    def penalty(self, source, target, lam):
        return lam * self(source, target)

    def before_step(self, source, target):
        assert not source.output.requires_grad
        self.steps.append((len(source.output), len(target.output)))

    def after_step(self, step):
        network, rows, y, other, no_y, lam = (
            *(step.network, step.source_rows, step.source_y),
            *(step.target_rows, step.target_y, step.lam),
        )
        assert network(rows).shape == (90, 2) and network(other).shape == (60, 2)
        assert y.shape == (90,) and no_y is None and lam == 0.5


def test_alignments_of_the_past_work_on():
    Xs, ys, Xt, _ = two_domains()
    model = small(OfThePast(0.5), batch_size=100).fit(Xs, ys, Xt)
    assert model.net_.alignments_[0].steps == [(90, 60)] * 4
    with pytest.raises(ValueError, match="OfThePast looks at class probabilities"):
        small(OfThePast(), cls=DeepTransferRegressor).fit(Xs, 1.0 * ys, Xt)


def test_a_term_says_what_it_is():
    with pytest.raises(ValueError, match="The weight of Small must be >= 0; got -1"):
        Small(-1)
    assert repr(Small(0.5)) == "Small(weight=0.5)"
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(NotImplementedError):
        small(Term()).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match=r"'alignments'.*Term"):
        small(nn.Linear(1, 1)).fit(Xs, ys, Xt)


# -- ids of domains --------------------------------------------------------------------------------


def test_batches_carry_the_ids_of_their_rows_domains():
    X = np.arange(50, dtype=np.float32)[:, None]
    ids = np.arange(50) % 3 + 1
    labelled, other = (X, torch.as_tensor(X[:, 0]), ids), (X[:20] + 100, None, -2)
    for batch in PairedBatches(labelled, other, 10, (0, 1), torch.device("cpu")):
        n = batch.n_labelled
        assert batch.domains.dtype == torch.int64 and len(batch.domains) == len(batch[0])
        assert batch.domains[:n].tolist() == [int(x) % 3 + 1 for x in batch[0][:n, 0]]
        assert (batch.domains[n:] == -2).all() and len(batch.domains) > n
    plain = PairedBatches(labelled[:2], other[:2], 10, (0, 1), torch.device("cpu"))
    for batch in plain:
        assert (batch.domains[: batch.n_labelled] == 1).all()
        assert (batch.domains[batch.n_labelled :] == -1).all()


def test_ids_follow_the_rows_of_a_memory_map(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(50, dtype=np.float32)[:, None])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    ids = np.arange(50) % 3 + 1
    rows = (X, torch.zeros(50), ids)
    for batch in PairedBatches(rows, None, 10, (0, 1), torch.device("cpu")):
        assert batch.domains.tolist() == [int(x) % 3 + 1 for x in batch[0][:, 0]]


def test_rows_that_are_held_out_keep_their_domains():
    Xs, ys, Xt, _ = two_domains(n_source=60)
    X, y, domain = stack([Xs[:30], Xs[30:]], [ys[:30], ys[30:]], Xt)
    model = small(PairedSpy(), max_epochs=1, batch_size=100, validation_fraction=0.3)
    model.fit(X, y, sample_domain=domain)
    step = spy_of(model).calls[-1][1]
    first = {tuple(row) for row in Xs[:30].astype(np.float32).tolist()}
    expected = [1 if tuple(row) in first else 2 for row in step.labelled.rows.tolist()]
    assert step.labelled.domains.tolist() == expected and set(expected) == {1, 2}
