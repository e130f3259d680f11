"""What the benchmarks of deep methods share: the methods, their settings, and how fits are run.

One setting per method for all tasks: the class's defaults, but for the network, the number of
epochs and the batch size, which are a task's, and for λ, which rises from 0 to the class's default
by DANN's schedule where the class has it constant. No method is tuned on a task.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

import skdtl
from skdtl import deep as parts
from skdtl.deep import Ramp

RESULTS = Path(__file__).parent / "results"
N_LABELS = 3  # target labels of each class for the methods that need some
# DANN's optimiser, for combinations with an adversary.
MOMENTUM = {"optimizer": "sgd", "lr": 0.01, "lr_schedule": "decay"}
RAMP = {"lam": "ramp"}


@dataclass(frozen=True)
class Task:
    """A source and a target.

    Attributes
    ----------
    name : str
        Names the column.
    load : callable
        Returns Xs, ys, Xt, yt for a seed.
    network : dict
        The estimators' parameters that all methods share here.
    lr_factor : float
        By which each method's default learning rate is multiplied.
    score : callable
        Makes one number of true and predicted labels.
    """

    name: str
    load: Callable
    network: dict
    score: Callable = accuracy_score
    lr_factor: float = 1.0


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    Attributes
    ----------
    name : str
        The class in skdtl.
    options : dict
        Parameters that differ from the class's defaults.
    sees : {"rows", "labels", "target"}
        Whether it is given the target's rows, `N_LABELS` labels of each class too, or nothing but
        one labelled half of the target, to be scored on the other half.
    alignments : dict
        For combinations: names in skdtl.deep, and the parameters of each.
    """

    name: str
    options: dict = field(default_factory=dict)
    sees: str = "rows"
    alignments: dict = field(default_factory=dict)

    def exists(self) -> bool:
        return hasattr(skdtl, self.name) and all(hasattr(parts, name) for name in self.alignments)

    def make(self, task, seed):
        cls = getattr(skdtl, self.name)
        options = {**task.network, **self.options, "random_state": seed}
        if self.alignments:
            options["alignments"] = [
                getattr(parts, name)(**values) for name, values in self.alignments.items()
            ]
        defaults = cls().get_params(deep=False)
        options["lr"] = task.lr_factor * options.get("lr", defaults["lr"])
        lam = defaults.get("lam", "ramp")
        if "lam" not in options and lam != "ramp" and not callable(lam):
            options["lam"] = Ramp(lam)
        return cls(**options)


METHODS = {
    # What an adaptation must beat; the two optimisers that the methods below have by default.
    "source-only": Method("DeepTransferClassifier"),
    "source-only, momentum": Method("DeepTransferClassifier", MOMENTUM),
    "DDC": Method("DDC"),
    "DAN": Method("DAN"),
    "JAN": Method("JAN"),
    "DeepCORAL": Method("DeepCORAL"),
    "DeepJDOT": Method("DeepJDOT"),
    "WDGRL": Method("WDGRL"),
    "MCC": Method("MCC"),
    "DANN": Method("DANN"),
    "CDAN": Method("CDAN"),
    "RMAN": Method("RMAN"),
    "ADDA": Method("ADDA"),
    "MDD": Method("MDD"),
    "MCD": Method("MCD"),
    "MMD + adversary": Method(
        "DeepTransferClassifier",
        {**MOMENTUM, **RAMP},
        alignments={"MMD": {}, "DomainAdversary": {}},
    ),
    "class confusion + adversary": Method(
        "DeepTransferClassifier",
        {**MOMENTUM, **RAMP},
        alignments={"MinimumClassConfusion": {}, "DomainAdversary": {}},
    ),
    "CORAL + entropy": Method(
        "DeepTransferClassifier",
        RAMP,
        alignments={"CorrelationAlignment": {}, "TargetEntropy": {"weight": 0.1}},
    ),
    "entropy": Method(
        "DeepTransferClassifier", RAMP, alignments={"TargetEntropy": {"weight": 0.1}}
    ),
    "labels: source and target": Method("DeepTransferClassifier", sees="labels"),
    "labels: FineTuning": Method("FineTuning", sees="labels"),
    "labels: SimultaneousTransfer": Method("SimultaneousTransfer", sees="labels"),
    "labels: LabelEfficientTransfer": Method("LabelEfficientTransfer", sees="labels"),
    "target-trained": Method("DeepTransferClassifier", sees="target"),
}


def run(script, tasks, description, notes=(), methods=METHODS, groups=None) -> dict:
    """Fit every method on every task, print a table and write the page.

    Parameters
    ----------
    script : str
        The script's name, which names the page too.
    tasks : list of Task
        The columns.
    description : str
        Heads the page; "5 seeds" in it becomes the number asked for.
    notes : sequence of str
        Lines under the table.
    methods : dict of str to Method
        The rows.
    groups : dict of str to list of str, optional
        Names of means, and the tasks that they are of.

    Returns
    -------
    found : dict
        Scores, of shape (n_seeds,), by (method, task).
    """
    options = _arguments(script)
    methods = {name: method for name, method in methods.items() if method.exists()}
    unknown = [name for name in options.methods or () if name not in methods]
    if unknown:
        sys.exit(f"There are no methods {unknown}; there are {list(methods)}.")
    wanted = {
        (name, task.name, seed): (method, task, seed)
        for seed in range(options.seeds)
        for name, method in methods.items()
        for task in tasks
    }
    known = _read(options.cache)
    keys = {where: _key(script, *what) for where, what in wanted.items()}
    missing = [
        where
        for where in wanted
        if keys[where] not in known and (not options.methods or where[0] in options.methods)
    ]
    print(f"{len(wanted) - len(missing)} fits are known or not asked for, {len(missing)} to do")
    parallel = joblib.Parallel(options.n_jobs, return_as="generator_unordered")
    for where, result in parallel(joblib.delayed(_fit)(w, *wanted[w]) for w in missing):
        known[keys[where]] = result
        if options.cache:
            with options.cache.open("a") as file:
                file.write(json.dumps({"key": keys[where], "where": where, **result}) + "\n")
    results = {where: known[key] for where, key in keys.items() if key in known}
    lines = _table(results, list(methods), tasks, options.seeds, groups or {})
    print("\n".join(lines))
    page = RESULTS / f"{script}.md"
    # What was found out by reading the table stands below it, and stays.
    before = page.read_text() if page.exists() else ""
    reading = before[before.find("\n## Reading it") :] if "\n## Reading it" in before else ""
    head = "# " + description.replace("5 seeds", f"{options.seeds} seeds")
    page.write_text("\n".join([head, *lines, *notes]) + "\n" + reading)
    return {
        (name, task.name): np.array(
            [
                results[name, task.name, seed]["score"]
                for seed in range(options.seeds)
                if (name, task.name, seed) in results
            ],
            dtype=float,
        )
        for name in methods
        for task in tasks
    }


def _arguments(script):
    parser = argparse.ArgumentParser(prog=f"{script}.py")
    parser.add_argument("--methods", nargs="+", help="fit these rows alone")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--n-jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument(
        "--cache",
        type=Path,
        help="a file of finished fits, one a line, read and added to; files can be concatenated",
    )
    return parser.parse_args()


def _read(cache) -> dict:
    if cache is None or not cache.exists():
        return {}
    lines = [json.loads(line) for line in cache.read_text().splitlines()]
    return {line["key"]: {"score": line["score"], "seconds": line["seconds"]} for line in lines}


def _key(script, method, task, seed) -> str:
    """Return what a fit depends on, apart from the code: a changed setting is fitted anew."""
    parameters = method.make(task, seed).get_params(deep=False)
    text = f"{script} {task.name} {method.sees} {N_LABELS} {sorted(parameters.items())!r}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _fit(where, method, task, seed):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    Xs, ys, Xt, yt = task.load(seed)
    estimator = method.make(task, seed)
    train, test = slice(None), slice(None)
    if method.sees == "target":
        train, test = train_test_split(
            np.arange(len(yt)), test_size=0.5, stratify=yt, random_state=seed
        )
        Xs, ys = Xt[train], yt[train]
        known = None
    elif method.sees == "labels":
        known = np.full(len(yt), np.nan)
        rng = np.random.default_rng(seed)
        for label in np.unique(yt):
            rows = rng.choice(np.flatnonzero(yt == label), N_LABELS, replace=False)
            known[rows] = label
        test = np.isnan(known)
    else:
        known = None
    start = time.process_time()
    try:
        estimator.fit(Xs, ys, Xt[train], known)
    except ValueError as error:
        if "diverged" not in str(error):
            raise
        score = float("nan")
    else:
        score = float(task.score(yt[test], estimator.predict(Xt[test])))
    seconds = time.process_time() - start
    print(f"{' | '.join(map(str, where))}: {score:.3f} in {seconds:.1f} s", flush=True)
    return where, {"score": score, "seconds": seconds}


def _table(results, methods, tasks, n_seeds, groups) -> list[str]:
    """Return the lines of a table in percent, mean and standard error over the seeds."""
    columns = ["method", *[task.name for task in tasks], *groups, "CPU s per fit"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name in methods:
        scores, seconds = {}, []
        for task in tasks:
            one = [results.get((name, task.name, seed)) for seed in range(n_seeds)]
            scores[task.name] = np.array([fit["score"] for fit in one if fit], dtype=float)
            seconds += [fit["seconds"] for fit in one if fit]
        if not seconds:
            continue
        cells = [_cell(scores[task.name]) for task in tasks]
        for members in groups.values():
            whole = all(len(scores[task]) for task in members)
            mean = np.mean([scores[task].mean() for task in members]) if whole else np.nan
            cells.append(f"{100 * mean:.1f}" if np.isfinite(mean) else "–")
        lines.append(f"| {name} | {' | '.join(cells)} | {np.mean(seconds):.1f} |")
    return lines


def _cell(scores) -> str:
    if not len(scores):
        return "–"
    if np.isnan(scores).any():
        return f"diverged ({np.isnan(scores).sum()} of {len(scores)})"
    if len(scores) == 1:
        return f"{100 * scores[0]:.1f}"
    error = scores.std(ddof=1) / np.sqrt(len(scores))
    return f"{100 * scores.mean():.1f} ± {100 * error:.1f}"


def need_data() -> None:
    if "SKDTL_DATA" not in os.environ:
        sys.exit("SKDTL_DATA is unset: it names the folder with the published data sets.")
