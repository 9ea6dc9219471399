"""`dynsim methods` and `dynsim features`."""

import json

import numpy as np
import pytest

from dynsim.cli import main
from dynsim.methods.catalogue import METHODS


def test_methods_are_listed(capsys):
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{out}" for name in METHODS)
    assert main(["methods", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_one_method(name, capsys):
    assert main(["methods", name, "--set", "nu=0.2"]) == 0
    out = capsys.readouterr().out
    assert "lives iff" in out
    assert "survives: " in out
    assert "origin rate: " in out


def test_knobs_and_values(capsys):
    assert main(["methods", "infonce", "--set", "kernel=gaussian,tau=1,nu=1/10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["amplitude"]["value"] == pytest.approx(4.8541019662)
    assert told["knobs"]["kernel"] == "gaussian"


def test_features_of_views(tmp_path, capsys):
    generator = np.random.default_rng(0)
    image = generator.normal(size=(500, 3)) * [2, 1, 0.5]
    paths = [str(tmp_path / f"{name}.npy") for name in "ab"]
    for path in paths:
        np.save(path, image + 0.5 * generator.normal(size=image.shape))
    target = tmp_path / "table.csv"
    argv = ["features", "simsiam", "--views", *paths, "--settings", "lr=0.1,weight_decay=0.1"]
    assert main([*argv, "--out", str(target)]) == 0
    out = capsys.readouterr().out
    assert "of 3 features" in out
    assert "undecided" in out or "dies" in out
    assert len(target.read_text(encoding="utf-8").splitlines()) == 4
    assert main([*argv, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["survives"]) == 3


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["methods", "vicregg"], "did you mean 'vicreg'"),
        (["methods", "vicreg", "--set", "batch=3"], "also the feature"),
        (["methods", "--set", "nu=1"], "without the NAME"),
        (["methods", "spectral", "--set", "nu"], "NAME=VALUE"),
        (["features", "spectral", "--views", "nowhere.npy", "nowhere.npy"], "an existing file"),
        (["features", "nope", "--views", "VIEWS", "VIEWS"], "expected one of barlow"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--set", "eta=-1"], "at least 0"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--set", "foo=1"], "knob of 'simsiam'"),
        (["features", "lejepa", "--views", "VIEWS", "VIEWS", "--set", "lam=2"], "from 0 to 1"),
        (["features", "vicreg", "--views", "VIEWS", "VIEWS", "--set", "rows=foo"], "'aligned' or 'free'"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--settings", "banana=1"], "setting: got 'banana'"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--dim", "0"], "at least 1"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--batch", "1"], "at least 2"),
        (["features", "simsiam", "--views", "VIEWS", "VIEWS", "--most", "0"], "--most"),
        (["features", "simsiam", "--views", "VIEWS", "SHORT"], "one shape"),
        (["features", "simsiam", "--views", "CONSTANT", "CONSTANT"], "nothing varies"),
        (["features", "simsiam", "--views", "COMPLEX", "COMPLEX"], "numbers"),
        (["features", "simsiam", "--views", "HOLE", "HOLE"], "finite numbers"),
        (["features", "simsiam", "--views", "JUNK", "JUNK"], "a .npy file"),
        (["methods", "dino", "--set", "agreement=0.7,prototypes=2.5"], "a whole number"),
        (["methods", "infonce", "--set", "kernel=cubic,nu=0.1"], "'dot' or 'gaussian'"),
        (["methods", "simsiam", "--set", "lambda_d=0.5"], "or give nu"),
        (["methods", "simsiam", "--set", "lambda_d=2,lambda_s=1"], "at most lambda_s"),
        (["methods", "dino", "--set", "agreement=0.7,initial=lukewarm"], "cold"),
        (["methods", "lejepa", "--set", "nu=0.1,views=1"], "at least two views"),
        (["features", "spectral", "--data", "digits", "--out", "x.txt"], ".nc or .csv"),
    ],
)
def test_mistakes_are_one_line(argv, message, capsys, tmp_path):
    views = np.random.default_rng(0).normal(size=(20, 3))
    hole = np.where(np.arange(60).reshape(20, 3) == 7, np.nan, views)
    arrays = {"VIEWS": views, "SHORT": views[:9], "CONSTANT": np.ones((20, 3)), "COMPLEX": views + 1j, "HOLE": hole}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "JUNK.npy").write_text("hello")
    argv = [str(tmp_path / f"{word}.npy") if word.isupper() and len(word) > 3 else word for word in argv]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_pickled_objects_are_refused(tmp_path, capsys):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert main(["features", "spectral", "--views", str(path), str(path)]) == 2
    assert "never read" in capsys.readouterr().err
