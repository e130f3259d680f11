"""Density ratios against the truth: how close are the weights, and what does the fit gain?

Writes benchmarks/results/density_ratio.md. The densities of both domains are known, the labels mean
the same in both (covariate shift), and the estimator is too simple to be right everywhere:

* cubic: Shimodaira's x³ - x with noise of .3, source N(.5, .5²), target N(0, .3²), a straight line;
  the error is the mean squared one to the curve.
* bend: in 2 and 5 dimensions, a Gaussian source around (-.8, .8, 0, ...) with unit variances and a
  Gaussian target around (1, .8, 0, ...) with standard deviations of .7 in the first two coordinates
  and of 1 in the rest; the label is whether x2 > |x1|, the estimator logistic regression, and the
  error the share of false labels.

500 source and 500 target rows, the error is measured on 5000 others; mean and standard deviation of
10 seeds. "correlation" is that of the weights with the true ratio at the source rows, "rows" the
effective sample size, (sum w)² / sum w², by that of the true ratio. CPU seconds of a whole fit, one
thread. Every setting is the class's default. RULSIF estimates another, bounded ratio, on purpose.

    make benchmark-density_ratio
"""

import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

from skdtl import KLIEP, KMM, RULSIF, ULSIF, DiscriminatorWeighting, NearestNeighborWeighting

RESULTS = Path(__file__).parent / "results" / "density_ratio.md"
N_SEEDS, N_ROWS, N_TEST = 10, 500, 5000

METHODS = [
    ("KLIEP", lambda base, seed: KLIEP(base, random_state=seed)),
    ("ULSIF", lambda base, seed: ULSIF(base, random_state=seed)),
    ("RULSIF", lambda base, seed: RULSIF(base, random_state=seed)),
    ("KMM", lambda base, seed: KMM(base, random_state=seed)),
    ("DiscriminatorWeighting", lambda base, seed: DiscriminatorWeighting(base, random_state=seed)),
    ("NearestNeighborWeighting", lambda base, seed: NearestNeighborWeighting(base)),
]


def log_density(X, mean, scale):
    """Logarithm of a Gaussian density with independent coordinates, up to a constant."""
    return -0.5 * (((X - mean) / scale) ** 2).sum(axis=1) - np.log(scale).sum()


def cubic():
    """Shimodaira's regression."""
    where = [(np.array([0.5]), np.array([0.5])), (np.array([0.0]), np.array([0.3]))]
    return where, lambda X: X[:, 0] ** 3 - X[:, 0], 0.3, LinearRegression()


def bend(n_features):
    """A classifier that is linear for a boundary that is not."""

    def problem():
        rest = np.zeros(n_features - 2)
        where = [
            (np.r_[-0.8, 0.8, rest], np.ones(n_features)),
            (np.r_[1.0, 0.8, rest], np.r_[0.7, 0.7, rest + 1]),
        ]
        return where, lambda X: (X[:, 1] > np.abs(X[:, 0])).astype(int), 0, LogisticRegression()

    return problem


PROBLEMS = [("cubic", cubic), ("bend, 2 features", bend(2)), ("bend, 5 features", bend(5))]


def measure(problem, seed):
    """Correlation, relative effective sample size, error and seconds of each method, one draw."""
    rng = np.random.default_rng(seed)
    where, truth, noise, base = problem()
    shape = (N_ROWS, len(where[0][0]))
    Xs, Xt = rng.normal(*where[0], size=shape), rng.normal(*where[1], size=shape)
    X_test = rng.normal(*where[1], size=(N_TEST, shape[1]))
    ys = truth(Xs)
    if noise:
        ys = ys + rng.normal(0, noise, size=N_ROWS)
    true = np.exp(log_density(Xs, *where[1]) - log_density(Xs, *where[0]))

    def row(model, weights, seconds):
        error = np.mean((model.predict(X_test) - truth(X_test)) ** 2)
        varies = weights.std() > 0
        size, true_size = (w.sum() ** 2 / (w**2).sum() for w in (weights, true))
        correlation = np.corrcoef(weights, true)[0, 1] if varies else np.nan
        return correlation, size / true_size, error, seconds

    rows = []
    for weights in (np.ones(N_ROWS), true / true.mean()):
        start = time.process_time()
        model = base.fit(Xs, ys, sample_weight=weights)
        rows.append(row(model, weights, time.process_time() - start))
    for _, make in METHODS:
        start = time.process_time()
        model = make(base, seed).fit(Xs, ys, Xt)
        rows.append(row(model, model.source_weights_, time.process_time() - start))
    return rows


def main():
    """Print the tables and write them."""
    lines = []
    for name, problem in PROBLEMS:
        found = np.array([measure(problem, seed) for seed in range(N_SEEDS)])
        lines += [
            f"## {name}\n",
            "| weights | correlation | rows | target error | CPU, s |",
            "| --- | --- | --- | --- | --- |",
        ]
        digits = 4 if name == "cubic" else 3
        for k, method in enumerate(["none", "the true ratio", *(m for m, _ in METHODS)]):
            correlation, size, error, seconds = found[:, k].T
            correlation = "" if np.isnan(correlation).all() else f"{correlation.mean():.2f}"
            spread = f"{error.mean():.{digits}f} ± {error.std(ddof=1):.{digits}f}"
            cells = [method, correlation, f"{size.mean():.2f}", spread, f"{seconds.mean():.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
        print("\n".join(lines[-len(METHODS) - 6 :]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("# " + __doc__ + "\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
