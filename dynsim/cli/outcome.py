"""Say where a run ends and whether the encoder collapses, exactly where that is known."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow, add_run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim outcome`."""
    add_flow(parser)
    add_run(parser)
    parser.add_argument(
        "--exact", action="store_true", help="read numbers such as 3/5 or 0.6 exactly, answer in radicals"
    )


def run(args: argparse.Namespace) -> int:
    """Print the outcome."""
    from dynsim.analysis.numerics.outcome import outcome
    from dynsim.cli.arguments import assignments, flow_of, start_of
    from dynsim.cli.output import print_json
    from dynsim.symbolic.printing import unicode_name

    flow = flow_of(args)
    start = start_of(flow, args, exact=args.exact)
    parameters = assignments("--set", args.parameters, exact=args.exact)
    if args.exact:
        start, parameters = _rational(start), _rational(parameters)
    end = outcome(flow, start, parameters)
    if args.json:
        print_json({"limit": end.limit, "collapsed": end.collapsed, "exact": end.exact, "reason": end.reason})
        return 0
    for name, value in end.limit.items():
        if value != value:
            print(f"{unicode_name(name)}: no limit")
            continue
        number = f"{float(value):.10g}"
        symbolic = args.exact and end.exact and str(value) != number
        print(f"{unicode_name(name)} → {number}" + (f" = {value}" if symbolic else ""))
    print({True: "collapse", False: "no collapse", None: "undecided"}[end.collapsed])
    print(f"{'exact' if end.exact else 'not exact'}: {end.reason}")
    return 0


def _rational(values: dict[str, object]) -> dict[str, object]:
    import sympy

    return {name: sympy.Rational(str(v)) if isinstance(v, float) else v for name, v in values.items()}
