"""How many rounds of boosting to keep, if any: a look at held-out labelled target rows."""

from __future__ import annotations

import numpy as np

__all__ = ["N_FOLDS", "PATIENCE", "leads", "staged_losses"]

N_FOLDS = 5
PATIENCE = 10  # rounds without a least loss, after which no further one is looked at


def leads(losses, reference) -> bool:
    """Tell whether losses are less than a reference's by more than a standard error in the mean.

    Parameters
    ----------
    losses, reference : ndarray of shape (n,)
        Losses of the same rows, at least two.

    Returns
    -------
    leads : bool
    """
    lead = reference - losses
    error = lead.std(ddof=1) / np.sqrt(len(lead))
    # Rounding, which differs between processors, is no lead.
    return bool(lead.mean() > error + 1e-9 * reference.mean())


def staged_losses(folds) -> np.ndarray:
    """Return the losses of held-out rows after each round of boosting, all folds in step.

    Parameters
    ----------
    folds : list of iterators
        Each yields the losses of the rows that its fold holds out after each of its rounds, once
        at least. Where one ends before others, its last ones stand.

    Returns
    -------
    losses : ndarray of shape (n_rounds, n)
        Fold by fold, up to the round at which every fold has ended, or the mean loss has not been
        below its least for `PATIENCE` rounds.
    """
    stages: list[np.ndarray] = []
    current = [next(losses) for losses in folds]
    best = 0
    while True:
        stages.append(np.concatenate(current))
        if stages[-1].mean() < stages[best].mean():
            best = len(stages) - 1
        news = [next(losses, None) for losses in folds]
        if all(new is None for new in news) or len(stages) - 1 - best >= PATIENCE:
            return np.array(stages)
        current = [old if new is None else new for old, new in zip(current, news)]
