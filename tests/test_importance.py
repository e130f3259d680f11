"""Importance-weighted cross-validation: its splits, its score, and what it selects."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdtl import (
    KLIEP,
    RULSIF,
    ULSIF,
    ImportanceWeightedScorer,
    SourceKFold,
    SourceOnly,
    TargetOnly,
    stack,
)

from .shifts import cubic, cubic_ratio, cubic_truth


@pytest.fixture
def table():
    """Interleaved domains: 24 source rows of two classes, 16 target rows, 10 of them labelled."""
    rng = np.random.default_rng(0)
    Xs, ys = rng.normal(size=(24, 3)), np.arange(24) % 3 // 2
    Xt, yt = rng.normal(size=(16, 3)), (np.arange(16) % 2).astype(float)
    yt[10:] = np.nan
    X, y, domain = stack(Xs, ys, Xt, yt)
    rows = rng.permutation(40)
    return X[rows], y[rows], domain[rows]


# -- SourceKFold ----------------------------------------------------------------------------------


def test_each_source_row_tests_once_and_every_target_row_trains(table):
    X, y, domain = table
    source, target = set(np.flatnonzero(domain > 0)), set(np.flatnonzero(domain < 0))
    tested = []
    for train, test in SourceKFold(4).split(X, y, domain):
        assert not set(train) & set(test)
        assert target <= set(train)
        assert set(train) | set(test) == source | target
        assert len(test) == 6 and y[test].sum() == 2  # stratified
        tested += test.tolist()
    assert sorted(tested) == sorted(source)


def test_options_and_call_forms(table):
    X, y, domain = table
    splits = lambda *args, **options: [  # noqa: E731
        test.tolist() for _, test in SourceKFold(4, **options).split(X, y, *args)
    ]
    assert splits(domain) == splits(domain, random_state=0) != splits(domain, random_state=1)
    by_name = [test.tolist() for _, test in SourceKFold(4).split(X, y, sample_domain=domain)]
    assert by_name == splits(domain)
    assert SourceKFold(4).get_n_splits(X, y, domain) == 4
    in_order = splits(domain, shuffle=False, stratify=False)
    assert np.concatenate(in_order).tolist() == np.flatnonzero(domain > 0).tolist()
    quantity = np.where(np.isnan(y), np.nan, X[:, 0])
    assert len(list(SourceKFold(3).split(X, quantity, domain))) == 3
    words = np.array(["a", "b", None], dtype=object)[np.nan_to_num(y, nan=2).astype(int)]
    assert all(len(test) == 6 for _, test in SourceKFold(4).split(X, words, domain))
    signed = np.where(y == 0, -1, y)  # no marker: every source row has a label
    assert sum(len(test) for _, test in SourceKFold(4).split(X, signed, domain)) == 24
    assert repr(SourceKFold(3)) == (
        "SourceKFold(n_splits=3, shuffle=True, stratify=True, random_state=0)"
    )


def test_split_errors(table):
    X, y, domain = table
    with pytest.raises(ValueError, match="SourceKFold needs the domain of each row"):
        next(SourceKFold().split(X, y))
    with pytest.raises(ValueError, match="tests on labelled source rows, but y is None"):
        next(SourceKFold().split(X, None, domain))
    with pytest.raises(ValueError, match="y labels 1 of them"):
        one = np.where(np.arange(40) == 3, 1, -1)
        next(SourceKFold().split(X, y, one))


def test_target_labels_train(table, routing):
    """TargetOnly fits nothing but labelled target rows: it can be tested on the source."""
    X, y, domain = table
    y = np.where(np.isnan(y), np.nan, X[:, 0] > 0)
    groups = {} if routing else {"groups": domain}
    params = {"sample_domain": domain}
    scores = cross_val_score(
        TargetOnly(), X, y, cv=SourceKFold(3), params=params, error_score="raise", **groups
    )
    assert scores.mean() > 0.7


# -- the score ------------------------------------------------------------------------------------


def test_score_is_the_weighted_metric():
    Xs, ys, _ = cubic(0, n=60)
    line = LinearRegression().fit(Xs, ys)
    w, predicted = cubic_ratio(Xs), line.predict(Xs)
    mse = np.sum(w * (predicted - ys) ** 2) / w.sum()
    found = ImportanceWeightedScorer(cubic_ratio, "neg_mean_squared_error")(line, Xs, ys)
    assert found == pytest.approx(-mse)
    assert found != pytest.approx(-mean_squared_error(ys, predicted), rel=0.05)
    r2 = 1 - mse / (np.sum(w * (ys - np.average(ys, weights=w)) ** 2) / w.sum())
    assert ImportanceWeightedScorer(cubic_ratio)(line, Xs, ys) == pytest.approx(r2)
    assert r2 != pytest.approx(r2_score(ys, predicted), rel=0.05)

    labels = (ys > 0).astype(int)
    classifier = LogisticRegression().fit(Xs, labels)
    right = classifier.predict(Xs) == labels
    found = ImportanceWeightedScorer(cubic_ratio)(classifier, Xs, labels)
    assert found == pytest.approx(np.sum(w * right) / w.sum())
    assert found != pytest.approx(accuracy_score(labels, classifier.predict(Xs)), rel=1e-3)
    found = ImportanceWeightedScorer(cubic_ratio, "neg_log_loss")(classifier, Xs, labels)
    assert found == pytest.approx(-log_loss(labels, classifier.predict_proba(Xs), sample_weight=w))
    own = lambda model, X, y, sample_weight: float(sample_weight.sum())  # noqa: E731
    assert ImportanceWeightedScorer(cubic_ratio, own)(line, Xs, ys) == pytest.approx(w.sum())
    # The scale of the ratio does not count.
    doubled = ImportanceWeightedScorer(lambda X: 2 * cubic_ratio(X))
    assert doubled(line, Xs, ys) == pytest.approx(r2)


def test_the_true_ratio_gives_the_targets_risk():
    """Mean over 60 draws within .006 of the target's risk of .141; the source's is .45."""
    weighted, plain, risk = [], [], []
    for seed in range(60):
        Xs, ys, _ = cubic(seed, n=400)
        line = LinearRegression().fit(Xs[:200], ys[:200])
        score = ImportanceWeightedScorer(cubic_ratio, "neg_mean_squared_error")
        weighted.append(-score(line, Xs[200:], ys[200:]))
        plain.append(mean_squared_error(ys[200:], line.predict(Xs[200:])))
        rng = np.random.default_rng(1000 + seed)
        new = rng.normal(0, 0.3, size=(2000, 1))
        noisy = cubic_truth(new) + rng.normal(0, 0.3, size=2000)
        risk.append(mean_squared_error(noisy, line.predict(new)))
    assert np.mean(weighted) == pytest.approx(np.mean(risk), rel=0.05)
    assert abs(np.mean(plain) - np.mean(risk)) > 0.15 * np.mean(risk)


@pytest.mark.parametrize("cls", [KLIEP, ULSIF, RULSIF])
def test_every_density_ratio_serves(cls):
    Xs, ys, Xt = cubic(0, n=300)
    weighting = cls(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
    line = LinearRegression().fit(Xs, ys)
    estimated, true = (
        ImportanceWeightedScorer(w, "neg_mean_squared_error")(line, Xs, ys)
        for w in (weighting, cubic_ratio)
    )
    assert estimated == pytest.approx(true, rel=0.15)
    copied = copy.deepcopy(ImportanceWeightedScorer(weighting, "neg_mean_squared_error"))
    assert copied(line, Xs, ys) == estimated
    assert cls.__name__ in repr(copied) and "neg_mean_squared_error" in repr(copied)


def test_what_is_no_ratio_is_an_error():
    Xs, ys, _ = cubic(0, n=20)
    line = LinearRegression().fit(Xs, ys)
    with pytest.raises(TypeError, match="weighting must be a fitted estimator"):
        ImportanceWeightedScorer(line)
    with pytest.raises(NotFittedError):
        ImportanceWeightedScorer(ULSIF())(line, Xs, ys)
    for values, pattern in (
        (np.ones(19), r"shape \(19,\), but X has 20 rows"),
        (-np.ones(20), "finite and at least 0"),
        (np.full(20, np.inf), "finite and at least 0"),
        (np.zeros(20), "0 at each of the 20 rows"),
    ):
        with pytest.raises(ValueError, match=pattern):
            ImportanceWeightedScorer(lambda X: values)(line, Xs, ys)  # noqa: B023
    with pytest.raises(TypeError, match="sample_weight"):
        ImportanceWeightedScorer(lambda X: np.ones(len(X)), "neg_max_error")(line, Xs, ys)


# -- selection ------------------------------------------------------------------------------------


def search(model, grid, scoring, X, y, domain, **options):
    if not sklearn.get_config()["enable_metadata_routing"]:
        options["groups"] = domain
    return GridSearchCV(model, grid, cv=SourceKFold(5), scoring=scoring, error_score="raise").fit(
        X, y, sample_domain=domain, **options
    )


def test_it_selects_how_even_weights_should_be():
    """sinc on N(2, .25²) from N(1, .5²) by a straight line: in each of 8 seeds plain
    cross-validation takes next to even weights, and weighted cross-validation others, with which
    the error on the target is at least halved and within .02 of the best; on average it is at
    least 4 times smaller."""
    alphas, errors = [0.0, 0.5, 0.999], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = lambda X: np.sinc(X[:, 0])  # noqa: E731
        Xs, Xt = rng.normal(1, 0.5, size=(200, 1)), rng.normal(2, 0.25, size=(200, 1))
        test = rng.normal(2, 0.25, size=(2000, 1))
        ys = truth(Xs) + rng.normal(0, 0.25, size=200)
        model = RULSIF(
            LinearRegression(),
            gamma=4.0,
            n_centers=30,
            min_effective_share=0,
            random_state=0,
        )
        error = {
            alpha: np.mean(
                (model.set_params(alpha=alpha).fit(Xs, ys, Xt).predict(test) - truth(test)) ** 2
            )
            for alpha in alphas
        }
        weighting = ULSIF(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
        scorer = ImportanceWeightedScorer(weighting, "neg_mean_squared_error")
        X, y, domain = stack(Xs, ys, Xt)
        grid = {"alpha": alphas}
        plain = search(model, grid, "neg_mean_squared_error", X, y, domain).best_params_["alpha"]
        chosen = search(model, grid, scorer, X, y, domain).best_params_["alpha"]
        assert plain == 0.999
        assert error[chosen] < error[plain] / 2
        assert error[chosen] < min(error.values()) + 0.02
        errors.append([error[chosen], error[plain]])
    assert np.divide(*np.mean(errors, axis=0)) < 1 / 4


def first(X):
    return X[:, :1]


def second(X):
    return X[:, 1:2]


def test_it_selects_the_feature_that_counts_in_the_target(routing):
    """The first feature decides left of a border, where the source mostly is, the second right of
    it: plain cross-validation takes the first in each of 8 seeds, weighted the second, which is
    right more often in the target by .2 at least."""
    for seed in range(8) if not routing else [0]:
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(400, 3)), rng.normal(size=(400, 3))
        Xt[:, 2] = 1.2 + 0.5 * Xt[:, 2]
        label = lambda X: np.where(X[:, 2] < 0.3, X[:, 0] > 0, X[:, 1] > 0).astype(int)  # noqa: E731
        X, y, domain = stack(Xs, label(Xs), Xt)
        weighting = RULSIF(random_state=0).fit(X, y, sample_domain=domain)
        model = SourceOnly(make_pipeline(FunctionTransformer(first), LogisticRegression()))
        grid = {"estimator__functiontransformer__func": [first, second]}
        name = "param_estimator__functiontransformer__func"
        plain = search(model, grid, None, X, y, domain)
        weighted = search(model, grid, ImportanceWeightedScorer(weighting), X, y, domain)
        assert plain.cv_results_[name][plain.best_index_] is first
        assert weighted.cv_results_[name][weighted.best_index_] is second
        yt = label(Xt)
        assert weighted.score(Xt, yt) > accuracy_score(yt, plain.predict(Xt)) + 0.2


def test_frames_pipelines_and_several_scores(routing):
    Xs, ys, Xt = cubic(0, n=80)
    frames = [pd.DataFrame(np.column_stack([X, X**2]), columns=["a", "b"]) for X in (Xs, Xt)]
    X, y, domain = stack(frames[0], ys, frames[1])
    weighting = KLIEP(LinearRegression(), random_state=0).fit(frames[0], ys, frames[1])
    pipeline = make_pipeline(StandardScaler(), ULSIF(LinearRegression(), random_state=0))
    params = {"sample_domain": domain} if routing else {"ulsif__sample_domain": domain}
    scores = cross_validate(
        pipeline,
        X,
        y,
        cv=SourceKFold(3),
        scoring={
            "plain": "r2",
            "weighted": ImportanceWeightedScorer(weighting),
            "mse": ImportanceWeightedScorer(weighting, "neg_mean_squared_error"),
        },
        params=params,
        error_score="raise",
        **({} if routing else {"groups": domain}),
    )
    assert np.isfinite(scores["test_weighted"]).all()
    assert not np.allclose(scores["test_weighted"], scores["test_plain"])
    assert (scores["test_mse"] < 0).all()
