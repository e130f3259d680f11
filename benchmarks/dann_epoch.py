"""What an epoch of DANN costs, against a bare torch loop that does the same arithmetic.

10 000 rows a domain, 50 features, hidden layers (100, 100), batches of 128, one thread, 3 epochs.
Both are timed in turn in one process: CPU time of a whole fit by its epochs; ratios are of medians
of 9 turns, and in brackets of the least times. The bare loop is what a careful person would write
by hand: rows permuted once per epoch, batches sliced, one forward pass over both domains, a
gradient reversal, the same optimiser, the losses read out after every batch. The losses are the
means over the last epoch.

    make benchmark-dann_epoch

{table}
"""

import math
from functools import partial

import numpy as np
import torch
from _bare_loops import (
    BATCH_SIZE,
    LR,
    N_FEATURES,
    N_ROWS,
    WIDTH,
    Reverse,
    backbone,
    domain_loss,
    mlp,
    sliced,
)
from _harness import Benchmark, Draw, Method, Task
from _harness.tables import ratio, table
from torch import nn
from torch.nn import functional as F

from skdtl import DANN

N_EPOCHS = 3
VALUES = ("loss", "task", "domain", "accuracy")


def bare_loop(draw, optimizer):
    """Train DANN by hand; return the losses of the last epoch."""
    torch.manual_seed(0)
    Xs, ys, Xt = (torch.as_tensor(part) for part in (draw.Xs, draw.ys, draw.Xt))
    layers, head = backbone(N_FEATURES, WIDTH, WIDTH), nn.Linear(WIDTH, 2)
    discriminator = mlp(WIDTH, WIDTH, 1)
    parameters = [p for m in (layers, head, discriminator) for p in m.parameters()]
    if optimizer == "adam":
        optimiser = torch.optim.Adam(parameters, lr=LR, fused=True)
    else:
        optimiser = torch.optim.SGD(parameters, lr=LR, momentum=0.9, fused=True)
    edges = list(sliced(N_ROWS))
    step = 0
    for _ in range(N_EPOCHS):
        order_s, order_t = torch.randperm(N_ROWS), torch.randperm(N_ROWS)
        shuffled_s, shuffled_y, shuffled_t = Xs[order_s], ys[order_s], Xt[order_t]
        losses = []
        for a, b in edges:
            p = step / (N_EPOCHS * len(edges))
            step += 1
            lam = 2 / (1 + math.exp(-10 * p)) - 1
            for group in optimiser.param_groups:
                group["lr"] = LR * (1 + 10 * p) ** -0.75
            optimiser.zero_grad()
            features = layers(torch.cat([shuffled_s[a:b], shuffled_t[a:b]]))
            task = F.cross_entropy(head(features)[: b - a], shuffled_y[a:b])
            domain, values = domain_loss(discriminator(Reverse.apply(features, lam))[:, 0], b - a)
            loss = task + domain
            loss.backward()
            optimiser.step()
            losses.append([loss.item(), task.item(), *(value.item() for value in values)])
    return np.mean(losses, axis=0)


def draw(seed=0):
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    ys = (Xs[:, 0] > 0).astype(int)
    Xt = (Xs + 0.5).astype(np.float32)
    return Draw(Xs, ys, Xt, None, Xt, ys)


def ours(optimizer):
    return DANN(
        hidden_layer_sizes=(WIDTH, WIDTH),
        discriminator_layer_sizes=(WIDTH,),
        optimizer=optimizer,
        lr=LR,
        lr_schedule="decay",
        batch_size=BATCH_SIZE,
        weight_decay=0.0,
        max_epochs=N_EPOCHS,
    )


def last_epoch(model, draw):
    """Return the values of the last epoch, of our network or those that the bare loop returns."""
    if isinstance(model, DANN):
        epoch = model.history_[-1]
        model = [epoch[k] for k in ("train_loss", "task_loss", "domain_loss", "domain_accuracy")]
    return dict(zip(VALUES, model))


TASKS = [
    Task(
        optimizer,
        draw,
        {
            "skdtl": ours(optimizer),
            "bare loop": Method(fit=lambda _, draw, name=optimizer: bare_loop(draw, name)),
        },
        last_epoch,
        turns=9,
        warm_up=draw,
    )
    for optimizer in ("adam", "sgd")
]


def epochs(lines):
    def seconds(method, task):
        return f"{np.median(lines.seconds(task, method)) / N_EPOCHS:.3f}"

    def both(value, task):
        return ", ".join(f"{lines.scores(task, m, value)[0]:.3f}" for m in ("skdtl", "bare loop"))

    return table(
        [task.name for task in TASKS],
        {
            "optimizer": str,
            "skdtl, s": partial(seconds, "skdtl"),
            "bare loop, s": partial(seconds, "bare loop"),
            "skdtl / bare": lambda task: ratio(
                *(lines.seconds(task, method) for method in ("skdtl", "bare loop"))
            ),
            **{f"{value}, skdtl and bare": partial(both, value) for value in VALUES},
        },
    )


BENCHMARK = Benchmark(__file__, __doc__, TASKS, {"table": epochs}, packages=("torch", "skorch"))

if __name__ == "__main__":
    BENCHMARK.main()
