"""Classes that the source never had: digits of which three are held out.

The source is half of optdigits without three digits, drawn at random. The target has all ten,
without any label: the other half of optdigits, or 1000 images of MNIST. Judged are the clusters of
half of the target's rows, which took no part, by the adjusted Rand index with their digits, 100 for
the same partition and 0 for chance; five draws. In "nothing new" the source has all ten digits:
what is found beyond them is false.

"k-means" are ten clusters of the pixels and of their first 20 principal components.
NovelClassDiscovery is told the number of novel classes, or finds it; with fully connected layers or
LeNet; and without whitening, which is `shrinkage=1`.

    make benchmark-novel_classes

## Adjusted Rand index

{agreement}

## How many novel classes are found

{found}

## Harm where all is known

{known}

Whitening is most of the gain over k-means. Where the target is of the same collection, the number
that the silhouette finds is about right with LeNet, and little is lost where nothing is new. In the
other collection known digits are written in more ways than in the source, and are taken apart: four
to eight classes are found, whether three are new or none. Told that none is new, the clusters there
are better than the source's network, since they follow the shift.

`shrinkage` was tried on three other draws of the same collections.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import grid, mean_and_deviation
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from skdtl import DeepTransferClassifier, NovelClassDiscovery
from skdtl.datasets import load_digits_pair
from skdtl.deep import LeNet

SEEDS, FIRST_SEED = 5, 100
N_HELD_OUT = 3
CONVOLUTIONS = {"module": partial(LeNet, image_shape=(8, 8)), "max_epochs": 40, "min_steps": 1}


def draw(target, n_held_out, seed):
    """Return a draw; half of the target's rows are for testing."""
    data = load_digits_pair()
    rng = np.random.RandomState(FIRST_SEED + seed)
    novel = rng.permutation(10)[:n_held_out]
    order = rng.permutation(len(data.ys))
    source, others = order[:900], order[900:]
    source = source[~np.isin(data.ys[source], novel)]
    Xs, ys = data.Xs[source] / 16, data.ys[source]
    if target == "optdigits":
        Xt, yt = data.Xs[others] / 16, data.ys[others]
    else:
        rows = rng.permutation(len(data.yt))[:1000]
        Xt, yt = data.Xt[rows] / 16, data.yt[rows]
    n = len(Xt) // 2
    return Draw(Xs, ys, Xt[:n], None, Xt[n:], yt[n:])


def clustered(model, rows):
    """Fit a clustering to the target alone."""
    return model.fit(rows.Xt)


def scores(model, rows):
    """Return the agreement with the digits, and how many classes are new."""
    predicted = model.predict(rows.X_test)
    return {
        "agreement": 100 * adjusted_rand_score(rows.y_test, predicted),
        "accuracy": 100 * np.mean(predicted == rows.y_test),
        "novel": len(getattr(model, "novel_classes_", ())),
    }


K_MEANS = {
    "k-means, pixels": Method(KMeans(10, n_init=10), clustered),
    "k-means, PCA": Method(
        lambda setting: make_pipeline(
            PCA(20, random_state=0), KMeans(10, n_init=10, random_state=0)
        ),
        clustered,
    ),
}
TOLD = {
    "connected": NovelClassDiscovery(N_HELD_OUT),
    "connected, not whitened": NovelClassDiscovery(N_HELD_OUT, shrinkage=1.0),
    "LeNet": NovelClassDiscovery(N_HELD_OUT, **CONVOLUTIONS),
    "LeNet, not whitened": NovelClassDiscovery(N_HELD_OUT, shrinkage=1.0, **CONVOLUTIONS),
}
FOUND = {
    "connected, number found": NovelClassDiscovery(),
    "LeNet, number found": NovelClassDiscovery(**CONVOLUTIONS),
}
PLAIN = {
    "connected, source only": DeepTransferClassifier(),
    "connected, none new": NovelClassDiscovery(0),
    "LeNet, source only": DeepTransferClassifier(**CONVOLUTIONS),
    "LeNet, none new": NovelClassDiscovery(0, **CONVOLUTIONS),
}
NAMES = {"optdigits": "optdigits", "MNIST": "MNIST"}
TASKS = [
    Task(name, partial(draw, name, N_HELD_OUT), {**K_MEANS, **TOLD, **FOUND}, scores, seeds=SEEDS)
    for name in NAMES
] + [
    Task(
        f"{name}, nothing new",
        partial(draw, name, 0),
        {**PLAIN, **FOUND},
        scores,
        seeds=SEEDS,
    )
    for name in NAMES
]


def by_task(score, methods, tasks, lines):
    """Return a table of methods by tasks."""

    def cell(method, task):
        return mean_and_deviation(lines.scores(task, method, score))

    return grid("", methods, tasks, cell)


NEW = list(NAMES)
NOTHING_NEW = [f"{name}, nothing new" for name in NAMES]
BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS,
    {
        "agreement": partial(by_task, "agreement", [*K_MEANS, *TOLD, *FOUND], NEW),
        "found": partial(by_task, "novel", FOUND, [*NEW, *NOTHING_NEW]),
        "known": partial(by_task, "accuracy", [*PLAIN, *FOUND], NOTHING_NEW),
    },
    packages=("torch", "skorch", "mlxtend"),
)

if __name__ == "__main__":
    BENCHMARK.main()
