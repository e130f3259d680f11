"""What all deep estimators share, and what sets classifiers and regressors apart."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from torch import Tensor, nn

from .._constraints import check_params
from .._predictions import ClassPredictions, TargetPredictions
from .._typing import LabelsLike, RowsLike
from ..base import Domain, DomainTransformerMixin, TransferEstimator
from ._holdout import hold_out
from ._parameters import TrainingParameters
from ._training import TrainingMixin, copy_of_net, seeds_of_call
from .heads import ClassHead, NumberHead
from .inference import best_outputs, infer
from .net import DeepNet, TrainingInterruptedWarning
from .network import Fold, Network, hidden_layers, split_layers
from .saving import SavingMixin
from .terms import Term

__all__ = ["DeepTransferClassifierBase", "DeepTransferEstimator", "DeepTransferRegressorBase"]


def _offers_partial_fit(estimator) -> bool:
    """Tell, for available_if, whether a fit is one training of one network."""
    if estimator._trains_once():
        return True
    raise AttributeError(
        f"{type(estimator).__name__} with these parameters trains in stages: it has no partial_fit."
    )


class DeepTransferEstimator(
    TrainingParameters, TrainingMixin, SavingMixin, DomainTransformerMixin, TransferEstimator
):
    """What all deep estimators share: build a network, train it on paired batches, apply it.

    A method overrides ``_terms``, and ``_layers`` or ``_fit`` where it needs more. Whatever
    it does in ``_fit``, it makes its networks by ``_network`` and trains them by ``_train``: these
    know how to hold rows out, to go on from an earlier fit and to stop after an interruption.
    ``_fit`` is given the rows that are not held out; ``_train`` finds the others in ``held_out``.

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
    """

    # What the network's architecture hangs on: parameters, and attributes that a fit has set.
    # ``load_weights``, ``warm_start`` and ``partial_fit`` compare the former and keep the latter.
    _network_params: ClassVar[tuple[str, ...]] = ("module", "hidden_layer_sizes", "activation")
    _network_attributes: ClassVar[tuple[str, ...]] = ("input_shape_",)

    # While a warm-started fit runs, the net of the last one.
    _last_net = None

    __metadata_request__partial_fit = {
        "Xs": UNUSED,
        "ys": UNUSED,
        "Xt": True,
        "yt": True,
        "classes": True,
        "sample_domain": True,
        "hide_target_labels": True,
    }

    # -- building blocks of a method ---------------------------------------------------------

    def _terms(self) -> Sequence[Term]:
        """Return what is added to the task's loss; the fit works on copies."""
        return ()

    def _layers(self) -> list[nn.Module]:
        """Return new hidden layers: the user's own module, or fully connected ones."""
        module: Any = self.module
        if module is None:
            return hidden_layers(self.n_features_in_, self.hidden_layer_sizes, self.activation)
        shape = getattr(self, "input_shape_", None)
        if not isinstance(module, nn.Module):
            module = module(shape or self.n_features_in_)
            if not isinstance(module, nn.Module):
                raise ValueError(
                    f"module must be or return a torch.nn.Module; it returned {module!r}."
                )
        layers = split_layers(copy.deepcopy(module).cpu())
        if shape:  # rows arrive flat
            layers[0] = nn.Sequential(Fold(shape), layers[0])
        return layers

    def _fit(self, source: Domain, target: Domain) -> None:
        seeds = self._seeds()
        both = None if target is source else target
        self._set_label_scale(source, target)
        network = self._network(source, seeds)
        # Also without a target: one may come with a later piece of rows (partial_fit).
        self.net_ = self._train(network, source, both, seeds, self._terms())
        self._set_results()
        self._keep_of_rows(source, target)

    def _trains_once(self) -> bool:
        """Tell whether a fit is one training of one network, so that ``partial_fit`` is possible.

        A method whose ``_fit`` is its own says so itself, if it is; ``_rebuild_network`` must then
        be able to make the network before anything is trained.
        """
        return type(self)._fit is DeepTransferEstimator._fit

    def _keep_of_rows(self, source: Domain, target: Domain) -> None:
        """Give the trained network what its predictions need of the rows it has learnt from.

        What it keeps in buffers is pickled, saved and loaded with its weights.
        """

    def _rebuild_network(self, rows: Domain, seeds) -> Network:
        """Make the network that the fitted attributes speak of, with new weights.

        For ``load_weights`` and the first call of ``partial_fit``. A method whose network is not
        what ``_network(rows, seeds)`` makes overrides it. It may rely on the parameters, on
        ``n_features_in_`` and ``classes_``, and on the attributes named in
        ``_network_attributes``; `rows` tells no more than how many columns there are.
        """
        return self._network(rows, seeds)

    # -- around every fit ----------------------------------------------------------------------

    @contextmanager
    def _prepared(
        self, source: Domain, target: Domain, before: dict[str, Any]
    ) -> Iterator[tuple[Domain, Domain]]:
        if self.warm_start and "net_" in before:
            self._check_continues(before, "warm_start=True goes on from the last fit")
            for name in self._network_attributes:
                if name in before:
                    setattr(self, name, before[name])  # what was chosen stands
            self._last_net = before["net_"]
        if self.validation_fraction:
            # A copy: a RandomState that is drawn from twice would change the other seeds.
            seed = self._seeds(copy.deepcopy(self.random_state))["validation"]
            source, target = hold_out(source, target, self.validation_fraction, seed)
        yield source, target
        if self._last_net is not None:
            del self._last_net
        unfinished = self._unfinished
        if unfinished is not None:
            del self._unfinished
        self._warn_if_interrupted(stacklevel=5)
        if unfinished is not None and not self.interrupted_:
            self._warn_of_unfinished(unfinished, stacklevel=5)

    def _check_continues(self, before: dict[str, Any], what: str) -> None:
        """Make sure that training can go on where an earlier one ended."""
        if self.n_features_in_ != before["n_features_in_"]:
            raise ValueError(
                f"{what}, which had {before['n_features_in_']} features, but now Xs has "
                f"{self.n_features_in_}."
            )
        shape, old_shape = (mapping.get("input_shape_") for mapping in (vars(self), before))
        if shape != old_shape:
            raise ValueError(
                f"{what}, whose samples had the shape {old_shape or (self.n_features_in_,)}, but "
                f"now Xs has samples of shape {shape or (self.n_features_in_,)}."
            )
        names = ("classes_", "source_classes_", "feature_names_in_", *self._network_attributes)
        for name in names:
            new, old = (mapping.get(name) for mapping in (vars(self), before))
            if new is not None and old is not None and not np.array_equal(new, old):
                raise ValueError(
                    f"{what}, whose {name} was {np.asarray(old).tolist()}, but now it is "
                    f"{np.asarray(new).tolist()}."
                )
        self._check_architecture(before["_architecture"], what)

    def _warn_if_interrupted(self, stacklevel: int) -> None:
        if self.interrupted_:
            warnings.warn(
                f"The training was interrupted: {type(self).__name__} is fitted by what it had "
                f"learnt until then, {self.n_iter_} complete epochs of {self.net_.max_epochs} in "
                "its last stage (interrupted_ is True).",
                TrainingInterruptedWarning,
                stacklevel=stacklevel,
            )

    def _warn_of_unfinished(self, net: DeepNet, stacklevel: int) -> None:
        losses = net.history[:, "task_loss"]
        warnings.warn(
            f"A training of {type(self).__name__} ended while the loss of its task still fell, "
            f"from {losses[0]:.3g} in the first epoch to {losses[-1]:.3g} in epoch {len(losses)}, "
            "the last. The network may not have learnt what it can: allow more epochs (now "
            f"max_epochs={self.max_epochs!r}, {net.clock_.step} steps) or a larger lr (now "
            f"{net.lr}).",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )

    @available_if(_offers_partial_fit)
    def partial_fit(
        self,
        Xs: RowsLike,
        ys: LabelsLike,
        Xt: RowsLike | None = None,
        yt: LabelsLike = None,
        *,
        classes: LabelsLike = None,
        sample_domain: ArrayLike | None = None,
        hide_target_labels: bool = False,
    ) -> Self:
        """Train one epoch on the given rows, from where the training stands.

        For rows that come in pieces: the network, its optimizer and the alignments go on from the
        last call, or from a fit. Both call forms of ``fit`` are possible. The training progress p
        that schedules follow is the number of epochs done by `max_epochs`, at most 1. Labels of a
        regressor are standardised by the first piece's mean and standard deviation. Parameters
        that are changed between the calls, other than `max_epochs`, `batch_size` and
        `validation_fraction`, count from the next ``fit`` on.

        Parameters
        ----------
        Xs : array-like of shape (n_s, n_features)
            Source rows; in stacked form the rows of all domains.
        ys : array-like of shape (n_s,)
            Source labels; in stacked form the labels of all rows.
        Xt : array-like of shape (n_t, n_features), default=None
            Target rows.
        yt : array-like of shape (n_t,), default=None
            Target labels; missing ones are marked as in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            A classifier's classes, of which a piece may lack some. Needed in the first call where
            `ys` does not hold all of them.
        sample_domain : array-like of shape (n_samples,), int, default=None
            Positive for source rows, negative for target rows.
        hide_target_labels : bool, default=False
            Train as if no target row had a label.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For an illegal parameter or illegal data, or where the training diverges. The
            estimator is left as it was.
        """
        begun = hasattr(self, "net_")
        with self._all_or_nothing() as before:
            check_params(self)
            if is_classifier(self):
                classes = self._known_classes(classes)
            source, target = self._check_domains(
                Xs, ys, Xt, yt, sample_domain, hide_target_labels, classes, not begun
            )
            if begun:
                self._check_continues(before, "partial_fit goes on from the last training")
            n_past = len(self.net_.history) if begun else 0
            seeds = seeds_of_call(self._seeds(), n_past)
            if self.validation_fraction:
                fraction = self.validation_fraction
                source, target = hold_out(source, target, fraction, seeds["validation"])
            if begun:
                net = copy_of_net(self.net_)  # after an error the old one is as it was
            else:
                self._set_label_scale(source, target)
                network = self._rebuild_network(source, seeds)
                net = self._make_net(network, self._terms(), seeds, n_rows=len(source))
            net.max_epochs = self.max_epochs
            self.interrupted_ = False
            both = None if target is source else target
            self._run(net, source, both, seeds, self.min_steps, epochs=1)
            self.net_ = net
            self._set_results()
            self._keep_of_rows(source, target)
            self._warn_if_interrupted(stacklevel=3)
        return self

    def _known_classes(self, classes):
        """Return the classes that ``partial_fit`` knows of, or None."""
        known = getattr(self, "classes_", None)
        if classes is None:
            return known
        classes = np.unique(classes)
        if len(classes) < 2:
            raise ValueError(f"classes must hold at least 2 classes; got {classes.tolist()}.")
        if known is not None and not np.array_equal(classes, known):
            raise ValueError(
                f"classes is {classes.tolist()}, but the last training's were {known.tolist()}."
            )
        return classes

    def _check_array_options(self) -> dict[str, Any]:
        # Images are often bytes: as floats they would take eight times the memory.
        options = super()._check_array_options()
        return {**options, "dtype": [*options["dtype"], np.uint8]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # -- labels --------------------------------------------------------------------------------

    def _n_outputs(self) -> int:
        """Return how many columns the output has."""
        raise NotImplementedError

    def _label_tensor(self, domain: Domain) -> Tensor | None:
        """Return a domain's labels as the head takes them, None where no row has one."""
        if not domain.labelled.any():
            return None
        return self._head.labels(self._scaled(domain.y))

    def _scaled(self, y: np.ndarray) -> np.ndarray:
        """Return labels in the units that the network learns."""
        return y

    def _set_label_scale(self, source: Domain, target: Domain) -> None:
        """Learn the units of the labels, if they have any."""

    # -- inference ---------------------------------------------------------------------------------

    def _inference_network(self) -> Network:
        """Return the network that predicts and maps rows."""
        return self.net_.module_

    def _output(self, X, domain: str | int = "target") -> np.ndarray:
        """Return the head's output for validated rows of a domain."""
        return infer(self._inference_network(), X, self._dtype, _last_output, domain)

    def _map(self, X, domain: str):
        network, layer = self._inference_network(), self._checked_transform_layer()
        return infer(network, X, self._dtype, lambda features, output: features[layer], domain)

    @property
    def _n_features_out(self) -> int:
        return self._inference_network().widths[self._checked_transform_layer()]

    def _checked_transform_layer(self) -> int:
        n_layers = len(self._inference_network().layers)
        if not -n_layers <= self.transform_layer < n_layers:
            raise ValueError(
                f"transform_layer is {self.transform_layer}, but the network has {n_layers} hidden "
                "layers."
            )
        return self.transform_layer


def _last_output(features, output: Tensor) -> Tensor:
    return output


class DeepTransferClassifierBase(ClassifierMixin, ClassPredictions, DeepTransferEstimator):
    """A deep classifier: class logits, cross-entropy.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    """

    _head = ClassHead

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _offers(self, method: str) -> bool:
        name = f"_{method}"
        base = DeepTransferClassifierBase
        of_head = all(getattr(type(self), f) is getattr(base, f) for f in (name, "_class_logits"))
        if of_head and not self._head.has_classes:
            raise AttributeError(
                f"{type(self).__name__} has no {method}: its outputs are {self._head.output}."
            )
        return True

    def _class_logits(self, X) -> np.ndarray:
        """Return a logit for each class: the output, where that is what the head gives."""
        return self._output(X)

    def _predict(self, X):
        if self._head.has_classes:  # at less cost than by all logits in float64
            return self.classes_[best_outputs(self._inference_network(), X, self._dtype)]
        return self.classes_[self._class_logits(X).argmax(axis=1)]

    def _predict_proba(self, X):
        return ClassHead.probabilities(self._class_logits(X))

    def _predict_log_proba(self, X):
        return ClassHead.log_probabilities(self._class_logits(X))

    def _decision_function(self, X):
        logits = self._class_logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


class DeepTransferRegressorBase(RegressorMixin, TargetPredictions, DeepTransferEstimator):
    """A deep regressor: one output, squared error on standardised labels."""

    _head = NumberHead

    def _n_outputs(self) -> int:
        return 1

    def _scaled(self, y: np.ndarray) -> np.ndarray:
        return (y - self._y_mean) / self._y_scale

    def _set_label_scale(self, source: Domain, target: Domain) -> None:
        if self._last_net is not None:
            return  # its weights are for the last fit's units
        # The source's units, or the target's where there is no source: the same for all domains.
        y = source.y if len(source) else target.y[target.labelled]
        self._y_mean = float(y.mean())
        self._y_scale = float(y.std()) or 1.0

    def _predict(self, X):
        output = self._head.predict(self._output(X))
        return output.astype(np.float64) * self._y_scale + self._y_mean
