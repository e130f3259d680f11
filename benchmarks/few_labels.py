"""Networks for a target with few labels: fine-tuning, what regularises it, frozen layers.

The tasks: digits of scikit-learn (8 x 8) and of MNIST (16 x 16), five classes as the source and the
five others as the target, drawn by each seed; USPS and MNIST for each other; MNIST brought to
8 x 8 for the LeNet of ``digits_lenet``, which has learnt scikit-learn's digits, without any source
rows; sentiment of reviews, books to kitchen and electronics to dvd; expression of genes, NKI to
VDX; moisture of corn from the spectra of two instruments, 36 samples on the first, others on the
second. Columns as the sources' StandardScaler makes them, but pixels, which lie between 0 and 1.
1, 5, 10 and 50 rows of each class have labels (no more than half of its rows), of spectra 5, 10 and
20 in all; up to 1000 others are predicted. Accuracy in percent, of expression balanced accuracy, of
spectra 100 / (1 + MSE / variance); mean of 3 seeds.

Networks have two hidden layers of 100 (the LeNet its own) and train 40 epochs on the source; all
else is each class's default.

    SKDTL_DATA=... make benchmark-few_labels

{table}

Gain over fine-tuning without terms, to which one thing is added in each row, mean over the tasks
(how many of the tasks gain, lose more than half a point):

{gains}

## Reading it

* A source helps where it knows the task. With 5 labels of each class fine-tuning is above the
  target's labels alone by 10 points for a LeNet that was trained before and by 14 and 17 on
  reviews, with 50 of each by a point in the mean. From MNIST to USPS it is below them.
* The pull to where tuning began (``terms="auto"``, of which "without terms" has none) gains 5 to 10
  points on reviews with one label of each class and 13 on spectra with five labels, and costs up to
  5 between MNIST and USPS, where much has moved. It is there for tables on which little has: see
  Notes of the class.
* Other classes: features that a small source taught for five digits are no better than none for
  the five others. Fine-tuning has what the target's labels alone have, and frozen layers lose 10
  to 30 points.
* Both domains' rows together, where the classes are the same, are the record to beat: fine-tuning
  is as good on reviews, and above them from USPS to MNIST with one label of each class.
* L2-SP is the one regulariser with a large effect: +10 and +5 points on reviews with one label of
  each class, where it keeps the source's network, and a loss where that is a bad start (digits of
  other classes). DELTA gains up to a point and loses nothing. Co-Tuning gains most on reviews
  between electronics and dvd (+5 with 5 labels). BSS changes nothing but with one label, where a
  batch has as few rows as classes, and it loses: there is no tail of the spectrum in so few rows.
  The published gains are from networks that a million photographs have taught.
* Slower lower layers (rates / 2.6) help on reviews (+4 points with 5 labels) and harm between MNIST
  and USPS; gradual unfreezing harms on reviews, where 100 epochs of the head alone are too many.
* FeatureTransfer, with frozen layers, is above training from scratch where the source is good: by
  12 points with one label and 6 with five for the LeNet, by 4 and 22 with one and 13 with five on
  reviews. It is below on pixels that two dense layers have learnt, and on other classes.

How FineTuning tunes was chosen by target scores of the two tasks marked with a star, three seeds
(the number of steps, and the hidden layers' rate where the classes are others: what 5 labels of
each class give rose from 66.2 to 86.4 and from 54.5 to 72.9), and of random halves of five tables,
four pairs of office photographs and three of hospitals, 20 labels, one draw (the pull).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.fits import accuracy, balanced_accuracy, of_each_class, pair
from _harness.tables import NOTHING, table
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

import skdtl
from skdtl.datasets import (
    load_amazon,
    load_breast_expression,
    load_corn_nir,
    load_digits_pair,
    load_usps_mnist,
)
from skdtl.deep import BSS, DELTA, L2SP, CoTuning, LeNet, digits_lenet
from skdtl.deep.pretrained import DIGITS_LENET

MOST_TEST_ROWS = 1000
NETWORK = {"hidden_layer_sizes": (100, 100)}

# -- data ------------------------------------------------------------------------------------------


def split(Xs, ys, Xt, yt, n_labels, seed):
    """Return so many labelled target rows of each class, and others to predict."""
    known = of_each_class(yt, lambda n: min(n_labels, n // 2), seed)
    rest = np.setdiff1d(np.arange(len(yt)), known)
    test = np.random.default_rng(seed).permutation(rest)[:MOST_TEST_ROWS]
    return Draw(Xs, ys, Xt[known], yt[known], Xt[test], yt[test])


def halves(load, n_labels, seed):
    X, y = load()
    source = np.isin(y, np.random.default_rng(seed).permutation(10)[:5])
    return split(X[source], y[source], X[~source], y[~source], n_labels, seed)


def small_digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def mnist():
    data = load_usps_mnist("mnist", normalize=False)
    return data.Xs / data.Xs.max(), data.ys


def pixels(source, n_labels, seed):
    data = load_usps_mnist(source, normalize=False)
    Xs, Xt = (X / X.max() for X in (data.Xs, data.Xt))
    return split(Xs, data.ys, Xt, data.yt, n_labels, seed)


def mnist_as_digits(n_labels, seed):
    data = load_digits_pair()
    return split(data.Xs / 16, data.ys, data.Xt / 16, data.yt, n_labels, seed)


def scaled(data, n_labels, seed):
    Xs, Xt = (np.nan_to_num(StandardScaler().fit_transform(X)) for X in (data.Xs, data.Xt))
    return split(Xs, data.ys, Xt, data.yt, n_labels, seed)


def reviews(source, target, n_labels, seed):
    return scaled(load_amazon(source, target), n_labels, seed)


def expression(n_labels, seed):
    return scaled(load_breast_expression("nki", "vdx"), n_labels, seed)


def spectra(n_labels, seed):
    data = load_corn_nir(1, 2)
    first, known, test = np.split(
        np.random.default_rng(seed).permutation(len(data.ys)), [36, 36 + n_labels]
    )
    scaler = StandardScaler().fit(data.Xs[first])
    Xs, Xt, X_test = map(scaler.transform, (data.Xs[first], data.Xt[known], data.Xt[test]))
    return Draw(Xs, data.ys[first], Xt, data.yt[known], X_test, data.yt[test])


def points(model, draw):
    error = np.mean((model.predict(draw.X_test) - draw.y_test) ** 2)
    return {"points": 100 / (1 + error / draw.y_test.var())}


# -- methods ---------------------------------------------------------------------------------------


def alone(model, draw):
    return model.fit(draw.Xt, draw.yt)


def made(name, options, kind):
    if name == "DeepTransfer":
        kind = kind or "Classifier"
    return getattr(skdtl, name + kind)(**NETWORK, **options)


def network(name, fit=pair, **options):
    """Return a method, made for what `kind` of labels a task has: "" or "Regressor"."""
    return Method(partial(made, name, options), fit)


TUNED = "without terms"


def methods(fit=pair, **common):
    """Return what goes on from a network, which a fit has trained before or is given."""

    def tuned(**options):
        return network("FineTuning", fit, **common, **options)

    return {
        "FineTuning": tuned(),
        TUNED: tuned(terms=()),
        "+ L2-SP": tuned(terms=[L2SP()]),
        "+ BSS": tuned(terms=[BSS()]),
        "+ DELTA": tuned(terms=[DELTA()]),
        "+ Co-Tuning": tuned(terms=[CoTuning()]),
        "+ gradual unfreezing": tuned(terms=(), unfreeze_every=100),
        "+ rates / 2.6": tuned(terms=(), layer_lr_decay=2.6),
        "first layer frozen": tuned(terms=(), n_frozen_layers=1),
        "FeatureTransfer": network("FeatureTransfer", fit, **common),
    }


def without_source(model, draw):
    return model.fit(None, None, draw.Xt, draw.yt)


METHODS = {
    "target alone": network("DeepTransfer", alone),
    "source and target": network("DeepTransfer"),
    **methods(pretrain_epochs=40),
}
PRETRAINED = {
    "target alone": network("DeepTransfer", alone, module=partial(LeNet, **DIGITS_LENET)),
    **methods(without_source, module=digits_lenet()),
}
del PRETRAINED["+ Co-Tuning"]  # of the network that has learnt there are features alone
NUMBERS = (1, 5, 10, 50)


def tasks(name, draw, numbers=NUMBERS, score=accuracy, kind="", methods=METHODS):
    """Return a task for each number of labels."""
    left_out = {"+ Co-Tuning"} if kind else set()
    if "classes" in name:  # one network for all rows knows the same classes in both domains
        left_out.add("source and target")
    methods = {label: method for label, method in methods.items() if label not in left_out}
    return [
        Task(f"{name}, {n}", partial(draw, n), methods, score, setting=kind, seeds=3)
        for n in numbers
    ]


GROUPS = {
    "digits, other classes*": (partial(halves, small_digits), {}),
    "USPS → MNIST*": (partial(pixels, "usps"), {}),
    "MNIST, other classes": (partial(halves, mnist), {}),
    "MNIST → USPS": (partial(pixels, "mnist"), {}),
    "LeNet of digits → MNIST": (mnist_as_digits, {"methods": PRETRAINED}),
    "reviews, books → kitchen": (partial(reviews, "books", "kitchen"), {}),
    "reviews, electronics → dvd": (partial(reviews, "electronics", "dvd"), {}),
    "expression": (expression, {"score": balanced_accuracy}),
    "spectra": (spectra, {"numbers": (5, 10, 20), "score": points, "kind": "Regressor"}),
}
TASKS = {name: tasks(name, draw, **options) for name, (draw, options) in GROUPS.items()}


# -- tables of the page ----------------------------------------------------------------------------


def points_of(lines, task, method):
    """Return a method's mean score of a task in points, None where it is not for the task."""
    if method not in task.methods:
        return None
    scores = lines.scores(task.name, method)
    return scores.mean() * (1 if task.score is points else 100)


def per_task(lines):
    def cell(method, task):
        found = points_of(lines, task, method)
        return NOTHING if found is None else f"{found:.1f}"

    def part(group):
        columns = {task.name.rpartition(", ")[2]: partial(cell, task=task) for task in TASKS[group]}
        return f"**{group}**\n\n{table(METHODS, {'labels': str, **columns})}"

    return "\n\n".join(map(part, TASKS))


def gains(lines):
    def cell(method, number):
        found = [
            (points_of(lines, task, method), points_of(lines, task, TUNED))
            for group in TASKS.values()
            for task in group
            if task.name.endswith(f", {number}") and method in task.methods
        ]
        gain = np.array([value - tuned for value, tuned in found])
        return f"{gain.mean():+.1f} ({(gain > 0.5).sum()}, {(gain < -0.5).sum()})"

    columns = {str(number): partial(cell, number=number) for number in NUMBERS}
    return table([m for m in METHODS if m != TUNED], {"labels": str, **columns})


BENCHMARK = Benchmark(
    __file__,
    __doc__,
    [task for group in TASKS.values() for task in group],
    {"table": per_task, "gains": gains},
    packages=("torch", "skorch"),
)

if __name__ == "__main__":
    BENCHMARK.main()
