"""RMSProp and Adam: every coordinate has its own step, set by the size of its recent gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.parts.checks import fraction, non_negative
from dynsim.integrate.optimisers.parts.problem import Problem


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


OPTIMISERS = (
    Optimiser("rmsprop", "gradient over its root mean square", "Tieleman & Hinton (2012)", rmsprop),
    Optimiser("adam", "averaged gradient over its root mean square", "Kingma & Ba, arXiv:1412.6980 (2015)", adam),
)
