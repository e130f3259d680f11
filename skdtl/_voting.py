"""What makes opinions comparable and weighs them: the mathematics of a vote."""

from __future__ import annotations

import numpy as np

__all__ = [
    "equal_confidence",
    "likely_weights",
    "normal_likelihoods",
    "sharpened",
    "trusting_weights",
]

# Below this a probability says no more than never.
FLOOR = 1e-6
# Exponents beyond these make a candidate say all classes alike, or one with certainty.
LOWEST, HIGHEST = 0.05, 20.0
BISECTIONS = 40
# Equal weights count as much as so many labelled rows.
PRIOR_ROWS = 5
MAX_ITER, TOLERANCE = 1000, 1e-6


def sharpened(shares, exponent):
    """Return probabilities to the power of an exponent, with the sum 1 again.

    Parameters
    ----------
    shares : ndarray of shape (n, n_classes)
        Class probabilities.
    exponent : float
        Above 1 they become surer of themselves, below 1 less sure.

    Returns
    -------
    shares : ndarray of shape (n, n_classes)
    """
    if exponent == 1:
        return shares
    powers = np.maximum(shares, FLOOR) ** exponent
    return powers / powers.sum(axis=1, keepdims=True)


def equal_confidence(opinions):
    """Find exponents that make all candidates equally sure of themselves.

    Parameters
    ----------
    opinions : ndarray of shape (n_candidates, n, n_classes)
        Each candidate's class probabilities of the same rows.

    Returns
    -------
    exponents : ndarray of shape (n_candidates,)
        With these the mean probability that a candidate gives to the class that it predicts is what
        it is in the mean over the candidates. The least or largest exponent where none does it.
    """
    confidence = opinions.max(axis=2).mean(axis=1)
    low, high = (np.full(len(opinions), bound) for bound in (LOWEST, HIGHEST))
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        now = np.array([sharpened(o, e).max(axis=1).mean() for o, e in zip(opinions, middle)])
        too_sure = now > confidence.mean()
        low, high = np.where(too_sure, low, middle), np.where(too_sure, middle, high)
    return np.sqrt(low * high)


def trusting_weights(adapts, agreement, chance):
    """Weigh candidates by how far those that adapt agree.

    Parameters
    ----------
    adapts : ndarray of shape (n_candidates,), bool
        Which candidates adapt to the target, some but not all of them.
    agreement : float
        What they agree in the mean, at most 1.
    chance : float
        What they would agree at least.

    Returns
    -------
    weights : ndarray of shape (n_candidates,)
        A share (agreement - chance) / (1 - chance) is given to all alike, the rest to those that do
        not adapt.
    """
    trust = (agreement - chance) / (1 - chance)
    return trust / len(adapts) + (1 - trust) * ~adapts / np.sum(~adapts)


def likely_weights(likelihoods):
    """Find the weights with which a mixture of candidates explains labels best.

    Parameters
    ----------
    likelihoods : ndarray of shape (n_candidates, n), or callable
        What each candidate says that the labels are likely to be, of rows that it was not trained
        on; or what gives this for shares of the rows, of the same shape.

    Returns
    -------
    weights : ndarray of shape (n_candidates,)
        The mode of their posterior, by expectation maximisation: a row counts for the candidates
        that expected its label, and equal weights count as much as `PRIOR_ROWS` rows.
    """
    given = likelihoods if callable(likelihoods) else lambda shares: likelihoods
    n_candidates, n = np.shape(given(None))
    weights = np.full(n_candidates, 1 / n_candidates)
    shares = None
    for _ in range(MAX_ITER):
        shares = weights[:, None] * given(shares)
        shares /= shares.sum(axis=0)
        found = (PRIOR_ROWS / n_candidates + shares.sum(axis=1)) / (PRIOR_ROWS + n)
        change, weights = np.abs(found - weights).max(), found
        if change < TOLERANCE:
            break
    return weights


def normal_likelihoods(errors):
    """Return what gives the likelihood of errors, normal with a variance that all share.

    Parameters
    ----------
    errors : ndarray of shape (n_candidates, n)

    Returns
    -------
    likelihoods : callable
        Of shares of the rows, (n_candidates, n) with columns that sum to 1, by which the variance
        is estimated; None means all alike. A row's likelihoods are scaled to have the maximum 1.
    """
    squares = errors**2
    least = np.finfo(float).tiny + 1e-12 * squares.mean()

    def likelihoods(shares):
        mean = squares.mean() if shares is None else np.sum(shares * squares) / errors.shape[1]
        return np.exp((squares.min(axis=0) - squares) / (2 * max(mean, least)))

    return likelihoods
