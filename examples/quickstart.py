"""Train on one collection of handwritten digits, adapt to another, and see what each method gains.

The source is optdigits (1797 images, all labelled). The target is MNIST, brought to the same 8 x 8
format: other writers, other scanners, other preparation (see skdtl.datasets.load_digits_pair). Of
the target each method sees 1000 images, and at most 50 of their labels. Accuracy is measured on
2000 other target images, for 3 random draws of all of these. No setting was chosen by looking at
these accuracies: where none is given, it is the class's default.

Prints a table and draws quickstart.png.
"""

import argparse
import time

import matplotlib
import numpy as np
from sklearn.linear_model import LogisticRegression

from skdtl import BIW, DANN, DDC, TCA, FineTuning, SourceOnly, TargetOnly, TrAdaBoost
from skdtl.datasets import load_digits_pair

matplotlib.use("Agg")  # draws to a file: no screen is needed
import matplotlib.pyplot as plt

N_TARGET, N_TEST, N_LABELS, N_DRAWS = 1000, 2000, 50, 3


def linear():
    """The classifier of every method that is not a network of its own."""
    return LogisticRegression(max_iter=1000)


# (name, which target labels it is given, its floor, how to make it from a seed). What it gains is
# counted from its floor: the same kind of model, trained on the source alone.
METHODS = [
    ("SourceOnly", "none", None, lambda seed: SourceOnly(linear())),
    ("TCA", "none", "SourceOnly", lambda seed: TCA(linear())),
    ("BIW", "none", "SourceOnly", lambda seed: BIW(linear())),
    ("BIW", "50", "SourceOnly", lambda seed: BIW(linear())),
    ("TrAdaBoost", "50", "SourceOnly", lambda seed: TrAdaBoost(linear(), random_state=seed)),
    ("TargetOnly", "50", "SourceOnly", lambda seed: TargetOnly(linear())),
    ("TargetOnly", "1000", "SourceOnly", lambda seed: TargetOnly(linear())),
    ("network, λ = 0", "none", None, lambda seed: DANN(lam=0.0, random_state=seed)),
    ("DDC", "none", "network, λ = 0", lambda seed: DDC(random_state=seed)),
    ("DANN", "none", "network, λ = 0", lambda seed: DANN(random_state=seed)),
    ("FineTuning", "50", "network, λ = 0", lambda seed: FineTuning(random_state=seed)),
]


def draw(data, seed):
    """Target rows to adapt to, their labels as each method may see them, and rows to test on."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(data.Xt))
    adapt, test = rows[:N_TARGET], rows[N_TARGET : N_TARGET + N_TEST]
    yt = data.yt[adapt]
    few = np.full(N_TARGET, np.nan)
    for digit in np.unique(yt):
        shown = np.flatnonzero(yt == digit)[: N_LABELS // 10]
        few[shown] = digit
    labels = {"none": None, "50": few, "1000": yt}
    return data.Xt[adapt], labels, data.Xt[test], data.yt[test]


def measure(data):
    """Accuracies, one row per method and one column per draw, and mean seconds per fit."""
    accuracy, seconds = np.zeros((len(METHODS), N_DRAWS)), np.zeros(len(METHODS))
    for seed in range(N_DRAWS):
        Xt, labels, X_test, y_test = draw(data, seed)
        for k, (_, given, _, make) in enumerate(METHODS):
            start = time.perf_counter()
            model = make(seed).fit(data.Xs, data.ys, Xt, labels[given])
            seconds[k] += (time.perf_counter() - start) / N_DRAWS
            accuracy[k, seed] = np.mean(model.predict(X_test) == y_test)
    return accuracy, seconds


def gains(accuracy):
    """Accuracy minus that of the method's floor, one row per method."""
    names = [name for name, *_ in METHODS]
    floors = [name if floor is None else floor for name, _, floor, _ in METHODS]
    return accuracy - accuracy[[names.index(floor) for floor in floors]]


def print_table(accuracy, seconds):
    """Print one line per method."""
    print(f"{'method':<16}{'target labels':>14}{'accuracy':>18}{'gain':>10}{'seconds':>10}")
    for (name, given, floor, _), row, gain, s in zip(METHODS, accuracy, gains(accuracy), seconds):
        shown = "" if floor is None else f"{100 * gain.mean():+.1f}"
        spread = f"{100 * row.mean():.1f} ± {100 * row.std(ddof=1):.1f} %"
        print(f"{name:<16}{given:>14}{spread:>18}{shown:>10}{s:>10.1f}")


def picture(data, accuracy, path):
    """Draw example images of both collections beside the accuracies."""
    figure = plt.figure(figsize=(11, 4.5), layout="constrained")
    images, bars = figure.subfigures(1, 2, width_ratios=[2, 3])
    rng = np.random.default_rng(1)
    grid = images.subplots(4, 10)
    examples = ((data.Xs, data.ys), (data.Xs, data.ys), (data.Xt, data.yt), (data.Xt, data.yt))
    for line, (X, y) in zip(grid, examples):
        for digit, axes in enumerate(line):
            image = X[rng.choice(np.flatnonzero(y == digit))].reshape(8, 8)
            axes.imshow(image, cmap="gray_r")
            axes.set_axis_off()
    images.suptitle("source: optdigits (above)\ntarget: MNIST (below)")

    axes = bars.subplots()
    labels = [f"{name}, {given} target labels" for name, given, _, _ in METHODS]
    places = -np.arange(len(METHODS))
    floor = [floor is None for _, _, floor, _ in METHODS]
    reference = [name == "TargetOnly" for name, *_ in METHODS]
    colours = np.select([floor, reference], ["0.6", "0.8"], "tab:blue")
    mean, spread = 100 * accuracy.mean(axis=1), 100 * accuracy.std(axis=1, ddof=1)
    axes.barh(places, mean, xerr=spread, color=colours)
    axes.set_yticks(places, labels)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy on held-out target images, %")
    figure.savefig(path, dpi=120)


def main():
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", default="quickstart.png", help="file to draw to")
    path = parser.parse_args().picture
    data = load_digits_pair()
    accuracy, seconds = measure(data)
    print_table(accuracy, seconds)
    picture(data, accuracy, path)
    print(f"\npicture: {path}")


if __name__ == "__main__":
    main()
