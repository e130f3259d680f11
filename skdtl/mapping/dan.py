"""DAN: deep adaptation network."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .._constraints import Int, OneOf, Real, SequenceOf
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import MultiKernelMMD
from ..deep.alignments.multi_kernel_mmd import MULTIPLIERS

__all__ = ["DAN", "DANRegressor"]


class _DANBase(DeepTransferEstimator):
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "layers": LAYERS,
        "bandwidth_multipliers": SequenceOf(Real(0, None, closed="neither"), min_length=1),
        "kernel_weights": OneOf("optimal", "uniform"),
        "update_every": Int(1),
        "estimate": OneOf("biased", "unbiased", "linear"),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam="ramp",
        *,
        layers=(-1, "output"),
        bandwidth_multipliers=MULTIPLIERS,
        kernel_weights="optimal",
        update_every=20,
        estimate="unbiased",
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
        self.layers = layers
        self.bandwidth_multipliers = bandwidth_multipliers
        self.kernel_weights = kernel_weights
        self.update_every = update_every
        self.estimate = estimate
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
            MultiKernelMMD(
                bandwidth_multipliers=self.bandwidth_multipliers,
                kernel_weights=self.kernel_weights,
                update_every=self.update_every,
                estimate=self.estimate,
                layers=self.layers,
            )
        ]

    def _set_results(self) -> None:
        super()._set_results()
        for alignment in self.net_.alignments_:
            if alignment.has_learnt:  # not without a target
                self.kernel_weights_ = np.array(alignment.beta)


class DAN(_DANBase, DeepTransferClassifierBase):
    """Train a network whose layers are distributed alike in both domains, seen at many widths.

    The squared maximum mean discrepancy (MMD) between the domains of the last hidden layer and of
    the network's output is added to the loss. It is that of a weighted sum of Gaussian kernels from
    narrow to wide, and the weights are chosen, again and again, so that it sees the difference
    between the domains best. Use it where :class:`~skdtl.DDC` is too weak or its one kernel's width
    doubtful: it trains as steadily, has one weight λ, and needs no labels in the target. Don't
    where the classes' frequencies differ much between the domains: to look alike, the features and
    outputs must then mix classes up. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default="ramp"
        λ, 0 or more, the weight of the squared MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
    layers : int, "output", sequence of these or None, default=(-1, "output")
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (class probabilities). None means all hidden layers.
    bandwidth_multipliers : sequence of float, default=(2**-8, 2**-7, ..., 2**8)
        Which multiples of the squared median distance the kernels' squared widths are; more than 0.
    kernel_weights : {"optimal", "uniform"}, default="optimal"
        "optimal" chooses, for each layer, the weights of the kernels that maximise the ratio of the
        squared MMD to its estimate's standard deviation; "uniform" weights all alike.
    update_every : int, default=20
        After how many batches the optimal weights are chosen again, by the rows of these batches; 1
        or more. They are uniform before the first time.
    estimate : {"biased", "unbiased", "linear"}, default="unbiased"
        "unbiased" compares all pairs of different rows; "biased" a row with itself, too, so that
        the MMD is never negative; "linear" each row with two others only, which is the paper's
        estimate: noisier, and for large batches cheaper.
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
    kernel_weights_ : ndarray of shape (n_layers, n_kernels)
        The weights that each layer's kernels had at the end; only where there was a target.
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
    DANRegressor : The same for numbers.
    DDC : Aligns one layer by one kernel.
    JAN : Aligns the layers jointly.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is the paper's: the task's plus λ times the sum of the layers' multi-kernel MMD. The
    kernels' weights solve its quadratic programme, with ε = 1e-4, and are scaled to sum up to 1;
    where no kernel's MMD is positive, the one with the greatest ratio gets all weight, as in
    Gretton et al. The covariance is that of the linear estimate's terms over the last
    `update_every` batches: one batch alone has too few. The paper's kernels are exp(-‖x - y‖² / γ)
    with γ from 2^-8 to 2^8 times the median squared distance in steps of 2^0.5. Here they are
    exp(-‖x - y‖² / (2 m σ²)), so that m = 1 is the Gaussian of :class:`~skdtl.deep.MMD`, and the
    steps are of 2: neighbours hardly differ, at half the cost. The median is found in every batch,
    because the features' scale changes while they are learnt. So no scaling of the features changes
    the MMD. On rotated digits a constant λ of 5, at which DDC's features collapsed into a point,
    and even 20 made no such harm here; but with 20 the task's loss stayed high, and on digits moved
    by a pixel the accuracy fell below that of λ = 0. Since each layer is aligned by itself, of two
    classes that lie far from the source's the network may align each with the other: on a feature
    shifted by more than the classes' distance, a λ of 1 from the start led to an accuracy of 0.18
    in one fit of four, larger ones more often. The default, the schedule of JAN's authors, lets the
    classes form first: the four fits' mean was 0.76 instead of 0.62, yet one of them still failed.
    :class:`~skdtl.JAN` did not. The paper fine-tunes a convolutional network and aligns its last
    three layers; here the network is trained from the start. Labelled target rows join the task
    loss.

    References
    ----------
    Long, Cao, Wang, Jordan. Learning transferable features with deep adaptation networks. ICML 2015
    (section 3).

    Gretton, Sriperumbudur, Sejdinovic, Strathmann, Balakrishnan, Pontil, Fukumizu. Optimal kernel
    choice for large-scale two-sample tests. NIPS 2012 (section 2 for the linear estimate, section 3
    for the weights).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DANRegressor(_DANBase, DeepTransferRegressorBase):
    """Train a regression network whose layers are distributed alike, seen at many widths.

    The squared maximum mean discrepancy (MMD) between the domains of the last hidden layer and of
    the network's output is added to the loss. It is that of a weighted sum of Gaussian kernels from
    narrow to wide, and the weights are chosen, again and again, so that it sees the difference
    between the domains best. Use it where :class:`~skdtl.DDCRegressor` is too weak or its one
    kernel's width doubtful: it trains as steadily, has one weight λ, and needs no labels in the
    target. Don't where the labels' distributions differ much between the domains: to look alike,
    the features and outputs must then mix small labels with large ones up. Standardise the columns
    first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default="ramp"
        λ, 0 or more, the weight of the squared MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 the network is the source-only one.
    layers : int, "output", sequence of these or None, default=(-1, "output")
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (standardised predictions). None means all hidden layers.
    bandwidth_multipliers : sequence of float, default=(2**-8, 2**-7, ..., 2**8)
        Which multiples of the squared median distance the kernels' squared widths are; more than 0.
    kernel_weights : {"optimal", "uniform"}, default="optimal"
        "optimal" chooses, for each layer, the weights of the kernels that maximise the ratio of the
        squared MMD to its estimate's standard deviation; "uniform" weights all alike.
    update_every : int, default=20
        After how many batches the optimal weights are chosen again, by the rows of these batches; 1
        or more. They are uniform before the first time.
    estimate : {"biased", "unbiased", "linear"}, default="unbiased"
        "unbiased" compares all pairs of different rows; "biased" a row with itself, too, so that
        the MMD is never negative; "linear" each row with two others only, which is the paper's
        estimate: noisier, and for large batches cheaper.
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
    kernel_weights_ : ndarray of shape (n_layers, n_kernels)
        The weights that each layer's kernels had at the end; only where there was a target.
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
    DAN : The same for classes.
    DDCRegressor : Aligns one layer by one kernel.
    JANRegressor : Aligns the layers jointly.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The loss is the paper's: the task's plus λ times the sum of the layers' multi-kernel MMD. The
    kernels' weights solve its quadratic programme, with ε = 1e-4, and are scaled to sum up to 1;
    where no kernel's MMD is positive, the one with the greatest ratio gets all weight, as in
    Gretton et al. The covariance is that of the linear estimate's terms over the last
    `update_every` batches: one batch alone has too few. The paper's kernels are exp(-‖x - y‖² / γ)
    with γ from 2^-8 to 2^8 times the median squared distance in steps of 2^0.5. Here they are
    exp(-‖x - y‖² / (2 m σ²)), so that m = 1 is the Gaussian of :class:`~skdtl.deep.MMD`, and the
    steps are of 2: neighbours hardly differ, at half the cost. The median is found in every batch,
    because the features' scale changes while they are learnt. So no scaling of the features changes
    the MMD. On rotated digits a constant λ of 5, at which DDC's features collapsed into a point,
    and even 20 made no such harm here; but with 20 the task's loss stayed high, and on digits moved
    by a pixel the accuracy fell below that of λ = 0. The default of λ is the schedule of JAN's
    authors, which lets the task's features form first; the paper has a constant. The paper
    fine-tunes a convolutional network and aligns its last three layers; here the network is trained
    from the start. Labelled target rows join the task loss.

    References
    ----------
    Long, Cao, Wang, Jordan. Learning transferable features with deep adaptation networks. ICML 2015
    (section 3).

    Gretton, Sriperumbudur, Sejdinovic, Strathmann, Balakrishnan, Pontil, Fukumizu. Optimal kernel
    choice for large-scale two-sample tests. NIPS 2012 (section 2 for the linear estimate, section 3
    for the weights).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DANRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DANRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
