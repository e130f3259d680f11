"""The images of ten objects from four collections (Office-Caltech)."""

from __future__ import annotations

import os

import numpy as np
import scipy.io
from sklearn.utils import Bunch

from ._data_home import data_file

_FILES = {
    "caltech": "Caltech10_SURF_L10.mat",
    "amazon": "amazon_SURF_L10.mat",
    "webcam": "webcam_SURF_L10.mat",
    "dslr": "dslr_SURF_L10.mat",
}


def load_office_caltech(
    source: str = "caltech",
    target: str = "amazon",
    *,
    normalize: bool = False,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load two of the four collections of photographs of Office-Caltech, with SURF features.

    Ten kinds of objects, photographed by different cameras against different backgrounds. Each
    image is a histogram of 800 visual words, here divided by its sum and then standardised within
    its collection, as published results have it.

    Parameters
    ----------
    source : {"caltech", "amazon", "webcam", "dslr"}, default="caltech"
        The labelled collection.
    target : {"caltech", "amazon", "webcam", "dslr"}, default="amazon"
        The other one.
    normalize : bool, default=False
        Scale each row to Euclidean norm 1 afterwards, the protocol of part of the literature.
    data_home : path-like or None, default=None
        Folder that holds ``office_caltech10_surf/amazon_SURF_L10.mat`` and the other three; None
        reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt of 800 columns and 1123 (caltech), 958 (amazon), 295 (webcam) or 157 (dslr) rows;
        ys, yt: the objects 0 to 9; DESCR.

    References
    ----------
    Gong, B., Shi, Y., Sha, F. and Grauman, K. (2012). Geodesic flow kernel for unsupervised domain
    adaptation. CVPR.
    """
    for argument, value in (("source", source), ("target", target)):
        if value not in _FILES:
            raise ValueError(f"{argument} must be one of {list(_FILES)}, got {value!r}")
    if source == target:
        raise ValueError(f"source and target must differ, both are {source!r}")
    (Xs, ys), (Xt, yt) = (_collection(name, normalize, data_home) for name in (source, target))
    return Bunch(
        Xs=Xs, ys=ys, Xt=Xt, yt=yt, DESCR=f"Office-Caltech, SURF features: {source} to {target}."
    )


def _collection(name, normalize, data_home):
    file = scipy.io.loadmat(data_file("office_caltech10_surf", _FILES[name], data_home))
    X = file["fts"].astype(np.float64)
    X /= X.sum(axis=1, keepdims=True)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if normalize:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X, file["labels"].ravel().astype(int) - 1
