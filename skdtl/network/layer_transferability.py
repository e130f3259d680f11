"""How far up a network's layers carry over to another task (Yosinski et al. 2014)."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples
from torch import nn

from .._labels import is_missing_label, read_labels, tidy_labels
from .._lazy import MissingExtraError
from .._typing import Estimator, LabelsLike, RowsLike, Scoring, Seed
from ..base import NoTargetWarning
from ..deep._base import DeepTransferEstimator
from ..deep.layers import copy_layers, cut_layers, reinitialize_layers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TREATMENTS", "layer_transferability"]

# Whose the first layers are, and whether they are trained further.
TREATMENTS = {"BnB": ("B", False), "BnB+": ("B", True), "AnB": ("A", False), "AnB+": ("A", True)}


class _Rows(NamedTuple):
    """Rows and labels of one task."""

    X: Any
    y: np.ndarray

    def take(self, rows: np.ndarray) -> _Rows:
        """Return the rows that a mask or an index array names."""
        return _Rows(_safe_indexing(self.X, rows), self.y[rows])


class _Repeat(NamedTuple):
    """What is drawn anew for a repeat: the tasks, the rows held out, and two seeds."""

    A: _Rows
    B: _Rows
    test: _Rows
    donor_seed: int
    receiver_seed: int


def layer_transferability(
    estimator: Estimator,
    Xs: RowsLike,
    ys: LabelsLike,
    Xt: RowsLike | None = None,
    yt: LabelsLike = None,
    *,
    cuts: Iterable[int] | None = None,
    treatments: Sequence[str] = ("BnB", "BnB+", "AnB", "AnB+"),
    target_classes: ArrayLike | None = None,
    n_repeats: int = 5,
    test_size: float | int = 0.25,
    scoring: Scoring | None = None,
    n_jobs: int | None = None,
    random_state: Seed = None,
) -> pd.DataFrame:
    """Measure how well the first layers of a network serve another task, for every cut.

    A network is trained on task A and another one on task B. For every n, the first n hidden
    layers of either are put before new layers, which are trained on B: with the copied layers
    frozen (AnB, BnB), or trained further (AnB+, BnB+). On rows of B that no training has seen,
    BnB tells what is lost where layers that learnt together are torn apart, AnB what is lost
    since the layers are those of another task, and AnB+ what is gained by beginning with them. Use
    it to choose `n_frozen_layers` of :class:`~skdtl.FineTuning`, and to see whether a source is
    worth anything to a network. It makes ``3 + 4 * n_layers`` trainings a repeat.

    Parameters
    ----------
    estimator : estimator object
        A deep estimator, such as :class:`~skdtl.DeepTransferClassifier`, that says how networks are
        built and trained; alignments don't act, since each training sees one task. Unfitted, and
        left so. Its hidden layers are cut as :func:`~skdtl.deep.cut_layers` does.
    Xs : array-like of shape (n_s, n_features)
        Rows of task A; without `Xt`, of both tasks.
    ys : array-like of shape (n_s,)
        Their labels. Rows without one (NaN, None or pandas.NA) are left out.
    Xt : array-like of shape (n_t, n_features), default=None
        Rows of task B. None: the classes of `ys` are halved, one half being task A, the other
        task B, as in the paper.
    yt : array-like of shape (n_t,), default=None
        Their labels, of the same classes or of others. Rows without one are left out.
    cuts : iterable of int, default=None
        The numbers n of copied layers, 1 or more. None means all, 1 to the number of hidden layers.
    treatments : sequence of {"BnB", "BnB+", "AnB", "AnB+"}, default=all of them
        What is tried, beside "base".
    target_classes : array-like, default=None
        Without `Xt`, the classes of task B in all repeats; the others are task A's. None draws
        random halves in each repeat; of an odd number, A has one class more.
    n_repeats : int, default=5
        How often everything is drawn anew, 1 or more: halves, rows that are held out, and weights.
    test_size : float or int, default=0.25
        The share or the number of the target's rows, without `Xt` of all rows, that no network is
        trained on; stratified by class.
    scoring : str, callable or None, default=None
        A scorer of scikit-learn's; None means the estimator's ``score``.
    n_jobs : int or None, default=None
        How many trainings run at once, by the joblib backend that is set; -1 means all processors.
        The numbers don't hang on it.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn.

    Returns
    -------
    results : pandas.DataFrame
        A row for every training on B after the two first ones, with the columns "repeat",
        "treatment", "cut" (the number of copied layers, 0 for "base"), and "score" on the rows held
        out.

    Raises
    ------
    ValueError
        Where a parameter is illegal, where the network has not as many layers as a cut, where there
        are less than four classes to halve, or where a class has too few rows to hold some out.
    TypeError
        Where the estimator is no deep one.
    ImportError
        Where pandas is not installed.

    See Also
    --------
    LayerTransferabilityDisplay : Draws the results.
    FineTuning : Freezes or tunes layers that were learnt on a source.

    Notes
    -----
    Within a repeat everything but the copied layers is the same for "base", which copies none, and
    for all treatments: the rows held out, the weights that new layers and the last one begin with,
    the order of the batches, the learning rate (also of copied layers that are trained further),
    the penalty on weights and the number of epochs. So differences within a repeat are paired. The
    networks that layers are copied from begin with other weights, so that BnB does not go back to
    the very network that it was torn from. Without `Xt`, rows are held out of both halves, so
    that neither has more to learn from. Frozen layers keep their running statistics, too.

    What the last layer learns is never copied. New weights are drawn by the layers'
    ``reset_parameters``, also where `module` came with weights of its own.

    Look at "base" and at BnB first: they must have learnt their task. Narrow networks of many
    layers may not learn at all under the penalty of ``weight_decay="auto"``, least on top of frozen
    layers, whose features the penalty has made small. Give such ones ``weight_decay=0``.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson. How transferable are features in deep neural networks?
    NIPS 2014 (section 2: base, BnB, BnB+, AnB, AnB+; figure 2).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdtl import DeepTransferClassifier, layer_transferability
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DeepTransferClassifier(hidden_layer_sizes=(16, 8), max_epochs=2, min_steps=1)
    >>> results = layer_transferability(model, X / 16, y, n_repeats=1, random_state=0)
    >>> results[["treatment", "cut"]].value_counts(sort=False).sum() == 1 + 4 * 2
    np.True_
    >>> results["score"].between(0, 1).all()
    np.True_
    """
    frame = _data_frame()
    _check_estimator(estimator)
    _check_options(treatments, n_repeats)
    source, target = _tasks(estimator, Xs, ys, Xt, yt, target_classes)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(n_repeats, 4)).tolist()
    draw = partial(_repeat, is_classifier(estimator), source, target, target_classes, test_size)
    repeats = [draw(*each) for each in seeds]
    needed = sorted({TREATMENTS[name][0] for name in treatments})
    run = Parallel(n_jobs=n_jobs)
    with warnings.catch_warnings():  # one task alone is what each training is meant to see
        warnings.simplefilter("ignore", NoTargetWarning)
        trained = iter(
            run(delayed(_donor)(estimator, repeat, task) for repeat in repeats for task in needed)
        )
        donors = [{task: next(trained) for task in needed} for _ in repeats]
        cuts = _checked_cuts(cuts, donors[0][needed[0]])
        whose = [("base", 0), *((name, cut) for name in treatments for cut in cuts)]
        rows = [(k, name, cut) for k in range(n_repeats) for name, cut in whose]
        scores = run(
            delayed(_score)(
                estimator, repeats[k], _layers(donors[k], repeats[k], name, cut), scoring
            )
            for k, name, cut in rows
        )
    results = frame(rows, columns=["repeat", "treatment", "cut"])
    results["score"] = scores
    return results


# -- what is asked for ---------------------------------------------------------------------------


def _data_frame():
    """Return pandas' class, before anything is trained that would have no table to go to."""
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "pandas":
            raise
        raise MissingExtraError(
            "layer_transferability returns a pandas.DataFrame, but pandas is not installed: "
            "pip install pandas",
            name="pandas",
        ) from error
    return DataFrame


def _check_estimator(estimator) -> None:
    if not isinstance(estimator, DeepTransferEstimator):
        raise TypeError(
            "layer_transferability trains networks: estimator must be one of skdtl's deep "
            f"estimators, such as DeepTransferClassifier; got {estimator!r}."
        )
    if type(estimator)._layers is not DeepTransferEstimator._layers:
        raise ValueError(
            f"{type(estimator).__name__} puts layers of its own on top of the others, which would "
            "be there twice after a cut: take DeepTransferClassifier."
        )


def _check_options(treatments, n_repeats) -> None:
    unknown = [name for name in treatments if name not in TREATMENTS]
    if unknown or not len(treatments) or isinstance(treatments, str):
        raise ValueError(f"treatments must be some of {list(TREATMENTS)}; got {treatments!r}.")
    if not isinstance(n_repeats, numbers.Integral) or n_repeats < 1:
        raise ValueError(f"n_repeats must be 1 or more; got {n_repeats!r}.")


def _checked_cuts(cuts, layers: nn.Sequential) -> list[int]:
    n_layers = len(layers)
    cuts = list(range(1, n_layers + 1) if cuts is None else cuts)
    if not cuts or not all(
        isinstance(n, numbers.Integral) and 1 <= int(n) <= n_layers for n in cuts
    ):
        raise ValueError(
            f"cuts must be numbers of copied layers, from 1 to {n_layers}, which is how many "
            f"hidden layers the network has; got {cuts!r}."
        )
    return [int(n) for n in cuts]


def _tasks(estimator, Xs, ys, Xt, yt, target_classes) -> tuple[_Rows, _Rows | None]:
    """Return the labelled rows of both tasks, or those to halve and None."""
    if Xt is not None:
        if target_classes is not None:
            raise ValueError("target_classes says how ys is halved; with Xt nothing is.")
        return _labelled(Xs, ys, "Xs", "ys"), _labelled(Xt, yt, "Xt", "yt")
    if yt is not None:
        raise ValueError("yt was given without Xt: the target's labels need its rows.")
    if not is_classifier(estimator):
        raise ValueError("Only classes can be halved: give the other task's rows as Xt and yt.")
    return _labelled(Xs, ys, "Xs", "ys"), None


def _labelled(X, y, rows: str, name: str) -> _Rows:
    y = read_labels(y, name, rows, _num_samples(X))
    if y is None:
        raise ValueError(f"{name} is None, but layer_transferability needs the labels of {rows}.")
    known = ~is_missing_label(y)
    return _Rows(_safe_indexing(X, np.flatnonzero(known)), tidy_labels(y[known]))


# -- what is drawn -------------------------------------------------------------------------------


def _repeat(
    stratify, source, target, target_classes, test_size, half_seed, split_seed, *fit_seeds
) -> _Repeat:
    """Draw halves, if no target is given, and the rows that are held out."""
    split = (StratifiedShuffleSplit if stratify else ShuffleSplit)(
        1, test_size=test_size, random_state=split_seed
    )
    rows = source if target is None else target
    train, test = (rows.take(part) for part in next(split.split(rows.X, rows.y)))
    if target is not None:
        return _Repeat(source, train, test, *fit_seeds)
    classes_of_B = _second_half(rows.y, target_classes, half_seed)
    in_B, tested = (np.isin(part.y, classes_of_B) for part in (train, test))
    return _Repeat(train.take(~in_B), train.take(in_B), test.take(tested), *fit_seeds)


def _second_half(y: np.ndarray, target_classes, seed: int) -> np.ndarray:
    """Return the classes of task B."""
    classes = np.unique(y)
    if target_classes is None:
        chosen = np.random.RandomState(seed).permutation(classes)[: len(classes) // 2]
    else:
        chosen = np.unique(target_classes)
        if not np.isin(chosen, classes).all():
            raise ValueError(
                f"target_classes must be some of {classes.tolist()}; got {chosen.tolist()}."
            )
    if min(len(chosen), len(classes) - len(chosen)) < 2:
        raise ValueError(
            f"Both tasks need at least 2 classes; of {classes.tolist()}, task B would have "
            f"{chosen.tolist()}."
        )
    return chosen


# -- what is trained -----------------------------------------------------------------------------


def _donor(estimator, repeat: _Repeat, task: str) -> nn.Sequential:
    """Train a network on a task from the start; return its hidden layers."""
    rows = getattr(repeat, task)
    model = clone(estimator).set_params(random_state=repeat.donor_seed).fit(rows.X, rows.y)
    return cut_layers(model, len(model.net_.module_.layers))


def _layers(
    donors: dict[str, nn.Sequential], repeat: _Repeat, treatment: str, cut: int
) -> nn.Sequential:
    """Return the layers that a training on B begins with: copied ones before new ones."""
    shape = next(iter(donors.values()))
    layers = reinitialize_layers(shape, 0, random_state=repeat.receiver_seed)
    if cut:
        task, trained = TREATMENTS[treatment]
        layers = copy_layers(donors[task], layers, cut)
        layers[:cut].requires_grad_(trained)
    return layers


def _score(estimator, repeat: _Repeat, layers: nn.Sequential, scoring) -> float:
    """Train a network that begins with some layers on task B; score it on the rows held out."""
    model = clone(estimator).set_params(
        module=layers,
        # By itself a network that begins with a module's weights would not be penalised.
        weight_decay=estimator._weight_decay(_num_samples(repeat.B.X)),
        random_state=repeat.receiver_seed,
    )
    model.fit(repeat.B.X, repeat.B.y)
    return check_scoring(model, scoring=scoring)(model, repeat.test.X, repeat.test.y)
