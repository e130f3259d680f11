"""What TrAdaBoost costs beyond its base fits

20000 source and 1000 target rows, 20 features, one thread; CPU time of a whole fit (validation,
predictions of all rows in each round, weights) against that of the same number of bare fits on the
same rows and weights, in turns in one process, the least of 5 turns. A last learner that is no
better than chance is not kept, but counts.

    make benchmark-tradaboost_speed

{table}
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.fits import rows_of_both
from _harness.tables import table
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skdtl import TrAdaBoost
from skdtl.instances._boosting_rounds import source_factor, tradaboost_update

N_SOURCE, N_TARGET, N_FEATURES = 20_000, 1_000, 20

# name: (base learner, rounds)
LEARNERS = {
    "tree of depth 1": (DecisionTreeClassifier(max_depth=1, random_state=0), 10),
    "tree of depth 6": (DecisionTreeClassifier(max_depth=6, random_state=0), 5),
    "logistic regression": (LogisticRegression(random_state=0), 10),
    "HistGradientBoosting, 20 trees": (
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
        3,
    ),
}


@dataclass
class Rounds(Draw):
    """Rows, and the weights under which TrAdaBoost fits in each round."""

    weights: tuple = ()


def draw(learner, n_rounds, seed):
    """Draw a source of which half follows another concept, with 20 % wrong labels."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(N_SOURCE, N_FEATURES)), rng.normal(size=(N_TARGET, N_FEATURES))
    of_target = rng.random(N_SOURCE) < 0.5
    ys = np.where(of_target, Xs[:, 0] + Xs[:, 1] > 0, Xs[:, 2] - Xs[:, 3] > 0)
    yt = Xt[:, 0] + Xt[:, 1] > 0
    ys, yt = ys ^ (rng.random(N_SOURCE) < 0.2), yt ^ (rng.random(N_TARGET) < 0.2)
    model = TrAdaBoost(learner, n_estimators=n_rounds, random_state=0).fit(Xs, ys, Xt, yt)
    n_fits = min(len(model.estimators_) + 1, n_rounds)
    X, y = rows_of_both(Xs, Xt), np.concatenate([ys, yt])
    weights = weights_of_rounds(learner, X, y, n_rounds)[:n_fits]
    return Rounds(Xs, ys, Xt, yt, Xt, yt, weights=weights)


def weights_of_rounds(learner, X, y, n_rounds):
    weights = np.repeat([0.5 / N_SOURCE, 0.5 / N_TARGET], [N_SOURCE, N_TARGET])
    beta, rounds = source_factor(N_SOURCE, n_rounds), []
    for _ in range(n_rounds):
        weights = weights / weights.mean()
        rounds.append(weights)
        wrong = clone(learner).fit(X, y, sample_weight=weights).predict(X) != y
        weights, _, _ = tradaboost_update(weights, wrong, N_SOURCE, beta)
    return rounds


def bare(learner, draw):
    """Fit the same rows and weights."""
    X, y = rows_of_both(draw.Xs, draw.Xt), np.concatenate([draw.ys, draw.yt])
    for weights in draw.weights:
        model = clone(learner).fit(X, y, sample_weight=weights)
    return model


TASKS = [
    Task(
        name,
        partial(draw, learner, n_rounds),
        {
            "bare fits": Method(
                learner, bare, figures=lambda model, draw: {"fits": len(draw.weights)}
            ),
            "TrAdaBoost": TrAdaBoost(learner, n_estimators=n_rounds),
        },
        turns=5,
    )
    for name, (learner, n_rounds) in LEARNERS.items()
]


def times(lines):
    def least(task, method):
        return lines.seconds(task, method).min()

    return table(
        LEARNERS,
        {
            "base learner": str,
            "fits": lambda task: f"{lines.scores(task, 'bare fits', 'fits')[0]:.0f}",
            "bare fits, s": lambda task: f"{least(task, 'bare fits'):.2f}",
            "TrAdaBoost, s": lambda task: f"{least(task, 'TrAdaBoost'):.2f}",
            "ratio": lambda task: f"{least(task, 'TrAdaBoost') / least(task, 'bare fits'):.2f}",
        },
    )


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": times})

if __name__ == "__main__":
    BENCHMARK.main()
