"""List the methods of the field, or tell what one of them needs: its loss, its knobs, which features live.

With `--set lambda_d=…,lambda_s=…` (or nu=…) the facts of one feature are computed.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FEATURE = ("lambda_d", "lambda_s", "nu")
_WIDTH = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim methods`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="one method; without it all are listed")
    parser.add_argument(
        "--set", metavar="NAME=VALUE,…", dest="values", action="append", default=[],
        help="knobs and values: tau=0.5, nu=0.2, eta=0.1, batch=256, …",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print the table, or one method."""
    from dynsim.cli.output import listed, print_json
    from dynsim.errors import bad

    if args.name is None:
        if args.values:
            raise bad("--set", args.values[0], "nothing without the NAME of a method")
        rows = listed("method", _methods)
        if args.json:
            print_json(rows)
        else:
            _print_table(rows)
        return 0

    from dynsim.cli.arguments import words_or_numbers
    from dynsim.methods.catalogue import method

    values = words_or_numbers("--set", args.values)
    bare = method(args.name)
    knobs = {key: value for key, value in values.items() if key in bare.knobs}
    chosen = method(args.name, **knobs)
    rest = {key: value for key, value in values.items() if key not in knobs}
    facts = _facts(chosen, rest)
    if args.json:
        about = {key: getattr(chosen, key) for key in ("name", "summary", "loss", "mode", "reference", "code")}
        more = {
            "survives_if": chosen.survives_if,
            "ends_at": chosen.ends_at,
            "learned_first": chosen.learned_first,
            "killed_by": chosen.killed_by,
        }
        print_json({**about, **more, "knobs": dict(chosen.knobs), "assumptions": chosen.assumptions, "facts": facts})
        return 0
    _print_method(chosen, facts)
    return 0


def _facts(chosen: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Survival, amplitude and rate at the origin, where a feature was given."""
    if not set(_FEATURE) & set(values) and chosen._default_features() is None:
        from dynsim.errors import bad

        if values:
            raise bad("--set", ", ".join(values), "also the feature: nu=…, or lambda_d=… and lambda_s=…")
        return {}
    asked = {name: getattr(chosen, name)(**values) for name in ("survives", "amplitude", "origin_rate")}
    return {
        name: {
            "value": fact.value, "expression": None if fact.expression is None else str(fact.expression),
            "exact": fact.exact, "reason": fact.reason,
        }
        for name, fact in asked.items()
    }  # fmt: skip


def _methods() -> list[dict[str, Any]]:
    from dynsim.methods.catalogue import list_methods

    return [dict(row) for row in list_methods()]


def _print_table(table: list[dict[str, Any]]) -> None:
    from textwrap import fill

    width = max(len(row["name"]) for row in table)
    indent = " " * (width + 2)
    for row in table:
        print(f"{row['name']:<{width}}  {row['summary']}")
        print(fill(f"lives iff {row['survives']}", _WIDTH, initial_indent=indent, subsequent_indent=indent + "  "))
        print(fill(row["reference"], _WIDTH, initial_indent=indent, subsequent_indent=indent + "  "))


def _print_method(chosen: Any, facts: dict[str, Any]) -> None:
    print(f"{chosen.name}: {chosen.summary}\n")
    print(f"loss   {chosen.loss}\nmode   {chosen.mode}\n")
    print(f"lives iff      {chosen.survives_if}\nends at        {chosen.ends_at}")
    print(f"learned first  {chosen.learned_first}\nkilled by      {chosen.killed_by}")
    for name, knob in chosen.KNOBS.items():
        span = " or ".join(map(str, knob.choices)) if knob.choices else f"{knob.low:g} … {knob.high:g}"
        print(f"  {name} = {chosen.knobs[name]}   {knob.meaning} ({span})")
    print("\nassuming")
    print("".join(f"  {line}\n" for line in chosen.assumptions), end="")
    print(f"\npaper  {chosen.reference}\ncode   {chosen.code}")
    for name, fact in facts.items():
        value = fact["value"]
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        print(f"\n{name.replace('_', ' ')}: {shown}{'' if fact['exact'] else ' (not exact)'}")
        if fact["reason"]:
            print(f"  {fact['reason']}")
