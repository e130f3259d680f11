"""A benchmark is tasks and methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from .fits import accuracy, pair


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    Attributes
    ----------
    make : estimator, callable or None
        What is fitted: a prototype, or a function of the task's setting that returns one. The
        repetition's seed becomes its ``random_state`` where it has one that is None.
    fit : callable
        Fits it to a draw and returns what is scored.
    given : callable or None
        Makes of a draw and the seed what this method is given of it, and is scored on.
    figures : callable or None
        Makes of the fitted method and the draw what is noted beside the scores.
    python : str or None
        Another Python, for a task whose fits have processes of their own.
    needs : tuple of str
        Packages without which the method is left out.
    """

    make: Any = None
    fit: Callable = pair
    given: Callable | None = None
    figures: Callable | None = None
    python: str | None = None
    needs: tuple[str, ...] = ()

    def prototype(self, setting, seed):
        """Return what is fitted, with its seed."""
        model = self.make
        if model is not None and (isinstance(model, type) or not hasattr(model, "get_params")):
            model = model(setting)
        if model is None or not hasattr(model, "get_params"):
            return model
        if model.get_params(deep=False).get("random_state", seed) is None:
            model = clone(model).set_params(random_state=seed)
        return model


@dataclass(frozen=True)
class Task:
    """A column of the tables: rows to draw, the methods that are fitted to them, their score.

    Attributes
    ----------
    name : str
        Unlike that of the script's other tasks.
    draw : callable
        Returns for a seed what the methods are fitted to and scored on.
    methods : dict of str to Method or estimator
        An estimator stands for a Method of its own.
    score : callable
        Makes of a fitted method and the draw one or more numbers by name.
    setting : object
        What methods that depend on the task are made from.
    seeds : int
        How many draws.
    turns : int
        Where times are compared: how often each method is fitted to the draw of seed 0, one after
        the other, turn by turn, in one process. If one of the fits is missing or has changed, all
        of the task are done again.
    loops : int
        How often a function is called for one measurement of a time; noted is that of one call.
    warm_up : callable or None
        Returns rows to which each method is fitted before it is measured.
    isolated : bool
        Each fit has a process of its own, of which the memory is noted, too.
    least_of : int
        An isolated fit is repeated so often, but not beyond two seconds; the least time counts.
    when : callable or None
        Tells of a method and the lines so far whether it is fitted to this task at all.
    """

    name: str
    draw: Callable[[int], Any]
    methods: Mapping[str, Any]
    score: Callable[[Any, Any], dict] = accuracy
    setting: Any = None
    seeds: int = 1
    turns: int = 0
    loops: int = 1
    warm_up: Callable[[], Any] | None = None
    isolated: bool = False
    least_of: int = 1
    when: Callable[[str, Any], bool] | None = None

    def method(self, name) -> Method:
        """Return a method."""
        method = self.methods[name]
        return method if isinstance(method, Method) else Method(method)

    @property
    def repetitions(self) -> int:
        """How many seeds or turns."""
        return self.turns or self.seeds

    @property
    def may_run_at_once(self) -> bool:
        """Whether fits may run side by side: no cost is compared, none waits for another."""
        return not (self.turns or self.isolated or self.when)
