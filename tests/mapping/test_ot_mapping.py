"""OTMapping: optimal plans by certificate, the maps of the paper, and shifts it is made for."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import rotate
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
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
    net_displacements,
    transport_plan,
)

ot = pytest.importorskip("ot")


def two_domains(n_s=12, n_t=9, d=3, seed=0):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_s, d)), rng.normal(size=(n_t, d)) + 1
    return Xs, np.arange(n_s) % 3, Xt, np.arange(n_t) % 3


def published(*args, **options):
    """The method as the paper has it."""
    return OTMapping(*args, reg_m=None, move="barycentre", **options)


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
    model = published(reg_e=0).fit(Xs, ys, Xt)
    assert_marginals(model.coupling_)
    assert_allclose(model.coupling_, linear_program(squared_distances(Xs, Xt)), atol=1e-9)
    assert model.n_iter_ == 1


@pytest.mark.parametrize("reg_e", [0.5, 0.05, 0.001])
def test_the_entropic_plan_satisfies_its_optimality_conditions(reg_e):
    """The derivative C + reg_e log γ is a sum u_i + v_j; the last weight needs logarithms."""
    Xs, ys, Xt, _ = two_domains(6, 5)
    cost = squared_distances(Xs, Xt)
    cost /= np.median(cost)
    model = published(reg_e=reg_e, max_iter=200_000, tol=1e-11).fit(Xs, ys, Xt)
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
            # The plan's own masses are off by the tolerance, which may save as much.
            assert plan_objective(cost, mixed, reg_e) > value - 1e-11


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
    model = published(reg_e=0.1, reg_cl=0.2, tol=1e-11).fit(Xs, ys, Xt)
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
        plan = published(**options).fit(Xs, ys, Xt).coupling_
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
        plan = published(norm=norm, reg_e=0.2).fit(Xs, ys, Xt).coupling_
        expected = transport_plan(cost, 0.2 * scale)[0]
        assert_allclose(plan, expected, atol=1e-10)
    rescaled = published(reg_e=0.2).fit(1000 * Xs, ys, 1000 * Xt)
    assert_allclose(rescaled.coupling_, published(reg_e=0.2).fit(Xs, ys, Xt).coupling_)


def test_the_median_of_mostly_equal_rows_is_no_scale():
    Xs, Xt = np.zeros((6, 2)), np.zeros((6, 2))
    Xs[0], Xt[0] = 1.0, 1.0
    model = published(reg_e=0.01).fit(Xs, np.arange(6) % 2, Xt)
    assert_allclose(model.transform(Xs, "source"), Xs, atol=1e-6)
    constant = published().fit(np.zeros((4, 2)), [0, 1, 0, 1], np.zeros((3, 2)))
    assert_allclose(constant.coupling_, 1 / 12)


def test_metric():
    Xs, ys, Xt, _ = two_domains()
    assert_allclose(cost_matrix(Xs, Xt), squared_distances(Xs, Xt))
    assert_allclose(cost_matrix(Xs, Xt, "euclidean"), np.sqrt(squared_distances(Xs, Xt)))
    plans = {
        metric: published(metric=metric).fit(Xs, ys, Xt).coupling_
        for metric in ("sqeuclidean", "euclidean", "cityblock", "cosine", manhattan_distances)
    }
    assert_allclose(plans["cityblock"], plans[manhattan_distances], rtol=1e-6)
    for one in ("sqeuclidean", "euclidean", "cosine"):
        assert abs(plans[one] - plans["cityblock"]).max() > 1e-4
    with pytest.raises(ValueError, match=r"shape \(9, 12\) for 12 source and 9 target rows"):
        published(metric=lambda X, Y: np.ones((9, 12))).fit(Xs, ys, Xt)
    with pytest.raises(ValueError, match="infinite or not a number"):
        published(metric=lambda X, Y: np.full((12, 9), np.nan)).fit(Xs, ys, Xt)


@pytest.mark.parametrize("reg_e", [0.0, 1e-3])
def test_a_solver_that_stops_early_says_so(reg_e):
    Xs, ys, Xt, _ = two_domains(40, 30)
    with pytest.warns(ConvergenceWarning, match=r"OTMapping: .* 2 (pivots|iter).*Raise max_iter"):
        model = published(reg_e=reg_e, max_iter=2).fit(Xs, ys, Xt)
    assert np.isfinite(model.transform(Xs, "source")).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        published().fit(Xs, ys, Xt)
        loose = published(tol=1e-2).fit(Xs, ys, Xt)
        tight = published(tol=1e-12).fit(Xs, ys, Xt)
    assert loose.n_iter_ < tight.n_iter_


# --- the maps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_source_rows_go_to_their_barycentres_and_target_rows_stay(reg_e):
    Xs, ys, Xt, _ = two_domains()
    model = published(KNeighborsClassifier(1), reg_e=reg_e).fit(Xs, ys, Xt)
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
    model = published(reg_e=0).fit(Xs, ys, Xt)
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
    model = published(reg_e=0).fit(Xs, ys, Xs[order])
    assert_allclose(model.transform(Xs, "source"), Xs, atol=1e-12)
    with pytest.warns(NoTargetWarning):
        alone = published().fit(Xs, ys)
    assert_allclose(alone.transform(Xs, "source"), Xs, rtol=1e-12)
    assert_allclose(alone.coupling_, np.eye(len(Xs)) / len(Xs))


def test_an_infinite_weight_of_the_entropy_leads_to_the_mean():
    Xs, ys, Xt, _ = two_domains()
    moved = published(reg_e=1e6).fit(Xs, ys, Xt).transform(Xs, "source")
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
    model = published(reg_e=0.0, norm=norm).fit(scale * Xs, ys, scale * Xt, yt)
    assert model.coupling_[ys[:, None] != yt].sum() < 1e-12


@pytest.mark.parametrize("reg_e", [0.0, 0.1])
def test_no_mass_between_different_known_classes(reg_e):
    Xs, ys, Xt, yt = two_domains()
    labels = np.where(np.arange(len(yt)) < 5, yt, np.nan)
    free = published(reg_e=reg_e).fit(Xs, ys, Xt).coupling_
    plan = published(reg_e=reg_e).fit(Xs, ys, Xt, labels).coupling_
    differ = (ys[:, None] != labels) & ~np.isnan(labels)
    assert free[differ].sum() > 0.05
    assert plan[differ].sum() < 1e-8
    assert_marginals(plan)
    hidden = published(reg_e=reg_e).fit(Xs, ys, Xt, labels, hide_target_labels=True)
    assert_array_equal(hidden.coupling_, free)


def test_other_proportions_of_known_classes_still_have_a_plan():
    Xs, ys, Xt, _ = two_domains()
    plan = published().fit(Xs, ys, Xt, np.zeros(len(Xt))).coupling_
    assert_marginals(plan)


def test_numbers_forbid_nothing():
    Xs, _, Xt, yt = two_domains()
    y = Xs[:, 0]
    plan = published(Ridge()).fit(Xs, y, Xt, yt.astype(float)).coupling_
    assert_array_equal(plan, published(Ridge()).fit(Xs, y, Xt).coupling_)


# --- what it is good for -----------------------------------------------------------------------


def test_source_only_loses_and_transport_wins():
    scores = {"source": [], "entropic": [], "exact": [], "means": []}
    for seed in range(4):
        Xs, ys, Xt, yt = turned_moons(seed)
        scores["source"].append(SourceOnly(SVC()).fit(Xs, ys, Xt).score(Xt, yt))
        scores["entropic"].append(published(SVC()).fit(Xs, ys, Xt).score(Xt, yt))
        scores["exact"].append(published(SVC(), reg_e=0).fit(Xs, ys, Xt).score(Xt, yt))
        flat = published(SVC(), reg_e=1e6).fit(Xs, ys, Xt)
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
                published(estimator),
                published(estimator, reg_cl=0.1),
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
        assert published(LinearRegression(), reg_e=0.02).fit(Xs, ys, Xt).score(Xt, yt) > 0.85


# --- what is not the paper's -------------------------------------------------------------------


def test_the_papers_setting_is_pots_and_no_default_is():
    Xs, ys, Xt, _ = two_domains(40, 30)
    C = squared_distances(Xs, Xt)
    peer = ot.da.SinkhornTransport(reg_e=0.1, norm="median", max_iter=10_000, tol=1e-12)
    expected = peer.fit(Xs=Xs, Xt=Xt).transform(Xs=Xs)
    assert_allclose(published(tol=1e-11).fit(Xs, ys, Xt).transform(Xs, "source"), expected)
    rows, columns = np.full(40, 1 / 40), np.full(30, 1 / 30)
    exact = 40 * ot.emd(rows, columns, C) @ Xt
    assert_allclose(published(reg_e=0).fit(Xs, ys, Xt).transform(Xs, "source"), exact)
    for one in ({"reg_m": None}, {"move": "barycentre"}, {}):
        moved = OTMapping(tol=1e-11, **one).fit(Xs, ys, Xt).transform(Xs, "source")
        assert abs(moved - expected).max() > 0.1


@pytest.mark.parametrize("reg_m", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("reg_cl", [0.0, 0.05])
def test_the_relaxed_plan_satisfies_its_optimality_conditions(reg_m, reg_cl):
    """The objective's derivative is zero, also where classes change the costs."""
    Xs, ys, Xt, _ = two_domains()
    C = squared_distances(Xs, Xt)
    C /= np.median(C)
    options = {"reg_e": 0.1, "reg_m": reg_m, "reg_cl": reg_cl, "tol": 1e-10}
    plan = OTMapping(n_rounds=2, **options).fit(Xs, ys, Xt).coupling_
    if reg_cl > 0:
        first = OTMapping(n_rounds=1, **options).fit(Xs, ys, Xt).coupling_
        for i, j in np.ndindex(C.shape):
            C[i, j] += reg_cl * 0.5 / np.sqrt(first[ys == ys[i], j].sum() + 1e-3)
    n_s, n_t = C.shape
    slope = C - C.min() + 0.1 * np.log(plan * n_s * n_t)
    slope += reg_m * np.log(plan.sum(axis=1, keepdims=True) * n_s)
    slope += reg_m * np.log(plan.sum(axis=0) * n_t)
    assert_allclose(slope, 0, atol=1e-6)


def test_a_large_weight_of_missing_mass_is_the_papers_plan():
    Xs, ys, Xt, _ = two_domains()
    whole = published(tol=1e-10).fit(Xs, ys, Xt).coupling_
    far, near = (
        np.abs(OTMapping(reg_m=reg_m).fit(Xs, ys, Xt).coupling_ - whole).max()
        for reg_m in (10.0, 100.0)
    )
    assert near < 1e-3 and near < 0.2 * far


def test_net_displacements_by_loops():
    Xs, ys, Xt, _ = two_domains(15, 11, seed=3)
    model = OTMapping(tol=1e-10).fit(Xs, ys, Xt)
    G = model.coupling_
    C = squared_distances(Xs, Xt)
    own_cost = squared_distances(Xs, Xs) / np.median(C)
    for i in range(15):
        own_cost[i, i] = 11 * own_cost.max()
    own = transport_plan(own_cost, 0.1, 0.1, tol=1e-10).coupling
    moves, chance = np.zeros((15, 3)), np.zeros(15)
    for plan, X, sign in ((G, Xt, 1), (own, Xs, -1)):
        for i in range(15):
            p = plan[i] / plan[i].sum()
            centre = sum(p[j] * X[j] for j in range(len(X)))
            moves[i] += sign * centre
            chance[i] += sum(p[j] ** 2 * ((X[j] - centre) ** 2).sum() for j in range(len(X)))
    mass = np.array([G[i].sum() for i in range(15)])
    share = np.minimum(1, mass / mass.mean())
    mean = sum(share[i] * moves[i] for i in range(15)) / share.sum()
    squares = sum(share[i] * ((moves[i] - mean) ** 2).sum() for i in range(15))
    kept = 1 - sum(share * chance) / squares
    assert 0.05 < kept < 0.95 and share.min() < 0.9
    expected = np.array([share[i] * (mean + kept * (moves[i] - mean)) for i in range(15)])
    assert_allclose(model.transform(Xs, "source") - Xs, expected, atol=1e-8)
    assert_allclose(net_displacements(Xs, Xt, G, own), expected, atol=1e-8)


def test_what_chance_explains_is_not_kept():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(50, 30)), rng.normal(size=(40, 30)) + 1
    plan, own = np.full((50, 40), 1 / 2000), np.full((50, 50), 1 / 2500)
    own += 1e-4 * rng.uniform(size=own.shape)
    moves = net_displacements(Xs, Xt, plan, own)
    assert np.ptp(moves, axis=0).max() < 1e-12
    assert_allclose(moves[0], Xt.mean(axis=0) - Xs.mean(axis=0), atol=0.02)


def test_rows_without_a_partner_stay():
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(60, 2)), rng.normal(size=(20, 2)) + [12, 0]
    Xs, ys = np.concatenate([near, far]), np.repeat([0, 1], [60, 20])
    Xt = rng.normal(size=(60, 2)) + [0.0, 2.0]
    moves = OTMapping().fit(Xs, ys, Xt).transform(Xs, "source") - Xs
    assert np.abs(moves[60:]).max() < 0.01
    assert moves[:60, 1].mean() > 0.5
    assert np.abs(published().fit(Xs, ys, Xt).displacements_).max() > 10


@pytest.mark.parametrize("options", [{}, {"reg_m": None, "move": "barycentre"}])
def test_heavy_tails_need_few_iterations(options):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.standard_t(1.5, size=(300, 9)), rng.standard_t(1.5, size=(200, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = OTMapping(**options).fit(Xs, (Xs[:, 0] > 0) * 1, Xt)
    assert np.isfinite(model.displacements_).all() and np.isfinite(model.coupling_).all()
    if options:
        assert_marginals(model.coupling_, atol=1e-5)
    assert model.n_iter_ < 3000


@pytest.mark.parametrize("options", [{"reg_m": 10.0}, {"reg_m": None}])
def test_one_warning_names_the_parameters(options):
    Xs, ys, Xt, _ = two_domains(40, 30)
    with pytest.warns(ConvergenceWarning) as caught:
        OTMapping(max_iter=2, **options).fit(Xs, ys, Xt)
    assert len(caught) == 1
    for part in ("OTMapping", "max_iter", "reg_e=0.1", "tol=1.0e-04", "2 iterations"):
        assert part in str(caught[0].message)
    assert ("reg_m=10.0" in str(caught[0].message)) == (options["reg_m"] is not None)


def test_without_a_shift_nothing_is_lost():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    losses, sizes = [], []
    for seed in range(5):
        s, t = np.array_split(np.random.default_rng(seed).permutation(len(y)), 2)
        estimator = LogisticRegression(max_iter=1000)
        models = [m.fit(X[s], y[s], X[t]) for m in (OTMapping(estimator), published(estimator))]
        alone = SourceOnly(estimator).fit(X[s], y[s], X[t]).score(X[t], y[t])
        losses.append([alone - model.score(X[t], y[t]) for model in models])
        sizes.append([(model.displacements_**2).sum() for model in models])
    assert np.mean(losses, axis=0)[0] < 0.01
    ours, theirs = np.mean(sizes, axis=0)
    assert ours < 0.1 * theirs


def test_other_shares_of_the_classes_do_not_move_them():
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ys, yt = np.repeat([0, 1], 100), np.repeat([0, 1], [180, 20])
        Xs, Xt = (rng.normal(size=(200, 4)) + 3.0 * np.outer(y, [1, 1, 0, 0]) for y in (ys, yt))
        scores = [m.fit(Xs, ys, Xt).score(Xt, yt) for m in (SourceOnly(), OTMapping(), published())]
        gains.append([scores[1] - scores[0], scores[2] - scores[0]])
    ours, theirs = np.mean(gains, axis=0)
    assert ours > -0.02
    assert theirs < -0.2


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
