"""The contract, over every public estimator: a new method is tested by existing."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from skdtl import NoTargetWarning, TargetKFold, stack
from skdtl._arrays import dense
from skdtl._delegation import WrappingEstimator
from skdtl.base import LowOverlapWarning, TransferTags
from skdtl.utils import all_estimators

from .common import (
    KEEP_ROWS,
    assert_same,
    instances,
    is_deep,
    label,
    make,
    make_data,
    outputs,
    parameters,
    partly_labelled,
    same,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

every = pytest.mark.parametrize("estimator", instances(), ids=label, indirect=True)
classifiers = pytest.mark.parametrize(
    "estimator", [e for e in instances() if is_classifier(e)], ids=label, indirect=True
)


@pytest.fixture
def estimator(request):
    return clone(request.param)


def tags(estimator) -> TransferTags:
    return get_tags(estimator).transfer_tags


def fit(estimator, seed=0, **options):
    """Fit in pair form with a partly labelled target."""
    Xs, ys, Xt, yt = make_data(estimator, seed=seed)
    return estimator.fit(Xs, ys, Xt, partly_labelled(yt), **options)


# -- scikit-learn's own checks --------------------------------------------------------------------


# Networks need more epochs for those checks that ask for accuracy on a few dozen rows.
ASK_FOR_ACCURACY = {"check_classifiers_train", "check_regressors_train"}


@pytest.mark.filterwarnings("ignore::skdtl.NoTargetWarning")
@parametrize_with_checks(
    instances(),
    expected_failed_checks=lambda estimator: {
        "check_fit_score_takes_y": "the second argument is the source's labels, named ys",
    },
)
def test_sklearn_check(estimator, check):
    if is_deep(estimator):
        estimator.set_params(batch_size=64)
        if check.func.__name__ in ASK_FOR_ACCURACY:
            estimator.set_params(max_epochs=20, hidden_layer_sizes=(16,), lr=0.05)
    check(estimator)


# -- the two call forms ---------------------------------------------------------------------------


@every
def test_pair_form_equals_stacked_form_in_any_row_order(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    pair = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    X, y, domain = stack(Xs, ys, Xt, yt)
    assert_same(pair, outputs(clone(estimator).fit(X, y, sample_domain=domain), Xt))
    # Any interleaving of the domains that keeps the order within each of them.
    rows = np.empty(len(domain), dtype=int)
    mixed = np.random.default_rng(1).permutation(domain)
    rows[mixed > 0], rows[mixed < 0] = np.flatnonzero(domain > 0), np.flatnonzero(domain < 0)
    mixed_fit = clone(estimator).fit(X[rows], y[rows], sample_domain=domain[rows])
    assert_same(pair, outputs(mixed_fit, Xt))


@every
def test_both_forms_at_once_are_an_error(estimator):
    Xs, ys, Xt, _ = make_data(estimator)
    with pytest.raises(ValueError, match="Xt and sample_domain were both given"):
        estimator.fit(Xs, ys, Xt, sample_domain=np.ones(len(Xs), dtype=int))


@every
def test_no_target_warns_and_falls_back_to_the_source(estimator):
    Xs, ys, _, _ = make_data(estimator)
    needs = tags(estimator)
    if needs.target_labels == "ignored" and not needs.unlabelled_target:
        with warnings.catch_warnings():
            warnings.simplefilter("error", NoTargetWarning)
            estimator.fit(Xs, ys)
    else:
        with pytest.warns(NoTargetWarning, match="without a target"):
            estimator.fit(Xs, ys)
    assert estimator.predict(Xs).shape == ys.shape


@every
def test_a_normal_fit_warns_of_nothing(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LowOverlapWarning)  # these rows are few
        fit(estimator)


@every
def test_target_may_be_larger_or_smaller_than_the_source(estimator):
    for n_source, n_target in ((30, 70), (70, 12)):
        Xs, ys, Xt, yt = make_data(estimator, n_source, n_target)
        predicted = clone(estimator).fit(Xs, ys, Xt, yt).predict(Xt)
        assert predicted.shape == (n_target,)


@every
def test_there_may_be_more_columns_than_rows(estimator):
    Xs, ys, Xt, yt = make_data(estimator, 30, 20, n_features=150)
    predicted = estimator.fit(Xs, ys, Xt, yt).predict(Xt)
    assert predicted.shape == (20,)


@every
def test_source_rows_may_come_in_any_order(estimator):
    if is_deep(estimator):
        pytest.skip("batches are drawn by row number: another order is another random seed")
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    order = np.random.default_rng(3).permutation(len(Xs))
    first = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    second = outputs(clone(estimator).fit(Xs[order], ys[order], Xt, yt), Xt)
    assert_same(first, second, rtol=1e-4)


# -- labels ---------------------------------------------------------------------------------------


@every
def test_hidden_target_labels_are_hidden(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    if tags(estimator).target_labels == "required":
        with pytest.raises(ValueError, match="hide_target_labels=True hides all"):
            estimator.fit(Xs, ys, Xt, yt, hide_target_labels=True)
        return
    blind = outputs(clone(estimator).fit(Xs, ys, Xt), Xt)
    shuffled = np.random.default_rng(0).permutation(yt)
    for labels in (yt, shuffled, 1 - yt, partly_labelled(yt), yt + 100, ["junk"] * len(yt)):
        hidden = clone(estimator).fit(Xs, ys, Xt, labels, hide_target_labels=True)
        assert_same(blind, outputs(hidden, Xt))
        if is_classifier(estimator):
            assert_array_equal(hidden.classes_, [0, 1])
    X, y, domain = stack(Xs, ys, Xt, yt)
    hidden = clone(estimator).fit(X, y, sample_domain=domain, hide_target_labels=True)
    assert_same(blind, outputs(hidden, Xt))


@every
def test_given_target_labels_are_used_or_ignored_as_the_tag_says(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    other = 1 - yt if is_classifier(estimator) else 20 - yt
    first = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    second = outputs(clone(estimator).fit(Xs, ys, Xt, other), Xt)
    ignored = tags(estimator).target_labels == "ignored"
    assert same(first, second) == ignored
    if ignored:  # not even looked at, whatever they are
        X, y, domain = stack(Xs, ys, Xt, yt + 100)
        assert_same(first, outputs(clone(estimator).fit(X, y, sample_domain=domain), Xt))


@every
def test_unlabelled_target_rows_take_part_as_the_tag_says(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    labels = partly_labelled(yt)
    moved = Xt.copy()
    moved[np.isnan(labels)] = 3 * moved[np.isnan(labels)] + 5
    first = outputs(clone(estimator).fit(Xs, ys, Xt, labels), Xt)
    second = outputs(clone(estimator).fit(Xs, ys, moved, labels), Xt)
    assert same(first, second) != tags(estimator).unlabelled_target


@every
def test_every_marker_of_a_missing_label_means_the_same(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    nan = partly_labelled(yt)
    gone = np.isnan(nan)
    markers = [np.where(gone, None, yt), np.where(gone, pd.NA, yt), pd.Series(nan), list(nan)]
    if is_classifier(estimator):
        markers.append(pd.Series(nan).astype("Int64"))
        if not tags(estimator).new_classes:
            markers.append(np.where(gone, -1, yt))
    expected = outputs(clone(estimator).fit(Xs, ys, Xt, nan), Xt)
    for labels in markers:
        assert_same(expected, outputs(clone(estimator).fit(Xs, ys, Xt, labels), Xt))


@classifiers
def test_minus_one_is_a_class_where_the_source_has_it(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    plain = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    signed = clone(estimator).fit(Xs, 2 * ys - 1, Xt, 2 * yt - 1)
    assert_array_equal(signed.classes_, [-1, 1])
    plain["predict"] = 2 * plain["predict"] - 1
    assert_same(plain, outputs(signed, Xt))


@classifiers
@pytest.mark.parametrize(
    "names",
    [
        np.array(["well", "zany"]),
        np.array(["well", "zany"], dtype=object),
        np.array([False, True]),
        np.array([3, 17]),
        np.array([0.0, 1.0]),
        np.array([-1, 1]),
    ],
    ids=["str", "object", "bool", "int", "float", "signed"],
)
def test_labels_of_any_type(estimator, names):
    Xs, ys, Xt, yt = make_data(estimator)
    codes = clone(estimator).fit(Xs, ys, Xt, yt).predict(Xt)
    estimator.fit(Xs, names[ys], Xt, names[yt])
    assert_array_equal(estimator.classes_, names)
    predicted = estimator.predict(Xt)
    assert predicted.dtype.kind == names.dtype.kind
    assert_array_equal(predicted, names[codes])
    assert estimator.score(Xt, names[yt]) == np.mean(predicted == names[yt])
    unlabelled = np.array([None] * len(yt), dtype=object)
    unlabelled[: len(yt) // 2] = names[yt[: len(yt) // 2]]
    estimator.fit(Xs, names[ys], Xt, unlabelled)
    assert_array_equal(estimator.classes_, names)


@every
def test_scores_are_of_the_predictions_and_weigh_rows(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    estimator.fit(Xs, ys, Xt, yt)
    measure = accuracy_score if is_classifier(estimator) else r2_score
    truth = np.roll(yt, 1)  # so that no estimator is right or wrong everywhere
    weights = np.linspace(0, 1, len(yt))
    predicted = estimator.predict(Xt)
    expected = measure(truth, predicted, sample_weight=weights)
    assert estimator.score(Xt, truth, sample_weight=weights) == pytest.approx(expected)
    assert estimator.score(Xt, truth) == pytest.approx(measure(truth, predicted))
    assert abs(expected - measure(truth, predicted)) > 1e-6


@classifiers
def test_scoring_accuracy_scores_real_labels(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    names = np.array(["well", "ill"])
    X, y, domain = stack(Xs, names[ys], Xt, names[yt])
    scores = cross_val_score(
        estimator,
        X,
        y,
        cv=TargetKFold(2),
        scoring="accuracy",
        params={"sample_domain": domain},
        error_score="raise",
        groups=domain,
    )
    assert np.all((scores >= 0) & (scores <= 1))
    rounded = scores * len(yt) / 2
    np.testing.assert_allclose(rounded, np.round(rounded), atol=1e-9)


@every
def test_integer_targets_of_a_regressor(estimator):
    if not is_regressor(estimator):
        pytest.skip("not a regressor")
    Xs, ys, Xt, yt = make_data(estimator)
    ys, yt = np.round(ys).astype(int), np.round(yt).astype(int)
    yt[0] = -1  # a value like any other
    whole = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    assert_same(
        whole, outputs(clone(estimator).fit(Xs, ys.astype(float), Xt, yt.astype(float)), Xt)
    )
    assert whole["predict"].dtype.kind == "f"
    if tags(estimator).target_labels != "ignored":
        without = yt.astype(float)
        without[0] = np.nan
        assert not same(whole, outputs(clone(estimator).fit(Xs, ys, Xt, without), Xt))


# -- what belongs to the caller, and what is kept -------------------------------------------------


@every
def test_fit_changes_nothing_of_the_callers(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    arrays = [Xs, ys.astype(float), Xt, partly_labelled(yt)]
    before = copy.deepcopy(arrays)
    for array in arrays:
        array.setflags(write=False)
    params = copy.deepcopy(estimator.get_params())
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    estimator.fit(*arrays)
    estimator.predict(arrays[2])
    for array, old in zip(arrays, before):
        assert_array_equal(array, old)
    for name, value in estimator.get_params().items():
        assert repr(value) == repr(params[name]), name
    inner = getattr(estimator, "estimator", None)
    if inner is not None:
        with pytest.raises(NotFittedError):
            check_is_fitted(inner)
    assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@every
def test_torch_state_is_left_alone(estimator):
    torch = pytest.importorskip("torch")
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    fit(estimator)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@every
def test_same_seed_same_bits_and_refitting_starts_afresh(estimator):
    first = clone(estimator)
    Xt = make_data(estimator)[2]
    fit(first)
    torch = pytest.importorskip("torch") if is_deep(estimator) else None
    np.random.seed(1)  # noqa: NPY002
    if torch is not None:
        torch.manual_seed(1)
    assert_same(outputs(first, Xt), outputs(fit(clone(first)), Xt))
    again = fit(clone(estimator), seed=5)
    assert_same(outputs(first, Xt), outputs(fit(again), Xt))


@every
def test_another_estimator_counts_at_the_next_fit(estimator):
    if not isinstance(estimator, WrappingEstimator):
        pytest.skip("wraps no estimator")
    rows = 2 * np.random.default_rng(0).normal(size=(200, 4))
    before = outputs(fit(estimator), rows)
    other = (
        HistGradientBoostingClassifier
        if is_classifier(estimator)
        else (HistGradientBoostingRegressor)
    )
    estimator.set_params(estimator=other(max_iter=2, min_samples_leaf=2))
    # Two learners may find the same threshold in a few rows that one feature separates, and so
    # predict the same classes; their probabilities differ.
    assert not same(before, outputs(fit(estimator), rows))


@every
def test_pickle_and_joblib(estimator):
    Xt = make_data(estimator)[2]
    fit(estimator)
    expected = outputs(estimator, Xt)
    assert_same(expected, outputs(pickle.loads(pickle.dumps(estimator)), Xt))
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    assert_same(expected, outputs(joblib.load(buffer), Xt))


@every
def test_pickle_does_not_grow_with_the_training_rows(estimator):
    settings = KEEP_ROWS.get(type(estimator).__name__, {})
    if settings is None:
        pytest.skip("predicts by its training rows")
    estimator.set_params(**settings)
    sizes = []
    for times in (5, 40):  # enough rows for boosting not to stop early
        Xs, ys, Xt, yt = make_data(estimator, 60 * times, 40 * times)
        sizes.append(len(pickle.dumps(clone(estimator).fit(Xs, ys, Xt, partly_labelled(yt)))))
    assert sizes[1] < 1.3 * sizes[0] + 500


@every
def test_fitting_in_threads(estimator):
    Xt = make_data(estimator)[2]
    expected = [outputs(fit(clone(estimator), seed=seed), Xt) for seed in (0, 1)]
    fitted = [clone(estimator), clone(estimator)]
    threads = [
        threading.Thread(target=fit, args=(one,), kwargs={"seed": seed})
        for seed, one in enumerate(fitted)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, known in zip(fitted, expected):
        assert_same(known, outputs(one, Xt))


@every
def test_float32_and_fortran_order(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    expected = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    fortran = clone(estimator).fit(np.asfortranarray(Xs), ys, np.asfortranarray(Xt), yt)
    assert_same(expected, outputs(fortran, Xt), rtol=1e-6)
    single = clone(estimator).fit(Xs.astype(np.float32), ys, Xt.astype(np.float32), yt)
    assert np.mean(np.isfinite(single.predict(Xt.astype(np.float32)).astype(float))) == 1


@every
def test_html_repr(estimator):
    assert type(estimator).__name__ in estimator._repr_html_()
    fit(estimator)
    assert type(estimator).__name__ in estimator._repr_html_()


# -- tables ---------------------------------------------------------------------------------------


@every
def test_dataframes(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    names = ["age", "sex", "chol", "ecg"]
    Fs, Ft = pd.DataFrame(Xs, columns=names), pd.DataFrame(Xt, columns=names)
    yt = partly_labelled(yt)
    expected = outputs(clone(estimator).fit(Xs, ys, Xt, yt), Xt)
    estimator.fit(Fs, pd.Series(ys), Ft, pd.Series(yt))
    assert_same(expected, outputs(estimator, Ft))
    assert_array_equal(estimator.feature_names_in_, names)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(Ft[names[::-1]])
    with pytest.raises(ValueError, match="Xt has the column 'ecg' where Xs has 'age'"):
        clone(estimator).fit(Fs, ys, Ft[names[::-1]], yt)
    with pytest.raises(ValueError, match="Xt has 3 features, but Xs has 4"):
        clone(estimator).fit(Fs, ys, Ft[names[:3]], yt)
    X, y, domain = stack(Fs, ys, Ft, yt)
    stacked = clone(estimator).fit(X, y, sample_domain=pd.Series(domain))
    assert_same(expected, outputs(stacked, Ft))


@every
def test_sparse_rows_equal_dense_rows(estimator):
    """One domain of each kind or both of one: all four pairs are the same rows."""
    if not get_tags(estimator).input_tags.sparse:
        pytest.skip("check_estimator tests the error")
    if "estimator__tol" in estimator.get_params():
        estimator.set_params(estimator__tol=1e-12)  # Ridge solves for sparse rows by iteration
    Xs, ys, Xt, yt = make_data(estimator)
    # Rows far from the origin, since sparse ones can't be centred, and some zeros.
    Xs, Xt = np.where(abs(Xs) < 0.5, 0, Xs + 3), np.where(abs(Xt) < 0.5, 0, Xt + 3)
    yt = partly_labelled(yt)
    kinds = {"dense": np.asarray, "array": sp.csr_array, "matrix": sp.csr_matrix}
    fits = {
        (one, other): outputs(clone(estimator).fit(kinds[one](Xs), ys, kinds[other](Xt), yt), Xt)
        for one in kinds
        for other in kinds
    }
    for pair, found in fits.items():
        assert_same(fits["dense", "dense"], found, rtol=1e-4)
        if pair != ("dense", "dense"):
            assert_same(fits["array", "array"], found)  # to the bit
    X, y, domain = stack(sp.csr_array(Xs), ys, Xt, yt)
    stacked = outputs(estimator.fit(X, y, sample_domain=domain), Xt)
    assert_same(fits["array", "array"], stacked, rtol=1e-6)
    if hasattr(estimator, "fit_transform"):
        mixed = np.random.default_rng(0).permutation(len(domain))
        X, y, domain = X[mixed], y[mixed], domain[mixed]
        sparse, of_dense = (
            dense(clone(estimator).fit_transform(rows, y, sample_domain=domain))
            for rows in (X, X.toarray())
        )
        np.testing.assert_allclose(sparse, of_dense, rtol=1e-4, atol=1e-4)


@every
def test_nan_passes_where_the_wrapped_estimator_takes_it(estimator):
    if not isinstance(estimator, WrappingEstimator) or not estimator._takes_nan:
        pytest.skip("takes no NaN")
    boosting = (
        HistGradientBoostingClassifier
        if is_classifier(estimator)
        else (HistGradientBoostingRegressor)
    )
    estimator.set_params(estimator=boosting(max_iter=3, min_samples_leaf=2))
    Xs, ys, Xt, yt = make_data(estimator)
    Xs[::7, 1], Xt[::5, 2] = np.nan, np.nan
    assert estimator.fit(Xs, ys, Xt, yt).predict(Xt).shape == yt.shape


# -- inside scikit-learn --------------------------------------------------------------------------


def grid(estimator) -> dict:
    """Return a grid over one number that the estimator has, and over nothing if it has none."""
    params = {
        "lam": [0.1, 1.0],
        "mu": [0.1, 1.0],
        "n_estimators": [2, 3],
        "n_steps": [3, 4],
        "max_iter": [2, 3],
        "lr": [1e-3, 1e-2],
    }
    return next(
        ({name: params[name]} for name in params if name in parameters(type(estimator))), {}
    )


@every
def test_grid_search_and_cross_validation(estimator, routing):
    Xs, ys, Xt, yt = make_data(estimator)
    X, y, domain = stack(Xs, ys, Xt, yt)
    options = {"sample_domain": domain} if routing else {"sample_domain": domain, "groups": domain}
    search = GridSearchCV(estimator, grid(estimator), cv=TargetKFold(2), error_score="raise")
    search.fit(X, y, **options)
    assert search.predict(Xt).shape == yt.shape
    alone = clone(estimator).set_params(**search.best_params_).fit(X, y, sample_domain=domain)
    assert_same(outputs(alone, Xt), outputs(search.best_estimator_, Xt))


@every
def test_last_in_a_pipeline(estimator, routing):
    Xs, ys, Xt, yt = make_data(estimator)
    X, y, domain = stack(Xs, ys, Xt, yt)
    name = type(estimator).__name__.lower()
    pipeline = make_pipeline(StandardScaler(), estimator)
    search = GridSearchCV(
        pipeline,
        {f"{name}__{key}": value for key, value in grid(estimator).items()},
        cv=TargetKFold(2),
        error_score="raise",
    )
    if routing:
        search.fit(X, y, sample_domain=domain)
    else:
        search.fit(X, y, groups=domain, **{f"{name}__sample_domain": domain})
    scaler = StandardScaler().fit(X)
    alone = clone(estimator).set_params(
        **{key.split("__")[1]: value for key, value in search.best_params_.items()}
    )
    alone.fit(scaler.transform(X), y, sample_domain=domain)
    assert_array_equal(search.predict(Xt), alone.predict(scaler.transform(Xt)))


@every
def test_pair_form_in_a_pipeline(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    scaler = StandardScaler().fit(Xs)
    alone = clone(estimator).fit(scaler.transform(Xs), ys, scaler.transform(Xt), yt)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), estimator, transform_input=["Xt"])
        pipeline.fit(Xs, ys, Xt=Xt, yt=yt)
        assert_same(
            {"predict": alone.predict(scaler.transform(Xt))}, {"predict": pipeline.predict(Xt)}
        )


@every
def test_transformers_in_the_middle_of_a_pipeline(estimator):
    if not hasattr(estimator, "transform") or not is_classifier(estimator):
        pytest.skip("a classifier that transforms is needed")
    if is_deep(estimator):  # the fast setting's network has learned next to nothing
        estimator = clone(estimator).set_params(max_epochs=30)
    Xs, ys, Xt, yt = make_data(estimator)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), estimator, LogisticRegression(), transform_input=["Xt"]
        )
        options = {"yt": yt} if tags(estimator).target_labels == "required" else {}
        pipeline.fit(Xs, ys, Xt=Xt, **options)
        assert pipeline.score(Xt, yt) > 0.5
    scaler = StandardScaler().fit(Xs)
    alone = clone(estimator).fit(scaler.transform(Xs), ys, scaler.transform(Xt), **options)
    last = LogisticRegression().fit(alone.transform(scaler.transform(Xs), domain="source"), ys)
    expected = last.predict_proba(alone.transform(scaler.transform(Xt)))
    np.testing.assert_allclose(pipeline.predict_proba(Xt), expected, rtol=1e-6)


@every
def test_transform_contract(estimator):
    if not hasattr(estimator, "transform"):
        pytest.skip("no transformer")
    Xs, ys, Xt, yt = make_data(estimator)
    yt = partly_labelled(yt)
    mapped = clone(estimator).fit_transform(Xs, ys, Xt, yt)
    estimator.fit(Xs, ys, Xt, yt)
    np.testing.assert_allclose(mapped, estimator.transform(Xs, domain="source"), rtol=1e-6)
    X, y, domain = stack(Xs, ys, Xt, yt)
    rows = np.random.default_rng(0).permutation(len(X))
    stacked = clone(estimator).fit_transform(X[rows], y[rows], sample_domain=domain[rows])
    again = clone(estimator).fit(X[rows], y[rows], sample_domain=domain[rows])
    from_source = domain[rows] > 0
    for mask, side in ((from_source, "source"), (~from_source, "target")):
        expected = again.transform(X[rows][mask], domain=side)
        np.testing.assert_allclose(stacked[mask], expected, rtol=1e-6)
    names = estimator.get_feature_names_out()
    assert len(names) == mapped.shape[1]
    frame = (
        clone(estimator)
        .set_output(transform="pandas")
        .fit(Xs, ys, Xt, yt)
        .transform(pd.DataFrame(Xt, index=np.arange(len(Xt)) + 7))
    )
    assert list(frame.columns) == list(names) and frame.index[0] == 7
    with pytest.raises(ValueError, match="domain"):
        estimator.transform(Xt, domain="nowhere")


# -- parameters and errors ------------------------------------------------------------------------


@pytest.mark.parametrize("name, cls", all_estimators())
def test_misspelt_parameter(name, cls):
    with pytest.raises(TypeError, match="lamda"):
        cls(lamda=1)


@pytest.mark.parametrize("name, cls", all_estimators())
def test_every_parameter_is_constrained_and_illegal_values_are_named(name, cls):
    assert set(cls._params) == set(parameters(cls))
    for parameter in cls._params:
        estimator = make(cls)
        setattr(estimator, parameter, {"an": "illegal value"})
        Xs, ys, Xt, yt = make_data(estimator) if parameter != "estimator" else make_data(make(cls))
        with pytest.raises((ValueError, TypeError, AttributeError), match=parameter):
            estimator.fit(Xs, ys, Xt, yt)


def bad_fits(estimator) -> list:
    """Return (reason, changed arguments, pattern that the message must match)."""
    Xs, ys, Xt, yt = make_data(estimator)
    nan, inf = Xt.copy(), Xs.copy()
    nan[3, 1], inf[3, 1] = np.nan, np.inf
    cases = [
        ("width", {"Xt": Xt[:, :3]}, "Xt has 3 features, but Xs has 4"),
        ("length of ys", {"ys": ys[:-1]}, "Xs has 60 rows, but ys has 59 labels"),
        ("inf", {"Xs": inf}, "Input Xs contains infinity"),
        ("no source rows", {"Xs": Xs[:0], "ys": ys[:0]}, "0 sample"),
        ("no target rows", {"Xt": Xt[:0], "yt": yt[:0]}, "0 sample"),
        ("ys missing", {"ys": None}, "ys"),
        ("hole in ys", {"ys": partly_labelled(ys)}, "Input ys contains NaN"),
        ("yt without Xt", {"Xt": None}, "yt was given without Xt"),
        ("one dimension", {"Xt": Xt[0]}, "(?s)Xt|1D array"),
    ]
    if not get_tags(estimator).input_tags.allow_nan:
        cases.append(("nan", {"Xt": nan}, "Input Xt contains NaN"))
    if tags(estimator).target_labels != "ignored":
        cases.append(("length of yt", {"yt": yt[:-1]}, "Xt has 40 rows, but yt has 39 labels"))
    if tags(estimator).target_labels == "required":
        none = np.full(len(yt), np.nan)
        cases += [
            ("no target labels", {"yt": None}, "yt"),
            ("only markers", {"yt": none}, "learns from labelled target rows"),
        ]
    if is_classifier(estimator):
        cases += [
            ("one class", {"ys": np.zeros(60, dtype=int)}, "1 class"),
            ("continuous", {"ys": np.linspace(0, 1, 60)}, "continuous"),
            ("mixed types", {"ys": np.array([0, "a"] * 30, dtype=object)}, "ys"),
        ]
        if tags(estimator).target_labels != "ignored":
            if not tags(estimator).new_classes:
                cases.append(("unknown class", {"yt": yt + 5}, r"yt has the classes \[5, 6\], but"))
            else:
                cases.append(("ambiguous -1", {"yt": np.where(yt == 0, -1, yt)}, "-1"))
    else:
        words = np.array(["a"] * 60)
        cases.append(("words", {"ys": words}, "ys must hold numbers"))
        cases.append(
            ("infinite label", {"ys": np.where(ys > ys[0], np.inf, ys)}, "ys contains inf")
        )
        if tags(estimator).target_labels != "ignored":
            infinite = np.r_[-np.inf, yt[1:]]
            cases.append(("infinite target label", {"yt": infinite}, "yt contains inf"))
    codes = np.r_[np.ones(50, dtype=int), np.zeros(10, dtype=int)]
    stacked = {"Xt": None, "yt": None}
    cases += [
        ("code 0", {**stacked, "sample_domain": codes}, "sample_domain must hold nonzero"),
        ("half codes", {**stacked, "sample_domain": codes + 0.5}, "sample_domain must hold"),
        ("word codes", {**stacked, "sample_domain": ["a"] * 60}, "sample_domain must hold"),
        ("no target code", {**stacked, "sample_domain": [1] * 60}, "none is a target"),
        ("no source code", {**stacked, "sample_domain": [-1] * 60}, "none is a source"),
        ("length of codes", {**stacked, "sample_domain": [1, -1]}, "sample_domain has shape"),
    ]
    return cases


@every
def test_bad_input_is_named_and_leaves_nothing_half_fitted(estimator):
    Xs, ys, Xt, yt = make_data(estimator)
    fitted = clone(estimator).fit(Xs, ys, Xt, yt)
    expected, attributes = outputs(fitted, Xt), set(vars(fitted))
    for reason, change, pattern in bad_fits(estimator):
        arguments = {"Xs": Xs, "ys": ys, "Xt": Xt, "yt": yt, **change}
        fresh = clone(estimator)
        before = set(vars(fresh))
        with pytest.raises((ValueError, TypeError), match=pattern):
            fresh.fit(**arguments)
        assert set(vars(fresh)) == before, reason
        with pytest.raises((ValueError, TypeError)):
            fitted.fit(**arguments)
        assert set(vars(fitted)) == attributes, reason
    assert_same(expected, outputs(fitted, Xt))


@every
def test_predict_checks_its_rows(estimator):
    Xt = make_data(estimator)[2]
    with pytest.raises(NotFittedError):
        estimator.predict(Xt)
    fit(estimator)
    with pytest.raises(ValueError, match="X has 3 features"):
        estimator.predict(Xt[:, :3])


# -- documentation --------------------------------------------------------------------------------


@pytest.mark.parametrize("name, cls", all_estimators())
def test_docstring(name, cls):
    text = inspect.getdoc(cls)
    sections = ["Parameters", "Attributes", "Examples"]
    if name not in ("Pooled", "SourceOnly", "TargetOnly"):
        sections.append("References")
    for section in sections:
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in parameters(cls):
        assert f"\n{parameter} : " in text, parameter
    for attribute in ("classes_", "n_features_in_"):
        if attribute == "n_features_in_" or is_classifier(make(cls)):
            assert f"{attribute} : " in text, attribute
