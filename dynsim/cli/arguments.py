"""Options that several commands take, and what they mean."""

from __future__ import annotations

import argparse

from dynsim.errors import bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "add_flow", "add_making", "add_run", "add_states", "assignments", "flow_of", "made_of", "named_texts", "pieces",
    "start_of", "words_or_numbers",
]  # fmt: skip


def add_flow(parser: argparse.ArgumentParser) -> None:
    """SYSTEM|LOSS or --field, what makes the flow, --set, --json."""
    parser.add_argument(
        "what",
        metavar="SYSTEM|LOSS",
        nargs="?",
        help="a name from `dynsim list`, or a loss such as '(phi*theta - sg(theta))^2/2'",
    )
    parser.add_argument("--field", metavar="EQUATIONS", help="equations instead: \"x' = y; y' = -sin(x)\"")
    add_states(parser)
    parser.add_argument("--branch", choices=("stop", "full", "target"), default="stop", help="default: stop")
    parser.add_argument("--variant", help="a published variant of a system")
    parser.add_argument("--structure", metavar="NAME=N,…", action="append", default=[], help="of a system: k=3, L=4")
    add_making(parser)
    parser.add_argument(
        "--set",
        dest="parameters",
        metavar="NAME=VALUE,…",
        action="append",
        default=[],
        help="parameters: numbers, or expressions in the flow time t; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_making(parser: argparse.ArgumentParser) -> None:
    """--random, --rates, --decay, --track, --roles: what a typed loss needs beside its text."""
    parser.add_argument(
        "--random", metavar="TEXT", help="what a loss averages over: 'x ~ normal(0, 1), n ~ normal(0, sigma2)'"
    )
    for option, metavar, text in (
        ("--rates", "STATE=EXPRESSION,…", "learning-rate ratios: phi=alpha"),
        ("--decay", "STATE=EXPRESSION,…", "weight decays: phi=eta_p,theta=eta_s"),
        ("--track", "STATE=OTHER:RATE,…", "states that follow another one: xi=theta:beta"),
        ("--roles", "ROLE=STATES,…", "predictor, encoder, teacher: encoder=w1:w2"),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=text)


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


def pieces(texts: list[str]) -> list[str]:
    """Parts of texts between commas that stand outside parentheses.

    Examples
    --------
    >>> from dynsim.cli.arguments import pieces
    >>> pieces(["a=max(t, 1),b=2", "c=3"])
    ['a=max(t, 1)', 'b=2', 'c=3']
    """
    found: list[str] = []
    for text in texts:
        depth, start = 0, 0
        for index, letter in enumerate(text):
            depth += (letter in "([{") - (letter in ")]}")
            if letter == "," and depth == 0:
                found.append(text[start:index])
                start = index + 1
        found.append(text[start:])
    return [piece for piece in found if piece.strip()]


def named_texts(option: str, texts: list[str], example: str) -> dict[str, str]:
    """``["phi=alpha,theta=1"]`` as ``{"phi": "alpha", "theta": "1"}``; no name may stand twice, φ and phi are one."""
    from dynsim.names import canonical

    result: dict[str, str] = {}
    seen: dict[str, str] = {}
    for part in pieces(texts):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value:
            raise bad(option, part, "NAME=VALUE", f"for instance {option} {example}")
        before = seen.setdefault(canonical(name), part.strip())
        if before != part.strip():
            raise bad(option, f"{before},{part.strip()}", "every name once", f"{name!r} stands twice")
        result[name] = value
    return result


def assignments(option: str, texts: list[str], *, exact: bool = False, timed: bool = False) -> dict[str, Any]:
    """``["phi=0.6,theta=1/10", …]`` as ``{"phi": 0.6, "theta": 0.1}``; SymPy numbers if `exact`.

    With `timed`, an expression in the flow time t alone stays text, and so does one with the shape of a schedule.
    """
    from dynsim.integrate.schedules import is_schedule
    from dynsim.names import canonical
    from dynsim.symbolic.parser import parse

    result: dict[str, Any] = {}
    for name, value in named_texts(option, texts, "alpha=10").items():
        if timed and is_schedule(value):
            result[canonical(name)] = value
            continue
        number = parse(value)
        if timed and {symbol.name for symbol in number.free_symbols} == {"t"}:
            result[canonical(name)] = value
            continue
        if not number.is_number:
            raise bad(f"{option} {name}", value, "a number" + (", or an expression in t" if timed else ""))
        result[canonical(name)] = number if exact and not number.is_Float else _finite(f"{option} {name}", number)
    return result


def _finite(option: str, number: Any) -> float:
    try:
        return float(number)
    except (OverflowError, TypeError) as error:
        raise bad(option, str(number), "a real number that fits into 64 bits") from error


def words_or_numbers(option: str, texts: list[str]) -> dict[str, Any]:
    """``["kernel=gaussian,tau=1/2,decoupled=true"]`` as ``{"kernel": "gaussian", "tau": 0.5, "decoupled": True}``.

    Whole numbers stay whole, as counts must be.
    """
    from dynsim.symbolic.parser import parse

    result: dict[str, Any] = {}
    for name, value in named_texts(option, texts, "tau=0.5").items():
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
    """Return the system, the typed loss or the equations that the command names."""
    from dynsim.symbolic.sources import as_flow, equations_of

    making = made_of(args)
    if args.field is not None:
        if args.what is not None:
            raise bad("--field", args.field, "equations, or a system or loss, not both")
        return equations_of(args.field, **making)
    if args.what is None:
        raise bad("SYSTEM|LOSS", "nothing", "a name from `dynsim list` or a loss", "or equations after --field")
    return as_flow(args.what, args.states, branch=args.branch, variant=getattr(args, "variant", None), **making)


def made_of(args: argparse.Namespace) -> dict[str, Any]:
    """What else the flow is made of, as keywords of `gradient_flow` or of a system's structure."""
    making: dict[str, Any] = {name: _whole(name, value) for name, value in
                              named_texts("--structure", args.structure, "k=3").items()}  # fmt: skip
    if args.random is not None:
        making["random"] = args.random
    for option, example in (("rates", "phi=alpha"), ("decay", "phi=eta_p")):
        if given := named_texts(f"--{option}", getattr(args, option), example):
            making[option] = given
    if given := named_texts("--track", args.track, "xi=theta:beta"):
        making["track"] = {name: _pair(value) for name, value in given.items()}
    if given := named_texts("--roles", args.roles, "encoder=w"):
        making["roles"] = {role: tuple(names.split(":")) for role, names in given.items()}
    return making


def _pair(text: str) -> tuple[str, str]:
    other, colon, rate = (word.strip() for word in text.partition(":"))
    if not (other and colon and rate):
        raise bad("--track", text, "OTHER:RATE", "for instance --track xi=theta:beta")
    return other, rate


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise bad(f"--structure {name}", text, "a whole number")
    return int(text)


def start_of(flow: Any, args: argparse.Namespace, *, exact: bool = False) -> dict[str, Any]:
    """Initial values: the system's defaults, overridden by --initial."""
    defaults = {name: flow.defaults[name] for name in flow.states if name in flow.defaults}
    return {**defaults, **assignments("--initial", args.initial, exact=exact)}
