"""Sign descent: every coordinate moves by the step size, whatever the size of its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.parts.checks import fraction
from dynsim.integrate.optimisers.parts.problem import Problem


def sign_descent(problem: Problem, *, momentum: float = 0.0) -> Step:
    """Iterate m ← μm + (1 − μ)g, y ← y − lr·sign(m)."""
    mu = fraction("momentum", momentum)
    memory: Any = 0.0

    def step(y: np.ndarray) -> np.ndarray:
        nonlocal memory
        memory = mu * memory + (1 - mu) * problem.gradient(y)
        return -problem.lr * np.sign(memory)

    return step


OPTIMISERS = (
    Optimiser("sign", "the sign of the gradient only", "Bernstein et al., arXiv:1802.04434 (2018)", sign_descent),
)
