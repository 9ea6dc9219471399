"""Follow a curve F(z) = 0 of m equations in m + 1 unknowns by pseudo-arclength, round its folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Curve", "Traced", "correct", "tangent", "trace"]

Function = Callable[[np.ndarray], np.ndarray]

_TOLERANCE = 1e-12
_ROUNDING = 1e-9  # a Newton step that no longer falls below this is rounding noise
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


@dataclass(frozen=True)
class Traced:
    """Points along a curve, of shape ``(points, m + 1)``, and why there are no more."""

    points: np.ndarray
    end: str


def tangent(curve: Curve, z: np.ndarray, towards: np.ndarray | None = None) -> np.ndarray:
    """Unit tangent in scaled units, on the side of `towards`."""
    direction = np.linalg.svd(curve.jacobian(z) * curve.scale)[2][-1]
    return -direction if towards is not None and direction @ towards < 0 else direction


def correct(curve: Curve, guess: np.ndarray, along: np.ndarray) -> np.ndarray | None:
    """Newton's method in the plane through `guess` across `along`; None where it does not converge."""
    z, before = guess.copy(), np.inf
    for _ in range(_NEWTON_STEPS):
        residual = np.append(curve.function(z), along @ ((z - guess) / curve.scale))
        matrix = np.vstack([curve.jacobian(z) * curve.scale, along])
        if not (np.isfinite(residual).all() and np.isfinite(matrix).all()):
            return None
        try:
            step = np.linalg.solve(matrix, residual)
        except np.linalg.LinAlgError:
            return None
        z = z - step * curve.scale
        moved = np.abs(step).max() / max(1.0, np.abs(z / curve.scale).max())
        if moved <= _TOLERANCE or (moved <= _ROUNDING and moved >= before / 2):
            return z
        before = moved
    return None


def trace(
    curve: Curve,
    start: np.ndarray,
    direction: np.ndarray,
    leaves: Callable[[np.ndarray], str],
    *,
    step: float = 0.01,
    longest: float = 0.02,
    most: int = 2000,
) -> Traced:
    """Points along the curve from `start` until `leaves` says why to stop, it closes, or it gets lost.

    Parameters
    ----------
    curve : Curve
    start : array of shape ``(m + 1,)``
        A point of the curve.
    direction : array
        Unit tangent in scaled units: the way to go.
    leaves : callable
        Empty while a point is of interest, else why it is not; the first such point ends the curve and is kept.
    step, longest : float
        First and longest step, in scaled units.
    most : int
        Largest number of points.

    Notes
    -----
    The unit of a coordinate grows with the extent of the curve in it, so that a curve of a size that nobody
    foresaw takes a number of steps that is logarithmic in that size.
    """
    points, size = [start], step
    ahead, unit = direction * curve.scale, curve
    low = high = start
    end = f"{most} points"
    while len(points) < most:
        if size <= _SMALLEST:
            end = "lost: no step, however short, leads on (the field may jump or have no derivative there)"
            break
        along = tangent(unit, points[-1], ahead / unit.scale)
        found = correct(unit, points[-1] + size * along * unit.scale, along)
        if found is not None:
            turned = tangent(unit, found, along)
            moved = np.linalg.norm((found - points[-1]) / unit.scale)
            if turned @ along < 0.9 or moved > 2 * size:  # a bend too sharp, or a jump to another curve
                found = None
        if found is None:
            size /= 2
            continue
        points.append(found)
        ahead = turned * unit.scale
        end = leaves(found)
        if end:
            break
        if len(points) > 10 and _returns(unit, points[-2], found, start, along):
            points[-1] = start
            end = "closed"
            break
        end = f"{most} points"
        low, high = np.minimum(low, found), np.maximum(high, found)
        grown = np.maximum(curve.scale, (high - low) / 2)
        grown[-1] = curve.scale[-1]
        unit = replace(curve, scale=grown)
        size = min(1.3 * size, longest)
    return Traced(np.array(points), end)


def _returns(curve: Curve, a: np.ndarray, b: np.ndarray, start: np.ndarray, along: np.ndarray) -> bool:
    """Whether the curve passes through its start on a step from a to b, and not only near it."""
    way, back = (b - a) / curve.scale, (start - a) / curve.scale
    share = float(back @ along) / max(float(way @ along), 1e-300)
    if not (0 <= share <= 1 and np.linalg.norm(back) <= 1.5 * np.linalg.norm(way)):
        return False
    found = correct(curve, a + share * float(way @ along) * along * curve.scale, along)
    return found is not None and bool(np.linalg.norm((found - start) / curve.scale) <= 1e-3 * np.linalg.norm(way))
