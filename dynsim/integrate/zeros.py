"""Where a function of time changes sign: all such times, also where an interval holds several.

Events are zeros of the interpolant of a step, not changes of sign between its ends: a step may hold several. Along a
step an event is a smooth function of time; it is approximated by Chebyshev polynomials on as many subintervals as it
needs. A polynomial has at most as many zeros in an interval as its Bernstein coefficients change sign there, by
Descartes' rule: most intervals hold none or one, and that is all there is to say. Elsewhere the zeros of the
polynomial's derivative cut the interval into pieces on which it is monotone. A piece over which it changes sign holds
exactly one zero, which is then found on the function itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.polynomial import chebyshev

__all__ = ["change_of_sign", "changes_of_sign", "nodes", "sign_changes"]

Function = Callable[[np.ndarray], np.ndarray]

_DEGREE = 16
_NODES = np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)[::-1]
_FIT = np.linalg.inv(chebyshev.chebvander(_NODES, _DEGREE)).T  # coefficients of a series, from its values at the nodes
_SLOPE = chebyshev.chebder(np.eye(_DEGREE + 1))  # of a series, from its coefficients
_SUMS = np.ones((_DEGREE + 1, 3))  # of sizes of coefficients: all, all but the mean minus the mean, the last three
_SUMS[0, 1], _SUMS[:-3, 2] = -1.0, 0.0
_FLAT = 1e-11  # an expansion whose last terms are below this share of the largest is one
_NOISE = 1e-14  # and so is one whose last terms are below this share of the largest anywhere
_DEPTH = 10  # halvings of a step in search of one
_SURE = 1e-11  # Bernstein coefficients below this share of the largest have no sign that is sure


def _bernstein() -> np.ndarray:
    """Bernstein coefficients of the Chebyshev polynomials, a row for each: alternating binomials over binomials."""
    degrees = range(_DEGREE + 1)
    rows = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for k in degrees:
        own = [(-1) ** (k - i) * math.comb(2 * k, 2 * i) / math.comb(k, i) for i in range(k + 1)]  # of degree k
        for i in degrees:  # … raised to the common degree
            shares = range(max(0, i - _DEGREE + k), min(k, i) + 1)
            rows[k, i] = sum(
                own[j] * math.comb(k, j) * math.comb(_DEGREE - k, i - j) / math.comb(_DEGREE, i) for j in shares
            )
    return rows


_BERNSTEIN = _bernstein()


def nodes(edges: np.ndarray) -> np.ndarray:
    """Times at which the intervals between neighbouring edges (along the last axis) are looked at, a row for each."""
    left, right = edges[..., :-1].ravel(), edges[..., 1:].ravel()
    times = (right + left)[:, None] / 2 + (right - left)[:, None] / 2 * _NODES
    times[:, 0], times[:, -1] = left, right
    return times


def sign_changes(
    function: Function, edges: Sequence[float] | np.ndarray, at: np.ndarray | None = None
) -> list[tuple[float, float]]:
    """Times between the first and the last edge at which a function changes sign, in order, each with its new sign.

    Parameters
    ----------
    function : callable
        Of an array of times, in their order; smooth between neighbouring edges, or nearly so.
    edges : sequence of float
        At least two; they may run backward. A zero at the first one does not count, one at the last one does.
    at : array, optional
        The `nodes` of the edges, where they are known.

    Examples
    --------
    Two zeros a hundredth apart, both within the one interval:

    >>> from dynsim.integrate.zeros import sign_changes
    >>> [(round(t, 6), sign) for t, sign in sign_changes(lambda t: (t - 0.5) * (t - 0.51), [0.0, 10.0])]
    [(0.5, -1.0), (0.51, 1.0)]
    """
    found: list[tuple[float, float]] = []
    edges = np.asarray(edges, dtype=float)
    brackets, pieces = _candidates(function, nodes(edges) if at is None else at)
    for times, values in pieces:
        for i in range(len(times) - 1):
            if values[i] * values[i + 1] < 0:
                brackets.append((times[i], times[i + 1], None, values[i + 1]))
            elif values[i + 1] == 0 and values[i] != 0:
                after = _sign_after(function, times[i + 1], edges)
                if after * values[i] < 0 or times[i + 1] == edges[-1]:
                    found.append((times[i + 1], after or -math.copysign(1.0, values[i])))
    if not brackets:
        return found
    backward = bool(edges[-1] < edges[0])
    brackets.sort(key=_first, reverse=backward)
    left, right, guesses, signs = zip(*brackets, strict=True)
    found += zip(changes_of_sign(function, left, right, guesses), (math.copysign(1.0, v) for v in signs), strict=True)
    found.sort(key=_first, reverse=backward)
    return found


_first = itemgetter(0)


def _sign_after(function: Function, t: float, edges: Sequence[float] | np.ndarray) -> float:
    """Sign of a function right behind a zero of it, 0 behind the last edge."""
    forward = edges[-1] > edges[0]
    end = next((edge for edge in edges if (edge > t if forward else edge < t)), t)
    ahead = t + (end - t) * 2.0 ** -np.arange(20.0, 0.0, -1.0)
    signs = np.sign(function(ahead)) if t != end else np.zeros(1)
    return next((float(sign) for sign in signs if sign), 0.0)


def change_of_sign(function: Function, left: float, right: float) -> float:
    """The change of sign between two times: a number right behind it, or the zero itself."""
    return changes_of_sign(function, [left], [right], [None])[0]


_TOWARDS = tuple(16.0**-k for k in range(1, 13))
_SECTIONS = 2 * len(_TOWARDS) + 2
_CLOSE = 32.0  # units in the last place behind a change of sign


def changes_of_sign(
    function: Function, left: Sequence[float], right: Sequence[float], guesses: Sequence[float | None]
) -> list[float]:
    """The change of sign in each of several brackets, which follow one another, by sections.

    So many values in each bracket cost one call, like one. They are set around a guess, or spread evenly if there is
    none, then around the zero of the inverse parabola through three of them: one call to three find what bisection
    finds in fifty. Where that does not help, for what is left of the function is rounding, they are spread evenly.
    """
    found = list(right)
    active = [(i, *bracket) for i, bracket in enumerate(zip(left, right, guesses, strict=True))]
    for _ in range(20):
        sections = [_sections(a, b, guess) for _, a, b, guess in active]
        values = np.asarray(function(np.array(sections).ravel()), dtype=float).tolist()
        narrowed = []
        for k, ((i, a, b, _), times) in enumerate(zip(active, sections, strict=True)):
            own = values[k * len(times) : (k + 1) * len(times)]
            first = (own[0] > 0) - (own[0] < 0)
            at = next((j for j, value in enumerate(own) if (value > 0) - (value < 0) != first), 0)
            if not at:  # no change of sign: what is left is rounding
                continue
            found[i] = times[at]
            width = abs(times[at] - times[at - 1])
            if own[at] != 0 and width > _CLOSE * math.ulp(times[at]):
                guess = _inverse_parabola(times, own, at) if width <= abs(b - a) / 8 else None
                narrowed.append((i, times[at - 1], times[at], guess))
        active = narrowed
        if not active:
            break
    return found


def _sections(a: float, b: float, guess: float | None) -> list[float]:
    """Times from `a` to `b`, around a guess, or evenly."""
    if guess is None:
        step = (b - a) / _SECTIONS
        return [a, *(a + k * step for k in range(1, _SECTIONS)), b]
    x = min(max(guess, a), b) if a < b else max(min(guess, a), b)
    back, on = a - x, b - x
    return [a, *(x + back * share for share in _TOWARDS), x, *(x + on * share for share in _TOWARDS[::-1]), b]


def _inverse_parabola(times: list[float], values: list[float], at: int) -> float:
    """Where the time as a quadratic function of the value is at the value 0; the middle where that is no help."""
    (x, y), (a, b) = times[at - 1 : at + 1], values[at - 1 : at + 1]
    third = at - 2 if at >= 2 else min(at + 1, len(times) - 1)
    z, c = times[third], values[third]
    slope = (y - x) / (b - a)
    straight = x - a * slope
    if c not in (a, b):
        bent = straight + a * b * ((z - y) / (c - b) - slope) / (c - a)
        if (bent - x) * (bent - y) <= 0:
            return bent
    return straight if (straight - x) * (straight - y) <= 0 else (x + y) / 2


_Bracket = tuple[float, float, float | None, float]
"""Two times between which there is one change of sign, a guess of it, a value behind it."""


def _candidates(function: Function, times: np.ndarray) -> tuple[list[_Bracket], list[tuple[list[float], list[float]]]]:
    """Brackets; and times between which a function is monotone, and its values there, wherever it may have a zero."""
    brackets: list[_Bracket] = []
    pieces: list[tuple[float, float, list[float], float, float]] = []
    backward, scale = times[-1, -1] < times[0, 0], 0.0
    for depth in range(_DEPTH + 1):
        values = np.asarray(function(times.ravel()), dtype=float).reshape(times.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            series = values @ _FIT
            sums = np.abs(series) @ _SUMS
        largest = float(sums[:, 0].max())
        split: list[int] = []
        if not math.isfinite(largest):
            known = np.isfinite(sums[:, 0])
            largest = float(sums[:, 0].max(initial=0.0, where=known))
            if depth < _DEPTH:  # the part of an interval in which the function is defined is approached by halves
                split = np.flatnonzero(~known & np.isfinite(values).any(axis=1)).tolist()
        scale = max(scale, largest)
        # Elsewhere the mean outweighs all that varies.
        some = np.flatnonzero(sums[:, 1] >= 0)
        signs = (series[some] @ _BERNSTEIN).tolist() if some.size else ()
        for i, bernstein, (total, _, last) in zip(some.tolist(), signs, sums[some].tolist(), strict=True):
            if last > max(_FLAT * total, _NOISE * scale) and depth < _DEPTH:
                split.append(i)
                continue
            changes = _changes(bernstein, _SURE * total)
            if not changes:
                continue
            own = values[i].tolist()
            a, b, at_a, at_b = float(times[i, 0]), float(times[i, -1]), own[0], own[-1]
            half, middle = (b - a) / 2, (b + a) / 2
            if changes == 1 and at_a * at_b < 0:
                root = _root(series[i].tolist(), *_around_change(own))
                brackets.append((a, b, middle + half * root, at_b))
            else:
                cuts = [] if a == b else (middle + half * _extrema(series[i])).tolist()
                pieces.append((a, b, cuts, at_a, at_b))
        if not split:
            break
        split.sort()
        left, right = times[split, 0], times[split, -1]
        times = nodes(np.column_stack((left, (left + right) / 2, right)))
    pieces.sort(reverse=bool(backward))
    inner = [time for piece in pieces for time in piece[2]]
    within = iter(np.asarray(function(np.array(inner)), dtype=float).tolist() if inner else ())
    return brackets, [
        ([a, *cuts, b], [at_a, *(next(within) for _ in cuts), at_b]) for a, b, cuts, at_a, at_b in pieces
    ]


def _changes(bernstein: list[float], least: float) -> int:
    """How often the coefficients change sign; many times if that is not sure."""
    if not least:
        return 0  # the function vanishes altogether
    if any(-least <= value <= least for value in bernstein):
        return _DEGREE
    positive = [value > 0 for value in bernstein]
    return sum(one is not other for one, other in pairwise(positive))


def _around_change(values: list[float]) -> tuple[float, float]:
    """Neighbouring nodes between which values change sign."""
    positive = values[0] > 0
    at = next(i for i, value in enumerate(values) if (value > 0) is not positive)
    return float(_NODES[at - 1]), float(_NODES[at])


def _root(series: list[float], low: float, high: float) -> float:
    """Where a Chebyshev series changes sign between two numbers, by regula falsi of Illinois."""
    at_low, at_high = _value(series, low), _value(series, high)
    x = low
    for _ in range(12):
        if at_low == at_high:
            break
        before, x = x, high - at_high * (high - low) / (at_high - at_low)
        value = _value(series, x)
        if value == 0 or abs(x - before) < 1e-13:
            break
        if value * at_high < 0:
            low, at_low = high, at_high
        else:
            at_low /= 2
        high, at_high = x, value
    return x


def _value(series: list[float], x: float) -> float:
    """A Chebyshev series at one point, by Clenshaw's recurrence."""
    one = other = 0.0
    for coefficient in series[:0:-1]:
        one, other = 2 * x * one - other + coefficient, one
    return x * one - other + series[0]


def _extrema(coefficients: np.ndarray) -> np.ndarray:
    """Where a Chebyshev series between −1 and 1 turns."""
    size = np.abs(coefficients)
    slope = _SLOPE @ np.where(size > 1e-15 * size.max(), coefficients, 0.0)
    if abs(slope[0]) > np.abs(slope[1:]).sum():
        return np.empty(0)
    slope = np.trim_zeros(slope, "b")
    if len(slope) < 2:
        return np.empty(0)
    roots = chebyshev.chebroots(slope)
    return np.sort(roots.real[(np.abs(roots.imag) < 1e-6) & (np.abs(roots.real) < 1)])
