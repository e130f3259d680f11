"""Where nothing has shifted a map harms nobody: what of the defaults sees to it, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skdtl import BDA, GFK, JDA, JGSA, SSTCA, TCA, TJM, SourceOnly, SubspaceAlignment
from skdtl.mapping._feature_space import FeatureSpace, KernelSpace
from skdtl.mapping._mean_differences import mean_difference
from skdtl.mapping._principal_axes import kept_shares, principal_axes

from ..shifts import other_means
from .by_hand import same_up_to_sign
from .test_jda import three_classes

ALIKE = [TCA, SSTCA, TJM, JDA, BDA]
METHODS = [*ALIKE, JGSA, SubspaceAlignment]
TABLES = {
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "iris": lambda: load_iris(return_X_y=True),
    "made": lambda: make_classification(400, 12, n_informative=5, n_classes=3, random_state=0),
}


def halves(table, seed):
    X, y = TABLES[table]()
    rows = np.random.default_rng(seed).permutation(len(y))
    source, target = np.array_split(rows, 2)
    X = StandardScaler().fit_transform(X)
    return X[source], y[source], X[target], y[target]


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize("table", TABLES)
def test_random_halves_lose_nothing(cls, table):
    differences = []
    for seed in range(5):
        Xs, ys, Xt, yt = halves(table, seed)
        without = SourceOnly().fit(Xs, ys, Xt).score(Xt, yt)
        differences.append(cls().fit(Xs, ys, Xt).score(Xt, yt) - without)
    assert np.mean(differences) > -0.01


@pytest.mark.parametrize("cls", [*ALIKE, JGSA])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_default_estimator_meets_the_same_rows_in_any_unit(cls, factor):
    Xs, ys, Xt, yt = halves("breast_cancer", 0)
    Xt = Xt + np.linspace(-1, 1, Xt.shape[1])
    expected = cls().fit(Xs, ys, Xt).predict_proba(Xt)
    found = cls().fit(factor * Xs, ys, factor * Xt).predict_proba(factor * Xt)
    assert_allclose(found, expected, atol=1e-3)


# --- scale ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [TCA, TJM, JDA, BDA])
def test_without_a_shift_components_are_principal_components(cls):
    """Up to one factor, where the distance of the means counts for nothing."""
    Xs, ys, Xt = other_means(d=5)
    X = np.vstack([Xs, Xt])
    X -= X.mean(axis=0)
    options = {"n_rounds": 1} if cls is TJM else {}  # its rounds penalise some rows more
    Z = cls(allowance=1e9, **options).fit(X[:40], ys, X[40:]).transform(X)
    expected = PCA().fit_transform(X)
    expected /= np.sqrt(expected.var(axis=0).mean())
    same_up_to_sign(Z, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("cls", ALIKE)
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("spectrum", ["pca", "penalty"])
def test_the_mean_variance_is_one(cls, kernel, spectrum):
    Xs, ys, Xt, _ = three_classes()
    model = cls(4, kernel=kernel, spectrum=spectrum).fit(Xs, ys, Xt)
    Z = model.transform(np.vstack([Xs, Xt]))
    assert_allclose(Z.var(axis=0).mean(), 1)


@pytest.mark.parametrize("cls", [TCA, TJM, JDA, BDA])
@pytest.mark.parametrize("spectrum, power", [("pca", 0.5), ("penalty", 1.0)])
def test_the_spectrum_goes_by_the_eigenvalues(cls, spectrum, power):
    Xs, ys, Xt, _ = three_classes()
    model = cls(4, spectrum=spectrum).fit(Xs, ys, Xt)
    variances = model.transform(np.vstack([Xs, Xt])).var(axis=0)
    values = model.eigenvalues_**power
    assert_allclose(variances / variances[0], values / values[0], rtol=1e-6)


def test_the_spectrum_with_labels_goes_by_the_variances():
    """Of SSTCA the eigenvalues are no variances."""
    Xs, ys, Xt, _ = three_classes()
    X = np.vstack([Xs, Xt])
    like = SSTCA(4, spectrum="penalty").fit(Xs, ys, Xt).transform(X)
    roots = SSTCA(4).fit(Xs, ys, Xt).transform(X)
    expected = like.std(axis=0) / like.std(axis=0).mean()
    assert_allclose(roots.var(axis=0), expected, rtol=1e-6)


# --- chance -----------------------------------------------------------------------------------


@pytest.mark.parametrize("as_matrix", [True, False])
@pytest.mark.parametrize("d", [5, 200])
def test_distances_and_variance_of_the_rows(as_matrix, d):
    Xs, _, Xt = other_means(d=d)
    X = np.vstack([Xs, Xt])
    space = KernelSpace(X @ X.T) if as_matrix else FeatureSpace((Xs, Xt))
    assert_allclose(space.variance, X.var(axis=0).sum())
    E = np.column_stack([mean_difference(40, 25), np.r_[np.ones(2) / 2, np.zeros(62), -1]])
    expected = [
        np.sum((Xs.mean(axis=0) - Xt.mean(axis=0)) ** 2),
        np.sum((Xs[:2].mean(axis=0) - Xt[-1]) ** 2),
    ]
    assert_allclose(space.squared_lengths(E), expected)


def test_means_of_random_samples_are_as_far_apart_as_chance_says():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 6)) * [3, 2, 1, 1, 1, 1]
    distances = []
    for _ in range(2000):
        X = rng.permutation(X)
        distances.append(np.sum((X[:60].mean(axis=0) - X[60:].mean(axis=0)) ** 2))
    chance = (1 / 60 + 1 / 30) * X.var(axis=0).sum()
    assert_allclose(np.mean(distances), chance, rtol=0.05)
    assert np.mean(np.array(distances) > 4 * chance) < 0.02


@pytest.mark.parametrize("cls", ALIKE)
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_what_chance_explains_does_not_count(cls, kernel):
    """Beyond it, a growing allowance leads from the paper's map to the one without a shift."""
    Xs, ys, Xt = other_means()
    options = {"n_components": 3, "kernel": kernel, **({"n_rounds": 1} if cls is JDA else {})}
    Z = {
        allowance: cls(allowance=allowance, **options).fit(Xs, ys, Xt).transform(Xs)
        for allowance in (0, 4, 1e3, 1e6)
    }
    none = "mu" if cls in (TCA, SSTCA) else "lam"
    assert abs(abs(Z[4]) - abs(Z[0])).max() > 1e-4
    assert abs(abs(Z[1e3]) - abs(Z[0])).max() > 1e-2
    assert_array_equal(Z[1e6], Z[1e3])
    if cls in (TCA, JDA):
        free = cls(**{none: 1e12}, **options).fit(Xs, ys, Xt).transform(Xs)
        same_up_to_sign(Z[1e6], free, rtol=1e-5, atol=1e-6)


# --- guesses ----------------------------------------------------------------------------------


def test_the_balance_follows_the_distances():
    """By hand, with all target labels known, so that every round has the same."""
    Xs, ys, Xt, yt = three_classes()
    X, allowance = np.vstack([Xs, Xt]), 0.3
    variance = X.var(axis=0).sum()

    def excess(A, B):
        by_chance = allowance * (1 / len(A) + 1 / len(B)) * variance
        return max(0, np.sum((A.mean(axis=0) - B.mean(axis=0)) ** 2) - by_chance)

    whole = excess(Xs, Xt)
    classes = np.mean([excess(Xs[ys == c], Xt[yt == c]) for c in range(3)])
    assert classes > 0 and whole > 0
    options = {"allowance": allowance, "source_classes": "given"}
    bda = BDA(**options).fit(Xs, ys, Xt, yt)
    assert_allclose(bda.mu_, classes / (whole + classes), rtol=1e-9)
    same = BDA(mu=classes / (whole + classes), **options).fit(Xs, ys, Xt, yt)
    assert_allclose(bda.transform(Xt), same.transform(Xt), rtol=1e-6, atol=1e-9)
    assert abs(bda.transform(Xt) - JDA(**options).fit(Xs, ys, Xt, yt).transform(Xt)).max() > 1e-3
    assert BDA(mu=0.25).fit(Xs, ys, Xt).mu_ == 0.25
    assert BDA(allowance=1e9).fit(Xs, ys, Xt).mu_ == 0.5


@pytest.mark.parametrize("cls", [JDA, BDA])
@pytest.mark.parametrize("source_classes", ["guessed", "given"])
def test_guesses_are_compared_with_guesses(cls, source_classes):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 4)) + np.outer(y, [1, 0, 0, 0])
    Xs, ys, Xt = X[:120], y[:120], X[120:] + 0.5
    compared = []

    class Recorded(cls):
        def _differences(self, space, ys, yt):
            compared.append((ys, yt))
            return super()._differences(space, ys, yt)

    Recorded(source_classes=source_classes, n_rounds=2).fit(Xs, ys, Xt)
    once = cls(n_rounds=1).fit(Xs, ys, Xt)
    guesses = once.predict(Xs)
    assert np.mean(guesses != ys) > 0.1
    assert_array_equal(compared[1][0], guesses if source_classes == "guessed" else ys)
    assert_array_equal(compared[1][1], once.predict(Xt))


# --- subspaces --------------------------------------------------------------------------------


def test_what_the_others_directions_keep():
    """Row by row: onto the own directions, then onto the other domain's."""
    Xs, _, Xt = other_means(d=7)
    axes = [principal_axes([X], 7) for X in (Xs, Xt)]
    expected = []
    for k in range(1, 8):
        shares = []
        for X, own, other in ((Xs, *axes), (Xt, *axes[::-1])):
            centred = X - X.mean(axis=0)
            kept = centred @ own[:, :k] @ own[:, :k].T @ other[:, :k]
            # The mapped rows' squares, direction by own direction, as these do not correlate.
            shares.append(np.sum(kept**2) / np.sum(centred**2))
        expected.append(min(shares))
    found = kept_shares(Xs, Xt, *axes)
    assert_allclose(found, expected)
    assert_allclose(found[-1], 1)
    for share in (0.5, 0.9):
        model = SubspaceAlignment(share, estimator="passthrough").fit(Xs, None, Xt)
        assert model.n_components_ == 1 + np.argmax(np.array(expected) >= share)


def test_columns_of_equal_variance_are_all_kept():
    """The order of the directions is chance: half of them are other ones in each domain."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(900, 10))
    model = SubspaceAlignment(estimator="passthrough").fit(X[:500], None, X[500:])
    assert model.n_components_ == 10


@pytest.mark.parametrize("cls", [SubspaceAlignment, GFK])
def test_means_move_by_what_chance_does_not_explain(cls):
    Xs, _, Xt = other_means(d=5)
    X, means = np.vstack([Xs, Xt]), np.array([Xs.mean(axis=0), Xt.mean(axis=0)])
    distance = np.sum((means[0] - means[1]) ** 2)
    chance = (1 / 40 + 1 / 25) * X.var(axis=0).sum()
    for allowance in (0, 0.5 * distance / chance, 2 * distance / chance):
        model = cls(2, allowance=allowance, estimator="passthrough").fit(Xs, None, Xt)
        share = max(0, 1 - allowance * chance / distance)
        expected = X.mean(axis=0) + share * (means - X.mean(axis=0))
        assert_allclose([model.source_mean_, model.target_mean_], expected)
