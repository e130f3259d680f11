from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .._typing import LabelsLike, RowsLike

__all__ = [
    "RetrievalScorer",
    "hamming_distances",
    "hamming_neighbors",
    "mean_average_precision",
]

# So many distances are looked at at once.
_MOST_DISTANCES = 2**22


def mean_average_precision(
    y_queries: LabelsLike, y_database: LabelsLike, distances: ArrayLike
) -> float:
    """Return how early the rows of a database that are of a query's class come, by a distance.

    Each query ranks the database from the nearest row to the farthest. Its average precision is the
    mean, over the rows of its class, of the share of rows of its class among those that are no
    farther. So rows at the same distance come in together, as in scikit-learn's
    ``average_precision_score``, and the result hangs on no order among them; it is 1 where all rows
    of the class are nearer than any other.

    Parameters
    ----------
    y_queries : array-like of shape (n_queries,)
        The queries' classes.
    y_database : array-like of shape (n_database,)
        The classes of the database's rows.
    distances : array-like of shape (n_queries, n_database)
        The smaller, the sooner a row is found.

    Returns
    -------
    score : float
        The mean of the queries' average precisions, from 0 to 1. A query without any row of its
        class in the database can find nothing and is left out; where all are such, the score is
        NaN, with an ``UndefinedMetricWarning``.

    Raises
    ------
    ValueError
        Where the distances are not finite or of another shape than the labels say.

    See Also
    --------
    RetrievalScorer : The same as a scorer.
    hamming_distances : Distances of packed codes.

    References
    ----------
    Venkateswara, Eusebio, Chakraborty, Panchanathan. Deep hashing network for unsupervised domain
    adaptation. CVPR 2017 (section 4.2).

    Examples
    --------
    >>> from skdtl.metrics import mean_average_precision
    >>> mean_average_precision(["a"], ["a", "b", "a"], [[0.1, 0.2, 0.3]])  # (1 + 2/3) / 2
    0.8333333333333333
    """
    y_queries, y_database = column_or_1d(y_queries), column_or_1d(y_database)
    table = check_array(distances, input_name="distances", dtype=None)
    shape = len(y_queries), len(y_database)
    if table.shape != shape:
        raise ValueError(
            f"distances has the shape {table.shape}, but y_queries and y_database have the "
            f"lengths {shape}."
        )
    found = [
        _average_precisions(y_queries[rows, None] == y_database, table[rows])
        for rows in _blocks(*shape)
    ]
    return _mean_of_defined(np.concatenate(found))


def _blocks(n_queries: int, n_database: int) -> Iterator[slice]:
    step = max(_MOST_DISTANCES // n_database, 1)
    for start in range(0, n_queries, step):
        yield slice(start, start + step)


def _average_precisions(relevant: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return each query's average precision, NaN where no row is relevant."""
    order = distances.argsort(axis=1)
    ranked = np.take_along_axis(distances, order, axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    n = distances.shape[1]
    # Of each rank, the last one at the same distance: a row comes in with its equals.
    last = np.full(ranked.shape, n - 1)
    ranks = np.arange(n - 1)
    last[:, :-1] = np.where(ranked[:, 1:] > ranked[:, :-1], ranks, n - 1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(hits.cumsum(axis=1), last, axis=1) / (last + 1)
    with np.errstate(invalid="ignore"):
        return (precision * hits).sum(axis=1) / hits.sum(axis=1)


def _mean_of_defined(average_precisions: np.ndarray) -> float:
    defined = average_precisions[~np.isnan(average_precisions)]
    if len(defined):
        return float(defined.mean())
    warnings.warn(
        "The database holds no row of any query's class: the mean average precision is not "
        "defined, and NaN stands for it.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return float("nan")


class RetrievalScorer:
    """Score a transformer by what its codes or features find: mean average precision.

    The rows that are to be scored are the queries; they and the database are mapped by
    ``transform``, and ranked by Euclidean distance, which for ±1 codes is the order of the Hamming
    distance, ties included. Use it as ``scoring`` of a search or of cross-validation, with
    `TargetKFold`: then rows of the target look for their like.

    Parameters
    ----------
    X_database : array-like of shape (n_database, n_features), default=None
        The rows that are looked through, such as the source's. None means the queries themselves,
        each without the row that asks.
    y_database : array-like of shape (n_database,), default=None
        Their classes.
    domain : {"target", "source"}, default="target"
        The domain that the database's rows belong to. It counts only where the two domains are
        mapped by different functions; then the estimator's ``transform`` is told.

    Raises
    ------
    ValueError
        Where one of `X_database` and `y_database` is given and the other is not, on construction.

    See Also
    --------
    mean_average_precision : The score, and what becomes of ties and of queries without their like.
    DeepHashing : Codes for retrieval.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skdtl import RetrievalScorer
    >>> from skdtl.datasets import load_digits_pair
    >>> data = load_digits_pair()
    >>> scorer = RetrievalScorer(data.Xs, data.ys)
    >>> round(scorer(PCA(16).fit(data.Xs), data.Xt[::10], data.yt[::10]), 2)
    0.35
    """

    def __init__(
        self,
        X_database: RowsLike | None = None,
        y_database: LabelsLike = None,
        *,
        domain: str = "target",
    ):
        if (X_database is None) != (y_database is None):
            raise ValueError("X_database and y_database go together: give both or neither.")
        if domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target'; got {domain!r}.")
        self.X_database = X_database
        self.y_database = y_database
        self.domain = domain

    def __call__(self, estimator, X, y) -> float:
        """Score a fitted transformer.

        Parameters
        ----------
        estimator : estimator object
            One with a method ``transform``.
        X : array-like of shape (n_samples, n_features)
            The queries.
        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        score : float
        """
        check_consistent_length(X, y)
        queries, y = np.asarray(estimator.transform(X)), np.asarray(y)
        among_themselves = self.X_database is None
        if among_themselves:
            database, y_database = queries, y
        else:
            told = {} if self.domain == "target" else {"domain": self.domain}
            database = np.asarray(estimator.transform(self.X_database, **told))
            y_database = np.asarray(self.y_database)
        found = []
        for rows in _blocks(len(queries), len(database)):
            distances = euclidean_distances(queries[rows], database, squared=True)
            relevant = y[rows, None] == y_database
            if among_themselves:
                others = np.ones(relevant.shape, dtype=bool)
                others[np.arange(len(others)), np.arange(len(y))[rows]] = False
                distances, relevant = (
                    part[others].reshape(len(part), -1) for part in (distances, relevant)
                )
            found.append(_average_precisions(relevant, distances))
        return _mean_of_defined(np.concatenate(found))

    def __repr__(self):
        if self.X_database is None:
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}(<{len(self.y_database)} rows>, domain={self.domain!r})"


def hamming_distances(queries: ArrayLike, database: ArrayLike) -> np.ndarray:
    """Return in how many bits packed codes differ.

    Parameters
    ----------
    queries : array-like of shape (n_queries, n_bytes), uint8
        Codes, eight bits to a byte, as ``np.packbits(bits, axis=1)`` makes them.
    database : array-like of shape (n_database, n_bytes), uint8
        The same.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_database), int32

    Raises
    ------
    ValueError
        Where the codes are not of type uint8, or of different lengths.

    See Also
    --------
    hamming_neighbors : The nearest codes alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.metrics import hamming_distances
    >>> codes = np.packbits([[0, 0, 1], [1, 1, 1]], axis=1)
    >>> hamming_distances(codes, codes)
    array([[0, 2],
           [2, 0]], dtype=int32)
    """
    words, columns = _words(queries, database)
    found = np.empty((len(words), len(columns[0])), dtype=np.int32)
    for row, query in zip(found, words):
        row[:] = _distances(query, columns)
    return found


def hamming_neighbors(
    queries: ArrayLike, database: ArrayLike, n_neighbors: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of a database that differ from each query in the fewest bits.

    Every code is compared, eight bytes at a time: 100 queries among 100,000 codes of 64 bits take
    about a tenth of a second.

    Parameters
    ----------
    queries : array-like of shape (n_queries, n_bytes), uint8
        Codes, eight bits to a byte, as ``np.packbits(bits, axis=1)`` makes them.
    database : array-like of shape (n_database, n_bytes), uint8
        The same.
    n_neighbors : int, default=5
        How many to find, from 1 to n_database.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_neighbors), int32
        In how many bits they differ, the nearest first.
    indices : ndarray of shape (n_queries, n_neighbors)
        Which they are. Of equally near ones those that come first in the database are taken, in its
        order.

    Raises
    ------
    ValueError
        Where the codes are not of type uint8, or of different lengths, or where there are fewer of
        them than `n_neighbors`.

    See Also
    --------
    DeepHashing : Its ``pack`` makes such codes.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl.metrics import hamming_neighbors
    >>> codes = np.packbits([[0, 0, 1], [1, 1, 1], [0, 0, 0]], axis=1)
    >>> hamming_neighbors(codes[:1], codes, n_neighbors=2)
    (array([[0, 1]], dtype=int32), array([[0, 2]]))
    """
    words, columns = _words(queries, database)
    n_database = len(columns[0])
    if n_neighbors != int(n_neighbors) or not 1 <= n_neighbors <= n_database:
        raise ValueError(
            f"n_neighbors must be an int from 1 to {n_database}, the length of the database; got "
            f"{n_neighbors!r}."
        )
    distances = np.empty((len(words), n_neighbors), dtype=np.int32)
    indices = np.empty((len(words), n_neighbors), dtype=np.intp)
    for k, query in enumerate(words):
        found = _distances(query, columns)
        # Few enough are left to be sorted once all are counted: those within the radius that holds
        # the wanted number.
        radius = np.searchsorted(np.bincount(found).cumsum(), n_neighbors)
        near = np.flatnonzero(found <= radius)
        near = near[found[near].argsort(kind="stable")[:n_neighbors]]
        distances[k], indices[k] = found[near], near
    return distances, indices


def _words(queries, database) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the queries' codes as words of 64 bits, and the database's word by word."""
    both = []
    for name, codes in (("queries", queries), ("database", database)):
        codes = np.asarray(codes)
        if codes.dtype != np.uint8 or codes.ndim != 2 or not codes.size:
            raise ValueError(
                f"{name} must hold packed codes, uint8 of shape (n, n_bytes), such as "
                f"np.packbits(bits, axis=1) makes; got {codes.dtype} of shape {codes.shape}."
            )
        both.append(codes)
    widths = [codes.shape[1] for codes in both]
    if widths[0] != widths[1]:
        raise ValueError(f"queries has codes of {widths[0]} bytes, but database of {widths[1]}.")
    n_words = -(-widths[0] // 8)
    words = []
    for codes in both:
        padded = np.zeros((len(codes), 8 * n_words), dtype=np.uint8)
        padded[:, : codes.shape[1]] = codes
        words.append(padded.view(np.uint64))
    return words[0], [np.ascontiguousarray(column) for column in words[1].T]


def _distances(query: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
    """Return in how many bits one code differs from each of a database's."""
    total = np.zeros(len(columns[0]), dtype=np.int32)
    for word, column in zip(query, columns):
        total += np.bitwise_count(column ^ word)
    return total
