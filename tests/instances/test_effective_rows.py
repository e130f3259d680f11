"""Weights leave rows: the floor of all methods that weigh source rows once."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import skdtl
from skdtl import LowOverlapWarning, SourceOnly
from skdtl._arrays import positions
from skdtl.base import Domain
from skdtl.instances._base import InstanceWeighter
from skdtl.instances._effective import WORTH_TRYING, effective_rows, least_left, tempered
from skdtl.instances.nearest_neighbors import cross_validated_neighbors
from skdtl.utils import all_estimators

from ..common import make

WEIGHTERS = [cls for _, cls in all_estimators() if issubclass(cls, InstanceWeighter)]
BY_FUNCTION = {
    "KLIEP": "kliep_weights",
    "KMM": "kmm_weights",
    "ULSIF": "ulsif_weights",
    "RULSIF": "rulsif_weights",
    "DiscriminatorWeighting": "discriminator_weights",
    "NearestNeighborWeighting": "nearest_neighbor_weights",
}


def apart(seed=0, distance=1.0):
    """Domains that hardly overlap, and labels that a line separates everywhere."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(200, 20)), rng.normal(distance, 1, size=(100, 20))
    ys = (Xs[:, 0] - Xs[:, 1] + 0.5 * rng.normal(size=200) > 0.5).astype(int)
    return Xs, ys, Xt


def bent(seed=0, n=500):
    """Domains that overlap, and a border that a straight line follows only in parts."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal([-0.8, 0.8], 1, size=(n, 2)), rng.normal([1, 0.8], 0.7, size=(n, 2))
    return Xs, (Xs[:, 1] > np.abs(Xs[:, 0])).astype(int), Xt


def left_by_hand(weights, codes):
    """Return the shares of effective rows overall and in each class, by loops."""
    shares = [sum(weights) ** 2 / sum(w * w for w in weights) / len(weights)]
    for code in set(codes):
        own = [w for w, c in zip(weights, codes, strict=True) if c == code]
        rows = min(sum(own) ** 2 / sum(w * w for w in own), sum(own) / np.mean(weights))
        shares.append(rows / len(own))
    return shares


def test_all_weighters_are_here():
    assert {cls.__name__ for cls in WEIGHTERS} == {*BY_FUNCTION, "BIW"}


def test_effective_rows_by_hand():
    assert effective_rows(np.ones(7)) == 7
    assert effective_rows(np.array([3.0, 0, 0])) == 1
    assert effective_rows(np.array([1.0, 2, 3])) == pytest.approx(36 / 14)
    assert effective_rows(np.zeros(3)) == 0


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("with_classes", [False, True])
def test_the_largest_power_that_leaves_enough(share, with_classes):
    rng = np.random.default_rng(0)
    weights, codes = np.exp(1.5 * rng.normal(size=300)), np.repeat([0, 1, 2], 100)
    weights[:100] /= 20  # a class of little weight
    groups = codes if with_classes else np.zeros(300, dtype=int)
    found, temper = tempered(weights, share, codes if with_classes else None)
    assert 0 < temper < 1
    assert found.mean() == pytest.approx(1)
    # By hand: small weights are lifted, then all are raised to the power.
    weights = np.maximum(weights / weights.mean(), 0.1)
    np.testing.assert_allclose(found, weights**temper / np.mean(weights**temper))
    assert min(left_by_hand(found, groups)) == pytest.approx(share, abs=1e-4)
    sharper = weights ** (temper + 1e-3)
    assert min(left_by_hand(sharper, groups)) < share
    assert least_left(found, groups) == pytest.approx(min(left_by_hand(found, groups)))


def test_enough_is_left_alone():
    weights = np.random.default_rng(0).uniform(1, 2, size=50)
    found, temper = tempered(weights, 0.8)
    np.testing.assert_array_equal(found, weights / weights.mean())
    assert temper == 1
    np.testing.assert_allclose(tempered(weights, 1.0)[0], 1, rtol=1e-3)


def test_a_class_keeps_rows_whatever_the_share():
    """Twenty rows of a class, of which one has all the weight."""
    weights, codes = np.ones(200), np.repeat([0, 1], [180, 20])
    weights[180:] = 1e-3
    weights[180] = 20.0
    found, temper = tempered(weights, 0.05, codes)
    assert temper < 1
    assert 20 * left_by_hand(found, codes)[2] == pytest.approx(5, rel=1e-3)
    assert tempered(weights, 0.05)[1] == 1  # overall there are enough
    # A class that has even weights, but next to nothing of all weight, is none.
    weights[180:] = 1e-3
    assert found[180:].sum() >= 5 * (1 - 1e-3)
    assert tempered(weights, 0.05, codes)[0][180:].sum() >= 5 * (1 - 1e-6)


def test_a_class_of_few_rows_cannot_keep_more_than_it_has():
    weights, codes = np.linspace(0.5, 1.5, 61), np.zeros(61, dtype=int)
    codes[[30, 31]] = 1  # two rows of about the mean weight
    found, exponent = tempered(weights, 0.5, codes)
    assert exponent == 1
    np.testing.assert_allclose(found, weights)


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_domains_that_do_not_overlap(cls, seed):
    """The fit is next to that of the source alone, and no class is lost."""
    Xs, ys, Xt = apart(seed)
    model = make(cls).fit(Xs, ys, Xt)
    assert model.source_weights_.mean() == pytest.approx(1)
    assert min(left_by_hand(model.source_weights_, ys)) >= 0.8 - 1e-6
    assert 0 <= model.temper_ < 1
    plain = SourceOnly().fit(Xs, ys, Xt)
    assert np.mean(model.predict(Xt) == plain.predict(Xt)) >= 0.85
    even = make(cls, min_effective_share=1.0).fit(Xs, ys, Xt)
    np.testing.assert_allclose(even.source_weights_, 1, rtol=1e-3)


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.parametrize("distance", [30.0, 1e3, 1e8])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_where_no_row_is_left_the_fit_is_that_of_the_source(cls, distance):
    Xs, ys, Xt = apart(distance=distance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(cls).fit(Xs, ys, Xt)
    assert min(left_by_hand(model.source_weights_, ys)) >= 0.8 - 1e-6
    texts = [str(w.message) for w in caught if w.category is LowOverlapWarning]
    gone = any(f"{cls.__name__} gives each of the 200 source rows the weight 0" in t for t in texts)
    if cls.__name__ in ("NearestNeighborWeighting", "ULSIF", "RULSIF") and distance > 30:
        assert gone
    if not gone:
        return
    assert model.temper_ == 0
    np.testing.assert_array_equal(model.source_weights_, 1)
    np.testing.assert_array_equal(model.predict(Xs), SourceOnly().fit(Xs, ys, Xt).predict(Xs))
    with pytest.raises(ValueError, match="the weight 0: none lies where the target does"):
        make(cls, min_effective_share=0).fit(Xs, ys, Xt)


def test_a_discriminator_that_is_sure():
    Xs, ys, Xt = apart(distance=30.0)
    sure = skdtl.DiscriminatorWeighting(discriminator=DecisionTreeClassifier(), alpha=0.0)
    model = sure.fit(Xs, ys, Xt)
    assert min(left_by_hand(model.source_weights_, ys)) >= 0.8 - 1e-6


@pytest.mark.parametrize("cls", WEIGHTERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_0_is_the_papers_weights(cls):
    Xs, ys, Xt = apart()
    model = make(cls, min_effective_share=0).fit(Xs, ys, Xt)
    assert model.temper_ == 1
    if cls.__name__ in BY_FUNCTION:
        function = getattr(skdtl.instances, BY_FUNCTION[cls.__name__])
        seeded = {} if cls.__name__ == "NearestNeighborWeighting" else {"random_state": 0}
        ratio = function(Xs, Xt, **seeded)
        np.testing.assert_array_equal(model.source_weights_, ratio / ratio.mean())
    # None of them leaves what the default asks for.
    assert min(left_by_hand(model.source_weights_, ys)) < 0.6


@pytest.mark.parametrize("cls", WEIGHTERS)
def test_warned_only_where_hardly_anything_would_be_left(cls):
    Xs, ys, Xt = apart(distance=1.5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = make(cls, min_effective_share=0).fit(Xs, ys, Xt).source_weights_
    assert not any(w.category is LowOverlapWarning for w in caught)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(cls).fit(Xs, ys, Xt)
        make(cls).fit(Xs, ys, Xs[::2])
    low = [str(w.message) for w in caught if w.category is LowOverlapWarning]
    if cls is not skdtl.BIW:  # whose rounds without the floor end elsewhere
        assert len(low) == (min(left_by_hand(raw, ys)) < 0.1)
    for text in low:
        assert cls.__name__ in text
        assert f"{effective_rows(model.source_weights_):.3g}; with" in text


def test_a_warning_names_the_rows_before_and_after():
    Xs, ys, Xt = apart()
    raw = skdtl.instances.kmm_weights(Xs, Xt, random_state=0)
    with pytest.warns(LowOverlapWarning, match=f"leave {effective_rows(raw):.3g} effective rows"):
        make(skdtl.KMM).fit(Xs, ys, Xt)


def test_sharp_weights_that_help_are_kept():
    """A line through a bent border: held-out rows of the source show it."""
    gains = []
    for seed in range(3):
        Xs, ys, Xt = bent(seed)
        model = skdtl.RULSIF(LogisticRegression(), alpha=0.02, random_state=0).fit(Xs, ys, Xt)
        assert WORTH_TRYING[0] - 1e-6 <= effective_rows(model.source_weights_) < 0.6 * len(ys)
        truth = (Xt[:, 1] > np.abs(Xt[:, 0])).astype(int)
        gains.append(model.score(Xt, truth) - SourceOnly().fit(Xs, ys, Xt).score(Xt, truth))
    assert np.mean(gains) > 0.05


@pytest.mark.parametrize("estimator", [LinearRegression(), LinearSVC()])
def test_numbers_and_classifiers_without_probabilities(estimator):
    Xs, ys, Xt = bent()
    ys = Xs[:, 0] ** 3 if isinstance(estimator, LinearRegression) else ys
    model = skdtl.RULSIF(estimator, alpha=0.02, random_state=0).fit(Xs, ys, Xt)
    assert model.temper_ > 0.7  # the line is another one where the target lies
    straight = Xs[:, 0] + np.random.default_rng(0).normal(size=len(Xs))
    if not isinstance(estimator, LinearRegression):
        straight = (straight > 0).astype(int)
    model = skdtl.RULSIF(estimator, alpha=0.02, random_state=0).fit(Xs, straight, Xt)
    assert effective_rows(model.source_weights_) >= 0.8 * len(Xs) - 1e-3


class Recorder(LogisticRegression):
    """Notes how many rows each of its fits had, and their weights."""

    fits: ClassVar[list[np.ndarray]] = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(np.asarray(sample_weight))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("cls", WEIGHTERS)
def test_every_fit_has_weights_of_mean_1(cls):
    """Those that judge sharper weights on held-out rows, too: a penalty then weighs the same."""
    Xs, ys, Xt = apart()
    Recorder.fits.clear()
    make(cls, estimator=Recorder()).fit(Xs, ys, Xt)
    assert min(map(len, Recorder.fits)) < len(Xs) == len(Recorder.fits[-1])
    for weights in Recorder.fits:
        assert weights.mean() == pytest.approx(1)


def gains_by_hand(learner, Xs, ys, weights, others):
    """Return how much less each held-out row's squared error is under the first weights."""
    gains = np.empty(len(Xs))
    fold = np.empty(len(Xs), dtype=int)
    fold[np.argsort(positions(Xs))] = np.arange(len(Xs)) % 5
    for k in range(5):
        errors = []
        for w in (weights, others):
            own = w[fold != k]
            fitted = clone(learner).fit(Xs[fold != k], ys[fold != k], own / own.mean())
            errors.append((ys[fold == k] - fitted.predict(Xs[fold == k])) ** 2)
        gains[fold == k] = errors[1] - errors[0]
    return gains


def test_sharper_weights_must_gain_more_than_their_standard_error():
    model = skdtl.RULSIF(Ridge(5.0))
    clear = slight = worse = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        Xs = rng.normal(size=(40, 2))
        ys = Xs[:, 0] + 0.4 * np.sign(seed - 10) * Xs[:, 0] ** 2 + rng.normal(size=40)
        weights = np.exp(rng.uniform(0.2, 1) * Xs[:, 0])
        weights, others = weights / weights.mean(), np.ones(40)
        source = Domain(Xs, ys, np.ones(40, dtype=bool), np.ones(40, dtype=int))
        target = Domain(Xs, np.full(40, np.nan), np.zeros(40, dtype=bool), -np.ones(40, dtype=int))
        gains = gains_by_hand(model.estimator, Xs, ys, weights, others)
        mean = np.average(gains, weights=weights)
        error = np.sqrt(sum((w * (gain - mean)) ** 2 for w, gain in zip(weights, gains))) / 40
        clear, slight, worse = (
            clear + (mean > error),
            slight + (0 < mean <= error),
            worse + (mean <= 0),
        )
        assert model._is_better(source, target, weights, others) == (mean > error)
    assert min(clear, slight, worse) >= 2


def test_a_single_row_of_a_class():
    Xs, ys, Xt = apart()
    ys[:] = 0
    ys[7] = 1
    model = skdtl.RULSIF(random_state=0).fit(Xs, ys, Xt)
    assert model.source_weights_[7] >= 0.9 - 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_neighbors_where_the_domains_hardly_overlap(seed):
    Xs, _, Xt = apart(seed)
    assert cross_validated_neighbors(Xs, Xt) >= 40
    weights = skdtl.instances.nearest_neighbor_weights(Xs, Xt)
    assert np.count_nonzero(weights) > 100


def test_without_a_target():
    Xs, ys, _ = apart()
    with pytest.warns(skdtl.NoTargetWarning):
        assert skdtl.KMM().fit(Xs, ys).temper_ == 1
