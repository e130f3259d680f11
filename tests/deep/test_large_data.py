"""Rows that are read from a file batch by batch, and searches by several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
from torch import nn

from skdtl import DANN, DDC, DeepTransferClassifier, DeepTransferRegressor
from skdtl.deep import MMD
from skdtl.deep.batches import PairedBatches

N_ROWS, N_FEATURES = 10_000, 128  # of each domain


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def mapped(request, tmp_path_factory):
    """Map a file of 10 MB (in float32), the source's rows and then the target's."""
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.normal(size=(2 * N_ROWS, N_FEATURES)).astype(request.param))
    return np.load(path, mmap_mode="r")


def peak(run):
    """Return the bytes that numpy allocated at most at any time."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SETTINGS = {"hidden_layer_sizes": (8,), "max_epochs": 1, "batch_size": 500, "random_state": 0}


@pytest.mark.parametrize(
    "estimator",
    [
        DANN(**SETTINGS),
        DDC(adaptation_layer="auto", adaptation_width=4, **SETTINGS),
        DeepTransferClassifier(
            [MMD(kernel="linear")], module=partial(nn.Linear, out_features=4), **SETTINGS
        ),
        DeepTransferRegressor([MMD(kernel="linear")], **SETTINGS),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_memory_stays_flat_when_rows_are_mapped(estimator, mapped):
    y = (np.arange(2 * N_ROWS) % 3).astype(float)
    sample_domain = np.repeat([1, -1], N_ROWS)
    few = np.array(mapped[:10])
    estimator.fit(few, y[:10], few)  # what is imported at the first use is no row
    little = mapped.nbytes / 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert peak(lambda: estimator.fit(mapped[:N_ROWS], y[:N_ROWS], mapped[N_ROWS:])) < little
        stacked = {"sample_domain": sample_domain, "hide_target_labels": True}
        assert peak(lambda: estimator.fit(mapped, y, **stacked)) < little
        assert peak(lambda: estimator.predict(mapped)) < little
        assert peak(lambda: estimator.transform(mapped)) < little
    assert peak(lambda: np.array(mapped)) > mapped.nbytes  # what is measured here is measured


def test_batches_of_mapped_rows_keep_no_rows(mapped):
    rows = PairedBatches((mapped, None), None, 500, (0, 0), device="cpu").labelled
    rows.take()
    assert np.shares_memory(rows.X, mapped) and not hasattr(rows, "shuffled")
    assert (
        PairedBatches((np.array(mapped), None), None, 500, (0, 0), "cpu").labelled.mapped is False
    )


def test_mapped_rows_that_are_no_numbers_are_found(mapped, tmp_path):
    rows = np.array(mapped[:3000])
    rows[1234, 5] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="Xs contains NaN"):
        DANN(**SETTINGS).fit(rows, np.arange(3000) % 2, mapped)


SEARCH = """
    import json, os, sys
    import joblib, numpy as np, torch
    from sklearn.model_selection import GridSearchCV
    from skorch.callbacks import Callback
    from skdtl import DDC

    class Note(Callback):
        def __init__(self, folder):
            self.folder = folder

        def on_train_begin(self, net, **kwargs):
            with open(os.path.join(self.folder, str(os.getpid())), "w") as file:
                file.write(str(torch.get_num_threads()))

    def state():
        return torch.get_num_threads(), torch.get_num_interop_threads(), dict(os.environ)

    if __name__ == "__main__":
        folder = sys.argv[1]
        rng = np.random.default_rng(0)
        X = rng.normal(size=(80, 5))
        before = state()
        search = GridSearchCV(
            DDC(max_epochs=1, callbacks=[Note(folder)], random_state=0),
            {"lam": [0.0, 0.5, 1.0]}, cv=2, n_jobs=2, refit=False,
        )
        search.fit(X, np.arange(80) // 2 % 2, sample_domain=np.tile([1, -1], 40))
        assert state() == before
        threads = [int(open(os.path.join(folder, f)).read()) for f in os.listdir(folder)]
        assert str(os.getpid()) not in os.listdir(folder)
        print(json.dumps({"threads": threads, "cpus": joblib.cpu_count()}))
"""


@pytest.mark.slow
def test_a_search_by_two_processes_has_no_more_threads_than_processors(tmp_path):
    script, folder = tmp_path / "search.py", tmp_path / "notes"
    script.write_text(textwrap.dedent(SEARCH))
    folder.mkdir()
    free = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    free["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-W", "ignore", str(script), str(folder)]
    done = subprocess.run(command, env=free, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["threads"] and max(found["threads"]) <= max(1, found["cpus"] // 2)
