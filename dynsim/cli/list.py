"""List the systems by family."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim list`."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print the systems, grouped by family."""
    from itertools import groupby

    from dynsim.cli.output import print_json
    from dynsim.systems.catalogue import entry_of, list_systems

    table = list_systems()
    if args.json:
        print_json(list(table))
        return 0
    width = max(len(name) for name in table["name"])
    for family, rows in groupby(table, key=lambda row: row["family"]):
        print(family)
        for row in rows:
            print(f"  {row['name']:<{width}}  {row['summary']}\n  {'':<{width}}  {row['reference']}")
            if variants := entry_of(row["name"]).variants:
                print(f"  {'':<{width}}  --variant {', '.join(variants)}")
    return 0
