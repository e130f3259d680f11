"""The examples run, and show what their texts say."""

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Return a function that runs an example and returns the lines that it printed."""
    import matplotlib.pyplot as plt

    def main(name):
        picture = tmp_path / "picture.png"
        monkeypatch.setattr(sys, "argv", [name, "--output", str(picture)])
        script = Path(__file__).parents[1] / "examples" / f"{name}.py"
        runpy.run_path(str(script), run_name="__main__")
        assert picture.read_bytes().startswith(b"\x89PNG")
        return capsys.readouterr().out.splitlines()

    yield main
    plt.close("all")


def test_domain_shift(run):
    assert any("MMD²" in line for line in run("domain_shift"))


def test_instance_weights(run):
    lines = run("instance_weights")[:4]
    means = [float(line.split("mean weight ")[1].split(",")[0]) for line in lines]
    assert means.index(min(means)) == 2  # the ill of the second source


def test_training_history(run):
    pytest.importorskip("torch")
    lines = run("training_history")[1:3]
    plain, aligned = (float(line.split("accuracy ")[1].split(",")[0]) for line in lines)
    before, after = (float(line.split("features ")[1]) for line in lines)
    assert aligned > plain + 0.1 and after < before / 2
