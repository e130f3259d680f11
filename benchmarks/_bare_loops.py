"""Deep methods as a careful person would write them by hand from each paper's formula.

Rows permuted once per epoch, batches sliced, one forward pass over both domains, fused optimisers,
the losses read out after every batch.
"""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

N_ROWS, N_FEATURES, N_CLASSES, WIDTH, BATCH_SIZE, N_EPOCHS = 10_000, 50, 10, 100, 128, 2
LR = 1e-3
SCALES = [2.0**power for power in range(-8, 9)]  # the bandwidths of DAN
JOINT_SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)  # and of JAN, for the features


class Reverse(torch.autograd.Function):
    """Turn the gradient, and multiply it by λ."""

    @staticmethod
    def forward(ctx, x, lam=1.0):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lam * gradient, None


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


def batches(data):
    """Yield batches, shuffled anew for every epoch; the values read out are averaged by epoch."""
    Xs, ys, Xt = (torch.as_tensor(part) for part in data)
    for _ in range(N_EPOCHS):
        order_s, order_t = torch.randperm(N_ROWS), torch.randperm(N_ROWS)
        shuffled = Xs[order_s], ys[order_s], Xt[order_t]
        for a, b in sliced(N_ROWS):
            yield tuple(part[a:b] for part in shuffled)


def bare(method):
    """Return a function that trains a method by hand, and returns the mean loss."""

    def train(data):
        torch.manual_seed(0)
        parts = method()
        network = nn.Sequential(
            backbone(N_FEATURES, *parts.sizes), nn.Linear(parts.sizes[-1], N_CLASSES)
        )
        modules = [network, *parts.modules()]
        optimizer = adam([p for module in modules for p in module.parameters()])
        seen = []
        for xs, ys, xt in batches(data):
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


def adda(data):
    """Train the source's network, then a target's encoder against a discriminator."""
    torch.manual_seed(0)
    encoder, head = backbone(N_FEATURES, WIDTH, WIDTH), nn.Linear(WIDTH, N_CLASSES)
    optimizer = adam([*encoder.parameters(), *head.parameters()])
    for xs, ys, _ in batches(data):
        loss = F.cross_entropy(head(encoder(xs)), ys)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    target, discriminator = copy.deepcopy(encoder), mlp(WIDTH, 100, 100, 1)
    optimizer = adam(target.parameters(), betas=(0.5, 0.999))
    for_discriminator = adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))
    seen = []
    for xs, ys, xt in batches(data):
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


def simultaneous(data):
    """Train the source's network for its soft labels, then one with domain confusion.

    No target row has a label here, so that no soft label is used.
    """
    bare(SourceOnly)(data)
    return bare(DomainConfusion)(data)
