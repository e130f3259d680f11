"""PerDomain against its definition, and what it says of class shares against what is known."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)

from skdtl import CORAL, PerDomain, SourceOnly, stack
from skdtl.datasets import make_shifted_classification
from skdtl.mapping._class_shares import (
    _whitening,
    counts_differ,
    other_shares,
    shares_behind_means,
)


def z_scores(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def rows(seed=0, n_source=60, n_target=40):
    rng = np.random.default_rng(seed)
    ys, yt = rng.permutation(np.arange(n_source) % 2), rng.permutation(np.arange(n_target) % 2)
    Xs, Xt = rng.normal(size=(n_source, 3)), rng.normal(size=(n_target, 3))
    Xs[:, 0] += 2 * ys
    Xt[:, 0] += 2 * yt
    return Xs, ys, Xt * [2.0, 0.5, 1.0] + [5.0, 0.0, -3.0], yt


def classes_with_shares(rng, shares, n, d=8, *, exact=False):
    """Rows of classes that look alike in all domains."""
    if exact:
        y = np.repeat(np.arange(len(shares)), np.multiply(shares, n).astype(int))
    else:
        y = rng.choice(len(shares), size=n, p=shares)
    X = rng.normal(size=(n, d))
    X[np.arange(n), y] += 2.5
    return X, y


# -- what it computes -----------------------------------------------------------------------------


def test_each_domain_has_its_own_mean_and_deviation():
    Xs, ys, Xt, _ = rows()
    model = PerDomain(estimator="passthrough")
    np.testing.assert_allclose(model.fit_transform(Xs, ys, Xt), z_scores(Xs))
    np.testing.assert_allclose(model.transform(Xs, domain="source"), z_scores(Xs))
    np.testing.assert_allclose(model.transform(Xt), z_scores(Xt))
    new = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(model.transform(new), (new - Xt.mean(axis=0)) / Xt.std(axis=0))
    np.testing.assert_allclose(
        model.transform(new, domain="source"), (new - Xs.mean(axis=0)) / Xs.std(axis=0)
    )


def test_the_estimator_learns_from_all_labelled_rows_each_in_its_own_units():
    Xs, ys, Xt, yt = rows()
    few = np.where(np.arange(40) < 10, yt, np.nan)
    fitted = PerDomain(balance="rows").fit(Xs, ys, Xt, few)
    X, y = np.concatenate([z_scores(Xs), z_scores(Xt)[:10]]), np.concatenate([ys, yt[:10]])
    alone = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(Xt), alone.predict_proba(z_scores(Xt)))
    without = PerDomain().fit(Xs, ys, Xt)
    alone = LogisticRegression().fit(z_scores(Xs), ys)
    np.testing.assert_allclose(without.predict_proba(Xt), alone.predict_proba(z_scores(Xt)))


def test_equal_domains_give_one_scaler():
    Xs, ys, _, _ = rows()
    together = SourceOnly(make_pipeline(StandardScaler(), LogisticRegression())).fit(Xs, ys)
    for options in ({}, {"Xt": Xs}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = PerDomain().fit(Xs, ys, **options)
        np.testing.assert_array_equal(fitted.predict_proba(Xs), together.predict_proba(Xs))


def test_several_sources_have_a_clone_each():
    (X1, y1, Xt, yt), (X2, y2, *_) = rows(0), rows(1)
    X2 = X2 * 7 - 4
    X, y, domain = stack([X1, X2], [y1, y2], Xt, yt)
    order = np.random.default_rng(0).permutation(len(X))
    X, y, domain = X[order], y[order], domain[order]
    model = PerDomain(balance="rows")
    mapped = model.fit_transform(X, y, sample_domain=domain)
    assert sorted(model.transformers_) == [-1, 1, 2]
    for code in (1, 2, -1):
        expected = z_scores(X[domain == code])
        np.testing.assert_allclose(mapped[domain == code], expected)
        np.testing.assert_allclose(model.transform(X[domain == code], domain=code), expected)
    np.testing.assert_allclose(model.transform(X, domain=domain), mapped)
    np.testing.assert_allclose(model.inverse_transform(mapped, domain=domain), X)
    alone = LogisticRegression().fit(mapped, y)
    np.testing.assert_allclose(model.predict_proba(Xt), alone.predict_proba(z_scores(Xt)))
    with pytest.raises(ValueError, match=r"does not tell which of the sources \[1, 2\]"):
        model.transform(X1, domain="source")
    with pytest.raises(ValueError, match=r"has the codes \[3\], but fit had only the sources"):
        model.transform(X1, domain=3)
    with pytest.raises(ValueError, match="but X has 60 rows"):
        model.transform(X1, domain=[1, 2])


def test_all_negative_codes_are_the_one_target():
    Xs, ys, Xt, yt = rows()
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    codes = np.repeat([1, -1, -2], [60, 25, 15])
    several = PerDomain().fit(X, y, sample_domain=codes)
    one = PerDomain().fit(X, y, sample_domain=np.maximum(codes, -1))
    np.testing.assert_array_equal(several.predict_proba(Xt), one.predict_proba(Xt))
    np.testing.assert_array_equal(several.transform(Xt, domain=-2), several.transform(Xt))


@pytest.mark.parametrize("form", ["pair", "stacked"])
def test_in_front_of_a_mapper_in_a_pipeline(form):
    Xs, ys, Xt, yt = rows()
    steps = PerDomain(estimator="passthrough"), CORAL()
    if form == "pair":
        with sklearn.config_context(enable_metadata_routing=True):
            pipeline = make_pipeline(*steps, transform_input=["Xt"]).fit(Xs, ys, Xt=Xt)
    else:
        X, y, d = stack(Xs, ys, Xt, np.full(40, np.nan))
        domains = {"perdomain__sample_domain": d, "coral__sample_domain": d}
        pipeline = make_pipeline(*steps).fit(X, y, **domains)
    alone = CORAL().fit(z_scores(Xs), ys, z_scores(Xt))
    np.testing.assert_allclose(
        pipeline.predict_proba(Xt), alone.predict_proba(z_scores(Xt)), rtol=1e-6
    )


def test_other_transformers():
    Xs, ys, Xt, _ = rows()
    model = PerDomain(QuantileTransformer(n_quantiles=20)).fit(Xs, ys, Xt)
    assert model.transform(Xt).max() == 1 and model.transform(Xs, domain="source").min() == 0
    np.testing.assert_allclose(model.inverse_transform(model.transform(Xt)), Xt)
    assert not hasattr(PerDomain(Normalizer()), "inverse_transform")
    # one without names of columns
    halved = PerDomain(FunctionTransformer(lambda X: X / 2)).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(halved.transform(Xt), Xt / 2)
    assert list(halved.get_feature_names_out()) == ["perdomain0", "perdomain1", "perdomain2"]
    regressor = PerDomain(MinMaxScaler(), estimator=Ridge()).fit(Xs, Xs[:, 0], Xt)
    alone = Ridge().fit(MinMaxScaler().fit_transform(Xs), Xs[:, 0])
    np.testing.assert_allclose(
        regressor.predict(Xt), alone.predict(MinMaxScaler().fit_transform(Xt))
    )


def test_given_rows_and_transformer_stay_as_they_are():
    Xs, ys, Xt, _ = rows()
    before = Xs.copy(), Xt.copy()
    scaler = StandardScaler(copy=False)
    chain = make_pipeline(StandardScaler(copy=False), MinMaxScaler(copy=False))
    for transformer in (scaler, chain):
        model = PerDomain(transformer).fit(Xs, ys, Xt)
        model.transform(Xt)
        model.inverse_transform(model.transform(Xt))
        np.testing.assert_array_equal(Xs, before[0])
        np.testing.assert_array_equal(Xt, before[1])
    assert not hasattr(scaler, "mean_")


def test_domains_need_the_same_columns_afterwards():
    Xs, ys, Xt, _ = rows()
    Xs, Xt = np.round(Xs), np.round(Xt)
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    with pytest.raises(ValueError, match="OneHotEncoder makes"):
        PerDomain(encoder).fit(Xs, ys, Xt)


def test_missing_values_are_filled_in_each_domain():
    Xs, ys, Xt, _ = rows()
    Xs[0, 1], Xt[0, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="Input Xs contains NaN"):
        PerDomain().fit(Xs, ys, Xt)
    imputer = PerDomain(SimpleImputer()).fit(Xs, ys, Xt)
    assert imputer.transform(Xt)[0, 1] == pytest.approx(np.nanmean(Xt[:, 1]))
    assert imputer.transform(Xs, domain="source")[0, 1] == pytest.approx(np.nanmean(Xs[:, 1]))
    trees = PerDomain(estimator=HistGradientBoostingClassifier()).fit(Xs, ys, Xt)
    assert np.isnan(trees.transform(Xt)[0, 1]) and trees.predict(Xt).shape == (40,)


def test_sparse_rows_where_the_transformer_takes_them():
    Xs, ys, Xt, yt = rows()
    few = np.where(np.arange(40) < 10, yt, np.nan)
    dense = PerDomain(MaxAbsScaler()).fit(Xs, ys, Xt, few)
    sparse = PerDomain(MaxAbsScaler()).fit(sp.csr_array(Xs), ys, sp.csr_array(Xt), few)
    assert sp.issparse(sparse.transform(sp.csr_array(Xt)))
    np.testing.assert_allclose(
        sparse.predict_proba(sp.csr_array(Xt)), dense.predict_proba(Xt), rtol=1e-6
    )
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        PerDomain().fit(sp.csr_array(Xs), ys, sp.csr_array(Xt))


def test_names_of_columns():
    Xs, ys, Xt, _ = rows()
    frames = [pd.DataFrame(X, columns=["age", "crp", "bmi"]) for X in (Xs, Xt)]
    model = PerDomain().set_output(transform="pandas").fit(frames[0], ys, frames[1])
    assert list(model.transform(frames[1]).columns) == ["age", "crp", "bmi"]
    parts = PerDomain(PCA(2)).fit(frames[0], ys, frames[1])
    assert list(parts.get_feature_names_out()) == ["pca0", "pca1"]
    with sklearn.config_context(transform_output="pandas"):
        inside = PerDomain().fit(Xs, ys, Xt)
        np.testing.assert_allclose(np.asarray(inside.transform(Xt)), z_scores(Xt))


@pytest.mark.parametrize("seed", range(5))
def test_effect_where_the_target_has_other_units(seed):
    data = make_shifted_classification("measurement", random_state=seed)
    source = SourceOnly().fit(data.Xs, data.ys).score(data.Xt, data.yt)
    mapped = PerDomain().fit(data.Xs, data.ys, data.Xt).score(data.Xt, data.yt)
    assert mapped > source + 0.15
    assert mapped > 0.88


# -- class shares ---------------------------------------------------------------------------------


def test_shares_behind_means_are_the_targets():
    rng = np.random.default_rng(0)
    Xs, ys = classes_with_shares(rng, [0.2, 0.5, 0.3], 3000)
    Xt, _ = classes_with_shares(rng, [0.6, 0.1, 0.3], 2000)
    # any linear map of all columns, and columns that depend on others or never vary, change nothing
    A = rng.normal(size=(8, 8))
    wide = [np.column_stack([X @ A, X[:, :1] + X[:, 1:2], np.ones(len(X))]) for X in (Xs, Xt)]
    for first, second in ((Xs, Xt), wide):
        shares, p_value, stretch = shares_behind_means(first, ys, second)
        np.testing.assert_allclose(shares, [0.6, 0.1, 0.3], atol=0.03)
        assert p_value < 1e-6 and stretch < 0.1
    gap = Xt.mean(axis=0) - Xs.mean(axis=0)
    means = np.array([Xs[ys == k].mean(axis=0) for k in range(3)])
    residuals = (Xs - means[ys])[::3]
    within = residuals.T @ residuals / 997
    mixtures = (means[1:] - means[0]).T
    weigh = np.linalg.inv(within)
    change = np.linalg.solve(mixtures.T @ weigh @ mixtures, mixtures.T @ weigh @ gap)
    shares = shares_behind_means(Xs, ys, Xt)[0]
    np.testing.assert_allclose(shares[1:] - np.bincount(ys)[1:] / 3000, change, rtol=1e-6)


def test_more_columns_than_rows_and_missing_ones():
    rng = np.random.default_rng(0)
    Xs, ys = classes_with_shares(rng, [0.5, 0.5], 200, d=20)
    Xt, _ = classes_with_shares(rng, [0.9, 0.1], 200, d=20)
    Xs, Xt = (np.tile(X, 15) + 0.1 * rng.normal(size=(200, 300)) for X in (Xs, Xt))
    shares, p_value, _ = shares_behind_means(Xs, ys, Xt)
    assert shares[0] == pytest.approx(0.9, abs=0.08) and p_value < 1e-3
    Xs[0, 0], Xt[0, 1] = np.nan, np.nan
    again, *_ = shares_behind_means(Xs, ys, Xt)
    np.testing.assert_allclose(again, shares, atol=0.02)


@pytest.mark.parametrize("kind", ["nothing", "offset", "stretch"])
def test_shares_are_seldom_suspected_without_a_reason(kind):
    """At most one draw in a hundred, of 600."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(600):
        Xs, ys = classes_with_shares(rng, [0.5, 0.5], 150, exact=True)
        Xt, _ = classes_with_shares(rng, [0.5, 0.5], 100, exact=True)
        if kind == "offset":
            Xt += rng.normal(size=8)
        elif kind == "stretch":
            Xt *= np.exp(rng.normal(size=8))
        alarms += other_shares(Xs, ys, Xt) is not None
    assert alarms <= 6


def test_a_stretch_moves_means_but_variances_tell():
    rng = np.random.default_rng(0)
    Xs, ys = classes_with_shares(rng, [0.5, 0.5], 300)
    Xt, _ = classes_with_shares(rng, [0.5, 0.5], 300)
    assert shares_behind_means(Xs, ys, Xt)[2] < 0.2
    assert shares_behind_means(Xs, ys, 2 * Xt)[2] == pytest.approx(np.log(4), abs=0.2)


def test_slightly_other_and_impossible_shares_are_no_reason():
    rng = np.random.default_rng(0)
    Xs, ys = classes_with_shares(rng, [0.5, 0.5], 5000, d=25)
    Xt, _ = classes_with_shares(rng, [0.6, 0.4], 5000, d=25)
    shares, p_value, _ = shares_behind_means(Xs, ys, Xt)
    assert shares[0] == pytest.approx(0.6, abs=0.02) and p_value < 1e-3
    assert other_shares(Xs, ys, Xt) is None
    apart = Xs[ys == 0].mean(axis=0) - Xs[ys == 1].mean(axis=0)
    shares, p_value, stretch = shares_behind_means(Xs, ys, Xs + apart)
    assert shares[1] == pytest.approx(-0.5, abs=0.01) and p_value < 1e-3 and stretch < 0.2
    assert other_shares(Xs, ys, Xs + apart) is None
    assert other_shares(Xs, ys, Xs + 0.4 * apart) is not None


@pytest.mark.parametrize("seed", range(10))
def test_other_shares_are_noticed(seed):
    rng = np.random.default_rng(seed)
    Xs, ys = classes_with_shares(rng, [0.5, 0.5], 300)
    Xt, yt = classes_with_shares(rng, [0.85, 0.15], 300)
    assert other_shares(Xs, ys, Xt)[0] == pytest.approx(0.85, abs=0.1)
    with pytest.warns(UserWarning, match=r"classes \[0, 1\] seem to have the shares 0\.[789]"):
        mapped = PerDomain().fit(Xs, ys, Xt)
    # and the warning is right
    assert mapped.score(Xt, yt) < SourceOnly().fit(Xs, ys).score(Xt, yt) - 0.03


def test_labels_show_other_shares_unless_they_were_chosen():
    rng = np.random.default_rng(0)
    Xs, ys = rng.normal(size=(200, 2)), np.arange(200) % 2
    Xt = rng.normal(size=(40, 2))
    assert other_shares(Xs, ys, Xt) is None
    many_of_one = np.repeat([0, 1], [28, 2])
    np.testing.assert_allclose(other_shares(Xs, ys, Xt, many_of_one), [28 / 30, 2 / 30])
    assert other_shares(Xs, ys, Xt, np.repeat([0, 1], [17, 13])) is None
    skewed = (np.arange(200) % 10 == 0).astype(int)
    assert other_shares(Xs, skewed, Xt, np.repeat([0, 1], [15, 15])) is None
    yt = np.concatenate([many_of_one, np.full(10, np.nan)])
    with pytest.warns(UserWarning, match=r"0\.93, 0\.07 in the target, but 0\.50, 0\.50 elsewhere"):
        PerDomain().fit(Xs, ys, Xt, yt)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PerDomain().fit(Xs, ys, Xt, yt, hide_target_labels=True)
        PerDomain(estimator="passthrough").fit(Xs, ys, Xt, yt)


def test_counts_differ():
    assert counts_differ(np.array([100, 100]), np.array([29, 1]))
    assert not counts_differ(np.array([100, 100]), np.array([6, 4]))
    # much, but not significant
    assert not counts_differ(np.array([100, 100]), np.array([5, 1]))
    # significant, but little
    assert not counts_differ(np.array([100_000, 100_000]), np.array([55_000, 45_000]))
    assert counts_differ(np.array([90, 90, 20]), np.array([10, 10, 60]))
    # One class is as common in both: the others tell.
    assert counts_differ(np.array([100, 50, 150]), np.array([50, 100, 150]))


@pytest.mark.parametrize("shape", [(200, 12), (60, 90)])
def test_whitened_rows_vary_by_one_in_each_direction(shape):
    rng = np.random.default_rng(0)
    within = rng.normal(size=shape) * np.linspace(0.5, 2, shape[1])
    freedom = shape[0] - 2
    whitened = within @ _whitening(within, freedom)
    np.testing.assert_allclose(
        whitened.T @ whitened / freedom, np.eye(min(shape[1], freedom // 5)), atol=1e-9
    )


def test_sources_with_other_shares_are_named():
    Xs, _, Xt, _ = rows(n_source=120)
    ys = np.concatenate([np.arange(60) % 2, np.arange(60) % 10 == 0]).astype(int)
    X, y, domain = stack([Xs[:60], Xs[60:]], [ys[:60], ys[60:]], Xt, np.full(40, np.nan))
    with pytest.warns(UserWarning, match=r"0\.50, 0\.50 in source 1, but 0\.90, 0\.10 elsewhere"):
        PerDomain().fit(X, y, sample_domain=domain)
