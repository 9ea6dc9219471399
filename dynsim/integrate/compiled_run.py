"""One trajectory by the compiled engine, with the interface of the other solvers: same events, same endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.field import Field
from dynsim.integrate.batch import SCALED, EnsembleArrays, Members
from dynsim.integrate.engines import choose, why_not_compiled
from dynsim.integrate.events import Watched, change_of_sign, sign_changes
from dynsim.integrate.solver import Settings, Trajectory
from dynsim.status import Status
from dynsim.symbolic.compiled import FlowField

__all__ = ["compiled_states", "compiled_trajectory"]


class _Engine:
    """States of the one run at any times."""

    def __init__(self, bound: Any, field: Field, y0: np.ndarray, settings: Settings, end: float) -> None:
        from dynsim.integrate.engine.program import OneStart

        self.bound, self.field, self.y0, self.settings = bound, field, y0[:, None], settings
        self.scaled = settings.atol or SCALED * (float(np.abs(y0).max(initial=0.0)) or 1.0)
        self.slow = choose("compiled", bound.flow, False).engine
        self.fast: OneStart | None = OneStart(bound.flow, y0, bound.values, end, settings.rtol, settings.atol)
        self.before: tuple[np.ndarray, np.ndarray] | None = None

    def run(self, times: np.ndarray) -> tuple[np.ndarray, Status, int]:
        """States at times of which the last is the run's end, how it ended there, and its steps."""
        found = self.fast(times) if self.fast else None
        if self.fast and found is not None:
            return found, self.fast.status, self.fast.steps
        self.fast = None  # it stops on the way, and what it stops at leaves no relative accuracy to be kept
        batch = Members(self.bound.flow, self.y0, self.bound.values, times, self.settings.rtol, self.scaled)
        run = EnsembleArrays.empty(self.field, 1, len(times))
        self.slow(batch, run)
        return run.states[:, 0], Status(int(run.status[0])), int(run.steps[0])

    def states(self, times: np.ndarray) -> np.ndarray:
        """States of shape ``(size, len(times))`` at times that do not decrease."""
        if self.before is None or not np.array_equal(self.before[0], times):  # several events ask for the same times
            self.before = times, self._states(times)
        return self.before[1]

    def _states(self, times: np.ndarray) -> np.ndarray:
        found = self.fast(times) if self.fast else None
        if found is None:
            found, later = np.repeat(self.y0, len(times), axis=1), times > 0
            if later.any():
                found[:, later] = self.run(times[later])[0]
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
    if grid[-1] == 0.0:
        return Trajectory(y0[:, None], 0.0, Status.OK, y0)
    engine = _Engine(bound, field, y0, settings, float(grid[-1]))
    states, status, steps = engine.run(grid)
    known = np.isfinite(states).all(axis=0)
    done = len(grid) if known.all() else int(np.argmin(known))
    reached = float(grid[-1]) if done == len(grid) else float(grid[done - 1]) if done else 0.0
    last = states[:, done - 1] if done else y0
    found = Trajectory(states, reached, status, last, steps=steps)
    if events and reached > 0:
        _happenings(engine, found, grid, events)
    if found.status == Status.AT_REST and not any(events[hit[1]].label == "rest" for hit in found.hits):
        found.status = Status.OK  # solve says so itself
    return found


def _happenings(engine: _Engine, found: Trajectory, grid: np.ndarray, events: Sequence[Watched]) -> None:
    """Record the events and end the run at the first terminal one.

    The engine does not tell where its steps were, so intervals of their mean length stand for them, and shorter ones
    near the start, where a run changes most.
    """
    early = found.reached * 2.0 ** -np.arange(20.0, 0.0, -1.0)
    edges = np.sort(np.concatenate([np.linspace(0.0, found.reached, max(found.steps, 1) + 1), early]))
    states = engine.states
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
