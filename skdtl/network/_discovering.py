"""Estimators that find classes in the target: a network of the source, then clusters as classes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._typing import LabelsLike, RowsLike
from ..base import Domain
from ..deep.inference import best_dtype, infer
from ..deep.net import DeepNet
from ..deep.network import Network
from ..deep.stages import PretrainedEstimator

__all__ = ["DiscoveringEstimator"]


class DiscoveringEstimator(PretrainedEstimator):
    """A network learns the source; the centres of clusters of the target become its last layer.

    A method writes `_centers`, of which the source's classes have the first ones. The source's own
    last layer stays beside it, for a warm start.

    Attributes
    ----------
    labels_ : ndarray of shape (n_t,)
        The classes of the target's rows in training, as ``predict`` gives them. They are not
        pickled.
    pretrain_history_ : skorch.history.History
        The same as ``history_``: nothing is trained after the source.
    source_classes_ : ndarray of shape (n_source_classes,)
        The source's classes.
    """

    pretrain_epochs: ClassVar[None] = None  # nothing is trained after the source
    _unpickled: ClassVar[tuple[str, ...]] = ("labels_",)

    def _centers(self, of_source: np.ndarray, y: np.ndarray, of_target: np.ndarray, seed: int):
        """Return the weights of the last layer, given both domains' features."""
        raise NotImplementedError

    @property
    def novel_classes_(self) -> np.ndarray:
        """Labels of the classes that the source lacks."""
        return self.classes_[len(self.source_classes_) :]

    def _first_network(self, rows: Domain, seeds) -> Network:
        self.source_classes_ = getattr(self, "source_classes_", self.classes_)
        return super()._first_network(rows, seeds)

    def _second_network(self, network: Network, seeds) -> Network:
        network.extend(*self._new_end(network, seeds))
        return network

    def _second_stage(self, network: Network, source: Domain, target: Domain, seeds) -> DeepNet:
        learnt = copy.deepcopy(network).eval()  # what predicts is a network with another head
        dtype = best_dtype(learnt, self.n_features_in_)
        of_source, of_target = (
            infer(learnt, side.X, dtype, lambda features, _: features[-1]).astype(float)
            for side in (source, target)
        )
        centers = self._centers(of_source, source.y, of_target, seeds["target"])
        self.classes_ = _with_novel(self.classes_, len(centers) - len(self.classes_))
        _, network.head = self._new_end(network, seeds)
        bias = torch.zeros(len(centers))
        network.head.load_state_dict({"weight": torch.as_tensor(centers), "bias": bias})
        return self.net_

    @contextmanager
    def _prepared(
        self, source: Domain, target: Domain, before: dict[str, Any]
    ) -> Iterator[tuple[Domain, Domain]]:
        with super()._prepared(source, target, before) as parts:
            yield parts
        self.labels_ = self._predict(target.X)  # those that were held out, too

    def fit_predict(
        self,
        Xs: RowsLike,
        ys: LabelsLike,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        sample_domain: ArrayLike | None = None,
        hide_target_labels: bool = False,
    ) -> np.ndarray:
        """Fit, and return the classes of the target's rows.

        Parameters
        ----------
        Xs : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        ys : array-like of shape (n_s,)
            Source labels; in stacked form the labels of all rows.
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows.
        yt : array-like of shape (n_t,), default=None
            Not looked at.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows, negative for target rows.
        hide_target_labels : bool, default=False
            Of no effect, since no target label is looked at.

        Returns
        -------
        labels : ndarray of shape (n_t,)
            ``labels_``.
        """
        options: dict[str, Any] = {"sample_domain": sample_domain}
        options["hide_target_labels"] = hide_target_labels
        return self.fit(Xs, ys, Xt, yt, **options).labels_

    def _check_continues(self, before: dict[str, Any], what: str) -> None:
        super()._check_continues({**before, "classes_": before["source_classes_"]}, what)


def _with_novel(classes: np.ndarray, n_novel: int) -> np.ndarray:
    """Return the classes and labels of novel ones, of the same kind where that is possible."""
    if classes.dtype.kind in "iuf":
        return np.concatenate([classes, np.floor(classes.max()) + 1 + np.arange(n_novel)]).astype(
            classes.dtype
        )
    if not n_novel:
        return classes
    known = set(classes.tolist())
    names = (f"novel {k}" for k in range(1, len(known) + n_novel + 1))
    novel = [name for name in names if name not in known][:n_novel]
    together = np.array([*classes.tolist(), *novel], dtype=object)
    return together.astype(str) if classes.dtype.kind == "U" else together
