"""From averages as they are written to closed forms, and to quadratures where there is none.

An expression in random symbols is first written as a sum of monomials in those symbols and in the functions of them
that are no polynomials. Each monomial falls into factors that share no random symbol, and each factor is averaged by
the first rule that fits:

1. powers of random symbols, by the moments of their distributions;
2. functions of discrete symbols, by summation;
3. powers times the exponential of a quadratic form in normal symbols, by completing the square;
4. powers times a kink (the positive part of an affine form in normal symbols, or a step), by its truncated moments;
5. anything else, as an `Expectation` over as few independent nodes as the functions have directions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product
from math import prod
from typing import Any, cast

import sympy
from sympy import Add, Expr, Mul, S, Symbol

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.distributions import Discrete, Distribution, Normal, Random, names_in
from dynsim.symbolic.expectation import Average, random_names
from dynsim.symbolic.expressions import expression as expression_of
from dynsim.symbolic.expressions import parts_of, with_parts
from dynsim.symbolic.functions import stop_gradient
from dynsim.symbolic.grammar import refuse
from dynsim.symbolic.kinks import Positive, Step, closed, opened, together, truncated_moment
from dynsim.symbolic.monomials import Monomial, affine, expanded, monomials, powers_of
from dynsim.symbolic.parser import Reading, read
from dynsim.symbolic.quadrature import Divergent, quadrature
from dynsim.symbolic.rules import Descend, Hold, Move, Rule, Track

__all__ = ["averaged", "expected", "rules_of"]

MOST_OUTCOMES = 4096


def averaged(expression: Expr, random: Random, states: Collection[str] = ()) -> Expr:
    """Take every average of an expression, and one over the random symbols left outside.

    Parameters
    ----------
    expression : Expr
        With `Average` and stop-gradients in it.
    random : dict
        As `read_random` returns it.
    states : collection of str
        Names of what is differentiated by: a stop-gradient around random symbols becomes one around these.

    Returns
    -------
    Expr
        Without random symbols; the same gradient in every state as the average of the gradients of the samples.

    Raises
    ------
    Divergent
        An average is infinite.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.averaging import averaged
    >>> from dynsim.symbolic.distributions import read_random
    >>> averaged(parse("E((w*x - sg(w*n))^2)/2"), read_random("x ~ normal(0, v), n ~ normal(0, s)"), ["w"])
    s*sg(w)**2/2 + v*w**2/2
    """
    names = names_in(random)
    stopped: dict[Symbol, Symbol] = {}

    def stop(inside: Expr) -> Expr:
        if not random_names(inside, names) and not inside.has(Average):
            return stop_gradient(inside)
        table = {s: stopped.setdefault(s, sympy.Dummy(s.name)) for s in inside.free_symbols if s.name in states}
        return inside.xreplace(table)

    plain = expression.replace(stop_gradient, stop)
    moving = {*states, *(dummy.name for dummy in stopped.values())}
    space = _Space(random, {s.name: s for s in plain.free_symbols}, moving)
    result = space.mean(space.resolve(plain), names)
    return result.xreplace({dummy: stop_gradient(symbol) for symbol, dummy in stopped.items()})


def expected(parts: Mapping[str, Any], random: Random, states: Collection[str]) -> dict[str, Expr]:
    """Read losses, rates, velocities, and average each over the random symbols in it.

    Parameters
    ----------
    parts : mapping
        ``{what it is called in an error: text, number or expression}``.
    random : dict
        As `read_random` returns it; every symbol of it must occur in one of the parts.
    states : collection of str

    Raises
    ------
    ParseError, InvalidValue
        A random symbol that occurs nowhere or is a state, a distribution that depends on a state, averages without
        random symbols, an average that does not exist: with the position where the part is text.
    """
    names = names_in(random)
    for name in names:
        if name in states:
            raise bad("random", name, "a symbol that is no state", f"'{name}' is a state: it moves, and is not drawn")
    for key, law in random.items():
        for symbol in sorted(law.free_symbols, key=str):
            if symbol.name in states:
                raise bad(f"random['{key}']", law, "a distribution that does not move", f"'{symbol}' is a state")
    readings = {}
    for argument, value in parts.items():
        readings[argument] = (
            read(value, names) if isinstance(value, str) else Reading(expression_of(argument, value), {})
        )
    known = {symbol.name for reading in readings.values() for symbol in reading.expression.free_symbols}
    for name in names:
        if name not in known:
            found = "is in no loss" if len(parts) > 1 else f"is not in {next(iter(parts), 'the loss')}"
            raise bad("random", name, "random symbols that occur", f"'{name}' is declared and {found}")
    return {argument: _expected(argument, parts[argument], readings[argument], random, states) for argument in parts}


def rules_of(rules: Mapping[str, Rule], random: Random) -> dict[str, Rule]:
    """Return the rules with every text and number in them as an expression, averaged over the random symbols."""
    for name, rule in rules.items():
        if not isinstance(rule, Descend | Track | Hold | Move):
            raise bad(f"rule of '{name}'", rule, "Descend, Track, Hold or Move", kind=InvalidType)
    parts = {f"{part} of '{name}'": v for name, rule in rules.items() for part, v in parts_of(rule).items()}
    found = expected(parts, random, tuple(rules))
    return {
        name: with_parts(rule, lambda part, _, name=name: found[f"{part} of '{name}'"])  # type: ignore[misc]
        for name, rule in rules.items()
    }


def _expected(argument: str, value: Any, reading: Reading, random: Random, states: Collection[str]) -> Expr:
    expression, positions = reading.expression, reading.positions
    if not random:
        formal = [part for part in sympy.preorder_traversal(expression) if isinstance(part, Average)]
        if formal:
            why = 'declare what is random: random="x ~ normal(0, 1)"'
            raise _at(
                positions, formal[0], argument, f"the average {formal[0]}", "random symbols to average over", why
            )
        return expression
    try:
        return averaged(expression, random, states)
    except Divergent as error:
        expected = "an average that exists"
        raise _at(positions, error.average, argument, f"E({error.expression})", expected, error.why) from None


def _at(positions: Mapping[Expr, int], part: Any, argument: str, found: str, expected: str, advice: str) -> Exception:
    if positions:
        return refuse(positions.get(part, 0), found, expected, advice)
    return bad(argument, found, expected, advice)


class _Space:
    """The random symbols and the rules by which they are averaged."""

    def __init__(self, random: Random, symbols: Mapping[str, Symbol], moving: Collection[str]) -> None:
        self.moving = frozenset(moving)
        self.groups = {key if isinstance(key, tuple) else (key,): value for key, value in random.items()}
        self.group_of = {name: group for group in self.groups for name in group}
        self.symbols = {name: symbols.get(name, Symbol(name)) for name in self.group_of}

    def law(self, symbol: Symbol) -> Distribution:
        return self.groups[self.group_of[symbol.name]]

    def resolve(self, expression: Expr) -> Expr:
        """Take the averages that are written, innermost first."""
        if isinstance(expression, Average):
            inside, *names = expression.args
            try:
                return self.mean(self.resolve(inside), [name.name for name in names] or list(self.group_of))
            except Divergent as error:
                error.average = expression if error.average is None else error.average
                raise
        if not expression.has(Average):
            return expression
        return expression.func(*map(self.resolve, expression.args))

    def random_in(self, expression: Expr, over: Collection[Symbol]) -> frozenset[Symbol]:
        return frozenset(expression.free_symbols) & frozenset(over)

    def mean(self, expression: Expr, names: Iterable[str]) -> Expr:
        """Average over the symbols of these names; the others stay as they are."""
        over = frozenset(self.symbols[name] for name in names)
        groups = {self.group_of[symbol.name] for symbol in self.random_in(expression, over)}
        whole = {self.symbols[name] for group in groups for name in group}
        if not whole <= over:
            missing = ", ".join(sorted(symbol.name for symbol in whole - over))
            raise bad("E", missing, "all symbols of a joint distribution", "name them too, or none")
        if not whole:
            return expression
        if any(not isinstance(self.groups[group], Discrete) for group in groups):
            expression = _logarithms(expression)
        terms = monomials(opened(expression, over, lambda symbol: isinstance(self.law(symbol), Normal)), over)
        if terms is None:
            terms = {frozenset({(expression, 1)}): S.One}
        return Add(*(coefficient * self._monomial(term, over) for term, coefficient in terms.items()))

    def _monomial(self, term: Monomial, over: frozenset[Symbol]) -> Expr:
        """Average a product: factors that share no random symbol one by one."""
        parts: list[tuple[set[tuple[str, ...]], list[Expr]]] = []
        for factor in _factors(term, over):
            groups = {self.group_of[symbol.name] for symbol in self.random_in(factor, over)}
            near = [part for part in parts if part[0] & groups]
            parts = [part for part in parts if not part[0] & groups]
            parts.append((groups.union(*(part[0] for part in near)), [f for part in near for f in part[1]] + [factor]))
        return Mul(*(self._connected(groups, Mul(*factors)) if groups else Mul(*factors) for groups, factors in parts))

    def _connected(self, groups: Collection[tuple[str, ...]], factor: Expr) -> Expr:
        discrete = sorted(group for group in groups if isinstance(self.groups[group], Discrete))
        powers = dict(powers_of(factor))
        symbols = [self.symbols[name] for group in groups for name in group]
        if all(base in symbols for base in powers if self.random_in(base, symbols)) and len(groups) == 1:
            (group,) = groups
            return self.groups[group].moment(*(powers.get(self.symbols[name], 0) for name in group))
        if discrete:
            return self._summed(discrete, groups, factor)
        simpler = together(factor)
        if simpler is not factor:
            return self.mean(simpler, [symbol.name for symbol in symbols])
        normal = sorted((s for s in symbols if isinstance(self.law(s), Normal)), key=str)
        if len(normal) == len(symbols):
            for rule in (self._squared, self._truncated):
                exact = rule(factor, normal)
                if exact is not None:
                    return exact
        laws = {symbol: self.law(symbol) for symbol in symbols}
        return quadrature(closed(factor), laws, self.moving)

    def _summed(self, discrete: list[tuple[str, ...]], groups: Collection[tuple[str, ...]], factor: Expr) -> Expr:
        laws = [cast("Discrete", self.groups[group]) for group in discrete]
        if prod(len(law.values) for law in laws) > MOST_OUTCOMES:
            raise bad("random", f"{', '.join(map(str, discrete))}", f"at most {MOST_OUTCOMES} joint outcomes")
        rest = [name for group in groups if group not in discrete for name in group]
        symbols = [self.symbols[name] for group in discrete for name in group]
        terms = []
        for outcome in product(*(list(zip(law.values, law.probabilities, strict=True)) for law in laws)):
            values = [value for row, _ in outcome for value in row]
            share = Mul(*(probability for _, probability in outcome))
            at = factor.subs(dict(zip(symbols, values, strict=True)), simultaneous=True)
            if at.has(S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity):
                where = ", ".join(f"{s} = {v}" for s, v in zip(symbols, values, strict=True))
                raise Divergent(factor, f"it is not finite at {where}")
            terms.append(share * self.mean(at, rest))
        return Add(*terms)

    def _squared(self, factor: Expr, normal: list[Symbol]) -> Expr | None:
        """E[P(x)·exp(q(x))] with a quadratic q: one symbol after the other, by completing the square."""
        polynomial, exponent = S.One, S.Zero
        for base, power in powers_of(factor):
            if isinstance(base, sympy.exp):
                exponent += base.args[0] * power
            elif base in normal or not self.random_in(base, normal):
                polynomial *= base**power
            else:
                return None
        for x in normal:
            parts = monomials(exponent, frozenset([x]))
            factors = monomials(polynomial, frozenset([x]))
            if parts is None or factors is None:
                return None
            by_power = {sum(power for _, power in term): value for term, value in parts.items()}
            if any(base != x for term in parts for base, _ in term) or max(by_power) > 2:
                return None
            constant, a, b = (by_power.get(i, S.Zero) for i in range(3))
            law = cast("Normal", self.law(x))
            if self.random_in(b, normal):
                return None
            narrower = 1 - 2 * b * law.variance
            if narrower.is_number and not narrower > 0:
                raise Divergent(factor, "it grows faster than the normal density falls")
            mean, variance = (law.mean + a * law.variance) / narrower, law.variance / narrower
            exponent = constant + (a**2 * law.variance / 2 + a * law.mean + b * law.mean**2) / narrower
            moments = Normal(mean, variance)
            polynomial = Add(
                *(value * moments.moment(sum(power for _, power in term)) for term, value in factors.items())
            ) / sympy.sqrt(narrower)
        return polynomial * sympy.exp(expanded(exponent))

    def _truncated(self, factor: Expr, normal: list[Symbol]) -> Expr | None:
        """E[P(x)·u₊^k], u₊ the positive part of an affine form, k = 0 its step."""
        polynomial: dict[Symbol, int] = {}
        forms: dict[Expr, int] = {}
        for base, power in powers_of(factor):
            if base in normal:
                polynomial[base] = power
            elif isinstance(base, Positive):
                forms[base.args[0]] = forms.get(base.args[0], 0) + power
            elif isinstance(base, Step):
                forms.setdefault(base.args[0], 0)
            else:
                return None
        if len(forms) != 1:
            return None
        ((form, order),) = forms.items()
        slopes, constant = affine(form, normal) or ({}, None)
        if constant is None:
            return None
        laws = {x: cast("Normal", self.law(x)) for x in normal}
        mean = constant + Add(*(slopes.get(x, 0) * laws[x].mean for x in normal))
        variance = Add(*(slopes.get(x, 0) ** 2 * laws[x].variance for x in normal))
        return truncated_moment(dict(polynomial), order, slopes, laws, expanded(mean), variance)


def _logarithms(expression: Expr) -> Expr:
    """Simplify log(exp(x)) to x and log(c·exp(x)) to log(c) + x, all symbols being real."""

    def log(x: Expr) -> Expr:
        powers = [factor for factor in Mul.make_args(x) if isinstance(factor, sympy.exp)]
        rest = Mul(*(factor for factor in Mul.make_args(x) if not isinstance(factor, sympy.exp)))
        return Add(*(power.args[0] for power in powers), sympy.log(rest)) if powers else sympy.log(x)

    return expression.replace(sympy.log, log)


def _factors(term: Monomial, over: frozenset[Symbol]) -> list[Expr]:
    """Return the factors of a monomial, the exponential of a sum as a product."""
    factors: list[Expr] = []
    exponent = S.Zero
    for base, power in term:
        if isinstance(base, sympy.exp):
            exponent += power * base.args[0]
        elif isinstance(base, Step):
            factors.append(base)
        else:
            factors.append(base**power)
    parts = monomials(exponent, over)
    if parts is None:
        return [*factors, sympy.exp(exponent)]
    for inside, value in parts.items():
        factors.append(sympy.exp(value * Mul(*(base**power for base, power in inside)), evaluate=True))
    return factors
