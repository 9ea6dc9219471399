"""Compare toy, linear network and real network of one configuration: what is predicted, what is observed."""

from __future__ import annotations

import argparse

from dynsim.cli.experiment_options import add_config, add_fields, experiment_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim compare`: its own, and one for every field of an Experiment."""
    add_config(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write the figure (.png, .svg, .pdf) or the data (.nc)",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    add_fields(parser)


def run(args: argparse.Namespace) -> int:
    """Run all three, draw them and print the verdict table."""
    from pathlib import Path

    from dynsim.cli.output import check_out, print_json, write_dataset
    from dynsim.cli.progress_line import reporter
    from dynsim.drawing.files import FORMATS, save_figure
    from dynsim.gallery.compare import compute as compare
    from dynsim.gallery.compare import verdict, verdict_table
    from dynsim.gallery.plotting import drawn
    from dynsim.records import provenance

    check_out("--out", args.out, (*(f".{kind}" for kind in FORMATS), ".nc"))
    with reporter("compare") as progress:
        data = compare(progress, experiment=experiment_of(args), seeds=args.seeds)
    out = None if args.out is None else Path(args.out)
    if out is not None and out.suffix == ".nc":
        write_dataset(data, str(out))
    elif out is not None:
        save_figure(drawn("compare", data), out.stem, out.parent, (out.suffix[1:],), data)
    table = verdict_table(data)
    if args.json:
        told = {"verdict": str(verdict(data)), "table": list(table), "out": args.out, "provenance": provenance(data)}
        print_json(told)
    else:
        print(table, verdict(data), *([out] if out else []), sep="\n")
    return 0
