"""Clusters of the target by the source's features: what is known, what is novel, and how many."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, silhouette_score

from skdtl import NoTargetWarning, NovelClassDiscovery, stack
from skdtl.deep import LeNet
from skdtl.network import _clustering
from skdtl.network._clustering import (
    centers_of_classes,
    class_means,
    directions,
    silhouettes,
    spherical_clusters,
    whitening,
)

SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 30, "min_steps": 1, "lr": 0.01}


def kinds(n_kinds=5, n=60, seed=0):
    """Return rows of some kinds that lie apart in a few columns, and noise in others."""
    rng = np.random.default_rng(seed)
    y = np.arange(n * n_kinds) % n_kinds
    centres = np.array([[3, 0, 0], [0, 3, 0], [0, 0, 3], [-3, -3, 0], [0, -3, -3], [-3, 0, -3]])
    X = rng.normal(size=(len(y), 6))
    X[:, :3] = centres[y] + 0.5 * X[:, :3]
    return X, y


def two_domains(n_kinds=5, n_known=3):
    """Return a source that knows some kinds, a target of all, and the target's kinds."""
    X, y = kinds(n_kinds)
    half = len(y) // 2
    known = y[:half] < n_known
    return X[:half][known], y[:half][known], X[half:], y[half:]


def fitted(*args, n_kinds=5, n_known=3, names=None, **options):
    Xs, ys, Xt, yt = two_domains(n_kinds, n_known)
    ys = ys if names is None else np.asarray(names)[ys]
    model = NovelClassDiscovery(*args, **{"random_state": 0, **SMALL, **options})
    return model.fit(Xs, ys, Xt), Xt, yt


# -- the mathematics, transcribed ------------------------------------------------------------------


def test_whitening_makes_rows_vary_alike_within_classes():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    F = rng.normal(size=(90, 4)) @ rng.normal(size=(4, 4)) + 5 * y[:, None]
    W = whitening(F, y, 0.0)
    within = sum(np.cov((F @ W)[y == c].T, ddof=0) for c in range(3)) / 3
    assert_allclose(within, np.eye(4), atol=1e-9)
    assert_allclose(W, W.T, atol=1e-12)
    # Shrunk: S = .7 covariance + .3 mean variance * I, and W S W = I.
    scatter = np.zeros((4, 4))
    for c in range(3):
        for row in F[y == c]:
            rest = row - F[y == c].mean(axis=0)
            scatter += np.outer(rest, rest)
    S = 0.7 * scatter / 90 + 0.3 * np.trace(scatter / 90) / 4 * np.eye(4)
    W = whitening(F, y, 0.3)
    assert_allclose(W @ S @ W, np.eye(4), atol=1e-9)
    W = whitening(F, y, 1.0)  # the same in all directions: nothing but another unit
    assert_allclose(W, W[0, 0] * np.eye(4), atol=1e-9)


def test_whitening_of_points_and_of_empty_columns():
    y = np.arange(6) % 2
    points = np.eye(3)[y]
    assert np.isfinite(whitening(points, y, 0.0)).all()
    F = np.random.default_rng(0).normal(size=(6, 3)) * [1, 1, 0]
    assert np.isfinite(whitening(F, y, 0.1)).all()


def slow_clusters(rows, known, new):
    """k-means by the cosine from given beginnings, one row at a time."""
    centers = [np.array(c) for c in [*known, *new]]
    for _ in range(200):
        members = [[] for _ in centers]
        for row in rows:
            members[int(np.argmax([row @ c for c in centers]))].append(row)
        for k, mine in enumerate(members):
            if mine:
                total = np.sum(mine, axis=0)
                centers[k] = total / np.sqrt(total @ total)
    return np.array(centers), sum(max(row @ c for c in centers) for row in rows)


def drawn(rows, known, n_new, rng):
    """Draw new beginnings as k-means++ does, by 1 - cos of the nearest centre."""
    new = []
    for _ in range(n_new):
        far = [max(1 - max(row @ c for c in [*known, *new]), 0) + 1e-12 for row in rows]
        new.append(rows[rng.choice(len(rows), p=np.array(far) / sum(far))])
    return new


@pytest.mark.parametrize("n_new, n_init", [(0, 3), (2, 1), (2, 4)])
def test_clusters_are_those_of_a_slow_transcription(n_new, n_init):
    rng = np.random.default_rng(1)
    rows = directions(rng.normal(size=(80, 3)))
    known = directions(rng.normal(size=(2, 3)))
    found = spherical_clusters(rows, known, n_new, n_init, np.random.RandomState(5))
    random = np.random.RandomState(5)
    runs = [slow_clusters(rows, known, drawn(rows, known, n_new, random)) for _ in range(n_init)]
    expected, _ = max(runs, key=lambda run: run[1])
    assert_allclose(found, expected, atol=1e-9)
    assert_allclose(np.linalg.norm(found, axis=1), 1)


def test_a_known_centre_without_rows_stays():
    rows = directions(np.array([[1.0, 0.1], [1.0, -0.1], [0.9, 0.0]]))
    known = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert_allclose(spherical_clusters(rows, known, 0, 1, np.random), known, atol=1e-9)


def test_silhouettes_are_scikit_learns_and_there_may_be_none():
    rows = directions(np.random.default_rng(0).normal(size=(60, 3)))
    centers = rows[:4]
    found = silhouettes(rows, [centers, rows[:1], rows], seed=0)
    nearest = (rows @ centers.T).argmax(axis=1)
    assert_allclose(found, [silhouette_score(rows, nearest, metric="cosine"), -1, -1])


def test_the_silhouette_looks_at_a_part_of_many_rows(monkeypatch):
    monkeypatch.setattr(_clustering, "_ROWS_OF_SILHOUETTE", 30)
    rows = directions(np.random.default_rng(0).normal(size=(60, 3)))
    found = []
    for seed in (0, 1):
        part = rows[np.random.RandomState(seed).permutation(60)[:30]]
        nearest = (part @ rows[:4].T).argmax(axis=1)
        expected = silhouette_score(part, nearest, metric="cosine")
        found += silhouettes(rows, [rows[:4]], seed=seed).tolist()
        assert found[-1] == pytest.approx(expected)
    assert found[0] != found[1]


def test_known_centres_are_means_of_directions_whatever_the_rows_lengths():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 3)) * rng.lognormal(sigma=2, size=(80, 1)) + [9, 0, 0]
    y = np.repeat([0, 1], 40)
    features[y == 1] *= -1
    W = whitening(features, y, 0.3)
    # All target rows are of class 0, so that the centre of class 1 stays where it began.
    far = rng.normal(size=(10, 3)) + [50, 0, 0]
    _, rows, (centers,) = centers_of_classes(features, y, far, [0], 0.3, 1, 0)
    assert ((rows @ centers.T).argmax(axis=1) == 0).all()
    assert_allclose(centers[1], directions(directions(features @ W)[y == 1].mean(0)[None])[0])


def test_novel_clusters_hang_on_the_seed():
    rng = np.random.default_rng(0)
    features, y = rng.normal(size=(90, 3)), np.arange(90) % 2
    found = [
        centers_of_classes(features, y, features, [4, 4], 0.1, 1, seed)[2] for seed in range(3)
    ]
    for first, second in found:  # the beginnings are alike for all numbers
        assert_array_equal(first, second)
    assert not np.allclose(found[0][0], found[1][0]) or not np.allclose(found[0][0], found[2][0])
    Xs, ys, Xt, _ = two_domains()
    models = [
        NovelClassDiscovery(4, n_init=1, random_state=seed, **{**SMALL, "lr": 1e-30})
        for seed in range(2)
    ]
    same_network = models[0].fit(Xs, ys, Xt)._seeds()
    labels = []
    for seed in (same_network, {**same_network, "target": 123}):
        models[0]._seeds = lambda random_state=None, seed=seed: seed
        labels.append(models[0].fit(Xs, ys, Xt).net_.module_.head.weight.detach().numpy())
    assert not np.allclose(*labels)


def test_means_and_directions():
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    assert_allclose(directions(rows), [[0.6, 0.8], [0, 0], [1, 0]])
    assert_allclose(class_means(rows, np.array([1, 0, 1])), [[0, 0], [2, 2]])


# -- what is found ---------------------------------------------------------------------------------


def test_the_last_layer_are_the_centres_of_whitened_features():
    Xs, ys, Xt, _ = two_domains()
    model = NovelClassDiscovery(2, random_state=0, **SMALL).fit(Xs, ys, Xt)
    features = {"source": model.transform(Xs), "target": model.transform(Xt)}
    W = whitening(features["source"], ys, model.shrinkage)
    rows = directions(features["target"] @ W)
    # Three clusters began at the source's classes, and all are at rest.
    head = model.net_.module_.head
    centers = directions(head.weight.detach().double().numpy() @ np.linalg.inv(W))
    labels = (rows @ centers.T).argmax(axis=1)
    assert_array_equal(model.classes_[labels], model.predict(Xt))
    for k in range(5):
        total = rows[labels == k].sum(axis=0)
        assert_allclose(centers[k], total / np.linalg.norm(total), atol=1e-4)
    assert_allclose(head.bias.detach(), 0)
    # Logits are cosines times the length of the whitened row.
    logits = features["target"] @ W @ centers.T
    assert_allclose(model.decision_function(Xt), logits, rtol=1e-3, atol=1e-3)
    known = directions(class_means(directions(features["source"] @ W), ys))
    assert ((centers[:3] * known).sum(axis=1) > 0.9).all()


@pytest.mark.parametrize("seed", range(3))
def test_novel_kinds_are_found_and_known_ones_keep_their_names(seed):
    model, Xt, yt = fitted(2, random_state=seed)
    assert model.source_classes_.tolist() == [0, 1, 2]
    assert model.classes_.tolist() == [0, 1, 2, 3, 4] and model.novel_classes_.tolist() == [3, 4]
    assert np.mean(model.labels_[yt < 3] == yt[yt < 3]) > 0.95
    assert adjusted_rand_score(yt, model.labels_) > 0.9
    assert set(model.labels_[yt >= 3]) <= {3, 4}
    X_new, y_new = kinds(seed=seed + 5)
    assert adjusted_rand_score(y_new, model.predict(X_new)) > 0.9  # rows that took no part
    assert model.predict_proba(X_new).shape == (len(X_new), 5)


@pytest.mark.parametrize("n_kinds, n_known", [(5, 3), (6, 3), (4, 4)])
def test_how_many_are_novel_is_found(n_kinds, n_known):
    model, _, yt = fitted(n_kinds=n_kinds, n_known=n_known, max_novel_classes=6)
    assert len(model.novel_classes_) == n_kinds - n_known
    assert model.silhouettes_.shape == (7,)
    assert model.silhouettes_.argmax() == n_kinds - n_known
    assert adjusted_rand_score(yt, model.labels_) > 0.9
    assert not hasattr(fitted(1)[0], "silhouettes_")


@pytest.mark.parametrize(
    "names, novel",
    [
        (["a", "b", "novel 1"], ["novel 2", "novel 3"]),
        ([-1, 4, 9], [10, 11]),
        ([0.0, 1.0, 5.0], [6.0, 7.0]),
        (np.array(["x", "y", "z"], dtype=object), ["novel 1", "novel 2"]),
    ],
)
def test_novel_classes_have_labels_of_the_same_kind(names, novel):
    model, Xt, yt = fitted(2, names=names)
    assert model.novel_classes_.tolist() == novel
    assert model.classes_.tolist() == [*names, *novel]
    assert model.classes_.dtype.kind == np.asarray(names).dtype.kind
    labels = model.predict(Xt)
    assert np.mean(labels[yt < 3] == np.asarray(names)[yt[yt < 3]]) > 0.9
    assert np.isin(labels[yt >= 3], novel).mean() > 0.9


def test_bools_and_none_that_are_novel():
    model, _, _ = fitted(1, n_kinds=3, n_known=2, names=[False, True])
    assert model.classes_.tolist() == [False, True, "novel 1"]
    model, _, _ = fitted(0, n_kinds=2, n_known=2, names=[False, True])
    assert model.classes_.tolist() == [False, True] and not len(model.novel_classes_)


def test_clusters_follow_a_target_that_has_moved():
    Xs, ys, Xt, yt = two_domains()
    moved = Xt + [1.5, 0, 0, 0, 0, 0]
    model = NovelClassDiscovery(2, random_state=0, **SMALL).fit(Xs, ys, moved)
    stays = NovelClassDiscovery(2, random_state=0, **SMALL).fit(Xs, ys, Xt)
    assert adjusted_rand_score(yt, model.labels_) > 0.85
    assert adjusted_rand_score(yt, model.labels_) > adjusted_rand_score(yt, stays.predict(moved))


def test_rows_in_all_forms_held_out_ones_too():
    Xs, ys, Xt, yt = two_domains()
    model = NovelClassDiscovery(2, random_state=0, **SMALL)
    labels = model.fit_predict(Xs, ys, Xt)
    assert_array_equal(labels, model.labels_)
    assert_array_equal(labels, model.predict(Xt))
    X, y, domain = stack(Xs, ys, Xt, yt)
    order = np.random.default_rng(0).permutation(len(X))
    order = order[np.argsort(domain[order] < 0, kind="stable")]  # the source's order counts
    order[domain[order] > 0] = np.flatnonzero(domain > 0)
    stacked = model.fit_predict(X[order], y[order], sample_domain=domain[order])
    assert adjusted_rand_score(yt, stacked[np.argsort(order[domain[order] < 0])]) > 0.9
    held = NovelClassDiscovery(2, random_state=0, validation_fraction=0.25, **SMALL)
    assert len(held.fit_predict(Xs, ys, Xt)) == len(Xt)
    # Labels, of new classes too, are not looked at.
    assert_array_equal(model.fit_predict(Xs, ys, Xt, yt), labels)


def test_without_a_target_it_is_a_network_of_the_source():
    Xs, ys, _, _ = two_domains()
    with pytest.warns(NoTargetWarning):
        model = NovelClassDiscovery(2, random_state=0, **SMALL).fit(Xs, ys)
    assert model.classes_.tolist() == [0, 1, 2] and not len(model.novel_classes_)
    assert len(model.labels_) == len(Xs) and model.score(Xs, ys) > 0.95


def test_weights_are_saved_with_what_was_found(tmp_path):
    pytest.importorskip("safetensors")
    model, Xt, _ = fitted(2, names=["a", "b", "c"])
    model.save_weights(tmp_path / "weights.safetensors")
    loaded = NovelClassDiscovery(**SMALL).load_weights(tmp_path / "weights.safetensors")
    assert_array_equal(loaded.predict(Xt), model.predict(Xt))
    assert_array_equal(loaded.novel_classes_, model.novel_classes_)


def test_a_warm_start_goes_on_with_the_sources_classes():
    Xs, ys, Xt, yt = two_domains()
    model = NovelClassDiscovery(2, random_state=0, warm_start=True, **SMALL).fit(Xs, ys, Xt)
    first = model.history_[-1]["task_loss"]
    model.set_params(max_epochs=1, n_novel_classes=1).fit(Xs, ys, Xt)
    assert model.history_[-1]["task_loss"] < 2 * first + 0.01
    assert model.classes_.tolist() == [0, 1, 2, 3]


def test_digits_that_the_source_never_had():
    images, y = load_digits(return_X_y=True)
    gains = []
    for seed in range(3):
        rng = np.random.RandomState(seed)
        novel = rng.permutation(10)[:3]
        order = rng.permutation(len(y))
        source, target = order[:900], order[900:]
        source = source[~np.isin(y[source], novel)]
        scores = []
        for shrinkage in (0.1, 1.0):
            model = NovelClassDiscovery(
                3,
                shrinkage=shrinkage,
                module=partial(LeNet, image_shape=(8, 8)),
                max_epochs=40,
                min_steps=1,
                random_state=seed,
            )
            labels = model.fit_predict(images[source] / 16, y[source], images[target] / 16)
            scores.append(adjusted_rand_score(y[target], labels))
        pixels = KMeans(10, n_init=10, random_state=0).fit_predict(images[target])
        gains.append([scores[0] - adjusted_rand_score(y[target], pixels), scores[0] - scores[1]])
    over_pixels, over_plain = np.mean(gains, axis=0)
    assert over_pixels > 0.1
    assert over_plain > 0.1
