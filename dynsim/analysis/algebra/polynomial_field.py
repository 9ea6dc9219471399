"""A flow as a polynomial vector field: what is not polynomial in the states becomes a variable of its own.

Every subexpression that is no rational function of the states (exp, sin, roots, …) is replaced by a
*generator*, and generators are treated as if they were independent of the states and of each other. That is
sound: an identity that holds for independent variables holds when they are replaced by what they stand for.
The right-hand side is then rational, and its common denominator is multiplied out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import lcm
from typing import Any

import sympy
from sympy.functions.elementary.hyperbolic import HyperbolicFunction
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.symbolic.flow import Flow

__all__ = ["PolynomialField", "Rationaliser", "polynomial_field"]

# Derivatives of generators may bring new ones; beyond this many they are no longer differentiated.
_GENERATORS = 6


@dataclass(frozen=True)
class PolynomialField:
    """The field ``numerators / denominator`` in states and generators.

    Attributes
    ----------
    ring : PolyRing
        Polynomials in states and generators over the field of rational functions of the parameters.
    moving : tuple of int
        Which variables of the ring have a known derivative; the other generators only occur in coefficients.
    numerators : tuple of PolyElement
        Derivative of each moving variable, times `denominator`.
    denominator : PolyElement
    meaning : dict
        What each symbol of ring and domain stands for, where it is not itself.
    """

    ring: PolyRing
    moving: tuple[int, ...]
    numerators: tuple[PolyElement, ...]
    denominator: PolyElement
    meaning: dict[sympy.Symbol, sympy.Expr]

    def derivative(self, polynomial: PolyElement) -> PolyElement:
        """Lie derivative along the field, times the common denominator."""
        return sum(
            (polynomial.diff(i) * numerator for i, numerator in zip(self.moving, self.numerators, strict=True)),
            self.ring.zero,
        )

    def expression(self, polynomial: PolyElement) -> sympy.Expr:
        """Turn a polynomial of the ring into a SymPy expression in the flow's own symbols."""
        return polynomial.as_expr().xreplace(self.meaning)


def polynomial_field(flow: Flow) -> PolynomialField:
    """Write the right-hand side of a flow as polynomials over one common denominator."""
    own = [flow.symbols[name] for name in flow.states]
    states = [sympy.Dummy(name, real=True) for name in flow.states]
    back: dict[Any, Any] = dict(zip(states, own, strict=True))
    velocity = [entry.xreplace(dict(zip(own, states, strict=True))) for entry in flow.rhs]

    rational = Rationaliser(states)
    derivatives = [rational(entry) for entry in velocity]
    stands_for = rational.generators
    moving = list(states)
    while len(moving) - len(states) < min(len(stands_for), _GENERATORS):
        generator = list(stands_for)[len(moving) - len(states)]
        slopes = [stands_for[generator].diff(state) for state in states]
        if any(slope.has(sympy.Derivative, sympy.Subs) for slope in slopes):
            break
        derivatives.append(
            rational(sum((slope * speed for slope, speed in zip(slopes, velocity, strict=True)), sympy.S.Zero))
        )
        moving.append(generator)

    variables = [*states, *stands_for]
    fractions = [sympy.fraction(sympy.together(entry)) for entry in derivatives]
    coefficients = sorted(
        set().union(*(part.free_symbols for pair in fractions for part in pair)) - set(variables), key=str
    )
    domain = sympy.QQ.frac_field(*coefficients) if coefficients else sympy.QQ
    ring = PolyRing(variables, domain, sympy.grlex)
    pairs = [(_element(ring, numerator), _element(ring, denominator)) for numerator, denominator in fractions]
    common = ring.one
    for _, denominator in pairs:
        common = common.lcm(denominator)
    numerators = tuple(numerator * common.exquo(denominator) for numerator, denominator in pairs)
    meaning = {**{key: value.xreplace(back) for key, value in stands_for.items()}, **rational.constants, **back}
    return PolynomialField(ring, tuple(range(len(moving))), numerators, common, meaning)


def _element(ring: PolyRing, expr: sympy.Expr) -> PolyElement:
    return ring.from_dict(dict(sympy.Poly(expr, *ring.symbols, domain=ring.domain).rep.to_dict()))


class Rationaliser:
    """Rewrite expressions as rational functions of the states, of generators and of constants.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> rational = Rationaliser([x])
    >>> rational(sympy.exp(2 * x) + sympy.exp(-x)).subs(dict.fromkeys(rational.generators, 2))
    9/2
    """

    def __init__(self, states: list[sympy.Symbol]) -> None:
        self.states = set(states)
        self.generators: dict[sympy.Symbol, sympy.Expr] = {}
        self.constants: dict[sympy.Symbol, sympy.Expr] = {}
        self._known: dict[sympy.Expr, sympy.Symbol] = {}
        self._finest: dict[tuple[Any, Any], int] = defaultdict(lambda: 1)

    def __call__(self, expr: sympy.Expr) -> sympy.Expr:
        """Return the rewritten expression; new generators and constants are added as they appear."""
        expr = expr.xreplace({number: sympy.Rational(str(number)) for number in expr.atoms(sympy.Float)})
        expr = expr.replace(lambda node: isinstance(node, HyperbolicFunction), lambda node: node.rewrite(sympy.exp))
        for node in expr.atoms(sympy.Pow, sympy.exp):
            base, exponent = node.as_base_exp()
            for term in sympy.Add.make_args(exponent):
                coefficient, rest = term.as_coeff_Mul()
                if coefficient.is_Rational:
                    self._finest[base, rest] = lcm(self._finest[base, rest], int(coefficient.q))
        return self._rewritten(expr)

    def _rewritten(self, expr: sympy.Expr) -> sympy.Expr:
        if expr.is_Symbol or expr.is_Rational:
            return expr
        if expr.is_Add or expr.is_Mul:
            return expr.func(*(self._rewritten(part) for part in expr.args))
        if isinstance(expr, sympy.Pow | sympy.exp):
            base, exponent = expr.as_base_exp()
            factors = (self._power(base, *term.as_coeff_Mul()) for term in sympy.Add.make_args(exponent))
            return sympy.Mul(*factors)
        return self._named(expr)

    def _power(self, base: sympy.Expr, coefficient: sympy.Expr, rest: sympy.Expr) -> sympy.Expr:
        """``base ** (coefficient·rest)`` as an integer power of a generator."""
        if not coefficient.is_Rational:
            return self._named(base ** (coefficient * rest))
        finest = self._finest[base, rest]
        if finest == 1 and rest == 1:
            return self._rewritten(base) ** coefficient
        return self._named(base ** (rest / finest)) ** (coefficient * finest)

    def _named(self, expr: sympy.Expr) -> sympy.Symbol:
        if expr not in self._known:
            depends = bool(expr.free_symbols & self.states)
            symbol = sympy.Dummy(f"{'g' if depends else 'c'}{len(self._known)}")
            (self.generators if depends else self.constants)[symbol] = expr
            self._known[expr] = symbol
        return self._known[expr]
