"""The same methods by SKADA and pytorch-adapt, which are imported where they are asked for."""

from __future__ import annotations

import copy
import importlib
import math

import numpy as np
import torch
from _bare_loops import (
    BATCH_SIZE,
    LR,
    N_CLASSES,
    N_EPOCHS,
    N_FEATURES,
    WIDTH,
    adam,
    backbone,
    batches,
    mlp,
)
from torch import nn


class Named(nn.Module):
    """The network with a name for its last hidden layer, as SKADA wants it."""

    def __init__(self, *widths):
        super().__init__()
        self.features = backbone(*widths)
        self.head = nn.Linear(widths[-1], N_CLASSES)

    def forward(self, X, sample_weight=None):
        return self.head(self.features(X))


def skada_net(name, widths, max_epochs=N_EPOCHS, **options):
    skada = importlib.import_module("skada.deep")
    return getattr(skada, name)(
        Named(*widths),
        layer_name="features",
        batch_size=BATCH_SIZE,
        max_epochs=max_epochs,
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

    def train(data):
        X, y, sample_domain = stacked(data)
        net = skada_net(name, (N_FEATURES, WIDTH, WIDTH), **options)
        net.fit(X, y, sample_domain=sample_domain)
        return np.mean(net.history[:, "train_loss"])

    return train


def pytorch_adapt(make, n_heads=1, tail=()):
    """Return a function that trains by a hook of pytorch-adapt.

    `make(hooks, layers, optimizers)` makes the hook. The models are G, C and D.
    """

    def train(data):
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
            for xs, ys, _ in batches(data):
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
        for xs, ys, xt in batches(data):
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
