"""What an epoch of each deep method costs: against a bare torch loop, SKADA and pytorch-adapt.

10 000 rows a domain, 50 features, 10 classes, hidden layers (100, 100), batches of 128 rows of each
domain, Adam, λ = 1, one thread. The bare loop is what a careful person would write by hand from the
paper's formula for this one method: rows permuted once per epoch, batches sliced, one forward pass
over both domains, fused optimisers, the losses read out after every batch. All are timed in turn in
one process: CPU time of a whole fit, divided by its epochs. Ratios are of medians, and in brackets
of the least times. pytorch-adapt's hooks run in the bare loop's batches, without its data loaders;
its adversaries are trained in a step of their own. SKADA does each method with its own settings of
kernels and discriminators, and its fit includes its validation and data loaders. Writes
benchmarks/results/deep_speed.md.

    make benchmark-deep_speed

Without the peers their columns are empty. ``pip install skada pytorch-adapt`` brings them, or

    pip install --no-deps --target FOLDER skada pytorch-adapt pytorch-metric-learning torchmetrics \
        lightning-utilities
    PYTHONPATH=FOLDER python benchmarks/deep_speed.py --turns 5
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import math
import os
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import skdtl  # noqa: E402
from skdtl import deep  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "deep_speed.md"
N_ROWS, N_FEATURES, N_CLASSES, WIDTH, BATCH_SIZE = 10_000, 50, 10, 100, 128
LR = 1e-3
SCALES = [2.0**power for power in range(-8, 9)]  # the bandwidths of DAN
JOINT_SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)  # and of JAN, for the features


def domains():
    """Draw two domains whose means differ."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(N_CLASSES, N_FEATURES))
    y = rng.integers(N_CLASSES, size=N_ROWS)
    Xs = (means[y] + rng.normal(size=(N_ROWS, N_FEATURES))).astype(np.float32)
    Xt = (means[rng.permutation(y)] + rng.normal(size=(N_ROWS, N_FEATURES)) + 0.5).astype(
        np.float32
    )
    return Xs, y, Xt


# --- the bare loop --------------------------------------------------------------------------------


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def mlp(*widths):
    """Return fully connected layers with a ReLU between them."""
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def backbone(*widths):
    return nn.Sequential(mlp(*widths), nn.ReLU())


def adam(parameters, lr=LR, **options):
    return torch.optim.Adam(parameters, lr=lr, fused=True, **options)


class SourceOnly:
    """No alignment; the others override what they need."""

    sizes = (WIDTH, WIDTH)

    def modules(self):
        """Return what the network's optimiser trains beside the network."""
        return []

    def before(self, xs, xt):
        """Train what is trained in turn, on detached features."""

    def penalty(self, xs, xt, zs, zt, ys):
        """Return what is added to the loss, and further values that are to be read out."""
        return None, ()

    def after(self, network, optimizer, x, ys):
        """Train the network further on the same batch."""


def square_distances(x):
    norms = x.square().sum(1)
    return (norms[:, None] + norms - 2 * (x @ x.T)).clamp(min=0)


class DDC(SourceOnly):
    """The Gaussian MMD of an adaptation layer, the median distance for its width."""

    sizes = (WIDTH, WIDTH, 50)

    def penalty(self, xs, xt, zs, zt, ys):
        d = square_distances(torch.cat([xs, xt]))
        i, j = torch.triu_indices(len(d), len(d), 1)
        k = torch.exp(-d / (2 * d.detach()[i, j].median()))
        n = len(xs)
        mmd = k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean()
        return mmd, (mmd,)


class DAN(SourceOnly):
    """The MMD of 17 Gaussians with equal weights, unbiased, on the features and the output."""

    def penalty(self, xs, xt, zs, zt, ys):
        mmd = multi_kernel_mmd(xs, xt) + multi_kernel_mmd(zs.softmax(1), zt.softmax(1))
        return mmd, (mmd,)


def multi_kernel_mmd(xs, xt):
    d = square_distances(torch.cat([xs, xt]))
    i, j = torch.triu_indices(len(d), len(d), 1)
    median = d.detach()[i, j].median()
    k = sum(torch.exp(-d / (2 * scale * median)) for scale in SCALES) / len(SCALES)
    n, m = len(xs), len(xt)
    within = (k[:n, :n].sum() - n) / (n * (n - 1)) + (k[n:, n:].sum() - m) / (m * (m - 1))
    return within - 2 * k[:n, n:].mean()


class JAN(SourceOnly):
    """The MMD of the product of the features' kernel and the output's, biased."""

    def penalty(self, xs, xt, zs, zt, ys):
        d = square_distances(torch.cat([xs, xt]))
        i, j = torch.triu_indices(len(d), len(d), 1)
        median = d.detach()[i, j].median()
        k = sum(torch.exp(-d / (2 * s * median)) for s in JOINT_SCALES) / len(JOINT_SCALES)
        d = square_distances(torch.cat([zs, zt]).softmax(1))
        k = k * torch.exp(-d / (2 * 0.92**2))
        n = len(xs)
        mmd = k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean()
        return mmd, (mmd,)


class DeepCORAL(SourceOnly):
    """The distance between the covariances of the output's probabilities."""

    def penalty(self, xs, xt, zs, zt, ys):
        coral = (zs.softmax(1).T.cov() - zt.softmax(1).T.cov()).square().sum() / (4 * N_CLASSES**2)
        return coral, (coral,)


def domain_loss(logits, n):
    source, target = logits[:n], logits[n:]
    loss = F.softplus(-source).mean() + F.softplus(target).mean()
    with torch.no_grad():
        accuracy = ((source > 0).float().mean() + (target <= 0).float().mean()) / 2
    return loss, (loss, accuracy)


class DANN(SourceOnly):
    """A discriminator behind a gradient reversal."""

    def __init__(self):
        self.discriminator = mlp(WIDTH, 100, 1)

    def modules(self):
        return [self.discriminator]

    def penalty(self, xs, xt, zs, zt, ys):
        return domain_loss(self.discriminator(Reverse.apply(torch.cat([xs, xt])))[:, 0], len(xs))


class CDAN(SourceOnly):
    """The same on the outer products of features and probabilities."""

    def __init__(self):
        self.discriminator = mlp(WIDTH * N_CLASSES, 100, 1)

    def modules(self):
        return [self.discriminator]

    def penalty(self, xs, xt, zs, zt, ys):
        x, p = torch.cat([xs, xt]), torch.cat([zs, zt]).softmax(1)
        joint = (x[:, :, None] * p[:, None, :]).flatten(1)
        return domain_loss(self.discriminator(Reverse.apply(joint))[:, 0], len(xs))


class DomainConfusion(SourceOnly):
    """A discriminator trained in turn, whose answers the network makes uniform."""

    def __init__(self):
        self.discriminator = mlp(WIDTH, 100, 1)
        self.optimizer = adam(self.discriminator.parameters())

    def before(self, xs, xt):
        self.discriminator.requires_grad_(True)
        logits = self.discriminator(torch.cat([xs, xt]))[:, 0]
        loss, self.values = domain_loss(logits, len(xs))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.discriminator.requires_grad_(False)

    def penalty(self, xs, xt, zs, zt, ys):
        logits = self.discriminator(torch.cat([xs, xt]))[:, 0]
        each = F.softplus(logits) - logits / 2
        confusion = (each[: len(xs)].mean() + each[len(xs) :].mean()) / 2
        return confusion, (confusion, *self.values)


class WDGRL(SourceOnly):
    """A critic with a gradient penalty, five steps for one of the network."""

    def __init__(self):
        self.critic = mlp(WIDTH, 100, 1)
        self.optimizer = adam(self.critic.parameters())

    def before(self, xs, xt):
        self.critic.requires_grad_(True)
        for _ in range(5):
            between = torch.lerp(xs, xt, torch.rand(len(xs), 1))
            x = torch.cat([xs, xt, between]).requires_grad_(True)
            values = self.critic(x)
            slopes = torch.autograd.grad(values.sum(), x, create_graph=True)[0]
            self.slope = (slopes.norm(dim=1) - 1).square().mean()
            gap = values[: len(xs)].mean() - values[len(xs) : len(xs) + len(xt)].mean()
            self.optimizer.zero_grad()
            (10 * self.slope - gap).backward()
            self.optimizer.step()
        self.critic.requires_grad_(False)

    def penalty(self, xs, xt, zs, zt, ys):
        values = self.critic(torch.cat([xs, xt]))
        gap = values[: len(xs)].mean() - values[len(xs) :].mean()
        return gap, (gap, self.slope)


class DeepJDOT(SourceOnly):
    """The cheapest plan by features and labels in every batch."""

    def penalty(self, xs, xt, zs, zt, ys):
        import ot

        cost = 0.1 * torch.cdist(xs, xt).square() - 0.1 * zt.log_softmax(1).T[ys]
        costs = cost.detach().double().numpy()
        plan = ot.emd(np.full(len(xs), 1 / len(xs)), np.full(len(xt), 1 / len(xt)), costs)
        transport = (torch.as_tensor(plan, dtype=torch.float32) * cost).sum()
        return transport, (transport,)


class MDD(SourceOnly):
    """A second head that disagrees with the first in the target, not in the source."""

    def __init__(self):
        self.head = mlp(WIDTH, 100, N_CLASSES)

    def modules(self):
        return [self.head]

    def penalty(self, xs, xt, zs, zt, ys):
        n = len(xs)
        log_p = self.head(Reverse.apply(torch.cat([xs, xt]))).log_softmax(1)
        predicted = torch.cat([zs, zt]).argmax(1, keepdim=True)
        other = log_p[n:].scatter(1, predicted[n:], -math.inf).logsumexp(1)
        disparity = -4 * log_p[:n].gather(1, predicted[:n]).mean() - other.mean()
        return disparity, (disparity,)


class MCC(SourceOnly):
    """The confusion between classes in the target's predictions."""

    def penalty(self, xs, xt, zs, zt, ys):
        log_p = (zt / 2.5).log_softmax(1)
        p = log_p.exp()
        weights = 1 + (p * log_p).sum(1, keepdim=True).exp().detach()
        mass = weights * p
        confusion = ((mass * (1 - p)).sum(0) / mass.sum(0)).mean()
        return confusion, (confusion,)


class MCD(SourceOnly):
    """Two heads that learn to disagree, then four steps of the layers to make them agree."""

    def __init__(self):
        self.head = nn.Linear(WIDTH, N_CLASSES)

    def modules(self):
        return [self.head]

    def penalty(self, xs, xt, zs, zt, ys):
        loss = F.cross_entropy(self.head(xs), ys)
        with torch.no_grad():
            gap = (zt.softmax(1) - self.head(xt).softmax(1)).abs().mean()
        return loss, (loss, gap)

    def after(self, network, optimizer, x, ys):
        heads = [*network[1].parameters(), *self.head.parameters()]
        n = len(ys)

        def outputs(features):
            return network[1](features), self.head(features)

        def gap(first, second):
            return (first[n:].softmax(1) - second[n:].softmax(1)).abs().mean()

        with torch.no_grad():
            features = network[0](x)
        first, second = outputs(features)
        loss = F.cross_entropy(first[:n], ys) + F.cross_entropy(second[:n], ys) - gap(first, second)
        optimizer.zero_grad()
        loss.backward(inputs=heads)
        optimizer.step()
        for _ in range(4):
            optimizer.zero_grad()
            gap(*outputs(network[0](x))).backward(inputs=list(network[0].parameters()))
            optimizer.step()


def sliced(rows):
    """Return the edges of nearly equal batches."""
    n_batches = math.ceil(rows / BATCH_SIZE)
    return pairwise(i * rows // n_batches for i in range(n_batches + 1))


def batches(data, n_epochs):
    """Yield batches, shuffled anew for every epoch; the values read out are averaged by epoch."""
    Xs, ys, Xt = (torch.as_tensor(part) for part in data)
    for _ in range(n_epochs):
        order_s, order_t = torch.randperm(N_ROWS), torch.randperm(N_ROWS)
        shuffled = Xs[order_s], ys[order_s], Xt[order_t]
        for a, b in sliced(N_ROWS):
            yield tuple(part[a:b] for part in shuffled)


def bare(method):
    """Return a function that trains a method by hand, and returns the mean loss."""

    def train(data, n_epochs):
        torch.manual_seed(0)
        parts = method()
        network = nn.Sequential(
            backbone(N_FEATURES, *parts.sizes), nn.Linear(parts.sizes[-1], N_CLASSES)
        )
        modules = [network, *parts.modules()]
        optimizer = adam([p for module in modules for p in module.parameters()])
        seen = []
        for xs, ys, xt in batches(data, n_epochs):
            n = len(xs)
            x = torch.cat([xs, xt])
            features = network[0](x)
            logits = network[1](features)
            loss = task = F.cross_entropy(logits[:n], ys)
            detached = features.detach()
            parts.before(detached[:n], detached[n:])
            omega, values = parts.penalty(features[:n], features[n:], logits[:n], logits[n:], ys)
            if omega is not None:
                loss = loss + omega
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append([loss.item(), task.item(), *(value.item() for value in values)])
            parts.after(network, optimizer, x, ys)
        return np.mean(seen, axis=0)[0]

    return train


def bare_adda(data, n_epochs):
    """Train the source's network, then a target's encoder against a discriminator."""
    torch.manual_seed(0)
    encoder, head = backbone(N_FEATURES, WIDTH, WIDTH), nn.Linear(WIDTH, N_CLASSES)
    optimizer = adam([*encoder.parameters(), *head.parameters()])
    for xs, ys, _ in batches(data, n_epochs):
        loss = F.cross_entropy(head(encoder(xs)), ys)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    target, discriminator = copy.deepcopy(encoder), mlp(WIDTH, 100, 100, 1)
    optimizer = adam(target.parameters(), betas=(0.5, 0.999))
    for_discriminator = adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))
    seen = []
    for xs, ys, xt in batches(data, n_epochs):
        with torch.no_grad():
            known = encoder(xs)
        features = target(xt)
        with torch.no_grad():  # it is no part of the method, but the history shows it
            task = F.cross_entropy(head(known), ys)
        loss, values = domain_loss(
            discriminator(torch.cat([known, features.detach()]))[:, 0], len(xs)
        )
        for_discriminator.zero_grad()
        loss.backward()
        for_discriminator.step()
        discriminator.requires_grad_(False)
        fooled = F.softplus(-discriminator(features)).mean()
        optimizer.zero_grad()
        fooled.backward()
        optimizer.step()
        discriminator.requires_grad_(True)
        seen.append([fooled.item(), task.item(), *(value.item() for value in values)])
    return np.mean(seen, axis=0)[0]


def bare_simultaneous(data, n_epochs):
    """Train the source's network for its soft labels, then one with domain confusion.

    No target row has a label here, so that no soft label is used.
    """
    bare(SourceOnly)(data, n_epochs)
    return bare(DomainConfusion)(data, n_epochs)


# --- skdtl ----------------------------------------------------------------------------------------

COMMON = {
    "hidden_layer_sizes": (WIDTH, WIDTH),
    "lr": LR,
    "lr_schedule": "constant",
    "optimizer": "adam",
    "batch_size": BATCH_SIZE,
    "random_state": 0,
}


def ours(cls, **options):
    """Return a function that fits a method of skdtl, and returns the mean loss."""

    def train(data, n_epochs):
        Xs, ys, Xt = data
        model = cls(**{**COMMON, **options}, max_epochs=n_epochs).fit(Xs, ys, Xt)
        return np.mean(model.loss_curve_)

    return train


# --- SKADA ----------------------------------------------------------------------------------------


class Named(nn.Module):
    """The network with a name for its last hidden layer, as SKADA wants it."""

    def __init__(self, *widths):
        super().__init__()
        self.features = backbone(*widths)
        self.head = nn.Linear(widths[-1], N_CLASSES)

    def forward(self, X, sample_weight=None):
        return self.head(self.features(X))


def skada_net(name, widths, n_epochs, **options):
    skada = importlib.import_module("skada.deep")
    return getattr(skada, name)(
        Named(*widths),
        layer_name="features",
        batch_size=BATCH_SIZE,
        max_epochs=n_epochs,
        train_split=None,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=LR,
        verbose=0,
        **options,
    )


def stacked(data):
    Xs, ys, Xt = data
    y = np.concatenate([ys, np.full(len(Xt), -1)])
    return np.concatenate([Xs, Xt]), y, np.repeat([1, -2], [len(Xs), len(Xt)])


def skada(name, **options):
    """Return a function that fits a method of SKADA, and returns the mean loss."""

    def train(data, n_epochs):
        X, y, sample_domain = stacked(data)
        net = skada_net(name, (N_FEATURES, WIDTH, WIDTH), n_epochs, **options)
        net.fit(X, y, sample_domain=sample_domain)
        return np.mean(net.history[:, "train_loss"])

    return train


# --- pytorch-adapt --------------------------------------------------------------------------------


def pytorch_adapt(make, n_heads=1, tail=()):
    """Return a function that trains by a hook of pytorch-adapt.

    `make(hooks, layers, optimizers)` makes the hook. The models are G, C and D.
    """

    def train(data, n_epochs):
        hooks = importlib.import_module("pytorch_adapt.hooks")
        layers = importlib.import_module("pytorch_adapt.layers")
        torch.manual_seed(0)
        width = WIDTH * N_CLASSES if "CDAN" in tail else WIDTH
        heads = [nn.Linear(WIDTH, N_CLASSES) for _ in range(n_heads)]
        models = {
            "G": backbone(N_FEATURES, WIDTH, WIDTH),
            "C": heads[0] if n_heads == 1 else layers.MultipleModels(*heads),
            "D": nn.Sequential(mlp(width, 100, 1), nn.Flatten(0)),
        }
        if "CDAN" in tail:
            models["feature_combiner"] = Outer()
        if "ADDA" in tail:
            pretrain = hooks.ClassifierHook(
                opts=[adam([*models["G"].parameters(), *models["C"].parameters()])]
            )
            for xs, ys, _ in batches(data, n_epochs):
                pretrain({**models, "src_imgs": xs, "src_labels": ys})
            models["T"] = copy.deepcopy(models["G"])
        hook = make(
            hooks,
            layers,
            {
                key: adam(m.parameters())
                for key, m in models.items()
                if any(True for _ in m.parameters())
            },
        )
        ones = torch.ones(BATCH_SIZE)
        for xs, ys, xt in batches(data, n_epochs):
            _, losses = hook(
                {
                    **models,
                    "src_imgs": xs,
                    "src_labels": ys,
                    "target_imgs": xt,
                    "src_domain": 0 * ones[: len(xs)],
                    "target_domain": ones[: len(xt)],
                }
            )
        return math.nan

    return train


class Outer(nn.Module):
    """Outer products of features and probabilities."""

    def forward(self, x, p):
        return (x[:, :, None] * p[:, None, :]).flatten(1)


def aligner(loss):
    """Return how to make pytorch-adapt's hook for a loss that compares the features."""
    return lambda hooks, layers, opts: hooks.AlignerPlusCHook(
        opts=[opts["G"], opts["C"]], loss_fn=loss(layers), softmax=False
    )


# --- what is compared -----------------------------------------------------------------------------

ADVERSARY = {"num_features": WIDTH}
SCALES_OF_PEER = torch.tensor(SCALES)
# For each method: ours with the settings that the bare loop has, the bare loop, the peers.
METHODS = {
    "source only": (
        ours(skdtl.DeepTransferClassifier),
        bare(SourceOnly),
        skada("SourceOnly"),
        pytorch_adapt(lambda h, l, o: h.ClassifierHook(opts=[o["G"], o["C"]])),
    ),
    "DDC": (ours(skdtl.DDC, adaptation_width=50, lam=1.0), bare(DDC), None, None),
}


def add(name, cls, options, loop, skada_run=None, peer=None):
    """Compare a method, if this version has it."""
    if cls in skdtl.__all__:
        METHODS[name] = (ours(getattr(skdtl, cls), **options), loop, skada_run, peer)


add(
    "DAN, equal weights of the kernels",
    "DAN",
    {"lam": 1.0, "kernel_weights": "uniform"},
    bare(DAN),
    skada("DAN"),
    pytorch_adapt(
        aligner(lambda layers: layers.MMDLoss(kernel_scales=SCALES_OF_PEER, mmd_type="quadratic"))
    ),
)
add(
    "JAN",
    "JAN",
    {"lam": 1.0},
    bare(JAN),
    None,
    pytorch_adapt(
        lambda hooks, layers, opts: hooks.AlignerPlusCHook(
            opts=[opts["G"], opts["C"]],
            aligner_hook=hooks.JointAlignerHook(layers.MMDLoss(mmd_type="quadratic")),
        )
    ),
)
add(
    "DeepCORAL",
    "DeepCORAL",
    {"lam": 1.0},
    bare(DeepCORAL),
    skada("DeepCoral"),
    pytorch_adapt(aligner(lambda layers: layers.CORALLoss())),
)
add("WDGRL", "WDGRL", {"lam": 1.0}, bare(WDGRL))
add("DeepJDOT", "DeepJDOT", {"lam": 1.0}, bare(DeepJDOT), skada("DeepJDOT"))
add(
    "DANN",
    "DANN",
    {"lam": 1.0},
    bare(DANN),
    skada("DANN", **ADVERSARY),
    pytorch_adapt(lambda h, l, o: h.DANNHook(opts=[o["G"], o["C"], o["D"]])),
)
add(
    "CDAN",
    "CDAN",
    {"lam": 1.0},
    bare(CDAN),
    skada("CDAN", n_classes=N_CLASSES, **ADVERSARY),
    pytorch_adapt(
        lambda h, l, o: h.CDANHook(d_opts=[o["D"]], g_opts=[o["G"], o["C"]]), tail=("CDAN",)
    ),
)
add(
    "MDD",
    "MDD",
    {"lam": 1.0, "batch_norm": False},
    bare(MDD),
    skada("MDD", n_classes=N_CLASSES, **ADVERSARY),
)
add(
    "MCC",
    "MCC",
    {"lam": 1.0},
    bare(MCC),
    skada("MCC"),
    pytorch_adapt(lambda h, l, o: h.ClassifierHook(opts=[o["G"], o["C"]], post=[h.MCCHook()])),
)
add(
    "MCD",
    "MCD",
    {"lam": 1.0},
    bare(MCD),
    None,
    pytorch_adapt(lambda h, l, o: h.MCDHook(g_opts=[o["G"]], c_opts=[o["C"]]), n_heads=2),
)
add(
    "ADDA",
    "ADDA",
    {"lam": 1.0},
    bare_adda,
    None,
    pytorch_adapt(
        lambda h, l, o: h.ADDAHook(d_opts=[o["D"]], g_opts=[o["T"]], threshold=0.0),
        tail=("ADDA",),
    ),
)


add("SimultaneousTransfer", "SimultaneousTransfer", {"lam": 1.0}, bare_simultaneous)


# --- measuring ------------------------------------------------------------------------------------


def quietly(run, *arguments):
    """Run without the peers' warnings and prints."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return run(*arguments)


def cpu(run, *arguments):
    started = time.process_time()
    quietly(run, *arguments)
    return time.process_time() - started


def alternate(runs, turns):
    """Return the CPU times of several functions that are called in turn; None where one fails."""
    errors, times = {}, {name: [] for name in runs}
    for name, run in runs.items():  # warm up, and see what works
        try:
            quietly(run)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {str(error).splitlines()[-1][:200]}"
    names = [name for name in runs if name not in errors]
    for turn in range(turns):
        for name in names if turn % 2 else reversed(names):
            times[name].append(cpu(runs[name]))
    return {name: times[name] for name in names}, errors


def ratio(times, name, other):
    """Return a cell: the ratio of medians, and of the least."""
    if name not in times or other not in times:
        return "-"
    a, b = times[name], times[other]
    return f"{statistics.median(a) / statistics.median(b):.2f} ({min(a) / min(b):.2f})"


def installed(name):
    try:
        return version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def epochs(turns, n_epochs, chosen):
    """Return the table of epochs, and what failed."""
    data = domains()
    lines = [
        "| method | skdtl, s | bare loop, s | skdtl / bare | SKADA / skdtl "
        "| pytorch-adapt / skdtl | loss, skdtl | loss, bare |",
        "|---" * 8 + "|",
    ]
    failed = {}
    for name, (own, loop, *peers) in METHODS.items():
        if chosen and not any(part in name for part in chosen):
            continue
        runs = {"skdtl": own, "bare": loop}
        for peer, package, run in zip(
            ("SKADA", "pytorch-adapt"), ("skada", "pytorch-adapt"), peers
        ):
            if run is not None and installed(package):
                runs[peer] = run
        losses = [quietly(run, data, n_epochs) for run in (own, loop)]
        bound = {key: (lambda run=run: run(data, n_epochs)) for key, run in runs.items()}
        times, errors = alternate(bound, turns)
        failed.update({f"{peer}, {name}": error for peer, error in errors.items()})
        seconds = {key: statistics.median(t) / n_epochs for key, t in times.items()}
        lines.append(
            f"| {name} | {seconds['skdtl']:.3f} | {seconds['bare']:.3f} "
            f"| {ratio(times, 'skdtl', 'bare')} | {ratio(times, 'SKADA', 'skdtl')} "
            f"| {ratio(times, 'pytorch-adapt', 'skdtl')} | {losses[0]:.3f} | {losses[1]:.3f} |"
        )
        print(lines[-1], flush=True)
    return lines, failed


def multi_kernel_losses(turns):
    """Return the table of the multi-kernel MMD alone."""
    rng = torch.Generator().manual_seed(0)
    xs, xt = torch.randn(2, 128, WIDTH, generator=rng).requires_grad_(True)
    alignment = deep.MultiKernelMMD(
        bandwidth_multipliers=SCALES, kernel_weights="uniform", estimate="biased"
    )
    alignment.initialize([WIDTH], N_CLASSES)
    output = torch.zeros(128, N_CLASSES)
    activations = [deep.Activations((x,), output, None) for x in (xs, xt)]

    def one_gram():
        d = square_distances(torch.cat([xs, xt]))
        i, j = torch.triu_indices(256, 256, 1)
        median = d.detach()[i, j].median()
        k = sum(torch.exp(-d / (2 * scale * median)) for scale in SCALES)
        return k[:128, :128].mean() + k[128:, 128:].mean() - 2 * k[:128, 128:].mean()

    losses = {"skdtl": lambda: alignment(*activations), "bare": one_gram}
    if installed("skada"):
        dan_loss = importlib.import_module("skada.deep.losses").dan_loss
        # As many kernels as the others have; its default is 33.
        losses["SKADA"] = lambda: dan_loss(xs, xt, sigmas=SCALES)
    if installed("pytorch-adapt"):
        layers = importlib.import_module("pytorch_adapt.layers")
        loss = layers.MMDLoss(kernel_scales=SCALES_OF_PEER, mmd_type="quadratic")
        losses["pytorch-adapt"] = lambda: loss(xs, xt)

    def repeated(loss):
        def run():
            for _ in range(50):
                loss().backward()

        return run

    times, _ = alternate({name: repeated(loss) for name, loss in losses.items()}, turns)
    lines = ["| multi-kernel MMD | ms, median | / skdtl |", "|---|---|---|"]
    for name, seconds in times.items():
        lines.append(
            f"| {name} | {20 * statistics.median(seconds):.2f} | {ratio(times, name, 'skdtl')} |"
        )
    return lines


def predictions(turns):
    """Return the table of predict against a bare forward pass, and SKADA's predict."""
    lines = [
        "| network | rows | bare forward, ms | skdtl / bare | regressor / bare | SKADA / bare |",
        "|---" * 6 + "|",
    ]
    for widths in ((50, 100), (100, 256, 256)):
        predictors = fitted(*widths)
        name = "-".join(map(str, (*widths, N_CLASSES)))
        for n in (1, 100, 1000, 10_000, 100_000):
            lines.append(f"| {name} | {n} | {predicting(predictors, widths[0], n, turns)} |")
            print(lines[-1], flush=True)
    return lines


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

    predictors = {"bare": forward, "skdtl": model.predict, "regressor": regressor.predict}
    if installed("skada"):
        net = skada_net("DANN", (n_features, *sizes), 1, num_features=sizes[-1])
        codes = np.repeat([1, -2], 1000)
        quietly(lambda: net.fit(X, np.where(codes > 0, y, -1), sample_domain=codes))
        predictors["SKADA"] = lambda X: net.predict(X, sample_domain=np.full(len(X), -2))
    return predictors


def predicting(predictors, n_features, n, turns):
    """Return the cells of one row of the table."""
    rows = np.random.default_rng(1).normal(size=(n, n_features)).astype(np.float32)
    times = max(1, min(200, 20_000 // n))

    def repeated(predict):
        return lambda: [predict(rows) for _ in range(times)]

    runs = {name: repeated(predict) for name, predict in predictors.items()}
    measured, errors = alternate(runs, turns)
    for name, error in errors.items():
        print(f"{name} does not predict {n} rows: {error}")
    forward = 1000 * statistics.median(measured["bare"]) / times
    ratios = [ratio(measured, name, "bare") for name in ("skdtl", "regressor", "SKADA")]
    return " | ".join([f"{forward:.3f}", *ratios])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--only", nargs="*", help="methods whose names contain this; no page")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    table, failed = epochs(options.turns, options.epochs, options.only)
    if options.only:
        print(failed)
        return
    losses, inference = multi_kernel_losses(options.turns), predictions(options.turns)
    peers = {name: installed(name) for name in ("skada", "pytorch-adapt")}
    notes = [
        f"{name} {found}" if found else f"{name}: not installed" for name, found in peers.items()
    ]
    lines = [
        f"Versions: torch {torch.__version__}, skorch {version('skorch')}, scikit-learn "
        f"{version('scikit-learn')}, {', '.join(notes)}. {options.turns} turns of "
        f"{options.epochs} epochs, Python {sys.version.split()[0]}.",
        "",
        "## An epoch",
        "",
        *table,
        "",
        *(f"Failed: {name}: {error}" for name, error in failed.items()),
        "",
        "## The multi-kernel MMD, 128 rows of each domain, 100 features, 17 kernels",
        "",
        "Forward and backward.",
        "",
        *losses,
        "",
        "## predict",
        "",
        "Float32 rows. The bare forward pass is one call of the network on all rows, and argmax.",
        "",
        *inference,
    ]
    # What was found out by reading the table stands below it, and stays.
    known = RESULTS.read_text() if RESULTS.exists() else ""
    reading = known[known.find("\n## Reading it") :] if "\n## Reading it" in known else ""
    RESULTS.write_text("# " + __doc__ + "\n" + "\n".join(lines) + "\n" + reading)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
