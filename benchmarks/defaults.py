"""Every method at its defaults on all tasks: does it serve, and does it harm where nothing shifted?

The tasks are those of _tasks.py: published tables, bundled ones with one made shift each, and
random halves of tables, where nothing has shifted. All columns are standardised over the training
rows of both domains (word counts are not); then each method is fitted at its defaults around the
learner, without target labels and with 20 and 50. A score is in points, 0 to 100, on target rows
that took no part: what the task's literature judges by, and for numbers 100 / (1 + MSE / variance),
so that the mean of the target has about 50.

Each fit is a line of a file of JSON lines; what is there already is not done again:

    SKDTL_DATA=... python benchmarks/defaults.py --lines lines.jsonl --labels 0 --learners linear
    python benchmarks/defaults.py --lines lines.jsonl --methods CORAL "TCA*" --again
    python benchmarks/defaults.py --lines lines.jsonl --table

The table compares means over a task's draws with the learner on the source alone, and where there
are labels also with the learner on the labelled rows of both domains: the mean difference over
tasks, and over tables (whose tasks are averaged first), on how many tasks it is above 1 and below
-1, the worst task, and the worst table without a shift. Defaults are chosen by half A alone.

results/defaults.jsonl holds one draw of the methods that need no target labels around the linear
learner, and results/defaults.md what --table prints of it.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
from _harness import RESULTS
from _harness.running import versions
from _harness.tables import table
from _tasks import TASKS, Draw
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from threadpoolctl import threadpool_limits

from skdtl.utils import all_estimators

LEARNERS = {
    "linear": {"classification": LogisticRegression(max_iter=1000), "regression": Ridge()},
    "boosting": {
        "classification": HistGradientBoostingClassifier(random_state=0),
        "regression": HistGradientBoostingRegressor(random_state=0),
    },
}
DUMMY = {"classification": DummyClassifier(strategy="prior"), "regression": DummyRegressor()}

# What is no class at its defaults: the class, what is set.
VARIANTS = {
    "Pooled, domains": ("Pooled", {"balance": "domains"}),
    "TCA, rbf": ("TCA", {"kernel": "rbf"}),
}
BASELINES = ("SourceOnly", "Pooled")
CHANCE = "chance"
LABELS = (0, 20, 50)


# -- what is fitted -------------------------------------------------------------------------------


def classes():
    """Return {name: class or variant's class} of all methods, networks last."""
    found = dict(all_estimators())
    found |= {name: found[of] for name, (of, _) in VARIANTS.items() if of in found}
    return dict(sorted(found.items(), key=lambda item: _is_network(item[1])))


def _is_network(cls):
    return "max_epochs" in cls().get_params(deep=False)


def make(name, learner, kind, seed):
    """Return a method around a learner, or None where it does not predict what the task asks."""
    if name == CHANCE:
        return classes()["SourceOnly"](DUMMY[kind])
    cls, options = classes()[name], dict(VARIANTS.get(name, (None, {}))[1])
    takes = cls().get_params(deep=False)
    if "estimator" in takes:
        options["estimator"] = LEARNERS[learner][kind]
    if "random_state" in takes:
        options["random_state"] = seed
    model = cls(**options)
    return model if is_classifier(model) == (kind == "classification") else None


def methods(n_labels, *, networks=False) -> list[str]:
    """Return the methods on which so many labels bear, baselines first."""

    def bears(name, cls):
        needs = get_tags(cls()).transfer_tags.target_labels
        if _is_network(cls) and not networks:
            return False
        if n_labels:
            return needs != "ignored"
        return needs != "required" and not name.startswith("Pooled")  # which is SourceOnly then

    found = [name for name, cls in classes().items() if bears(name, cls)]
    found.sort(key=lambda name: name not in BASELINES)
    return found if n_labels else [CHANCE, *found]


def prepared(task, seed, front) -> Draw:
    """Return a draw, standardised over the training rows of both domains or in each domain."""
    draw = task.draw(seed)
    if not task.scale and front == "all":
        return draw
    parts = [draw.Xs], [draw.Xt]
    if front == "all":
        parts = (draw.Xs, draw.Xt), (draw.Xs, draw.Xt)
    of_source, of_target = (StandardScaler().fit(np.concatenate(part)) for part in parts)
    return draw._replace(
        Xs=of_source.transform(draw.Xs),
        Xt=of_target.transform(draw.Xt),
        X_test=of_target.transform(draw.X_test),
    )


# -- a fit ----------------------------------------------------------------------------------------


class _TooLong(Exception):
    """A fit has used up its time."""


def _stop(signum, frame):
    raise _TooLong


def scores(model, draw, kind) -> dict[str, float]:
    """Return all scores that a task may be judged by."""
    predicted = model.predict(draw.X_test)
    if kind == "regression":
        error = root_mean_squared_error(draw.y_test, predicted)
        return {"skill": 1 / (1 + error**2 / np.var(draw.y_test)), "rmse": error}
    found = {
        "accuracy": accuracy_score(draw.y_test, predicted),
        "balanced_accuracy": balanced_accuracy_score(draw.y_test, predicted),
    }
    if len(np.unique(draw.ys)) == 2:
        if hasattr(model, "predict_proba"):
            ranks = model.predict_proba(draw.X_test)[:, 1]
        elif hasattr(model, "decision_function"):
            ranks = model.decision_function(draw.X_test)
        else:
            ranks = predicted
        found["roc_auc"] = roc_auc_score(draw.y_test, ranks)
    return found


def fit(key, draw, limit) -> dict | None:
    """Fit a method once and return its line; None where it is not for this kind of task."""
    line = dict(zip(KEY, key))
    kind = TASKS[line["task"]].kind
    model = make(line["method"], line["learner"], kind, line["seed"])
    if model is None:
        return None
    yt = draw.labels(line["labels"]) if line["labels"] else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.process_time()
        try:
            # Time in use by this process alone, so that a busy machine changes no result.
            signal.setitimer(signal.ITIMER_PROF, limit)
            model.fit(draw.Xs, draw.ys, draw.Xt, yt)
            signal.setitimer(signal.ITIMER_PROF, 0)
            seconds = time.process_time() - started
            found = scores(model, draw, kind)
            line["scores"] = {name: round(float(value), 5) for name, value in found.items()}
        except _TooLong:
            seconds = time.process_time() - started
            line["error"] = f"not done within {limit} s"
        except Exception as error:  # a method's failure is a result
            seconds = time.process_time() - started
            line["error"] = f"{type(error).__name__}: {error}"[:200]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    line["seconds"] = float(f"{seconds:.3g}")
    if caught:
        line["warnings"] = sorted({warning.category.__name__ for warning in caught})
    return line


KEY = ("task", "seed", "front", "labels", "learner", "method")


def fits(keys, limit) -> Iterator[dict]:
    """Yield the lines of keys that share a task, a seed and a front."""
    task, seed, front = keys[0][:3]
    signal.signal(signal.SIGPROF, _stop)
    with threadpool_limits(1):
        draw = prepared(TASKS[task], seed, front)
        for key in keys:
            if key[KEY.index("labels")] <= len(draw.yt):
                line = fit(key, draw, limit)
                if line is not None:
                    yield line


# -- the lines ------------------------------------------------------------------------------------


def read(path) -> dict[tuple, dict]:
    """Return the fits of a file by their keys; a later line replaces an earlier one."""
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {tuple(line[part] for part in KEY): line for line in lines if "versions" not in line}


def run(path, groups, limit, n_jobs) -> None:
    """Do groups of fits and append their lines."""
    made_by = versions(("pot", "torch", "skorch"))
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"versions": made_by}) + "\n")
        if n_jobs == 1:
            found = (line for keys in groups for line in fits(keys, limit))
        else:
            jobs = (joblib.delayed(lambda keys: list(fits(keys, limit)))(keys) for keys in groups)
            done = joblib.Parallel(n_jobs, return_as="generator_unordered")(jobs)
            found = (line for lines in done for line in lines)
        for line in found:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()


# -- the table ------------------------------------------------------------------------------------


def compared(lines, tasks) -> list[dict]:
    """Return a row for each front, number of labels, learner and method.

    Parameters
    ----------
    lines : iterable of dict
    tasks : set of str
        The names of those that count; those without a shift have a number of their own, and are
        counted like others only where there are no others.
    """
    points, failed, seconds = defaultdict(list), defaultdict(int), defaultdict(list)
    for line in lines:
        if line["task"] not in tasks:
            continue
        setting = tuple(line[part] for part in ("front", "labels", "learner", "method"))
        seconds[setting].append(line["seconds"])
        if "error" in line:
            failed[setting] += 1
        else:
            score = 100 * line["scores"][TASKS[line["task"]].metric]
            points[setting, line["task"]].append((line["seed"], score))
    by_setting = defaultdict(dict)
    for (setting, task), found in points.items():
        by_setting[setting][task] = dict(found)

    def gains(setting, baseline):
        """Mean over the draws that both have, by task."""
        found = {}
        for task, mine in by_setting[setting].items():
            theirs = by_setting.get(baseline, {}).get(task, {})
            seeds = mine.keys() & theirs.keys()
            if seeds:
                found[task] = np.mean([mine[seed] - theirs[seed] for seed in seeds])
        return found

    rows = []
    for setting in sorted(seconds):
        front, labels, learner, method = setting
        row = {
            "front": front,
            "labels": labels,
            "learner": learner,
            "method": method,
            "failed": failed[setting],
            "seconds": np.mean(seconds[setting]),
        }
        for name, of in (("source", 0), ("pooled", labels)):
            baseline = "SourceOnly" if name == "source" else "Pooled"
            found = gains(setting, ("all", of, learner, baseline))
            if not found:
                continue
            unshifted = [gain for task, gain in found.items() if TASKS[task].shift == "none"]
            counted = {task for task in found if TASKS[task].shift != "none"} or set(found)
            families = defaultdict(list)
            for task in counted:
                families[TASKS[task].family].append(found[task])
            row[name] = {
                "tasks": len(counted),
                "gain": np.mean([found[task] for task in counted]),
                "by table": np.mean([np.mean(gain) for gain in families.values()]),
                "wins": sum(found[task] > 1 for task in counted),
                "losses": sum(found[task] < -1 for task in counted),
                "worst": min(found, key=lambda task: found[task]),
                "lowest": min(found.values()),
                "unshifted": min(unshifted, default=np.nan),
            }
        by_chance = gains(setting, ("all", 0, learner, CHANCE))
        row["below chance"] = sum(gain < -1 for gain in by_chance.values())
        rows.append(row)
    return rows


def as_markdown(rows, against) -> str:
    """Return the rows of one setting as a table, best first."""
    known = [row for row in rows if against in row]
    known.sort(key=lambda row: -row[against]["gain"])
    text = table(
        known,
        {
            "method": lambda row: row["method"],
            "tasks": lambda row: row[against]["tasks"],
            "gain": lambda row: f"{row[against]['gain']:+.1f}",
            "by table": lambda row: f"{row[against]['by table']:+.1f}",
            "wins": lambda row: row[against]["wins"],
            "losses": lambda row: row[against]["losses"],
            "worst": lambda row: f"{row[against]['lowest']:+.1f}",
            "there": lambda row: row[against]["worst"],
            "no shift": lambda row: f"{row[against]['unshifted']:+.1f}",
            "below chance": lambda row: row["below chance"],
            "failed": lambda row: row["failed"],
            "seconds": lambda row: f"{row['seconds']:.2g}",
        },
    )
    without = [row["method"] for row in rows if against not in row]
    return text + (f"\n\nNo fit to compare: {', '.join(without)}." if without else "")


def tables(lines, tasks) -> str:
    """Return the tables of all settings, of either half and of all tasks."""
    lines, parts = list(lines), []
    for half in ("A", "B", "A and B"):
        rows = compared(lines, {name for name in tasks if TASKS[name].half in half})
        settings = dict.fromkeys((row["front"], row["labels"], row["learner"]) for row in rows)
        for setting in settings:
            of = [row for row in rows if (row["front"], row["labels"], row["learner"]) == setting]
            front, labels, learner = setting
            for against in ("source", "pooled") if labels else ("source",):
                title = f"half {half}, {labels} labels, {learner}, against {against}"
                title += ", each domain standardised alone" if front == "each" else ""
                parts.append(f"### {title}\n\n{as_markdown(of, against)}\n")
    return "\n".join(parts)


# -- the command line -----------------------------------------------------------------------------


def _matches(name, patterns):
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def main(arguments=None) -> None:
    """Do the fits asked for that are missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--lines", type=Path, default=RESULTS / "defaults.jsonl", help="the file of lines")
    add("--table", action="store_true", help="print the tables of the lines that are there")
    add("--tasks", nargs="+", default=["*"], metavar="PATTERN")
    add("--half", choices=("A", "B"))
    add("--kind", choices=("classification", "regression"))
    add("--shift", choices=("real", "made", "none"))
    add("--methods", nargs="+", default=["*"], metavar="PATTERN")
    add("--deep", action="store_true", help="networks, too")
    add("--labels", nargs="+", type=int, default=LABELS, choices=LABELS)
    add("--learners", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    add("--front", nargs="+", default=["all"], choices=("all", "each"))
    add("--draws", type=int, default=5)
    add("--limit", type=float, default=120.0, help="CPU seconds for a fit")
    add("--n-jobs", type=int, default=1)
    add("--again", action="store_true", help="do what is there anew")
    options = parser.parse_args(arguments)
    tasks = [
        task.name
        for task in TASKS.values()
        if _matches(task.name, options.tasks)
        and options.half in (None, task.half)
        and options.kind in (None, task.kind)
        and task.shift.startswith(options.shift or "")
    ]
    if not tasks:
        sys.exit(f"No task is chosen; there are {list(TASKS)}.")
    lines = read(options.lines)
    if options.table:
        print(f"# {__doc__.strip()}\n\n{tables(lines.values(), tasks)}")
        return
    groups = [
        [
            (task, seed, front, labels, learner, method)
            for learner in options.learners
            for labels in options.labels
            for method in methods(labels, networks=options.deep)
            if _matches(method, options.methods)
        ]
        for front in options.front
        for seed in range(options.draws)
        for task in tasks
    ]
    if not options.again:
        groups = [[key for key in keys if key not in lines] for keys in groups]
    run(options.lines, [keys for keys in groups if keys], options.limit, options.n_jobs)


if __name__ == "__main__":
    main()
