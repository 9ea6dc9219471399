"""The command line in the process of the tests: one of its own would spend a second or two on imports each time."""

import contextlib
import io
from subprocess import CompletedProcess

import pytest

from dynsim.cli import main


@pytest.fixture
def dynsim():
    """``dynsim(*argv, cwd=None)`` runs a command as `python -m dynsim` does: exit status, stdout and stderr."""

    def run(*argv, cwd="."):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd):
            try:
                status = main(list(argv))
            except SystemExit as stop:
                status = stop.code
        return CompletedProcess(argv, status, out.getvalue(), err.getvalue())

    return run
