"""The estimators of the deep engine: any network, any combination of alignment losses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from skorch.callbacks import ProgressBar
from torch import Tensor, nn
from torch.nn import functional as F

from .._params import Bool, Callable, Instance, Int, OneOf, Real, SequenceOf
from ..base import Domain, DomainTransformerMixin, TransferEstimator, TransferTags
from .alignments import Alignment
from .net import (
    ACTIVATIONS,
    DeepNet,
    Network,
    PairedBatches,
    hidden_layers,
    initialized_alignments,
    seeded,
    split_layers,
)
from .schedules import Ramp, inverse_decay

__all__ = ["DeepTransferClassifier", "DeepTransferRegressor"]

# Rows that go through the network at once in predict and transform: it bounds the memory.
_INFERENCE_ROWS = 4096


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
LAYERS: Any = (Int(), OneOf("output"), SequenceOf(_Layer(), min_length=1))


class _MaskedCrossEntropy(nn.CrossEntropyLoss):
    """Mean cross-entropy over the rows that have a label (not -1)."""

    def __init__(self):
        super().__init__(ignore_index=-1)


class _MaskedSquaredError(nn.Module):
    """Mean squared error over the rows that have a label (not NaN)."""

    def forward(self, prediction: Tensor, y: Tensor) -> Tensor:
        labelled = ~y.isnan()
        return F.mse_loss(prediction[labelled, 0], y[labelled])


class DeepTransferEstimator(DomainTransformerMixin, TransferEstimator):
    """What all deep estimators share: build a network, train it on paired batches, apply it.

    A method overrides ``_alignments``, and ``_layers`` or ``_fit`` where it needs more.
    """

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
        if not isinstance(module, nn.Module):
            module = module(self.n_features_in_)
            if not isinstance(module, nn.Module):
                raise ValueError(
                    f"module must be or return a torch.nn.Module; it returned {module!r}."
                )
        return split_layers(copy.deepcopy(module).cpu())

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self._set_label_scale(source, target)
        self.net_ = self._train(self._network(source, seeds), source, both, seeds)
        self._set_results()

    def _seeds(self) -> dict[str, int]:
        """Draw a seed for everything that is random, each independent of the others."""
        random_state = check_random_state(self.random_state)
        names = ("network", "head", "alignments", "source", "target", "training")
        return dict(zip(names, random_state.randint(2**31 - 1, size=len(names)).tolist()))

    def _network(self, rows: Domain, seeds, make_layers=None, n_outputs=None) -> Network:
        """Make a network for some rows: its hidden layers and a new head."""
        example = torch.as_tensor(np.array(rows.X[:2], dtype=np.float32))
        with seeded(seeds["network"], self._device()):
            layers = (make_layers or self._layers)()
            return Network(layers, n_outputs or self._n_outputs(), example)

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
        net that differ from the estimator's.
        """
        device = self._device()
        if target is None:
            alignments = ()
        elif alignments is None:
            alignments = self._alignments()
        with seeded(seeds["alignments"], device):
            alignments = initialized_alignments(
                alignments, network.widths, network.head.out_features
            )
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
            "optimizer": optimizer,
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "device": str(device),
            "verbose": self.verbose,
            "callbacks": callbacks or None,
            **options,
            **changes,
        }
        net = DeepNet(network, **settings)
        batches = PairedBatches(
            (source.X, self._label_tensor(source)),
            target and (target.X, self._label_tensor(target)),
            self.batch_size,
            (seeds["source"], seeds["target"]),
            device,
        )
        if network.is_deterministic() and not any(_foreign(a) for a in alignments):
            net.fit(batches)
        else:  # dropout, or a module of the user's that may draw random numbers
            with seeded(seeds["training"], device):
                net.fit(batches)
        for epoch in net.history:  # one entry per batch: they would grow with the training data
            epoch["batches"] = []
        return net

    def _set_results(self) -> None:
        """Set the fitted attributes that describe ``net_``."""
        network = self.net_.module_
        self.history_ = self.net_.history
        self.n_iter_ = len(self.history_)
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        self._n_features_out = network.widths[-1]
        network.eval()
        self._dtype = _inference_dtype(network, self.n_features_in_)

    def _device(self) -> torch.device:
        return torch.device(self.device)

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

    def _infer(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return the bottleneck's features and the head's output for validated rows."""
        network = self._inference_network()
        device = next(network.head.parameters()).device
        features, outputs = [], []
        with torch.no_grad():
            for start in range(0, len(X), _INFERENCE_ROWS):
                rows = np.array(X[start : start + _INFERENCE_ROWS])
                x = torch.as_tensor(rows, dtype=self._dtype, device=device)
                layers, output = network.activations(x)
                features.append(layers[-1].cpu().numpy())
                outputs.append(output.cpu().numpy())
        return np.concatenate(features), np.concatenate(outputs)

    def _inference_network(self) -> Network:
        """Return the network that predicts, which may differ from the trained one."""
        return copy.deepcopy(self.net_.module_).to(self._dtype).eval()

    def _map(self, X, domain: str):
        # The features of the last hidden layer; one network maps both domains.
        return self._infer(X)[0]


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
        logits = self._infer(self._check_X(X))[1]
        return self.classes_[logits.argmax(axis=1)]

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
        logits = self._infer(self._check_X(X))[1]
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
        logits = self._infer(self._check_X(X))[1].astype(np.float64)
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
        logits = self._infer(self._check_X(X))[1]
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
        output = self._infer(self._check_X(X))[1][:, 0]
        return output.astype(np.float64) * self._y_scale + self._y_mean


class _Constant:
    """A λ that stays as it is."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, progress: float) -> float:
        return self.value


def _foreign(alignment: Alignment) -> bool:
    """Tell whether an alignment is not ours, and may draw random numbers."""
    return not type(alignment).__module__.startswith("skdtl.")


def _inference_dtype(network: Network, n_features: int) -> torch.dtype:
    """Return float64, or float32 where the device or the user's module can't do it.

    In float64 predictions don't depend on which rows are predicted together.
    """
    device = next(network.head.parameters()).device
    if device.type != "cpu":
        return torch.float32
    try:
        with torch.no_grad():
            copy.deepcopy(network).double()(torch.zeros(1, n_features, dtype=torch.float64))
    except RuntimeError:
        return torch.float32
    return torch.float64


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
        A backbone of your own, from rows (float32, one per sample) to features. An instance keeps
        its weights, pre-trained ones for example, and is copied, never changed; a class or
        another callable is called with the number of features and returns one. None means fully
        connected layers.
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
        A backbone of your own, from rows (float32, one per sample) to features. An instance keeps
        its weights, pre-trained ones for example, and is copied, never changed; a class or
        another callable is called with the number of features and returns one. None means fully
        connected layers.
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
