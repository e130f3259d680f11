"""BIW: its two kinds of weights by hand, against known ratios, and where features mislead."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from skdtl import BIW, NoTargetWarning, SourceOnly
from skdtl.instances._density_ratio import column_moments, discriminator_ratio
from skdtl.instances._effective import tempered
from skdtl.instances.biw import feature_agreement


def conflict(seed, n=300, shift=0.0):
    """Return two domains in which the first of four features means the opposite."""
    rng = np.random.default_rng(seed)
    ys, yt = rng.integers(0, 2, size=(2, n))
    Xs, Xt = rng.normal(size=(2, n, 4))
    Xs += np.outer(2 * ys - 1, [1, 1, 1, 1])
    Xt += np.outer(2 * yt - 1, [-1, 1, 1, 1])
    Xt[:, 1:] += shift
    return Xs, ys, Xt, yt


def topics(seed, n=300, n_words=40):
    """Return word counts in which five frequent words change sides between the domains."""
    rng = np.random.default_rng(seed)
    ys, yt = rng.integers(0, 2, size=(2, n))
    rates = np.full((2, n_words), 0.3)
    rates[0, 5:20], rates[1, 20:35] = 0.6, 0.6
    turned = rates.copy()
    rates[0, :5], rates[1, :5] = 0.2, 2.0
    turned[0, :5], turned[1, :5] = 2.0, 0.2
    Xs, Xt = rng.poisson(rates[ys]), rng.poisson(turned[yt])
    return Xs.astype(float), ys, Xt.astype(float), yt


def test_moments_of_dense_and_sparse_rows():
    rng = np.random.default_rng(0)
    X, weights = rng.poisson(0.5, size=(50, 4)).astype(float), rng.random(50)
    for options in ({}, {"weights": weights}):
        w = options.get("weights", np.ones(50))
        mean = (w[:, None] * X).sum(axis=0) / w.sum()
        variance = (w[:, None] * (X - mean) ** 2).sum(axis=0) / w.sum()
        for rows in (X, sp.csr_array(X)):
            found = column_moments(rows, **options)
            np.testing.assert_allclose(found[0], mean)
            np.testing.assert_allclose(found[1], variance)


def test_agreement_by_hand():
    Xs = np.array([[0.0, 5], [2, 5], [10, 5], [12, 5]])
    classes = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    Xt = Xs + np.array([[2, 0], [2, 0], [0, 0], [0, 0]])
    weights = np.ones(4)
    # Feature 0: variance 1 in each class and domain; the mean of class 0 moves by 2, of class 1
    # by 0: J = (4 + 0) / 2 / 1 = 2. Feature 1 is constant.
    for gamma in (0.0, 0.5, 1.0):
        found = feature_agreement(Xs, classes, weights, Xt, classes, gamma)
        np.testing.assert_allclose(found, [np.exp(-2 * gamma), 1])
    # Rows weigh: with all of class 0's weight on the row at 2, its mean moves by 1, and the
    # variance within classes is (0 + 1 + 1 + 1) / 4.
    found = feature_agreement(Xs, classes, np.array([0, 1.0, 1, 1]), Xt, classes)
    np.testing.assert_allclose(found[0], np.exp(-0.5 / 0.75))
    # Target rows of unknown class take part by their probabilities.
    halves = np.full((4, 2), 0.5)
    mean, variance = np.array([2, 4, 10, 12]).mean(), np.var([2, 4, 10, 12])
    shift = ((mean - 1) ** 2 + (mean - 11) ** 2) / 2
    found = feature_agreement(Xs, classes, weights, Xt, halves)
    np.testing.assert_allclose(found[0], np.exp(-shift / ((1 + variance) / 2)))
    # Each class counts by its target rows: three of the first class, whose mean moves by 2 and
    # whose target rows vary by 2/3 * 4/3, against one of the second, which stays.
    Xt = np.array([[2.0, 5], [2, 5], [4, 5], [11, 5]])
    few = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    moved, varied = Xt[:3, 0].mean() - 1, (1 + Xt[:3, 0].var()) / 2
    found = feature_agreement(Xs, classes, weights, Xt, few)
    np.testing.assert_allclose(found[0], np.exp(-3 * moved**2 / (3 * varied + 1 * 0.5)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_first_round_by_hand():
    """What the fit is weighted with, after the floor, is what the features are compared by."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(200, 6)), rng.normal(0.8, 1, size=(100, 6))
    ys, yt = (Xs[:, 0] > 0.3).astype(int), np.full(100, np.nan)
    yt[:20] = Xt[:20, 0] > 0.8
    posteriors = np.zeros((100, 2))
    posteriors[:20] = np.eye(2)[yt[:20].astype(int)]
    ratio = discriminator_ratio(Xs, Xt, feature_weights=np.ones(6))
    agreements = []
    for share in (0.0, 0.8):
        weights = tempered(ratio, share, ys)[0] if share else ratio / ratio.mean()
        agreement = feature_agreement(Xs, np.eye(2)[ys], weights, Xt, posteriors)
        model = BIW(max_iter=1, min_effective_share=share).fit(Xs, ys, Xt, yt)
        np.testing.assert_allclose(model.feature_weights_, (1 + agreement) / 2)
        agreements.append(agreement)
    assert np.abs(agreements[0] - agreements[1]).max() > 0.02


def test_agreement_of_unseen_classes_and_constant_features():
    X, classes = np.array([[0.0, 1], [1, 1]]), np.array([[1, 0], [1, 0]])
    none = np.array([[0, 1], [0, 1]])
    np.testing.assert_array_equal(feature_agreement(X, classes, np.ones(2), X, none), [1, 1])
    found = feature_agreement(X, classes, np.ones(2), X + np.array([0, 3]), classes)
    assert found[0] == 1
    assert 0 < found[1] < 1e-100


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_ratio_of_two_normal_distributions(alpha):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2000, 2)), rng.normal(size=(1500, 2)) + np.array([1, 0])
    true = np.exp(Xs[:, 0] - 0.5)
    true /= alpha * true + 1 - alpha
    for rows in ((Xs, Xt), (sp.csr_array(Xs), sp.csr_array(Xt))):
        found = discriminator_ratio(*rows, alpha=alpha)
        assert np.corrcoef(np.log(found), np.log(true))[0, 1] > 0.98
        assert found.mean() == pytest.approx(true.mean(), rel=0.1)
        if alpha:
            assert found.max() <= 1 / alpha
    ignored = discriminator_ratio(Xs, Xt, feature_weights=np.array([1e-6, 1.0]), alpha=alpha)
    assert ignored.std() < 0.1


def test_ratio_does_not_depend_on_the_order_or_the_units():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(90, 3)), rng.normal(size=(60, 3)) + 0.5
    ratio = discriminator_ratio(Xs, Xt)
    order = rng.permutation(90)
    np.testing.assert_allclose(discriminator_ratio(Xs[order], Xt[::-1]), ratio[order], rtol=1e-4)
    np.testing.assert_allclose(discriminator_ratio(Xs[:2], Xt[:1]).shape, (2,))


def test_many_features_do_not_blow_up_the_ratio():
    """Two alike domains that a linear function separates on the training rows."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(60, 300)), rng.normal(size=(60, 300))
    separated = LogisticRegression().fit(np.concatenate([Xs, Xt]), np.repeat([0, 1], 60))
    assert separated.score(np.concatenate([Xs, Xt]), np.repeat([0, 1], 60)) == 1
    ratio = discriminator_ratio(Xs, Xt)
    assert 0.5 < ratio.mean() < 4  # all near 0 where rows are not held out


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_gains_where_a_feature_misleads(shift):
    """Above source-only by .06 at least, mean of 5 seeds, without a label."""
    found = {name: [] for name in ("both", "source")}
    for seed in range(5):
        Xs, ys, Xt, yt = conflict(seed, shift=shift)
        model = BIW().fit(Xs, ys, Xt)
        assert model.feature_weights_[0] < 0.4
        assert model.feature_weights_[1:].min() > 0.5
        found["both"].append(model.score(Xt, yt))
        found["source"].append(SourceOnly().fit(Xs, ys, Xt).score(Xt, yt))
    assert np.mean(found["both"]) > np.mean(found["source"]) + 0.06


def test_gamma_0_leaves_features_alone():
    Xs, ys, Xt, yt = conflict(0)
    model = BIW(gamma=0).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(model.feature_weights_, np.ones(4))
    assert BIW(gamma=1).fit(Xs, ys, Xt).score(Xt, yt) > model.score(Xt, yt) + 0.04


def test_source_weights_follow_the_target():
    """Covariate shift and a misspecified model: weighted beats unweighted by .05, 5 seeds."""
    weighted, plain = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(-1, 1, size=(500, 2)), rng.normal(1, 0.7, size=(500, 2))
        truth = lambda X: (X[:, 1] > np.where(X[:, 0] < 0, -X[:, 0], X[:, 0])).astype(int)  # noqa: E731
        Xt[:, 1] += 0.2
        Xs[:, 1] += 1.5
        model = BIW(gamma=0, alpha=0.02).fit(Xs, truth(Xs), Xt)
        assert np.corrcoef(model.source_weights_, Xs[:, 0])[0, 1] > 0.4
        assert model.source_weights_.mean() == pytest.approx(1)
        weighted.append(model.score(Xt, truth(Xt)))
        plain.append(SourceOnly().fit(Xs, truth(Xs), Xt).score(Xt, truth(Xt)))
    assert np.mean(weighted) > np.mean(plain) + 0.05


@pytest.mark.parametrize("base", [LogisticRegression(), MultinomialNB(), LinearSVC()])
def test_word_counts_with_a_few_labels(base):
    """20 labelled documents: .3 above source-only, .1 above gamma=0; sparse as dense, 2 seeds."""
    gains, plain_gains = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = topics(seed)
        some = np.where(np.arange(300) < 20, yt, -1)
        sparse = [sp.csr_array(X) for X in (Xs, Xt)]
        model = BIW(base).fit(sparse[0], ys, sparse[1], some)
        assert model.feature_weights_[:5].max() < 0.2 < model.feature_weights_[5:].min()
        plain = SourceOnly(base).fit(Xs, ys, Xt).score(Xt[20:], yt[20:])
        gains.append(model.score(sparse[1][20:], yt[20:]) - plain)
        halfway = BIW(base, gamma=0).fit(Xs, ys, Xt, some).score(Xt[20:], yt[20:])
        plain_gains.append(halfway - plain)
        if seed == 0 and not isinstance(base, LinearSVC):
            dense = BIW(base).fit(Xs, ys, Xt, some)
            np.testing.assert_allclose(
                model.predict_proba(sparse[1]), dense.predict_proba(Xt), atol=1e-3
            )
    assert np.mean(gains) > 0.3
    assert np.mean(gains) > np.mean(plain_gains) + 0.1


def test_prediction_scales_as_training_did():
    Xs, ys, Xt, _ = conflict(0)
    model = BIW().fit(Xs, ys, Xt)
    expected = model.estimator_.predict_proba(Xt * model.feature_weights_)
    np.testing.assert_array_equal(model.predict_proba(Xt), expected)
    refitted = LogisticRegression().fit(
        Xs * model.feature_weights_, ys, sample_weight=model.source_weights_
    )
    np.testing.assert_allclose(model.estimator_.coef_, refitted.coef_)


def test_labelled_target_rows_are_trained_on_and_trusted():
    Xs, ys, Xt, yt = conflict(0)
    some = np.where(np.arange(300) < 40, yt, -1)
    model = BIW().fit(Xs, ys, Xt, some)
    refitted = LogisticRegression().fit(
        np.concatenate([Xs, Xt[:40]]) * model.feature_weights_,
        np.concatenate([ys, yt[:40]]),
        sample_weight=np.concatenate([model.source_weights_, np.ones(40)]),
    )
    np.testing.assert_allclose(model.estimator_.coef_, refitted.coef_)
    # The labels speak for the target: feature weights are those of the labelled rows.
    agreement = feature_agreement(
        Xs, np.eye(2)[ys], model.source_weights_, Xt[:40], np.eye(2)[yt[:40]]
    )
    np.testing.assert_allclose(model.feature_weights_, agreement, atol=0.05)
    full = BIW(max_iter=40, tol=1e-6).fit(Xs, ys, Xt, yt)
    agreement = feature_agreement(Xs, np.eye(2)[ys], full.source_weights_, Xt, np.eye(2)[yt])
    np.testing.assert_allclose(full.feature_weights_, agreement, atol=1e-3)


def test_labels_of_one_class_do_not_stand_for_the_target():
    """Where a class has no labelled target row, the model's guesses stand in for all others."""
    Xs, ys, Xt, yt = conflict(0)
    ones = np.where((yt == 1) & (np.arange(300) < 40), 1.0, np.nan)
    model = BIW(max_iter=1).fit(Xs, ys, Xt, ones)
    # One iteration by hand.
    ratio = discriminator_ratio(Xs, Xt, feature_weights=np.ones(4), alpha=0.1, C=1.0)
    weights = ratio / ratio.mean()
    labelled = ~np.isnan(ones)
    first = LogisticRegression().fit(
        np.concatenate([Xs, Xt[labelled]]),
        np.concatenate([ys, yt[labelled]]),
        sample_weight=np.concatenate([weights, np.ones(labelled.sum())]),
    )
    members = np.where(labelled[:, None], np.eye(2)[yt], first.predict_proba(Xt))
    agreement = feature_agreement(Xs, np.eye(2)[ys], weights, Xt, members)
    np.testing.assert_allclose(model.feature_weights_, (1 + agreement) / 2)
    assert model.feature_weights_.min() < 0.9


def test_iterations():
    Xs, ys, Xt, _ = conflict(0)
    with pytest.warns(ConvergenceWarning, match="iteration 1 "):
        model = BIW(max_iter=1).fit(Xs, ys, Xt)
    assert model.n_iter_ == 1
    settled = BIW(tol=1e-3, max_iter=50).fit(Xs, ys, Xt)
    assert 2 < settled.n_iter_ < 50
    assert BIW(tol=10.0).fit(Xs, ys, Xt).n_iter_ == 1


def test_alike_domains_change_next_to_nothing():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=800)
    X = rng.normal(size=(800, 3)) + y[:, None]
    model = BIW().fit(X[:400], y[:400], X[400:])
    assert model.feature_weights_.min() > 0.9
    assert model.source_weights_.std() < 0.4
    plain = SourceOnly().fit(X[:400], y[:400], X[400:])
    assert np.mean(model.predict(X) == plain.predict(X)) > 0.97


def test_without_target_it_is_the_estimator():
    Xs, ys, *_ = conflict(0)
    with pytest.warns(NoTargetWarning):
        model = BIW().fit(Xs, ys)
    np.testing.assert_array_equal(model.feature_weights_, np.ones(4))
    np.testing.assert_array_equal(model.source_weights_, np.ones(300))
    np.testing.assert_allclose(model.estimator_.coef_, LogisticRegression().fit(Xs, ys).coef_)


def test_estimators_that_cannot_be_weighted():
    Xs, ys, Xt, _ = conflict(0)
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight"):
        BIW(KNeighborsClassifier()).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="needs a classifier as its estimator, but Ridge"):
        BIW(Ridge()).fit(Xs, ys, Xt)


def test_string_labels_and_pickle():
    Xs, ys, Xt, _ = conflict(0, n=2000)
    names = np.array(["well", "ill"])
    model = BIW().fit(Xs, names[ys], Xt)
    numbers = clone(model).fit(Xs, 1 - ys, Xt)
    np.testing.assert_allclose(model.feature_weights_, numbers.feature_weights_, rtol=1e-6)
    assert set(model.predict(Xt)) == {"ill", "well"}
    stored = pickle.dumps(model)
    assert len(stored) < 5000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(model.predict_proba(Xt), restored.predict_proba(Xt))
    with pytest.raises(AttributeError, match="lost by pickling"):
        _ = restored.source_weights_
