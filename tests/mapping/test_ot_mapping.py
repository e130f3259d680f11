"""OTMapping: optimal plans by certificate, the maps of the paper, and shifts it is made for."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import rotate
from scipy.optimize import linprog
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics.pairwise import manhattan_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skdtl import NoTargetWarning, OTMapping, SourceOnly
from skdtl._couplings import (
    barycentres,
    class_regularised_plan,
    cost_matrix,
    transport_plan,
)

ot = pytest.importorskip("ot")


def two_domains(n_s=12, n_t=9, d=3, seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_s, d)), rng.normal(size=(n_t, d)) + 1
    return Xs, np.arange(n_s) % 3, Xt, np.arange(n_t) % 3


def squared_distances(Xs, Xt):
    return np.array([[((x - z) ** 2).sum() for z in Xt] for x in Xs])


def turned_moons(seed, degrees=40, n=150):
    angle = np.deg2rad(degrees)
    R = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    Xs, ys = make_moons(n, noise=0.05, random_state=seed)
    Xt, yt = make_moons(n, noise=0.05, random_state=seed + 100)
    return Xs - Xs.mean(axis=0), ys, (Xt - Xt.mean(axis=0)) @ R, yt


def assert_marginals(coupling, atol=1e-4):
    n_s, n_t = coupling.shape
    assert (coupling >= 0).all()
    assert_allclose(coupling.sum(axis=1), 1 / n_s, atol=atol)
    assert_allclose(coupling.sum(axis=0), 1 / n_t, atol=atol)


# --- the plan ----------------------------------------------------------------------------------


def linear_program(cost):
    """The plan by scipy's solver, from the constraints as they stand."""
    n_s, n_t = cost.shape
    rows = np.kron(np.eye(n_s), np.ones(n_t))
    columns = np.kron(np.ones(n_s), np.eye(n_t))
    sums = np.r_[np.full(n_s, 1 / n_s), np.full(n_t, 1 / n_t)]
    return linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=sums).x.reshape(n_s, n_t)


def test_the_exact_plan_is_that_of_the_linear_program():
    Xs, ys, Xt, _ = two_domains(7, 5)
    model = OTMapping(reg_e=0).fit(Xs, ys, Xt)
    assert_marginals(model.coupling_)
    assert_allclose(model.coupling_, linear_program(squared_distances(Xs, Xt)), atol=1e-9)
    assert model.n_iter_ == 1


@pytest.mark.parametrize("reg_e", [0.5, 0.05, 0.001])
def test_the_entropic_plan_satisfies_its_optimality_conditions(reg_e):
    """The derivative C + reg_e log γ is a sum u_i + v_j; the last weight needs logarithms."""
    Xs, ys, Xt, _ = two_domains(6, 5)
    cost = squared_distances(Xs, Xt)
    cost /= np.median(cost)
    model = OTMapping(reg_e=reg_e, max_iter=200_000, tol=1e-11).fit(Xs, ys, Xt)
    assert_marginals(model.coupling_, atol=1e-10)
    plan = np.maximum(model.coupling_, 1e-300)
    D = cost + reg_e * np.log(plan)
    D = D - D.mean(axis=0)
    residual = D - D.mean(axis=1, keepdims=True)
    assert abs(residual[model.coupling_ > 1e-290]).max() < 1e-6 if reg_e > 0.01 else True
    # Of all plans tried none has a lower objective.
    value = plan_objective(cost, model.coupling_, reg_e)
    for share in (0.01, 0.3):
        for other in (linear_program(cost), np.full(cost.shape, 1 / cost.size)):
            mixed = (1 - share) * model.coupling_ + share * other
            assert plan_objective(cost, mixed, reg_e) > value - 1e-12


def plan_objective(cost, plan, reg_e, classes=None, reg_cl=0.0):
    value = (plan * cost).sum() + reg_e * (plan * np.log(np.maximum(plan, 1e-300))).sum()
    if classes is not None:
        for j in range(plan.shape[1]):
            for c in np.unique(classes):
                value += reg_cl * np.sqrt(plan[classes == c, j].sum() + 1e-3)
    return value


def test_a_small_weight_of_the_entropy_approaches_the_exact_plan():
    Xs, _, Xt, _ = two_domains(6, 5)
    cost = squared_distances(Xs, Xt)
    cost /= cost.max()
    plan, n_iter, *_ = transport_plan(cost, 1e-3, tol=1e-9, max_iter=100_000)  # exp(-1000) is zero
    assert_allclose(plan, linear_program(cost), atol=1e-4)
    assert n_iter > 1


def test_the_class_regularised_plan_is_pots():
    Xs, ys, Xt, _ = two_domains(20, 15)
    cost = squared_distances(Xs, Xt)
    cost /= np.median(cost)
    expected = ot.da.sinkhorn_lpl1_mm(
        np.full(20, 1 / 20), ys, np.full(15, 1 / 15), cost, 0.1, 0.2, numInnerItermax=1000,
        stopInnerThr=1e-12,
    )  # fmt: skip
    model = OTMapping(reg_e=0.1, reg_cl=0.2, tol=1e-11).fit(Xs, ys, Xt)
    assert_allclose(model.coupling_, expected, atol=1e-8)
    assert_marginals(model.coupling_)


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_each_round_lowers_the_class_regularised_objective(reg_e):
    Xs, ys, Xt, _ = two_domains(30, 20)
    cost = squared_distances(Xs, Xt)
    cost /= np.median(cost)
    values = []
    for n_rounds in (1, 2, 3, 6):
        plan = class_regularised_plan(cost, ys, reg_e, 0.3, n_rounds=n_rounds, tol=1e-11)[0]
        values.append(plan_objective(cost, plan, reg_e, ys, 0.3))
    assert all(np.diff(values) < 1e-9)
    assert values[1] < values[0] - 1e-4
    alone = transport_plan(cost, reg_e, tol=1e-11)[0]
    first = class_regularised_plan(cost, ys, reg_e, 0.3, n_rounds=1, tol=1e-11)[0]
    assert_array_equal(first, alone)


def test_the_weight_of_the_classes_gives_target_rows_mass_of_fewer_classes():
    Xs, ys, Xt, _ = turned_moons(0, 60, 80)

    def purity(**options):
        plan = OTMapping(**options).fit(Xs, ys, Xt).coupling_
        shares = np.array([plan[ys == c].sum(axis=0) for c in (0, 1)]) * len(Xt)
        return shares.max(axis=0).mean()

    plain, slight, strong = purity(), purity(reg_cl=0.02), purity(reg_cl=0.1)
    assert plain + 0.02 < slight < strong - 0.02
    assert purity(reg_cl=0.1, n_rounds=1) == plain
    assert plain + 0.01 < purity(reg_cl=0.1, n_rounds=2) < strong - 0.001


def test_norm_gives_the_weights_a_scale():
    Xs, ys, Xt, _ = two_domains()
    cost = squared_distances(Xs, Xt)
    for norm, scale in (("median", np.median(cost)), ("max", cost.max()), (None, 1.0)):
        plan = OTMapping(norm=norm, reg_e=0.2).fit(Xs, ys, Xt).coupling_
        expected = transport_plan(cost, 0.2 * scale)[0]
        assert_allclose(plan, expected, atol=1e-10)
    rescaled = OTMapping(reg_e=0.2).fit(1000 * Xs, ys, 1000 * Xt)
    assert_allclose(rescaled.coupling_, OTMapping(reg_e=0.2).fit(Xs, ys, Xt).coupling_)


def test_the_median_of_mostly_equal_rows_is_no_scale():
    Xs, Xt = np.zeros((6, 2)), np.zeros((6, 2))
    Xs[0], Xt[0] = 1.0, 1.0
    model = OTMapping(reg_e=0.01).fit(Xs, np.arange(6) % 2, Xt)
    assert_allclose(model.transform(Xs, "source"), Xs, atol=1e-6)
    constant = OTMapping().fit(np.zeros((4, 2)), [0, 1, 0, 1], np.zeros((3, 2)))
    assert_allclose(constant.coupling_, 1 / 12)


def test_metric():
    Xs, ys, Xt, _ = two_domains()
    assert_allclose(cost_matrix(Xs, Xt), squared_distances(Xs, Xt))
    assert_allclose(cost_matrix(Xs, Xt, "euclidean"), np.sqrt(squared_distances(Xs, Xt)))
    plans = {
        metric: OTMapping(metric=metric).fit(Xs, ys, Xt).coupling_
        for metric in ("sqeuclidean", "euclidean", "cityblock", "cosine", manhattan_distances)
    }
    assert_allclose(plans["cityblock"], plans[manhattan_distances], rtol=1e-6)
    for one in ("sqeuclidean", "euclidean", "cosine"):
        assert abs(plans[one] - plans["cityblock"]).max() > 1e-4
    with pytest.raises(ValueError, match=r"shape \(9, 12\) for 12 source and 9 target rows"):
        OTMapping(metric=lambda X, Y: np.ones((9, 12))).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="infinite or not a number"):
        OTMapping(metric=lambda X, Y: np.full((12, 9), np.nan)).fit(Xs, ys, Xt)


@pytest.mark.parametrize("reg_e", [0.0, 1e-3])
def test_a_solver_that_stops_early_says_so(reg_e):
    Xs, ys, Xt, _ = two_domains(40, 30)
    with pytest.warns(ConvergenceWarning, match=r"OTMapping: .* 2 (pivots|iter).*Raise max_iter"):
        model = OTMapping(reg_e=reg_e, max_iter=2).fit(Xs, ys, Xt)
    assert np.isfinite(model.transform(Xs, "source")).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OTMapping().fit(Xs, ys, Xt)
        loose = OTMapping(tol=1e-2).fit(Xs, ys, Xt)
        tight = OTMapping(tol=1e-12).fit(Xs, ys, Xt)
    assert loose.n_iter_ < tight.n_iter_


# --- the maps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_source_rows_go_to_their_barycentres_and_target_rows_stay(reg_e):
    Xs, ys, Xt, _ = two_domains()
    model = OTMapping(KNeighborsClassifier(1), reg_e=reg_e).fit(Xs, ys, Xt)
    G = model.coupling_
    expected = np.empty_like(Xs)
    for i in range(len(Xs)):
        expected[i] = sum(G[i, j] * Xt[j] for j in range(len(Xt))) / G[i].sum()
    assert_allclose(model.transform(Xs, "source"), expected)
    assert_array_equal(model.transform(Xt), Xt)
    assert_array_equal(model.transform(Xt, "target"), Xt)
    assert_allclose(model.estimator_._fit_X, expected)
    assert_array_equal(model.estimator_._y, ys)
    # A new row moves as the nearest training row does.
    new = two_domains(seed=5)[0]
    moved = model.transform(new, "source")
    for x, z in zip(new, moved):
        nearest = np.argmin(((Xs - x) ** 2).sum(axis=1))
        assert_allclose(z - x, expected[nearest] - Xs[nearest])


def test_equal_source_rows_go_to_the_mean_of_their_barycentres():
    Xs, ys, Xt, _ = two_domains(6, 6)
    Xs[3] = Xs[1]
    model = OTMapping(reg_e=0).fit(Xs, ys, Xt)
    expected = 6 * model.coupling_ @ Xt
    expected[[1, 3]] = expected[[1, 3]].mean(axis=0)
    assert_allclose(model.transform(Xs, "source"), expected)
    assert model.X_fit_.shape == (5, 3)


def test_a_row_without_mass_stays():
    Xs, _, Xt, _ = two_domains(2, 3)
    coupling = np.array([[0.0, 0.0, 0.0], [0.1, 0.3, 0.0]])
    assert_allclose(barycentres(coupling, Xs, Xt), [Xs[0], (Xt[0] + 3 * Xt[1]) / 4])


# --- limits ------------------------------------------------------------------------------------


def test_a_target_of_the_same_rows_leaves_them():
    Xs, ys, _, _ = two_domains()
    order = np.random.default_rng(0).permutation(len(Xs))
    model = OTMapping(reg_e=0).fit(Xs, ys, Xs[order])
    assert_allclose(model.transform(Xs, "source"), Xs, atol=1e-12)
    with pytest.warns(NoTargetWarning):
        alone = OTMapping().fit(Xs, ys)
    assert_allclose(alone.transform(Xs, "source"), Xs, rtol=1e-12)
    assert_allclose(alone.coupling_, np.eye(len(Xs)) / len(Xs))


def test_an_infinite_weight_of_the_entropy_leads_to_the_mean():
    Xs, ys, Xt, _ = two_domains()
    moved = OTMapping(reg_e=1e6).fit(Xs, ys, Xt).transform(Xs, "source")
    assert_allclose(moved, np.tile(Xt.mean(axis=0), (len(Xs), 1)), atol=1e-4)


@pytest.mark.parametrize("reg_e, tol", [(0.05, 1e-4), (1e-3, 1e-2)])
def test_iterations_are_counted_and_may_be_continued(reg_e, tol):
    cost = np.random.default_rng(0).uniform(size=(30, 20))
    for max_iter in (1, 5, 11):
        plan = transport_plan(cost, reg_e, max_iter=max_iter)
        assert plan.n_iter == max_iter
        assert f"did not converge in {max_iter} iterations" in plan.trouble
    plan = transport_plan(cost, reg_e, max_iter=5000, tol=tol)
    assert plan.trouble is None and 11 < plan.n_iter < 5000
    again = transport_plan(cost, reg_e, start=plan, tol=tol)
    assert again.trouble is None and again.n_iter < plan.n_iter / 5
    assert_allclose(again.coupling, plan.coupling, atol=tol / 20)


# --- labelled target rows ----------------------------------------------------------------------


def test_a_pair_of_unlike_labels_costs_more_than_any_other():
    """However far most pairs are below the farthest one."""
    rng = np.random.default_rng(0)
    ys = np.repeat([0, 1], [18, 2])
    Xs = rng.normal(size=(20, 2)) + 100 * ys[:, None]
    Xt = rng.normal(size=(20, 2)) + 100 * (np.arange(20)[:, None] >= 18)
    yt = np.full(20, np.nan)
    yt[19] = 0  # among the source's rows of the other class
    for norm in ("median", "max", None):
        coupling = OTMapping(reg_e=0, norm=norm).fit(Xs, ys, Xt, yt).coupling_
        assert coupling[ys == 1, 19].sum() == 0
        assert coupling[ys == 0, 19].sum() == pytest.approx(1 / 20)


@pytest.mark.parametrize("norm", ["median", "max", None])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_known_class_forbids_others_in_any_unit(norm, scale):
    Xs, ys, Xt, yt = two_domains(30, 24, seed=1)
    model = OTMapping(reg_e=0.0, norm=norm).fit(scale * Xs, ys, scale * Xt, yt)
    assert model.coupling_[ys[:, None] != yt].sum() < 1e-12


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_no_mass_between_different_known_classes(reg_e):
    Xs, ys, Xt, yt = two_domains()
    labels = np.where(np.arange(len(yt)) < 5, yt, np.nan)
    free = OTMapping(reg_e=reg_e).fit(Xs, ys, Xt).coupling_
    plan = OTMapping(reg_e=reg_e).fit(Xs, ys, Xt, labels).coupling_
    differ = (ys[:, None] != labels) & ~np.isnan(labels)
    assert free[differ].sum() > 0.05
    assert plan[differ].sum() < 1e-8
    assert_marginals(plan)
    hidden = OTMapping(reg_e=reg_e).fit(Xs, ys, Xt, labels, hide_target_labels=True)
    assert_array_equal(hidden.coupling_, free)


def test_other_proportions_of_known_classes_still_have_a_plan():
    Xs, ys, Xt, _ = two_domains()
    plan = OTMapping().fit(Xs, ys, Xt, np.zeros(len(Xt))).coupling_
    assert_marginals(plan)


def test_numbers_forbid_nothing():
    Xs, _, Xt, yt = two_domains()
    y = Xs[:, 0]
    plan = OTMapping(Ridge()).fit(Xs, y, Xt, yt.astype(float)).coupling_
    assert_array_equal(plan, OTMapping(Ridge()).fit(Xs, y, Xt).coupling_)


# --- what it is good for -----------------------------------------------------------------------


def test_source_only_loses_and_transport_wins():
    scores = {"source": [], "entropic": [], "exact": [], "means": []}
    for seed in range(4):
        Xs, ys, Xt, yt = turned_moons(seed)
        scores["source"].append(SourceOnly(SVC()).fit(Xs, ys, Xt).score(Xt, yt))
        scores["entropic"].append(OTMapping(SVC()).fit(Xs, ys, Xt).score(Xt, yt))
        scores["exact"].append(OTMapping(SVC(), reg_e=0).fit(Xs, ys, Xt).score(Xt, yt))
        flat = OTMapping(SVC(), reg_e=1e6).fit(Xs, ys, Xt)
        scores["means"].append(flat.score(Xt, yt))
    mean = {name: np.mean(values) for name, values in scores.items()}
    assert mean["source"] < 0.82
    assert mean["entropic"] > mean["source"] + 0.1
    assert mean["exact"] > mean["source"] + 0.03
    assert mean["entropic"] > mean["means"] + 0.1


def test_the_penalty_on_mixed_classes_helps():
    """Images of digits, turned by 30 degrees."""
    images, digit = load_digits(return_X_y=True)
    images = images / 16
    turned = rotate(images.reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1)
    turned = turned.reshape(len(images), 64)
    estimator = LogisticRegression(max_iter=300)
    gains = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(images))
        s, t = order[:250], order[250:500]
        scores = [
            model.fit(images[s], digit[s], turned[t]).score(turned[t], digit[t])
            for model in (
                SourceOnly(estimator),
                OTMapping(estimator),
                OTMapping(estimator, reg_cl=0.1),
            )
        ]
        assert scores[1] > scores[0] + 0.15
        gains.append(scores[2] - scores[1])
    assert np.mean(gains) > 0.015, gains


def test_regression():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(120, 2)), rng.normal(size=(100, 2))
        ys, yt = Xs @ [3, 1], Xt @ [3, 1]
        Xt = Xt + [4, -2]
        assert SourceOnly(LinearRegression()).fit(Xs, ys, Xt).score(Xt, yt) < -5
        assert OTMapping(LinearRegression(), reg_e=0.02).fit(Xs, ys, Xt).score(Xt, yt) > 0.85


# --- the estimator -----------------------------------------------------------------------------


def test_classes_are_needed_for_their_regularisation():
    Xs, ys, Xt, _ = two_domains()
    with pytest.raises(ValueError, match=r"reg_cl=0.5 needs classes, .* is a Ridge"):
        OTMapping(Ridge(), reg_cl=0.5).fit(Xs, ys.astype(float), Xt)
    with pytest.raises(ValueError, match=r"reg_cl=0.5 needs classes, .* is 'passthrough'"):
        OTMapping("passthrough", reg_cl=0.5).fit(Xs, None, Xt)


def test_a_transformer_needs_no_labels():
    Xs, ys, Xt, _ = two_domains()
    model = OTMapping("passthrough")
    Z = model.fit_transform(Xs, Xt=Xt)
    assert_allclose(Z, OTMapping().fit(Xs, ys, Xt).transform(Xs, "source"))
    assert not hasattr(model, "predict")
    assert list(model.get_feature_names_out()) == ["x0", "x1", "x2"]


def test_single_precision():
    Xs, ys, Xt, _ = two_domains()
    double = OTMapping().fit(Xs, ys, Xt)
    single = OTMapping().fit(Xs.astype("f4"), ys, Xt.astype("f4"))
    Z = single.transform(Xs.astype("f4"), "source")
    assert Z.dtype == single.transform(Xt.astype("f4")).dtype == np.float32
    assert_allclose(Z, double.transform(Xs, "source"), atol=1e-5)
    assert_array_equal(OTMapping().fit(Xs, ys, Xt.astype("f4")).predict(Xt), double.predict(Xt))


def test_the_pickle_keeps_what_maps_rows_and_not_the_plan():
    Xs, ys, Xt, _ = two_domains()
    model = OTMapping().fit(Xs, ys, Xt)
    loaded = pickle.loads(pickle.dumps(model))
    assert not hasattr(loaded, "coupling_")
    assert_array_equal(loaded.transform(Xs, "source"), model.transform(Xs, "source"))
