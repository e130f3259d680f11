"""What TrAdaBoost costs beyond its N base fits: the same rows and weights, fitted bare.

20 000 source rows, 1 000 target rows, 20 features. A fit of TrAdaBoost is timed against fits of as
many clones of the base learner with the weights that its rounds had, in turns in one process (CPU
time, the least of the turns). Writes benchmarks/results/tradaboost_speed.md.

    make benchmark-tradaboost_speed
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skdtl import TrAdaBoost
from skdtl.instances._boosting import source_factor, tradaboost_update

RESULTS = Path(__file__).parent / "results" / "tradaboost_speed.md"
N_SOURCE, N_TARGET, N_FEATURES = 20_000, 1_000, 20
REPEATS = 5

# name: (base learner, rounds)
LEARNERS = {
    "tree of depth 1": (DecisionTreeClassifier(max_depth=1), 10),
    "tree of depth 6": (DecisionTreeClassifier(max_depth=6), 5),
    "logistic regression": (LogisticRegression(), 10),
    "HistGradientBoosting, 20 trees": (HistGradientBoostingClassifier(max_iter=20), 3),
}


def make_data(seed=0):
    """Return a source of which half follows another concept, with 20 % wrong labels."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(N_SOURCE, N_FEATURES)), rng.normal(size=(N_TARGET, N_FEATURES))
    of_target = rng.random(N_SOURCE) < 0.5
    ys = np.where(of_target, Xs[:, 0] + Xs[:, 1] > 0, Xs[:, 2] - Xs[:, 3] > 0)
    yt = Xt[:, 0] + Xt[:, 1] > 0
    return Xs, ys ^ (rng.random(N_SOURCE) < 0.2), Xt, yt ^ (rng.random(N_TARGET) < 0.2)


def weights_of_rounds(estimator, X, y, n_rounds):
    """Return the weights under which TrAdaBoost fits in each round."""
    weights = np.repeat([0.5 / N_SOURCE, 0.5 / N_TARGET], [N_SOURCE, N_TARGET])
    beta, rounds = source_factor(N_SOURCE, n_rounds), []
    for _ in range(n_rounds):
        weights = weights / weights.mean()
        rounds.append(weights)
        wrong = clone(estimator).fit(X, y, sample_weight=weights).predict(X) != y
        weights, _, _ = tradaboost_update(weights, wrong, N_SOURCE, beta)
    return rounds


def cpu(function):
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def main():
    Xs, ys, Xt, yt = make_data()
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    lines = [
        "# What TrAdaBoost costs beyond its base fits",
        "",
        "`make benchmark-tradaboost_speed`",
        "",
        f"{N_SOURCE} source and {N_TARGET} target rows, {N_FEATURES} features, one thread; CPU "
        "time of a whole fit (validation, predictions of all rows in each round, weights) against "
        "that of the same number of bare fits on the same rows and weights, the least of "
        f"{REPEATS} turns. A last learner that is no better than chance is not kept, but counts.",
        "",
        "| base learner | fits | bare fits, s | TrAdaBoost, s | ratio |",
        "|---|---|---|---|---|",
    ]
    for name, (estimator, n_rounds) in LEARNERS.items():
        estimator = clone(estimator)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=0)
        model = TrAdaBoost(estimator, n_estimators=n_rounds, random_state=0).fit(Xs, ys, Xt, yt)
        n_fits = min(len(model.estimators_) + 1, n_rounds)
        rounds = weights_of_rounds(estimator, X, y, n_rounds)[:n_fits]

        def bare(estimator=estimator, rounds=rounds):
            for weights in rounds:
                clone(estimator).fit(X, y, sample_weight=weights)

        def boosted(model=model):
            model.fit(Xs, ys, Xt, yt)

        turns = [(cpu(bare)[0], cpu(boosted)[0]) for _ in range(REPEATS)]
        fits, whole = (min(times) for times in zip(*turns))  # what other jobs disturb least
        lines.append(f"| {name} | {n_fits} | {fits:.2f} | {whole:.2f} | {whole / fits:.2f} |")
        print(lines[-1])
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
