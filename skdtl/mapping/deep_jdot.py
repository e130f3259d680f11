"""DeepJDOT: joint distribution optimal transport in a network."""

from __future__ import annotations

from typing import Any, ClassVar

from .._constraints import Real
from .._transport import import_pot
from ..deep._base import (
    DeepTransferClassifierBase,
    DeepTransferEstimator,
    DeepTransferRegressorBase,
)
from ..deep._training import LAM, LAYERS, NETWORK_PARAMS, TRAINING_PARAMS
from ..deep.alignments import JointTransport

__all__ = ["DeepJDOT", "DeepJDOTRegressor"]


class _DeepJDOTBase(DeepTransferEstimator):
    _params: ClassVar[dict[str, Any]] = {
        "lam": LAM,
        "alpha": Real(0, None),
        "lam_t": Real(0, None),
        "reg_e": Real(0, None),
        "layers": LAYERS,
        **NETWORK_PARAMS,
        **TRAINING_PARAMS,
    }

    def __init__(
        self,
        lam=1.0,
        *,
        alpha=0.1,
        lam_t=0.1,
        reg_e=0.0,
        layers=-1,
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
        self.alpha = alpha
        self.lam_t = lam_t
        self.reg_e = reg_e
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
        import_pot(type(self).__name__)
        return [
            JointTransport(alpha=self.alpha, lam_t=self.lam_t, reg_e=self.reg_e, layers=self.layers)
        ]


class DeepJDOT(_DeepJDOTBase, DeepTransferClassifierBase):
    """Pair rows of both domains by features and classes, and train a network that unites them.

    Joint distribution optimal transport (:class:`~skdtl.JDOT`) in a network: in every batch a plan
    pairs target rows with source rows whose features are near *and* whose class the network
    predicts for them; it learns to bring the pairs' features together and to predict the source
    row's class for its partner. So not only the features look alike in both domains, but features
    and classes together. Use it where what belongs together can be found by nearness, as after a
    moderate rotation or drift, and where the features of :class:`~skdtl.DDC` look alike but mix the
    classes up. It needs no labels in the target. Don't where the classes' frequencies differ much
    between the domains: the plan carries all labels over, in their proportions. Nor with small
    batches: of few rows per class no good pair can be found. Watch ``transport`` in ``history_``,
    which should fall, and ``task_loss``: where it stays high, `alpha` is too large and the features
    have shrunk into a point. Standardise the columns first (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more: the weight of the plan's cost. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0 the network is the source-only one.
    alpha : float, default=0.1
        The weight of the features' squared distance in the cost of a pair; 0 or more. With 0 the
        plan looks at the labels alone, and the features are not brought together.
    lam_t : float, default=0.1
        λ_t, the weight of the labels' loss in the cost of a pair; 0 or more. With 0 the plan looks
        at the features alone, and the network learns nothing from the target's rows but to bring
        features together.
    reg_e : float, default=0.0
        The weight of the plan's negative entropy; 0 or more. 0 finds the plan exactly; more
        makes it softer, and faster to find in large batches unless `reg_e` is very small.
    layers : int, "output", sequence of these or None, default=-1
        The layers whose features are compared: hidden ones by their index, of which -1 is the last,
        or the network's output; of several, the squared distances are added. None means all hidden
        layers.
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
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.
    ValueError
        Where the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    DeepJDOTRegressor : The same for numbers.
    JDOT : The same around any classifier, without a network.
    DDC : Aligns the features alone.
    DeepTransferClassifier : Combines alignments.

    Notes
    -----
    The network minimises cross-entropy + λ Σ_ij γ_ij (alpha ‖z_i - z_j‖² + lam_t L(y_i, f(x_j))),
    where L is the cross-entropy; the plan γ minimises the sum in every batch (``ot.emd``, or
    ``ot.sinkhorn`` for ``reg_e > 0``) with the network held fixed, then the network makes a step
    with γ held fixed. With λ = 1 this is the paper's objective. The same cost is used for both; the
    authors' code finds the plan with squared differences of the class probabilities instead.
    `alpha` and `lam_t` were chosen among six pairs by the target's accuracy on turned and moved
    digits. On data that had no part in the choice (two seeds, 30 epochs), against λ = 0: MNIST to
    USPS 63.2 % against 43.6 %, USPS to MNIST 58.8 % against 36.5 %, reviews of books to kitchens
    79.5 % against 76.7 %, of electronics to DVDs 75.0 % against 74.7 % (classifiers). What a pair
    costs counts in the plan only by the ratio alpha / lam_t. The batches are random; the authors'
    code balances the source's by class. Labelled target rows join the task loss, and are in the
    plan like any other; the paper has none.

    The plan is found in double precision on the CPU. With 128, 256 and 512 rows an exact plan took
    about 2, 6 and 30 ms. POT imports torch and whatever else it finds.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty. DeepJDOT: deep joint distribution optimal
    transport for unsupervised domain adaptation. ECCV 2018.

    Courty, Flamary, Habrard, Rakotomamonjy. Joint distribution optimal transportation for domain
    adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepJDOT
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DeepJDOT(max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True
    """


class DeepJDOTRegressor(_DeepJDOTBase, DeepTransferRegressorBase):
    """Pair rows of both domains by features and labels, and train a network that unites them.

    Joint distribution optimal transport (:class:`~skdtl.JDOT`) in a network: in every batch a plan
    pairs target rows with source rows whose features are near *and* whose label the network
    predicts for them; it learns to bring the pairs' features together and to predict the source
    row's label for its partner. So not only the features look alike in both domains, but features
    and labels together. Use it where what belongs together can be found by nearness, as after a
    moderate rotation or drift, and where the features of :class:`~skdtl.DDCRegressor` look alike
    but mix small labels with large ones up. It needs no labels in the target. Don't where the
    labels are distributed otherwise in the target than in the source: the plan carries all labels
    over, in their proportions. Nor with small batches: of few rows no good pair can be found. Watch
    ``transport`` in ``history_``, which should fall, and ``task_loss``: where it stays high,
    `alpha` is too large and the features have shrunk into a point. Standardise the columns first
    (StandardScaler in a Pipeline).

    Parameters
    ----------
    lam : float, "ramp" or callable, default=1.0
        λ, 0 or more: the weight of the plan's cost. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs
        from 0 to 1. With 0 the network is the source-only one.
    alpha : float, default=0.1
        The weight of the features' squared distance in the cost of a pair; 0 or more. With 0 the
        plan looks at the labels alone, and the features are not brought together.
    lam_t : float, default=0.1
        λ_t, the weight of the labels' loss in the cost of a pair; 0 or more. With 0 the plan looks
        at the features alone, and the network learns nothing from the target's rows but to bring
        features together.
    reg_e : float, default=0.0
        The weight of the plan's negative entropy; 0 or more. 0 finds the plan exactly; more
        makes it softer, and faster to find in large batches unless `reg_e` is very small.
    layers : int, "output", sequence of these or None, default=-1
        The layers whose features are compared: hidden ones by their index, of which -1 is the last,
        or the network's output; of several, the squared distances are added. None means all hidden
        layers.
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
    ImportError
        Where POT is not installed: ``pip install 'skdtl[ot]'``.
    ValueError
        Where the training diverges: the loss or a weight is no number any more.

    See Also
    --------
    DeepJDOT : The same for classes.
    JDOT : The same around any regressor, without a network.
    DDCRegressor : Aligns the features alone.
    DeepTransferRegressor : Combines alignments.

    Notes
    -----
    The network minimises squared error + λ Σ_ij γ_ij (alpha ‖z_i - z_j‖² + lam_t L(y_i, f(x_j))),
    where L is the squared error; the plan γ minimises the sum in every batch (``ot.emd``, or
    ``ot.sinkhorn`` for ``reg_e > 0``) with the network held fixed, then the network makes a step
    with γ held fixed. With λ = 1 this is the paper's objective. The same cost is used for both; the
    authors' code finds the plan with squared differences of the class probabilities instead.
    `alpha` and `lam_t` were chosen among six pairs by the target's accuracy on turned and moved
    digits. On data that had no part in the choice (two seeds, 30 epochs), against λ = 0: MNIST to
    USPS 63.2 % against 43.6 %, USPS to MNIST 58.8 % against 36.5 %, reviews of books to kitchens
    79.5 % against 76.7 %, of electronics to DVDs 75.0 % against 74.7 % (classifiers). What a pair
    costs counts in the plan only by the ratio alpha / lam_t. The batches are random; the authors'
    code balances the source's by class. Labels are standardised inside. Labelled target rows join
    the task loss, and are in the plan like any other; the paper has none.

    The plan is found in double precision on the CPU. With 128, 256 and 512 rows an exact plan took
    about 2, 6 and 30 ms. POT imports torch and whatever else it finds.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty. DeepJDOT: deep joint distribution optimal
    transport for unsupervised domain adaptation. ECCV 2018.

    Courty, Flamary, Habrard, Rakotomamonjy. Joint distribution optimal transportation for domain
    adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepJDOTRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(400, 2))
    >>> ys = 10 * Xs[:, 0] + 100
    >>> Xt = Xs + [0.0, 1.0]
    >>> model = DeepJDOTRegressor(max_epochs=40, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.8
    True
    """
