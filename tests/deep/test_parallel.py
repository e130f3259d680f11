"""Two processes that share each batch train the network that one process trains on all of it."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from skdtl import (
    ADDA,
    CDAN,
    DAN,
    DANN,
    DDC,
    MCD,
    RTN,
    WDGRL,
    DeepTransferClassifier,
    DeepTransferRegressor,
    FineTuning,
)
from skdtl.deep import MMD, Alignment, DomainAdversary, Term
from skdtl.deep.batches import PairedBatches

from ..deep_common import weights
from ..shifts import two_domains

# 17 is odd, so that the processes' shares differ in size; the last method's batches leave a process
# without any row of the target.
BATCH_SIZE = 17
# How far the weights may be apart. A noise of one unit in the rows' last digit alone moves those of
# DAN, whose kernel weights are the solution of a programme, by 7e-5, and those of WDGRL, whose
# critic learns by Adam, by 1e-3.
ROUNDING = {"DAN": 3e-4, "WDGRL": 3e-3, "few": 1e-4}
COMMON = {"hidden_layer_sizes": (16, 8), "max_epochs": 3, "random_state": 0}


class Critic(Alignment):
    """A critic that is trained in turn with the network, on the activations of the whole batch."""

    def initialize(self, widths, n_outputs):
        self.critic = nn.Linear(self.aligned_widths(widths, n_outputs)[0], 1).requires_grad_(False)
        self.sizes = []

    def before_step(self, source, target):
        self.sizes.append((len(source.output), len(target.output)))
        self.critic.requires_grad_(True)
        (-self._gap(source, target)).backward()
        with torch.no_grad():
            for parameter in self.critic.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
        self.critic.requires_grad_(False)

    def forward(self, source, target):
        return self._gap(source, target)

    def _gap(self, source, target):
        return self.critic(source.features[-1]).mean() - self.critic(target.features[-1]).mean()


class Turn(Alignment):
    """Moves the head after every step, on the whole batch."""

    def forward(self, source, target):
        return source.output.new_zeros(())

    def after_step(self, step):
        step.optimizer.zero_grad()
        loss = step.network(step.target_rows).softmax(1).square().sum(1).mean()
        loss.backward(inputs=list(step.network.head.parameters()))
        step.optimizer.step()


class SmallWeights(Term):
    """Looks at weights alone, which all processes have."""

    def value(self, step):
        return sum(weight.square().sum() for weight in step.network.parameters())


def methods(factor):
    """Return what is compared; one process takes `factor` times the batch of two."""
    batch = {**COMMON, "batch_size": factor * BATCH_SIZE}
    sgd = {**batch, "optimizer": "sgd", "lr": 0.05}
    return {
        "plain": (DeepTransferClassifier(**batch), {}),
        "DDC": (DDC(adaptation_width=6, **batch), {}),
        "DANN": (DANN(lam=1.0, **batch), {}),
        "DAN": (DAN(update_every=2, **sgd), {}),
        "CDAN": (CDAN(**sgd), {}),
        "WDGRL": (WDGRL(lam=0.5, **sgd), {}),
        "ADDA": (ADDA(**sgd), {}),
        "MCD": (MCD(n_generator_steps=2, **sgd), {}),
        "labelled target": (DeepTransferClassifier([MMD(layers=(0, "output"))], **sgd), {"yt": 1}),
        "critic": (DeepTransferClassifier([Critic(), DomainAdversary()], **sgd), {}),
        "turn": (DeepTransferClassifier([Turn()], **sgd), {}),
        "weights": (DeepTransferClassifier([SmallWeights(0.1)], **sgd), {}),
        "RTN": (RTN(lam=1.0, **sgd), {}),
        "regressor": (DeepTransferRegressor([MMD(kernel="linear")], **sgd), {}),
        "fine-tuning": (FineTuning(n_frozen_layers=1, **sgd), {"yt": 1}),
        # Pairs of rows are so few that with a penalty the last digit grows to hundredths.
        "few": (
            DeepTransferClassifier([MMD()], **{**sgd, "batch_size": factor, "weight_decay": 0.0}),
            {"n_target": 1},
        ),
    }


def fit(estimator, n_target=30, yt=0):
    regression = isinstance(estimator, DeepTransferRegressor)
    Xs, ys, Xt, labels = two_domains(n_source=70, n_target=30, regression=regression)
    Xt, labels = Xt[:n_target], labels[:n_target].astype(float)
    labels[20:] = np.nan
    return estimator.fit(Xs, ys, Xt, labels if yt else None)


def state(estimator):
    alignments = estimator.net_.alignments_
    return weights(estimator) + [p.detach().numpy() for p in alignments.parameters()]


def own(seed, factor):
    """Return an estimator whose module and random state depend on the process."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Linear(5, 4)
    return DeepTransferClassifier(
        [MMD()],
        module=module,
        batch_size=factor * BATCH_SIZE,
        max_epochs=2,
        random_state=np.random.RandomState(seed),
    )


def _process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    results = {}
    for name, (estimator, options) in methods(1).items():
        fit(estimator, **options)
        results[name] = (state(estimator), estimator.loss_curve_)
        if name == "critic":
            results["sizes"] = estimator.net_.alignments_[0].sizes

    results["unlike"] = state(fit(own(rank, 1)))
    Xs, ys, Xt, _ = two_domains()
    small = DeepTransferClassifier([MMD()], **COMMON)
    for name, rows in (("other rows", Xs + rank), ("fewer rows", Xs[rank:])):
        try:
            small.fit(rows, ys[-len(rows) :], Xt)
        except ValueError as error:
            results[name] = str(error)
    dist.destroy_process_group()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results["alone again"] = state(fit(methods(2)["DDC"][0]))
    torch.save(results, os.path.join(folder, f"{rank}.pt"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("torch was built without gloo")
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(_process, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", methods(1))
def test_two_processes_equal_one_with_twice_the_batch(name, results):
    estimator, options = methods(2)[name]
    expected = fit(estimator, **options)
    tolerance = ROUNDING.get(name, 1e-5)
    for found, curve in (results[0][name], results[1][name]):
        np.testing.assert_allclose(curve, expected.loss_curve_, rtol=tolerance)
        for a, b in zip(found, state(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=tolerance)
    for a, b in zip(results[0][name][0], results[1][name][0], strict=True):
        np.testing.assert_array_equal(a, b)  # and the processes agree to the bit
    half = fit(methods(1)[name][0], **options)
    apart = [np.abs(a - b).max() for a, b in zip(found, state(half), strict=True)]
    assert max(apart) > 10 * tolerance


@pytest.mark.slow
def test_critics_see_the_whole_batch(results):
    expected = fit(methods(2)["critic"][0]).net_.alignments_[0].sizes
    assert results[0]["sizes"] == results[1]["sizes"] == expected


@pytest.mark.slow
def test_the_first_process_has_the_first_word(results):
    expected = state(fit(own(0, 2)))
    for found in results:
        for a, b in zip(found["unlike"], expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, fact",
    [("other rows", "checksum of labelled rows"), ("fewer rows", "labelled rows is 90")],
)
def test_processes_with_other_data_are_told_so(name, fact, results):
    for found in results:
        assert fact in found[name] and "same data and parameters" in found[name]


@pytest.mark.slow
def test_after_the_group_is_gone_a_process_trains_alone(results):
    expected = state(fit(methods(2)["DDC"][0]))
    for found in results:
        assert all(np.array_equal(a, b) for a, b in zip(found["alone again"], expected))


def test_a_checksum_of_rows_tells_them_from_others():
    X, y = np.arange(2000.0, dtype=np.float32).reshape(1000, 2), torch.zeros(1000)
    device = torch.device("cpu")

    def facts(X, y):
        return PairedBatches((X, y), (X[:7], None), 10, (0, 0), device).facts()

    first = facts(X, y)
    assert facts(X.copy(), y) == first
    assert first["the number of labelled rows"] == 1000 and first["the number of other rows"] == 7
    differ = {key for key, value in facts(X[::-1].copy(), y).items() if value != first[key]}
    assert differ == {"a checksum of labelled rows", "a checksum of other rows"}
    differ = {key for key, value in facts(X, y + 1).items() if value != first[key]}
    assert differ == {"a checksum of labelled rows"}
