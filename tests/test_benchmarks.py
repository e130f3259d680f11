"""The benchmarks: every script lists its tasks, and its page is what its lines say."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.linear_model import LogisticRegression, Ridge

FOLDER = Path(__file__).parents[1] / "benchmarks"
# A search through all classes, with a command line, lines and tests of its own.
APART = {"defaults"}
SCRIPTS = sorted({path.stem for path in FOLDER.glob("[!_]*.py")} - APART)
# Their pages stand as they were until the next run, which leaves lines.
WITHOUT_LINES = {
    *("deep_images", "deep_memmap", "deep_pairs", "deep_speed", "instances", "kmm_speed"),
    *("mapping", "mapping_speed", "million_rows", "office_caltech", "regression_thirds"),
    *("tca_million", "tradaboost_speed", "two_moons"),
}


@pytest.fixture(scope="module", autouse=True)
def on_the_path():
    """Let scripts find what they share, as Python does where it runs one."""
    sys.path.insert(0, str(FOLDER))
    # Workers that an earlier test left behind know the path that it had.
    get_reusable_executor(reuse=False, kill_workers=True).shutdown()
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def load():
    """Return what imports a script, once."""
    known = {}

    def imported(name):
        if name not in known:
            spec = importlib.util.spec_from_file_location(
                f"benchmark_{name}", FOLDER / f"{name}.py"
            )
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            try:
                spec.loader.exec_module(module)
            except ImportError as error:
                if importlib.util.find_spec("torch"):
                    raise
                pytest.skip(str(error))
            known[name] = module.BENCHMARK
        return known[name]

    return imported


@pytest.fixture(scope="module")
def harness(on_the_path):
    return importlib.import_module("_harness")


# -- the scripts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_tasks_methods_and_a_page(load, harness, name):
    benchmark = load(name)
    assert benchmark.name == name
    places = re.findall(r"^\{(\w+)\}$", benchmark.text, re.MULTILINE)
    assert sorted(places) == sorted(benchmark.tables)
    assert f"make benchmark-{name}" in benchmark.text
    assert benchmark.fits()
    settings = importlib.import_module("_harness.running").settings
    seen = set()
    for task in benchmark.tasks.values():
        for method in task.methods:
            if (id(task.methods[method]), id(task.setting)) not in seen:
                seen.add((id(task.methods[method]), id(task.setting)))
                text = json.dumps(settings(task, method))
                assert " at 0x" not in text  # an address is another one in the next run


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_is_what_its_lines_say(load, harness, name):
    benchmark = load(name)
    lines = harness.Lines(benchmark.lines_file)
    missing = benchmark.missing(lines)
    if missing:  # a page of before, or a script that has not been run yet
        assert name in WITHOUT_LINES or not benchmark.page_file.exists(), missing[0]
        return
    assert name not in WITHOUT_LINES
    assert benchmark.page(lines) == benchmark.page_file.read_text(encoding="utf-8")
    for picture in benchmark.pictures:
        assert (benchmark.page_file.parent / picture).exists()


class Whatever(dict):
    """Scores that have every name."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 0.5

    def get(self, name, default=None):
        return 0.5


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_can_be_made_of_complete_lines(load, harness, tmp_path, name):
    benchmark, lines = load(name), harness.Lines()
    costs = {"memory": {"before": 1e6, "peak": 5e6}, "scoring": {"seconds": 1.0, "peak": 4e6}}
    for task, method, repetition in benchmark.fits():
        of_task = benchmark.tasks[task]
        line = {"task": task, "method": method, "scores": Whatever(accuracy=0.5), **costs}
        line |= {"turn" if of_task.turns else "seed": repetition, "seconds": 3.0, "wall": 6.0}
        lines.add(line, {"python": "3"})
    assert benchmark.missing(lines) == []
    page = benchmark.page(lines)
    assert not re.search(r"^\{(\w+)\}$", page, re.MULTILINE)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) >= 3 * len(benchmark.tables)
    assert "nan" not in "".join(rows)
    if benchmark.pictures:
        pytest.importorskip("matplotlib").use("Agg")
    for picture, drawn in benchmark.pictures.items():
        drawn(lines, tmp_path / picture)
        assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.parametrize(
    "path",
    sorted(path for path in FOLDER.glob("results/*.jsonl") if path.stem not in APART),
    ids=lambda path: path.stem,
)
def test_lines_tell_of_the_fits_and_of_nothing_else(load, harness, path):
    benchmark = load(path.stem)
    keys = set(benchmark.fits())
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|tmp|root|usr|work|opt|Users)/", text)
    known = {"task", "method", "seed", "turn", "class", "parameters", "scores", "seconds"}
    known |= {"warnings", "error", "wall", "memory", "scoring"}
    for line in harness.Lines(path):
        assert harness.key_of(line) in keys, "a fit of a task or method that is no more"
        assert line.keys() <= known
        assert ("error" in line) != ("scores" in line)


def test_the_readme_names_every_page():
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    pages = [f"benchmarks/results/{path.name}" for path in FOLDER.glob("results/*.md")]
    assert [page for page in pages if f"({page})" not in readme] == []


# -- the harness -----------------------------------------------------------------------------------


def draw(seed):
    """Draw a line with noise: the mean of many rows tells one seed from another."""
    from _harness import Draw

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -1.0] + 0.1 * rng.normal(size=60)
    return Draw(X[:20], y[:20], X[20:40], None, X[40:], y[40:])


@pytest.fixture
def make(harness, tmp_path, monkeypatch):
    """Return what makes a benchmark whose results are in a folder of the test's own."""
    monkeypatch.setattr("_harness.benchmark.RESULTS", tmp_path)

    def made(methods, tables=None, *, name="made_up", **options):
        options = {"seeds": 3, "score": harness.fits.rmse, **options}
        tasks = [harness.Task(task, draw, methods, **options) for task in ("one", "two")]
        tables = tables or {"table": lambda lines: f"{len(lines)} lines"}
        return harness.Benchmark(f"{name}.py", "Made up.\n\n{table}\n", tasks, tables)

    return made


def ridges(harness, alpha=1.0):
    return {
        "little": harness.Method(Ridge(alpha=1e-3), harness.fits.on_source),
        "much": harness.Method(Ridge(alpha=alpha), harness.fits.on_source),
    }


def test_a_fit_leaves_a_line_and_a_page_is_made_of_all(make, harness, tmp_path, capsys):
    benchmark = make(ridges(harness))
    benchmark.main([])
    first, *lines = (tmp_path / "made_up.jsonl").read_text().splitlines()
    assert json.loads(first)["versions"]["numpy"] == np.__version__
    lines = [json.loads(line) for line in lines]
    assert [harness.key_of(line) for line in lines] == benchmark.fits()
    assert len(lines) == 12
    line = lines[3]
    assert (line["task"], line["method"], line["seed"]) == ("one", "much", 1)
    assert line["class"] == "Ridge"
    assert line["parameters"]["alpha"] == 1.0
    d = draw(1)
    model = Ridge(alpha=1.0).fit(d.Xs, d.ys)
    expected = np.sqrt(np.mean((model.predict(d.X_test) - d.y_test) ** 2))
    assert line["scores"] == {"RMSE": pytest.approx(expected, rel=1e-12)}
    assert 0 < line["seconds"] < 60
    page = (tmp_path / "made_up.md").read_text()
    assert page.startswith("# Made up.\n\n12 lines\n")
    assert f"numpy {np.__version__}" in page


def test_what_is_known_is_not_fitted_again_and_what_has_changed_is(make, harness, capsys):
    make(ridges(harness)).main(["--seeds", "2", "--limit", "5"])
    assert "No page: 7 fits are missing" in capsys.readouterr().out
    make(ridges(harness)).main([])
    assert "5 fits are known, 7 to do" in capsys.readouterr().out
    changed = make(ridges(harness, alpha=2.0))
    lines = harness.Lines(changed.lines_file)
    assert {key[1] for key in changed.to_do(lines)} == {"much"}
    assert len(changed.to_do(lines)) == 6
    changed.main(["--limit", "1"])
    alphas = [line["parameters"]["alpha"] for line in harness.Lines(changed.lines_file)]
    assert sorted(alphas) == [1e-3] * 6 + [1.0] * 3 + [2.0]  # none of one method are mixed
    changed.main([])
    assert changed.to_do(harness.Lines(changed.lines_file)) == []
    assert len(harness.Lines(changed.lines_file)) == 12


def test_tasks_methods_and_seeds_are_selected(make, harness, tmp_path):
    benchmark = make(ridges(harness))
    path = tmp_path / "elsewhere.jsonl"
    benchmark.main(["--tasks", "t*", "--methods", "much", "--seeds", "2", "--lines", str(path)])
    assert [harness.key_of(line) for line in harness.Lines(path)] == [
        ("two", "much", 0),
        ("two", "much", 1),
    ]
    assert not benchmark.lines_file.exists()
    assert not benchmark.page_file.exists()
    with pytest.raises(SystemExit, match="no methods 'nothing'"):
        benchmark.main(["--methods", "nothing"])


def test_other_lines_leave_the_page_alone(make, harness, tmp_path):
    benchmark = make(ridges(harness))
    benchmark.main(["--lines", str(tmp_path / "elsewhere.jsonl")])
    assert not benchmark.page_file.exists()
    benchmark.main(["--table-only"])
    assert not benchmark.page_file.exists()  # its own lines are missing


def test_processes_find_what_one_finds(make, harness, tmp_path):
    benchmark = make(ridges(harness))
    benchmark.main([])
    other = tmp_path / "two.jsonl"
    benchmark.main(["--n-jobs", "2", "--lines", str(other)])
    one, two = (list(harness.Lines(path)) for path in (benchmark.lines_file, other))
    assert [line["scores"] for line in one] == [line["scores"] for line in two]


def test_an_interrupted_run_goes_on_where_it_was(make, harness):
    calls = []

    def fit(model, d):
        calls.append(0)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return harness.fits.on_source(model, d)

    methods = {"much": harness.Method(Ridge(), fit)}
    with pytest.raises(KeyboardInterrupt):
        make(methods).main([])
    text = make(methods).lines_file.read_text()
    assert (text.count("versions"), text.count("scores")) == (1, 3)
    make(methods).main([])
    assert len(calls) == 7  # 6 fits, of which one was interrupted


def test_times_are_compared_in_turn_and_all_of_them_again(make, harness):
    calls = []

    def noted(name):
        def fit(model, d):
            calls.append(name)
            return harness.fits.on_source(model, d)

        return harness.Method(Ridge(), fit)

    methods = {"a": noted("a"), "b": noted("b")}
    benchmark = make(methods, seeds=1, turns=3)
    benchmark.main([])
    assert "".join(calls) == 2 * "abbaab"
    lines = harness.Lines(benchmark.lines_file)
    assert {line["turn"] for line in lines} == {0, 1, 2}
    assert len({json.dumps(line["scores"]) for line in lines}) == 1  # one draw
    lines.drop([("one", "b", 1)])
    assert {key[0] for key in benchmark.to_do(lines)} == {"one"}
    assert len(benchmark.to_do(lines)) == 6
    del calls[:]
    make(methods, name="warm", turns=3, warm_up=lambda: draw(0)).main([])
    assert "".join(calls) == 2 * "aabbbaab"
    del calls[:]
    make(methods, name="alone", turns=3).main(["--n-jobs", "2"])
    assert "".join(calls) == 2 * "abbaab"  # in this process, side by side with nothing


def test_loops_are_one_measurement_of_which_a_part_is_noted(make, harness, monkeypatch):
    calls, ticks = [], itertools.count(0.0, 10.0)
    clock = SimpleNamespace(process_time=lambda: next(ticks), perf_counter=time.perf_counter)
    monkeypatch.setattr("_harness.running.time", clock)

    def fit(model, d):
        calls.append(0)
        return harness.fits.on_source(model, d)

    benchmark = make({"a": harness.Method(Ridge(), fit)}, seeds=1, loops=5)
    benchmark.main([])
    assert len(calls) == 10
    assert list(harness.Lines(benchmark.lines_file).seconds("one", "a")) == [2.0]


def test_a_failure_that_is_foreseen_is_a_result(make, harness):
    def failing(model, d):
        raise harness.Failed("diverged")

    def broken(model, d):
        raise RuntimeError("a bug")

    table = {"table": lambda lines: harness.tables.percent(lines.scores("one", "a"))}
    benchmark = make({"a": harness.Method(Ridge(), failing)}, table)
    benchmark.main([])
    lines = harness.Lines(benchmark.lines_file)
    assert {line["error"] for line in lines} == {"diverged"}
    assert np.isnan(lines.scores("one", "a")).all()
    assert "diverged (3 of 3)" in benchmark.page_file.read_text()
    with pytest.raises(RuntimeError, match="a bug"):
        make({"a": harness.Method(Ridge(), broken)}, name="bug").main([])
    peer = harness.Method(Ridge(), harness.fits.of_peer(broken))
    benchmark = make({"a": peer}, name="peer")
    benchmark.main([])
    assert {line["error"] for line in harness.Lines(benchmark.lines_file)} == {
        "RuntimeError: a bug"
    }


def test_a_method_waits_for_lines_or_for_its_package(make, harness):
    methods = ridges(harness)
    methods["peer"] = harness.Method(Ridge(), needs=("a_package_that_is_not_there",))
    benchmark = make(methods, when=lambda name, lines: name != "much" or len(lines) > 3)
    benchmark.main([])
    found = {harness.key_of(line) for line in harness.Lines(benchmark.lines_file)}
    assert {key[1] for key in found} == {"little", "much"}
    # Those of the first task came before there were enough lines.
    assert sum(key[1] == "much" for key in found) < 6


def test_what_a_method_is_given_and_told(make, harness):
    given = []

    def noted(d, seed):
        given.append(seed)
        return harness.Draw(2 * d.Xs, d.ys, d.Xt, d.yt, d.X_test, d.y_test)

    method = harness.Method(
        lambda setting: Ridge(alpha=setting, solver="sag"),
        harness.fits.on_source,
        given=noted,
        figures=lambda model, d: {"spread": d.Xs.std(), "seeded": model.random_state},
    )
    benchmark = make({"a": method}, setting=0.5)
    benchmark.main([])
    assert given == [0, 1, 2, 0, 1, 2]
    lines = harness.Lines(benchmark.lines_file)
    line = lines.get("one", "a", 2)
    assert line["parameters"]["alpha"] == 0.5
    assert "random_state" not in line["parameters"]  # it is the seed
    own = harness.Task("own", draw, {"a": Ridge(random_state=0)})
    settings = importlib.import_module("_harness.running").settings
    assert settings(own, "a")["parameters"]["random_state"] == 0
    assert line["scores"]["seeded"] == 2
    np.testing.assert_allclose(line["scores"]["spread"], 2 * draw(2).Xs.std())
    np.testing.assert_array_equal(lines.scores("one", "a", "seeded"), [0, 1, 2])


def test_warnings_are_noted_and_not_printed(make, harness, capsys):
    methods = {"a": harness.Method(LogisticRegression(max_iter=1), harness.fits.on_source)}

    def classes(seed):
        d = draw(seed)
        return harness.Draw(d.Xs, d.ys > 0, d.Xt, None, d.Xt, d.ys > 0)

    task = harness.Task("one", classes, methods)
    benchmark = harness.Benchmark("warns.py", "W.\n\n{table}", [task], {"table": lambda lines: ""})
    benchmark.main([])
    assert harness.Lines(benchmark.lines_file).get("one", "a")["warnings"] == ["ConvergenceWarning"]
    assert "ConvergenceWarning" not in "".join(capsys.readouterr())


SCRIPT = """
from pathlib import Path

import numpy as np
from _harness import Benchmark, Draw, Method, Task

def draw(seed):
    X = np.ones((1000, 1000))
    return Draw(X, None, None, None, None, None)

def double(_, d):
    with open(Path(__file__).parent / "calls", "a") as file:
        file.write(f"{len(d.Xs)} ")
    held = np.concatenate([d.Xs, d.Xs])
    return held.sum()

def score(total, d):
    return {"total": total}

TASKS = [
    Task("one", draw, {"a": Method(fit=double)}, score, isolated=True, least_of=2,
         warm_up=lambda: Draw(np.ones((1, 1)), None, None, None, None, None)),
]
BENCHMARK = Benchmark(__file__, "Apart.\\n\\n{table}", TASKS, {"table": lambda lines: ""})
if __name__ == "__main__":
    BENCHMARK.main()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_process_of_its_own_tells_its_memory(harness, tmp_path, monkeypatch):
    script = tmp_path / "apart.py"
    script.write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER), prepend=":")
    monkeypatch.setattr("_harness.benchmark.RESULTS", tmp_path)
    spec = importlib.util.spec_from_file_location("apart", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.BENCHMARK.main([])
    line = harness.Lines(tmp_path / "apart.jsonl").get("one", "a")
    assert line["scores"] == {"total": 2e6}
    taken = line["memory"]["peak"] - line["memory"]["before"]
    assert 15e6 < taken < 30e6  # 16 MB of new rows
    assert line["scoring"]["peak"] < line["memory"]["peak"] + 4e6  # pages are not always given back
    assert line["wall"] > 0
    calls = (tmp_path / "calls").read_text().split()
    assert calls == ["1", "1000", "1000"]  # a warm-up and two fits


def test_a_method_may_have_another_python(make, harness):
    methods = {"a": harness.Method(Ridge(), harness.fits.on_source, python="no/such/python")}
    with pytest.raises(FileNotFoundError, match="no/such/python"):
        make(methods, isolated=True).main([])


def test_cells(harness):
    values = [0.5, 0.7]
    assert harness.tables.percent(values) == "60.0 ± 10.0"
    assert harness.tables.percent([0.5]) == "50.0"
    assert harness.tables.percent([]) == harness.tables.NOTHING
    assert harness.tables.percent([0.1, np.nan]) == "diverged (1 of 2)"
    assert harness.tables.percent([0.01, 0.03], sign="+") == "+2.0 ± 1.0"
    assert harness.tables.mean(values, 2) == "0.60"
    assert harness.tables.mean_and_deviation(values, 3) == "0.600 ± 0.141"
    assert harness.tables.mean_and_error(values, 2) == "0.60 ± 0.10"
    assert harness.tables.ratio([2.0, 4.0, 9.0], [1.0, 1.0, 2.0]) == "4.00 (2.00)"
    assert harness.tables.table("ab", {"": str, "twice": lambda x: 2 * x}) == (
        "|  | twice |\n|---|---|\n| a | aa |\n| b | bb |"
    )


def test_labels_and_rows(harness):
    np.testing.assert_array_equal(harness.fits.labelled(np.array([0, -1, 2])), [True, False, True])
    np.testing.assert_array_equal(harness.fits.labelled(np.array([0.0, np.nan])), [True, False])
    np.testing.assert_array_equal(
        harness.fits.labelled(np.array(["a", None], dtype=object)), [True, False]
    )
    y = np.repeat([3, 5], [10, 20])
    rows = harness.fits.of_each_class(y, lambda n: n // 5, 0)
    np.testing.assert_array_equal(y[rows], [3, 3, 5, 5, 5, 5])
    assert set(harness.fits.of_each_class(y, lambda n: n, 0)) == set(range(30))
    assert not np.array_equal(rows, harness.fits.of_each_class(y, lambda n: n // 5, 1))


class Weights:
    def fit(self, X, y, sample_weight=None, sample_domain=None):
        self.seen = X, y, sample_weight, sample_domain
        return self


def test_plain_learners_see_the_rows_that_they_should(harness):
    Xs, Xt = np.zeros((6, 1)), np.ones((4, 1))
    d = harness.Draw(Xs, np.arange(6) % 2, Xt, np.array([0, -1, 1, -1]), Xt, None)
    X, y, *_ = harness.fits.on_source(Weights(), d).seen
    np.testing.assert_array_equal(X, Xs)
    X, y, *_ = harness.fits.on_target(Weights(), d).seen
    assert (len(X), list(y)) == (2, [0, 1])
    X, y, weights, _ = harness.fits.on_both(Weights(), d).seen
    assert X.sum() == 2 and len(X) == 8 and weights is None
    X, y, weights, _ = harness.fits.with_equal_weights(Weights(), d).seen
    assert weights[:6].sum() == pytest.approx(weights[6:].sum()) == pytest.approx(4)
    X, y, _, codes = harness.fits.stacked(Weights(), d).seen
    np.testing.assert_array_equal(codes, [1] * 6 + [-1] * 4)
    d.source_ids = np.repeat([1, 2], 3)
    codes = harness.fits.stacked(Weights(), d).seen[-1]
    np.testing.assert_array_equal(codes, [1, 1, 1, 2, 2, 2, -1, -1, -1, -1])


def test_two_runs_are_compared(make, harness, tmp_path):
    compare = importlib.import_module("_compare").compare
    benchmark = make(ridges(harness))
    benchmark.main([])
    old = harness.Lines(benchmark.lines_file)
    assert compare(old, old) == (
        "12 fits in both, 12 of them with equal scores; 0 in the old file alone, 0 in the new "
        "one alone."
    )
    other = tmp_path / "other.jsonl"
    make(ridges(harness, alpha=100.0)).main(["--lines", str(other), "--tasks", "one"])
    new = harness.Lines(other)
    text = compare(old, new)
    assert text.startswith("6 fits in both, 3 of them with equal scores; 6 in the old file alone")
    assert "alpha: 1.0 → 100.0 (much)" in text
    before, after = (lines.scores("one", "much") for lines in (old, new))
    assert f"{before.mean():.4f} | {after.mean():.4f} | +{(after - before).mean():.4f} ±" in text
    assert "| little |" not in text.partition("CPU")[0]
