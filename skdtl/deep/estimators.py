"""The estimators of the deep engine: any network, any combination of alignment losses."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from skorch.callbacks import ProgressBar
from torch import Tensor, nn
from torch.nn import functional as F

from .._params import Bool, Callable, Instance, Int, OneOf, Real, SequenceOf, check_params
from ..base import Domain, DomainTransformerMixin, TransferEstimator, TransferTags
from ._holdout import hold_out
from .alignments import Alignment
from .inference import best_dtype, best_outputs, infer
from .net import (
    ACTIVATIONS,
    DeepNet,
    Network,
    PairedBatches,
    TrainingInterruptedWarning,
    hidden_layers,
    initialized_alignments,
    seeded,
    split_layers,
)
from .parallel import Processes, n_processes
from .schedules import Ramp, inverse_decay
from .weights import WeightsMixin

__all__ = ["DeepTransferClassifier", "DeepTransferRegressor"]


class _Layer:
    """A layer of the network."""

    def accepts(self, value) -> bool:
        return Int().accepts(value) or value == "output"

    def __str__(self):
        return "an int or 'output'"


NETWORK_PARAMS: dict[str, Any] = {
    "module": (None, Callable()),
    "hidden_layer_sizes": SequenceOf(Int(1), min_length=1),
    "activation": OneOf(*ACTIVATIONS),
}
TRAINING_PARAMS: dict[str, Any] = {
    "lr": Real(0, None, closed="neither"),
    "lr_schedule": (OneOf("constant", "decay"), Callable()),
    "optimizer": (OneOf("adam", "sgd"), Callable()),
    "momentum": Real(0, 1, closed="left"),
    "weight_decay": Real(0, None),
    "max_epochs": Int(1),
    "batch_size": Int(1),
    "validation_fraction": Real(0, 1, closed="left"),
    "warm_start": Bool(),
    "mixed_precision": Bool(),
    "device": Instance(str, torch.device),
    "callbacks": (None, Instance(list, tuple)),
    "verbose": Int(0),
}
LAM: Any = (Real(0, None), OneOf("ramp"), Callable())
LAYERS: Any = (None, Int(), OneOf("output"), SequenceOf(_Layer(), min_length=1))


class _MaskedCrossEntropy(nn.CrossEntropyLoss):
    """Mean cross-entropy over the rows that have a label (not -1)."""

    def __init__(self):
        super().__init__(ignore_index=-1)


class _MaskedSquaredError(nn.Module):
    """Mean squared error over the rows that have a label (not NaN)."""

    def forward(self, prediction: Tensor, y: Tensor) -> Tensor:
        labelled = ~y.isnan()
        return F.mse_loss(prediction[labelled, 0], y[labelled])


def _offers_partial_fit(estimator) -> bool:
    """Tell, for available_if, whether a fit is one training of one network."""
    if estimator._trains_once():
        return True
    raise AttributeError(
        f"{type(estimator).__name__} with these parameters trains in stages: it has no partial_fit."
    )


class DeepTransferEstimator(WeightsMixin, DomainTransformerMixin, TransferEstimator):
    """What all deep estimators share: build a network, train it on paired batches, apply it.

    A method overrides ``_alignments``, and ``_layers`` or ``_fit`` where it needs more. Whatever
    it does in ``_fit``, it makes its networks by ``_network`` and trains them by ``_train``: these
    know how to hold rows out, to go on from an earlier fit and to stop after an interruption.
    ``_fit`` is given the rows that are not held out; ``_train`` finds the others in ``held_out``.
    """

    # What the network's architecture hangs on: parameters, and attributes that a fit has set.
    # ``load_weights``, ``warm_start`` and ``partial_fit`` compare the former and keep the latter.
    _network_params: ClassVar[tuple[str, ...]] = ("module", "hidden_layer_sizes", "activation")
    _network_attributes: ClassVar[tuple[str, ...]] = ("input_shape_",)

    # While a warm-started fit runs, the net of the last one.
    _last_net: DeepNet | None = None

    __metadata_request__partial_fit = {
        "Xs": UNUSED,
        "ys": UNUSED,
        "Xt": True,
        "yt": True,
        "classes": True,
        "sample_domain": True,
        "hide_target_labels": True,
    }

    alignments: Sequence[Alignment] = ()
    lam: Any = 1.0
    momentum: float = 0.9

    # -- building blocks of a method ---------------------------------------------------------

    def _alignments(self) -> Sequence[Alignment]:
        """Return the alignment losses; the fit works on copies."""
        return self.alignments

    def _layers(self) -> list[nn.Module]:
        """Return new hidden layers: the user's own module, or fully connected ones."""
        module: Any = self.module
        if module is None:
            return hidden_layers(self.n_features_in_, self.hidden_layer_sizes, self.activation)
        shape = getattr(self, "input_shape_", None)
        if not isinstance(module, nn.Module):
            module = module(shape or self.n_features_in_)
            if not isinstance(module, nn.Module):
                raise ValueError(
                    f"module must be or return a torch.nn.Module; it returned {module!r}."
                )
        layers = split_layers(copy.deepcopy(module).cpu())
        if shape:  # rows arrive flat
            layers[0] = nn.Sequential(nn.Unflatten(1, shape), layers[0])
        return layers

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self._set_label_scale(source, target)
        network = self._network(source, seeds)
        # Also without a target: one may come with a later piece of rows (partial_fit).
        self.net_ = self._train(network, source, both, seeds, self._alignments())
        self._set_results()

    def _trains_once(self) -> bool:
        """Tell whether a fit is one training of one network, so that ``partial_fit`` is possible.

        A method whose ``_fit`` is its own says so itself, if it is; ``_rebuild_network`` must then
        be able to make the network before anything is trained.
        """
        return type(self)._fit is DeepTransferEstimator._fit

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        """Make the network that the fitted attributes speak of, with new weights.

        For ``load_weights`` and the first call of ``partial_fit``. A method whose network is not
        what ``_network(rows, seeds)`` makes overrides it. It may rely on the parameters, on
        ``n_features_in_`` and ``classes_``, and on the attributes named in
        ``_network_attributes``; `rows` tells no more than how many columns there are.
        """
        return self._network(rows, seeds)

    # -- around every fit ----------------------------------------------------------------------

    @contextmanager
    def _prepared(
        self, source: Domain, target: Domain, before: dict[str, Any]
    ) -> Iterator[tuple[Domain, Domain]]:
        if self.warm_start and "net_" in before:
            self._check_continues(before, "warm_start=True goes on from the last fit")
            for name in self._network_attributes:
                if name in before:
                    setattr(self, name, before[name])  # what was chosen stands
            self._last_net = before["net_"]
        if self.validation_fraction:
            # A copy: a RandomState that is drawn from twice would change the other seeds.
            seed = self._seeds(copy.deepcopy(self.random_state))["validation"]
            source, target = hold_out(source, target, self.validation_fraction, seed)
        yield source, target
        if self._last_net is not None:
            del self._last_net
        self._warn_if_interrupted(stacklevel=5)

    def _check_continues(self, before: dict[str, Any], what: str) -> None:
        """Make sure that training can go on where an earlier one ended."""
        if self.n_features_in_ != before["n_features_in_"]:
            raise ValueError(
                f"{what}, which had {before['n_features_in_']} features, but now Xs has "
                f"{self.n_features_in_}."
            )
        shape, old_shape = (mapping.get("input_shape_") for mapping in (vars(self), before))
        if shape != old_shape:
            raise ValueError(
                f"{what}, whose samples had the shape {old_shape or (self.n_features_in_,)}, but "
                f"now Xs has samples of shape {shape or (self.n_features_in_,)}."
            )
        names = ("classes_", "source_classes_", "feature_names_in_", *self._network_attributes)
        for name in names:
            new, old = (mapping.get(name) for mapping in (vars(self), before))
            if new is not None and old is not None and not np.array_equal(new, old):
                raise ValueError(
                    f"{what}, whose {name} was {np.asarray(old).tolist()}, but now it is "
                    f"{np.asarray(new).tolist()}."
                )
        self._check_architecture(before["_architecture"], what)

    def _warn_if_interrupted(self, stacklevel: int) -> None:
        if self.interrupted_:
            warnings.warn(
                f"The training was interrupted: {type(self).__name__} is fitted by what it had "
                f"learnt until then, {self.n_iter_} complete epochs of {self.max_epochs} in its "
                "last stage (interrupted_ is True).",
                TrainingInterruptedWarning,
                stacklevel=stacklevel,
            )

    @available_if(_offers_partial_fit)
    def partial_fit(
        self,
        Xs,
        ys,
        Xt=None,
        yt=None,
        *,
        classes=None,
        sample_domain=None,
        hide_target_labels=False,
    ):
        """Train one epoch on the given rows, from where the training stands.

        For rows that come in pieces: the network, its optimizer and the alignments go on from the
        last call, or from a fit. Both call forms of ``fit`` are possible. The training progress p
        that schedules follow is the number of epochs done by `max_epochs`, at most 1. Labels of a
        regressor are standardised by the first piece's mean and standard deviation. Parameters
        that are changed between the calls, other than `max_epochs`, `batch_size` and
        `validation_fraction`, count from the next ``fit`` on.

        Parameters
        ----------
        Xs : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        ys : array-like of shape (n_s,)
            Source labels; in stacked form the labels of all rows.
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows.
        yt : array-like of shape (n_t,), default=None
            Target labels; missing ones are marked as in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            A classifier's classes, of which a piece may lack some. Needed in the first call where
            `ys` does not hold all of them.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows, negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For an illegal parameter or illegal data, or where the training diverges. The
            estimator is left as it was.
        """
        begun = hasattr(self, "net_")
        with self._all_or_nothing() as before:
            check_params(self)
            if is_classifier(self):
                classes = self._known_classes(classes)
            source, target = self._check_domains(
                Xs, ys, Xt, yt, sample_domain, hide_target_labels, classes, not begun
            )
            if begun:
                self._check_continues(before, "partial_fit goes on from the last training")
            n_past = len(self.net_.history) if begun else 0
            seeds = _seeds_of_call(self._seeds(), n_past)
            if self.validation_fraction:
                fraction = self.validation_fraction
                source, target = hold_out(source, target, fraction, seeds["validation"])
            if begun:
                net = _copy_of_net(self.net_)  # after an error the old one is as it was
            else:
                self._set_label_scale(source, target)
                net = self._make_net(
                    self._rebuild_network(source, seeds), self._alignments(), seeds
                )
            net.max_epochs = self.max_epochs
            self.interrupted_ = False
            self._run(net, source, None if target is source else target, seeds, epochs=1)
            self.net_ = net
            self._set_results()
            self._warn_if_interrupted(stacklevel=3)
        return self

    def _known_classes(self, classes):
        """Return the classes that ``partial_fit`` knows of, or None."""
        known = getattr(self, "classes_", None)
        if classes is None:
            return known
        classes = np.unique(classes)
        if len(classes) < 2:
            raise ValueError(f"classes must hold at least 2 classes; got {classes.tolist()}.")
        if known is not None and not np.array_equal(classes, known):
            raise ValueError(
                f"classes is {classes.tolist()}, but the last training's were {known.tolist()}."
            )
        return classes

    # -- networks and their training -----------------------------------------------------------

    def _seeds(self, random_state=None) -> dict[str, int]:
        """Draw a seed for everything that is random, each independent of the others."""
        given = self.random_state if random_state is None else random_state
        # A new name goes to the end: the others' seeds then stay what they are.
        names = ("network", "head", "alignments", "source", "target", "training", "validation")
        seeds = check_random_state(given).randint(2**31 - 1, size=len(names))
        drawn = dict(zip(names, seeds.tolist()))
        return Processes().first_ones(drawn) if n_processes() > 1 else drawn

    def _network(self, rows: Domain, seeds, make_layers=None, n_outputs=None) -> Network:
        """Make a network for some rows: its hidden layers and a new head.

        A warm-started fit's has the weights of the last fit's network.
        """
        example = torch.as_tensor(np.array(rows.X[:2], dtype=np.float32))
        with seeded(seeds["network"], self._device()):
            layers = (make_layers or self._layers)()
            network = Network(layers, n_outputs or self._n_outputs(), example)
        if self._last_net is not None:
            self._continue(network, self._last_net.module_)
        return network

    def _continue(self, module: nn.Module, last: nn.Module) -> None:
        """Give a module the last fit's weights; a head for other classes keeps its new ones."""
        old, state = last.state_dict(), module.state_dict()
        for name, value in state.items():
            shapes = [list(value.shape), list(old[name].shape) if name in old else None]
            if shapes[0] == shapes[1]:
                state[name] = old[name]
            elif not name.startswith("head."):
                raise ValueError(
                    "warm_start=True goes on from the last fit, but the network has changed: "
                    f"{name} has the shape {shapes[0]}, the last fit's {shapes[1]}."
                )
        module.load_state_dict(state)

    def _train(
        self,
        network: Network,
        source: Domain,
        target: Domain | None,
        seeds,
        alignments: Sequence[Alignment] | None = None,
        callbacks=(),
        **changes,
    ) -> DeepNet:
        """Train a network, with alignments if there is a target; return the fitted net.

        `callbacks` are the method's own, in addition to the user's; `changes` are parameters of the
        net that differ from the estimator's. After an interruption the network stays as it is.
        """
        if alignments is None:
            alignments = () if target is None else self._alignments()
        net = self._make_net(network, alignments, seeds, callbacks, **changes)
        if not getattr(self, "interrupted_", False):  # in an earlier stage of this fit
            self._run(net, source, target, seeds)
        return net

    def _make_net(
        self, network: Network, alignments: Sequence[Alignment], seeds, callbacks=(), **changes
    ) -> DeepNet:
        """Make the net that trains a network, ready for the first step."""
        device = self._device()
        with seeded(seeds["alignments"], device):
            alignments = initialized_alignments(alignments, network.widths, network.n_outputs)
        if self._last_net is not None:
            for new, old in zip(alignments, self._last_net.alignments_):
                if _shapes(new) == _shapes(old) and type(new) is type(old):
                    new.load_state_dict(old.state_dict())
        optimizer, options = self._optimizer()
        callbacks = [*(copy.deepcopy(self.callbacks) or ()), *callbacks]
        if self.verbose > 1:
            callbacks.append(("progress_bar", ProgressBar()))
        settings: dict[str, Any] = {
            "criterion": self._criterion,
            "alignments": alignments,
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
        return DeepNet(network, **settings).initialize()

    def _run(
        self, net: DeepNet, source: Domain, target: Domain | None, seeds, epochs: int | None = None
    ) -> None:
        """Train a net on rows, and validate it by those that are held out of them."""
        batches = self._paired_batches(source, target, (seeds["source"], seeds["target"]))
        if source.held_out is not None and len(source.held_out):
            held_out = target and target.held_out
            # Their order is drawn once: every epoch is judged by the same batches.
            validation = (seeds["validation"], seeds["validation"] + 1)
            batches.held_out = self._paired_batches(
                source.held_out, held_out, validation, repeat=True
            )
        n_past = len(net.history)
        if net.module_.is_deterministic() and not any(_foreign(a) for a in net.alignments_):
            net.partial_fit(batches, epochs=epochs)
        else:  # dropout, or a module of the user's that may draw random numbers
            with seeded(seeds["training"], self._device()):
                net.partial_fit(batches, epochs=epochs)
        for epoch in net.history[n_past:]:  # an entry per batch: they would grow with the data
            epoch["batches"] = []
        self.interrupted_ = net.interrupted_

    def _paired_batches(
        self, source: Domain, target: Domain | None, seeds, **options
    ) -> PairedBatches:
        return PairedBatches(
            (source.X, self._label_tensor(source)),
            target and (target.X, self._label_tensor(target)),
            self.batch_size * n_processes(),
            seeds,
            self._device(),
            **options,
        )

    def _set_results(self) -> None:
        """Set the fitted attributes that describe ``net_``."""
        network = self.net_.module_
        self.history_ = self.net_.history
        self.n_iter_ = len(self.history_)
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        self._n_features_out = network.widths[-1]
        network.eval()
        self._dtype = best_dtype(network, self.n_features_in_)
        self._architecture = self._describe_architecture()

    def _check_array_options(self) -> dict[str, Any]:
        # Images are often bytes: as floats they would take eight times the memory.
        options = super()._check_array_options()
        return {**options, "dtype": [*options["dtype"], np.uint8]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _device(self) -> torch.device:
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

    def _lam(self):
        if self.lam == "ramp":
            return Ramp()
        return self.lam if callable(self.lam) else _Constant(self.lam)

    def _lr_schedule(self):
        if self.lr_schedule == "constant":
            return None
        return inverse_decay if self.lr_schedule == "decay" else self.lr_schedule

    def _optimizer(self):
        """Return the optimiser's class and its options under skorch's names."""
        options: dict[str, Any] = {}
        if self.weight_decay:
            options["optimizer__weight_decay"] = self.weight_decay
        if self.optimizer == "adam":
            return torch.optim.Adam, {"optimizer__fused": True, **options}
        if self.optimizer == "sgd":
            options["optimizer__momentum"] = self.momentum
            return torch.optim.SGD, {"optimizer__fused": True, **options}
        return self.optimizer, options

    # -- what differs between classifiers and regressors -----------------------------------------

    _criterion: ClassVar[type[nn.Module]]

    def _n_outputs(self) -> int:
        raise NotImplementedError

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        raise NotImplementedError

    def _set_label_scale(self, source: Domain, target: Domain) -> None:
        """Learn the units of the labels, if they have any."""

    # -- inference ---------------------------------------------------------------------------------

    def _inference_network(self, domain: str = "target") -> Network:
        """Return the network that maps, or predicts, rows of a domain."""
        return self.net_.module_.for_domain(domain)

    def _output(self, X) -> np.ndarray:
        """Return the head's output for validated rows."""
        return infer(self._inference_network(), X, self._dtype, lambda layers, output: output)

    def _map(self, X, domain: str):
        # The features of the last hidden layer.
        network = self._inference_network(domain)
        return infer(network, X, self._dtype, lambda layers, output: layers[-1])


class DeepTransferClassifierBase(ClassifierMixin, DeepTransferEstimator):
    """A deep classifier: class logits, cross-entropy."""

    _criterion = _MaskedCrossEntropy

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        return torch.as_tensor(domain.y) if domain.labelled.any() else None

    def predict(self, X):
        """Predict the classes of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        X = self._check_X(X)
        return self.classes_[best_outputs(self._inference_network(), X, self._dtype)]

    def predict_proba(self, X):
        """Predict the class probabilities of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self._output(self._check_X(X))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
        return odds / odds.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X):
        """Predict the logarithms of the class probabilities of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self._output(self._check_X(X)).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def decision_function(self, X):
        """Return the logits of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            One column per class; for two classes the second's logit minus the first's.
        """
        logits = self._output(self._check_X(X))
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


class DeepTransferRegressorBase(RegressorMixin, DeepTransferEstimator):
    """A deep regressor: one output, squared error on standardised labels."""

    _criterion = _MaskedSquaredError

    def _n_outputs(self) -> int:
        return 1

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        if not domain.labelled.any():
            return None
        return torch.as_tensor((domain.y - self._y_mean) / self._y_scale, dtype=torch.float32)

    def _set_label_scale(self, source: Domain, target: Domain) -> None:
        if self._last_net is not None:
            return  # its weights are for the last fit's units
        # The source's units, or the target's where there is no source: the same for all domains.
        y = source.y if len(source) else target.y[target.labelled]
        self._y_mean = float(y.mean())
        self._y_scale = float(y.std()) or 1.0

    def predict(self, X):
        """Predict the labels of target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Target rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        output = self._output(self._check_X(X))[:, 0]
        return output.astype(np.float64) * self._y_scale + self._y_mean


class _Constant:
    """A λ that stays as it is."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, progress: float) -> float:
        return self.value


def _seeds_of_call(seeds: dict[str, int], n_past: int) -> dict[str, int]:
    """Return seeds of their own for a training that begins after some epochs."""
    if not n_past:
        return seeds
    return {
        name: int(np.random.SeedSequence([seed, n_past]).generate_state(1)[0])
        for name, seed in seeds.items()
    }


def _copy_of_net(net: DeepNet) -> DeepNet:
    """Return a copy to train further; the past epochs' records are shared."""
    twin = object.__new__(type(net))
    history = net.history
    twin.__dict__.update(copy.deepcopy(vars(net), {id(history): type(history)(history)}))
    return twin


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


def _foreign(alignment: Alignment) -> bool:
    """Tell whether an alignment is not ours, and may draw random numbers."""
    return not type(alignment).__module__.startswith("skdtl.")


class _AnyAlignments(DeepTransferEstimator):
    """The constructor of the twins below."""

    _params: ClassVar[dict[str, Any]] = {
        "alignments": SequenceOf(Instance(Alignment)),
        "lam": LAM,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        alignments=(),
        lam=1.0,
        *,
        module=None,
        hidden_layer_sizes=(100,),
        activation="relu",
        lr=1e-3,
        lr_schedule="constant",
        optimizer="adam",
        momentum=0.9,
        weight_decay=0.0,
        max_epochs=100,
        batch_size=128,
        validation_fraction=0.0,
        warm_start=False,
        mixed_precision=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.alignments = alignments
        self.lam = lam
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.mixed_precision = mixed_precision
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transfer_tags = TransferTags("used", unlabelled_target=bool(self.alignments))
        return tags


class DeepTransferClassifier(_AnyAlignments, DeepTransferClassifierBase):
    """Train a network on the source whose features look alike in both domains.

    The network minimises  L = cross-entropy + λ Σ_k w_k Ω_k(source, target): each alignment Ω_k is
    a paper's measure of how far apart the domains still are, and they can be combined, which no
    named method does. Use it for combinations and for networks of your own; for one paper's method
    use its class (:class:`~skdtl.DDC`, :class:`~skdtl.DANN`). Aligning presumes that the classes
    are about as frequent in the target as in the source, and that the label depends on the aligned
    features in the same way; where it does not, alignment can harm: compare with
    ``alignments=()``. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    alignments : sequence of Alignment, default=()
        The alignment losses, such as ``[MMD(0.5), DomainAdversary()]``; the fit works on copies.
        Without any, the network is trained on the labelled rows alone.
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more, by which all alignments' weights are multiplied. "ramp" rises from 0 to 1
        over the training (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training
        progress p, which runs from 0 to 1. With 0 the network is the one without alignments.
    module : nn.Module, callable or None, default=None
        A backbone of your own, from samples (float32) to features. An instance keeps its weights,
        pre-trained ones for example, and is copied, never changed; a class
        (:class:`~skdtl.deep.LeNet`) or another callable is called with the number of features, or
        where X has more than two dimensions with the shape of a sample, and returns one. None means
        fully connected layers.
    hidden_layer_sizes : sequence of int, default=(100,)
        The widths of the fully connected hidden layers, 1 or more each; used where `module` is
        None.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Their activation.
    lr : float, default=1e-3
        The learning rate, more than 0.
    lr_schedule : {"constant", "decay"} or callable, default="constant"
        "decay" divides the learning rate by (1 + 10 p)^0.75, before every step; a callable gives
        the factor for the training progress p.
    optimizer : {"adam", "sgd"} or callable, default="adam"
        The optimiser; a torch.optim class is one such callable.
    momentum : float, default=0.9
        The momentum of "sgd", in [0, 1).
    weight_decay : float, default=0.0
        The L2 penalty on all weights, 0 or more.
    max_epochs : int, default=100
        Passes over the longer of the two domains, 1 or more.
    batch_size : int, default=128
        At most so many rows of each domain are in a batch, 1 or more.
    validation_fraction : float, default=0.0
        The share of each domain's rows, in [0, 1), that is held out of the training. After every
        epoch ``history_`` has ``valid_loss``, the loss on them, and for classes
        ``valid_information``, for callbacks such as skorch's EarlyStopping to watch: no target
        label is needed.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last fit.
    mixed_precision : bool, default=False
        Whether the network computes in bfloat16 while it trains, which is faster on many GPUs.
    device : str or torch.device, default="cpu"
        Where to train, for instance "cuda".
    callbacks : list or None, default=None
        skorch callbacks; the fit works on copies, to be found in ``net_``.
    verbose : int, default=0
        1 prints skorch's table of epochs, 2 a progress bar too.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and of the rows' order.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; the network is ``net_.module_``.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    history_ : skorch.history.History
        What happened in each epoch: ``train_loss``, of which
        ``task_loss``, ``lam`` and what the alignments saw.
    loss_curve_ : list of float
        The training loss of each epoch.
    n_iter_ : int
        The number of epochs.
    n_features_in_ : int
        The number of features.
    input_shape_ : tuple of int
        The shape of a sample; only where X had more than two dimensions.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    DeepTransferRegressor : The same for numbers.

    Notes
    -----
    Every batch holds rows of both domains. An epoch is one pass over the longer domain, the shorter
    one is cycled. Both domains go through the network in one forward pass, so a module's batch
    normalisation sees both. A labelled target row joins the task loss in the batches in which it
    appears, where it counts as much as a source row. An adversary's λ scales the gradient that
    reaches the network, not the discriminator's own. Training is in float32, prediction in float64
    on the CPU, so that predictions do not depend on which rows are predicted together.

    References
    ----------
    Tan, Sun, Kong, Zhang, Yang, Liu. A survey on deep transfer learning. ICANN 2018 (equation 2).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepTransferClassifier
    >>> from skdtl.deep import MMD, DomainAdversary
    >>> rng = np.random.default_rng(0)
    >>> ys = np.repeat(["healthy", "ill"], 50)
    >>> Xs = rng.normal(size=(100, 2)) + 3 * (ys == "ill")[:, None]
    >>> Xt = Xs + [1.5, -0.5]
    >>> model = DeepTransferClassifier([MMD(0.5), DomainAdversary()], random_state=0)
    >>> model.fit(Xs, ys, Xt).score(Xt, ys) > 0.9
    True
    """


class DeepTransferRegressor(_AnyAlignments, DeepTransferRegressorBase):
    """Train a regression network on the source whose features look alike in both domains.

    The network minimises  L = squared error + λ Σ_k w_k Ω_k(source, target): each alignment Ω_k is
    a paper's measure of how far apart the domains still are, and they can be combined, which no
    named method does. Use it for combinations and for networks of your own; for one paper's method
    use its class (:class:`~skdtl.DDCRegressor`, :class:`~skdtl.DANNRegressor`). Aligning presumes
    that the labels are distributed in the target about as in the source, and that the label depends
    on the aligned features in the same way; where it does not, alignment can harm: compare with
    ``alignments=()``. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    alignments : sequence of Alignment, default=()
        The alignment losses, such as ``[MMD(0.5), DomainAdversary()]``; the fit works on copies.
        Without any, the network is trained on the labelled rows alone.
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more, by which all alignments' weights are multiplied. "ramp" rises from 0 to 1
        over the training (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training
        progress p, which runs from 0 to 1. With 0 the network is the one without alignments.
    module : nn.Module, callable or None, default=None
        A backbone of your own, from samples (float32) to features. An instance keeps its weights,
        pre-trained ones for example, and is copied, never changed; a class
        (:class:`~skdtl.deep.LeNet`) or another callable is called with the number of features, or
        where X has more than two dimensions with the shape of a sample, and returns one. None means
        fully connected layers.
    hidden_layer_sizes : sequence of int, default=(100,)
        The widths of the fully connected hidden layers, 1 or more each; used where `module` is
        None.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Their activation.
    lr : float, default=1e-3
        The learning rate, more than 0.
    lr_schedule : {"constant", "decay"} or callable, default="constant"
        "decay" divides the learning rate by (1 + 10 p)^0.75, before every step; a callable gives
        the factor for the training progress p.
    optimizer : {"adam", "sgd"} or callable, default="adam"
        The optimiser; a torch.optim class is one such callable.
    momentum : float, default=0.9
        The momentum of "sgd", in [0, 1).
    weight_decay : float, default=0.0
        The L2 penalty on all weights, 0 or more.
    max_epochs : int, default=100
        Passes over the longer of the two domains, 1 or more.
    batch_size : int, default=128
        At most so many rows of each domain are in a batch, 1 or more.
    validation_fraction : float, default=0.0
        The share of each domain's rows, in [0, 1), that is held out of the training. After every
        epoch ``history_`` has ``valid_loss``, the loss on them, and for classes
        ``valid_information``, for callbacks such as skorch's EarlyStopping to watch: no target
        label is needed.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last fit.
    mixed_precision : bool, default=False
        Whether the network computes in bfloat16 while it trains, which is faster on many GPUs.
    device : str or torch.device, default="cpu"
        Where to train, for instance "cuda".
    callbacks : list or None, default=None
        skorch callbacks; the fit works on copies, to be found in ``net_``.
    verbose : int, default=0
        1 prints skorch's table of epochs, 2 a progress bar too.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and of the rows' order.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; the network is ``net_.module_``.
    history_ : skorch.history.History
        What happened in each epoch: ``train_loss``, of which
        ``task_loss``, ``lam`` and what the alignments saw.
    loss_curve_ : list of float
        The training loss of each epoch.
    n_iter_ : int
        The number of epochs.
    n_features_in_ : int
        The number of features.
    input_shape_ : tuple of int
        The shape of a sample; only where X had more than two dimensions.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns' names; only where the rows came as DataFrames.

    Raises
    ------
    ValueError
        Where the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    DeepTransferClassifier : The same for classes.

    Notes
    -----
    Labels are standardised inside, so that `lr` doesn't depend on their units. Every batch holds
    rows of both domains. An epoch is one pass over the longer domain, the shorter one is cycled.
    Both domains go through the network in one forward pass, so a module's batch
    normalisation sees both. A labelled target row joins the task loss in the batches in which it
    appears, where it counts as much as a source row. An adversary's λ scales the gradient that
    reaches the network, not the discriminator's own. Training is in float32, prediction in float64
    on the CPU, so that predictions do not depend on which rows are predicted together.

    References
    ----------
    Tan, Sun, Kong, Zhang, Yang, Liu. A survey on deep transfer learning. ICANN 2018 (equation 2).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepTransferRegressor
    >>> from skdtl.deep import MMD
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepTransferRegressor([MMD(0.1)], random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """
