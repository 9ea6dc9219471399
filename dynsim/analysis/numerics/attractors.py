"""What attracts: the equilibria that a search has found, and what runs show by resting or circling there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from dynsim.analysis.algebra.equilibrium import Equilibria, Equilibrium
from dynsim.analysis.numerics.cycles import Cycle, cycle_near
from dynsim.analysis.numerics.fate import fate_of
from dynsim.analysis.stability import in_order, kind_of, transverse_growth
from dynsim.field import Field
from dynsim.symbolic.flow import Flow

__all__ = ["Attractors"]

# Transverse decay must have had this many time constants, or nothing is decided.
_TIMES = 10.0
# Two rests nearer than this, relative to the size of the surroundings, are one.
_SAME = 1e-5
# Runs that rest are within this of their rest.
_RESTING = 1e-6
_ZERO = 1e-9  # an eigenvalue smaller than this, relative to the largest, is zero
_CIRCLING = 8  # runs that are followed to see whether they circle


@dataclass(frozen=True)
class _Set:
    """Rests that are not isolated: all on which the Jacobian has as many zero eigenvalues."""

    dimension: int
    point: np.ndarray

    @property
    def kind(self) -> str:
        return "line" if self.dimension == 1 else f"surface of dimension {self.dimension}"


class Attractors:
    """Equilibria, sets of them and cycles, and which of them the end of a run belongs to.

    Parameters
    ----------
    flow : Flow
    field : Field
        Of the flow, at the parameters in question.
    found : Equilibria
        Known beforehand.
    size : float
        Of the surroundings: distances are measured against it.
    """

    def __init__(self, flow: Flow, field: Field, found: Equilibria, size: float) -> None:
        self.flow, self.field, self.size = flow, field, size
        self.items: list[Equilibrium | _Set | Cycle] = list(found)
        self.known = len(self.items)

    def assign(self, ends: np.ndarray, within: float, after: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Index of the nearest attractor within a distance, −1 if there is none, and the nearest point on it.

        Where it took the time `after` to come there only equilibria count that attract fast enough.
        """
        nearest, points = np.full(ends.shape[1], -1, dtype=np.int32), np.full(ends.shape, np.nan)
        best = np.full(ends.shape[1], within)
        for index, item in enumerate(self.items):
            with np.errstate(invalid="ignore"):  # a run without bound is nowhere near
                places, growth = self._nearest(item, ends)
                gap = ends - places
            distance = np.linalg.norm(np.nan_to_num(gap, nan=np.inf, posinf=np.inf, neginf=-np.inf), axis=0)
            chosen = distance <= best
            if after is not None:
                chosen &= growth * after < -_TIMES
            nearest[chosen], best[chosen] = index, distance[chosen]
            points[:, chosen] = np.nan if isinstance(item, Cycle) else places[:, chosen]
        return nearest, points

    def learn_rests(self, ends: np.ndarray, after: float) -> int:
        """Add the equilibria at which runs have come to rest after some time; how many were new."""
        places, dimension, growth = self._rests(ends)
        decided = (dimension >= 0) & (growth * after < -_TIMES)
        count = len(self.items)
        for k in np.unique(dimension[decided & (dimension > 0)]):
            first = places[:, np.flatnonzero(decided & (dimension == k))[0]]
            if not any(isinstance(item, _Set) and item.dimension == k for item in self.items):
                self.items.append(_Set(int(k), first))
        isolated = places[:, decided & (dimension == 0)].T
        for point in isolated[np.unique(np.round(isolated / (_SAME * self.size)), axis=0, return_index=True)[1]]:
            others = [np.array(self._point(item)) for item in self.items if not isinstance(item, _Set | Cycle)]
            if any(np.linalg.norm(point - other) <= 10 * _SAME * self.size for other in others):
                continue
            eigenvalues = in_order(np.linalg.eigvals(self.field.jacobian(0.0, point)))
            values = dict(zip(self.flow.states, map(float, point), strict=True))
            self.items.append(Equilibrium(values, None, eigenvalues, kind_of(eigenvalues)))
        return len(self.items) - count

    def learn_cycles(self, ends: np.ndarray) -> int:
        """Add the stable cycles on which some of the runs are found; how many were new."""
        count = len(self.items)
        finite = ends[:, np.isfinite(ends).all(axis=0)]
        last = finite.shape[1] - 1
        chosen = np.unique(np.linspace(0, last, _CIRCLING).astype(int)) if last >= 0 else np.zeros(0, dtype=int)
        for index in chosen:
            y = finite[:, index]
            if self.assign(y[:, None], 1e-3 * self.size)[0][0] >= count:
                continue
            fate = fate_of(self.field, y)
            if fate.kind != "periodic" or fate.place is None:
                continue
            cycle = cycle_near(self.field, fate.place, fate.period)
            if cycle is not None and cycle.stable:
                self.items.append(cycle)
        return len(self.items) - count

    def described(self) -> dict[str, Any]:
        """Variables over the dimension `equilibrium`."""
        points = np.array([self._point(item) for item in self.items]).reshape(len(self.items), len(self.flow.states))
        kinds = ["limit cycle" if isinstance(item, Cycle) else item.kind for item in self.items]
        periods = [item.period if isinstance(item, Cycle) else np.nan for item in self.items]
        learned = np.arange(len(self.items)) >= self.known
        return {
            "kind": ("equilibrium", np.array(kinds, dtype=str)),
            "learned": ("equilibrium", learned.astype(np.int8)),
            "period": ("equilibrium", np.array(periods, dtype=float)),
            **{f"at_{name}": ("equilibrium", points[:, i]) for i, name in enumerate(self.flow.states)},
        }

    def _point(self, item: Equilibrium | _Set | Cycle) -> list[float]:
        if isinstance(item, _Set):
            return [np.nan] * len(self.flow.states)
        if isinstance(item, Cycle):
            return [float(item.orbit[name].values[0]) for name in self.flow.states]
        return [np.nan if item.free == name else float(item.point[name]) for name in self.flow.states]

    def _rests(self, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rest next to each end, the dimension of the set it lies in (−1: none), and the growth across it."""
        places, count = np.array(ends, dtype=float), ends.shape[1]
        dimension, growth = np.full(count, -1), np.full(count, np.nan)
        active = np.isfinite(ends).all(axis=0)
        with np.errstate(all="ignore"):
            for _ in range(5):
                rows = np.flatnonzero(active)
                if not rows.size:
                    break
                matrix = np.moveaxis(np.asarray(self.field.jacobian(0.0, places[:, rows])), -1, 0)
                velocity = np.asarray(self.field.f(0.0, places[:, rows]))
                usable = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(velocity).all(axis=0)
                active[rows[~usable]] = False
                rows, matrix, velocity = rows[usable], matrix[usable], velocity[:, usable]
                if not rows.size:
                    break
                values = np.linalg.eigvals(matrix)
                largest = np.abs(values).max(axis=1, keepdims=True)
                zero = np.abs(values) <= _ZERO * largest
                step = np.einsum("kij,jk->ik", np.linalg.pinv(matrix, rcond=_ZERO), velocity)
                drift = np.abs(velocity - np.einsum("kij,jk->ik", matrix, step)).max(axis=0)
                places[:, rows] -= step
                across = np.where(zero, -np.inf, values.real).max(axis=1)
                near = np.linalg.norm(places[:, rows] - ends[:, rows], axis=0) <= _RESTING * self.size
                good = near & (across < 0) & (largest[:, 0] > 0) & (drift <= 1e-9 * self.size * largest[:, 0])
                dimension[rows], growth[rows] = np.where(good, zero.sum(axis=1), -1), np.where(good, across, np.nan)
                active[rows[~good]] = False
        return places, dimension, growth

    def _nearest(self, item: Equilibrium | _Set | Cycle, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest point of an attractor to every end, and the largest transverse growth rate there."""
        flow, field = self.flow, self.field
        if isinstance(item, _Set):
            flat = ends.reshape(len(ends), -1)
            places, dimension, growth = self._rests(flat)
            places[:, dimension != item.dimension] = np.nan
            return places.reshape(ends.shape), growth.reshape(ends.shape[1:])
        if isinstance(item, Cycle):
            points = np.array([item.orbit[name].values for name in flow.states])
            return _on_path(points, ends)[0], np.full(ends.shape[1:], item.growth)
        if item.curve is not None and item.free is not None:
            free = ends[flow.states.index(item.free)]
            path = item.along(free)
            return np.array([path[name] for name in flow.states]), item.growth(free)
        if item.trace is not None:
            points = np.array([item.trace[name] for name in flow.states])
            places, closest = _on_path(points, ends)
            growth = transverse_growth(field, points)
            return places, growth[closest].reshape(ends.shape[1:])
        point = np.array([float(item.point[name]) for name in flow.states])
        fastest = max(complex(value).real for value in item.eigenvalues)
        places = np.broadcast_to(point[(slice(None), *[None] * (ends.ndim - 1))], ends.shape)
        return places, np.full(ends.shape[1:], fastest)


def _on_path(points: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest places on a path, and the points of it that are next to them.

    Between its points a path is as good as straight: only the part across it is distance.
    """
    flat = np.nan_to_num(ends.reshape(len(ends), -1), nan=1e150, posinf=1e150, neginf=-1e150)
    _, closest = cKDTree(points.T).query(flat.T)
    along = np.gradient(points, axis=1)[:, closest]
    along /= np.linalg.norm(along, axis=0)
    offset = flat - points[:, closest]
    spacing = np.linalg.norm(np.diff(points, axis=1), axis=0).max()
    places = points[:, closest] + along * np.clip(np.sum(offset * along, axis=0), -spacing, spacing)
    return places.reshape(ends.shape), closest
