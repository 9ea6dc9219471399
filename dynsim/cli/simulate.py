"""Integrate one run and print it as a table, or write it to a file."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow, add_run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim simulate`."""
    add_flow(parser)
    add_run(parser, t_end=30.0)
    parser.add_argument("--rows", type=int, default=13, help="rows of the printed table; default: 13")
    parser.add_argument("--method", default="DOP853", help="SciPy integrator; default: DOP853")
    parser.add_argument("--out", metavar="FILE", help="write the whole run to FILE.nc or FILE.csv")


def run(args: argparse.Namespace) -> int:
    """Integrate, then print or write."""
    from dynsim.cli.arguments import assignments, flow_of, start_of
    from dynsim.cli.output import TABLES, check_out, print_json, rows_of, write_dataset
    from dynsim.errors import Unfinished, bad
    from dynsim.integrate.solve import solve
    from dynsim.records import provenance
    from dynsim.table import Table

    if args.rows < 2:
        raise bad("--rows", args.rows, "at least 2")
    check_out("--out", args.out, TABLES)
    flow = flow_of(args)
    parameters = assignments("--set", args.parameters, timed=True)
    try:
        data = solve(flow, start_of(flow, args), args.t_end, parameters=parameters, method=args.method)
    except Unfinished as error:
        if args.out is not None and error.dataset is not None:
            print(write_dataset(error.dataset, args.out))
        raise
    if args.out is not None:
        print(write_dataset(data, args.out))
    elif args.json:
        print_json({"rows": rows_of(data, args.rows), "provenance": provenance(data)})
    else:
        print(Table(rows_of(data, args.rows)))
    return 0
