"""Report what is known of a flow: first integrals, equilibria, outcome, time scales."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow, add_run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim analyse`."""
    add_flow(parser)
    add_run(parser, t_end=60.0)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    from dynsim.analysis.report import report
    from dynsim.cli.arguments import assignments, flow_of, start_of
    from dynsim.cli.output import print_json
    from dynsim.symbolic.printing import tidy, unicode_name, unicode_text
    from dynsim.table import Table

    flow = flow_of(args)
    start = start_of(flow, args)
    complete = set(start) >= set(flow.states)
    parameters = assignments("--set", args.parameters)
    told = report(flow, start if complete or args.initial else None, parameters, t_end=args.t_end)
    if args.json:
        print_json(told)
        return 0
    print("equations")
    for name, entry in zip(flow.states, flow.rhs, strict=True):
        print(f"  {unicode_name(name)}' = {unicode_text(tidy(entry))}")
    values = ", ".join(f"{unicode_name(name)} = {value:g}" for name, value in told["parameters"].items())
    words = {True: "the gradient of a function", False: "not the gradient of any function"}
    print(f"  {words.get(told['is_gradient'], 'undecided whether the field is the gradient of a function')}")
    print(f"  {values or 'no parameters'}\n\nfirst integrals (polynomial, possibly times an exponential in t)")
    print("".join(f"  {item}\n" for item in told["first_integrals"]) or "  none found\n", end="")
    if len(told["first_integrals_here"]) > len(told["first_integrals"]):
        print(f"  at these parameters: {', '.join(told['first_integrals_here'])}")
    if told["first_integrals_note"]:
        print(f"  ({told['first_integrals_note']})")
    print("\nequilibria" if told["complete"] else "\nequilibria (searched numerically, not proven complete)")
    print(_indented(str(Table(told["equilibria"]))) if told["equilibria"] else "  none")
    for limit in told["limits"]:
        print(f"\nfast and slow\n{_indented(limit)}")
    if "outcome" in told:
        print(f"\noutcome\n  {told['outcome']}\n\ntime scales")
        rows = [{"measure": key, "value": _short(value)} for key, value in told["timescales"].items()]
        print(_indented(str(Table(rows))))
    return 0


def _short(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _indented(block: str) -> str:
    return "\n".join(f"  {line}" for line in block.splitlines())
