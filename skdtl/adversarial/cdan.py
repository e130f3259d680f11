"""CDAN: conditional adversarial domain adaptation."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Bool, Int, OneOf, SequenceOf
from ..deep._base import DeepTransferClassifierBase
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import ConditionalAdversary

__all__ = ["CDAN"]


class CDAN(DeepTransferClassifierBase):
    """Train a classifier whose features and predictions no discriminator can assign to a domain.

    As in :class:`~skdtl.DANN`, a discriminator learns to tell source rows from target rows and a
    gradient reversal layer makes the network learn the opposite. Here it sees the products of the
    features with the predicted class probabilities, and so each class's features by themselves:
    where classes form clusters, each of the target's is drawn to a cluster of the source. Use it
    for many classes, and where DANN mixes classes up, with hundreds of target rows or more; labels
    in the target are not needed. Don't where the classes' frequencies differ much between the
    domains, nor where the source-only network is about as good as chance in the target: the wrong
    clusters are then drawn together. A feature that alone predicts the source's labels and is
    constant in the target is given up where the constant lies between the classes' values, and for
    most random seeds also where it is the value of one class, which holds DANN fast. It is for
    classes alone: it conditions on their probabilities, which numbers don't have. Watch
    ``domain_accuracy`` in ``history_``: near 0.5 at the end, the domains are aligned. Standardise
    the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default="ramp"
        λ, 0 or more: how much of the discriminator's reversed gradient reaches the network. "ramp"
        rises from 0 to 1 over the training as in the paper, ``Ramp(0.3)`` to 0.3
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0 the network is the source-only one. The discriminator's own training
        does not depend on it.
    entropy : bool, default=False
        Whether rows whose class is predicted with certainty count more for the discriminator
        (CDAN+E): by 1 + exp(-H) with the entropy H of the prediction.
    map : {"auto", "multilinear", "randomized"}, default="auto"
        "multilinear" lets the discriminator see every product of a feature with a class
        probability, "randomized" products of random combinations of either. "auto" is
        "randomized" where there would be more than 4096 products.
    n_components : int, default=1024
        The number of columns of the random product, 1 or more; used where they are random.
    discriminator_layer_sizes : sequence of int, default=(100,)
        The widths of the discriminator's hidden layers; () makes it logistic regression.
    layers : int, "output", sequence of these or None, default=-1
        Which layers' outputs the features are: hidden ones by their index, of which -1 is the
        last, or the network's output; of several, the products have one factor from each. None
        means all hidden layers.
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
    RMAN : Several layers, and random products.
    DANN : The discriminator sees the features alone.
    MDD : The discriminator is a second classifier.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The loss is that of section 3, with the discriminator's loss summed over the domains and
    averaged over the rows of each. The paper minimises it over the whole network, through the
    features and the predictions; so do we, though the authors' code stops the gradient at the
    predictions (on rotated digits, a table of 900 rows a domain, the network then hardly adapted).
    The paper's weights 1 + exp(-H), too, depend on the network, which is how they make predictions
    certain; we divide them by their mean over the batch's rows of each domain, held constant, as
    the authors' code does: the domain of the more certain predictions counts no more than the
    other. λ's schedule, 2 / (1 + exp(-10 p)) - 1, that of the learning rate, lr / (1 + 10 p)^0.75,
    its 0.01, the momentum of 0.9 and the limit of 4096 are the paper's. Its discriminator has two
    layers of 1024 and dropout. Labelled target rows join the task loss; the paper has none.

    References
    ----------
    Long, Cao, Wang, Jordan. Conditional adversarial domain adaptation. Advances in Neural
    Information Processing Systems 31, 2018 (section 3).


    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import CDAN
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = CDAN(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "entropy": Bool(),
        "map": OneOf("auto", "multilinear", "randomized"),
        "n_components": Int(1),
        "discriminator_layer_sizes": SequenceOf(Int(1)),
        "layers": LAYERS,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam="ramp",
        *,
        entropy=False,
        map="auto",
        n_components=1024,
        discriminator_layer_sizes=(100,),
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
        self.entropy = entropy
        self.map = map
        self.n_components = n_components
        self.discriminator_layer_sizes = discriminator_layer_sizes
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
            ConditionalAdversary(
                map=self.map,
                n_components=self.n_components,
                entropy=self.entropy,
                hidden_layer_sizes=self.discriminator_layer_sizes,
                layers=self.layers,
            )
        ]
