"""One trajectory by the compiled engine, with the interface of the other solvers: same events, same endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np

from dynsim.errors import bad, missing_extra
from dynsim.field import Field
from dynsim.integrate.batch import EnsembleArrays, Members
from dynsim.integrate.engines import ABSENT, choose, why_not_compiled
from dynsim.integrate.events import Watched
from dynsim.integrate.solver import Settings, Trajectory, fixed_atol
from dynsim.integrate.zeros import nodes, sign_changes
from dynsim.status import Status
from dynsim.symbolic.compiled import FlowField

__all__ = ["compiled_states", "compiled_trajectory"]


_SECTIONS = 1000  # of an interval in which a run comes to rest: as many values cost little more than one
_CLOSE = 4096.0  # units in the last place that are close enough: what is between is rounding


class _Engine:
    """The one run, at any times."""

    def __init__(self, bound: Any, field: Field, y0: np.ndarray, settings: Settings, end: float) -> None:
        from dynsim.integrate.engine.program import OneStart

        self.bound, self.field, self.y0, self.settings = bound, field, y0[:, None], settings
        self.fast: OneStart | None = OneStart(bound.flow, y0, bound.values, end, settings.rtol, settings.atol)
        self.before: tuple[np.ndarray, np.ndarray] | None = None

    def trajectory(self, grid: np.ndarray) -> Trajectory:
        """The run to the end of the grid, or as far as it comes."""
        y0, size = self.y0[:, 0], len(self.y0)
        outputs = self.fast.outputs(grid) if self.fast else None
        if self.fast and outputs is not None:
            states, end = outputs[:size], float(grid[-1])
            observed = outputs[size:] if self.fast.observes else None
            return Trajectory(states, end, self.fast.status, states[:, -1], steps=self.fast.steps, observed=observed)
        self.fast = None  # it stops on the way, and what it stops at leaves no relative accuracy to be kept
        run = self._slow(grid)
        states = run.states[:, 0]
        known = np.isfinite(states).all(axis=0)
        done = len(grid) if known.all() else int(np.argmin(known))
        reached, last = (float(grid[done - 1]), states[:, done - 1]) if done else (0.0, y0)
        return Trajectory(states, reached, Status(int(run.status[0])), last, steps=int(run.steps[0]))

    def _slow(self, times: np.ndarray) -> EnsembleArrays:
        """The run with a fixed tolerance that ends at the last of the times, and slides if need be."""
        batch = Members(
            self.bound.flow, self.y0, self.bound.values, times, self.settings.rtol, fixed_atol(self.settings, self.y0)
        )
        run = EnsembleArrays.empty(self.field, 1, len(times))
        choose("compiled", self.bound.flow, False).engine(batch, run)
        return run

    def states_at(self, times: list[float]) -> np.ndarray:
        """The same, most likely at some of the times that were asked for last."""
        if self.before is not None:
            places = np.minimum(np.searchsorted(self.before[0], times), len(self.before[0]) - 1)
            if self.before[0][places].tolist() == times:
                return self.before[1][:, places]
        return self.states(np.array(times))

    def states(self, times: np.ndarray) -> np.ndarray:
        """States of shape ``(size, len(times))`` at times that do not decrease."""
        if self.before is not None and np.array_equal(self.before[0], times):  # several events ask for the same times
            return self.before[1]
        found = self.fast(times) if self.fast else None
        if found is None:
            found, later = np.repeat(self.y0, len(times), axis=1), times > 0
            if later.any():
                found[:, later] = self._slow(times[later]).states[:, 0]
        self.before = times, found
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
    if reason := why_not_compiled(bound.flow):
        if reason == ABSENT:
            raise missing_extra("llvmlite", "fast", "compiled runs")
        raise bad("method", "compiled", "a flow that can be compiled", f"{reason}; take method='DOP853'")
    if grid[-1] < 0 or np.isfinite(settings.max_step) or settings.breakpoints:
        what = "a run forward in time without max_step and breakpoints"
        raise bad("method", "compiled", what, "take method='DOP853'")
    if grid[-1] == 0.0:
        status = Status.OK if np.isfinite(field.f(0.0, y0)).all() else Status.INVALID_START
        found = Trajectory(y0[:, None], 0.0, status, y0)
        found.see_rest(field, fixed_atol(settings, y0))
        return found
    engine = _Engine(bound, field, y0, settings, float(grid[-1]))
    found = engine.trajectory(grid)
    if not engine.fast:
        found.see_rest(field, fixed_atol(settings, y0))
    if events and found.reached > 0:
        _happenings(engine, found, grid, events)
    return found


@lru_cache(maxsize=64)
def _intervals(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges between 0 and 1 of the intervals within which a run of so many steps is searched, and their nodes.

    The engine does not tell where its steps were, so intervals of their mean length stand for them, and shorter ones
    near the start, where a run changes most.
    """
    edges = np.sort(np.concatenate([np.linspace(0.0, 1.0, max(steps, 1) + 1), 2.0 ** -np.arange(20.0, 0.0, -1.0)]))
    return edges, nodes(edges)


def _happenings(engine: _Engine, found: Trajectory, grid: np.ndarray, events: Sequence[Watched]) -> None:
    """Record the events and end the run at the first terminal one."""
    edges, at = (found.reached * share for share in _intervals(found.steps))
    states = engine.states
    hits: list[tuple[float, int, np.ndarray]] = []
    for index, event in enumerate(events):

        def along(times: np.ndarray, event: Watched = event) -> np.ndarray:
            return np.asarray(event.function(times, states(times)), dtype=float)

        if event.label == "rest":
            times = _rest(along, edges)
        else:
            changes = sign_changes(along, edges, at)
            turns = zip(changes, [0.0, *(sign for _, sign in changes)], strict=False)
            times = [time for (time, sign), before in turns if sign != before and sign * event.direction >= 0]
        if times:
            hits += zip(times, repeat(index), engine.states_at(times).T, strict=False)
    hits.sort(key=itemgetter(0, 1))
    counts = [0] * len(events)
    for time, index, y in hits:
        found.hits.append((time, index, y))
        counts[index] += 1
        if events[index].terminal and counts[index] >= events[index].terminal:
            resting = events[index].label == "rest"
            found.status = Status.AT_REST if resting else Status.EVENT
            found.reached, found.last, found.observed = time, y, None
            found.states[:, grid > time] = y[:, None] if resting else np.nan
            return


def _rest(distance: Callable[[np.ndarray], np.ndarray], edges: np.ndarray) -> list[float]:
    """When the run comes to rest, if it does; the distance is hardly more than rounding there: by plain sections."""
    times = edges
    while True:
        moving = distance(times)
        at = int(np.argmax(moving <= 0))
        if not moving[at] <= 0:
            return [float(times[-1])] if times is not edges else []
        if not at or times[at] - times[at - 1] <= _CLOSE * np.spacing(times[at]):
            return [float(times[at])]
        times = np.linspace(times[at - 1], times[at], _SECTIONS + 1)
