"""Draw figures: all of them, or those you name."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim plot`."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="figures; default: all")
    parser.add_argument("--list", action="store_true", help="list the figures and what they cost")
    parser.add_argument("--format", metavar="png,svg,pdf", default="png,svg", help="default: png,svg")
    parser.add_argument("--out", metavar="FOLDER", default="figures", help="default: figures")
    parser.add_argument("--set", dest="parameters", metavar="NAME=VALUE,…", action="append", default=[])
    add_run(parser)
    parser.add_argument("--t-end", metavar="T", type=float, help="flow time; default: the figure's own")
    parser.add_argument("--branch", choices=("stop", "full", "target", "all"))
    parser.add_argument("--system", metavar="SYSTEM|LOSS", help="for figures of any system")
    parser.add_argument("--over", metavar="NAME=LOW:HIGH", help="parameter and span, for `continuation`")
    parser.add_argument("--states", metavar="NAMES", help="states of a typed loss")
    parser.add_argument("--store", metavar="STORE", help="draw a study from the store of `dynsim sweep run`")
    parser.add_argument("--variant", help="a published variant of that system")
    parser.add_argument("--full", action="store_true", help="larger versions of the figures that have one")
    parser.add_argument("--recompute", action="store_true", help="run everything, stored runs too")


def run(args: argparse.Namespace) -> int:
    """Draw; a figure that fails does not stop the others, and the exit status says so."""
    import sys

    from dynsim.drawing.files import FORMATS
    from dynsim.errors import DynsimError, MissingExtra
    from dynsim.gallery.catalogue import FIGURES, list_figures

    if args.list:
        print(list_figures())
        return 0
    names = args.names or list_figures()["name"]
    for name in names:
        FIGURES[name]
    formats = [kind.strip() for kind in args.format.split(",")]
    for kind in formats:
        if kind not in FORMATS:
            from dynsim.errors import bad

            raise bad("--format", kind, f"one of {', '.join(FORMATS)}")
    options = _options(args)
    failed = 0
    for index, name in enumerate(names):
        label = f"[{index + 1}/{len(names)}] {name}"
        try:
            print(f"{label}: {_one(name, args, formats, options, label)}", flush=True)
        except MissingExtra as error:
            print(f"{label}: skipped: {error}", flush=True)
        except Exception as error:  # the others are drawn all the same
            if isinstance(error, DynsimError) and len(names) == 1:
                raise
            failed += 1
            print(f"{label}: failed: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
    if failed:
        print(f"dynsim: {failed} of {len(names)} figures failed", file=sys.stderr)
    return 1 if failed else 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    from dynsim.cli.arguments import assignments
    from dynsim.cli.bifurcate import span

    given = {
        "over": span(args.over) if args.over else None,
        "parameters": assignments("--set", args.parameters),
        "initial": assignments("--initial", args.initial),
        "branch": args.branch,
        "system": args.system,
        "states": args.states,
        "variant": args.variant,
        "store": args.store,
        "full": args.full,
        "t_end": args.t_end,
    }
    return {key: value for key, value in given.items() if value is not None and value is not False and value != {}}


def _one(name: str, args: argparse.Namespace, formats: list[str], options: dict[str, Any], label: str) -> str:
    from time import perf_counter

    from dynsim.cli.progress_line import reporter
    from dynsim.drawing.files import save_figure
    from dynsim.gallery.catalogue import FIGURES
    from dynsim.gallery.plotting import data_for, drawn

    started = perf_counter()
    figure = FIGURES[name]
    if "full" in options and "full" not in figure.options:
        options = {key: value for key, value in options.items() if key != "full"}
    with reporter(label) as progress:
        data = data_for(name, options, recompute=args.recompute, progress=progress)
    paths = save_figure(drawn(name, data), name, args.out, formats, data)
    verdict = figure.verdict(data)
    seconds = perf_counter() - started
    return f"{verdict}\n    {', '.join(map(str, paths))} ({seconds:.1f} s)"
