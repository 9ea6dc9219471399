"""`dynsim compare` as a user runs it."""

import json

import pytest

pytest.importorskip("torch")

import xarray as xr

from dynsim.cli import main
from dynsim.networks import Experiment

QUICK = ["compare", "--steps", "4", "--images", "60", "--every", "2", "--dim", "4", "--seeds", "2"]


def test_a_config_is_compared_drawn_and_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Experiment(steps=4, images=60, dim=4, every=2, branch="full").save(tmp_path / "run.toml")
    assert main(["compare", str(config), "--seeds", "2", "--out", "compare.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["question", "toy", "linear"]
    assert lines[1].startswith("the encoder collapses")
    assert lines[-1] == "compare.png"
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_data(tmp_path, capsys):
    out = tmp_path / "run.nc"
    assert main([*QUICK, "--json", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["toy"].split(":")[0] for row in told["table"]} <= {"yes", "no", "undecided"}
    assert set(xr.load_dataset(out, engine="h5netcdf").dims) >= {"network", "seed", "step", "time"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "run.txt"], ".png"),
        (["--out", "/no/such/folder/run.png"], "existing folder"),
        (["no-such.toml"], "no-such.toml"),
        (["--predictor", "none"], "predictor"),
        (["--branch", "both"], "branch"),
    ],
)
def test_mistakes_are_one_line_and_status_2(words, told, capsys):
    assert main([*QUICK, *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
