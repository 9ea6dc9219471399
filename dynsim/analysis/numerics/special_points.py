"""Folds, branch points and Hopf points along a branch of equilibria, each solved for, not interpolated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.optimize import root

from dynsim.analysis.numerics.arclength import Curve, correct, tangent
from dynsim.analysis.numerics.parameter_field import ParameterField

__all__ = ["branch_point", "fold", "hopf", "special_points"]

_ACCURACY = 1e-10
_REAL = 1e-6  # an imaginary part below this is none
_SAME = 1e-2  # a fold nearer to a branch point is that point, at which the equations of a fold are singular


def special_points(field: ParameterField, curve: Curve, points: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ("fold" | "branch point" | "hopf", z) for every sign change of its test function along a branch."""
    n = len(field.flow.states)
    ahead = tangent(curve, points[0], points[min(1, len(points) - 1)] - points[0])
    before = _tests(field, curve, points[0], ahead)
    for left, right in pairwise(points):
        ahead = tangent(curve, right, ahead)
        after = _tests(field, curve, right, ahead)
        turned: dict[str, np.ndarray] = {}
        for kind, solve in (("branch point", branch_point), ("fold", fold)):
            if before[kind] * after[kind] < 0:
                found = solve(field, (left + right) / 2)
                if found is not None and np.linalg.norm((found - left) / curve.scale) < 0.2:
                    turned[kind] = found
        if len(turned) == 2 and np.linalg.norm((turned["fold"] - turned["branch point"]) / curve.scale) < _SAME:
            del turned["fold"]  # a branch that turns round in a branch point, as at a pitchfork
        yield from turned.items()
        if n > 1 and before["hopf"] * after["hopf"] < 0:
            found = hopf(field, curve, left, right)
            if found is not None:
                yield "hopf", found
        before = after


def _tests(field: ParameterField, curve: Curve, z: np.ndarray, ahead: np.ndarray) -> dict[str, float]:
    values = field.eigenvalues(z)
    sums = [values[i] + values[j] for i in range(len(values)) for j in range(i)]
    return {
        "fold": float(ahead[-1]),
        "branch point": float(np.linalg.det(np.vstack([curve.jacobian(z) * curve.scale, ahead]))),
        "hopf": float(np.real(np.prod(sums))) if sums else 0.0,
    }


def fold(field: ParameterField, guess: np.ndarray) -> np.ndarray | None:
    """Solve f = 0, ∂f/∂y·v = 0, |v| = 1 from a nearby guess."""
    n = len(field.flow.states)
    v = np.linalg.svd(field.jacobian(guess)[:, :n])[2][-1]

    def equations(x: np.ndarray) -> np.ndarray:
        z, w = x[: n + 1], x[n + 1 :]
        return np.concatenate([field.function(z), field.jacobian(z)[:, :n] @ w, [w @ w - 1]])

    return _solved(equations, np.concatenate([guess, v]), n + 1)


def branch_point(field: ParameterField, guess: np.ndarray) -> np.ndarray | None:
    """Solve f + μv = 0, (∂f/∂z)ᵀv = 0, |v| = 1 (Griewank & Reddien 1984); μ vanishes at a true branch point."""
    n = len(field.flow.states)
    v = np.linalg.svd(field.jacobian(guess).T)[2][-1]

    def equations(x: np.ndarray) -> np.ndarray:
        z, w, mu = x[: n + 1], x[n + 1 : -1], x[-1]
        return np.concatenate([field.function(z) + mu * w, field.jacobian(z).T @ w, [w @ w - 1]])

    found = _solved(equations, np.concatenate([guess, v, [0.0]]), n + 1)
    return found if found is not None and np.abs(field.function(found)).max() < 1e-8 else None


def hopf(field: ParameterField, curve: Curve, left: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """Bisect the real part of the complex pair that crosses the imaginary axis between two points of the branch."""
    along = tangent(curve, left, (right - left) / curve.scale)
    reach = along @ ((right - left) / curve.scale)

    def pair(share: float) -> tuple[np.ndarray, complex] | None:
        z = correct(curve, left + share * reach * along * curve.scale, along)
        if z is None:
            return None
        values = field.eigenvalues(z)
        turning = values[values.imag > _REAL]
        return None if turning.size == 0 else (z, turning[np.argmin(np.abs(turning.real))])

    low, high = 0.0, 1.0
    ends = pair(low), pair(high)
    if ends[0] is None or ends[1] is None or ends[0][1].real * ends[1][1].real > 0:
        return None  # two real eigenvalues of opposite sign cross: a neutral saddle, no Hopf point
    sign, found = np.sign(ends[0][1].real), ends[0][0]
    for _ in range(60):
        middle = (low + high) / 2
        here = pair(middle)
        if here is None:
            return None
        found = here[0]
        low, high = (middle, high) if np.sign(here[1].real) == sign else (low, middle)
    return found


def _solved(equations: object, guess: np.ndarray, count: int) -> np.ndarray | None:
    with np.errstate(all="ignore"):
        result = root(equations, guess, method="lm", options={"xtol": 1e-15, "ftol": 1e-15})
    good = np.isfinite(result.x).all() and np.abs(result.fun).max() < _ACCURACY
    return np.asarray(result.x[:count]) if good else None
