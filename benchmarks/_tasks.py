"""The tasks on which defaults are judged: tables with a real, a made or no shift, drawn by a seed.

`TASKS` maps a name to a `Task`. ``task.draw(seed)`` gives at most 500 source rows, at most 400
target rows for training and at most 1000 other target rows for testing; training and test rows
never meet, nor do two rows of one sample. Labels are the codes 0, 1, ... or numbers. The target's
training labels are all there: ``draw.labels(20)`` hides all but the first 20, which are a random
choice since the rows come in random order, and the first 20 of 50.

*Where the rows come from.* Published tables are read from the folder that SKDTL_DATA names. Office
photographs are the z-scores of their collection, as published; all other tables are raw (images
scaled to norm 1), so that each person's first step, a StandardScaler, belongs to the benchmark
(`scale`). Word counts are logarithms, scaled to norm 1 and not standardised, of the words that
three training documents or more hold.

*Mixed columns become numbers.* Each category is a column of 0 and 1. A missing number becomes the
median of the draw's training rows of both domains (0 where they have none), and a column that
misses more than 5 % of the numbers of both domains gets a second one that says where.

*Made shifts* change the target's half of a standardised table in one way each, see `MADE`; what
they draw (directions, angles) is drawn anew by each seed.

*Halves.* `HALVES` splits the families of tables in two. The split was made by kind (images, texts,
clinics, prices ...) before anything had been run: choices are made by looking at half A, and both
halves are reported.
"""

from __future__ import annotations

import csv
import datetime
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import permutations
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn import datasets as tables
from sklearn.preprocessing import normalize

from skdtl import datasets
from skdtl.datasets._data_home import data_file

MAX_SOURCE, MAX_TARGET, MAX_TEST = 500, 400, 1000

HALVES = {
    # images, clinics, texts, time, spectra, cars
    "A": (
        "office",
        "heart",
        "newsgroups",
        "absenteeism",
        "elec2",
        "corn",
        "autompg",
        "breast_cancer",
        "iris",
        "diabetes",
        "planes",
    ),
    # texts, tumours, digits, mushrooms, age, sex, time, prices, place
    "B": (
        "reviews",
        "expression",
        "usps_mnist",
        "mushroom",
        "liver",
        "pima",
        "occupancy",
        "concrete",
        "boston",
        "ames",
        "parking",
        "wine",
        "digits",
        "clusters",
        "friedman",
    ),
}

# Families whose rows ship with scikit-learn or are generated.
BUNDLED = ("breast_cancer", "iris", "diabetes", "planes", "wine", "digits", "clusters", "friedman")


class Draw(NamedTuple):
    """One draw of a task."""

    Xs: np.ndarray
    ys: np.ndarray
    Xt: np.ndarray
    yt: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def labels(self, n_labels: int) -> np.ndarray:
        """Return the target's training labels as floats, NaN for all but the first `n_labels`."""
        if n_labels > len(self.yt):
            raise ValueError(f"n_labels={n_labels}, but the draw has {len(self.yt)} target rows")
        yt = self.yt.astype(float)
        yt[n_labels:] = np.nan
        return yt


class Pools(NamedTuple):
    """All rows of both domains; a sample has one number in both, and in all draws."""

    Xs: np.ndarray
    ys: np.ndarray
    source: np.ndarray
    Xt: np.ndarray
    yt: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Task:
    """Two domains to draw from, and how to judge.

    Attributes
    ----------
    name, family : str
        The family is the data set.
    kind : {"classification", "regression"}
    shift : str
        "real", "none", or "made: " and what was done.
    metric : {"accuracy", "balanced_accuracy", "roc_auc", "skill"}
        What the data set's literature judges by; "skill" for regression.
    scale : bool
        Whether a StandardScaler belongs in front.
    pools : callable
        From a random generator to `Pools`.
    """

    name: str
    family: str
    kind: str
    shift: str
    metric: str
    scale: bool
    pools: Callable[[np.random.RandomState], Pools]

    @property
    def half(self) -> str:
        """Return "A" or "B"."""
        return next(half for half, families in HALVES.items() if self.family in families)

    def draw(self, seed: int) -> Draw:
        """Return the training and test rows of one seed."""
        pools, source, target, test = self._choose(seed)
        Xs, Xt, X_test = _numbers(pools.Xs[source], pools.Xt[target], pools.Xt[test])
        return Draw(Xs, pools.ys[source], Xt, pools.yt[target], X_test, pools.yt[test])

    def rows(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sample numbers of the draw's source, target and test rows."""
        pools, source, target, test = self._choose(seed)
        return pools.source[source], pools.target[target], pools.target[test]

    def _choose(self, seed):
        rng = np.random.RandomState([seed, zlib.crc32(self.name.encode())])
        pools = self.pools(rng)
        source = rng.permutation(len(pools.ys))[:MAX_SOURCE]
        order = rng.permutation(len(pools.yt))
        n_target = min(MAX_TARGET, len(order) // 2)
        return pools, source, order[:n_target], order[n_target : n_target + MAX_TEST]


def _numbers(Xs, Xt, X_test):
    """Fill missing numbers, and make words a dense table, by what the training rows hold."""
    if sp.issparse(Xs):
        n_documents = sp.vstack([Xs, Xt]).count_nonzero(axis=0)
        frequent = np.flatnonzero(n_documents >= 3)
        return tuple(normalize(X[:, frequent].log1p()).toarray() for X in (Xs, Xt, X_test))
    train = np.concatenate([Xs, Xt])
    if not (np.isnan(train).any() or np.isnan(X_test).any()):
        return Xs, Xt, X_test
    known = ~np.isnan(train).all(axis=0)
    medians = np.zeros(train.shape[1])
    medians[known] = np.nanmedian(train[:, known], axis=0)
    return tuple(np.where(np.isnan(X), medians, X) for X in (Xs, Xt, X_test))


# -- published tables -----------------------------------------------------------------------------


def _two_domains(Xs, ys, Xt, yt) -> Pools:
    """Return pools of different samples, labels as codes, many missing numbers marked."""
    if ys.dtype.kind != "f":
        ys, yt = np.split(np.unique(np.concatenate([ys, yt]), return_inverse=True)[1], [len(ys)])
    if not sp.issparse(Xs):
        often = np.isnan(np.concatenate([Xs, Xt])).mean(axis=0) > 0.05
        Xs, Xt = (np.column_stack([X, np.isnan(X[:, often])]) for X in (Xs, Xt))
    return Pools(Xs, ys, np.arange(len(ys)), Xt, yt, np.arange(len(ys), len(ys) + len(yt)))


@lru_cache(maxsize=4)  # draws of one task follow each other
def _loaded(load) -> Pools:
    data = load()
    return _two_domains(data.Xs, data.ys, data.Xt, data.yt)


def _published(load, *args, **options):
    """Return a function of a generator that gives what a reader of skdtl.datasets reads."""
    load = partial(load, *args, **options)
    return lambda rng: _loaded(load)


def _other_way(pools):
    """Swap the domains of what a function of a generator gives."""

    def swapped(rng):
        one_way = pools(rng)
        return Pools(*one_way[3:], *one_way[:3])

    return swapped


def _corn(source, target, rng):
    """No sample in both domains: 36 of the 80 on the first instrument, the others on the second."""
    data = datasets.load_corn_nir(source, target)
    order = rng.permutation(len(data.ys))
    first, second = np.split(order, [36])
    return Pools(data.Xs[first], data.ys[first], first, data.Xt[second], data.yt[second], second)


# -- tables with time, age, sex or place ----------------------------------------------------------


def _read(name, delimiter=","):
    """Return the columns of a file of the folder drift_tables as arrays of strings."""
    with open(data_file("drift_tables", name), newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
    return dict(zip(header, np.array(rows).T))


def _encode(columns, categories=()):
    """Return a matrix: numbers as they are, NaN where missing, a column of each category's own."""
    found = []
    for name, values in columns.items():
        missing = np.isin(values, ("", "?", "NA"))
        if name in categories:
            found += [values == category for category in np.unique(values)]
        else:
            found.append(np.where(missing, "nan", values).astype(float))
    return np.column_stack(found).astype(float)


def _without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


def _split(X, y, is_source, is_target) -> Pools:
    return _two_domains(X[is_source], y[is_source], X[is_target], y[is_target])


@cache
def _absenteeism():
    columns = _read("absenteeism_at_work.csv", ";")
    month = columns["Month of absence"].astype(int)
    hours = columns["Absenteeism time in hours"].astype(float)
    columns = _without(columns, "ID", "Month of absence", "Seasons", "Absenteeism time in hours")
    X = _encode(columns, ("Reason for absence", "Day of the week", "Education"))
    return _split(X, (hours > 3).astype(int), (month >= 1) & (month <= 6), month > 6)


@cache
def _elec2():
    columns = _read("elec2.csv")
    year, y = np.char.zfill(columns["date"], 6).astype("U2"), columns["target"] == "UP"
    X = _encode(_without(columns, "date", "target"), ("day_of_week",))
    return _split(X, y.astype(int), year == "96", year == "98")


@cache
def _occupancy():
    columns = _read("occupancy_detection.csv")
    times = [datetime.datetime.fromisoformat(date) for date in columns["date"]]
    day = np.array([time.toordinal() for time in times])
    columns["hour"] = np.array([str(time.hour + time.minute / 60) for time in times])
    y = columns["Occupancy"].astype(int)
    X = _encode(_without(columns, "Id", "date", "Light", "Occupancy"))
    before, after = (datetime.date(2015, 2, day).toordinal() for day in (6, 11))
    return _split(X, y, day < before, day >= after)


@cache
def _liver(source):
    columns = _read("indian_liver_patient.csv")
    from_source, y = columns["Gender"] == source, (columns["Dataset"] == "1").astype(int)
    return _split(_encode(_without(columns, "Gender", "Dataset")), y, from_source, ~from_source)


@cache
def _pima(young_source):
    columns = _read("diabetes_pima_indians.csv")
    from_source = (columns["Age"].astype(int) < 30) == young_source
    y = columns["Outcome"].astype(int)
    return _split(_encode(_without(columns, "Outcome")), y, from_source, ~from_source)


@cache
def _ames(by):
    columns = _read("housing_ames.csv")
    log_price = np.log(columns["SalePrice"].astype(float))
    old = columns["YearBuilt"].astype(int) < 1970
    from_source = old if by == "year" else columns["MSZoning"] == "RL"
    columns = _without(columns, "Id", "SalePrice")
    words = [
        name
        for name, values in columns.items()
        if name == "MSSubClass"
        or not all(value.isdigit() for value in np.unique(values) if value not in ("", "NA"))
    ]
    return _split(_encode(columns, words), log_price, from_source, ~from_source)


@cache
def _parking():
    columns = _read("parking_birmingham.csv")
    capacity = columns["Capacity"].astype(float)
    times = [datetime.datetime.fromisoformat(time) for time in columns["LastUpdated"]]
    weekday = np.array([time.weekday() for time in times])
    hour = np.array([time.hour + time.minute / 60 for time in times])
    rate = columns["Occupancy"].astype(float) / capacity
    X = np.column_stack([hour, weekday, capacity])
    return _split(X, rate, weekday < 5, weekday >= 5)


# -- made shifts and no shift ---------------------------------------------------------------------


@cache
def _table(family):
    """Return a table's columns, each with mean 0 and variance 1, and its labels."""
    if family == "clusters":
        X, y = tables.make_classification(
            2000, 20, n_informative=8, n_redundant=4, n_classes=3, flip_y=0.05, random_state=0
        )
    elif family == "friedman":
        X, y = tables.make_friedman1(2000, 10, noise=1.0, random_state=0)
    else:
        X, y = getattr(tables, f"load_{family}")(return_X_y=True)
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0), y


def _offset(X, rng):
    """Add a number to each column, of the size of its standard deviation."""
    return X + rng.standard_normal(X.shape[1])


def _stretch(X, rng):
    """Multiply each column by a factor, of a half to two mostly."""
    return X * np.exp(0.7 * rng.standard_normal(X.shape[1]))


def _rotation(X, rng):
    """Rotate in a random plane by 45 degrees, in planes at right angles to it by less."""
    A = rng.standard_normal((X.shape[1], X.shape[1]))
    A -= A.T
    return X @ scipy.linalg.expm(np.pi / 4 * A / np.linalg.norm(A, 2))


def _noise(X, rng):
    """Add noise with a variance of half of each column's."""
    return X + np.sqrt(0.5) * rng.standard_normal(X.shape)


def _constant(X, rng):
    """A third of the columns are not measured: they hold their mean."""
    X = X.copy()
    X[:, rng.permutation(X.shape[1])[: (X.shape[1] + 2) // 3]] = 0.0
    return X


def _bent(X, rng):
    """The instrument bends each column: it is the steeper, the larger the value."""
    return np.expm1(0.5 * X) / 0.5


def _proportions(X, y, rng):
    """Keep a sixth of one class (of the lowest numbers), all of another, others between."""
    if y.dtype.kind == "f":
        place = np.argsort(np.argsort(y)) / (len(y) - 1)
        chance = 6.0 ** (-place if rng.randint(2) else place - 1)
    else:
        chances = 6.0 ** -np.linspace(0, 1, y.max() + 1)
        chance = rng.permutation(chances)[y]
    is_target = rng.permutation(len(y)) < len(y) // 2
    return ~is_target, is_target & (rng.uniform(size=len(y)) < chance)


def _selection(X, y, rng):
    """Rows come to the target the likelier, the further they lie along the widest direction."""
    centred = X - X.mean(axis=0)
    score = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    score *= 1 - 2 * rng.randint(2)
    is_target = rng.uniform(size=len(y)) < 1 / (1 + np.exp(-2 * score / score.std()))
    return ~is_target, is_target


# How the target's rows are measured, and which rows are the target's.
MADE = {
    "offset": _offset,
    "stretch": _stretch,
    "rotation": _rotation,
    "noise": _noise,
    "constant": _constant,
    "bent": _bent,
}
CHOSEN = {"proportions": _proportions, "selection": _selection}


def _made(family, shift, rng):
    """Split a table in two halves and change the second."""
    X, y = _table(family)
    if shift in CHOSEN:
        is_source, is_target = CHOSEN[shift](X, y, rng)
        source, target = np.flatnonzero(is_source), np.flatnonzero(is_target)
    else:
        source, target = np.array_split(rng.permutation(len(y)), 2)
    Xt = MADE[shift](X[target], rng) if shift in MADE else X[target]
    return Pools(X[source], y[source], source, Xt, y[target], target)


def _planes(shift, rng):
    data = datasets.make_shifted_classification(
        shift, MAX_SOURCE, MAX_TARGET + MAX_TEST, random_state=rng
    )
    return _two_domains(data.Xs, data.ys, data.Xt, data.yt)


# -- the list -------------------------------------------------------------------------------------


def _all_tasks():
    def task(name, family, pools, metric="accuracy", shift="real", scale=True):
        kind = "regression" if metric == "skill" else "classification"
        return Task(name, family, kind, shift, metric, scale, pools)

    def pairs(family, load, names, metric="accuracy", **options):
        for source, target in permutations(names, 2):
            pools = _published(load, source, target, **options)
            yield task(f"{family}/{source}-{target}", family, pools, metric)

    yield from pairs(
        "office", datasets.load_office_caltech, ("caltech", "amazon", "webcam", "dslr")
    )
    products = ("books", "dvd", "electronics", "kitchen")
    yield from pairs("reviews", datasets.load_amazon, products, normalize=False)
    hospitals = ("cleveland", "hungarian", "switzerland", "va")
    yield from pairs("heart", datasets.load_heart_disease, hospitals, "balanced_accuracy")
    cohorts = ("nki", "vdx", "expo")
    yield from pairs("expression", datasets.load_breast_expression, cohorts, "balanced_accuracy")
    for source, target in (("mnist", "usps"), ("usps", "mnist")):
        pools = _published(datasets.load_usps_mnist, source)
        yield task(f"usps_mnist/{source}-{target}", "usps_mnist", pools)
    mushrooms = _published(datasets.load_mushroom)
    yield task("mushroom/enlarging-tapering", "mushroom", mushrooms)
    yield task("mushroom/tapering-enlarging", "mushroom", _other_way(mushrooms))
    for name in ("rec-talk", "rec-sci", "sci-talk"):
        pools = _published(datasets.load_newsgroups, name)
        yield task(f"newsgroups/{name}", "newsgroups", pools, scale=False)

    for name, family, pools in (
        ("absenteeism/half-years", "absenteeism", lambda rng: _absenteeism()),
        ("elec2/1996-1998", "elec2", lambda rng: _elec2()),
        ("occupancy/weeks", "occupancy", lambda rng: _occupancy()),
        ("liver/men-women", "liver", lambda rng: _liver("Male")),
        ("liver/women-men", "liver", lambda rng: _liver("Female")),
        ("pima/young-old", "pima", lambda rng: _pima(True)),
        ("pima/old-young", "pima", lambda rng: _pima(False)),
    ):
        yield task(name, family, pools, "roc_auc")

    for source, target in permutations((1, 2, 3), 2):
        yield task(f"corn/{source}-{target}", "corn", partial(_corn, source, target), "skill")
    for name in ("concrete", "boston", "autompg"):
        for third in (1, 2, 3):
            pools = _published(datasets.load_regression_thirds, name, third)
            yield task(f"{name}/{third}", name, pools, "skill")
    yield task("ames/old-new", "ames", lambda rng: _ames("year"), "skill")
    yield task("ames/zones", "ames", lambda rng: _ames("zone"), "skill")
    yield task("parking/week-weekend", "parking", lambda rng: _parking(), "skill")

    for family in ("breast_cancer", "iris", "wine", "digits", "clusters", "diabetes", "friedman"):
        metric = "skill" if family in ("diabetes", "friedman") else "accuracy"
        for shift in ("none", *MADE, *CHOSEN):
            label = shift if shift == "none" else f"made: {shift}"
            pools = partial(_made, family, shift)
            yield task(f"{family}/{shift}", family, pools, metric, label)
    for shift in ("covariate", "measurement", "concept", "spurious"):
        yield task(f"planes/{shift}", "planes", partial(_planes, shift), shift=f"made: {shift}")


TASKS = {task.name: task for task in _all_tasks()}
