"""The readers of published data, against facts that others have published about these data."""

import os

import numpy as np
import pytest
import scipy.sparse
from sklearn.neighbors import KNeighborsClassifier

from skdtl import datasets

READERS = [
    datasets.load_amazon,
    datasets.load_breast_expression,
    datasets.load_corn_nir,
    datasets.load_heart_disease,
    datasets.load_mushroom,
    datasets.load_newsgroups,
    datasets.load_office_caltech,
    datasets.load_regression_thirds,
    datasets.load_usps_mnist,
]

with_data = pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)


@pytest.mark.parametrize("load", READERS, ids=lambda load: load.__name__)
def test_without_a_data_home_the_error_names_the_variable(load, monkeypatch):
    monkeypatch.delenv("SKDTL_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"SKDTL_DATA.*or pass data_home="):
        load()


@pytest.mark.parametrize("load", READERS, ids=lambda load: load.__name__)
def test_an_absent_file_is_named(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path.name}.*does not exist"):
        load(data_home=tmp_path)


@pytest.mark.parametrize(
    ("load", "arguments", "message"),
    [
        (datasets.load_amazon, ("book", "dvd"), "source must be one of"),
        (datasets.load_amazon, ("books", "dvds"), "target must be one of"),
        (datasets.load_amazon, ("dvd", "dvd"), "source and target must differ"),
        (datasets.load_breast_expression, ("nki", "nki"), "source and target must differ"),
        (datasets.load_corn_nir, (1, 4), "target must be one of"),
        (datasets.load_corn_nir, (1, 2, "sugar"), "constituent must be one of"),
        (datasets.load_heart_disease, ("zurich", "va"), "source must be one of"),
        (datasets.load_newsgroups, ("rec-comp",), "task must be one of"),
        (datasets.load_office_caltech, ("caltech", "caltech256"), "target must be one of"),
        (datasets.load_office_caltech, ("dslr", "dslr"), "source and target must differ"),
        (datasets.load_regression_thirds, ("abalone",), "name must be one of"),
        (datasets.load_regression_thirds, ("boston", 4), "target must be one of"),
        (datasets.load_usps_mnist, ("svhn",), "source must be one of"),
    ],
)
def test_an_unknown_domain_is_named(load, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(*arguments)


@with_data
@pytest.mark.parametrize("load", READERS, ids=lambda load: load.__name__)
def test_domains_agree_in_width_and_rows(load):
    data = load()
    assert data.Xs.shape[1] == data.Xt.shape[1]
    assert data.Xs.shape[0] == len(data.ys)
    assert data.Xt.shape[0] == len(data.yt)
    assert data.DESCR
    if "feature_names" in data:
        assert len(data.feature_names) == data.Xs.shape[1]
        assert len(set(data.feature_names)) == len(data.feature_names)


@with_data
def test_mushroom_is_split_by_stalk_shape():
    data = datasets.load_mushroom()
    assert (len(data.Xs), len(data.Xt)) == (3516, 4608)
    assert not any(name.startswith("stalk-shape") for name in data.feature_names)
    features = np.array([name.split("=")[0] for name in data.feature_names])
    assert len(set(features)) == 21
    for X in (data.Xs, data.Xt):  # one category per feature and mushroom
        for feature in set(features):
            assert (X[:, features == feature].sum(axis=1) == 1).all()
    # Of all 8124 mushrooms, 4208 are edible.
    assert (data.ys == "edible").sum() + (data.yt == "edible").sum() == 4208
    # No mushroom with a foul odour is edible.
    foul = data.feature_names.tolist().index("odor=f")
    assert set(data.ys[data.Xs[:, foul] == 1]) | set(data.yt[data.Xt[:, foul] == 1]) == {
        "poisonous"
    }


@with_data
@pytest.mark.parametrize("task", ["rec-talk", "rec-sci", "sci-talk"])
def test_newsgroups_hold_other_subgroups_of_the_same_two_top_groups(task):
    data = datasets.load_newsgroups(task)
    assert not set(data.source_groups) & set(data.target_groups)
    assert set(data.ys) == set(data.yt) == set(task.split("-"))
    assert scipy.sparse.issparse(data.Xs)
    assert data.Xs.min() == 0
    assert data.Xs.sum() == round(data.Xs.sum())


@with_data
def test_newsgroups_words_belong_to_their_groups():
    data = datasets.load_newsgroups("rec-talk")
    words = data.feature_names.tolist()
    guns, car = data.Xs[:, [words.index("gun")]].sum(), data.Xs[:, [words.index("car")]].sum()
    talk = data.ys == "talk"
    assert data.Xs[talk][:, [words.index("gun")]].sum() > 0.9 * guns
    assert data.Xs[~talk][:, [words.index("car")]].sum() > 0.9 * car
    assert data.Xt[:, [words.index("gun")]].sum() < 0.1 * guns


@with_data
@pytest.mark.parametrize(
    ("name", "shape", "sorting_feature"),
    [
        ("concrete", (1030, 7), "superplasticizer"),
        ("boston", (506, 12), "CRIM"),
        ("autompg", (392, 6), "acceleration"),
    ],
)
def test_thirds_are_a_partition_in_the_order_of_the_dropped_feature(name, shape, sorting_feature):
    loaded = [datasets.load_regression_thirds(name, target) for target in (1, 2, 3)]
    assert [data.sorting_feature for data in loaded] == [sorting_feature] * 3
    sizes = [len(data.Xt) for data in loaded]
    assert sum(sizes) == shape[0]
    assert max(sizes) - min(sizes) <= 1
    for data in loaded:
        assert len(data.Xs) + len(data.Xt) == shape[0]
        assert data.Xs.shape[1] == shape[1]
        assert sorting_feature not in data.feature_names
    for k, data in enumerate(loaded):
        others = [loaded[j] for j in range(3) if j != k]
        for code, other in zip((1, 2), others):
            np.testing.assert_array_equal(data.Xs[data.source_ids == code], other.Xt)
            np.testing.assert_array_equal(data.ys[data.source_ids == code], other.yt)


@with_data
@pytest.mark.parametrize(("source", "accuracy"), [("mnist", 65.94), ("usps", 44.70)])
def test_usps_mnist_give_the_published_nearest_neighbour_accuracy(source, accuracy):
    data = datasets.load_usps_mnist(source)
    model = KNeighborsClassifier(1).fit(data.Xs, data.ys)
    assert 100 * model.score(data.Xt, data.yt) == pytest.approx(accuracy, abs=0.005)


@with_data
@pytest.mark.parametrize(
    ("source", "target", "normalize", "accuracy"),
    [
        ("caltech", "amazon", False, 23.7),
        ("dslr", "webcam", False, 63.4),
        ("caltech", "amazon", True, 36.01),
        ("amazon", "dslr", True, 35.67),
    ],
)
def test_office_caltech_gives_the_published_nearest_neighbour_accuracy(
    source, target, normalize, accuracy
):
    data = datasets.load_office_caltech(source, target, normalize=normalize)
    model = KNeighborsClassifier(1).fit(data.Xs, data.ys)
    assert 100 * model.score(data.Xt, data.yt) == pytest.approx(accuracy, abs=0.05)


@with_data
def test_usps_mnist_images_stand_upright():
    data = datasets.load_usps_mnist(normalize=False)
    assert data.Xs.min() == 0 < 0.99 < data.Xs.max() <= 1
    ones = data.Xs[data.ys == 1].mean(axis=0).reshape(16, 16)
    assert (ones.max(axis=1) > 0.1).sum() > (ones.max(axis=0) > 0.1).sum()  # taller than wide
    assert set(data.ys) == set(range(10))


@with_data
def test_amazon_is_standardized_by_domain():
    data = datasets.load_amazon("electronics", "kitchen")
    assert (len(data.Xs), len(data.Xt)) == (1998, 1999)
    raw = datasets.load_amazon("electronics", "kitchen", normalize=False)
    for X, frequencies in ((data.Xs, raw.Xs), (data.Xt, raw.Xt)):
        np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(X.std(axis=0), frequencies.any(axis=0), atol=1e-12)
    np.testing.assert_allclose(raw.Xs.sum(axis=1), 1)


@with_data
def test_heart_disease_hospitals_are_those_of_the_uci_repository():
    sizes = {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}
    sick = {"cleveland": 139, "hungarian": 106, "switzerland": 115, "va": 149}
    for source, target in (("cleveland", "hungarian"), ("switzerland", "va")):
        data = datasets.load_heart_disease(source, target)
        assert (len(data.Xs), len(data.Xt)) == (sizes[source], sizes[target])
        assert (data.ys.sum(), data.yt.sum()) == (sick[source], sick[target])
    chol = data.feature_names.tolist().index("chol")
    assert np.isnan(data.Xs[:, chol]).all()  # Switzerland measured no cholesterol


@with_data
def test_breast_platforms_have_other_scales():
    data = datasets.load_breast_expression()
    assert set(data.ys) == set(data.yt) == {0, 1}
    assert abs(np.nanmedian(data.Xs)) < 0.5 < 5 < np.median(data.Xt)  # log ratios, log intensities
    esr1 = data.feature_names.tolist().index("ESR1")  # the gene of the receptor itself
    for X, y in ((data.Xs, data.ys), (data.Xt, data.yt)):
        assert np.nanmean(X[y == 1, esr1]) > np.nanmean(X[y == 0, esr1]) + 0.5


@with_data
def test_corn_instruments_measured_the_same_samples():
    data = datasets.load_corn_nir(1, 3, "oil")
    assert data.Xs.shape == data.Xt.shape == (80, 700)
    np.testing.assert_array_equal(data.ys, data.yt)
    assert 3 < data.ys.min() < data.ys.max() < 4
    same = [np.corrcoef(a, b)[0, 1] for a, b in zip(data.Xs, data.Xt)]
    assert min(same) > 0.99
    assert not np.allclose(data.Xs, data.Xt, atol=0.01)
