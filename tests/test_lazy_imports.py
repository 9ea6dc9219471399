"""``import dynsim`` and ``dynsim --help`` load nothing heavy; public names load on first use."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "sympy", "scipy", "matplotlib", "xarray", "torch")


# What a command may import beside Python's own: beyond it, half a second of CPU comes back one import at a time.
SYMBOLS = {"dynsim", "sympy", "mpmath", "gmpy2", "flint", "numpy"}
PICTURE = SYMBOLS | {
    *("xarray", "pandas", "dateutil", "pytz", "six", "packaging", "bottleneck", "pyarrow", "numexpr"),
    *(
        "matplotlib",
        "mpl_toolkits",
        "contourpy",
        "cycler",
        "fontTools",
        "kiwisolver",
        "pyparsing",
        "PIL",
        "defusedxml",
    ),
}
PACKAGES_OF_NUMPY = {"numpy.f2py", "numpy.testing"}  # come with `from numpy import *`, as SymPy has it by default


def imported(code):
    """Every module that `code` imports in a fresh interpreter, beyond what an interpreter always has."""
    code = f"import sys, json; before = set(sys.modules)\n{code}\n"
    code += "print(); print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


def foreign(modules):
    """Packages that are not Python's own, generated modules of compiled ones left out."""
    packages = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    return {name for name in packages if not name.startswith("_") and name != "cython_runtime"}


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


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["derive", "(phi*theta - sg(theta))^2/2"], SYMBOLS),
        (["outcome", "toy", "--initial", "phi=0.6,theta=0.1"], SYMBOLS),
        (["plot", "article", "--out", "OUT"], PICTURE),
    ],
)
def test_a_command_imports_what_it_needs(argv, allowed, tmp_path):
    argv = [str(tmp_path) if word == "OUT" else word for word in argv]
    modules = imported(f"from dynsim.cli import main; assert not main({argv!r})")
    assert foreign(modules) <= allowed
    assert "matplotlib.pyplot" not in modules
    assert not PACKAGES_OF_NUMPY & modules
    if argv[0] == "derive":
        assert "importlib.metadata" not in modules  # which lists what is installed: no text of a loss is a name there


@pytest.mark.parametrize("call", ["solve('toy', start, 5.0)", "ensemble('toy', start | {'phi': [0.2, 0.6]}, 5.0)"])
def test_a_run_asks_for_no_arrays_of_dask(call):
    modules = imported(f"import dynsim\nstart = {{'phi': 0.6, 'theta': 0.1}}\ndynsim.{call}")
    assert "xarray" in modules
    assert "dask" not in modules


def test_machine_code_that_is_on_disk_needs_no_integrator_of_scipy(tmp_path, monkeypatch):
    pytest.importorskip("llvmlite")
    monkeypatch.setenv("DYNSIM_CACHE", str(tmp_path / "cache"))
    code = "import dynsim\ndynsim.solve('toy', {'phi': 0.6, 'theta': 0.1}, 5.0, method='compiled')"
    assert "scipy.integrate" in imported(code)
    assert "scipy.integrate" not in imported(code)
