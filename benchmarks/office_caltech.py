"""Every classical map on Office-Caltech (SURF features), twelve pairs, against the published rows.

    SKDTL_DATA=folder python benchmarks/office_caltech.py

Writes results/office_caltech.md. A method has one setting for all pairs, none tuned pair by pair:
its defaults, but for the number of components of TCA and GFK (the published PCA has 30; the paper
on GFK 20) and for what a row's name says. Each is followed by one nearest neighbour, as in the
papers, among mapped rows of norm 1 (JGSA: as they are), and by logistic regression.
"""

import os
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC

from skdtl import (
    BDA,
    CORAL,
    GFK,
    JDA,
    JDOT,
    JGSA,
    SSTCA,
    TCA,
    TJM,
    LinearOTMapping,
    OTMapping,
    SourceOnly,
    SubspaceAlignment,
)
from skdtl.datasets._office_caltech import load_office_caltech

NAMES = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
PAIRS = ["CA", "CW", "CD", "AC", "AW", "AD", "WC", "WA", "WD", "DC", "DA", "DW"]
RESULTS = Path(__file__).parent / "results" / "office_caltech.md"

# By protocol: as collated by a third party, or from the paper that the name says.
PUBLISHED = {
    "z-scores": {
        "1-NN": [23.7, 25.8, 25.5, 26.0, 29.8, 25.5, 19.9, 23.0, 59.2, 26.3, 28.5, 63.4],
        "PCA": [39.5, 34.6, 44.6, 39.0, 35.9, 33.8, 28.2, 29.1, 89.2, 29.7, 33.2, 86.1],
        "TCA": [45.6, 39.3, 45.9, 42.0, 40.0, 35.7, 31.5, 30.5, 91.1, 33.0, 32.8, 87.5],
        "JDA": [43.1, 39.3, 49.0, 40.9, 38.0, 42.0, 33.0, 29.8, 92.4, 31.2, 33.4, 89.2],
        "CORAL": [52.1, 46.4, 45.9, 45.1, 44.4, 39.5, 33.7, 36.0, 86.6, 33.8, 37.7, 84.7],
        "GFK (JDA's paper)": [
            41.0, 40.7, 38.9, 40.3, 39.0, 36.3, 30.7, 29.8, 80.9, 30.3, 32.1, 75.6,
        ],
    },
    "z-scores, then norm 1": {
        "1-NN": [36.0, 29.2, 38.2, 34.2, 31.2, 35.7, 28.8, 31.6, 84.7, 29.6, 28.3, 83.7],
        "JDA (its paper)": [
            44.8, 41.7, 45.2, 39.4, 38.0, 39.5, 31.2, 32.8, 89.2, 31.5, 33.1, 89.5,
        ],
        "JGSA (its paper)": [
            51.5, 45.4, 45.9, 41.5, 45.8, 47.1, 33.2, 39.9, 90.5, 29.9, 38.0, 91.9,
        ],
    },
}  # fmt: skip

METHODS = {
    "SourceOnly": SourceOnly,
    "TCA, 20 components": partial(TCA, 20),
    "TCA, 30 components": partial(TCA, 30),
    "SSTCA, 30 components": partial(SSTCA, 30),
    "TJM, 30 components": partial(TJM, 30),
    "JDA": JDA,
    "BDA, mu=1": partial(BDA, mu=1.0),
    "JGSA": JGSA,
    "CORAL": CORAL,
    "SubspaceAlignment": SubspaceAlignment,
    "GFK": GFK,
    "GFK, 20 components": partial(GFK, 20),
    "LinearOTMapping": LinearOTMapping,
    "OTMapping": OTMapping,
    "OTMapping, by classes": partial(OTMapping, reg_cl=0.1),
    "JDOT": JDOT,
}


def neighbour(name):
    """Return the papers' classifier."""
    if name in ("JGSA", "SourceOnly"):
        return KNeighborsClassifier(1)
    return make_pipeline(Normalizer(), KNeighborsClassifier(1))


def accuracy(method, estimator, data):
    """Return the accuracy in % on the target of one pair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = method(estimator=estimator).fit(data.Xs, data.ys, data.Xt)
    return 100 * model.score(data.Xt, data.yt)


def principal_components(data):
    """Return the accuracy of a nearest neighbour on 30 principal components of both domains."""
    pca = PCA(30, svd_solver="covariance_eigh").fit(np.vstack([data.Xs, data.Xt]))
    model = KNeighborsClassifier(1).fit(pca.transform(data.Xs), data.ys)
    return 100 * model.score(pca.transform(data.Xt), data.yt)


def published_coral(data):
    """Return the accuracy of what gives the published row of CORAL, as far as numbers tell.

    A support vector machine has the products of mapped source rows with source rows that are not
    mapped for a kernel, which is none: it is not symmetric. Its C is found by two folds of the
    source.
    """
    Z = CORAL(estimator="passthrough").fit_transform(data.Xs, None, data.Xt)
    svm = GridSearchCV(
        SVC(kernel="precomputed"), {"C": np.logspace(-3, 1, 5)}, cv=StratifiedKFold(2)
    )
    svm.fit(Z @ data.Xs.T, data.ys)
    return 100 * svm.score(data.Xt @ Z.T, data.yt)


def row(name, values):
    """Format one row of the table."""
    return f"| {name} | " + " | ".join(f"{v:.1f}" for v in [*values, np.mean(values)]) + " |"


def below(name, protocol, published, scores):
    """Return a line for each pair that is more than 3 points below its published accuracy."""
    gaps = zip(PAIRS, np.subtract(published, scores))
    return [f"- {name}, {pair}, {protocol}: {gap:.1f}" for pair, gap in gaps if gap > 3]


def main():
    """Compute and write the table."""
    if not os.environ.get("SKDTL_DATA"):
        sys.exit("Set SKDTL_DATA to the folder that holds office_caltech10_surf.")
    page, short = ["# " + __doc__.strip()], []
    for protocol, published in PUBLISHED.items():
        page += ["", f"## Rows: {protocol}", ""]
        page += [f"| method | {' | '.join(PAIRS)} | mean |", "| --- " * 14 + "|"]
        page += [row(f"{name}, published", values) for name, values in published.items()]
        data = [
            load_office_caltech(NAMES[s], NAMES[t], normalize="norm" in protocol) for s, t in PAIRS
        ]
        page.append(row("PCA, 30 components, 1-NN", [principal_components(pair) for pair in data]))
        if protocol == "z-scores":
            scores = [published_coral(pair) for pair in data]
            page.append(row("CORAL as published", scores))
            short += below("CORAL as published", protocol, published["CORAL"], scores)
            for method in (CORAL, SourceOnly):
                scores = [accuracy(method, SVC(kernel="linear"), pair) for pair in data]
                page.append(row(f"{method.__name__}, linear SVM", scores))
        for name, method in METHODS.items():
            for kind in ("1-NN", "logistic regression"):
                if name == "JDOT" and kind == "1-NN":
                    continue  # a nearest neighbour takes no weights
                nearest = kind == "1-NN"
                estimator = neighbour(name) if nearest else LogisticRegression(max_iter=1000)
                scores = [accuracy(method, estimator, pair) for pair in data]
                page.append(row(f"{name}, {kind}", scores))
                print(page[-1], flush=True)
                for other, values in published.items():
                    # That of CORAL has another classifier: see published_coral.
                    if nearest and other.split()[0] == name.split(",")[0] != "CORAL":
                        short += below(name, protocol, values, scores)
    page += ["", "## Pairs more than 3 points below the published row (1-NN)", ""]
    page += short or ["None."]
    page += ["", *NOTES]
    RESULTS.write_text("\n".join(page) + "\n")


NOTES = [
    "*TCA.* The mean is the published one, whose number of components and scaling are not known; "
    "between 20 and 30 components alone single pairs move by up to 3 points in either direction, "
    "and AC by 1. Scaling the mapped rows is our choice: the mean is 43.9 without it. We did not "
    "tune to the pair that falls short: that would take target labels.",
    "",
    "*JDA.* The paper's row comes out to the last digit with the scale of the authors' code, which "
    "tests/mapping/test_jda.py does; here the columns have the scale that all our methods give "
    "them, and the nearest neighbour differs a little. The third party's row, for z-scores, is "
    "exceeded on average.",
    "",
    "*JGSA.* The published row but for .1 on WD, with its defaults. On rows that are only "
    "z-scored, 28 times as long, its penalties of a fixed weight hardly count and it is useless: "
    "scale rows to norm 1 before it.",
    "",
    "*CORAL.* The published row is that of no estimator on mapped rows, as far as we can tell: a "
    "support vector machine with the products of mapped and unmapped rows for a kernel gives it, "
    "with C by two folds of the source. A linear one on the mapped rows, with C = 1, has 46.6, and "
    "45.9 without CORAL.",
    "",
    "*GFK.* With the 20 dimensions of the paper it is above the published row on average and on no "
    "pair more than 3 points below it.",
    "",
    "*SSTCA* fits the source's labels with 800 columns and at most 1123 rows, unless `mu` counts, "
    "as it does on rows of norm 1. *OTMapping* with logistic regression fails on rows of norm 1: "
    "its means of many rows are much shorter than the target rows.",
]


if __name__ == "__main__":
    main()
