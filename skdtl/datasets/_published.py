"""Readers of the published data sets with a domain shift that transfer-learning papers use.

Their licences differ or are unclear, so the files do not ship with the package: each reader takes
them from a folder that the caller or the environment variable ``SKDTL_DATA`` names.
"""

from __future__ import annotations

import csv
import gzip
import os

import numpy as np
import scipy.io
import scipy.sparse
from sklearn.utils import Bunch

from ._data_home import data_file

MUSHROOM_FEATURES = [
    "cap-shape",
    "cap-surface",
    "cap-color",
    "bruises",
    "odor",
    "gill-attachment",
    "gill-spacing",
    "gill-size",
    "gill-color",
    "stalk-shape",
    "stalk-root",
    "stalk-surface-above-ring",
    "stalk-surface-below-ring",
    "stalk-color-above-ring",
    "stalk-color-below-ring",
    "veil-type",
    "veil-color",
    "ring-number",
    "ring-type",
    "spore-print-color",
    "population",
    "habitat",
]

# Dai et al. (2007): source and target hold different subgroups of the same two top groups.
NEWSGROUP_TASKS = {
    "rec-talk": (
        ("rec.autos", "rec.motorcycles", "talk.politics.guns", "talk.politics.misc"),
        ("rec.sport.baseball", "rec.sport.hockey", "talk.politics.mideast", "talk.religion.misc"),
    ),
    "rec-sci": (
        ("rec.autos", "rec.sport.baseball", "sci.med", "sci.space"),
        ("rec.motorcycles", "rec.sport.hockey", "sci.crypt", "sci.electronics"),
    ),
    "sci-talk": (
        ("sci.electronics", "sci.med", "talk.politics.misc", "talk.religion.misc"),
        ("sci.crypt", "sci.space", "talk.politics.guns", "talk.politics.mideast"),
    ),
}

AMAZON_FILES = {"books": "books", "dvd": "dvd", "electronics": "elec", "kitchen": "kitchen"}

HEART_HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
HEART_FEATURES = [
    "age",
    "sex",
    "cp",
    "trestbps",
    "chol",
    "fbs",
    "restecg",
    "thalach",
    "exang",
    "oldpeak",
    "slope",
    "ca",
    "thal",
]

BREAST_COHORTS = {"nki": "nkis", "vdx": "vdxs", "expo": "expos"}

CORN_PROPERTIES = ("moisture", "oil", "protein", "starch")

BOSTON_FEATURES = [
    "CRIM",
    "ZN",
    "INDUS",
    "CHAS",
    "NOX",
    "RM",
    "AGE",
    "DIS",
    "RAD",
    "TAX",
    "PTRATIO",
    "B",
    "LSTAT",
]
AUTOMPG_FEATURES = [
    "cylinders",
    "displacement",
    "horsepower",
    "weight",
    "acceleration",
    "year",
    "origin",
]
CONCRETE_FEATURES = ["cement", "slag", "ash", "water", "superplasticizer", "coarse", "fine", "age"]


def _one_of(argument: str, value, allowed):
    """`value`, if it is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {list(allowed)}, got {value!r}")
    return value


def _two_of(source, target, allowed):
    """`source` and `target`, if they are two different members of `allowed`."""
    _one_of("source", source, allowed)
    _one_of("target", target, allowed)
    if source == target:
        raise ValueError(f"source and target must differ, both are {source!r}")


def _standardize(X):
    """Columns with mean 0 and standard deviation 1 (ddof 0); constant columns become 0."""
    scale = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def load_mushroom(*, data_home: str | os.PathLike | None = None) -> Bunch:
    """Load the mushrooms of TrAdaBoost's paper: is a mushroom edible, across stalk shapes.

    Source: mushrooms whose stalk enlarges (3516 rows); target: mushrooms whose stalk tapers
    (4608). Which features tell poison differs between the two, so that a model of the source
    alone is bad on the target although many labels are there: concept shift.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder that holds ``mushroom/agaricus-lepiota.data``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs (3516, n_features), ys (3516,), Xt (4608, n_features), yt (4608,): one-hot features
        (stalk shape left out; a missing stalk root is a category of its own) and the labels
        "edible" and "poisonous"; feature_names (n_features,); DESCR.

    References
    ----------
    Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning. ICML.
    """
    path = data_file("mushroom", "agaricus-lepiota.data", data_home)
    table = np.array([line.split(",") for line in path.read_text().split()])
    y = np.where(table[:, 0] == "e", "edible", "poisonous")
    tapering = table[:, 1 + MUSHROOM_FEATURES.index("stalk-shape")] == "t"
    columns, names = [], []
    for j, feature in enumerate(MUSHROOM_FEATURES, start=1):
        if feature == "stalk-shape":
            continue
        for category in np.unique(table[:, j]):
            columns.append(table[:, j] == category)
            names.append(f"{feature}={category}")
    X = np.column_stack(columns).astype(float)
    return Bunch(
        Xs=X[~tapering],
        ys=y[~tapering],
        Xt=X[tapering],
        yt=y[tapering],
        feature_names=np.array(names),
        DESCR="UCI mushroom data; source: enlarging stalks, target: tapering stalks.",
    )


def load_newsgroups(task: str = "rec-talk", *, data_home: str | os.PathLike | None = None) -> Bunch:
    """Load 20 newsgroups as a binary task whose subtopics differ between the domains.

    Both domains tell the same two top groups apart ("rec" from "talk", say), but hold different
    subgroups: cars against guns in the source, baseball against religion in the target.

    Parameters
    ----------
    task : {"rec-talk", "rec-sci", "sci-talk"}, default="rec-talk"
        The two top groups; the subgroups of each domain are those of Dai et al.
    data_home : path-like or None, default=None
        Folder that holds ``newsgroups20/20news_bydate_counts.npz``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt (n, 29724) word counts as `scipy.sparse.csr_array`; ys, yt: the top group of each
        document; feature_names (29724,): the words; source_groups, target_groups: the
        subgroups of each domain; DESCR.

    References
    ----------
    Dai, W., Yang, Q., Xue, G.-R. and Yu, Y. (2007). Boosting for transfer learning. ICML.
    """
    _one_of("task", task, NEWSGROUP_TASKS)
    with np.load(data_file("newsgroups20", "20news_bydate_counts.npz", data_home)) as file:
        X = scipy.sparse.csr_array(
            (file["data"].astype(float), file["indices"].astype(np.int32), file["indptr"]),
            shape=tuple(file["shape"]),
        )
        group = file["target_names"][file["y"]]
        words = file["vocabulary"]
    top = np.array([name.split(".")[0] for name in group])
    source_groups, target_groups = NEWSGROUP_TASKS[task]
    source, target = np.isin(group, source_groups), np.isin(group, target_groups)
    return Bunch(
        Xs=X[source],
        ys=top[source],
        Xt=X[target],
        yt=top[target],
        feature_names=words,
        source_groups=source_groups,
        target_groups=target_groups,
        DESCR=f"20 newsgroups, {task}: other subgroups in the target than in the source.",
    )


def _regression_table(name, data_home):
    """Features, target and feature names of one of the three regression tables."""
    folder = "regression_uci"
    if name == "concrete":
        with open(data_file(folder, "Concrete_Data.csv", data_home), encoding="utf-8") as file:
            table = np.array(list(csv.reader(file))[1:], dtype=float)
        names = CONCRETE_FEATURES
    elif name == "boston":
        table = np.loadtxt(data_file(folder, "boston_housing.csv", data_home), delimiter=",")
        names = BOSTON_FEATURES
    else:
        with gzip.open(data_file(folder, "autompg.csv.gz", data_home), "rt") as file:
            # the column before the last is the name of the car
            table = np.array([row[:-2] + row[-1:] for row in csv.reader(file)], dtype=float)
        names = AUTOMPG_FEATURES
    return table[:, :-1], table[:, -1], names


def load_regression_thirds(
    name: str = "concrete", target: int = 1, *, data_home: str | os.PathLike | None = None
) -> Bunch:
    """Load a regression table cut into three domains, as in the papers on boosted transfer.

    The rows are sorted by one feature that is moderately correlated with what is predicted and
    cut into thirds; the feature itself is then dropped. Each third is a domain: one is the
    target, the two others are the sources.

    Parameters
    ----------
    name : {"concrete", "boston", "autompg"}, default="concrete"
        Strength of concrete (1030 rows, 8 features), Boston house prices (506, 13), fuel
        consumption of cars (392, 7), each before one feature is dropped. Boston's column "B"
        is a contested transform of an ethnic share: use the table for comparison with published
        numbers alone.
    target : {1, 2, 3}, default=1
        Which third is the target; 1 holds the lowest values of the sorting feature.
    data_home : path-like or None, default=None
        Folder that holds ``regression_uci``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs (n_s, n_features), ys (n_s,), Xt (n_t, n_features), yt (n_t,); source_ids (n_s,):
        1 for the first and 2 for the second source, as `sample_domain` has it; feature_names;
        sorting_feature: the one that made the domains; DESCR.

    Notes
    -----
    The paper names no feature ("moderately correlated", about 0.4): here it is the one whose
    absolute Pearson correlation with the target variable is nearest to 0.4. Ties in its values
    keep the order of the file.

    References
    ----------
    Pardoe, D. and Stone, P. (2010). Boosting for regression transfer. ICML.
    """
    _one_of("name", name, ("concrete", "boston", "autompg"))
    _one_of("target", target, (1, 2, 3))
    X, y, names = _regression_table(name, data_home)
    correlation = [abs(np.corrcoef(column, y)[0, 1]) for column in X.T]
    sorting = int(np.argmin(np.abs(np.array(correlation) - 0.4)))
    thirds = np.array_split(np.argsort(X[:, sorting], kind="stable"), 3)
    X = np.delete(X, sorting, axis=1)
    target_rows = thirds.pop(target - 1)
    source_rows = np.concatenate(thirds)
    return Bunch(
        Xs=X[source_rows],
        ys=y[source_rows],
        Xt=X[target_rows],
        yt=y[target_rows],
        source_ids=np.repeat([1, 2], [len(third) for third in thirds]),
        feature_names=np.array([n for j, n in enumerate(names) if j != sorting]),
        sorting_feature=names[sorting],
        DESCR=f"{name}, thirds by {names[sorting]}; target: third {target}.",
    )


def load_usps_mnist(
    source: str = "mnist", *, normalize: bool = True, data_home: str | os.PathLike | None = None
) -> Bunch:
    """Load handwritten digits from two collections: census forms (MNIST) and envelopes (USPS).

    Parameters
    ----------
    source : {"mnist", "usps"}, default="mnist"
        The labelled collection; the other one is the target.
    normalize : bool, default=True
        Scale each image to Euclidean norm 1, the protocol of published results. False leaves
        grey values from 0 to 1.
    data_home : path-like or None, default=None
        Folder that holds ``usps_mnist/MNIST_vs_USPS.mat``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt: 2000 images of MNIST and 1800 of USPS, 16 x 16 pixels as 256 columns (row by
        row); ys, yt: the digits 0 to 9; DESCR.

    References
    ----------
    Long, M., Wang, J., Ding, G., Sun, J. and Yu, P. S. (2013). Transfer feature learning with
    joint distribution adaptation. ICCV.
    """
    _one_of("source", source, ("mnist", "usps"))
    file = scipy.io.loadmat(data_file("usps_mnist", "MNIST_vs_USPS.mat", data_home))
    domains = {}
    for name, key in (("mnist", "src"), ("usps", "tar")):
        # the columns of the file are images, its labels are 1 to 10
        X = np.ascontiguousarray(file[f"X_{key}"].T)
        if normalize:
            X = X / np.linalg.norm(X, axis=1, keepdims=True)
        domains[name] = X, file[f"Y_{key}"].ravel().astype(int) - 1
    (Xs, ys), (Xt, yt) = domains.pop(source), *domains.values()
    return Bunch(
        Xs=Xs, ys=ys, Xt=Xt, yt=yt, DESCR=f"MNIST and USPS, 16 x 16 pixels; source: {source}."
    )


def load_amazon(
    source: str = "books",
    target: str = "dvd",
    *,
    normalize: bool = True,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load product reviews: is a review positive, across kinds of product.

    Parameters
    ----------
    source, target : {"books", "dvd", "electronics", "kitchen"}, default="books" and "dvd"
        The kinds of product, two different ones; about 2000 reviews each.
    normalize : bool, default=True
        Give each feature of each domain mean 0 and standard deviation 1, the protocol of
        published results; a word that a domain never uses stays 0. False leaves the
        frequencies, which sum to 1 in each row.
    data_home : path-like or None, default=None
        Folder that holds ``amazon400``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt (about 2000, 400); ys, yt: 1 where the review is positive, else 0; DESCR.

    References
    ----------
    Blitzer, J., Dredze, M. and Pereira, F. (2007). Biographies, Bollywood, boom-boxes and
    blenders: domain adaptation for sentiment classification. ACL.
    """
    _two_of(source, target, AMAZON_FILES)
    domains = []
    for name in (source, target):
        path = data_file("amazon400", f"{AMAZON_FILES[name]}_400.mat", data_home)
        file = scipy.io.loadmat(path)
        X = _standardize(file["fts"]) if normalize else np.ascontiguousarray(file["fts"])
        domains.append((X, file["labels"].ravel().astype(int)))
    (Xs, ys), (Xt, yt) = domains
    return Bunch(
        Xs=Xs, ys=ys, Xt=Xt, yt=yt, DESCR=f"Amazon reviews, 400 features: {source} to {target}."
    )


def load_heart_disease(
    source: str = "cleveland",
    target: str = "hungarian",
    *,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load patients with suspected heart disease from four hospitals.

    The hospitals differ in their patients, in which measurements they took and in how common
    the disease is: judge by ROC AUC or balanced accuracy.

    Parameters
    ----------
    source, target : {"cleveland", "hungarian", "switzerland", "va"}
        The hospitals, two different ones; 303, 294, 123 and 200 patients. The defaults are
        "cleveland" and "hungarian".
    data_home : path-like or None, default=None
        Folder that holds ``heart_disease``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt (n, 13), NaN where a measurement is missing (a cholesterol or blood pressure of 0,
        which no living patient has, counts as missing); ys, yt: 1 where the disease was found,
        else 0; feature_names (13,); DESCR.

    References
    ----------
    Detrano, R. et al. (1989). International application of a new probability algorithm for the
    diagnosis of coronary artery disease. American Journal of Cardiology 64, 304-310.
    """
    _two_of(source, target, HEART_HOSPITALS)
    domains = []
    for name in (source, target):
        path = data_file("heart_disease", f"processed.{name}.data", data_home)
        table = np.genfromtxt(path, delimiter=",", missing_values="?")
        X = table[:, :-1]
        for feature in ("trestbps", "chol"):
            column = X[:, HEART_FEATURES.index(feature)]
            column[column == 0] = np.nan
        domains.append((X, (table[:, -1] > 0).astype(int)))
    (Xs, ys), (Xt, yt) = domains
    return Bunch(
        Xs=Xs,
        ys=ys,
        Xt=Xt,
        yt=yt,
        feature_names=np.array(HEART_FEATURES),
        DESCR=f"UCI heart disease: {source} to {target}.",
    )


def load_breast_expression(
    source: str = "nki", target: str = "vdx", *, data_home: str | os.PathLike | None = None
) -> Bunch:
    """Load gene expression of breast tumours measured on different platforms.

    The task is the oestrogen-receptor status of a tumour. NKI was measured on Agilent arrays
    (log ratios), VDX and EXPO on Affymetrix arrays (log intensities): the same biology on
    another scale. Classes are unbalanced: judge by balanced accuracy.

    Parameters
    ----------
    source, target : {"nki", "vdx", "expo"}, default="nki" and "vdx"
        The cohorts, two different ones.
    data_home : path-like or None, default=None
        Folder that holds ``breast_expr``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt (n, 254), NaN where a value is missing (82 of them, all in NKI); ys, yt: 1 where
        the tumour is receptor-positive, else 0 (tumours whose status is unknown are left out);
        feature_names (254,): gene symbols, Entrez numbers where a gene has none; DESCR.

    References
    ----------
    Gendoo, D. M. A. et al. (2016). Genefu: an R/Bioconductor package for computation of gene
    expression-based signatures in breast cancer. Bioinformatics 32, 1097-1099.
    """
    _two_of(source, target, BREAST_COHORTS)
    with open(data_file("breast_expr", "clinical.csv", data_home), newline="") as file:
        clinical = list(csv.DictReader(file))
    with np.load(data_file("breast_expr", "expr.npz", data_home)) as expression:
        symbol, entrez = expression["symbol"], expression["entrez"]
        genes = np.where(symbol == "", np.char.add("entrez_", entrez.astype(str)), symbol)
        domains = []
        for name in (source, target):
            cohort = BREAST_COHORTS[name]
            status = np.array([row["er"] for row in clinical if row["cohort"] == cohort])
            known = np.isin(status, ("0", "1"))
            X = expression[f"X_{cohort}"][known].astype(float)
            domains.append((X, status[known].astype(int)))
    (Xs, ys), (Xt, yt) = domains
    return Bunch(
        Xs=Xs,
        ys=ys,
        Xt=Xt,
        yt=yt,
        feature_names=genes,
        DESCR=f"Breast tumours, oestrogen-receptor status: {source} to {target}.",
    )


def load_corn_nir(
    source: int = 1,
    target: int = 2,
    constituent: str = "moisture",
    *,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load near-infrared spectra of corn from three instruments: calibration transfer.

    The same 80 samples were measured on each instrument. Row i is the same sample in both
    domains, so a held-out target row must not have its twin among the labelled source rows when
    a method could look it up.

    Parameters
    ----------
    source, target : {1, 2, 3}, default=1 and 2
        The instruments (m5, mp5 and mp6), two different ones.
    constituent : {"moisture", "oil", "protein", "starch"}, default="moisture"
        What is predicted, in per cent of weight.
    data_home : path-like or None, default=None
        Folder that holds ``corn_nir/cornData.mat``; None reads ``SKDTL_DATA``.

    Returns
    -------
    data : Bunch
        Xs, Xt (80, 700) absorbances; ys, yt (80,), equal to each other; DESCR.
    """
    _two_of(source, target, (1, 2, 3))
    _one_of("constituent", constituent, CORN_PROPERTIES)
    file = scipy.io.loadmat(data_file("corn_nir", "cornData.mat", data_home))
    spectra = file["ftAll"].ravel()
    y = file["Y"][:, CORN_PROPERTIES.index(constituent)]
    return Bunch(
        Xs=spectra[source - 1],
        ys=y.copy(),
        Xt=spectra[target - 1],
        yt=y.copy(),
        DESCR=f"Corn, {constituent}: instrument {source} to instrument {target}.",
    )
