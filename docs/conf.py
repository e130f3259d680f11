"""Configuration of the documentation."""

import importlib
import re
import sys
from pathlib import Path

import skdtl

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skdtl"
author = "skdtl developers"
copyright = "2026, skdtl developers"
release = version = skdtl.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "method_table",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "py:obj"
add_module_names = False


def split_methods(fullname, names):
    """Split the methods of a class into those that skdtl documents and those of scikit-learn."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    of = {"skdtl": [], "sklearn": []}
    for name in names:
        package = (getattr(getattr(cls, name), "__module__", None) or "").split(".")[0]
        if package in of and not name.startswith("_") and not name.endswith("_request"):
            of[package].append(name)
    return of["skdtl"], of["sklearn"]


def escape_fitted_names(app, what, name, obj, options, lines):
    """Keep reStructuredText from taking the ``_`` of ``(n_features_in_,)`` for a link."""
    for k, line in enumerate(lines):
        if " of shape " in line:
            lines[k] = re.sub(r"(\w)_(?=\W)", r"\1\\_", line)


def setup(app):
    """Run before numpydoc, whose priority is 500."""
    app.connect("autodoc-process-docstring", escape_fitted_names, priority=400)


autosummary_generate = True
suppress_warnings = ["config.cache"]  # the function below cannot be pickled
autosummary_context = {"split_methods": split_methods}
autodoc_typehints = "none"  # numpydoc's Parameters sections tell the types
numpydoc_show_class_members = False  # the template of classes lists their methods

html_theme = "furo"
html_title = f"skdtl {release}"
