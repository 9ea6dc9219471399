"""List the systems by family."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim list`."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print the systems, grouped by family."""
    from itertools import groupby

    from dynsim.cli.output import listed, print_json

    table = listed("system", _systems)
    if args.json:
        print_json([{key: value for key, value in row.items() if key != "variants"} for row in table])
        return 0
    width = max(len(row["name"]) for row in table)
    for family, rows in groupby(table, key=lambda row: row["family"]):
        print(family)
        for row in rows:
            print(f"  {row['name']:<{width}}  {row['summary']}\n  {'':<{width}}  {row['reference']}")
            if row["variants"]:
                print(f"  {'':<{width}}  --variant {', '.join(row['variants'])}")
    return 0


def _systems() -> list[dict[str, object]]:
    from dynsim.systems.catalogue import SYSTEMS, entry_of, list_systems

    rows = list(list_systems())
    variants = [() if row["name"] in SYSTEMS.broken else entry_of(row["name"]).variants for row in rows]
    return [{**row, "variants": names} for row, names in zip(rows, variants, strict=True)]
