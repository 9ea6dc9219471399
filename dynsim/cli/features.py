"""Tell which features of your data a method learns: from two views of your own, or from a data set.

dynsim features simsiam --data digits --set eta=0.01
dynsim features vicreg --views first.npy second.npy --dim 32
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim features`."""
    parser.add_argument("method", metavar="METHOD", help="`dynsim methods` lists them")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", help="digits, mnist, an .npz file, a folder of images; needs torch")
    source.add_argument(
        "--views", nargs=2, metavar=("A.npy", "B.npy"), help="arrays (N, d), row n of each a view of n; or .pt"
    )
    parser.add_argument("--dim", type=int, help="embedding coordinates: no more features than that can live")
    parser.add_argument("--batch", type=int, help="images per batch")
    parser.add_argument(
        "--set", metavar="NAME=VALUE,…", dest="values", action="append", default=[],
        help="the method's knobs, and alpha, beta, eta, eta_p, eta_s",
    )  # fmt: skip
    parser.add_argument(
        "--settings", metavar="NAME=VALUE,…", action="append", default=[],
        help="words of training code: lr=0.1,momentum=0.9,weight_decay=1e-4,ema=0.996",
    )  # fmt: skip
    parser.add_argument("--most", type=int, default=20, help="features to print; default: 20")
    parser.add_argument("--out", metavar="FILE", help="write everything to a .nc or .csv file")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print the table of features."""
    from dynsim.cli.arguments import words_or_numbers
    from dynsim.cli.output import TABLES, check_out, print_json, write_dataset
    from dynsim.errors import bad
    from dynsim.methods.features import features
    from dynsim.monitor.array_files import read_array
    from dynsim.records import provenance

    check_out("--out", args.out, TABLES)
    if args.most < 1:
        raise bad("--most", args.most, "a whole number of at least 1")
    views = None if args.views is None else [read_array("--views", path) for path in args.views]
    settings = words_or_numbers("--settings", args.settings) or None
    values = words_or_numbers("--set", args.values)
    table = features(
        args.method, views=views, data=args.data, dim=args.dim, batch=args.batch, settings=settings, **values
    )
    if args.out:
        write_dataset(table, args.out)
    about = provenance(table)
    if args.json:
        columns = {name: table[name].values for name in table.data_vars}
        print_json(
            {**columns, "exact": about["exact"], "assumptions": about["assumptions"], "reason": about["reason"]}
        )
        return 0
    _print(table, about, args.most)
    return 0


def _print(table: Any, about: dict[str, Any], most: int) -> None:
    from dynsim.table import Table

    words = {1: "lives", 0: "dies", -1: "undecided"}
    counts = {word: int((table.survives == fate).sum()) for fate, word in words.items()}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count or word == "lives")
    print(f"{about['method']}: of {table.sizes['feature']} features {said}\n  {about['reason']}\n")
    rows = [
        {
            "feature": i,
            "λ_d": f"{table.lambda_d.values[i]:.4g}",
            "λ_s": f"{table.lambda_s.values[i]:.4g}",
            "reliability": f"{table.reliability.values[i]:.4f}",
            "±": "" if (error := table.error_reliability.values[i]) != error else f"{error:.4f}",
            "fate": words[int(table.survives.values[i])],
            "amplitude": f"{table.amplitude.values[i]:.4g}",
            "origin rate": f"{table.origin_rate.values[i]:.4g}",
            "order": str(table.order.values[i]) if table.order.values[i] > 0 else "",
        }
        for i in range(min(most, table.sizes["feature"]))
    ]
    print(Table(rows))
    if table.sizes["feature"] > most:
        print(f"… and {table.sizes['feature'] - most} more")
    exact = [name for name, value in about["exact"].items() if value]
    print(f"\nexact: {', '.join(exact) or 'nothing'}\nassuming")
    print("".join(f"  {line}\n" for line in about["assumptions"]), end="")
