"""The boosted regressors against plain loops, their schedule of masses, and a known shift."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.ensemble import AdaBoostRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from skdtl import NoTargetWarning, TrAdaBoostR2, TwoStageTrAdaBoostR2
from skdtl.instances.tradaboost_r2 import shift_mass_to_target, target_masses

from .papers import as_published

# What ends the rounds early has tests of its own.
TrAdaBoostR2 = as_published(TrAdaBoostR2)
TwoStageTrAdaBoostR2 = as_published(TwoStageTrAdaBoostR2)

TREE = DecisionTreeRegressor(max_depth=2, random_state=0)
LINEAR = LinearRegression()


def sines(seed, n_s=150, n_t=30, good=0.5, shift=3.0, noise=0.2):
    """Return a source of which a part is the target's sine, the rest a cosine and a shift."""
    rng = np.random.default_rng(seed)
    Xs, Xt, X_test = (rng.uniform(-3, 3, size=(n, 1)) for n in (n_s, n_t, 1000))
    misleading = np.arange(n_s) >= good * n_s
    ys = np.where(misleading, np.cos(Xs[:, 0]) + shift, np.sin(Xs[:, 0]))
    ys, yt = ys + rng.normal(0, noise, n_s), np.sin(Xt[:, 0]) + rng.normal(0, noise, n_t)
    return Xs, ys, Xt, yt, X_test, np.sin(X_test[:, 0]), misleading


def planes(seed, n_s=200, n_t=15, good=0.6, n_features=8, noise=0.5):
    """Return a source of which a part follows the target's plane, the rest another one."""
    rng = np.random.default_rng(seed)
    plane, other = rng.normal(size=(2, n_features))
    Xs, Xt, X_test = (rng.normal(size=(n, n_features)) for n in (n_s, n_t, 1000))
    misleading = np.arange(n_s) >= good * n_s
    ys = np.where(misleading, Xs @ other, Xs @ plane) + rng.normal(0, noise, n_s)
    return Xs, ys, Xt, Xt @ plane + rng.normal(0, noise, n_t), X_test, X_test @ plane, misleading


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def loss_of(residual, kind):
    return {"linear": residual, "square": residual**2, "exponential": 1 - np.exp(-residual)}[kind]


def median_of(values, weights):
    """Return the least value that has half of the weight at or below it."""
    half = sum(weights) / 2
    return min(v for v in values if sum(w for u, w in zip(values, weights) if u <= v) >= half)


def r2_transcription(Xs, ys, Xt, yt, n_rounds, kind):
    """Algorithm 2 of Pardoe and Stone, row by row."""
    n, m = len(ys), len(yt)
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    w = np.ones(n + m) / (n + m)
    beta = 1 / (1 + np.sqrt(2 * np.log(n) / n_rounds))
    learners, errors, votes, path = [], [], [], [w[:n] * (n + m)]
    for _ in range(n_rounds):
        h = clone(TREE).fit(X, y, sample_weight=w * (n + m))
        residuals = np.abs(y - h.predict(X))
        e = loss_of(residuals / residuals.max(), kind)
        error = sum(e[i] * w[i] for i in range(n, n + m)) / sum(w[n:])
        if error >= 0.5:
            break
        beta_t = error / (1 - error)
        for i in range(n + m):
            w[i] *= beta ** e[i] if i < n else beta_t ** -e[i]
        w = w / w.sum()
        learners.append(h)
        errors.append(error)
        votes.append(np.log(1 / beta_t))
        path.append(w[:n] * (n + m))
    first = int(np.ceil(len(votes) / 2)) - 1

    def predict(rows):
        values = np.array([h.predict(rows) for h in learners[first:]])
        return np.array([median_of(column, votes[first:]) for column in values.T])

    return predict, np.array(errors), np.array(votes), np.array(path)


@pytest.mark.parametrize("kind", ["linear", "square", "exponential"])
def test_tradaboost_r2_equals_the_transcription(kind):
    Xs, ys, Xt, yt, X_test, _, _ = sines(0)
    predict, errors, votes, path = r2_transcription(Xs, ys, Xt, yt, 8, kind)
    assert len(errors) >= 4
    model = TrAdaBoostR2(TREE, n_estimators=8, loss=kind, vote="last_half").fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.estimator_errors_, errors)
    np.testing.assert_allclose(model.estimator_weights_, votes)
    np.testing.assert_allclose(model.source_weights_path_, path)
    np.testing.assert_allclose(model.predict(X_test), predict(X_test))
    *_, last = model.staged_predict(X_test)
    np.testing.assert_array_equal(last, model.predict(X_test))


def adaboost_r2_transcription(X, y, w, n_frozen, n_rounds, kind, base=TREE):
    """AdaBoost.R2 of Drucker; the weights of the first rows stay."""
    w = np.array(w, dtype=float)
    learners, votes = [], []
    for _ in range(n_rounds):
        h = clone(base).fit(X, y, sample_weight=w * len(w) / w.sum())
        residuals = np.abs(y - h.predict(X))
        e = loss_of(np.minimum(residuals / residuals[w > 0].max(), 1), kind)
        error = sum(w * e) / sum(w)
        if error >= 0.5:
            if not learners:
                learners, votes = [h], [1.0]
            break
        beta = error / (1 - error)
        learners.append(h)
        votes.append(np.log(1 / beta))
        total = w[n_frozen:].sum()
        moved = w[n_frozen:] * beta ** (1 - e[n_frozen:])
        w[n_frozen:] = moved * total / moved.sum()

    def predict(rows):
        values = np.array([h.predict(rows) for h in learners])
        return np.array([median_of(column, votes) for column in values.T])

    return predict


@pytest.mark.parametrize("kind", ["linear", "square", "exponential"])
@pytest.mark.parametrize("cls", [TrAdaBoostR2, TwoStageTrAdaBoostR2])
def test_without_target_it_is_adaboost_r2(cls, kind):
    X, y, *_, X_test, _, _ = sines(0, good=1.0)
    predict = adaboost_r2_transcription(X, y, np.ones(len(y)), 0, 6, kind)
    with pytest.warns(NoTargetWarning):
        model = cls(TREE, n_estimators=6, loss=kind).fit(X, y)
    assert len(model.estimators_) == 6
    np.testing.assert_allclose(model.predict(X_test), predict(X_test))


def two_stage_transcription(Xs, ys, Xt, yt, n_steps, n_rounds, folds, kind):
    """Algorithm 3 of Pardoe and Stone; beta by bisection."""
    n, m = len(ys), len(yt)
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    w = np.ones(n + m) / (n + m)
    errors, steps = [], []
    for t in range(1, n_steps + 1):
        steps.append(w)
        squares = []
        for train, test in folds:
            rows = np.concatenate([np.arange(n), n + train])
            w_fold = w[rows].copy()
            w_fold[n:] *= w[n:].sum() / w_fold[n:].sum()
            predict = adaboost_r2_transcription(X[rows], y[rows], w_fold, n, n_rounds, kind, LINEAR)
            squares += list((predict(Xt[test]) - yt[test]) ** 2)
        errors.append(np.sqrt(np.mean(squares)))
        if t == n_steps:
            break
        h = clone(LINEAR).fit(X, y, sample_weight=w * len(w))
        residuals = np.abs(y - h.predict(X))
        e = loss_of(residuals / residuals.max(), kind)
        mass = m / (n + m) + t / (n_steps - 1) * (1 - m / (n + m))
        if t == n_steps - 1:
            w = np.concatenate([np.zeros(n), w[n:] / w[n:].sum()])
            continue
        low, high = 0.0, 1e9  # of -ln(beta): beta itself can be far below 1e-100
        for _ in range(200):
            middle = (low + high) / 2
            source = w[:n] * np.exp(-middle * e[:n])
            if w[n:].sum() / (source.sum() + w[n:].sum()) < mass:
                low = middle
            else:
                high = middle
        w = np.concatenate([source, w[n:]])
        w = w / w.sum()
    best = int(np.argmin(errors))
    predict = adaboost_r2_transcription(X, y, steps[best], n, n_rounds, kind, LINEAR)
    return predict, np.array(errors), best, np.array(steps)


@pytest.mark.parametrize(("kind", "seed"), [("linear", 0), ("square", 1), ("exponential", 2)])
def test_two_stage_equals_the_transcription(kind, seed):
    Xs, ys, Xt, yt, X_test, _, _ = planes(seed, 60, 20, n_features=3)
    cv = KFold(4)
    folds = list(cv.split(Xt))
    predict, errors, best, steps = two_stage_transcription(Xs, ys, Xt, yt, 5, 4, folds, kind)
    model = TwoStageTrAdaBoostR2(LINEAR, n_estimators=4, n_steps=5, cv=cv, loss=kind)
    model.fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.step_errors_, errors)
    assert model.best_step_ == best
    np.testing.assert_allclose(model.source_weights_path_, steps[:, :60] * 80, atol=1e-9)
    np.testing.assert_allclose(model.source_weights_, steps[best, :60] * 80, atol=1e-9)
    np.testing.assert_allclose(model.predict(X_test), predict(X_test))


def test_schedule_goes_from_the_targets_share_to_one():
    np.testing.assert_allclose(target_masses(75, 25, 4), [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(target_masses(60, 40, 1), [0.4])
    Xs, ys, Xt, yt, *_ = sines(0, 90, 30)
    model = TwoStageTrAdaBoostR2(TREE, n_estimators=2, n_steps=6, cv=3).fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(model.target_mass_, np.linspace(0.25, 1, 6))
    source_mass = model.source_weights_path_.sum(axis=1) / 120
    np.testing.assert_allclose(source_mass, 1 - np.linspace(0.25, 1, 6), atol=1e-10)
    assert (model.source_weights_path_[-1] == 0).all()


def test_shift_of_mass_by_hand():
    weights = np.full(4, 0.25)
    losses = np.array([1.0, 0.5, 0.9, 0.9])  # those of the target rows don't matter
    # beta = 1/4 leaves the source 1/16 + 1/8, of a total of 11/16.
    shifted = shift_mass_to_target(weights, losses, 2, mass=8 / 11)
    np.testing.assert_allclose(shifted, np.array([1, 2, 4, 4]) / 11)
    np.testing.assert_allclose(shift_mass_to_target(weights, losses, 2, mass=1.0), [0, 0, 0.5, 0.5])
    for mass in (0.5, 0.5 - 1e-15):  # a mass that rounding has left above what is asked
        np.testing.assert_allclose(shift_mass_to_target(weights, losses, 2, mass=mass), weights)
    # Rows without any loss cannot shrink by beta ** 0: they are scaled.
    shifted = shift_mass_to_target(weights, np.array([0.0, 1.0, 0, 0]), 2, mass=0.8)
    np.testing.assert_allclose(shifted, [0.2, 0, 0.4, 0.4])
    shifted = shift_mass_to_target(weights, np.zeros(4), 2, mass=0.8)
    np.testing.assert_allclose(shifted, [0.1, 0.1, 0.4, 0.4])
    np.testing.assert_array_equal(weights, np.full(4, 0.25))


@pytest.mark.parametrize("mass", [0.6, 0.9, 0.999, 1 - 1e-9])
def test_masses_are_met(mass):
    rng = np.random.default_rng(0)
    weights, losses = rng.random(300), 0.1 + 0.9 * rng.random(300)
    weights /= weights.sum()
    shifted = shift_mass_to_target(weights, losses, 200, mass)
    assert shifted.sum() == pytest.approx(1)
    assert shifted[200:].sum() == pytest.approx(mass, abs=1e-12)
    ratio = np.log(shifted[:200] / weights[:200])
    # ln(w' / w) = losses * ln(beta) + constant: a straight line in the losses, downwards.
    slope, _ = np.polyfit(losses[:200], ratio, 1)
    assert slope < 0
    np.testing.assert_allclose(ratio - ratio[0], slope * (losses[:200] - losses[0]), rtol=1e-6)


def test_useless_source_is_given_up_and_a_perfect_one_is_kept():
    options = {"n_steps": 6, "n_estimators": 3, "cv": 3, "random_state": 0}
    for seed in range(3):
        Xs, ys, Xt, yt, *_ = planes(seed, n_t=40, good=0.0)
        bad = TwoStageTrAdaBoostR2(LINEAR, **options).fit(Xs, ys, Xt, yt)
        assert bad.target_mass_[bad.best_step_] > 0.8
        Xs, ys, Xt, yt, *_ = planes(seed, n_t=10, good=1.0)
        good = TwoStageTrAdaBoostR2(LINEAR, **options).fit(Xs, ys, Xt, yt)
        assert good.target_mass_[good.best_step_] < 0.9


def adaboost_r2(base, X, y):
    return AdaBoostRegressor(base, n_estimators=20, random_state=0).fit(X, y)


def test_gains_on_source_pooled_and_target():
    """At least 20 % less RMSE than AdaBoost.R2 on either domain or both; mean of 6 seeds."""
    found = {name: [] for name in ("r2", "two-stage", "source", "target", "pooled")}
    for seed in range(6):
        Xs, ys, Xt, yt, X_test, y_test, _ = planes(seed)
        models = {
            "r2": TrAdaBoostR2(LINEAR, n_estimators=30),
            "two-stage": TwoStageTrAdaBoostR2(
                LINEAR, n_steps=8, n_estimators=5, cv=3, random_state=0
            ),
        }
        models = {name: model.fit(Xs, ys, Xt, yt) for name, model in models.items()}
        models["source"] = adaboost_r2(LINEAR, Xs, ys)
        models["target"] = adaboost_r2(LINEAR, Xt, yt)
        models["pooled"] = adaboost_r2(LINEAR, np.concatenate([Xs, Xt]), np.concatenate([ys, yt]))
        for name, model in models.items():
            found[name].append(rmse(model, X_test, y_test))
    means = {name: np.mean(values) for name, values in found.items()}
    for ours in ("r2", "two-stage"):
        for reference in ("source", "target", "pooled"):
            assert means[ours] < 0.8 * means[reference], means


def test_misleading_source_rows_lose_weight():
    Xs, ys, Xt, yt, _, _, misleading = sines(0, 200, 60, good=0.7)
    for model in (
        TrAdaBoostR2(TREE, n_estimators=20),
        TwoStageTrAdaBoostR2(TREE, n_estimators=2, n_steps=6, cv=2),
    ):
        path = model.fit(Xs, ys, Xt, yt).source_weights_path_
        late = path[len(path) // 2]
        assert late[misleading].mean() < 0.5 * late[~misleading].mean()


def test_source_that_misleads_wholly_leaves_the_target_alone():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.uniform(size=(200, 1)), rng.uniform(size=(20, 1))
    ys, yt = np.full(200, 5.0) + 0.001 * Xs[:, 0], Xt[:, 0]
    ridge = Ridge(1e-6)
    model = TrAdaBoostR2(ridge).fit(Xs, ys, Xt, yt)
    assert len(model.estimators_) == 1
    assert (model.source_weights_ == 0).all()
    np.testing.assert_allclose(model.predict(Xt), yt, atol=1e-3)


def test_perfect_learner_ends_the_boosting():
    X = np.arange(30.0)[:, None]
    y = 2 * X[:, 0]
    tree = DecisionTreeRegressor()
    model = TrAdaBoostR2(tree).fit(X[:20], y[:20], X[20:], y[20:])
    assert len(model.estimators_) == 1
    np.testing.assert_array_equal(model.predict(X), y)


def test_result_does_not_depend_on_n_jobs():
    Xs, ys, Xt, yt, X_test, _, _ = sines(0, 60, 15)
    base = DecisionTreeRegressor(max_depth=3, splitter="random")
    options = {"n_estimators": 3, "n_steps": 3, "cv": 3, "random_state": 0}
    alone = TwoStageTrAdaBoostR2(base, **options).fit(Xs, ys, Xt, yt)
    with parallel_config("threading"):
        shared = TwoStageTrAdaBoostR2(base, n_jobs=2, **options).fit(Xs, ys, Xt, yt)
    np.testing.assert_array_equal(alone.step_errors_, shared.step_errors_)
    np.testing.assert_array_equal(alone.predict(X_test), shared.predict(X_test))


def test_few_labelled_rows():
    Xs, ys, Xt, yt, *_ = sines(0, 60, 15)
    with pytest.raises(ValueError, match="needs at least 2, but yt has 1"):
        TwoStageTrAdaBoostR2().fit(Xs, ys, Xt[:1], yt[:1])
    few = np.where(np.arange(15) < 3, yt, np.nan)
    model = TwoStageTrAdaBoostR2(TREE, n_estimators=2, n_steps=3).fit(Xs, ys, Xt, few)
    assert np.isfinite(model.step_errors_).all()
    assert model.target_mass_[0] == pytest.approx(3 / 63)


def test_base_learners():
    Xs, ys, Xt, yt, X_test, y_test, _ = sines(0, 100, 25)
    for cls in (TrAdaBoostR2, TwoStageTrAdaBoostR2):
        fast = {"n_steps": 3} if cls is TwoStageTrAdaBoostR2 else {}
        with pytest.raises(ValueError, match=r"KNeighborsRegressor takes no .*resample=True"):
            cls(KNeighborsRegressor(), **fast).fit(Xs, ys, Xt, yt)
        with pytest.raises(ValueError, match="needs a regressor as its estimator, but Logistic"):
            cls(LogisticRegression(), **fast).fit(Xs, ys, Xt, yt)
        model = cls(KNeighborsRegressor(3), n_estimators=5, resample=True, random_state=0, **fast)
        model.fit(Xs, ys, Xt, yt)
        assert rmse(model, X_test, y_test) < rmse(adaboost_r2(TREE, Xs, ys), X_test, y_test)


def test_pickles_hold_no_row_weights():
    Xs, ys, Xt, yt, X_test, _, _ = sines(0, 4000, 30)
    for model in (
        TrAdaBoostR2(TREE, n_estimators=5),
        TwoStageTrAdaBoostR2(TREE, n_estimators=2, n_steps=3, cv=2),
    ):
        model.fit(Xs, ys, Xt, yt)
        stored = pickle.dumps(model)
        assert len(stored) < 30_000
        restored = pickle.loads(stored)
        np.testing.assert_array_equal(model.predict(X_test), restored.predict(X_test))
        with pytest.raises(AttributeError, match="lost by pickling"):
            _ = restored.source_weights_
