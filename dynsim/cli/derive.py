"""Derive the gradient flow of a system or of a loss you type."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_flow


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim derive`."""
    add_flow(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--latex", action="store_true", help="LaTeX")
    kind.add_argument("--python", action="store_true", help="a Python function of (t, y, parameters)")


def run(args: argparse.Namespace) -> int:
    """Print the equations."""
    from dynsim.cli.arguments import assignments, flow_of
    from dynsim.cli.output import print_json
    from dynsim.symbolic.printing import python_source, text, tidy, unicode_name, unicode_text

    flow = flow_of(args)
    values = assignments("--set", args.parameters, exact=True)
    flow = flow.fix(values) if values else flow
    if args.latex:
        print(flow.latex())
    elif args.python:
        print(python_source(flow))
    elif args.json:
        jacobian = [[text(flow.jacobian[i, j]) for j in range(len(flow.states))] for i in range(len(flow.states))]
        about = {**flow.about(), "parameters": flow.parameters, "jacobian": jacobian, "is_gradient": flow.is_gradient}
        print_json(about)
    else:
        loss = "" if flow.loss is None else f"loss  {unicode_text(flow.loss)}\n"
        print(f"{loss}branch  {flow.branch}")
        for name, entry in zip(flow.states, flow.rhs, strict=True):
            print(f"{unicode_name(name)}' = {unicode_text(tidy(entry))}")
        words = {True: "the field is the gradient of a function", False: "the field is not the gradient of a function"}
        print(words.get(flow.is_gradient, "undecided whether the field is the gradient of a function"))
    return 0
