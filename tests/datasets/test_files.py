"""Each reader against its file, read once more in another way, column by column."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from scipy.stats import zscore

from skdtl import datasets

HOME = Path(os.environ.get("SKDTL_DATA") or ".")
pytestmark = pytest.mark.skipif(
    not os.environ.get("SKDTL_DATA"), reason="SKDTL_DATA does not name the published data"
)


def both_ways(load, domains, *args, **options):
    """Yield each domain's name, rows and labels, once as source and once as target."""
    domains = list(domains)
    for source, target in zip(domains, domains[1:] + domains[:1]):
        data = load(source, target, *args, **options)
        yield source, data.Xs, data.ys, data
        yield target, data.Xt, data.yt, data


def mat(*path):
    return scipy.io.loadmat(HOME.joinpath(*path))


def test_mushroom():
    folder = HOME / "mushroom"
    # The file's own description numbers the columns.
    text = (folder / "agaricus-lepiota.names").read_text()
    names = re.findall(r"^ +\d+\. ([a-z-]+)\??: ", text, re.MULTILINE)
    assert len(names) == 22
    path = folder / "agaricus-lepiota.data"
    table = pd.read_csv(path, header=None, names=["label", *names], keep_default_na=False)
    data = datasets.load_mushroom()
    for X, y, shape in ((data.Xs, data.ys, "e"), (data.Xt, data.yt, "t")):
        rows = table[table["stalk-shape"] == shape]
        assert y.tolist() == rows["label"].map({"e": "edible", "p": "poisonous"}).tolist()
        assert X.shape == (len(rows), len(data.feature_names))
        for name, column in zip(data.feature_names, X.T):
            feature, category = name.split("=")
            np.testing.assert_array_equal(column, rows[feature] == category, err_msg=name)
    others = table.drop(columns=["label", "stalk-shape"])
    assert len(data.feature_names) == others.nunique().sum()


def test_heart_disease():
    folder = HOME / "heart_disease"
    text = (folder / "heart-disease.names").read_text(errors="replace")
    names = re.findall(r"-- \d+\. #\d+ +\((\w+)\)", text)
    assert names[-1] == "num"
    hospitals = ("cleveland", "hungarian", "switzerland", "va")
    for hospital, X, y, data in both_ways(datasets.load_heart_disease, hospitals):
        path = folder / f"processed.{hospital}.data"
        table = pd.read_csv(path, header=None, names=names, na_values="?")
        assert data.feature_names.tolist() == names[:-1]
        np.testing.assert_array_equal(y, table["num"] > 0)
        for name, column in zip(names, X.T):
            expected = table[name].astype(float)
            if name in ("trestbps", "chol"):
                expected = expected.replace(0, np.nan)
            np.testing.assert_array_equal(column, expected, err_msg=f"{hospital} {name}")


@pytest.mark.parametrize("normalize", [True, False])
def test_amazon(normalize):
    files = {"books": "books", "dvd": "dvd", "electronics": "elec", "kitchen": "kitchen"}
    read = both_ways(datasets.load_amazon, files, normalize=normalize)
    for name, X, y, _ in read:
        file = mat("amazon400", f"{files[name]}_400.mat")
        expected = np.nan_to_num(zscore(file["fts"], axis=0)) if normalize else file["fts"]
        np.testing.assert_allclose(X, expected, atol=1e-10)
        assert y.tolist() == file["labels"].ravel().tolist()
        assert set(y) == {0, 1}


def test_breast_expression():
    clinical = pd.read_csv(HOME / "breast_expr" / "clinical.csv", dtype={"er": str})
    file = np.load(HOME / "breast_expr" / "expr.npz")
    cohorts = {"nki": "NKI", "vdx": "VDX", "expo": "EXPO"}
    for name, X, y, data in both_ways(datasets.load_breast_expression, cohorts):
        patients = clinical[clinical["dataset"] == cohorts[name]].reset_index()
        known = patients["er"].isin(["0", "1"]).to_numpy()
        assert y.tolist() == patients["er"][known].astype(int).tolist()
        np.testing.assert_array_equal(X, file[f"X_{name}s"][known])
        for gene, symbol, number in zip(data.feature_names, file["symbol"], file["entrez"]):
            assert gene == (symbol or f"entrez_{number}")


def test_corn():
    file = mat("corn_nir", "cornData.mat")
    # Corn is mostly starch and holds little oil.
    order = np.argsort(file["Y"].mean(axis=0))
    columns = dict(zip(("oil", "protein", "moisture", "starch"), order))
    for constituent, column in columns.items():
        for instrument, X, y, _ in both_ways(datasets.load_corn_nir, (1, 2, 3), constituent):
            np.testing.assert_array_equal(X, file["ftAll"][0, instrument - 1])
            np.testing.assert_array_equal(y, file["Y"][:, column])


@pytest.mark.parametrize(
    "task, n_source, n_target",
    [("rec-talk", 3669, 3561), ("rec-sci", 3961, 3965), ("sci-talk", 3374, 3828)],
)
def test_newsgroups(task, n_source, n_target):
    with np.load(HOME / "newsgroups20" / "20news_bydate_counts.npz") as file:
        parts = file["data"].astype(float), file["indices"], file["indptr"]
        X = sp.csr_array(parts, shape=tuple(file["shape"]))
        groups, words = file["target_names"][file["y"]], file["vocabulary"]
    data = datasets.load_newsgroups(task)
    # The published numbers of rows, of another copy that lacks a few.
    assert abs(data.Xs.shape[0] - n_source) <= 5 and abs(data.Xt.shape[0] - n_target) <= 5
    for rows, y, subgroups in (
        (data.Xs, data.ys, data.source_groups),
        (data.Xt, data.yt, data.target_groups),
    ):
        members = np.array([k for k, group in enumerate(groups) if group in subgroups])
        assert abs(rows - X[members]).max() == 0
        assert y.tolist() == [groups[k].split(".")[0] for k in members]
        assert len(set(groups[members])) == 4
    assert data.feature_names.tolist() == words.tolist()


@pytest.mark.parametrize("normalize", [True, False])
def test_office_caltech(normalize):
    files = {"caltech": "Caltech10", "amazon": "amazon", "webcam": "webcam", "dslr": "dslr"}
    for name, X, y, _ in both_ways(datasets.load_office_caltech, files, normalize=normalize):
        file = mat("office_caltech10_surf", f"{files[name]}_SURF_L10.mat")
        counts = file["fts"].astype(float)
        expected = np.nan_to_num(zscore(counts / counts.sum(axis=1)[:, None], axis=0))
        if normalize:
            expected /= np.sqrt((expected**2).sum(axis=1))[:, None]
        np.testing.assert_allclose(X, expected, atol=1e-9)
        assert y.tolist() == [label - 1 for label in file["labels"].ravel()]


# The UCI repository's order.
BOSTON = ["CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B"]
BOSTON += ["LSTAT", "MEDV"]
AUTOMPG = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin"]
AUTOMPG += ["car", "mpg"]


def regression_file(name):
    """Return a table whose last column is what is predicted."""
    folder = HOME / "regression_uci"
    if name == "concrete":
        table = pd.read_csv(folder / "Concrete_Data.csv")
        return table.rename(columns=lambda text: text.split("(")[0].strip())
    if name == "boston":
        table = pd.read_csv(folder / "boston_housing.csv", header=None)
        assert set(table[3]) == {0, 1}  # CHAS, a flag
        assert table[5].between(3, 9).all() and table[13].max() == 50  # rooms; thousands of dollars
        return table.set_axis(BOSTON, axis=1)
    table = pd.read_csv(folder / "autompg.csv.gz", header=None)
    assert set(table[0]) == {3, 4, 5, 6, 8} and table[5].between(70, 82).all()
    return table.set_axis(AUTOMPG, axis=1).drop(columns="car")


CONCRETE = {
    "cement": "Cement",
    "slag": "Blast Furnace Slag",
    "ash": "Fly Ash",
    "water": "Water",
    "superplasticizer": "Superplasticizer",
    "coarse": "Coarse Aggregate",
    "fine": "Fine Aggregate",
    "age": "Age",
}


@pytest.mark.parametrize("name", ["concrete", "boston", "autompg"])
def test_regression_thirds(name):
    table = regression_file(name)
    far = (table.corr().iloc[:-1, -1].abs() - 0.4).abs()
    ordered = table.sort_values(far.idxmin(), kind="stable")
    n = len(table)
    sizes = [n // 3 + (k < n % 3) for k in range(3)]
    thirds = [ordered.iloc[sum(sizes[:k]) : sum(sizes[: k + 1])] for k in range(3)]
    for target in (1, 2, 3):
        data = datasets.load_regression_thirds(name, target)
        names = [CONCRETE.get(feature, feature) for feature in data.feature_names]
        assert CONCRETE.get(data.sorting_feature, data.sorting_feature) == far.idxmin()
        assert set(names) == set(table.columns[:-1]) - {far.idxmin()}
        sources = [third for k, third in enumerate(thirds, start=1) if k != target]
        domains = [
            (data.Xs[data.source_ids == 1], data.ys[data.source_ids == 1], sources[0]),
            (data.Xs[data.source_ids == 2], data.ys[data.source_ids == 2], sources[1]),
            (data.Xt, data.yt, thirds[target - 1]),
        ]
        for X, y, expected in domains:
            np.testing.assert_array_equal(X, expected[names])
            np.testing.assert_array_equal(y, expected.iloc[:, -1])


@pytest.mark.parametrize("normalize", [True, False])
def test_usps_mnist(normalize):
    file = mat("usps_mnist", "MNIST_vs_USPS.mat")
    keys = {"mnist": "src", "usps": "tar"}
    for source, target in (("mnist", "usps"), ("usps", "mnist")):
        data = datasets.load_usps_mnist(source, normalize=normalize)
        for name, X, y in ((source, data.Xs, data.ys), (target, data.Xt, data.yt)):
            images = file[f"X_{keys[name]}"]
            if normalize:
                images = images / np.sqrt((images**2).sum(axis=0))
            np.testing.assert_allclose(X.T, images, rtol=1e-12)
            assert y.tolist() == [label - 1 for label in file[f"Y_{keys[name]}"].ravel()]
