"""Look at how the training of a network went, and at what it did to the features.

Digits are to be read from images that are turned by 30 degrees, with labels for upright ones alone.
A network is trained with two alignments at once, MMD and a discriminator. The upper picture shows
the training: the discriminator must first learn to tell the domains apart and then be fooled. The
lower ones show rows of both domains in the features of the network that learned from the source
alone ("before") and in those of the aligned one ("after"): whether the domains lie on top of each
other, and digit by digit. Draws training_history.png.
"""

import argparse

import matplotlib
import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

from skdtl import DeepTransferClassifier, DomainShiftDisplay, TrainingHistoryDisplay
from skdtl.deep import MMD, DomainAdversary

matplotlib.use("Agg")  # draws to a file: no screen is needed
import matplotlib.pyplot as plt


def upright_and_turned(rng):
    """Return upright digits and their labels, and other ones that are turned."""
    X, y = load_digits(return_X_y=True)
    order = rng.permutation(len(X))
    X, y = X[order] / 16, y[order]
    turned = rotate(X[900:].reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1)
    return X[:900], y[:900], turned.reshape(-1, 64), y[900:]


def main():
    """Fit, draw and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="training_history.png")
    output = parser.parse_args().output

    Xs, ys, Xt, yt = upright_and_turned(np.random.default_rng(0))
    options = {"optimizer": "sgd", "lr": 0.01, "lr_schedule": "decay"}  # as DANN is trained
    options |= {"max_epochs": 60, "random_state": 0}
    plain = DeepTransferClassifier(**options).fit(Xs, ys, Xt)
    model = DeepTransferClassifier([MMD(), DomainAdversary()], lam="ramp", **options)
    model.fit(Xs, ys, Xt)

    figure = plt.figure(figsize=(10, 10), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[6, 4])
    panels = upper.subplots(5, 1, sharex=True, height_ratios=[2, 1, 1, 1, 1])
    history = TrainingHistoryDisplay.from_estimator(model, ax=panels)
    shift = DomainShiftDisplay.from_arrays(
        *(net.transform(X) for net in (plain, model) for X in (Xs, Xt)),
        ys=ys,
        yt=yt,
        max_samples=300,
        random_state=0,
        ax=lower.subplots(1, 2),
    )
    figure.savefig(output, dpi=150)
    (accuracy,) = history.lines_["domain_accuracy"]
    highest, last = accuracy.get_ydata().max(), accuracy.get_ydata()[-1]
    print(f"discriminator's accuracy: {highest:.2f} at most, {last:.2f} at the end")
    for name, net, distance in zip(
        ("source alone", "aligned"), (plain, model), shift.discrepancies_
    ):
        print(f"{name:<12}: accuracy {net.score(Xt, yt):.2f}, MMD² of the features {distance:.3f}")
    print(f"drawn: {output}")


if __name__ == "__main__":
    main()
