"""Several sources for one target, and what their tests share."""

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from skdtl import (
    stack,
)

STUMP = DecisionTreeClassifier(max_depth=1, random_state=0)
DEPTH_2 = DecisionTreeClassifier(max_depth=2, random_state=0)
RANDOM_TREE = DecisionTreeClassifier(max_depth=2, max_features=1, splitter="random")


def angles(seed, degrees, *, n_s=100, n_t=20, noise=0.05, n_features=5, n_test=1000):
    """Return sources whose concepts deviate from the target's by these angles, and test rows.

    A number n_sources in place of the angles draws as many from 0 to 180 degrees.
    """
    rng = np.random.default_rng(seed)

    def labels(X, direction):
        y = X @ direction > 0
        return np.where(rng.random(len(y)) < noise, ~y, y).astype(int)

    concept = rng.normal(size=n_features)
    concept /= np.linalg.norm(concept)
    Xt, X_test = rng.normal(size=(n_t, n_features)), rng.normal(size=(n_test, n_features))
    yt, y_test = labels(Xt, concept), (X_test @ concept > 0).astype(int)
    Xs, ys = [], []
    for angle in [None] * degrees if isinstance(degrees, int) else degrees:
        other = rng.normal(size=n_features)
        other -= other @ concept * concept
        other /= np.linalg.norm(other)
        turn = np.deg2rad(rng.uniform(0, 180) if angle is None else angle)
        Xs.append(rng.normal(size=(n_s, n_features)))
        ys.append(labels(Xs[-1], np.cos(turn) * concept + np.sin(turn) * other))
    return Xs, ys, Xt, yt, X_test, y_test


def three_classes(seed, n_sources=3, n_s=60, n_t=50):
    """Return sources of three classes with shifted centres, and a target."""
    rng = np.random.default_rng(seed)
    sizes = [n_s + 10 * k for k in range(n_sources)] + [n_t]
    Xs, ys = [], []
    for size in sizes:
        y = rng.integers(0, 3, size=size)
        Xs.append(rng.normal(size=(size, 3)) + 1.5 * np.eye(3)[y] + rng.normal(size=3))
        ys.append(y)
    return Xs[:-1], ys[:-1], Xs[-1], ys[-1]


def load(data):
    if data == "two":
        return angles(0, [20, 70], n_s=70, n_t=40, noise=0.15)[:4]
    return three_classes(3)


def fitted(model, Xs, ys, Xt, yt):
    X, y, domain = stack(Xs, ys, Xt, yt)
    return model.fit(X, y, sample_domain=domain)


def vote(learners, votes, classes, rows):
    """Count votes one by one."""
    scores = [[0.0] * len(classes) for _ in range(len(rows))]
    for h, v in zip(learners, votes):
        for i, label in enumerate(h(rows)):
            scores[i][classes.index(label)] += v
    return np.array([classes[int(np.argmax(row))] for row in scores])
