"""The constructor parameters that all deep estimators share, and legal values of some others."""

from __future__ import annotations

from collections import abc
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from .._constraints import RANDOM_STATE, Bool, Callable, Instance, Int, OneOf, Real, SequenceOf
from .._parameters import DeclaredParameters, parameter
from .network import ACTIVATIONS

__all__ = [
    "DISCRIMINATOR_LAYERS",
    "DISCRIMINATOR_LR",
    "DISCRIMINATOR_SIZES",
    "ESTIMATE",
    "LAM",
    "LAYERS",
    "PRETRAIN_EPOCHS",
    "Lam",
    "Layers",
    "LrSchedule",
    "Optimizer",
    "TrainingParameters",
]


class _Layer:
    """A layer of the network."""

    def accepts(self, value) -> bool:
        return Int().accepts(value) or value == "output"

    def __str__(self):
        return "an int or 'output'"

    def documented(self) -> str:
        return "these"  # the int and the word are named before


LrSchedule: TypeAlias = str | abc.Callable[[float], float]
Optimizer: TypeAlias = str | abc.Callable[..., torch.optim.Optimizer]

# Not every method has a λ, or chooses layers.
Lam: TypeAlias = float | str | abc.Callable[[float], float]
LAM: Any = (Real(0, None), OneOf("ramp"), Callable())
Layers: TypeAlias = int | str | abc.Sequence[int | str] | None
LAYERS: Any = (None, Int(), OneOf("output"), SequenceOf(_Layer(), min_length=1))

# Parameters that several methods have, word for word. A class names them in its body, where it
# wants them to stand; `dataclasses.replace` gives one another default.
DISCRIMINATOR_SIZES: Any = parameter(
    default=(100,),
    legal=SequenceOf(Int(1)),
    text="The widths of the discriminator's hidden layers; () makes it logistic regression.",
)
DISCRIMINATOR_LR: Any = parameter(
    default=1e-3,
    legal=Real(0, None, closed="neither"),
    text="The learning rate of the discriminator's Adam; it stays constant.",
)
DISCRIMINATOR_LAYERS: Any = parameter(
    default=-1,
    legal=LAYERS,
    text="""
    Which layers the discriminator sees: hidden ones by their index, of which -1 is the last, or
    the network's output; of several, all side by side. None means all hidden layers.
    """,
)
ESTIMATE: Any = parameter(
    default="unbiased",
    legal=OneOf("biased", "unbiased", "linear"),
    text="""
    "unbiased" compares all pairs of different rows; "biased" a row with itself, too, so that
    the MMD is never negative; "linear" each row with two others only, which is the paper's
    estimate: noisier, and for large batches cheaper.
    """,
)
PRETRAIN_EPOCHS: Any = parameter(
    default=None,
    legal=(None, Int(1)),
    text="""
    Passes over the source in the first stage; None means `max_epochs`, which is the second stage's
    number.
    """,
)


class TrainingParameters(DeclaredParameters):
    """What the network is, and how it is trained."""

    module: nn.Module | abc.Callable[..., nn.Module] | None = parameter(
        default=None,
        legal=(None, Callable()),
        type="nn.Module, callable or None",
        text="""
        A backbone of your own, from samples (float32) to features. An instance keeps its weights,
        pre-trained ones for example, and is copied, never changed; a class
        (:class:`~skdtl.deep.LeNet`) or another callable is called with the number of features, or
        where X has more than two dimensions with the shape of a sample, and returns one. None means
        fully connected layers.
        """,
        last=True,
    )
    hidden_layer_sizes: abc.Sequence[int] = parameter(
        default=(100,),
        legal=SequenceOf(Int(1), min_length=1),
        text="The widths of the fully connected hidden layers; used where `module` is None.",
        last=True,
    )
    activation: str = parameter(
        default="relu", legal=OneOf(*ACTIVATIONS), text="Their activation.", last=True
    )
    lr: float = parameter(
        default=1e-3, legal=Real(0, None, closed="neither"), text="The learning rate.", last=True
    )
    lr_schedule: LrSchedule = parameter(
        default="constant",
        legal=(OneOf("constant", "decay"), Callable()),
        text="""
        "decay" divides the learning rate by (1 + 10 p)^0.75, before every step; a callable gives
        the factor for the training progress p.
        """,
        last=True,
    )
    optimizer: Optimizer = parameter(
        default="adam",
        legal=(OneOf("adam", "sgd"), Callable()),
        text="The optimiser; a torch.optim class is one such callable.",
        last=True,
    )
    momentum: float = parameter(
        default=0.9, legal=Real(0, 1, closed="left"), text='The momentum of "sgd".', last=True
    )
    weight_decay: float | str = parameter(
        default="auto",
        legal=(Real(0, None), OneOf("auto")),
        text="""
        The L2 penalty on all weights. "auto" is 0.01, and where more than 300 rows are learnt from,
        3 divided by their number; 0 with a `module` or an `optimizer` of your own, in a second
        stage that goes on with the source's rows too, and for a discriminator and its like.
        """,
        last=True,
    )
    max_epochs: int | str = parameter(
        default="auto",
        legal=(Int(1), OneOf("auto")),
        text="""
        Passes over the longer of the two domains. "auto" makes 100, and where both domains are
        small as many more as `min_steps` takes; ``n_iter_`` tells how many.
        """,
        last=True,
    )
    min_steps: int = parameter(
        default=1000,
        legal=Int(1),
        text="""
        So many steps of the optimiser, a batch each, ``max_epochs="auto"`` makes at least, but for
        a second stage that goes on with the source's rows too.
        """,
        last=True,
    )
    batch_size: int = parameter(
        default=128,
        legal=Int(1),
        text="At most so many rows of each domain are in a batch.",
        last=True,
    )
    validation_fraction: float = parameter(
        default=0.0,
        legal=Real(0, 1, closed="left"),
        text="""
        The share of each domain's rows that is held out of the training. After every epoch
        ``history_`` has ``valid_loss``, the loss on them, and for classes ``valid_information``,
        for callbacks such as skorch's EarlyStopping to watch: no target label is needed.
        """,
        last=True,
    )
    warm_start: bool = parameter(
        default=False,
        legal=Bool(),
        text="Whether ``fit`` goes on from the weights of the last fit.",
        last=True,
    )
    mixed_precision: bool = parameter(
        default=False,
        legal=Bool(),
        text="""
        Whether the network computes in bfloat16 while it trains, which is faster on many GPUs.
        """,
        last=True,
    )
    device: str | torch.device = parameter(
        default="cpu",
        legal=Instance(str, torch.device),
        type="str or torch.device",
        text='Where to train, for instance "cuda".',
        last=True,
    )
    callbacks: abc.Sequence[Any] | None = parameter(
        default=None,
        legal=(None, Instance(list, tuple)),
        type="list or None",
        text="skorch callbacks; the fit works on copies, to be found in ``net_``.",
        last=True,
    )
    verbose: int = parameter(
        default=0,
        legal=Int(0),
        text="1 prints skorch's table of epochs, 2 a progress bar too.",
        last=True,
    )
    random_state: int | np.random.RandomState | None = parameter(
        default=None,
        legal=RANDOM_STATE,
        text="Seed of the weights and of the rows' order.",
        last=True,
    )
    transform_layer: int = parameter(
        default=-1,
        legal=Int(),
        text="The hidden layer whose features ``transform`` returns; -1 is the last.",
        last=True,
    )
