"""Terms: the summands of a network's loss, and what each may look at in a step of training.

A network is trained on  L = L_task + Σ_k λ_k Ω_k.  A term is one Ω with its factor λ_k, which is
λ w_k unless it says otherwise. An alignment, which compares two domains, is the commonest one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .batches import Side
from .heads import ClassHead, Head
from .network import Network

__all__ = ["Activations", "Needs", "Step", "Term", "Unscheduled", "attached", "overrides"]


class Activations(NamedTuple):
    """What the network computed for the rows of one side of a batch.

    Attributes
    ----------
    features : tuple of Tensor of shape (n, width of the layer)
        The output of every hidden layer, the last of which is the bottleneck.
    output : Tensor of shape (n, n_outputs)
        Class logits, or a regressor's standardised prediction in one column.
    y : Tensor of shape (n,) or None
        Class codes, or standardised labels; -1 or NaN where a row has none. None where no row of
        the side has a label.
    rows : Tensor of shape (n, n_inputs) or None
        The rows themselves.
    domains : Tensor of shape (n,), int, or None
        The ids of their domains: 1, 2, ... for sources, negative for the target.
    head : Head
        Knows what the output is. Class logits unless it says otherwise.
    """

    features: tuple[Tensor, ...]
    output: Tensor
    y: Tensor | None
    rows: Tensor | None = None
    domains: Tensor | None = None
    head: Head | type[Head] = ClassHead

    def prediction(self) -> Tensor:
        """Return what the output says: class probabilities, or numbers as they are."""
        return self.head.prediction(self.output)

    def detach(self) -> Activations:
        """Return the same activations, through which no gradient reaches the network."""
        return self._replace(
            features=tuple(f.detach() for f in self.features), output=self.output.detach()
        )


class Step(NamedTuple):
    """A step of training, as a term sees it.

    Attributes
    ----------
    network : Network
        The network, whose parameters a term may read, and change in turn with the optimiser.
    optimizer : torch.optim.Optimizer
        The optimiser of the network's and the terms' parameters, which keeps its state.
    labelled : Activations
        Of the labelled rows: the source's, or in fine-tuning the target's.
    other : Activations or None
        Of the rows of the target beside them, of which some may have labels, too; None where there
        are none.
    lam : float
        The term's own factor at this step, λ w_k.
    progress : float
        How much of the training is done, from 0 to 1.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    labelled: Activations
    other: Activations | None
    lam: float
    progress: float

    @property
    def domains(self) -> Tensor:
        """The ids of all rows' domains, those of the labelled rows first."""
        sides = [self.labelled] if self.other is None else [self.labelled, self.other]
        return torch.cat([_given(side.domains) for side in sides])

    @property
    def source_rows(self) -> Tensor:
        """The rows of an alignment's source."""
        return _given(self.labelled.rows)

    @property
    def source_y(self) -> Tensor:
        """Their labels."""
        return _given(self.labelled.y)

    @property
    def target_rows(self) -> Tensor:
        """The rows of an alignment's target."""
        return _given(_given(self.other).rows)

    @property
    def target_y(self) -> Tensor | None:
        """Their labels, or None where no row has any."""
        return _given(self.other).y


class Needs(NamedTuple):
    """What a term needs in order to act.

    Attributes
    ----------
    classes : bool
        An output that gives class probabilities.
    target : bool
        Rows of the target, beside the labelled rows of the source.
    labels_alone : bool
        Of the target's rows it looks at those with a label alone. Where nothing looks at the
        others, they don't go through the network.
    several_heads : bool
        A network with several heads.
    """

    classes: bool = False
    target: bool = False
    labels_alone: bool = False
    several_heads: bool = False

    @property
    def unlabelled_target(self) -> bool:
        """Whether it looks at target rows without a label."""
        return self.target and not self.labels_alone

    def missing(self, network: Network, paired: bool) -> str | None:
        """Return what a training lacks, in words that follow the term's name; None if nothing.

        Parameters
        ----------
        network : Network
            The network to be trained.
        paired : bool
            Whether the rows of two domains can meet in this training.

        Returns
        -------
        missing : str or None
        """
        if self.classes and not network.head.has_classes:
            return (
                "looks at class probabilities, but the network's outputs are "
                f"{network.head.output}."
            )
        if self.target and not paired:
            return "looks at rows of two domains, but this training has those of one at a time."
        if self.several_heads and network.n_heads == 1:
            return "needs a network with several heads, but this one has a single head."
        return None


class Term(nn.Module):
    """Base class of a loss's summands: write ``value(step)``, a scalar Ω that is to be small.

    A term sees the whole of a training step, and is called in every one in which it can act: also
    where there is no second domain, as in fine-tuning. The object that a user gives is a
    specification; every fit works on a deep copy of it. Parameters of a term are trained with the
    network's.

    Parameters
    ----------
    weight : float, default=1.0
        The term's own w_k, by which the estimator's λ is multiplied; 0 or more.

    Attributes
    ----------
    name : str
        Under which the history records Ω.
    needs : Needs
        What the term needs in order to act; nothing in particular by default.
    observed : dict of str to Tensor
        What the last batch's values were; the history records their mean over every epoch.
    decays_weights : bool
        Whether the term penalises weights itself, so that ``weight_decay="auto"`` does not.
    opposed : bool
        Whether `loss` is an opponent's, such as a discriminator's, which the network wants to be
        large. It says nothing good of the network where it is small on held-out rows, so
        ``valid_loss`` leaves it out.

    Examples
    --------
    The weights should be small; without a bias, which is a vector:

    >>> from skdtl import DeepTransferClassifier
    >>> from skdtl.deep import Term
    >>> class SmallWeights(Term):
    ...     name = "squared_weights"
    ...
    ...     def value(self, step):
    ...         return sum(p.square().sum() for p in step.network.parameters() if p.ndim > 1)
    >>> model = DeepTransferClassifier([SmallWeights(0.1)])
    """

    name = "term"
    decays_weights: bool = False
    opposed: bool = False

    def __init__(self, weight: float = 1.0):
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"The weight of {type(self).__name__} must be >= 0; got {weight!r}.")
        self.weight = weight
        self.observed: dict[str, Tensor] = {}

    @property
    def needs(self) -> Needs:
        """What the term needs in order to act."""
        return Needs()

    def extra_repr(self) -> str:
        """Show the hyper-parameters, as an estimator's repr does."""
        names = signature(type(self)).parameters
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def attach(self, network: Network) -> None:
        """Make what depends on the network; called once, before its training begins."""

    def begin(self, network: Network, rows: Iterable[Side]) -> None:
        """Learn from the rows what stays through the training; called once, before its first step.

        Parameters
        ----------
        network : Network
            The network to be trained. It stays as it is.
        rows : iterable of Side
            All rows of the labelled side, in batches and in their order.
        """

    def strength(self, lam: float) -> float:
        """Return the factor of this term at a value of the estimator's λ: λ w_k."""
        return self.weight * lam

    def prepare(self, step: Step) -> None:
        """Train what is trained in turn with the network, or take note of the batch.

        Called in every step of training before `loss`, and not on held-out rows.
        """

    def value(self, step: Step) -> Tensor:
        """Return Ω, a scalar."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        """Return what is added to the loss: λ Ω, with ``step.lam`` for λ."""
        return self.weighed(step.lam, lambda: self.value(step))

    def weighed(self, lam: float, omega: Callable[[], Tensor]) -> Tensor:
        """Return λ Ω and observe Ω; where λ is 0, without any gradient."""
        with nullcontext() if lam else torch.no_grad():
            value = omega()
        self.observed[self.name] = value.detach()
        return lam * value

    def after_step(self, step: Step) -> None:
        """Move the network, or what the term keeps, further, after the optimiser's step.

        The activations of `step` are those from before it.
        """


class Unscheduled(Term):
    """To be put before a term's class: its weight is all that counts, λ does not.

    For losses with two weights, one of which is λ and follows its schedule; the other one is the
    second term's.

    Parameters
    ----------
    weight : float, default=1.0
        The factor of Ω, 0 or more.

    Examples
    --------
    >>> from skdtl.deep import TargetEntropy, Unscheduled
    >>> class SteadyEntropy(Unscheduled, TargetEntropy):
    ...     pass
    >>> SteadyEntropy(0.1).strength(0.0)
    0.1
    """

    def strength(self, lam: float) -> float:
        """Return the factor of this term at a value of λ: w_k."""
        return self.weight


def overrides(term: nn.Module, hook: str, base: type = Term) -> bool:
    """Tell whether a term has a hook of its own."""
    return getattr(type(term), hook) is not getattr(base, hook)


def attached(terms: Iterable[Term], network: Network, paired: bool = True) -> list[Term]:
    """Return copies of terms that are ready to train a network.

    Parameters
    ----------
    terms : iterable of Term
        They stay as they are.
    network : Network
        The network to be trained.
    paired : bool, default=True
        Whether the rows of two domains can meet in this training.

    Returns
    -------
    copies : list of Term

    Raises
    ------
    ValueError
        Where a term needs what there is not in this training.
    """
    copies = [copy.deepcopy(term) for term in terms]
    for term in copies:
        missing = term.needs.missing(network, paired)
        if missing:
            raise ValueError(f"{type(term).__name__} {missing}")
        term.attach(network)
    return copies


def _given(value):
    assert value is not None  # as it is for a term that needs it
    return value
