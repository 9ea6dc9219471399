"""List what the article, papers and public code claim, each with its verdict; `--check` computes verdicts anew.

The list shows the verdicts last computed, and what computing each of them costs.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WIDTH = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim claims`."""
    parser.add_argument("id", metavar="ID", nargs="?", help="one claim; without it all are listed")
    parser.add_argument("--paper", metavar="ARXIV", help="only those of one paper, article or repository")
    parser.add_argument("--check", action="store_true", help="compute the verdicts anew; says first what that costs")
    parser.add_argument("-v", "--verbose", action="store_true", help="with the facts behind each verdict")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print the claims; exit status 1 where a check failed or gave another word than the one that is listed."""
    from dynsim.cli.output import print_json
    from dynsim.errors import bad
    from dynsim.ledger.catalogue import claim, claims

    if args.id is not None and args.paper is not None:
        raise bad("--paper", args.paper, "either an ID or a paper")
    if args.id is not None:
        claim(args.id)
    rows = [row for row in claims(paper=args.paper) if args.id in (None, row["id"])]
    if args.check:
        return _checked(rows, args)
    if args.json:
        print_json(rows)
        return 0
    for row in rows:
        _print_claim(row, detail=args.id is not None or args.verbose)
    if args.id is None:
        total = sum(row["cost"] for row in rows)
        print(f"\n{len(rows)} claims; checking them all anew takes about {total:.0f} s: --check")
    return 0


def _print_claim(row: Mapping[str, Any], *, detail: bool) -> None:
    from textwrap import fill

    print(row["id"])
    lines = [row["claim"], f"{row['verdict']}: {row['headline']}" if row["headline"] else row["verdict"]]
    if detail:
        lines += [f"source: {row['source']} [{row['paper']}]", f"decided by: {row['decided_by']}",
                  f"a check takes about {row['cost']:g} s"]  # fmt: skip
    for line in lines:
        print(fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    "))


def _checked(rows: list[Mapping[str, Any]], args: argparse.Namespace) -> int:
    import sys
    from time import perf_counter

    from dynsim.cli.output import print_json
    from dynsim.errors import DynsimError
    from dynsim.ledger.catalogue import claim

    total, began, found, odd = sum(row["cost"] for row in rows), perf_counter(), [], 0
    print(f"{len(rows)} checks, about {total:.0f} s on one core", file=sys.stderr)
    for row in rows:
        try:
            verdict = claim(row["id"]).check()
        except (DynsimError, ImportError) as error:
            odd += 1
            print(f"{row['id']}: not checked: {' '.join(str(error).split())}", file=sys.stderr)
            continue
        changed = row["verdict"] not in (verdict.word, "not checked")
        odd += changed
        found.append({"id": row["id"], "verdict": verdict.word, "headline": verdict.headline})
        if args.json:
            continue
        print(f"{row['id']}\n  {verdict}" + (f"\n  so far: {row['verdict']}" if changed else ""), flush=True)
        if args.verbose or args.id is not None:
            print("".join(f"    {line}\n" for line in str(verdict.facts).splitlines()), end="")
    if args.json:
        print_json(found)
    took = perf_counter() - began
    print(f"{len(found)} checked, {odd} failed or other than listed, {took:.0f} s", file=sys.stderr)
    return 1 if odd else 0
