"""What the base class does for a method, seen through methods of a few lines."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import ClassifierMixin, RegressorMixin

from skdtl import TCA, NoTargetWarning, stack
from skdtl._arrays import dense
from skdtl.base import (
    Domain,
    DomainTransformerMixin,
    TransferEstimator,
    TransferTags,
)

XS = np.arange(8.0).reshape(4, 2)
YS = np.array(["sick", "well", "sick", "well"])
XT = np.arange(6.0).reshape(3, 2) + 10


class Spy(ClassifierMixin, TransferEstimator):
    """Keeps what it was given."""

    def _fit(self, source, target):
        self.source_, self.target_ = source, target


class RegressorSpy(RegressorMixin, TransferEstimator):
    def _fit(self, source, target):
        self.source_, self.target_ = source, target


class PretrainedSpy(Spy):
    _transfer_tags = TransferTags("required", new_classes=True, source_optional=True)


class FailingSpy(Spy):
    def _fit(self, source, target):
        self.half_ = 1
        raise KeyboardInterrupt


@pytest.mark.parametrize("target_first", [False, True])
def test_stacked_rows_are_copied_only_where_domains_interleave(target_first):
    X, y = np.arange(14.0).reshape(7, 2), np.array([0, 1, 0, 1, 0, 1, 0])
    domain = np.array([1, 1, 2, 2, -1, -1, -1])
    domain = domain[::-1] if target_first else domain
    spy = Spy().fit(X, y, sample_domain=domain)
    for part, mask in ((spy.source_, domain > 0), (spy.target_, domain < 0)):
        np.testing.assert_array_equal(part.X, X[mask])
        assert np.shares_memory(part.X, X)
    domain = np.array([1, -1, 1, 2, -1, 1, -1])
    spy = Spy().fit(X, y, sample_domain=domain)
    for part, mask in ((spy.source_, domain > 0), (spy.target_, domain < 0)):
        np.testing.assert_array_equal(part.X, X[mask])


def test_domains_of_the_pair_form():
    spy = Spy().fit(XS, YS, XT, ["well", None, "sick"])
    np.testing.assert_array_equal(spy.source_.X, XS)
    np.testing.assert_array_equal(spy.target_.X, XT)
    assert spy.classes_.tolist() == ["sick", "well"]
    assert spy.source_.y.tolist() == [0, 1, 0, 1]
    assert spy.target_.y.tolist() == [1, -1, 0]
    assert spy.source_.labelled.all()
    assert spy.target_.labelled.tolist() == [True, False, True]
    assert spy.source_.ids.tolist() == [1] * 4 and spy.target_.ids.tolist() == [-1] * 3


def test_domains_of_the_stacked_form_keep_their_codes():
    y = np.array(["a", "b", None, "a", "b", "a"], dtype=object)
    X = np.arange(12.0).reshape(6, 2)
    spy = Spy().fit(X, y, sample_domain=[2, 1, -1, 1, -3, 2])
    assert spy.source_.ids.tolist() == [2, 1, 1, 2]
    assert spy.source_.y.tolist() == [0, 1, 0, 0]
    assert spy.target_.ids.tolist() == [-1, -3] and spy.target_.y.tolist() == [-1, 1]
    np.testing.assert_array_equal(spy.target_.X, X[[2, 4]])


def test_labels_of_a_regressor():
    spy = RegressorSpy().fit(XS, [1, 2, -1, 4], XT, [5, None, -1])
    assert spy.source_.y.dtype == np.float64 and spy.source_.y.tolist() == [1, 2, -1, 4]
    np.testing.assert_array_equal(spy.target_.y, [5, np.nan, -1])
    assert spy.target_.labelled.tolist() == [True, False, True]


def test_integer_classes_stay_integers_in_the_stacked_form():
    X, y, domain = stack(XS, [3, 4, 3, 4], XT)
    assert y.dtype.kind == "f"
    spy = Spy().fit(X, y, sample_domain=domain)
    assert spy.classes_.dtype.kind == "i"


def test_without_target_the_target_is_the_source():
    with pytest.warns(NoTargetWarning):
        spy = Spy().fit(XS, YS)
    assert spy.source_ is spy.target_ and spy.target_.labelled.all()


def test_the_target_may_have_other_classes_where_the_tag_allows_it():
    spy = PretrainedSpy().fit(XS, YS, XT, ["new", "other", None])
    assert spy.source_classes_.tolist() == ["sick", "well"]
    assert spy.classes_.tolist() == ["new", "other"]
    assert spy.target_.y.tolist() == [0, 1, -1] and spy.source_.y.tolist() == [0, 1, 0, 1]
    # Classes that all are the source's leave its label space as it is.
    spy = PretrainedSpy().fit(XS, YS, XT, ["well", None, None])
    assert spy.classes_.tolist() == ["sick", "well"] and spy.target_.y.tolist() == [1, -1, -1]


def test_without_source_where_the_tag_allows_it():
    spy = PretrainedSpy().fit(None, None, XT, [7, 9, np.nan])
    assert len(spy.source_) == 0 and spy.source_.X.shape == (0, 2)
    assert spy.classes_.tolist() == [7, 9] and spy.n_features_in_ == 2
    with pytest.raises(ValueError, match="neither source"):
        PretrainedSpy().fit(None, None)
    with pytest.raises(ValueError, match="Xs is None"):
        Spy().fit(None, YS, XT)


def test_a_fit_forgets_what_the_last_one_has_set():
    spy = PretrainedSpy().fit(XS, YS, XT, ["new", "other", None])
    spy.other_ = spy.__dict__["_private"] = 1
    spy.fit(None, None, XT, [7, 9, np.nan])
    assert not hasattr(spy, "source_classes_") and not hasattr(spy, "other_")
    assert spy._private == 1
    model = TCA(kernel="rbf").fit(XS, YS, XT)
    kernel = set(vars(model))
    linear = set(vars(TCA().fit(XS, YS, XT)))
    assert set(vars(model.set_params(kernel="linear").fit(XS, YS, XT))) == linear != kernel


def test_an_interrupted_fit_leaves_what_was_there():
    spy = FailingSpy()
    with pytest.raises(KeyboardInterrupt):
        spy.fit(XS, YS, XT)
    assert not vars(spy)


class TwoMaps(DomainTransformerMixin, Spy):
    """Maps the source by another function than the target."""

    def _fit(self, source, target):
        self._n_features_out = 2
        self.fitted_ = True

    def _map(self, X, domain):
        return 3 * X if domain == "source" else -X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@pytest.mark.parametrize("rows_of", [np.asarray, sp.csr_array])
def test_each_row_is_mapped_by_its_own_domains_map(rows_of):
    first = TwoMaps().fit_transform(rows_of(XS), YS, rows_of(XT))
    np.testing.assert_array_equal(dense(first), 3 * XS)
    X, y, domain = stack(XS, YS, XT)
    rows = [5, 0, 6, 3, 1, 4, 2]  # no permutation of its own inverse
    mapped = TwoMaps().fit_transform(rows_of(X[rows]), y[rows], sample_domain=domain[rows])
    np.testing.assert_array_equal(dense(mapped), np.r_[3 * XS, -XT][rows])
    fitted = TwoMaps().fit(rows_of(XS), YS, rows_of(XT))
    np.testing.assert_array_equal(dense(fitted.transform(rows_of(XT))), -XT)
    source = fitted.transform(rows_of(XS), domain="source")
    np.testing.assert_array_equal(dense(source), 3 * XS)
    assert fitted.get_feature_names_out().tolist() == ["twomaps0", "twomaps1"]


def test_take_and_labelled_rows():
    domain = Domain(XS, np.array([0, -1, 1, -1]), np.array([1, 0, 1, 0], dtype=bool), np.ones(4))
    assert len(domain) == 4 and len(domain.labelled_rows()) == 2
    assert domain.take([3, 2]).y.tolist() == [-1, 1]
    np.testing.assert_array_equal(domain.labelled_rows().X, XS[[0, 2]])


def test_importing_changes_no_configuration():
    assert sklearn.get_config()["enable_metadata_routing"] is False
