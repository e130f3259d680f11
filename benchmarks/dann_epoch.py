"""What an epoch of DANN costs, against a bare torch loop that does the same arithmetic.

10 000 rows a domain, 50 features, hidden layers (100, 100), batches of 128, one thread. Both are
timed in turn in the same process, and the median of their ratios is printed. The bare loop is what
a careful person would write by hand: rows permuted once per epoch, batches sliced, one forward pass
over both domains, a gradient reversal, the same optimiser, the losses read out after every batch.

    python benchmarks/dann_epoch.py [--repeats 9] [--epochs 3] [--optimizer adam]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skdtl import DANN

N_ROWS, N_FEATURES, WIDTH, BATCH_SIZE = 10_000, 50, 100, 128
LR = 1e-3


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


def bare_loop(Xs, ys, Xt, n_epochs, optimizer):
    """Train DANN by hand; return the losses of the last epoch."""
    torch.manual_seed(0)
    Xs, Xt = torch.as_tensor(Xs), torch.as_tensor(Xt)
    ys = torch.as_tensor(ys)
    backbone = nn.Sequential(
        nn.Linear(N_FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()
    )
    head = nn.Linear(WIDTH, 2)
    discriminator = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    parameters = [p for m in (backbone, head, discriminator) for p in m.parameters()]
    if optimizer == "adam":
        optimiser = torch.optim.Adam(parameters, lr=LR, fused=True)
    else:
        optimiser = torch.optim.SGD(parameters, lr=LR, momentum=0.9, fused=True)
    n_batches = math.ceil(N_ROWS / BATCH_SIZE)
    edges = [i * N_ROWS // n_batches for i in range(n_batches + 1)]
    step = 0
    for _ in range(n_epochs):
        order_s, order_t = torch.randperm(N_ROWS), torch.randperm(N_ROWS)
        shuffled_s, shuffled_y, shuffled_t = Xs[order_s], ys[order_s], Xt[order_t]
        losses = []
        for a, b in pairwise(edges):
            p = step / (n_epochs * n_batches)
            step += 1
            lam = 2 / (1 + math.exp(-10 * p)) - 1
            for group in optimiser.param_groups:
                group["lr"] = LR * (1 + 10 * p) ** -0.75
            optimiser.zero_grad()
            features = backbone(torch.cat([shuffled_s[a:b], shuffled_t[a:b]]))
            task = F.cross_entropy(head(features)[: b - a], shuffled_y[a:b])
            logits = discriminator(Reverse.apply(features, lam))[:, 0]
            source, target = logits.split(b - a)
            domain = F.softplus(-source).mean() + F.softplus(target).mean()
            with torch.no_grad():
                accuracy = ((source > 0).float().mean() + (target <= 0).float().mean()) / 2
            loss = task + domain
            loss.backward()
            optimiser.step()
            losses.append((loss.item(), task.item(), domain.item(), accuracy.item()))
    return np.mean(losses, axis=0)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--repeats", type=int, default=9)
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    rng = np.random.default_rng(0)
    Xs = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    ys = (Xs[:, 0] > 0).astype(int)
    Xt = (Xs + 0.5).astype(np.float32)
    model = DANN(
        hidden_layer_sizes=(WIDTH, WIDTH),
        discriminator_layer_sizes=(WIDTH,),
        optimizer=options.optimizer,
        lr=LR,
        lr_schedule="decay",
        batch_size=BATCH_SIZE,
        max_epochs=options.epochs,
        random_state=0,
    )

    def ours():
        epoch = model.fit(Xs, ys, Xt).history_[-1]
        return [epoch[k] for k in ("train_loss", "task_loss", "domain_loss", "domain_accuracy")]

    def bare():
        return bare_loop(Xs, ys, Xt, options.epochs, options.optimizer)

    print("                  loss   task  domain  accuracy   (means of the last epoch)")
    for name, run in (("skdtl", ours), ("bare loop", bare)):  # also warms both up
        print(f"{name:>14}" + "".join(f"{value:8.3f}" for value in run()))
    seconds = {ours: [], bare: []}
    for repeat in range(options.repeats):
        for run in (ours, bare) if repeat % 2 else (bare, ours):
            start = time.process_time()
            run()
            seconds[run].append((time.process_time() - start) / options.epochs)
    ratios = sorted(a / b for a, b in zip(seconds[ours], seconds[bare]))
    print(f"skdtl {statistics.median(seconds[ours]):.4f} s CPU per epoch (all of fit)")
    print(f"bare  {statistics.median(seconds[bare]):.4f} s CPU per epoch")
    print(f"ratio {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f})")
    print(f"ratio of the fastest runs {min(seconds[ours]) / min(seconds[bare]):.3f}")


if __name__ == "__main__":
    main()
