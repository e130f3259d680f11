"""A user's program, for mypy to check as strictly as it can; pytest does not run it."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdtl import (
    DANN,
    DDC,
    KLIEP,
    TCA,
    DeepTransferClassifier,
    DomainShiftDisplay,
    FineTuning,
    InstanceWeightsDisplay,
    PerDomain,
    Pooled,
    SourceOnly,
    TargetKFold,
    TaskTrAdaBoost,
    TrAdaBoost,
    encode_domain,
    split_domains,
    stack,
)
from skdtl.datasets import load_digits_pair, make_shifted_classification
from skdtl.deep import MMD, DomainAdversary, LeNet, Ramp
from skdtl.instances import kliep_weights


def accuracies(seed: int) -> dict[str, float]:
    """Fit some estimators to made-up domains."""
    domains = make_shifted_classification("measurement", random_state=seed)
    Xs, ys, Xt, yt = domains.Xs, domains.ys, domains.Xt, domains.yt
    models: dict[str, Any] = {
        "source": SourceOnly(),
        "pooled": Pooled(balance="domains"),
        "scaled": PerDomain(estimator=SourceOnly()),
        "boosted": TrAdaBoost(n_estimators=20, random_state=seed),
        "mapped": TCA(n_components=2, mu=0.1, kernel="rbf", gamma="median"),
        "weighted": KLIEP(n_centers=50, random_state=np.random.RandomState(seed)),
        "adversarial": DANN(lam=Ramp(0.3), hidden_layer_sizes=(20,), max_epochs=5),
        "combined": DeepTransferClassifier([MMD(0.5), DomainAdversary()], device="cpu"),
    }
    return {name: model.fit(Xs, ys, Xt, yt).score(Xt, yt) for name, model in models.items()}


def stacked(X: np.ndarray, y: np.ndarray, hospital: list[str]) -> float:
    """Fit in stacked form, and look at the weights."""
    domains = encode_domain(hospital, target="zurich")
    Xs, ys, Xt, yt = split_domains(X, y, domains)
    X, y, domains = stack(Xs, ys, Xt, yt)
    for train, test in TargetKFold(5).split(X, y, groups=domains):
        model = TaskTrAdaBoost().fit(X[train], y[train], sample_domain=domains[train])
        model.fit_target(X[test], y[test])
    InstanceWeightsDisplay.from_arrays(kliep_weights(Xs, Xt), ys).plot()
    DomainShiftDisplay.from_estimator(model, Xs, ys, Xt)
    return float(model.predict_proba(Xt).max())


def networks() -> np.ndarray:
    """Save a network, load it and go on."""
    digits = load_digits_pair()
    model = DDC(module=LeNet, batch_size=64, verbose=1).fit(digits.Xs, digits.ys, digits.Xt)
    model.save_weights("digits.safetensors")
    tuned = FineTuning(module=model.net_.module_, unfreeze_every=2)
    predicted: np.ndarray = tuned.fit(None, None, digits.Xt, digits.yt).predict(digits.Xt)
    return predicted
