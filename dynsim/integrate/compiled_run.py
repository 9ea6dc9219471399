"""One trajectory by the compiled engine, with the interface of the other solvers: same events, same endings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.field import Field
from dynsim.integrate.batch import EnsembleArrays, Members
from dynsim.integrate.engines import choose
from dynsim.integrate.events import Watched, change_of_sign, sign_changes
from dynsim.integrate.solver import Settings, Trajectory
from dynsim.status import Status

__all__ = ["compiled_trajectory"]


class _Engine:
    """States of the one run at any times."""

    def __init__(self, bound: Any, y0: np.ndarray, settings: Settings) -> None:
        self.bound, self.y0, self.rtol = bound, y0[:, None], settings.rtol
        self.atol = settings.atol or 1e-13 * (float(np.abs(y0).max(initial=0.0)) or 1.0)
        self.engine = choose("compiled", bound.flow, False).engine

    def run(self, times: np.ndarray) -> EnsembleArrays:
        batch = Members(self.bound.flow, self.y0, self.bound.values, times, self.rtol, self.atol)
        run = EnsembleArrays.empty(batch.field, 1, len(times))
        self.engine(batch, run)
        return run

    def states(self, times: np.ndarray) -> np.ndarray:
        """States of shape ``(size, len(times))``; the times increase."""
        at = np.asarray(times, dtype=float)
        if at[0] == 0.0:
            later = self.run(at[1:]).states[:, 0] if len(at) > 1 else np.empty((len(self.y0), 0))
            return np.concatenate([self.y0, later], axis=1)
        return self.run(at).states[:, 0]


def compiled_trajectory(
    bound: Any, field: Field, y0: np.ndarray, grid: np.ndarray, settings: Settings, events: Sequence[Watched]
) -> Trajectory:
    """Integrate from time 0 to the last time of the grid with machine code.

    Raises
    ------
    MissingExtra, InvalidValue
        The flow cannot be compiled, or something is asked for that the engine does not do.
    """
    if bound is None:
        raise bad("method", "compiled", "a Flow, whose equations can be compiled", "take method='DOP853'")
    if grid[-1] < 0 or np.isfinite(settings.max_step) or settings.breakpoints:
        what = "a run forward in time without max_step and breakpoints"
        raise bad("method", "compiled", what, "take method='DOP853'")
    engine = _Engine(bound, y0, settings)
    if grid[-1] == 0.0:
        return Trajectory(y0[:, None], 0.0, Status.OK, y0)
    run = engine.run(grid[grid > 0] if grid[0] == 0.0 else grid)
    states = engine.states(grid) if grid[0] == 0.0 and len(grid) == 1 else _with_start(run, y0, grid)
    status = Status(int(run.status[0]))
    known = np.isfinite(states).all(axis=0)
    done = len(grid) if known.all() else int(np.argmin(known))
    reached = float(grid[-1]) if done == len(grid) else float(grid[done - 1]) if done else 0.0
    last = states[:, done - 1] if done else y0
    found = Trajectory(states, reached, status, last, steps=int(run.steps[0]))
    if events and reached > 0:
        _happenings(engine, found, grid, events)
    if found.status == Status.AT_REST and not any(events[hit[1]].label == "rest" for hit in found.hits):
        found.status = Status.OK  # solve says so itself
    return found


def _with_start(run: EnsembleArrays, y0: np.ndarray, grid: np.ndarray) -> np.ndarray:
    found = run.states[:, 0]
    return np.concatenate([y0[:, None], found], axis=1) if grid[0] == 0.0 else found


def _happenings(engine: _Engine, found: Trajectory, grid: np.ndarray, events: Sequence[Watched]) -> None:
    """Record the events, panel by panel, and end the run at the first terminal one."""
    edges = np.linspace(0.0, found.reached, max(found.steps, 1) + 1)
    edges = np.unique(np.concatenate([edges, grid[grid <= found.reached], [0.0]]))
    at_edges = engine.states(edges)
    hits: list[tuple[float, int]] = []
    for index, event in enumerate(events):
        if event.label == "rest":
            hits += [(time, index) for time in _rest(engine, event, edges, at_edges)]
            continue

        def along(times: np.ndarray, event: Watched = event) -> np.ndarray:
            return np.asarray(event.function(times, engine.states(times)), dtype=float)

        sign = 0.0
        for left, right in pairwise(edges):
            for time, new in sign_changes(along, float(left), float(right)):
                if new != sign and new * event.direction >= 0:
                    hits.append((time, index))
                sign = new
    counts = [0] * len(events)
    for time, index in sorted(hits):
        y = engine.states(np.array([time]))[:, 0] if time > 0 else engine.y0[:, 0]
        found.hits.append((time, index, y))
        counts[index] += 1
        if events[index].terminal and counts[index] >= events[index].terminal:
            resting = events[index].label == "rest"
            found.status = Status.AT_REST if resting else Status.EVENT
            found.reached, found.last = time, y
            found.states[:, grid > time] = y[:, None] if resting else np.nan
            return


def _rest(engine: _Engine, event: Watched, edges: np.ndarray, states: np.ndarray) -> list[float]:
    """When the run comes to rest, if it does."""
    moving = np.array([event.function(t, y) for t, y in zip(edges, states.T, strict=True)])
    at = int(np.argmax(moving <= 0))
    if not moving[at] <= 0:
        return []
    if at == 0:
        return [0.0]

    def distance(times: np.ndarray) -> np.ndarray:
        return np.array([event.function(t, y) for t, y in zip(times, engine.states(times).T, strict=True)])

    return [change_of_sign(distance, float(edges[at - 1]), float(edges[at]))]
