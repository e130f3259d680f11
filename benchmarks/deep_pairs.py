"""DDC and DANN on MNIST/USPS (both ways) and on Amazon reviews (12 pairs), against source-only.

Reads the folder that SKDTL_DATA names; writes benchmarks/results/deep_pairs.md. Every network is
the same (hidden layers of 256 and 128 units, 100 epochs), every setting is fixed beforehand and the
same for all pairs; each method is compared with itself at λ = 0, source-only. The target rows are
there in training, their labels never are; accuracy is over
all target rows, mean and standard error of 5 seeds. "target-trained" trains the same network on one
half of the labelled target and scores on the other half.

    SKDTL_DATA=... make benchmark-deep_pairs
"""

from __future__ import annotations

import os
import sys
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from skdtl import DANN, DDC
from skdtl.datasets import load_amazon, load_usps_mnist

RESULTS = Path(__file__).parent / "results" / "deep_pairs.md"
SEEDS = range(5)
NETWORK = {"hidden_layer_sizes": (256, 128), "max_epochs": 100}

# name: (class, settings); with λ = 0 a method is its own source-only network
METHODS = {
    "DDC, λ = 0": (DDC, {"lam": 0.0}),
    "DDC": (DDC, {}),
    "DANN, λ = 0": (DANN, {"lam": 0.0}),
    "DANN": (DANN, {}),
}


def pairs():
    for source in ("mnist", "usps"):
        data = load_usps_mnist(source)
        target = {"mnist": "USPS", "usps": "MNIST"}[source]
        yield "digits", f"{source.upper()}→{target}", data
    for source, target in permutations(("books", "dvd", "electronics", "kitchen"), 2):
        yield "reviews", f"{source}→{target}", load_amazon(source, target)


def scores(data, kind):
    """Return {method: [accuracy for each seed]}."""
    Xs, Xt = data.Xs, data.Xt
    if kind == "digits":  # the reviews are standardised already, domain by domain
        mean = np.concatenate([Xs, Xt]).mean(axis=0)
        Xs, Xt = 16 * (Xs - mean), 16 * (Xt - mean)  # images have norm 1: 16 makes pixels about 1
    found = {}
    for name, (cls, options) in METHODS.items():
        found[name] = [
            cls(**NETWORK, **options, random_state=seed).fit(Xs, data.ys, Xt).score(Xt, data.yt)
            for seed in SEEDS
        ]
    found["target-trained"] = []
    for seed in SEEDS:
        train, test, y_train, y_test = train_test_split(
            Xt, data.yt, test_size=0.5, stratify=data.yt, random_state=seed
        )
        net = DDC(lam=0.0, **NETWORK, random_state=seed)
        found["target-trained"].append(net.fit(train, y_train, train).score(test, y_test))
    return found


def main() -> None:
    if "SKDTL_DATA" not in os.environ:
        sys.exit("SKDTL_DATA is unset: it names the folder with the published data sets.")
    torch.set_num_threads(1)
    names = [*METHODS, "target-trained"]
    lines = ["| pair | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    by_kind: dict[str, list] = {}
    start = time.process_time()
    for kind, pair, data in pairs():
        found = scores(data, kind)
        by_kind.setdefault(kind, []).append([np.mean(found[name]) for name in names])
        cells = [
            f"{100 * np.mean(a):.1f} ± {100 * np.std(a, ddof=1) / np.sqrt(len(a)):.1f}"
            for a in (found[name] for name in names)
        ]
        lines.append(f"| {pair} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    for kind, rows in by_kind.items():
        cells = [f"**{100 * value:.1f}**" for value in np.mean(rows, axis=0)]
        lines.append(f"| **mean of {kind}** | " + " | ".join(cells) + " |")
        print(lines[-1])
    print(f"{time.process_time() - start:.0f} s of CPU time")
    RESULTS.parent.mkdir(exist_ok=True)
    text = RESULTS.read_text().split("\n## Reading it\n") if RESULTS.exists() else [""]
    notes = "\n## Reading it\n" + text[1] if len(text) > 1 else ""
    head = "# DDC and DANN against source-only\n\n" + (__doc__ or "").partition("\n\n")[2]
    RESULTS.write_text(head + "\n" + "\n".join(lines) + "\n" + notes)


if __name__ == "__main__":
    main()
