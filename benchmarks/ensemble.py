"""The vote of several adaptations: what it gains, what it loses, and what adaptation adds to it.

TransferEnsemble at its defaults on all tasks of [_tasks.py](../_tasks.py): published tables whose
domains are real, bundled ones with one made shift each, and random halves of tables, where nothing
has shifted. All columns are standardised over the training rows of both domains (word counts are
not). Without target labels, and with 20. A score is in points, 0 to 100, on target rows that
took no part: what the task's literature judges by, and for numbers 100 / (1 + MSE / variance), so
that the mean of the target has about 50. A cell is a task and one of three draws; with labels
there is one, since candidates are weighed by labels that are held out, which takes six times as
long.

Everything is read from one fit, since the candidates hold the references: "linear" is logistic or
ridge regression on the source, or with labels on the labelled rows of both domains; "the learners"
is the equal vote of all learners on these rows, without any adaptation; "linear alone" is the vote
of the candidates around the linear learner, as `estimator=` would have it.

*Gain* is the mean difference over cells, *losses* are cells with more than a point less, *worst* is
the worst cell. "better learner" is that of the linear one and trees which is better in the mean
over the row's cells. "adaptation" is the gain over the learners' vote: what is added by adaptation
itself.

    SKDTL_DATA=... make benchmark-ensemble

Weights and candidates were chosen by half A, whose families of tables are none of half B's; that
class shares change no further than chance allows, by digits of two collections, which are in
neither, and half A.

## Without labels

{labels_0}

## With 20 labels

{labels_20}

## By family, without labels

{families_0}

## By family, with 20 labels

{families_20}

## Agreement as an estimate of accuracy

The mean agreement on the target rows given in training, without labels, beside the accuracy on the
test rows; classification tasks that are judged by accuracy.

{agreement}
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import product

import numpy as np
import scipy.sparse as sp
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import mean, table
from _tasks import TASKS
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from skdtl import TransferEnsemble, TransferEnsembleRegressor

# Draws by the number of target labels: with labels every candidate is fitted six times.
DRAWS = {0: 3, 20: 1}
METHOD = "TransferEnsemble"
KINDS = {"classification": TransferEnsemble, "regression": TransferEnsembleRegressor}


# -- what is fitted and scored ---------------------------------------------------------------------


def draw(task, n_labels, seed):
    """Return a draw of a task with some target labels, standardised."""
    rows = task.draw(seed)
    Xs, Xt, X_test = rows.Xs, rows.Xt, rows.X_test
    if task.scale:
        scaler = StandardScaler().fit(np.concatenate([Xs, Xt]))
        Xs, Xt, X_test = (scaler.transform(X) for X in (Xs, Xt, X_test))
    else:  # words of texts, as text vectorizers give them
        Xs, Xt, X_test = (sp.csr_array(X) for X in (Xs, Xt, X_test))
    yt = rows.labels(n_labels) if n_labels else None
    return Draw(Xs, rows.ys, Xt, yt, X_test, rows.y_test)


def points(task, opinion, y):
    """Score class probabilities, or numbers."""
    if task.metric == "skill":
        return 100 / (1 + np.mean((opinion - y) ** 2) / np.var(y))
    if task.metric == "roc_auc":
        return 100 * roc_auc_score(y, opinion[:, 1])
    guessed = opinion.argmax(axis=1)
    if task.metric == "balanced_accuracy":
        return 100 * balanced_accuracy_score(y, guessed)
    return 100 * np.mean(guessed == y)


def scores(task, model, rows):
    """Score the vote, all candidates, and votes of some of them."""
    names = model.candidates_["name"].tolist()
    if task.metric == "skill":
        whole = model.predict(rows.X_test)
        opinions = voting = np.array([each.predict(rows.X_test) for each in model.estimators_])
    else:
        whole = model.predict_proba(rows.X_test)
        opinions = np.zeros((len(names), *whole.shape))
        for opinion, each in zip(opinions, model.estimators_):
            opinion[:, each.classes_] = each.predict_proba(rows.X_test)
        voting = np.maximum(opinions, 1e-6) ** model.sharpness_[:, None, None]
        voting /= voting.sum(axis=2, keepdims=True)
    score = partial(points, task, y=rows.y_test)
    plain = [name.startswith(("source", "pooled, ")) and "balanced" not in name for name in names]
    linear = model.weights_ * [name.endswith("linear") for name in names]
    found = {
        "vote": score(whole),
        "learners": score(opinions[plain].mean(axis=0)),
        "linear alone": score(np.tensordot(linear / linear.sum(), voting, 1)),
        "agreement": 100 * model.agreement_.mean(),
    }
    found |= {name: score(opinion) for name, opinion in zip(names, opinions)}
    return {name: round(value, 2) for name, value in found.items()}


def benchmark_task(task, n_labels):
    """Return a task of the protocol as one of the harness."""
    return Task(
        f"{task.name}, {n_labels} labels",
        partial(draw, task, n_labels),
        {METHOD: Method(KINDS[task.kind]())},
        partial(scores, task),
        seeds=DRAWS[n_labels],
    )


def enough_rows(task, n_labels):
    """Whether a task's target has so many rows for training in every draw."""
    return not n_labels or task.name not in ("iris/proportions", "wine/proportions")


# -- the tables ------------------------------------------------------------------------------------

ROWS = {
    "real": lambda task: task.shift == "real",
    "made": lambda task: task.shift.startswith("made"),
    "real and made": lambda task: task.shift != "none",
    "none": lambda task: task.shift == "none",
}


def cells(lines, n_labels, wanted):
    """Return the scores of all fits to the wanted tasks, by family."""
    found = defaultdict(list)
    for task in TASKS.values():
        if wanted(task):
            for line in lines.of(f"{task.name}, {n_labels} labels", METHOD):
                found[task.family].append(line["scores"])
    return found


def column(fits, name):
    """Return the points of a reference, of a candidate, or of the vote."""
    prefix = "" if name in fits[0] else "source, " if "source, linear" in fits[0] else "pooled, "
    return np.array([fit[prefix + name] for fit in fits])


def facts(fits):
    """Return what a row says of some fits."""
    vote, linear, trees, plain = (
        column(fits, name) for name in ("vote", "linear", "trees", "learners")
    )
    gain = vote - linear
    return {
        "cells": len(fits),
        "linear": mean(linear),
        "gain": mean(gain, sign="+"),
        "losses": f"{100 * np.mean(gain < -1):.0f} %",
        "worst": f"{gain.min():+.1f}",
        "over better learner": mean(vote - max(linear, trees, key=np.mean), sign="+"),
        "the learners": mean(plain - linear, sign="+"),
        "adaptation": mean(vote - plain, sign="+"),
        "linear alone": mean(column(fits, "linear alone") - linear, sign="+"),
    }


def by_half(n_labels, lines):
    """Return a row for each half, kind of task and kind of shift."""
    found = []
    for kind, half, words in product(KINDS, ("A", "B"), ROWS):
        of = cells(lines, n_labels, partial(_belongs, kind, half, ROWS[words]))
        fits = [fit for fits in of.values() for fit in fits]
        if fits:
            found.append({"": kind, "half": half, "shift": words, **facts(fits)})
    return table(found, {name: lambda row, name=name: row[name] for name in found[0]})


def _belongs(kind, half, shift, task):
    return task.kind == kind and task.half == half and shift(task)


def by_family(n_labels, lines):
    """Return a row for each table, over its tasks with a shift."""
    of = cells(lines, n_labels, ROWS["real and made"])
    half = {task.family: task.half for task in TASKS.values()}
    found = [{"family": family, "half": half[family], **facts(fits)} for family, fits in of.items()]
    found.sort(key=lambda row: row["half"])
    return table(found, {name: lambda row, name=name: row[name] for name in found[0]})


def agreements(lines):
    """Return the mean agreement beside the accuracy, by family."""
    of = cells(lines, 0, lambda task: task.metric == "accuracy")
    pairs = {name: (column(fits, "agreement"), column(fits, "vote")) for name, fits in of.items()}
    agreement, accuracy = (np.concatenate(part) for part in zip(*pairs.values()))
    off = np.abs(agreement - accuracy).mean()
    text = table(
        pairs.items(),
        {
            "family": lambda pair: pair[0],
            "agreement": lambda pair: mean(pair[1][0]),
            "accuracy": lambda pair: mean(pair[1][1]),
        },
    )
    correlation = np.corrcoef(agreement, accuracy)[0, 1]
    return f"{text}\n\nOver cells: correlation {correlation:.2f}, mean distance {off:.1f} points."


TABLES = {
    **{f"labels_{n}": partial(by_half, n) for n in DRAWS},
    **{f"families_{n}": partial(by_family, n) for n in (0, 20)},
    "agreement": agreements,
}
BENCHMARK = Benchmark(
    __file__,
    __doc__,
    [benchmark_task(task, n) for n in DRAWS for task in TASKS.values() if enough_rows(task, n)],
    TABLES,
)

if __name__ == "__main__":
    BENCHMARK.main()
