"""Files of finished fits: JSON, one line a fit, below a line that says which versions made them."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np


class Lines:
    """Fits by task, method and repetition (a seed, or a turn where times are compared).

    A fit is a dict: task, method, seed or turn, class, parameters, scores, seconds (CPU time of the
    fit), and where they apply warnings (their categories), error (a fit that failed has no scores),
    and what a process of its own tells: wall, memory, scoring.

    Parameters
    ----------
    path : path-like or None
        A file that is read, if it is there, and that `add` appends to.
    """

    def __init__(self, path=None):
        self.path = None if path is None else Path(path)
        self._fits = defaultdict(dict)  # of a task and method, by repetition: versions and fit
        self._last = None  # the versions that this run has noted
        if self.path is not None and self.path.exists():
            versions = None
            for text in self.path.read_text(encoding="utf-8").splitlines():
                line = json.loads(text)
                if "versions" in line:
                    versions = line["versions"]
                else:
                    self._put(line, versions)

    def __len__(self):
        return sum(map(len, self._fits.values()))

    def __iter__(self):
        return (fit for fits in self._fits.values() for _, fit in fits.values())

    def _put(self, fit, versions):
        task, method, repetition = key_of(fit)
        self._fits[task, method][repetition] = versions, fit

    def add(self, fit, versions):
        """Note a fit, and append it to the file."""
        self._put(fit, versions)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                if versions != self._last:
                    file.write(_text({"versions": versions}))
                    self._last = versions
                file.write(_text(fit))

    def drop(self, keys):
        """Forget some fits; the file still has them until it is written anew."""
        for task, method, repetition in keys:
            self._fits[task, method].pop(repetition, None)

    def write(self, keys):
        """Write the file anew: fits in the order of keys, those that are not in it last."""
        order = {key: k for k, key in enumerate(keys)}
        runs = []
        for fit in sorted(self, key=lambda fit: order.get(key_of(fit), len(order))):
            task, method, repetition = key_of(fit)
            versions, _ = self._fits[task, method][repetition]
            fits = next((fits for known, fits in runs if known == versions), None)
            if fits is None:
                runs.append((versions, fits := []))
            fits.append(fit)
        temporary = self.path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            for versions, fits in runs:
                file.writelines(map(_text, [{"versions": versions}, *fits]))
        os.replace(temporary, self.path)
        self._last = None

    def get(self, task, method, repetition=0):
        """Return a fit, or None."""
        return self._fits[task, method].get(repetition, (None, None))[1]

    def of(self, task, method) -> list[dict]:
        """Return the fits of a method on a task, by repetition."""
        fits = self._fits[task, method]
        return [fits[repetition][1] for repetition in sorted(fits)]

    def scores(self, task, method, name=None) -> np.ndarray:
        """Return a score by repetition, the first one without a name; NaN where the fit failed."""
        found = []
        for fit in self.of(task, method):
            scores = fit.get("scores", {})
            wanted = name or next(iter(scores), None)
            if "error" in fit or wanted in scores:
                found.append(scores.get(wanted))
        return np.array(found, dtype=float)

    def seconds(self, task, method) -> np.ndarray:
        """Return the CPU times of the fits that did not fail."""
        return np.array([fit["seconds"] for fit in self.of(task, method) if "error" not in fit])

    def versions(self) -> list[dict]:
        """Return the versions of all runs whose fits are here."""
        found = []
        for fits in self._fits.values():
            for versions, _ in fits.values():
                if versions not in found:
                    found.append(versions)
        return found


def key_of(fit) -> tuple[str, str, int]:
    """Return task, method and repetition."""
    return fit["task"], fit["method"], fit["turn"] if "turn" in fit else fit["seed"]


def _text(line) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
