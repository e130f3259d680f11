"""What does TCA cost against the dense solver that its formula asks for?

Prints CPU times (one thread: set OMP_NUM_THREADS=1), the angle between both solutions, the peak of
memory in kernel matrices, and times for the linear kernel, which needs no matrix of all pairs.
"""

import time
import tracemalloc

import numpy as np
import scipy.linalg
from sklearn.linear_model import LogisticRegression

from skdtl import TCA
from skdtl.kernels import kernel_matrix
from skdtl.mapping.tca import linear_transfer_components, mean_difference, transfer_components

N, D, M, MU = 2000, 50, 5, 1.0


def cpu(function, *args, repeat=1, **kwargs):
    """Return the least CPU time of a few calls, and the result."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = function(*args, **kwargs)
        times.append(time.process_time() - start)
    return min(times), result


def domains(n, correlated):
    """Draw two domains whose means differ; uncorrelated features make the spectrum flat."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(D, D)) / np.sqrt(D) if correlated else np.eye(D)
    Xs, Xt = rng.normal(size=(n, D)) @ A, rng.normal(size=(n, D)) @ A
    return Xs, np.arange(n) % 2, Xt + 0.3 * rng.normal(size=D)


def dense(K, e):
    """Form both matrices and solve the generalised problem."""
    a = K @ e
    P = np.outer(a, a)
    P[np.diag_indices_from(P)] += MU
    KHK = (K - K.mean(axis=0)).T @ K
    n = len(K)
    start = time.process_time()
    solution = scipy.linalg.eigh(KHK, P, subset_by_index=[n - M, n - 1])
    return time.process_time() - start, *solution


def main():
    """Print the table."""
    print(f"rbf, n_s = n_t = {N}, d = {D}, {M} components; CPU seconds")
    e = mean_difference(N, N)
    for correlated in (True, False):
        Xs, ys, Xt = domains(N, correlated)
        kernel_time, K = cpu(kernel_matrix, np.vstack([Xs, Xt]), repeat=3)
        ours, (values, W, n_iter) = cpu(transfer_components, K, e, M, MU, repeat=3)
        total, (solver, expected, V) = cpu(dense, K, e)
        angle = np.sin(scipy.linalg.subspace_angles(W, V).max())
        error = abs(values / expected[::-1] - 1).max()
        print(
            f"{'correlated' if correlated else 'uncorrelated'} features: kernel matrix "
            f"{kernel_time:.2f}, TCA's solver {ours:.2f} ({n_iter} rounds), scipy.linalg.eigh "
            f"{solver:.2f} ({solver / ours:.0f} times as much), with its matrices {total:.2f} "
            f"({total / ours:.0f} times); sine of the angle {angle:.0e}, eigenvalues {error:.0e}"
        )

    tca = TCA(M, kernel="rbf", mu=MU, estimator="passthrough")
    tracemalloc.start()
    tca.fit(Xs, None, Xt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"peak memory of TCA.fit: {peak / (8 * (2 * N) ** 2):.2f} kernel matrices")
    fit, _ = cpu(TCA(M, kernel="rbf", mu=MU).fit, Xs, ys, Xt)
    print(f"TCA.fit, with kernel matrices and logistic regression: {fit:.2f}")

    for n in (4000, 100_000):
        Xs, ys, Xt = domains(n, True)
        X, e = np.vstack([Xs, Xt]), mean_difference(n, n)
        solver, _ = cpu(linear_transfer_components, X, e, M, MU, repeat=3)
        tca = TCA(M, mu=MU, estimator="passthrough")
        fit, _ = cpu(tca.fit, Xs, None, Xt, repeat=3)
        whole, _ = cpu(TCA(M, estimator=LogisticRegression()).fit, Xs, ys, Xt)
        print(
            f"linear, n_s = n_t = {n}: solver {1e3 * solver:.1f} ms, fit of the transformer "
            f"{1e3 * fit:.1f} ms, fit with logistic regression {1e3 * whole:.1f} ms"
        )


if __name__ == "__main__":
    main()
