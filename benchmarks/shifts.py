"""Which method copes with which kind of shift? Made-up tasks on which one thing has changed.

Writes benchmarks/results/shifts.md: accuracy on 500 held-out target rows, mean and standard
deviation of 5 seeds. Each method sees 500 source rows and 500 target rows; those in the lower half
also 20 target labels. Every setting is the class's default (BDA: mu=1, since 0.5 is JDA), and the
classical methods use logistic regression (MTLF: nearest neighbours). The shifts are those of
skdtl.datasets.make_shifted_classification.

    make benchmark-shifts
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skdtl import (
    BDA,
    BIW,
    CORAL,
    DANN,
    DDC,
    GFK,
    JDA,
    JDOT,
    JGSA,
    KLIEP,
    KMM,
    MTLF,
    RULSIF,
    SSTCA,
    TCA,
    TJM,
    DiscriminatorWeighting,
    Festra,
    FineTuning,
    LinearOTMapping,
    NearestNeighborWeighting,
    OTMapping,
    SourceOnly,
    SubspaceAlignment,
    TargetOnly,
    TrAdaBoost,
    TrBagging,
)
from skdtl.datasets import make_shifted_classification

RESULTS = Path(__file__).parent / "results" / "shifts.md"
SHIFTS = ["covariate", "measurement", "concept", "spurious"]
N_SEEDS, N_LABELS = 5, 20

# (estimator from a seed, whether it is given target labels)
METHODS = [
    (lambda seed: SourceOnly(LogisticRegression()), False),
    (lambda seed: BIW(LogisticRegression()), False),
    (lambda seed: KLIEP(LogisticRegression(), random_state=seed), False),
    (lambda seed: RULSIF(LogisticRegression(), random_state=seed), False),
    (lambda seed: KMM(LogisticRegression(), random_state=seed), False),
    (lambda seed: DiscriminatorWeighting(LogisticRegression()), False),
    (lambda seed: NearestNeighborWeighting(LogisticRegression()), False),
    (lambda seed: TCA(estimator=LogisticRegression()), False),
    (lambda seed: SSTCA(estimator=LogisticRegression()), False),
    (lambda seed: TJM(estimator=LogisticRegression()), False),
    (lambda seed: JDA(estimator=LogisticRegression()), False),
    (lambda seed: BDA(mu=1.0, estimator=LogisticRegression()), False),
    (lambda seed: JGSA(estimator=LogisticRegression()), False),
    (lambda seed: CORAL(estimator=LogisticRegression()), False),
    (lambda seed: SubspaceAlignment(estimator=LogisticRegression()), False),
    (lambda seed: GFK(estimator=LogisticRegression()), False),
    (lambda seed: LinearOTMapping(LogisticRegression()), False),
    (lambda seed: OTMapping(LogisticRegression()), False),
    (lambda seed: JDOT(LogisticRegression()), False),
    (lambda seed: DDC(random_state=seed), False),
    (lambda seed: DANN(random_state=seed), False),
    (lambda seed: TargetOnly(LogisticRegression()), True),
    (lambda seed: BIW(LogisticRegression()), True),
    (lambda seed: TrAdaBoost(LogisticRegression(), random_state=seed), True),
    (lambda seed: Festra(LogisticRegression(), random_state=seed), True),
    (lambda seed: TrBagging(LogisticRegression(), random_state=seed), True),
    (lambda seed: MTLF(random_state=seed), True),
    (lambda seed: FineTuning(random_state=seed), True),
]


def accuracy(make, labelled, shift, seed):
    """Accuracy of one method on one draw of one task."""
    data = make_shifted_classification(shift, 500, 1000, random_state=seed)
    yt = np.full(500, np.nan)
    if labelled:
        for label in (0, 1):
            yt[np.flatnonzero(data.yt[:500] == label)[: N_LABELS // 2]] = label
    model = make(seed).fit(data.Xs, data.ys, data.Xt[:500], yt)
    return np.mean(model.predict(data.Xt[500:]) == data.yt[500:])


def main():
    """Print the table and write it."""
    lines = [
        f"| method | target labels | {' | '.join(SHIFTS)} |",
        "| --- " * (len(SHIFTS) + 2) + "|",
    ]
    print("\n".join(lines))
    for make, labelled in METHODS:
        cells = []
        for shift in SHIFTS:
            scores = [accuracy(make, labelled, shift, seed) for seed in range(N_SEEDS)]
            cells.append(f"{np.mean(scores):.2f} ± {np.std(scores, ddof=1):.2f}")
        name = type(make(0)).__name__
        labels = N_LABELS if labelled else "none"
        lines.append(f"| {name} | {labels} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("# " + __doc__ + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
