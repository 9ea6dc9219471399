"""What may happen along a run: it comes to rest, an expression vanishes, a terminal one ends it.

What is to be looked for is compiled here; `zeros` finds where along a step it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.names import TIME
from dynsim.symbolic.compiled import FlowField
from dynsim.symbolic.expressions import plain, substitute
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.parameters import is_text, schedules_of
from dynsim.symbolic.printing import text

__all__ = [
    "REST_RATE",
    "Event",
    "Terminal",
    "Watched",
    "compile_events",
    "distance_from_rest",
]

REST_RATE = 1e-10


@dataclass(frozen=True)
class Event:
    """Something to be looked for along a run: where `expression` changes its sign.

    A zero that is touched and not crossed is none: its rate of change crosses zero there, and may be asked for.

    Parameters
    ----------
    expression : str or sympy.Expr
        In the names of states and parameters, and `t`.
    terminal : bool or int
        Whether it ends the run; a number ends it at the so-manieth time.
    direction : float
        Positive: only where the expression goes from negative to positive; negative: the reverse; 0: both.

    See Also
    --------
    Terminal, dynsim.solve

    Examples
    --------
    >>> import dynsim
    >>> oscillator = dynsim.Flow.of({"x": dynsim.Move("v"), "v": dynsim.Move("-x")})
    >>> rising = dynsim.Event("x", direction=1)
    >>> run = dynsim.solve(oscillator, {"x": 1.0, "v": 0.0}, 12.0, events=[rising])
    >>> run.event_time.values.round(6)
    array([ 4.712389, 10.995574])
    """

    expression: Any
    terminal: bool | int = field(default=False, kw_only=True)
    direction: float = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.terminal, bool | int | np.bool_ | np.integer) or self.terminal < 0:
            raise bad("terminal", self.terminal, "True, False or a number of times", kind=InvalidType)
        if isinstance(self.direction, bool) or not isinstance(self.direction, int | float | np.number):
            raise bad("direction", self.direction, "-1, 0 or 1", kind=InvalidType)
        if not np.isfinite(self.direction):
            raise bad("direction", self.direction, "-1, 0 or 1")


@dataclass(frozen=True)
class Terminal:
    """An event that ends the run where `expression` vanishes; the same as ``Event(expression, terminal=True)``.

    See Also
    --------
    Event : with a direction, and without an end.

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
class Watched:
    """A compiled event: ``function(t, y)`` vanishes where it happens.

    Attributes
    ----------
    label : str
        The expression, or "rest".
    function : callable
        Of times of shape ``(n,)`` and states of shape ``(size, n)``.
    terminal : int
        How many times it may happen; at the last of them the run ends. 0: as often as it likes.
    direction : float
    timed : bool
        Whether it depends on the time itself, so that it may happen while the state rests.
    """

    label: str
    function: Callable[[Any, Any], Any]
    terminal: int = 0
    direction: float = 0.0
    timed: bool = False


def distance_from_rest(field: Field, atol: float) -> Callable[[Any, Any], Any]:
    """Return a function that is positive while some state moves faster than rest allows.

    A state rests when |y'| ≤ 1e-10·|y| + atol per unit of flow time: what moves slower cannot be told
    from the integration error. It takes a state, or states of shape ``(size, n)``.
    """

    def distance(t: Any, y: Any) -> Any:
        return np.max(np.abs(field.f(t, y)) - REST_RATE * np.abs(y) - atol, axis=0)

    return distance


def compile_events(events: Any, field: Field, atol: float) -> list[Watched]:
    """Compile "rest", expressions, `Event` and `Terminal` in the names of the states and parameters."""
    if isinstance(events, str | sympy.Basic | Terminal | Event) or not isinstance(events, Iterable):
        events = (events,)
    return [_compile(event, field, atol) for event in events]


def _compile(event: Any, field: Field, atol: float) -> Watched:
    if isinstance(event, str) and event == "rest":
        return Watched("rest", distance_from_rest(field, atol), terminal=1, direction=-1)
    if isinstance(event, Terminal):
        event = Event(event.expression, terminal=True)
    if isinstance(event, str | sympy.Expr):
        event = Event(event)
    if not isinstance(event, Event):
        raise bad("events", event, '"rest", an expression, Event(…) or Terminal(expression)', kind=InvalidType)
    places = tuple((name, part.start) for name, part in field.slices.items() if field.shape(name) == ())
    parameters = field.about.get("parameters", {})
    written, label = event.expression, None
    if any(map(is_text, parameters.values())):  # of a Flow they depend on the time, of a Field they only describe it
        schedules: dict[str, sympy.Expr] = {}
        if isinstance(field, FlowField):
            parameters, schedules = schedules_of(parameters, tuple(parameters))
        parameters = {name: value for name, value in parameters.items() if not is_text(value)}
        written, label = substitute(plain("events", written), schedules), text(plain("events", written))
    known = isinstance(written, str | sympy.Expr)
    printed, value, rows, fixed, timed = (_ready if known else _made)(written, places, tuple(parameters))
    constants = [parameters[name] for name in fixed]

    def function(t: Any, y: Any) -> Any:
        return value(t, y[rows], constants)[0]

    return Watched(label or printed, function, int(event.terminal), float(event.direction), timed)


def _made(
    written: Any, states: tuple[tuple[str, int], ...], parameters: tuple[str, ...]
) -> tuple[str, VectorFunction, Any, list[str], bool]:
    """An expression as text, as a function, the rows of its states, its parameters, and whether t is in it."""
    expr = plain("events", written)
    places, arguments = dict(states), sorted(expr.free_symbols, key=lambda symbol: symbol.name)
    for symbol in arguments:
        if symbol.name not in places and symbol.name not in parameters and symbol.name != TIME:
            raise unknown("symbol in events", symbol.name, [*places, *parameters])
    moving = [symbol for symbol in arguments if symbol.name in places]
    fixed = [symbol for symbol in arguments if symbol.name in parameters and symbol not in moving]
    rows = [places[symbol.name] for symbol in moving]
    function, timed = VectorFunction([expr], moving, fixed), any(symbol.name == TIME for symbol in arguments)
    return text(expr), function, _as_slice(rows), [symbol.name for symbol in fixed], timed


_ready = lru_cache(maxsize=64)(_made)  # reading text takes longer than a run


def _as_slice(rows: list[int]) -> Any:
    """Neighbouring rows as a slice, which copies nothing."""
    neighbours = rows and rows == list(range(rows[0], rows[0] + len(rows)))
    return slice(rows[0], rows[0] + len(rows)) if neighbours else rows
