"""The quadratic program of kernel mean matching, by an interior-point method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

__all__ = ["least_product", "pivoted_cholesky", "solve_box_slab"]

# The Newton systems are solved to this accuracy relative to their right-hand sides; what is left
# over enters the next right-hand side.
CG_TOL, CG_MAX_ITER = 1e-2, 200
BLOCK = 32  # rows that a factorisation takes at once


def pivoted_cholesky(rows: Callable, diagonal: np.ndarray, max_rank: int, tol: float, scale=None):
    """Approximate a positive semi-definite matrix K by L.T @ L from a few of its rows.

    The rows are those of which the rows before explain least, several at a time; one that the
    others of its block explain to nine tenths is left for later.

    Parameters
    ----------
    rows : callable
        Takes an array of m row numbers and returns these rows of K, shape (m, n).
    diagonal : ndarray of shape (n,)
        The diagonal of K.
    max_rank : int
        The largest number of rows of L.
    tol : float
        No further row is made where the trace of S (K - L.T @ L) is at most this.
    scale : ndarray of shape (n,), default=None
        The diagonal of S, positive; None is the identity. Which rows count, and how much.

    Returns
    -------
    L : ndarray of shape (rank, n)
    rest : ndarray of shape (n,)
        The diagonal of K - L.T @ L, non-negative.
    """
    n = len(diagonal)
    scale = np.ones(n) if scale is None else scale
    max_rank = min(max_rank, n)
    L, rank = np.empty((max_rank, n)), 0
    rest = np.array(diagonal, dtype=float)
    noise = n * np.finfo(float).eps * rest.max(initial=0.0)  # below it there is only rounding
    while rank < max_rank:
        score = np.where(rest > noise, rest * scale, 0.0)
        least = 0.1 * score.max()
        if least == 0 or (rest * scale).sum() <= tol:
            break
        size = min(BLOCK, max_rank - rank)
        block = np.argpartition(score, n - size)[n - size :]
        block = block[score[block] > least]
        R = rows(block) - L[:rank, block].T @ L[:rank]
        C, pivots = _eliminate(R[:, block], scale[block], least, noise)
        chosen = block[pivots]
        new = L[rank : rank + len(pivots)]
        new[:] = solve_triangular(C[:, pivots].T, R[pivots], lower=True, check_finite=False)
        rest = np.maximum(rest - np.einsum("ij,ij->j", new, new), 0.0)
        rest[chosen] = 0.0
        rank += len(pivots)
    return L[:rank].copy(), rest


def _eliminate(A, scale, least, noise):
    """Return C, C'C near A, and its pivots: rows that are taken while they are worth it."""
    C, pivots = np.empty_like(A), []
    rest = np.diagonal(A).copy()
    for k in range(len(A)):
        pivot = int(np.argmax(rest * scale))
        if k and (rest[pivot] * scale[pivot] <= least or rest[pivot] <= noise):
            break
        C[k] = (A[pivot] - C[:k, pivot] @ C[:k]) / np.sqrt(rest[pivot])
        rest = np.maximum(rest - C[k] ** 2, 0.0)
        rest[pivot] = 0.0
        pivots.append(pivot)
    return C[: len(pivots)], pivots


def least_product(g: np.ndarray, B: float, low: float, high: float) -> float:
    """Return the least value of <g, v> over 0 <= v <= B, low <= sum(v) <= high.

    The smallest entries of g get all they can hold, as in a fractional knapsack.
    """
    g = np.sort(g)
    total = np.clip(B * np.count_nonzero(g < 0), low, high)
    return float(g @ np.clip(total - B * np.arange(len(g)), 0.0, B))


def solve_box_slab(product, factor, c, B, low, high, *, tol=1e-6, max_iter=100):
    """Minimize f(w) = w'Qw / 2 - c'w over 0 <= w <= B, low <= sum(w) <= high.

    A primal-dual interior-point method with Mehrotra's predictor and corrector. Its Newton
    systems, Q plus a diagonal, are solved by conjugate gradients, preconditioned by the inverse of
    the same sum with an approximation of Q.

    Parameters
    ----------
    product : callable
        Takes w and returns Q @ w; Q is positive semi-definite.
    factor : callable
        Takes the positive diagonal D that is added to Q, and returns L of shape (rank, n) and
        the diagonal of Q - L'L, so that L'L approximates Q where D is small.
    c : ndarray of shape (n,)
        Linear term.
    B : float
        The upper bound, above 1.
    low, high : float
        The bounds of the sum, below and above n.
    tol : float, default=1e-6
        Iterations end where the duality gap is at most this times w'Qw / 2 + |c|'w.
    max_iter : int, default=100
        The largest number of iterations.

    Returns
    -------
    w : ndarray of shape (n,)
        Strictly within all bounds.
    gap : float
        The duality gap by w'Qw / 2 + |c|'w: f(w) is above the minimum by at most this share.
    n_iter : int
    """
    n = len(c)
    w, Qw = np.ones(n), product(np.ones(n))
    # The slacks are kept, since a difference of nearly equal numbers would lose them.
    u, over, under = B - w, n - low, high - n
    mu = max(np.abs(Qw - c).mean(), np.finfo(float).tiny)
    z, q = mu / w, mu / u  # multipliers of 0 <= w and w <= B,
    a, b = mu / over, mu / under  # of low <= sum(w) and sum(w) <= high
    for n_iter in range(max_iter + 1):
        gap = relative_gap(w, Qw, c, B, low, high)
        if gap <= tol or n_iter == max_iter:
            break
        residual = Qw - c - z + q + b - a
        solve = _newton_solver(product, factor, z / w + q / u)
        by_one = solve(np.ones(n))
        give = 1.0 / (a / over + b / under)
        mu = (w @ z + u @ q + over * a + under * b) / (2 * n + 2)
        rz, rq, ra, rb = -w * z, -u * q, -over * a, -under * b
        for corrected in (False, True):
            # The sum's multiplier b - a changes by dy. It is found first: next to an active bound
            # of the sum, the terms of its slack are too large to be added to the others.
            push = ra / over - rb / under
            dw = solve(-residual + rz / w - rq / u)
            dy = (dw.sum() - give * push) / (by_one.sum() + give)
            dw, ds = dw - dy * by_one, give * (dy + push)
            dz, dq = (rz - z * dw) / w, (rq + q * dw) / u
            da, db = (ra - a * ds) / over, (rb + b * ds) / under
            pairs = [(w, dw), (u, -dw), (z, dz), (q, dq)]
            pairs += [(over, ds), (under, -ds), (a, da), (b, db)]
            step = min(1.0, 0.99 * min(_to_zero(*pair) for pair in pairs))
            if not corrected:
                # What the product of the changes adds, and how far the plain step would get.
                after = (
                    (w + step * dw) @ (z + step * dz)
                    + (u - step * dw) @ (q + step * dq)
                    + (over + step * ds) * (a + step * da)
                    + (under - step * ds) * (b + step * db)
                ) / (2 * n + 2)
                goal = (after / mu) ** 3 * mu
                rz, rq = rz + goal - dw * dz, rq + goal + dw * dq
                ra, rb = ra + goal - ds * da, rb + goal + ds * db
        w, z, q = w + step * dw, z + step * dz, q + step * dq
        a, b = a + step * da, b + step * db
        u, over, under = u - step * dw, over + step * ds, under - step * ds
        Qw = product(w)
    return np.minimum(w, B), gap, n_iter


def relative_gap(w, Qw, c, B, low, high) -> float:
    """Return by how much f(w) can be above the minimum at most, as a share of w'Qw / 2 + |c|'w.

    f is convex, so that f(w) - f(v) <= <Qw - c, w - v> for every feasible v.
    """
    scale = w @ Qw / 2 + np.abs(c) @ w
    gap = (Qw - c) @ w - least_product(Qw - c, B, low, high)
    return float(gap / scale) if scale > 0 else 0.0


def _to_zero(value, change) -> float:
    """Return the longest step along a change that leaves positive values non-negative."""
    value, change = np.atleast_1d(value), np.atleast_1d(change)
    falling = change < 0
    return float(np.min(-value[falling] / change[falling], initial=np.inf))


def _newton_solver(product, factor, diagonal):
    """Return a function that solves (Q + diag(diagonal)) x = r for x."""
    L, rest = factor(diagonal)
    inverse = 1.0 / (diagonal + rest)
    scaled = L * np.sqrt(inverse)
    inner = scaled @ scaled.T
    on_diagonal = np.diag_indices_from(inner)
    # The products' own rounding, so that the sum is positive definite.
    inner[on_diagonal] += 1.0 + len(L) * np.finfo(float).eps * inner[on_diagonal].max(initial=0.0)
    inner = cho_factor(inner, overwrite_a=True, check_finite=False)

    def precondition(r):
        r = inverse * r
        if not len(L):  # older scipys solve no empty systems
            return r
        return r - inverse * (cho_solve(inner, L @ r, check_finite=False) @ L)

    def solve(r):
        x, p = np.zeros(len(r)), np.zeros(len(r))
        y = precondition(r)
        rho = r @ y  # the squared norm in which huge and tiny entries count alike
        before, goal = 1.0, CG_TOL**2 * rho
        for _ in range(CG_MAX_ITER):
            if rho <= goal:
                break
            p = y + (rho / before) * p
            Ap = product(p) + diagonal * p
            length = rho / (p @ Ap)
            x += length * p
            r = r - length * Ap
            y = precondition(r)
            before, rho = rho, r @ y
        return x

    return solve
