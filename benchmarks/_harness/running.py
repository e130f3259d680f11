"""One fit: what it is made of, what it costs, the line that it leaves."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import json
import subprocess
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from .fits import Failed

PACKAGES = ("numpy", "scipy", "scikit-learn", "skdtl")
MODULES = {"pot": "ot"}  # where the name differs
SEED = object()  # stands for that of a repetition
ENOUGH = 2.0  # seconds after which a short fit is not repeated any more


# -- what is fitted --------------------------------------------------------------------------------


def settings(task, name) -> dict:
    """Return the class and all parameters of a method, but for its seed, as JSON has them."""
    model = task.method(name).prototype(task.setting, SEED)
    if not hasattr(model, "get_params"):
        return {}
    parameters = model.get_params(deep=False)
    if parameters.get("random_state") is SEED:
        parameters.pop("random_state")
    return {
        "class": type(model).__name__,
        "parameters": {key: described(value) for key, value in sorted(parameters.items())},
    }


def described(value):
    """Return a value that JSON has: that of a number, the text of an estimator or a module."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if inspect.isroutine(value) or isinstance(value, type):
        return value.__qualname__
    text = value.__repr__(N_CHAR_MAX=10**6) if isinstance(value, BaseEstimator) else repr(value)
    return " ".join(text.split())


def available(method) -> bool:
    """Whether the packages that a method needs are installed."""
    return bool(method.python) or all(importlib.util.find_spec(name) for name in method.needs)


def versions(packages=()) -> dict:
    """Return the versions of Python and of packages, those that are installed."""
    found = {"python": sys.version.split()[0]}
    for name in (*PACKAGES, *packages):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@functools.cache
def load(packages):
    """Import packages, those that are installed: that is no cost of the first fit with them."""
    for name in packages:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(MODULES.get(name, name).replace("-", "_"))


# -- a fit -----------------------------------------------------------------------------------------


_LAST = {}


def _drawn(script, task, seed):
    """Keep the last draw: the methods of a task follow each other."""
    key = script, task.name, seed
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = task.draw(seed)
    return _LAST[key]


def fit(script, task, name, repetition, packages=(), *, warm_up=False) -> dict:
    """Fit a method once and return its line.

    Parameters
    ----------
    script : str
        Names the benchmark.
    task : Task
    name : str
        The method.
    repetition : int
        The seed or the turn.
    packages : tuple of str
        What is imported before.
    warm_up : bool
        Fit to the rows that are there for this before.
    """
    load(packages)
    method, seed = task.method(name), 0 if task.turns else repetition
    line = {"task": task.name, "method": name, "turn" if task.turns else "seed": repetition}
    line |= settings(task, name)
    with warnings.catch_warnings(record=True) as caught, _one_thread():
        warnings.simplefilter("always")
        try:
            if warm_up and task.warm_up:
                method.fit(method.prototype(task.setting, seed), task.warm_up())
            draw = _drawn(script, task, seed)
            draw = draw if method.given is None else method.given(draw, seed)
            line |= _measured(task, method, seed, draw)
        except Failed as failure:
            line["error"] = str(failure)
    if caught:
        line["warnings"] = sorted({warning.category.__name__ for warning in caught})
    return line


def _measured(task, method, seed, draw):
    times, held = [], {}
    if task.isolated:
        held["before"] = memory()
        forget_peak()
    started = time.perf_counter()
    while not times or (len(times) < task.least_of and sum(times) < ENOUGH):
        seconds, model = cpu(
            lambda: method.fit(method.prototype(task.setting, seed), draw), task.loops
        )
        if task.isolated and not times:
            wall, held["peak"] = time.perf_counter() - started, peak()
        times.append(seconds)
    if task.isolated:
        forget_peak()
    seconds, scores = cpu(lambda: task.score(model, draw))
    figures = {} if method.figures is None else method.figures(model, draw)
    costs = {"seconds": _rounded(min(times))}
    if task.isolated:
        costs |= {"wall": _rounded(wall), "memory": held}
        costs["scoring"] = {"seconds": _rounded(seconds), "peak": peak()}
    return {"scores": {key: _plain(value) for key, value in {**scores, **figures}.items()}, **costs}


def _plain(value):
    value = float(value)
    return None if np.isnan(value) else value


def _rounded(seconds):
    return float(f"{seconds:.4g}")


def fit_apart(path, task, name, repetition, python=None) -> dict:
    """Fit in a process of its own, which runs the script for this one line."""
    command = [python or sys.executable, str(path), "--fit", task, name, str(repetition)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# -- what it costs ---------------------------------------------------------------------------------


def cpu(function, loops=1):
    """Return the CPU seconds of one call, and what the last one returned."""
    started = time.process_time()
    for _ in range(loops):
        result = function()
    return (time.process_time() - started) / loops, result


def _one_thread():
    """Limit all libraries to one thread: times and results don't depend on the machine's number."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return threadpool_limits(1)


def memory(key="VmRSS") -> int:
    """Return what Linux tells of the memory of this process, by default all of it, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise KeyError(key)


def peak() -> int:
    """Return the largest memory of this process since it was forgotten last."""
    return memory("VmHWM")


def forget_peak() -> None:
    """Count the largest memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")
