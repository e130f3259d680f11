"""A benchmark: its tasks, its page, and the command line that all scripts have."""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

import joblib

from .lines import Lines, key_of
from .running import available, fit, fit_apart, settings, versions
from .tables import mean, table
from .tasks import Task

RESULTS = Path(__file__).parents[1] / "results"
PLACE = re.compile(r"^\{(\w+)\}$", re.MULTILINE)


class Benchmark:
    """Fits methods to tasks, keeps a line of each fit, and makes a page of the lines.

    Parameters
    ----------
    path : str
        The script's file; its name is that of the lines and the page in ``results``.
    page : str
        The script's docstring, which is the page: a line ``{name}`` is the place of a table.
    tasks : iterable of Task
    tables : dict of str to callable
        What makes each table, as Markdown, of the lines.
    pictures : dict of str to callable
        Files in ``results``, and what draws them, given the lines and the path.
    packages : sequence of str
        What the methods need beyond scikit-learn: it is imported before the first fit, and its
        versions are noted.
    """

    def __init__(
        self,
        path: str,
        page: str,
        tasks: Iterable[Task],
        tables: Mapping[str, Callable[[Lines], str]],
        *,
        pictures: Mapping[str, Callable[[Lines, Path], None]] | None = None,
        packages: tuple[str, ...] = (),
    ):
        self.path = Path(path)
        self.name = self.path.stem
        self.text = page
        tasks = list(tasks)
        self.tasks = {task.name: task for task in tasks}
        if len(self.tasks) < len(tasks):
            raise ValueError("two tasks have the same name")
        self.tables = tables
        self.pictures = pictures or {}
        self.packages = packages

    # -- the page ----------------------------------------------------------------------------------

    @property
    def lines_file(self) -> Path:
        """The lines that the page is made of."""
        return RESULTS / f"{self.name}.jsonl"

    @property
    def page_file(self) -> Path:
        """The page."""
        return RESULTS / f"{self.name}.md"

    def page(self, lines: Lines) -> str:
        """Return the page that some lines give."""
        text = PLACE.sub(lambda place: self.tables[place[1]](lines), self.text.strip())
        made_by = "; ".join(
            ", ".join(f"{name} {version}" for name, version in run.items())
            for run in lines.versions()
        )
        source = f"[{self.name}.jsonl]({self.name}.jsonl)"
        return f"# {text}\n\nEach fit is a line of {source}, made by {made_by}.\n"

    def fits(self) -> list[tuple[str, str, int]]:
        """Return task, method and repetition of every fit, as they are done."""
        return [
            (task.name, name, repetition)
            for task in self.tasks.values()
            for repetition in range(task.repetitions)
            # Every other turn goes backwards: none is always the one after another.
            for name in (reversed(task.methods) if task.turns and repetition % 2 else task.methods)
        ]

    def missing(self, lines: Lines) -> list[tuple[str, str, int]]:
        """Return what the page needs and lines don't have."""
        return [key for key in self.fits() if lines.get(*key) is None and self._wanted(key, lines)]

    def _wanted(self, key, lines):
        task, name, _ = key
        task = self.tasks[task]
        return available(task.method(name)) and (task.when is None or task.when(name, lines))

    # -- the fits ----------------------------------------------------------------------------------

    def to_do(self, lines, tasks="*", methods="*", seeds=None) -> list[tuple[str, str, int]]:
        """Return the fits asked for that are missing, or were made with other parameters.

        Where times are compared, all fits of a task are done again if one of them is.
        """
        asked = [
            (task, name, repetition)
            for task, name, repetition in self.fits()
            if _matches(task, tasks)
            and _matches(name, methods)
            and (seeds is None or repetition < seeds)
        ]
        stale = self._changed(lines)
        found = {key for key in asked if lines.get(*key) is None or key[:2] in stale}
        again = {task for task, *_ in found if self.tasks[task].turns}
        return [key for key in asked if key in found or key[0] in again]

    def _changed(self, lines) -> set[tuple[str, str]]:
        """Return tasks and methods whose fits were made with other parameters than today's."""
        found = set()
        for task in self.tasks.values():
            for name in task.methods:
                fits = lines.of(task.name, name)
                now = settings(task, name) if fits else {}
                if any(fit.get(part) != now[part] for part in now for fit in fits):
                    found.add((task.name, name))
        return found

    def run(self, lines, keys, n_jobs=1):
        """Do some fits, add their lines, and yield them as they come."""
        if not keys:
            return
        made_by = versions(self.packages)
        # Lines of other parameters go, also of the seeds that are not asked for: none are mixed.
        again = self._changed(lines) & {key[:2] for key in keys}
        lines.drop([*keys, *(key for key in self.fits() if key[:2] in again)])
        lines.write(self.fits())
        at_once, in_turn = [], []
        for key in keys:
            side_by_side = n_jobs > 1 and self.tasks[key[0]].may_run_at_once
            (at_once if side_by_side else in_turn).append(key)
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered")
        jobs = (joblib.delayed(fit)(*self._job(key)) for key in at_once)
        for line in chain(parallel(jobs), self._in_turn(in_turn, lines)):
            lines.add(line, made_by)
            yield line
        lines.write(self.fits())

    def _in_turn(self, keys, lines):
        """Do one fit after the other, which may depend on lines so far."""
        warm = set()
        for key in keys:
            if not self._wanted(key, lines):
                continue
            if self.tasks[key[0]].isolated:
                python = self.tasks[key[0]].method(key[1]).python
                yield fit_apart(self.path, *key, python=python)
            else:
                yield fit(*self._job(key), warm_up=key[:2] not in warm)
                warm.add(key[:2])

    def _job(self, key):
        task, name, repetition = key
        return self.name, self.tasks[task], name, repetition, self.packages

    # -- the command line --------------------------------------------------------------------------

    def main(self, arguments=None) -> None:
        """Do what the command line asks for."""
        options = self._options(arguments)
        if options.fit:
            task, name, repetition = options.fit
            print(json.dumps(fit(*self._job((task, name, int(repetition))), warm_up=True)))
            return
        lines = Lines(options.lines or self.lines_file)
        if options.list:
            for task in self.tasks.values():
                print(f"{task.name} ({task.repetitions}): {', '.join(task.methods)}")
            return
        if not options.table_only:
            keys = self.to_do(lines, options.tasks, options.methods, options.seeds)
            keys = keys[: options.limit]
            print(f"{len(lines)} fits are known, {len(keys)} to do", flush=True)
            for line in self.run(lines, keys, options.n_jobs):
                print(_told(line), flush=True)
        missing = self.missing(lines)
        if missing:
            print(
                f"{summary(lines)}\n\nNo page: {len(missing)} fits are missing, {missing[0]} first"
            )
            return
        page = self.page(lines)
        print(page)
        if options.lines is None:
            self.page_file.write_text(page, encoding="utf-8")
            for name, draw in self.pictures.items():
                draw(lines, RESULTS / name)

    def _options(self, arguments):
        parser = argparse.ArgumentParser(
            prog=f"{self.name}.py", description=self.text.splitlines()[0]
        )
        add = parser.add_argument
        add("--tasks", nargs="+", default=["*"], metavar="PATTERN", help="those alone")
        add("--methods", nargs="+", default=["*"], metavar="PATTERN", help="those alone")
        add("--seeds", type=int, help="so many seeds or turns at most")
        add("--limit", type=int, help="so many fits at most")
        add("--n-jobs", type=int, default=1, help="processes, for fits that may run side by side")
        add("--lines", type=Path, help="a file of lines beside the one in results; no page")
        add("--table-only", action="store_true", help="make the page of the lines that are there")
        add("--list", action="store_true", help="tell the tasks and their methods")
        add("--fit", nargs=3, help=argparse.SUPPRESS)
        options = parser.parse_args(arguments)
        for kind, names in (
            ("tasks", self.tasks),
            ("methods", {name for task in self.tasks.values() for name in task.methods}),
        ):
            for pattern in getattr(options, kind):
                if not any(_matches(name, [pattern]) for name in names):
                    sys.exit(f"There are no {kind} {pattern!r}; there are {sorted(names)}.")
        return options


def summary(lines) -> str:
    """Return a table of any lines: the first score of each method on each task."""
    return table(
        dict.fromkeys(key_of(line)[:2] for line in lines),
        {
            "task": lambda key: key[0],
            "method": lambda key: key[1],
            "fits": lambda key: len(lines.of(*key)),
            "mean": lambda key: mean(lines.scores(*key), 4),
            "CPU, s": lambda key: mean(lines.seconds(*key), 4),
        },
    )


def _matches(name, patterns):
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _told(line):
    what = " | ".join(map(str, key_of(line)))
    if "error" in line:
        return f"{what}: {line['error']}"
    scores = ", ".join(
        f"{name} {'–' if value is None else format(value, '.4g')}"
        for name, value in line["scores"].items()
    )
    return f"{what}: {scores} in {line['seconds']} s"
