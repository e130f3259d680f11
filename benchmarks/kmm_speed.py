"""What KMM's solver costs against a dense interior-point solver, and what both reach.

Source N(0, 1)^d, target N(.7, .8²)^d, as many rows in each. Both solve the same quadratic program;
both times include the kernel matrices. CPU time with one thread, the least of three turns for ours
and one turn of cvxopt's. Writes benchmarks/results/kmm_speed.md; without cvxopt (pip install
cvxopt) its columns say so.

    make benchmark-kmm_speed
"""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np

from skdtl.instances import kmm_weights
from skdtl.kernels import kernel_gamma, kernel_matrix

try:
    import cvxopt
except ModuleNotFoundError:
    cvxopt = None

RESULTS = Path(__file__).parent / "results" / "kmm_speed.md"
SIZES = (500, 1000, 2000, 4000)
B = 1000.0
# number of features, gamma (None: the median rule), what K is like
SETTINGS = ((2, 1.0, "of low rank"), (5, 0.5, "ill-conditioned"), (20, None, "of full rank"))


def cpu(function, turns=1):
    """Return the least CPU time of some turns, and the result."""
    times = []
    for _ in range(turns):
        started = time.process_time()
        result = function()
        times.append(time.process_time() - started)
    return min(times), result


def program(Xs, Xt, gamma):
    """Return K, kappa and the paper's eps."""
    n = len(Xs)
    kappa = n * kernel_matrix(Xs, Xt, gamma=gamma).mean(axis=1)
    return kernel_matrix(Xs, gamma=gamma), kappa, (np.sqrt(n) - 1) / np.sqrt(n)


def dense(Xs, Xt, gamma):
    """Solve with cvxopt's interior-point solver, with its default tolerances."""
    K, kappa, eps = program(Xs, Xt, gamma)
    n = len(Xs)
    eye = cvxopt.spmatrix(1.0, range(n), range(n))
    one = cvxopt.matrix(1.0, (1, n))
    G = cvxopt.sparse([one, -one, eye, -eye])
    h = cvxopt.matrix(np.r_[n * (1 + eps), n * (eps - 1), np.full(n, B), np.zeros(n)])
    cvxopt.solvers.options["show_progress"] = False
    solution = cvxopt.solvers.qp(cvxopt.matrix(K), cvxopt.matrix(-kappa), G, h)
    return np.array(solution["x"]).ravel()


def peak(function):
    """Return the peak of memory in numpy's arrays during a call, in bytes."""
    tracemalloc.start()
    function()
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def row(n, d, gamma, kind):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(n, d)), rng.normal(0.7, 0.8, size=(n, d))
    gamma = kernel_gamma(Xs[:1000], "rbf", "median") if gamma is None else gamma
    K, kappa, _ = program(Xs, Xt, gamma)

    def objective(w):
        return (w @ K @ w / 2 - kappa @ w) / n**2

    def ours(tol):
        return kmm_weights(Xs, Xt, gamma=gamma, B=B, tol=tol)

    default_time, default = cpu(lambda: ours(1e-4), 3)
    exact_time, exact = cpu(lambda: ours(1e-6), 3)
    memory = peak(lambda: ours(1e-6))
    cells = [f"{d}, {kind}", f"{n}", f"{default_time:.2f}", f"{exact_time:.2f}"]
    if cvxopt is None:
        cells += ["not installed", "", f"{objective(default):.7f}", f"{objective(exact):.7f}", ""]
    else:
        dense_time, other = cpu(lambda: dense(Xs, Xt, gamma))
        cells += [f"{dense_time:.2f}", f"{dense_time / exact_time:.1f}"]
        cells += [f"{objective(w):.7f}" for w in (default, exact, other)]
    cells += [f"{memory / 1e6:.0f} MB, {memory / (8 * n**2):.2f}"]
    return "| " + " | ".join(cells) + " |"


def main():
    """Print and write the table."""
    lines = [
        "# Kernel mean matching: the solver's cost",
        "",
        "`make benchmark-kmm_speed`",
        "",
        "`kmm_weights` with a given width, with its default tolerance 1e-4 and with 1e-6, against "
        "`cvxopt.solvers.qp`: CPU seconds with one thread, kernel matrices included; the objective "
        "wᵀKw / 2 - κᵀw by n²; the peak of memory of `kmm_weights(tol=1e-6)`, also as a multiple "
        "of one matrix of n² numbers. n rows in each domain.",
        "",
        "| features, K | n | tol 1e-4, s | tol 1e-6, s | cvxopt, s | cvxopt / tol 1e-6 "
        "| objective, 1e-4 | 1e-6 | cvxopt | memory |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for d, gamma, kind in SETTINGS:
        for n in SIZES:
            lines.append(row(n, d, gamma, kind))
            print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
