"""`dynsim diagnose`: files in, a diagnosis out; hostile files are one line."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from dynsim.cli import main
from dynsim.errors import DynsimError
from dynsim.monitor.array_files import read_array


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 16))
    made = {"z": z, "pair": z + 0.1, "flat": np.ones((300, 16)), "small": 1e-3 * z, "classes": rng.integers(0, 3, 300),
            "ids": np.arange(300)}  # fmt: skip
    for name, value in made.items():
        np.save(tmp_path / f"{name}.npy", value)
    return lambda name: str(tmp_path / f"{name}.npy")


def test_text_json_and_status(arrays, capsys):
    assert main(["diagnose", arrays("z"), "--paired", arrays("pair"), "--labels", arrays("classes")]) == 0
    assert capsys.readouterr().out.startswith("healthy")
    assert main(["diagnose", arrays("flat"), "--json", "--fail-on", "collapse"]) == 3
    assert json.loads(capsys.readouterr().out)["kinds"][0] == "constant"
    assert main(["diagnose", arrays("flat")]) == 0
    assert main(["diagnose", arrays("z"), "--fail-on", "collapse"]) == 0
    capsys.readouterr()
    assert main(["diagnose", arrays("z"), arrays("small"), "--set", "lr=.1,weight_decay=2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("vanishing")
    assert "η = 2" in out
    assert main(["diagnose", arrays("small"), "--initial", arrays("z"), "--fail-on", "collapse"]) == 3


def test_the_report(arrays, tmp_path, capsys):
    target = tmp_path / "report.html"
    assert main(["diagnose", arrays("z"), "--html", str(target)]) == 0
    assert "<svg" in target.read_text(encoding="utf-8")
    assert main(["diagnose", arrays("z"), "--html", str(tmp_path / "no" / "report.html")]) == 2
    assert "existing folder" in capsys.readouterr().err


def test_arrays_need_no_torch(arrays):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"from dynsim.cli import main; sys.exit(main(['diagnose', {arrays('z')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:7]) == (0, "healthy"), done.stderr


def header(shape, descr="'<f8'", version=(1, 0)):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text.encode()


BAD = {
    "bomb": header("(1000000000000, 1000)") + bytes(800),
    "cut": header("(10, 10)") + bytes(700),
    "negative": header("(-10, -10)") + bytes(800),
    "pickle": header("(10,)", "'|O'") + bytes(80),
    "text": b"hello",
    "empty": b"",
    "deep": b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
    "code": header("__import__('os').system('true')") + bytes(80),
    "strange": header("(10, 10)", "'<c8'") + bytes(800),
    "future": b"\x93NUMPY\x09\x00" + bytes(200),
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_files_are_one_line(name, tmp_path, capsys):
    path = tmp_path / f"{name}.npy"
    path.write_bytes(BAD[name])
    assert main(["diagnose", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dynsim: FILE")
    assert error.count("\n") == 1


def test_other_mistakes_are_one_line(arrays, tmp_path, capsys):
    np.savez(tmp_path / "z.npz", np.eye(3))
    np.save(tmp_path / "one.npy", np.ones(5))
    calls = [
        [str(tmp_path / "none.npy")], [str(tmp_path / "z.npz")], [str(tmp_path / "one.npy")],
        [arrays("z"), "--labels", arrays("ids")], [arrays("z"), "--set", "lrr=1"],
        [arrays("z"), "--paired", arrays("ids")],
    ]  # fmt: skip
    for words in calls:
        assert main(["diagnose", *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("dynsim: ")
        assert error.count("\n") == 1


def test_a_file_may_hold_only_so_many_numbers(arrays):
    with pytest.raises(DynsimError, match="at most 100 numbers"):
        read_array("FILE", arrays("z"), most=100)


def test_tensors(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    import pickle

    z = torch.randn(200, 8)
    torch.save(z, tmp_path / "z.pt")
    torch.save({"embeddings": z.half()}, tmp_path / "named.pt")
    assert np.array_equal(read_array("FILE", str(tmp_path / "z.pt")), z.numpy())
    assert read_array("FILE", str(tmp_path / "named.pt")).dtype == np.float32
    assert main(["diagnose", str(tmp_path / "z.pt")]) == 0
    torch.save({"a": z, "b": z}, tmp_path / "two.pt")
    torch.save(torch.zeros(1).expand(10**6, 10**6), tmp_path / "wide.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(print))
    torch.save(print, tmp_path / "code.pt")
    capsys.readouterr()
    for name in ("two", "wide", "pickle", "code"):
        assert main(["diagnose", str(tmp_path / f"{name}.pt")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
