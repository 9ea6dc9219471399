"""One of each kind added as CONTRIBUTING says, by a file and a line; a broken package breaks only its own members.

The package is installed as any other is, with metadata on the path, and everything runs in one process of its own.
"""

import argparse
import json
import os
import subprocess
import sys

import pytest

from dynsim.cli import command_line, main

FILE = '''
import numpy as np
import dynsim
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.optimisers.catalogue import Optimiser
from dynsim.methods.spectral import Spectral


def build(branch, variant):
    flow = dynsim.gradient_flow("(w - sg(w)^2)^2/2", ["w"], branch=branch)
    return flow.describe(defaults={"w": 0.5}, view={"w": (-1, 2)})


SYSTEM = dynsim.System("mine", "of my own", "w chases its own square", "made up", build)


class Mine(Spectral):
    """The spectral loss under another name."""

    name = "mine"


METHOD = Mine()
OPTIMISER = Optimiser("mine", "half a step", "made up", lambda problem: lambda y: -problem.lr / 2 * y[problem.rows])


def compute(progress=None):
    run = dynsim.solve("mine", {"w": 0.5}, 3.0)
    return run


def verdict(data):
    return concluded("measured", f"w falls to {float(data.w[-1]):.3f}", "w falls")


def draw(data, figure):
    figure.subplots().plot(data.time, data.w)


FIGURE = Figure(name="mine", summary="my own figure", compute=compute, verdict=verdict, draw=draw, cost=0.1)
'''

NETWORKS = """
from dynsim.networks.encoders import Encoder, linear
from dynsim.networks.measures.recorded import Measure
from dynsim.networks.objectives import OBJECTIVES

MEASURE = Measure(lambda snapshot: {"mine": snapshot.test_features.mean((-2, -1))}, of_features=True)
ENCODER = Encoder(linear)
OBJECTIVE = OBJECTIVES["squared"]
"""

LINES = """
[dynsim.systems]
mine = my_dynamics:SYSTEM
broken = no_such_package_anywhere:SYSTEM
[dynsim.methods]
mine = my_dynamics:METHOD
broken = no_such_package_anywhere:METHOD
[dynsim.optimisers]
mine = my_dynamics:OPTIMISER
broken = no_such_package_anywhere:OPTIMISER
[dynsim.figures]
mine = my_dynamics:FIGURE
broken = no_such_package_anywhere:FIGURE
[dynsim.measures]
mine = my_networks:MEASURE
broken = no_such_package_anywhere:MEASURE
[dynsim.encoders]
mine = my_networks:ENCODER
broken = no_such_package_anywhere:ENCODER
[dynsim.objectives]
mine = my_networks:OBJECTIVE
broken = no_such_package_anywhere:OBJECTIVE
"""

USE = """
import contextlib, io, json, sys, dynsim
from dynsim.cli import main

def words(*argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: status = main(list(argv))
        except SystemExit as stop: status = stop.code
    return [status, out.getvalue(), err.getvalue()]

told = {
    "systems": list(dynsim.list_systems()["name"]), "methods": list(dynsim.list_methods()["name"]),
    "optimisers": list(dynsim.list_optimisers()["name"]), "figures": list(dynsim.list_figures()["name"]),
    "broken": {row["name"]: row["summary"] for row in dynsim.list_optimisers() if row["name"] == "broken"},
    "limit": dynsim.outcome("mine", {"w": 0.5}).limit["w"],
    "amplitude": dynsim.method("mine").amplitude(nu=0.2).value,
    "steps": float(dynsim.optimise("toy", {"phi": 0.6, "theta": 0.1}, 1, lr=0.1, optimiser="mine").theta[-1]),
    "drawn": len(dynsim.draw(dynsim.solve("mine", {"w": 0.5}, 3.0)).axes),
    "cli list": words("list"), "cli methods": words("methods"), "cli derive": words("derive", "mine"),
    "cli plot": words("plot", "mine", "--out", sys.argv[1]), "cli plots": words("plot", "--list"),
    "cli broken": words("derive", "broken"), "cli broken figure": words("plot", "broken", "--out", sys.argv[1]),
}
if sys.argv[2] == "torch":
    train = ["train", "--images", "60", "--steps", "2", "--every", "1", "--dim", "4", "--seeds", "1", "--norm", "none"]
    chosen = ["--encoder", "mine", "--objective", "mine", "--measures", "mine", "--json"]
    told["cli train"] = words(*train, *chosen)
    told["cli broken encoder"] = words(*train, "--encoder", "broken")
    told["cli broken measure"] = words(*train, "--measures", "broken")
    told["cli broken objective"] = words(*train, "--objective", "broken")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What one process says in which the package is installed."""
    where = tmp_path_factory.mktemp("site")
    (where / "my_dynamics.py").write_text(FILE)
    (where / "my_networks.py").write_text(NETWORKS)
    metadata = where / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(LINES)
    try:
        import torch  # noqa: F401

        networks = "torch"
    except ModuleNotFoundError:
        networks = "none"
    path = os.pathsep.join([str(where), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    done = subprocess.run(
        [sys.executable, "-c", USE, str(where), networks],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "agg"},
        cwd=where,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["systems", "methods", "optimisers", "figures"])
def test_what_is_installed_is_listed_beside_what_is_broken(told, kind):
    assert {"mine", "broken"} <= set(told[kind])
    assert len(told[kind]) > 5


def test_what_is_installed_has_the_rights_of_what_is_there(told):
    assert told["limit"] == 0.0  # w' = w² − w
    assert told["amplitude"] == pytest.approx(0.8)
    assert told["steps"] == pytest.approx(0.095)
    assert told["drawn"] >= 1
    assert "no_such_package_anywhere" in told["broken"]["broken"]
    for name in ("cli list", "cli methods", "cli derive", "cli plot", "cli plots"):
        status, out, err = told[name]
        assert status == 0, (name, out, err)
    assert "w chases its own square" in told["cli list"][1]
    assert "my own figure" in told["cli plots"][1]


def test_what_is_broken_says_so_in_one_line(told):
    for name in filter(lambda key: key.startswith("cli broken"), told):
        status, _, err = told[name]
        assert status in (1, 2), (name, err)
        assert "no_such_package_anywhere" in err, (name, err)
        assert "Traceback" not in err


def test_an_encoder_a_measure_and_an_objective_train(told):
    if "cli train" not in told:
        pytest.skip("needs torch")
    status, out, err = told["cli train"]
    assert status == 0, err
    made = json.loads(out)
    assert made["provenance"]["experiment"]["encoder"] == "mine"
    assert [set(row) >= {"loss", "mine"} for row in made["rows"]] == [True] * 3


def test_a_command_is_a_file_and_a_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "hello.py").write_text(
        '"""Greet."""\n'
        "def configure(parser):\n    parser.add_argument('name')\n"
        "def run(args):\n    print('hello,', args.name)\n    return 0\n"
    )
    import dynsim.cli as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setitem(command_line.COMMANDS, "hello", "greet somebody")
    assert main(["hello", "you"]) == 0
    assert capsys.readouterr().out == "hello, you\n"
    assert main([]) == 0
    assert "greet somebody" in capsys.readouterr().out
    monkeypatch.setitem(command_line.COMMANDS, "goodbye", "a command whose file is missing")
    assert main(["hello", "again"]) == 0  # what is broken breaks only itself
    assert isinstance(command_line.parser(None), argparse.ArgumentParser)
    sys.modules.pop("dynsim.cli.hello", None)
