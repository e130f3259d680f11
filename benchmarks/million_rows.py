"""What boosting over a million source rows costs: time, and memory beyond the data.

1 000 000 source and 2000 target rows, 20 features in double precision; half of the source
misleads, and labels are noisy. Each case runs in a process of its own, which makes the data, notes
its memory, fits, and notes the largest memory that it has had: the difference is what the fit took
beyond the data and Python. It is set against the size of the rows. Part of it is the path of the
source rows' weights, a number of 4 bytes for each row and round. Needs Linux. Writes
benchmarks/results/million_rows.md.

    make benchmark-million_rows
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdtl import Festra, MultiSourceTrAdaBoost, TrAdaBoost, TrAdaBoostR2, TwoStageTrAdaBoostR2

RESULTS = Path(__file__).parent / "results" / "million_rows.md"
N_SOURCE, N_TARGET, N_FEATURES = 1_000_000, 2_000, 20
MB = 1e6


def classes(rows):
    """Predict whether a sum of two features is positive."""
    return rows > 0


def numbers(rows):
    """Predict the sum itself."""
    return rows


class FirstFeature(RegressorMixin, BaseEstimator):
    """Costs nothing, so that what boosting itself costs is seen."""

    def fit(self, X, y, sample_weight=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[:, 0].copy()


# name: (estimator, the kind of labels)
CASES = {
    "TrAdaBoostR2, a learner that costs nothing": (
        TrAdaBoostR2(FirstFeature(), n_estimators=10, random_state=0),
        numbers,
    ),
    "TrAdaBoost, tree of depth 1": (
        TrAdaBoost(DecisionTreeClassifier(max_depth=1), n_estimators=10, random_state=0),
        classes,
    ),
    "TrAdaBoost, tree of depth 3": (
        TrAdaBoost(DecisionTreeClassifier(max_depth=3), n_estimators=10, random_state=0),
        classes,
    ),
    "TrAdaBoost, HistGradientBoosting of 20 trees": (
        TrAdaBoost(HistGradientBoostingClassifier(max_iter=20), n_estimators=10, random_state=0),
        classes,
    ),
    "Festra, tree of depth 1": (
        Festra(DecisionTreeClassifier(max_depth=1), n_estimators=10, random_state=0),
        classes,
    ),
    "MultiSourceTrAdaBoost, 4 sources, tree of depth 1": (
        MultiSourceTrAdaBoost(DecisionTreeClassifier(max_depth=1), n_estimators=10, random_state=0),
        classes,
    ),
    "TrAdaBoostR2, tree of depth 2": (
        TrAdaBoostR2(DecisionTreeRegressor(max_depth=2), n_estimators=10, random_state=0),
        numbers,
    ),
    "TrAdaBoostR2, HistGradientBoosting of 20 trees": (
        TrAdaBoostR2(HistGradientBoostingRegressor(max_iter=20), n_estimators=10, random_state=0),
        numbers,
    ),
    "TwoStageTrAdaBoostR2, tree of depth 1, 3 steps, 2 folds": (
        TwoStageTrAdaBoostR2(
            DecisionTreeRegressor(max_depth=1), n_estimators=2, n_steps=3, cv=2, random_state=0
        ),
        numbers,
    ),
}


def make_data(labels, seed=0):
    """Return a source of which half follows another concept, with noise, and a target."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(N_SOURCE, N_FEATURES)), rng.normal(size=(N_TARGET, N_FEATURES))
    other = rng.random(N_SOURCE) < 0.5
    ys = np.where(other, Xs[:, 2] - Xs[:, 3], Xs[:, 0] + Xs[:, 1]) + rng.normal(size=N_SOURCE)
    yt = Xt[:, 0] + Xt[:, 1] + rng.normal(size=N_TARGET)
    return Xs, labels(ys), Xt, labels(yt)


def memory():
    """Return the memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak():
    """Return the largest memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(name):
    """Fit one case; print what it took."""
    model, labels = CASES[name]
    data, options = make_data(labels), {}
    rows = data[0].nbytes + data[2].nbytes
    if isinstance(model, MultiSourceTrAdaBoost):  # needs one table of all sources
        codes = np.repeat([1, 2, 3, 4, -1], [N_SOURCE // 4] * 4 + [N_TARGET])
        data = np.concatenate(data[::2]), np.concatenate(data[1::2])
        options = {"sample_domain": codes}
    before, wall, cpu = memory(), time.perf_counter(), time.process_time()
    model.fit(*data, **options)
    taken = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "memory": peak() - before,
        "rounds": len(model.estimators_),
        "path": model.source_weights_path_.nbytes,
        "rows": rows,
    }
    print(json.dumps(taken))


def main():
    lines = [
        "# What boosting over a million source rows costs",
        "",
        "`make benchmark-million_rows`",
        "",
        f"{N_SOURCE:,} source and {N_TARGET:,} target rows, {N_FEATURES} features "
        f"({(N_SOURCE + N_TARGET) * N_FEATURES * 8 / MB:.0f} MB), one thread; each case in a "
        "process of its own. *Peak* is the largest memory during the fit beyond that of Python and "
        "the data; *path*, the recorded weights of the source rows, is a part of it. One copy of "
        "the rows is the table of both domains that base learners are fitted to; trees make "
        "another, in single precision, and HistGradientBoosting splits off rows to stop early. "
        "Wall times are those of a machine that was busy with other work too.",
        "",
        "| case | rounds | wall, s | CPU, s | peak, MB | path, MB | (peak - path) / rows |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in CASES:
        command = [sys.executable, __file__, name]
        taken = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        beyond = (taken["memory"] - taken["path"]) / taken["rows"]
        lines.append(
            f"| {name} | {taken['rounds']} | {taken['wall']:.0f} | {taken['cpu']:.0f} "
            f"| {taken['memory'] / MB:.0f} | {taken['path'] / MB:.0f} | {beyond:.1f} |"
        )
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
