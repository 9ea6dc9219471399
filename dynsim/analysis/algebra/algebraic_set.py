"""Real solutions of polynomial equations: all isolated points, curves and surfaces, exactly.

The equations are split along their factors; each piece gets a Gröbner basis. A piece with finitely many
solutions is solved through the multiplication matrices of its quotient ring, whose characteristic
polynomials have the coordinates as roots. A piece of higher dimension is solved the same way over the
rational functions of as many coordinates; where these degenerate, a smaller piece is left, and solved in turn.
A real point that is isolated on a complex curve, such as the centre of x² + y² = 0, is a singular point of it: the
singular points are a piece of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

import sympy
from sympy import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.analysis.algebra.deadline import CutOff, Deadline
from dynsim.analysis.algebra.finite_solutions import DIGITS, solutions

__all__ = ["Piece", "free_in", "graphs", "lies_on", "real_solutions"]

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
        ``{unknown: value}``; on a curve one unknown, on a surface several stand for themselves and the others are
        expressions in them, which need not be real everywhere. Values are exact: rational, in square roots, or the
        root of a polynomial.

    Raises
    ------
    CutOff
        Out of time, too many solutions, or a solution that depends on the value of a function or that no square root
        expresses; `found` holds the others, and the real points at which a curve that was given up is singular.

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
    system = [p for p in (ring.from_expr(sympy.expand(equation)) for equation in equations) if p]
    written = [p.as_expr() for p in system]
    if any(p.is_ground for p in system):
        return []
    groups = [ring.symbols] if functions else _groups(written, ring.symbols)
    parts: list[list[Piece]] = []
    failures: list[CutOff] = []
    for group in groups:
        alone = ring if len(groups) == 1 else PolyRing(group, QQ, order)
        own = system if len(groups) == 1 else [alone.from_expr(e) for e in written if e.has(*group)]
        found, failed = _largest(own, alone, functions)
        if not found and not failed:
            return []
        parts.append(found)
        failures += failed
    kept: list[Piece] = []
    try:
        for chosen in product(*parts):
            order.check()
            joint = {symbol: value for piece in chosen for symbol, value in piece.items()}
            kept.append({symbol: joint[symbol] for symbol in unknowns})
    except CutOff as error:
        failures.append(error)
    kept.sort(key=lambda piece: -len(free_in(piece)))
    if failures:
        raise CutOff(str(failures[0]), kept)
    return kept


def _groups(equations: Sequence[sympy.Expr], unknowns: Sequence[sympy.Symbol]) -> list[Sequence[sympy.Symbol]]:
    """Unknowns that equations link; what is solved for one group holds whatever the others are."""
    linked = [{symbol} for symbol in unknowns]
    for equation in equations:
        here = equation.free_symbols
        joint = set().union(*(group for group in linked if group & here))
        linked = [*(group for group in linked if not group & here), *([joint] if joint else [])]
    return [[symbol for symbol in unknowns if symbol in group] for group in linked]


def _largest(
    system: list[PolyElement], ring: PolyRing, functions: Mapping[sympy.Symbol, bool]
) -> tuple[list[Piece], list[CutOff]]:
    """Pieces that lie on no other, those of high dimension first, and why others were given up."""
    pieces: list[Piece] = []
    failures: list[CutOff] = []
    try:
        for piece in _pieces(system, ring, functions):
            if isinstance(piece, CutOff):
                failures.append(piece)
            elif piece not in pieces:
                pieces.append(piece)
    except CutOff as error:
        failures.append(error)
    pieces.sort(key=lambda piece: -len(free_in(piece)))
    kept: list[Piece] = []
    for piece in pieces:
        if not any(lies_on(piece, other) for other in kept):
            kept.append(piece)
    return kept, failures


def free_in(piece: Piece) -> list[sympy.Symbol]:
    """Unknowns that stand for themselves."""
    return [symbol for symbol, value in piece.items() if value == symbol]


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


def lies_on(piece: Piece, larger: Piece) -> bool:
    """Whether a piece lies on the real part of one of higher dimension."""
    free, own = free_in(larger), free_in(piece)
    if len(own) >= len(free):
        return False
    at = _anywhere(own)
    point = {symbol: value.subs(at) for symbol, value in piece.items()}
    there = {symbol: point[symbol] for symbol in free}
    if not all(_vanishes(value.subs(there) - point[symbol]) for symbol, value in larger.items()):
        return False
    beside = sympy.Rational(1, 10**12)
    for signs in product((-1, 1), repeat=len(free)):
        moved = {symbol: there[symbol] + side * beside for symbol, side in zip(free, signs, strict=True)}
        if all(_is_real(value.subs(moved), 4 * DIGITS) for value in larger.values()):
            return True
    return False


def _anywhere(symbols: Sequence[sympy.Symbol]) -> dict[sympy.Symbol, sympy.Rational]:
    """A place as good as random."""
    return {symbol: sympy.Rational(7919 + 31 * index, 6007) for index, symbol in enumerate(symbols)}


def _is_real(value: sympy.Expr, digits: int = DIGITS) -> bool:
    """Whether a number is real, to half of the digits; more of them tell y = ±i·x³ from a real curve beside x = 0."""
    real, imaginary = value.evalf(digits).as_real_imag()
    return bool(real.is_finite) and abs(imaginary) <= abs(real) * sympy.Float(10) ** (-digits // 2)


def _vanishes(value: sympy.Expr) -> bool:
    if value.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    return value == 0 or abs(value.evalf(DIGITS)) < sympy.Float(10) ** (-DIGITS // 2)


def _pieces(
    system: list[PolyElement], ring: PolyRing, functions: Mapping[sympy.Symbol, bool]
) -> Iterator[Piece | CutOff]:
    """Split along factors, before and after the Gröbner basis, then solve what cannot be split.

    Why a piece was given up comes in its place, so that the others are solved all the same.
    """
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


def _irreducible(basis: list[PolyElement], ring: PolyRing) -> Iterator[Piece | CutOff]:
    dimension = len(_independent([p.LM for p in basis], ring.ngens))
    if dimension == ring.ngens:
        yield {symbol: symbol for symbol in ring.symbols}
        return
    if dimension == 0:
        for values in solutions(basis, ring):
            yield dict(zip(ring.symbols, values, strict=True))
        return
    try:
        free, found = _parametrised(basis, ring, dimension)
    except CutOff as error:
        ring.order.check()
        yield error
        yield from _singular(basis, ring, dimension)
        return
    yield from found
    # What is left lies where a leading coefficient of the basis in (others, free) vanishes.
    others = [symbol for symbol in ring.symbols if symbol not in free]
    last = PolyRing([*others, *free], QQ, ring.order.with_order(sympy.lex))
    for factor in _leading_factors(groebner([last.from_expr(p.as_expr()) for p in basis], last), len(free)):
        yield from _pieces([*basis, ring.from_expr(factor)], ring, {})
    # Real points of a curve that is not real around them are singular: it meets its conjugate there.
    if not all(_is_real_function(value, free) for piece in found for value in piece.values()):
        yield from _singular(basis, ring, dimension)


def _is_real_function(value: sympy.Expr, free: tuple[sympy.Symbol, ...]) -> bool:
    """Whether a value is real wherever the free unknowns are: rational, with real coefficients."""
    return bool(value.is_rational_function(*free)) and _is_real(value.subs(_anywhere(free)))


def _singular(basis: list[PolyElement], ring: PolyRing, dimension: int) -> Iterator[Piece | CutOff]:
    """Points at which the equations have dependent gradients."""
    ring.order.check()
    jacobian = sympy.Matrix([p.as_expr() for p in basis]).jacobian(ring.symbols)
    size = ring.ngens - dimension
    minors = [
        ring.from_expr(sympy.expand(jacobian.extract(list(rows), list(columns)).det()))
        for rows in combinations(range(jacobian.rows), size)
        for columns in combinations(range(ring.ngens), size)
    ]
    smaller = groebner([*basis, *(p for p in minors if p)], ring)
    if any(p.is_ground for p in smaller):
        return
    if len(_independent([p.LM for p in smaller], ring.ngens)) >= dimension:
        raise CutOff("a part that is counted more than once")
    yield from _pieces(smaller, ring, {})


def _parametrised(
    basis: list[PolyElement], ring: PolyRing, dimension: int
) -> tuple[tuple[sympy.Symbol, ...], list[Piece]]:
    """The part over the rational functions of some unknowns: the first that need no root, else the first that work."""
    choices = []
    failure = CutOff("a curve that is no graph over any unknown")
    for index, free in enumerate(combinations(ring.symbols, dimension)):
        others = [symbol for symbol in ring.symbols if symbol not in free]
        over = PolyRing(others, QQ.frac_field(*free), ring.order)
        try:
            generic = groebner([over.from_expr(p.as_expr()) for p in basis], over)
            if any(p.is_ground for p in generic) or _independent([p.LM for p in generic], len(others)):
                continue
            found = [dict(zip(others, values, strict=True)) for values in solutions(generic, over)]
        except CutOff as error:
            ring.order.check()
            failure = error
            continue
        pieces = [{symbol: values.get(symbol, symbol) for symbol in ring.symbols} for values in found]
        rooted = any(v.is_rational_function(*free) is False for piece in pieces for v in piece.values())
        choices.append((rooted, index, free, pieces))
    if not choices:
        raise failure
    _, _, free, pieces = min(choices, key=lambda choice: choice[:2])
    return free, pieces


def _leading_factors(basis: list[PolyElement], free: int) -> list[sympy.Expr]:
    """Irreducible factors of the leading coefficients, as polynomials in the last unknowns."""
    found: set[sympy.Expr] = set()
    for p in basis:
        others = p.ring.ngens - free
        top, none = p.LM[:others], (0,) * others
        leading = p.ring.from_dict({none + powers[others:]: c for powers, c in p.terms() if powers[:others] == top})
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
