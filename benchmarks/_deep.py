"""What the benchmarks of deep methods share: the methods, their settings, and their table.

One setting per method for all tasks: the class's defaults, but for the network, the number of
epochs and the batch size, which are a task's, for the weights, which nothing pulls to 0, and for λ,
which rises by DANN's schedule to 1, or to what `HIGHEST` says: each class's default when these
benchmarks were run. No method is tuned on a task.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from _harness import Failed, Method
from _harness.fits import of_each_class, pair
from _harness.tables import NOTHING, grid, mean, percent
from sklearn.model_selection import train_test_split

import skdtl
from skdtl import deep as parts
from skdtl.deep import Ramp

N_LABELS = 3  # target labels of each class for the methods that need some
PACKAGES = ("torch", "skorch", "pot")
# DANN's optimiser, for combinations with an adversary.
MOMENTUM = {"optimizer": "sgd", "lr": 0.01, "lr_schedule": "decay"}
RAMP = {"lam": "ramp"}
# To which λ rises where it is not 1.
HIGHEST = {"DeepCORAL": 1000.0, "MDD": 0.3, "LabelEfficientTransfer": 0.1}


@dataclass(frozen=True)
class Setting:
    """What all methods share on a task.

    Attributes
    ----------
    network : dict
        Parameters of the estimators.
    lr_factor : float
        By which each method's default learning rate is multiplied.
    """

    network: dict = field(default_factory=dict)
    lr_factor: float = 1.0


def made(name, options, alignments, setting):
    """Return an estimator; a combination's alignments are names in skdtl.deep with parameters."""
    cls = getattr(skdtl, name)
    options = {**setting.network, **options}
    if alignments:
        options["alignments"] = [getattr(parts, part)(**own) for part, own in alignments.items()]
    defaults = cls().get_params(deep=False)
    options["lr"] = setting.lr_factor * options.get("lr", defaults["lr"])
    if "lam" in defaults:
        options.setdefault("lam", Ramp(HIGHEST.get(name, 1.0)))
    return cls(weight_decay=0.0, **options)


def fit(model, draw):
    try:
        return pair(model, draw)
    except ValueError as error:
        if "diverged" in str(error):
            raise Failed("diverged") from error
        raise


# What a method is given of a draw, which has all of the target's labels, and is scored on.


def rows(draw, seed):
    return replace(draw, yt=None)


def few_labels(draw, seed):
    known = of_each_class(draw.yt, lambda n: N_LABELS, seed)
    yt = np.full(len(draw.yt), np.nan)
    yt[known] = draw.yt[known]
    test = np.isnan(yt)
    return replace(draw, yt=yt, X_test=draw.Xt[test], y_test=draw.yt[test])


def target_alone(draw, seed):
    train, test = train_test_split(
        np.arange(len(draw.yt)), test_size=0.5, stratify=draw.yt, random_state=seed
    )
    return replace(
        draw,
        Xs=draw.Xt[train],
        ys=draw.yt[train],
        Xt=draw.Xt[train],
        yt=None,
        X_test=draw.Xt[test],
        y_test=draw.yt[test],
    )


def method(name, options=None, given=rows, **alignments):
    """Return a row of the tables: the class, and what differs from its defaults."""
    return Method(partial(made, name, options or {}, alignments), fit, given)


COMBINED = "DeepTransferClassifier"
METHODS = {
    # What an adaptation must beat; the two optimisers that the methods below have by default.
    "source-only": method(COMBINED),
    "source-only, momentum": method(COMBINED, MOMENTUM),
    "DDC": method("DDC"),
    "DAN": method("DAN"),
    "JAN": method("JAN"),
    "DeepCORAL": method("DeepCORAL"),
    "DeepJDOT": method("DeepJDOT"),
    "WDGRL": method("WDGRL"),
    "MCC": method("MCC"),
    "DANN": method("DANN"),
    "CDAN": method("CDAN"),
    "RMAN": method("RMAN"),
    "ADDA": method("ADDA"),
    "MDD": method("MDD"),
    "MCD": method("MCD"),
    "MMD + adversary": method(COMBINED, {**MOMENTUM, **RAMP}, MMD={}, DomainAdversary={}),
    "class confusion + adversary": method(
        COMBINED, {**MOMENTUM, **RAMP}, MinimumClassConfusion={}, DomainAdversary={}
    ),
    "CORAL + entropy": method(
        COMBINED, RAMP, CorrelationAlignment={}, TargetEntropy={"weight": 0.1}
    ),
    "entropy": method(COMBINED, RAMP, TargetEntropy={"weight": 0.1}),
    "labels: source and target": method(COMBINED, given=few_labels),
    "labels: FineTuning": method("FineTuning", given=few_labels),
    "labels: SimultaneousTransfer": method("SimultaneousTransfer", given=few_labels),
    "labels: LabelEfficientTransfer": method("LabelEfficientTransfer", given=few_labels),
    "target-trained": method(COMBINED, given=target_alone),
}


def by_method(tasks, lines, groups=None):
    """Return a table in percent, mean and standard error over the seeds.

    Parameters
    ----------
    tasks : list of Task
        The columns.
    lines : Lines
    groups : dict of str to list of str, optional
        Names of means, and the tasks that they are of.
    """
    names = [task.name for task in tasks]

    def cell(name, task):
        return percent(lines.scores(task, name))

    def over(members, name):
        value = np.mean([lines.scores(task, name).mean() for task in members])
        return NOTHING if np.isnan(value) else mean(value, scale=100)

    def seconds(name):
        return mean(np.concatenate([lines.seconds(task, name) for task in names]))

    further = {group: partial(over, members) for group, members in (groups or {}).items()}
    further["CPU s per fit"] = seconds
    return grid("method", tasks[0].methods, names, cell, **further)
