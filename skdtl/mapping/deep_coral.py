"""DeepCORAL: correlation alignment of a network's layers."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import is_classifier

from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import CorrelationAlignment

__all__ = ["DeepCORAL", "DeepCORALRegressor"]


class _DeepCORALBase(DeepTransferEstimator):
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "layers": (None, *LAYERS),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1000.0,
        *,
        layers=None,
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
        layers = self.layers
        if layers is None:
            layers = "output" if is_classifier(self) else -1
        return [CorrelationAlignment(layers=layers)]


class DeepCORAL(_DeepCORALBase, DeepTransferClassifierBase):
    """Train a network whose features vary together alike in both domains.

    The squared distance between the features' covariance matrices of the two domains is added to
    the loss. Use it where the domains differ by the features' variances and correlations, as
    recordings by other sensors do, or as a cheap first try: it costs little more than a plain
    network, and needs no labels in the target. Don't where the domains differ by a shift of the
    means, which it does not see (:class:`~skdtl.DDC` does), nor where the classes' frequencies
    differ much between the domains. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1000.0
        λ, 0 or more, the weight of the covariances' distance. "ramp" rises from 0 to 1 over the
        training (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which
        runs from 0 to 1. With 0 the network is the source-only one.
    layers : int, "output", sequence of these or None, default=None
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (class probabilities). None means the output for classes, and
        the last hidden layer for numbers.
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
    DeepCORALRegressor : The same for numbers.
    CORAL : Maps the columns themselves, for any estimator.
    DDC : Aligns whole distributions.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The distance is equation 1 with the covariances of equations 2 and 3: divided by 4 d², and
    without the means. The paper aligns the last layer before the softmax; here it is the class
    probabilities after it, whose scale is known. The paper sets λ so that both losses are alike at
    the end of the training: for class probabilities, whose covariances are small, this needs a λ of
    about 1000, as found on rotated digits. The right λ depends on the features' scale, with its
    fourth power, and on their number: look at ``task_loss`` and ``coral`` in ``history_``. With a
    much larger one the features or probabilities become constant, which makes both covariances 0.
    The paper fine-tunes a convolutional network; here the network is trained from the start.
    Labelled target rows join the task loss.

    References
    ----------
    Sun, Saenko. Deep CORAL: correlation alignment for deep domain adaptation. ECCV workshops 2016
    (equations 1 to 3, section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepCORAL
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DeepCORAL(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DeepCORALRegressor(_DeepCORALBase, DeepTransferRegressorBase):
    """Train a regression network whose features vary together alike in both domains.

    The squared distance between the features' covariance matrices of the two domains is added to
    the loss. Use it where the domains differ by the features' variances and correlations, as
    recordings by other sensors do, or as a cheap first try: it costs little more than a plain
    network, and needs no labels in the target. Don't where the domains differ by a shift of the
    means, which it does not see (:class:`~skdtl.DDCRegressor` does), nor where the labels'
    distributions differ much between the domains. Standardise the columns first (StandardScaler in
    a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1000.0
        λ, 0 or more, the weight of the covariances' distance. "ramp" rises from 0 to 1 over the
        training (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which
        runs from 0 to 1. With 0 the network is the source-only one.
    layers : int, "output", sequence of these or None, default=None
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (standardised predictions). None means the output for classes,
        and the last hidden layer for numbers.
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
    DeepCORAL : The same for classes.
    CORAL : Maps the columns themselves, for any estimator.
    DDCRegressor : Aligns whole distributions.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The distance is equation 1 with the covariances of equations 2 and 3: divided by 4 d², and
    without the means. The paper knows classes only, and aligns the output; here it is the last
    hidden layer, because the output's variance alone is made alike most easily by predicting the
    mean. The paper sets λ so that both losses are alike at the end of the training: for class
    probabilities, whose covariances are small, this needs a λ of about 1000, as found on rotated
    digits. The right λ depends on the features' scale, with its fourth power, and on their number:
    look at ``task_loss`` and ``coral`` in ``history_``. With a much larger one the features or
    probabilities become constant, which makes both covariances 0. The paper fine-tunes a
    convolutional network; here the network is trained from the start. Labelled target rows join the
    task loss.

    References
    ----------
    Sun, Saenko. Deep CORAL: correlation alignment for deep domain adaptation. ECCV workshops 2016
    (equations 1 to 3, section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepCORALRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepCORALRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
