from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
torch.set_num_threads(1)  # two threads on small tensors cost far more than one
