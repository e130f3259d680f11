"""Couplings of source and target rows, found by POT."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_distances

from ._arrays import rounding, squared_distances

METRICS = ("sqeuclidean", "euclidean", "cityblock", "cosine")

# Up to this ratio of costs to the weight of the entropy the exponentials of Sinkhorn's iteration
# are safe in double precision; beyond it the slower iteration on logarithms is used.
_MAX_EXPONENT = 500.0

# The simplex method ends by itself; a limit is for users who want one.
_MAX_PIVOTS = 10_000_000
_MAX_SINKHORN = 1000


def import_pot(name: str):
    """Import POT, or say which extra an estimator of this name needs."""
    try:
        import ot
        import ot.gaussian
    except ModuleNotFoundError as error:
        if error.name != "ot":
            raise
        raise ImportError(
            f"{name} needs POT, which is not installed: pip install 'skdtl[ot]'"
        ) from error
    return ot


def cost_matrix(Xs, Xt, metric: str | Callable = "sqeuclidean") -> np.ndarray:
    """Return the cost of moving each source row to each target row, in double precision.

    Parameters
    ----------
    Xs, Xt : ndarray of shape (n_s, n_features) and (n_t, n_features)
        Rows; sparse arrays for "sqeuclidean", "euclidean", "cityblock" and "cosine".
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"} or callable
        A callable takes (Xs, Xt) and returns the whole matrix.

    Returns
    -------
    cost : ndarray of shape (n_s, n_t)

    Raises
    ------
    ValueError
        For a callable's result of another shape or with values that are not finite.
    """
    if callable(metric):
        cost = np.asarray(metric(Xs, Xt), dtype=np.float64)
        if cost.shape != (Xs.shape[0], Xt.shape[0]):
            raise ValueError(
                f"The metric returned an array of shape {cost.shape} for {Xs.shape[0]} source and "
                f"{Xt.shape[0]} target rows: it must return the costs of all pairs, of shape "
                f"{(Xs.shape[0], Xt.shape[0])}."
            )
    else:
        Xs, Xt = Xs.astype(np.float64, copy=False), Xt.astype(np.float64, copy=False)
        if metric in ("sqeuclidean", "euclidean"):
            cost = squared_distances(Xs, Xt)
            if metric == "euclidean":
                np.sqrt(cost, out=cost)
        else:
            cost = pairwise_distances(Xs, Xt, metric=metric)
        if metric == "cosine":  # one less a product, of rows that may point the same way
            cost[cost <= rounding(Xs.shape[1])] = 0
    if not np.isfinite(cost.sum()):  # the sum needs no array of booleans as large as the costs
        raise ValueError(f"The metric {metric!r} has values that are infinite or not a number.")
    return cost


class Plan(NamedTuple):
    """A coupling, and how it was found."""

    coupling: np.ndarray
    n_iter: int
    trouble: str | None  # why it is not the best one, for `warn_of`
    scalings: tuple[np.ndarray, np.ndarray] | None  # logarithms of Sinkhorn's vectors

    def warn_of(self, name: str, advice: str) -> None:
        """Warn where the solver stopped early."""
        if self.trouble is not None:
            warnings.warn(f"{name}: {self.trouble} {advice}", ConvergenceWarning, stacklevel=4)


def transport_plan(
    cost, reg_e=0.0, *, max_iter=None, tol=1e-4, name="Optimal transport", start=None
) -> Plan:
    """Find the cheapest way to move the mass of the source rows to the target rows.

    Minimises <γ, cost> + reg_e Σ γ log γ over all γ ≥ 0 whose rows sum to 1/n_s and whose columns
    sum to 1/n_t.

    Parameters
    ----------
    cost : ndarray of shape (n_s, n_t)
        Cost of each pair.
    reg_e : float, default=0.0
        Weight of the entropy; 0 solves the linear program by the network simplex method.
    max_iter : int or None, default=None
        Limit of pivots (None: ten million) or of Sinkhorn's iterations (None: 1000).
    tol : float, default=1e-4
        Sinkhorn's iteration ends when the column sums are as near as this to 1/n_t, relative to
        it, in the Euclidean norm.
    name : str
        Who asks, for the message where POT is missing.
    start : Plan or None, default=None
        The plan of similar costs and the same `reg_e`, from which Sinkhorn's iteration starts.

    Returns
    -------
    plan : Plan
        The coupling, of shape (n_s, n_t); the number of Sinkhorn's iterations, 1 for the simplex
        method; where the limit was reached, a sentence that says so; and what another iteration
        can start from.
    """
    ot = import_pot(name)
    n_s, n_t = cost.shape
    a, b = np.full(n_s, 1 / n_s), np.full(n_t, 1 / n_t)
    trouble = None
    if reg_e == 0:
        limit = _MAX_PIVOTS if max_iter is None else max_iter
        coupling, log = ot.emd(a, b, cost, numItermax=limit, log=True)
        if log["warning"] is not None:
            trouble = f"the exact solver stopped after {limit} pivots: {log['warning']}"
        return Plan(coupling, 1, trouble, None)
    limit = _MAX_SINKHORN if max_iter is None else max_iter
    cost = cost - cost.min()  # a constant changes nothing but the exponentials' range
    logarithms = cost.max() > _MAX_EXPONENT * reg_e
    with np.errstate(over="ignore"):  # of what the iteration on logarithms reports besides
        coupling, log = ot.sinkhorn(
            a,
            b,
            cost,
            reg_e,
            method="sinkhorn_log" if logarithms else "sinkhorn",
            warmstart=None if start is None else start.scalings,
            numItermax=limit,
            stopThr=tol * np.linalg.norm(b),
            log=True,
            warn=False,
        )
    error = log["err"][-1] / np.linalg.norm(b)
    if not error < tol:
        trouble = (
            f"Sinkhorn's iteration did not converge in {limit} iterations (the target rows' "
            f"masses are off by {error:.1e}, tol={tol:.1e})."
        )
    if logarithms:
        scalings = log["log_u"], log["log_v"]
    else:
        scalings = np.log(log["u"]), np.log(log["v"])
    return Plan(coupling, int(log["niter"]) + 1, trouble, scalings)


def class_regularised_plan(cost, classes, reg_e, reg_cl, *, n_rounds=10, **options) -> Plan:
    """Find a plan by which a target row gets its mass from source rows of few classes.

    Minimises <γ, cost> + reg_e Σ γ log γ + reg_cl Σ_j Σ_c (Σ_{i in c} γ_ij + ε)^(1/2), ε = 10^-3.
    The last term is concave in γ: each round replaces it by its tangent at the last plan, which is
    a change of the costs, and so never raises the objective.

    Parameters
    ----------
    cost : ndarray of shape (n_s, n_t)
        Cost of each pair.
    classes : ndarray of shape (n_s,), int
        The source rows' classes.
    reg_e : float
        Weight of the entropy, or 0.
    reg_cl : float
        Weight of the classes.
    n_rounds : int, default=10
        Number of plans, of which the first one ignores the classes.
    **options
        ``max_iter``, ``tol``, ``name`` of `transport_plan`.

    Returns
    -------
    plan : Plan
        The last one.
    """
    members = np.equal(classes, np.unique(classes)[:, None]).astype(np.float64)
    plan = transport_plan(cost, reg_e, **options)
    for _ in range(n_rounds - 1):
        slopes = 0.5 / np.sqrt(members @ plan.coupling + 1e-3)
        changed = cost + reg_cl * (members.T @ slopes)
        plan = transport_plan(changed, reg_e, **options, start=plan)
    return plan


def barycentres(coupling, Xs, Xt):
    """Return the mean of the target rows that each source row's mass goes to.

    Parameters
    ----------
    coupling : ndarray of shape (n_s, n_t)
        Mass that moves.
    Xs, Xt : ndarray of shape (n_s, n_features) and (n_t, n_features)
        Rows. A source row without mass stays where it is.

    Returns
    -------
    moved : ndarray of shape (n_s, n_features)
    """
    mass = coupling.sum(axis=1, keepdims=True)
    moved = coupling @ Xt.astype(np.float64, copy=False)
    np.divide(moved, mass, out=moved, where=mass > 0)
    return np.where(mass > 0, moved, Xs)
