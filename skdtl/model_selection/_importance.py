from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer
from sklearn.utils.validation import _num_samples

from .._typing import Scoring

__all__ = ["ImportanceWeightedScorer"]


class ImportanceWeightedScorer:
    """Score on labelled source rows as if they were the target's: importance-weighted validation.

    Where no target row has a label, models can only be compared on source rows, and a source row
    counts here as much as the target is denser there. Under covariate shift (labels mean the same,
    rows are spread otherwise) the score estimates that on the target; unweighted cross-validation
    prefers the model that is best where the source lies.

    Use it as ``scoring`` of a search or of cross-validation, with `SourceKFold`, so that target
    rows train and source rows test. With even a few dozen labelled target rows `TargetKFold` is
    more to be trusted: it assumes nothing, whereas this is only as good as the density ratio, and
    rows where the ratio is large carry much of the score.

    Parameters
    ----------
    weighting : estimator object or callable
        A fitted estimator with a method ``density_ratio``, such as `RULSIF`, `ULSIF` or `KLIEP`, or
        a function of rows that returns their ratio. It is given the rows that the model is given,
        and is not fitted again: fit it to all rows, of which it uses no labels for this.
    scoring : str or callable, default=None
        A name of scikit-learn's, or a scorer, called as ``scoring(estimator, X, y,
        sample_weight=ratio)``. None means accuracy for a classifier and R² for a regressor.

    Raises
    ------
    TypeError
        Where `weighting` offers no ratio, on construction; and where the metric takes no
        ``sample_weight``.
    ValueError
        Where the ratio is negative, not finite, of another length than the rows, or 0 at all rows
        that are to be scored.

    See Also
    --------
    SourceKFold : The splitter that goes with it.
    TargetKFold : Where target rows have labels.
    RULSIF : A density ratio that no single row dominates.

    Notes
    -----
    The paper [1]_ divides the weighted loss by the number of rows; scikit-learn's metrics
    divide by the sum of the weights, which is 1 on average where the ratio is exact. That makes
    scores independent of the ratio's scale and less variable, and gives up exact unbiasedness for
    consistency.

    References
    ----------
    .. [1] Sugiyama, M., Krauledat, M. and Müller, K.-R. (2007). Covariate shift adaptation by
       importance weighted cross validation. Journal of Machine Learning Research 8, 985-1005.

    Examples
    --------
    How even should the weights of a straight line's least squares be, if the target has no labels?

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdtl import RULSIF, ImportanceWeightedScorer, SourceKFold, stack
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0.5, 0.5, size=(200, 1)), rng.normal(0, 0.3, size=(200, 1))
    >>> ys = Xs[:, 0] ** 3 - Xs[:, 0] + rng.normal(0, 0.3, size=200)
    >>> X, y, domain = stack(Xs, ys, Xt)
    >>> model = RULSIF(LinearRegression(), random_state=0)
    >>> weighting = RULSIF(LinearRegression(), random_state=0).fit(Xs, ys, Xt)
    >>> search = GridSearchCV(
    ...     model,
    ...     {"alpha": [0.1, 0.5, 0.999]},
    ...     cv=SourceKFold(5),
    ...     scoring=ImportanceWeightedScorer(weighting, "neg_mean_squared_error"),
    ... )
    >>> search = search.fit(X, y, groups=domain, sample_domain=domain)
    >>> search.best_params_
    {'alpha': 0.1}
    """

    def __init__(self, weighting: Any, scoring: Scoring | None = None):
        if not hasattr(weighting, "density_ratio") and not callable(weighting):
            raise TypeError(
                "weighting must be a fitted estimator with a method density_ratio or a function of "
                f"rows; got {weighting!r}."
            )
        self.weighting = weighting
        self.scoring = scoring

    def __call__(self, estimator, X, y):
        """Score an estimator.

        Parameters
        ----------
        estimator : estimator object
            A fitted one.
        X : array-like of shape (n_samples, n_features)
            Source rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        score : float
        """
        ratio = getattr(self.weighting, "density_ratio", self.weighting)
        weights = np.asarray(ratio(X), dtype=float)
        if weights.shape != (_num_samples(X),):
            raise ValueError(
                f"The density ratio has shape {weights.shape}, but X has {_num_samples(X)} rows."
            )
        if not np.all(np.isfinite(weights)) or weights.min() < 0:
            raise ValueError("The density ratio must be finite and at least 0 at each row of X.")
        if not weights.any():
            raise ValueError(
                f"The density ratio is 0 at each of the {len(weights)} rows to be scored: nothing "
                "there tells of the target."
            )
        scoring = self.scoring
        if scoring is None:
            scoring = "accuracy" if is_classifier(estimator) else "r2"
        return get_scorer(scoring)(estimator, X, y, sample_weight=weights)

    def __repr__(self):
        return f"{type(self).__name__}({self.weighting!r}, scoring={self.scoring!r})"
