"""Kinks along affine forms of normal symbols, averaged in closed form: |u|, max, min, sign and the step.

They are written by the positive part u₊ and the step of a form u; E[P(x)·u₊^k] follows by integration by parts from
the moments of a truncated normal distribution, which end in erf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import sympy
from sympy import Add, Expr, Mul, Pow, S, Symbol

from dynsim.symbolic.monomials import affine, expanded, is_whole

__all__ = ["Positive", "Step", "closed", "opened", "together", "truncated_moment"]


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


_KINKS = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min)


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

    def positive(x: Expr) -> tuple[Expr, Expr] | None:
        """The positive part of x, and x as it is then written."""
        if fits(x):
            return Positive(expanded(x)), expanded(x)
        folded = _folded(x, fits)
        return None if folded is None else (folded.positive, folded.whole)

    def above(x: Expr) -> Expr | None:
        if fits(x):
            return Step(expanded(x))
        folded = _folded(x, fits)
        return None if folded is None else folded.step

    def size(x: Expr) -> Expr:
        found = positive(x)
        return sympy.Abs(x) if found is None else 2 * found[0] - found[1]

    def sign(x: Expr) -> Expr:
        found = above(x)
        return sympy.sign(x) if found is None else 2 * found - 1

    def step(x: Expr, *rest: Expr) -> Expr:
        found = above(x)
        return sympy.Heaviside(x, *rest, evaluate=False) if found is None else found

    def plain(x: Expr) -> Expr:
        """A kink that an outer one chooses, opened like the outer ones."""
        return opened(x, over, is_normal)

    def largest(*x: Expr) -> Expr:
        found = positive(x[1] - x[0]) if len(x) == 2 else None
        return sympy.Max(*x, evaluate=False) if found is None else plain(x[0]) + found[0]

    def smallest(*x: Expr) -> Expr:
        found = positive(x[0] - x[1]) if len(x) == 2 else None
        return sympy.Min(*x, evaluate=False) if found is None else plain(x[0]) - found[0]

    if not expression.has(*_KINKS):
        return expression
    rules = {sympy.Abs: size, sympy.sign: sign, sympy.Heaviside: step, sympy.Max: largest, sympy.Min: smallest}
    outer = {node: rules[type(node)](*node.args) for node in _outside(expression, over)}
    return expression.xreplace(outer)


@dataclass(frozen=True)
class _Folded:
    """An expression that is even in an affine form u, or its positive part: itself, its positive part, its step."""

    whole: Expr
    positive: Expr
    step: Expr


def _folded(x: Expr, fits: Callable[..., bool]) -> _Folded | None:
    """Write α·|u| + c, α·u² + c and α·u₊ + c, with numbers α and c, by kinks along the affine forms u ± threshold."""
    constant, rest = x.as_coeff_Add()
    factor, inside = rest.as_coeff_Mul()
    if not (constant.is_real and factor.is_real and factor != 0):
        return None
    if factor < 0:
        other = _folded(-x, fits)
        return None if other is None else _Folded(-other.whole, other.positive - other.whole, 1 - other.step)
    ways: tuple[int, ...] = (1, -1)
    power, parts = 1, [part.as_base_exp() for part in Mul.make_args(inside)]
    if isinstance(inside, sympy.Max) and len(inside.args) == 2 and S.Zero in inside.args:
        (form,), ways = [part for part in inside.args if part != 0], (1,)
    elif isinstance(inside, sympy.Abs):
        form = inside.args[0]
    elif all(exponent.is_even for _, exponent in parts):
        form, power = Mul(*(base ** (exponent / 2) for base, exponent in parts)), 2
    else:
        return None
    if not fits(form):
        return None
    form = expanded(form)
    value = form**2 if power == 2 else Add(*(Positive(expanded(way * form)) for way in ways))
    whole = factor * value + constant
    level = -constant / factor
    if level <= 0:
        return _Folded(whole, whole, S.One)
    level = sympy.sqrt(level) if power == 2 else level
    forms = [expanded(way * form - level) for way in ways]
    step = Add(*map(Step, forms))
    positive = expanded(whole) * step if power == 2 else factor * Add(*map(Positive, forms))
    return _Folded(whole, positive, step)


def together(factor: Expr) -> Expr:
    """A product of kinks along parallel forms without those that another one decides; itself if there are none.

    Where u − 1 is positive, u is; and −u − 1 is not.
    """
    kinks = sorted(factor.atoms(Positive, Step), key=sympy.default_sort_key)
    for one, other in permutations(kinks, 2):
        if other not in factor.as_powers_dict() or one not in factor.as_powers_dict():
            continue
        (a,), (b,) = one.args, other.args
        if (total := expanded(a + b)).is_number and total <= 0:
            return S.Zero
        if (ahead := expanded(b - a)).is_number and ahead >= 0:
            return factor.xreplace({other: b if isinstance(other, Positive) else S.One})
    return factor


def closed(expression: Expr) -> Expr:
    """Write positive parts and steps as they are known outside."""
    plain = expression.replace(Positive, lambda x: sympy.Max(0, x, evaluate=False))
    return plain.replace(Step, lambda x: sympy.Heaviside(x, evaluate=False))


def _outside(expression: Expr, over: frozenset[Symbol]) -> dict[Expr, Expr]:
    """Return the functions with kinks that stand in sums, products and powers, not inside other functions."""
    if isinstance(expression, Add | Mul) or (isinstance(expression, Pow) and is_whole(expression.exp)):
        return {node: value for part in expression.args for node, value in _outside(part, over).items()}
    return {expression: expression} if isinstance(expression, _KINKS) else {}
