"""Which method copes with which kind of shift? Made-up tasks on which one thing has changed.

Accuracy on 500 held-out target rows, mean and standard deviation of 5 seeds. Each method sees 500
source rows and 500 target rows; those in the lower half also 20 target labels. Every setting is the
class's default (BDA: mu=1, since 0.5 is JDA; networks: 100 epochs, no weight decay, DDC's λ is 1),
and the classical methods use logistic regression (MTLF: nearest neighbours). The shifts are those
of skdtl.datasets.make_shifted_classification.

    make benchmark-shifts

{table}
"""

from dataclasses import replace
from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import mean_and_deviation, table
from sklearn.linear_model import LogisticRegression

import skdtl
from skdtl.datasets import make_shifted_classification

SHIFTS = ["covariate", "measurement", "concept", "spurious"]
N_LABELS = 20


def draw(shift, seed):
    data = make_shifted_classification(shift, 500, 1000, random_state=seed)
    return Draw(data.Xs, data.ys, data.Xt[:500], data.yt[:500], data.Xt[500:], data.yt[500:])


def labels(how_many, draw, seed):
    """Leave so many labels of the target, the first ones of each class."""
    yt = np.full(500, np.nan)
    for label in (0, 1):
        yt[np.flatnonzero(draw.yt == label)[: how_many // 2]] = label
    return replace(draw, yt=yt)


def method(name, n_labels=0, **options):
    cls = getattr(skdtl, name)
    if "estimator" in cls().get_params(deep=False):
        options["estimator"] = LogisticRegression()
    return Method(cls(**options), given=partial(labels, n_labels))


WITHOUT_LABELS = [
    *("SourceOnly", "BIW", "KLIEP", "RULSIF", "KMM", "DiscriminatorWeighting"),
    *("NearestNeighborWeighting", "TCA", "SSTCA", "TJM", "JDA", "BDA", "JGSA", "CORAL"),
    *("SubspaceAlignment", "GFK", "LinearOTMapping", "OTMapping", "JDOT", "DDC", "DANN"),
]
WITH_LABELS = ["TargetOnly", "BIW", "TrAdaBoost", "Festra", "TrBagging", "MTLF", "FineTuning"]
NETWORK = {"max_epochs": 100, "weight_decay": 0.0}
OPTIONS = {
    "BDA": {"mu": 1.0},
    "DDC": {**NETWORK, "lam": 1.0},
    "DANN": NETWORK,
    "FineTuning": NETWORK,
}
METHODS = {name: method(name, **OPTIONS.get(name, {})) for name in WITHOUT_LABELS}
METHODS |= {
    f"{name}, {N_LABELS} labels": method(name, N_LABELS, **OPTIONS.get(name, {}))
    for name in WITH_LABELS
}

TASKS = [Task(shift, partial(draw, shift), METHODS, seeds=5) for shift in SHIFTS]


def accuracies(lines):
    def cell(shift, name):
        return mean_and_deviation(lines.scores(shift, name), 2)

    return table(
        METHODS,
        {
            "method": lambda name: name.partition(",")[0],
            "target labels": lambda name: N_LABELS if "," in name else "none",
            **{shift: partial(cell, shift) for shift in SHIFTS},
        },
    )


BENCHMARK = Benchmark(
    __file__, __doc__, TASKS, {"table": accuracies}, packages=("pot", "torch", "skorch")
)

if __name__ == "__main__":
    BENCHMARK.main()
