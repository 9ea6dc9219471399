"""Expressions as rational functions of the states and of generators, with the identities that generators obey.

What is not rational in the states becomes a variable of its own, a *generator*, with its rate of change and, where it
is algebraic, its equation:

    radicals       g = b^(1/q), or b^(−1/q) where the flow divides by it:   g^q = b,  g^q·b = 1
    kinks          |u| = s·u, max, min, Heaviside, with s = sign u:         s² = 1,  s' = 0 away from u = 0
    trigonometric  S = sin u, C = cos u:                                    S² + C² = 1
    exponentials, logarithms, powers with a symbolic exponent:              none

Whether these are all the identities there are is decided in `independence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, lcm
from typing import Any, Literal

import sympy
from sympy.functions.elementary.hyperbolic import HyperbolicFunction
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from dynsim.symbolic.functions import logcosh, logsumexp, sigmoid, softplus

__all__ = ["Generator", "Rationaliser"]

Kind = Literal["root", "sign", "sine", "cosine", "exponential", "logarithm", "unknown"]

_ELEMENTARY = (HyperbolicFunction, sigmoid, softplus, logcosh, logsumexp)
_KINKS = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min)
_EXPANDED = 12  # multiples of an angle that are written in its sine and cosine


@dataclass(frozen=True)
class Generator:
    """One generator.

    Attributes
    ----------
    kind : str
    meaning : Expr
        What it stands for, in the states.
    argument : Expr
        Base, exponent or argument, rational in states and earlier generators.
    power : Rational
        Of a root: g = argument^power.
    """

    kind: Kind
    meaning: sympy.Expr
    argument: sympy.Expr
    power: sympy.Rational = sympy.S.One

    def equation(self, symbol: sympy.Symbol, of: dict[sympy.Symbol, Generator]) -> sympy.Expr | None:
        """Polynomial that vanishes, if the generator is algebraic."""
        if self.kind == "sign":
            return symbol**2 - 1
        if self.kind == "sine":
            cosine = next(s for s, g in of.items() if g.kind == "cosine" and g.argument == self.argument)
            return symbol**2 + cosine**2 - 1
        if self.kind == "root":
            above, below = sympy.fraction(sympy.together(self.argument))
            q = self.power.q
            return symbol**q * above - below if self.power < 0 else symbol**q * below - above
        return None


class Rationaliser:
    """Rewrite expressions as rational functions of the states, of generators and of constants.

    Parameters
    ----------
    states : list of Symbol
        Real symbols.

    Attributes
    ----------
    generators : dict
        ``{symbol: Generator}``, each after those that it depends on.
    constants : dict
        ``{symbol: expression}`` without states that is not rational in the parameters.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> rational = Rationaliser([x])
    >>> rational(sympy.exp(2 * x) + sympy.exp(-x)).subs(dict.fromkeys(rational.generators, 2))
    9/2
    >>> (sign,) = set(rational(abs(x)).free_symbols) - {x}
    >>> rational.generators[sign].kind
    'sign'
    """

    def __init__(self, states: list[sympy.Symbol]) -> None:
        self.states = set(states)
        self.generators: dict[sympy.Symbol, Generator] = {}
        self.constants: dict[sympy.Symbol, sympy.Expr] = {}
        self._known: dict[Any, sympy.Symbol] = {}
        self._units: dict[Any, sympy.Rational] = {}
        self._divided: set[Any] = set()

    def __call__(self, expr: sympy.Expr) -> sympy.Expr:
        """Return the rewritten expression; new generators and constants are added as they appear."""
        return self.all([expr])[0]

    def all(self, exprs: list[sympy.Expr]) -> list[sympy.Expr]:
        """Rewrite several expressions that share their generators."""
        plain = [self._prepared(expr) for expr in exprs]
        for expr in plain:
            self._survey(expr)
        return [self._rewritten(expr) for expr in plain]

    def relations(self) -> list[sympy.Expr]:
        """Polynomials in states and generators that vanish."""
        found = (item.equation(symbol, self.generators) for symbol, item in self.generators.items())
        return [equation for equation in found if equation is not None]

    def of_kind(self, *kinds: Kind) -> list[sympy.Symbol]:
        """Generators of some kinds."""
        return [symbol for symbol, item in self.generators.items() if item.kind in kinds]

    def rates(self, velocity: dict[sympy.Symbol, sympy.Expr]) -> dict[sympy.Symbol, sympy.Expr]:
        """Rate of change of every generator, given that of the states; unknown ones are left out."""
        known = dict(velocity)
        for symbol, item in list(self.generators.items()):
            rate = self._rate(symbol, item, known)
            if rate is not None:
                known[symbol] = rate
        return {symbol: rate for symbol, rate in known.items() if symbol in self.generators}

    def _rate(self, symbol: sympy.Symbol, item: Generator, known: dict[sympy.Symbol, sympy.Expr]) -> Any:
        if item.kind == "sign":
            return sympy.S.Zero
        inside = item.argument.free_symbols & (self.states | set(self.generators))
        if not inside <= set(known):
            return None
        speed = sympy.Add(*(item.argument.diff(part) * known[part] for part in inside))
        if item.kind == "root":
            return item.power * symbol * speed / item.argument
        if item.kind == "exponential":
            return symbol * speed
        if item.kind == "logarithm":
            return speed / item.argument
        if item.kind in ("sine", "cosine"):
            other = "cosine" if item.kind == "sine" else "sine"
            partner = next(s for s, g in self.generators.items() if g.kind == other and g.argument == item.argument)
            return (partner if item.kind == "sine" else -partner) * speed
        return None

    def _prepared(self, expr: sympy.Expr) -> sympy.Expr:
        expr = expr.xreplace({number: sympy.Rational(str(number)) for number in expr.atoms(sympy.Float)})
        expr = expr.replace(lambda node: isinstance(node, _ELEMENTARY), lambda node: node.rewrite(sympy.exp))
        return expr.replace(
            lambda node: isinstance(node, TrigonometricFunction) and not isinstance(node, sympy.sin | sympy.cos),
            lambda node: node.rewrite(sympy.cos) if isinstance(node, sympy.sec) else _by_sine(node),
        )

    def _survey(self, expr: sympy.Expr) -> None:
        """See which powers of what occur, so that each is a whole power of one generator."""
        for node in expr.atoms(sympy.Pow, sympy.exp):
            base, exponent = node.as_base_exp()
            for term in sympy.Add.make_args(sympy.expand(exponent)):
                coefficient, rest = term.as_coeff_Mul()
                if coefficient.is_Rational:
                    self._unit(
                        (base, rest), coefficient if rest != 1 or base == sympy.E else sympy.Rational(1, coefficient.q)
                    )
                    if rest == 1 and coefficient < 0 and coefficient.q > 1:
                        self._divided.add(base)
        for node in expr.atoms(sympy.sin, sympy.cos):
            for term in sympy.Add.make_args(sympy.expand(node.args[0])):
                coefficient, rest = term.as_coeff_Mul()
                self._unit(("angle", rest), coefficient)

    def _unit(self, key: Any, coefficient: Any) -> None:
        """The largest number of which every coefficient is a whole multiple."""
        coefficient, before = sympy.Rational(abs(coefficient)), self._units.get(key, sympy.S.Zero)
        p, q = int(before.p), int(before.q)
        a, b = int(coefficient.p), int(coefficient.q)
        self._units[key] = sympy.Rational(gcd(p * (lcm(q, b) // q), a * (lcm(q, b) // b)), lcm(q, b))

    def _rewritten(self, expr: sympy.Expr) -> sympy.Expr:
        if expr.is_Symbol or expr.is_Rational:
            return expr
        if expr.is_Add or expr.is_Mul:
            return expr.func(*(self._rewritten(part) for part in expr.args))
        if isinstance(expr, sympy.Pow | sympy.exp):
            base, exponent = expr.as_base_exp()
            terms = sympy.Add.make_args(sympy.expand(exponent))
            return sympy.Mul(*(self._power(base, *term.as_coeff_Mul()) for term in terms))
        if isinstance(expr, _KINKS):
            return self._kinked(expr)
        if isinstance(expr, sympy.sin | sympy.cos):
            return self._turned(expr)
        if isinstance(expr, sympy.log) and self._moves(expr):
            return self._named(expr, "logarithm", self._rewritten(expr.args[0]))
        return self._named(expr, "unknown")

    def _moves(self, expr: sympy.Expr) -> bool:
        return bool(expr.free_symbols & self.states)

    def _power(self, base: sympy.Expr, coefficient: sympy.Expr, rest: sympy.Expr) -> sympy.Expr:
        """``base ** (coefficient·rest)`` as an integer power of a generator."""
        if rest == 1 and coefficient.is_Integer and base != sympy.E:
            return self._rewritten(base) ** coefficient
        if not coefficient.is_Rational:
            coefficient, rest = sympy.S.One, coefficient * rest
        unit = self._units.get((base, rest)) or abs(coefficient)
        if rest == 1 and base != sympy.E:
            return self._root(base, unit, coefficient)
        whole = coefficient / unit
        if not whole.is_Integer:  # in a power that appeared during rewriting
            unit, whole = abs(coefficient), sympy.sign(coefficient)
        exponent = unit * rest
        if base != sympy.E and self._moves(base):
            exponent = exponent * sympy.log(base)
        elif base != sympy.E:
            exponent = exponent * sympy.log(base) if self._moves(rest) else exponent
        if not self._moves(exponent):
            return self._named(base ** (unit * rest), "unknown") ** whole
        return self._named(base ** (unit * rest), "exponential", self._exponent(base, unit * rest)) ** whole

    def _exponent(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        """Ln of base^exponent, in which a logarithm is a generator of its own."""
        if base == sympy.E:
            return self._rewritten(exponent)
        logarithm = sympy.log(base)
        return self._rewritten(exponent) * (
            self._named(logarithm, "logarithm", self._rewritten(base))
            if self._moves(base)
            else self._named(logarithm, "unknown")
        )

    def _root(self, base: sympy.Expr, unit: sympy.Rational, coefficient: sympy.Rational) -> sympy.Expr:
        if not self._moves(base):
            return self._named(base**unit, "unknown") ** (coefficient / unit)
        q = unit.q
        outside = sympy.S.One
        if q == 2:
            base, outside = _square_free(base)
            if outside != 1:
                outside = self._kinked(sympy.Abs(outside)) ** (2 * coefficient)
        inside = self._rewritten(base)
        if not inside.free_symbols & (self.states | set(self.generators)):
            return outside * self._named(base**coefficient, "unknown")
        whole = int(coefficient * q)
        if base in self._divided:
            root = self._named(base ** sympy.Rational(-1, q), "root", inside, sympy.Rational(-1, q))
            turns, power = divmod(-whole, q)
            return outside * root**power * inside ** (-turns)
        root = self._named(base ** sympy.Rational(1, q), "root", inside, sympy.Rational(1, q))
        turns, power = divmod(whole, q)
        return outside * root**power * inside**turns

    def _kinked(self, expr: sympy.Expr) -> sympy.Expr:
        if isinstance(expr, sympy.Max | sympy.Min):
            first, *others = expr.args
            second = expr.func(*others) if len(others) > 1 else others[0]
            side = 1 if isinstance(expr, sympy.Max) else -1
            a, b = self._rewritten(first), self._rewritten(second)
            return (a + b + side * (a - b) * self._sign(first - second)) / 2
        sign = self._sign(expr.args[0])
        if isinstance(expr, sympy.Abs):
            return sign * self._rewritten(expr.args[0])
        return (1 + sign) / 2 if isinstance(expr, sympy.Heaviside) else sign

    def _sign(self, expr: sympy.Expr) -> sympy.Expr:
        """Sign of an expression, as a product over its factors."""
        found = sympy.S.One
        above, below = sympy.fraction(sympy.together(expr))
        for factor in sympy.Mul.make_args(sympy.factor(above * below)):
            base, exponent = factor.as_base_exp()
            if base == sympy.E or base.is_positive or (exponent.is_Integer and exponent % 2 == 0):
                continue
            if base.is_Rational:
                found *= sympy.sign(base)
                continue
            if not exponent.is_Integer:
                base, exponent = factor, sympy.S.One
            if base.could_extract_minus_sign():
                base, found = -base, -found
            found *= self._named(sympy.sign(base), "sign", self._rewritten(base))
        return found

    def _turned(self, expr: sympy.Expr) -> sympy.Expr:
        """Sine and cosine of sums and multiples by those of the parts."""
        terms = sympy.Add.make_args(sympy.expand(expr.args[0]))
        sine, cosine = sympy.S.Zero, sympy.S.One
        for term in terms:
            s, c = self._angle(*term.as_coeff_Mul())
            sine, cosine = sine * c + cosine * s, cosine * c - sine * s
        return sympy.expand(sine if isinstance(expr, sympy.sin) else cosine)

    def _angle(self, coefficient: sympy.Expr, rest: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        if not self._moves(rest):
            return tuple(self._named(f(coefficient * rest), "unknown") for f in (sympy.sin, sympy.cos))
        unit = self._units.get(("angle", rest)) or abs(coefficient)
        whole = coefficient / unit
        if not whole.is_Integer or abs(whole) > _EXPANDED:
            unit, whole = abs(coefficient), sympy.sign(coefficient)
        argument = self._rewritten(unit * rest)
        S = self._named(sympy.sin(unit * rest), "sine", argument)
        C = self._named(sympy.cos(unit * rest), "cosine", argument)
        sine, cosine = sympy.S.Zero, sympy.S.One
        for _ in range(abs(int(whole))):
            sine, cosine = sympy.expand(sine * C + cosine * S), sympy.expand(cosine * C - sine * S)
        return (sine if whole > 0 else -sine), cosine

    def _named(
        self, expr: sympy.Expr, kind: Kind, argument: Any = None, power: sympy.Rational = sympy.S.One
    ) -> sympy.Symbol:
        if expr.is_Rational:
            return expr
        key = (expr, kind == "root" and power)
        if key not in self._known:
            depends = self._moves(expr) or (kind == "sign")
            symbol = sympy.Dummy(f"{'g' if depends else 'c'}{len(self._known)}", real=True)
            self._known[key] = symbol
            if depends:
                self.generators[symbol] = Generator(kind, expr, expr if argument is None else argument, power)
            else:
                self.constants[symbol] = expr
        return self._known[key]


def _by_sine(node: sympy.Expr) -> sympy.Expr:
    sine, cosine = sympy.sin(node.args[0]), sympy.cos(node.args[0])
    known = {sympy.tan: sine / cosine, sympy.cot: cosine / sine, sympy.csc: 1 / sine}
    return known.get(node.func, node)


def _square_free(base: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Base and factor with √(before) = |factor|·√base."""
    try:
        number, factors = sympy.factor_list(base)
    except sympy.PolynomialError:
        return base, sympy.S.One
    if all(count < 2 for _, count in factors):
        return base, sympy.S.One
    outside = sympy.Mul(*(factor ** (count // 2) for factor, count in factors))
    return number * sympy.Mul(*(factor for factor, count in factors if count % 2)), outside
