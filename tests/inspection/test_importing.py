"""Displays are there without matplotlib, until something is drawn."""

import subprocess
import sys


def test_importing_loads_no_matplotlib():
    code = (
        "import sys, skdtl, skdtl.inspection\n"
        "for name in skdtl.inspection.__all__:\n"
        "    assert getattr(skdtl, name) is getattr(skdtl.inspection, name)\n"
        "print(len(skdtl.inspection.__all__) >= 3, 'matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True False"
