"""Real solutions of polynomial equations: all isolated points and all curves, exactly.

The equations are split along their factors; each piece gets a Gröbner basis. A piece with finitely many
solutions is solved through the multiplication matrices of its quotient ring, whose characteristic
polynomials have the coordinates as roots. A piece of dimension one is solved the same way over the
rational functions of one coordinate; where that one degenerates, a smaller piece is left, and solved in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import sympy
from sympy import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.analysis.algebra.deadline import CutOff, Deadline
from dynsim.analysis.algebra.finite_solutions import DIGITS, solutions

__all__ = ["Piece", "graphs", "real_solutions"]

Piece = dict[sympy.Symbol, sympy.Expr]


def real_solutions(
    equations: Sequence[sympy.Expr],
    unknowns: Sequence[sympy.Symbol],
    seconds: float,
    functions: Mapping[sympy.Symbol, bool] | None = None,
) -> list[Piece]:
    """Real solutions of polynomial equations with rational coefficients.

    Parameters
    ----------
    equations : sequence of Expr
    unknowns : sequence of Symbol
    seconds : float
        Time allowed.
    functions : mapping, optional
        Symbols that stand for functions of the unknowns, and whether each is positive everywhere.

    Returns
    -------
    list of dict
        ``{unknown: value}``; on a curve one unknown stands for itself and the others are expressions in it.
        Values are exact: rational, in square roots, or the root of a polynomial.

    Raises
    ------
    CutOff
        Out of time, too many solutions, a part of dimension two or more, or a solution that depends on the
        value of a function.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> real_solutions([x * (y - 1), y * (y - 1) * (x**2 - 2)], [x, y], 10.0)
    [{x: x, y: 1}, {x: 0, y: 0}]
    """
    order = Deadline(sympy.grevlex, seconds)
    functions = functions or {}
    ring = PolyRing([*unknowns, *functions], QQ, order)
    system = [ring.from_expr(sympy.expand(equation)) for equation in equations]
    pieces: list[Piece] = []
    for piece in _pieces([p for p in system if p], ring, functions):
        if piece not in pieces:
            pieces.append(piece)
    curves = [piece for piece in pieces if _parameter(piece) is not None]
    return curves + [piece for piece in pieces if piece not in curves and not any(_lies_on(piece, c) for c in curves)]


def graphs(
    equations: Sequence[sympy.Expr], unknowns: Sequence[sympy.Symbol], given: Sequence[sympy.Symbol], seconds: float
) -> list[Piece]:
    """Solve polynomial equations for some unknowns as functions of the others, where they are finitely many.

    Raises
    ------
    CutOff
        Out of time, infinitely many solutions, or one that no square root expresses.

    Examples
    --------
    >>> import sympy
    >>> x, a, b = sympy.symbols("x a b")
    >>> graphs([b * x * (x - a)], [x], [a, b], 10.0)
    [{x: 0}, {x: a}]
    """
    order = Deadline(sympy.grevlex, seconds)
    ring = PolyRing(unknowns, QQ.frac_field(*given) if given else QQ, order)
    basis = groebner([ring.from_expr(sympy.expand(equation)) for equation in equations if equation != 0], ring)
    if any(p.is_ground for p in basis):
        return []
    if _independent([p.LM for p in basis], ring.ngens):
        raise CutOff("infinitely many solutions")
    return [dict(zip(unknowns, values, strict=True)) for values in solutions(basis, ring)]


def _parameter(piece: Piece) -> sympy.Symbol | None:
    return next((symbol for symbol, value in piece.items() if value == symbol), None)


def _lies_on(point: Piece, curve: Piece) -> bool:
    free = _parameter(curve)
    return all(_vanishes(value.subs(free, point[free]) - point[symbol]) for symbol, value in curve.items())


def _vanishes(value: sympy.Expr) -> bool:
    if value.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    return value == 0 or abs(value.evalf(DIGITS)) < sympy.Float(10) ** (-DIGITS // 2)


def _pieces(system: list[PolyElement], ring: PolyRing, functions: Mapping[sympy.Symbol, bool]) -> Iterator[Piece]:
    """Split along factors, before and after the Gröbner basis, then solve what cannot be split."""
    for stage in ("equations", "basis"):
        ring.order.check()
        if stage == "basis":
            system = groebner(system, ring)
        if any(p.is_ground for p in system):
            return
        for index, equation in enumerate(system):
            factors = [factor for factor, _ in equation.factor_list()[1] if not _never_zero(factor, functions)]
            if not factors:
                return
            if len(factors) > 1 or factors[0].monic() != equation.monic():
                for factor in factors:
                    yield from _pieces([factor, *system[:index], *system[index + 1 :]], ring, functions)
                return
    if functions:
        unknowns = [symbol for symbol in ring.symbols if symbol not in functions]
        if any(p.as_expr().has(*functions) for p in system):
            raise CutOff("equations that are not polynomial")
        ring = PolyRing(unknowns, QQ, ring.order)
        system = [ring.from_expr(p.as_expr()) for p in system]
    yield from _irreducible(system, ring)


def _never_zero(factor: PolyElement, functions: Mapping[sympy.Symbol, bool]) -> bool:
    """Whether a factor is a sum of positive functions with coefficients of one sign."""
    used = factor.as_expr().free_symbols
    positive = bool(used) and all(functions.get(symbol, False) for symbol in used)
    return positive and len({coefficient > 0 for coefficient in factor.coeffs()}) == 1


def _irreducible(basis: list[PolyElement], ring: PolyRing) -> Iterator[Piece]:
    free = _independent([p.LM for p in basis], ring.ngens)
    if len(free) == ring.ngens == 1:
        yield {ring.symbols[0]: ring.symbols[0]}
        return
    if len(free) > 1:
        raise CutOff(f"a part of dimension {len(free)} is no curve")
    if not free:
        for values in solutions(basis, ring):
            yield dict(zip(ring.symbols, values, strict=True))
        return
    s, curves = _parametrised(basis, ring)
    yield from curves
    # What is left lies where a leading coefficient of the basis in (others, s) vanishes.
    last = PolyRing([*(symbol for symbol in ring.symbols if symbol != s), s], QQ, ring.order.with_order(sympy.lex))
    for factor in _leading_factors(groebner([last.from_expr(p.as_expr()) for p in basis], last)):
        yield from _pieces([*basis, ring.from_expr(factor)], ring, {})


def _parametrised(basis: list[PolyElement], ring: PolyRing) -> tuple[sympy.Symbol, list[Piece]]:
    """Curves over the rational functions of one unknown: the first that needs no root, else the first that works."""
    choices = []
    failure = CutOff("a curve that is no graph over any unknown")
    for index, s in enumerate(ring.symbols):
        others = [symbol for symbol in ring.symbols if symbol != s]
        over = PolyRing(others, QQ.frac_field(s), ring.order)
        try:
            generic = groebner([over.from_expr(p.as_expr()) for p in basis], over)
            if any(p.is_ground for p in generic) or _independent([p.LM for p in generic], len(others)):
                continue
            found = [dict(zip(others, values, strict=True)) for values in solutions(generic, over)]
        except CutOff as error:
            ring.order.check()
            failure = error
            continue
        curves = [{symbol: values.get(symbol, s) for symbol in ring.symbols} for values in found]
        choices.append((any(v.is_rational_function(s) is False for c in curves for v in c.values()), index, s, curves))
    if not choices:
        raise failure
    _, _, s, curves = min(choices, key=lambda choice: choice[:2])
    return s, curves


def _leading_factors(basis: list[PolyElement]) -> list[sympy.Expr]:
    """Irreducible factors of the leading coefficients, as polynomials in the last unknown."""
    found: set[sympy.Expr] = set()
    for p in basis:
        leading = p.drop_to_ground(p.ring.gens[-1]).LC if p.ring.ngens > 1 else p
        found |= {factor.as_expr() for factor, _ in leading.factor_list()[1]}
    return sorted(found, key=str)


def _independent(leading: list[tuple[int, ...]], size: int) -> tuple[int, ...]:
    """Largest set of unknowns in which no leading monomial lies: its size is the dimension."""
    supports = [{i for i, power in enumerate(monomial) if power} for monomial in leading]
    for count in range(size, 0, -1):
        for chosen in combinations(range(size), count):
            if not any(support <= set(chosen) for support in supports):
                return chosen
    return ()
