"""The README's examples run as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)


def blocks(kind):
    return [text for language, text in BLOCKS if language == kind]


def test_the_first_screen():
    first = README.read_text(encoding="utf-8").splitlines()[:40]
    text = "\n".join(first)
    assert "![" in text
    assert "make figures" in text
    assert "make test" in text
    assert blocks("python")[0].strip().splitlines()[-1] in text


def test_the_example_prints_what_it_says(tmp_path):
    pytest.importorskip("torch")  # its last question is about images
    pytest.importorskip("sklearn")
    # The example prints Greek: Python refuses that where the locale has no UTF-8.
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    (tmp_path / "example.py").write_text(blocks("python")[0], encoding="utf-8")
    command = [sys.executable, str(tmp_path / "example.py")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment)
    assert done.stdout == blocks("text")[0]
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 10


def test_the_monitor_can_be_made():
    pytest.importorskip("torch")
    space = {}
    exec("import dynsim\n" + blocks("python")[1], space)
    assert space["monitor"].record(1, [[0.0, 1.0]] * 4) is None


def test_the_users_test_passes():
    space = {}
    exec(blocks("python")[2], space)
    space["test_theta_stays_nonzero"]()


COMMANDS = [line.split("#")[0].strip() for line in blocks("sh")[1].splitlines() if line.startswith("dynsim")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command, tmp_path, monkeypatch):
    import shlex

    from dynsim.cli import main

    program, *words = shlex.split(command)
    assert program == "dynsim"
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0


def test_pictures_exist():
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target


def test_the_headline_claims_are_those_of_the_ledger():
    from dynsim.ledger.catalogue import headline_table

    assert headline_table().strip() in README.read_text(encoding="utf-8")
