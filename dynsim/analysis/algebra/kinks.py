"""Equilibria of fields with kinks: where a solution of one side of a kink holds, and what is stable at a kink.

Of |u|, max(u, 0) or sign(u) the solver takes each side by itself. A solution of one side is one of the flow only where
that side is: of x' = max(x, 0) the line of equilibria is x ≤ 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import sympy
from scipy.optimize import linprog

from dynsim.analysis.algebra.algebraic_set import Piece, free_in, lies_on
from dynsim.analysis.algebra.deadline import CutOff
from dynsim.analysis.algebra.line_stability import ends_of, is_real, zeros_of
from dynsim.symbolic.numeric import evaluate

__all__ = ["KINKS", "Sided", "covers", "holding", "interior", "one_sided", "smooth_on"]

KINKS = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)
_BESIDE = sympy.Rational(1, 10**24)
_DIRECTIONS, _SAME = 24, sympy.Float(10) ** -12
_DIGITS = 50
_WIDE, _EMPTY, _SAMPLES = 1e6, 1e-12, 4000  # where a box has no side; the width of no interior; points tried


class Sided(NamedTuple):
    """A solution, and what must not be negative for it to be one."""

    piece: Piece
    conditions: tuple[sympy.Expr, ...] = ()


def holding(found: Iterable[tuple[Piece, tuple[int, ...]]], insides: Sequence[sympy.Expr]) -> Iterator[Sided]:
    """Solutions of the sides of all kinks, with the conditions under which they hold.

    Parameters
    ----------
    found : iterable of (piece, sides)
        A solution, and the signs of `insides` of which it is one.
    insides : sequence of Expr
        What changes its sign at a kink.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> zero = sympy.S.Zero
    >>> list(holding([({x: x, y: zero}, (-1,)), ({x: zero, y: zero}, (1,))], [x]))
    [Sided(piece={x: x, y: 0}, conditions=(-x,)), Sided(piece={x: 0, y: 0}, conditions=())]
    """
    of: list[tuple[Piece, set[tuple[int, ...]]]] = []
    for piece, sides in found:
        known = next((kept for kept in of if kept[0] == piece), None)
        if known is None:
            of.append((piece, {sides}))
        else:
            known[1].add(sides)
    for piece, allowed in sorted(of, key=lambda item: -len(free_in(item[0]))):
        free = free_in(piece)
        there = [inside.xreplace(piece) for inside in insides]
        fixed = [i for i, value in enumerate(there) if not value.has(*free)] if free else []
        moving = [i for i in range(len(there)) if i not in fixed]
        signs = {i: sympy.sign(there[i].evalf(_DIGITS, chop=True)) for i in fixed}
        left = {tuple(s[i] for i in moving) for s in allowed if all(s[i] * signs[i] >= 0 for i in fixed)}
        if not free:
            yield Sided(piece)
        elif len(free) == 1 and left:
            yield from _along(piece, free[0], [there[i] for i in moving], left)
        elif left:
            yield from _merged(piece, [there[i] for i in moving], left)


def _along(
    piece: Piece, free: sympy.Symbol, insides: list[sympy.Expr], allowed: set[tuple[int, ...]]
) -> Iterator[Sided]:
    """A curve: the intervals of its free state on which the kinks are on allowed sides."""
    if not insides:
        yield Sided(piece)
        return
    marks = ends_of(piece.values(), free)
    for inside in insides:
        for part in sympy.fraction(sympy.together(inside)):
            marks |= zeros_of(part, free)
    places = sorted(marks, key=float)
    edges = [-sympy.oo, *places, sympy.oo]
    holds: list[bool | None] = []
    for low, high in pairwise(edges):
        if low == -sympy.oo:
            middle = sympy.S.Zero if high == sympy.oo else sympy.floor(high) - 1
        else:
            middle = sympy.ceiling(low) + 1 if high == sympy.oo else (low + high) / 2
        if not all(is_real(value.subs(free, middle)) for value in piece.values()):
            holds.append(None)
        else:
            signs = tuple(int(sympy.sign(inside.subs(free, middle).evalf(_DIGITS))) for inside in insides)
            holds.append(signs in allowed)
    if False not in holds:
        if True in holds:
            yield Sided(piece)
        return
    start = None
    for index, held in enumerate([*holds, False]):
        if held and start is None:
            start = index
        elif held is False and start is not None:
            low, high = edges[start], edges[index]
            yield Sided(piece, (*([free - low] if low.is_finite else []), *([high - free] if high.is_finite else [])))
            start = None


def _merged(piece: Piece, insides: list[sympy.Expr], allowed: set[tuple[int, ...]]) -> Iterator[Sided]:
    """A surface: its sides, without such kinks as it holds on both sides of."""
    kept = list(range(len(insides)))
    for index in range(len(insides)):
        place = kept.index(index)
        if all((*s[:place], -s[place], *s[place + 1 :]) in allowed for s in allowed):
            kept.remove(index)
            allowed = {(*s[:place], *s[place + 1 :]) for s in allowed}
    for sides in sorted(allowed, reverse=True):
        yield Sided(piece, tuple(side * insides[index] for side, index in zip(sides, kept, strict=True)))


def interior(
    conditions: Sequence[sympy.Expr], free: Sequence[sympy.Symbol], sides: Mapping[str, tuple[float, float]]
) -> dict[str, float] | None:
    """Find a point of a box at which all conditions are positive; None if there is none.

    Linear conditions are decided by a linear programme, others are searched.

    Raises
    ------
    CutOff
        Conditions that are not linear, and the search finds no point.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> place = interior([x, sympy.Rational(1, 100) - x], [x, y], {"y": (2.0, 3.0)})
    >>> 0 < place["x"] < 0.01 and 2 <= place["y"] <= 3
    True
    >>> interior([x - 2, 1 - x], [x, y], {}) is None
    True
    """
    bounds = [sides.get(symbol.name, (-_WIDE, _WIDE)) for symbol in free]
    polynomials = [item.as_poly(*free) for item in conditions]
    if all(p is not None and p.is_linear for p in polynomials):
        slopes = np.array([[float(item.coeff(symbol)) for symbol in free] for item in map(sympy.expand, conditions)])
        fixed = np.array([float(item.subs(dict.fromkeys(free, 0))) for item in conditions])
        steep = np.linalg.norm(slopes, axis=1)
        # Maximise the least distance to an edge.
        programme = linprog(
            np.r_[np.zeros(len(free)), -1.0], np.c_[-slopes, steep], fixed, bounds=[*bounds, (None, 1.0)]
        )
        if not programme.success or programme.x[-1] <= _EMPTY:
            return None
        return {symbol.name: float(value) for symbol, value in zip(free, programme.x[:-1], strict=True)}
    generator = np.random.default_rng(1931)
    low, high = np.array(bounds).T
    for size in (3.0, 1.0, 0.1, _WIDE):
        points = np.clip(generator.uniform(-size, size, (_SAMPLES, len(free))), low, high)
        with np.errstate(all="ignore"):
            values = evaluate(list(conditions), dict(zip(free, points.T, strict=True)))
            least = np.min(np.broadcast_arrays(*values, points[:, 0])[:-1], axis=0)
        least = np.where(np.isfinite(least), least, -np.inf)
        if least.max() > 0:
            return {symbol.name: float(value) for symbol, value in zip(free, points[least.argmax()], strict=True)}
    raise CutOff("kinks that may leave no room for a solution")


def covers(larger: Sided, other: Sided) -> bool:
    """Whether a solution is one of those of a larger one: a point of a curve, its end included."""
    if larger.piece == other.piece and larger.conditions == other.conditions:
        return True
    if other.conditions or not lies_on(other.piece, larger.piece):
        return False
    values = (condition.xreplace(other.piece).evalf(_DIGITS, chop=True) for condition in larger.conditions)
    return all(value.is_Number and value >= 0 for value in values)  # along a curve they may fail somewhere


def smooth_on(expr: sympy.Matrix, at: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Matrix:
    """The smooth expression that one with kinks is around a place at which no kink is.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> smooth_on(sympy.Matrix([sympy.Max(x, 0) + abs(x - 1)]), {x: sympy.Rational(1, 2)})
    Matrix([[1]])
    """

    def side(inside: sympy.Expr) -> sympy.Expr:
        return sympy.sign(inside.subs(at).evalf(_DIGITS, chop=True))

    def largest(*values: sympy.Expr) -> sympy.Expr:
        return max(values, key=lambda value: value.subs(at).evalf(_DIGITS))

    def smallest(*values: sympy.Expr) -> sympy.Expr:
        return min(values, key=lambda value: value.subs(at).evalf(_DIGITS))

    found = expr.replace(sympy.Max, largest).replace(sympy.Min, smallest)
    found = found.replace(sympy.Abs, lambda inside: side(inside) * inside).replace(sympy.sign, side)
    return found.replace(sympy.Heaviside, lambda inside, *_: (1 + side(inside)) / 2)


def one_sided(jacobian: sympy.Matrix, at: Mapping[sympy.Symbol, sympy.Expr]) -> list[sympy.Matrix]:
    """The different Jacobians around a point, in seeded directions; one where no kink goes through it."""
    generator = np.random.default_rng(1848)
    found: list[sympy.Matrix] = []
    for _ in range(_DIRECTIONS):
        steps = (_BESIDE * int(n) for n in generator.integers(-999, 1000, len(at)))
        moved = {symbol: value + step for (symbol, value), step in zip(at.items(), steps, strict=True)}
        there = jacobian.subs(moved).evalf(_DIGITS)
        if there.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
            return []
        if not any(_close(there, known) for known in found):
            found.append(there)
    return found


def _close(one: sympy.Matrix, other: sympy.Matrix) -> bool:
    size = max(1, *(abs(value) for value in one))
    return all(abs(value) <= _SAME * size for value in one - other)
