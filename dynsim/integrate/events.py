"""What may happen along a run: it comes to rest, an expression vanishes, a terminal one ends it.

Events are zeros of the interpolant of a step, not changes of sign between its ends: a step may hold several. Along a
step an event is a smooth function of time; it is approximated by Chebyshev polynomials on as many subintervals as it
needs, and the zeros of the polynomials' derivatives cut these into pieces on which it is monotone. A piece over which
it changes sign holds exactly one zero, which is then found on the function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.polynomial import chebyshev

from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.symbolic.expressions import plain
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.printing import text

__all__ = [
    "REST_RATE",
    "Event",
    "Terminal",
    "Watched",
    "change_of_sign",
    "changes_of_sign",
    "compile_events",
    "distance_from_rest",
    "sign_changes",
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
    """

    label: str
    function: Callable[[Any, Any], Any]
    terminal: int = 0
    direction: float = 0.0


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
    parameters = dict(field.about.get("parameters", {}))
    known = isinstance(event.expression, str | sympy.Expr)
    expr, label, arguments = _remembered(event.expression) if known else _read(event.expression)
    scalars = [name for name in field.names if field.shape(name) == ()]
    for symbol in arguments:
        if symbol.name not in scalars and symbol.name not in parameters and symbol.name != "t":
            raise unknown("symbol in events", symbol.name, [*scalars, *parameters])
    moving = [symbol for symbol in arguments if symbol.name in scalars]
    fixed = [symbol for symbol in arguments if symbol.name in parameters and symbol not in moving]
    value = VectorFunction([expr], moving, fixed)
    rows = [field.slices[symbol.name].start for symbol in moving]
    constants = [parameters[symbol.name] for symbol in fixed]

    def function(t: Any, y: Any) -> Any:
        return value(t, y[rows], constants)[0]

    return Watched(label, function, int(event.terminal), float(event.direction))


def _read(written: Any) -> tuple[sympy.Expr, str, list[sympy.Symbol]]:
    """An expression, its printed form and its symbols."""
    expr = plain("events", written)
    return expr, text(expr), sorted(expr.free_symbols, key=lambda symbol: symbol.name)


_remembered = lru_cache(maxsize=64)(_read)  # reading text takes longer than a run


_DEGREE = 16
_NODES = np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)[::-1]
_FIT = np.linalg.inv(chebyshev.chebvander(_NODES, _DEGREE))
_SLOPE = chebyshev.chebder(np.eye(_DEGREE + 1))  # of a series, from its coefficients
_FLAT = 1e-11  # an expansion whose last terms are below this share of the largest is one
_NOISE = 1e-14  # and so is one whose last terms are below this share of the largest anywhere
_DEPTH = 10  # halvings of a step in search of one


def sign_changes(function: Callable[[np.ndarray], np.ndarray], *edges: float) -> list[tuple[float, float]]:
    """Times between the first and the last edge at which a function changes sign, in order, each with its new sign.

    Parameters
    ----------
    function : callable
        Of an array of times, in their order; smooth between neighbouring edges, or nearly so.
    *edges : float
        At least two; they may run backward. A zero at the first one does not count, one at the last one does.

    Examples
    --------
    Two zeros a hundredth apart, both within the one interval:

    >>> from dynsim.integrate.events import sign_changes
    >>> [(round(t, 6), sign) for t, sign in sign_changes(lambda t: (t - 0.5) * (t - 0.51), 0.0, 10.0)]
    [(0.5, -1.0), (0.51, 1.0)]
    """
    found: list[tuple[float, float]] = []
    brackets: list[tuple[float, float]] = []
    for at, values in _pieces(function, np.array(edges)):
        for i in range(len(at) - 1):
            if values[i] * values[i + 1] < 0:
                brackets.append((at[i], at[i + 1]))
                found.append((at[i + 1], float(np.sign(values[i + 1]))))
            elif values[i + 1] == 0 and values[i] != 0:
                after = _sign_after(function, at[i + 1], edges)
                if after * values[i] < 0 or at[i + 1] == edges[-1]:
                    found.append((at[i + 1], after or -float(np.sign(values[i]))))
    if brackets:
        left, right = np.array(brackets).T
        exact = dict(zip(right.tolist(), changes_of_sign(function, left, right).tolist(), strict=True))
        found = [(exact.get(time, time), sign) for time, sign in found]
    return found


def _sign_after(function: Callable[[np.ndarray], np.ndarray], t: float, edges: tuple[float, ...]) -> float:
    """Sign of a function right behind a zero of it, 0 behind the last edge."""
    forward = edges[-1] > edges[0]
    end = next((edge for edge in edges if (edge > t if forward else edge < t)), t)
    ahead = t + (end - t) * 2.0 ** -np.arange(20.0, 0.0, -1.0)
    signs = np.sign(function(ahead)) if t != end else np.zeros(1)
    return next((float(sign) for sign in signs if sign), 0.0)


def change_of_sign(function: Callable[[np.ndarray], np.ndarray], left: float, right: float) -> float:
    """The change of sign between two times: the first number behind it, or the zero itself."""
    return float(changes_of_sign(function, np.array([left]), np.array([right]))[0])


_SECTIONS = np.linspace(0.0, 1.0, 18)
_AROUND = np.array([-1.0, *-(16.0 ** -np.arange(1.0, 9.0)), 0.0, *16.0 ** -np.arange(8.0, 1.0, -1.0), 1.0])


def changes_of_sign(function: Callable[[np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The change of sign in each of several brackets, which follow one another, by sections.

    Eighteen values in each bracket cost one call, like one. They are spread evenly at first, then set around the zero
    of the inverse parabola through three of them: three calls or four find what bisection finds in fifty. Where that
    does not help, for what is left of the function is rounding, they are spread evenly again.
    """
    rows = np.arange(len(left))
    evenly = np.ones(len(left), dtype=bool)
    guess = left
    for _ in range(20):
        width = right - left
        times = np.where(evenly, left, guess)[:, None] + width[:, None] * np.where(evenly[:, None], _SECTIONS, _AROUND)
        times = np.clip(times, np.minimum(left, right)[:, None], np.maximum(left, right)[:, None])
        times[:, 0], times[:, -1] = left, right
        values = np.asarray(function(times.ravel()), dtype=float).reshape(times.shape)
        changed = np.sign(values) != np.sign(values[:, :1])
        found = changed.any(axis=1)
        at = np.maximum(np.argmax(changed, axis=1), 1)
        ended = (values[rows, at] == 0) | ~found
        before, after = times[rows, at - 1], np.where(found, times[rows, at], right)
        left, right = np.where(ended, after, before), after
        if (ended | (np.nextafter(left, right) == right)).all():
            break
        evenly = np.abs(right - left) > np.abs(width) / 8
        guess = _inverse_parabola(times, values, rows, at, left, right)
    return right


def _inverse_parabola(
    times: np.ndarray, values: np.ndarray, rows: np.ndarray, at: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Where the time as a quadratic function of the value is at the value 0; the middle where that is no help."""
    third = np.where(at >= 2, at - 2, np.minimum(at + 1, times.shape[1] - 1))
    (a, b, c), (x, y, z) = ([array[rows, index] for index in (at - 1, at, third)] for array in (values, times))
    with np.errstate(all="ignore"):
        slope, other = (y - x) / (b - a), (z - y) / (c - b)
        bent = x - a * slope + a * b * (other - slope) / (c - a)
        straight = x - a * slope
    inside = (bent - left) * (bent - right) <= 0
    guess = np.where(inside, bent, straight)
    return np.where((guess - left) * (guess - right) <= 0, guess, (left + right) / 2)


def _pieces(function: Callable[[np.ndarray], np.ndarray], edges: np.ndarray) -> list[tuple[list[float], list[float]]]:
    """Times between which a function is monotone, and its values there, wherever it may have a zero."""
    left, right = edges[:-1], edges[1:]
    pieces: list[tuple[float, float, list[float], float, float]] = []
    scale = 0.0
    for depth in range(_DEPTH + 1):
        half, middle = (right - left) / 2, (right + left) / 2
        times = middle[:, None] + half[:, None] * _NODES
        times[:, 0], times[:, -1] = left, right
        values = np.asarray(function(times.ravel()), dtype=float).reshape(times.shape)
        defined = np.asarray(np.isfinite(values).all(axis=1))  # along the whole of an interval
        coefficients = np.where(defined[:, None], values, 0.0) @ _FIT.T
        size = np.abs(coefficients)
        largest = size.max(axis=1)
        scale = max(scale, float(largest.max()))
        varies = defined & (size[:, 0] <= size[:, 1:].sum(axis=1))  # else the mean outweighs all that varies
        rough = size[:, -3:].sum(axis=1) > np.maximum(_FLAT * largest, _NOISE * scale)
        split = varies & rough if depth < _DEPTH else np.zeros_like(varies)
        for i in np.flatnonzero(varies & ~split):
            cuts = [] if left[i] == right[i] else (middle[i] + half[i] * _extrema(coefficients[i], size[i])).tolist()
            pieces.append((float(left[i]), float(right[i]), cuts, float(values[i, 0]), float(values[i, -1])))
        if not split.any():
            break
        left, right = (np.column_stack(pair)[split].ravel() for pair in ((left, middle), (middle, right)))
    pieces.sort(reverse=bool(edges[-1] < edges[0]))
    inner = [time for piece in pieces for time in piece[2]]
    known = iter(np.asarray(function(np.array(inner)), dtype=float).tolist() if inner else ())
    return [([a, *cuts, b], [at_a, *(next(known) for _ in cuts), at_b]) for a, b, cuts, at_a, at_b in pieces]


def _extrema(coefficients: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Where a Chebyshev series between −1 and 1 turns."""
    slope = _SLOPE @ np.where(size > 1e-15 * size.max(), coefficients, 0.0)
    if abs(slope[0]) > np.abs(slope[1:]).sum():
        return np.empty(0)
    slope = np.trim_zeros(slope, "b")
    if len(slope) < 2:
        return np.empty(0)
    roots = chebyshev.chebroots(slope)
    return np.sort(roots.real[(np.abs(roots.imag) < 1e-6) & (np.abs(roots.real) < 1)])
