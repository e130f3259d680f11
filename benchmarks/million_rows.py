"""What boosting over a million source rows costs

1,000,000 source and 2,000 target rows, 20 features in double precision (160 MB), one thread; half
of the source misleads, and labels are noisy. Each case in a process of its own. *Peak* is the
largest memory during the fit beyond that of Python and the data; *path*, the recorded weights of
the source rows, a number of 4 bytes for each row and round, is a part of it. One copy of the rows
is the table of both domains that base learners are fitted to; trees make another, in single
precision, and HistGradientBoosting splits off rows to stop early. Wall times are those of a machine
that was busy with other work too. Needs Linux.

    make benchmark-million_rows

{table}
"""

from functools import partial

import numpy as np
from _harness import Benchmark, Draw, Method, Task
from _harness.fits import rows_of_both
from _harness.tables import table
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdtl import Festra, MultiSourceTrAdaBoost, TrAdaBoost, TrAdaBoostR2, TwoStageTrAdaBoostR2

N_SOURCE, N_TARGET, N_FEATURES = 1_000_000, 2_000, 20


class FirstFeature(RegressorMixin, BaseEstimator):
    """Costs nothing, so that what boosting itself costs is seen."""

    def fit(self, X, y, sample_weight=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[:, 0].copy()


def draw(classes, seed):
    """Draw a source of which half follows another concept, with noise, and a target."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(N_SOURCE, N_FEATURES)), rng.normal(size=(N_TARGET, N_FEATURES))
    other = rng.random(N_SOURCE) < 0.5
    ys = np.where(other, Xs[:, 2] - Xs[:, 3], Xs[:, 0] + Xs[:, 1]) + rng.normal(size=N_SOURCE)
    yt = Xt[:, 0] + Xt[:, 1] + rng.normal(size=N_TARGET)
    if classes:
        ys, yt = ys > 0, yt > 0
    return Draw(Xs, ys, Xt, yt, Xt, yt)


def one_table(draw, seed):
    """Join the rows of four sources and the target before the fit: its memory is what counts."""
    codes = np.repeat([1, 2, 3, 4, -1], [N_SOURCE // 4] * 4 + [N_TARGET])
    X, y = rows_of_both(draw.Xs, draw.Xt), np.concatenate([draw.ys, draw.yt])
    return Draw(X, y, None, None, draw.X_test, draw.y_test, source_ids=codes)


def fit_table(model, draw):
    return model.fit(draw.Xs, draw.ys, sample_domain=draw.source_ids)


def of_fit(model, draw):
    return {
        "rounds": len(model.estimators_),
        "path": model.source_weights_path_.nbytes,
        "rows": (N_SOURCE + N_TARGET) * N_FEATURES * 8,
    }


def boosted(cls, learner, fit=None, n_estimators=10, **options):
    model = cls(learner, n_estimators=n_estimators, **options)
    if fit:
        return Method(model, fit, given=one_table, figures=of_fit)
    return Method(model, figures=of_fit)


CLASSES = {
    "TrAdaBoost, tree of depth 1": boosted(TrAdaBoost, DecisionTreeClassifier(max_depth=1)),
    "TrAdaBoost, tree of depth 3": boosted(TrAdaBoost, DecisionTreeClassifier(max_depth=3)),
    "TrAdaBoost, HistGradientBoosting of 20 trees": boosted(
        TrAdaBoost, HistGradientBoostingClassifier(max_iter=20)
    ),
    "Festra, tree of depth 1": boosted(Festra, DecisionTreeClassifier(max_depth=1)),
    "MultiSourceTrAdaBoost, 4 sources, tree of depth 1": boosted(
        MultiSourceTrAdaBoost, DecisionTreeClassifier(max_depth=1), fit_table
    ),
}
NUMBERS = {
    "TrAdaBoostR2, a learner that costs nothing": boosted(TrAdaBoostR2, FirstFeature()),
    "TrAdaBoostR2, tree of depth 2": boosted(TrAdaBoostR2, DecisionTreeRegressor(max_depth=2)),
    "TrAdaBoostR2, HistGradientBoosting of 20 trees": boosted(
        TrAdaBoostR2, HistGradientBoostingRegressor(max_iter=20)
    ),
    "TwoStageTrAdaBoostR2, tree of depth 1, 3 steps, 2 folds": boosted(
        TwoStageTrAdaBoostR2, DecisionTreeRegressor(max_depth=1), n_estimators=2, n_steps=3, cv=2
    ),
}


def score(model, draw):
    return {"score": model.score(draw.X_test, draw.y_test)}


TASKS = [
    Task("classes", partial(draw, True), CLASSES, score, isolated=True),
    Task("numbers", partial(draw, False), NUMBERS, score, isolated=True),
]


def costs(lines):
    names = list(NUMBERS)
    order = [names[0], *CLASSES, *names[1:]]

    def fit(name):
        return lines.get("classes" if name in CLASSES else "numbers", name)

    def beyond(name):
        return fit(name)["memory"]["peak"] - fit(name)["memory"]["before"]

    def figure(key, name):
        return fit(name)["scores"][key]

    return table(
        order,
        {
            "case": str,
            "rounds": lambda name: f"{figure('rounds', name):.0f}",
            "wall, s": lambda name: f"{fit(name)['wall']:.0f}",
            "CPU, s": lambda name: f"{fit(name)['seconds']:.0f}",
            "peak, MB": lambda name: f"{beyond(name) / 1e6:.0f}",
            "path, MB": lambda name: f"{figure('path', name) / 1e6:.0f}",
            "(peak - path) / rows": lambda name: (
                f"{(beyond(name) - figure('path', name)) / figure('rows', name):.1f}"
            ),
        },
    )


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": costs})

if __name__ == "__main__":
    BENCHMARK.main()
