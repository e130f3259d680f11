"""Who imports whom: from below upwards nobody, no family another one, and nobody in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import skdtl

ROOT = Path(skdtl.__file__).parent

# From the ground up; who isn't named may stand where it likes, but not in a circle.
FLOORS = [
    {"_lazy", "_arrays", "_constraints", "_docstrings"},
    {"_labels", "domains"},
    {"base"},
    {"_delegation", "_mappers", "kernels", "discrepancy"},
    {"deep"},
    {"instances", "mapping", "network", "adversarial"},
    {"_portfolio", "_candidates"},
    {"ensemble"},
    {"model_selection", "inspection", "utils", "metrics"},
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}
FAMILIES = FLOORS[5]
# Of the engine, what is trained knows nothing of what trains it.
WITHOUT_A_NET = {"alignments", "batches", "codes", "domain_networks", "heads", "network", "terms"}


def name_of(path: Path) -> str:
    parts = ["skdtl", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(name: str) -> set[str]:
    """Return the modules of ours that a module imports anywhere, also where types alone are."""
    found = set()
    package = name.split(".") if FILES[name].stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "skdtl"}
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            if base[0] == "skdtl":
                deeper = (".".join([*base, alias.name]) for alias in node.names)
                found |= {one if one in FILES else ".".join(base) for one in deeper}
    return found


GRAPH = {name: imported(name) for name in FILES}


def part(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def others_of(name: str) -> set[str]:
    """Return the parts that a module imports, beside its own and the package's lazy names."""
    return {part(other) for other in GRAPH[name]} - {part(name), ""}


@pytest.mark.parametrize("name", [name for name in FILES if name != "skdtl"])
def test_nothing_is_imported_from_above_or_from_the_family_next_door(name):
    for other in others_of(name):
        if part(name) in FLOOR and other in FLOOR:
            assert FLOOR[other] <= FLOOR[part(name)], other
        assert not {part(name), other} <= FAMILIES, other


def test_terms_and_networks_know_nothing_of_what_trains_them():
    for name, others in GRAPH.items():
        if name.startswith("skdtl.deep.") and name.split(".")[2] in WITHOUT_A_NET:
            engine = {other.split(".")[2] for other in others if part(other) == "deep"}
            assert engine <= WITHOUT_A_NET, name


def test_there_is_no_circle_of_modules_nor_of_packages():
    parts: dict[str, set[str]] = {}
    for name in GRAPH:
        parts.setdefault(part(name), set()).update(others_of(name))
    for graph in (GRAPH, parts):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(" -> ".join(error.args[1]))


def test_every_module_can_be_imported_first():
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    code = f"""
import importlib, sys
for name in {list(FILES)!r}:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "skdtl"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
