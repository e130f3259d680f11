"""SharedHiddenNetwork: several sources, each with classes of its own, on the same layers."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from .._constraints import Int, Real
from .._parameters import parameter
from .._typing import LabelsLike, RowsLike
from ..base import TransferTags
from ..deep.many_heads import ManyHeadsClassifier

__all__ = ["SharedHiddenNetwork"]


class SharedHiddenNetwork(ManyHeadsClassifier):
    """Train one network for several sources, each with classes of its own, and for the target.

    The hidden layers are shared, and each domain has an output layer of its own: batches hold
    rows of all sources, mixed, and each row teaches the layers by its own domain's classes. The
    target is one domain more, with few labelled rows or many. Use it where several collections have
    the same columns and related, but not the same, classes: languages, hospitals with their own
    diagnoses, plants with their own faults. Each of them gains from the others, and a new one with
    few labelled rows most: :meth:`fit_target` gives it an output layer, without the sources' rows.
    Don't where all sources have the target's classes and mean the same by them: pool their rows
    then, in pair form, or use :class:`~skdtl.FineTuning`. Standardise the columns first
    (StandardScaler in a Pipeline).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The target's classes: those of all sources, unless it has others.

    Raises
    ------
    ValueError
        Where no target row has a label, or where the training diverges: the loss or a weight is
        no number any more.

    See Also
    --------
    FineTuning : One source, and then the target.
    TaskTrAdaBoost : Serves many targets by stored learners, with the same classes.
    skdtl.deep.NetworkOfManyHeads : The network.

    Notes
    -----
    The loss is the mean cross-entropy over all labelled rows of a batch, each by the softmax of
    its own domain. The paper mixes the frames of all languages at random; so are the sources' rows
    here. The target's labelled rows, which may be few, stand beside them in each batch, so that
    they count more than by their number. The target shares the output layer of the source where
    there is one source, of the same classes; without a target the network is that of this source.

    Of a new target the paper trains the softmax alone where data are few, and all layers where
    they are many (nine hours of speech, there). Here many are `n_rows_to_tune` labelled rows of
    each class; the hidden layers then learn at a smaller rate, since they have learnt before. On
    digits (``benchmarks/results/shared_hidden_network.md``) the output layer alone did as well with
    one label a class, and worse from five on: hence the default. The paper's networks are
    pre-trained without labels, layer by layer; here they are not.

    References
    ----------
    Huang, Li, Yu, Deng, Gong. Cross-language knowledge transfer using multilingual deep neural
    network with shared hidden layers. ICASSP 2013 (section 2, the shared hidden layers; section 3,
    a new language).

    Examples
    --------
    Source 1 tells signs apart, source 2 three sizes; the target has classes of its own:

    >>> import numpy as np
    >>> from skdtl import SharedHiddenNetwork, stack
    >>> rng = np.random.default_rng(0)
    >>> X1, X2, Xt = (rng.normal(size=(n, 5)) for n in (300, 300, 60))
    >>> y1 = np.where(X1[:, 0] + X1[:, 1] > 0, "up", "down")
    >>> y2 = np.array(["small", "middle", "large"])[np.digitize(X2[:, 0] + X2[:, 1], [-1, 1])]
    >>> yt = np.where(Xt[:, 0] + Xt[:, 1] > 0.5, "yes", "no")
    >>> X, y, domain = stack([X1, X2], [y1, y2], Xt, yt)
    >>> model = SharedHiddenNetwork(max_epochs=30, random_state=0).fit(X, y, sample_domain=domain)
    >>> model.classes_.tolist()
    ['no', 'yes']
    >>> bool((model.predict_source(X2, 2) == y2).mean() > 0.8)
    True
    >>> model = model.fit_target(Xt, np.where(Xt[:, 0] + Xt[:, 1] > 0, "+", "-"))
    >>> model.classes_.tolist()
    ['+', '-']
    """

    n_rows_to_tune: int | None = parameter(
        default=5,
        legal=(None, Int(1)),
        text="""
        From so many labelled target rows a class on ``fit_target`` trains the hidden layers, too;
        below, the new output layer alone. None means never.
        """,
    )
    target_lr_factor: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="Their learning rate in ``fit_target``, as a multiple of `lr`.",
    )

    _transfer_tags: ClassVar[TransferTags] = TransferTags(
        "required", unlabelled_target=False, multi_source=True, new_classes=True
    )

    def predict_source(self, X: RowsLike, source: int = 1) -> np.ndarray:
        """Predict the labels of a source's rows, of its own classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        source : int, default=1
            The source's id.

        Returns
        -------
        y : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            Where there is no such source.
        """
        X = self._check_X(X)
        if source not in self.sources_:
            raise ValueError(f"source must be one of {list(self.sources_)}; got {source!r}.")
        return self._predict_source(X, source)

    def fit_target(self, Xt: RowsLike, yt: LabelsLike) -> Self:
        """Give a new target an output layer on the layers that the sources have trained.

        Parameters
        ----------
        Xt : array-like of shape (n_t, n_features)
            Target rows.
        yt : array-like of shape (n_t,)
            Their labels, of any classes; missing ones are marked as in ``fit``.

        Returns
        -------
        self : object
            The estimator, which now predicts this target.

        Raises
        ------
        ValueError, TypeError
            For illegal data, or where the training diverges. The estimator is left as it was.
        """
        with self._all_or_nothing():
            known = self.source_classes_
            target = self._check_target(Xt, yt)
            self.source_classes_, self.interrupted_ = known, False
            least = np.unique(target.y[target.labelled], return_counts=True)[1].min()
            many = self.n_rows_to_tune is not None and least >= self.n_rows_to_tune
            with self._prepared(target, target, {}) as (target, _):
                rate = self.lr * self.target_lr_factor if many else 0.0
                self.net_ = self._train_new_head(target, rate)
            self._set_results()
        return self
