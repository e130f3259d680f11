"""What the benchmarks of maps share."""

from __future__ import annotations

from functools import partial

from _harness import Method
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skdtl

# The papers' settings: all of a difference of means counts, in the scale that penalises alike.
PAPER = {"allowance": 0, "spectrum": "penalty"}
# Maps that both have, with the same settings.
IN_BOTH = {
    "JDA": partial(skdtl.JDA, source_classes="given", **PAPER),
    "BDA, mu=1": partial(skdtl.BDA, mu=1.0, source_classes="given", **PAPER),
    "JGSA": partial(skdtl.JGSA, 30, unit=1.0, lam=1.0),
    "CORAL": skdtl.CORAL,
    "SubspaceAlignment": partial(skdtl.SubspaceAlignment, "sdm", allowance=0),
    "GFK": partial(skdtl.GFK, allowance=0),
}


def published_coral(svm) -> Method:
    """Return what gives the published rows of CORAL, as far as numbers tell.

    A support vector machine has the products of mapped source rows with source rows that are not
    mapped for a kernel, which is none: it is not symmetric.
    """

    def fit(model, draw):
        Z = clone(model).fit_transform(draw.Xs, None, draw.Xt)
        machine = clone(svm).fit(Z @ draw.Xs.T, draw.ys)
        return make_pipeline(FunctionTransformer(lambda X: X @ Z.T), machine)

    return Method(skdtl.CORAL(estimator="passthrough", allowance=0), fit)
