"""Step through a flow with a discrete optimiser and print the steps, or write them to a file."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow, add_run, named_texts
from dynsim.errors import bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (
    "adam, alternating, alternating-minimisation, gauss-newton, gd, momentum, nesterov, newton, rmsprop, sign, "
    "simultaneous"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim optimise`."""
    add_flow(parser)
    add_run(parser)
    parser.add_argument("--optimiser", default="gd", metavar="NAME", help=f"one of {NAMES}; default: gd")
    parser.add_argument(
        "--lr",
        type=_rate,
        default=0.1,
        metavar="X|TEXT",
        help="step size, or a schedule such as 'cosine(0.1, 0)'",
    )
    parser.add_argument("--steps", type=int, default=1000, help="number of steps; default: 1000")
    parser.add_argument(
        "--teacher", type=_rate, metavar="M|TEXT", help="EMA coefficient per step, or a schedule: 0 SimSiam, 1 frozen"
    )
    parser.add_argument(
        "--option",
        dest="options",
        metavar="NAME=VALUE,…",
        action="append",
        default=[],
        help="options of the optimiser, such as momentum=0.9, k=5 or order=theta:phi; may be repeated",
    )
    parser.add_argument("--rows", type=int, default=13, help="rows of the printed table; default: 13")
    parser.add_argument("--out", metavar="FILE", help="write every step to FILE.nc or FILE.csv")


def run(args: argparse.Namespace) -> int:
    """Optimise, then print or write."""
    from dynsim.cli.arguments import assignments, flow_of, start_of
    from dynsim.cli.output import TABLES, check_out, print_json, rows_of, write_dataset
    from dynsim.integrate.optimise import optimise
    from dynsim.records import provenance
    from dynsim.status import Status
    from dynsim.table import Table

    if args.rows < 2:
        raise bad("--rows", args.rows, "at least 2")
    check_out("--out", args.out, TABLES)
    flow = flow_of(args)
    data = optimise(
        flow,
        start_of(flow, args),
        args.steps,
        parameters=assignments("--set", args.parameters, timed=True),
        optimiser=args.optimiser,
        lr=args.lr,
        teacher=args.teacher,
        **_options(args.options),
    )
    if args.out:
        print(write_dataset(data, args.out))
    elif args.json:
        print_json({"rows": rows_of(data, args.rows), "provenance": provenance(data)})
    else:
        print(Table(rows_of(data, args.rows)))
        print(f"ended: {Status(int(data['status'])).message}")
    return 0


def _rate(text: str) -> float | str:
    """A number, or text that is a schedule."""
    try:
        return float(text)
    except ValueError:
        return text


def _options(texts: list[str]) -> dict[str, Any]:
    """``["k=5", "order=theta:phi"]`` as ``{"k": 5, "order": ("theta", "phi")}``."""
    from dynsim.symbolic.parser import parse

    result: dict[str, Any] = {}
    for name, value in named_texts("--option", texts, "momentum=0.9").items():
        if ":" in value:
            result[name] = tuple(value.split(":"))
            continue
        number = parse(value)
        if not number.is_number:
            raise bad(f"--option {name}", value, "a number, or names joined by ':'")
        result[name] = int(number) if number.is_Integer else float(number)
    return result
