"""`dynsim sweep`: what it prints, what it exits with, one line for a mistake."""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from dynsim.cli import main

STUDY = """
system = "toy"
t_end = 20.0
chunk = 1
record = ["theta"]
[axes]
alpha = { logspace = [-1, 1, 4] }
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A store that the command made, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "mine.toml").write_text(STUDY)
    command = [sys.executable, "-m", "dynsim", "sweep", "run", "mine.toml", "--out", "s.zarr", "--workers", "1"]
    done = subprocess.run([*command, "--json"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return folder / "s.zarr", done


def test_run(finished):
    store, done = finished
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["study"], told["tasks"], told["done"], told["failed"]) == ("mine", 4, 4, 0)
    assert (store.parent / "s.zarr.log").exists()


def test_status(finished, capsys):
    assert main(["sweep", "status", str(finished[0])]) == 0
    assert "4 done, 0 failed, 0 unfinished of 4 tasks" in capsys.readouterr().out
    assert main(["sweep", "status", str(finished[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sizes"] == {"alpha": 4}


def test_failures_are_told(tmp_path, monkeypatch, capsys):
    from concurrent.futures import ThreadPoolExecutor

    import dynsim

    study = {"system": "byol", "t_end": 1.0, "axes": {"branch": ["stop", "full"]}, "record": ["theta"]}
    with ThreadPoolExecutor(1) as executor:
        dynsim.run_study(study, tmp_path / "s.zarr", executor)
    assert main(["sweep", "status", str(tmp_path / "s.zarr")]) == 1
    told = capsys.readouterr().out
    assert "1 failed" in told
    assert "failed: branch full: InvalidValue: branch: got 'full'" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "no-such-study", "--out", "s.zarr"], "decay-map"),
        (["run", "missing.toml", "--out", "s.zarr"], "missing.toml"),
        (["status", "nowhere.zarr"], "store"),
        (["run", "mine.toml", "--out", "s.zarr", "--workers", "0"], "workers"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY)
    assert main(["sweep", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_no_scheduler(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr("dynsim.studies.cluster._PATIENCE", "1s")
    (tmp_path / "mine.toml").write_text(STUDY)
    words = ["run", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "s.zarr"), "--scheduler", "tcp://127.0.0.1:1"]
    assert main(["sweep", *words]) == 2
    assert "scheduler" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_on_a_terminal(tmp_path):
    """Ctrl-C reaches driver and workers alike; the bar ends, one line says what happened, no traceback."""
    (tmp_path / "mine.toml").write_text(STUDY.replace("4]", "3000]"))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dynsim", "sweep", "run", "mine.toml", "--out", "s.zarr", "--workers", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # the bar is drawn in dots without it
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
    )
    os.close(theirs)
    seen = ""
    while "tasks/s" not in seen:
        seen += os.read(ours, 4096).decode(errors="replace")
    os.killpg(process.pid, signal.SIGINT)
    try:
        while data := os.read(ours, 4096):
            seen += data.decode(errors="replace")
    except OSError:  # the terminal is gone with its last process
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 130, seen
    assert "█" in seen or "░" in seen
    assert "failed" in seen
    assert "left" in seen
    assert "Traceback" not in seen
    assert "interrupted" in seen
