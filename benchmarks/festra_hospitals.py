"""Does it help to drop the columns in which hospitals differ? Festra against boosting alone.

Patients with suspected heart disease in four hospitals, all 12 pairs of source and target, 20
labelled target rows and half of the target without labels, balanced accuracy on the other half;
mean of 8 draws. Missing values are replaced by the source's medians, columns are standardized by
the rows of both domains. Writes benchmarks/results/festra_hospitals.md; reads SKDTL_DATA.

    make benchmark-festra_hospitals
"""

from itertools import permutations
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdtl import Festra, SourceOnly, TargetOnly, TrAdaBoost
from skdtl.datasets import load_heart_disease

RESULTS = Path(__file__).parent / "results" / "festra_hospitals.md"
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
N_DRAWS, N_LABELS = 8, 20
LEARNERS = {
    "logistic regression": LogisticRegression(max_iter=500),
    "tree of depth 2": DecisionTreeClassifier(max_depth=2, random_state=0),
}


def methods(learner, seed):
    """Return what is compared, by name."""
    boosting = {"n_estimators": 20, "random_state": seed}
    return {
        "SourceOnly": SourceOnly(learner),
        "TargetOnly": TargetOnly(learner),
        "TrAdaBoost": TrAdaBoost(learner, **boosting),
        "TrAdaBoost, drift corrected": TrAdaBoost(
            learner, weight_drift_correction=True, **boosting
        ),
        "Festra, drift not corrected": Festra(learner, weight_drift_correction=False, **boosting),
        "Festra, class shares ignored": Festra(learner, adjust_class_shares=False, **boosting),
        "Festra": Festra(learner, **boosting),
        "Festra, threshold 0.5": Festra(learner, threshold=0.5, **boosting),
    }


def draw(data, seed):
    """Return a source, a partly labelled target, and other target rows."""
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
    return Xs, data.ys, Xt[train], labels, Xt[rows[half:]], data.yt[rows[half:]]


def main():
    lines = ["# " + __doc__.split("\n", 1)[0], __doc__.split("\n", 1)[1]]
    for name, learner in LEARNERS.items():
        scores, kept = {}, []
        pairs = list(permutations(HOSPITALS, 2))
        for source, target in pairs:
            data = load_heart_disease(source, target)
            for seed in range(N_DRAWS):
                Xs, ys, Xt, labels, X_test, y_test = draw(data, seed)
                for method, model in methods(clone(learner), seed).items():
                    predicted = model.fit(Xs, ys, Xt, labels).predict(X_test)
                    found = balanced_accuracy_score(y_test, predicted)
                    scores.setdefault(method, []).append(100 * found)
                    if method == "Festra":
                        kept.append(model.get_support().sum())
        table = {
            method: np.reshape(values, (len(pairs), N_DRAWS)).mean(axis=1)
            for method, values in scores.items()
        }
        lines += [
            f"## {name.capitalize()}",
            "",
            f"Festra keeps {np.mean(kept):.1f} of {Xs.shape[1]} columns on average. *Better* "
            "counts the pairs on which a method is above TrAdaBoost with the drift corrected, "
            "which is Festra's boosting.",
            "",
            "| method | mean of the pairs, % | worst pair, % | better, of 12 |",
            "| --- | --- | --- | --- |",
        ]
        reference = table["TrAdaBoost, drift corrected"]
        for method, means in table.items():
            better = np.sum(means > reference)
            lines.append(f"| {method} | {means.mean():.1f} | {means.min():.1f} | {better} |")
        lines.append("")
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
