"""The script that judges defaults: what it fits, that it goes on where it stopped, its table."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skdtl import CORAL

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("the benchmarks are not there", allow_module_level=True)


@pytest.fixture(scope="module")
def defaults():
    sys.path.insert(0, str(FOLDER))
    try:
        import defaults

        yield defaults
    finally:
        sys.path.remove(str(FOLDER))


def run(defaults, path, *arguments):
    defaults.main(["--lines", str(path), "--learners", "linear", "--draws", "2", *arguments])
    return defaults.read(path)


def test_fits_are_those_of_the_protocol_and_done_once(defaults, tmp_path):
    path = tmp_path / "lines.jsonl"
    chosen = ("--tasks", "wine/stretch", "--methods", "CORAL", "SourceOnly", "Pooled")
    lines = run(defaults, path, "--labels", "0", "20", *chosen)
    assert sorted(key[1:] for key in lines) == [
        (seed, "all", labels, "linear", method)
        for seed in (0, 1)
        for labels, methods in ((0, ("CORAL", "SourceOnly")), (20, ("CORAL", "Pooled")))
        for method in methods
    ]
    draw = defaults.TASKS["wine/stretch"].draw(1)
    scaler = StandardScaler().fit(np.concatenate([draw.Xs, draw.Xt]))
    Xs, Xt, X_test = map(scaler.transform, (draw.Xs, draw.Xt, draw.X_test))
    model = CORAL(estimator=LogisticRegression(max_iter=1000)).fit(Xs, draw.ys, Xt, draw.labels(20))
    line = lines["wine/stretch", 1, "all", 20, "linear", "CORAL"]
    assert line["scores"]["accuracy"] == pytest.approx(model.score(X_test, draw.y_test), abs=1e-4)
    size = path.stat().st_size
    run(defaults, path, "--labels", "20", *chosen)
    assert len(path.read_text().splitlines()) == len(lines) + 2  # the versions of two runs
    assert path.stat().st_size < size + 300
    each = run(defaults, path, "--labels", "0", "--front", "each", *chosen)
    alone = each["wine/stretch", 0, "each", 0, "linear", "SourceOnly"]["scores"]
    assert alone != each["wine/stretch", 0, "all", 0, "linear", "SourceOnly"]["scores"]


def test_what_is_standardised(defaults):
    task = defaults.TASKS["wine/stretch"]
    raw, both, each = (
        task.draw(0),
        *(defaults.prepared(task, 0, front) for front in ("all", "each")),
    )
    scaler = StandardScaler().fit(np.concatenate([raw.Xs, raw.Xt]))
    for part in ("Xs", "Xt", "X_test"):
        np.testing.assert_allclose(getattr(both, part), scaler.transform(getattr(raw, part)))
    np.testing.assert_allclose(each.Xs, StandardScaler().fit_transform(raw.Xs))
    np.testing.assert_allclose(each.Xt, StandardScaler().fit_transform(raw.Xt))
    np.testing.assert_allclose(each.X_test, StandardScaler().fit(raw.Xt).transform(raw.X_test))


def test_regression_and_failures(defaults, tmp_path, monkeypatch):
    path = tmp_path / "lines.jsonl"
    chosen = ("--tasks", "diabetes/none", "--labels", "0")
    lines = run(defaults, path, *chosen, "--methods", "chance", "SourceOnly", "JDA")
    # the mean of the source's target is nearly the best constant
    chance, source = (
        lines["diabetes/none", 0, "all", 0, "linear", name]["scores"]["skill"]
        for name in ("chance", "SourceOnly")
    )
    assert chance == pytest.approx(0.5, abs=0.02) and source > 0.55
    assert not any("JDA" in key for key in lines)
    monkeypatch.setattr(CORAL, "fit", lambda *args: 1 / 0)
    lines = run(defaults, path, *chosen, "--methods", "CORAL")
    error = lines["diabetes/none", 0, "all", 0, "linear", "CORAL"]["error"]
    assert error.startswith("ZeroDivisionError")


def test_a_fit_that_takes_too_long_is_ended(defaults, tmp_path, monkeypatch):
    def endless(self, *args):
        while True:
            pass

    monkeypatch.setattr(CORAL, "fit", endless)
    path = tmp_path / "lines.jsonl"
    chosen = ("--tasks", "iris/none", "--labels", "0", "--methods", "CORAL")
    lines = run(defaults, path, *chosen, "--limit", "0.1")
    assert {line["error"] for line in lines.values()} == {"not done within 0.1 s"}
    assert max(line["seconds"] for line in lines.values()) < 1


def test_the_table_says_what_the_lines_say(defaults):
    def lines(method, scores, labels=0):
        for (task, seed), score in scores.items():
            yield {
                "task": task,
                "seed": seed,
                "front": "all",
                "labels": labels,
                "learner": "linear",
                "method": method,
                "scores": {"accuracy": score},
                "seconds": 1.0,
            }

    draws = [(task, seed) for task in ("wine/none", "wine/bent", "iris/bent") for seed in (0, 1)]
    source = dict.fromkeys(draws, 0.5)
    mine = dict(zip(draws, (0.48, 0.48, 0.6, 0.5, 0.45, 0.47)))
    # a third draw that only one of them has does not count
    known = [*lines("SourceOnly", source), *lines("CORAL", {**mine, ("wine/bent", 2): 0.0})]
    known += lines("Pooled", source, 20)
    known += lines("CORAL", mine, 20)
    rows = {
        (row["labels"], row["method"]): row for row in defaults.compared(known, set(defaults.TASKS))
    }
    found = rows[0, "CORAL"]["source"]
    assert found["tasks"] == 2
    assert found["gain"] == pytest.approx((5 - 4) / 2)
    assert found["by table"] == pytest.approx((5 - 4) / 2)
    assert (found["wins"], found["losses"]) == (1, 1)
    assert (found["worst"], found["lowest"]) == ("iris/bent", pytest.approx(-4))
    assert found["unshifted"] == pytest.approx(-2)
    assert "pooled" not in rows[0, "CORAL"]
    assert rows[20, "CORAL"]["pooled"] == found
    only_b = {name for name, task in defaults.TASKS.items() if task.half == "B"}
    (row,) = [row for row in defaults.compared(known, only_b) if row["method"] == "CORAL"][:1]
    assert row["source"]["tasks"] == 1 and row["source"]["losses"] == 0
    text = defaults.tables(known, ["wine/none", "wine/bent", "iris/bent"])
    assert "### half A and B, 20 labels, linear, against pooled" in text
    assert "| CORAL | 1 | -4.0 | -4.0 | 0 | 1 | -4.0 | iris/bent | +nan |" in text  # half A
    assert "| CORAL | 2 | +0.5 | +0.5 | 1 | 1 | -4.0 | iris/bent | -2.0 |" in text


def test_lines_are_plain_json(defaults, tmp_path):
    path = tmp_path / "lines.jsonl"
    run(defaults, path, "--tasks", "iris/none", "--labels", "0", "--methods", "SourceOnly")
    versions, *lines = map(json.loads, path.read_text().splitlines())
    assert "numpy" in versions["versions"] and len(lines) == 2


def test_the_page_is_what_its_lines_say(defaults, capsys):
    defaults.main(["--table"])
    assert (FOLDER / "results" / "defaults.md").read_text(
        encoding="utf-8"
    ) == capsys.readouterr().out


def test_two_processes_do_what_one_does(defaults, tmp_path):
    chosen = ("--tasks", "wine/stretch", "--methods", "CORAL", "SourceOnly", "--labels", "0")
    path = tmp_path / "two.jsonl"
    script = [sys.executable, FOLDER / "defaults.py", "--n-jobs", "2", "--lines", path]
    options = ("--learners", "linear", "--draws", "2", *chosen)
    subprocess.run([*map(str, script), *options], check=True)
    two, one = defaults.read(path), run(defaults, tmp_path / "one.jsonl", *chosen)
    assert {key: line["scores"] for key, line in two.items()} == {
        key: line["scores"] for key, line in one.items()
    }
