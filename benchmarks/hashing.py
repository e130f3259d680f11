"""Codes for retrieval: do target rows find their like in the source?

Digits of two collections as tables, standardised over the training rows of both domains: MNIST and
USPS (16 x 16 pixels, norm 1), optdigits and MNIST (8 x 8 blocks), and halves of MNIST, where
nothing has shifted. At most 1000 source rows with labels, as many target rows without, and the
rest of the target, at most 1000, for queries; five draws. A query ranks the source's rows by the
Hamming distance of codes of 64 bits. Scored is the mean average precision, in percent, rows at the
same distance coming in together, and where the method predicts classes the accuracy on the queries.

"DeepHashing" stands at its defaults; with λ = 0 it is a hash of the source alone. ITQ (Gong and
Lazebnik, CVPR 2011) is unsupervised: the signs of the first principal components of both domains'
training rows, in the rotation that loses least by the signs. "PCA" is the same without the
rotation. "Network" is DeepTransferClassifier without terms, of the same size, trained on the source
alone, and ranked by the Euclidean distance of its 100 features, which are no codes.

    SKDTL_DATA=... make benchmark-hashing

Mean average precision:

{precisions}

Accuracy:

{accuracies}

Seconds of CPU for a fit:

{seconds}

Nothing was chosen by these scores: the class's Notes say what was, by office photographs, a made
shift and digits of optdigits that were turned.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import grid, mean, mean_and_error
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skdtl import DeepHashing, DeepTransferClassifier, RetrievalScorer
from skdtl.datasets import load_digits_pair, load_usps_mnist

N_BITS, MOST_ROWS = 64, 1000


# -- data ------------------------------------------------------------------------------------------


def draw(load, seed):
    """Draw source rows, target rows to train by and queries; standardise by the former two."""
    data, rng = load(), np.random.default_rng(seed)
    source, target = (rng.permutation(len(X)) for X in (data.Xs, data.Xt))
    if data.Xs is data.Xt:  # halves of one table
        source, target = target[:MOST_ROWS], target[MOST_ROWS:]
    source = source[:MOST_ROWS]
    train, queries = (part[:MOST_ROWS] for part in np.array_split(target, 2))
    Xs, Xt, X_test = data.Xs[source], data.Xt[train], data.Xt[queries]
    scaler = StandardScaler().fit(np.concatenate([Xs, Xt]))
    Xs, Xt, X_test = (scaler.transform(X) for X in (Xs, Xt, X_test))
    return Draw(Xs, data.ys[source], Xt, None, X_test, data.yt[queries])


def halves():
    """Return MNIST as both domains."""
    data = load_usps_mnist("mnist")
    data.Xt, data.yt = data.Xs, data.ys
    return data


LOADERS = {
    "MNIST to USPS": partial(load_usps_mnist, "mnist"),
    "USPS to MNIST": partial(load_usps_mnist, "usps"),
    "optdigits to MNIST": load_digits_pair,
    "MNIST, no shift": halves,
}


# -- methods ---------------------------------------------------------------------------------------


class ITQ(TransformerMixin, BaseEstimator):
    """Signs of principal components, rotated so that the signs lose little."""

    def __init__(self, n_bits=N_BITS, n_iter=50, random_state=None):
        self.n_bits = n_bits
        self.n_iter = n_iter
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the components, and the rotation by turns with the signs."""
        self.pca_ = PCA(self.n_bits, random_state=0).fit(X)
        V = self.pca_.transform(X)
        rng = np.random.default_rng(self.random_state)
        self.rotation_ = np.eye(self.n_bits)
        if self.n_iter:
            self.rotation_ = np.linalg.qr(rng.normal(size=(self.n_bits, self.n_bits)))[0]
        for _ in range(self.n_iter):
            left, _, right = np.linalg.svd(V.T @ np.sign(V @ self.rotation_))
            self.rotation_ = left @ right
        return self

    def transform(self, X):
        """Return codes of -1 and 1."""
        return np.where(self.pca_.transform(X) @ self.rotation_ > 0, 1.0, -1.0)


def on_rows_of_both(model, draw):
    """Fit to the training rows of both domains, without labels."""
    return model.fit(np.concatenate([draw.Xs, draw.Xt]))


METHODS = {
    "DeepHashing": DeepHashing(N_BITS),
    "DeepHashing, λ = 0": DeepHashing(N_BITS, lam=0.0),
    "ITQ": Method(ITQ(), on_rows_of_both),
    "PCA": Method(ITQ(n_iter=0), on_rows_of_both),
    "Network": DeepTransferClassifier(),
}


def scores(model, draw):
    """Return the mean average precision, and the accuracy of what predicts."""
    found = RetrievalScorer(draw.Xs, draw.ys)(model, draw.X_test, draw.y_test)
    values = {"mAP": 100 * found}
    if hasattr(model, "predict"):
        values["accuracy"] = 100 * model.score(draw.X_test, draw.y_test)
    return values


# -- tables of the page ----------------------------------------------------------------------------


def of_scores(name, lines):
    methods = [method for method in METHODS if lines.scores(TASKS[0].name, method, name).size]
    return grid(
        "method",
        methods,
        list(LOADERS),
        lambda method, task: mean_and_error(lines.scores(task, method, name)),
    )


def of_seconds(lines):
    return grid(
        "method", METHODS, list(LOADERS), lambda method, task: mean(lines.seconds(task, method), 2)
    )


TASKS = [
    Task(name, partial(draw, load), METHODS, scores, seeds=5) for name, load in LOADERS.items()
]
BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS,
    {
        "precisions": partial(of_scores, "mAP"),
        "accuracies": partial(of_scores, "accuracy"),
        "seconds": of_seconds,
    },
    packages=("torch", "skorch"),
)

if __name__ == "__main__":
    BENCHMARK.main()
