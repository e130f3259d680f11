"""The skorch net that trains a network on paired batches."""

from __future__ import annotations

import dis
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor, nn

from .batches import PairedBatch, PairedBatches
from .heads import Head
from .parallel import Processes, n_processes
from .randomness import same_randomness_afterwards
from .terms import Activations, Step, Term

__all__ = ["DeepNet", "TrainingInterruptedWarning"]


class TrainingInterruptedWarning(UserWarning):
    """A training was interrupted (Ctrl-C); the estimator is fitted by what was learnt until then.

    Its attribute ``interrupted_`` is True.
    """


class _Clock:
    """Count the steps of a training, those of earlier epochs included."""

    def __init__(self, n_past_epochs: int, max_epochs: int, n_batches: int):
        self.step, self.n_steps = n_past_epochs * n_batches, max_epochs * n_batches

    def progress(self) -> float:
        """Return the progress: from 0 to 1, where it stays."""
        return min(self.step / self.n_steps, 1.0)

    def tick(self) -> float:
        """Return the progress at the beginning of the next step."""
        progress = self.progress()
        self.step += 1
        return progress


def _raised_on_purpose(error: BaseException) -> bool:
    """Tell whether a ``raise`` statement raised an exception: a signal's comes without one."""
    trace: Any = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


class DeepNet(NeuralNet):
    """skorch's training loop for  L = L_task + Σ_k λ w_k Ω_k.

    Parameters
    ----------
    module : Network
        Trained in place.
    alignments : sequence of Term, default=()
        The loss's other terms, of which alignments are the commonest; ready to train, in place.
    lam : callable
        λ as a function of the training progress p, from 0 to 1; 1 throughout by default.
    lr_schedule : callable or None, default=None
        The factor of the learning rates as a function of p, set before every step. None leaves
        the learning rates alone (a callback may set them).
    mixed_precision : bool, default=False
        Whether the forward pass of a training step is computed in bfloat16.
    **kwargs
        Parameters of skorch's NeuralNet.
    """

    module: Any

    def __init__(
        self,
        module,
        *,
        alignments: Sequence[Term] = (),
        lam: Callable[[float], float] = lambda progress: 1.0,
        lr_schedule: Callable[[float], float] | None = None,
        mixed_precision: bool = False,
        **kwargs,
    ):
        self.alignments = alignments
        self.lam = lam
        self.lr_schedule = lr_schedule
        self.mixed_precision = mixed_precision
        # The network has the loss of its task; skorch wants to hear of one, too.
        super().__init__(module, nn.Identity, train_split=None, **kwargs)

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("print_log", PrintLog()),
        ]

    def initialize_module(self):
        """Take the network and the terms as they are."""
        self.module_: Any = self.module
        self.alignments_: Any = nn.ModuleList(self.alignments)
        # Kept once: a pickle would hold every weight twice otherwise.
        self.module, self.alignments = type(self.module), ()
        return self

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the paired batches to train by, and those to validate by."""
        return X, X.held_out

    def get_iterator(self, dataset, training=False):
        """Return the paired batches themselves: they need no DataLoader."""
        if isinstance(dataset, PairedBatches):
            return dataset
        return super().get_iterator(dataset, training=training)

    def partial_fit(self, X, y=None, classes=None, epochs=None, **fit_params):
        """Train on paired batches until the last epoch, or until the training is ended before.

        A callback ends it by raising KeyboardInterrupt at the end of an epoch, as skorch's do; any
        other interruption, such as Ctrl-C, sets ``interrupted_``. An epoch that was not completed
        leaves no entry in the history.
        """
        self.ended_by_callback_ = self.interrupted_ = False
        self.n_complete_ = len(self.history)
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, epochs=epochs)
        except KeyboardInterrupt:
            self.interrupted_ = not self.ended_by_callback_
            del self.history[self.n_complete_ :]
        if len(self.history):
            self.notify("on_train_end", X=X, y=y)
        else:  # callbacks expect an epoch
            self.on_train_end(self)
        return self

    def notify(self, method_name, **cb_kwargs):
        """Call a method of the net and of all callbacks."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            # Ctrl-C may come here too, while a checkpoint is written, say.
            self.ended_by_callback_ = method_name == "on_epoch_end" and _raised_on_purpose(error)
            if self.ended_by_callback_:
                self.n_complete_ = len(self.history)
            raise
        if method_name == "on_epoch_end":
            self.n_complete_ = len(self.history)

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Switch to training, and count the steps to come."""
        self._set_training(True)
        self.processes_ = Processes() if n_processes() > 1 else None
        if self.processes_:
            self.processes_.check_same({"max_epochs": self.max_epochs, "lr": self.lr, **X.facts()})
            self.processes_.start_alike([self.module_, self.alignments_])
        self.clock_ = _Clock(len(self.history), self.max_epochs, len(X))

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Begin the epoch's records."""
        super().on_epoch_begin(net, dataset_train, dataset_valid, **kwargs)
        self.seen_: dict[str, list[float]] = {}
        self.held_out_outputs_: list[Tensor] = []
        self.steps_: list[tuple[Term, Step]] = []

    def train_step(self, batch, **fit_params):
        """Make one step of the network's optimiser, and of those that alternate with it."""
        try:
            result = super().train_step(batch, **fit_params)
            for term, step in self.steps_:
                term.after_step(step)
        finally:
            self.steps_ = []
        return result

    def train_step_single(self, batch, **fit_params):
        """Compute the loss of one batch and its gradients."""
        if not self.module_.training:
            self._set_training(True)
        progress = self.clock_.tick()
        if self.lr_schedule is not None:
            factor = self.lr_schedule(progress)
            for group in self.optimizer_.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

        X, y = batch
        with self._precision(X.device.type):
            if self.processes_:
                features, output = self.processes_.activations(self.module_, batch)
            else:
                features, output = self.module_.activations(X, batch.domains)
        if self.mixed_precision:
            features, output = tuple(f.float() for f in features), output.float()
        prediction = output[: len(y)]  # where no target row has a label, y is the source's
        loss = self.module_.loss(prediction, y, batch.domains[: len(y)])
        self._see("task_loss", loss.item())
        self.steps_ = self._steps(batch, features, output, progress)
        for term, step in self.steps_:
            term.prepare(step)
            loss = loss + term.loss(step)
        for name, value in _observed(term for term, _ in self.steps_):
            self._see(name, value)
        if loss.requires_grad:  # not where all that has a gradient is frozen or without weight
            loss.backward()
        if self.processes_:
            self.processes_.average_gradients(self.module_, self.alignments_)
        return {"loss": loss, "y_pred": prediction}

    def _precision(self, device: str):
        if self.mixed_precision:
            return torch.autocast(device, torch.bfloat16)
        return nullcontext()

    def _steps(self, batch, features, output, progress: float) -> list[tuple[Term, Step]]:
        """Return the terms that can act on a batch, each with what it sees of the step."""
        acting = [t for t in self.alignments_ if batch.other is not None or not t.needs.target]
        if not acting:
            return []
        labelled, other = _sides(batch, features, output, self.module_.head)
        lam = self.lam(progress)
        if self.module_.training:
            self._see("lam", lam)
        common = self.module_, self.optimizer_, labelled, other
        return [(term, Step(*common, term.strength(lam), progress)) for term in acting]

    def validation_step(self, batch, **fit_params):
        """Compute the loss of one batch of held-out rows, an opponent's part left out."""
        self._set_training(False)
        X, y = batch
        with torch.no_grad(), same_randomness_afterwards(self.alignments_, X.device):
            features, output = self.module_.activations(X, batch.domains)
            prediction = output[: len(y)]
            loss = self.module_.loss(prediction, y, batch.domains[: len(y)])
            self._see("valid_task_loss", loss.item())
            steps = self._steps(batch, features, output, self.clock_.progress())
            terms = [term for term, _ in steps]
            of_training = [term.observed for term in terms]
            for term, step in steps:
                term.observed = {}
                added = term.loss(step)
                loss = loss if term.opposed else loss + added
            for name, value in _observed(terms):
                self._see(f"valid_{name}", value)
            for term, observed in zip(terms, of_training):
                term.observed = observed
        judged = output if batch.other is None else output[batch.n_labelled :]
        self.held_out_outputs_.append(judged)
        return {"loss": loss, "y_pred": prediction}

    def _see(self, name: str, value: float) -> None:
        self.seen_.setdefault(name, []).append(value)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        """Stop a training whose loss is no number any more."""
        if not math.isfinite(loss := kwargs["loss"].item()):
            self._raise_diverged(loss, "loss" if training else "loss on held-out rows")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Record the epoch's means."""
        for name, values in self.seen_.items():
            self.history.record(name, float(np.mean(values)))
        if dataset_valid is not None and self.module_.head.has_classes:
            # One pass over the rows: they are cycled where the source has more.
            rows = dataset_valid.other or dataset_valid.labelled
            information = _information(torch.cat(self.held_out_outputs_)[: rows.n_rows])
            past = [epoch.get("valid_information", -math.inf) for epoch in self.history[:-1]]
            best = max(past, default=-math.inf)
            self.history.record("valid_information", information)
            self.history.record("valid_information_best", information > best)
        self.seen_, self.held_out_outputs_ = {}, []

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Make sure that the last step left numbers behind."""
        for module in (self.module_, self.alignments_):
            if not all(p.isfinite().all() for p in module.parameters()):
                self._raise_diverged(math.nan, "loss")

    def _raise_diverged(self, loss: float, which: str):
        terms = {name: values[-1] for name, values in self.seen_.items() if values}
        raise ValueError(
            f"The network diverged in epoch {len(self.history)}: its {which} became {loss}"
            + (f" ({', '.join(f'{k} {v:.3g}' for k, v in terms.items())})" if terms else "")
            + f". Standardise the features (StandardScaler in a Pipeline), lower lr (now {self.lr})"
            + (", switch mixed_precision off" if self.mixed_precision else "")
            + " or lower lam."
        )


def _information(logits: Tensor) -> float:
    """Return how much the rows tell about their predicted class: H(mean p) - mean H(p)."""
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    mean = p.mean(0)
    return (torch.xlogy(p, p).sum(1).mean() - torch.xlogy(mean, mean).sum()).item()


def _observed(terms: Iterable[Term]) -> Iterator[tuple[str, float]]:
    """Yield what terms saw; names that occur again are numbered."""
    times: dict[str, int] = {}
    for term in terms:
        for name, value in term.observed.items():
            times[name] = times.get(name, 0) + 1
            yield name if times[name] == 1 else f"{name}_{times[name]}", value.item()


def _sides(
    batch: PairedBatch, features: tuple[Tensor, ...], output: Tensor, head: Head
) -> tuple[Activations, Activations | None]:
    """Return the activations of a batch's labelled rows, and those of the others, if any."""
    if batch.other is None:
        X, y, domains = batch.labelled
        return Activations(features, output, y, X, domains, head), None
    sizes = [batch.n_labelled, len(output) - batch.n_labelled]
    pairs = [f.split_with_sizes(sizes) for f in features]  # split() does the same, slower
    outputs = output.split_with_sizes(sizes)
    labelled, other = (
        Activations(tuple(pair[k] for pair in pairs), outputs[k], y, X, domains, head)
        for k, (X, y, domains) in enumerate((batch.labelled, batch.other))
    )
    return labelled, other
