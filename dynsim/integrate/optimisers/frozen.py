"""The gradient of one block of states while everything else, what is inside a stop-gradient included, stands still."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.integrate.optimisers.problem import Problem
from dynsim.symbolic.expressions import gradient, substitute
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.functions import release, stop_gradient
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.rules import Descend

__all__ = ["BlockGradient", "BlockHessian", "frozen_gradient", "frozen_hessian"]

BlockGradient = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``function(y, anchor)``: gradient of the block at `y`, ``(len(block), members)``, its targets read at `anchor`."""

BlockHessian = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The same for its derivative by the block, of shape ``(len(block), len(block), members)``."""


def frozen_gradient(problem: Problem, block: tuple[str, ...]) -> BlockGradient:
    """Gradient of a block whose targets stay at `anchor`: η of the alternating reading, if η is the stopped part.

    A state without a loss of its own (`Move`, a plain field) has no targets: its velocity is taken as it is.
    """
    flow = problem.flow
    if flow is None or not all(isinstance(flow.rules.get(name), Descend) for name in block):
        rows = problem.rows_of(block)
        return lambda y, anchor: -np.asarray(problem.field.f(problem.time, y))[rows]
    return _compiled(problem, flow, _gradients(flow, block), (len(block),))


def frozen_hessian(problem: Problem, block: tuple[str, ...]) -> tuple[BlockGradient, BlockHessian]:
    """Gradient and Hessian of a block's own loss, its decay included and its rate divided out.

    Of a field that brings its residuals the Hessian is that of Gauss and Newton: exact where they are affine in the
    block, as those of a linear network are.

    Raises
    ------
    InvalidValue
        A block without a loss of its own to be minimised.
    """
    flow = problem.flow
    if flow is None and problem.field.residuals_function is not None:
        return _least_squares(problem, block)
    losses = flow is not None and all(isinstance(flow.rules.get(name), Descend) for name in block)
    if flow is None or not losses or flow.branch == "target":
        what = "branch 'target'" if flow is not None and losses else "states without a loss"
        raise bad("optimiser", "alternating-minimisation", "states that descend a loss", f"{what} minimise nothing")
    slopes = _gradients(flow, block, minimise=True)
    n = len(block)
    curvature = [slope.diff(flow.symbols[name]) for slope in slopes for name in block]
    return _compiled(problem, flow, slopes, (n,)), _compiled(problem, flow, curvature, (n, n))


def _least_squares(problem: Problem, block: tuple[str, ...]) -> tuple[BlockGradient, BlockHessian]:
    rows, residuals = problem.rows_of(block), problem.field.residuals_function
    assert residuals is not None

    def slope(y: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        values, jacobian = residuals(y, anchor)
        return (np.moveaxis(jacobian[:, rows], -1, 0).mT @ values.T[..., None])[..., 0].T

    def curvature(y: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        own = np.moveaxis(residuals(y, anchor)[1][:, rows], -1, 0)
        return np.moveaxis(own.mT @ own, 0, -1)

    return slope, curvature


def _anchor(name: str) -> sympy.Symbol:
    return sympy.Symbol(f"anchor of {name}")


def _gradients(flow: Flow, block: tuple[str, ...], *, minimise: bool = False) -> list[sympy.Expr]:
    """−velocity with stop-gradients and held states read at the anchor, the rest at the current state.

    To `minimise`, the rate is divided out: it sets how fast a state goes, not where.
    """
    anchors = {name: _anchor(name) for name in flow.states}
    held = {name: substitute(value, anchors) for name, value in flow.held.items()}

    def freeze(expr: sympy.Expr) -> sympy.Expr:
        fixed = expr.replace(stop_gradient, lambda inner: substitute(release(inner), anchors))
        return substitute(fixed, held)

    found = []
    for name in block:
        rule, state = flow.rules[name], flow.symbols[name]
        assert isinstance(rule, Descend)
        slope, rate, decay = gradient(freeze(rule.loss), state), freeze(rule.rate), freeze(rule.decay) * state
        found.append(slope + decay / rate if minimise else rate * slope + decay)
    return found


def _compiled(problem: Problem, flow: Flow, entries: list[sympy.Expr], shape: tuple[int, ...]) -> BlockGradient:
    states = [*(flow.symbols[name] for name in flow.states), *(_anchor(name) for name in flow.states)]
    gradients = VectorFunction(entries, states, [flow.symbols[name] for name in flow.parameters])
    constants = [problem.values[name] for name in flow.parameters]

    def function(y: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        found = gradients(problem.time, np.concatenate([y, anchor]), constants)
        return found.reshape(*shape, y.shape[1])

    return function
