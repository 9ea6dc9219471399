"""One trajectory by the compiled engine, with the interface of the other solvers: same events, same endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.field import Field
from dynsim.integrate.batch import EnsembleArrays, Members
from dynsim.integrate.engines import choose, why_not_compiled
from dynsim.integrate.events import Watched, change_of_sign, sign_changes
from dynsim.integrate.solver import Settings, Trajectory
from dynsim.status import Status
from dynsim.symbolic.compiled import FlowField

__all__ = ["compiled_states", "compiled_trajectory"]


class _Engine:
    """States of the one run at any times."""

    def __init__(self, bound: Any, field: Field, y0: np.ndarray, settings: Settings) -> None:
        self.bound, self.field, self.y0, self.rtol = bound, field, y0[:, None], settings.rtol
        self.atol = settings.atol or 1e-13 * (float(np.abs(y0).max(initial=0.0)) or 1.0)
        self.engine = choose("compiled", bound.flow, False).engine

    def run(self, times: np.ndarray) -> EnsembleArrays:
        """The run that ends at the last of the times."""
        batch = Members(self.bound.flow, self.y0, self.bound.values, times, self.rtol, self.atol)
        run = EnsembleArrays.empty(self.field, 1, len(times))
        self.engine(batch, run)
        return run

    def along(self, end: float) -> Callable[[np.ndarray], np.ndarray]:
        """States of shape ``(size, len(times))`` at times that do not decrease, of the run that ends at `end`."""
        from dynsim.integrate.engine.program import OneStart

        fast = OneStart(self.bound.flow, self.y0[:, 0], self.bound.values, end, self.rtol, self.atol)
        before: list[np.ndarray] = []

        def states(times: np.ndarray) -> np.ndarray:
            if not before or not np.array_equal(before[0], times):  # several events ask for the same times
                found = fast(times)
                before[:] = times, self._slowly(times) if found is None else found
            return before[1]

        return states

    def _slowly(self, times: np.ndarray) -> np.ndarray:
        """The same of a run that does not come to its end or slides on the way."""
        found, later = np.repeat(self.y0, len(times), axis=1), times > 0
        if later.any():
            found[:, later] = self.run(times[later]).states[:, 0]
        return found


def compiled_states(field: Field, y0: np.ndarray, times: np.ndarray, rtol: float, atol: float) -> np.ndarray | None:
    """States of shape ``(field.size, len(times))`` as arrays, in microseconds, for pictures that follow a hand.

    None where the engine cannot do the field, is not installed, or stops before the last time.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> from dynsim.integrate.compiled_run import compiled_states
    >>> field = dynsim.system("toy").field()
    >>> compiled_states(field, np.array([0.6, 0.1]), np.array([0.0, 60.0]), 1e-9, 1e-11)[:, -1].round(6)
    array([1.      , 0.806226])
    """
    if not isinstance(field, FlowField) or why_not_compiled(field.compiled.flow):
        return None
    from dynsim.integrate.engine.program import OneStart

    flow = field.compiled.flow
    values = dict(zip(flow.parameters, field.constants, strict=True))
    return OneStart(flow, y0, values, float(times[-1]), rtol, atol)(times)


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
    engine = _Engine(bound, field, y0, settings)
    if grid[-1] == 0.0:
        return Trajectory(y0[:, None], 0.0, Status.OK, y0)
    run = engine.run(grid[grid > 0] if grid[0] == 0.0 else grid)
    states = _with_start(run, y0, grid)
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
    """Record the events and end the run at the first terminal one.

    The engine does not tell where its steps were, so intervals of their mean length stand for them, and shorter ones
    near the start, where a run changes most.
    """
    early = found.reached * 2.0 ** -np.arange(20.0, 0.0, -1.0)
    edges = np.sort(np.concatenate([np.linspace(0.0, found.reached, max(found.steps, 1) + 1), early]))
    states = engine.along(found.reached)
    hits: list[tuple[float, int]] = []
    for index, event in enumerate(events):

        def along(times: np.ndarray, event: Watched = event) -> np.ndarray:
            return np.asarray(event.function(times, states(times)), dtype=float)

        if event.label == "rest":
            hits += [(time, index) for time in _rest(along, edges)]
            continue
        sign = 0.0
        for time, new in sign_changes(along, *edges.tolist()):
            if new != sign and new * event.direction >= 0:
                hits.append((time, index))
            sign = new
    hits.sort()
    counts = [0] * len(events)
    for (time, index), y in zip(hits, states(np.array([time for time, _ in hits])).T, strict=True):
        found.hits.append((time, index, y))
        counts[index] += 1
        if events[index].terminal and counts[index] >= events[index].terminal:
            resting = events[index].label == "rest"
            found.status = Status.AT_REST if resting else Status.EVENT
            found.reached, found.last = time, y
            found.states[:, grid > time] = y[:, None] if resting else np.nan
            return


def _rest(distance: Callable[[np.ndarray], np.ndarray], edges: np.ndarray) -> list[float]:
    """When the run comes to rest, if it does."""
    moving = distance(edges)
    at = int(np.argmax(moving <= 0))
    if not moving[at] <= 0:
        return []
    return [change_of_sign(distance, float(edges[at - 1]), float(edges[at]))] if at else [0.0]
