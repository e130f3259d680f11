"""Networks on rows that don't fit into memory: a memory-mapped file larger than the limit.

A float32 file of rows of 256 features, the source's and then the target's, is written to a
temporary folder and deleted in the end. A process of its own, whose data may take no more than the
limit (RLIMIT_DATA, which counts what is allocated, not what is mapped), fits a network to it,
predicts all rows, and tries to load the file as an array, to show that the limit is one. The memory
is the largest seen that no file backs (RssAnon, looked at 50 times a second), with Python and torch
themselves. Needs Linux. Writes benchmarks/results/deep_memmap.md.

    make benchmark-deep_memmap

Other sizes, in GiB, and a folder on the disk that is to be tried:

    python benchmarks/deep_memmap.py --file 4 --limit 1 --folder /tmp
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))

import numpy as np  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "deep_memmap.md"
N_FEATURES, BATCH_SIZE = 256, 512
BLOCK = 65_536  # rows that are written at once


def status(key):
    """Return a number of bytes that Linux tells of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise KeyError(key)


class Watch(threading.Thread):
    """Note the largest memory that no file backs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0
        self.start()

    def run(self):
        while True:
            self.peak = max(self.peak, status("RssAnon"))
            time.sleep(0.02)


def write(path, n_rows):
    """Write the rows: the label is the sign of the first, the target is shifted."""
    rows = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float32, shape=(2 * n_rows, N_FEATURES)
    )
    rng = np.random.default_rng(0)
    for start in range(0, 2 * n_rows, BLOCK):
        block = rng.standard_normal((min(BLOCK, 2 * n_rows - start), N_FEATURES), np.float32)
        block[:, 1] += 1.0 * (np.arange(start, start + len(block)) >= n_rows)
        rows[start : start + len(block)] = block
    rows.flush()


def measure(path, limit):
    """Fit and predict in little memory; print what it took."""
    import resource

    import torch

    from skdtl import DDC

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    taken, watch = {}, Watch()
    X = np.load(path, mmap_mode="r")
    n = len(X) // 2
    y = np.empty(2 * n, dtype=np.int64)
    for start in range(0, 2 * n, BLOCK):
        y[start : start + BLOCK] = X[start : start + BLOCK, 0] > 0
    model = DDC(kernel="linear", max_epochs=1, batch_size=BATCH_SIZE, random_state=0)

    def timed(name, run):
        watch.peak = 0
        started = time.perf_counter()
        result = run()
        taken[name] = {"seconds": time.perf_counter() - started, "memory": watch.peak}
        return result

    taken["start"] = {"memory": status("RssAnon")}
    timed("fit", lambda: model.fit(X[:n], y[:n], X[n:]))
    predicted = timed("predict", lambda: model.predict(X))
    taken["accuracy"] = float(np.mean(predicted[n:] == y[n:]))
    timed("predict_proba", lambda: model.predict_proba(X))
    try:
        np.array(X)
        taken["array"] = "fits"
    except MemoryError:
        taken["array"] = "MemoryError"
    print(json.dumps(taken))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--file", type=float, default=4.0)
    arguments.add_argument("--limit", type=float, default=1.0)
    arguments.add_argument("--folder")
    arguments.add_argument("--measure")
    options = arguments.parse_args()
    limit = int(options.limit * 2**30)
    if options.measure:
        measure(options.measure, limit)
        return
    n_rows = int(options.file * 2**30) // (2 * 4 * N_FEATURES)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = os.path.join(folder, "rows.npy")
        write(path, n_rows)
        size = os.path.getsize(path)
        command = [sys.executable, __file__, "--measure", path, "--limit", str(options.limit)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    lines = [
        f"File: {size / 2**30:.2f} GiB, {n_rows} rows of each domain. "
        f"Limit: {options.limit:g} GiB. "
        f"One epoch of DDC, linear kernel, batches of {BATCH_SIZE} rows a domain, one thread.",
        "",
        "| | seconds | rows a second | largest memory, MiB |",
        "|---|---|---|---|",
        f"| Python and torch before | | | {taken['start']['memory'] / 2**20:.0f} |",
    ]
    for name in ("fit", "predict", "predict_proba"):
        seconds, memory = taken[name]["seconds"], taken[name]["memory"]
        lines.append(
            f"| {name} | {seconds:.1f} | {2 * n_rows / seconds:.0f} | {memory / 2**20:.0f} |"
        )
    lines += [
        "",
        f"Loading the file as an array under the same limit: {taken['array']}. "
        f"Accuracy on the target: {taken['accuracy']:.3f}.",
    ]
    print("\n".join(lines))
    # What was found out by reading the table stands below it, and stays.
    known = RESULTS.read_text() if RESULTS.exists() else ""
    reading = known[known.find("\n## Reading it") :] if "\n## Reading it" in known else ""
    RESULTS.write_text("# " + __doc__ + "\n" + "\n".join(lines) + "\n" + reading)


if __name__ == "__main__":
    main()
