"""DiscriminatorWeighting: the ratio by the formula, by known densities, and what it is good for."""

import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skdtl import DiscriminatorWeighting, NoTargetWarning, SourceOnly
from skdtl.instances import discriminator_weights
from skdtl.instances._density_ratio import balances, fold_numbers, relative_ratio

from ..shifts import cubic, normal_shift
from .truth import against_truth, cubic_error

QUADRATIC = make_pipeline(PolynomialFeatures(2), LogisticRegression(C=100, max_iter=1000))


@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize("n_target", [60, 240])
def test_by_the_formula(alpha, n_target):
    """(n_s / n_t) p / (1 - p) by a discriminator of the other folds, row by row."""
    Xs, Xt, _ = normal_shift(0, n=90, n_target=n_target)
    found = discriminator_weights(Xs, Xt, discriminator=GaussianNB(), alpha=alpha, cv=3)
    fold_s, fold_t = fold_numbers(Xs, 3), fold_numbers(Xt, 3)
    for i in range(90):
        train_s, train_t = Xs[fold_s != fold_s[i]], Xt[fold_t != fold_s[i]]
        labels = np.repeat([0, 1], [len(train_s), len(train_t)])
        model = GaussianNB().fit(np.concatenate([train_s, train_t]), labels)
        p = model.predict_proba(Xs[[i]])[0, 1]
        ratio = len(train_s) / len(train_t) * p / (1 - p)
        assert found[i] == pytest.approx(ratio / (alpha * ratio + 1 - alpha))


def test_folds_deal_out_every_domain_evenly():
    X = np.random.default_rng(0).normal(size=(53, 3))
    fold = fold_numbers(X, 5)
    assert set(np.bincount(fold)) == {10, 11}
    order = np.random.default_rng(1).permutation(53)
    np.testing.assert_array_equal(fold_numbers(X[order], 5), fold[order])


def test_relative_ratio():
    ratio = np.array([1e-3, 0.5, 1.0, 4.0, 1e3])
    np.testing.assert_allclose(relative_ratio(np.log(ratio), 0.0), ratio)
    np.testing.assert_allclose(relative_ratio(np.log(ratio), 0.2), ratio / (0.2 * ratio + 0.8))


@pytest.mark.parametrize("n_target", [150, 2400])
@pytest.mark.parametrize("balanced", [None, "balanced"])
def test_the_numbers_of_rows_are_taken_out(n_target, balanced):
    """Whether or not the discriminator balances the domains itself, wherever that is said."""
    Xs, Xt, true = normal_shift(0, n=600, d=1, sd=1.0, n_target=n_target)
    inner = LogisticRegression(class_weight=balanced)
    for discriminator in (inner, make_pipeline(StandardScaler(), inner)):
        found = discriminator_weights(Xs, Xt, discriminator=discriminator)
        assert np.median(found / true) == pytest.approx(1, abs=0.2)
    assert balances(inner) == (balanced is not None)
    assert balances(CalibratedClassifierCV(inner)) == (balanced is not None)


def test_rows_are_held_out():
    """Alike domains: one neighbour knows the rows that it has seen, and says 0 of each."""
    Xs, Xt = np.random.default_rng(0).normal(size=(2, 300, 2))
    forest = RandomForestClassifier(20, random_state=0)
    held_out = discriminator_weights(Xs, Xt, discriminator=forest)
    labels = np.repeat([0, 1], 300)
    forest.fit(np.concatenate([Xs, Xt]), labels)
    assert forest.predict_proba(Xs)[:, 1].mean() < 0.2
    assert 0.8 < np.median(held_out) < 1.25


def test_probabilities_of_0_and_1_stay_finite():
    Xs, Xt, _ = normal_shift(0, n=100, mean=3.0)
    weights = discriminator_weights(Xs, Xt, discriminator=KNeighborsClassifier(1), cv=5)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(np.unique(weights), [1 / 161, 161], rtol=1e-9)  # 160 in training


def test_recovers_a_known_ratio():
    """Correlation above .9 with a linear, .75 with a quadratic logarithm, on every of 5 seeds."""
    linear, sizes = against_truth(lambda *X: discriminator_weights(*X), sd=1.0, mean=0.5)
    assert linear.min() > 0.9
    assert sizes.min() > 0.6 and sizes.max() < 1.6
    for options in ({"d": 1}, {"d": 2}, {"d": 3, "mean": 0.5}):
        correlations, sizes = against_truth(
            lambda *X: discriminator_weights(*X, discriminator=QUADRATIC), **options
        )
        assert correlations.min() > 0.75 and correlations.mean() > 0.9
        assert sizes.min() > 0.5 and sizes.max() < 1.6


def test_a_line_through_a_cubic():
    """Squared error on the target below .01 on average (true ratio: .005), .2 without weights."""
    errors = {"quadratic": [], "linear": [], "plain": []}
    for seed in range(6):
        Xs, ys, Xt = cubic(seed)
        for name, discriminator in (("quadratic", QUADRATIC), ("linear", None)):
            model = DiscriminatorWeighting(LinearRegression(), discriminator=discriminator)
            errors[name].append(cubic_error(model.fit(Xs, ys, Xt)))
        errors["plain"].append(cubic_error(SourceOnly(LinearRegression()).fit(Xs, ys, Xt)))
    assert np.mean(errors["plain"]) > 0.15
    assert np.mean(errors["linear"]) < 0.05
    assert np.mean(errors["quadratic"]) < 0.01
    assert np.max(errors["quadratic"]) < 0.02


def test_many_features():
    """50 columns of which one has shifted, 300 rows: regularised, the ratio is still found."""
    correlations, _ = against_truth(
        lambda *X: discriminator_weights(*X, discriminator=LogisticRegression(C=0.01)),
        n=300,
        d=50,
        mean=np.r_[1.0, np.zeros(49)],
        sd=1.0,
    )
    assert correlations.min() > 0.6


def test_density_ratio_of_new_rows():
    Xs, Xt, _ = normal_shift(0, n=2000, d=2, sd=1.0, mean=0.5, n_target=1000)
    model = DiscriminatorWeighting(LinearRegression()).fit(Xs, Xs[:, 0], Xt)
    grid = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [1.5, 0.0]])
    true = np.exp(0.5 * grid.sum(axis=1) - 0.25)
    np.testing.assert_allclose(model.density_ratio(grid), true, rtol=0.2)
    # In the relative ratio, and for single precision.
    model.set_params(alpha=0.3).fit(Xs, Xs[:, 0], Xt)
    found = model.density_ratio(grid.astype(np.float32))
    np.testing.assert_allclose(found, true / (0.3 * true + 0.7), rtol=0.2)
    # It is that of the discriminator fitted to all rows, and survives pickling.
    p = model.discriminator_.predict_proba(grid)[:, 1]
    ratio = 2 * p / (1 - p)
    np.testing.assert_allclose(model.density_ratio(grid), ratio / (0.3 * ratio + 0.7))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).density_ratio(grid), model.density_ratio(grid)
    )
    with pytest.raises(ValueError, match="X has 1 features"):
        model.density_ratio(grid[:, :1])


def test_estimator_and_function_agree():
    Xs, ys, Xt = cubic(0)
    options = {"discriminator": QUADRATIC, "alpha": 0.2, "cv": 4}
    model = DiscriminatorWeighting(LinearRegression(), **options).fit(Xs, ys, Xt)
    raw = discriminator_weights(Xs, Xt, **options)
    np.testing.assert_allclose(model.source_weights_, raw / raw.mean())
    expected = LinearRegression().fit(Xs, ys, raw)
    np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)


def test_every_parameter_counts():
    Xs, Xt, _ = normal_shift(0, n=150)
    plain = discriminator_weights(Xs, Xt)
    assert plain.max() > 5
    assert discriminator_weights(Xs, Xt, alpha=0.5).max() <= 2
    assert np.abs(discriminator_weights(Xs, Xt, cv=2) - plain).max() > 0.05
    assert np.abs(discriminator_weights(Xs, Xt, discriminator=QUADRATIC) - plain).max() > 0.5
    with joblib.parallel_config(backend="threading"):
        np.testing.assert_array_equal(discriminator_weights(Xs, Xt, n_jobs=2), plain)
    forest = RandomForestClassifier(5)
    first, again, other = (
        discriminator_weights(Xs, Xt, discriminator=forest, random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    fitted = [
        DiscriminatorWeighting(LinearRegression(), discriminator=forest, random_state=seed)
        .fit(Xs, Xs[:, 0], Xt)
        .density_ratio(Xt)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(fitted[0], fitted[1])
    assert (fitted[0] != fitted[2]).any()


def test_each_discriminator_has_a_seed_of_its_own():
    seeds = []

    class Watched(DecisionTreeClassifier):
        def fit(self, X, y):
            seeds.append(self.random_state)
            return super().fit(X, y)

    Xs, Xt, _ = normal_shift(0, n=60)
    model = DiscriminatorWeighting(
        LinearRegression(), discriminator=Watched(max_depth=1), random_state=0
    )
    model.fit(Xs, Xs[:, 0], Xt)
    assert len(seeds) == 6 and len(set(seeds)) == 6  # of five folds, and of all rows


def test_alike_domains_and_the_order():
    Xs, Xt, _ = normal_shift(0, mean=0.0, sd=1.0, n=1000)
    weights = discriminator_weights(Xs, Xt)
    assert weights.std() < 0.2
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_allclose(
        discriminator_weights(Xs[order], Xt[::-1]), weights[order], rtol=1e-4
    )


def test_sparse_rows():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.poisson(0.3, size=(200, 10)) * 1.0, rng.poisson(0.5, size=(150, 10)) * 1.0
    dense = discriminator_weights(Xs, Xt)
    for rows in ((sp.csr_array(Xs), sp.csr_array(Xt)), (Xs, sp.csr_matrix(Xt))):
        np.testing.assert_allclose(discriminator_weights(*rows), dense, rtol=1e-3)
    model = DiscriminatorWeighting().fit(sp.csr_array(Xs), np.arange(200) % 2, sp.csr_array(Xt))
    assert model.density_ratio(sp.csr_array(Xt)).shape == (150,)


def test_few_rows():
    Xs, Xt, _ = normal_shift(0, n=5)
    assert discriminator_weights(Xs, Xt[:2]).shape == (5,)
    assert np.isfinite(discriminator_weights(Xs, Xt[:1])).all()


def test_errors():
    Xs, Xt, _ = normal_shift(0, n=30)
    with pytest.raises(ValueError, match="Xt has 1 features, but Xs has 2"):
        discriminator_weights(Xs, Xt[:, :1])
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\)"):
        discriminator_weights(Xs, Xt, alpha=1.0)
    with pytest.raises(ValueError, match="cv must be at least 2"):
        discriminator_weights(Xs, Xt, cv=1)
    with pytest.raises(ValueError, match="'discriminator' of DiscriminatorWeighting must be"):
        DiscriminatorWeighting(discriminator=LinearSVC()).fit(Xs, np.arange(30) % 2, Xt)


def test_without_target_it_is_the_estimator():
    Xs, ys, _ = cubic(0)
    with pytest.warns(NoTargetWarning):
        model = DiscriminatorWeighting(LinearRegression()).fit(Xs, ys)
    np.testing.assert_allclose(model.predict(Xs), LinearRegression().fit(Xs, ys).predict(Xs))
    np.testing.assert_array_equal(model.density_ratio(Xs), np.ones(200))
