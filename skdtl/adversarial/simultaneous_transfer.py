"""SimultaneousTransfer: domain confusion and soft labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from .._constraints import Int, Real, SequenceOf
from ..base import Domain
from ..deep._base import DeepTransferClassifierBase
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import DomainConfusion, SoftLabels
from ._unscheduled import Unscheduled

__all__ = ["SimultaneousTransfer"]

# Rows that go through the source's own network at once: it bounds the memory.
_ROWS_AT_ONCE = 4096


class _SoftLabels(Unscheduled, SoftLabels):
    """Soft labels with a weight ν that does not depend on λ."""


class SimultaneousTransfer(DeepTransferClassifierBase):
    """Train a network that confuses a domain classifier and learns classes from few target labels.

    Two things are transferred at once. A domain classifier learns to tell source rows from target
    rows by the features of the last hidden layer, and in turn the network learns features for
    which it can only answer "fifty-fifty". And each labelled target row is predicted not just as
    its own class, but with the other classes as likely as they are for the source's rows of that
    class (its soft label): so a few labels also say something about classes that have none. Use it
    where the domains differ, there are hundreds of target rows or more, and a few of them have
    labels, even if not of every class. Without any target label it is domain confusion alone, much
    like :class:`~skdtl.DANN`. Don't where the classes' frequencies differ much between the domains:
    to look alike, the features must then mix classes up. With soft labels of a source that is easy
    to learn, rows of classes without a target label are easily taken for those that have one:
    raise `temperature`, or lower `nu`. Watch ``domain_accuracy`` in ``history_``: near 0.5 at the
    end, the features are aligned. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more: the weight of the domain confusion. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0, and `nu` 0, the network is the plain one. The domain classifier's own
        training does not depend on it.
    nu : float, default=1.0
        ν, 0 or more: the weight of the soft labels, throughout the training.
    temperature : float, default=2.0
        The temperature τ of the soft labels and of the predictions compared with them, more than
        0: the larger, the more the unlikely classes count.
    pretrain_epochs : int or None, default=None
        The soft labels are the mean predictions, per class, of a network that is trained on the
        source alone before, over so many passes: the fewer, the softer. None means `max_epochs`.
        With 0 there is no such network: the network's own predictions during its training serve.
    discriminator_layer_sizes : sequence of int, default=(100,)
        The widths of the domain classifier's hidden layers; () makes it logistic regression.
    discriminator_lr : float, default=1e-3
        The learning rate of the domain classifier, by Adam, more than 0.
    layers : int, "output", sequence of these or None, default=-1
        Which layers the domain classifier sees: hidden ones by their index, of which -1 is the
        last, or the network's output; of several, all side by side. None means all hidden layers.
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
    soft_labels_ : ndarray of shape (n_classes, n_classes) or None
        The soft label of each class, a row that sums to 1. None where soft labels were not used,
        or were taken from the network in training.
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
    DANN : Reverses the domain classifier's gradient.
    LabelEfficientTransfer : For other classes in the target.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    L = L_C + λ L_conf + ν L_soft. L_conf is the cross-entropy between the uniform distribution and
    the domain classifier's answers, the mean of both domains' means; before each of the network's
    steps the domain classifier makes one of its own on the same batch. L_soft is averaged over the
    labelled target rows of a batch, so that its weight does not depend on how few they are. In
    L_C a labelled target row counts as much as a source row.

    The paper says that the soft labels come from the source's training rows and a network trained
    on the source; here that network starts from the same weights as the one to be fitted, and
    serves no other purpose, so that without soft labels nothing but they is missing. The paper
    fine-tunes large networks that were trained on images before, with small weights of both
    transfer terms; a network for a table starts from nothing, and here all three terms weigh the
    same. The training is DANN's: SGD with momentum, and a learning rate that falls.

    References
    ----------
    Tzeng, Hoffman, Darrell, Saenko. Simultaneous deep transfer across domains and tasks.
    ICCV 2015 (section 3.1 for the domain confusion, section 3.2 for the soft labels).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import SimultaneousTransfer
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> yt = np.where(np.arange(400) < 20, ys, -1)  # 20 target rows have labels
    >>> model = SimultaneousTransfer(max_epochs=20, random_state=0).fit(Xs, ys, Xt, yt)
    >>> model.score(Xt[20:], ys[20:]) > 0.9
    True
    """

    _network_attributes: ClassVar[tuple[str, ...]] = (
        *DeepTransferClassifierBase._network_attributes,
        "soft_labels_",
    )
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "nu": Real(0, None),
        "temperature": Real(0, None, closed="neither"),
        "pretrain_epochs": (None, Int(0)),
        "discriminator_layer_sizes": SequenceOf(Int(1)),
        "discriminator_lr": Real(0, None, closed="neither"),
        "layers": LAYERS,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1.0,
        *,
        nu=1.0,
        temperature=2.0,
        pretrain_epochs=None,
        discriminator_layer_sizes=(100,),
        discriminator_lr=1e-3,
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
        self.nu = nu
        self.temperature = temperature
        self.pretrain_epochs = pretrain_epochs
        self.discriminator_layer_sizes = discriminator_layer_sizes
        self.discriminator_lr = discriminator_lr
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

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self.soft_labels_ = None
        if both is not None and target.labelled.any() and self.nu and self.pretrain_epochs != 0:
            self.soft_labels_ = self._source_labels(source, seeds)
        network = self._network(source, seeds)
        self.net_ = self._train(network, source, both, seeds)
        self._set_results()

    def _alignments(self):
        confusion = DomainConfusion(
            hidden_layer_sizes=self.discriminator_layer_sizes,
            discriminator_lr=self.discriminator_lr,
            layers=self.layers,
        )
        return [confusion, _SoftLabels(self.nu, self.temperature, self.soft_labels_)]

    def _source_labels(self, source: Domain, seeds) -> np.ndarray:
        """Return the mean softened prediction of each class's rows by the source's own network."""
        net = self._train(
            self._network(source, seeds),
            source,
            None,
            seeds,
            max_epochs=self.pretrain_epochs or self.max_epochs,
        )
        network = net.module_.eval()
        totals = torch.zeros(len(self.classes_), len(self.classes_), dtype=torch.float64)
        with torch.no_grad():
            for start in range(0, len(source), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                x = torch.as_tensor(np.array(source.X[rows], dtype=np.float32))
                p = (network(x.to(self._device())) / self.temperature).softmax(1).cpu().double()
                totals.index_add_(0, torch.as_tensor(source.y[rows]), p)
        return (totals / totals.sum(1, keepdim=True)).numpy()
