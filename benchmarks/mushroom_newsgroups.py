"""TrAdaBoost on mushrooms and newsgroups, 1 % of the target labelled

The tasks of its paper: mushrooms and three pairs of newsgroups. Target accuracy in %, mean ±
standard error of 10 draws of the labelled target rows (46, 46, 36, 40, 38 rows in the order of the
columns, 1 % of each class), over all other target rows. At most 50 rounds. Base learners: a tree of
depth 1, or logistic regression (the paper has a linear SVM) with scikit-learn's default C = 1.
Mushrooms are one-hot; word counts are log(1 + count), rows scaled to norm 1. Settings are the same
for all seeds and fixed beforehand. Reads the folder that SKDTL_DATA names.

    SKDTL_DATA=... make benchmark-mushroom_newsgroups

{table}

## What the numbers say

* TrAdaBoost is above source-only, target-only and the pooled rows in all five columns, mostly by
  far: the pooled fit hardly sees the few target rows among thousands of source rows.
* "All rounds" is the paper's setting, early_stopping=False and voting="hard". Rounds that end
  early, the default, reach it in three columns, and lose a point with the tree and three on
  sci-talk, where 38 held-out rows don't show the best round in all draws.
* With logistic regression the initial weights have the merit of it, not boosting. Half of the
  weight on 36 to 46 target rows is enough for a linear model of many features to get each of them
  right in the first round (see the last row: rounds kept), and a learner without error ends the
  boosting: all rounds then *are* the fit to both domains with equal total weights. Going on, with
  source rows losing weight and no target row gaining any, was tried on three of the tasks and lost
  .000 to .020 accuracy. With uniform initial weights a few rounds are needed to get there and the
  gain is smaller.
* With the tree of depth 1 on mushrooms, boosting does the work: the source's best single
  question is wrong on most of the target (source-only is far below one half), and the vote is above
  the equally weighted fit. With uniform initial weights the first tree is the source's own and
  worse than chance on the target, so that the fallback, a tree of the target alone, is all that
  remains.
* The drift correction changes nothing where one round is kept.
"""

from functools import lru_cache, partial

import numpy as np
import scipy.sparse as sp
from _harness import Benchmark, Draw, Method, Task
from _harness.fits import of_each_class, on_both, with_equal_weights
from _harness.tables import grid, mean, percent
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.tree import DecisionTreeClassifier

from skdtl import SourceOnly, TargetOnly, TrAdaBoost
from skdtl.datasets import load_mushroom, load_newsgroups

TREE = DecisionTreeClassifier(max_depth=1, random_state=0)
LOGISTIC = LogisticRegression(max_iter=1000)


@lru_cache(maxsize=1)
def words(name):
    data = load_newsgroups(name)
    data.Xs, data.Xt = (normalize(sp.csr_array(X).log1p()) for X in (data.Xs, data.Xt))
    return data


def draw(load, seed):
    data = load()
    labelled = of_each_class(data.yt, lambda n: round(0.01 * n), seed)
    rest = np.setdiff1d(np.arange(len(data.yt)), labelled)
    return Draw(
        data.Xs, data.ys, data.Xt[labelled], data.yt[labelled], data.Xt[rest], data.yt[rest]
    )


def rounds(model, draw):
    return {"rounds": len(model.estimators_)}


def tradaboost(**options):
    """All rounds and hard votes, as the paper has them."""
    published = {"n_estimators": 50, "early_stopping": False, "voting": "hard"}
    return Method(partial(TrAdaBoost, **published, **options), figures=rounds)


METHODS = {
    "source-only": Method(SourceOnly),
    "target-only": Method(TargetOnly),
    "both, pooled": Method(lambda learner: learner, on_both),
    "both, domains of equal weight": Method(lambda learner: learner, with_equal_weights),
    "TrAdaBoost": Method(TrAdaBoost, figures=rounds),
    "all rounds": tradaboost(),
    "all rounds, uniform initial weights": tradaboost(initial_weights="uniform"),
    "all rounds, last half votes": tradaboost(vote="last_half"),
    "all rounds, drift correction": tradaboost(weight_drift_correction=True),
}
LOADS = {
    "mushroom, depth-1 tree": (load_mushroom, TREE),
    "mushroom, logistic": (load_mushroom, LOGISTIC),
    **{
        f"{name}, logistic": (partial(words, name), LOGISTIC)
        for name in ("rec-talk", "rec-sci", "sci-talk")
    },
}
TASKS = [
    Task(name, partial(draw, load), METHODS, setting=learner, seeds=10)
    for name, (load, learner) in LOADS.items()
]
# Method -> the name of a row with its mean number of rounds.
ROUNDS = {
    name: f"*rounds that {words} kept, mean*"
    for name, words in (("TrAdaBoost", "TrAdaBoost"), ("all rounds", '"all rounds"'))
}


def accuracies(lines):
    def cell(row, task):
        if row in ROUNDS.values():
            method = next(name for name, found in ROUNDS.items() if found == row)
            return mean(lines.scores(task, method, "rounds"))
        return percent(lines.scores(task, row))

    return grid("", [*METHODS, *ROUNDS.values()], list(LOADS), cell)


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": accuracies})

if __name__ == "__main__":
    BENCHMARK.main()
