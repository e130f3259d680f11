"""What an epoch of each deep method costs: against a bare torch loop, SKADA and pytorch-adapt.

10 000 rows a domain, 50 features, 10 classes, hidden layers (100, 100), batches of 128 rows of each
domain, Adam, λ = 1, one thread. The bare loop is what a careful person would write by hand from the
paper's formula for this one method: rows permuted once per epoch, batches sliced, one forward pass
over both domains, fused optimisers, the losses read out after every batch. All are timed in turn in
one process: CPU time of a whole fit, divided by its epochs, of which there are 2; 5 turns. Ratios
are of medians, and in brackets of the least times. pytorch-adapt's hooks run in the bare loop's
batches, without its data loaders; its adversaries are trained in a step of their own. SKADA does
each method with its own settings of kernels and discriminators, and its fit includes its validation
and data loaders.

    make benchmark-deep_speed

Without the peers their columns are empty. ``pip install skada pytorch-adapt`` brings them, or

    pip install --no-deps --target FOLDER skada pytorch-adapt pytorch-metric-learning \\
        torchmetrics lightning-utilities
    PYTHONPATH=FOLDER python benchmarks/deep_speed.py

## An epoch

{epochs}

## The multi-kernel MMD, 128 rows of each domain, 100 features, 17 kernels

Forward and backward.

{kernels}

## predict

Float32 rows. The bare forward pass is one call of the network on all rows, and argmax.

{predictions}

## Reading it

The numbers are of a machine with two processors that others used too; the brackets, least times,
are the better guide where the two differ. skdtl's time is that of the whole fit: validation of the
rows, the network's making, skorch's history. That is 4 ms for a fit (10 for ADDA, which is two),
and about 0.1 ms for each step of 0.9, whatever the method: most for a method whose own arithmetic
is next to nothing (MCC).

The Gaussian MMDs compute each pair of rows once, by a backward pass of their own: DAN, JAN and DDC
cost less than the formula written down in torch. The losses of the two columns agree but for the
random initial weights; WDGRL's, a critic's value, changes from seed to seed by as much (0.76 to
0.92 for skdtl's first epoch). SKADA's DeepCORAL and DAN align the last hidden layer alone;
pytorch-adapt too. pytorch-adapt's CDAN and ADDA go through the network once more for the
discriminator. Its ADDA fails: it calls torchmetrics' `accuracy` without `task`, which today's
torchmetrics requires.

`predict` has a fixed cost of 0.2 ms for up to 256 rows, 0.1 of it scikit-learn's validation of the
rows, and of 0.5 ms beyond. So for one row, or for a hundred in a small network, it is many times a
forward pass of 0.02 ms, and no design that validates its rows can be otherwise. From forward passes
of 2 ms on it is at most 1.6 times them, and less than one of them for many rows, which it sends
through the network in pieces that fit into the processor's cache. A regressor's predictions are
float64's, of which the processor makes half as many a second: 1.4 to 2.3 times float32 where the
network, not memory, is what counts. A classifier computes in float32, and in float64 the few rows
whose two largest outputs float32 can't tell apart, so that its classes are float64's.
"""

import importlib
from functools import lru_cache, partial

import numpy as np
import torch
from _bare_loops import (
    BATCH_SIZE,
    CDAN,
    DAN,
    DANN,
    DDC,
    JAN,
    LR,
    MCC,
    MCD,
    MDD,
    N_CLASSES,
    N_EPOCHS,
    N_FEATURES,
    N_ROWS,
    SCALES,
    WDGRL,
    WIDTH,
    DeepCORAL,
    DeepJDOT,
    SourceOnly,
    adda,
    bare,
    simultaneous,
    square_distances,
)
from _deep_peers import aligner, pytorch_adapt, skada, skada_net
from _harness import Benchmark, Method, Task
from _harness.fits import of_peer
from _harness.tables import mean, ratio, table
from torch import nn

import skdtl
from skdtl import deep

TURNS = 5
OURS, BARE, SKADA, PYTORCH_ADAPT = "skdtl", "bare", "SKADA", "pytorch-adapt"
PACKAGES = {SKADA: "skada", PYTORCH_ADAPT: "pytorch_adapt"}


def domains(seed=0):
    """Draw two domains whose means differ."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(N_CLASSES, N_FEATURES))
    y = rng.integers(N_CLASSES, size=N_ROWS)
    Xs = (means[y] + rng.normal(size=(N_ROWS, N_FEATURES))).astype(np.float32)
    Xt = (means[rng.permutation(y)] + rng.normal(size=(N_ROWS, N_FEATURES)) + 0.5).astype(
        np.float32
    )
    return Xs, y, Xt


# -- an epoch --------------------------------------------------------------------------------------

COMMON = {
    "hidden_layer_sizes": (WIDTH, WIDTH),
    "lr": LR,
    "lr_schedule": "constant",
    "optimizer": "adam",
    "batch_size": BATCH_SIZE,
    "weight_decay": 0.0,
    "random_state": 0,
}


def fit_ours(model, data):
    return np.mean(model.fit(*data).loss_curve_)


def by_hand(train):
    return Method(fit=lambda _, data: train(data))


def by_peer(peer, train):
    return Method(fit=of_peer(lambda _, data: train(data)), needs=(PACKAGES[peer],))


def compared(cls, loop, of_skada=None, of_pytorch_adapt=None, **options):
    """Return ours with the settings that the bare loop has, the bare loop, the peers."""
    model = getattr(skdtl, cls)(**{**COMMON, **options}, max_epochs=N_EPOCHS)
    found = {OURS: Method(model, fit_ours), BARE: by_hand(loop)}
    for peer, train in ((SKADA, of_skada), (PYTORCH_ADAPT, of_pytorch_adapt)):
        if train is not None:
            found[peer] = by_peer(peer, train)
    return found


ADVERSARY = {"num_features": WIDTH}
SCALES_OF_PEER = torch.tensor(SCALES)
COMPARED = {
    "source only": compared(
        "DeepTransferClassifier",
        bare(SourceOnly),
        skada("SourceOnly"),
        pytorch_adapt(lambda h, l, o: h.ClassifierHook(opts=[o["G"], o["C"]])),
    ),
    "DDC": compared("DDC", bare(DDC), adaptation_width=50, lam=1.0),
    "DAN, equal weights of the kernels": compared(
        "DAN",
        bare(DAN),
        skada("DAN"),
        pytorch_adapt(
            aligner(
                lambda layers: layers.MMDLoss(kernel_scales=SCALES_OF_PEER, mmd_type="quadratic")
            )
        ),
        lam=1.0,
        kernel_weights="uniform",
    ),
    "JAN": compared(
        "JAN",
        bare(JAN),
        None,
        pytorch_adapt(
            lambda hooks, layers, opts: hooks.AlignerPlusCHook(
                opts=[opts["G"], opts["C"]],
                aligner_hook=hooks.JointAlignerHook(layers.MMDLoss(mmd_type="quadratic")),
            )
        ),
        lam=1.0,
    ),
    "DeepCORAL": compared(
        "DeepCORAL",
        bare(DeepCORAL),
        skada("DeepCoral"),
        pytorch_adapt(aligner(lambda layers: layers.CORALLoss())),
        lam=1.0,
    ),
    "WDGRL": compared("WDGRL", bare(WDGRL), lam=1.0),
    "DeepJDOT": compared("DeepJDOT", bare(DeepJDOT), skada("DeepJDOT"), lam=1.0),
    "DANN": compared(
        "DANN",
        bare(DANN),
        skada("DANN", **ADVERSARY),
        pytorch_adapt(lambda h, l, o: h.DANNHook(opts=[o["G"], o["C"], o["D"]])),
        lam=1.0,
    ),
    "CDAN": compared(
        "CDAN",
        bare(CDAN),
        skada("CDAN", n_classes=N_CLASSES, **ADVERSARY),
        pytorch_adapt(
            lambda h, l, o: h.CDANHook(d_opts=[o["D"]], g_opts=[o["G"], o["C"]]), tail=("CDAN",)
        ),
        lam=1.0,
    ),
    "MDD": compared(
        "MDD",
        bare(MDD),
        skada("MDD", n_classes=N_CLASSES, **ADVERSARY),
        lam=1.0,
        batch_norm=False,
    ),
    "MCC": compared(
        "MCC",
        bare(MCC),
        skada("MCC"),
        pytorch_adapt(lambda h, l, o: h.ClassifierHook(opts=[o["G"], o["C"]], post=[h.MCCHook()])),
        lam=1.0,
    ),
    "MCD": compared(
        "MCD",
        bare(MCD),
        None,
        pytorch_adapt(lambda h, l, o: h.MCDHook(g_opts=[o["G"]], c_opts=[o["C"]]), n_heads=2),
        lam=1.0,
    ),
    "ADDA": compared(
        "ADDA",
        adda,
        None,
        pytorch_adapt(
            lambda h, l, o: h.ADDAHook(d_opts=[o["D"]], g_opts=[o["T"]], threshold=0.0),
            tail=("ADDA",),
        ),
        lam=1.0,
    ),
    "SimultaneousTransfer": compared("SimultaneousTransfer", simultaneous, lam=1.0),
}


def loss(value, data):
    return {"loss": value}


def epochs(lines):
    def task(name):
        return f"epoch: {name}"

    def seconds(method, name):
        return f"{np.median(lines.seconds(task(name), method)) / N_EPOCHS:.3f}"

    def times(method, other, name):
        return ratio(*(lines.seconds(task(name), which) for which in (method, other)))

    def value(method, name):
        return mean(lines.scores(task(name), method)[:1], 3)

    rows = table(
        COMPARED,
        {
            "method": str,
            "skdtl, s": partial(seconds, OURS),
            "bare loop, s": partial(seconds, BARE),
            "skdtl / bare": partial(times, OURS, BARE),
            "SKADA / skdtl": partial(times, SKADA, OURS),
            "pytorch-adapt / skdtl": partial(times, PYTORCH_ADAPT, OURS),
            "loss, skdtl": partial(value, OURS),
            "loss, bare": partial(value, BARE),
        },
    )
    failed = [
        f"Failed: {peer}, {name}: {lines.of(task(name), peer)[0]['error']}"
        for name in COMPARED
        for peer in PACKAGES
        if any("error" in fit for fit in lines.of(task(name), peer))
    ]
    return "\n\n".join([rows, *failed])


# -- the multi-kernel MMD --------------------------------------------------------------------------


def features(seed):
    return torch.randn(2, 128, WIDTH, generator=torch.Generator().manual_seed(seed))


def backward(loss):
    """Return a method that computes a loss of two domains and its gradient."""

    def run(_, x):
        xs, xt = x.clone().requires_grad_(True)
        value = loss(xs, xt)
        value.backward()
        return value.item()

    return run


def our_mmd(xs, xt):
    alignment = deep.MultiKernelMMD(
        bandwidth_multipliers=SCALES, kernel_weights="uniform", estimate="biased"
    )
    alignment.initialize([WIDTH], N_CLASSES)
    output = torch.zeros(128, N_CLASSES)
    return alignment(*(deep.Activations((x,), output, None) for x in (xs, xt)))


def one_gram(xs, xt):
    d = square_distances(torch.cat([xs, xt]))
    i, j = torch.triu_indices(256, 256, 1)
    median = d.detach()[i, j].median()
    k = sum(torch.exp(-d / (2 * scale * median)) for scale in SCALES)
    return k[:128, :128].mean() + k[128:, 128:].mean() - 2 * k[:128, 128:].mean()


def mmd_of_skada(xs, xt):
    # As many kernels as the others have; its default is 33.
    return importlib.import_module("skada.deep.losses").dan_loss(xs, xt, sigmas=SCALES)


def mmd_of_pytorch_adapt(xs, xt):
    layers = importlib.import_module("pytorch_adapt.layers")
    return layers.MMDLoss(kernel_scales=SCALES_OF_PEER, mmd_type="quadratic")(xs, xt)


MMDS = {
    OURS: Method(fit=backward(our_mmd)),
    BARE: Method(fit=backward(one_gram)),
    SKADA: Method(fit=of_peer(backward(mmd_of_skada)), needs=("skada",)),
    PYTORCH_ADAPT: Method(fit=of_peer(backward(mmd_of_pytorch_adapt)), needs=("pytorch_adapt",)),
}
MMD = "multi-kernel MMD"


def kernels(lines):
    return table(
        [name for name in MMDS if lines.of(MMD, name)],
        {
            MMD: str,
            "ms, median": lambda name: f"{1000 * np.median(lines.seconds(MMD, name)):.2f}",
            "/ skdtl": lambda name: ratio(lines.seconds(MMD, name), lines.seconds(MMD, OURS)),
        },
    )


# -- predict ---------------------------------------------------------------------------------------

NETWORKS = ((50, 100), (100, 256, 256))
NUMBERS = (1, 100, 1000, 10_000, 100_000)
PREDICTORS = (BARE, OURS, "regressor", SKADA)


@lru_cache(maxsize=1)
def fitted(n_features, *sizes):
    """Return functions that predict rows by the same kind of network."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, n_features)).astype(np.float32), np.arange(2000) % N_CLASSES
    few = {**COMMON, "hidden_layer_sizes": sizes, "max_epochs": 1}
    model = skdtl.DeepTransferClassifier(**few).fit(X, y, X)
    regressor = skdtl.DeepTransferRegressor(**few).fit(X, y, X)
    network = model.net_.module_
    plain = nn.Sequential(*(part for layer in network.layers for part in layer), network.head)
    plain.eval()

    def forward(X):
        with torch.no_grad():
            return plain(torch.from_numpy(X)).argmax(1)

    return {BARE: forward, OURS: model.predict, "regressor": regressor.predict}


@lru_cache(maxsize=1)
def fitted_skada(n_features, *sizes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, n_features)).astype(np.float32), np.arange(2000) % N_CLASSES
    net = skada_net("DANN", (n_features, *sizes), 1, num_features=sizes[-1])
    codes = np.repeat([1, -2], 1000)
    net.fit(X, np.where(codes > 0, y, -1), sample_domain=codes)
    return lambda X: net.predict(X, sample_domain=np.full(len(X), -2))


def predict(name, widths):
    """Return a method that predicts rows; what predicts is fitted while it warms up."""
    if name == SKADA:
        run = of_peer(lambda _, rows: fitted_skada(*widths)(rows))
        return Method(fit=run, needs=(PACKAGES[SKADA],))
    return Method(fit=lambda _, rows: fitted(*widths)[name](rows))


def rows_to_predict(n, n_features, seed):
    return np.random.default_rng(1).normal(size=(n, n_features)).astype(np.float32)


def predicted(widths, n):
    return f"predict: {'-'.join(map(str, (*widths, N_CLASSES)))}, {n} rows"


def predictions(lines):
    def times(method, case):
        return ratio(*(lines.seconds(predicted(*case), which) for which in (method, BARE)))

    def forward(case):
        return f"{1000 * np.median(lines.seconds(predicted(*case), BARE)):.3f}"

    return table(
        [(widths, n) for widths in NETWORKS for n in NUMBERS],
        {
            "network": lambda case: "-".join(map(str, (*case[0], N_CLASSES))),
            "rows": lambda case: case[1],
            "bare forward, ms": forward,
            **{f"{name} / bare": partial(times, name) for name in PREDICTORS[1:]},
        },
    )


def no_score(result, rows):
    return {}


TASKS = [
    *(
        Task(f"epoch: {name}", domains, methods, loss, turns=TURNS, warm_up=domains)
        for name, methods in COMPARED.items()
    ),
    Task(MMD, features, MMDS, loss, turns=TURNS, loops=50, warm_up=partial(features, 0)),
    *(
        Task(
            predicted(widths, n),
            partial(rows_to_predict, n, widths[0]),
            {name: predict(name, widths) for name in PREDICTORS},
            no_score,
            turns=TURNS,
            loops=max(1, min(200, 20_000 // n)),
            warm_up=partial(rows_to_predict, n, widths[0], 0),
        )
        for widths in NETWORKS
        for n in NUMBERS
    ),
]
BENCHMARK = Benchmark(
    __file__,
    __doc__,
    TASKS,
    {"epochs": epochs, "kernels": kernels, "predictions": predictions},
    packages=("torch", "skorch", "pot", "skada", "pytorch-adapt"),
)

if __name__ == "__main__":
    BENCHMARK.main()
