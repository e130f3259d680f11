"""Filters that were learnt without labels, for few labels: MSCSC on digits and on textures.

Of the target a few images of each class have labels; LogisticRegression learns from these alone,
of raw pixels, of principal components, or of pooled codes, and is scored on other target images:
accuracy in percent, mean and standard error over 5 seeds. All have the same labelled images.
Filters (and 20 principal components) are learnt without labels from 80 images, either of the
source or ("target filters") of the target; "fine-tuned": of the source first. MSCSC has 8 filters
of each of the sizes 5 and 9 and makes 15 rounds; textures, which have no preferred place, have
``pyramid=(1,), pooling="mean"``.

digits: the target is MNIST at 16 x 16 pixels, the source USPS. textures: six classes of noisy
gratings, 20 x 20 pixels, random phases; the source is patches of scikit-learn's two photographs.

    SKDTL_DATA=... make benchmark-mscsc

{accuracy}

How much of the exact codes predicted ones miss, ‖z − f(w ⋆ x)‖² / ‖z‖² on the images learnt from:

{errors}

## Reading it

* Textures have random phases: no pixel and no principal component tells their class, pooled codes
  do, also by filters that only photographs have taught.
* On digits filters of the source are worth little more than pixels with 3 labels of a class, and
  more with 10. Those that go on learning from the target's images are the best, above the target's
  own; they had 15 rounds more.
* Predicted codes miss more than half of the exact ones' squares. For digits they serve as well or
  better, for textures not.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.tables import grid, mean_and_error, table
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from skdtl import MSCSC
from skdtl.datasets import load_usps_mnist

LABELS = (3, 10)
N_SOURCE, N_TEST = 80, 200


class Few(NamedTuple):
    """Unlabelled images of the source and of the target, and labelled ones of the target."""

    source: np.ndarray
    target: np.ndarray
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


# -- images ----------------------------------------------------------------------------------------


def digits(seed):
    data = load_usps_mnist("usps", normalize=False)
    others = np.random.default_rng(seed).permutation(data.Xs)[:N_SOURCE]
    return (*(X.reshape(-1, 16, 16) / data.Xt.max() for X in (others, data.Xt)), data.yt)


def textures(seed, n=900, size=20):
    rng = np.random.default_rng(seed)
    photographs = [image.mean(2) / 255 for image in load_sample_images().images]
    patches = []
    for k in range(N_SOURCE):
        image = photographs[k % 2]
        r, c = (rng.integers(n - size) for n in image.shape)
        patches.append(image[r : r + size, c : c + size])
    y = rng.integers(6, size=n)
    angle = np.pi * (y % 3) / 3 + 0.1 * rng.normal(size=n)
    frequency = np.take((0.12, 0.22), y // 3)[:, None, None]
    row, column = np.mgrid[:size, :size]
    along = np.cos(angle)[:, None, None] * column + np.sin(angle)[:, None, None] * row
    X = np.cos(2 * np.pi * (frequency * along + rng.random((n, 1, 1))))
    return np.array(patches), X + 0.7 * rng.normal(size=X.shape), y


def draw(load, seed):
    source, X, y = load(seed)
    rows = np.random.default_rng(seed).permutation(len(y))
    test, target, rest = np.split(rows, [N_TEST, N_TEST + N_SOURCE])
    # The first of each class are those that have labels where fewer have them.
    labelled = [rest[y[rest] == label][: max(LABELS)] for label in np.unique(y)]
    labelled = np.stack(labelled, axis=1).ravel()
    parts = (source, X[target], X[labelled], y[labelled], X[test], y[test])
    return Few(*(each if each.dtype.kind == "i" else each.astype(np.float32) for each in parts))


# -- methods ---------------------------------------------------------------------------------------


def pixels(model, draw):
    return None, lambda X: X.reshape(len(X), -1)


def components(model, draw):
    model.fit(draw.source.reshape(len(draw.source), -1))
    return model, lambda X: model.transform(X.reshape(len(X), -1))


def of_source(model, draw):
    model.fit(draw.source, None, draw.target)
    return model, model.transform


def of_target(model, draw):
    model.fit(draw.target, None, draw.target)
    return model, model.transform


def accuracy(fitted, draw):
    _, see = fitted
    Z, Z_test = see(draw.X), see(draw.X_test)
    n_classes, found = len(np.unique(draw.y)), {}
    for n_labels in LABELS:
        few = slice(n_labels * n_classes)
        classifier = LogisticRegression(max_iter=2000).fit(Z[few], draw.y[few])
        found[f"{n_labels} labels"] = 100 * classifier.score(Z_test, draw.y_test)
    return found


def figures(fitted, draw):
    return {"prediction_error": fitted[0].prediction_error_}


def methods(**options):
    def coder(**more):
        return MSCSC(n_filters=8, max_iter=15, estimator="passthrough", **options, **more)

    return {
        "pixels": Method(None, pixels),
        "20 principal components": Method(PCA(20), components),
        "source filters": Method(coder(), of_source),
        "source filters, fine-tuned": Method(coder(fine_tune=True), of_source),
        "target filters": Method(coder(), of_target),
        "source filters, predicted codes": Method(
            coder(coding="predicted"), of_source, figures=figures
        ),
    }


SETS = {
    "digits": (digits, methods()),
    "textures": (textures, methods(pyramid=(1,), pooling="mean")),
}
TASKS = [
    Task(name, partial(draw, load), found, accuracy, seeds=5)
    for name, (load, found) in SETS.items()
]


# -- table of the page -----------------------------------------------------------------------------


def by_method(lines):
    columns = {
        f"{task.name}, {n_labels} labels a class": (task.name, f"{n_labels} labels")
        for task in TASKS
        for n_labels in LABELS
    }

    def cell(method, column):
        task, score = column
        return mean_and_error(lines.scores(task, method, score))

    return grid("features", TASKS[0].methods, columns, cell)


def errors(lines):
    def error(task):
        values = lines.scores(task.name, "source filters, predicted codes", "prediction_error")
        return mean_and_error(values, 2)

    return table(TASKS, {"images": lambda task: task.name, "missed": error})


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"accuracy": by_method, "errors": errors})

if __name__ == "__main__":
    BENCHMARK.main()
