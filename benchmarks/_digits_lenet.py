"""Train the network whose weights the package holds: skdtl.deep.digits_lenet.

    python benchmarks/_digits_lenet.py

Its digits are those of scikit-learn, each as it is and moved by a pixel to the four sides.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import sklearn
import torch
from sklearn.datasets import load_digits

import skdtl
from skdtl import DeepTransferClassifier
from skdtl.deep import LeNet
from skdtl.deep.pretrained import DIGITS_LENET, DIGITS_LENET_FILE


def moved(images):
    """Return images as they are, and moved by a pixel to each side."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    corners = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    return np.concatenate([padded[:, i : i + 8, j : j + 8] for i, j in corners])


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = load_digits()
    X, y = moved(data.images / 16), np.tile(data.target, 5)
    model = DeepTransferClassifier(
        module=partial(LeNet, **DIGITS_LENET), max_epochs=30, weight_decay=1e-4, random_state=0
    )
    model.fit(X.reshape(len(X), 64), y, X[:1].reshape(1, 64))
    weights = model.net_.module_.layers.state_dict()
    module = LeNet(64, **DIGITS_LENET)
    named = dict(zip(module.state_dict(), weights.values(), strict=True))
    about = {
        "made by": Path(__file__).name,
        "data": f"sklearn.datasets.load_digits, {len(X)} images with moved ones",
        "versions": f"skdtl {skdtl.__version__}, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}",
    }
    DIGITS_LENET_FILE.write_bytes(safetensors.torch.save(named, about))
    print(model.score(X.reshape(len(X), 64), y), DIGITS_LENET_FILE.stat().st_size)
