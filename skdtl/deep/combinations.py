"""Any network with any combination of alignment losses."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Instance, SequenceOf
from ..base import TransferTags
from ._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ._training import LAM, NETWORK_PARAMS, TRAINING_PARAMS
from .alignments import Alignment

__all__ = ["DeepTransferClassifier", "DeepTransferRegressor"]


class _CombinationBase(DeepTransferEstimator):
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


class DeepTransferClassifier(_CombinationBase, DeepTransferClassifierBase):
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


class DeepTransferRegressor(_CombinationBase, DeepTransferRegressorBase):
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
