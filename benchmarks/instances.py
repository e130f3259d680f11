"""Every method that weights source rows, and its baselines, on five data sets with a domain shift.

Reads the folder that SKDTL_DATA names; writes benchmarks/results/instances.md. For each seed the
target's rows are split anew: a few get labels, half of the others are seen without labels, and the
rest is what the scores are measured on. Where there are several sources (hospitals, cohorts,
thirds), the methods that can tell them apart are told. Settings are the classes' defaults but for
the learner, the number of rounds, voting by probabilities (after a look at some draws of the
hospitals) and the number of neighbours (after one draw), and the same for all seeds.

    SKDTL_DATA=... make benchmark-instances

Options restrict the run to some methods or tables and then print without writing:

    python benchmarks/instances.py --methods TrAdaBoost KMM --tables heart
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.base import clone, is_classifier
from sklearn.ensemble import AdaBoostRegressor, ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.tree import DecisionTreeClassifier

import skdtl
from skdtl.datasets import (
    load_breast_expression,
    load_heart_disease,
    load_mushroom,
    load_newsgroups,
    load_regression_thirds,
)

RESULTS = Path(__file__).parent / "results" / "instances.md"
SEEDS = range(10)
N_ROUNDS = 20
LOGISTIC = LogisticRegression(max_iter=1000)
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
FOREST = ExtraTreesRegressor(10, max_depth=8, random_state=0)


@dataclass
class Task:
    """Sources and a target, a learner and a score."""

    table: str
    name: str
    Xs: Any
    ys: np.ndarray
    source_ids: np.ndarray
    Xt: Any
    yt: np.ndarray
    learner: Any
    n_labelled: int
    score: str


REMARKS = """\
## What the numbers say

* **No method is best everywhere, and the plain baselines are strong.** The better of two fits, the
  learner on the pooled rows of both domains and the same with half of the weight on each domain,
  is at or near the best in the hospitals and on mushrooms, and behind by 2 to 6 points on
  newsgroups and tumours. It costs milliseconds: fit it first.
* **Where the source is right, trust it.** Between hospitals a patient means much the same, and
  the source alone is hard to beat with 20 labels (77.2; pooled 77.4). There density ratios are
  the only weights that gain (ULSIF 78.0, RULSIF 77.8), and boosting on 20 target rows loses: half
  of the weight on so few rows is overfitting, whichever way it is boosted. Of the boosting
  methods those that draw rows (TrMultiBoosting 76.7, TrBagging 76.2) lose least.
* **Where the source misleads, move weight to the target.** On mushrooms and newsgroups the source
  alone fails, and the share of the weight that the few target rows get is what matters: the
  pooled rows weighted equally by domain, TrAdaBoost and its kin are all near the top. With
  logistic regression TrAdaBoost *is* the equally weighted fit there, since its first learner
  makes no error on the target; with the tree on mushrooms boosting adds 1.6 points.
* **TrResampling and its kin win on the newsgroups by their candidates**: multinomial naive Bayes
  suits word counts, and the target's labels find that out (93.1 against 89.5). On breast tumours
  TrBagging is the best ensemble (86.7).
* **MTLF** is the best on breast tumours (86.9), where nearest neighbours are the right model
  (86.6 on the pooled rows), and improves on them by far on the newsgroups (85.1 against 65.0), in
  the hospitals (73.8 against 69.8) and for numbers (6.11 against 6.53), without reaching the best
  where they are the wrong one.
* **MultiSourceTrAdaBoost** gains over TrAdaBoost on breast tumours (85.4 against 84.2) and loses
  in the hospitals (70.2 against 74.4): to find the better of several sources by 20 labels is a
  gamble. **TaskTrAdaBoost** is for fast adaptation to new targets, not for accuracy. **ExpBoost**
  needs a source that fits as a whole; none does here.
* **Festra** keeps all columns of the newsgroups and tumours and nearly all of the mushrooms and
  is TrAdaBoost there; in the hospitals it drops 2 to 9 of 23 columns and is level with TrAdaBoost
  (74.1 against 74.4). It needs columns that were measured otherwise.
* **Density ratios assume that only the rows' spread has changed.** On newsgroups the domains
  hardly overlap: few source rows look like the target, and these are mostly of one class (on
  rec-talk the discriminator's weights amount to 6 effective rows of 3671, 89 % of their weight in
  one class), and the sharper the ratio, the worse (DiscriminatorWeighting 50.2, KMM 75.8, BIW
  62.2 against 79.7 for the source alone); a larger `alpha` helps some. The bounded or smooth ones
  (RULSIF, ULSIF, KLIEP) do no harm to speak of.
* **Numbers**: TrAdaBoostR2 has the best mean rank (3.0), then AdaBoost.R2 on both domains (4.1,
  and the best mean RMSE); equal weights for the domains take most of the gain at a fraction of
  the cost.
* With 20 to 46 labelled rows the standard errors are often as large as the differences: mean
  ranks within about two of each other are no difference.

## Which to recommend

| situation | take |
|---|---|
| no target labels, rows mean the same in both domains | RULSIF, ULSIF; KLIEP for few features |
| a few labels, the source alone is good | pooled rows, RULSIF; don't boost |
| a few labels, the source alone is bad | domains of equal weight, then TrAdaBoost |
| it is unclear which learner suits | TrBagging or TrMultiBoosting with candidates |
| nearest neighbours are the right model | MTLF |
| several large sources of which some mislead as a whole | MultiSourceTrAdaBoost |
| new targets again and again | TaskTrAdaBoost |
| some columns were measured otherwise | Festra |
| numbers | TrAdaBoostR2 |
"""

SCORES = {
    "accuracy": accuracy_score,
    "balanced accuracy": balanced_accuracy_score,
    "ROC AUC": roc_auc_score,
    "RMSE": root_mean_squared_error,
}


# -- the tasks ------------------------------------------------------------------------------------


def mushroom_tasks():
    data = load_mushroom()
    ids = np.ones(len(data.ys), dtype=int)
    for name, learner in (("tree", TREE), ("logistic", LOGISTIC)):
        yield Task(
            "mushroom", name, data.Xs, data.ys, ids, data.Xt, data.yt, learner, 46, "accuracy"
        )


def newsgroup_tasks():
    for name in ("rec-talk", "rec-sci", "sci-talk"):
        data = load_newsgroups(name)
        Xs, Xt = (normalize(sp.csr_array(X).log1p()) for X in (data.Xs, data.Xt))
        ids = np.ones(len(data.ys), dtype=int)
        n_labelled = round(0.01 * len(data.yt))
        yield Task(
            "newsgroups", name, Xs, data.ys, ids, Xt, data.yt, LOGISTIC, n_labelled, "accuracy"
        )


def domains_of(load, names):
    """Return {name: (X, y)} from a reader of pairs."""
    found = {}
    for source, target in permutations(names, 2):
        data = load(source, target)
        found[source] = data.Xs, data.ys
    return found


def several_sources(domains, target):
    """Return Xs, ys, source ids, Xt, yt with every other domain as a source."""
    sources = [name for name in domains if name != target]
    Xs = np.concatenate([domains[name][0] for name in sources])
    ys = np.concatenate([domains[name][1] for name in sources])
    ids = np.repeat(np.arange(1, len(sources) + 1), [len(domains[name][1]) for name in sources])
    return Xs, ys, ids, *domains[target]


def heart_tasks():
    domains = domains_of(load_heart_disease, ("cleveland", "hungarian", "switzerland", "va"))
    for target in domains:
        Xs, ys, ids, Xt, yt = several_sources(domains, target)
        # Whether a measurement was taken says much about a patient, and about a hospital.
        impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        scale = StandardScaler()
        X = scale.fit_transform(impute.fit_transform(np.concatenate([Xs, Xt])))
        for name, learner in (("logistic", LOGISTIC), ("tree", TREE)):
            yield Task(
                "heart",
                f"{target}, {name}",
                X[: len(ys)],
                ys,
                ids,
                X[len(ys) :],
                yt,
                learner,
                20,
                "ROC AUC",
            )


def breast_tasks():
    domains = {
        name: (StandardScaler().fit_transform(SimpleImputer().fit_transform(X)), y)
        for name, (X, y) in domains_of(load_breast_expression, ("nki", "vdx", "expo")).items()
    }
    for target in domains:
        data = several_sources(domains, target)
        yield Task("breast", target, *data, LOGISTIC, 20, "balanced accuracy")


def regression_tasks():
    for table in ("concrete", "boston", "autompg"):
        for target in (1, 2, 3):
            data = load_regression_thirds(table, target)
            scale = StandardScaler().fit(np.concatenate([data.Xs, data.Xt]))
            yield Task(
                "regression",
                f"{table} {target}",
                scale.transform(data.Xs),
                data.ys,
                data.source_ids,
                scale.transform(data.Xt),
                data.yt,
                FOREST,
                25,
                "RMSE",
            )


TABLES = {
    "mushroom": mushroom_tasks,
    "newsgroups": newsgroup_tasks,
    "heart": heart_tasks,
    "breast": breast_tasks,
    "regression": regression_tasks,
}
TITLES = {
    "mushroom": "Mushrooms: other stalks, 46 labelled target rows, accuracy in %",
    "newsgroups": "Newsgroups: other subgroups, 1 % of the target labelled, accuracy in %",
    "heart": "Heart disease: one hospital from three others, 20 labelled patients, ROC AUC in %",
    "breast": "Breast tumours: one cohort from two others, 20 labelled, balanced accuracy in %",
    "regression": "Concrete, house prices, cars: a third from two others, 25 labelled rows, RMSE",
}


# -- the methods ----------------------------------------------------------------------------------


class Pooled:
    """The learner itself on the labelled rows of both domains, or of one of them."""

    def __init__(self, learner, *, source=True, equal=False):
        self.learner, self.source, self.equal = learner, source, equal

    def fit(self, X, y, sample_domain):
        y = np.asarray(y)
        known = y == y if y.dtype.kind == "f" else y != None  # noqa: E711
        rows = known if self.source else known & (sample_domain < 0)
        from_source = sample_domain[rows] > 0
        weights = {}
        if self.equal:
            n, n_s = len(from_source), from_source.sum()
            weights = {"sample_weight": np.where(from_source, n / 2 / n_s, n / 2 / (n - n_s))}
        labels = y[rows].tolist()
        self.model = clone(self.learner).fit(X[rows], labels, **weights)
        return self

    def __getattr__(self, name):
        return getattr(self.__dict__["model"], name)


def nearest(task):
    return KNeighborsClassifier(5) if is_classifier(task.learner) else KNeighborsRegressor(5)


def boosted(name, task, seed):
    return getattr(skdtl, name)(task.learner, n_estimators=N_ROUNDS, random_state=seed)


def soft(name, task, seed):
    """Boosting whose learners divide their votes, which a ranking needs."""
    return boosted(name, task, seed).set_params(voting="soft")


def two_stage(task, seed):
    return skdtl.TwoStageTrAdaBoostR2(task.learner, n_estimators=5, n_steps=6, random_state=seed)


def candidates(name, task, seed):
    """Resampling with the paper's candidates, a linear model with probabilities for its SVM."""
    # A tree over tens of thousands of words takes longer than all else here.
    known = [MultinomialNB(), LOGISTIC] if sp.issparse(task.Xs) else [GaussianNB(), TREE, LOGISTIC]
    return getattr(skdtl, name)(known, n_estimators=N_ROUNDS, voting="soft", random_state=seed)


def weighter(name, task, seed):
    return getattr(skdtl, name)(task.learner)


def seeded_weighter(name, task, seed):
    return getattr(skdtl, name)(task.learner, random_state=seed)


def metric(name, task, seed):
    return getattr(skdtl, name)(5, random_state=seed)


BASELINES = {
    "source only": lambda task, seed: skdtl.SourceOnly(task.learner),
    "target only": lambda task, seed: skdtl.TargetOnly(task.learner),
    "both, pooled": lambda task, seed: Pooled(task.learner),
    "both, equal weights": lambda task, seed: Pooled(task.learner, equal=True),
    "nearest neighbours, both": lambda task, seed: Pooled(nearest(task)),
}
WEIGHTERS = {
    "KMM": partial(seeded_weighter, "KMM"),
    "KLIEP": partial(seeded_weighter, "KLIEP"),
    "ULSIF": partial(seeded_weighter, "ULSIF"),
    "RULSIF": partial(seeded_weighter, "RULSIF"),
    "DiscriminatorWeighting": partial(weighter, "DiscriminatorWeighting"),
    "NearestNeighborWeighting": partial(weighter, "NearestNeighborWeighting"),
}
CLASSIFIERS = {
    **BASELINES,
    **{
        name: partial(soft, name)
        for name in ("TrAdaBoost", "MultiSourceTrAdaBoost", "TaskTrAdaBoost", "ExpBoost", "Festra")
    },
    **{
        name: partial(candidates, name) for name in ("TrResampling", "TrBagging", "TrMultiBoosting")
    },
    "MTLF": partial(metric, "MTLF"),
    "BIW": partial(weighter, "BIW"),
    **WEIGHTERS,
}
REGRESSORS = {
    **BASELINES,
    "AdaBoost.R2, target": lambda task, seed: Pooled(
        AdaBoostRegressor(task.learner, n_estimators=N_ROUNDS, random_state=seed), source=False
    ),
    "AdaBoost.R2, both": lambda task, seed: Pooled(
        AdaBoostRegressor(task.learner, n_estimators=N_ROUNDS, random_state=seed)
    ),
    "TrAdaBoostR2": partial(boosted, "TrAdaBoostR2"),
    "TwoStageTrAdaBoostR2": two_stage,
    "ExpBoostR2": partial(boosted, "ExpBoostR2"),
    "MTLFRegressor": partial(metric, "MTLFRegressor"),
    **WEIGHTERS,
}


# -- the runs -------------------------------------------------------------------------------------


def split(task, seed):
    """Return the labelled, the unlabelled and the test rows of the target."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(task.yt))
    if not is_classifier(task.learner):
        labelled, rest = rows[: task.n_labelled], rows[task.n_labelled :]
        return labelled, rest[::2], rest[1::2]
    # Two rows of each class at least, and otherwise as they come.
    classes = np.unique(task.yt)
    first = np.concatenate([rows[task.yt[rows] == label][:2] for label in classes])
    rows = np.concatenate([first, rows[~np.isin(rows, first)]])
    labelled, rest = rows[: task.n_labelled], rows[task.n_labelled :]
    # Each class is halved: of the healthy in Switzerland there are six left.
    rest = np.concatenate([rest[task.yt[rest] == label] for label in classes])
    return labelled, rest[::2], rest[1::2]


def run(task, name, seed):
    """Return the score of one method on one draw, and its CPU time."""
    labelled, unlabelled, test = split(task, seed)
    target = np.concatenate([labelled, unlabelled])
    yt = task.yt[target].astype(object)
    yt[len(labelled) :] = None
    if sp.issparse(task.Xs):
        X = sp.csr_array(sp.vstack([task.Xs, task.Xt[target]]))
    else:
        X = np.concatenate([task.Xs, task.Xt[target]])
    y = np.concatenate([task.ys.astype(object), yt])
    domain = np.concatenate([task.source_ids, np.full(len(target), -1)])
    methods = CLASSIFIERS if is_classifier(task.learner) else REGRESSORS
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = methods[name](task, seed).fit(X, y, sample_domain=domain)
    seconds = time.process_time() - started
    if task.score == "ROC AUC":
        if hasattr(model, "predict_proba"):
            predicted = model.predict_proba(task.Xt[test])[:, 1]
        else:
            predicted = model.decision_function(task.Xt[test])
    else:
        predicted = model.predict(task.Xt[test])
        if task.score != "RMSE":
            predicted = np.asarray(predicted, dtype=task.yt.dtype)
    return SCORES[task.score](task.yt[test], predicted), seconds


def table(name, methods):
    """Return the lines of one table."""
    tasks = list(TABLES[name]())
    known = CLASSIFIERS if is_classifier(tasks[0].learner) else REGRESSORS
    methods = [method for method in known if not methods or method in methods]
    jobs = [(task, method, seed) for task in tasks for method in methods for seed in SEEDS]
    found = Parallel(n_jobs=2, batch_size=1)(delayed(run)(*job) for job in jobs)
    shape = len(tasks), len(methods), len(SEEDS)
    scores = np.array([score for score, _ in found]).reshape(shape)
    seconds = np.array([second for _, second in found]).reshape(shape).mean(axis=(0, 2))
    lower_is_better = tasks[0].score == "RMSE"
    if not lower_is_better:
        scores = 100 * scores
    means = scores.mean(axis=2)
    errors = scores.std(axis=2, ddof=1) / np.sqrt(len(SEEDS))
    ranks = rankdata(means if lower_is_better else -means, axis=1).mean(axis=0)
    digits = 2 if lower_is_better else 1
    header = ["", *(task.name for task in tasks), "mean", "mean rank", "CPU s a fit"]
    lines = [f"## {TITLES[name]}", "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for m, method in enumerate(methods):
        cells = [f"{means[t, m]:.{digits}f} ± {errors[t, m]:.{digits}f}" for t in range(len(tasks))]
        summary = [f"{means[:, m].mean():.{digits}f}", f"{ranks[m]:.1f}", f"{seconds[m]:.2g}"]
        lines.append("| " + " | ".join([method, *cells, *summary]) + " |")
    return lines


def page(lines):
    """Return the page of results, with the tables' lines."""
    title, description = __doc__.split("\n\n", 1)
    head = [
        f"# {title}",
        "",
        description.split("\n\nOptions")[0],
        "",
        "Mean ± standard error of 10 seeds. *Mean rank*: the mean over the columns of a method's "
        "place in its column. *CPU*: a fit, one thread. *Pooled*, *equal weights*: the learner on "
        "the labelled rows of both domains, all rows alike or half of the total weight on each "
        f"domain. Boosting: at most {N_ROUNDS} rounds, classifiers vote by probabilities "
        "(voting='soft'). Learners: logistic regression, or a tree of depth 3 where a column says "
        "so; for numbers 10 extremely randomised trees of depth 8. TrResampling, TrBagging and "
        "TrMultiBoosting choose among naive Bayes, that tree and logistic regression (newsgroups: "
        "without the tree) whatever the column's learner is; MTLF and the nearest neighbours look "
        "at 5 neighbours. Mushrooms are one-hot; word counts are log(1 + count), rows scaled to "
        "norm 1; gaps in the hospitals' tables are filled with medians and marked by a column; "
        "expressions are standardised by cohort.",
        "",
    ]
    return "\n".join([*head, *lines, REMARKS])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--tables", nargs="*", choices=list(TABLES))
    options = parser.parse_args()
    lines = []
    for name in options.tables or TABLES:
        found = [*table(name, options.methods), ""]
        print("\n".join(found), flush=True)
        lines += found
    if not options.methods and not options.tables:
        RESULTS.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
