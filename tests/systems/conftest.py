"""A second road to every vector field: torch's autograd on the same loss, with ``.detach()`` for stop-gradients."""

import math

import pytest
import sympy
import torch

from dynsim.symbolic.expectation import Expectation, NormalNode
from dynsim.symbolic.functions import sigmoid, softplus, stop_gradient
from dynsim.symbolic.rules import Descend, Hold, Move, Track

FUNCTIONS = {
    sigmoid: torch.sigmoid,
    softplus: torch.nn.functional.softplus,
    sympy.exp: torch.exp,
    sympy.log: torch.log,
    sympy.Abs: torch.abs,
    sympy.sign: torch.sign,
    sympy.sin: torch.sin,
    sympy.cos: torch.cos,
    sympy.tanh: torch.tanh,
}


def evaluate(expression, values, detach):
    """Walk an expression tree in torch; `detach` says whether a stop-gradient stops."""
    if expression.is_Symbol:
        return values[expression.name]
    if isinstance(expression, Expectation):  # a trapezium rule of its own, far finer than it needs to be
        (node,), (scale,) = expression.nodes, expression.scales
        assert isinstance(node, NormalNode)
        grid = torch.linspace(-12.0, 12.0, 801, dtype=torch.float64)[:, None]
        weights = torch.exp(-(grid**2) / 2) / torch.exp(-(grid**2) / 2).sum()
        drawn = torch.sqrt(evaluate(scale, values, detach)) * grid
        return (weights * evaluate(expression.integrand, {**values, node.name: drawn}, detach)).sum(dim=0)
    if expression.is_Number or expression.is_NumberSymbol:
        return torch.tensor(float(expression), dtype=torch.float64)
    parts = [evaluate(part, values, detach) for part in expression.args]
    if isinstance(expression, stop_gradient):
        return parts[0].detach() if detach else parts[0]
    if expression.is_Add:
        return sum(parts)
    if expression.is_Mul:
        return math.prod(parts[1:], start=parts[0])
    if expression.is_Pow:
        return parts[0] ** parts[1]
    return FUNCTIONS[expression.func](parts[0])


def slope(loss, state, values, detach):
    if state not in {symbol.name for symbol in loss.free_symbols}:
        return torch.zeros_like(values[state])
    total = torch.as_tensor(evaluate(loss, values, detach)).sum()
    if not total.requires_grad:
        return torch.zeros_like(values[state])
    (found,) = torch.autograd.grad(total, values[state], allow_unused=True)
    return torch.zeros_like(values[state]) if found is None else found


def velocities(flow, states, parameters):
    """Velocity of every moving state at arrays of points; rules give rates, the loss as written the gradients."""
    values = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in states.items()}
    values |= {n: torch.tensor(v, dtype=torch.float64) for n, v in parameters.items()}
    for name, rule in flow.rules.items():
        if isinstance(rule, Hold):
            values[name] = torch.as_tensor(evaluate(rule.expression, values, True)).detach().clone()
    stopped = {s.name for node in (flow.loss.atoms(stop_gradient) if flow.loss else ()) for s in node.free_symbols}
    result = {}
    for name, rule in flow.rules.items():
        if isinstance(rule, Descend):
            # One loss: its branch is taken here, independently of the package. Several: each is as written.
            loss = rule.loss if flow.loss is None else flow.loss
            gradient = slope(loss, name, values, detach=True)
            if flow.branch == "full":
                gradient = slope(loss, name, values, detach=False)
            elif flow.branch == "target" and name in stopped:
                gradient = slope(loss, name, values, detach=False) - gradient
            rate, decay = (evaluate(part, values, True) for part in (rule.rate, rule.decay))
            result[name] = (-rate * gradient - decay * values[name]).detach().numpy()
        elif isinstance(rule, Track):
            source = values[str(rule.source)]
            result[name] = (evaluate(rule.rate, values, True) * (source - values[name])).detach().numpy()
        else:
            assert isinstance(rule, Hold | Move)
    return result


@pytest.fixture
def autograd():
    """``autograd(flow, {state: array}, {parameter: array})`` → velocities of all states that have a loss."""
    return velocities
