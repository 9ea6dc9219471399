"""Follow a curve F(z) = 0 of m equations in m + 1 unknowns by pseudo-arclength, round its folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "correct", "tangent", "trace"]

Function = Callable[[np.ndarray], np.ndarray]

_TOLERANCE = 1e-12
_NEWTON_STEPS = 12
_SMALLEST = 1e-7  # step, in units of the scaled arclength


@dataclass(frozen=True)
class Curve:
    """Equations of a curve, and the scale of each unknown.

    Attributes
    ----------
    function, jacobian : callable
        ``function(z)`` of shape ``(m,)`` and ``jacobian(z)`` of shape ``(m, m + 1)``.
    scale : array of shape ``(m + 1,)``
        A typical size of each unknown; steps are measured in these units.
    """

    function: Function
    jacobian: Function
    scale: np.ndarray


def tangent(curve: Curve, z: np.ndarray, towards: np.ndarray | None = None) -> np.ndarray:
    """Unit tangent in scaled units, on the side of `towards`."""
    direction = np.linalg.svd(curve.jacobian(z) * curve.scale)[2][-1]
    return -direction if towards is not None and direction @ towards < 0 else direction


def correct(curve: Curve, guess: np.ndarray, along: np.ndarray) -> np.ndarray | None:
    """Newton's method in the plane through `guess` across `along`; None where it does not converge."""
    z = guess.copy()
    for _ in range(_NEWTON_STEPS):
        residual = np.append(curve.function(z), along @ ((z - guess) / curve.scale))
        if not np.isfinite(residual).all():
            return None
        matrix = np.vstack([curve.jacobian(z) * curve.scale, along])
        try:
            step = np.linalg.solve(matrix, residual)
        except np.linalg.LinAlgError:
            return None
        z = z - step * curve.scale
        if np.abs(step).max() <= _TOLERANCE * max(1.0, np.abs(z / curve.scale).max()):
            return z
    return None


def trace(
    curve: Curve,
    start: np.ndarray,
    direction: np.ndarray,
    inside: Callable[[np.ndarray], bool],
    *,
    step: float = 0.01,
    longest: float = 0.02,
    most: int = 2000,
) -> np.ndarray:
    """Points along the curve from `start` until it leaves `inside`, closes, or gets lost.

    Parameters
    ----------
    curve : Curve
    start : array of shape ``(m + 1,)``
        A point of the curve.
    direction : array
        Unit tangent in scaled units: the way to go.
    inside : callable
        Whether a point is still of interest; the first one that is not ends the curve and is kept.
    step, longest : float
        First and longest step, in scaled units.
    most : int
        Largest number of points.

    Returns
    -------
    array of shape ``(points, m + 1)``
    """
    points, ahead, size = [start], direction, step
    while len(points) < most and size > _SMALLEST:
        along = tangent(curve, points[-1], ahead)
        found = correct(curve, points[-1] + size * along * curve.scale, along)
        if found is not None:
            turned = tangent(curve, found, along)
            moved = np.linalg.norm((found - points[-1]) / curve.scale)
            if turned @ along < 0.9 or moved > 2 * size:  # a bend too sharp, or a jump to another curve
                found = None
        if found is None:
            size /= 2
            continue
        points.append(found)
        ahead = turned
        if not inside(found):
            break
        if len(points) > 10 and np.linalg.norm((found - start) / curve.scale) < size / 2:
            points.append(start)  # closed
            break
        size = min(1.3 * size, longest)
    return np.array(points)
