"""A flow as a polynomial vector field in its states and in the generators that its other functions become.

The right-hand side is rational in states and generators; its common denominator is multiplied out. Polynomials are
taken modulo the identities that the generators obey (`generators`), in the normal form of a Gröbner basis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy.polys.groebnertools import groebner
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.analysis.algebra.generators import Rationaliser
from dynsim.analysis.algebra.independence import doubt
from dynsim.symbolic.flow import Flow

__all__ = ["PolynomialField", "polynomial_field"]


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
    relations : list of PolyElement
        Gröbner basis of the identities between the generators.
    kinks : dict
        Variable that is the sign of something → that something.
    inverses : tuple of int
        Variables that are one over an exponential.
    logarithms : tuple of int
        Variables that are logarithms of states and of denominators.
    doubt : str
        Why the generators may obey further identities; empty if it is proven that they do not.
    """

    ring: PolyRing
    moving: tuple[int, ...]
    numerators: tuple[PolyElement, ...]
    denominator: PolyElement
    meaning: dict[sympy.Symbol, sympy.Expr]
    relations: list[PolyElement] = field(default_factory=list)
    kinks: dict[int, PolyElement] = field(default_factory=dict)
    inverses: tuple[int, ...] = ()
    logarithms: tuple[int, ...] = ()
    doubt: str = ""

    def reduced(self, polynomial: PolyElement) -> PolyElement:
        """Normal form modulo the identities."""
        return polynomial.rem(self.relations) if self.relations else polynomial

    def derivative(self, polynomial: PolyElement) -> PolyElement:
        """Lie derivative along the field, times the common denominator."""
        return self.reduced(
            sum(
                (polynomial.diff(i) * numerator for i, numerator in zip(self.moving, self.numerators, strict=True)),
                self.ring.zero,
            )
        )

    def is_continuous(self, polynomial: PolyElement) -> bool:
        """Whether what multiplies the sign of something vanishes where that does."""
        for index, inside in self.kinks.items():
            jump = self.reduced(polynomial.diff(index))
            if jump and jump.rem(groebner([*self.relations, inside], self.ring)):
                return False
        return True

    def expression(self, polynomial: PolyElement) -> sympy.Expr:
        """Turn a polynomial of the ring into a SymPy expression in the flow's own symbols."""
        return sympy.Add(*map(_with_modulus, sympy.Add.make_args(polynomial.as_expr().xreplace(self.meaning))))


def _with_modulus(term: sympy.Expr) -> sympy.Expr:
    """|x| where a term has x·sign(x)."""
    for sign in term.atoms(sympy.sign):
        inside = sign.args[0]
        if term.as_powers_dict()[sign] == 1 and term.as_powers_dict()[inside] % 2 == 1:
            term = term / (inside * sign) * sympy.Abs(inside)
    return term


def polynomial_field(flow: Flow) -> PolynomialField:
    """Write the right-hand side of a flow as polynomials over one common denominator."""
    own = [flow.symbols[name] for name in flow.states]
    states = [sympy.Dummy(name, real=True) for name in flow.states]
    others = sorted(flow.rhs.free_symbols - set(own), key=str)
    parameters = [sympy.Dummy(s.name, real=True) for s in others]
    there = dict(zip([*own, *others], [*states, *parameters], strict=True))
    back: dict[Any, Any] = {dummy: symbol for symbol, dummy in there.items()}

    rational = Rationaliser(states)
    velocity = rational.all([entry.xreplace(there) for entry in flow.rhs])
    rates = rational.rates(dict(zip(states, velocity, strict=True)))
    # sinh is a polynomial in an exponential and its inverse, and in neither alone.
    inverses = {symbol: sympy.Dummy(real=True) for symbol in rational.of_kind("exponential") if symbol in rates}
    rates |= {inverse: -rates[symbol] * inverse / symbol for symbol, inverse in inverses.items()}
    logarithms = _logarithms(rational, states, velocity)
    rates |= {symbol: rate for symbol, (_, rate) in logarithms.items()}
    moving = [*states, *rates]
    derivatives = [*velocity, *rates.values()]
    relations = [sympy.numer(sympy.together(equation)) for equation in rational.relations()]
    relations += [symbol * inverse - 1 for symbol, inverse in inverses.items()]
    signs = rational.of_kind("sign")
    insides = [sympy.numer(sympy.together(rational.generators[symbol].argument)) for symbol in signs]

    variables = [*states, *rational.generators, *inverses.values(), *logarithms]
    fractions = [sympy.fraction(sympy.together(entry)) for entry in derivatives]
    everything = [*(part for pair in fractions for part in pair), *relations, *insides]
    free = set().union(*(part.free_symbols for part in everything)) - set(variables)
    coefficients = sorted(free, key=str)
    domain = sympy.QQ.frac_field(*coefficients) if coefficients else sympy.QQ
    ring = PolyRing(variables, domain, sympy.grlex)
    pairs = [(_element(ring, numerator), _element(ring, denominator)) for numerator, denominator in fractions]
    common = ring.one
    for _, denominator in pairs:
        common = common.lcm(denominator)
    basis = groebner([_element(ring, equation) for equation in relations], ring) if relations else []
    numerators = (numerator * common.exquo(denominator) for numerator, denominator in pairs)
    meanings = {symbol: item.meaning for symbol, item in rational.generators.items()} | rational.constants
    meanings |= {symbol: sympy.log(sympy.Abs(inside)) for symbol, (inside, _) in logarithms.items()}
    meanings |= {inverse: 1 / rational.generators[symbol].meaning for symbol, inverse in inverses.items()}
    return PolynomialField(
        ring,
        tuple(variables.index(symbol) for symbol in moving),
        tuple(numerator.rem(basis) if basis else numerator for numerator in numerators),
        common.rem(basis) if basis else common,
        {**{key: value.xreplace(back) for key, value in meanings.items()}, **back},
        basis,
        {variables.index(s): _element(ring, inside) for s, inside in zip(signs, insides, strict=True)},
        tuple(variables.index(symbol) for symbol in inverses.values()),
        tuple(variables.index(symbol) for symbol in logarithms),
        doubt(rational),
    )


def _logarithms(
    rational: Rationaliser, states: list[sympy.Symbol], velocity: list[sympy.Expr]
) -> dict[sympy.Symbol, tuple[sympy.Expr, sympy.Expr]]:
    """Logarithms whose rates need no denominators but those of the velocity: symbol → inside, rate.

    Of states that vanish with their velocity, as in Lotka and Volterra's equations, and of what velocities are divided
    by, as the potential of the force 1/r. Of rational fields only: others have variables enough.
    """
    if rational.generators:
        return {}
    bottom = sympy.lcm_list([sympy.denom(sympy.together(entry)) for entry in velocity])
    below = [factor for factor, _ in sympy.factor_list(bottom)[1] if factor.free_symbols & set(states)]
    found = {}
    for inside in [*states, *below]:
        rate = sympy.cancel(sum(inside.diff(x) * v for x, v in zip(states, velocity, strict=True)) / inside)
        if sympy.rem(bottom, sympy.denom(rate), *states) == 0:
            found[sympy.Dummy(real=True)] = inside, rate
    return found


def _element(ring: PolyRing, expr: sympy.Expr) -> PolyElement:
    return ring.from_dict(dict(sympy.Poly(expr, *ring.symbols, domain=ring.domain).rep.to_dict()))
