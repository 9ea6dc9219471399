"""One-dimensional invariant curves: an orbit from a point, drawn by its arc length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import solve_ivp
from scipy.spatial import cKDTree

__all__ = ["SAMPLES", "leave_along", "orbit"]

SAMPLES = 201

_CLOSE = 1e-3  # two pieces of a path that are this near, in diameters of the box, cannot be told apart
_LOOP = 20.0  # pieces of a path with less of it between them, in units of the former, are neighbours

Velocity = Callable[[np.ndarray], np.ndarray]


def orbit(
    velocity: Velocity,
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    stops: Sequence[Callable[[np.ndarray], float]] = (),
) -> np.ndarray:
    """Follow an orbit until it leaves a box, comes to rest, returns to where it was, or one of `stops` vanishes.

    Returns
    -------
    array of shape ``(SAMPLES, size)``
        Equally spaced in arc length, from the start on.
    """
    margin, diameter = 0.02 * (high - low), float(np.linalg.norm(high - low))
    scale = float(np.median([np.linalg.norm(velocity(point)) for point in np.linspace(low, high, 11)])) or 1.0

    def slowed(_: float, y: np.ndarray) -> np.ndarray:
        # Nearly unit speed, so that time is arc length; at rest it still comes to rest.
        value = velocity(y)
        return value / (np.linalg.norm(value) + 1e-4 * scale)

    def inside(_: float, y: np.ndarray) -> float:
        return float(min(np.min(y - low + margin), np.min(high + margin - y)))

    def moving(_: float, y: np.ndarray) -> float:
        return float(np.linalg.norm(velocity(y)) - 1e-9 * scale)

    def stop(function: Callable[[np.ndarray], float]) -> Callable[[float, np.ndarray], float]:
        sign = np.sign(function(start)) or 1.0
        return lambda _, y: sign * function(y)

    def away(_: float, y: np.ndarray) -> float:
        return float(np.linalg.norm(y - start) - _CLOSE * diameter)  # falls through zero where the orbit comes back

    events = [inside, moving, away, *map(stop, stops)]
    for event in events:
        event.terminal, event.direction = True, -1  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        run = solve_ivp(
            slowed,
            (0.0, 10 * diameter),
            start,
            method="DOP853",
            rtol=1e-11,
            atol=1e-13,
            dense_output=True,
            events=events,
        )
    fine = np.linspace(0.0, run.t[-1], 20 * SAMPLES)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(run.sol(fine), axis=1), axis=0))])
    dense = np.linspace(0.0, lengths[-1], max(2, int(2 * lengths[-1] / (_CLOSE * diameter))))
    end = _first_return(run.sol(np.interp(dense, lengths, fine)).T, dense, _CLOSE * diameter)
    return run.sol(np.interp(np.linspace(0.0, end, SAMPLES), lengths, fine)).T


def _first_return(path: np.ndarray, lengths: np.ndarray, close: float) -> float:
    """Length after which a path runs along itself, as on a loop or a spiral that has become too tight to see."""
    first, second = cKDTree(path).query_pairs(close, output_type="ndarray").reshape(-1, 2).T
    far = lengths[second] - lengths[first] > _LOOP * close
    first, second = first[far], second[far]
    ahead = np.gradient(path, axis=0) if len(path) > 1 else path
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1), 1e-300)[:, None]
    parallel = np.einsum("ij,ij->i", ahead[first], ahead[second]) > 0.9
    # Back at the very start the direction need not be the first one: a loop enters its saddle across its way out.
    closes = parallel | (lengths[first] <= close)
    return float(lengths[second[closes].min(initial=len(path) - 1)])


def leave_along(
    jacobian: Callable[[np.ndarray], np.ndarray], point: np.ndarray, rate: float, direction: np.ndarray, step: float
) -> np.ndarray:
    """A point of the invariant curve that leaves an equilibrium along an eigenvector, to third order in `step`.

    The curve is x + εv + ε²w + …, and invariance asks (2λ − J)w = ½ D²f(v, v).
    """
    curvature = (jacobian(point + step * direction) - jacobian(point - step * direction)) @ direction / (2 * step)
    matrix = 2 * rate * np.eye(len(point)) - jacobian(point)
    bend = np.linalg.lstsq(matrix, curvature / 2, rcond=None)[0]
    return point + step * direction + step**2 * bend
