"""Configuration of the documentation."""

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

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters sections tell the types
numpydoc_show_class_members = False  # the template of classes lists their methods

html_theme = "furo"
html_title = f"skdtl {release}"
