"""Docstrings are numpydoc's, complete, and say the same of the same thing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate
from torch import nn

import skdtl
from skdtl.deep._parameters import TrainingParameters
from skdtl.mapping._kernel_mapper import KernelMapper
from skdtl.utils import all_estimators

# What numpydoc asks for, and we don't: in every docstring,
LEFT_OUT = {
    "ES01": "one sentence is enough for a method that it describes",
    "SA01": "not everything has something related",
    "EX01": "methods are shown in their class's example; asked for below of what users begin with",
    "RT02": "what is returned has a name",
    "RT03": "of `y : ndarray`, returned by `predict`, the summary says what it is",
}
# and in those of a single sentence, of what a user does not call: methods of alignments and
# records, and the engine's functions that no package exports.
OF_ONE_SENTENCE = {"PR01", "RT01", "YD01"}
# Parameters that are those of another function are named together, without types.
OF_INTERNALS = {"PR03", "PR04"}
# A sentence begins with a capital letter, or with one of these: symbols, and names of libraries.
FIRST_WORDS = {*"λβγνστdkx", "λ_t", "skorch", "skorch's", "scikit-learn's"}
CAPITALS = {"SS02", "PR08", "RT04"}


def public_modules() -> list[str]:
    modules = (module.name for module in pkgutil.walk_packages(skdtl.__path__, "skdtl."))
    return ["skdtl", *(name for name in modules if "._" not in name)]


def exported() -> dict[str, Any]:
    """Return the classes and functions of all public modules, by the first name of each."""
    found: dict[int, tuple[str, Any]] = {}
    for module in map(importlib.import_module, public_modules()):
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return dict(found.values())


EXPORTED = exported()


def is_record(cls) -> bool:
    return hasattr(cls, "__dataclass_fields__") or hasattr(cls, "_fields")


def documented(name: str, value: Any) -> Iterator[tuple[str, bool]]:
    """Yield the names of an object and of its own methods, and whether a user calls them."""
    module = importlib.import_module(name.rpartition(".")[0])
    called = hasattr(module, "__path__") or module.__name__.count(".") == 1
    yield name, called and not is_record(value)
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if not method.startswith("_") and (
                callable(function) or isinstance(function, property)
            ):
                inner = issubclass(value, nn.Module) or is_record(value)
                yield f"{name}.{method}", called and not inner


def first_words(docstring: str) -> set[str]:
    """Return what summary, parameters and returned values begin with."""
    parsed = NumpyDocString(docstring)
    texts = [parsed["Summary"], *(entry.desc for entry in parsed["Parameters"])]
    texts += [entry.desc for entry in parsed["Returns"]]
    words = (text[0].split()[0].strip(",;:.=") for text in texts if text and text[0])
    return {word for word in words if word[0].isalpha() and not word[0].isupper()}


@pytest.mark.parametrize("name", EXPORTED)
def test_docstrings_are_numpydocs(name):
    wrong = []
    for full_name, called in documented(name, EXPORTED[name]):
        result = validate(full_name)
        text = result["docstring"]
        for code, message in result["errors"]:
            left_out = code in LEFT_OUT
            if not called:
                left_out |= code in OF_INTERNALS
                left_out |= code in OF_ONE_SENTENCE and "\n---" not in text
                # The fields of a record are its attributes, see below.
                left_out |= code == "PR01" and full_name == name and is_record(EXPORTED[name])
            if code in CAPITALS:
                left_out = first_words(inspect.cleandoc(text)) <= FIRST_WORDS
            if not left_out:
                wrong.append(f"{full_name} {code}: {message}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name, value in EXPORTED.items() if is_record(value)])
def test_the_fields_of_a_record_are_its_attributes(name):
    record = EXPORTED[name]
    sections = NumpyDocString(inspect.getdoc(record))
    entries = [*sections["Parameters"], *sections["Attributes"]]
    listed = [each for entry in entries for each in entry.name.split(", ")]
    assert sorted(listed) == sorted(inspect.get_annotations(record))


@pytest.mark.parametrize("name", skdtl.__all__)
def test_what_users_begin_with_has_an_example(name):
    value = getattr(skdtl, name)
    if inspect.isclass(value) and issubclass(value, Warning):
        pytest.skip("a warning")
    if inspect.isclass(value) or inspect.isfunction(value):
        assert NumpyDocString(inspect.getdoc(value))["Examples"]


@pytest.mark.parametrize("name, cls", all_estimators())
def test_fitted_attributes_and_errors_are_named_once(name, cls):
    sections = NumpyDocString(inspect.getdoc(cls))
    names = [entry.name for entry in sections["Attributes"]]
    assert len(set(names)) == len(names)


# -- the same words for the same thing ------------------------------------------------------------

ESTIMATORS = dict(all_estimators())


def words(cls, section: str = "Parameters") -> dict[str, tuple[str, str]]:
    """Return type, without the default, and text of each entry of a section."""
    entries = NumpyDocString(inspect.getdoc(cls))[section]
    return {e.name: (e.type.split(", default")[0], " ".join(e.desc)) for e in entries}


# Who learns labelled target rows alone: of them his epochs and batches are.
OF_TARGET = {
    f"{name}{ending}" for name in ("FeatureTransfer", "FineTuning") for ending in ("", "Regressor")
}

# Vocabularies, and who says something of his own about one of their parameters.
VOCABULARIES = {
    TrainingParameters: {
        "max_epochs": OF_TARGET,
        "transform_layer": {"DeepHashing"},  # the codes, unless another is named
        "batch_size": {"DeepHashing", *OF_TARGET},
    },
    KernelMapper: {
        "n_components": {"JGSA", "SSTCA"},  # another number of directions
        "kernel": {"JGSA", "SSTCA"},  # other costs
        "max_iter": {"JGSA"},
        "estimator": {"JDA", "BDA", "JGSA", "SSTCA"},  # no pure transformer
    },
}


@pytest.mark.parametrize("base", VOCABULARIES)
def test_a_vocabularys_words_are_those_of_all_who_use_it(base):
    common = words(base)
    members = {name: cls for name, cls in ESTIMATORS.items() if issubclass(cls, base)}
    assert len(members) > 5 and set(common) == set(base._parameters)
    for parameter, expected in common.items():
        own = {name for name, cls in members.items() if words(cls)[parameter] != expected}
        assert own == VOCABULARIES[base].get(parameter, set()), parameter


# Parameters in which a method for classes and its twin for numbers differ.
TWINS_DIFFER = {
    "TrAdaBoost": {"estimator", "vote"},
    "ExpBoost": {"estimator", "expert", "cv"},
    "MTLF": {"n_neighbors"},
}


def twins() -> list[tuple[str, str]]:
    return [
        (name, name + ending)
        for name in ESTIMATORS
        for ending in ("Regressor", "R2")
        if name + ending in ESTIMATORS
    ]


@pytest.mark.parametrize("name, twin", twins())
def test_twins_say_the_same(name, twin):
    first, second = words(ESTIMATORS[name]), words(ESTIMATORS[twin])
    both = set(first) & set(second)
    differ = {parameter for parameter in both if first[parameter] != second[parameter]}
    assert differ == TWINS_DIFFER.get(name, set())


TRADABOOST = ["TrAdaBoost", "MultiSourceTrAdaBoost"]
BOOSTING = [*TRADABOOST, "TrAdaBoostR2", "ExpBoost", "ExpBoostR2", "Festra"]
RATIOS = ["KLIEP", "ULSIF", "RULSIF"]
WEIGHTERS = [*RATIOS, "KMM", "DiscriminatorWeighting", "NearestNeighborWeighting"]
TRANSFORMERS = ["TCA", "TJM", "CORAL", "GFK", "LinearOTMapping", "OTMapping", "SubspaceAlignment"]


@pytest.mark.parametrize(
    "names, parameters",
    [
        ([*BOOSTING, "TrResampling"], {"n_estimators"}),
        ([*BOOSTING, "TaskTrAdaBoost", "TwoStageTrAdaBoostR2"], {"resample"}),
        ([*TRADABOOST, "TaskTrAdaBoost"], {"voting", "estimator"}),
        (["TrBagging", "TrMultiBoosting", "TrResampling"], {"estimator", "cv", "n_jobs", "voting"}),
        (RATIOS, {"n_centers", "random_state"}),
        (["ULSIF", "RULSIF"], {"gamma", "lam"}),
        (WEIGHTERS, {"estimator"}),
        (TRANSFORMERS, {"estimator"}),
        (["CDAN", "DANN", "RMAN"], {"lam", "discriminator_layer_sizes"}),
        (["ADDA", "DANN"], {"layers", "discriminator_layer_sizes"}),
    ],
)
def test_relatives_say_the_same(names, parameters):
    of_each = [words(ESTIMATORS[name]) for name in names]
    for parameter in parameters:
        assert len({entries[parameter] for entries in of_each}) == 1, parameter


@pytest.mark.parametrize("attribute", ["n_features_in_", "feature_names_in_"])
def test_everyone_says_the_same_of_what_all_have(attribute):
    assert len({words(cls, "Attributes")[attribute] for cls in ESTIMATORS.values()}) == 1
