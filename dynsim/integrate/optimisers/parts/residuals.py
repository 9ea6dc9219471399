"""A loss that is a sum of squares, as its residuals and their Jacobian: read off a flow, or given by a field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy

from dynsim.errors import DynsimError, bad
from dynsim.integrate.optimisers.parts.problem import Problem
from dynsim.symbolic.expressions import substitute
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.rules import Descend, gradient
from dynsim.symbolic.stop_gradient import release

__all__ = ["Residuals", "residuals_of", "squares"]

Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``function(y)``: residuals ``(m, members)`` and their Jacobian by the moving states, ``(m, n, members)``."""


def squares(loss: sympy.Expr, states: set[str]) -> list[tuple[sympy.Expr, sympy.Expr]]:
    """Pairs (weight, residual) with loss = Σ weight·residual² + a part without states.

    Raises
    ------
    InvalidValue
        A term that is not written as a square.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.integrate.optimisers.parts.residuals import squares
    >>> squares(dynsim.parse("(phi*theta - sg(theta))^2/2"), {"phi", "theta"})
    [(1/2, phi*theta - sg(theta))]
    """

    def constant(expr: sympy.Expr) -> bool:
        return not {symbol.name for symbol in expr.free_symbols} & states

    def collect(term: sympy.Expr, weight: sympy.Expr) -> list[tuple[sympy.Expr, sympy.Expr]]:
        if constant(term):
            return []
        if term.is_Add:
            return [pair for part in term.args for pair in collect(part, weight)]
        factors = sympy.Mul.make_args(term)
        fixed = sympy.Mul(*(factor for factor in factors if constant(factor)))
        moving = [factor for factor in factors if not constant(factor)]
        if len(moving) == 1 and moving[0].is_Add:
            return collect(moving[0], weight * fixed)
        powers = [factor.as_base_exp() for factor in moving]
        if all(exponent.is_Integer and exponent % 2 == 0 for _, exponent in powers):
            return [(weight * fixed, sympy.Mul(*(base ** (exponent // 2) for base, exponent in powers)))]
        raise bad("loss", str(term), "a sum of squares for optimiser 'gauss-newton'", "write it as (…)^2 + (…)^2 + …")

    return collect(loss, sympy.S.One)


def residuals_of(problem: Problem) -> Residuals:
    """Residuals of a flow's loss, or those that a plain field brings along.

    Raises
    ------
    InvalidValue
        A flow without a loss of that kind, or with negative weights; a field without residuals.
    """
    given = problem.field.residuals_function
    if problem.flow is not None or given is None:
        return _compiled(problem)

    def function(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, jacobian = given(y, y)
        return values, jacobian[:, problem.rows]

    return function


def _compiled(problem: Problem) -> Residuals:
    flow = problem.flow
    rules = {} if flow is None else {name: flow.rules.get(name) for name in problem.moving}
    losses = {rule.loss for rule in rules.values() if isinstance(rule, Descend)}
    if flow is None or len(losses) != 1 or not all(isinstance(rule, Descend) for rule in rules.values()):
        raise _unfit("one loss that every moving state descends (branch 'stop' or 'full')")
    loss = losses.pop()
    pairs = squares(loss, {*flow.states, *flow.held})
    for name, rule in rules.items():
        if isinstance(rule, Descend) and rule.decay != 0:
            pairs.append((rule.decay / (2 * rule.rate), flow.symbols[name]))
    symbols = [flow.symbols[name] for name in problem.moving]
    weights = [substitute(weight, flow.held) for weight, _ in pairs]
    values = [substitute(release(r), flow.held) for _, r in pairs]
    slopes = [substitute(gradient(r, symbol), flow.held) for _, r in pairs for symbol in symbols]
    names = (*flow.states, *flow.parameters)
    raw = compile_expressions([*weights, *values, *slopes], [flow.symbols[name] for name in names])
    constants = [problem.values[name] for name in flow.parameters]
    m, n = len(pairs), len(symbols)

    def function(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = np.empty((2 * m + m * n, y.shape[1]))
        for index, value in enumerate(raw(*y, *constants)):
            found[index] = value
        if (found[:m] < 0).any():
            raise _unfit("non-negative weights of its squares at these parameters")
        root = np.sqrt(found[:m])
        return root * found[m : 2 * m], root[:, None] * found[2 * m :].reshape(m, n, -1)

    return function


def _unfit(expected: str) -> DynsimError:
    return bad("optimiser", "gauss-newton", f"a flow with {expected}", "use 'newton' or a gradient optimiser")
