"""TCA on a million rows of each domain

The classes are two rings about one centre, in 2 of 50 features; a third feature tells them apart in
the source as well, but has moved in the target; the others are noise, and a rotation hides which is
which. The linear kernel can't tell the rings apart.

    make benchmark-tca_million

## What it costs

1,000,000 rows of each domain, 50 features (800 MB), one thread, each case in a process of its own.
*Peak* is the largest memory of that process, with Python and the data, during the fit (5
components, mu=0.1, and logistic regression on the mapped source rows) and the score on all target
rows. Needs Linux.

{costs}

## What an approximation loses

4,000 rows of each domain, mean and standard deviation over 5 seeds. The angle is the largest
between the space of the target rows' first three components and that of the exact solution's.
*nystroem* takes kernel values with rows of the data as features, *fourier* random cosines, which
know nothing of the data: it takes many more of them.

{losses}
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import mean, table
from sklearn.svm import SVC
from sklearn.utils import gen_batches

from skdtl import TCA, SourceOnly

N_MANY, N_FEW, N_FEATURES = 1_000_000, 4_000, 50
N_BASIS = (50, 100, 200, 500, 1000, 2000)
LINEAR = {"n_components": 5, "mu": 0.1}
RBF = {**LINEAR, "kernel": "rbf"}


def rings(n, seed):
    """Draw both domains."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(N_FEATURES, N_FEATURES)))[0]
    domains = []
    for shift in (0, 3):
        X, y = np.empty((n, N_FEATURES)), np.arange(n) % 2
        for rows in gen_batches(n, 50_000):
            classes = y[rows]
            block = 0.2 * rng.normal(size=(len(classes), N_FEATURES))
            angle = rng.uniform(0, 2 * np.pi, len(classes))
            radius = np.where(classes == 1, 2.0, 0.7) + 0.2 * rng.normal(size=len(classes))
            block[:, 0], block[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
            block[:, 2] += classes + shift
            X[rows] = block @ rotation
        domains += [X, y]
    Xs, ys, Xt, yt = domains
    return Draw(Xs, ys, Xt, None, Xt, yt)


@dataclass
class Solved(Draw):
    """Rows, and the exact solution's first components of the target's."""

    exact: np.ndarray = None


def solved(seed):
    draw = rings(N_FEW, seed)
    model = TCA(**RBF).fit(draw.Xs, draw.ys, draw.Xt)
    return Solved(**vars(draw), exact=model.transform(draw.Xt)[:, :3])


def sine(model, draw):
    mapped = model.transform(draw.Xt)[:, :3]
    return {"sine": np.sin(scipy.linalg.subspace_angles(draw.exact, mapped).max())}


def approximated(kind, n_basis):
    return TCA(**RBF, approximation=kind, n_basis=n_basis)


MANY = {
    "linear": TCA(**LINEAR),
    **{
        f"{kind}, n_basis={n_basis}": approximated(kind, n_basis)
        for kind, n_basis in (
            *(("nystroem", 200), ("nystroem", 500)),
            *(("fourier", 500), ("fourier", 1000)),
        )
    },
}
FEW = {
    "source only, logistic regression": SourceOnly(),
    "source only, support vector machine": SourceOnly(SVC()),
    "TCA, linear": TCA(**LINEAR),
    "TCA, rbf, exact": TCA(**RBF),
    **{
        f"TCA, rbf, {kind}, n_basis={n_basis}": Method(approximated(kind, n_basis), figures=sine)
        for kind in ("nystroem", "fourier")
        for n_basis in N_BASIS
    },
}
TASKS = [
    Task("many rows", partial(rings, N_MANY), MANY, isolated=True),
    Task("few rows", solved, FEW, seeds=5),
]


def costs(lines):
    def fit(name):
        return lines.get("many rows", name)

    def peak(name):
        return max(fit(name)["memory"]["peak"], fit(name)["scoring"]["peak"])

    return table(
        MANY,
        {
            "kernel": str,
            "fit, CPU s": lambda name: f"{fit(name)['seconds']:.0f}",
            "score, CPU s": lambda name: f"{fit(name)['scoring']['seconds']:.0f}",
            "accuracy on the target": lambda name: mean(lines.scores("many rows", name), 3),
            "peak, MB": lambda name: f"{peak(name) / 1e6:.0f}",
            "before the fit, MB": lambda name: f"{fit(name)['memory']['before'] / 1e6:.0f}",
        },
    )


def losses(lines):
    def accuracies(name):
        scores = lines.scores("few rows", name)
        return f"{scores.mean():.3f} ± {scores.std():.3f}"

    def angle(name):
        return mean(lines.scores("few rows", name, "sine"), 4) if "n_basis" in name else ""

    return table(
        FEW,
        {
            "method": str,
            "accuracy on the target": accuracies,
            "sine of the angle": angle,
            "fit, CPU s": lambda name: f"{np.median(lines.seconds('few rows', name)):.2f}",
        },
    )


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"costs": costs, "losses": losses})

if __name__ == "__main__":
    BENCHMARK.main()
