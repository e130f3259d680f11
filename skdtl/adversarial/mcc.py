"""MCC: minimum class confusion."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Real
from ..deep._base import DeepTransferClassifierBase
from ..deep._training import LAM, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import MinimumClassConfusion

__all__ = ["MCC"]


class MCC(DeepTransferClassifierBase):
    """Train a network that does not confuse the classes on the target.

    What the network says of target rows, softened by a temperature, tells which classes it takes
    for each other: two classes that share the predictions of many rows are confused. This
    confusion is added to the loss. The domains' distributions are not compared at all. So use it
    where the classes are not equally frequent in both domains, or the target lacks some, which
    aligning methods do not bear, and where the classes lie apart in the target; no labels in the
    target are needed. Don't where the source-only network is hardly better than chance there: what
    it says is made more decided, not more correct; nor where the classes overlap. It learns more
    with more epochs, and with `lam` of 3 to 10 in less. For an aligning method see
    :class:`~skdtl.DDC`; :class:`~skdtl.deep.MinimumClassConfusion` can be combined with one.
    Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more, the weight of the class confusion. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0 the network is the source-only one.
    temperature : float, default=2.5
        T, more than 0, by which the logits are divided. With more, rows of which the network is
        sure take part too; with less, the rows in doubt count most.
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
    MCD : Two classifiers that must agree on the target.
    DDC : Aligns the distributions of the features.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is that of the paper's section 3 with its T = 2.5 and weight 1: probabilities softened
    by T, rows weighted by 1 + exp(-entropy), the classes' correlation divided by its rows' sums,
    the mean of what is off the diagonal. The rows' weights are held constant for the gradient,
    which the paper leaves open and its authors' published code does. All target rows of a batch
    take part, labelled ones too, which also join the task loss. The paper trains a pre-trained
    convolutional network by SGD; here the network is trained from the start, by Adam as in
    :class:`~skdtl.DDC`: SGD with ``lr=0.01`` needed far more epochs to have any effect.
    A network trained so has smaller logits than a pre-trained one, and T = 2.5 leaves more doubt:
    the confusion then falls slowly.

    References
    ----------
    Jin, Wang, Long, Wang. Minimum class confusion for versatile domain adaptation. ECCV 2020
    (section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MCC
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MCC(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "temperature": Real(0, None, closed="neither"),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1.0,
        *,
        temperature=2.5,
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
        self.temperature = temperature
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
        return [MinimumClassConfusion(temperature=self.temperature)]
