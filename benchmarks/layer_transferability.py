"""How far up do layers carry over? Halves of MNIST's digits, and two collections of digits.

The protocol of Yosinski et al. (NIPS 2014) at a small size. Images are those of
`skdtl.datasets.load_digits_pair`, 8 x 8 pixels. *Random halves*: MNIST's ten digits are halved at
random, five are task A and five task B, half of the 5000 images are held out. *Round and straight*:
task B is 0, 3, 6, 8 and 9, task A the digits that are mostly strokes. *Collections*: task A is all
of optdigits, task B 250 images of MNIST; it is tested on the others. The network is six fully
connected layers of 32 units, or LeNet with three convolutions and a connected layer, each as the
defaults train it. Five repeats, each with halves, rows and weights of its own.

The first table of each has the accuracy in percent by the number of copied layers, the mean of the
repeats; "base" copies none. The last one has what the paper found: differences in points, the mean
of the repeats and its standard error, each between networks that begin with the same new weights
and are tested on the same rows.

    make benchmark-layer_transferability

## Random halves, fully connected

{random_halves}

## Random halves, convolutions

{convolutions}

## Round and straight

{round_and_straight}

## Collections

{collections}

## What the paper found

{findings}

* *The dip in the middle, healed by further training*: not to be seen. Frozen layers of the own task
  lose less than the scatter between repeats, though the cut is the worst of all; tasks of five
  digits leave little for layers to have to agree on.
* *Layers of another task fall behind the more of them are frozen*: holds, on the halves by far more
  than the paper's 8 points: features of five digits tell little of five others.
* *Beginning with another task's layers and training them further is better than base*: not on
  halves of MNIST, where fully connected layers do as well and convolutions a little worse. It is
  from optdigits to 250 images of MNIST, where there is too little to learn from otherwise.
* *Dissimilar halves lose more*: no. Round digits lose as much from straight ones as random halves
  do; ten digits have no halves as unlike as natural and man-made things are.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.tables import mean, mean_and_error, table

from skdtl import DeepTransferClassifier, layer_transferability
from skdtl.datasets import load_digits_pair
from skdtl.deep import LeNet

SEEDS = 5
TREATMENTS = ("BnB", "BnB+", "AnB", "AnB+")
ROUND = (0, 3, 6, 8, 9)
CONNECTED = DeepTransferClassifier(hidden_layer_sizes=(32,) * 6, weight_decay=0.0)
CONVOLUTIONS = DeepTransferClassifier(
    module=partial(LeNet, n_channels=(8, 16, 16), n_features=32), max_epochs=40, min_steps=1
)


# -- what is trained -------------------------------------------------------------------------------


def halves(seed, shape=(64,)):
    """Return MNIST's images."""
    data = load_digits_pair()
    return data.Xt.reshape(-1, *shape) / 16, data.yt


def collections(seed):
    """Return optdigits' images and MNIST's."""
    data = load_digits_pair()
    return data.Xs / 16, data.ys, data.Xt / 16, data.yt


def measure(model, rows, **options):
    """Measure one repeat; the model's seed is the repeat's."""
    options = {"n_repeats": 1, "random_state": model.random_state, **options}
    return layer_transferability(model, *rows, **options)


def scores(results, rows):
    """Return the accuracies by treatment and cut."""
    named = zip(results["treatment"], results["cut"], results["score"])
    return {f"{treatment} {cut}": score for treatment, cut, score in named}


def task(name, draw, model, **options):
    """Return a task of one method, which trains all networks of a repeat."""
    methods = {"networks": Method(model, partial(measure, **options))}
    return Task(name, draw, methods, scores, seeds=SEEDS)


TASKS = {
    "random_halves": task("random halves", halves, CONNECTED, test_size=0.5),
    "convolutions": task(
        "convolutions", partial(halves, shape=(8, 8)), CONVOLUTIONS, test_size=0.5
    ),
    "round_and_straight": task(
        "round and straight", halves, CONNECTED, test_size=0.5, target_classes=ROUND
    ),
    "collections": task("collections", collections, CONNECTED, test_size=4750),
}


# -- the tables ------------------------------------------------------------------------------------


def cuts_of(task):
    return range(1, 5 if task.name == "convolutions" else 7)


def accuracies(task, lines):
    """Return the accuracies in percent: arrays of repeats by what was trained."""
    keys = ["base 0", *(f"{name} {n}" for name in TREATMENTS for n in cuts_of(task))]
    fits = [line["scores"] for line in lines.of(task.name, "networks")]
    return {key: 100 * np.array([fit[key] for fit in fits]) for key in keys}


def by_cut(task, lines):
    """Return a row for each treatment."""
    found = accuracies(task, lines)

    def cell(n, name):
        return mean(found[f"{name} {n}"])

    columns = {str(n): partial(cell, n) for n in cuts_of(task)}
    text = table(TREATMENTS, {"copied layers": str, **columns})
    return f"{text}\n\nbase: {mean_and_error(found['base 0'])}"


def differences(task, lines):
    """Return what the paper's findings are about, by their names."""
    found = accuracies(task, lines)
    cuts = cuts_of(task)
    base, last = found["base 0"], cuts[-1]
    # Where frozen layers of the own task lose most, in the mean: the dip.
    dip = min(cuts, key=lambda n: found[f"BnB {n}"].mean())

    def of(name):
        return np.mean([found[f"{name} {n}"] for n in cuts], axis=0)

    return {
        "task": task.name,
        "dip at n": dip,
        "BnB there - base": found[f"BnB {dip}"] - base,
        "BnB+ there - BnB": found[f"BnB+ {dip}"] - found[f"BnB {dip}"],
        "AnB, last n - first n": found[f"AnB {last}"] - found["AnB 1"],
        "AnB - BnB, last n": found[f"AnB {last}"] - found[f"BnB {last}"],
        "AnB+ - base, all n": of("AnB+") - base,
        "AnB+ - BnB+, all n": of("AnB+") - of("BnB+"),
    }


def findings(lines):
    """Return a row for each task."""
    rows = [differences(task, lines) for task in TASKS.values()]

    def cell(name, row):
        value = row[name]
        return mean_and_error(value, sign="+") if isinstance(value, np.ndarray) else value

    return table(rows, {name: partial(cell, name) for name in rows[0]})


BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS.values(),
    {**{name: partial(by_cut, task) for name, task in TASKS.items()}, "findings": findings},
    packages=("torch", "skorch", "mlxtend"),
)

if __name__ == "__main__":
    BENCHMARK.main()
