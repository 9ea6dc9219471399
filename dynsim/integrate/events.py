"""What may happen along a run: it comes to rest, an expression vanishes, a terminal one ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.symbolic.expressions import plain
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.printing import text

__all__ = ["REST_RATE", "Event", "Terminal", "compile_events", "distance_from_rest"]

REST_RATE = 1e-10


@dataclass(frozen=True)
class Terminal:
    """An event that ends the run where `expression` vanishes.

    Examples
    --------
    >>> import dynsim
    >>> run = dynsim.solve(
    ...     dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, 30.0, events=[dynsim.Terminal("theta - 1/2")]
    ... )
    >>> round(float(run.event_time[0]), 6)
    7.188211
    """

    expression: Any


@dataclass(frozen=True)
class Event:
    """A compiled event: ``function(t, y)`` changes sign where it happens."""

    label: str
    function: Callable[[float, Any], float]
    terminal: bool


def distance_from_rest(field: Field, atol: float) -> Callable[[float, Any], float]:
    """Return a function that is positive while some state moves faster than rest allows.

    A state rests when |y'| ≤ 1e-10·|y| + atol per unit of flow time: what moves slower cannot be told
    from the integration error.
    """

    def distance(t: float, y: Any) -> float:
        return float(np.max(np.abs(field.f(t, y)) - REST_RATE * np.abs(y) - atol))

    return distance


def compile_events(events: Any, field: Field, atol: float) -> list[Event]:
    """Compile "rest", expressions and `Terminal` expressions in the names of the states and parameters."""
    if isinstance(events, str | sympy.Basic | Terminal) or not isinstance(events, Iterable):
        events = (events,)
    return [_compile(event, field, atol) for event in events]


def _compile(event: Any, field: Field, atol: float) -> Event:
    if isinstance(event, str) and event == "rest":
        return Event("rest", distance_from_rest(field, atol), terminal=True)
    if not isinstance(event, str | sympy.Expr | Terminal):
        raise bad("events", event, '"rest", an expression or Terminal(expression)', kind=InvalidType)
    terminal = isinstance(event, Terminal)
    written = event.expression if isinstance(event, Terminal) else event
    parameters = dict(field.about.get("parameters", {}))
    expr = plain("events", written)
    scalars = [name for name in field.names if field.shape(name) == ()]
    arguments = sorted(expr.free_symbols, key=lambda symbol: symbol.name)
    for symbol in arguments:
        if symbol.name not in scalars and symbol.name not in parameters:
            raise unknown("symbol in events", symbol.name, [*scalars, *parameters])
    raw = compile_expressions([expr], arguments)

    def function(t: float, y: Any) -> float:
        values = [y[field.slices[s.name].start] if s.name in scalars else parameters[s.name] for s in arguments]
        return float(raw(*values)[0])

    return Event(text(expr), function, terminal)
