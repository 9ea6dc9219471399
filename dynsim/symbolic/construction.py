"""From a tree to a SymPy expression, refusing what is not a finite real number and what would grow without bound.

SymPy evaluates while it builds: ``10**10**10`` would fill the memory before anyone could look at it. So whatever can
be told beforehand is. A constant is worked out in double precision first (1/0, log(0), sqrt(-1) and exp(exp(exp(9)))
end there), exponents are bounded, and sums and products of exact numbers are watched while they grow.
What SymPy returns is inspected once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import sympy
from sympy import Add, Expr, Mul, Pow, Rational, S

from dynsim.symbolic.compositions import COMPOSITIONS
from dynsim.symbolic.functions import FUNCTIONS, HYPERBOLIC
from dynsim.symbolic.grammar import Call, Name, Node, Number, Power, Product, Sum
from dynsim.symbolic.inspection import Inspector, check_exponent, check_number
from dynsim.symbolic.tokens import refuse

__all__ = ["construct"]


def construct(node: Node) -> Expr:
    """Build the expression that a tree stands for.

    Raises
    ------
    ParseError
        At the part that has no finite real value or exceeds a limit.
    """
    return _Construction().build(node)


class _Construction:
    """One pass over a tree, leaves first."""

    def __init__(self) -> None:
        self.inspector = Inspector()

    def build(self, node: Node) -> Expr:
        position = node.position
        if isinstance(node, Number):
            return self.inspector.admit(Rational(node.literal), position)
        if isinstance(node, Name):
            if node.name == "pi":
                return self.inspector.admit(S.Pi, position, math.pi)
            return self.inspector.admit(sympy.Symbol(node.name), position)
        if isinstance(node, Sum):
            terms = list(map(self.build, node.terms))  # no comprehensions: they cost a stack frame per level
            _watch_sum(terms, position)
            return self.apply("this sum", position, Add, lambda *values: math.fsum(values), terms)
        if isinstance(node, Product):
            factors = list(map(self.factor, node.factors))
            _watch_product(factors, position)
            return self.apply("this product", position, Mul, lambda *values: math.prod(values), factors)
        if isinstance(node, Power):
            return self.power(self.build(node.base), self.build(node.exponent), position)
        if node.function in COMPOSITIONS:
            _count(node, 1, 1)
            return self.build(COMPOSITIONS[node.function](position, *node.arguments))
        return self.call(node, list(map(self.build, node.arguments)))

    def factor(self, part: tuple[Node, bool, int]) -> Expr:
        node, divides, position = part
        factor = self.build(node)
        return self.power(factor, self.inspector.admit(S.NegativeOne, position), position) if divides else factor

    def power(self, base: Expr, exponent: Expr, position: int) -> Expr:
        self.inspector.check_exponent(exponent, position)
        self.inspector.spend_on_power(base, exponent, position)
        value = self.inspector.value(exponent)
        if base is S.Exp1:
            _watch_exponential(exponent, position)
        if value is not None and value < 0 and self.inspector.value(base) == 0:
            raise refuse(position, "a division by zero", "a divisor other than zero")
        return self.apply("this power", position, Pow, _power, [base, exponent])

    def call(self, node: Call, arguments: Sequence[Expr]) -> Expr:
        name, function = node.function, FUNCTIONS[node.function]
        _count(node, function.least, function.most)
        if function.build in HYPERBOLIC:
            self.inspector.spend_on_hyperbolic(arguments[0], node.position)
        self.inspector.spend_on_comparisons(len(arguments), node.position)
        _watch_exponential(arguments[0], node.position)
        return self.apply(f"this {name}", node.position, function.build, function.number, arguments)

    def apply(
        self,
        what: str,
        position: int,
        build: Callable[..., Expr],
        number: Callable[..., float],
        arguments: Sequence[Expr],
    ) -> Expr:
        """Combine admitted parts: as doubles first if all are constants, then exactly."""
        values = [self.inspector.value(argument) for argument in arguments]
        value = None
        if None not in values:
            try:
                value = number(*values)
            except (ArithmeticError, ValueError):
                value = math.nan
            if isinstance(value, complex) or not math.isfinite(value):
                raise refuse(position, f"{what} without a finite real value", "a finite real value")
            self.inspector.spend_on_constant(arguments, position)
        try:
            result = build(*arguments)
        except Exception as error:  # whatever SymPy stumbles over is a fact about the text
            raise refuse(position, f"{what} that SymPy cannot evaluate", "an expression it can") from error
        return self.inspector.admit(result, position, value)


def _power(base: float, exponent: float) -> float:
    result = base**exponent
    if base and not result:
        raise OverflowError("underflow: its inverse would be too large")
    return result


def _count(call: Call, least: int, most: int) -> None:
    """Check how many arguments a call has."""
    if not least <= len(call.arguments) <= most:
        expected = "1 argument" if most == 1 else f"{least} to {most} arguments"
        raise refuse(call.position, f"{call.function} with {len(call.arguments)}", expected)


def _watch_sum(terms: Sequence[Expr], position: int) -> None:
    """Add up the coefficients as SymPy is about to, and stop when one grows too long."""
    totals: dict[Expr, Rational] = {}
    for term in terms:
        for part in Add.make_args(term):
            coefficient, rest = part.as_coeff_Mul()
            totals[rest] = totals.get(rest, S.Zero) + coefficient
            check_number(totals[rest], position)


def _watch_product(factors: Sequence[Expr], position: int) -> None:
    """Multiply the coefficients, and the numbers under roots, as SymPy is about to."""
    coefficient, roots = S.One, S.One
    for factor in factors:
        for part in Mul.make_args(factor):
            if isinstance(part, Rational):
                coefficient *= part
                check_number(coefficient, position)
            elif isinstance(part, Pow) and isinstance(part.base, Rational):
                roots *= part.base
                check_number(roots, position)


def _watch_exponential(argument: Expr, position: int) -> None:
    """Check what becomes an exponent when exp(n*log(x)) turns into x^n."""
    for term in Add.make_args(argument):
        coefficient, rest = term.as_coeff_Mul()
        if rest.has(sympy.log):
            check_exponent(coefficient, position)
