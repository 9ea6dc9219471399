"""What may stand in an expression that was typed: finite real numbers, bounded exponents, known functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import sympy
from sympy import Add, Expr, Integer, Mul, Pow, Rational, S

from dynsim.symbolic.expectation import Average
from dynsim.symbolic.functions import CLASSES, HYPERBOLIC
from dynsim.symbolic.grammar import refuse

__all__ = ["Inspector", "Splitting", "check_exponent", "check_number"]

EXPONENT = 64
HEIGHT = 100  # what SymPy prints and differentiates within Python's default stack
NUMBER_BITS = 1023  # so that numerator and denominator both lie within double range
CONSTANT_PARTS = 48
ALL_CONSTANT_PARTS = 512
COST = 4096  # four for every pair of arguments that max or min compares
_ENOUGH = 1_000_000  # no need to know how much more

_NODES = (sympy.Symbol, type(S.Pi), type(S.Exp1), Add, Mul, Pow, Average, *CLASSES)
_NOT_FINITE = (S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity)


def check_exponent(exponent: Rational | float, position: int) -> None:
    """Refuse a constant exponent that is too large."""
    if abs(exponent) > EXPONENT:
        raise refuse(position, "a larger exponent", f"constant exponents of at most {EXPONENT}")


def check_number(number: Rational, position: int) -> None:
    """Refuse an exact number that has grown out of the range of doubles."""
    if max(number.p.bit_length(), number.q.bit_length()) > NUMBER_BITS:
        raise refuse(position, "a longer number", f"numerators and denominators below 2^{NUMBER_BITS}")


@dataclass(frozen=True)
class _Facts:
    """What is known of an inspected expression.

    Its value in double precision and how many parts it has, if it is a constant; how high its tree is.
    """

    value: float | None
    parts: int
    height: int


class Inspector:
    """Inspects every expression once, remembers what it found, and keeps the accounts of one text."""

    def __init__(self) -> None:
        self._facts: dict[Expr, _Facts] = {}
        self._constant_parts = 0
        self._cost = 0
        self._splitting = Splitting()

    def value(self, expression: Expr) -> float | None:
        """Value in double precision of an inspected constant, None for anything else."""
        return self._facts[expression].value

    def check_exponent(self, exponent: Expr, position: int) -> None:
        """Refuse an admitted exponent that is too large, or whose constant term is; x^(n + 1) is fine."""
        value = self._facts[exponent].value
        check_exponent(exponent.as_coeff_Add()[0] if value is None else value, position)

    def admit(self, expression: Expr, position: int, value: float | None = None) -> Expr:
        """Return the expression if all of it may stand, `value` being what is already known of its value.

        Raises
        ------
        ParseError
            It is not finite, not real, too large, or beyond what the functions of the list can express.
        """
        if expression in self._facts:
            return expression
        if isinstance(expression, Rational):
            check_number(expression, position)
            self._facts[expression] = _Facts(expression.p / expression.q, 1, 0)
            return expression
        if expression in _NOT_FINITE:
            raise refuse(position, "a result that is not finite", "a finite real value")
        if not isinstance(expression, _NODES):
            raise refuse(position, f"what SymPy makes {expression.func.__name__} of", "a real expression")
        arguments = [self._facts[self.admit(argument, position)] for argument in expression.args]
        if isinstance(expression, Pow):
            self.check_exponent(expression.exp, position)
        if not expression.is_Symbol and value is None and all(a.value is not None for a in arguments):
            value = _evaluated(expression, position)
        parts = 0 if value is None else 1 + sum(argument.parts for argument in arguments)
        height = 1 + max((argument.height for argument in arguments), default=-1)
        if height > HEIGHT:
            raise refuse(position, "a deeper expression", f"at most {HEIGHT} operations inside one another")
        self._facts[expression] = _Facts(value, parts, height)
        return expression

    def spend_on_constant(self, arguments: Sequence[Expr], position: int) -> None:
        """Account for a constant about to be made; SymPy's tests of its sign and of its being zero cost time.

        Exact rational numbers are free.
        """
        parts = sum(self._facts[a].parts for a in arguments if not isinstance(a, Rational))
        self._constant_parts += parts
        if parts > CONSTANT_PARTS or self._constant_parts > ALL_CONSTANT_PARTS:
            raise refuse(
                position,
                "more parts in constants that are no fractions",
                f"at most {CONSTANT_PARTS} in one and {ALL_CONSTANT_PARTS} in all",
                "give it a name and set its value as a parameter",
            )

    def spend_on_power(self, base: Expr, exponent: Expr, position: int) -> None:
        """Account for a power of a power about to be made; (b^2)^x is b^(2*x) only if b is not negative."""
        inner = self._facts[base.exp].value if isinstance(base, Pow) else None
        if inner is not None and abs(inner) >= 1 and not exponent.is_Integer:
            self._spend(self._splitting.cost(base.base), position, "more, and more elaborate, powers of powers")

    def spend_on_hyperbolic(self, argument: Expr, position: int) -> None:
        """Account for a hyperbolic function about to be applied."""
        found = "more, and more elaborate, arguments of sinh, cosh and tanh"
        self._spend(self._splitting.cost(argument), position, found)

    def spend_on_comparisons(self, count: int, position: int) -> None:
        """Account for arguments about to be compared with each other, as max and min do."""
        self._spend(2 * count * (count - 1), position, "more, and longer, max and min")

    def _spend(self, cost: int, position: int, found: str) -> None:
        self._cost += cost
        if self._cost > COST:
            raise refuse(position, found, "a shorter expression", "give a part of it a name")


def _evaluated(expression: Expr, position: int) -> float:
    try:
        value = float(expression.evalf(15))
    except (ArithmeticError, TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise refuse(position, "a constant without a finite real value", "a finite real value")
    return value


class Splitting:
    """Estimates what it costs SymPy to split an argument into its real and imaginary part; remembers every part.

    SymPy does so for sinh, cosh and tanh whenever it wonders whether they are real or positive, and for the base of a
    power of a power, because nothing is assumed of the symbols: powers and products are multiplied out, and every
    hyperbolic function directly inside another doubles what there is to split.
    """

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
            return math.comb(max(inner[0], 2) + power - 1, power)  # even one symbol has two parts
        if isinstance(expression, Mul | Pow):
            return math.prod(inner)
        doubled = not isinstance(expression, (Add, *HYPERBOLIC))
        return sum(inner) * (1 + doubled)
