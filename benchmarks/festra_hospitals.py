"""Does it help to drop the columns in which hospitals differ? Festra against boosting alone.

Patients with suspected heart disease in four hospitals, all 12 pairs of source and target, 20
labelled target rows and half of the target without labels, balanced accuracy on the other half;
mean of 8 draws. Missing values are replaced by the source's medians, columns are standardized by
the rows of both domains. Reads the folder that SKDTL_DATA names.

    SKDTL_DATA=... make benchmark-festra_hospitals

*Better* counts the pairs on which a method is above TrAdaBoost with the drift corrected, which is
Festra's boosting.

## Logistic regression

{logistic}

## Tree of depth 2

{tree}
"""

from functools import partial
from itertools import permutations

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.fits import balanced_accuracy
from _harness.tables import mean, table
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdtl import Festra, SourceOnly, TargetOnly, TrAdaBoost
from skdtl.datasets import load_heart_disease

PAIRS = list(permutations(("cleveland", "hungarian", "switzerland", "va"), 2))
N_LABELS = 20
LEARNERS = {
    "logistic": LogisticRegression(max_iter=500),
    "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
}
REFERENCE = "TrAdaBoost, drift corrected"


def draw(source, target, seed):
    """Return a source, a partly labelled target, and other target rows."""
    data = load_heart_disease(source, target)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(data.yt))
    half = len(rows) // 2
    # The first labelled rows are one of each class.
    first = [rows[:half][data.yt[rows[:half]] == k][0] for k in (0, 1)]
    train = np.array(first + [row for row in rows[:half] if row not in first])
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(data.Xs)
    Xs, Xt = imputer.transform(data.Xs), imputer.transform(data.Xt)
    scaler = StandardScaler().fit(np.concatenate([Xs, Xt[train]]))
    Xs, Xt = scaler.transform(Xs), scaler.transform(Xt)
    labels = np.where(np.arange(half) < N_LABELS, data.yt[train], -1)
    return Draw(Xs, data.ys, Xt[train], labels, Xt[rows[half:]], data.yt[rows[half:]])


def columns(model, draw):
    return {"columns": model.get_support().sum()}


def festra(**options):
    return Method(partial(Festra, n_estimators=20, **options), figures=columns)


METHODS = {
    "SourceOnly": Method(SourceOnly),
    "TargetOnly": Method(TargetOnly),
    "TrAdaBoost": Method(partial(TrAdaBoost, n_estimators=20)),
    REFERENCE: Method(partial(TrAdaBoost, n_estimators=20, weight_drift_correction=True)),
    "Festra, drift not corrected": festra(weight_drift_correction=False),
    "Festra, class shares ignored": festra(adjust_class_shares=False),
    "Festra": festra(),
    "Festra, threshold 0.5": festra(threshold=0.5),
}


def named(learner, pair):
    return f"{learner}: {' → '.join(pair)}"


TASKS = [
    Task(named(name, pair), partial(draw, *pair), METHODS, balanced_accuracy, learner, seeds=8)
    for name, learner in LEARNERS.items()
    for pair in PAIRS
]


def of_learner(learner, lines):
    def pairs(method):
        return np.array([lines.scores(named(learner, pair), method).mean() for pair in PAIRS])

    kept = np.mean([lines.scores(named(learner, p), "Festra", "columns") for p in PAIRS])
    rows = table(
        METHODS,
        {
            "method": str,
            "mean of the pairs, %": lambda method: mean(pairs(method), scale=100),
            "worst pair, %": lambda method: mean(pairs(method).min(), scale=100),
            "better, of 12": lambda method: np.sum(pairs(method) > pairs(REFERENCE)),
        },
    )
    return f"Festra keeps {kept:.1f} of 13 columns on average.\n\n{rows}"


TABLES = {name: partial(of_learner, name) for name in LEARNERS}
BENCHMARK = Benchmark(__file__, __doc__, TASKS, TABLES)

if __name__ == "__main__":
    BENCHMARK.main()
