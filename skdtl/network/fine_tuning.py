"""Fine-tuning: pre-train on the source, go on with the target's labels."""

from __future__ import annotations

from ..deep._base import DeepTransferClassifierBase, DeepTransferRegressorBase
from ..deep.tuning import TunedEstimator

__all__ = ["FineTuning", "FineTuningRegressor"]


class FineTuning(TunedEstimator, DeepTransferClassifierBase):
    """Pre-train a network on the source, then tune it to the labelled target rows.

    Use it where some target rows have labels, the more the better, and where what a network
    learns of the source is a good start for the target, even if the target has other classes.
    With few labelled rows of the source's classes compare with
    :class:`~skdtl.DeepTransferClassifier`, which learns the rows of both domains at once and is
    often the better. Without labels in the target use :class:`~skdtl.DDC` or :class:`~skdtl.DANN`.
    With a pre-trained `module` no source is needed: ``fit(None, None, Xt, yt)``. Standardise the
    columns first (StandardScaler in a Pipeline).

    Attributes
    ----------
    source_classes_ : ndarray of shape (n_source_classes,)
        The source's classes; only where there was a source.
    classes_ : ndarray of shape (n_classes,)
        The classes: the target's where it has others than the source, else the source's.

    See Also
    --------
    FineTuningRegressor : The same for numbers.

    Notes
    -----
    Layers that can be frozen one by one are the fully connected ones, or the parts of a `module`
    that is a plain nn.Sequential, cut before each weight matrix or filter bank; any other module
    is one layer. Frozen layers stay in evaluation mode, so that batch normalisation keeps its
    statistics and dropout is off. The head is replaced, and trained from the start, where the
    target has other classes than the source; else it is kept. Unlabelled target rows are not used,
    but for the statistics of ``batch_norm_statistics="target"``. Without a target the network is
    the pre-trained one.

    Tuning makes as many steps as the training of a new network. Where the head goes on, it is drawn
    to the weights with which it began, the more the fewer rows have labels (``terms="auto"``);
    where the target has other classes, there is the penalty of a new network instead, and the
    hidden layers learn as fast as the head. With 100 epochs at a tenth of the rate, 5 labels of
    each class gave 66.2 % on five other digits and 54.5 % from USPS to MNIST, less than training on
    these labels alone (87.0 and 67.7 %). The same steps without any pull gave 86.4 and 72.9 %, but
    forgot the source where nothing or little had moved: with 20 labels in all 82.5 % on random
    halves of digits and 48.1 % from webcam to DSLR, where the source alone had 96.2 and 86.1 % and
    the pull leads to 96.6 and 86.1 %. These tasks were looked at for the choice; others are in
    ``benchmarks/results/few_labels.md``. Where much has moved and labels are not that few,
    ``terms=()`` gains more. What is usual for large networks that were trained on much is
    ``backbone_lr_factor=0.1, terms=(), weight_decay=0.0, max_epochs=100``.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (layers copied, frozen or fine-tuned).

    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014.

    Howard, Ruder. Universal language model fine-tuning for text classification. ACL 2018
    (section 3.3, gradual unfreezing; section 3.2, learning rates that differ between layers).

    Li, Wang, Shi, Hou, Liu. Adaptive batch normalization for practical domain adaptation.
    Pattern Recognition 80, 2018 (AdaBN, the target's statistics).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FineTuning
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 5))
    >>> ys = (Xs[:, 0] + Xs[:, 1] > 0).astype(int)
    >>> Xt = rng.normal(size=(30, 5))
    >>> yt = np.where(Xt[:, 0] + Xt[:, 1] > 0.5, "high", "low")
    >>> model = FineTuning(random_state=0).fit(Xs, ys, Xt, yt)
    >>> model.classes_.tolist()
    ['high', 'low']
    >>> model.score(Xt, yt) > 0.8
    True
    """


class FineTuningRegressor(TunedEstimator, DeepTransferRegressorBase):
    """Pre-train a regression network on the source, then tune it to the labelled target rows.

    Use it where some target rows have labels, the more the better, and where what a network
    learns of the source is a good start for the target.
    With few labelled rows compare with :class:`~skdtl.DeepTransferRegressor`, which learns the rows
    of both domains at once and is often the better. Without labels in the target use
    :class:`~skdtl.DDCRegressor` or :class:`~skdtl.DANNRegressor`. With a pre-trained `module` no
    source is needed: ``fit(None, None, Xt, yt)``. Standardise the columns first (StandardScaler in
    a Pipeline).

    See Also
    --------
    FineTuning : The same for classes.

    Notes
    -----
    Layers that can be frozen one by one are the fully connected ones, or the parts of a `module`
    that is a plain nn.Sequential, cut before each weight matrix or filter bank; any other module
    is one layer. Frozen layers stay in evaluation mode, so that batch normalisation keeps its
    statistics and dropout is off. Labels are standardised inside, by the source's mean and
    standard deviation where there is a source, so that the head is kept in the same units: labels
    of the target that come in other units are better converted first. Unlabelled target rows are
    not used, but for the statistics of ``batch_norm_statistics="target"``. Without a target the
    network is the pre-trained one. Tuning makes as many steps as the training of a new network, and
    is drawn to the weights with which it began; :class:`~skdtl.FineTuning` has the reasons.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (layers copied, frozen or fine-tuned).

    Oquab, Bottou, Laptev, Sivic. Learning and transferring mid-level image representations using
    convolutional neural networks. CVPR 2014.

    Howard, Ruder. Universal language model fine-tuning for text classification. ACL 2018
    (section 3.3, gradual unfreezing; section 3.2, learning rates that differ between layers).

    Li, Wang, Shi, Hou, Liu. Adaptive batch normalization for practical domain adaptation.
    Pattern Recognition 80, 2018 (AdaBN, the target's statistics).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import FineTuningRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> Xt = rng.normal(size=(30, 2))
    >>> model = FineTuningRegressor(random_state=0)
    >>> model = model.fit(Xs, 10 * Xs[:, 0], Xt, 10 * Xt[:, 0] + 5)
    >>> model.score(Xt, 10 * Xt[:, 0] + 5) > 0.8
    True
    """
