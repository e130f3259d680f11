from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import scipy.optimize
import torch

from skdtl import DAN, DANRegressor, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import MMD, Activations, MultiKernelMMD, Ramp
from skdtl.deep.alignments._gaussian import gaussian_mixture, squared_distances
from skdtl.deep.alignments.multi_kernel_mmd import optimal_kernel_weights

from ..deep_common import SMALL, Watching, same_weights
from ..shifts import rotated_digits, shifted_feature, two_domains

RNG = np.random.default_rng(0)
XS, XT = RNG.normal(size=(7, 3)), RNG.normal(size=(6, 3)) + 0.5
MULTIPLIERS = (0.25, 4.0, 0.7, 1.0, 2.0)


def act(x, output=None) -> Activations:
    x = torch.as_tensor(x)
    return Activations((x,), torch.zeros(len(x), 2) if output is None else output, None)


def squared(x, y):
    return ((x - y) ** 2).sum()


def median_of(squares):
    return sorted(squares)[(len(squares) - 1) // 2]  # torch's: the lower of the middle two


def median_of_pairs(x):
    return median_of([squared(x[i], x[j]) for i in range(len(x)) for j in range(i + 1, len(x))])


def slow_kernel(squared_bandwidth, multipliers, beta):
    def k(x, y):
        return sum(
            b * math.exp(-squared(x, y) / (2 * m * squared_bandwidth))
            for m, b in zip(multipliers, beta)
        )

    return k


def slow_estimate(estimate, xs, xt, k):
    """Transcribe the estimates of Gretton et al. 2012 (JMLR, equations 3, 5 and lemma 14)."""
    n, m = len(xs), len(xt)
    if estimate == "linear":
        pairs = range(min(n, m) // 2)
        return np.mean([slow_h(k, xs, xt, i) for i in pairs])
    same = estimate == "biased"
    within_s = sum(k(xs[i], xs[j]) for i in range(n) for j in range(n) if same or i != j)
    within_t = sum(k(xt[i], xt[j]) for i in range(m) for j in range(m) if same or i != j)
    across = sum(k(x, y) for x in xs for y in xt)
    return (
        within_s / (n * (n if same else n - 1))
        + within_t / (m * (m if same else m - 1))
        - 2 * across / (n * m)
    )


def slow_h(k, xs, xt, i):
    s1, s2, t1, t2 = xs[2 * i], xs[2 * i + 1], xt[2 * i], xt[2 * i + 1]
    return k(s1, s2) + k(t1, t2) - k(s1, t2) - k(s2, t1)


def quadruple_median(xs, xt):
    squares = []
    for i in range(min(len(xs), len(xt)) // 2):
        s1, s2, t1, t2 = xs[2 * i], xs[2 * i + 1], xt[2 * i], xt[2 * i + 1]
        squares += [squared(s1, s2), squared(t1, t2), squared(s1, t2), squared(s2, t1)]
    return median_of(squares)


# -- kernels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "multipliers",
    [
        (1.0,),
        MULTIPLIERS,
        tuple(2.0**p for p in range(-8, 9)),
        tuple(2.0 ** (p / 2) for p in range(-6, 7)),
        (64.0, 1.0, 1.0, 0.125),
    ],
)
def test_a_mixture_is_the_sum_of_its_gaussians(multipliers):
    distances = torch.tensor(RNG.exponential(size=50), requires_grad=True)
    beta = RNG.uniform(size=len(multipliers))
    beta[::3] = [0.5, *[0.0] * (len(beta[::3]) - 1)]  # some take no part
    mixture = gaussian_mixture(distances, 0.3, multipliers, beta.tolist())
    expected = sum(
        b * torch.exp(-distances / (0.6 * m)) for b, m in zip(beta.tolist(), multipliers)
    )
    torch.testing.assert_close(mixture, expected, rtol=1e-12, atol=1e-13)
    slope = torch.autograd.grad(mixture.sum(), distances)[0]
    expected_slope = torch.autograd.grad(expected.sum(), distances)[0]
    torch.testing.assert_close(slope, expected_slope, rtol=1e-11, atol=1e-12)


def test_squaring_loses_no_digits_in_single_precision():
    distances = torch.tensor(RNG.exponential(size=2000))
    multipliers = tuple(2.0**p for p in range(-8, 9))
    for beta in np.eye(len(multipliers)).tolist():
        exact = gaussian_mixture(distances, 0.3, multipliers, beta)
        single = gaussian_mixture(distances.float(), 0.3, multipliers, beta)
        uniform = gaussian_mixture(distances.float(), 0.3, multipliers, [1.0] * len(beta))
        torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-6)
    total = gaussian_mixture(distances, 0.3, multipliers, [1.0] * len(beta))
    torch.testing.assert_close(uniform.double(), total, rtol=0, atol=1e-5)


def test_distances_are_those_of_all_pairs_with_their_gradient():
    x = torch.tensor(np.concatenate([XS, XT]), requires_grad=True)
    torch.testing.assert_close(squared_distances(x), torch.pdist(x) ** 2)
    assert torch.autograd.gradcheck(squared_distances, (x,))


def test_no_distance_is_negative():
    rows = torch.tensor(RNG.normal(size=(20, 3)), dtype=torch.float32)
    distances = squared_distances(torch.cat([rows, rows]))
    assert distances.min() == 0


# -- the alignment ---------------------------------------------------------------------------------


@pytest.mark.parametrize("estimate", ["biased", "unbiased", "linear"])
def test_value_and_gradient_are_the_estimates_of_the_weighted_kernels(estimate):
    mmd = MultiKernelMMD(bandwidth_multipliers=MULTIPLIERS, estimate=estimate)
    mmd.beta = [[0.1, 0.2, 0.0, 0.3, 0.4]]
    if estimate == "linear":
        median = quadruple_median(XS, XT)
    else:
        median = median_of_pairs(np.concatenate([XS, XT]))
    k = slow_kernel(median, MULTIPLIERS, mmd.beta[0])
    xs, xt = (torch.tensor(x, requires_grad=True) for x in (XS, XT))
    value = mmd(act(xs), act(xt))
    assert value.item() == pytest.approx(slow_estimate(estimate, XS, XT, k), rel=1e-10)
    value.backward()
    step = 1e-6
    for side, x in enumerate((xs, xt)):  # the median stays: it is no function of the rows here
        for index in np.ndindex(*x.shape):
            values = []
            for change in (step, -step):
                rows = [XS.copy(), XT.copy()]
                rows[side][index] += change
                values.append(slow_estimate(estimate, *rows, k))
            slope = (values[0] - values[1]) / (2 * step)
            assert x.grad[index].item() == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("kernel_weights", ["uniform", "optimal"])
def test_one_kernel_is_the_gaussian_mmd(kernel_weights):
    one = MultiKernelMMD(
        bandwidth_multipliers=(1.0,), kernel_weights=kernel_weights, estimate="biased"
    )
    one.before_step(act(XS), act(XT))
    expected = MMD()(act(XS), act(XT)).item()
    assert one(act(XS), act(XT)).item() == pytest.approx(expected, rel=1e-12)


def test_weights_are_uniform_at_first_and_sum_up_to_one():
    pieces = [
        MultiKernelMMD(bandwidth_multipliers=(m,), estimate="biased")(act(XS), act(XT)).item()
        for m in MULTIPLIERS
    ]
    all_of_them = MultiKernelMMD(bandwidth_multipliers=MULTIPLIERS, estimate="biased")
    assert all_of_them(act(XS), act(XT)).item() == pytest.approx(np.mean(pieces), rel=1e-12)


def test_each_layer_is_aligned_by_its_own_median_and_the_layers_add_up():
    outputs = [torch.tensor(RNG.normal(size=(n, 3)) * 100) for n in (7, 6)]
    source, target = act(XS, outputs[0]), act(XT, outputs[1])
    single = [MultiKernelMMD(layers=layer)(source, target).item() for layer in (-1, "output")]
    both = MultiKernelMMD(layers=(-1, "output"))(source, target).item()
    assert both == pytest.approx(sum(single), rel=1e-12) and single[0] != single[1]
    probabilities = [o.softmax(1).numpy() for o in outputs]
    by_hand = MultiKernelMMD()(*(act(p) for p in probabilities)).item()
    assert single[1] == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("estimate", ["biased", "unbiased", "linear"])
def test_scale_and_place_of_the_features_do_not_matter(estimate):
    mmd = MultiKernelMMD(estimate=estimate)
    value = mmd(act(XS), act(XT)).item()
    assert mmd(act(1e-3 * XS + 5), act(1e-3 * XT + 5)).item() == pytest.approx(value, rel=1e-6)


def test_equal_batches_and_equal_rows():
    assert MultiKernelMMD(estimate="biased")(act(XS), act(XS)).item() == pytest.approx(0, abs=1e-14)
    for estimate in ("biased", "unbiased", "linear"):
        x = torch.zeros(4, 2, requires_grad=True)
        omega = MultiKernelMMD(estimate=estimate)(act(x), act(torch.zeros(4, 2)))
        omega.backward()
        assert omega.item() == pytest.approx(0, abs=1e-6) and not x.grad.isnan().any()


def test_a_batch_may_hold_a_single_row():
    for estimate in ("biased", "unbiased", "linear"):
        x = torch.tensor(XS[:1], requires_grad=True)
        mmd = MultiKernelMMD(estimate=estimate, update_every=1)
        mmd.before_step(act(x.detach()), act(XT))
        omega = mmd(act(x), act(XT))
        omega.backward()
        assert omega.isfinite() and x.grad.isfinite().all() and len(set(mmd.beta[0])) == 1


# -- optimal kernel choice -------------------------------------------------------------------------


def random_problem(seed, n_kernels=6):
    rng = np.random.default_rng(seed)
    d = rng.normal(size=n_kernels) * 0.1
    A = rng.normal(size=(n_kernels, n_kernels)) * 0.1
    return d, A @ A.T


def ratio(beta, d, Q):
    return beta @ d / np.sqrt(beta @ (Q + 1e-4 * np.eye(len(d))) @ beta)


@pytest.mark.parametrize("seed", range(6))
def test_weights_solve_the_quadratic_programme(seed):
    d, Q = random_problem(seed)
    beta = optimal_kernel_weights(d, Q)
    assert (beta >= 0).all() and beta.sum() == pytest.approx(1)
    ridged = Q + 1e-4 * np.eye(len(d))
    start = np.maximum(d, 0) / (np.maximum(d, 0) @ d)
    slow = scipy.optimize.minimize(
        lambda b: b @ ridged @ b,
        start,
        jac=lambda b: 2 * ridged @ b,
        bounds=[(0, None)] * len(d),
        constraints={"type": "eq", "fun": lambda b: b @ d - 1, "jac": lambda b: d},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    ).x
    np.testing.assert_allclose(beta, slow / slow.sum(), atol=1e-4)
    for other in np.random.default_rng(seed).dirichlet(np.ones(len(d)), size=200):
        assert ratio(beta, d, Q) >= ratio(other, d, Q)
    # the conditions of Karush, Kuhn and Tucker: a certificate
    gradient = ridged @ beta * (beta @ d) / (beta @ ridged @ beta) - d
    assert (gradient > -1e-10).all() and abs(gradient[beta > 1e-9]).max() < 1e-10


def test_where_no_kernel_sees_a_difference_the_best_one_is_taken():
    d, Q = random_problem(0)
    d = -abs(d) - 0.01
    best = np.argmax(d / np.sqrt(Q.diagonal() + 1e-4))
    assert best != np.argmax(d)
    np.testing.assert_array_equal(optimal_kernel_weights(d, Q), np.eye(len(d))[best])
    np.testing.assert_array_equal(optimal_kernel_weights(0 * d, Q)[1:], 0 * d[1:])


def test_weights_are_chosen_every_so_many_batches_by_the_rows_of_these_batches():
    mmd = MultiKernelMMD(bandwidth_multipliers=MULTIPLIERS, update_every=3)
    rng = np.random.default_rng(1)
    batches = [(rng.normal(size=(9, 3)), rng.normal(size=(8, 3)) + 1) for _ in range(7)]
    seen = []
    for xs, xt in batches:
        mmd.before_step(act(xs), act(xt))
        seen.append(copy.deepcopy(mmd.beta[0]))
    assert seen[0] == seen[1] == [0.2] * 5 and seen[2] == seen[3] == seen[4]
    assert seen[1] != seen[2] != seen[5] == seen[6]
    for first, beta in ((0, seen[2]), (3, seen[5])):
        h = [
            [
                slow_h(slow_kernel(quadruple_median(xs, xt), [m], [1.0]), xs, xt, i)
                for m in MULTIPLIERS
            ]
            for xs, xt in batches[first : first + 3]
            for i in range(4)
        ]
        d, Q = np.mean(h, axis=0), np.cov(np.array(h).T, bias=True)
        np.testing.assert_allclose(beta, optimal_kernel_weights(d, Q), rtol=1e-6, atol=1e-9)
    mmd.initialize([3], 2)
    assert mmd.beta == [[0.2] * 5]
    mmd.before_step(*(act(x) for x in batches[0]))
    mmd.before_step(*(act(x) for x in batches[1]))
    assert mmd.beta == [[0.2] * 5]  # and it has forgotten the rows of before


def test_each_layer_has_weights_of_its_own():
    outputs = [torch.tensor(RNG.normal(size=(n, 3)) ** 3) for n in (7, 6)]
    sides = act(XS, outputs[0]), act(XT, outputs[1])
    betas = []
    for layers in ((-1, "output"), -1, "output"):
        mmd = MultiKernelMMD(update_every=1, layers=layers)
        mmd.before_step(*sides)
        betas.append(mmd.beta)
    assert betas[0] == betas[1] + betas[2] and betas[1] != betas[2]


def test_the_kernel_that_sees_the_difference_is_found():
    """Rows on a fine grid, and between its points: only a narrow kernel sees that."""
    rng = np.random.default_rng(0)
    narrow = MultiKernelMMD(update_every=1)
    xs, xt = (rng.integers(10, size=(4000, 1)) + shift for shift in (0.0, 0.5))
    noise = rng.normal(size=(2, 4000, 1)) * 0.05
    narrow.before_step(act(xs + noise[0]), act(xt + noise[1]))
    wide = MultiKernelMMD(update_every=1)
    wide.before_step(act(rng.normal(size=(4000, 1))), act(rng.normal(size=(4000, 1)) + 0.3))
    mean = [np.dot(m.beta[0], np.log2(m.bandwidth_multipliers)) for m in (narrow, wide)]
    assert mean[0] < -4 and mean[1] > -2


@pytest.mark.parametrize(
    "options",
    [
        {"weight": -1},
        {"bandwidth_multipliers": ()},
        {"bandwidth_multipliers": (1.0, 0.0)},
        {"kernel_weights": "best"},
        {"update_every": 0},
        {"estimate": "quadratic"},
    ],
)
def test_illegal_parameters(options):
    with pytest.raises(ValueError, match="must be"):
        MultiKernelMMD(**options)


# -- the estimator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, alignment",
    [
        ({}, MultiKernelMMD(layers=(-1, "output"))),
        ({"layers": 0}, MultiKernelMMD(layers=0)),
        ({"kernel_weights": "uniform"}, MultiKernelMMD(1, kernel_weights="uniform")),
        ({"update_every": 3}, MultiKernelMMD(update_every=3)),
        ({"estimate": "linear"}, MultiKernelMMD(estimate="linear")),
        (
            {"bandwidth_multipliers": (0.5, 1.0)},
            MultiKernelMMD(bandwidth_multipliers=(0.5, 1.0)),
        ),
    ],
)
def test_dan_is_the_engine_with_its_alignment(options, alignment):
    small = {**SMALL, "max_epochs": 8}
    alignment.layers = options.get("layers", (-1, "output"))
    alignment.initialize([16], 2)
    for cls, engine, regression in (
        (DAN, DeepTransferClassifier, False),
        (DANRegressor, DeepTransferRegressor, True),
    ):
        Xs, ys, Xt, _ = two_domains(regression=regression)
        dan = cls(0.7, **options, **small).fit(Xs, ys, Xt)
        by_hand = engine([alignment], 0.7, **small).fit(Xs, ys, Xt)
        assert same_weights(dan, by_hand)
        shape = (1 if "layers" in options else 2, len(alignment.bandwidth_multipliers))
        assert dan.kernel_weights_.shape == shape
        np.testing.assert_allclose(dan.kernel_weights_.sum(axis=1), 1)
        if options:
            assert not same_weights(dan, cls(0.7, **small).fit(Xs, ys, Xt))


@pytest.mark.parametrize("options", [{}, {"kernel_weights": "uniform"}])
def test_kernel_weights_are_saved_and_a_warm_start_goes_on_with_them(options, tmp_path):
    pytest.importorskip("safetensors")
    Xs, ys, Xt, _ = two_domains()
    dan = DAN(**options, **SMALL, update_every=2).fit(Xs, ys, Xt)
    assert (dan.kernel_weights_ == dan.kernel_weights_[0, 0]).all() == bool(options)
    dan.save_weights(tmp_path / "dan.safetensors")
    loaded = DAN(**options, **SMALL, update_every=2).load_weights(tmp_path / "dan.safetensors")
    np.testing.assert_array_equal(loaded.kernel_weights_, dan.kernel_weights_)
    # No weights are chosen in the second fit: they are the first one's.
    loaded.set_params(warm_start=True, update_every=10**6, lr=1e-30).fit(Xs, ys, Xt)
    np.testing.assert_array_equal(loaded.kernel_weights_, dan.kernel_weights_)


def test_lambda_zero_one_and_large_are_three_different_networks():
    Xs, ys, Xt, _ = two_domains()
    options = {**SMALL, "max_epochs": 60}
    nets = {lam: DAN(lam, **options).fit(Xs, ys, Xt) for lam in (0.0, 1.0, 100.0)}
    assert same_weights(nets[0.0], DeepTransferClassifier([Watching()], **options).fit(Xs, ys, Xt))
    uniform = MultiKernelMMD(kernel_weights="uniform", layers=(-1, "output"))
    rows = [torch.as_tensor(X, dtype=torch.float32) for X in (Xs, Xt)]
    apart, task = {}, {}
    for lam, net in nets.items():
        with torch.no_grad():
            sides = (Activations(*net.net_.module_.float().activations(x), None) for x in rows)
            apart[lam] = uniform(*sides).item()
        task[lam] = net.history_[-1]["task_loss"]
    assert apart[0.0] > 1.5 * max(apart[1.0], apart[100.0])
    assert not same_weights(nets[1.0], nets[100.0])
    assert task[0.0] < task[1.0] < task[100.0] - 0.05


def test_lambda_rises_over_the_training():
    Xs, ys, Xt, _ = two_domains()
    by_default, rising, constant = (
        DAN(**lam, **SMALL).fit(Xs, ys, Xt) for lam in ({}, {"lam": Ramp(1.0, 10.0)}, {"lam": 1.0})
    )
    assert same_weights(by_default, rising) and not same_weights(rising, constant)


def test_without_a_target_it_is_a_plain_network(tmp_path):
    pytest.importorskip("safetensors")
    Xs, ys, _, _ = two_domains()
    with pytest.warns(UserWarning, match="without a target"):
        dan = DAN(**SMALL).fit(Xs, ys)
        plain = DeepTransferClassifier(**SMALL).fit(Xs, ys)
    assert same_weights(dan, plain) and not hasattr(dan, "kernel_weights_")
    dan.save_weights(tmp_path / "dan.safetensors")
    loaded = DAN(**SMALL).load_weights(tmp_path / "dan.safetensors")
    assert not hasattr(loaded, "kernel_weights_")


@pytest.mark.parametrize("regression", [False, True])
def test_a_shifted_feature_is_not_trusted(regression):
    cls = DANRegressor if regression else DAN
    options = {"hidden_layer_sizes": (32,), "max_epochs": 40}
    source_only, adapted = [], []
    for seed in range(2):
        Xs, ys, Xt, yt = shifted_feature(seed, regression=regression)
        for lam, scores in ((0.0, source_only), (Ramp(3.0), adapted)):
            model = cls(lam, random_state=seed, **options).fit(Xs, ys, Xt)
            scores.append(model.score(Xt, yt))
    assert np.mean(adapted) > np.mean(source_only) + 0.25
    if not regression:
        assert max(source_only) < 0.6 and min(adapted) > 0.75


def test_rotated_digits():
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = rotated_digits(seed)
        options = {"max_epochs": 25, "random_state": seed}
        plain = DAN(0.0, **options).fit(Xs, ys, Xt).score(Xt, yt)
        gains.append(DAN(**options).fit(Xs, ys, Xt).score(Xt, yt) - plain)
    assert min(gains) > 0.08
