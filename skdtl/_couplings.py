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

# Up to this ratio of a row's least cost to the weight of the entropy the exponentials of
# Sinkhorn's iteration are safe; beyond it the costs are reduced by the exact plan's potentials.
_MAX_EXPONENT = 100.0
# Where mass need not arrive, none goes over pairs of a higher ratio, whatever it is.
_MAX_RELAXED_EXPONENT = 300.0

# The simplex method ends by itself; a limit is for users who want one.
_MAX_PIVOTS = 10_000_000
_MAX_SINKHORN = 5000


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
    cost, reg_e=0.0, reg_m=None, *, max_iter=None, tol=1e-4, name="Optimal transport", start=None
) -> Plan:
    """Find the cheapest way to move the mass of the source rows to the target rows.

    Minimises <γ, cost> + reg_e Σ γ log γ over all γ ≥ 0 whose rows sum to 1/n_s and whose columns
    sum to 1/n_t; or with `reg_m`, over all γ ≥ 0, the sum of <γ, cost - least cost>, reg_e times
    the Kullback-Leibler divergence of γ from 1/(n_s n_t), and reg_m times those of its row sums
    from 1/n_s and of its column sums from 1/n_t.

    Parameters
    ----------
    cost : ndarray of shape (n_s, n_t)
        Cost of each pair.
    reg_e : float, default=0.0
        Weight of the entropy; 0 solves the linear program by the network simplex method, by which
        all mass arrives.
    reg_m : float or None, default=None
        Weight of mass that is missing or too much; None where all of it has to arrive. No pair
        counts as costing more than 300 reg_e then.
    max_iter : int or None, default=None
        Limit of pivots (None: ten million) or of Sinkhorn's iterations (None: 5000).
    tol : float, default=1e-4
        Sinkhorn's iteration ends when the column sums are as near as this to 1/n_t, relative to
        it, in the Euclidean norm; with `reg_m` when its factors change by less than a hundredth
        of this.
    name : str
        Who asks, for the message where POT is missing.
    start : Plan or None, default=None
        The plan of similar costs and the same weights, from which Sinkhorn's iteration starts.

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
    if reg_e == 0:
        limit = _MAX_PIVOTS if max_iter is None else max_iter
        coupling, log = ot.emd(a, b, cost, numItermax=limit, log=True)
        trouble = None
        if log["warning"] is not None:
            trouble = f"the exact solver stopped after {limit} pivots: {log['warning']}"
        return Plan(coupling, 1, trouble, None)
    limit = _MAX_SINKHORN if max_iter is None else max_iter
    scalings = None if start is None else start.scalings
    if reg_m is not None:
        return _relaxed_plan(ot, a, b, cost, reg_e, reg_m, limit, tol, scalings)
    # POT's iteration starts from factors of the rows that are alike.
    of_rows = np.zeros(n_s) if scalings is None else reg_e * scalings[0]
    reduced, of_columns = _reduced(cost, of_rows)
    if reduced.min(axis=1).max() > _MAX_EXPONENT * reg_e:
        of_rows = ot.emd(a, b, cost, numItermax=_MAX_PIVOTS, log=True)[1]["u"]
        reduced, of_columns = _reduced(cost, of_rows)
    with np.errstate(all="ignore"):  # what is not finite is told of below
        coupling, log = ot.sinkhorn(
            a,
            b,
            reduced,
            reg_e,
            numItermax=limit,
            stopThr=tol * np.linalg.norm(b),
            log=True,
            warn=False,
        )
        scalings = (np.log(log["u"]) + of_rows / reg_e, np.log(log["v"]) + of_columns / reg_e)
    error = log["err"][-1] / np.linalg.norm(b)
    trouble = None
    if not error < tol:
        trouble = (
            f"Sinkhorn's iteration did not converge in {limit} iterations with reg_e={reg_e} (the "
            f"target rows' masses are off by {error:.1e}, tol={tol:.1e})."
        )
    return Plan(coupling, int(log["niter"]) + 1, trouble, scalings)


def _reduced(cost, of_rows):
    """Return costs less a number for each row, with a least one of 0 in each column, and what.

    No constant that a row or a column has in common changes the plan.
    """
    cost = cost - of_rows[:, None]
    of_columns = cost.min(axis=0)
    cost -= of_columns
    return cost, of_columns


def _relaxed_plan(ot, a, b, cost, reg_e, reg_m, limit, tol, scalings) -> Plan:
    """Find the plan of `transport_plan` where mass need not arrive."""
    cost = np.minimum(cost - cost.min(), _MAX_RELAXED_EXPONENT * reg_e)
    coupling, log = ot.unbalanced.sinkhorn_unbalanced(
        a,
        b,
        cost,
        reg_e,
        reg_m,
        warmstart=scalings,
        numItermax=limit,
        stopThr=tol / 100,
        log=True,
    )
    error, trouble = log["err"][-1], None
    if not error < tol / 100:
        trouble = (
            f"Sinkhorn's iteration did not converge in {limit} iterations with reg_e={reg_e} and "
            f"reg_m={reg_m} (its factors still change by {error:.1e}, tol={tol:.1e})."
        )
    return Plan(coupling, len(log["err"]), trouble, (log["logu"], log["logv"]))


def class_regularised_plan(
    cost, classes, reg_e, reg_cl, reg_m=None, *, n_rounds=10, **options
) -> Plan:
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
    reg_m : float or None, default=None
        Weight of mass that is missing or too much, see `transport_plan`.
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
    plan = transport_plan(cost, reg_e, reg_m, **options)
    for _ in range(n_rounds - 1):
        slopes = 0.5 / np.sqrt(members @ plan.coupling + 1e-3)
        changed = cost + reg_cl * (members.T @ slopes)
        plan = transport_plan(changed, reg_e, reg_m, **options, start=plan)
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


def net_displacements(Xs, Xt, coupling, own):
    """Return how far source rows are from the target, without what pairing does by itself.

    A barycentre lies nearer to the mean of all rows than the row that is paired, in whatever
    domain, and differs by chance from that of other rows of the same distribution. So a row's
    displacement is the difference of two barycentres, one among the target rows and one among the
    other source rows; its deviation from their mean is shrunk by the share of its square that the
    spread of the partners makes likely to be chance (Stein's rule); and a row that less mass
    leaves than the mean moves by so much less.

    Parameters
    ----------
    Xs, Xt : ndarray of shape (n_s, n_features) and (n_t, n_features)
        Rows.
    coupling : ndarray of shape (n_s, n_t)
        Mass that moves from the source to the target.
    own : ndarray of shape (n_s, n_s)
        Mass that moves within the source, of a plan with the same weights.

    Returns
    -------
    displacements : ndarray of shape (n_s, n_features)
    """
    moved, chance = _with_variance(coupling, Xs, Xt)
    stayed, more = _with_variance(own, Xs, Xs)
    displacements, chance = moved - stayed, chance + more
    mass = coupling.sum(axis=1)
    share = np.minimum(1.0, mass / mass.mean())
    mean = share @ displacements / share.sum()
    deviations = displacements - mean
    squares = share @ (deviations**2).sum(axis=1)
    kept = max(0.0, 1 - share @ chance / squares) if squares > 0 else 0.0
    return share[:, None] * (mean + kept * deviations)


def _with_variance(coupling, Xs, Xt):
    """Return barycentres, and the variance of each as a weighted mean of so many rows."""
    Xs, Xt = Xs.astype(np.float64, copy=False), Xt.astype(np.float64, copy=False)
    moved = barycentres(coupling, Xs, Xt)
    mass = coupling.sum(axis=1, keepdims=True)
    shares = np.divide(coupling, mass, out=np.zeros(coupling.shape), where=mass > 0)
    shares *= shares
    squares = shares @ (Xt**2).sum(axis=1) - 2 * np.einsum("ij,ij->i", moved, shares @ Xt)
    squares += shares.sum(axis=1) * (moved**2).sum(axis=1)
    return moved, np.maximum(squares, 0.0)
