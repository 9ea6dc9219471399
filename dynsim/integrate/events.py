"""What may happen along a run: it comes to rest, an expression vanishes, a terminal one ends it.

Events are zeros of the interpolant of a step, not changes of sign between its ends: a step may hold several. Along a
step an event is a smooth function of time; it is approximated by Chebyshev polynomials on as many subintervals as it
needs, and the zeros of the polynomials' derivatives cut these into pieces on which it is monotone. A piece over which
it changes sign holds exactly one zero, which is then found on the function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
from numpy.polynomial import chebyshev

from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.symbolic.expressions import plain
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.printing import text

__all__ = [
    "REST_RATE",
    "Event",
    "Terminal",
    "Watched",
    "change_of_sign",
    "compile_events",
    "distance_from_rest",
    "sign_changes",
]

REST_RATE = 1e-10


@dataclass(frozen=True)
class Event:
    """Something to be looked for along a run: where `expression` vanishes.

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
    """

    label: str
    function: Callable[[Any, Any], Any]
    terminal: int = 0
    direction: float = 0.0


def distance_from_rest(field: Field, atol: float) -> Callable[[float, Any], float]:
    """Return a function that is positive while some state moves faster than rest allows.

    A state rests when |y'| ≤ 1e-10·|y| + atol per unit of flow time: what moves slower cannot be told
    from the integration error.
    """

    def distance(t: float, y: Any) -> float:
        return float(np.max(np.abs(field.f(t, y)) - REST_RATE * np.abs(y) - atol))

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
    parameters = dict(field.about.get("parameters", {}))
    expr = plain("events", event.expression)
    scalars = [name for name in field.names if field.shape(name) == ()]
    arguments = sorted(expr.free_symbols, key=lambda symbol: symbol.name)
    for symbol in arguments:
        if symbol.name not in scalars and symbol.name not in parameters and symbol.name != "t":
            raise unknown("symbol in events", symbol.name, [*scalars, *parameters])
    raw = compile_expressions([expr], arguments)

    def value_of(name: str, t: Any, y: Any) -> Any:
        if name in scalars:
            return y[field.slices[name].start]
        return t if name == "t" and name not in parameters else parameters[name]

    def function(t: Any, y: Any) -> Any:
        found = np.asarray(raw(*(value_of(symbol.name, t, y) for symbol in arguments))[0], dtype=float)
        return np.broadcast_to(found, np.shape(t))

    return Watched(text(expr), function, int(event.terminal), float(event.direction))


_DEGREE = 16
_NODES = np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)[::-1]
_FIT = np.linalg.inv(chebyshev.chebvander(_NODES, _DEGREE))
_FLAT = 1e-11  # an expansion whose last terms are below this share of the largest is one
_DEPTH = 10  # halvings of a step in search of one


def sign_changes(function: Callable[[np.ndarray], np.ndarray], start: float, end: float) -> list[tuple[float, float]]:
    """Times between `start` and `end` at which a function changes sign, in their order, each with its new sign.

    Parameters
    ----------
    function : callable
        Of an array of times; smooth between the two.
    start, end : float
        `end` may lie before `start`; a zero at `start` does not count, one at `end` does.

    Examples
    --------
    Two zeros a hundredth apart, both within the one interval:

    >>> from dynsim.integrate.events import sign_changes
    >>> [(round(t, 6), sign) for t, sign in sign_changes(lambda t: (t - 0.5) * (t - 0.51), 0.0, 10.0)]
    [(0.5, -1.0), (0.51, 1.0)]
    """
    found: list[tuple[float, float]] = []
    for left, right, cuts, values in _pieces(function, start, end, _DEPTH):
        at = (left, *cuts, right)
        for i in range(len(at) - 1):
            if values[i] * values[i + 1] < 0:
                sign = float(np.sign(values[i + 1]))
                found.append((change_of_sign(function, at[i], at[i + 1]), sign))
            elif values[i + 1] == 0 and values[i] != 0:
                after = _sign_after(function, at[i + 1], end)
                if after * values[i] < 0 or at[i + 1] == end:
                    found.append((at[i + 1], after or -float(np.sign(values[i]))))
    return found


def _sign_after(function: Callable[[np.ndarray], np.ndarray], t: float, end: float) -> float:
    """Sign of a function right behind a zero of it."""
    ahead = t + (end - t) * 2.0 ** -np.arange(1.0, 21.0)
    signs = np.sign(function(ahead)) if t != end else np.zeros(1)
    return next((float(sign) for sign in signs[::-1] if sign), 0.0)


def change_of_sign(function: Callable[[np.ndarray], np.ndarray], left: float, right: float) -> float:
    """The change of sign between two times, by sections: sixteen values cost one call, like one."""
    for _ in range(20):
        times = np.linspace(left, right, 18)
        signs = np.sign(function(times))
        at = int(np.argmax(signs != signs[0]))
        if at == 0 or signs[at] == 0:
            return float(times[at]) if at else right
        if (times[at - 1], times[at]) == (left, right):
            break
        left, right = float(times[at - 1]), float(times[at])
    return right


def _pieces(
    function: Callable[[np.ndarray], np.ndarray], left: float, right: float, depth: int
) -> Iterable[tuple[float, float, list[float], np.ndarray]]:
    """Intervals that may hold a zero, the extrema inside, and the values at both ends and at the extrema."""
    half, middle = (right - left) / 2, (right + left) / 2
    times = middle + half * _NODES
    times[0], times[-1] = left, right
    values = function(times)
    if not np.isfinite(values).all():
        return  # the function is not defined along the whole of it
    coefficients = _FIT @ values
    size = np.abs(coefficients)
    if size[0] > size[1:].sum():
        return  # the mean outweighs everything that varies
    if size[-3:].sum() > _FLAT * size.max() and depth:
        yield from _pieces(function, left, middle, depth - 1)
        yield from _pieces(function, middle, right, depth - 1)
        return
    slope = chebyshev.chebder(np.where(size > 1e-15 * size.max(), coefficients, 0.0))
    slope = np.trim_zeros(slope, "b")
    roots = chebyshev.chebroots(slope) if len(slope) > 1 else np.empty(0)
    real = np.sort(roots.real[(np.abs(roots.imag) < 1e-6) & (np.abs(roots.real) < 1)])
    cuts = [float(t) for t in middle + half * real if left != t != right]
    yield left, right, cuts, function(np.array([left, *cuts, right]))
