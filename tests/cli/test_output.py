"""Where results go is checked before any work; terminals without UTF-8 are served too."""

import os
import subprocess
import sys

import pytest

from dynsim.cli import main
from dynsim.cli.output import check_out
from dynsim.errors import DynsimError


def test_no_work_is_done_for_a_file_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    def never(*args, **kwargs):
        raise AssertionError("work was done")

    monkeypatch.setattr("dynsim.integrate.solve.solve", never)
    (tmp_path / "folder.nc").mkdir()
    for out in ("run.txt", str(tmp_path / "absent" / "run.nc"), str(tmp_path / "folder.nc"), ""):
        assert main(["simulate", "toy", "--out", out]) == 2
        assert "--out" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DynsimError, match="can be written"):
        check_out("--out", str(tmp_path / "run.nc"), (".nc",))


def test_a_folder_that_refuses_files(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dynsim.cli.output.TemporaryFile", refuse)
    with pytest.raises(DynsimError, match="Permission denied"):
        check_out("--out", str(tmp_path / "run.nc"), (".nc",))


def test_a_diverging_run_is_kept_until_there(tmp_path):
    out = tmp_path / "run.nc"
    assert main(["simulate", "-w^4/4", "--states", "w", "--initial", "w=1", "--out", str(out)]) == 1
    import xarray as xr

    with xr.open_dataset(out) as run:
        assert 0.4 < float(run.time[-1]) < 0.5 + 1e-9


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("argv", [("derive", "toy"), ("list",), ("outcome", "toy")])
def test_terminals_without_utf8(encoding, argv):
    done = subprocess.run(
        [sys.executable, "-m", "dynsim", *argv],
        capture_output=True,
        text=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() or encoding != "ascii"
    if argv[0] == "derive":
        assert "theta' = " in done.stdout
