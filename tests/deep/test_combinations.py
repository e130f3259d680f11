from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdtl import DeepTransferClassifier, TargetKFold, stack
from skdtl.deep import MMD, DomainAdversary

from ..deep_common import SMALL
from ..shifts import shifted_feature


def test_a_grid_over_alignments_over_their_weights_and_over_lambda():
    X, y, domain = stack(*shifted_feature(0, n=120))
    grid = {
        "alignments": [
            (),
            *([MMD(w), DomainAdversary(v)] for w in (0.0, 5.0) for v in (0.0, 5.0)),
        ],
        "lam": [0.1, 1.0],
    }
    model = DeepTransferClassifier(**{**SMALL, "max_epochs": 30, "lr": 0.01})
    search = GridSearchCV(model, grid, cv=TargetKFold(2), scoring="neg_log_loss")
    search.fit(X, y, groups=domain, sample_domain=domain, hide_target_labels=True)
    scores = dict(
        zip(
            [(repr(p["alignments"]), p["lam"]) for p in search.cv_results_["params"]],
            search.cv_results_["mean_test_score"],
        )
    )
    plain = scores["()", 1.0]
    assert scores["()", 0.1] == plain
    weights = {
        (w, v, lam): scores[repr([MMD(w), DomainAdversary(v)]), lam]
        for w in (0.0, 5.0)
        for v in (0.0, 5.0)
        for lam in (0.1, 1.0)
    }
    assert weights[0.0, 0.0, 1.0] == pytest.approx(plain, rel=1e-5)  # they only watch
    assert weights[0.0, 0.0, 0.1] == weights[0.0, 0.0, 1.0]
    others = [score for (w, v, _), score in weights.items() if (w, v) != (0.0, 0.0)]
    assert len({plain, *others}) == 7  # each weight and λ counts
    assert search.best_score_ == max(others) > plain + 0.05
    chosen = search.best_estimator_.alignments  # a clone's
    assert repr(chosen) == repr(search.best_params_["alignments"])


def test_the_grid_does_not_train_the_users_alignments_nor_one_fold_the_next_ones():
    X, y, domain = stack(*shifted_feature(0, n=60))
    adversary = DomainAdversary()
    model = DeepTransferClassifier([adversary], **SMALL)
    pipeline = make_pipeline(StandardScaler(), model)
    name = "deeptransferclassifier"
    search = GridSearchCV(
        pipeline, {f"{name}__lam": [0.1, 1.0]}, cv=TargetKFold(2), refit=False, n_jobs=2
    )
    first = search.fit(X, y, groups=domain, **{f"{name}__sample_domain": domain}).cv_results_
    second = clone(search).fit(X, y, groups=domain, **{f"{name}__sample_domain": domain})
    assert list(adversary.parameters()) == []
    np.testing.assert_array_equal(first["mean_test_score"], second.cv_results_["mean_test_score"])


def test_a_combination_does_what_its_parts_do():
    Xs, ys, Xt, _ = shifted_feature(1, n=120)
    options = {**SMALL, "max_epochs": 30, "lr": 0.01}
    models = {
        name: DeepTransferClassifier(alignments, **options).fit(Xs, ys, Xt)
        for name, alignments in {
            "neither": [MMD(0.0), DomainAdversary(0.0)],
            "mmd": [MMD(3.0), DomainAdversary(0.0)],
            "adversary": [MMD(0.0), DomainAdversary(3.0)],
            "both": [MMD(3.0), DomainAdversary(3.0)],
        }.items()
    }
    last = {name: model.history_[-1] for name, model in models.items()}
    for name in ("mmd", "both"):
        assert last[name]["mmd"] < 0.5 * last["neither"]["mmd"]
    for name in ("adversary", "both"):
        assert last[name]["domain_loss"] > last["neither"]["domain_loss"] + 0.1
