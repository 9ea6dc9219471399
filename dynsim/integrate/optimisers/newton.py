"""Newton and Gauss–Newton: steps that know the curvature. One looks for a root of the field, one for least squares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy

from dynsim.errors import DynsimError, bad
from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.problem import Problem, non_negative
from dynsim.symbolic.expressions import gradient, substitute
from dynsim.symbolic.functions import release
from dynsim.symbolic.rules import Descend

__all__ = ["Residuals", "as_squares", "residuals_of"]

RCOND = 1e-12  # directions that carry less than this share of the largest singular value are left alone


def newton(problem: Problem, *, damping: float = 0.0) -> Step:
    """Iterate y ← y − lr·J⁺f with J the Jacobian of the field f: root finding, of whatever kind the root is.

    `damping` μ ≥ 0 solves (J − μI) instead: for μ → ∞ a short step of gradient descent. Where J is singular, as on
    a line of equilibria, the shortest step is taken.
    """
    mu = non_negative("damping", damping)
    if problem.field.jacobian_function is None:
        raise bad("optimiser", "newton", "a field with a Jacobian", "make the Field with jacobian_function=…")
    rows = problem.rows

    def step(y: np.ndarray) -> np.ndarray:
        jacobian = problem.field.jacobian(problem.time, y)[np.ix_(rows, rows)] - mu * np.eye(len(rows))[..., None]
        return problem.lr * _least_squares(jacobian, problem.gradient(y))

    return step


def gauss_newton(problem: Problem, *, damping: float = 0.0) -> Step:
    """Iterate y ← y − lr·(JᵀJ + μI)⁺Jᵀr for a loss Σr², J = ∂r/∂y with the stop-gradients obeyed.

    Accepted is a loss written as a sum of squares with non-negative weights, shared by all moving states (branches
    "stop" and "full"), or a field that brings its residuals; weight decay counts as one more square. Learning-rate
    ratios play no part: like Newton's, the step has its own metric. With fewer residuals than states the shortest
    step is taken; `damping` is Levenberg's.
    """
    mu = non_negative("damping", damping)
    residuals = residuals_of(problem)

    def step(y: np.ndarray) -> np.ndarray:
        values, jacobian = residuals(y)
        if mu:
            n, members = len(problem.rows), y.shape[1]
            ridge = np.broadcast_to(np.sqrt(mu) * np.eye(n)[..., None], (n, n, members))
            jacobian = np.concatenate([jacobian, ridge])
            values = np.concatenate([values, np.zeros((n, members))])
        return -problem.lr * _least_squares(jacobian, values)

    return step


def _least_squares(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Shortest least-squares solution x of matrix·x = right, for each member; NaN where something is not finite."""
    a, b = np.moveaxis(matrix, -1, 0), np.moveaxis(right, -1, 0)
    fine = np.isfinite(a).all(axis=(1, 2)) & np.isfinite(b).all(axis=1)
    solution = np.full((len(b), a.shape[2]), np.nan)
    solution[fine] = (np.linalg.pinv(a[fine], RCOND) @ b[fine][..., None])[..., 0]
    return solution.T


Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``function(y)``: residuals ``(m, members)`` and their Jacobian by the moving states, ``(m, n, members)``."""


def as_squares(loss: sympy.Expr, states: set[str]) -> list[tuple[sympy.Expr, sympy.Expr]]:
    """Pairs (weight, residual) with loss = Σ weight·residual² + a part without states.

    Raises
    ------
    InvalidValue
        A term that is not written as a square.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.integrate.optimisers.newton import as_squares
    >>> as_squares(dynsim.parse("(phi*theta - sg(theta))^2/2"), {"phi", "theta"})
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
    pairs = as_squares(loss, {*flow.states, *flow.held})
    for name, rule in rules.items():
        if isinstance(rule, Descend) and rule.decay != 0:
            pairs.append((rule.decay / (2 * rule.rate), flow.symbols[name]))
    symbols = [flow.symbols[name] for name in problem.moving]
    weights = [substitute(weight, flow.held) for weight, _ in pairs]
    values = [substitute(release(r), flow.held) for _, r in pairs]
    slopes = [substitute(gradient(r, symbol), flow.held) for _, r in pairs for symbol in symbols]
    squares = flow.compiled.function([*weights, *values, *slopes])
    constants = [problem.values[name] for name in flow.parameters]
    m, n = len(pairs), len(symbols)

    def function(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = squares(problem.time, y, constants)
        if (found[:m] < 0).any():
            raise _unfit("non-negative weights of its squares at these parameters")
        root = np.sqrt(found[:m])
        return root * found[m : 2 * m], root[:, None] * found[2 * m :].reshape(m, n, -1)

    return function


def _unfit(expected: str) -> DynsimError:
    return bad("optimiser", "gauss-newton", f"a flow with {expected}", "use 'newton' or a gradient optimiser")


NEWTON = Optimiser("newton", "root finding on the field: J⁺f", "Nocedal & Wright (2006), chapter 11", newton)
GAUSS_NEWTON = Optimiser(
    "gauss-newton", "least squares on a loss Σr²", "Nocedal & Wright (2006), chapter 10", gauss_newton
)
