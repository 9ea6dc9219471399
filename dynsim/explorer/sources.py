"""What is explored, as text and as equations: options in one plain form, and the text that gives a flow again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy

from dynsim.choices import Branch
from dynsim.errors import DynsimError, InvalidType, bad
from dynsim.field import Dynamics
from dynsim.methods.catalogue import method
from dynsim.registry import registry
from dynsim.symbolic.distributions import random_text, read_random
from dynsim.symbolic.expectation import Expectation
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text
from dynsim.symbolic.rules import Descend, Track
from dynsim.symbolic.sources import as_field, as_flow, with_loss

__all__ = ["METHOD", "as_text", "equations_text", "flow_from", "is_listed", "plain_options"]

METHOD = "method:"
"""What stands before the name of a method of the field, where a text names a flow: "method:simsiam"."""


def plain_options(options: Any) -> dict[str, Any]:
    """Bring what `as_flow` takes beside states and branch into plain data, so that equal options compare equal.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.explorer.sources import plain_options
    >>> plain_options({"random": {"x": dynsim.Normal(0, 1)}, "rates": {"φ": 2}, "roles": {"encoder": "theta"}})
    {'random': 'x ~ normal(0, 1)', 'rates': {'phi': '2'}, 'roles': {'encoder': ('theta',)}}
    """
    if not isinstance(options, Mapping):
        raise bad("options", options, "a mapping {option: value}", kind=InvalidType)
    result: dict[str, Any] = {}
    for option, value in options.items():
        if value is None or (isinstance(value, Mapping | str) and not value):
            continue
        if option == "random":
            result[option] = value.strip() if isinstance(value, str) else random_text(read_random(value))
        elif option in ("rates", "decay", "track", "roles"):
            if not isinstance(value, Mapping):
                raise bad(option, value, "a mapping", kind=InvalidType)
            result[option] = {name_of(option, key): _plain(option, key, item) for key, item in value.items()}
        elif isinstance(value, int | float | str):
            result[option] = value
        else:
            raise bad(option, value, "a number or a word", kind=InvalidType)
    return result


def _plain(option: str, key: Any, value: Any) -> Any:
    if option == "roles":
        given = (value,) if isinstance(value, str | sympy.Symbol) else value
        return tuple(name_of(f"roles['{key}']", name) for name in given)
    if option == "track":
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise bad(f"track['{key}']", value, "a pair (source, rate)", kind=InvalidType)
        return (name_of(f"track['{key}']", value[0]), _written(value[1]))
    return _written(value)


def _written(value: Any) -> str:
    """An expression as text that is read again."""
    return value.strip() if isinstance(value, str) else text(sympy.sympify(value)).replace("**", "^")


def flow_from(source: Any, states: Any, branch: Branch, variant: str | None, options: Mapping[str, Any]) -> Dynamics:
    """Return what a source names: a Flow or a Field as it is, a method, or whatever `as_flow` reads.

    Examples
    --------
    >>> from dynsim.explorer.sources import flow_from
    >>> flow_from("method:simsiam", None, "stop", None, {}).states
    ('p', 'w')
    """
    if not isinstance(source, str):
        given = as_field(source)
        if shaped := [name for name in given.states if given.shape(name)]:
            raise bad("system_or_loss", f"the state {shaped[0]} of shape {given.shape(shaped[0])}", "states that are "
                      "numbers", "the explorer draws one curve per state")  # fmt: skip
        return with_loss(given)
    if source.startswith(METHOD):
        flow = method(source.removeprefix(METHOD).strip(), **options).flow()
        if branch != flow.branch:
            raise bad("branch", branch, f"'{flow.branch}'", "a method is what its code does")
        return with_loss(flow)
    return with_loss(as_flow(source, states, branch=branch, variant=variant, **options))


def is_listed(source: Any) -> bool:
    """Whether a source is the name of a system or of a method, rather than typed or given."""
    return isinstance(source, str) and (source.strip() in registry("system") or source.startswith(METHOD))


def as_text(flow: Flow) -> dict[str, Any] | None:
    """Return source, states, branch, variant and options, all text, that give an equal flow; None if there are none.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.explorer.sources import as_text
    >>> as_text(dynsim.system("toy", branch="full"))["source"]
    'toy'
    >>> as_text(dynsim.gradient_flow("(a*b - sg(b))^2/2", "a, b", rates={"a": 3}))["options"]
    {'rates': {'a': '3'}}
    >>> as_text(dynsim.Flow.of({"x": dynsim.Move("y"), "y": dynsim.Move("-x")}))["source"]
    "x' = y; y' = -x"
    """
    for candidate in _candidates(flow):
        try:
            made = flow_from(**candidate)
        except DynsimError:
            continue
        if _same(made.equations, with_loss(flow)):
            return candidate
    return None


def _candidates(flow: Flow) -> Iterator[dict[str, Any]]:
    usual: dict[str, Any] = {"states": None, "branch": flow.branch, "variant": flow.variant, "options": {}}
    if flow.name in registry("system"):
        yield {**usual, "source": flow.name}
    if flow.name.startswith("method "):
        yield {**usual, "source": METHOD + flow.name.removeprefix("method ")}
    if flow.loss is not None and not flow.loss.has(Expectation) and flow.variant is None:
        yield {**usual, "source": _written(flow.loss), "states": flow.states, "options": _options(flow)}
    if (equations := equations_text(flow)) is not None:
        roles = {"roles": flow.roles} if any(flow.roles.values()) else {}
        yield {**usual, "source": equations, "options": plain_options(roles)}


def _options(flow: Flow) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {"rates": {}, "decay": {}, "track": {}}
    for name, rule in flow.rules.items():
        if isinstance(rule, Descend):
            options["rates"] |= {} if rule.rate == 1 else {name: rule.rate}
            options["decay"] |= {} if rule.decay == 0 else {name: rule.decay}
        elif isinstance(rule, Track):
            options["track"][name] = (str(rule.source), rule.rate)
    told = plain_options(options)
    made = as_flow(_written(flow.loss), flow.states, branch=flow.branch, **told)
    return told if dict(made.roles) == dict(flow.roles) else plain_options({**told, "roles": flow.roles})


def equations_text(flow: Flow) -> str | None:
    """The right-hand side as ``"x' = y; y' = -x"``; None where a quadrature stands in it, which no text holds."""
    if flow.rhs.has(Expectation):
        return None
    return "; ".join(f"{name}' = {_written(entry)}" for name, entry in zip(flow.states, flow.rhs, strict=True))


def _same(one: Flow, other: Flow) -> bool:
    """Whether two flows move, are called and are listed alike, closed forms included."""
    told = ("states", "rhs", "loss", "branch", "variant", "roles", "defaults", "ranges", "view", "observables")
    return (one.exact is None) == (other.exact is None) and all(
        getattr(one, name) == getattr(other, name) for name in told
    )
