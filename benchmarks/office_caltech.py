"""Every classical map on Office-Caltech (SURF features), twelve pairs, against the published rows.

    SKDTL_DATA=... make benchmark-office_caltech

A method has one setting for all pairs, none tuned pair by pair: its defaults, but for the number of
components of TCA and GFK (the published PCA has 30; the paper on GFK 20) and for what a row's name
says. Each is followed by one nearest neighbour, as in the papers, among mapped rows of norm 1
(JGSA: as they are), and by logistic regression. Reads the folder that SKDTL_DATA names.

## Rows: z-scores

{scores}

## Rows: z-scores, then norm 1

{norm}

## Pairs more than 3 points below the published row (1-NN)

{below}

*TCA.* The mean is the published one, whose number of components and scaling are not known; between
20 and 30 components alone single pairs move by up to 3 points in either direction, and AC by 1.
Scaling the mapped rows is our choice: the mean is 43.9 without it. We did not tune to the pair that
falls short: that would take target labels.

*JDA.* The paper's row comes out to the last digit with the scale of the authors' code, which
tests/mapping/test_jda.py does; here the columns have the scale that all our methods give them, and
the nearest neighbour differs a little. The third party's row, for z-scores, is exceeded on average.

*JGSA.* The published row but for .1 on WD, with its defaults. On rows that are only z-scored, 28
times as long, its penalties of a fixed weight hardly count and it is useless: scale rows to norm 1
before it.

*CORAL.* The published row is that of no estimator on mapped rows, as far as we can tell: a support
vector machine with the products of mapped and unmapped rows for a kernel gives it, with C by two
folds of the source. A linear one on the mapped rows, with C = 1, has 46.6, and 45.9 without CORAL.

*GFK.* With the 20 dimensions of the paper it is above the published row on average and on no pair
more than 3 points below it.

*SSTCA* fits the source's labels with 800 columns and at most 1123 rows, unless `mu` counts, as it
does on rows of norm 1. *OTMapping* with logistic regression fails on rows of norm 1: its means of
many rows are much shorter than the target rows.
"""

from functools import lru_cache, partial

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.fits import unlabelled
from _harness.tables import table
from _mapping import IN_BOTH, PAPER, published_coral
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC

import skdtl
from skdtl.datasets._office_caltech import load_office_caltech

COLLECTIONS = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
PAIRS = ["CA", "CW", "CD", "AC", "AW", "AD", "WC", "WA", "WD", "DC", "DA", "DW"]

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

MAPS = {
    "SourceOnly": skdtl.SourceOnly,
    "TCA, 20 components": partial(skdtl.TCA, 20, **PAPER),
    "TCA, 30 components": partial(skdtl.TCA, 30, **PAPER),
    "SSTCA, 30 components": partial(skdtl.SSTCA, 30, **PAPER),
    "TJM, 30 components": partial(skdtl.TJM, 30, **PAPER),
    **IN_BOTH,
    "GFK, 20 components": partial(skdtl.GFK, 20, allowance=0),
    "LinearOTMapping": skdtl.LinearOTMapping,
    "OTMapping": skdtl.OTMapping,
    "OTMapping, by classes": partial(skdtl.OTMapping, reg_cl=0.1),
    "JDOT": skdtl.JDOT,
}


@lru_cache(maxsize=1)
def draw(codes, normalize, seed):
    source, target = (COLLECTIONS[code] for code in codes)
    return unlabelled(load_office_caltech(source, target, normalize=normalize))


def on_components(model, draw):
    """Fit a nearest neighbour to principal components of both domains."""
    components, neighbour = (step for _, step in model.steps)
    components.fit(np.vstack([draw.Xs, draw.Xt]))
    neighbour.fit(components.transform(draw.Xs), draw.ys)
    return model


def methods():
    """Return each map with each learner; a nearest neighbour takes no weights, as JDOT needs."""
    neighbour = KNeighborsClassifier(1)
    on_sphere = make_pipeline(Normalizer(), neighbour)
    logistic = LogisticRegression(max_iter=1000)
    found = {}
    for name, make in MAPS.items():
        if name != "JDOT":
            nearest = neighbour if name in ("JGSA", "SourceOnly") else on_sphere
            found[f"{name}, 1-NN"] = Method(make(estimator=nearest))
        found[f"{name}, logistic regression"] = Method(make(estimator=logistic))
    return found


COMPONENTS = make_pipeline(PCA(30, svd_solver="covariance_eigh"), KNeighborsClassifier(1))
LINEAR = SVC(kernel="linear")
FOLDS = GridSearchCV(SVC(kernel="precomputed"), {"C": np.logspace(-3, 1, 5)}, cv=StratifiedKFold(2))
METHODS = {"PCA, 30 components, 1-NN": Method(COMPONENTS, on_components), **methods()}
OF_CORAL = {
    "CORAL as published": published_coral(FOLDS),
    "CORAL, linear SVM": Method(skdtl.CORAL(estimator=LINEAR)),
    "SourceOnly, linear SVM": Method(skdtl.SourceOnly(LINEAR)),
}
# By protocol, in the order of the table.
ROWS = {
    "z-scores": {**dict(list(METHODS.items())[:1]), **OF_CORAL, **METHODS},
    "z-scores, then norm 1": METHODS,
}
TASKS = [
    Task(f"{protocol}: {codes}", partial(draw, codes, "norm" in protocol), rows)
    for protocol, rows in ROWS.items()
    for codes in PAIRS
]


def accuracies(protocol, lines):
    rows = {f"{name}, published": values for name, values in PUBLISHED[protocol].items()}
    rows |= {name: of_pairs(protocol, name, lines) for name in ROWS[protocol]}
    columns = {pair: lambda name, k=k: f"{rows[name][k]:.1f}" for k, pair in enumerate(PAIRS)}
    return table(
        rows, {"method": str, **columns, "mean": lambda name: f"{np.mean(rows[name]):.1f}"}
    )


def of_pairs(protocol, name, lines):
    return [100 * lines.scores(f"{protocol}: {codes}", name).mean() for codes in PAIRS]


def below(lines):
    """Return a list of the pairs that are more than 3 points below their published accuracy."""
    found = []
    for protocol, published in PUBLISHED.items():
        for other, values in published.items():
            # That of CORAL has another classifier: see published_coral.
            names = [name for name in MAPS if name.split(",")[0] == other.split()[0] != "CORAL"]
            rows = {name: f"{name}, 1-NN" for name in names}
            if other == "CORAL":
                rows = {"CORAL as published": "CORAL as published"}
            for words, name in rows.items():
                gaps = zip(PAIRS, np.subtract(values, of_pairs(protocol, name, lines)))
                found += [f"- {words}, {p}, {protocol}: {gap:.1f}" for p, gap in gaps if gap > 3]
    return "\n".join(found) or "None."


TABLES = {
    "scores": partial(accuracies, "z-scores"),
    "norm": partial(accuracies, "z-scores, then norm 1"),
    "below": below,
}
BENCHMARK = Benchmark(__file__, __doc__, TASKS, TABLES, packages=("pot",))

if __name__ == "__main__":
    BENCHMARK.main()
