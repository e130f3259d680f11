from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn

try:
    import torch
except ModuleNotFoundError:  # the classical half is tested without it too
    torch = None
    collect_ignore = [
        str(path)
        for path in Path(__file__).parent.rglob("test_*.py")
        if "\nimport torch\n" in (text := path.read_text()) or "deep_common import" in text
    ]
else:
    # Two threads on small tensors cost far more than one.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def global_generators():
    """Begin every test with the same random numbers, whichever ran before it."""
    np.random.seed(0)  # noqa: NPY002
    if torch is not None:
        torch.default_generator.manual_seed(0)


@pytest.fixture(params=[False, True], ids=["no-routing", "routing"])
def routing(request):
    """Run the test without and with scikit-learn's metadata routing."""
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param
