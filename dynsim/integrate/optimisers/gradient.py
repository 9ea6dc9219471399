"""Steps that know the gradient only: plain, with momentum, with one size per coordinate, or its sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.problem import Problem, fraction, non_negative


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


def rmsprop(problem: Problem, *, beta2: float = 0.99, eps: float = 1e-8) -> Step:
    """Iterate s ← β₂s + (1 − β₂)g², y ← y − lr·g/(√s + eps); starts at s = 0, without bias correction."""
    b2, eps = fraction("beta2", beta2), non_negative("eps", eps)
    square: Any = 0.0

    def step(y: np.ndarray) -> np.ndarray:
        nonlocal square
        gradient = problem.gradient(y)
        square = b2 * square + (1 - b2) * gradient**2
        return -problem.lr * _over(gradient, np.sqrt(square) + eps)

    return step


def adam(problem: Problem, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Step:
    """Iterate m ← β₁m + (1 − β₁)g, s ← β₂s + (1 − β₂)g², y ← y − lr·m̂/(√ŝ + eps), both averages bias-corrected."""
    b1, b2, eps = fraction("beta1", beta1), fraction("beta2", beta2), non_negative("eps", eps)
    mean: Any = 0.0
    square: Any = 0.0
    taken = 0

    def step(y: np.ndarray) -> np.ndarray:
        nonlocal mean, square, taken
        gradient = problem.gradient(y)
        taken += 1
        mean = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * gradient**2
        scale = np.sqrt(square) / np.sqrt(1 - b2**taken) + eps
        return -problem.lr / (1 - b1**taken) * _over(mean, scale)

    return step


def _over(numerator: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The quotient; 0/0, a gradient that was never anything but zero, is no step."""
    return np.divide(numerator, scale, out=np.zeros_like(numerator), where=(scale != 0) | (numerator != 0))


def sign_descent(problem: Problem, *, momentum: float = 0.0) -> Step:
    """Iterate m ← μm + (1 − μ)g, y ← y − lr·sign(m)."""
    mu = fraction("momentum", momentum)
    memory: Any = 0.0

    def step(y: np.ndarray) -> np.ndarray:
        nonlocal memory
        memory = mu * memory + (1 - mu) * problem.gradient(y)
        return -problem.lr * np.sign(memory)

    return step


GD = Optimiser("gd", "plain gradient descent: Euler's method for the flow", "Cauchy (1847)", gradient_descent)
MOMENTUM = Optimiser("momentum", "gradient descent with a heavy ball", "Polyak (1964)", momentum, _pace)
NESTEROV = Optimiser("nesterov", "gradient descent with Nesterov's look-ahead", "Nesterov (1983)", nesterov, _pace)
RMSPROP = Optimiser("rmsprop", "gradient over its root mean square", "Tieleman & Hinton (2012)", rmsprop)
ADAM = Optimiser("adam", "averaged gradient over its root mean square", "Kingma & Ba, arXiv:1412.6980 (2015)", adam)
SIGN = Optimiser("sign", "the sign of the gradient only", "Bernstein et al., arXiv:1802.04434 (2018)", sign_descent)
