"""Finitely many solutions of polynomial equations, through the multiplication matrices of their quotient ring."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import sympy
from sympy import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.analysis.algebra.deadline import CutOff

__all__ = ["DIGITS", "solutions"]

# A characteristic polynomial of this size takes about a second.
_SOLUTIONS = 32
_COMBINATIONS = 20_000
DIGITS = 60
# Where identities in the parameter of a curve are tried; as good as random.
_PLACES = (sympy.Rational(7919, 6007), sympy.Rational(-104729, 99991))


def solutions(basis: list[PolyElement], ring: PolyRing) -> Iterator[tuple[sympy.Expr, ...]]:
    """Every combination of possible coordinates at which all equations vanish.

    Parameters
    ----------
    basis : list of PolyElement
        A Gröbner basis of a zero-dimensional ideal.
    ring : PolyRing
        Over the rationals, or over rational functions; then only what square roots express is found.

    Raises
    ------
    CutOff
        Too many solutions, or one over rational functions that no square root expresses.
    """
    monomials = _quotient([p.LM for p in basis], ring)
    candidates = [_roots(_multiplication(gen, monomials, basis, ring)) for gen in ring.gens]
    if prod(map(len, candidates)) > _COMBINATIONS:
        raise CutOff("too many combinations of coordinates")
    equations = [p.as_expr() for p in basis]
    for values in product(*candidates):
        ring.order.check()
        if all(_is_root(equation, dict(zip(ring.symbols, values, strict=True))) for equation in equations):
            yield values


def _quotient(leading: list[tuple[int, ...]], ring: PolyRing) -> list[tuple[int, ...]]:
    """Monomials that no leading monomial divides: a basis of the finite quotient ring."""
    bounds = [min(m[i] for m in leading if sum(m) == m[i]) for i in range(ring.ngens)]
    if prod(bounds) > 100 * _SOLUTIONS:
        raise CutOff("too many solutions")
    found = [
        monomial
        for monomial in product(*map(range, bounds))
        if not any(all(a >= b for a, b in zip(monomial, m, strict=True)) for m in leading)
    ]
    if len(found) > _SOLUTIONS:
        raise CutOff("too many solutions")
    return found


def _multiplication(
    gen: PolyElement, monomials: list[tuple[int, ...]], basis: list[PolyElement], ring: PolyRing
) -> DomainMatrix:
    """Matrix of the multiplication with one unknown in the quotient ring."""
    index = {monomial: i for i, monomial in enumerate(monomials)}
    entries: dict[int, dict[int, Any]] = {}
    for column, monomial in enumerate(monomials):
        for powers, coefficient in (gen * ring.from_dict({monomial: ring.domain.one})).rem(basis).terms():
            if coefficient:
                entries.setdefault(index[powers], {})[column] = coefficient
    return DomainMatrix(entries, (len(monomials), len(monomials)), ring.domain)


def _roots(matrix: DomainMatrix) -> list[sympy.Expr]:
    """Real roots of the characteristic polynomial; over a function field those that square roots express."""
    x = sympy.Dummy("x")
    size, domain = matrix.shape[0], matrix.domain
    ring = PolyRing([x], domain, sympy.lex)
    polynomial = ring.from_dict({(size - i,): c for i, c in enumerate(matrix.charpoly()) if c})
    found: list[sympy.Expr] = []
    for factor, _ in polynomial.factor_list()[1]:
        if domain == QQ:
            found += sympy.Poly(factor.as_expr(), x).real_roots()
        elif factor.degree() == 1:
            found.append(sympy.factor(domain.to_sympy(-factor.coeff(1) / factor.LC)))
        elif factor.degree() == 2:
            found += _square_roots(*(domain.to_sympy(factor.get((power,), domain.zero)) for power in (2, 1, 0)))
        else:
            raise CutOff("a curve that no square root expresses")
    return found


def _square_roots(a: sympy.Expr, b: sympy.Expr, c: sympy.Expr) -> list[sympy.Expr]:
    root = sympy.sqrt(sympy.factor(b**2 - 4 * a * c))
    return [(-b - root) / (2 * a), (-b + root) / (2 * a)]


def _is_root(equation: sympy.Expr, values: dict[sympy.Symbol, sympy.Expr]) -> bool:
    """Whether an equation holds, to sixty digits, at random places if a curve parameter is left."""
    left = set().union(*(value.free_symbols for value in values.values()))
    for number in _PLACES if left else _PLACES[:1]:
        places = {symbol: number + index for index, symbol in enumerate(sorted(left, key=str))}
        at = {symbol: value.subs(places) for symbol, value in values.items()} | places
        terms = [term.subs(at).evalf(DIGITS) for term in sympy.Add.make_args(equation)]
        if abs(sum(terms)) > sum(abs(term) for term in terms) * sympy.Float(10) ** (-DIGITS // 2):
            return False
    return True
