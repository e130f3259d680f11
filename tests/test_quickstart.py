"""The quickstart's own code: what it shows to which method, the table, the picture."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mlxtend")
pytest.importorskip("matplotlib")


@pytest.fixture
def quickstart():
    path = Path(__file__).parents[1] / "examples" / "quickstart.py"
    spec = importlib.util.spec_from_file_location("quickstart", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_to_test_on_are_never_adapted_to(quickstart):
    class data:
        Xt = np.arange(5000.0)[:, None]
        yt = np.arange(5000) % 10

    Xt, labels, X_test, y_test = quickstart.draw(data, seed=0)
    assert (len(Xt), len(X_test)) == (quickstart.N_TARGET, quickstart.N_TEST)
    assert not set(Xt.ravel()) & set(X_test.ravel())
    assert labels["none"] is None
    few = labels["50"]
    assert (~np.isnan(few)).sum() == 50
    np.testing.assert_array_equal(np.bincount(few[~np.isnan(few)].astype(int)), 5)
    known = ~np.isnan(few)
    np.testing.assert_array_equal(few[known], Xt.ravel()[known] % 10)
    np.testing.assert_array_equal(labels["1000"], Xt.ravel() % 10)
    np.testing.assert_array_equal(y_test, X_test.ravel() % 10)
    other = quickstart.draw(data, seed=1)[0]
    assert not np.array_equal(Xt, other)


def test_a_gain_is_counted_from_the_methods_own_floor(quickstart):
    floors = {"SourceOnly": 0.5, "DDC, λ = 0": 0.6, "DANN, λ = 0": 0.4}
    accuracy = np.full((len(quickstart.METHODS), 2), 0.7)
    for row, (name, given, *_) in zip(accuracy, quickstart.METHODS):
        if given == "none":
            row[:] = floors.get(name, 0.7)
    for (_, _, floor, _), gain in zip(quickstart.METHODS, quickstart.gains(accuracy)):
        np.testing.assert_allclose(gain, 0.7 - floors[floor] if floor else 0)


def test_it_prints_a_table_and_draws_a_picture(quickstart, monkeypatch, capsys, tmp_path):
    cheap = [method for method in quickstart.METHODS if method[0] in ("SourceOnly", "TargetOnly")]
    monkeypatch.setattr(quickstart, "METHODS", cheap)
    monkeypatch.setattr(quickstart, "N_DRAWS", 2)
    path = tmp_path / "quickstart.png"
    quickstart.main(["--picture", str(path)])
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["method", "target", "labels"]
    accuracies = [float(line.split()[2]) for line in lines[: len(cheap)]]
    assert accuracies[0] + 20 < accuracies[-1]  # source alone, all target labels
    assert path.stat().st_size > 10_000
