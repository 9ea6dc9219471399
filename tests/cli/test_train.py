"""`dynsim train` as a user runs it."""

import json
import re
import subprocess
import sys
from dataclasses import fields

import pytest

pytest.importorskip("torch")

import xarray as xr

import dynsim
from dynsim.cli import main
from dynsim.networks import Experiment

QUICK = [
    "train",
    "--steps",
    "4",
    "--images",
    "60",
    "--every",
    "2",
    "--measures",
    "spread,rankme",
    "--dim",
    "4",
]


def test_the_help_is_light_and_names_every_field():
    code = (
        "import sys\nfrom dynsim.cli import main\ntry: main(['train', '--help'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'numpy', 'scipy', 'sympy', 'torch', 'xarray', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for item in fields(Experiment):
        assert f"--{item.name.replace('_', '-')}" in done.stdout


def test_every_field_says_what_it_is_where_it_is_declared(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    documented = Experiment.__doc__.split("Parameters\n")[1].split("Raises\n")[0]
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for item in fields(Experiment):
        assert item.metadata["group"]
        assert len(item.metadata["help"]) > 5
        assert re.search(rf"\b{item.name}\b", documented), item.name
        assert item.metadata["help"] in told, item.name
    assert "default: rotation=15,scale=0.15" in told
    assert "default: spread,rankme" in told


def test_it_prints_means_over_seeds(capsys):
    assert main([*QUICK, "--seeds", "2", "--rows", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["step", "time"]
    assert {"loss", "spread", "rankme"} <= set(lines[0].split())
    assert [line.split()[0] for line in lines[1:4]] == ["0", "2", "4"]
    assert lines[4] == "means over 2 seeds"


def test_json_options_and_listed_seeds(capsys):
    words = ["--encoder", "linear", "--predictor", "linear", "--no-symmetric", "--alpha", "3", "--batch", "full"]
    assert main([*QUICK, *words, "--augmentation", "noise=1/4", "--seeds", "5,2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    made = told["provenance"]["experiment"]
    assert (made["encoder"], made["symmetric"], made["alpha"], made["batch"]) == ("linear", False, 3.0, "full")
    assert made["augmentation"] == {"noise": 0.25}
    assert len(told["last"]["spread"]) == 2
    assert told["rows"][-1]["step"] == 4


def test_a_config_and_what_overrides_it(tmp_path, capsys):
    config = Experiment(steps=2, images=60, dim=4, lr=0.3, measures=["spread"]).save(tmp_path / "run.toml")
    out, kept = tmp_path / "run.nc", tmp_path / "kept.json"
    assert main(["train", str(config), "--lr", "0.2", "--out", str(out), "--save-config", str(kept)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    data = xr.load_dataset(out, engine="h5netcdf")
    assert dict(data.sizes) == {"seed": 3, "step": 2}
    made = Experiment.load(kept)
    assert (made.lr, made.steps) == (0.2, 2)
    assert dynsim.provenance(data)["digest"] == made.digest


def test_a_checkpoint_is_written_and_gone_on_from(tmp_path, capsys):
    words = [*QUICK, "--seeds", "1", "--checkpoint", str(tmp_path / "run.ckpt"), "--json"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (tmp_path / "run.ckpt").exists()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == first["rows"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--encoder", "mpl"], "mlp"),
        (["--out", "run.csv"], ".nc"),
        (["--out", "/no/such/folder/run.nc"], "existing folder"),
        (["--rows", "1"], "at least 2"),
        (["--augmentation", "noise"], "NAME=VALUE"),
        (["no-such.toml"], "no-such.toml"),
        (["--device", "abacus"], "device"),
        (["--seeds", "0"], "seeds"),
    ],
)
def test_mistakes_are_one_line_and_status_2(words, told, capsys):
    assert main([*QUICK, *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_a_lost_seed_is_told(capsys):
    words = ["--objective", "squared", "--predictor", "linear", "--lr", "1e30", "--norm", "none", "--seeds", "1"]
    assert main([*QUICK, *words]) == 0
    assert "no longer finite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "knobs"),
    [
        (["--objective", "a*sq(z1 - z2)", "--knobs", "a=1/2"], {"a": 0.5}),
        (["--objective", "dino", "--knobs", "tau_t=linear(0.04, 0.07),tau_s=0.1"], {"tau_t": "linear(0.04, 0.07)"}),
    ],
)
def test_knobs_are_numbers_or_schedules(words, knobs, tmp_path):
    target = tmp_path / "run.nc"
    assert main([*QUICK, "--seeds", "1", *words, "--out", str(target)]) == 0
    told = dynsim.provenance(xr.load_dataset(target))
    assert knobs.items() <= told["experiment"]["knobs"].items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--objective", "a*sq(z1 - z2)"], "position 0: got 'a'"),
        (["--objective", "a*sq(z1 - z2)", "--knobs", "a"], "NAME=VALUE"),
        (["--objective", "a*sq(z1 - z2)", "--knobs", "a=x y"], "'y'"),
        (["--objective", "a*sq(z1 - z2)", "--knobs", "a=1,b=2"], "got 'b'"),
        (["--objective", "sq(z1 - z2"], "position 10"),
        (["--objective", "vicreg", "--knobs", "mu=1,q=3"], "it has s, mu"),
        (["--objective", "vicregg"], "did you mean 'vicreg'"),
        (["--objective", "var(3)"], "differs from sample to sample"),
        (["--objective", "gram(z1) + sq(z1)"], "position 11"),
        (["--objective", "dino", "--prototypes", "0"], "prototypes"),
        (["--objective", "dino", "--centre-momentum", "2"], "centre_momentum"),
    ],
)
def test_a_typed_objective_is_refused_in_one_line(words, message, capsys):
    assert main([*QUICK, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
