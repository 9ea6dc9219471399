"""Kinks along affine forms of normal symbols, averaged in closed form: |u|, max, min, sign and the step.

They are written by the positive part u₊ and the step of a form u; E[P(x)·u₊^k] follows by integration by parts from
the moments of a truncated normal distribution, which end in erf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Add, Expr, Mul, Pow, S, Symbol

from dynsim.symbolic.monomials import affine, expanded, is_whole

__all__ = ["Positive", "Step", "closed", "opened", "truncated_moment"]


def truncated_moment(
    powers: dict[Symbol, int], order: int, slopes: Mapping[Symbol, Expr], laws: Mapping[Symbol, Any], m: Expr, s2: Expr
) -> Expr | None:
    """E[Π x_i^k_i · u₊^order] by E[x g] = μ E[g] + σ² E[∂g/∂x], which integrates by parts over x."""
    x = next((x for x, power in powers.items() if power), None)
    if x is None:
        return _positive_moment(order, m, s2)
    less = powers | {x: powers[x] - 1}

    def go(down: dict[Symbol, int], k: int) -> Expr | None:
        return truncated_moment(down, k, slopes, laws, m, s2)

    terms = [(laws[x].mean, go(less, order))]
    if less[x]:
        terms.append((laws[x].variance * less[x], go(less | {x: less[x] - 1}, order)))
    slope = slopes.get(x, S.Zero)
    if slope != 0 and order:
        terms.append((laws[x].variance * slope * order, go(less, order - 1)))
    elif slope != 0:
        if any(less.values()):
            return None  # moments on the line where the form vanishes: left to quadrature
        root = _root(s2)
        terms.append((laws[x].variance, _unit(slope, root) * _gauss(m, root)))
    if any(value is None for _, value in terms):
        return None
    return Add(*(factor * value for factor, value in terms if factor != 0))


def _positive_moment(order: int, m: Expr, s2: Expr) -> Expr:
    """E[u₊^order] of u ~ N(m, s2); order 0 is P(u > 0)."""
    root = _root(s2)
    below = S.Half if m == 0 else (1 + sympy.erf(m / (root * sympy.sqrt(2)))) / 2
    if order == 0:
        return below
    result = m * below + root * _gauss(m, root)
    for k in range(2, order + 1):
        below, result = result, m * result + (k - 1) * s2 * below
    return result


def _gauss(m: Expr, root: Expr) -> Expr:
    """Density of the standard normal distribution at m/root."""
    return (S.One if m == 0 else sympy.exp(-(m**2) / (2 * root**2))) / sympy.sqrt(2 * sympy.pi)


def _root(variance: Expr) -> Expr:
    """Return √variance with every square taken out as an absolute value, so that √(w²v) is |w|√v and has no pole."""
    constant, factors = sympy.factor_list(variance)
    outside, inside = S.One, constant
    for base, power in factors:
        outside *= sympy.Abs(base) ** (power // 2) if power > 1 else 1
        inside *= base ** (power % 2)
    return outside * sympy.sqrt(inside)


def _unit(slope: Expr, root: Expr) -> Expr:
    """Return slope/root, a sign where the slope is a factor of the root."""
    ratio = slope / root
    size = sympy.Abs(slope)
    return sympy.sign(slope) * (size / root) if (size / root).free_symbols < ratio.free_symbols else ratio


class Positive(sympy.Function):
    """The positive part of an affine form, while averages are taken."""


class Step(sympy.Function):
    """Whether an affine form is positive, while averages are taken."""


def opened(expression: Expr, over: frozenset[Symbol], is_normal: Callable[[Symbol], bool]) -> Expr:
    """Write kinks along affine forms in normal symbols by positive parts and steps; leave the others."""

    def fits(*forms: Expr) -> bool:
        inside = frozenset().union(*(form.free_symbols & over for form in forms))
        normal = [symbol for symbol in inside if is_normal(symbol)]
        return bool(inside) and len(normal) == len(inside) and all(affine(f, normal) is not None for f in forms)

    def size(x: Expr) -> Expr:
        return 2 * Positive(expanded(x)) - expanded(x) if fits(x) else sympy.Abs(x)

    def sign(x: Expr) -> Expr:
        return 2 * Step(expanded(x)) - 1 if fits(x) else sympy.sign(x)

    def step(x: Expr, *rest: Expr) -> Expr:
        return Step(expanded(x)) if fits(x) else sympy.Heaviside(x, *rest, evaluate=False)

    def largest(*x: Expr) -> Expr:
        if len(x) == 2 and fits(x[0] - x[1]):
            return x[0] + Positive(expanded(x[1] - x[0]))
        return sympy.Max(*x, evaluate=False)

    def smallest(*x: Expr) -> Expr:
        if len(x) == 2 and fits(x[0] - x[1]):
            return x[0] - Positive(expanded(x[0] - x[1]))
        return sympy.Min(*x, evaluate=False)

    if not expression.has(sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min):
        return expression
    outer = _outside(expression, over)
    rules = [(sympy.Abs, size), (sympy.sign, sign), (sympy.Heaviside, step), (sympy.Max, largest)]
    for kind, rule in [*rules, (sympy.Min, smallest)]:
        outer = {node: value.replace(kind, rule) if isinstance(node, kind) else value for node, value in outer.items()}
    return expression.xreplace(outer)


def closed(expression: Expr) -> Expr:
    """Write positive parts and steps as they are known outside."""
    plain = expression.replace(Positive, lambda x: sympy.Max(0, x, evaluate=False))
    return plain.replace(Step, lambda x: sympy.Heaviside(x, evaluate=False))


def _outside(expression: Expr, over: frozenset[Symbol]) -> dict[Expr, Expr]:
    """Return the functions with kinks that stand in sums, products and powers, not inside other functions."""
    if isinstance(expression, Add | Mul) or (isinstance(expression, Pow) and is_whole(expression.exp)):
        return {node: value for part in expression.args for node, value in _outside(part, over).items()}
    kinds = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min)
    return {expression: expression} if isinstance(expression, kinds) else {}
