"""NovelClassDiscovery: clusters of the target that are no class of the source (George 2017)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._constraints import Int, OneOf, Real
from .._parameters import parameter
from ..base import TransferTags
from ..deep._base import DeepTransferClassifierBase
from ._clustering import centers_of_classes, silhouettes
from ._discovering import DiscoveringEstimator

__all__ = ["NovelClassDiscovery"]


class NovelClassDiscovery(DiscoveringEstimator, DeepTransferClassifierBase):
    """Cluster the target by what a network learnt of the source, and find classes of its own.

    A network learns the source's classes, or tunes a pre-trained `module` to them. The target's
    rows are then clustered by its features, without any label: some clusters begin at the source's
    classes and are named after them, the others are classes that the source never had. Use it
    where the target may hold kinds of rows that nobody has labelled yet, such as a new fault or an
    unknown cell type, and the source tells what differences between kinds look like. Don't where
    all classes are known: :class:`~skdtl.DDC` and others make more of the source's labels. It is a
    clustering: look at some rows of every novel class before you believe in it. Standardise the
    columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    novel_classes_ : ndarray of shape (n_novel,)
        Labels of the classes found: for classes that are numbers the next integers, else "novel 1",
        "novel 2" and so on. The likeliest to be a class is not the first: their order means
        nothing.
    classes_ : ndarray of shape (n_classes,)
        Those of the source, then the novel ones.
    silhouettes_ : ndarray of shape (max_novel_classes + 1,)
        The clusters' mean silhouette by the number of novel classes, 0 and more; only where it was
        found by that.

    Raises
    ------
    ValueError
        Where the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    LabelEfficientTransfer : For other classes in the target of which some rows have labels.
    FineTuning : The same, with more labels.

    Notes
    -----
    The paper tunes a network that was trained on images of things to spectrograms of known kinds of
    glitches, and clusters what its last hidden layer says of others. Here the features are whitened
    first, by the source's covariance within classes, and only their direction counts: what a
    network learns sets known classes apart and nothing else, and whitening gives weight back to
    directions in which the rows of one class don't differ. On digits of which the source lacked
    three, told so, the adjusted Rand index was .78 with LeNet and .76 with fully connected layers,
    but .62 and .69 without whitening (`shrinkage` of 1), and .60 by k-means on pixels; means of
    five draws. `shrinkage` was chosen on three other draws of these digits.

    The clusters are those of k-means by the cosine, on target rows alone, so that they follow the
    target's shift; the source gives the known ones' beginning, as labelled rows do in the
    semi-supervised k-means of Vaze et al. A known class that the target lacks may wander to other
    rows: a cluster bears its name as it began.

    The number of novel classes is that of the largest silhouette. On the same digits BIC ran to the
    most clusters that it was given, and the agreement with labelled source rows, by which Vaze et
    al. choose, to nearly the fewest. On those five draws 3, 2, 3, 3 and 3 were found with LeNet,
    and 3, 1, 2, 1 and 4 with fully connected layers. Where the target has moved far as well, known
    classes are taken apart: in MNIST's digits, by a network of another collection, four to eight
    were found in the mean, whether three were new or none. If you know the number, give it.

    The centres become the network's last layer: ``predict_proba`` is the softmax of the cosines
    times the length of the whitened features, which ranks classes and is not calibrated. Without a
    target the network is that of the source's classes. Clustering costs little beside training:
    "auto" takes `max_novel_classes` * `n_init` runs of k-means.

    References
    ----------
    George, Shen, Huerta. Deep transfer learning: a new deep learning glitch classification method
    for advanced LIGO. arXiv:1706.07446, 2017 (clustering of new classes).

    Vaze, Han, Vedaldi, Zisserman. Generalized category discovery. CVPR 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.metrics import adjusted_rand_score
    >>> from skdtl import NovelClassDiscovery
    >>> from skdtl.deep import LeNet
    >>> images, y = load_digits(return_X_y=True)
    >>> images = images.reshape(-1, 1, 8, 8) / 16
    >>> known = y[:900] < 8
    >>> model = NovelClassDiscovery(2, module=LeNet, max_epochs=20, min_steps=1, random_state=0)
    >>> labels = model.fit_predict(images[:900][known], y[:900][known], images[900:])
    >>> model.novel_classes_.tolist()
    [8, 9]
    >>> adjusted_rand_score(y[900:], labels) > 0.7
    True
    """

    n_novel_classes: int | str = parameter(
        default="auto",
        legal=(OneOf("auto"), Int(0)),
        text="""
        How many classes of the target the source lacks. "auto" takes the number, up to
        `max_novel_classes`, whose clusters have the largest mean silhouette.
        """,
        kw_only=False,
    )
    max_novel_classes: int = parameter(default=10, legal=Int(0), text='The most that "auto" tries.')
    shrinkage: float = parameter(
        default=0.1,
        legal=Real(0, 1),
        text="""
        How far the source's covariance within classes, by which features are whitened, is drawn to
        one that is the same in all directions, 0 to 1. At 1 features are clustered as they are.
        """,
    )
    n_init: int = parameter(
        default=10,
        legal=Int(1),
        text="How often the novel clusters begin anew; the tightest clusters count.",
    )

    _transfer_tags: ClassVar[TransferTags] = TransferTags("ignored")

    def _centers(self, of_source: np.ndarray, y: np.ndarray, of_target: np.ndarray, seed: int):
        given = self.n_novel_classes
        numbers = range(self.max_novel_classes + 1) if isinstance(given, str) else [given]
        W, rows, candidates = centers_of_classes(
            of_source, y, of_target, numbers, self.shrinkage, self.n_init, seed
        )
        best = 0
        if isinstance(given, str):
            self.silhouettes_ = silhouettes(rows, candidates, seed)
            best = int(self.silhouettes_.argmax())
        return candidates[best] @ W
