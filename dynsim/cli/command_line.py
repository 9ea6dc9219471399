"""The command line: read the words, call the command, say in one line what was wrong."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from importlib import import_module

from dynsim import __version__
from dynsim.cli.encoding import spell_out_what_cannot_be_encoded
from dynsim.errors import BlowUp, DynsimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    class Command(Protocol):
        """What the file of a command has; its docstring is the description that `--help` shows."""

        __doc__: str | None

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the command's options."""

        def run(self, args: argparse.Namespace) -> int:
            """Do it and return the exit status."""


__all__ = ["COMMANDS", "command", "main"]

# Name of a command, which is the name of its file here → what it does, as `dynsim --help` says it.
COMMANDS = {
    "list": "the systems by family, with their papers",
    "methods": "the methods of the field: loss, knobs, which features live",
    "features": "which features of your data a method learns",
    "claims": "what the article, papers and public code claim, with verdicts",
    "derive": "the gradient flow of a system or of a loss you type",
    "simulate": "one run, as a table or a file",
    "outcome": "where a run ends and whether the encoder collapses",
    "analyse": "first integrals, equilibria, outcome, time scales on one page",
    "bifurcate": "the equilibria over a parameter: folds, branch points, Hopf points",
    "optimise": "the steps of a discrete optimiser on a flow",
    "plot": "the figures of the gallery",
    "explore": "a system or a loss in the browser, with sliders",
    "train": "a network, with several seeds",
    "compare": "toy, linear network and real network of one configuration",
    "diagnose": "has your encoder collapsed, of what kind, why, what to turn",
    "sweep": "studies of thousands of runs",
    "notebooks": "copy the notebooks into a folder of yours",
    "info": "versions, optional parts, threads",
}


_TO_BEGIN_WITH = """
to begin with:
  dynsim outcome toy                          does the encoder of the article's toy survive, and why
  dynsim derive "(phi*theta - sg(theta))^2"   the gradient flow of a loss of yours
  dynsim explore toy                          the same with sliders, in the browser"""


def command(name: str) -> Command:
    """Import the file of a command."""
    return import_module(f"dynsim.cli.{name}")


class _Parser(argparse.ArgumentParser):
    """One line for a mistake: the usage of a command with many options would bury it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def parser(chosen: str | None = None) -> _Parser:
    """Return the parser; only the file of the chosen command is imported."""
    top = _Parser(
        prog="dynsim",
        description="The dynamics of self-supervised learning, computed: derive, simulate, analyse, draw.",
        epilog="exit status: 0 done, 1 something failed on the way, 2 the command was wrong",
    )
    top.add_argument("--version", action="version", version=f"dynsim {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary)
        if name == chosen:
            module = command(name)
            sub.description = module.__doc__
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return top


SELDOM = 50_000  # objects


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; a user's mistake is one line and status 2.

    Cyclic garbage is looked for after `SELDOM` new objects instead of 700, and no more when the process ends: nearly
    all that a command makes, modules and expressions, stays to its end, and the system then takes its memory back as a
    whole. To go through it again and again, and once more at the end, takes a quarter of a short command's time.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    often = gc.get_threshold()
    if 0 < often[0] < SELDOM:
        gc.set_threshold(SELDOM, *often[1:])
    try:
        return _main(argv)
    finally:
        gc.set_threshold(*often)


def _main(argv: Sequence[str] | None) -> int:
    spell_out_what_cannot_be_encoded(sys.stdout, sys.stderr)
    words = list(map(_shielded, sys.argv[1:] if argv is None else argv))
    top = parser(next((word for word in words if not word.startswith("-")), None))
    args = top.parse_args(words)
    if args.command is None:
        top.print_help()
        print(_TO_BEGIN_WITH)
        return 0
    try:
        status = args.run(args)
        sys.stdout.flush()
    except BlowUp as error:
        return _complain(error, 1)
    except DynsimError as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        print("dynsim: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(status or 0)


def _shielded(word: str) -> str:
    """A loss may begin with a minus sign; a blank in front of it keeps it from being taken for an option."""
    option = word.startswith("--") or word in ("-", "-h", "-v")
    return f" {word}" if word.startswith("-") and not option else word


def _complain(error: Exception, status: int) -> int:
    message = " ".join(str(error).split()).replace("parameters={name: value}", "--set NAME=VALUE")
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    print(f"dynsim: {message}{notes}", file=sys.stderr)
    return status
