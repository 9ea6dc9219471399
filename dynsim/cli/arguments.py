"""Options that several commands take, and what they mean."""

from __future__ import annotations

import argparse

from dynsim.errors import bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_flow", "add_run", "add_states", "assignments", "flow_of", "start_of", "words_or_numbers"]


def add_flow(parser: argparse.ArgumentParser) -> None:
    """SYSTEM|LOSS, --states, --branch, --variant, --set, --json."""
    parser.add_argument(
        "what",
        metavar="SYSTEM|LOSS",
        help="a name from `dynsim list`, or a loss such as '(phi*theta - sg(theta))^2/2'",
    )
    add_states(parser)
    parser.add_argument("--branch", choices=("stop", "full", "target"), default="stop", help="default: stop")
    parser.add_argument("--variant", help="a published variant of a system")
    parser.add_argument(
        "--set",
        dest="parameters",
        metavar="NAME=VALUE,…",
        action="append",
        default=[],
        help="parameters; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_states(parser: argparse.ArgumentParser) -> None:
    """--states."""
    parser.add_argument(
        "--states", metavar="NAMES", help="states of a typed loss; default: phi, theta, xi as they occur"
    )


def add_run(parser: argparse.ArgumentParser, t_end: float | None = None) -> None:
    """--initial and, with a default, --t-end."""
    parser.add_argument("--initial", metavar="NAME=VALUE,…", action="append", default=[], help="initial values")
    if t_end is not None:
        parser.add_argument("--t-end", metavar="T", type=float, default=t_end, help=f"flow time; default: {t_end:g}")


def assignments(option: str, texts: list[str], *, exact: bool = False) -> dict[str, Any]:
    """``["phi=0.6,theta=1/10", …]`` as ``{"phi": 0.6, "theta": 0.1}``; SymPy numbers if `exact`."""
    from dynsim.symbolic.parser import parse

    result: dict[str, Any] = {}
    for part in (piece for text in texts for piece in text.split(",") if piece.strip()):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise bad(option, part, "NAME=VALUE", f"for instance {option} alpha=10")
        number = parse(value)
        if not number.is_number:
            raise bad(f"{option} {name.strip()}", value, "a number")
        result[name.strip()] = number if exact and not number.is_Float else float(number)
    return result


def words_or_numbers(option: str, texts: list[str]) -> dict[str, Any]:
    """``["kernel=gaussian,tau=1/2,decoupled=true"]`` as ``{"kernel": "gaussian", "tau": 0.5, "decoupled": True}``.

    Whole numbers stay whole, as counts must be.
    """
    from dynsim.symbolic.parser import parse

    result: dict[str, Any] = {}
    for part in (piece for text in texts for piece in text.split(",") if piece.strip()):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value:
            raise bad(option, part, "NAME=VALUE", f"for instance {option} tau=0.5")
        if value.lower() in ("true", "false"):
            result[name] = value.lower() == "true"
        elif value.replace("-", "").isalpha():
            result[name] = value
        else:
            number = parse(value)
            if not number.is_number:
                raise bad(f"{option} {name}", value, "a number or a word")
            result[name] = int(number) if number.is_Integer else float(number)
    return result


def flow_of(args: argparse.Namespace) -> Any:
    """Return the system or the typed loss that the command names."""
    from dynsim.symbolic.sources import as_flow

    return as_flow(args.what, args.states, branch=args.branch, variant=getattr(args, "variant", None))


def start_of(flow: Any, args: argparse.Namespace, *, exact: bool = False) -> dict[str, Any]:
    """Initial values: the system's defaults, overridden by --initial."""
    defaults = {name: flow.defaults[name] for name in flow.states if name in flow.defaults}
    return {**defaults, **assignments("--initial", args.initial, exact=exact)}
