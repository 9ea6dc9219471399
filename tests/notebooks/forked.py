"""Run notebooks one after another, each in a process forked from this one, which has imported what they import.

    python tests/notebooks/forked.py

Reads lines of JSON, ``[notebook, folder]``, and answers each with one: ``[source, error, kinds of outputs,
stderr]`` of every code cell. A kernel of its own would spend four seconds on imports, per notebook.
"""

import json
import os
import sys
import warnings
from pathlib import Path

# Sockets beyond loopback fail, so that a download would be an error rather than a success.
NO_NETWORK = """
import socket as _socket
_connect = _socket.socket.connect
def _only_here(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"network: {address}")
    return _connect(self, address)
_socket.socket.connect = _only_here
"""


def run(notebook, folder):
    """Run the cells of a notebook in IPython, in an empty folder."""
    import nbformat
    from IPython.core.displayhook import DisplayHook
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    results = []

    class Kinds(DisplayHook):
        def write_format_data(self, format_dict, md_dict=None):
            results.append(list(format_dict))

    os.environ |= {"IPYTHONDIR": str(Path(folder) / "ipython")}
    os.chdir(folder)
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    shell, found = InteractiveShell.instance(displayhook_class=Kinds), []
    for source in (NO_NETWORK, *cells):
        with capture_output() as captured:
            done = shell.run_cell(source)
        error = None if done.success else repr(done.error_before_exec or done.error_in_exec)
        found.append((source, error, [*(list(one.data) for one in captured.outputs), *results], captured.stderr))
        results.clear()
    return found


def warm_up():
    """Import what notebooks import."""
    import matplotlib

    matplotlib.use("agg")
    jupyter = "nbformat", "IPython.core.interactiveshell", "ipywidgets"
    dynsim = "dynsim.gallery.catalogue", "dynsim.explorer.app", "dynsim.networks", "dynsim.integrate.ensemble"
    for name in (*jupyter, "matplotlib.pyplot", "xarray", "torch", *dynsim):
        try:
            __import__(name)
        except ImportError:  # an extra that is not installed: the test that needs it is skipped
            continue


def main():
    """Answer until there is nothing more to read."""
    warm_up()
    for line in sys.stdin:
        reading, writing = os.pipe()
        if os.fork() == 0:
            with os.fdopen(writing, "w") as answer:
                answer.write(json.dumps(run(*json.loads(line))))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            print(answer.read(), flush=True)
        os.wait()


if __name__ == "__main__":
    warnings.simplefilter("default")
    main()
