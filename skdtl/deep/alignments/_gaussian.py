"""Gaussian kernels between all pairs of a batch's rows, forward and backward in few passes.

Everything works on the n(n-1)/2 pairs of different rows, once each: half of a Gram matrix. Both
estimates of the squared MMD are Ω = c·(k - 1) for a vector c of one weight per pair, because
k(x, x) = 1 and because the weights of all n² pairs of a matrix sum up to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = [
    "check_multipliers",
    "distances_of_products",
    "gaussian_mixture",
    "median_bandwidth",
    "pair_weights",
    "squared_distances",
]

# exp(-80) = 1.8e-35 is nothing beside k(x, x) = 1; below it come denormal numbers, 20 times slower.
_LEAST_EXPONENT = -80.0

# Every squaring doubles the relative error: after 4 it is 16 times the rounding error of exp.
_MOST_SQUARINGS = 4

# Indices of so many rows at most are remembered: they take 8 bytes per pair of rows.
_MOST_REMEMBERED = 2048


def check_multipliers(name: str, multipliers: Sequence[float]) -> None:
    """Raise where multiples of a bandwidth are none."""
    if len(multipliers) == 0 or not all(m > 0 for m in multipliers):
        raise ValueError(
            f"The bandwidth_multipliers of {name} must be > 0, one or more; got {multipliers!r}."
        )


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the last results of a function of small numbers of rows: every batch needs them anew."""
    remembering = lru_cache(maxsize=8)(function)

    @wraps(function)
    def wrapper(*args):
        n = sum(a for a in args if type(a) is int)
        return (remembering if n <= _MOST_REMEMBERED else function)(*args)

    return wrapper


@_remembered
def _pairs(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where the pairs stand in a flat (n, n) matrix, and each entry's pair.

    On the diagonal the latter is n(n-1)/2, one more than there are.
    """
    dtype = torch.int32 if n * n < 2**31 else torch.int64
    first, second = torch.triu_indices(n, n, 1, device=device, dtype=dtype)
    pair = torch.arange(len(first), device=device, dtype=dtype)
    of_entry = torch.full((n, n), len(first), device=device, dtype=dtype)
    of_entry[first, second] = of_entry[second, first] = pair
    return first * n + second, of_entry.flatten()


@_remembered
def pair_weights(
    n_source: int, n_target: int, unbiased: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return each pair's weight c in an estimate of the squared MMD.

    Parameters
    ----------
    n_source, n_target : int
        The numbers of rows; the source's come first.
    unbiased : bool
        Whether the estimate leaves out the pairs of a row with itself.
    dtype, device : torch.dtype and torch.device
        Of the result.

    Returns
    -------
    weights : Tensor of shape (n(n-1)/2,)
    """
    n = n_source + n_target
    source = 2 / (n_source * (max(n_source - 1, 1) if unbiased else n_source))
    target = 2 / (n_target * (max(n_target - 1, 1) if unbiased else n_target))
    weights = torch.full((n, n), -2 / (n_source * n_target), dtype=dtype, device=device)
    weights[:n_source, :n_source] = source
    weights[n_source:, n_source:] = target
    return weights.flatten().index_select(0, _pairs(n, device)[0])


class _SquaredDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        n = len(x)
        x = x - x.mean(0)  # no distance changes, but ‖x‖² + ‖y‖² - 2xy loses fewer digits
        squares = x.square().sum(1)
        matrix = torch.addmm(squares, x, x.T, alpha=-2).add_(squares[:, None])
        ctx.save_for_backward(x)
        return matrix.flatten().index_select(0, _pairs(n, x.device)[0]).clamp_(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        # Σ_j 2 g_ij (x_i - x_j) for every row i
        (x,) = ctx.saved_tensors
        n = len(x)
        matrix = F.pad(gradient, (0, 1)).index_select(0, _pairs(n, x.device)[1]).view(n, n)
        return torch.addmm(matrix.sum(1, keepdim=True) * x, matrix, x, beta=2, alpha=-2)


def squared_distances(x: Tensor) -> Tensor:
    """Return the squared distances of all pairs of different rows, in one vector."""
    return _SquaredDistances.apply(x)


def distances_of_products(factors: Sequence[Tensor]) -> Tensor:
    """Return the squared distances of all pairs of rows of x ⊗ x' ⊗ ..., in one vector.

    Inner products of tensor products are products of inner products, so that the many columns of
    the former are never made.
    """
    gram = math.prod((x @ x.T for x in factors[1:]), start=factors[0] @ factors[0].T)
    squares = gram.diagonal()
    matrix = squares[:, None] + squares - 2 * gram
    return matrix.flatten().index_select(0, _pairs(len(gram), gram.device)[0]).clamp(min=0)


def median_bandwidth(distances: Tensor) -> Tensor:
    """Return the median of squared distances: a squared bandwidth, held constant.

    It is kept so far from 0, where all rows are equal, that its inverse is a number.
    """
    median = distances.detach().median()
    return median.clamp(min=2.0**24 * torch.finfo(median.dtype).tiny)


class _GaussianMixture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distances, squared_bandwidth, multipliers, weights):
        kernels = sorted(((m, w) for m, w in zip(multipliers, weights) if w), reverse=True)
        exponents = distances / (-2 * squared_bandwidth)
        mixture = torch.zeros_like(distances)
        slope = torch.zeros_like(distances) if ctx.needs_input_grad[0] else None
        kernel, previous, squarings = exponents, math.inf, 0
        for multiplier, weight in kernels:  # from wide to narrow
            # At half the squared bandwidth a Gaussian is its own square.
            halvings = math.log2(previous / multiplier)
            squarings += int(halvings) if halvings.is_integer() else _MOST_SQUARINGS + 1
            if squarings <= _MOST_SQUARINGS:
                for _ in range(int(halvings)):
                    kernel.mul_(kernel)
            else:
                exponent = exponents / multiplier
                F.threshold(exponent, _LEAST_EXPONENT, -math.inf, inplace=True)
                kernel = exponent.exp_()
                squarings = 0
            previous = multiplier
            mixture.add_(kernel, alpha=weight)
            if slope is not None:
                slope.add_(kernel, alpha=weight / multiplier)
        if slope is not None:
            ctx.save_for_backward(slope.div_(-2 * squared_bandwidth))
        return mixture

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return gradient * slope, None, None, None


def gaussian_mixture(
    distances: Tensor,
    squared_bandwidth: Tensor | float,
    multipliers: Sequence[float] = (1.0,),
    weights: Sequence[float] = (1.0,),
) -> Tensor:
    """Return k = Σ_u β_u exp(-d / (2 m_u σ²)) for squared distances d, wherever they stand.

    Parameters
    ----------
    distances : Tensor of any shape
        d.
    squared_bandwidth : Tensor of shape () or float
        σ², through which no gradient flows.
    multipliers, weights : sequence of float
        The m_u and β_u. Where one multiplier is the half of another, squaring saves the exp.

    Returns
    -------
    kernel : Tensor of the same shape
    """
    return _GaussianMixture.apply(distances, squared_bandwidth, multipliers, weights)
