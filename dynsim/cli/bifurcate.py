"""Follow the equilibria over a parameter: folds, branch points, Hopf points."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow, add_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim bifurcate`."""
    add_flow(parser)
    add_run(parser)
    parser.add_argument("--over", metavar="NAME=LOW:HIGH", required=True, help="parameter and span, as eta=0:0.5")
    parser.add_argument("--out", metavar="FILE", help="write the branches to FILE.nc or FILE.csv")


def span(text: str) -> tuple[str, float, float]:
    """``"eta=0:0.5"`` as ``("eta", 0.0, 0.5)``."""
    from dynsim.errors import bad

    name, equals, sides = text.partition("=")
    low, colon, high = sides.partition(":")
    try:
        if not (name.strip() and equals and colon):
            raise ValueError
        return name.strip(), float(low), float(high)
    except ValueError:
        raise bad("--over", text, "NAME=LOW:HIGH", "for instance --over eta=0:0.5") from None


def run(args: argparse.Namespace) -> int:
    """Print what was found."""
    from dynsim.analysis.numerics.continuation import continuation
    from dynsim.cli.arguments import assignments, flow_of
    from dynsim.cli.output import TABLES, check_out, print_json, write_dataset
    from dynsim.symbolic.printing import unicode_name
    from dynsim.systems.building import with_parameter
    from dynsim.table import Table

    check_out("--out", args.out, TABLES)
    name, low, high = span(args.over)
    flow = with_parameter(flow_of(args), name)
    start = assignments("--initial", args.initial) or None
    found = continuation(flow, name, (low, high), initial=start, parameters=assignments("--set", args.parameters))
    kinds = (("fold", found.folds), ("branch point", found.branch_points), ("Hopf point", found.hopf))
    if args.out is not None:
        print(write_dataset(found.branches, args.out))
    if args.json:
        print_json({**dict(kinds), "branches": found.branches.sizes["branch"]})
    elif args.out is None:
        shown = (*flow.states, name)
        rows: list[dict[str, Any]] = [
            {"kind": kind, **{key: point[key] for key in shown}} for kind, points in kinds for point in points
        ]
        count = found.branches.sizes["branch"]
        what = "1 branch" if count == 1 else f"{count} branches"
        print(f"{what} of isolated equilibria over {unicode_name(name)} in [{low:g}, {high:g}]")
        print(Table(rows) if rows else "no fold, branch point or Hopf point")
    return 0
