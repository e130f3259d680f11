"""MCD: maximum classifier discrepancy."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch

from .._constraints import Int
from ..deep._base import DeepTransferClassifierBase
from ..deep._training import LAM, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import ClassifierDiscrepancy
from ..deep.network import Network

__all__ = ["MCD"]


class MCD(DeepTransferClassifierBase):
    """Train a network until two classifiers that seek to disagree on the target can't.

    Two classifiers learn the source from the same features. On target rows unlike the source they
    can disagree: they are trained to, and the layers below them are trained to make them agree. So
    the boundaries between the classes count, which a discriminator of domains knows nothing of. Use
    it where the classes lie apart in the target, more epochs are no matter (a step costs about six
    times a plain one), and the target has hundreds of rows, better thousands; no labels in the
    target are needed. Don't where few epochs must do, or where the source-only network is hardly
    better than chance on the target: two classifiers can also agree on the wrong class. Watch
    ``discrepancy`` in ``history_``: if it stays high, the classifiers win. Standardise the columns
    first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more, the weight of the discrepancy, a mean over rows and classes, for the
        classifiers and for the layers below. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0 the network is the source-only one, and the second classifier learns
        from its features.
    n_generator_steps : int, default=4
        How many steps the layers below make for one of the classifiers, 1 or more.
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
        The trained net; the network is ``net_.module_``, with the first classifier, and the second
        one ``net_.alignments_[0].second_head``.
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
    MCC : Makes the predictions on the target decided, without a second classifier.
    DANN : Aligns by a discriminator.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The three steps are those of section 3: (A) all parts learn the source, (B) the classifiers
    learn it again and increase the discrepancy on the target with the features
    fixed, (C) the layers below decrease it, `n_generator_steps` times with the classifiers fixed.
    The discrepancy is the paper's mean over the classes, and its weight of 1 the default. With many
    classes it is small: on rotated digits, with ten, a `lam` of 3 gained more in as many epochs; on
    two classes 10 collapsed the features.
    Predictions come from the mean of both classifiers' logits, as in the authors' published code;
    :class:`~skdtl.deep.ClassifierDiscrepancy` in a :class:`~skdtl.DeepTransferClassifier` trains
    the same network, but the first classifier predicts. The classifiers are linear, on the features
    of the last hidden layer; the paper's have hidden layers of their own. All three steps use one
    optimiser, whose moments are kept for each weight. The schedules and SGD's momentum are those of
    :class:`~skdtl.DANN`. Labelled target rows join the task loss of both classifiers, in A and in
    B; the paper has none.

    References
    ----------
    Saito, Watanabe, Ushiku, Harada. Maximum classifier discrepancy for unsupervised domain
    adaptation. CVPR 2018 (section 3).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import MCD
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = MCD(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """

    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "n_generator_steps": Int(1),
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1.0,
        *,
        n_generator_steps=4,
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
        self.n_generator_steps = n_generator_steps
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
        return [ClassifierDiscrepancy(n_generator_steps=self.n_generator_steps)]

    def _inference_network(self, domain: str = "target") -> Network:
        network = super()._inference_network(domain)
        if not any(alignment.has_learnt for alignment in self.net_.alignments_):
            return network
        network = copy.deepcopy(network)
        with torch.no_grad():
            for alignment in self.net_.alignments_:
                pairs = zip(network.head.parameters(), alignment.second_head.parameters())
                for first, second in pairs:  # the mean of linear classifiers is a linear one
                    first.copy_((first + second) / 2)
        return network
