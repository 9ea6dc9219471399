"""The command line: one file per command, listed in `dynsim.cli.command_line.COMMANDS`."""

from dynsim.cli.command_line import main

__all__ = ["main"]
