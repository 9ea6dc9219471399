"""One branch of equilibria: its points, its scales, and how it is followed both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynsim.analysis.numerics.arclength import Curve, Traced, correct, tangent, trace
from dynsim.analysis.numerics.parameter_field import ParameterField
from dynsim.analysis.numerics.start_search import widths_of
from dynsim.symbolic.flow import Flow

__all__ = ["Branch", "followed", "scales_of", "within"]

_FAR, _FAR_FROM_VIEW = 1e4, 1e2  # where a branch is left, in units of its start or of the flow's view


@dataclass(frozen=True)
class Branch:
    """A branch: its points, the scales of its unknowns, and why it has no more points at either end."""

    points: np.ndarray
    start_scale: np.ndarray
    before: str
    after: str

    @property
    def scale(self) -> np.ndarray:
        """What the branch spans, at least the size of its start."""
        return np.maximum(self.start_scale, np.append(np.ptp(self.points[:, :-1], axis=0) / 2, 0.0))

    def has(self, z: np.ndarray) -> bool:
        """Whether a point lies on it."""
        points, way = self.points / self.scale, z / self.scale
        steps = np.diff(points, axis=0)
        length = np.maximum((steps**2).sum(1), 1e-300)
        share = np.clip(((way - points[:-1]) * steps).sum(1) / length, 0, 1)
        gap = np.linalg.norm(points[:-1] + share[:, None] * steps - way, axis=1)
        return bool(gap.min() < 1e-3)


def scales_of(flow: Flow, starts: list[np.ndarray], low: float, high: float) -> list[np.ndarray]:
    """Typical sizes at each start: its own, so that far branches do not blind those near by.

    A state that is zero there has the smallest size that it has at other starts, at most its width in the view.
    """
    widths = np.array(widths_of(flow))
    sizes = np.abs(np.array(starts).reshape(len(starts), len(widths) + 1)[:, :-1])
    counted = sizes > 1e-9 * widths
    smallest = np.minimum(widths, np.where(counted, sizes, np.inf).min(axis=0, initial=np.inf))
    return [np.append(row, high - low) for row in np.where(counted, sizes, smallest)]


def followed(
    rhs: ParameterField, curve: Curve, z: np.ndarray, direction: np.ndarray | None, low: float, high: float
) -> Branch:
    """Both ways from a point, or one way from a branch point."""
    name, states = rhs.free[0], rhs.flow.states
    seen = np.array([_FAR_FROM_VIEW if state in rhs.flow.view else _FAR for state in states])
    far = np.maximum(seen * np.maximum(curve.scale[:-1], widths_of(rhs.flow)), 10 * np.abs(z[:-1]))

    def leaves(point: np.ndarray) -> str:
        if not within(point[-1], low, high):
            return f"leaves the span at {name} = {low if point[-1] < (low + high) / 2 else high:g}"
        beyond = np.abs(point[:-1]) > far
        if beyond.any():
            index = int(np.flatnonzero(beyond)[0])
            return f"|{states[index]}| grows beyond {far[index]:.3g} towards {name} = {point[-1]:.4g}"
        return ""

    if direction is not None:
        away = correct(curve, z + 0.005 * direction * curve.scale, direction)
        if away is None:
            return Branch(z[None], curve.scale, "", "")
        traced = trace(curve, away, tangent(curve, away, direction), leaves)
        points = np.vstack([z, traced.points])
        return Branch(points, curve.scale, f"branches off at {name} = {z[-1]:.6g}", traced.end)
    ahead = tangent(curve, z)
    forward = trace(curve, z, ahead, leaves)
    if forward.end == "closed":  # once round is enough
        return Branch(forward.points, curve.scale, forward.end, forward.end)
    backward: Traced = trace(curve, z, -ahead, leaves)
    points = np.vstack([backward.points[:0:-1], forward.points])
    return Branch(points, curve.scale, backward.end, forward.end)


def within(value: float, low: float, high: float) -> bool:
    """Strictly inside the span: at its ends parameters such as η = 0 often leave a line of equilibria."""
    margin = 1e-9 * (high - low)
    return bool(low + margin < value < high - margin)
