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

# From the ground up: a module imports from floors below its own, and from its own part of a floor.
FLOORS = [
    {"_lazy"},
    {"_constraints", "_docstrings", "_labels", "_arrays", "_predictions"},
    {"_parameters", "domains"},
    {"base"},
    {"_delegation"},
    {"_mappers"},
    {"kernels", "_couplings"},
    {"discrepancy"},
    {"deep"},
    {"instances", "mapping", "network", "adversarial", "baselines"},
    {"model_selection", "inspection", "datasets", "utils"},
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}
# Of the engine, what is trained knows nothing of what trains it.
WITHOUT_A_NET = {"heads", "network", "terms", "alignments"}


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


def test_every_part_has_its_floor():
    assert {part(name) for name in FILES} - {""} == set(FLOOR)


@pytest.mark.parametrize("name", [name for name in FILES if name != "skdtl"])
def test_nothing_is_imported_from_above_or_from_the_family_next_door(name):
    for other in GRAPH[name]:
        if other == "skdtl":  # whose names are those of all parts, but looked up on demand
            assert name in ("skdtl.utils", "skdtl.deep.saving")
        elif part(other) != part(name):
            assert FLOOR[part(other)] < FLOOR[part(name)], other


def test_terms_and_networks_know_nothing_of_what_trains_them():
    for name, others in GRAPH.items():
        if name.startswith("skdtl.deep.") and name.split(".")[2] in WITHOUT_A_NET:
            engine = {other.split(".")[2] for other in others if part(other) == "deep"}
            assert engine <= WITHOUT_A_NET, name


def test_there_is_no_circle():
    try:
        TopologicalSorter(GRAPH).prepare()
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
