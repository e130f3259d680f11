"""Festra: the screening against scipy and loops, its rule by hand, and data with artefacts."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from scipy.special import kolmogorov
from scipy.stats import ks_2samp
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from skdtl import Festra, NoTargetWarning, SourceOnly, TargetKFold, TargetOnly, TrAdaBoost, stack
from skdtl.base import Domain
from skdtl.instances import festra
from skdtl.instances.festra import class_share_weights, feature_shift, unexplained_shift

from .papers import as_published

# What ends the rounds early has tests of its own.
TrAdaBoost = as_published(TrAdaBoost)
Festra = as_published(Festra)

STUMP = DecisionTreeClassifier(max_depth=1, random_state=0)


def mixed_table(seed=0, n_s=300, n_t=70):
    """Continuous, ordinal, binary and constant columns, some shifted."""
    rng = np.random.default_rng(seed)
    columns = [
        (rng.normal(size=n_s), rng.normal(size=n_t)),
        (rng.normal(size=n_s), rng.normal(size=n_t) + 0.6),
        (rng.normal(size=n_s), 3 * rng.normal(size=n_t)),
        (rng.integers(-1, 4, n_s), rng.integers(0, 3, n_t)),
        (rng.random(n_s) < 0.2, rng.random(n_t) < 0.6),
        (np.ones(n_s), np.ones(n_t)),
        (np.zeros(n_s), np.ones(n_t)),
    ]
    Xs, Xt = (np.column_stack([pair[k] for pair in columns]).astype(float) for k in (0, 1))
    return Xs, Xt


def artefacts(seed, n_s=500, n_t=300, n_labelled=30, n_classes=3, shifted=True):
    """Five columns tell the class in both domains; of five others three do in the source alone."""
    rng = np.random.default_rng(seed)

    def side(n, source):
        y = rng.integers(0, n_classes, n)
        told = np.eye(n_classes, 5)[y]
        signal = rng.normal(size=(n, 5)) + told + told[:, ::-1]
        other = rng.normal(size=(n, 5))
        if shifted:
            other += 2 * told if source else 2
        return np.hstack([signal, other]), y

    (Xs, ys), (Xt, yt), (X_test, y_test) = side(n_s, True), side(n_t, False), side(1000, False)
    labels = np.where(np.arange(n_t) < n_labelled, yt, -1)
    return Xs, ys, Xt, labels, X_test, y_test


def weighted_distance(xs, ws, xt):
    """Compare two distribution functions at each value, one by one."""
    largest = 0.0
    for point in np.concatenate([xs, xt]):
        below_s = sum(w for x, w in zip(xs, ws) if x <= point) / sum(ws)
        below_t = sum(1 for x in xt if x <= point) / len(xt)
        largest = max(largest, abs(below_s - below_t))
    return largest


def close_pvalues(found, exact):
    """Check an approximation that is close where tests decide and never too small far out."""
    if exact > 1e-4:
        assert abs(np.log(found / exact)) < 0.5
    else:
        assert exact * 0.7 < found < 3e-4


# -- the statistic --------------------------------------------------------------------------------


def test_equals_scipys_two_sample_test():
    Xs, Xt = mixed_table()
    statistics, pvalues = feature_shift(Xs, Xt)
    for j in range(Xs.shape[1]):
        expected = ks_2samp(Xs[:, j], Xt[:, j])
        np.testing.assert_allclose(statistics[0, j], expected.statistic, atol=1e-12)
        close_pvalues(pvalues[0, j], expected.pvalue)
    assert statistics[0, 4] == pytest.approx(abs(Xs[:, 4].mean() - Xt[:, 4].mean()))
    np.testing.assert_array_equal(statistics[1], 0)
    np.testing.assert_array_equal(pvalues[1], 1)


@pytest.mark.parametrize("n_t", [5, 12, 40])
def test_pvalues_of_small_samples(n_t):
    rng = np.random.default_rng(n_t)
    for shift in (0, 1, 2):
        Xs, Xt = rng.normal(size=(400, 1)), rng.normal(size=(n_t, 1)) + shift
        expected = ks_2samp(Xs[:, 0], Xt[:, 0], method="exact").pvalue
        close_pvalues(feature_shift(Xs, Xt)[1][0, 0], expected)


def test_shifts_to_both_sides_count():
    x = np.arange(20.0)[:, None]
    for sign in (1, -1):
        assert feature_shift(x, x + 5 * sign)[0][0] == pytest.approx([0.25])


def test_weighted_rows():
    Xs, Xt = mixed_table(1, 40, 15)
    weights = np.random.default_rng(0).integers(0, 4, 40).astype(float)
    statistics = feature_shift(Xs, Xt, weights)[0]
    for j in range(Xs.shape[1]):
        expected = weighted_distance(Xs[:, j], weights, Xt[:, j])
        assert statistics[0, j] == pytest.approx(expected, abs=1e-12)
    repeated = np.repeat(Xs, weights.astype(int), axis=0)
    np.testing.assert_allclose(statistics, feature_shift(repeated, Xt)[0], atol=1e-12)
    # Two values of equal share and all rows of one weight: as many rows as there are.
    np.testing.assert_allclose(feature_shift(Xs, Xt, np.full(40, 7.0)), feature_shift(Xs, Xt))
    # 40 rows, of which 10 count: the p-values are those of the 10.
    tenth = np.repeat([1.0, 0.0], [10, 30])
    Xs[::3, 1], Xt[::2, 1] = np.nan, np.nan
    np.testing.assert_allclose(feature_shift(Xs, Xt, tenth), feature_shift(Xs[:10], Xt), atol=1e-12)


def test_missing_values_of_weighted_rows():
    """The effective numbers are those of the rows that are there, one by one."""
    Xs, Xt = mixed_table(1, 60, 25)
    rng = np.random.default_rng(0)
    weights = rng.gamma(1.0, size=60)
    Xs[rng.random(Xs.shape) < 0.3], Xt[rng.random(Xt.shape) < 0.2] = np.nan, np.nan
    statistics, pvalues = feature_shift(Xs, Xt, weights)
    for j in range(Xs.shape[1]):
        there, others = ~np.isnan(Xs[:, j]), ~np.isnan(Xt[:, j])
        pairs = [(weights[there], np.sum(others)), (weights, 25)]
        expected = weighted_distance(Xs[there, j], weights[there], Xt[others, j])
        missing = abs(weights[~there].sum() / weights.sum() - np.mean(~others))
        np.testing.assert_allclose(statistics[:, j], [expected, missing], atol=1e-12)
        for k, (w, n_t) in enumerate(pairs):
            n_s = sum(w) ** 2 / sum(w**2)
            root = np.sqrt(n_s * n_t / (n_s + n_t))
            scaled = (root + 0.12 + 0.11 / root) * statistics[k, j]
            assert pvalues[k, j] == pytest.approx(kolmogorov(scaled), rel=1e-9)


def test_of_two_differences_the_lesser_counts():
    """The one beyond class shares counts where it is less, its p-value with it."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(60, 12)), rng.normal(size=(40, 12))
    ys, yt = (rng.random(60) < 0.1).astype(int), (rng.random(40) < 0.8).astype(int)
    Xs[:, :6] += ys[:, None]
    Xt[:, :6] += yt[:, None]
    labelled = np.arange(40) < 30
    source = Domain(Xs, ys, np.ones(60, dtype=bool), np.ones(60))
    target = Domain(Xt, np.where(labelled, yt, -1), labelled, -np.ones(40))
    found = np.array(unexplained_shift(source, target, 2))
    plain = np.array(feature_shift(Xs, Xt))
    weights = class_share_weights(ys, yt[labelled], 2)
    adjusted = np.array(feature_shift(Xs, Xt, weights))
    less = adjusted[0] < plain[0]
    assert less.any() and (~less & (adjusted[1] > plain[1])).any()
    np.testing.assert_array_equal(found, np.where(less, adjusted, plain))
    np.testing.assert_array_equal(unexplained_shift(source, target), plain)


@pytest.mark.parametrize("formats", [(sp.csr_array, np.array), (np.array, sp.csr_array)])
def test_one_domain_may_be_sparse(formats):
    Xs, Xt = mixed_table(3)
    Xs[:, :3], Xt[:, :3] = np.maximum(Xs[:, :3], 0), np.maximum(Xt[:, :3], 0)
    weights = np.random.default_rng(0).random(len(Xs))
    for given in (None, weights):
        found = feature_shift(formats[0](Xs), formats[1](Xt), given)
        np.testing.assert_allclose(found, feature_shift(Xs, Xt, given), atol=1e-12)


def test_missing_values_are_a_difference_of_their_own():
    Xs, Xt = mixed_table(2)
    rng = np.random.default_rng(0)
    Xs[rng.random(Xs.shape) < 0.1], Xt[rng.random(Xt.shape) < 0.5] = np.nan, np.nan
    Xt[:, 2] = np.nan
    statistics, pvalues = feature_shift(Xs, Xt)
    for j in (0, 1, 3, 4):
        xs, xt = (X[~np.isnan(X[:, j]), j] for X in (Xs, Xt))
        expected = ks_2samp(xs, xt)
        np.testing.assert_allclose(statistics[0, j], expected.statistic, atol=1e-12)
        close_pvalues(pvalues[0, j], expected.pvalue)
    shares = np.isnan(Xs).mean(axis=0) - np.isnan(Xt).mean(axis=0)
    np.testing.assert_allclose(statistics[1], np.abs(shares), atol=1e-12)
    assert statistics[0, 2] == pytest.approx(0, abs=1e-12)  # nothing to compare
    assert pvalues[0, 2] == 1
    assert pvalues[1, 2] < 1e-10


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.csr_matrix])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block", [1, 100, 2**20])
def test_sparse_equals_dense_in_blocks_of_any_size(form, weighted, block, monkeypatch):
    Xs, Xt = mixed_table(3)
    rng = np.random.default_rng(0)
    Xs[rng.random(Xs.shape) < 0.6], Xt[rng.random(Xt.shape) < 0.8] = 0, 0
    Xs[rng.random(Xs.shape) < 0.1] = np.nan
    weights = rng.random(len(Xs)) if weighted else None
    expected = feature_shift(Xs, Xt, weights)
    monkeypatch.setattr(festra, "BLOCK", block)
    np.testing.assert_allclose(feature_shift(Xs, Xt, weights), expected, atol=1e-12)
    sparse = form(Xs), form(Xt)
    sparse[0].data[:3] = 0  # stored zeros
    Xs = sparse[0].toarray()
    found = feature_shift(*sparse, weights)
    np.testing.assert_allclose(found, feature_shift(Xs, Xt, weights), atol=1e-12)


def test_sparse_tables_stay_sparse():
    """As dense arrays these tables would take 80 GB."""
    rng = np.random.default_rng(0)
    Xs = sp.random_array((100_000, 100_000), density=1e-6, format="csr", rng=rng)
    Xt = sp.csr_array((np.ones(100_000), (np.arange(100_000), np.full(100_000, 7))), Xs.shape)
    statistics = feature_shift(Xs, Xt)[0][0]
    assert statistics[7] > 0.99
    assert np.delete(statistics, 7).max() < 0.01


def test_class_share_weights_by_hand():
    source, target = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1, 1, 1])
    # Shares 3/4 and 1/4; target (1 + 2 * 3/4) : (5 + 2 * 1/4) = 2.5 : 5.5.
    weights = class_share_weights(source, target, 2)
    np.testing.assert_allclose(weights, np.array([2.5, 2.5, 2.5, 16.5]) / 8 / 0.75)
    assert weights.mean() == pytest.approx(1)
    assert weights[3] / weights.sum() == pytest.approx(5.5 / 8)
    unseen = class_share_weights(np.array([0, 1, 2]), np.array([0]), 3)
    np.testing.assert_allclose(unseen, [1.5, 0.75, 0.75])


# -- the rule -------------------------------------------------------------------------------------


def columns(shifts, n_s=1000, n_t=1000, seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_s, len(shifts))), rng.normal(size=(n_t, len(shifts)))
    return Xs, Xt + np.asarray(shifts)


def support(Xs, Xt, **options):
    settings = {"min_features": 1, **options}
    return Festra("passthrough", **settings).fit(Xs, None, Xt).get_support().tolist()


def test_a_significant_difference_must_be_large():
    Xs, Xt = columns([0, 0.4, 2])
    model = Festra("passthrough", min_features=1).fit(Xs, None, Xt)
    assert model.pvalues_[1] < 1e-6 and 0.1 < model.scores_[1] < 0.25
    assert model.get_support().tolist() == [True, True, False]
    assert support(Xs, Xt, threshold=0.1) == [True, False, False]
    assert support(Xs, Xt, threshold=0.9) == [True, True, True]
    exact = float(model.scores_[2])
    assert support(Xs, Xt, threshold=exact)[2]
    assert not support(Xs, Xt, threshold=np.nextafter(exact, 0))[2]


def test_a_large_difference_must_be_significant():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(500, 3)), np.array([[-1.0, 2, 0]] * 3 + [[1.0, 2, 0]] * 3)
    Xt[:, 2] = [-1, -0.5, 0, 0.2, 0.6, 1.5]
    model = Festra("passthrough", min_features=1).fit(Xs, None, Xt)
    assert model.scores_[0] > 0.3 and model.pvalues_[0] > 0.05
    assert model.get_support().tolist() == [True, False, True]
    assert model.pvalues_[1] > 1e-8
    assert support(Xs, Xt, alpha=1e-8) == [True, True, True]
    assert support(Xs, Xt, alpha=1.0) == [False, False, True]


def test_alpha_is_shared_among_the_tests():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(500, 1)), np.full((3, 1), 0.9)
    pvalue = Festra("passthrough").fit(Xs, None, Xt).pvalues_[0]
    assert 0.01 < pvalue < 0.05
    others = np.zeros((500, 9)), np.zeros((3, 9))
    wide = np.hstack([Xs, others[0]]), np.hstack([Xt, others[1]])
    for factor, kept in ((9.9, True), (10.1, False)):
        assert support(*wide, alpha=min(factor * pvalue, 1))[0] == kept
    # A single missing value anywhere makes as many tests again.
    wide[0][0, 5] = np.nan
    for factor, kept in ((19, True), (21, False)):
        assert support(*wide, alpha=min(factor * pvalue, 1))[0] == kept


def test_where_nothing_differs_all_features_stay():
    dropped = 0
    for seed in range(100):
        Xs, Xt = columns(np.zeros(20), 300, 25, seed)
        dropped += not all(support(Xs, Xt))
    assert dropped <= 12  # 5 are expected at most


def test_share_of_missing_values_drops_a_feature():
    Xs, Xt = columns([0, 0, 0])
    Xt[::2, 1] = np.nan
    model = Festra("passthrough").fit(Xs, None, Xt)
    assert model.get_support().tolist() == [True, False, True]
    assert model.scores_[1] == pytest.approx(0.5)
    assert model.transform(Xt).shape == (1000, 2)


def test_a_large_difference_without_significance_hides_no_other():
    """One value present, far away, and a share of missing values that differs by 0.399."""
    Xs, Xt = columns([0, 0])
    Xs[:, 0], Xt[:, 0] = np.nan, np.nan
    Xs[:400, 0], Xt[:1, 0] = 0.0, 5.0
    model = Festra("passthrough").fit(Xs, None, Xt)
    assert model.scores_[0] == pytest.approx(0.399)
    assert model.get_support().tolist() == [False, True]


def test_the_least_shifted_features_stay():
    Xs, Xt = columns([3, 2, 4, 1.5, 0])
    assert support(Xs, Xt, min_features=1) == [False, False, False, False, True]
    assert support(Xs, Xt, min_features=2) == [False, False, False, True, True]
    assert support(Xs, Xt, min_features=3) == [False, True, False, True, True]
    assert support(Xs, Xt, min_features=0.5) == [False, True, False, True, True]
    assert support(Xs, Xt, min_features=0.4) == [False, False, False, True, True]
    assert support(Xs, Xt, min_features=1.0) == [True] * 5
    assert support(Xs, Xt, min_features=9) == [True] * 5
    assert support(Xs[:, :4], Xt[:, :4]) == [False, False, False, True]


def test_class_shares_explain_a_difference():
    rng = np.random.default_rng(0)

    def side(n, share):
        y = (rng.random(n) < share).astype(int)
        return rng.normal(size=(n, 4)) + np.outer(y, [3, -3, 0, 0]), y

    Xs, ys = side(600, 0.1)
    Xt, yt = side(600, 0.8)
    Xt[:, 2] += 2
    labels = np.where(np.arange(600) < 60, yt, -1)
    model = Festra(STUMP, n_estimators=3, min_features=1)
    np.testing.assert_array_equal(model.fit(Xs, ys, Xt, labels).get_support(), [1, 1, 0, 1])
    model.set_params(adjust_class_shares=False).fit(Xs, ys, Xt, labels)
    np.testing.assert_array_equal(model.get_support(), [0, 0, 0, 1])
    # Labels chosen class by class say nothing of the target's shares: the same data, relabelled.
    same, ysame = side(600, 0.1)
    chosen = np.full(600, -1)
    for k in (0, 1):
        chosen[np.flatnonzero(ysame == k)[:30]] = k
    model.set_params(adjust_class_shares=True).fit(Xs, ys, same, chosen)
    assert model.get_support().all()


def test_all_target_rows_take_part_in_the_screening():
    Xs, ys, Xt, labels, _, _ = artefacts(0, n_labelled=2)
    with_others = Festra(STUMP, n_estimators=3).fit(Xs, ys, Xt, labels)
    alone = Festra(STUMP, n_estimators=3).fit(Xs, ys, Xt[:2], labels[:2])
    assert not with_others.get_support().all()
    assert alone.get_support().all()


# -- boosting and predicting ----------------------------------------------------------------------


@pytest.mark.parametrize("drift", [False, True])
def test_boosts_the_kept_columns_as_tradaboost_does(drift):
    Xs, ys, Xt, labels, X_test, _ = artefacts(0)
    options = {
        "n_estimators": 7,
        "initial_weights": "uniform",
        "vote": "all",
        "weight_drift_correction": drift,
        "random_state": 3,
    }
    model = Festra(STUMP, **options).fit(Xs, ys, Xt, labels)
    kept = model.get_support(indices=True)
    assert 5 <= len(kept) < 10
    boosted = TrAdaBoost(STUMP, **options).fit(Xs[:, kept], ys, Xt[:, kept], labels)
    np.testing.assert_array_equal(
        model.predict_proba(X_test), boosted.predict_proba(X_test[:, kept])
    )
    np.testing.assert_array_equal(model.source_weights_path_, boosted.source_weights_path_)
    assert model.estimators_[0].n_features_in_ == len(kept)
    for mine, theirs in zip(
        model.staged_predict(X_test), boosted.staged_predict(X_test[:, kept]), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    whole = Festra(STUMP, threshold=1.0, **options).fit(Xs, ys, Xt, labels)
    plain = TrAdaBoost(STUMP, **options).fit(Xs, ys, Xt, labels)
    np.testing.assert_array_equal(whole.predict_proba(X_test), plain.predict_proba(X_test))


def test_drift_correction_is_on():
    Xs, ys, Xt, labels, X_test, _ = artefacts(1)
    default = Festra(STUMP, n_estimators=8).fit(Xs, ys, Xt, labels)
    stated = clone(default).set_params(weight_drift_correction=True).fit(Xs, ys, Xt, labels)
    np.testing.assert_array_equal(default.source_weights_, stated.source_weights_)
    without = clone(default).set_params(weight_drift_correction=False).fit(Xs, ys, Xt, labels)
    assert default.source_weights_.sum() > without.source_weights_.sum()


def test_gains_on_boosting_with_all_columns():
    """Above TrAdaBoost and target-only by .04, source-only by .08; mean of 8 seeds."""
    found = {}
    for seed in range(8):
        Xs, ys, Xt, labels, X_test, y_test = artefacts(seed, n_labelled=20)
        base, options = LogisticRegression(max_iter=500), {"n_estimators": 20}
        models = {
            "festra": Festra(base, **options),
            "plain": TrAdaBoost(base, weight_drift_correction=True, **options),
            "default": TrAdaBoost(base, **options),
            "source": SourceOnly(base),
            "target": TargetOnly(base),
        }
        for name, model in models.items():
            score = model.fit(Xs, ys, Xt, labels).score(X_test, y_test)
            found.setdefault(name, []).append(score)
        assert models["festra"].get_support()[:5].all()
    means = {name: np.mean(scores) for name, scores in found.items()}
    for name, margin in {"plain": 0.04, "default": 0.04, "target": 0.04, "source": 0.08}.items():
        assert means["festra"] > means[name] + margin, means


def test_does_no_harm_where_nothing_shifts():
    for seed in range(8):
        Xs, ys, Xt, labels, X_test, _ = artefacts(seed, shifted=False)
        model = Festra(STUMP, n_estimators=5).fit(Xs, ys, Xt, labels)
        assert model.get_support().all()
        plain = TrAdaBoost(STUMP, n_estimators=5, weight_drift_correction=True)
        plain.fit(Xs, ys, Xt, labels)
        np.testing.assert_array_equal(model.predict_proba(X_test), plain.predict_proba(X_test))


def test_without_target_nothing_is_dropped():
    Xs, ys, *_ = artefacts(0)
    with pytest.warns(NoTargetWarning):
        model = Festra(STUMP, n_estimators=3).fit(Xs, ys)
    assert model.get_support().all()
    np.testing.assert_allclose(model.scores_, 0, atol=1e-12)
    with pytest.warns(NoTargetWarning):
        plain = TrAdaBoost(STUMP, n_estimators=3).fit(Xs, ys)
    np.testing.assert_array_equal(model.predict_proba(Xs), plain.predict_proba(Xs))


def test_pickles_keep_the_support():
    Xs, ys, Xt, labels, X_test, _ = artefacts(0)
    model = Festra(STUMP, n_estimators=3).fit(Xs, ys, Xt, labels)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.get_support(), model.get_support())
    np.testing.assert_array_equal(restored.predict(X_test), model.predict(X_test))
    with pytest.raises(AttributeError, match="pickling"):
        _ = restored.source_weights_


def test_missing_values_reach_the_base_learner():
    Xs, ys, Xt, labels, X_test, y_test = artefacts(0)
    Xs[::5, 0], Xt[::4, 0], X_test[::4, 0] = np.nan, np.nan, np.nan
    base = HistGradientBoostingClassifier(max_iter=5)
    model = Festra(base, n_estimators=3).fit(Xs, ys, Xt, labels)
    assert model.get_support()[0]
    assert np.isnan(model.transform(Xt)).any()
    assert model.score(X_test, y_test) > 0.5


# -- the transformer ------------------------------------------------------------------------------


def test_transformer():
    Xs, ys, Xt, labels, _, _ = artefacts(0)
    names = [f"feature {k}" for k in range(10)]
    Fs, Ft = pd.DataFrame(Xs, columns=names), pd.DataFrame(Xt, columns=names)
    model = Festra("passthrough").set_output(transform="pandas").fit(Fs, None, Ft)
    kept = model.get_support(indices=True)
    np.testing.assert_array_equal(kept, np.flatnonzero(model.get_support()))
    assert 5 <= len(kept) < 10
    for domain in ("source", "target"):
        frame = model.transform(Ft, domain=domain)
        assert list(frame.columns) == list(model.get_feature_names_out())
        assert list(frame.columns) == [names[k] for k in kept]
        np.testing.assert_array_equal(frame, Xt[:, kept])
    model.set_output(transform="default")
    back = model.inverse_transform(model.transform(Ft))
    np.testing.assert_array_equal(back[:, kept], Xt[:, kept])
    np.testing.assert_array_equal(np.delete(back, kept, axis=1), 0)
    with pytest.raises(ValueError, match=f"X has 10 features, but Festra kept {len(kept)}"):
        model.inverse_transform(Xt)
    unnamed = Festra("passthrough").fit(Xs, None, Xt)
    assert list(unnamed.get_feature_names_out()) == [f"x{k}" for k in kept]


def test_sparse_and_missing_there_and_back():
    Xs, ys, Xt, labels, _, _ = artefacts(0)
    Xs, Xt = np.maximum(Xs, 0)[:, ::-1], np.maximum(Xt, 0)[:, ::-1]  # the last columns are kept
    dense = Festra(STUMP, n_estimators=3).fit(Xs, ys, Xt, labels)
    X, y, domain = stack(Xs, ys.astype(float), Xt, labels)
    rows = np.random.default_rng(0).permutation(len(X))
    sparse = clone(dense)
    mapped = sparse.fit_transform(sp.csr_array(X[rows]), y[rows], sample_domain=domain[rows])
    assert sp.issparse(mapped)
    np.testing.assert_array_equal(sparse.get_support(), dense.get_support())
    np.testing.assert_array_equal(mapped.toarray(), dense.transform(X[rows]))
    back = sparse.inverse_transform(mapped)
    assert sp.issparse(back)
    np.testing.assert_array_equal(back.toarray(), dense.inverse_transform(mapped.toarray()))
    holes = dense.transform(Xt)
    holes[0, 0] = np.nan
    assert np.isnan(dense.inverse_transform(holes)).sum() == 1


def test_transformed_rows_are_the_callers_own():
    Xs, ys, Xt, labels, _, _ = artefacts(0)
    for threshold in (0.3, 1.0):
        model = Festra("passthrough", threshold=threshold).fit(Xs, None, Xt)
        mapped = model.transform(Xt)
        assert not np.shares_memory(mapped, Xt)
        assert mapped.flags.c_contiguous


def test_pure_transformer_needs_no_labels():
    Xs, ys, Xt, _, _, _ = artefacts(0)
    model = Festra("passthrough")
    tags = get_tags(model)
    assert not is_classifier(model)
    assert tags.transfer_tags.target_labels == "ignored"
    assert tags.transfer_tags.unlabelled_target
    assert get_tags(Festra()).transfer_tags.target_labels == "required"
    assert get_tags(Festra()).transfer_tags.unlabelled_target
    alone = model.fit(Xs, None, Xt).get_support()
    with_labels = clone(model).fit(Xs, ys, Xt, np.zeros(len(Xt))).get_support()
    np.testing.assert_array_equal(alone, with_labels)
    assert not hasattr(model, "estimators_")
    for method in ("predict", "predict_proba", "decision_function", "staged_predict", "score"):
        assert hasattr(Festra(), method)
        assert not hasattr(model, method)
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        model.predict(Xt)


# -- inside scikit-learn --------------------------------------------------------------------------


def test_search_over_the_screening_and_the_base_learner():
    Xs, ys, Xt, labels, X_test, y_test = artefacts(0, n_labelled=250)
    X, y, d = stack(Xs, ys.astype(float), Xt, np.where(labels < 0, np.nan, labels))
    pipeline = make_pipeline(StandardScaler(), Festra(STUMP, n_estimators=5, random_state=0))
    grid = {"festra__threshold": [0.3, 1.0], "festra__estimator__max_depth": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=TargetKFold(2), error_score="raise")
    search.fit(X, y, groups=d, festra__sample_domain=d)
    scores = search.cv_results_["mean_test_score"].reshape(2, 2)
    assert (np.diff(scores, axis=0) != 0).any() and (np.diff(scores, axis=1) != 0).any()
    assert search.score(X_test, y_test) > 0.4
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(search).fit(X, y, sample_domain=d)
    np.testing.assert_array_equal(routed.predict(X_test), search.predict(X_test))


@pytest.mark.parametrize("last", [LogisticRegression(), Ridge()])
def test_in_the_middle_of_a_pipeline(last):
    Xs, ys, Xt, labels, X_test, y_test = artefacts(0)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), Festra("passthrough"), last, transform_input=["Xt"]
        )
        pipeline.fit(Xs, ys, Xt=Xt)
    kept = pipeline[1].get_support(indices=True)
    assert pipeline[-1].n_features_in_ == len(kept) < 10
    bare = clone(last).fit(Xs, ys)
    assert pipeline.score(X_test, y_test) > bare.score(X_test, y_test) + 0.05


def test_a_regressor_as_base_learner_is_an_error():
    Xs, ys, Xt, labels, _, _ = artefacts(0)
    with pytest.raises(ValueError, match="Festra needs a classifier as its estimator, but Ridge"):
        Festra(Ridge()).fit(Xs, ys, Xt, labels)
