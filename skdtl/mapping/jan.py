"""JAN: joint adaptation network."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Bool, Real, SequenceOf
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import JointMMD

__all__ = ["JAN", "JANRegressor"]


class _JANBase(DeepTransferEstimator):
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "adversarial": Bool(),
        "layers": LAYERS,
        "bandwidth_multipliers": SequenceOf(Real(0, None, closed="neither"), min_length=1),
        "output_bandwidth": (None, Real(0, None, closed="neither")),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam="ramp",
        *,
        adversarial=False,
        layers=(-1, "output"),
        bandwidth_multipliers=(0.125, 0.25, 0.5, 1.0, 2.0),
        output_bandwidth=0.92,
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
        self.lam = lam
        self.adversarial = adversarial
        self.layers = layers
        self.bandwidth_multipliers = bandwidth_multipliers
        self.output_bandwidth = output_bandwidth
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

    def _alignments(self):
        return [
            JointMMD(
                bandwidth_multipliers=self.bandwidth_multipliers,
                output_bandwidth=self.output_bandwidth,
                adversarial=self.adversarial,
                layers=self.layers,
            )
        ]


class JAN(_JANBase, DeepTransferClassifierBase):
    """Train a network whose features go with the same classes in both domains.

    The joint maximum mean discrepancy (MMD) of the features and the predicted classes between the
    domains is added to the loss: rows that are thought to be of one class ought to look alike in
    both domains, which is more than :class:`~skdtl.DAN` asks for, which aligns each layer by
    itself. Use it where the domains differ by more than a common shift, so that features could be
    aligned crosswise. `adversarial` adds maps that look for what still differs, at some cost. Don't
    where the classes' frequencies differ much between the domains, or where the network is hardly
    better than chance on the target: the predictions mislead it then. Standardise the columns first
    (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default="ramp"
        λ, 0 or more, the weight of the joint MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
    adversarial : bool, default=False
        Whether every aligned layer passes through a linear map that is trained to make the joint
        MMD large, while the network learns to make it small (the paper's JAN-A). λ then scales the
        gradient that reaches the network alone; the maps' own training does not depend on it.
    layers : int, "output", sequence of these or None, default=(-1, "output")
        Which layers are aligned jointly: hidden ones by their index, of which -1 is the last, or
        the network's output (class probabilities). None means all hidden layers.
    bandwidth_multipliers : sequence of float, default=(0.125, 0.25, 0.5, 1.0, 2.0)
        Which multiples of the squared median distance the squared widths of the hidden layers'
        kernels are; more than 0. A layer's kernel is the mean of these Gaussians.
    output_bandwidth : float or None, default=0.92
        σ of the output's one Gaussian, more than 0. None means the median distance.
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
    JANRegressor : The same for numbers.
    DAN : Aligns each layer by itself.
    DANN : Aligns by a discriminator.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The joint MMD is the paper's of section 4.1, the biased estimate over all pairs of the batch's
    rows; the loss is that of section 4.2, and λ rises by the paper's schedule. The paper leaves the
    maps of JAN-A open: here they are square and linear, and begin as the identity, so that the
    training begins as JAN's. Hidden layers have several Gaussians, as published implementations do,
    around the paper's median heuristic, with the median of every batch, because the features' scale
    changes while they are learnt; so no scaling of the features changes the joint MMD. The output's
    width is fixed as theirs is: with the median distance a λ of 20 made the features collapse, and
    of two classes about half of all pairs agree, so that a median distance of probabilities is
    either nearly 0 or nearly the greatest possible. On rotated digits a constant λ of 5, at which
    DDC's features collapsed into a point, and even 20 made no such harm here; but on digits moved
    by a pixel 20 was too much, and the accuracy fell below that of λ = 0. With `adversarial` the
    history's ``train_loss`` holds minus the joint MMD, at full strength. The paper fine-tunes a
    convolutional network; here the network is trained from the start. Labelled target rows join the
    task loss.

    References
    ----------
    Long, Zhu, Wang, Jordan. Deep transfer learning with joint adaptation networks. ICML 2017
    (section 4).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import JAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = JAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class JANRegressor(_JANBase, DeepTransferRegressorBase):
    """Train a regression network whose features go with the same predictions in both domains.

    The joint maximum mean discrepancy (MMD) of the features and the predictions between the domains
    is added to the loss: rows for which the same is predicted ought to look alike in both domains,
    which is more than :class:`~skdtl.DANRegressor` asks for, which aligns each layer by itself. Use
    it where the domains differ by more than a common shift, so that features could be aligned
    crosswise. `adversarial` adds maps that look for what still differs, at some cost. Don't where
    the labels' distributions differ much between the domains, or where the network is hardly better
    than chance on the target: the predictions mislead it then. Standardise the columns first
    (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default="ramp"
        λ, 0 or more, the weight of the joint MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
    adversarial : bool, default=False
        Whether every aligned layer passes through a linear map that is trained to make the joint
        MMD large, while the network learns to make it small (the paper's JAN-A). λ then scales the
        gradient that reaches the network alone; the maps' own training does not depend on it.
    layers : int, "output", sequence of these or None, default=(-1, "output")
        Which layers are aligned jointly: hidden ones by their index, of which -1 is the last, or
        the network's output (standardised predictions). None means all hidden layers.
    bandwidth_multipliers : sequence of float, default=(0.125, 0.25, 0.5, 1.0, 2.0)
        Which multiples of the squared median distance the squared widths of the hidden layers'
        kernels are; more than 0. A layer's kernel is the mean of these Gaussians.
    output_bandwidth : float or None, default=0.92
        σ of the output's one Gaussian, more than 0. None means the median distance.
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
    JAN : The same for classes.
    DANRegressor : Aligns each layer by itself.
    DANNRegressor : Aligns by a discriminator.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The joint MMD is the paper's of section 4.1, the biased estimate over all pairs of the batch's
    rows; the loss is that of section 4.2, and λ rises by the paper's schedule. The paper leaves the
    maps of JAN-A open: here they are square and linear, and begin as the identity, so that the
    training begins as JAN's. Hidden layers have several Gaussians, as published implementations do,
    around the paper's median heuristic, with the median of every batch, because the features' scale
    changes while they are learnt; so no scaling of the features changes the joint MMD. The output's
    width is fixed as theirs is, since labels are standardised. On rotated digits a constant λ of 5,
    at which DDC's features collapsed into a point, and even 20 made no such harm here; but on
    digits moved by a pixel 20 was too much, and the accuracy fell below that of λ = 0. With
    `adversarial` the history's ``train_loss`` holds minus the joint MMD, at full strength. The
    paper fine-tunes a convolutional network; here the network is trained from the start. Labelled
    target rows join the task loss.

    References
    ----------
    Long, Zhu, Wang, Jordan. Deep transfer learning with joint adaptation networks. ICML 2017
    (section 4).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import JANRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = JANRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
