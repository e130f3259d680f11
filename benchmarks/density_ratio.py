"""Density ratios against the truth: how close are the weights, and what does the fit gain?

The densities of both domains are known, the labels mean the same in both (covariate shift), and the
estimator is too simple to be right everywhere:

* cubic: Shimodaira's x³ - x with noise of .3, source N(.5, .5²), target N(0, .3²), a straight line;
  the error is the mean squared one to the curve.
* bend: in 2 and 5 dimensions, a Gaussian source around (-.8, .8, 0, ...) with unit variances and a
  Gaussian target around (1, .8, 0, ...) with standard deviations of .7 in the first two coordinates
  and of 1 in the rest; the label is whether x2 > |x1|, the estimator logistic regression, and the
  error the share of false labels.

500 source and 500 target rows, the error is measured on 5000 others; mean and standard deviation of
10 seeds. "correlation" is that of the weights with the true ratio at the source rows, "rows" the
effective sample size, (sum w)² / sum w², by that of the true ratio. CPU seconds of a whole fit, one
thread. The weights are the papers' (min_effective_share=0), all else is the class's default.
RULSIF estimates another, bounded ratio, on purpose.

    make benchmark-density_ratio

## cubic

{cubic}

## bend, 2 features

{bend_2}

## bend, 5 features

{bend_5}
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import mean, mean_and_deviation, table
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression

import skdtl

N_ROWS, N_TEST = 500, 5000
WEIGHTERS = (
    "KLIEP",
    "ULSIF",
    "RULSIF",
    "KMM",
    "DiscriminatorWeighting",
    "NearestNeighborWeighting",
)


@dataclass
class Known(Draw):
    ratio: np.ndarray = None


def log_density(X, mean, scale):
    """Return the logarithm of a Gaussian density with independent coordinates, up to a constant."""
    return -0.5 * (((X - mean) / scale) ** 2).sum(axis=1) - np.log(scale).sum()


def draw(source, target, truth, noise, seed):
    """Draw domains from Gaussians, given as means and standard deviations."""
    rng = np.random.default_rng(seed)
    shape = (N_ROWS, len(source[0]))
    Xs, Xt = rng.normal(*source, size=shape), rng.normal(*target, size=shape)
    X_test = rng.normal(*target, size=(N_TEST, shape[1]))
    ys = truth(Xs)
    if noise:
        ys = ys + rng.normal(0, noise, size=N_ROWS)
    ratio = np.exp(log_density(Xs, *target) - log_density(Xs, *source))
    return Known(Xs, ys, Xt, None, X_test, truth(X_test), ratio=ratio)


def curve(X):
    return X[:, 0] ** 3 - X[:, 0]


def bend(X):
    return (X[:, 1] > np.abs(X[:, 0])).astype(int)


def bent(n_features):
    rest = np.zeros(n_features - 2)
    source = np.r_[-0.8, 0.8, rest], np.ones(n_features)
    return partial(draw, source, (np.r_[1.0, 0.8, rest], np.r_[0.7, 0.7, rest + 1]), bend, 0)


def weighted(weights, model, draw):
    """Fit with weights that are known."""
    weights = weights(draw)
    model = clone(model).fit(draw.Xs, draw.ys, sample_weight=weights)
    model.source_weights_ = weights
    return model


def score(model, draw):
    weights = model.source_weights_
    size, true_size = (w.sum() ** 2 / (w**2).sum() for w in (weights, draw.ratio))
    return {
        "error": np.mean((model.predict(draw.X_test) - draw.y_test) ** 2),
        "correlation": np.corrcoef(weights, draw.ratio)[0, 1] if weights.std() > 0 else np.nan,
        "rows": size / true_size,
    }


METHODS = {
    "none": Method(clone, partial(weighted, lambda draw: np.ones(N_ROWS))),
    "the true ratio": Method(clone, partial(weighted, lambda draw: draw.ratio / draw.ratio.mean())),
    **{name: Method(partial(getattr(skdtl, name), min_effective_share=0)) for name in WEIGHTERS},
}
LINE, LOGISTIC = LinearRegression(), LogisticRegression()
CUBIC = partial(draw, ([0.5], np.array([0.5])), ([0.0], np.array([0.3])), curve, 0.3)
TASKS = [
    Task("cubic", CUBIC, METHODS, score, LINE, seeds=10),
    Task("bend, 2 features", bent(2), METHODS, score, LOGISTIC, seeds=10),
    Task("bend, 5 features", bent(5), METHODS, score, LOGISTIC, seeds=10),
]


def weights_of(task, digits, lines):
    def correlation(name):
        return "" if name == "none" else mean(lines.scores(task, name, "correlation"), 2)

    return table(
        METHODS,
        {
            "weights": str,
            "correlation": correlation,
            "rows": lambda name: mean(lines.scores(task, name, "rows"), 2),
            "target error": lambda name: mean_and_deviation(lines.scores(task, name), digits),
            "CPU, s": lambda name: mean(lines.seconds(task, name), 2),
        },
    )


TABLES = {
    "cubic": partial(weights_of, "cubic", 4),
    "bend_2": partial(weights_of, "bend, 2 features", 3),
    "bend_5": partial(weights_of, "bend, 5 features", 3),
}
BENCHMARK = Benchmark(__file__, __doc__, TASKS, TABLES)

if __name__ == "__main__":
    BENCHMARK.main()
