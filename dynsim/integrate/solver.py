"""One trajectory on a time grid: SciPy's integrator, the events on the way, and how the run ended."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from dynsim.field import Field
from dynsim.integrate.events import Event

__all__ = ["MOST_STEPS", "Trajectory", "trajectory"]

MOST_STEPS = 500_000  # a minute of DOP853 for a flow of two states

_IMPLICIT = ("Radau", "BDF", "LSODA")


@dataclass(frozen=True)
class Trajectory:
    """States on the grid, and how the run ended.

    Attributes
    ----------
    states : array of shape ``(size, len(grid))``
        Held after a rest, NaN after every other end before the last time.
    reached : float
        Flow time at which integration stopped.
    reason : str
        "t_end", "rest", "terminal", "blow-up" or "step-limit".
    hits : list of (time, index of the event, state)
        In the order of time.
    last : array of shape ``(size,)``, optional
        State at the time reached, where it was the number of steps that ended the run.
    """

    states: np.ndarray
    reached: float
    reason: str
    hits: list[tuple[float, int, np.ndarray]]
    last: np.ndarray | None = None


def trajectory(
    field: Field,
    y0: np.ndarray,
    grid: np.ndarray,
    method: str,
    rtol: float,
    atol: float,
    events: Sequence[Event],
) -> Trajectory:
    """Integrate from time 0 to the last time of the grid, or until something ends the run."""
    states = np.full((field.size, len(grid)), np.nan)
    resting = next((i for i, e in enumerate(events) if e.label == "rest" and e.function(0.0, y0) <= 0), None)
    if resting is not None or not field.f(0.0, y0).any():
        states[:] = y0[:, None]
        hits = [] if resting is None else [(0.0, resting, y0)]
        return Trajectory(states, 0.0 if hits else float(grid[-1]), "rest" if hits else "t_end", hits)
    if grid[-1] == 0.0:
        states[:, 0] = y0
        return Trajectory(states, 0.0, "t_end", [])

    watch = _Watch(field)
    options: dict[str, Any] = {}
    if method in _IMPLICIT and field.jacobian_function is not None:
        options["jac"] = field.jacobian
    try:
        solution = _quiet_solve_ivp(
            watch,
            (0.0, float(grid[-1])),
            y0,
            method=method,
            t_eval=grid,
            rtol=max(rtol, 100 * np.finfo(float).eps),
            atol=atol,
            events=[*(_scipy_event(event) for event in events), _TooManySteps(MOST_STEPS, float(grid[-1]))],
            **options,
        )
    except _Stuck:
        before = grid[grid < watch.furthest * (1 - 1e-6)]
        if before.size:
            states[:, : before.size] = trajectory(field, y0, before, method, rtol, atol, ()).states
        return Trajectory(states, watch.furthest, "blow-up", [])
    found = np.asarray(solution.y).reshape(field.size, -1)
    states[:, : found.shape[1]] = found
    hits = sorted(
        (
            (float(t), index, np.asarray(y))
            for index in range(len(events))
            for t, y in zip(solution.t_events[index], solution.y_events[index], strict=True)
        ),
        key=lambda hit: hit[:2],
    )
    if solution.t_events[-1].size:
        return Trajectory(states, float(solution.t_events[-1][0]), "step-limit", hits, solution.y_events[-1][0])
    if solution.status == 1:
        time, index, last = next(hit for hit in reversed(hits) if events[hit[1]].terminal)
        if events[index].label != "rest":
            return Trajectory(states, time, "terminal", hits)
        states[:, found.shape[1] :] = last[:, None]
        return Trajectory(states, time, "rest", hits)
    if solution.status == 0 and np.isfinite(found).all():
        return Trajectory(states, float(grid[-1]), "t_end", hits)
    return Trajectory(states, watch.furthest, "blow-up", hits)


def _quiet_solve_ivp(*arguments: Any, **options: Any) -> Any:
    # A diverging run overflows before the step size gives up; how it ended is in the result, not in a warning.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solve_ivp(*arguments, **options)


class _Stuck(Exception):
    """Time no longer advances."""


class _Watch:
    """The right-hand side, watched: how far it was finite, and whether time still advances.

    SciPy's Runge–Kutta methods give up when a step underflows; LSODA would go on for ever.
    """

    every = 5000  # evaluations between two looks

    def __init__(self, field: Field) -> None:
        self.field = field
        self.furthest = self.seen = 0.0
        self.count = 0

    def __call__(self, t: float, y: np.ndarray) -> Any:
        value = self.field.f(t, y)
        if np.isfinite(value).all():
            self.furthest = max(self.furthest, t)
        self.count += 1
        if self.count % self.every == 0:
            if self.furthest - self.seen <= 1e-12 * self.furthest:
                raise _Stuck
            self.seen = self.furthest
        return value


class _TooManySteps:
    """A terminal event of `solve_ivp`, which looks at events once at the start and once after every step."""

    terminal, direction = True, -1

    def __init__(self, most: int, t_end: float) -> None:
        self.left, self.t_end = most, t_end
        self.end = np.inf

    def __call__(self, t: float, y: np.ndarray) -> float:
        if self.left == 0 and t < self.t_end:
            self.end = t
        self.left -= 1
        return self.end - t


def _scipy_event(event: Event) -> Any:
    def function(t: float, y: np.ndarray) -> float:
        return event.function(t, y)

    function.terminal = event.terminal  # type: ignore[attr-defined]
    function.direction = -1 if event.label == "rest" else 0  # type: ignore[attr-defined]
    return function
