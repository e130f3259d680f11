"""Heads: the last layer of a network, which knows what kind its output is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ClassHead", "CodeHead", "Head", "NumberHead", "pairwise_loss"]


class Head(nn.Linear):
    """The last, linear layer of a network, and what its output is: classes, numbers or codes.

    All that hangs on the kind of output is asked of the head: how labels become a tensor, the loss,
    and what of the output is a prediction. A kind is a subclass. Its functions need no weights, so
    the class will do for an output that was made by hand.

    Parameters
    ----------
    in_features : int
        The width of the last hidden layer.
    out_features : int
        The number of columns of the output.

    Attributes
    ----------
    output : str
        What the output is, in the plural, for messages.
    has_classes : bool
        Whether there is a column for each class, so that the output gives class probabilities.
    padding : float
        What stands in columns that a row's own head lacks, where heads of several widths share an
        output.
    """

    output: ClassVar[str]
    has_classes: ClassVar[bool] = False
    padding: ClassVar[float] = 0.0

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features)

    @staticmethod
    def labels(y: np.ndarray) -> Tensor:
        """Return labels as the loss takes them; rows without one are marked by -1 or NaN."""
        raise NotImplementedError

    @staticmethod
    def loss(output: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss over the rows that have a label."""
        raise NotImplementedError

    @staticmethod
    def pair_losses(output: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each row of an output for each of some labels: (labels, rows)."""
        raise NotImplementedError

    @staticmethod
    def prediction(output: Tensor) -> Tensor:
        """Return what an output says, on a scale that can be compared from row to row."""
        raise NotImplementedError

    @staticmethod
    def predict(output: np.ndarray) -> np.ndarray:
        """Return what is predicted: codes of classes, numbers, or bits."""
        raise NotImplementedError


class ClassHead(Head):
    """A column of logits for each class; cross-entropy. Labels are codes, -1 where there is none.

    Parameters
    ----------
    in_features : int
        The width of the last hidden layer.
    out_features : int
        The number of classes.
    """

    output = "class logits"
    has_classes = True
    padding = float(torch.finfo(torch.float32).min) / 4  # as a logit: impossible, yet a number

    @staticmethod
    def labels(y: np.ndarray) -> Tensor:
        """Return codes of classes as they are."""
        return torch.as_tensor(y)

    @staticmethod
    def loss(output: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy over the rows that have a label."""
        return F.cross_entropy(output, y, ignore_index=-1)

    @staticmethod
    def pair_losses(output: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy of each row for each of some labels."""
        return -output.log_softmax(1).T[y]

    @staticmethod
    def prediction(output: Tensor) -> Tensor:
        """Return class probabilities."""
        return output.softmax(1)

    @staticmethod
    def predict(output: np.ndarray) -> np.ndarray:
        """Return the codes of the likeliest classes."""
        return output.argmax(axis=1)

    @staticmethod
    def probabilities(output: np.ndarray) -> np.ndarray:
        """Return class probabilities in float64."""
        odds = np.exp(output - output.max(axis=1, keepdims=True), dtype=np.float64)
        return odds / odds.sum(axis=1, keepdims=True)

    @staticmethod
    def log_probabilities(output: np.ndarray) -> np.ndarray:
        """Return their logarithms in float64."""
        logits = output.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


class NumberHead(Head):
    """A column for each number; squared error. A label is NaN where there is none.

    Parameters
    ----------
    in_features : int
        The width of the last hidden layer.
    out_features : int, default=1
        How many numbers are predicted for a row.
    """

    output = "a regressor's numbers"

    def __init__(self, in_features: int, out_features: int = 1):
        super().__init__(in_features, out_features)

    @staticmethod
    def labels(y: np.ndarray) -> Tensor:
        """Return numbers in float32."""
        return torch.as_tensor(y, dtype=torch.float32)

    @staticmethod
    def loss(output: Tensor, y: Tensor) -> Tensor:
        """Return the mean squared error over the labels that there are."""
        known = ~y.isnan()
        return F.mse_loss(_shaped(output, y)[known], y[known])

    @staticmethod
    def pair_losses(output: Tensor, y: Tensor) -> Tensor:
        """Return the squared error, summed over columns, of each row for each of some labels."""
        return (_shaped(y, output)[:, None] - output).square().sum(2)

    @staticmethod
    def prediction(output: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return output

    @staticmethod
    def predict(output: np.ndarray) -> np.ndarray:
        """Return the numbers; a single column of them as one dimension."""
        return output[:, 0] if output.shape[1] == 1 else output


def pairwise_loss(output: Tensor, y: Tensor, similar_weight: float = 1.0) -> Tensor:
    """Return the mean cross-entropy of "alike or not" over all pairs of labelled rows.

    Two rows, of which one may be the other, are alike if they are of one class; with outputs h and
    h' they are taken for such with the probability 1 / (1 + exp(-a)), a = ⟨h, h'⟩ / 2. A pair
    loses  log(1 + exp(a)) - s a,  s = 1 if they are alike, else 0.

    Parameters
    ----------
    output : Tensor of shape (n, n_bits)
        Outputs.
    y : Tensor of shape (n,)
        Codes of classes, -1 where a row has no label.
    similar_weight : float, default=1.0
        How much a pair of one class counts in the mean; others count 1.

    Returns
    -------
    loss : Tensor of shape ()
    """
    known = y >= 0
    h, y = output[known], y[known]
    alike = (y[:, None] == y).to(h.dtype)
    weight = 1 + (similar_weight - 1) * alike
    total = F.binary_cross_entropy_with_logits(h @ h.T / 2, alike, weight, reduction="sum")
    return total / weight.sum()


class CodeHead(Head):
    """A column for each bit of a code; two rows are to have like codes if they are of one class.

    A bit is the sign of its column. Labels are class codes, -1 where there is none; how many
    classes there are has nothing to do with the columns. Two rows with the outputs h and h' are
    taken for ones of the same class with the probability 1 / (1 + exp(-⟨h, h'⟩ / 2)).

    Parameters
    ----------
    in_features : int
        The width of the last hidden layer.
    out_features : int
        The number of bits.
    """

    output = "codes"

    @staticmethod
    def labels(y: np.ndarray) -> Tensor:
        """Return codes of classes as they are."""
        return torch.as_tensor(y)

    @staticmethod
    def loss(output: Tensor, y: Tensor) -> Tensor:
        """Return `pairwise_loss`, in which all pairs count alike."""
        return pairwise_loss(output, y)

    @staticmethod
    def prediction(output: Tensor) -> Tensor:
        """Return bits between -1 and 1."""
        return output.tanh()

    @staticmethod
    def predict(output: np.ndarray) -> np.ndarray:
        """Return bits."""
        return output > 0


def _shaped(x: Tensor, like: Tensor) -> Tensor:
    """Return the numbers of x with the dimensions of another tensor: a single column may lack."""
    return x if x.ndim == like.ndim else x[:, 0] if x.ndim > like.ndim else x[:, None]
