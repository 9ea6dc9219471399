"""`dynsim optimise` as a user runs it."""

import json

import pytest
import xarray as xr

import dynsim
from dynsim.cli import main
from dynsim.cli.optimise import NAMES


def test_the_help_names_every_optimiser():
    assert sorted(NAMES.split(", ")) == sorted(dynsim.list_optimisers()["name"])


def test_it_prints_steps_and_flow_time(capsys):
    assert main(["optimise", "toy", "--lr", "0.1", "--steps", "2000", "--rows", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["step", "time", "phi", "theta"]
    assert lines[3].split()[:4] == ["2000", "200", "1", "0.807971"]
    assert lines[4] == "ended: the run came to rest"


def test_json_options_and_teacher(capsys):
    words = ["optimise", "byol", "--optimiser", "momentum", "--option", "momentum=0.5", "--teacher", "0.9", "--json"]
    assert main([*words, "--steps", "10", "--set", "sigma2=0.2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["provenance"]["options"] == {"momentum": 0.5}
    assert told["provenance"]["teacher"] == 0.9
    assert told["rows"][-1]["time"] == pytest.approx(10 * 0.1 / 0.5)


def test_order_and_whole_numbers(capsys):
    words = ["optimise", "toy", "--optimiser", "alternating-minimisation", "--option", "order=theta:phi"]
    assert main([*words, "--steps", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][-1]["theta"] == pytest.approx(1 / 6)
    assert main(["optimise", "toy", "--optimiser", "alternating", "--option", "k=3", "--steps", "2"]) == 0


def test_it_writes_files(tmp_path, capsys):
    for name in ("run.nc", "run.csv"):
        assert main(["optimise", "toy", "--steps", "5", "--out", str(tmp_path / name)]) == 0
    with xr.open_dataset(tmp_path / "run.nc") as data:
        assert data.sizes["step"] == 6
    assert (tmp_path / "run.csv").read_text(encoding="utf-8").startswith("step,")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--optimiser", "adm"], "optimiser: got 'adm'"),
        (["--lr", "0"], "lr: got 0.0"),
        (["--option", "momentum"], "--option: got 'momentum'"),
        (["--option", "momentum=x"], "--option momentum: got 'x'"),
        (["--option", "momentum=0.9"], "option of optimiser 'gd': got 'momentum'"),
        (["--rows", "1"], "--rows: got 1"),
    ],
)
def test_a_mistake_is_one_line(words, named, capsys):
    assert main(["optimise", "toy", *words]) == 2
    assert capsys.readouterr().err.startswith(f"dynsim: {named}")
