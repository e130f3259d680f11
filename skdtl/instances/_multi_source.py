"""What the methods of several sources share: each learner is from one of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._constraints import Int
from ..base import TransferTags
from ._boosting_base import BoostedClassifier
from ._boosting_rounds import Ensemble

__all__ = ["MultiSourceClassifier", "least_error"]


# Sums of the same weights in another order differ by less.
SAME_ERROR = 1e-9


class MultiSourceClassifier(BoostedClassifier):
    """Base class of boosted classifiers whose learners come from one of several sources each."""

    _transfer_tags: ClassVar[TransferTags] = TransferTags(
        "required", unlabelled_target=False, multi_source=True
    )
    _params: ClassVar[dict[str, Any]] = {**BoostedClassifier._params, "n_jobs": (None, Int())}

    def _keep(self, ensemble: Ensemble) -> None:
        """Keep from which source each learner is, and what share of the vote each source has."""
        super()._keep(ensemble)
        self.estimator_sources_ = ensemble.origins
        votes = [ensemble.votes[self.estimator_sources_ == k].sum() for k in self.sources_]
        self.source_shares_ = np.array(votes) / ensemble.votes.sum()

    def _parallel(self, function, tasks):
        """Call a function for each tuple of arguments, in threads: learners mostly free the GIL."""
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(function)(*task) for task in tasks
        )


def least_error(errors, preference) -> int:
    """Return the position of the least error; of the greatest preference where several are least.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        Errors in [0, 1], or inf.
    preference : callable
        ``preference(k)`` says how good candidate k is apart from that; it is asked only for
        candidates that share the least error.

    Returns
    -------
    best : int
    """
    least = np.flatnonzero(errors <= errors.min() + SAME_ERROR)
    if len(least) == 1:
        return int(least[0])
    return int(least[np.argmax([preference(k) for k in least])])
