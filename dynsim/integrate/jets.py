"""Velocities and their derivatives as generators of a polynomial ring, for sums of elementary differentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import sympy
from sympy.polys.domains import QQ
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.symbolic.expressions import derivative

__all__ = ["Expressions", "Jets"]

Expressions = Mapping[str, sympy.Expr]


class Jets:
    """Fields, their derivatives and constants as generators of one polynomial ring, in which sums are quick.

    Polynomial fields are taken as polynomials in the states. Of any other field every derivative that is not zero is
    a generator of its own, so that nothing large is ever differentiated.

    Parameters
    ----------
    variables : sequence of Symbol
        What is differentiated by.
    families : mapping
        ``{family: {name: expression}}``.
    constants : mapping
        ``{Symbol: expression}``: what stands for something that no derivative sees.
    highest : int
        How often anything is differentiated at most.

    Attributes
    ----------
    ring : PolyRing
    families : dict
        The same as elements of the ring.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.integrate.jets import Jets
    >>> x = sympy.Symbol("x")
    >>> jets = Jets([x], {"f": {"x": sympy.sin(x)}}, {}, 2)
    >>> sine = jets.families["f"]["x"]
    >>> jets.expression(jets.slope(sine * sine, x))
    2*sin(x)*cos(x)
    """

    def __init__(
        self, variables: Sequence[sympy.Symbol], families: Mapping[str, Expressions], constants: Any, highest: int
    ) -> None:
        self.variables, self.values = tuple(variables), dict(constants)
        entries = [entry for family in families.values() for entry in family.values()]
        free = set().union(*(entry.free_symbols for entry in entries)) - {*self.variables, *self.values}
        plain_ones = all(entry.is_polynomial(*entry.free_symbols) and not entry.has(sympy.Float) for entry in entries)
        self._jets: dict[sympy.Expr, sympy.Symbol] = {}
        self.slopes: dict[tuple[sympy.Symbol, sympy.Symbol], sympy.Symbol] = {}
        lifted = families
        if not plain_ones:
            free = set()
            lifted = {
                key: {name: self._jet(entry, highest) for name, entry in family.items()}
                for key, family in families.items()
            }
        more = sorted(free, key=str) + [symbol for symbol in self.values if symbol not in free]
        self.ring = PolyRing((*self.variables, *more), QQ)
        self.families = {
            key: {name: self.ring.from_expr(entry) for name, entry in family.items()} for key, family in lifted.items()
        }

    def _jet(self, entry: sympy.Expr, highest: int) -> sympy.Expr:
        """Generators for an expression and its derivatives, by how often each variable was differentiated."""
        if entry == 0:
            return sympy.S.Zero
        if entry in self._jets:
            return self._jets[entry]
        table: dict[tuple[sympy.Symbol, ...], sympy.Symbol] = {(): sympy.Dummy("f")}
        self.values[table[()]] = entry
        for length in range(1, highest + 1):
            for index in combinations_with_replacement(self.variables, length):
                before = table.get(index[:-1])
                value = derivative(self.values[before], index[-1]) if before is not None else sympy.S.Zero
                if value != 0:
                    table[index] = sympy.Dummy("f")
                    self.values[table[index]] = value
        order = {variable: position for position, variable in enumerate(self.variables)}
        for index, symbol in table.items():
            for variable in self.variables:
                higher = table.get(tuple(sorted((*index, variable), key=order.__getitem__)))
                if higher is not None:
                    self.slopes[symbol, variable] = higher
        self._jets[entry] = table[()]
        return table[()]

    def slope(self, element: PolyElement, variable: sympy.Symbol) -> PolyElement:
        """Partial derivative."""
        total = element.diff(self.ring(variable))
        for (symbol, along), higher in self.slopes.items():
            if along == variable:
                part = element.diff(self.ring(symbol))
                total = total + part * self.ring(higher) if part else total
        return total

    def expression(self, element: PolyElement) -> sympy.Expr:
        """Return the element with every generator replaced by what it stands for."""
        leaves = [self.values.get(symbol, symbol) for symbol in self.ring.symbols]
        powers = cache(lambda place, power: leaves[place] ** power)
        terms = []  # every product is made once, of what is to stand in it: SymPy makes some hundred per second
        for exponents, number in element.items():
            factors = (powers(place, power) for place, power in enumerate(exponents) if power)
            terms.append(sympy.Mul(sympy.Rational(int(number.numerator), int(number.denominator)), *factors))
        return sympy.Add(*terms)
