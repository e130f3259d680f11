"""Kernels and matrices as papers write them, and how maps are compared with theirs."""

import numpy as np
import scipy.linalg
from numpy.testing import assert_allclose


def kernels(gamma):
    """Return kernels of all rows of two matrices, by their names."""
    return {
        "linear": lambda X, Y: X @ Y.T,
        "rbf": lambda X, Y: np.exp(-gamma * ((X[:, None] - Y[None]) ** 2).sum(2)),
        "poly": lambda X, Y: (gamma * X @ Y.T + 0.5) ** 2,
        "laplacian": lambda X, Y: np.exp(-gamma * np.abs(X[:, None] - Y[None]).sum(2)),
    }


OPTIONS = {"gamma": 0.2, "coef0": 0.5, "degree": 2}
KERNELS = kernels(OPTIONS["gamma"])


def paper_matrices(K, n_s, mu):
    """K L K + mu I and K H K with L and H entry by entry as the paper defines them."""
    n = len(K)
    n_t = n - n_s
    L = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            if i < n_s and j < n_s:
                L[i, j] = 1 / n_s**2
            elif i >= n_s and j >= n_s:
                L[i, j] = 1 / n_t**2
            else:
                L[i, j] = -1 / (n_s * n_t)
    H = np.eye(n) - np.full((n, n), 1 / n)
    return K @ L @ K + mu * np.eye(n), K @ H @ K


def angle(A, B):
    """The sine of the largest angle between the column spaces."""
    return np.sin(scipy.linalg.subspace_angles(A, B).max())


def same_up_to_sign(A, B, **tolerance):
    """Check that the columns of two matrices agree, of which the signs are arbitrary."""
    signs = np.sign((A * B).sum(axis=0))
    assert_allclose(A, B * signs, **tolerance)


def paper(cls, *args, **options):
    """Return a mapper that counts all differences of means, in the scale that penalises alike."""
    return cls(*args, **{"allowance": 0, "spectrum": "penalty", **options})


def spread(Z):
    """Return the root of the mean variance of the columns."""
    return np.sqrt(Z.var(axis=0).mean())


def penalty_unit(K, n_s):
    """Return what the mu of TCA and SSTCA is relative to."""
    return (1 / n_s + 1 / (len(K) - n_s)) * (np.trace(K) / len(K)) ** 2


def paper_subspaces(cls, n_components="sdm", **options):
    """Return a mapper that subtracts each domain's own mean, as the paper has it."""
    return cls(n_components, **{"allowance": 0, **options})
