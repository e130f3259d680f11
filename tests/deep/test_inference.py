"""What prediction promises: float64's answers, whatever is predicted together, at little cost."""

from __future__ import annotations

import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from skdtl import DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import _training, inference

from ..deep_common import SMALL
from ..shifts import two_domains

# More than are computed in float64 at once, and no multiple of a batch's rows.
N_ROWS = 3000


def fitted(n_classes=2, **options):
    Xs, ys, Xt, _ = two_domains()
    ys = (np.argsort(np.argsort(Xs[:, 0])) * n_classes) // len(Xs)
    return DeepTransferClassifier(**{**SMALL, **options}).fit(Xs, ys, Xt)


def many_rows(seed=0, n=N_ROWS):
    return np.random.default_rng(seed).normal(size=(n, 5))


def in_float64(estimator, X):
    """Return the logits, computed in float64 at once."""
    with torch.no_grad():
        network = copy.deepcopy(estimator.net_.module_).double().eval()
        return network(torch.as_tensor(X, dtype=torch.float64)).numpy()


def near_ties(estimator, n=N_ROWS):
    """Return rows whose two largest logits differ by about 1e-9, found by bisection."""
    a, b = many_rows(1, n), many_rows(2, n)
    first = in_float64(estimator, a).argmax(axis=1)
    differ = in_float64(estimator, b).argmax(axis=1) != first
    a, b, first = a[differ], b[differ], first[differ]
    for _ in range(30):
        middle = (a + b) / 2
        same = (in_float64(estimator, middle).argmax(axis=1) == first)[:, None]
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return np.concatenate([a, b])


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classes_are_those_of_float64_even_where_float32_cannot_tell(n_classes):
    estimator = fitted(n_classes)
    rows = near_ties(estimator)
    logits = in_float64(estimator, rows)
    with torch.no_grad():
        coarse = estimator.net_.module_(torch.as_tensor(rows, dtype=torch.float32)).numpy()
    assert (coarse.argmax(axis=1) != logits.argmax(axis=1)).mean() > 0.1  # or it tests nothing
    X = np.concatenate([many_rows(), rows])
    predicted = estimator.predict(X)
    np.testing.assert_array_equal(predicted, in_float64(estimator, X).argmax(axis=1))
    np.testing.assert_array_equal(predicted[-9:], estimator.predict(X[-9:]))
    np.testing.assert_array_equal(predicted[1::2], estimator.predict(X[1::2]))


def test_most_rows_are_computed_in_float32_alone(monkeypatch):
    estimator = fitted()
    computed = []
    outputs = inference.outputs_of

    def count(network, X, dtype):
        computed.append(len(X))
        return outputs(network, X, dtype)

    monkeypatch.setattr(inference, "outputs_of", count)
    estimator.predict(many_rows())
    assert sum(computed) < N_ROWS / 20


class Far(nn.Module):
    """Features far from 0, of which float32 keeps no more than the sign of what differs."""

    def forward(self, x):
        return torch.tanh(x - 2.0**24)


def test_a_network_for_which_float32_is_too_coarse_predicts_in_float64():
    Xs, ys, Xt, _ = two_domains()
    estimator = DeepTransferClassifier(module=Far(), **SMALL).fit(Xs, ys, Xt)
    X = many_rows() + 2.0**24
    expected = in_float64(estimator, X).argmax(axis=1)
    with torch.no_grad():
        coarse = estimator.net_.module_(torch.as_tensor(X, dtype=torch.float32)).numpy()
    assert (coarse.argmax(axis=1) != expected).sum() > 10
    np.testing.assert_array_equal(estimator.predict(X), expected)


def test_rows_beyond_float32_are_predicted_in_float64():
    estimator = fitted()
    X = many_rows()
    X[[5, 2000]] = 1e39
    np.testing.assert_array_equal(estimator.predict(X), in_float64(estimator, X).argmax(axis=1))


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1024, N_ROWS])
def test_every_row_is_predicted_in_its_place(n):
    estimator = fitted()
    X = many_rows(n=n)
    logits = in_float64(estimator, X)
    np.testing.assert_allclose(
        estimator.decision_function(X), logits[:, 1] - logits[:, 0], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(estimator.predict(X), logits.argmax(axis=1))
    network = copy.deepcopy(estimator.net_.module_).double()
    with torch.no_grad():
        features = network.features(torch.as_tensor(X))[-1].numpy()
    np.testing.assert_allclose(estimator.transform(X), features, rtol=1e-9, atol=1e-12)


def test_rows_are_judged_block_by_block(monkeypatch):
    monkeypatch.setattr(inference, "_FLOAT32_BLOCK", 1000)
    estimator = fitted()
    X = many_rows()
    np.testing.assert_array_equal(estimator.predict(X), in_float64(estimator, X).argmax(axis=1))


def test_weights_that_change_after_a_prediction_count():
    estimator = fitted()
    X = many_rows()
    before = estimator.decision_function(X), estimator.predict(X)
    for change in (
        lambda head: head.weight.data.neg_(),  # of which torch's own count of changes knows nothing
        lambda head: head.bias.data.add_(torch.tensor([5.0, 0.0])),
        lambda head: head.load_state_dict({k: 2 * v for k, v in head.state_dict().items()}),
    ):
        change(estimator.net_.module_.head)
        after = estimator.decision_function(X), estimator.predict(X)
        assert not np.allclose(before[0], after[0])
        logits = in_float64(estimator, X)
        np.testing.assert_allclose(after[0], logits[:, 1] - logits[:, 0], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(after[1], logits.argmax(axis=1))
        before = after
    refitted = estimator.set_params(random_state=1).fit(*two_domains()[:3])
    assert not np.allclose(refitted.decision_function(X), before[0])


def test_running_statistics_that_change_after_a_prediction_count():
    estimator = fitted(module=lambda n: nn.Sequential(nn.Linear(n, 8), nn.BatchNorm1d(8)))
    X = many_rows()
    before = estimator.predict_proba(X)
    estimator.net_.module_.layers[0][1].running_mean.add_(1.0)
    after = estimator.decision_function(X)
    assert not np.allclose(before, estimator.predict_proba(X))
    logits = in_float64(estimator, X)
    np.testing.assert_allclose(after, logits[:, 1] - logits[:, 0], rtol=1e-9, atol=1e-12)


def test_predicting_adds_nothing_to_an_estimator_or_its_pickle():
    estimator = fitted()
    X = many_rows()
    state, names = pickle.dumps(estimator), set(vars(estimator))
    expected = estimator.predict_proba(X)
    estimator.predict(X)
    estimator.transform(X)
    assert set(vars(estimator)) == names
    assert len(pickle.dumps(estimator)) == len(state)
    for again in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        np.testing.assert_array_equal(again.predict_proba(X), expected)


def test_the_float64_network_goes_with_the_trained_one():
    gc.collect()
    before = len(inference._DOUBLES)
    estimator = fitted()
    estimator.predict(many_rows())
    assert len(inference._DOUBLES) == before + 1
    del estimator
    gc.collect()
    assert len(inference._DOUBLES) == before


def test_threads_may_predict_at_once():
    estimator = fitted()
    X = many_rows()
    expected = fitted().predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: estimator.predict_proba(X), range(16)):
            np.testing.assert_array_equal(found, expected)


class Noisy(nn.Sequential):
    def __init__(self, n_features):
        super().__init__(nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.ReLU())


@pytest.mark.parametrize("single", [False, True])
def test_a_network_that_was_left_in_training_mode_predicts_in_evaluation_mode(single, monkeypatch):
    if single:
        monkeypatch.setattr(_training, "best_dtype", lambda *_: torch.float32)
    estimator = fitted(module=Noisy)
    X = many_rows()
    expected = estimator.predict(X), estimator.decision_function(X)
    backbone = estimator.net_.module_.layers[0]
    backbone.train()
    state = copy.deepcopy(backbone.state_dict())
    np.testing.assert_array_equal(estimator.predict(X), expected[0])
    np.testing.assert_array_equal(estimator.decision_function(X), expected[1])
    assert backbone.training and not estimator.net_.module_.training
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())


def test_read_only_rows_and_lists_are_predicted_without_a_warning(recwarn):
    estimator = fitted()
    X = many_rows()
    expected = estimator.predict(X)
    X.flags.writeable = False
    np.testing.assert_array_equal(estimator.predict(X), expected)
    np.testing.assert_array_equal(estimator.predict(X[:5].tolist()), expected[:5])
    assert not [w for w in recwarn if "writ" in str(w.message)]


def test_a_regressors_predictions_are_float64s():
    Xs, ys, Xt, _ = two_domains(regression=True)
    estimator = DeepTransferRegressor(**SMALL).fit(Xs, ys, Xt)
    X = many_rows()
    expected = in_float64(estimator, X)[:, 0] * ys.std() + ys.mean()
    np.testing.assert_allclose(estimator.predict(X), expected, rtol=1e-12)
    np.testing.assert_allclose(estimator.predict(X[7:8]), expected[7:8], rtol=1e-12)
