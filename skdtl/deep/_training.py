"""From an estimator's parameters to a trained net: settings, seeds, optimizer, schedules."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.callbacks import ProgressBar
from torch import Tensor, nn

from ..base import Domain
from .batches import PairedBatches
from .heads import Head
from .inference import best_dtype, outputs_of
from .net import DeepNet
from .network import Network, hidden_layers
from .parallel import Processes, n_processes
from .randomness import is_deterministic, seeded
from .schedules import Ramp, inverse_decay
from .terms import Term, attached

__all__ = ["TrainingMixin", "copy_of_net", "seeds_of_call"]

# Passes over the rows that max_epochs="auto" makes of large domains: they are steps enough there.
_AUTO_EPOCHS = 100
# A penalty weighs as much as a fixed number of rows, as in MLPClassifier or ridge regression, so
# that on the mean loss it counts less the more rows there are; with few it keeps to a value at
# which a network still learns.
_MOST_DECAY, _ROWS_OF_MOST_DECAY = 0.01, 300
# A training is thought unfinished where each of its last tenths has lowered the loss by more than
# this share of the whole fall (at an even pace it would be 0.1), and the whole fall is no accident.
_CLEAR_FALL, _LEAST_FALL = 0.02, 0.01


class TrainingMixin:
    """What trains the networks of a deep estimator, as its parameters say.

    A method makes its networks by ``_network`` and trains them by ``_train``.
    """

    _last_net: DeepNet | None
    # While a fit runs, the last net whose training should have gone on.
    _unfinished: DeepNet | None = None
    _network_class: ClassVar[type[Network]] = Network
    _head: ClassVar[type[Head]]
    # Whether every batch has as many labelled rows of one class as of any other.
    _balanced_batches: ClassVar[bool] = False

    def _seeds(self: Any, random_state=None) -> dict[str, int]:
        """Draw a seed for everything that is random, each independent of the others."""
        given = self.random_state if random_state is None else random_state
        # A new name goes to the end: the others' seeds then stay what they are.
        names = ("network", "head", "alignments", "source", "target", "training", "validation")
        seeds = check_random_state(given).randint(2**31 - 1, size=len(names))
        drawn = dict(zip(names, seeds.tolist()))
        return Processes().first_ones(drawn) if n_processes() > 1 else drawn

    def _network(self: Any, rows: Domain, seeds, make_layers=None, n_outputs=None) -> Network:
        """Make a network for some rows: its hidden layers and a new head.

        A warm-started fit's goes on from what the last fit has learnt.
        """
        example = torch.as_tensor(np.array(rows.X[:2], dtype=np.float32))
        with seeded(seeds["network"], self._device()):
            layers = (make_layers or self._layers)()
            make_head = partial(self._head, out_features=n_outputs or self._n_outputs())
            network = self._assemble(layers, make_head, example)
        if self._last_net is not None:
            self._continue(network, self._last_weights())
        return network

    def _assemble(self: Any, layers, make_head, example: Tensor) -> Network:
        """Put hidden layers and a head together; a method's network may want more than these."""
        return self._network_class(layers, make_head, example)

    def _new_end(self: Any, network: Network, seeds, sizes=()) -> tuple[list[nn.Module], Head]:
        """Make a head for the target on the features of a trained network, behind new layers."""
        device, width = self._device(), network.widths[-1]
        with seeded(seeds["head"], device):
            layers = hidden_layers(width, sizes, self.activation)
            head = self._head([width, *sizes][-1], self._n_outputs())
        return [layer.to(device) for layer in layers], head.to(device)

    def _last_weights(self: Any) -> dict[str, Tensor]:
        """Return the weights of the last fit that a new network goes on from."""
        return self._last_net.module_.state_dict()

    def _continue(self: Any, module: nn.Module, last: dict[str, Tensor]) -> None:
        """Give a module the last fit's weights; a head for other classes keeps its new ones."""
        state = module.state_dict()
        for name, value in state.items():
            shapes = [list(value.shape), list(last[name].shape) if name in last else None]
            if shapes[0] == shapes[1]:
                state[name] = last[name]
            elif not name.startswith("head."):
                raise ValueError(
                    "warm_start=True goes on from the last fit, but the network has changed: "
                    f"{name} has the shape {shapes[0]}, the last fit's {shapes[1]}."
                )
        module.load_state_dict(state)

    def _pretrain(self: Any, network: Network, source: Domain, seeds) -> DeepNet:
        """Train a network on the source alone; None for `pretrain_epochs` means `max_epochs`."""
        epochs = self.pretrain_epochs or self.max_epochs
        return self._train(network, source, None, seeds, max_epochs=epochs)

    def _teacher_outputs(self: Any, source: Domain, seeds) -> Tensor:
        """Return what a network that is trained on the source alone says of the source's rows."""
        teacher = self._pretrain(self._network(source, seeds), source, seeds).module_
        return torch.as_tensor(outputs_of(teacher, source.X, torch.float32))

    def _train_on_target(
        self: Any, network: Network, target: Domain, seeds, callbacks=(), **changes
    ) -> DeepNet:
        """Train a network on the target's labelled rows alone, with the method's own terms."""
        seeds = {**seeds, "source": seeds["target"]}
        rows, terms = target.labelled_rows(), self._terms()
        return self._train(network, rows, None, seeds, terms, callbacks, paired=False, **changes)

    def _train(
        self: Any,
        network: Network,
        labelled: Domain,
        other: Domain | None,
        seeds,
        terms: Iterable[Term] | None = None,
        callbacks=(),
        paired: bool = True,
        pretrained: bool = False,
        **changes,
    ) -> DeepNet:
        """Train a network; return the fitted net.

        Parameters
        ----------
        network : Network
            Trained in place. After an interruption in an earlier stage it stays as it is.
        labelled : Domain
            Rows with labels: the source's, or in fine-tuning the target's.
        other : Domain or None
            The target's rows beside them.
        seeds : dict
            As ``_seeds`` drew them.
        terms : iterable of Term or None, default=None
            What is added to the task's loss. None means the method's own where there are other
            rows, and none where there are not: a stage that only pre-trains.
        callbacks : sequence, default=()
            The method's own, in addition to the user's.
        paired : bool, default=True
            Whether this is a training in which two domains can meet, if both are given.
        pretrained : bool, default=False
            Whether the network begins with the weights of an earlier stage, which are worth
            keeping: the rules of ``weight_decay="auto"`` and `min_steps` are for new ones.
        **changes
            Parameters of the net that differ from the estimator's.

        Returns
        -------
        net : DeepNet
        """
        if terms is None:
            terms = () if other is None else self._terms()
        n_rows, min_steps = (0, 1) if pretrained else (len(labelled), self.min_steps)
        net = self._make_net(network, terms, seeds, callbacks, paired, n_rows, **changes)
        if not getattr(self, "interrupted_", False):  # in an earlier stage of this fit
            self._run(net, labelled, other, seeds, min_steps)
            ended = self.interrupted_ or net.ended_by_callback_
            if not ended and _falls_at_end(net.history[:, "task_loss"]):
                self._unfinished = net
        return net

    def _make_net(
        self: Any,
        network: Network,
        terms: Iterable[Term],
        seeds,
        callbacks=(),
        paired: bool = True,
        n_rows: int = 0,
        **changes,
    ) -> DeepNet:
        """Make the net that trains a network by so many rows, ready for the first step."""
        device = self._device()
        with seeded(seeds["alignments"], device):
            terms = attached(terms, network, paired)
        if self._last_net is not None:
            for new, old in zip(terms, self._last_net.alignments_):
                if _shapes(new) == _shapes(old) and type(new) is type(old):
                    new.load_state_dict(old.state_dict())
        if any(term.decays_weights for term in terms):
            n_rows = 0  # no penalty but the term's
        optimizer, options = self._optimizer(n_rows)
        callbacks = [*(copy.deepcopy(self.callbacks) or ()), *callbacks]
        if self.verbose > 1:
            callbacks.append(("progress_bar", ProgressBar()))
        settings: dict[str, Any] = {
            "alignments": terms,
            "lam": self._lam(),
            "lr": self.lr,
            "lr_schedule": self._lr_schedule(),
            "mixed_precision": self.mixed_precision,
            "optimizer": optimizer,
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "device": str(device),
            "verbose": self.verbose,
            "callbacks": callbacks or None,
            **options,
            **changes,
        }
        net = DeepNet(network, **settings).initialize()
        if self.weight_decay == "auto" and self._weight_decay(n_rows):
            _spare(net.optimizer_, net.alignments_)
        return net

    def _run(
        self: Any,
        net: DeepNet,
        labelled: Domain,
        other: Domain | None,
        seeds,
        min_steps: int,
        epochs: int | None = None,
    ) -> None:
        """Train a net on rows, and validate it by those that are held out of them.

        Other rows without a label go through the network only if a term looks at them: else they
        would teach it nothing, but move a module's running statistics.
        """
        held_out = other and other.held_out
        if other and not any(term.needs.unlabelled_target for term in net.alignments_):
            other = other.labelled_rows() if other.labelled.any() else None
        batches = self._paired_batches(labelled, other, (seeds["source"], seeds["target"]))
        if labelled.held_out is not None and len(labelled.held_out):
            # Their order is drawn once: every epoch is judged by the same batches.
            validation = (seeds["validation"], seeds["validation"] + 1)
            batches.held_out = self._paired_batches(
                labelled.held_out, held_out, validation, repeat=True
            )
        if net.max_epochs == "auto":
            net.max_epochs = max(_AUTO_EPOCHS, math.ceil(min_steps / len(batches)))
        n_past = len(net.history)
        if not n_past:
            for term in net.alignments_:
                term.begin(net.module_, batches.labelled.in_order())
        if is_deterministic(net.module_, net.alignments_):
            net.partial_fit(batches, epochs=epochs)
        else:  # dropout, or a module of the user's that may draw random numbers
            with seeded(seeds["training"], self._device()):
                net.partial_fit(batches, epochs=epochs)
        for epoch in net.history[n_past:]:  # an entry per batch: they would grow with the data
            epoch["batches"] = []
        self.interrupted_ = net.interrupted_

    def _paired_batches(
        self: Any, labelled: Domain, other: Domain | None, seeds, **options
    ) -> PairedBatches:
        return PairedBatches(
            (labelled.X, self._label_tensor(labelled), labelled.ids),
            other and (other.X, self._label_tensor(other), other.ids),
            self.batch_size * n_processes(),
            seeds,
            self._device(),
            balanced=self._balanced_batches,
            **options,
        )

    def _set_results(self: Any) -> None:
        """Set the fitted attributes that describe ``net_``."""
        network = self.net_.module_
        self.history_ = self.net_.history
        self.n_iter_ = len(self.history_)
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        network.eval()
        self._dtype = best_dtype(network, self.n_features_in_)
        self._architecture = self._describe_architecture()

    def _device(self: Any) -> torch.device:
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(
                f"device must be one of torch's, such as 'cpu' or 'cuda'; got {self.device!r}."
            ) from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f"device is {self.device!r}, but torch sees no CUDA device here: use device='cpu'."
            )
        return device

    def _lam(self: Any):
        lam = getattr(self, "lam", 1.0)  # without a λ, the weights of terms are all that counts
        if lam == "auto":
            lam = self._auto_lam()
        if lam == "ramp":
            return Ramp()
        return lam if callable(lam) else _Constant(lam)

    def _auto_lam(self) -> float:
        """Return the λ that a method whose `lam` may be "auto" finds for the data."""
        raise NotImplementedError

    def _lr_schedule(self: Any):
        if self.lr_schedule == "constant":
            return None
        return inverse_decay if self.lr_schedule == "decay" else self.lr_schedule

    def _optimizer(self: Any, n_rows: int):
        """Return the optimiser's class and its options under skorch's names."""
        options: dict[str, Any] = {}
        if weight_decay := self._weight_decay(n_rows):
            options["optimizer__weight_decay"] = weight_decay
        if self.optimizer == "adam":
            return torch.optim.Adam, {"optimizer__fused": True, **options}
        if self.optimizer == "sgd":
            options["optimizer__momentum"] = self.momentum
            return torch.optim.SGD, {"optimizer__fused": True, **options}
        return self.optimizer, options

    def _weight_decay(self: Any, n_rows: int) -> float:
        """Return the L2 penalty for so many labelled rows; none for weights that begin learnt."""
        if self.weight_decay != "auto":
            return self.weight_decay
        if self.module is not None or callable(self.optimizer) or not n_rows:
            return 0.0
        return _MOST_DECAY * min(1.0, _ROWS_OF_MOST_DECAY / n_rows)


class _Constant:
    """A λ that stays as it is."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, progress: float) -> float:
        return self.value


def seeds_of_call(seeds: dict[str, int], n_past: int) -> dict[str, int]:
    """Return seeds of their own for a training that begins after some epochs."""
    if not n_past:
        return seeds
    return {
        name: int(np.random.SeedSequence([seed, n_past]).generate_state(1)[0])
        for name, seed in seeds.items()
    }


def copy_of_net(net: DeepNet) -> DeepNet:
    """Return a copy to train further; the past epochs' records are shared."""
    twin = object.__new__(type(net))
    history = net.history
    twin.__dict__.update(copy.deepcopy(vars(net), {id(history): type(history)(history)}))
    return twin


def _spare(optimizer: torch.optim.Optimizer, terms: nn.Module) -> None:
    """Let no penalty weaken what is trained against the network, such as a discriminator."""
    own = set(terms.parameters())
    for group in list(optimizer.param_groups):
        spared = [p for p in group["params"] if p in own]
        if spared:
            group["params"] = [p for p in group["params"] if p not in own]
            optimizer.add_param_group({**group, "params": spared, "weight_decay": 0.0})


def _falls_at_end(losses: Sequence[float]) -> bool:
    """Tell whether each of the last two tenths of the epochs still lowered the loss clearly.

    Fewer than ten epochs are too few to tell a fall from chance.
    """
    tenth = len(losses) // 10
    if not tenth:
        return False
    earlier, before, last = np.reshape(losses[-3 * tenth :], (3, tenth)).mean(axis=1)
    clearly = _CLEAR_FALL * max(losses[0] - last, _LEAST_FALL * losses[0])
    return bool(min(earlier - before, before - last) > clearly)


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}
