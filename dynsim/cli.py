"""The command line: parse, call, print. Each command is one file in `dynsim.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from dynsim import __version__
from dynsim.errors import BlowUp, DynsimError
from dynsim.registry import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """One line for a mistake: the usage of a command with many options would bury it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def parser(chosen: str | None = None) -> _Parser:
    """Return the parser; only the chosen command's file is imported, of the others the first line is read."""
    top = _Parser(
        prog="dynsim",
        description="The dynamics of self-supervised learning, computed: derive, simulate, analyse, draw.",
        epilog="exit status: 0 done, 1 something failed on the way, 2 the command was wrong",
    )
    top.add_argument("--version", action="version", version=f"dynsim {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, path in listed("dynsim.commands").items():
        sub = commands.add_parser(name, help=_first_line(path))
        if name == chosen:
            module = import_module(path)
            sub.description = module.__doc__
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return top


def _first_line(path: str) -> str:
    folder = os.path.dirname(__file__)
    with open(os.path.join(folder, *path.split(".")[1:]) + ".py", encoding="utf-8") as source:
        return source.readline().strip().strip('"')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; a user's mistake is one line and status 2."""
    words = list(map(_shielded, sys.argv[1:] if argv is None else argv))
    top = parser(next((word for word in words if not word.startswith("-")), None))
    args = top.parse_args(words)
    if args.command is None:
        top.print_help()
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
    option = word.startswith("--") or word in ("-", "-h")
    return f" {word}" if word.startswith("-") and not option else word


def _complain(error: Exception, status: int) -> int:
    message = " ".join(str(error).split()).replace("parameters={name: value}", "--set NAME=VALUE")
    print(f"dynsim: {message}", file=sys.stderr)
    return status
