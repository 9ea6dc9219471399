"""CPU time of the commands against that of what they must import, in alternating turns.

    python benchmarks/startup.py [RUNS]

Every command runs in a process of its own, its bytecode written; the ratio is that of medians.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile

from table import Row, print_table

COMMAND = "import sys; from dynsim.cli import main; sys.exit(main(sys.argv[1:]))"
BARE = ("-c", "pass")
SYMPY = ("-c", "import sympy")
DRAWING = ("-c", "import sympy, xarray, matplotlib.backends.backend_agg")
LOSS = "(phi*theta - sg(theta))^2/2"

COMMANDS = (
    (("--help",), BARE, 4.0),
    (("list",), BARE, 30.0),
    (("info",), BARE, 30.0),
    (("methods",), BARE, 30.0),
    (("claims",), BARE, 30.0),
    (("derive", LOSS, "--states", "phi,theta"), SYMPY, 2.0),
    (("outcome", "toy", "--initial", "phi=0.6,theta=0.1"), SYMPY, 2.5),
    (("plot", "article"), DRAWING, 1.6),
)
"""Arguments, what is imported at least, and how many times the CPU of that the command may take."""


# An environment that keeps Python from writing bytecode would have dynsim compiled again by every command.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu(*argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows(runs=7):
    """One row per command."""
    with tempfile.TemporaryDirectory() as folder:
        for words, least, most in COMMANDS:
            out = ("--out", folder) if words[0] == "plot" else ()
            command = ("-c", COMMAND, *words, *out)
            cpu(*command)
            spent = [(cpu(*least), cpu(*command)) for _ in range(runs)]
            bare, full = (statistics.median(times) for times in zip(*spent, strict=True))
            text = f"dynsim {' '.join(word if ' ' not in word else repr(word) for word in words)}"
            shown = f"{1e3 * full:.0f} ms, {1e3 * bare:.0f} ms for python -c {least[1]!r}"
            yield Row(text, full / bare, most, "at most", shown)


def main():
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print_table("Commands: CPU over that of what must be imported", rows(int(sys.argv[1]) if sys.argv[1:] else 15))


if __name__ == "__main__":
    main()
