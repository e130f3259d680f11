"""Kernel mean matching: the solver's cost

Source N(0, 1)^d, target N(.7, .8²)^d, n rows in each. `kmm_weights` with a given width, with its
default tolerance 1e-4 and with 1e-6, against `cvxopt.solvers.qp`, a dense interior-point solver
with its default tolerances, for the same quadratic program: CPU seconds with one thread, kernel
matrices included, the least of 3 turns; the objective wᵀKw / 2 - κᵀw by n²; the peak of memory of
`kmm_weights(tol=1e-6)`, also as a multiple of one matrix of n² numbers.

    make benchmark-kmm_speed

Without cvxopt (pip install cvxopt) its columns are empty.

{table}
"""

import tracemalloc
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.tables import NOTHING, table

from skdtl.instances import kmm_weights
from skdtl.kernels import kernel_gamma, kernel_matrix

B = 1000.0
SIZES = (500, 1000, 2000, 4000)
# what K is like: number of features, gamma (None: the median rule)
KINDS = {"of low rank": (2, 1.0), "ill-conditioned": (5, 0.5), "of full rank": (20, None)}


@dataclass
class Program:
    """Two domains, and the width of the kernel."""

    Xs: np.ndarray
    Xt: np.ndarray
    gamma: float

    def matrices(self):
        """Return K, kappa and the paper's eps."""
        n = len(self.Xs)
        kappa = n * kernel_matrix(self.Xs, self.Xt, gamma=self.gamma).mean(axis=1)
        return kernel_matrix(self.Xs, gamma=self.gamma), kappa, (np.sqrt(n) - 1) / np.sqrt(n)


def draw(n, d, gamma, seed):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n, d)), rng.normal(0.7, 0.8, size=(n, d))
    return Program(Xs, Xt, kernel_gamma(Xs[:1000], "rbf", "median") if gamma is None else gamma)


def ours(tol, _, program):
    return kmm_weights(program.Xs, program.Xt, gamma=program.gamma, B=B, tol=tol)


def dense(_, program):
    """Solve with cvxopt's interior-point solver."""
    import cvxopt

    K, kappa, eps = program.matrices()
    n = len(K)
    eye = cvxopt.spmatrix(1.0, range(n), range(n))
    one = cvxopt.matrix(1.0, (1, n))
    G = cvxopt.sparse([one, -one, eye, -eye])
    h = cvxopt.matrix(np.r_[n * (1 + eps), n * (eps - 1), np.full(n, B), np.zeros(n)])
    cvxopt.solvers.options["show_progress"] = False
    solution = cvxopt.solvers.qp(cvxopt.matrix(K), cvxopt.matrix(-kappa), G, h)
    return np.array(solution["x"]).ravel()


def objective(w, program):
    K, kappa, _ = program.matrices()
    return {"objective": (w @ K @ w / 2 - kappa @ w) / len(w) ** 2}


def memory(tol, w, program):
    """Return the peak of memory in numpy's arrays during another run, in bytes."""
    tracemalloc.start()
    ours(tol, None, program)
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"memory": highest}


DEFAULT, EXACT, DENSE = "tol 1e-4", "tol 1e-6", "cvxopt"
METHODS = {
    DEFAULT: Method(fit=partial(ours, 1e-4)),
    EXACT: Method(fit=partial(ours, 1e-6), figures=partial(memory, 1e-6)),
    DENSE: Method(fit=dense, needs=("cvxopt",)),
}
CASES = [(d, kind, n) for (kind, (d, _)), n in product(KINDS.items(), SIZES)]


def named(case):
    d, kind, n = case
    return f"{d} features, K {kind}, {n} rows"


TASKS = [
    Task(named((d, kind, n)), partial(draw, n, d, KINDS[kind][1]), METHODS, objective, turns=3)
    for d, kind, n in CASES
]


def costs(lines):
    def least(method, case):
        return min(lines.seconds(named(case), method), default=np.nan)

    def seconds(method, case):
        time = least(method, case)
        return NOTHING if np.isnan(time) else f"{time:.2f}"

    def times(case):
        ratio = least(DENSE, case) / least(EXACT, case)
        return NOTHING if np.isnan(ratio) else f"{ratio:.1f}"

    def reached(method, case):
        values = lines.scores(named(case), method)
        return f"{values[0]:.7f}" if len(values) else NOTHING

    def bytes_(case):
        peak = lines.scores(named(case), EXACT, "memory").max()
        return f"{peak / 1e6:.0f} MB, {peak / (8 * case[2] ** 2):.2f}"

    return table(
        CASES,
        {
            "features, K": lambda case: f"{case[0]}, {case[1]}",
            "n": lambda case: case[2],
            **{f"{name}, s": partial(seconds, name) for name in METHODS},
            "cvxopt / tol 1e-6": times,
            "objective, 1e-4": partial(reached, DEFAULT),
            "1e-6": partial(reached, EXACT),
            "cvxopt": partial(reached, DENSE),
            "memory": bytes_,
        },
    )


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": costs}, packages=("cvxopt",))

if __name__ == "__main__":
    BENCHMARK.main()
