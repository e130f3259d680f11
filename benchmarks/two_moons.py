"""Deep methods on two moons that are turned by an angle: how far can each follow?

Writes benchmarks/results/two_moons.md and two_moons.png. The source is two interleaved half circles
of 150 points each, with noise of 0.1; the target is another 300 points of the same kind, turned
about the source's mean. Accuracy over the target's points in percent, mean and standard error over
5 seeds, each another draw. The target's points are there in training, its labels never are; the
rows "labels: ..." are given 3 labels of each class and scored on the other points, and
"target-trained" learns from one half of the target and is scored on the other. It is the problem of
the papers on DANN and on domain-adaptation support vector machines.

The network has two hidden layers of 64 and trains 100 epochs in batches of 64 + 64, at five times
each class's default learning rate, so that the source-only networks learn the source (chosen by the
source's accuracy); all else is each class's default, but that a constant λ rises from 0 to its
default (see benchmarks/_deep.py).

    make benchmark-two_moons
    python benchmarks/two_moons.py --methods DDC DANN --n-jobs 2 --cache fits.jsonl
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _deep import RESULTS, Task, run
from sklearn.datasets import make_moons

ANGLES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
NETWORK = {"hidden_layer_sizes": (64, 64), "max_epochs": 100, "batch_size": 64}
LR_FACTOR = 5.0


def load(angle, seed):
    """Return Xs, ys, Xt, yt."""
    Xs, ys = make_moons(300, noise=0.1, random_state=2 * seed)
    Xt, yt = make_moons(300, noise=0.1, random_state=2 * seed + 1)
    middle, radians = Xs.mean(axis=0), np.radians(angle)
    turn = np.array(
        [[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]]
    )  # of rows, against the clock
    return Xs - middle, ys, (Xt - middle) @ turn, yt


def draw(found, path):
    """Draw accuracy against angle, a curve per method that was fitted at every angle."""
    from matplotlib import pyplot as plt

    panels = {
        "alignments": ("DDC", "DAN", "JAN", "DeepCORAL", "DeepJDOT", "MCC"),
        "adversaries": ("WDGRL", "DANN", "CDAN", "RMAN", "ADDA", "MDD", "MCD"),
        "combinations": (
            "MMD + adversary",
            "class confusion + adversary",
            "CORAL + entropy",
            "entropy",
        ),
        "3 target labels of each class": (
            "labels: source and target",
            "labels: FineTuning",
            "labels: SimultaneousTransfer",
            "labels: LabelEfficientTransfer",
        ),
    }
    fig, axes = plt.subplots(2, 2, figsize=(11, 8), sharex=True, sharey=True, layout="constrained")
    for ax, (title, names) in zip(axes.flat, panels.items()):
        bounds = (("source-only", "dimgray", "--"), ("target-trained", "dimgray", ":"))
        for name, colour, dashes in bounds:
            _curve(ax, found, name, color=colour, linestyle=dashes)
        markers = "osv^Dx*"
        for k, name in enumerate(names):
            _curve(ax, found, name, color=f"C{k}", marker=markers[k], markersize=4)
        ax.axhline(50, color="lightgray", linewidth=1, zorder=0)
        ax.set_title(title)
        ax.legend(fontsize="small", loc="lower left")
    axes[0, 0].set(xticks=ANGLES, ylim=(0, 103))
    for ax in axes[1]:
        ax.set_xlabel("angle between the domains in degrees")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy in the target (%)")
    fig.savefig(path, dpi=80)
    plt.close(fig)


def _curve(ax, found, name, **style):
    scores = [found.get((name, f"{angle}°"), np.empty(0)) for angle in ANGLES]
    if all(len(s) for s in scores):
        ax.plot(ANGLES, [100 * s.mean() for s in scores], label=name.split(": ")[-1], **style)


def main() -> None:
    tasks = [
        Task(f"{angle}°", partial(load, angle), NETWORK, lr_factor=LR_FACTOR) for angle in ANGLES
    ]
    found = run("two_moons", tasks, __doc__, ("", "![accuracy against angle](two_moons.png)"))
    draw(found, RESULTS / "two_moons.png")


if __name__ == "__main__":
    main()
