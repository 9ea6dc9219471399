"""``import dynsim`` and ``dynsim --help`` load nothing heavy; public names load on first use."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "sympy", "scipy", "matplotlib", "xarray", "torch")


def loaded(code):
    """Heavy modules that a fresh interpreter holds after running `code`."""
    code += f"\nimport sys, json; print(); print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_import_is_light():
    assert loaded("import dynsim; dir(dynsim)") == []


def test_the_probe_sees_heavy_imports():
    assert "numpy" in loaded("import numpy")


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["plot", "--help"], ["simulate", "--help"]])
def test_help_is_light(argv):
    code = f"from dynsim.cli import main\ntry: main({argv!r})\nexcept SystemExit as stop: assert not stop.code"
    assert loaded(code) == []


def test_symbols_do_not_load_integrators():
    names = loaded("import dynsim; dynsim.gradient_flow('(phi*theta-sg(theta))^2/2', 'phi,theta').jacobian")
    assert not {"torch", "matplotlib", "xarray"} & set(names)


def test_torch_stays_out_of_a_figure():
    assert "torch" not in loaded("import dynsim; dynsim.plot('article-stop')")


def test_lists_are_kept_so_that_the_next_call_imports_no_member(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNSIM_CACHE", str(tmp_path / "cache"))
    code = "from dynsim.cli import main\nmain(['list'])\nmain(['methods'])"
    assert "sympy" in loaded(code)
    assert loaded(code) == []


def test_a_rule_needs_no_integrator():
    code = "import dynsim, sys\ndynsim.outcome('toy', {'phi': 0.6, 'theta': 0.1})\n"
    code += "assert 'scipy.integrate' not in sys.modules"
    assert "sympy" in loaded(code)
