"""What estimators share whose networks give rows codes instead of class logits."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from .._constraints import Int, OneOf
from .._parameters import parameter
from .._typing import RowsLike
from ..base import Domain
from ._base import DeepTransferClassifierBase
from .codes import CodeNetwork
from .heads import CodeHead
from .inference import infer, outputs_of

__all__ = ["HashingClassifierBase"]


class HashingClassifierBase(DeepTransferClassifierBase):
    """A deep classifier whose outputs are codes; source rows' codes, the anchors, tell classes.

    A method whose network is a `CodeNetwork` of its own making overrides ``_assemble``.
    """

    n_bits: int = parameter(
        default=64, legal=Int(1), text="The length of the codes.", kw_only=False
    )
    n_anchors: int = parameter(
        default=5,
        legal=Int(1),
        text="""
        Of how many source rows of each class the codes are kept, by which classes are predicted;
        they are evenly spread over the source.
        """,
    )

    transform_layer: Any = parameter(
        default="output",
        legal=(OneOf("output"), Int()),
        text="""
        What ``transform`` returns: "output" the codes, of -1 and 1; a number the features of that
        hidden layer, of which -1 is the last.
        """,
    )

    _head = CodeHead
    _network_params: ClassVar[tuple[str, ...]] = (
        *DeepTransferClassifierBase._network_params,
        *("n_bits", "n_anchors"),
    )

    def _n_outputs(self) -> int:
        return self.n_bits

    def _assemble(self, layers, make_head, example) -> CodeNetwork:
        n = len(self.classes_)
        return CodeNetwork(layers, make_head, example, n, self.n_anchors, self._weight_of_similar())

    def _weight_of_similar(self) -> float:
        """Return how much a pair of rows of one class counts in the loss."""
        return 1.0

    @property
    def _n_features_out(self) -> int:
        of_codes = self.transform_layer == "output"
        return self._inference_network().n_outputs if of_codes else super()._n_features_out

    def _keep_of_rows(self, source: Domain, target: Domain) -> None:
        by_class = [np.flatnonzero(source.y == code) for code in np.unique(source.y)]
        rows = np.concatenate([rows[:: -(-len(rows) // self.n_anchors)] for rows in by_class])
        network = self.net_.module_
        output = torch.as_tensor(outputs_of(network, source.X[rows], self._dtype))
        network.keep_anchors(output, torch.as_tensor(source.y[rows]))

    def _class_logits(self, X) -> np.ndarray:
        network = self.net_.module_
        return infer(network, X, self._dtype, lambda _, output: network.class_logits(output))

    def _map(self, X, domain: str) -> np.ndarray:
        if self.transform_layer != "output":
            return super()._map(X, domain)
        return np.where(self._head.predict(self._output(X, domain)), 1.0, -1.0)

    def pack(self, X: RowsLike) -> np.ndarray:
        """Return the codes of rows of either domain as bits, eight to a byte.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        codes : ndarray of shape (n_samples, ceil(n_bits / 8)), uint8
            As ``np.packbits`` makes them: bit 1 for the code's 1, 0 for its -1, and zeros to fill
            the last byte.
        """
        return np.packbits(self._head.predict(self._output(self._check_X(X))), axis=1)
