"""Run the numerical tests under several of OpenBLAS's kernels.

OpenBLAS chooses a kernel by the processor, and another one adds up a product of matrices in another
order: what hangs on the last bits is green on one machine and red on another. numpy and scipy bring
an OpenBLAS each; OPENBLAS_CORETYPE speaks to both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# From the most to the least common; those that a processor can't run are left out.
CORETYPES = ("Haswell", "Prescott", "Sandybridge", "Nehalem", "SkylakeX", "ARMV8", "NEOVERSEN1")
# Prints which kernels numpy's and scipy's OpenBLAS take; fails where one can't be run.
PROBE = """
import numpy, scipy.linalg, threadpoolctl
S = numpy.random.default_rng(0).normal(size=(300, 200))
S = S.T @ S
scipy.linalg.eigh(S), numpy.linalg.svd(S)
for library in sorted(threadpoolctl.threadpool_info(), key=lambda library: library["filepath"]):
    if library["internal_api"] == "openblas":
        print(library["architecture"])
"""


def environment(coretype: str | None) -> dict[str, str]:
    """Return the environment in which OpenBLAS takes a kernel; None is the processor's own."""
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return kept if coretype is None else {**kept, "OPENBLAS_CORETYPE": coretype}


def kernels(coretype: str | None) -> tuple[str, ...]:
    """Return the kernels that numpy and scipy run then; none where they can't."""
    found = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment(coretype), capture_output=True, text=True
    )
    return tuple(found.stdout.split()) if found.returncode == 0 else ()


def numerical_tests() -> list[str]:
    """Return the files of tests whose numbers come from BLAS, and not from torch."""
    files = [ROOT / "tests" / f"test_{name}.py" for name in ("arrays", "kernels", "discrepancy")]
    files.append(ROOT / "tests" / "test_rounding.py")
    for folder in ("mapping", "instances"):
        files += sorted((ROOT / "tests" / folder).glob("test_*.py"))
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        if "\nimport torch\n" not in text and "deep_common import" not in text:
            found.append(str(file.relative_to(ROOT)))
    return found


def main() -> int:
    """Run them, and return 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=3, help="how many kernels; default: 3")
    parser.add_argument("pytest", nargs="*", help="what pytest is given besides")
    options = parser.parse_args()

    own = kernels(None)
    print(f"The processor's own kernels, which `make test` runs: {', '.join(own)}", flush=True)
    seen, results = {own}, {}
    for coretype in CORETYPES:
        running = kernels(coretype)
        if len(results) == options.most or not running or running in seen:
            continue
        seen.add(running)
        print(f"\n{coretype}: numpy and scipy run {', '.join(running)}", flush=True)
        command = [sys.executable, "-m", "pytest", "-m", "not slow", "-k", "not sklearn_check"]
        done = subprocess.run(
            [*command, *options.pytest, *numerical_tests()], cwd=ROOT, env=environment(coretype)
        )
        results[coretype] = "failed" if done.returncode else "passed"
    print("\n" + (", ".join(map(": ".join, results.items())) or "BLAS has no other kernel here."))
    return int("failed" in results.values())


if __name__ == "__main__":
    sys.exit(main())
