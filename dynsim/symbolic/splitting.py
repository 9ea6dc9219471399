"""What it costs SymPy to split an argument into its real and imaginary part.

It does so for sinh, cosh and tanh whenever it wonders whether they are real or positive, and for the base of a power
of a power, because nothing is assumed of the symbols: powers and products are multiplied out, and every hyperbolic
function directly inside another doubles what there is to split.
"""

from __future__ import annotations

from math import comb, prod

from sympy import Add, Expr, Integer, Mul, Pow

from dynsim.symbolic.functions import HYPERBOLIC

__all__ = ["Splitting"]

_ENOUGH = 1_000_000  # no need to know how much more


class Splitting:
    """Estimates the cost of splitting, remembering every part it has seen."""

    def __init__(self) -> None:
        self._chain: dict[Expr, int] = {}
        self._terms: dict[Expr, int] = {}

    def cost(self, expression: Expr) -> int:
        """Estimate the cost of splitting `expression` once; 1 for a symbol."""
        return self.terms(expression) ** 2 * 8 ** self.chain(expression)

    def chain(self, expression: Expr) -> int:
        """How many hyperbolic functions are directly inside one another; a weight, a symbol as factor, ends it."""
        if expression not in self._chain:
            inner = max((self.chain(argument) for argument in expression.args), default=0)
            weighted = isinstance(expression, Mul) and any(factor.is_Symbol for factor in expression.args)
            self._chain[expression] = 0 if weighted else inner + isinstance(expression, HYPERBOLIC)
        return self._chain[expression]

    def terms(self, expression: Expr) -> int:
        """How many terms there would be with everything multiplied out."""
        if expression not in self._terms:
            inner = [self.terms(argument) for argument in expression.args]
            self._terms[expression] = min(_ENOUGH, self._combine(expression, inner))
        return self._terms[expression]

    def _combine(self, expression: Expr, inner: list[int]) -> int:
        if not inner:
            return 1
        if isinstance(expression, Pow) and isinstance(expression.exp, Integer):
            power = abs(int(expression.exp))
            return comb(max(inner[0], 2) + power - 1, power)  # even one symbol has two parts
        if isinstance(expression, Mul | Pow):
            return prod(inner)
        doubled = not isinstance(expression, (Add, *HYPERBOLIC))
        return sum(inner) * (1 + doubled)
