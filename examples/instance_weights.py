"""Look at which source rows count: TrAdaBoost's weights by hospital and class.

Two hospitals send labelled patients; a third one, the target, has labels for 40. In "basel"
patients follow the target's rule. In "bern" the healthy do, but the ill were diagnosed by another
rule, so that their labels mislead. Draws instance_weights.png: TrAdaBoost finds these rows by the
target's labels, and their weight fades.
"""

import argparse

import matplotlib
import numpy as np

from skdtl import InstanceWeightsDisplay, TrAdaBoost, stack

matplotlib.use("Agg")  # draws to a file: no screen is needed
import matplotlib.pyplot as plt


def patients(n, rng, misleading=False):
    """Return measurements and diagnoses; the first two measurements make a patient ill."""
    X = rng.normal(size=(n, 4))
    ill = X[:, 0] + X[:, 1] > 0
    if misleading:
        ill |= X[:, 2] > -0.5
    return X, np.where(ill, "ill", "well")


def main():
    """Fit, draw and print the groups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="instance_weights.png")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    basel, bern = patients(300, rng), patients(200, rng, misleading=True)
    Xt, yt = patients(40, rng)
    X, y, domain = stack([basel[0], bern[0]], [basel[1], bern[1]], Xt, yt)
    # The correction keeps the source as a whole from fading: what is left is which rows count.
    model = TrAdaBoost(n_estimators=12, weight_drift_correction=True, random_state=0)
    model.fit(X, y, sample_domain=domain)

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(8, 7), layout="constrained", height_ratios=[4, 3]
    )
    options = {"sample_domain": domain, "source_names": {1: "basel", 2: "bern"}}
    InstanceWeightsDisplay.from_estimator(model, y, kind="path", ax=upper, **options)
    display = InstanceWeightsDisplay.from_estimator(model, y, ax=lower, **options)
    figure.savefig(output, dpi=150)
    for group in display.groups_:
        print(
            f"source {group.source}, {group.label:<4}: mean weight {group.mean:.2f}, "
            f"{group.share:.0%} of all weight, {group.n_effective:.0f} of {len(group.rows)} rows"
        )
    print(f"drawn: {output}")


if __name__ == "__main__":
    main()
