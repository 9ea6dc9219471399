"""Where a function of time changes sign: all such times, also where an interval holds several.

Events are zeros of the interpolant of a step, not changes of sign between its ends: a step may hold several. Along a
step an event is a smooth function of time; it is approximated by Chebyshev polynomials on as many subintervals as it
needs. A polynomial has at most as many zeros in an interval as its Bernstein coefficients change sign there, by
Descartes' rule: most intervals hold none or one, and that is all there is to say. Elsewhere the zeros of the
polynomial's derivative cut the interval into pieces on which it is monotone. A piece over which it changes sign holds
exactly one zero, which is then found on the function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
from numpy.polynomial import chebyshev

__all__ = ["change_of_sign", "changes_of_sign", "sign_changes"]

Function = Callable[[np.ndarray], np.ndarray]

_DEGREE = 16
_NODES = np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)[::-1]
_FIT = np.linalg.inv(chebyshev.chebvander(_NODES, _DEGREE)).T  # coefficients of a series, from its values at the nodes
_SLOPE = chebyshev.chebder(np.eye(_DEGREE + 1))  # of a series, from its coefficients
_FLAT = 1e-11  # an expansion whose last terms are below this share of the largest is one
_NOISE = 1e-14  # and so is one whose last terms are below this share of the largest anywhere
_DEPTH = 10  # halvings of a step in search of one
_SURE = 1e-11  # Bernstein coefficients below this share of the largest have no sign that is sure


def _bernstein() -> np.ndarray:
    """Bernstein coefficients of the Chebyshev polynomials, a row for each: alternating binomials over binomials."""
    degrees = range(_DEGREE + 1)
    rows = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for k in degrees:
        own = [(-1) ** (k - i) * comb(2 * k, 2 * i) / comb(k, i) for i in range(k + 1)]  # of degree k
        for i in degrees:  # … raised to the common degree
            shares = range(max(0, i - _DEGREE + k), min(k, i) + 1)
            rows[k, i] = sum(own[j] * comb(k, j) * comb(_DEGREE - k, i - j) / comb(_DEGREE, i) for j in shares)
    return rows


_BERNSTEIN = _bernstein()


def sign_changes(function: Function, edges: Sequence[float] | np.ndarray) -> list[tuple[float, float]]:
    """Times between the first and the last edge at which a function changes sign, in order, each with its new sign.

    Parameters
    ----------
    function : callable
        Of an array of times, in their order; smooth between neighbouring edges, or nearly so.
    edges : sequence of float
        At least two; they may run backward. A zero at the first one does not count, one at the last one does.

    Examples
    --------
    Two zeros a hundredth apart, both within the one interval:

    >>> from dynsim.integrate.zeros import sign_changes
    >>> [(round(t, 6), sign) for t, sign in sign_changes(lambda t: (t - 0.5) * (t - 0.51), [0.0, 10.0])]
    [(0.5, -1.0), (0.51, 1.0)]
    """
    found: list[tuple[float, float]] = []
    brackets, pieces = _candidates(function, np.asarray(edges))
    for at, values in pieces:
        for i in range(len(at) - 1):
            if values[i] * values[i + 1] < 0:
                brackets.append((at[i], at[i + 1], (at[i] + at[i + 1]) / 2, values[i + 1]))
            elif values[i + 1] == 0 and values[i] != 0:
                after = _sign_after(function, at[i + 1], edges)
                if after * values[i] < 0 or at[i + 1] == edges[-1]:
                    found.append((at[i + 1], after or -float(np.sign(values[i]))))
    backward = bool(edges[-1] < edges[0])
    if brackets:
        brackets.sort(reverse=backward)
        left, right, guess, after = np.array(brackets).T
        exact = changes_of_sign(function, left, right, guess)
        found += zip(exact.tolist(), np.sign(after).tolist(), strict=True)
    return sorted(found, key=lambda change: change[0], reverse=backward) if len(found) > 1 else found


def _sign_after(function: Function, t: float, edges: Sequence[float] | np.ndarray) -> float:
    """Sign of a function right behind a zero of it, 0 behind the last edge."""
    forward = edges[-1] > edges[0]
    end = next((edge for edge in edges if (edge > t if forward else edge < t)), t)
    ahead = t + (end - t) * 2.0 ** -np.arange(20.0, 0.0, -1.0)
    signs = np.sign(function(ahead)) if t != end else np.zeros(1)
    return next((float(sign) for sign in signs if sign), 0.0)


def change_of_sign(function: Function, left: float, right: float) -> float:
    """The change of sign between two times: a number right behind it, or the zero itself."""
    return float(changes_of_sign(function, np.array([left]), np.array([right]))[0])


_AROUND = np.array([-1.0, *-(16.0 ** -np.arange(1.0, 13.0)), 0.0, *16.0 ** -np.arange(12.0, 0.0, -1.0), 1.0])
_SECTIONS = np.linspace(0.0, 1.0, len(_AROUND))
_CLOSE = 32.0  # units in the last place behind a change of sign


def changes_of_sign(
    function: Function, left: np.ndarray, right: np.ndarray, guess: np.ndarray | None = None
) -> np.ndarray:
    """The change of sign in each of several brackets, which follow one another, by sections.

    So many values in each bracket cost one call, like one. They are set around a guess, or spread evenly if there is
    none, then around the zero of the inverse parabola through three of them: two calls or three find what bisection
    finds in fifty. Where that does not help, for what is left of the function is rounding, they are spread evenly.
    """
    rows = np.arange(len(left))
    low, high = (np.minimum(left, right)[:, None], np.maximum(left, right)[:, None])
    evenly = np.full(len(left), guess is None)
    centre = left if guess is None else guess
    for _ in range(20):
        width = right - left
        times = centre[:, None] + width[:, None] * _AROUND
        if evenly.any():
            times = np.where(evenly[:, None], left[:, None] + width[:, None] * _SECTIONS, times)
        times = np.minimum(np.maximum(times, low), high)
        times[:, 0], times[:, -1] = left, right
        values = np.asarray(function(times.ravel()), dtype=float).reshape(times.shape)
        signs = np.sign(values)
        at = np.maximum((signs != signs[:, :1]).argmax(axis=1), 1)
        before, after = times[rows, at - 1], times[rows, at]
        lost = signs[rows, at] == signs[:, 0]  # no change of sign: what is left is rounding
        if lost.any():
            before, after = np.where(lost, right, before), np.where(lost, right, after)
        ended = (values[rows, at] == 0) | lost
        left, right = np.where(ended, after, before), after
        if (np.abs(right - left) <= _CLOSE * np.spacing(np.abs(right))).all():
            break
        low, high = (np.minimum(left, right)[:, None], np.maximum(left, right)[:, None])
        evenly = np.abs(right - left) > np.abs(width) / 8
        centre = _inverse_parabola(times, values, rows, at, left, right)
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


_Bracket = tuple[float, float, float, float]
"""Two times between which there is one change of sign, a guess of it, a value behind it."""


def _candidates(function: Function, edges: np.ndarray) -> tuple[list[_Bracket], list[tuple[list[float], list[float]]]]:
    """Brackets; and times between which a function is monotone, and its values there, wherever it may have a zero."""
    left, right = edges[:-1], edges[1:]
    brackets: list[_Bracket] = []
    pieces: list[tuple[float, float, list[float], float, float]] = []
    scale = 0.0
    for depth in range(_DEPTH + 1):
        half, middle = (right - left) / 2, (right + left) / 2
        times = middle[:, None] + half[:, None] * _NODES
        times[:, 0], times[:, -1] = left, right
        values = np.asarray(function(times.ravel()), dtype=float).reshape(times.shape)
        coefficients = values @ _FIT
        size = np.abs(coefficients)
        total = size.sum(axis=1)
        defined = np.isfinite(total)  # along the whole of an interval
        if not defined.all():
            coefficients, size = np.where(defined[:, None], coefficients, 0.0), np.where(defined[:, None], size, 0.0)
            total = size.sum(axis=1)
        scale = max(scale, float(size.max()))
        # Elsewhere the mean outweighs all that varies, or the function vanishes altogether.
        some = np.flatnonzero((2 * size[:, 0] <= total) & (total > 0))
        if not some.size:
            break
        series, size = coefficients[some], size[some]
        largest = size.max(axis=1)
        rough = size[:, -3:].sum(axis=1) > np.maximum(_FLAT * largest, _NOISE * scale)
        if depth == _DEPTH:
            rough[:] = False
        bernstein = series @ _BERNSTEIN
        changes = (bernstein[:, 1:] * bernstein[:, :-1] < 0).sum(axis=1)
        changes[(np.abs(bernstein) <= _SURE * largest[:, None]).any(axis=1)] = _DEGREE
        for k in np.flatnonzero(~rough & (changes > 0)).tolist():
            i = some[k]
            a, b, at_a, at_b = float(left[i]), float(right[i]), float(values[i, 0]), float(values[i, -1])
            if changes[k] == 1 and at_a * at_b < 0:
                root = _root(series[k].tolist(), *_around_change(values[i].tolist()))
                brackets.append((a, b, float(middle[i] + half[i] * root), at_b))
                continue
            cuts = [] if a == b else (middle[i] + half[i] * _extrema(series[k], size[k])).tolist()
            pieces.append((a, b, cuts, at_a, at_b))
        if not rough.any():
            break
        split = some[rough]
        left, right = (np.column_stack(pair)[split].ravel() for pair in ((left, middle), (middle, right)))
    pieces.sort(reverse=bool(edges[-1] < edges[0]))
    inner = [time for piece in pieces for time in piece[2]]
    known = iter(np.asarray(function(np.array(inner)), dtype=float).tolist() if inner else ())
    return brackets, [([a, *cuts, b], [at_a, *(next(known) for _ in cuts), at_b]) for a, b, cuts, at_a, at_b in pieces]


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
