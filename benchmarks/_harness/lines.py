"""Files of finished fits: JSON, one line a fit, below a line that says which versions made them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np


class Lines:
    """Fits by task, method and repetition (a seed, or a turn where times are compared).

    A fit is a dict: task, method, seed or turn, class, parameters, scores, seconds (CPU time of the
    fit), and where they apply warnings (their categories), error (a fit that failed has no scores),
    and what a process of its own tells: wall, memory, scoring. `versions` of a fit are those of the
    run that made it.

    Parameters
    ----------
    path : path-like or None
        A file that is read, if it is there, and that `add` appends to.
    """

    def __init__(self, path=None):
        self.path = None if path is None else Path(path)
        self._fits, self._versions, self._current = {}, {}, None
        if self.path is not None and self.path.exists():
            versions = None
            for text in self.path.read_text(encoding="utf-8").splitlines():
                line = json.loads(text)
                if "versions" in line:
                    versions = line["versions"]
                else:
                    self._put(line, versions)

    def __len__(self):
        return len(self._fits)

    def __iter__(self):
        return iter(self._fits.values())

    def _put(self, fit, versions):
        key = key_of(fit)
        self._fits[key], self._versions[key] = fit, versions

    def add(self, fit, versions):
        """Note a fit, and append it to the file."""
        self._put(fit, versions)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                if versions != self._current:
                    file.write(_text({"versions": versions}))
                    self._current = versions
                file.write(_text(fit))

    def drop(self, keys):
        """Forget some fits; the file still has them until it is written anew."""
        for key in keys:
            self._fits.pop(key, None)
            self._versions.pop(key, None)

    def write(self, keys):
        """Write the file anew: fits in the order of keys, those that are not in it last."""
        order = {key: k for k, key in enumerate(keys)}
        runs = []
        for key in sorted(self._fits, key=lambda key: order.get(key, len(order))):
            versions = self._versions[key]
            group = next((fits for known, fits in runs if known == versions), None)
            if group is None:
                runs.append((versions, group := []))
            group.append(self._fits[key])
        text = "".join(
            _text({"versions": versions}) + "".join(map(_text, fits)) for versions, fits in runs
        )
        temporary = self.path.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self.path)

    def get(self, task, method, repetition=0):
        """Return a fit, or None."""
        return self._fits.get((task, method, repetition))

    def of(self, task, method) -> list[dict]:
        """Return the fits of a method on a task, by repetition."""
        found = [key for key in self._fits if key[:2] == (task, method)]
        return [self._fits[key] for key in sorted(found)]

    def scores(self, task, method, name=None) -> np.ndarray:
        """Return a score by repetition, the first one without a name; NaN where the fit failed."""
        found = []
        for fit in self.of(task, method):
            scores = fit.get("scores") or {}
            value = scores.get(name) if name else next(iter(scores.values()), None)
            found.append(np.nan if value is None else value)
        return np.array(found, dtype=float)

    def seconds(self, task, method) -> np.ndarray:
        """Return the CPU times of the fits that did not fail."""
        return np.array([fit["seconds"] for fit in self.of(task, method) if "error" not in fit])

    def versions(self) -> list[dict]:
        """Return the versions of all runs whose fits are here."""
        found = []
        for versions in self._versions.values():
            if versions not in found:
                found.append(versions)
        return found


def key_of(fit) -> tuple[str, str, int]:
    """Return task, method and repetition."""
    return fit["task"], fit["method"], fit["turn"] if "turn" in fit else fit["seed"]


def _text(line) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
