"""MDD: margin disparity discrepancy."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from .._constraints import Bool, Int, Real, SequenceOf
from ..deep._base import DeepTransferClassifierBase
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import MarginDisparity

__all__ = ["MDD"]


class MDD(DeepTransferClassifierBase):
    """Train a classifier that no second head can contradict in the target alone.

    A second head on the same features learns to predict what the first one does in the source, and
    anything else in the target; behind a gradient reversal layer, the network learns features on
    which it can't. Unlike a discriminator of domains, the second head sees only differences that
    can matter for a decision. Use it where features may differ between the domains as long as the
    classes' borders don't, and where the source-only network is right for most of the target: the
    target's rows are drawn to the classes that they are predicted to have, right or wrong. Don't
    where it is not, nor where the classes' frequencies differ much. Nor where a feature that alone
    predicts the source's labels is constant in the target: the rows of the target are then mostly
    predicted alike, and the second head finds nothing to contradict (:class:`~skdtl.CDAN` mostly
    gets off it). It is for classes alone: its margin is one between class scores. It needs hundreds
    of target rows or more, no labels of them. Watch ``margin_disparity`` in ``history_``: near
    -2.50 at the end (for a `margin` of 4) the second head can't tell the domains apart; well above,
    raise `lam`; far below, lower it, as the network has then won against the second head by
    deforming the features. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=0.3
        λ, 0 or more: how much of the second head's reversed gradient reaches the network. "ramp"
        rises from 0 to 1 over the training, ``Ramp(0.3)`` to 0.3 (:class:`~skdtl.deep.Ramp`); a
        callable gives λ for the training progress p, which runs from 0 to 1. With 0 the network
        does not heed the second head. The second head's own training does not depend on it.
    margin : float, default=4.0
        γ, more than 0: how much agreement on the source counts for the second head, against
        disagreement on the target.
    adversary_layer_sizes : sequence of int, default=(100,)
        The widths of the second head's hidden layers; () makes it linear, like the first head.
    batch_norm : bool, default=True
        Whether each fully connected hidden layer normalises its columns over the batch before its
        activation, as in the authors' network; used where `module` is None. Without it the
        features can grow until the second head fails, and the training often diverges.
    layers : int, "output", sequence of these or None, default=-1
        Which layers the second head sees: hidden ones by their index, of which -1 is the last,
        or the network's output; of several, all side by side. None means all hidden layers.
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
    lr : float, default=0.01
        The learning rate, more than 0.
    lr_schedule : {"constant", "decay"} or callable, default="decay"
        "decay" divides the learning rate by (1 + 10 p)^0.75, before every step; a callable gives
        the factor for the training progress p.
    optimizer : {"adam", "sgd"} or callable, default="sgd"
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
    CDAN : A discriminator sees the features and the prediction.
    DANN : A discriminator sees the features alone.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    With p' the second head's probability of the class that the first predicts, it maximises γ mean
    log p'(source) + mean log(1 - p'(target)), the paper's combined cross-entropy loss, and the
    features minimise λ times that; no gradient reaches the first head through the classes that it
    predicts. log(1 - p') is computed from the scores of the other classes and stays finite where p'
    rounds to 1. Where domains are alike the best p' is γ / (1 + γ), and the loss's value γ ln γ -
    (1 + γ) ln(1 + γ). γ = 4 is the paper's. λ rises to 0.1 there, under a first head of two layers
    and over a pre-trained network that learns at a tenth of the heads' rate; here all learn alike
    from the start, and with 0.1 `margin_disparity` stayed above -1.2 on three shifts, with 0.3 it
    came nearer to -2.50. The learning rate, its schedule and the momentum are DANN's. With
    `batch_norm` the rows of both domains are normalised together while training, so that λ = 0 is
    not quite the source-only network. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Zhang, Liu, Long, Jordan. Bridging theory and algorithm for domain adaptation. Proceedings of
    the 36th International Conference on Machine Learning, 2019.


    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MDD
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MDD(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "margin": Real(0, None, closed="neither"),
        "adversary_layer_sizes": SequenceOf(Int(1)),
        "batch_norm": Bool(),
        "layers": LAYERS,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=0.3,
        *,
        margin=4.0,
        adversary_layer_sizes=(100,),
        batch_norm=True,
        layers=-1,
        module=None,
        hidden_layer_sizes=(100,),
        activation="relu",
        lr=0.01,
        lr_schedule="decay",
        optimizer="sgd",
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
        self.margin = margin
        self.adversary_layer_sizes = adversary_layer_sizes
        self.batch_norm = batch_norm
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
        return [
            MarginDisparity(
                margin=self.margin,
                hidden_layer_sizes=self.adversary_layer_sizes,
                layers=self.layers,
            )
        ]

    def _layers(self):
        layers = super()._layers()
        if self.module is not None or not self.batch_norm:
            return layers
        normalised: list[nn.Module] = []
        for layer, size in zip(layers, self.hidden_layer_sizes):
            linear, activation = layer.children()
            normalised.append(nn.Sequential(linear, nn.BatchNorm1d(size), activation))
        return normalised
