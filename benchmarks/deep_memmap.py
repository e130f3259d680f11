"""Networks on rows that don't fit into memory: a memory-mapped file larger than the limit.

A float32 file of rows of 256 features, the source's and then the target's, is written to a
temporary folder (TMPDIR names another disk) and deleted in the end. A process of its own, whose
data may take no more than the limit (RLIMIT_DATA, which counts what is allocated, not what is
mapped), fits a network to it, predicts all rows, and tries to load the file as an array, to show
that the limit is one. The memory is the largest seen that no file backs (RssAnon, looked at 50
times a second), with Python and torch themselves. Needs Linux.

    make benchmark-deep_memmap

{table}

## Reading it

The file was in the system's cache (23 GB of memory), so these are the costs of the library, not of
a disk. Of the memory of `fit`, 64 MiB are labels and random orders of 2 million rows of each domain
(8 bytes each), and `predict_proba` returns 64 MiB; nothing else grows with the file. Read from the
disk of this machine (a virtual one), single random rows of 1 KiB came at 8 600 a second, and the
system fetched 84 KiB for each of them. Sorting the rows of a batch before reading them did not help
(7 500). Advising the system that accesses are random (madvise) fetched 5 KiB for each row, at 5 200
rows a second, and with the next batch asked for in advance 12 700: that would pay only for files
far larger than memory, and changes the caller's map for all its users, so it is not done. Neither
are blocks of neighbouring rows, which in a sorted file would all be of one kind.
"""

import os
import resource
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from _harness import Benchmark, Method, Task
from _harness.running import memory
from _harness.tables import table

from skdtl import DDC

FILE, LIMIT = 4 * 2**30, 2**30  # bytes
N_FEATURES, BATCH_SIZE = 256, 512
N_ROWS = FILE // (2 * 4 * N_FEATURES)  # of each domain
BLOCK = 65_536  # rows that are written at once
NAME = "rows on the disk"
DEEP = "DDC"


class Watch(threading.Thread):
    """Note the largest memory that no file backs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0
        self.start()

    def run(self):
        while True:
            self.peak = max(self.peak, memory("RssAnon"))
            time.sleep(0.02)

    def costs(self, name, run):
        """Return what a call returned, and its seconds on the clock and largest memory by name."""
        self.peak, started = 0, time.perf_counter()
        result = run()
        seconds = time.perf_counter() - started
        return result, {f"{name}, seconds": seconds, f"{name}, memory": self.peak}


@dataclass
class Mapped:
    X: np.ndarray
    y: np.ndarray
    size: int
    folder: Any = None


def draw(seed):
    """Write the rows: the label is the sign of the first, the target is shifted."""
    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "rows.npy")
    rows = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float32, shape=(2 * N_ROWS, N_FEATURES)
    )
    y = np.empty(2 * N_ROWS, dtype=np.int64)
    rng = np.random.default_rng(seed)
    for start in range(0, 2 * N_ROWS, BLOCK):
        block = rng.standard_normal((min(BLOCK, 2 * N_ROWS - start), N_FEATURES), np.float32)
        block[:, 1] += 1.0 * (np.arange(start, start + len(block)) >= N_ROWS)
        rows[start : start + len(block)] = block
        y[start : start + len(block)] = block[:, 0] > 0
    rows.flush()
    del rows
    return Mapped(np.load(path, mmap_mode="r"), y, os.path.getsize(path), folder)


def fit(model, mapped):
    """Fit in little memory; return the network, the watch and what it saw."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    watch, before = Watch(), memory("RssAnon")
    X, y = mapped.X, mapped.y
    model, costs = watch.costs("fit", lambda: model.fit(X[:N_ROWS], y[:N_ROWS], X[N_ROWS:]))
    return model, watch, {"before": before, **costs}


def score(fitted, mapped):
    model, watch, costs = fitted
    predicted, of_predict = watch.costs("predict", lambda: model.predict(mapped.X))
    _, of_proba = watch.costs("predict_proba", lambda: model.predict_proba(mapped.X))
    try:
        np.array(mapped.X)
    except MemoryError:
        fits = False
    else:
        fits = True
    accuracy = np.mean(predicted[N_ROWS:] == mapped.y[N_ROWS:])
    return {
        "accuracy": accuracy,
        "bytes": mapped.size,
        "array fits": fits,
        **costs,
        **of_predict,
        **of_proba,
    }


ONE_PASS = {"max_epochs": 1, "batch_size": BATCH_SIZE, "random_state": 0}
METHODS = {
    DEEP: Method(DDC(1.0, kernel="linear", weight_decay=0.0, **ONE_PASS), fit),
}
TASKS = [Task(NAME, draw, METHODS, score, isolated=True)]


def costs(lines):
    found = lines.get(NAME, DEEP)["scores"]

    def figure(what, form, name):
        value = found.get(f"{name}, {what}")
        return "" if value is None else form(value)

    def largest(name):
        key = "before" if name.startswith("Python") else f"{name}, memory"
        return f"{found[key] / 2**20:.0f}"

    rows = table(
        ["Python and torch before", "fit", "predict", "predict_proba"],
        {
            "": str,
            "seconds": lambda name: figure("seconds", "{:.1f}".format, name),
            "rows a second": lambda name: figure(
                "seconds", lambda seconds: f"{2 * N_ROWS / seconds:.0f}", name
            ),
            "largest memory, MiB": largest,
        },
    )
    head = (
        f"File: {found['bytes'] / 2**30:.2f} GiB, {N_ROWS} rows of each domain. "
        f"Limit: {LIMIT / 2**30:g} GiB. One epoch of DDC, linear kernel, batches of {BATCH_SIZE} "
        "rows of each domain, one thread."
    )
    array = "fits" if found["array fits"] else "MemoryError"
    tail = (
        f"Loading the file as an array under the same limit: {array}. "
        f"Accuracy on the target: {found['accuracy']:.3f}."
    )
    return f"{head}\n\n{rows}\n\n{tail}"


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": costs}, packages=("torch", "skorch"))

if __name__ == "__main__":
    BENCHMARK.main()
