"""Do networks learn the source? Small tables without a shift, against scikit-learn's learners.

Tables of 150 to 3000 rows, those of scikit-learn and the sources of published ones, by 3-fold
cross-validation, one split: accuracy in percent of all rows, for numbers 100 / (1 + MSE /
variance), so that the mean has about 50. Columns are standardised by the training rows, but for the
tables marked "raw". All classes stand as they are made without arguments, but for λ = 0; the folds
that are predicted serve as the target, without labels. The reference is the better of
LogisticRegression and MLPClassifier (Ridge and MLPRegressor) on that table, chosen by these very
scores.

At λ = 0 most classes train one and the same network: by Adam DAN, JAN, DeepCORAL, DeepJDOT, MCC,
WDGRL, the first stages of ADDA, FineTuning and LabelEfficientTransfer, and DeepTransferClassifier
without terms, which stands for them; by SGD with DANN's schedule DANN, which stands for CDAN and
SimultaneousTransfer. DDC has an adaptation layer, MDD batch normalisation. MCD, with two heads, and
RMAN, with two hidden layers, train as DANN does and are left out for what they cost.

    SKDTL_DATA=... make benchmark-deep_small_tables

How far the networks are above the reference (points):

{networks}

The number of steps and the penalty on weights were chosen by cross-validation on most of these
tables, standardised; wine, breast_cancer, expression, occupancy and autompg had no part in the
choice of the penalty. Where rows are few and their labels noisy, as in the hospitals and of the
Pima, a linear model is better than any of these networks and mostly than scikit-learn's. Columns in
units of their own are not for networks, and least for SGD, which then learns the commonest class:
standardise them.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.tables import NOTHING, table
from _tasks import TASKS as SHIFTED
from sklearn import datasets
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

import skdtl

MOST_ROWS = 3000


class Fold(NamedTuple):
    """Rows to learn from and others to predict."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


# -- tables ----------------------------------------------------------------------------------------


def bundled(name):
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def source_of(name):
    """Return the source of a published task, missing numbers filled: at most 500 rows."""
    draw = SHIFTED[name].draw(0)
    return draw.Xs, draw.ys


def all_of_source(name):
    """Return more rows of a source that misses no number."""
    pools = SHIFTED[name].pools(np.random.RandomState(0))
    rows = np.random.default_rng(0).permutation(len(pools.ys))[:MOST_ROWS]
    return pools.Xs[rows], pools.ys[rows]


TABLES = {
    "iris": partial(bundled, "iris"),
    "wine": partial(bundled, "wine"),
    "breast_cancer": partial(bundled, "breast_cancer"),
    "digits": partial(bundled, "digits"),
    "moons": partial(datasets.make_moons, 300, noise=0.1, random_state=0),
    "clusters": partial(
        datasets.make_classification,
        *(1000, 20),
        n_informative=8,
        n_redundant=4,
        n_classes=3,
        flip_y=0.05,
        random_state=0,
    ),
    "heart, Cleveland": partial(source_of, "heart/cleveland-hungarian"),
    "heart, Long Beach": partial(source_of, "heart/va-hungarian"),
    "expression, VDX": partial(source_of, "expression/vdx-nki"),
    "Pima, young": partial(source_of, "pima/young-old"),
    "occupancy": partial(all_of_source, "occupancy/weeks"),
    "diabetes": partial(bundled, "diabetes"),
    "Friedman": partial(datasets.make_friedman1, 500, 10, noise=1.0, random_state=0),
    "autompg": partial(source_of, "autompg/1"),
}
RAW = ("wine", "breast_cancer", "Pima, young")


def is_regression(y):
    return y.dtype.kind == "f"


def draw(load, scale, seed):
    """Split a table's rows in three parts, each of which is predicted once."""
    X, y = load()
    folds = KFold if is_regression(y) else StratifiedKFold
    found = []
    for train, test in folds(3, shuffle=True, random_state=seed).split(X, y):
        scaler = StandardScaler(with_mean=scale, with_std=scale).fit(X[train])
        found.append(Fold(scaler.transform(X[train]), y[train], scaler.transform(X[test]), y[test]))
    return found


# -- methods ---------------------------------------------------------------------------------------


def plain(model, draw):
    return [clone(model).fit(fold.X, fold.y) for fold in draw]


def paired(model, draw):
    return [clone(model).fit(fold.X, fold.y, fold.X_test) for fold in draw]


def points(models, draw):
    predicted = np.concatenate([model.predict(fold.X_test) for model, fold in zip(models, draw)])
    y = np.concatenate([fold.y_test for fold in draw])
    if is_regression(y):
        return {"points": 100 / (1 + np.mean((y - predicted) ** 2) / y.var())}
    return {"points": 100 * np.mean(y == predicted)}


def named(name, **options):
    return Method(getattr(skdtl, name)(**options), paired)


REFERENCES = {
    "classes": {
        "LogisticRegression": Method(LogisticRegression(max_iter=1000), plain),
        "MLP": Method(MLPClassifier(), plain),
    },
    "numbers": {"Ridge": Method(Ridge(), plain), "MLP": Method(MLPRegressor(), plain)},
}
# Of each network that differs at λ = 0, who stands for it; the suffix of regressors is left out.
NETWORKS = {
    "Adam": ("DeepTransfer", {}),
    "DANN": ("DANN", {"lam": 0.0}),
    "DDC": ("DDC", {"lam": 0.0}),
    "MDD": ("MDD", {"lam": 0.0}),
}


def methods(kind, labels=tuple(NETWORKS)):
    ending = "Regressor" if kind == "numbers" else ""
    networks = {}
    for label in labels:
        name, options = NETWORKS[label]
        if label == "Adam":
            networks[f"{label}, λ = 0"] = named(f"{name}{ending or 'Classifier'}")
        elif not ending or label != "MDD":
            networks[f"{label}, λ = 0"] = named(name + ending, **options)
    return REFERENCES[kind] | networks


KINDS = {
    name: "numbers" if name in ("diabetes", "Friedman", "autompg") else "classes" for name in TABLES
}
TASKS = [
    Task(name, partial(draw, load, True), methods(KINDS[name]), points)
    for name, load in TABLES.items()
]
TASKS += [
    Task(
        f"{name}, raw",
        partial(draw, TABLES[name], False),
        methods(KINDS[name], ("Adam", "DANN")),
        points,
    )
    for name in RAW
]


# -- tables of the page ----------------------------------------------------------------------------


def gain(lines, task, method):
    """Return a method's points above the reference, None where it is not for such labels."""
    if method not in task.methods:
        return None
    references = [name for name in task.methods if "λ" not in name]
    best = max(lines.scores(task.name, name, "points").mean() for name in references)
    return lines.scores(task.name, method, "points").mean() - best


def of_networks(lines):
    def reference(name, task):
        if task is None:
            return ""
        if name not in task.methods:
            name = "Ridge"
        return f"{lines.scores(task.name, name, 'points').mean():.1f}"

    def part(tasks, labels):
        def cell(label, task):
            found = [
                gain(lines, each, f"{label}, λ = 0") for each in (tasks if task is None else [task])
            ]
            found = [value for value in found if value is not None]
            return f"{np.mean(found):+.1f}" if found else NOTHING

        return table(
            [*tasks, None],
            {
                "table": lambda task: task.name if task else "mean",
                "linear": partial(reference, "LogisticRegression"),
                "MLP": partial(reference, "MLP"),
                **{label: partial(cell, label) for label in labels},
            },
        )

    scaled, raw = TASKS[: len(TABLES)], TASKS[len(TABLES) :]
    return f"{part(scaled, NETWORKS)}\n\n{part(raw, ('Adam', 'DANN'))}"


BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS,
    {"networks": of_networks},
    packages=("torch", "skorch"),
)

if __name__ == "__main__":
    BENCHMARK.main()
