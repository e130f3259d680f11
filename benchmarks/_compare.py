"""Compare a later run of a benchmark with an earlier one: what its lines say otherwise.

    git show HEAD~5:benchmarks/results/shifts.jsonl > old.jsonl
    python benchmarks/_compare.py old.jsonl benchmarks/results/shifts.jsonl

Prints the versions and parameters that differ, the scores whose means differ, each with the paired
difference (new minus old) and its standard error over the seeds, and the methods whose CPU times
differ by more than a quarter, by the median of the ratios.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from _harness import Lines, key_of
from _harness.tables import mean, mean_and_error, table


def compare(old: Lines, new: Lines) -> str:
    """Return what differs between two files of lines, as Markdown."""
    old_fits, new_fits = ({key_of(fit): fit for fit in lines} for lines in (old, new))
    common = [key for key in old_fits if key in new_fits]
    pairs = [(old_fits[key], new_fits[key]) for key in common]
    equal = sum(_outcome(a) == _outcome(b) for a, b in pairs)
    parts = [
        f"{len(common)} fits in both, {equal} of them with equal scores; "
        f"{len(old_fits) - len(common)} in the old file alone, "
        f"{len(new_fits) - len(common)} in the new one alone.",
        *_versions(old, new),
        *_parameters(pairs),
        *_scores(pairs),
        *_seconds(pairs),
    ]
    return "\n\n".join(parts)


def _outcome(fit):
    return fit.get("error"), fit.get("scores")


def _versions(old, new):
    before, after = old.versions(), new.versions()
    return [] if before == after else [f"Versions: {before} before, {after} now."]


def _parameters(pairs):
    changes = defaultdict(set)
    for a, b in pairs:
        for part in ("class", "parameters"):
            before, after = a.get(part), b.get(part)
            if before == after:
                continue
            if not isinstance(before, dict) or not isinstance(after, dict):
                before, after = {part: before}, {part: after}
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name):
                    change = f"{name}: {before.get(name)} → {after.get(name)}"
                    changes[change].add(a["method"])
    return [f"{change} ({'; '.join(sorted(names))})" for change, names in sorted(changes.items())]


def _scores(pairs):
    found = defaultdict(list)
    for a, b in pairs:
        before, after = a.get("scores", {}), b.get("scores", {})
        for name in before.keys() | after.keys():
            values = [np.nan if s.get(name) is None else s[name] for s in (before, after)]
            found[a["task"], a["method"], name].append(values)
    found = {key: np.array(values, dtype=float).T for key, values in found.items()}
    rows = [key for key, (a, b) in found.items() if not np.array_equal(a, b, equal_nan=True)]
    if not rows:
        return []
    return [
        table(
            rows,
            {
                "task": lambda key: key[0],
                "method": lambda key: key[1],
                "score": lambda key: key[2],
                "old": lambda key: mean(found[key][0], 4),
                "new": lambda key: mean(found[key][1], 4),
                "new - old": lambda key: mean_and_error(found[key][1] - found[key][0], 4, sign="+"),
            },
        )
    ]


def _seconds(pairs):
    ratios = defaultdict(list)
    for a, b in pairs:
        if a.get("seconds") and b.get("seconds"):
            ratios[a["method"]].append(b["seconds"] / a["seconds"])
    medians = {method: float(np.median(values)) for method, values in ratios.items()}
    rows = [method for method, value in medians.items() if not 0.8 < value < 1.25]
    if not rows:
        return []
    return [table(rows, {"method": str, "CPU, new / old": lambda row: f"{medians[row]:.2f}"})]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    options = parser.parse_args()
    print(compare(Lines(options.old), Lines(options.new)))
