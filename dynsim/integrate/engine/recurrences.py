"""Recurrences for the Taylor coefficients of sums, products, quotients, powers and functions of series.

A function with a known derivative, f(u)' = w·u', has n·fₙ = Σ wⱼ (n − j) uₙ₋ⱼ over j < n, where w is made of other
series, or of f itself (Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section I.8;
Jorba & Zou, Experimental Mathematics 14, 2005, 99).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from dynsim.integrate.engine.functions import FUNCTIONS, power
from dynsim.integrate.engine.lanes import Lanes

__all__ = [
    "Emission",
    "FunctionSeries",
    "PowerSeries",
    "ProductSeries",
    "QuotientSeries",
    "Series",
    "StateSeries",
    "SumSeries",
    "Term",
    "TimeSeries",
]


class Series:
    """A series; `coefficient` of order n is asked for after those of lower orders, and 0 is None."""

    convolutions = 0.0  # sums over products of coefficients, half a one where each product comes twice

    def coefficient(self, e: Emission, n: int) -> Any:
        """Coefficient of order n, from what is known of others."""
        raise NotImplementedError

    def slope(self, e: Emission, n: int) -> Any:
        """The coefficient of order n > 0, times n."""
        value = e(self, n)
        return None if value is None else e.v.scale(value, n)


Term = tuple[sympy.Expr, Series]
"""A factor, which only parameters enter, and a series."""


class StateSeries(Series):
    """A state: known at the beginning of the step; then n times its coefficient is put in from outside."""

    def coefficient(self, e: Emission, n: int) -> Any:
        """One n-th of the slope."""
        slope = e.slope(self, n)
        return None if slope is None else e.v.scale(slope, 1 / n)

    def slope(self, e: Emission, n: int) -> Any:
        """Put in by whoever knows the velocity."""
        raise AssertionError("a slope is asked for before its time")


class TimeSeries(Series):
    """The time, counted in `Emission.unit` from the beginning of the step."""

    def coefficient(self, e: Emission, n: int) -> Any:
        """0 beyond the first."""
        return e.unit if n == 1 else None


class SumSeries(Series):
    """Constant + Σ factor·series."""

    def __init__(self, constant: sympy.Expr, terms: Sequence[Term]) -> None:
        self.constant, self.terms = constant, terms
        self.plain: bool = all(
            isinstance(node, StateSeries) or (isinstance(node, SumSeries) and node.plain) for _, node in terms
        )

    def coefficient(self, e: Emission, n: int) -> Any:
        """Term by term."""
        constant = None if n or self.constant == 0 else e.constant(self.constant)
        return e.sum(((factor, e(node, n)) for factor, node in self.terms), constant)

    def slope(self, e: Emission, n: int) -> Any:
        """Term by term where those of all terms are at hand."""
        if self.plain:
            return e.sum((factor, e.slope(node, n)) for factor, node in self.terms)
        return super().slope(e, n)


class ProductSeries(Series):
    """Product of two series."""

    def __init__(self, a: Series, b: Series) -> None:
        self.a, self.b = a, b
        self.convolutions = 0.5 if a is b else 1.0

    def coefficient(self, e: Emission, n: int) -> Any:
        """Σ aⱼ·bₙ₋ⱼ; of a square one half of it."""
        if self.a is self.b:
            half = e.products(self.a, self.b, n, [*range(1, (n + 1) // 2), *([0] if n else [])])
            double = None if half is None else e.v.add(half, half)
            return double if n % 2 else e.products(self.a, self.b, n, [n // 2], double)
        return e.products(self.a, self.b, n, [*range(1, n), 0, *([n] if n else [])])


class QuotientSeries(Series):
    """One series over another, or one over it."""

    convolutions = 1.0

    def __init__(self, a: Series | None, b: Series) -> None:
        self.a, self.b = a, b

    def coefficient(self, e: Emission, n: int) -> Any:
        """What is left of aₙ when Σ bₙ₋ⱼ·qⱼ over j < n is taken off, over b₀."""
        v = e.v
        above = e(self.a, n) if self.a is not None else None if n else v.const(1.0)
        if n == 0:
            e.inverse[self] = v.div(v.const(1.0), e(self.b, 0))
            return e.inverse[self] if self.a is None else v.div(above, e(self.b, 0))
        rest = e.products(self, self.b, n, [*range(1, n), 0])
        if rest is None:
            return None if above is None else v.mul(above, e.inverse[self])
        return v.mul(v.neg(rest) if above is None else v.sub(above, rest), e.inverse[self])


class PowerSeries(Series):
    """u to a constant power p, from u·y' = p·u'·y."""

    convolutions = 1.0

    def __init__(self, u: Series, exponent: sympy.Rational) -> None:
        self.u, self.exponent = u, exponent

    def coefficient(self, e: Emission, n: int) -> Any:
        """Σ (p·(n − j) − j)·uₙ₋ⱼ·yⱼ over j < n, over n·u₀."""
        v = e.v
        if n == 0:
            u = e(self.u, 0)
            e.inverse[self] = v.div(v.const(1.0), u)
            if self.exponent.q == 2:
                return power(v, v.sqrt(u), int(self.exponent.p))
            return v.library("pow", u, v.const(float(self.exponent)))
        total = None
        for j in (*range(1, n), 0):
            mine, u, factor = e(self, j), e(self.u, n - j), float(self.exponent * (n - j) - j) / n
            if mine is not None and u is not None and factor:
                total = e.plus(total, v.mul(v.scale(mine, factor), u))
        return None if total is None else v.mul(total, e.inverse[self])


class FunctionSeries(Series):
    """f(c·u) with f' = w: n·fₙ = c Σ wⱼ (n − j) uₙ₋ⱼ."""

    convolutions = 1.0

    def __init__(self, name: str, factor: sympy.Expr, u: Series) -> None:
        self.name, self.factor, self.u = name, factor, u
        self.derivative: Term  # put in after it has been made: this node may be part of it

    def coefficient(self, e: Emission, n: int) -> Any:
        """The sum, of which the function itself is only evaluated at order 0."""
        v = e.v
        if n == 0:
            u = e.scaled(self.factor, e(self.u, 0))
            return e.heads[self] if self in e.heads else FUNCTIONS[self.name](v, u)
        factor, w = self.derivative
        total = None
        for j in (*range(1, n), 0):
            rate, slope = e(w, j), e.slope(self.u, n - j)
            if rate is not None and slope is not None:
                total = e.plus(total, v.mul(rate, slope))
        return None if total is None else e.scaled(factor * self.factor / n, total)


class Emission:
    """One emission of coefficients, each when it is first asked for."""

    def __init__(self, v: Lanes, unit: Any, constants: dict[sympy.Expr, Any], heads: dict[Series, Any]) -> None:
        self.v, self.unit, self.constants, self.heads = v, unit, constants, heads
        self.coefficients: dict[tuple[Series, int], Any] = {}
        self.slopes: dict[tuple[Series, int], Any] = {}
        self.inverse: dict[Series, Any] = {}

    def __call__(self, node: Series, n: int) -> Any:
        """Coefficient of a series."""
        if (node, n) not in self.coefficients:
            self.coefficients[node, n] = node.coefficient(self, n)
        return self.coefficients[node, n]

    def slope(self, node: Series, n: int) -> Any:
        """The same times n."""
        if (node, n) not in self.slopes:
            self.slopes[node, n] = node.slope(self, n)
        return self.slopes[node, n]

    def constant(self, expression: sympy.Expr) -> Any:
        """Vector of an expression of parameters."""
        if expression.is_number:
            return self.v.const(float(expression))
        number, rest = expression.as_coeff_Mul()
        return self.constants[expression] if number == 1 else self.v.scale(self.constants[rest], float(number))

    def scaled(self, factor: sympy.Expr, value: Any) -> Any:
        """A factor times a value."""
        if factor == 1:
            return value
        return self.v.neg(value) if factor == -1 else self.v.mul(self.constant(factor), value)

    def plus(self, total: Any, term: Any) -> Any:
        """Sum of two of which either may vanish."""
        if total is None or term is None:
            return term if total is None else total
        return self.v.add(total, term)

    def sum(self, terms: Iterable[tuple[sympy.Expr, Any]], total: Any = None) -> Any:
        """Σ factor·value, from the first to the last."""
        for factor, value in terms:
            if value is None:
                continue
            if factor == -1 and total is not None:
                total = self.v.sub(total, value)
            else:
                total = self.plus(total, self.scaled(factor, value))
        return total

    def products(self, a: Series, b: Series, n: int, orders: Iterable[int], total: Any = None) -> Any:
        """Σ aⱼ·bₙ₋ⱼ; what was known first comes first."""
        for j in orders:
            one, other = self(a, j), self(b, n - j)
            if one is not None and other is not None:
                total = self.plus(total, self.v.mul(one, other))
        return total
