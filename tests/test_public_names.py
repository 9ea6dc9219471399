"""Every public name exists, and no submodule shadows one."""

import ast
import importlib
import inspect
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

import dynsim
from dynsim import choices, monitor, networks
from dynsim.integrate import engines, solve
from dynsim.integrate.noise import steppers
from dynsim.networks import validation
from dynsim.registry import registry
from dynsim.symbolic import flow


def import_everything():
    for module in pkgutil.walk_packages(dynsim.__path__, "dynsim."):
        if module.name != "dynsim.__main__":
            importlib.import_module(module.name)


def test_no_public_name_is_shadowed():
    import_everything()
    for name in dynsim.__all__:
        value = getattr(dynsim, name)
        assert name == "__version__" or callable(value), f"{name} is {value!r}"


def public():
    for room in (dynsim, networks, monitor):
        for name in room.__all__:
            if name not in ("__version__", "measures"):
                yield f"{room.__name__}.{name}", getattr(room, name)


def test_public_names_say_what_to_see_and_show_an_example():
    if find_spec("torch") is None:
        pytest.skip("needs torch")
    for name, value in public():
        doc = value.__doc__ or ""
        assert len(doc.strip()) > 20, name
        assert ">>>" in doc, f"{name}: no example"
        assert "See Also" in doc, f"{name}: no See Also"
        silent = name.startswith("dynsim.list_")  # takes nothing and refuses nothing
        assert inspect.isclass(value) or "Raises" in doc or silent, f"{name}: no Raises"


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'sloved'; did you mean 'solve'"):
        _ = dynsim.sloved
    with pytest.raises(AttributeError, match="did you mean 'optimise'"):
        _ = dynsim.optimize


def test_dir_lists_the_public_names_and_only_them():
    assert set(dir(dynsim)) == {*dynsim.__all__, "monitor", "networks", "testing"}


def test_star_import_gives_the_public_names():
    space = {}
    exec("from dynsim import *", space)
    assert set(dynsim.__all__) <= set(space)


RIGHT = """
import dynsim
from dynsim.networks import Experiment

flow = dynsim.gradient_flow("(phi*theta - sg(theta))^2/2", ["phi", "theta"], branch="full")
run = dynsim.solve(flow, {"phi": 0.6, "theta": 0.1}, 3.0, method="Radau")
many = dynsim.ensemble(flow, {"phi": 0.6, "theta": 0.1}, 3.0, method="scipy")
steps = dynsim.optimise(flow, {"phi": 0.6, "theta": 0.1}, 3, lr=0.1, optimiser="adam")
experiment = Experiment(encoder="mlp", predictor="linear", objective="sq(p1 - sg(z2))/2", norm="batch", branch="stop")
own = Experiment(encoder=lambda: None)
noisy = dynsim.noisy_flow("E((w*x)^2)/2", "w", random="x ~ normal(0, 1)", branch="full")
reveal_type(dynsim.outcome(flow, {"phi": 0.6, "theta": 0.1}))
"""

MISTAKES = {
    "dynsim.slove(flow, {}, 3.0)": "slove",
    'dynsim.solve(flow, {}, 3.0, metod="RK45")': "metod",
    'dynsim.solve(flow, {}, 3.0, method="RK54")': "method",
    'dynsim.ensemble(flow, {}, 3.0, method="scypy")': "method",
    'dynsim.optimise(flow, {}, 3, lr=0.1, optimiser="adamm")': "optimiser",
    'dynsim.modified_flow(flow, "adma")': "modified_flow",
    'dynsim.gradient_flow("w^2", "w", branch="fulll")': "branch",
    'dynsim.system("toy", branch="ful")': "branch",
    'Experiment(branch="fulll")': "branch",
    'Experiment(encoder="mpl")': "encoder",
    'Experiment(predictor="mpl")': "predictor",
    'Experiment(optimiser="sdg")': "optimiser",
    'Experiment(norm="batchh")': "norm",
    'Experiment(init="ortogonal")': "init",
    "Experiment(stepss=3)": "stepss",
    "dynsim.outcome(flow)": "initial",
    'dynsim.Normal("0", 1, 2)': "Normal",
    "experiment.stepps": "stepps",
    "flow.jacobain": "jacobain",
}


@pytest.mark.long
def test_a_type_checker_finds_every_planted_mistake_and_no_other(tmp_path):
    api = pytest.importorskip("mypy.api")
    planted = list(MISTAKES)
    first = len(RIGHT.splitlines()) + 1
    (tmp_path / "user.py").write_text(RIGHT + "\n".join(planted) + "\n")
    out, _, _ = api.run(
        ["--strict", "--cache-dir", str(tmp_path / "cache"), "--follow-imports=silent", str(tmp_path / "user.py")]
    )
    told = [line for line in out.splitlines() if "user.py" in line]
    assert any("note" in line and "Outcome" in line for line in told), out
    for number, line in enumerate(planted, first):
        mine = [said for said in told if f"user.py:{number}:" in said and "error" in said]
        assert len(mine) == 1, (line, mine)
        assert MISTAKES[line] in mine[0], (line, mine)
    assert sum("error" in line for line in told) == len(planted), out


@pytest.mark.long
def test_no_public_name_is_anything_to_a_type_checker(tmp_path):
    api = pytest.importorskip("mypy.api")
    names = [name for name in dynsim.__all__ if name != "__version__"]
    for room in (networks, monitor):
        names += [f"{room.__name__.removeprefix('dynsim.')}.{name}" for name in room.__all__]
    file = tmp_path / "names.py"
    file.write_text("import dynsim\n" + "".join(f"reveal_type(dynsim.{name})\n" for name in names))
    out, _, _ = api.run(["--cache-dir", str(tmp_path / "cache"), "--follow-imports=silent", str(file)])
    told = [line for line in out.splitlines() if "Revealed type is" in line]
    assert len(told) == len(names), out
    assert not [line for line in told if line.endswith('is "Any"') or "Unknown" in line]


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        (choices.FlowOptimiser, "optimiser"),
        (choices.NetworkOptimiser, "network-optimiser"),
        (choices.EncoderName, "encoder"),
        (choices.PredictorName, "predictor"),
        (choices.ObjectiveName, "objective"),
        (choices.Initialisation, "initialisation"),
    ],
)
def test_the_words_for_type_checkers_are_those_of_the_tables(alias, kind):
    if kind != "optimiser":
        pytest.importorskip("torch")
    assert get_args(alias) == tuple(registry(kind)), f"the words in dynsim/choices.py are those of the {kind} table"


def test_the_words_of_branches_methods_and_norms():
    assert get_args(choices.Branch) == flow.BRANCHES
    assert get_args(choices.Solver) == solve.METHODS
    assert get_args(choices.EngineName) == engines.METHODS
    assert get_args(choices.NoiseMethod) == steppers.METHODS
    assert get_args(choices.Norm) == validation.NORMS


@pytest.mark.parametrize("room", [networks, monitor])
def test_what_a_type_checker_reads_of_a_room_is_what_there_is(room):
    stub = Path(room.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imports = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    assert sorted(item.asname for node in imports for item in node.names) == sorted(room.__all__)
    for node in imports:
        for item in node.names:
            home = importlib.import_module(node.module)
            assert getattr(room, item.asname) is getattr(home, item.name)
