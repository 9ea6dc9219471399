"""Plain gradient descent, momentum, Nesterov: the same gradient, remembered for longer and longer."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.parts.checks import fraction
from dynsim.integrate.optimisers.parts.problem import Problem


def gradient_descent(problem: Problem) -> Step:
    """Iterate y ← y − lr·g: the explicit Euler method for the flow."""
    return lambda y: -problem.lr * problem.gradient(y)


def momentum(problem: Problem, *, momentum: float = 0.9) -> Step:
    """Iterate m ← μm + g, y ← y − lr·m."""
    return _heavy_ball(problem, momentum, look_ahead=False)


def nesterov(problem: Problem, *, momentum: float = 0.9) -> Step:
    """Iterate m ← μm + g, y ← y − lr·(g + μm)."""
    return _heavy_ball(problem, momentum, look_ahead=True)


def _heavy_ball(problem: Problem, momentum: float, look_ahead: bool) -> Step:
    mu = fraction("momentum", momentum)
    memory: Any = 0.0

    def step(y: np.ndarray) -> np.ndarray:
        nonlocal memory
        gradient = problem.gradient(y)
        memory = mu * memory + gradient
        return -problem.lr * (gradient + mu * memory if look_ahead else memory)

    return step


def _pace(momentum: float) -> float:
    """Under a constant gradient a step with momentum μ goes 1/(1 − μ) times as far."""
    return 1 / (1 - momentum)


OPTIMISERS = (
    Optimiser("gd", "plain gradient descent: Euler's method for the flow", "Cauchy (1847)", gradient_descent),
    Optimiser("momentum", "gradient descent with a heavy ball", "Polyak (1964)", momentum, _pace),
    Optimiser("nesterov", "gradient descent with Nesterov's look-ahead", "Nesterov (1983)", nesterov, _pace),
)
