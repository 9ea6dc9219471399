"""Newton and Gauss–Newton: steps that know the curvature. One looks for a root of the field, one for least squares."""

from __future__ import annotations

import numpy as np

from dynsim.errors import bad
from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.parts.checks import non_negative
from dynsim.integrate.optimisers.parts.problem import Problem
from dynsim.integrate.optimisers.parts.residuals import residuals_of

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
        jacobian = problem.field.jacobian(0.0, y)[np.ix_(rows, rows)] - mu * np.eye(len(rows))[..., None]
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


OPTIMISERS = (
    Optimiser("newton", "root finding on the field: J⁺f", "Nocedal & Wright (2006), chapter 11", newton),
    Optimiser("gauss-newton", "least squares on a loss Σr²", "Nocedal & Wright (2006), chapter 10", gauss_newton),
)
