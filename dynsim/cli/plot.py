"""Draw figures: all of them, or those you name."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from dynsim.drawing.files import Saved


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim plot`."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="figures; default: all")
    parser.add_argument("--list", action="store_true", help="list the figures and what they cost")
    parser.add_argument("--format", metavar="png,svg,pdf,gif", help="default: png,svg, or as --out ends; gif moves")
    parser.add_argument("--out", metavar="FOLDER|FILE", default="figures", help="default: figures")
    parser.add_argument("--size", choices=("text", "column", "slide"), default="text", help="default: text, 7 inches")
    parser.add_argument("--width", metavar="INCHES", type=float, help="instead of the width of the size")
    parser.add_argument("--dpi", metavar="N", type=float, default=200.0, help="of PNG; default: 200")
    parser.add_argument("--no-caption", dest="caption", action="store_false", help="nothing under the figure")
    parser.add_argument("--set", dest="parameters", metavar="NAME=VALUE,…", action="append", default=[])
    add_run(parser)
    parser.add_argument("--t-end", metavar="T", type=float, help="flow time; default: the figure's own")
    parser.add_argument("--branch", choices=("stop", "full", "target", "all"))
    parser.add_argument("--system", metavar="SYSTEM|LOSS", help="for figures of any system")
    parser.add_argument("--over", metavar="NAME=LOW:HIGH", help="parameter and span, for `continuation`")
    parser.add_argument("--states", metavar="NAMES", help="states of a typed loss")
    parser.add_argument("--store", metavar="STORE", help="draw a study from the store of `dynsim sweep run`")
    parser.add_argument("--variant", help="a published variant of that system")
    parser.add_argument("--full", action="store_true", help="all panels, and larger versions where a figure has one")
    parser.add_argument("--recompute", action="store_true", help="run everything, stored runs too")
    parser.add_argument("--force", action="store_true", help="write files that show the same already, too")
    parser.add_argument(
        "--jobs", metavar="N", type=int, help="processes; default: one per core for all figures, else 1"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="the facts behind each verdict")


def run(args: argparse.Namespace) -> int:
    """Draw; a figure that fails does not stop the others, and the exit status says so."""
    import sys
    from time import perf_counter

    from dynsim.errors import DynsimError, MissingExtra
    from dynsim.gallery.catalogue import FIGURES, list_figures

    if args.list:
        print(list_figures())
        return 0
    names = args.names or list_figures()["name"]
    for name in names:
        FIGURES[name]
    _check(args, names)
    options = _options(args)
    started, written, kept, failed = perf_counter(), 0, 0, 0
    labels = {name: f"[{index + 1}/{len(names)}] {name}" for index, name in enumerate(names)}
    for name, result in _results(labels, args, options):
        label = labels[name]
        try:
            saved, words = result()
        except MissingExtra as error:
            print(f"{label}: skipped: {error}", flush=True)
        except Exception as error:  # the others are drawn all the same
            if isinstance(error, DynsimError) and len(names) == 1:
                raise
            failed += 1
            print(f"{label}: failed: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        else:
            written += sum(not file.kept for file in saved)
            kept += sum(file.kept for file in saved)
            print(f"{label}: {words}", flush=True)
    same = f", {kept} kept that show the same (--force writes them)" if kept else ""
    done, seconds = len(names) - failed, perf_counter() - started
    print(f"{done} drawn, {failed} failed, {seconds:.1f} s; {written} files written{same}")
    return 1 if failed else 0


def _results(
    labels: dict[str, str], args: argparse.Namespace, options: dict[str, Any]
) -> Iterator[tuple[str, Callable[[], tuple[list[Saved], str]]]]:
    """Figures in their order, each with what gives its result: here, or in processes that begin with the longest."""
    import os
    from functools import partial

    jobs = args.jobs or (1 if args.names else os.cpu_count() or 1)
    if min(jobs, len(labels)) == 1:
        for name, label in labels.items():
            yield name, partial(_one, name, args, options, label)
        return
    import gc
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from dynsim.gallery.catalogue import FIGURES

    def seconds(name: str) -> float:
        figure = FIGURES[name]
        return 1.0 if figure.from_store and not options and not args.recompute else figure.cost

    # A process per core, each with one thread; a fresh process is the same on every system, a forked one is not.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    fresh, collected = multiprocessing.get_context("spawn"), gc.get_threshold()  # as seldom as here
    with ProcessPoolExecutor(min(jobs, len(labels)), fresh, gc.set_threshold, collected) as pool:
        running = {
            name: pool.submit(_one, name, args, options, None) for name in sorted(labels, key=seconds, reverse=True)
        }
        try:
            for name in labels:
                yield name, running[name].result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _check(args: argparse.Namespace, names: list[str]) -> None:
    """Refuse before any work what could not be written after it."""
    from dynsim.drawing.files import FORMATS
    from dynsim.errors import bad
    from dynsim.storage import looked_at

    if args.jobs is not None and not 1 <= args.jobs <= 1000:
        raise bad("--jobs", args.jobs, "1 to 1000 processes")
    expected = f"a folder, or a file {', '.join(f'.{kind}' for kind in FORMATS)}"
    out = looked_at("--out", args.out, expected)
    args.stem = None
    if out.suffix[1:] in FORMATS and not out.is_dir():
        if len(names) != 1:
            raise bad("--out", args.out, "a folder for several figures", "or name one figure")
        if args.format and args.format != out.suffix[1:]:
            raise bad("--format", args.format, f"'{out.suffix[1:]}', as --out {args.out} says")
        args.format, args.stem, args.out = out.suffix[1:], out.stem, str(out.parent)
    elif out.exists() and not out.is_dir():
        raise bad("--out", args.out, expected)
    args.formats = [kind.strip() for kind in ("png,svg" if args.format is None else args.format).split(",")]
    for kind in args.formats:
        if kind not in FORMATS:
            raise bad("--format", kind, f"one of {', '.join(FORMATS)}")
    if not 10 <= args.dpi <= 2000:
        raise bad("--dpi", args.dpi, "10 to 2000")
    if args.width is not None and not 1 <= args.width <= 100:
        raise bad("--width", args.width, "1 to 100 inches")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    from dynsim.cli.arguments import assignments, words_or_numbers
    from dynsim.cli.bifurcate import span
    from dynsim.names import canonical

    given = {
        "over": span(args.over) if args.over else None,
        "parameters": {canonical(name): value for name, value in words_or_numbers("--set", args.parameters).items()},
        "initial": assignments("--initial", args.initial),
        "branch": args.branch,
        "system": args.system,
        "states": args.states,
        "variant": args.variant,
        "store": args.store,
        "t_end": args.t_end,
    }
    return {key: value for key, value in given.items() if value is not None and value != {}}


def _one(name: str, args: argparse.Namespace, options: dict[str, Any], label: str | None) -> tuple[list[Saved], str]:
    """Compute, conclude and draw one figure; without a label no progress is shown."""
    from contextlib import nullcontext
    from time import perf_counter

    from dynsim.cli.progress_line import reporter
    from dynsim.drawing.files import save_figure
    from dynsim.gallery.catalogue import FIGURES
    from dynsim.gallery.plotting import data_for, drawn

    started = perf_counter()
    figure = FIGURES[name]
    larger = {"full": True} if args.full and "full" in figure.options else {}
    with reporter(label) if label else nullcontext() as progress:
        data = data_for(name, {**options, **larger}, recompute=args.recompute, progress=progress)
    picture = drawn(name, data, size=args.size, width=args.width, full=args.full, caption=args.caption)
    saved = save_figure(picture, args.stem or name, args.out, args.formats, data, dpi=args.dpi, force=args.force)
    verdict = figure.verdict(data)
    facts = "".join(f"\n    - {row['fact']}" for row in verdict.facts) if args.verbose else ""
    where = ", ".join(f"{file.path}{' (kept)' if file.kept else ''}" for file in saved)
    return saved, f"{verdict}{facts}\n    {where} ({perf_counter() - started:.1f} s)"
